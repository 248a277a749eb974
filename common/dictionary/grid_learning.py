r"""Atoms of recordings and images from activations that many workers hold: DiCoDiLe.

Activations and atoms minimise F of `common.dictionary.grids` by turns, with :math:`\|D_k\| \le 1`.
Workers find activations (`common.dictionary.distributed`), each of its own part, and keep them.
Atoms see them through two sums over places, to which every worker adds those of its own part:

.. math:: \phi_{kl}[d] = \sum_p z_k[p]\, z_l[p + d], \qquad
          \psi_{kc}[m] = \sum_p z_k[p]\, X_c[p + m] ,

so that :math:`F = \tfrac12 \|X\|^2 + \tfrac12 \langle D, \phi * D \rangle - \langle \psi, D \rangle
+ \lambda \|z\|_1`, which `common.dictionary.batch.minimise_quadratic` lowers in D. The pixels of an
atom are laid out in rows of 2 w - 1 for it, w of which are the atom's. The distance of two pixels
then has a number of its own, and :math:`\phi` as it stands, row after row, is the quadratic form.

An atom that is not used is replaced by the patch that is explained worst, which leaves F as it is.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal.windows import tukey

from common import validation
from common.dictionary._checks import norms
from common.dictionary._layout import Layout
from common.dictionary.batch import minimise_quadratic
from common.dictionary.distributed import Workers
from common.dictionary.grids import Problem, lambda_max

__all__ = ["GridLearned", "first_atoms", "improved_patterns", "learn_by_team", "learn_on_grid"]


@dataclass(frozen=True, eq=False)
class GridLearned:
    """Atoms of an image or a recording, and their activations.

    Attributes
    ----------
    D : ndarray, shape (n_atoms, n_channels, n_rows, n_columns) or (n_atoms, n_channels, n_times)
        Of unit norm.
    z : ndarray
        See `common.dictionary.distributed.DistributedCode`.
    penalty : float
        Lambda.
    log : dict of str to ndarray
        ``cost``: F at the start, then after the activations and after the atoms of each iteration;
        ``replaced``: of each iteration, the atom that was not used and replaced at its end, or -1;
        ``time``: of each iteration, what finding the activations took, as the workers count it.
    """

    D: np.ndarray
    z: np.ndarray
    penalty: float
    log: dict


def learn_on_grid(
    X,
    *,
    n_atoms,
    atom_shape,
    reg=0.1,
    taper=0.0,
    n_iter=50,
    tol=1e-3,
    eps=1e-5,
    nonnegative=True,
    start=None,
    rng=None,
    **workers,
):
    r"""Atoms and activations by turns, the activations by workers on a simulated clock.

    Parameters
    ----------
    X : array_like, shape (n_channels, n_times) or (n_channels, n_rows, n_columns)
        Any unit. ``atom_shape`` says which of both; one channel may come without the first axis.
    n_atoms : int
    atom_shape : tuple of int
        ``(n_times,)``, or rows and columns.
    reg : float, default=0.1
        Lambda as a share of the smallest one with which no first atom is active, below 1.
    taper : float, default=0
        Share of an atom, both ends together, over which it rises from 0 and falls (Tukey's window),
        in each direction; see `common.dictionary.batch`.
    n_iter : int, default=50
        At most so many pairs of steps.
    tol : float, default=1e-3
        Of the activations, in :math:`(1 - reg) \lambda_{max}`, as the authors have it.
    eps : float, default=1e-5
        Stop when both halves of an iteration lower F by less than this share of it.
    nonnegative : bool, default=True
    start : array_like, optional
        First atoms, shape (n_atoms, n_channels) and ``atom_shape``; by default patches.
    rng : numpy.random.Generator, optional
        Draws the patches; needed without a start.
    **workers
        ``workers``, ``strategy``, ``lock``, ``clock`` and ``limit`` of
        `common.dictionary.distributed.simulated_code`.

    Returns
    -------
    learned : GridLearned

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a number is out of range, shapes do not fit, or all of ``X`` is 0.

    Examples
    --------
    >>> X = np.zeros((40, 60))
    >>> X[5:8, 10:13] = X[20:23, 30:33] = X[30:33, 5:8] = X[12:15, 45:48] = np.eye(3)
    >>> options = {"n_atoms": 1, "atom_shape": (3, 3), "workers": (2, 2), "lock": "border"}
    >>> learned = learn_on_grid(X, start=np.tri(3)[None, None], **options)
    >>> learned.D[0, 0].round(2).diagonal().tolist()
    [0.58, 0.58, 0.58]
    """
    D = first_atoms(X, n_atoms, atom_shape, start=start, rng=rng)
    atoms = D[:, :, 0] if len(atom_shape) == 1 else D
    team = Workers(X, atoms, nonnegative=nonnegative, **workers)
    return learn_by_team(team, reg=reg, taper=taper, n_iter=n_iter, tol=tol, eps=eps)


def learn_by_team(team, *, reg=0.1, taper=0.0, n_iter=50, tol=1e-3, eps=1e-5):
    """Atoms and activations by turns, from a team that holds an image and the first atoms.

    Parameters
    ----------
    team : Workers
        Or another with ``problem``, ``nonnegative``, ``code``, ``sums`` and ``z``.
    reg, taper, n_iter, tol, eps
        See `learn_on_grid`.

    Returns
    -------
    learned : GridLearned

    Raises
    ------
    TypeError, ValueError
        As `learn_on_grid`.
    """
    reg = validation.number(reg, "reg", above=0, below=1)
    tol = validation.number(tol, "tol", above=0)
    eps = validation.number(eps, "eps", at_least=0)
    taper = validation.number(taper, "taper", at_least=0, at_most=1)
    n_iter = validation.count(n_iter, "n_iter")
    problem, half = team.problem, 0.5 * float(np.vdot(team.problem.X, team.problem.X))
    atoms = problem.D[:, :, 0] if problem.flat else problem.D
    X = problem.X[:, 0] if problem.flat else problem.X
    largest = lambda_max(X, atoms, nonnegative=team.nonnegative)
    if largest == 0:
        raise ValueError("X correlates with no first atom: is all of it 0? Choose another start.")
    penalty, step = reg * largest, tol * (1 - reg) * largest
    window = [tukey(size, taper) if taper else np.ones(size) for size in problem.D.shape[2:]]
    window[0] = np.ones(1) if problem.D.shape[2] == 1 else window[0]
    window = np.outer(*window)
    D, costs, replaced, times = problem.D, [half], [], []
    for _ in range(n_iter):
        times.append(team.code(penalty, D=D, tol=step).time)
        ztz, ztX, size, (_, worst) = team.sums()
        shown = np.einsum("kcij,kcij->", ztX, D)
        before = half + 0.5 * _quadratic(D, ztz) - shown + penalty * size
        moved, gain = improved_patterns(D, ztz, ztX, window=window)
        unused = np.flatnonzero(ztz[np.arange(len(D)), np.arange(len(D)), *_middle(ztz)] == 0)
        D = np.where(moved.any(axis=(1, 2, 3), keepdims=True), moved, D)
        norm = np.linalg.norm(worst * window)
        replace = len(unused) > 0 and norm > 0
        if replace:
            D[unused[0]] = worst * window / norm
        small = max(costs[-1] - before, gain) < eps * abs(before)
        costs += [before, before - gain]
        replaced.append(int(unused[0]) if replace else -1)
        if small and not replace:
            break
    sizes = np.sqrt((D**2).sum(axis=(1, 2, 3)))
    z = team.z * sizes.reshape(-1, *(1,) * (team.z.ndim - 1))
    D = D / sizes[:, None, None, None]
    log = {"cost": np.array(costs), "replaced": np.array(replaced), "time": np.array(times)}
    return GridLearned(D[:, :, 0] if problem.flat else D, z, penalty, log)


def first_atoms(X, n_atoms, atom_shape, *, start=None, rng=None):
    """Atoms to begin with, of unit norm.

    Parameters
    ----------
    X, n_atoms, atom_shape, start, rng
        See `learn_on_grid`.

    Returns
    -------
    D : ndarray, shape (n_atoms, n_channels, n_rows, n_columns)

    Raises
    ------
    TypeError, ValueError
        As `learn_on_grid`.
    """
    X = validation.array(X, "X").astype(float)
    if np.shape(atom_shape) not in ((1,), (2,)):
        raise ValueError(f"atom_shape must be (n_times,) or (rows, columns), got {atom_shape!r}.")
    shape = tuple(validation.count(size, "atom_shape") for size in atom_shape)
    X = X[None] if X.ndim == len(shape) else X
    if X.ndim != len(shape) + 1:
        raise ValueError(f"X must have {len(shape) + 1} axes for such atoms, got shape {X.shape}.")
    n_atoms = validation.count(n_atoms, "n_atoms")
    X = X[:, None] if len(shape) == 1 else X
    h, w = (1, *shape)[-2:]
    if start is not None:
        D = validation.array(start, "start").astype(float)
        wanted = (n_atoms, len(X), *shape)
        if D.shape != wanted:
            raise ValueError(f"start must have the shape {wanted}, got {D.shape}.")
        norms(D, "start")
        D = D.reshape(n_atoms, len(X), h, w)
    else:
        rng = validation.generator(rng)
        Problem.of(X, np.ones((1, len(X), h, w)))  # which checks that an atom fits
        D = np.zeros((n_atoms, len(X), h, w))
        for atom in D:
            row, column = (
                int(rng.integers(a - b + 1)) for a, b in zip(X.shape[1:], (h, w), strict=True)
            )
            patch = X[:, row : row + h, column : column + w]
            atom[:] = patch if patch.any() else rng.standard_normal(patch.shape)
    return D / np.sqrt((D**2).sum(axis=(1, 2, 3), keepdims=True))


def improved_patterns(D, ztz, ztX, *, window=None, max_iter=300, tol=1e-8):
    """Atoms of a lower cost, of norm 1 or less, for the activations that the sums hold.

    Parameters
    ----------
    D : ndarray, shape (n_atoms, n_channels, h, w)
    ztz : ndarray, shape (n_atoms, n_atoms, 2 h - 1, 2 w - 1)
    ztX : ndarray, shape (n_atoms, n_channels, h, w)
    window : ndarray, shape (h, w), optional
    max_iter, tol
        See `common.dictionary.batch.minimise_quadratic`.

    Returns
    -------
    D : ndarray, shape (n_atoms, n_channels, h, w)
    gain : float
        By how much F is lower.

    Raises
    ------
    TypeError, ValueError
        If a shape does not fit, or as `common.dictionary.batch.minimise_quadratic`.
    """
    D = validation.array(D, "D", ndim=4).astype(float)
    h, w = D.shape[2:]
    wanted = {"ztz": (len(D), len(D), 2 * h - 1, 2 * w - 1), "ztX": D.shape, "window": (h, w)}
    given = {"ztz": ztz, "ztX": ztX, "window": np.ones((h, w)) if window is None else window}
    for name, shape in wanted.items():
        if np.shape(given[name]) != shape:
            raise ValueError(
                f"{name} must have shape {shape} for D of shape {D.shape}, got "
                f"{np.shape(given[name])}."
            )
    ztz, ztX, window = map(np.asarray, given.values())
    layout = Layout((h, w), (h, 2 * w - 1))
    spread, linear, seen = (
        layout.spread(each.reshape(*each.shape[:2], h * w)) for each in (D, ztX, window[None, None])
    )
    quadratic = ztz.reshape(*ztz.shape[:2], -1)
    options = {"window": seen[0, 0], "max_iter": max_iter, "tol": tol}
    found, gain = minimise_quadratic(spread, quadratic, linear, **options)
    return layout.gathered(found).reshape(D.shape), gain


def _quadratic(D, ztz):
    """<D, phi * D>, from the overlaps of atoms."""
    overlaps = Problem(None, D, False).overlaps()
    return float(np.vdot(ztz, overlaps))


def _middle(ztz):
    return ztz.shape[2] // 2, ztz.shape[3] // 2
