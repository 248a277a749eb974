"""Differentiable operations: equal to the others at fixed parameters, and with their gradients."""

import numpy as np
import pytest
import torch

from common.augmentation import transforms
from common.augmentation.bandstop import notch
from common.augmentation.catalog import AUGMENTATIONS
from common.augmentation.operations import (
    EEG_OPERATIONS,
    apply_sometimes,
    bernoulli,
    make_operation,
)
from common.augmentation.rotations import rotate, spline_weights, standard_positions

NAMES = ["Fz", "C3", "Cz", "C4", "P3", "Pz", "P4", "Oz"]
SFREQ = 100.0
SMOOTH = [  # those whose value is a differentiable function of the magnitude
    "ft-surrogate",
    "frequency-shift",
    "bandstop-filter",
    "gaussian-noise",
    "smooth-time-mask",
    "sensors-x-rotation",
    "sensors-y-rotation",
    "sensors-z-rotation",
]


def make(name, **options):
    return make_operation(name, sfreq=SFREQ, ch_names=NAMES, **options)


def windows(n_times=250, *, n_examples=5, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_examples, len(NAMES), n_times, generator=generator, dtype=dtype)


def draws_of(operation, X, seed=1):
    return operation.draw(X, torch.Generator().manual_seed(seed))


def test_there_is_one_for_each_augmentation():
    assert set(EEG_OPERATIONS) == set(AUGMENTATIONS)
    for name in EEG_OPERATIONS:
        operation = make(name)
        assert operation.name == name
        assert operation.has_magnitude == (AUGMENTATIONS[name].parameter is not None)
        if operation.has_magnitude:
            assert operation.scale == AUGMENTATIONS[name].ranges["sleep"][1]


@pytest.mark.parametrize("n_times", [250, 251, 256])
@pytest.mark.parametrize("magnitude", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", EEG_OPERATIONS)
def test_values_are_those_of_the_operations_that_are_not_differentiable(name, magnitude, n_times):
    X = windows(n_times)
    operation = make(name)
    draws = draws_of(operation, X)
    found = operation.apply(X, draws, torch.tensor(magnitude, dtype=X.dtype))
    signed = None if draws is None else 2 * draws - 1
    value = magnitude * (operation.scale or 0)
    if name == "time-reverse":
        expected = X.flip(-1)
    elif name == "sign-flip":
        expected = -X
    elif name == "channels-symmetry":
        expected = X[:, transforms.mirror_permutation(NAMES)]
    elif name == "ft-surrogate":
        expected = transforms.ft_surrogate(X, 2 * np.pi * value * draws)
    elif name == "frequency-shift":
        expected = transforms.frequency_shift(X, value * signed, sfreq=SFREQ)
    elif name == "bandstop-filter":
        edge = 1 + value / 2
        centres = edge + draws.numpy() * (30 - 2 * edge)
        expected = notch(X, centres, sfreq=SFREQ, bandwidth=value)
    elif name == "gaussian-noise":
        expected = X + value * draws
    elif name == "smooth-time-mask":
        length = value * SFREQ
        expected = transforms.smooth_time_mask(X, draws * (n_times - length), mask_length=length)
    elif name == "channels-dropout":
        expected = X * (draws >= value)[..., None]
    elif name == "channels-shuffle":
        expected = _shuffled(X, draws.numpy(), value)
    else:
        positions = standard_positions(NAMES)
        turned = rotate(positions, (value * signed).numpy(), axis=name.split("-")[1])
        expected = torch.from_numpy(spline_weights(positions, turned)) @ X
    # Sums of some thousand products in double precision.
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def _shuffled(X, draws, probability):
    """Picked channels take one another's places, in the order of their keys."""
    out = X.clone()
    for i, (who, keys) in enumerate(draws):
        picked = np.flatnonzero(who < probability)
        out[i, picked] = X[i, picked[np.argsort(keys[picked])]]
    return out


@pytest.mark.parametrize("name", EEG_OPERATIONS)
def test_one_magnitude_for_each_example_is_that_of_each_alone(name):
    X = windows(200)
    operation = make(name)
    draws = draws_of(operation, X)
    magnitudes = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0], dtype=X.dtype)
    together = operation.apply(X, draws, magnitudes)
    for i, magnitude in enumerate(magnitudes):
        one = None if draws is None else draws[i : i + 1]
        alone = operation.apply(X[i : i + 1], one, magnitude)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_those_of_finite_differences(name):
    X = windows(120, n_examples=3)
    options = {"scale": 0.5} if name == "smooth-time-mask" else {}
    operation = make(name, **options)
    draws = draws_of(operation, X)
    weights = windows(120, n_examples=3, seed=5)  # a random linear functional of the result

    def loss(magnitude):
        return (weights * operation.apply(X, draws, magnitude)).sum()

    magnitude = torch.tensor(0.4, dtype=X.dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(magnitude), magnitude)
    step = 1e-5
    ends = [loss(torch.tensor(0.4 + sign * step, dtype=X.dtype)) for sign in (1, -1)]
    expected = (ends[0] - ends[1]) / (2 * step)
    # Central differences are off by the third derivative times the step squared.
    assert float(gradient) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("name", ["frequency-shift", "sensors-z-rotation", "bandstop-filter"])
def test_second_derivatives_are_those_of_the_gradient(name):
    X = windows(120, n_examples=3)
    operation = make(name)
    draws = draws_of(operation, X)
    weights = windows(120, n_examples=3, seed=5)

    def gradient(value):
        magnitude = torch.tensor(value, dtype=X.dtype, requires_grad=True)
        loss = (weights * operation.apply(X, draws, magnitude)).sum()
        (first,) = torch.autograd.grad(loss, magnitude, create_graph=True)
        return first, magnitude

    first, magnitude = gradient(0.4)
    (second,) = torch.autograd.grad(first, magnitude)
    expected = ((gradient(0.4 + 1e-5)[0] - gradient(0.4 - 1e-5)[0]) / 2e-5).detach()
    assert float(second) == pytest.approx(float(expected), rel=1e-4)


def test_the_gradient_reaches_the_examples():
    X = windows(100, n_examples=2).requires_grad_()
    for name in EEG_OPERATIONS:
        operation = make(name, **({"scale": 0.5} if name == "smooth-time-mask" else {}))
        magnitude = torch.tensor(0.5, dtype=X.dtype)
        (gradient,) = torch.autograd.grad(operation(X, magnitude).sum(), X)
        assert gradient.isfinite().all(), name


def test_a_band_of_no_width_is_left_with_the_gradient_of_a_narrow_one():
    X = windows(200, n_examples=3)
    operation = make("bandstop-filter")
    draws = draws_of(operation, X)
    weights = windows(200, n_examples=3, seed=5)
    gradients = []
    for value in (0.0, 1e-9):
        magnitude = torch.tensor(value, dtype=X.dtype, requires_grad=True)
        filtered = operation.apply(X, draws, magnitude)
        if value == 0:
            torch.testing.assert_close(filtered, X, rtol=0, atol=0)
        gradients += torch.autograd.grad((weights * filtered).sum(), magnitude)
    assert abs(float(gradients[0])) > 0
    assert float(gradients[0]) == pytest.approx(float(gradients[1]), rel=1e-5)


def test_zeros_and_ones_have_their_probability_and_the_relaxed_gradient():
    draws = torch.rand(100_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    z = bernoulli(p, draws)
    assert set(z.tolist()) == {0.0, 1.0}
    # Five standard errors.
    assert float(z.detach().mean()) == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / 100_000))
    (gradient,) = torch.autograd.grad(z.sum(), p)

    def relaxed(value):
        odds = np.log(value / (1 - value)) - np.log(draws.numpy() / (1 - draws.numpy()))
        return (1 / (1 + np.exp(-odds / 0.05))).sum()

    expected = (relaxed(0.3 + 1e-6) - relaxed(0.3 - 1e-6)) / 2e-6
    assert float(gradient) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_certain_outcome_is_exact_and_has_a_finite_gradient(probability):
    draws = torch.rand(50, dtype=torch.float64)
    p = torch.tensor(probability, dtype=torch.float64, requires_grad=True)
    z = bernoulli(p, draws)
    assert (z == probability).all()
    (gradient,) = torch.autograd.grad(z.sum(), p)
    assert gradient.isfinite()


@pytest.mark.parametrize("name", ["channels-dropout", "channels-shuffle"])
def test_operations_that_decide_have_the_gradient_of_the_relaxed_decision(name):
    X = windows(50, n_examples=4)
    operation = make(name)
    draws = draws_of(operation, X)
    weights = windows(50, n_examples=4, seed=5)
    magnitude = torch.tensor(0.6, dtype=X.dtype, requires_grad=True)
    out = operation.apply(X, draws, magnitude)
    (gradient,) = torch.autograd.grad((weights * out).sum(), magnitude)
    who = draws if name == "channels-dropout" else draws[:, 0]
    p = magnitude.detach().clone().requires_grad_()
    z = bernoulli(p, who)
    other = torch.zeros_like(X) if name == "channels-dropout" else out.detach()
    change = (weights * (other - X)).sum(-1)  # of the loss, where a channel is decided
    (expected,) = torch.autograd.grad((z * change).sum(), p)
    assert float(gradient) == pytest.approx(float(expected), rel=1e-9)


def test_some_examples_are_changed_and_the_others_are_as_they_were():
    X = windows(20, n_examples=100)
    draws = torch.rand(100, generator=torch.Generator().manual_seed(0), dtype=X.dtype)
    out = apply_sometimes(X, -X, torch.tensor(0.4, dtype=X.dtype), draws)
    changed = draws < 0.4
    assert 0 < changed.sum() < 100
    torch.testing.assert_close(out[changed], -X[changed])
    torch.testing.assert_close(out[~changed], X[~changed])


def test_what_is_prepared_once_gives_the_same():
    X = windows(100, dtype=torch.float32)
    for name in ("frequency-shift", "ft-surrogate"):
        operation = make(name)
        draws = draws_of(operation, X)
        ready = operation.prepare(X)
        once = operation.apply(X, draws, torch.tensor(0.5), ready)
        torch.testing.assert_close(once, operation.apply(X, draws, torch.tensor(0.5)))


def test_a_generator_repeats_its_draws():
    X = windows(100)
    for name in EEG_OPERATIONS:
        operation = make(name, **({"scale": 0.5} if name == "smooth-time-mask" else {}))
        first, second = (
            operation(X, 0.5, generator=torch.Generator().manual_seed(3)) for _ in range(2)
        )
        torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("frequency-shft", {}, "Did you mean 'frequency-shift'"),
        ("sign-flip", {"scale": 1.0}, "no magnitude, hence no scale"),
        ("frequency-shift", {"sfreq": None}, "needs the sampling frequency"),
        ("frequency-shift", {"scale": 60.0}, "below 50 Hz, got 60.0"),
        ("channels-dropout", {"scale": 1.5}, "at most 1, got 1.5"),
        ("gaussian-noise", {"scale": 0.0}, "above 0, got 0.0"),
        ("channels-symmetry", {"ch_names": None}, "needs the channels' 10-20 names"),
        ("sensors-x-rotation", {"ch_names": ["Fz", "nose"]}, "'nose', has no position"),
        ("bandstop-filter", {"sfreq": 50.0}, "sampled at 60 Hz or more"),
        ("bandstop-filter", {"scale": 28.0}, "below 28 Hz, got 28.0"),
    ],
)
def test_bad_input_is_one_clear_error(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_operation(name, **({"sfreq": SFREQ, "ch_names": NAMES} | options))


def test_a_mask_that_is_longer_than_the_window_is_an_error():
    with pytest.raises(ValueError, match="a mask of 200 samples does not fit in a window of 100"):
        make("smooth-time-mask")(windows(100), 0.1)


def test_another_number_of_channels_is_an_error():
    X = windows(100)[:, :3]
    for name in ("channels-symmetry", "sensors-y-rotation"):
        with pytest.raises(ValueError, match="X has 3 channels, but 8 names"):
            make(name)(X, 0.5)
