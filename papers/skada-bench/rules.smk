# Data → fits (one job a data set, unit of shifts and method) → scores → tables → figures.
from common import papers, registry
from common.adaptation import catalogue

paper = papers.rules("skada-bench", config)
RUN_NOTEBOOK = papers.RUN_NOTEBOOK
DATA = f"data/derived/skada-bench/{paper.scale}"
PUBLISHED = "papers/skada-bench/published"
TABLES = f"{paper.results}/tables"
SETTINGS = paper.settings
DATASETS = SETTINGS["datasets"]
DEEP = SETTINGS["deep"]
METHODS = catalogue.load()
RUNS = [
    f"{dataset}/{unit}/{method}"
    for dataset, settings in DATASETS.items()
    for unit in settings["units"]
    for method in settings["methods"]
]


wildcard_constraints:
    dataset="[a-z0-9-]+",
    unit="[a-z0-9-]+",
    method="[a-z-]+",
    subject=r"\d+",


rule prepare:
    input:
        raw=lambda wildcards: [
            registry.path(name) for name in DATASETS[wildcards.dataset]["raw"]
        ],
    output:
        pairs=f"{DATA}/{{dataset}}.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-{{dataset}}.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-{{dataset}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=900, paper=4000),
        runtime=20,
    params:
        notebook=paper.notebook("1-prepare.ipynb"),
        settings=lambda wildcards: {
            key: DATASETS[wildcards.dataset][key]
            for key in ("units", "seeds", "n_samples")
        },
        folders=paper.folders,
    script:
        RUN_NOTEBOOK


rule fit:
    input:
        pairs=f"{DATA}/{{dataset}}.npz",
    output:
        evaluations=f"{paper.results}/fits/{{dataset}}/{{unit}}/{{method}}.npz",
        timings=f"{paper.results}/fits/{{dataset}}/{{unit}}/{{method}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/fit-{{dataset}}-{{unit}}-{{method}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/fit-{{dataset}}-{{unit}}-{{method}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=900, paper=6000),
        runtime=180,
    params:
        notebook=paper.notebook("2-fit.ipynb"),
        specification=lambda wildcards: METHODS[wildcards.method],
        shifts=lambda wildcards: DATASETS[wildcards.dataset]["units"][wildcards.unit],
        classifier=lambda wildcards: DATASETS[wildcards.dataset]["classifier"],
        svc=lambda wildcards: DATASETS[wildcards.dataset]["svc"],
        n_outer=lambda wildcards: DATASETS[wildcards.dataset]["n_outer_of"].get(
            wildcards.method, DATASETS[wildcards.dataset]["n_outer"]
        ),
        n_inner=SETTINGS["n_inner"],
        n_points=SETTINGS["n_points"],
    script:
        RUN_NOTEBOOK


rule score:
    input:
        evaluations=lambda wildcards: expand(
            f"{paper.results}/fits/{wildcards.dataset}/{{unit}}/{{method}}.npz",
            unit=DATASETS[wildcards.dataset]["units"],
            method=DATASETS[wildcards.dataset]["methods"],
        ),
    output:
        scores=f"{paper.results}/scores/{{dataset}}.csv",
        choices=f"{paper.results}/scores/{{dataset}}-choices.csv",
    log:
        notebook=f"{paper.results}/notebooks/score-{{dataset}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/score-{{dataset}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=700, paper=8000),
        runtime=60,
    params:
        notebook=paper.notebook("3-score.ipynb"),
        shifts=lambda wildcards: [
            shift
            for unit in DATASETS[wildcards.dataset]["units"].values()
            for shift in unit
        ],
        methods=lambda wildcards: DATASETS[wildcards.dataset]["methods"],
        scorers=SETTINGS["scorers"],
    script:
        RUN_NOTEBOOK


rule prepare_deep:
    input:
        receipt=lambda wildcards: f"data/raw/{DEEP[wildcards.dataset]['data']}-{wildcards.subject}.json",
    output:
        pairs=f"{DATA}/deep/{{dataset}}-{{subject}}.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-deep-{{dataset}}-{{subject}}.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-deep-{{dataset}}-{{subject}}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        notebook=paper.notebook("1-prepare-deep.ipynb"),
    script:
        RUN_NOTEBOOK


rule fit_deep:
    input:
        pairs=f"{DATA}/deep/{{dataset}}-{{subject}}.npz",
    output:
        evaluations=f"{paper.results}/deep/{{dataset}}/{{subject}}/{{method}}.npz",
        timings=f"{paper.results}/deep/{{dataset}}/{{subject}}/{{method}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/fit-deep-{{dataset}}-{{subject}}-{{method}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/fit-deep-{{dataset}}-{{subject}}-{{method}}.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=1440,
    params:
        notebook=paper.notebook("2-fit-deep.ipynb"),
        network=lambda wildcards: DEEP[wildcards.dataset]["network"],
        n_inner=SETTINGS["n_inner"],
        device=paper.device,
    script:
        RUN_NOTEBOOK


rule score_deep:
    input:
        evaluations=lambda wildcards: expand(
            f"{paper.results}/deep/{wildcards.dataset}/{{subject}}/{{method}}.npz",
            subject=DEEP[wildcards.dataset]["subjects"],
            method=DEEP[wildcards.dataset]["methods"],
        ),
    output:
        scores=f"{TABLES}/deep-{{dataset}}.csv",
        choices=f"{paper.results}/scores/deep-{{dataset}}-choices.csv",
    log:
        notebook=f"{paper.results}/notebooks/score-deep-{{dataset}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/score-deep-{{dataset}}.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        notebook=paper.notebook("3-score.ipynb"),
        shifts=lambda wildcards: list(map(str, DEEP[wildcards.dataset]["subjects"])),
        methods=lambda wildcards: DEEP[wildcards.dataset]["methods"],
        scorers=lambda wildcards: DEEP[wildcards.dataset]["scorers"],
    script:
        RUN_NOTEBOOK


rule gather:
    input:
        scores=expand(f"{paper.results}/scores/{{dataset}}.csv", dataset=DATASETS),
        timings=expand(f"{paper.results}/fits/{{run}}.csv", run=RUNS),
    output:
        accuracy=f"{TABLES}/accuracy.csv",
        seconds=f"{TABLES}/seconds.csv",
    log:
        notebook=f"{paper.results}/notebooks/gather.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/gather.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=300, paper=2000),
        runtime=5,
    params:
        notebook=paper.notebook("4-gather.ipynb"),
        methods={dataset: DATASETS[dataset]["methods"] for dataset in DATASETS},
        scorers=SETTINGS["scorers"],
    script:
        RUN_NOTEBOOK


rule accuracy_table:
    input:
        accuracy=f"{TABLES}/accuracy.csv",
        published=f"{PUBLISHED}/shallow_table_unsupervised.csv",
    output:
        svg=paper.figure("accuracy-table"),
    log:
        notebook="papers/skada-bench/figures/accuracy-table.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/accuracy-table.tsv"
    threads: 1
    resources:
        mem_mb=700,
        runtime=5,
    params:
        notebook=paper.notebook("figure-accuracy-table.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule rank:
    input:
        accuracy=f"{TABLES}/accuracy.csv",
        published=f"{PUBLISHED}/shallow_table_unsupervised.csv",
    output:
        svg=paper.figure("rank"),
    log:
        notebook="papers/skada-bench/figures/rank.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/rank.tsv"
    threads: 1
    resources:
        mem_mb=700,
        runtime=5,
    params:
        notebook=paper.notebook("figure-rank.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule scorer_vs_accuracy:
    input:
        accuracy=f"{TABLES}/accuracy.csv",
        published=[
            f"{PUBLISHED}/simulated_scores.csv",
            f"{PUBLISHED}/simulated_cv_scores.csv",
        ],
    output:
        svg=paper.figure("scorer-vs-accuracy"),
    log:
        notebook="papers/skada-bench/figures/scorer-vs-accuracy.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/scorer-vs-accuracy.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-scorer-vs-accuracy.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule supervised_vs_unsupervised:
    input:
        accuracy=f"{TABLES}/accuracy.csv",
        published=[
            f"{PUBLISHED}/shallow_table_supervised.csv",
            f"{PUBLISHED}/shallow_table_unsupervised.csv",
        ],
    output:
        svg=paper.figure("supervised-vs-unsupervised"),
    log:
        notebook="papers/skada-bench/figures/supervised-vs-unsupervised.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/supervised-vs-unsupervised.tsv"
    threads: 1
    resources:
        mem_mb=700,
        runtime=5,
    params:
        notebook=paper.notebook("figure-supervised-vs-unsupervised.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule simulated_shifts:
    output:
        svg=paper.figure("simulated-shifts"),
    log:
        notebook="papers/skada-bench/figures/simulated-shifts.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/simulated-shifts.tsv"
    threads: 1
    resources:
        mem_mb=900,
        runtime=5,
    params:
        notebook=paper.notebook("figure-simulated-shifts.ipynb"),
        shown=SETTINGS["shown"],
        seed=0,
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule compute_time:
    input:
        seconds=f"{TABLES}/seconds.csv",
    output:
        svg=paper.figure("compute-time"),
    log:
        notebook="papers/skada-bench/figures/compute-time.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/compute-time.tsv"
    threads: 1
    resources:
        mem_mb=700,
        runtime=5,
    params:
        notebook=paper.notebook("figure-compute-time.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule claims:
    input:
        tables=paper.available(
            f"{TABLES}/{table}.csv"
            for table in ["accuracy", *(f"deep-{dataset}" for dataset in DEEP)]
        ),
        published=[
            f"{PUBLISHED}/simulated_scores.csv",
            f"{PUBLISHED}/simulated_cv_scores.csv",
            f"{PUBLISHED}/shallow_table_unsupervised.csv",
            f"{PUBLISHED}/shallow_table_supervised.csv",
            f"{PUBLISHED}/deep_table_unsupervised.csv",
        ],
    output:
        claims_csv=paper.claims,
    log:
        notebook=f"{paper.built}/notebooks/claims.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/claims.tsv"
    threads: 1
    resources:
        mem_mb=700,
        runtime=5,
    params:
        notebook=paper.notebook("claims.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK
