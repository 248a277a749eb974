"""What the study is going to compute: its fits, the jobs that hold them, and how long they take.

The rules of the workflow and the table that a user sees before starting come from the same
functions.
"""

import itertools
import math
import time

from common import files, validation
from common.augmentation.names import FIXED, IDENTITY, PARAMETRIC
from common.workflow import papers

__all__ = [
    "EXPERIMENTS", "augmentations", "contracts", "cost", "fits", "jobs", "read_timings",
    "table",
]  # fmt: skip

EXPERIMENTS = ("curves", "search")
"""Class gains are a third view on the fits of the curves."""

_STEPS = 5  # timed in a calibration


def augmentations(settings, dataset, experiment):
    """Augmentations of an experiment on a data set, the identity first and a user's own last.

    Parameters
    ----------
    settings : dict
        A scale's settings of ``paper.yaml``.
    dataset : str
    experiment : {"curves", "search"}
        The search has only those that have a parameter; a function of the user's has none.

    Returns
    -------
    names : list of str

    Raises
    ------
    ValueError
        If a name is unknown, with the nearest known one, or an own one does not begin with
        ``own.``.
    """
    names = settings["datasets"][dataset]["augmentations"]
    own = settings["own"]
    for name in names:
        if name not in (*FIXED, *PARAMETRIC):
            hint = validation.nearest(name, (*FIXED, *PARAMETRIC))
            raise ValueError(f"{dataset}: unknown augmentation {name!r} in paper.yaml.{hint}")
    for name in own:
        if not str(name).startswith("own."):
            raise ValueError(f"own: {name!r} must be written own.<function>, see own.py.")
    if experiment == "search":
        return [IDENTITY, *(name for name in names if name in PARAMETRIC)]
    return [IDENTITY, *names, *own]


def jobs(settings):
    """Jobs of the study.

    A job is a chunk of the augmentations times a chunk of the folds, whose sizes ``per_job`` in the
    settings gives. A user's own augmentations come in jobs of their own, after all others, so that
    adding one repeats nothing.

    Parameters
    ----------
    settings : dict

    Returns
    -------
    jobs : dict of str to dict
        ``"<experiment>/<dataset>/<part>"`` → ``experiment``, ``dataset``, ``augmentations``,
        ``folds``.
    """
    found = {}
    for experiment, dataset in itertools.product(EXPERIMENTS, settings["datasets"]):
        one = settings["datasets"][dataset]
        size = one[experiment]["per_job"]
        names = augmentations(settings, dataset, experiment)
        theirs = [name for name in names if not name.startswith("own.")]
        own = [name for name in names if name.startswith("own.")]
        chunks = [
            chunk
            for group in (theirs, own)
            for chunk in itertools.product(
                _chunks(group, size["augmentations"]),
                _chunks(one["folds"], size["folds"]),
            )
        ]
        for part, (chunk, folds) in enumerate(chunks):
            found[f"{experiment}/{dataset}/{part}"] = {
                "experiment": experiment,
                "dataset": dataset,
                "augmentations": list(chunk),
                "folds": list(folds),
            }
    return found


def fits(job, settings):
    """Fits of a job, in the order in which it runs them.

    Curves: every fraction and seed. Search: every magnitude and seed at the fraction of the search.
    The identity is trained at every magnitude too, with the draws of that magnitude: pairs agree in
    fold, seed and magnitude.

    Parameters
    ----------
    job : dict
        A value of `jobs`.
    settings : dict

    Returns
    -------
    fits : list of dict
        ``augmentation``, ``fold``, ``seed``, ``fraction``, ``magnitude`` (None in the curves).
    """
    one = settings["datasets"][job["dataset"]]
    own = one[job["experiment"]]
    if job["experiment"] == "curves":
        grid = [{"fraction": fraction, "magnitude": None} for fraction in own["fractions"]]
    else:
        grid = [
            {"fraction": own["fraction"], "magnitude": magnitude} for magnitude in own["magnitudes"]
        ]
    return [
        {"augmentation": name, "fold": fold, "seed": seed} | point
        for name, fold, seed, point in itertools.product(
            job["augmentations"], job["folds"], own["seeds"], grid
        )
    ]


def contracts(settings, experiment):
    """What the table of an experiment must hold, by data set; see `common.report.tables.gather`.

    Parameters
    ----------
    settings : dict
    experiment : {"curves", "search"}

    Returns
    -------
    contracts : dict of str to dict
    """
    found = {}
    for dataset, one in settings["datasets"].items():
        own = one[experiment]
        found[dataset] = {
            "dataset": [dataset],
            "augmentation": augmentations(settings, dataset, experiment),
            "fold": one["folds"],
            "seed": own["seeds"],
        }
        if experiment == "curves":
            found[dataset]["fraction"] = own["fractions"]
        else:
            found[dataset]["magnitude"] = own["magnitudes"]
    return found


def table(name, scale, *, timings=None, device="cpu"):
    """Fits, jobs and estimated time of each experiment and data set.

    Parameters
    ----------
    name : str
        Folder of the paper.
    scale : {"embedded", "paper"}
    timings : pandas.DataFrame, optional
        Fits that were timed: ``experiment``, ``dataset``, ``fraction``, ``seconds``. An experiment
        of which every fraction was timed is estimated by the mean of these; the others by
        `cost`.
    device : str, default="cpu"

    Returns
    -------
    plan : pandas.DataFrame
        Columns ``experiment``, ``dataset``, ``fits``, ``jobs``, ``hours`` of one core or GPU,
        ``estimate`` (``"timed fits"`` or ``"calibration"``); class gains have a row without fits.
    """
    import pandas as pd

    settings = getattr(papers.load(name).scales, scale)
    all_jobs, rows, speeds = jobs(settings), [], {}
    for experiment, dataset in itertools.product(EXPERIMENTS, settings["datasets"]):
        mine = [
            job
            for job in all_jobs.values()
            if (job["experiment"], job["dataset"]) == (experiment, dataset)
        ]
        todo = [one for job in mine for one in fits(job, settings)]
        seconds = _timed(timings, experiment, dataset, todo)
        if seconds is None:
            if dataset not in speeds:
                speeds[dataset] = cost(settings["datasets"][dataset], device=device)
            seconds = sum(speeds[dataset](one["fraction"]) for one in todo)
            source = "calibration"
        else:
            source = "timed fits"
        rows.append((experiment, dataset, len(todo), len(mine), seconds / 3600, source))
    for dataset in settings["datasets"]:
        rows.append(("class gains", dataset, 0, 0, 0.0, "fits of curves"))
    columns = ["experiment", "dataset", "fits", "jobs", "hours", "estimate"]
    return pd.DataFrame(rows, columns=columns)


def cost(one, *, device="cpu"):
    """Time a few training steps on noise of a data set's shape.

    Parameters
    ----------
    one : dict
        A data set's settings: ``task``, ``network``, and ``shape`` with ``n_channels``,
        ``n_times``, ``n_classes``, ``sfreq``, ``n_train``, ``n_valid``, ``epochs``: the number of
        epochs until training stops, which no calibration can know and the settings state.
    device : str, default="cpu"

    Returns
    -------
    seconds : callable
        Maps a fraction to the estimated time of one fit.
    """
    import numpy as np

    from common.augmentation.training import RECIPES, build_network, fit

    shape, recipe = one["shape"], RECIPES[one["task"]]
    options = {key: value for key, value in one["network"].items() if key != "whiten"}
    network = build_network(
        one["task"],
        **{key: shape[key] for key in ("n_channels", "n_times", "n_classes", "sfreq")},
        seed=0,
        options=options,
    )
    n_train, n_valid = _STEPS * recipe.batch_size, 32
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_train, shape["n_channels"], shape["n_times"]), dtype=np.float32)
    y = np.arange(n_train) % 2
    run = {"recipe": recipe, "transform": None, "patience": 1, "seed": 0, "device": device}
    few = (X[:2], y[:2])
    fit(network, (X, y), few, n_epochs=1, **run)  # warm up
    step = fit(network, (X, y), few, n_epochs=1, **run).seconds / _STEPS
    start = time.perf_counter()
    fit(network, few, (X[:n_valid], y[:n_valid]), n_epochs=1, **run)
    forward = max(time.perf_counter() - start - step, 0.0) / len(X[:n_valid])

    def seconds(fraction):
        steps = math.ceil(shape["n_train"] * fraction / recipe.batch_size)
        return shape["epochs"] * (steps * step + shape["n_valid"] * forward)

    return seconds


def read_timings(name, scale):
    """Timed fits of finished jobs, or None.

    Parameters
    ----------
    name : str
        The paper's folder.
    scale : str

    Returns
    -------
    timings : pandas.DataFrame or None
    """
    import pandas as pd

    inside = files.walk(f"results/{name}/{scale}/timings")
    found = sorted(file for file in inside if file.suffix == ".csv" and file.name[0] != ".")
    return pd.concat([files.read_csv(file) for file in found]) if found else None


def _timed(timings, experiment, dataset, todo):
    """Seconds of these fits by the means of timed ones; None where a fraction was not timed."""
    if timings is None:
        return None
    mine = timings[(timings["experiment"] == experiment) & (timings["dataset"] == dataset)]
    means = mine.groupby("fraction")["seconds"].mean()
    if not {one["fraction"] for one in todo} <= set(means.index):
        return None
    return float(sum(means[one["fraction"]] for one in todo))


def _chunks(values, size):
    if size < 1:
        raise ValueError(f"per_job must be at least 1, got {size}.")
    return [values[start : start + size] for start in range(0, len(values), size)]
