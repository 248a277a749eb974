"""The gradient through one step of training."""

import numpy as np
import pytest
import torch

from common.augmentation.search.toys import compare_unrolled
from common.augmentation.search.unrolled import (
    difference_gradient,
    exact_gradient,
    radius_over_norm,
)


def quadratic():
    """L = |theta - A alpha|^2 / 2 and V = |theta - b|^2 / 2, in double precision."""
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(2, 2, generator=generator).double()
    b, theta, alpha = (torch.randn(2, generator=generator).double() for _ in range(3))
    return (
        A, b, theta, alpha,
        lambda theta, alpha: (theta - A @ alpha).square().sum() / 2,
        lambda theta: (theta - b).square().sum() / 2,
    )  # fmt: skip


def test_of_quadratics_both_are_the_closed_form():
    A, b, theta, alpha, train_loss, valid_loss = quadratic()
    step = 0.3
    moved = theta - step * (theta - A @ alpha)
    expected = step * A.T @ (moved - b)  # theta' depends on alpha by step * A
    both = (train_loss, valid_loss, theta, alpha)
    torch.testing.assert_close(exact_gradient(*both, step=step), expected)
    # The third derivatives are zero, so that differences have no error but rounding.
    torch.testing.assert_close(difference_gradient(*both, step=step), expected)


def test_differences_agree_with_double_backward_and_their_error_is_of_second_order():
    table = compare_unrolled(radii=[0.01, 0.1], n_problems=20, rng=np.random.default_rng(0))
    errors = table.pivot(index="problem", columns="radius", values="error")
    assert (errors[0.01] < 1e-2).all()
    # A tenth of the radius: a hundredth of the error.
    assert np.median(errors[0.1] / errors[0.01]) == pytest.approx(100, rel=0.05)


def test_the_exact_gradient_is_that_of_the_loss_after_the_step():
    _, _, theta, alpha, train_loss, valid_loss = quadratic()

    def value(alpha):
        at = theta.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(train_loss(at, alpha), at)
        return float(valid_loss(theta - 0.3 * gradient))

    found = exact_gradient(train_loss, valid_loss, theta, alpha, step=0.3)
    for i in range(2):
        move = torch.zeros(2).double()
        move[i] = 1e-6
        expected = (value(alpha + move) - value(alpha - move)) / 2e-6
        assert float(found[i]) == pytest.approx(expected, rel=1e-6)


def test_bad_input_is_one_clear_error():
    _, _, theta, alpha, train_loss, valid_loss = quadratic()
    both = (train_loss, valid_loss, theta, alpha)
    with pytest.raises(ValueError, match="step must be above 0, got 0"):
        exact_gradient(*both, step=0.0)
    with pytest.raises(ValueError, match="radius must be above 0"):
        difference_gradient(*both, step=0.1, radius=-1.0)
    with pytest.raises(ValueError, match=r"norm 0\.0, which gives no direction"):
        radius_over_norm([torch.zeros(3)])
    with pytest.raises(ValueError, match="norm nan"):
        radius_over_norm([torch.tensor([float("nan")])])
