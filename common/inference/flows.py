"""Conditional normalising flows of sbi on coordinates in which the prior is standard normal.

As the base of a flow is standard normal, too, a flow that does nothing is the prior.
"""

import math
import warnings

import torch
from sbi.neural_nets.net_builders.flow import build_maf, build_nsf

from common import training, validation

__all__ = ["KINDS", "ConditionalFlow", "fit"]

KINDS = ("spline", "maf")
"""Neural spline flow, and masked autoregressive flow."""

_TAIL_BOUND = 4.0  # of splines: 6e-5 of a standard normal lie beyond
_N_BINS = 10
_MIN_BIN = 1e-5


class ConditionalFlow:
    """Density of coordinates given a context.

    Splines get a smallest width, height and slope of 1e-5. The usual 1e-3 leaves mass in every bin,
    however narrow the density should be: on the toy model a floor of 0.002 in the squared distance.

    Parameters
    ----------
    kind : str
        One of `KINDS`. A masked autoregressive flow of one coordinate is a normal distribution.
    n_dims : int
        Number of coordinates.
    contexts : Tensor, shape (n, n_context)
        Examples of contexts, by which contexts are standardised.
    n_transforms : int
    n_hidden : int, default=50
        Units of hidden layers.

    Raises
    ------
    TypeError, ValueError
        If an option is out of range, or ``contexts`` is no tensor of two axes, or not finite, or
        has fewer than two rows.
    """

    def __init__(self, kind, n_dims, contexts, *, n_transforms, n_hidden=50):
        validation.choice(kind, KINDS, "kind")
        self.n_dims = validation.count(n_dims, "n_dims")
        options = {
            "z_score_x": "none",
            "z_score_y": "independent",
            "num_transforms": validation.count(n_transforms, "n_transforms"),
            "hidden_features": validation.count(n_hidden, "n_hidden"),
        }
        if kind == "spline":
            options |= {"num_bins": _N_BINS, "tail_bound": _TAIL_BOUND}
        _check(contexts, "contexts", None)
        if len(contexts) < 2:
            raise ValueError(f"contexts must have two rows at least, got {len(contexts)}.")
        self.n_context = contexts.shape[1]
        build = {"spline": build_nsf, "maf": build_maf}[kind]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="In one-dimensional output space")
            self.network = build(torch.zeros(len(contexts), n_dims), contexts, **options)
        for module in self.network.modules():  # no option of the builder
            if hasattr(module, "min_bin_width"):
                module.min_bin_width = module.min_bin_height = module.min_derivative = _MIN_BIN

    def log_prob(self, z, contexts):
        """Logarithm of the density.

        Parameters
        ----------
        z : Tensor, shape (n, n_dims)
        contexts : Tensor, shape (n, n_context)

        Returns
        -------
        log_prob : Tensor, shape (n,)

        Raises
        ------
        TypeError, ValueError
            If an argument is no tensor of single precision, of another shape, or not finite.
        """
        _check(z, "z", self.n_dims)
        _check(contexts, "contexts", self.n_context)
        validation.same_length(z=z, contexts=contexts)
        return self.network.log_prob(z[None], condition=contexts)[0]

    @torch.no_grad()
    def sample(self, contexts, n_samples):
        """Samples, by torch's global generator.

        Parameters
        ----------
        contexts : Tensor, shape (n, n_context)
        n_samples : int

        Returns
        -------
        z : Tensor, shape (n, n_samples, n_dims)

        Raises
        ------
        TypeError, ValueError
            If ``contexts`` are no tensor of single precision, of another shape, or not finite, or
            ``n_samples`` is no whole number from 1.
        """
        _check(contexts, "contexts", self.n_context)
        n_samples = validation.count(n_samples, "n_samples")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.triangular_solve is deprecated")
            return self.network.sample((n_samples,), condition=contexts).transpose(0, 1)


def fit(build, draw, *, n_steps, batch_size, lr, seed):
    """Train a flow on examples drawn anew for each step.

    Adam, a learning rate that falls to 0 along a cosine, and gradients clipped at a norm of 5:
    where a parameter follows from the others, its log-density grows without bound.

    Parameters
    ----------
    build : callable
        ``build(contexts) -> ConditionalFlow``, from the contexts of the first examples.
    draw : callable
        ``draw(n) -> (z, contexts)``, about n examples as tensors.
    n_steps, batch_size : int
    lr : float
        The first learning rate, at most 1e38.
    seed : int
        Of the weights.

    Returns
    -------
    flow : ConditionalFlow
    loss : float
        Mean negative log-density over the last tenth of the steps.

    Raises
    ------
    TypeError, ValueError
        If an option is out of range, or an example is not finite.
    FloatingPointError
        If the loss is no longer finite.
    """
    n_steps = validation.count(n_steps, "n_steps")
    batch_size = validation.count(batch_size, "batch_size")
    lr = validation.number(lr, "lr", above=0, at_most=1e38)  # of float32
    with training.reproducible(seed):
        flow = build(draw(max(batch_size, 1024))[1])
        parameters = list(flow.network.parameters())
        optimizer = torch.optim.Adam(parameters, lr=lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
        flow.network.train()
        last, n_last = 0.0, max(1, n_steps // 10)
        for step in range(n_steps):
            z, contexts = draw(batch_size)
            loss = -flow.log_prob(z, contexts).mean()
            if not math.isfinite(loss.item()):
                raise FloatingPointError(
                    f"the loss is {loss.item()} in step {step + 1} of {n_steps}: the training "
                    f"diverged. Lower lr, which was {lr:g}."
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 5.0)
            optimizer.step()
            schedule.step()
            if step >= n_steps - n_last:
                last += loss.item() / n_last
    flow.network.eval()
    return flow, last


def _check(values, name, n_columns):
    if not torch.is_tensor(values) or values.dtype != torch.float32:
        what = values.dtype if torch.is_tensor(values) else type(values).__name__
        raise TypeError(f"{name} must be a tensor of float32, got {what}. Use torch.as_tensor.")
    if values.ndim != 2 or n_columns not in (None, values.shape[1]):
        columns = "n_context" if n_columns is None else n_columns
        raise ValueError(f"{name} must have shape (n, {columns}), got {tuple(values.shape)}.")
    finite = values.isfinite()
    if not bool(finite.all()):
        place = tuple((~finite).nonzero()[0].tolist())
        raise ValueError(f"{name} must be finite, got {values[place].item()} at index {place}.")
