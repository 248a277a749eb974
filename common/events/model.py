r"""The DANCE network, from braindecode, with what the authors' recipe and small data add.

braindecode's `DANCE` has the architecture of the paper with a difference in the convolutions, which
`dance` undoes: in the authors' configuration each block but the last is followed by batch
normalisation, GELU, dropout, and a 1x1 convolution with ReLU ([2]_, ``defaults.yaml``).

**Starting point.** The library draws every linear weight with a standard deviation of 0.02. Over
100 epochs on a GPU that is of no consequence; in two minutes on one core the network does not leave
the plateau where all queries answer "no event". ``init="anchored"`` starts the same network where
attention already knows what time is:

- linear layers have PyTorch's default scale (uniform, fan-in), convolutional features unit
  variance;
- latent :math:`n` carries the Fourier code of its own time :math:`t_n`, and queries and keys of the
  first cross-attention both read that code, so that its logits are, up to the scale of the layer
  norms and what random weights add,

  .. math:: \gamma \sum_{k} \cos \pi s_k (t - t_n),

  with times in :math:`[-1, 1]` and :math:`s_k` the bands of the perceiver's own encoding of time:
  every latent begins by looking at the signal around its own time, and what it sees reaches it
  through one rotation.

Only initial values differ, the function that the network can represent is the same.
``init="library"`` keeps braindecode's.

References
----------
.. [1] Lévy et al., "DANCE: Detect and Classify Events in EEG", arXiv:2605.10688, 2026.
.. [2] facebookresearch/dance, first public release, commit 52be2b9.
"""

import math
import warnings

import braindecode.models  # noqa: F401 - so that jobs are forked with it, see CONTRIBUTING.md
import torch
from torch import nn

from common import validation

__all__ = ["dance"]


def dance(
    *,
    n_classes,
    positions,
    sfreq,
    window,
    n_queries,
    init="library",
    conv_dropout=0.1,
    **architecture,
):
    """Build a DANCE network.

    Parameters
    ----------
    n_classes : int
        Number K of event classes; the network has K + 1 outputs, of which 0 is "no event".
    positions : dict of str to tuple of float
        Channel names and their places; x and y on the unit disc of the head, or 3D in m.
    sfreq : float
        Sampling frequency, in Hz.
    window : float
        Length of a window, in s.
    n_queries : int
        Largest number of events that the network can answer for one window.
    init : {"library", "anchored"}
        How the weights start; see the module's text. ``"library"`` is the authors' recipe.
    conv_dropout : float, default=0.1
        Dropout after each convolution block.
    **architecture
        Passed to `braindecode.models.DANCE`: ``embed_dim``, ``conv_depth``, ``num_latents`` …

    Returns
    -------
    model : braindecode.models.DANCE
        ``model.detect(X)`` maps ``(batch, n_channels, n_times)`` to a dict with ``class``
        ``(batch, n_queries, K + 1)``, ``start`` and ``end`` ``(batch, n_queries)`` as fractions of
        the window, and ``dense`` ``(batch, num_latents, K + 1)``; ``model(X)`` is ``dense`` alone.

    Raises
    ------
    ValueError
        If a number is out of range, a place is not finite, ``init`` is unknown, or ``"anchored"``
        has no room for its code of time: it needs
        ``embed_dim`` above ``2 * num_freq_bands``.
    """
    validation.choice(init, sorted(_INITS), "init")
    n_classes = validation.count(n_classes, "n_classes")
    n_queries = validation.count(n_queries, "n_queries")
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    window = validation.number(window, "window", above=0, unit="s")
    conv_dropout = validation.number(conv_dropout, "conv_dropout", at_least=0, below=1)
    for name, place in positions.items():
        validation.vector(place, f"position of channel {name}")
    with warnings.catch_warnings():
        # braindecode still asks mne for a montage under its deprecated name on import.
        warnings.simplefilter("ignore", FutureWarning)
        from braindecode.models import DANCE

    model = DANCE(
        n_outputs=n_classes + 1,
        chs_info=[{"ch_name": name, "loc": _location(xy)} for name, xy in positions.items()],
        n_times=round(window * sfreq),
        sfreq=sfreq,
        n_queries=n_queries,
        **architecture,
    )
    _add_recipe(model, dropout=conv_dropout)
    _INITS[init](model)
    return model


def _location(place):
    """The 12 numbers of an mne channel location; only the first two or three are used."""
    location = torch.zeros(12, dtype=torch.float64)
    location[: len(place)] = torch.tensor(place, dtype=torch.float64)
    return location.numpy()


def _add_recipe(model, *, dropout):
    """Batch norm, GELU, dropout and a 1x1 "rewrite" after each convolution but the last."""
    for block in model.conv.sequence[:-1]:
        width = block.conv.out_channels
        block.act = nn.Sequential(
            nn.BatchNorm1d(width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, 1),
            nn.ReLU(),
        )


# Logit of a perfect match of two time codes.
_SHARPNESS = 6.0
# What an output projection adds, at the start, to dimensions that carry the code.
_LEAK = 0.02


@torch.no_grad()
def _anchor(model):
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.reset_parameters()
    _scale_features(model)
    _anchor_latents(model.perceiver)


_INITS = {"library": lambda model: None, "anchored": _anchor}


def _scale_features(model):
    """Features of unit variance for white noise, as large as the time codes beside them."""
    noise = torch.randn(8, model.n_chans, 4 * model.conv.max_dilation * 8)
    positions = getattr(model, "channel_positions", None)
    if positions is not None:
        positions = positions.expand(len(noise), -1, -1)
    last = model.conv.sequence[-1].conv
    last.bias.zero_()
    last.weight /= model.conv(noise, positions=positions).std()


def _time_code(time, perceiver):
    """The perceiver's own Fourier code of times in [0, 1]: all sines, then all cosines."""
    scale = torch.linspace(1.0, perceiver.max_freq / 2, perceiver.num_freq_bands)
    angle = math.pi * (2 * time[:, None] - 1) * scale
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def _anchor_latents(perceiver):
    n_latents, dim = perceiver.latents.shape
    n_code = 2 * perceiver.num_freq_bands
    if n_code >= dim:
        raise ValueError(
            f"embed_dim={dim} leaves no room beside a time code of {n_code} numbers. Use more "
            f"dimensions, or fewer than num_freq_bands={perceiver.num_freq_bands}."
        )
    time = (torch.arange(n_latents) + 0.5) / n_latents
    perceiver.latents[:, :n_code] = _time_code(time, perceiver)
    first = perceiver.layers[0][0].fn
    n_features = first.to_kv.in_features - (n_code + 1)  # features, code, raw position
    _compare_codes(first, torch.arange(n_code), n_features + torch.arange(n_code))
    # What a latent sees reaches it undistorted: values and output start as one rotation each.
    nn.init.orthogonal_(first.to_kv.weight[first.to_q.out_features :, :n_features])
    nn.init.orthogonal_(first.to_out.weight[n_code:])
    for cross, feedforward, blocks in perceiver.layers:
        _reserve(cross.fn.to_out, slice(n_code))
        _reserve(feedforward.fn.net[-1], slice(n_code))
        for self_attention, feedforward in blocks:
            _reserve(self_attention.fn.to_out, slice(n_code))
            _reserve(feedforward.fn.net[-1], slice(n_code))


def _compare_codes(attention, of_query, of_key):
    """Make the logits of attention a comparison of codes, plus what random weights add."""
    width = attention.to_q.out_features // attention.heads
    n = min(len(of_query), width) // 2
    # Sines and cosines of the same frequencies; of those that do not fit a head, the slowest.
    kept = torch.cat([torch.arange(n), len(of_query) // 2 + torch.arange(n)])
    gain = math.sqrt(_SHARPNESS * math.sqrt(width) / n)
    for head in range(attention.heads):
        rows = head * width + torch.arange(2 * n)
        attention.to_q.weight[rows] *= _LEAK
        attention.to_kv.weight[rows] *= _LEAK  # the first half of to_kv are the keys
        attention.to_q.weight[rows, of_query[kept]] = gain
        attention.to_kv.weight[rows, of_key[kept]] = gain


def _reserve(linear, rows):
    """Keep an output projection out of dimensions that carry the code."""
    linear.weight[rows] *= _LEAK
    linear.bias[rows] = 0
