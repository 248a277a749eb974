"""Error of the energies of QM7: from the protocol of kymatio's example to ours, a change at a time.

The example computes its coefficients in single precision, and so are its `StandardScaler` and its
`Ridge`, which take the precision of what they are given; the smallest errors of ten penalties, read
off the test folds, are published. Ours are in double precision, with a penalty chosen within the
training folds. Every step below keeps the changes of the steps before it. Folds are ours, of the
same kind as the example's (a random permutation), and equal in all steps.

Run with ``python benchmarks/qm7_walk.py``. All molecules take about three hours of one core;
``--molecules`` takes a random part of them. ``--output`` keeps the table.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.linalg import LinAlgWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common import files, registry, seeds
from common.scattering import HarmonicScattering3D, molecules
from common.scattering.energies import ALPHAS, cross_validate_ridge

SIGMA = 2
PRECISIONS = {"single": np.float32, "double": np.float64}


def coefficients(n_molecules):
    """Coefficients of a random part of the molecules in both precisions, and the energies."""
    everything = molecules.read_qm7(files.require(registry.path("qm7")))
    scale = molecules.position_scale(everything, sigma=SIGMA)
    order = seeds.generator("kymatio-scattering", "walk").permutation(len(everything))
    chosen = [everything[k] for k in order[: n_molecules or len(everything)]]
    transform = HarmonicScattering3D(
        shape=(192, 128, 96), J=2, L=3, sigma_0=SIGMA, integral_powers=[0.5, 1, 2, 3],
        quadrature="coarse", tolerance=1e-6,
    )  # fmt: skip
    found = {
        name: molecules.molecule_features(chosen, transform, scale=scale, sigma=SIGMA, dtype=dtype)
        for name, dtype in PRECISIONS.items()
    }
    return found, np.array([molecule.energy for molecule in chosen])


def of_example(X, y, folds):
    """Errors as the example computes them: one penalty for all folds, the best on their tests."""
    errors = {}
    for alpha in ALPHAS:
        regressor = make_pipeline(StandardScaler(), Ridge(alpha=alpha))
        with warnings.catch_warnings():
            # A small penalty is lost in single precision; scikit-learn then takes another solver.
            warnings.simplefilter("ignore", LinAlgWarning)
            warnings.filterwarnings("ignore", "Singular matrix in solving dual problem")
            residual = cross_val_predict(regressor, X, y, cv=folds) - y
        errors[alpha] = float(np.abs(residual).mean()), float(np.sqrt(np.mean(residual**2)))
    best = min(errors, key=errors.get)
    return (f"{best:g}", *errors[best])


def walk(X, y):
    """A row for each step: what changes, the penalty, and both errors in kcal/mol."""
    # `cross_validate_ridge` draws its folds first, so these are the same.
    tests = np.array_split(_rng().permutation(len(y)), 5)
    folds = [(np.setdiff1d(np.arange(len(y)), test), test) for test in tests]
    single = X["single"].astype(np.float32)
    ours = cross_validate_ridge(X["double"], y, rng=_rng())
    chosen = f"{ours.chosen.min():g} to {ours.chosen.max():g}"
    rows = [
        ("the example's protocol", *of_example(single, y.astype(np.float32), folds)),
        ("regression in double precision", *of_example(single.astype(float), y, folds)),
        ("coefficients in double precision", *of_example(X["double"], y, folds)),
        ("penalty chosen within the training folds", chosen, ours.mae, ours.rmse),
    ]
    table = pd.DataFrame(rows, columns=["change", "penalty", "mae", "rmse"])
    return table.assign(n_molecules=len(y))


def _rng():
    return seeds.generator("kymatio-scattering", "energies", molecules="qm7")


def main():
    """Walk, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--molecules", type=int, help="a random part of this size; default: all")
    parser.add_argument("--output", type=Path, help="CSV file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = walk(*coefficients(options.molecules))
    print(table.to_string(index=False, float_format="{:.2f}".format))
    if options.output:
        table.to_csv(options.output, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
