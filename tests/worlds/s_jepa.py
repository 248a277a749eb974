"""Tables in which the article on S-JEPA is right about everything, or about nothing."""

import numpy as np
import pandas as pd

from common.workflow import papers
from tests.worlds.tables import rows

HEADS = ("pre-local", "post-local", "contextual")
CHANCE = {"ssvep": 0.25, "ssvep-sample": 0.25}


def world(true, scale):
    """Tables of a scale, and the published ones."""
    settings = papers.settings("s-jepa", papers.load("s-jepa"), scale)
    own = settings["pretraining"]
    masks = own["masks"]

    def pretraining(length, mask, seed, target, epoch):
        trained, size = epoch > 0, masks.index(mask)
        collapsed = (target == "gradient") == true
        loss = 0.3 + 0.02 * size if true else 0.9 - 0.02 * size
        return {
            "train_loss": loss,
            "valid_loss": loss + 0.001 * seed,
            "mean_loss": 0.77,
            "place_loss": 0.5,
            "token_sd": 0.5 * (0.03 if collapsed else 0.9) if trained else 0.5,
        }

    def published_loss(length, mask, split, epoch):
        step = {40: 0, 60: 1, 80: 2}[mask] * (1 if true else -1)
        return {"pretraining": f"{length}-{mask}%", "l1_loss": 0.4 + 0.02 * step - 0.01 * epoch}

    losses = rows(
        published_loss, length=["1s", "4s", "16s"], mask=[40, 60, 80],
        split=["train", "validation"], epoch=range(3),
    )  # fmt: skip
    return {
        "pretraining": rows(
            pretraining,
            length=list(own["lengths"]),
            mask=masks,
            seed=range(own["n_seeds"]),
            target=["average", "gradient"],
            epoch=range(3),
        ),
        "downstream": _downstream(settings["downstream"], true),
        "downstream_scores": _published(true),
        "pretraining_loss": losses[["pretraining", "split", "epoch", "l1_loss"]],
    }


def _score(true, paradigm, head, name, place):
    """Score of a classifier on an encoder."""
    good = (0.9, 0.8, 0.7)[HEADS.index(head) if true else 2 - HEADS.index(head)]
    if name == "none":
        return good - 0.1 if true else good + 0.1
    length, mask = name.rstrip("%").split("-")
    if head == "contextual" and length == "16s" and true:
        return CHANCE.get(paradigm, 0.5)
    good += 0.02 * (length == "16s") * (1 if true else -1)
    # The mask: nothing that lasts, or the more hidden the worse.
    return good + (0.001 * place if true else -0.001 * int(mask))


def _downstream(paradigms, true):
    found = []
    for paradigm, one in paradigms.items():
        for fit in one["fits"]:
            for name in fit["pretraining"]:
                length, _, mask = name.partition("-")
                for subject in one["subjects"]:
                    for fold in range(one["n_folds"]):
                        score = _score(true, paradigm, fit["head"], name, 0)
                        key = {"paradigm": paradigm, "subject": subject, "head": fit["head"]}
                        key |= {"mask": f"{mask}%" if mask else "none", "length": length}
                        key |= {"pretraining": name, "fine_tuning": fit["fine_tuning"]}
                        # Folds differ, and so do differences of heads.
                        score += 0.002 * np.cos(fold + 3 * HEADS.index(fit["head"]))
                        found.append(key | {"fold": fold, "score": score})
    return pd.DataFrame(found)


def _published(true):
    found = []
    for i, paradigm in enumerate(("erp", "ssvep", "mi")):
        for j, head in enumerate(HEADS):
            names = [f"{n}-{m}%" for n in ("1s", "4s", "16s") for m in (40, 60, 80)]
            for name in ["none", *names]:
                # Where the article is right, the worst mask is another in each mean.
                place = 0 if name == "none" else ((40, 60, 80).index(int(name[-3:-1])) + i + j) % 3
                found.append(
                    {
                        "paradigm": paradigm,
                        "fine_tuning": "full",
                        "architecture": head,
                        "pretraining": name,
                        "score_mean": _score(true, paradigm, head, name, place),
                    }
                )
    return pd.DataFrame(found)
