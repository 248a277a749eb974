import numpy as np
import pytest

from common.dictionary import grids, sparse_coding
from common.dictionary.atoms import FullAtoms, RankOneAtoms
from common.dictionary.grids import Problem


def image_problem(seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((2, 14, 17)), rng.standard_normal((3, 2, 4, 5))


def test_correlation_overlaps_and_sum_are_those_of_their_definitions():
    X, D = image_problem()
    problem = Problem.of(X, D)
    windows = np.lib.stride_tricks.sliding_window_view(X, (4, 5), axis=(1, 2))
    expected = np.einsum("kcij,crsij->krs", D, windows)
    np.testing.assert_allclose(problem.correlation(), expected, atol=1e-12)
    assert problem.shape == expected.shape == (3, 11, 13) and problem.reach == (3, 4)
    for p in ((0, 0), (-3, 2), (3, -4), (1, 4)):
        for k in range(3):
            for l in range(3):
                total = sum(
                    (D[k, :, i + p[0], j + p[1]] * D[l, :, i, j]).sum()
                    for i in range(4)
                    for j in range(5)
                    if 0 <= i + p[0] < 4 and 0 <= j + p[1] < 5
                )
                assert problem.overlaps()[k, l, 3 + p[0], 4 + p[1]] == pytest.approx(total)


def test_reconstruction_is_the_adjoint_of_correlation():
    X, D = image_problem()
    z = np.random.default_rng(1).standard_normal(Problem.of(X, D).shape)
    product = np.vdot(grids.reconstruct(z, D), X)
    assert product == pytest.approx(np.vdot(z, Problem.of(X, D).correlation()), rel=1e-12)
    flat = FullAtoms(D[:, :, 0])
    np.testing.assert_allclose(grids.reconstruct(z[:, 0], flat), flat.convolve(z[:, 0]))


@pytest.mark.parametrize("nonnegative", [True, False])
def test_a_recording_is_an_image_of_one_row(nonnegative):
    rng = np.random.default_rng(2)
    X, D = rng.standard_normal((2, 50)), rng.standard_normal((3, 2, 6))
    z = rng.standard_normal((3, 45))
    flat = Problem.of(X, D)
    assert flat.flat and not Problem.of(X[:, None], D[:, :, None]).flat
    np.testing.assert_allclose(flat.correlation()[:, 0], FullAtoms(D).correlate(X))
    np.testing.assert_allclose(flat.overlaps()[:, :, 0], FullAtoms(D).overlaps(), atol=1e-12)
    for module in (grids, sparse_coding):
        assert module.cost(X, D, z, 0.3) == pytest.approx(
            grids.cost(X[:, None], D[:, :, None], z[:, None], 0.3), rel=1e-12
        )
        assert module.lambda_max(X, D, nonnegative=nonnegative) == pytest.approx(
            grids.lambda_max(X[:, None], D[:, :, None], nonnegative=nonnegative), rel=1e-12
        )


def test_atoms_come_in_every_form_of_recordings():
    rng = np.random.default_rng(3)
    X, u, v = rng.standard_normal((2, 40)), rng.standard_normal((3, 2)), rng.random((3, 5))
    full = np.einsum("kc,km->kcm", u, v)
    for atoms in ((u, v), RankOneAtoms(u, v), full, full.tolist()):
        problem = Problem.of(X, atoms)
        assert problem.flat
        np.testing.assert_allclose(problem.D[:, :, 0], full)
    assert Problem.of(X[0], v).X.shape == (1, 1, 40)


def test_no_penalty_is_needed_where_nothing_correlates():
    assert grids.lambda_max(-np.ones((1, 9)), np.ones((1, 1, 3))) == 0
    assert grids.lambda_max(-np.ones((1, 9)), np.ones((1, 1, 3)), nonnegative=False) == 3


@pytest.mark.parametrize(
    ("X", "atoms", "message"),
    [
        (np.zeros((2, 9)), np.ones((1, 3, 4)), "X has 2 channel"),
        (np.zeros((1, 9)), np.ones((1, 1, 10)), "an atom of 10 samples does not fit into X of 9"),
        (np.zeros((5, 9)), np.ones((1, 1, 6, 2)), "an atom of 6 × 2 pixels does not fit"),
        (np.zeros((1, 5, 9)), np.ones((1, 1, 4)), r"shape \(n_channels, n_times\)"),
        (np.zeros(9), np.ones((1, 1, 4, 2)), r"\(n_channels, n_rows, n_columns\)"),
        (np.zeros((5, 9)), np.zeros((1, 1, 2, 2)), "zero throughout"),
        (np.full((1, 9), np.nan), np.ones((1, 1, 4)), "X must be finite, got nan"),
    ],
)
def test_what_does_not_fit_is_refused(X, atoms, message):
    with pytest.raises(ValueError, match=message):
        Problem.of(X, atoms)


def test_activations_of_another_shape_are_refused():
    X, D = image_problem()
    with pytest.raises(ValueError, match=r"z must have the shape \(3, 11, 13\), got \(3, 2, 2\)"):
        grids.cost(X, D, np.zeros((3, 2, 2)), 0.1)
    with pytest.raises(ValueError):
        grids.reconstruct(np.zeros((2, 11, 13)), D)
    with pytest.raises(ValueError, match="penalty must be at least 0"):
        grids.cost(X, D, np.zeros((3, 11, 13)), -1)
