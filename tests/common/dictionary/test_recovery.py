import numpy as np
import pytest

from common.dictionary.recovery import match_atoms, recovery_score


@pytest.fixture
def true():
    atoms = np.random.default_rng(0).standard_normal((3, 2, 20))
    atoms[:, :, :5] = atoms[:, :, -5:] = 0  # room to shift
    return atoms


def test_order_sign_and_scale_do_not_matter(true):
    order, sign = [2, 0, 1], np.array([1.0, -1.0, 1.0])
    match = match_atoms((7 * sign[:, None, None] * true)[order], true)
    assert match.score == pytest.approx(0, abs=1e-12)
    assert [order[k] for k in match.order] == [0, 1, 2]
    np.testing.assert_array_equal(match.sign, sign)
    np.testing.assert_array_equal(match.shift, 0)


@pytest.mark.parametrize("shift", [-4, 3])
def test_a_shift_is_found_where_it_is_allowed(true, shift):
    late = np.roll(true, shift, axis=-1)
    match = match_atoms(late, true, max_shift=4)
    assert match.score == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(match.shift, shift)
    assert match_atoms(late, true).score > 0.5


def test_the_assignment_is_the_best_of_all():
    # Alone, the first true atom would take the atom that the second needs.
    found = np.array([[1.0, 0.0, 0.0], [0.9, 0.1, 0.4]])
    true = np.array([[0.95, 0.0, 0.1], [1.0, 0.0, 0.0]])
    match = match_atoms(found, true)
    unit = [atoms / np.linalg.norm(atoms, axis=1, keepdims=True) for atoms in (found, true)]
    losses = 1 - np.abs(unit[1] @ unit[0].T)
    assert match.score == pytest.approx(
        min(losses[0, 0] + losses[1, 1], losses[0, 1] + losses[1, 0])
    )


def test_orthogonal_atoms_have_the_largest_loss():
    match = match_atoms([[1.0, 0, 0, 0]], [[0, 0, 0, 1.0]])
    assert match.loss.tolist() == [1.0]


@pytest.mark.parametrize(
    ("found", "true", "max_shift", "message"),
    [
        ([[1.0, 2]], [[1.0, 2, 3]], 0, r"found \(1, 2\) and true \(1, 3\)"),
        ([[1.0, 2]], [[1.0, 2], [3, 4]], 0, "found has 1 atom"),
        ([[0.0, 0]], [[1.0, 2]], 0, r"found\[0\] is zero throughout"),
        ([[1.0, np.nan]], [[1.0, 2]], 0, "found"),
        ([1.0, 2], [[1.0, 2]], 0, r"found must have shape .* got \(2,\)"),
        ([[1.0, 2]], [[1.0, 2]], 2, "max_shift must be at least 0 and at most 1, got 2"),
    ],
)
def test_bad_input_has_one_clear_error(found, true, max_shift, message):
    with pytest.raises(ValueError, match=message):
        match_atoms(found, true, max_shift=max_shift)


def test_the_score_is_the_correlation_coefficient():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 40)) + 0.7
    shifts = [np.corrcoef(np.roll(a, d, axis=1).ravel(), b.ravel())[0, 1] for d in range(40)]
    assert recovery_score(a[None], b[None]) == pytest.approx(max(shifts))
    impulse = np.zeros((1, 1, 41))
    impulse[0, 0, 20] = 1  # whose shifts leave the other's values one by one
    other = rng.standard_normal((1, 1, 41))
    z = (other.max() - other.mean()) / other.std()
    expected = z / np.sqrt(40)  # of mean 1 / 41 and deviation sqrt(40) / 41
    assert recovery_score(impulse, other) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(2, 31), (1, 12, 10)])
def test_the_score_does_not_depend_on_order_scale_offset_or_shift(shape):
    rng = np.random.default_rng(1)
    true = np.zeros((3, *shape))
    inside = tuple(slice(n // 4, 3 * n // 4) for n in shape[1:])
    true[(slice(None), slice(None), *inside)] = rng.standard_normal(true[(..., *inside)].shape)
    assert recovery_score(true, true) == pytest.approx(1)
    others = rng.standard_normal((2, *shape))
    shifted = np.roll(3 * true[[2, 0, 1]], 2, axis=-1)
    assert recovery_score(np.concatenate([others, shifted]), true) == pytest.approx(1)
    assert recovery_score(true + 5, true) == pytest.approx(1)  # the mean is no part of it
    assert recovery_score(-true, true) < 0.9  # the sign is


def test_each_true_atom_has_a_found_one_of_its_own():
    rng = np.random.default_rng(2)
    true = rng.standard_normal((2, 1, 200))
    same_twice = np.concatenate([true[:1], true[:1]])
    assert recovery_score(same_twice, true) < 0.75  # one is found, the other by chance


@pytest.mark.parametrize(
    ("found", "true", "message"),
    [
        (np.ones((2, 5)), np.ones((2, 5)), r"found must have shape .* got \(2, 5\)"),
        (np.ones((2, 1, 5)), np.eye(5)[:2, None], r"found\[0\] has one value throughout"),
        (np.eye(5)[:2, None], np.eye(6)[:2, None], r"got found \(1, 5\) and true \(1, 6\)"),
        (np.eye(5)[:1, None], np.eye(5)[:2, None], r"found has 1 atom\(s\), fewer than the 2"),
    ],
)
def test_the_score_checks_its_atoms(found, true, message):
    with pytest.raises(ValueError, match=message):
        recovery_score(found, true)
