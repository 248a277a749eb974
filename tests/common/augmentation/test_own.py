import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from common.augmentation import own
from common.augmentation.catalog import make_transform
from common.workflow.notebooks.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[3]


def windows(n_examples=40):
    return torch.randn(n_examples, 3, 50, generator=torch.Generator().manual_seed(0))


def own_transform(name, **options):
    settings = {"task": "sleep", "sfreq": 100, "ch_names": None, "seed": 0} | options
    return make_transform(f"own.{name}", **settings)


def install(monkeypatch, function, name="of_mine"):
    """As if the function had been written in the module."""
    function.__module__ = own.__name__
    monkeypatch.setattr(own, name, function, raising=False)
    return name


def test_amplitudes_are_scaled_log_uniformly_example_by_example():
    X = windows(1000)
    ratios = own.amplitude_scale(X, rng=np.random.default_rng(0)) / X
    factors = ratios[:, 0, 0].double()
    torch.testing.assert_close(
        ratios, factors.float()[:, None, None].expand_as(X), rtol=1e-5, atol=0
    )
    assert scipy.stats.kstest((factors.log2().numpy() + 1) / 2, "uniform").pvalue > 1e-4


def test_the_module_is_found_by_name_and_half_of_the_examples_are_changed():
    X = windows(400)
    out = own_transform("amplitude_scale")(X)
    changed = int((out != X).flatten(1).any(1).sum())
    assert scipy.stats.binomtest(changed, 400, 0.5).pvalue > 1e-4


def test_only_drawn_examples_are_passed_and_may_be_changed_in_place(monkeypatch):
    seen = []

    def function(X, *, rng):
        seen.append(len(X))
        X *= 0
        return X

    X = windows()
    before = X.clone()
    transform = own_transform(install(monkeypatch, function), probability=0.3)
    zero = (transform(X) == 0).flatten(1).all(1)
    assert seen == [int(zero.sum())] and 0 < seen[0] < 40
    own_transform("of_mine", probability=1.0)(X)
    assert torch.equal(X, before)


def test_arrays_may_be_returned(monkeypatch):
    def function(X, *, rng):
        return X.numpy()[:, ::-1]

    X = windows()
    name = install(monkeypatch, lambda X, *, rng: function(X, rng=rng).copy())
    out = own_transform(name, probability=1.0)(X)
    torch.testing.assert_close(out, X.flip(1), atol=0, rtol=0)


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda X, *, rng: X[:, :2], r"own.of_mine must return the shape .*\(40, 3, 50\), got"),
        (
            lambda X, *, rng: X.double(),
            r"own.of_mine must return single precision, got torch.float64",
        ),
        (lambda X, *, rng: X / 0, r"own.of_mine returned a value that is not finite, in example 0"),
        (lambda X, *, rng: None, r"own.of_mine must return a tensor or array, got <class 'None"),
    ],
)
def test_what_is_returned_is_checked(monkeypatch, function, message):
    transform = own_transform(install(monkeypatch, function), probability=1.0)
    with pytest.raises(ValueError, match=message):
        transform(windows())


def test_nan_in_one_example_names_it(monkeypatch):
    def function(X, *, rng):
        X[7, 1, 3] = torch.nan
        return X

    with pytest.raises(ValueError, match=r"not finite, in example 7 of 40"):
        own_transform(install(monkeypatch, function), probability=1.0)(windows())


def test_unknown_names_get_a_hint():
    with pytest.raises(
        ValueError, match=r"no function 'amplitude_scal'. Did you mean 'amplitude_sc"
    ):
        own_transform("amplitude_scal")
    # What the module imports is not an augmentation.
    with pytest.raises(ValueError, match=r"no function 'torch'\. It has: amplitude_scale"):
        own_transform("torch")
    with pytest.raises(ValueError, match=r"own.amplitude_scale has no parameter, but got 0.5"):
        own_transform("amplitude_scale", magnitude=0.5)


def test_a_new_function_changes_the_fingerprint_of_what_uses_the_catalog(tmp_path):
    shutil.copytree(ROOT / "common", tmp_path / "common", ignore=shutil.ignore_patterns("*.pyc"))
    source = "from common.augmentation.catalog import make_transform\nmake_transform('identity')"
    cell = {"cell_type": "code", "source": [source], "metadata": {}, "outputs": []}
    notebook = tmp_path / "step.ipynb"
    notebook.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))
    before = fingerprint(notebook, root=tmp_path)
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "common", other / "common")
    assert fingerprint(notebook, root=other) == before
    with open(other / "common/augmentation/own.py", "a") as file:
        file.write("\n\ndef of_mine(X, *, rng):\n    return -X\n")
    assert fingerprint(notebook, root=other) != before
