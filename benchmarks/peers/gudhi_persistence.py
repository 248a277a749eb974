"""Persistence of alpha complexes by gudhi, in the interpreter that has it.

    .venv-peers/bin/python benchmarks/peers/gudhi_persistence.py patterns.json [repeats]

``patterns.json`` holds a list of patterns, each a list of places. Writes a list of objects as JSON:
deaths of ``components`` but the last, ascending, births and deaths of ``holes``, and ``seconds`` of
processor time, the best of ``repeats``. gudhi's values are squared radii; these are radii.
"""

import json
import sys
import time
from pathlib import Path

import gudhi
import numpy as np


def persistence(points):
    """Intervals of components and of holes, in radii."""
    tree = gudhi.AlphaComplex(points=points).create_simplex_tree()
    tree.compute_persistence(homology_coeff_field=2, min_persistence=0)
    zero, one = (np.sqrt(tree.persistence_intervals_in_dimension(d)) for d in (0, 1))
    one = one.reshape(-1, 2)
    one = one[one[:, 1] > one[:, 0]]
    return np.sort(zero[np.isfinite(zero[:, 1]), 1]), one[np.lexsort(one.T[::-1])]


if __name__ == "__main__":
    repeats, found = int(sys.argv[2]) if len(sys.argv) > 2 else 1, []
    for points in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        times = []
        for _ in range(repeats):
            clock = time.process_time()
            components, holes = persistence(points)
            times.append(time.process_time() - clock)
        found.append(
            {"components": components.tolist(), "holes": holes.tolist(), "seconds": min(times)}
        )
    print(json.dumps(found))
