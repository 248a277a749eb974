"""What is printed arrives on any terminal."""

import io

import pytest

from common import files
from common.workflow import console

TEXT = "… − → ≥ µ ½ é | ██▌ | 電"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", TEXT),
        ("latin-1", "... - -> >= µ ½ é | ### | ?"),
        ("ascii", "... - -> >= u 12 e | ### | ?"),
    ],
)
def test_what_an_encoding_lacks_is_written_in_plain_letters(encoding, expected):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console.accept_any_encoding(stream)
    stream.write(TEXT)
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding) == expected


def test_a_stream_of_another_kind_is_left_alone():
    console.accept_any_encoding(io.StringIO())


# They run before anything is installed, or write bytes, or nothing.
APART = {"prerequisites.py", "clean.py", "launch.py", "server.py"}


def test_every_command_of_the_library_accepts_any_encoding():
    commands = [
        path
        for path in (files.ROOT / "common").rglob("*.py")
        if '\nif __name__ == "__main__":' in path.read_text(encoding="utf-8")
        and path.name not in APART
    ]
    assert files.resolve("common/workflow/prerequisites.py").read_bytes().isascii()
    assert len(commands) >= 6
    for path in commands:
        assert "console.accept_any_encoding()" in path.read_text(encoding="utf-8"), path
