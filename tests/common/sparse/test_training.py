"""Descent by line search, and networks that it trains."""

import itertools

import numpy as np
import pytest

from common.sparse import (
    KINDS,
    SCHEDULES,
    Lasso,
    Unfolded,
    descend,
    gaussian_codes,
    gaussian_dictionary,
    optimum,
    start_network,
    train,
    train_growing,
)

RNG = np.random.default_rng(3)
D = gaussian_dictionary(12, 6, rng=RNG)
X = gaussian_codes(D, 60, rng=RNG)
PROBLEM = Lasso(D, reg=0.3)


def quadratic(point):
    return 0.5 * point @ point, lambda: point


def test_a_quadratic_is_descended_by_the_steps_of_the_rule():
    # The loss falls for steps below 2: 4 and 2 do not, 1 is exact.
    point, losses = descend(quadratic, np.array([3.0, -4.0]), n_iter=5)
    np.testing.assert_array_equal(point, [0, 0])
    np.testing.assert_array_equal(losses, [12.5, 0])  # then no step lowers it


def test_steps_grow_fourfold_where_the_slope_allows():
    _, losses = descend(lambda a: (-a, lambda: -1.0), 0.0, n_iter=4)
    np.testing.assert_array_equal(losses, [0, -4, -20, -84, -340])


def test_losses_never_rise():
    rough = RNG.standard_normal(40)

    def loss(point):
        waves = np.cos(7 * point + rough)
        return float(
            (0.1 * point**2 + waves).sum()
        ), lambda: 0.2 * point - 7 * np.sin(7 * point + rough)

    _, losses = descend(loss, RNG.standard_normal(40), n_iter=50)
    assert (np.diff(losses) < 0).all()


def test_a_move_may_be_refused_and_may_be_of_any_kind():
    def on_the_circle(point, gradient, step):
        if step > 0.5:
            return None
        moved = point - step * gradient
        return moved / np.linalg.norm(moved)

    top = np.array([0.0, 1.0])
    start = np.array([1.0, 0.0])
    point, losses = descend(
        lambda p: (-p @ top, lambda: -top), start, n_iter=60, move=on_the_circle
    )
    np.testing.assert_allclose(point, top, atol=1e-6)
    assert losses[1] == pytest.approx(-0.5 / np.sqrt(1.25))  # a step of 0.5 from the start


def test_a_loss_that_is_not_finite_is_an_error_at_the_start_and_a_refusal_later():
    with pytest.raises(FloatingPointError, match="the loss of the start is nan: begin from"):
        descend(lambda p: (np.nan, lambda: p), 1.0, n_iter=1)
    point, _ = descend(lambda p: (p if p > 0 else np.nan, lambda: 1.0), 3.0, n_iter=1)
    assert point == 1.0  # 4 would lead to -1, where the loss is not a number


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_training_lowers_the_loss_towards_the_minimum(kind, schedule):
    network = Unfolded.start(PROBLEM, kind, 4)
    lowest = optimum(PROBLEM, X).objective.mean()
    before = network.loss(X)[0]
    trained, losses = train(network, X, n_iter=40, schedule=schedule)
    assert trained.loss(X)[0] == pytest.approx(losses[-1], rel=1e-12)
    assert lowest <= losses[-1] < before
    assert network.loss(X)[0] == before  # the start stays as it is


def test_one_layer_is_trained_alike_by_both_schedules():
    network = Unfolded.start(PROBLEM, "lista", 1)
    first, second = (
        train(network, X, n_iter=15, schedule=how)[1] for how in ("oneshot", "recursive")
    )
    np.testing.assert_array_equal(first, second)


def test_iterations_of_the_recursive_schedule_are_shared_evenly():
    network = Unfolded.start(PROBLEM, "slista", 3)
    _, losses = train(network, X, n_iter=11, schedule="recursive")
    assert len(losses) == 1 + 4  # 3, 4 and 4 iterations
    untrained, _ = train(network, X, n_iter=0, schedule="recursive")
    assert untrained.layers == network.layers


def test_the_step_of_one_layer_for_one_atom_is_exact():
    # x = d: z = step (1 - reg) costs least at step 1, whatever L is.
    problem = Lasso([[2.0]], reg=0.5)
    network, _ = train(Unfolded.start(problem, "slista", 1), [[3.0]], n_iter=30)
    assert network.layers[0]["step"] == pytest.approx(0.25)  # 1 / L is exact for one atom
    two = Lasso(np.eye(2) * [1.0, 2.0], reg=0.1)
    network, _ = train(Unfolded.start(two, "slista", 1), [[5.0, 0.0]], n_iter=60)
    assert network.layers[0]["step"] == pytest.approx(1.0, abs=1e-6)  # the atom in use has norm 1


HELD_OUT = gaussian_codes(D, 40, rng=np.random.default_rng(8))


@pytest.mark.parametrize("kind", ["original", "lfista", "facnet", "linear"])
def test_every_depth_keeps_the_best_on_held_out_samples_and_grows_from_it(kind):
    network = start_network(PROBLEM, kind, 4)
    before = network.loss(X)[0]
    found = list(train_growing(network, X, HELD_OUT, depths=[1, 2, 4], n_iter=25))
    assert [len(one.network.layers) for one in found] == [1, 2, 4]
    for one in found:
        assert len(one.held_out) == len(one.losses)
        assert one.held_out[one.kept] == one.held_out.min()
        assert one.network.loss(HELD_OUT)[0] == pytest.approx(one.held_out.min(), rel=1e-12)
        assert one.network.loss(X)[0] == pytest.approx(one.losses[one.kept], rel=1e-12)
    assert found[0].losses[0] == pytest.approx(network.with_layers(network.layers[:1]).loss(X)[0])
    for shallow, deep in itertools.pairwise(found):
        start = [*shallow.network.layers, *network.layers[len(shallow.network.layers) :]]
        start = network.with_layers(start[: len(deep.network.layers)])
        assert deep.losses[0] == pytest.approx(start.loss(X)[0], rel=1e-12)
    assert found[-1].network.loss(X)[0] < before
    assert network.loss(X)[0] == before  # the start stays as it is


def test_training_on_too_few_samples_is_stopped_where_others_suffer():
    network = Unfolded.start(PROBLEM, "original", 1)
    (few,) = train_growing(network, X[:3], HELD_OUT, depths=[1], n_iter=200)
    assert 0 < few.kept < len(few.losses) - 1
    assert few.held_out[-1] > few.held_out[few.kept]
    (same,) = train_growing(network, X, X, depths=[1], n_iter=9)
    assert same.kept == 9  # the loss of the training samples falls with every iteration
    (none,) = train_growing(network, X, HELD_OUT, depths=[1], n_iter=0)
    assert none.kept == 0 and none.network.layers == network.layers


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda n: train_growing(D, X, X, depths=[1], n_iter=1),
            TypeError,
            "network must be an Unfolded, got",
        ),
        (
            lambda n: train_growing(n, X, X[:, :2], depths=[2], n_iter=1),
            ValueError,
            "x must have 6 features",
        ),
        (
            lambda n: train_growing(n, X, X, depths=[2, 1], n_iter=1),
            ValueError,
            r"depths must ascend to the 2 layers of the network, got \[2, 1\]",
        ),
        (
            lambda n: train_growing(n, X, X, depths=[1], n_iter=1),
            ValueError,
            r"depths must ascend to the 2 layers of the network, got \[1\]",
        ),
        (lambda n: train(D, X, n_iter=1), TypeError, "network must be an Unfolded, got"),
        (lambda n: train(n, X[:, :2], n_iter=1), ValueError, "x must have 6 features"),
        (lambda n: train(n, X, n_iter=-1), ValueError, "n_iter must be at least 0, got -1"),
        (
            lambda n: train(n, X, n_iter=1, schedule="once"),
            ValueError,
            "schedule must be one of oneshot, recursive, got 'once'",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, error, message):
    with pytest.raises(error, match=message):
        call(Unfolded.start(PROBLEM, "slista", 2))
