"""Meta-analysis of pipelines over data sets.

A row of the analysis is a subject, with the scores of its sessions averaged. Each data set tests
each ordered pair of pipelines by itself; the tests, and the effects, are then combined with weights
that grow with the root of the number of subjects: a data set of a hundred people does not drown
ten of ten.

One-sided tests of "a is better than b": with up to 13 subjects the exact sign-flip test, with 14 to
19 the same test over 10,000 random patterns, with more Wilcoxon's signed-rank test. Two rules make
every value defined. Where all differences are zero p is 1/2: there is no evidence for either side.
And p = 1, of which z is infinite, counts as the mirror image of the smallest p value of that
test (`common.report.statistics.stouffer`).

A pair of pipelines is compared within a session: sessions of a subject that only one of the two has
are left out of that pair, and counted. Data sets with fewer than two subjects in common are left
out: no deviation can be taken. An effect is infinite where all differences of a data set are equal;
no combined effect holds it, whereas its p value enters the combined test.
"""

import itertools
import re

import numpy as np
import pandas as pd
from scipy.special import ndtri

from common import validation
from common.report import statistics

__all__ = ["EXACT_UP_TO", "RANDOM_UP_TO", "by_dataset", "forest", "pairwise"]

EXACT_UP_TO = 13
"""Most subjects whose sign patterns are all visited."""

RANDOM_UP_TO = 19
"""Most subjects whose sign patterns are drawn."""

_NEEDED = ("dataset", "subject", "session", "pipeline", "score")
_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*")
_FEWEST = 2
_FEWEST_COMBINED = 4  # with three subjects the variance of an effect is infinite


def _checked(table):
    if missing := [name for name in _NEEDED if name not in table]:
        raise ValueError(f"the table lacks the columns {', '.join(missing)}.")
    for key in ("paradigm", *_NEEDED[:-1]):
        if key in table and (lost := table[key].isna().to_numpy()).any():
            raise ValueError(
                f"row {np.flatnonzero(lost)[0]} of the table has no {key}, one of {lost.sum()} "
                "such rows: it would be left out. Fill it in, or drop these rows."
            )
    if "paradigm" in table and table["paradigm"].nunique() > 1:
        raise ValueError(
            f"the table has the paradigms {', '.join(table['paradigm'].unique())}, whose subjects "
            "are partly the same; analyse one at a time."
        )
    bad = table[~np.isfinite(table["score"].to_numpy(dtype=float))]
    if len(bad):
        row = bad.iloc[0]
        raise ValueError(
            f"the score of {row['pipeline']} on {row['dataset']}, subject {row['subject']}, "
            f"session {row['session']} is {row['score']}. Evaluate it again."
        )
    keys = list(_NEEDED[:-1])
    if table.duplicated(keys).any():
        row = table[table.duplicated(keys)].iloc[0]
        raise ValueError(
            f"{', '.join(f'{key} {row[key]}' for key in keys)} is there more than once."
        )
    for dataset, one in table.groupby("dataset", sort=False):
        for key in ("subject", "session"):
            spellings = {}
            for name in one[key].unique():
                if (other := spellings.setdefault(_meant(name), name)) != name:
                    raise ValueError(
                        f"a {key} of {dataset} is called both {other!r} and {name!r}: it would "
                        f"count twice, or be left out. Write all of the column {key!r} as text of "
                        "one form, or all as numbers."
                    )
    return table


def _meant(name):
    """What a name stands for: "01" and 1.0 are the number 1."""
    text = str(name)
    return float(text) if _NUMBER.fullmatch(text) else text


def by_dataset(table, *, rng, pipelines=None):
    """Tests of all ordered pairs of pipelines on each data set.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``dataset``, ``subject``, ``session``, ``pipeline``, ``score``, of one paradigm.
    rng : numpy.random.Generator
        For 14 to 19 subjects. One number is drawn, and all tests of that many subjects use the same
        patterns: they do not depend on which pipelines and data sets there are, nor on their order.
    pipelines : sequence of str, optional
        Default: all of the table.

    Returns
    -------
    tests : pandas.DataFrame
        Columns ``dataset``, ``a``, ``b``, ``n`` (subjects with both in one session), ``dropped``
        (sessions of a subject with one of them only), ``difference`` (mean of a - b), ``smd`` (mean
        over deviation of the differences, `common.report.statistics.effect_size`), ``p``
        (one-sided: a is better) and ``method``.

    Raises
    ------
    ValueError
        If a column is missing, a score is not finite, a row lacks a name or is there twice, a
        subject or session of a data set is called both 1 and "1" or "01", or there are several
        paradigms: a subject would count more than once, or not at all. And if a pipeline is not in
        the table or named twice, or no data set has a pair.
    """
    known = list(_checked(table)["pipeline"].drop_duplicates())
    pipelines = list(pipelines) if pipelines is not None else known
    if unknown := [name for name in pipelines if name not in known]:
        raise ValueError(f"the table has no pipeline {unknown[0]!r}; it has {known}.")
    if len(set(pipelines)) < len(pipelines):
        raise ValueError(f"a pair is of two pipelines, got one of them twice: {pipelines}.")
    patterns, rows = int(validation.generator(rng).integers(2**63)), []
    for dataset, one in table.groupby("dataset", sort=False):
        wide = one.pivot(index=["subject", "session"], columns="pipeline", values="score")
        wide = wide.reindex(columns=pipelines)
        for a, b in itertools.permutations(pipelines, 2):
            both = _same_sessions(wide, a, b)
            if len(both) >= _FEWEST:
                some, all_ = (wide[[a, b]].notna().T.agg(how).sum() for how in ("any", "all"))
                dropped = int(some - all_)
                test = _tested(both[a].to_numpy(), both[b].to_numpy(), patterns)
                rows.append({"dataset": dataset, "a": a, "b": b, "dropped": dropped} | test)
    if not rows:
        raise ValueError(
            f"no data set has {_FEWEST} subjects with two of the pipelines {', '.join(pipelines)}."
        )
    columns = ["dataset", "a", "b", "n", "dropped", "difference", "smd", "p", "method"]
    return pd.DataFrame(rows)[columns]


def pairwise(table, *, rng, pipelines=None):
    r"""Combine the tests of each ordered pair over data sets.

    .. math:: z = \frac{\sum_k \sqrt{n_k}\, z_k}{\sqrt{\sum_k n_k}}, \qquad
              \mathrm{SMD} = \sum_k w_k\, \mathrm{SMD}_k, \quad
              w_k = \frac{\sqrt{n_k}}{\sum_l \sqrt{n_l}}

    Parameters
    ----------
    table, rng, pipelines :
        As in `by_dataset`.

    Returns
    -------
    pairs : pandas.DataFrame
        Columns ``a``, ``b``, ``n_datasets``, ``n_subjects``, ``smd`` (NaN where no data set has a
        finite effect), ``p`` (one-sided: a is better), ``concordant``: effect and test point the
        same way. Where they do not, neither says much; and ``dropped``, as in `by_dataset`.

    See Also
    --------
    forest : One pair, data set by data set.

    References
    ----------
    .. [1] S. Chevallier et al., 2024, arXiv:2404.15319.
    """
    tests, rows = by_dataset(table, rng=rng, pipelines=pipelines), []
    for (a, b), one in tests.groupby(["a", "b"], sort=False):
        smd = _combined(one["smd"].to_numpy(), one["n"].to_numpy())
        p = statistics.stouffer(one["p"], one["n"])
        counts = {"n_datasets": len(one), "n_subjects": int(one["n"].sum())}
        concordant = bool(np.sign(smd) == np.sign(0.5 - p))
        found = {"smd": smd, "p": p, "concordant": concordant, "dropped": int(one["dropped"].sum())}
        rows.append({"a": a, "b": b} | counts | found)
    return pd.DataFrame(rows)


def forest(table, a, b, *, rng, confidence=0.95):
    r"""Effects of one pair, by data set and combined, with intervals.

    The interval of a data set is exact for normal differences
    (`common.report.statistics.effect_interval`). The combined effect is the weighted mean of
    Hedges' unbiased effects, its interval normal with their unbiased variances
    (`common.report.statistics.hedges`), over the data sets with four subjects and a finite effect.

    Parameters
    ----------
    table : pandas.DataFrame
        As in `by_dataset`.
    a, b : str
        Pipelines; a positive effect means that ``a`` is better.
    rng : numpy.random.Generator
        As in `by_dataset`.
    confidence : float, default=0.95

    Returns
    -------
    rows : pandas.DataFrame
        Columns ``dataset``, ``n``, ``smd``, ``low``, ``high``, ``p`` and ``weight``, a row a data
        set in the order of the table, and ``"combined"`` last. A data set that does not enter the
        combined effect has the weight 0; where none does, that effect and its bounds are NaN.

    Raises
    ------
    ValueError
        As `by_dataset`; and if ``a`` and ``b`` are one.
    """
    confidence = validation.number(confidence, "confidence", above=0, below=1)
    tests = by_dataset(table, rng=rng, pipelines=[a, b])
    tests = tests[tests["a"] == a].reset_index(drop=True)
    bounds = [
        statistics.effect_interval(*_of_dataset(table, dataset, a, b), confidence=confidence)
        for dataset in tests["dataset"]
    ]
    n, smd = tests["n"].to_numpy(dtype=float), tests["smd"].to_numpy()
    weight, interval = _combined_interval(smd, n, confidence)
    rows = tests[["dataset", "n", "smd"]].assign(
        low=[each.low for each in bounds],
        high=[each.high for each in bounds],
        p=tests["p"],
        weight=weight,
    )
    combined = {
        "dataset": "combined", "n": int(n[weight > 0].sum()), "smd": interval.value,
        "low": interval.low, "high": interval.high,
        "p": statistics.stouffer(tests["p"], tests["n"]), "weight": 1.0,
    }  # fmt: skip
    return pd.concat([rows, pd.DataFrame([combined])], ignore_index=True)


def _same_sessions(wide, a, b):
    """Means over the sessions of each subject in which both pipelines were evaluated."""
    return wide[[a, b]].dropna().groupby(level="subject", sort=False).mean()


def _of_dataset(table, dataset, a, b):
    one = table[(table["dataset"] == dataset) & table["pipeline"].isin([a, b])]
    wide = one.pivot(index=["subject", "session"], columns="pipeline", values="score")
    return _same_sessions(wide, a, b)[[a, b]].to_numpy().T


def _tested(a, b, patterns):
    smd = statistics.effect_size(a, b)
    p, method, n = statistics.paired_test(
        a,
        b,
        alternative="greater",
        exact_up_to=EXACT_UP_TO,
        random_up_to=RANDOM_UP_TO,
        rng=np.random.default_rng(patterns),
    )
    if smd == 0 and np.allclose(a, b, rtol=0, atol=1e-12):
        p = 0.5
    difference = float(np.mean(a - b))
    return {"n": n, "difference": difference, "smd": smd, "p": p, "method": method}


def _combined_interval(smd, n, confidence):
    """Weights of the data sets, and the combined effect with its interval, as `forest` has them."""
    entering = np.isfinite(smd) & (n >= _FEWEST_COMBINED)
    weight = np.where(entering, np.sqrt(n), 0.0)
    if not entering.any():
        return weight, statistics.Interval(np.nan, np.nan, np.nan)
    weight /= weight.sum()
    effects, variances = statistics.hedges(smd[entering], n[entering])
    effect = float(weight[entering] @ effects)
    half = float(ndtri(0.5 + confidence / 2) * np.sqrt(weight[entering] ** 2 @ variances))
    return weight, statistics.Interval(effect, effect - half, effect + half)


def _combined(effects, n):
    """Weighted mean of the finite effects; NaN where there is none."""
    finite = np.isfinite(effects)
    if not finite.any():
        return np.nan
    weights = np.sqrt(n[finite])
    return float(weights @ effects[finite] / weights.sum())
