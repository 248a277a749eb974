# Data set × subject × group of pipelines: one job each → tables → figures.
from common import files, papers, registry
from common.benchmark import plan

paper = papers.rules("moabb", config)
RUN_NOTEBOOK = papers.RUN_NOTEBOOK
PUBLISHED = "papers/moabb/published"
TABLES = f"{paper.results}/tables"
BENCHMARK = paper.settings["benchmark"]
SETS = files.read_csv(f"{PUBLISHED}/paper_datasets.csv")
PIECES = plan.pieces(BENCHMARK, sets=SETS)
CONTRACTS = [
    contract
    for paradigm in BENCHMARK
    for contract in plan.contracts(BENCHMARK, paradigm, sets=SETS).values()
]
# Minutes of a job by group of pipelines; the others take less than the default.
MINUTES = paper.settings["minutes"]


# MOABB's classes and their entries in the registry, one file a subject.
FETCHED = {
    entry.source.moabb.dataset: name
    for name, entry in registry.load().items()
    if entry.source.moabb
}


def raw(piece):
    """Files that a piece reads: of packages, or of one subject from MOABB."""
    names = PIECES[piece]["raw"] or [
        FETCHED[name] for name in [PIECES[piece]["name"]] if name in FETCHED
    ]
    return [registry.path(name, subject=PIECES[piece]["subject"]) for name in names]


wildcard_constraints:
    piece="[A-Za-z0-9_]+/[A-Za-z0-9_.-]+/[0-9]+/[a-z0-9-]+",
    kind="scores|times",


rule evaluate:
    input:
        raw=lambda wildcards: raw(wildcards.piece),
    output:
        scores=f"{paper.results}/scores/{{piece}}.csv",
        times=f"{paper.results}/times/{{piece}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/evaluate/{{piece}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/evaluate/{{piece}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.settings["mem_mb"],
        runtime=lambda wildcards: MINUTES.get(
            PIECES[wildcards.piece]["group"], MINUTES["default"]
        ),
    params:
        notebook=paper.notebook("1-evaluate.ipynb"),
        settings=lambda wildcards: {
            key: PIECES[wildcards.piece][key]
            for key in (
                "paradigm",
                "dataset",
                "name",
                "options",
                "subject",
                "pipelines",
            )
        },
    script:
        RUN_NOTEBOOK


rule gather:
    input:
        parts=lambda wildcards: [
            f"{paper.results}/{wildcards.kind}/{piece}.csv" for piece in PIECES
        ],
    output:
        gathered=f"{TABLES}/{{kind}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/gather-{{kind}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/gather-{{kind}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=300, paper=1000),
        runtime=5,
    params:
        notebook=paper.notebook("2-gather.ipynb"),
        folder=lambda wildcards: f"{paper.results}/{wildcards.kind}",
        contracts=CONTRACTS,
    script:
        RUN_NOTEBOOK


rule datasets:
    input:
        datasets=f"{PUBLISHED}/paper_datasets.csv",
    output:
        svg=paper.figure("datasets"),
    log:
        notebook="papers/moabb/figures/datasets.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/datasets.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-datasets.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule scores_by_category:
    input:
        scores=f"{TABLES}/scores.csv",
        published=f"{PUBLISHED}/within_session_long.csv",
    output:
        svg=paper.figure("scores-by-category"),
    log:
        notebook="papers/moabb/figures/scores-by-category.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/scores-by-category.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-scores-by-category.ipynb"),
        simulated=paper.settings["simulated"],
        same_people=paper.settings["same_people"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule pipelines_by_paradigm:
    input:
        scores=f"{TABLES}/scores.csv",
        times=f"{TABLES}/times.csv",
        published=f"{PUBLISHED}/within_session_long.csv",
    output:
        svg=paper.figure("pipelines-by-paradigm"),
    log:
        notebook="papers/moabb/figures/pipelines-by-paradigm.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/pipelines-by-paradigm.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-pipelines-by-paradigm.ipynb"),
        simulated=paper.settings["simulated"],
        same_people=paper.settings["same_people"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule meta_analysis:
    input:
        scores=f"{TABLES}/scores.csv",
    output:
        svg=paper.figure("meta-analysis"),
    log:
        notebook="papers/moabb/figures/meta-analysis.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/meta-analysis.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-meta-analysis.ipynb"),
        pairs=paper.settings["pairs"],
        simulated=paper.settings["simulated"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule pairwise:
    input:
        scores=f"{TABLES}/scores.csv",
    output:
        svg=paper.figure("pairwise"),
    log:
        notebook="papers/moabb/figures/pairwise.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/pairwise.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-pairwise.ipynb"),
        simulated=paper.settings["simulated"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule channels_and_trials:
    input:
        published=f"{PUBLISHED}/within_session_long.csv",
        datasets=f"{PUBLISHED}/paper_datasets.csv",
    output:
        svg=paper.figure("channels-and-trials"),
    log:
        notebook="papers/moabb/figures/channels-and-trials.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/channels-and-trials.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-channels-and-trials.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule time_and_energy:
    input:
        times=f"{TABLES}/times.csv",
    output:
        svg=paper.figure("time-and-energy"),
    log:
        notebook="papers/moabb/figures/time-and-energy.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/time-and-energy.tsv"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        notebook=paper.notebook("figure-time-and-energy.ipynb"),
        simulated=paper.settings["simulated"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule claims:
    input:
        tables=paper.available(f"{TABLES}/{kind}.csv" for kind in ("scores", "times")),
        published=expand(
            f"{PUBLISHED}/{{name}}.csv", name=["within_session_long", "paper_datasets"]
        ),
    output:
        claims_csv=paper.claims,
    log:
        notebook=f"{paper.built}/notebooks/claims.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/claims.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("claims.ipynb"),
        simulated=paper.settings["simulated"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK
