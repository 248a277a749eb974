# Simulated signals → recovery, masks. Lengths → times. Pages with a rare letter → masks. → figures, claims.
from common.plans.dictionary import RobustPlan
from common.workflow import peers, steps

paper = steps.of("rosecdl", config)
plan = RobustPlan(paper.settings)
TABLES = plan.tables()


wildcard_constraints:
    seed=r"\d+",


rule contamination:
    output:
        recovery=f"{paper.results}/recovery/{{seed}}.csv",
        masks=f"{paper.results}/masks/{{seed}}.csv",
        examples=f"{paper.results}/examples/{{seed}}.csv",
    params:
        notebook=paper.notebook("1-contamination.ipynb"),
        settings=plan.one("contamination"),
    script:
        steps.RUN


rule speed:
    output:
        paths=f"{paper.results}/tables/paths.csv",
        passes=f"{paper.results}/tables/passes.csv",
    params:
        notebook=paper.notebook("2-speed.ipynb"),
        settings=paper.settings["speed"],
        alphacsc_installed=peers.installed("alphacsc"),
    script:
        steps.RUN


rule letters:
    output:
        letters=f"{paper.results}/letters/{{seed}}.csv",
        pictures=f"{paper.results}/pictures/{{seed}}.csv",
    params:
        notebook=paper.notebook("3-letters.ipynb"),
        settings=plan.one("letters"),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
