"""What the steps about transforms and factorisations are: their units, and what tables hold."""

__all__ = ["Plan"]

METHODS = ["jd-nmf", "tl-nmf"]


class Plan:
    """Steps of a scale of ``papers/tl-nmf``.

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
        composite, notes = self.settings["composite"], self.settings["notes"]
        draws = list(range(composite["n_draws"]))
        of_draw = {"n_realisations": composite["realisations"], "draw": draws}
        starts = {"kind": ["random", "other"], "start": list(range(composite["n_starts"]))}
        one_group = {
            "composite": ([f"composite/{draw}.csv" for draw in draws], of_draw),
            "starts": (
                [f"composite/starts-{draw}.csv" for draw in draws],
                of_draw | {"method": METHODS} | starts,
            ),
        }
        tables = {
            table: [{"parts": parts, "contract": contract}]
            for table, (parts, contract) in one_group.items()
        }
        # How many signals there are depends on the number of realisations: a group for each.
        tables["notes"], tables["atoms"] = [], []
        for n_realisations, n_signals in self._cases(notes):
            signals = list(range(n_signals))
            contract = {"n_realisations": [n_realisations], "signal": signals}
            atoms = {"method": METHODS, "rank": list(range(notes["n_atoms"]))}
            for table, name, levels in (
                ("notes", "", contract),
                ("atoms", "atoms-", contract | atoms),
            ):
                parts = [f"notes/{name}{n_realisations}-{signal}.csv" for signal in signals]
                tables[table].append({"parts": parts, "contract": levels})
        return tables

    @staticmethod
    def _cases(notes):
        return zip(notes["realisations"], notes["n_signals"], strict=True)

    def signals(self):
        """Names of the jobs on notes: number of realisations and signal.

        Returns
        -------
        names : list of str
        """
        return [
            f"{n_realisations}-{signal}"
            for n_realisations, n_signals in self._cases(self.settings["notes"])
            for signal in range(n_signals)
        ]
