r"""How invariant the output of a network is, compared with how much it differs between examples.

With d = 1 - cos the distance of two outputs, :math:`\pi` a random permutation of the batch and T a
transformation,

.. math:: I(x) = \frac{d(z(x), z(\pi x)) - d(z(x), z(T x))}{d(z(x), z(\pi x)) + 10^{-8}}.

It is 1 where T changes nothing, and 0 where T changes the output as much as another example does. A
network whose output is constant, a dead one, has 0: its output does not tell examples apart.
"""

import torch
from torch.nn import functional

from common import validation

__all__ = ["invariance", "invariance_of_outputs"]

_TINY = 1e-8


@torch.inference_mode()
def invariance(network, X, transform, *, rng):
    """Invariance of a network's output, by example.

    Parameters
    ----------
    network : torch.nn.Module
        Called as it is: set its mode before.
    X : Tensor, shape (n_examples, ...)
    transform : callable
        T, of a batch.
    rng : numpy.random.Generator
        Draws the permutation.

    Returns
    -------
    invariance : Tensor, shape (n_examples,)
        At most 1; negative where T changes more than another example does.

    Raises
    ------
    ValueError
        If there are fewer than two examples, or an output is not finite.
    """
    return invariance_of_outputs(network(X), network(transform(X)), rng=rng)


def invariance_of_outputs(outputs, transformed, *, rng):
    """The same from outputs that are there.

    Parameters
    ----------
    outputs, transformed : Tensor, shape (..., n_examples, n_outputs)
        z(x) and z(T x). Leading axes are networks; all get the same permutation.
    rng : numpy.random.Generator
        Draws the permutation.

    Returns
    -------
    invariance : Tensor, shape (..., n_examples)

    Raises
    ------
    ValueError
        If shapes differ, there are fewer than two examples, or an output is not finite.
    """
    rng = validation.generator(rng)
    if outputs.shape != transformed.shape:
        raise ValueError(
            f"outputs have shape {tuple(outputs.shape)}, transformed {tuple(transformed.shape)}."
        )
    n_examples = outputs.shape[-2]
    if n_examples < 2:
        raise ValueError(
            f"invariance compares examples: at least two are needed, got {n_examples}."
        )
    for name, one in (("outputs", outputs), ("transformed", transformed)):
        if not one.isfinite().all():
            raise ValueError(f"{name} hold a value that is not finite: did training diverge?")
    order = torch.from_numpy(rng.permutation(n_examples))
    between = _distance(outputs, outputs[..., order, :])
    within = _distance(outputs, transformed)
    return (between - within) / (between + _TINY)


def _distance(a, b):
    cosines = functional.cosine_similarity(a.double(), b.double(), dim=-1)
    return (1 - cosines).clamp(min=0)  # rounding may take a cosine beyond 1
