# Identity of harmonics and rectifiers; fields → syntheses and their errors; pictures → recovery.
from common.plans.harmonics import Plan
from common.workflow import steps

paper = steps.of("phase-harmonics", config)
plan = Plan(paper.settings)
TABLES = plan.tables()


wildcard_constraints:
    process="turbulence|gaussian",
    image=r"\d+",
    picture="cartoon|photograph",
    dj=r"\d+",


rule harmonics:
    output:
        identity=f"{paper.results}/tables/identity.csv",
    params:
        notebook=paper.notebook("1-harmonics.ipynb"),
    script:
        steps.RUN


rule simulate:
    output:
        fields=f"{paper.derived}/{{process}}.npz",
    priority: 20
    params:
        notebook=paper.notebook("2-simulate.ipynb"),
        settings=plan.fields,
    script:
        steps.RUN


rule synthesise:
    input:
        fields=f"{paper.derived}/{{process}}.npz",
    output:
        errors=f"{paper.results}/errors/{{process}}-{{image}}.csv",
        syntheses=f"{paper.derived}/syntheses-{{process}}-{{image}}.npz",
    priority: 10
    params:
        notebook=paper.notebook("3-synthesise.ipynb"),
        settings=plan.synthesis(),
    script:
        steps.RUN


rule reconstruct:
    output:
        psnr=f"{paper.results}/psnr/{{picture}}-{{dj}}.csv",
        recovered=f"{paper.derived}/recovered-{{picture}}-{{dj}}.npz",
    params:
        notebook=paper.notebook("4-reconstruct.ipynb"),
        settings=plan.reconstruction,
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
