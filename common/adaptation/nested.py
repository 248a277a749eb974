"""Nested evaluation of an adaptation method: fit a whole grid, keep what every scorer needs.

The protocol is SKADA-bench's. Outer splits hold out a fifth of both domains. Inside the rest, five
inner splits fit every point of the grid and record what it says about their held-out parts
(`scorers.Outputs`); every point is also fitted on the whole outer training part and predicts the
outer test part. Choosing by a scorer is then looking up: `selection.select`.

Labels of the target enter in three places, all of them judgements: the outer split is stratified by
them, the supervised scorer reads them in the inner held-out parts, and the accuracy in the outer
test part. What is fitted sees -1.
"""

import time
import warnings
from typing import NamedTuple

import numpy as np
from skada.model_selection import StratifiedDomainShuffleSplit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import LabelEncoder

from common import failures, validation
from common.adaptation.composition import MASKED, SOURCE, TARGET
from common.adaptation.scorers import Outputs

__all__ = ["MIX_WEIGHT", "Evaluated", "evaluate", "inner_outputs", "outer_splits"]

MIX_WEIGHT = 0.55
"""Share of a sample in its mixture with another one, for MixVal."""

_N_SPLITS = 5
_TEST_SIZE = 0.2
_SEED = 0
_LARGEST, _SMALLEST = 1e100, 1e-100  # whose squares, summed over samples, are in range


class Evaluated(NamedTuple):
    """A method on one outer split.

    Attributes
    ----------
    folds : list of Outputs
        One an inner split.
    target_labels : ndarray of int, shape (n_test,)
        Of the target part of the outer test part.
    target_predictions : ndarray of int, shape (n_points, n_test)
        Of the points, fitted on the whole outer training part; -1 where a point failed.
    failed : ndarray of bool, shape (n_folds + 1, n_points)
        Points that could not be fitted, an inner split a row, the outer training part last.
    circular_failed : ndarray of bool, shape (n_folds, n_points)
        Points that could be fitted, but not the other way round.
    reasons : list of str
        What each failed point said first, "" where none failed.
    seconds : ndarray, shape (n_points,)
        Processor time of all fits and predictions of a point. Equal points share one fit, and the
        second takes no time.
    """

    folds: list
    target_labels: np.ndarray
    target_predictions: np.ndarray
    failed: np.ndarray
    circular_failed: np.ndarray
    reasons: list
    seconds: np.ndarray


def outer_splits(X, y, sample_domain, *, n_splits=_N_SPLITS):
    """Training and test indices: shuffled, a fifth for the test, stratified by domain and label.

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_features)
    y : ndarray of int, shape (n_samples,)
    sample_domain : ndarray of int, shape (n_samples,)
    n_splits : int, default=5

    Returns
    -------
    splits : list of (ndarray of int, ndarray of int)

    Raises
    ------
    TypeError, ValueError
        If ``n_splits`` is no whole number, or less than 1.
    """
    n_splits = validation.count(n_splits, "n_splits")
    return list(_splitter(n_splits).split(X, y, sample_domain))


def evaluate(method, base, X, y, sample_domain, *, train, test, n_folds=_N_SPLITS):
    """Fit the grid of a method inside one outer split.

    Parameters
    ----------
    method : methods.Method
    base : object
        Base classifier with ``predict_proba``; see `methods.classifier`.
    X : ndarray, shape (n_samples, n_features)
    y : ndarray of int, shape (n_samples,)
        Classes 0, 1, … of both domains.
    sample_domain : ndarray of int, shape (n_samples,)
        Positive: source; negative: target.
    train, test : ndarray of int
        An outer split; see `outer_splits`.
    n_folds : int, default=5
        Inner splits.

    Returns
    -------
    evaluated : Evaluated

    Raises
    ------
    ValueError
        If a label is not 0, 1, …, there is one class only, or one that the source lacks; a domain
        is missing, samples are masked, not finite or out of range, labels or domains are masked,
        lengths or the order of rows of pandas differ, or the method knows two classes only and
        there are more; or if ``train`` and ``test`` share samples, repeat one, or lack a domain.
    TypeError
        If X holds no real numbers, the base classifier has no ``predict_proba``, or ``n_folds`` is
        no whole number.
    MemoryError, OSError, ImportError, …
        Errors of the machine, in any fit (`common.failures`): they are no result.
    """
    X, y, sample_domain = check(X, y, sample_domain, method=method)
    _check_base(base)
    train, test = _check_split(train, test, y, sample_domain)
    folds, failed, circular, reasons, seconds = inner_outputs(
        method, base, X[train], y[train], sample_domain[train], n_folds=n_folds
    )
    visible = _visible(y[train], sample_domain[train], method)
    on_target = test[sample_domain[test] < 0]
    predictions = np.full((len(method.points), len(on_target)), MASKED)
    last = np.zeros(len(method.points), bool)
    for points, values in _distinct(method, X.shape[1]):
        start = time.process_time()
        try:
            fitted = _fit(method, base, values, X[train], visible, sample_domain[train])
            predictions[points] = fitted.predict(X[on_target], domain=TARGET)
        except Exception as error:  # any library, any reason: it is recorded, and not chosen
            if failures.of_machine(error):
                raise
            last[points] = True
            _note(reasons, points, error)
        seconds[points[0]] += time.process_time() - start
    return Evaluated(
        folds, y[on_target], predictions, np.vstack([failed, last]), circular, reasons, seconds
    )


def inner_outputs(method, base, X, y, sample_domain, *, n_folds=_N_SPLITS):
    """Fit the grid on the inner splits of a training part; see `evaluate`.

    Returns
    -------
    folds : list of Outputs
    failed, circular_failed : ndarray of bool, shape (n_folds, n_points)
    reasons : list of str
    seconds : ndarray, shape (n_points,)

    Raises
    ------
    MemoryError, OSError, ImportError, …
        Errors of the machine, in any fit (`common.failures`). Others are noted in ``reasons``.
    """
    n_folds = validation.count(n_folds, "n_folds")
    n_points = len(method.points)
    failed = np.zeros((n_folds, n_points), bool)
    circular_failed = np.zeros((n_folds, n_points), bool)
    reasons, seconds = [""] * n_points, np.zeros(n_points)
    visible = _visible(y, sample_domain, method)
    folds = []
    splits = _splitter(n_folds).split(X, visible, sample_domain)
    for fold, (train, test) in enumerate(splits):
        held_out = _HeldOut(X[test], y[test], sample_domain[test], n_classes=_n_classes(y))
        outputs = held_out.empty(n_points)
        for points, values in _distinct(method, X.shape[1]):
            start = time.process_time()
            try:
                fitted = _fit(method, base, values, X[train], visible[train], sample_domain[train])
                held_out.predict(fitted, outputs, points)
            except Exception as error:  # as above
                if failures.of_machine(error):
                    raise
                failed[fold, points] = True
                _note(reasons, points, error)
            else:
                if not method.sees_target:
                    try:
                        held_out.go_back(method.build(base, **values), outputs, points)
                    except Exception as error:
                        if failures.of_machine(error):
                            raise
                        circular_failed[fold, points] = True
                        _note(reasons, points, error)
            seconds[points[0]] += time.process_time() - start
        folds.append(outputs)
    return folds, failed, circular_failed, reasons, seconds


def check(X, y, sample_domain, *, method=None):
    """Arrays of a problem with two domains, checked; see `evaluate` for what is asked.

    Returns
    -------
    X : ndarray of float64, shape (n_samples, n_features)
    y : ndarray of int64, shape (n_samples,)
    sample_domain : ndarray of int, shape (n_samples,)
        skada's labels: 1 for the source, -2 for the target.

    Raises
    ------
    TypeError
        If X holds no real numbers.
    ValueError
        If there is no sample, lengths or the order of rows of pandas differ, a sample is masked,
        not finite or out of range, labels or domains are masked, a label is not 0, 1, …, there is
        one class only, or one that the source lacks, a domain is missing, or the method knows two
        classes only and there are more.
    """
    validation.same_rows(X=X, y=y, sample_domain=sample_domain)
    # In double precision: in single, solvers of transport run into their limit of iterations.
    X = validation.array(X, "X", ndim=2).astype(np.float64)
    y, sample_domain = validation.labels(y, "y"), validation.labels(sample_domain, "sample_domain")
    if not len(X) == len(y) == len(sample_domain):
        raise ValueError(
            f"X must be (n_samples, n_features) with a label and a domain each, got shapes "
            f"{X.shape}, {y.shape} and {sample_domain.shape}."
        )
    largest = np.abs(X).max(initial=0)
    if largest > _LARGEST or 0 < largest < _SMALLEST:
        raise ValueError(
            f"X has values of up to {largest:g}: squares of their differences are out of range. "
            "Standardise the features first."
        )
    classes = np.unique(y)
    if not np.issubdtype(y.dtype, np.integer) or classes[0] < 0 or len(classes) <= classes[-1]:
        raise ValueError(
            f"labels must be 0, 1, … without a gap, got {classes[:5]} of type {y.dtype}. Encode "
            "them (np.unique(y, return_inverse=True)); targets are masked here, pass their labels."
        )
    # Signed: the mask, -1, would be class 255 of the labels of a file that has them in bytes.
    y = y.astype(np.int64)
    if not np.issubdtype(sample_domain.dtype, np.signedinteger) or (sample_domain == 0).any():
        raise ValueError(
            f"sample_domain must hold signed whole numbers other than 0, got "
            f"{np.unique(sample_domain)[:5]} of type {sample_domain.dtype}; sources are positive, "
            "targets negative."
        )
    for name, there in (("source", sample_domain > 0), ("target", sample_domain < 0)):
        if not there.any():
            raise ValueError(
                f"no sample belongs to a {name}: sample_domain holds {np.unique(sample_domain)}; "
                "sources are positive, targets negative."
            )
    if len(classes) < 2:
        raise ValueError(
            f"all samples are of class {classes[0]}; there is nothing to tell apart. Are the "
            "target's labels masked? They are masked here: pass them."
        )
    unknown = np.setdiff1d(classes, y[sample_domain > 0])
    if len(unknown):
        raise ValueError(
            f"class {unknown[0]} has samples in the target only; no method could predict it. Drop "
            "these samples, or label some in the source."
        )
    if method is not None and method.binary and len(classes) > 2:
        raise ValueError(
            f"{method.label} knows two classes, the labels have {len(classes)}. Leave it out."
        )
    return X, y, np.where(sample_domain > 0, SOURCE, TARGET)


def _check_base(base):
    is_network = hasattr(base, "modules")  # its class is not imported: torch takes seconds
    if not hasattr(base, "predict_proba") and not is_network:
        raise TypeError(
            f"the base classifier {base!r} has no predict_proba, which the scorers need. Give it "
            "probabilities (SVC(probability=True)), or take another one."
        )


def _check_split(train, test, y, sample_domain):
    found = {}
    for name, rows in (("train", train), ("test", test)):
        rows = found[name] = np.asarray(validation.unmasked(rows, name))
        if not np.issubdtype(rows.dtype, np.integer) or rows.ndim != 1:
            raise ValueError(
                f"{name} must hold the numbers of samples, got an array of {rows.dtype} and shape "
                f"{rows.shape}. Of a mask take np.flatnonzero."
            )
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(y)):
            raise ValueError(
                f"{name} has samples {rows.min()} to {rows.max()}; there are 0 to {len(y) - 1}."
            )
        there, times = np.unique(rows, return_counts=True)
        if len(there) < len(rows):
            raise ValueError(
                f"{name} has sample {there[times > 1][0]} {times[times > 1][0]} times, one of "
                f"{(times > 1).sum()} that it repeats. Take each once (np.unique)."
            )
        for domain, there in (
            ("source", sample_domain[rows] > 0),
            ("target", sample_domain[rows] < 0),
        ):
            if not there.any() and (name, domain) != ("test", "source"):
                raise ValueError(f"{name} has no sample of the {domain}.")
    shared = np.intersect1d(found["train"], found["test"])
    if len(shared):
        raise ValueError(
            f"train and test share {len(shared)} samples, the first {shared[0]}: accuracies would "
            "be those of training."
        )
    on_source = found["train"][sample_domain[found["train"]] > 0]
    lost = np.setdiff1d(y, y[on_source])
    if len(lost):
        raise ValueError(
            f"class {lost[0]} has no sample of the source in train; stratify the split by class "
            "(outer_splits does)."
        )
    return found["train"], found["test"]


class _HeldOut:
    """The held-out part of an inner split, and what of it does not depend on the method."""

    def __init__(self, X, y, sample_domain, *, n_classes):
        on_source = sample_domain > 0
        self.X, self.sample_domain, self.on_source = X, sample_domain, on_source
        self.source, self.target = X[on_source], X[~on_source]
        self.y_source, self.y_target = y[on_source], y[~on_source]
        self.n_classes = n_classes
        self.partner = np.random.RandomState(_SEED).permutation(len(self.target))
        self.mixed = MIX_WEIGHT * self.target + (1 - MIX_WEIGHT) * self.target[self.partner]
        self.training, self.validation = train_test_split(
            np.arange(len(self.source)), test_size=0.33, random_state=np.random.RandomState(_SEED)
        )
        self.density_ratio = self._density_ratio()
        self.known_ratios = {}

    def _density_ratio(self):
        at_source, at_target = (
            KernelDensity().fit(domain).score_samples(self.source)
            for domain in (self.source, self.target)
        )
        ratio = np.exp(at_target - at_source)
        return ratio / ratio.sum() if ratio.sum() > 0 else np.full(len(ratio), 1 / len(ratio))

    def empty(self, n_points):
        n_source, n_target = len(self.source), len(self.target)
        labels = {
            f"{name}_predictions": np.full((n_points, n), MASKED)
            for name, n in
            [("source", n_source), ("circular", n_source), ("target", n_target), ("mix", n_target)]
        }  # fmt: skip
        nothing = np.full((n_points, len(self.validation)), np.nan)
        return Outputs(
            source_labels=self.y_source,
            source_probabilities=np.full((n_points, n_source, self.n_classes), np.nan),
            target_labels=self.y_target,
            target_probabilities=np.full((n_points, n_target, self.n_classes), np.nan),
            density_ratio=self.density_ratio,
            mix_partner=self.partner,
            validation=self.validation,
            domain_ratio=nothing,
            domain_ratio_skada=nothing.copy(),
            **labels,
        )

    def predict(self, fitted, outputs, points):
        # The features once, for all that is predicted from them.
        features = {
            "source": fitted.transform(self.source, domain=SOURCE),
            "target": fitted.transform(self.target, domain=TARGET),
            "mix": fitted.transform(self.mixed, domain=TARGET),
        }
        as_target = fitted.transform(self.source, domain=TARGET)
        classify = fitted.classifier_
        found = {
            f"{name}_predictions": classify.predict(features[name])
            for name in ("source", "target", "mix")
        } | {
            f"{name}_probabilities": classify.predict_proba(features[name])
            for name in ("source", "target")
        }
        found["domain_ratio"] = self._domain_ratio(features["source"], features["target"])
        found["domain_ratio_skada"] = self._domain_ratio(as_target, features["target"])
        for name, values in found.items():
            getattr(outputs, name)[points] = values

    def _domain_ratio(self, source, target):
        key = source.tobytes(), target.tobytes()
        if key not in self.known_ratios:  # reweighting leaves the features as they are
            training, validation = source[self.training], source[self.validation]
            domains = np.repeat([1, 0], [len(training), len(target)])
            classify = LogisticRegression().fit(np.concatenate([training, target]), domains)
            of_target, of_source = classify.predict_proba(validation).T
            self.known_ratios[key] = len(training) / len(target) * of_target / of_source
        return self.known_ratios[key]

    def go_back(self, estimator, outputs, points):
        predicted = outputs.target_predictions[points[0]]
        if len(np.unique(predicted)) == 1:
            outputs.circular_predictions[points] = predicted[0]
            return
        encoder = LabelEncoder().fit(predicted)
        y = np.full(len(self.X), MASKED)
        y[~self.on_source] = encoder.transform(predicted)
        with _quiet():
            estimator.fit(self.X, y, -self.sample_domain)
        back = estimator.predict(self.source, domain=-SOURCE)
        outputs.circular_predictions[points] = encoder.inverse_transform(back)


def _fit(method, base, values, X, y, sample_domain):
    with _quiet():
        return method.build(base, **values).fit(X, y, sample_domain)


def _quiet():
    """Warnings of solvers that stop early: of some thousand fits nobody reads them."""
    return warnings.catch_warnings(action="ignore")


def _visible(y, sample_domain, method):
    on_source = sample_domain > 0
    return np.where(on_source != method.sees_target, y, MASKED)


def _distinct(method, n_features):
    """Points that act alike, with the values that they share."""
    groups = {}
    for point, values in enumerate(method.points):
        values = method.canonical(values, n_features)
        groups.setdefault(repr(sorted(values.items())), ([], values))[0].append(point)
    return groups.values()


def _note(reasons, points, error):
    first = str(error).strip().splitlines()[:1]
    for point in points:
        reasons[point] = reasons[point] or f"{type(error).__name__}: {''.join(first)}"


def _n_classes(y):
    return int(y.max()) + 1


def _splitter(n_splits):
    return StratifiedDomainShuffleSplit(n_splits, test_size=_TEST_SIZE, random_state=_SEED)
