"""Heads on scattering coefficients: what they compute, learn, and leave alone."""

import itertools

import numpy as np
import pytest
import torch

from common.scattering import Scattering2D
from common.scattering.image_heads import accuracy, augment, make_head, normalize, train_head


def gratings(n, *, seed=0, size=16):
    """Stripes along rows or columns, with noise, of random phase and color: two classes."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 2)
    stripes = np.cos(1.2 * np.arange(size) + rng.uniform(0, 2 * np.pi, size=(n, 1)))
    images = np.where(labels[:, None, None], stripes[:, :, None], stripes[:, None, :])
    images = images[:, None] * rng.uniform(0.3, 1, size=(n, 3, 1, 1))
    images = 128 + 80 * images + 20 * rng.standard_normal((n, 3, size, size))
    return images.clip(0, 255).astype(np.uint8), labels


TRANSFORM = Scattering2D(2, (16, 16), L=2, max_order=1)  # 5 paths of 4 x 4


def head(kind="linear", *, seed=0, n_classes=2):
    return make_head(kind, 15, (4, 4), n_classes=n_classes, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("kind", ["linear", "cnn"])
def test_heads_learn_the_direction_of_stripes(kind, monkeypatch):
    monkeypatch.setattr("common.scattering.image_heads._CONVOLUTIONS", (8, "halve", 16))
    images, labels = gratings(200)
    test, epochs = gratings(60, seed=1), 6
    network = head(kind)
    options = {"epochs": epochs, "test": test, "batch_size": 16, "decay_every": 4}
    rng = np.random.default_rng(0)
    rows = train_head(network, TRANSFORM, images, labels, rng=rng, **options)
    assert [row["epoch"] for row in rows] == list(range(1, epochs + 1))
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["accuracy"] > 0.9
    assert accuracy(network, TRANSFORM, *test) == rows[-1]["accuracy"]


def test_a_run_repeats_with_its_generators_and_torch_keeps_its_own():
    images, labels = gratings(40)
    state = torch.get_rng_state()
    one, two = (
        train_head(head(), TRANSFORM, images, labels, rng=np.random.default_rng(3), epochs=2)
        for _ in range(2)
    )
    assert one == two and sorted(one[0]) == ["epoch", "loss"]
    assert torch.equal(torch.get_rng_state(), state)
    first, other = (head(seed=seed).state_dict()["3.weight"] for seed in (0, 1))
    assert torch.equal(first, head().state_dict()["3.weight"]) and not torch.equal(first, other)


def test_the_rate_falls_in_steps(monkeypatch):
    rates = []

    class Spy(torch.optim.SGD):
        def __init__(self, parameters, lr, **options):
            rates.append(lr)
            assert options == {"momentum": 0.9, "weight_decay": 5e-4}
            super().__init__(parameters, lr, **options)

    monkeypatch.setattr(torch.optim, "SGD", Spy)
    images, labels = gratings(10)
    options = {"rng": np.random.default_rng(0), "epochs": 5, "decay_every": 2}
    train_head(head(), TRANSFORM, images, labels, **options)
    assert rates == pytest.approx([0.1, 0.02, 0.004])


def test_networks_have_the_published_sizes():
    # Of 243 channels of 8 x 8: twice 243 of the normalisation, and 15,552 weights and a bias a
    # class; convolutions have 9 weights a pair of channels, a bias, and two of normalisation.
    linear = make_head("linear", 243, (8, 8), rng=np.random.default_rng(0))
    assert sum(p.numel() for p in linear.parameters()) == 2 * 243 + 10 * (243 * 64 + 1)
    cnn = make_head("cnn", 51, (8, 8), rng=np.random.default_rng(0))
    widths = [51, 256, 256, 256, 512, 512, 512, 1024, 1024]
    pairs = itertools.pairwise(widths)
    expected = 2 * 51 + sum(9 * a * b + 3 * b for a, b in pairs) + 10 * (4 * 1024 + 1)
    assert sum(p.numel() for p in cnn.parameters()) == expected
    # Axes of colors and paths, as the transform returns them, or one.
    x = torch.randn(2, 3, 81, 8, 8, generator=torch.Generator().manual_seed(0))
    linear.eval()
    torch.testing.assert_close(linear(x), linear(x.flatten(1, 2)))
    assert linear(x).shape == (2, 10)


def test_augmented_images_are_shifted_and_reflected_ones():
    images = np.random.default_rng(0).integers(1, 256, size=(40, 3, 6, 7), dtype=np.uint8)
    given = images.copy()
    found = augment(images, rng=np.random.default_rng(1), padding=2)
    np.testing.assert_array_equal(images, given)
    assert found.shape == images.shape and found.dtype == np.uint8
    reflected, shifts = 0, set()
    for before, after in zip(images, found, strict=True):
        padded = np.pad(before, [(0, 0), (2, 2), (2, 2)])
        candidates = {
            (top, left, mirror): padded[:, top : top + 6, left : left + 7][..., :: 1 - 2 * mirror]
            for top in range(5)
            for left in range(5)
            for mirror in (0, 1)
        }
        match = [key for key, image in candidates.items() if np.array_equal(image, after)]
        assert len(match) == 1
        reflected += match[0][2]
        shifts.add(match[0][:2])
    assert 8 < reflected < 32  # 40 coins: four standard deviations
    assert len(shifts) > 12


def test_normalised_colors():
    images = np.zeros((1, 3, 2, 2), np.uint8)
    images[:, 1] = 255
    found = normalize(images)[0, :, 0, 0]
    expected = [-0.485 / 0.229, (1 - 0.456) / 0.224, -0.406 / 0.225]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_accuracy_counts_right_answers():
    images, _ = gratings(10)

    class Always(torch.nn.Module):
        def forward(self, x):
            return torch.tensor([0.0, 1.0]).expand(len(x), 2)

    found = accuracy(Always(), TRANSFORM, images, (np.arange(10) >= 3).astype(int), batch_size=4)
    assert found == pytest.approx(0.7)


def test_scoring_learns_nothing_and_images_are_scored_alone():
    images, labels = gratings(20)
    network = head()
    train_head(network, TRANSFORM, images, labels, rng=np.random.default_rng(0), epochs=1)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    found = {accuracy(network, TRANSFORM, images, labels, batch_size=n) for n in (2, 7, 20)}
    assert len(found) == 1
    assert all(torch.equal(before[name], v) for name, v in network.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"decay_every": 0}, "decay_every must be at least 1, got 0"),
        ({"batch_size": 1}, "batch_size must be at least 2, got 1"),
        ({"learning_rate": np.inf}, "learning_rate must be above 0, got inf"),
        ({"decay": np.nan}, "decay must be above 0 and at most 1, got nan"),
        ({"learning_rate": -1.0}, "learning_rate must be above 0, got -1.0"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    images, labels = gratings(4)
    with pytest.raises(ValueError, match=message):
        train_head(head(), TRANSFORM, images, labels, rng=np.random.default_rng(0), **options)


def test_images_of_another_form_are_refused():
    images, labels = gratings(4)
    for wrong, found in ((labels - 1, "got -1 of type int"), (labels / 1, "got 0.0 of type float")):
        with pytest.raises(ValueError, match=f"labels must be whole numbers from 0, {found}"):
            train_head(head(), TRANSFORM, images, wrong, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="padding must be at least 0, got -1"):
        augment(images, rng=np.random.default_rng(0), padding=-1)
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator"):
        train_head(head(), TRANSFORM, images, labels, rng=0)
    with pytest.raises(ValueError, match=r"got float64 of shape \(4, 3, 16, 16\)"):
        accuracy(head(), TRANSFORM, images / 255, labels)
    with pytest.raises(ValueError, match="got 4 images and 3 labels"):
        train_head(head(), TRANSFORM, images, labels[1:], rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"kind must be one of linear, cnn, got 'mlp'"):
        head("mlp")


def test_a_diverging_loss_says_so():
    images, labels = gratings(40)
    options = {"rng": np.random.default_rng(0), "epochs": 3, "batch_size": 4}
    with pytest.raises(FloatingPointError, match=r"loss is nan in epoch \d; lower learning_rate"):
        train_head(head(), TRANSFORM, images, labels, learning_rate=1e38, **options)
