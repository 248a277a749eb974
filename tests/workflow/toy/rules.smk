from common.workflow import steps

paper = steps.of("toy", config)


rule prepare:
    input:
        raw="papers/toy/raw.csv",
    output:
        clean="data/derived/toy/clean.json",
    params:
        notebook=paper.notebook("1-prepare.ipynb"),
    script:
        steps.RUN


rule scale:
    input:
        clean="data/derived/toy/clean.json",
    output:
        scores=f"{paper.results}/scores/{{method}}-{{seed}}.json",
    params:
        notebook=paper.notebook("2-scale.ipynb"),
        factor=paper.settings["factor"],
        pause=paper.settings["pause"],
    script:
        steps.RUN


rule gather:
    input:
        scores=expand(
            f"{paper.results}/scores/{{method}}-{{seed}}.json",
            method=paper.settings["methods"],
            seed=paper.settings["seeds"],
        ),
    output:
        bars=f"{paper.results}/bars.json",
        total=f"{paper.results}/total.json",
    params:
        notebook=paper.notebook("3-gather.ipynb"),
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
