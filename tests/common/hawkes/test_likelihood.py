import numpy as np
import pytest
import scipy.optimize
from sklearn.base import clone

from common.hawkes.estimator import HawkesEstimator
from common.hawkes.grid import bin_events
from common.hawkes.kernels import (
    Kumaraswamy,
    RaisedCosine,
    TruncatedExponential,
    TruncatedGaussian,
    discretise,
    grid_lags,
)
from common.hawkes.likelihood import LikelihoodEstimator, log_likelihood
from common.hawkes.pairs import lagged_counts
from common.hawkes.simulation import simulate

KERNELS = {
    "gaussian": (TruncatedGaussian(), [0.4, 0.15]),
    "raised cosine": (RaisedCosine(), [0.15, 0.3]),
    "exponential": (TruncatedExponential(), [4.0]),
    "kumaraswamy": (Kumaraswamy(), [2.0, 3.0]),
}
LENGTH = 1.0
BASELINE = np.array([0.4, 0.6])
ADJACENCY = np.array([[0.4, 0.1], [0.3, 0.2]])


def make_events(name, seed=0, *, end_time=500.0):
    options = {"length": LENGTH, "end_time": end_time, "rng": np.random.default_rng(seed)}
    return simulate(BASELINE, ADJACENCY, *KERNELS[name], **options)


def make_parameters(name, seed=0):
    """Different parameters for each pair, well within the box."""
    rng = np.random.default_rng(seed)
    return np.array(KERNELS[name][1])[:, None, None] * rng.uniform(0.9, 1.1, (2, 2))


def dense_log_likelihood(binned, baseline, adjacency, parameters, kernel):
    """Sum over every point of the grid."""
    z = binned.dense()
    k = discretise(kernel, parameters, length=LENGTH, delta=binned.delta)
    total = 0.0
    for i in range(len(z)):
        intensity = np.full(binned.n_grid, baseline[i])
        for j in range(len(z)):
            response = np.convolve(z[j], np.append(0, adjacency[i, j] * k[i, j]))
            intensity += response[: binned.n_grid]
        total += np.sum(z[i] * np.log(intensity)) - binned.delta * intensity.sum()
    return total / z.sum()


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("delta", [0.02, 0.1])
def test_likelihood_agrees_with_the_dense_sum(name, delta):
    # Steps of 0.1 s hold several events; the last events reach beyond the record.
    events = make_events(name, end_time=60.0)
    events = [np.append(times, [59.9, 59.95, 60.0]) for times in events]
    events = [np.sort(times) for times in events]
    binned = bin_events(events, end_time=60.0, delta=delta)
    assert delta < 0.1 or max(counts.max() for counts in binned.counts) > 1
    kernel, parameters = KERNELS[name][0], make_parameters(name)
    lagged = lagged_counts(binned, len(grid_lags(LENGTH, delta=delta)))
    value, _ = log_likelihood(lagged, BASELINE, ADJACENCY, parameters, kernel=kernel, length=LENGTH)
    expected = dense_log_likelihood(binned, BASELINE, ADJACENCY, parameters, kernel)
    assert value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", KERNELS)
def test_gradient_agrees_with_finite_differences(name):
    binned = bin_events(make_events(name, end_time=60.0), end_time=60.0, delta=0.02)
    lagged, kernel = lagged_counts(binned, 50), KERNELS[name][0]
    first = [BASELINE, ADJACENCY, make_parameters(name)]
    _, gradient = log_likelihood(lagged, *first, kernel=kernel, length=LENGTH)
    for which, (values, slopes) in enumerate(zip(first, gradient, strict=True)):
        assert slopes.shape == values.shape
        for index in np.ndindex(values.shape):
            step = 1e-5 * values[index]
            found = []
            for sign in (1, -1):
                moved = [x.copy() for x in first]
                moved[which][index] += sign * step
                found.append(log_likelihood(lagged, *moved, kernel=kernel, length=LENGTH)[0])
            slope = (found[0] - found[1]) / (2 * step)
            # Rounding of 1e-16 over a step of 1e-6 and truncation of 1e-10, both relative.
            assert slopes[index] == pytest.approx(slope, rel=1e-5, abs=1e-8), (which, index)


def test_an_event_of_intensity_zero_is_impossible():
    lagged = lagged_counts(bin_events([[1.0, 4.0]], end_time=5.0, delta=0.1), 10)
    options = {"kernel": TruncatedExponential(), "length": LENGTH}
    value, _ = log_likelihood(lagged, [0.0], [[0.5]], [[[1.0]]], **options)
    assert value == -np.inf


def estimator(name, **options):
    return LikelihoodEstimator(kernel=KERNELS[name][0], delta=0.02, kernel_length=LENGTH, **options)


@pytest.mark.parametrize("name", ["gaussian", "raised cosine", "exponential"])
def test_recovers_the_truth_as_least_squares_does(name):
    kernel, parameters = KERNELS[name]
    found, least_squares = [], []
    for seed in range(8):
        events = make_events(name, seed, end_time=2000.0)
        model = estimator(name).fit(events, 2000.0)
        other = HawkesEstimator(kernel=kernel, delta=0.02, kernel_length=LENGTH)
        other.fit(events, 2000.0)
        for each, into in ((model, found), (other, least_squares)):
            # The pair of weight 0.1 is left out: its kernel is barely determined.
            strong = [each.kernel_parameters_[name][:, 0] for name in kernel.names]
            into.append(np.concatenate([each.baseline_, each.adjacency_.ravel(), *strong]))
    truth = np.concatenate([BASELINE, ADJACENCY.ravel(), np.repeat(parameters, 2)])
    found, least_squares = np.array(found), np.array(least_squares)
    spread = found.std(axis=0, ddof=1)
    # Mean over 8 seeds: 4 standard errors, and the bias of the grid, up to half a step of lag.
    slack = 0.01 * np.maximum(1, np.abs(truth)) if name != "exponential" else 0.08 * truth
    np.testing.assert_array_less(np.abs(found.mean(0) - truth), 4 * spread / np.sqrt(8) + slack)
    # On the same events the two differ by less than a few sampling errors of either.
    error = np.hypot(spread, least_squares.std(axis=0, ddof=1))
    np.testing.assert_array_less(np.abs(found - least_squares).mean(0), 2 * error)


def test_ends_at_a_maximum_above_the_truth():
    events = make_events("gaussian", end_time=2000.0)
    model = estimator("gaussian").fit(events, 2000.0)
    assert model.converged_
    assert len(model.loss_curve_) == model.n_iter_ + 1
    assert np.all(np.diff(model.loss_curve_) <= 1e-12)
    assert model.loss_ == model.loss_curve_[-1]
    assert model.score(events, 2000.0) == pytest.approx(-model.loss_, rel=1e-12)
    options = {"kernel": model.kernel, "length": LENGTH}
    parameters = np.stack([model.kernel_parameters_[name] for name in ("mean", "sigma")])
    value, gradient = log_likelihood(
        model.lagged_, model.baseline_, model.adjacency_, parameters, **options
    )
    assert value == pytest.approx(-model.loss_, rel=1e-12)
    for slopes in gradient[:2]:  # no constraint is active here; tol is 1e-6
        assert np.abs(slopes).max() < 1e-5
    truth = np.broadcast_to(np.array(KERNELS["gaussian"][1])[:, None, None], (2, 2, 2))
    assert value > log_likelihood(model.lagged_, BASELINE, ADJACENCY, truth, **options)[0]


def test_expected_number_of_events_is_that_observed():
    # The likelihood of a receiver is stationary under a common factor of all its rates.
    events = make_events("raised cosine")
    times, intensity = (
        estimator("raised cosine", tol=1e-7).fit(events, 500.0).intensity(events, 500.0)
    )
    counts = [len(x) for x in events]
    np.testing.assert_allclose(times[1] * intensity.sum(axis=1), counts, rtol=1e-6)


def test_agrees_with_a_general_optimiser():
    # One process, exponential kernel: three parameters, on the dense sum.
    rng = np.random.default_rng(0)
    kernel = TruncatedExponential()
    options = {"length": LENGTH, "end_time": 500.0, "rng": rng}
    events = simulate([0.5], [[0.5]], kernel, [4.0], **options)
    model = estimator("exponential", tol=1e-7).fit(events, 500.0)
    binned = bin_events(events, end_time=500.0, delta=0.02)

    def loss(x):
        baseline, alpha, decay = np.exp(x)
        return -dense_log_likelihood(binned, [baseline], np.array([[alpha]]), [[[decay]]], kernel)

    direct = scipy.optimize.minimize(
        loss, np.log([1.0, 0.3, 2.0]), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-12}
    )
    found = [model.baseline_[0], model.adjacency_[0, 0], model.kernel_parameters_["decay"][0, 0]]
    np.testing.assert_allclose(found, np.exp(direct.x), rtol=1e-4)
    assert model.loss_ == pytest.approx(direct.fun, abs=1e-9)


def test_mask_holds_the_adjacency_at_zero():
    events = make_events("gaussian")
    mask = np.array([[False, False], [True, False]])
    model = estimator("gaussian", mask=mask).fit(events, 500.0)
    np.testing.assert_array_equal(model.adjacency_ > 0, mask)
    # Nothing acts on process 0: its rate is N / T on the grid of 25 001 points, and its part of
    # the likelihood that of a Poisson process.
    duration = 25_001 * 0.02
    assert model.baseline_[0] == pytest.approx(len(events[0]) / duration, rel=1e-12)
    assert model.score(events, 500.0) == pytest.approx(-model.loss_, rel=1e-12)
    alone = estimator("gaussian", mask=np.zeros((2, 2))).fit(events, 500.0)
    counts = np.array([len(times) for times in events])
    expected = counts @ (np.log(counts / duration) - 1) / counts.sum()
    assert -alone.loss_ == pytest.approx(expected, rel=1e-12)
    assert -model.loss_ > expected
    mask = np.array([[False, True], [False, True]])
    model = estimator("gaussian", mask=mask).fit(events, 500.0)
    np.testing.assert_array_equal(model.adjacency_ > 0, mask)
    assert model.score(events, 500.0) == pytest.approx(-model.loss_, rel=1e-12)


def test_standard_errors_are_the_spread_over_records():
    estimates, errors = [], []
    for seed in range(30):
        events = make_events("gaussian", seed, end_time=1000.0)
        model = estimator("gaussian", mask=[[1, 0], [1, 1]]).fit(events, 1000.0)
        found = model.standard_errors(events, 1000.0)
        assert np.isnan(found["adjacency"]).tolist() == [[False, True], [False, False]]
        kernel = model.kernel_parameters_
        fitted = {"baseline": model.baseline_, "adjacency": model.adjacency_, **kernel}
        for values, into in ((fitted, estimates), (found, errors)):
            strong = [values[name][:, 0] for name in ("adjacency", "mean", "sigma")]
            into.append(np.concatenate([values["baseline"], *strong]))
    spread = np.std(estimates, axis=0, ddof=1)
    # A deviation from 30 values is known to 13 %; four of those.
    np.testing.assert_allclose(np.median(errors, axis=0) / spread, 1, atol=4 * 0.13)


def test_standard_error_of_a_rate_by_hand():
    # Rate N / T of a Poisson process: sqrt(N) / T.
    events = make_events("gaussian")
    model = estimator("gaussian", mask=np.zeros((2, 2))).fit(events, 500.0)
    counts = np.array([len(times) for times in events])
    found = model.standard_errors(events, 500.0)["baseline"]
    np.testing.assert_allclose(found, np.sqrt(counts) / (25_001 * 0.02), rtol=1e-12)


def test_every_start_ends_in_the_same_place_on_easy_data():
    events = make_events("gaussian", end_time=2000.0)
    first = estimator("gaussian").fit(events, 2000.0)
    start = {"mean": 0.6, "sigma": 0.3}
    other = estimator("gaussian", start=start, n_starts=2, random_state=0).fit(events, 2000.0)
    # Gradients below 1e-6 of a loss whose curvature is above 1e-3: the loss is flat to 1e-9.
    assert other.loss_ == pytest.approx(first.loss_, abs=1e-8)
    again = clone(other).fit(events, 2000.0)
    np.testing.assert_array_equal(again.adjacency_, other.adjacency_)


def test_errors_are_those_of_the_least_squares_estimator():
    with pytest.raises(ValueError, match=r"kernel must be a Kernel, got 'gaussian'"):
        LikelihoodEstimator(kernel="gaussian", delta=0.02, kernel_length=1.0).fit([[1.0]], 10.0)
    with pytest.raises(ValueError, match=r"process 1 has no event"):
        estimator("gaussian").fit([[1.0], []], 10.0)
    with pytest.raises(ValueError, match=r"max_iter must be at least 1, got 0"):
        estimator("gaussian", max_iter=0).fit([[1.0]], 10.0)
    model = estimator("gaussian").fit(make_events("gaussian", end_time=100.0), 100.0)
    with pytest.raises(ValueError, match=r"events holds no event at all"):
        model.score([[], []], 100.0)
