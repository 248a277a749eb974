# Simulations → recovery. Recordings → activations timed, atoms. All → tables → figures, claims.
from common.plans.dictionary import Plan
from common.workflow import steps

paper = steps.of("multivariate-csc", config)
plan = Plan(paper.settings)
TABLES = plan.tables()


rule prepare_eeg:
    input:
        recording="data/raw/eeghdf-absence-epilepsy.h5",
    output:
        prepared=f"{paper.derived}/eeg.npz",
    params:
        notebook=paper.notebook("1-prepare-eeg.ipynb"),
        settings=paper.settings["recordings"]["eeg"],
    script:
        steps.RUN


rule prepare_striatum:
    input:
        recording="data/raw/rodent-striatum.npy",
    output:
        prepared=f"{paper.derived}/striatum.npz",
    params:
        notebook=paper.notebook("1-prepare-striatum.ipynb"),
        settings=paper.settings["recordings"]["striatum"],
    script:
        steps.RUN


rule prepare_somato:
    input:
        receipt="data/raw/mne-somato.json",
    output:
        prepared=f"{paper.derived}/somato.npz",
    params:
        notebook=paper.notebook("1-prepare-somato.ipynb"),
        settings=paper.settings["recordings"].get("somato", {}),
    script:
        steps.RUN


rule prepare_simulated:
    output:
        prepared=f"{paper.derived}/simulated.npz",
        mu=f"{paper.derived}/mu.npz",
    params:
        notebook=paper.notebook("1-prepare-simulated.ipynb"),
        n_times=paper.settings["scaling"]["n_times"],
    script:
        steps.RUN


rule recovery:
    output:
        scores=f"{paper.results}/recovery/{{sigma}}.csv",
    params:
        notebook=paper.notebook("2-recovery.ipynb"),
        settings=paper.settings["recovery"],
    script:
        steps.RUN


rule scaling:
    input:
        prepared=f"{paper.derived}/{{source}}.npz",
    output:
        timings=f"{paper.results}/scaling/{{source}}.csv",
    params:
        notebook=paper.notebook("3-scaling.ipynb"),
        settings=plan.source("scaling"),
    script:
        steps.RUN


rule speed:
    input:
        prepared=f"{paper.derived}/{{source}}.npz",
    output:
        timings=f"{paper.results}/speed/{{source}}.csv",
    params:
        notebook=paper.notebook("4-speed.ipynb"),
        settings=plan.source("speed"),
    script:
        steps.RUN


rule atoms:
    input:
        prepared=f"{paper.derived}/{{source}}.npz",
    output:
        found=f"{paper.results}/atoms/{{source}}.csv",
    params:
        notebook=paper.notebook("5-atoms.ipynb"),
        settings=plan.atoms,
    script:
        steps.RUN


rule harmonics:
    input:
        prepared=f"{paper.derived}/{{source}}.npz",
    output:
        ratios=f"{paper.results}/harmonics/{{source}}.csv",
    params:
        notebook=paper.notebook("6-harmonics.ipynb"),
        settings=plan.harmonics,
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
