import numpy as np
import pandas as pd
import pytest
from skada.model_selection import StratifiedDomainShuffleSplit
from sklearn.svm import SVC

from common import files
from common.adaptation.simulated import PUBLISHED_NAMES, SHIFTS, simulated_shift

PUBLISHED = "papers/skada-bench/published/simulated_scores.csv"


@pytest.fixture(scope="module")
def published():
    scores = pd.read_csv(files.resolve(PUBLISHED))
    scores = scores[scores["scorer"] == "supervised"]
    return scores.set_index(["shift", "estimator", "split"])["accuracy"].sort_index()


@pytest.mark.parametrize("seed", [0, 4])
@pytest.mark.parametrize("shift", SHIFTS)
def test_both_baselines_have_the_published_accuracies(published, shift, seed):
    X, y, sample_domain, *_ = simulated_shift(shift, seed)
    splitter = StratifiedDomainShuffleSplit(5, test_size=0.2, random_state=0)
    for fold, (train, test) in enumerate(splitter.split(X, y, sample_domain)):
        scored = test[sample_domain[test] < 0]
        for name, kept in (("Train Src", sample_domain[train] > 0), ("Train Tgt", None)):
            kept = sample_domain[train] < 0 if kept is None else kept
            model = SVC().fit(X[train][kept], y[train][kept])
            expected = published[PUBLISHED_NAMES[shift], name, 5 * seed + fold]
            # The published values have five decimals.
            assert model.score(X[scored], y[scored]) == pytest.approx(expected, abs=6e-6)


@pytest.mark.parametrize("shift", SHIFTS)
def test_form_of_the_data(shift):
    pair = simulated_shift(shift, 0)
    n_samples = 2400 if shift == "subspace" else 1600
    assert pair.X.shape == (n_samples, 2)
    assert pair.X.dtype == np.float32
    assert set(pair.y.tolist()) == {0, 1}
    assert pair.sample_domain.tolist() == [1] * (n_samples // 2) + [-2] * (n_samples // 2)


def test_shifts_move_what_they_should():
    means = {}
    for shift in SHIFTS:
        pair = simulated_shift(shift, 0)
        source = pair.sample_domain > 0
        means[shift] = (pair.X[source].mean(axis=0), pair.X[~source].mean(axis=0))
        shares = [pair.y[part].mean() for part in (source, ~source)]
        if shift == "target":
            assert shares[0] == 0.5 and shares[1] == pytest.approx(0.1)
        elif shift != "covariate":
            assert shares == [0.5, 0.5]
    # Standard error of a mean: about 1 / sqrt(800) for the noise, as much for the draw of x.
    assert means["conditional"][1] == pytest.approx(0.7 * means["conditional"][0] + 1, abs=0.2)
    assert means["subspace"][1] == pytest.approx(-means["subspace"][0], abs=0.2)
    assert means["covariate"][1] == pytest.approx([-0.4, 3], abs=0.2)


def test_same_seed_same_data():
    first, again, other = (simulated_shift("covariate", seed).X for seed in (3, np.int64(3), 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_errors():
    with pytest.raises(ValueError, match=r"one of covariate, target.*got 'concept_drift'"):
        simulated_shift("concept_drift", 0)
    for seed in (-1, 0.5, None, True):
        with pytest.raises(ValueError, match=f"integer from 0, got {seed!r}"):
            simulated_shift("target", seed)
