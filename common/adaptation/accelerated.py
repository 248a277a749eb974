r"""Methods of skada that were too slow to search a grid with: the same result for less work.

Each class stands in for its parent with the parent's parameters. What is saved:

- `FastMMDLSConSMappingAdapter` [1]_: the objective contains the sums of all entries of
  :math:`\Omega K \Omega^\top` and :math:`K_\times \Omega^\top`. With
  :math:`v = \Omega^\top \mathbf 1` these are :math:`v^\top K v` and
  :math:`\mathbf 1^\top K_\times v`: products with one vector instead of three products of matrices
  at each evaluation, and again in its gradient.
- `FastTransferComponentAnalysisAdapter` [2]_: the points of a grid that differ in the number of
  components share one eigendecomposition.
- `FastDASVMClassifier` [3]_: the labels of all added samples are compared at once instead of one by
  one, and machines that are only asked for decisions do not estimate probabilities.

References
----------
.. [1] K. Zhang et al., "Domain Adaptation under Target and Conditional Shift", ICML 2013, Sec. 4.
.. [2] S. J. Pan et al., "Domain Adaptation via Transfer Component Analysis", IEEE TNN 22(2), 2011.
.. [3] L. Bruzzone, M. Marconcini, "Domain Adaptation Problems: A DASVM Classification Technique and
   a Circular Validation Strategy", IEEE TPAMI 32(5), 2010.
"""

import hashlib
from collections import OrderedDict
from typing import ClassVar

import numpy as np
import skada
from skada.utils import check_X_y_domain, source_target_split, torch_minimize
from sklearn.base import clone

__all__ = [
    "FastDASVMClassifier",
    "FastMMDLSConSMappingAdapter",
    "FastTransferComponentAnalysisAdapter",
]


class FastMMDLSConSMappingAdapter(skada.MMDLSConSMappingAdapter):
    """`skada.MMDLSConSMappingAdapter` for class labels, without products of matrices."""

    def _mapping_optimization(self, X_source, X_target, y_source):
        import torch  # two seconds that the other methods do not need

        source = torch.tensor(X_source, dtype=torch.float64)
        target = torch.tensor(X_target, dtype=torch.float64)
        m, n, d = len(source), len(target), source.shape[1]
        similar = torch.exp(-self.gamma * torch.cdist(source, source))
        # Symmetric matrices that commute: (L (L + r)⁻¹)ᵀ 1 = (L + r)⁻¹ L 1.
        ridge = similar + self.reg_k * torch.eye(m)
        v = torch.linalg.solve(ridge, similar.sum(dim=1))
        self.discrete_ = True
        self.classes_, labels = np.unique(y_source, return_inverse=True)
        R = torch.eye(len(self.classes_), dtype=torch.float64)[torch.from_numpy(labels)]

        def objective(G, H):
            W, B = R @ G, R @ H
            moved = W * source + B
            among = torch.exp(-self.gamma * torch.cdist(moved, moved))
            across = torch.exp(-self.gamma * torch.cdist(target, moved))
            discrepancy = v @ among @ v / m**2 - 2 * (across @ v).sum() / (m * n)
            size = (torch.sum((W - 1) ** 2) + torch.sum(B**2)) / m
            return discrepancy + self.reg_m * size

        shape = len(self.classes_), d
        start = torch.ones(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)
        (G, H), _ = torch_minimize(objective, start, tol=self.tol, max_iter=self.max_iter)
        R = R.numpy()
        return R @ G, R @ H, G, H


class FastTransferComponentAnalysisAdapter(skada.TransferComponentAnalysisAdapter):
    """`skada.TransferComponentAnalysisAdapter` that remembers its last few eigendecompositions."""

    _known: ClassVar[OrderedDict] = OrderedDict()
    _KEPT = 4

    def fit(self, X, y=None, *, sample_domain=None):
        """Fit as the parent does; see there."""
        content = hashlib.sha256(np.ascontiguousarray(X).tobytes())
        content.update(np.sign(sample_domain).astype(np.int8).tobytes())
        key = content.digest(), X.dtype.str, X.shape, self.kernel, self.mu
        wanted = self.n_components or min(X.shape)
        if key not in self._known:
            whole = skada.TransferComponentAnalysisAdapter(
                kernel=self.kernel, n_components=len(X), mu=self.mu
            )
            self._known[key] = whole.fit(X, sample_domain=sample_domain)
            while len(self._known) > self._KEPT:
                self._known.popitem(last=False)
        fitted = self._known[key]
        self.X_source_, self.X_target_ = fitted.X_source_, fitted.X_target_
        self.K_, self.eigvects_ = fitted.K_, fitted.eigvects_[:, :wanted]
        return self


class FastDASVMClassifier(skada.DASVMClassifier):
    """`skada.DASVMClassifier` for two classes, without loops over samples.

    The parent fails when every target sample has been added; here the iterations end there.
    """

    def fit(self, X, y=None, sample_domain=None):
        """Fit as the parent does; see there."""
        X, y, sample_domain = check_X_y_domain(X, y, sample_domain)
        Xs, Xt, ys, _ = source_target_split(X, y, sample_domain=sample_domain)
        machine = self.base_estimator.fit(Xs, ys)  # its probabilities are the parent's
        decides = clone(self.base_estimator)
        if "probability" in decides.get_params():
            decides.set_params(probability=False)
        deleted, added = np.zeros(len(Xs), bool), np.zeros(len(Xt), bool)
        on_source = _both_ways(machine.decision_function(Xs))
        on_target = _both_ways(machine.decision_function(Xt))
        _take(deleted, on_source, np.ones(len(Xs), bool))
        in_margin = ((on_target < 1) & (on_target > 0)).any(axis=1)
        _take(added, -np.abs(on_target - 1), in_margin)
        for _ in range(1, self.max_iter):
            if not in_margin.any():
                break
            before = machine.predict(Xt[added])
            machine = clone(decides).fit(
                np.concatenate([Xs[~deleted], Xt[added]]), np.concatenate([ys[~deleted], before])
            )
            added[np.flatnonzero(added)[machine.predict(Xt[added]) != before]] = False
            on_source, on_target = _decisions(machine, Xs, deleted), _decisions(machine, Xt, added)
            _take(deleted, on_source, np.ones(len(Xs), bool))
            in_margin = ((on_target < 1) & (on_target > 0)).any(axis=1) & ~added.all()
            _take(added, on_target, in_margin)
        self.base_estimator_ = clone(decides).fit(Xt, machine.predict(Xt))
        return self


def _both_ways(decisions):
    return np.stack([-decisions, decisions], axis=1)


def _take(taken, decisions, eligible):
    """Mark, for each class, the eligible sample that lies furthest on its side."""
    candidates = np.flatnonzero(eligible & ~taken)
    if len(candidates):
        taken[candidates[np.argmax(decisions[candidates], axis=0)]] = True


def _decisions(machine, X, settled):
    decisions = np.ones(len(X))
    if not settled.all():
        decisions[~settled] = machine.decision_function(X[~settled])
    return 1 + _both_ways(decisions)
