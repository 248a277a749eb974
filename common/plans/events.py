"""What the steps about events are: their units, what they read and what they are passed."""

__all__ = ["ABLATION", "Plan"]

ABLATION = "ablation-"
"""What the name of an ablation begins with; the rest is its variant."""


class Plan:
    """Steps of a scale of ``papers/dance``.

    A method with ``wildcards`` gives an input or a parameter of one job.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    derived, results : str
        Folders of prepared data and of results.
    """

    def __init__(self, settings, derived, results):
        self.settings = settings
        self.datasets = settings["datasets"]
        self.ablations = settings["ablations"]
        self.derived = derived
        self.results = results

    def files(self, kind):
        """Files of one kind that all trainings of the scale write.

        Parameters
        ----------
        kind : {"detections", "scores", "durations"}

        Returns
        -------
        files : list of str
        """
        units = [
            f"{dataset}/{method}-{fold}-{seed}"
            for dataset, one in self.datasets.items()
            for method in one["methods"]
            for fold in one["folds"]
            for seed in one["seeds"]
        ]
        units += [
            f"{self.ablations['dataset']}/{ABLATION}{variant}-{fold}-{seed}"
            for variant in self.ablations["variants"]
            for fold in self.ablations["folds"]
            for seed in self.ablations["seeds"]
        ]
        return [f"{self.results}/{kind}/{unit}.csv" for unit in units]

    def contract(self):
        """What the tables must hold, by data set."""
        keys = ("methods", "folds", "seeds")
        return {name: {key: one[key] for key in keys} for name, one in self.datasets.items()}

    def preparation(self, dataset, *keys):
        """Settings that preparing a data set reads; none where the scale does not have it.

        Parameters
        ----------
        dataset : str
        *keys : str
            Names of the settings.

        Returns
        -------
        settings : dict
        """
        return {key: self.datasets[dataset][key] for key in keys if dataset in self.datasets}

    def sampling(self, wildcards):
        """How a data set of MOABB's is prepared."""
        return self.preparation(wildcards.dataset, "sfreq")

    def windowing(self, wildcards):
        """How the recordings of seizures are prepared."""
        return self.preparation(wildcards.dataset, "sfreq", "window")

    def receipt(self, wildcards):
        """What says that a subject's recording is there."""
        name = wildcards.dataset.lower().replace("_", "-")
        return f"data/raw/{name}-{wildcards.subject}.json"

    def recordings(self, wildcards):
        """Prepared files of a data set."""
        dataset = wildcards.dataset
        source, subjects = (self.datasets[dataset][key] for key in ("source", "subjects"))
        parts = {
            "moabb": [f"{dataset}/{subject}" for subject in range(1, (subjects or 0) + 1)],
            "tusz": [f"{dataset}/{split}" for split in ("train", "dev", "eval")],
        }.get(source, [dataset])
        return [f"{self.derived}/{part}.npz" for part in parts]

    def encoder_stages(self, wildcards):
        """Stages of the encoder's own training; none for initial weights."""
        return self.datasets[wildcards.dataset]["encoder"] if wildcards.start == "trained" else []

    def encoder(self, wildcards):
        """Settings of a data set that training an encoder reads: others must not rerun it."""
        return self.preparation(wildcards.dataset, "split", "policy", "sampler")

    def weights(self, wildcards):
        """Encoder that a training starts from."""
        start, window = self.option(wildcards, "start") or "trained", self.window(wildcards)
        name = f"{wildcards.dataset}-{start}-{window}-{wildcards.fold}-{wildcards.seed}"
        return f"{self.results}/encoders/{name}.npz"

    def option(self, wildcards, key):
        """A setting of a training: an ablation's variant first, the ablations', the data set's.

        Parameters
        ----------
        wildcards : snakemake.io.Wildcards
            With ``dataset`` and ``method``.
        key : str
            Name of the setting.

        Returns
        -------
        value : object
            None where none of them has it.
        """
        mine = self.datasets[wildcards.dataset]
        if not wildcards.method.startswith(ABLATION):
            return mine.get(key)
        variant = self.ablations["variants"][wildcards.method.removeprefix(ABLATION)]
        return variant.get(key, self.ablations.get(key, mine.get(key)))

    def window(self, wildcards):
        """Length of a window, in s."""
        return self.option(wildcards, "window")

    def stride(self, wildcards):
        """Time from one window to the next, in s."""
        return self.option(wildcards, "stride")

    def n_queries(self, wildcards):
        """Number of learned queries, the most events that a window can have."""
        return self.option(wildcards, "n_queries")

    def encoder_queries(self, wildcards):
        """Number of queries of the network whose encoder is trained."""
        return self.datasets[wildcards.dataset]["n_queries"]

    def stages(self, wildcards):
        """Stages of a training."""
        stages = self.option(wildcards, "stages")
        return stages if wildcards.method.startswith(ABLATION) else stages[wildcards.method]

    def terms(self, wildcards):
        """Terms of the loss that differ from the paper's."""
        return self.option(wildcards, "terms") or {}

    def decodings(self, wildcards):
        """Other ways to read the answers of the reference: DANCE, if no other is trained."""
        trained = "reference" in self.ablations["variants"]
        reference = f"{ABLATION}reference" if trained else "dance"
        mine = (wildcards.dataset, wildcards.method) == (self.ablations["dataset"], reference)
        return self.ablations["decodings"] if mine else {}

    def training(self, wildcards):
        """Settings of a data set that training reads: others must not rerun it."""
        keys = ("split", "policy", "sampler", "overlap", "minimum", "minimum_agreement")
        return self.preparation(wildcards.dataset, *keys, "exclusive")

    def baseline(self, wildcards):
        """Settings of a data set that the classifiers of windows read."""
        return self.preparation(wildcards.dataset, "split", "minimum", "classifier")

    def rate(self, wildcards):
        """Tokens per second, at which samples are scored, in Hz."""
        return self.settings["network"]["architecture"]["num_latents"] / self.window(wildcards)
