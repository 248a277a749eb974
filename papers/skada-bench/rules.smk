# Data → fits (one job per data set, unit of shifts and method) → scores → tables → figures.
from common.plans.adaptation import Plan
from common.workflow import steps

paper = steps.of("skada-bench", config)
plan = Plan(paper.settings, paper.results)


wildcard_constraints:
    dataset="[a-z0-9-]+",
    unit="[a-z0-9-]+",
    method="[a-z-]+",
    subject=r"\d+",


rule prepare:
    input:
        raw=plan.raw,
    output:
        pairs=f"{paper.derived}/{{dataset}}.npz",
    params:
        notebook=paper.notebook("1-prepare.ipynb"),
        settings=plan.preparation,
        folders=paper.folders,
    script:
        steps.RUN


rule fit:
    input:
        pairs=f"{paper.derived}/{{dataset}}.npz",
    output:
        evaluations=f"{paper.results}/fits/{{dataset}}/{{unit}}/{{method}}.npz",
        timings=f"{paper.results}/fits/{{dataset}}/{{unit}}/{{method}}.csv",
    params:
        notebook=paper.notebook("2-fit.ipynb"),
        specification=plan.specification,
        shifts=plan.shifts,
        classifier=plan.classifier,
        svc=plan.svc,
        n_outer=plan.n_outer,
        n_inner=paper.settings["n_inner"],
        n_points=paper.settings["n_points"],
    script:
        steps.RUN


rule score:
    input:
        evaluations=plan.evaluations,
    output:
        scores=f"{paper.results}/scores/{{dataset}}.csv",
        choices=f"{paper.results}/scores/{{dataset}}-choices.csv",
    params:
        notebook=paper.notebook("3-score.ipynb"),
        shifts=plan.all_shifts,
        methods=plan.all_methods,
        scorers=paper.settings["scorers"],
    script:
        steps.RUN


rule prepare_deep:
    input:
        receipt=plan.deep_receipt,
    output:
        pairs=f"{paper.derived}/deep/{{dataset}}-{{subject}}.npz",
    params:
        notebook=paper.notebook("1-prepare-deep.ipynb"),
    script:
        steps.RUN


rule fit_deep:
    input:
        pairs=f"{paper.derived}/deep/{{dataset}}-{{subject}}.npz",
    output:
        evaluations=f"{paper.results}/deep/{{dataset}}/{{subject}}/{{method}}.npz",
        timings=f"{paper.results}/deep/{{dataset}}/{{subject}}/{{method}}.csv",
    params:
        notebook=paper.notebook("2-fit-deep.ipynb"),
        network=plan.network,
        n_inner=paper.settings["n_inner"],
        device=paper.device,
    script:
        steps.RUN


rule score_deep:
    input:
        evaluations=plan.deep_evaluations,
    output:
        scores=f"{paper.results}/tables/deep-{{dataset}}.csv",
        choices=f"{paper.results}/scores/deep-{{dataset}}-choices.csv",
    params:
        notebook=paper.notebook("3-score.ipynb"),
        shifts=plan.deep_shifts,
        methods=plan.deep_methods,
        scorers=plan.deep_scorers,
    script:
        steps.RUN


rule gather:
    input:
        scores=expand(f"{paper.results}/scores/{{dataset}}.csv", dataset=plan.datasets),
        timings=plan.timings(),
    output:
        accuracy=f"{paper.results}/tables/accuracy.csv",
        seconds=f"{paper.results}/tables/seconds.csv",
    params:
        notebook=paper.notebook("4-gather.ipynb"),
        methods=plan.fitted(),
        scorers=paper.settings["scorers"],
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
