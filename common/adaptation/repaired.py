r"""Parts of skada 0.6.0 that do not compute what their papers say, put right.

- The default domain discriminator ends in a softmax over one output, which is 1 whatever comes in,
  so that DANN and SPA would train without an adversary. Here it ends in a sigmoid.
- The disparity of MDD on the target [1]_, :math:`-\frac1n \sum_i \log(1 - p_i[\hat y_i])` with
  pseudo-labels :math:`\hat y`, is computed over all pairs :math:`p_i[\hat y_j]`, and the default
  classifier's output passes two softmaxes.
- The memory of SPA [2]_ is halved at every step and never filled, so that it holds all classes
  to be alike. Here it moves to the new features and outputs.
- The contrastive discrepancy of CAN [3]_ divides similarities between the domains by the square of
  the number of their pairs, and takes those of a class within a domain over all of its samples.
  Here they are means, as defined; see `Contrast`.

References
----------
.. [1] Y. Zhang et al., "Bridging Theory and Algorithm for Domain Adaptation", ICML 2019,
   arXiv:1904.05801.
.. [2] Z. Xiao et al., "SPA: A Graph Spectral Alignment Perspective for Domain Adaptation",
   NeurIPS 2023, arXiv:2310.17594.
.. [3] G. Kang et al., "Contrastive Adaptation Network for Unsupervised Domain Adaptation", CVPR
   2019, arXiv:1901.00976.
"""

import torch
from skada import deep
from skada.deep.callbacks import MemoryBank
from skada.deep.losses import _gaussian_kernel
from skada.deep.modules import GradientReversalLayer
from torch import nn

__all__ = ["Contrast", "Disagreement", "FilledMemory", "discriminator", "second_classifier"]


def discriminator(n_features, width=1024):
    """Probability that features are of the target, shape (n_samples,).

    Parameters
    ----------
    n_features : int
    width : int, default=1024
        Of the two hidden layers, half of whose outputs are dropped in training.

    Returns
    -------
    network : torch.nn.Module
    """
    return _Adversary(
        nn.Linear(n_features, width), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(width, 1), nn.Sigmoid(), nn.Flatten(0),
    )  # fmt: skip


def second_classifier(n_features, n_classes, width=1024):
    """Outputs of the classes by a second opinion, shape (n_samples, n_classes).

    Parameters
    ----------
    n_features, n_classes : int
    width : int, default=1024
        Of the hidden layer, half of whose outputs are dropped in training.

    Returns
    -------
    network : torch.nn.Module
    """
    return _Adversary(
        nn.Linear(n_features, width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width, n_classes)
    )


class Disagreement(nn.Module):
    r"""Mean of :math:`\log(1 - p_i[\hat y_i])`, of labels that are to be avoided."""

    def forward(self, outputs, labels):
        # log(1 - p) as the other classes' share: no difference of numbers close to 1.
        chosen = nn.functional.one_hot(labels, outputs.shape[1]).bool()
        others = outputs.masked_fill(chosen, -torch.inf)
        return (others.logsumexp(1) - outputs.logsumexp(1)).clamp(min=-20).mean()


class FilledMemory(MemoryBank):
    """Features and outputs of the target as they were last seen, averaged over time."""

    def on_batch_end(self, net, batch, **kwargs):
        X, _ = batch
        on_target = X["sample_domain"] < 0
        memory, rows = net.criterion_.adapt_criterion, X["sample_idx"][on_target]
        net.module_.eval()
        with torch.no_grad():
            outputs, features = net.module_(X["X"][on_target].to(net.device), return_features=True)
            squares = outputs.softmax(dim=1) ** 2
            _move(memory.memory_features, rows, nn.functional.normalize(features), self.momentum)
            _move(memory.memory_outputs, rows, squares / squares.sum(dim=0), self.momentum)


class Contrast(deep.CANLoss):
    r"""Contrastive discrepancy: distances of a class to itself minus those to other classes.

    With mean similarities :math:`\bar k` and clusters of the target as its classes,

    .. math:: D_{cd} = \bar k(S_c, S_c) + \bar k(T_d, T_d) - 2 \bar k(S_c, T_d), \qquad
              \frac1M \sum_c D_{cc} - \frac1{M (M - 1)} \sum_{c \ne d} D_{cd},

    over the M classes that the source has in the batch, and that enough samples of the target are
    close to.
    """

    def forward(self, y_s, features_s, features_t, **kwargs):
        centres = self.target_kmeans.cluster_centers_
        alike = nn.functional.cosine_similarity(features_t[:, None], centres[None], dim=2)
        nearest, clusters = alike.max(dim=1)
        source = _members(y_s, len(centres))
        target = _members(clusters, len(centres))
        target = target * ((1 - nearest) / 2 < self.distance_threshold)[:, None]
        kept = (target.sum(dim=0) >= self.class_threshold) & (source.sum(dim=0) > 0)
        if not kept.any():
            return 0 * features_s.sum()
        source, target = (each[:, kept] / each[:, kept].sum(dim=0) for each in (source, target))
        spread = torch.cdist(features_s, features_s).median().detach() + self.eps
        sigmas = spread * 2.0 ** torch.arange(-8, 8.5, 0.5, device=spread.device)
        within_source = source.T @ _gaussian_kernel(features_s, features_s, sigmas) @ source
        within_target = target.T @ _gaussian_kernel(features_t, features_t, sigmas) @ target
        between = source.T @ _gaussian_kernel(features_s, features_t, sigmas) @ target
        distances = within_source.diagonal()[:, None] + within_target.diagonal() - 2 * between
        n, same = len(distances), distances.trace()
        return same / n - (distances.sum() - same) / max(n * (n - 1), 1)


class _Adversary(nn.Module):
    """A network that the features learn to deceive: gradients are reversed on the way back."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, features):
        return self.layers(GradientReversalLayer.apply(features, 1.0))


def _move(memory, rows, new, momentum):
    memory[rows] = (1 - momentum) * memory[rows] + momentum * new


def _members(labels, n_classes):
    return nn.functional.one_hot(labels, n_classes).float()
