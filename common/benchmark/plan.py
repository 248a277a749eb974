"""What is going to be evaluated: pieces of work, and what their tables must hold.

A piece is a data set, a subject and the pipelines of one group (`catalogue.groups`): the quick ones
together, since starting a job takes as long as they do, each slow search and each network alone.
Nothing here imports MOABB.
"""

from common.benchmark import catalogue
from common.benchmark.datasets import EMBEDDED, PUBLISHED

__all__ = ["contracts", "pieces"]

_PARADIGM_KEYS = ("datasets", "pipelines", "training", "grids")
_DATASET_KEYS = ("subjects", "name", "options", "pipelines")


def pieces(settings, *, sets=None):
    """Pieces of work of a scale.

    Parameters
    ----------
    settings : dict
        By paradigm, a key of `catalogue.PARADIGMS`:

        - ``datasets``: ``"published"``, or a dict by the data set's label of ``subjects`` (a list,
          or a number for 1 to that) and optionally ``name`` (of `datasets.make`; default: the
          label), ``options`` (its arguments) and ``pipelines`` (instead of the paradigm's);
        - ``pipelines``: a list of names, or ``"all"``;
        - optionally ``training`` and ``grids`` (by pipeline), for `catalogue.adjust`.
    sets : pandas.DataFrame, optional
        Columns ``dataset`` and ``subjects`` (as in ``1-4,6-9``): needed for ``"published"``.

    Returns
    -------
    pieces : dict of str to dict
        ``"<paradigm>/<dataset>/<subject>/<group>"`` to ``paradigm``, ``dataset`` (the label),
        ``name``, ``options``, ``subject``, ``group``, ``pipelines`` (dict of name to entry) and
        ``raw`` (entries of the registry that an embedded data set reads), for
        `evaluation.evaluate_piece`.

    Raises
    ------
    ValueError
        If a paradigm, key or pipeline is unknown, a pipeline does not belong to the paradigm, or
        there is no subject.
    """
    found = {}
    for paradigm, one in settings.items():
        datasets = _datasets(paradigm, one, sets)
        of_paradigm = _entries(paradigm, one, one["pipelines"])
        for label, dataset in datasets.items():
            entries = of_paradigm
            if "pipelines" in dataset:
                entries = _entries(paradigm, one, dataset["pipelines"])
            name = dataset.get("name", label)
            for group, members in catalogue.groups(entries).items():
                common = {
                    "paradigm": paradigm,
                    "dataset": label,
                    "name": name,
                    "options": dataset.get("options", {}),
                    "group": group,
                    "pipelines": {each: entries[each] for each in members},
                    "raw": EMBEDDED.get(name, {}).get("raw", []),
                }
                for subject in dataset["subjects"]:
                    found[f"{paradigm}/{label}/{subject}/{group}"] = {**common, "subject": subject}
    return found


def contracts(settings, paradigm, *, sets=None):
    """What the tables of a paradigm must hold, by data set.

    Parameters
    ----------
    settings, sets :
        As in `pieces`.
    paradigm : str

    Returns
    -------
    contracts : dict of str to dict
        Label of the data set to ``parts``, keys of `pieces`, and ``contract``, for
        `common.report.tables.gather`: every combination of ``dataset``, ``subject`` and
        ``pipeline`` has a row. How many sessions there are, the piece itself knows: its table is
        written whole.

    Raises
    ------
    ValueError
        If there is no such paradigm, or the settings have none of it.
    """
    catalogue.names(paradigm)  # says so where there is no such paradigm
    if paradigm not in settings:
        raise ValueError(f"the settings have no {paradigm}; they have {', '.join(settings)}.")
    found = {}
    for key, piece in pieces({paradigm: settings[paradigm]}, sets=sets).items():
        one = found.setdefault(piece["dataset"], {"parts": [], "subject": {}, "pipeline": {}})
        one["parts"].append(key)
        one["subject"][piece["subject"]] = None
        one["pipeline"].update(dict.fromkeys(piece["pipelines"]))
    return {
        dataset: {
            "parts": one["parts"],
            "contract": {
                "dataset": [dataset],
                "subject": list(one["subject"]),
                "pipeline": list(one["pipeline"]),
            },
        }
        for dataset, one in found.items()
    }


def _datasets(paradigm, one, sets):
    """Data sets of a paradigm with their subjects as lists."""
    catalogue.names(paradigm)
    _check_keys(one, _PARADIGM_KEYS, paradigm, needed=("datasets", "pipelines"))
    datasets = one["datasets"]
    if datasets == "published":
        if sets is None:
            raise ValueError(
                f"{paradigm}: published data sets need sets, the table of their subjects."
            )
        subjects = dict(zip(sets["dataset"], sets["subjects"], strict=True))
        names = PUBLISHED[paradigm].split()
        if missing := [name for name in names if name not in subjects]:
            raise ValueError(f"sets has no row for {', '.join(missing)}.")
        return {name: {"subjects": _numbers(subjects[name])} for name in names}
    found = {}
    for label, dataset in datasets.items():
        _check_keys(dataset, _DATASET_KEYS, f"{paradigm}, {label}", needed=("subjects",))
        subjects = dataset["subjects"]
        subjects = list(range(1, subjects + 1)) if isinstance(subjects, int) else list(subjects)
        if not subjects:
            raise ValueError(f"{paradigm}, {label}: no subject. Leave the data set out.")
        found[label] = {**dataset, "subjects": subjects}
    return found


def _entries(paradigm, one, names):
    known = catalogue.names(paradigm)
    names = known if names == "all" else names
    training, grids = one.get("training"), one.get("grids") or {}
    for name in (*names, *grids):
        if name not in known:
            catalogue.entry(name)  # says so where there is no such pipeline at all
            raise ValueError(f"{name} is no pipeline of {paradigm}; these are: {', '.join(known)}.")
    return {name: catalogue.adjust(name, training=training, grid=grids.get(name)) for name in names}


def _check_keys(one, known, where, *, needed):
    if unknown := [key for key in one if key not in known]:
        raise ValueError(
            f"{where} has an unknown key {unknown[0]!r}; known are {', '.join(known)}."
        )
    if missing := [key for key in needed if key not in one]:
        raise ValueError(f"{where} lacks {', '.join(missing)}.")


def _numbers(text):
    """Subjects from text such as ``1-4,6-9``."""
    found = []
    for part in str(text).split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
