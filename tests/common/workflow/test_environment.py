"""The lock is compared as pip would, and an extension is set aside only if that is the cure."""

import json
import os
import re
import subprocess
import sys

import pytest
import yte
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common import files
from common.workflow import environment


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


def test_a_marker_decides_for_whom_a_pin_is(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text(
        "a==1 ; python_full_version < '3.11.5'\nb==2; sys_platform == 'darwin'\n"
        "c==3 ; python_full_version >= '3.12' and platform_machine == 'aarch64'  # why\n"
    )
    expected = {
        "3.11.0-linux-x86_64": {"a": "1"},
        "3.11.0-macos-arm64": {"a": "1", "b": "2"},
        "3.13.0-linux-aarch64": {"c": "3"},
    }
    for target, found in expected.items():
        assert environment.pins(lock, environment.TARGETS[target]) == found


def test_wheels_of_a_lock(tmp_path):
    def package(name, *names):
        wheels = ", ".join(f'{{url = "https://index/ab/{file}"}}' for file in names)
        return f'[[packages]]\nname = "{name}"\nversion = "1"\nwheels = [{wheels}]\n'

    pylock = tmp_path / "pylock.toml"
    pylock.write_text(
        package("pure", "pure-1-py3-none-any.whl")
        + package("old", "old-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
        + package("stable", "stable-1-cp39-abi3-macosx_11_0_arm64.whl")
        + package("new-glibc", "new_glibc-1-cp312-cp312-manylinux_2_34_x86_64.whl")
        + '[[packages]]\nname = "source"\nversion = "1"\n'
    )
    found = environment.wheels(pylock)
    assert found["pure==1"] == list(environment.TARGETS)
    assert found["old==1"] == ["3.11.0-linux-x86_64"]
    assert found["stable==1"] == [f"{python}-macos-arm64" for python in environment.PYTHONS]
    assert found["new-glibc==1"] == found["source==1"] == []
    assert environment.main(["--record", str(pylock), str(tmp_path / "record")]) == 0
    lines = (tmp_path / "record").read_text().splitlines()
    assert {"pure==1: all", "source==1: none", "old==1: 3.11.0-linux-x86_64"} <= {*lines}


def test_jupyter_is_told_what_to_do(tmp_path, monkeypatch):
    path = tmp_path / "etc/jupyter/jupyter_server_config.json"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    environment.configure_jupyter(tmp_path)
    assert "ServerApp" not in json.loads(path.read_text())
    path.write_text('{"ServerApp": {"port": 1}}')
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    environment.configure_jupyter(tmp_path)
    settings = json.loads(path.read_text())
    assert settings["ServerApp"] == {"port": 1, "allow_root": True}
    assert settings["FileContentsManager"] == {
        "post_save_hook": "common.workflow.notebooks.clean.refresh"
    }


# With the default profile the Snakefile says it: tests/workflow/test_messages.py.
@pytest.mark.parametrize(
    "missing, line",
    [
        ("papermill", f"{sys.executable} lacks this repository's environment: source .venv/"),
        (
            "snakemake_executor_plugin_slurm",
            "Submitting to Slurm needs Snakemake's plugin for it: ",
        ),
        (None, None),
    ],
)
def test_another_snakemake_says_which_one_is_meant(monkeypatch, missing, line):
    def find_spec(name):
        return None if name == missing else "found"

    # What is installed here does not matter: the plugin is not part of `make env`.
    monkeypatch.setattr(environment.importlib.util, "find_spec", find_spec)
    with files.resolve("profiles/slurm/config.yaml").open() as file:
        if missing is None:
            assert yte.process_yaml(file, require_use_yte=True)["logger"] == ["lines"]
            return
        with pytest.raises(SystemExit) as caught:
            yte.process_yaml(file, require_use_yte=True)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value).strip()


@pytest.mark.skipif(
    "TEST_LOCK" not in os.environ, reason="takes minutes and a network: make test-lock"
)
@pytest.mark.parametrize("target", environment.TARGETS)
def test_every_pin_is_found(target, tmp_path):
    # pip evaluates markers for the Python that runs it, so that is done here; what the packages
    # require is then compared with the pins.
    where = environment.TARGETS[target]
    pins = environment.pins(files.resolve("requirements.lock"), where)
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    source_only = {"connection-pool", "nflows"} | (
        {"immutables"} if target.startswith("3.14") else set()
    )
    tags = {str(tag.platform) for tag in environment._tags(where)} - {"any"}
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--quiet"]
    command += ["--ignore-installed", "--only-binary=:all:", "--implementation=cp"]
    command += [f"--python-version={where['python_full_version']}", f"--target={tmp_path}"]
    command += [f"--report={report}", *(f"--platform={tag}" for tag in sorted(tags))]
    command += [f"{name}=={pin}" for name, pin in pins.items() if name not in source_only]
    done = subprocess.run(command, capture_output=True, text=True)
    if re.search(r"NewConnectionError|Temporary failure in name resolution", done.stderr):
        pytest.skip("no package index is reached")
    assert done.returncode == 0, done.stderr
    found = {}
    for item in json.loads(report.read_text())["install"]:
        found[canonicalize_name(item["metadata"]["name"])] = item["metadata"]
    assert {*found} == {*pins} - source_only
    gpu = re.compile(r"(nvidia|cuda|triton)(-|$)")  # depend on the build of torch
    unmet = []
    for name, metadata in found.items():
        for requirement in map(Requirement, metadata.get("requires_dist", [])):
            if requirement.marker is not None and not requirement.marker.evaluate(where):
                continue
            needed = canonicalize_name(requirement.name)
            if gpu.match(needed):
                continue
            if needed not in pins or pins[needed] not in requirement.specifier:
                unmet.append(f"{name} needs {requirement}, the lock has {pins.get(needed)}")
    assert unmet == []


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
