# Recordings → windows → curves and parameter search, a job a chunk of fits → tables → figures.
from common import papers, registry
from common.augmentation import plan

paper = papers.rules("eeg-augmentation", config)
RUN_NOTEBOOK = papers.RUN_NOTEBOOK
DATA = f"data/derived/eeg-augmentation/{paper.scale}"
TABLES = f"{paper.results}/tables"
PUBLISHED = "papers/eeg-augmentation/published"
DATASETS = paper.settings["datasets"]
JOBS = plan.jobs(paper.settings)
NIGHTS = DATASETS.get("sleep-physionet", {"prepare": {"subjects": []}})["prepare"]
# What training reads of a data set's settings; what it does not read must not rerun it.
TRAINING = ["task", "split", "n_folds", "training", "network", "scale", "keep_hits"]


def windows(dataset, folds):
    """Prepared files that these folds need: one, or where folds are subjects one each."""
    if DATASETS[dataset]["source"] == "moabb":
        return [f"{DATA}/{dataset}/{fold}.npz" for fold in folds]
    return [f"{DATA}/{dataset}.npz"]


def parts(kind, experiment):
    return [
        f"{paper.results}/{kind}/{name}.csv"
        for name, job in JOBS.items()
        if job["experiment"] == experiment
    ]


wildcard_constraints:
    dataset="|".join(DATASETS),
    subject=r"\d+",
    part=r"\d+",
    experiment="|".join(plan.EXPERIMENTS),
    table="curves|class-scores|search",


rule prepare_states:
    input:
        child=registry.path("eeghdf-absence-epilepsy"),
        infant=registry.path("eeghdf-spasms"),
    output:
        windows=f"{DATA}/sleep-wake.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-sleep-wake.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-sleep-wake.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=800, paper=2000),
        runtime=5,
    params:
        notebook=paper.notebook("1-prepare-states.ipynb"),
        settings=DATASETS.get("sleep-wake", {}).get("prepare", {}),
    script:
        RUN_NOTEBOOK


rule prepare_aeon:
    input:
        training=lambda wildcards: registry.path(f"aeon-{wildcards.dataset}-train"),
        test=lambda wildcards: registry.path(f"aeon-{wildcards.dataset}-test"),
    output:
        windows=f"{DATA}/{{dataset}}.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-{{dataset}}.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-{{dataset}}.tsv"
    wildcard_constraints:
        dataset="finger-movements|self-regulation-scp1",
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=700, paper=2000),
        runtime=5,
    params:
        notebook=paper.notebook("1-prepare-aeon.ipynb"),
        settings=lambda wildcards: DATASETS[wildcards.dataset]["prepare"],
    script:
        RUN_NOTEBOOK


rule prepare_night:
    output:
        windows=f"{DATA}/nights/{{subject}}.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-night-{{subject}}.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-night-{{subject}}.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        notebook=paper.notebook("1-prepare-night.ipynb"),
        settings={key: NIGHTS.get(key) for key in ("length", "high")},
    script:
        RUN_NOTEBOOK


rule balance_nights:
    input:
        nights=expand(f"{DATA}/nights/{{subject}}.npz", subject=NIGHTS["subjects"]),
    output:
        windows=f"{DATA}/sleep-physionet.npz",
    log:
        notebook=f"{paper.built}/notebooks/balance-nights.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/balance-nights.tsv"
    threads: 1
    resources:
        mem_mb=24000,
        runtime=60,
    params:
        notebook=paper.notebook("2-balance-nights.ipynb"),
        subjects=NIGHTS["subjects"],
    script:
        RUN_NOTEBOOK


rule prepare_imagery:
    input:
        receipt="data/raw/bnci2014-001-{subject}.json",
    output:
        windows=f"{DATA}/bnci2014-001/{{subject}}.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-bnci2014-001-{{subject}}.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-bnci2014-001-{{subject}}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        notebook=paper.notebook("1-prepare-imagery.ipynb"),
        settings=DATASETS.get("bnci2014-001", {}).get("prepare", {}),
    script:
        RUN_NOTEBOOK


rule study:
    input:
        windows=lambda wildcards: windows(
            wildcards.dataset,
            JOBS[f"{wildcards.experiment}/{wildcards.dataset}/{wildcards.part}"][
                "folds"
            ],
        ),
    output:
        scores=f"{paper.results}/scores/{{experiment}}/{{dataset}}/{{part}}.csv",
        class_scores=f"{paper.results}/class-scores/{{experiment}}/{{dataset}}/{{part}}.csv",
        timings=f"{paper.results}/timings/{{experiment}}/{{dataset}}/{{part}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/{{experiment}}-{{dataset}}-{{part}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/{{experiment}}-{{dataset}}-{{part}}.tsv"
    priority: 10
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=1000, paper=8000),
        runtime=240,
    params:
        notebook=paper.notebook("3-study.ipynb"),
        fits=lambda wildcards: plan.fits(
            JOBS[f"{wildcards.experiment}/{wildcards.dataset}/{wildcards.part}"],
            paper.settings,
        ),
        settings=lambda wildcards: {
            key: DATASETS[wildcards.dataset][key] for key in TRAINING
        },
        device=paper.device,
    script:
        RUN_NOTEBOOK


rule gather:
    input:
        parts=lambda wildcards: {
            "curves": parts("scores", "curves"),
            "class-scores": parts("class-scores", "curves"),
            "search": parts("scores", "search"),
        }[wildcards.table],
    output:
        gathered=f"{TABLES}/{{table}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/gather-{{table}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/gather-{{table}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=300, paper=1000),
        runtime=5,
    params:
        notebook=paper.notebook("4-gather.ipynb"),
        contracts=lambda wildcards: plan.contracts(
            paper.settings, "search" if wildcards.table == "search" else "curves"
        ),
    script:
        RUN_NOTEBOOK


rule transformations:
    input:
        recording=registry.path("eeghdf-spasms"),
    output:
        svg=paper.figure("transformations"),
    log:
        notebook="papers/eeg-augmentation/figures/transformations.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/transformations.tsv"
    threads: 1
    resources:
        mem_mb=1200,
        runtime=5,
    params:
        notebook=paper.notebook("figure-transformations.ipynb"),
        own=paper.settings["own"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule parameter_search:
    input:
        search=f"{TABLES}/search.csv",
        published=f"{PUBLISHED}/parameter_search_sleep.csv",
    output:
        svg=paper.figure("parameter-search"),
    log:
        notebook="papers/eeg-augmentation/figures/parameter-search.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/parameter-search.tsv"
    threads: 1
    resources:
        mem_mb=800,
        runtime=5,
    params:
        notebook=paper.notebook("figure-parameter-search.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule learning_curves:
    input:
        curves=f"{TABLES}/curves.csv",
        published=f"{PUBLISHED}/learning_curve_sleep_frequency.csv",
    output:
        svg=paper.figure("learning-curves"),
    log:
        notebook="papers/eeg-augmentation/figures/learning-curves.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/learning-curves.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        notebook=paper.notebook("figure-learning-curves.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule class_gains:
    input:
        class_scores=f"{TABLES}/class-scores.csv",
        published=f"{PUBLISHED}/per_class_f1_gain_sleep.csv",
    output:
        svg=paper.figure("class-gains"),
    log:
        notebook="papers/eeg-augmentation/figures/class-gains.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/class-gains.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-class-gains.ipynb"),
        fractions={name: one["gains"]["fraction"] for name, one in DATASETS.items()},
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule summary:
    input:
        curves=f"{TABLES}/curves.csv",
    output:
        svg=paper.figure("summary"),
    log:
        notebook="papers/eeg-augmentation/figures/summary.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/summary.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-summary.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule claims:
    input:
        tables=paper.available(
            f"{TABLES}/{table}.csv" for table in ("curves", "class-scores")
        ),
        published=[
            f"{PUBLISHED}/learning_curve_sleep_frequency.csv",
            f"{PUBLISHED}/per_class_f1_gain_sleep.csv",
            f"{PUBLISHED}/abstract.csv",
        ],
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
        scale=paper.scale,
    script:
        RUN_NOTEBOOK
