import numpy as np
import pytest

from common.hawkes.estimator import HawkesEstimator
from common.hawkes.grid import bin_events
from common.hawkes.kernels import RaisedCosine, TruncatedExponential, TruncatedGaussian, discretise
from common.hawkes.simulation import simulate
from common.hawkes.statistics import precompute
from common.hawkes.uncertainty import standard_errors


def test_of_a_constant_rate_is_that_of_a_poisson_count():
    times = np.sort(np.random.default_rng(0).uniform(0, 1000, 400))
    binned = bin_events([times], end_time=1000, delta=0.1)
    baseline, adjacency, parameters = standard_errors(
        binned,
        precompute(binned, n_lags=10),
        np.zeros((1, 1)),
        np.ones((1, 1, 1)),
        kernel=TruncatedExponential(),
        length=1.0,
    )
    # Rate N / T, of variance N / T^2, with T the 10 001 points of the grid.
    assert baseline.item() == pytest.approx(np.sqrt(400) / 1000.1, rel=1e-12)
    assert np.isnan(adjacency).all() and np.isnan(parameters).all()


def test_agrees_with_the_covariance_from_dense_derivatives():
    rng = np.random.default_rng(1)
    length, delta = 1.4, 0.07
    events = [np.sort(rng.uniform(0, 30, 60)) for _ in range(2)]
    events[0][-3:] = [29.5, 29.5, 30.0]  # counts above 1, and the end of the record
    events = [np.sort(times) for times in events]
    binned = bin_events(events, end_time=30, delta=delta)
    adjacency = np.array([[0.3, 0.5], [0.0, 0.4]])
    parameters = np.array([[[0.3, 0.5], [0.4, 0.6]], [[0.2, 0.3], [0.2, 0.25]]])
    kernel = TruncatedGaussian()
    baseline, by_adjacency, by_parameters = standard_errors(
        binned,
        precompute(binned, n_lags=20),
        adjacency,
        parameters,
        kernel=kernel,
        length=length,
    )
    k, dk = discretise(kernel, parameters, length=length, delta=delta, derivative=True)
    z = binned.dense()

    def response(j, table):
        return np.convolve(z[j], np.append(0, table))[: binned.n_grid]

    columns = [np.ones(binned.n_grid)]
    columns += [response(j, k[0, j]) for j in range(2)]
    columns += [adjacency[0, j] * response(j, dk[q, 0, j]) for q in range(2) for j in range(2)]
    design = np.array(columns)
    inverse = np.linalg.inv(delta * design @ design.T)
    errors = np.sqrt(np.diag(inverse @ (design * z[0]) @ design.T @ inverse))
    got = [baseline[0], *by_adjacency[0], *by_parameters[0, 0], *by_parameters[1, 0]]
    np.testing.assert_allclose(got, errors, rtol=1e-8)
    assert np.isnan(by_adjacency[1, 0]) and np.isnan(by_parameters[:, 1, 0]).all()
    assert np.isfinite(by_adjacency[1, 1])


def test_errors_of_many_fits_have_the_size_announced():
    baseline, adjacency = np.array([0.5, 0.8]), np.array([[0.3, 0.2], [0.25, 0.35]])
    scores = []
    for seed in range(40):
        events = simulate(
            baseline,
            adjacency,
            RaisedCosine(),
            [0.2, 0.3],
            length=1.0,
            end_time=1500.0,
            burn_in=20.0,
            rng=np.random.default_rng(seed),
        )
        estimator = HawkesEstimator(kernel=RaisedCosine(), delta=0.02, kernel_length=1.0)
        errors = estimator.fit(events, 1500.0).standard_errors(events, 1500.0)
        assert list(errors) == ["baseline", "adjacency", "u", "sigma"]
        scores.append(
            np.concatenate(
                [
                    (estimator.baseline_ - baseline) / errors["baseline"],
                    ((estimator.adjacency_ - adjacency) / errors["adjacency"]).ravel(),
                ]
            )
        )
    # A standard deviation from 40 draws has a standard error of 0.11; three of them, and the
    # estimates of one fit are correlated, so their mean square is hardly more certain.
    assert np.sqrt(np.mean(np.square(scores))) == pytest.approx(1, abs=0.2)
    assert np.all(np.abs(np.std(scores, axis=0) - 1) < 0.35)
