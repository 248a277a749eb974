"""Input that would give a wrong number in silence is refused, with the value and what to do."""

import re

import numpy as np
import pytest
import torch

from common.inference import distances, jansen_rit, toy
from common.inference.calibration import rank_test, ranks
from common.inference.flows import ConditionalFlow
from common.inference.hierarchical import hnpe
from common.inference.pools import GainPool, Hierarchy
from common.inference.priors import BoxPrior

NAN = np.nan
PRIOR = BoxPrior({"alpha": (0, 1), "beta": (0, 1)})
SPECTRA = np.zeros((3, 4))
CONTEXTS = torch.linspace(0, 1, 12).reshape(6, 2)
SHORT = {"n_steps": 1, "batch_size": 4, "random_state": 0}


def rng():
    return np.random.default_rng(0)


def make(contexts=CONTEXTS):
    return ConditionalFlow("maf", 2, contexts, n_transforms=1, n_hidden=4)


def observed(simulator):
    return Hierarchy(simulator, PRIOR, ["beta"]).draw(2, 0, rng())


MASKED = np.ma.masked_less([[0.5, 0.1]], 0.2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        # calibration and distances
        (
            lambda: rank_test([1, 2.5], 5, rng()),
            "found must hold whole numbers, got 2.5 at index 1. Pass ranks, not shares",
        ),
        (lambda: rank_test([1, 2], 5, 0), "rng must be a numpy.random.Generator, got 0"),
        (lambda: ranks(MASKED, [0.3]), "samples is a masked array with 1 masked values"),
        (
            lambda: distances.squared_distance([0.0, 1.0], lambda u: 0.5),
            "quantile(levels) must have 1 axis, got shape ()",
        ),
        (
            lambda: distances.squared_distance([0.0, 1.0], lambda u: [0.0, NAN]),
            "quantile(levels) must be finite, got nan at index 1",
        ),
        (
            lambda: distances.squared_distance([0.0, 1.0], lambda u: [0.0, 1.0, 2.0]),
            "levels has 2, quantile(levels) has 3",
        ),
        (
            lambda: distances.squared_distance_to_truth([[1e200], [-1e200]], [0.0]),
            "samples up to 1e+200 and a truth up to 0 have squares that are no numbers in float64",
        ),
        (
            lambda: distances.squared_distance([-1e200, 1e200], lambda u: 0 * u),
            "samples up to 1e+200 and quantiles up to 0 have differences whose squares are no",
        ),
        # flows
        (
            lambda: make(CONTEXTS * NAN),
            "contexts must be finite, got nan at index (0, 0)",
        ),
        (lambda: make(CONTEXTS[0]), "contexts must have shape (n, n_context), got (2,)"),
        (lambda: make(CONTEXTS[:1]), "contexts must have two rows at least, got 1"),
        (lambda: make(CONTEXTS.numpy()), "contexts must be a tensor of float32, got ndarray"),
        (
            lambda: make(CONTEXTS.double()),
            "contexts must be a tensor of float32, got torch.float64",
        ),
        (
            lambda: make().sample(CONTEXTS * NAN, 2),
            "contexts must be finite, got nan at index (0, 0)",
        ),
        (lambda: make().sample(CONTEXTS[:, :1], 2), "contexts must have shape (n, 2), got (6, 1)"),
        (lambda: make().sample(CONTEXTS, 2.5), "n_samples must be a whole number, got 2.5"),
        (lambda: make().log_prob(CONTEXTS[:1], CONTEXTS), "z has 1, contexts has 6"),
        (
            lambda: make().log_prob(CONTEXTS[:, :1], CONTEXTS),
            "z must have shape (n, 2), got (6, 1)",
        ),
        # posteriors
        (
            lambda: hnpe(toy.ToyModel(), {"alpha": (0, 1)}, shared=["alpha"], **SHORT),
            "prior must be a BoxPrior, got {'alpha': (0, 1)}",
        ),
        (
            lambda: hnpe(toy.ToyModel(), PRIOR, shared="beta", **SHORT),
            "shared must be one name or more in a sequence, got 'beta'",
        ),
        (
            lambda: hnpe(toy.ToyModel(), PRIOR, shared=[], **SHORT),
            "shared must be one name or more in a sequence, got []",
        ),
        (
            lambda: hnpe(toy.ToyModel(), PRIOR, shared=["beta"], n_extra=3, **SHORT),
            "n_extra must be a sequence of whole numbers, got 3",
        ),
        # simulators
        (
            lambda: jansen_rit.linear_step([100.0, NAN], 1e-3),
            "rates must be finite and above 0 1/s",
        ),
        (lambda: jansen_rit.linear_step([100.0], 0), "h must be above 0 s, got 0"),
        (
            lambda: jansen_rit.log_spectrum(np.ma.masked_less(np.arange(65.0), 1)),
            "signals is a masked array with 1 masked values",
        ),
        (
            lambda: jansen_rit.log_spectrum(np.full(65, 1j)),
            "signals must hold real numbers, got com",
        ),
        (
            lambda: toy.ToyModel(gamma=0.5)([[0.5, -0.1]], rng()),
            "beta must be finite and at least 0, got -0.1 at index 0",
        ),
        (
            lambda: toy.ToyModel()(np.ones((2, 3)), rng()),
            "theta must have the columns alpha and beta, got (2, 3)",
        ),
        (
            lambda: toy.ToyModel(sigma=1)([[0.5, 0.1]], 0),
            "rng must be a numpy.random.Generator, got",
        ),
        (
            lambda: observed(lambda theta, rng: theta * 1j),
            "what simulator gives must hold real numbers, got complex128",
        ),
        (
            lambda: observed(lambda theta, rng: np.ma.masked_less(theta, 2)),
            "what simulator gives is a masked array. Put NaN where a value is missing",
        ),
        (
            lambda: GainPool(np.full((3, 1), 0.5), SPECTRA + 1j, PRIOR),
            "spectra must hold real numbers, got complex128",
        ),
        (
            lambda: GainPool(np.full((3, 1), 0.5), SPECTRA[:, 0], PRIOR),
            "spectra must have shape (n_simulations, n_features), got (3,)",
        ),
        (
            lambda: jansen_rit.linear_step([100.0], 10.0),
            "a rate times h must be at least 1e-08 and at most 100, got 1000.0",
        ),
        (lambda: jansen_rit.log_spectrum(np.zeros((0, 65))), "signals is empty: its shape is (0, "),
        (
            lambda: hnpe(toy.ToyModel(), PRIOR, shared=None, **SHORT),
            "shared must be one name or more in a sequence, got None",
        ),
        # priors
        (
            lambda: BoxPrior([("a", (0, 1))]),
            "bounds must be a dict, such as {'a': (0, 1)}, got [('",
        ),
        (
            lambda: BoxPrior({"a": (-1e308, 1e308)}),
            "the bounds of a, (-1e+308, 1e+308), are too far apart for a number",
        ),
        (
            lambda: PRIOR.to_normal([[0.5], [0.1]]),
            "theta must have shape (..., 2), one column for each of alpha, beta, got (2, 1)",
        ),
        (lambda: PRIOR.to_normal([[0.5, 0.1j]]), "theta must hold real numbers, got complex128"),
        (lambda: PRIOR.to_normal(MASKED), "theta is a masked array with 1 masked values"),
        (lambda: PRIOR.from_normal([0.5, NAN]), "z must not be NaN, got nan at index (1,)"),
        (
            lambda: PRIOR.from_normal(0.5),
            "z must have shape (..., 2), one column for each of alpha",
        ),
        (lambda: PRIOR.only(None), "names must be a sequence of names, got None"),
        (
            lambda: PRIOR.check_within(None),
            "domain must be a dict, such as {'a': (0, 1)}, got None",
        ),
        (
            lambda: hnpe(toy.ToyModel(), PRIOR, shared=["beta"], lr=1e300, **SHORT),
            "lr must be above 0 and at most 1e+38, got 1e+300",
        ),
        # exact posteriors
        (
            lambda: toy.MaximumCoordinates.from_normal([[NAN]], [[-1.0]]),
            "z must not be NaN, got nan at index (0, 0)",
        ),
        (
            lambda: toy.ToyModel(gamma=3)([[0.5, 0.5], [1e200, 1e200]], rng()),
            "theta [1e+200, 1e+200] at row 1 gives an observation that is no number with gamma=3",
        ),
        (
            lambda: toy.exact_moments([0.2], [0.3], 1)[0].distance(1e200),
            "a truth up to 1e+200 is at distances whose squares are no numbers in float64",
        ),
        (
            lambda: toy.exact_moments([0.5, 1e-200], [0.5, 1e-200], 0),
            "maximum is 1e-200 at index 1: its powers are no numbers in float64",
        ),
        (
            lambda: toy.mean_posterior([0.2], [0.25], 3000),
            "n_extra must be at least 1 and at most 500, got 3000",
        ),
        (
            lambda: toy.log_maximum(np.array([[1.5]]), np.empty((1, 0, 1))),
            "the maximum of the observations must be above 0 and below 1, got 1.5",
        ),
        (
            lambda: toy.log_maximum([[0.5]], [[[0.5], [0.1]], [[0.2], [0.3]]]),
            "extra must have shape (1, n_extra, 1) for x of shape (1, 1), got (2, 2, 1)",
        ),
        (
            lambda: toy.MaximumCoordinates.from_normal([[0.0]], [[0.1]]),
            "context must be below 0, the logarithm of a maximum below 1, got 0.1",
        ),
        (
            lambda: toy.MaximumCoordinates.to_normal([[0.2]], np.log([[0.5]])),
            "between the maximum of its observations, 0.5, and 1, got 0.2",
        ),
        (
            lambda: toy.exact_moments([0.2], [0.3], 0),
            "the maximum is 0.3 and the observation x = 0.2 at index 0: without extra observations",
        ),
        (
            lambda: toy.exact_moments([0.2], [0.3], 1)[0].distance(NAN),
            "truth must be finite, got nan",
        ),
        (
            lambda: toy.exact_moments([0.2], [0.3], 1)[0].distance([0.1, 0.2]),
            "truth must be one number or of shape (1,), got (2,)",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


@pytest.fixture(scope="module")
def posterior():
    return hnpe(toy.ToyModel(), PRIOR, shared=["beta"], parameters="shared", flow="maf", **SHORT)


def test_observations_have_the_features_of_the_simulations(posterior):
    with pytest.raises(ValueError, match=r"x must have 1 feature\(s\), .* got shape \(1, 2\)"):
        posterior.sample([[0.2, 0.3]], random_state=0)


def test_coordinates_that_lead_nowhere_are_an_error(posterior):
    class Nowhere:
        def from_normal(self, z, context):
            return np.where(context > 0.5, NAN, z)

    posterior._coordinates = Nowhere()
    with pytest.raises(ValueError, match=r"not finite for the context \[0.75\]. Is this observ"):
        posterior.sample([[0.25], [0.75]], n_samples=2, random_state=0)
