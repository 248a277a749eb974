"""Tables in which the claims about nystagmus beside a trend hold, or fail."""

from common.workflow import papers
from tests.worlds.tables import rows


def world(true, scale):
    """Tables in which the term for gaze is all that the paper says, or nothing of it."""
    settings = papers.settings("nystagmus-csc", papers.load("nystagmus-csc"), scale)
    one = settings["separation"]

    def scores(seed, kind, sigma, method):
        good = (method in ("joint", "oracle")) == true
        quick = 0.2 if (kind == "jerk") == true else 0.9
        spread = 1 + 0.01 * (seed % 3 - 1)
        return {
            "recovery": (0.95 if good else 0.6) * spread,
            "asymmetry": quick * spread,
            "gaze_rmse": (0.3 if good else 1.0) * spread,
            "quick_share": 0.1 if good else 0.9,
            "onset_f1": 0.9 if good else 0.3,
            "n_iter": 15,
        }

    return {
        "scores": rows(
            scores,
            seed=range(one["n_seeds"]),
            kind=one["kinds"],
            sigma=one["sigmas"],
            method=one["methods"],
        )
    }
