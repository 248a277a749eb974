import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from common.hawkes.driven_starts import fit_best
from common.hawkes.kernels import TruncatedGaussian
from common.hawkes.scan import scan_kernels, shift_test
from common.hawkes.simulation import simulate_driven, simulate_renewal

LIMITS = {"lower": 0.03, "upper": 0.5}
END = 278.0


def make_stimuli(rng, end_time=END):
    """Stimuli at irregular intervals of 1.6 to 2.2 s."""
    times = np.cumsum(rng.uniform(1.6, 2.2, int(end_time / 1.6)))
    return times[times < end_time]


def make_driven(rng, *, weight, mean=0.1, sigma=0.02, baseline=0.3):
    stimuli = make_stimuli(rng)
    options = {"length": LIMITS["upper"], "end_time": END, "rng": rng}
    kernel = TruncatedGaussian(LIMITS["lower"])
    return simulate_driven(baseline, [weight], kernel, [mean, sigma], [stimuli], **options), stimuli


UNDRIVEN = {
    "poisson": lambda rng: np.sort(rng.uniform(0, END, rng.poisson(0.5 * END))),
    "heartbeat": lambda rng: simulate_renewal(interval=0.9, deviation=0.04, end_time=END, rng=rng),
}


def exact_gain(events, stimuli, mean, sigma):
    """Largest log-likelihood over that of a Poisson process, and its weight, by scipy."""
    law = scipy.stats.truncnorm(
        (LIMITS["lower"] - mean) / sigma, (LIMITS["upper"] - mean) / sigma, loc=mean, scale=sigma
    )
    density = law.pdf(events[:, None] - stimuli).sum(1)
    seen = law.cdf(END - stimuli).sum()

    def loss(logs):
        baseline, weight = np.exp(logs)
        return baseline * END + weight * seen - np.log(baseline + weight * density).sum()

    start = np.log([0.5 * len(events) / END, 0.5])
    found = scipy.optimize.minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-9})
    rate = len(events) / END
    return -found.fun - len(events) * (np.log(rate) - 1), np.exp(found.x[1])


def test_gain_and_weight_are_those_of_the_likeliest_process_with_each_kernel():
    rng = np.random.default_rng(0)
    events, stimuli = make_driven(rng, weight=0.4)
    # Responses that the end of the record cuts off, and supports that overlap.
    stimuli = np.sort(np.append(stimuli, END - np.array([0.45, 0.3, 0.1])))
    scan = scan_kernels(events, stimuli, END, **LIMITS)
    chosen = np.flatnonzero(scan.gain > 0.5)[::5]
    assert len(chosen) > 3
    for k in chosen:
        gain, weight = exact_gain(events, stimuli, scan.mean[k], scan.sigma[k])
        # The share of responses is bisected to 2e-5, and the gain is flat there.
        assert scan.gain[k] == pytest.approx(gain, abs=1e-5)
        assert scan.weight[k] == pytest.approx(weight, abs=1e-4)


def test_gain_by_hand_where_all_responses_have_the_same_lag():
    stimuli = 2.0 * np.arange(1, 101)
    inside, n_outside = 0.2 + stimuli[:60], 40
    outside = stimuli[:n_outside] + 1.3
    events, end_time = np.sort(np.append(inside, outside)), 210.0
    scan = scan_kernels(events, stimuli, end_time, **LIMITS)
    parameters, n = [scan.mean, scan.sigma], len(events)
    density = TruncatedGaussian(0.03).value(np.array([0.2]), parameters, length=0.5)[:, 0]
    r = end_time * density / len(stimuli)
    # n_in (r - 1) / (1 + q (r - 1)) = n_out / (1 - q), solved for q.
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where(60 * (r - 1) > n_outside, (60 * (r - 1) - n_outside) / ((r - 1) * n), 0)
    gain = 60 * np.log1p(q * (r - 1)) + n_outside * np.log1p(-q)
    np.testing.assert_allclose(scan.weight, q * n / len(stimuli), atol=2e-5)
    np.testing.assert_allclose(scan.gain, gain, atol=1e-6)
    assert scan.mean[scan.gain.argmax()] == pytest.approx(0.2, abs=0.5 * 0.47 / 50)


def test_nothing_is_gained_where_events_avoid_the_stimuli():
    stimuli = 0.5 + 2.0 * np.arange(1, 49)
    for late in (1.0, 0.01):  # after all supports, before them
        scan = scan_kernels(stimuli + late, stimuli, 100.0, **LIMITS)
        assert not scan.gain.any() and not scan.weight.any()
        rng = np.random.default_rng(0)
        assert shift_test(stimuli + late, stimuli, 100.0, **LIMITS, rng=rng).p_value == 1


def test_unit_and_origin_of_time_do_not_matter():
    rng = np.random.default_rng(1)
    events, stimuli = make_driven(rng, weight=0.4)
    seconds = scan_kernels(events, stimuli, END, **LIMITS)
    in_ms = scan_kernels(1e3 * events, 1e3 * stimuli, 1e3 * END, lower=30.0, upper=500.0)
    np.testing.assert_allclose(in_ms.gain, seconds.gain, atol=1e-6)
    np.testing.assert_allclose(in_ms.mean, 1e3 * seconds.mean)
    kept = stimuli[stimuli < END - 2]
    here, there = (
        scan_kernels(events[events < END - 1] + late, kept + late, END, **LIMITS)
        for late in (0, 0.9)
    )
    np.testing.assert_allclose(there.gain, here.gain, atol=1e-6)


def test_the_fit_goes_on_where_the_scan_ends():
    for seed in range(5):
        events, stimuli = make_driven(np.random.default_rng(seed), weight=0.3)
        scan = scan_kernels(events, stimuli, END, **LIMITS)
        model = fit_best(events, [stimuli], END, **LIMITS)
        gain = model.log_likelihood_curve_[-1] - len(events) * (np.log(len(events) / END) - 1)
        assert gain >= scan.gain.max() - 1e-4
        # The grid is fine enough to find most of it.
        assert scan.gain.max() > 0.8 * gain
        assert scan.mean[scan.gain.argmax()] == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("law", UNDRIVEN)
def test_p_values_of_undriven_processes_are_uniform(law):
    n, n_shifts, p_values = 120, 19, []
    for record in range(n):
        rng = np.random.default_rng([17, record])
        stimuli, events = make_stimuli(rng), UNDRIVEN[law](rng)
        found = shift_test(events, stimuli, END, **LIMITS, rng=rng, n_shifts=n_shifts)
        p_values.append(found.p_value)
    p_values = np.array(p_values)
    for level in (0.05, 0.25, 0.5, 0.75):
        low, high = scipy.stats.binom.ppf([0.001, 0.999], n, level)
        assert low <= np.sum(p_values <= level + 1e-9) <= high, level


def test_chi_square_would_call_many_heartbeats_driven():
    # What the shifts are for. Tones are a random half of stimuli 0.8 to 1.1 s apart.
    n, beyond = 300, 0
    for record in range(n):
        rng = np.random.default_rng([19, record])
        onsets = np.cumsum(rng.uniform(0.8, 1.1, 340))
        stimuli = onsets[(onsets < END) & (rng.random(340) < 0.5)]
        options = {"interval": 1.0, "deviation": 0.06, "end_time": END, "rng": rng}
        gain = scan_kernels(simulate_renewal(**options), stimuli, END, **LIMITS).gain.max()
        beyond += 2 * gain > scipy.stats.chi2(3).ppf(0.95)
    assert beyond > scipy.stats.binom.ppf(0.999, n, 0.05)


def test_driven_processes_are_found():
    p_values = []
    for record in range(20):
        rng = np.random.default_rng([18, record])
        events, stimuli = make_driven(rng, weight=0.3)
        found = shift_test(events, stimuli, END, **LIMITS, rng=rng, n_shifts=19)
        p_values.append(found.p_value)
        assert found.weight == pytest.approx(0.3, abs=5 * np.sqrt(0.4 / len(stimuli)))
    assert np.mean(np.array(p_values) <= 0.05) >= 0.9


def test_p_value_counts_the_observed_gain_and_is_repeatable():
    rng = np.random.default_rng(3)
    events, stimuli = make_driven(rng, weight=0.8)
    first, again = (
        shift_test(events, stimuli, END, **LIMITS, rng=np.random.default_rng(5), n_shifts=9)
        for _ in range(2)
    )
    assert first.p_value == again.p_value == 0.1  # above all nine others
    np.testing.assert_array_equal(first.shifted, again.shifted)
    assert first.gain > first.shifted.max() and len(first.shifted) == 9
    assert first.mean == pytest.approx(0.1, abs=0.02) and first.sigma < 0.05
    assert first.gain == scan_kernels(events, stimuli, END, **LIMITS).gain.max()


def test_errors_name_what_is_wrong():
    events, stimuli = np.array([1.0, 2.0]), np.array([0.9, 1.9])
    rng = np.random.default_rng(0)

    def scan(events=events, stimuli=stimuli, end_time=10.0, lower=0.0, upper=0.5):
        return scan_kernels(events, stimuli, end_time, lower=lower, upper=upper)

    with pytest.raises(ValueError, match=r"end_time must be above 0 s, got -1 s"):
        scan(end_time=-1)
    with pytest.raises(ValueError, match=r"lower must be at least 0 s, got -0\.1 s"):
        scan(lower=-0.1)
    with pytest.raises(ValueError, match=r"upper must be above 0\.5 s, got 0\.2 s"):
        scan(lower=0.5, upper=0.2)
    with pytest.raises(ValueError, match=r"events is empty"):
        scan(events=[])
    with pytest.raises(ValueError, match=r"stimuli is empty"):
        scan(stimuli=[])
    with pytest.raises(ValueError, match=r"events spans \[1, 2\] s, outside the record \[0, 1\.5"):
        scan(end_time=1.5)
    with pytest.raises(ValueError, match=r"stimuli must be sorted"):
        scan(stimuli=[2.0, 1.0])
    with pytest.raises(ValueError, match=r"first stimulus comes at 9\.9 s, and lower=0\.2 s later"):
        scan(stimuli=[9.9], lower=0.2)
    limits = {"lower": 0.0, "upper": 0.5}
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator, got 0"):
        shift_test(events, stimuli, 10.0, **limits, rng=0)
    with pytest.raises(ValueError, match=r"n_shifts must be at least 1, got 0"):
        shift_test(events, stimuli, 10.0, **limits, rng=rng, n_shifts=0)
