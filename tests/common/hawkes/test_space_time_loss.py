"""Loss in the plane and in time: the same as cell by cell, whatever the borders."""

import itertools

import numpy as np
import pytest

from common.hawkes.grid import BinnedEvents
from common.hawkes.kernels import Kumaraswamy, TruncatedExponential, TruncatedGaussian
from common.hawkes.loss import l2_loss
from common.hawkes.space_time_grid import Cells, to_cells
from common.hawkes.space_time_kernels import IsotropicGaussian, PowerLaw
from common.hawkes.space_time_loss import (
    Kernels,
    Model,
    l2_loss_plane,
    precompute_plane,
    profile_loss_plane,
)
from common.hawkes.statistics import precompute
from common.workflow import memory

REGION, END = np.array([[0.0, 4.0], [1.0, 4.0]]), 5.0
MODEL = Model(PowerLaw(), TruncatedGaussian(), 1.5, 1.5)


def cells_of(n_processes, seed=0, region=REGION):
    """Events of which some share a cell, and some lie in the corners and at the end."""
    rng = np.random.default_rng([seed, n_processes])
    low, size = region[:, 0], np.diff(region)[:, 0]
    events = []
    for _ in range(n_processes):
        places = low + size * rng.random((50, 2))
        corners = low + size * np.array(list(itertools.product([0, 1], [0, 1])))
        points = np.column_stack([END * rng.random(54), np.concatenate([places, corners])])
        points = np.concatenate([points, points[:5], [[END, *corners[0]], [END, *corners[3]]]])
        events.append(points[np.argsort(points[:, 0])])
    return to_cells(events, region=region, end_time=END, space_delta=0.5, time_delta=0.25)


def parameters(model, n_processes, seed=0):
    rng = np.random.default_rng([seed, n_processes, 1])
    found = []
    for kernel, length in ((model.space_kernel, 1.5), (model.time_kernel, 1.5)):
        low, high = kernel.bounds(length, 0.5).T
        unit = rng.uniform(0.45, 0.7, (len(low), n_processes))
        found.append(low[:, None] + unit * (np.minimum(high, 2.5) - low)[:, None])
    return found


def backgrounds_of(cells):
    return np.stack([np.ones(cells.shape[0]), 1 / (1 + np.arange(cells.shape[0]))])


def dense_loss(cells, kernels, weights, backgrounds):
    """Loss of process 0, cell by cell."""
    n_t, n_x, n_y = cells.shape
    intensity = np.tensordot(weights[: len(backgrounds)], backgrounds, 1)
    intensity = np.tile(intensity[:, None, None], (1, n_x, n_y))
    for j, points in enumerate(cells.points):
        phi = weights[len(backgrounds) + j] * np.einsum(
            "t,xy->txy", kernels.in_time[j, 0], kernels.in_space[j, 0]
        )
        reach_x, reach_y = (size // 2 for size in phi.shape[1:])
        for (t, x, y), lag in itertools.product(points, range(len(phi))):
            if t + lag + 1 >= n_t:
                continue
            for u, w in itertools.product(
                range(-reach_x, reach_x + 1), range(-reach_y, reach_y + 1)
            ):
                if 0 <= x + u < n_x and 0 <= y + w < n_y:
                    intensity[t + lag + 1, x + u, y + w] += phi[lag, u + reach_x, w + reach_y]
    counts = np.zeros(cells.shape)
    np.add.at(counts, tuple(cells.points[0].T), 1)
    return np.prod(cells.delta) * np.sum(intensity**2) - 2 * np.sum(intensity * counts)


def plane_loss(cells, model, theta, weights, **options):
    options = {"space_length": model.space_length, "time_length": model.time_length} | options
    statistics = precompute_plane(cells, **options)
    return l2_loss_plane(statistics, 0, Kernels.of(model, statistics, *theta), weights)


@pytest.mark.parametrize("n_processes", [1, 2])
@pytest.mark.parametrize("space", [PowerLaw(), IsotropicGaussian(centred=True)])
def test_loss_is_that_of_the_dense_grid(n_processes, space):
    model, cells = MODEL._replace(space_kernel=space), cells_of(n_processes)
    theta, backgrounds = parameters(model, n_processes), backgrounds_of(cells)
    weights = np.random.default_rng(2).uniform(0.1, 1, 2 + n_processes)
    loss, *_ = plane_loss(cells, model, theta, weights, backgrounds=backgrounds)
    statistics = precompute_plane(cells, space_length=1.5, time_length=1.5)
    kernels = Kernels.of(model, statistics, *theta)
    dense = dense_loss(cells, kernels, weights, backgrounds)
    assert loss == pytest.approx(dense, rel=1e-10)  # rounding of the FFT


def test_loss_is_that_of_the_dense_grid_where_the_kernel_is_as_wide_as_the_region():
    # Then an event can be near all four sides at once.
    region = np.array([[0.0, 1.5], [0.0, 2.0]])
    cells, theta = cells_of(1, region=region), parameters(MODEL, 1)
    weights = np.array([0.3, 0.8])
    loss, *_ = plane_loss(cells, MODEL, theta, weights)
    statistics = precompute_plane(cells, space_length=1.5, time_length=1.5)
    kernels = Kernels.of(MODEL, statistics, *theta)
    dense = dense_loss(cells, kernels, weights, np.ones((1, cells.shape[0])))
    assert loss == pytest.approx(dense, rel=1e-10)


def test_one_cell_in_space_is_the_temporal_loss():
    rng = np.random.default_rng(0)
    bins = np.sort(rng.integers(0, 80, 60))
    occupied, counts = np.unique(bins, return_counts=True)
    temporal = precompute(BinnedEvents((occupied,), (counts,), 80, 0.25), n_lags=6)
    kernel, area = TruncatedGaussian(), 0.5 * 0.5
    given = {"kernel": kernel, "length": 1.5}
    expected, slopes = l2_loss(temporal, [0.4], [[0.7]], [[[0.6]], [[0.3]]], **given)
    points = np.column_stack([bins, np.zeros((60, 2), int)])
    cells = Cells((points,), (80, 1, 1), (0.25, 0.5, 0.5))
    # So narrow that all of its mass is at lag 0: the rate per area is that in time over the area.
    model = Model(IsotropicGaussian(centred=True), kernel, 1.0, 1.5)
    theta = np.array([[1e-3]]), np.array([[0.6], [0.3]])
    loss, _, by_parameters = plane_loss(cells, model, theta, np.array([0.4 / area, 0.7]))
    assert loss * area / 60 == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(by_parameters[1:, 0] * area / 60, slopes[2].ravel(), rtol=1e-9)


def test_shifted_events_and_region_have_the_same_loss():
    weights, theta, found = np.array([0.3, 0.8]), parameters(MODEL, 1), []
    for shift in (0.0, 8.0):  # exact in floating point, so that no event changes its cell
        found.append(plane_loss(cells_of(1, region=REGION + shift), MODEL, theta, weights)[0])
    assert found[0] == pytest.approx(found[1], rel=1e-12)


def test_exchanged_axes_have_the_same_loss():
    cells, weights, theta = cells_of(2), np.array([0.3, 0.8, 0.4]), parameters(MODEL, 2)
    (t, x, y), (dt, dx, dy) = cells.shape, cells.delta
    turned = Cells(tuple(p[:, [0, 2, 1]] for p in cells.points), (t, y, x), (dt, dy, dx))
    first, second = (plane_loss(each, MODEL, theta, weights) for each in (cells, turned))
    assert first[0] == pytest.approx(second[0], rel=1e-12)
    # Both axes have one centre, so its derivative is the same, too.
    np.testing.assert_allclose(first[2], second[2], rtol=1e-9)


@pytest.mark.parametrize("space", [PowerLaw(), IsotropicGaussian(), PowerLaw(centred=True)])
@pytest.mark.parametrize("time", [TruncatedGaussian(), TruncatedExponential(), Kumaraswamy()])
@pytest.mark.parametrize("exact", [True, False])
def test_gradient_is_that_of_differences(space, time, exact):
    model, cells = Model(space, time, 1.5, 1.5), cells_of(2)
    backgrounds, weights = backgrounds_of(cells), np.array([0.3, 0.5, 0.8, 0.4])
    lengths = {"space_length": 1.5, "time_length": 1.5}
    statistics = precompute_plane(cells, backgrounds=backgrounds, exact=exact, **lengths)
    theta = np.concatenate(parameters(model, 2))
    n_space = len(space.names)

    def loss(theta, weights):
        kernels = Kernels.of(model, statistics, theta[:n_space], theta[n_space:])
        return l2_loss_plane(statistics, 0, kernels, weights)

    _, by_weights, by_parameters = loss(theta, weights)
    for point, gradient in ((theta, by_parameters), (weights, by_weights)):
        for index in np.ndindex(point.shape):
            step = 1e-5
            high, low = point.copy(), point.copy()
            high[index] += step
            low[index] -= step
            pair = (high, low) if point is theta else (theta, theta)
            others = (weights, weights) if point is theta else (high, low)
            slope = loss(pair[0], others[0])[0] - loss(pair[1], others[1])[0]
            # The error of a central difference is of order step^2, and of rounding over the step.
            assert gradient[index] == pytest.approx(slope / (2 * step), rel=1e-5, abs=1e-4)


def test_profiled_weights_are_those_of_the_smallest_loss():
    cells, theta = cells_of(2), parameters(MODEL, 2)
    statistics = precompute_plane(cells, space_length=1.5, time_length=1.5)
    kernels = Kernels.of(MODEL, statistics, *theta)
    loss, slope, weights = profile_loss_plane(statistics, 0, kernels)
    again, by_weights, by_parameters = l2_loss_plane(statistics, 0, kernels, weights)
    assert weights.min() >= 0
    assert loss == pytest.approx(again, rel=1e-12)
    np.testing.assert_allclose(slope, by_parameters, rtol=1e-12)
    # Karush, Kuhn and Tucker: no slope where a weight is above 0, no descent where it is 0.
    scale = 2 * statistics.n_events[0]
    assert np.all(np.abs(by_weights[weights > 0]) < 1e-8 * scale)
    assert np.all(by_weights[weights == 0] > -1e-8 * scale)


def test_without_borders_the_quadratic_form_is_larger_and_the_same_as_asked_for():
    cells, theta, weights = cells_of(2), parameters(MODEL, 2), np.array([0.0, 0.8, 0.4])
    exact = precompute_plane(cells, space_length=1.5, time_length=1.5)
    rough = precompute_plane(cells, space_length=1.5, time_length=1.5, exact=False)
    kernels = Kernels.of(MODEL, exact, *theta)
    losses = [
        l2_loss_plane(each, 0, kernels, weights)[0]
        for each in (exact, exact.without_borders(), rough)
    ]
    assert losses[1] == pytest.approx(losses[2], rel=1e-12)
    assert losses[0] < losses[1]


def test_events_far_from_borders_need_no_correction():
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.integers(0, 10, 40), rng.integers(6, 20, (40, 2))])
    cells = Cells((points,), (40, 26, 26), (0.25, 0.5, 0.5))
    theta, weights = parameters(MODEL, 1), np.array([0.3, 0.8])
    exact, rough = (
        plane_loss(cells, MODEL, theta, weights, exact=exact)[0] for exact in (True, False)
    )
    assert exact == pytest.approx(rough, rel=1e-12)


def test_tables_too_large_for_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: (1.0, "this machine"))
    with pytest.raises(ValueError, match=r"exact borders of kernels with 150 x 150 lags .* has"):
        precompute_plane(
            Cells((np.zeros((1, 3), int),), (40, 400, 400), (0.25, 0.01, 0.01)),
            space_length=1.5,
            time_length=1.5,
        )
