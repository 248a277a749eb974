import numpy as np
import pytest
import torch

from common.augmentation import training
from common.augmentation.catalog import make_transform
from common.augmentation.study import Windows, run_fit
from common.augmentation.training import RECIPES, Recipe, build_network, fit, predict, whitener

QUICK = Recipe("Adam", 1e-2, 8)


def linear(n_channels=2, n_times=4):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(n_channels * n_times, 2))


def separable(n=40, *, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.standard_normal((n, 2, 4)).astype(np.float32)
    return X + np.float32(2) * y[:, None, None].astype(np.float32), y


def run(network, train, valid=None, **options):
    valid = separable(seed=1) if valid is None else valid
    values = {"recipe": QUICK, "transform": None, "n_epochs": 5, "patience": 5, "seed": 0}
    return fit(network, train, valid, **(values | options))


def test_fewer_examples_than_a_batch_are_trained_on():
    # The default of braindecode's classifier drops them and leaves the weights as they were.
    network = linear()
    before = [p.clone() for p in network.parameters()]
    X, y = separable(3)
    run(network, (X, y), recipe=Recipe("Adam", 1e-2, 64))
    assert not any(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_every_example_is_seen_once_an_epoch():
    seen = []

    def transform(X, y, *, indices, epoch):
        seen.append((epoch, indices.tolist()))
        return X, y

    run(linear(), separable(21), n_epochs=3, transform=transform)
    for epoch in (1, 2, 3):
        batches = [rows for when, rows in seen if when == epoch]
        assert sorted(row for rows in batches for row in rows) == list(range(21))
        assert [len(rows) for rows in batches] == [8, 8, 5]


def test_a_separable_problem_is_learnt():
    X, y = separable(200)
    network = linear()
    run(network, (X, y), n_epochs=30, patience=30)
    held_out, labels = separable(200, seed=2)
    # The classes' means are 2 sqrt(8) deviations apart: Bayes accuracy 0.998.
    assert (predict(network, held_out) == labels).mean() > 0.97


def test_the_best_weights_are_kept():
    # Labels of the validation set are flipped: it gets worse from the first epochs on.
    X, y = separable()
    network = linear()
    fitted = run(network, (X, y), (X, 1 - y), n_epochs=20, patience=6)
    losses = [row["valid_loss"] for row in fitted.curve]
    assert fitted.best_epoch == 1 + int(np.argmin(losses))
    assert fitted.n_epochs == fitted.best_epoch + 6
    logits = network(torch.tensor(X)).detach()
    again = torch.nn.functional.cross_entropy(logits, torch.tensor(1 - y))
    assert float(again) == pytest.approx(fitted.valid_loss, rel=1e-6)


def test_the_validation_set_is_never_transformed():
    shapes = []

    def transform(X, y, **_):
        shapes.append(len(X))
        return X * 0, y

    X, y = separable(16)
    fitted = run(linear(), (X, y), separable(30, seed=1), n_epochs=2, transform=transform)
    assert sum(shapes) == 32
    assert fitted.curve[0]["valid_loss"] != pytest.approx(np.log(2), abs=1e-4)


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_alone():
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    weights = []
    for seed in (0, 0, 1):
        network = torch.nn.Sequential(torch.nn.Dropout(0.5), linear())
        torch.random.set_rng_state(state)
        run(network, separable(), seed=seed)
        assert torch.equal(torch.random.get_rng_state(), state)
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_time_in_the_transform_is_a_part_of_the_whole():
    fitted = run(linear(), separable(), transform=lambda X, y, **_: (X, y))
    assert 0 < fitted.augmentation_seconds < fitted.seconds


@pytest.mark.parametrize(
    ("train", "valid", "options", "message"),
    [
        (separable(8), (np.zeros((0, 2, 4)), []), {}, "the validation set has X of shape"),
        ((np.zeros((0, 2, 4)), []), separable(8), {}, "the training set has X of shape"),
        ((np.zeros((3, 2, 4)), [0, 1]), separable(8), {}, r"\(3, 2, 4\) and 2 labels"),
        (separable(8), separable(8), {"patience": 0}, "patience must be at least 1, got 0"),
        (separable(8), separable(8), {"n_epochs": 0}, "n_epochs must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_trained_on_is_an_error(train, valid, options, message):
    with pytest.raises(ValueError, match=message):
        run(linear(), train, valid, **options)


def test_a_loss_that_is_not_finite_is_an_error():
    X, y = separable()
    with pytest.raises(FloatingPointError, match=r"the loss is nan .* in epoch 1"):
        run(linear(), (X, y), transform=lambda X, y, **_: (X * np.nan, y))


@pytest.mark.parametrize("trained", [True, False])
def test_a_loss_that_is_not_finite_in_one_set_only_is_an_error(trained):
    class Breaks(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = linear()

        def forward(self, X):
            return self.inner(X) * (np.nan if self.training == trained else 1.0)

    with pytest.raises(FloatingPointError, match=r"the loss is .*nan .* in epoch 1"):
        run(Breaks(), separable(), n_epochs=1)


# Networks

KINDS = ("Conv2d", "MaxPool2d", "Dropout", "BatchNorm2d")


@pytest.mark.parametrize(("task", "n_channels"), [("sleep", 2), ("bci", 3), ("bci", 1)])
def test_networks_give_logits_of_the_right_shape(task, n_channels):
    network = build_network(
        task, n_channels=n_channels, n_times=200, n_classes=3, sfreq=100, seed=0
    )
    logits = network(torch.randn(4, n_channels, 200))
    assert logits.shape == (4, 3)
    # Probabilities or their logarithms would sum to 1 after exp.
    assert not torch.allclose(logits.exp().sum(1), torch.ones(4), atol=1e-3)


def test_weights_depend_on_the_seed_alone():
    options = {"n_channels": 2, "n_times": 200, "n_classes": 2, "sfreq": 100}
    torch.manual_seed(1)
    one = build_network("sleep", **options, seed=3)
    torch.manual_seed(2)
    two = build_network("sleep", **options, seed=3)
    assert all(map(torch.equal, one.state_dict().values(), two.state_dict().values()))


def test_kernels_keep_their_duration():
    for sfreq, kernel in ((250, 25), (100, 10)):
        network = build_network(
            "bci", n_channels=3, n_times=2 * sfreq, n_classes=2, sfreq=sfreq, seed=0
        )
        assert network.conv_time_spat.conv_time.weight.shape[2] == kernel


@pytest.mark.parametrize("sfreq", [128, 64])  # eighths of a second are whole samples
def test_the_sleep_network_keeps_its_durations(sfreq):
    """Kernels of half a second, a pool of an eighth, padded by a quarter on each side."""
    network = build_network(
        "sleep", n_channels=2, n_times=30 * sfreq, n_classes=5, sfreq=sfreq, seed=0
    )
    of = {kind: [m for m in network.modules() if type(m).__name__ == kind] for kind in KINDS}
    assert [m.kernel_size[-1] for m in of["Conv2d"][1:]] == [sfreq // 2] * 2
    assert [m.out_channels for m in of["Conv2d"][1:]] == [8] * 2
    assert {m.padding[-1] for m in of["Conv2d"][1:]} == {sfreq // 4}
    assert {m.kernel_size[-1] for m in of["MaxPool2d"]} == {sfreq // 8}
    assert [m.p for m in of["Dropout"]] == [0.25]
    assert len(of["BatchNorm2d"]) == 2


def test_the_linear_network_is_linear():
    network = build_network(
        "bci", n_channels=3, n_times=100, n_classes=2, sfreq=100, seed=0,
        options={"linear": True},
    ).eval()  # fmt: skip
    a, b = torch.randn(2, 1, 3, 100)
    middle = network((a + b) / 2)
    # Affine: the middle goes to the middle, up to single precision.
    assert torch.allclose(middle, (network(a) + network(b)) / 2, atol=1e-4)


def test_the_tasks_have_the_optimisers_of_the_protocol():
    assert RECIPES["sleep"][:3] == ("Adam", 1e-3, 16)
    assert RECIPES["bci"][:3] == ("AdamW", 6.25e-4, 64)
    assert set(training.RECIPES) == {"sleep", "bci"}


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("slep", {}, "task must be one of sleep, bci, got 'slep'"),
        ("bci", {"n_classes": 1}, "n_classes=1"),
        ("sleep", {"n_times": 20}, "n_times=20 at 100 Hz"),
        ("sleep", {"n_times": 49}, "half a second, got .* n_times=49 at 100 Hz"),
        ("bci", {"n_channels": 0}, "n_channels=0"),
    ],
)
def test_impossible_networks_are_errors(task, options, message):
    values = {"n_channels": 2, "n_times": 200, "n_classes": 2, "sfreq": 100, "seed": 0}
    with pytest.raises(ValueError, match=message):
        build_network(task, **(values | options))


def test_whitened_channels_are_uncorrelated():
    rng = np.random.default_rng(0)
    X = np.einsum("cd,ndt->nct", rng.standard_normal((3, 3)), rng.standard_normal((50, 3, 200)))
    matrix = whitener(X, ridge=0.0)
    white = matrix @ X
    covariance = np.einsum("nct,ndt->cd", white, white) / (50 * 200)
    assert covariance == pytest.approx(np.eye(3), abs=1e-9)
    assert matrix == pytest.approx(matrix.T)


# The study's fit

SETTINGS = {
    "task": "sleep", "split": "groups", "n_folds": 5, "keep_hits": True,
    "training": {"n_epochs": 2, "patience": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 30)
    X = rng.standard_normal((60, 2, 128)).astype(np.float32)
    group = np.repeat(np.arange(5), 12)
    return Windows(X, y, group, np.array(["a", "b"]), np.array(["Fpz", "Pz"]), 64.0)


def outcome(data, **options):
    values = {
        "study": "test", "dataset": "d", "augmentation": "identity", "fraction": 0.5, "fold": 0,
        "seed": 0, "settings": SETTINGS,
    }  # fmt: skip
    return run_fit(data, **(values | options))


def test_symmetry_of_midline_channels_is_the_baseline_exactly(data):
    # Fpz and Pz have no counterpart on the other side: nothing moves, and nothing else may change.
    one, two = outcome(data), outcome(data, augmentation="channels-symmetry")
    assert (one.scores, one.f1) == (two.scores, two.f1)
    assert one.scores != outcome(data, augmentation="sign-flip").scores


def test_a_fit_repeats_itself(data):
    one, two = (outcome(data, augmentation="ft-surrogate") for _ in range(2))
    assert (one.scores, one.f1) == (two.scores, two.f1)


@pytest.mark.parametrize("unit", [{"seed": 1}, {"magnitude": 0.5}])
def test_units_draw_their_own(data, unit):
    assert outcome(data).scores != outcome(data, **unit).scores


def test_the_validation_part_is_not_reduced(data):
    half, whole = outcome(data), outcome(data, fraction=1.0)
    assert half.scores["n_valid"] == whole.scores["n_valid"] == 12
    assert (half.scores["n_train"], whole.scores["n_train"]) == (18, 36)


def test_a_scale_multiplies_the_parameter(data, monkeypatch):
    from common.augmentation import study

    values = []

    def spy(name, **options):
        values.append(options["value"])
        return make_transform(name, **options)

    monkeypatch.setattr(study, "make_transform", spy)
    for scale, magnitude in (({}, None), ({"smooth-time-mask": 0.25}, None), ({}, 0.5)):
        settings = SETTINGS | {"scale": scale}
        outcome(data, augmentation="smooth-time-mask", settings=settings, magnitude=magnitude)
    assert values == [2.0, 0.5, 1.0]


def test_an_own_augmentation_runs(data):
    assert outcome(data, augmentation="own.amplitude_scale").scores != outcome(data).scores
