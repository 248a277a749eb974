"""Hawkes processes: kernels, discretised least-squares fit, simulation, goodness of fit."""

from .driven import DrivenProcess
from .estimator import HawkesEstimator
from .grid import bin_events, grid_intensity
from .histogram import fit_em, fit_least_squares
from .kernels import (
    Kernel,
    Kumaraswamy,
    RaisedCosine,
    TruncatedExponential,
    TruncatedGaussian,
)
from .likelihood import LikelihoodEstimator
from .process import KERNELS, Process
from .simulation import (
    mean_intensity,
    regular_stimuli,
    simulate,
    simulate_driven,
    simulate_responses,
)

__all__ = [
    "KERNELS",
    "DrivenProcess",
    "HawkesEstimator",
    "Kernel",
    "Kumaraswamy",
    "LikelihoodEstimator",
    "Process",
    "RaisedCosine",
    "TruncatedExponential",
    "TruncatedGaussian",
    "bin_events",
    "fit_em",
    "fit_least_squares",
    "grid_intensity",
    "mean_intensity",
    "regular_stimuli",
    "simulate",
    "simulate_driven",
    "simulate_responses",
]
