"""One transform for many covariances: exact where there is one, and what a step may do."""

import numpy as np
import pytest
import scipy.linalg
from pyriemann.geometry.ajd import ajd_pham, rjd

from common.factorisation.composite import cosine_model
from common.spd import haar_orthogonal
from common.spd.joint_diagonalisation import (
    FrameCovariances,
    OrthogonalStep,
    check_transforms,
    diagonalisation_loss,
    joint_diagonalisation,
    orthogonal_step,
)

M, N = 6, 9


def rng(seed=0):
    return np.random.default_rng(seed)


def commuting(seed=0):
    """A basis, one vector a row, and matrices that are diagonal in it."""
    basis = haar_orthogonal(1, M, rng=rng(seed))[0]
    powers = rng(seed + 1).gamma(1, 2, size=(N, M)) + 0.1
    return basis, np.stack([basis.T @ np.diag(power) @ basis for power in powers])


def wisharts(seed=0):
    frames = rng(seed).standard_normal((20, M, N)) * rng(seed + 1).gamma(1, 1, size=(M, N))
    return FrameCovariances.of_frames(frames, eps=1e-6)


def same_atoms(first, second):
    """Largest distance from 0 or 1 of the products of two transforms' atoms."""
    products = np.abs(first @ second.T)
    return np.abs(products - np.round(products)).max() if products.max() > 0.5 else 1.0


def step_of_l(covariances, transforms):
    """Gradient and curvature of the criterion, from their definitions, entry by entry."""
    D = np.einsum("rai,nij,rbj->rnab", transforms, dense(covariances), transforms)
    d = np.einsum("rnaa->rna", D)
    A = np.einsum("rnab,rna->rab", D, 1 / d)
    B = np.einsum("rnb,rna->rab", d, 1 / d)
    n = D.shape[1]
    return (A - A.swapaxes(1, 2)) / 2, (B + B.swapaxes(1, 2)) / 2 - n


def dense(covariances):
    """The matrices, from the powers of all sums and differences of unit vectors."""
    unit = np.eye(covariances.n_channels)[None]
    products, _ = covariances.transformed(unit)
    ones = np.zeros((covariances.n_frames, covariances.n_channels, covariances.n_channels))
    for n in range(covariances.n_frames):
        weights = np.zeros((1, covariances.n_channels, covariances.n_frames))
        weights[:, :, n] = 1
        ones[n] = covariances.weighted(products, unit, weights)[0]
    return ones + covariances.eps * np.eye(covariances.n_channels)


def test_commuting_matrices_are_diagonalised_exactly():
    basis, matrices = commuting()
    found = joint_diagonalisation(matrices, starts=haar_orthogonal(3, M, rng=rng(5)))
    # Convergence is quadratic there: the off-diagonal is the root of the tolerance at worst.
    assert same_atoms(found.best, basis) < 1e-7
    diagonal = found.best @ matrices @ found.best.T
    off = diagonal - np.einsum("nmm->nm", diagonal)[:, :, None] * np.eye(M)
    assert np.abs(off).max() < 1e-7
    # Hadamard: the criterion is at least the sum of log-determinants, reached here.
    least = np.linalg.slogdet(matrices)[1].sum() + M * N
    assert found.losses.min() == pytest.approx(least, abs=1e-9)


def test_peers_agree_on_commuting_matrices():
    _, matrices = commuting(seed=3)
    ours = joint_diagonalisation(matrices, starts=haar_orthogonal(3, M, rng=rng(5))).best
    jacobi = rjd(matrices)[0].T
    pham = ajd_pham(matrices, n_iter_max=100)[0]
    pham /= np.linalg.norm(pham, axis=1, keepdims=True)
    # Each stops within its own tolerance, of about 1e-6.
    assert max(same_atoms(ours, jacobi), same_atoms(ours, pham)) < 1e-5


def test_no_peer_has_a_lower_criterion_among_orthogonal_transforms():
    C = wisharts()
    ours = joint_diagonalisation(C, starts=haar_orthogonal(5, M, rng=rng(5)))
    matrices = dense(C)
    pham, _ = ajd_pham(matrices, n_iter_max=100)
    u, _, vt = np.linalg.svd(pham)
    for other in (rjd(matrices)[0].T, u @ vt):
        _, powers = C.transformed(other[None])
        assert ours.losses.min() <= diagonalisation_loss(powers)[0] + 1e-9
    # Without orthogonality, Pham's criterion of the same form is lower still.
    powers = np.einsum("ai,nij,aj->na", pham, matrices, pham)
    free = np.log(powers).sum() - 2 * N * np.linalg.slogdet(pham)[1] + M * N
    assert free < ours.losses.min()


def test_losses_of_the_papers_draw():
    # sum log d, from another implementation of these equations and peers on the same matrices:
    # 1333.36 orthogonal, 1332.77 Pham, 1335.84 its projection, 1334.49 Jacobi angles.
    model = cosine_model(10, 50, 5, rng=np.random.RandomState(2020))
    frames = model.frames(100, rng=np.random.RandomState(100))
    C = FrameCovariances.of_frames(frames, eps=1e-8)
    found = joint_diagonalisation(C, starts=haar_orthogonal(3, 10, rng=rng()))
    assert found.converged.all()
    assert found.losses - 10 * 50 == pytest.approx([1333.36] * 3, abs=5e-3)
    matrices = dense(C)
    pham, _ = ajd_pham(matrices, n_iter_max=100)
    d = np.einsum("ai,nij,aj->na", pham, matrices, pham)
    assert np.log(d).sum() - 100 * np.linalg.slogdet(pham)[1] == pytest.approx(1332.77, abs=5e-3)


@pytest.mark.parametrize("n_realisations", [1, 3, 40])
def test_factors_and_matrices_are_the_same(n_realisations):
    frames = rng().standard_normal((n_realisations, M, N))
    C = FrameCovariances.of_frames(frames, eps=0.1)
    by_hand = np.einsum("smn,skn->nmk", frames, frames) / n_realisations
    other = FrameCovariances(by_hand, eps=0.1)
    transforms = haar_orthogonal(2, M, rng=rng(1))
    weights = rng(2).gamma(1, 1, size=(2, M, N))
    (products, powers), (others, expected) = (one.transformed(transforms) for one in (C, other))
    direct = np.einsum("rmi,nij,rmj->rmn", transforms, by_hand, transforms) + 0.1
    np.testing.assert_allclose(powers, direct, rtol=1e-10)
    np.testing.assert_allclose(expected, direct, rtol=1e-10)
    D = np.einsum("rmi,nij,rkj->rnmk", transforms, by_hand, transforms)
    direct = np.einsum("rmn,rnmk->rmk", weights, D)
    for one, product in ((C, products), (other, others)):
        np.testing.assert_allclose(one.weighted(product, transforms, weights), direct, atol=1e-10)


def test_the_gradient_is_that_of_finite_differences():
    C = wisharts()
    transform = haar_orthogonal(1, M, rng=rng(1))
    gradient, _ = step_of_l(C, transform)
    E = rng(2).standard_normal((M, M))
    E -= E.T
    t = 1e-5

    def loss(t):
        return diagonalisation_loss(C.transformed(scipy.linalg.expm(t * E) @ transform)[1])[0]

    # d/dt L(exp(tE) Phi) = 2 <E, G>; central differences are off by t² and rounding over t.
    slope = (loss(t) - loss(-t)) / (2 * t)
    assert slope == pytest.approx(2 * np.sum(E * gradient), rel=1e-6)


def test_the_curvature_is_exact_for_diagonal_matrices():
    powers = rng().gamma(1, 2, size=(N, M)) + 0.1
    C = FrameCovariances(np.stack([np.diag(power) for power in powers]))
    _, curvature = step_of_l(C, np.eye(M)[None])
    E = rng(2).standard_normal((M, M))
    E -= E.T
    t = 1e-4

    def loss(t):
        return diagonalisation_loss(C.transformed(scipy.linalg.expm(t * E)[None])[1])[0]

    # L(exp(tE)) = L + t² sum E² h / … : half the second derivative is the sum over all pairs.
    second = (loss(t) + loss(-t) - 2 * loss(0)) / t**2
    assert second / 2 == pytest.approx(np.sum(E**2 * curvature[0]), rel=1e-5)


@pytest.mark.parametrize("project", [False, True])
def test_a_step_is_the_exponential_or_the_nearest_orthogonal_matrix(project):
    C = wisharts()
    transforms = haar_orthogonal(2, M, rng=rng(1))
    products, powers = C.transformed(transforms)
    before = OrthogonalStep(
        transforms, products, powers, diagonalisation_loss(powers), np.ones(2, bool)
    )
    gradient, _ = step_of_l(C, transforms)
    curvature = np.full((2, M, M), 1e3)  # so short a step that the first length is accepted
    after = orthogonal_step(
        C, before, objective=lambda powers, _: diagonalisation_loss(powers),
        gradient=gradient, curvature=curvature, project=project,
    )  # fmt: skip
    for phi, new, G in zip(transforms, after.transforms, gradient, strict=True):
        E = -G / 1e3
        rotation = scipy.linalg.polar(np.eye(M) + E)[0] if project else scipy.linalg.expm(E)
        np.testing.assert_allclose(new, rotation @ phi, atol=1e-12)
    np.testing.assert_allclose(after.powers, C.transformed(after.transforms)[1])
    np.testing.assert_allclose(after.value, diagonalisation_loss(after.powers))
    assert after.moved.all()


def test_a_step_that_cannot_fall_stays():
    C = wisharts()
    transforms = haar_orthogonal(2, M, rng=rng(1))
    products, powers = C.transformed(transforms)
    value = diagonalisation_loss(powers)
    before = OrthogonalStep(transforms, products, powers, value, np.ones(2, bool))
    gradient, curvature = step_of_l(C, transforms)
    after = orthogonal_step(
        C, before, objective=lambda powers, _: diagonalisation_loss(powers),
        gradient=-gradient, curvature=np.full_like(curvature, 10.0), n_halvings=5,
    )  # fmt: skip
    assert not after.moved.any()
    np.testing.assert_array_equal(after.transforms, transforms)
    np.testing.assert_array_equal(after.value, value)


def test_the_loss_falls_with_every_step_and_transforms_stay_orthogonal():
    C = wisharts()
    starts = haar_orthogonal(4, M, rng=rng(7))
    losses = []
    for n_steps in range(12):
        found = joint_diagonalisation(C, starts=starts, max_iter=n_steps)
        losses.append(found.losses)
        gap = found.transforms @ found.transforms.swapaxes(1, 2) - np.eye(M)
        assert np.abs(gap).max() < 1e-12
        assert (found.n_steps <= n_steps).all()
    # Beyond the rounding of sums of 54 logarithms.
    assert (np.diff(losses, axis=0) < 1e-11).all()
    assert (losses[-1] < losses[0]).all()


def test_steps_in_two_calls_are_those_of_one():
    C = wisharts()
    starts = haar_orthogonal(3, M, rng=rng(7))
    half = joint_diagonalisation(C, starts=starts, max_iter=3)
    again = joint_diagonalisation(C, starts=half.transforms, max_iter=4)
    whole = joint_diagonalisation(C, starts=starts, max_iter=7)
    np.testing.assert_allclose(again.transforms, whole.transforms, atol=1e-10)


def test_the_gradient_vanishes_at_the_end():
    C = wisharts()
    found = joint_diagonalisation(C, starts=haar_orthogonal(3, M, rng=rng(7)), tol=1e-8)
    assert found.converged.all()
    gradient, _ = step_of_l(C, found.transforms)
    # The tolerance is of the mean over frames, over the root of the number of channels.
    norms = np.linalg.norm(gradient, axis=(1, 2)) / N / np.sqrt(M)
    assert (norms < 1.01e-8).all()


def test_invariances():
    C = wisharts()
    matrices = dense(C)
    start = haar_orthogonal(1, M, rng=rng(7))
    found = joint_diagonalisation(matrices, starts=start)
    # The order and the signs of atoms of the start stay with the atoms.
    order, signs = rng(8).permutation(M), rng(9).choice([-1.0, 1.0], size=(M, 1))
    other = joint_diagonalisation(matrices, starts=signs * start[:, order])
    np.testing.assert_allclose(other.transforms, signs * found.transforms[:, order], atol=1e-6)
    # Powers of a frame in another unit, and another order of frames, change nothing but L's value.
    units = rng(10).gamma(1, 1, size=(N, 1, 1)) + 0.1
    scaled = joint_diagonalisation((units * matrices)[::-1], starts=start)
    np.testing.assert_allclose(scaled.transforms, found.transforms, atol=1e-6)
    assert scaled.losses - found.losses == pytest.approx(M * np.log(units).sum(), abs=1e-8)
    # A rotation of the channels rotates the transform.
    rotation = haar_orthogonal(1, M, rng=rng(11))[0]
    turned = joint_diagonalisation(rotation @ matrices @ rotation.T, starts=start @ rotation.T)
    np.testing.assert_allclose(turned.transforms @ rotation, found.transforms, atol=1e-6)


def test_starts_do_not_depend_on_each_other():
    C = wisharts()
    starts = haar_orthogonal(4, M, rng=rng(7))
    together = joint_diagonalisation(C, starts=starts)
    for index, start in enumerate(starts):
        alone = joint_diagonalisation(C, starts=start[None])
        np.testing.assert_allclose(alone.transforms[0], together.transforms[index], atol=1e-8)
        assert alone.n_steps[0] == together.n_steps[index]


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        (np.ones((3, 2, 4)), r"matrices must be square.*got \(3, 2, 4\).*of_frames"),
        (np.eye(3), r"matrices must have 3 axes, got shape \(3, 3\)"),
        (np.full((2, 2, 2), np.nan), r"matrices must be finite, got nan at index \(0, 0, 0\)"),
        ([[[1, 2], [0, 1]]], r"matrices\[0\] is not symmetric.*2.*\(C \+ C.T\) / 2"),
        ([np.diag([1, -2])], r"matrices\[0\] has -2 on its diagonal.*must be positive"),
        ([np.diag([1, 0])], r"matrices\[0\] has 0 on its diagonal.*eps above 0"),
        (np.zeros((0, 2, 2)), "matrices is empty"),
    ],
)
def test_matrices_that_are_refused(matrices, message):
    with pytest.raises(ValueError, match=message):
        joint_diagonalisation(matrices)


def test_frames_that_are_refused():
    with pytest.raises(ValueError, match="frames must have 3 axes"):
        FrameCovariances.of_frames(np.ones((2, 3)))
    silent = np.ones((1, 3, 4))
    silent[:, :, 2] = 0
    with pytest.raises(ValueError, match=r"frame 2 is zero in all realisations.*eps above 0"):
        FrameCovariances.of_frames(silent)
    with pytest.raises(ValueError, match="eps must be at least 0, got -1"):
        FrameCovariances.of_frames(silent, eps=-1)
    FrameCovariances.of_frames(silent, eps=1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"starts": np.eye(2)[None]}, r"starts must have shape \(n_starts, 6, 6\).*\(1, 2, 2\)"),
        ({"starts": 2 * np.eye(M)[None]}, r"starts\[0\] is not orthogonal.*by 3\..*polar"),
        ({"starts": np.full((1, M, M), np.inf)}, "starts must be finite, got inf"),
        ({"tol": 0}, "tol must be above 0, got 0"),
        ({"max_iter": -1}, "max_iter must be at least 0, got -1"),
        ({"n_halvings": 0}, "n_halvings must be at least 1, got 0"),
    ],
)
def test_options_that_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        joint_diagonalisation(commuting()[1], **options)


def test_a_single_transform_is_asked_for_as_a_set():
    with pytest.raises(ValueError, match="starts must have 3 axes"):
        check_transforms(np.eye(M), n_channels=M, name="starts")
