"""Deep methods: reproducible, blind to the target's labels, and what is replaced of skada does what
its paper says. Networks are tiny and trained for a few steps."""

import dataclasses
import types

import numpy as np
import pytest
import torch
from skada.deep.modules import DomainClassifier

from common.adaptation import deep, nested, networks, repaired, scorers, selection
from common.adaptation.deep import DEEP_METHODS, deep_method
from common.adaptation.networks import SETTINGS, Network

# skada copies a tensor in a way that torch advises against.
pytestmark = pytest.mark.filterwarnings("ignore:To copy construct:UserWarning")

QUICK = Network(epochs=2, batch_size=16, lr=1e-2, schedule="constant")


def blobs(n=48, n_classes=3, seed=0):
    """Well separated classes; the target is moved along a feature that says nothing."""
    rng = np.random.default_rng(seed)
    y = np.arange(2 * n) % n_classes
    sample_domain = np.repeat([1, -2], n)
    X = 0.4 * rng.standard_normal((2 * n, n_classes + 1))
    X[np.arange(2 * n), y] += 2
    X[sample_domain < 0, -1] += 1
    return X, y, sample_domain


def visible(method, y, sample_domain):
    return np.where((sample_domain > 0) != method.sees_target, y, -1)


def middle(method):
    return method.points[len(method.points) // 2]


def trained(method, network=QUICK, data=None, **values):
    X, y, sample_domain = data or blobs()
    values = values or middle(method)
    return method.build(network, **values).fit(X, visible(method, y, sample_domain), sample_domain)


@pytest.mark.parametrize("name", DEEP_METHODS)
def test_the_seed_decides_and_the_target_s_labels_do_not(name):
    method, (X, y, sample_domain) = DEEP_METHODS[name], blobs()
    state = torch.random.get_rng_state()
    fitted = trained(method)
    assert torch.equal(torch.random.get_rng_state(), state)
    p = fitted.predict_proba(X, domain=-2)
    assert p.shape == (len(X), 3) and np.isfinite(p).all() and (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)  # a softmax in double precision
    assert len(fitted.losses_) == QUICK.epochs and np.isfinite(fitted.losses_).all()

    torch.rand(5)  # whatever the global generator has given before
    np.testing.assert_array_equal(trained(method).predict_proba(X), p)
    other = trained(method, dataclasses.replace(QUICK, seed=1)).predict_proba(X)
    assert np.abs(other - p).max() > 1e-3

    hidden = (sample_domain > 0) == method.sees_target
    shown = y.copy()
    shown[hidden] = np.random.default_rng(1).permutation(y[hidden])
    kept = shown.copy()
    again = method.build(QUICK, **middle(method)).fit(X, shown, sample_domain)
    np.testing.assert_array_equal(again.predict_proba(X), p)
    np.testing.assert_array_equal(shown, kept)


def test_the_last_layer_takes_the_features():
    X, _, _ = blobs()
    fitted = trained(deep_method("deep-coral"))
    features = fitted.transform(X, domain=1)
    assert features.shape == (len(X), 64) and features.dtype == np.float32
    np.testing.assert_array_equal(fitted.classifier_.predict(features), fitted.predict(X))
    # A product in single precision; how its 64 terms are added up depends on the size of the batch.
    np.testing.assert_allclose(
        fitted.classifier_.predict_proba(features), fitted.predict_proba(X), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [("deep-train-src", {}), ("deep-coral", {"reg": 0.1}), ("mcc", {"reg": 0.1, "T": 1})],
)
def test_an_easy_problem_is_learned(name, values):
    X, y, sample_domain = blobs(96)
    method = deep_method(name)
    fitted = method.build(dataclasses.replace(QUICK, epochs=10), **values)
    fitted.fit(X, visible(method, y, sample_domain), sample_domain)
    # Class means are 2 √2 apart, noise 0.4: 3.5 standard deviations on either side of the middle.
    for domain in (1, -2):
        rows = sample_domain == domain
        assert np.mean(fitted.predict(X[rows], domain=domain) == y[rows]) > 0.9


def test_a_weight_of_zero_is_no_adaptation_and_a_larger_one_is():
    X, _, _ = blobs()
    points = {"deep-coral": {"reg": 0}, "dan": {"reg": 0}, "mcc": {"reg": 0, "T": 1},
              "deep-jdot": {"reg_cl": 0, "reg_dist": 0}}  # fmt: skip
    p = {n: trained(deep_method(n), **point).predict_proba(X) for n, point in points.items()}
    for each in p.values():
        np.testing.assert_array_equal(each, p["deep-coral"])
    for name, point in points.items():
        strong = {key: value if key == "T" else 10.0 for key, value in point.items()}
        assert np.abs(trained(deep_method(name), **strong).predict_proba(X) - p[name]).max() > 1e-3


def test_coral_brings_covariances_together():
    X, y, sample_domain = blobs()
    X[sample_domain < 0] *= 2  # unlike a translation, it changes covariances
    distances = []
    for reg in (0.0, 1000.0):
        fitted = trained(
            deep_method("deep-coral"), dataclasses.replace(QUICK, epochs=10),
            (X, y, sample_domain), reg=reg,
        )  # fmt: skip
        features = fitted.transform(X)
        covariances = [np.cov(features[sample_domain * sign > 0].T) for sign in (1, -1)]
        scale = np.linalg.norm(covariances[0])
        distances.append(np.linalg.norm(covariances[1] - covariances[0]) / scale)
    # Doubling multiplies covariances by about 4, a distance of about 3; half of it is a margin.
    assert distances[1] < 0.5 * distances[0]


def test_the_adversary_sees_domains_and_is_deceived():
    torch.manual_seed(0)
    adversary = repaired.discriminator(4, width=16).eval()
    features = torch.randn(8, 4, requires_grad=True)
    probability = adversary(features)
    assert probability.shape == (8,) and probability.std() > 1e-3
    # Gradients of the features are those of the same layers, reversed.
    (reversed_,) = torch.autograd.grad(probability.sum(), features)
    (plain,) = torch.autograd.grad(adversary.layers(features).sum(), features)
    torch.testing.assert_close(reversed_, -plain)
    # The reason for it: skada's own answers 1 always. When this fails, it can be used again.
    with pytest.warns(UserWarning, match="softmax"):
        assert torch.equal(DomainClassifier(4).eval()(features), torch.ones(8))


@pytest.mark.parametrize(
    ("network", "n_hidden", "n_outputs"),
    [
        (repaired.discriminator(4, width=16), 2, 1),
        (repaired.second_classifier(4, 3, width=16), 1, 3),
    ],
)
def test_half_of_a_hidden_layer_is_dropped_in_training(network, n_hidden, n_outputs):
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    assert [m.out_features for m in layers] == [16] * n_hidden + [n_outputs]
    dropouts = [m for m in network.modules() if isinstance(m, torch.nn.Dropout)]
    assert [m.p for m in dropouts] == [0.5] * n_hidden


def test_the_disparity_is_that_of_each_sample():
    rng = np.random.default_rng(0)
    outputs = torch.as_tensor(rng.standard_normal((6, 3)))
    labels = torch.as_tensor(rng.integers(0, 3, 6))
    p = outputs.softmax(dim=1)[torch.arange(6), labels]
    expected = torch.log(1 - p).mean()
    torch.testing.assert_close(repaired.Disagreement()(outputs, labels), expected)
    certain = repaired.Disagreement()(torch.tensor([[200.0, 0.0, 0.0]]), torch.tensor([0]))
    assert certain == -20  # bounded, where log(1 - p) is -infinity


@pytest.mark.parametrize("name", ["dann", "mdd", "spa"])
def test_adversaries_act_on_the_features(name):
    X, _, _ = blobs()
    values = {"gamma": 4.0} if name == "mdd" else {}
    weak, strong = (
        trained(deep_method(name), reg=reg, **values).predict_proba(X) for reg in (0.0, 10.0)
    )
    assert np.abs(weak - strong).max() > 1e-3


class Fixed(torch.nn.Module):
    """Gives known outputs and features."""

    def __init__(self, outputs, features):
        super().__init__()
        self.outputs, self.known = outputs, features

    def forward(self, X, return_features):
        return self.outputs, self.known


def test_the_memory_of_spa_moves_to_what_is_seen():
    torch.manual_seed(0)
    outputs, features = torch.randn(2, 3), torch.randn(2, 5)
    memory = types.SimpleNamespace(
        memory_features=torch.ones(4, 5), memory_outputs=torch.full((4, 3), 1 / 3)
    )
    net = types.SimpleNamespace(
        module_=Fixed(outputs, features), device="cpu",
        criterion_=types.SimpleNamespace(adapt_criterion=memory),
    )  # fmt: skip
    X = {
        "X": torch.zeros(3, 4), "sample_domain": torch.tensor([1, -1, -1]),
        "sample_idx": torch.tensor([0, 2, 0]),
    }  # fmt: skip
    repaired.FilledMemory(momentum=0.25).on_batch_end(net, (X, None))
    unit = features / features.norm(dim=1, keepdim=True)
    torch.testing.assert_close(memory.memory_features[[2, 0]], 0.75 + 0.25 * unit)
    squares = outputs.softmax(dim=1) ** 2
    expected = 0.25 + 0.25 * squares / squares.sum(dim=0)
    torch.testing.assert_close(memory.memory_outputs[[2, 0]], expected)
    assert torch.equal(memory.memory_features[[1, 3]], torch.ones(2, 5))  # not in the batch


def test_the_memory_of_spa_is_filled_in_training(monkeypatch):
    seen, kept = [], repaired.FilledMemory.on_batch_end

    def record(self, net, batch, **kwargs):
        kept(self, net, batch, **kwargs)
        seen.append(net.criterion_.adapt_criterion.memory_outputs.clone())

    monkeypatch.setattr(repaired.FilledMemory, "on_batch_end", record)
    trained(deep_method("spa"))
    # Three batches in each of two epochs. Where only halved, the classes of a row stay equal.
    assert len(seen) == 6 and (seen[-1].std(dim=1) > 1e-6).all()


def contrast(seed=0, n=40, n_classes=3):
    """The loss with known centres, labels, and features close to the centre of their label."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    features = np.eye(n_classes)[y] + 0.1 * rng.standard_normal((n, n_classes))
    loss = repaired.Contrast(distance_threshold=1.0, class_threshold=2)
    loss.target_kmeans = types.SimpleNamespace(cluster_centers_=torch.eye(n_classes))
    return loss, torch.as_tensor(y), torch.as_tensor(features, dtype=torch.float32)


def test_the_contrast_of_can_is_its_definition():
    loss, y, source = contrast()
    target = contrast(1)[2] + 0.05
    # torch's median is the lower of the two middle values.
    distances = np.sort(np.linalg.norm(source[:, None] - source[None], axis=-1), axis=None)
    spread = distances[(len(distances) - 1) // 2]

    def similarity(a, b):
        distance = np.linalg.norm(a[:, None] - b[None], axis=-1)
        return np.mean(sum(np.exp(-distance / (spread * 2.0**p)) for p in np.arange(-8, 8.5, 0.5)))

    S, T = ([domain[y == c].numpy() for c in range(3)] for domain in (source, target))
    D = np.array(
        [[similarity(s, s) + similarity(t, t) - 2 * similarity(s, t) for t in T] for s in S]
    )
    expected = np.trace(D) / 3 - (D.sum() - np.trace(D)) / 6
    got = loss(y_s=y, features_s=source, features_t=target).item()
    # torch takes distances by a product of matrices: of equal samples they are up to 1e-3, not 0,
    # which the narrowest kernels (0.005 wide) notice. That is a few percent of one of 33 kernels.
    assert got == pytest.approx(expected, abs=0.02)
    assert abs(expected) > 1


def test_the_contrast_of_can_leaves_out_rare_and_distant_classes():
    loss, y, source = contrast()
    target = contrast(1)[2]
    # One sample of the last class is too few: it counts no more than none.
    others = target[y != 2]
    few = torch.cat([others, target[y == 2][:1]])
    torch.testing.assert_close(loss(y, source, few), loss(y, source, others))
    assert loss(y, source, others) != loss(y, source, target)
    loss.class_threshold = 50
    for features in (source, 0 * source):  # a layer may be silent
        features = features.clone().requires_grad_()
        nothing = loss(y, features, target)
        nothing.backward()
        assert nothing == 0 and not features.grad.any()
    loss.class_threshold, loss.distance_threshold = 1, 0.0
    assert loss(y, source, target) == 0
    loss.distance_threshold = 1.0
    one = y == 0
    assert 0 <= loss(y[one], source[one], target[one]) < torch.inf  # no other class to leave


@pytest.mark.parametrize("name", ["deep-train-tgt", "deep-coral", "spa"])
def test_fewer_samples_than_a_batch_are_trained_on(name):
    # skada drops what does not fill a batch: nothing would be left, and the loss not a number.
    fitted = trained(deep_method(name), dataclasses.replace(QUICK, batch_size=1000))
    assert np.isfinite(fitted.losses_).all()
    again = trained(deep_method(name), dataclasses.replace(QUICK, batch_size=48))
    X, _, _ = blobs()
    np.testing.assert_array_equal(fitted.predict_proba(X), again.predict_proba(X))


def test_labels_need_not_start_at_zero():
    X, y, sample_domain = blobs(n_classes=2)
    names = np.array([7, 3])
    fitted = trained(deep_method("mcc"), data=(X, names[y], sample_domain))
    np.testing.assert_array_equal(fitted.classes_, [3, 7])
    plain = trained(deep_method("mcc"), data=(X, 1 - y, sample_domain))
    np.testing.assert_array_equal(fitted.predict(X), names[1 - plain.predict(X)])


def test_vectors_become_channels_in_time():
    from braindecode.models import ShallowFBCSPNet

    rng = np.random.default_rng(0)
    shape = (2, 140)
    X = rng.standard_normal((24, *shape)).astype(np.float32)
    y, sample_domain = np.arange(24) % 2, np.repeat([1, -2], 12)
    network = Network(
        "shallow-fbcsp", shape=shape, epochs=1, batch_size=6, schedule="constant", lr=1e-3
    )
    method = deep_method("deep-coral")
    flat, deep_ = (
        trained(method, network, (data, y, sample_domain), reg=1.0)
        for data in (X.reshape(24, -1), X)
    )
    np.testing.assert_array_equal(flat.predict_proba(X.reshape(24, -1)), deep_.predict_proba(X))

    torch.manual_seed(0)
    whole = ShallowFBCSPNet(n_chans=2, n_outputs=2, n_times=140).eval()
    torch.manual_seed(0)
    features, last = networks.ARCHITECTURES["shallow-fbcsp"](shape, 2)
    with torch.no_grad():
        torch.testing.assert_close(
            last.eval()(features.eval()(torch.tensor(X))), whole(torch.tensor(X))
        )


def test_the_benchmark_s_networks_have_its_sizes():
    digits, bci = (Network(**SETTINGS[name]) for name in ("digits", "bci"))
    for network, n_classes, n_features in ((digits, 10, 128), (bci, 4, 40 * 69)):
        joined = deep._Joined(*network.modules(network.shape, n_classes), network.shape)
        assert (joined.n_features, joined.n_classes) == (n_features, n_classes)


def test_grids_have_the_benchmark_s_sizes():
    assert {name: len(method.points) for name, method in DEEP_METHODS.items()} == {
        "deep-train-src": 1, "deep-train-tgt": 1, "deep-coral": 9, "dan": 6, "dann": 5,
        "deep-jdot": 9, "mcc": 27, "mdd": 6, "spa": 4, "can": 9,
    }  # fmt: skip


def test_careful_methods_learn_ten_times_slower():
    network = Network(**SETTINGS["digits"])
    usual, careful = (networks.settings(network, careful=c, n_largest=999) for c in (False, True))
    assert (usual["lr"], usual["optimizer__momentum"]) == (0.1, 0.6)
    assert (careful["lr"], careful["optimizer__momentum"]) == (pytest.approx(0.01), 0.9)
    assert usual["optimizer__weight_decay"] == careful["optimizer__weight_decay"] == 1e-5
    adam = networks.settings(Network(), careful=True, n_largest=999)
    assert not [key for key in adam if key.startswith("optimizer__")]
    assert {name for name, method in DEEP_METHODS.items() if method.careful} == {
        "dann",
        "spa",
        "can",
    }


def test_nested_evaluation_takes_a_deep_method():
    X, y, sample_domain = blobs(80)
    train, test = nested.outer_splits(X, y, sample_domain)[0]
    method = dataclasses.replace(deep_method("dan"), grid={"reg": [0.01, 1.0]})
    hidden = train[sample_domain[train] < 0]
    changed = y.copy()
    changed[hidden] = np.random.default_rng(1).permutation(y[hidden])
    before, after = (
        nested.evaluate(method, QUICK, X, labels, sample_domain, train=train, test=test, n_folds=2)
        for labels in (y, changed)
    )
    assert not before.failed.any() and not before.circular_failed.any(), before.reasons
    np.testing.assert_array_equal(before.target_predictions, after.target_predictions)
    names = list(scorers.SCORERS)
    one, other = (selection.inner_scores(each, names) for each in (before, after))
    for scorer in names:
        assert np.isfinite(one[scorer]).all() or scorer.startswith("mix-val"), scorer
        assert np.array_equal(one[scorer], other[scorer]) == (scorer != scorers.ORACLE), scorer
    table = selection.select(before, method.points, names)
    assert list(table.scorer) == names and (table.n_failed == 0).all()
    best = table.best.iloc[0]
    assert (table.accuracy <= best).all() and best > 0.5  # chance is a third


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "mpl"}, "architecture must be one of .*, got 'mpl'. Did you mean 'mlp'"),
        ({"optimizer": "adm"}, "optimizer must be one of .*, got 'adm'. Did you mean 'adam'"),
        ({"schedule": "never"}, "schedule must be one of constant, cosine, steps, got 'never'"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": -1}, "batch_size must be at least 1, got -1"),
        ({"lr": 0.0}, "lr must be above 0, got 0.0"),
        ({"lr": float("nan")}, "lr must be above 0, got nan"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0, got -1.0"),
        ({"momentum": 0.5}, "momentum=0.5 is sgd's, the optimizer is 'adamw'"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Network(**options)


def test_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="no device 'cuda' on this machine"):
        Network(device="cuda")


def test_bad_samples_and_labels_are_named():
    X, y, sample_domain = blobs()
    src, tgt = deep_method("deep-train-src"), deep_method("deep-train-tgt")
    with pytest.raises(
        ValueError, match=r"samples of shape \(4,\) do not fit the network's \(2, 3\)"
    ):
        src.build(Network(shape=(2, 3))).fit(X, y, sample_domain)
    with pytest.raises(
        ValueError, match="labels of the source: 48 samples, of which 48 are masked"
    ):
        src.build(QUICK).fit(X, np.full(len(y), -1), sample_domain)
    with pytest.raises(ValueError, match="labels of the target: 0 samples"):
        tgt.build(QUICK).fit(X, y, np.abs(sample_domain))
    with pytest.raises(
        FloatingPointError, match=r"not finite after 2 epochs. Lower .* \(lr=1e\+30\)"
    ):
        trained(src, dataclasses.replace(QUICK, lr=1e30, optimizer="sgd"))
    with pytest.raises(NotImplementedError, match="MCC has no pipeline"):
        deep_method("mcc").pipeline(QUICK)
    with pytest.raises(ValueError, match=r"deep method must be .*'coral'\. Did you mean 'deep-"):
        deep_method("coral")
