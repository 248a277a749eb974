# Rules that all papers have alike; a paper's rules.smk includes this file at its end. It has defined
# `paper` and, if it has parts to gather, `TABLES`: table to groups of parts and what each must hold.
from common.workflow import steps

GATHERED = globals().get("TABLES", {})

if GATHERED:

    rule gather:
        input:
            parts=lambda wildcards: [
                f"{paper.results}/{part}"
                for group in GATHERED[wildcards.table]
                for part in group["parts"]
            ],
        output:
            gathered=f"{paper.results}/tables/{{table}}.csv",
        wildcard_constraints:
            table="|".join(GATHERED),
        params:
            notebook=steps.notebook("notebooks/gather.ipynb"),
            groups=lambda wildcards: GATHERED[wildcards.table],
            folder=paper.results,
        script:
            steps.RUN


for name in paper.figures:

    rule:
        name:
            f"figure_{name.replace('-', '_')}"
        input:
            **paper.reads(name),
        output:
            svg=paper.figure(name),
        params:
            **paper.passes(name),
            notebook=paper.notebook(f"figure-{name}.ipynb"),
        script:
            steps.RUN


rule claims:
    input:
        **paper.reads("claims"),
    output:
        claims_csv=paper.claims,
    params:
        **paper.passes("claims"),
        notebook=paper.notebook("claims.ipynb"),
    script:
        steps.RUN


steps.complete(workflow, paper)
