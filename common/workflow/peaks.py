"""What jobs take of the memory at most, beside what their rules declare.

How much there is, says `memory`.
"""

import math
import sys

from common import files
from common.workflow import memory, papers
from common.workflow.notebooks import warm

__all__ = ["announce", "compare", "measured"]

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
    """Peaks of memory in the benchmark files of a rule, in MB."""
    import pandas as pd  # takes as long as all else that Snakemake imports from here

    if rule.benchmark is None:
        return []
    peaks = []
    folder = str(rule.benchmark).partition("{")[0].rpartition("/")[0]
    for path in files.walk(folder):
        if path.suffix != ".tsv" or rule.benchmark.match(files.relative(path)) is None:
            continue
        table = files.read_csv(path, sep="\t")
        if "max_rss" in table:
            values = pd.to_numeric(table["max_rss"], errors="coerce")  # "NA": too short to see
            peaks += [float(value) * 2**20 / 1e6 for value in values.dropna()]
    return peaks
