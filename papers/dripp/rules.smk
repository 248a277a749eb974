# Simulation and fit → tables → figures; recordings → atoms and events → responses.
from common.plans.driven import Plan
from common.workflow import steps

paper = steps.of("dripp", config)
plan = Plan(paper.settings)
TABLES = plan.tables()


rule recovery:
    output:
        recovered=f"{paper.results}/recovery/{{end_time,[0-9]+}}.csv",
    params:
        notebook=paper.notebook("1-recovery.ipynb"),
        settings=plan.recovery(),
    script:
        steps.RUN


rule time:
    output:
        timings=f"{paper.results}/time/em.csv",
    params:
        notebook=paper.notebook("2-time.ipynb"),
        settings=plan.time(),
    script:
        steps.RUN


rule responses:
    input:
        targets="papers/dripp/published/fig4_sample_estimates.csv",
    output:
        responses=f"{paper.results}/responses/{{process}}.csv",
    params:
        notebook=paper.notebook("3-responses.ipynb"),
        settings=plan.responses,
    script:
        steps.RUN


rule sensitivity_thresholds:
    input:
        targets="papers/dripp/published/fig4_sample_estimates.csv",
    output:
        fits=f"{paper.results}/sensitivity/thresholds.csv",
    params:
        notebook=paper.notebook("4-thresholds.ipynb"),
        settings=plan.thresholds(),
    script:
        steps.RUN


rule sensitivity_supports:
    input:
        targets="papers/dripp/published/fig4_sample_estimates.csv",
    output:
        fits=f"{paper.results}/sensitivity/supports.csv",
    params:
        notebook=paper.notebook("4-supports.ipynb"),
        settings=plan.supports(),
    script:
        steps.RUN


rule prepare_simulated:
    input:
        targets="papers/dripp/published/fig4_sample_estimates.csv",
    output:
        atoms=f"{paper.derived}/simulated.npz",
    params:
        notebook=paper.notebook("5-prepare-simulated.ipynb"),
        settings=plan.session(),
    script:
        steps.RUN


rule prepare_mne:
    input:
        receipt="data/raw/mne-{dataset}.json",
    output:
        atoms=f"{paper.derived}/{{dataset,sample|somato}}.npz",
    params:
        notebook=paper.notebook("5-prepare-mne.ipynb"),
        settings=plan.recording,
    script:
        steps.RUN


rule atoms:
    input:
        atoms=f"{paper.derived}/{{dataset}}.npz",
    output:
        responses=f"{paper.results}/atoms/{{dataset}}.csv",
    params:
        notebook=paper.notebook("6-atoms.ipynb"),
        settings=plan.atoms,
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
