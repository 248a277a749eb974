"""Data sets by name: MOABB's own, those that packages carry, and simulated ones.

Importing this module does not import MOABB; `make` and `paradigm` do.
"""

from common import validation
from common.benchmark.catalogue import PARADIGMS

__all__ = ["EMBEDDED", "PUBLISHED", "make", "paper_sets", "paradigm"]

EMBEDDED = {
    "SSVEPSample": {"paradigm": "ssvep", "raw": ["meegkit-trca"]},
    "FingerMovements": {
        "paradigm": "left_right",
        "raw": ["aeon-finger-movements-train", "aeon-finger-movements-test"],
    },
    "SelfRegulation": {
        "paradigm": "mi_all",
        "raw": ["aeon-self-regulation-scp1-train", "aeon-self-regulation-scp1-test"],
    },
    "AudioVisual": {"paradigm": "p300", "raw": ["neurokit2-erp"]},
}
"""Recordings that packages carry: what each is evaluated as, and its entries in the registry."""

PUBLISHED = {
    "left_right": "BNCI2014_001 BNCI2014_004 Cho2017 GrosseWentrup2009 Lee2019_MI PhysionetMI"
    " Schirrmeister2017 Shin2017A Weibo2014 Zhou2016",
    "right_hand_feet": "AlexMI BNCI2014_001 BNCI2014_002 BNCI2015_001 BNCI2015_004 PhysionetMI"
    " Schirrmeister2017 Weibo2014 Zhou2016",
    "mi_all": "AlexMI BNCI2014_001 PhysionetMI Schirrmeister2017 Weibo2014 Zhou2016",
    "p300": "BNCI2014_008 BNCI2014_009 BNCI2015_003 BI2012 BI2013a BI2014a BI2014b BI2015a BI2015b"
    " Cattan2019_VR EPFLP300 Huebner2017 Huebner2018 Lee2019_ERP Sosulski2019",
    "ssvep": "Kalunga2016 Lee2019_SSVEP MAMEM1 MAMEM2 MAMEM3 Nakanishi2015 Wang2016",
}
"""Data sets of the paper's tables, which are MOABB's classes, separated by spaces."""

# MOABB 1.7.2 names the five tasks of BNCI2015_004 after another experiment, and cuts 4 s from the
# start of the trial; its earlier versions, and the paper, had these.
_OPTIONS = {
    "Shin2017A": {"accept": True},
    "BNCI2015_004": {"event_id": {"right_hand": 4, "feet": 5}, "interval": [3, 10]},
}


def make(name, *, event_id=None, interval=None, **options):
    """A data set of MOABB, or one like it.

    Parameters
    ----------
    name : str
        A class of `moabb.datasets` (``"BNCI2014_001"`` …, or ``"FakeDataset"``, noise), a key of
        `EMBEDDED`, or ``"Simulated"``.
    event_id : dict of str to int, optional
        Names and codes of events, instead of the class's.
    interval : sequence of float, optional
        Beginning and end of a trial in s, instead of the class's.
    **options
        Arguments of its class; those of `embedded.Simulated`: ``paradigm``, ``n_subjects`` ….

    Returns
    -------
    dataset : moabb.datasets.base.BaseDataset

    Raises
    ------
    ValueError
        If there is no such data set (the nearest known one is named) or argument.

    Notes
    -----
    What the published tables need and MOABB does not do by itself is done here: the licence of
    Shin2017A is accepted, and BNCI2015_004 gets the names and the interval of its tasks back.
    """
    kinds = _kinds()
    if name not in kinds:
        hint = validation.nearest(name, kinds) or " See https://moabb.neurotechx.com."
        raise ValueError(f"there is no data set {name!r}.{hint}")
    defaults = dict(_OPTIONS.get(name, {}))
    changes = {key: defaults.pop(key, None) for key in ("event_id", "interval")}
    changes |= {"event_id": event_id} if event_id else {}
    if interval is not None:
        found = validation.vector(interval, "interval", unit="s")
        if len(found) != 2 or not found[0] < found[1]:
            raise ValueError(
                f"interval must be the beginning and the later end of a trial in s, got {interval}."
            )
        changes["interval"] = interval
    try:
        dataset = kinds[name](**(defaults | options))
    except TypeError as error:
        raise ValueError(f"data set {name!r}: {error}.") from None
    if changes["event_id"]:
        dataset.event_id = dict(changes["event_id"])
    if changes["interval"]:
        dataset.interval = list(changes["interval"])
    return dataset


def paradigm(name, dataset, *, bank=False, resample=None):
    """MOABB's paradigm with the paper's settings.

    One band: 8 to 32 Hz for motor imagery, 1 to 24 Hz for P300, 7 to 45 Hz for SSVEP. A bank: 8 to
    12 Hz … 28 to 32 Hz for motor imagery, 1 Hz around each frequency for SSVEP. Trials are the data
    set's own interval.

    Parameters
    ----------
    name : str
        A key of `catalogue.PARADIGMS`.
    dataset : moabb.datasets.base.BaseDataset
    bank : bool, default=False
        Filter bank instead of one band.
    resample : float, optional
        Sampling rate, in Hz.

    Returns
    -------
    paradigm : moabb.paradigms.base.BaseParadigm
        Its ``scoring`` is the metric: ROC-AUC of two classes, accuracy of more, and accuracy of
        any number for SSVEP.

    Raises
    ------
    ValueError
        If there is no such paradigm, it does not fit the data set, or there is no bank for it.
    """
    import moabb.paradigms as kinds

    if name not in PARADIGMS:
        raise ValueError(f"paradigm must be one of {', '.join(PARADIGMS)}, got {name!r}.")
    if resample is not None:
        resample = validation.number(resample, "resample", above=0, unit="Hz")
    common = {"resample": resample}
    if name == "left_right":
        kind = kinds.FilterBankLeftRightImagery if bank else kinds.LeftRightImagery
        made = kind(**common)
    elif name in ("right_hand_feet", "mi_all"):
        kind = kinds.FilterBankMotorImagery if bank else kinds.MotorImagery
        events = ["right_hand", "feet"] if name == "right_hand_feet" else list(dataset.event_id)
        made = kind(n_classes=len(events), events=events, **common)
    elif name == "p300":
        if bank:
            raise ValueError("the paper has no filter bank for P300.")
        made = kinds.P300(**common)
    else:
        made = (kinds.FilterBankSSVEP if bank else kinds.SSVEP)(**common)
    if not made.is_valid(dataset):
        raise ValueError(
            f"{dataset.code} has the events {', '.join(dataset.event_id)} and is of paradigm "
            f"{dataset.paradigm}: it cannot be evaluated as {name}."
        )
    return made


def paper_sets():
    """The 47 published combinations of a paradigm and a data set.

    Returns
    -------
    sets : pandas.DataFrame
        Columns ``paradigm``, ``table`` (published), ``dataset`` (published name, and name of the
        class in MOABB), ``bands`` (Hz), ``events`` (``"all"`` or names), ``metric``.
    """
    import pandas as pd

    settings = {
        "left_right": ("8-32", "left_hand, right_hand", "roc_auc"),
        "right_hand_feet": ("8-32", "right_hand, feet", "roc_auc"),
        "mi_all": ("8-32", "all", "accuracy"),
        "p300": ("1-24", "Target, NonTarget", "roc_auc"),
        "ssvep": ("7-45", "all", "accuracy"),
    }
    rows = [
        (one, PARADIGMS[one], dataset, *settings[one])
        for one, datasets in PUBLISHED.items()
        for dataset in datasets.split()
    ]
    columns = ["paradigm", "table", "dataset", "bands", "events", "metric"]
    return pd.DataFrame(rows, columns=columns)


def _kinds():
    import moabb.datasets
    from moabb.datasets.base import BaseDataset
    from moabb.datasets.fake import FakeDataset

    from common.benchmark.embedded import (
        AudioVisual,
        FingerMovements,
        SelfRegulation,
        Simulated,
        SSVEPSample,
    )

    found = {
        name: kind
        for name, kind in vars(moabb.datasets).items()
        if isinstance(kind, type) and issubclass(kind, BaseDataset)
    }
    own = (SSVEPSample, FingerMovements, SelfRegulation, AudioVisual, Simulated, FakeDataset)
    return found | {kind.__name__: kind for kind in own}
