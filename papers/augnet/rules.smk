# Simulated pictures and sinusoids, windows of sleep, images → what is learned → figures, claims.
from common import registry
from common.plans.learned_augmentation import Plan
from common.workflow import steps

paper = steps.of("augnet", config)
plan = Plan(paper.settings, paper.derived)
TABLES = plan.tables()


wildcard_constraints:
    seed=r"\d+",
    fold=r"\d+",
    subject=r"\d+",
    trunk=r"\d+,\d+",
    method="[a-z]+",


rule rotations:
    output:
        paths=f"{paper.results}/rotations/{{seed}}.csv",
    params:
        notebook=paper.notebook("1-rotations.ipynb"),
        settings=plan.rotations,
    script:
        steps.RUN


rule shifts:
    output:
        paths=f"{paper.results}/shifts/{{seed}}.csv",
    params:
        notebook=paper.notebook("2-shifts.ipynb"),
        settings=plan.shifts(),
    script:
        steps.RUN


rule capacity:
    output:
        scores=f"{paper.results}/capacity/{{trunk}}.csv",
    params:
        notebook=paper.notebook("3-capacity.ipynb"),
        settings=plan.capacity(),
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
        settings=plan.preparation(),
    script:
        steps.RUN


rule prepare_night:
    output:
        windows=f"{paper.derived}/nights/{{subject}}.npz",
    params:
        notebook=paper.notebook("4-prepare-night.ipynb"),
        settings=plan.preparation(),
    script:
        steps.RUN


rule staging:
    input:
        windows=plan.windows(),
    output:
        scores=f"{paper.results}/staging/{{fold}}.csv",
        policies=f"{paper.results}/policies/{{fold}}.csv",
    params:
        notebook=paper.notebook("5-staging.ipynb"),
        settings=plan.staging(),
        device=paper.device,
    script:
        steps.RUN


rule images:
    input:
        images=registry.path("cifar-10"),
    output:
        scores=f"{paper.results}/images/{{method}}-{{seed}}.csv",
    params:
        notebook=paper.notebook("6-images.ipynb"),
        settings=plan.images(),
        device=paper.device,
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
