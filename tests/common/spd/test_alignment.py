import re

import numpy as np
import ot
import pytest
import scipy.linalg
import scipy.optimize
import scipy.stats
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from common.spd._alignment_losses import LOSSES, _directions, make_loss
from common.spd.aligners import ParticleAlignment, TransformationAlignment
from common.spd.alignment import (
    _divided_differences,
    _transformation_gradient,
    align_particles,
    align_transformation,
)
from common.spd.directions import spd_directions
from common.spd.logarithm import (
    exp_matrices,
    exp_vectors,
    log_matrices,
    log_vectors,
    symmetric_vectors,
)

SLICED = ("spdsw", "logsw")
FEW = {"n_projections": 20, "n_steps": 4}


def random_spd(n, d, rng, *, spread=0.5):
    return exp_vectors(spread * rng.standard_normal((n, d * (d + 1) // 2)))


def shifted(x, shift):
    """Matrices whose logs are those of x plus one symmetric matrix."""
    return exp_matrices(log_matrices(x) + shift)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return random_spd(8, 3, rng), random_spd(6, 3, rng)


def loss_of(name, target, *, n_source, seed=0, n_projections=7, reg=1.0):
    options = {"n_projections": n_projections, "reg": reg, "rng": np.random.default_rng(seed)}
    return make_loss(name, target, n_source=n_source, n_channels=3, **options)


def sliced_reference(points, target, directions):
    """Squared distance of samples, each repeated until both are of one size."""
    u, v = points @ directions.T, target @ directions.T
    u, v = u.repeat_interleave(len(target), dim=0), v.repeat_interleave(len(points), dim=0)
    return ((u.sort(dim=0).values - v.sort(dim=0).values) ** 2).mean()


@pytest.mark.parametrize("name", SLICED)
@pytest.mark.parametrize("m", [6, 9, 10])
def test_value_and_gradient_of_sliced_losses_agree_with_autograd(name, m):
    rng = np.random.default_rng(1)
    points, target = rng.standard_normal((9, 6)), rng.standard_normal((m, 6)) + 0.5
    value, gradient = loss_of(name, target, n_source=9)(points)
    draw = _directions(7, 3, rng=np.random.default_rng(0), kind=name[:3])
    tensor = torch.tensor(points, requires_grad=True)
    expected = sliced_reference(tensor, torch.tensor(target), torch.tensor(draw()))
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, 9 * tensor.grad.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("m", [8, 5])
def test_gradient_of_exact_transport_agrees_with_finite_differences(m):
    rng = np.random.default_rng(2)
    points, target = rng.standard_normal((8, 6)), rng.standard_normal((m, 6)) + 1

    def cost(points):
        squares = np.sum((points[:, None] - target) ** 2, axis=-1)
        if m == 8:
            return squares[scipy.optimize.linear_sum_assignment(squares)].mean()
        return ot.emd2([], [], squares)

    value, gradient = loss_of("lew", target, n_source=8)(points)
    assert value == pytest.approx(cost(points), rel=1e-12)
    # Quadratic as long as the plan stays, so central differences have rounding errors only.
    expected = finite_differences(cost, points, step=1e-5)
    np.testing.assert_allclose(gradient, 8 * expected, rtol=0, atol=1e-8)


def test_gradient_of_entropic_transport_agrees_with_finite_differences():
    rng = np.random.default_rng(3)
    points, target, reg = rng.standard_normal((5, 6)), rng.standard_normal((7, 6)) + 1, 2.0

    def objective(points):
        costs = np.sum((points[:, None] - target) ** 2, axis=-1)
        kernel, v = np.exp(-costs / reg), np.ones(7)
        for _ in range(300):
            u = 1 / 5 / (kernel @ v)
            v = 1 / 7 / (kernel.T @ u)
        plan = u[:, None] * kernel * v
        return np.sum(plan * costs) + reg * np.sum(plan * np.log(35 * plan))

    loss = loss_of("les", target, n_source=5, reg=reg)
    for _ in range(2):  # the second call starts from the first one's potentials
        value, gradient = loss(points)
        # Marginals are exact to 1e-7.
        assert value == pytest.approx(objective(points), rel=1e-6)
        expected = finite_differences(objective, points, step=1e-4)
        np.testing.assert_allclose(gradient, 5 * expected, rtol=0, atol=1e-5)


def finite_differences(function, x, *, step):
    gradient = np.empty_like(x)
    for index in np.ndindex(*x.shape):
        delta = np.zeros_like(x)
        delta[index] = step
        gradient[index] = (function(x + delta) - function(x - delta)) / (2 * step)
    return gradient


def test_entropic_transport_of_distant_sets_does_not_underflow():
    rng = np.random.default_rng(4)
    points = rng.standard_normal((5, 6))
    target = points + 100.0  # costs of 60 000, exp(-60 000) is zero
    value, gradient = loss_of("les", target, n_source=5, reg=1.0)(points)
    # The cost of the shift, 6 * 100**2, is the same for every plan with these marginals.
    around, _ = loss_of("les", points, n_source=5, reg=1.0)(points)
    assert value - 60_000 == pytest.approx(around, abs=1e-4)
    assert gradient.mean(axis=0) == pytest.approx(np.full(6, -200.0), rel=1e-4)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_directions_follow_the_law_of_spd_directions(d):
    draw = _directions(2000, d, rng=np.random.default_rng(5), kind="spd")
    found = np.concatenate([draw() for _ in range(5)])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-12)
    expected = spd_directions(10_000, d, rng=np.random.default_rng(6))
    rng = np.random.default_rng(7)
    for _ in range(3):
        along = symmetric_vectors(rng.standard_normal((d, d)))
        if d > 1:  # for d = 1 a direction is a sign
            test = scipy.stats.ks_2samp(found @ along, expected @ along)
            assert test.pvalue > 1e-3
        # E <A, S>^2 = (2 |S|^2 + (tr S)^2) / (d (d + 2)), and 0 <= <A, S>^2 <= |S|^2: five
        # standard errors of pairwise independent draws.
        S = exp_vectors(along)
        S = np.log(np.linalg.eigvalsh(S))
        second = (2 * S @ S + S.sum() ** 2) / (d * (d + 2))
        assert np.mean((found @ along) ** 2) == pytest.approx(second, abs=2.5e-2 * (S @ S))


def test_directions_are_fresh_at_every_call():
    draw = _directions(5, 3, rng=np.random.default_rng(0), kind="spd")
    assert np.abs(draw() - draw()).max(axis=1).min() > 1e-3


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("m", [6, 4])
def test_gradient_of_the_transformation_agrees_with_autograd(name, m):
    rng = np.random.default_rng(8)
    X, target = random_spd(6, 3, rng), log_vectors(random_spd(m, 3, rng))
    X[0] = 2 * np.eye(3)  # equal eigenvalues, where derivatives of eigenvectors have poles
    W = random_spd(1, 3, rng)[0]
    R = scipy.linalg.expm(np.array([[0, 0.3, -0.2], [-0.3, 0, 0.5], [0.2, -0.5, 0]]))
    value, W_gradient, R_gradient = _transformation_gradient(
        X, W, R, loss_of(name, target, n_source=6)
    )
    tensors = [torch.tensor(each, requires_grad=True) for each in (W, R)]
    symmetric = (tensors[0] + tensors[0].mT) / 2
    T = tensors[1] @ symmetric
    points = log_vectors(T @ torch.tensor(X) @ T.mT)
    expected, upstream = loss_of(name, target, n_source=6)(points.detach().numpy())
    points.backward(torch.tensor(upstream / 6))
    assert value == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(W_gradient, tensors[0].grad.numpy(), rtol=1e-7, atol=1e-9)
    # log(R Z R^T) = R log(Z) R^T holds on the orthogonal group only, so the two agree along it.
    tangents = [R.T @ each for each in (R_gradient, tensors[1].grad.numpy())]
    found, wanted = (each - each.T for each in tangents)
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9)


def test_divided_differences_of_the_logarithm():
    eigenvalues = np.array([[1e-12, 1.0, 1.0 + 1e-9, 3.0, 3.0, 1e6]])
    found = _divided_differences(eigenvalues, np.log(eigenvalues))[0]
    for i, a in enumerate(eigenvalues[0]):
        for j, b in enumerate(eigenvalues[0]):
            # The mean of 1 / x between a and b, from the series or the quotient.
            gap = (a - b) / b
            mean = (1 - gap / 2) / b if abs(gap) < 1e-6 else np.log(a / b) / (a - b)
            assert found[i, j] == pytest.approx(mean, rel=1e-12)


def test_steps_follow_the_affine_invariant_and_the_orthogonal_geodesics(pair):
    source, target = pair
    W, R, losses = align_transformation(source, target, loss="lew", n_steps=3, lr=0.05)
    expected_W, expected_R = np.eye(3), np.eye(3)
    for step in range(3):
        tensors = [torch.tensor(each, requires_grad=True) for each in (expected_W, expected_R)]
        T = tensors[1] @ tensors[0]
        moved = log_vectors(T @ torch.tensor(source) @ T.mT)
        costs = ((moved[:, None] - torch.tensor(log_vectors(target))) ** 2).sum(-1)
        value = ot.emd2([], [], costs)
        value.backward()
        assert losses[step] == pytest.approx(value.item(), rel=1e-9)
        W_slope, R_slope = (each.grad.numpy() for each in tensors)
        W_slope = (W_slope + W_slope.T) / 2
        # exp_W(V) = W expm(W^-1 V) with V the Riemannian gradient W slope W.
        expected_W = expected_W @ scipy.linalg.expm(-0.05 * W_slope @ expected_W)
        # Projection on the tangent space R K, K skew.
        skew = expected_R.T @ R_slope
        expected_R = expected_R @ scipy.linalg.expm(-0.05 * (skew - skew.T) / 2)
    np.testing.assert_allclose(W, expected_W, rtol=0, atol=1e-9)
    np.testing.assert_allclose(R, expected_R, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("loss", "traceless", "trace"),
    [
        ("spdsw", 1 - 4 * 0.4 / (3 * 5), 1 - 2 * 0.4 / 3),
        ("logsw", 1 - 2 * 0.4 / 9, 1 - 2 * 0.4 / 9),
        ("lew", 1 - 2 * 0.4, 1 - 2 * 0.4),
    ],
)
def test_a_shift_of_the_logs_is_undone_at_the_documented_rate(loss, traceless, trace):
    rng = np.random.default_rng(9)
    source = random_spd(30, 3, rng)
    for shift, rate in ((np.diag([0.02, -0.02, 0.0]), traceless), (0.02 * np.eye(3), trace)):
        target = shifted(source, shift)
        # With 20 000 directions, <A, S>^2 is averaged to a relative error below 0.01.
        aligned, _ = align_particles(
            source, target, rng=rng, loss=loss, lr=0.4, n_projections=20_000, n_steps=2
        )
        left = np.mean(log_matrices(target) - log_matrices(aligned), axis=0)
        np.testing.assert_allclose(left, rate**2 * shift, rtol=0, atol=0.02 * 0.02)


@pytest.mark.parametrize(
    ("loss", "rate"), [("spdsw", 1 - 8 * 0.1 / 3), ("logsw", 1 - 8 * 0.1 / 9), ("lew", 1 - 0.8)]
)
def test_a_factor_is_undone_at_the_documented_rate(loss, rate):
    rng = np.random.default_rng(9)
    source = random_spd(30, 3, rng)
    W, R, _ = align_transformation(
        source, 1.02 * source, rng=rng, loss=loss, lr=0.1, n_projections=20_000, n_steps=2
    )
    left = np.log(1.02) * np.eye(3) - 2 * log_matrices(W)
    expected = rate**2 * np.log(1.02) * np.eye(3)
    np.testing.assert_allclose(left, expected, rtol=0, atol=0.02 * np.log(1.02))
    np.testing.assert_allclose(R, np.eye(3), rtol=0, atol=1e-3)


@pytest.mark.parametrize("loss", [*SLICED, "lew"])
def test_particles_reach_a_shifted_target(loss):
    rng = np.random.default_rng(10)
    source = random_spd(20, 2, rng)
    shift = np.array([[0.5, -0.3], [-0.3, -1.0]])
    target = shifted(source, shift)
    lr = {"spdsw": 0.5, "logsw": 0.5, "lew": 0.1}[loss]
    aligned, losses = align_particles(
        source, target, rng=rng, loss=loss, lr=lr, n_projections=50, n_steps=200
    )
    # The slowest rate is 1 - 4 lr / (d (d + 2)) = 0.75 a step: nothing is left but rounding of
    # the logarithm and, before that, order statistics that exchange places.
    mean = np.mean(log_matrices(aligned), axis=0)
    np.testing.assert_allclose(mean, np.mean(log_matrices(target), axis=0), rtol=0, atol=1e-3)
    assert losses[-1] < 1e-6 * losses[0]
    blocks = losses.reshape(10, 20).mean(axis=1)
    assert np.all(np.diff(blocks[:5]) < 0)


@pytest.mark.parametrize("loss", [*SLICED, "lew"])
def test_a_source_equal_to_its_target_stays(loss, pair):
    source, _ = pair
    aligned, losses = align_particles(
        source, source[::-1].copy(), rng=np.random.default_rng(0), loss=loss, **FEW
    )
    np.testing.assert_allclose(aligned, source, rtol=1e-10)
    assert losses == pytest.approx(np.zeros(4), abs=1e-12)
    W, R, _ = align_transformation(source, source, rng=np.random.default_rng(0), loss=loss, **FEW)
    np.testing.assert_allclose([W, R], [np.eye(3)] * 2, rtol=0, atol=1e-10)


def test_entropy_draws_the_matrices_together(pair):
    source, _ = pair
    aligned, _ = align_particles(source, source, loss="les", lr=0.1, n_steps=20, reg=10.0)
    before, after = (np.var(log_vectors(each), axis=0).sum() for each in (source, aligned))
    assert after < 0.5 * before


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("align", [align_particles, align_transformation])
def test_order_and_unit_do_not_matter(align, loss, pair):
    source, target = pair

    def run(source, target):
        rng = np.random.default_rng(0)
        *found, losses = align(source, target, rng=rng, loss=loss, reg=1.0, lr=0.05, **FEW)
        return found, losses

    found, losses = run(source, target)
    # Rounding, and for "les" marginals to 1e-6.
    close = {"rtol": 0, "atol": 1e-5 if loss == "les" else 1e-9}
    again, same = run(source, target)
    np.testing.assert_array_equal(losses, same)
    np.testing.assert_array_equal(found[0], again[0])
    other, same = run(source, target[::-1].copy())
    np.testing.assert_allclose(same, losses, **close)
    np.testing.assert_allclose(other[0], found[0], **close)
    order = np.array([3, 1, 4, 0, 7, 6, 2, 5])
    other, _ = run(source[order], target)
    expected = found[0][order] if align is align_particles else found[0]
    np.testing.assert_allclose(other[0], expected, **close)
    other, _ = run(1e-12 * source, 1e-12 * target)  # V² or µV²
    expected = 1e-12 * found[0] if align is align_particles else found[0]
    np.testing.assert_allclose(other[0] / expected, np.ones_like(expected), rtol=0, atol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_steps_do_not_depend_on_the_number_of_matrices(loss, pair):
    source, target = pair

    def run(source, target):
        return align_particles(
            source, target, rng=np.random.default_rng(0), loss=loss, reg=1.0, lr=0.05, **FEW
        )[0]

    expected = np.tile(run(source, source * 2), (3, 1, 1))
    found = run(np.tile(source, (3, 1, 1)), np.tile(source * 2, (3, 1, 1)))
    close = {"rtol": 0, "atol": 1e-5 if loss == "les" else 1e-9}
    if loss != "lew":  # copies may be sent to different places at the same cost
        np.testing.assert_allclose(found, expected, **close)
    found = run(source, np.tile(target, (4, 1, 1)))
    np.testing.assert_allclose(found, run(source, target), **close)


def test_other_seeds_give_other_directions(pair):
    losses = [align_particles(*pair, rng=np.random.default_rng(i), **FEW)[1] for i in range(2)]
    assert np.all(losses[0] != losses[1])


@pytest.mark.parametrize("loss", [*SLICED, "lew"])
def test_a_known_change_of_channels_is_recovered(loss):
    rng = np.random.default_rng(11)
    source = random_spd(40, 3, rng)
    T = np.array([[1.2, 0.3, 0.0], [-0.1, 0.9, 0.2], [0.1, 0.0, 0.8]])
    target = T @ source @ T.T
    lr = {"spdsw": 0.3, "logsw": 0.3, "lew": 0.03}[loss]
    W, R, losses = align_transformation(
        source, target, rng=rng, loss=loss, lr=lr, n_projections=30, n_steps=250
    )
    np.testing.assert_allclose(R.T @ R, np.eye(3), rtol=0, atol=1e-8)
    assert np.linalg.det(R) == pytest.approx(1, abs=1e-8)
    np.testing.assert_array_equal(W, W.T)
    assert np.linalg.eigvalsh(W).min() > 0
    assert losses[-1] < 1e-3 * losses[0]
    np.testing.assert_allclose(R @ W, T, rtol=0, atol=0.03)
    moved = R @ W @ source @ W @ R.T
    spectra = [np.linalg.eigvalsh(log_matrices(each).mean(axis=0)) for each in (moved, target)]
    np.testing.assert_allclose(*spectra, rtol=0, atol=0.02)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("align", [align_particles, align_transformation])
def test_default_steps_approach_the_target(align, loss):
    rng = np.random.default_rng(12)
    source, target = random_spd(20, 4, rng), random_spd(15, 4, rng)
    shift = np.diag([1.0, -1.0, 0.5, 0.5])
    options = {"rng": rng, "loss": loss, "reg": 1.0, "n_projections": 100, "n_steps": 60}
    *_, losses = align(source, shifted(target, shift), **options)
    assert losses[-10:].mean() < 0.9 * losses[:10].mean()


@pytest.mark.parametrize("loss", SLICED)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 20])
def test_default_steps_of_particles_converge_for_any_number_of_channels(d, loss):
    rng = np.random.default_rng(13)
    source = random_spd(20, d, rng)
    target = shifted(source, np.diag(np.linspace(1.0, -0.5, d)))
    aligned, losses = align_particles(source, target, rng=rng, loss=loss, n_projections=100)
    # The slowest rate of 500 steps with 20 channels is 1 - 2 * 3.5 / 400 a step.
    assert losses[-1] < 0.05 * losses[0]
    aligned_mean, mean = (np.mean(log_matrices(each), axis=0) for each in (aligned, target))
    np.testing.assert_allclose(aligned_mean, mean, rtol=0, atol=0.05)


@pytest.mark.parametrize("kind", [ParticleAlignment, TransformationAlignment])
def test_estimators_give_what_the_functions_give(kind, pair):
    source, target = pair
    estimator = clone(kind("logsw", lr=0.2, random_state=3, **FEW))
    assert estimator.get_params() == {
        "loss": "logsw",
        "lr": 0.2,
        "random_state": 3,
        "reg": 10.0,
        **FEW,
    }
    aligned = estimator.fit_transform(source, target)
    options = {"rng": np.random.default_rng(3), "loss": "logsw", "lr": 0.2, **FEW}
    if kind is ParticleAlignment:
        expected, losses = align_particles(source, target, **options)
    else:
        W, R, losses = align_transformation(source, target, **options)
        expected = R @ W @ source @ W @ R.T
        extra = estimator.transform(target)  # of the same domain, say
        np.testing.assert_allclose(extra, R @ W @ target @ W @ R.T, rtol=1e-12)
    np.testing.assert_allclose(aligned, expected, rtol=1e-12)
    np.testing.assert_array_equal(aligned, aligned.transpose(0, 2, 1))
    np.testing.assert_array_equal(estimator.losses_, losses)
    np.testing.assert_array_equal(estimator.fit_transform(source, target), aligned)
    np.testing.assert_array_equal(estimator.set_params(lr=0.1).transform(source), aligned)


@pytest.mark.parametrize("kind", [ParticleAlignment, TransformationAlignment])
def test_a_classifier_of_the_aligned_source_works_on_the_target(kind):
    rng = np.random.default_rng(13)
    # Two classes along one direction of the logs, and a shift of the domain along the same.
    direction = np.array([[0.0, 0.5], [0.5, 0.0]])
    y = np.repeat([0, 1], 40)
    logs = 2 * y[:, None, None] * direction + log_matrices(random_spd(80, 2, rng, spread=0.2))
    source, target = exp_matrices(logs), exp_matrices(logs[::-1] + 3 * direction)
    classifier = make_pipeline(FunctionTransformer(log_vectors), LogisticRegression())
    before = classifier.fit(source, y).score(target, y[::-1])
    alignment = kind(lr=0.1, n_projections=50, n_steps=300)
    aligned = alignment.fit_transform(source, target)
    after = classifier.fit(aligned, y).score(target, y[::-1])
    assert before == 0.5  # all of the target lies beyond the source's class 1
    assert after > 0.95


def test_particles_have_no_rule_for_other_matrices(pair):
    source, target = pair
    alignment = ParticleAlignment(**FEW)
    with pytest.raises(NotFittedError):
        alignment.transform(source)
    aligned = alignment.fit_transform(source, target)
    with pytest.raises(ValueError, match="moves the very matrices that it is fitted to"):
        alignment.transform(target)
    with pytest.raises(ValueError, match="source is a masked array with 1 masked values"):
        alignment.transform(np.ma.masked_equal(source, source[2, 1, 1]))
    aligned[0] = 0  # a copy
    assert alignment.transform(source)[0].any()


def test_transformation_checks_what_it_transforms(pair):
    alignment = TransformationAlignment(**FEW)
    with pytest.raises(NotFittedError):
        alignment.transform(pair[0])
    alignment.fit(*pair)
    with pytest.raises(ValueError, match=r"source has matrices of shape \(2, 2\), but .* \(3, 3\)"):
        alignment.transform(pair[0][:, :2, :2])


@pytest.mark.parametrize("align", [align_particles, align_transformation])
def test_errors_name_what_is_wrong(align, pair):
    source, target = pair

    def fails(message, source=source, target=target, error=ValueError, **options):
        with pytest.raises(error, match=message):
            align(source, target, **({"rng": np.random.default_rng(0)} | FEW | options))

    fails(r"one size, got shapes \(8, 2, 2\) and \(6, 3, 3\)", source=source[:, :2, :2])
    fails("source is empty", source=source[:0])
    fails("target is empty", target=target[:0])
    hidden = np.ma.masked_equal(source, source[1, 0, 0])
    fails(r"source is a masked array .* at index \(1, 0, 0\)", source=hidden)
    fails("source must hold float64 or float32 numbers, got complex128", source=source + 0j)
    broken = target.copy()
    broken[2, 1, 1] = np.nan
    fails(r"target\[2, 1, 1\] is nan", target=broken)
    fails(r"source\[0\] is not positive definite", source=-source)
    fails(r"target\[0\] is not positive definite", target=-target)
    fails(r"target must have shape \(n_matrices, .* got \(8,\)", target=np.zeros(8))  # labels
    fails("'spdsw', 'logsw', 'les', 'lew', got 'sw'", loss="sw")
    fails("loss 'spdsw' draws directions: give it rng", rng=None)
    fails("rng must be a numpy.random.Generator, got 0", rng=0)
    fails("n_projections must be an integer of at least 1, got 0", n_projections=0)
    fails("n_steps must be an integer of at least 1, got 2.5", n_steps=2.5)
    fails("lr must be positive and finite, got 0", lr=0)
    fails("lr must be positive and finite, got nan", lr=float("nan"))
    fails("reg must be positive and finite, got -1", loss="les", reg=-1)
    fails("did not converge.*raise reg", loss="les", reg=1e-4, error=RuntimeError)
    if align is align_particles:
        fails("lr must be below 3 for loss 'spdsw' and 3 channels, got 3: the steps", lr=3.0)
        fails("lr must be below 9 for loss 'logsw' and 3 channels, got 1e", loss="logsw", lr=1e9)
        fails(
            "lr must be below 1 for loss 'lew' and 3 channels, got 1: the steps", loss="lew", lr=1
        )
        few = {"n_projections": 2, "n_steps": 100}  # so few directions need a smaller step
        fails("the steps diverge: the loss was .* Lower lr, 2.9", lr=2.9, **few)
    else:
        fails("the steps diverge: the loss was .* Lower lr, 1e", lr=1e9, n_steps=100)


@pytest.mark.parametrize("lr", [5.0, 30.0, 1e3, 1e9, 1e100, 1e300])
@pytest.mark.parametrize("loss", [*SLICED, "lew"])
@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_a_step_of_a_transformation_that_is_too_large_is_named(d, loss, lr):
    """Whatever fails first: eigenvalues, logarithms, the exponential, or the loss that grows.

    Above d / 4, d² / 4 and 1 / 4 a common factor diverges.
    """
    rng = np.random.default_rng(0)
    source, target = random_spd(8, d, rng), shifted(random_spd(6, d, rng), 0.7 * np.eye(d))
    with pytest.raises(ValueError, match=re.escape(f"Lower lr, {lr:g}.")) as error:
        align_transformation(
            source, target, rng=rng, loss=loss, lr=lr, n_projections=20, n_steps=60
        )
    assert "the steps diverge: the loss was" in str(error.value)


def test_losses_without_directions_need_no_generator(pair):
    for loss in ("les", "lew"):
        for align in (align_particles, align_transformation):
            *_, losses = align(*pair, loss=loss, n_steps=2)
            assert np.isfinite(losses).all()
