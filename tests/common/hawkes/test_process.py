"""A known process: its settings, its simulation, and the error of an estimate."""

import numpy as np
import pytest

from common.hawkes import process
from common.hawkes.estimator import HawkesEstimator

COSINE = {
    "baseline": 1.1,
    "adjacency": 0.48,
    "parameters": {"u": 0.2, "sigma": 0.3},
    "length": 1,
}
PAIR = {
    "baseline": [0.1, 0.2],
    "adjacency": [[0.5, 0.1], [0.2, 0.4]],
    "parameters": {"mean": [[0.4, 0.6], [0.5, 0.3]], "sigma": [[0.3, 0.3], [0.2, 0.3]]},
    "length": 1,
}


def test_settings_become_arrays():
    one = process.Process.from_settings("raised-cosine", COSINE)
    assert (one.baseline.shape, one.adjacency.shape, one.parameters.shape) == (
        (1,), (1, 1), (2, 1, 1),
    )  # fmt: skip
    two = process.Process.from_settings("truncated-gaussian", PAIR)
    assert two.parameters[0, 1, 0] == 0.5
    assert two.adjacency[0, 1] == 0.1


@pytest.mark.parametrize(
    ("kernel", "changes", "message"),
    [
        ("cosine", {}, "no kernel 'cosine'; known are truncated-gaussian, raised-cosine"),
        ("raised-cosine", {"parameters": {"m": 1}}, "parameters of raised-cosine are u, sigma, go"),
        ("raised-cosine", {"baseline": [1, 1]}, r"must have shape \(2, 2\).*got \(1, 1\)"),
    ],
)
def test_wrong_settings_are_named(kernel, changes, message):
    with pytest.raises(ValueError, match=message):
        process.Process.from_settings(kernel, COSINE | changes)


def test_the_error_of_the_truth_is_zero_and_weights_are_the_papers():
    truth = process.Process.from_settings("raised-cosine", COSINE)
    fitted = HawkesEstimator(kernel=truth.kernel, delta=0.01, kernel_length=1)
    fitted.baseline_ = truth.baseline
    fitted.adjacency_ = truth.adjacency
    fitted.kernel_parameters_ = dict(zip(("u", "sigma"), truth.parameters, strict=True))
    errors = truth.errors(fitted)
    assert list(errors) == ["baseline", "weight", "u", "sigma"]
    assert not any(error.any() for error in errors.values())
    # Twice the adjacency: the weight 0.48 / 0.6 = 0.8 becomes 1.6.
    fitted.adjacency_ = 2 * truth.adjacency
    assert truth.errors(fitted)["weight"] == pytest.approx(0.8)


def test_an_estimate_of_a_long_record_is_close():
    truth = process.Process.from_settings("truncated-gaussian", PAIR)
    events = truth.simulate(20_000, rng=np.random.default_rng(0))
    fitted = HawkesEstimator(kernel=truth.kernel, delta=0.02, kernel_length=1).fit(events, 20_000)
    errors = truth.errors(fitted)
    # About 6,000 and 8,000 events: standard errors of rates and weights are below 0.02.
    assert np.abs(errors["baseline"]).max() < 0.03
    assert np.abs(errors["weight"]).max() < 0.06
