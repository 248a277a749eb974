"""Baselines: a sliding-window classifier, and a classifier that is told where the events are.

Both use EEGNet from braindecode on short windows, trained on classes in equal shares. The first
slides over the recording and joins neighbouring windows of one class into an event; the second
classifies one window at every true event, and is scored as if it had found the span itself.
"""

import warnings

import braindecode.models  # noqa: F401 - so that jobs are forked with it, see CONTRIBUTING.md
import numpy as np
import torch
from torch.nn import functional

from common import validation
from common.events import optimization
from common.events.decoding import decode_dense
from common.events.recording import check_alike
from common.events.sets import Events

__all__ = ["class_shares", "classify_events", "slide", "train_classifier"]


def train_classifier(
    recordings,
    *,
    n_classes,
    window,
    n_steps,
    lr,
    batch_size,
    rng,
    background,
    device="cpu",
):
    """Train EEGNet to name what happens in a short window.

    Parameters
    ----------
    recordings : sequence of Recording
    n_classes : int
        Number K of event classes.
    window : float
        In s.
    n_steps, lr, batch_size
        See `common.events.optimization.fit`.
    rng : numpy.random.Generator
        Draws windows; classes are drawn with equal probability.
    background : bool
        Whether class 0, "no event", is one of the answers. If so, a window belongs to the event
        that covers its centre (the shortest one, if several do); otherwise windows start at onsets.
    device : str, default="cpu"

    Returns
    -------
    model : torch.nn.Module
        Maps ``(batch, n_channels, n_times)`` to K + 1 logits, or K without background.
    curve : list of dict
        See `common.events.optimization.fit`.

    Raises
    ------
    ValueError
        If a class does not occur in the recordings, they have events of further classes, their
        channels or sampling frequencies differ, or a number is out of range.
    TypeError
        If ``rng`` is no generator.
    """
    n_classes = validation.count(n_classes, "n_classes")
    window = validation.number(window, "window", above=0, unit="s")
    batch_size = validation.count(batch_size, "batch_size")
    rng = validation.generator(rng)
    check_alike(recordings, n_classes=n_classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from braindecode.models import EEGNet

    first = recordings[0]
    n_times = round(window * first.sfreq)
    model = EEGNet(
        n_chans=len(first.channels),
        n_outputs=n_classes + background,
        n_times=n_times,
        kernel_length=n_times // 2,
        F1=16,
        D=2,
        F2=32,
        drop_prob=0.1,
        # The default, 0.01, averages more steps than a short training has: what is tested would
        # then normalise by the statistics of a network that was not trained yet.
        batch_norm_momentum=0.1,
    ).to(device)
    draw = _centres if background else _onsets
    pools = [draw(recordings, label, window) for label in range(1 - background, n_classes + 1)]
    for label, pool in zip(range(1 - background, n_classes + 1), pools, strict=True):
        if not len(pool):
            raise ValueError(
                f"class {label} does not occur in the {len(recordings)} recordings, so it cannot "
                "be learnt. Use more recordings or drop the class."
            )

    def batches():
        while True:
            y = rng.integers(len(pools), size=batch_size)
            X = []
            for label in y:
                index, low, high = pools[label][rng.integers(len(pools[label]))]
                X.append(_cut(recordings[int(index)], rng.uniform(low, high), n_times))
            yield (
                torch.from_numpy(np.stack(X)).to(device),
                torch.from_numpy(y).to(device),
            )

    def loss(batch):
        X, y = batch
        value = functional.cross_entropy(model(X), y)
        return value, {"class": value.detach()}

    model.train()
    curve = optimization.fit(model.parameters(), batches(), loss, n_steps=n_steps, lr=lr)
    return model.eval(), curve


@torch.no_grad()
def slide(model, recording, *, window, stride, minimum=0.0, prior=None, device="cpu"):
    """Events as runs of windows with the same most probable class.

    Parameters
    ----------
    model : torch.nn.Module
        Trained with ``background=True``.
    recording : Recording
    window, stride : float
        In s. A window speaks for the ``stride`` seconds around its centre.
    minimum : float, default=0.0
        Shorter runs, in s, are not events.
    prior : array_like, shape (n_classes + 1,), optional
        Share of the time of each class. Training showed classes in equal shares; probabilities are
        corrected by it (Bayes' rule). By default they are not.
    device : str

    Returns
    -------
    events : Events
        With confidence.

    Raises
    ------
    ValueError
        If a length is not positive, the recording is shorter than ``stride``, or ``prior`` is no
        share of each class.
    """
    window = validation.number(window, "window", above=0, unit="s")
    stride = validation.number(stride, "stride", above=0, at_most=recording.duration, unit="s")
    n_times = round(window * recording.sfreq)
    n_tokens = int(recording.duration / stride + 1e-9)  # 1.2 s in steps of 0.1 s are 12
    starts = (np.arange(n_tokens) + 0.5) * stride - window / 2
    X = np.stack([_cut(recording, start, n_times) for start in starts])
    logits = torch.cat([model(part.to(device)).cpu() for part in torch.from_numpy(X).split(1024)])
    if prior is not None:
        prior = validation.vector(prior, "prior", at_least=0, at_most=1)
        validation.same_length(prior=prior, classes=logits[0])
        logits = logits + torch.log(torch.as_tensor(prior.astype(np.float32)) + 1e-6)
    probabilities = logits.softmax(dim=1).numpy()
    return decode_dense(probabilities, window=n_tokens * stride, minimum=minimum)


@torch.no_grad()
def classify_events(model, recording, *, window, device="cpu"):
    """Classify one window at every true onset.

    Parameters
    ----------
    model : torch.nn.Module
        Trained with ``background=False``.
    recording : Recording
    window : float
        In s, from the onset.
    device : str

    Returns
    -------
    events : Events
        The true spans with predicted classes and their probabilities.

    Raises
    ------
    ValueError
        If the window has no length.
    """
    window = validation.number(window, "window", above=0, unit="s")
    events = recording.events
    if not len(events):
        return Events.empty(confidence=True)
    n_times = round(window * recording.sfreq)
    X = np.stack([_cut(recording, start, n_times) for start in events.start])
    probabilities = model(torch.from_numpy(X).to(device)).softmax(dim=1).cpu().numpy()
    return Events(
        events.start, events.end, probabilities.argmax(axis=1) + 1, probabilities.max(axis=1)
    )


def class_shares(recordings, *, n_classes, step=0.05):
    """Share of the time that belongs to each class, background first.

    Where events overlap, the time belongs to the shortest.

    Parameters
    ----------
    recordings : sequence of Recording
    n_classes : int
        Number K of event classes.
    step : float, default=0.05
        Of the grid of times, in s.

    Returns
    -------
    shares : ndarray, shape (n_classes + 1,)
        They sum to one.

    Raises
    ------
    ValueError
        If there is no recording, or one has events of further classes.
    """
    n_classes = validation.count(n_classes, "n_classes")
    step = validation.number(step, "step", above=0, unit="s")
    check_alike(recordings, n_classes=n_classes)
    owners = [_owners(r.events, np.arange(0, r.duration, step)) for r in recordings]
    counts = np.bincount(np.concatenate(owners), minlength=n_classes + 1)
    return counts / counts.sum()


def _cut(recording, start, n_times):
    """One window, float32; what lies beyond the recording is zero."""
    first = round(start * recording.sfreq)
    low = max(first, 0)
    high = max(low, min(first + n_times, recording.data.shape[1]))
    X = np.zeros((len(recording.data), n_times), dtype=np.float32)
    X[:, low - first : high - first] = recording.data[:, low:high]
    return X


def _onsets(recordings, label, window):
    """Where windows of a class may start: rows ``recording, low, high``, one per event."""
    pool = [np.empty((0, 3))]
    for i, recording in enumerate(recordings):
        start = recording.events.start[recording.events.label == label]
        pool.append(np.column_stack([np.full(len(start), i), start, start]))
    return np.concatenate(pool)


def _centres(recordings, label, window):
    """Where windows may start so that their centres belong to a class; rows as of `_onsets`."""
    pool = [np.empty((0, 3))]  # arrays: hours of background are millions of rows
    for i, recording in enumerate(recordings):
        grid = np.arange(0, recording.duration, 0.05)
        start = grid[_owners(recording.events, grid) == label] - window / 2
        pool.append(np.column_stack([np.full(len(start), i), start, start + 0.05]))
    return np.concatenate(pool)


def _owners(events, times):
    """Label of the shortest event that covers each time, 0 where there is none."""
    owner = np.zeros(len(times), dtype=int)
    for k in np.argsort(-(events.end - events.start), kind="stable"):
        owner[(times >= events.start[k]) & (times < events.end[k])] = events.label[k]
    return owner
