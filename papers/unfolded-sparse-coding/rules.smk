# Random problems and images of digits → steps, iterations, trained networks → figures, claims.
from common.plans.sparse import Plan
from common.workflow import steps

paper = steps.of("unfolded-sparse-coding", config)
plan = Plan(paper.settings)
TABLES = plan.tables()


wildcard_constraints:
    seed=r"\d+",
    start="|".join(paper.settings["last_layers"]["starts"]),


rule oracle:
    output:
        paths=f"{paper.results}/tables/oracle-steps.csv",
        reached=f"{paper.results}/tables/oracle-iterations.csv",
    params:
        notebook=paper.notebook("1-oracle.ipynb"),
        settings=paper.settings["oracle"],
    script:
        steps.RUN


rule iterations:
    output:
        table_csv=f"{paper.results}/tables/iterations.csv",
    params:
        notebook=paper.notebook("2-iterations.ipynb"),
        settings=paper.settings["iterations"],
    script:
        steps.RUN


rule support_law:
    output:
        table_csv=f"{paper.results}/tables/support-law.csv",
    params:
        notebook=paper.notebook("2-support-law.ipynb"),
        settings=paper.settings["support_law"],
    script:
        steps.RUN


rule learned_steps:
    output:
        table_csv=f"{paper.results}/tables/learned-steps.csv",
    params:
        notebook=paper.notebook("3-learned-steps.ipynb"),
        settings=paper.settings["learned_steps"],
    script:
        steps.RUN


rule last_layers:
    output:
        table_csv=f"{paper.results}/last-layers/{{start}}-{{seed}}.csv",
    params:
        notebook=paper.notebook("4-last-layers.ipynb"),
        settings=plan.last_layers,
    script:
        steps.RUN


rule networks:
    input:
        images=plan.images,
    output:
        table_csv=f"{paper.results}/networks/{{dataset}}-{{seed}}.csv",
    priority: 10
    params:
        notebook=paper.notebook("5-networks.ipynb"),
        settings=plan.networks,
    script:
        steps.RUN


rule training_size:
    output:
        table_csv=f"{paper.results}/training-size/{{seed}}.csv",
    params:
        notebook=paper.notebook("6-training-size.ipynb"),
        settings=plan.training_size(),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
