# Entry point. `snakemake -j2` builds every figure; `snakemake -j2 papers/dance/figures` one paper's.
import sys
from importlib.util import find_spec

if not all(map(find_spec, ["numpy", "pandas", "papermill", "pydantic"])):
    sys.exit(
        f"{sys.executable} lacks this repository's packages, so this is another snakemake. "
        "Activate the environment: source .venv/bin/activate (made by: make env)"
    )

sys.path.insert(0, workflow.basedir)
# The `common` beside this file, whichever one the console has imported.
for module in [name for name in sys.modules if name.partition(".")[0] == "common"]:
    del sys.modules[module]
# A grammar of web addresses that nbformat would load, 1.4 s of each start, and never use here.
sys.modules.setdefault("rfc3987_syntax", None)

from common.report import reference
from common.workflow import locks, papers, peaks, slurm, steps, targets, wiring
from common.workflow.notebooks import provenance

wiring.check_folder(workflow)
wiring.configure(workflow)

if workflow.is_main_process and not workflow.dryrun:
    locks.claim()
    provenance.refresh_index()

wiring.prepare_commands()
wiring.spare_repetition()
slurm.use(workflow)
BROKEN = {}  # paper to what is wrong with it


include: "data/rules.smk"


# A folder below papers/ with a paper.yaml is a paper. A hyphen in its name is an underscore in those
# of its rules. A job on a cluster reads those of its own paper only.
PAPERS = slurm.papers_of_job(papers.names(), sys.argv)
for PAPER in PAPERS:
    MODULE = papers.module(PAPER)
    PREFIX = f"{MODULE}_"

    module:
        name: MODULE
        snakefile:
            f"papers/{PAPER}/rules.smk"
        config:
            config

    with wiring.left_out_if_broken(workflow, BROKEN, PAPER):

        use rule * from MODULE as PREFIX*


TARGETS = targets.of_papers(workflow, config, BROKEN, PAPERS)


localrules:
    all,
    check,
    memory,
    scoreboard,
    verify,


rule all:
    default_target: True
    input:
        wiring.unless_broken(
            BROKEN, [file for target in TARGETS for file in target.all]
        ),
        "results/scoreboard.csv",


rule verify:
    params:
        made=lambda wildcards: wiring.patterns(workflow, config),  # of the rules below, too
    shell:
        "{sys.executable:q} -m common.workflow.notebooks.provenance --made {params.made:q}"


rule check:
    input:
        (
            [file for target in TARGETS for file in target.all]
            if config["scale"] == reference.SCALE
            else []
        ),
    params:
        scale=config["scale"],
    shell:
        "{sys.executable:q} -m common.report.reference check --scale {params.scale}"


# What jobs took, beside what their rules declare.
rule memory:
    params:
        rows=lambda wildcards: peaks.measured(workflow),
    shell:
        "{sys.executable:q} -m common.workflow.wiring memory --files {params.rows:q}"


rule scoreboard:
    input:
        claims=wiring.unless_broken(
            BROKEN, [file for target in TARGETS for file in target.claims]
        ),
    output:
        table="results/scoreboard.csv",
        page=report(
            "results/scoreboard.html",
            category="Scoreboard",
            labels={"result": "Claims of all papers"},
        ),
    log:
        notebook="results/scoreboard.ipynb",
    benchmark:
        "results/scoreboard.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        notebook=steps.notebook("notebooks/scoreboard.ipynb"),
    script:
        steps.RUN


for paper in BROKEN:
    for spelling in ["", "/"]:

        rule:
            name:
                f"papers/{paper}/figures{spelling}"
            input:
                wiring.unless_broken({paper: BROKEN[paper]}, []),
            localrule: True


for target in TARGETS:
    # The files beside a figure are asked for like the figure.
    for name, svg in target.beside.items():

        rule:
            name:
                name
            input:
                svg,
            localrule: True

    for spelling in ["", "/"]:  # tab completion adds the slash
        if target.all:

            rule:
                name:
                    f"papers/{target.paper}/figures{spelling}"
                input:
                    target.all,
                localrule: True

        else:

            rule:
                name:
                    f"papers/{target.paper}/figures{spelling}"
                localrule: True
                params:
                    paper=target.paper,
                shell:
                    "{sys.executable:q} -m common.workflow.wiring nothing-recorded {params.paper}"

    for action in ["check", "reference"]:

        rule:
            name:
                f"papers/{target.paper}/{action}"
            input:
                target.all if config["scale"] == reference.SCALE else [],
            localrule: True
            params:
                action=action.replace("reference", "write"),
                paper=target.paper,
                scale=config["scale"],
            shell:
                "{sys.executable:q} -m common.report.reference {params.action} {params.paper}"
                " --scale {params.scale}"

    rule:
        name:
            f"papers/{target.paper}/record"
        input:
            target.tables,
        localrule: True
        params:
            paper=target.paper,
            scale=config["scale"],
        shell:
            "{sys.executable:q} -m common.workflow.wiring record {params.paper}"
            " --scale {params.scale} --files {input:q}"

    if target.preview:

        rule:
            name:
                f"papers/{target.paper}/preview"
            input:
                target.preview,
            localrule: True
            params:
                paper=target.paper,
            shell:
                "{sys.executable:q} -m common.workflow.wiring preview {params.paper} --files {input:q}"


wiring.keep_texts(workflow)
targets.explain(workflow, TARGETS, BROKEN)


onstart:
    wiring.check_folder(workflow)
    peaks.announce(workflow)
    wiring.wait_for_jobs_alone(workflow)
    wiring.keep_warm(workflow)
