"""The lock is compared as pip would, and an extension is set aside only if that is the cure."""

import sys

import pytest

from common import environment


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Function that makes an importable package with two libraries, broken if they are there."""

    def make(body):
        lib = tmp_path / "sick/lib"
        lib.mkdir(parents=True)
        (lib / "a.so").touch()
        (lib / "b.so").touch()
        (tmp_path / "sick/__init__.py").write_text(f"from pathlib import Path\n{body}\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return lib

    yield make
    sys.modules.pop("sick", None)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_misfit_is_set_aside_once(package):
    lib = package("assert not [*Path(__file__).parent.glob('lib/*.so')]")
    assert environment.set_extension_aside("sick") == 2
    assert names(lib) == ["a.so.aside", "b.so.aside"]
    assert environment.set_extension_aside("sick") == 0
    assert names(lib) == ["a.so.aside", "b.so.aside"]


def test_a_working_package_is_left_alone(package):
    lib = package("")
    assert environment.set_extension_aside("sick") == 0
    assert names(lib) == ["a.so", "b.so"]


def test_what_does_not_help_is_undone(package):
    lib = package("raise OSError('no such cure')")
    with pytest.raises(ImportError, match=r"sick cannot be imported: OSError: no such cure"):
        environment.set_extension_aside("sick")
    assert names(lib) == ["a.so", "b.so"]


def test_a_package_that_is_not_installed_is_no_problem():
    assert environment.set_extension_aside("no_such_package_at_all") == 0


def test_pins_of_a_lock(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text("# made\nnumpy==2.3.5  # why\n\nPyYAML==6.0.3\n")
    assert environment.pins(lock) == {"numpy": "2.3.5", "PyYAML": "6.0.3"}
    lock.write_text("numpy==2.3.5\n-e .\n")
    with pytest.raises(ValueError, match=r"line 2: expected name==version, found '-e \.'"):
        environment.pins(lock)


def test_a_local_version_satisfies_the_lock(monkeypatch):
    monkeypatch.setattr(environment.metadata, "version", lambda name: "2.13.0+cpu")
    assert environment.mismatches({"torch": "2.13.0"}) == []


def test_other_versions_and_missing_packages_are_named(tmp_path, capsys):
    lock = tmp_path / "lock"
    lock.write_text("numpy==0.0.1\nno-such-package-at-all==1.0\n")
    assert environment.main(["--lock", str(lock)]) == 1
    error = capsys.readouterr().err
    assert "is installed, the lock has 0.0.1" in error
    assert "no-such-package-at-all 1.0 is not installed" in error
    assert f"-m pip install -r {lock}" in error
