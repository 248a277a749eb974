r"""Encoder, moving average and predictor of S-JEPA.

Tokens :math:`z = f(x) + p`, one per channel and second, are made once per example: :math:`f` are
convolutions of one channel, :math:`p` the position on the head and in time. The context encoder g
sees the tokens of some channels; its moving average :math:`\bar g` sees all of them and gives, from
its last layers, what is to be predicted. The predictor h asks for the hidden tokens by their
positions:

.. math:: \mathcal L = \text{mean}_{j \text{ hidden}} \;
          \lvert h(m + p_j,\; g(z_\text{context})) - \bar g(z)_j \rvert_1 / d.

Networks are braindecode's; what is here is how they are trained together.
"""

import copy
import json

import numpy as np
import torch
from braindecode.models import SignalJEPA
from torch import nn
from torch.nn import functional

from common import files, validation
from common.selfsupervised.masks import places_of

__all__ = ["JEPA", "Encoder", "moving_average", "n_tokens"]

_FIELD = 152  # samples under the first token: 32 + 8 * (2 - 1) * (1 + 2 + 4 + 8)
_STRIDE = 128


def n_tokens(n_times):
    """Tokens of a channel.

    Parameters
    ----------
    n_times : int
        Samples of a window.

    Returns
    -------
    n_tokens : int

    Raises
    ------
    TypeError
        If the number is not whole.
    ValueError
        If the window is shorter than a token, 152 samples.
    """
    n_times = validation.count(n_times, "n_times", at_least=0)
    if n_times < _FIELD:
        raise ValueError(
            f"a window of {n_times} samples is shorter than a token, which sees {_FIELD} "
            f"({_FIELD / 128:.2f} s at 128 Hz). Use longer windows."
        )
    return (n_times - _FIELD) // _STRIDE + 1


class Encoder(SignalJEPA):
    """braindecode's `SignalJEPA` that knows its size, and can be written and read.

    braindecode's three classifiers take it in their ``from_pretrained``.

    Parameters
    ----------
    channels : mne.Info or list of dict
        With positions, see `common.selfsupervised.masks.places_of`.
    n_times : int
        Samples of a window, at least 152.
    sfreq : float, default=128
        In Hz; a token lasts 1 s at 128 Hz.
    n_encoder_layers, n_predictor_layers : int, default=8, 4
    feedforward : int, default=2048
        Width of the layers between attentions.

    Raises
    ------
    TypeError, ValueError
        If a channel has no position, the window is shorter than a token, or a number is out of
        range.
    """

    def __init__(
        self,
        channels,
        n_times,
        sfreq=128.0,
        *,
        n_encoder_layers=8,
        n_predictor_layers=4,
        feedforward=2048,
    ):
        n_tokens(n_times)
        sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
        validation.count(n_encoder_layers, "n_encoder_layers")
        validation.count(n_predictor_layers, "n_predictor_layers")
        where = places_of(channels)
        channels = channels["chs"] if hasattr(channels, "ch_names") else channels
        infos = [
            {"ch_name": one["ch_name"], "loc": [float(x) for x in place]}
            for one, place in zip(channels, where, strict=True)
        ]
        super().__init__(
            chs_info=infos,
            n_times=n_times,
            sfreq=sfreq,
            n_outputs=1,
            transformer__num_encoder_layers=n_encoder_layers,
            transformer__num_decoder_layers=n_predictor_layers,
        )
        # braindecode leaves the width at torch's default.
        self.transformer = nn.Transformer(
            64,
            8,
            n_encoder_layers,
            n_predictor_layers,
            validation.count(feedforward, "feedforward"),
            batch_first=True,
        )
        self.size = {
            "n_encoder_layers": n_encoder_layers,
            "n_predictor_layers": n_predictor_layers,
            "feedforward": feedforward,
        }
        self.positions = where

    def save(self, path):
        """Write the weights and what is needed to build the encoder again.

        Parameters
        ----------
        path : str or Path
            Ends in ``.npz``. The same weights give the same bytes.
        """
        about = {
            "channels": [
                {"ch_name": one["ch_name"], "loc": list(map(float, one["loc"]))}
                for one in self.chs_info
            ],
            "n_times": self.n_times,
            "sfreq": float(self.sfreq),
            **self.size,
        }
        arrays = {name: value.cpu().numpy() for name, value in self.state_dict().items()}
        files.write_npz(path, about=np.array(json.dumps(about)), **arrays)

    @classmethod
    def from_pretrained(cls, path):
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        encoder : Encoder
            On the CPU, in evaluation mode.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is no encoder.
        """
        arrays = files.read_npz(path)
        if "about" not in arrays:
            raise ValueError(
                f"{path} is no encoder: it holds {', '.join(arrays) or 'nothing'} but no 'about'. "
                "Write one with Encoder.save."
            )
        about = json.loads(str(arrays.pop("about")))
        encoder = cls(about.pop("channels"), about.pop("n_times"), about.pop("sfreq"), **about)
        encoder.load_state_dict({name: torch.from_numpy(v) for name, v in arrays.items()})
        return encoder.eval()


class JEPA(nn.Module):
    """Context encoder, its moving average, and predictor, to be trained.

    Parameters
    ----------
    encoder : Encoder
        Its local convolutions and contextual layers are trained; its decoder is the predictor.
    n_target_layers : int, default=4
        Last layers of which the target is the mean, each standardised over the tokens of an
        example, feature by feature. At most as many as there are.
    gradient_into_target : bool, default=False
        As a control: the target is the context encoder itself, and gradients flow into it.

    Raises
    ------
    TypeError, ValueError
        If ``encoder`` is none, or an option out of range.
    """

    def __init__(self, encoder, *, n_target_layers=4, gradient_into_target=False):
        super().__init__()
        if not isinstance(encoder, Encoder):
            raise TypeError(f"encoder must be an Encoder, got {type(encoder).__name__}.")
        self.encoder = encoder
        n_target_layers = validation.count(n_target_layers, "n_target_layers")
        self.n_target_layers = min(n_target_layers, len(encoder.transformer.encoder.layers))
        self.gradient_into_target = validation.choice(
            gradient_into_target, (False, True), "gradient_into_target"
        )
        self.mask_token = nn.Parameter(torch.zeros(64))
        nn.init.normal_(self.mask_token, std=0.02)
        self.target = copy.deepcopy(encoder.transformer.encoder).requires_grad_(False).eval()

    def train(self, mode=True):
        """Training mode of all but the target, which has no dropout.

        Parameters
        ----------
        mode : bool, default=True

        Returns
        -------
        self : JEPA
        """
        super().train(mode)
        self.target.eval()
        return self

    def trained(self):
        """Parameters that an optimiser gets: all but those of the target.

        Returns
        -------
        parameters : list of Parameter
        """
        return [p for p in self.parameters() if p.requires_grad]

    def tokens(self, X):
        """Local tokens without and with their positions.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)

        Returns
        -------
        tokens : Tensor, shape (n_examples, n_channels, n_tokens, 64)
            With positions.
        positions : Tensor, shape (n_channels, n_tokens, 64)
        """
        local = self.encoder.feature_encoder(X)
        positions = self.encoder.pos_encoder(local[:1])[0]
        n_channels = X.shape[1]
        tokens = (local + positions).unflatten(1, (n_channels, -1))
        return tokens, positions.unflatten(0, (n_channels, -1))

    def targets(self, tokens):
        """What is to be predicted: mean of the target's last layers, each standardised.

        Parameters
        ----------
        tokens : Tensor, shape (n_examples, n_channels, n_tokens, 64)
            With positions; all channels.

        Returns
        -------
        targets : Tensor, same shape
            Without gradient, unless ``gradient_into_target``.
        """
        if self.gradient_into_target:
            return self._targets(self.encoder.transformer.encoder, tokens)
        with torch.no_grad():
            return self._targets(self.target, tokens.detach())

    def _targets(self, stack, tokens):
        hidden, total = tokens.flatten(1, 2), 0.0
        first = len(stack.layers) - self.n_target_layers
        for depth, layer in enumerate(stack.layers):
            hidden = layer(hidden)
            if depth >= first:
                total = total + functional.instance_norm(hidden.transpose(1, 2)).transpose(1, 2)
        return (total / self.n_target_layers).view_as(tokens)

    def forward(self, X, masks):
        """Predictions, targets, and which of them count.

        All contexts of a batch are encoded together, the target once per example. Targets of a
        context share its encoding: they are one sequence of queries that attend to their own
        target only.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
        masks : Masks
            For as many examples.

        Returns
        -------
        predicted, wanted : Tensor, shape (*counted.shape, n_tokens, 64)
        counted : Tensor of bool, shape (n_examples, n_contexts, n_targets, n_target)

        Raises
        ------
        ValueError
            If there are not as many masks as examples, or other channels than the encoder's.
        """
        if X.shape[1:2] != (len(self.encoder.positions),) or len(X) != len(masks.context):
            raise ValueError(
                f"X must have shape ({len(masks.context)}, {len(self.encoder.positions)}, "
                f"n_times), as the masks and the encoder have, got {tuple(X.shape)}."
            )
        tokens, positions = self.tokens(X)
        targets = self.targets(tokens)
        context, target, counted = (
            torch.from_numpy(np.ascontiguousarray(one)).to(X.device)
            for one in (masks.context, masks.target, masks.counted)
        )
        n_examples, _, n_targets, n_target = target.shape
        rows = torch.arange(n_examples, device=X.device)
        seen = tokens[rows[:, None, None], context].flatten(0, 1).flatten(1, 2)
        memory = self.encoder.transformer.encoder(seen)
        queries = (self.mask_token + positions[target]).flatten(0, 1).flatten(1, 3)
        n_each = n_target * tokens.shape[2]
        group = torch.arange(n_targets, device=X.device).repeat_interleave(n_each)
        padding = ~counted.flatten(0, 1).flatten(1).repeat_interleave(tokens.shape[2], dim=1)
        predicted = self.encoder.transformer.decoder(
            queries,
            memory,
            tgt_mask=None if n_targets == 1 else group[:, None] != group[None],
            tgt_key_padding_mask=padding if padding.any() else None,
        )
        wanted = targets[rows[:, None, None, None], target]
        return predicted.view_as(wanted), wanted, counted

    def loss(self, X, masks):
        """L1 between prediction and target, over the tokens that count; see `forward`.

        Returns
        -------
        loss : Tensor, shape ()
        """
        predicted, wanted, counted = self(X, masks)
        return (predicted - wanted).abs().mean(dim=(-2, -1))[counted].mean()


@torch.no_grad()
def moving_average(target, online, momentum):
    r"""Update a moving average of weights in place.

    .. math:: \bar\theta \leftarrow m \bar\theta + (1 - m) \theta

    Parameters
    ----------
    target, online : torch.nn.Module
        With the same parameters.
    momentum : float
        m, between 0 and 1.

    Raises
    ------
    ValueError
        If m is not within [0, 1], or the parameters have other shapes.
    """
    momentum = validation.number(momentum, "momentum", at_least=0, at_most=1)
    averaged, new = list(target.parameters()), list(online.parameters())
    shapes = [[tuple(one.shape) for one in each] for each in (averaged, new)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"target and online must have the same parameters, got shapes {shapes[0]} and "
            f"{shapes[1]}."
        )
    torch._foreach_lerp_(averaged, new, 1 - momentum)
