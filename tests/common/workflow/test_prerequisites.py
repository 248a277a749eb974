"""What is missing is said in one line, before anything is installed, under any Python."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import pytest

from common import files
from common.workflow import prerequisites

LINUX = {"version": (3, 11, 2), "system": "Linux", "machine": "x86_64", "glibc": (2, 36)}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            {"version": (3, 10, 13)},
            r"Python 3\.11 to 3\.14 is needed, this is 3\.10\.13\. .*PYTHON=",
        ),
        ({"version": (2, 7, 18)}, r"this is 2\.7\.18\. Name another one: make env PYTHON="),
        ({"version": (3, 15, 0)}, r"Python 3\.11 to 3\.14 is needed, this is 3\.15\.0\."),
        ({"implementation": "PyPy"}, r"CPython is needed, this is PyPy 3\.11\.2\. .*PYTHON="),
        ({"free_threaded": True}, r"CPython is needed, this is a free-threaded build 3\.11\.2"),
        ({"machine": "i686"}, r"no packages for Linux i686: Linux on x86_64 or aarch64, or macOS"),
        ({"system": "Darwin"}, r"no packages for Darwin x86_64: .*Apple's chips"),
        ({"system": "Windows", "machine": "AMD64"}, r"Windows AMD64: .*\(WSL\)"),
        ({"glibc": (2, 17)}, r"glibc 2\.28 or newer, this system has 2\.17: .*Debian 10"),
        ({"glibc": None}, r"glibc 2\.28 or newer, this system has none: .*not Alpine"),
        (
            {"lacking": ["venv", "ensurepip"]},
            r"lacks venv and ensurepip: sudo apt install python3\.11-venv .*, then make env again",
        ),
        (
            {"version": (3, 14, 0), "compiler": False},
            r"immutables must be compiled for Python 3\.14, and there is no C compiler: .*gcc",
        ),
    ],
)
def test_what_is_missing_is_one_line_with_the_repair(found, message):
    line = prerequisites.missing(**{**LINUX, **found})
    assert line.count("\n") == 0
    assert re.search(message, line)


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"compiler": False},
        {"version": (3, 14, 1)},
        {"glibc": (2, 28)},
        {"machine": "aarch64"},
        {"system": "Darwin", "machine": "arm64", "glibc": None},
    ],
)
def test_nothing_is_missing(found):
    assert prerequisites.missing(**{**LINUX, **found}) is None


def test_the_default_build_for_linux_takes_more():
    cuda = prerequisites.needed_space("Linux", "", False)
    assert cuda == (6.5, 3.0)
    chosen = prerequisites.needed_space("Linux", "some-index", False)
    assert chosen == prerequisites.needed_space("Darwin", "", False) < cuda
    assert prerequisites.needed_space("Linux", "", True) < chosen


def test_space_on_one_disk_adds_up():
    line = prerequisites.missing_space([("/a", 6.0, 8.0, 1), ("/tmp", 3.0, 8.0, 1)])
    assert line.startswith("9.0 GB must be free in /a, 8.0 GB are: make room, or put temporary")
    assert "make env TORCH_INDEX=" in line
    assert prerequisites.missing_space([("/a", 6.0, 8.0, 1), ("/tmp", 3.0, 8.0, 2)]) is None
    line = prerequisites.missing_space([("/a", 6.0, 8.0, 1), ("/tmp", 3.0, 2.0, 2)])
    assert line.startswith("3.0 GB must be free in /tmp, 2.0 GB are")


def test_exactly_enough_space_is_enough():
    assert prerequisites.missing_space([("/a", 6.0, 9.0, 1), ("/tmp", 3.0, 9.0, 1)]) is None


GB = 10**9


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A Linux machine whose disks have some space; what is found there, and asked of it."""
    root, places = files.ROOT, tempfile.gettempdir()
    found = SimpleNamespace(free={}, asked=[], installed=False, version=(3, 12, 1))
    exists, stat = os.path.exists, os.stat

    def disk_usage(place):
        found.asked.append(place)
        return SimpleNamespace(free=found.free.get(place, 100 * GB))

    def there(path):
        is_ready = path == os.path.join(str(root), ".venv", ".ready")
        return found.installed if is_ready else exists(path)

    def device(place, **options):
        known = {str(root): 1, places: 2}.get(place)
        return SimpleNamespace(st_dev=known) if known else stat(place, **options)

    monkeypatch.setattr(prerequisites.shutil, "disk_usage", disk_usage)
    monkeypatch.setattr(prerequisites.os.path, "exists", there)
    monkeypatch.setattr(prerequisites.os, "stat", device)
    monkeypatch.setattr(prerequisites.platform, "system", lambda: "Linux")
    monkeypatch.setattr(prerequisites.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(prerequisites, "_glibc", lambda: (2, 36))
    monkeypatch.setattr(prerequisites.sys, "version_info", found.version)
    found.root, found.temporary = str(root), places
    return found


@pytest.mark.parametrize(
    ("arguments", "installed", "environment", "temporary"),
    [
        ([], False, 6.5, 3.0),
        (["https://index/cpu"], False, 2.5, 1.0),
        ([], True, 1.0, 1.0),
        (["https://index/cpu"], True, 2.5, 1.0),  # it starts afresh
    ],
)
def test_both_disks_must_have_space(
    machine, monkeypatch, capsys, arguments, installed, environment, temporary
):
    machine.installed = installed
    for place, needed in ((machine.root, environment), (machine.temporary, temporary)):
        machine.free = {place: int(needed * GB)}
        assert prerequisites.main(arguments) == 0
        machine.free = {place: int(needed * GB) - 10**8}
        assert prerequisites.main(arguments) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"{needed:.1f} GB must be free in {place}, {needed - 0.1:.1f} GB")
    assert set(machine.asked) == {machine.root, machine.temporary}


def test_space_is_of_no_interest_where_something_else_is_missing(machine, monkeypatch, capsys):
    monkeypatch.setattr(prerequisites.sys, "version_info", (3, 9, 1))
    assert prerequisites.main([]) == 1
    assert "this is 3.9.1" in capsys.readouterr().err
    assert machine.asked == []


def test_a_compiler_is_looked_for_where_one_is_needed(machine, monkeypatch, capsys):
    monkeypatch.setattr(prerequisites, "_has_compiler", lambda: False)
    assert prerequisites.main([]) == 0
    monkeypatch.setattr(prerequisites.sys, "version_info", (3, 14, 0))
    assert prerequisites.main([]) == 1
    assert "there is no C compiler" in capsys.readouterr().err


def test_a_compiler_comes_with_pythons_headers(monkeypatch, tmp_path):
    monkeypatch.setattr(prerequisites.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    found = {"gcc"}
    monkeypatch.setattr(prerequisites.shutil, "which", lambda name: name if name in found else None)
    assert not prerequisites._has_compiler()
    (tmp_path / "Python.h").touch()
    assert prerequisites._has_compiler()
    found.clear()
    assert not prerequisites._has_compiler()


@pytest.mark.parametrize(
    ("library", "version"),
    [(("glibc", "2.36"), (2, 36)), (("glibc", "2.31.9000"), (2, 31)), (("", ""), None)],
)
def test_the_c_library_is_that_of_gnu_or_another(monkeypatch, library, version):
    monkeypatch.setattr(prerequisites.platform, "libc_ver", lambda: library)
    assert prerequisites._glibc() == version


@pytest.fixture
def clone(tmp_path):
    """What `make env` needs, in a folder with a space."""
    root = tmp_path / "My Projects/artifacts"
    (root / "common/workflow").mkdir(parents=True)
    (root / "results").mkdir()
    locks = ("requirements.lock", "requirements-site.lock")
    for name in ("Makefile", "pyproject.toml", "results/README.md", *locks):
        shutil.copy(files.resolve(name), root / name)
    shutil.copy(files.resolve("common/workflow/prerequisites.py"), root / "common/workflow")
    return root


def make(root, *arguments):
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def test_make_names_a_python_that_is_not_there(clone):
    done = make(clone, "env", "PYTHON=no-such-python")
    assert done.returncode != 0
    assert done.stderr.startswith(
        "There is no 'no-such-python'. Install Python 3.11 to 3.14, or name it: make env PYTHON="
    )
    assert not (clone / ".venv").exists()


def test_make_installs_nothing_where_something_is_missing(clone):
    # An interpreter whose folder has a space, and which is too old.
    old = clone.parent / "old python"
    old.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = -c ]; then exit 0; fi\n'
        f'exec "{sys.executable}" -c \'import sys; sys.version_info = (3, 10, 1); '
        'sys.argv = sys.argv[1:]; __file__ = sys.argv[0]; exec(open(__file__).read())\' "$@"\n'
    )
    old.chmod(0o755)
    done = make(clone, "env", f"PYTHON={old}")
    assert done.returncode != 0
    line = "Python 3.11 to 3.14 is needed, this is 3.10.1. Name another one: make env PYTHON="
    assert done.stderr.startswith(line)
    assert done.stdout == ""
    assert not (clone / ".venv").exists()


def test_make_takes_torch_from_the_index_that_is_named(clone):
    address = "https://index/cpu"
    chosen = make(clone, "--dry-run", "env", f"TORCH_INDEX={address}").stdout
    # Without dependencies: those of the lock come from the usual index.
    assert f'--no-deps --index-url "{address}"' in chosen
    assert f'prerequisites.py "{address}"' in chosen
    assert "--index-url" not in make(clone, "--dry-run", "env").stdout
    # It starts afresh where an environment is there, which would be left alone otherwise.
    (clone / ".venv").mkdir()
    (clone / ".venv/.ready").touch()
    assert "--clear" in make(clone, "--dry-run", "env", f"TORCH_INDEX={address}").stdout
    assert "--clear" not in make(clone, "--dry-run", "env").stdout


@pytest.mark.parametrize(
    ("target", "part"), [("slurm", "slurm"), ("site", "site"), ("archive", "site")]
)
def test_an_optional_part_keeps_to_the_lock(clone, target, part):
    lines = make(clone, "--dry-run", target).stdout
    assert f"-c requirements.lock -r requirements-{part}.lock" in lines


def test_checkers_have_an_environment_of_their_own(clone):
    shutil.copy(files.resolve("requirements-checkers.lock"), clone)
    lines = make(clone, "--dry-run", "checkers").stdout
    assert ".venv-checkers/bin/python -m pip" in lines and "-r requirements-checkers.lock" in lines
    assert ".venv/bin" not in lines and "common.report.archive" not in lines
    assert (
        "common.report.archive dance" in make(clone, "--dry-run", "archive", "PAPER=dance").stdout
    )


def test_make_clean_leaves_the_page_of_results(clone):
    (clone / "results/dance/embedded").mkdir(parents=True)
    (clone / "results/scoreboard.csv").touch()
    assert make(clone, "clean").returncode == 0
    assert [path.name for path in (clone / "results").iterdir()] == ["README.md"]
    shutil.rmtree(clone / "results")
    assert make(clone, "clean").returncode == 0


def test_the_file_runs_by_itself():
    command = [sys.executable, "-I", "-S", files.resolve("common/workflow/prerequisites.py")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == (1 if done.stderr else 0)
    assert done.stderr.count("\n") <= 1


def test_the_file_is_in_the_syntax_of_old_pythons():
    # No f-string, no keyword-only argument, no annotation, no walrus: Python 2.7 reads it.
    tree = ast.parse(files.resolve("common/workflow/prerequisites.py").read_text("utf-8"))
    newer = (ast.JoinedStr, ast.NamedExpr, ast.AnnAssign, ast.Nonlocal, ast.Starred, ast.Match)
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, newer)] == []
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            assert not node.kwonlyargs
            assert not node.posonlyargs
    assert files.resolve("common/workflow/prerequisites.py").read_bytes().isascii()
