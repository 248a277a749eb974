"""Tables in which the claims about learning on windows with outliers left out hold, or fail."""

import numpy as np
import pandas as pd

from common.workflow import papers
from tests.worlds.tables import rows


def world(true, scale):
    """Tables in which RoseCDL is all that the paper says, or nothing of it."""
    paper = papers.load("rosecdl")
    settings = papers.settings("rosecdl", paper, scale)
    speed, one = settings["speed"], settings["contamination"]

    def spread(seed):
        return 1 + 0.01 * (seed % 3 - 1)

    def path(learner, n_times, seed):
        slow = 1.0 if (learner == "windows") == true else 20.0
        power = 0.1 if true else 1.2
        seconds = slow * (n_times / 1e4) ** power * spread(seed)
        shared = {"learner": learner, "n_times": n_times, "seed": seed}
        return pd.DataFrame(
            [
                shared | {"step": step, "seconds": share * seconds, "recovery": recovery}
                for step, (share, recovery) in enumerate([(0.0, 0.5), (1.0, 0.93), (2.0, 0.95)])
            ]
        )

    def recovery(run, epoch, seed):
        timing = run.partition("-")[0]
        good = (
            timing in ("clean", "during", "search") if true else timing not in ("during", "search")
        )
        learned = 0.95 if good else 0.3
        score = 0.2 + (learned - 0.2) * np.tanh(epoch) * spread(seed)
        return {"penalty": 1.0, "masked": 0.2, "recovery": score}

    def mask(level, of, threshold, seed):
        good = (of == "learned") == true
        silent = 0.05 if (threshold == "mad") == true else 0.2
        f1 = (0.85 if good else 0.5) * spread(seed) if level else np.nan
        return {"f1": f1, "marked": silent * spread(seed)}

    def page(frequency, run, penalty, mask_penalty, seed):
        good = {"known": 0.9, "during-mad": 0.85, "from-letters": 0.8}
        bad = {"never": 0.5, "energy": 0.6, "known": 0.3, "during-mad": 0.3}
        left_out = (run != "never") == true
        key = {"seed": seed, "frequency": frequency, "run": run, "penalty": penalty}
        return key | {
            "mask_penalty": mask_penalty,
            "f1": (good if true else bad).get(run, 0.4) * spread(seed),
            "recovery": (0.95 if true else 0.6) * spread(seed),
            "rare": (0.5 if left_out else 0.9) * spread(seed),
        }

    def pages():
        text = settings["letters"]
        least, penalties = text["mask_penalty"], text["runs"]["never"]
        looked = [("energy", np.nan, np.nan)]
        looked += [("known", np.nan, penalty) for penalty in [least, *penalties]]
        for run, given in text["runs"].items():
            looked += [(run, penalty, penalty) for penalty in given]
            looked += [(run, max(penalties), least)] if max(penalties) in given else []
        return pd.DataFrame(
            page(frequency, *one, seed)
            for frequency in text["frequencies"]
            for one in looked
            for seed in range(text["n_seeds"])
        )

    seeds = range(speed["n_seeds"])
    return {
        "paths": pd.concat(
            [
                path(learner, n_times, seed)
                for learner, lengths in speed["learners"].items()
                for n_times in lengths
                for seed in seeds
            ]
        ),
        "passes": rows(
            lambda n_times, seed: {"seconds": n_times ** (0.9 if true else 1.5) * spread(seed)},
            n_times=speed["n_times"],
            seed=range(speed["n_passes"]),
        ),
        "recovery": rows(
            recovery,
            run=one["runs"],
            epoch=range(one["n_epochs"] + 1),
            seed=range(one["n_seeds"]),
        ),
        "masks": rows(
            mask,
            level=[*one["levels"], 0.0],
            of=["learned", "unlearned", "energy"],
            threshold=["mad", "quantile"],
            seed=range(one["n_seeds"]),
        ),
        "letters": pages(),
    }
