r"""Rank-one convolutional dictionary learning of one continuous recording.

A recording :math:`X` of :math:`C` channels is modelled as

.. math:: X_c[t] = \sum_k u_k[c] \sum_s v_k[t - s]\, z_k[s] + \varepsilon_c[t], \qquad
          \|u_k\| = \|v_k\| = 1, \quad z_k \ge 0,

with topographies :math:`u_k`, waveforms :math:`v_k` and sparse activations :math:`z_k`: an atom
that starts at sample :math:`s` has :math:`z_k[s] > 0`. Minimised over all three is

.. math:: \tfrac12 \|X - \hat X\|^2 + \lambda \sum_k \|z_k\|_1 .

Atoms are learned on tapered windows of the recording (`common.dictionary.batch`); activations are
then computed once more (`common.dictionary.sparse_coding`), on
the recording as it is. Tapers never touch them: an event on the border of two windows counts in
full, and sample ``i`` of an activation is at ``i / sfreq`` s of the recording.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import oaconvolve
from scipy.signal.windows import tukey

from common import validation
from common.dictionary._checks import flag, squarable
from common.dictionary.batch import learn_atoms
from common.dictionary.sparse_coding import sparse_code

__all__ = ["Dictionary", "encode", "learn_dictionary", "reconstruct"]

_ALGORITHMS = {"greedy": "greedy", "batch": "chunk"}  # and how their atoms start
_TAPERED_ENDS = 0.1  # share of a window, both ends together
_TAPERED_ATOM = 0.5  # share of an atom


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Atoms of a recording and their activations.

    Attributes
    ----------
    u : ndarray, shape (n_atoms, n_channels)
        Topographies, of unit norm.
    v : ndarray, shape (n_atoms, n_times_atom)
        Waveforms, of unit norm; the largest deflection of each is positive.
    z : ndarray, shape (n_atoms, n_times - n_times_atom + 1)
        Activations, non-negative, in the unit of the recording. ``z[k, i]`` belongs to an atom
        that starts at ``i / sfreq`` s.
    loss : ndarray, shape (n_steps,)
        Objective on the tapered windows, relative to that of an empty dictionary: 1 at first, then
        two values an iteration (after the activations, after the atoms). It falls, except where an
        atom that is hardly used was replaced.
    sfreq : float
        Sampling frequency, in Hz.
    scale : float
        Standard deviation of the recording, over all channels, in its unit.
    penalty : float
        Weight of the activations in the objective, in the unit of the recording.
    """

    u: np.ndarray
    v: np.ndarray
    z: np.ndarray
    loss: np.ndarray
    sfreq: float
    scale: float
    penalty: float

    @property
    def peak_times(self):
        """Time from the start of each atom to its largest deflection, in s, shape (n_atoms,)."""
        return np.abs(self.v).argmax(axis=1) / self.sfreq


def learn_dictionary(
    X,
    *,
    sfreq,
    n_atoms,
    atom_length,
    reg=0.1,
    n_iter=100,
    tolerance=1e-4,
    tolerance_z=1e-2,
    n_splits=1,
    algorithm="greedy",
    taper_atoms=True,
    debias=True,
    rng=None,
):
    r"""Learn atoms and activations of one recording.

    Parameters
    ----------
    X : array_like, shape (n_channels, n_times) or (n_times,)
        One kind of sensor, in any unit (V, T, T/m): the atoms do not depend on it. High-passed and
        free of large artifacts, which would otherwise become the first atoms.
    sfreq : float
        Sampling frequency, in Hz.
    n_atoms : int
    atom_length : float
        In s; ``n_times_atom = round(atom_length * sfreq)``.
    reg : float, default=0.1
        Penalty as a fraction of the smallest one for which nothing is activated at the first
        iteration. It follows the largest waveform of the recording, hence its artifacts.
    n_iter : int, default=100
        Iterations at most. The greedy algorithm adds one atom in each of the first ``n_atoms``.
    tolerance : float, default=1e-4
        Stop when both halves of an iteration lower the objective by less than this, relatively.
    tolerance_z : float, default=0.01
        Smallest step of the sparse coding, in standard deviations of the recording; typical
        activations are ``n_times_atom ** 0.5`` deviations.
    n_splits : int, default=1
        Windows of equal length to learn on, each tapered over 5 % at both ends. Learning leaves
        out the last ``n_times % n_splits`` samples; the activations cover the whole recording.
    algorithm : {"greedy", "batch"}, default="greedy"
        Greedy: atoms start as the stretches that are explained worst so far; nothing is random.
        Batch: all atoms start as stretches drawn by ``rng``.
    taper_atoms : bool, default=True
        Waveforms vanish at both ends, smoothly, over a quarter of their length at each.
    debias : bool, default=True
        Recompute the non-zero activations without penalty, which shrinks them.
    rng : numpy.random.Generator or None, default=None
        Needed by the batch algorithm, and only there.

    Returns
    -------
    dictionary : Dictionary
        Atoms in the order of the variance they explain. With more atoms than waveforms, some may
        hardly be activated or not at all. Partial waveforms at the very start and end of the
        recording cannot be represented; activations there may be spurious.

    Raises
    ------
    TypeError
        If ``X`` or an option holds no numbers.
    ValueError
        If ``X`` has a value that is not finite, a channel that is flat or far from zero mean, or
        fewer samples in a window than an atom has; if an option is out of range; if ``reg`` leaves
        no activation.

    See Also
    --------
    encode : Activations of the learned atoms in another recording.

    References
    ----------
    .. [1] T. Dupré la Tour et al., "Multivariate Convolutional Sparse Coding for Electromagnetic
       Brain Signals", NeurIPS 2018, arXiv:1805.09654.
    """
    X = _recording(X)
    _check_options(
        n_atoms=n_atoms, reg=reg, n_iter=n_iter, n_splits=n_splits, algorithm=algorithm, rng=rng
    )
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    atom_length = validation.number(atom_length, "atom_length", above=0, unit="s")
    tolerance_z = validation.number(tolerance_z, "tolerance_z", above=0)
    taper_atoms, debias = flag(taper_atoms, "taper_atoms"), flag(debias, "debias")
    n_times_atom, n_times = round(atom_length * sfreq), X.shape[1] // n_splits
    if n_times_atom < 3:
        raise ValueError(
            f"atom_length={atom_length:g} s is {n_times_atom} sample(s) at {sfreq:g} Hz; an atom "
            "needs at least 3. Is atom_length in s and sfreq in Hz?"
        )
    if n_times <= n_times_atom:
        raise ValueError(
            f"an atom has {n_times_atom} samples ({atom_length:g} s at {sfreq:g} Hz) but a window "
            f"only {n_times}: {X.shape[1]} samples in n_splits={n_splits}. Use fewer windows, "
            "shorter atoms or a longer recording."
        )
    scale = float(X.std())
    windows = _tapered_windows(X, n_splits)
    learned = learn_atoms(
        windows,
        n_atoms=n_atoms,
        n_times_atom=n_times_atom,
        reg=reg,
        start=_ALGORITHMS[algorithm],
        taper=_TAPERED_ATOM if taper_atoms else 0,
        n_iter=n_iter,
        tol=tolerance_z * scale / windows.std(),
        eps=tolerance,
        rng=rng,
    )
    if not learned.z.any():
        raise ValueError(f"reg={reg:g} is too large: no atom is ever activated. Lower it.")
    u, v = _in_order(learned)
    penalty, loss = learned.penalty * learned.scale, learned.log["cost"]
    z = _encode(X, u, v, penalty, debias=debias, tol=tolerance_z * scale)
    return Dictionary(u, v, z, loss / loss[0], sfreq, scale, penalty)


def encode(X, dictionary, *, tolerance_z=1e-2, debias=True):
    """Activations of known atoms in another recording of the same sensors.

    Parameters
    ----------
    X : array_like, shape (n_channels, n_times)
        In the unit, at the sampling frequency and with the filters of the recording that the
        dictionary was learned from.
    dictionary : Dictionary
    tolerance_z, debias
        See `learn_dictionary`.

    Returns
    -------
    z : ndarray, shape (n_atoms, n_times - n_times_atom + 1)
        Non-negative, in the unit of ``X``.

    Raises
    ------
    TypeError
        If ``dictionary`` is none, or as `learn_dictionary`.
    ValueError
        If ``X`` is unfit (see `learn_dictionary`), has other channels or is shorter than an atom.
    """
    _check_dictionary(dictionary)
    X = _recording(X)
    (n_channels, n_times), n_times_atom = X.shape, dictionary.v.shape[1]
    if n_channels != dictionary.u.shape[1]:
        raise ValueError(
            f"X has {n_channels} channel(s), the dictionary {dictionary.u.shape[1]}. "
            "Pick the channels that it was learned from."
        )
    if n_times < n_times_atom:
        raise ValueError(f"X has {n_times} samples, fewer than the {n_times_atom} of an atom.")
    tol = validation.number(tolerance_z, "tolerance_z", above=0) * dictionary.scale
    debias = flag(debias, "debias")
    return _encode(X, dictionary.u, dictionary.v, dictionary.penalty, debias=debias, tol=tol)


def reconstruct(dictionary):
    """Sum of all activated atoms.

    Parameters
    ----------
    dictionary : Dictionary

    Returns
    -------
    X : ndarray, shape (n_channels, n_times)
        What the dictionary says of the recording, in its unit.

    Raises
    ------
    TypeError
        If ``dictionary`` is none.
    """
    _check_dictionary(dictionary)
    return dictionary.u.T @ oaconvolve(dictionary.z, dictionary.v, axes=1)


def _tapered_windows(X, n_splits):
    """Stretches of equal length, shape (n_splits, n_channels, n_times // n_splits)."""
    n_times = X.shape[1] // n_splits
    windows = X[:, : n_splits * n_times].reshape(len(X), n_splits, n_times).swapaxes(0, 1)
    return windows * tukey(n_times, _TAPERED_ENDS)


def _in_order(learned):
    """Topographies and waveforms by the variance they explain, the largest deflection positive."""
    u, v = learned.atoms.u, learned.atoms.v
    # |u| = 1, so the energy of an activated atom is that of its waveform.
    energy = [np.sum(oaconvolve(learned.z[:, k], v[k : k + 1], axes=1) ** 2) for k in range(len(v))]
    order = np.argsort(energy)[::-1]
    sign = np.sign(v[np.arange(len(v)), np.abs(v).argmax(axis=1)])[:, None]
    return (sign * u)[order], (sign * v)[order]


def _encode(X, u, v, penalty, *, debias, tol):
    z = sparse_code(X, (u, v), penalty, tol=tol).z
    if debias:
        z = sparse_code(X, (u, v), 0.0, tol=tol, start=z, support=z > 0).z
    return z


def _recording(X):
    X = np.array(validation.array(X, "X"), dtype=float, order="C", ndmin=2)
    if X.ndim != 2:
        raise ValueError(f"X must have shape (n_channels, n_times), got {X.shape}.")
    squarable(X, "X")
    mean, deviation = X.mean(axis=1), X.std(axis=1)
    flat = np.flatnonzero(deviation == 0)
    if len(flat):
        raise ValueError(f"channel {flat[0]} is flat, {mean[flat[0]]:g} throughout. Drop it.")
    shifted = np.flatnonzero(np.abs(mean) > deviation)
    if len(shifted):
        raise ValueError(
            f"channel {shifted[0]} has mean {mean[shifted[0]]:g} and standard deviation "
            f"{deviation[shifted[0]]:g}: the offset would be the largest waveform. High-pass X."
        )
    return X


def _check_dictionary(dictionary):
    if not isinstance(dictionary, Dictionary):
        raise TypeError(
            f"dictionary must be a Dictionary, as learn_dictionary gives it, got {dictionary!r}."
        )


def _check_options(*, n_atoms, reg, n_iter, n_splits, algorithm, rng):
    for value, name in ((n_atoms, "n_atoms"), (n_splits, "n_splits"), (n_iter, "n_iter")):
        validation.count(value, name)
    validation.number(reg, "reg", above=0, below=1)
    validation.choice(algorithm, _ALGORITHMS, "algorithm")
    if algorithm == "greedy" and n_iter < n_atoms:
        raise ValueError(
            f"the greedy algorithm adds an atom an iteration: n_iter={n_iter} is less than "
            f"n_atoms={n_atoms}. Raise n_iter."
        )
    if algorithm == "batch" and not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"the batch algorithm draws its first atoms: rng must be a numpy.random.Generator, "
            f"got {rng!r}."
        )
