import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from common.hawkes.estimator import HawkesEstimator
from common.hawkes.grid import bin_events
from common.hawkes.kernels import TruncatedExponential, TruncatedGaussian, discretise
from common.hawkes.loss import l2_loss
from common.hawkes.marked import MarkedHawkesEstimator, marked_compensator, marked_intensity
from common.hawkes.marked_pairs import MarkedPairs, dense_intensity, structured_loss
from common.hawkes.marks import DENSITIES, simulate_marked
from common.hawkes.statistics import precompute
from common.workflow import memory

KERNEL = TruncatedGaussian()
GRID = {"end_time": 17.3, "delta": 0.1, "kernel_length": 1.0}
SEARCH = {"kernel": KERNEL, "delta": 0.01, "kernel_length": 1.0}


def marked_events(n_processes, seed=0, unit=False):
    """Events of which some share a bin, and many lie near the end of the record."""
    rng = np.random.default_rng([seed, n_processes])
    events = []
    for _ in range(n_processes):
        times = rng.uniform(0, 17.3, 40)
        times = np.sort([*times, *times[:5], *rng.uniform(16.3, 17.3, 8), 0.0, 17.3])
        events.append(np.column_stack([times, rng.random(len(times))]))
        if unit:
            events[-1][:, 1] = 1
    return events


def parameters(n_processes, seed=0):
    rng = np.random.default_rng([seed, n_processes, 1])
    shape = (n_processes, n_processes)
    baseline, adjacency = rng.uniform(0.1, 1, n_processes), rng.uniform(0, 1, shape)
    theta = np.stack([rng.uniform(0.1, 0.9, shape), rng.uniform(0.1, 0.4, shape)])
    return baseline, adjacency, theta


def on_grid(adjacency, theta):
    return adjacency[..., None] * discretise(KERNEL, theta, length=1.0, delta=0.1)


def direct_intensity(z, baseline, phi):
    intensity = np.tile(baseline[:, None], z.shape[1])
    for s in range(z.shape[1]):
        for tau in range(1, min(s, phi.shape[-1]) + 1):
            intensity[:, s] += phi[:, :, tau - 1] @ z[:, s - tau]
    return intensity


def simulated(end_time=1000.0, seed=0, adjacency=0.9):
    options = {"length": 1.0, "end_time": end_time, "rng": np.random.default_rng(seed)}
    return simulate_marked([0.8], [[adjacency]], KERNEL, [0.5, 0.1], **options)[0]


@pytest.mark.parametrize("name", DENSITIES)
@pytest.mark.parametrize("n_processes", [1, 3])
def test_loss_is_the_direct_sum_on_the_grid(n_processes, name):
    density = DENSITIES[name]
    baseline, adjacency, theta = parameters(n_processes)
    phi = on_grid(adjacency, theta)
    pairs = MarkedPairs.from_events(marked_events(n_processes), **GRID)
    targets = density.value(pairs.marks)
    z, y = np.zeros((2, n_processes, 174))
    np.add.at(z, (pairs.process, pairs.bins), pairs.marks)
    np.add.at(y, (pairs.process, pairs.bins), targets)
    h = direct_intensity(z, baseline, phi)
    expected = density.square * 0.1 * np.sum(h**2) - 2 * np.sum(h * y)
    statistics = pairs.statistics(pairs.marks, targets, density.square)
    found = structured_loss(statistics, baseline, phi, density.square)
    assert found == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(dense_intensity(pairs.dense(pairs.marks), baseline, phi), h)


@pytest.mark.parametrize("n_processes", [1, 3])
def test_with_unit_marks_the_loss_is_the_unmarked_one(n_processes):
    events = marked_events(n_processes, unit=True)
    baseline, adjacency, theta = parameters(n_processes)
    pairs = MarkedPairs.from_events(events, **GRID)
    ones = np.ones(pairs.n_events)
    marked = pairs.statistics(ones, ones)
    binned = bin_events([each[:, 0] for each in events], end_time=17.3, delta=0.1)
    unmarked = precompute(binned, n_lags=10)
    for name in ("correlation", "after", "tail", "n_events", "pairs"):
        np.testing.assert_allclose(getattr(marked, name), getattr(unmarked, name))
    expected, _ = l2_loss(unmarked, baseline, adjacency, theta, kernel=KERNEL, length=1.0)
    found = structured_loss(marked, baseline, on_grid(adjacency, theta))
    assert found / pairs.n_events == pytest.approx(expected, rel=1e-10)


def test_with_unit_marks_the_fit_is_the_unmarked_one():
    (events,) = simulated(300.0)
    events[:, 1] = 1
    marked = MarkedHawkesEstimator(**SEARCH, density="uniform").fit([events], 300.0)
    plain = HawkesEstimator(**SEARCH).fit([events[:, 0]], 300.0)
    assert marked.loss_ == pytest.approx(plain.loss_)
    # Both searches end where the relative gradient is below 1e-5.
    assert marked.adjacency_[0, 0] == pytest.approx(plain.adjacency_[0, 0], rel=1e-3)
    assert marked.kernel_parameters_["mean"] == pytest.approx(
        plain.kernel_parameters_["mean"], rel=1e-3
    )


def test_join_undoes_split():
    pairs = MarkedPairs.from_events(marked_events(3), **GRID)
    values = np.arange(pairs.n_events)
    np.testing.assert_array_equal(pairs.join(pairs.split(values)), values)
    for each, part in zip(pairs.split(pairs.marks), marked_events(3), strict=True):
        np.testing.assert_array_equal(each, part[:, 1])


def test_parameters_of_two_processes_are_recovered():
    baseline, adjacency = [0.4, 0.6], np.array([[0.6, 0.4], [0.0, 0.8]])
    options = {"length": 1.0, "end_time": 4000.0, "rng": np.random.default_rng(0)}
    events, _ = simulate_marked(baseline, adjacency, KERNEL, [0.5, 0.1], **options)
    found = MarkedHawkesEstimator(**SEARCH).fit(events, 4000.0)
    # Standard errors at T = 4000 s are about 0.03: some of them.
    np.testing.assert_allclose(found.baseline_, baseline, atol=0.12)
    np.testing.assert_allclose(found.adjacency_, adjacency, atol=0.12)
    assert found.kernel_parameters_["mean"][adjacency > 0] == pytest.approx(0.5, abs=0.05)


def test_residuals_of_the_true_model_are_exponential():
    p_values = []
    for seed in range(200):
        events = simulated(50.0, seed=seed)
        args = ([0.8], np.array([[0.9]]), KERNEL, np.full((2, 1, 1), [[[0.5]], [[0.1]]]))
        spent = marked_compensator([events[0][:, 0]], events, *args, length=1.0)
        p_values.append(scipy.stats.kstest(np.diff(spent[0], prepend=0), "expon").pvalue)
    assert scipy.stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_compensator_is_the_integral_of_the_intensity():
    events = marked_events(2)
    baseline, adjacency, theta = parameters(2)
    times = np.linspace(0, 5, 50_001)
    args = (events, baseline, adjacency, KERNEL, theta)
    rates = marked_intensity([times, times], *args, length=1.0)
    spent = marked_compensator([times, times], *args, length=1.0)
    for rate, each in zip(rates, spent, strict=True):
        # Kernels jump at their cut ends, so a step of 1e-4 s leaves an error of the order 1e-3.
        assert each[-1] == pytest.approx(scipy.integrate.trapezoid(rate, times), rel=1e-3)


def test_likelihood_of_a_constant_intensity_has_a_closed_form():
    rng = np.random.default_rng(0)
    events = np.column_stack([np.sort(rng.uniform(0, 100, 50)), rng.random(50)])
    estimator = MarkedHawkesEstimator(**SEARCH, mask=[[0]]).fit([events], 100.0)
    rate = estimator.baseline_[0]
    # All marks count: f_h = 2k in the loss and in the likelihood.
    assert rate == pytest.approx(np.sum(2 * events[:, 1]) / (4 / 3 * 100.01))
    expected = np.log(rate) + np.mean(np.log(2 * events[:, 1])) - 100 * rate / 50
    assert estimator.log_likelihood([events], 100.0) == pytest.approx(expected)


def test_the_true_parameters_have_the_highest_likelihood_nearby():
    events = simulated(20_000.0)
    estimator = MarkedHawkesEstimator(**SEARCH).fit(events, 20_000.0)
    estimator.baseline_ = np.array([0.8])
    estimator.kernel_parameters_ = {"mean": np.array([[0.5]]), "sigma": np.array([[0.1]])}
    found = []
    for adjacency in (0.7, 0.9, 1.1):
        estimator.adjacency_ = np.array([[adjacency]])
        found.append(estimator.log_likelihood(events, 20_000.0))
    assert found[1] > max(found[0], found[2])


def test_score_of_the_fitted_events_is_minus_the_loss():
    events = simulated(200.0)
    estimator = MarkedHawkesEstimator(**SEARCH).fit(events, 200.0)
    assert estimator.score(events, 200.0) == pytest.approx(-estimator.loss_)
    times, rates = estimator.intensity(events, 200.0)
    assert rates.shape == (1, len(times)) and rates.min() >= 0.99 * estimator.baseline_[0]
    (intervals,) = estimator.residuals(events, 200.0)
    assert len(intervals) == len(events[0])
    # The residuals are the intensity, integrated; between events it is smooth.
    at = np.linspace(0, events[0][1, 0], 20_001)
    _, (exact,) = estimator.intensity(events, 200.0, at=at)
    assert intervals[:2].sum() == pytest.approx(scipy.integrate.trapezoid(exact, at), rel=1e-3)


def test_a_fit_can_be_simulated():
    estimator = MarkedHawkesEstimator(**SEARCH).fit(simulated(1000.0), 1000.0)
    (again,) = estimator.simulate(1000.0, rng=np.random.default_rng(1))
    assert again.shape[1] == 2
    rate = estimator.baseline_[0] / (1 - 2 / 3 * estimator.adjacency_[0, 0])
    # The variance of a Hawkes count is that of a Poisson one over (1 - ratio)^2.
    deviation = np.sqrt(1000 * rate) / (1 - 2 / 3 * estimator.adjacency_[0, 0])
    assert len(again) == pytest.approx(1000 * rate, abs=5 * deviation)


def test_a_source_whose_events_have_mark_0_acts_on_nobody():
    (events,) = simulated(200.0)
    silent = np.column_stack([np.linspace(1, 199, 100), np.zeros(100)])
    found = MarkedHawkesEstimator(**SEARCH).fit([events, silent], 200.0)
    assert np.all(found.adjacency_[:, 1] == 0)
    assert found.baseline_[1] == 0  # f_h(0) = 0: there is no reason for such events


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density": "flat"}, "density of the marks must be one of linear"),
        ({"kernel": "gaussian"}, "kernel must be a Kernel, got 'gaussian'"),
        ({"delta": 0.5}, "too coarse"),
        ({"mask": [[1, 0]]}, r"mask must have shape \(1, 1\)"),
        ({"kernel_length": 300.0}, "exceeds the record"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        MarkedHawkesEstimator(**SEARCH | options).fit(simulated(200.0), 200.0)


def test_other_events_must_fit_the_estimate():
    events = simulated(200.0)
    estimator = MarkedHawkesEstimator(**SEARCH).fit(events, 200.0)
    with pytest.raises(ValueError, match=r"events holds 2 process\(es\), the fit had 1"):
        estimator.score([*events, *events], 200.0)
    with pytest.raises(ValueError, match="no event at all"):
        estimator.score([np.zeros((0, 2))], 200.0)


def test_more_pairs_than_memory_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: (0.001, "this test"))
    with pytest.raises(ValueError, match="pairs of events within 1 s"):
        MarkedPairs.from_events(marked_events(1), **GRID)


def test_an_exponential_kernel_is_recovered():
    options = {"length": 2.0, "end_time": 3000.0, "rng": np.random.default_rng(2)}
    events, _ = simulate_marked([0.5], [[0.9]], TruncatedExponential(), [3.0], **options)
    search = SEARCH | {"kernel": TruncatedExponential(), "kernel_length": 2.0}
    found = MarkedHawkesEstimator(**search).fit(events, 3000.0)
    assert found.adjacency_[0, 0] == pytest.approx(0.9, abs=0.12)
    assert found.kernel_parameters_["decay"][0, 0] == pytest.approx(3.0, abs=0.5)
