# Simulated problems → scores of every method; the MAR defect; real tables → figures, claims.
from common.plans.missing import Plan
from common.workflow import steps

paper = steps.of("neumiss", config)
plan = Plan(paper.settings)
TABLES = plan.tables()


wildcard_constraints:
    dataset="|".join([*paper.settings["datasets"], *paper.settings["real"]["datasets"]]),
    n=r"\d+",
    seed=r"\d+",


rule accuracy:
    output:
        scores=f"{paper.results}/accuracy/{{dataset}}-{{n}}-{{seed}}.csv",
    params:
        notebook=paper.notebook("1-accuracy.ipynb"),
        settings=plan.accuracy,
    script:
        steps.RUN


rule redrawn:
    output:
        scores=f"{paper.results}/redrawn/mar.csv",
    params:
        notebook=paper.notebook("2-redrawn.ipynb"),
        settings=plan.redrawn(),
    script:
        steps.RUN


rule real:
    output:
        scores=f"{paper.results}/real/{{dataset}}.csv",
    params:
        notebook=paper.notebook("3-real.ipynb"),
        settings=plan.real(),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
