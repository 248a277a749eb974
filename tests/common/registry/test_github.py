"""Members of a commit's archive: the same file, whichever copy of the commit they come from."""

import hashlib
import io
import zipfile

import pytest

from common import registry
from common.registry import _github, _http

COMMIT = "0123456789" * 4
FILES = {"data/a.xyz": b"1 2 3", "data/b.xyz": b"4 5 6", "LICENSE": b"free", "code.py": b"pass"}
SOURCE = {
    "github": {"repository": "lab/molecules", "commit": COMMIT, "members": ["data/", "LICENSE"]}
}


def archive(names=None, *, compression=zipfile.ZIP_DEFLATED, comment=COMMIT, top="top"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as opened:
        opened.writestr(f"{top}/", b"")
        for name in FILES if names is None else names:
            opened.writestr(f"{top}/{name}", FILES[name])
        opened.comment = comment.encode()
    return buffer.getvalue()


@pytest.fixture
def described(entry, tmp_path, monkeypatch):
    """The entry, with the hash of the archive that is made here."""
    monkeypatch.setattr(_github, "verify", lambda *_, **__: None)
    source, made = tmp_path / "source.zip", tmp_path / "made.zip"
    source.write_bytes(archive())
    github = registry._schema.Github(**SOURCE["github"])
    monkeypatch.setattr(_github.files, "relative", str)
    _github.repack(source, github, made, sha256="", size=1)
    monkeypatch.undo()
    content = made.read_bytes()
    with zipfile.ZipFile(made) as opened:
        assert opened.namelist() == ["LICENSE", "data/a.xyz", "data/b.xyz"]
        assert opened.read("data/b.xyz") == b"4 5 6"
    return entry(SOURCE, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


@pytest.fixture
def served(monkeypatch):
    """What the server sends, without a server."""
    asked = []

    def serve(content):
        def download(url, temporary, **_):
            asked.append(url)
            temporary.write_bytes(content)

        monkeypatch.setattr(_http, "download", download)
        return asked

    return serve


@pytest.mark.parametrize(
    "content",
    [
        archive(),
        archive(sorted(FILES), compression=zipfile.ZIP_STORED),
        archive(["LICENSE", "data/b.xyz", "data/a.xyz"], comment="", top="molecules-01234567"),
    ],
    ids=["as registered", "other order and compression", "only a part, another top folder"],
)
def test_same_file_from_every_copy_of_the_commit(fetch, described, served, capsys, content):
    asked = served(content)
    path = fetch(described)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == described["sha256"]
    assert asked == [f"https://codeload.github.com/lab/molecules/zip/{COMMIT}"]
    assert "(its members have 0.0 MB)" in capsys.readouterr().out
    assert [each.name for each in path.parent.iterdir()] == ["signals.bin"]


def test_nothing_in_the_file_tells_when_or_where_it_was_packed(fetch, described, served):
    served(archive())
    with zipfile.ZipFile(fetch(described)) as packed:
        members = packed.infolist()
    assert {each.create_system for each in members} == {3}  # Unix, also on Windows
    assert {each.date_time for each in members} == {(1980, 1, 1, 0, 0, 0)}
    assert {each.compress_type for each in members} == {zipfile.ZIP_STORED}


def test_mirror_copy_is_known_by_the_commit_in_its_comment(fetch, described, served, tmp_path):
    asked = served(b"")
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "other.zip").write_bytes(archive(comment="f" * 40))
    (mirror / "broken.zip").write_bytes(b"PK, but no archive")
    (mirror / "renamed.zip").write_bytes(archive())
    assert fetch(described, mirror=mirror).exists()
    assert asked == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (archive(["LICENSE", "code.py"]), ["data/", "without it", "another commit"]),
        (b"<!DOCTYPE html><html>log in", ["HTML page came instead"]),
        (archive()[:200], ["truncated"]),
    ],
)
def test_one_clear_error_and_nothing_left(fetch, described, served, tmp_path, content, words):
    served(content)
    with pytest.raises(registry.RegistryError) as caught:
        fetch(described)
    for word in ["signals.bin", COMMIT, "fix:", *words]:
        assert word in str(caught.value)
    assert not any((tmp_path / "raw").iterdir())


def test_changed_member_is_refused(fetch, described, served, monkeypatch):
    monkeypatch.setitem(FILES, "data/a.xyz", b"1 2 4")
    served(archive())
    with pytest.raises(registry.RegistryError, match="another version"):
        fetch(described)


def test_name_of_the_file(described, write):
    entry = registry.load(write({"signals": described}))["signals"]
    assert entry.filename == "molecules-01234567-members.zip"
    assert entry.source.kind == "github"
    assert registry.status("signals", registry=write({"signals": described})) == "missing"


def test_a_folder_is_no_beginning_of_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(_github, "verify", lambda *_, **__: None)
    monkeypatch.setitem(FILES, "database.csv", b"7")
    (tmp_path / "source.zip").write_bytes(archive())
    for member in ("data", "data/"):
        github = registry._schema.Github(**SOURCE["github"] | {"members": [member]})
        _github.repack(tmp_path / "source.zip", github, tmp_path / "made.zip", sha256="", size=1)
        with zipfile.ZipFile(tmp_path / "made.zip") as made:
            assert made.namelist() == ["data/a.xyz", "data/b.xyz"]
