"""Dictionary learning on a recording whose atoms and events are known."""

import numpy as np
import pytest
from scipy.signal import oaconvolve

from common.dictionary import activation_events, encode, learn_dictionary, reconstruct

SFREQ, N_TIMES, N_TIMES_ATOM, NOISE = 100.0, 6003, 30, 0.3
OPTIONS = {
    "sfreq": SFREQ,
    "n_atoms": 2,
    "atom_length": N_TIMES_ATOM / SFREQ,
    "reg": 0.3,
    "n_iter": 10,
    "n_splits": 4,
}
# Windows have 1500 samples and meet at 1500, 3000 and 4500. Waveforms of 30 samples that start 15
# earlier lie on the border, where the taper is 0. The last 3 samples are in no window.
ON_BORDER = np.array([1485, 2985, 4485])


class Planted:
    """Two atoms on three channels in white noise, about 5 dB above it where they occur."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        phase, hann = 2 * np.pi * np.arange(N_TIMES_ATOM) / N_TIMES_ATOM, np.hanning(N_TIMES_ATOM)
        v = hann * np.stack([np.sin(2 * phase), np.cos(5 * phase)])
        self.v = v / np.linalg.norm(v, axis=1, keepdims=True)
        self.u = np.array([[0.8, -0.6, 0.0], [0.0, 0.6, 0.8]])
        self.z = np.zeros((2, N_TIMES - N_TIMES_ATOM + 1))
        for row in self.z:
            starts = np.cumsum(rng.integers(60, 160, 60))
            starts = starts[starts < N_TIMES - 100]
            row[starts] = rng.uniform(4, 6, len(starts))
        for start in ON_BORDER:
            self.z[:, start - 60 : start + 60] = 0
            self.z[0, start] = 5
        self.X = self.u.T @ oaconvolve(self.z, self.v, axes=1)
        self.X += NOISE * rng.standard_normal(self.X.shape)

    def match(self, found):
        """Planted atom of each learned one, how much later that one starts, and their product."""
        products = np.array(
            [
                [np.correlate(b, a, "full") * (p @ q) for a, p in zip(self.v, self.u, strict=True)]
                for b, q in zip(found.v, found.u, strict=True)
            ]
        )
        which = products.max(axis=2).argmax(axis=1)
        best = products[np.arange(2), which]
        return which, best.argmax(axis=1) - (N_TIMES_ATOM - 1), best.max(axis=1)


@pytest.fixture(scope="module")
def planted():
    return Planted()


@pytest.fixture(scope="module")
def found(planted):
    return learn_dictionary(planted.X, **OPTIONS)


def test_planted_atoms_are_recovered(planted, found):
    which, _, product = planted.match(found)
    assert sorted(which) == [0, 1]
    assert np.all(product > 0.95)  # 0.99: 55 noisy occurrences determine 30 samples
    np.testing.assert_allclose(np.linalg.norm(found.u, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found.v, axis=1), 1, rtol=1e-12)
    assert found.z.shape == planted.z.shape


def test_planted_events_are_recovered_within_one_sample(planted, found):
    which, later, _ = planted.match(found)
    times, _ = activation_events(found.z, sfreq=SFREQ, threshold=2.0, min_interval=0.1)
    for k in range(2):
        expected = np.flatnonzero(planted.z[which[k]])
        # A waveform that is learned d samples late within its atom starts d samples early.
        got = (times[k] * SFREQ).round().astype(int) + later[k]
        distance = np.abs(got[:, None] - expected[None, :])
        assert np.all(distance.min(axis=1) <= 1)  # precision: noise, 0.3, is far below 2
        assert np.all(distance.min(axis=0) <= 1)  # recall: amplitudes, 4 to 6, are above


def test_an_event_on_the_border_of_windows_counts_in_full(planted, found):
    which, later, _ = planted.match(found)
    k = int(np.flatnonzero(which == 0)[0])
    for start in ON_BORDER - later[k]:
        # Amplitude 5 with a deviation of NOISE: four of them. Tapered, it would be below 1.
        assert found.z[k, start - 1 : start + 2].sum() == pytest.approx(5, abs=4 * NOISE)


def test_reconstruction_leaves_the_noise(planted, found):
    residual = planted.X - reconstruct(found)
    assert residual.shape == planted.X.shape
    # Least squares on the support takes away some noise; 2 % of it for some 140 coefficients.
    assert residual.std() == pytest.approx(NOISE, rel=0.05)


def test_activations_without_debiasing_are_smaller_by_the_penalty(planted, found):
    # An isolated atom d of unit norm: argmin |x - z d|^2 / 2 + penalty z = <d, x> - penalty.
    biased = encode(planted.X, found, debias=False, tolerance_z=1e-3)
    full = encode(planted.X, found, debias=True, tolerance_z=1e-3)
    both = (biased > 0).sum(axis=0)
    near = np.convolve(both, np.ones(2 * N_TIMES_ATOM - 1), "same")
    isolated = (biased > 0) & (near == 1)
    assert isolated.sum() > 10
    # Steps below tolerance_z deviations are not taken, in either of the two.
    expected, most = full[isolated] - found.penalty, 2e-3 * planted.X.std()
    np.testing.assert_allclose(biased[isolated], expected, atol=most)


@pytest.mark.parametrize("unit", [1e-6, 1e12])
def test_unit_of_the_signal_does_not_matter(planted, found, unit):
    scaled = learn_dictionary(unit * planted.X, **OPTIONS)
    # Only rounding differs, and the iterations amplify it a little.
    np.testing.assert_allclose(scaled.v, found.v, atol=1e-6)
    np.testing.assert_allclose(scaled.u, found.u, atol=1e-6)
    assert scaled.penalty == pytest.approx(unit * found.penalty, rel=1e-6)
    assert scaled.scale == pytest.approx(unit * found.scale, rel=1e-12)
    for k in range(2):
        options = {"sfreq": SFREQ, "quantile": 0.3}
        times, amplitudes = activation_events(found.z[k : k + 1], **options)
        again, in_unit = activation_events(scaled.z[k : k + 1], **options)
        assert times[0].tolist() == again[0].tolist()
        np.testing.assert_allclose(in_unit[0], unit * amplitudes[0], rtol=1e-5)


def test_polarity_is_in_the_topography(planted, found):
    upside_down = learn_dictionary(-planted.X, **OPTIONS)
    assert np.all(found.v[[0, 1], np.abs(found.v).argmax(axis=1)] > 0)
    np.testing.assert_allclose(upside_down.v, found.v, atol=1e-9)
    np.testing.assert_allclose(upside_down.u, -found.u, atol=1e-9)
    np.testing.assert_allclose(upside_down.z, found.z, atol=1e-9)


def test_two_runs_give_the_same_bytes(planted, found):
    again = learn_dictionary(planted.X, **OPTIONS)
    for name in ("u", "v", "z", "loss"):
        assert getattr(again, name).tobytes() == getattr(found, name).tobytes()


def test_batch_algorithm_depends_on_its_generator_and_on_nothing_else(planted):
    def learn(seed):
        options = {**OPTIONS, "n_iter": 3, "algorithm": "batch", "n_splits": 1}
        rng = np.random.default_rng(seed)
        return learn_dictionary(planted.X[:, :1500], rng=rng, **options)

    first, again, other = learn(0), learn(0), learn(1)
    assert first.z.tobytes() == again.z.tobytes() and first.v.tobytes() == again.v.tobytes()
    assert not np.array_equal(first.v, other.v)
    assert planted.match(first)[2].max() > 0.9


def test_loss_starts_at_one_and_falls(found):
    assert found.loss[0] == 1
    assert np.all(np.diff(found.loss) <= 1e-9)  # rounding
    assert found.loss[-1] < 0.85


def test_activations_move_with_the_recording(planted, found):
    late, margin = 700, 200  # far from the ends, where partial atoms lie
    moved = encode(planted.X[:, late:], found, tolerance_z=1e-4)
    still = encode(planted.X, found, tolerance_z=1e-4)
    inside = slice(margin, -margin)
    times, _ = activation_events(moved[:, inside], sfreq=SFREQ, threshold=1.0)
    expected, _ = activation_events(still[:, late:][:, inside], sfreq=SFREQ, threshold=1.0)
    assert [t.tolist() for t in times] == [t.tolist() for t in expected]


def test_encoding_the_same_recording_gives_the_same_activations(planted, found):
    np.testing.assert_allclose(encode(planted.X, found), found.z, atol=1e-9)


def test_one_channel(planted):
    x = planted.X[0]
    found = learn_dictionary(x, **{**OPTIONS, "n_atoms": 1})
    assert np.abs(found.u).tolist() == [[1.0]]
    product = np.abs(np.correlate(found.v[0], planted.v[0], "full")).max()
    assert product > 0.95
    assert found.z.shape == (1, N_TIMES - N_TIMES_ATOM + 1)


def test_waveforms_vanish_at_both_ends_unless_told_otherwise(planted, found):
    assert not found.v[:, [0, -1]].any()
    free = learn_dictionary(planted.X[:, :2000], taper_atoms=False, **{**OPTIONS, "n_splits": 1})
    assert np.all(np.abs(free.v[:, [0, -1]]) > 1e-6)


def test_more_atoms_than_waveforms_is_no_error(planted):
    # Unused atoms are replaced again and again here.
    options = {**OPTIONS, "n_atoms": 3, "reg": 0.6, "n_iter": 25, "n_splits": 1}
    found = learn_dictionary(planted.X[:, :600], tolerance=1e-8, **options)
    assert found.v.shape == (3, N_TIMES_ATOM) and found.z.shape == (3, 600 - N_TIMES_ATOM + 1)
    assert np.isfinite(found.v).all() and np.isfinite(found.z).all()


@pytest.mark.parametrize("seed", range(4))
def test_atoms_are_in_the_order_of_the_variance_they_explain(planted, seed):
    X = planted.u.T @ oaconvolve([[0.5], [1.0]] * planted.z, planted.v, axes=1)[:, :1500]
    X += 0.1 * np.random.default_rng(1).standard_normal(X.shape)
    options = {**OPTIONS, "reg": 0.1, "algorithm": "batch", "n_splits": 1}
    found = learn_dictionary(X, rng=np.random.default_rng(seed), **options)
    energy = [np.sum(oaconvolve(z, v) ** 2) for z, v in zip(found.z, found.v, strict=True)]
    assert energy[0] > energy[1]


def test_a_gap_in_a_channel_is_no_error(planted):
    X = planted.X[:, :3000].copy()
    X[1, :1500] = 0  # the whole first window
    found = learn_dictionary(X, **{**OPTIONS, "n_splits": 2, "n_iter": 2})
    assert np.isfinite(found.u).all() and found.z.any()


def test_peak_times_lead_from_the_start_of_an_atom_to_its_peak(found):
    for v, time in zip(found.v, found.peak_times, strict=True):
        assert v[round(time * SFREQ)] == np.abs(v).max()


def test_nothing_is_printed_and_the_recording_stays_as_it_was(planted, capfd):
    before = planted.X.copy()
    found = learn_dictionary(planted.X[:, :1000], **{**OPTIONS, "tolerance": 0.1})
    assert len(found.loss) < 1 + 2 * OPTIONS["n_iter"]  # it has stopped early
    assert capfd.readouterr() == ("", "")
    assert np.array_equal(planted.X, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sfreq": 0}, r"sfreq must be above 0 Hz, got 0"),
        ({"sfreq": np.nan}, r"sfreq must be above 0 Hz, got nan"),
        ({"atom_length": -1}, r"atom_length must be above 0 s, got -1"),
        ({"tolerance_z": 0}, r"tolerance_z must be above 0, got 0"),
        ({"atom_length": 0.02}, r"atom_length=0.02 s is 2 sample\(s\) at 100 Hz"),
        ({"atom_length": 30}, r"an atom has 3000 samples \(30 s at 100 Hz\) .* only 1500: 6003 "),
        ({"n_splits": 300}, r"window only 20: 6003 samples in n_splits=300. Use fewer windows"),
        ({"n_splits": 0}, r"n_splits must be at least 1, got 0"),
        ({"n_atoms": 0}, r"n_atoms must be at least 1, got 0"),
        ({"n_iter": 1}, r"n_iter=1 is less than n_atoms=2"),
        ({"n_iter": 0, "algorithm": "batch"}, r"n_iter must be at least 1, got 0"),
        ({"reg": 0}, r"reg must be above 0 and below 1, got 0"),
        ({"reg": 6.0}, r"reg must be above 0 and below 1, got 6.0"),
        ({"reg": 0.99999}, r"reg=0.99999 is too large: no atom is ever activated"),
        ({"algorithm": "online"}, "algorithm must be one of greedy, batch, got 'online'"),
        ({"algorithm": "batch"}, r"rng must be a numpy.random.Generator, got None"),
    ],
)
def test_unfit_options_are_named(planted, change, message):
    with pytest.raises(ValueError, match=message):
        learn_dictionary(planted.X, **{**OPTIONS, **change})


def test_unfit_recordings_are_named(planted, found):
    X = planted.X.copy()
    X[1, 17] = np.nan
    with pytest.raises(ValueError, match=r"X must be finite, got nan at index \(1, 17\)"):
        learn_dictionary(X, **OPTIONS)
    with pytest.raises(ValueError, match=r"X must be finite, got nan at index \(1, 17\)"):
        encode(X, found)
    X[1] = 3
    with pytest.raises(ValueError, match=r"channel 1 is flat, 3 throughout"):
        learn_dictionary(X, **OPTIONS)
    X[1] = planted.X[1] + 100
    with pytest.raises(ValueError, match=r"channel 1 has mean 100.* High-pass X"):
        learn_dictionary(X, **OPTIONS)
    with pytest.raises(ValueError, match=r"shape \(n_channels, n_times\), got \(1, 3, 6003\)"):
        learn_dictionary(planted.X[None], **OPTIONS)
    with pytest.raises(ValueError, match=r"X has 2 channel\(s\), the dictionary 3"):
        encode(planted.X[:2], found)
    with pytest.raises(ValueError, match=r"X has 29 samples, fewer than the 30 of an atom"):
        encode(planted.X[:, :29], found)
    with pytest.raises(ValueError, match="tolerance_z must be above 0, got -1"):
        encode(planted.X, found, tolerance_z=-1)
