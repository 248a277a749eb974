"""What scikit-learn's users do with any estimator: copy it, ask for its options, store it."""

import importlib
import inspect
import pickle
import pkgutil
import re
import warnings
from pathlib import Path

import mne
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

import common
from common.adaptation.accelerated import (
    FastDASVMClassifier,
    FastMMDLSConSMappingAdapter,
    FastTransferComponentAnalysisAdapter,
)
from common.benchmark.features import Informative
from common.benchmark.frequencies import FrequencyCCA, MultisetCCA, TaskRelatedComponents
from common.benchmark.networks import NetworkClassifier
from common.benchmark.search import SharedGridSearch
from common.dictionary.estimator import ConvolutionalDictionary, RobustConvolutionalDictionary
from common.hawkes.driven import DrivenProcess
from common.hawkes.estimator import HawkesEstimator
from common.hawkes.kernels import TruncatedExponential, TruncatedGaussian
from common.hawkes.likelihood import LikelihoodEstimator
from common.hawkes.marked import MarkedHawkesEstimator
from common.hawkes.mixture import MixtureEstimator
from common.hawkes.space_time import SpaceTimeHawkes
from common.hawkes.space_time_kernels import IsotropicGaussian
from common.missing.em import EMRegressor
from common.missing.neumiss import NeuMissRegressor
from common.scattering.sklearn import HarmonicScattering3D, Scattering1D, Scattering2D
from common.spd.aligners import ParticleAlignment, TransformationAlignment
from common.spd.features import (
    EachDistribution,
    SlicedWassersteinClassifier,
    SlicedWassersteinFeatures,
    SlicedWassersteinRegressor,
)

ABSTRACT = {"ParametricEstimator"}
NOT_REFUSED = {"HarmonicScattering3D", "Scattering1D", "Scattering2D"}  # they learn nothing
NOT_REFUSED |= {"FastDASVMClassifier"}  # skada's own way to say so is an AttributeError
RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((24, 3))
HALF = np.arange(24) % 2
NUMBERS = ROWS[:, 0] + 0.1 * RNG.standard_normal(24)
DOMAINS = {"sample_domain": np.repeat([1, -2], 12)}
MASKED = np.where(np.repeat([1, -2], 12) < 0, -1, HALF)
WITH_GAPS = np.where(RNG.random((24, 3)) < 0.2, np.nan, ROWS)
TRIALS = RNG.standard_normal((24, 2, 250)) + HALF[:, None, None]
SPD = [G @ G.swapaxes(1, 2) for G in RNG.standard_normal((12, 6, 3, 8))]
TIMES = [np.sort(RNG.uniform(0, 40, 60))]
MARKED = [np.column_stack([TIMES[0], RNG.uniform(0, 1, 60)])]
PLACES = np.column_stack([np.sort(RNG.uniform(0, 9, 30)), *RNG.uniform(-1, 1, (2, 30))])
IN_TIME = {"kernel": TruncatedExponential(), "delta": 0.05, "kernel_length": 1.0, "max_iter": 3}
IN_SPACE = {"region": [[-1, 1], [-1, 1]], "space_length": 0.5, "time_length": 1.0}
IN_SPACE |= {"space_delta": 0.1, "time_delta": 0.1, "max_iter": 2}
EPOCHS = mne.EpochsArray(
    1e-6 * TRIALS[:6],
    mne.create_info(2, 125.0, "eeg"),
    np.column_stack([np.arange(6), np.zeros(6, int), HALF[:6] + 1]),
    event_id={"9.0": 1, "12.0": 2},
    verbose="error",
)
SMALL = {"n_projections": 5, "random_state": 0}
WAVES = RNG.standard_normal((2, 300))
LEARNED = {"n_atoms": 1, "atom_length": 0.1, "sfreq": 100.0}


def named(*calls):
    """Cases by the name of the class."""
    return {type(case[0]).__name__: case for case in calls}


# An estimator, what it is fitted on, further arguments, and what is asked of it afterwards.
CASES = named(
    (FastMMDLSConSMappingAdapter(gamma=1.0, max_iter=3), (ROWS, MASKED), DOMAINS, None),
    (FastTransferComponentAnalysisAdapter(n_components=2), (ROWS,), DOMAINS, None),
    (FastDASVMClassifier(SVC(), max_iter=2), (ROWS, MASKED), DOMAINS, ("predict", ROWS)),
    (Informative(k=2), (ROWS, HALF), {}, ("transform", ROWS)),
    (FrequencyCCA(n_harmonics=1), (EPOCHS, HALF[:6]), {}, ("predict", EPOCHS)),
    (MultisetCCA(), (EPOCHS, HALF[:6]), {}, ("predict", EPOCHS)),
    (TaskRelatedComponents(n_bands=2), (EPOCHS, HALF[:6]), {}, ("predict", EPOCHS)),
    (
        NetworkClassifier("EEGNet", n_epochs=1, batch_size=8),
        (TRIALS, HALF), {}, ("predict_proba", TRIALS),
    ),
    (
        SharedGridSearch(make_pipeline(SVC()), {"svc__C": [0.1, 1.0]}, cv=2),
        (ROWS, HALF), {}, ("predict", ROWS),
    ),
    (ConvolutionalDictionary(**LEARNED, n_iter=2), (WAVES,), {}, ("transform", WAVES)),
    (
        RobustConvolutionalDictionary(**LEARNED, n_epochs=1, n_windows=2, window=3),
        (WAVES,), {}, ("transform", WAVES),
    ),
    (DrivenProcess(max_iter=3), (TIMES[0], [np.arange(1.0, 39.0)], 40.0), {}, None),
    (HawkesEstimator(**IN_TIME), (TIMES, 40.0), {}, ("score", TIMES, 40.0)),
    (LikelihoodEstimator(**IN_TIME), (TIMES, 40.0), {}, ("score", TIMES, 40.0)),
    (MarkedHawkesEstimator(**IN_TIME), (MARKED, 40.0), {}, ("score", MARKED, 40.0)),
    (
        MixtureEstimator(**IN_TIME, n_starts=1, max_rounds=2, random_state=0),
        (MARKED, 40.0), {}, ("score", MARKED, 40.0),
    ),
    (
        SpaceTimeHawkes(IsotropicGaussian(), TruncatedGaussian(), **IN_SPACE),
        ([PLACES], 10.0), {}, ("score", [PLACES], 10.0),
    ),
    (EMRegressor(max_iter=20), (WITH_GAPS, NUMBERS), {}, ("predict", WITH_GAPS)),
    (
        NeuMissRegressor(depth=1, n_epochs=1, random_state=0, empty_rows=True),
        (WITH_GAPS, NUMBERS), {}, ("predict", WITH_GAPS),
    ),
    (Scattering1D(J=2, shape=64), (TRIALS[:, 0, :64],), {}, ("transform", TRIALS[:, 0, :64])),
    (
        Scattering2D(J=1, shape=(8, 8)),
        (TRIALS[:, 0, :64],), {}, ("transform", TRIALS[:, 0, :64]),
    ),
    (
        HarmonicScattering3D(J=1, shape=(4, 4, 4), L=1),
        (TRIALS[:, 0, :64] ** 2,), {}, ("transform", TRIALS[:, 0, :64] ** 2),
    ),
    (ParticleAlignment(n_projections=5, n_steps=2), (SPD[0], SPD[1]), {}, None),
    (TransformationAlignment(n_projections=5, n_steps=2), (SPD[0], SPD[1]), {}, None),
    (SlicedWassersteinFeatures(**SMALL), (SPD,), {}, ("transform", SPD)),
    (SlicedWassersteinRegressor(**SMALL), (SPD, NUMBERS[:12]), {}, ("predict", SPD)),
    (SlicedWassersteinClassifier(**SMALL), (SPD, HALF[:12]), {}, ("predict", SPD)),
    (EachDistribution(Informative(k=2)), (SPD,), {}, None),
)  # fmt: skip
ASKED = [name for name, case in CASES.items() if case[3] is not None]


@pytest.fixture(autouse=True)
def short_fits():
    """Fits of a few iterations have not converged, and say so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_every_estimator_has_a_case():
    found = set()
    for module in pkgutil.walk_packages(common.__path__, "common."):
        source = Path(module.module_finder.path, f"{module.name.rpartition('.')[2]}.py")
        # Others define no estimator; to import them all takes seconds.
        if module.ispkg or not re.search(r"^class \w+\(", text := source.read_text("utf-8"), re.M):
            continue
        if not re.search("sklearn|skada|[Ee]stimator", text):
            continue
        for name, one in vars(importlib.import_module(module.name)).items():
            ours = inspect.isclass(one) and one.__module__ == module.name
            if ours and issubclass(one, BaseEstimator) and not name.startswith("_"):
                found.add(name)
    assert found - ABSTRACT == set(CASES)


def options_of(estimator):
    return {name: repr(value) for name, value in estimator.get_params(deep=False).items()}


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_copy_has_the_same_options_and_none_is_changed(name):
    estimator = CASES[name][0]
    copy = clone(estimator)
    assert type(copy) is type(estimator)
    assert options_of(copy) == options_of(estimator)
    expected = set(inspect.signature(type(estimator)).parameters) - {"args", "kwargs"}
    assert expected <= set(estimator.get_params(deep=False))
    before = options_of(copy)
    copy.set_params(**copy.get_params(deep=False))
    assert options_of(copy) == before
    with pytest.raises(ValueError, match="no_such_option"):
        copy.set_params(no_such_option=1)


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_is_fitted_can_be_stored_and_gives_the_same(name):
    estimator, data, further, question = CASES[name]
    fitted = clone(estimator)
    before = options_of(fitted)
    assert fitted.fit(*data, **further) is fitted
    assert options_of(fitted) == before
    stored = pickle.loads(pickle.dumps(fitted))
    assert options_of(stored) == before
    if question is not None:
        method, *about = question
        one, two = (np.asarray(getattr(each, method)(*about)) for each in (fitted, stored))
        assert np.isfinite(one).all() if one.dtype.kind == "f" else one.size
        np.testing.assert_array_equal(one, two)
    assert vars(clone(fitted)).keys() == vars(clone(estimator)).keys(), "a copy is not fitted"


@pytest.mark.parametrize("name", sorted(set(ASKED) - NOT_REFUSED))
def test_what_is_not_fitted_says_so(name):
    estimator, _, _, (method, *about) = CASES[name]
    with pytest.raises(NotFittedError, match=name):
        getattr(clone(estimator), method)(*about)
