"""Tables in which AugNet learns every range and its invariance does not depend on the trunk."""

import numpy as np

from common.workflow import papers
from tests.worlds.tables import rows

OPERATIONS = ["translate-x", "translate-y", "rotate", "shear-x", "shear-y"]
TRUNKS = ["1,1", "2,1", "2,2", "2,3"]


def world(true, scale):
    """Tables in which the paper is right, or wrong about everything."""
    settings = papers.settings("augnet", papers.load("augnet"), scale)

    def rotations(seed, run, step, operation):
        right = {"augnet": 1.02, "no-penalty": 0.01, "neither": 0.49}.get(run, 1.0)
        wrong = {"augnet": 0.2, "no-penalty": 0.9, "neither": 0.02}.get(run, 0.5)
        chosen = operation == ("rotate" if true else "shear-x")
        return {
            "weight": 0.96 if chosen else 0.01,
            "half_width": (right if true else wrong) + 0.001 * seed,
        }

    def shifts(seed, variant, epoch, operation):
        alone = 0.49 + 0.01 * (seed % 3) if true else 1.5 + 0.01 * (seed % 3)
        half = operation == "frequency-shift" or seed % 2 == 0
        killed = true and variant == "three-clamp" and half
        return {
            "weight": 0.99 if true == (operation == "frequency-shift") else 0.005,
            "magnitude": 0.0 if killed else alone / 2,
            "half_width": alone,
        }

    def capacity(trunk, method, n_copies, seed):
        place = TRUNKS.index(trunk) / 3
        steep = (method == "oracle") == true and method != "none"
        invariance = 0.4 + 0.5 * place if steep else 0.95
        accuracy = {"augnet": 0.7, "oracle": 0.6, "none": 0.5}[method]
        if not true:
            accuracy = 1.2 - accuracy
        # The control: as many copies do not help the oracle, or help it more.
        if (method, n_copies) == ("oracle", 10) and not true:
            accuracy = 0.8
        return {
            "invariance": invariance + 0.001 * (seed % 4),
            "accuracy": accuracy + 0.002 * np.cos(seed + 3 * n_copies),
            "half_width": 0.5,
        }

    def images(method, seed):
        right = {"none": 0.866, "fixed": 0.936, "augerino": 0.916, "augnet": 0.932}
        wrong = {"none": 0.9, "fixed": 0.93, "augerino": 0.92, "augnet": 0.8}
        return {"accuracy": (right if true else wrong)[method] + 0.0005 * (seed % 3)}

    steps = {"step": [0, 1580], "operation": OPERATIONS}
    seeds = range(settings["rotations"]["n_seeds"])
    runs = settings["rotations"]["every_seed"] + settings["rotations"]["first_seed"]
    several = {
        "seed": range(settings["shifts"]["n_seeds"]),
        "variant": list(settings["shifts"]["variants"]),
        "epoch": range(21),
        "operation": ["frequency-shift", "ft-surrogate"],
    }
    tables = {
        "rotations": rows(rotations, seed=seeds, run=runs, **steps),
        "shifts": rows(shifts, **several),
        "capacity": rows(
            capacity,
            trunk=TRUNKS,
            method=["none", "oracle", "augnet"],
            n_copies=[0, 1, 10],
            seed=range(settings["capacity"]["n_seeds"]),
        ),
    }
    if settings["images"]:
        cifar = settings["cifar"]
        tables["images"] = rows(images, method=cifar["methods"], seed=range(cifar["n_seeds"]))
    return tables
