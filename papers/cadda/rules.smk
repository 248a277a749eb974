# Toy problems, planted invariances and windows of sleep → policies that searches find → figures, claims.
from common import registry
from common.plans.policy_search import Plan
from common.workflow import steps

paper = steps.of("cadda", config)
plan = Plan(paper.settings, paper.derived)
TABLES = plan.tables()


wildcard_constraints:
    seed=r"\d+",
    fold=r"\d+",
    subject=r"\d+",


rule estimators:
    output:
        unrolled=f"{paper.results}/estimators/unrolled.csv",
        estimates=f"{paper.results}/estimators/estimates.csv",
    params:
        notebook=paper.notebook("1-estimators.ipynb"),
        settings=paper.settings["estimators"],
    script:
        steps.RUN


rule given:
    output:
        scores=f"{paper.results}/given/{{seed}}.csv",
    params:
        notebook=paper.notebook("2-given.ipynb"),
        settings=plan.given(),
        device=paper.device,
    script:
        steps.RUN


rule search:
    output:
        scores=f"{paper.results}/searched/{{seed}}.csv",
        curves=f"{paper.results}/curves/{{seed}}.csv",
        policies=f"{paper.results}/policies/{{seed}}.csv",
    params:
        notebook=paper.notebook("3-search.ipynb"),
        settings=plan.searches(),
        device=paper.device,
    script:
        steps.RUN


rule prepare_states:
    input:
        child=registry.path("eeghdf-absence-epilepsy"),
        infant=registry.path("eeghdf-spasms"),
    output:
        windows=f"{paper.derived}/sleep-wake.npz",
    params:
        notebook=paper.notebook("4-prepare-states.ipynb"),
        settings=paper.settings["states"],
    script:
        steps.RUN


rule prepare_night:
    output:
        windows=f"{paper.derived}/nights/{{subject}}.npz",
    params:
        notebook=paper.notebook("4-prepare-night.ipynb"),
        settings=paper.settings["nights"],
    script:
        steps.RUN


rule real:
    input:
        windows=plan.windows(),
    output:
        scores=f"{paper.results}/real/{{fold}}.csv",
    params:
        notebook=paper.notebook("5-real.ipynb"),
        settings=plan.real(),
        device=paper.device,
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
