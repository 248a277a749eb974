from common.workflow import papers

paper = papers.rules("toy", config)
RUN_NOTEBOOK = papers.RUN_NOTEBOOK


rule prepare:
    input:
        raw="papers/toy/raw.csv",
    output:
        clean="data/derived/toy/clean.json",
    log:
        notebook="data/derived/toy/prepare.ipynb",
    benchmark:
        "data/derived/toy/prepare.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=1,
    params:
        notebook=paper.notebook("1-prepare.ipynb"),
    script:
        RUN_NOTEBOOK


rule scale:
    input:
        clean="data/derived/toy/clean.json",
    output:
        scores=f"{paper.results}/scores/{{method}}-{{seed}}.json",
    log:
        notebook=f"{paper.results}/notebooks/scale-{{method}}-{{seed}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/scale-{{method}}-{{seed}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=1,
    params:
        notebook=paper.notebook("2-scale.ipynb"),
        factor=paper.settings["factor"],
        pause=paper.settings["pause"],
    script:
        RUN_NOTEBOOK


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
    log:
        notebook=f"{paper.results}/notebooks/gather.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/gather.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=1,
    params:
        notebook=paper.notebook("3-gather.ipynb"),
    script:
        RUN_NOTEBOOK


rule bars:
    input:
        table=f"{paper.results}/bars.json",
    output:
        svg=paper.figure("bars"),
    log:
        notebook="papers/toy/figures/bars.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/bars.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=1,
    params:
        notebook=paper.notebook("figure-bars.ipynb"),
    script:
        RUN_NOTEBOOK


rule total:
    input:
        table=f"{paper.results}/total.json",
    output:
        svg=paper.figure("total"),
    log:
        notebook="papers/toy/figures/total.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/total.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=1,
    params:
        notebook=paper.notebook("figure-total.ipynb"),
    script:
        RUN_NOTEBOOK


rule claims:
    input:
        table=f"{paper.results}/bars.json",
    output:
        claims=paper.claims,
    log:
        notebook=f"{paper.built}/notebooks/claims.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/claims.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=1,
    params:
        notebook=paper.notebook("claims.ipynb"),
    script:
        RUN_NOTEBOOK
