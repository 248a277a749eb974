"""Order, colour and name of augmentations in figures, a user's own included."""

from common.augmentation.names import FAMILIES, IDENTITY
from common.report import figures, palette

__all__ = ["families", "in_order", "look"]

# The palette's colours that no augmentation of a family has, so that an own one stands out.
_OWN_COLORS = [palette.OKABE_ITO[name] for name in ("vermillion", "sky blue", "yellow")]
_OWN_MARKERS = ["*", "P", "X"]


def families(names):
    """The families that a table holds, with their augmentations in order.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    families : dict of str to list of str
        ``"frequency"``, ``"time"``, ``"sensors"``, ``"rotations"`` and, if there is one,
        ``"own"``. The identity is in none.
    """
    names = set(names)
    found = {
        family: [name for name in members if name in names] for family, members in FAMILIES.items()
    }
    found["own"] = sorted(name for name in names if name.startswith("own."))
    return {family: members for family, members in found.items() if members}


def look(name, *, own=()):
    """Colour, marker and label of an augmentation, as keywords of matplotlib's ``plot``.

    Parameters
    ----------
    name : str
        The identity, one of the thirteen, or ``own.<function>``.
    own : sequence of str
        All own ones of the figure: their order gives their colours.

    Returns
    -------
    look : dict
        With the keys ``color``, ``marker`` and ``label``.

    Examples
    --------
    >>> look("own.amplitude_scale")["label"]
    'amplitude scale (own)'
    """
    if name.startswith("own."):
        place = list(own).index(name) % len(_OWN_COLORS) if name in own else 0
        label = f"{name.removeprefix('own.').replace('_', ' ')} (own)"
        return {"color": _OWN_COLORS[place], "marker": _OWN_MARKERS[place], "label": label}
    return figures.style(name)


def in_order(names):
    """Identity first, then by family.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    names : list of str
        Each once; those of no family are left out.
    """
    members = [name for group in families(names).values() for name in group]
    return [name for name in (IDENTITY, *members) if name in set(names)]
