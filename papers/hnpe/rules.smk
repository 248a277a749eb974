# Simulations → posteriors by flows → distances to the truth; EEG of two states → figures, claims.
from common import registry
from common.plans.inference import Plan
from common.workflow import steps

paper = steps.of("hnpe", config)
plan = Plan(paper.settings)
TABLES = plan.tables()


wildcard_constraints:
    seed=r"\d+",


rule toy:
    output:
        distances_csv=f"{paper.results}/toy/{{seed}}.csv",
        checks=f"{paper.results}/toy-checks/{{seed}}.csv",
        samples=f"{paper.results}/toy-samples/{{seed}}.csv",
    params:
        notebook=paper.notebook("1-toy.ipynb"),
        settings=plan.toy,
    script:
        steps.RUN


rule simulate:
    output:
        pool=f"{paper.derived}/pool.npz",
    params:
        notebook=paper.notebook("2-simulate.ipynb"),
        settings=plan.simulate(),
    script:
        steps.RUN


rule jansen_rit:
    input:
        pool=f"{paper.derived}/pool.npz",
    output:
        distances_csv=f"{paper.results}/jansen-rit/posterior.csv",
        samples=f"{paper.results}/jansen-rit-samples/posterior.csv",
    params:
        notebook=paper.notebook("3-jansen-rit.ipynb"),
        settings=plan.jansen_rit(),
    script:
        steps.RUN


rule eeg:
    input:
        pool=f"{paper.derived}/pool.npz",
        train=registry.path("aeon-eyes-open-shut-train"),
        test=registry.path("aeon-eyes-open-shut-test"),
    output:
        spectra=f"{paper.results}/eeg-spectra/states.csv",
        samples=f"{paper.results}/eeg-samples/states.csv",
    params:
        notebook=paper.notebook("4-eeg.ipynb"),
        settings=plan.eeg(),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
