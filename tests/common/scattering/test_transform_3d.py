"""Scattering of volumes: the reference implementation, closed forms, symmetries, derivatives."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from common.scattering import HarmonicScattering3D
from common.scattering.filters_3d import solid_harmonic_filters
from common.scattering.integrals_3d import compute_integrals

FOLDER = Path(__file__).parent / "reference"
REFERENCE = FOLDER / "3d.npz"  # written by make_3d.py
# By name: shape, J, L, sigma_0, max_order, rotation_covariant, integral_powers.
CASES = json.loads(str(np.load(REFERENCE)["cases"]))


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as arrays:
        return {name: arrays[name] for name in CASES}


def build(name, **options):
    shape, J, L, sigma, max_order, covariant, powers = CASES[name]
    return HarmonicScattering3D(
        J, shape, L, sigma, max_order, covariant, integral_powers=powers, **options
    )


def volumes(name):
    return np.random.default_rng(0).standard_normal((2, *CASES[name][0]))


def error(found, expected):
    assert found.shape == expected.shape
    return float(abs(found - expected).max() / abs(expected).max())


def blobs(shape, *, n=4, width=1.5, seed=0, spread=0.2):
    """A few Gaussians near the middle of a volume; positions relative to it, weights, values."""
    rng = np.random.default_rng(seed)
    positions = rng.uniform(-spread, spread, (n, 3)) * shape
    weights = rng.uniform(1, 3, n)
    axes = [n * np.fft.fftfreq(n) for n in shape]
    return positions, weights, gaussians(axes, positions, weights, width)


def gaussians(axes, positions, weights, width):
    z, y, x = np.meshgrid(*axes, indexing="ij")
    total = 0
    for (a, b, c), w in zip(positions, weights, strict=True):
        r2 = (z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2
        total = total + w * np.exp(-r2 / (2 * width**2)) / ((2 * np.pi) ** 1.5 * width**3)
    return total


@pytest.mark.parametrize("name", CASES)
def test_is_kymatio_in_double_precision(reference, name):
    found = build(name)(volumes(name))
    assert found.dtype == np.float64
    # Rounding, of each power separately: they differ by orders of magnitude.
    for q in range(found.shape[-1]):
        assert error(found[..., q], reference[name][..., q]) < 1e-13


@pytest.mark.parametrize("name", CASES)
def test_is_kymatio_in_single_precision(reference, name):
    found = build(name)(torch.from_numpy(volumes(name)).float())
    assert found.dtype == torch.float32
    # A Fourier transform in single precision has errors of 1e-7 of the largest value.
    for q in range(found.shape[-1]):
        assert error(found[..., q].numpy(), reference[name][..., q]) < 2e-6


@pytest.mark.parametrize("name", CASES)
def test_recording_gradients_does_not_change_the_values(reference, name):
    x = torch.from_numpy(volumes(name)).requires_grad_()
    found = build(name)(x)
    assert found.requires_grad
    assert error(found.detach().numpy(), reference[name]) < 1e-13


@pytest.mark.parametrize("covariant", [True, False])
def test_first_order_is_the_definition(covariant):
    # All 2 l + 1 complex convolutions, added up.
    shape, x = (6, 7, 8), np.random.default_rng(1).standard_normal((6, 7, 8))
    S = HarmonicScattering3D(1, shape, 3, 0.6, 1, covariant, integral_powers=(1, 2))
    found = S(x)
    for order, filters in enumerate(solid_harmonic_filters(shape, 1, 3, 0.6, dtype=complex)):
        y = np.fft.ifftn(np.fft.fftn(x) * filters, axes=(2, 3, 4))
        squares = (abs(y if covariant else y[:, :1]) ** 2).sum(axis=1)
        for q, power in enumerate((0.5, 1)):
            expected = (squares**power).sum(axis=(1, 2, 3))
            np.testing.assert_allclose(found[:, order, q], expected, rtol=1e-12)


def test_a_plane_wave_has_the_modulus_of_unsoeld():
    # x = cos(k u) goes to real wavelets' A(k) cos(k u) or A(k) sin(k u), and the sum of A(k)^2 over
    # degrees is c_l^2 (2 l + 1) / (4 pi) (s k)^(2 l) exp(-(s k)^2): the wavelet's mean over m.
    n, k = 12, 2 * np.pi / 12 * np.array([2, 1, 3])
    u = np.stack(np.meshgrid(*3 * [np.arange(n)], indexing="ij"), axis=-1)
    S = HarmonicScattering3D(1, 3 * (n,), 2, 0.9, 1, integral_powers=(1, 2))
    found = S(np.cos(u @ k))
    constants = np.array([np.sqrt(4 * np.pi), np.pi / np.sqrt(6), np.sqrt(2 * np.pi / 2.5) / 3])
    for j, s in enumerate((0.9, 1.8)):
        sk = s * np.linalg.norm(k)
        gain = constants * np.sqrt((2 * np.arange(3) + 1) / (4 * np.pi)) * sk ** np.arange(3)
        gain = gain * np.exp(-(sk**2) / 2)
        np.testing.assert_allclose(found[j, :, 1], gain**2 * n**3 / 2, rtol=1e-12)
        for order in range(3):
            wave = abs(np.sin(u @ k) if order % 2 else np.cos(u @ k)).sum()
            assert found[j, order, 0] == pytest.approx(gain[order] * wave, rel=1e-12)


def test_shape_order_of_paths_and_meta():
    S = HarmonicScattering3D(2, (6, 6, 6), 1, integral_powers=(1, 2, 3, 4))
    meta = S.meta()
    assert meta["j"].tolist() == [[0, -1], [1, -1], [2, -1], [0, 1], [0, 2], [1, 2]]
    assert meta["order"].tolist() == [1, 1, 1, 2, 2, 2]
    assert meta["l"].tolist() == [0, 1]
    assert meta["q"].tolist() == [1, 2, 3, 4]
    assert S(torch.randn(5, 1, 6, 6, 6, generator=torch.Generator().manual_seed(0))).shape == (
        *(5, 1, 6, 2, 4),
    )
    S = HarmonicScattering3D(1, (6, 6, 6), 1, max_order=1)
    assert S.meta()["j"].tolist() == [[0], [1]]
    # Order 1 is the same with and without order 2.
    x = volumes("one_order")[:, :6, :6, :6]
    both = HarmonicScattering3D(1, (6, 6, 6), 1)(x)
    np.testing.assert_allclose(S(x), both[:, :2], rtol=1e-12)  # sums in another order


def test_path_j1_j2_is_the_modulus_of_the_modulus():
    x, shape = volumes("default")[:1], (16, 16, 16)
    filters = solid_harmonic_filters(shape, 2, 1, dtype=complex)[1]
    S = HarmonicScattering3D(2, shape, 1, integral_powers=(1,))
    found = S(x)[0, :, 1, 0]
    for (j1, j2), value in zip(S.meta()["j"].tolist(), found, strict=True):
        u = x[0]
        for j in (j1, j2) if j2 >= 0 else (j1,):
            y = np.fft.ifftn(np.fft.fftn(u) * filters[j], axes=(1, 2, 3))
            u = np.sqrt((abs(y) ** 2).sum(axis=0))
        assert value == pytest.approx(u.sum(), rel=1e-12)


def test_batch_axes_arrays_and_precisions():
    S = HarmonicScattering3D(1, (5, 6, 7), 2)
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 6, 7))
    whole = S(x)
    assert isinstance(whole, np.ndarray) and whole.shape == (2, 3, 3, 3, 3)
    np.testing.assert_allclose(S(x[1, 2]), whole[1, 2], rtol=1e-12)
    np.testing.assert_array_equal(S.scattering(torch.from_numpy(x)).numpy(), whole)
    assert S(x.astype(np.float32)).dtype == np.float32
    assert S(x[:0]).shape == (0, 3, 3, 3, 3)
    # Strides do not matter, but for the order in which an FFT goes along them.
    strided = torch.from_numpy(x.copy().T).permute(4, 3, 2, 1, 0)
    np.testing.assert_allclose(S(strided), whole, rtol=1e-12)


def test_many_volumes_are_split_into_chunks(monkeypatch):
    S = HarmonicScattering3D(1, (5, 6, 7), 2)
    x = np.random.default_rng(0).standard_normal((7, 5, 6, 7))
    whole = S(x)
    monkeypatch.setattr("common.scattering.transform_3d._CHUNK", 3 * 5 * 6 * 7)
    monkeypatch.setattr("common.scattering.integrals_3d._BLOCK", 50)
    # Sums of other blocks round in another way.
    np.testing.assert_allclose(S(x), whole, rtol=1e-13)


def test_no_state_and_survives_pickling_and_copying(reference):
    S, x = build("default"), volumes("default")
    assert not S.state_dict() and not list(S.parameters())
    before = S(x)
    for again in (pickle.loads(pickle.dumps(S)), copy.deepcopy(S)):
        np.testing.assert_array_equal(again(x), before)
    assert len(pickle.dumps(S)) < 20_000  # no filters
    assert "J=2, shape=(16, 16, 16), L=3" in repr(S)


def test_powers_may_change_after_construction(reference):
    S = HarmonicScattering3D(2, (16, 16, 16), 3, integral_powers=(7.0,))
    S(volumes("default"))
    S.integral_powers = (0.5, 1.0, 2.0)
    assert error(S(volumes("default")), reference["default"]) < 1e-13


def test_zero_volume_and_homogeneity():
    S = HarmonicScattering3D(1, (6, 6, 6), 2, integral_powers=(0.5, 1, 2, 3, 2.5))
    x = np.random.default_rng(0).standard_normal((6, 6, 6))
    assert np.all(S(np.zeros((6, 6, 6))) == 0)
    expected = S(x) * 3.0 ** np.array([0.5, 1, 2, 3, 2.5])
    np.testing.assert_allclose(S(-3 * x), expected, rtol=1e-12)
    # Constants are seen by order 0 only, whose wavelets have mean 1.
    constant = S(np.full((6, 6, 6), 2.0))
    np.testing.assert_allclose(constant[:, 0, 1], 2 * 6**3, rtol=1e-12)
    assert abs(constant[:, 1:, 2]).max() < 1e-25


@pytest.mark.parametrize("shape", [(9, 9, 9), (8, 8, 8), (7, 8, 10)])
def test_translations_change_nothing(shape):
    S = HarmonicScattering3D(2, shape, 3, 0.8)
    x = np.random.default_rng(0).standard_normal(shape)
    moved = np.roll(x, (3, -1, 2), axis=(0, 1, 2))
    np.testing.assert_allclose(S(moved), S(x), rtol=1e-11)


@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2)])
def test_quarter_turns_and_reflections_change_nothing(axes):
    # Odd sizes: half the sampling rate, at which turned wavelets differ, is no frequency.
    S = HarmonicScattering3D(2, (9, 9, 9), 4, 0.7)
    x = np.random.default_rng(0).standard_normal((9, 9, 9))
    np.testing.assert_allclose(S(np.rot90(x, axes=axes)), S(x), rtol=1e-11)
    np.testing.assert_allclose(S(np.flip(x, axes[0])), S(x), rtol=1e-11)
    # One degree alone depends on the axis.
    one = HarmonicScattering3D(2, (9, 9, 9), 4, 0.7, rotation_covariant=False)
    assert abs(one(np.rot90(x, axes=(0, 2))) / one(x) - 1).max() > 0.01


def test_any_rotation_of_a_smooth_volume_changes_little():
    shape, width = (32, 32, 32), 1.5
    positions, weights, x = blobs(shape, spread=0.09, width=width)
    rng = np.random.default_rng(3)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    axes = [n * np.fft.fftfreq(n) for n in shape]
    turned = gaussians(axes, positions @ turn, weights, width)
    S = HarmonicScattering3D(1, shape, 3, 1.5, integral_powers=(1, 2))
    a, b = S(x), S(turned)
    # Squares of smooth moduli are summed exactly, up to what leaves the volume; moduli have cusps.
    np.testing.assert_allclose(b[:2, :, 1], a[:2, :, 1], rtol=1e-4)
    np.testing.assert_allclose(b, a, rtol=0.02)
    assert abs(turned / x - 1).max() > 0.5


def test_gradients_are_right():
    S = HarmonicScattering3D(1, (4, 3, 5), 3, 0.7, integral_powers=(0.5, 1, 2, 3))
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(S, x.requires_grad_(), fast_mode=True)


@pytest.mark.parametrize("covariant", [True, False])
def test_gradient_at_zero_is_zero_or_that_of_a_square(covariant):
    S = HarmonicScattering3D(1, (4, 4, 6), 2, 0.7, 2, covariant, integral_powers=(0.5, 1, 2, 3))
    x = torch.zeros(4, 4, 6, requires_grad=True)
    S(x).sum().backward()
    assert torch.all(x.grad == 0)


def test_transforms_of_torch_func():
    S = HarmonicScattering3D(1, (4, 5, 6), 2, 0.7)
    x = torch.randn(3, 4, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = S(x)
    torch.testing.assert_close(torch.func.vmap(S)(x), expected)
    gradients = torch.func.vmap(torch.func.grad(lambda v: S(v).sum()))(x)
    y = x.clone().requires_grad_()
    S(y).sum().backward()
    torch.testing.assert_close(gradients, y.grad)
    jacobian = torch.func.jacrev(S)(x[0])
    torch.testing.assert_close(jacobian.sum(dim=(0, 1, 2)), y.grad[0])


def test_compiles():
    S = HarmonicScattering3D(0, (4, 5, 6), 1, 0.7)
    x = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(S, backend="eager")
    torch.testing.assert_close(compiled(x), S(x))


@pytest.mark.parametrize("shape", [(32, 32, 32), (24, 40, 27)])
def test_coarse_quadrature_is_close(shape):
    # As volumes with detail of the size of the wavelets: white noise would be cusps everywhere.
    _, _, x = blobs(shape, n=6, width=1.5)
    powers = (0.5, 1, 2, 3)
    full = HarmonicScattering3D(2, shape, 3, 2.0, integral_powers=powers)
    coarse = HarmonicScattering3D(
        2, shape, 3, 2.0, integral_powers=powers, quadrature="coarse", tolerance=1e-5
    )
    a, b = full(x), coarse(x)
    grids = [level.grid for level in coarse._filters(torch.zeros((), dtype=torch.float64))]
    assert all(np.less_equal(g, shape).all() for g in grids)
    assert np.prod(grids[2]) < np.prod(grids[1]) < np.prod(shape)
    # First order: exact up to the tolerance for squares. Otherwise cusps, on grids of step 2 to 4.
    np.testing.assert_allclose(b[:3, :, 2], a[:3, :, 2], rtol=1e-6)
    np.testing.assert_allclose(b, a, rtol=0.05)
    assert abs(b / a - 1).mean() < 0.01


def test_coarse_quadrature_without_frequencies_to_drop_is_the_full_one(reference):
    found = build("odd", quadrature="coarse", tolerance=1e-300)(volumes("odd"))
    assert error(found, reference["odd"]) < 1e-13


@pytest.mark.parametrize("max_order", [1, 2])
def test_localised_volumes(max_order):
    shape, width = (40, 36, 32), 2.0
    positions, weights, x = blobs(shape, n=3, width=width, spread=0.08)
    S = HarmonicScattering3D(1, shape, 2, 2.0, max_order, integral_powers=(0.5, 1, 2, 3))

    def transform(z, y, x):
        total = 0
        for (a, b, c), w in zip(positions, weights, strict=True):
            phases = [np.exp(-1j * k * u) for k, u in ((z, a), (y, b), (x, c))]
            total = total + w * np.einsum("z,y,x->zyx", *phases)
        damping = [np.exp(-((width * k) ** 2) / 2) for k in (z, y, x)]
        return np.stack([total, 2 * total]) * np.einsum("z,y,x->zyx", *damping)

    extent = 2 * abs(positions).max(axis=0)
    found = S.scatter_localised(transform, extent, smoothing=width)
    assert found.dtype == torch.float64 and not found.requires_grad
    expected = S(np.stack([x, 2 * x]))
    # Cusps of the moduli, on another grid; without cusps (order 0), the tolerance.
    np.testing.assert_allclose(found, expected, rtol=5e-3)
    np.testing.assert_allclose(found[:, :, 0, 1:], expected[:, :, 0, 1:], rtol=1e-5)
    single = S.scatter_localised(transform, extent, smoothing=width, dtype=torch.float32)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, expected, rtol=0.02)
    with pytest.raises(ValueError, match=r"from 0 to shape \(40, 36, 32\), got \[1.0, 2.0, 99.0\]"):
        S.scatter_localised(transform, (1, 2, 99))
    with pytest.raises(ValueError, match=r"torch.float32 or torch.float64, got torch.float16"):
        S.scatter_localised(transform, extent, dtype=torch.float16)
    with pytest.raises(ValueError, match=r"must return an array of shape \(n_volumes, \*\(.*got"):
        S.scatter_localised(lambda *k: np.zeros((1, 2, 3)), extent)


def test_integrals_of_powers():
    x = np.random.default_rng(0).uniform(size=(2, 3, 4, 5, 6))
    found = compute_integrals(x, (0.5, 1, 3))
    expected = np.stack([(x**q).sum(axis=(2, 3, 4)) for q in (0.5, 1, 3)], axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    single = compute_integrals(torch.from_numpy(x).float(), [2])
    assert single.dtype == torch.float32 and single.shape == (2, 3, 1)
    assert compute_integrals(-x, (1,)).sum() == pytest.approx(-x.sum())
    with pytest.raises(ValueError, match=r"down to -0.99\d*, which have no power 0.5"):
        compute_integrals(-x, (1, 0.5))
    with pytest.raises(ValueError, match=r"shape \(\.\.\., M, N, O\), got \(3, 4\)"):
        compute_integrals(x[0, 0, 0, :3, :4], (1,))
    with pytest.raises(ValueError, match=r"positive numbers, at least one, got \(-1,\)"):
        compute_integrals(x, (-1,))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"J": -1}, r"J must be at least 0 and at most 62, got -1"),
        ({"L": 1.5}, r"L must be a whole number, got 1.5"),
        ({"shape": (4, 4)}, r"three positive integers \(M, N, O\), got \(4, 4\)"),
        ({"shape": 4}, r"three positive integers \(M, N, O\), got 4"),
        ({"shape": (4, 0, 4)}, r"three positive integers \(M, N, O\), got \(4, 0, 4\)"),
        ({"sigma_0": 0}, r"sigma_0 must be positive and finite, got 0"),
        ({"sigma_0": float("nan")}, r"sigma_0 must be positive and finite, got nan"),
        ({"max_order": 3}, r"max_order must be one of 1, 2, got 3"),
        ({"rotation_covariant": 2}, r"rotation_covariant must be one of True, False, got 2"),
        ({"method": "local"}, r"method must be one of integral, got 'local'"),
        ({"points": [1]}, r"points=\[1\] has no use with integrals"),
        ({"integral_powers": ()}, r"positive numbers, at least one, got \(\)"),
        ({"integral_powers": (1, 0)}, r"positive numbers, at least one, got \(1, 0\)"),
        ({"integral_powers": 2}, r"positive numbers, at least one, got 2"),
        ({"quadrature": "half"}, r"quadrature must be one of full, coarse, got 'half'"),
        ({"tolerance": 1}, r"tolerance must be between 0 and 1, got 1"),
        (
            {"J": 9, "shape": (8, 8, 8)},
            r"sigma_0 \* 2\*\*J = 512 .*J=9.* does not fit .*\(8, 8, 8\)",
        ),
        ({"J": 2}, r"4 samples wide \(J=2\), does not fit a volume of shape \(4, 4, 4\)"),
        ({"J": 0, "sigma_0": 300}, r"300 samples wide \(J=0\), does not fit"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        HarmonicScattering3D(**{"J": 1, "shape": (4, 4, 4), **options})


@pytest.mark.parametrize("quadrature", ["full", "coarse"])
def test_values_that_leave_the_range_are_refused(quadrature):
    S = HarmonicScattering3D(1, (6, 6, 6), 1, quadrature=quadrature)
    x = np.random.default_rng(0).standard_normal((6, 6, 6)).astype(np.float32)
    with pytest.raises(ValueError, match=r"of which a coefficient overflows in float32.*float64"):
        S(np.float32(1e37) * x)
    with pytest.raises(ValueError, match=r"whose squares are lost in float32. Divide x by its l"):
        S(np.float32(1e-30) * x)
    # The same values in double precision, where their squares are in range: moduli scale.
    big = S(1e37 * x.astype(float))[..., 1]
    np.testing.assert_allclose(big / 1e37, S(x.astype(float))[..., 1], rtol=1e-9)
    assert not S(0 * x).any()
    with pytest.raises(ValueError, match=r"x\[0, 0, 0\] is nan"):
        compute_integrals(np.full((6, 6, 6), np.nan), (0.5,))
    with pytest.raises(ValueError, match=r"x has values up to 1e\+30, .* overflows in float32"):
        compute_integrals(np.full((6, 6, 6), 1e30, np.float32), (2,))


def test_other_errors_are_named():
    with pytest.raises(TypeError, match=r"no option 'backend'. There is one backend"):
        HarmonicScattering3D(1, (4, 4, 4), backend="numpy")
    S = HarmonicScattering3D(1, (4, 5, 6))
    with pytest.raises(ValueError, match=r"must have shape \(4, 5, 6\).*x has shape \(4, 5, 7\)"):
        S(torch.zeros(4, 5, 7))
    with pytest.raises(TypeError, match=r"x\.float"):
        S(torch.zeros(4, 5, 6, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"x\[1, 2, 3\] is nan"):
        x = torch.zeros(4, 5, 6)
        x[1, 2, 3] = torch.nan
        S(x)
