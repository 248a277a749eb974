"""A process with known parameters: what is simulated, and how far an estimate is from it."""

from dataclasses import dataclass

import numpy as np

from common.hawkes.kernels import (
    Kernel,
    Kumaraswamy,
    RaisedCosine,
    TruncatedExponential,
    TruncatedGaussian,
    discretise,
)
from common.hawkes.simulation import simulate

__all__ = ["KERNELS", "Process"]

KERNELS = {
    "truncated-gaussian": TruncatedGaussian(),
    "raised-cosine": RaisedCosine(),
    "truncated-exponential": TruncatedExponential(),
    "kumaraswamy": Kumaraswamy(),
}
"""Kernels by the name that settings use."""


@dataclass(frozen=True)
class Process:
    """A linear Hawkes process with one family of kernels.

    Attributes
    ----------
    kernel : Kernel
    baseline : ndarray, shape (n_processes,)
        In Hz.
    adjacency : ndarray, shape (n_processes, n_processes)
        ``adjacency[i, j]`` is the mean number of events of i that one event of j triggers.
    parameters : ndarray, shape (n_parameters, n_processes, n_processes)
    length : float
        Support of the kernels, in s.
    """

    kernel: Kernel
    baseline: np.ndarray
    adjacency: np.ndarray
    parameters: np.ndarray
    length: float

    @classmethod
    def from_settings(cls, kernel, settings):
        """Process that ``paper.yaml`` describes.

        Parameters
        ----------
        kernel : str
            A name in `KERNELS`.
        settings : dict
            ``baseline``, ``adjacency``, ``parameters`` (a dict by name) and ``length``; numbers
            stand for a single process.

        Returns
        -------
        process : Process

        Raises
        ------
        ValueError
            If the kernel or a name of its parameters is unknown, or shapes do not fit.
        """
        if kernel not in KERNELS:
            raise ValueError(f"no kernel {kernel!r}; known are {', '.join(KERNELS)}.")
        family, given = KERNELS[kernel], settings["parameters"]
        if set(given) != set(family.names):
            raise ValueError(
                f"the parameters of {kernel} are {', '.join(family.names)}, got {', '.join(given)}."
            )
        baseline = np.atleast_1d(np.asarray(settings["baseline"], dtype=float))
        shape = (len(baseline), len(baseline))
        matrices = [settings["adjacency"], *(given[name] for name in family.names)]
        matrices = [np.atleast_2d(np.asarray(matrix, dtype=float)) for matrix in matrices]
        if wrong := [matrix.shape for matrix in matrices if matrix.shape != shape]:
            raise ValueError(
                f"adjacency and parameters must have shape {shape}, as baseline has "
                f"{len(baseline)} values; got {wrong[0]}."
            )
        return cls(family, baseline, matrices[0], np.stack(matrices[1:]), float(settings["length"]))

    def simulate(self, end_time, *, rng):
        """Events on ``[0, end_time]`` from an empty past; see `common.hawkes.simulation`.

        Parameters
        ----------
        end_time : float
            In s.
        rng : numpy.random.Generator

        Returns
        -------
        events : list of ndarray, each of shape (n_events_i,)
            In s, sorted.
        """
        return simulate(
            self.baseline,
            self.adjacency,
            self.kernel,
            self.parameters,
            length=self.length,
            end_time=end_time,
            rng=rng,
        )

    def grid_kernels(self, delta):
        """Kernels on the lags of a grid, shape (n_processes, n_processes, n_lags), in Hz.

        Parameters
        ----------
        delta : float
            Step of the grid, in s.

        Returns
        -------
        kernels : ndarray, shape (n_processes, n_processes, n_lags)
        """
        return self.adjacency[..., None] * discretise(
            self.kernel, self.parameters, length=self.length, delta=delta
        )

    def errors(self, estimator):
        r"""Estimated minus true parameters, with the weights of the FaDIn paper.

        The paper's raised cosine has the integral :math:`2 \sigma`, so its weight is the adjacency
        over :math:`2 \sigma`; the other kernels have weights equal to the adjacency.

        Parameters
        ----------
        estimator : HawkesEstimator
            Fitted, with the same family of kernels.

        Returns
        -------
        errors : dict of str to ndarray
            ``baseline`` (n_processes,), ``weight`` and each parameter (n_processes, n_processes).
        """
        found = np.stack([estimator.kernel_parameters_[name] for name in self.kernel.names])
        weight, true = estimator.adjacency_, self.adjacency
        if isinstance(self.kernel, RaisedCosine):
            sigma = self.kernel.names.index("sigma")
            weight, true = weight / (2 * found[sigma]), true / (2 * self.parameters[sigma])
        differences = dict(zip(self.kernel.names, found - self.parameters, strict=True))
        return {
            "baseline": estimator.baseline_ - self.baseline,
            "weight": weight - true,
            **differences,
        }
