"""What papers cost at the scale ``paper``, before anything of it is started.

The jobs are those that a dry run of Snakemake finds, so what is built already costs nothing. Their
memory is what their rules declare, and the size of downloads what the registry says. How long a job
takes is

- the mean of what jobs of its step have taken at this scale, where some have run here;
- else at most the ``runtime`` that the step declares, after which a cluster ends the job, and at
  least the processor time of the step's shortest job at the embedded scale, where that is built.

Nothing else is assumed; what cannot be known stays unknown. A step that uses a GPU where it finds
one has no lower bound of the second kind, because a GPU may be faster than what was measured.
"""

import contextlib
import dataclasses
import typing

from common import files, registry
from common.workflow import papers, peaks, slurm

__all__ = [
    "BOUNDED", "DECLARED", "MEASURED", "SCALE", "UNTIMED", "Cost", "Job", "by_step", "jobs", "total"
]  # fmt: skip

SCALE = "paper"

MEASURED = "measured at the paper scale"
DECLARED = "declared: an upper bound"
BOUNDED = f"measured at the embedded scale: a lower bound; {DECLARED}"
UNTIMED = "depends on the network"

_FETCH = "fetch"
"""The step of all downloads."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A job that is still to be run.

    Attributes
    ----------
    papers : frozenset of str
        Those of the papers asked for that need it; a download may serve several.
    step : str
        As in ``rules.smk``; all downloads are one step.
    output : str
        The first one, by which jobs are told apart.
    threads : int
    mem_mb, minutes : int or None
        Memory and time that the rule declares, None where it does not.
    gpu : bool
        Whether it uses a GPU where it finds one.
    fetches : str or None
        Data set of the registry that it downloads.
    folders : bool
        Whether it may read data that the user has to obtain.
    measured : float or None
        Mean time of the step's jobs that have run at this scale, in s.
    least : float or None
        Processor time of the step's shortest job at the embedded scale, in s.
    group : str or None
        Name of the jobs with which it goes to a cluster.
    """

    papers: frozenset
    step: str
    output: str
    threads: int = 1
    mem_mb: int | None = None
    minutes: int | None = None
    gpu: bool = False
    fetches: str | None = None
    folders: bool = False
    measured: float | None = None
    least: float | None = None
    group: str | None = None

    @property
    def source(self):
        """Where its time comes from: `MEASURED`, `BOUNDED`, `DECLARED`, `UNTIMED`; or unknown."""
        if self.fetches:
            return UNTIMED
        if self.measured is not None:
            return MEASURED
        bounds = BOUNDED if self._shortest is not None else DECLARED
        return bounds if self.minutes is not None else "unknown"

    @property
    def hours(self):
        """Core-hours at least and at most, None where that is unknown, as of a download."""
        if self.fetches:
            return None, None
        if self.measured is not None:
            return (self.threads * self.measured / 3600,) * 2
        least = None if self._shortest is None else self._shortest / 3600
        return least, None if self.minutes is None else self.threads * self.minutes / 60

    @property
    def gpu_hours(self):
        """Hours of one GPU, at least and at most."""
        if not self.gpu:
            return 0.0, 0.0
        return tuple(None if hours is None else hours / self.threads for hours in self.hours)

    @property
    def _shortest(self):
        return None if self.gpu else self.least


class Cost(typing.NamedTuple):
    """What several jobs cost together.

    Hours are pairs: at least, at most. The first one leaves out jobs of which no lower bound is
    known, and is None where that are all; the second is None where it is unknown of any job.

    Attributes
    ----------
    jobs : int
    submissions : int
        To a cluster; jobs of a group go together.
    size : int
        Of downloads whose size is known, in bytes.
    unsized : int
        Number of downloads whose size is unknown.
    core_hours, gpu_hours : tuple of float or None
        Without downloads, unless there is nothing else.
    mem_mb : int or None
        Memory of the largest job; None where one declares none.
    sources : dict of str to int
        Where times come from, and of how many jobs.
    """

    jobs: int
    submissions: int
    size: int
    unsized: int
    core_hours: tuple
    gpu_hours: tuple
    mem_mb: int | None
    sources: dict


def total(of):
    """What jobs cost together.

    Parameters
    ----------
    of : iterable of Job

    Returns
    -------
    cost : Cost
    """
    of = list(of)
    timed = [job for job in of if not job.fetches]
    size, unsized = registry.download_size(job.fetches for job in of if job.fetches)
    sources = {}
    for job in of:
        sources[job.source] = sources.get(job.source, 0) + 1
    memory = [job.mem_mb for job in of]
    return Cost(
        jobs=len(of),
        submissions=len({job.group or job.output for job in of}),
        size=size,
        unsized=unsized,
        core_hours=_together([job.hours for job in timed or of]),
        gpu_hours=_together([job.gpu_hours for job in of if job.gpu]),
        mem_mb=None if None in memory else max(memory, default=0),
        sources=dict(sorted(sources.items(), key=lambda item: -item[1])),
    )


def by_step(of):
    """Jobs of each step.

    Parameters
    ----------
    of : iterable of Job
        Of one paper.

    Returns
    -------
    steps : dict of str to list of Job
        Downloads first, then in the order in which they run.
    """
    steps = {}
    for job in sorted(of, key=lambda job: job.fetches is None):
        steps.setdefault(job.step, []).append(job)
    return steps


def jobs(names):
    """Jobs that papers still need at the scale ``paper``: those of Snakemake's dry run.

    Parameters
    ----------
    names : list of str
        Folders below ``papers/``.

    Returns
    -------
    jobs : list of Job
        In an order in which they could run; a job that several papers need, once.

    Raises
    ------
    papers.PaperError
        If there is no such paper; the message has the nearest name.
    SystemExit
        If there are mistakes in the files of a paper; Snakemake's console has said which.
    """
    known = papers.names()
    for name in names:
        if name not in known:
            raise papers.PaperError(f"there is no paper {name!r}{papers.near(name, known)}")
    with _dag({name: f"papers/{name}/figures" for name in names}) as (dag, targets):
        needed = {name: set(dag.bfs(dag.dependencies, job)) for name, job in targets.items()}
        waiting = {}
        for job in dag.needrun_jobs():
            if job.rule.script:  # else it only names files
                waiting.setdefault(job.rule, []).append(job)
        found = []
        for rule in filter(waiting.get, dag.workflow.rules):
            alike = _of_rule(rule, waiting[rule][0])
            for job in sorted(waiting[rule], key=lambda job: str(job.output[0])):
                users = frozenset(name for name, inside in needed.items() if job in inside)
                found.append(_job(job, papers=users, **alike))
        return found


def _of_rule(rule, job):
    """What holds for all jobs of a rule, of which one is given."""
    output, params = str(job.output[0]), job.params
    if output.startswith("data/raw/"):
        return {"step": _FETCH}
    prefixes = [f"{papers.module(name)}_" for name in papers.names()]
    prefix = max(filter(rule.name.startswith, prefixes), key=len)
    here = _positive(peaks.benchmarks(rule), "s")
    there = _positive(peaks.benchmarks(rule, scales=(SCALE, "embedded")), "cpu_time")
    return {
        "step": rule.name.removeprefix(prefix),
        "gpu": params.get("device", "cpu") != "cpu" or bool(job.resources.get("gpu")),
        "folders": params.get("folders") is not None,
        "measured": sum(here) / len(here) if here else None,
        "least": min(there, default=None),
    }


def _positive(rows, key):
    """Times of benchmarks; what was too short to be seen is "NA" or 0 there."""
    return [value for row in rows if (value := peaks.number(row.get(key)))]


def _job(job, **alike):
    if alike["step"] == _FETCH:
        alike["fetches"] = job.wildcards.get("name") or job.params.get("name")
    return Job(
        output=str(job.output[0]),
        threads=job.threads,
        mem_mb=_whole(job.resources.get("mem_mb")),
        minutes=_whole(job.resources.get("runtime")),
        group=slurm.group(job),
        **alike,
    )


def _whole(value):
    """A resource; None where a rule has none or Snakemake cannot tell it yet."""
    return value if isinstance(value, int) else None


def _together(hours):
    """Sum of pairs "at least, at most"; see `Cost`."""
    least = [one for one, _ in hours if one is not None]
    most = [one for _, one in hours]
    return (
        sum(least) if least or not hours else None,
        None if None in most else sum(most),
    )


@contextlib.contextmanager
def _dag(targets):
    """Snakemake's graph of the jobs behind some targets, and the job of each."""
    from snakemake import api
    from snakemake.settings import types
    from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

    # The triggers, the size and the console are those of profiles/default.
    triggers = {types.RerunTrigger.MTIME, types.RerunTrigger.PARAMS, types.RerunTrigger.INPUT}
    console = types.OutputSettings(
        log_handler_settings={"lines": LogHandlerSettingsBase()}, enable_file_logging=False
    )
    with contextlib.chdir(files.ROOT), api.SnakemakeApi(console) as snakemake:
        try:
            made = snakemake.workflow(
                resource_settings=types.ResourceSettings(cores=1),
                config_settings=types.ConfigSettings(config={"scale": SCALE}),
                snakefile=files.ROOT / "Snakefile",
            )
            made.dag(
                types.DAGSettings(
                    targets=set(targets.values()),
                    rerun_triggers=triggers,
                    force_incomplete=True,
                    max_checksum_file_size=10**11,
                )
            )
            workflow = made._workflow
            workflow._prepare_dag(
                forceall=False, ignore_incomplete=True, lock_warn_only=True, nolock=True
            )
            workflow._build_dag()
        except Exception as error:
            snakemake.print_exception(error)
            raise SystemExit(1) from None
        ends = {job.rule.name: job for job in workflow.dag.targetjobs}
        yield workflow.dag, {name: ends[target] for name, target in targets.items()}
