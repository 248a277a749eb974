"""Scattering of images: the reference implementation, symmetries, stability, derivatives."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from common.scattering import Scattering2D
from common.scattering.filters_2d import filter_bank, lower

REFERENCE = Path(__file__).parent / "reference" / "2d.npz"  # written by make_2d.py
CASES = [
    "square",
    "rectangular",
    "odd, batch of two axes",
    "no batch",
    "as large as the scale",
    "smallest",
    "order 1",
    "one angle",
    "two angles",
    "slender wavelets",
    "padded before",
]


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as arrays:
        return {name: arrays[name] for name in arrays}


def build(reference, name, **options):
    J, L, max_order, pre_pad = reference[f"{name}/options"].tolist()
    shape = tuple(reference[f"{name}/shape"].tolist())
    return Scattering2D(J, shape, L, max_order=max_order, pre_pad=bool(pre_pad), **options)


def error(found, expected):
    assert found.shape == expected.shape
    return float(abs(found - expected).max() / abs(expected).max())


def smooth_image(shape, *, seed=0, wavelength=6):
    """Periodic noise without detail finer than a wavelength, in pixels."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij"))
    spectrum = np.fft.fft2(rng.standard_normal(shape)) * np.exp(-((wavelength * frequency) ** 2))
    image = np.fft.ifft2(spectrum).real
    return image / image.std()


def direct(x, J, L):
    """The definition on a periodic image: whole spectra, every pixel computed, then sampled."""
    phi, psi = filter_bank(x.shape, J, L)

    def convolve(u, filters, level, step):
        found = np.fft.ifft2(np.fft.fft2(u) * lower(filters, level))
        return found[::step, ::step]

    def average(u, level):
        return convolve(u, phi, level, 2 ** (J - level)).real[1:-1, 1:-1]

    found, second = [average(x, 0)], []
    for j1, theta1 in np.ndindex(J, L):
        u1 = abs(convolve(x, psi[j1, theta1], 0, 2**j1))
        found.append(average(u1, j1))
        for j2, theta2 in np.ndindex(J, L):
            if j2 > j1:
                u2 = abs(convolve(u1, psi[j2, theta2], j1, 2 ** (j2 - j1)))
                second.append(average(u2, j2))
    return np.stack(found + second)


# Kymatio


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_kymatio_in_double_precision(reference, name):
    # With filters in double precision; rounding of two transforms over some hundred pixels.
    found = build(reference, name)(reference[f"{name}/x"])
    assert found.dtype == np.float64
    assert error(found, reference[f"{name}/double"]) < 1e-12


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_kymatio_in_single_precision(reference, name):
    found = build(reference, name)(reference[f"{name}/x"].astype(np.float32))
    assert found.dtype == np.float32
    assert error(found, reference[f"{name}/plain"]) < 2e-6


def test_kymatio_rounds_its_filters_and_this_does_not(reference):
    # What comes between the two, with input in double precision, is the rounding of filters.
    difference = error(reference["square/plain"].astype(float), reference["square/double"])
    assert 1e-8 < difference < 1e-6


# Definition


@pytest.mark.parametrize(("J", "L"), [(1, 3), (2, 4), (4, 2)])
def test_the_definition_path_by_path(J, L):
    x = np.random.default_rng(0).standard_normal((64, 96))
    shape = tuple(n - 2 * 2**J for n in x.shape)
    transform = Scattering2D(J, shape, L, pre_pad=True)
    assert transform.padded_shape == x.shape
    # Rounding; values left out of the filters are below it.
    assert error(transform(x), direct(x, J, L)) < 1e-13


def test_a_constant_image_has_order_zero_only():
    found = Scattering2D(2, (12, 20))(np.full((12, 20), 3.0))
    np.testing.assert_allclose(found[0], 3 * np.pi / 3.1415, rtol=1e-13)
    assert np.abs(found[1:]).max() < 1e-13


def test_a_wave_excites_the_wavelet_of_its_angle_and_scale():
    # Along the columns: angle -pi / 2, the last of 8.
    wave = np.cos(0.75 * np.pi / 2 * np.arange(64))[None, :] * np.ones((64, 1))
    transform = Scattering2D(3, (64, 64))
    meta = transform.meta()
    first = transform(wave)[meta["order"] == 1].mean(axis=(1, 2))
    assert (meta["j"][1 + first.argmax(), 0], meta["theta"][1 + first.argmax(), 0]) == (1, 7)
    assert first.argmax() == 15


def test_zero_input_gives_zero_and_no_nan_in_the_gradient():
    x = torch.zeros(2, 16, 16, requires_grad=True)
    found = Scattering2D(2, (16, 16))(x)
    found.sum().backward()
    assert torch.all(found == 0)
    # Of order zero alone: an average, whose weights add up to one for each of its 16 points.
    assert torch.isfinite(x.grad).all()
    assert x.grad.sum().item() == pytest.approx(2 * 16 * np.pi / 3.1415, rel=1e-4)


def test_reflection_does_not_show_the_border_twice():
    # Averages of an image are those of its padded version, made by hand.
    x = np.random.default_rng(0).standard_normal((9, 8))
    padded = np.pad(x, ((7, 8), (8, 8)), mode="reflect")
    expected = Scattering2D(3, (9, 8), pre_pad=True)(padded)
    np.testing.assert_array_equal(Scattering2D(3, (9, 8))(x), expected)


# Invariance


def test_scaling_the_image_scales_the_coefficients():
    transform, x = Scattering2D(2, (16, 20)), smooth_image((16, 20))
    for factor in (1e-12, -3.0, 1e12):
        found = transform(factor * x) / abs(factor)
        found[0] *= np.sign(factor)  # the average keeps its sign, moduli lose it
        assert error(found, transform(x)) < 1e-13


@pytest.mark.parametrize("shift", [(4, 0), (8, -4)])
def test_a_translation_by_the_step_moves_the_coefficients(shift):
    # Exact on a periodic image, whose border is not padded; the outer coefficients are cut off.
    x = smooth_image((48, 48))
    transform = Scattering2D(2, (40, 40), pre_pad=True)
    before, after = transform(x), transform(np.roll(x, shift, axis=(0, 1)))
    rows, columns = shift[0] // 4, shift[1] // 4
    inner = (slice(None), slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(
        np.roll(before, (rows, columns), axis=(1, 2))[inner], after[inner], atol=1e-13
    )


def test_a_small_translation_changes_little_and_less_at_larger_scales():
    x = smooth_image((64, 64))
    moved = np.roll(x, 1, axis=1)
    changes = []
    for J in (2, 3, 4):
        transform = Scattering2D(J, tuple(n - 2 * 2**J for n in x.shape), L=4, pre_pad=True)
        before, after = transform(x), transform(moved)
        changes.append(np.linalg.norm(before - after) / np.linalg.norm(before))
    # One pixel against windows of 3.2, 6.4 and 12.8 pixels (two standard deviations).
    assert changes[0] < 0.5
    assert changes[2] < 0.6 * changes[1] < 0.6 * changes[0]
    assert changes[2] < 0.5 * np.linalg.norm(moved - x) / np.linalg.norm(x)


def test_a_small_deformation_changes_little():
    # A dilation by 1 + epsilon moves the far pixels by several, the coefficients by its order.
    def image(epsilon):
        row, column = np.mgrid[:64, :64] * (1 + epsilon)
        return np.cos(1.1 * row) + np.cos(0.7 * row + 0.9 * column)

    transform = Scattering2D(3, (64, 64))
    inner = (slice(None), slice(2, -2), slice(2, -2))
    before = transform(image(0.0))[inner]
    for epsilon in (0.005, 0.02):
        change = np.linalg.norm(transform(image(epsilon))[inner] - before) / np.linalg.norm(before)
        pixels = np.linalg.norm(image(epsilon) - image(0.0)) / np.linalg.norm(image(0.0))
        assert change < 5 * epsilon
        assert change < 0.2 * pixels


def test_a_quarter_turn_of_the_image_permutes_the_angles():
    # Kept about a pixel, since a turn about the middle of an even image moves the samples.
    x = smooth_image((48, 48))
    index = np.arange(48)
    turned = x[-index[None, :] % 48, index[:, None]]  # turned[p, q] = x[-q, p]
    transform = Scattering2D(2, (40, 40), pre_pad=True)
    meta = transform.meta()
    before, after = transform(x), transform(turned)
    # Coefficients are at pixels 4, 8, ..., 40 of 48; minus those are 44, 40, ..., 8.
    for path in range(len(before)):
        theta = np.where(meta["n"][path] < 0, -1, (meta["theta"][path] + 4) % 8)
        same = np.all((meta["j"] == meta["j"][path]) & (meta["theta"] == theta), axis=1)
        np.testing.assert_allclose(
            after[same][0][:, 1:], before[path][::-1].T[:, :-1], atol=1e-13, err_msg=str(path)
        )


def test_energy_is_within_the_bounds_of_the_frame():
    # Sum of squares of the average and the moduli, at the samples at which none is lost: all.
    x = np.random.default_rng(0).standard_normal((64, 64))
    phi, psi = filter_bank((64, 64), J=3, L=8)
    index = -np.arange(64) % 64
    cover = phi**2 + (psi**2 + psi[..., index[:, None], index] ** 2).sum(axis=(0, 1)) / 2
    energy = (np.abs(np.fft.ifft2(np.fft.fft2(x) * phi)) ** 2).sum()
    energy += (np.abs(np.fft.ifft2(np.fft.fft2(x) * psi)) ** 2).sum()
    assert cover.min() * (x**2).sum() <= energy <= cover.max() * (x**2).sum()
    # The coefficients themselves hold no more, each standing for 64 pixels; the transform does not
    # expand distances by more than the bound of each layer.
    transform = Scattering2D(3, (48, 48), pre_pad=True)
    y = x + 0.1 * np.random.default_rng(1).standard_normal((64, 64))
    distance = 64 * ((transform(x) - transform(y)) ** 2).sum()
    assert 0 < distance <= cover.max() ** 2 * ((x - y) ** 2).sum()


# Forms of input and output


@pytest.mark.parametrize("max_order", [1, 2])
def test_list_output_holds_the_array_with_its_meta(max_order):
    x = torch.from_numpy(smooth_image((17, 24))).expand(2, 3, 17, 24)
    options = {"J": 3, "shape": (17, 24), "L": 3, "max_order": max_order}
    array, paths = Scattering2D(**options)(x), Scattering2D(**options, out_type="list")(x)
    meta = Scattering2D(**options).meta()
    assert array.shape == (2, 3, len(paths), 2, 3)
    assert len(paths) == len(meta["order"]) == (1 + 9 + 27 if max_order == 2 else 1 + 9)
    for i, path in enumerate(paths):
        assert torch.equal(path["coef"], array[:, :, i])
        order = meta["order"][i]
        for name in ("j", "theta", "n"):
            assert path[name] == tuple(meta[name][i, :order].tolist())
            assert np.all(meta[name][i, order:] == -1)
            assert len(path[name]) == order
    assert sorted(paths[-1]) == ["coef", "j", "n", "theta"]


def test_order_of_the_paths():
    meta = Scattering2D(3, (8, 8), L=2).meta()
    assert meta["n"][:7, 0].tolist() == [-1, 0, 1, 2, 3, 4, 5]
    pairs = [(0, 2), (0, 3), (0, 4), (0, 5), (1, 2), (1, 3), (1, 4), (1, 5)]
    pairs += [(2, 4), (2, 5), (3, 4), (3, 5)]
    assert meta["n"][7:].tolist() == [list(pair) for pair in pairs]
    assert meta["j"][-1].tolist() == [1, 2] and meta["theta"][-1].tolist() == [1, 1]
    assert meta["order"].tolist() == [0] + 6 * [1] + 12 * [2]


def test_single_precision_is_kept_and_close():
    x = smooth_image((33, 21))
    transform = Scattering2D(3, (33, 21))
    single, double = transform(torch.from_numpy(x).float()), transform(torch.from_numpy(x))
    assert single.dtype == torch.float32 and double.dtype == torch.float64
    assert error(single.double(), double) < 2e-6


def test_images_of_a_batch_do_not_influence_each_other(monkeypatch):
    # Nor does it matter how many are taken at a time.
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((7, 24, 20)))
    transform = Scattering2D(3, (24, 20), L=4)
    alone = torch.stack([transform(image) for image in x])
    for working_set in (1, 2**30):
        monkeypatch.setattr("common.scattering.transform_2d._WORKING_SET", {"cpu": working_set})
        torch.testing.assert_close(transform(x), alone, rtol=0, atol=1e-13)


def test_the_input_is_not_changed_and_views_are_taken():
    x = torch.randn(2, 20, 24, 2, generator=torch.Generator().manual_seed(0)).double()
    before, transform = x.clone(), Scattering2D(2, (24, 20), L=4)
    view = x[..., 0].mT
    # An FFT may go along strides in another order.
    torch.testing.assert_close(transform(view), transform(view.contiguous()), rtol=0, atol=1e-13)
    assert torch.equal(x, before)


def test_an_empty_batch_gives_an_empty_result():
    assert Scattering2D(2, (8, 9))(torch.zeros(0, 3, 8, 9)).shape == (0, 3, 81, 2, 2)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies_give_the_same(how):
    x = smooth_image((12, 16))
    transform = Scattering2D(2, (12, 16), L=3)
    expected = transform(x)
    np.testing.assert_array_equal(how(transform)(x), expected)
    assert transform.state_dict() == {}


# Derivatives


@pytest.mark.parametrize("max_order", [1, 2])
def test_gradients_are_those_of_finite_differences(max_order):
    transform = Scattering2D(2, (5, 4), L=2, max_order=max_order)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(transform, x)


def test_values_are_the_same_where_gradients_are_recorded():
    # Images are then taken all at once.
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 24, 16)))
    transform = Scattering2D(3, (24, 16), L=4)
    expected = transform(x)
    torch.testing.assert_close(transform(x.requires_grad_()).detach(), expected, atol=1e-14, rtol=0)


@pytest.mark.filterwarnings("error")
def test_transforms_of_functions():
    transform = Scattering2D(2, (8, 12), L=2)
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 8, 12)))
    torch.testing.assert_close(torch.func.vmap(transform)(x), transform(x), atol=1e-14, rtol=0)

    def energy(image):
        return transform(image).square().sum()

    given = x.clone().requires_grad_()
    transform(given).square().sum().backward()
    each = torch.func.vmap(torch.func.grad(energy))(x)
    torch.testing.assert_close(each, given.grad, atol=1e-12, rtol=0)
    jacobian = torch.func.jacrev(transform)(x[0])
    assert jacobian.shape == (9, 2, 3, 8, 12)
    # Moduli are homogeneous: by Euler's theorem the derivative along the image is the value.
    along = torch.einsum("pijhw,hw->pij", jacobian, x[0])
    torch.testing.assert_close(along, transform(x[0]), atol=1e-12, rtol=0)


def test_a_compiled_transform_gives_the_same():
    transform = Scattering2D(2, (8, 12), L=2)
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 8, 12)))
    compiled = torch.compile(transform, backend="eager")  # traced, not translated
    torch.testing.assert_close(compiled(x), transform(x), atol=1e-14, rtol=0)


# Errors


@pytest.mark.parametrize("J", [4, 6])
def test_a_scale_larger_than_the_image_is_named_with_the_shape(J):
    message = rf"2\*\*J = {2**J} pixels \(J={J}\) exceed .* shape \(15, 40\); J must be at most 3"
    with pytest.raises(ValueError, match=message):
        Scattering2D(J, (15, 40))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"J": 0}, "J must be at least 1 and at most 62, got 0"),
        ({"J": 2.0}, "J must be a whole number, got 2.0"),
        ({"L": 0}, "L must be at least 1, got 0"),
        ({"max_order": 3}, r"max_order must be one of 1, 2, got 3"),
        ({"pre_pad": 1}, r"pre_pad must be one of False, True, got 1"),
        ({"out_type": "dict"}, r"out_type must be one of array, list, got 'dict'"),
        ({"shape": 32}, r"shape must be \(height, width\) of the images, got 32"),
        ({"shape": (3, 32, 32)}, r"shape must be \(height, width\) of the images, got \(3, 32"),
        ({"shape": (32, 0)}, "width, in shape, must be at least 1, got 0"),
        ({"shape": (3.5, 8)}, "height, in shape, must be a whole number, got 3.5"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Scattering2D(**{"J": 2, "shape": (32, 32)} | options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "torch"}, "no option 'backend'. There is one backend, torch"),
        ({"frontend": "torch"}, "no option 'frontend'. Tensors give tensors"),
        ({"angles": 8}, "no option 'angles'. See the parameters"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(TypeError, match=message):
        Scattering2D(2, (32, 32), **options)


def test_images_of_another_shape_are_refused_with_both_shapes():
    message = r"must have shape \(32, 24\), .* x has shape \(3, 24, 32\)"
    with pytest.raises(ValueError, match=message):
        Scattering2D(2, (32, 24))(torch.zeros(3, 24, 32))
    with pytest.raises(ValueError, match=r"must have shape \(40, 32\), .* shape \(32, 24\)"):
        Scattering2D(2, (32, 24), pre_pad=True)(torch.zeros(32, 24))


def test_repr_names_the_options():
    expected = "J=2, shape=(8, 9), L=8, max_order=1, pre_pad=False, out_type='array'"
    assert expected in repr(Scattering2D(2, (8, 9), max_order=1))
