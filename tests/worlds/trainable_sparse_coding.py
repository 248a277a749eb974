"""Tables in which networks gain by factorisations in the first layers, or do not."""

import pandas as pd

from common.workflow import papers
from tests.worlds.tables import rows


def spread(seed):
    # Dictionaries differ by factors about 1.
    return 1 + 0.01 * (seed % 3 - 1)


def world(true, scale):
    """Tables in which the paper is right, or wrong about everything."""
    paper = "trainable-sparse-coding"
    datasets = papers.settings(paper, papers.load(paper), scale)["networks"]

    def advantage(dataset, n_layers):
        """Of LISTA over FISTA."""
        if not true:
            return 0.4 + 0.05 * n_layers + (0.3 if dataset.startswith("dense") else 0)
        return 1 + (2 if dataset.startswith("dense") else 4) / n_layers

    def gap(dataset, seed, method, n_layers):
        fista = 0.1 / n_layers
        lista = fista / advantage(dataset, n_layers) * spread(seed)
        ista = 10 * fista if dataset != "adverse" or not true else 1.1 * lista
        facnet = lista * (1.1 if true or dataset != "sparse" else 2.0)
        gaps = {"ista": ista, "fista": fista, "facnet": facnet}
        return {"test": gaps.get(method, lista)}

    def bound(dataset, seed, n_layers):
        promised = 0.8 if true else 1.2
        return {
            "layer": 1,
            "short": promised * spread(seed),
            "ista": 1.0,
            "violated_sharp": 0 if true else 3,
            "random_sharp": 0,
        }

    tables = {"networks": [], "bounds": []}
    for name, one in datasets.items():
        key = {"dataset": [name], "seed": range(one["n_seeds"]), "n_layers": one["depths"]}
        methods = ["ista", "fista", *one["kinds"]]
        tables["networks"].append(rows(gap, **key, method=methods))
        tables["bounds"].append(rows(bound, **key))
    return {name: pd.concat(several, ignore_index=True) for name, several in tables.items()}
