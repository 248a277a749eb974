"""The environment of a job: this repository and the lock decide what is computed, not the user.

Variables and configuration files through which Python, IPython, Jupyter and the numeric libraries
are told to compute or to write otherwise do not reach a job. What says where data, downloads and
caches lie does, and so does the choice of a processor's instructions, which provenance records.
"""

import json
import os
import sysconfig
from pathlib import Path

__all__ = ["DISPATCH", "job_environment", "python_environment", "refuse_local_settings"]

DISPATCH = (
    "OPENBLAS_CORETYPE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "BLIS_ARCH_TYPE",
    "ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA",
    "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES",
)  # fmt: skip
"""Variables that choose among a processor's instructions; numbers may differ in their last bits."""

_SET = {
    "ARTIFACTS_JOB": "1",  # a figure saved without it says that it was made by hand
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "SOURCE_DATE_EPOCH": "315532800",  # 1980-01-01, the earliest that zip archives can hold
    "TQDM_MININTERVAL": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "JUPYTER_NO_CONFIG": "1",
}
# Where executed notebooks are to hold no pictures, drawing them would be a third of a figure's job.
_WITHOUT_PICTURES = {"MPLBACKEND": "agg"}
# Every variable with one of these beginnings is left out, but for those below.
_DROPPED = (
    "PYTHON", "IPYTHON", "JUPYTER", "JPY_", "PAPERMILL", "PYDEVD", "VIRTUAL_ENV", "LC_", "LANG",
    "TZ", "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "MPL", "MATPLOTLIB", "MNE_", "_MNE_",
    "MOABB_", "SKLEARN_", "SCIPY_", "NPY_", "PANDAS_", "NUMBA_", "NUMEXPR_", "JOBLIB_", "TQDM_",
    "TORCH", "PYTORCH", "ATEN_", "NVIDIA_TF32_OVERRIDE", "OMP_", "GOMP_", "KMP_", "MKL_",
    "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_", "ARTIFACTS_WARM",
)  # fmt: skip
_KEPT = (
    *DISPATCH, "MNE_DATA", "TORCH_HOME", "JOBLIB_TEMP_FOLDER", "NUMBA_CACHE_DIR",
    "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "KMP_DUPLICATE_LIB_OK",
)  # fmt: skip
_KEPT_PYTHON = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONHOME")
_KEPT_BEGINNING = "MNE_DATASETS_"  # where the user keeps a data set
# Read by a library from the working directory, which is the repository's root.
_LOCAL_SETTINGS = ("matplotlibrc", ".numba_config.yaml")


def python_environment(environ, *, root):
    """Environment in which Python imports from the repository and its own environment only.

    Packages of the user's ``PYTHONPATH`` and user folder are left out where the interpreter's own
    folder has what a job needs, which it has in a virtual environment and in one of conda's.

    Parameters
    ----------
    environ : mapping of str to str
    root : Path
        The repository; what it holds is imported first.

    Returns
    -------
    environ : dict of str to str
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("PYTHON") or name in _KEPT_PYTHON
    }
    search = [str(root)]
    if Path(sysconfig.get_path("purelib"), "ipykernel").is_dir():
        kept["PYTHONNOUSERSITE"] = "1"
    else:
        others = environ.get("PYTHONPATH", "").split(os.pathsep)
        search += [folder for folder in others if folder not in {"", str(root)}]
    return {**kept, "PYTHONPATH": os.pathsep.join(search)}


def job_environment(environ, *, root, scratch):
    """Environment of a job's kernel.

    Parameters
    ----------
    environ : mapping of str to str
        Where ``ARTIFACTS_PICTURES`` is ``"false"``, executed notebooks hold no pictures.
    root : Path
        The repository.
    scratch : Path
        An empty folder of the job's own.

    Returns
    -------
    environ : dict of str to str
    """
    python = python_environment(environ, root=root)
    kept = {name: value for name, value in python.items() if _is_kept(name)}
    own = {
        "IPYTHONDIR": str(scratch / "ipython"),
        "JUPYTER_CONFIG_DIR": str(scratch / "jupyter"),
        "JUPYTER_DATA_DIR": str(scratch / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "jupyter"),
        # Shared by the repository's jobs: listing the fonts takes seconds.
        "MPLCONFIGDIR": str(root / ".snakemake/matplotlib"),
    }
    pictures = {} if environ.get("ARTIFACTS_PICTURES") != "false" else _WITHOUT_PICTURES
    return {**kept, **_mne(environ, scratch), **_SET, **own, **pictures}


def refuse_local_settings(root):
    """Settings files in the repository's root that would change every job.

    Parameters
    ----------
    root : Path

    Returns
    -------
    message : str or None
    """
    found = [name for name in _LOCAL_SETTINGS if (root / name).exists()]
    if not found:
        return None
    return (
        f"{', '.join(found)} in the repository's root would change the results of every job. "
        f"Move it out of {root}"
    )


def _is_kept(name):
    if name in _KEPT or name.startswith(_KEPT_BEGINNING):
        return True
    if name in _KEPT_PYTHON or name in {"PYTHONPATH", "PYTHONNOUSERSITE"}:
        return True
    return not name.startswith(_DROPPED)


def _mne(environ, scratch):
    """MNE-Python's configuration without what is not the place of data.

    Its file is hidden by naming another home folder, for MNE-Python only.
    """
    home = Path(environ.get("_MNE_FAKE_HOME_DIR") or os.path.expanduser("~"))
    try:
        saved = json.loads((home / ".mne/mne-python.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        saved = None
    if not isinstance(saved, dict):
        return {}
    places = {
        name: value
        for name, value in saved.items()
        if (name in {"MNE_DATA", "SUBJECTS_DIR"} or name.startswith(_KEPT_BEGINNING))
        and isinstance(value, str)
        and not environ.get(name)
    }
    if not environ.get("MNE_DATA") and "MNE_DATA" not in places:
        data = home / "mne_data"
        data.mkdir(exist_ok=True)  # where MNE-Python makes it, and wants it when it is named
        places["MNE_DATA"] = str(data)
    return {**places, "_MNE_FAKE_HOME_DIR": str(scratch / "mne")}
