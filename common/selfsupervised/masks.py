"""Masks of channels: a ball on the scalp is hidden, and channels outside of it are seen.

A head is a sphere of radius 1 about the origin, as `head_positions` gives it. A mask has a centre,
one of the channels; hidden are the channels nearer to it than a radius, at all times.
"""

from dataclasses import dataclass

import numpy as np

from common import validation

__all__ = ["Masks", "draw_masks", "head_positions", "inside_ball", "places_of"]

FILLINGS = ("inside", "reference")


@dataclass(frozen=True)
class Masks:
    """Channels that are seen and predicted, for each example and each context.

    Parameters
    ----------
    centre : ndarray of int, shape (n_examples, n_contexts)
        Channel in the middle of the ball.
    context : ndarray of int, shape (n_examples, n_contexts, n_context)
        Channels that are seen, all outside of the ball.
    target : ndarray of int, shape (n_examples, n_contexts, n_targets, n_target)
        Channels that are predicted.
    inside : ndarray of bool, same shape as ``target``
        Whether the channel lies in the ball.
    counted : ndarray of bool, same shape as ``target``
        Whether the loss counts the channel; false for padding.
    """

    centre: np.ndarray
    context: np.ndarray
    target: np.ndarray
    inside: np.ndarray
    counted: np.ndarray

    @property
    def n_outside(self):
        """How many predicted channels the loss counts although they lie outside of the ball."""
        return int((self.counted & ~self.inside).sum())


def head_positions(channels, *, name="the recording"):
    """Positions on a head of radius 1, by the sphere that fits the electrodes best.

    The sphere minimises the squares of ``|p|² - 2 c·p - (R² - |c|²)``, which is linear in the
    centre c and in the last term; positions become ``(p - c) / R``.

    Parameters
    ----------
    channels : mne.Info or list of dict
        MNE's, or dicts with ``ch_name`` and ``loc`` (at least three numbers, in any unit).
    name : str, optional
        What the messages call it.

    Returns
    -------
    positions : ndarray, shape (n_channels, 3)
        x to the right, y to the front, z up.

    Raises
    ------
    ValueError
        If a channel has no position, two channels have the same one, or the electrodes do not
        span a sphere (fewer than four, or all in a plane).
    """
    where = _locations(channels, name)
    design = np.column_stack([2 * where, np.ones(len(where))])
    if np.linalg.matrix_rank(design / np.abs(where).max()) < 4:
        raise ValueError(
            f"the {len(where)} electrodes of {name} do not span a sphere. At least four that are "
            "not in a plane are needed."
        )
    found = np.linalg.lstsq(design, (where**2).sum(axis=1), rcond=None)[0]
    centre = found[:3]
    return (where - centre) / np.sqrt(found[3] + centre @ centre)


def places_of(channels, *, name="the encoder"):
    """Positions of channels: those of an Info on the head that fits it, others as they are.

    Parameters
    ----------
    channels : mne.Info or list of dict
        Dicts have ``ch_name`` and ``loc``, already on a head of radius 1: a few electrodes would
        not show which sphere they lie on.
    name : str, optional
        What the messages call it.

    Returns
    -------
    positions : ndarray, shape (n_channels, 3)

    Raises
    ------
    ValueError
        If a channel has no position, or two have the same one; of an Info, as `head_positions`.
    """
    fitted = hasattr(channels, "ch_names")
    return head_positions(channels, name=name) if fitted else _locations(channels, name)


def inside_ball(positions, radius):
    """Which channels each ball holds.

    Parameters
    ----------
    positions : array_like, shape (n_channels, 3)
        On a head of radius 1.
    radius : float
        Of the ball. A mask of 40 % of the head's diameter has 0.4.

    Returns
    -------
    inside : ndarray of bool, shape (n_channels, n_channels)
        ``inside[c, j]``: channel j is nearer to channel c than the radius; so is c itself.

    Raises
    ------
    ValueError
        If a number is not finite, positions have other than three coordinates, or the radius is not
        positive.
    """
    positions = validation.array(positions, "positions", ndim=2)
    if positions.shape[1] != 3:
        raise ValueError(f"positions must have shape (n_channels, 3), got {positions.shape}.")
    radius = validation.number(radius, "radius", above=0)
    return np.linalg.norm(positions[:, None] - positions[None], axis=-1) < radius


def draw_masks(
    positions,
    *,
    radius,
    n_examples,
    n_context,
    n_target,
    rng,
    n_contexts=1,
    n_targets=1,
    filling="inside",
):
    """Random masks for a batch.

    Each context has a centre of its own, uniform over channels. Context channels are drawn without
    replacement from those outside of the ball, target channels from those inside.

    Parameters
    ----------
    positions : array_like, shape (n_channels, 3)
        On a head of radius 1, as from `head_positions`.
    radius : float
        Of the ball.
    n_examples : int
    n_context, n_target : int
        Channels that are seen, and that are predicted.
    rng : numpy.random.Generator
    n_contexts, n_targets : int, default=1
        Contexts per example, and targets per context.
    filling : {"inside", "reference"}, default="inside"
        What a target list does that is longer than the ball has channels. ``"inside"``: the rest
        is padding, which no loss counts. ``"reference"``: the rest are channels from outside of
        the ball that are not context, which the loss counts, as the helpers of the reference code
        make them; `Masks.n_outside` counts them.

    Returns
    -------
    masks : Masks

    Raises
    ------
    ValueError
        If a ball leaves fewer channels than ``n_context``, so that a context would be short or
        empty, ``filling`` is unknown, or with ``"reference"`` there are too few channels.
    TypeError
        If ``rng`` is no generator.
    """
    ball = inside_ball(positions, radius)
    n_channels = len(ball)
    for value, what in (
        (n_examples, "n_examples"),
        (n_context, "n_context"),
        (n_target, "n_target"),
        (n_contexts, "n_contexts"),
        (n_targets, "n_targets"),
    ):
        validation.count(value, what)
    validation.choice(filling, FILLINGS, "filling")
    rng = validation.generator(rng)
    left = n_channels - ball.sum(axis=1)
    if left.min() < n_context:
        raise ValueError(
            f"a ball of radius {radius:g} about channel {int(left.argmin())} leaves {left.min()} "
            f"of {n_channels} channels, fewer than n_context={n_context}. Use a smaller radius or "
            "n_context."
        )
    if n_target > n_channels:
        raise ValueError(
            f"n_target={n_target} channels cannot be drawn of {n_channels}. Use a smaller one."
        )
    if filling == "reference" and n_channels < n_context + n_target:
        raise ValueError(
            f"{n_channels} channels are fewer than n_context={n_context} and n_target={n_target} "
            "together. Use smaller ones."
        )
    centre = rng.integers(n_channels, size=(n_examples, n_contexts))
    hidden = ball[centre]
    order = np.argsort(np.where(hidden, 2.0, rng.random(hidden.shape)), axis=-1)
    context = order[..., :n_context]
    seen = np.zeros_like(hidden)
    np.put_along_axis(seen, context, True, axis=-1)
    # First the ball in random order, then what is neither hidden nor seen, then the context.
    hidden, seen = (
        np.broadcast_to(one[:, :, None], (n_examples, n_contexts, n_targets, n_channels))
        for one in (hidden, seen)
    )
    key = rng.random(hidden.shape) + np.where(hidden, 0.0, np.where(seen, 2.0, 1.0))
    target = np.argsort(key, axis=-1)[..., :n_target]
    inside = np.take_along_axis(hidden, target, axis=-1)
    counted = inside if filling == "inside" else np.ones_like(inside)
    return Masks(centre, context, target, inside, counted)


def _locations(channels, name):
    """Where channels are, in their unit."""
    channels = channels["chs"] if hasattr(channels, "ch_names") else channels
    names = [one["ch_name"] for one in channels]
    if not names:
        raise ValueError(f"{name} has no channel.")
    where = np.array([_location(one["loc"], one["ch_name"]) for one in channels])
    bad = ~np.isfinite(where).all(axis=1) | (where == 0).all(axis=1)
    if bad.any():
        lacking = ", ".join(np.array(names)[bad])
        raise ValueError(
            f"{name} has no position for {lacking}. Set a montage, for example "
            'raw.set_montage("colin27_1020"), or drop these channels.'
        )
    twice = [b for b in range(len(where)) if (where[:b] == where[b]).all(axis=1).any()]
    if twice:
        raise ValueError(
            f"{name} has {names[twice[0]]} at the position of another channel, {where[twice[0]]}. "
            "Drop one of the two."
        )
    return where


def _location(loc, name):
    loc = np.asarray(loc, dtype=float)
    if loc.ndim != 1 or len(loc) < 3:
        raise ValueError(f"loc of {name} must hold x, y and z, got shape {loc.shape}.")
    return loc[:3]
