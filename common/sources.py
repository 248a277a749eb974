"""Files that people edit: notebooks, YAML and Python. A mistake in one is named by file and line.

YAML is read by the rules of version 1.2, so that what looks like a number is one, and nothing else
becomes a boolean or a number of another base:

=========================  ==========================================
``1e-3``, ``1E5``          numbers (texts in YAML 1.1)
``1_000``                  1000
``010``                    an error: 8 in YAML 1.1, 10 in YAML 1.2
``1:30``                   a text (90 in YAML 1.1)
``yes``, ``no``, ``on``    texts (booleans in YAML 1.1)
``true``, ``null``         as ever
=========================  ==========================================

Settings end up in JSON, so a value that JSON cannot hold, such as a date, is an error.
"""

import ast
import json
import re
from typing import ClassVar

import yaml

from common import files

__all__ = ["SourceError", "read_notebook", "read_python", "read_text", "read_yaml"]

_MERGE = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]")
_TAG = "tag:yaml.org,2002:"
_KINDS = {"timestamp": "a date", "binary": "binary data", "set": "a set"}


class SourceError(ValueError):
    """A file that people edit cannot be read; one line says where and what to do."""


def read_text(path):
    """Text of a UTF-8 file.

    Parameters
    ----------
    path : str or Path
        Relative to the repository root.

    Returns
    -------
    text : str
        Without a byte order mark.

    Raises
    ------
    SourceError
        If the file is missing, is not UTF-8, or has the marks of an unfinished merge.
    """
    name = files.relative(path)
    try:
        content = files.resolve(path).read_bytes()
    except OSError as error:
        what = "does not exist" if isinstance(error, FileNotFoundError) else error.strerror
        raise SourceError(f"{name}: {what}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"{name}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8. "
            "Save the file with the encoding UTF-8"
        ) from None
    if merge := _MERGE.search(text):
        line = text.count("\n", 0, merge.start()) + 1
        raise SourceError(
            f"{name}, line {line}: a mark of an unfinished git merge. Resolve the conflict"
        )
    return text.replace("\r\n", "\n")


def read_notebook(path):
    """Content of a notebook.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    notebook : dict
        With a list ``cells`` of dictionaries that have ``cell_type`` and ``source``.

    Raises
    ------
    SourceError
        If the file is no notebook of format 4.
    """
    name = files.relative(path)
    text = read_text(path)
    if files.resolve(path).read_bytes().startswith(b"\xef\xbb\xbf"):
        raise SourceError(
            f"{name}, line 1: the file begins with a byte order mark, which Jupyter cannot read. "
            "Save it as UTF-8 without one"
        )
    if not text.strip():
        raise SourceError(f"{name}: the file is empty. Restore it: git checkout -- {name}")
    try:
        notebook = json.loads(text)
    except json.JSONDecodeError as error:
        raise SourceError(f"{name}, line {error.lineno}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise SourceError(f"{name}: not a notebook: JSON nested without end") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if isinstance(notebook, dict) and notebook.get("nbformat", 4) != 4:
        raise SourceError(
            f"{name}: notebook format {notebook['nbformat']}; format 4 is needed. "
            f"Convert it: jupyter nbconvert --to notebook --inplace {name}"
        )
    whole = isinstance(cells, list) and all(
        isinstance(cell, dict)
        and "cell_type" in cell
        and isinstance(cell.get("source"), str | list)
        and isinstance(cell.get("metadata", {}), dict)
        for cell in cells
    )
    if not whole:
        raise SourceError(f"{name}: not a notebook: it has no list of cells")
    return notebook


def read_python(path):
    """Syntax tree of a Python file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    tree : ast.Module

    Raises
    ------
    SourceError
        If the file is not valid Python.
    """
    text = read_text(path)
    try:
        return ast.parse(text, filename=str(path))
    except (SyntaxError, ValueError) as error:  # early versions of 3.11: ValueError for null bytes
        number = getattr(error, "lineno", None)
        line = f", line {number}" if number else ""
        reason = getattr(error, "msg", error)
        raise SourceError(f"{files.relative(path)}{line}: not valid Python: {reason}") from None


def read_yaml(path):
    """Content of a YAML file: dictionaries, lists, texts, numbers, booleans and None.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    content : object
        None for an empty file.

    Raises
    ------
    SourceError
        If the file is not valid YAML, a key is given twice, or a value is, for example, a date.
    """
    name = files.relative(path)
    text = read_text(path)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return None if node is None else _value(loader, node, (), set())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        if mark and re.match(r" *\t", [*text.split("\n"), ""][mark.line]):
            problem = "a tab indents this line; indent with spaces"
        raise SourceError(f"{name}{line}: not valid YAML: {problem}") from None
    except _Refused as refused:
        raise SourceError(f"{name}, line {refused.args[0].line + 1}: {refused.args[1]}") from None
    finally:
        loader.dispose()


class _Refused(Exception):
    """Mark and message of a value that is valid YAML and no setting."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """PyYAML's safe loader, in C where it can be, with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: ClassVar = {}


for _tag, _pattern, _first in [
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("timestamp", r"\d{4}-\d\d?-\d\d?(?:(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d.*)?", "0123456789"),
    ("merge", r"<<", "<"),
]:
    _Loader.add_implicit_resolver(_TAG + _tag, re.compile(f"^(?:{_pattern})$"), list(_first))


def _value(loader, node, keys, parents):
    """What a node stands for; ``keys`` lead to it from the top."""
    kind = node.tag.removeprefix(_TAG)
    if kind == "str" and isinstance(node, yaml.ScalarNode):
        return node.value
    if id(node) in parents:
        raise _Refused(node.start_mark, f"{_place(keys)} contains itself")
    if kind == "int" and _LEADING_ZERO.match(node.value):
        digits = node.value.lstrip("+-0_") or "0"
        raise _Refused(
            node.start_mark,
            f"{_place(keys)} is {node.value}, which begins with zero. "
            f"Write {digits}, or quote a text: {node.value!r}",
        )
    if isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
        try:
            return _SCALARS[kind](node.value)
        except (KeyError, ValueError):
            raise _Refused(
                node.start_mark, f"{_place(keys)} is {node.value!r}, not {kind}"
            ) from None
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        parents = parents | {id(node)}
        return [
            _value(loader, item, (*keys, i), parents) for i, item in enumerate(node.value, start=1)
        ]
    if isinstance(node, yaml.MappingNode) and kind == "map":
        return _mapping(loader, node, keys, parents | {id(node)})
    what = _KINDS.get(kind, f"of the type {kind}")
    shown = f"{node.value}, " if isinstance(node, yaml.ScalarNode) and kind == "timestamp" else ""
    repair = f"; quote it: {str(node.value)!r}" if shown else "; use a text, a list or a mapping"
    raise _Refused(
        node.start_mark, f"{_place(keys)} is {shown}{what}, which settings cannot hold{repair}"
    )


def _place(keys):
    return ".".join(map(str, keys)) or "the file"


def _mapping(loader, node, keys, parents):
    lines = {}
    for key, _ in node.value:
        if key.tag == f"{_TAG}merge":
            continue
        name = _value(loader, key, keys, parents)
        if isinstance(name, list | dict):
            raise _Refused(key.start_mark, f"a key may not be a list or a mapping: {name}")
        if name in lines:
            place = _place((*keys, name))
            raise _Refused(key.start_mark, f"{place} is given twice, first in line {lines[name]}")
        lines[name] = key.start_mark.line + 1
    loader.flatten_mapping(node)
    found = {}
    for key, value in node.value:
        name = _value(loader, key, keys, parents)
        found[name] = _value(loader, value, (*keys, name), parents)
    return found


def _int(text):
    text = text.replace("_", "")
    return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)


def _float(text):
    if text.lower().endswith((".inf", ".nan")):
        return float(text.replace(".", ""))
    return float(text.replace("_", ""))


_SCALARS = {
    "null": lambda text: None,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "int": _int,
    "float": _float,
}
