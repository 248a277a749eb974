"""Where observations that share parameters come from: a simulator, or a pool of simulations.

Both have a method ``draw``, which gives what networks are trained on: parameters from the prior, an
observation, and extra ones with the same shared parameters and other local ones from the prior.
"""

from typing import NamedTuple

import numpy as np

from common import validation

__all__ = ["Draw", "GainPool", "Hierarchy"]


class Draw(NamedTuple):
    """Simulated sets of observations.

    Attributes
    ----------
    theta : ndarray, shape (n, n_parameters)
        Of the observation of interest.
    x : ndarray, shape (n, n_features)
        The observation of interest.
    extra : ndarray, shape (n, n_extra, n_features)
        The others.
    """

    theta: np.ndarray
    x: np.ndarray
    extra: np.ndarray


class Hierarchy:
    """Observations of a simulator that is called for each of them.

    Parameters
    ----------
    simulator : callable
        ``simulator(theta, rng) -> ndarray, shape (n, n_features)`` for ``theta`` of shape ``(n,
        n_parameters)``. Its attribute ``domain``, if it has one, says where it is defined, see
        `BoxPrior.check_within`.
    prior : BoxPrior
    shared : sequence of str
        Parameters that extra observations share.

    Raises
    ------
    ValueError
        If the prior has no such parameter, or reaches outside of the domain.
    """

    def __init__(self, simulator, prior, shared):
        if hasattr(simulator, "domain"):
            prior.check_within(simulator.domain)
        self.simulator, self.prior = simulator, prior
        self.is_shared = np.isin(prior.names, prior.only(shared).names)

    def draw(self, n, n_extra, rng):
        """Sets of observations, all simulated.

        Parameters
        ----------
        n, n_extra : int
        rng : numpy.random.Generator

        Returns
        -------
        draw : Draw

        Raises
        ------
        TypeError, ValueError
            If a number is out of range, ``rng`` is no generator, or the simulator does not give a
            real array of two axes, one row for each set of parameters.
        """
        n, n_extra = validation.count(n, "n"), validation.count(n_extra, "n_extra", at_least=0)
        theta = self.prior.sample(n * (n_extra + 1), rng).reshape(n, n_extra + 1, -1)
        theta[:, 1:, self.is_shared] = theta[:, :1, self.is_shared]
        x = _real(self.simulator(theta.reshape(n * (n_extra + 1), -1), rng), "what simulator gives")
        if x.ndim != 2 or len(x) != n * (n_extra + 1):
            raise ValueError(
                f"the simulator must give an array of shape ({n * (n_extra + 1)}, n_features) for "
                f"as many sets of parameters, got {x.shape}."
            )
        x = x.reshape(n, n_extra + 1, -1)
        return Draw(theta[:, 0], x[:, 0], x[:, 1:])


class GainPool:
    """Log spectra of signals without a gain, from which those with any gain follow.

    A gain of g dB on the amplitude adds g / 5 to the logarithm of the power, so that a pool of
    simulations gives every observation and all extra ones. They are drawn with replacement.

    Parameters
    ----------
    theta : array_like, shape (n_simulations, n_local)
        Parameters of each simulation.
    spectra : array_like, shape (n_simulations, n_features)
        log10 of power. Simulations that are not finite are left out and counted.
    prior : BoxPrior
        Of the local parameters, in the order of ``theta``, and of the gain in dB, which is last.

    Attributes
    ----------
    n_invalid : int
        Simulations that were left out.

    Raises
    ------
    TypeError, ValueError
        If spectra hold no real numbers or have other than two axes, lengths differ, there are not
        as many parameters as the prior has besides the gain, a parameter lies outside of its prior,
        or no simulation is finite.
    """

    def __init__(self, theta, spectra, prior):
        theta = validation.array(theta, "theta", ndim=2)
        spectra = _real(spectra, "spectra")
        if spectra.ndim != 2:
            raise ValueError(
                f"spectra must have shape (n_simulations, n_features), got {spectra.shape}."
            )
        validation.same_length(theta=theta, spectra=spectra)
        if theta.shape[1] != len(prior) - 1:
            raise ValueError(
                f"theta must have one column for each of {', '.join(prior.names[:-1])}, and none "
                f"for the gain, {prior.names[-1]}; got shape {theta.shape}."
            )
        prior.only(prior.names[:-1]).to_normal(theta)
        valid = np.isfinite(spectra).all(axis=1)
        self.n_invalid = int((~valid).sum())
        if not valid.any():
            raise ValueError(f"none of the {len(valid)} simulations of the pool is finite.")
        self.theta, self.spectra, self.prior = theta[valid], spectra[valid], prior

    def draw(self, n, n_extra, rng):
        """Sets of observations, of which each set has one gain.

        Parameters
        ----------
        n, n_extra : int
        rng : numpy.random.Generator

        Returns
        -------
        draw : Draw

        Raises
        ------
        TypeError, ValueError
            If a number is out of range, or ``rng`` is no generator.
        """
        n, n_extra = validation.count(n, "n"), validation.count(n_extra, "n_extra", at_least=0)
        gain = self.prior.only(self.prior.names[-1:]).sample(n, rng)
        rows = rng.integers(len(self.theta), size=(n, n_extra + 1))
        spectra = self.spectra[rows] + gain[:, :, None] / 5
        theta = np.concatenate([self.theta[rows[:, 0]], gain], axis=1)
        return Draw(theta, spectra[:, 0], spectra[:, 1:])


def _real(values, name):
    """An array of real numbers, which may be NaN or infinite."""
    if np.ma.is_masked(values):
        raise ValueError(f"{name} is a masked array. Put NaN where a value is missing.")
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got {values.dtype}.")
    return values.astype(float, copy=False)
