r"""Signals at rotated sensors, by spherical splines, for a whole batch at once.

The value at a direction r of the spline through the signals :math:`x_j` at the sensors' directions
:math:`r_j` is :math:`\sum_j c_j\, g(r \cdot r_j) + d`, with

.. math:: g(u) = \frac{1}{4 \pi} \sum_{n=1}^{50} \frac{2 n + 1}{n^4 (n + 1)^4}\, P_n(u), \qquad
          \begin{pmatrix} G + \alpha I & 1 \\ 1^\top & 0 \end{pmatrix}
          \begin{pmatrix} c \\ d \end{pmatrix} = \begin{pmatrix} x \\ 0 \end{pmatrix}, \quad
          G_{ij} = g(r_i \cdot r_j),

and :math:`P_n` the Legendre polynomials: it is linear in x, and the signals at sensors rotated by
:math:`\theta` are :math:`W(\theta)\, x`. The system does not depend on the angle and is solved
once; only the C x C values of g do.

With :math:`\alpha = 0` the spline passes through the signals and :math:`W(0)` is the identity. The
study, like braindecode and MNE, takes :math:`\alpha = 10^{-5}`. The spline then smooths:
:math:`W(0)` is not the identity, and the denser the sensors the more it loses. Rotating by
:math:`\theta` and then by :math:`-\theta` brings back the sensors, not the signals, whichever
:math:`\alpha`: a spline knows a field only at the sensors.

Directions are those of the standard 10-20 positions as seen from their origin, which lies 17 mm
from the centre of the sphere that fits them best; braindecode does the same.
"""

import functools

import mne
import numpy as np
import torch

from common import validation
from common.augmentation.per_example import PerExample, check_n_channels, uniform
from common.recordings.electrodes import electrode

__all__ = [
    "SensorsXRotation",
    "SensorsYRotation",
    "SensorsZRotation",
    "rotate",
    "spline_weights",
    "standard_names",
    "standard_positions",
]

_N_TERMS = 50
_AXES = "xyz"


class _SensorsRotation(PerExample):
    """Signals at sensors rotated by a random angle; see the module's text.

    Parameters
    ----------
    ch_names : sequence of str
        10-20 names, in the order of the channels of X.
    max_degrees : float
        The angle is uniform between ``-max_degrees`` and ``max_degrees``. 0 or more.
    regularization : float, default=1e-5
        Alpha of the spline.
    seed, probability
        See `PerExample`.
    """

    axis = None

    def __init__(self, *, ch_names, max_degrees, seed, probability=0.5, regularization=1e-5):
        super().__init__(seed=seed, probability=probability)
        self.max_degrees = validation.number(max_degrees, "max_degrees", at_least=0, unit="°")
        self.regularization = validation.number(regularization, "regularization", at_least=0)
        self.positions = standard_positions(ch_names)

    def augment(self, X, rngs):
        """Rotate every example; an error if X has another number of channels."""
        check_n_channels(X, len(self.positions))
        degrees = uniform(rngs, -self.max_degrees, self.max_degrees).numpy()
        rotated = rotate(self.positions, degrees, axis=self.axis)
        weights = spline_weights(self.positions, rotated, regularization=self.regularization)
        return torch.from_numpy(weights).to(X) @ X


class SensorsXRotation(_SensorsRotation):
    __doc__ = _SensorsRotation.__doc__.replace("angle;", "angle about x, to the right;")
    axis = "x"


class SensorsYRotation(_SensorsRotation):
    __doc__ = _SensorsRotation.__doc__.replace("angle;", "angle about y, to the front;")
    axis = "y"


class SensorsZRotation(_SensorsRotation):
    __doc__ = _SensorsRotation.__doc__.replace("angle;", "angle about z, upwards;")
    axis = "z"


def standard_positions(ch_names):
    """Positions of channels in the standard 10-20 montage of MNE.

    Parameters
    ----------
    ch_names : sequence of str

    Returns
    -------
    positions : ndarray, shape (n_channels, 3)
        In m; x to the right, y to the front, z upwards.

    Raises
    ------
    ValueError
        As in `standard_names`.
    """
    montage = _montage()
    return np.array([montage[name] for name in standard_names(ch_names)]).reshape(-1, 3)


def standard_names(ch_names):
    """Electrodes of channels, spelt as in the standard 10-20 montage of MNE.

    Parameters
    ----------
    ch_names : sequence of str
        In any spelling that `common.recordings.electrodes.electrode` knows.

    Returns
    -------
    names : list of str

    Raises
    ------
    ValueError
        If there is no name, or names are none of the montage's: without a place, left and right
        cannot be told. If two channels are the same electrode.
    """
    if isinstance(ch_names, str) or not np.iterable(ch_names) or not len(ch_names):
        raise ValueError(f"ch_names must be one name or more in a sequence, got {ch_names!r}.")
    names = [electrode(name) for name in ch_names]
    if lost := [i for i, name in enumerate(names) if name is None]:
        first = ch_names[lost[0]]
        others = ", ".join(repr(ch_names[i]) for i in lost[1:])
        raise ValueError(
            f"channel {lost[0]}, {first!r}, has no position in the standard 10-20 "
            f"montage.{validation.nearest(first, _montage())} Rename or leave out what is not an "
            "EEG channel"
            f"{f', here also {others}' if others else ''}."
        )
    seen = {}
    for i, name in enumerate(names):
        if name in seen:
            raise ValueError(
                f"channels {seen[name]} and {i} are both {name!r}: {ch_names[seen[name]]!r} and "
                f"{ch_names[i]!r}."
            )
        seen[name] = i
    return names


def rotate(positions, degrees, *, axis):
    """Rotate positions about an axis, counter-clockwise as seen from its end.

    Parameters
    ----------
    positions : ndarray, shape (n_channels, 3)
    degrees : array_like, shape (n_examples,)
    axis : {"x", "y", "z"}

    Returns
    -------
    positions : ndarray, shape (n_examples, n_channels, 3)

    Raises
    ------
    ValueError
        If a position or an angle is not finite, a position has other than three coordinates, or the
        axis is unknown.
    """
    validation.choice(axis, tuple(_AXES), "axis")
    positions = validation.array(positions, "positions", ndim=2)
    _check_coordinates(positions, "positions", 2)
    angles = np.radians(validation.vector(degrees, "degrees", unit="°", empty=True).astype(float))
    k = _AXES.index(axis)
    i, j = (k + 1) % 3, (k + 2) % 3
    rotations = np.zeros((len(angles), 3, 3))
    rotations[:, k, k] = 1
    rotations[:, i, i] = rotations[:, j, j] = np.cos(angles)
    rotations[:, j, i] = np.sin(angles)
    rotations[:, i, j] = -rotations[:, j, i]
    return positions @ rotations.transpose(0, 2, 1)


def spline_weights(positions, targets, *, regularization=1e-5):
    """Weights that take signals at sensors to signals at other directions.

    Parameters
    ----------
    positions : ndarray, shape (n_channels, 3)
        Only directions count, not distances.
    targets : ndarray, shape (n_examples, n_targets, 3)
    regularization : float, default=1e-5
        Alpha; with 0 the signals at ``positions`` are reproduced.

    Returns
    -------
    weights : ndarray, shape (n_examples, n_targets, n_channels)
        Each row sums to one: what is the same at all sensors stays.

    Raises
    ------
    ValueError
        If a position is not finite, has other than three coordinates, lies at the origin, or two
        sensors have one direction.

    References
    ----------
    .. [1] F. Perrin et al., "Spherical splines for scalp potential and current density mapping",
       Electroencephalography and Clinical Neurophysiology 72 (1989) 184-187.
    """
    regularization = validation.number(regularization, "regularization", at_least=0)
    positions = validation.array(positions, "positions")
    targets = validation.array(targets, "targets", empty=True)
    for name, vectors, ndim in (("positions", positions, 2), ("targets", targets, 3)):
        _check_coordinates(vectors, name, ndim)
        lengths = np.linalg.norm(vectors, axis=-1)
        validation.array(lengths, f"distances of {name} from the origin", above=0, empty=True)
    sources, targets = (
        vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
        for vectors in (positions, targets)
    )
    n = len(sources)
    # Equal directions make the system singular up to alpha: weights of opposite sign, and huge.
    alike = np.argwhere(np.triu(sources @ sources.T, 1) > 1 - 1e-9)
    if len(alike):
        i, j = alike[0]
        raise ValueError(
            f"sensors {i} and {j} share a position, {positions[i]}. Are they one "
            "electrode under two names, such as T3 and T7? Drop one."
        )
    system = np.ones((n + 1, n + 1))
    system[:n, :n] = _spline(sources @ sources.T) + regularization * np.eye(n)
    system[n, n] = 0
    solved = np.linalg.solve(system, np.eye(n + 1, n))
    return _spline(targets @ sources.T) @ solved[:n] + solved[n]


def _check_coordinates(vectors, name, ndim):
    if vectors.ndim != ndim or vectors.shape[-1] != 3:
        raise ValueError(
            f"{name} must have {ndim} axes, and three coordinates each, got shape {vectors.shape}."
        )


def _spline(cosines):
    orders = np.arange(1, _N_TERMS + 1)
    factors = (2 * orders + 1) / (4 * np.pi * (orders * (orders + 1.0)) ** 4)
    return np.polynomial.legendre.legval(cosines, np.r_[0, factors])


@functools.cache
def _montage():
    # The new name of MNE's "standard_1020".
    return mne.channels.make_standard_montage("colin27_1020").get_positions()["ch_pos"]
