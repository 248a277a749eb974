# Simulated records → trend, waveforms, scores → figures, claims.
from common.plans.dictionary import NystagmusPlan
from common.workflow import steps

paper = steps.of("nystagmus-csc", config)
plan = NystagmusPlan(paper.settings)
TABLES = plan.tables()


wildcard_constraints:
    seed=r"\d+",


rule separation:
    output:
        scores=f"{paper.results}/scores/{{seed}}.csv",
        atoms=f"{paper.results}/atoms/{{seed}}.csv",
        examples=f"{paper.results}/examples/{{seed}}.csv",
    params:
        notebook=paper.notebook("1-separation.ipynb"),
        settings=plan.separation(),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
