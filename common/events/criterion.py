r"""Training criterion of set prediction: matched queries, a dense head, and their agreement.

For windows b with true events :math:`(c_j, s_j, e_j)` and queries q that answer with class
probabilities :math:`p_q(c)` (softmax of K + 1 logits, 0 = no event) and a span, let
:math:`\sigma_b` be the one-to-one assignment of events to queries that minimises

.. math:: \sum_j \; w_{class}\,\bigl(-\log p_{\sigma(j)}(c_j)\bigr)
                 + w_{match}\,\bigl(1 - \mathrm{IoU}_{\sigma(j), j}\bigr),

found for each window by the Hungarian algorithm. With :math:`y_q = c_j` for the matched queries and
0 for the others, the loss is

.. math:: w_{class} \underbrace{\frac{1}{BQ}\sum_{b,q} -\log p_{q}(y_q)}_{\text{class}}
          + w_{iou} \underbrace{\frac{1}{N} \sum_{b,j} 1 - \mathrm{IoU}_{\sigma(j), j}}_{\text{iou}}
          + w_{dense} \underbrace{\frac{1}{BT}\sum_{b,t} -\log d_t(z_t)}_{\text{dense}}
          + w_{cons} \underbrace{\frac{1}{BT}\sum_{b,t} KL(d_t \,\|\, r_t)}_{\text{consistency}}

where N is the number of true events of the batch, :math:`d_t` the dense head's probabilities at
token t, :math:`z_t` the true class there (the later event where two overlap), and :math:`r_t` the
queries rendered on the tokens: the sum of :math:`p_q` over the queries whose span covers t,
normalised to sum to one. A span covers the tokens from ``floor(start * T)`` up to, not including,
``floor(end * T)``; these bounds carry no gradient, so the consistency term teaches the classes of
the queries (and the dense head), not their spans.
"""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn
from torch.nn import functional

from common import validation

__all__ = ["SetCriterion", "dense_labels", "match", "render_queries"]

# Added to denominators, and the least probability in the consistency term, as in the library.
_EPSILON = 1e-7
_LEAST = 1e-8
# How far rounding may put a time, as a fraction of the window, beyond an edge.
_SLACK = 1e-5
# Cost of a pair whose cost is not finite: worse than any other, yet assignable.
_WORST = 1e6


class SetCriterion(nn.Module):
    """Loss of a set-prediction network; see the module's text for the formula.

    Parameters
    ----------
    weight_class, weight_iou, weight_dense, weight_consistency : float
        Weights of the four terms, 0 or more. A term of weight 0 is not computed, and without
        ``weight_dense`` and ``weight_consistency`` the network needs no dense head.
        ``weight_class`` also weighs the class in the matching; ``weight_iou`` does not.
    match_iou : float, default=1.0
        Weight of the overlap in the matching. The release has no such weight, which makes it 1:
        a log-probability of -5 then outweighs any overlap, events go to whichever query already
        favours their class, wherever it lies, and a span that is disjoint from its event gets no
        gradient. With little data, 5 (the weight of the overlap in the loss) is what lets spans
        learn at all.
    iou_mean : {"matched", "all"}, default="matched"
        ``"matched"`` averages the IoU term over matched queries, as braindecode's `DanceLoss` does.
        ``"all"`` averages over all queries, each unmatched one adding the constant 1, as the first
        public release of DANCE does: the gradient is then multiplied by the fraction of queries
        that are matched, so windows with few events hardly train the spans.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or ``iou_mean`` is unknown.
    """

    def __init__(
        self,
        *,
        weight_class=1.0,
        weight_iou=5.0,
        weight_dense=1.0,
        weight_consistency=0.5,
        match_iou=1.0,
        iou_mean="matched",
    ):
        super().__init__()
        self.weights = {
            "class": weight_class,
            "iou": weight_iou,
            "dense": weight_dense,
            "consistency": weight_consistency,
        }
        for name, weight in self.weights.items():
            validation.number(weight, f"weight_{name}", at_least=0)
        validation.choice(iou_mean, ("matched", "all"), "iou_mean")
        self.match_iou = validation.number(match_iou, "match_iou", at_least=0)
        self.iou_mean = iou_mean

    def extra_repr(self):
        """Weights, for ``print(criterion)``."""
        weights = ", ".join(f"weight_{name}={w:g}" for name, w in self.weights.items())
        return f"{weights}, match_iou={self.match_iou:g}, iou_mean={self.iou_mean!r}"

    def forward(self, output, targets):
        """Loss of a batch.

        Parameters
        ----------
        output : dict of str to Tensor
            ``"class"``, logits, shape (batch, n_queries, n_classes + 1); ``"start"`` and ``"end"``,
            fractions of the window, shape (batch, n_queries); ``"dense"``, logits, shape
            (batch, n_tokens, n_classes + 1).
        targets : dict of str to Tensor
            ``"class"``, ``"start"``, ``"end"``, shape (batch, max_events), padded with class 0, as
            `common.events.pad_targets` makes them; optionally ``"dense"``, classes, shape
            (batch, n_tokens), otherwise drawn from the events by `dense_labels`.

        Returns
        -------
        loss : Tensor, shape ()
        terms : dict of str to Tensor, each of shape ()
            The weighted terms ``"class"``, ``"iou"``, ``"dense"``, ``"consistency"``, detached.
            They add up to the loss; a term that was not computed is 0.

        Raises
        ------
        ValueError
            If something is missing, shapes differ, a window has more events than queries, times are
            no fractions of the window, a label is no class of the network, or a time that the
            network answers is NaN.
        """
        weights = self.weights
        dense = weights["dense"] > 0 or weights["consistency"] > 0
        _check(output, targets, dense=dense)
        output = {name: value.float() for name, value in output.items()}  # under autocast too
        terms = {}
        if weights["class"] > 0 or weights["iou"] > 0:
            pairs = _match(
                output, targets, weight_class=weights["class"], weight_iou=self.match_iou
            )
            if weights["class"] > 0:
                terms["class"] = _class_term(output, targets, pairs)
            if weights["iou"] > 0:
                terms["iou"] = _iou_term(output, targets, pairs, self.iou_mean)
        if weights["dense"] > 0:
            labels = targets.get("dense")
            if labels is None:
                labels = _dense_labels(targets, output["dense"].shape[1])
            terms["dense"] = functional.cross_entropy(
                output["dense"].flatten(0, 1), labels.flatten().long()
            )
        if weights["consistency"] > 0:
            terms["consistency"] = _consistency_term(output)
        terms = {name: weights[name] * value for name, value in terms.items()}
        zero = output["class"].new_zeros(())
        loss = sum(terms.values(), zero)
        return loss, {name: terms.get(name, zero).detach() for name in weights}


@torch.no_grad()
def match(output, targets, *, weight_class=1.0, weight_iou=1.0):
    """Assign the true events of every window to queries, at the least total cost.

    Costs of the whole batch are computed at once and cross to the host in one copy; only the
    assignment itself, on the real events, is solved window by window.

    Parameters
    ----------
    output, targets : dict of str to Tensor
        As in `SetCriterion.forward`.
    weight_class, weight_iou : float, default=1.0
        Weights of the class and of the overlap in the cost.

    Returns
    -------
    window, query, event : Tensor of int64, each of shape (n_pairs,)
        Query ``query[i]`` of window ``window[i]`` answers for event ``event[i]`` of that window.

    Raises
    ------
    ValueError
        If a window has more events than queries, times are no fractions of the window, or a label
        is no class of the network.
    """
    _check_events(targets, n_classes=output["class"].shape[2] - 1)
    return _match(output, targets, weight_class=weight_class, weight_iou=weight_iou)


@torch.no_grad()
def _match(output, targets, *, weight_class, weight_iou):
    label = targets["class"].long()
    n_queries = output["class"].shape[1]
    # (batch, n_queries, max_events): the log-probability that each query gives to each event.
    index = label[:, None, :].expand(-1, n_queries, -1)
    log_p = output["class"].log_softmax(dim=2).gather(2, index)
    overlap = _iou(
        output["start"][:, :, None],
        output["end"][:, :, None],
        targets["start"][:, None, :],
        targets["end"][:, None, :],
    )
    cost = weight_class * (-log_p) + weight_iou * (1.0 - overlap)
    cost = torch.nan_to_num(cost, nan=_WORST, posinf=_WORST, neginf=_WORST)
    # Infinity marks the padding, so that the labels need no copy of their own.
    cost = cost.masked_fill((label == 0)[:, None, :], torch.inf).cpu().numpy()
    pairs = [np.zeros((3, 0), dtype=np.int64)]
    for b, costs in enumerate(cost):
        real = np.flatnonzero(np.isfinite(costs[0]))
        if len(real) > n_queries:
            raise ValueError(
                f"window {b} of the batch has {len(real)} events but the network has {n_queries} "
                "queries. Build the network with more queries or shorten the window."
            )
        if len(real):
            query, column = linear_sum_assignment(costs[:, real])
            pairs.append(np.stack([np.full_like(query, b), query, real[column]]))
    return torch.from_numpy(np.concatenate(pairs, axis=1)).to(label.device).unbind()


def render_queries(logits, start, end, n_tokens):
    """Class probabilities on the grid of tokens according to the queries.

    Probabilities of the queries are added where a span starts, subtracted where it ends, and summed
    cumulatively, so the cost is that of the queries plus that of the tokens. Sums are taken in
    double precision (single on MPS, which has no other): what is subtracted must cancel what was
    added.

    Parameters
    ----------
    logits : Tensor, shape (batch, n_queries, n_classes + 1)
    start, end : Tensor, shape (batch, n_queries)
        Fractions of the window. A span that ends before it starts covers nothing.
    n_tokens : int

    Returns
    -------
    probabilities : Tensor, shape (batch, n_tokens, n_classes + 1)
        Sums to one over classes where some query is; 0 elsewhere. Differentiable in the logits.

    Raises
    ------
    ValueError
        If there is no token, or a time is NaN.
    """
    n_tokens = validation.count(n_tokens, "n_tokens")
    _check_times({"start": start, "end": end})
    return _render(logits, start, end, n_tokens)


def _render(logits, start, end, n_tokens):
    batch, _, n_outputs = logits.shape
    precise = torch.float32 if logits.device.type == "mps" else torch.float64
    with torch.no_grad():
        first, last = (
            (time.to(precise) * n_tokens).clamp(0, n_tokens).long() for time in (start, end)
        )
        covers = first < last
        offset = (n_tokens + 1) * torch.arange(batch, device=logits.device)[:, None]
        index = torch.cat([(offset + first).flatten(), (offset + last).flatten()])
        step = covers.flatten().to(precise)
        count = torch.zeros(batch * (n_tokens + 1), dtype=precise, device=logits.device)
        count.index_add_(0, index, torch.cat([step, -step]))
        covered = count.view(batch, n_tokens + 1).cumsum(1)[:, :n_tokens, None] > 0.5
    p = logits.softmax(dim=2).to(precise).flatten(0, 1) * step[:, None]
    change = p.new_zeros(batch * (n_tokens + 1), n_outputs).index_add(0, index, torch.cat([p, -p]))
    total = change.view(batch, n_tokens + 1, n_outputs).cumsum(1)[:, :n_tokens]
    # Rounding leaves about 1e-16 where all spans have ended; normalised, it would be noise.
    total = total * covered
    return (total / (total.sum(dim=2, keepdim=True) + _LEAST)).to(logits.dtype)


@torch.no_grad()
def dense_labels(targets, n_tokens):
    """Class of every token according to padded targets; later events overwrite earlier ones.

    Parameters
    ----------
    targets : dict of str to Tensor
        ``"class"``, ``"start"``, ``"end"``, shape (batch, max_events).
    n_tokens : int

    Returns
    -------
    labels : Tensor of int64, shape (batch, n_tokens)
        0 = no event.

    Raises
    ------
    ValueError
        If times are no fractions of the window, labels are no whole numbers, or there is no token.
    """
    _check_events(targets)
    return _dense_labels(targets, validation.count(n_tokens, "n_tokens"))


@torch.no_grad()
def _dense_labels(targets, n_tokens):
    label = targets["class"].long()
    first, last = (
        (targets[name] * n_tokens).clamp(0, n_tokens).long()[:, :, None]
        for name in ("start", "end")
    )
    token = torch.arange(n_tokens, device=label.device)
    covers = (first <= token) & (token < last) & (label != 0)[:, :, None]
    # Number (from 1) of the last event that covers each token, 0 for none; event 0 has class 0.
    number = torch.arange(1, label.shape[1] + 1, device=label.device)[None, :, None]
    latest = (covers * number).amax(dim=1) if label.shape[1] else covers.sum(dim=1)
    return functional.pad(label, (1, 0)).gather(1, latest)


def _class_term(output, targets, pairs):
    window, query, event = pairs
    logits = output["class"]
    labels = torch.zeros(logits.shape[:2], dtype=torch.long, device=logits.device)
    labels[window, query] = targets["class"][window, event].long()
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


def _iou_term(output, targets, pairs, mean):
    window, query, event = pairs
    overlap = _iou(
        output["start"][window, query],
        output["end"][window, query],
        targets["start"][window, event],
        targets["end"][window, event],
    )
    total = (1.0 - overlap).sum()
    n_matched = len(window)
    if mean == "matched":
        return total / max(n_matched, 1)
    n_queries = output["start"].numel()
    return (total + (n_queries - n_matched)) / n_queries


def _consistency_term(output):
    dense = output["dense"].softmax(dim=2).clamp(min=_LEAST)
    queries = _render(
        output["class"], output["start"], output["end"], output["dense"].shape[1]
    ).clamp(min=_LEAST)
    divergence = functional.kl_div(queries.log(), dense, reduction="none")
    return divergence.sum(dim=2).mean()


def _iou(start, end, starts, ends):
    # The hull is the union wherever the two overlap, and is positive for a true event even when
    # the network's span ends before it starts.
    shared = (torch.minimum(end, ends) - torch.maximum(start, starts)).clamp(min=0)
    hull = torch.maximum(end, ends) - torch.minimum(start, starts)
    return shared / (hull + _EPSILON)


def _check(output, targets, *, dense):
    for kind, given, names in (
        ("output", output, ("class", "start", "end", "dense")[: 4 if dense else 3]),
        ("targets", targets, ("class", "start", "end")),
    ):
        missing = [name for name in names if name not in given]
        if missing:
            raise ValueError(f"{kind} lacks {missing}; it has {sorted(given)}.")
    shapes = {f"output {name}": tuple(value.shape) for name, value in output.items()}
    shapes |= {f"target {name}": tuple(v.shape) for name, v in targets.items() if v is not None}
    batch, n_queries, n_outputs = output["class"].shape
    n_tokens = output["dense"].shape[1] if dense else None
    n_events = targets["class"].shape[-1]
    expected = {
        "output start": (batch, n_queries),
        "output end": (batch, n_queries),
        "output dense": (batch, n_tokens, n_outputs),
        "target class": (batch, n_events),
        "target start": (batch, n_events),
        "target end": (batch, n_events),
        "target dense": (batch, n_tokens),
    }
    for name, shape in expected.items():
        if name in shapes and shapes[name] != shape and (dense or "dense" not in name):
            raise ValueError(f"{name} must have shape {shape}, got {shapes[name]}.")
    _check_times(output)
    _check_events(targets, n_classes=n_outputs - 1)
    labels = targets.get("dense")
    if dense and labels is not None:
        _check_labels(labels, "dense", n_outputs - 1)


@torch.no_grad()
def _check_times(output):
    """No time that the network answers is NaN: it would lie at no token."""
    for name in ("start", "end"):
        wrong = output[name].isnan()
        if wrong.any():
            b, q = torch.nonzero(wrong)[0].tolist()
            raise ValueError(
                f"output {name} is nan for query {q} of window {b}, one of {int(wrong.sum())} such "
                "values. Has training diverged? Lower the learning rate, and see whether the "
                "recordings are finite and standardised."
            )


@torch.no_grad()
def _check_events(targets, n_classes=None):
    """Labels are classes, and the times of events are fractions of the window, in order."""
    label, start, end = (targets[name] for name in ("class", "start", "end"))
    _check_labels(label, "class", n_classes)
    fine = (start >= -_SLACK) & (end <= 1 + _SLACK) & (start <= end)  # false for nan
    wrong = ~fine & (label != 0)
    if wrong.any():
        b, k = torch.nonzero(wrong)[0].tolist()
        raise ValueError(
            f"event {k} of window {b} goes from {start[b, k].item():g} to {end[b, k].item():g}; "
            "times are fractions of the window, 0 <= start <= end <= 1. Are they in seconds? "
            "Divide by the window: pad_targets(windows, window=…)."
        )


def _check_labels(label, name, n_classes):
    if label.is_floating_point() or label.is_complex() or label.dtype == torch.bool:
        raise ValueError(
            f"target {name} must hold whole numbers, got {label.dtype}. Convert it: label.long()."
        )
    label = label.long()  # of unsigned numbers torch knows neither minimum nor index
    low, high = (int(label.min()), int(label.max())) if label.numel() else (0, 0)
    if low < 0 or (n_classes is not None and high > n_classes):
        value = low if low < 0 else high
        known = "0 or more" if n_classes is None else f"0 to {n_classes}, as the network has"
        raise ValueError(f"target {name} has the label {value}; labels are {known}.")
