"""Output that survives any terminal: Latin-1, plain ASCII, or none at all."""

import codecs
import sys
import unicodedata

__all__ = ["accept_any_encoding"]

_PLAIN = {
    "−": "-", "–": "-", "—": "-", "→": "->", "←": "<-", "▶": ">", "×": "x", "·": "*", "µ": "u",
    "≤": "<=", "≥": ">=", "±": "+-", "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip


def accept_any_encoding(*streams):
    """Let streams write characters that their encoding lacks in plain letters: ``…`` as ``...``.

    Parameters
    ----------
    *streams : io.TextIOWrapper
        Default: standard output and standard error.
    """
    codecs.register_error("artifacts-plain", _replace)
    for stream in streams or (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="artifacts-plain")


def _replace(error):
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character):
    if character in _PLAIN:
        return _PLAIN[character]
    if "\u2580" <= character <= "\u259f":  # blocks of progress bars
        return "#"
    near = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    return near or "?"
