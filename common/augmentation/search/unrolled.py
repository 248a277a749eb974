r"""The gradient of a validation loss through one step of training.

With :math:`\theta' = \theta - \xi \nabla_\theta L(\theta, \alpha)` and a validation loss V,

.. math:: \frac{d V(\theta')}{d \alpha} = -\xi\, \nabla^2_{\alpha\theta} L(\theta, \alpha)\,
   \nabla V(\theta') \approx -\xi\, \frac{\nabla_\alpha L(\theta + \epsilon g', \alpha)
   - \nabla_\alpha L(\theta - \epsilon g', \alpha)}{2 \epsilon},

:math:`g' = \nabla V(\theta')`, :math:`\epsilon = r / \|g'\|`. The error of the right side is of
order :math:`r^2`. There is no direct term: validation examples are not augmented. Both losses on
the right must see the same draws of the augmentation, as differences of fresh draws are noise.

References
----------
.. [1] C. Rommel et al., "CADDA", ICLR 2022, arXiv:2106.13695, Algorithm 1.
.. [2] H. Liu, K. Simonyan, Y. Yang, "DARTS", ICLR 2019, arXiv:1806.09055, Eq. (7) and (8).
"""

import torch

from common import validation

__all__ = ["RADIUS", "difference_gradient", "exact_gradient", "radius_over_norm"]

RADIUS = 0.01
"""r, as in the code of DADA."""


def exact_gradient(train_loss, valid_loss, theta, alpha, *, step):
    """The gradient by automatic differentiation through the step (double backward).

    Parameters
    ----------
    train_loss : callable
        ``train_loss(theta, alpha)`` gives a scalar.
    valid_loss : callable
        ``valid_loss(theta)`` gives a scalar.
    theta, alpha : Tensor
        Weights, and parameters of the augmentation.
    step : float
        Xi.

    Returns
    -------
    gradient : Tensor, of the shape of ``alpha``

    Raises
    ------
    ValueError
        If the step is not positive, or the gradient not finite.
    """
    step = validation.number(step, "step", above=0)
    theta, alpha = theta.detach().requires_grad_(), alpha.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(train_loss(theta, alpha), theta, create_graph=True)
    (found,) = torch.autograd.grad(valid_loss(theta - step * gradient), alpha)
    if not bool(found.isfinite().all()):
        raise ValueError(
            f"the gradient of the validation loss is {found.tolist()}. Are theta, alpha and both "
            "losses finite?"
        )
    return found


def difference_gradient(train_loss, valid_loss, theta, alpha, *, step, radius=RADIUS):
    """The gradient by two more gradients in alpha instead; see the module's text.

    Parameters
    ----------
    train_loss, valid_loss, theta, alpha, step
        As for `exact_gradient`.
    radius : float, default=0.01
        r.

    Returns
    -------
    gradient : Tensor, of the shape of ``alpha``

    Raises
    ------
    ValueError
        If the step or the radius is not positive, or the validation loss has no gradient.
    """
    step = validation.number(step, "step", above=0)
    radius = validation.number(radius, "radius", above=0)
    theta, alpha = theta.detach().requires_grad_(), alpha.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(train_loss(theta, alpha), theta)
    moved = (theta - step * gradient).detach().requires_grad_()
    (direction,) = torch.autograd.grad(valid_loss(moved), moved)
    epsilon = radius_over_norm([direction], radius)
    sides = [
        torch.autograd.grad(train_loss((theta + sign * epsilon * direction).detach(), alpha), alpha)
        for sign in (1, -1)
    ]
    return -step * (sides[0][0] - sides[1][0]) / (2 * epsilon)


def radius_over_norm(direction, radius=RADIUS):
    """Epsilon of the finite differences.

    Parameters
    ----------
    direction : sequence of Tensor
        g', in parts.
    radius : float, default=0.01

    Returns
    -------
    epsilon : float

    Raises
    ------
    ValueError
        If the direction is 0 or not finite.
    """
    norm = float(torch.linalg.vector_norm(torch.stack([one.norm() for one in direction])))
    if not 0 < norm < float("inf"):
        raise ValueError(
            f"the gradient of the validation loss has the norm {norm}, which gives no direction. "
            "Is the validation part empty, or the loss at 0 or not finite?"
        )
    return radius / norm
