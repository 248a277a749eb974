"""The Jansen-Rit model against closed forms, an ODE solver and another integrator."""

import numpy as np
import pytest
from scipy import integrate, linalg, signal, stats

from common.inference import jansen_rit
from common.inference.jansen_rit import (
    SFREQ,
    JansenRit,
    frequencies,
    linear_step,
    log_spectrum,
)

A, B, a, b = 3.25, 22.0, 100.0, 50.0


def sigmoid(v):
    return 5 / (1 + np.exp(0.56 * (6 - v)))


def drift(state, coupling, drive):
    """Right-hand side of the model's equations, written out."""
    x0, x1, x2, x3, x4, x5 = state
    return np.array([
        x3,
        x4,
        x5,
        A * a * sigmoid(x1 - x2) - 2 * a * x3 - a**2 * x0,
        A * a * (drive + 0.8 * coupling * sigmoid(coupling * x0)) - 2 * a * x4 - a**2 * x1,
        B * b * coupling / 4 * sigmoid(coupling / 4 * x0) - 2 * b * x5 - b**2 * x2,
    ])  # fmt: skip


def test_without_noise_it_follows_the_ode_with_second_order():
    # The start is the generator's first six numbers.
    coupling, drive, seed, n = 135.0, 220.0, 3, 64
    start = np.random.default_rng(seed).standard_normal((2, 3, 1)).ravel()
    times = (np.arange(n) + 1) / SFREQ
    exact = integrate.solve_ivp(
        lambda _, y: drift(y, coupling, drive),
        (0, times[-1]),
        start,
        t_eval=times,
        rtol=1e-10,
        atol=1e-10,
        method="DOP853",
    ).y
    errors = []
    for n_substeps in (1, 2, 4):
        model = JansenRit(
            duration=n / SFREQ,
            burn_in=0,
            noise=(0, 0),
            dtype="float64",
            n_substeps=n_substeps,
        )
        found = model([[coupling, drive, 0.0]], np.random.default_rng(seed))[0]
        errors.append(np.abs(found - (exact[1] - exact[2])).max())
    assert errors[0] < 0.2  # of signals that span about 15 mV
    # Halving the step divides the error by four, up to its next term.
    assert errors[0] / errors[1] == pytest.approx(4, abs=0.6)
    assert errors[1] / errors[2] == pytest.approx(4, abs=0.3)


def test_linear_step_is_the_matrix_exponential_and_its_covariance():
    h = 2.0**-10
    matrix, factor = linear_step([a, b], h)
    for rate, m, f in zip((a, b), matrix.T, factor.T, strict=True):
        generator = np.array([[0, 1], [-(rate**2), -2 * rate]])
        assert m.reshape(2, 2) == pytest.approx(linalg.expm(generator * h), rel=1e-10)
        nodes, weights = np.polynomial.legendre.leggauss(20)
        t = h * (nodes + 1) / 2
        column = np.exp(-rate * t) * np.stack([t, 1 - rate * t])
        covariance = (weights * h / 2 * column) @ column.T
        lower = np.array([[f[0], 0], [f[1], f[2]]])
        assert lower @ lower.T == pytest.approx(covariance, rel=1e-8)


def test_without_coupling_variance_and_spectrum_are_those_of_linear_equations():
    # x'' + 2 r x' + r² x = s W' has variance s² / (4 r³) and density 2 s² / (r² + ω²)² (one-sided).
    sigma, n = 2000.0, 400
    found = JansenRit()(np.tile([0.0, 220.0, sigma], (n, 1)), np.random.default_rng(0))
    variance = sigma**2 / (4 * a**3) + 1 / (4 * b**3)
    # Correlated over 1 / a = 10 ms, 8 s hold hundreds of independent samples, times 400.
    assert found.var() == pytest.approx(variance, rel=0.02)
    # A mu / a; the splitting takes 0.0057 off, and five standard errors are 5 / √80,000.
    assert found.mean() == pytest.approx(A * 220 / a, abs=0.0057 + 0.018)
    f, power = signal.welch(found.astype(float), SFREQ, nperseg=128)
    # Aliases of the density, up to far above the sampling rate.
    folded = sum(
        2 * sigma**2 / (a**2 + (2 * np.pi * (f + k * SFREQ)) ** 2) ** 2 for k in range(-20, 21)
    )
    inner = (f > 3) & (f < 60)
    assert power.mean(axis=0)[inner] == pytest.approx(folded[inner], rel=0.08)


def test_euler_with_small_steps_has_the_same_variance_and_spectrum():
    coupling, drive, sigma, n = 68.0, 220.0, 2000.0, 300
    found = JansenRit(duration=1)(
        np.tile([coupling, drive, sigma], (n, 1)), np.random.default_rng(0)
    )
    rng = np.random.default_rng(1)
    h, every = 1 / (128 * 64), 64
    state, kept = rng.standard_normal((6, n)), []
    for step in range(3 * 128 * every):
        state = state + h * drift(state, coupling, drive)
        noise = np.sqrt(h) * rng.standard_normal((3, n))
        state[3:] += np.array([[0.01], [sigma], [1.0]]) * noise
        if step >= 2 * 128 * every and (step + 1) % every == 0:
            kept.append(state[1] - state[2])
    other = np.array(kept).T
    errors = [np.sqrt(2 / n) / 3, 0.05]  # of variances over simulations; Euler's bias at this step
    assert found.var(axis=1).mean() == pytest.approx(other.var(axis=1).mean(), rel=sum(errors))
    both = [log_spectrum(one)[:, 1:20] for one in (found, other)]
    error = np.sqrt(sum(one.var(axis=0) / n for one in both))
    # 19 differences in standard errors; 4.5 is passed once in 8,000 times.
    assert np.abs((both[0].mean(axis=0) - both[1].mean(axis=0)) / error).max() < 4.5


def test_the_spectrum_of_the_reference_truth_peaks_at_9_8_hz():
    found = JansenRit()(np.tile([135.0, 220.0, 2000.0], (30, 1)), np.random.default_rng(0))
    power = log_spectrum(found).mean(axis=0)
    assert frequencies()[1 + np.argmax(power[1:])] == pytest.approx(9.8, abs=0.1)


def test_gain_adds_a_fifth_to_the_log_spectrum():
    x = np.random.default_rng(0).standard_normal((3, 1024))
    assert log_spectrum(10 ** (7 / 10) * x) == pytest.approx(log_spectrum(x) + 7 / 5)


def test_spectrum_of_a_sine_and_of_segments():
    t = np.arange(1024) / SFREQ
    f = frequencies()[5]
    found = log_spectrum(3 * np.sin(2 * np.pi * f * t))
    # A sine of amplitude A on a frequency of the transform has power (A n / 2)² there.
    assert found[5] == pytest.approx(np.log10((3 * 65 / 2) ** 2), abs=1e-3)
    part = np.random.default_rng(0).standard_normal(128)
    shifted = part + np.arange(8)[:, None] * 100  # each segment at another level
    assert log_spectrum(shifted.ravel(), n_segments=8) == pytest.approx(log_spectrum(part))


def test_chunks_bound_memory_and_reduction_commutes():
    theta = np.tile([135.0, 220.0, 2000.0], (5, 1))
    model = JansenRit(duration=1, burn_in=0, chunk=2)
    sizes = []

    def reduce(signals):
        sizes.append(len(signals))
        return log_spectrum(signals)

    reduced = model(theta, np.random.default_rng(0), reduce=reduce)
    assert sizes == [2, 2, 1]
    whole = model(theta, np.random.default_rng(0))
    assert reduced == pytest.approx(
        np.concatenate([log_spectrum(whole[i : i + 2]) for i in (0, 2, 4)])
    )
    first = JansenRit(duration=1, burn_in=0, chunk=2)(theta[:2], np.random.default_rng(0))
    assert np.array_equal(first, whole[:2])


def test_other_generators_give_the_same_distribution():
    theta = np.tile([68.0, 220.0, 2000.0], (200, 1))
    generators = [np.random.Generator(one(0)) for one in (np.random.PCG64, np.random.MT19937)]
    found = [log_spectrum(JansenRit(duration=1)(theta, rng)) for rng in generators]
    error = np.sqrt(sum(one.var(axis=0) / len(theta) for one in found))
    assert np.abs((found[0] - found[1]).mean(axis=0) / error)[1:].max() < 4.5


def test_normal_numbers_are_normal_and_independent():
    z, work = np.empty((2, 3, 100_000), np.float32), np.empty((3, 100_000), np.float32)
    jansen_rit._draw_normal(np.random.default_rng(0), z, work)
    rows = z.reshape(6, -1).astype(float)
    for row in rows:
        assert stats.kstest(row, "norm").pvalue > 1e-3
        assert stats.kurtosis(row) == pytest.approx(0, abs=5 * np.sqrt(24 / 1e5))
    # Correlations have a standard error of 1 / √100,000, also those of squares.
    for powers in (rows, rows**2):
        assert np.abs(np.corrcoef(powers) - np.eye(6)).max() < 5 / np.sqrt(1e5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: JansenRit(duration=0), "duration must be at least"),
        (lambda: JansenRit(duration=0.3), "multiple of 1/128 s, got 0.3 s"),
        (lambda: JansenRit(noise=(1,)), "noise must be two numbers, got 1"),
        (lambda: JansenRit(dtype="float16"), "dtype must be one of float32, float64"),
        (lambda: JansenRit(chunk=0), "chunk must be at least 1"),
        (
            lambda: JansenRit()([[135.0, 220.0, -1.0]], np.random.default_rng(0)),
            r"theta must be finite and at least 0 and at most 1e\+12, got -1.0 at index \(0, 2\)",
        ),
        (
            lambda: JansenRit()([[135.0, 220.0, 1e200]], np.random.default_rng(0)),
            r"theta must be .* at most 1e\+12, got 1e\+200 at index \(0, 2\)",
        ),
        (lambda: JansenRit(burn_in=1e30), r"burn_in must be at least 0 and at most 100000 s, got"),
        (
            lambda: JansenRit(duration=1e300),
            r"duration must be at least .* and at most 100000 s, got 1e\+300 s",
        ),
        (
            lambda: JansenRit()([[135.0, 220.0]], np.random.default_rng(0)),
            "columns C, mu and sigma",
        ),
        (lambda: log_spectrum(np.zeros(100), n_segments=2), "at least 65 samples"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
