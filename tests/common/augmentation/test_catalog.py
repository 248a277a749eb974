import csv
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from braindecode.augmentation import IdentityTransform, Transform

from common.augmentation.catalog import (
    AUGMENTATIONS,
    FAMILIES,
    IDENTITY,
    TASKS,
    make_transform,
    parameter_value,
)

PUBLISHED = (
    Path(__file__).resolve().parents[3]
    / "papers/eeg-augmentation/published/selected_parameters.csv"
)
SFREQ = {"sleep": 100, "bci": 250}
WITH_PARAMETER = [name for name, entry in AUGMENTATIONS.items() if entry.parameter]
# Where each object keeps its parameter, in the unit of the catalog.
ATTRIBUTES = {
    "ft-surrogate": lambda t: t.largest / (2 * np.pi),
    "frequency-shift": lambda t: t.max_shift,
    "bandstop-filter": lambda t: t.bandwidth,
    "gaussian-noise": lambda t: t.sigma,
    "smooth-time-mask": lambda t: t.mask_length / 100,
    "channels-dropout": lambda t: t.p_drop,
    "channels-shuffle": lambda t: t.p_shuffle,
    "sensors-x-rotation": lambda t: t.max_degrees,
    "sensors-y-rotation": lambda t: t.max_degrees,
    "sensors-z-rotation": lambda t: t.max_degrees,
}


def study_transform(name, **options):
    settings = {"task": "sleep", "sfreq": 100, "ch_names": ["Fpz", "Pz"], "seed": 0} | options
    return make_transform(name, **settings)


def published():
    with open(PUBLISHED, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kebab = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
    return {kebab.sub("-", row["augmentation"]).lower(): row for row in rows}


def test_the_thirteen_are_those_published_with_their_ranges_and_selected_values():
    table = published()
    assert set(table) == set(AUGMENTATIONS) and len(AUGMENTATIONS) == 13
    for name, entry in AUGMENTATIONS.items():
        row = table[name]
        assert (entry.parameter is None) == (row["parameter"] == "")
        for task in TASKS:
            if entry.parameter is None:
                assert entry.ranges[task] is None and entry.selected[task] is None
                continue
            # Masks are published in samples, at the task's sampling frequency.
            per_unit = SFREQ[task] if name == "smooth-time-mask" else 1
            low, high = (per_unit * bound for bound in entry.ranges[task])
            assert low == float(row[f"{task}_min"]) and high == float(row[f"{task}_max"])
            assert per_unit * entry.selected[task] == float(row[f"selected_{task}"])


def test_families_hold_every_augmentation_once():
    names = [name for family in FAMILIES.values() for name in family]
    assert sorted(names) == sorted(AUGMENTATIONS)
    assert set(FAMILIES["frequency"]) == {"ft-surrogate", "frequency-shift", "bandstop-filter"}
    assert set(FAMILIES["sensors"]) == {
        "channels-dropout", "channels-shuffle", "channels-symmetry",
    }  # fmt: skip
    assert all(
        AUGMENTATIONS[name].family == family for family, names in FAMILIES.items() for name in names
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", WITH_PARAMETER)
def test_magnitudes_map_linearly_to_the_range(name, task):
    low, high = AUGMENTATIONS[name].ranges[task]
    values = [parameter_value(name, m, task=task) for m in (0, 0.1, 0.5, 1)]
    np.testing.assert_allclose(values, np.interp([0, 0.1, 0.5, 1], [0, 1], [low, high]))
    made = study_transform(name, task=task, magnitude=0.5)
    assert ATTRIBUTES[name](made) == pytest.approx(values[2])
    # Magnitude and value say the same.
    assert ATTRIBUTES[name](study_transform(name, task=task, value=values[2])) == pytest.approx(
        values[2]
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", WITH_PARAMETER)
def test_without_either_the_selected_value_is_taken(name, task):
    made = study_transform(name, task=task)
    assert ATTRIBUTES[name](made) == pytest.approx(AUGMENTATIONS[name].selected[task])


@pytest.mark.parametrize("sfreq, task, n_samples", [(100, "sleep", 200), (250, "bci", 400)])
def test_masks_are_in_seconds_and_become_samples(sfreq, task, n_samples):
    assert study_transform("smooth-time-mask", task=task, sfreq=sfreq).mask_length == n_samples
    whole = study_transform("smooth-time-mask", task=task, sfreq=sfreq, magnitude=1.0)
    assert whole.mask_length == 2 * sfreq


@pytest.mark.parametrize("name", [*AUGMENTATIONS, IDENTITY, "own.amplitude_scale"])
def test_every_name_gives_a_transform_of_braindecode(name):
    X, y = torch.ones(4, 2, 500), torch.arange(4)
    made = study_transform(name)
    assert isinstance(made, Transform)
    out, labels = made(X, y)
    assert out.shape == X.shape and out.dtype == torch.float32 and torch.equal(labels, y)


def test_identity_is_a_copy_whatever_is_named():
    X = torch.randn(5, 2, 20, generator=torch.Generator().manual_seed(0))
    identity = study_transform(IDENTITY)
    assert isinstance(identity, IdentityTransform)
    out, labels = identity(X, X, indices=range(5), epoch=1)
    assert torch.equal(out, X) and out is not X and labels is X
    assert torch.equal(identity(X), X)


@pytest.mark.parametrize("name", WITH_PARAMETER)
def test_magnitude_zero_changes_nothing(name):
    # Without rotation the spline still smooths, hardly so with two sensors; otherwise the tolerance
    # is that of a Fourier transform in single precision.
    tolerance = 5e-3 if name.startswith("sensors") else 2e-6
    X = torch.randn(5, 2, 500, generator=torch.Generator().manual_seed(0))
    out = study_transform(name, magnitude=0.0, probability=1.0)(X)
    torch.testing.assert_close(out, X, atol=tolerance, rtol=0)


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"name": "time-revers"},
            r"unknown augmentation 'time-revers'. Did you mean 'time-reverse'\?",
        ),
        ({"name": "FT-Surrogate"}, r"Did you mean 'ft-surrogate'\?"),
        ({"name": "own.amplitudescale"}, r"Did you mean 'amplitude_scale'\?"),
        ({"task": "slep"}, r"unknown task 'slep'. Did you mean 'sleep'\? Known: sleep, bci"),
        ({"sfreq": 0}, r"sfreq must be above 0 Hz, got 0"),
        (
            {"magnitude": 1.2},
            r"magnitude of gaussian-noise must be at least 0 and at most 1, got 1.2",
        ),
        (
            {"magnitude": -0.1},
            r"magnitude of gaussian-noise must be at least 0 and at most 1, got -0.1",
        ),
        ({"magnitude": float("nan")}, r"must be at least 0 and at most 1, got nan"),
        ({"magnitude": 0.5, "value": 0.1}, r"magnitude or value, not both; got 0.5 and 0.1"),
        (
            {"value": -0.1},
            r"noise deviation of gaussian-noise must be 0 or more, and finite, got -0.1",
        ),
        ({"name": "smooth-time-mask", "value": float("inf")}, r"mask length .* finite, got inf"),
        ({"name": "sign-flip", "magnitude": 0.5}, r"sign-flip has no parameter, but got 0.5"),
        ({"name": "identity", "value": 0.5}, r"identity has no parameter, but got 0.5"),
        ({"name": "bandstop-filter", "sfreq": 50}, r"sfreq=50 Hz .*max_freq=30 Hz"),
        (
            {"name": "sensors-x-rotation", "ch_names": ["Fpz", "PZZ"]},
            r"channel 1, 'PZZ'.*mean 'Pz'",
        ),
        (
            {"name": "channels-symmetry", "ch_names": ["EEG1"]},
            r"channel 0, 'EEG1', has no position",
        ),
        ({"seed": None}, r"seed must be an integer of 0 or more, got None"),
    ],
)
def test_errors_say_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        study_transform(**{"name": "gaussian-noise"} | options)


def test_parameter_value_reports_what_has_none():
    with pytest.raises(ValueError, match=r"time-reverse has no parameter, hence no magnitude"):
        parameter_value("time-reverse", 0.5, task="sleep")
    with pytest.raises(ValueError, match=r"unknown augmentation 'identity'"):
        parameter_value("identity", 0.5, task="sleep")
    with pytest.raises(ValueError, match=r"unknown task 'BCI'. Did you mean 'bci'\?"):
        parameter_value("ft-surrogate", 0.5, task="BCI")
