"""The shallow methods of the benchmark: what adapts, what is searched.

They are data, ``methods.yaml``, with the grids of SKADA-Bench [1]_; a method is added by an entry
there.

References
----------
.. [1] Y. Lalou et al., "SKADA-Bench: Benchmarking Unsupervised Domain Adaptation Methods with
   Realistic Validation on Diverse Modalities", TMLR 2025, arXiv:2407.11676.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial

import numpy as np
import skada
from skada.transformers import StratifiedDomainSubsampler
from sklearn import decomposition
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ParameterGrid
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from common import validation
from common.adaptation import accelerated, catalogue
from common.adaptation.composition import AdaptedClassifier

__all__ = ["FAMILIES", "METHODS", "Method", "classifier", "method"]

FAMILIES = {
    "reference": "References",
    "reweighting": "Reweighting",
    "mapping": "Mapping",
    "subspace": "Subspace",
    "other": "Others",
    "deep": "Deep",
}
"""Families as the paper's tables group them."""


@dataclass(frozen=True)
class Method:
    """A method of the benchmark.

    Attributes
    ----------
    name, label : str
        In tables; on figures.
    family : str
        A key of `FAMILIES`.
    adapter : callable, optional
        Makes the adapter from the values of one grid point.
    grid : mapping or sequence of mappings
        Values to search, as scikit-learn's `ParameterGrid` takes them.
    estimator : callable, optional
        For methods that are their own classifier: makes it from the base classifier and the values
        of one grid point.
    subsample : int, optional
        Train on a sample of this size, stratified by domain and label: the method is too slow on
        more.
    binary : bool
        The method knows two classes only.
    needs_svc : bool
        The base classifier has to be a support vector machine.
    sees_target : bool
        Trained with the target's labels: an upper bound, no adaptation.
    limit : callable, optional
        Brings the values of a grid point to those that they mean with ``n_features`` features, so
        that equal points are fitted once.
    """

    name: str
    label: str
    family: str
    adapter: Callable | None = None
    grid: Mapping | tuple = field(default_factory=dict)
    estimator: Callable | None = None
    subsample: int | None = None
    binary: bool = False
    needs_svc: bool = False
    sees_target: bool = False
    limit: Callable | None = None

    @classmethod
    def of(cls, name, entry):
        """A method from its entry in ``methods.yaml``.

        Parameters
        ----------
        name : str
        entry : mapping
            The attributes of this class, except that ``adapter`` and ``estimator`` are names of
            classes, ``skada.…``, ``sklearn.…`` (`sklearn.decomposition`) or ``accelerated.…``, and
            that ``at_most_n_features`` lists parameters instead of ``limit``. In the grid, ``a__b``
            is parameter ``b`` of ``a``, and a ``domain_classifier`` is named as in `classifier`.

        Returns
        -------
        method : Method

        Raises
        ------
        ValueError
            If a class or a key is unknown.
        """
        entry = dict(entry)
        limited = entry.pop("at_most_n_features", None)
        for key in ("adapter", "estimator"):
            if key in entry:
                entry[key] = _maker(entry[key], name)
        if isinstance(entry.get("grid"), list):
            entry["grid"] = tuple(entry["grid"])
        known = {field.name for field in fields(cls)} - {"name", "limit"}
        if unknown := sorted(set(entry) - known):
            hint = validation.nearest(unknown[0], known) or f" Known are {sorted(known)}."
            raise ValueError(f"method {name!r} has an unknown key {unknown[0]!r}.{hint}")
        limit = partial(_at_most, limited) if limited else None
        return cls(name=name, limit=limit, **entry)

    @property
    def points(self):
        """Points of the grid, a list of dicts."""
        return list(ParameterGrid(self.grid))

    def thinned(self, n_points):
        """The same method with at most so many points, evenly spread over the grid.

        Parameters
        ----------
        n_points : int or None
            None: the whole grid.

        Returns
        -------
        method : Method
        """
        points = self.points
        if n_points is None or validation.count(n_points, "n_points") >= len(points):
            return self
        chosen = np.unique(np.linspace(0, len(points) - 1, n_points).round().astype(int))
        kept = tuple({key: [value] for key, value in points[i].items()} for i in chosen)
        return replace(self, grid=kept)

    def build(self, base, **values):
        """Classifier for one point of the grid.

        Parameters
        ----------
        base : object
            Classifier of scikit-learn with ``predict_proba``.
        **values
            One of `points`.

        Returns
        -------
        estimator : AdaptedClassifier
        """
        return AdaptedClassifier(self._adapters(values), self._final(base, values))

    def pipeline(self, base, **values):
        """The same as `build` as a pipeline of skada, for `sklearn.model_selection`."""
        final = self._final(base, values)
        if hasattr(final, "set_fit_request") and self.estimator is None:
            final = final.set_fit_request(sample_weight=True)
        return skada.make_da_pipeline(
            *self._adapters(values), final.set_score_request(sample_weight=True)
        )

    def canonical(self, values, n_features):
        """The values of a grid point as they act on ``n_features`` features.

        Parameters
        ----------
        values : dict
            Of the grid point.
        n_features : int

        Returns
        -------
        values : dict
            Equal for points that do the same.
        """
        return self.limit(values, n_features) if self.limit else values

    def _adapters(self, values):
        adapters = []
        if self.subsample:
            adapters.append(StratifiedDomainSubsampler(self.subsample, random_state=0))
        if self.adapter:
            adapters.append(self.adapter(**values))
        return adapters

    def _final(self, base, values):
        return self.estimator(clone(base), **values) if self.estimator else clone(base)


def method(name):
    """A method by its name.

    Parameters
    ----------
    name : str
        A key of `METHODS`.

    Returns
    -------
    method : Method

    Raises
    ------
    ValueError
        If there is none, with the nearest name.
    """
    return METHODS[validation.choice(name, METHODS, "adaptation method")]


def classifier(name, **parameters):
    """Classifier ``"lr"``, ``"svc"``, ``"knn"`` or ``"xgb"`` with the parameters that are given.

    Support vector machines estimate probabilities by an inner cross-validation (Platt); its seed is
    fixed, and so is that of boosted trees.

    Parameters
    ----------
    name : {"lr", "svc", "knn", "xgb"}
    **parameters
        Of the classifier's constructor.

    Returns
    -------
    classifier : object
        Not fitted, with ``predict_proba``.

    Raises
    ------
    ValueError
        If the name is none of these.
    """
    if name == "lr":
        return LogisticRegression(**parameters)
    if name == "svc":
        return SVC(probability=True, random_state=0, **parameters)
    if name == "xgb":
        from xgboost import XGBClassifier  # half a second, and one data set's classifier only

        return XGBClassifier(random_state=0, n_jobs=1, **parameters)
    if name == "knn":
        return KNeighborsClassifier(**parameters)
    raise ValueError(f"no classifier {name!r}: take 'lr', 'svc', 'knn' or 'xgb'.")


def _maker(path, name):
    modules = {"skada": skada, "sklearn": decomposition, "accelerated": accelerated}
    module, _, kind = path.partition(".")
    found = getattr(modules.get(module), kind, None)
    if found is None:
        raise ValueError(
            f"method {name!r} names the class {path!r}, which does not exist; write "
            f"{', '.join(f'{known}.…' for known in modules)}."
        )
    return partial(_make, found)


def _make(kind, *arguments, **values):
    if "domain_classifier" in values:
        values = {**values, "domain_classifier": classifier(values["domain_classifier"])}
    direct = {key: value for key, value in values.items() if "__" not in key}
    made = kind(*arguments, **direct)
    nested = {key: value for key, value in values.items() if "__" in key}
    return made.set_params(**nested) if nested else made


def _at_most(names, values, n_features):
    return {**values, **{name: min(values[name], n_features) for name in names}}


METHODS = {name: Method.of(name, entry) for name, entry in catalogue.load().items()}
"""The references and the 20 shallow methods, in the order of the paper's tables."""
