import numpy as np
import pytest
import scipy.optimize

from common.hawkes.grid import bin_events
from common.hawkes.histogram import fit_em, fit_least_squares
from common.hawkes.kernels import RaisedCosine, TruncatedGaussian
from common.hawkes.simulation import simulate

DELTA, LENGTH = 0.05, 1.0
OPTIONS = {"delta": DELTA, "kernel_length": LENGTH}
BASELINE = np.array([0.4, 0.6])
ADJACENCY = np.array([[0.4, 0.0], [0.5, 0.2]])


def make_events(seed=0, *, end_time=500.0):
    options = {"length": LENGTH, "end_time": end_time, "rng": np.random.default_rng(seed)}
    return simulate(BASELINE, ADJACENCY, TruncatedGaussian(), [0.4, 0.1], **options)


def make_design(events, end_time, bin_width):
    """Counts, and all regressors on the dense grid: one, then summed lags of each process."""
    z = bin_events(events, end_time=end_time, delta=DELTA).dense()
    n_lags = round(LENGTH / DELTA)
    lagged = np.zeros((len(z), n_lags, z.shape[1]))
    for tau in range(1, n_lags + 1):
        lagged[:, tau - 1, tau:] = z[:, :-tau]
    lagged = lagged.reshape(len(z), -1, bin_width, z.shape[1]).sum(2)
    return z, np.vstack([np.ones(z.shape[1]), lagged.reshape(-1, z.shape[1])]).T


def weights_of(fit):
    return np.column_stack([fit.baseline, fit.values.reshape(len(fit.baseline), -1)])


@pytest.mark.parametrize("bin_width", [1, 4])
def test_least_squares_satisfies_the_optimality_conditions(bin_width):
    events = make_events()
    fit = fit_least_squares(events, end_time=500.0, bin_width=bin_width, **OPTIONS)
    z, design = make_design(events, 500.0, bin_width)
    weights = weights_of(fit)
    assert weights.min() == 0  # the constraint matters here
    slopes = DELTA * design.T @ (design @ weights.T) - design.T @ z.T
    # Relative to the terms of the difference, of the order of the number of events; the squared
    # condition number of the normal equations costs some digits.
    scale = 1e-8 * len(events[1])
    assert slopes.min() > -scale
    np.testing.assert_array_less(np.abs(slopes.T[weights > 0]), scale)


@pytest.mark.parametrize("bin_width", [1, 4])
def test_least_squares_agrees_with_the_dense_problem(bin_width):
    events = make_events(1, end_time=200.0)
    fit = fit_least_squares(events, end_time=200.0, bin_width=bin_width, **OPTIONS)
    z, design = make_design(events, 200.0, bin_width)
    for i in range(2):
        expected, _ = scipy.optimize.nnls(np.sqrt(DELTA) * design, z[i] / np.sqrt(DELTA))
        # Normal equations: eps times the squared condition number, below 1e5 here.
        np.testing.assert_allclose(weights_of(fit)[i], expected, atol=1e-9)


@pytest.mark.parametrize("bin_width", [1, 4])
def test_em_never_decreases_the_likelihood_and_ends_at_its_maximum(bin_width):
    events = make_events()
    options = {"end_time": 500.0, "bin_width": bin_width, **OPTIONS}
    fit = fit_em(events, max_iter=20_000, tol=1e-12, **options)
    assert fit.converged
    curve, n_events = fit.log_likelihood_curve, sum(map(len, events))
    assert np.all(np.diff(curve) >= -1e-12 * n_events)  # rounding of sums over all events
    z, design = make_design(events, 500.0, bin_width)
    weights = weights_of(fit)
    intensity = design @ weights.T
    value = np.sum(z.T[z.T > 0] * np.log(intensity[z.T > 0])) - DELTA * intensity.sum()
    assert curve[-1] == pytest.approx(value, rel=1e-12)
    # Optimality: no slope upwards, and none at all where a value is clearly positive. EM creeps
    # towards values of 0, so those in between are left out.
    slopes = design.T @ (z.T / intensity) - DELTA * design.sum(0)[:, None]
    assert slopes.max() < 1e-3 * len(events[0])
    np.testing.assert_array_less(np.abs(slopes.T[weights > 0.05]), 1e-3 * len(events[0]))


def test_em_agrees_with_direct_maximisation():
    events = make_events(1, end_time=200.0)
    fit = fit_em(events, end_time=200.0, bin_width=4, max_iter=100_000, tol=1e-14, **OPTIONS)
    z, design = make_design(events, 200.0, 4)
    total = 0.0
    for i in range(2):
        rows, counts, spent = design[z[i] > 0], z[i][z[i] > 0], DELTA * design.sum(0)

        def loss(weights, rows=rows, counts=counts, spent=spent):
            intensity = rows @ weights
            return spent @ weights - counts @ np.log(intensity), spent - rows.T @ (
                counts / intensity
            )

        bounds = [(1e-6, None)] + [(0, None)] * (design.shape[1] - 1)
        options = {"ftol": 1e-15, "gtol": 1e-8, "maxiter": 5000}
        start = np.full(design.shape[1], 0.1)
        total -= scipy.optimize.minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
        ).fun
    # The likelihood is concave: both reach its one maximum, EM from below and slowly.
    assert fit.log_likelihood_curve[-1] == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("fit", [fit_least_squares, fit_em])
def test_events_beyond_reach_of_each_other_give_the_mean_rate(fit):
    # No lag within the support occurs, so every kernel is zero and the rate is N / T.
    times = 1.7 * np.arange(1, 21)
    found = fit([times], end_time=35.95, **OPTIONS)
    assert found.baseline[0] == pytest.approx(20 / 36.0, rel=1e-9)  # 720 points of 0.05 s
    # EM divides the mass left by some number in each iteration.
    assert found.adjacency[0, 0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("fit", [fit_least_squares, fit_em])
def test_converges_to_the_simulated_kernel(fit):
    errors = []
    for end_time in (1000.0, 16_000.0):
        rng = np.random.default_rng(0)
        options = {"length": LENGTH, "end_time": end_time, "rng": rng}
        kernel, parameters = RaisedCosine(), [0.1, 0.35]
        events = simulate(BASELINE, ADJACENCY, kernel, parameters, **options)
        found = fit(events, end_time=end_time, bin_width=2, **OPTIONS)
        truth = ADJACENCY[..., None] * kernel.value(found.lags, parameters, length=LENGTH)
        errors.append(np.sqrt(np.mean((found.values - truth) ** 2)))
        n_mean = np.mean([len(times) for times in events])
    # Sixteen times the data: a quarter of the error, give or take bins of width 0.1 s.
    assert errors[1] < 0.4 * errors[0]
    # A value is a count of lags, of mean about the rate of lags, over n_mean * width.
    assert errors[1] < 2 / np.sqrt(n_mean * found.width)
    np.testing.assert_allclose(found.adjacency, ADJACENCY, atol=0.05)
    np.testing.assert_allclose(found.baseline, BASELINE, atol=0.08)


@pytest.mark.parametrize("fit", [fit_least_squares, fit_em])
def test_order_of_processes_does_not_matter(fit):
    events = make_events(2, end_time=200.0)
    found = fit(events, end_time=200.0, **OPTIONS)
    other = fit(events[::-1], end_time=200.0, **OPTIONS)
    np.testing.assert_allclose(other.baseline[::-1], found.baseline, rtol=1e-6)
    np.testing.assert_allclose(other.values[::-1, ::-1], found.values, rtol=1e-6, atol=1e-9)


def test_bins_are_centred_on_their_lags():
    found = fit_least_squares(make_events(end_time=50.0), end_time=50.0, bin_width=5, **OPTIONS)
    # Lags 0.05 ... 0.25 in the first bin.
    np.testing.assert_allclose(found.lags, [0.15, 0.4, 0.65, 0.9])
    assert found.width == pytest.approx(0.25)
    assert found.values.shape == (2, 2, 4) and len(found.log_likelihood_curve) == 0
    np.testing.assert_allclose(found.adjacency, 0.25 * found.values.sum(-1))


def test_an_unfinished_em_says_so():
    found = fit_em(make_events(end_time=100.0), end_time=100.0, max_iter=3, **OPTIONS)
    assert not found.converged and len(found.log_likelihood_curve) == 4


@pytest.mark.parametrize("fit", [fit_least_squares, fit_em])
def test_a_lag_that_no_event_reaches_has_value_zero(fit):
    # All events in the last half of the support: longer lags lie beyond the record.
    found = fit([[9.6, 9.7, 9.9, 9.95]], end_time=10.0, **OPTIONS)
    assert np.all(found.values[0, 0, 9:] == 0)
    assert np.all(np.isfinite(found.values))


def test_errors_name_what_is_wrong():
    for fit in (fit_least_squares, fit_em):
        with pytest.raises(
            ValueError, match=r"bin_width must divide the number of lags, 20 = .* 3"
        ):
            fit([[1.0]], end_time=10.0, bin_width=3, **OPTIONS)
        with pytest.raises(ValueError, match=r"bin_width must divide .* got 0"):
            fit([[1.0]], end_time=10.0, bin_width=0, **OPTIONS)
        with pytest.raises(ValueError, match=r"not sorted"):
            fit([[2.0, 1.0]], end_time=10.0, **OPTIONS)
    with pytest.raises(ValueError, match=r"max_iter must be at least 1, got 0"):
        fit_em([[1.0]], end_time=10.0, max_iter=0, **OPTIONS)
    with pytest.raises(ValueError, match=r"tol must be at least 0, got -1"):
        fit_em([[1.0]], end_time=10.0, tol=-1, **OPTIONS)
