"""What the steps of self-supervised learning are passed, and what their tables hold."""

from common import registry

__all__ = ["Plan"]


class Plan:
    """Steps of a scale of ``papers/s-jepa``.

    A pre-training is named by length and mask, such as ``4s-80``: windows of 4.19 s, and balls as
    wide as 80 % of the head. A method with ``wildcards`` gives an input or a parameter of one job.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    derived : str
        Folder of prepared data.
    results : str
        Folder of results.
    """

    def __init__(self, settings, derived, results):
        self.settings, self.derived, self.results = settings, derived, results

    def tables(self):
        """Gathered tables: groups of parts, and what each group must hold.

        Returns
        -------
        tables : dict of str to list of dict
            ``parts`` (below the folder of results) and ``contract``, see
            `common.report.tables.gather`.
        """
        own = self.settings["pretraining"]
        seeds = list(range(own["n_seeds"]))
        trained = [
            {
                "parts": [f"pretraining/{length}-{mask}.csv"],
                "contract": {"length": [length], "mask": [mask], "seed": seeds},
            }
            for length in own["lengths"]
            for mask in own["masks"]
        ]
        length, mask = own["attention"].split("-")
        shown = [
            {
                "parts": [f"attention/{own['attention']}.csv"],
                "contract": {"length": [length], "mask": [int(mask)], "seed": seeds},
            }
        ]
        scored = [
            {
                "parts": [f"downstream/{paradigm}-{subject}.csv"],
                "contract": {
                    "paradigm": [paradigm],
                    "subject": [subject],
                    "pretraining": self._used(one),
                },
            }
            for paradigm, one in self.settings["downstream"].items()
            for subject in one["subjects"]
        ]
        return {"pretraining": trained, "attention": shown, "downstream": scored}

    def samples(self):
        """How the recordings of packages are cut, and windows simulated.

        Returns
        -------
        settings : dict
        """
        own = self.settings["pretraining"]
        return self.settings["samples"] | {"lengths": own["lengths"]}

    def lee(self, wildcards):
        """How one subject of a paradigm of Lee2019 is cut."""
        settings = self.settings
        subject = int(wildcards.subject)
        role = "downstream"
        for name in ("train", "valid"):
            if subject in settings["lee"][name]:
                role = name
        own = {"role": role, "every": settings["lee"]["every"]}
        own |= {"lengths": settings["pretraining"]["lengths"]}
        return own | settings["lee"]["paradigms"][wildcards.paradigm]

    def receipt(self, wildcards):
        """What says that one subject of a paradigm of Lee2019 was downloaded."""
        return registry.path(f"lee2019-{wildcards.paradigm}", subject=int(wildcards.subject))

    def recordings(self):
        """Prepared windows that the encoders learn from.

        Returns
        -------
        paths : list of str
        """
        lee = self.settings["lee"]
        if not lee:
            return [f"{self.derived}/windows/sample.npz"]
        return [
            f"{self.derived}/windows/{paradigm}-{subject}.npz"
            for paradigm in lee["paradigms"]
            for subject in lee["train"] + lee["valid"]
        ]

    def pretraining(self, wildcards):
        """How the encoders of one length and mask learn, one for each seed."""
        own = self.settings["pretraining"]
        name = f"{wildcards.length}-{wildcards.mask}"
        left = ("lengths", "masks", "n_epochs", "attention", "control")
        chosen = {key: value for key, value in own.items() if key not in left}
        chosen |= {"n_epochs": own["n_epochs"][wildcards.length]}
        chosen |= {"control": own["control"] if name == own["attention"] else 0}
        return chosen | {"shows_attention": name == own["attention"]}

    def encoders(self, wildcards):
        """Encoders that a paradigm needs."""
        used = self._used(self.settings["downstream"][wildcards.paradigm])
        return [f"{self.results}/encoders/{one}.npz" for one in used if one != "none"]

    def examples(self, wildcards):
        """Labelled windows of a subject of a paradigm."""
        return f"{self.derived}/examples/{wildcards.paradigm}-{wildcards.subject}.npz"

    def downstream(self, wildcards):
        """How classifiers of a paradigm are trained."""
        own = self.settings["downstream"][wildcards.paradigm]
        rest = {key: value for key, value in own.items() if key != "subjects"}
        return self.settings["fine_tuning"] | {"size": self.settings["pretraining"]["size"]} | rest

    def _used(self, one):
        return list(dict.fromkeys(name for fit in one["fits"] for name in fit["pretraining"]))
