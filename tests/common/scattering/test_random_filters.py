"""Gram matrices of random filters against sums over pixels, and what is refused."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d

from common.scattering.random_filters import RandomFilterGrams


def draw(seed, shape=(20, 24)):
    return np.random.default_rng(seed).standard_normal(shape)


def grams(seed=0, sizes=(3, 7), **options):
    return RandomFilterGrams(4, sizes, rng=np.random.default_rng(seed), **options)


@pytest.mark.parametrize("common", [True, False])
def test_a_gram_matrix_is_of_filters_where_they_fit(common):
    observed, x = draw(0), draw(1)
    found = grams(common=common).fit(observed)
    rng = np.random.default_rng(0)
    z = (x - observed.mean()) / observed.std(ddof=1)
    responses = []
    for side in (3, 7):
        for kernel in rng.standard_normal((4, side, side)) / side:
            response = np.full(x.shape, np.nan)
            valid = correlate2d(z, kernel, mode="valid")
            response[side // 2 : -(side // 2), side // 2 : -(side // 2)] = np.maximum(valid, 0)
            responses.append(response)
    fits = ~np.isnan(responses[-1])
    expected = [
        [np.nanmean((a * b)[fits] if common else a * b) for b in responses] for a in responses
    ]
    np.testing.assert_allclose(found(torch.as_tensor(x)), expected, rtol=1e-12)


def test_a_second_layer_sees_averages_of_the_first():
    x = torch.as_tensor(draw(1))
    found = grams(n_deep=5).fit(draw(0))
    gram = found(x)
    assert gram.shape == (5, 5) and found.n_moments == 15
    assert torch.linalg.eigvalsh(gram).min() > -1e-12 * gram.trace()
    # Two images of one layer's Gram matrix have different ones here: scrambled pixels.
    scrambled = torch.as_tensor(
        np.random.default_rng(2).permuted(x.numpy().ravel()).reshape(x.shape)
    )
    assert found.loss(scrambled) > 1e-6


@pytest.mark.parametrize("n_deep", [0, 5])
def test_the_unit_of_the_image_does_not_matter(n_deep):
    one = grams(n_deep=n_deep).fit(draw(0)).loss(torch.as_tensor(draw(1)))
    other = grams(n_deep=n_deep).fit(255 * draw(0) + 9).loss(torch.as_tensor(255 * draw(1) + 9))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("options", [{}, {"n_deep": 5}, {"common": False}])
def test_gradients_are_differences(options):
    found = grams(**options).fit(draw(0))
    x, step = torch.as_tensor(draw(1)).requires_grad_(), torch.as_tensor(draw(2))
    (gradient,) = torch.autograd.grad(found.loss(x), x)
    with torch.no_grad():
        slope = (found.loss(x + 1e-6 * step) - found.loss(x - 1e-6 * step)) / 2e-6
    assert (gradient * step).sum().item() == pytest.approx(slope.item(), rel=1e-6)


def test_the_loss_is_relative_and_zero_for_the_observed():
    found = grams().fit(draw(0))
    many = torch.as_tensor(np.stack([draw(0), draw(1)]))
    loss = found.loss(many)
    assert loss[0] == 0
    expected = (found(many[1]) - found.target).norm() ** 2 / found.target.norm() ** 2
    torch.testing.assert_close(loss[1], expected)


def test_published_size_of_the_full_network():
    # 128 filters of each of eight sizes: the derived number of the authors' code.
    sizes = (3, 5, 7, 11, 15, 23, 37, 55)
    assert RandomFilterGrams(128, sizes, rng=np.random.default_rng(0)).n_moments == 524800


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: grams(sizes=(3, 4)), ValueError, r"sizes must be odd numbers of pixels, got \[3"),
        (lambda: grams(sizes=()), ValueError, "sizes must be odd"),
        (lambda: grams(n_deep=-1), ValueError, "n_deep must be at least 0, got -1"),
        (lambda: grams(n_deep=2, common=False), ValueError, "Set common=True"),
        (lambda: RandomFilterGrams(0, (3,), rng=np.random.default_rng(0)), ValueError, "n_filters"),
        (lambda: RandomFilterGrams(1, (3,), rng=3), TypeError, "rng=np.random.default_rng"),
        (lambda: grams().fit(draw(0, (6, 20))), ValueError, "at least 7 pixels each"),
        (lambda: grams(n_deep=2).fit(draw(0, (16, 20))), ValueError, "at least 17 pixels each"),
        (lambda: grams().fit(np.ones((9, 9))), ValueError, "the image is constant, 1"),
        (lambda: grams().fit(np.full((9, 9), np.nan)), ValueError, "not finite"),
        (lambda: grams().fit(np.ones((9, 9), int)), TypeError, "real floating-point numbers, got"),
        (lambda: grams().fit("picture"), TypeError, "got str"),
        (lambda: grams()(torch.ones(9, 9)), ValueError, "call fit"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
