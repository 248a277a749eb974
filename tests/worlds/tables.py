"""Made-up tables for the test of claims."""

import itertools

import pandas as pd


def rows(value, **levels):
    """A table with a row for each combination of levels, its last columns from ``value``."""
    combinations = [
        dict(zip(levels, row, strict=True)) for row in itertools.product(*levels.values())
    ]
    return pd.DataFrame([row | value(**row) for row in combinations])
