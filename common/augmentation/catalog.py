"""The thirteen augmentations of the study: names, families, ranges of the parameter, objects.

A magnitude m between 0 and 1 maps to the range of an augmentation's parameter linearly. Ranges and
the values that the authors selected are those of their code; the length of the time mask is
in seconds here, where the authors count samples, at 100 Hz for sleep and at 250 Hz for BCI.
"""

import inspect
import math
from dataclasses import dataclass
from functools import partial

import torch

from common import validation
from common.augmentation import own
from common.augmentation.bandstop import BandstopFilter
from common.augmentation.per_example import Identity, OwnTransform
from common.augmentation.rotations import (
    SensorsXRotation,
    SensorsYRotation,
    SensorsZRotation,
    standard_positions,
)
from common.augmentation.transforms import (
    ChannelsDropout,
    ChannelsShuffle,
    ChannelsSymmetry,
    FrequencyShift,
    FTSurrogate,
    GaussianNoise,
    SignFlip,
    SmoothTimeMask,
    TimeReverse,
)

__all__ = [
    "AUGMENTATIONS",
    "FAMILIES",
    "IDENTITY",
    "TASKS",
    "Augmentation",
    "augment_batch",
    "make_transform",
    "parameter_value",
]

IDENTITY = "identity"
TASKS = ("sleep", "bci")
_OWN = "own."


@dataclass(frozen=True)
class Augmentation:
    """One augmentation of the study.

    Attributes
    ----------
    name, label : str
        ``"ft-surrogate"``, ``"FT surrogate"``.
    family : {"frequency", "time", "sensors", "rotations"}
    parameter : str or None
        What the magnitude sets, or None if nothing does.
    unit : str
        Of the parameter; empty if it has none.
    ranges : dict
        ``{task: (lowest, highest)}``, of the parameter. None instead of a pair without parameter.
    selected : dict
        ``{task: value}``, the authors' choice. None without parameter.
    """

    name: str
    label: str
    family: str
    parameter: str | None
    unit: str
    ranges: dict
    selected: dict


# Name, label, family; parameter, its unit and largest value; the authors' choice for sleep and BCI.
_ROWS = (
    ("time-reverse", "time reverse", "time"),
    ("sign-flip", "sign flip", "time"),
    ("ft-surrogate", "FT surrogate", "frequency", "phase noise magnitude", "2π rad", 1, 0.8, 0.9),
    ("frequency-shift", "frequency shift", "frequency", "largest shift", "Hz", 3, 0.3, 2.7),
    ("bandstop-filter", "band-stop filter", "frequency", "bandwidth", "Hz", 2, 1.2, 0.4),
    ("gaussian-noise", "Gaussian noise", "time", "noise deviation", "SD of X", 0.2, 0.12, 0.16),
    ("smooth-time-mask", "smooth time mask", "time", "mask length", "s", 2, 2.0, 1.6),
    ("channels-dropout", "channels dropout", "sensors", "drop probability", "", 1, 0.4, 1.0),
    ("channels-shuffle", "channels shuffle", "sensors", "shuffle probability", "", 1, 0.8, 0.1),
    ("channels-symmetry", "channels symmetry", "sensors"),
    ("sensors-x-rotation", "rotation about x", "rotations", "largest angle", "°", 30, 25.0, 3.0),
    ("sensors-y-rotation", "rotation about y", "rotations", "largest angle", "°", 30, 9.0, 12.0),
    ("sensors-z-rotation", "rotation about z", "rotations", "largest angle", "°", 30, 30.0, 3.0),
)


def _entry(name, label, family, parameter=None, unit="", highest=None, sleep=None, bci=None):
    span = None if highest is None else (0.0, float(highest))
    return Augmentation(
        name=name,
        label=label,
        family=family,
        parameter=parameter,
        unit=unit,
        ranges=dict.fromkeys(TASKS, span),
        selected={"sleep": sleep, "bci": bci},
    )


AUGMENTATIONS = {row[0]: _entry(*row) for row in _ROWS}

FAMILIES = {
    family: tuple(entry.name for entry in AUGMENTATIONS.values() if entry.family == family)
    for family in ("frequency", "time", "sensors", "rotations")
}

_ROTATIONS = {
    "sensors-x-rotation": SensorsXRotation,
    "sensors-y-rotation": SensorsYRotation,
    "sensors-z-rotation": SensorsZRotation,
}


def parameter_value(name, magnitude, *, task):
    """Value of an augmentation's parameter at a magnitude.

    Parameters
    ----------
    name : str
        One of `AUGMENTATIONS`.
    magnitude : float
        Between 0 and 1.
    task : {"sleep", "bci"}

    Returns
    -------
    value : float
        In the unit of the parameter.

    Raises
    ------
    ValueError
        If the name or task is unknown, the augmentation has no parameter, or the magnitude is
        not between 0 and 1.

    Examples
    --------
    >>> parameter_value("sensors-z-rotation", 0.5, task="bci")
    15.0
    """
    _check_task(task)
    entry = AUGMENTATIONS[_known(name, AUGMENTATIONS)]
    if entry.parameter is None:
        raise ValueError(f"{name} has no parameter, hence no magnitude; got {magnitude}.")
    magnitude = validation.number(magnitude, f"magnitude of {name}", at_least=0, at_most=1)
    low, high = entry.ranges[task]
    return low + magnitude * (high - low)


def make_transform(
    name, *, task, sfreq, ch_names, seed, magnitude=None, value=None, probability=0.5
):
    """An augmentation, ready to be called on batches.

    Parameters
    ----------
    name : str
        One of `AUGMENTATIONS`, `IDENTITY`, or ``"own."`` and the name of a function of
        `common.augmentation.own`.
    task : {"sleep", "bci"}
        Sets the range, the selected value, and for the FT surrogate whether each channel has
        phases of its own (sleep) or all have the same (BCI).
    sfreq : float
        Sampling frequency of the windows, in Hz.
    ch_names : sequence of str
        Names of the channels of the windows; used by the symmetry and the rotations.
    seed : int
        0 or more.
    magnitude : float, optional
        Between 0 and 1; see `parameter_value`.
    value : float, optional
        Of the parameter, in its unit. Without magnitude and value it is the one that the authors
        selected for the task.
    probability : float, default=0.5
        With which each example is transformed.

    Returns
    -------
    transform : braindecode.augmentation.Transform
        Called as ``transform(X, y)``; see `common.augmentation.per_example.PerExample.forward`.

    Raises
    ------
    ValueError
        If the name or task is unknown, magnitude and value are both given or either where there is
        no parameter, one is outside its range, a channel that must have a position has none, or
        the sampling frequency is too low for the band-stop filter.
    """
    _check_task(task)
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    function = _own_function(name) if str(name).startswith(_OWN) else None
    if function is None:
        _known(name, (IDENTITY, *AUGMENTATIONS))
    if magnitude is not None and value is not None:
        raise ValueError(f"{name}: give magnitude or value, not both; got {magnitude} and {value}.")
    common = {"seed": seed, "probability": probability}
    entry = AUGMENTATIONS.get(name)
    if entry is None or entry.parameter is None:
        given = value if magnitude is None else magnitude
        if given is not None:
            raise ValueError(f"{name} has no parameter, but got {given}.")
        value = None
    elif magnitude is not None:
        value = parameter_value(name, magnitude, task=task)
    elif value is None:
        value = entry.selected[task]
    elif not 0 <= value < math.inf:
        raise ValueError(f"{entry.parameter} of {name} must be 0 or more, and finite, got {value}.")
    if function is not None:
        return OwnTransform(function, name=name, **common)
    return _make(name, value, task=task, sfreq=sfreq, ch_names=ch_names, common=common)


def augment_batch(examples, *, transform, epoch):
    """Collate examples and transform them; for a `torch.utils.data.DataLoader` with workers.

    The result does not depend on the number of workers. Make a loader an epoch, since a worker
    keeps the epoch that it started with::

        collate = functools.partial(augment_batch, transform=transform, epoch=epoch)
        loader = DataLoader(dataset, batch_size=64, num_workers=2, collate_fn=collate)

    Parameters
    ----------
    examples : list of (array, label, int)
        Window of shape (n_channels, n_times), label, and index in the data set.
    transform : braindecode.augmentation.Transform
        From `make_transform`.
    epoch : int

    Returns
    -------
    X : tensor, shape (n_examples, n_channels, n_times)
    y : tensor, shape (n_examples,)
    """
    X, y, indices = torch.utils.data.default_collate(examples)
    return transform(X, y, indices=indices, epoch=epoch)


def _make(name, value, *, task, sfreq, ch_names, common):
    if name in _ROTATIONS:
        return _ROTATIONS[name](ch_names=ch_names, max_degrees=value, **common)
    if name == "channels-symmetry":
        standard_positions(ch_names)  # names that mean something
    makers = {
        IDENTITY: Identity,
        "time-reverse": partial(TimeReverse, **common),
        "sign-flip": partial(SignFlip, **common),
        "ft-surrogate": partial(
            FTSurrogate, phase_noise_magnitude=value, channel_indep=task == "sleep", **common
        ),
        "frequency-shift": partial(FrequencyShift, max_shift=value, sfreq=sfreq, **common),
        "bandstop-filter": partial(BandstopFilter, bandwidth=value, sfreq=sfreq, **common),
        "gaussian-noise": partial(GaussianNoise, sigma=value, **common),
        "smooth-time-mask": lambda: SmoothTimeMask(mask_length=round(value * sfreq), **common),
        "channels-dropout": partial(ChannelsDropout, p_drop=value, **common),
        "channels-shuffle": partial(ChannelsShuffle, p_shuffle=value, **common),
        "channels-symmetry": partial(ChannelsSymmetry, ch_names=ch_names, **common),
    }
    return makers[name]()


def _own_function(name):
    # Whatever the module holds counts for the fingerprint of what uses it.
    word = name.removeprefix(_OWN)
    functions = [
        each
        for each, function in inspect.getmembers(own, inspect.isfunction)
        if function.__module__ == own.__name__ and not each.startswith("_")
    ]
    if word not in functions:
        hint, listed = validation.nearest(word, functions), ", ".join(functions) or "none"
        raise ValueError(
            f"common/augmentation/own.py has no function {word!r}.{hint} It has: {listed}."
        )
    return getattr(own, word)


def _check_task(task):
    if task not in TASKS:
        raise ValueError(
            f"unknown task {task!r}.{validation.nearest(task, TASKS)} Known: {', '.join(TASKS)}."
        )


def _known(name, names):
    if name not in names:
        raise ValueError(
            f"unknown augmentation {name!r}.{validation.nearest(name, names)} "
            f"Known: {', '.join(names)}, and own.<function>."
        )
    return name
