"""Recovery against time of alphacsc and of our learners, by turns, in the interpreter that has it.

    .venv-peers/bin/python benchmarks/peers/alphacsc_recovery.py settings.json

``settings.json`` holds the section ``speed`` of ``papers/rosecdl/paper.yaml``. Writes one JSON
object a line, a row of `common.dictionary.paths.race`; alphacsc takes part for the numbers of
samples under its name, for at most ``most_seconds`` of processor time each.
"""

import contextlib
import functools
import io
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from alphacsc.learn_d_z_multi import learn_d_z_multi

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `common` is not installed here

from common import seeds
from common.dictionary.contamination import patterns
from common.dictionary.paths import race


class Enough(Exception):
    """Time is up."""


def alphacsc_path(X, start, penalty, *, tol, n_iter, most_seconds):
    """Processor time and atoms after each iteration; what its callback takes is not counted."""
    path, clock = [(0.0, start)], {"counted": 0.0, "since": time.process_time()}

    def after(encoder, _):
        clock["counted"] += time.process_time() - clock["since"]
        path.append((clock["counted"], np.array(encoder.D_hat)))
        if clock["counted"] > most_seconds:
            raise Enough
        clock["since"] = time.process_time()

    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Enough):
            learn_d_z_multi(
                X, len(start), start.shape[2], D_init=start.copy(), rank1=False, reg=penalty,
                lmbd_max="fixed", n_iter=n_iter, eps=0.0, solver_z="lgcd",
                solver_z_kwargs={"tol": tol, "max_iter": 10**9}, uv_constraint="auto", verbose=0,
                raise_on_increase=False, unbiased_z_hat=False, callback=after, n_jobs=1,
            )  # fmt: skip
    return iter(path)


if __name__ == "__main__":
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    tol, most = settings["options"].get("tol", 0.1), settings.pop("most_seconds")
    theirs = functools.partial(alphacsc_path, tol=tol, n_iter=100, most_seconds=most)
    true = patterns(settings.pop("n_patterns"), 1, settings["options"]["n_times_atom"])
    settings.pop("n_passes", None)
    generator = functools.partial(seeds.generator, "rosecdl", "speed")
    for row in race(true, generator=generator, others={"alphacsc": theirs}, **settings):
        print(json.dumps(row))
