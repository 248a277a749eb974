import numpy as np
import pandas as pd
import pytest
import sklearn.covariance
from pyriemann.tangentspace import TangentSpace

from common.adaptation import pairs


def test_subsample_keeps_order_and_pairs():
    y = np.arange(30)
    pair = pairs.merge(
        y[:10, None], y[:10], y[10:, None], y[10:], "a", "b", tuple(map(str, range(30)))
    )
    few = pairs.subsample(pair, n_samples=12, rng=np.random.default_rng(0))
    assert few.y[:10].tolist() == list(range(10))  # the source is that small
    assert few.sample_domain.tolist() == [1] * 10 + [-2] * 12
    assert (np.diff(few.y) > 0).all() and np.array_equal(few.X[:, 0], few.y)
    drawn = np.zeros(30)
    rng = np.random.default_rng(1)
    for _ in range(500):
        drawn[pairs.subsample(pair, n_samples=5, rng=rng).y] += 1
    # Binomial with 500 draws: five standard deviations are 56 at a half, 49 at a quarter.
    assert drawn[:10] == pytest.approx(250 * np.ones(10), abs=56)
    assert drawn[10:] == pytest.approx(125 * np.ones(20), abs=49)
    with pytest.raises(ValueError, match="n_samples must be at least 1, got 0"):
        pairs.subsample(pair, n_samples=0, rng=rng)


def test_tangent_space_by_hand():
    # One channel: the tangent vector is log(variance) minus its mean; nothing to shrink.
    scales = np.array([1.0, 2.0, 5.0])
    wave = np.sin(np.linspace(0, 20, 200))
    vectors = pairs.tangent_space(scales[:, None, None] * wave)
    expected = 2 * np.log(scales) - np.mean(2 * np.log(scales))
    # The mean is iterated to a criterion of 1e-8 or so.
    assert vectors[:, 0] == pytest.approx(expected, abs=1e-6)


def test_unit_of_the_signal_does_not_matter():
    trials = np.random.default_rng(0).standard_normal((20, 3, 100))
    vectors, others = (pairs.tangent_space(unit * trials) for unit in (1, 1e-6))
    assert vectors.shape == (20, 6)
    assert others == pytest.approx(vectors, abs=1e-6)


def test_covariances_are_shrunk_by_oracle_approximation():
    """Of few samples: the tangent vectors are those of OAS of scikit-learn, not of the raw ones."""
    trials = np.random.default_rng(0).standard_normal((12, 4, 9))
    shrunk = np.stack([sklearn.covariance.oas(trial.T)[0] for trial in trials])
    expected = TangentSpace().fit_transform(shrunk)
    # One function after two computations of a covariance of values about 1.
    np.testing.assert_allclose(pairs.tangent_space(trials), expected, atol=1e-9)
    # In words without a library: OAS keeps the trace and draws eigenvalues towards their mean.
    plain = np.stack([np.cov(trial, bias=True) for trial in trials])
    assert np.trace(shrunk, axis1=1, axis2=2) == pytest.approx(np.trace(plain, axis1=1, axis2=2))
    of_plain = TangentSpace().fit_transform(plain)
    assert np.abs(of_plain - expected).max() > 0.1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y_source": np.zeros(4, int)}, ValueError, "X_source has 5, y_source has 4"),
        ({"y_target": np.zeros(7, int)}, ValueError, "X_target has 6, y_target has 7"),
        ({"X_target": np.ones((6, 2))}, ValueError, r"one shape, got \(3,\) and \(2,\)"),
        ({"X_source": np.full((5, 3), np.nan)}, ValueError, "X_source must be finite, got nan"),
        ({"X_source": np.ones((0, 3)), "y_source": np.zeros(0, int)}, ValueError, "X_source is em"),
        ({"y_source": np.zeros(5)}, TypeError, "y_source must hold whole numbers, got float64"),
        ({"y_source": np.full(5, 2)}, ValueError, "labels 2 to 2, but there are 2 classes, 0 to 1"),
        ({"y_target": np.full(6, -1)}, ValueError, "y_target has labels -1 to -1"),
        (
            {"y_target": np.ma.masked_equal([1, 1, 0, 1, 1, 1], 0)},
            ValueError,
            "y_target is a masked array with 1 masked values, the first at index 2",
        ),
        ({"X_source": np.ma.masked_equal(np.ones((5, 3)), 1)}, ValueError, "X_source is a masked"),
        ({"X_target": np.ones((6, 3)) + 1j}, TypeError, "X_target must hold numbers, got array"),
        (
            {"y_source": np.zeros((5, 1), int)},
            ValueError,
            r"y_source must hold one label per sample, got shape \(5, 1\)",
        ),
        (
            {
                "X_source": pd.DataFrame(np.ones((5, 3)), list("abcde")),
                "y_source": pd.Series(np.zeros(5, int), list("abdce")),
            },
            ValueError,
            r"row 2 of y_source is called 'd', that of X_source 'c'; .*\.loc\[X_source\.index\]",
        ),
    ],
)
def test_domains_that_cannot_be_merged_are_refused(change, error, message):
    given = {
        "X_source": np.ones((5, 3)), "y_source": np.zeros(5, int),
        "X_target": np.ones((6, 3)), "y_target": np.ones(6, int),
    }  # fmt: skip
    with pytest.raises(error, match=message):
        pairs.merge(*(given | change).values(), "a", "b", ("x", "y"))


def test_bytes_become_signed_labels():
    y = np.array([0, 1, 1], np.uint8)
    pair = pairs.merge(np.ones((3, 2)), y, np.ones((3, 2)), y, "a", "b", ("x", "y"))
    assert pair.y.dtype == np.int64 and pair.y.tolist() == [0, 1, 1, 0, 1, 1]


def test_trials_and_draws_are_checked():
    lost = np.zeros((2, 3, 9))
    lost[1, 2, 4] = np.nan
    with pytest.raises(ValueError, match=r"trials must be finite, got nan at index \(1, 2, 4\)"):
        pairs.tangent_space(lost)
    pair = pairs.merge(
        np.ones((3, 2)), np.zeros(3, int), np.ones((3, 2)), np.zeros(3, int), "a", "b", ("x",)
    )
    with pytest.raises(TypeError, match=r"n_samples must be a whole number, got 2.5"):
        pairs.subsample(pair, n_samples=2.5, rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 0"):
        pairs.subsample(pair, n_samples=2, rng=0)
