"""Random projections of sets of matrices on lines, the step that all sliced distances share."""

from dataclasses import dataclass

import numpy as np

from common.spd._checks import as_array, check_stack
from common.spd.busemann import coordinates_of, with_inverses
from common.spd.directions import flag_directions, spd_directions
from common.spd.logarithm import log_vectors_of, symmetric_vectors

__all__ = ["SLICED_DISTANCES", "Projections", "draw_projections"]

SLICED_DISTANCES = ("spdsw", "logsw", "sw", "hspdsw")


@dataclass(frozen=True, eq=False)
class Projections:
    """Fixed directions of one sliced distance, to be used on any number of sets of matrices.

    Made by `draw_projections`.

    Parameters
    ----------
    distance : {"spdsw", "logsw", "sw", "hspdsw"}
    n_channels : int
        Size of the matrices.
    arrays : tuple of ndarray
        The directions: vectors for the linear projections, ``theta`` and ``P`` for ``"hspdsw"``.
    """

    distance: str
    n_channels: int
    arrays: tuple[np.ndarray, ...]

    def __len__(self):
        """Number of projections."""
        return len(self.arrays[0])

    def __getitem__(self, lines):
        """Some of the projections, given by a slice."""
        arrays = tuple(array[lines] for array in self.arrays)
        return Projections(self.distance, self.n_channels, arrays)

    def coordinates(self, matrices):
        """Coordinates of matrices on each line.

        Parameters
        ----------
        matrices : ndarray or Tensor, shape (n_matrices, n_channels, n_channels)

        Returns
        -------
        coordinates : ndarray or Tensor, shape (n_projections, n_matrices)
            In the order of the matrices.

        Raises
        ------
        ValueError
            If the matrices have another size, or are not symmetric positive definite ("sw": not
            symmetric).
        """
        _, matrices = check_stack(matrices, name="matrices", n_dims=3)
        if matrices.shape[-1] != self.n_channels:
            raise ValueError(
                f"the projections are for matrices of {self.n_channels} channels, got shape "
                f"{tuple(matrices.shape)}."
            )
        return self.project(self.embed(matrices, name="matrices"))

    def embed(self, matrices, *, name):
        """First step, the same for all directions: logarithms as vectors, or inverses ("hspdsw").

        The matrices are checked for being definite, and nothing else.

        Parameters
        ----------
        matrices : ndarray or Tensor, shape (n_matrices, n_channels, n_channels)
            Symmetric.
        name : str
            What the message calls them.

        Returns
        -------
        embedded : ndarray or Tensor, shape (n_matrices, ...)

        Raises
        ------
        ValueError
            If a matrix is not positive definite; ``"sw"`` does not need it.
        """
        if self.distance == "sw":
            return symmetric_vectors(matrices)
        if self.distance == "hspdsw":
            return with_inverses(matrices, name=name)
        return log_vectors_of(matrices, name=name)

    def project(self, embedded):
        """Second step: coordinates, shape (n_projections, n_matrices).

        Parameters
        ----------
        embedded : ndarray or Tensor, shape (n_matrices, ...)
            What `embed` gives.

        Returns
        -------
        coordinates : ndarray or Tensor, shape (n_projections, n_matrices)
        """
        if self.distance == "hspdsw":
            return coordinates_of(embedded, *self.arrays)
        return as_array(self.arrays[0], like=embedded) @ embedded.T


def draw_projections(distance, n_projections, n_channels, *, rng):
    r"""Draw the directions of a sliced distance.

    ============ ============================================= =====================================
    distance     coordinate of a matrix M                      direction
    ============ ============================================= =====================================
    ``"spdsw"``  :math:`\langle A, \log M \rangle_F`           kind ``"spd"`` of `spd_directions`
    ``"logsw"``  :math:`\langle A, \log M \rangle_F`           kind ``"log"`` of `spd_directions`
    ``"sw"``     :math:`\langle A, M \rangle_F`                kind ``"spd"`` of `spd_directions`
    ``"hspdsw"`` `common.spd.busemann.busemann_coordinates`    `flag_directions`
    ============ ============================================= =====================================

    Parameters
    ----------
    distance : {"spdsw", "logsw", "sw", "hspdsw"}
    n_projections, n_channels : int
    rng : numpy.random.Generator

    Returns
    -------
    projections : Projections

    Raises
    ------
    ValueError
        If the distance is unknown or a number is below 1.
    """
    if distance not in SLICED_DISTANCES:
        raise ValueError(f"distance must be one of {list(SLICED_DISTANCES)}, got {distance!r}.")
    if distance == "hspdsw":
        arrays = flag_directions(n_projections, n_channels, rng=rng)
    else:
        kind = "log" if distance == "logsw" else "spd"
        arrays = (spd_directions(n_projections, n_channels, rng=rng, kind=kind),)
    return Projections(distance, n_channels, arrays)
