"""What the top ``Snakefile`` does besides finding papers: targets, recording, checks.

It looks at the rules that the papers have defined, so that a paper states nothing twice.
"""

import argparse
import atexit
import collections
import contextlib
import difflib
import functools
import math
import os
import re
import shlex
import shutil
import sys
import typing
from pathlib import Path

from common import files, sources
from common.workflow import console, locks, memory, papers, steps
from common.workflow.notebooks import fingerprint, isolation, provenance, warm
from common.workflow.notebooks.run import has_gpu_driver

__all__ = [
    "Target", "announce_memory", "check_folder", "compare_memory", "configure",
    "explain", "keep_texts", "keep_warm", "left_out_if_broken", "measured_memory", "patterns",
    "prepare_commands", "record", "targets", "unless_broken",
]  # fmt: skip

MARGIN = 1.3
"""Memory that a rule declares, as a multiple of the largest measured peak."""

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


class Target:
    """What the named targets of one paper consist of.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        With the paper's rules.
    rules : steps.Steps
        What the paper's ``rules.smk`` uses.

    Attributes
    ----------
    paper : str
    figures : list of str
        SVG files of the paper's figures; at scale ``recorded`` those that can be drawn.
    claims : list of str
        The claims table, or nothing where it cannot be computed.
    tables : list of str
        Result tables that figures and claims read; if ``paper.yaml`` has ``recorded``, those that
        the figures named there read.
    preview : str or None
    beside : dict of str to str
        Each file that is written beside a figure, and the figure's SVG.

    Raises
    ------
    PaperError
        If no rule writes one of the paper's figures.
    """

    def __init__(self, workflow, rules):
        self.paper = rules.name
        makers = {str(file): rule for rule in workflow.rules for file in rule.output}
        wanted = [str(rules.figure(name)) for name in rules.figures]
        missing = [name for name in wanted if name not in makers]
        if missing:
            raise papers.PaperError(
                f"papers/{self.paper}/rules.smk: no rule writes {', '.join(missing)}. "
                'Its last line is: include: "../../common/workflow/steps.smk"'
            )
        claims = str(rules.claims)
        wanted += [claims] if claims in makers else []
        if rules.scale == "recorded":
            wanted = [name for name in wanted if _inputs_exist(makers[name])]
        self.figures = [name for name in wanted if name != claims]
        self.claims = [name for name in wanted if name == claims]
        if rules.paper.recorded is not None:
            wanted = [str(rules.figure(name)) for name in rules.paper.recorded]
        read = {str(file) for name in wanted for file in makers[name].input if _is_file(file)}
        self.tables = sorted(name for name in read if name.startswith(f"{rules.results}/"))
        self.preview = str(rules.figure(rules.paper.preview)) if rules.paper.preview else None
        # A file that is gone beside a figure that is there must not count as up to date.
        self.beside = {
            beside: svg
            for svg in self.figures
            for beside in _beside(svg)
            if files.resolve(beside).exists() or not files.resolve(svg).exists()
        }

    @property
    def all(self):
        """Everything that the paper's named target builds."""
        return [*self.figures, *self.claims]


def targets(workflow, config, broken):
    """Targets of every paper.

    At scale ``recorded`` nothing is computed: rules that would write recorded tables are dropped.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    config : dict
        Snakemake's ``config``.
    broken : dict of str to str
        Papers to leave out, and why. A paper whose rules do not fit its figures is added.

    Returns
    -------
    targets : list of Target
    """
    found = []
    for name in papers.names():
        if name in broken:
            continue
        try:
            rules = steps.of(name, config)
            if rules.scale == "recorded":
                _drop_rules(workflow, f"{rules.results}/")
            found.append(Target(workflow, rules))
        except papers.PaperError as error:
            broken[name] = str(error)
    return found


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


def explain(workflow, targets, broken):
    """Have the console say which target was meant where there is none of a given name.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    targets : list of Target
    broken : dict of str to str
        Papers that are left out, and why.
    """
    from snakemake_logger_plugin_lines import explain_targets

    explain_targets(lambda target: nearest_target(target, workflow, targets, broken))


def nearest_target(target, workflow, targets, broken):
    """What to say of a target that no rule makes.

    Parameters
    ----------
    target : str
    workflow : snakemake.workflow.Workflow
    targets : list of Target
    broken : dict of str to str

    Returns
    -------
    message : str
        The target that was probably meant, or the papers that there are.
    """
    path = Path(target.replace("\\", "/"))
    spelled = path.resolve() if path.is_absolute() else Path(path.as_posix())
    name = files.relative(spelled)
    parts = Path(name).parts
    for paper, problem in broken.items():
        if paper in parts:
            return problem
    scale = papers.config(workflow.config).scale
    scales = set(typing.get_args(papers.Config.model_fields["scale"].annotation))
    if parts[:1] == ("results",) and len(parts) > 3 and parts[2] in scales - {scale}:
        return (
            f"{name} is not of the scale {scale!r}. Add its scale: "
            f"snakemake -j8 {name} --config scale={parts[2]}"
        )
    for one in targets:
        for svg in one.figures:
            if name in _beside(svg):
                return (
                    f"{name} is missing beside {svg}. Build both again: snakemake -j8 --force {svg}"
                )
    known = [rule.name for rule in workflow.rules if "/" in rule.name and rule.name[-1] != "/"]
    known += [str(file) for rule in workflow.rules for file in rule.output if _is_file(file)]
    if maker := _maker(name, workflow):
        return f"{name} is written together with {maker}. Build that: snakemake -j8 {maker}"
    meant = _nearest(name, parts, known, [one.paper for one in targets])
    if meant is None:
        listed = ", ".join(one.paper for one in targets) or "none"
        return (
            f"there is no target {target}. Targets are papers/<paper>/figures and files that a "
            f"rule writes; known papers: {listed}"
        )
    return f"there is no target {target}; did you mean {meant}? Build it: snakemake -j8 {meant}"


def _nearest(name, parts, known, names):
    for spelling in (name, Path(name).with_suffix(".svg").as_posix()):
        if spelling in known:
            return spelling
    if len(parts) == 1:  # a figure's file, or a paper
        stem = Path(name).stem
        ends = [one for one in known if one.endswith(f"/{name}")]
        ends += [one for one in known if one.endswith(f"/{stem}.svg")]
        if ends:
            return ends[0]
    papers_of = {one.lower(): one for one in names}
    folder = [part.lower() for part in parts if part != "papers"]
    if len(folder) == 1:
        close = difflib.get_close_matches(folder[0], papers_of, n=1)
        return f"papers/{papers_of[close[0]]}/figures" if close else None
    lower = {one.lower(): one for one in reversed(known)}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.7)
    return lower[close[0]] if close else None


def _maker(name, workflow):
    """First output of the job whose log, benchmark or provenance has this name."""
    log = str(Path(name).with_suffix(".ipynb")) if name.endswith(".json") else name
    for rule in workflow.rules:
        for pattern in [*rule.log, *filter(None, [rule.benchmark])]:
            if callable(pattern) or not rule.output:
                continue
            if (found := pattern.match(log)) is not None:
                return str(rule.output[0].apply_wildcards(found.groupdict()))
    return None


def announce_memory(workflow):
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
        wanted[job] = _declared_memory(job.rule) or 0
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
    server = warm.Server(folder, warm.groups(imports, jobs), environ=environ, report=report)
    places.callback(server.close)
    atexit.register(places.close)
    os.environ[warm.FOLDER] = str(folder)


def measured_memory(workflow):
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
    found = [(rule.name, _peaks(rule), _declared_memory(rule)) for rule in workflow.rules]
    return [
        f"{name} {len(peaks)} {max(peaks):.0f} {declared}"
        for name, peaks, declared in found
        if peaks and declared is not None
    ]


def compare_memory(rows):
    """Print the rows of `measured_memory` as a table.

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


def _declared_memory(rule):
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


def record(paper, scale, tables):
    """Copy small result tables and their provenance to ``papers/<paper>/recorded/``.

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
    recorded = {}
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
    for name in recorded:
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
            compare_memory(options.files)
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


def _beside(svg):
    """Names of what is written beside a figure."""
    return [svg.removesuffix(".svg") + suffix for suffix in (".csv", ".png", ".ipynb", ".json")]


def _drop_rules(workflow, folder):
    for rule in list(workflow.rules):
        if any(str(file).startswith(folder) for file in rule.output):
            del workflow._rules[rule.name]


def _inputs_exist(rule):
    return all(_is_file(file) and files.resolve(str(file)).exists() for file in rule.input)


def _is_file(file):
    return not callable(file) and "{" not in str(file)


if __name__ == "__main__":
    sys.exit(main())
