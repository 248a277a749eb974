"""The verified file, or one clear error and nothing left behind."""

import errno
import json
import socket

import pytest
import requests

from common import files, registry
from common.registry import _http
from common.registry.__main__ import main

from .conftest import DATA, digest


def left_behind(tmp_path):
    return [p for p in (tmp_path / "raw").rglob("*")] if (tmp_path / "raw").exists() else []


def test_right_file(fetch, entry, server):
    path = fetch(entry({"url": f"{server.address}/good/s.bin"}))
    assert path.name == "signals.bin"
    assert path.read_bytes() == DATA


def test_file_that_is_there_is_not_downloaded_again(fetch, entry, server):
    for _ in range(2):
        fetch(entry({"url": f"{server.address}/good/s.bin"}))
    assert len(server.requests) == 1


def test_wrong_file_on_disk_is_replaced_with_a_notice(fetch, entry, server, tmp_path, capsys):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "signals.bin").write_bytes(b"half of i")
    assert fetch(entry({"url": f"{server.address}/good/s.bin"})).read_bytes() == DATA
    assert "is not the registered file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("behaviour", "words", "n_requests"),
    [
        ("wrong", [digest(DATA), digest(DATA[::-1]), "replaced by another version", "compare"], 1),
        ("short", [f"{len(DATA)} bytes", "1000 bytes", "truncated at the source"], 1),
        ("html", ["an HTML page came instead of data", "open the address", "mirror"], 1),
        ("missing", ["HTTP 404", "the address moved"], 1),
        ("busy", ["HTTP 503", "overloaded or down", "try again later"], _http.ATTEMPTS),
        ("truncated", ["the connection broke", "arrives truncated"], _http.ATTEMPTS),
    ],
)
def test_one_clear_error_and_nothing_left(
    fetch, entry, server, tmp_path, behaviour, words, n_requests
):
    url = f"{server.address}/{behaviour}/s.bin"
    with pytest.raises(registry.RegistryError) as caught:
        fetch(entry({"url": url}))
    for word in ["signals.bin", url, "expected:", "found:", "cause:", "fix:", *words]:
        assert word in str(caught.value)
    assert left_behind(tmp_path) == []
    assert len(server.requests) == n_requests


def test_no_network(fetch, entry, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(registry.RegistryError, match=r"(?s)no connection.*no network.*MIRROR"):
        fetch(entry({"url": f"http://127.0.0.1:{port}/s.bin"}))
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("behaviour", ["busy-once", "broken-once"])
def test_flaky_start_then_good(fetch, entry, server, behaviour):
    assert fetch(entry({"url": f"{server.address}/{behaviour}/s.bin"})).read_bytes() == DATA
    assert len(server.requests) == 2


def test_pauses_before_further_attempts_double(fetch, entry, server, monkeypatch):
    pauses = []
    monkeypatch.setattr(_http, "PAUSE", 1.5)
    monkeypatch.setattr(_http.time, "sleep", pauses.append)
    with pytest.raises(registry.RegistryError, match="HTTP 503"):
        fetch(entry({"url": f"{server.address}/busy/s.bin"}))
    assert pauses == [1.5, 3.0, 6.0]


def test_download_that_was_whole_already_starts_over(fetch, entry, server, tmp_path):
    # The connection broke after the last byte: a range that begins there cannot be satisfied.
    part = tmp_path / "part"
    part.write_bytes(DATA)
    _http.download(
        f"{server.address}/beyond/s.bin", part, name="s.bin", size=len(DATA), progressbar=False
    )
    assert part.read_bytes() == DATA
    assert [asked for _, asked in server.requests] == [f"bytes={len(DATA)}-", None]


def test_server_that_says_nothing_in_time(tmp_path, monkeypatch):
    def silent(*_, **__):
        raise requests.ReadTimeout("read timed out")

    monkeypatch.setattr(_http, "_attempt", silent)
    with pytest.raises(registry.RegistryError) as caught:
        _http.download(
            "https://a.org/s.bin", tmp_path / "part", name="s.bin", size=7, progressbar=False
        )
    assert "expected: 7 bytes" in str(caught.value)
    assert f"no answer in time (ReadTimeout), {_http.ATTEMPTS} times" in str(caught.value)


def test_download_is_announced_with_its_size(fetch, entry, server, capsys):
    url = f"{server.address}/good/s.bin"
    fetch(entry({"url": url}))
    assert f"downloading {url} (0.1 MB)" in capsys.readouterr().out


def test_broken_download_is_resumed(fetch, entry, server):
    path = fetch(entry({"url": f"{server.address}/broken-once-ranges/s.bin"}))
    assert path.read_bytes() == DATA
    begin = int(server.requests[1][1].removeprefix("bytes=").removesuffix("-"))
    assert 0 < begin <= 70_000


@pytest.mark.parametrize("name", ["signals.bin", "s.bin", "deep/down/called-otherwise.dat"])
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_mirror_comes_first(fetch, entry, server, tmp_path, monkeypatch, name, way):
    file = tmp_path / "mirror" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(DATA)
    if way == "environment":
        monkeypatch.setenv("ARTIFACTS_MIRROR", str(tmp_path / "mirror"))
    options = {"mirror": tmp_path / "mirror"} if way == "argument" else {}
    path = fetch(entry({"url": f"{server.address}/good/s.bin"}), **options)
    assert path.read_bytes() == DATA
    assert server.requests == []
    assert file.exists()


def test_wrong_file_in_mirror_is_passed_over(fetch, entry, server, tmp_path, capsys):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "s.bin").write_bytes(DATA[::-1])
    path = fetch(entry({"url": f"{server.address}/good/s.bin"}), mirror=tmp_path / "mirror")
    assert path.read_bytes() == DATA
    assert "looking further" in capsys.readouterr().out


def test_right_file_of_another_name_is_found_behind_a_wrong_one(fetch, entry, server, tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "s.bin").write_bytes(DATA[::-1])
    (tmp_path / "mirror" / "t.bin").write_bytes(DATA)
    path = fetch(entry({"url": f"{server.address}/good/s.bin"}), mirror=tmp_path / "mirror")
    assert path.read_bytes() == DATA
    assert server.requests == []


def test_mirror_that_does_not_exist(fetch, entry, tmp_path, monkeypatch):
    good = entry({"url": "https://a.org/s.bin"})
    with pytest.raises(registry.RegistryError, match=r"none does not exist.*by the mirror"):
        fetch(good, mirror=tmp_path / "none")
    monkeypatch.setenv("ARTIFACTS_MIRROR", str(tmp_path / "none"))
    with pytest.raises(registry.RegistryError, match="environment variable ARTIFACTS_MIRROR"):
        fetch(good)


FOLDER = {"folder": {"registration": "https://a.org/register", "contains": ["edf/train"]}}


def test_folder_of_the_user(fetch, entry, tmp_path):
    (tmp_path / "mine" / "edf" / "train").mkdir(parents=True)
    assert fetch(entry(FOLDER), folders={"signals": str(tmp_path / "mine")}) == tmp_path / "mine"


def test_folder_missing_names_page_and_key(fetch, entry, tmp_path):
    with pytest.raises(registry.RegistryError) as caught:
        fetch(entry(FOLDER))
    assert "https://a.org/register" in str(caught.value)
    assert "folders:\n    signals:" in str(caught.value)
    with pytest.raises(registry.RegistryError, match="does not exist"):
        fetch(entry(FOLDER), folders={"signals": str(tmp_path / "none")})
    with pytest.raises(registry.RegistryError, match="lacks edf/train"):
        fetch(entry(FOLDER), folders={"signals": str(tmp_path)})
    anything = {"folder": {"registration": "https://a.org/register"}}
    with pytest.raises(registry.RegistryError, match="does not exist"):
        fetch(entry(anything), folders={"signals": str(tmp_path / "none")})
    assert fetch(entry(anything), folders={"signals": str(tmp_path)}) == tmp_path


def test_moabb_subject_leaves_a_receipt(fetch, entry, tmp_path, monkeypatch, capsys):
    datasets = pytest.importorskip("moabb.datasets")
    file = tmp_path / "subject_2.mat"
    file.write_bytes(DATA)

    class Fake:
        def data_path(self, subject):
            return [[str(tmp_path / f"subject_{subject}.mat")]]

    monkeypatch.setattr(datasets, "Fake", Fake, raising=False)
    source = entry({"moabb": {"dataset": "Fake", "n_subjects": 3}})
    receipt = json.loads(fetch(source, subject=2).read_text())
    assert receipt["files"] == [
        {"file": "subject_2.mat", "size": len(DATA), "sha256": digest(DATA)}
    ]
    file.write_bytes(DATA[::-1])
    fetch(source, subject=2)
    assert "receipt replaced" in capsys.readouterr().out
    with pytest.raises(registry.RegistryError, match="no existing file"):
        fetch(source, subject=1)
    for subject in (None, 0, 4):
        with pytest.raises(registry.RegistryError, match=f"subjects 1 to 3, got subject={subject}"):
            fetch(source, subject=subject)


def test_moabb_takes_what_the_mirror_holds(fetch, entry, tmp_path, monkeypatch):
    datasets = pytest.importorskip("moabb.datasets")
    home, mirror = tmp_path / "mne", tmp_path / "mirror"
    held = mirror / "MNE-fake-data" / "deep" / "subject_2.mat"
    held.parent.mkdir(parents=True)
    held.write_bytes(DATA)
    home.mkdir()

    class Fake:
        def data_path(self, subject):  # no network: what is not in MOABB's folder is not there
            return [str(home / "MNE-fake-data" / "deep" / f"subject_{subject}.mat")]

    monkeypatch.setattr(datasets, "Fake", Fake, raising=False)
    monkeypatch.setenv("MNE_DATA", str(home))
    source = entry({"moabb": {"dataset": "Fake", "n_subjects": 2, "subjects": [2, 5]}})
    receipt = json.loads(fetch(source, subject=2, mirror=mirror).read_text())
    assert [each["sha256"] for each in receipt["files"]] == [digest(DATA)]
    with pytest.raises(registry.RegistryError, match="no existing file"):
        fetch(source, subject=5, mirror=mirror)
    with pytest.raises(registry.RegistryError, match=r"has subjects \[2, 5\], got subject=1"):
        fetch(source, subject=1, mirror=mirror)
    # A mirror that moved: its dead links are replaced.
    moved = mirror.rename(tmp_path / "moved")
    fetch(source, subject=2, mirror=moved)


def test_receipt_lists_the_files_by_name_and_is_silent_where_nothing_changed(
    fetch, entry, tmp_path, monkeypatch, capsys
):
    import mne

    paths = [tmp_path / "b.edf", tmp_path / "a.edf"]
    for path in paths:
        path.write_bytes(path.name.encode())
    order = [paths]
    monkeypatch.setattr(mne.datasets.sample, "data_path", lambda: [order[0], None])
    source = entry({"mne": {"dataset": "sample"}})
    receipt = json.loads(fetch(source).read_text())
    assert [each["file"] for each in receipt["files"]] == ["a.edf", "b.edf"]
    order[0] = paths[::-1]
    assert json.loads(fetch(source).read_text()) == receipt
    assert "changed" not in capsys.readouterr().out


def test_sleep_physionet_is_fetched_by_subject(fetch, entry, tmp_path, monkeypatch):
    import mne

    (tmp_path / "night.edf").write_bytes(DATA)
    asked = {}

    def fetch_data(subjects, **options):
        asked.update(subjects=list(subjects), **options)
        return [[str(tmp_path / "night.edf")]]

    monkeypatch.setattr(mne.datasets.sleep_physionet.age, "fetch_data", fetch_data)
    source = entry({"mne": {"dataset": "sleep_physionet.age"}})
    assert "night.edf" in fetch(source).read_text()
    assert asked == {"subjects": list(range(83)), "on_missing": "ignore"}


def test_mne_data_leave_a_receipt(fetch, entry, tmp_path, monkeypatch):
    import mne

    (tmp_path / "sample" / "a").mkdir(parents=True)
    (tmp_path / "sample" / "a" / "x.fif").write_bytes(DATA)
    monkeypatch.setattr(mne.datasets.sample, "data_path", lambda: tmp_path / "sample")
    source = entry({"mne": {"dataset": "sample"}})
    assert json.loads(fetch(source).read_text())["files"][0]["file"] == "a/x.fif"

    def fail():
        raise OSError("no route to host")

    monkeypatch.setattr(mne.datasets.sample, "data_path", fail)
    with pytest.raises(registry.RegistryError, match=r"(?s)OSError: no route to host.*MNE_DATA"):
        fetch(source)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full.*make room"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full.*make room"),
        (OSError(errno.EHOSTUNREACH, "No route"), "no network, a server.*try again"),
        (MemoryError("Unable to allocate"), "no memory, or a package that is missing.*mend that"),
        (ModuleNotFoundError("No module named 'pooch'"), "a package that is missing.*mend that"),
    ],
)
def test_an_error_of_the_machine_is_not_blamed_on_the_network(
    fetch, entry, monkeypatch, error, message
):
    import mne

    def fail():
        raise error

    monkeypatch.setattr(mne.datasets.sample, "data_path", fail)
    with pytest.raises(registry.RegistryError, match=f"(?s){message}"):
        fetch(entry({"mne": {"dataset": "sample"}}))


def test_command_line(entry, write, server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    write({"signals": entry({"url": f"{server.address}/good/s.bin"}), "tusz": entry(FOLDER)})
    start = ["--registry", str(tmp_path / "registry.yaml")]
    assert main([*start, "fetch", "signals"]) == 0
    assert (tmp_path / "data/raw/signals.bin").read_bytes() == DATA
    assert main([*start, "list"]) == 0
    assert "signals" in capsys.readouterr().out
    assert main([*start, "check"]) == 0
    assert "repair" not in capsys.readouterr().out
    (tmp_path / "data/raw/signals.bin").write_bytes(b"x")
    assert main([*start, "check"]) == 1
    assert "repair: python -m common.registry fetch signals" in capsys.readouterr().out
    assert main([*start, "fetch", "tusz"]) == 1
    assert "registration" in capsys.readouterr().err
    (tmp_path / "config.yaml").write_text(f"folders: {{tusz: {tmp_path / 'mine'}}}\n")
    (tmp_path / "mine" / "edf" / "train").mkdir(parents=True)
    assert main([*start, "fetch", "tusz"]) == 0


def test_list_shows_kind_size_and_state(entry, write, server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    write({"signals": entry({"url": f"{server.address}/good/s.bin"}), "tusz": entry(FOLDER)})
    start = ["--registry", str(tmp_path / "registry.yaml")]
    assert main([*start, "list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["signals", "url", "0.1", "MB", "missing", "Signals"],
        ["tusz", "folder", "external", "Signals"],
    ]


def test_command_line_takes_the_mirror_of_the_configuration(
    entry, write, server, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    write({"signals": entry({"url": f"{server.address}/good/s.bin"})})
    start = ["--registry", str(tmp_path / "registry.yaml"), "fetch", "signals"]
    for folder in ("of-the-line", "of-the-file"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "s.bin").write_bytes(DATA)
    for options, expected in (([], "of-the-file"), (["--mirror", "of-the-line"], "of-the-line")):
        (tmp_path / "config.yaml").write_text("mirror: of-the-file\n")
        assert main([*start, *options]) == 0
        assert f"copied from the mirror, {tmp_path / expected}" in capsys.readouterr().out
        (tmp_path / "data/raw/signals.bin").unlink()
    assert server.requests == []
    (tmp_path / "config.yaml").write_text("# nothing is set\n")
    assert main(start) == 0
    assert len(server.requests) == 1


def test_the_size_of_downloads_counts_an_archive_once_and_names_what_is_unknown(
    entry, write, tmp_path
):
    archive = {"requirement": "tiny-signals==1.2", "archive": "sdist", "member": "a"}
    archive |= {"sha256": digest(DATA * 2), "size": 2 * len(DATA)}
    at = {"repository": "a/b", "commit": "0" * 40, "members": ["c"]}
    made = {
        "file": entry({"url": "https://example.org/a.bin"}),
        "one": entry({"pypi": archive}),
        "two": entry({"pypi": archive | {"member": "b"}}),
        "commit": entry({"github": at}, sha256=digest(DATA), size=len(DATA)),
        "subjects": entry({"moabb": {"dataset": "BI2014a", "n_subjects": 2}}),
    }
    where = {"registry": write(made), "archives": tmp_path / "archives"}
    names = [*made, "subjects"]
    assert registry.download_size(names, **where) == (3 * len(DATA), 3)
    assert registry.download_size(["two"], **where) == (2 * len(DATA), 0)
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "tiny-signals-1.2.tar.gz").write_bytes(DATA * 2)
    assert registry.download_size(names, **where) == (len(DATA), 3)
    assert registry.download_size([], **where) == (0, 0)
    with pytest.raises(registry.RegistryError, match="No data set 'fil' in the registry"):
        registry.download_size(["fil"], **where)
