# Frames → covariances → both methods → figures. The budget of each; notes → atoms.
from common.plans.factorisation import Plan
from common.workflow import steps

paper = steps.of("tl-nmf", config)
plan = Plan(paper.settings)
TABLES = plan.tables()


wildcard_constraints:
    draw=r"\d+",
    n_realisations=r"\d+",
    signal=r"\d+",


rule simulate_frames:
    output:
        covariances=f"{paper.derived}/frames-{{draw}}.npz",
    params:
        notebook=paper.notebook("1-simulate-frames.ipynb"),
        settings=plan.frames(),
    script:
        steps.RUN


rule compare:
    input:
        covariances=f"{paper.derived}/frames-{{draw}}.npz",
    output:
        solutions=f"{paper.results}/composite/{{draw}}.csv",
        starts=f"{paper.results}/composite/starts-{{draw}}.csv",
    priority: 10
    params:
        notebook=paper.notebook("2-compare.ipynb"),
        settings=plan.comparison(),
    script:
        steps.RUN


rule budget:
    input:
        covariances=f"{paper.derived}/frames-0.npz",
    output:
        curves=f"{paper.results}/tables/budget.csv",
        cost=f"{paper.results}/tables/cost.csv",
    params:
        notebook=paper.notebook("3-budget.ipynb"),
        composite=plan.comparison(),
        settings=paper.settings["budget"],
    script:
        steps.RUN


rule notes:
    output:
        solutions=f"{paper.results}/notes/{{n_realisations}}-{{signal}}.csv",
        atoms=f"{paper.results}/notes/atoms-{{n_realisations}}-{{signal}}.csv",
        waveforms=f"{paper.results}/notes/waveforms-{{n_realisations}}-{{signal}}.csv",
    priority: 10
    params:
        notebook=paper.notebook("4-notes.ipynb"),
        settings=plan.notes(),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
