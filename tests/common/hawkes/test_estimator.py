import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from common.hawkes.estimator import HawkesEstimator
from common.hawkes.grid import bin_events
from common.hawkes.kernels import (
    Kernel,
    Kumaraswamy,
    RaisedCosine,
    TruncatedExponential,
    TruncatedGaussian,
)
from common.hawkes.loss import l2_loss
from common.hawkes.simulation import simulate

# Kernel, lowest and highest of each parameter for length 1, power of time of each parameter.
FAMILIES = [
    (TruncatedGaussian(), [[0.2, 0.8], [0.08, 0.2]], [1, 1]),
    (RaisedCosine(), [[0.05, 0.4], [0.1, 0.3]], [1, 1]),
    (TruncatedExponential(), [[3.0, 12.0]], [-1]),
    (Kumaraswamy(), [[1.5, 4.0], [1.5, 5.0]], [0, 0]),
]


def random_model(family, n_processes, *, length=1.0, seed=0):
    """Parameters with every process acting on every one, of branching ratio 0.7."""
    kernel, box, powers = family
    rng = np.random.default_rng([seed, n_processes])
    adjacency = rng.uniform(0.3, 1, (n_processes, n_processes))
    adjacency *= 0.7 / np.abs(np.linalg.eigvals(adjacency)).max()
    baseline = rng.uniform(0.5, 1, n_processes) / length
    parameters = np.stack(
        [
            length**power * rng.uniform(*bounds, adjacency.shape)
            for bounds, power in zip(box, powers, strict=True)
        ]
    )
    return baseline, adjacency, kernel, parameters


def draw(model, *, length=1.0, end_time, seed=0):
    rng = np.random.default_rng(seed)
    return simulate(*model, length=length, end_time=end_time, rng=rng, burn_in=20 * length)


def bivariate(end_time=800.0):
    """One pair of processes and its events, for tests that need some fit."""
    model = random_model(FAMILIES[1], 2)
    return model, draw(model, end_time=end_time), end_time


def estimate(events, end_time, *, kernel, length=1.0, n_lags=100, **options):
    estimator = HawkesEstimator(
        kernel=kernel, delta=length / n_lags, kernel_length=length, **options
    )
    return estimator.fit(events, end_time)


def gradient_of(estimator):
    parameters = np.stack(list(estimator.kernel_parameters_.values()))
    return l2_loss(
        estimator.statistics_,
        estimator.baseline_,
        estimator.adjacency_,
        parameters,
        kernel=estimator.kernel,
        length=estimator.kernel_length,
    )


@pytest.mark.parametrize("length", [1.0, 2.5])
@pytest.mark.parametrize("n_processes", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_known_parameters_are_recovered(family, n_processes, length):
    baseline, adjacency, kernel, parameters = random_model(family, n_processes, length=length)
    end_time = 3000.0 * length
    model = baseline, adjacency, kernel, parameters
    events = draw(model, length=length, end_time=end_time)
    found = estimate(events, end_time, kernel=kernel, length=length)
    assert found.converged_
    errors = found.standard_errors(events, end_time)
    truth = dict(zip(kernel.names, parameters, strict=True))
    truth |= {"baseline": baseline, "adjacency": adjacency}
    estimates = found.kernel_parameters_ | {
        "baseline": found.baseline_,
        "adjacency": found.adjacency_,
    }
    for name, value in truth.items():
        # Four standard errors: at most 30 numbers a fit, and the seeds are fixed.
        assert np.all(np.abs(estimates[name] - value) < 4 * errors[name]), name


@pytest.mark.parametrize("n_processes", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_start_from_moments_is_as_good_as_a_start_from_the_truth(family, n_processes):
    for seed in range(3):
        model = random_model(family, n_processes, seed=seed)
        kernel, parameters = model[2:]
        events = draw(model, end_time=1500.0, seed=seed)
        moments = estimate(events, 1500.0, kernel=kernel)
        oracle = estimate(
            events, 1500.0, kernel=kernel, start=dict(zip(kernel.names, parameters, strict=True))
        )
        # What one parameter gains by chance: see `tol`.
        chance = moments.statistics_.n_events.max() / moments.statistics_.duration
        assert (moments.loss_ - oracle.loss_) * moments.statistics_.n_events.sum() < 0.1 * chance


@pytest.mark.parametrize("family", FAMILIES)
def test_no_slope_is_left_at_the_estimate(family):
    model = random_model(family, 2)
    found = estimate(draw(model, end_time=1000.0), 1000.0, kernel=model[2])
    loss, (by_baseline, by_adjacency, by_parameters) = gradient_of(found)
    assert loss == pytest.approx(found.loss_, rel=1e-12)
    np.testing.assert_allclose(by_baseline, 0, atol=1e-10)  # solved exactly
    np.testing.assert_allclose(by_adjacency, 0, atol=1e-10)
    # tol times the gain (below 10 Hz an event), by a parameter's share of its interval.
    width = np.ptp(model[2].bounds(1.0, 0.01), axis=1)[:, None, None]
    assert np.all(np.abs(by_parameters * np.minimum(width, 1)) < 1e-4)


def test_expected_number_of_events_is_the_observed_one():
    # The slope by the baseline is zero: delta sum lambda_i = N_i, with the edges of the record.
    _, events, end_time = bivariate(100.0)
    found = estimate(events, end_time, kernel=RaisedCosine())
    times, intensity = found.intensity(events, end_time)
    assert intensity.shape == (2, len(times)) == (2, 10_001)
    assert times[-1] == pytest.approx(end_time)
    np.testing.assert_allclose(0.01 * intensity.sum(1), [len(t) for t in events], rtol=1e-9)


def test_intensity_is_baseline_plus_kernels_of_past_events():
    _, events, end_time = bivariate(60.0)
    found = estimate(events, end_time, kernel=RaisedCosine())
    times, intensity = found.intensity(events, end_time)
    binned = bin_events(events, end_time=end_time, delta=0.01)
    expected = np.tile(found.baseline_[:, None], len(times))
    for j, (bins, counts) in enumerate(zip(binned.bins, binned.counts, strict=True)):
        for point, count in zip(bins, counts, strict=True):
            kernels = found.kernel_values(times - times[point])[:, j]
            expected += count * np.where(times > times[point] + 1e-9, kernels, 0)
    # The kernels have unit mass on the grid here, in continuous time there.
    np.testing.assert_allclose(intensity, expected, rtol=2e-3)


def test_intensity_at_some_times_is_exact_in_continuous_time():
    _, events, end_time = bivariate(60.0)
    found = estimate(events, end_time, kernel=RaisedCosine())
    at = np.array([30.001, 10.0, 59.5])
    times, intensity = found.intensity(events, end_time, at=at)
    np.testing.assert_array_equal(times, at)
    expected = np.tile(found.baseline_[:, None], 3)
    for j, sources in enumerate(events):
        lags = np.subtract.outer(at, sources)
        values = found.kernel_values(lags.ravel())[:, j].reshape(2, *lags.shape)
        expected += np.where(lags > 0, values, 0).sum(-1)
    np.testing.assert_allclose(intensity, expected, rtol=1e-10)


def test_residuals_add_up_to_the_expected_number_of_events():
    _, events, end_time = bivariate(400.0)
    found = estimate(events, end_time, kernel=RaisedCosine())
    intervals = found.residuals(events, end_time)
    assert [len(each) for each in intervals] == [len(times) for times in events]
    # The fit expects as many events as there were, and hardly any after the last one.
    np.testing.assert_allclose(
        [each.sum() for each in intervals], [len(t) for t in events], rtol=0.02
    )


def test_a_fit_simulates_records_that_lead_to_it_again():
    _, events, end_time = bivariate(4000.0)
    found = estimate(events, end_time, kernel=RaisedCosine())
    again = found.simulate(end_time, rng=np.random.default_rng(8))
    refitted = estimate(again, end_time, kernel=RaisedCosine())
    errors = found.standard_errors(events, end_time)
    difference = np.abs(refitted.adjacency_ - found.adjacency_)
    assert np.all(difference < 5 * errors["adjacency"])
    same = found.simulate(50.0, rng=np.random.default_rng(8))
    np.testing.assert_array_equal(same[1], found.simulate(50.0, rng=np.random.default_rng(8))[1])


def test_score_is_minus_the_loss_and_prefers_the_true_family():
    model, events, end_time = bivariate()
    found = estimate(events, end_time, kernel=RaisedCosine())
    assert found.score(events, end_time) == pytest.approx(-found.loss_, rel=1e-12)
    other = draw(model, end_time=800.0, seed=1)
    wrong = estimate(events, end_time, kernel=TruncatedExponential())
    assert found.score(other, 800.0) > wrong.score(other, 800.0)
    assert np.isfinite(found.score([other[0], []], 800.0))


def test_kernel_values_integrate_to_the_adjacency():
    _, events, end_time = bivariate(200.0)
    found = estimate(events, end_time, kernel=RaisedCosine())
    lags = np.linspace(0, 1, 4001)
    values = found.kernel_values(lags)
    assert values.shape == (2, 2, 4001)
    # Trapezoid rule, step 2.5e-4 against a kernel of 0.1.
    np.testing.assert_allclose(np.trapezoid(values, lags), found.adjacency_, rtol=1e-5)


def test_order_of_processes_does_not_matter():
    model = random_model(FAMILIES[0], 3)
    events = draw(model, end_time=500.0)
    order = [2, 0, 1]
    one = estimate(events, 500.0, kernel=model[2])
    other = estimate([events[i] for i in order], 500.0, kernel=model[2])
    # Sums run in another order; the search stops at tol, of which this is the square root.
    np.testing.assert_allclose(other.baseline_, one.baseline_[order], rtol=1e-3)
    np.testing.assert_allclose(
        other.adjacency_, one.adjacency_[np.ix_(order, order)], rtol=1e-3, atol=1e-4
    )
    for name, values in one.kernel_parameters_.items():
        np.testing.assert_allclose(
            other.kernel_parameters_[name], values[np.ix_(order, order)], rtol=1e-3
        )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("unit", [1000.0, 1024.0])
def test_unit_of_time_does_not_matter(family, unit):
    kernel, _, powers = family
    model = random_model(family, 2)
    events = draw(model, end_time=500.0)
    seconds = estimate(events, 500.0, kernel=kernel)
    scaled = [unit * times for times in events]
    other = estimate(scaled, 500 * unit, kernel=kernel, length=unit)
    if unit == 1024:  # a power of two: no number is rounded in another way, so no step differs
        assert other.n_iter_ == seconds.n_iter_
    np.testing.assert_allclose(unit * other.baseline_, seconds.baseline_, rtol=1e-6)
    np.testing.assert_allclose(other.adjacency_, seconds.adjacency_, rtol=1e-6)
    for name, power in zip(kernel.names, powers, strict=True):
        np.testing.assert_allclose(
            other.kernel_parameters_[name] / unit**power,
            seconds.kernel_parameters_[name],
            rtol=1e-5,
        )


def test_direction_of_an_effect_is_found():
    # Process 1 follows process 0 after 0.3 s. With lags of the wrong sign, 0 would follow 1.
    rng = np.random.default_rng(0)
    first = np.sort(rng.uniform(0, 2000, 1500))
    second = np.sort(first[:1000] + rng.normal(0.3, 0.03, 1000))
    found = estimate([first, second[second < 2000]], 2000.0, kernel=TruncatedGaussian())
    assert found.adjacency_[1, 0] == pytest.approx(2 / 3, abs=0.06)
    assert found.adjacency_[0, 1] < 0.06  # at most chance, of order 1 / sqrt(1000)
    assert found.kernel_parameters_["mean"][1, 0] == pytest.approx(0.3, abs=0.005)
    assert found.kernel_parameters_["sigma"][1, 0] == pytest.approx(0.03, abs=0.005)


def test_masked_pairs_have_no_effect_and_the_others_are_fitted_as_alone():
    _, events, end_time = bivariate()
    mask = np.array([[True, False], [True, True]])
    found = estimate(events, end_time, kernel=RaisedCosine(), mask=mask)
    free = estimate(events, end_time, kernel=RaisedCosine())
    alone = estimate(events[:1], end_time, kernel=RaisedCosine())
    assert found.adjacency_[0, 1] == 0 and np.all(found.adjacency_[mask] > 0)
    np.testing.assert_allclose(found.adjacency_[1], free.adjacency_[1], rtol=1e-4)
    assert found.baseline_[0] == pytest.approx(alone.baseline_[0], rel=1e-4)
    assert found.adjacency_[0, 0] == pytest.approx(alone.adjacency_[0, 0], rel=1e-4)
    assert np.isfinite(found.kernel_parameters_["u"]).all()


def test_without_any_effect_allowed_the_baseline_is_the_rate():
    _, events, end_time = bivariate(50.0)
    found = estimate(events, end_time, kernel=RaisedCosine(), mask=np.zeros((2, 2)))
    np.testing.assert_allclose(found.baseline_, [len(t) / 50.01 for t in events], rtol=1e-12)
    assert not found.adjacency_.any() and found.converged_ and found.n_iter_ == 0
    assert found.loss_ == pytest.approx(gradient_of(found)[0], rel=1e-12)


def test_without_an_effect_kernels_stay_at_their_start():
    # No pair within the support: the adjacency is zero whatever the kernel.
    found = estimate(
        [np.arange(0.0, 200.0, 2.0)],
        200.0,
        kernel=TruncatedGaussian(),
        start={"mean": 0.3, "sigma": 0.1},
    )
    assert found.adjacency_.item() == 0 and found.converged_
    assert found.kernel_parameters_["mean"].item() == pytest.approx(0.3)
    assert found.kernel_parameters_["sigma"].item() == pytest.approx(0.1)


def test_poisson_events_give_hardly_any_effect():
    events = [np.sort(np.random.default_rng(s).uniform(0, 5000, 5000)) for s in range(2)]
    found = estimate(events, 5000.0, kernel=TruncatedGaussian())
    # A free kernel picks the best of some ten windows of chance, each of sd 1 / sqrt(5000).
    assert found.adjacency_.max() < 5 / np.sqrt(5000)


def test_loss_falls_along_the_curve():
    _, events, end_time = bivariate()
    found = estimate(events, end_time, kernel=RaisedCosine(), start="random", random_state=3)
    assert len(found.loss_curve_) == found.n_iter_ + 1 > 3
    # One receiver may stop before the other; equal values differ by the rounding of sums over the
    # grid, a hundred units in the last place.
    slack = 100 * np.finfo(float).eps * np.abs(found.loss_curve_).max()
    assert np.all(np.diff(found.loss_curve_) <= slack)
    assert found.loss_curve_[-1] == found.loss_


def test_more_starts_are_never_worse_and_are_drawn_from_the_seed():
    _, events, end_time = bivariate(100.0)
    options = {"kernel": RaisedCosine(), "start": "random"}
    one = estimate(events, end_time, random_state=0, **options)
    many = estimate(events, end_time, random_state=0, n_starts=4, **options)
    again = estimate(events, end_time, random_state=0, n_starts=4, **options)
    assert many.loss_ <= one.loss_
    np.testing.assert_array_equal(many.adjacency_, again.adjacency_)
    other = estimate(events, end_time, random_state=1, **options)
    assert other.loss_curve_[0] != one.loss_curve_[0]


def test_warm_start_is_at_its_goal():
    _, events, end_time = bivariate()
    first = estimate(events, end_time, kernel=RaisedCosine())
    second = estimate(events, end_time, kernel=RaisedCosine(), start=first.kernel_parameters_)
    assert second.n_iter_ <= 2
    np.testing.assert_allclose(second.adjacency_, first.adjacency_, rtol=1e-3)


def test_toeplitz_estimate_tends_to_the_exact_one():
    model = random_model(FAMILIES[0], 1)
    for end_time in (100.0, 10_000.0):
        events = draw(model, end_time=end_time)
        exact, toeplitz = (
            estimate(events, end_time, kernel=model[2], exact=e).adjacency_.item()
            for e in (True, False)
        )
        # One kernel's length of response too much, in a record of end_time lengths.
        assert 0 < abs(exact - toeplitz) < 3 / end_time


def test_a_kernel_with_a_value_alone_is_fitted():
    class Step(Kernel):
        names = ("age", "softness")

        def bounds(self, length, delta):
            return np.array([[2 * delta, length], [delta, length / 4]])

        def value(self, times, parameters, *, length):
            age, width = self.columns(parameters)
            area = np.logaddexp(0, age / width) - np.logaddexp(0, (age - length) / width)
            inside = (times >= 0) & (times <= length)
            return inside * np.exp(-np.logaddexp(0, (times - age) / width)) / (width * area)

    rng = np.random.default_rng(0)
    parents = np.sort(rng.uniform(0, 3000, 3000))
    children = np.sort(parents[:2000] + Step().sample(2000, [0.4, 0.05], length=1.0, rng=rng))
    mask = [[0, 0], [1, 0]]
    found = estimate(
        [parents, children[children < 3000]], 3000.0, kernel=Step(), mask=mask, n_lags=50
    )
    assert found.converged_
    assert found.kernel_parameters_["age"][1, 0] == pytest.approx(0.4, abs=0.02)
    assert found.kernel_parameters_["softness"][1, 0] == pytest.approx(0.05, abs=0.02)
    assert found.adjacency_[1, 0] == pytest.approx(2 / 3, abs=0.06)


def test_repeated_fits_and_clones_agree():
    _, events, end_time = bivariate(100.0)
    found = estimate(events, end_time, kernel=RaisedCosine())
    again = clone(found).fit(events, end_time)
    np.testing.assert_array_equal(found.adjacency_, again.adjacency_)
    assert found.get_params()["kernel"] == RaisedCosine()
    assert "delta=0.01" in repr(found)


def test_a_search_that_stops_early_warns():
    _, events, end_time = bivariate(100.0)
    with pytest.warns(
        ConvergenceWarning, match=r"receiver \d stopped after 1 iterations .*max_iter=1"
    ):
        found = estimate(events, end_time, kernel=RaisedCosine(), max_iter=1, start="random")
    assert not found.converged_ and found.n_iter_ == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimate(events, end_time, kernel=RaisedCosine())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"kernel": "exp"}, r"kernel must be a Kernel, got 'exp'. Pass an instance"),
        ({"kernel": RaisedCosine}, r"kernel must be a Kernel, got <class"),
        ({"delta": 0.5}, r"delta=0.5 s is too coarse for kernel_length=1 s"),
        ({"kernel_length": 11.0}, r"kernel_length=11 s exceeds the record, end_time=10 s"),
        ({"mask": [[1, 0]]}, r"mask must have shape \(2, 2\), one row a receiver, got \(1, 2\)"),
        ({"mask": [[0.5, 0], [0, 1]]}, r"mask must hold True and False only, got \[\[0.5"),
        ({"start": "zeros"}, r"start must be \"moments\", \"random\" or a dict, got 'zeros'"),
        ({"start": {"u": 0.1}}, r"start must have the kernel's parameters \['u', 'sigma'\], got"),
        (
            {"start": {"u": [0.1, 0.2], "sigma": 0.1}},
            r"start\['u'\] must be a finite number or an array of shape \(2, 2\), got \[0.1, 0.2\]",
        ),
        ({"n_starts": 0}, r"n_starts must be at least 1, got 0"),
        ({"n_starts": 1.5}, r"n_starts must be a whole number, got 1\.5"),
        ({"max_iter": 0}, r"max_iter must be at least 1, got 0"),
        ({"tol": 0.0}, r"tol must be above 0, got 0.0"),
    ],
)
def test_errors_of_options_name_the_value(options, message):
    arguments = {"kernel": RaisedCosine(), "delta": 0.05, "kernel_length": 1.0, **options}
    with pytest.raises((TypeError, ValueError), match=message):
        HawkesEstimator(**arguments).fit([[1.0, 2.0], [3.0]], 10.0)


def test_errors_of_events_and_bounds_name_the_value():
    estimator = HawkesEstimator(kernel=RaisedCosine(), delta=0.05, kernel_length=1.0)
    with pytest.raises(NotFittedError):
        estimator.score([[1.0]], 10.0)
    with pytest.raises(NotFittedError):
        estimator.simulate(10.0, rng=np.random.default_rng(0))
    with pytest.raises(NotFittedError):
        estimator.residuals([[1.0]], 10.0)
    with pytest.raises(ValueError, match=r"process 1 are not sorted: event 1 at 1 s follows 2 s"):
        estimator.fit([[1.0], [2.0, 1.0]], 10.0)
    estimator.fit([[1.0, 2.0, 2.4], [3.0]], 10.0)
    with pytest.raises(ValueError, match=r"events holds 1 process\(es\), the fit had 2"):
        estimator.intensity([[1.0]], 10.0)
    with pytest.raises(ValueError, match=r"events holds no event at all"):
        estimator.score([[], []], 10.0)

    class Inverted(TruncatedExponential):
        def bounds(self, length, delta):
            return np.array([[2.0, 1.0]])

    with pytest.raises(ValueError, match=r"must bound each of \['decay'\] .* got \[\[2.0, 1.0\]\]"):
        HawkesEstimator(kernel=Inverted(), delta=0.05, kernel_length=1.0).fit([[1.0]], 10.0)
