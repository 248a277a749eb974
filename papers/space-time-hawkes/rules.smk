# Simulation and fit → tables → figures; catalogue → events in the plane → fits.
from common.plans.space_time import Plan
from common.workflow import steps

paper = steps.of("space-time-hawkes", config)
plan = Plan(paper.settings)
TABLES = plan.tables()


rule recovery:
    output:
        fits=f"{paper.results}/recovery/{{process}}-{{size,[0-9]+}}-{{end_time,[0-9]+}}.csv",
    params:
        notebook=paper.notebook("1-recovery.ipynb"),
        settings=plan.recovery,
    script:
        steps.RUN


rule cost:
    output:
        seconds=f"{paper.results}/cost/iteration.csv",
    params:
        notebook=paper.notebook("2-cost.ipynb"),
        settings=plan.cost(),
    script:
        steps.RUN


rule psi:
    output:
        norms=f"{paper.results}/psi/{{size,[0-9]+}}-{{end_time,[0-9]+}}.csv",
    params:
        notebook=paper.notebook("2-psi.ipynb"),
        settings=plan.psi(),
    script:
        steps.RUN


rule prepare:
    input:
        catalogue="data/raw/pycsep-ridgecrest.csv",
    output:
        events=f"{paper.derived}/ridgecrest.npz",
    params:
        notebook=paper.notebook("3-prepare.ipynb"),
        settings=plan.prepare(),
    script:
        steps.RUN


rule ridgecrest:
    input:
        events=f"{paper.derived}/ridgecrest.npz",
    output:
        fits=f"{paper.results}/ridgecrest/{{cut}}.csv",
    params:
        notebook=paper.notebook("4-ridgecrest.ipynb"),
        settings=plan.ridgecrest,
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
