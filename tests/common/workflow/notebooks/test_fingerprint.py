"""An edit changes the fingerprint of the notebooks that use what was edited, and no other."""

import ast
import json
import os

import pytest

from common import files
from common.workflow.notebooks import fingerprint as module
from common.workflow.notebooks.fingerprint import fingerprint
from common.workflow.notebooks.scopes import canonical

LIBRARY = {
    "__init__.py": '"""Library."""\n',
    "a.py": (
        "import numpy as np\n"
        "from common.b import helper\n"
        "SCALE = 2\n"
        "OTHER = 3\n"
        "def used(x):\n    return helper(x) * SCALE\n"
        "def unused(x):\n    return OTHER\n"
        "class Model:\n    def fit(self):\n        return unused(1)\n"
    ),
    "b.py": "def helper(x):\n    return x\n\ndef lonely(x):\n    return x\n",
    "pkg/__init__.py": "from .inner import deep\n\n__all__ = ['deep']\n",
    "pkg/inner.py": (
        "from ..b import lonely\ndef deep():\n    return lonely(1)\ndef flat():\n    pass\n"
    ),
    "effects.py": "TABLE = {}\ndef get(k):\n    return TABLE[k]\nTABLE['a'] = 1\n",
    "lazy.py": "def late():\n    from common.b import lonely\n    return lonely(2)\n",
    "registry.py": (
        "from common.tools import register\n"
        "def plain():\n    return 1\n"
        "@register\ndef entry():\n    return 2\n"
    ),
    "tools.py": "def register(f):\n    return f\n",
}


LONELY = "lonely(x):\n    return x"


class Library:
    """A small package and notebooks in a temporary folder."""

    def __init__(self, root):
        self.root = root
        for name, text in LIBRARY.items():
            path = root / "common" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def hash(self, *cells, **content):
        """Fingerprint of a notebook with these code cells."""
        notebook = {
            "cells": [
                {"cell_type": "code", "source": cell, "metadata": {}, "outputs": []}
                if isinstance(cell, str)
                else cell
                for cell in cells
            ],
            "metadata": {},
            **content,
        }
        path = self.root / "notebook.ipynb"
        path.write_text(json.dumps(notebook))
        return fingerprint(path, root=self.root)

    def edit(self, name, old, new):
        """Replace text in a module."""
        path = self.root / "common" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path)


IMPORTS = {
    "from package": "from common import a\na.used(1)",
    "from module": "from common.a import used\nused(1)",
    "renamed": "from common.a import used as other\nother(1)",
    "module renamed": "import common.a as letters\nletters.used(1)",
    "dotted": "import common.a\ncommon.a.used(1)",
    "in a function": "def f():\n    from common import a\n    return a.used(1)",
}


@pytest.mark.parametrize("source", IMPORTS.values(), ids=IMPORTS)
@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("a.py", "helper(x) *", "helper(x) +", True),
        ("b.py", "def helper(x):\n    return x", "def helper(x):\n    return -x", True),
        ("a.py", "SCALE = 2", "SCALE = 20", True),
        ("a.py", "return OTHER", "return 4", False),
        ("a.py", "OTHER = 3", "OTHER = 30", False),
        ("a.py", "return unused(1)", "return 5", False),
        ("b.py", "def lonely(x):\n    return x", "def lonely(x):\n    return -x", False),
        ("effects.py", "= 1", "= 2", False),
    ],
)
def test_follows_definitions_not_files(library, source, file, old, new, changes):
    before = library.hash(source)
    library.edit(file, old, new)
    assert (library.hash(source) != before) is changes


@pytest.mark.parametrize(
    ("source", "file", "old", "new"),
    [
        ("from common import a\na.Model().fit()", "a.py", "return OTHER", "return 9"),
        ("from common import pkg\npkg.deep()", "b.py", LONELY, "lonely(x): 1"),
        ("from common.pkg import deep\ndeep()", "pkg/inner.py", "lonely(1)", "lonely(2)"),
        ("from common.lazy import late\nlate()", "b.py", LONELY, "lonely(x): 1"),
        ("from common import effects\neffects.get('a')", "effects.py", "= 1", "= 2"),
        ("from common.registry import plain\nplain()", "registry.py", "return 2", "return 3"),
        ("from common.registry import plain\nplain()", "tools.py", "return f", "return f, f"),
        ("from common.a import *\nused(1)", "a.py", "return OTHER", "return 9"),
        ("from common import a\nprint(getattr(a, 'used'))", "a.py", "OTHER = 3", "OTHER = 4"),
        ("from common import a\nf = a\nf.used(1)", "a.py", "OTHER = 3", "OTHER = 4"),
    ],
    ids=[
        "class as a whole", "re-export", "re-exported name", "lazy import", "side effect",
        "registered function", "its decorator", "star import", "getattr", "module as a value",
    ],
)  # fmt: skip
def test_counts(library, source, file, old, new):
    before = library.hash(source)
    library.edit(file, old, new)
    assert library.hash(source) != before


@pytest.mark.parametrize(
    ("source", "file", "old", "new"),
    [
        ("from common import pkg\npkg.deep()", "pkg/inner.py", "    pass", "    return 1"),
        ("from common import a\n[a for a in ()]", "a.py", "OTHER = 3", "OTHER = 4"),
        (
            "from common.a import used\ndef f(unused):\n    return unused",
            "a.py",
            "OTHER",
            "ANOTHER",
        ),
    ],
    ids=["beside a re-export", "hidden by a comprehension", "hidden by an argument"],
)
def test_does_not_count(library, source, file, old, new):
    before = library.hash(source)
    library.edit(file, old, new)
    assert library.hash(source) == before


# A module of which `plain` is used and `other` is not, and further statements of it.
ASIDE = "def plain():\n    return KEY\nKEY = 1\ndef other():\n    return 2\n"


@pytest.mark.parametrize(
    ("statement", "counts"),
    [
        ("import functools\n@functools.lru_cache(maxsize=4)\ndef f(): return 3", False),
        ("@staticmethod\ndef f(): return 3", False),
        ("@x.setter\ndef f(): return 3", False),
        ("@route('/')\ndef f(): return 3", True),
        ("@staticmethod\n@route('/')\ndef f(): return 3", True),
        ("A = 3", False),
        ("A, B = 3, 4", False),
        ("A: int = 3", False),
        ("other.speed = 3", True),
        ("A, other.speed = 3, 4", True),
        ("LIST[0] = 3", True),
        ("LIST[0]: int = 3", True),
        ("LIST[0] += 3", True),
        ("f(3)", True),
        ("3", False),
        ("'3'", False),
        ("if __name__ == '__main__': f(3)", False),
        ("if f(3): pass", True),
        ("for _ in f(3): pass", True),
    ],
)
def test_what_a_module_executes_counts_and_what_it_defines_does_not(library, statement, counts):
    path = library.root / "common/aside.py"
    for use in ("from common.aside import plain\nplain()", "import common.aside as x\nx.plain()"):
        path.write_text(ASIDE + statement)
        before = library.hash(use)
        path.write_text(ASIDE + statement.replace("3", "5"))
        assert (library.hash(use) != before) is counts


@pytest.mark.parametrize("statement", ["KEY: int = 2", "KEY, B = 2, 3", "KEY += 2", "B = KEY = 2"])
def test_every_assignment_of_a_name_that_is_used_counts(library, statement):
    path = library.root / "common/aside.py"
    path.write_text(ASIDE)
    use = "from common.aside import plain\nplain()"
    hashes = [library.hash(use)]
    for text in (statement, statement.replace("2", "4")):
        path.write_text(f"{ASIDE}{text}\n")
        hashes.append(library.hash(use))
    assert len(set(hashes)) == 3


@pytest.mark.parametrize(
    ("use", "file", "old", "new", "counts"),
    [
        # A package is executed before what lies in it.
        ("from common.pkg.inner import flat\nflat()", "pkg/__init__.py", "__all__", "f()\nA", True),
        ("import common.pkg.inner as i\ni.flat()", "pkg/__init__.py", "__all__ =", "B =", False),
        # Of a name that is not there, all may count; not of what every module has.
        ("from common import a\na.nothing", "a.py", "OTHER = 3", "OTHER = 4", True),
        ("from common import a\na.__name__", "a.py", "OTHER = 3", "OTHER = 4", False),
        ("from common.lazy import late\nlate()", "a.py", "OTHER = 3", "OTHER = 4", False),
        ("import importlib\nimportlib.import_module(x)", "a.py", "OTHER = 3", "OTHER = 4", True),
        ("__import__(x)", "a.py", "OTHER = 3", "OTHER = 4", True),
        ("%%time\nfrom common import a\na.used(1)", "a.py", "SCALE = 2", "SCALE = 4", True),
        ("%%time\nfrom common import a\na.used(1)", "a.py", "OTHER = 3", "OTHER = 4", False),
    ],
)
def test_what_is_executed_or_may_be_named_counts(library, use, file, old, new, counts):
    before = library.hash(use)
    library.edit(file, old, new)
    assert (library.hash(use) != before) is counts


@pytest.mark.parametrize("source", ["globals()[k]()", "vars()", "eval(k)"])
def test_a_function_that_may_name_anything_of_its_module_uses_all_of_it(library, source):
    (library.root / "common/aside.py").write_text(f"{ASIDE}def late(k):\n    return {source}\n")
    use = "from common.aside import late\nlate('other')"
    before = library.hash(use)
    library.edit("aside.py", "return 2", "return 3")
    assert library.hash(use) != before


def test_imports_under_a_condition_count(library):
    source = "try:\n    from common.b import helper\nexcept ImportError:\n    helper = None\n"
    (library.root / "common/aside.py").write_text(f"{source}def plain(): return helper(1)\n")
    use = "from common.aside import plain\nplain()"
    before = library.hash(use)
    library.edit("b.py", "def helper(x):\n    return x", "def helper(x):\n    return -x")
    assert library.hash(use) != before


def test_imports_are_those_of_other_packages_in_their_order(library):
    (library.root / "common/aside.py").write_text(
        "import os.path\nfrom scipy import stats\nfrom common import a\nfrom torch import *\n"
        "def late():\n    import slow\nif True:\n    import perhaps\n"
    )
    library.hash("import pandas as pd, json\nfrom common.aside import late\nimport mne\nif x:\n"
                 "    import never")  # fmt: skip
    found = module.imports(library.root / "notebook.ipynb", root=library.root)
    # `a` imports numpy, which comes with it.
    assert found == ["pandas", "json", "os.path", "scipy:stats", "numpy", "torch", "mne"]


def test_words_and_layout_do_not_count(library):
    source = "from common import a\na.used(1)"
    before = library.hash(source)
    library.edit("a.py", "def used(x):\n", 'def used( x ):\n    """Words."""\n    # comment\n\n')
    library.edit("a.py", "SCALE = 2", "SCALE = (\n    2\n)")
    assert library.hash("from common import a  # comment\na.used( 1 )") == before


def test_outputs_markdown_and_metadata_do_not_count(library):
    source = "from common import a\na.used(1)"
    before = library.hash(source)
    markdown = {"cell_type": "markdown", "source": "# Words", "metadata": {}}
    run = {
        "cell_type": "code",
        "source": source.splitlines(keepends=True),
        "metadata": {"scrolled": True},
        "execution_count": 4,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}],
    }
    assert library.hash(markdown, run, metadata={"kernelspec": {"name": "other"}}) == before


def test_a_parameters_default_does_not_count_but_its_name_and_type_do(library):
    def cell(source):
        metadata = {"tags": ["parameters"]}
        return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": []}

    before = library.hash(cell("subject: int | None = None\npath = 'a'"))
    assert library.hash(cell("subject: int | None = 3\npath = 'b'")) == before
    assert library.hash(cell("subject: int = 3\npath = 'a'")) != before
    assert library.hash(cell("subject: int | None = None\nfile = 'a'")) != before


def test_modules_are_those_whose_code_is_used(library):
    library.hash("from common import a, lazy\na.used(1)")
    names = module.modules(library.root / "notebook.ipynb", root=library.root)
    assert names == {"common.a", "common.b"}  # lazy is imported, and nothing of it used


def test_magics_do_not_stop_the_analysis(library):
    source = "%matplotlib inline\n!ls\nfrom common import a\na.used(1)"
    before = library.hash(source)
    library.edit("a.py", "OTHER = 3", "OTHER = 4")
    assert library.hash(source) == before
    library.edit("a.py", "SCALE = 2", "SCALE = 4")
    assert library.hash(source) != before


def test_code_that_cannot_be_parsed_counts_everything(library):
    source = "for x in :"
    before = library.hash(source)
    library.edit("b.py", "def lonely(x):\n    return x", "def lonely(x):\n    return -x")
    assert library.hash(source) != before


def test_circular_re_exports_end(library):
    library.edit("pkg/__init__.py", "from .inner", "from . import inner\nfrom .inner")
    library.edit("pkg/inner.py", "from ..b", "from . import deep as again\nfrom ..b")
    assert library.hash("from common.pkg import inner\ninner.again()")


def test_nothing_is_executed(library):
    library.edit("a.py", "SCALE = 2", "raise SystemExit('imported')")
    library.hash("from common import a\na.used(1)")


def test_the_whole_library_is_read_once(monkeypatch):
    # Snakemake reads every notebook's fingerprint before it says anything.
    monkeypatch.setattr(module, "_modules", {})
    parsed, parse = [], ast.parse
    monkeypatch.setattr(
        module.ast, "parse", lambda *a, filename, **k: parsed.append(filename) or parse(*a, **k)
    )
    for _ in range(2):
        module._Walk(files.ROOT, "common").whole_package()
    assert len(parsed) == len(set(parsed)) == len(list((files.ROOT / "common").rglob("*.py")))


USE = "from common import a\na.used(1)"


@pytest.fixture
def keeping(library, monkeypatch):
    """The library where Snakemake keeps its state, and what each new process walks through."""
    (library.root / ".snakemake").mkdir()
    walked, walk = [], module._Walk.notebook
    monkeypatch.setattr(module._Walk, "notebook", lambda *a: walked.append(a) or walk(*a))

    def hash_anew(*cells):
        for memory in (module._found, module._contents, module._modules):
            memory.clear()
        before = len(walked)
        return library.hash(*cells), len(walked) - before

    library.hash_anew = hash_anew
    library.kept = library.root / module.KEPT
    return library


def test_another_process_finds_what_one_has_found(keeping):
    found, n_walks = keeping.hash_anew(USE)
    assert n_walks == 1
    assert keeping.hash_anew(USE) == (found, 0)
    keeping.edit("effects.py", "= 1", "= 2")  # not read for this notebook
    assert keeping.hash_anew(USE) == (found, 0)
    keeping.edit("b.py", "def helper(x):\n    return x", "def helper(x):\n    return -x")
    changed, n_walks = keeping.hash_anew(USE)
    assert changed != found and n_walks == 1
    # Of the same size and date, as a copy of another state may be.
    before = (keeping.root / "common/a.py").stat()
    keeping.edit("a.py", "SCALE = 2", "SCALE = 7")
    os.utime(keeping.root / "common/a.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    again, n_walks = keeping.hash_anew(USE)
    assert again != changed and n_walks == 1
    assert len(list(keeping.kept.iterdir())) == 1  # the last state of each notebook


def test_a_module_that_appears_is_noticed(keeping):
    source = "from common import pkg\npkg.late.start()"
    found, _ = keeping.hash_anew(source)
    (keeping.root / "common/pkg/late.py").write_text("def start():\n    return 1\n")
    changed, _ = keeping.hash_anew(source)
    assert changed != found
    keeping.edit("pkg/late.py", "return 1", "return 2")
    assert keeping.hash_anew(source)[0] not in {found, changed}
    everything = "import importlib\nimportlib.import_module('common.' + name)"
    found, _ = keeping.hash_anew(everything)
    (keeping.root / "common/more.py").write_text("MORE = 1\n")
    assert keeping.hash_anew(everything)[0] != found


def _other_digits(content):
    """What is kept, with another fingerprint."""
    found = json.loads(content.partition(b"\n")[2])["fingerprint"].encode()
    return content.replace(found, b"0" * len(found))


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-9], _other_digits, lambda content: b"{}", lambda content: b"\xff\0"],
    ids=["cut", "other digits", "other content", "no text"],
)
def test_damage_to_what_is_kept_is_noticed(keeping, damage):
    found = keeping.hash_anew(USE)
    (path,) = keeping.kept.iterdir()
    content = path.read_bytes()
    assert damage(content) != content
    path.write_bytes(damage(content))
    assert keeping.hash_anew(USE) == found
    assert path.read_bytes() == content


def test_what_another_version_of_this_module_kept_does_not_count(keeping, monkeypatch):
    keeping.hash_anew(USE)
    monkeypatch.setattr(module, "_METHOD", b"other")
    assert keeping.hash_anew(USE)[1] == 1
    assert keeping.hash_anew(USE)[1] == 0


def test_an_edit_while_it_walks_is_not_kept(keeping, monkeypatch):
    walk = module._Walk.notebook

    def walk_and_edit(self, path):
        walk(self, path)
        monkeypatch.setattr(module._Walk, "notebook", walk)
        keeping.edit("a.py", "SCALE = 2", "SCALE = 20")

    monkeypatch.setattr(module._Walk, "notebook", walk_and_edit)
    before = keeping.hash(USE)
    assert not keeping.kept.exists()
    assert keeping.hash(USE) != before


def test_a_folder_that_cannot_be_written_to_is_no_error(keeping):
    keeping.kept.write_text("a file")
    assert keeping.hash_anew(USE)[0] == keeping.hash_anew(USE)[0]


def test_nothing_is_kept_outside_a_repository(library):
    library.hash(USE)
    assert {path.name for path in library.root.iterdir()} == {"common", "notebook.ipynb"}


def test_the_version_of_python_does_not_count():
    # From 3.12 on functions and classes have a field for type parameters.
    for kind, source in ((ast.FunctionDef, "def f(x): return x"), (ast.ClassDef, "class C: x = 1")):
        (node,) = ast.parse(source).body
        fields = tuple(dict.fromkeys((*kind._fields, "type_params")))
        newer = type(kind.__name__, (kind,), {"_fields": fields})
        values = {name: getattr(node, name, []) for name in fields}
        assert canonical(newer(**values)) == canonical(node)
        older = type(kind.__name__, (kind,), {"_fields": fields[:-1]})
        fewer = {name: values[name] for name in fields[:-1]}
        assert canonical(older(**fewer)) == canonical(node)
        assert canonical(newer(**values | {"type_params": [ast.Name("T")]})) != canonical(node)
