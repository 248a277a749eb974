"""What the steps of the study of augmentations are: inputs, fits, and what tables hold."""

from common.augmentation import plan

__all__ = ["Plan"]


class Plan:
    """Steps of a scale of ``papers/eeg-augmentation``.

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
        self.jobs = plan.jobs(settings)

    def tables(self):
        """Gathered tables: groups of parts, and what each group must hold.

        Returns
        -------
        tables : dict of str to list of dict
            ``parts`` (below the folder of results) and ``contract``, see
            `common.report.tables.gather`.
        """
        sources = {
            "curves": ("scores", "curves"),
            "class-scores": ("class-scores", "curves"),
            "search": ("scores", "search"),
        }
        return {
            table: [
                {"parts": self._parts(folder, experiment, dataset), "contract": contract}
                for dataset, contract in plan.contracts(self.settings, experiment).items()
            ]
            for table, (folder, experiment) in sources.items()
        }

    def preparation(self, dataset):
        """How a data set is prepared; nothing where the scale does not have it.

        Parameters
        ----------
        dataset : str

        Returns
        -------
        settings : dict
        """
        return self.settings["datasets"].get(dataset, {}).get("prepare", {})

    def nights(self):
        """Files with the nights of the data set of sleep."""
        subjects = self.preparation("sleep-physionet").get("subjects", [])
        return [f"{self.derived}/nights/{subject}.npz" for subject in subjects]

    def night(self):
        """How one night is prepared."""
        return {key: self.preparation("sleep-physionet").get(key) for key in ("length", "high")}

    def aeon(self, wildcards):
        """How a data set of aeon's is prepared."""
        return self.preparation(wildcards.dataset)

    def windows(self, wildcards):
        """Prepared files that a job needs: one, or one per fold where folds are subjects."""
        dataset = wildcards.dataset
        if self.settings["datasets"][dataset]["source"] == "moabb":
            folds = self._job(wildcards)["folds"]
            return [f"{self.derived}/{dataset}/{fold}.npz" for fold in folds]
        return [f"{self.derived}/{dataset}.npz"]

    def fits(self, wildcards):
        """Fits of a job."""
        return plan.fits(self._job(wildcards), self.settings)

    def training(self, wildcards):
        """Settings of a data set that training reads: others must not rerun it."""
        keys = ("task", "split", "n_folds", "training", "network", "scale", "keep_hits")
        return {key: self.settings["datasets"][wildcards.dataset][key] for key in keys}

    def _job(self, wildcards):
        return self.jobs[f"{wildcards.experiment}/{wildcards.dataset}/{wildcards.part}"]

    def _parts(self, folder, experiment, dataset):
        return [
            f"{folder}/{name}.csv"
            for name, job in self.jobs.items()
            if (job["experiment"], job["dataset"]) == (experiment, dataset)
        ]
