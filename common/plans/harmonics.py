"""What the steps about phase harmonics are: their units, and what tables hold."""

__all__ = ["MODELS", "Plan"]

MODELS = {"turbulence": ["A", "B", "C", "D"], "gaussian": ["A", "B"]}
"""Models that are fitted to images of each process."""

BESIDE = ["observed", "fresh"]
"""Rows beside the models: the observed image itself, and as many true images as syntheses."""


OF_PROCESS = {
    "turbulence": ["grid", "viscosity", "time", "dt_factor"],
    "gaussian": ["slope", "corner"],
}
"""Settings of fields that one process alone has."""


class Plan:
    """Steps of a scale of ``papers/phase-harmonics``.

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
        images = self.settings["fields"]["images"]
        errors = [
            {
                "parts": [f"errors/{process}-{image}.csv" for image in images],
                "contract": {"process": [process], "image": images, "model": models + BESIDE},
            }
            for process, models in MODELS.items()
        ]
        pictures = self.settings["reconstruction"]["pictures"]
        # How many runs there are depends on the covariances: a group for each.
        psnr = [
            {
                "parts": [f"psnr/{picture}-{dj}.csv" for picture in pictures],
                "contract": {"picture": pictures, "dj": [dj], "run": list(range(n_runs))},
            }
            for dj, n_runs in self._runs()
        ]
        return {"errors": errors, "psnr": psnr}

    def fields(self, wildcards):
        """What is drawn of a process: nothing of the other one.

        Parameters
        ----------
        wildcards : object
            Of the job, with ``process``.

        Returns
        -------
        settings : dict
        """
        others = [
            name
            for process, names in OF_PROCESS.items()
            for name in names
            if process != wildcards.process
        ]
        return {k: value for k, value in self.settings["fields"].items() if k not in others}

    def synthesis(self):
        """How images are synthesised and judged.

        Returns
        -------
        settings : dict
        """
        n_samples = self.settings["fields"]["n_samples"]
        return self.settings["synthesis"] | {"n_samples": n_samples}

    def reconstruction(self, wildcards):
        """How a picture is recovered from one set of covariances.

        Parameters
        ----------
        wildcards : object
            Of the job, with ``dj``.

        Returns
        -------
        settings : dict
            The number of runs is that of this set.
        """
        settings = self.settings["reconstruction"]
        others = ("pictures", "dj", "n_runs")
        kept = {name: value for name, value in settings.items() if name not in others}
        return kept | {"n_runs": dict(self._runs())[int(wildcards.dj)]}

    def _runs(self):
        settings = self.settings["reconstruction"]
        return zip(settings["dj"], settings["n_runs"], strict=True)
