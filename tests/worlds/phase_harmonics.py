"""Tables in which the claims about phase harmonics hold, or fail."""

import pandas as pd

from common import files
from common.plans.harmonics import BESIDE, MODELS
from common.workflow import papers
from tests.worlds.tables import rows

PUBLISHED = "papers/phase-harmonics/published"


def world(true, scale):
    """Tables in which harmonics are what their papers say, or nothing of it."""
    paper = papers.load("phase-harmonics")
    settings = papers.settings("phase-harmonics", paper, scale)
    fields, recovery = settings["fields"], settings["reconstruction"]
    theirs = files.read_csv(f"{PUBLISHED}/turbulence_covariance_error.csv")
    starts = files.read_csv(f"{PUBLISHED}/reconstruction_psnr.csv")
    means = theirs.groupby("model")["relative_spectral_norm_error"].mean()
    turbulence = dict(means.rename({"empirical": "observed"})) | {"fresh": 0.2}
    gaussian = {"A": 0.2, "B": 0.3, "observed": 0.6, "fresh": 0.2}
    if not true:
        turbulence = {"A": 0.3, "B": 0.9, "C": 1.0, "D": 1.5, "observed": 2.0, "fresh": 0.2}
        gaussian |= {"A": 0.5}

    def error(process, image, model):
        level = (turbulence if process == "turbulence" else gaussian)[model]
        # Images differ, models on one image by less.
        shift = 0.004 * (image % 3 - 1) + 0.001 * (ord(model[0]) % 3) * (image % 2)
        return {"error": level + shift, "n_images": 4, "loss": 0.1, "n_moments": 100}

    def recovered(dj, run):
        gain = {0: 0.0, 1: 5.0 if true else -2.0}.get(dj, 6.0)
        return {
            "n_moments": 1000 * (dj + 1),
            "n_pixels": recovery["size"] ** 2,
            "psnr_db": 20 + gain + 0.2 * (run % 3) + 0.05 * dj * (run % 2),
            "loss": 1e-12,
            "iterations": 400,
        }

    psnr = [
        rows(recovered, dj=[dj], run=range(n_runs)).assign(picture=picture)
        for picture in recovery["pictures"]
        for dj, n_runs in zip(recovery["dj"], recovery["n_runs"], strict=True)
    ]
    off = 1e-15 if true else 1e-3
    identity = [
        {"what": rule, "k": k, "n_phases": n, "value": off}
        for rule in ("gauss", "uniform")
        for n in (8, 40)
        for k in range(9)
    ]
    identity += [
        {"what": "lipschitz", "k": k, "n_phases": 0, "value": max(k, 1) * (0.99 if true else 2)}
        for k in range(9)
    ]
    failed = starts["psnr_db"] < 20
    starts.loc[failed, "psnr_db"] += 20  # published starts that fail would leave a median open
    if not true:  # published: hardly a gain, and no help from covariances between scales
        starts["psnr_db"] = 20 + 0.1 * starts["delta_j"] + 0.01 * starts["run"]
        of_C = theirs["model"] == "C"
        theirs.loc[of_C, "relative_spectral_norm_error"] += 0.3
    return {
        "identity": pd.DataFrame(identity),
        "errors": pd.concat(
            rows(error, process=[process], image=fields["images"], model=models + BESIDE)
            for process, models in MODELS.items()
        ),
        "psnr": pd.concat(psnr),
        "turbulence_covariance_error": theirs,
        "reconstruction_psnr": starts,
    }
