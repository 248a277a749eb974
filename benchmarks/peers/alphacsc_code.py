"""Activations by alphacsc, in the interpreter that has it.

    .venv-peers/bin/python benchmarks/peers/alphacsc_code.py given.npz found.npy

alphacsc is a peer to compare with, not a dependency. ``given.npz`` holds ``X`` of shape
(n_channels, n_times), ``u`` (n_atoms, n_channels), ``v`` (n_atoms, n_times_atom), ``penalty`` and
``tol``; what is written are the activations of its locally greedy coordinate descent.
"""

import sys

import numpy as np
from alphacsc.update_z_multi import update_z_multi

if __name__ == "__main__":
    given = np.load(sys.argv[1])
    options = {"tol": float(given["tol"]), "max_iter": 10**6}
    z, _, _ = update_z_multi(
        given["X"][None],
        np.concatenate([given["u"], given["v"]], axis=1),
        float(given["penalty"]),
        solver="lgcd",
        solver_kwargs=options,
    )
    np.save(sys.argv[2], z[0])
