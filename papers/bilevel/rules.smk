# Random problems and images of digits → steps chosen on a grid → runs with them → figures, claims.
from common.plans.bilevel import Plan
from common.workflow import steps

paper = steps.of("bilevel", config)
plan = Plan(paper.settings)


wildcard_constraints:
    problem="|".join(paper.settings["problems"]),


rule grid:
    input:
        images=plan.images,
    output:
        grid_csv=f"{paper.results}/tables/grid-{{problem}}.csv",
    params:
        notebook=paper.notebook("1-grid.ipynb"),
        settings=plan.grid,
    script:
        steps.RUN


rule curves:
    input:
        grid_csv=f"{paper.results}/tables/grid-{{problem}}.csv",
    output:
        curves_csv=f"{paper.results}/tables/curves-{{problem,quadratic|logistic}}.csv",
        finals_csv=f"{paper.results}/tables/finals-{{problem}}.csv",
    params:
        notebook=paper.notebook("2-curves.ipynb"),
        settings=plan.curves,
    script:
        steps.RUN


rule cleaning:
    input:
        grid_csv=f"{paper.results}/tables/grid-cleaning.csv",
        images=plan.cleaning_images(),
    output:
        curves_csv=f"{paper.results}/tables/curves-cleaning.csv",
        finals_csv=f"{paper.results}/tables/finals-cleaning.csv",
        weights_csv=f"{paper.results}/tables/weights.csv",
    params:
        notebook=paper.notebook("3-cleaning.ipynb"),
        settings=plan.cleaning(),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
