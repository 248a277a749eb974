"""What the top ``Snakefile`` does besides listing papers: targets, recording, checks.

It looks at the rules that the papers have defined, so that a paper states nothing twice.
"""

import argparse
import functools
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from common import files, papers
from common.notebooks import isolation, provenance
from common.notebooks.fingerprint import fingerprint

__all__ = [
    "RUN_NOTEBOOK", "Target", "check", "notebook", "patterns", "prepare_commands", "record",
    "targets",
]  # fmt: skip

RUN_NOTEBOOK = papers.RUN_NOTEBOOK

MAX_RECORDED_BYTES = 2_000_000
"""Size of the largest table that is recorded; the repository holds small files."""


def check(config):
    """Check ``config.yaml`` and every ``paper.yaml`` of the repository.

    Parameters
    ----------
    config : dict
        Snakemake's ``config``.

    Raises
    ------
    snakemake.exceptions.WorkflowError
        Every mistake, one line each; Snakemake shows it without a traceback.
    """
    from snakemake.exceptions import WorkflowError

    problems = []
    for read in [
        lambda: papers.config(config),
        *(
            lambda name=path.parent.name: papers.load(name)
            for path in sorted(files.ROOT.glob("papers/*/paper.yaml"))
        ),
    ]:
        try:
            read()
        except papers.PaperError as error:
            problems.append(str(error))
    if problems:
        raise WorkflowError("\n".join(problems))


class Target:
    """What the named targets of one paper consist of.

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
    """

    def __init__(self, workflow, rules):
        self.paper = rules.name
        makers = {str(file): rule for rule in workflow.rules for file in rule.output}
        wanted = [str(rules.figure(name)) for name in rules.figures]
        missing = [name for name in wanted if name not in makers]
        if missing:
            raise papers.PaperError(
                f"papers/{self.paper}/paper.yaml: no rule of papers/{self.paper}/rules.smk "
                f"writes {', '.join(missing)}"
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

    @property
    def all(self):
        """Everything that the paper's named target builds."""
        return [*self.figures, *self.claims]


def targets(workflow, config):
    """Targets of every paper that has a ``module`` block.

    At scale ``recorded`` nothing is computed: rules that would write recorded tables are dropped.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    config : dict
        Snakemake's ``config``.

    Returns
    -------
    targets : list of Target
    """
    from snakemake.exceptions import WorkflowError

    try:
        found = [papers.rules(name.replace("_", "-"), config) for name in workflow.modules]
        for rules in found:
            if rules.scale == "recorded":
                _drop_rules(workflow, f"{rules.results}/")
        return [Target(workflow, rules) for rules in found]
    except papers.PaperError as error:
        raise WorkflowError(str(error)) from None


def notebook(path):
    """A notebook of no paper with its fingerprint, for ``params: notebook=``."""
    return f"{path}@{fingerprint(files.resolve(path), root=files.ROOT)}"


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
        values |= {k: shlex.quote(v) for k, v in values.items() if k == "py_exec"}
        return execute(self, command, **values)

    @functools.wraps(executable)
    def quoted_executable(self):
        return shlex.quote(executable(self))

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
    """The error of a paper without recorded tables, with the command that records them."""
    return (
        f"papers/{paper}/recorded/ holds no table that a figure can be drawn from. "
        f"Record them: snakemake -j8 papers/{paper}/record --config scale=paper"
    )


def main(arguments=None):
    """Command line of the generated rules."""
    parser = argparse.ArgumentParser(prog="common.wiring")
    parser.add_argument("action", choices=["record", "preview", "nothing-recorded"])
    parser.add_argument("paper")
    parser.add_argument("--scale", default="embedded")
    parser.add_argument("--files", nargs="*", default=[])
    options = parser.parse_args(arguments)
    try:
        if options.action == "nothing-recorded":
            raise papers.PaperError(nothing_recorded(options.paper))
        if options.action == "record":
            record(options.paper, options.scale, options.files)
        else:
            (svg,) = options.files
            with files.atomic(f"papers/{options.paper}/preview.png") as temporary:
                shutil.copyfile(files.require(Path(svg).with_suffix(".png")), temporary)
    except papers.PaperError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


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
