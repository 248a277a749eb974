"""The one-dimensional transform: Kymatio's values, closed forms, invariances, gradients, errors."""

import copy
import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from common.scattering import Scattering1D, transform_1d
from common.scattering import filters_1d as filters

STORED = np.load(Path(__file__).parent / "reference" / "1d.npz")
CASES = json.loads(str(STORED["cases"]))
# Largest difference over largest value. In double precision Kymatio's widest wavelet is off by
# 1e-12; in single precision a transform of a thousand numbers loses a few bits.
TOLERANCE = {"float64": 1e-11, "float32": 1e-6}

pytestmark = pytest.mark.filterwarnings("ignore:averages over T")


def signal(*key, shape):
    return np.random.default_rng(key).standard_normal(shape)


def assert_close(found, expected, tolerance):
    found = found.detach().numpy() if isinstance(found, torch.Tensor) else found
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def names(case):
    return "-".join(f"{name}{value}" for name, value in case[0].items())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("i", range(len(CASES["averaged"])), ids=map(names, CASES["averaged"]))
def test_values_are_kymatios(i, dtype):
    options, batch = CASES["averaged"][i]
    transform = Scattering1D(**options)
    x = signal(1, i, shape=(*batch, options["shape"])).astype(dtype)
    expected = STORED[f"averaged_{i}"]
    found = transform(x)
    assert found.dtype == dtype
    assert_close(found, expected, TOLERANCE[dtype])
    # The way that records gradients is another.
    assert_close(transform(torch.from_numpy(x).requires_grad_()), expected, TOLERANCE[dtype])


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("i", range(len(CASES["separate"])), ids=map(names, CASES["separate"]))
def test_separate_coefficients_are_kymatios(i, gradients):
    options, batch = CASES["separate"][i]
    x = torch.from_numpy(signal(2, i, shape=(*batch, options["shape"]))).requires_grad_(gradients)
    keys = json.loads(str(STORED[f"paths_{i}"]))
    listed = Scattering1D(**options, out_type="list")(x)
    assert [[p["coef"].shape[-1], list(p["j"]), list(p["n"])] for p in listed] == keys
    bounds = np.cumsum([length for length, _, _ in keys])[:-1]
    expected = np.split(STORED[f"separate_{i}"], bounds, axis=-1)
    for path, coefficients in zip(listed, expected, strict=True):
        assert_close(path["coef"], coefficients, 1e-10)  # of each; some are small
    keyed = Scattering1D(**options, out_type="dict")(x)
    assert list(keyed) == [path["n"] for path in listed]
    for path in listed:
        assert torch.equal(keyed[path["n"]], path["coef"])


def test_meta_is_kymatios():
    options, _ = CASES["averaged"][3]
    transform = Scattering1D(**options)
    meta = transform.meta()
    for name in ("order", "xi", "sigma", "j", "n"):
        np.testing.assert_allclose(meta[name], STORED[f"meta_{name}"], rtol=1e-13)
    assert len(meta["key"]) == transform.output_size() == sum(transform.output_size(detail=True))
    for key, n, order in zip(meta["key"], meta["n"], meta["order"], strict=True):
        assert len(key) == order and tuple(n[: len(key)]) == key


def test_the_first_order_needs_one_column():
    transform = Scattering1D(4, 128, Q=2, max_order=1)
    assert transform.output_size(detail=True) == [1, 9]
    assert transform.meta()["xi"].shape == (10, 1)


def test_a_constant_is_its_own_average_and_nothing_else():
    found = Scattering1D(4, 256, Q=4)(torch.full((1, 256), 3.0, dtype=torch.float64))
    np.testing.assert_allclose(found[0, 0], 3, rtol=1e-13)
    assert found[0, 1:].abs().max() < 1e-14  # wavelets have no mean


def test_nothing_gives_nothing():
    assert not Scattering1D(4, 256, Q=4)(torch.zeros(2, 256)).any()


def test_a_cosine_gives_the_gain_of_the_wavelets():
    # |x * psi| = psi(f) / 2 for a cosine of frequency f (the wavelets let no negative one pass),
    # a constant, which all later wavelets remove. The factor is Kymatio's, see the class.
    J, n, f = 6, 8192, 0.1
    transform = Scattering1D(J, n, Q=8)
    found = transform(np.cos(2 * np.pi * f * np.arange(n)))[:, 64]
    meta = transform.meta()
    first, second = meta["order"] == 1, meta["order"] == 2
    xi, sigma = meta["xi"][first, 0], meta["sigma"][first, 0]
    gain = np.exp(-((f - xi) ** 2) / (2 * sigma**2)) / 2
    # To 2e-3: at their lower end the wavelets are not quite Gaussian.
    np.testing.assert_allclose(found[first] * 2.0 ** meta["j"][first, 0], gain, atol=2e-3)
    assert gain.max() > 0.4 and np.abs(found[second]).max() < 1e-6


def test_finer_sampling_undoes_the_factor():
    x = signal(3, shape=4096)
    coarse, fine = Scattering1D(5, 4096, Q=8), Scattering1D(5, 4096, Q=8, oversampling=5)
    meta = coarse.meta()
    j = np.nan_to_num(meta["j"])
    # The later filters see every 2^j1 th and every 2^j2 th sample, and weigh them by as much.
    factor = 2.0 ** -np.where(meta["order"] == 2, j.sum(axis=1), j[:, 0])
    ratio = coarse(x).mean(axis=1)[1:] / fine(x).mean(axis=1)[1:] / factor[1:]
    # The two are means over the signal of the same envelopes, at different samples.
    np.testing.assert_allclose(ratio, 1, atol=0.05)


def test_energy_is_that_of_the_spectrum_through_the_filters():
    # Parseval, for a signal that ends before its borders, with envelopes at the full rate.
    n, J = 2048, 4
    x = np.zeros(n)
    x[900:1100] = signal(4, shape=200)
    options = {"T": 0, "oversampling": J, "out_type": "list", "max_order": 1}
    _, *envelopes = Scattering1D(J, n, Q=3, **options)(x)
    family = filters.wavelets(J, 3)
    psi = filters.morlet(n, family.xi, family.sigma)
    power = np.abs(np.fft.fft(x)) ** 2 / n
    # Wavelets of 2^J samples do not reach the borders: their tails hold less than 1e-12.
    for path, gain in zip(envelopes, psi**2, strict=True):
        assert np.sum(path["coef"] ** 2) == pytest.approx(gain @ power, rel=1e-10)


def test_the_transform_does_not_expand():
    # No frequency is amplified, and moduli of complex numbers are no farther apart than these.
    x, y = (torch.zeros(2048, dtype=torch.float64) for _ in range(2))
    x[800:1200], y[700:1300] = (torch.from_numpy(signal(5, i, shape=(400, 600)[i])) for i in (0, 1))
    transform = Scattering1D(5, 2048, Q=2, oversampling=5)
    gap = (transform(x) - transform(y)).square().sum()
    assert 0.05 * (x - y).square().sum() < gap <= (x - y).square().sum()
    assert transform(x).square().sum() <= x.square().sum()


def test_a_shift_by_the_averaging_length_shifts_the_coefficients_by_one():
    n, J = 4096, 5
    x = np.zeros(n)
    x[1500:2500] = signal(6, shape=1000)
    transform = Scattering1D(J, n, Q=4)
    # All rates divide the shift; far from the borders only rounding is left.
    assert_close(transform(np.roll(x, 2**J)), np.roll(transform(x), 1, axis=-1), 1e-13)


@pytest.mark.parametrize("shift", [1, 4])
def test_a_small_shift_changes_little(shift):
    # |U(t - s) * phi - U * phi| <= |U| times the sum of |phi(t - s) - phi(t)|, for which the fall
    # of phi on either side gives 2 s phi(0), with phi(0) = sqrt(2 pi) sigma.
    n, J = 2048, 6
    x = np.zeros(n)
    x[800:1200] = signal(7, shape=400)
    averaged = Scattering1D(J, n, Q=2, oversampling=J)
    envelopes = Scattering1D(J, n, Q=2, oversampling=J, T=0, out_type="list")(x)
    bound = 2 * shift * np.sqrt(2 * np.pi) * filters.SIGMA_0 / 2**J
    change = np.linalg.norm(averaged(np.roll(x, shift)) - averaged(x))
    size = np.sqrt(sum(np.sum(path["coef"] ** 2) for path in envelopes))
    assert 0 < change <= bound * size
    # The signal itself changes by as much as two that have nothing in common.
    assert np.linalg.norm(np.roll(x, shift) - x) > 0.9 * np.sqrt(2) * np.linalg.norm(x)


def test_a_small_dilation_changes_little_where_the_spectrum_is_another():
    n = 4096
    t = np.arange(n) - n / 2

    def atom(dilation):
        return np.exp(-((t / 500) ** 2) / 2) * np.cos(2 * np.pi * 0.3 * (1 + dilation) * t)

    def change(function, dilation=0.01):
        there, here = function(atom(dilation)), function(atom(0))
        return np.linalg.norm(there - here) / np.linalg.norm(here)

    # The line moves by 12 of its widths 1 / (2 pi 500): disjoint, so sqrt(2).
    assert change(lambda x: np.abs(np.fft.fft(x))) == pytest.approx(np.sqrt(2), abs=1e-3)
    # A wavelet of quality 1 has width 0.14: its gain changes by less than 0.003 / 0.14.
    assert change(Scattering1D(6, n, Q=1)) < 0.03


def test_sign_does_not_matter_and_scale_passes_through():
    x = signal(8, shape=(2, 512))
    transform = Scattering1D(4, 512, Q=3)
    expected = transform(x)
    scaled = transform(-3 * x)
    assert_close(scaled[:, 1:], 3 * expected[:, 1:], 1e-14)
    assert_close(scaled[:, 0], -3 * expected[:, 0], 1e-14)


def test_averages_by_matrix_and_by_spectrum_agree(monkeypatch):
    x = signal(9, shape=(2, 600))
    for options in ({}, {"T": 25.0}, {"max_order": 1}, {"oversampling": 1, "J": 6}):
        options = {"J": 4, "shape": 600, "Q": 3} | options
        expected = Scattering1D(**options)
        assert expected._filters(torch.zeros(1, dtype=torch.float64)).matrices
        with monkeypatch.context() as patch:
            patch.setattr(transform_1d, "_MOST_SAMPLES", 0)
            other = Scattering1D(**options)
            found = other(x)
        assert not other._filters(torch.zeros(1, dtype=torch.float64)).matrices
        assert_close(found, expected(x), 1e-14)


@pytest.mark.parametrize("out_type", ["array", "list"])
@pytest.mark.parametrize("held", [1, 3 * 5000])
def test_chunks_do_not_matter(monkeypatch, held, out_type):
    x = signal(10, shape=(7, 512))
    transform = Scattering1D(4, 512, Q=3, out_type=out_type)
    expected = transform(x)
    calls = []
    cascade = transform_1d.Scattering1D._cascade

    def counted(self, x, *arguments, **options):
        calls.append(len(x))
        return cascade(self, x, *arguments, **options)

    monkeypatch.setattr(transform_1d.Scattering1D, "_cascade", counted)
    monkeypatch.setitem(transform_1d._HELD, "cpu", held)
    found = transform(x)
    assert len(calls) > 1 and sum(calls) == 7 and max(calls) - min(calls) <= 2
    if out_type == "array":
        found, expected = [{"coef": found}], [{"coef": expected}]
    for one, other in zip(found, expected, strict=True):
        assert_close(one["coef"], other["coef"], 1e-14)


GRADIENT_CASES = [
    {"J": 3, "shape": 32, "Q": 2},
    {"J": 3, "shape": 33, "T": 2, "oversampling": 1},
    {"J": 3, "shape": 20, "max_order": 1},
]


@pytest.mark.parametrize("options", GRADIENT_CASES, ids=lambda o: "-".join(map(str, o.values())))
def test_gradients(options):
    transform = Scattering1D(**options)
    x = torch.from_numpy(signal(11, shape=(2, options["shape"]))).requires_grad_()
    assert torch.autograd.gradcheck(transform, (x,))

    def energy(y):
        return transform(y).square().sum()

    (expected,) = torch.autograd.grad(energy(x), x)
    x = x.detach()
    found = torch.func.vmap(torch.func.grad(energy))(x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(torch.func.vmap(transform)(x), transform(x), rtol=1e-12, atol=1e-14)
    jacobian = torch.func.jacrev(transform)(x[0])
    _, along = torch.func.jvp(transform, (x[0],), (x[1],))
    torch.testing.assert_close(jacobian @ x[1], along, rtol=1e-12, atol=1e-14)


def test_the_gradient_at_zero_is_that_of_the_average():
    x = torch.zeros(1, 32, dtype=torch.float64, requires_grad=True)
    transform = Scattering1D(3, 32, Q=2)
    (gradient,) = torch.autograd.grad(transform(x).sum(), x)
    (expected,) = torch.autograd.grad(transform(x)[:, 0].sum(), x)
    assert torch.equal(gradient, expected) and gradient.isfinite().all()


def test_compiled_it_gives_the_same():
    transform = Scattering1D(3, 64, Q=2)
    x = torch.from_numpy(signal(12, shape=(2, 64)))
    compiled = torch.compile(transform, backend="eager")
    torch.testing.assert_close(compiled(x), transform(x), rtol=1e-12, atol=1e-14)


def test_copies_give_the_same():
    transform = Scattering1D(4, 128, Q=(2, 1), T=10, oversampling=1)
    x = signal(13, shape=(2, 128))
    expected = transform(x)
    for other in (copy.deepcopy(transform), pickle.loads(pickle.dumps(transform))):
        np.testing.assert_array_equal(other(x), expected)
        assert repr(other) == repr(transform)
    assert "J=4, shape=(128,), Q=(2, 1), T=10, max_order=2, oversampling=1" in repr(transform)
    assert not transform.state_dict()


def test_options_may_be_changed_later():
    x = signal(14, shape=128)
    transform = Scattering1D(4, 128)
    transform(x)
    transform.oversampling, transform.max_order = 2, 1
    expected = Scattering1D(4, 128, oversampling=2, max_order=1)
    np.testing.assert_array_equal(transform(x), expected(x))
    np.testing.assert_array_equal(transform.meta()["j"], expected.meta()["j"])
    transform.out_type = "dict"
    np.testing.assert_array_equal(transform(x)[(2,)], expected(x)[3])
    transform.max_order = 3
    with pytest.raises(ValueError, match=r"max_order must be one of 1, 2, got 3"):
        transform(x)


def test_average_is_deprecated_and_still_means_the_same():
    x = signal(15, shape=128)
    with pytest.warns(DeprecationWarning, match="set T=0 instead of average=False"):
        transform = Scattering1D(3, 128, average=False, out_type="list")
    expected = Scattering1D(3, 128, T=0, out_type="list")(x)
    for one, other in zip(transform(x), expected, strict=True):
        np.testing.assert_array_equal(one["coef"], other["coef"])
    with pytest.warns(DeprecationWarning):
        transform = Scattering1D(3, 128, T=8, average=True)
    np.testing.assert_array_equal(transform(x), Scattering1D(3, 128)(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"J": -1}, "J must be at least 0 and at most 62, got -1"),
        ({"J": 2.5}, "J must be a whole number, got 2.5"),
        ({"J": 9}, r"100 samples are too short for J=9: .* they have 256, less than .* = 512"),
        ({"shape": 1}, "shape must be at least 2, got 1"),
        ({"shape": (10, 20)}, r"shape must be the length of the signals.*got \(10, 20\)"),
        ({"shape": "100"}, "shape must be the length of the signals.*got '100'"),
        ({"Q": 0}, "Q must be at least 1, got 0"),
        ({"Q": (8, 1, 1)}, r"Q must be an integer, or one for each.*got \(8, 1, 1\).*Q=\(8, 1\)"),
        ({"Q": 1.5}, "Q must be an integer, or one for each of two orders, got 1.5"),
        ({"Q": (1, 8), "J": 5}, r"second-order wavelet \d+ .*too selective\. Choose Q\[1\] <= Q"),
        ({"T": 0.5}, "T must be None, 0 .* or at least 1 sample, got 0.5"),
        ({"T": -4}, "T must be None, 0 .* got -4"),
        ({"T": "8"}, "T must be None, 0 .* got '8'"),
        ({"T": True}, "T must be None, 0 .* got True"),
        ({"T": 101}, "T=101 samples is longer than the signals, which have 100"),
        ({"T": 0}, r"\(T=0\) coefficients have different lengths.*'list' or 'dict'"),
        ({"T": 0, "average": True}, "average=True contradicts T=0"),
        ({"T": 4, "average": False}, "average=False contradicts T=4"),
        ({"average": 1}, r"average must be one of True, False, got 1"),
        ({"max_order": 3}, r"max_order must be one of 1, 2, got 3"),
        ({"oversampling": -1}, "oversampling must be at least 0, got -1"),
        ({"oversampling": 0.5}, "oversampling must be a whole number, got 0.5"),
        ({"out_type": "tensor"}, r"out_type must be one of .*, got 'tensor'"),
    ],
)
@pytest.mark.filterwarnings("ignore:average is deprecated")
def test_a_bad_option_is_refused(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Scattering1D(**{"J": 3, "shape": 100} | options)


def test_options_of_other_libraries_are_refused():
    with pytest.raises(TypeError, match=r"no option 'backend'\. It computes in torch"):
        Scattering1D(3, 100, backend="torch")
    with pytest.raises(TypeError, match=r"no option 'vectorize'\. Set out_type"):
        Scattering1D(3, 100, vectorize=True)
    with pytest.raises(TypeError, match="no option 'j'"):
        Scattering1D(3, 100, j=3)


def test_signals_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"last axis of x must have shape \(100,\).*\(2, 99\)"):
        Scattering1D(3, 100)(torch.zeros(2, 99))


def test_long_signals_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Scattering1D(4, 1024)
