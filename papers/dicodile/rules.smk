# Draws → errors of their means → table → figure, claims.
from common.workflow import steps

paper = steps.of("dicodile", config)
SETTINGS = paper.settings
# Tables that are gathered of parts, and what they must hold: a part that is short is an error.
TABLES = {
    "errors": [
        {
            "parts": expand("errors/{name}.csv", name=SETTINGS["distributions"]),
            "contract": {
                "distribution": SETTINGS["distributions"],
                "n": SETTINGS["n_draws"],
                "seed": list(range(SETTINGS["n_seeds"])),
            },
        }
    ]
}


rule draw:
    output:
        draws=f"{paper.derived}/{{distribution}}.npz",
    params:
        notebook=paper.notebook("1-draw.ipynb"),
        n_draws=max(SETTINGS["n_draws"]),
        n_seeds=SETTINGS["n_seeds"],
    script:
        steps.RUN


rule errors:
    input:
        draws=f"{paper.derived}/{{distribution}}.npz",
    output:
        errors=f"{paper.results}/errors/{{distribution}}.csv",
    params:
        notebook=paper.notebook("2-errors.ipynb"),
        n_draws=SETTINGS["n_draws"],
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
