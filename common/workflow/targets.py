"""The named targets of papers, and which of them was meant by a name that is none.

They follow from the rules that the papers have defined, so that a paper states nothing twice.
"""

import difflib
import typing
from pathlib import Path

from common import files
from common.workflow import papers, steps

__all__ = ["Target", "explain", "nearest", "of_papers"]


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
            # A list of files may be there in part, but a figure of none of them shows nothing.
            empty = [
                str(rules.figure(name))
                for name in rules.figures
                if not all(rules.reads(name).values())
            ]
            wanted = [name for name in wanted if name not in empty and _inputs_exist(makers[name])]
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


def of_papers(workflow, config, broken, names):
    """Targets of every paper.

    At scale ``recorded`` nothing is computed: rules that would write recorded tables are dropped.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    config : dict
        Snakemake's ``config``.
    broken : dict of str to str
        Papers to leave out, and why. A paper whose rules do not fit its figures is added.
    names : list of str
        Papers whose rules were read.

    Returns
    -------
    targets : list of Target
    """
    found = []
    for name in names:
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

    explain_targets(lambda target: nearest(target, workflow, targets, broken))


def nearest(target, workflow, targets, broken):
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
