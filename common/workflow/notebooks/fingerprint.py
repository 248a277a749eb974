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
"""

import ast
import hashlib
import re
from pathlib import Path

from common import files, sources
from common.workflow.notebooks.scopes import Import, canonical, imports_of, references

__all__ = ["code_cells", "fingerprint", "modules"]

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

_modules = {}


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
    walk = _Walk(Path(root), package)
    walk.notebook(Path(notebook))
    digest = hashlib.sha256("\n".join(sorted(walk.parts)).encode())
    return digest.hexdigest()[:12]


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
        self.parts.add("notebook " + "".join(map(canonical, statements)))
        for head, *attributes in references(statements):
            for target in [head] if isinstance(head, Import) else bindings.get(head, ()):
                self.follow_import(target, attributes)
            if head in _DYNAMIC_IMPORT or attributes[-1:] == ["import_module"]:
                self.whole_package()

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
        inside = files.walk(self.root / self.package)
        for path in sorted(path for path in inside if path.suffix == ".py"):
            parts = path.relative_to(self.root).with_suffix("").parts
            self.whole_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))

    def load(self, name):
        """The parsed module, or None where there is no such file; each version parsed once."""
        base = self.root.joinpath(*name.split("."))
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            try:
                status = path.stat()
            except OSError:
                continue
            key = str(path)
            version = status.st_mtime_ns, status.st_size
            if key not in _modules or _modules[key][0] != version:
                _modules[key] = version, _Module(name, path)
            return _modules[key][1]
        return None


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
