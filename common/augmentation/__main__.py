"""Command line: ``python -m common.augmentation plan [--scale embedded|paper|all]``."""

import argparse
import sys

from common.augmentation import plan
from common.workflow import console

__all__ = ["main"]

STUDY = "eeg-augmentation"


def main(arguments=None):
    """Print what a study is going to compute.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.

    Returns
    -------
    code : int
        0, or 1 after an error, which is printed.
    """
    import torch

    console.accept_any_encoding()
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)  # as a job
    scales = ("embedded", "paper") if options.scale == "all" else (options.scale,)
    try:
        for scale in scales:
            _print(options.study, scale, options.device)
    except ValueError as error:  # of paper.yaml, too
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _print(study, scale, device):
    timings = plan.read_timings(study, scale)
    planned = plan.table(study, scale, timings=timings, device=device)
    total = planned[["fits", "jobs", "hours"]].sum()
    print(f"\n{study}, {scale} scale")
    print(f"{'experiment':12} {'data set':18} {'fits':>6} {'jobs':>6} {'time':>10}  estimated from")
    for row in planned.itertuples():
        print(
            f"{row.experiment:12} {row.dataset:18} {row.fits:6} {row.jobs:6} "
            f"{_duration(row.hours):>10}  {row.estimate}"
        )
    print(
        f"{'all':12} {'':18} {total['fits']:6.0f} {total['jobs']:6.0f} "
        f"{_duration(total['hours']):>10}  of one job at a time on {device}; start of jobs, "
        "preparation and figures come on top"
    )
    if (planned["estimate"] == "calibration").any():
        print("calibration: steps timed on noise, now; number of epochs as stated in paper.yaml")
    if timings is not None:
        share = timings["augmentation_seconds"].sum() / timings["seconds"].sum()
        print(f"timed fits: {len(timings)}, of whose time {share:.1%} was spent in augmentation")


def _duration(hours):
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{hours * 60:.1f} min" if hours * 60 >= 1 else f"{hours * 3600:.0f} s"


def _parser():
    parser = argparse.ArgumentParser(prog="python -m common.augmentation", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("plan", help="fits, jobs and estimated time of a study")
    command.add_argument("--scale", choices=["embedded", "paper", "all"], default="all")
    command.add_argument("--study", default=STUDY, help="folder below papers/")
    command.add_argument("--device", default="cpu", help="where the calibration runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
