"""What a pre-trained network shows: spread of its targets, what constants achieve, attention."""

import math

import torch

__all__ = ["attention_to_context", "constant_losses", "token_spread"]


def token_spread(targets):
    r"""Spread of target tokens across windows, which is 0 where the target has collapsed.

    The standard deviation over windows (about their mean, with n - 1) of each number at its place
    in the window, :math:`\sqrt{\text{mean}_{j,d}\, \text{var}_i\, t_{ijd}}`. Tokens that tell
    places apart, but not windows, have none.

    Parameters
    ----------
    targets : Tensor, shape (n_windows, n_channels, n_tokens, d)
        At least two windows.

    Returns
    -------
    spread : float

    Raises
    ------
    ValueError
        If there are fewer than two windows, or a token is not finite.
    """
    if len(targets) < 2:
        raise ValueError(f"the spread over windows needs at least two, got {len(targets)}.")
    spread = float(targets.var(dim=0).mean().sqrt())
    if not math.isfinite(spread):
        raise ValueError(
            f"targets must be finite and of finite variance, but their spread is {spread}."
        )
    return spread


def constant_losses(targets, target, counted):
    """L1 loss of predictions that look at no channel.

    Means are those of the windows on which the loss is taken, which favours the constants.

    Parameters
    ----------
    targets : Tensor, shape (n_windows, n_channels, n_tokens, d)
        Target tokens of all channels.
    target : Tensor of int, shape (n_windows, n_contexts, n_targets, n_target)
        Channels that are to be predicted.
    counted : Tensor of bool, same shape
        Whether the loss counts them.

    Returns
    -------
    losses : dict of float
        ``mean_loss``: of the mean over all tokens; ``place_loss``: of the mean over windows at the
        same channel and time.

    Raises
    ------
    ValueError
        If a target token is not finite, the loss counts no channel, or the shapes do not fit.
    """
    if target.shape != counted.shape or target.shape[:1] != targets.shape[:1]:
        raise ValueError(
            "target and counted must have shape (n_windows, n_contexts, n_targets, n_target), got "
            f"{tuple(target.shape)} and {tuple(counted.shape)} for {len(targets)} windows."
        )
    if not bool(counted.any()):
        raise ValueError("counted is False everywhere: there is no loss.")
    if not bool(targets.isfinite().all()):
        bad = targets[~targets.isfinite()][0].item()
        raise ValueError(f"targets must be finite, got {bad}.")
    found = {}
    rows = torch.arange(len(targets), device=targets.device)[:, None, None, None]
    for name, dims in (("mean_loss", (0, 1, 2)), ("place_loss", (0,))):
        apart = (targets - targets.mean(dim=dims, keepdim=True)).abs().mean(dim=(-2, -1))
        found[name] = float(apart[rows, target][counted].mean())
    return found


@torch.no_grad()
def attention_to_context(model, X, masks):
    """How much the predictor attends to a context channel when it predicts a hidden one.

    Weights of the cross-attention, mean over its layers and heads and over the tokens of a
    channel, times the number of context channels: 1 is attention that does not choose.

    Parameters
    ----------
    model : common.selfsupervised.network.JEPA
        In evaluation mode.
    X : Tensor, shape (n_examples, n_channels, n_times)
    masks : common.selfsupervised.masks.Masks
        With one target per context.

    Returns
    -------
    attention : Tensor, shape (n_channels, n_channels)
        ``attention[j, c]``: of hidden channel j to context channel c, mean over the masks that
        hold both; NaN where none does.

    Raises
    ------
    ValueError
        If there are several targets per context.
    """
    if masks.target.shape[2] != 1:
        raise ValueError(f"attention needs one target per context, got {masks.target.shape[2]}.")
    tokens, positions = model.tokens(X)
    n_channels, n_times = tokens.shape[1:3]
    context, target, counted = (
        torch.from_numpy(one).flatten(0, 1) for one in (masks.context, masks.target, masks.counted)
    )
    target, counted = target[:, 0], counted[:, 0]
    rows = torch.arange(len(X)).repeat_interleave(masks.context.shape[1])
    memory = model.encoder.transformer.encoder(tokens[rows[:, None], context].flatten(1, 2))
    hidden = (model.mask_token + positions[target]).flatten(1, 2)
    padding = ~counted.repeat_interleave(n_times, dim=1)
    found = 0.0
    decoder = model.encoder.transformer.decoder
    for layer in decoder.layers:
        # What torch's layer does, with normalisation after each part, but for the weights.
        to_self = layer.self_attn(hidden, hidden, hidden, key_padding_mask=padding)[0]
        hidden = layer.norm1(hidden + to_self)
        to_memory, weights = layer.multihead_attn(hidden, memory, memory)
        hidden = layer.norm2(hidden + to_memory)
        hidden = layer.norm3(hidden + layer.linear2(layer.activation(layer.linear1(hidden))))
        found = found + weights / len(decoder.layers)
    n_context = context.shape[1]
    found = found.unflatten(2, (n_context, n_times)).sum(-1)
    found = n_context * found.unflatten(1, (-1, n_times)).mean(2)
    total, number = torch.zeros(2, n_channels, n_channels, dtype=found.dtype)
    pairs = (target[:, :, None] * n_channels + context[:, None]).flatten()
    weight = counted[:, :, None].expand_as(found).flatten().to(found.dtype)
    total.view(-1).index_add_(0, pairs, found.flatten() * weight)
    number.view(-1).index_add_(0, pairs, weight)
    return total / number
