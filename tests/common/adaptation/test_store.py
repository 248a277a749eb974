import numpy as np
import pytest

from common import files
from common.adaptation import nested, scorers, selection, store
from common.adaptation.methods import classifier, method
from common.adaptation.simulated import simulated_shift


def evaluations():
    pair = simulated_shift("target", 0)
    kept = np.random.default_rng(0).permutation(1600)[:200]
    X, y, sample_domain = pair.X[kept], pair.y[kept], pair.sample_domain[kept]
    splits = nested.outer_splits(X, y, sample_domain)[:2]
    return {
        store.Key("target", i): nested.evaluate(
            method("jpca"), classifier("lr"), X, y, sample_domain, train=train, test=test, n_folds=2
        )
        for i, (train, test) in enumerate(splits)
    }


def test_scores_of_stored_evaluations_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    before = evaluations()
    files.write_npz(tmp_path / "outputs.npz", **store.pack(before, method("jpca").points))
    after, points = store.unpack(files.read_npz(tmp_path / "outputs.npz"))
    assert list(after) == list(before)
    assert points == method("jpca").points
    for key in before:
        one, other = (
            selection.select(e[key], points, list(scorers.SCORERS)) for e in (before, after)
        )
        assert one.equals(other)
        assert after[key].folds[0].target_predictions.dtype == np.int8


def test_a_missing_array_is_named():
    arrays = store.pack(evaluations(), method("jpca").points)
    del arrays["target/1/0/mix_predictions"]
    with pytest.raises(ValueError, match=r"lack target/1/0/mix_predictions: .* Delete"):
        store.unpack(arrays)
