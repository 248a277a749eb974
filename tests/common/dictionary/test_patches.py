import numpy as np
import pytest

from common.dictionary.patches import learn_on_patches


def test_patches_of_a_checkerboard_are_its_two_phases():
    image = np.indices((20, 20)).sum(axis=0) % 2
    options = {"n_atoms": 2, "shape": (4, 4), "alpha": 0.1, "n_iter": 10}
    D = learn_on_patches(image, rng=np.random.default_rng(0), **options)
    assert D.shape == (2, 1, 4, 4)
    phases = np.stack([image[:4, :4], image[1:5, :4]]).reshape(2, -1) / 8**0.5
    found = np.abs(D.reshape(2, -1) @ phases.T)
    # Each atom is one phase, and both are there.
    np.testing.assert_allclose(np.sort(found, axis=None), [0, 0, 1, 1], atol=0.02)


def test_the_unit_of_the_image_does_not_matter():
    image = np.random.default_rng(0).random((15, 15))
    options = {"n_atoms": 3, "shape": (3, 4), "n_iter": 2, "n_patches": 50}
    one, other = (
        learn_on_patches(c * image, rng=np.random.default_rng(1), **options) for c in (1, 256.0)
    )
    np.testing.assert_allclose(one, other, rtol=1e-9)
    np.testing.assert_allclose((one**2).sum(axis=(1, 2, 3)), 1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"image": np.zeros((9, 9))}, "image is 0 throughout"),
        ({"shape": (10, 2)}, "shape must be at least 1 and at most 9, got 10"),
        ({"n_atoms": 0}, "n_atoms must be at least 1"),
        ({"alpha": 0}, "alpha must be above 0"),
        ({"n_iter": 0}, "n_iter must be at least 1"),
        ({"n_patches": 0}, "n_patches must be at least 1"),
    ],
)
def test_bad_input_is_refused(changed, message):
    given = {"image": np.ones((9, 9)), "n_atoms": 2, "shape": (3, 3)} | changed
    with pytest.raises(ValueError, match=message):
        learn_on_patches(rng=np.random.default_rng(0), **given)
