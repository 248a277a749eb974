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

    def frames(self):
        """What one draw of frames depends on, which is not how they are compared.

        Returns
        -------
        settings : dict
        """
        names = ("n_channels", "n_frames", "n_components", "realisations")
        return {name: self.settings["composite"][name] for name in names}

    def comparison(self):
        """How the methods are compared on one draw, however many draws there are.

        Returns
        -------
        settings : dict
        """
        return {k: value for k, value in self.settings["composite"].items() if k != "n_draws"}

    def notes(self):
        """How the methods are compared on one signal, however many signals there are.

        Returns
        -------
        settings : dict
        """
        others = ("realisations", "n_signals", "shown")
        return {k: value for k, value in self.settings["notes"].items() if k not in others}

    @staticmethod
    def _cases(notes):
        return zip(notes["realisations"], notes["n_signals"], strict=True)
