"""Made-up tables for the test of claims."""

import itertools

import pandas as pd

from common import files


def rows(value, **levels):
    """A table with a row for each combination of levels, its last columns from ``value``."""
    combinations = [
        dict(zip(levels, row, strict=True)) for row in itertools.product(*levels.values())
    ]
    return pd.DataFrame([row | value(**row) for row in combinations])


def contracts(paper, scale):
    """What each gathered table of a paper must hold: names to lists of contracts, for `rows`."""
    rules = files.resolve(f"papers/{paper}/rules.smk").read_text()
    above, defined, _ = rules.partition("\nTABLES = plan.tables()\n")
    if not defined:
        return {}
    names = {"config": {"scale": scale}}
    exec(above + defined, names)
    return {
        table: [group["contract"] for group in groups] for table, groups in names["TABLES"].items()
    }


def gathered(value, paper, scale, table, **more):
    """A table with all rows that the workflow gathers, and those of ``more`` levels."""
    parts = [rows(value, **contract, **more) for contract in contracts(paper, scale)[table]]
    return pd.concat(parts, ignore_index=True)
