"""What the steps about posteriors by simulation are: what they are passed, what tables hold."""

__all__ = ["Plan"]


class Plan:
    """Steps of a scale of ``papers/hnpe``.

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
        toy, neural, eeg = (self.settings[name] for name in ("toy", "jansen-rit", "eeg"))
        truths, observations = _numbers(len(toy["truths"])), _numbers(toy["n_observations"])
        groups = {"toy": []}
        for seed in _numbers(toy["n_seeds"]):
            numbers = self._numbers_of(seed)
            levels = {"seed": [seed], "truth": truths, "observation": observations}
            levels |= {"n_observations": sorted(set().union(*numbers.values()))}
            groups["toy"].append((f"toy/{seed}.csv", levels))
        # Checks and samples are those of the first seed, which has all numbers of observations.
        groups["toy-checks"] = [
            ("toy-checks/0.csv", {"check": ["margin alpha", "margin beta", "rank beta"]})
        ]
        groups["toy-samples"] = [("toy-samples/0.csv", {"n_observations": toy["shown"]})]
        states = {"state": ["open", "closed"], "block": _numbers(eeg["n_blocks"])}
        groups["jansen-rit"] = [
            (
                "jansen-rit/posterior.csv",
                {
                    "method": neural["methods"],
                    "n_observations": neural["n_extra"],
                    "parameter": list(neural["prior"]),
                },
            )
        ]
        groups["jansen-rit-samples"] = [
            ("jansen-rit-samples/posterior.csv", {"n_observations": neural["n_extra"]})
        ]
        groups["eeg-spectra"] = [("eeg-spectra/states.csv", states)]
        groups["eeg-samples"] = [("eeg-samples/states.csv", states)]
        return {
            table: [{"parts": [part], "contract": contract} for part, contract in several]
            for table, several in groups.items()
        }

    def toy(self, wildcards):
        """How one seed of the toy model is trained and judged."""
        toy = self.settings["toy"]
        own = {
            name: value for name, value in toy.items() if name not in ("n_seeds", "first", "others")
        }
        return own | {"n_extra": self._numbers_of(int(wildcards.seed))}

    def simulate(self):
        """What is simulated of the Jansen-Rit model.

        Returns
        -------
        settings : dict
        """
        neural, eeg = self.settings["jansen-rit"], self.settings["eeg"]
        own = {name: neural[name] for name in ("prior", "truths", "simulations")}
        return own | {"n_segments": eeg["block"]}

    def jansen_rit(self):
        """How posteriors of the Jansen-Rit model are learned and judged.

        Returns
        -------
        settings : dict
        """
        neural = self.settings["jansen-rit"]
        return {name: value for name, value in neural.items() if name != "simulations"}

    def eeg(self):
        """How posteriors for EEG are learned.

        Returns
        -------
        settings : dict
        """
        return self.settings["eeg"] | {"prior": self.settings["jansen-rit"]["prior"]}

    def _numbers_of(self, seed):
        toy = self.settings["toy"]
        return toy["others" if seed else "first"]


def _numbers(n):
    return list(range(n))
