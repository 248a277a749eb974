# Distances: time → complexity → figures. Cohort → brain age. Recordings → covariances → adaptation.
from common.plans.spd import Plan
from common.workflow import steps

paper = steps.of("spd-sliced-wasserstein", config)
plan = Plan(paper.settings)
TABLES = plan.tables()
COHORT = paper.settings["cohort"]


wildcard_constraints:
    method="[a-z-]+",
    dim=r"\d+",
    part=r"\d+",
    subject=r"\d+",
    session="T|E",
    mode="particles|transformation",
    source="[A-Za-z0-9-]+",
    target="[A-Za-z0-9-]+",
    task="[a-z]+",


rule prepare_aeon:
    input:
        recording="data/raw/{dataset}-{split}.ts",
        training="data/raw/{dataset}-train.ts",
    output:
        covariances=f"{paper.derived}/{{dataset}}-{{split}}.npz",
    wildcard_constraints:
        dataset="aeon-[a-z-]+",
        split="train|test",
    params:
        notebook=paper.notebook("1-prepare-aeon.ipynb"),
        settings=plan.dataset,
    script:
        steps.RUN


rule prepare_bci:
    input:
        receipt="data/raw/bnci2014-001-{subject}.json",
    output:
        covariances=f"{paper.derived}/bnci2014-001-{{subject}}-{{session}}.npz",
    params:
        notebook=paper.notebook("1-prepare-bci.ipynb"),
        settings=paper.settings["adaptation"]["datasets"].get("bnci2014-001", {}),
    script:
        steps.RUN


rule prepare_cohort:
    output:
        cohort=f"{paper.derived}/cohort-simulated.npz",
    params:
        notebook=paper.notebook("1-prepare-cohort.ipynb"),
        settings=COHORT,
    script:
        steps.RUN


rule prepare_camcan_space:
    output:
        space=f"{paper.derived}/camcan-space.npz",
    params:
        notebook=paper.notebook("1-prepare-camcan-space.ipynb"),
        settings=COHORT,
        folders=paper.folders,
    script:
        steps.RUN


rule prepare_camcan:
    input:
        space=f"{paper.derived}/camcan-space.npz",
    output:
        cohort=f"{paper.derived}/cohort-camcan-{{part}}.npz",
    params:
        notebook=paper.notebook("1-prepare-camcan.ipynb"),
        settings=COHORT,
        folders=paper.folders,
    script:
        steps.RUN


rule runtime:
    output:
        timings=f"{paper.results}/runtime/{{dim}}.csv",
    params:
        notebook=paper.notebook("2-runtime.ipynb"),
        settings=paper.settings["runtime"],
    script:
        steps.RUN


rule sample_complexity:
    output:
        distances=f"{paper.results}/sample-complexity/{{dim}}.csv",
    params:
        notebook=paper.notebook("3-sample-complexity.ipynb"),
        settings=paper.settings["sample_complexity"],
    script:
        steps.RUN


rule projection_complexity:
    output:
        errors=f"{paper.results}/projection-complexity/{{dim}}.csv",
    params:
        notebook=paper.notebook("3-projection-complexity.ipynb"),
        settings=paper.settings["projection_complexity"],
    script:
        steps.RUN


rule brain_age:
    input:
        cohort=expand(f"{paper.derived}/cohort-{{part}}.npz", part=plan.cohort()),
    output:
        predictions=f"{paper.results}/brain-age/{{method}}.csv",
    params:
        notebook=paper.notebook("4-brain-age.ipynb"),
        settings=paper.settings["brain_age"],
    script:
        steps.RUN


rule adapt:
    input:
        source_covariances=f"{paper.derived}/{{source}}.npz",
        target_covariances=f"{paper.derived}/{{target}}.npz",
    output:
        scores=f"{paper.results}/adaptation/{{task}}_{{source}}_{{target}}_{{mode}}.csv",
    priority: 10
    params:
        notebook=paper.notebook("5-adapt.ipynb"),
        settings=plan.adaptation,
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
