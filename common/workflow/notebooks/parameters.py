"""A notebook's parameters cell is its signature: names and types, checked before it runs.

The cell tagged ``parameters`` holds ``name = literal`` or ``name: type = literal`` lines. It is
read from the syntax tree; nothing is executed.
"""

import ast
import difflib

from common import files
from common.workflow.notebooks.fingerprint import code_cells

__all__ = ["Parameter", "ParameterError", "bind", "signature"]

_NUMBERS = {"int": int, "float": float}
_CHECKS = {
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "list": lambda value: isinstance(value, list),
    "tuple": lambda value: isinstance(value, list | tuple),
    "dict": lambda value: isinstance(value, dict),
    "None": lambda value: value is None,
    "Any": lambda value: True,
    "object": lambda value: True,
}


class ParameterError(ValueError):
    """What a rule passes and what its notebook declares do not fit."""


class Parameter:
    """One line of the parameters cell.

    Parameters
    ----------
    name : str
    type : ast.expr
        The annotation, or the type of the default where there is none.
    default : object
        The literal.
    """

    def __init__(self, name, type, default):
        self.name = name
        self.type = type
        self.default = default

    def accepts(self, value):
        """Whether a value has the declared type; int is a float, bool is not an int.

        Parameters
        ----------
        value : object

        Returns
        -------
        fits : bool
        """
        return _matches(value, self.type)

    def convert(self, text):
        """A wildcard's text as the declared type; the text itself where it does not fit.

        Parameters
        ----------
        text : str

        Returns
        -------
        value : bool, int, float or str
        """
        for kind in _alternatives(self.type):
            if kind == "bool" and text in {"True", "False"}:
                return text == "True"
            if kind in _NUMBERS:
                try:
                    return _NUMBERS[kind](text)
                except ValueError:
                    continue
        return text


def signature(notebook):
    """Parameters that a notebook declares.

    Parameters
    ----------
    notebook : str or Path
        Relative to the repository root.

    Returns
    -------
    parameters : dict of str to Parameter

    Raises
    ------
    ParameterError
        If not exactly one cell of code has the tag ``parameters``, or it holds anything but
        assignments of literals.
    """
    tagged = [src for src, tags in code_cells(files.resolve(notebook)) if "parameters" in tags]
    if len(tagged) != 1:
        found = f"{len(tagged)} cells of code have" if tagged else "no cell of code has"
        raise ParameterError(
            f"{notebook}: {found} the tag `parameters`; exactly one must, the one whose values the "
            "workflow replaces. In JupyterLab: select the cell, open the Property Inspector "
            "(the gears at the right), and edit its Cell Tags"
        )
    try:
        statements = ast.parse(tagged[0]).body
    except (SyntaxError, ValueError) as error:
        raise ParameterError(
            f"{notebook}: the parameters cell is not valid Python: {error}"
        ) from None
    parameters = {}
    for statement in statements:
        if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
            parameter = _parameter(statement, notebook)
            parameters[parameter.name] = parameter
    return parameters


def bind(notebook, values, *, wildcards=()):
    """Check values against a notebook's signature.

    Parameters
    ----------
    notebook : str or Path
    values : dict of str to object
        What the rule passes.
    wildcards : iterable of str, default=()
        Names whose value is a wildcard's text, to be converted to the declared type.

    Returns
    -------
    values : dict of str to object

    Raises
    ------
    ParameterError
        One line for each value that the notebook does not declare, each declared name that is
        missing, and each value of the wrong type.
    """
    declared = signature(notebook)
    problems, bound = [], {}
    for name, value in values.items():
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            names = ", ".join(declared) or "none"
            problems.append(
                f"the rule passes {name}={value!r}, which the parameters cell does not declare"
                f"{hint} (declared: {names})"
            )
            continue
        value = declared[name].convert(value) if name in wildcards else value
        bound[name] = value
        if not declared[name].accepts(value):
            problems.append(
                f"parameter {name} is declared as {ast.unparse(declared[name].type)}, "
                f"the rule passes {value!r} ({type(value).__name__})"
            )
    for name in declared:
        if name not in values:
            problems.append(
                f"the parameters cell declares {name!r}, which the rule does not pass "
                f"(add it to input, output, params or the wildcards, or remove it)"
            )
    if problems:
        raise ParameterError("\n".join(f"{notebook}: {problem}" for problem in problems))
    return bound


def _parameter(statement, notebook):
    target, annotation = None, None
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign):
        target, annotation = statement.target, statement.annotation
    if not isinstance(target, ast.Name) or statement.value is None:
        raise ParameterError(
            f"{notebook}: the parameters cell may only hold `name = literal` or "
            f"`name: type = literal`, found: {ast.unparse(statement)}"
        )
    try:
        default = ast.literal_eval(statement.value)
    except ValueError:
        raise ParameterError(
            f"{notebook}: the default of parameter {target.id} must be a literal, "
            f"found: {ast.unparse(statement.value)}"
        ) from None
    if annotation is None:
        kind = "Any" if default is None else type(default).__name__
        annotation = ast.Name(kind if kind in _CHECKS else "Any")
    return Parameter(target.id, annotation, default)


def _alternatives(annotation):
    """Names of the types in a union, in order."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _alternatives(annotation.left) + _alternatives(annotation.right)
    if isinstance(annotation, ast.Subscript) and _name(annotation.value) == "Optional":
        return [*_alternatives(annotation.slice), "None"]
    return [_name(annotation)]


def _name(annotation):
    if isinstance(annotation, ast.Constant):
        return str(annotation.value)
    return getattr(annotation, "id", getattr(annotation, "attr", ""))


def _matches(value, annotation):
    if isinstance(annotation, ast.BinOp):
        return _matches(value, annotation.left) or _matches(value, annotation.right)
    if not isinstance(annotation, ast.Subscript):
        return _CHECKS.get(_name(annotation), _CHECKS["Any"])(value)
    kind = _name(annotation.value)
    inner = annotation.slice
    items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if kind == "Optional":
        return value is None or _matches(value, inner)
    if kind == "Literal":
        return any(value == ast.literal_eval(item) for item in items)
    if not _CHECKS.get(kind, _CHECKS["Any"])(value):
        return False
    if kind == "list":
        return all(_matches(item, inner) for item in value)
    if kind == "dict" and len(items) == 2:
        return all(_matches(k, items[0]) and _matches(v, items[1]) for k, v in value.items())
    return True
