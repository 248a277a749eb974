"""Letters of matplotlib's font, and pages with a rare one."""

import numpy as np
import pytest

from common.dictionary.letters import letter_images, text_page

SHAPE = (12, 10)
LETTERS, RARE = letter_images("MIND", shape=SHAPE), letter_images("Z", shape=SHAPE)[0]


def test_letters_fill_their_box_and_differ():
    images = np.concatenate([LETTERS, RARE[None]])
    assert images.shape == (5, *SHAPE) and images.min() == 0 and images.max() <= 1
    # The largest letter fills the box in one direction, up to the point of a size of type.
    assert max(image.any(axis=1).sum() for image in images) >= 8
    flat = images.reshape(5, -1) / np.linalg.norm(images, axis=(1, 2))[:, None]
    assert np.triu(flat @ flat.T, 1).max() < 0.9


def test_an_i_stands_in_the_middle_of_its_box():
    upright = letter_images("I", shape=SHAPE)[0]
    middle = [(np.indices(SHAPE)[axis] * upright).sum() / upright.sum() for axis in (0, 1)]
    # A pixel at most from the middle of its box: half by rounding, half by the hinting of the font.
    np.testing.assert_allclose(middle, [(n - 1) / 2 for n in SHAPE], atol=1)


@pytest.mark.parametrize("shape", [(8, 8), (12, 12), (30, 25)])
def test_letters_are_as_large_as_fits(shape):
    images = letter_images("MINDZ", shape=shape)
    n_rows = images.any(axis=(0, 2)).sum()
    n_columns = images.any(axis=(0, 1)).sum()
    assert n_rows >= shape[0] - 2 or n_columns >= shape[1] - 2


def test_a_page_holds_as_many_rare_letters_as_it_is_told():
    rng = np.random.default_rng(0)
    page, mask = text_page(LETTERS, RARE, frequency=0.1, sigma=0.0, rng=rng)
    assert page.shape == mask.shape == (128, 256) and page.max() <= 1
    n_letters = (page.sum() - RARE.sum() * mask.sum() / RARE.size) / LETTERS.sum(axis=(1, 2)).mean()
    n_rare = mask.sum() / RARE.size  # boxes of letters do not overlap
    assert n_rare == int(n_rare)
    # Letters have different amounts of ink, which tells their number to a tenth.
    assert n_rare / (n_rare + n_letters) == pytest.approx(0.1, rel=0.15)


def test_there_is_one_rare_letter_at_least():
    rng = np.random.default_rng(1)
    _, mask = text_page(LETTERS, RARE, frequency=1e-6, shape=(40, 60), rng=rng)
    assert mask.sum() == RARE.size


def test_noise_is_that_of_the_paper_between_letters():
    rng = np.random.default_rng(2)
    page, _ = text_page(LETTERS, RARE, frequency=0.1, sigma=0.2, rng=rng)
    assert page[:3].std() == pytest.approx(0.2, rel=0.1)  # 768 pixels: 2.6 % standard error


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rng: letter_images(""), "letters is empty"),
        (lambda rng: letter_images(" "), "the letter ' ' has no ink"),
        (lambda rng: letter_images("M", shape=(5, 9)), "shape must be at least 6, got 5"),
        (
            lambda rng: text_page(LETTERS, RARE[:5], frequency=0.1, rng=rng),
            r"rare must have the shape \(12, 10\), got \(5, 10\)",
        ),
        (
            lambda rng: text_page(LETTERS, RARE, frequency=1.0, rng=rng),
            "frequency must be above 0 and below 1, got 1.0",
        ),
        (
            lambda rng: text_page(LETTERS, RARE, frequency=0.1, shape=(9, 9), rng=rng),
            r"shape=\(9, 9\) has no place for a letter of \(12, 10\)",
        ),
    ],
)
def test_bad_input_has_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0))
