"""What the steps about Hawkes processes are: units, what they are passed, what tables hold."""

from itertools import product

__all__ = ["Plan"]


class Plan:
    """Steps of a scale of ``papers/hawkes-meg``.

    A method with ``wildcards`` gives an input or a parameter of one job.

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
        s = self.settings
        grid, efficiency, likelihood = s["discretization"], s["efficiency"], s["likelihood"]
        nonparametric, lengths = s["nonparametric"], s["kernel_length"]
        latency, kernels = s["latency"]["datasets"], list(s["kernels"])
        sizes = nonparametric["dimension"]["sizes"]
        records = list(range(s["latency"]["recovery"]["n_records"]))
        one_contract = {
            "discretization": (
                _of_kernels(grid),
                {"kernel": grid["kernels"], "T": grid["end_times"], "delta": grid["deltas"]},
            ),
            "efficiency": (
                _of_kernels(efficiency),
                {
                    "kernel": efficiency["kernels"],
                    "method": efficiency["methods"],
                    "T": efficiency["end_times"],
                    "seed": _seeds(efficiency),
                },
            ),
            "nonparametric": (
                nonparametric["end_times"],
                {
                    "method": nonparametric["methods"],
                    "T": nonparametric["end_times"],
                    "seed": _seeds(nonparametric),
                },
            ),
            "dimension": (sizes, {"p": sizes}),
            "likelihood": (
                _of_kernels(likelihood),
                {
                    "kernel": likelihood["kernels"],
                    "criterion": ["fadin", "likelihood"],
                    "delta": likelihood["deltas"],
                    "T": likelihood["end_times"],
                    "seed": _seeds(likelihood),
                },
            ),
            "kernel-length": (
                lengths["end_times"],
                {"T": lengths["end_times"], "W": lengths["lengths"], "seed": _seeds(lengths)},
            ),
            "shapes": (kernels, {"kernel": kernels}),
            "latency": (latency, {"dataset": latency}),
            "recovery": (["driven"], {"record": records, "driver": ["audio", "visual"]}),
        }
        return {
            table: [{"parts": [f"{table}/{part}.csv" for part in parts], "contract": contract}]
            for table, (parts, contract) in one_contract.items()
        }

    def truth(self, wildcards):
        """The process of a kernel with one sort of event."""
        return self.settings["kernels"][wildcards.kernel]

    def shown(self, wildcards):
        """The process on which estimators without a parametric kernel are compared."""
        return self.settings["kernels"][self.settings["nonparametric"]["kernel"]]

    def nonparametric(self):
        """Settings of that comparison that each of its records reads."""
        return self.pick("nonparametric", "kernel", "delta", "n_seeds", "methods", "tick")

    def driven(self):
        """How stimuli and the responses to them are simulated."""
        latency = self.settings["latency"]
        return latency["driven"] | {"support": latency["supports"]["driven"]}

    def recovery(self):
        """How records of stimuli and responses are simulated, and their latencies estimated."""
        latency = self.settings["latency"]
        return self.driven() | latency["recovery"] | {"delta": latency["delta"]}

    def bivariate(self, wildcards):
        """The process of a kernel with two sorts of events."""
        return self.settings["bivariate"][wildcards.kernel]

    def n_seeds(self, wildcards):
        """Records of one length on which the grid is tried."""
        return self.settings["discretization"]["n_seeds"][int(wildcards.end_time)]

    def pick(self, experiment, *keys):
        """Those settings of an experiment that its step reads: others must not rerun it.

        Parameters
        ----------
        experiment : str
        *keys : str
            Names of the settings.

        Returns
        -------
        settings : dict
        """
        return {key: self.settings[experiment][key] for key in keys}

    def recording(self, wildcards):
        """How atoms are learnt from a data set of MNE's."""
        return self.settings["latency"]["mne"][wildcards.dataset]

    def latency(self, wildcards):
        """How the latencies of a data set are estimated, and their intervals."""
        latency = self.settings["latency"]
        lags = {"delta": latency["delta"], "support": latency["supports"][wildcards.dataset]}
        return lags | latency["resampling"]


def _of_kernels(experiment):
    both = product(experiment["kernels"], experiment["end_times"])
    return [f"{kernel}-{end_time}" for kernel, end_time in both]


def _seeds(experiment):
    return list(range(experiment["n_seeds"]))
