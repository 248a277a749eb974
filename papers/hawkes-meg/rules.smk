# Simulation and fit → tables → figures; recordings → atoms and events → latencies.
from common.plans.hawkes import Plan
from common.workflow import peers, steps

paper = steps.of("hawkes-meg", config)
plan = Plan(paper.settings)
TABLES = plan.tables()


rule prepare_striatum:
    input:
        recording="data/raw/rodent-striatum.npy",
    output:
        atoms=f"{paper.derived}/striatum.npz",
    params:
        notebook=paper.notebook("1-prepare-striatum.ipynb"),
        settings=paper.settings["latency"]["striatum"],
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
        settings=plan.driven(),
    script:
        steps.RUN


rule discretization:
    output:
        errors=f"{paper.results}/discretization/{{kernel}}-{{end_time,[0-9]+}}.csv",
    params:
        notebook=paper.notebook("2-discretization.ipynb"),
        truth=plan.truth,
        deltas=paper.settings["discretization"]["deltas"],
        n_seeds=plan.n_seeds,
    script:
        steps.RUN


rule efficiency:
    output:
        scores=f"{paper.results}/efficiency/{{kernel}}-{{end_time,[0-9]+}}.csv",
    params:
        notebook=paper.notebook("3-efficiency.ipynb"),
        truth=plan.bivariate,
        settings=plan.pick("efficiency", "delta", "n_seeds", "methods", "tick"),
        tick_installed=peers.installed("tick"),
    script:
        steps.RUN


rule nonparametric:
    output:
        timings=f"{paper.results}/nonparametric/{{end_time,[0-9]+}}.csv",
        recovered=f"{paper.results}/nonparametric/kernels-{{end_time}}.csv",
    params:
        notebook=paper.notebook("4-nonparametric.ipynb"),
        truth=plan.shown,
        settings=plan.nonparametric(),
        tick_installed=peers.installed("tick"),
    script:
        steps.RUN


rule dimension:
    output:
        timings=f"{paper.results}/dimension/{{size}}.csv",
    params:
        notebook=paper.notebook("4-dimension.ipynb"),
        settings=paper.settings["nonparametric"]["dimension"],
    script:
        steps.RUN


rule likelihood:
    output:
        scores=f"{paper.results}/likelihood/{{kernel}}-{{end_time,[0-9]+}}.csv",
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
        settings=plan.latency,
    script:
        steps.RUN


rule recovery:
    input:
        targets="papers/hawkes-meg/published/table_f_meg_sample_targets.csv",
    output:
        recovered=f"{paper.results}/recovery/driven.csv",
    params:
        notebook=paper.notebook("8-recovery.ipynb"),
        settings=plan.recovery(),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
