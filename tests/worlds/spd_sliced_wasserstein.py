"""Tables in which the claims about sliced Wasserstein distances of SPD matrices hold, or fail."""

import numpy as np

from tests.worlds.tables import rows


def world(true, scale):
    """Tables in which SPDSW is all that its paper says, or nothing of it."""
    fast, rate, monte_carlo = (1.0, -1.0, -0.5) if true else (2.5, -0.3, -0.1)

    def spread(seed):
        # Seeds differ by factors about 1, the same for all methods and sizes.
        return 1 + 0.01 * (seed - 1)

    def seconds(method, n, d, seed):
        power = fast if method != "lew" else (3.0 if true else 1.0)
        return {"seconds": 1e-7 * n**power * spread(seed)}

    def distance(method, d, n, seed):
        power = {("spdsw", 2): -1.0, ("spdsw", 50): rate, ("lew", 2): -1.0}
        lew = -0.3 if true else -1.0
        return {"squared_distance": n ** power.get((method, d), lew) * spread(seed)}

    def error(method, d, n_projections, seed):
        return {"error": n_projections**monte_carlo * spread(seed)}

    def age(method, repetition, subject):
        off = {"spdsw": 6.0, "logsw": 6.2, "sw": 9.0} if true else {"spdsw": 9, "logsw": 6, "sw": 6}
        truth = 40.0 + subject
        return {
            "fold": subject % 5,
            "age": truth,
            "prediction": truth + off[method] + 0.1 * (subject % 3),
        }

    def adapted(task, subject, mode, method, seed):
        accuracy = {"no-alignment": 0.6, "lew": 0.7, "spdsw": 0.8 if true else 0.4}[method]
        accuracy += 0.001 * subject * (method == "spdsw")
        difference = round(400 * (accuracy - 0.6))
        return {
            "source": f"{subject}-train",
            "target": f"{subject}-test",
            "n_test": 400,
            "n_classes": 2,
            "accuracy": accuracy,
            "gained": max(difference, 0),
            "lost": max(-difference, 0),
            "seconds": 1.0,
        }

    sizes = [100, 316, 1000, 3162] if scale == "embedded" else [100, 1000, 10_000, 100_000]
    tasks = ["blinks", "movement"] if scale == "embedded" else ["session", "subject"]
    seeds = range(3)
    return {
        "runtime": rows(
            seconds, method=["spdsw", "logsw", "hspdsw", "lew"], n=sizes, d=[2, 20], seed=seeds
        ),
        "sample-complexity": rows(
            distance, method=["spdsw", "lew"], d=[2, 50], n=[10, 32, 100, 316], seed=range(10)
        ),
        "projection-complexity": rows(
            error, method=["spdsw"], d=[2, 20], n_projections=[1, 10, 100], seed=range(10)
        ),
        "brain-age": rows(
            age, method=["spdsw", "logsw", "sw"], repetition=[0], subject=np.arange(60)
        ),
        "domain-adaptation": rows(
            adapted,
            task=tasks,
            subject=np.arange(1, 10),
            mode=["particles", "transformation"],
            method=["no-alignment", "lew", "spdsw"],
            seed=seeds,
        ),
    }
