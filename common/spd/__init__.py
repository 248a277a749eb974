"""Distances between distributions of symmetric positive definite matrices, and kernels of them.

Functions take arrays of numpy or tensors of torch and return the same. Importing this package
imports neither torch nor POT; they are imported by the functions that need them. What needs
scikit-learn is a module of its own: ``from common.spd import features``. So is joint
diagonalisation, `common.spd.joint_diagonalisation`.
"""

from common.spd.busemann import busemann_coordinates
from common.spd.directions import flag_directions, haar_orthogonal, spd_directions
from common.spd.distances import hspdsw, logsw, sliced_wasserstein, spdsw, sw
from common.spd.exact import aiw, les, lew
from common.spd.kernels import kernel_matrix, squared_distances
from common.spd.logarithm import (
    exp_matrices,
    exp_vectors,
    log_matrices,
    log_vectors,
    symmetric_matrices,
    symmetric_vectors,
)
from common.spd.projections import Projections, draw_projections
from common.spd.transport import wasserstein_1d

__all__ = [
    "Projections",
    "aiw",
    "busemann_coordinates",
    "draw_projections",
    "exp_matrices",
    "exp_vectors",
    "flag_directions",
    "haar_orthogonal",
    "hspdsw",
    "kernel_matrix",
    "les",
    "lew",
    "log_matrices",
    "log_vectors",
    "logsw",
    "sliced_wasserstein",
    "spd_directions",
    "spdsw",
    "squared_distances",
    "sw",
    "symmetric_matrices",
    "symmetric_vectors",
    "wasserstein_1d",
]
