r"""RELAX: unbiased gradients of the expectation of a function of discrete draws.

**Draws.** With u uniform, :math:`z_i = \log \pi_i - \log(-\log u_i)` and
:math:`b = \arg\max_i z_i` has the probabilities :math:`\pi = \operatorname{softmax}(w)`. Given b, z
is distributed as :math:`\tilde z_b = -\log(-\log v_b)`,

.. math:: \tilde z_i = -\log\Big(-\frac{\log v_i}{\pi_i} - \log v_b\Big), \quad i \neq b,

v uniform. Of a Bernoulli variable :math:`m = 1[z > 0]`, :math:`z = \operatorname{logit} p +
\operatorname{logit} u`; given m, u is uniform on :math:`[1 - p, 1]` or on :math:`[0, 1 - p]`.

**Gradient.** With any smooth control variate c,

.. math:: g = \big(f(b) - c(\tilde z)\big)\, \nabla \log \Pr(b) + \nabla c(z) - \nabla c(\tilde z)

is unbiased: the mean of :math:`c(\tilde z) \nabla \log \Pr(b) + \nabla c(\tilde z)` given v is the
gradient of :math:`E\, c(z)`. Its parameters are chosen to make :math:`\|g\|^2` small.

Here an example draws one of M programs at each of S stages, and for each of its K operations
whether it is applied. The control variate sees a relaxation of what was *selected*:
:math:`s = \operatorname{softmax}(z/\eta)` of each stage, and
:math:`\sum_i s_i\, \sigma(z^{(i)}/\eta)` of the Bernoulli variables. Of those that were not
selected :math:`z = \tilde z`, so they add no difference and little noise.

References
----------
.. [1] W. Grathwohl, D. Choi, Y. Wu, G. Roeder, D. Duvenaud, "Backpropagation through the Void",
   ICLR 2018, arXiv:1711.00123, Eq. (8) to (10) and appendix B.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from common import validation
from common.augmentation.operations import uniform

__all__ = ["ControlVariate", "Draws", "draw", "reinforce", "relax"]

_SMALLEST = 1e-6  # uniform draws, whose logarithm is taken twice


class Draws(NamedTuple):
    """Choices of a batch, and the uniform numbers behind them.

    Attributes
    ----------
    chosen : Tensor of int, shape (n_examples, n_stages)
    applied : Tensor of bool, shape (n_examples, n_stages, length)
        Of the operations of the chosen programs.
    u, v : Tensor, shape (n_examples, n_stages, n_programs)
        Of the choices, and of the choices given their outcome.
    bernoulli_u : Tensor, shape (n_examples, n_stages, n_programs, length)
    bernoulli_v : Tensor, shape (n_examples, n_stages, length)
    """

    chosen: torch.Tensor
    applied: torch.Tensor
    u: torch.Tensor
    v: torch.Tensor
    bernoulli_u: torch.Tensor
    bernoulli_v: torch.Tensor


class ControlVariate(nn.Module):
    """A network of two layers on the relaxed choices of an example.

    Parameters
    ----------
    n_stages, n_programs, length : int
        Of the choices.
    n_side : int, default=0
        Further inputs, such as the class.
    n_hidden : int, default=16
    temperature : float, default=0.5
        Eta.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range.
    """

    def __init__(self, n_stages, n_programs, length, *, n_side=0, n_hidden=16, temperature=0.5):
        super().__init__()
        self.temperature = validation.number(temperature, "temperature", above=0)
        for value, name in (
            (n_stages, "n_stages"), (n_programs, "n_programs"), (length, "length"),
            (n_hidden, "n_hidden"),
        ):  # fmt: skip
            validation.count(value, name)
        n_side = validation.count(n_side, "n_side", at_least=0)
        n_inputs = n_stages * (n_programs + length) + n_side
        self.layers = nn.Sequential(
            nn.Linear(validation.count(n_inputs, "n_inputs"), n_hidden),
            nn.Tanh(),
            nn.Linear(n_hidden, 1),
        )

    def forward(self, z, bernoulli_z, side=None):
        """Values of the control variate.

        Parameters
        ----------
        z : Tensor, shape (n_examples, n_stages, n_programs)
        bernoulli_z : Tensor, shape (n_examples, n_stages, n_programs, length)
        side : Tensor, shape (n_examples, n_side), optional

        Returns
        -------
        values : Tensor, shape (n_examples,)
        """
        shares = functional.softmax(z / self.temperature, dim=-1)
        applied = torch.sigmoid(bernoulli_z / self.temperature)
        applied = (shares[..., None] * applied).sum(-2)
        inputs = [shares.flatten(1), applied.flatten(1)]
        inputs += [] if side is None else [side]
        return self.layers(torch.cat(inputs, 1))[:, 0]


@torch.no_grad()
def draw(logits, probabilities, *, generator=None):
    """Draw programs, and which of their operations are applied.

    Parameters
    ----------
    logits : Tensor, shape (n_examples, n_stages, n_programs)
    probabilities : Tensor, shape (n_examples, n_stages, n_programs, length)
        Strictly between 0 and 1.
    generator : torch.Generator, optional

    Returns
    -------
    draws : Draws

    Raises
    ------
    ValueError
        If shapes do not fit, a probability is 0 or 1, or outside of that, or a logit is not finite.
    """
    if logits.ndim != 3 or probabilities.ndim != 4 or probabilities.shape[:3] != logits.shape:
        raise ValueError(
            "logits must have shape (n_examples, n_stages, n_programs), and probabilities one axis "
            f"more, got {tuple(logits.shape)} and {tuple(probabilities.shape)}."
        )
    if not bool(logits.isfinite().all()):
        raise ValueError("logits must be finite. Was a loss not finite? Lower the policy's rate.")
    bad = probabilities[~((probabilities > 0) & (probabilities < 1))]
    if len(bad):
        raise ValueError(
            f"probabilities must be above 0 and below 1, got {bad[0].item():g}. Call project_() of "
            "the space after each step."
        )

    def numbers(shape):
        drawn = uniform(shape, logits, generator)
        return drawn.clamp(_SMALLEST, 1 - _SMALLEST)

    u, bernoulli_u = numbers(logits.shape), numbers(probabilities.shape)
    chosen = _gumbel(logits, u).argmax(-1)
    applied = _selected(_logistic(probabilities, bernoulli_u), chosen) > 0
    return Draws(chosen, applied, u, numbers(u.shape), bernoulli_u, numbers(applied.shape))


def relax(values, logits, probabilities, draws, control, *, side=None):
    """The RELAX estimate of each example.

    Parameters
    ----------
    values : Tensor, shape (n_examples,)
        f of the draws.
    logits, probabilities : Tensor
        As for `draw`.
    draws : Draws
    control : ControlVariate
    side : Tensor, shape (n_examples, n_side), optional
        For the control variate.

    Returns
    -------
    gradient : tuple of Tensor
        With respect to ``logits`` and ``probabilities``, of their shapes. Differentiable in the
        parameters of the control variate, whose loss is the mean square of the gradient.

    Raises
    ------
    ValueError
        If there is not one finite value for each example.
    """
    _check_values(values, logits)
    at, logarithms = _score(logits, probabilities, draws)
    score = torch.autograd.grad(logarithms.sum(), at, retain_graph=True)
    free = _gumbel(at[0], draws.u), _logistic(at[1], draws.bernoulli_u)
    given = _given(*at, draws, free[1])
    before = control(*given, side)
    difference = control(*free, side) - before
    smooth = torch.autograd.grad(difference.sum(), at, create_graph=True)
    rest = values.detach() - before
    return tuple(
        rest.reshape(-1, *[1] * (one.ndim - 1)) * one + other
        for one, other in zip(score, smooth, strict=True)
    )


def reinforce(values, logits, probabilities, draws):
    """The score-function estimate of each example, to compare with.

    Parameters
    ----------
    values, logits, probabilities, draws
        As for `relax`.

    Returns
    -------
    gradient : tuple of Tensor
        With respect to ``logits`` and ``probabilities``, of their shapes.

    Raises
    ------
    ValueError
        As `relax`.
    """
    _check_values(values, logits)
    at, logarithms = _score(logits, probabilities, draws)
    return torch.autograd.grad((values.detach() * logarithms).sum(), at)


def _check_values(values, logits):
    if values.shape != logits.shape[:1]:
        raise ValueError(
            f"values must have shape {tuple(logits.shape[:1])}, one for each example, got "
            f"{tuple(values.shape)}."
        )
    if not bool(values.isfinite().all()):
        raise ValueError("values must be finite. Was a loss not finite?")


def _score(logits, probabilities, draws):
    """Copies of the parameters for each example, and the log-probability of its draws."""
    at = logits.detach().requires_grad_(), probabilities.detach().requires_grad_()
    logarithms = functional.log_softmax(at[0], -1)
    logarithms = logarithms.gather(-1, draws.chosen[..., None]).flatten(1).sum(1)
    p = _selected(at[1], draws.chosen)
    applied = torch.where(draws.applied, p, 1 - p).log()
    return at, logarithms + applied.flatten(1).sum(1)


def _gumbel(logits, u):
    return functional.log_softmax(logits, -1) - (-u.log()).log()


def _logistic(p, u):
    return torch.logit(p) + torch.logit(u)


def _selected(values, chosen):
    """Of the chosen programs, shape (n_examples, n_stages, length)."""
    at = chosen[..., None, None].expand(*chosen.shape, 1, values.shape[-1])
    return values.gather(-2, at).squeeze(-2)


def _given(logits, probabilities, draws, bernoulli_z):
    """z given the outcome; Bernoulli variables that were not selected stay as they were drawn."""
    pi = functional.softmax(logits, -1)
    rates = -draws.v.log()  # exponential
    first = rates.gather(-1, draws.chosen[..., None])
    others = -(rates / pi + first).log()
    mask = functional.one_hot(draws.chosen, logits.shape[-1]).bool()
    z = torch.where(mask, -first.log(), others)
    p = _selected(probabilities, draws.chosen)
    v = draws.bernoulli_v
    u = torch.where(draws.applied, 1 - p * (1 - v), (1 - p) * v)
    selected = torch.logit(p) + torch.logit(u.clamp(_SMALLEST, 1 - _SMALLEST))
    bernoulli_z = torch.where(mask[..., None], selected[..., None, :], bernoulli_z)
    return z, bernoulli_z
