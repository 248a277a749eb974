import numpy as np
import pytest

from common.dictionary.atoms import FullAtoms, RankOneAtoms
from common.dictionary.baselines import admm, lbfgs
from common.dictionary.sparse_coding import cost, lambda_max, sparse_code


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("solve", [admm, lbfgs])
def test_the_minimum_is_that_of_coordinate_descent(solve, full):
    rng = np.random.default_rng(0)
    atoms = RankOneAtoms(rng.standard_normal((2, 3)), rng.standard_normal((2, 10)))
    atoms = FullAtoms(atoms.full()) if full else atoms
    X = rng.standard_normal((3, 150))
    penalty = 0.2 * lambda_max(X, atoms)
    best = sparse_code(X, atoms, penalty, tol=1e-10)
    code = solve(X, atoms, penalty, max_iter=3000)
    assert (code.z >= 0).all()
    assert code.log["cost"][-1] == pytest.approx(best.log["cost"][-1], rel=1e-5)
    assert code.log["cost"][-1] == pytest.approx(cost(X, atoms, code.z, penalty), rel=1e-9)
    assert code.log["cost"][0] == pytest.approx(0.5 * (X**2).sum())
    assert (np.diff(code.log["operations"]) > 0).all()


@pytest.mark.parametrize("solve", [admm, lbfgs])
def test_bad_input_has_one_clear_error(solve):
    atoms = RankOneAtoms(np.ones((1, 2)), np.ones((1, 5)))
    with pytest.raises(ValueError, match=r"X must have 2 channel\(s\) and at least 5 samples"):
        solve(np.ones((3, 20)), atoms, 1.0)
    with pytest.raises(ValueError, match="penalty must be above 0, got 0"):
        solve(np.ones((2, 20)), atoms, 0)
    with pytest.raises(ValueError, match="max_iter must be at least 1, got 0"):
        solve(np.ones((2, 20)), atoms, 1.0, max_iter=0)
