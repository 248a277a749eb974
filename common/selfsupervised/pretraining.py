"""Pre-training of an encoder on recordings without labels, which resumes bit by bit.

Every epoch draws from generators of its own, seeded by the run's seed and the epoch. So a
checkpoint after an epoch needs no state of a generator, and a run that is continued computes what
an undisturbed one would.
"""

import copy
import hashlib
import io
import json
import math
from dataclasses import dataclass

import numpy as np
import torch

from common import files, training, validation
from common.selfsupervised.masks import draw_masks
from common.selfsupervised.network import JEPA, Encoder, moving_average
from common.selfsupervised.probes import constant_losses, token_spread
from common.selfsupervised.windows import cut_windows

__all__ = ["Pretraining", "learning_rate", "momentum_at", "pretrain", "pretrain_windows"]

TRAINING = {
    "n_epochs": 100,
    "patience": 50,
    "restore_best": True,
    "batch_size": 32,
    "lr": 2e-4,
    "warm_up": 0.1,
    "weight_decay": 0.01,
    "momentum": (0.999, 0.99999),
    "momentum_steps": 100_000,
}
"""How encoders are trained unless said otherwise: AdamW with (.9, .98), eps 1e-6."""

MASKING = {"n_context": 8, "n_target": 8, "n_contexts": 8, "n_targets": 2, "filling": "inside"}
"""The paper's masks."""


@dataclass(frozen=True)
class Pretraining:
    """What a pre-training gives.

    Parameters
    ----------
    encoder : Encoder
        With the weights of the epoch of the lowest validation loss, or of the last one where
        ``restore_best`` is false. The target moves, so that losses of two epochs are those of two
        problems, and an early one may be the lowest because the target has learned nothing yet.
    model : JEPA
        The encoder with its target and predictor, of the same epoch.
    curve : list of dict
        Of the epochs: ``epoch`` (0: before training), ``train_loss`` (None in epoch 0),
        ``valid_loss``; ``mean_loss`` and ``place_loss``, see
        `common.selfsupervised.probes.constant_losses`; ``token_sd``, see
        `common.selfsupervised.probes.token_spread`.
    """

    encoder: Encoder
    model: JEPA
    curve: list


def pretrain(
    raws,
    *,
    radius,
    length=4.1875,
    every=2.0,
    low=0.5,
    high=40.0,
    valid=0.15,
    gap=5.0,
    size=None,
    masking=None,
    seed=0,
    device="cpu",
    checkpoint=None,
    **options,
):
    """An encoder from recordings.

    Parameters
    ----------
    raws : sequence of mne.io.BaseRaw
        With the same EEG channels, and positions.
    radius : float
        Of the masks, on a head of radius 1.
    length, every : float, default=4.1875, 2
        Of windows, and between their starts, in s.
    low, high : float, default=0.5, 40
        Pass band in Hz. Windows are cut at 128 Hz with average reference.
    valid : float, default=0.15
        Share of each recording, at its end, that validates.
    gap : float, default=5
        Left out before that, in s.
    size : dict, optional
        Of the network, see `common.selfsupervised.network.Encoder`.
    masking : dict, optional
        Differs from `MASKING`.
    seed : int, default=0
    device : str, default="cpu"
    checkpoint : str or Path, optional
        See `pretrain_windows`.
    **options
        Differ from `TRAINING`.

    Returns
    -------
    encoder : Encoder
        On the CPU; ``encoder.save(path)`` and ``Encoder.from_pretrained(path)`` write and read it.

    Raises
    ------
    ValueError
        If channels differ or lack a position, a recording or window is too short, a ball leaves
        too few channels, or a value is not finite.

    Examples
    --------
    >>> encoder = pretrain([raw], radius=0.8, n_epochs=10)  # doctest: +SKIP
    """
    cut = {"length": length, "every": every, "low": low, "high": high}
    parts = [cut_windows(raw, **cut, valid=valid, gap=gap) for raw in raws]
    if not parts:
        raise ValueError("raws is empty: give at least one recording.")
    names = [[one["ch_name"] for one in part.channels] for part in parts]
    if any(other != names[0] for other in names):
        differ = sorted({name for other in names for name in set(other) ^ set(names[0])})
        what = ", ".join(differ) or "their order"
        raise ValueError(f"recordings differ in channels: {what}. Pick the same ones in each.")
    train, held_out = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("train", "valid")
    )
    done = pretrain_windows(
        train,
        held_out,
        parts[0].channels,
        radius=radius,
        size=size,
        masking=masking,
        seed=seed,
        device=device,
        checkpoint=checkpoint,
        **options,
    )
    return done.encoder


def pretrain_windows(
    train,
    valid,
    channels,
    *,
    radius,
    sfreq=128.0,
    size=None,
    masking=None,
    seed=0,
    device="cpu",
    checkpoint=None,
    gradient_into_target=False,
    **options,
):
    """Pre-train on windows; see `pretrain` for one call from recordings.

    Parameters
    ----------
    train, valid : ndarray of float32, shape (n_windows, n_channels, n_times)
        Standardised, or in µV: tokens are blind to amplitude.
    channels : mne.Info or list of dict
        With positions.
    radius : float
        Of the masks, on a head of radius 1.
    sfreq : float, default=128
        In Hz.
    size, masking : dict, optional
        See `pretrain`.
    seed : int, default=0
    device : str, default="cpu"
    checkpoint : str or Path, optional
        A file that is written after every epoch and read at the start, if it is there. A run that
        was stopped continues with the same result, to the byte. It is removed at the end.
    gradient_into_target : bool, default=False
        As a control, see `common.selfsupervised.network.JEPA`.
    **options
        Differ from `TRAINING`.

    Returns
    -------
    done : Pretraining

    Raises
    ------
    ValueError
        If an option is unknown or out of range, windows are not finite in single precision, differ
        in shape, or do not fit the channels, or the checkpoint is that of another run.
    FloatingPointError
        If a loss is not finite.
    """
    own, masks = _merged(TRAINING, options, "option"), _merged(MASKING, masking or {}, "masking")
    _check(own)
    train, valid = (
        torch.from_numpy(_single(one, name)).to(device)
        for one, name in ((train, "train"), (valid, "valid"))
    )
    if train.shape[1:] != valid.shape[1:]:
        raise ValueError(
            f"train and valid differ: windows of {tuple(train.shape[1:])} and "
            f"{tuple(valid.shape[1:])} (channels, samples)."
        )
    with training.reproducible(seed, device):
        encoder = Encoder(channels, train.shape[2], sfreq, **(size or {}))
        if len(encoder.positions) != train.shape[1]:
            raise ValueError(
                f"windows have {train.shape[1]} channels, and {len(encoder.positions)} are named."
            )
        model = JEPA(encoder, gradient_into_target=gradient_into_target).to(device)
    draw = {"positions": encoder.positions, "radius": radius, **masks}
    run = _Run(model, train, valid, draw, own, seed)
    settings = {"training": own, "masks": masks, "radius": radius, "size": encoder.size}
    settings |= {"seed": seed, "gradient": gradient_into_target, "data": _digest(train, valid)}
    settings = json.dumps(settings, sort_keys=True)
    if checkpoint is not None and files.resolve(checkpoint).exists():
        run.restore(checkpoint, settings)
    if not run.curve:
        run.curve.append({"epoch": 0, "train_loss": None, **run.measures()})
    while not run.finished():
        run.epoch()
        if checkpoint is not None:
            run.keep(checkpoint, settings)
    if own["restore_best"]:
        model.load_state_dict(run.best_weights)
    if checkpoint is not None:
        files.resolve(checkpoint).unlink(missing_ok=True)
    model.cpu().eval()
    return Pretraining(model.encoder, model, run.curve)


def learning_rate(step, *, lr, n_steps, warm_up):
    """Learning rate of a step: a straight rise, then a cosine to 0.

    Parameters
    ----------
    step : int
        From 0, before ``n_steps``.
    lr : float
        Highest.
    n_steps : int
    warm_up : float
        Share of the steps in which it rises.

    Returns
    -------
    lr : float

    Raises
    ------
    TypeError
        If a count is no whole number.
    ValueError
        If a number is out of range.
    """
    n_steps = validation.count(n_steps, "n_steps")
    step = validation.count(step, "step", at_least=0, at_most=n_steps - 1)
    lr = validation.number(lr, "lr", above=0)
    warm_up = validation.number(warm_up, "warm_up", at_least=0, at_most=1)
    rise = warm_up * n_steps
    if step < rise:
        return lr * (step + 1) / (rise + 1)
    return lr * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(n_steps - rise, 1)))


def momentum_at(step, *, momentum, n_steps):
    """Momentum of the moving average: from its first value to its last one along a line.

    Parameters
    ----------
    step : int
        From 0.
    momentum : (float, float)
        Between 0 and 1.
    n_steps : int
        After which the last value is reached.

    Returns
    -------
    momentum : float

    Raises
    ------
    TypeError
        If a count is no whole number.
    ValueError
        If a number is out of range, or there are no two momenta.
    """
    n_steps = validation.count(n_steps, "n_steps")
    step = validation.count(step, "step", at_least=0)
    momenta = validation.vector(momentum, "momentum", at_least=0, at_most=1)
    if len(momenta) != 2:
        raise ValueError(f"momentum must be its first and its last value, got {momentum!r}.")
    first, last = momenta.tolist()
    return first + (last - first) * min(step / n_steps, 1.0)


class _Run:
    """State of a training between epochs."""

    def __init__(self, model, train, valid, draw, own, seed):
        self.model, self.train, self.valid = model, train, valid
        self.draw, self.own, self.seed = draw, own, seed
        self.optimizer = torch.optim.AdamW(
            model.trained(),
            lr=own["lr"],
            betas=(0.9, 0.98),
            eps=1e-6,
            fused=True,
            weight_decay=own["weight_decay"],
        )
        self.per_epoch = -(-len(train) // own["batch_size"])
        self.curve, self.best_weights = [], None
        rng = np.random.default_rng([seed, 0])
        self.valid_masks = self._masks(len(valid), rng)

    def _masks(self, n_examples, rng):
        return draw_masks(n_examples=n_examples, rng=rng, **self.draw)

    def best(self):
        return min(self.curve[1:], key=lambda row: row["valid_loss"])

    def finished(self):
        done = self.curve[-1]["epoch"]
        late = done and done - self.best()["epoch"] >= self.own["patience"]
        return done >= self.own["n_epochs"] or bool(late)

    def epoch(self):
        own, number = self.own, self.curve[-1]["epoch"] + 1
        rng = np.random.default_rng([self.seed, number])
        order = torch.from_numpy(rng.permutation(len(self.train))).split(own["batch_size"])
        total, step = 0.0, (number - 1) * self.per_epoch
        self.model.train()
        with training.reproducible(int(rng.integers(2**62)), self.train.device):
            for rows in order:
                loss = self.model.loss(self.train[rows], self._masks(len(rows), rng))
                if not loss.isfinite():
                    raise FloatingPointError(
                        f"the loss is {loss.item()} in step {step + 1}. Lower lr={own['lr']:g}."
                    )
                self.step(loss, step)
                total, step = total + loss.item() * len(rows), step + 1
        row = {"epoch": number, "train_loss": total / len(self.train), **self.measures()}
        self.curve.append(row)
        if self.own["restore_best"] and row is self.best():
            self.best_weights = copy.deepcopy(self.model.state_dict())

    def step(self, loss, step):
        own = self.own
        n_steps = own["n_epochs"] * self.per_epoch
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, lr=own["lr"], n_steps=n_steps, warm_up=own["warm_up"])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        momentum = momentum_at(step, momentum=own["momentum"], n_steps=own["momentum_steps"])
        moving_average(self.model.target, self.model.encoder.transformer.encoder, momentum)

    @torch.no_grad()
    def measures(self):
        """Validation loss, that of constants, and the spread of the target."""
        self.model.eval()
        predicted, wanted, counted, everything = [], [], [], []
        size = self.own["batch_size"]
        for start in range(0, len(self.valid), size):
            X, masks = self.valid[start : start + size], _rows(self.valid_masks, start, size)
            for one, into in zip(self.model(X, masks), (predicted, wanted, counted), strict=True):
                into.append(one)
            everything.append(self.model.targets(self.model.tokens(X)[0]))
        predicted, wanted, counted, everything = map(
            torch.cat, (predicted, wanted, counted, everything)
        )
        apart = (predicted - wanted).abs().mean(dim=(-2, -1))[counted]
        target = torch.from_numpy(self.valid_masks.target).to(wanted.device)
        loss = apart.mean().item()
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the validation loss is {loss}. Lower lr={self.own['lr']:g}, or scale the windows."
            )
        return {
            "valid_loss": loss,
            **constant_losses(everything, target, counted),
            "token_sd": token_spread(everything),
        }

    def keep(self, path, settings):
        state = {
            "settings": settings,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "curve": self.curve,
            "best": self.best_weights,
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        with files.atomic(path) as temporary:
            temporary.write_bytes(buffer.getvalue())

    def restore(self, path, settings):
        try:
            state = torch.load(
                files.resolve(path), map_location=self.train.device, weights_only=True
            )
        except Exception as error:
            raise ValueError(
                f"the checkpoint {path} cannot be read ({type(error).__name__}). "
                "Delete it to begin again."
            ) from error
        if state["settings"] != settings:
            raise ValueError(
                f"the checkpoint {path} is that of a run with other settings or data. "
                "Delete it to begin again, or name another file."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.curve, self.best_weights = state["curve"], state["best"]


def _rows(masks, start, size):
    parts = {name: getattr(masks, name)[start : start + size] for name in vars(masks)}
    return type(masks)(**parts)


def _merged(defaults, given, what):
    for name in given:
        validation.choice(name, list(defaults), what)
    return defaults | given


def _check(own):
    for name in ("n_epochs", "patience", "batch_size", "momentum_steps"):
        validation.count(own[name], name)
    validation.number(own["lr"], "lr", above=0)
    validation.number(own["weight_decay"], "weight_decay", at_least=0)
    validation.number(own["warm_up"], "warm_up", at_least=0, below=1)
    validation.choice(own["restore_best"], (False, True), "restore_best")
    if np.shape(own["momentum"]) != (2,):
        raise ValueError(f"momentum must be (first, last), got {own['momentum']!r}.")
    own["momentum"] = [
        validation.number(one, "momentum", at_least=0, at_most=1) for one in own["momentum"]
    ]


def _single(windows, name):
    with np.errstate(over="ignore"):
        found = validation.array(windows, name, ndim=3).astype(np.float32)
    if not np.isfinite(found).all():
        raise ValueError(
            f"{name} holds values up to {np.abs(windows).max():g}, which are infinite in single "
            "precision. Standardise the windows, or give them in µV."
        )
    return found


def _digest(*tensors):
    digest = hashlib.sha256()
    for one in tensors:
        digest.update(repr(tuple(one.shape)).encode() + one.cpu().numpy().tobytes())
    return digest.hexdigest()
