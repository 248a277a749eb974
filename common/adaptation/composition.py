"""A domain adaptation method as scikit-learn knows it: adapters, then a classifier.

`skada.make_da_pipeline` composes the same steps; this composition gives the same predictions
without its routing of metadata, which takes longer than the computations when a domain has some
hundred samples and a grid has to be searched.

Labels of the target are -1 wherever a function takes them, domains are skada's: positive for
sources, negative for targets.
"""

import numpy as np
from sklearn.base import clone

__all__ = ["MASKED", "SOURCE", "TARGET", "AdaptedClassifier"]

MASKED = -1
"""Label of a sample whose label must not be seen."""

SOURCE, TARGET = 1, -2
"""Domains as skada numbers them where there are two."""


class AdaptedClassifier:
    """Adapters that bring two domains together, and a classifier trained on what they give.

    Parameters
    ----------
    adapters : sequence
        skada's adapters, or transformers of scikit-learn, which are fitted on both domains. Each is
        cloned before it is fitted.
    classifier : object
        Trained on the samples that have a label after the adapters, with their weights if an
        adapter gives weights. Or an estimator of skada that takes both domains, such as
        `skada.JDOTClassifier`.

    Notes
    -----
    What the adapters may return, as in skada: the adapted samples; these and a dict with
    ``sample_weight`` or, of a subsampler, ``sample_domain``; or samples, labels and a dict.
    """

    def __init__(self, adapters, classifier):
        self.adapters = tuple(adapters)
        self.classifier = classifier

    def fit(self, X, y, sample_domain):
        """Fit on both domains.

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_features)
        y : ndarray of int, shape (n_samples,)
            -1 where the label is hidden. Not changed.
        sample_domain : ndarray of int, shape (n_samples,)
            Positive: source; negative: target.

        Returns
        -------
        self : AdaptedClassifier
        """
        weights, fitted = None, []
        for adapter in map(clone, self.adapters):
            output = _fit_transform(adapter, X, y.copy(), sample_domain)
            fitted.append(adapter)
            if not isinstance(output, tuple):
                X = output
                continue
            X, *labels, more = output
            y = labels[0] if labels else y
            weights = more.get("sample_weight", weights)
            sample_domain = more.get("sample_domain", sample_domain)
        self.adapters_ = tuple(fitted)
        self.classifier_ = clone(self.classifier)
        if _takes_domains(self.classifier_):
            self.classifier_.fit(X, y.copy(), sample_domain=sample_domain)
            return self
        kept = y != MASKED
        more = {} if weights is None else {"sample_weight": weights[kept]}
        self.classifier_.fit(X[kept], y[kept], **more)
        return self

    def transform(self, X, *, domain):
        """Features that the classifier gets for samples of one domain.

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_features)
        domain : int
            Positive: the samples are of a source, and are mapped as such; negative: of a target.

        Returns
        -------
        features : ndarray, shape (n_samples, n_features_out)
        """
        sample_domain = np.full(len(X), domain)
        for adapter in self.adapters_:
            if _is_adapter(adapter):
                X = adapter.transform(X, sample_domain=sample_domain, allow_source=domain > 0)
            else:
                X = adapter.transform(X)
        return X

    def predict(self, X, *, domain):
        """Labels of samples of one domain; see `transform`."""
        return self.classifier_.predict(self.transform(X, domain=domain))

    def predict_proba(self, X, *, domain):
        """Probabilities of the classes, shape (n_samples, n_classes); see `transform`."""
        return self.classifier_.predict_proba(self.transform(X, domain=domain))


def _is_adapter(step):
    return hasattr(type(step), "fit_transform") and "sample_domain" in _arguments(step)


def _arguments(step):
    code = type(step).fit_transform.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _takes_domains(classifier):
    code = type(classifier).fit.__code__
    return "sample_domain" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _fit_transform(adapter, X, y, sample_domain):
    if _is_adapter(adapter):
        return adapter.fit_transform(X, y, sample_domain=sample_domain)
    return adapter.fit(X).transform(X)
