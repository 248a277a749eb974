# Textures, read or drawn → syntheses of each model and what judges say; colour → figures, claims.
from common.plans.textures import Plan
from common.workflow import steps

paper = steps.of("rectifier-textures", config)
plan = Plan(paper.settings)
TABLES = plan.tables()


wildcard_constraints:
    texture="[a-z]+",


rule prepare:
    input:
        picture=plan.pictures,
    output:
        observed=f"{paper.derived}/observed-{{texture}}.npz",
    priority: 20
    params:
        notebook=paper.notebook("1-prepare.ipynb"),
        settings=plan.texture,
    script:
        steps.RUN


rule synthesise:
    input:
        observed=f"{paper.derived}/observed-{{texture}}.npz",
    output:
        scores=f"{paper.results}/scores/{{texture}}.csv",
        spread=f"{paper.results}/spread/{{texture}}.csv",
        syntheses=f"{paper.derived}/syntheses-{{texture}}.npz",
    priority: 10
    params:
        notebook=paper.notebook("2-synthesise.ipynb"),
        settings=plan.synthesis(),
    script:
        steps.RUN


rule color:
    input:
        observed=f"{paper.derived}/observed-{{texture}}.npz",
    output:
        colors=f"{paper.results}/colors/{{texture}}.csv",
        syntheses=f"{paper.derived}/colored-{{texture}}.npz",
    params:
        notebook=paper.notebook("3-color.ipynb"),
        settings=plan.color(),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
