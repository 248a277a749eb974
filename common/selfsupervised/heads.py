"""Classifiers on an encoder: where channels are mixed, and which weights are trained.

*pre-local* mixes channels before the local encoder, *post-local* after it, *contextual* after the
contextual encoder; all are braindecode's. *new* trains the new layers only, *full* all weights
after some epochs of the new ones.
"""

import numpy as np
import torch
from braindecode.models import (
    SignalJEPA_Contextual,
    SignalJEPA_PostLocal,
    SignalJEPA_PreLocal,
)
from torch.nn import functional

from common import training, validation
from common.selfsupervised.network import Encoder, n_tokens

__all__ = ["FINE_TUNING", "HEADS", "classifier", "fine_tune", "scores"]

HEADS = ("pre-local", "post-local", "contextual")
FINE_TUNING = ("new", "full")

_KINDS = {
    "pre-local": SignalJEPA_PreLocal,
    "post-local": SignalJEPA_PostLocal,
    "contextual": SignalJEPA_Contextual,
}
_NEW = {
    "pre-local": ("spatial_conv", "final_layer"),
    "post-local": ("final_layer",),
    "contextual": ("final_layer",),
}


def classifier(
    head, *, n_classes, channels, n_times, seed, encoder=None, size=None, n_filters=4, sfreq=128.0
):
    """A network with one of the three heads.

    Parameters
    ----------
    head : {"pre-local", "post-local", "contextual"}
    n_classes : int
        At least 2.
    channels : list of dict
        ``ch_name`` and ``loc``. They may differ from the encoder's; a contextual head then begins
        with the trained positions of the channels that both have, and with those of the other
        places on the head.
    n_times : int
        Samples of a window.
    seed : int
        Of the starting weights.
    encoder : Encoder, optional
        Pre-trained, and copied. Default: nothing is pre-trained.
    size : dict, optional
        Of a contextual encoder without pre-training, see `Encoder`.
    n_filters : int, default=4
        Spatial filters, V.
    sfreq : float, default=128
        In Hz.

    Returns
    -------
    network : torch.nn.Module
        Gives logits.

    Raises
    ------
    TypeError
        If a number is none, or ``encoder`` no encoder.
    ValueError
        If the head is unknown, there is one class, the window is shorter than a token, or the
        encoder has another sampling frequency.
    """
    validation.choice(head, HEADS, "head")
    if validation.count(n_classes, "n_classes") < 2:
        raise ValueError(f"a classifier needs at least two classes, got {n_classes}.")
    n_tokens(n_times)
    validation.count(n_filters, "n_filters")
    seed = validation.count(seed, "seed", at_least=0)
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    if not (encoder is None or isinstance(encoder, Encoder)):
        raise TypeError(f"encoder must be an Encoder or None, got {type(encoder).__name__}.")
    if encoder is not None and encoder.sfreq != sfreq:
        raise ValueError(
            f"sfreq={sfreq:g} Hz is not that of the encoder, {encoder.sfreq:g} Hz, whose tokens "
            "would last another time. Resample the windows."
        )
    shape = {"n_outputs": n_classes, "n_chans": len(channels), "n_times": n_times, "sfreq": sfreq}
    with training.reproducible(seed):
        if head == "contextual":
            own = encoder.size if encoder is not None else (size or {})
            body = Encoder(channels, n_times, sfreq, **own)
            if encoder is not None:
                _transfer(encoder, body)
            network = SignalJEPA_Contextual.from_pretrained(
                body, n_outputs=n_classes, n_spat_filters=n_filters, chs_info=body.chs_info
            )
            network.transformer.decoder = None  # the predictor takes no part
            return network
        network = _KINDS[head](**shape, n_spat_filters=n_filters)
        if encoder is not None:
            network.feature_encoder.load_state_dict(encoder.feature_encoder.state_dict())
    return network


def _transfer(encoder, body):
    """Trained weights into an encoder of, maybe, other channels and times."""
    body.feature_encoder.load_state_dict(encoder.feature_encoder.state_dict())
    body.transformer.load_state_dict(encoder.transformer.state_dict())
    rows = {one["ch_name"].lower(): i for i, one in enumerate(encoder.chs_info)}
    trained = encoder.pos_encoder.pos_encoder_spat.weight
    with torch.no_grad():
        for i, one in enumerate(body.chs_info):
            if one["ch_name"].lower() in rows:
                place = rows[one["ch_name"].lower()]
                body.pos_encoder.pos_encoder_spat.weight[i] = trained[place]


def fine_tune(
    network,
    head,
    train,
    valid,
    *,
    fine_tuning,
    seed,
    n_epochs=500,
    patience=50,
    n_new=10,
    batch_size=32,
    lr=1e-3,
):
    """Train a classifier, and return to the weights of the lowest validation loss.

    Adam on the cross-entropy. With ``"new"`` nothing else moves, nor does its dropout act; what
    it gives is then computed once where the new layers come last.

    Parameters
    ----------
    network : torch.nn.Module
        From `classifier`; trained in place and left in evaluation mode.
    head : {"pre-local", "post-local", "contextual"}
        Of the network.
    train, valid : (Tensor, Tensor)
        Windows of shape (n_windows, n_channels, n_times) and labels from 0.
    fine_tuning : {"new", "full"}
    seed : int
        Order of the examples, and dropout.
    n_epochs : int, default=500
        At most, those of the new layers alone included.
    patience : int, default=50
        Epochs without a lower validation loss after which training stops.
    n_new : int, default=10
        First epochs of ``"full"``, in which only new layers are trained.
    batch_size : int, default=32
    lr : float, default=1e-3

    Returns
    -------
    curve : list of dict
        ``epoch``, ``train_loss`` and ``valid_loss``.

    Raises
    ------
    TypeError
        If the network has another head, or labels are no whole numbers.
    ValueError
        If a name is unknown, a number out of range, a part has other labels than the network or
        other examples than labels, or the training part has one class.
    FloatingPointError
        If the loss is not finite.
    """
    validation.choice(head, HEADS, "head")
    validation.choice(fine_tuning, FINE_TUNING, "fine_tuning")
    for value, name in (
        (n_epochs, "n_epochs"), (patience, "patience"), (batch_size, "batch_size"),
    ):  # fmt: skip
        validation.count(value, name)
    validation.count(n_new, "n_new", at_least=0)
    seed = validation.count(seed, "seed", at_least=0)
    if not isinstance(network, _KINDS[head]):
        raise TypeError(f"network must have the head {head!r}, got {type(network).__name__}.")
    for part, name in ((train, "train"), (valid, "valid")):
        _check_labels(*part, network.n_outputs, f"{name}[0]", f"{name}[1]")
    if len(found := train[1].unique()) < 2:
        raise ValueError(
            f"the training part holds the class {found.tolist()} only; two are needed."
        )
    lr = validation.number(lr, "lr", above=0)
    fresh = [p for name in _NEW[head] for p in getattr(network, name).parameters()]
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, fused=True)
    order = np.random.default_rng(seed)
    last = head != "pre-local"
    kept = [_features(network, X) for X, _ in (train, valid)] if last else None

    def frozen(epoch):
        return fine_tuning == "new" or epoch <= n_new

    def logits(X, rows, part, epoch):
        if last and frozen(epoch):
            return network.final_layer(kept[part][rows])
        return network(X[rows])

    def one_epoch(epoch):
        for parameter in network.parameters():
            parameter.requires_grad_(not frozen(epoch))
        for parameter in fresh:
            parameter.requires_grad_(True)
        network.train(not frozen(epoch))
        X, y = train
        total = 0.0
        for rows in torch.from_numpy(order.permutation(len(X))).to(X.device).split(batch_size):
            loss = functional.cross_entropy(logits(X, rows, 0, epoch), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        state["epoch"] = epoch
        return total / len(X)

    @torch.no_grad()
    def validate():
        network.eval()
        X, y = valid
        parts = torch.arange(len(X), device=X.device).split(512)
        found = torch.cat([logits(X, rows, 1, state["epoch"]) for rows in parts])
        return functional.cross_entropy(found, y).item()

    state = {}
    with training.reproducible(seed, train[0].device):
        curve, _ = training.early_stopping(
            network,
            one_epoch,
            validate,
            n_epochs=n_epochs,
            patience=patience,
            restore_best=True,
            advice="Are the windows finite?",
        )
    network.requires_grad_(True).eval()
    return curve


def scores(network, X, y):
    """ROC-AUC of two classes, accuracy of more, and always the accuracy.

    Parameters
    ----------
    network : torch.nn.Module
    X : Tensor, shape (n_windows, n_channels, n_times)
    y : Tensor of int, shape (n_windows,)

    Returns
    -------
    scores : dict of float
        ``accuracy``, and ``roc_auc`` where there are two classes.

    Raises
    ------
    TypeError, ValueError
        If an example is not finite, labels are none of the network's or not as many as examples,
        or, of a network of two classes, all alike.
    """
    from sklearn.metrics import roc_auc_score

    finite = X.isfinite().flatten(1).all(1)
    if not bool(finite.all()):
        bad = (~finite).nonzero()[0, 0].item()
        raise ValueError(f"X holds a value that is not finite, first in example {bad} of {len(X)}.")
    found = training.logits(network, X)
    _check_labels(X, y, found.shape[1], "X", "y")
    result = {"accuracy": float((found.argmax(1) == y).float().mean())}
    if found.shape[1] == 2:
        if len(kinds := y.unique().tolist()) < 2:
            raise ValueError(f"y holds the class {kinds} only: there is no ROC curve.")
        margin = (found[:, 1] - found[:, 0]).cpu().numpy()
        result["roc_auc"] = float(roc_auc_score(y.cpu().numpy(), margin))
    return result


def _check_labels(X, y, n_classes, name, of_labels):
    validation.same_length(**{name: X, of_labels: y})
    if y.dtype != torch.int64 or y.ndim != 1:
        raise TypeError(
            f"{of_labels} must be int64 of shape (n_windows,), got {y.dtype} of {tuple(y.shape)}."
        )
    if len(y) == 0:
        raise ValueError(f"{of_labels} is empty: there is no window.")
    if not 0 <= int(y.min()) <= int(y.max()) < n_classes:
        raise ValueError(
            f"{of_labels} must be from 0 to {n_classes - 1}, the classes of the network, got "
            f"{int(y.min())} to {int(y.max())}."
        )


@torch.no_grad()
def _features(network, X):
    """What the layers before the last one give."""
    network.eval()
    return torch.cat([network(part, return_features=True)["features"] for part in X.split(256)])
