"""What the steps about dictionaries are: their units, what they are passed, what tables hold."""

__all__ = ["NystagmusPlan", "Plan", "RobustPlan", "UnrolledPlan"]


class Plan:
    """Steps of a scale of ``papers/multivariate-csc``.

    A method with ``wildcards`` gives a parameter of one job.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    """

    def __init__(self, settings):
        self.settings = settings

    def tables(self):
        """Gathered tables: groups of parts, and what each group must hold.

        Returns
        -------
        tables : dict of str to list of dict
            ``parts`` (below the folder of results) and ``contract``, see
            `common.report.tables.gather`.
        """
        recovery, scaling, speed = (self.settings[key] for key in ("recovery", "scaling", "speed"))
        atoms, harmonics = self.settings["atoms"], self.settings["harmonics"]
        contracts = {
            "recovery": (
                recovery["sigmas"],
                {
                    "n_channels": recovery["n_channels"],
                    "reg": recovery["regs"],
                    "start": recovery["starts"],
                    "seed": list(range(recovery["n_seeds"])),
                },
            ),
            "scaling": (
                list(scaling["sources"]),
                {"model": scaling["models"], "seed": list(range(scaling["n_seeds"]))},
            ),
            "speed": (
                list(speed["sources"]),
                {
                    "solver": speed["solvers"],
                    "reg": speed["regs"],
                    "seed": list(range(speed["n_seeds"])),
                },
            ),
            "atoms": (list(atoms), {"part": ["topography", "waveform", "events"]}),
            "harmonics": (
                list(harmonics),
                {"replicate": list(range(max(each["n_resamples"] for each in harmonics.values())))},
            ),
        }
        return {
            table: [{"parts": [f"{table}/{name}.csv" for name in names], "contract": contract}]
            for table, (names, contract) in contracts.items()
        }

    def source(self, step):
        """What a step is passed for one of its sources: all but the other sources.

        Parameters
        ----------
        step : str
            Key of the settings.

        Returns
        -------
        settings : callable
            From wildcards with ``source`` to a dict.
        """

        def settings(wildcards):
            given = self.settings[step]
            shared = {key: value for key, value in given.items() if key != "sources"}
            return shared | given["sources"][wildcards.source]

        return settings

    def atoms(self, wildcards):
        """How atoms of a recording are learned."""
        return self.settings["atoms"][wildcards.source]

    def harmonics(self, wildcards):
        """How the waveform of a source is told from a sinusoid."""
        return self.settings["harmonics"][wildcards.source]


class NystagmusPlan:
    """Steps of a scale of ``papers/nystagmus-csc``; see `Plan`.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    """

    def __init__(self, settings):
        self.settings = settings

    def tables(self):
        """Gathered tables, see `Plan.tables`.

        Returns
        -------
        tables : dict of str to list of dict
        """
        one = self.settings["separation"]
        seeds = list(range(one["n_seeds"]))
        levels = {"kind": one["kinds"], "method": one["methods"]}
        contracts = {
            "scores": (seeds, {"seed": seeds, "sigma": one["sigmas"]} | levels),
            "atoms": (seeds, {"seed": seeds} | levels),
            "examples": (seeds[:1], {"kind": one["kinds"]}),
        }
        return {
            table: [{"parts": [f"{table}/{name}.csv" for name in names], "contract": contract}]
            for table, (names, contract) in contracts.items()
        }

    def separation(self):
        """How the records of one seed are simulated and separated, whatever the number of seeds.

        Returns
        -------
        settings : dict
        """
        given = self.settings["separation"]
        return {key: given[key] for key in given if key not in ("n_seeds", "enough")}


class RobustPlan:
    """Steps of a scale of ``papers/rosecdl``; see `Plan`.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    """

    def __init__(self, settings):
        self.settings = settings

    def tables(self):
        """Gathered tables, see `Plan.tables`.

        Returns
        -------
        tables : dict of str to list of dict
        """
        one = self.settings["contamination"]
        seeds = list(range(one["n_seeds"]))
        contracts = {
            "recovery": (
                seeds,
                {"seed": seeds, "run": one["runs"], "epoch": list(range(one["n_epochs"] + 1))},
            ),
            "masks": (
                seeds,
                {
                    "seed": seeds,
                    "level": one["levels"],
                    "of": ["learned", "unlearned", "energy"],
                    "threshold": ["mad", "quantile"],
                },
            ),
            "examples": (seeds[:1], {"level": one["levels"]}),
        }
        text = self.settings["letters"]
        pages = list(range(text["n_seeds"]))
        of_page = {"frequency": text["frequencies"], "run": ["energy", "known", *text["runs"]]}
        contracts["letters"] = (pages, {"seed": pages} | of_page)
        contracts["pictures"] = (pages[:1], {"what": ["page", "truth", *text["runs"]]})
        return {
            table: [{"parts": [f"{table}/{name}.csv" for name in names], "contract": contract}]
            for table, (names, contract) in contracts.items()
        }

    def one(self, step):
        """How one seed is simulated and learned, whatever the number of seeds.

        Parameters
        ----------
        step : {"contamination", "letters"}

        Returns
        -------
        settings : dict
        """
        given = self.settings[step]
        return {key: value for key, value in given.items() if key != "n_seeds"}


class UnrolledPlan:
    """Steps of a scale of ``papers/unrolled-dictionary``; see `Plan`.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    """

    def __init__(self, settings):
        self.settings = settings

    def tables(self):
        """Gathered tables, see `Plan.tables`.

        Returns
        -------
        tables : dict of str to list of dict
        """
        learning, batches = self.settings["learning"], self.settings["batches"]
        runs = [f"batch-{size}" for size in batches["sizes"]] + ["all", "am"]
        contracts = {
            # More iterations than some are for learners without learned steps alone.
            "learning": (
                learning["n_seeds"],
                {
                    "learner": learning["learners"],
                    "n_iter": [
                        n for n in learning["iterations"] if n <= learning["most_with_steps"]
                    ],
                },
            ),
            "batches": (batches["n_seeds"], {"run": runs}),
        }
        return {
            table: [
                {
                    "parts": [f"{table}/{seed}.csv" for seed in range(n_seeds)],
                    "contract": {"seed": list(range(n_seeds))} | contract,
                }
            ]
            for table, (n_seeds, contract) in contracts.items()
        }

    def one(self, step):
        """How one seed of a step is computed, whatever the number of seeds.

        Parameters
        ----------
        step : str
            Key of the settings.

        Returns
        -------
        settings : dict
        """
        return {key: value for key, value in self.settings[step].items() if key != "n_seeds"}
