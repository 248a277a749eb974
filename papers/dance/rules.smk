# From raw recordings to figures: prepare → encoder → train → gather → figures, claims.
from common import papers, registry

paper = papers.rules("dance", config)
RUN_NOTEBOOK = papers.RUN_NOTEBOOK
DATA = f"data/derived/dance/{paper.scale}"
DATASETS = paper.settings["datasets"]
ABLATIONS = paper.settings["ablations"]
NETWORK = paper.settings["network"]
N_TOKENS = NETWORK["architecture"].get("num_latents", 256)
# Priorities start the longest chains first.
# What a step reads of a data set's settings; what it does not read must not rerun it.
SIMULATED = ["subjects", "fresh", "minutes", "sfreq"]
ENCODER = ["split", "policy", "sampler"]
TRAIN = ["split", "policy", "sampler", "overlap", "minimum"]
TRAIN += ["minimum_agreement", "exclusive"]
BASELINE = ["split", "minimum", "classifier"]
CONTRACT = ["methods", "folds", "seeds"]
TABLES = f"{paper.results}/tables"
# What approach and timeline show: the first fold and seed of one method on one data set.
SHOWN = paper.settings["timeline"]
SHOWN = SHOWN | {
    key: DATASETS[SHOWN["dataset"]][f"{key}s"][0] for key in ("fold", "seed")
}
UNITS = [
    f"{dataset}/{method}-{fold}-{seed}"
    for dataset, settings in DATASETS.items()
    for method in settings["methods"]
    for fold in settings["folds"]
    for seed in settings["seeds"]
] + [
    f"{ABLATIONS['dataset']}/ablation-{variant}-{fold}-{seed}"
    for variant in ABLATIONS["variants"]
    for fold in ABLATIONS["folds"]
    for seed in ABLATIONS["seeds"]
]


def pick(dataset, keys):
    return {key: DATASETS[dataset][key] for key in keys}


def variant(wildcards, key):
    """A setting of an ablation: the variant's own, else the ablations', else the data set's."""
    own = ABLATIONS["variants"][wildcards.method.removeprefix("ablation-")]
    return own.get(key, ABLATIONS.get(key, DATASETS[wildcards.dataset].get(key)))


def decodings(wildcards):
    """Other ways to read the answers of the ablations' reference: DANCE, if no other is trained."""
    reference = (
        "ablation-reference" if "reference" in ABLATIONS["variants"] else "dance"
    )
    mine = (wildcards.dataset, wildcards.method) == (ABLATIONS["dataset"], reference)
    return ABLATIONS["decodings"] if mine else {}


def recordings(dataset):
    """Prepared files of a data set."""
    source, subjects = DATASETS[dataset]["source"], DATASETS[dataset]["subjects"]
    parts = {
        "moabb": [f"{dataset}/{subject}" for subject in range(1, (subjects or 0) + 1)],
        "tusz": [f"{dataset}/{split}" for split in ("train", "dev", "eval")],
    }.get(source, [dataset])
    return [f"{DATA}/{part}.npz" for part in parts]


wildcard_constraints:
    dataset="|".join(DATASETS),
    fold=r"\d+",
    seed=r"\d+",
    subject=r"\d+",
    split="train|dev|eval",
    start="trained|initial",


rule prepare_simulated:
    output:
        recordings=f"{DATA}/simulated.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-simulated.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-simulated.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=500, paper=1000),
        runtime=5,
    params:
        notebook=paper.notebook("1-prepare-simulated.ipynb"),
        settings=pick("simulated", SIMULATED) if "simulated" in DATASETS else {},
    script:
        RUN_NOTEBOOK


rule prepare_eeghdf:
    input:
        absence=registry.path("eeghdf-absence-epilepsy"),
        spasms=registry.path("eeghdf-spasms"),
    output:
        recordings=f"{DATA}/eeghdf.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-eeghdf.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-eeghdf.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=1100, paper=2000),
        runtime=5,
    params:
        notebook=paper.notebook("1-prepare-eeghdf.ipynb"),
        settings=pick("eeghdf", ["sfreq"]) if "eeghdf" in DATASETS else {},
    script:
        RUN_NOTEBOOK


rule prepare_moabb:
    input:
        receipt=lambda wildcards: "data/raw/{}-{}.json".format(
            wildcards.dataset.lower().replace("_", "-"), wildcards.subject
        ),
    output:
        recordings=f"{DATA}/{{dataset}}/{{subject}}.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-{{dataset}}-{{subject}}.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-{{dataset}}-{{subject}}.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        notebook=paper.notebook("1-prepare-moabb.ipynb"),
        settings=lambda wildcards: pick(wildcards.dataset, ["sfreq"]),
    script:
        RUN_NOTEBOOK


rule prepare_tusz:
    output:
        recordings=f"{DATA}/{{dataset}}/{{split}}.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-{{dataset}}-{{split}}.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-{{dataset}}-{{split}}.tsv"
    threads: 1
    resources:
        mem_mb=128000,
        runtime=600,
    params:
        notebook=paper.notebook("1-prepare-tusz.ipynb"),
        settings=lambda wildcards: pick(wildcards.dataset, ["sfreq", "window"]),
        folders=paper.folders,
    script:
        RUN_NOTEBOOK


rule encoder:
    input:
        recordings=lambda wildcards: recordings(wildcards.dataset),
    output:
        weights=f"{paper.results}/encoders/{{dataset}}-{{start}}-{{window}}-{{fold}}-{{seed}}.npz",
    log:
        notebook=f"{paper.results}/notebooks/encoder-{{dataset}}-{{start}}-{{window}}-{{fold}}-{{seed}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/encoder-{{dataset}}-{{start}}-{{window}}-{{fold}}-{{seed}}.tsv"
    priority: 20
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=1100, paper=3000),
        runtime=600,
    params:
        notebook=paper.notebook("2-encoder.ipynb"),
        n_queries=lambda wildcards: DATASETS[wildcards.dataset]["n_queries"],
        stages=lambda wildcards: (
            DATASETS[wildcards.dataset]["encoder"]
            if wildcards.start == "trained"
            else []
        ),
        settings=lambda wildcards: pick(wildcards.dataset, ENCODER),
        network=NETWORK,
        device=paper.device,
    script:
        RUN_NOTEBOOK


rule train:
    input:
        recordings=lambda wildcards: recordings(wildcards.dataset),
        weights=lambda wildcards: "{}/encoders/{}-trained-{}-{}-{}.npz".format(
            paper.results,
            wildcards.dataset,
            DATASETS[wildcards.dataset]["window"],
            wildcards.fold,
            wildcards.seed,
        ),
    output:
        detections=f"{paper.results}/detections/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
        scores=f"{paper.results}/scores/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
        durations=f"{paper.results}/durations/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/train-{{dataset}}-{{method}}-{{fold}}-{{seed}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/train-{{dataset}}-{{method}}-{{fold}}-{{seed}}.tsv"
    wildcard_constraints:
        method="dance|dense",
    priority: 10
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=2400, paper=4000),
        runtime=1440,
    params:
        notebook=paper.notebook("3-train-dance.ipynb"),
        window=lambda wildcards: DATASETS[wildcards.dataset]["window"],
        stride=lambda wildcards: DATASETS[wildcards.dataset]["stride"],
        n_queries=lambda wildcards: DATASETS[wildcards.dataset]["n_queries"],
        stages=lambda wildcards: DATASETS[wildcards.dataset]["stages"][wildcards.method],
        terms={},
        decodings=decodings,
        settings=lambda wildcards: pick(wildcards.dataset, TRAIN),
        network=NETWORK,
        device=paper.device,
    script:
        RUN_NOTEBOOK


rule ablation:
    input:
        recordings=lambda wildcards: recordings(wildcards.dataset),
        weights=lambda wildcards: "{}/encoders/{}-{}-{}-{}-{}.npz".format(
            paper.results,
            wildcards.dataset,
            variant(wildcards, "start") or "trained",
            variant(wildcards, "window"),
            wildcards.fold,
            wildcards.seed,
        ),
    output:
        detections=f"{paper.results}/detections/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
        scores=f"{paper.results}/scores/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
        durations=f"{paper.results}/durations/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/train-{{dataset}}-{{method}}-{{fold}}-{{seed}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/train-{{dataset}}-{{method}}-{{fold}}-{{seed}}.tsv"
    wildcard_constraints:
        method="ablation-.*",
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=1400, paper=4000),
        runtime=1440,
    params:
        notebook=paper.notebook("3-train-dance.ipynb"),
        window=lambda wildcards: variant(wildcards, "window"),
        stride=lambda wildcards: variant(wildcards, "stride"),
        n_queries=lambda wildcards: variant(wildcards, "n_queries"),
        stages=lambda wildcards: variant(wildcards, "stages"),
        terms=lambda wildcards: variant(wildcards, "terms") or {},
        decodings=decodings,
        settings=lambda wildcards: pick(wildcards.dataset, TRAIN),
        network=NETWORK,
        device=paper.device,
    script:
        RUN_NOTEBOOK


rule baseline:
    input:
        recordings=lambda wildcards: recordings(wildcards.dataset),
    output:
        detections=f"{paper.results}/detections/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
        scores=f"{paper.results}/scores/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
        durations=f"{paper.results}/durations/{{dataset}}/{{method}}-{{fold}}-{{seed}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/train-{{dataset}}-{{method}}-{{fold}}-{{seed}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/train-{{dataset}}-{{method}}-{{fold}}-{{seed}}.tsv"
    wildcard_constraints:
        method="sliding|onset-informed",
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=1100, paper=4000),
        runtime=600,
    params:
        notebook=paper.notebook("3-train-baseline.ipynb"),
        settings=lambda wildcards: pick(wildcards.dataset, BASELINE),
        window=lambda wildcards: DATASETS[wildcards.dataset]["window"],
        rate=lambda wildcards: N_TOKENS / DATASETS[wildcards.dataset]["window"],
        device=paper.device,
    script:
        RUN_NOTEBOOK


rule gather:
    input:
        scores=expand(f"{paper.results}/scores/{{unit}}.csv", unit=UNITS),
        durations=expand(f"{paper.results}/durations/{{unit}}.csv", unit=UNITS),
    output:
        table_scores=f"{TABLES}/scores.csv",
        table_durations=f"{TABLES}/durations.csv",
        table_ablations=f"{TABLES}/ablations.csv",
    log:
        notebook=f"{paper.results}/notebooks/gather.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/gather.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=200, paper=1000),
        runtime=10,
    params:
        notebook=paper.notebook("4-gather.ipynb"),
        datasets={dataset: pick(dataset, CONTRACT) for dataset in DATASETS},
    script:
        RUN_NOTEBOOK


rule approach:
    input:
        recordings=recordings(SHOWN["dataset"])[-1:],
        detections="{results}/detections/{dataset}/{method}-{fold}-{seed}.csv".format(
            results=paper.results, **SHOWN
        ),
    output:
        svg=paper.figure("approach"),
    log:
        notebook="papers/dance/figures/approach.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/approach.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=400, paper=1000),
        runtime=10,
    params:
        notebook=paper.notebook("figure-approach.ipynb"),
        dataset=SHOWN["dataset"],
        fold=SHOWN["fold"],
        split=DATASETS[SHOWN["dataset"]]["split"],
        rate=N_TOKENS / DATASETS[SHOWN["dataset"]]["window"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule timeline:
    input:
        recordings=recordings(SHOWN["dataset"])[-1:],
        detections="{results}/detections/{dataset}/{method}-{fold}-{seed}.csv".format(
            results=paper.results, **SHOWN
        ),
    output:
        svg=paper.figure("timeline"),
        szcore_scores=f"{paper.built}/szcore.csv",
    log:
        notebook="papers/dance/figures/timeline.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/timeline.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=400, paper=1000),
        runtime=10,
    params:
        notebook=paper.notebook("figure-timeline.ipynb"),
        dataset=SHOWN["dataset"],
        fold=SHOWN["fold"],
        split=DATASETS[SHOWN["dataset"]]["split"],
        label=SHOWN["label"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule scores_by_dataset:
    input:
        scores=f"{TABLES}/scores.csv",
        published="papers/dance/published/f1_official.csv",
    output:
        svg=paper.figure("scores-by-dataset"),
    log:
        notebook="papers/dance/figures/scores-by-dataset.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/scores-by-dataset.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-scores-by-dataset.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule event_duration:
    input:
        durations=f"{TABLES}/durations.csv",
    output:
        svg=paper.figure("event-duration"),
    log:
        notebook="papers/dance/figures/event-duration.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/event-duration.tsv"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        notebook=paper.notebook("figure-event-duration.ipynb"),
        dataset=ABLATIONS["dataset"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule onset_informed:
    input:
        scores=f"{TABLES}/scores.csv",
    output:
        svg=paper.figure("onset-informed"),
    log:
        notebook="papers/dance/figures/onset-informed.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/onset-informed.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-onset-informed.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule ablations:
    input:
        ablations=f"{TABLES}/ablations.csv",
    output:
        svg=paper.figure("ablations"),
    log:
        notebook="papers/dance/figures/ablations.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/ablations.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-ablations.ipynb"),
        variants=list(ABLATIONS["variants"] | ABLATIONS["decodings"]),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule claims:
    input:
        tables=paper.available(
            f"{TABLES}/{name}.csv" for name in ("scores", "durations", "ablations")
        ),
        published=["papers/dance/published/f1_official.csv"],
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
