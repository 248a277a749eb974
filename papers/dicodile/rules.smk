# Simulated signals and crops of a photograph → workers on a simulated clock → tables → figures, claims.
from common.workflow import steps

paper = steps.of("dicodile", config)


rule strategies:
    output:
        strategies=f"{paper.results}/tables/strategies.csv",
    params:
        notebook=paper.notebook("1-strategies.ipynb"),
        settings=paper.settings["strategies"],
    script:
        steps.RUN


rule scaling:
    output:
        scaling=f"{paper.results}/tables/scaling.csv",
    params:
        notebook=paper.notebook("2-scaling.ipynb"),
        settings=paper.settings["scaling"],
    script:
        steps.RUN


rule interference:
    output:
        interference=f"{paper.results}/tables/interference.csv",
        paths=f"{paper.results}/tables/paths.csv",
        example=f"{paper.results}/tables/example.csv",
    params:
        notebook=paper.notebook("3-interference.ipynb"),
        settings=paper.settings["interference"],
    script:
        steps.RUN


rule split:
    output:
        split=f"{paper.results}/tables/split.csv",
    params:
        notebook=paper.notebook("4-split.ipynb"),
        settings=paper.settings["split"],
    script:
        steps.RUN


rule letters:
    output:
        letters=f"{paper.results}/tables/letters.csv",
        atoms=f"{paper.results}/tables/atoms.csv",
    params:
        notebook=paper.notebook("5-letters.ipynb"),
        settings=paper.settings["letters"],
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
