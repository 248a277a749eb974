"""What the steps of the study of pipelines are: pieces, inputs, and what tables hold."""

import csv
import functools

from common import files, registry
from common.benchmark import plan
from common.workflow import slurm

__all__ = ["Plan", "read_columns"]

_TOGETHER = 15
"""Subjects in one submission to a cluster: with this, the paper's 6,313 jobs are some 500."""


def read_columns(path):
    """Columns of a csv file as text. It stands in for pandas, which takes half a second to import.

    Parameters
    ----------
    path : str
        Relative to the repository root.

    Returns
    -------
    columns : dict of str to list of str
    """
    with files.require(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


class Plan:
    """Steps of a scale of ``papers/moabb``.

    A method with ``wildcards`` gives an input, a parameter or a need of one job.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``: ``benchmark`` as in
        `common.benchmark.plan.pieces`, ``minutes`` by group of pipelines.
    sets : dict of str to list
        A table by column, from `read_columns`.
    """

    def __init__(self, settings, sets):
        self.settings = settings
        self.sets = sets
        self.pieces = plan.pieces(settings["benchmark"], sets=sets)
        # MOABB's classes and their entries in the registry, one file per subject.
        self.fetched = {
            entry.source.moabb.dataset: name
            for name, entry in registry.load().items()
            if entry.source.moabb
        }

    def tables(self):
        """Gathered tables: groups of parts, and what each group must hold.

        Returns
        -------
        tables : dict of str to list of dict
            ``parts`` (below the folder of results) and ``contract``, see
            `common.report.tables.gather`.
        """
        groups = [
            group
            for paradigm in self.settings["benchmark"]
            for group in plan.contracts(
                self.settings["benchmark"], paradigm, sets=self.sets
            ).values()
        ]
        return {
            table: [
                {
                    "parts": [f"{table}/{part}.csv" for part in group["parts"]],
                    "contract": group["contract"],
                }
                for group in groups
            ]
            for table in ("scores", "times")
        }

    def raw(self, wildcards):
        """Files that a piece reads: of packages, or of one subject from MOABB."""
        piece = self.pieces[wildcards.piece]
        names = piece["raw"] or [
            self.fetched[name] for name in [piece["name"]] if name in self.fetched
        ]
        return [registry.path(name, subject=piece["subject"]) for name in names]

    def minutes(self, wildcards):
        """Minutes of a job, by its group of pipelines."""
        minutes = self.settings["minutes"]
        return minutes.get(self.pieces[wildcards.piece]["group"], minutes["default"])

    def together(self, wildcards):
        """Name of the jobs with which a job goes to a cluster, one after the other.

        They are a group of pipelines on several subjects of one data set.
        """
        return self._submitted[wildcards.piece]

    @functools.cached_property
    def _submitted(self):
        alike = {}
        for name, piece in self.pieces.items():
            key = f"{piece['paradigm']}-{piece['dataset']}-{piece['group']}"
            alike.setdefault(key, []).append(name)
        return {
            name: f"{key}-{number}"
            for key, names in alike.items()
            for number, part in enumerate(slurm.chunk(names, _TOGETHER))
            for name in part
        }

    def piece(self, wildcards):
        """What is evaluated."""
        keys = ("paradigm", "dataset", "name", "options", "subject", "pipelines")
        return {key: self.pieces[wildcards.piece][key] for key in keys}
