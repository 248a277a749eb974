"""The accelerated methods give what skada's give; where skada's fails, what it is meant to give."""

import warnings
from collections import OrderedDict

import numpy as np
import pytest
import skada
import torch
from sklearn.base import clone
from sklearn.svm import SVC

from common.adaptation import accelerated
from common.adaptation.accelerated import (
    FastDASVMClassifier,
    FastMMDLSConSMappingAdapter,
    FastTransferComponentAnalysisAdapter,
)
from common.adaptation.simulated import SHIFTS, simulated_shift


def sample(shift, seed, n):
    pair = simulated_shift(shift, seed)
    kept = np.random.default_rng(seed).permutation(len(pair.X))[:n]
    X, y, sample_domain = pair.X[kept].astype(float), pair.y[kept], pair.sample_domain[kept]
    return X, np.where(sample_domain < 0, -1, y), sample_domain


# Transfer component analysis


@pytest.fixture
def decompositions(monkeypatch):
    """Sizes of the matrices that were decomposed; nothing is remembered before."""
    sizes, eigh = [], np.linalg.eigh

    def counted(matrix):
        sizes.append(len(matrix))
        return eigh(matrix)

    monkeypatch.setattr(np.linalg, "eigh", counted)
    monkeypatch.setattr(FastTransferComponentAnalysisAdapter, "_known", OrderedDict())
    return sizes


def test_components_are_those_of_skada_from_one_decomposition(decompositions):
    X, _, sample_domain = sample("covariate", 0, 60)
    new = np.random.default_rng(1).standard_normal((7, 2))
    ours = {}
    for n_components in (1, 2, 5, 20, 100, None):  # 100: more than there are
        adapter = FastTransferComponentAnalysisAdapter(n_components=n_components, mu=10)
        at_once = adapter.fit_transform(X, sample_domain=sample_domain)
        later = [
            adapter.transform(new, sample_domain=np.full(7, domain), allow_source=True)
            for domain in (1, -2)
        ]
        ours[n_components] = at_once, *later
    assert decompositions == [60]
    for n_components, found in ours.items():
        adapter = skada.TransferComponentAnalysisAdapter(n_components=n_components, mu=10)
        expected = adapter.fit_transform(X, sample_domain=sample_domain)
        np.testing.assert_array_equal(found[0], expected)
        for values, domain in zip(found[1:], (1, -2), strict=True):
            expected = adapter.transform(new, sample_domain=np.full(7, domain), allow_source=True)
            np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(
    ("change", "parameters"),
    [
        (lambda X, d: (X + 1e-9 * (np.arange(X.size) == 5).reshape(X.shape), d), {}),
        (lambda X, d: (X[::-1], d), {}),
        (lambda X, d: (X, -d), {}),
        (lambda X, d: (X.astype(np.float32), d), {}),
        (lambda X, d: (X, d), {"mu": 100}),
        (lambda X, d: (X, d), {"kernel": "linear"}),
    ],
    ids=["one entry", "order", "domains", "precision", "mu", "kernel"],
)
def test_other_data_or_parameters_are_decomposed_anew(decompositions, change, parameters):
    X, _, sample_domain = sample("covariate", 0, 40)
    defaults = {"n_components": 3, "mu": 10}
    first = FastTransferComponentAnalysisAdapter(**defaults).fit(X, sample_domain=sample_domain)
    kept = first.eigvects_.copy()
    X, sample_domain = change(X, sample_domain)
    parameters = defaults | parameters
    ours, theirs = (
        kind(**parameters).fit_transform(X, sample_domain=sample_domain)
        for kind in (FastTransferComponentAnalysisAdapter, skada.TransferComponentAnalysisAdapter)
    )
    assert decompositions == [40] * 3  # the last by skada
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(first.eigvects_, kept)


def test_few_decompositions_are_remembered(decompositions):
    X, _, sample_domain = sample("covariate", 0, 20)
    adapter = FastTransferComponentAnalysisAdapter(n_components=2)
    for mu in range(1, 9):
        adapter.set_params(mu=mu).fit(X, sample_domain=sample_domain)
    assert len(adapter._known) == 4 and len(decompositions) == 8
    adapter.fit(X, sample_domain=sample_domain)  # the last is known, the first is not any more
    assert len(decompositions) == 8
    adapter.set_params(mu=1).fit(X, sample_domain=sample_domain)
    assert len(decompositions) == 9


# Domain adaptation support vector machine


def machines(max_iter=200):
    base = SVC(probability=True, random_state=0)
    return (
        kind(base_estimator=clone(base), max_iter=max_iter)
        for kind in (FastDASVMClassifier, skada.DASVMClassifier)
    )


def assert_same(ours, theirs, X):
    for answer in ("predict", "decision_function", "predict_proba"):
        np.testing.assert_array_equal(getattr(ours, answer)(X), getattr(theirs, answer)(X))


@pytest.mark.parametrize("seed", [2, 5])
@pytest.mark.parametrize("shift", SHIFTS)
def test_machines_decide_as_those_of_skada(shift, seed):
    X, y, sample_domain = sample(shift, seed, 80)
    ours, theirs = (machine.fit(X, y, sample_domain) for machine in machines())
    assert_same(ours, theirs, X)
    assert len(np.unique(ours.predict(X))) == 2


@pytest.mark.parametrize("max_iter", [1, 2, 5])
def test_machines_stop_after_as_many_iterations(max_iter):
    X, y, sample_domain = sample("conditional", 0, 80)
    ours, theirs = (machine.fit(X, y, sample_domain) for machine in machines(max_iter))
    assert_same(ours, theirs, X)


class Repaired(skada.DASVMClassifier):
    """Decisions of samples that are all settled have two columns, as all others have."""

    def _get_decision(self, new_estimator, X, indices_list):
        if indices_list.all():
            return np.tile([0.0, 2.0], (len(X), 1))
        return super()._get_decision(new_estimator, X, indices_list)


@pytest.mark.parametrize(("shift", "seed"), [("target", 0), ("conditional", 0), ("subspace", 1)])
def test_machines_stop_where_all_targets_are_added(shift, seed):
    X, y, sample_domain = sample(shift, seed, 40)
    ours, theirs = machines()
    with pytest.raises(np.exceptions.AxisError):
        theirs.fit(X, y, sample_domain)
    repaired = Repaired(base_estimator=SVC(probability=True, random_state=0), max_iter=200)
    assert_same(ours.fit(X, y, sample_domain), repaired.fit(X, y, sample_domain), X)


def test_machines_of_one_class_say_so_as_in_skada():
    X, y, sample_domain = sample("covariate", 0, 40)
    for machine in machines():
        with pytest.raises(ValueError, match="number of classes has to be greater than one"):
            machine.fit(X, y, sample_domain)


# Location and scale of each class


def three_classes():
    rng = np.random.default_rng(4)
    y = np.tile(np.arange(3), 24)
    sample_domain = np.repeat([1, -2], 36)
    X = 0.4 * rng.standard_normal((72, 2)) + np.array([[0, 0], [2, 0], [0, 2]])[y]
    X[36:] = X[36:] * [1.5, 0.7] + [0.5, -0.5]
    return X, np.where(sample_domain < 0, -1, y), sample_domain


PROBLEMS = {
    "two": lambda: sample("conditional", 0, 80),
    "three": three_classes,
    "labels with gaps": lambda: (lambda X, y, d: (X, np.where(y > 0, 3 * y + 1, y), d))(
        *three_classes()
    ),
}


@pytest.mark.parametrize("gamma", [0.01, 1.0])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_objective_and_gradient_are_those_of_skada(problem, gamma, monkeypatch):
    X, y, sample_domain = PROBLEMS[problem]()
    values, gradients = [], []

    def evaluated(objective, start, **options):
        rng = torch.Generator().manual_seed(0)
        for scale in (0, 0.3, 1):
            G, H = (
                (part.detach() + scale * torch.randn(part.shape, generator=rng)).requires_grad_()
                for part in start
            )
            value = objective(G, H)
            value.backward()
            values.append(value.item())
            gradients.append(torch.stack([G.grad, H.grad]).numpy())
        return [part.detach().numpy() for part in start], None

    monkeypatch.setattr(accelerated, "torch_minimize", evaluated)
    monkeypatch.setattr("skada._mapping.torch_minimize", evaluated)
    parameters = {"gamma": gamma, "reg_k": 1e-3, "reg_m": 0.1}
    for kind in (FastMMDLSConSMappingAdapter, skada.MMDLSConSMappingAdapter):
        kind(**parameters).fit(X, y, sample_domain=sample_domain)
    # The regularised inverse has a condition of at most some 1e5: it costs as many digits.
    np.testing.assert_allclose(values[:3], values[3:], rtol=1e-9)
    np.testing.assert_allclose(gradients[:3], gradients[3:], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("gamma", [0.01, 1.0])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_mapping_is_that_of_skada(problem, gamma):
    X, y, sample_domain = PROBLEMS[problem]()
    parameters = {"gamma": gamma, "reg_k": 1e-8, "reg_m": 1e-8, "tol": 1e-5, "max_iter": 20}
    with warnings.catch_warnings(action="ignore"):
        ours, theirs = (
            kind(**parameters).fit(X, y, sample_domain=sample_domain)
            for kind in (FastMMDLSConSMappingAdapter, skada.MMDLSConSMappingAdapter)
        )
    # Where 20 iterations end depends on the rounding of each: by 3e-5 here, at most.
    for name in ("W_", "B_", "G_", "H_"):
        found, expected = getattr(ours, name), getattr(theirs, name)
        assert type(found) is type(expected)
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-4, err_msg=name)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    assert np.ptp(ours.G_) > 0.01  # moved away from where it starts, and classes differ
    new, on_source = X[::5] + 0.01, np.full(len(X[::5]), 1)
    moved = [
        adapter.transform(new, sample_domain=on_source, allow_source=True)
        for adapter in (ours, theirs)
    ]
    np.testing.assert_allclose(*moved, rtol=0, atol=1e-3)


def test_parameters_are_the_parents():
    for kind in (
        FastDASVMClassifier, FastMMDLSConSMappingAdapter, FastTransferComponentAnalysisAdapter,
    ):  # fmt: skip
        parent = kind.__mro__[1]
        assert kind._get_param_names() == parent._get_param_names()
