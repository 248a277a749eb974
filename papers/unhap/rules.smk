# Simulation and fit → tables → figures; ECG → events → heart rates.
from common.plans.mixture import Plan
from common.workflow import steps

paper = steps.of("unhap", config)
plan = Plan(paper.settings)
TABLES = plan.tables()


rule noise:
    output:
        fits=f"{paper.results}/noise/{{structure}}-{{end_time,[0-9]+}}-{{noise,[0-9.]+}}.csv",
    params:
        notebook=paper.notebook("1-noise.ipynb"),
        settings=plan.noise,
    script:
        steps.RUN


rule labels:
    output:
        scores=f"{paper.results}/labels/{{end_time,[0-9]+}}.csv",
    params:
        notebook=paper.notebook("2-labels.ipynb"),
        settings=plan.labels(),
    script:
        steps.RUN


rule time:
    output:
        fits=f"{paper.results}/time/fits.csv",
    params:
        notebook=paper.notebook("3-time.ipynb"),
        settings=plan.time(),
    script:
        steps.RUN


rule events:
    input:
        recording="data/raw/systole-ecg.npy",
    output:
        events=f"{paper.derived}/ecg.npz",
    params:
        notebook=paper.notebook("4-events.ipynb"),
        settings=plan.events(),
    script:
        steps.RUN


rule heart_rate:
    input:
        events=f"{paper.derived}/ecg.npz",
    output:
        rates=f"{paper.results}/heart-rate/{{slot,[0-9]+}}.csv",
    params:
        notebook=paper.notebook("5-heart-rate.ipynb"),
        settings=plan.heart_rate(),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
