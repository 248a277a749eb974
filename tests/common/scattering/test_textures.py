"""Simulators by what is known of them, judges by closed forms, and what is refused."""

import numpy as np
import pytest
from matplotlib.image import imsave
from scipy.stats import chisquare, kstest

from common.scattering.textures import (
    Judge,
    cut,
    dead_leaves,
    haar_shapes,
    largest_correlation,
    mosaic,
    read_picture,
)


def generator(seed=0):
    return np.random.default_rng(seed)


def test_a_picture_is_read_as_numbers(tmp_path):
    values = generator().integers(0, 256, (5, 7, 3)).astype("uint8")
    imsave(tmp_path / "p.png", values)
    found = read_picture(tmp_path / "p.png", color=True)
    np.testing.assert_allclose(found, values / 255, atol=1e-6)
    np.testing.assert_allclose(read_picture(tmp_path / "p.png"), found.mean(axis=2), atol=1e-6)


def test_a_picture_in_grey_has_no_colors(tmp_path):
    from PIL import Image

    values = generator().integers(0, 256, (5, 7)).astype("uint8")
    Image.fromarray(values).save(tmp_path / "grey.png")
    np.testing.assert_allclose(read_picture(tmp_path / "grey.png"), values / 255, atol=1e-6)
    with pytest.raises(ValueError, match="is grey: it has no colours"):
        read_picture(tmp_path / "grey.png", color=True)


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.png is no picture"):
        read_picture(tmp_path / "text.png")
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "missing.png")


def test_a_cut_averages_over_squares():
    picture = np.arange(48.0).reshape(6, 8)
    np.testing.assert_array_equal(cut(picture, 2, top=1, left=1, reduce=2)[0, 0],
                                  picture[2:4, 2:4].mean())  # fmt: skip
    np.testing.assert_array_equal(cut(picture, 3, left=2), picture[:3, 2:5])
    color = np.stack([picture, picture + 1], axis=-1)
    np.testing.assert_allclose(cut(color, 2, reduce=3)[..., 1], cut(picture, 2, reduce=3) + 1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"size": 7}, ValueError, r"7 pixels from \(0, 0\) on do not lie in a picture of 6 by 8"),
        ({"size": 2, "reduce": 2, "top": 2}, ValueError, r"a picture of 3 by 4 pixels \(reduced"),
        ({"size": 2, "left": -1}, ValueError, "left must be at least 0"),
        ({"size": 2, "reduce": 0}, ValueError, "reduce must be at least 1"),
        ({"size": 2.0}, TypeError, "size must be a whole number"),
    ],
)
def test_a_cut_outside_the_picture_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        cut(np.ones((6, 8)), **options)


def test_leaves_cover_everything_in_uniform_greys():
    images = [dead_leaves(32, rng=generator(seed)) for seed in range(60)]
    # One pixel of each image: independent, and uniform as the greys are.
    assert kstest([image[5, 7] for image in images], "uniform").pvalue > 1e-3
    assert all(np.isfinite(image).all() for image in images)


def test_leaves_of_one_radius_meet_the_known_covariance():
    # Two pixels are of one leaf with the probability g / (2 - g), g being the share of a disc that
    # its copy, moved by the distance, covers. (Matheron; discs of nearly one radius.)
    size, radius, distance = 32, 6.0, 5
    angle = np.arccos(distance / (2 * radius))
    g = 2 * radius**2 * angle - distance / 2 * np.sqrt(4 * radius**2 - distance**2)
    g /= np.pi * radius**2
    images = np.array(
        [dead_leaves(size, rng=generator(seed), smallest=radius, largest=radius + 1e-6)
         for seed in range(80)]
    )  # fmt: skip
    same = (images == np.roll(images, distance, axis=2)).mean(axis=(1, 2))
    error = same.std() / np.sqrt(len(same))
    # Five standard errors, and 0.01 for discs of pixels.
    assert same.mean() == pytest.approx(g / (2 - g), abs=5 * error + 0.01)


def test_radii_fall_with_their_power():
    # Few small leaves survive: mean sizes of what is seen grow with a smaller exponent.
    def edges(exponent):
        image = dead_leaves(64, rng=generator(), exponent=exponent)
        return (image != np.roll(image, 1, axis=1)).mean()

    assert edges(4.0) > 1.3 * edges(1.5)


def test_cells_are_nearest_to_their_points():
    image = mosaic(24, rng=generator(3), n_cells=5)
    rng = generator(3)
    points, greys = rng.uniform(0, 24, (5, 2)), rng.uniform(size=5)
    for pixel in ((0, 0), (23, 1), (11, 20)):
        away = np.abs(points - pixel)
        nearest = np.argmin((np.minimum(away, 24 - away) ** 2).sum(axis=1))
        assert image[pixel] == greys[nearest]
    assert len(np.unique(image)) == 5


def test_textures_do_not_depend_on_where_they_are():
    # Whether two pixels are equal, in columns: as often anywhere.
    images = [mosaic(16, rng=generator(seed), n_cells=12) for seed in range(200)]
    counts = sum((image != np.roll(image, 1, axis=1)).sum(axis=0) for image in images)
    # Pixels of a column depend on each other: about eight stand together at most.
    assert chisquare(counts / 8).pvalue > 1e-4


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dead_leaves(4, rng=generator()), ValueError, "size must be at least 8"),
        (lambda: dead_leaves(16, rng=generator(), smallest=9.0), ValueError, "largest must be"),
        (lambda: dead_leaves(16, rng=generator(), largest=8.0, exponent=1), ValueError, "exponent"),
        (lambda: dead_leaves(16, rng=1), TypeError, "default_rng"),
        (lambda: mosaic(16, rng=generator(), n_cells=1), ValueError, "n_cells must be at least 2"),
        (lambda: mosaic(16, rng=None), TypeError, "rng"),
    ],
)
def test_settings_of_textures_are_checked(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_copy_is_found_wherever_it_is():
    image = generator().standard_normal((12, 15))
    assert largest_correlation(3 * np.roll(image, (4, 2), (0, 1)) + 1, image) == pytest.approx(1)
    direct = max(
        np.corrcoef(np.roll(image, (a, b), (0, 1)).ravel(), (image**2).ravel())[0, 1]
        for a in range(12) for b in range(15)
    )  # fmt: skip
    assert largest_correlation(image**2, image) == pytest.approx(direct)


def test_haar_shapes_of_noise_are_those_of_normal_numbers():
    shapes = haar_shapes(generator().standard_normal((512, 512)), n_scales=2)
    n = 512**2 / 4 ** (1 + np.arange(2))
    # Standard errors of skewness and kurtosis of n normal numbers; four times.
    assert (np.abs(shapes[..., 0]) < 4 * np.sqrt(6 / n)[:, None]).all()
    assert (np.abs(shapes[..., 1] - np.log(3)) < 4 * np.sqrt(24 / n)[:, None] / 3).all()


def test_haar_shapes_of_a_step():
    # One column in four steps, of height 1: coefficients are 0 but there, in a share of 1 / 4.
    image = np.zeros((16, 16))
    image[:, 1::8] = 1.0
    p = 1 / 4
    skewness = (1 - 2 * p) / np.sqrt(p * (1 - p))
    kurtosis = 3 + (1 - 6 * p * (1 - p)) / (p * (1 - p))
    with pytest.raises(ValueError, match="all equal"):  # none along rows
        haar_shapes(image, n_scales=1)
    noisy = image + 1e-9 * generator().standard_normal(image.shape)
    shapes = haar_shapes(noisy, n_scales=1)[0, 0]
    np.testing.assert_allclose(shapes, [-skewness, np.log(kurtosis)], rtol=1e-6)


def test_the_judge_gives_the_observed_the_best_scores():
    observed = mosaic(64, rng=generator())
    judge = Judge(observed, rng=generator(1))
    best = judge.scores(observed)
    assert best == {"one_layer": 0, "two_layers": 0, "haar": 0, "copied": pytest.approx(1)}
    noise = observed.mean() + observed.std() * generator(3).standard_normal(observed.shape)
    others = [judge.scores(mosaic(64, rng=generator(seed))) for seed in range(2, 8)]
    far = judge.scores(noise)
    for name in ("one_layer", "two_layers", "haar"):
        assert 0 < np.mean([scores[name] for scores in others]) < far[name]
    assert Judge(observed, rng=generator(1)).scores(noise) == far


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Judge(np.ones((40, 40)), rng=generator()), ValueError, "constant"),
        (lambda: Judge(np.ones((8, 8)), rng=generator()), ValueError, "at least 15 pixels"),
        (lambda: Judge(np.eye(40), rng=5), TypeError, "default_rng"),
        (lambda: Judge(np.eye(40)[None], rng=generator()), ValueError, "observed must have 2 axes"),
        (lambda: haar_shapes(np.eye(8)), ValueError, "need images of 16 pixels along"),
        (lambda: largest_correlation(np.eye(3), np.eye(4)), ValueError, "must have one shape"),
        (lambda: largest_correlation(np.eye(3), np.ones((3, 3))), ValueError, "is constant"),
        (lambda: largest_correlation(np.eye(3), np.full((3, 3), np.nan)), ValueError, "other"),
    ],
)
def test_what_cannot_be_judged_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
