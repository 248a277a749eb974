import numpy as np
import pytest

from common.dictionary.recovery import match_atoms


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
