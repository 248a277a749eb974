"""Operations on images, ranges of affine maps, and the rotated pictures."""

import numpy as np
import pytest
import scipy.ndimage
import torch

from common.augmentation.images import (
    AFFINE_OPERATIONS,
    COLOR_OPERATIONS,
    AffineRanges,
    FlipAndMove,
    convolutional_network,
    make_image_operation,
    pictures,
    residual_network,
    rotated,
    rotated_pictures,
)


def images(n_images=4, side=16, *, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n_images, 3, side, side, generator=generator, dtype=dtype)


@pytest.mark.parametrize("name", [*AFFINE_OPERATIONS, *COLOR_OPERATIONS])
def test_a_magnitude_of_zero_changes_nothing(name):
    X = images()
    torch.testing.assert_close(make_image_operation(name)(X, 0.0), X, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [*AFFINE_OPERATIONS, *COLOR_OPERATIONS])
def test_gradients_are_those_of_finite_differences(name):
    X, weights = images(), images().flip(0)
    operation = make_image_operation(name)
    draws = operation.draw(X, torch.Generator().manual_seed(1))

    def loss(value):
        return (weights * operation.apply(X, draws, value)).sum()

    at = torch.tensor(0.37, dtype=X.dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(at), at)
    # Linear interpolation has kinks where a position crosses a pixel: a short step meets none.
    step = 1e-7
    ends = [loss(torch.tensor(0.37 + sign * step, dtype=X.dtype)) for sign in (1, -1)]
    assert float(gradient) == pytest.approx(float(ends[0] - ends[1]) / (2 * step), rel=1e-4)


def test_quarter_turns_and_whole_pixels_are_exact():
    X = images(1)
    turn = make_image_operation("rotate", scale=90.0)
    largest, smallest = torch.tensor([1.0], dtype=X.dtype), torch.tensor([0.0], dtype=X.dtype)
    one = torch.tensor(1.0, dtype=X.dtype)
    torch.testing.assert_close(turn.apply(X, largest, one), X.rot90(1, (2, 3)))
    torch.testing.assert_close(turn.apply(X, smallest, one), X.rot90(-1, (2, 3)))
    move = make_image_operation("translate-x", scale=2 / 16)
    expected = torch.zeros_like(X)
    expected[..., :-2] = X[..., 2:]
    torch.testing.assert_close(move.apply(X, largest, one), expected)
    move = make_image_operation("translate-y", scale=2 / 16)
    expected = torch.zeros_like(X)
    expected[..., :-2, :] = X[..., 2:, :]
    torch.testing.assert_close(move.apply(X, largest, one), expected)


@pytest.mark.parametrize(
    ("name", "matrix"),  # of a position (x, y) of the result to the one read
    [("shear-x", [[1, 0.3], [0, 1]]), ("shear-y", [[1, 0], [0.3, 1]])],
)
def test_shears_are_those_of_scipy(name, matrix):
    X = images(1)
    found = make_image_operation(name).apply(
        X, torch.tensor([1.0], dtype=X.dtype), torch.tensor(1.0, dtype=X.dtype)
    )
    flipped = np.array(matrix)[::-1, ::-1]  # scipy counts rows first
    centre = np.full(2, 7.5)
    expected = [
        scipy.ndimage.affine_transform(
            one, flipped, centre - flipped @ centre, order=1, mode="grid-constant"
        )
        for one in X[0].numpy()
    ]
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-12)


def test_colours_leave_what_they_name():
    X = images()
    grey = X.mean(1, keepdim=True)
    for name, kept in (
        ("saturation", lambda X: X.mean(1)),
        ("contrast", lambda X: X.mean((1, 2, 3))),
    ):
        torch.testing.assert_close(kept(make_image_operation(name)(X, 1.0)), kept(X))
    brighter = make_image_operation("brightness")(X, 1.0) / X
    assert (brighter.flatten(1).std(1) < 1e-9).all() and (brighter.flatten(1)[:, 0] != 1).all()
    greys = make_image_operation("saturation")(grey.expand_as(X), 1.0)
    torch.testing.assert_close(greys, grey.expand_as(X))


def test_ranges_start_as_told_and_their_penalty_is_the_norm_of_widths():
    ranges = AffineRanges(half_width=0.2)
    torch.testing.assert_close(ranges.half_widths.detach(), torch.full((6,), 0.2))
    assert float(ranges.penalty().detach()) == pytest.approx(0.4 * np.sqrt(6), rel=1e-5)


def test_a_range_of_rotations_rotates():
    X = images(3, dtype=torch.float32)
    ranges = AffineRanges()
    with torch.no_grad():
        ranges.ranges.fill_(-40.0)
        ranges.ranges[2] = 2.0  # softplus of 2, halved
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = ranges(X)
        torch.manual_seed(0)
        draws = 2 * torch.rand(3, 6) - 1
    angles = draws[:, 2] * np.log1p(np.exp(2.0)) / 2
    torch.testing.assert_close(found, rotated(X, angles), rtol=1e-4, atol=1e-4)


def test_pictures_have_no_symmetry():
    first, second = pictures(32)
    assert first.max() <= 1 and first.min() >= 0
    seen = [first, second]
    for picture in (first, second):
        for turns in range(4):
            for one in (picture.rot90(turns, (1, 2)), picture.rot90(turns, (1, 2)).flip(2)):
                same = [float((one - other).abs().mean()) < 0.02 for other in seen]
                assert sum(same) == (one is picture or torch.equal(one, picture))


def test_the_dot_is_beside_the_arrow():
    dot, arrow, _ = pictures(32)[1]
    places = torch.arange(32) + 0.5
    column, row = (dot.sum(axis) @ places / dot.sum() for axis in (0, 1))
    # In halves of the side, from the middle; the pictures are drawn 1.35 times as large.
    expected = [1.35 * 0.42, 1.35 * 0.35]
    assert [column / 16 - 1, row / 16 - 1] == pytest.approx(expected, abs=0.01)
    assert dot.sum() == pytest.approx(np.pi * (16 * 1.35 * 0.17) ** 2, rel=0.03)
    assert not (dot * arrow).any()


def test_classes_are_a_picture_and_a_half_of_the_turns():
    X, y = rotated_pictures(40, side=32, rng=np.random.default_rng(0))
    assert torch.bincount(y).tolist() == [10] * 4
    # Turned back to the upright by the best of many angles, the picture is that of the class.
    angles = torch.linspace(-np.pi, np.pi, 361, dtype=torch.float32)
    for one, label in zip(X[:8], y[:8].tolist(), strict=True):
        turned = rotated(one.expand(361, 3, 32, 32), angles)
        distances = (turned[:, None] - pictures(32)).abs().mean((2, 3, 4))
        best = int(distances.min(1).values.argmin())
        assert int(distances[best].argmin()) == label // 2
        upright = abs(float(angles[best])) < np.pi / 4 + 0.1
        assert upright == (label % 2 == 0)


def test_small_images_are_flipped_and_moved_in_training_alone():
    X = images(200, dtype=torch.float32)
    augment = FlipAndMove(2)
    out = augment(X)
    assert out.shape == X.shape
    moved = {}
    for i, one in enumerate(out):
        for flip in (False, True):
            source = X[i].flip(-1) if flip else X[i]
            padded = torch.nn.functional.pad(source, [2] * 4)
            for a in range(5):
                for b in range(5):
                    if torch.equal(padded[:, a : a + 16, b : b + 16], one):
                        moved[i] = (flip, a, b)
    assert len(moved) == 200 and {flip for flip, *_ in moved.values()} == {False, True}
    assert {a for _, a, _ in moved.values()} == set(range(5))
    assert torch.equal(augment.eval()(X), X)


def test_networks_have_the_stated_layers():
    network = convolutional_network(n_channels=3, width=4, side=32, n_classes=4)
    convolutions = [one for one in network if isinstance(one, torch.nn.Conv2d)]
    assert [one.out_channels for one in convolutions] == [4, 8, 16, 32]
    assert network(images(2, 32, dtype=torch.float32)).shape == (2, 4)
    residual = residual_network(10)
    assert sum(isinstance(one, torch.nn.Conv2d) for one in residual.modules()) == 20
    # Published size of ResNet-18 for such images.
    assert sum(p.numel() for p in residual.parameters()) == 11_173_962


def test_bad_input_is_one_clear_error():
    with pytest.raises(ValueError, match="Did you mean 'rotate'"):
        make_image_operation("rotat")
    with pytest.raises(ValueError, match="scale of rotate must be above 0, got -1"):
        make_image_operation("rotate", scale=-1)
    with pytest.raises(ValueError, match="side must be at least 8, got 4"):
        pictures(4)
    with pytest.raises(ValueError, match="n_images must be at least 4, got 3"):
        rotated_pictures(3, side=16, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="multiple of 16, as it is halved four times, got 20"):
        convolutional_network(n_channels=3, width=4, side=20, n_classes=2)
    with pytest.raises(ValueError, match="half_width must be above 0 and at most 300, got 0"):
        AffineRanges(half_width=0)
    with pytest.raises(ValueError, match="n_pixels must be at least 1, got 0"):
        FlipAndMove(0)
