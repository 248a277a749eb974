import numpy as np
import pytest

from common.dictionary.simulation import (
    dense_recording,
    mu_recording,
    mu_waveform,
    simulated_atoms,
    simulated_trials,
)


def test_atoms_have_unit_norm_and_waveforms_no_mean():
    u, v = simulated_atoms(50, 64)
    np.testing.assert_allclose(np.linalg.norm(u, axis=1), 1)
    np.testing.assert_allclose(np.linalg.norm(v, axis=1), 1)
    np.testing.assert_allclose(v.mean(axis=1), 0, atol=1e-15)
    # The page's value: an entry of 1 among sines of mean square 1/2.
    np.testing.assert_allclose(u[:, 0], 0.2, atol=0.01)


def test_each_trial_has_activations_of_its_own():
    u, v = simulated_atoms(5, 16)
    options = {"n_trials": 40, "n_valid": 500, "density": 0.05, "sigma": 0.0}
    X, z = simulated_trials(u, v, rng=np.random.default_rng(0), **options)
    assert X.shape == (40, 5, 515) and z.shape == (40, 2, 500)
    assert len({trial.tobytes() for trial in z}) == 40
    # 40,000 draws: five standard errors of a share of 5 %, and of the mean of a uniform.
    assert (z > 0).mean() == pytest.approx(0.05, abs=5 * np.sqrt(0.05 * 0.95 / z.size))
    active = z[z > 0]
    assert active.mean() == pytest.approx(0.5, abs=5 * np.sqrt(1 / 12 / active.size))
    expected = sum(u[k, :, None] * np.convolve(z[3, k], v[k])[None] for k in range(2))
    np.testing.assert_allclose(X[3], expected, atol=1e-12)


def test_noise_has_the_deviation_asked_for():
    u, v = simulated_atoms(5, 16)
    options = {"n_trials": 4, "n_valid": 2000, "density": 0.0, "rng": np.random.default_rng(0)}
    X, _ = simulated_trials(u, v, sigma=0.3, **options)
    assert X.std() == pytest.approx(0.3, rel=5 / np.sqrt(2 * X.size))


def test_waves_of_a_trial_do_not_overlap():
    v = mu_waveform(30, sfreq=100.0)
    X = mu_recording(
        v, n_trials=5, n_valid=131, n_events=4, sigma=0.0, rng=np.random.default_rng(0)
    )
    correlation = [np.correlate(trial[0], v, "valid") for trial in X]
    for trial, found in zip(X, correlation, strict=True):
        # Copies that do not overlap: the energy is the sum of squares of the amplitudes at starts.
        starts = np.flatnonzero(found > 0.49)
        rest = trial[0].copy()
        for start in starts:
            amplitude = rest[start : start + 30] @ v
            if np.allclose(rest[start : start + 30], amplitude * v, atol=1e-9):
                rest[start : start + 30] = 0
        assert np.abs(rest).max() < 1e-9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulated_atoms(1, 16), "n_channels must be at least 2, got 1"),
        (lambda: simulated_atoms(5, 3), "n_times_atom must be at least 4, got 3"),
        (lambda: mu_waveform(30, sfreq=30.0), "frequency must be above 0 and below 7.5 Hz"),
        (
            lambda: mu_recording(
                np.ones(10), n_trials=1, n_valid=20, n_events=3, sigma=0.0,
                rng=np.random.default_rng(0),
            ),
            "n_events=3 of 10 samples do not fit into n_valid=20",
        ),
        (
            lambda: simulated_trials(
                *simulated_atoms(2, 4), n_trials=1, n_valid=9, density=1.1, sigma=0.0,
                rng=np.random.default_rng(0),
            ),
            "density must be at least 0 and at most 1, got 1.1",
        ),
    ],
)  # fmt: skip
def test_bad_input_has_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_dense_recording_is_as_dense_and_loud_as_it_says():
    rng = np.random.default_rng(0)
    options = {"n_atoms": 5, "n_channels": 3, "n_times_atom": 16, "n_lengths": 2000}
    X, D = dense_recording(rng=rng, **options)
    assert X.shape == (3, 2000 * 16) and D.shape == (5, 3, 16)
    np.testing.assert_allclose((D**2).sum(axis=(1, 2)), 1)
    # Each atom adds deviation² K / (C L) in its whole energy of 1, over C channels; noise adds 1.
    expected = 1 + 10.0**2 * 5 * 5 / (3 * 16) / 3
    # Squares of sums of few normal amplitudes scatter; 3 % are many of their standard errors.
    assert X.var() == pytest.approx(expected, rel=0.05)
    quiet, _ = dense_recording(rng=np.random.default_rng(0), deviation=1e-9, **options)
    assert quiet.std() == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_atoms": 49}, "n_atoms must be at least 1 and at most 48, got 49"),
        ({"n_lengths": 0}, "n_lengths must be at least 1"),
        ({"deviation": 0}, "deviation must be above 0"),
        ({"sigma": -1}, "sigma must be at least 0"),
    ],
)
def test_dense_recording_refuses_bad_numbers(changed, message):
    given = {"n_atoms": 5, "n_channels": 3, "n_times_atom": 16, "n_lengths": 2} | changed
    with pytest.raises(ValueError, match=message):
        dense_recording(rng=np.random.default_rng(0), **given)
