"""Tables in which the claims about sliced Wasserstein distances of SPD matrices hold, or fail."""

from common.workflow import papers
from tests.worlds.tables import rows


def world(true, scale):
    """Tables in which SPDSW is all that its paper says, or nothing of it."""
    paper = papers.load("spd-sliced-wasserstein")
    settings = papers.settings("spd-sliced-wasserstein", paper, scale)
    fast, rate, monte_carlo = (1.0, -1.0, -0.5) if true else (2.5, -0.3, -0.1)

    def spread(seed):
        # Seeds differ by factors about 1, the same for all methods and sizes.
        return 1 + 0.01 * (seed % 3 - 1)

    def seconds(method, n, d, seed):
        power = fast if method != "lew" else (3.0 if true else 1.0)
        return {"n_projections": 200, "seconds": 1e-7 * n**power * spread(seed)}

    def distance(method, d, n, seed):
        power = {("spdsw", 2): -1.0, ("spdsw", 50): rate, ("lew", 2): -1.0}
        lew = -0.3 if true else -1.0
        return {"squared_distance": n ** power.get((method, d), lew) * spread(seed)}

    def error(method, d, n_projections, seed):
        return {"error": n_projections**monte_carlo * spread(seed)}

    def age(method, repetition, subject):
        good, bad = (6.0, 9.0) if true else (9.0, 6.0)
        off = {"spdsw": good, "logsw": good + 0.2 if true else bad}.get(method, bad)
        truth = 20.0 + subject % 60
        prediction = truth + off + 0.1 * (subject % 3)
        return {"fold": subject % 10, "age": truth, "prediction": prediction}

    def adapted(unit, mode, method, seed):
        task, source, target, recording = unit
        accuracy = {"no-alignment": 0.6, "spdsw": 0.8 if true else 0.4}.get(method, 0.7)
        # Subjects and recordings differ a little in what SPDSW gains.
        accuracy += 0.01 * (int(target == pairs[task][0][1]) + recording % 2) * (method == "spdsw")
        right = round(400 * accuracy)
        return {
            "task": task,
            "source": source,
            "target": target,
            "n_classes": 2,
            "seconds": 1.0,
            "recording": recording,
            "n_test": 400,
            "right": right,
            "gained": max(right - 240, 0),
            "lost": max(240 - right, 0),
        }

    runtime, samples = settings["runtime"], settings["sample_complexity"]
    projections, cohort = settings["projection_complexity"], settings["cohort"]
    brain_age, adaptation = settings["brain_age"], settings["adaptation"]
    pairs = {task: given["pairs"] for task, given in adaptation["tasks"].items()}
    units = [
        (task, *pair, recording)
        for task in pairs
        for pair in pairs[task]
        for recording in range(8 if task == "blinks" else 1)
    ]
    times = rows(
        seconds,
        method=runtime["largest"],
        n=runtime["sizes"],
        d=runtime["dims"],
        seed=range(runtime["n_seeds"]),
    )
    return {
        "runtime": times[times["n"] <= times["method"].map(runtime["largest"])],
        "sample-complexity": rows(
            distance,
            method=samples["methods"],
            d=samples["dims"],
            n=samples["sizes"],
            seed=range(samples["n_seeds"]),
        ),
        "projection-complexity": rows(
            error,
            method=projections["methods"],
            d=projections["dims"],
            n_projections=projections["n_projections"],
            seed=range(projections["n_seeds"]),
        ),
        "brain-age": rows(
            age,
            method=brain_age["methods"],
            repetition=range(brain_age["n_repetitions"]),
            subject=range(cohort["n_subjects"]),
        ),
        "domain-adaptation": rows(
            adapted,
            unit=units,
            mode=adaptation["modes"],
            method=["no-alignment", *adaptation["methods"]],
            seed=range(adaptation["n_seeds"]),
        ).drop(columns="unit"),
    }
