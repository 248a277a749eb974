"""Names of scalp electrodes, spelt one way whatever the file spells."""

__all__ = ["MONTAGE", "TEN_TWENTY", "canonical"]

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
_SPELLING = {name.lower(): name for name in TEN_TWENTY} | _RENAMED


def canonical(label):
    """Name of a 10-20 electrode from a file's label.

    Parameters
    ----------
    label : str
        ``"EEG Fp1"``, ``"EEG FP1-REF"``, ``"EEG T3-LE"``, ``"t7"`` …

    Returns
    -------
    name : str or None
        One of `TEN_TWENTY`; T3, T4, T5 and T6 become T7, T8, P7 and P8. None for anything else.

    Examples
    --------
    >>> canonical("EEG T3-LE"), canonical("EEG Fp1"), canonical("EEG FT9")
    ('T7', 'Fp1', None)
    """
    name = label.strip().lower().removeprefix("eeg ").strip()
    for reference in ("-ref", "-le", "-ar"):
        name = name.removesuffix(reference)
    return _SPELLING.get(name)
