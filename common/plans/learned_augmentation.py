"""What the steps of learned augmentation are: what they are passed, and what tables hold."""

__all__ = ["Plan"]


class Plan:
    """Steps of a scale of ``papers/augnet``.

    A method with ``wildcards`` gives an input or a parameter of one job.

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
        rotations, shifts = self.settings["rotations"], self.settings["shifts"]
        capacity, staging = self.settings["capacity"], self.settings["staging"]
        folds = {"dataset": [staging["dataset"]], "fold": _numbers(staging["n_folds"])}
        folds |= {"seed": _numbers(staging["n_seeds"])}
        staged = [f"{fold}.csv" for fold in folds["fold"]]
        groups = {
            "rotations": [
                ([f"rotations/{seed}.csv"], {"seed": [seed], "run": self._runs(seed)})
                for seed in _numbers(rotations["n_seeds"])
            ],
            "shifts": [
                ([f"shifts/{seed}.csv"], {"seed": [seed], "variant": list(shifts["variants"])})
                for seed in _numbers(shifts["n_seeds"])
            ],
            "capacity": [
                (
                    [f"capacity/{trunk}.csv"],
                    {"trunk": [trunk], "seed": _numbers(capacity["n_seeds"])},
                )
                for trunk in capacity["trunks"]
            ],
            "staging": [
                (
                    [f"staging/{part}" for part in staged],
                    folds | {"method": list(staging["methods"])},
                )
            ],
            "policies": [
                (
                    [f"policies/{part}" for part in staged],
                    folds | {"method": list(staging["rewards"])},
                )
            ],
        }
        if self.settings["images"]:
            images = self.settings["cifar"]
            seeds = _numbers(images["n_seeds"])
            parts = [
                f"images/{method}-{seed}.csv" for method in images["methods"] for seed in seeds
            ]
            groups["images"] = [(parts, {"method": images["methods"], "seed": seeds})]
        return {
            table: [{"parts": parts, "contract": contract} for parts, contract in several]
            for table, several in groups.items()
        }

    def rotations(self, wildcards):
        """How pictures are drawn, and the runs of a seed."""
        own = _without(self.settings["rotations"], "n_seeds", "every_seed", "first_seed")
        return own | {"runs": self._runs(int(wildcards.seed))}

    def shifts(self):
        """How sinusoids are drawn, and the variants of the layer.

        Returns
        -------
        settings : dict
        """
        return self.settings["sinusoids"] | _without(self.settings["shifts"], "n_seeds")

    def capacity(self):
        """How perceptrons are trained on sinusoids.

        Returns
        -------
        settings : dict
        """
        return self.settings["sinusoids"] | _without(self.settings["capacity"], "trunks")

    def staging(self):
        """How stages of sleep are learned.

        Returns
        -------
        settings : dict
        """
        return _without(self.settings["staging"], "prepare", "subjects")

    def preparation(self):
        """How windows of sleep are cut.

        Returns
        -------
        settings : dict
        """
        return self.settings["staging"]["prepare"]

    def windows(self):
        """Prepared files of the data set of sleep: one, or one per subject.

        Returns
        -------
        paths : list of str
        """
        staging = self.settings["staging"]
        subjects = staging["subjects"]
        if not subjects:
            return [f"{self.derived}/{staging['dataset']}.npz"]
        return [f"{self.derived}/nights/{subject}.npz" for subject in subjects]

    def images(self):
        """How networks are trained on images; nothing where the scale has none.

        Returns
        -------
        settings : dict
        """
        return _without(self.settings["cifar"], "n_seeds", "methods")

    def _runs(self, seed):
        rotations = self.settings["rotations"]
        return rotations["every_seed"] + (rotations["first_seed"] if seed == 0 else [])


def _numbers(n):
    return list(range(n))


def _without(settings, *names):
    return {name: value for name, value in settings.items() if name not in names}
