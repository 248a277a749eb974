"""What the steps about processes in the plane and in time are passed, and their tables."""

__all__ = ["Plan"]


class Plan:
    """Steps of a scale of ``papers/space-time-hawkes``.

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
        psi, quakes = self.settings["psi"], self.settings["ridgecrest"]
        cost = self.settings["cost"]
        return {
            "recovery": [
                _group(
                    [f"recovery/{process}-{size}-{end_time}.csv"],
                    process=[process],
                    size=[size],
                    end_time=[end_time],
                    grid=[_name(grid) for grid in self._grids(one, end_time)],
                    seed=list(range(n_seeds)),
                    borders=["exact"],
                )
                for process, one in self.settings["recovery"].items()
                for size, end_time, n_seeds in one["records"]
            ],
            "cost": [
                _group(
                    ["cost/iteration.csv"],
                    end_time=cost["end_times"],
                    repetition=list(range(cost["n_repetitions"])),
                )
            ],
            "psi": [
                _group(
                    [
                        f"psi/{size}-{end_time}.csv"
                        for size in psi["sizes"]
                        for end_time in psi["end_times"]
                    ],
                    size=psi["sizes"],
                    end_time=psi["end_times"],
                    seed=list(range(psi["n_seeds"])),
                )
            ],
            "ridgecrest": [
                _group(
                    [f"ridgecrest/{cut}.csv" for cut in quakes["cuts"]],
                    cut=list(quakes["cuts"]),
                    space=quakes["space_kernels"],
                    time=quakes["time_kernels"],
                    background=["constant", "decaying"],
                )
            ],
        }

    def recovery(self, wildcards):
        """A process, and how its records are fitted."""
        one = self.settings["recovery"][wildcards.process]
        numbers = {(size, end_time): n_seeds for size, end_time, n_seeds in one["records"]}
        return {
            "process": self.settings["processes"][wildcards.process],
            "length": self.settings["length"],
            "grids": self._grids(one, int(wildcards.end_time)),
            "n_seeds": numbers[int(wildcards.size), int(wildcards.end_time)],
        }

    def _grids(self, one, end_time):
        crossed = self.settings["crossed_grids"] if end_time in one["crossed"] else []
        return [*self.settings["grids"], *crossed]

    def psi(self):
        """A process, and the grid on which its pairs are counted."""
        psi = self.settings["psi"]
        kept = {name: psi[name] for name in ("delta", "n_seeds")}
        process = self.settings["processes"][psi["process"]]
        return kept | {"process": process, "length": self.settings["length"]}

    def cost(self):
        """A process, and how often an iteration on records of its lengths is timed."""
        cost = self.settings["cost"]
        process = self.settings["processes"][cost["process"]]
        return cost | {"process": process, "length": self.settings["length"]}

    def prepare(self):
        """Where earthquakes are kept, and how they are projected."""
        quakes = self.settings["ridgecrest"]
        return {name: quakes[name] for name in ("origin", "half_widths", "duration")}

    def ridgecrest(self, wildcards):
        """How the earthquakes above a magnitude and after a time are fitted."""
        quakes = self.settings["ridgecrest"]
        left = ("cuts", "origin")
        cut = quakes["cuts"][wildcards.cut]
        kept = {name: quakes[name] for name in quakes if name not in left}
        return kept | {"cut": [cut["magnitude"], cut["day"]]}


def _group(parts, **contract):
    return {"parts": parts, "contract": contract}


def _name(grid):
    return "x".join(f"{step:g}" for step in grid)
