# Random problems, images of digits, patches → trained networks and their bounds → figures, claims.
from common.plans.sparse import NetworksPlan
from common.workflow import steps

paper = steps.of("trainable-sparse-coding", config)
plan = NetworksPlan(paper.settings)
TABLES = plan.tables()


wildcard_constraints:
    dataset="|".join(paper.settings["networks"]),
    seed=r"\d+",


rule networks:
    input:
        images=plan.images,
    output:
        table_csv=f"{paper.results}/networks/{{dataset}}-{{seed}}.csv",
        bounds_csv=f"{paper.results}/bounds/{{dataset}}-{{seed}}.csv",
    params:
        notebook=paper.notebook("1-networks.ipynb"),
        settings=plan.networks,
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
