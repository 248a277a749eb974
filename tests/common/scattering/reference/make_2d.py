"""Images' scattering coefficients and filters by Kymatio 0.3.0: writes 2d.npz beside this file.

    .venv-peers/bin/python tests/common/scattering/reference/make_2d.py

Kymatio computes its filters in single precision, also for input in double precision. Each case is
therefore there twice: ``plain``, as the library is, and ``double``, where the one module that makes
the filters uses double precision instead and nothing else is changed.
"""

from pathlib import Path

import numpy as np
from kymatio.numpy import Scattering2D
from kymatio.scattering2d import filter_bank

CASES = {  # J, shape, L, max_order, pre_pad, batch
    "square": (2, (16, 16), 8, 2, False, (2,)),
    "rectangular": (3, (24, 17), 4, 2, False, (2,)),
    "odd, batch of two axes": (2, (9, 15), 6, 2, False, (2, 2)),
    "no batch": (2, (13, 10), 8, 2, False, ()),
    "as large as the scale": (3, (8, 9), 8, 2, False, (2,)),
    "smallest": (1, (2, 5), 3, 2, False, (2,)),
    "order 1": (2, (21, 12), 8, 1, False, (2,)),
    "one angle": (2, (13, 16), 1, 2, False, (2,)),
    "two angles": (4, (17, 20), 2, 2, False, (2,)),
    "slender wavelets": (3, (8, 12), 12, 2, False, (1,)),
    "padded before": (2, (12, 9), 5, 2, True, (2,)),
}
BANKS = {"wide": (3, (16, 24), 3), "slender": (2, (8, 12), 12)}  # J, shape, L


class DoublePrecision:
    """numpy, where what asks for single precision gets double precision."""

    complex64, float32 = np.complex128, np.float64

    def __getattr__(self, name):
        return getattr(np, name)


def main():
    arrays = {}
    for precision, module in (("plain", np), ("double", DoublePrecision())):
        filter_bank.np = module
        dtype = np.float32 if precision == "plain" else np.float64
        for seed, (name, (J, shape, L, max_order, pre_pad, batch)) in enumerate(CASES.items()):
            transform = Scattering2D(J, shape, L=L, max_order=max_order, pre_pad=pre_pad)
            if pre_pad:
                shape = transform._M_padded, transform._N_padded
            x = np.random.default_rng(seed).standard_normal((*batch, *shape))
            # Through a batch axis: its backend has one at least.
            found = transform(x.reshape(-1, *shape).astype(dtype))
            arrays[f"{name}/{precision}"] = found.reshape(*batch, *found.shape[1:]).astype(dtype)
            if precision == "double":
                arrays[f"{name}/x"] = x
                arrays[f"{name}/options"] = np.array([J, L, max_order, pre_pad])
                arrays[f"{name}/shape"] = np.array(CASES[name][1])
        for name, (J, shape, L) in BANKS.items():
            bank = filter_bank.filter_bank(*shape, J, L)
            for kind in ("phi", "psi"):
                filters = [bank["phi"]] if kind == "phi" else bank["psi"]
                for level in range(J):
                    of_level = [f["levels"][level] for f in filters if len(f["levels"]) > level]
                    if of_level:
                        key = f"filters/{name}/{kind}/{level}/{precision}"
                        arrays[key] = np.array(of_level).astype(dtype)
    np.savez_compressed(Path(__file__).with_name("2d.npz"), **arrays)


if __name__ == "__main__":
    main()
