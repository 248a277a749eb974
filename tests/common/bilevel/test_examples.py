"""Problems drawn, what is measured of them, and bad input."""

import numpy as np
import pytest

from common.bilevel import Logistic, Run
from common.bilevel.examples import EXAMPLES, cleaning, logistic, lowest, quadratic


def rng(seed=0):
    return np.random.default_rng(seed)


def digits(n=60, seed=1):
    """Images that tell their class, with one pixel that is always 0."""
    labels = np.arange(n) % 3
    images = rng(seed).standard_normal((n, 5)) + 4 * np.eye(5)[labels]
    images[:, 4] = 0
    return images, labels


def run_at(*points):
    x = np.array([one[1] for one in points], dtype=float)
    z = np.array([one[0] for one in points], dtype=float)
    return Run(np.arange(len(points)), z, x, False)


def test_quadratic_samples_have_the_spectra_that_were_asked_for():
    n, p, q = 100_000, 4, 3
    example = quadratic(rng=rng(), n=n, m=n, n_inner=p, n_outer=q, least=0.2, cross=0.3)
    problem = example.problem
    # Means of n squares of normal numbers: five standard errors of sqrt(2 / n).
    close = {"atol": 5 * np.sqrt(2 / n)}
    for A in (problem.inner_hessian(example.z, example.x), problem._A_out):
        np.testing.assert_allclose(np.linalg.eigvalsh(A), np.geomspace(0.2, 1, p), **close)
    spectrum = [0, *np.geomspace(0.2, 1, q)[1:]]
    np.testing.assert_allclose(np.linalg.eigvalsh(problem._B_out), spectrum, **close)
    for C in (problem._C, problem._C_out):
        np.testing.assert_allclose(np.linalg.svd(C)[1], np.full(q, 0.3), **close)
    assert np.linalg.eigvalsh(problem.hessian)[0] > 1e-3
    assert not example.z.any() and (example.x == -2).all()


def test_a_quadratic_is_measured_by_the_gradient_and_value_of_h():
    example = quadratic(rng=rng(), n=64, m=64, n_inner=4, n_outer=2)
    problem, x = example.problem, rng(3).standard_normal(2)
    found = example.measure(
        run_at((example.z, example.x), (example.z, x), (example.z, [np.nan, 0]))
    )
    assert found["gradient"][0] == pytest.approx(1)
    first = np.sum(problem.gradient(example.x) ** 2)
    assert found["gradient"][1] == pytest.approx(np.sum(problem.gradient(x) ** 2) / first)
    assert found["excess"][1] == pytest.approx(problem.value(x) - problem.lowest, rel=1e-9)
    assert np.isnan(found["excess"][2]) and np.isnan(found["gradient"][2])
    end = example.last(run_at((example.z, example.x), (example.z, x)))
    assert end == pytest.approx({name: one[1] for name, one in found.items()})


def test_the_lowest_value_is_below_any_other_and_stationary():
    example = logistic(rng=rng(), n=200, m=200, n_features=3)
    assert example.measure(run_at((example.z, example.x)))["excess"][0] > 0
    for _ in range(20):
        x = rng(4).uniform(-12, 12, 3)
        assert example.problem.value(x) >= example.lowest - 1e-12
    assert lowest(example.problem, np.zeros(3)) == pytest.approx(example.lowest, abs=1e-8)


def test_a_logistic_problem_is_measured_from_the_lowest_value():
    example = logistic(rng=rng(), n=200, m=200, n_features=3)
    problem, x = example.problem, np.array([-3.0, 0.5, 1.0])
    far = np.array([-3.0, 0.5, 40.0])
    found = example.measure(run_at((example.z, x), (example.z, far), (example.z, x)))
    assert found["excess"][0] == pytest.approx(problem.value(x) - example.lowest)
    assert found["excess"][0] == found["excess"][2] and np.isnan(found["excess"][1])
    first = np.sum(problem.gradient(example.x) ** 2)
    assert found["gradient"][0] == pytest.approx(np.sum(problem.gradient(x) ** 2) / first)
    same = logistic(rng=rng(), n=200, m=200, n_features=3, find_lowest=False)
    np.testing.assert_array_equal(same.problem.D, problem.D)
    assert same.lowest == 0


def test_labels_of_a_logistic_problem_follow_its_model():
    # With n large the inner minimum without a penalty is the true model, up to sampling.
    problem = logistic(rng=rng(), n=50_000, m=64, n_features=4, find_lowest=False).problem
    z = problem.minimizer(np.full(4, -25.0))
    true = np.sort(np.abs(3 / np.arange(1, 5)))
    error = np.sqrt(np.diag(np.linalg.inv(problem.inner_hessian(z, np.full(4, -25.0)))) / 50_000)
    assert (np.abs(np.sort(np.abs(z)) - true) < 5 * error.max()).all()


def test_about_the_share_of_labels_is_drawn_anew_and_rows_are_standardised():
    images, labels = digits(6000)
    example = cleaning(images, labels, rng=rng(), corrupted=0.5, n=4000, m=1000)
    problem = example.problem
    # A third of the drawn labels is the old one; five standard errors of a share.
    assert abs(example.kept.mean() - (0.5 + 0.5 / 3)) < 5 * np.sqrt(0.22 / 4000)
    np.testing.assert_allclose(problem.D.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(problem.D.std(axis=0), [1, 1, 1, 1, 0], atol=1e-12)
    assert (problem.D.shape, problem.D_out.shape) == ((4000, 5), (1000, 5))
    assert len(example.test[1]) == 1000 and (example.x == -2).all() and not example.z.any()
    clean = cleaning(images, labels, rng=rng(), corrupted=0, n=4000, m=1000)
    assert clean.kept.all()


def test_rows_of_a_split_are_all_rows_once():
    images = np.arange(40.0)[:, None] + [[0.0, 0.5]]
    example = cleaning(images, np.arange(40) % 2, rng=rng(), corrupted=0, n=16, m=8)
    D, D_out, test = example.problem.D, example.problem.D_out, example.test[0]
    assert len(np.unique(np.concatenate([D, D_out, test])[:, 0])) == 40


def test_cleaning_is_measured_by_its_error_on_test_rows_and_the_outer_loss():
    images, labels = digits()
    example = cleaning(images, labels, rng=rng(), corrupted=0.3, n=24, m=12)
    z = rng(2).standard_normal(example.problem.n_inner)
    found = example.measure(run_at((z, example.x), (np.full_like(z, np.nan), example.x)))
    assert found["error"][0] == example.problem.error(z, *example.test)
    assert found["loss"][0] == example.problem.outer_value(z, example.x)
    assert np.isnan(found["error"][1]) and np.isnan(found["loss"][1])


def test_the_uniform_error_is_that_of_plain_regression():
    images, labels = digits()
    example = cleaning(images, labels, rng=rng(), corrupted=0.0, n=24, m=12)
    z = example.problem.minimizer(np.full(24, 40.0))
    assert example.uniform_error() == example.problem.error(z, *example.test)
    # A weight of 1 is a loss without a weight.
    with_all = example.problem.inner_value(z, np.full(24, 40.0))
    one = type(example.problem)(
        example.problem.D, example.problem.y, example.problem.D, example.problem.y, n_classes=3
    )
    assert with_all == pytest.approx(one.outer_value(z, None) + 0.2 * z @ z, rel=1e-12)


def test_every_kind_has_a_name():
    assert list(EXAMPLES) == ["quadratic", "logistic", "cleaning"]
    assert isinstance(EXAMPLES["logistic"](rng=rng(), n=50, m=50, n_features=2).problem, Logistic)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: quadratic(rng=0), TypeError, "rng must be a numpy.random.Generator"),
        (lambda: quadratic(rng=rng(), n=0), ValueError, "n must be at least 1, got 0"),
        (
            lambda: quadratic(rng=rng(), n_inner=3, n_outer=4),
            ValueError,
            "n_outer must be at least 1 and at most 3, got 4",
        ),
        (lambda: quadratic(rng=rng(), least=0), ValueError, "least must be above 0"),
        (lambda: quadratic(rng=rng(), cross=-1), ValueError, "cross must be above 0, got -1"),
        (
            lambda: quadratic(rng=rng(), n=64, m=64, cross=1e-9),
            RuntimeError,
            "in 100 draws no Hessian of h .* cross=1e-09 .* Take another cross",
        ),
        (lambda: logistic(rng=rng(), n_features=0), ValueError, "n_features must be at least 1"),
        (
            lambda: lowest(logistic(rng=rng(), n=20, m=20, n_features=2).problem, [0.0]),
            ValueError,
            "x must have 2 values, got 1",
        ),
        (
            lambda: cleaning(*digits(), rng=rng(), corrupted=1.5, n=24, m=12),
            ValueError,
            "corrupted must be at least 0 and at most 1, got 1.5",
        ),
        (
            lambda: cleaning(*digits(), rng=rng(), corrupted=0.5, n=48, m=12),
            ValueError,
            r"n \+ m must leave images for tests, got 48 \+ 12 of 60 images",
        ),
        (
            lambda: cleaning(*digits(), rng=rng(), corrupted=0.5, n=24, m=12, reg=0),
            ValueError,
            "reg must be above 0, got 0",
        ),
        (
            lambda: cleaning(np.full((60, 5), np.nan), digits()[1], rng=rng(), corrupted=0.5),
            ValueError,
            "images must be finite, got nan",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, error, message):
    with pytest.raises(error, match=message):
        call()
