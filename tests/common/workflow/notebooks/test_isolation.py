"""What of a user's environment reaches a job, and what does not."""

import json
import os

import pytest

from common.workflow.notebooks import isolation


@pytest.fixture
def environment(tmp_path):
    def make(home=tmp_path / "home", **environ):
        environ = {"HOME": str(home), **environ}
        return isolation.job_environment(environ, root=tmp_path / "root", scratch=tmp_path / "job")

    return make


@pytest.mark.parametrize(
    "name",
    [
        "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONSAFEPATH", "PYTHONDEVMODE",
        "MATPLOTLIBRC", "MNE_LOGGING_LEVEL", "MNE_USE_CUDA", "NUMBA_DISABLE_JIT", "LANGUAGE",
        "SKLEARN_WORKING_MEMORY", "SCIPY_ARRAY_API", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
        "NVIDIA_TF32_OVERRIDE", "JUPYTER_CONFIG_PATH", "VIRTUAL_ENV", "COLUMNS", "NO_COLOR",
    ],
)  # fmt: skip
def test_what_changes_results_does_not_reach_a_job(environment, name):
    assert name not in environment(**{name: "1"})


@pytest.mark.parametrize(
    "name",
    [
        *isolation.DISPATCH, "MNE_DATA", "MNE_DATASETS_BNCI_PATH", "TORCH_HOME", "PATH", "HOME",
        "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "ARTIFACTS_MIRROR", "SLURM_JOB_ID",
        "HTTPS_PROXY", "SUBJECTS_DIR", "NUMBA_CACHE_DIR",
    ],
)  # fmt: skip
def test_places_devices_and_instructions_reach_a_job(environment, name):
    assert environment(**{name: "mine"})[name] == "mine"


def test_what_decides_bits_and_texts_is_set(environment):
    found = environment(OMP_NUM_THREADS="8", TZ="Asia/Tokyo", LC_ALL="de_DE.UTF-8", MPLBACKEND="x")
    assert found["OMP_NUM_THREADS"] == "1"
    assert found["TZ"] == "UTC"
    assert found["LC_ALL"] == "C.UTF-8"
    assert "inline" in found["MPLBACKEND"]


def test_pictures_in_executed_notebooks_are_left_out_where_asked(environment):
    assert environment(ARTIFACTS_PICTURES="false")["MPLBACKEND"] == "agg"
    assert "inline" in environment(ARTIFACTS_PICTURES="true")["MPLBACKEND"]


def test_configuration_folders_are_the_jobs_own(environment, tmp_path):
    found = environment(IPYTHONDIR="/mine", JUPYTER_CONFIG_DIR="/mine", MPLCONFIGDIR="/mine")
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        assert found[name].startswith(f"{tmp_path}/job/")
    # One folder for all jobs: listing the fonts anew would cost each of them seconds.
    assert found["MPLCONFIGDIR"] == f"{tmp_path}/root/.snakemake/matplotlib"


def test_of_the_configuration_of_mne_only_the_places_of_data_stay(environment, tmp_path):
    config = tmp_path / "home/.mne/mne-python.json"
    config.parent.mkdir(parents=True)
    places = {"MNE_DATA": "/data", "MNE_DATASETS_BNCI_PATH": "/bnci"}
    config.write_text(
        json.dumps({**places, "MNE_LOGGING_LEVEL": "DEBUG", "MNE_USE_NUMBA": "false"})
    )
    found = environment(_MNE_FAKE_HOME_DIR=str(tmp_path / "home"))
    assert {name: value for name, value in found.items() if name.startswith("MNE_")} == places
    assert found["_MNE_FAKE_HOME_DIR"].startswith(f"{tmp_path}/job/")
    # What is set for one run comes before what is saved.
    found = environment(_MNE_FAKE_HOME_DIR=str(tmp_path / "home"), MNE_DATA="/other")
    assert found["MNE_DATA"] == "/other"


def test_data_of_mne_stay_in_the_home_folder_where_nothing_says_otherwise(environment, tmp_path):
    config = tmp_path / "user/.mne/mne-python.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"MNE_USE_CUDA": "true"}')
    found = environment(_MNE_FAKE_HOME_DIR=str(tmp_path / "user"))
    assert found["MNE_DATA"] == f"{tmp_path}/user/mne_data"
    assert os.path.isdir(found["MNE_DATA"])  # MNE-Python wants a folder that is named to exist


@pytest.mark.parametrize("content", ["", "[1]", "{"])
def test_a_damaged_configuration_of_mne_stops_nobody(environment, tmp_path, content):
    config = tmp_path / "home/.mne/mne-python.json"
    config.parent.mkdir(parents=True)
    config.write_text(content)
    environment(_MNE_FAKE_HOME_DIR=str(tmp_path / "home"))


def test_packages_of_the_user_are_not_imported(tmp_path):
    environ = {
        "PYTHONPATH": "/mine",
        "PYTHONSTARTUP": "x",
        "PYTHONDONTWRITEBYTECODE": "1",
        "A": "b",
    }
    assert isolation.python_environment(environ, root=tmp_path) == {
        "PYTHONPATH": str(tmp_path), "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1",
        "A": "b",
    }  # fmt: skip


def test_packages_of_the_user_come_last_where_they_are_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(isolation.sysconfig, "get_path", lambda name: str(tmp_path))
    found = isolation.python_environment({"PYTHONPATH": f"/mine:{tmp_path}:"}, root=tmp_path)
    assert found == {"PYTHONPATH": f"{tmp_path}:/mine"}


@pytest.mark.parametrize("name", ["matplotlibrc", ".numba_config.yaml"])
def test_settings_in_the_root_are_refused(tmp_path, name):
    assert isolation.refuse_local_settings(tmp_path) is None
    (tmp_path / name).write_text("")
    assert f"{name} in the repository's root would change" in isolation.refuse_local_settings(
        tmp_path
    )
