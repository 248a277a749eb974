"""Which examples train, validate and test, and which fraction of the training part is used."""

import numpy as np

from common import validation as check

__all__ = ["KINDS", "hold_out", "stratified_fraction"]

KINDS = ("groups", "sessions", "official")


def hold_out(kind, y, group, *, fold, n_folds, rng, validation=0.2):
    """Training, validation and test examples of one fold.

    Parameters
    ----------
    kind : {"groups", "sessions", "official"}
        ``"groups"``: cross-validation over groups (subjects, blocks of time), of which a share of
        the remaining ones validates; no group is on two sides. ``"sessions"``: ``group`` is 0 or 1;
        one of the two, drawn, trains and the other tests. ``"official"``: group 0 trains, group 1
        tests. In the last two a stratified share of the training part validates.
    y : ndarray of int, shape (n_examples,)
    group : ndarray of int, shape (n_examples,)
    fold, n_folds : int
        For ``"groups"`` the held-out fold of how many. Elsewhere they are not used: a fold is
        another data set (a subject), or there is one.
    rng : numpy.random.Generator
        Draws the validation part and the session. With the same state the parts are the same.
    validation : float, default=0.2
        Share of the groups, or of the examples, that are not for testing.

    Returns
    -------
    train, valid, test : ndarray of int
        Disjoint, in ascending order, together all examples.

    Raises
    ------
    ValueError
        If the kind is unknown, a label or a group is masked, a part is empty or lacks a class, or
        there are fewer groups than needed.
    """
    from sklearn.model_selection import GroupKFold, GroupShuffleSplit, StratifiedShuffleSplit

    y, group = _labels(y), np.asarray(check.unmasked(group, "group"))
    check.choice(kind, KINDS, "kind")
    rng = check.generator(rng)
    if group.shape != y.shape:
        raise ValueError(f"y and group must have one shape, got {y.shape} and {group.shape}.")
    share = check.number(validation, "validation", above=0, below=1)
    if kind == "groups":
        fold, n_folds = check.count(fold, "fold", at_least=0), check.count(n_folds, "n_folds")
    names = np.unique(group)
    seed = int(rng.integers(2**31))
    if kind == "groups":
        largest = -(-len(names) // max(n_folds, 1))
        if not (n_folds >= 2 and 0 <= fold < n_folds <= len(names) and len(names) >= largest + 2):
            raise ValueError(
                f"fold {fold} of {n_folds} over {len(names)} groups: folds count from 0, there "
                "are at least 2 and at most as many as groups, and two groups must remain."
            )
        rest, test = list(GroupKFold(n_folds).split(y, y, group))[fold]
        inner = GroupShuffleSplit(1, test_size=share, random_state=seed)
        train, valid = next(inner.split(rest, y[rest], group[rest]))
    else:
        if names.tolist() != [0, 1]:
            raise ValueError(f"kind {kind!r} needs the groups 0 and 1, got {names.tolist()}.")
        first = int(rng.integers(2)) if kind == "sessions" else 0
        rest, test = np.flatnonzero(group == first), np.flatnonzero(group != first)
        inner = StratifiedShuffleSplit(1, test_size=share, random_state=seed)
        train, valid = next(inner.split(rest, y[rest]))
    parts = {"training": rest[train], "validation": rest[valid], "test": test}
    for name, part in parts.items():
        lacking = sorted(set(y.tolist()) - set(y[part].tolist()))
        if lacking:
            raise ValueError(
                f"the {name} part of fold {fold} has {len(part)} examples and none of class "
                f"{lacking[0]}. Use fewer folds, larger groups or another share for validation."
            )
    return tuple(np.sort(part) for part in parts.values())


def stratified_fraction(y, fraction, *, rng):
    """A fraction of each class.

    Subsets of one generator state are nested: what a fraction holds, every larger one holds, so
    that neighbouring points of a learning curve differ by what was added.

    Parameters
    ----------
    y : ndarray of int, shape (n_examples,)
    fraction : float
        In (0, 1]. Of ``n`` examples of a class it keeps ``round(fraction * n)``, halves up.
    rng : numpy.random.Generator

    Returns
    -------
    index : ndarray of int
        Ascending; of 1 the whole.

    Raises
    ------
    ValueError
        If the fraction is out of range or leaves a class without an example, or a label is masked.

    Examples
    --------
    >>> y = np.repeat([0, 1], [8, 4])
    >>> np.bincount(y[stratified_fraction(y, 0.25, rng=np.random.default_rng(0))]).tolist()
    [2, 1]
    """
    y = _labels(y)
    fraction = check.number(fraction, "fraction", above=0, at_most=1)
    rng = check.generator(rng)
    kept = []
    for label, n in zip(*np.unique(y, return_counts=True), strict=True):
        n_kept = int(np.floor(fraction * n + 0.5))
        if n_kept == 0:
            raise ValueError(
                f"a fraction of {fraction:g} leaves none of the {n} examples of class {label}; "
                f"the smallest that leaves one is {0.5 / n:.3g}."
            )
        kept.append(rng.permutation(np.flatnonzero(y == label))[:n_kept])
    return np.sort(np.concatenate(kept))


def _labels(y):
    y = np.asarray(check.unmasked(y, "y"))
    if y.ndim != 1 or len(y) == 0 or not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"y must hold one integer an example, got {y.dtype} of shape {y.shape}.")
    return y
