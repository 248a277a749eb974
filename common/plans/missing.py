"""What the steps about missing values are: what they are passed, and what tables hold."""

__all__ = ["Plan"]


class Plan:
    """Steps of a scale of ``papers/neumiss``.

    A method with ``wildcards`` gives a parameter of one job.

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
        redrawn, real = self.settings["redrawn"], self.settings["real"]
        # What the figures draw, which is a small part of the work at the paper's scale, is a table.
        datasets = self.settings["datasets"]
        smallest = min((one["d"], n) for one in datasets.values() for n in one["n_train"])
        groups = {name: [] for name in self.settings["accuracy_tables"]}
        for name, one in datasets.items():
            for n in one["n_train"]:
                drawn = (one["d"], n) == smallest
                groups["accuracy" if drawn else "accuracy-larger"].append(
                    (
                        [f"accuracy/{name}-{n}-{seed}.csv" for seed in _numbers(one["n_seeds"])],
                        {"dataset": [name], "n": [n], "seed": _numbers(one["n_seeds"])}
                        | {"run": self.runs(one)},
                    )
                )
        groups |= {
            "redrawn": [
                (
                    ["redrawn/mar.csv"],
                    {
                        "drawn": ["once", "each block"],
                        "n": redrawn["n_train"],
                        "seed": _numbers(redrawn["n_seeds"]),
                    },
                )
            ],
            "real": [
                (
                    [f"real/{name}.csv"],
                    {
                        "dataset": [name],
                        "mechanism": real["mechanisms"],
                        "split": _numbers(real["n_splits"]),
                        "method": real["methods"],
                    },
                )
                for name in real["datasets"]
            ],
        }
        return {
            table: [{"parts": parts, "contract": contract} for parts, contract in several]
            for table, several in groups.items()
        }

    @staticmethod
    def runs(dataset):
        """Names of what is fitted to one problem: a method, and its size where it has one.

        Parameters
        ----------
        dataset : dict
            Of ``datasets``.

        Returns
        -------
        runs : list of str
        """
        sizes = {method: dataset[f"{method}_sizes"] for method in ("analytic", "neumiss", "mlp")}
        return dataset["methods"] + [f"{name} {size}" for name in sizes for size in sizes[name]]

    def accuracy(self, wildcards):
        """How problems are drawn and what is fitted to them, whatever the numbers of seeds."""
        own = self.settings["datasets"][wildcards.dataset]
        own = {name: value for name, value in own.items() if name not in ("n_seeds", "n_train")}
        return self.settings["problems"] | own

    def redrawn(self):
        """How the mechanism is drawn anew for blocks of rows.

        Returns
        -------
        settings : dict
        """
        problems = self.settings["problems"]
        return {name: problems[name] for name in ("rate", "n_test")} | self.settings["redrawn"]

    def real(self):
        """How real tables are made incomplete and what is fitted to them.

        Returns
        -------
        settings : dict
        """
        return {name: value for name, value in self.settings["real"].items() if name != "datasets"}


def _numbers(n):
    return list(range(n))
