"""Signals with planted invariances."""

import numpy as np
import pytest
import torch

from common.augmentation.search.planted import SFREQ, draw_planted, planted_network


def data(n=60):
    return draw_planted(n, n, n, rng=np.random.default_rng(0))


def peaks(part, label):
    X, y = part
    power = torch.fft.rfft(X[y == label, 0]).abs()
    return power[:, 1:].argmax(1).numpy() + 1  # a bin is 1/4 Hz


def test_waves_have_their_frequencies_and_vary_outside_of_training_only():
    parts = data()
    for label, frequency in ((0, 4.0), (1, 7.0), (2, 8.0)):
        assert np.abs(peaks(parts.train, label) / 4 - frequency).max() < 0.3
    for part in (parts.valid, parts.test):
        found = peaks(part, 0) / 4
        assert found.min() >= 1.25 and found.max() <= 6.75 and np.std(found) > 1
        assert np.abs(peaks(part, 1) / 4 - 7).max() < 0.3


def test_pulses_are_positive_in_training_and_of_either_sign_elsewhere():
    parts = data(200)
    for label in (3, 4):
        sign = {}
        for name, (X, y) in (("train", parts.train), ("test", parts.test)):
            # At a noise of 0.5, smoothed over 8 samples to 0.18, a pulse of about 1.4 stands out.
            smooth = torch.nn.functional.avg_pool1d(X[y == label], 8, 1)[:, 0]
            far = smooth.abs().max(1)
            clear = far.values > 0.9
            sign[name] = smooth.gather(1, far.indices[:, None])[clear, 0].sign()
        assert (sign["train"] > 0).all()
        assert 0.3 < float((sign["test"] > 0).float().mean()) < 0.7


def test_classes_three_and_four_are_reversals_of_one_another():
    # Averages of the derivative's skewness: rises are fast in one, falls in the other.
    X, y = data(200).train
    moves = torch.nn.functional.avg_pool1d(X, 4, 1).diff(n=1, dim=-1)[:, 0]
    skew = moves.pow(3).mean(1)
    assert float(skew[y == 3].mean()) > 0 > float(skew[y == 4].mean())


def test_sizes_gains_and_network():
    parts = draw_planted(3, 4, 5, rng=np.random.default_rng(0))
    assert [len(part[0]) for part in parts] == [15, 20, 25]
    X, y = parts.train
    assert X.shape == (15, 2, round(4 * SFREQ)) and X.dtype == torch.float32
    assert torch.bincount(y).tolist() == [3] * 5
    assert planted_network()(X).shape == (15, 5)


def test_bad_input_is_one_clear_error():
    with pytest.raises(ValueError, match="n_valid must be at least 1, got 0"):
        draw_planted(1, 0, 1, rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"numpy\.random\.Generator"):
        draw_planted(1, 1, 1, rng=0)
