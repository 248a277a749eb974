r"""What locally greedy descent is compared with: two solvers that move all activations at once.

Both minimise the same F as `common.dictionary.sparse_coding`, with :math:`z \ge 0`.

`lbfgs` gives F and its gradient :math:`D^\top (D z - X) + \lambda` to L-BFGS-B, as Jas et al.
(*Learning the Morphology of Brain Signals Using Alpha-Stable Convolutional Sparse Coding*, NeurIPS
2017) do.

`admm` splits the data from the penalty [1]_: with a copy y of z and the scaled dual w,

.. math:: z \leftarrow \arg\min_z \tfrac12 \|X - D z\|^2 + \tfrac\rho2 \|z - y + w\|^2, \quad
          y \leftarrow \max(0, z + w - \lambda / \rho), \quad w \leftarrow w + z - y.

On the circle of T samples the first step is, at each frequency, a system of the K atoms,
:math:`(\hat D^H \hat D + \rho I)\, \hat z = \hat D^H \hat X + \rho\, (\hat y - \hat w)`. Setting
the last L - 1 samples of y to 0, where no atom may start, makes the circle a line again.

References
----------
.. [1] B. Wohlberg, "Efficient Algorithms for Convolutional Sparse Representations", IEEE
   Transactions on Image Processing 25, 2016.
"""

import time

import numpy as np
from scipy.optimize import minimize

from common import validation
from common.dictionary._checks import squarable
from common.dictionary.atoms import as_atoms
from common.dictionary.sparse_coding import SparseCode, cost

__all__ = ["admm", "lbfgs"]


def lbfgs(X, atoms, penalty, *, max_iter=100, memory=10):
    """Non-negative activations by L-BFGS-B, from none.

    Parameters
    ----------
    X : array_like, shape (n_channels, n_times)
    atoms, penalty
        See `common.dictionary.sparse_coding.sparse_code`.
    max_iter : int, default=100
    memory : int, default=10
        Steps that the curvature is estimated from.

    Returns
    -------
    code : SparseCode
        ``operations`` counts as for FISTA: the values that transforms of the length of a few atoms
        go through.

    Raises
    ------
    TypeError, ValueError
        If the atoms are none, channels differ, or a number is out of range.
    """
    X, atoms, penalty = _checked(X, atoms, penalty)
    max_iter = validation.count(max_iter, "max_iter")
    memory = validation.count(memory, "memory")
    shape = (atoms.n_atoms, X.shape[1] - atoms.n_times_atom + 1)
    n_transforms = 4 if hasattr(atoms, "u") else 2 + 2 * atoms.n_channels
    each = int(np.prod(shape) * (2 + n_transforms * np.log2(4 * atoms.n_times_atom)))
    evaluated = {"n": 0}

    def value_and_gradient(flat):
        z = flat.reshape(shape)
        residual = atoms.convolve(z) - X
        evaluated["n"] += 1
        found = 0.5 * np.vdot(residual, residual) + penalty * z.sum()
        return found, (atoms.correlate(residual) + penalty).ravel()

    rows = [(0, 0, 0.0, 0.5 * float(np.vdot(X, X)))]
    started = time.process_time()

    def log(intermediate_result):
        seconds = time.process_time() - started
        rows.append((len(rows), evaluated["n"] * each, seconds, float(intermediate_result.fun)))

    found = minimize(
        value_and_gradient, np.zeros(np.prod(shape)), jac=True, method="L-BFGS-B",
        bounds=[(0, None)] * int(np.prod(shape)), callback=log,
        options={"maxiter": max_iter, "maxcor": memory, "maxfun": 10 * max_iter},
    )  # fmt: skip
    return SparseCode(found.x.reshape(shape), bool(found.success), _table(rows))


def admm(X, atoms, penalty, *, rho=None, max_iter=100, log_every=5):
    """Non-negative activations by the alternating direction method of multipliers.

    Parameters
    ----------
    X : array_like, shape (n_channels, n_times)
    atoms, penalty
        See `common.dictionary.sparse_coding.sparse_code`.
    rho : float, optional
        Weight of the copy, above 0; by default ten times the penalty, for recordings of unit
        deviation.
    max_iter : int, default=100
    log_every : int, default=5
        Iterations from one entry of the log to the next. What the log costs is not in its times.

    Returns
    -------
    code : SparseCode
        ``z`` is the copy, which is sparse; ``converged`` is never claimed.

    Raises
    ------
    TypeError, ValueError
        If the atoms are none, channels differ, a number is out of range, or ``rho`` is so small
        that a system is singular.
    """
    X, atoms, penalty = _checked(X, atoms, penalty)
    rho = 10 * penalty if rho is None else rho
    rho = validation.number(rho, "rho", above=0)
    max_iter = validation.count(max_iter, "max_iter")
    log_every = validation.count(log_every, "log_every")
    n_times, n_valid = X.shape[1], X.shape[1] - atoms.n_times_atom + 1
    D = np.fft.rfft(atoms.full(), n_times)
    target = np.einsum("kcf,cf->fk", D.conj(), np.fft.rfft(X))
    matrices = np.einsum("kcf,lcf->fkl", D.conj(), D) + rho * np.eye(atoms.n_atoms)
    try:
        inverses = np.linalg.inv(matrices)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"rho={rho:g} is too small beside the atoms. Raise it.") from error
    y, w = np.zeros((2, atoms.n_atoms, n_times))
    each = int(atoms.n_atoms * n_times * (4 + 2 * np.log2(n_times) + atoms.n_atoms))
    rows, seconds = [(0, 0, 0.0, 0.5 * float(np.vdot(X, X)))], 0.0
    for iteration in range(1, max_iter + 1):
        started = time.process_time()
        wanted = target + rho * np.fft.rfft(y - w).T
        z = np.fft.irfft(np.einsum("fkl,fl->kf", inverses, wanted), n_times)
        w += z
        y = np.maximum(w - penalty / rho, 0)
        y[:, n_valid:] = 0
        w -= y
        seconds += time.process_time() - started
        if iteration % log_every == 0 or iteration == max_iter:
            value = cost(X, atoms, y[:, :n_valid], penalty)
            rows.append((iteration, iteration * each, seconds, value))
    return SparseCode(y[:, :n_valid].copy(), False, _table(rows))


def _checked(X, atoms, penalty):
    atoms = as_atoms(atoms)
    X = validation.array(X, "X", ndim=2).astype(float)
    if len(X) != atoms.n_channels or X.shape[1] < atoms.n_times_atom:
        raise ValueError(
            f"X must have {atoms.n_channels} channel(s) and at least {atoms.n_times_atom} samples, "
            f"as the atoms have, got shape {X.shape}."
        )
    squarable(X, "X")
    return X, atoms, validation.number(penalty, "penalty", above=0)


def _table(rows):
    names, columns = ("updates", "operations", "seconds", "cost"), zip(*rows, strict=True)
    return {name: np.array(each) for name, each in zip(names, columns, strict=True)}
