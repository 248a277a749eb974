"""From what a network answers to events: per query, or per token.

Networks answer for windows. `decode_set` reads the queries of a set-prediction network, one set of
events per window (`common.events.merging` joins them over a recording); `decode_dense` reads class
probabilities per token of overlapping windows, which it averages first.
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import softmax

from common import validation
from common.events.sets import Events

__all__ = ["average_windows", "decode_dense", "decode_set", "runs"]

_MOST_TOKENS = 50_000_000  # of a grid: more than a year at one a second, nine days at 64


def decode_set(output, *, window, start=0.0):
    """Events that the queries of a set-prediction network answer, window by window.

    A query is an event when its most probable class is not 0; there is no threshold and no
    suppression of neighbours. Its confidence is the probability of that class. Spans are cut at the
    window's edges. A span that ends before it starts becomes an event without duration at its
    middle: it keeps counting as a false positive, since its IoU with anything is 0.

    Parameters
    ----------
    output : dict
        ``"class"``, logits, shape (n_windows, n_queries, n_classes + 1); ``"start"`` and
        ``"end"``, fractions of the window, shape (n_windows, n_queries). Arrays or tensors.
    window : float
        Length of the windows, in s.
    start : float or array_like, shape (n_windows,), default=0.0
        Start of each window, in s of the recording.

    Returns
    -------
    events : list of Events
        One set per window, with confidence, in s of the recording.

    Raises
    ------
    TypeError
        If the output is no dict, or it or ``start`` does not hold real numbers.
    ValueError
        If a key is missing, shapes differ, a value is masked or not finite, or the window has no
        length.
    """
    window = validation.number(window, "window", above=0, unit="s")
    if not isinstance(output, Mapping):
        raise TypeError(
            f"output must be a dict with 'class', 'start' and 'end', got {type(output).__name__}."
        )
    arrays = {name: _array(output, name) for name in ("class", "start", "end")}
    logits, first, last = arrays.values()
    if logits.ndim != 3 or first.shape != logits.shape[:2] or last.shape != logits.shape[:2]:
        shapes = {name: values.shape for name, values in arrays.items()}
        raise ValueError(
            "class must have shape (n_windows, n_queries, n_classes + 1), start and end "
            f"(n_windows, n_queries); got {shapes}."
        )
    for name, values in arrays.items():
        if not np.all(np.isfinite(values)):
            raise ValueError(f"{name} of the output is not finite. Has training diverged?")
    starts = validation.array(start, "start", unit="s", empty=True)
    if starts.ndim:
        validation.same_length(windows=logits, start=starts)
    starts = np.broadcast_to(starts, len(logits))
    probability = softmax(logits, axis=2)
    label, confidence = probability.argmax(axis=2), probability.max(axis=2)
    first, last = (np.clip(times, 0.0, 1.0) * window for times in (first, last))
    middle = (first + last) / 2
    backward = last < first
    first, last = np.where(backward, middle, first), np.where(backward, middle, last)
    return [
        Events(first[i, kept] + s, last[i, kept] + s, label[i, kept], confidence[i, kept])
        for i, (s, kept) in enumerate(zip(starts, label != 0, strict=True))
    ]


def average_windows(probabilities, starts, *, window):
    """Mean class probabilities on one grid of tokens for the whole recording.

    Windows are placed at the nearest token. Where no window is, the background has probability 1.

    Parameters
    ----------
    probabilities : array_like, shape (n_windows, n_tokens, n_classes + 1)
        Of each token of each window.
    starts : array_like, shape (n_windows,)
        Start of each window, in s of the recording, 0 or later: the grid begins at 0, and has at
        most 50 million tokens.
    window : float
        Length of the windows, in s.

    Returns
    -------
    mean : ndarray, shape (n_grid, n_classes + 1)
        Token t of the grid stands for ``[t, t + 1) * window / n_tokens`` s.

    Raises
    ------
    TypeError
        If probabilities or starts are no real numbers.
    ValueError
        If shapes differ, a probability is NaN, masked or outside [0, 1], windows have no token, a
        start is masked, a window starts before the recording or has no length, or the grid would
        be too large.
    """
    window = validation.number(window, "window", above=0, unit="s")
    probabilities = _probabilities(probabilities)
    starts = validation.array(starts, "starts", at_least=0, unit="s", empty=True)
    starts = starts.astype(float, copy=False)
    if probabilities.ndim != 3 or starts.shape != probabilities.shape[:1]:
        raise ValueError(
            "probabilities must have shape (n_windows, n_tokens, n_classes + 1) and starts "
            f"(n_windows,); got {probabilities.shape} and {starts.shape}."
        )
    n_tokens = probabilities.shape[1]
    if n_tokens == 0:
        raise ValueError(
            f"probabilities of shape {probabilities.shape} hold no token: windows need one at "
            "least. Does the network reduce them to nothing? Use a longer window."
        )
    with np.errstate(over="ignore"):  # the error below says so
        first = np.round(starts * n_tokens / window)
    if starts.size and not first.max() + n_tokens <= _MOST_TOKENS:
        raise ValueError(
            f"the window at {starts.max():g} s, with {n_tokens} tokens in {window:g} s, needs a "
            f"grid of {first.max() + n_tokens:.3g} tokens from 0 s on, more than "
            f"{_MOST_TOKENS:,}. Count starts from the beginning of the recording, in s."
        )
    first = first.astype(int)
    n_grid = int(first.max(initial=0)) + n_tokens if starts.size else 0
    total = np.zeros((n_grid, probabilities.shape[2]))
    count = np.zeros(n_grid)
    for begin, values in zip(first, probabilities, strict=True):
        total[begin : begin + n_tokens] += values
        count[begin : begin + n_tokens] += 1
    total[count == 0, 0] = 1.0
    return total / np.maximum(count, 1)[:, None]


def decode_dense(probabilities, starts=None, *, window, minimum=0.0):
    """Events as runs of tokens with the same most probable class.

    Two events of one class that touch come back as one: a labelling of tokens cannot tell them
    apart, which is what set prediction is for.

    Parameters
    ----------
    probabilities : array_like, shape (n_windows, n_tokens, n_classes + 1)
        Of each token of each window; a single window may have shape (n_tokens, n_classes + 1).
    starts : array_like, shape (n_windows,), optional
        Start of each window, in s of the recording. By default one window at 0.
    window : float
        Length of the windows, in s.
    minimum : float, default=0.0
        Shorter runs, in s, are not events.

    Returns
    -------
    events : Events
        In s of the recording; confidence is the mean probability of the class over the run.

    Raises
    ------
    TypeError, ValueError
        As `average_windows`, and if ``minimum`` is negative or NaN.
    """
    minimum = validation.number(minimum, "minimum", at_least=0, unit="s")
    probabilities = _probabilities(probabilities)
    if probabilities.ndim == 2:
        probabilities = probabilities[None]
    mean = average_windows(probabilities, [0.0] if starts is None else starts, window=window)
    label = mean.argmax(axis=1)
    first, last = runs(label)
    # Cumulative sums give the mean over every run at once.
    total = np.concatenate([np.zeros((1, mean.shape[1])), np.cumsum(mean, axis=0)])
    classes = label[first]
    confidence = (total[last, classes] - total[first, classes]) / np.maximum(last - first, 1)
    step = window / probabilities.shape[1]
    kept = (classes != 0) & ((last - first) * step >= minimum)
    return Events(
        first[kept] * step,
        last[kept] * step,
        classes[kept],
        np.clip(confidence[kept], 0.0, 1.0),
    )


def runs(values):
    """Longest stretches of equal neighbours.

    Parameters
    ----------
    values : ndarray, shape (n_values,)

    Returns
    -------
    first, last : ndarray of int, shape (n_runs,)
        Run i is ``values[first[i]:last[i]]``.

    Raises
    ------
    ValueError
        If there is more than one axis, or a value is missing.

    Examples
    --------
    >>> runs(np.array([0, 0, 3, 3, 3, 1]))
    (array([0, 2, 5]), array([2, 5, 6]))
    """
    values = validation.labels(values, "values")
    if len(values) == 0:
        none = np.zeros(0, dtype=int)
        return none, none
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    return np.concatenate([[0], edges]), np.concatenate([edges, [len(values)]])


def _probabilities(values):
    # A softmax in single precision exceeds 1 by its rounding.
    return validation.array(
        values, "probabilities", at_least=0, at_most=1 + 1e-6, empty=True
    ).astype(float, copy=False)


def _array(output, name):
    if name not in output:
        raise ValueError(f"the output has no {name!r}; it has {sorted(output)}.")
    values = output[name]
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()
    values = np.asarray(validation.unmasked(values, f"{name} of the output"))
    if values.dtype.kind not in "iuf":
        raise TypeError(f"{name} of the output must hold real numbers, got {values.dtype}.")
    return values.astype(float, copy=False)
