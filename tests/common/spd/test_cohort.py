"""The simulated cohort follows its generative model."""

import numpy as np
import pytest

from common.spd import cohort


def simulate(seed=0, **changes):
    options = {"n_epochs": 30, "n_channels": 6, "n_bands": 2, "rng": np.random.default_rng(seed)}
    options |= {"n_subjects": 60} | changes
    return cohort.simulate_cohort(options.pop("n_subjects"), **options)


def test_shapes_ages_and_positive_definite_matrices():
    covariances, ages = simulate()
    assert covariances.shape == (60, 2, 30, 6, 6)
    assert ages.min() >= 18.5
    assert ages.max() <= 88.9
    np.testing.assert_allclose(covariances, np.swapaxes(covariances, -1, -2))
    assert np.linalg.eigvalsh(covariances).min() > 0


def test_the_same_generator_gives_the_same_cohort():
    assert np.array_equal(simulate().covariances, simulate().covariances)
    assert not np.array_equal(simulate().covariances, simulate(seed=1).covariances)


def test_age_moves_the_level_of_some_sources_and_the_spread_of_others(monkeypatch):
    # Without a subject's rotation and other noise, and with the mixing undone, the diagonal of the
    # covariances is the power of each source.
    monkeypatch.setattr(cohort, "_ANATOMY", 0.0)
    monkeypatch.setattr(cohort, "_SUBJECT", 0.0)
    monkeypatch.setattr(cohort, "_NOISE", 0.0)
    monkeypatch.setattr(cohort, "_N_TIMES", 4000)
    covariances, ages = simulate(n_epochs=60, n_bands=1)
    rng = np.random.default_rng(0)
    rng.uniform(*cohort.AGE_RANGE, 60)
    rng.choice([-1.0, 1.0], size=(1, 6))
    mixing = cohort._rotations(rng.standard_normal((1, 6, 6)))[0]
    power = np.log(np.einsum("ki,sekl,li->sei", mixing, covariances[:, 0], mixing))
    z = (ages - np.mean(cohort.AGE_RANGE)) / np.std(ages)
    level = [abs(np.polyfit(z, power.mean(axis=1)[:, k], 1)[0]) for k in range(6)]
    spread = [abs(np.polyfit(z, np.log(power.std(axis=1))[:, k], 1)[0]) for k in range(6)]
    # The effect is 0.35 on two sources each; the others get five standard errors of a slope:
    # 0.5 / sqrt(60 * 60) for the level, 1 / sqrt(2 * 60 * 60) for the log spread.
    np.testing.assert_allclose(level[:2], 0.35, atol=0.06)
    assert max(level[4:]) < 5 * 0.5 / 60
    np.testing.assert_allclose(spread[2:4], 0.35, atol=0.08)
    assert max(spread[:2] + spread[4:]) < 5 / np.sqrt(2 * 3600)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_subjects": 0}, "n_subjects must be at least 1, got 0"),
        ({"n_channels": 2}, "n_channels must be at least 3, got 2"),
        ({"rng": 0}, "rng must be a numpy.random.Generator, got 0"),
    ],
)
def test_bad_options_are_rejected(changes, message):
    with pytest.raises(ValueError, match=message):
        simulate(**changes)
