# Random problems → errors of gradients, and rates → figures, claims. Barycentres beside.
from common.plans.implicit import Plan
from common.workflow import steps

paper = steps.of("super-efficiency", config)
plan = Plan(paper.settings)
TABLES = plan.tables()


rule gradients:
    output:
        errors=f"{paper.results}/gradients/{{problem}}.csv",
        rates_csv=f"{paper.results}/rates/{{problem}}.csv",
    params:
        notebook=paper.notebook("1-gradients.ipynb"),
        settings=plan.problem,
    script:
        steps.RUN


rule sgd_floors:
    output:
        errors=f"{paper.results}/sgd-floors/logistic.csv",
    params:
        notebook=paper.notebook("2-sgd-floors.ipynb"),
        settings=paper.settings["sgd"]["floors"],
    script:
        steps.RUN


rule sgd_decay:
    output:
        errors=f"{paper.results}/sgd-decay/logistic.csv",
    params:
        notebook=paper.notebook("2-sgd-decay.ipynb"),
        settings=paper.settings["sgd"]["decay"],
    script:
        steps.RUN


rule jacobian:
    output:
        errors=f"{paper.results}/jacobian/logistic.csv",
        rates_csv=f"{paper.results}/jacobian-rates/logistic.csv",
    params:
        notebook=paper.notebook("3-jacobian.ipynb"),
        settings=paper.settings["jacobian"],
    script:
        steps.RUN


rule barycenter:
    output:
        final=f"{paper.results}/barycenter/{{dataset}}.csv",
        curves=f"{paper.results}/barycenter-curves/{{dataset}}.csv",
        weights=f"{paper.results}/barycenter-weights/{{dataset}}.csv",
    params:
        notebook=paper.notebook("4-barycenter.ipynb"),
        settings=plan.barycenter,
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
