"""Names that source refers to, and when two pieces of source are the same."""

import ast

import pytest

from common.workflow.notebooks import scopes


def found(source, package="p.q"):
    """References as texts: a name with its attributes, an import by what it imports."""
    chains = scopes.references(ast.parse(source).body, package)
    return {".".join(map(str, chain)) for chain in chains}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("files.read_csv(x)", {"files.read_csv", "x"}),
        ("f(x).a.b", {"f", "x"}),
        ("x = y", {"y"}),
        ("def f(a, b=c, *, d=e): return a + b + d + g", {"c", "e", "g"}),
        ("def f(x: T, /, *args: U, y: V, **more: W) -> Z: return x, args, y, more", set("TUVWZ")),
        ("@d.e\nasync def f(): return f", {"d.e", "f"}),
        ("lambda x, y=y: x + y + z", {"y", "z"}),
        ("class A(B): c = D\n", {"B", "D"}),
        # What is bound in a function hides a global name, there and in what lies inside.
        ("def f(x):\n    y = x\n    return y", set()),
        ("def f():\n    def g(): return g\n    return g", set()),
        ("def f(a):\n    def g(b): return a + b + c\n    return g(b)", {"b", "c"}),
        ("def f():\n    if (y := x): return y", {"x"}),
        ("def f():\n    try: g()\n    except E as e: e.x", {"g", "E"}),
        ("def f(x):\n    match x:\n        case [y, *z] as w: return w, y, z", set()),
        ("def f():\n    for x in y: x.z\n    with a as b: b.c", {"y", "a"}),
        ("def f():\n    def g():\n        y = 1\n    return y", {"y"}),
        ("def f():\n    global y\n    y = 1\n    return y", {"y"}),
        # A comprehension looks for its first iterable outside, for all else inside.
        ("[x for x in x]", {"x"}),
        ("[x for y in z for x in y.w if x > c]", {"z", "c"}),
        ("{k: v for k, v in m.items()}", {"m.items"}),
        ("{k for k in m}", {"m"}),
        ("sum(x * w for x in y)", {"sum", "w", "y"}),
        ("def f():\n    return [x for x in y], x", {"y", "x"}),
        # An import in a function runs the module, and is what the name stands for.
        ("def f():\n    import a.b\n    a.b.c", {"import a.b.__name__", "import a.b.c"}),
        ("def f():\n    import a.b as z\n    z.c", {"import a.b.__name__", "import a.b.c"}),
        ("def f():\n    from a import b, c as d\n    b.e, d, c",
         {"import a:b.__name__", "import a:c.__name__", "import a:b.e", "import a:c", "c"}),
        ("def f():\n    if x: from a import b\n    else: from c import b\n    b.d",
         {"x", "import a:b.__name__", "import c:b.__name__", "import a:b.d", "import c:b.d"}),
        ("def f():\n    from . import m", {"import p.q:m.__name__"}),
        ("def f():\n    from .m import n", {"import p.q.m:n.__name__"}),
        ("def f():\n    from ..m import n", {"import p.m:n.__name__"}),
    ],
)  # fmt: skip
def test_references_are_global_names_with_their_attributes(source, names):
    assert found(source) == names


def test_a_statement_binds_the_first_part_of_a_name_or_what_it_is_called():
    def bound(source, package=""):
        (statement,) = ast.parse(source).body
        bindings = scopes.imports_of(statement, package)
        return [(name, target.module, target.symbol) for name, target in bindings]

    assert bound("import a.b, c.d as e") == [("a", "a", None), ("e", "c.d", None)]
    assert bound("from a.b import c, d as e") == [("c", "a.b", "c"), ("e", "a.b", "d")]
    assert bound("from a import *") == [("*", "a", "*")]
    assert bound("from . import c", "p.q") == [("c", "p.q", "c")]
    assert bound("from .. import c", "p.q") == [("c", "p", "c")]
    assert bound("from ..m import c", "p.q.r") == [("c", "p.q.m", "c")]


def text(source):
    return scopes.canonical(ast.parse(source))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x=1+2 # three", "x = (1 +\n     2)"),
        ('def f():\n    """Words."""\n    return 1', "def f():\n    return 1"),
        ('def f():\n    """Words."""', "def f():\n    pass"),
        ("x = 'a'", 'x = u"a"'),
        ("class A:\n    x: int = 1\n    'about x'", "class A:\n    x: int = 1"),
    ],
)
def test_words_and_layout_make_no_difference(one, other):
    assert text(one) == text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = ''", "x = b''"),
        ("a < b", "a <= b"),
        ("f(a, b)", "f(b, a)"),
        ("x = [1, 2]", "x = [1]"),
        ("f('a')", "f('b')"),
        ("f()", "pass"),
        ("def f(x): return x", "def f(y): return y"),
        ("def f(x): return x", "async def f(x): return x"),
        ("x = f''", "x = ''"),
        ("[a, [b]]", "[[a], b]"),
    ],
)
def test_what_is_computed_makes_one(one, other):
    assert text(one) != text(other)
