"""The training loop against closed-form minima, the learning rate it promises, and its errors."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from common.events.optimization import fit


def parameter(*values):
    return torch.nn.Parameter(torch.tensor(values))


@pytest.fixture
def steps():
    """What the optimizer sees at each step: its settings, and the length of the gradient."""
    seen = []

    def look(optimizer, args, kwargs):
        group = optimizer.param_groups[0]
        gradient = torch.cat([p.grad.flatten() for p in group["params"] if p.grad is not None])
        seen.append({**group, "norm": gradient.norm().item()})

    hook = register_optimizer_step_pre_hook(look)
    yield seen
    hook.remove()


def drift(x, values):
    """Loss whose values are given and whose gradient is 1 for each parameter."""
    return lambda i: ((x - x.detach()).sum() + values[i], {"twice": 2 * values[i]})


def test_finds_the_minimum_of_a_quadratic():
    # 1/2 x'Hx - b'x is least where Hx = b.
    hessian = torch.tensor([[3.0, 1.0], [1.0, 2.0]])
    b = torch.tensor([1.0, -1.0])
    x = parameter(4.0, 4.0)
    curve = fit(
        [x],
        itertools.repeat(b),
        lambda b: (0.5 * x @ hessian @ x - b @ x, {}),
        n_steps=400,
        lr=0.1,
        weight_decay=0.0,
    )
    # The last steps are some 1e-4 long, and single precision is finer than that.
    np.testing.assert_allclose(x.detach(), [0.6, -0.8], atol=1e-3)
    assert curve[-1]["loss"] == pytest.approx(-0.7, abs=1e-5)  # -1/2 b'x


def test_what_is_not_trained_stays():
    trained, frozen, other = parameter(1.0), parameter(1.0).requires_grad_(False), parameter(1.0)
    fit(
        [trained, frozen],
        itertools.repeat(0),
        lambda _: ((trained + frozen + other).square().sum(), {}),
        n_steps=5,
        lr=0.1,
    )
    assert trained.item() != 1
    assert frozen.item() == 1 and other.item() == 1


def test_weight_decay_shrinks_what_the_loss_ignores(steps):
    # Decoupled decay multiplies by 1 - lr * decay at each step, and the gradient adds nothing.
    x = parameter(2.0)
    fit([x], itertools.repeat(0), lambda _: (0 * x.sum(), {}), n_steps=20, lr=0.1, weight_decay=0.5)
    expected = 2 * math.prod(1 - 0.5 * step["lr"] for step in steps)
    assert x.item() == pytest.approx(expected, rel=1e-6)


def test_learning_rate_rises_and_falls_along_a_cosine(steps):
    n_steps, lr, rise = 41, 0.2, 0.25
    x = parameter(0.0)
    fit([x], itertools.count(), drift(x, range(100)), n_steps=n_steps, lr=lr, warm_up=rise)
    rates = np.array([step["lr"] for step in steps])
    peak = rise * n_steps - 1  # 9.25: the peak lies between two steps
    step = np.arange(n_steps)
    # Half a cosine from lr / 25 up to lr, and another down to lr / 25 / 10^4.
    up = lr / 25 + (lr - lr / 25) * (1 - np.cos(np.pi * step / peak)) / 2
    low = lr / 25e4
    down = low + (lr - low) * (1 + np.cos(np.pi * (step - peak) / (n_steps - 1 - peak))) / 2
    np.testing.assert_allclose(rates, np.where(step <= peak, up, down), rtol=1e-9)


@pytest.mark.parametrize("n_steps", [1, 2, 9, 10, 11, 20])
def test_any_number_of_steps_works(steps, n_steps):
    # 10 steps of which a tenth, one step, is the rise: torch's schedule alone divides by zero.
    x = parameter(0.0)
    curve = fit([x], iter(range(n_steps)), drift(x, range(n_steps)), n_steps=n_steps, lr=0.1)
    assert len(steps) == n_steps
    assert curve[-1]["step"] == n_steps
    assert all(0 < step["lr"] <= 0.1 for step in steps)


def test_long_gradients_are_shortened_and_short_ones_are_not(steps):
    x = parameter(0.0, 0.0)
    slope = iter([torch.tensor([30.0, 40.0]), torch.tensor([0.3, 0.4])])
    fit([x], slope, lambda s: (s @ x, {}), n_steps=2, lr=0.1, max_norm=2.0)
    assert [step["norm"] for step in steps] == pytest.approx([2.0, 0.5], rel=1e-5)


def test_curve_holds_means_since_the_point_before():
    x = parameter(0.0)
    values = [float(v) for v in np.random.default_rng(0).integers(0, 100, 23)]
    curve = fit([x], iter(range(23)), drift(x, values), n_steps=23, lr=0.1, n_points=4)
    assert [point["step"] for point in curve] == [6, 12, 18, 23]
    for point, part in zip(curve, np.split(np.array(values), [6, 12, 18]), strict=True):
        assert point["loss"] == pytest.approx(part.mean())
        assert point["twice"] == pytest.approx(2 * part.mean())


def test_same_seed_same_bytes():
    def run():
        torch.manual_seed(0)
        x = torch.nn.Parameter(torch.randn(5))
        curve = fit(
            [x],
            itertools.repeat(0),
            lambda _: ((x - torch.randn(5)).square().sum(), {}),
            n_steps=8,
            lr=0.1,
        )
        return curve, x.detach().numpy().tobytes()

    assert run() == run()


def test_stops_when_the_score_no_longer_rises():
    x = parameter(0.0)
    scores = iter([0.1, 0.3, 0.3, 0.2, 0.9])
    curve = fit(
        [x],
        itertools.count(),
        drift(x, np.zeros(100)),
        n_steps=100,
        lr=0.1,
        n_points=100,
        validate=lambda: next(scores),
        every=5,
        patience=2,
    )
    assert curve[-1]["step"] == 20  # two calls after the best score, which was the second


def test_a_score_that_is_not_a_number_is_no_rise():
    x = parameter(0.0)
    curve = fit(
        [x],
        itertools.count(),
        drift(x, np.zeros(100)),
        n_steps=100,
        lr=0.1,
        n_points=100,
        validate=lambda: math.nan,
        every=1,
        patience=3,
    )
    assert curve[-1]["step"] == 3


def test_errors_say_what_is_wrong():
    x = parameter(1.0)
    batches, loss = itertools.count(), lambda _: (x.sum(), {})
    with pytest.raises(ValueError, match=r"n_steps must be at least 1, got 0"):
        fit([x], batches, loss, n_steps=0, lr=0.1)
    with pytest.raises(ValueError, match=r"no parameter requires a gradient"):
        fit([parameter(1.0).requires_grad_(False)], batches, loss, n_steps=1, lr=0.1)
    with pytest.raises(ValueError, match=r"validate needs every and patience, .* got None and 3"):
        fit([x], batches, loss, n_steps=1, lr=0.1, validate=lambda: 0, patience=3)


def test_a_loss_that_is_not_finite_names_the_step_and_the_terms():
    x = parameter(1.0)

    def loss(i):
        class_loss = x.sum() / (0.0 if i == 2 else 1.0)
        return class_loss, {"class": class_loss.detach(), "span": 0.5}

    expected = r"loss is inf at step 3 of 5 \({'class': inf, 'span': 0.5}\).*lr=0.1\) or look for"
    with pytest.raises(FloatingPointError, match=expected):
        fit([x], itertools.count(), loss, n_steps=5, lr=0.1)
    assert torch.isfinite(x).all()  # the step was not taken
