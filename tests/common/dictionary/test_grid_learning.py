import numpy as np
import pytest

from common.dictionary import grids
from common.dictionary.batch import learn_atoms
from common.dictionary.distributed import Workers
from common.dictionary.grid_learning import first_atoms, improved_patterns, learn_on_grid
from common.dictionary.letters import letter_images, text_page
from common.dictionary.recovery import recovery_score

PAGE = {"n_atoms": 3, "atom_shape": (9, 8), "reg": 0.2, "n_iter": 6}


def page(sigma=0.1):
    letters = letter_images("abc", shape=(9, 8))
    options = {"frequency": 1 / 3, "shape": (60, 70), "sigma": sigma}
    return text_page(letters[:2], letters[2], rng=np.random.default_rng(0), **options)[0]


@pytest.mark.parametrize("workers", [1, (2, 2)])
def test_costs_fall_and_end_at_that_of_the_residual(workers):
    X = page()
    learned = learn_on_grid(X, rng=np.random.default_rng(1), workers=workers, lock="border", **PAGE)
    cost = learned.log["cost"]
    assert len(cost) == 2 * len(learned.log["time"]) + 1 and cost[0] == pytest.approx(
        (X**2).sum() / 2
    )
    assert (np.diff(cost) <= 1e-9 * cost[0]).all()
    np.testing.assert_allclose((learned.D**2).sum(axis=(1, 2, 3)), 1)
    assert (learned.z >= 0).all()
    # Atoms of unit norm need less of the penalty than those of the last step.
    final = grids.cost(X, learned.D, learned.z, learned.penalty)
    assert final == pytest.approx(cost[-1], rel=1e-3) and final <= cost[-1] * (1 + 1e-3)


def test_workers_learn_what_one_does():
    X, options = page(), PAGE | {"tol": 1e-7, "n_iter": 3}
    one, four = (
        learn_on_grid(X, rng=np.random.default_rng(1), workers=w, lock="border", **options)
        for w in (1, (2, 2))
    )
    np.testing.assert_allclose(four.log["cost"], one.log["cost"], rtol=1e-6)


def test_letters_without_noise_are_recovered_from_themselves():
    letters = letter_images("abc", shape=(9, 8))[:, None]
    noisy = letters + 0.2 * np.random.default_rng(2).standard_normal(letters.shape)
    learned = learn_on_grid(page(0), start=noisy, **PAGE)
    assert recovery_score(learned.D, letters) > 0.98 > recovery_score(noisy, letters)


def test_a_step_of_atoms_of_a_recording_is_that_of_batch_learning():
    rng = np.random.default_rng(3)
    X, D = rng.standard_normal((2, 150)), rng.standard_normal((2, 2, 12))
    D /= np.sqrt((D**2).sum(axis=(1, 2), keepdims=True))
    options = {"n_atoms": 2, "reg": 0.1, "n_iter": 1}
    ours = learn_on_grid(X, atom_shape=(12,), start=D, tol=1e-9, workers=3, **options)
    batch = learn_atoms(X, n_times_atom=12, start=D, rank_one=False, tol=1e-9, **options)
    assert ours.D.shape == (2, 2, 12) and ours.z.shape == (2, 139)
    np.testing.assert_allclose(ours.D, batch.atoms.D, atol=1e-4)
    assert ours.penalty == pytest.approx(batch.penalty * batch.scale, rel=1e-9)


def test_atoms_for_given_activations_are_least_squares_where_they_are_small():
    rng = np.random.default_rng(4)
    D = rng.standard_normal((2, 1, 3, 4))
    D *= 0.5 / np.sqrt((D**2).sum(axis=(1, 2, 3), keepdims=True))
    z = np.where(rng.random((2, 20, 20)) < 0.1, rng.random((2, 20, 20)), 0)
    X = grids.reconstruct(z, D)[0]
    team = Workers(X, np.ones((2, 1, 3, 4)), start=z, workers=(2, 3))
    for part in team.parts:
        part.D = np.ones((2, 1, 3, 4))
    ztz, ztX, _, _ = team.sums()
    found, gain = improved_patterns(np.full(D.shape, 0.1), ztz, ztX, tol=1e-14, max_iter=5000)
    np.testing.assert_allclose(found, D, atol=1e-5)
    before = X - grids.reconstruct(z, np.full(D.shape, 0.1))[0]
    assert gain == pytest.approx(0.5 * (before**2).sum(), rel=1e-6)
    window = np.outer([0, 1, 0.5], np.ones(4))
    tapered, _ = improved_patterns(np.full(D.shape, 0.1), ztz, ztX, window=window)
    assert not tapered[:, :, 0].any() and tapered[:, :, 1:].any()


def test_an_atom_that_is_not_used_is_replaced_by_what_is_explained_worst():
    X = np.zeros((30, 30))
    X[5:8, 5:8] = X[20:23, 18:21] = np.eye(3)
    X[12:15, 12:15] = 2 * np.eye(3)[::-1]
    start = np.stack([np.eye(3), -np.ones((3, 3))])[:, None]
    learned = learn_on_grid(X, n_atoms=2, atom_shape=(3, 3), start=start, n_iter=3, reg=0.5)
    assert learned.log["replaced"][0] == 1 and (learned.log["replaced"][1:] == -1).all()
    assert recovery_score(learned.D, np.stack([np.eye(3), np.eye(3)[::-1]])[:, None]) > 0.99
    assert (np.diff(learned.log["cost"]) <= 0).all()


def test_tapered_atoms_vanish_at_their_ends():
    learned = learn_on_grid(page(), rng=np.random.default_rng(1), taper=0.5, **PAGE)
    border = np.ones((9, 8), dtype=bool)
    border[1:-1, 1:-1] = False
    assert not learned.D[:, 0, border].any()


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"atom_shape": (2, 2, 2)}, ValueError, r"\(n_times,\) or \(rows, columns\)"),
        ({"atom_shape": (61, 2)}, ValueError, "does not fit"),
        ({"n_atoms": 0}, ValueError, "n_atoms must be at least 1"),
        ({"reg": 1}, ValueError, "reg must be above 0 and below 1"),
        ({"tol": 0}, ValueError, "tol must be above 0"),
        ({"eps": -1}, ValueError, "eps must be at least 0"),
        ({"taper": 2}, ValueError, "taper must be at least 0 and at most 1"),
        ({"n_iter": 0}, ValueError, "n_iter must be at least 1"),
        ({"rng": None}, TypeError, "rng"),
        ({"start": np.ones((2, 1, 9, 8))}, ValueError, r"start must have the shape \(3, 1, 9, 8\)"),
        ({"start": np.zeros((3, 1, 9, 8))}, ValueError, r"start\[0\] is zero throughout"),
        ({"X": np.zeros((60, 70))}, ValueError, "X correlates with no first atom"),
        ({"X": np.zeros((2, 2, 60, 70))}, ValueError, "X must have 3 axes"),
    ],
)
def test_bad_input_is_refused(changed, error, message):
    given = {"X": page(), "rng": np.random.default_rng(0)} | PAGE | changed
    with pytest.raises(error, match=message):
        learn_on_grid(**given)


def test_first_atoms_are_patches_of_unit_norm():
    X = page()
    D = first_atoms(X, 4, (9, 8), rng=np.random.default_rng(0))
    windows = np.lib.stride_tricks.sliding_window_view(X, (9, 8)).reshape(-1, 72)
    windows = windows / np.linalg.norm(windows, axis=1, keepdims=True)
    np.testing.assert_allclose((windows @ D.reshape(4, -1).T).max(axis=0), 1)
    assert first_atoms(X[0], 2, (5,), rng=np.random.default_rng(0)).shape == (2, 1, 1, 5)
