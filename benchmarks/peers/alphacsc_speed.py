"""Time of our sparse coding and learning until alphacsc's final cost is reached, by turns.

    .venv-peers/bin/python benchmarks/peers/alphacsc_speed.py simulated
    .venv-peers/bin/python benchmarks/peers/alphacsc_speed.py striatum learning --recording X.npy

Writes one JSON object a line: ``title``, and ``seconds`` of processor time, pairs of (alphacsc,
ours). Both run in one process, on one thread; `benchmarks/bench_dictionary.py` calls this.
"""

import argparse
import contextlib
import io
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from alphacsc.learn_d_z_multi import learn_d_z_multi
from alphacsc.update_z_multi import update_z_multi

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `common` is not installed here

from common.dictionary.atoms import RankOneAtoms
from common.dictionary.batch import learn_atoms
from common.dictionary.simulation import simulated_trials
from common.dictionary.sparse_coding import cost, lambda_max, sparse_code

TIGHTER = (1.0, 0.8, 0.6, 0.45, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)


def clocked(call):
    start = time.process_time()
    found = call()
    return time.process_time() - start, found


def compare(title, ours, theirs, n_repetitions):
    """Both by turns; the first call of each, which compiles, is not counted."""
    ours(), theirs()
    pairs = [(clocked(theirs)[0], clocked(ours)[0]) for _ in range(n_repetitions)]
    print(json.dumps({"title": title, "seconds": pairs}), flush=True)


def z_step(title, X, atoms, reg, tol, n_repetitions):
    penalty, uv = reg * lambda_max(X, atoms), np.concatenate([atoms.u, atoms.v], axis=1)
    options = {"solver": "lgcd", "solver_kwargs": {"tol": tol, "max_iter": 10**9}}

    def theirs():
        return update_z_multi(X[None], uv, penalty, **options)[0][0]

    target = cost(X, atoms, theirs(), penalty)
    for factor in TIGHTER:
        if sparse_code(X, atoms, penalty, tol=factor * tol).log["cost"][-1] <= target:
            break
    compare(
        f"{title}, reg {reg}, tol {tol}, ours {factor * tol:g}",
        lambda: sparse_code(X, atoms, penalty, tol=factor * tol),
        theirs,
        n_repetitions,
    )


def simulated(recording, n_repetitions):
    """T = 96,000, K = 4, P = 2, L = 32."""
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal((4, 2)), rng.standard_normal((4, 32))
    u, v = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (u, v))
    options = {"n_trials": 1, "n_valid": 96_000 - 31, "density": 0.005, "sigma": 0.05, "rng": rng}
    X = simulated_trials(u, v, **options)[0][0]
    for reg in (0.1, 0.2, 0.3):
        for tol in (0.1, 0.01, 0.001):
            z_step("simulated", X / X.std(), RankOneAtoms(u, v), reg, tol, n_repetitions)


def striatum(recording, n_repetitions):
    """The recording after its first 120 s, atoms learned on its first 200 s: K = 3, L = 600."""
    X, rng = recording, np.random.default_rng(0)
    options = {"n_atoms": 3, "n_times_atom": 600, "reg": 0.1, "tol": 0.1, "n_iter": 5}
    atoms = learn_atoms(X[:, :70_000], rng=rng, **options).atoms
    z_step("striatum", X, atoms, 0.1, 0.03, n_repetitions)


def learning(recording, n_repetitions):
    """Whole learning on 200 s of the striatum, from the same atoms: K = 3, L = 200."""
    X, rng = recording[:, :70_000], np.random.default_rng(0)
    X = X / X.std()
    starts = rng.integers(X.shape[1] - 200, size=3)
    v = np.stack([X[0, s : s + 200] for s in starts])
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    uv = np.concatenate([np.ones((3, 1)), v], axis=1)

    def theirs():
        # Replacing an atom that nothing uses raises the cost for a moment; that is no error.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return learn_d_z_multi(
                X[None], 3, 200, D_init=uv, reg=0.1, lmbd_max="scaled", n_iter=10, eps=0.0,
                solver_z="lgcd", solver_z_kwargs={"tol": 0.05, "max_iter": 10**9}, verbose=0,
                raise_on_increase=False, unbiased_z_hat=False,
            )  # fmt: skip

    target = theirs()[0][-1]
    options = {"n_atoms": 3, "n_times_atom": 200, "reg": 0.1, "start": (np.ones((3, 1)), v)}
    for n_iter in range(2, 40):
        ours = learn_atoms(X, n_iter=n_iter, tol=0.05, eps=0.0, **options)
        if ours.log["cost"][-1] <= target:
            break
    else:
        sys.exit(f"learning: ours ends at {ours.log['cost'][-1]:.2f}, alphacsc at {target:.2f}")
    compare(
        f"learning, 10 iterations, ours {n_iter}",
        lambda: learn_atoms(X, n_iter=n_iter, tol=0.05, eps=0.0, **options),
        theirs,
        n_repetitions,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="+", choices=("simulated", "striatum", "learning"))
    parser.add_argument("--recording", help="file of the striatum, filtered")
    parser.add_argument("--repetitions", type=int, default=7)
    given = parser.parse_args()
    recording = None if given.recording is None else np.load(given.recording)
    warnings.simplefilter("ignore")
    for case in given.cases:
        globals()[case](recording, given.repetitions)
