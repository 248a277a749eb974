import numpy as np
import pytest
import torch

from common.hawkes.grid import bin_events
from common.hawkes.kernels import (
    Kumaraswamy,
    RaisedCosine,
    TruncatedExponential,
    TruncatedGaussian,
    grid_lags,
)
from common.hawkes.loss import l2_loss, profile_loss
from common.hawkes.statistics import precompute

# Kernel, lowest and highest of each parameter for length 1, power of time of each parameter.
FAMILIES = [
    (TruncatedGaussian(), [[0.1, 0.9], [0.1, 0.4]], [1, 1]),
    (RaisedCosine(), [[0.0, 0.4], [0.15, 0.4]], [1, 1]),
    (TruncatedExponential(), [[1.0, 9.0]], [-1]),
    (Kumaraswamy(), [[1.2, 4.0], [1.2, 4.0]], [0, 0]),
]
# Length, step and lags; of length / delta, 1 / delta, or both, rounding or truncation is hard.
GRIDS = [
    (1.0, 0.1, 10),
    (1.4, 0.07, 20),
    (2.7, 0.3, 9),
    (0.35, 0.07, 5),
    (10.0, 1 / 3, 30),
    (1.0, 0.16, 6),
]


def problem(family, n_processes, *, length, delta, seed=0, n_lags_of_record=17.3):
    """Random events, of which many lie within a kernel's length of the end, and parameters."""
    kernel, box, powers = family
    rng = np.random.default_rng([seed, n_processes])
    end_time = n_lags_of_record * length
    events = []
    for _ in range(n_processes):
        times = rng.uniform(0, end_time, 40)
        late = rng.uniform(end_time - length, end_time, 8)
        twin = np.concatenate([times, times[:5], late, [0.0, end_time]])  # equal times, both ends
        events.append(np.sort(twin))
    shape = (n_processes, n_processes)
    parameters = np.stack(
        [length**power * rng.uniform(*b, shape) for b, power in zip(box, powers, strict=True)]
    )
    baseline = rng.uniform(0.1, 1, n_processes) / length
    adjacency = rng.uniform(0, 1, shape)
    binned = bin_events(events, end_time=end_time, delta=delta, kernel_length=length)
    return kernel, binned, baseline, adjacency, parameters


def shape_of(kernel, t, theta, length):
    """Kernel up to a factor, for torch."""
    theta = [x[..., None] for x in theta]
    if isinstance(kernel, TruncatedGaussian):
        return torch.exp(-((t - theta[0]) ** 2) / (2 * theta[1] ** 2))
    if isinstance(kernel, RaisedCosine):
        bump = 1 + torch.cos(torch.pi * (t - theta[0]) / theta[1] - torch.pi)
        return torch.where((t >= theta[0]) & (t <= theta[0] + 2 * theta[1]), bump, 0.0)
    if isinstance(kernel, TruncatedExponential):
        return torch.exp(-theta[0] * t)
    x = t / length
    inside = x < 1 - 1e-9
    x = torch.where(inside, x, 0.5)
    return torch.where(inside, x ** (theta[0] - 1) * (1 - x ** theta[0]) ** (theta[1] - 1), 0.0)


def direct_loss(kernel, binned, baseline, adjacency, parameters, *, length, n_lags, beyond=False):
    """Sum of lambda^2 and of lambda z over the grid, by an explicit convolution.

    With ``beyond``, the square of the excitation alone also counts on the points after the end.
    """
    delta, n = binned.delta, binned.n_processes
    lags = torch.arange(1, n_lags + 1, dtype=torch.float64) * delta
    value = shape_of(kernel, lags, parameters, length)
    phi = adjacency[..., None] * value / (delta * value.sum(-1, keepdim=True))
    z = torch.from_numpy(binned.dense())
    padded = torch.nn.functional.pad(z, (n_lags, n_lags))
    excited = torch.nn.functional.conv1d(padded[None, :, :-1], phi.flip(-1))[0]
    intensity = baseline[:, None] + excited[:, : binned.n_grid]
    assert intensity.shape == (n, binned.n_grid)
    loss = delta * (intensity**2).sum() - 2 * (intensity * z).sum()
    if beyond:
        loss = loss + delta * (excited[:, binned.n_grid :] ** 2).sum()
    return loss / z.sum()


def ours(kernel, binned, baseline, adjacency, parameters, length, *, exact=True):
    n_lags = len(grid_lags(length, delta=binned.delta))
    statistics = precompute(binned, n_lags=n_lags, exact=exact)
    return l2_loss(statistics, baseline, adjacency, parameters, kernel=kernel, length=length)


@pytest.mark.parametrize("length, delta, n_lags", GRIDS)
@pytest.mark.parametrize("n_processes", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradient_are_those_of_the_direct_sum_over_the_grid(
    family, n_processes, length, delta, n_lags
):
    kernel, binned, *model = problem(family, n_processes, length=length, delta=delta)
    loss, gradient = ours(kernel, binned, *model, length)
    tensors = [torch.from_numpy(x).requires_grad_() for x in model]
    expected = direct_loss(kernel, binned, *tensors, length=length, n_lags=n_lags)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-10)
    for got, tensor in zip(gradient, tensors, strict=True):
        # Sums of some hundred terms of the size of the gradient's, in double precision.
        scale = tensor.grad.abs().max().item()
        np.testing.assert_allclose(got, tensor.grad, atol=1e-9 * scale)


@pytest.mark.parametrize("n_processes", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_agrees_with_central_differences(family, n_processes):
    length, delta = 1.4, 0.07
    kernel, binned, *model = problem(family, n_processes, length=length, delta=delta)
    _, gradient = ours(kernel, binned, *model, length)
    rng = np.random.default_rng(0)
    direction = [rng.normal(size=np.shape(x)) for x in model]
    step = 1e-5
    rise = [
        ours(
            kernel,
            binned,
            *[x + s * step * d for x, d in zip(model, direction, strict=True)],
            length,
        )[0]
        for s in (1, -1)
    ]
    expected = sum(np.vdot(g, d) for g, d in zip(gradient, direction, strict=True))
    # step^2 times a third derivative of order 1e2.
    assert (rise[0] - rise[1]) / (2 * step) == pytest.approx(expected, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
def test_toeplitz_loss_differs_by_the_response_beyond_the_end(family):
    length, delta = 1.0, 0.05
    kernel, binned, *model = problem(family, 2, length=length, delta=delta)
    loss, gradient = ours(kernel, binned, *model, length, exact=False)
    tensors = [torch.from_numpy(x).requires_grad_() for x in model]
    expected = direct_loss(kernel, binned, *tensors, length=length, n_lags=20, beyond=True)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-10)
    assert loss > ours(kernel, binned, *model, length)[0]
    np.testing.assert_allclose(gradient[1], tensors[1].grad, rtol=1e-9)


def test_toeplitz_loss_tends_to_the_exact_one_as_the_record_grows():
    difference = []
    for n_lengths in (20, 200, 2000):
        rng = np.random.default_rng(0)
        events = [np.sort(rng.uniform(0, n_lengths, 3 * n_lengths))]
        events[0][-1] = n_lengths - 0.2
        binned = bin_events(events, end_time=n_lengths, delta=0.05)
        model = np.array([1.0]), np.array([[0.5]]), np.array([[[0.5]], [[0.2]]])
        exact, toeplitz = (
            ours(TruncatedGaussian(), binned, *model, 1.0, exact=e)[0] for e in (True, False)
        )
        difference.append((toeplitz - exact) * n_lengths)
    # The tail does not grow, so the difference falls as 1 / n; tails vary by their few events.
    assert all(0 < d < 10 for d in difference)


def test_parameters_of_one_receiver_do_not_touch_the_part_of_another():
    kernel, binned, *model = problem(FAMILIES[0], 3, length=1.0, delta=0.05)
    _, before = ours(kernel, binned, *model, 1.0)
    model[0][0] += 1.0
    model[1][0] += 1.0
    model[2][:, 0] *= 1.1
    _, after = ours(kernel, binned, *model, 1.0)
    for one, other in zip(before, after, strict=True):
        receivers = (slice(None), slice(1, None)) if one.ndim == 3 else slice(1, None)
        np.testing.assert_allclose(one[receivers], other[receivers], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_processes", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_profile_is_the_loss_at_its_minimum_over_baseline_and_adjacency(family, n_processes):
    length, delta = 1.4, 0.07
    kernel, binned, _, _, parameters = problem(family, n_processes, length=length, delta=delta)
    statistics = precompute(binned, n_lags=20)
    found = [
        profile_loss(statistics, i, slice(None), parameters[:, i], kernel=kernel, length=length)
        for i in range(n_processes)
    ]
    baseline = np.array([weights[0] for _, _, weights in found])
    adjacency = np.stack([weights[1:] for _, _, weights in found])
    assert baseline.min() >= 0 and adjacency.min() >= 0
    assert adjacency.max() > 0  # else the gradients below are all zero
    loss, gradient = l2_loss(
        statistics, baseline, adjacency, parameters, kernel=kernel, length=length
    )
    n_total = binned.n_events.sum()
    constant = -(binned.n_events**2 / statistics.duration).sum()
    assert sum(part for part, _, _ in found) <= 0
    total = constant + sum(part for part, _, _ in found)
    assert total / n_total == pytest.approx(loss, rel=1e-11)
    by_parameters = np.stack([by for _, by, _ in found], axis=1) / n_total
    np.testing.assert_allclose(by_parameters, gradient[2], rtol=1e-8, atol=1e-12)
    # Minimum over non-negative values: no slope, or upwards at zero. Relative to 2 N_i / N_T.
    for weight, slope in ((baseline, gradient[0]), (adjacency, gradient[1])):
        assert np.all(np.abs(slope[weight > 0]) < 1e-10)
        assert np.all(slope[weight == 0] > -1e-10)


def test_profile_over_some_sources_leaves_the_others_out():
    kernel, binned, _, _, parameters = problem(FAMILIES[0], 3, length=1.0, delta=0.05)
    events = [0.05 * np.repeat(binned.bins[j], binned.counts[j]) for j in (0, 2)]
    alone = bin_events(events, end_time=17.3, delta=0.05)
    sources = np.array([0, 2])
    theta = parameters[:, 2, sources]
    options = {"kernel": kernel, "length": 1.0}
    one = profile_loss(precompute(binned, n_lags=20), 2, sources, theta, **options)
    other = profile_loss(precompute(alone, n_lags=20), 1, slice(None), theta, **options)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


def test_profile_drops_a_kernel_where_no_event_follows():
    # Events avoid each other up to 0.5 s, so the adjacency must be zero and the baseline the rate.
    times = np.arange(0.5, 100, 0.7)
    binned = bin_events([times], end_time=100, delta=0.01)
    excess, by_parameters, weights = profile_loss(
        precompute(binned, n_lags=50),
        0,
        slice(None),
        np.array([[0.2], [0.1]]),
        kernel=TruncatedGaussian(),
        length=0.5,
    )
    np.testing.assert_allclose(weights, [len(times) / 100.01, 0], atol=1e-12)
    assert excess == pytest.approx(0, abs=1e-9) and not by_parameters.any()


def test_profile_with_a_baseline_that_is_held_at_zero():
    # Every event of process 1 falls on the peak of a wide kernel: with the adjacency that suits
    # the peak, process 0 would explain more events than there are, and a free baseline is negative.
    first = np.arange(1.0, 100.0, 4.0)
    binned = bin_events([first, first + 0.5], end_time=100, delta=0.05)
    statistics = precompute(binned, n_lags=20)
    options = {"kernel": TruncatedGaussian(), "length": 1.0}
    theta = np.array([[0.5], [0.1]])
    excess, by_parameters, weights = profile_loss(statistics, 1, np.array([0]), theta, **options)
    assert weights[0] == 0 and weights[1] > 1
    adjacency = np.array([[0.0, 0.0], [weights[1], 0.0]])
    everywhere = np.broadcast_to(theta[:, :, None], (2, 2, 2))
    loss, gradient = l2_loss(statistics, [0.0, 0.0], adjacency, everywhere, **options)
    constant = -(25**2) / statistics.duration  # of process 1; process 0 is left at zero
    assert (constant + excess) / 50 == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(by_parameters[:, 0] / 50, gradient[2][:, 1, 0], atol=1e-12)
    assert gradient[0][1] > 0  # the loss rises with the baseline
    assert gradient[1][1, 0] == pytest.approx(0, abs=1e-10)


def test_profile_survives_equal_kernels_of_equal_processes_and_silent_ones():
    times = np.sort(np.random.default_rng(0).uniform(0, 50, 100))
    binned = bin_events([times, times, []], end_time=50, delta=0.05, allow_empty=True)
    theta = np.tile([[0.5], [0.2]], 3)
    options = {"kernel": TruncatedGaussian(), "length": 1.0}
    statistics = precompute(binned, n_lags=20)
    excess, _, weights = profile_loss(statistics, 0, slice(None), theta, **options)
    alone, _, _ = profile_loss(statistics, 0, np.array([0]), theta[:, :1], **options)
    assert np.all(np.isfinite(weights)) and weights.min() >= 0
    assert excess == pytest.approx(alone, rel=1e-6)  # the ridge of 1e-14 over its square root
