"""What the steps about gradients of minima are: what they are passed, what tables hold."""

__all__ = ["Plan"]


class Plan:
    """Steps of a scale of ``papers/super-efficiency``.

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
        s = self.settings
        problems, datasets = s["gradients"]["problems"], s["barycenters"]["datasets"]
        floors, decay, jacobian = s["sgd"]["floors"], s["sgd"]["decay"], s["jacobian"]
        # Kinds of problems and data sets have numbers of draws of their own: a group each.
        groups = {
            table: [
                (f"{table}/{name}", {"problem": [name], "seed": _numbers(one["n_seeds"])})
                for name, one in problems.items()
            ]
            for table in ("gradients", "rates")
        }
        groups["sgd-floors"] = [
            (
                "sgd-floors/logistic",
                {
                    "step": floors["steps"],
                    "problem": _numbers(floors["n_problems"]),
                    "repetition": _numbers(floors["n_repetitions"]),
                },
            )
        ]
        groups["sgd-decay"] = [
            (
                "sgd-decay/logistic",
                {
                    "reg": decay["regs"],
                    "problem": _numbers(decay["n_problems"]),
                    "repetition": _numbers(decay["n_repetitions"]),
                    "iteration": [1, decay["n_iter"]],
                },
            )
        ]
        for table in ("jacobian", "jacobian-rates"):
            groups[table] = [(f"{table}/logistic", {"seed": _numbers(jacobian["n_seeds"])})]
        inner = {
            "gradient": ["analytic", "automatic"],
            "n_inner": s["barycenters"]["descent"]["n_inner"],
        }
        for table, also in {
            "barycenter": inner,
            "barycenter-curves": inner,
            "barycenter-weights": {"kind": ["first", "mean", "barycentre"]},
        }.items():
            groups[table] = [
                (
                    f"{table}/{name}",
                    {
                        "dataset": [name],
                        "unit": [0] if table.endswith("curves") else _numbers(one["n_units"]),
                    }
                    | also,
                )
                for name, one in datasets.items()
            ]
        return {
            table: [{"parts": [f"{part}.csv"], "contract": contract} for part, contract in several]
            for table, several in groups.items()
        }

    def problem(self, wildcards):
        """How problems of a kind are drawn, solved and judged."""
        gradients = self.settings["gradients"]
        return gradients["problems"][wildcards.problem] | {"n_kept": gradients["n_kept"]}

    def barycenter(self, wildcards):
        """Which distributions have barycentres, and how these are computed."""
        barycenters = self.settings["barycenters"]
        return barycenters["descent"] | barycenters["datasets"][wildcards.dataset]


def _numbers(n):
    return list(range(n))
