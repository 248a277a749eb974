"""What the steps about point patterns are: their units, and what tables hold."""

__all__ = ["JUDGED", "MODELS", "PROCESSES", "Plan"]

PROCESSES = {
    "voronoi": "points on Voronoi edges",
    "circles": "points on circles",
    "turbulence": "points driven by turbulence",
}
"""Processes and what their points are, in the order of figures and claims."""

MODELS = ["harmonics", "second-order", "finest"]
"""What is fitted to each observed pattern."""

JUDGED = [*MODELS, "start"]
"""What is compared with fresh patterns: samples of models, and the uniform points they began as."""


class Plan:
    """Steps of a scale of ``papers/particle-gradient``.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    derived : str
        Folder of prepared data of the scale.
    """

    def __init__(self, settings, derived):
        self.settings = settings
        self.derived = derived

    @property
    def processes(self):
        """Processes of this scale: the smoke scale has one."""
        return list(self.settings["processes"])

    def tables(self):
        """Gathered tables: groups of parts, and what each group must hold.

        Returns
        -------
        tables : dict of str to list of dict
            ``parts`` (below the folder of results) and ``contract``, see
            `common.report.tables.gather`.
        """
        patterns = list(range(self.settings["n_patterns"]))
        samples = list(range(self.settings["n_samples"]))
        units = {"process": self.processes, "pattern": patterns, "sample": samples}
        of_pattern = [f"{process}-{pattern}" for process in self.processes for pattern in patterns]
        statistics = ["pair-correlation", "spectrum", "betti-0", "betti-1"]
        groups = {
            "energies": (
                [f"energies/{one}.csv" for one in of_pattern],
                units | {"model": MODELS},
            ),
            "errors": (
                [f"errors/{process}.csv" for process in self.processes],
                units | {"model": JUDGED},
            ),
            "curves": (
                [f"curves/{process}.csv" for process in self.processes],
                {
                    "process": self.processes,
                    "model": [*JUDGED, "observed", "fresh"],
                    "statistic": statistics,
                },
            ),
        }
        return {
            table: [{"parts": parts, "contract": contract}]
            for table, (parts, contract) in groups.items()
        }

    def simulation(self, wildcards):
        """What is drawn of a process: nothing of the others.

        Parameters
        ----------
        wildcards : object
            Of the job, with ``process``.

        Returns
        -------
        settings : dict
        """
        counts = {name: self.settings[name] for name in ("n_patterns", "n_fresh")}
        return self.settings["processes"][wildcards.process] | counts

    def descent(self):
        """How patterns are drawn from a model.

        Returns
        -------
        settings : dict
        """
        return self.settings["descent"] | {"n_samples": self.settings["n_samples"]}

    def syntheses(self, wildcards):
        """Files that hold the patterns of all models of a process.

        Parameters
        ----------
        wildcards : object
            Of the job, with ``process``.

        Returns
        -------
        paths : list of str
            One for each observed pattern.
        """
        of_pattern = range(self.settings["n_patterns"])
        return [f"{self.derived}/syntheses-{wildcards.process}-{one}.npz" for one in of_pattern]
