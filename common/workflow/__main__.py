"""Command line: ``python -m common.workflow plan [PAPER ...] [--csv]``."""

import argparse
import csv
import sys

from common import registry
from common.workflow import console, costs, papers

__all__ = ["main"]

_NOTES = """\
Counted are the jobs that are still to be run, and hours without the time of downloads. At most a
step takes the time after which a cluster ends it; at least, what its shortest job took at the
embedded scale, and steps without such a time are left out. GPU-hours are those of steps that use a
GPU where they find one; they are among the core-hours. Memory is what the largest job declares
(`resources` in paper.yaml), an estimate where its step has not run at this scale. Sizes of
downloads are those of data/registry.yaml."""


def main(arguments=None):
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.

    Returns
    -------
    code : int
        0, or 1 after an error, which is printed.
    """
    console.accept_any_encoding()
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (papers.PaperError, registry.RegistryError) as error:
        print(error, file=sys.stderr)
        return 1


def _plan(options):
    names = list(dict.fromkeys(options.papers)) or papers.names()
    found = costs.jobs(names)
    of = {name: [job for job in found if name in job.papers] for name in names}
    steps = {name: costs.by_step(jobs) for name, jobs in of.items()}
    if options.csv:
        rows = csv.writer(sys.stdout, lineterminator="\n")
        rows.writerow(_COLUMNS)
        for name, one in steps.items():
            rows.writerows([name, step, *_values(costs.total(jobs))] for step, jobs in one.items())
        return 0
    shown = [(step, jobs) for step, jobs in steps[names[0]].items()] if len(names) == 1 else []
    shown += list(of.items())
    shown += [("total", found)] if len(names) > 1 else []
    print("\n".join(_table([(name, costs.total(jobs)) for name, jobs in shown])))
    print(f"\n{_NOTES}")
    whole = costs.total(found)
    if whole.submissions < whole.jobs:
        print(f"On a cluster, short jobs go together: {whole.submissions:,} submissions.")
    if users := [name for name, jobs in of.items() if any(job.folders for job in jobs)]:
        print(
            f"Data that you obtain yourself (folders in config.yaml) may be read by: "
            f"{', '.join(users)}."
        )
    return 0


_COLUMNS = [
    "paper", "step", "jobs", "submissions", "download_bytes", "downloads_of_unknown_size",
    "core_hours_least", "core_hours_most", "gpu_hours_least", "gpu_hours_most", "mem_mb", "source",
]  # fmt: skip


def _values(cost):
    values = [*cost.core_hours, *cost.gpu_hours]
    hours = ["unknown" if value is None else f"{value:.6g}" for value in values]
    memory = "unknown" if cost.mem_mb is None else cost.mem_mb
    return [
        cost.jobs,
        cost.submissions,
        cost.size,
        cost.unsized,
        *hours,
        memory,
        " / ".join(cost.sources),
    ]


def _table(costs_of):
    """Lines of an aligned table."""
    rows = [["", "jobs", "download (GB)", "core-hours", "GPU-hours", "memory (GB)", "times"]]
    for name, cost in costs_of:
        rows.append(
            [
                name,
                f"{cost.jobs:,}",
                _download(cost),
                _hours(cost.core_hours),
                _hours(cost.gpu_hours),
                "unknown" if cost.mem_mb is None else f"{cost.mem_mb / 1000:.1f}",
                _sources(cost),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        name, *numbers, sources = row
        middle = (text.rjust(width) for text, width in zip(numbers, widths[1:], strict=False))
        yield "  ".join([name.ljust(widths[0]), *middle, sources]).rstrip()


def _download(cost):
    if not cost.unsized:
        return _amount(cost.size / 1e9)
    more = f"{cost.unsized:,} of unknown size"
    return f"{_amount(cost.size / 1e9)} + {more}" if cost.size else more


def _hours(bounds):
    least, most = (None if value is None else _amount(value) for value in bounds)
    if least is None or most is None:
        return f"at most {most}" if most else f"at least {least}" if least else "unknown"
    return least if least == most else f"{least} to {most}"


def _amount(value):
    """Two significant digits and no exponent; only nothing is 0."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}" if value >= 0.01 else "< 0.01"


def _sources(cost):
    if len(cost.sources) == 1:
        return next(iter(cost.sources))
    return " | ".join(f"{source} ({n:,} job{'s' * (n > 1)})" for source, n in cost.sources.items())


def _parser():
    parser = argparse.ArgumentParser(prog="python -m common.workflow", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("plan", help="what papers cost at the paper's scale")
    command.set_defaults(run=_plan)
    command.add_argument("papers", nargs="*", metavar="PAPER", help="one: by step; default: all")
    command.add_argument("--csv", action="store_true", help="all steps, as comma-separated values")
    return parser


if __name__ == "__main__":
    sys.exit(main())
