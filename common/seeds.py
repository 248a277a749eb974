"""One seed per unit of work, so that results do not depend on the order of jobs."""

import hashlib

import numpy as np

__all__ = ["generator", "sequence", "torch_seed"]


def sequence(paper, step, **unit):
    """Seed sequence of one unit of work.

    The entropy is a hash of the names, not of a position in a loop: adding a subject, a method or
    a seed leaves every other unit's random numbers as they were.

    Parameters
    ----------
    paper, step : str
        For example ``"dance"``, ``"train"``.
    **unit : str, int or float
        What identifies the unit within the step: ``dataset``, ``subject``, ``method``, ``seed`` …
        Their order does not matter, their type does: ``1``, ``1.0`` and ``"1"`` are three units
        (numpy's numbers count as Python's).

    Returns
    -------
    sequence : numpy.random.SeedSequence

    Raises
    ------
    TypeError
        If a value is of another type: its text may differ from run to run.

    Examples
    --------
    >>> a = sequence("dance", "train", subject=1, seed=0)
    >>> b = sequence("dance", "train", seed=0, subject=1)
    >>> a.entropy == b.entropy
    True
    """
    unit = {name: _plain(name, value) for name, value in unit.items()}
    name = repr((paper, step, *sorted(unit.items())))
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.SeedSequence(int.from_bytes(digest[:16], "big"))


def generator(paper, step, **unit):
    """`numpy.random.Generator` of one unit of work; see `sequence`."""
    return np.random.default_rng(sequence(paper, step, **unit))


def torch_seed(paper, step, **unit):
    """Seed for `torch.manual_seed` of one unit of work; see `sequence`.

    Returns
    -------
    seed : int
        In ``[0, 2**63)``.
    """
    return int(sequence(paper, step, **unit).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _plain(name, value):
    if isinstance(value, np.generic):
        value = value.item()  # a table's numbers are numpy's, whose repr depends on its version
    if not isinstance(value, str | int | float):
        raise TypeError(
            f"{name}={value!r} is a {type(value).__name__}; name a unit of work by a str, an int "
            "or a float."
        )
    return value
