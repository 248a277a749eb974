"""Kernels between distributions: against single distances, positive semi-definite, limits."""

import numpy as np
import pytest

from common.spd import hspdsw, kernel_matrix, kernels, logsw, spdsw, squared_distances, sw


def distributions(*sizes, d=3, seed=0):
    """Sets of covariances, each with its own mean and spread."""
    rng = np.random.default_rng(seed)
    sets = []
    for k, n in enumerate(sizes):
        G = rng.standard_normal((n, d, 2 * d)) * np.geomspace(1, 1 + 0.3 * k, d)[:, None]
        sets.append(G @ G.transpose(0, 2, 1))
    return sets


EQUAL, UNEQUAL = distributions(12, 12, 12, 12), distributions(12, 7, 3, 12)


@pytest.mark.parametrize("distance", [spdsw, logsw, sw, hspdsw], ids=lambda f: f.__name__)
@pytest.mark.parametrize("sets", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
def test_pairs_are_single_distances(distance, sets):
    def rng():
        return np.random.default_rng(3)

    options = {"n_projections": 30, "distance": distance.__name__}
    got = squared_distances(sets, rng=rng(), **options)
    expected = [[distance(x, y, rng=rng(), n_projections=30) ** 2 for y in sets] for x in sets]
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    others = sets[1:3]
    got = squared_distances(sets, others, rng=rng(), **options)
    np.testing.assert_allclose(got, np.array(expected)[:, 1:3], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("block", [1, 400])
def test_blocks_of_projections_do_not_matter(block, monkeypatch):
    for sets in (EQUAL, UNEQUAL):
        expected = squared_distances(sets, rng=np.random.default_rng(0), n_projections=23)
        monkeypatch.setattr(kernels, "_BLOCK", block)
        got = squared_distances(sets, rng=np.random.default_rng(0), n_projections=23)
        monkeypatch.undo()
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_an_array_is_a_sequence():
    got = squared_distances(np.stack(EQUAL), rng=np.random.default_rng(0))
    np.testing.assert_array_equal(got, squared_distances(EQUAL, rng=np.random.default_rng(0)))


@pytest.mark.parametrize("distance", ["spdsw", "logsw", "sw", "hspdsw"])
@pytest.mark.parametrize("gamma", [0.01, 1.0, 100.0])
def test_kernels_are_positive_semi_definite(distance, gamma):
    # With few projections too, and with distributions of different sizes.
    sets = distributions(*range(1, 21))
    K = kernel_matrix(
        sets, gamma=gamma, rng=np.random.default_rng(0), n_projections=3, distance=distance
    )
    np.testing.assert_array_equal(K, K.T)
    np.testing.assert_array_equal(np.diag(K), 1.0)
    assert ((K >= 0) & (K <= 1)).all()
    assert np.linalg.eigvalsh(K)[0] > -1e-12  # rounding of twenty entries of at most one


def test_kernel_is_the_exponential_of_the_distance():
    K = kernel_matrix(EQUAL, UNEQUAL, gamma=0.7, rng=np.random.default_rng(0))
    D = squared_distances(EQUAL, UNEQUAL, rng=np.random.default_rng(0))
    np.testing.assert_allclose(K, np.exp(-0.7 * D), rtol=1e-14)


GOOD = np.stack([np.eye(2)] * 3)


@pytest.mark.parametrize(
    ("sets", "options", "message"),
    [
        (GOOD, {}, r"several sets of matrices.*shape \(3, 2, 2\)\. One set is \[distributions\]"),
        ([], {}, "distributions is empty"),
        ([GOOD, np.eye(2)], {}, r"distributions\[1\] must be a set.*single matrix"),
        ([GOOD, GOOD.tolist()], {}, r"distributions\[1\] must be a numpy array, got list"),
        ([GOOD, np.eye(3)[None]], {}, r"distributions\[1\] holds matrices of 3 channels.* of 2"),
        ([GOOD, -GOOD], {}, r"distributions\[1\]\[0\] is not positive definite"),
        ([GOOD], {"others": [np.eye(3)[None]]}, "matrices of 2 channels, others of 3"),
        ([GOOD], {"others": [-GOOD]}, r"others\[0\]\[0\] is not positive definite"),
        ([GOOD], {"gamma": 0}, "gamma must be above 0, got 0"),
        ([GOOD], {"gamma": np.inf}, "gamma must be above 0, got inf"),
        ([GOOD], {"distance": "lew"}, r"distance must be one of \['spdsw'.* got 'lew'"),
        ([GOOD], {"n_projections": 0}, "n_projections must be"),
        ([GOOD, np.ma.masked_equal(GOOD, 0)], {}, r"distributions\[1\] is a masked array with 6"),
        ([GOOD], {"others": [GOOD + 0j]}, r"others\[0\] must hold .* got complex128"),
        (
            [GOOD, 1e200 * GOOD],
            {"distance": "sw"},
            r"distributions\[0\] from distributions\[1\] overflows\. Divide all",
        ),
        (
            [GOOD],
            {"others": [1e200 * GOOD[:2]], "distance": "sw"},
            r"distributions\[0\] and others\[0\] reach .* overflow in float64",
        ),
    ],
)
def test_bad_input(sets, options, message):
    with pytest.raises(ValueError, match=message):
        kernel_matrix(sets, **{"gamma": 1.0, "rng": np.random.default_rng(0), **options})
