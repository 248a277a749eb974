"""Covariances of rectified coefficients against sums over pixels, and what is refused."""

import numpy as np
import pytest
import torch

from common import files
from common.scattering.filters_2d import filter_bank
from common.scattering.harmonics import rectifier
from common.scattering.rectifier_covariances import (
    RectifierCovariances,
    color_correlations,
    shifts,
)

SHAPE, J, L = (16, 20), 2, 3


def draw(seed, *, shape=SHAPE, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


class Direct:
    """The moments by their definition: one pair of channels, one shift after another."""

    def __init__(self, C, observed):
        self.C, self.observed = C, observed.reshape(-1, *observed.shape[-2:])
        height, width = observed.shape[-2:]
        phi, self.psi = filter_bank((height, width), C.J, C.L)
        haar = np.zeros((3, height, width))
        haar[0, :2, :2] = [[0.25, -0.25], [0.25, -0.25]]
        haar[1, :2, :2] = [[0.25, 0.25], [-0.25, -0.25]]
        haar[2, :2, :2] = [[0.25, -0.25], [-0.25, 0.25]]
        self.phi, self.haar = phi, np.fft.fft2(haar)

    def filtered(self, x, psi):
        return torch.fft.ifft2(torch.fft.fft2(x) * torch.as_tensor(psi))

    def mask(self, j):
        height, width = self.observed.shape[-2:]
        margin = 0 if self.C.periodic else 2**j // 2
        mask = torch.zeros(height, width, dtype=torch.bool)
        mask[margin : height - margin, margin : width - margin] = True
        return mask

    def wavelets(self, x, c, j, q, phase):
        """A centred channel, and where it counts."""
        inside = self.mask(j)
        both = []
        for values in (self.observed[c], x[c]):
            both.append(rectifier(self.filtered(values, self.psi[j, q]), phase))
        if self.C.order == "mask":
            weight = inside / inside.double().mean()
            observed, found = (u * weight for u in both)
            return (found - observed.mean()) / observed.std(correction=0), torch.ones_like(inside)
        observed = both[0][inside]
        return (both[1] - observed.mean()) / observed.std(correction=0), inside

    def moduli(self, x, c):
        """Of three Haar wavelets and the low-pass filter."""
        found = []
        for psi, j in [(h, 0) for h in self.haar] + [(self.phi, self.C.J - 1)]:
            inside = self.mask(j)
            observed, values = (self.filtered(v[c], psi).real for v in (self.observed, x))
            weight = torch.ones_like(inside)
            counted = observed[inside]
            if self.C.order == "mask":
                counted = observed * inside / inside.double().mean()
                weight = inside / inside.double().mean()
            mean = counted.mean() if j or psi is self.phi else 0
            modulus = ((values - mean) / counted.std(correction=0)).abs()
            if self.C.order == "mask":
                found.append((modulus * weight, torch.ones_like(inside)))
            else:
                found.append((modulus, inside))
        return found

    def covariance(self, first, second, shift):
        (u, inside), (v, inside2) = first, second
        if not (self.C.periodic or self.C.order == "mask"):
            (height, width), (a, b) = u.shape, shift
            here = slice(max(a, 0), height + min(a, 0)), slice(max(b, 0), width + min(b, 0))
            there = slice(max(-a, 0), height + min(-a, 0)), slice(max(-b, 0), width + min(-b, 0))
            both = inside[here] & inside2[there]
            return (u[here] * v[there])[both].mean()
        return (u * torch.roll(v, shift, (0, 1))).mean()

    def moments(self, x):
        """As a mapping, from what a moment is of to its value."""
        C, found = self.C, {}
        x = x.reshape(-1, *x.shape[-2:])
        n = len(x)
        of = {
            (c, j, q, m): self.wavelets(x, c, j, q, 2 * np.pi * m / C.A)
            for c in range(n) for j in range(C.J) for q in range(C.L) for m in range(C.A)
        }  # fmt: skip
        for (c, j, q, m), first in of.items():
            for (c2, j2, q2, m2), second in of.items():
                same = (j, q) == (j2, q2)
                if m2 or not j <= j2 <= j + C.dj or (C.pairs == "same" and not same):
                    continue
                looked = {"all": True, "same": same, "none": False}[C.at] and c == c2
                for shift in shifts(C.J) if looked else [(0, 0)]:
                    key = (c, j, q, m), (c2, j2, q2, m2), shift
                    found[key] = self.covariance(first, second, shift)
        moduli = [self.moduli(x, c) for c in range(n)]
        for shift in shifts(C.J) if C.at != "none" else [(0, 0)]:
            for c in range(n):
                for h in range(3):
                    found["haar", c, h, shift] = self.covariance(*[moduli[c][h]] * 2, shift)
                for c2 in range(n):
                    pair = moduli[c][3], moduli[c2][3]
                    found["low", c, c2, shift] = self.covariance(*pair, shift)
        correlations = np.corrcoef(x.reshape(n, -1).numpy()) if n > 1 else np.eye(1)
        for c in range(n):
            for c2 in range(c + 1, n):
                found["colors", c, c2] = correlations[c, c2]
        return torch.tensor([float(value) for value in found.values()])


OPTIONS = [
    {},
    {"order": "mask"},
    {"periodic": True},
    {"at": "same", "A": 3},
    {"pairs": "same"},
    {"pairs": "same", "at": "none"},
    {"dj": 0, "at": "none"},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_moments_are_sums_over_pixels(options):
    # Not all that are drawn have the same order: as sets, up to rounding.
    C = RectifierCovariances(SHAPE, J, 2, **options).fit(draw(0))
    expected = Direct(C, draw(0)).moments(draw(1))
    found = C(draw(1))
    assert len(found) == C.n_moments == len(expected)
    np.testing.assert_allclose(found.sort().values, expected.double().sort().values, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"order": "mask", "dj": 0}])
def test_moments_of_colors_are_sums_over_pixels(options):
    shape = (2, 12, 12)
    C = RectifierCovariances(shape, J, 1, **options).fit(draw(0, shape=shape))
    found = C(draw(1, shape=shape))
    expected = Direct(C, draw(0, shape=shape)).moments(draw(1, shape=shape))
    assert len(found) == C.n_moments == len(expected)
    np.testing.assert_allclose(found.sort().values, expected.double().sort().values, atol=1e-6)


@pytest.mark.parametrize("options", OPTIONS)
def test_gradients_are_differences(options):
    C = RectifierCovariances(SHAPE, J, 2, **options).fit(draw(0))
    x, step = draw(1), draw(2)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(C.loss(x), x)
    with torch.no_grad():
        h = 1e-6
        slope = (C.loss(x + h * step) - C.loss(x - h * step)) / (2 * h)
    # A rectifier has a kink; none of these pixels crosses it within h.
    assert (gradient * step).sum().item() == pytest.approx(slope.item(), rel=1e-6)


def test_gradients_of_each_pixel_are_differences_in_color():
    shape = (3, 8, 8)
    C = RectifierCovariances(shape, 1, 2).fit(draw(0, shape=shape))
    # Between two kinks, the loss is a polynomial.
    x = draw(1, shape=shape).requires_grad_()
    assert torch.autograd.gradcheck(C.loss, (x,), eps=1e-7, atol=1e-4, rtol=1e-4)


def test_published_sizes_are_met():
    published = files.read_csv("papers/rectifier-textures/published/model_sizes.csv")
    published = published.set_index("model")["n_moments_without_low_pass_and_haar"]
    found = {
        "grey default": RectifierCovariances((64, 64), 5),
        "grey same": RectifierCovariances((64, 64), 5, at="same"),
        "colour default": RectifierCovariances((3, 64, 64), 5),
        "embedded grey": RectifierCovariances((32, 32), 3),
        "embedded grey same": RectifierCovariances((32, 32), 3, at="same"),
    }
    for name, C in found.items():
        assert C.n_wavelet_moments == published[name], name
    # Four channels of moduli at 37 shifts.
    assert found["grey default"].n_moments - published["grey default"] == 4 * 37


@pytest.mark.parametrize("at", ["all", "same", "none"])
def test_a_shift_round_the_borders_changes_nothing(at):
    C = RectifierCovariances(SHAPE, J, L, at=at, periodic=True).fit(draw(0))
    moved = torch.roll(draw(1), (3, 7), (0, 1))
    torch.testing.assert_close(C(moved), C(draw(1)), rtol=1e-9, atol=1e-9)


def test_unit_and_level_of_the_image_do_not_matter():
    C = RectifierCovariances(SHAPE, J, L).fit(draw(0))
    other = RectifierCovariances(SHAPE, J, L).fit(255 * draw(0) + 30)
    torch.testing.assert_close(other(255 * draw(1) + 30), C(draw(1)), rtol=1e-6, atol=1e-8)


def test_variances_of_the_observed_channels_are_one():
    C = RectifierCovariances(SHAPE, J, L, pairs="same", at="none", extras=False).fit(draw(0))
    np.testing.assert_allclose(C.target.reshape(-1, C.A)[:, 0], 1, rtol=1e-9)


@pytest.mark.parametrize("order", ["center", "mask"])
def test_pixels_of_the_margin_count_as_their_order_says(order):
    C = RectifierCovariances((32, 32), 3, 2, order=order, extras=False).fit(draw(0, shape=(32, 32)))
    rows = C._rows(draw(0, shape=(1, 1, 32, 32)))
    coarse = rows[0, 2 * C.L * C.A :]
    edge = coarse[:, 0, :]
    if order == "center":
        assert not edge.any()
    else:
        assert (edge < 0).all()  # minus the mean of a rectified channel


def test_single_precision_is_near_double():
    C = RectifierCovariances(SHAPE, J, L).fit(draw(0))
    single = RectifierCovariances(SHAPE, J, L).fit(draw(0).float())
    found = single(draw(1).float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), C(draw(1)), rtol=1e-3, atol=1e-4)


def test_several_images_are_each_for_itself():
    C = RectifierCovariances(SHAPE, J, L).fit(draw(0))
    many = torch.stack([draw(1), draw(2)])
    torch.testing.assert_close(C(many), torch.stack([C(draw(1)), C(draw(2))]))
    assert C.loss(many[:, None]).shape == (2, 1)


def test_parts_of_the_pixels_add_up(monkeypatch):
    C = RectifierCovariances(SHAPE, J, L).fit(draw(0))
    whole = C(draw(1))
    monkeypatch.setattr("common.scattering.rectifier_covariances._CHUNK", 50)
    torch.testing.assert_close(C(draw(1)), whole)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([[[0.0, 1.0]]], TypeError, "x must be a tensor of floating-point numbers, got list"),
        (torch.zeros(4, 4), ValueError, r"x must have shape .* got \(4, 4\)"),
        (torch.zeros(3, 4, 4), ValueError, "colour 0 of x is constant or not finite"),
        (torch.eye(4).repeat(3, 1, 1) * torch.tensor([1, 1, torch.nan])[:, None, None],
         ValueError, "colour 2 of x is constant or not finite"),
    ],
)  # fmt: skip
def test_colours_without_correlation_are_refused(x, error, message):
    with pytest.raises(error, match=message):
        color_correlations(x)


def test_color_correlations_are_numpys():
    x = draw(0, shape=(3, 9, 7))
    np.testing.assert_allclose(color_correlations(x), np.corrcoef(x.reshape(3, -1)), atol=1e-12)


def test_a_wrong_correlation_of_colors_counts_twice():
    shape = (3, 12, 12)
    C = RectifierCovariances(shape, 1, 2, color_weight=3).fit(draw(0, shape=shape))
    x = draw(1, shape=shape)
    difference = (C(x) - C.target).square()
    both = (color_correlations(x) - color_correlations(draw(0, shape=shape))).square().sum()
    expected = difference[:-3].sum() + 3 * both
    torch.testing.assert_close(C.loss(x), expected)


def test_shifts_are_eight_at_each_scale():
    found = shifts(3)
    assert found[0] == (0, 0) and len(found) == len(set(found)) == 21
    assert {(1, 1), (4, 0), (-3, 3), (0, -2)} <= set(found)
    assert {(-a, -b) for a, b in found} == set(found)


@pytest.mark.parametrize(
    "shape, options, error, message",
    [
        ((16,), {}, ValueError, r"shape must be \(height, width\)"),
        (16, {}, ValueError, r"shape must be \(height, width\)"),
        ((16, 16, 3), {}, ValueError, "Move it to the front"),
        ((16, 16), {"J": 5}, ValueError, "J must be at most 4"),
        ((16, 16), {"J": 4}, ValueError, "leave no pixels"),
        ((16, 16), {"A": 2}, ValueError, "A must be at least 3, got 2"),
        ((16, 16), {"dj": -1}, ValueError, "dj must be at least 0"),
        ((16, 16), {"at": "some"}, ValueError, "at must be"),
        ((16, 16), {"pairs": "some"}, ValueError, "pairs must be"),
        ((16, 16), {"order": "some"}, ValueError, "order must be"),
        ((16, 16), {"color_weight": -1}, ValueError, "color_weight must be at least 0"),
        ((16, 16), {"L": 2.5}, TypeError, "L must be a whole number"),
    ],
)
def test_wrong_settings_are_named(shape, options, error, message):
    with pytest.raises(error, match=message):
        RectifierCovariances(shape, **{"J": J, **options})


@pytest.mark.parametrize(
    "image, error, message",
    [
        (torch.ones(SHAPE), ValueError, "does not vary"),
        (torch.arange(20.0).expand(SHAPE), ValueError, "does not vary"),
        (draw(0).masked_fill(draw(0) > 1, torch.nan), ValueError, "not finite"),
        (draw(0, shape=(3, *SHAPE)), ValueError, "fit takes one image, got 3"),
        (draw(0, shape=(16, 16)), ValueError, "are for images of shape"),
        (torch.ones(SHAPE, dtype=torch.int64), TypeError, "must be real, in single or double"),
        ([1.0], TypeError, "must be a tensor"),
    ],
)
def test_images_that_cannot_be_observed_are_named(image, error, message):
    with pytest.raises(error, match=message):
        RectifierCovariances(SHAPE, J, L).fit(image)


def test_moments_need_an_observed_image():
    with pytest.raises(ValueError, match="call fit"):
        RectifierCovariances(SHAPE, J, L)(draw(0))
