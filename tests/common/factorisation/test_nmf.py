"""Factorisations by the divergence of Itakura and Saito: descent, peers, invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import NMF, non_negative_factorization

from common.factorisation.nmf import itakura_saito, nmf, random_factors

M, N, K = 7, 11, 3


def rng(seed=0):
    return np.random.default_rng(seed)


def powers(seed=0):
    W, H = random_factors(M, N, K, rng=rng(seed))
    return (W @ H) * rng(seed + 1).gamma(2, 1, size=(M, N)) + 1e-3


def divergence(V, W, H, eps=0.0):
    return itakura_saito(V, W @ H + eps)


def test_the_divergence_is_the_integral_of_its_slope():
    # d/dy (x/y - log(x/y) - 1) = (y - x) / y², from y = x, where it is zero.
    x, y = 2.0, 5.0
    t = np.linspace(x, y, 200_001)
    expected = np.trapezoid((t - x) / t**2, t)
    assert itakura_saito([[x]], [[y]]) == pytest.approx(expected, rel=1e-8)
    assert itakura_saito([[x]], [[x]]) == 0


@given(scale=st.floats(1e-6, 1e6))
def test_the_divergence_does_not_depend_on_the_unit(scale):
    V, model = powers(0), powers(5)
    assert itakura_saito(scale * V, scale * model) == pytest.approx(itakura_saito(V, model))


def test_the_divergence_is_positive_and_sums_over_entries():
    V, model = powers(0), powers(5)
    parts = [itakura_saito([[v]], [[m]]) for v, m in zip(V.flat, model.flat, strict=True)]
    assert min(parts) >= 0
    assert itakura_saito(V, model) == pytest.approx(sum(parts))
    both = itakura_saito(V, np.stack([model, V]))
    assert both == pytest.approx([sum(parts), 0])


@pytest.mark.parametrize("exponent", [0.5, 0.75, 1.0])
@pytest.mark.parametrize("eps", [0.0, 1e-2])
def test_every_update_lowers_the_divergence(exponent, eps):
    V = powers() + eps
    W, H = random_factors(M, N, K, rng=rng(3))
    values = [divergence(V, W, H, eps)]
    for _ in range(60):
        W, H = nmf(V, W, H, n_updates=1, exponent=exponent, eps=eps)
        values.append(divergence(V, W, H, eps))
    # Beyond the rounding of 77 terms.
    assert np.diff(values).max() < 1e-12
    assert values[-1] < 0.7 * values[0]


def test_an_update_follows_the_slope_of_the_divergence():
    # The slope by H is q - p, so an update, H (p / q)^exponent, stays where it is zero.
    V, eps, step = powers(), 1e-2, 1e-6
    W, H = random_factors(M, N, 1, rng=rng(3))
    model = W @ H + eps
    p, q = W.T @ (V / model**2), W.T @ (1 / model)
    for n in (0, 5):
        more = H + step * (np.arange(N) == n)
        slope = (divergence(V, W, more, eps) - divergence(V, W, H, eps)) / step
        assert (q - p)[0, n] == pytest.approx(slope, rel=1e-4)
    for exponent in (0.5, 1.0):
        new_H = H * (p / q) ** exponent
        model = W @ new_H + eps
        p_W, q_W = (V / model**2) @ new_H.T, (1 / model) @ new_H.T
        new_W = W * (p_W / q_W) ** exponent
        ours = nmf(V, W, H, n_updates=1, exponent=exponent, eps=eps)
        np.testing.assert_allclose(ours[0], new_W / new_W.sum(), rtol=1e-12)
        np.testing.assert_allclose(ours[1], new_H * new_W.sum(), rtol=1e-12)


def test_exponent_one_half_is_scikit_learns():
    V = powers()
    W, H = random_factors(M, N, K, rng=rng(3))
    ours = nmf(V, W, H, n_updates=20, exponent=0.5)
    # It updates W before H: of the transposed powers, that is our order.
    model = NMF(K, beta_loss="itakura-saito", solver="mu", init="custom", tol=0, max_iter=20)
    W_t = model.fit_transform(V.T, W=H.T.copy(), H=W.T.copy())
    np.testing.assert_allclose(ours[0] @ ours[1], (W_t @ model.components_).T, rtol=1e-8)


def test_a_longer_step_ends_where_scikit_learn_does():
    V = powers()
    W, H = random_factors(M, N, K, rng=rng(3))
    ours = divergence(V, *nmf(V, W, H, n_updates=5000))
    W_t, H_t, _ = non_negative_factorization(
        V.T, n_components=K, beta_loss="itakura-saito", solver="mu", init="custom",
        W=H.T.copy(), H=W.T.copy(), tol=1e-12, max_iter=20_000,
    )  # fmt: skip
    # The same stationary point: the divergence is flat there, and the other has not quite arrived.
    assert ours == pytest.approx(itakura_saito(V, (W_t @ H_t).T), rel=1e-4)


def test_powers_of_low_rank_are_recovered():
    W0, H0 = random_factors(M, N, 2, rng=rng(1))
    W, H = nmf(W0 @ H0, *random_factors(M, N, 2, rng=rng(2)), n_updates=20_000)
    assert divergence(W0 @ H0, W, H) < 1e-6


def test_a_model_that_is_exact_stays():
    W0, H0 = random_factors(M, N, K, rng=rng(1))
    W, H = nmf(W0 @ H0 + 0.1, W0, H0, n_updates=3, eps=0.1)
    np.testing.assert_allclose(W, W0, rtol=1e-10)
    np.testing.assert_allclose(H, H0, rtol=1e-10)


def test_columns_sum_to_one_and_the_product_stays():
    W, H = random_factors(M, N, K, rng=rng(1))
    W[:, 1] = 0
    scaled, other = nmf(powers(), 3 * W, H, n_updates=0)
    np.testing.assert_allclose(scaled.sum(axis=0), [1, 0, 1])
    np.testing.assert_allclose(scaled @ other, 3 * W @ H)


def test_order_of_channels_frames_and_components_does_not_matter():
    V = powers()
    W, H = random_factors(M, N, K, rng=rng(3))
    first = nmf(V, W, H, n_updates=30)
    m, n, k = (rng(seed).permutation(size) for seed, size in ((4, M), (5, N), (6, K)))
    second = nmf(V[m][:, n], W[m][:, k], H[k][:, n], n_updates=30)
    np.testing.assert_allclose(second[0], first[0][m][:, k], rtol=1e-8)
    np.testing.assert_allclose(second[1], first[1][k][:, n], rtol=1e-8)


def test_many_starts_are_single_ones_and_arguments_stay():
    V = np.stack([powers(0), powers(5)])
    starts = [random_factors(M, N, K, rng=rng(seed)) for seed in (1, 2)]
    W, H = map(np.stack, zip(*starts, strict=True))
    before = W.copy(), H.copy()
    together = nmf(V, W, H, n_updates=20)
    for index in range(2):
        alone = nmf(V[index], W[index], H[index], n_updates=20)
        for mine, theirs in zip(alone, together, strict=True):
            np.testing.assert_allclose(mine, theirs[index], rtol=1e-12)
    np.testing.assert_array_equal(W, before[0])
    np.testing.assert_array_equal(H, before[1])


def test_a_component_that_is_zero_stays_and_does_no_harm():
    W, H = random_factors(M, N, K, rng=rng(1))
    W[:, 1] = 0
    H[1] = 0
    with np.errstate(all="raise", under="ignore"):
        W, H = nmf(powers(), W, H, n_updates=20)
    assert (W[:, 1] == 0).all() and (H[1] == 0).all()
    assert np.isfinite(W).all() and np.isfinite(H).all()


def test_random_factors_are_one_and_more():
    W, H = random_factors(400, 300, 2, rng=rng())
    assert W.shape == (400, 2) and H.shape == (2, 300)
    np.testing.assert_allclose(W.sum(axis=0), 1)
    assert H.min() >= 1
    # 1 + |N(0, 1)| has the mean 1 + sqrt(2 / pi); five standard errors of 600 numbers.
    assert H.mean() == pytest.approx(1 + np.sqrt(2 / np.pi), abs=5 * 0.6 / np.sqrt(600))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"powers": -np.ones((M, N))}, r"powers must be finite and above 0, got -1.0"),
        ({"powers": np.zeros((M, N))}, r"powers must be finite and above 0, got 0.0"),
        ({"powers": np.full((M, N), np.nan)}, "powers must be finite and above 0, got nan"),
        ({"powers": np.ones((2, M, N))}, r"as many starts as W in front, got \(2, 7, 11\) with 1"),
        ({"W": -np.ones((M, K))}, "W must be finite and at least 0, got -1.0"),
        ({"H": np.full((K, N), np.inf)}, "H must be finite and at least 0, got inf"),
        ({"H": np.ones((K + 1, N))}, r"W and H must have shapes.*got \(7, 3\) and \(4, 11\)"),
        ({"W": np.ones((M + 1, K))}, r"for 7 channels and 11 frames, got \(8, 3\)"),
        ({"exponent": 1.5}, "exponent must be above 0 and at most 1, got 1.5"),
        ({"exponent": 0}, "exponent must be above 0 and at most 1, got 0"),
        ({"eps": -1}, "eps must be at least 0, got -1"),
        ({"n_updates": -1}, "n_updates must be at least 0, got -1"),
        (
            {"powers": np.full((M, N), 1e300), "W": np.full((M, K), 1e-80)},
            r"the updates overflow: powers are up to 1e\+300",
        ),
    ],
)
def test_what_is_refused(change, message):
    W, H = random_factors(M, N, K, rng=rng())
    arguments = {"powers": powers(), "W": W, "H": H, "n_updates": 1} | change
    with pytest.raises(ValueError, match=message):
        nmf(**arguments)


def test_divergences_that_are_refused():
    with pytest.raises(ValueError, match=r"model must be finite and above 0, got 0.0"):
        itakura_saito([[1.0]], [[0.0]])
    with pytest.raises(ValueError, match=r"same last two axes.*\(1, 2\) and \(1, 1\)"):
        itakura_saito([[1.0, 2.0]], [[1.0]])
    with pytest.raises(ValueError, match=r"too far for a number: 1e\+300 against 1e-300"):
        itakura_saito([[1e300]], [[1e-300]])


def test_a_divergence_whose_ratio_is_smaller_than_any_number():
    found = itakura_saito([[1e-300, 2.0]], [[1e300, 1.0]])
    assert found == pytest.approx(600 * np.log(10) - 1 + 2 - np.log(2) - 1)
    single = itakura_saito(np.float32([[1e-30]]), np.float32([[1e30]]))
    assert single == pytest.approx(60 * np.log(10) - 1, rel=1e-6)


def test_a_seed_is_no_generator():
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 3"):
        random_factors(M, N, K, rng=3)
    with pytest.raises(ValueError, match="n_components must be at least 1, got 0"):
        random_factors(M, N, 0, rng=rng())
