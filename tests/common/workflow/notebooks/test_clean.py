"""Git sees no change in a notebook that was only run and saved, whatever editor saved it."""

import json
import shutil
import subprocess
import sys

import nbformat
import pytest
from jupyter_server.services.contents.filemanager import FileContentsManager
from traitlets.config import Config

from common import files
from common.workflow import environment
from common.workflow.notebooks.clean import clean

NOTEBOOKS = sorted(
    path
    for folder in ("notebooks", "papers/*", "tests/workflow/toy")
    for path in files.ROOT.glob(f"{folder}/*.ipynb")
)
CLEAN = clean(files.resolve("papers/dance/claims.ipynb").read_bytes())


def jupyterlab(notebook):
    for index, cell in enumerate(notebook["cells"]):
        cell["metadata"].update({"editable": True, "slideshow": {"slide_type": ""}})
        if cell["cell_type"] == "code":
            cell["execution_count"] = index
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["1\n"]}]
            cell["metadata"]["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    notebook["metadata"]["language_info"].update({"version": "3.12.1", "file_extension": ".py"})
    notebook["metadata"]["widgets"] = {"state": {}}


def vscode(notebook):
    notebook["metadata"]["kernelspec"] = {"display_name": ".venv (3.11.2)", "name": "artifacts"}
    notebook["metadata"]["vscode"] = {"interpreter": {"hash": "0f"}}
    for cell in notebook["cells"]:
        cell["metadata"]["vscode"] = {"languageId": "python"}


def colab(notebook):
    notebook["metadata"]["colab"] = {"provenance": []}
    notebook["metadata"]["accelerator"] = "GPU"
    notebook["nbformat_minor"] = 0
    for cell in notebook["cells"]:
        cell["metadata"] |= {"id": cell.pop("id"), "outputId": "1-2", "colab": {"height": 3}}


def one_string(notebook):
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])


@pytest.mark.parametrize("edit", [jupyterlab, vscode, colab, one_string])
@pytest.mark.parametrize("layout", [{"indent": 1}, {"indent": 4, "ensure_ascii": False}, {}])
def test_what_editors_add_goes(edit, layout):
    notebook = json.loads(CLEAN)
    edit(notebook)
    saved = json.dumps(notebook, **layout).encode()
    assert saved != CLEAN
    assert clean(saved) == CLEAN


@pytest.mark.parametrize("path", NOTEBOOKS, ids=files.relative)
def test_a_clean_notebook_stays_as_it_is(path):
    once = clean(path.read_bytes())
    assert clean(once) == once
    # Also as nbformat, hence JupyterLab, writes it: no change without a run either.
    notebook = nbformat.reads(once.decode("utf-8"), as_version=4)
    assert clean(nbformat.writes(notebook).encode("utf-8")) == once


def test_an_edit_stays():
    notebook = json.loads(CLEAN)
    code = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    code["source"] = ["new = 'µV'\n", "other = 2"]
    code["metadata"]["tags"] = ["parameters"]
    markdown = {"cell_type": "markdown", "id": "new", "metadata": {}, "source": ["![](a.png)"]}
    notebook["cells"].append(markdown | {"attachments": {"a.png": {"image/png": "AA=="}}})
    cleaned = json.loads(clean(json.dumps(notebook).encode()))
    assert cleaned == notebook


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b'{"cells": []}',
        b'{"nbformat": 3, "worksheets": []}',
        b'{"nbformat": 4, "cells": [{"cell_type": "code"}]}',
        b'{"nbformat": 4, "cells": [1]}',
        b'{"nbformat": 4, "cells": 1}',
        b'{"nbformat": 4, "nbformat_minor": "5", "cells": []}',
        b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 3}]}',
        b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [3]}]}',
        b'{"nbformat": 4, "cells": [{"cell_type": "raw", "source": "\\ud800"}]}',
        b"<<<<<<< HEAD\n" + CLEAN,
        b"[" * 100_000,
    ],
)
def test_what_is_no_notebook_passes_unchanged(content):
    assert clean(content) == content


@pytest.fixture
def clone(tmp_path):
    """A clone with one committed notebook and the filter, in a folder with a space."""
    root = tmp_path / "My Projects/it's"
    (root / "common/workflow/notebooks").mkdir(parents=True)
    (root / "papers").mkdir()
    shutil.copy(
        files.resolve("common/workflow/notebooks/clean.py"),
        root / "common/workflow/notebooks/clean.py",
    )
    shutil.copy(files.resolve(".gitattributes"), root)
    shutil.copy(files.resolve(".gitignore"), root)
    (root / "papers/claims.ipynb").write_bytes(CLEAN)
    git(root, "init", "--quiet")
    git(root, "config", "user.name", "x")
    git(root, "config", "user.email", "x")
    assert environment.filter_notebooks(root)
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "x")
    return root


def git(root, *arguments):
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def save(path, edit):
    """Save an edited notebook as JupyterLab of a set-up environment does."""
    environment.configure_jupyter(path.parent / ".venv")
    settings = path.parent / ".venv/etc/jupyter/jupyter_server_config.json"
    manager = FileContentsManager(
        root_dir=str(path.parent), config=Config(json.loads(settings.read_text()))
    )
    model = manager.get(path.name)
    edit(model["content"])
    manager.save(model, path.name)


def test_git_shows_nothing_after_a_run(clone):
    save(clone / "papers/claims.ipynb", jupyterlab)
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone / "papers", "status", "--porcelain") == ""  # from a folder below
    assert git(clone, "diff") == ""
    git(clone, "commit", "--allow-empty", "-am", "x")
    assert git(clone, "show", ":papers/claims.ipynb").encode() == CLEAN
    assert b"2026-01-01" in (clone / "papers/claims.ipynb").read_bytes()  # the file keeps them


def test_git_shows_an_edit(clone):
    def edit(notebook):
        jupyterlab(notebook)
        notebook["cells"][0]["source"] = "# Another title"

    save(clone / "papers/claims.ipynb", edit)
    assert git(clone, "status", "--porcelain") == " M papers/claims.ipynb\n"
    changed = [line for line in git(clone, "diff", "-U0").splitlines() if line[0] == "+"]
    assert changed[1:] == ['+    "# Another title"']


def test_saving_adds_nothing_to_git(clone):
    shutil.copy(clone / "papers/claims.ipynb", clone / "papers/new.ipynb")
    save(clone / "papers/new.ipynb", jupyterlab)
    assert git(clone, "status", "--porcelain") == "?? papers/new.ipynb\n"
    save(clone / "papers/claims.ipynb", lambda notebook: notebook["cells"].pop())
    assert git(clone, "diff", "--cached") == ""


def test_an_editor_without_the_hook_shows_no_difference(clone):
    notebook = json.loads(CLEAN)
    vscode(notebook)
    (clone / "papers/claims.ipynb").write_text(json.dumps(notebook))
    assert git(clone, "diff") == ""
    git(clone, "add", "-u")  # git looks at the content
    assert git(clone, "status", "--porcelain") == ""


def test_saving_works_without_git(tmp_path, monkeypatch):
    (tmp_path / "a.ipynb").write_bytes(CLEAN)
    monkeypatch.setenv("PATH", "/nowhere")
    save(tmp_path / "a.ipynb", jupyterlab)
    assert b"2026-01-01" in (tmp_path / "a.ipynb").read_bytes()


def test_git_goes_on_where_the_filter_is_gone(clone):
    # An old branch without the file, then a machine without any Python.
    content = (clone / "papers/claims.ipynb").read_bytes() + b"\n"
    (clone / "papers/claims.ipynb").write_bytes(content)
    moved = clone / "common/workflow/notebooks/clean.py"
    kept = moved.read_bytes()
    moved.unlink()
    assert "papers/claims.ipynb" in git(clone, "status", "--porcelain")
    moved.write_bytes(kept)
    shell = shutil.which("sh")
    done = subprocess.run(
        [shell, "-c", environment.FILTER.replace("python3", "no-such-python")],
        cwd=clone,
        input=content,
        capture_output=True,
    )
    assert (done.returncode, done.stdout) == (0, content)


def test_the_environments_python_is_taken_first(clone):
    python = clone / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    done = subprocess.run(
        [shutil.which("sh"), "-c", environment.FILTER],
        cwd=clone,
        env={"PATH": "/nowhere"},
        input=CLEAN.replace(b'"outputs": []', b'"outputs": [1]'),
        capture_output=True,
    )
    assert done.stdout == CLEAN


def test_no_other_repository_gets_the_filter(clone):
    inner = clone / "unpacked"
    inner.mkdir()
    git(clone, "config", "--unset", "filter.notebook.clean")
    assert not environment.filter_notebooks(inner)
    assert "filter" not in git(clone, "config", "--list")
    assert not environment.filter_notebooks(clone.parent)
