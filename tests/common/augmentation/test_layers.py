"""Layers that learn their augmentation: values, penalty, bounds, averages, errors."""

import numpy as np
import pytest
import torch
from torch import nn

from common.augmentation.images import AFFINE_OPERATIONS, make_image_operation
from common.augmentation.layers import (
    AugmentationLayer,
    AveragedNetwork,
    augmentation_layers,
    keep_bounds,
    penalty,
    project_,
)
from common.augmentation.operations import make_operation

OPERATIONS = ["frequency-shift", "ft-surrogate", "gaussian-noise"]


def windows(n_examples=6, n_channels=2, n_times=100, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_examples, n_channels, n_times, generator=generator)


def make(operations=OPERATIONS, **options):
    options = {"sfreq": 100.0, "generator": torch.Generator().manual_seed(7)} | options
    return AugmentationLayer(operations, **options)


def test_training_sums_operations_with_their_weights():
    X = windows()
    layer = make(magnitude=[0.2, 0.5, 1.0])
    with torch.no_grad():
        layer.weights.copy_(torch.tensor([1.0, 1.01, 0.99]))
    w = np.exp(np.array([1.0, 1.01, 0.99]) / 0.01 - 100)
    w /= w.sum()
    generator = torch.Generator().manual_seed(7)
    expected = sum(
        weight * make_operation(name, sfreq=100.0)(X, magnitude, generator=generator)
        for weight, name, magnitude in zip(w, OPERATIONS, [0.2, 0.5, 1.0], strict=True)
    )
    torch.testing.assert_close(layer(X), expected.float(), rtol=1e-4, atol=1e-5)


def test_affine_maps_are_read_at_once_and_sum_as_each_alone():
    X = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    operations = [make_image_operation(name) for name in (*AFFINE_OPERATIONS, "brightness")]
    layer = make(operations, magnitude=0.3)
    with torch.no_grad():
        layer.weights.copy_(1 + 0.002 * torch.arange(6.0))
    generator = torch.Generator().manual_seed(7)
    expected = sum(
        weight * operation(X, 0.3, generator=generator)
        for weight, operation in zip(layer.probabilities.detach(), operations, strict=True)
    )
    torch.testing.assert_close(layer(X), expected, rtol=1e-4, atol=1e-5)


def test_evaluation_takes_one_operation_per_example_with_its_probability():
    layer = make(["sign-flip", "time-reverse"], magnitude=1.0).eval()
    with torch.no_grad():
        layer.weights.copy_(torch.tensor([1.0, 1.0 + 0.01 * np.log(3)]))
    X = windows(4000, 1, 8)
    out = layer(X)
    flipped = (out == -X).flatten(1).all(1)
    reversed_ = (out == X.flip(-1)).flatten(1).all(1)
    assert (flipped ^ reversed_).all()
    # Probabilities are 1/4 and 3/4: five standard errors.
    assert float(flipped.float().mean()) == pytest.approx(0.25, abs=5 * np.sqrt(0.1875 / 4000))


def test_an_operation_without_magnitude_learns_its_probability():
    layer = make(["sign-flip"], magnitude=0.25)
    X = windows(4000, 1, 8)
    flipped = (layer(X) == -X).flatten(1).all(1).float().mean()
    assert float(flipped) == pytest.approx(0.25, abs=5 * np.sqrt(0.1875 / 4000))
    # The examples have a mean of 1, which a flip takes away.
    layer(X + 1).mean().backward()
    assert float(layer.magnitudes.grad) < 0


def test_an_operation_that_counts_for_nothing_is_left_out_and_changes_nothing():
    X = windows()
    layer = make(["sign-flip", "gaussian-noise"], magnitude=1.0)
    with torch.no_grad():
        layer.weights.copy_(torch.tensor([2.0, 0.0]))  # e^-200
    torch.testing.assert_close(layer(X), -X, rtol=0, atol=0)
    layer(X).sum().backward()
    assert layer.magnitudes.grad[1] == 0 and layer.weights.grad.isfinite().all()


def test_prepared_examples_give_the_same():
    X = windows()
    found = [
        layer(X, layer.prepare(X) if ready else None)
        for ready in (False, True)
        for layer in [make(magnitude=0.5)]
    ]
    torch.testing.assert_close(found[0], found[1])
    evaluated = [
        layer(X, layer.prepare(X) if ready else None)
        for ready in (False, True)
        for layer in [make(magnitude=0.5).eval()]
    ]
    torch.testing.assert_close(evaluated[0], evaluated[1])


def test_gradients_of_weights_and_magnitudes_are_those_of_finite_differences():
    X = windows(3).double()
    weights = windows(3, seed=5).double()

    def loss(values):
        layer = make(magnitude=0.0).double()
        with torch.no_grad():
            layer.weights.copy_(values[:3])
            layer.magnitudes.copy_(values[3:])
        return layer, (weights * layer(X)).sum() - 0.3 * penalty(layer)

    at = torch.tensor([1.0, 1.003, 0.998, 0.3, 0.5, 0.7], dtype=torch.float64)
    layer, value = loss(at)
    value.backward()
    found = torch.cat([layer.weights.grad, layer.magnitudes.grad])
    for i in range(6):
        step = torch.zeros(6, dtype=torch.float64)
        step[i] = 1e-6
        expected = float((loss(at + step)[1] - loss(at - step)[1]).detach()) / 2e-6
        assert float(found[i]) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # Weights are equal, thus 1/2: the roots of sums of squares over both layers.
        ("weighted", np.sqrt(0.1**2 + 0.2**2 + 0.3**2 + 0.4**2) / 2),
        ("magnitudes", np.sqrt(0.1**2 + 0.2**2 + 0.3**2 + 0.4**2)),
        ("none", 0.0),
    ],
)
def test_the_penalty_is_a_norm_over_all_layers(kind, expected):
    names = ["frequency-shift", "gaussian-noise"]
    network = nn.Sequential(make(names, magnitude=[0.1, 0.2]), make(names, magnitude=[0.3, 0.4]))
    assert len(augmentation_layers(network)) == 2
    assert float(penalty(network, kind).detach()) == pytest.approx(expected, rel=1e-5)


def test_the_penalty_has_no_gradient_at_zero():
    layer = make(magnitude=0.0)
    penalty(layer).backward()
    assert (layer.magnitudes.grad == 0).all()


@pytest.mark.parametrize(("bound", "expected"), [("project", 0.0), ("clamp", -0.5)])
def test_steps_are_projected_unless_the_layer_clamps(bound, expected):
    layer = make(magnitude=[0.0, 0.5, 1.0], bound=bound)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    keep_bounds(optimizer, layer)
    layer.magnitudes.grad = torch.tensor([0.5, 0.0, -0.5])
    optimizer.step()
    assert layer.magnitudes.tolist() == [expected, 0.5, 1.0 if bound == "project" else 1.5]
    assert layer.bounded.tolist() == [0.0, 0.5, 1.0]
    layer(windows())  # no error


def test_a_clamp_kills_an_operation_that_a_projection_keeps():
    X = windows()
    gradients = {}
    for bound in ("clamp", "project"):
        layer = make(["gaussian-noise"], magnitude=0.0, bound=bound)
        with torch.no_grad():
            layer.magnitudes.fill_(-0.01)
        project_(layer)
        (layer(X) * windows(seed=3)).sum().backward()
        gradients[bound] = float(layer.magnitudes.grad)
    assert gradients["clamp"] == 0
    assert gradients["project"] != 0


def test_a_network_averages_logarithms_of_probabilities():
    class Counting(nn.Module):
        def forward(self, X):
            return X + torch.arange(len(X))[:, None]  # another shift for each copy

    trunk = nn.Linear(3, 4)
    network = AveragedNetwork(Counting(), trunk, n_copies=5).eval()
    X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.stack(
        [trunk(X + torch.arange(6 * c, 6 * c + 6)[:, None]).log_softmax(1) for c in range(5)]
    ).mean(0)
    torch.testing.assert_close(network(X), expected)
    network.train()  # one copy: logits
    torch.testing.assert_close(network(X), trunk(X + torch.arange(6)[:, None]))


def test_a_layer_fits_into_any_network_and_moves_with_it():
    layer = make(["frequency-shift", "channels-dropout"], generator=None)
    network = nn.Sequential(layer, nn.Flatten(), nn.Linear(200, 2))
    network.to(torch.float64)
    assert network(windows().double()).dtype == torch.float64
    state = network.state_dict()
    assert {"0.weights", "0.magnitudes"} <= set(state)
    assert "frequency-shift, channels-dropout" in repr(network)


@pytest.mark.parametrize(
    ("operations", "options", "message"),
    [
        (["frequency-shft"], {}, "Did you mean 'frequency-shift'"),
        ([], {}, "a layer needs an operation, got none"),
        (["sign-flip"], {"magnitude": 1.5}, "magnitude of sign-flip must be .* got 1.5"),
        (["sign-flip"], {"magnitude": float("nan")}, "magnitude of sign-flip must be .* got nan"),
        (["sign-flip"], {"magnitude": [0.1, 0.2]}, "operations has 1, magnitudes has 2"),
        (["gaussian-noise"], {"scales": {"frequency-shift": 2.0}}, "a name in scales must be one"),
        (["sign-flip"], {"bound": "sigmoid"}, "bound must be one of project, clamp"),
        (["sign-flip"], {"temperature": 0.0}, "temperature must be at least 1e-30, got 0.0"),
    ],
)
def test_bad_layers_are_one_clear_error(operations, options, message):
    with pytest.raises(ValueError, match=message):
        make(operations, **options)


def test_a_magnitude_that_has_left_its_range_is_an_error_that_says_what_to_do():
    layer = make()
    with torch.no_grad():
        layer.magnitudes[1] = 1.25
    with pytest.raises(ValueError, match=r"ft-surrogate is 1.25, .* keep_bounds\(optimizer"):
        layer(windows())
    with torch.no_grad():
        layer.magnitudes[1] = float("nan")
    with pytest.raises(ValueError, match="ft-surrogate is nan"):
        layer(windows())


def test_an_example_that_is_not_finite_is_named():
    X = windows()
    X[4, 1, 3] = float("nan")
    with pytest.raises(ValueError, match="not finite, first in example 4 of 6"):
        make()(X)


def test_huge_finite_examples_are_no_error():
    # Their sum overflows, they do not.
    make(["sign-flip"], magnitude=1.0)(torch.full((2, 1, 4), 3e38))


def test_a_network_without_layers_has_no_penalty():
    with pytest.raises(ValueError, match="Linear has no AugmentationLayer"):
        penalty(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="kind must be one of weighted, magnitudes, none"):
        penalty(make(), "squared")


def test_numbers_of_copies_are_whole():
    with pytest.raises(ValueError, match="n_copies must be at least 1, got 0"):
        AveragedNetwork(nn.Identity(), nn.Identity(), n_copies=0)
