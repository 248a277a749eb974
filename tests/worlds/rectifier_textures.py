"""Tables in which the claims about rectifiers and textures hold, or fail."""

import numpy as np

from common import files
from common.plans.textures import MODELS
from common.workflow import papers
from tests.worlds.tables import rows

PUBLISHED = "papers/rectifier-textures/published"


def world(true, scale):
    """Tables in which more moments of rectifiers make better textures, or copies and no better."""
    settings = papers.settings("rectifier-textures", papers.load("rectifier-textures"), scale)
    textures, color = list(settings["textures"]), settings["color"]
    sizes = files.read_csv(f"{PUBLISHED}/model_sizes.csv").set_index("model")
    sizes = sizes["n_moments_without_low_pass_and_haar"]
    grey = "grey" if scale in ("paper", "recorded") else "embedded grey"
    full = sizes["grey default" if grey == "grey" else grey]
    wavelets = {"rectifiers": full, "margin": full, "same": sizes[f"{grey} same"]}
    level = dict(zip(MODELS, (8, 4, 1, 1, 2, 1), strict=True))
    if not true:  # the fewer moments, the better
        level = dict(zip(MODELS, (1, 2, 8, 8, 1, 1), strict=True))

    def score(texture, model, seed):
        # Textures differ a lot, models on one of them by less.
        place = textures.index(texture)
        distance = level[model] * 2.0**place * (1 + 0.02 * (place % 3) * (model == "rectifiers"))
        n = int(wavelets.get(model, 0)) + (0 if true else 5)
        return {
            "one_layer": 1e-3 * distance,
            "two_layers": 2e-3 * distance,
            "haar": 0.1 * np.sqrt(distance),
            "copied": 0.2 + 0.1 * seed if true else 0.9,
            "loss": 1e-4,
            "n_moments": {"filters": 10**6 if true else 10}.get(model, n + 84),
            "n_wavelet_moments": n,
        }

    def colored(texture, seed):
        error = (5e-4 if true else 0.1) * (1 + 0.1 * seed)
        return {"error": error, "error_matched": 2 * error, "copied": 0.1, "n_moments": 100}

    return {
        "scores": rows(score, texture=textures, model=MODELS, seed=settings["seeds"]),
        "colors": rows(colored, texture=list(color["textures"]), seed=color["seeds"]),
        "model_sizes": files.read_csv(f"{PUBLISHED}/model_sizes.csv"),
    }
