"""Input that would give a wrong number in silence is refused, with the value and what to do."""

import re
import warnings
from dataclasses import replace

import mne
import numpy as np
import pytest

from common.dictionary import (
    activation_events,
    encode,
    grids,
    learn_dictionary,
    nystagmus,
    reconstruct,
    sparse_coding,
    stochastic,
    unrolled,
    waves,
)
from common.dictionary import contamination as artefacts
from common.dictionary.atoms import FullAtoms, RankOneAtoms, as_atoms
from common.dictionary.baselines import admm, lbfgs
from common.dictionary.batch import (
    activation_sums,
    improved_atoms,
    learn_atoms,
    minimise_quadratic,
)
from common.dictionary.crops import drawn_atoms, sharpest_crop
from common.dictionary.distributed import Workers
from common.dictionary.estimator import ConvolutionalDictionary
from common.dictionary.grid_learning import first_atoms, improved_patterns
from common.dictionary.letters import letter_images, text_page
from common.dictionary.patches import learn_on_patches
from common.dictionary.paths import race
from common.dictionary.processes import code_in_processes
from common.dictionary.recovery import match_atoms, recovery_score
from common.dictionary.store import EventSet
from common.dictionary.trend import line_trend, moving_median, slow_part, tv_prox
from common.dictionary.unrolled_learning import samples_as_atoms
from common.sparse.lasso import Lasso

NAN = np.nan
RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 60))
D = RNG.standard_normal((3, 2, 5))
Z = np.zeros((3, 56))
IMAGE = RNG.standard_normal((9, 9))
LETTERS = letter_images("AB")
PROBLEM = Lasso(np.eye(2), reg=0.1)
HUGE, TINY = 1e200, 1e-200


def rng():
    return np.random.default_rng(0)


def record(**change):
    times = np.arange(300) / 100
    wave = nystagmus.cycle("jerk", 3 * times)
    onsets = np.arange(8) / 3
    known = {"x": wave, "gaze": 0 * wave, "nystagmus": wave, "onsets": onsets}
    known |= {"periods": np.full(len(onsets), 1 / 3), "period": 1 / 3}
    return nystagmus.EyeRecord(**(known | {"kind": "jerk", "sfreq": 100.0} | change))


def events(**change):
    return EventSet(
        **{"names": ("a",), "events": ([1.0],), "end_time": 9.0, "waveforms": ([0.0, 1.0],)}
        | {"sfreqs": (100.0,), "anchors": (0.0,)}
        | change
    )


def windows(**change):
    sizes = {"n_atoms": 1, "n_times_atom": 5, "n_times_window": 20, "n_epochs": 1}
    return stochastic.learn_on_windows(X, rng=rng(), **sizes | change)


def raced(**change):
    known = {"n_seeds": 1, "n_times": [50], "learners": {}, "options": {}, "sigma": 0.1}
    return race(D, generator=None, **known | change)


SHORT = {"sfreq": 100.0, "n_atoms": 1, "atom_length": 0.05}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        # atoms
        (lambda: FullAtoms(HUGE * D), "so that its norm is no number in double precision. Scale"),
        (lambda: FullAtoms(TINY * D), "D[0] holds values up to "),
        (lambda: RankOneAtoms([[1e-100]], [[1e-100]]), "(u, v)[0] holds values up to 1e-200"),
        (lambda: as_atoms([[1.0], [1.0, 2.0]]), "atoms must hold numbers, got [[1.0], [1.0, 2.0]]"),
        (lambda: as_atoms([[1.0, NAN]]), "atoms must be finite, got nan at index (0, 1)"),
        # sparse coding
        (lambda: sparse_coding.sparse_code(HUGE * X, D, 1.0), "X holds values up to"),
        (lambda: sparse_coding.sparse_code(TINY * X, D, 1.0), "Scale it first, say to a deviation"),
        (
            lambda: sparse_coding.sparse_code(X, D, 1.0, nonnegative="no"),
            "nonnegative must be one of False, True, got 'no'",
        ),
        (lambda: sparse_coding.lambda_max(X, D, nonnegative="no"), "nonnegative must be one of"),
        (lambda: sparse_coding.cost(X * NAN, D, Z, 1.0), "X must be finite, got nan"),
        (lambda: sparse_coding.cost(X[0], D, Z, 1.0), "X has 1 channel(s), the atoms have 2"),
        (lambda: sparse_coding.cost(X, D, Z[:2], 1.0), "z must have shape (3, 56) for X of 60 sam"),
        (lambda: sparse_coding.cost(X, D, Z + NAN, 1.0), "z must be finite, got nan"),
        (lambda: sparse_coding.cost(X, D, Z, NAN), "penalty must be at least 0, got nan"),
        (lambda: sparse_coding.duality_gap(X, D, Z, -1), "penalty must be at least 0, got -1"),
        (lambda: sparse_coding.duality_gap(X, D, Z - 1, 1.0), "z must be finite and at least 0, g"),
        (lambda: lbfgs(HUGE * X, D, 1.0), "X holds values up to"),
        (lambda: admm(TINY * X, D, 1.0), "X holds values up to"),
        (lambda: sparse_coding.cost(X, D, Z + HUGE, 1.0), "z holds values up to 1e+200"),
        (
            lambda: sparse_coding.sparse_code(X, D, 1.0, start=Z + HUGE),
            "start holds values up to 1e+200",
        ),
        (
            lambda: sparse_coding.sparse_code(X, D, 1.0, tol=TINY),
            "tol=1e-200 is below the last digit of activations of",
        ),
        (
            lambda: Workers(X, D).code(1.0, tol=TINY),
            "tol=1e-200 is below the last digit of activations, which are up to",
        ),
        (lambda: admm(X, D, 1.0, rho=1e-300), "rho=1e-300 is too small beside the atoms. Raise it"),
        # learning
        (lambda: learn_dictionary(X + 1j, **SHORT), "X must hold numbers, got array([["),
        (lambda: learn_dictionary(np.ma.masked_less(X, 0), **SHORT), "X is a masked array with"),
        (lambda: learn_dictionary(HUGE * X, **SHORT), "X holds values up to"),
        (
            lambda: learn_dictionary(X, **SHORT, n_splits=2.5),
            "n_splits must be a whole number, got",
        ),
        (lambda: learn_dictionary(X, **SHORT, debias="no"), "debias must be one of False, True"),
        (
            lambda: learn_dictionary(X, **SHORT, taper_atoms=None),
            "taper_atoms must be one of False, True, got None",
        ),
        (
            lambda: encode(X, D),
            "dictionary must be a Dictionary, as learn_dictionary gives it, got",
        ),
        (
            lambda: reconstruct(None),
            "dictionary must be a Dictionary, as learn_dictionary gives it",
        ),
        (lambda: learn_atoms(HUGE * X, n_atoms=1, n_times_atom=5), "X holds values up to"),
        (
            lambda: learn_atoms(X, n_atoms=1, n_times_atom=5, rank_one="no"),
            "rank_one must be one of False, True, got 'no'",
        ),
        (
            lambda: learn_atoms(X, n_atoms=1, n_times_atom=5, start=(D, D, D)),
            "atoms as a tuple must be (u, v), got 3 parts",
        ),
        (
            lambda: activation_sums(HUGE * X[None], HUGE * (Z + 1)[None], 5),
            "products of z up to 1e+200 and X up to",
        ),
        (
            lambda: improved_atoms(D, np.zeros((3, 3, 9)), np.zeros((3, 2, 5))),
            "atoms must be FullAtoms or RankOneAtoms, got ndarray",
        ),
        (
            lambda: improved_atoms(FullAtoms(D), np.zeros((3, 3, 9)), np.zeros((3, 1, 5))),
            "ztX must have shape (3, 2, 5) for 3 atom(s) of 2 channel(s) and 5 samples, got (3, 1",
        ),
        (
            lambda: minimise_quadratic(D, np.arange(81.0).reshape(3, 3, 9), D),
            "two such values differ by 44. Is distance 0 in the middle?",
        ),
        (
            lambda: minimise_quadratic(HUGE * D, np.zeros((3, 3, 9)), D),
            "W holds values up to",
        ),
        (
            lambda: minimise_quadratic(D, np.zeros((3, 3, 9)), D, window=np.full(5, TINY)),
            "window holds values up to 1e-200",
        ),
        # events
        (lambda: activation_events([[1.0, 2j]], sfreq=1.0), "z must hold numbers, got [[1.0, 2j]]"),
        (
            lambda: activation_events(np.ma.masked_equal([[1.0, 2.0]], 1.0), sfreq=1.0),
            "z is a masked array with 1 masked values",
        ),
        (lambda: activation_events([[1.0]], sfreq="100"), "sfreq must be a number, got '100'"),
        (
            lambda: activation_events([[1.0]], sfreq=1.0, shift=NAN),
            "shift must be finite, got nan",
        ),
        # contamination
        (
            lambda: artefacts.patterns(9, 1, 8),
            "ask for a sine of 5 periods, half the sampling rate or more in n_times_atom=8 "
            "samples. Use at least 11 samples, or fewer patterns",
        ),
        (
            lambda: artefacts.patterns(7, 1, 8),
            "ask for a sine of 4 periods, half the sampling rate",
        ),
        (
            lambda: artefacts.patterned_signal(D, n_times=60, n_events=1e9, rng=rng()),
            "n_events must be above 0 and at most 5000, got 1000000000.0",
        ),
        (
            lambda: artefacts.patterned_signal(D, n_times=60, sigma=HUGE, rng=rng()),
            "the signal has the deviation inf",
        ),
        (
            lambda: artefacts.patterned_signal([[[1.0]]], n_times=1, sigma=0, rng=rng()),
            "the signal has the deviation 0: it cannot be divided by it",
        ),
        (
            lambda: artefacts.contaminated([[3.0] * 50], n_times_artefact=6, rng=rng()),
            "channel 0 is constant, 3: noise between its smallest and largest value changes nothin",
        ),
        (
            lambda: artefacts.contaminated(X, n_times_artefact=6, level=1e308, rng=rng()),
            "is no number. Lower it.",
        ),
        (
            lambda: artefacts.contaminated(X, n_times_artefact=6, n_artefacts=1e9, rng=rng()),
            "n_artefacts must be above 0 and at most 5000",
        ),
        (lambda: artefacts.cut_into_trials(X, 30), "n_trials=30 leave 2 of 60 samples for a trial"),
        (
            lambda: artefacts.filled(X[:, None], np.where(X > 0, NAN, 0)),
            "mask must be finite, got nan",
        ),
        (lambda: artefacts.filled(X[:, None], X), "mask must be True or False, got"),
        (lambda: artefacts.filled(X[:, None], np.full((2, 60), "no")), "mask must hold numbers"),
        (
            lambda: artefacts.filled(X[:, None], np.ma.masked_equal(X > 0, True)),
            "mask is a masked array with",
        ),
        # images
        (
            lambda: letter_images(["a", "b"]),
            "letters must be a text, such as 'ABC', got ['a', 'b']",
        ),
        (lambda: letter_images("a\u6f22"), "the letter '\u6f22' is not in DejaVu Sans Mono"),
        (
            lambda: letter_images("a", shape=(12, 10, 3)),
            "shape must be (rows, columns), got (12, 10",
        ),
        (lambda: letter_images("a", shape=12), "shape must be (rows, columns), got 12"),
        (
            lambda: text_page(LETTERS, LETTERS[0], frequency=0.1, shape=99, rng=rng()),
            "shape must be (rows, columns), got 99",
        ),
        (
            lambda: text_page(LETTERS, 0 * LETTERS[0], frequency=0.1, rng=rng()),
            "rare has no ink: the mask would mark what is not there",
        ),
        (lambda: sharpest_crop(HUGE * IMAGE, 3), "image holds values up to"),
        (lambda: drawn_atoms(HUGE * IMAGE, 1, (3, 3), rng=rng()), "image holds values up to"),
        (lambda: drawn_atoms(IMAGE, 1, (3, 3, 1), rng=rng()), "shape must be (rows, columns), got"),
        (
            lambda: learn_on_patches(IMAGE, n_atoms=1, shape=(3,), rng=rng()),
            "shape must be (rows, columns), got (3,)",
        ),
        (
            lambda: learn_on_patches(IMAGE, n_atoms=1, shape=(3, 3), nonnegative="no", rng=rng()),
            "nonnegative must be one of False, True, got 'no'",
        ),
        (
            lambda: learn_on_patches(
                np.pad([[1.0]], (0, 40)), n_atoms=1, shape=(2, 2), n_patches=1, rng=rng()
            ),
            "all n_patches=1 patches that were drawn are 0",
        ),
        # grids
        (
            lambda: grids.Problem.of(X, [[[1.0], [1.0, 2.0]]]),
            "atoms must hold numbers, got [[[1.0]",
        ),
        (lambda: grids.lambda_max(HUGE * X, D), "X holds values up to"),
        (
            lambda: grids.lambda_max(X, D, nonnegative="no"),
            "nonnegative must be one of False, True",
        ),
        (
            lambda: grids.reconstruct(Z[0], D),
            "z must have shape (n_atoms, n_places) or (n_atoms, n_",
        ),
        (
            lambda: Workers(X, D, nonnegative="no"),
            "nonnegative must be one of False, True, got 'no'",
        ),
        (
            lambda: Workers(X, D).code(1.0, D=D[:2, :, None]),
            "D must have the shape (3, 2, 1, 5) as before, got (2, 2, 1, 5)",
        ),
        (
            lambda: Workers(X, D).code(1.0, D=D[:, :, None] * NAN),
            "D must be finite, got nan",
        ),
        (
            lambda: code_in_processes(X, D, 1.0, workers=10_000),
            "workers=(1, 10000) are more than the 1 × 56 places",
        ),
        (
            lambda: first_atoms(X, 1, 5, rng=rng()),
            "atom_shape must be (n_times,) or (rows, columns), got 5",
        ),
        (
            lambda: first_atoms(X, 1, (5,), start=HUGE * D[:1]),
            "so that its norm is no number in double precision",
        ),
        (
            lambda: improved_patterns(D[:, :, None], np.zeros((3, 3, 1, 5)), D[:, :, None]),
            "ztz must have shape (3, 3, 1, 9) for D of shape (3, 2, 1, 5), got (3, 3, 1, 5)",
        ),
        (
            lambda: grids.cost(X, D, Z + HUGE, 1.0),
            "z holds values up to 1e+200",
        ),
        # random windows
        (lambda: windows(scaled="no"), "scaled must be one of False, True, got 'no'"),
        (
            lambda: windows(solver="fista", device="tpu7"),
            "torch has no device 'tpu7' here. Use 'cpu'",
        ),
        (
            lambda: stochastic.learn_on_windows(
                HUGE * X, n_atoms=1, n_times_atom=5, n_times_window=20, rng=rng()
            ),
            "X holds values up to",
        ),
        (
            lambda: stochastic.loss_density(X[None], D, Z[None] - 1, 1.0),
            "z must be finite and at least 0, got -1.0",
        ),
        (
            lambda: stochastic.loss_density(X[None], HUGE * D, Z[None], 1.0),
            "D holds values up to",
        ),
        (
            lambda: stochastic.loss_density(X[None], D, Z[None], NAN),
            "penalty must be at least 0, got nan",
        ),
        (
            lambda: stochastic.outlier_mask(X, outliers="mad", n_times_atom=5),
            "outliers must be Outliers, got 'mad'",
        ),
        (
            lambda: stochastic.outlier_mask(X[:, :4], D, 1.0, outliers=stochastic.Outliers()),
            "atoms of 5 samples do not fit into trials of 4",
        ),
        (lambda: raced(n_times=[]), "n_times is empty: give one number of samples"),
        (lambda: raced(enough=NAN), "enough must be finite, got nan"),
        (lambda: raced(n_times=[50.5]), "n_times must be a whole number, got 50.5"),
        # scores
        (lambda: match_atoms(HUGE * D, D), "found holds values up to"),
        (lambda: recovery_score(D, TINY * D), "true holds values up to"),
        (lambda: waves.peak_frequency(np.zeros(9), sfreq=100.0), "has the power 0 from 0 to 50 Hz"),
        (
            lambda: waves.peak_frequency(HUGE * X[0], sfreq=100.0),
            "Scale it, or choose another band",
        ),
        (
            lambda: waves.peak_frequency(X[0], sfreq=100.0, band=(8, NAN)),
            "an edge of band must be finite, got nan Hz",
        ),
        (
            lambda: waves.harmonic_excess(X[0], sfreq=100.0, band=None),
            "band must be (lowest, highest) in Hz, got None",
        ),
        # nystagmus
        (
            lambda: nystagmus.waveform_recovery(X[0], "jerk", period=0.01, sfreq=100.0),
            "period must be above 0.02 s, got 0.01 s",
        ),
        (
            lambda: nystagmus.waveform_recovery(HUGE * X[0], "jerk", period=1.0, sfreq=100.0),
            "atom holds values up to",
        ),
        (lambda: nystagmus.asymmetry(HUGE * X[0]), "atom holds values up to"),
        (lambda: nystagmus.quick_share(None, X[0]), "record must be an EyeRecord, as eye_record"),
        (
            lambda: nystagmus.quick_share(
                record(onsets=np.array([]), periods=np.array([])), [0] * 300
            ),
            "the record has 0 cycles, and the nystagmus moves in no quick phase",
        ),
        (
            lambda: nystagmus.onset_f1(record(), [0.0, 1.0, 0.0], np.zeros(300)),
            "z must have 298 values, one for each place of an atom of 3 samples in the record of 3",
        ),
        (
            lambda: nystagmus.onset_f1(record(onsets=np.array([])), [0.0, 1.0, 0.0], np.zeros(298)),
            "neither the record nor z has a cycle: F1 is 0 / 0",
        ),
        (
            lambda: nystagmus.waveform_recovery(X[0], "jerk", period=1e300, sfreq=100.0),
            "an atom of 60 samples at 100 Hz sees nothing of a period of 1e+300 s",
        ),
        (lambda: nystagmus.onset_f1(record(), 1.0, Z[0]), "atom must have 1 axis, got shape ()"),
        # trends
        (lambda: tv_prox([0.0, 1.0], 1e10), "mu=1e+10 is more than 1e9 times the range of y, 1"),
        (
            lambda: line_trend([0.0, 1, 0, 1], 1e11),
            "must be at most 2e+10 for second differences of",
        ),
        (
            lambda: slow_part(X[0], cutoff=1e-9, sfreq=100.0),
            "cutoff must be at least 0.0001 and below 50 Hz, got 1e-09 Hz",
        ),
        # stored events
        (lambda: events(names="a"), "names must be several names, got 'a'"),
        (lambda: events(simulated="no"), "simulated must be one of False, True, got 'no'"),
        (lambda: events(end_time=NAN), "end_time must be above 0 s, got nan s"),
        (
            lambda: events(waveforms=([0.0, NAN],)),
            "waveforms[0] must be finite, got nan at index 1",
        ),
        (lambda: events(sfreqs=(0.0,)), "sfreqs[0] must be above 0 Hz, got 0.0 Hz"),
        (lambda: events(anchors=(NAN,)), "anchors[0] must be finite, got nan s"),
        (
            lambda: events(positions=[[0.0, NAN]]),
            "positions must be finite, got nan at index (0, 1)",
        ),
        # unrolled
        (
            lambda: unrolled.gradients(PROBLEM, np.eye(2), n_iter=1, depths=2),
            "depths must be a sequence of one or more, got 2",
        ),
        (
            lambda: unrolled.jacobians(PROBLEM, [1.0, 2.0], 3),
            "iterations must be a sequence of whole numbers, got 3",
        ),
        (
            lambda: unrolled.jacobians(PROBLEM, [1.0, 2.0], [3], features=0),
            "features must be a sequence of whole numbers, got 0",
        ),
        (
            lambda: unrolled.minimum_gradient(PROBLEM, np.eye(2), HUGE * np.eye(2)),
            "z holds values up to 1e+200",
        ),
        (lambda: samples_as_atoms(HUGE * X, 1, rng=rng()), "so that its norm is no number"),
        (lambda: unrolled.exact_codes(None, np.eye(2)), "problem must be a Lasso"),
        (lambda: unrolled.minimum_gradient(None, X, X), "problem must be a Lasso"),
        (lambda: unrolled.jacobians(None, [1.0, 2.0], [1]), "problem must be a Lasso"),
        (lambda: unrolled.limit_jacobian(None, [1.0, 2.0], [1.0, 2.0]), "problem must be a Lasso"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((TypeError, ValueError), match=re.escape(message)):
            call()


@pytest.mark.parametrize("found", [unrolled.unrolled_codes, unrolled.gradients])
def test_codes_that_diverge_are_an_error(found):
    with pytest.raises(
        FloatingPointError, match=r"steps up to 1e\+10: they diverge. .* = 1 do not"
    ):
        found(PROBLEM, [[1.0, 2.0]], n_iter=100, steps=1e10)


def test_a_tolerance_in_another_unit_is_said():
    volts = 1e-6 * X
    penalty = 0.5 * sparse_coding.lambda_max(volts, D)
    with pytest.warns(
        UserWarning, match=r"tol=0.001 is above .* without a penalty: nothing is act"
    ):
        assert not sparse_coding.sparse_code(volts, D, penalty).z.any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sparse_coding.sparse_code(volts, D, penalty, tol=1e-9).z.any()


def test_what_counts_as_true_or_false():
    mask = X > 0
    expected = artefacts.filled(X[:, None], mask)
    for same in (mask.astype(int), mask.astype(float), mask.tolist(), np.ma.array(mask)):
        np.testing.assert_array_equal(artefacts.filled(X[:, None], same), expected)
    found = grids.lambda_max(X, D, nonnegative=np.bool_(False))
    assert found == grids.lambda_max(X, D, nonnegative=False)


def test_missing_samples_of_any_type_are_left_out():
    expected = moving_median([1.0, NAN, 5.0], 3)
    for same in (np.ma.array([1, 7, 5], mask=[0, 1, 0]), [1.0, None, 5.0]):
        np.testing.assert_array_equal(moving_median(same, 3), expected)


# Fitted learners


def raw(names, sfreq=100.0):
    signal = X[: len(names)] * 1e-6
    return mne.io.RawArray(signal, mne.create_info(names, sfreq, "eeg"), verbose="error")


@pytest.fixture(scope="module")
def learner():
    return ConvolutionalDictionary(1, 0.05, n_iter=1).fit(raw(["C3", "C4"]))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (raw(["C3", "C4"], 200.0), "X is sampled at 200 Hz, and the atoms at 100 Hz. Resample it."),
        (
            raw(["C4", "C3"]),
            "X has the channels C4, C3, and the atoms are of C3, C4. Pick these, in",
        ),
    ],
)
def test_other_recordings_are_not_coded(learner, other, message):
    assert learner.transform(raw(["C3", "C4"])).shape == (1, 1, 56)
    with pytest.raises(ValueError, match=re.escape(message)):
        learner.transform(other)


def test_arrays_of_other_shapes_are_not_coded():
    learner = ConvolutionalDictionary(1, 0.05, sfreq=100.0, n_iter=1).fit(X)
    with pytest.raises(ValueError, match=r"X must have shape .*, got \(60,\)"):
        learner.transform(X[0])
    with pytest.raises(ValueError, match=r"X must have shape .*, got \(\)"):
        learner.fit(3.0)


def test_a_record_as_it_should_be_has_scores():
    one = record()
    assert nystagmus.quick_share(one, one.gaze) == 0
    silent = replace(one, onsets=np.array([]))
    z = np.zeros(271)
    z[0] = 1
    assert nystagmus.onset_f1(silent, one.nystagmus[:30], z) == 0


def test_an_interval_beyond_the_recording_leaves_one_event():
    z = [[0.0, 2.0, 0.0, 1.0]]
    for interval in (0.04, 1e300):
        assert activation_events(z, sfreq=100.0, min_interval=interval)[0][0].tolist() == [0.01]
