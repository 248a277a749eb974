r"""Phase harmonics of complex numbers, and what they have to do with rectifiers.

The harmonic of order :math:`k` multiplies a phase and keeps the modulus,

.. math:: [z]^k = |z|\, e^{i k \arg z}.

A rectified wavelet coefficient, as in a layer of a network, is a function of the phase alone but
for the modulus: :math:`\rho(\mathrm{Re}(e^{i a} z)) = |z|\, h(a + \arg z)` with
:math:`\rho(t) = \max(t, 0)` and :math:`h(t) = \max(\cos t, 0)`. Harmonics are therefore the Fourier
coefficients of rectifiers along the phase :math:`a`,

.. math:: \frac{1}{2\pi} \int_0^{2\pi} \rho(\mathrm{Re}(e^{i a} z))\, e^{-i k a}\, da
          = c_k\, [z]^k,

with :math:`c_k` of `rectifier_coefficient`. See [1]_.

References
----------
.. [1] S. Mallat, S. Zhang, G. Rochette, "Phase harmonic correlations and convolutional neural
   networks", Information and Inference 9(3), 2020, arXiv:1810.12136.
"""

import math

import numpy as np
import torch

from common import validation

__all__ = [
    "harmonic",
    "harmonic_of_rectifiers",
    "harmonics",
    "phase_and_modulus",
    "powers_of_phase",
    "pull_back",
    "rectifier",
    "rectifier_coefficient",
]


def harmonic(z, k):
    r"""The harmonic :math:`[z]^k` of complex numbers.

    Parameters
    ----------
    z : complex Tensor
    k : int
        0 gives the modulus, 1 the number itself, -1 its conjugate.

    Returns
    -------
    w : Tensor
        Of the shape of ``z``; real where ``k`` is 0. Differentiable; where ``z`` is 0 it is 0, and
        so is its gradient but for ``k`` of 1 and -1.

    Raises
    ------
    TypeError
        If ``z`` is not complex, or ``k`` no whole number.

    Examples
    --------
    >>> harmonic(torch.tensor([2j]), 2)
    tensor([-2.+0.j])
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise TypeError(f"k must be a whole number, got {k!r}.")
    (w,) = harmonics(z, [abs(int(k))])
    return w.conj().resolve_conj() if k < 0 else w


def harmonics(z, orders):
    r"""Several harmonics :math:`[z]^k` of the same numbers.

    Parameters
    ----------
    z : complex Tensor
    orders : sequence of int
        Not negative, each once.

    Returns
    -------
    w : tuple of Tensor
        One for each order; see `harmonic`.

    Raises
    ------
    TypeError
        If ``z`` is not complex, or an order no whole number.
    ValueError
        If an order is negative or stands twice.
    """
    _check_complex(z)
    orders = tuple(validation.count(k, "an order", at_least=-(10**6)) for k in orders)
    if not orders or min(orders) < 0 or len(set(orders)) < len(orders):
        raise ValueError(
            f"orders must be whole numbers from 0, each once, got {list(orders)}. "
            "The harmonic of -k is the conjugate of that of k."
        )
    return _Harmonics.apply(z, orders)


def rectifier(z, phase):
    r"""Rectified real part after a turn, :math:`\max(\mathrm{Re}(e^{i a} z), 0)`.

    Parameters
    ----------
    z : complex Tensor
    phase : float
        The angle a, in radians.

    Returns
    -------
    u : Tensor
        Real, of the shape of ``z``.

    Raises
    ------
    TypeError
        If ``z`` is not complex, or the phase no number.
    ValueError
        If the phase is not finite.
    """
    _check_complex(z)
    phase = validation.number(phase, "phase")
    return (z.real * math.cos(phase) - z.imag * math.sin(phase)).clamp(min=0)


def rectifier_coefficient(k):
    r"""Fourier coefficient of :math:`h(t) = \max(\cos t, 0)`.

    Parameters
    ----------
    k : int

    Returns
    -------
    c : float
        :math:`1/4` of order 1 and -1, 0 of any other odd order, and
        :math:`(-1)^{k/2 + 1} / (\pi (k^2 - 1))` of an even one.

    Raises
    ------
    TypeError
        If ``k`` is no whole number.

    Examples
    --------
    >>> round(rectifier_coefficient(0) * np.pi, 12)
    1.0
    """
    k = abs(k) if isinstance(k, int) and not isinstance(k, bool) else k
    k = validation.count(k, "k", at_least=0)
    if k % 2:
        return 0.25 if k == 1 else 0.0
    return (-1) ** (k // 2 + 1) / (math.pi * (k**2 - 1))


def harmonic_of_rectifiers(z, k, *, n_phases, rule="gauss"):
    r"""The integral of rectifiers over the phase that equals :math:`c_k [z]^k`.

    Parameters
    ----------
    z : complex Tensor
    k : int
    n_phases : int
        Phases at which rectifiers are computed, at least 1.
    rule : {"gauss", "uniform"}, default="gauss"
        Gauss-Legendre nodes on the half turn in which the rectifier is not zero, which depends on
        the phase of each number: exact but for rounding with 40 nodes and small ``k``. Or phases
        at equal distances, the same for all numbers, as in a network: a discrete Fourier transform,
        which adds the aliases :math:`c_{k + m A} [z]^{k + m A}` of A phases.

    Returns
    -------
    w : complex Tensor
        Of the shape of ``z``.

    Raises
    ------
    ValueError
        If there is no such rule, or no phase.
    TypeError
        If ``z`` is not complex, or ``k`` or ``n_phases`` no whole number.
    """
    _check_complex(z)
    k = validation.count(k, "k", at_least=-(10**6))
    n_phases = validation.count(n_phases, "n_phases")
    validation.choice(rule, ("gauss", "uniform"), "rule")
    total = torch.zeros_like(z)
    if rule == "uniform":
        for phase in 2 * np.pi * np.arange(n_phases) / n_phases:
            turn = complex(np.exp(-1j * k * phase))
            total += rectifier(z, float(phase)) * turn / n_phases
        return total
    nodes, weights = np.polynomial.legendre.leggauss(n_phases)
    angle = z.angle()
    for node, weight in zip(np.pi / 2 * nodes, np.pi / 2 * weights, strict=True):
        # The phase a for which a + arg z is the node.
        turn = torch.exp(-1j * k * (node - angle))
        value = rectifier(z * torch.exp(-1j * angle), float(node))
        total += value * turn * float(weight) / (2 * np.pi)
    return total


def _check_complex(z):
    if not isinstance(z, torch.Tensor) or not z.is_complex():
        kind = z.dtype if isinstance(z, torch.Tensor) else type(z).__name__
        raise TypeError(f"z must be a complex tensor, got {kind}.")


def powers_of_phase(phase):
    """Powers of complex numbers of modulus 1, each computed once out of lower ones.

    Parameters
    ----------
    phase : complex Tensor

    Returns
    -------
    power : callable
        From an order, at least 1, to a tensor.
    """
    known = {1: phase}

    def power(k):
        if k not in known:
            half = power(k // 2)
            square = half * half
            known[k] = square * phase if k % 2 else square
        return known[k]

    return power


def phase_and_modulus(z):
    """Phase of complex numbers, 0 where they are 0, and their modulus.

    Parameters
    ----------
    z : complex Tensor

    Returns
    -------
    phase : complex Tensor
    modulus : Tensor
    """
    modulus = z.abs()
    return z / torch.where(modulus > 0, modulus, 1), modulus


def pull_back(gradient, power, k):
    """Gradient with respect to z, out of that with respect to its harmonic.

    With u the phase of z, d[z]^k = u^k (Re(conj(u) dz) + i k Im(conj(u) dz)).

    Parameters
    ----------
    gradient : Tensor
        Real where ``k`` is 0, else complex.
    power : callable
        As from `powers_of_phase`.
    k : int
        At least 0.

    Returns
    -------
    gradient : complex Tensor
    """
    if k == 0:
        return power(1) * gradient
    if k == 1:
        return gradient
    turned = torch.view_as_real(gradient.conj().resolve_conj() * power(k))
    turned = turned * turned.new_tensor([1.0, -float(k)])
    return torch.view_as_complex(turned) * power(1)


class _Harmonics(torch.autograd.Function):
    """One division by the modulus for all orders, and none on the way back."""

    @staticmethod
    def forward(ctx, z, orders):
        phase, modulus = phase_and_modulus(z)
        power = powers_of_phase(phase)
        ctx.orders = orders
        ctx.save_for_backward(phase)
        ctx.set_materialize_grads(False)
        of_order = {0: lambda: modulus, 1: z.clone}
        return tuple(of_order.get(k, lambda k=k: z * power(k - 1))() for k in orders)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *gradients):
        power = powers_of_phase(*ctx.saved_tensors)
        given = [(k, g) for k, g in zip(ctx.orders, gradients, strict=True) if g is not None]
        parts = [pull_back(gradient, power, k) for k, gradient in given]
        return sum(parts[1:], parts[0]) if parts else None, None
