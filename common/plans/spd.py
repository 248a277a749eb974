"""What the steps about SPD matrices are: their units, what they are passed, what tables hold."""

__all__ = ["Plan"]


class Plan:
    """Steps of a scale of ``papers/spd-sliced-wasserstein``.

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
        runtime, samples, projections = (
            s[key] for key in ("runtime", "sample_complexity", "projection_complexity")
        )
        ages, adaptation = s["brain_age"], s["adaptation"]
        one_contract = {
            "runtime": (
                [f"runtime/{dim}" for dim in runtime["dims"]],
                {"method": list(runtime["largest"]), "d": runtime["dims"]},
            ),
            "sample-complexity": (
                [f"sample-complexity/{dim}" for dim in samples["dims"]],
                {
                    "method": samples["methods"],
                    "d": samples["dims"],
                    "n": samples["sizes"],
                    "seed": list(range(samples["n_seeds"])),
                },
            ),
            "projection-complexity": (
                [f"projection-complexity/{dim}" for dim in projections["dims"]],
                {
                    "method": projections["methods"],
                    "d": projections["dims"],
                    "n_projections": projections["n_projections"],
                    "seed": list(range(projections["n_seeds"])),
                },
            ),
            "brain-age": (
                [f"brain-age/{method}" for method in ages["methods"]],
                {
                    "method": ages["methods"],
                    "repetition": list(range(ages["n_repetitions"])),
                    "subject": list(range(s["cohort"]["n_subjects"])),
                },
            ),
            "domain-adaptation": (
                [
                    f"adaptation/{task}_{source}_{target}_{mode}"
                    for task, one in adaptation["tasks"].items()
                    for source, target in one["pairs"]
                    for mode in adaptation["modes"]
                ],
                {
                    "task": list(adaptation["tasks"]),
                    "mode": adaptation["modes"],
                    "method": ["no-alignment", *adaptation["methods"]],
                    "seed": list(range(adaptation["n_seeds"])),
                },
            ),
        }
        return {
            table: [{"parts": [f"{part}.csv" for part in parts], "contract": contract}]
            for table, (parts, contract) in one_contract.items()
        }

    def cohort(self):
        """Names of the files that the cohort of brain ages is in."""
        cohort = self.settings["cohort"]
        if cohort["source"] == "simulated":
            return ["simulated"]
        return [f"camcan-{part}" for part in range(cohort["parts"])]

    def dataset(self, wildcards):
        """How the recordings of a data set are prepared."""
        return self.settings["adaptation"]["datasets"][wildcards.dataset]

    def adaptation(self, wildcards):
        """How domains are aligned for a task, in one of the two ways."""
        adaptation = self.settings["adaptation"]
        keys = ("methods", "n_projections", "n_steps", "n_seeds")
        lr = adaptation["tasks"][wildcards.task]["lr"][wildcards.mode]
        return {key: adaptation[key] for key in keys} | {"lr": lr}
