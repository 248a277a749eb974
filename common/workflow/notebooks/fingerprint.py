"""Fingerprint of a notebook: its code and the code of this repository that it uses.

A job reruns when its notebook's fingerprint changes. The fingerprint follows names, not files: a
notebook that calls ``files.read_csv`` depends on that function and on what it calls, and an edit
to ``files.write_npz`` leaves it alone. Nothing is imported or executed.

What does not count: comments, docstrings, formatting, cell outputs, execution counts, markdown,
metadata, and the default values of the parameters cell, which the workflow always overrides.

What counts more than its name: a module's statements with side effects (bare calls, ``if``,
``for``, ``with``, ``try``, assignments to attributes or items, functions under a decorator that
may register them) count as soon as anything of the module is used, and a whole module counts
where a name cannot be resolved: a star import, a module passed around as a value, ``globals()``.

Walking through the sources of one notebook takes a tenth of a second. What was found is kept in
``.snakemake/fingerprints/``, with the SHA-256 of every source that was read and the names of those
that were looked for in vain: while all of these are as they were, the fingerprint is, too.
"""

import ast
import contextlib
import hashlib
import itertools
import json
import os
import re
import sys
from pathlib import Path

from common import files, sources
from common.workflow.notebooks import scopes
from common.workflow.notebooks.scopes import Import, canonical, imports_of, references

__all__ = ["code_cells", "fingerprint", "imports", "modules"]

# Decorators that only wrap what they decorate: they do not register it anywhere.
_PURE_DECORATORS = {
    "abstractmethod", "asynccontextmanager", "cache", "cached_property", "classmethod",
    "contextmanager", "dataclass", "field_validator", "jit", "lru_cache", "model_validator",
    "no_grad", "njit", "inference_mode", "override", "overload", "property", "staticmethod",
    "total_ordering", "vectorize", "wraps",
}  # fmt: skip
_WHOLE_MODULE = {"eval", "exec", "globals", "locals", "vars"}
_DYNAMIC_IMPORT = {"import_module", "__import__"}
_MAGIC = re.compile(r"^(\s*)([%!].*)$", re.MULTILINE)

KEPT = ".snakemake/fingerprints"
"""Where fingerprints are kept, below the root; only where Snakemake keeps its state, too."""

# How fingerprints are made: the sources of these modules, and the grammar of Python.
_METHOD = b"\0".join(
    [sys.version.encode()]
    + [Path(name).read_bytes() for name in (__file__, scopes.__file__, sources.__file__)]
)

_modules = {}  # path -> version, _Module
_contents = {}  # path -> version, SHA-256
_found = {}  # key of a notebook -> what `_found_by` returns


def fingerprint(notebook, *, root, package="common"):
    """Hash of a notebook's code and of the library code it uses, transitively.

    Parameters
    ----------
    notebook : str or Path
        The ``.ipynb`` file.
    root : str or Path
        The folder that holds the package.
    package : str, default="common"
        The package whose code is followed. Other packages are pinned, not hashed.

    Returns
    -------
    fingerprint : str
        12 hexadecimal digits.

    Raises
    ------
    SourceError
        If the notebook, or a module that it uses, cannot be read.
    """
    return _known(Path(notebook), Path(root), package)["fingerprint"]


def imports(notebook, *, root, package="common"):
    """What a notebook imports of other packages, itself and through this one, whatever happens.

    Imports in functions and under conditions are left out.

    Parameters
    ----------
    notebook, root, package
        As in `fingerprint`.

    Returns
    -------
    names : list of str
        In the order of execution: ``"scipy.stats"`` for ``import scipy.stats``, and
        ``"scipy:stats"`` for ``from scipy import stats``, where the second may be a module or not.

    Raises
    ------
    SourceError
        As in `fingerprint`.
    """
    return _known(Path(notebook), Path(root), package)["imports"]


def _known(notebook, root, package):
    """What `_found_by` returns for a notebook, from memory, from disk, or by a walk."""
    key = _key(notebook, package)
    kept = root / KEPT / f"{key}.json"
    found = _found.get((root, key)) or _read(kept)
    if found is None or not _is_current(found, root, package):
        walk = _Walk(root, package)
        walk.notebook(notebook)
        found = _found_by(walk)
        # Nothing was edited meanwhile.
        if key == _key(notebook, package) and _is_current(found, root, package):
            _write(kept, found)
    _found[root, key] = found
    return found


def modules(notebook, *, root, package="common"):
    """Modules of this repository whose code a notebook uses, transitively.

    Parameters
    ----------
    notebook, root, package
        As in `fingerprint`.

    Returns
    -------
    names : set of str
        As ``"common.spd.distances"``.
    """
    walk = _Walk(Path(root), package)
    walk.notebook(Path(notebook))
    return walk.used


def code_cells(notebook):
    """Source and tags of a notebook's code cells.

    Parameters
    ----------
    notebook : Path

    Returns
    -------
    cells : list of (str, list of str)

    Raises
    ------
    SourceError
        If the file is no notebook.
    """
    return [
        ("".join(cell["source"]), cell.get("metadata", {}).get("tags", []))
        for cell in sources.read_notebook(notebook)["cells"]
        if cell["cell_type"] == "code"
    ]


def _key(notebook, package):
    """What a fingerprint depends on besides the package's sources, as hexadecimal digits."""
    try:
        content = notebook.read_bytes()
    except OSError:  # reading it as a notebook says what is wrong
        content = b""
    parts = [_METHOD, package.encode(), content]
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _found_by(walk):
    """A fingerprint with what it was made from, as JSON can hold it."""
    digest = hashlib.sha256("\n".join(sorted(walk.parts)).encode())
    return {
        "fingerprint": digest.hexdigest()[:12],
        "imports": list(walk.imports),
        "modules": walk.read,
        "listed": walk.listed,
    }


def _is_current(found, root, package):
    """Whether all sources that a fingerprint was made from are what they were."""
    if found["listed"] is not None and found["listed"] != _listing(root, package):
        return False
    return all(_state(root, name)[0] == state for name, state in found["modules"].items())


def _read(path):
    """What `_write` wrote; None where there is nothing, or something else."""
    try:
        digest, _, text = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, ValueError):
        return None
    return json.loads(text) if digest == _sha256(text) else None


def _write(path, found):
    if not path.parents[1].is_dir():
        return
    text = json.dumps(found, sort_keys=True)
    with contextlib.suppress(OSError):  # nothing depends on it
        files.write_text(path, f"{_sha256(text)}\n{text}")


def _sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def _state(root, name):
    """A module's kind and SHA-256, its file and the file's version; None where there is none."""
    base = f"{root}/{name.replace('.', '/')}"
    for kind, path in (("package", f"{base}/__init__.py"), ("module", f"{base}.py")):
        try:
            status = os.stat(path)
        except OSError:
            continue
        version = status.st_mtime_ns, status.st_size, status.st_ino
        if path not in _contents or _contents[path][0] != version:
            try:
                _contents[path] = version, files.sha256(path)
            except OSError as error:  # reading it as a module says what is wrong
                _contents[path] = None, f"unreadable: {error.errno}"
        return f"{kind} {_contents[path][1]}", path, version
    return None, None, None


def _listing(root, package):
    """The names of all files of a package, hashed."""
    inside = files.walk(root / package)
    return _sha256("\n".join(sorted(path.relative_to(root).as_posix() for path in inside)))


class _Module:
    """Definitions, imports and side effects of one parsed module."""

    def __init__(self, name, path):
        self.name = name
        self.is_package = path.name == "__init__.py"
        self.package = name if self.is_package else name.rpartition(".")[0]
        self.definitions = {}  # name -> statements that define it
        self.imports = {}  # name -> list of Import
        self.effects = []  # statements that run for their effect
        self.imported = []  # modules that importing this one executes
        self.first = []  # of these what it executes whatever happens, as `_executed` gives them
        self._texts = {}
        for statement in sources.read_python(path).body:
            self._add(statement)

    def digest_and_references(self, key, statements):
        if key not in self._texts:
            text = "".join(map(canonical, statements))
            digest = hashlib.sha256(text.encode()).hexdigest()
            self._texts[key] = digest, references(statements, self.package)
        return self._texts[key]

    def _add(self, statement):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self._add_import(statement)
            self.first += _executed(statement, self.package)
            if any(target.symbol == "*" for _, target in imports_of(statement, self.package)):
                self.effects.append(statement)
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.definitions.setdefault(statement.name, []).append(statement)
            if not all(map(_is_pure_decorator, statement.decorator_list)):
                self.effects.append(statement)
        elif names := _assigned_names(statement):
            for name in names:
                self.definitions.setdefault(name, []).append(statement)
        elif not _does_nothing(statement):
            self.effects.append(statement)
            for node in ast.walk(statement):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    self._add_import(node)

    def _add_import(self, statement):
        for name, target in imports_of(statement, self.package):
            self.imports.setdefault(name, []).append(target)
            self.imported.append(target)
        if isinstance(statement, ast.Import):
            self.imported += [Import(alias.name) for alias in statement.names]


class _Walk:
    """Collects, from a notebook on, one text for each definition that is reached."""

    def __init__(self, root, package):
        self.root = root
        self.package = package
        self.parts = set()
        self.seen = set()
        self.used = set()
        self.read = {}  # name of a module -> its state, None where there is none
        self.listed = None  # hash of the names of all files, where they count
        self.imports = {}  # what is imported of other packages; no values
        self._loaded = {}

    def notebook(self, path):
        statements, bindings = [], {}
        for index, (source, tags) in enumerate(code_cells(path)):
            try:
                tree = ast.parse(_without_magics(source))
            except (
                SyntaxError,
                ValueError,
            ):  # the run will say so; until then anything may be used
                self.parts.add(f"cell {index} {source}")
                self.whole_package()
                continue
            if "parameters" in tags:
                _drop_defaults(tree)
            statements += tree.body
        for node in (node for statement in statements for node in ast.walk(statement)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for name, target in imports_of(node):
                    bindings.setdefault(name, []).append(target)
                    if target.symbol == "*":
                        self.follow_import(target, ())
        for statement in statements:
            self.execute(_executed(statement))
        self.parts.add("notebook " + "".join(map(canonical, statements)))
        for head, *attributes in references(statements):
            for target in [head] if isinstance(head, Import) else bindings.get(head, ()):
                self.follow_import(target, attributes)
            if head in _DYNAMIC_IMPORT or attributes[-1:] == ["import_module"]:
                self.whole_package()

    def execute(self, imported):
        """Collect what some imports import of other packages, and through this one."""
        for target in imported:
            if target.module.partition(".")[0] != self.package:
                symbol = "" if target.symbol in {None, "*"} else f":{target.symbol}"
                self.imports[f"{target.module}{symbol}"] = None
                continue
            *parents, last = itertools.accumulate(
                target.module.split("."), lambda name, part: f"{name}.{part}"
            )
            for name in (*parents, last, f"{last}.{target.symbol}"):
                if ("executed", name) not in self.seen and (module := self.load(name)):
                    self.seen.add(("executed", name))
                    self.execute(module.first)

    def follow_import(self, target, attributes):
        if target.module.partition(".")[0] != self.package:
            return
        if target.symbol is None:
            self.in_module(target.module, attributes)
        elif target.symbol == "*":
            self.whole_module(target.module)
        else:
            self.in_module(target.module, [target.symbol, *attributes])

    def in_module(self, name, attributes):
        """Follow ``name.attribute...`` as far as it names modules, then the definition."""
        module = self.load(name)
        if module is None:
            return
        self.touch(name)
        if not attributes:
            self.whole_module(name)
            return
        first, *rest = attributes
        if first in module.definitions or first in module.imports:
            self.symbol(module, first, rest)
        elif self.load(f"{name}.{first}"):
            self.in_module(f"{name}.{first}", rest)
        elif not first.startswith("__"):
            self.whole_module(name)

    def symbol(self, module, name, attributes=()):
        for target in module.imports.get(name, ()):
            self.parts.add(f"{module.name}.{name} {target}")
            visit = ("import", module.name, name, *attributes)
            if visit in self.seen:
                continue
            self.seen.add(visit)
            if (target.module, target.symbol) == (module.name, name):  # `from . import name`
                self.in_module(f"{module.name}.{name}", attributes)
            else:
                self.follow_import(target, attributes)
        if name in module.definitions:
            self.statements(module, name, module.definitions[name])

    def statements(self, module, key, statements):
        if (module.name, key) in self.seen:
            return
        self.seen.add((module.name, key))
        self.used.add(module.name)
        digest, chains = module.digest_and_references(key, statements)
        self.parts.add(f"{module.name}.{key} {digest}")
        for head, *attributes in chains:
            if isinstance(head, Import):
                self.follow_import(head, attributes)
            elif head in module.definitions or head in module.imports:
                self.symbol(module, head, attributes)
            elif head in _WHOLE_MODULE:
                self.whole_module(module.name)
            if head in _DYNAMIC_IMPORT or attributes[-1:] == ["import_module"]:
                self.whole_package()

    def touch(self, name):
        """Count what importing a module executes, beyond definitions."""
        if ("touch", name) in self.seen:
            return
        self.seen.add(("touch", name))
        parent = name.rpartition(".")[0]
        if parent:
            self.touch(parent)
        module = self.load(name)
        if module is None:
            return
        if module.effects:
            self.statements(module, "<effects>", module.effects)
        for target in module.imported:
            for imported in (target.module, f"{target.module}.{target.symbol}"):
                if imported.partition(".")[0] == self.package and self.load(imported):
                    self.touch(imported)

    def whole_module(self, name):
        module = self.load(name)
        if module is None or ("whole", name) in self.seen:
            return
        self.seen.add(("whole", name))
        self.touch(name)
        for symbol in (*module.definitions, *module.imports):
            self.symbol(module, symbol, ["__name__"] if symbol in module.imports else ())

    def whole_package(self):
        self.listed = _listing(self.root, self.package)
        inside = files.walk(self.root / self.package)
        for path in sorted(path for path in inside if path.suffix == ".py"):
            parts = path.relative_to(self.root).with_suffix("").parts
            self.whole_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))

    def load(self, name):
        """The parsed module, or None where there is no such file; each version parsed once."""
        if name not in self._loaded:
            self.read[name], path, version = _state(self.root, name)
            if path is not None and (path not in _modules or _modules[path][0] != version):
                _modules[path] = version, _Module(name, Path(path))
            self._loaded[name] = None if path is None else _modules[path][1]
        return self._loaded[name]


def _executed(statement, package=""):
    """The modules and symbols that a statement imports, if it is an import."""
    if isinstance(statement, ast.Import):
        return [Import(alias.name) for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return [target for _, target in imports_of(statement, package)]
    return []


def _is_pure_decorator(node):
    node = node.func if isinstance(node, ast.Call) else node
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in _PURE_DECORATORS or name in {"setter", "getter", "deleter"}


def _assigned_names(statement):
    """Names that an assignment defines; empty when it also changes an attribute or an item."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    elif isinstance(statement, getattr(ast, "TypeAlias", ())):
        return [statement.name.id]
    else:
        return []
    nodes = [node for target in targets for node in ast.walk(target)]
    if any(isinstance(node, ast.Attribute | ast.Subscript) for node in nodes):
        return []
    return [node.id for node in nodes if isinstance(node, ast.Name)]


def _does_nothing(statement):
    """Documentation, and what only a direct run of the module executes."""
    if isinstance(statement, ast.Pass):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.If) and "__main__" in ast.dump(statement.test)


def _drop_defaults(tree):
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            kind = type(getattr(statement.value, "value", None)).__name__
            annotated = isinstance(statement, ast.AnnAssign)
            statement.value = ast.Constant("" if annotated else kind)


def _without_magics(source):
    """IPython's ``%magic`` and ``!command`` lines as calls, so that the rest can be parsed."""
    if source.lstrip().startswith("%%"):
        first, _, rest = source.lstrip().partition("\n")
        return f"__magic__({first!r})\n{rest}"
    try:
        ast.parse(source)
        return source
    except (SyntaxError, ValueError):
        return _MAGIC.sub(lambda line: f"{line[1]}__magic__({line[2]!r})", source)
