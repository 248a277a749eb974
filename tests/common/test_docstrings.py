"""Every public function of the library says what it takes, gives back and refuses."""

import ast
import functools
import importlib
import re

import pytest

from common import files

MODULES = sorted(files.relative(path) for path in files.ROOT.glob("common/**/*.py"))

# "see `evaluate`", "as `log_vectors`", "as in `common.files.write`": described there.
ELSEWHERE = re.compile(r"\b(?:see|as|as in)\s+`([\w.]+)`", re.IGNORECASE)

# Command lines: their parser describes what they take, and errors become an exit status.
COMMAND_LINE = ["arguments"]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_public_functions_name_their_arguments():
    silent = [
        f"{module}: {name}: {', '.join(missing)}"
        for module in MODULES
        for name in _public(module)
        if (missing := _unnamed(module, name)) and not _inherited(module, name, missing)
    ]
    assert silent == [], "name them in a section Parameters, or say `see` and where"


def test_who_describes_arguments_says_what_comes_back():
    # Where there are none to describe, the first line does: "Folders that hold a paper, sorted."
    silent = [
        f"{module}: {name}"
        for module in MODULES
        for name in _public(module)
        if "Parameters" in (found := _sections(_docstring(module, name)))
        and _gives(_definitions(module)[name][1])
        and not {"Returns", "Yields"} & set(found)
    ]
    assert silent == [], "describe it in a section Returns, or Yields"


def test_public_functions_say_what_they_raise():
    silent = [
        f"{module}: {name}"
        for module in MODULES
        for name in _public(module)
        if _raises(module, name) and "Raises" not in _sections(_docstring(module, name))
    ]
    assert silent == [], "say when, in a section Raises"


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("def f(a, *b, c=1, **d): 'One.'", ["a", "b", "c", "d"]),
        ("def f(a, b): 'One.\\n\\nParameters\\n----------\\na : int\\n    Two.'", ["b"]),
        ("def f(a, *b): 'One.\\n\\nParameters\\n----------\\na, *b : int\\n    Two.'", []),
        ("def f(): 'One.'", []),
        ("def f(arguments=None): 'One.'", []),
        ("def f(a): 'One; see `g`.'\ndef g(a): 'Two.'", ["a"]),
        ("def f(a): 'One; see `g`.'\ndef g(a): 'Parameters\\n---\\na : int'", []),
        ("def f(a, b): 'One; see `g`.'\ndef g(a): 'Parameters\\n---\\na : int'", ["b"]),
    ],
)
def test_what_counts_as_named(source, missing, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    (tmp_path / "m.py").write_text(source)
    assert _unnamed("m.py", "f") == missing


@pytest.mark.parametrize(
    ("said", "missing"), [("``wildcards``", ["key"]), ("", ["wildcards", "key"])]
)
def test_a_class_may_explain_the_wildcards_of_its_methods(said, missing, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    (tmp_path / "m.py").write_text(f"class A:\n '{said}'\n def f(self, wildcards, key): 'One.'")
    assert _unnamed("m.py", "A.f") == missing


@pytest.mark.parametrize(
    ("source", "raises"),
    [
        ("def f():\n if 1:\n  raise ValueError", True),
        ("def f():\n def g(): raise ValueError\n return g", False),
        ("def f(arguments=None): raise ValueError", False),
    ],
)
def test_what_counts_as_raising(source, raises, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    (tmp_path / "m.py").write_text(source)
    assert _raises("m.py", "f") == raises


@pytest.mark.parametrize(
    ("source", "gives"),
    [
        ("def f():\n return 0", True),
        ("def f():\n yield from 'ab'", True),
        ("def f():\n yield", False),
        ("def f():\n return None", False),
        ("def f():\n def g(): return 1", False),
    ],
)
def test_what_counts_as_giving(source, gives):
    (function,) = ast.parse(source).body
    assert _gives(function) == gives


@functools.cache
def _tree(path):
    return ast.parse(path.read_text("utf-8"))


def _definitions(module):
    """All functions and methods, by qualified name: the class (or None) and the function."""
    found = {}
    for node in _tree(files.resolve(module)).body:
        if isinstance(node, FUNCTIONS):
            found[node.name] = (None, node)
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, FUNCTIONS):
                    found[f"{node.name}.{inner.name}"] = (node, inner)
    return found


def _public(module):
    """Public functions, and public methods of public classes; ``C()`` and calls count."""
    return {
        name: found
        for name, found in _definitions(module).items()
        if not any(
            part.startswith("_") and part not in ("__init__", "__call__")
            for part in name.split(".")
        )
    }


def _docstring(module, name):
    """Docstring of a function; that of the class stands for ``__init__``."""
    owner, node = _definitions(module)[name]
    text = ast.get_docstring(node) or ""
    if node.name == "__init__":
        text = f"{ast.get_docstring(owner) or ''}\n\n{text}"
    return text


def _sections(text):
    """Lines of each section of a docstring, by its title."""
    found, title = {}, ""
    lines = text.splitlines() or [""]
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line.strip() and re.fullmatch("-{3,}", below.strip()):
            title = line.strip()
        found.setdefault(title, []).append(line)
    return found


def _named(text):
    """Arguments that the section Parameters names."""
    return {
        name.strip().lstrip("*")
        for line in _sections(text).get("Parameters", [])
        if line and not line.startswith(" ")
        for name in re.split(r"\s:(?:\s|$)", line)[0].split(",")
    }


def _arguments(module, name):
    owner, node = _definitions(module)[name]
    found = [*node.args.posonlyargs, *node.args.args]
    static = any(getattr(one, "id", "") == "staticmethod" for one in node.decorator_list)
    found = found[1:] if owner and not static else found
    found = [*found, node.args.vararg, *node.args.kwonlyargs, node.args.kwarg]
    return [one.arg for one in found if one]


def _unnamed(module, name, asked=None):
    """Arguments that neither the docstring names nor one to which it refers."""
    arguments = _arguments(module, name) if asked is None else asked
    owner, _ = _definitions(module)[name]
    if owner and "``wildcards``" in (ast.get_docstring(owner) or ""):  # the class explains it
        arguments = [one for one in arguments if one != "wildcards"]
    if arguments == COMMAND_LINE:
        return []
    text = _docstring(module, name)
    missing = [one for one in arguments if one not in _named(text)]
    for target in ELSEWHERE.findall(text) if missing else []:
        missing = [one for one in missing if one in _left_by(target, module, name, missing)]
    return missing


def _left_by(target, module, name, missing):
    """Arguments that a function, method, class or module of a docstring's `name` leaves out."""
    owner, _, _ = name.rpartition(".")
    if target.startswith("common."):
        path, _, function = target.rpartition(".")
        module = path.replace(".", "/") + ".py"
        if not files.resolve(module).is_file():
            return missing
        places = [function, f"{function}.__init__"]
    else:
        places = [f"{owner}.{target}", target, f"{target}.__init__"]
    for place in places:
        if place != name and place in _definitions(module):
            return _unnamed(module, place, asked=missing)
    return missing


def _raises(module, name):
    """Whether a function itself raises, which a command line answers with its exit status."""
    _, node = _definitions(module)[name]
    raises = any(isinstance(inner, ast.Raise) for inner in _own(node))
    return raises and _arguments(module, name) != COMMAND_LINE


def _gives(node):
    """Whether a function returns or yields a value."""
    kinds = (ast.Return, ast.Yield, ast.YieldFrom)
    found = [inner.value for inner in _own(node) if isinstance(inner, kinds)]
    return any(ast.unparse(value) != "None" for value in found if value)


def _own(node):
    """What a function executes itself: nothing of the functions and classes within."""
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            yield inner
            yield from _own(inner)


def _inherited(module, name, missing):
    """Whether a method overrides one of another library, or one of ours that names them."""
    owner, _, method = name.rpartition(".")
    if not owner or not _definitions(module)[name][0].bases or method == "__init__":
        return False
    imported = importlib.import_module(module.removesuffix(".py").replace("/", "."))
    for base in getattr(imported, owner).__mro__[1:-1]:
        if method in vars(base):
            if not base.__module__.startswith("common."):
                return True
            path = base.__module__.replace(".", "/") + ".py"
            if not _unnamed(path, f"{base.__name__}.{method}", asked=missing):
                return True
    return False
