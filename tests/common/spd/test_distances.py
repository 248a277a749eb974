"""Sliced distances: closed forms, axioms, invariances, rates, gradients, and errors."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.spd import (
    distances,
    draw_projections,
    exp_matrices,
    hspdsw,
    log_vectors,
    logsw,
    sliced_wasserstein,
    spd_directions,
    spdsw,
    sw,
    symmetric_matrices,
    symmetric_vectors,
    wasserstein_1d,
)

ALL = pytest.mark.parametrize("distance", [spdsw, logsw, sw, hspdsw], ids=lambda f: f.__name__)


def generator(seed=0):
    return np.random.default_rng(seed)


def random_sets(*sizes, d=4, seed=0, n_times=None):
    """Covariances of Gaussian noise, each set with another spread."""
    rng = generator(seed)
    sets = []
    for k, n in enumerate(sizes):
        G = rng.standard_normal((n, d, n_times or 3 * d))
        G *= np.geomspace(1, 1 + k, d)[:, None]
        sets.append(G @ G.transpose(0, 2, 1) / G.shape[2])
    return sets


def squares(name, x, y, *, n_projections, seed):
    """Squared distances along independent lines."""
    lines = draw_projections(name, n_projections, x.shape[-1], rng=generator(seed))
    return wasserstein_1d(lines.coordinates(x), lines.coordinates(y))


def same_mean(a, b):
    """Whether two independent samples may have one mean, within five standard errors."""
    error = np.sqrt(a.var() / len(a) + b.var() / len(b))
    return abs(a.mean() - b.mean()) < 5 * error


# Closed forms


@pytest.mark.parametrize(
    "diagonal", [[0.5, -1.0, 2.0], [1.0, 1.0, 1.0], [2.0, -1.0, -1.0, 0.0], [0.7]]
)
def test_two_diracs(diagonal):
    # E <A, S>^2 = (2 |S|^2 + (tr S)^2) / (d (d + 2)) with S the difference of the logarithms, here
    # not commuting with the matrices themselves, and |S|^2 / d^2 for logSW.
    d, n_projections = len(diagonal), 20_000
    Q, _ = np.linalg.qr(generator(1).standard_normal((d, d)))
    S = (Q * diagonal) @ Q.T
    base = generator(2).standard_normal((d, d))
    base = base + base.T
    x, y = exp_matrices(base)[None], exp_matrices(base + (S + S.T) / 2)[None]
    norm, trace = np.sum(S**2), np.trace(S)
    # 0 <= <A, S>^2 <= |S|^2, so its deviation is at most |S|^2 / 2: five standard errors.
    tolerance = 5 * 0.5 * norm / np.sqrt(n_projections)
    got = spdsw(x, y, rng=generator(), n_projections=n_projections)
    expected = (2 * norm + trace**2) / (d * (d + 2))
    assert got**2 == pytest.approx(expected, abs=tolerance)
    got = logsw(x, y, rng=generator(), n_projections=n_projections)
    assert got**2 == pytest.approx(norm / d**2, abs=tolerance)


def test_two_diracs_without_logarithm():
    S, n_projections = np.diag([0.5, -1.0, 2.0]), 20_000
    x = 5 * np.eye(3)[None]
    got = sw(x, x + S, rng=generator(), n_projections=n_projections)
    expected = (2 * np.sum(S**2) + np.trace(S) ** 2) / 15
    assert got**2 == pytest.approx(expected, abs=5 * 0.5 * np.sum(S**2) / np.sqrt(n_projections))


def test_two_multiples_of_the_identity_in_the_affine_invariant_geometry():
    # t differs by c sum(theta), and E (sum theta)^2 = 1; (sum theta)^2 lies between 0 and d.
    c, d, n_projections = 1.7, 3, 20_000
    x = np.eye(d)[None]
    got = hspdsw(x, np.exp(c) * x, rng=generator(), n_projections=n_projections)
    assert got**2 == pytest.approx(c**2, abs=5 * c**2 * d / 2 / np.sqrt(n_projections))


@ALL
@pytest.mark.parametrize("weighted", [False, True])
def test_one_channel_agrees_with_scipy(distance, weighted):
    # A = 1 or -1: no slicing is left.
    x, y = (np.exp(generator(k).standard_normal((n, 1, 1))) for k, n in enumerate((50, 30)))
    weights = (np.arange(1, 51), np.arange(30)) if weighted else (None, None)
    embed = np.ravel if distance is sw else lambda x: np.log(x).ravel()
    expected = scipy.stats.wasserstein_distance(embed(x), embed(y), *weights)
    got = distance(
        x, y, rng=generator(), n_projections=3, p=1, x_weights=weights[0], y_weights=weights[1]
    )
    assert got == pytest.approx(expected, rel=1e-12)


def test_straightforward_implementation():
    # The definition, matrix by matrix and line by line.
    x, y = random_sets(6, 6)
    directions = symmetric_matrices(spd_directions(10, 4, rng=generator()))
    total = 0.0
    for A in directions:
        a, b = (sorted(np.trace(A @ scipy.linalg.logm(M)) for M in z) for z in (x, y))
        total += np.mean(np.abs(np.subtract(a, b)) ** 3) / len(directions)
    got = spdsw(x, y, rng=generator(), n_projections=10, p=3)
    assert got == pytest.approx(total ** (1 / 3), rel=1e-10)


# Axioms


@ALL
@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_axioms_of_a_distance(distance, p):
    sets = random_sets(8, 11, 8)
    x, y, z = sets

    def d(a, b):
        return distance(a, b, rng=generator(), p=p, n_projections=50)

    assert d(x, y) == pytest.approx(d(y, x), rel=1e-12)
    assert d(x, y) > 0
    assert d(x, z) <= (1 + 1e-12) * (d(x, y) + d(y, z))  # lines are shared: exact but for rounding
    order = generator(1).permutation(8)
    assert d(x, x[order]) == 0.0
    assert d(x[order], y) == pytest.approx(d(x, y), rel=1e-12)


@ALL
def test_multisets_count_repetitions(distance):
    x, y = random_sets(4, 6)
    d = distance(x, y, rng=generator())
    assert distance(np.repeat(x, 3, axis=0), np.repeat(y, 2, axis=0), rng=generator()) == (
        pytest.approx(d, rel=1e-10)
    )
    # One matrix twice instead of another is another distribution.
    assert distance(x, x[[0, 0, 2, 3]], rng=generator()) > 0.01 * d


@ALL
def test_weights_are_repetitions(distance):
    x, y = random_sets(4, 3)
    counts = np.array([1, 0, 3, 2]), np.array([2, 2, 5])
    expected = distance(
        *(np.repeat(*z, axis=0) for z in zip((x, y), counts, strict=True)), rng=generator()
    )
    got = distance(x, y, rng=generator(), x_weights=counts[0], y_weights=counts[1])
    assert got == pytest.approx(expected, rel=1e-10)


# Invariances


@settings(deadline=None, max_examples=30)
@given(scale=st.floats(1e-12, 1e12), seed=st.integers(0, 2**32 - 1))
@ALL
def test_unit_of_the_signal_does_not_matter(distance, scale, seed):  # V² or µV²
    x, y = random_sets(5, 7, seed=seed)
    before, after = (distance(c * x, c * y, rng=generator(seed)) for c in (1, scale))
    if distance is sw:
        before *= scale  # without logarithm it has the unit of the matrices
    assert after == pytest.approx(before, rel=1e-6)


def test_rotating_matrices_and_directions_changes_nothing():
    x, y = random_sets(6, 9)
    Q, _ = np.linalg.qr(generator(1).standard_normal((4, 4)))
    directions = spd_directions(30, 4, rng=generator())
    rotated = symmetric_vectors(Q @ symmetric_matrices(directions) @ Q.T)
    expected = sliced_wasserstein(log_vectors(x), log_vectors(y), directions=directions)
    a, b = (log_vectors(Q @ z @ Q.T) for z in (x, y))
    assert sliced_wasserstein(a, b, directions=rotated) == pytest.approx(expected, rel=1e-12)
    assert sliced_wasserstein(a, b, directions=directions) != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", ["spdsw", "logsw", "hspdsw"])
def test_rotations_keep_the_expectation(name):
    x, y = random_sets(10, 10)
    Q, _ = np.linalg.qr(generator(1).standard_normal((4, 4)))
    before = squares(name, x, y, n_projections=4000, seed=0)
    after = squares(name, Q @ x @ Q.T, Q @ y @ Q.T, n_projections=4000, seed=1)
    assert same_mean(before, after)


def test_inversion_keeps_the_log_euclidean_distances():
    x, y = random_sets(6, 6)
    for distance in (spdsw, logsw):
        before = distance(x, y, rng=generator())
        inverse = (np.linalg.inv(z) for z in (x, y))
        assert distance(*((z + z.mT) / 2 for z in inverse), rng=generator()) == (
            pytest.approx(before, rel=1e-10)
        )


def test_a_congruence_exchanges_the_lines_of_the_affine_invariant_distance():
    # P^T W = T Q^T with T lower triangular: what P sees after W, Q sees before. Exactly, whatever
    # W is; for the log-Euclidean distance there is no such line.
    x, y = random_sets(8, 12)
    W = generator(1).standard_normal((4, 4))
    lines = draw_projections("hspdsw", 50, 4, rng=generator())
    theta, P = lines.arrays
    carried = type(lines)("hspdsw", 4, (theta, np.linalg.qr(W.T @ P)[0]))
    after = wasserstein_1d(lines.coordinates(W @ x @ W.T), lines.coordinates(W @ y @ W.T))
    before = wasserstein_1d(carried.coordinates(x), carried.coordinates(y))
    np.testing.assert_allclose(after, before, rtol=1e-9)


@pytest.mark.parametrize("name", ["hspdsw", "spdsw"])
def test_a_congruence_that_is_no_rotation_changes_the_expectation(name):
    # It does not keep the Haar measure, so not even the affine-invariant distance is invariant. Two
    # matrices of two channels show it, by far more than five standard errors.
    x, y = np.eye(2)[None], np.diag([np.exp(2.0), 1.0])[None]
    W = np.diag([10.0, 1.0])
    before = squares(name, x, y, n_projections=4000, seed=0)
    after = squares(name, W @ x @ W, W @ y @ W, n_projections=4000, seed=1)
    if name == "hspdsw":
        assert after.mean() > 1.1 * before.mean() and not same_mean(before, after)
    else:  # the logarithms of diagonal matrices are only shifted
        assert same_mean(before, after)
        W = np.array([[1.0, 3.0], [0, 1]])
        after = squares(name, W @ x @ W.T, W @ y @ W.T, n_projections=4000, seed=1)
        assert not same_mean(before, after)


# Rates


@pytest.mark.parametrize("name", ["spdsw", "logsw", "hspdsw"])
def test_monte_carlo_error_has_slope_one_half(name):
    x, y = random_sets(20, 20)
    n_projections, n_repeats = np.array([10, 40, 160, 640]), 100
    pool = squares(name, x, y, n_projections=n_projections.sum() * n_repeats, seed=0)
    errors, start = [], 0
    for n in n_projections:
        estimates = pool[start : start + n * n_repeats].reshape(n_repeats, n).mean(axis=1)
        errors.append(estimates.std(ddof=1))
        start += n * n_repeats
    log_n = np.log(n_projections) - np.log(n_projections).mean()
    slope = (log_n * np.log(errors)).sum() / (log_n**2).sum()
    # The logarithm of a standard deviation from m values has standard error 1 / sqrt(2 m).
    error = 1 / np.sqrt(2 * n_repeats) / np.sqrt((log_n**2).sum())
    assert abs(slope + 0.5) < 5 * error


def test_more_matrices_of_one_law_come_closer():
    # W_2^2 of two samples of one law decays with n, whatever d, here about as 1 / n on each line.
    values = []
    for n in (10, 1000):
        x, y = random_sets(2 * n, d=6)[0].reshape(2, n, 6, 6)
        values.append(spdsw(x, y, rng=generator()) ** 2)
    assert values[1] < values[0] / 20


# numpy and torch


@ALL
@pytest.mark.parametrize("weighted", [False, True])
def test_torch_agrees_with_numpy(distance, weighted):
    x, y = random_sets(6, 8)
    weights = {"x_weights": np.arange(6), "y_weights": np.ones(8)} if weighted else {}
    expected = distance(x, y, rng=generator(), **weights)
    assert type(expected) is float
    for grad in (False, True):
        tensors = [torch.from_numpy(z).requires_grad_(grad) for z in (x, y)]
        got = distance(*tensors, rng=generator(), **weights)
        assert got.shape == () and got.dtype == torch.float64 and got.requires_grad == grad
        assert got.item() == pytest.approx(expected, rel=1e-12)


@ALL
def test_single_precision_is_kept(distance):
    x, y = random_sets(6, 8)
    expected = distance(x, y, rng=generator())
    low = [z.astype("float32") for z in (x, y)]
    assert distance(*low, rng=generator()) == pytest.approx(expected, rel=1e-4)
    got = distance(*map(torch.from_numpy, low), rng=generator())
    assert got.dtype == torch.float32
    assert got.item() == pytest.approx(expected, rel=1e-4)


@ALL
@pytest.mark.parametrize(("m", "p"), [(3, 2), (4, 2), (3, 1.5)])
def test_gradient_against_finite_differences(distance, m, p):
    x, y = (torch.from_numpy(z).requires_grad_() for z in random_sets(3, m, d=3))

    def function(x, y):
        x, y = (x + x.mT) / 2, (y + y.mT) / 2
        return distance(x, y, rng=generator(), n_projections=5, p=p)

    assert torch.autograd.gradcheck(function, (x, y), eps=1e-7)


@ALL
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradient_at_distance_zero_is_zero(distance, dtype):
    x = torch.from_numpy(random_sets(5)[0].astype(dtype))
    for y in (x.clone(), x.flip(0)):
        moving = x.clone().requires_grad_()
        d = distance(moving, y, rng=generator())
        d.backward()
        assert d.item() == distance(x.numpy(), y.numpy(), rng=generator()) == 0.0
        assert torch.equal(moving.grad, torch.zeros_like(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_only_rounding_counts_as_distance_zero(dtype, p):
    # Vectors that differ in their last bit, as if another processor had computed them in another
    # place. The root has a slope of any size there. A thousand last bits are no rounding.
    u = torch.from_numpy(generator().standard_normal((5, 10))).to(dtype)
    directions = generator(1).standard_normal((20, 10))
    for bits in (1, 1000):
        v = (1 + bits * torch.finfo(dtype).eps) * u.flip(0)
        moving = u.clone().requires_grad_()
        d = sliced_wasserstein(moving, v, directions=directions, p=p)
        d.backward()
        other = sliced_wasserstein(u.numpy(), v.numpy(), directions=directions, p=p)
        found = d.item() > 0, other > 0, bool(moving.grad.any())
        assert found == (bits > 1,) * 3


def test_gradient_at_the_identity_is_finite():
    x = torch.eye(3, dtype=torch.float64).repeat(4, 1, 1).requires_grad_()
    y = torch.from_numpy(random_sets(4, d=3)[0])
    for distance in (spdsw, logsw, hspdsw):
        x.grad = None
        distance(x, y, rng=generator()).backward()
        assert torch.isfinite(x.grad).all() and x.grad.abs().max() > 0


# Shared logarithms and memory


def test_shared_logarithms_give_the_same_value():
    x, y = random_sets(6, 8)
    logs = log_vectors(x), log_vectors(y)
    for distance, kind in ((spdsw, "spd"), (logsw, "log")):
        directions = spd_directions(200, 4, rng=generator(), kind=kind)
        assert sliced_wasserstein(*logs, directions=directions) == distance(x, y, rng=generator())
    tensors = map(torch.from_numpy, logs)
    got = sliced_wasserstein(*tensors, directions=directions)
    assert got.item() == pytest.approx(logsw(x, y, rng=generator()), rel=1e-12)


@ALL
def test_blocks_of_projections_do_not_matter(distance, monkeypatch):
    x, y = random_sets(6, 8)
    expected = distance(x, y, rng=generator(), n_projections=23)
    monkeypatch.setattr(distances, "_BLOCK", 32)
    got = distance(x, y, rng=generator(), n_projections=23)
    assert got == pytest.approx(expected, rel=1e-12)


@ALL
def test_memory_is_linear(distance, peak_memory):
    # O(nL) for the coordinates and their sorted copies, and a few copies of input and directions,
    # far below the n L d^2 numbers (128 MB) of all products of a direction and a matrix.
    n, n_projections, d = 800, 200, 10
    x, y = random_sets(n, n, d=d)
    peak = peak_memory(lambda: distance(x, y, rng=generator(), n_projections=n_projections))
    assert peak < 8 * (6 * n * n_projections + 10 * (n + n_projections) * d**2) + 2e6


def test_projections_can_be_sliced():
    (x,) = random_sets(6)
    lines = draw_projections("hspdsw", 9, 4, rng=generator())
    assert len(lines) == 9 and len(lines[2:5]) == 3
    np.testing.assert_allclose(lines[2:5].coordinates(x), lines.coordinates(x)[2:5], rtol=1e-12)


# Bad input

GOOD = np.stack([np.eye(2)] * 3)
MASKED = np.ma.masked_array(GOOD, np.zeros(GOOD.shape, bool))
MASKED[2, 0, 0] = np.ma.masked


@ALL
@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (np.eye(2), GOOD, {}, r"x must be a set.*single matrix of shape \(2, 2\).*x\[None\]"),
        (GOOD, np.eye(2), {}, r"y must be a set.*y\[None\]"),
        (np.ones((3, 2, 4)), GOOD, {}, r"x must have shape \(n_matrices, .*got \(3, 2, 4\)"),
        (GOOD[:, None], GOOD, {}, r"got \(3, 1, 2, 2\)"),
        (GOOD, np.ones(3), {}, r"y must have shape .*got \(3,\)"),
        (GOOD[:0], GOOD, {}, r"x is empty: its shape is \(0, 2, 2\)"),
        (GOOD, np.eye(3)[None], {}, r"one size, got shapes \(3, 2, 2\) and \(1, 3, 3\)"),
        (GOOD, GOOD + np.triu(np.ones((2, 2)), 1), {}, r"y\[0\] is not symmetric.*differ by 1"),
        (GOOD, np.where(GOOD == 1, np.nan, 0), {}, r"y\[0, 0, 0\] is nan \(6 of 12"),
        (GOOD, GOOD, {"p": 0.9}, r"p must be at least 1, got 0\.9"),
        (GOOD, GOOD, {"n_projections": 0}, "n_projections must be .* got 0"),
        (GOOD, GOOD, {"n_projections": 1.5}, r"n_projections must be an integer.* got 1\.5"),
        (GOOD, GOOD, {"rng": 0}, r"rng must be a numpy\.random\.Generator, got 0"),
        (GOOD, GOOD, {"x_weights": [1, 2]}, r"x_weights must have shape \(3,\).*got \(2,\)"),
        (
            GOOD,
            GOOD,
            {"y_weights": [1, -1, 1]},
            "y_weights must .* at least 0, got -1.0 at index 1",
        ),
        (GOOD, GOOD, {"y_weights": MASKED[:, 0, 0]}, "y_weights is a masked array with 1 masked"),
        (MASKED, GOOD, {}, r"x is a masked array with 1 masked .* at index \(2, 0, 0\)"),
        (GOOD, MASKED, {}, r"y is a masked array with 1 masked .* at index \(2, 0, 0\)"),
        (GOOD, GOOD, {"y_weights": [0, 0, 0]}, "y_weights are all zero"),
        (GOOD, torch.from_numpy(GOOD), {}, "x is of numpy, y is of torch"),
        (GOOD, GOOD.tolist(), {}, "y must be a numpy array or a torch tensor, got list"),
    ],
)
def test_bad_input(distance, x, y, options, message):
    with pytest.raises(ValueError, match=message):
        distance(x, y, **{"rng": generator(), **options})


@pytest.mark.parametrize("weights", [["1", "1", "1"], [1j, 1, 1]])
@pytest.mark.parametrize("distance", [spdsw, logsw, sw, hspdsw])
def test_weights_are_real_numbers(distance, weights):
    with pytest.raises(TypeError, match="y_weights must hold numbers, got"):
        distance(GOOD, GOOD, rng=generator(), y_weights=weights)


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_a_distance_that_overflows_is_an_error(convert):
    with pytest.raises(ValueError, match=r"x and y reach 1e\+200, and differences to the power"):
        sw(convert(1e200 * GOOD[:, :1, :1]), convert(0 * GOOD[:, :1, :1]), rng=generator())


@pytest.mark.parametrize("distance", [spdsw, logsw, hspdsw])
@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_indefinite_matrices(distance, convert):
    bad = GOOD.copy()
    bad[2, 0, 0] = -0.5
    with pytest.raises(ValueError, match=r"y\[2\] is not positive definite.* -0\.5 to 1.*shrink"):
        distance(convert(GOOD), convert(bad), rng=generator())


def test_indefinite_matrices_are_fine_without_logarithm():
    assert np.isfinite(sw(GOOD, GOOD - np.diag([2.0, 0]), rng=generator()))


def test_sliced_wasserstein_checks_shapes():
    u, v = np.ones((4, 3)), np.ones((5, 3))
    with pytest.raises(ValueError, match=r"got \(4, 3\), \(5, 3\) and \(2, 6\)"):
        sliced_wasserstein(u, v, directions=np.ones((2, 6)))
    with pytest.raises(ValueError, match=r"must not be empty.*\(0, 3\)"):
        sliced_wasserstein(u, v[:0], directions=np.ones((2, 3)))
    with pytest.raises(ValueError, match="u is of numpy, v is of torch"):
        sliced_wasserstein(u, torch.ones(5, 3), directions=np.ones((2, 3)))


def test_projections_are_for_one_number_of_channels():
    lines = draw_projections("spdsw", 3, 4, rng=generator())
    with pytest.raises(ValueError, match=r"matrices of 4 channels, got shape \(3, 2, 2\)"):
        lines.coordinates(GOOD)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["u", "v", "directions"])
def test_vectors_and_directions_are_finite(name, value):
    arrays = {"u": np.zeros((3, 2)), "v": np.ones((3, 2)), "directions": np.eye(2)}
    arrays[name] = arrays[name].copy()
    arrays[name][1, 0] = value
    with pytest.raises(ValueError, match=rf"{name}\[1, 0\] is {value}; {name} must be finite"):
        sliced_wasserstein(arrays["u"], arrays["v"], directions=arrays["directions"])


U = np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"u": 1j * U}, ValueError, "u must hold float64 or float32 numbers, got complex128"),
        ({"v": U > 1}, ValueError, "v must hold float64 or float32 numbers, got bool"),
        ({"directions": np.eye(2) + 0j}, ValueError, "directions must hold .* got complex128"),
        ({"directions": np.eye(2).tolist()}, ValueError, "directions must be a numpy array or a"),
        ({"u": np.ma.masked_equal(U, 3)}, ValueError, r"u is a masked .* at index \(1, 1\)"),
        ({"directions": np.ma.masked_equal(np.eye(2), 1)}, ValueError, "directions is a masked"),
        ({"x_weights": np.ma.masked_equal([1, 1, 2], 2)}, ValueError, "x_weights is a masked arr"),
        ({"x_weights": [1, 1, 1j]}, TypeError, "x_weights must hold numbers, got"),
        ({"y_weights": ["1", "1", "1"]}, TypeError, "y_weights must hold numbers, got"),
        ({"p": 0.5}, ValueError, "p must be at least 1, got 0.5"),
        ({"u": 1e200 * U}, ValueError, r"u and v reach 5e\+200, .* p = 2 overflow in float64"),
        (
            {"u": U + 1e308, "directions": np.ones((1, 2))},
            ValueError,
            "the projection of u.0, 0. is",
        ),
        ({"u": U[:1] + 1.3e154, "v": U[:1]}, ValueError, r"u and v reach 1.3e\+154, and diff"),
    ],
)
def test_vectors_that_cannot_be_compared_are_refused(change, error, message):
    given = {"u": U, "v": U + 1, "directions": np.eye(2)} | change
    with pytest.raises(error, match=message):
        sliced_wasserstein(given.pop("u"), given.pop("v"), **given)


def test_vectors_of_whole_numbers_are_computed_with_in_double_precision():
    u, v = np.array([[-100, 100]], np.int8), np.array([[100, 100]], np.int8)
    expected = sliced_wasserstein(u.astype(float), v.astype(float), directions=np.eye(2))
    assert sliced_wasserstein(u, v, directions=np.eye(2, dtype=np.int8)) == expected == 20000**0.5
