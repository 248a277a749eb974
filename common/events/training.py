"""Training of DANCE on continuous recordings, in stages, and detection with what was trained.

With the authors' budget one stage is enough: every weight, the whole loss, 100 epochs. Within two
minutes on one core it is not, because early on the gradient of the overlap term, five times as
heavy as the others, drowns the one that would teach the encoder what events look like, and the cost
of a step is the encoder's. Three stages on the same loss and network get there:

1. ``"dense"``: the encoder learns from the dense term alone;
2. ``"decoder"``: the decoder learns from the whole loss on windows whose encoding is kept;
3. ``"all"``: every weight, the whole loss.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from tqdm.auto import tqdm

from common import validation
from common.events import optimization
from common.events.criterion import dense_labels
from common.events.decoding import decode_dense, decode_set
from common.events.merging import merge_windows
from common.events.recording import check_alike
from common.events.windows import pad_targets, targets, window_starts

__all__ = ["Stage", "detect", "random_windows", "train"]


@dataclass(frozen=True)
class Stage:
    """One stage of a training.

    Parameters
    ----------
    trains : {"dense", "decoder", "all"}
        See the module's text.
    n_steps : int
    lr : float
        Highest learning rate.
    batch_size : int
        Windows per step.
    n_windows : int, optional
        Only for ``"decoder"``: number of windows that are encoded once and then drawn from,
        rounded up to whole batches.
    every, patience : int, optional
        Of `common.events.optimization.fit`, where there is something to validate on.
    """

    trains: str
    n_steps: int
    lr: float
    batch_size: int
    n_windows: int | None = None
    every: int | None = None
    patience: int | None = None

    @classmethod
    def of(cls, *, n_windows_per_epoch, n_epochs=None, n_steps=None, **rest):
        """A stage whose length is given in steps or in epochs.

        Parameters
        ----------
        n_windows_per_epoch : int
            Windows that make an epoch.
        n_epochs, n_steps : int, optional
            One of the two.
        **rest
            Other attributes. With ``n_epochs``, ``patience`` counts epochs.

        Returns
        -------
        stage : Stage

        Raises
        ------
        ValueError
            If both or neither of ``n_epochs`` and ``n_steps`` are given.
        """
        if (n_epochs is None) == (n_steps is None):
            raise ValueError(f"give n_epochs or n_steps, got {n_epochs} and {n_steps}.")
        if n_epochs is not None:
            per_epoch = -(-n_windows_per_epoch // rest["batch_size"])
            rest.setdefault("every", per_epoch)
            n_steps = n_epochs * per_epoch
        return cls(n_steps=n_steps, **rest)

    def __post_init__(self):
        if self.trains not in _STAGES:
            raise ValueError(f"trains={self.trains!r} is unknown. Use one of {sorted(_STAGES)}.")
        if self.trains == "decoder" and not self.n_windows:
            raise ValueError('a stage that trains the "decoder" needs n_windows, at least 1.')
        validation.number(self.lr, "lr", above=0)
        for name in ("n_steps", "batch_size", "n_windows", "every", "patience"):
            if getattr(self, name) is not None:
                validation.count(getattr(self, name), name)


def random_windows(
    recordings,
    *,
    window,
    n_queries,
    batch_size,
    rng,
    policy="clip",
    sampler=None,
    minimum=0.05,
    overlap=None,
):
    """Endless batches of windows from random places of random recordings.

    Parameters
    ----------
    recordings : sequence of Recording
        None shorter than the window. A recording is drawn in proportion to its number of places.
    window : float
        In s.
    n_queries : int
        Most events that a window may have.
    batch_size : int
    rng : numpy.random.Generator
    policy, minimum
        Of events cut by the window's edges, see `common.events.targets`.
    sampler : tuple of float, optional
        ``(a, b)``: a window of which events cover the fraction o is drawn with a weight of
        ``a + (1 - a) * min(1, b * o)``, as the authors do on seizures (0.01, 5). By default every
        place is as likely as any other. (Without ``overlap`` there is a place every 0.5 s, and the
        fraction is that of a window which starts there.)
    overlap : float, optional
        If given, windows come from a grid on which neighbours share this fraction, as the authors
        do (0, for seizures 0.5). By default they begin anywhere: up to 0.5 s after their place.

    Yields
    ------
    X : Tensor of float32, shape (batch_size, n_channels, n_times)
    targets : dict of Tensor
        As `common.events.pad_targets` makes them.

    Raises
    ------
    ValueError
        If there is no recording, one is shorter than the window, channels or sampling frequencies
        differ, ``overlap`` is not in [0, 1), ``sampler`` gives no place a weight, or a number is
        NaN or out of range.
    TypeError
        If ``rng`` is no generator.
    """
    check_alike(recordings)
    window = validation.number(window, "window", above=0, unit="s")
    batch_size = validation.count(batch_size, "batch_size")
    rng = validation.generator(rng)
    for recording in recordings:
        _check_length(recording, window)
    if overlap is not None:
        overlap = validation.number(overlap, "overlap", at_least=0, below=1)
    step, jitter = (0.5, 0.5) if overlap is None else (window * (1 - overlap), 0.0)
    places = [
        np.arange(0, recording.duration - window + 1e-9, step, dtype=float)
        for recording in recordings
    ]
    owner = np.concatenate([np.full(len(p), i) for i, p in enumerate(places)])
    place = np.concatenate(places)
    weight = np.ones(len(place))
    if sampler is not None:
        a = validation.number(sampler[0], "a of the sampler", at_least=0, at_most=1)
        b = validation.number(sampler[1], "b of the sampler", at_least=0)
        covered = [
            _occupancy(recording, starts, window)
            for recording, starts in zip(recordings, places, strict=True)
        ]
        weight = a + (1 - a) * np.minimum(1.0, b * np.concatenate(covered))
    if not weight.any():
        raise ValueError(
            f"sampler={tuple(sampler)} draws no window: a is 0, and no window holds an event. "
            "Use a above 0."
        )
    weight = weight / weight.sum()
    while True:
        X, inside = [], []
        for k in rng.choice(len(place), size=batch_size, p=weight):
            recording = recordings[owner[k]]
            start = min(place[k] + rng.uniform(0, jitter), recording.duration - window)
            n_times = round(window * recording.sfreq)
            start = min(round(start * recording.sfreq), recording.data.shape[1] - n_times)
            start /= recording.sfreq
            X.append(recording.windows([start], n_times)[0])
            inside.append(
                targets(recording.events, start, window=window, policy=policy, minimum=minimum)[0]
            )
        batch = pad_targets(inside, window=window, n_queries=n_queries)
        yield (
            torch.from_numpy(np.stack(X).astype(np.float32, copy=False)),
            {name: torch.from_numpy(values) for name, values in batch.items()},
        )


def train(model, batches, criterion, stages, *, device="cpu", generator=None, validate=None):
    """Train a DANCE network, stage after stage.

    Parameters
    ----------
    model : braindecode.models.DANCE
        Trained in place; left in evaluation mode.
    batches : callable
        Maps a batch size to an iterator of ``(X, targets)``, see `random_windows`.
    criterion : SetCriterion
    stages : sequence of Stage
    device : str, default="cpu"
    generator : numpy.random.Generator, optional
        Draws from the kept windows of a ``"decoder"`` stage; needed if there is one.
    validate : callable, optional
        Maps the network to a score; lets stages with ``patience`` stop early.

    Returns
    -------
    curve : list of dict
        Of `common.events.optimization.fit`, with the stage's number and name in ``stage`` and
        ``trains``.

    Raises
    ------
    ValueError
        If a stage trains the decoder and there is no ``generator``.
    """
    if generator is None and any(stage.trains == "decoder" for stage in stages):
        raise ValueError('a stage that trains the "decoder" needs a generator.')
    model.to(device)
    curve = []
    for number, stage in enumerate(stages, start=1):
        model.train()
        source = _to(batches(stage.batch_size), device)
        trained, source, loss = _STAGES[stage.trains](model, source, criterion, stage, generator)
        patient = validate is not None and stage.patience is not None
        points = optimization.fit(
            trained,
            source,
            loss,
            n_steps=stage.n_steps,
            lr=stage.lr,
            label=stage.trains,
            validate=_validation(model, validate) if patient else None,
            every=stage.every,
            patience=stage.patience,
        )
        curve += [{"stage": number, "trains": stage.trains, **point} for point in points]
    model.eval()
    return curve


@torch.no_grad()
def detect(
    model,
    recording,
    *,
    window,
    stride,
    head="set",
    minimum=0.0,
    minimum_agreement=0.0,
    exclusive=False,
    device="cpu",
    batch_size=64,
):
    """Events of a whole recording.

    Parameters
    ----------
    model : braindecode.models.DANCE
    recording : Recording
    window, stride : float
        Length of the windows and the step between them, in s. Overlapping windows see events that
        a single one would cut.
    head : {"set", "dense"}
        Answers of the queries, merged over windows, or runs of the dense head's most probable
        class, averaged over windows.
    minimum : float, default=0.0
        Detections shorter than this, in s, are dropped.
    minimum_agreement, exclusive
        Only for the queries, see `common.events.merge_windows`.
    device : str
    batch_size : int
        Windows per pass.

    Returns
    -------
    events : Events
        With confidence.

    Raises
    ------
    ValueError
        If ``head`` is unknown, the recording is shorter than the window, or a number is NaN or out
        of range.
    """
    validation.choice(head, ("set", "dense"), "head")
    window = validation.number(window, "window", above=0, unit="s")
    minimum = validation.number(minimum, "minimum", at_least=0, unit="s")
    batch_size = validation.count(batch_size, "batch_size")
    _check_length(recording, window)
    model.to(device).eval()
    starts = np.asarray(window_starts(recording.duration, window, stride=stride), dtype=float)
    n_times = round(window * recording.sfreq)
    starts = (
        np.minimum(np.round(starts * recording.sfreq), recording.data.shape[1] - n_times)
        / recording.sfreq
    )
    outputs = []
    for first in tqdm(range(0, len(starts), batch_size), desc="detecting", mininterval=2):
        X = recording.windows(starts[first : first + batch_size], n_times).astype(np.float32)
        X = torch.from_numpy(X).to(device)
        output = model.detect(X) if head == "set" else {"dense": model(X)}
        outputs.append({name: value.cpu().numpy() for name, value in output.items()})
    output = {name: np.concatenate([o[name] for o in outputs]) for name in outputs[0]}
    if head == "dense":
        probabilities = functional.softmax(torch.from_numpy(output["dense"]), dim=2).numpy()
        return decode_dense(probabilities, starts, window=window, minimum=minimum)
    found = decode_set(output, window=window, start=starts)
    found = [events[events.duration >= minimum] for events in found]
    return merge_windows(
        found, starts, window=window, minimum_agreement=minimum_agreement, exclusive=exclusive
    )


def _check_length(recording, window):
    if recording.duration < window:
        raise ValueError(
            f"the recording of {recording.subject} lasts {recording.duration:g} s, less than the "
            f"window of {window:g} s."
        )


def _validation(model, validate):
    def score():
        value = validate(model.eval())
        model.train()
        return value

    return score


def _to(batches, device):
    for X, batch in batches:
        yield X.to(device), {name: value.to(device) for name, value in batch.items()}


def _occupancy(recording, starts, window):
    """Fraction of each window that events cover."""
    events = recording.events
    # What an earlier event covers already does not count again.
    reached = np.maximum.accumulate(np.concatenate([[0.0], events.end]))[:-1]
    begin = np.maximum(events.start, reached)
    overlap = np.minimum(events.end, starts[:, None] + window) - np.maximum(begin, starts[:, None])
    return np.clip(overlap, 0, None).sum(axis=1) / window


def _dense_stage(model, batches, criterion, stage, generator):
    def loss(batch):
        X, truth = batch
        logits = model(X)
        labels = dense_labels(truth, logits.shape[1])
        value = functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return value, {"dense": value.detach()}

    decoder = {id(p) for p in model.decoder.parameters()}
    return [p for p in model.parameters() if id(p) not in decoder], batches, loss


def _decoder_stage(model, batches, criterion, stage, generator):
    model.eval()
    latents, truths = [], []
    n_batches = -(-stage.n_windows // stage.batch_size)
    with torch.no_grad():
        for _ in tqdm(range(n_batches), desc="encoding", mininterval=2):
            X, truth = next(batches)
            latents.append(model._encode(X))  # the library has no public name for it
            truths.append(truth)
    latents = torch.cat(latents)
    dense = torch.cat([model.final_layer(part).detach() for part in latents.split(256)])
    width = max(truth["class"].shape[1] for truth in truths)
    truth = {
        name: torch.cat([functional.pad(t[name], (0, width - t[name].shape[1])) for t in truths])
        for name in truths[0]
    }
    model.decoder.train()

    def draw():
        while True:
            chosen = generator.integers(len(latents), size=stage.batch_size)
            yield torch.from_numpy(chosen).to(latents.device)

    def loss(chosen):
        output = model.decoder(latents[chosen]) | {"dense": dense[chosen]}
        return criterion(output, {name: values[chosen] for name, values in truth.items()})

    return model.decoder.parameters(), draw(), loss


def _whole_stage(model, batches, criterion, stage, generator):
    def loss(batch):
        X, truth = batch
        return criterion(model.detect(X), truth)

    return model.parameters(), batches, loss


_STAGES = {"dense": _dense_stage, "decoder": _decoder_stage, "all": _whole_stage}
