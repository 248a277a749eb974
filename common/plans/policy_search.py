"""What the steps of policy search are: what they are passed, and what tables hold."""

__all__ = ["Plan"]


class Plan:
    """Steps of a scale of ``papers/cadda``.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    derived : str
        Folder of prepared data.
    """

    def __init__(self, settings, derived):
        self.settings = settings
        self.derived = derived

    def tables(self):
        """Gathered tables: groups of parts, and what each group must hold.

        Returns
        -------
        tables : dict of str to list of dict
            ``parts`` (below the folder of results) and ``contract``, see
            `common.report.tables.gather`.
        """
        planted, real = self.settings["planted"], self.settings["real"]
        seeds = list(range(planted["n_seeds"]))
        given = {"seed": seeds, "policy": list(planted["given"])}
        searched = {"seed": seeds, "method": list(planted["searches"])}
        folds = {"fold": list(range(real["n_folds"])), "policy": _compared(real)}
        groups = {
            "unrolled": (
                ["estimators/unrolled.csv"],
                {"radius": self.settings["estimators"]["radii"]},
            ),
            "estimates": (["estimators/estimates.csv"], {"estimator": ["relax", "reinforce"]}),
            "given": ([f"given/{seed}.csv" for seed in seeds], given),
            "searched": ([f"searched/{seed}.csv" for seed in seeds], searched),
            "curves": ([f"curves/{seed}.csv" for seed in seeds], searched),
            "policies": ([f"policies/{seed}.csv" for seed in seeds], searched),
            "real": ([f"real/{fold}.csv" for fold in folds["fold"]], folds),
        }
        return {
            table: [{"parts": parts, "contract": contract}]
            for table, (parts, contract) in groups.items()
        }

    def given(self):
        """How planted data are drawn, and policies that are given.

        Returns
        -------
        settings : dict
        """
        return _without(self.settings["planted"], "n_seeds", "searches", "search")

    def searches(self):
        """How planted data are drawn, and searches.

        Returns
        -------
        settings : dict
        """
        return _without(self.settings["planted"], "n_seeds", "given")

    def real(self):
        """How policies are compared on sleep.

        Returns
        -------
        settings : dict
        """
        return _without(self.settings["real"], "subjects")

    def windows(self):
        """Prepared files of the data set of sleep: one, or one per subject.

        Returns
        -------
        paths : list of str
        """
        real = self.settings["real"]
        if not real["subjects"]:
            return [f"{self.derived}/{real['dataset']}.npz"]
        return [f"{self.derived}/nights/{subject}.npz" for subject in real["subjects"]]


def _compared(real):
    """Names of the policies in the table of sleep."""
    return ["none", *real["operations"], *real["searches"]]


def _without(settings, *names):
    return {name: value for name, value in settings.items() if name not in names}
