r"""Differentiable operations on images, ranges of affine maps (Augerino), and rotated pictures.

An affine map A takes a position of the result, in coordinates from -1 to 1, to where its value is
read in the image. Values between pixels are interpolated linearly, and beyond the image they are 0.
"""

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from common import validation
from common.augmentation.operations import Operation, check_finite, column, uniform

__all__ = [
    "AFFINE_OPERATIONS",
    "COLOR_OPERATIONS",
    "AffineRanges",
    "FlipAndMove",
    "convolutional_network",
    "make_image_operation",
    "pictures",
    "residual_network",
    "rotated",
    "rotated_pictures",
    "warp",
]

# What a magnitude of 1 is, and its unit: shares of the side for a translation, slopes for shears.
_AFFINE_SCALES = {
    "translate-x": 0.45,
    "translate-y": 0.45,
    "rotate": 180.0,
    "shear-x": 0.3,
    "shear-y": 0.3,
}
_COLOR_SCALE = 0.9
_FILLED = 1.35  # pictures that reach the edge leave no room for translations

AFFINE_OPERATIONS = tuple(_AFFINE_SCALES)
"""Names of the affine operations."""

COLOR_OPERATIONS = ("brightness", "contrast", "saturation")
"""Names of the operations that move no pixel."""


class _Affine(Operation):
    """Uniform between -mu scale and mu scale."""

    def __init__(self, name, scale):
        self.name, self.scale = name, scale

    def draw(self, X, generator=None):
        return uniform((len(X),), X, generator)

    def apply(self, X, draws, magnitude, prepared=None):
        return warp(X, self.maps(draws, magnitude))

    def maps(self, draws, magnitude):
        """Affine maps of the draws, shape (n_images, 2, 3)."""
        amount = (2 * draws - 1) * (magnitude * self.scale)
        zero, one = torch.zeros_like(amount), torch.ones_like(amount)
        if self.name == "rotate":
            cos, sin = torch.cos(amount * np.pi / 180), torch.sin(amount * np.pi / 180)
            entries = [cos, -sin, zero, sin, cos, zero]
        else:
            # A picture is two units wide.
            entries = {
                "translate-x": [one, zero, 2 * amount, zero, one, zero],
                "translate-y": [one, zero, zero, zero, one, 2 * amount],
                "shear-x": [one, amount, zero, zero, one, zero],
                "shear-y": [one, zero, zero, amount, one, zero],
            }[self.name]
        return torch.stack(entries, -1).reshape(-1, 2, 3)


class _Color(Operation):
    """A factor uniform between 1 - mu scale and 1 + mu scale of what differs from a grey image."""

    def __init__(self, name, scale):
        self.name, self.scale = name, scale

    def draw(self, X, generator=None):
        return uniform((len(X),), X, generator)

    def apply(self, X, draws, magnitude, prepared=None):
        factor = 1 + (2 * draws - 1) * (magnitude * self.scale)
        if self.name == "brightness":
            rest = torch.zeros((), dtype=X.dtype, device=X.device)
        else:
            grey = X.mean(1, keepdim=True)
            rest = grey if self.name == "saturation" else grey.mean((2, 3), keepdim=True)
        return rest + column(factor, X) * (X - rest)


def make_image_operation(name, *, scale=None):
    """One of the operations on images.

    Parameters
    ----------
    name : str
        One of `AFFINE_OPERATIONS` or `COLOR_OPERATIONS`.
    scale : float, optional
        What a magnitude of 1 is. Default: 180 degrees for the rotation, 0.45 of the side for
        translations, a slope of 0.3 for shears, 0.9 for colours.

    Returns
    -------
    operation : common.augmentation.operations.Operation
        On images of shape (n_examples, n_channels, height, width).

    Raises
    ------
    ValueError
        If the name is unknown or the scale not positive.
    """
    validation.choice(name, (*AFFINE_OPERATIONS, *COLOR_OPERATIONS), "operation")
    default = _AFFINE_SCALES.get(name, _COLOR_SCALE)
    scale = validation.number(default if scale is None else scale, f"scale of {name}", above=0)
    return (_Affine if name in _AFFINE_SCALES else _Color)(name, scale)


def warp(X, maps):
    """Read images where affine maps say.

    Parameters
    ----------
    X : Tensor, shape (n_images, n_channels, height, width)
    maps : Tensor, shape (n_images, 2, 3)
        From a position of the result (x, y, 1) to the position read, in half sides.

    Returns
    -------
    X : Tensor, of the shape and type of ``X``
    """
    grid = functional.affine_grid(maps, X.shape, align_corners=False)
    return functional.grid_sample(X, grid, align_corners=False)


class FlipAndMove(nn.Module):
    """What is usual for small images: each flipped with probability 1/2, and moved by some pixels.

    In evaluation images stay as they are.

    Parameters
    ----------
    n_pixels : int, default=4
        Largest movement in each direction; what comes in from beyond the edge is 0.

    Raises
    ------
    ValueError
        If the number of pixels is not positive.
    """

    def __init__(self, n_pixels=4):
        super().__init__()
        self.n_pixels = validation.count(n_pixels, "n_pixels")

    def forward(self, X):
        """Augment a batch of shape (n_images, n_channels, height, width)."""
        if not self.training:
            return X
        n_images, height, width = len(X), *X.shape[2:]
        flipped = uniform((n_images, 1, 1, 1), X) < 0.5
        padded = functional.pad(torch.where(flipped, X.flip(-1), X), [self.n_pixels] * 4)
        starts = torch.randint(2 * self.n_pixels + 1, (2, n_images, 1), device=X.device)
        rows = starts[0] + torch.arange(height, device=X.device)
        columns = starts[1] + torch.arange(width, device=X.device)
        where = torch.arange(n_images, device=X.device)[:, None, None]
        moved = padded.permute(0, 2, 3, 1)[where, rows[:, :, None], columns[:, None]]
        return moved.permute(0, 3, 1, 2)


class AffineRanges(nn.Module):
    r"""Augerino: a uniform range for each of the six generators of affine maps.

    The map is :math:`\exp \sum_i u_i\, h_i\, G_i`, with :math:`u_i` uniform in [-1, 1] and the
    half-width :math:`h_i = \operatorname{softplus}(\theta_i) / 2`. The penalty is the negative norm
    of the widths :math:`\operatorname{softplus}(\theta)`.

    Parameters
    ----------
    half_width : float, default=pi/8
        At the start, of all generators: the translations in half sides, the rotation in rad, two
        scalings (alike, opposite) and the shear.

    Raises
    ------
    ValueError
        If the half-width is not positive, or above 300, where exponentials are no numbers.

    References
    ----------
    .. [1] G. Benton et al., "Learning Invariances in Neural Networks", NeurIPS 2020,
       arXiv:2010.11882.
    """

    NAMES = ("translate-x", "translate-y", "rotate", "scale", "stretch", "shear")

    def __init__(self, *, half_width=np.pi / 8):
        super().__init__()
        half_width = validation.number(half_width, "half_width", above=0, at_most=300)
        start = np.log(np.expm1(2 * half_width))
        self.ranges = nn.Parameter(torch.full((6,), float(start)))
        generators = torch.zeros(6, 3, 3)
        generators[0, 0, 2] = generators[1, 1, 2] = 1
        generators[2, 0, 1], generators[2, 1, 0] = -1, 1
        generators[3, 0, 0] = generators[3, 1, 1] = 1
        generators[4, 0, 0], generators[4, 1, 1] = 1, -1
        generators[5, 0, 1] = generators[5, 1, 0] = 1
        self.register_buffer("generators", generators)

    @property
    def half_widths(self):
        """Half of each range, shape (6,)."""
        return functional.softplus(self.ranges) / 2

    def forward(self, X):
        """Transform every image by a map of its own.

        Parameters
        ----------
        X : Tensor, shape (n_images, n_channels, height, width)

        Returns
        -------
        X : Tensor, of the shape and type of ``X``
        """
        draws = 2 * uniform((len(X), 6), X) - 1
        exponents = torch.einsum("ni,ijk->njk", draws * self.half_widths, self.generators)
        return warp(X, torch.linalg.matrix_exp(exponents)[:, :2])

    def penalty(self):
        """Norm of the widths, which training maximises."""
        return torch.linalg.vector_norm(functional.softplus(self.ranges))


def pictures(side):
    """A letter F and an arrow with a dot: two pictures that no rotation or reflection keeps.

    Parameters
    ----------
    side : int
        In pixels, at least 8.

    Returns
    -------
    pictures : Tensor, shape (2, 3, side, side)
        Between 0 and 1. They fit in the inscribed circle.

    Raises
    ------
    ValueError
        If the side is too short.
    """
    side = validation.count(side, "side", at_least=8)
    # Four points for each pixel and direction; their mean is the pixel.
    at = ((torch.arange(4 * side) + 0.5) / (2 * side) - 1) / _FILLED
    y, x = torch.meshgrid(at, at, indexing="ij")

    def box(left, right, top, bottom):
        return (x >= left) & (x < right) & (y >= top) & (y < bottom)

    letter = (
        box(-0.35, -0.1, -0.65, 0.65) | box(-0.35, 0.45, -0.65, -0.4) | box(-0.35, 0.3, -0.1, 0.15)
    )
    head = (y >= -0.7) & (y < -0.15) & (x.abs() < (y + 0.7) * 0.8)
    arrow = head | box(-0.12, 0.12, -0.15, 0.65)
    dot = (x - 0.42) ** 2 + (y - 0.35) ** 2 < 0.17**2
    zero = torch.zeros_like(x)
    first = torch.stack([letter, letter & (y < -0.4), zero])
    second = torch.stack([dot.float(), arrow.float(), arrow.float()])
    return functional.avg_pool2d(torch.stack([first, second]).float(), 4)


def rotated(images, angles):
    """Images turned about their middle.

    Parameters
    ----------
    images : Tensor, shape (n_images, n_channels, height, width)
    angles : ndarray or Tensor, shape (n_images,)
        In rad.

    Returns
    -------
    images : Tensor, of the shape and type of ``images``

    Raises
    ------
    TypeError, ValueError
        If an image is not finite, an angle is above 1e6, where single precision loses it, or there
        is not one for each image.
    """
    check_finite(images)
    if not torch.is_tensor(angles):
        angles = torch.from_numpy(np.array(validation.vector(angles, "angles", unit="rad")))
    validation.vector(angles.detach().cpu(), "angles", at_least=-1e6, at_most=1e6, unit="rad")
    validation.same_length(images=images, angles=angles)
    angles = torch.as_tensor(angles, dtype=images.dtype)
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    maps = torch.stack([cos, -sin, zero, sin, cos, zero], -1).reshape(-1, 2, 3)
    return warp(images, maps)


def rotated_pictures(n_images, *, side, rng):
    """Two pictures, upright or upside down: four classes that a rotation by 45 degrees keeps.

    A picture is turned by less than pi/4, or by more than 3 pi/4. A further turn by up to pi/4
    leaves it nearer to its own class; turns of more than that mix classes up.

    Parameters
    ----------
    n_images : int
        At least 4.
    side : int
        In pixels.
    rng : numpy.random.Generator

    Returns
    -------
    images : Tensor, shape (n_images, 3, side, side)
    classes : Tensor of int, shape (n_images,)
        Twice the picture, plus one if it is upside down; as many of each as can be.

    Raises
    ------
    ValueError
        If there are fewer images than classes, or the side is too short.
    """
    n_images = validation.count(n_images, "n_images", at_least=4)
    rng = validation.generator(rng)
    classes = rng.permutation(np.arange(n_images) % 4)
    angles = rng.uniform(-np.pi / 4, np.pi / 4, n_images) + np.pi * (classes % 2)
    drawn = pictures(side)[torch.from_numpy(classes // 2)]
    return rotated(drawn, angles), torch.from_numpy(classes)


def convolutional_network(*, n_channels, width, side, n_classes):
    """Four convolutions, each followed by batch normalisation, ReLU and pooling, and a linear map.

    Parameters
    ----------
    n_channels : int
        Of the images.
    width : int
        Channels after the first convolution; each of the others doubles them.
    side : int
        Of the images, in pixels, a multiple of 16.
    n_classes : int

    Returns
    -------
    network : torch.nn.Module
        Gives logits.

    Raises
    ------
    ValueError
        If the side is no multiple of 16, or a number not positive.
    """
    for value, name in (
        (n_channels, "n_channels"), (width, "width"), (side, "side"), (n_classes, "n_classes"),
    ):  # fmt: skip
        validation.count(value, name)
    if side < 16 or side % 16:
        raise ValueError(f"side must be a multiple of 16, as it is halved four times, got {side}.")
    channels = [n_channels, *(width * 2**i for i in range(4))]
    layers = []
    for before, after in itertools.pairwise(channels):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
    n_features = channels[-1] * (side // 16) ** 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(n_features, n_classes))


def residual_network(n_classes):
    """ResNet-18 for images of 32 x 32 pixels.

    Parameters
    ----------
    n_classes : int

    Returns
    -------
    network : torch.nn.Module
        Gives logits.

    Raises
    ------
    TypeError, ValueError
        If ``n_classes`` is no whole number from 1.

    References
    ----------
    .. [1] K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016,
       arXiv:1512.03385. As is usual for small images, the first convolution has 3 x 3 pixels and
       nothing is pooled after it.
    """
    n_classes = validation.count(n_classes, "n_classes")
    layers = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    before = 64
    for after, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [_Residual(before, after, stride), _Residual(after, after, 1)]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, n_classes))


class _Residual(nn.Module):
    """Two convolutions and what goes around them."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.around = nn.Identity()
        if stride > 1 or before != after:
            around = nn.Conv2d(before, after, 1, stride, bias=False)
            self.around = nn.Sequential(around, nn.BatchNorm2d(after))

    def forward(self, X):
        return functional.relu(self.main(X) + self.around(X))
