"""Scattering transforms: ours against Kymatio's torch backend, on the same batches.

Kymatio 0.3.0 does not import with the scipy of this repository, so both run in the peers'
environment (`make peers`), in one process, taking turns; see ``benchmarks/peers/kymatio_speed.py``.
Prints for each case the median time of a batch of both, the ratio, how much of it the Fourier
transforms alone take, time to construct, peak memory, and the largest difference of values over the
largest value; then the geometric mean of the ratios. Without that environment only ours is timed.

Run with ``python benchmarks/bench_scattering.py``; ``--published`` takes the configurations of
published timings (in smaller batches), ``--sweep`` varies length and batch, and ``--output`` keeps
the table: transform, implementation, shape, batch, threads, device, seconds, peak_mb and more.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common import files
from common.workflow import peers

SCRIPT = "benchmarks/peers/kymatio_speed.py"


def rows(*arguments):
    """Table of timings, one row for each implementation of each case."""
    if peers.installed("kymatio"):
        printed = peers.run("kymatio", SCRIPT, *arguments)
    else:
        print("kymatio is not installed; run `make peers` to compare. Ours alone:")
        command = [sys.executable, files.resolve(SCRIPT), "--ours-only", *arguments]
        printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    table = pd.DataFrame([json.loads(line) for line in printed.splitlines()])
    table["shape"] = ["x".join(map(str, shape)) for shape in table["shape"]]
    return table


def compare(table, clock):
    """Side by side, and the ratio: above 1 where ours is faster."""
    sides = table.pivot(index="case", columns="implementation")
    wide = pd.DataFrame(index=table["case"].unique())
    for which in ("kymatio", "ours"):
        if which in set(table["implementation"]):
            wide[f"{which}, ms"] = 1e3 * sides[clock][which]
            wide[f"FFT {which}"] = 1e3 * sides["fft_" + clock][which]
            wide[f"build {which}"] = 1e3 * sides["construction_seconds"][which]
            wide[f"MB {which}"] = sides["peak_mb"][which]
    if "kymatio" in set(table["implementation"]):
        wide["ratio"] = wide["kymatio, ms"] / wide["ours, ms"]
        wide["error"] = sides["relative_error"]["ours"].map("{:.0e}".format)
    return wide


def main():
    """Time, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", nargs="+", help="some of the cases only, see the script")
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--output", type=Path, help="CSV file")
    options = parser.parse_args()
    arguments = ["--case", *options.case] if options.case else []
    arguments += [f"--{name}" for name in ("published", "sweep") if getattr(options, name)]
    for name in ("threads", "device", "rounds"):
        arguments += [f"--{name}", str(getattr(options, name))]
    table = rows(*arguments)
    wide = compare(table, "seconds" if options.clock == "wall" else "cpu_seconds")
    print(f"{options.threads} thread(s), {options.device}, {options.clock} time")
    print(wide.to_string(float_format="{:.1f}".format))
    if "ratio" in wide:
        mean = float((wide["ratio"]).prod() ** (1 / len(wide)))
        print(f"geometric mean of the ratios: {mean:.2f}")
    if options.output:
        table.to_csv(options.output, index=False)


if __name__ == "__main__":
    main()
