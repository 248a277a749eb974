"""Wasserstein distances on the line against scipy, assignments, and replicated samples."""

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import torch

from common.spd import wasserstein_1d


def samples(n, m, *, seed, n_projections=4):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n_projections, n)), rng.standard_normal((n_projections, m))
    return x, 0.3 + 2 * y


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_equal_sizes_are_an_optimal_assignment(p):
    x, y = samples(7, 7, seed=0)
    for a, b, got in zip(x, y, wasserstein_1d(x, y, p=p), strict=True):
        costs = abs(a[:, None] - b) ** p
        rows, columns = scipy.optimize.linear_sum_assignment(costs)
        assert got == pytest.approx(costs[rows, columns].mean(), rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (3, 7), (12, 8), (1, 9), (40, 41)])
@pytest.mark.parametrize("weighted", [(), ("x",), ("y",), ("x", "y")])
def test_order_one_agrees_with_scipy(n, m, weighted):
    x, y = samples(n, m, seed=n)
    rng = np.random.default_rng(1)
    weights = {"x": rng.uniform(0, 3, n), "y": rng.uniform(0, 1, m)}
    weights = {name: weights[name] for name in weighted}
    got = wasserstein_1d(x, y, p=1, x_weights=weights.get("x"), y_weights=weights.get("y"))
    expected = [
        scipy.stats.wasserstein_distance(a, b, weights.get("x"), weights.get("y"))
        for a, b in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("p", [1, 2, 2.5])
def test_unequal_sizes_are_replicated_samples(p):
    x, y = samples(4, 6, seed=0)
    expected = wasserstein_1d(np.repeat(x, 3, axis=1), np.repeat(y, 2, axis=1), p=p)
    np.testing.assert_allclose(wasserstein_1d(x, y, p=p), expected, rtol=1e-13)


@pytest.mark.parametrize("p", [1, 2, 2.5])
def test_weights_are_replicated_samples(p):
    x, y = samples(4, 3, seed=0)
    x_weights, y_weights = np.array([1, 4, 0, 2]), np.array([5, 1, 1])
    expected = wasserstein_1d(np.repeat(x, x_weights, axis=1), np.repeat(y, y_weights, axis=1), p=p)
    got = wasserstein_1d(x, y, p=p, x_weights=x_weights, y_weights=y_weights)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("m", [6, 9])
def test_uniform_weights_change_nothing(m):
    x, y = samples(6, m, seed=0)
    expected = wasserstein_1d(x, y)
    for weights in ({"x_weights": np.full(6, 7)}, {"y_weights": np.ones(m)}):
        np.testing.assert_allclose(wasserstein_1d(x, y, **weights), expected, rtol=1e-12)


def test_translation_costs_its_length():
    x, _ = samples(10, 1, seed=0)
    for p in (1, 2, 3.5):
        np.testing.assert_allclose(wasserstein_1d(x, x + 1.5, p=p), 1.5**p, rtol=1e-12)


def test_weights_may_be_of_any_scale():
    x, y = samples(4, 3, seed=0)
    weights = np.array([1.0, 2, 3, 4])
    expected = wasserstein_1d(x, y, x_weights=weights)
    for scale in (1e-300, 1e307):
        got = wasserstein_1d(x, y, x_weights=scale * weights)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_ties_and_repeated_values():
    # Five samples on three points: steps of the two quantile functions that coincide.
    x, y = np.array([[0.0, 0, 1, 1, 1]]), np.array([[0.0, 1, 1, 2, 2]])
    assert wasserstein_1d(x, y, p=1)[0] == pytest.approx(3 / 5)
    weights = np.array([2, 0, 3, 0, 0])
    assert wasserstein_1d(x, y, p=1, x_weights=weights)[0] == pytest.approx(3 / 5)


def test_one_row_and_more_axes():
    x, y = samples(5, 4, seed=0, n_projections=6)
    rows = wasserstein_1d(x, y)
    assert wasserstein_1d(x[0], y[0]) == pytest.approx(rows[0])
    stacked = wasserstein_1d(x.reshape(2, 3, 5), y.reshape(2, 3, 4))
    np.testing.assert_array_equal(stacked, rows.reshape(2, 3))


@pytest.mark.parametrize("m", [6, 9])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_agrees_with_numpy(m, weighted, dtype):
    x, y = (sample.astype(dtype) for sample in samples(6, m, seed=0))
    weights = {"x_weights": np.arange(1, 7), "y_weights": np.arange(1, m + 1)} if weighted else {}
    expected = wasserstein_1d(x, y, **weights)
    assert expected.dtype == np.dtype(dtype)
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    tensors = {name: torch.from_numpy(values) for name, values in weights.items()}
    for given in (a, a.clone().requires_grad_()):
        got = wasserstein_1d(given, b, **tensors)
        assert got.dtype == b.dtype
        np.testing.assert_allclose(got.detach(), expected, rtol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("m", [5, 8])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("p", [1, 2, 1.5])
def test_gradient_against_finite_differences(m, weighted, p):
    x, y = (torch.from_numpy(sample).requires_grad_() for sample in samples(5, m, seed=0))
    weights = {"x_weights": np.arange(1, 6), "y_weights": np.arange(1, m + 1)} if weighted else {}
    assert torch.autograd.gradcheck(lambda x, y: wasserstein_1d(x, y, p=p, **weights), (x, y))


def test_inputs_are_left_as_they_are():
    x, y = samples(5, 5, seed=0)
    before = x.copy(), y.copy()
    for weights in (None, np.arange(5)):
        wasserstein_1d(x, y, x_weights=weights)
        wasserstein_1d(torch.from_numpy(x), torch.from_numpy(y), x_weights=weights)
    np.testing.assert_array_equal((x, y), before)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize(("n", "m"), [(2, 2), (2, 3)])
@pytest.mark.parametrize("weighted", [False, True])
def test_whole_numbers_are_computed_with_in_double_precision(kind, n, m, weighted):
    """In bytes, -100 - 100 would be 56, and thirds of 1 would be 0."""
    x, y = np.array([[-100, 100]], np.int8)[:, :n], np.array([[100, 100, 7]], np.int8)[:, :m]
    weights = {"x_weights": np.array([1, 2])} if weighted else {}
    expected = wasserstein_1d(x.astype(float), y.astype(float), **weights)
    got = wasserstein_1d(kind(x), kind(y), **weights)
    assert np.asarray(got).dtype == np.float64
    np.testing.assert_array_equal(np.asarray(got), expected)
    assert weighted or m == 3 or expected == 20000


def test_a_masked_array_without_masked_values_is_any_array():
    x, y = samples(5, 4, seed=0)
    got = wasserstein_1d(np.ma.masked_array(x), y, x_weights=np.ma.masked_array(np.ones(5)))
    np.testing.assert_array_equal(got, wasserstein_1d(x, y, x_weights=np.ones(5)))
    assert type(got) is np.ndarray


X, Y = np.zeros((2, 3)), np.zeros((2, 4))


def masked(values):
    """With the last value masked."""
    mask = np.zeros(np.shape(values), bool)
    mask[(-1,) * mask.ndim] = True
    return np.ma.masked_array(values, mask)


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (X, np.zeros((3, 4)), {}, r"got \(2, 3\) and \(3, 4\)"),
        (X, np.zeros((2, 0)), {}, r"none empty, got \(2, 3\) and \(2, 0\)"),
        (X, Y, {"p": 0.5}, r"p must be at least 1, got 0\.5"),
        (X, Y, {"p": np.inf}, "p must be at least 1, got inf"),
        (X, Y, {"p": np.nan}, "p must be at least 1, got nan"),
        (X, Y, {"x_weights": np.ones(4)}, r"x_weights must have shape \(3,\).*got \(4,\)"),
        (X, Y, {"y_weights": np.array([1, 1, -2, 0])}, "y_weights must .* got -2.0 at index 2"),
        (X, Y, {"y_weights": np.array([1, np.nan, 1, 1])}, "y_weights .* got nan at index 1"),
        (X, Y, {"y_weights": masked(np.ones(4))}, "y_weights is a masked array with 1 masked"),
        (masked(X), Y, {}, r"x is a masked array with 1 masked values, the first at .*\(1, 2\)"),
        (X, masked(Y), {}, "y is a masked array with 1 masked .* Leave them out first"),
        (X + 0j, Y, {}, "x must hold float64 or float32 numbers, got complex128"),
        (X, torch.zeros(2, 4) > 1, {}, "all of torch, but x is of numpy"),
        (X, Y > 1, {}, "y must hold float64 or float32 numbers, got bool"),
        (X.astype(str), Y, {}, "x must hold float64 or float32 numbers, got <U32"),
        (X.astype(np.float16), Y, {}, "x must hold float64 or float32 numbers, got float16"),
        (X.tolist(), Y, {}, "x must be a numpy array or a torch tensor, got list"),
        (
            X + 1e200,
            Y,
            {},
            r"x and y reach 1e\+200, and differences to the power p = 2 overflow in",
        ),
        (X - 1e200, Y, {"x_weights": np.ones(3)}, r"reach 1e\+200, .* Divide both by one number"),
        (X + 1.7e308, X - 1.7e308, {"p": 1}, "power p = 1 overflow in float64"),
        (np.float32(X + 1e20), np.float32(Y), {}, r"reach 1e\+20, .* overflow in float32"),
        (X, Y, {"x_weights": np.zeros(3)}, "x_weights are all zero"),
        (X, torch.zeros(2, 4), {}, "all of torch, but x is of numpy, y is of torch"),
    ],
)
def test_bad_input(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        wasserstein_1d(x, y, **options)


@pytest.mark.parametrize(
    "weights", [["1", "2", "3"], np.ones(3) + 1j, torch.ones(3) + 1j, [None, 1, 1], "abc"]
)
def test_weights_are_real_numbers(weights):
    with pytest.raises(TypeError, match="x_weights must hold numbers, got "):
        wasserstein_1d(X, Y, x_weights=weights)


def test_tensors_are_real_and_their_powers_finite():
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"x must hold .* numbers, got torch\.complex64"):
        wasserstein_1d(x + 0j, x)
    with pytest.raises(ValueError, match=r"reach 1e\+20, .* overflow in torch\.float32"):
        wasserstein_1d(x, (x + 1e20).requires_grad_())


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_are_finite(kind, value):
    x, y = np.zeros((2, 3)), np.array([[0.0, 1.0, 2.0], [0.0, value, 2.0]])
    with pytest.raises(ValueError, match=rf"y\[1, 1\] is {value}; y must be finite"):
        wasserstein_1d(kind(x), kind(y))
    with pytest.raises(ValueError, match=rf"x\[1, 1\] is {value}; x must be finite"):
        wasserstein_1d(kind(y), kind(x))
