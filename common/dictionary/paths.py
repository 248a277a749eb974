"""Recovery of known patterns against processor time: learning on windows, and of all at once.

All learners have the penalty and the first atoms of the first one, and take turns in one process,
so that other work on the machine slows all of them alike. What is compiled at a first call is not
counted, nor is taking scores.
"""

import time
from functools import partial

import numpy as np

from common import validation
from common.dictionary.atoms import FullAtoms
from common.dictionary.batch import activation_sums, improved_atoms
from common.dictionary.contamination import cut_into_trials, patterned_signal
from common.dictionary.recovery import recovery_score
from common.dictionary.sparse_coding import sparse_code
from common.dictionary.stochastic import learn_on_windows

__all__ = ["LEARNERS", "batch_path", "race"]

LEARNERS = ("windows", "windows-fista", "unrolled", "batch")
"""Learning on windows by compiled descent, by FISTA and through FISTA; of all trials at once."""

_SOLVERS = {"windows": "lgcd", "windows-fista": "fista", "unrolled": "unrolled"}


def batch_path(X, start, penalty, *, tol=0.1, n_iter=30):
    """Atoms after each iteration of learning of all trials at once.

    The steps of `common.dictionary.batch.learn_atoms` with atoms without structure, none replaced.

    Parameters
    ----------
    X : array_like, shape (n_trials, n_channels, n_times)
        Of unit standard deviation.
    start : array_like, shape (n_atoms, n_channels, n_times_atom)
    penalty : float
    tol : float, default=0.1
        Of the activations.
    n_iter : int, default=30

    Yields
    ------
    seconds : float
        Processor time of the iterations so far.
    D : ndarray, shape (n_atoms, n_channels, n_times_atom)
        The start first.

    Raises
    ------
    TypeError, ValueError
        As `common.dictionary.sparse_coding.sparse_code`.
    """
    X = validation.array(X, "X", ndim=3).astype(float)
    atoms, seconds = FullAtoms(start), 0.0
    yield seconds, atoms.D
    z = np.zeros((len(X), atoms.n_atoms, X.shape[2] - atoms.n_times_atom + 1))
    for _ in range(validation.count(n_iter, "n_iter")):
        began = time.process_time()
        codes = [
            sparse_code(trial, atoms, penalty, tol=tol, start=one)
            for trial, one in zip(X, z, strict=True)
        ]
        z = np.stack([code.z for code in codes])
        atoms, _ = improved_atoms(atoms, *activation_sums(X, z, atoms.n_times_atom))
        seconds += time.process_time() - began
        yield seconds, atoms.D


def race(true, *, generator, n_seeds, n_times, learners, options, sigma, enough=0.9, others=None):
    """Paths of several learners on simulated signals, one trial each, by turns.

    Parameters
    ----------
    true : array_like, shape (n_true, n_channels, n_times_atom)
        What recurs in the signals, see `common.dictionary.contamination.patterned_signal`.
    generator : callable
        Makes a generator from the keywords ``n_times`` and ``seed``.
    n_seeds : int
    n_times : sequence of int
    learners : dict of str to list of int
        Of `LEARNERS` or ``others``, and for which numbers of samples each takes part. "windows"
        is the first and takes part in all.
    options : dict
        Of `common.dictionary.stochastic.learn_on_windows`.
    sigma : float
        Of the noise.
    enough : float, default=0.9
        Learning of all trials at once ends where its score is above it.
    others : dict of str to callable, optional
        More learners: from trials, first atoms and penalty to an iterator as that of `batch_path`.

    Returns
    -------
    rows : list of dict
        ``learner``, ``n_times``, ``seed``, ``step`` (epoch or iteration, the start first),
        ``seconds`` and ``recovery``.

    Raises
    ------
    TypeError, ValueError
        If a learner is not known, there are no numbers of samples or seeds, a number is out of
        range, or as the learners.
    """
    n_seeds = validation.count(n_seeds, "n_seeds")
    n_times = [validation.count(T, "n_times") for T in n_times]
    if not n_times:
        raise ValueError("n_times is empty: give one number of samples at least.")
    enough = validation.number(enough, "enough")
    tol = options.get("tol", 0.1)
    others = {"batch": partial(batch_path, tol=tol), **(others or {})}
    for learner in learners:
        validation.choice(learner, (*_SOLVERS, *others), "learner")

    def paths(T, seed, taking_part):
        rng = generator(n_times=T, seed=seed)
        X = cut_into_trials(patterned_signal(true, n_times=T, sigma=sigma, rng=rng), 1)
        X = X / X.std()
        first = learn_on_windows(X, rng=rng, **options)
        yield "windows", zip(first.log["seconds"], first.log["atoms"], strict=True)
        start, penalty = first.log["atoms"][0], first.penalty
        for learner in taking_part:
            if learner in _SOLVERS:
                same = {"start": start, "reg": penalty, "scaled": False}
                same |= {"solver": _SOLVERS[learner]}
                found = learn_on_windows(X, rng=rng, **options | same)
                yield learner, zip(found.log["seconds"], found.log["atoms"], strict=True)
            else:
                yield learner, _until(others[learner](X, start, penalty), true, enough)

    rest = [learner for learner in learners if learner != "windows"]
    for _, path in paths(min(n_times), 0, rest):  # so that all is compiled
        list(path)
    return [
        {
            "learner": learner, "n_times": T, "seed": seed, "step": step,
            "seconds": float(seconds), "recovery": recovery_score(D, true),
        }
        for seed in range(n_seeds)
        for T in n_times
        for learner, path in paths(T, seed, [each for each in rest if T in learners[each]])
        for step, (seconds, D) in enumerate(path)
    ]  # fmt: skip


def _until(path, true, enough):
    for seconds, D in path:
        yield seconds, D
        if recovery_score(D, true) >= enough:
            return
