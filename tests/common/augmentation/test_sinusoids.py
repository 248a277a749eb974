"""Noisy sinusoids, and the small networks that see them."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from common.augmentation.sinusoids import (
    FREQUENCIES,
    LongConvolution,
    Perceptrons,
    draw_sinusoids,
    filter_network,
)


def test_classes_are_bands_of_one_hertz_in_noise_of_half_the_amplitude():
    found = draw_sinusoids(300, rng=np.random.default_rng(0), duration=40.0)
    assert len(found.X) == 800 and len(found.test_X) == 400
    assert torch.bincount(found.y).tolist() == [200] * 4
    assert torch.bincount(found.test_y).tolist() == [100] * 4
    x = found.X[:, 0].numpy()
    power = np.abs(np.fft.rfft(x)) ** 2
    peak = np.fft.rfftfreq(x.shape[1], 0.01)[power.argmax(1)]
    centres = np.array(FREQUENCIES)[found.y.numpy()]
    # Peaks are 0.025 Hz apart; 800 uniform deviations come near both ends.
    assert np.abs(peak - centres).max() <= 0.5 + 0.0125
    assert (peak - centres).max() > 0.48 and (peak - centres).min() < -0.48
    # The variance of a sine is 1/2; of 3.2e6 values of noise it is off by far less than 1 %.
    assert np.var(x) == pytest.approx(0.5 + 0.25, rel=0.01)


def test_the_same_generator_gives_the_same_examples():
    first, second = (draw_sinusoids(6, rng=np.random.default_rng(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("n_times", [1000, 937])
def test_a_long_convolution_is_a_convolution(n_times):
    layer = LongConvolution(1, 2, 100, padding=1).double()
    X = torch.randn(4, 1, n_times, dtype=torch.float64, requires_grad=True)
    found = layer(X)
    expected = functional.conv1d(X, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    for one in (X, layer.weight, layer.bias):
        (a,) = torch.autograd.grad((found * weights).sum(), one, retain_graph=True)
        (b,) = torch.autograd.grad((expected * weights).sum(), one, retain_graph=True)
        torch.testing.assert_close(a, b)


def test_the_filter_network_gives_logits_of_four_classes():
    assert filter_network()(torch.zeros(3, 1, 1000)).shape == (3, 4)


def test_each_perceptron_is_one_of_torch_and_sees_its_own_examples_alone():
    several = Perceptrons(20, 3, 2, 4, seeds=[5, 6])
    X = torch.randn(2, 7, 20, requires_grad=True)
    found = several(X)
    for i, seed in enumerate([5, 6]):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            linear = [nn.Linear(20, 3), nn.Linear(3, 3), nn.Linear(3, 4)]
        alone = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])
        torch.testing.assert_close(found[i], alone(X[i]))
    (gradient,) = torch.autograd.grad(found[0].sum(), X)
    assert (gradient[1] == 0).all()


def test_drawing_weights_leaves_the_global_generator():
    before = torch.get_rng_state()
    Perceptrons(4, 1, 1, 2, seeds=[0])
    assert torch.equal(before, torch.get_rng_state())


def test_bad_input_is_one_clear_error():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="n_per_class must be at least 3, got 2"):
        draw_sinusoids(2, rng=rng)
    with pytest.raises(ValueError, match="leaves a part empty"):
        draw_sinusoids(3, rng=rng, training=0.01)
    with pytest.raises(ValueError, match="duration must be above 0 s, got 0"):
        draw_sinusoids(3, rng=rng, duration=0)
    with pytest.raises(ValueError, match="the number of seeds must be at least 1, got 0"):
        Perceptrons(4, 1, 1, 2, seeds=[])
    with pytest.raises(ValueError, match="n_layers must be at least 1, got 0"):
        Perceptrons(4, 1, 0, 2, seeds=[0])
