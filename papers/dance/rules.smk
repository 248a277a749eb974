# From raw recordings to figures: prepare → encoder → train → gather → figures, claims.
from common import registry
from common.plans.events import Plan
from common.workflow import steps

paper = steps.of("dance", config)
plan = Plan(paper.settings, paper.derived, paper.results)


# Priorities start the longest chains first.
wildcard_constraints:
    dataset="|".join(plan.datasets),
    fold=r"\d+",
    seed=r"\d+",
    subject=r"\d+",
    split="train|dev|eval",
    start="trained|initial",


rule prepare_simulated:
    output:
        recordings=f"{paper.derived}/simulated.npz",
    params:
        notebook=paper.notebook("1-prepare-simulated.ipynb"),
        settings=plan.preparation("simulated", "subjects", "fresh", "minutes", "sfreq"),
    script:
        steps.RUN


rule prepare_eeghdf:
    input:
        absence=registry.path("eeghdf-absence-epilepsy"),
        spasms=registry.path("eeghdf-spasms"),
    output:
        recordings=f"{paper.derived}/eeghdf.npz",
    params:
        notebook=paper.notebook("1-prepare-eeghdf.ipynb"),
        settings=plan.preparation("eeghdf", "sfreq"),
    script:
        steps.RUN


rule prepare_moabb:
    input:
        receipt=plan.receipt,
    output:
        recordings=f"{paper.derived}/{{dataset}}/{{subject}}.npz",
    params:
        notebook=paper.notebook("1-prepare-moabb.ipynb"),
        settings=plan.sampling,
    script:
        steps.RUN


rule prepare_tusz:
    output:
        recordings=f"{paper.derived}/{{dataset}}/{{split}}.npz",
    params:
        notebook=paper.notebook("1-prepare-tusz.ipynb"),
        settings=plan.windowing,
        folders=paper.folders,
    script:
        steps.RUN


rule encoder:
    input:
        recordings=plan.recordings,
    output:
        weights=f"{paper.results}/encoders/{{dataset}}-{{start}}-{{window}}-{{fold}}-{{seed}}.npz",
    priority: 20
    params:
        notebook=paper.notebook("2-encoder.ipynb"),
        n_queries=plan.encoder_queries,
        stages=plan.encoder_stages,
        settings=plan.encoder,
        network=paper.settings["network"],
        device=paper.device,
    script:
        steps.RUN


rule train:
    input:
        recordings=plan.recordings,
        weights=plan.weights,
    output:
        detections=f"{paper.results}/detections/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
        scores=f"{paper.results}/scores/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
        durations=f"{paper.results}/durations/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
    wildcard_constraints:
        method="dance|dense|ablation-.*",
    priority: 10
    params:
        notebook=paper.notebook("3-train-dance.ipynb"),
        window=plan.window,
        stride=plan.stride,
        n_queries=plan.n_queries,
        stages=plan.stages,
        terms=plan.terms,
        decodings=plan.decodings,
        settings=plan.training,
        network=paper.settings["network"],
        device=paper.device,
    script:
        steps.RUN


rule baseline:
    input:
        recordings=plan.recordings,
    output:
        detections=f"{paper.results}/detections/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
        scores=f"{paper.results}/scores/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
        durations=f"{paper.results}/durations/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
    wildcard_constraints:
        method="sliding|onset-informed",
    params:
        notebook=paper.notebook("3-train-baseline.ipynb"),
        settings=plan.baseline,
        window=plan.window,
        rate=plan.rate,
        device=paper.device,
    script:
        steps.RUN


rule gather:
    input:
        scores=plan.files("scores"),
        durations=plan.files("durations"),
    output:
        table_scores=f"{paper.results}/tables/scores.csv",
        table_durations=f"{paper.results}/tables/durations.csv",
        table_ablations=f"{paper.results}/tables/ablations.csv",
    params:
        notebook=paper.notebook("4-gather.ipynb"),
        datasets=plan.contract(),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
