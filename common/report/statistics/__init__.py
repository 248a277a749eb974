"""Intervals, paired tests, effect sizes and their combination over data sets.

The unit of analysis is a row: one subject (or recording), with everything else, such as sessions,
folds and seeds, averaged before it comes here. Repeated values of one subject are not independent,
and no function here can know.
"""

from common.report.statistics.effects import effect_interval, effect_size, hedges
from common.report.statistics.intervals import (
    Interval,
    bootstrap_interval,
    crossed_interval,
    jackknife_interval,
    mean_interval,
    mean_of_intervals,
    median_interval,
    pair_mean_interval,
    proportion_interval,
    rank_correlation,
    ratio_values,
    slope_interval,
)
from common.report.statistics.tests import PairedTest, paired_test, stouffer

__all__ = [
    "Interval",
    "PairedTest",
    "bootstrap_interval",
    "crossed_interval",
    "effect_interval",
    "effect_size",
    "hedges",
    "jackknife_interval",
    "mean_interval",
    "mean_of_intervals",
    "median_interval",
    "pair_mean_interval",
    "paired_test",
    "proportion_interval",
    "rank_correlation",
    "ratio_values",
    "slope_interval",
    "stouffer",
]
