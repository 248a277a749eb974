"""Random problems have the stated minimum, and their errors the rates of the theory."""

import numpy as np
import pytest

from common.implicit import analytic, automatic, examples, implicit, rates

SIZES = {
    "ridge": {"n": 6, "n_parameters": 9},
    "logistic": {"n": 6, "n_parameters": 9},
    "p-norm": {"n": 3, "n_parameters": 5, "p": 4, "step": 0.1},
    "wasserstein": {"n": 8, "m": 5, "reg": 0.1},
}
EACH = pytest.mark.parametrize("name", examples.EXAMPLES)


def example(name, seed=0):
    return examples.draw(name, rng=np.random.default_rng(seed), **SIZES[name])


@EACH
def test_the_minimum_is_where_it_is_said_to_be(name):
    one = example(name)
    assert np.linalg.norm(one.problem.gradient(one.minimizer, one.x)) < 1e-12
    np.testing.assert_array_equal(one.gradient, analytic(one.problem, one.minimizer, one.x))


@EACH
def test_the_algorithm_goes_there(name):
    one = example(name)
    n_iter = 20_000 if name == "p-norm" else 500
    errors = examples.errors_along(one, [1, n_iter])
    assert errors["iteration"].tolist() == [1, n_iter]
    bound = 0.05 if name == "p-norm" else 1e-10  # a power of t, and linear convergence
    assert errors["iterate"][1] < bound < errors["iterate"][0]
    assert errors["analytic"][1] < bound**2 + 1e-10


def test_errors_are_norms_of_differences():
    one = example("logistic")
    errors = examples.errors_along(one, [2, 3], implicit_at=[3])
    for k, (_, z, J) in enumerate(one.follow([2, 3])):
        found = {
            "iterate": z - one.minimizer,
            "analytic": analytic(one.problem, z, one.x) - one.gradient,
            "automatic": automatic(one.problem, z, J, one.x) - one.gradient,
            "implicit": implicit(one.problem, z, one.x) - one.gradient,
        }
        for name, difference in found.items():
            if name == "implicit" and k == 0:
                assert np.isnan(errors[name][0])
            else:
                assert errors[name][k] == pytest.approx(np.linalg.norm(difference), rel=1e-13)


def test_gradients_of_transport_are_compared_without_their_means():
    one = example("wasserstein")
    shifted = one._replace(gradient=one.gradient + 7.0)
    before, after = (
        examples.errors_along(each, [1, 4], implicit_at=[4]) for each in (one, shifted)
    )
    for name in before:
        np.testing.assert_allclose(before[name], after[name], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("name", ["ridge", "logistic", "wasserstein"])
def test_the_automatic_error_falls_twice_as_fast(name):
    along = examples.errors_along(example(name, seed=1), range(1, 300))
    pair = {each: along[each] for each in ("analytic", "automatic")}
    found = rates.slopes(along["iteration"], pair, below=1e-3, above=1e-13)
    # t kappa^2t against kappa^t: a little below 2, the less t there is the more.
    assert 1.7 < found["automatic"] / found["analytic"] < 2.1


def test_the_paper_step_of_the_logistic_loss_is_that_of_labels():
    one = example("logistic")
    moved = next(z for t, z, _ in one.follow([1]))
    step = 1 / (np.linalg.norm(one.problem.D, 2) ** 2 / 24 + 1 / 6)
    np.testing.assert_allclose(moved, -step * one.problem.gradient(np.zeros(9), one.x), rtol=1e-12)


def test_the_paper_step_is_taken_even_where_inputs_make_it_too_long_for_a_guarantee():
    drawn = (
        examples.draw("logistic", rng=np.random.default_rng(seed), n=1, n_parameters=1, reg=1e-3)
        for seed in range(100)
    )
    one = next(one for one in drawn if abs(one.x[0]) > 1.7)  # of 100 normal numbers nine are
    step = 1 / (one.problem.D[0, 0] ** 2 / 4 + 1e-3)
    assert step > 2 / one.problem.smoothness(one.x)
    ((_, moved, _),) = one.follow([1])
    np.testing.assert_allclose(moved, -step * one.problem.gradient(np.zeros(1), one.x), rtol=1e-12)


def test_the_cost_of_a_grid_is_the_squared_distance():
    np.testing.assert_allclose(examples.grid_cost(3, 2), [[0, 1], [0.25, 0.25], [1, 0]])


def test_weights_are_positive_and_sum_to_one():
    weights = examples.random_weights(50, 20, rng=np.random.default_rng(0))
    assert weights.shape == (50, 20) and (weights > 0).all()
    np.testing.assert_allclose(weights.sum(1), 1)


def test_the_same_generator_gives_the_same_problem():
    first, second = example("ridge", seed=3), example("ridge", seed=3)
    np.testing.assert_array_equal(first.problem.D, second.problem.D)
    assert not np.array_equal(first.problem.D, example("ridge", seed=4).problem.D)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("lasso", {}, ValueError, "name must be one of ridge, logistic, p-norm, wasserstein"),
        ("ridge", {"rng": 1}, TypeError, r"rng must be a numpy\.random\.Generator, got 1"),
        ("ridge", {"reg": 0.0}, ValueError, r"reg must be above 0, got 0\.0"),
        ("wasserstein", {"reg": -1}, ValueError, "reg must be above 0, got -1"),
        ("wasserstein", {"m": 1}, ValueError, "m must be at least 2, got 1"),
        ("p-norm", {"step": 5}, ValueError, "step must be below 2 / L"),
        ("ridge", {"colour": 1}, TypeError, "colour"),
    ],
)
def test_bad_input_is_one_clear_error(name, options, error, message):
    given = {"rng": np.random.default_rng(0)} | SIZES.get(name, {}) | options
    with pytest.raises(error, match=message):
        next(iter(examples.draw(name, **given).follow([1])))
