"""The optimization of DANCE and its baselines: AdamW, a one-cycle rate, a budget of steps."""

import math

import numpy as np
import torch
from tqdm.auto import tqdm

__all__ = ["fit"]


def fit(
    parameters,
    batches,
    loss,
    *,
    n_steps,
    lr,
    weight_decay=1e-3,
    warm_up=0.1,
    max_norm=1.0,
    label="training",
    n_points=50,
    validate=None,
    every=None,
    patience=None,
):
    """Minimise a loss with AdamW under a one-cycle learning rate.

    The number of steps is given in advance, never a time: the result must not depend on how fast
    the machine is.

    Parameters
    ----------
    parameters : iterable of torch.nn.Parameter
        What is trained; the rest of the network stays as it is.
    batches : iterator
        Gives the next batch, endlessly or at least ``n_steps`` times.
    loss : callable
        Maps a batch to ``(loss, terms)``: a scalar tensor and a dict of scalar tensors or floats.
    n_steps : int
    lr : float
        Highest learning rate. The rate rises from a 25th of it over the first ``warm_up`` of the
        steps and falls to almost zero over the rest, both along a cosine, while Adam's first
        momentum does the opposite (`torch.optim.lr_scheduler.OneCycleLR`).
    weight_decay : float, default=1e-3
    warm_up : float, default=0.1
        Fraction of the steps, in (0, 1). Of one step or less there is no rise.
    max_norm : float, default=1.0
        Gradients longer than this are shortened to it.
    label : str
        Shown before the progress bar.
    n_points : int, default=50
        Largest number of points of the returned curve.
    validate : callable, optional
        Returns a score, higher is better; called after each ``every`` steps.
    every, patience : int, optional
        Stop when the score has not risen for ``patience`` calls of ``validate``. The weights stay
        those of the last step.

    Returns
    -------
    curve : list of dict
        ``step`` (1-based) and the mean of ``loss`` and of each term since the point before.

    Raises
    ------
    ValueError
        If ``n_steps`` is not positive, there is nothing to train, or ``validate`` comes without
        ``every`` and ``patience``.
    FloatingPointError
        If the loss is not finite, naming the step and the terms.
    """
    parameters = [p for p in parameters if p.requires_grad]
    if n_steps < 1:
        raise ValueError(f"n_steps must be at least 1, got {n_steps}.")
    if not parameters:
        raise ValueError("no parameter requires a gradient: there is nothing to train.")
    if validate is not None and not (every and patience):
        raise ValueError(
            f"validate needs every and patience, both at least 1, got {every} and {patience}."
        )
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True)
    total = max(n_steps, 2)
    # A rise of exactly one step has no length, by which torch would divide.
    rise = warm_up if warm_up * total > 1 else 0.0
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=lr, total_steps=total, pct_start=rise
    )
    curve, since = [], []
    spacing = math.ceil(n_steps / n_points)
    best, waited = -math.inf, 0
    for step in tqdm(range(1, n_steps + 1), desc=label, mininterval=2):
        value, terms = loss(next(batches))
        if not torch.isfinite(value):
            terms = {name: float(term) for name, term in terms.items()}
            raise FloatingPointError(
                f"the loss is {value.item()} at step {step} of {n_steps} ({terms}). "
                f"Lower the learning rate (lr={lr:g}) or look for non-finite input."
            )
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, max_norm)
        optimizer.step()
        schedule.step()
        terms = {"loss": value.detach(), **terms}
        since.append({name: float(term) for name, term in terms.items()})
        if step % spacing == 0 or step == n_steps:
            means = {name: float(np.mean([row[name] for row in since])) for name in since[0]}
            curve.append({"step": step, **means})
            since = []
        if validate is not None and step % every == 0:
            score = validate()
            waited = 0 if score > best else waited + 1
            best = max(best, score)
            if waited >= patience:
                break
    return curve
