import numpy as np
import pytest

from common.dictionary.atoms import FullAtoms, RankOneAtoms, as_atoms

N_ATOMS, N_CHANNELS, N_TIMES_ATOM, N_TIMES = 3, 2, 7, 60


def draw(kind, rng, n_times_atom=N_TIMES_ATOM):
    if kind == "full":
        return FullAtoms(rng.standard_normal((N_ATOMS, N_CHANNELS, n_times_atom)))
    u = rng.standard_normal((N_ATOMS, N_CHANNELS))
    return RankOneAtoms(u, rng.standard_normal((N_ATOMS, n_times_atom)))


@pytest.fixture(params=["full", "rank one"])
def atoms(request, rng):
    return draw(request.param, rng)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_correlation_is_the_sum_where_atom_and_recording_overlap_whole(atoms, rng):
    X, D = rng.standard_normal((N_CHANNELS, N_TIMES)), atoms.full()
    found = atoms.correlate(X)
    expected = [
        [np.vdot(X[:, t : t + N_TIMES_ATOM], atom) for t in range(N_TIMES - N_TIMES_ATOM + 1)]
        for atom in D
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["full", "rank one"])
def test_long_atoms_are_correlated_by_transforms_with_the_same_result(kind, rng):
    atoms, X = draw(kind, rng, 150), rng.standard_normal((N_CHANNELS, 400))
    found = atoms.correlate(X)
    expected = [[np.vdot(X[:, t : t + 150], atom) for t in range(251)] for atom in atoms.full()]
    np.testing.assert_allclose(found, expected, atol=1e-11)  # sums of 300 products of order 1


def test_convolution_is_the_adjoint_of_correlation(atoms, rng):
    X = rng.standard_normal((N_CHANNELS, N_TIMES))
    z = rng.standard_normal((N_ATOMS, N_TIMES - N_TIMES_ATOM + 1))
    assert np.vdot(X, atoms.convolve(z)) == pytest.approx(np.vdot(atoms.correlate(X), z))


def test_overlaps_are_those_of_shifted_copies(atoms):
    overlaps, D = atoms.overlaps(), atoms.full()
    assert overlaps.shape == (N_ATOMS, N_ATOMS, 2 * N_TIMES_ATOM - 1)
    for k in range(N_ATOMS):
        for other in range(N_ATOMS):
            for distance in range(-N_TIMES_ATOM + 1, N_TIMES_ATOM):
                expected = sum(
                    np.dot(D[k, :, m + distance], D[other, :, m])
                    for m in range(N_TIMES_ATOM)
                    if 0 <= m + distance < N_TIMES_ATOM
                )
                found = overlaps[k, other, distance + N_TIMES_ATOM - 1]
                assert found == pytest.approx(expected, abs=1e-12)


def test_rank_one_and_full_atoms_agree(rng):
    atoms = draw("rank one", rng)
    full = FullAtoms(atoms.full())
    X = rng.standard_normal((N_CHANNELS, N_TIMES))
    z = rng.standard_normal((N_ATOMS, N_TIMES - N_TIMES_ATOM + 1))
    np.testing.assert_allclose(atoms.correlate(X), full.correlate(X), atol=1e-12)
    np.testing.assert_allclose(atoms.convolve(z), full.convolve(z), atol=1e-12)
    np.testing.assert_allclose(atoms.overlaps(), full.overlaps(), atol=1e-12)


def test_what_users_have_becomes_atoms(rng):
    u, v = rng.standard_normal((2, 3)), rng.standard_normal((2, 5))
    assert as_atoms((u, v)).full().shape == (2, 3, 5)
    assert as_atoms(v).full().shape == (2, 1, 5)
    np.testing.assert_array_equal(as_atoms(v).full()[:, 0], v)
    D = rng.standard_normal((2, 3, 5))
    np.testing.assert_array_equal(as_atoms(D).full(), D)
    made = FullAtoms(D)
    assert as_atoms(made) is made


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (([[1.0]], [[1.0]], [[1.0]]), r"must be \(u, v\), got 3 parts"),
        (np.zeros((1, 2, 5)), r"D\[0\] is zero throughout. Leave this atom out"),
        (np.full((1, 2, 5), np.nan), r"atoms must be finite, got nan"),
        (([[1.0], [2.0]], [[1.0, 2.0]]), r"length"),
    ],
)
def test_what_is_no_dictionary_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        as_atoms(value)
