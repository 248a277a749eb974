"""Records in another unit, or that do not begin at 0: every entry says so."""

import re
import warnings

import numpy as np
import pytest

from common.dictionary.store import EventSet
from common.hawkes import (
    HawkesEstimator,
    LikelihoodEstimator,
    TruncatedExponential,
    TruncatedGaussian,
    bin_events,
    fit_em,
    fit_least_squares,
    simulate,
    simulate_driven,
)
from common.hawkes.driven import DrivenProcess
from common.hawkes.grid import check_delta, grid_intensity
from common.hawkes.latency import fit_latencies, lag_rate, resample_blocks, shift_circularly
from common.hawkes.pairs import check_memory, check_record, lagged_counts
from common.hawkes.residuals import compensator, compensator_at, rescaled_intervals
from common.hawkes.simulation import regular_stimuli
from common.hawkes.statistics import precompute
from common.hawkes.tick import fit_tick
from common.workflow import memory

POISSON = np.sort(np.random.default_rng(0).uniform(0, 100, 200))  # 2 Hz
STIMULI = np.sort(np.random.default_rng(1).uniform(0, 100, 50))
OPTIONS = {"kernel": TruncatedExponential(), "delta": 0.01, "kernel_length": 1.0}
GRID = {"delta": 0.01, "kernel_length": 1.0}
MODEL = [[1.0], [[0.2]], TruncatedExponential(), [2.0]]
FITTED = HawkesEstimator(**OPTIONS).fit([POISSON], 100.0)
LIKELY = LikelihoodEstimator(**OPTIONS, max_iter=1)
LATENCY = {"support": (0.0, 1.0), "delta": 0.01}

ENTRIES = {
    "least squares": lambda t, s, end: HawkesEstimator(**OPTIONS).fit([t], end),
    "likelihood": lambda t, s, end: LIKELY.fit([t], end),
    "score": lambda t, s, end: FITTED.score([t], end),
    "intensity": lambda t, s, end: FITTED.intensity([t], end),
    "standard errors": lambda t, s, end: FITTED.standard_errors([t], end),
    "bins": lambda t, s, end: bin_events([t], end_time=end, delta=0.01),
    "histogram": lambda t, s, end: fit_least_squares([t], end_time=end, **GRID),
    "EM": lambda t, s, end: fit_em([t], end_time=end, **GRID),
    "driven": lambda t, s, end: DrivenProcess().fit(t, [s], end),
    "FaDIn's latencies": lambda t, s, end: fit_latencies([t], [s], end, method="fadin", **LATENCY),
    "DriPP's latencies": lambda t, s, end: fit_latencies([t], [s], end, method="dripp", **LATENCY),
    "blocks": lambda t, s, end: resample_blocks([t], end, block=end / 10, rng=None),
    "compensator": lambda t, s, end: compensator([t], *MODEL, length=1.0, end_time=end),
    "residuals": lambda t, s, end: rescaled_intervals([t], *MODEL, length=1.0, end_time=end),
    "compensator at": lambda t, s, end: compensator_at([end], [t], *MODEL, length=1.0),
    "tick": lambda t, s, end: fit_tick("tick-em", [t], end_time=end, **GRID),
    "simulation": lambda t, s, end: simulate_driven(
        1.0, [0.5], TruncatedGaussian(), [0.1, 0.1], [t], length=1.0, end_time=end, rng=None
    ),
    "stored events": lambda t, s, end: EventSet(("a",), (t,), end),
}


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize(
    ("start", "unit"), [(1.6e9, 1.0), (1.6e9, 1e3), (1.6e9, 1e9), (3600.0, 250.0)],
    ids=["s", "ms", "ns", "samples"],
)  # fmt: skip
def test_a_record_that_begins_late_is_refused(name, start, unit):
    times, stimuli, end = ((start + x) * unit for x in (POISSON, STIMULI, 100.0))
    with pytest.raises(ValueError, match=r"the first of its \d+ events is at .*subtract its begin"):
        ENTRIES[name](times, stimuli, end)


def test_the_message_has_the_values_in_full():
    with pytest.raises(
        ValueError, match=r"end_time=1600000100 s, .* 200 events is at 1600000000\."
    ):
        check_record([1.6e9 + POISSON], end_time=1.6e9 + 100)


def test_one_event_since_1970_is_enough():
    with pytest.raises(ValueError, match="first of its 1 events is at 1600000050 s"):
        bin_events([[1.6e9 + 50]], end_time=1.6e9 + 100, delta=0.01)


@pytest.mark.parametrize("start", [0.0, 5.0])
def test_a_record_that_begins_at_0_passes_without_a_word(start):
    with warnings.catch_warnings(action="error"):
        check_record([start + POISSON], end_time=100 + start, kernel_length=1.0, delta=0.01)
        check_record([np.array([0.9])], end_time=1.0)  # late by chance
        check_record([np.zeros(0), POISSON], end_time=100.0)
        check_record([np.zeros(0)], end_time=100.0)


def test_one_process_may_begin_late_if_another_does_not():
    with warnings.catch_warnings(action="error"):
        check_record([90 + POISSON / 10, POISSON], end_time=110.0)


@pytest.mark.parametrize(
    ("events", "options", "message"),
    [
        (POISSON + 50, {"end_time": 150.0}, "200 events is at 50.* s. If it begins later than"),
        (POISSON, {"end_time": 1000.0}, "last of its 200 events is at 99.* one unit"),
        (np.rint(1000 * POISSON), {"end_time": 1e5}, r"200 event times are whole numbers, up to"),
        (
            1e3 * POISSON, {"end_time": 1e5, "kernel_length": 1.0},
            "so rare that 0 pairs .* kernel_length=1 s, .* ms or ns",
        ),
    ],
)  # fmt: skip
def test_what_may_be_another_unit_is_said(events, options, message):
    with pytest.warns(UserWarning, match=message):
        check_record([events], **options)


def test_a_driven_process_in_ms_is_said():
    # No event follows a stimulus within 0.5 s where seconds are 1000 apart.
    with pytest.warns(UserWarning, match=r"so rare that \d+ pairs .* kernel_length=0.5 s, .* ms"):
        DrivenProcess(max_iter=1).fit(1e3 * POISSON, [1e3 * STIMULI], 1e5)
    with warnings.catch_warnings(action="error"):
        DrivenProcess(max_iter=1).fit(POISSON, [STIMULI], 100.0)


def test_whole_numbers_are_expected_on_a_grid_of_them():
    with warnings.catch_warnings(action="error"):
        check_record([np.rint(POISSON)], end_time=100.0, delta=1.0)


def test_memory_is_bounded_before_it_is_asked_for():
    long = [np.array([1.0, 5e11])]
    message = r"grid points, every 0\.01 s, .* GB of memory, .* has .* larger delta"
    with pytest.raises(ValueError, match=message):
        FITTED.intensity(long, 1e12)
    with pytest.raises(ValueError, match=message):
        grid_intensity(bin_events(long, end_time=1e12, delta=0.01), [1.0], np.zeros((1, 1, 5)))
    with pytest.raises(ValueError, match=message):
        bin_events(long, end_time=1e12, delta=0.01).dense()
    with pytest.raises(ValueError, match=r"into 1,000,000,000 lags, more than .* Are both in s"):
        check_delta(0.001, kernel_length=1e6)
    binned = bin_events([POISSON], end_time=100.0, delta=1e-5)
    statistics = precompute(binned, n_lags=10**6)
    with pytest.raises(ValueError, match=r"each pair of 1 x 1,000,000 lags needs"):
        statistics.psi()
    with pytest.raises(ValueError, match=r"5,000,000 lags of each pair of 100 process\(es\) needs"):
        precompute(bin_events([POISSON] * 100, end_time=100.0, delta=1e-5), n_lags=5 * 10**6)
    with pytest.raises(ValueError, match=r"simulating 1e\+15 events up to end_time=1e\+12 s needs"):
        simulate([1000.0], [[0.0]], *MODEL[2:], length=1.0, end_time=1e12, rng=None)
    with pytest.raises(ValueError, match=r"simulating 1e\+15 events"):
        simulate_driven(
            1e3, [], TruncatedGaussian(), [0.1, 0.1], [], length=1.0, end_time=1e12, rng=None
        )
    with pytest.raises(ValueError, match=r"simulating 1e\+12 events"):
        regular_stimuli(interval=1.0, share=0.5, end_time=1e12, rng=None)


def test_pairs_of_events_are_counted_before_they_are_kept():
    dense = np.linspace(0, 1e6, 10**6)
    with pytest.raises(ValueError, match=r"pairs of events within 500000 s needs .* least squares"):
        lagged_counts(bin_events([dense], end_time=1e6, delta=1.0), 500_000)


def test_memory_of_a_container_bounds_what_may_be_asked_for(monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: (2000, "this container or control group"))
    check_memory(2.0e9, what="all of it", fix="")
    expected = "more needs 2.1 GB of memory, this container or control group has 2.0 GB. Ask less."
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        check_memory(2.1e9, what="more", fix="Ask less.")
    monkeypatch.setattr(memory, "limit", lambda: None)  # where nothing is known
    check_memory(1e18, what="more", fix="")


def test_times_that_latencies_wrap_or_pair_are_checked():
    with pytest.raises(ValueError, match=r"times spans \[10, 200\] s, outside .*samples"):
        shift_circularly([10.0, 200.0], 100.0, shift=1.0)
    with pytest.raises(ValueError, match="targets must be sorted"):
        lag_rate([1.0], [3.0, 2.0], [0.0, 1.0])
    with pytest.raises(ValueError, match=r"times\[1\] must be sorted"):
        resample_blocks([[1.0], [3.0, 2.0]], 10.0, block=1.0, rng=None)
