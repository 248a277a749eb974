"""Transformers: the transforms' coefficients, flat, as scikit-learn expects them."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import common.scattering as transforms
from common.scattering import sklearn as transformers

OPTIONS = {
    "Scattering1D": {"J": 3, "shape": 64, "Q": 2},
    "Scattering2D": {"J": 2, "shape": (16, 12), "L": 2},
    "HarmonicScattering3D": {"J": 1, "shape": (8, 8, 8), "L": 1},
}

pytestmark = pytest.mark.filterwarnings("ignore:averages over T")


@pytest.fixture(params=OPTIONS)
def case(request):
    """Name, options, signals."""
    options = OPTIONS[request.param]
    shape = options["shape"] if isinstance(options["shape"], tuple) else (options["shape"],)
    return request.param, options, np.random.default_rng(0).standard_normal((5, *shape))


@pytest.mark.parametrize("batch_size", [1, 2, 5, 9])
def test_features_are_the_coefficients(case, batch_size):
    name, options, x = case
    expected = getattr(transforms, name)(**options)(x).reshape(5, -1)
    transformer = getattr(transformers, name)(**options, batch_size=batch_size)
    for X in (x, x.reshape(5, -1)):
        # Batches are only computed apart: to rounding.
        np.testing.assert_allclose(transformer.fit_transform(X), expected, rtol=1e-9, atol=1e-13)
    found = transformer.fit(x.reshape(5, -1)).predict(x)
    np.testing.assert_array_equal(found, transformer.transform(x))


def test_single_precision_is_kept_and_integers_are_converted(case):
    name, options, x = case
    transformer = getattr(transformers, name)(**options)
    assert transformer.fit_transform(x.astype("float32")).dtype == np.float32
    rounded = np.round(10 * x)
    np.testing.assert_array_equal(
        transformer.transform(rounded.astype(int)), transformer.transform(rounded)
    )


def test_it_is_cloned_pickled_and_named(case):
    name, options, x = case
    transformer = getattr(transformers, name)(**options, batch_size=3)
    expected = transformer.transform(x)  # needs no fit
    for other in (clone(transformer), pickle.loads(pickle.dumps(transformer))):
        assert other.get_params() == transformer.get_params()
        np.testing.assert_array_equal(other.transform(x), expected)
    table = transformer.fit(x).set_output(transform="pandas").transform(x)
    assert list(table.columns[:2]) == [f"{name.lower()}{i}" for i in range(2)]
    np.testing.assert_array_equal(table, expected)
    changed = options | {"J": options["J"] - 1 or 2}
    transformer.set_output(transform="default").set_params(J=changed["J"])
    other = getattr(transformers, name)(**changed, batch_size=3)
    np.testing.assert_array_equal(transformer.fit_transform(x), other.fit_transform(x))


def test_scales_are_chosen_in_a_pipeline():
    # Two classes of equal spectra: a carrier that is modulated at one of two rates.
    rng = np.random.default_rng(1)
    t, y = np.arange(512), np.arange(40) % 2
    rate = np.where(y, 1 / 16, 1 / 64)[:, None]
    phase = rng.uniform(0, 2 * np.pi, (40, 1))
    X = (1 + np.cos(2 * np.pi * rate * t + phase)) * rng.standard_normal((40, 512))
    pipeline = make_pipeline(transformers.Scattering1D(J=2, shape=512), LogisticRegression(C=100))
    search = GridSearchCV(pipeline, {"scattering1d__J": [1, 6]}, cv=4).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    # Within two samples nothing is seen of the modulation; within 64 it is.
    assert search.best_params_ == {"scattering1d__J": 6}
    assert scores[1] > 0.9 > 0.8 > scores[0]


def test_signals_of_another_shape_are_refused(case):
    name, options, x = case
    transformer = getattr(transformers, name)(**options)
    for X in (x[:, :-1], x.reshape(5, -1)[:, 1:], x[0].ravel()):
        with pytest.raises(ValueError, match=r"X must have shape \(n_samples, .*, got \("):
            transformer.fit(X)


def test_bad_values_and_options_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        transformers.Scattering1D(2, 8).fit(np.full((2, 8), np.nan))
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        transformers.Scattering1D(2, 8, batch_size=0).fit(np.zeros((2, 8)))
    with pytest.raises(ValueError, match="make no array"):
        transformers.Scattering1D(2, 8, T=0).fit(np.zeros((2, 8)))
