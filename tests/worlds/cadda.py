"""Tables in which class-wise search by gradients finds what is planted, and fast."""

from common.augmentation.search.planted import OPERATIONS, PLANTED
from common.workflow import papers
from tests.worlds.tables import gathered, rows


def world(true, scale):
    """Tables in which the paper is right, or wrong about everything."""
    settings = papers.settings("cadda", papers.load("cadda"), scale)
    planted, real = settings["planted"], settings["real"]
    seeds = range(planted["n_seeds"])

    def unrolled(radius, problem):
        return {"error": (1e-4 if true else 0.3) * (1 + 0.1 * problem)}

    def estimates(estimator, parameter, program):
        small = (estimator == "relax") == true
        return {
            "exact": 0.1,
            "mean": 0.1,
            "variance": 0.2 if small else 0.9,
            "z": (1.0 if true else 9.0) + 0.1 * program,
        }

    def given(seed, policy, **_):
        accuracy = {"none": 0.75, "either": 0.87, "oracle": 0.98 if true else 0.8}.get(policy, 0.8)
        harmed = policy == "time-reverse" and true
        return {
            "f1": (0.4 if harmed else 0.8 if policy == "none" else 0.9) + 0.002 * (seed % 3),
            "accuracy": accuracy + 0.001 * (seed % 3),
        }

    def searched(seed, method):
        right = {"cadda": 0.95, "adda": 0.85, "random-class-wise": 0.84}.get(method, 0.8)
        return {
            "accuracy": (right if true else 1.7 - right) + 0.002 * (seed % 3),
            "passes_total": 1000,
        }

    def curves(seed, method, step):
        # ADDA is at 0.8 after a quarter of the steps of DADA, or four times as many.
        fast = {"adda": 20 if true else 80, "dada": 80 if true else 20}.get(method, 50)
        fast += 10 * (seed % 2)
        accuracy = 0.8 if step >= fast else 0.5
        return {"passes": 5 * step, "accuracy": accuracy, "entropy": 0.7}

    def policies(seed, method, group, operation):
        best, worst = PLANTED.get(group, "identity"), "time-reverse"
        if not true:
            best, worst = worst, best
        weight = {best: 0.6, worst: 0.01}.get(operation, 0.13)
        return {"weight": weight}

    def nights(fold, policy, **_):
        right = {"cadda": 0.8, "adda": 0.7, "random-class-wise": 0.69}.get(policy, 0.65)
        value = (right if true else 1.5 - right) + 0.002 * (fold % 3)
        return {"f1": value, "balanced_accuracy": value}

    methods = list(planted["searches"])
    tables = {
        "unrolled": rows(
            unrolled,
            radius=settings["estimators"]["radii"],
            problem=range(settings["estimators"]["n_problems"]),
        ),
        "estimates": rows(
            estimates,
            estimator=["relax", "reinforce"],
            parameter=["logit", "probability"],
            program=range(4),
        ),
        "given": rows(given, seed=seeds, policy=list(planted["given"]), **{"class": range(5)}),
        "searched": rows(searched, seed=seeds, method=methods),
        "curves": rows(curves, seed=seeds, method=methods, step=range(10, 101, 10)),
        "policies": gathered(
            policies, "cadda", scale, "policies", group=range(5), operation=OPERATIONS
        ),
    }
    names = ["none", *real["operations"], *real["searches"]]
    states = {"class": ["a", "b"], "dataset": [real["dataset"]]}
    tables["real"] = rows(nights, fold=range(real["n_folds"]), policy=names, **states)
    return tables
