"""What the top ``Snakefile`` does besides finding papers: checks, commands of jobs, recording.

Targets are in `targets`, and what jobs take of the memory in `peaks`.
"""

import argparse
import atexit
import collections
import contextlib
import functools
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from common import files, sources
from common.workflow import console, locks, memory, papers, peaks, steps
from common.workflow.notebooks import fingerprint, isolation, provenance, warm
from common.workflow.notebooks.run import has_gpu_driver

__all__ = [
    "check_folder", "configure", "keep_texts", "keep_warm", "left_out_if_broken", "patterns",
    "prepare_commands", "record", "spare_repetition", "unless_broken", "wait_for_jobs_alone",
]  # fmt: skip

_DEFAULT_RATE = (100, 1)  # jobs, s: Snakemake's --max-jobs-per-timespan
MAX_RECORDED_BYTES = 2_000_000
"""Size of the largest table that is recorded; the repository holds small files."""


def check_folder(workflow):
    """Refuse to work anywhere but in the repository: its files are always written there.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow

    Raises
    ------
    snakemake.exceptions.WorkflowError
        If the working directory is another one, for example because of ``--directory``.
    """
    from snakemake.exceptions import WorkflowError

    root = Path(workflow.basedir)
    if not Path.cwd().samefile(root):
        raise WorkflowError(
            f"Files are always written in {root}, and the working directory is {Path.cwd()}. "
            f"Run snakemake there, without --directory and --snakefile: cd {root}"
        )


def configure(workflow):
    """Read ``config.yaml`` into Snakemake's ``config`` and check it.

    What ``--config`` and ``--configfile`` say comes first, as with Snakemake's ``configfile:``,
    which reads numbers as YAML 1.1 does and names no line.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow

    Raises
    ------
    snakemake.exceptions.WorkflowError
        Every mistake, one line each; Snakemake shows it without a traceback.
    """
    from snakemake.exceptions import WorkflowError
    from snakemake.utils import update_config

    try:
        if files.resolve("config.yaml").exists() or not workflow.overwrite_configfiles:
            written = sources.read_yaml("config.yaml") or {}
            if not isinstance(written, dict):
                raise papers.PaperError("config.yaml: expected `key: value` lines")
            update_config(workflow.config, written)
        update_config(workflow.config, workflow.config_settings.overwrite_config)
        papers.config(workflow.config)
    except ValueError as error:
        raise WorkflowError(str(error)) from None


@contextlib.contextmanager
def left_out_if_broken(workflow, broken, paper):
    """Leave a paper out whose files cannot be read, so that the others can be built.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Rules that the paper has added before its error are removed again.
    broken : dict of str to str
        Paper to what is wrong, one line for each mistake; the paper is added.
    paper : str
        Folder below ``papers/``; its rules are made in this context.
    """
    from snakemake.exceptions import format_exception_to_string

    known, depth = list(workflow._rules), len(workflow.included_stack)
    try:
        papers.load(paper)  # its mistakes explain those of the rules
    except papers.PaperError as error:
        broken[paper] = str(error)
    try:
        yield
    except Exception as error:
        shown = isinstance(error, papers.PaperError | sources.SourceError)
        message = str(error) if shown else _one_line(error, workflow, format_exception_to_string)
        broken.setdefault(paper, message)
    if paper in broken:
        for rule in [rule for rule in workflow._rules if rule not in known]:
            del workflow._rules[rule]
        del workflow.included_stack[depth:]


def _one_line(error, workflow, describe):
    """An error in a ``rules.smk``: place and message."""
    heading, *rest = describe(error, workflow.linemaps).splitlines()
    place = heading.removesuffix(":").replace(f"{files.ROOT}/", "").replace('"', "")
    kind, _, place = place.partition(" in file ")
    said = [line.strip() for line in rest if line.strip() and not line.startswith("  File ")]
    if isinstance(error, SyntaxError):
        said = [error.msg, *said[1:]]
    return f"{place or 'rules.smk'}: {kind}: {' '.join(said)}"


def unless_broken(broken, wanted):
    """Input files of a rule that needs every paper.

    Parameters
    ----------
    broken : dict of str to str
        From `left_out_if_broken`.
    wanted : list of str

    Returns
    -------
    input : list of str or callable
        ``wanted``, or a function that raises what is wrong with the broken papers.
    """
    if not broken:
        return wanted

    def complain(wildcards):
        raise papers.PaperError("\n".join(broken.values()))

    return complain


def keep_texts(workflow):
    """Have every rule pass its params as they are.

    Snakemake replaces ``{name}`` in texts and lists of texts by a wildcard. A notebook gets each
    wildcard by itself, so braces in a param are always part of a text, for example of a setting.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    """
    for rule in workflow.rules:
        for index, value in enumerate(rule.params):
            if not callable(value):
                rule.params[index] = _constant(value)
        for name, value in list(rule.params.items()):
            if not callable(value):
                setattr(rule.params, name, _constant(value))


def _constant(value):
    return lambda wildcards: value


def wait_for_jobs_alone(workflow):
    """Look for jobs to start when one has ended, and not all the time besides.

    To start at most 100 jobs per second, Snakemake looks again a second after each time that it
    looked for jobs to start, so with each job that ends it looks once more per second: after 200
    jobs it is busy with that alone. A limit that somebody asks for stays.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Whose scheduler has not begun.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit is not None and (limit.max_jobs, limit.timespan) == _DEFAULT_RATE:
        workflow.scheduler.job_rate_limiter = None


def keep_warm(workflow):
    """Start the server from which this run's jobs are forked, if that is of use.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        With a list of the jobs to run.
    """
    settings = papers.config(workflow.config)
    is_here = workflow.is_main_process and workflow.local_exec
    if not (settings.warm and is_here and warm.is_possible()):
        return
    asked = [job.params.get("notebook") for job in workflow.dag.needrun_jobs() if job.rule.script]
    jobs = collections.Counter(notebook for notebook in asked if notebook)
    if jobs.total() < 2:
        return
    imports = {
        notebook: fingerprint.imports(files.resolve(notebook.partition("@")[0]), root=files.ROOT)
        for notebook in jobs
    }
    # A library may speak to the driver while it is imported; then it could not be forked.
    if settings.device != "cpu" and has_gpu_driver():
        imports = {notebook: [] for notebook in jobs}
    places = contextlib.ExitStack()
    folder, has_sockets = places.enter_context(locks.scratch())
    if not has_sockets:
        places.close()
        return
    environ = isolation.job_environment(os.environ, root=files.ROOT, scratch=folder / "scratch")
    report = files.resolve(warm.REPORT)
    found = memory.limit()  # of the machine, the container or the Slurm job
    there_is = {} if found is None else {"memory": 1e6 * found[0]}
    server = warm.Server(
        folder, warm.groups(imports, jobs), environ=environ, report=report, **there_is
    )
    places.callback(server.close)
    atexit.register(places.close)
    os.environ[warm.FOLDER] = str(folder)


def patterns(workflow, config):
    """Regular expressions of the files that rules write, logs and benchmarks among them.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    config : dict
        Snakemake's ``config``; the patterns hold for every scale.

    Returns
    -------
    patterns : list of str
    """
    from snakemake.io import regex_from_filepattern

    named = [
        str(file)
        for rule in workflow.rules
        for file in (*rule.output, *rule.log, rule.benchmark)
        if file is not None and not callable(file)
    ]
    scale = re.escape(f"/{config.get('scale')}/")
    return sorted({regex_from_filepattern(name).replace(scale, "/[^/]+/") for name in named})


def prepare_commands():
    """Let what rules start find this repository and its interpreter, on any machine.

    And add to a job's benchmark what it took in processes that Snakemake does not see.

    What they import comes from here and not from folders that the user has named, and the
    interpreter's path may hold a space, a quote or a parenthesis: Snakemake writes it into the
    commands of jobs as it is, for a shell to read.
    """
    from snakemake.script import PythonScript
    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

    execute, executable = PythonScript._execute_cmd, RemoteExecutor.get_python_executable
    environment = isolation.python_environment(os.environ, root=files.ROOT)
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
    if hasattr(execute, "__wrapped__"):  # done before
        return

    @functools.wraps(execute)
    def quoted_execute(self, command, **values):
        script = values.get("fname")
        values |= {k: shlex.quote(v) for k, v in values.items() if k == "py_exec"}
        try:
            return execute(self, command, **values)
        finally:
            if script and self.bench_record and (usage := warm.usage_of(script)):
                _add_usage(self.bench_record, usage)

    @functools.wraps(executable)
    def quoted_executable(self):
        return shlex.quote(executable(self))

    def _add_usage(record, usage):
        record.max_rss = (record.max_rss or 0) + usage["memory"]
        record.cpu_time += usage["seconds"]
        record.cpu_usage += 100 * usage["seconds"]
        record.data_collected = True

    PythonScript._execute_cmd = quoted_execute
    RemoteExecutor.get_python_executable = quoted_executable


def spare_repetition():
    """Let Snakemake look up once, and not for each job, what is the same for all jobs of a rule.

    The arguments of the functions in its rules, and the text of the script that runs notebooks: a
    third of a dry run of thousands of jobs.
    """
    from snakemake import common as snakemake_common
    from snakemake import jobs, rules, script

    if hasattr(script.get_source, "__wrapped__"):  # done before
        return
    arguments, source = snakemake_common.get_function_params, script.get_source
    known, texts = {}, {}

    @functools.wraps(arguments)
    def arguments_once(function):
        of_all = getattr(function, "__func__", function)  # of a method, that of the class
        key = of_all, of_all is function
        try:
            if key not in known:
                known[key] = arguments(function)
            return known[key]
        except TypeError:  # it has no hash
            return arguments(function)

    @functools.wraps(source)
    def source_once(path, *rest, **options):
        if str(path) != str(steps.RUN):
            return source(path, *rest, **options)
        if path not in texts:
            texts[path] = source(path, *rest, **options)
        return texts[path]

    for module in (snakemake_common, jobs, rules):
        module.get_function_params = arguments_once
    script.get_source = source_once


def record(paper, scale, tables):
    """Copy small result tables and their provenance to ``papers/<paper>/recorded/``.

    Tables of earlier runs that are not among these stay there with their own provenance.

    Parameters
    ----------
    paper, scale : str
    tables : list of str
        Below ``results/<paper>/paper/``.

    Raises
    ------
    papers.PaperError
        If the scale is not ``paper``, or a table is large or has no provenance.
    """
    command = f"snakemake -j8 papers/{paper}/record --config scale=paper"
    if scale != "paper":
        raise papers.PaperError(
            f"only results of scale 'paper' are recorded, this is {scale!r}. Run: {command}"
        )
    origin = provenance.by_output(f"results/{paper}/{scale}")
    kept = files.resolve(f"papers/{paper}/recorded/provenance.json")
    earlier = files.read_json(kept) if kept.exists() else {}
    recorded = {name: one for name, one in earlier.items() if (kept.parent / name).exists()}
    new = []
    for table in tables:
        size = files.resolve(table).stat().st_size
        if size > MAX_RECORDED_BYTES:
            raise papers.PaperError(
                f"{table} has {size} bytes, more than the {MAX_RECORDED_BYTES} of a recorded "
                "table. Let the figure read a smaller table."
            )
        if table not in origin or origin[table]["outputs"][table] != files.sha256(table):
            raise papers.PaperError(
                f"{table} does not agree with its provenance. "
                f"Rebuild it: snakemake -j8 --force {table} --config scale=paper"
            )
        name = Path(table).relative_to(f"results/{paper}/{scale}").as_posix()
        recorded[name] = origin[table]
        new.append(name)
    for name in new:
        with files.atomic(f"papers/{paper}/recorded/{name}") as temporary:
            shutil.copyfile(files.resolve(f"results/{paper}/{scale}/{name}"), temporary)
    files.write_json(f"papers/{paper}/recorded/provenance.json", recorded)


def nothing_recorded(paper):
    """The error of a paper without recorded tables, with the command that records them.

    Parameters
    ----------
    paper : str

    Returns
    -------
    message : str
    """
    return (
        f"papers/{paper}/recorded/ holds no table that a figure can be drawn from. "
        f"Record them: snakemake -j8 papers/{paper}/record --config scale=paper"
    )


def main(arguments=None):
    """Command line of the generated rules."""
    console.accept_any_encoding()
    parser = argparse.ArgumentParser(prog="common.workflow.wiring")
    parser.add_argument("action", choices=["record", "preview", "nothing-recorded", "memory"])
    parser.add_argument("paper", nargs="?")
    parser.add_argument("--scale", default="embedded")
    parser.add_argument("--files", nargs="*", default=[])
    options = parser.parse_args(arguments)
    try:
        if options.action == "memory":
            peaks.compare(options.files)
        elif options.action == "nothing-recorded":
            raise papers.PaperError(nothing_recorded(options.paper))
        elif options.action == "record":
            record(options.paper, options.scale, options.files)
        else:
            (svg,) = options.files
            with files.atomic(f"papers/{options.paper}/preview.png") as temporary:
                shutil.copyfile(files.require(Path(svg).with_suffix(".png")), temporary)
    except papers.PaperError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
