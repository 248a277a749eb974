"""Barycentres against POT's, symmetries, and the order of what few inner iterations cost."""

import numpy as np
import ot
import pytest

from common.implicit import barycenter_loss, barycenter_path, examples
from common.transport import dual_value, sinkhorn

COST = examples.grid_cost(12, 12)
A = examples.random_weights(4, 12, rng=np.random.default_rng(0))


def last(a=A, *, n_inner=60, gradient="analytic", n_outer=300, step=1.0):
    options = {"reg": 0.1, "step": step, "n_inner": n_inner, "gradient": gradient}
    ((_, b),) = barycenter_path(a, COST, iterations=[n_outer], **options)
    return b


def test_the_barycentre_is_pots():
    # POT iterates Bregman projections for the same optimum.
    expected = ot.bregman.barycenter(A.T, COST, 0.1, stopThr=1e-12, numItermax=2000)
    found = last(n_outer=1000)
    losses = [barycenter_loss(A, b, COST, reg=0.1) for b in (found, expected / expected.sum())]
    assert losses[0] == pytest.approx(losses[1], abs=1e-12)
    np.testing.assert_allclose(found, expected, atol=1e-6)  # the loss is flat: root of rounding


def test_mirrored_distributions_have_a_symmetric_barycentre():
    mirrored = np.concatenate([A, A[:, ::-1]])
    b = last(mirrored, n_outer=100)
    np.testing.assert_allclose(b, b[::-1], atol=1e-12)


def test_the_first_step_is_that_of_the_definition():
    uniform = np.full(12, 1 / 12)
    _, g = sinkhorn(A, uniform, COST, reg=0.1, n_iter=3)
    expected = uniform * np.exp(-0.7 * g.sum(0))
    options = {"reg": 0.1, "step": 0.7, "n_inner": 3, "gradient": "analytic"}
    (start, first) = barycenter_path(A, COST, iterations=[0, 1], **options)
    assert (start[0], first[0]) == (0, 1)
    np.testing.assert_allclose(start[1], uniform)
    np.testing.assert_allclose(first[1], expected / expected.sum(), rtol=1e-12)


def test_the_loss_falls_and_is_the_sum_of_entropic_costs():
    options = {"reg": 0.1, "step": 0.5, "n_inner": 100, "gradient": "automatic"}
    losses = []
    for _, b in barycenter_path(A, COST, iterations=range(0, 20, 5), **options):
        each = [sinkhorn(a, b, COST, reg=0.1, n_iter=1000) for a in A]
        values = [dual_value(*fg, a, b, COST, reg=0.1) for fg, a in zip(each, A, strict=True)]
        losses.append(barycenter_loss(A, b, COST, reg=0.1))
        assert losses[-1] == pytest.approx(sum(values), abs=1e-13)
    assert np.all(np.diff(losses) < 0)


def test_with_few_inner_iterations_the_automatic_estimate_ends_nearer():
    lowest = barycenter_loss(A, last(), COST, reg=0.1)
    ends = {
        gradient: barycenter_loss(A, last(n_inner=6, gradient=gradient), COST, reg=0.1) - lowest
        for gradient in ("analytic", "automatic")
    }
    assert 0 < ends["automatic"] < 0.3 * ends["analytic"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": 0}, "step must be above 0, got 0"),
        ({"n_inner": 0}, "n_inner must be at least 1, got 0"),
        ({"gradient": "exact"}, "gradient must be one of analytic, automatic"),
        ({"iterations": [1.5]}, r"iterations must be whole numbers, got 1\.5"),
        ({"reg": -1}, "reg must be above 0, got -1"),
        ({"a": A[0]}, "a must have 2 axes"),
        ({"a": 2 * A}, "a must sum to 1, got 2"),
        ({"a": np.full((4, 5), 0.2)}, r"cost must have the shape of a × b"),
    ],
)
def test_bad_input_is_one_clear_error(change, message):
    given = {"a": A, "reg": 0.1, "step": 0.5, "n_inner": 2, "gradient": "analytic"}
    given = given | {"iterations": [1]} | change
    with pytest.raises(ValueError, match=message):
        barycenter_path(given.pop("a"), COST, **given)


def test_a_step_that_is_too_long_is_told():
    with pytest.raises(ValueError, match=r"step=5000 is too long: a weight .* has come down to 0"):
        last(step=5000.0, n_inner=2, n_outer=50)
