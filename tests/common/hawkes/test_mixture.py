import numpy as np
import pytest
import scipy.stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from common.hawkes.kernels import TruncatedGaussian, discretise
from common.hawkes.marked import MarkedHawkesEstimator
from common.hawkes.marked_pairs import MarkedPairs, structured_loss
from common.hawkes.marks import DENSITIES, NOISE, simulate_marked
from common.hawkes.mixture import MixtureEstimator, moment_start
from common.hawkes.mixture_labels import (
    MixtureModel,
    change_labels,
    label_differences,
    mixture_loss,
    score_labels,
    settle_labels,
)
from common.workflow import memory

KERNEL = TruncatedGaussian()
SEARCH = {"kernel": KERNEL, "delta": 0.01, "kernel_length": 1.0, "random_state": 0}
PAIRS = [(f, g) for f in ("linear", "uniform") for g in ("uniform", "decreasing")]


def problem(n_processes, structured="linear", spurious="uniform", seed=0):
    """A few events, some in one bin and some near the end, with labels between 0 and 1."""
    rng = np.random.default_rng([seed, n_processes])
    events = []
    for _ in range(n_processes):
        times = rng.uniform(0, 8.2, 14)
        times = np.sort([*times, *times[:3], *rng.uniform(7.6, 8.2, 5), 0.0, 8.2])
        events.append(np.column_stack([times, rng.random(len(times))]))
    pairs = MarkedPairs.from_events(events, end_time=8.2, delta=0.1, kernel_length=1.0)
    shape = (n_processes, n_processes)
    theta = np.stack([rng.uniform(0.1, 0.9, shape), rng.uniform(0.1, 0.4, shape)])
    phi = rng.uniform(0, 1, shape)[..., None] * discretise(KERNEL, theta, length=1.0, delta=0.1)
    baseline, noise = rng.uniform(0.1, 1, (2, n_processes))
    model = MixtureModel(baseline, noise, phi, DENSITIES[structured], DENSITIES[spurious])
    return pairs, rng.random(pairs.n_events), model


def simulated(*, noise=1.0, end_time=200.0, seed=0, baseline=0.4):
    options = {"length": 1.0, "end_time": end_time, "rng": np.random.default_rng(seed)}
    return simulate_marked([baseline], [[1.3]], KERNEL, [0.5, 0.1], noise=[noise], **options)


@pytest.mark.parametrize(("structured", "spurious"), PAIRS)
@pytest.mark.parametrize("n_processes", [1, 2])
def test_loss_is_the_direct_sum_on_the_grid(n_processes, structured, spurious):
    pairs, labels, model = problem(n_processes, structured, spurious)
    f, g = model.density, model.noise_density
    n_grid, phi = 83, model.phi
    h = np.tile(model.baseline[:, None], n_grid)
    for n in range(pairs.n_events):
        for tau in range(1, 11):
            if pairs.bins[n] + tau < n_grid:
                added = labels[n] * pairs.marks[n] * phi[:, pairs.process[n], tau - 1]
                h[:, pairs.bins[n] + tau] += added
    total = f.square * 0.1 * np.sum(h**2) + g.square * 8.3 * np.sum(model.noise**2)
    at_events = h[pairs.process, pairs.bins]
    total -= 2 * np.sum(labels * f.value(pairs.marks) * at_events)
    spurious_rate = model.noise[pairs.process] * g.value(pairs.marks)
    total -= 2 * np.sum((1 - labels) * spurious_rate)
    assert mixture_loss(pairs, labels, model) * pairs.n_events == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize(("structured", "spurious"), PAIRS)
@pytest.mark.parametrize("n_processes", [1, 3])
def test_gradient_by_the_labels_is_that_of_differences(n_processes, structured, spurious):
    pairs, labels, model = problem(n_processes, structured, spurious)
    gradient = label_differences(pairs, labels, model, at=None)
    difference = label_differences(pairs, labels, model)
    for n in range(pairs.n_events):

        def loss(value, n=n):
            moved = labels.copy()
            moved[n] = value
            return pairs.n_events * mixture_loss(pairs, moved, model)

        # The loss is quadratic in each label, so central differences are exact up to rounding.
        central = loss(labels[n] + 0.1) - loss(labels[n] - 0.1)
        assert gradient[n] == pytest.approx(central / 0.2, rel=1e-8, abs=1e-8)
        assert difference[n] == pytest.approx(loss(1.0) - loss(0.0), rel=1e-8, abs=1e-8)


def test_credit_for_offspring_goes_to_the_parent():
    # One parent at 1 s; with an effect 0.5 s later, a child there is credited to the parent alone.
    phi = np.zeros((1, 1, 10))
    phi[0, 0, 4] = 3.0
    model = MixtureModel(np.array([0.1]), np.array([0.5]), phi, *[DENSITIES["linear"]] * 2)

    def differences(child):
        events = [[1.0, 0.8], [child, 0.6], [6.0, 0.8]]
        pairs = MarkedPairs.from_events([events], end_time=8.2, delta=0.1, kernel_length=1.0)
        return label_differences(pairs, np.ones(3), model)

    near, far = differences(1.5), differences(3.0)
    # The term of the linear part: 2 times mark of the parent, effect and f_h of the child's mark.
    assert near[0] - far[0] == pytest.approx(-2 * 0.8 * 3.0 * 2 * 0.6)
    # The child itself is explained by h at its time, with its own f_h: as much, not more.
    assert near[1] - far[1] == pytest.approx(-2 * 2 * 0.6 * 0.8 * 3.0)
    assert near[2] == pytest.approx(far[2])


def test_order_of_the_processes_does_not_matter():
    pairs, labels, model = problem(2)
    swapped = [
        np.column_stack([times, marks])
        for times, marks in zip(
            pairs.split(np.minimum(pairs.bins * 0.1, 8.2)), pairs.split(pairs.marks), strict=True
        )
    ][::-1]
    other = MarkedPairs.from_events(swapped, end_time=8.2, delta=0.1, kernel_length=1.0)
    turned = model._replace(
        baseline=model.baseline[::-1], noise=model.noise[::-1], phi=model.phi[::-1, ::-1]
    )
    again = other.join(pairs.split(labels)[::-1])
    found = other.split(label_differences(other, again, turned))[::-1]
    expected = pairs.split(label_differences(pairs, labels, model))
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two)


def test_with_all_labels_1_the_loss_is_that_of_the_marked_process():
    pairs, _, model = problem(2)
    model = model._replace(noise=np.zeros(2))
    statistics = pairs.statistics(
        pairs.marks, model.density.value(pairs.marks), model.density.square
    )
    expected = structured_loss(statistics, model.baseline, model.phi, model.density.square)
    found = mixture_loss(pairs, np.ones(pairs.n_events), model)
    assert found * pairs.n_events == pytest.approx(expected, rel=1e-12)


def test_changing_labels_never_raises_the_loss():
    pairs, labels, model = problem(2)
    labels, rng = np.round(labels), np.random.default_rng(0)
    losses = [mixture_loss(pairs, labels, model)]
    while True:
        labels, n_calling, loss = change_labels(pairs, labels, model, losses[-1], rng=rng)
        if not n_calling:
            break
        losses.append(loss)
    assert len(losses) > 2 and np.all(np.diff(losses) < 0)
    # It ends where no single change lowers it.
    for n in range(pairs.n_events):
        moved = labels.copy()
        moved[n] = 1 - moved[n]
        assert mixture_loss(pairs, moved, model) >= losses[-1] - 1e-12


def test_settled_labels_do_not_change_again():
    pairs, labels, model = problem(2)
    rng = np.random.default_rng(0)
    settled, loss, n_rounds = settle_labels(pairs, np.round(labels), model, rng=rng)
    again, same, none = settle_labels(pairs, settled, model, rng=rng)
    assert n_rounds > 0 and none == 0 and same == pytest.approx(loss)
    np.testing.assert_array_equal(again, settled)


@pytest.fixture(scope="module")
def fitted():
    (events,), (kinds,) = simulated()
    return events, kinds, MixtureEstimator(**SEARCH).fit([events], 200.0)


def test_the_loss_of_the_alternation_never_increases(fitted):
    _, _, estimator = fitted
    # Labels and parameters are moved in turn, each to a loss that is not higher; up to rounding.
    assert np.all(np.diff(estimator.loss_curve_) <= 1e-12 * abs(estimator.loss_))
    assert len(estimator.start_losses_) == 6
    assert estimator.loss_ == pytest.approx(estimator.start_losses_.min(), rel=1e-12)
    assert estimator.converged_


def test_the_loss_is_that_of_the_labels_and_the_estimate(fitted):
    events, _, estimator = fitted
    pairs = MarkedPairs.from_events([events], end_time=200.0, delta=0.01, kernel_length=1.0)
    labels = pairs.join(estimator.labels_).astype(float)
    loss = mixture_loss(pairs, labels, estimator._mixture)
    assert loss == pytest.approx(estimator.loss_)
    # The rates of the noise have a closed form given the labels.
    spurious = np.sum(~estimator.labels_[0])
    assert estimator.noise_[0] == pytest.approx(spurious / 200.01)
    # Nor can any single label change.
    difference = label_differences(pairs, labels, estimator._mixture)
    assert np.all(np.where(labels > 0, difference, -difference) <= 1e-9 * abs(loss) * len(events))


def test_labels_find_more_noise_than_a_threshold_on_the_mark(fitted):
    events, kinds, estimator = fitted
    scores = score_labels(estimator.labels_[0], kinds != NOISE, events[:, 1])
    assert scores["noise_found"] > scores["noise_found_by_mark"] + 0.1
    assert scores["precision"] > scores["base_rate"] + 0.05


def test_parameters_are_nearer_the_truth_than_those_of_a_fit_without_noise():
    gains = []
    for seed in range(4):
        (events,), _ = simulated(noise=1.0, end_time=500.0, seed=seed)

        def error(estimator):
            found = [estimator.baseline_[0], estimator.adjacency_[0, 0]]
            found += [each[0, 0] for each in estimator.kernel_parameters_.values()]
            return np.linalg.norm(np.subtract(found, [0.4, 1.3, 0.5, 0.1]))

        ours = MixtureEstimator(**SEARCH | {"n_starts": 1}).fit([events], 500.0)
        plain = MarkedHawkesEstimator(**SEARCH).fit([events], 500.0)
        gains.append(error(plain) - error(ours))
    assert np.mean(gains) > 0.1  # 0.3 against 0.1, about


def test_without_effects_events_split_by_rates_alone():
    # Only f_h = 2k against f_n = 1 is left: the labels are a threshold on the mark.
    rng = np.random.default_rng(0)
    events = np.column_stack([np.sort(rng.uniform(0, 500, 600)), rng.random(600)])
    events[:300, 1] = np.sqrt(events[:300, 1])
    estimator = MixtureEstimator(**SEARCH, mask=[[0]]).fit([events], 500.0)
    labels, marks = estimator.labels_[0], events[:, 1]
    assert marks[labels].min() >= marks[~labels].max()
    ratio = estimator.noise_[0] / estimator.baseline_[0]
    assert marks[~labels].max() <= ratio / 2 <= marks[labels].min()


def test_predictions_settle_where_no_label_calls_for_a_change(fitted):
    events, _, estimator = fitted
    (labels,) = estimator.predict([events], 200.0)
    assert np.mean(labels == estimator.labels_[0]) > 0.8
    assert estimator.score([events], 200.0) == pytest.approx(-estimator.loss_, rel=1e-2)
    times, rates = estimator.intensity([events], 200.0)
    assert rates.shape == (1, len(times))
    assert len(estimator.residuals([events], 200.0)[0]) == labels.sum()
    at = np.array([0.0, 50.0, 100.0])
    _, exact = estimator.intensity([events], 200.0, at=at)
    assert exact.shape == (1, 3) and exact[0, 0] == estimator.baseline_[0]


def test_the_likelihood_of_noise_alone_has_a_closed_form():
    events = np.column_stack([np.linspace(1.1, 99.3, 50), np.linspace(0.01, 1, 50)])
    with pytest.warns(UserWarning, match="0 pairs of them"):  # one event every 2 s
        estimator = MixtureEstimator(**SEARCH, mask=[[0]]).fit([events], 100.0)
    estimator.baseline_, estimator.noise_ = np.array([0.2]), np.array([0.3])
    rates = 0.2 * 2 * events[:, 1] + 0.3
    expected = (np.log(rates).sum() - 0.5 * 100) / 50
    with pytest.warns(UserWarning, match="0 pairs of them"):
        found = estimator.log_likelihood([events], 100.0)
    assert found == pytest.approx(expected)


def test_a_fit_can_be_simulated_with_its_noise(fitted):
    _, _, estimator = fitted
    silent = clone(estimator)
    for name in ("baseline_", "adjacency_", "kernel_parameters_", "noise_"):
        setattr(silent, name, getattr(estimator, name))
    silent.baseline_ = np.zeros(1)  # then nothing is structured, and noise is all there is
    (events,) = silent.simulate(1000.0, rng=np.random.default_rng(0))
    expected = 1000 * estimator.noise_[0]
    assert len(events) == pytest.approx(expected, abs=5 * np.sqrt(expected))
    assert scipy.stats.kstest(events[:, 1], "uniform").pvalue > 1e-3
    (both,) = estimator.simulate(1000.0, rng=np.random.default_rng(0))
    assert len(both) > len(events)


def test_the_stochastic_search_reaches_about_the_same_loss(fitted):
    events, _, estimator = fitted
    options = SEARCH | {"n_starts": 1, "stochastic": True, "max_rounds": 40}
    found = MixtureEstimator(**options).fit([events], 200.0)
    assert found.loss_ == pytest.approx(estimator.loss_, rel=0.01)


def test_the_same_seed_gives_the_same_labels():
    (events,), _ = simulated(end_time=50.0)
    first, again = (MixtureEstimator(**SEARCH).fit([events], 50.0) for _ in range(2))
    np.testing.assert_array_equal(again.labels_[0], first.labels_[0])


@pytest.mark.parametrize("lags", ["last", "all"])
def test_moments_of_regular_events_are_their_interval(lags):
    times = 0.5 * np.arange(1, 200)
    events = np.column_stack([times, np.ones(199)])
    options = {"end_time": 100.0, "lags": lags}
    start = moment_start([events], kernel_length=0.7, **options)
    assert start["mean"][0, 0] == pytest.approx(0.5)
    assert start["spread"][0, 0] == pytest.approx(0, abs=1e-9)
    assert start["baseline"] == pytest.approx(199 / 300)
    assert start["noise"] == pytest.approx(199 / 300)
    assert start["adjacency"] == pytest.approx(1 / 3)
    if lags == "all":  # both 0.5 and 1 s lie within the support, for all but two events
        twice = moment_start([events], kernel_length=1.0, **options)
        assert twice["mean"][0, 0] == pytest.approx((198 * 0.5 + 197 * 1.0) / 395)


def test_moments_between_processes_are_told_apart():
    first = np.column_stack([np.arange(1.0, 50.0), np.ones(49)])
    second = first + np.array([0.2, 0.0])
    start = moment_start([first, second], end_time=60.0, kernel_length=2.0)
    np.testing.assert_allclose(start["mean"], [[1.0, 0.8], [0.2, 1.0]])


@pytest.mark.parametrize("start", ["last", "all", "random", {"mean": 0.5, "sigma": 0.1}])
def test_every_start_leads_to_about_the_same_loss(start, fitted):
    events, _, estimator = fitted
    n_starts = 2 if start == "random" else 1
    options = SEARCH | {"start": start, "n_starts": n_starts}
    found = MixtureEstimator(**options).fit([events], 200.0)
    assert found.loss_ == pytest.approx(estimator.loss_, rel=0.01)


def test_scores_of_labels_count_events():
    structured = np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=bool)
    labels = np.array([1, 1, 1, 0, 1, 0, 0, 0], dtype=bool)
    marks = np.array([0.9, 0.8, 0.7, 0.3, 0.95, 0.1, 0.6, 0.75])
    scores = score_labels(labels, structured, marks)
    # A threshold that loses one structured event lies above 0.3, up to 0.7.
    assert scores == {
        "precision": 0.75,
        "recall": 0.75,
        "base_rate": 0.5,
        "noise_found": 0.75,
        "noise_found_by_mark": 0.5,
    }
    nothing = score_labels(np.zeros(2, bool), np.zeros(2, bool), [0.1, 0.2])
    assert np.isnan(nothing["precision"]) and nothing["noise_found"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise_density": "flat"}, "density of the marks must be one of linear"),
        ({"max_rounds": 0}, "max_rounds must be at least 1, got 0"),
        ({"start": "first"}, 'start must be "moments", "last", "all", "random" or a dict, got'),
        ({"n_starts": 0}, "n_starts must be at least 1"),
        ({"stochastic": "x"}, "stochastic must be True or False, got 'x'"),
        ({"random_state": -1}, "random_state must be at least 0, got -1"),
        ({"random_state": 1.5}, "random_state must be a whole number, got 1.5"),
        ({"tol": None}, "tol must be a number, got None"),
    ],
)
def test_bad_options_are_named(options, message):
    (events,), _ = simulated(end_time=50.0)
    with pytest.raises((TypeError, ValueError), match=message):
        MixtureEstimator(**SEARCH | options).fit([events], 50.0)


def test_unknown_lags_are_named():
    with pytest.raises(ValueError, match="lags must be one of last, all, got 'first'"):
        moment_start(simulated(end_time=50.0)[0], end_time=50.0, kernel_length=1.0, lags="first")


def test_a_record_and_a_support_are_numbers():
    events, _ = simulated(end_time=50.0)
    with pytest.raises(TypeError, match="end_time must be a number, got None"):
        MixtureEstimator(**SEARCH).fit(events, None)
    with pytest.raises(TypeError, match="end_time must be a number, got None"):
        moment_start(events, end_time=None, kernel_length=1.0)
    with pytest.raises(TypeError, match="kernel_length must be a number, got None"):
        moment_start(events, end_time=50.0, kernel_length=None)


def test_too_few_rounds_are_said():
    (events,), _ = simulated(end_time=100.0)
    with pytest.warns(ConvergenceWarning, match="labels call for a change after 1 rounds"):
        MixtureEstimator(**SEARCH | {"max_rounds": 1, "n_starts": 1}).fit([events], 100.0)


def test_a_grid_larger_than_memory_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: (0.1, "this test"))
    with pytest.raises(ValueError, match="a value on each of 20,001 grid points"):
        MixtureEstimator(**SEARCH).fit([np.array([[1.0, 0.5], [190.0, 0.5]])], 200.0)
