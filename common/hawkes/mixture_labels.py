r"""Labels of marked events: structured ones of a Hawkes process, or spurious and at random.

Event n has a mark :math:`k_n` and a label :math:`\rho_n`, 1 where it is structured. With the
intensities of `common.hawkes.marks` and the grid of `common.hawkes.marked_pairs`, the loss of UNHaP
[1]_ is

.. math:: N \mathcal{L} = \sum_i \Big( c_h \delta \sum_s h_i[s]^2 + c_n T \nu_i^2 \Big)
          - 2 \sum_n \rho_n f_h(k_n)\, h_{i(n)}(t_n) - 2 \sum_n (1 - \rho_n) f_n(k_n)\, \nu_{i(n)},

where the weights :math:`z_n = \rho_n k_n` drive :math:`h`, and :math:`c_h, c_n` are the integrals
of the squared densities. Only structured events excite, and only they are explained by h.

*Given the labels*, this is a marked least-squares problem, and :math:`\nu_i = \sum_n (1 - \rho_n)
f_n(k_n) / (c_n T)`. *Given the parameters*, the loss is quadratic in each label. An event of
process m in bin b counts

.. math:: N \frac{\partial \mathcal{L}}{\partial \rho_n} =
          k_n \sum_i \sum_\tau \phi_{im}[\tau]\, (2 c_h \delta\, h_i[b + \tau] - 2 y_i[b + \tau])
          - 2 f_h(k_n)\, h_m[b] + 2 \nu_m f_n(k_n).

The first sum holds what the event does to those after it: the credit for offspring goes to the
parent. Taken at :math:`\rho_n = 1/2`, it is the exact difference between label 1 and label 0.

.. [1] V. Loison, G. Staerman and T. Moreau, "UNHaP: Unmixing Noise from Hawkes Processes to Model
   Learned Physiological Events", AISTATS 2025, arXiv:2406.16938.
"""

from typing import NamedTuple

import numpy as np

from common import validation
from common.hawkes.marked_pairs import dense_intensity, structured_loss

__all__ = [
    "MixtureModel",
    "change_labels",
    "label_differences",
    "label_statistics",
    "mixture_loss",
    "noise_loss",
    "score_labels",
    "settle_labels",
]


class MixtureModel(NamedTuple):
    """Parameters of a mixture, with kernels on the grid.

    Attributes
    ----------
    baseline, noise : ndarray, shape (n_processes,)
        Rates of structured immigrants and of spurious events, in Hz.
    phi : ndarray, shape (n_processes, n_processes, n_lags)
        Adjacency times kernels, in Hz.
    density, noise_density : MarkDensity
    """

    baseline: np.ndarray
    noise: np.ndarray
    phi: np.ndarray
    density: object
    noise_density: object


def mixture_loss(pairs, labels, model):
    """Loss per event of given labels and parameters.

    Parameters
    ----------
    pairs : MarkedPairs
    labels : ndarray, shape (n_events,)
        In [0, 1], in the order of ``pairs``.
    model : MixtureModel

    Returns
    -------
    loss : float
        In Hz.
    """
    density = model.density
    statistics = label_statistics(pairs, labels, density)
    loss = structured_loss(statistics, model.baseline, model.phi, density.square)
    return (loss + noise_loss(pairs, labels, model)) / pairs.n_events


def label_differences(pairs, labels, model, *, at=0.5):
    """Change of the loss, times the number of events, with each label alone.

    Parameters
    ----------
    pairs : MarkedPairs
    labels : ndarray, shape (n_events,)
        In [0, 1], in the order of ``pairs``.
    model : MixtureModel
    at : float, optional, default=0.5
        Value of the own label of each event. The loss is quadratic in it, so its derivative at 1/2
        is the loss with label 1 less that with label 0. None: the derivative where it is.

    Returns
    -------
    difference : ndarray, shape (n_events,)
        In Hz. Label 1 is better where it is negative.
    """
    baseline, noise, phi, density, noise_density = model
    marks, process, bins = pairs.marks, pairs.process, pairs.bins
    targets, square, delta = density.value(marks), density.square, pairs.delta
    h = dense_intensity(pairs.dense(labels * marks), baseline, phi)
    residual = 2 * square * delta * h - 2 * pairs.dense(labels * targets)
    # What an event does to those after it is, with time reversed, what those before it do to it.
    after = dense_intensity(residual[:, ::-1], np.zeros(len(h)), phi.swapaxes(0, 1))[:, ::-1]
    gradient = marks * after[process, bins] - 2 * targets * h[process, bins]
    gradient += 2 * noise[process] * noise_density.value(marks)
    if at is None:
        return gradient
    # Twice the square of the own response, up to the end of the record.
    own = np.cumsum((phi**2).sum(axis=0), axis=-1)
    own = np.concatenate([np.zeros((len(own), 1)), own], axis=-1)
    left = np.minimum(pairs.n_grid - 1 - bins, pairs.n_lags)
    return gradient + (at - labels) * 2 * square * delta * marks**2 * own[process, left]


def change_labels(pairs, labels, model, loss, *, rng):
    """Change some of the labels that call for it, such that the loss falls.

    Parameters
    ----------
    pairs : MarkedPairs
    labels : ndarray, shape (n_events,)
        0 and 1.
    model : MixtureModel
    loss : float
        Of these labels and this model, per event.
    rng : numpy.random.Generator

    Returns
    -------
    labels : ndarray, shape (n_events,)
    n_calling : int
        Labels that called for a change.
    loss : float
        Of the new labels.
    """
    difference = label_differences(pairs, labels, model)
    gain = np.where(labels > 0, difference, -difference)  # what a change takes off the loss
    # Beyond rounding: the sums of the loss have about as many terms as there are events.
    calling = np.flatnonzero(gain > 1e-12 * pairs.n_events * abs(loss))
    share, changed, new = 0.5, labels, loss
    while len(calling):
        chosen = calling[rng.random(len(calling)) < share]
        if len(chosen) < 2:
            chosen = calling[[gain[calling].argmax()]]
        changed = labels.copy()
        changed[chosen] = 1 - changed[chosen]
        new = mixture_loss(pairs, changed, model)
        if new < loss or len(chosen) == 1:
            break
        share /= 2
    return changed, len(calling), new


def settle_labels(pairs, labels, model, *, rng):
    """Change labels until none calls for it, with given parameters.

    Parameters
    ----------
    pairs : MarkedPairs
    labels : ndarray, shape (n_events,)
        0 and 1.
    model : MixtureModel
    rng : numpy.random.Generator

    Returns
    -------
    labels : ndarray, shape (n_events,)
    loss : float
        Per event.
    n_rounds : int
    """
    loss, n_rounds = mixture_loss(pairs, labels, model), 0
    while True:
        labels, n_calling, loss = change_labels(pairs, labels, model, loss, rng=rng)
        if not n_calling:
            return labels, loss, n_rounds
        n_rounds += 1


def score_labels(labels, structured, marks):
    """How well labels tell structured events from spurious ones, beside a threshold on the marks.

    Precision alone says little: it is the base rate for labels that are all 1. The share of noise
    that is found is compared with that of the threshold on the mark that keeps as many of the
    structured events.

    Parameters
    ----------
    labels, structured : array_like of bool, shape (n_events,)
        Estimated and true.
    marks : array_like, shape (n_events,)

    Returns
    -------
    scores : dict of float
        ``precision`` and ``recall`` of the structured events, ``base_rate``, ``noise_found`` and
        ``noise_found_by_mark``; NaN where there is nothing to take a share of.

    Raises
    ------
    TypeError
        If an argument holds no numbers.
    ValueError
        If lengths differ, a mark is outside of [0, 1], or a label is neither 0 nor 1.
    """
    labels, structured = _truth(labels, "labels"), _truth(structured, "structured")
    marks = validation.vector(marks, "marks", at_least=0, at_most=1, empty=True)
    validation.same_length(labels=labels, structured=structured, marks=marks)
    kept, true = np.sum(labels & structured), structured.sum()
    lost = int(true - kept)
    true_marks, false_marks = np.sort(marks[structured]), marks[~structured]
    # The threshold loses as many structured events as the labels do, those of the lowest marks.
    threshold = true_marks[lost] if lost < true else np.inf
    return {
        "precision": _share(kept, labels.sum()),
        "recall": _share(kept, true),
        "base_rate": _share(true, len(labels)),
        "noise_found": _share(np.sum(~labels & ~structured), np.sum(~structured)),
        "noise_found_by_mark": _share(np.sum(false_marks < threshold), len(false_marks)),
    }


def label_statistics(pairs, labels, density):
    """Sums of the least-squares loss of the structured events.

    Parameters
    ----------
    pairs : MarkedPairs
    labels : ndarray, shape (n_events,)
        In [0, 1], in the order of ``pairs``.
    density : MarkDensity
        Of the marks of structured events.

    Returns
    -------
    statistics : MarkedStatistics
    """
    targets = labels * density.value(pairs.marks)
    return pairs.statistics(labels * pairs.marks, targets, density.square)


def noise_loss(pairs, labels, model):
    """Part of the loss that spurious events have, times the number of all events.

    Parameters
    ----------
    pairs : MarkedPairs
    labels : ndarray, shape (n_events,)
        In [0, 1], in the order of ``pairs``.
    model : MixtureModel

    Returns
    -------
    loss : float
        In Hz.
    """
    totals = pairs.totals((1 - labels) * model.noise_density.value(pairs.marks))
    square = model.noise_density.square
    return float(square * pairs.duration * model.noise @ model.noise - 2 * model.noise @ totals)


def _truth(values, name):
    values = validation.vector(values, name, at_least=0, at_most=1, empty=True)
    if (between := values % 1 > 0).any():
        place = int(between.argmax())
        raise ValueError(f"{name} must be 0 or 1, got {values[place]:g} at index {place}.")
    return values.astype(bool)


def _share(part, whole):
    return float(part / whole) if whole else np.nan
