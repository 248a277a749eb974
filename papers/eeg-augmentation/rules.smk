# Recordings → windows → curves and parameter search, one job per chunk of fits → tables → figures.
from common import registry
from common.plans.augmentation import Plan
from common.workflow import steps

paper = steps.of("eeg-augmentation", config)
plan = Plan(paper.settings, paper.derived)
TABLES = plan.tables()


wildcard_constraints:
    subject=r"\d+",
    part=r"\d+",
    experiment="curves|search",


rule prepare_states:
    input:
        child=registry.path("eeghdf-absence-epilepsy"),
        infant=registry.path("eeghdf-spasms"),
    output:
        windows=f"{paper.derived}/sleep-wake.npz",
    params:
        notebook=paper.notebook("1-prepare-states.ipynb"),
        settings=plan.preparation("sleep-wake"),
    script:
        steps.RUN


rule prepare_aeon:
    input:
        training="data/raw/aeon-{dataset}-train.ts",
        test="data/raw/aeon-{dataset}-test.ts",
    output:
        windows=f"{paper.derived}/{{dataset}}.npz",
    wildcard_constraints:
        dataset="finger-movements|self-regulation-scp1",
    params:
        notebook=paper.notebook("1-prepare-aeon.ipynb"),
        settings=plan.aeon,
    script:
        steps.RUN


rule prepare_night:
    output:
        windows=f"{paper.derived}/nights/{{subject}}.npz",
    params:
        notebook=paper.notebook("1-prepare-night.ipynb"),
        settings=plan.night(),
    script:
        steps.RUN


rule balance_nights:
    input:
        nights=plan.nights(),
    output:
        windows=f"{paper.derived}/sleep-physionet.npz",
    params:
        notebook=paper.notebook("2-balance-nights.ipynb"),
        subjects=plan.preparation("sleep-physionet").get("subjects", []),
    script:
        steps.RUN


rule prepare_imagery:
    input:
        receipt="data/raw/bnci2014-001-{subject}.json",
    output:
        windows=f"{paper.derived}/bnci2014-001/{{subject}}.npz",
    params:
        notebook=paper.notebook("1-prepare-imagery.ipynb"),
        settings=plan.preparation("bnci2014-001"),
    script:
        steps.RUN


rule study:
    input:
        windows=plan.windows,
    output:
        scores=f"{paper.results}/scores/{{experiment}}/{{dataset}}/{{part}}.csv",
        class_scores=f"{paper.results}/class-scores/{{experiment}}/{{dataset}}/{{part}}.csv",
        timings=f"{paper.results}/timings/{{experiment}}/{{dataset}}/{{part}}.csv",
    wildcard_constraints:
        dataset="|".join(paper.settings["datasets"]),
    priority: 10
    params:
        notebook=paper.notebook("3-study.ipynb"),
        fits=plan.fits,
        settings=plan.training,
        device=paper.device,
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
