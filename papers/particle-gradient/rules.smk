# Patterns of a process → models of each → how far their patterns are from fresh ones.
from common.plans.points import Plan
from common.workflow import steps

paper = steps.of("particle-gradient", config)
plan = Plan(paper.settings, paper.derived)
TABLES = plan.tables()


wildcard_constraints:
    process="|".join(plan.processes),
    pattern=r"\d+",


rule simulate:
    output:
        patterns=f"{paper.derived}/patterns-{{process}}.npz",
    priority: 20
    params:
        notebook=paper.notebook("1-simulate.ipynb"),
        settings=plan.simulation,
    script:
        steps.RUN


rule synthesise:
    input:
        patterns=f"{paper.derived}/patterns-{{process}}.npz",
    output:
        syntheses=f"{paper.derived}/syntheses-{{process}}-{{pattern}}.npz",
        energies=f"{paper.results}/energies/{{process}}-{{pattern}}.csv",
    priority: 10
    params:
        notebook=paper.notebook("2-synthesise.ipynb"),
        settings=plan.descent(),
    script:
        steps.RUN


rule judge:
    input:
        patterns=f"{paper.derived}/patterns-{{process}}.npz",
        syntheses=plan.syntheses,
    output:
        errors=f"{paper.results}/errors/{{process}}.csv",
        curves=f"{paper.results}/curves/{{process}}.csv",
    params:
        notebook=paper.notebook("3-judge.ipynb"),
        settings=paper.settings["judge"],
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
