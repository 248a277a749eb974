"""Differentiable functions of symmetric tensors. The only module here that imports torch."""

import torch
from torch.autograd.function import once_differentiable

from common.spd._checks import check_eigenvalues
from common.spd._elimination import eliminate

__all__ = ["BusemannFunction", "SpectralFunction"]


class SpectralFunction(torch.autograd.Function):
    r"""Logarithm or exponential of symmetric matrices :math:`M = V \Lambda V^\top`.

    The derivative in direction E is (Daleckii and Krein)

    .. math:: V \big( F \circ (V^\top E V) \big) V^\top, \qquad
              F_{ij} = \frac{f(\lambda_i) - f(\lambda_j)}{\lambda_i - \lambda_j},

    with :math:`F_{ij} = f'(\lambda_i)` where the two coincide: it has no pole, unlike the
    derivative of the eigenvectors that automatic differentiation would go through. It is
    self-adjoint, so the gradient is the same expression. Second derivatives are not implemented,
    and asking for them is an error.
    """

    @staticmethod
    def forward(ctx, matrices, function, name):
        """Function of the matrices."""
        eigenvalues, vectors = torch.linalg.eigh(matrices)
        if function == "log":
            check_eigenvalues(eigenvalues, name=name)
        values = eigenvalues.log() if function == "log" else eigenvalues.exp()
        ctx.save_for_backward(eigenvalues, vectors, values)
        ctx.function = function
        return (vectors * values[..., None, :]) @ vectors.mT

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        """Gradient with respect to the matrices: symmetric."""
        eigenvalues, vectors, values = ctx.saved_tensors
        differences = _log_differences if ctx.function == "log" else _exp_differences
        inner = vectors.mT @ ((gradient + gradient.mT) / 2) @ vectors
        inner = inner * differences(eigenvalues, values)
        return vectors @ inner @ vectors.mT, None, None


def _log_differences(eigenvalues, logarithms):
    # log a - log b = 2 artanh z with z = (a - b) / (a + b), which keeps its digits where a and b
    # are close. Where they are far apart 1 - z loses them, and the plain quotient does not.
    a, b = eigenvalues[..., :, None], eigenvalues[..., None, :]
    z = (a - b) / (a + b)
    close = z.abs() < 0.5
    safe = torch.where(close & (z != 0), z, 0.25)
    near = 2 * torch.where(z == 0, 1.0, torch.atanh(safe) / safe) / (a + b)
    gap = torch.where(close, 1.0, a - b)
    return torch.where(close, near, (logarithms[..., :, None] - logarithms[..., None, :]) / gap)


def _exp_differences(eigenvalues, exponentials):
    # e^a - e^b = 2 e^((a + b) / 2) sinh((a - b) / 2)
    a, b = eigenvalues[..., :, None], eigenvalues[..., None, :]
    half = (a - b) / 2
    safe = torch.where(half == 0, 1.0, half)
    return torch.exp((a + b) / 2) * torch.where(half == 0, 1.0, torch.sinh(safe) / safe)


class BusemannFunction(torch.autograd.Function):
    r"""Coordinates :math:`t = \sum_i \theta_i \log D_{ii}` of matrices M.

    With the Cholesky factor :math:`C C^\top = P^\top M P`, the i-th pivot is a quotient of leading
    minors, whose logarithms have as gradients the inverses of the leading blocks. Their differences
    are the squares of the rows of :math:`C^{-1}`, so

    .. math:: \nabla_M t = P\, C^{-\top} \operatorname{diag}(\theta)\, C^{-1} P^\top.

    The factors are computed again, projection by projection, rather than kept for the backward
    pass: they would take n_channels squared numbers a coordinate.
    """

    @staticmethod
    def forward(ctx, pairs, theta, P):
        """Coordinates, shape (n_projections, n_matrices), of matrices beside their inverses."""
        ctx.save_for_backward(pairs, theta, P)
        return eliminate(pairs, theta, P)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        """Gradient with respect to the matrices: symmetric. The inverses were held fixed."""
        pairs, theta, P = ctx.saved_tensors
        matrices, total = pairs[:, 0], torch.zeros_like(pairs)
        for weights, angles, rotation in zip(gradient, theta, P, strict=True):
            C = torch.linalg.cholesky(rotation.T @ matrices @ rotation)
            rows = torch.linalg.solve_triangular(C, rotation.T.expand_as(C), upper=False)
            total[:, 0] += rows.mT @ (weights[:, None, None] * angles[:, None] * rows)
        return total, None, None
