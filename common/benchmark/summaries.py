"""What tables of scores say, published ones and ours: by category, by person, and by trial."""

from common import validation

__all__ = ["advantage", "by_person", "comparable", "trials_won"]


def advantage(cells, category):
    """How far the best pipeline of a category is above the best of the others.

    On the same data set and paradigm, so that easy and hard data sets count alike.

    Parameters
    ----------
    cells : pandas.DataFrame
        Columns ``paradigm``, ``dataset``, ``pipeline``, ``category``, ``score``: one row per cell
        (as from `published.load`).
    category : str

    Returns
    -------
    table : pandas.DataFrame
        Columns ``paradigm``, ``dataset``, ``pipeline`` (the best of the category, the first of
        equals), ``score`` (its own), ``advantage``: a row for each data set that has pipelines both
        of the category and of others, in the order of ``cells``.

    Raises
    ------
    ValueError
        If no cell is of the category, a score is not between 0 and 1, or a cell is there twice.
    """
    validation.array(cells["score"], "score", at_least=0, at_most=1)
    twice = cells.duplicated(["paradigm", "dataset", "pipeline"])
    if twice.any():
        row = cells.loc[twice, ["paradigm", "dataset", "pipeline"]].iloc[0].tolist()
        raise ValueError(f"cells has a score of {', '.join(map(str, row))} twice.")
    if category not in set(cells["category"]):
        known = ", ".join(sorted(set(cells["category"])))
        raise ValueError(f"no score is of the category {category!r}; there are {known}.")
    keys = ["paradigm", "dataset"]
    ours = cells["category"] == category
    best = cells.loc[cells[ours].groupby(keys, sort=False)["score"].idxmax()]
    others = cells[~ours].groupby(keys)["score"].max().rename("other")
    table = best.join(others, on=keys, how="inner")
    table["advantage"] = table["score"] - table.pop("other")
    return table[[*keys, "pipeline", "score", "advantage"]].reset_index(drop=True)


def comparable(cells):
    """Cells of the data sets that can tell pipelines apart.

    Of one channel a covariance is one number, which every pipeline ranks alike: where more than
    half of the pipelines have one and the same score, the others differ by chance.

    Parameters
    ----------
    cells : pandas.DataFrame
        As in `advantage`.

    Returns
    -------
    cells : pandas.DataFrame
        Without the rows of such data sets; one of fewer than three pipelines stays.
    """

    def told_apart(scores):
        # Equal scores, averaged in another order, are equal.
        return len(scores) < 3 or 2 * scores.round(12).value_counts().max() <= len(scores)

    keep = cells.groupby(["paradigm", "dataset"])["score"].transform(told_apart)
    return cells[keep.astype(bool)]


def by_person(table, *, same_people=()):
    """Scores averaged over all that one person has: sessions, and data sets of the same people.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``paradigm``, ``dataset``, ``subject``, ``pipeline``, ``category``, ``score``.
    same_people : sequence of sequence of str, default=()
        Data sets whose subjects of equal number are the same persons.

    Returns
    -------
    scores : pandas.DataFrame
        Columns ``paradigm``, ``people`` (the first of its data sets), ``subject``, ``pipeline``,
        ``category``, ``score``.

    Raises
    ------
    ValueError
        If a score is not between 0 and 1, or ``same_people`` names a data set twice.

    Examples
    --------
    >>> import pandas as pd
    >>> columns = ["paradigm", "dataset", "subject", "pipeline", "category", "score"]
    >>> rows = [("ssvep", f"Flicker-{n}", 1, "MDM", "riemannian", n / 10) for n in (4, 8)]
    >>> table = pd.DataFrame(rows, columns=columns)
    >>> by_person(table, same_people=[["Flicker-4", "Flicker-8"]])["score"].round(3).tolist()
    [0.6]
    """
    validation.array(table["score"], "score", at_least=0, at_most=1)
    named = [name for names in same_people for name in names]
    if twice := [name for name in dict.fromkeys(named) if named.count(name) > 1]:
        raise ValueError(f"same_people names the data set {twice[0]!r} twice.")
    first = {name: names[0] for names in same_people for name in names}
    people = table["dataset"].map(lambda name: first.get(name, name))
    keys = ["paradigm", "people", "subject", "pipeline", "category"]
    return table.assign(people=people).groupby(keys, sort=False)["score"].mean().reset_index()


def trials_won(table, a, b):
    """Trials of one recording that only one of two pipelines gets right, and whose they are.

    A single recording has no subjects to compare pipelines over, but pairs of answers to the same
    trial. Those that both get right, or both wrong, say nothing of which is better.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``subject``, ``session``, ``pipeline``, ``hits`` (as from `evaluation.evaluate`), of
        one subject of one data set.
    a, b : str
        Pipelines.

    Returns
    -------
    n_won, n : int
        Trials that ``a`` alone gets right; those that one of the two alone gets right.

    Raises
    ------
    ValueError
        If there are several subjects, a pipeline lacks a session, or hits of a session are of
        different trials.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [(1, "0", "MDM", "xx.."), (1, "0", "TS+LR", ".xx.")]
    >>> table = pd.DataFrame(rows, columns=["subject", "session", "pipeline", "hits"])
    >>> trials_won(table, "TS+LR", "MDM")
    (1, 2)
    """
    if table["subject"].nunique() != 1:
        names = ", ".join(map(str, table["subject"].unique()))
        raise ValueError(f"trials are compared within one subject, got {names or 'none'}.")
    hits = [table[table["pipeline"] == name].set_index("session")["hits"] for name in (a, b)]
    n_won = n = 0
    for session in sorted({*hits[0].index, *hits[1].index}, key=str):
        if lacking := [name for name, one in zip((a, b), hits, strict=True) if session not in one]:
            raise ValueError(f"{lacking[0]} has no session {session}, on which to compare it.")
        pair = [one[session] for one in hits]
        if len(pair[0]) != len(pair[1]):
            raise ValueError(
                f"in session {session} {a} has {len(pair[0])} trials and {b} {len(pair[1])}: these "
                "are not the same ones. Evaluate both again."
            )
        differ = [mine == "x" for mine, other in zip(*pair, strict=True) if mine != other]
        n_won, n = n_won + sum(differ), n + len(differ)
    return n_won, n
