"""What cannot be computed with is refused, with its value and what to do."""

import re

import numpy as np
import pytest

from common.hawkes.driven import DrivenProcess, response_error
from common.hawkes.driven_starts import fit_best
from common.hawkes.goodness import rescaling_tests, uniformity_tests
from common.hawkes.grid import bin_events
from common.hawkes.histogram import fit_em, fit_least_squares
from common.hawkes.kernels import TruncatedGaussian
from common.hawkes.latency import resample_blocks
from common.hawkes.marked import marked_compensator, marked_intensity
from common.hawkes.marks import (
    MarkDensity,
    branching_ratio,
    check_marked,
    mark_density,
    simulate_marked,
)
from common.hawkes.mixture_labels import score_labels
from common.hawkes.pairs import check_sorted
from common.hawkes.simulation import (
    mean_intensity,
    regular_stimuli,
    simulate_driven,
    spectral_radius,
)
from common.hawkes.simulation import (
    simulate as simulate_hawkes,
)

NAN = np.nan
TIMES = [1.0, 3.0, 5.0, 7.0]
MASKED = np.ma.masked_greater(TIMES, 6.0)
RECORD = {"end_time": 7.9, "delta": 0.1, "kernel_length": 1.0}
REGION = np.array([[0.0, 1.0], [0.0, 1.0]])
POINTS = np.full((3, 3), 0.5)
MARKED = np.column_stack([TIMES, np.ones(4)])


def error(**changed):
    model = DrivenProcess(lower=0.0, upper=1.0)
    model.adjacency_ = np.array([0.5])
    true = {"baseline": 1.0, "adjacency": [0.5], "mean": [0.1], "sigma": [0.1]}
    return response_error(model, **{**true, **changed})


def process(**options):
    return DrivenProcess(**options).fit([1.1, 3.1, 6.0], [[1.0, 3.0]], 9.0)


def best(**options):
    limits = {"lower": 0.03, "upper": 0.5} | options
    return fit_best([1.1, 3.1, 6.0], [[1.0, 3.0]], 9.0, **limits)


def intensity(times, of=marked_intensity):
    return of(times, [MARKED], [1.0], [[0.5]], TruncatedGaussian(), [0.5, 0.1], length=1.0)


def compensator(times):
    return intensity(times, marked_compensator)


def simulate(baseline, adjacency, **options):
    return simulate_marked(
        baseline, adjacency, TruncatedGaussian(), [0.5, 0.1], length=1.0, **options
    )


def hawkes(baseline=(1.0,), adjacency=((0.5,),), parameters=(0.5, 0.1), **options):
    record = {"length": 1.0, "end_time": 9.0, "rng": np.random.default_rng(0)} | options
    return simulate_hawkes(baseline, adjacency, TruncatedGaussian(), parameters, **record)


def driven(baseline=1.0, adjacency=(0.5,), parameters=(0.5, 0.1), **options):
    record = {"length": 1.0, "end_time": 9.0, "rng": np.random.default_rng(0)} | options
    return simulate_driven(
        baseline, adjacency, TruncatedGaussian(), parameters, [[1.0, 2.0]], **record
    )


def stimuli(**options):
    record = {"interval": 1.0, "share": 0.5, "end_time": 9.0, "rng": np.random.default_rng(0)}
    return regular_stimuli(**(record | options))


def blocks(end_time=9.0, block=1.0):
    return resample_blocks([TIMES], end_time, block=block, rng=np.random.default_rng(0))


HIDDEN = np.ma.masked_greater([0.2, 0.5], 0.3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        # simulation
        (lambda: hawkes(adjacency=HIDDEN[1:, None]), "adjacency is a masked array with 1 masked"),
        (lambda: hawkes(baseline=HIDDEN[1:]), "baseline is a masked array with 1 masked values"),
        (lambda: hawkes(parameters=HIDDEN), "parameters is a masked array with 1 masked values"),
        (lambda: hawkes(baseline=["1"]), "baseline must hold real numbers, got \"['1']\"."),
        (lambda: hawkes(parameters=["0.5", "0.1"]), "parameters must hold real numbers, got"),
        (lambda: hawkes(end_time="9"), "end_time must be a number, got '9'."),
        (lambda: hawkes(length=NAN), "length must be above 0 s, got nan s."),
        (lambda: hawkes(burn_in=np.inf), "burn_in must be at least 0 s, got inf s."),
        (lambda: driven(adjacency=HIDDEN[1:]), "adjacency is a masked array with 1 masked values"),
        (lambda: driven(baseline="1"), "baseline must hold real numbers, got '1'."),
        (lambda: driven(baseline=np.ma.masked), "baseline is a masked array with 1 masked values"),
        (lambda: driven(adjacency=[0.5j]), "adjacency must hold real numbers, got '[0.5j]'."),
        (lambda: driven(parameters=HIDDEN[:, None]), "parameters is a masked array with 1 masked"),
        (lambda: driven(parameters=HIDDEN), "parameters is a masked array with 1 masked values"),
        (lambda: driven(length="1"), "length must be a number, got '1'."),
        (lambda: stimuli(share="0.5"), "share must be a number, got '0.5'."),
        (lambda: stimuli(share=NAN), "share must be above 0 and at most 1, got nan."),
        (lambda: stimuli(interval=None), "interval must be a number, got None."),
        (lambda: mean_intensity([1.0], HIDDEN[1:, None]), "adjacency is a masked array with 1"),
        (lambda: spectral_radius(HIDDEN[1:, None]), "adjacency is a masked array with 1 masked"),
        (lambda: spectral_radius([[0.5j]]), "adjacency must hold numbers, got [[0.5j]]."),
        (lambda: spectral_radius([[NAN]]), "adjacency must be finite, got nan at index (0, 0)."),
        (lambda: spectral_radius([[0.1, 0.2]]), "adjacency must be square, got shape (1, 2)."),
        (lambda: blocks(end_time=np.inf), "end_time must be above 0 s, got inf s."),
        (lambda: blocks(end_time="9"), "end_time must be a number, got '9'."),
        (lambda: blocks(block=NAN), "block must be above 0 s, got nan s."),
        (lambda: blocks(block=-1.0), "block must be above 0 s, got -1.0 s."),
        # the others
        (
            lambda: check_sorted(MASKED, name="times"),
            "times is a masked array with 1 masked values",
        ),
        (lambda: check_sorted([1j], name="times"), "times must hold real numbers, got '[1j]'."),
        (
            lambda: check_sorted(["1.0"], name="times"),
            "times must hold real numbers, got \"['1.0']\"",
        ),
        (
            lambda: check_sorted([1.0, None], name="times"),
            "times must hold real numbers, got '[1.0, ",
        ),
        (
            lambda: bin_events([MASKED], end_time=8.0, delta=0.1),
            "events[0] is a masked array with 1",
        ),
        (lambda: bin_events([["a"]], end_time=8.0, delta=0.1), "events[0] must hold real numbers"),
        (
            lambda: bin_events([TIMES], end_time=1e300, delta=0.1),
            "end_time=1e+300 s holds 1e+301 steps of delta=0.1 s, more than there are whole",
        ),
        (
            lambda: fit_em([TIMES], **RECORD, max_iter=NAN),
            "max_iter must be a whole number, got nan.",
        ),
        (lambda: fit_em([TIMES], **RECORD, tol=np.inf), "tol must be at least 0, got inf."),
        (
            lambda: fit_em([TIMES], **RECORD, bin_width=2.5),
            "bin_width must be a whole number, got 2",
        ),
        (
            lambda: fit_least_squares([TIMES], **RECORD, bin_width=True),
            "bin_width must be a whole nu",
        ),
        (lambda: rescaling_tests([1.0, NAN, 2.0]), "intervals must be finite, got nan at index 1."),
        (lambda: rescaling_tests(np.ones((2, 2))), "intervals must have 1 axis, got shape (2, 2)."),
        (
            lambda: uniformity_tests(POINTS * [[1, 1, 3]], region=REGION, end_time=1.0),
            "points[0] is [0.5, 0.5, 1.5], outside of the region and the record, [[0.0, 1.0]",
        ),
        (
            lambda: uniformity_tests(POINTS, region=REGION[:, ::-1], end_time=1.0),
            "region the rows of lowest and highest x and y, got shape (3, 3) and",
        ),
        (
            lambda: uniformity_tests(POINTS, region=REGION, end_time=0.0),
            "end_time must be above 0 s, got 0.0 s.",
        ),
        (lambda: error(baseline=NAN), "baseline must be at least 0 Hz, got nan Hz."),
        (lambda: error(adjacency=[0.5, 0.1]), "adjacency_ of model has 1, adjacency has 2"),
        (lambda: error(sigma=[0.0]), "sigma must be finite and above 0 s, got 0.0 s at index 0."),
        (
            lambda: error(baseline=0.0, adjacency=[0.0]),
            "give a true intensity of up to 0 Hz, to which no error is relative",
        ),
        (lambda: error(mean=[1e200]), "mean[0]=1e+200 s and sigma[0]=0.1 s give a true intensity"),
        (lambda: error(sigma=[1e200]), "give a true intensity of up to nan Hz"),
        (lambda: process(max_iter=1.5), "max_iter must be a whole number, got 1.5"),
        (lambda: process(tol=None), "tol must be a number, got None"),
        (lambda: process(lower=None), "lower must be a number, got None"),
        (lambda: process(upper=None), "upper must be a number, got None"),
        (lambda: process(upper=np.inf), "upper must be finite, got inf s"),
        (lambda: process(start=None), 'start must be "smart", "random" or (baseline, adjacency, '),
        (
            lambda: process(start="random", random_state=-1),
            "random_state must be at least 0, got -1",
        ),
        (lambda: best(max_iter=1.5), "max_iter must be a whole number, got 1.5"),
        (lambda: best(tol=None), "tol must be a number, got None"),
        (lambda: best(lower=None), "lower must be a number, got None"),
        (lambda: MarkDensity("own", 1.0, 1.0), "must be 1, got 1.5. Take slope=0."),
        (
            lambda: MarkDensity("own", 3.0, -4.0),
            "offset must be at least 0 and at most 2, got 3.0.",
        ),
        (
            lambda: mark_density("linear").sample(3, rng=0),
            "rng must be a numpy.random.Generator, got",
        ),
        (
            lambda: branching_ratio([[NAN]]),
            "adjacency must be finite and at least 0, got nan at index",
        ),
        (
            lambda: check_marked([np.ma.masked_less(MARKED, 1.0).astype(complex)]),
            "must hold real num",
        ),
        (
            lambda: check_marked([np.ma.masked_greater(MARKED, 6.0)]),
            "events[0] is a masked array with",
        ),
        (lambda: intensity([[NAN]]), "times[0][0] is nan (1 of 1 times are not finite). Drop them"),
        (
            lambda: intensity([[0.5], [1.0]]),
            "times must have one array for each of 1 processes, got 2",
        ),
        (
            lambda: compensator([[2.0, 1.0]]),
            "times[0] must be sorted, but times[0][1] = 1 s follows",
        ),
        (
            lambda: TruncatedGaussian().check(np.ma.masked_less([0.5, 0.1], 0.2)),
            "parameters is a masked array with 1 masked values",
        ),
        (
            lambda: simulate([1j], [[0.0]], end_time=5.0, rng=np.random.default_rng(0)),
            "baseline must hold real numbers, got '[1j]'.",
        ),
        (lambda: score_labels([1, 0], [1, 0], [0.5]), "marks has 1"),
        (
            lambda: score_labels([1, 0.5], [1, 0], [0.5, 0.1]),
            "labels must be 0 or 1, got 0.5 at index",
        ),
        (
            lambda: score_labels([1, NAN], [1, 0], [0.5, 0.1]),
            "labels must be finite and at least 0 a",
        ),
        (
            lambda: score_labels([1, 0], [1, 0], [0.5, 7.0]),
            "marks must be finite and at least 0 and a",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:the record lasts from 0")
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


def test_lags_of_a_response_are_finite():
    rng = np.random.default_rng(0)
    events = np.sort(rng.uniform(0, 100, 200))
    model = DrivenProcess(lower=0.0, upper=1.0, max_iter=2).fit(
        events, [np.arange(1.0, 99.0, 5.0)], 100.0
    )
    with pytest.raises(ValueError, match="lags must be finite, got nan s at index 1"):
        model.response([0.1, NAN])
    assert model.response([0]).shape == (1, 1)
