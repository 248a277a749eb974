"""Make 3d.npz: coefficients and filters of Kymatio 0.3.0, in double precision.

Run with the interpreter of the peers' environment, `.venv-peers/bin/python`, from this folder.

Kymatio computes its filters, and rounds its integrals, in single precision. Its own functions are
run here with these types exchanged for the double ones; and its frequencies along axes of odd size,
which are off by one, are put right.
"""

import inspect
import json
import types
from pathlib import Path

import numpy as np
from kymatio.scattering3d import filter_bank
from kymatio.scattering3d.backend.numpy_backend import NumpyBackend3D
from kymatio.scattering3d.core.scattering3d import scattering3d

# shape, J, L, sigma_0, max_order, rotation_covariant, integral_powers
CASES = {
    "default": ((16, 16, 16), 2, 3, 1, 2, True, (0.5, 1.0, 2.0)),
    "rectangular": ((8, 12, 10), 2, 4, 1.1, 2, True, (0.5, 1.0, 2.0, 3.0)),
    "odd": ((9, 7, 11), 1, 3, 0.8, 2, True, (0.5, 1.0, 2.0)),
    "odd_and_even": ((9, 12, 10), 2, 2, 0.7, 2, True, (1.0, 2.5)),
    "narrow_in_space": ((12, 8, 10), 1, 3, 0.5, 2, True, (0.5, 1.0, 2.0)),
    "first_order": ((10, 10, 10), 3, 2, 1.0, 1, True, (0.5, 1.0, 2.0)),
    "one_degree": ((8, 12, 10), 2, 3, 0.8, 2, False, (0.5, 1.0, 2.0)),
    "one_degree_odd": ((7, 9, 8), 1, 2, 1.0, 1, False, (0.5, 1.0, 2.0)),
    "one_scale": ((8, 8, 8), 0, 1, 1.0, 2, True, (1.0,)),
    "one_order": ((8, 8, 8), 1, 0, 1.0, 2, True, (1.0, 2.0)),
    "flat": ((16, 4, 1), 1, 3, 1.0, 2, True, (0.5, 1.0, 2.0)),
}


def double_precision(module):
    source = (
        inspect.getsource(module).replace("float32", "float64").replace("complex64", "complex128")
    )
    source = source.replace("from .utils", "from kymatio.scattering3d.utils")
    for size in "MNO":
        assert f"-{size} // 2" in source
        source = source.replace(f"-{size} // 2", f"-({size} // 2)")
    found = types.ModuleType("double")
    exec(compile(source, "double", "exec"), found.__dict__)
    return found


def integrals(values, powers):
    return np.stack([(values**q).reshape(len(values), -1).sum(axis=1) for q in powers], axis=-1)


def main():
    bank = double_precision(filter_bank)
    stored = {"cases": json.dumps(CASES)}  # for the tests
    for name, (shape, J, L, sigma, max_order, covariant, powers) in CASES.items():
        x = np.random.default_rng(0).standard_normal((2, *shape))
        filters = bank.solid_harmonic_filter_bank(*shape, J, L, sigma)
        stored[name] = scattering3d(
            x,
            filters,
            covariant,
            L,
            J,
            max_order,
            NumpyBackend3D,
            lambda u, powers=powers: integrals(u, powers),
        )
    for name, shape in (("even", (4, 6, 8)), ("odd", (5, 3, 7))):
        for order, filters in enumerate(bank.solid_harmonic_filter_bank(*shape, 1, 4, 0.9)):
            stored[f"filters_{name}_{order}"] = filters
    # As it is, in single precision and with frequencies off by one: what tests show to be wrong.
    stored["filters_as_is_odd_1"] = filter_bank.solid_harmonic_filter_bank(5, 3, 7, 1, 1, 0.9)[1]
    stored["filters_as_is_even_3"] = filter_bank.solid_harmonic_filter_bank(4, 6, 8, 1, 3, 0.9)[3]
    np.savez_compressed(Path(__file__).with_name("3d.npz"), **stored)


if __name__ == "__main__":
    main()
