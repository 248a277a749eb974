"""The estimator in the plane and in time: recovery of the truth, errors, bad input."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from common.hawkes.kernels import Kumaraswamy, TruncatedExponential, TruncatedGaussian
from common.hawkes.space_time import SpaceTimeHawkes
from common.hawkes.space_time_kernels import IsotropicGaussian, PowerLaw
from common.hawkes.space_time_model import Omori, SpaceTimeModel, constant

WHERE = {"region": [[-5, 5], [-4, 4]], "space_length": 1.0, "time_length": 1.0}
GRID = {"space_delta": 0.1, "time_delta": 0.1}
KERNELS = IsotropicGaussian(), TruncatedGaussian()
END = 20.0


def process(baseline=0.4, adjacency=0.6, kernels=KERNELS, theta=([0.0, 0.15], [0.5, 0.15])):
    return SpaceTimeModel([baseline], [[adjacency]], *kernels, *theta, **WHERE)


def estimator(kernels=KERNELS, **options):
    return SpaceTimeHawkes(*kernels, **(WHERE | GRID | options))


@pytest.fixture(scope="module")
def events():
    return process().simulate(END, rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def fitted(events):
    return estimator().fit(events, END)


def estimates(found):
    theta = found.model_.space_parameters.ravel(), found.model_.time_parameters.ravel()
    return np.concatenate([found.baseline_.ravel(), found.adjacency_.ravel(), *theta])


def errors_of(errors):
    named = [*errors["space"].values(), *errors["time"].values()]
    return np.concatenate(
        [errors["baseline"].ravel(), errors["adjacency"].ravel(), *named], axis=None
    )


@pytest.mark.parametrize(
    ("kernels", "theta"),
    [
        (KERNELS, ([0.0, 0.15], [0.5, 0.15])),
        ((PowerLaw(centred=True), Kumaraswamy()), ([0.05], [2.0, 2.0])),
        ((IsotropicGaussian(), TruncatedExponential()), ([0.2, 0.2], [3.0])),
    ],
)
def test_truth_is_recovered(kernels, theta):
    truth = process(kernels=kernels, theta=theta)
    events = truth.simulate(END, rng=np.random.default_rng(3))
    fine = {"space_delta": 0.05, "time_delta": 0.05}
    found = estimator(kernels, **fine).fit(events, END)
    assert found.converged_
    wanted = np.concatenate([[0.4, 0.6], *theta])
    # Four standard errors, and what a step of 0.05 adds to a width: its variance is step^2 / 6.
    allowed = 4 * errors_of(found.standard_errors(events, END)) + 0.05 * np.abs(wanted)
    assert np.all(np.abs(estimates(found) - wanted) < allowed)


def test_two_processes_are_told_apart():
    truth = SpaceTimeModel(
        [0.4, 0.3], [[0.0, 0.5], [0.4, 0.2]], *KERNELS, [0.0, 0.15], [0.5, 0.15], **WHERE
    )
    events = truth.simulate(END, rng=np.random.default_rng(0))
    found = estimator().fit(events, END)
    errors = found.standard_errors(events, END)
    assert np.all(np.abs(found.adjacency_ - truth.adjacency) < 4 * errors["adjacency"] + 0.03)
    assert np.all(np.abs(found.baseline_[:, 0] - [0.4, 0.3]) < 4 * errors["baseline"][:, 0] + 0.02)
    exciting = truth.adjacency > 0
    assert found.time_parameters_["mean"][exciting] == pytest.approx(0.5, abs=0.1)


def test_standard_errors_are_the_spread_over_records():
    found, errors = [], []
    for seed in range(30):
        events = process().simulate(10.0, rng=np.random.default_rng([seed, 1]))
        fit = estimator(space_delta=0.2, time_delta=0.2, n_candidates=8).fit(events, 10.0)
        found.append(estimates(fit))
        errors.append(errors_of(fit.standard_errors(events, 10.0)))
    ratio = np.mean(errors, axis=0) / np.std(found, axis=0, ddof=1)
    # The spread of 30 records is known to 13 %: three times that.
    assert np.all(np.abs(np.log(ratio)) < 0.39)


def test_parameters_of_kernels_without_effect_have_no_error():
    # Events on a lattice, further apart than the kernel reaches within its time.
    t, x = np.arange(40) / 2, np.tile([-4.0, -1.5, 1.0, 3.5], 10)
    points = np.column_stack([t + 0.1, x, np.repeat([-3.0, 3.0], 20)])
    found = estimator().fit([points], END)
    assert found.adjacency_[0, 0] == 0
    errors = found.standard_errors([points], END)
    assert np.isnan(errors["space"]["sigma"]).all()
    assert np.isfinite(errors["baseline"]).all()


def test_score_is_minus_the_loss_of_the_fit(fitted, events):
    assert fitted.score(events, END) == pytest.approx(-fitted.loss_, rel=1e-10)


def test_no_other_parameters_have_a_lower_loss(fitted, events):
    rng = np.random.default_rng(0)
    theta = np.concatenate([fitted.model_.space_parameters, fitted.model_.time_parameters])[:, 0]
    best = fitted.loss_and_gradient(fitted.statistics_, 0, theta)[0]
    for _ in range(10):
        other = theta + 0.02 * rng.standard_normal(theta.shape)
        assert fitted.loss_and_gradient(fitted.statistics_, 0, other)[0] > best


def test_a_start_leads_to_the_same_fit(fitted, events):
    start = {"space": {"mean": 0.1, "sigma": 0.3}, "time": {"mean": 0.4, "sigma": 0.3}}
    found = estimator(start=start).fit(events, END)
    # Both stop where the relative gradient is below tol; errors of estimates are 100 times that.
    np.testing.assert_allclose(estimates(found), estimates(fitted), rtol=1e-2, atol=2e-3)


def test_shifted_and_exchanged_axes_have_the_same_fit(fitted, events):
    turned = [events[0][:, [0, 2, 1]] + [0, 2, 1]]
    found = estimator(region=[[-2, 6], [-4, 6]]).fit(turned, END)
    # Rounding may move an event to the next cell; else they are equal.
    np.testing.assert_allclose(estimates(found), estimates(fitted), rtol=1e-2, atol=2e-3)


def test_ignoring_borders_lowers_the_adjacency():
    shifts = []
    for seed in range(6):
        events = process().simulate(6.0, rng=np.random.default_rng([seed, 2]))
        exact, rough = (
            estimator(exact=e).fit(events, 6.0).adjacency_.item() for e in (True, False)
        )
        shifts.append(rough - exact)
    # What lies beyond the end is taken for effect that did not come.
    assert np.mean(shifts) < -3 * np.std(shifts) / np.sqrt(6)


def test_a_decaying_background_is_recovered():
    truth = SpaceTimeModel(
        [[0.1, 1.0]],
        [[0.5]],
        *KERNELS,
        [0.0, 0.15],
        [0.5, 0.15],
        backgrounds=[constant, Omori(0.5)],
        **WHERE,
    )
    events = truth.simulate(END, rng=np.random.default_rng(0))
    found = estimator(backgrounds=[constant, Omori(0.5)]).fit(events, END)
    errors = found.standard_errors(events, END)["baseline"]
    assert np.all(np.abs(found.baseline_ - [[0.1, 1.0]]) < 4 * errors)


def test_methods_are_those_of_the_fitted_model(fitted, events):
    points = events[0][:5]
    model, rng = fitted.model_, np.random.default_rng
    at, rates = fitted.intensity(events, END, at=points)
    np.testing.assert_array_equal(at, points)
    np.testing.assert_array_equal(rates, model.intensity(points, events, END))
    split = {"begin": 15.0}
    assert fitted.log_likelihood(events, END, **split) == model.log_likelihood(events, END, **split)
    np.testing.assert_array_equal(
        fitted.simulate(5.0, rng=rng(0))[0], model.simulate(5.0, rng=rng(0))[0]
    )
    again, _ = fitted.super_thinned(events, END, rng=rng(0))
    np.testing.assert_array_equal(again[0], model.super_thinned(events, END, rng=rng(0))[0][0])
    np.testing.assert_array_equal(
        fitted.residuals(events, END)[0], model.rescaled_intervals(events, END)[0]
    )


def test_events_from_pandas_are_read(fitted, events):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(events[0], columns=["time", "x", "y"])
    table = table[["y", "time", "x"]]  # columns count by name
    found = estimator().fit(table, END)
    assert found.loss_ == fitted.loss_
    assert found.standard_errors(table, END)["adjacency"] > 0


def test_an_estimator_can_be_cloned():
    assert clone(estimator(max_iter=7)).max_iter == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_length": 25.0}, r"lasts time_length=25, longer than the record, end_time=20"),
        ({"space_length": 9.0}, r"space_length=9 km, further than the region is wide, 10 x 8 km"),
        ({"space_delta": 2.0}, r"space_delta=2 exceeds space_length=1: no lag of the grid"),
        ({"time_delta": 0.0}, r"time_delta must be above 0, got 0"),
        ({"start": {"space": {"sigma": 1}}}, r"start must have the parameters .*'mean', 'sigma'"),
        ({"tol": -1}, r"tol must be above 0, got -1"),
        ({"max_iter": 0}, r"max_iter must be at least 1, got 0"),
        ({"backgrounds": [np.sin]}, r"backgrounds\[0\] must be finite and at least 0"),
        ({"backgrounds": ()}, r"backgrounds is empty: a process needs one at least"),
        ({"backgrounds": [1.0]}, r"backgrounds\[0\] must be a function of time, got 1.0"),
        ({"exact": 2}, r"exact must be one of True, False, got 2"),
        ({"exact": "no"}, r"exact must be one of True, False, got 'no'"),
        ({"start": 3}, r"start must be a dict with the parameters .*, got 3"),
        ({"unit": "degree"}, r"unit must be one of .*, got 'degree'. Did you mean 'degrees'"),
        (
            {"region": [[-1e300, 1e300], [-4, 4]]},
            r"space_delta=.* cut region and record into .* cells",
        ),
    ],
)
def test_options_out_of_range_are_refused(events, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        estimator(**options).fit(events, END)


@pytest.mark.parametrize(
    ("kernels", "message"),
    [
        ((TruncatedGaussian(), TruncatedGaussian()), r"space_kernel must be a SpaceKernel, got"),
        ((PowerLaw(), PowerLaw()), r"time_kernel must be a Kernel, got PowerLaw.*Exponential\(\)"),
    ],
)
def test_what_is_no_kernel_is_refused(events, kernels, message):
    with pytest.raises(ValueError, match=message):
        estimator(kernels).fit(events, END)


def test_statistics_are_those_of_precompute():
    with pytest.raises(TypeError, match=r"must be SpaceTimeStatistics, got None. Make them with"):
        estimator().fit_statistics(None)


def test_a_search_that_stops_early_warns(events):
    with pytest.warns(ConvergenceWarning, match=r"receiver 0 stopped .* Raise max_iter=1 or"):
        estimator(max_iter=1, tol=1e-9).fit(events, END)


def test_an_estimator_that_was_not_fitted_says_so(events):
    with pytest.raises(NotFittedError):
        estimator().score(events, END)


def test_another_number_of_processes_is_refused(fitted, events):
    with pytest.raises(ValueError, match=r"events holds 2 process\(es\), the fit had 1"):
        fitted.score([*events, *events], END)


def test_no_event_to_score_is_an_error(fitted):
    with pytest.raises(ValueError, match=r"no event at all; the loss per event is undefined"):
        fitted.score([np.zeros((0, 3))], END)
