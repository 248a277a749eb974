"""Exact baselines against pyriemann's distances with scipy's assignment, and limits."""

import warnings

import numpy as np
import ot
import pytest
import scipy.optimize
import torch
from pyriemann.utils.distance import distance_logeuclid, distance_riemann

from common.spd import aiw, exact, les, lew, logsw, spdsw


def random_sets(*sizes, d=4, seed=0):
    rng = np.random.default_rng(seed)
    sets = []
    for k, n in enumerate(sizes):
        G = rng.standard_normal((n, d, 3 * d)) * np.geomspace(1, 1 + k, d)[:, None]
        sets.append(G @ G.transpose(0, 2, 1))
    return sets


def costs(x, y, distance):
    return np.array([[distance(a, b) ** 2 for b in y] for a in x])


PAIRS = pytest.mark.parametrize(
    ("distance", "ground"), [(lew, distance_logeuclid), (aiw, distance_riemann)]
)
ALL = pytest.mark.parametrize("distance", [lew, aiw, les], ids=lambda f: f.__name__)


@PAIRS
def test_equal_sizes_are_an_optimal_assignment(distance, ground):
    x, y = random_sets(7, 7)
    matrix = costs(x, y, ground)
    expected = np.sqrt(matrix[scipy.optimize.linear_sum_assignment(matrix)].mean())
    assert distance(x, y) == pytest.approx(expected, rel=1e-10)


@PAIRS
def test_weights_are_a_linear_programme(distance, ground):
    x, y = random_sets(3, 4)
    a, b = np.array([1.0, 0, 3]), np.array([2.0, 1, 1, 4])
    rows, columns = np.kron(np.eye(3), np.ones(4)), np.kron(np.ones(3), np.eye(4))
    solved = scipy.optimize.linprog(
        costs(x, y, ground).ravel(),
        A_eq=np.vstack([rows, columns]),
        b_eq=np.concatenate([a / 4, b / 8]),
    )
    got = distance(x, y, x_weights=a, y_weights=b)
    assert got == pytest.approx(np.sqrt(solved.fun), rel=1e-9)


@pytest.mark.parametrize("distance", [lew, aiw])
def test_unequal_sizes_are_replicated_sets(distance):
    x, y = random_sets(3, 2)
    expected = distance(np.repeat(x, 2, axis=0), np.repeat(y, 3, axis=0))
    assert distance(x, y) == pytest.approx(expected, rel=1e-10)


@ALL
def test_matrices_without_weight_do_not_count(distance):
    x, y = random_sets(4, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # POT divides by weights
        got = distance(x, y, x_weights=[1, 0, 2, 0], y_weights=np.ones(5))
    expected = distance(x[[0, 2]], y, x_weights=[1, 2])
    assert got == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("distance", [lew, aiw])
def test_axioms_of_a_distance(distance):
    x, y, z = random_sets(6, 8, 6)
    assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-10)
    assert distance(x, z) <= distance(x, y) + distance(y, z)
    # Eigenvalues of X^-1 X are 1 up to rounding times the condition number, some hundreds.
    assert distance(x, x[::-1].copy()) == pytest.approx(0, abs=1e-12)


def test_the_affine_invariant_distance_is_invariant():
    x, y = random_sets(6, 8)
    W = np.random.default_rng(1).standard_normal((4, 4))
    before, after = ([f(x, y), f(W @ x @ W.T, W @ y @ W.T)] for f in (aiw, lew))
    assert before[1] == pytest.approx(before[0], rel=1e-9)
    assert after[1] != pytest.approx(after[0], rel=1e-2)


def test_ill_conditioned_matrices_keep_their_affine_invariant_distance():
    # Condition numbers of 1e10 each; eigenvalues of X^-1 Y would come out negative.
    Q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))
    a, b = np.geomspace(1, 1e10, 6), np.geomspace(1e10, 1, 6)
    x, y = (((Q * z) @ Q.T)[None] for z in (a, b))
    x, y = ((z + z.transpose(0, 2, 1)) / 2 for z in (x, y))
    expected = np.linalg.norm(np.log(a / b))
    assert aiw(x, y) == pytest.approx(expected, rel=1e-5)


def test_sliced_distances_are_below():
    # |<A, S>| <= |A| |S| on every line, with |A| <= 1.
    x, y = random_sets(9, 9)
    for sliced in (spdsw, logsw):
        assert sliced(x, y, rng=np.random.default_rng(0)) < lew(x, y)


def test_sinkhorn_tends_to_the_exact_distance():
    x, y = random_sets(6, 7)
    optimum = lew(x, y)
    values = [les(x, y, reg=reg) for reg in (3.0, 1.0, 0.3, 0.02)]
    assert (np.diff(values) < 0).all()  # its plan spreads less and less
    # The cost of the regularised plan exceeds the optimum by at most reg times the entropy, which
    # is below log(6 * 7).
    assert optimum - 1e-9 <= values[-1] <= np.sqrt(optimum**2 + 0.02 * np.log(42))


def test_sinkhorn_agrees_in_both_domains(monkeypatch):
    x, y = random_sets(5, 6)
    expected = les(x, y, tol=1e-13)
    monkeypatch.setattr(exact, "_most_exponent", lambda dtype: 0.0)  # logarithms of the kernel
    assert les(x, y, tol=1e-13) == pytest.approx(expected, rel=1e-9)


def test_large_costs_do_not_underflow():
    # Costs of some 2700, but twice the gain of the better assignment is only g: by symmetry the
    # plan gives a share 1 / (1 + e^g) of the mass to the worse one.
    x = np.stack([np.eye(3), 2 * np.eye(3)])
    y = np.exp(30.0) * x
    g = 3 * np.log(2.0) ** 2
    expected = np.sqrt(lew(x, y) ** 2 + g / (1 + np.exp(g)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert les(x, y, reg=1.0) == pytest.approx(expected, rel=1e-9)


def test_sinkhorn_warns_when_it_does_not_converge():
    x, y = random_sets(6, 7)
    for reg in (1.0, 0.01):
        with pytest.warns(UserWarning, match="did not converge"):
            les(x, y, reg=reg, max_iter=1)


@ALL
def test_torch_agrees_with_numpy(distance):
    x, y = random_sets(5, 6)
    weights = {"x_weights": np.arange(5), "y_weights": torch.ones(6)}
    for options in ({}, weights):
        expected = distance(x, y, **options)
        assert type(expected) is float
        got = distance(torch.from_numpy(x), torch.from_numpy(y), **options)
        assert got.shape == () and got.item() == pytest.approx(expected, rel=1e-9)


@ALL
def test_gradient_against_finite_differences(distance):
    x, y = (torch.from_numpy(z).requires_grad_() for z in random_sets(3, 4, d=2))
    assert torch.autograd.gradcheck(
        lambda x, y: distance((x + x.mT) / 2, (y + y.mT) / 2), (x, y), eps=1e-7
    )


def test_gradient_at_distance_zero_is_zero():
    x = torch.from_numpy(random_sets(4)[0])
    moving = x.clone().requires_grad_()
    # Each matrix is decomposed by itself: the same logarithms in another order.
    lew(moving, x.flip(0)).backward()
    assert torch.equal(moving.grad, torch.zeros_like(x))


def test_an_unsolved_transport_is_an_error(monkeypatch):
    solve = ot.emd
    monkeypatch.setattr(ot, "emd", lambda *args, **options: solve(*args, numItermax=1, log=True))
    x, y = random_sets(20, 20)
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="not solved: numItermax"):
        lew(x, y)


@pytest.mark.parametrize("reg", [1.0, 0.05])
def test_sinkhorn_in_single_precision(reg):
    x, y = (z.astype("float32") for z in random_sets(6, 7))
    assert les(x, y, reg=reg, tol=1e-6) == pytest.approx(
        les(x.astype(float), y.astype(float), reg=reg, tol=1e-6), rel=1e-3
    )


GOOD = np.stack([np.eye(2)] * 3)
MASKED = np.ma.masked_array(GOOD, np.zeros(GOOD.shape, bool))
MASKED[2, 0, 0] = np.ma.masked


@ALL
@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (np.eye(2), GOOD, {}, r"single matrix of shape \(2, 2\).*x\[None\]"),
        (GOOD, np.eye(3)[None], {}, r"one size, got shapes \(3, 2, 2\) and \(1, 3, 3\)"),
        (GOOD, -GOOD, {}, r"y\[0\] is not positive definite"),
        (GOOD, GOOD, {"x_weights": [1, 2]}, r"x_weights must have shape \(3,\)"),
        (GOOD, torch.from_numpy(GOOD), {}, "x is of numpy, y is of torch"),
        (MASKED, GOOD, {}, r"x is a masked array with 1 masked .* at index \(2, 0, 0\)"),
        (GOOD, MASKED, {}, r"y is a masked array with 1 masked .* at index \(2, 0, 0\)"),
        (GOOD, GOOD, {"x_weights": MASKED[:, 0, 0]}, "x_weights is a masked array with 1 masked"),
        (GOOD, GOOD, {"y_weights": [1, -1, 1]}, "y_weights must .* got -1.0 at index 1"),
    ],
)
def test_bad_input(distance, x, y, options, message):
    with pytest.raises(ValueError, match=message):
        distance(x, y, **options)


@ALL
@pytest.mark.parametrize("weights", [["1", "1", "1"], [1j, 1, 1]])
def test_weights_are_real_numbers(distance, weights):
    with pytest.raises(TypeError, match="x_weights must hold numbers, got"):
        distance(GOOD, GOOD, x_weights=weights)


def test_bad_regularisation():
    with pytest.raises(ValueError, match=r"reg must be positive and finite, got 0.*call lew"):
        les(GOOD, GOOD, reg=0)
