"""Reference values of the one-dimensional transform, by Kymatio 0.3.0 in double precision.

    .venv-peers/bin/python tests/common/scattering/reference/make_1d.py

Writes ``1d.npz`` beside this file. Signals are drawn again by the test from the same seeds.
"""

import json
import warnings
from pathlib import Path

import numpy as np
from kymatio.numpy import Scattering1D
from kymatio.scattering1d.filter_bank import gauss_1d, morlet_1d

# Options of the transform, and the shape of the batch.
AVERAGED = [
    [{"J": 3, "shape": 64}, [2]],
    [{"J": 6, "shape": 1024, "Q": 8}, []],
    [{"J": 8, "shape": 1024, "Q": 1}, [2, 3]],
    [{"J": 5, "shape": 200, "Q": [4, 2], "oversampling": 1}, []],
    [{"J": 4, "shape": 255, "Q": [4], "T": 16}, [1]],
    [{"J": 6, "shape": 131, "Q": 8, "T": 3}, []],
    [{"J": 5, "shape": 301, "Q": [3, 1], "T": 100.5, "oversampling": 2}, [2]],
    [{"J": 3, "shape": 33, "T": 1}, []],
    [{"J": 3, "shape": 128, "Q": 16, "max_order": 1}, [2]],
    [{"J": 5, "shape": 300, "T": 40, "max_order": 1, "oversampling": 3}, []],
    [{"J": 2, "shape": 17, "Q": 3, "T": 5, "oversampling": 9}, [2]],
    [{"J": 3, "shape": 12}, [4]],
    [{"J": 6, "shape": 64, "Q": [2, 2], "T": 64}, []],
    [{"J": 0, "shape": 10}, []],
    [{"J": 7, "shape": 2000, "Q": [12, 1]}, []],
]
SEPARATE = [
    [{"J": 3, "shape": 100, "T": 0}, [2]],
    [{"J": 4, "shape": 129, "Q": [3, 1], "T": 0}, []],
    [{"J": 4, "shape": 64, "Q": 2, "T": 0, "oversampling": 1}, []],
    [{"J": 4, "shape": 90, "Q": 2, "T": 0, "max_order": 1}, []],
    [{"J": 3, "shape": 64, "Q": 2}, [2]],
]
BANK = {"n": 128, "xi": [0.35, 0.1, 0.02, 0.457], "sigma": [0.14, 0.04, 0.0125, 0.016]}
LENGTHS = [2, 3, 5, 10, 31, 32, 33, 100, 255, 1000, 1024]
AVERAGES = [1, 2, 3.5, 16, 100, 512]


def transform(options, **more):
    """A transform of Kymatio, whose Q must be no list."""
    options = options | more
    if isinstance(options.get("Q"), list):
        options = options | {"Q": tuple(options["Q"])}
    return Scattering1D(**options)


def main():
    """Compute, and write."""
    warnings.simplefilter("ignore")
    stored = {}
    for i, (options, batch) in enumerate(AVERAGED):
        x = np.random.default_rng([1, i]).standard_normal((*batch, options["shape"]))
        stored[f"averaged_{i}"] = transform(options)(x)
    for i, (options, batch) in enumerate(SEPARATE):
        x = np.random.default_rng([2, i]).standard_normal((*batch, options["shape"]))
        paths = transform(options, out_type="list")(x)
        stored[f"separate_{i}"] = np.concatenate([path["coef"] for path in paths], axis=-1)
        keys = [[path["coef"].shape[-1], path["j"], path["n"]] for path in paths]
        stored[f"paths_{i}"] = json.dumps(keys)
    for name in ("order", "xi", "sigma", "j", "n"):
        stored[f"meta_{name}"] = transform(AVERAGED[3][0]).meta()[name]
    n, xi, sigma = BANK.values()
    stored["psi"] = np.stack([morlet_1d(n, a, b) for a, b in zip(xi, sigma, strict=True)])
    stored["phi"] = np.stack([gauss_1d(n, b) for b in sigma])
    padded = []
    for length in LENGTHS:
        for T in (T for T in AVERAGES if length >= T):
            s = transform({"J": 3, "shape": length, "T": T}) if length > 4 else None
            if s is not None:
                borders = [s.ind_start[2], s.ind_end[2]]
                padded.append([length, T, s._N_padded, s.pad_left, s.pad_right, *borders])
    stored["padding"] = np.array(padded)
    stored["cases"] = json.dumps({"averaged": AVERAGED, "separate": SEPARATE, "bank": BANK})
    np.savez_compressed(Path(__file__).with_name("1d.npz"), **stored)


if __name__ == "__main__":
    main()
