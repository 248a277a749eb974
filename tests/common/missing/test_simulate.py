"""Problems and mechanisms: moments, missing rates, what missingness depends on."""

import numpy as np
import pytest

from common.missing import (
    MECHANISMS,
    LogisticMAR,
    Problem,
    draw_mechanism,
    random_problem,
    sample,
)

N = 40_000


def problem(seed=0, d=10):
    return random_problem(d, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.7])
@pytest.mark.parametrize("name", MECHANISMS)
def test_values_are_missing_at_the_rate_that_was_asked_for(name, rate):
    one, rng = problem(), np.random.default_rng(1)
    mechanism = draw_mechanism(name, one.mean, one.covariance, rate=rate, rng=rng)
    missing = np.isnan(sample(one, mechanism, N, rng=rng).X).mean(axis=0)
    always = missing == 0
    assert always.sum() == (1 if name == "mar" else 0)
    # Five standard errors of a share.
    error = 5 * np.sqrt(rate * (1 - rate) / N)
    np.testing.assert_allclose(missing[~always], rate, atol=error)


def test_a_tenth_of_the_variables_is_always_observed_under_mar():
    for d, expected in ((5, 1), (10, 1), (29, 2), (50, 5)):
        one = problem(d=d)
        mechanism = draw_mechanism(
            "mar", one.mean, one.covariance, rate=0.5, rng=np.random.default_rng(2)
        )
        always = np.isneginf(mechanism.intercepts)
        assert always.sum() == expected
        # Nothing but what is always observed decides what goes missing, and it never does.
        assert (mechanism.weights[~always] == 0).all()
        assert (mechanism.weights[:, always] == 0).all()


def test_the_logistic_model_has_the_spread_of_the_paper():
    one = problem(d=20)
    mechanism = draw_mechanism(
        "mar", one.mean, one.covariance, rate=0.5, rng=np.random.default_rng(3)
    )
    hidden = ~np.isneginf(mechanism.intercepts)
    w = mechanism.weights[:, hidden]
    spread = np.sqrt(np.einsum("ij,ik,kj->j", w, one.covariance, w))
    assert ((spread >= 2) & (spread <= 10)).all()  # 1 / U(0.1, 0.5)


def test_a_mechanism_is_drawn_once_and_hides_rows_alike():
    # The same rows, hidden twice: other masks, the same probabilities.
    one = problem()
    rng = np.random.default_rng(4)
    mechanism = draw_mechanism("mar", one.mean, one.covariance, rate=0.5, rng=rng)
    rows = sample(one, mechanism, 200, rng=rng).complete
    expected = mechanism.probabilities(rows)
    share = np.mean([np.isnan(mechanism.hide(rows, rng=rng)) for _ in range(500)], axis=0)
    # 2,000 shares of 500 draws: beyond 5.5 standard errors with a probability below 1e-4.
    assert np.abs(share - expected).max() < 5.5 * 0.5 / np.sqrt(500)


@pytest.mark.parametrize("name", ["gaussian", "probit"])
def test_self_masking_depends_on_the_value_itself_alone(name):
    one = problem()
    mechanism = draw_mechanism(
        name, one.mean, one.covariance, rate=0.5, rng=np.random.default_rng(5)
    )
    rows = np.random.default_rng(6).standard_normal((5, 10))
    changed = rows.copy()
    changed[:, 3] += 1
    before, after = mechanism.probabilities(rows), mechanism.probabilities(changed)
    others = np.arange(10) != 3
    np.testing.assert_array_equal(before[:, others], after[:, others])
    assert (before[:, 3] != after[:, 3]).all()


def test_gaussian_self_masking_is_surest_two_deviations_above_the_mean():
    one = problem()
    mechanism = draw_mechanism(
        "gaussian", one.mean, one.covariance, rate=0.5, rng=np.random.default_rng(7)
    )
    top = one.mean + 2 * np.sqrt(np.diag(one.covariance))
    np.testing.assert_allclose(mechanism.probabilities(top[None]), 1)
    assert (mechanism.probabilities(top[None] + 0.1) < 1).all()


def test_a_problem_has_the_moments_of_its_rows():
    one = problem(d=4)
    rows = sample(one, draw_mechanism("mcar", one.mean, one.covariance, rate=0.5,
                  rng=np.random.default_rng(8)), N, rng=np.random.default_rng(9))  # fmt: skip
    scale = np.sqrt(np.diag(one.covariance))
    np.testing.assert_allclose(
        (rows.complete.mean(axis=0) - one.mean) / scale, 0, atol=5 / np.sqrt(N)
    )
    correlation = (np.cov(rows.complete.T) - one.covariance) / np.outer(scale, scale)
    np.testing.assert_allclose(correlation, 0, atol=5 * np.sqrt(2 / N))
    noise = rows.y - one.intercept - rows.complete @ one.weights
    signal = one.weights @ one.covariance @ one.weights
    assert signal / noise.var() == pytest.approx(10, rel=5 * np.sqrt(2 / N))
    observed = ~np.isnan(rows.X)
    np.testing.assert_array_equal(rows.X[observed], rows.complete[observed])


def test_the_same_generator_gives_the_same_problem_and_rows():
    a, b = (problem(seed=11) for _ in range(2))
    np.testing.assert_array_equal(a.covariance, b.covariance)
    rows = [
        sample(a, draw_mechanism("mcar", a.mean, a.covariance, rate=0.3,
               rng=np.random.default_rng(0)), 5, rng=np.random.default_rng(12))
        for _ in range(2)
    ]  # fmt: skip
    np.testing.assert_array_equal(rows[0].X, rows[1].X)


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        ([[1.0, 2.0], [2.0, 1.0]], "must be positive definite, got a least eigenvalue of -1"),
        ([[1.0, 1.0], [1.0, 1.0]], "must be positive definite"),
        ([[1.0, 0.5], [0.0, 1.0]], "must be symmetric, got entries that differ by 0.5"),
        ([[1.0]], r"must have shape \(2, 2\), one row for each of the 2 values of mean"),
        ([[1.0, np.nan], [0.0, 1.0]], "must be finite, got nan"),
    ],
)
def test_a_covariance_that_is_none(covariance, message):
    with pytest.raises(ValueError, match=f"^covariance {message}"):
        Problem([0.0, 0.0], covariance, [1.0, 1.0])
    with pytest.raises(ValueError, match=f"^covariance {message}"):
        draw_mechanism("mcar", [0.0, 0.0], covariance, rate=0.5, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weights": [1.0]}, "mean has 2, weights has 1"),
        ({"weights": [1.0, np.inf]}, "weights must be finite"),
        ({"noise": -1.0}, "noise must be at least 0, got -1.0"),
        ({"intercept": np.nan}, "intercept must be finite, got nan"),
    ],
)
def test_a_problem_that_is_none(changed, message):
    fields = {"mean": [0.0, 0.0], "covariance": np.eye(2), "weights": [1.0, 1.0]}
    with pytest.raises(ValueError, match=message):
        Problem(**fields | changed)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"rate": 0.0}, ValueError, "rate must be above 0 and below 1, got 0.0"),
        ({"rate": 1}, ValueError, "rate must be above 0 and below 1, got 1"),
        ({"name": "mnar"}, ValueError, "name must be one of mcar, mar, gaussian, probit"),
        ({"rng": 3}, TypeError, "rng must be a numpy.random.Generator"),
    ],
)
def test_a_mechanism_that_cannot_be_drawn(changed, error, message):
    options = {"name": "mar", "mean": np.zeros(3), "covariance": np.eye(3), "rate": 0.5}
    options |= {"rng": np.random.default_rng(0)} | changed
    with pytest.raises(error, match=message):
        draw_mechanism(**options)


def test_rows_that_cannot_be_drawn():
    one = problem(d=2)
    mechanism = LogisticMAR(np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        sample(one, mechanism, 0, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="complete must be finite, got nan"):
        mechanism.hide([[np.nan, 0.0]], rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="n_features must be at least 2, got 1"):
        random_problem(1, rng=np.random.default_rng(0))
