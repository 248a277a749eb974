"""Hawkes processes: kernels, discretised least-squares fit, simulation, goodness of fit."""

from common.hawkes.driven import DrivenProcess
from common.hawkes.estimator import HawkesEstimator
from common.hawkes.goodness import goodness_of_fit
from common.hawkes.grid import bin_events, grid_intensity
from common.hawkes.histogram import fit_em, fit_least_squares
from common.hawkes.inputs import as_arrays, process_names
from common.hawkes.kernels import (
    Kernel,
    Kumaraswamy,
    RaisedCosine,
    TruncatedExponential,
    TruncatedGaussian,
)
from common.hawkes.likelihood import LikelihoodEstimator
from common.hawkes.marked import MarkedHawkesEstimator
from common.hawkes.marks import simulate_marked
from common.hawkes.mixture import MixtureEstimator
from common.hawkes.process import KERNELS, Process
from common.hawkes.simulation import (
    mean_intensity,
    regular_stimuli,
    simulate,
    simulate_driven,
    simulate_responses,
)
from common.hawkes.space_time import SpaceTimeHawkes
from common.hawkes.space_time_kernels import IsotropicGaussian, PowerLaw
from common.hawkes.space_time_model import SpaceTimeModel

__all__ = [
    "KERNELS",
    "DrivenProcess",
    "HawkesEstimator",
    "IsotropicGaussian",
    "Kernel",
    "Kumaraswamy",
    "LikelihoodEstimator",
    "MarkedHawkesEstimator",
    "MixtureEstimator",
    "PowerLaw",
    "Process",
    "RaisedCosine",
    "SpaceTimeHawkes",
    "SpaceTimeModel",
    "TruncatedExponential",
    "TruncatedGaussian",
    "as_arrays",
    "bin_events",
    "fit_em",
    "fit_least_squares",
    "goodness_of_fit",
    "grid_intensity",
    "mean_intensity",
    "process_names",
    "regular_stimuli",
    "simulate",
    "simulate_driven",
    "simulate_marked",
    "simulate_responses",
]
