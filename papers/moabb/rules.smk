# Data set × subject × group of pipelines: one job each → tables → figures.
from common.plans.benchmark import Plan, read_columns
from common.workflow import steps

paper = steps.of("moabb", config)
plan = Plan(paper.settings, read_columns("papers/moabb/published/paper_datasets.csv"))
TABLES = plan.tables()


wildcard_constraints:
    piece="[A-Za-z0-9_]+/[A-Za-z0-9_.-]+/[0-9]+/[a-z0-9-]+",


rule evaluate:
    input:
        raw=plan.raw,
    output:
        scores=f"{paper.results}/scores/{{piece}}.csv",
        times=f"{paper.results}/times/{{piece}}.csv",
    group:
        plan.together
    resources:
        mem_mb=paper.settings["mem_mb"],
        runtime=plan.minutes,
    params:
        notebook=paper.notebook("1-evaluate.ipynb"),
        settings=plan.piece,
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
