"""Patterns that recur, and artefacts that do not."""

import numpy as np
import pytest

from common.dictionary.contamination import (
    contaminated,
    cut_into_trials,
    filled,
    patterned_signal,
    patterns,
    simulated_contaminated,
)

L = 32


def test_patterns_are_different_smooth_at_the_ends_and_of_unit_norm():
    D = patterns(3, 2, L)
    assert D.shape == (3, 2, L)
    np.testing.assert_allclose(np.linalg.norm(D, axis=(1, 2)), 1)
    np.testing.assert_allclose(D[:, :, [0, -1]], 0, atol=1e-15)
    shapes = D.reshape(6, L) / np.linalg.norm(D.reshape(6, L), axis=1, keepdims=True)
    assert np.abs(shapes @ shapes.T - np.eye(6)).max() < 0.95  # no two alike


def test_shapes_alternate_and_their_frequency_grows():
    D = patterns(2, 2, 64)
    sines, bumps = D[:, 0], D[:, 1]  # pattern k has frequency k + 1 on both channels
    np.testing.assert_allclose(sines[0], -sines[0, ::-1], atol=0.02)  # odd around its middle
    assert (bumps >= 0).all()
    # The window leaves k periods of the k-th sine: a sign change less than twice that inside.
    changes = (np.diff(np.sign(sines[:, 2:-2]), axis=1) != 0).sum(axis=1)
    assert changes[1] > changes[0]


def test_a_signal_holds_as_many_patterns_as_it_is_told():
    D = np.zeros((1, 1, 9))
    D[0, 0, 4] = 1  # so that the signal is its activations, 4 samples later
    X = patterned_signal(D, n_times=10_000, sigma=0.0, rng=np.random.default_rng(0))
    heights = X[X > 1e-9]  # what a Fourier transform leaves elsewhere is rounding
    assert len(heights) == 40
    np.testing.assert_allclose(heights, heights[0])
    assert X.std() == pytest.approx(1)


def test_artefacts_replace_stretches_and_nothing_else():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((2, 10_000))
    dirty, mask = contaminated(X, n_times_artefact=3 * L, level=2.0, rng=rng)
    differs = (dirty != X).any(axis=0)
    assert np.array_equal(differs, mask)
    n_max = 2 * 6 * 3 * L  # two channels, six stretches each
    assert n_max / 2 < mask.sum() <= n_max
    for c in range(2):
        assert dirty[c].max() <= 2 * X[c].max() and dirty[c].min() >= 2 * X[c].min()
        assert dirty[c].max() > X[c].max() and dirty[c].min() < X[c].min()
    again, _ = contaminated(X, n_times_artefact=3 * L, level=2.0, rng=np.random.default_rng(2))
    assert not np.array_equal(again, dirty)  # drawn, not fixed


def test_noise_may_be_as_large_as_numbers_are():
    X = np.array([[-8e307, 8e307, 0.0, 0.0]])
    dirty, mask = contaminated(X, n_times_artefact=2, level=1.0, rng=np.random.default_rng(0))
    assert np.isfinite(dirty).all() and mask.any()


def test_trials_are_tapered_stretches():
    X = np.ones((2, 103))
    trials = cut_into_trials(X, 4)
    assert trials.shape == (4, 2, 25)
    assert not trials[:, :, [0, -1]].any()
    assert (trials[:, :, 5:-5] == 1).all()


def test_both_versions_differ_in_the_mask_only():
    D = patterns(2, 2, L)
    options = {"n_trials": 3, "n_times": 1000, "level": 1.0}
    clean, dirty, mask = simulated_contaminated(D, rng=np.random.default_rng(3), **options)
    assert clean.shape == dirty.shape == (3, 2, 1000) and mask.shape == (3, 1000)
    differs = (clean != dirty).any(axis=1)
    assert not differs[~mask].any() and differs[mask].mean() > 0.9


def test_what_is_masked_becomes_the_mean_of_the_rest():
    X = np.random.default_rng(4).standard_normal((3, 2, 50))
    mask = np.zeros((3, 50), dtype=bool)
    mask[0, 10:20], mask[2] = True, True
    found = filled(X, mask)
    assert np.array_equal(found[1], X[1])
    assert np.array_equal(found[0][:, ~mask[0]], X[0][:, ~mask[0]])
    rest = X[0][:, ~mask[0]].mean(axis=1)
    np.testing.assert_allclose(found[0].mean(axis=1), rest)  # the mean of the rest stays
    np.testing.assert_allclose(found[0][:, 10:20], np.repeat(rest[:, None], 10, axis=1))
    assert not found[2].any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rng: patterns(1, 1, 4), "n_times_atom must be at least 8, got 4"),
        (lambda rng: patterns(0, 1, L), "n_atoms must be at least 1, got 0"),
        (
            lambda rng: patterned_signal(patterns(1, 1, L), n_times=10, rng=rng),
            "n_times must be at least 32, got 10",
        ),
        (
            lambda rng: contaminated(np.ones((1, 50)), n_times_artefact=60, rng=rng),
            "n_times_artefact must be .*50, got 60",
        ),
        (
            lambda rng: contaminated(1e308 * np.eye(1, 50), n_times_artefact=6, rng=rng),
            r"level=2 times values up to 1e\+308 is no number. Lower it",
        ),
        (
            lambda rng: contaminated(np.ones((1, 50)), n_times_artefact=6, level=0, rng=rng),
            "level must be above 0, got 0",
        ),
        (
            lambda rng: filled(np.ones((2, 1, 5)), np.zeros((2, 4), dtype=bool)),
            r"mask must have shape \(2, 5\), got \(2, 4\)",
        ),
        (
            lambda rng: cut_into_trials(np.ones((1, 3)), 4),
            "n_trials=4 leave 0 of 3 samples for a trial",
        ),
    ],
)
def test_bad_input_has_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0))
