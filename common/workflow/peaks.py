"""What jobs take of the memory at most, beside what their rules declare.

How much there is, says `memory`.
"""

import csv
import math
import sys

from common import files
from common.workflow import memory, papers
from common.workflow.notebooks import warm

__all__ = ["announce", "benchmarks", "compare", "measured", "number"]

MARGIN = 1.3
"""Memory that a rule declares, as a multiple of the largest measured peak."""


def announce(workflow):
    """Say once before the first job that jobs will wait for memory, if they will.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        With a list of the jobs to run and Snakemake's ``--resources mem_mb=``, which
        ``profiles/default`` sets from `common.workflow.memory.budget`.
    """
    limit = workflow.global_resources.get("mem_mb").value
    if limit is None:
        return
    at_a_time = workflow.nodes or workflow.cores
    wanted = {}
    for job in workflow.dag.needrun_jobs():
        wanted[job] = _declared(job.rule) or 0
    if sum(sorted(wanted.values(), reverse=True)[:at_a_time]) <= limit:
        return
    known = memory.limit()
    of_what = (
        f", {memory.SHARE:.0%} of the {known[0]} MB of {known[1]}"
        if limit == memory.budget()
        else ""
    )
    print(
        f"Jobs that run together share {limit} MB of memory{of_what}; others wait. "
        f"Another limit: --resources mem_mb={2 * limit}",
        file=sys.stderr,
    )
    for name, asked in sorted({(job.rule.name, mb) for job, mb in wanted.items() if mb > limit}):
        print(f"{name} asks for {asked} MB, more than that: it runs alone.", file=sys.stderr)


def measured(workflow):
    """What the jobs of each rule took at most, beside what the rule declares.

    Snakemake's benchmarks hold the peak: of a job's processes together, sampled.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow

    Returns
    -------
    rows : list of str
        ``rule jobs peak declared``, memory in MB, of the rules that have run.
    """
    found = [(rule.name, _peaks(rule), _declared(rule)) for rule in workflow.rules]
    return [
        f"{name} {len(peaks)} {max(peaks):.0f} {declared}"
        for name, peaks, declared in found
        if peaks and declared is not None
    ]


def benchmarks(rule, *, scales=None):
    """What Snakemake has measured of the jobs of a rule that have run.

    Parameters
    ----------
    rule : snakemake.rules.Rule
    scales : tuple of str, optional
        The scale that the rule was made for, and the one of the jobs. Default: the same one.

    Returns
    -------
    rows : list of dict of str to str
        One for each benchmark file: ``s``, ``max_rss``, ``cpu_time`` and more.
    """
    if rule.benchmark is None:
        return []
    own, other = (f"/{scale}/" for scale in scales) if scales else ("", "")
    folder = str(rule.benchmark).partition("{")[0].rpartition("/")[0]
    rows = []
    for path in files.walk(folder.replace(own, other, 1)):
        name = files.relative(path).replace(other, own, 1)
        if path.suffix == ".tsv" and rule.benchmark.match(name) is not None:
            with path.open(encoding="utf-8", errors="replace", newline="") as file:
                rows += csv.DictReader(file, delimiter="\t")
    return rows


def number(text):
    """A number of a benchmark file; None where there is none, for example ``NA``.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    value : float or None
    """
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def compare(rows):
    """Print the rows of `measured` as a table.

    A rule should declare `MARGIN` times the largest peak, rounded up to 100 MB.

    Parameters
    ----------
    rows : list of str

    Raises
    ------
    papers.PaperError
        If a job took more than its rule declares.
    """
    short = []
    print(f"{'rule':44} {'jobs':>5} {'peak':>7} {'declared':>9} {'enough':>7}  (MB)")
    for row in rows:
        name, *numbers = row.split()
        n_jobs, peak, declared = map(int, numbers)
        enough = 100 * math.ceil(MARGIN * peak / 100)
        print(f"{name:44} {n_jobs:5} {peak:7} {declared:9} {enough:7}")
        if peak > declared:
            short.append(f"{name} took {peak} MB and declares mem_mb={declared}. Declare more")
    if files.resolve(warm.REPORT).exists():
        used = files.read_json(warm.REPORT)
        print(
            f"Besides, {len(used['imports'])} processes that jobs were forked from took "
            f"{used['bytes'] / 1e6:.0f} MB in the last run."
        )
    if short:
        raise papers.PaperError("\n".join(short))


def _declared(rule):
    """``mem_mb`` of a rule; None where it has none, or computes it for each job."""
    try:
        return rule.resources.get("mem_mb").value
    except ValueError:
        return None


def _peaks(rule):
    """Peaks of memory in the benchmark files of a rule, in MB; "NA" where a job was too short."""
    found = [number(row.get("max_rss")) for row in benchmarks(rule)]
    return [value * 2**20 / 1e6 for value in found if value is not None]
