# Simulation and fit → tables → figures; recordings → atoms and events → latencies.
from common.hawkes.plan import Plan
from common.workflow import peers, steps

paper = steps.of("hawkes-meg", config)
plan = Plan(paper.settings)
TABLES = plan.tables()
LATENCY = paper.settings["latency"]
NONPARAMETRIC = paper.settings["nonparametric"]
TICK = peers.installed("tick")  # installing it reruns the steps that it takes part in


wildcard_constraints:
    kernel="[a-z-]+",
    end_time=r"\d+",


rule prepare_striatum:
    input:
        recording="data/raw/rodent-striatum.npy",
    output:
        atoms=f"{paper.derived}/striatum.npz",
    priority: 20
    params:
        notebook=paper.notebook("1-prepare-striatum.ipynb"),
        settings=LATENCY["striatum"],
    script:
        steps.RUN


rule prepare_mne:
    input:
        receipt="data/raw/mne-{dataset}.json",
    output:
        atoms=f"{paper.derived}/{{dataset,sample|somato}}.npz",
    params:
        notebook=paper.notebook("1-prepare-mne.ipynb"),
        settings=plan.recording,
    script:
        steps.RUN


rule prepare_driven:
    input:
        targets="papers/hawkes-meg/published/table_f_meg_sample_targets.csv",
    output:
        atoms=f"{paper.derived}/driven.npz",
    params:
        notebook=paper.notebook("1-prepare-driven.ipynb"),
        settings=LATENCY["driven"],
        support=LATENCY["supports"]["driven"],
    script:
        steps.RUN


rule discretization:
    output:
        errors=f"{paper.results}/discretization/{{kernel}}-{{end_time}}.csv",
    params:
        notebook=paper.notebook("2-discretization.ipynb"),
        truth=plan.truth,
        deltas=paper.settings["discretization"]["deltas"],
        n_seeds=plan.n_seeds,
    script:
        steps.RUN


rule efficiency:
    output:
        scores=f"{paper.results}/efficiency/{{kernel}}-{{end_time}}.csv",
    params:
        notebook=paper.notebook("3-efficiency.ipynb"),
        truth=plan.bivariate,
        settings=plan.pick("efficiency", "delta", "n_seeds", "methods", "tick"),
        tick_installed=TICK,
    script:
        steps.RUN


rule nonparametric:
    output:
        timings=f"{paper.results}/nonparametric/{{end_time}}.csv",
        recovered=f"{paper.results}/nonparametric/kernels-{{end_time}}.csv",
    params:
        notebook=paper.notebook("4-nonparametric.ipynb"),
        truth=paper.settings["kernels"][NONPARAMETRIC["kernel"]],
        kernel=NONPARAMETRIC["kernel"],
        settings=plan.pick("nonparametric", "delta", "n_seeds", "methods", "tick"),
        tick_installed=TICK,
    script:
        steps.RUN


rule dimension:
    output:
        timings=f"{paper.results}/dimension/{{size}}.csv",
    params:
        notebook=paper.notebook("4-dimension.ipynb"),
        settings=NONPARAMETRIC["dimension"],
    script:
        steps.RUN


rule likelihood:
    output:
        scores=f"{paper.results}/likelihood/{{kernel}}-{{end_time}}.csv",
    params:
        notebook=paper.notebook("5-likelihood.ipynb"),
        truth=plan.truth,
        settings=plan.pick("likelihood", "deltas", "n_seeds"),
    script:
        steps.RUN


rule kernel_length:
    output:
        scores=f"{paper.results}/kernel-length/{{end_time}}.csv",
    params:
        notebook=paper.notebook("6-kernel-length.ipynb"),
        settings=paper.settings["kernel_length"],
    script:
        steps.RUN


rule shapes:
    output:
        recovered=f"{paper.results}/shapes/{{kernel}}.csv",
    params:
        notebook=paper.notebook("7-shapes.ipynb"),
        truth=plan.truth,
        settings=paper.settings["shapes"],
    script:
        steps.RUN


rule latency:
    input:
        atoms=f"{paper.derived}/{{dataset}}.npz",
    output:
        latencies=f"{paper.results}/latency/{{dataset}}.csv",
    params:
        notebook=paper.notebook("8-latency.ipynb"),
        delta=LATENCY["delta"],
        support=plan.support,
        resampling=LATENCY["resampling"],
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
