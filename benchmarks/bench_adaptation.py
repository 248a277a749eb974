"""Nested selection of adaptation methods: ours against a grid search over skada's pipelines.

Both search the whole grid of a method on the five inner splits of one outer split of a simulated
shift, and score it with all nine scorers, without a refit at the end: ours with
`nested.inner_outputs` and `selection.inner_scores`, the peer with
``GridSearchCV(refit=False, error_score=-inf)`` over skada's own pipelines and scorers. The
deep embedded validation is skada's on both sides. They run in one process on one thread, taking
turns, and the time is the processor's, so that a busy machine disturbs little; the least of the
repeats counts. Prints for each method the seconds of both, their ratio, for how many of the nine
scorers the same point is selected, and the largest difference of scores. A mean that is NaN in the
search, which an argmax would take for the largest, counts as -inf on both sides, as do points that
fail. Scores of MMD-LS, and points with them, may differ where its optimisation has not converged
after 20 iterations, as for gamma 10: there skada's own mapping changes as much when the samples
change by one part in 10^13.

Then, the same for three methods alone: one fit of skada's against the fit of the class in
`common.adaptation.accelerated` (for transfer component analysis, the fits of a grid).

Run with ``python benchmarks/bench_adaptation.py``; ``--quick`` takes less samples, and each side
one turn. ``--n-samples 1600`` is the size of the benchmark's simulations.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import skada
import torch
from skada import metrics
from skada.model_selection import StratifiedDomainShuffleSplit
from skada.transformers import StratifiedDomainSubsampler
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.adaptation import accelerated, nested, selection
from common.adaptation.composition import MASKED
from common.adaptation.methods import classifier, method
from common.adaptation.simulated import SHIFTS, simulated_shift

SCORERS = {
    "supervised": metrics.SupervisedScorer(),
    "importance-weighted": metrics.ImportanceWeightedScorer(),
    "deep-embedded-validation-skada": metrics.DeepEmbeddedValidation(random_state=0),
    "prediction-entropy": metrics.PredictionEntropyScorer(),
    "soft-neighborhood-density": metrics.SoftNeighborhoodDensity(),
    "circular-validation": metrics.CircularValidation(),
    "mix-val-both": metrics.MixValScorer(random_state=0),
    "mix-val-inter": metrics.MixValScorer(ice_type="inter", random_state=0),
    "mix-val-intra": metrics.MixValScorer(ice_type="intra", random_state=0),
}

# What skada has of each method, and repeats: the slow ones have their turn once.
METHODS = {
    "lin-ot": (skada.LinearOTMappingAdapter, 2),
    "coral": (skada.CORALAdapter, 3),
    "dens-rw": (skada.DensityReweightAdapter, 2),
    "tsl": (skada.TransferSubspaceLearningAdapter, 1),
    "mmd-ls": (skada.MMDLSConSMappingAdapter, 1),
    "tca": (skada.TransferComponentAnalysisAdapter, 1),
}


def problem(shift, n):
    """Samples, labels and domains of the training part of one outer split."""
    pair = simulated_shift(shift, 0)
    kept = np.random.default_rng(0).permutation(len(pair.X))[:n]
    X, y, sample_domain = pair.X[kept], pair.y[kept], pair.sample_domain[kept]
    train, _ = nested.outer_splits(X, y, sample_domain)[0]
    return nested.check(X[train], y[train], sample_domain[train])


def ours(name, X, y, sample_domain):
    """Mean scores of all points by each scorer."""
    chosen = method(name)
    with warnings.catch_warnings(action="ignore"):
        folds, failed, circular_failed, reasons, seconds = nested.inner_outputs(
            chosen, classifier("svc"), X, y, sample_domain
        )
        failed = np.vstack([failed, np.zeros(len(chosen.points), bool)])  # without a refit
        evaluated = nested.Evaluated(folds, None, None, failed, circular_failed, reasons, seconds)
        return selection.inner_scores(evaluated, list(SCORERS))


def searched(name, X, y, sample_domain):
    """The same by scikit-learn and skada."""
    adapter, _ = METHODS[name]
    chosen = method(name)
    prefix = f"{adapter.__name__.lower()}__"
    steps = [adapter(**{k: v for k, v in chosen.points[0].items() if "__" not in k})]
    if chosen.subsample:
        steps.insert(0, StratifiedDomainSubsampler(chosen.subsample, random_state=0))
    final = classifier("svc").set_fit_request(sample_weight=True)
    pipeline = skada.make_da_pipeline(*steps, final.set_score_request(sample_weight=True))
    search = GridSearchCV(
        pipeline,
        [{prefix + key: [value] for key, value in point.items()} for point in chosen.points],
        scoring=SCORERS,
        cv=StratifiedDomainShuffleSplit(5, test_size=0.2, random_state=0),
        refit=False,
        error_score=-np.inf,
    )
    masked = np.where(sample_domain > 0, y, MASKED)
    with warnings.catch_warnings(action="ignore"):
        search.fit(X, masked, sample_domain=sample_domain, target_labels=y)
    found = {scorer: search.cv_results_[f"mean_test_{scorer}"] for scorer in SCORERS}
    return {name: np.where(np.isnan(values), -np.inf, values) for name, values in found.items()}


def take_turns(functions, *, rounds):
    """Least processor time (s) and value of each function; they alternate."""
    times, values = dict.fromkeys(functions, np.inf), {}
    for _ in range(rounds):
        for name, function in functions.items():
            clock = time.process_time()
            values[name] = function()
            times[name] = min(times[name], time.process_time() - clock)
    return times, values


def compare_search(name, data, *, rounds):
    """Print a line for one method: nested selection by both."""
    times, scores = take_turns(
        {"peer": lambda: searched(name, *data), "ours": lambda: ours(name, *data)}, rounds=rounds
    )
    same, largest, differ = 0, 0.0, []
    for scorer in SCORERS:
        a, b = scores["ours"][scorer], scores["peer"][scorer]
        if np.argmax(a) == np.argmax(b):
            same += 1
        else:
            differ.append(scorer)
        both = np.isfinite(a) & np.isfinite(b)
        if not np.array_equal(np.isfinite(a), np.isfinite(b)):
            differ.append(f"{scorer}: failures")
        largest = max(largest, np.abs(a[both] - b[both]).max(initial=0))
    print(
        f"  {name:8s} {len(method(name).points):6d} {times['peer']:9.2f} {times['ours']:9.2f} "
        f"{times['peer'] / times['ours']:8.1f}   {same} of {len(SCORERS)} {largest:13.0e}  "
        f"{', '.join(differ)}",
        flush=True,
    )


def fits(data):
    """Name to two functions, of skada's class and of ours, that give the same."""
    X, y, sample_domain = data
    visible = np.where(sample_domain > 0, y, MASKED)

    def mapping(kind, gamma):
        adapter = kind(gamma=gamma, reg_k=1e-8, reg_m=1e-8, tol=1e-5, max_iter=20)
        return adapter.fit(X, visible, sample_domain=sample_domain).G_

    def components(kind):
        kept = []
        for n_components in (1, 2, 5, 10, 20, 50, 100):
            adapter = kind(n_components=n_components, mu=10)
            kept.append(adapter.fit(X, sample_domain=sample_domain).eigvects_)
        return np.concatenate(kept, axis=1)

    def machine(kind):
        base = SVC(probability=True, random_state=0)
        fitted = kind(base_estimator=base, max_iter=200).fit(X, visible, sample_domain)
        return fitted.decision_function(X)

    def known_components():
        accelerated.FastTransferComponentAnalysisAdapter._known.clear()
        return components(accelerated.FastTransferComponentAnalysisAdapter)

    pairs = {
        f"MMD-LS, gamma {gamma:g}": (
            lambda gamma=gamma: mapping(skada.MMDLSConSMappingAdapter, gamma),
            lambda gamma=gamma: mapping(accelerated.FastMMDLSConSMappingAdapter, gamma),
        )
        for gamma in (0.01, 1.0)
    }
    pairs["TCA, 7 points"] = (
        lambda: components(skada.TransferComponentAnalysisAdapter),
        known_components,
    )
    pairs["DASVM"] = (
        lambda: machine(skada.DASVMClassifier),
        lambda: machine(accelerated.FastDASVMClassifier),
    )
    return pairs


def compare_fits(data, *, rounds):
    """Print a line for each accelerated class: a fit by itself."""
    for name, (peer, fast) in fits(data).items():
        with warnings.catch_warnings(action="ignore"):
            times, values = take_turns({"peer": peer, "ours": fast}, rounds=rounds)
        largest = np.abs(values["peer"] - values["ours"]).max()
        print(
            f"  {name:18s} {times['peer']:9.3f} {times['ours']:9.3f} "
            f"{times['peer'] / times['ours']:8.1f} {largest:13.0e}",
            flush=True,
        )


def main():
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="400 samples, one turn")
    parser.add_argument("--n-samples", type=int, default=1000, help="of both domains; 1600 at most")
    parser.add_argument("--shift", choices=SHIFTS, default="covariate")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    options = parser.parse_args()
    data = problem(options.shift, 400 if options.quick else options.n_samples)
    torch.set_num_threads(1)
    with threadpool_limits(limits=1):
        print(f"{options.shift} shift, {len(data[0])} samples for training, 1 thread")
        print("           points  peer (s)  ours (s)    ratio   same points  difference")
        for name in options.methods:
            rounds = 1 if options.quick else METHODS[name][1]
            compare_search(name, data, rounds=rounds)
        print("fits alone")
        print("                      peer (s)  ours (s)    ratio    difference")
        compare_fits(data, rounds=1)


if __name__ == "__main__":
    main()
