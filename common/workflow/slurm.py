"""Jobs on a Slurm cluster, where Snakemake's plugin for it is installed (``make slurm``).

The plugin submits each job with ``sbatch`` and asks ``sacct`` what has become of it. Here it learns
what a run that lasts for days needs besides:

- A job starts Snakemake once and not twice, and reads the rules of its own paper only.
- What is submitted is noted in ``.snakemake/slurm/``. If Snakemake is killed, its jobs go on; the
  next run of the same command waits for those that do what is still to be done, ends those that do
  not (settings or code have changed since), and submits no job twice.
- A job that is tried again asks for twice the memory and time.
- Short jobs go together in one submission, one after the other. If some of them fail, those that
  have ended well count, and only the others are tried again.
- While the controller or the accounting does not answer, nothing is taken for failed.
- An error names the job, why it ended, and its log.
"""

import contextlib
import functools
import hashlib
import itertools
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from common import files
from common.workflow import papers

__all__ = [
    "Record", "chunk", "downloads_together", "explain", "group", "is_done", "leave_out_gpus",
    "papers_of_job", "retried", "use",
]  # fmt: skip

FOLDER = ".snakemake/slurm"
"""What has been submitted: one file for each job of Slurm, named by its number."""

_NAME = f"{FOLDER}/name"
_DOUBLED = ("mem_mb", "mem_mib", "runtime")
_AWAY = re.compile(
    r"(?i)unable to contact slurm|connection refused|socket timed out|zero bytes were transmitted"
    r"|temporarily|communication connection failure|please try again|queue limit|AssocMaxSubmit"
)
_PATIENCE = 1800  # s, during which a submission is tried again while the controller is away
_PAUSE = 15  # s
_DOWNLOADS = 20  # subjects of a data set that are downloaded one after the other
_OVER_MEMORY = re.compile(r"(?i)exceeded (job )?memory limit|oom.kill|out of memory")
_FAILED_STEP = re.compile(r"^\S.* failed: ", re.MULTILINE)


def use(workflow):
    """Let Snakemake's plugin for Slurm, if there is one, submit jobs as this module says.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Whose executor does not exist yet.
    """
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    if workflow.remote_exec:
        _record_what_a_job_did()
    else:
        _one_group_for_each_name()
    plugin = ExecutorPluginRegistry().plugins.get("slurm")
    if workflow.is_main_process and plugin is not None:
        plugin.executor = _executor(plugin.executor)


def papers_of_job(names, arguments):
    """Papers whose rules a process of Snakemake reads: all, but in a job only that of its rules.

    Parameters
    ----------
    names : list of str
        Folders of all papers.
    arguments : list of str
        Command line of the process; in a job Snakemake names its rules there.

    Returns
    -------
    names : list of str

    Examples
    --------
    >>> job = ["snakemake", "--allowed-rules", "hawkes_meg_gather", "--mode", "remote"]
    >>> papers_of_job(["hawkes", "hawkes-meg", "unhap"], job)
    ['hawkes-meg']
    >>> papers_of_job(["hawkes", "unhap"], ["snakemake", "-j2"])
    ['hawkes', 'unhap']
    """
    if "--allowed-rules" not in arguments or "remote" not in arguments:
        return names
    rules = arguments[arguments.index("--allowed-rules") + 1 :]
    rules = list(itertools.takewhile(lambda word: not word.startswith("--"), rules))
    if "scoreboard" in rules:
        return names
    # The name of one module may be how another's begins.
    prefixes = {f"{papers.module(name)}_": name for name in names}
    owners = {max(filter(rule.startswith, prefixes), key=len, default="") for rule in rules}
    return [name for prefix, name in prefixes.items() if prefix in owners]


def group(job):
    """Name of the jobs with which a job goes to a cluster; also where no cluster is used.

    Parameters
    ----------
    job : snakemake.jobs.Job

    Returns
    -------
    name : str or None
        None for a job that goes by itself.
    """
    name = job.rule._group
    return name(job.wildcards) if callable(name) else name


def retried(resources, attempt):
    """Resources of a job that is tried for the nth time.

    Parameters
    ----------
    resources : dict of str to object
        As its rule states them; ``mem_mb`` in MB, ``runtime`` in minutes.
    attempt : int
        1 at first.

    Returns
    -------
    resources : dict of str to object
        Memory and time are doubled for each attempt before this one.

    Examples
    --------
    >>> retried({"mem_mb": 500, "runtime": 10, "gpu": 1}, 2)
    {'mem_mb': 1000, 'runtime': 20, 'gpu': 1}
    """
    factor = 2 ** (attempt - 1)
    return {
        name: value * factor if name in _DOUBLED and isinstance(value, int) else value
        for name, value in resources.items()
    }


def downloads_together(wildcards):
    """Name of the downloads that go to a cluster in one submission, one after the other.

    Parameters
    ----------
    wildcards : snakemake.io.Wildcards
        ``name`` of the data set, and ``subject``.

    Returns
    -------
    group : str
    """
    return f"fetch-{wildcards.name}-{int(wildcards.subject) // _DOWNLOADS}"


def explain(state, *, number, log, resources, text=""):
    """Why a job on the cluster has failed, for the console.

    Parameters
    ----------
    state : str
        As ``sacct`` names it, for example ``"TIMEOUT"``.
    number : str
        Of the job.
    log : str
        File of what the job has printed.
    resources : dict of str to object
        What it asked for: ``mem_mb`` in MB, ``runtime`` in minutes.
    text : str
        What the job has printed.

    Returns
    -------
    message : str
    """
    memory, minutes = resources.get("mem_mb"), resources.get("runtime")
    state = state.split()[0].rstrip("+") if state.strip() else "unknown"
    if state == "OUT_OF_MEMORY" or _OVER_MEMORY.search(text):
        why = f"it took more than the {memory} MB of memory that it had asked for (mem_mb)"
    elif state in {"TIMEOUT", "DEADLINE"}:
        why = f"it took longer than the {minutes} minutes that it had asked for (runtime)"
    elif state == "CANCELLED":
        why = "it was cancelled"
    elif state in {"NODE_FAIL", "BOOT_FAIL", "PREEMPTED"}:
        why = f"its node failed or was taken away ({state})"
    elif failed := _FAILED_STEP.search(text):
        lines = text[failed.start() :].splitlines()
        return "\n".join([f"Slurm job {number}, log {log}:", *lines[:30]])
    else:
        why = f"it ended as {state}"
    return f"Slurm job {number} failed: {why}. Log: {log}"


def is_done(job, since):
    """Whether a job has ended well since a time: its outputs and its provenance are there.

    The runner removes the provenance when it begins, and writes it last.

    Parameters
    ----------
    job : snakemake.jobs.Job
    since : int
        Of the file system's clock, in ns.

    Returns
    -------
    done : bool
    """
    written = Path(job.log.get("notebook") or job.output[0]).with_suffix(".json")
    try:
        is_new = files.resolve(written).stat().st_mtime_ns >= since
    except OSError:
        return False
    return is_new and all(files.resolve(name).exists() for name in map(str, job.output))


class Record:
    """What was submitted as one job of Slurm; a file in `FOLDER`.

    Parameters
    ----------
    number : str
        Of the job.
    log : str
    jobs : dict of str to str
        First output of each of Snakemake's jobs in it, and a digest of what it is computed from.
    since : int
        Time of submission by the file system's clock, in ns.
    """

    def __init__(self, number, log, jobs, since):
        self.number, self.log, self.jobs, self.since = number, log, jobs, since

    @classmethod
    def write(cls, number, log, jobs):
        """Note a submission.

        Parameters
        ----------
        number, log, jobs
            As of the class.

        Returns
        -------
        record : Record
        """
        path = files.resolve(f"{FOLDER}/{number}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(path, {"log": log, "jobs": jobs})
        return cls(number, log, jobs, path.stat().st_mtime_ns)

    @classmethod
    def read_all(cls):
        """Every submission that is noted, the oldest first."""
        found = []
        for path in files.resolve(FOLDER).glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                noted = json.loads(path.read_text(encoding="utf-8"))
                found.append(cls(path.stem, noted["log"], noted["jobs"], path.stat().st_mtime_ns))
        return sorted(found, key=lambda record: record.since)

    def remove(self):
        """Forget it."""
        files.resolve(f"{FOLDER}/{self.number}.json").unlink(missing_ok=True)


def _digest(job):
    """Digest of what a job is computed from: its parameters, code among them, and inputs."""
    parts = [str(job.rule), *map(str, job.dag.workflow.persistence._params(job))]
    for name in sorted(map(str, job.input)):
        with contextlib.suppress(OSError):
            status = files.resolve(name).stat()
            parts.append(f"{name} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _members(job):
    return sorted(job.jobs, key=lambda one: str(one.output[0])) if job.is_group() else [job]


def _queue(name):
    """Numbers of the jobs of a name that wait or run; None while the controller is away."""
    command = ["squeue", "--me", "--noheader", "--format=%i|%k", f"--name={name}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    rows = (line.partition("|") for line in done.stdout.splitlines() if line.strip())
    return {number.strip(): comment for number, _, comment in rows}


def _patiently(ask):
    """What a function gives, once that is not None; it is asked while the controller is away."""
    end = time.monotonic() + _PATIENCE
    while (answer := ask()) is None and time.monotonic() < end:
        time.sleep(_PAUSE)
    if answer is None:
        raise OSError(f"Slurm's controller has not answered for {_PATIENCE // 60} minutes")
    return answer


def _record_what_a_job_did():
    """In a job, note what Snakemake notes of a finished job.

    Otherwise only the main process does so, if it lives: a later change of parameters would not be
    noticed of files that were made while it did not.
    """
    from snakemake.persistence import PersistenceBase

    finished = PersistenceBase.finished
    if hasattr(finished, "__wrapped__"):
        return

    async def noted(self, job):
        settings = self.dag.workflow.remote_execution_settings
        before = settings.immediate_submit
        settings.immediate_submit = True
        try:
            await finished(self, job)
        finally:
            settings.immediate_submit = before

    noted.__wrapped__ = finished
    PersistenceBase.finished = noted


def _one_group_for_each_name():
    """Make one group of the jobs whose group has the same name.

    Snakemake makes one of those that depend on each other, and puts as many of these together as
    ``--group-components`` says, in any order. A name here says which jobs go together, so that they
    are the same ones after a restart.
    """
    from snakemake.dag import DAG

    def update(self):
        groups = {}
        for group in {id(group): group for group in self._group.values()}.values():
            whole = groups.setdefault(group.groupid, group)
            if whole is not group:
                whole.merge(group)
        self._group = {job: group for group in groups.values() for job in group.jobs}
        for group in groups.values():
            group.finalize()

    DAG._update_group_components = update


def _keep_what_is_done(done):
    """Let those of a group's jobs count that have ended well, though others have failed.

    Parameters
    ----------
    done : dict of int to set of snakemake.jobs.Job
        By the identity of a group.
    """
    from snakemake.jobs import GroupJob

    if hasattr(GroupJob.postprocess, "__wrapped__"):
        return
    postprocess = GroupJob.postprocess

    async def postprocess_each(self, error=False, **options):
        if not error or not done.get(id(self)):
            return await postprocess(self, error=error, **options)
        for job in self:
            is_done = job in done[id(self)]
            await job.postprocess(error=not is_done, check_output_mtime=False, **options)

    def get_target_spec(self):
        left = [job for job in self.jobs if job not in done.get(id(self), ())]
        return [job.get_target_spec()[0] for job in left or self.jobs]

    postprocess_each.__wrapped__ = postprocess
    GroupJob.postprocess = postprocess_each
    GroupJob.get_target_spec = get_target_spec


def _executor(base):
    """The plugin's executor with what this module adds to it."""
    if hasattr(base, "is_of_this_repository"):
        return base
    plugin = sys.modules[base.__module__]
    plugin.query_job_status = _in_one_word(plugin.query_job_status)

    class Executor(base):
        is_of_this_repository = True

        def __init__(self, *arguments, **options):
            self._current = threading.local()
            self._ended = set()
            self._done = {}  # id of a group: its jobs that have ended well
            self._noted = {}
            super().__init__(*arguments, **options)  # starts the thread that asks for states

        def __post_init__(self, *arguments, **options):
            super().__post_init__(*arguments, **options)
            _keep_what_is_done(self._done)
            self._go_on()
            leave_out_gpus(self.workflow.rules, [*self.dag.needrun_jobs()], self.logger.warning)

        # What a job does on its node

        @property
        def cores(self):
            return getattr(self._current, "threads", 1)

        def additional_general_args(self):
            # Not the plugin's own, which starts Snakemake a second time by srun.
            return "--keep-going"

        def get_job_args(self, job):
            self._current.threads = job.threads
            limit = f"--resources mem_mb={job.resources.get('mem_mb')}"
            return f"{super().get_job_args(job)} {limit}"

        def get_account_arg(self, job):
            # Without one, Slurm takes the default account of the user.
            return (
                super().get_account_arg(job) if job.resources.get("slurm_account") else iter([""])
            )

        # Submission

        def run_jobs(self, jobs):
            for job in jobs:
                for member in _members(job):
                    if job.attempt > 1:
                        asked = retried(dict(member.resources.items()), job.attempt)
                        member._resources = type(member.resources)(fromdict=asked)
                if job.is_group():
                    job._resources = None
            super().run_jobs(jobs)

        def run_job(self, job):
            try:
                if not self._goes_on(job):
                    self._submit(job)
            except Exception as error:
                self._report_job_error_threadsafe(_submitted(job), f"submission failed: {error}")

        def _submit(self, job):
            super().run_job(job)

        def _report_job_submission_threadsafe(self, job_info):
            jobs = {str(one.output[0]): _digest(one) for one in _members(job_info.job)}
            log = files.relative(job_info.aux["slurm_logfile"])
            job_info.aux["record"] = Record.write(job_info.external_jobid, log, jobs)
            super()._report_job_submission_threadsafe(job_info)

        def _report_job_error_threadsafe(self, job_info, msg):
            job, end = job_info.job, getattr(self._current, "end", None)
            if _AWAY.search(msg) and (end is None or time.monotonic() < end):
                self._current.end = end or time.monotonic() + _PATIENCE
                time.sleep(_PAUSE)
                try:
                    if not self._was_submitted(job):
                        self._submit(job)
                finally:
                    self._current.end = None
                return
            super()._report_job_error_threadsafe(job_info, msg)

        def _was_submitted(self, job):
            """Whether the controller has a job of which it did not say so."""
            comment = _comment(job)
            known = {record.number for record in Record.read_all()}
            for number, noted in _patiently(lambda: _queue(self.run_uuid)).items():
                if noted == comment and number not in known:
                    aux = {"slurm_logfile": self._log_of(job, number)}
                    self._report_job_submission_threadsafe(_submitted(job, number, aux))
                    return True
            return False

        def _log_of(self, job, number):
            kind = "group" if job.is_group() else "rule"
            rest = "" if job.is_group() else "_".join(job.wildcards).replace("/", "_")
            return self.slurm_logdir / f"{kind}_{job.name}" / rest / f"{number}.log"

        # Jobs of a run that was killed

        def _go_on(self):
            """Take the name of the last run if jobs of it are still there."""
            name = files.resolve(_NAME)
            self._noted = {record.number: record for record in Record.read_all()}
            last = name.read_text(encoding="utf-8").strip() if name.exists() else ""
            queue = _patiently(lambda: _queue(last)) if last else {}
            for number in queue.keys() - self._noted.keys():
                self._cancel(number, last)  # killed before it was noted what this is
            alive = queue.keys() & self._noted.keys()
            for number in self._noted.keys() - alive:
                self._noted[number].remove()
            if alive:
                self.run_uuid = last
                self.logger.warning(
                    f"{len(alive)} job(s) of the last run are still in the queue of Slurm; those "
                    "that are needed are waited for."
                )
            else:
                files.write_text(name, f"{self.run_uuid}\n")

        def _goes_on(self, job):
            """Whether a job of the last run does this, or has done it."""
            digests = {str(one.output[0]): _digest(one) for one in self._left(job)}
            noted = [one for one in self._noted.values() if digests.keys() & one.jobs.keys()]
            if not noted:
                return False
            queue = _patiently(lambda: _queue(self.run_uuid))
            alive = [record for record in noted if record.number in queue]
            these = [one for one in noted if digests.items() <= one.jobs.items()]
            if len(alive) == 1 and alive[0] in these:
                self._adopt(job, alive[0])
                return True
            if not alive and any(self._are_done(job, one) for one in these):
                self.report_job_success(_submitted(job))  # it ended while this run began
                return True
            for record in alive:
                self._cancel(record.number)
            for record in noted:
                self._noted.pop(record.number, None)
                record.remove()
            return False

        def _adopt(self, job, record):
            self._noted.pop(record.number, None)
            aux = {"slurm_logfile": files.resolve(record.log), "record": record}
            super()._report_job_submission_threadsafe(_submitted(job, record.number, aux))

        def _are_done(self, job, record):
            return all(is_done(one, record.since) for one in self._left(job))

        def _cancel(self, number, name=None):
            subprocess.run(["scancel", number], capture_output=True, timeout=120)
            while number in _patiently(lambda: _queue(name or self.run_uuid)):
                time.sleep(2)

        def _left(self, job):
            done = self._done.get(id(job), ())
            return [one for one in _members(job) if one not in done]

        # The end of a job

        async def check_active_jobs(self, active_jobs):
            self._ended.clear()
            async for _ in super().check_active_jobs(active_jobs):
                pass
            for info in active_jobs:  # where it gets no answer, the plugin gives none of them
                if id(info) not in self._ended:
                    yield info

        def report_job_success(self, job_info):
            self._ended.add(id(job_info))
            self._forget(job_info)
            super().report_job_success(job_info)

        def report_job_error(self, job_info, msg=None, **options):
            record = (job_info.aux or {}).get("record")
            if record is not None and self._are_done(job_info.job, record):
                return self.report_job_success(job_info)  # ended when its work was done
            self._ended.add(id(job_info))
            self._forget(job_info)
            if record is not None and job_info.job.is_group():
                done = self._done.setdefault(id(job_info.job), set())
                done |= {one for one in job_info.job.jobs if is_done(one, record.since)}
            super().report_job_error(job_info, msg, **options)

        def print_job_error(self, job_info, msg=None, **options):
            if job_info.external_jobid is not None:
                state = re.search(r"status is: '(.*?)'", msg or "")
                log = files.relative(job_info.aux["slurm_logfile"])
                msg = explain(
                    state[1] if state else "",
                    number=job_info.external_jobid,
                    log=log,
                    resources=dict(job_info.job.resources.items()),
                    text=_text(log),
                )
            for number, one in enumerate(self._left(job_info.job)):
                one.log_error(msg if number == 0 else "", aux_logs=options.get("aux_logs"))

        def _forget(self, job_info):
            if record := (job_info.aux or {}).get("record"):
                record.remove()

    return Executor


def leave_out_gpus(rules, jobs, warn):
    """Let no step ask for a GPU where no partition of the cluster has one.

    Nothing changes where Slurm does not answer.

    Parameters
    ----------
    rules : iterable of snakemake.rules.Rule
        Of the workflow; their resources are changed.
    jobs : iterable of snakemake.jobs.Job
        Those that will run; their resources are made again from their rules.
    warn : callable
        Called with one line if a job would have asked for a GPU.
    """
    try:
        command = ["sinfo", "--noheader", "--format=%G"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return
    if done.returncode or re.search(r"\bgpu\b", done.stdout):
        return
    asking = [rule for rule in rules if "gpu" in rule.resources]
    for rule in asking:
        del rule.resources["gpu"]
    for job in jobs:
        job._resources = None
    if any(job.rule in asking for job in jobs):
        warn(
            "No partition of this cluster has GPUs: steps that use one where they find it "
            "ask for none and compute on a CPU."
        )


def _text(log):
    try:
        return files.resolve(log).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _in_one_word(query):
    """The plugin's question for states, with `CANCELLED` for what it takes for a running job."""

    @functools.wraps(query)
    async def states(*arguments):
        found, seconds = await query(*arguments)
        words = {number: (state.split() or [""])[0] for number, state in (found or {}).items()}
        return found and {number: word.rstrip("+") for number, word in words.items()}, seconds

    return states


def _submitted(job, number=None, aux=None):
    from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

    return SubmittedJobInfo(job, external_jobid=number, aux=aux)


def _comment(job):
    """The comment that the plugin submits a job with."""
    rest = "" if job.is_group() else "_".join(job.wildcards).replace("/", "_")
    return f"rule_{job.name}" + (f"_wildcards_{rest}" if rest else "")


def chunk(items, size):
    """Items in order, at most ``size`` of them together, as even as can be.

    Parameters
    ----------
    items : sequence
    size : int

    Returns
    -------
    chunks : list of list

    Examples
    --------
    >>> chunk("abcde", 4)
    [['a', 'b', 'c'], ['d', 'e']]
    """
    items = list(items)
    n_chunks = -(-len(items) // size)
    bounds = [round(place * len(items) / max(n_chunks, 1)) for place in range(n_chunks + 1)]
    return [items[start:end] for start, end in itertools.pairwise(bounds)]
