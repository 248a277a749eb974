"""What cannot be computed with is refused, with its value and what to do."""

import re

import numpy as np
import pytest

from common.factorisation.composite import cosine_model
from common.factorisation.nmf import nmf
from common.factorisation.notes import fit_cosine, frame
from common.factorisation.transform_learning import (
    Starts,
    jd_nmf,
    jd_nmf_path,
    learn_transforms,
    objective,
)
from common.spd.joint_diagonalisation import FrameCovariances

POWERS = np.ones((3, 4))
W, H = np.ones((3, 2)), np.ones((2, 4))
COVARIANCES = FrameCovariances.of_frames(
    np.random.default_rng(0).standard_normal((5, 3, 4)), eps=0.0
)
STARTS = Starts.draw([np.random.default_rng(1)], n_channels=3, n_frames=4, n_components=2)
COSINE = np.cos(np.arange(50.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: nmf(POWERS[0], W, H, n_updates=1),
            "powers must have shape (n_channels, n_frames)",
        ),
        (
            lambda: nmf(POWERS, 0 * W, H, n_updates=1),
            "W @ H + eps is 0 in channel 0 and frame 0 of",
        ),
        (lambda: nmf(POWERS, 1e200 * W, 1e200 * H, n_updates=1), "W @ H + eps is inf in channel 0"),
        (
            lambda: cosine_model(3, 4, 2, rng=np.random.default_rng(0)).power_error(
                np.eye(3)[None], POWERS
            ),
            "transform must have 2 axes, got shape (1, 3, 3).",
        ),
        (lambda: frame(np.ones((1, 9)), sfreq=1.0, duration=1e308), "a frame of 1e+308 s has 1000"),
        (
            lambda: fit_cosine(1e200 * COSINE, sfreq=1.0),
            "got 50 samples with a sum of squares of i",
        ),
        (
            lambda: fit_cosine(np.float32(3e38) * COSINE.astype(np.float32), sfreq=1.0),
            "got 50 samples with a sum of squares of inf.",
        ),
        (
            lambda: jd_nmf(COVARIANCES, np.eye(3), None, STARTS),
            "starts must be Starts or Learned, with transforms, W and H, got None.",
        ),
        (
            lambda: jd_nmf(COVARIANCES, np.eye(3), STARTS, "abc"),
            "others must be Starts or Learned, with transforms, W and H, got 'abc'.",
        ),
        (lambda: learn_transforms(COVARIANCES, None), "starts must be Starts or Learned, with"),
        (
            lambda: learn_transforms(COVARIANCES, STARTS._replace(W=0 * STARTS.W)),
            "W @ H + eps is 0 in channel 0 and frame 0 of start 0, and powers are divided by it.",
        ),
        (
            lambda: objective(COVARIANCES, None, *STARTS[1:]),
            "transforms must be orthogonal matrices",
        ),
        (lambda: jd_nmf_path(COVARIANCES, STARTS, 3), "budgets must be whole numbers that ascend"),
        (lambda: jd_nmf_path(COVARIANCES, STARTS, []), "such as [1, 10], got []."),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


def test_factors_that_are_0_are_fine_with_an_addend():
    found, _ = nmf(POWERS, 0 * W, H, n_updates=1, eps=1.0)
    np.testing.assert_array_equal(found, 0)
