import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats
from sklearn.base import clone

from common.hawkes.driven import DrivenProcess, response_error
from common.hawkes.kernels import TruncatedGaussian
from common.hawkes.simulation import regular_stimuli, simulate_driven

LOWER, UPPER = 0.03, 0.8
OPTIONS = {"lower": LOWER, "upper": UPPER}


def make_data(seed=0, *, sigma=0.05, share=0.6, end_time=1e4):
    """The paper's simulation: one driver, 0.8 spontaneous events per s, 0.8 a stimulus."""
    rng = np.random.default_rng(seed)
    stimuli = regular_stimuli(interval=1.0, share=share, end_time=end_time, rng=rng)
    options = {"length": UPPER, "end_time": end_time, "rng": rng}
    kernel = TruncatedGaussian(lower=LOWER)
    return simulate_driven(0.8, [0.8], kernel, [0.4, sigma], [stimuli], **options), [stimuli]


def make_dense_data(seed=0, end_time=300.0):
    """Two drivers whose supports overlap each other, themselves and the end of the record."""
    rng = np.random.default_rng(seed)
    drivers = [np.sort(rng.uniform(0, end_time, n)) for n in (400, 250)]
    drivers = [np.append(stimuli, end_time - np.array([0.5, 0.3, 0.1])) for stimuli in drivers]
    drivers = [np.sort(stimuli) for stimuli in drivers]
    parameters = np.array([[0.2, 0.6], [0.05, 0.2]])
    options = {"length": UPPER, "end_time": end_time, "rng": rng}
    kernel = TruncatedGaussian(lower=LOWER)
    events = simulate_driven(0.8, [0.8, 0.4], kernel, parameters, drivers, **options)
    return events, drivers, end_time


def exact_log_likelihood(events, drivers, end_time, baseline, adjacency, mean, sigma):
    """Continuous-time log-likelihood from scipy's truncated normal, over all pairs."""
    intensity, spent = np.full(len(events), baseline), baseline * end_time
    for stimuli, alpha, m, s in zip(drivers, adjacency, mean, sigma, strict=True):
        law = scipy.stats.truncnorm((LOWER - m) / s, (UPPER - m) / s, loc=m, scale=s)
        lags = events[:, None] - stimuli
        row, column = np.nonzero((lags >= LOWER) & (lags <= UPPER))  # it is slow elsewhere
        density = law.pdf(lags[row, column])
        intensity = intensity + alpha * np.bincount(row, density, minlength=len(events))
        late = stimuli > end_time - UPPER
        spent += alpha * (np.sum(~late) + law.cdf(end_time - stimuli[late]).sum())
    return np.log(intensity).sum() - spent


def estimates(model):
    drivers = model.adjacency_, model.mean_, model.sigma_
    return np.concatenate([[model.baseline_], *drivers])


@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_recovers_the_parameters_of_the_papers_simulation(sigma):
    truth = np.array([0.8, 0.8, 0.4, sigma])
    found, errors = [], []
    for seed in range(20):
        events, drivers = make_data(seed, sigma=sigma)
        model = DrivenProcess(**OPTIONS).fit(events, drivers, 1e4)
        assert model.converged_
        found.append(estimates(model))
        values = dict(zip(("adjacency", "mean", "sigma"), truth[1:, None], strict=True))
        errors.append(response_error(model, baseline=0.8, **values)[0])
    error = np.std(found, axis=0, ddof=1) / np.sqrt(20)
    np.testing.assert_array_less(np.abs(np.mean(found, axis=0) - truth), 4 * error)
    # About 4800 responses: their mean and deviation are known to sigma / sqrt(4800), to which
    # the spontaneous events among them add.
    assert np.std(found, axis=0)[2] < 3 * sigma / np.sqrt(4800)
    # The peak is known to a few percent, as 4800 responses are.
    assert np.median(errors) < 0.05


def test_error_decreases_with_the_record():
    # One hundred times the record: a tenth of the error, on average.
    errors = []
    for end_time in (200.0, 20_000.0):
        values = {"baseline": 0.8, "adjacency": [0.8], "mean": [0.4], "sigma": [0.05]}
        found = []
        for seed in range(5):
            events, drivers = make_data(seed, end_time=end_time)
            model = DrivenProcess(**OPTIONS).fit(events, drivers, end_time)
            found.append(response_error(model, **values)[0])
        errors.append(np.mean(found))
    assert errors[1] < 0.25 * errors[0]


@pytest.mark.parametrize("start", ["smart", "random", (0.1, 5.0, LOWER, 0.77)])
@pytest.mark.parametrize("seed", range(3))
def test_likelihood_never_decreases(start, seed):
    model = DrivenProcess(**OPTIONS, start=start, random_state=seed, tol=0)
    for data in ((*make_data(seed, end_time=500.0), 500.0), make_dense_data(seed)):
        model.fit(*data)
        curve = model.log_likelihood_curve_
        assert len(curve) == model.n_iter_ + 1
        assert np.diff(curve).min() >= -1e-12 * np.abs(curve).max()
        assert curve[-1] == pytest.approx(model.score(*data), rel=1e-12)


def test_agrees_with_direct_maximisation_of_the_exact_likelihood():
    events, drivers, end_time = make_dense_data()
    model = DrivenProcess(**OPTIONS, tol=0, max_iter=5000).fit(events, drivers, end_time)

    def loss(x):
        return -exact_log_likelihood(events, drivers, end_time, x[0], x[1:3], x[3:5], x[5:])

    start = np.array([0.7, 0.6, 0.6, 0.25, 0.5, 0.1, 0.15])
    bounds = [(1e-3, None)] * 3 + [(LOWER, UPPER)] * 2 + [(1e-3, UPPER - LOWER)] * 2
    direct = scipy.optimize.minimize(loss, start, method="L-BFGS-B", bounds=bounds)
    value = exact_log_likelihood(
        events, drivers, end_time, model.baseline_, model.adjacency_, model.mean_, model.sigma_
    )
    assert value == pytest.approx(model.log_likelihood_curve_[-1], rel=1e-12)
    # EM stops where rounding hides the gain, L-BFGS-B earlier, by its numerical gradient.
    assert value >= -direct.fun - 1e-9 * abs(direct.fun)
    assert value == pytest.approx(-direct.fun, abs=1e-4)
    # A likelihood 1e-4 below its maximum is sqrt(2e-4) standard errors away; errors are below 0.1.
    np.testing.assert_allclose(estimates(model), direct.x, atol=2e-3)


def test_stationary_where_the_published_formulas_are():
    events, drivers = make_data(end_time=2000.0, sigma=0.2)
    assert drivers[0][-1] + UPPER < 2000  # no response is lost at the end
    model = DrivenProcess(**OPTIONS, tol=0).fit(events, drivers, 2000.0)
    alpha, m, s = model.adjacency_[0], model.mean_[0], model.sigma_[0]
    lags = events[:, None] - drivers[0]
    density = scipy.stats.truncnorm((LOWER - m) / s, (UPPER - m) / s, loc=m, scale=s).pdf(lags)
    intensity = model.baseline_ + alpha * density.sum(1)
    weights = alpha * density / intensity[:, None]

    def integral(function):
        def of(t):
            return function(t) * np.exp(-((t - m) ** 2) / (2 * s**2))

        return scipy.integrate.quad(of, LOWER, UPPER, epsabs=1e-13)[0]

    # The normaliser and its derivatives by mean and sigma.
    c = integral(lambda t: 1.0)
    c_m, c_sigma = integral(lambda t: (t - m) / s**2), integral(lambda t: (t - m) ** 2 / s**3)
    square = np.sum(weights * (lags - m) ** 2) / weights.sum()
    # EM stops at rounding of the likelihood, that is at sqrt(eps) of the parameters.
    tolerance = {"rel": 1e-5}
    assert model.baseline_ == pytest.approx(np.sum(model.baseline_ / intensity) / 2000, **tolerance)
    assert alpha == pytest.approx(weights.sum() / len(drivers[0]), **tolerance)
    assert m == pytest.approx(np.sum(weights * lags) / weights.sum() - s**2 * c_m / c, **tolerance)
    assert s == pytest.approx(np.cbrt(c / c_sigma * square), **tolerance)


def complete_log_likelihood(model, target, variance, mean, sigma):
    """What the M step maximises, per response, by scipy."""
    law = scipy.stats.truncnorm(
        (model.lower - mean) / sigma, (model.upper - mean) / sigma, loc=mean, scale=sigma
    )
    # log density of a lag is quadratic in the lag.
    log_c = -law.logpdf(target) - (target - mean) ** 2 / (2 * sigma**2)
    return -(variance + (target - mean) ** 2) / (2 * sigma**2) - log_c


def test_updates_one_after_the_other_always_gain_and_match_the_moments():
    model = DrivenProcess(lower=0.0, upper=1.0)
    rng = np.random.default_rng(0)
    n = 500
    mean, sigma = rng.uniform(0, 1, n), 10 ** rng.uniform(-2, 0, n)
    target = rng.uniform(0.02, 0.98, n)
    variance = target * (1 - target) * 10 ** rng.uniform(-4, 0, n)  # largest possible on [0, 1]
    new_mean, new_sigma = model._match(target, variance, mean, sigma)
    before = complete_log_likelihood(model, target, variance, mean, sigma)
    after = complete_log_likelihood(model, target, variance, new_mean, new_sigma)
    # logpdf of a far tail is good to some 1e-10 of its size.
    np.testing.assert_array_less(before - after, 1e-8 * (1 + np.abs(before)))
    for _ in range(400):
        new_mean, new_sigma = model._match(target, variance, new_mean, new_sigma)
    inside = (new_mean > 0) & (new_mean < 1) & (new_sigma > 1e-3) & (new_sigma < 1)
    assert inside.sum() > 150
    law = scipy.stats.truncnorm(
        -new_mean / new_sigma, (1 - new_mean) / new_sigma, loc=new_mean, scale=new_sigma
    )
    np.testing.assert_allclose(law.mean()[inside], target[inside], atol=1e-4)
    np.testing.assert_allclose(law.std()[inside], np.sqrt(variance[inside]), atol=1e-4)


@pytest.mark.parametrize(
    ("mean", "sigma", "spread"),
    [
        (0.5, 0.02, 0.05),  # hardly truncated
        (0.5, 0.04, 0.01),
        (0.1, 0.2, 0.02),  # cut at one end
        (0.9, 0.5, 0.1),
        (0.5, 0.9, 0.25),  # nearly flat
    ],
)
def test_one_round_updates_sigma_as_published_and_stops_short_of_the_optimum(
    monkeypatch, mean, sigma, spread
):
    monkeypatch.setattr("common.hawkes.driven._N_ROUNDS", 1)
    model = DrivenProcess(lower=0.0, upper=1.0)
    target, variance = model._moments(mean, sigma)[0], spread**2  # the mean need not move
    new_mean, new_sigma = model._match(target, variance, mean, sigma)
    assert new_mean == pytest.approx(mean, rel=1e-12)
    square = variance + (target - mean) ** 2

    def integral(function):
        def of(x):
            return function(x) * np.exp(-((x - mean) ** 2) / (2 * sigma**2))

        return scipy.integrate.quad(of, 0, 1, points=[mean], epsabs=1e-14)[0]

    # DriPP's update: the cube root of C / C_sigma times the mean square, C the normaliser.
    published = integral(lambda x: 1.0) / integral(lambda x: (x - mean) ** 2 / sigma**3) * square
    assert new_sigma == pytest.approx(np.cbrt(published), rel=1e-8)  # what quad promises
    found = scipy.optimize.minimize_scalar(
        lambda log: -complete_log_likelihood(model, target, variance, mean, np.exp(log)),
        bounds=(np.log(1e-3), 0.0),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert np.log(1e-3) + 0.1 < found.x < -0.1  # within the bounds of sigma
    way = np.log(new_sigma / sigma) / (found.x - np.log(sigma))
    # A minimum is found to sqrt(eps), the way being at least 0.5.
    assert 0 < way < 0.75 + 1e-6
    if max(sigma, np.exp(found.x)) < 0.1:
        assert way == pytest.approx(2 / 3, abs=1e-4)  # truncated at 5 sigma: 1e-6 of the mass


def test_updating_mean_and_sigma_at_once_can_lose():
    # Sharply timed responses, a wide kernel with its mean near the end of the support.
    model = DrivenProcess(lower=0.0, upper=1.0)
    mean, sigma, target, variance = 0.836, 0.282, 0.833, 0.003**2
    first, second = model._moments(mean, sigma)
    at_once = mean + target - first, sigma * np.cbrt((variance + (target - mean) ** 2) / second)
    before = complete_log_likelihood(model, target, variance, mean, sigma)
    assert complete_log_likelihood(model, target, variance, *at_once) < before - 1
    after = model._match(target, variance, mean, sigma)
    assert complete_log_likelihood(model, target, variance, *after) > before
    # The same through the whole fit.
    stimuli = 2.0 * np.arange(500)
    events = stimuli + 0.833 + 0.003 * np.random.default_rng(0).standard_normal(500)
    model.set_params(start=(0.01, 0.9, mean, sigma)).fit(events, [stimuli], 1000.0)
    assert np.diff(model.log_likelihood_curve_).min() >= -1e-9
    assert model.mean_[0] == pytest.approx(0.833, abs=4 * 0.003 / np.sqrt(500))


@pytest.mark.filterwarnings("ignore:200 events in 100 s are so rare")
def test_without_tolerance_it_stops_where_nothing_is_gained():
    # No event is driven, so the first iteration finds the rate, and the second finds it again.
    events = np.arange(0.5, 100)
    model = DrivenProcess(lower=0.1, upper=0.2, tol=0, start=(2.0, 0.0, 0.15, 0.02))
    model.fit(events, [np.arange(0.0, 100)], 100.0)
    assert model.converged_
    assert model.n_iter_ == 2
    assert model.baseline_ == pytest.approx(1.0)


def test_smart_start():
    events, drivers, end_time = make_dense_data()
    model = DrivenProcess(**OPTIONS, max_iter=1).fit(events, drivers, end_time)

    def reached(stimuli):
        lags = events[:, None] - stimuli
        return ((lags >= LOWER) & (lags <= UPPER)).any(1)

    def measure(stimuli):  # of the union of supports, by points 0.1 ms apart
        grid = np.arange(0, end_time, 1e-4)
        begun = np.searchsorted(np.sort(stimuli + LOWER), grid, side="right")
        return 1e-4 * np.sum(begun > np.searchsorted(np.sort(stimuli + UPPER), grid))

    every = np.concatenate(drivers)
    baseline = np.sum(~reached(every)) / (end_time - measure(every))
    adjacency, mean, sigma = [], [], []
    for stimuli in drivers:
        excess = reached(stimuli).sum() - baseline * measure(stimuli)
        lags = (events[:, None] - stimuli).ravel()
        lags = lags[(lags >= LOWER) & (lags <= UPPER)]
        adjacency.append(excess / len(stimuli))
        mean.append(lags.mean())
        sigma.append(lags.std())
    expected = exact_log_likelihood(events, drivers, end_time, baseline, adjacency, mean, sigma)
    # Some 300 ends of supports, each within 0.1 ms: 30 ms of 300 s, at some 2 Hz.
    assert model.log_likelihood_curve_[0] == pytest.approx(expected, abs=0.06)


def test_no_effect_gives_a_small_adjacency():
    rng = np.random.default_rng(0)
    stimuli = regular_stimuli(interval=2.0, share=0.8, end_time=4000.0, rng=rng)
    events = np.sort(rng.uniform(0, 4000, rng.poisson(0.8 * 4000)))
    model = DrivenProcess(**OPTIONS, max_iter=2000).fit(events, [stimuli], 4000.0)
    # Spontaneous events in a support vary by the square root of their number.
    n_spontaneous = 0.8 * (UPPER - LOWER) * len(stimuli)
    assert model.adjacency_[0] < 4 * np.sqrt(n_spontaneous) / len(stimuli)
    # Three parameters more than a Poisson process: half a chi-square of likelihood.
    rate = len(events) / 4000
    gain = model.log_likelihood_curve_[-1] - len(events) * (np.log(rate) - 1)
    assert -1e-6 < gain < 0.5 * scipy.stats.chi2(3).ppf(0.999)


def test_expected_number_of_events_is_that_observed():
    # The likelihood is stationary under a common factor of all rates.
    events, drivers, end_time = make_dense_data()
    model = DrivenProcess(**OPTIONS, tol=0, max_iter=5000).fit(events, drivers, end_time)
    times = np.linspace(0, end_time, 300_001)
    total = scipy.integrate.trapezoid(model.intensity(times), times)
    # Grid of 1 ms, jumps below 5 Hz at the bounds of 1300 supports: errors of random sign.
    assert total == pytest.approx(len(events), abs=4 * np.sqrt(1300) * 5e-3 / 2)


def test_intensity_and_response_agree_with_the_formula():
    events, drivers, end_time = make_dense_data()
    model = DrivenProcess(**OPTIONS).fit(events, drivers, end_time)
    expected = model.baseline_ + sum(
        alpha
        * scipy.stats.truncnorm((LOWER - m) / s, (UPPER - m) / s, loc=m, scale=s)
        .pdf(events[:, None] - stimuli)
        .sum(1)
        for stimuli, alpha, m, s in zip(
            drivers, model.adjacency_, model.mean_, model.sigma_, strict=True
        )
    )
    np.testing.assert_allclose(model.intensity(events), expected, rtol=1e-9)
    lags = np.linspace(0, 1, 101)
    alone = model.intensity(10 + lags, drivers=[[10.0], []])
    np.testing.assert_allclose(model.response(lags)[0], alone, rtol=1e-6)
    assert np.all(model.response([-0.1, 0.02, 0.9]) == model.baseline_)


def test_a_stimulus_without_time_to_act_changes_nothing():
    events, drivers = make_data(end_time=300.0, sigma=0.2)
    model = DrivenProcess(**OPTIONS, tol=0)
    first = estimates(model.fit(events, drivers, 300.0))
    late = 300 - np.linspace(0.99 * LOWER, 0, 50)
    again = estimates(model.fit(events, [np.append(drivers[0], late)], 300.0))
    # The fit is where rounding hides the gain: sqrt(eps) of the parameters.
    np.testing.assert_allclose(again, first, rtol=1e-5)


def test_record_that_ends_within_responses_is_not_biased():
    # Half of the stimuli come at the mean lag before the end, so half of their responses are lost.
    rng, end_time = np.random.default_rng(0), 1200.0
    stimuli = np.append(1.9 * np.arange(600), end_time - 0.4 + 1e-6 * np.arange(600))
    options = {"length": UPPER, "end_time": end_time, "rng": rng}
    kernel = TruncatedGaussian(lower=LOWER)
    events = simulate_driven(0.5, [0.8], kernel, [0.4, 0.1], [stimuli], **options)
    model = DrivenProcess(**OPTIONS).fit(events, [stimuli], end_time)
    assert model.converged_
    expected = exact_log_likelihood(events, [stimuli], end_time, 0.5, [0.8], [0.4], [0.1])
    gain = model.log_likelihood_curve_[-1] - expected
    assert 0 < gain < 0.5 * scipy.stats.chi2(4).ppf(0.999)
    # 720 responses are seen. Counting all stimuli as complete would give 0.6 instead of 0.8.
    assert model.adjacency_[0] == pytest.approx(0.8, abs=4 * 0.8 / np.sqrt(720))


def test_unit_of_time_does_not_matter():
    events, drivers, end_time = make_dense_data()
    model = DrivenProcess(**OPTIONS).fit(events, drivers, end_time)
    in_ms = DrivenProcess(lower=1000 * LOWER, upper=1000 * UPPER)
    in_ms.fit(1000 * events, [1000 * stimuli for stimuli in drivers], 1000 * end_time)
    scale = np.array([1e-3, 1, 1, 1e3, 1e3, 1e3, 1e3])
    np.testing.assert_allclose(estimates(in_ms), scale * estimates(model), rtol=1e-6)


def test_order_of_drivers_does_not_matter():
    events, drivers, end_time = make_dense_data()
    model = DrivenProcess(**OPTIONS).fit(events, drivers, end_time)
    other = DrivenProcess(**OPTIONS).fit(events, drivers[::-1], end_time)
    order = [0, 2, 1, 4, 3, 6, 5]
    np.testing.assert_allclose(estimates(other)[order], estimates(model), rtol=1e-9)


def test_driver_that_no_event_follows():
    events, drivers = make_data(end_time=300.0)
    silent = events[np.flatnonzero(np.diff(events) > UPPER + 1e-3)[:3]] + 1e-3
    assert len(silent) == 3
    model = DrivenProcess(**OPTIONS, tol=0).fit(events, [drivers[0], silent], 300.0)
    alone = DrivenProcess(**OPTIONS, tol=0).fit(events, drivers, 300.0)
    assert model.adjacency_[1] == 0
    assert np.isnan([model.mean_[1], model.sigma_[1]]).all()
    np.testing.assert_allclose(estimates(model)[[0, 1, 3, 5]], estimates(alone), rtol=1e-5)
    assert np.all(model.response([0.4])[1] == model.baseline_)
    assert np.all(np.isfinite(model.intensity(events)))
    # Without any response the rest is a Poisson process.
    only = DrivenProcess(**OPTIONS).fit(events, [silent], 300.0)
    assert only.baseline_ == pytest.approx(len(events) / 300, rel=1e-12)
    assert np.isfinite(only.score(events, [silent], 300.0))


def test_parameters_follow_the_conventions_of_scikit_learn():
    model = DrivenProcess(lower=0.1, upper=0.4, start="random", random_state=3)
    events, drivers = make_data(end_time=300.0)
    first, again = (clone(model).fit(events, drivers, 300.0) for _ in range(2))
    np.testing.assert_array_equal(estimates(first), estimates(again))
    other = clone(model).set_params(random_state=4, max_iter=1).fit(events, drivers, 300.0)
    assert not other.converged_ and other.n_iter_ == 1
    assert not np.array_equal(estimates(first), estimates(other))
    assert first.get_params()["lower"] == 0.1


def test_relative_error_of_the_response_by_hand():
    model = DrivenProcess(**OPTIONS)
    model.baseline_, model.adjacency_ = 1.0, np.array([0.5, 0.0])
    model.mean_, model.sigma_ = np.array([0.4, np.nan]), np.array([0.01, np.nan])
    truth = {"baseline": 1.5, "adjacency": [1.0, 0.0], "mean": [0.4] * 2, "sigma": [0.01] * 2}
    peak = 1 / (0.01 * np.sqrt(2 * np.pi))
    expected = [(0.5 + 0.5 * peak) / (1.5 + peak), 0.5 / 1.5]
    # The peak may fall between points 77 us apart: (77e-6 / 2)^2 / (2 sigma^2) of it.
    np.testing.assert_allclose(response_error(model, **truth), expected, rtol=1e-5)


def test_errors_name_what_is_wrong():
    events, drivers = np.array([1.0, 2.0]), [np.array([0.5])]
    model = DrivenProcess(**OPTIONS)
    with pytest.raises(ValueError, match=r"0 <= lower < upper, got lower=0\.5, upper=0\.5 s"):
        DrivenProcess(lower=0.5, upper=0.5).fit(events, drivers, 10.0)
    with pytest.raises(ValueError, match=r"0 <= lower < upper, got lower=-0\.1"):
        DrivenProcess(lower=-0.1, upper=0.5).fit(events, drivers, 10.0)
    with pytest.raises(ValueError, match=r"max_iter must be at least 1, got 0"):
        DrivenProcess(max_iter=0).fit(events, drivers, 10.0)
    with pytest.raises(ValueError, match=r"tol must be at least 0, got -1"):
        DrivenProcess(tol=-1).fit(events, drivers, 10.0)
    with pytest.raises(ValueError, match=r'start must be "smart", "random" .* got \'clever\''):
        DrivenProcess(start="clever").fit(events, drivers, 10.0)
    with pytest.raises(ValueError, match=r"start=\(1, 1, 2, 0\.1\) must have .* mean in \[0\.03"):
        DrivenProcess(start=(1, 1, 2, 0.1)).fit(events, drivers, 10.0)
    with pytest.raises(ValueError, match=r"end_time must be above 0 s, got 0 s"):
        model.fit(events, drivers, 0)
    with pytest.raises(ValueError, match=r"events is empty"):
        model.fit([], drivers, 10.0)
    with pytest.raises(ValueError, match=r"events must be sorted, .* 1 s follows 2 s"):
        model.fit([2.0, 1.0], drivers, 10.0)
    with pytest.raises(ValueError, match=r"events spans \[1, 2\] s, outside the record \[0, 1\.5"):
        model.fit(events, drivers, 1.5)
    with pytest.raises(ValueError, match=r"drivers\[0\] spans \[0\.5, 50\] s, outside the record"):
        model.fit(events, [[0.5, 50.0]], 10.0)
    with pytest.raises(ValueError, match=r"drivers\[1\] must be sorted"):
        model.fit(events, [[0.5], [0.5, 0.4]], 10.0)
    with pytest.raises(ValueError, match=r"drivers\[0\] has no stimulus"):
        model.fit(events, [[]], 10.0)
    with pytest.raises(ValueError, match=r"For a single driver, pass \[stimuli\]"):
        model.fit(events, np.array([0.5, 1.0]), 10.0)
    model.fit(events, drivers, 10.0)
    with pytest.raises(ValueError, match=r"1 drivers were fitted, got 2"):
        model.score(events, [*drivers, *drivers], 10.0)
    with pytest.raises(ValueError, match=r"1 drivers were fitted, got 2"):
        model.intensity(events, [*drivers, *drivers])
