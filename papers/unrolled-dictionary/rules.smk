# Simulated codes and patches → Jacobians, gradients, learned atoms → figures, claims.
from common.plans.dictionary import UnrolledPlan
from common.workflow import steps

paper = steps.of("unrolled-dictionary", config)
plan = UnrolledPlan(paper.settings)
TABLES = plan.tables()


wildcard_constraints:
    seed=r"\d+",


rule jacobian:
    output:
        errors=f"{paper.results}/tables/jacobian.csv",
    params:
        notebook=paper.notebook("1-jacobian.ipynb"),
        settings=paper.settings["jacobian"],
    script:
        steps.RUN


rule angles:
    output:
        angles=f"{paper.results}/tables/angles.csv",
    params:
        notebook=paper.notebook("2-angles.ipynb"),
        settings=paper.settings["angles"],
    script:
        steps.RUN


rule learning:
    output:
        learning=f"{paper.results}/learning/{{seed}}.csv",
    params:
        notebook=paper.notebook("3-learning.ipynb"),
        settings=plan.one("learning"),
    script:
        steps.RUN


rule batches:
    output:
        batches=f"{paper.results}/batches/{{seed}}.csv",
    priority: 10
    params:
        notebook=paper.notebook("4-batches.ipynb"),
        settings=plan.one("batches"),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
