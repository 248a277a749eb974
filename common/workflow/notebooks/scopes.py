"""Which names a piece of Python source refers to, and its text without what does not matter.

Both read the syntax tree and execute nothing. They serve `common.workflow.notebooks.fingerprint`.
"""

import ast

__all__ = ["Import", "canonical", "imports_of", "references"]

_IMPORTS = {ast.Import, ast.ImportFrom}
_ELSEWHERE = {ast.Global, ast.Nonlocal}
_DEFINITIONS = {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef}
_NAMING = {ast.ExceptHandler, ast.MatchAs, ast.MatchStar, *_DEFINITIONS}
_COMPREHENSIONS = {ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp}
_OWN_SCOPE = {ast.Lambda, *_DEFINITIONS, *_COMPREHENSIONS}
_SKIPPED_FIELDS = {"ctx", "type_comment", "type_ignores", "kind"}


class Import:
    """What an import statement binds to one local name.

    Parameters
    ----------
    module : str
        Absolute dotted name of the imported module.
    symbol : str or None
        Name taken from it by ``from module import symbol``; ``"*"`` for all; None for ``import``.
    """

    __slots__ = ("module", "symbol")

    def __init__(self, module, symbol=None):
        self.module = module
        self.symbol = symbol

    def __str__(self):
        return f"import {self.module}" + (f":{self.symbol}" if self.symbol else "")


def imports_of(statement, package=""):
    """Bindings of one import statement.

    Parameters
    ----------
    statement : ast.Import or ast.ImportFrom
    package : str, default=""
        The package that a relative import starts from.

    Returns
    -------
    bindings : list of (str, Import)
        Local name and what it stands for. ``import a.b`` binds ``a``.
    """
    if isinstance(statement, ast.Import):
        return [
            (alias.asname, Import(alias.name))
            if alias.asname
            else (alias.name.partition(".")[0], Import(alias.name.partition(".")[0]))
            for alias in statement.names
        ]
    module = statement.module or ""
    if statement.level:
        parents = package.split(".")
        base = ".".join(parents[: len(parents) - statement.level + 1])
        module = f"{base}.{module}" if module else base
    return [(alias.asname or alias.name, Import(module, alias.name)) for alias in statement.names]


def canonical(node):
    """Text of a syntax tree without positions, comments, docstrings and formatting.

    Parameters
    ----------
    node : ast.AST

    Returns
    -------
    text : str
        Equal for two pieces of source that do the same by construction.
    """
    parts = []
    _write(node, parts.append)
    return "".join(parts)


def references(nodes, package=""):
    """Global names that some statements refer to, with the attributes taken from them.

    Parameters
    ----------
    nodes : iterable of ast.AST
    package : str, default=""
        The package that a relative import inside a function starts from.

    Returns
    -------
    chains : set of tuple
        ``("files", "read_csv")`` for ``files.read_csv``. The first item of a chain is a global
        name, or an `Import` where a function imports lazily.
    """
    collector = _References(package)
    for node in nodes:
        collector.visit(node)
    return collector.chains


def _write(node, emit):
    if isinstance(node, ast.AST):
        emit(f"{type(node).__name__}(")
        for name in node._fields:
            value = getattr(node, name, None)
            if name == "type_params" and not value:  # Python 3.11 does not know it
                continue
            if name not in _SKIPPED_FIELDS:
                _write(value, emit)
        emit(")")
    elif isinstance(node, list):
        emit("[")
        for item in node:
            # A string or `pass` as a statement does nothing: docstrings are documentation.
            constant = isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)
            if not constant and not isinstance(item, ast.Pass):
                _write(item, emit)
        emit("]")
    else:
        emit(f"{node!r},")


class _References(ast.NodeVisitor):
    """Walks with the stack of function scopes, so that a local variable hides a global name."""

    def __init__(self, package):
        self.package = package
        self.chains = set()
        self.scopes = []

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load):
            self._record(node.id, ())

    def visit_Attribute(self, node):
        attributes = [node.attr]
        while isinstance(node := node.value, ast.Attribute):
            attributes.append(node.attr)
        if isinstance(node, ast.Name):
            self._record(node.id, tuple(reversed(attributes)))
        else:
            self.visit(node)

    def visit_Import(self, node):
        # The statement runs the module, whether or not its name is used after it.
        for alias in node.names:
            self.chains.add((Import(alias.name), "__name__"))

    def visit_ImportFrom(self, node):
        for _, target in imports_of(node, self.package):
            self.chains.add((target, "__name__"))

    def _record(self, name, attributes):
        for scope in reversed(self.scopes):
            if name in scope:
                for target in scope[name] or ():
                    self.chains.add((target, *attributes))
                return
        self.chains.add((name, *attributes))

    def _visit_function(self, node):
        for outside in (
            *getattr(node, "decorator_list", ()),
            *node.args.defaults,
            *(default for default in node.args.kw_defaults if default),
            *_annotations(node),
        ):
            self.visit(outside)
        body = node.body if isinstance(node.body, list) else [node.body]
        self.scopes.append(_local_names(node, body, self.package))
        for statement in body:
            self.visit(statement)
        self.scopes.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _visit_function

    def _visit_comprehension(self, node):
        targets = [n for part in node.generators for n in ast.walk(part.target)]
        self.visit(node.generators[0].iter)
        self.scopes.append({n.id: None for n in targets if isinstance(n, ast.Name)})
        for part in node.generators:
            self.visit(part.iter)
            for condition in part.ifs:
                self.visit(condition)
        for field in ("elt", "key", "value"):
            if hasattr(node, field):
                self.visit(getattr(node, field))
        self.scopes.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_comprehension


def _annotations(function):
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
    found = [argument.annotation for argument in every]
    return [note for note in (*found, getattr(function, "returns", None)) if note]


def _local_names(function, body, package):
    """Names bound in a function's own scope: None, or the imports that the name stands for."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
    names = {argument.arg: None for argument in every}
    elsewhere = set()
    stack = list(body)
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind is ast.Name:
            if type(node.ctx) is ast.Store:
                names.setdefault(node.id, None)
            continue
        if kind in _ELSEWHERE:
            elsewhere.update(node.names)
        elif kind in _IMPORTS:
            for name, target in imports_of(node, package):
                names[name] = [*(names.get(name) or ()), target]
        elif kind in _NAMING and node.name:
            names.setdefault(node.name, None)
        if kind not in _OWN_SCOPE:
            for field in kind._fields:
                child = getattr(node, field, None)
                if type(child) is list:
                    stack += [item for item in child if isinstance(item, ast.AST)]
                elif isinstance(child, ast.AST):
                    stack.append(child)
    return {name: target for name, target in names.items() if name not in elsewhere}
