"""Names of scalp electrodes, spelt one way whatever the file spells."""

import functools
import re

import mne

__all__ = ["MONTAGE", "TEN_TWENTY", "electrode", "find_electrodes", "require_eeg"]

MONTAGE = "colin27_1020"
"""MNE's template positions of the extended 10-20 system."""

TEN_TWENTY = (
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8"),
    *("T7", "C3", "Cz", "C4", "T8"),
    *("P7", "P3", "Pz", "P4", "P8", "O1", "O2"),
)
"""The 19 electrodes of the 10-20 system, front to back and left to right."""

# The four that the 10-10 system renamed. One name a place lets recordings of both kinds be joined.
_RENAMED = {"t3": "T7", "t4": "T8", "t5": "P7", "t6": "P8"}

_PREFIX = re.compile(r"(eeg|pol)[\s_-]+", re.IGNORECASE)
# What a signal is measured against. Another electrode of the scalp makes it a derivation between
# two places, which has no place of its own.
_EARS = r"(?:[am][12]|a1[+/]?a2|m1[+/]?m2)"
_REFERENCE = re.compile(
    rf"(?P<by>.+?)(?:\s*[-:/_]\s*(?:ref\d?|le|ar|avg?|ave|average|car|org)|"
    rf"\s*[-:/_]?\s*(?P<ear>{_EARS}))",
    re.IGNORECASE,
)
_CAP = re.compile(r"(?:[A-H]|E|EEG ?)0*\d+", re.IGNORECASE)  # BioSemi, EGI, MNE: numbers in a cap


def electrode(label):
    """Name of an electrode of the extended 10-20 system from a file's label.

    Parameters
    ----------
    label : str
        ``"C3"``, ``"c3"``, ``"EEG FP1-REF"``, ``"EEG T3-LE"``, ``"C3-A2"``, ``"Fc5."`` … A
        reference to the ears, the mastoids or an average is left out of the name.

    Returns
    -------
    name : str or None
        As in MNE's montage; T3, T4, T5 and T6 become T7, T8, P7 and P8. None for anything else:
        other sensors, a derivation between two electrodes (``"Fp1-F7"``), and the numbers that
        caps of other layouts have (``"E35"``).

    Examples
    --------
    >>> electrode("EEG T3-LE"), electrode("C3-A2"), electrode("fc5."), electrode("Fp1-F7")
    ('T7', 'C3', 'FC5', None)
    """
    name = _PREFIX.sub("", label.strip(), count=1).rstrip(".").strip().lower()
    known = _spelling()
    if name not in known and (match := _REFERENCE.fullmatch(name)):
        name = match["by"].rstrip(".").strip()
        if match["ear"] and known.get(name) in ("A1", "A2", "M1", "M2"):
            return None  # from ear to ear
    return known.get(name)


def find_electrodes(labels, wanted=TEN_TWENTY, *, name="the recording"):
    """Which label of a recording is which electrode.

    Parameters
    ----------
    labels : sequence of str
        Of all channels.
    wanted : sequence of str, default=TEN_TWENTY
        Electrodes, spelt as in MNE's montage.
    name : str
        What the message calls the recording.

    Returns
    -------
    rows : dict of str to int
        Index of the label of each wanted electrode, in the order of ``wanted``.

    Raises
    ------
    ValueError
        If an electrode is missing, or two labels are the same one.
    """
    rows = {each: [] for each in wanted}
    for row, label in enumerate(labels):
        found = electrode(label)
        if found in rows:
            rows[found].append(row)
    missing = [each for each in wanted if not rows[each]]
    if missing:
        which = "10-20 electrodes" if wanted is TEN_TWENTY else "electrodes"
        cap = [label for label in labels if _CAP.fullmatch(label.strip())]
        hint = (
            f" {cap[0]} … are numbers of a cap of another layout: rename its channels by the map "
            "that its maker gives (raw.rename_channels)."
            if len(cap) > 2
            else ""
        )
        raise ValueError(
            f"{name} lacks the {which} {', '.join(missing)}. It has: {', '.join(labels)}.{hint}"
        )
    for each, found in rows.items():
        if len(found) > 1:
            raise ValueError(
                f"{name} has {each} {len(found)} times, as "
                f"{' and '.join(repr(labels[row]) for row in found)}. Drop all of them but one."
            )
    return {each: found for each, (found,) in rows.items()}


def require_eeg(raw, *, name="the recording"):
    """Raise a ValueError unless a recording has EEG channels.

    Parameters
    ----------
    raw : mne.io.BaseRaw
    name : str
        What the message calls it.

    Raises
    ------
    ValueError
        With the kinds of channels that it has.
    """
    kinds = raw.get_channel_types()
    if "eeg" not in kinds:
        found = "; ".join(
            f"{kinds.count(kind)} {kind} ("
            + ", ".join([n for n, k in zip(raw.ch_names, kinds, strict=True) if k == kind][:3])
            + (", …)" if kinds.count(kind) > 3 else ")")
            for kind in dict.fromkeys(kinds)
        )
        raise ValueError(
            f"{name} has no EEG channel; it has {found}. If some of these are EEG, say so with "
            "raw.set_channel_types({name: 'eeg', …})."
        )


@functools.cache
def _spelling():
    names = mne.channels.make_standard_montage(MONTAGE).ch_names
    return {each.lower(): each for each in names} | _RENAMED
