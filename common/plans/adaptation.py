"""What the steps of domain adaptation are: their units, what they read and what they are passed."""

from common import registry
from common.adaptation import catalogue

__all__ = ["Plan"]


class Plan:
    """Steps of a scale of ``papers/skada-bench``.

    A method with ``wildcards`` gives an input or a parameter of one job.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    results : str
        Folder of the results.
    """

    def __init__(self, settings, results):
        self.settings = settings
        self.results = results
        self.datasets = settings["datasets"]
        self.methods = catalogue.load()

    def raw(self, wildcards):
        """Files that a data set is made of."""
        return [registry.path(name) for name in self.datasets[wildcards.dataset]["raw"]]

    def preparation(self, wildcards):
        """Settings that preparing a data set reads: others must not rerun it."""
        keys = ("units", "seeds", "n_samples")
        return {key: self.datasets[wildcards.dataset][key] for key in keys}

    def specification(self, wildcards):
        """Entry of a method in the catalogue, with the data set's limit on training samples."""
        entry = self.methods[wildcards.method]
        limits = self.datasets[wildcards.dataset].get("subsample_of", {})
        if wildcards.method in limits:
            return {**entry, "subsample": limits[wildcards.method]}
        return entry

    def shifts(self, wildcards):
        """Shifts of one unit of a data set, which one job fits."""
        return self.datasets[wildcards.dataset]["units"][wildcards.unit]

    def all_shifts(self, wildcards):
        """Shifts of all units of a data set."""
        return [
            shift for unit in self.datasets[wildcards.dataset]["units"].values() for shift in unit
        ]

    def all_methods(self, wildcards):
        """Methods that are fitted on a data set."""
        return self.datasets[wildcards.dataset]["methods"]

    def classifier(self, wildcards):
        """Base classifier of a data set."""
        return self.datasets[wildcards.dataset]["classifier"]

    def svc(self, wildcards):
        """Base classifier of the methods that need a kernel machine."""
        return self.datasets[wildcards.dataset]["svc"]

    def n_outer(self, wildcards):
        """Splits into training and test, fewer for some methods."""
        one = self.datasets[wildcards.dataset]
        return one["n_outer_of"].get(wildcards.method, one["n_outer"])

    def evaluations(self, wildcards):
        """Files of all fits on a data set."""
        one = self.datasets[wildcards.dataset]
        return [
            f"{self.results}/fits/{wildcards.dataset}/{unit}/{method}.npz"
            for unit in one["units"]
            for method in one["methods"]
        ]

    def timings(self):
        """Files with the times of all fits on all data sets."""
        return [
            f"{self.results}/fits/{dataset}/{unit}/{method}.csv"
            for dataset, one in self.datasets.items()
            for unit in one["units"]
            for method in one["methods"]
        ]

    def fitted(self):
        """Methods by data set, for the contract of the tables."""
        return {dataset: one["methods"] for dataset, one in self.datasets.items()}

    def deep_receipt(self, wildcards):
        """What says that a subject's recording is there."""
        return (
            f"data/raw/{self.settings['deep'][wildcards.dataset]['data']}-{wildcards.subject}.json"
        )

    def network(self, wildcards):
        """Network that is trained on a data set."""
        return self.settings["deep"][wildcards.dataset]["network"]

    def deep_evaluations(self, wildcards):
        """Files of all deep fits on a data set."""
        one = self.settings["deep"][wildcards.dataset]
        return [
            f"{self.results}/deep/{wildcards.dataset}/{subject}/{method}.npz"
            for subject in one["subjects"]
            for method in one["methods"]
        ]

    def deep_shifts(self, wildcards):
        """Subjects of a data set, each the target once."""
        return list(map(str, self.settings["deep"][wildcards.dataset]["subjects"]))

    def deep_methods(self, wildcards):
        """Deep methods that are trained on a data set."""
        return self.settings["deep"][wildcards.dataset]["methods"]

    def deep_scorers(self, wildcards):
        """Scorers that judge deep methods on a data set."""
        return self.settings["deep"][wildcards.dataset]["scorers"]
