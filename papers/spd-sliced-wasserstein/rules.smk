# Distances: time → complexity → figures. Cohort → brain age. Recordings → covariances → adaptation.
from common import registry
from common.workflow import papers

paper = papers.rules("spd-sliced-wasserstein", config)
RUN_NOTEBOOK = papers.RUN_NOTEBOOK
DATA = f"data/derived/spd-sliced-wasserstein/{paper.scale}"
SETTINGS = paper.settings
COHORT = SETTINGS["cohort"]
BRAIN_AGE = SETTINGS["brain_age"]
ADAPTATION = SETTINGS["adaptation"]
RUNTIME = SETTINGS["runtime"]
SAMPLES = SETTINGS["sample_complexity"]
PROJECTIONS = SETTINGS["projection_complexity"]
SHOWN = SETTINGS["alignment"]
TABLES = f"{paper.results}/tables"
UNITS = [
    f"{task}_{source}_{target}_{mode}"
    for task, settings in ADAPTATION["tasks"].items()
    for source, target in settings["pairs"]
    for mode in ADAPTATION["modes"]
]
# What each gathered table consists of, and what it must contain.
PARTS = {
    "runtime": expand(
        f"{paper.results}/runtime/{{method}}-{{dim}}.csv",
        method=RUNTIME["largest"],
        dim=RUNTIME["dims"],
    ),
    "sample-complexity": expand(
        f"{paper.results}/sample-complexity/{{dim}}.csv", dim=SAMPLES["dims"]
    ),
    "projection-complexity": expand(
        f"{paper.results}/projection-complexity/{{dim}}.csv", dim=PROJECTIONS["dims"]
    ),
    "brain-age": expand(
        f"{paper.results}/brain-age/{{method}}.csv", method=BRAIN_AGE["methods"]
    ),
    "domain-adaptation": expand(f"{paper.results}/adaptation/{{unit}}.csv", unit=UNITS),
}
CONTRACTS = {
    "runtime": {"method": list(RUNTIME["largest"]), "d": RUNTIME["dims"]},
    "sample-complexity": {
        "method": SAMPLES["methods"],
        "d": SAMPLES["dims"],
        "n": SAMPLES["sizes"],
        "seed": list(range(SAMPLES["n_seeds"])),
    },
    "projection-complexity": {
        "method": PROJECTIONS["methods"],
        "d": PROJECTIONS["dims"],
        "n_projections": PROJECTIONS["n_projections"],
        "seed": list(range(PROJECTIONS["n_seeds"])),
    },
    "brain-age": {
        "method": BRAIN_AGE["methods"],
        "repetition": list(range(BRAIN_AGE["n_repetitions"])),
        "subject": list(range(COHORT["n_subjects"])),
    },
    "domain-adaptation": {
        "task": list(ADAPTATION["tasks"]),
        "mode": ADAPTATION["modes"],
        "method": ["no-alignment", *ADAPTATION["methods"]],
        "seed": list(range(ADAPTATION["n_seeds"])),
    },
}


wildcard_constraints:
    method="[a-z-]+",
    dim=r"\d+",
    part=r"\d+",
    subject=r"\d+",
    session="T|E",
    table="|".join(PARTS),
    mode="|".join(ADAPTATION["modes"]),
    source="[A-Za-z0-9-]+",
    target="[A-Za-z0-9-]+",
    task="[a-z]+",


rule prepare_aeon:
    input:
        recording=lambda wildcards: registry.path(
            f"{wildcards.dataset}-{wildcards.split}"
        ),
        training=lambda wildcards: registry.path(f"{wildcards.dataset}-train"),
    output:
        covariances=f"{DATA}/{{dataset}}-{{split}}.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-{{dataset}}-{{split}}.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-{{dataset}}-{{split}}.tsv"
    wildcard_constraints:
        dataset="aeon-[a-z-]+",
        split="train|test",
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=600, paper=2000),
        runtime=5,
    params:
        notebook=paper.notebook("1-prepare-aeon.ipynb"),
        settings=lambda wildcards: ADAPTATION["datasets"][wildcards.dataset],
    script:
        RUN_NOTEBOOK


rule prepare_bci:
    input:
        receipt="data/raw/bnci2014-001-{subject}.json",
    output:
        covariances=f"{DATA}/bnci2014-001-{{subject}}-{{session}}.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-bnci2014-001-{{subject}}-{{session}}.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-bnci2014-001-{{subject}}-{{session}}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        notebook=paper.notebook("1-prepare-bci.ipynb"),
        settings=ADAPTATION["datasets"].get("bnci2014-001", {}),
    script:
        RUN_NOTEBOOK


rule prepare_cohort:
    output:
        cohort=f"{DATA}/cohort-simulated.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-cohort.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-cohort.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=300, paper=2000),
        runtime=5,
    params:
        notebook=paper.notebook("1-prepare-cohort.ipynb"),
        settings=COHORT,
    script:
        RUN_NOTEBOOK


rule prepare_camcan_space:
    output:
        space=f"{DATA}/camcan-space.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-camcan-space.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-camcan-space.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        notebook=paper.notebook("1-prepare-camcan-space.ipynb"),
        settings=COHORT,
        folders=paper.folders,
    script:
        RUN_NOTEBOOK


rule prepare_camcan:
    input:
        space=f"{DATA}/camcan-space.npz",
    output:
        cohort=f"{DATA}/cohort-camcan-{{part}}.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-camcan-{{part}}.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-camcan-{{part}}.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        notebook=paper.notebook("1-prepare-camcan.ipynb"),
        settings=COHORT,
        folders=paper.folders,
    script:
        RUN_NOTEBOOK


rule runtime:
    output:
        timings=f"{paper.results}/runtime/{{method}}-{{dim}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/runtime-{{method}}-{{dim}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/runtime-{{method}}-{{dim}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=1300, paper=6000),
        runtime=240,
    params:
        notebook=paper.notebook("2-runtime.ipynb"),
        settings=RUNTIME,
    script:
        RUN_NOTEBOOK


rule sample_complexity:
    output:
        distances=f"{paper.results}/sample-complexity/{{dim}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/sample-complexity-{{dim}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/sample-complexity-{{dim}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=700, paper=2000),
        runtime=60,
    params:
        notebook=paper.notebook("3-sample-complexity.ipynb"),
        settings=SAMPLES,
    script:
        RUN_NOTEBOOK


rule projection_complexity:
    output:
        errors=f"{paper.results}/projection-complexity/{{dim}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/projection-complexity-{{dim}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/projection-complexity-{{dim}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=600, paper=2000),
        runtime=60,
    params:
        notebook=paper.notebook("3-projection-complexity.ipynb"),
        settings=PROJECTIONS,
    script:
        RUN_NOTEBOOK


rule brain_age_scores:
    input:
        cohort=expand(
            f"{DATA}/cohort-{{part}}.npz",
            part=(
                ["simulated"]
                if COHORT["source"] == "simulated"
                else [f"camcan-{part}" for part in range(COHORT["parts"])]
            ),
        ),
    output:
        predictions=f"{paper.results}/brain-age/{{method}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/brain-age-{{method}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/brain-age-{{method}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=700, paper=8000),
        runtime=120,
    params:
        notebook=paper.notebook("4-brain-age.ipynb"),
        settings=BRAIN_AGE,
    script:
        RUN_NOTEBOOK


rule adapt:
    input:
        source_covariances=f"{DATA}/{{source}}.npz",
        target_covariances=f"{DATA}/{{target}}.npz",
    output:
        scores=f"{paper.results}/adaptation/{{task}}_{{source}}_{{target}}_{{mode}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/adapt-{{task}}_{{source}}_{{target}}_{{mode}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/adapt-{{task}}_{{source}}_{{target}}_{{mode}}.tsv"
    priority: 10
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=700, paper=2000),
        runtime=60,
    params:
        notebook=paper.notebook("5-adapt.ipynb"),
        settings=lambda wildcards: {
            key: ADAPTATION[key]
            for key in ("methods", "n_projections", "n_steps", "n_seeds")
        }
        | {"lr": ADAPTATION["tasks"][wildcards.task]["lr"][wildcards.mode]},
    script:
        RUN_NOTEBOOK


rule gather:
    input:
        parts=lambda wildcards: PARTS[wildcards.table],
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
        notebook=paper.notebook("6-gather.ipynb"),
        contract=lambda wildcards: CONTRACTS[wildcards.table],
    script:
        RUN_NOTEBOOK


rule geometry:
    output:
        svg=paper.figure("geometry"),
    log:
        notebook="papers/spd-sliced-wasserstein/figures/geometry.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/geometry.tsv"
    threads: 1
    resources:
        mem_mb=700,
        runtime=5,
    params:
        notebook=paper.notebook("figure-geometry.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule runtime_figure:
    input:
        timings=f"{TABLES}/runtime.csv",
        published="papers/spd-sliced-wasserstein/published/runtime_d2_first_version.csv",
    output:
        svg=paper.figure("runtime"),
    log:
        notebook="papers/spd-sliced-wasserstein/figures/runtime.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/runtime.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-runtime.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule sample_complexity_figure:
    input:
        distances=f"{TABLES}/sample-complexity.csv",
    output:
        svg=paper.figure("sample-complexity"),
    log:
        notebook="papers/spd-sliced-wasserstein/figures/sample-complexity.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/sample-complexity.tsv"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        notebook=paper.notebook("figure-sample-complexity.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule projection_complexity_figure:
    input:
        errors=f"{TABLES}/projection-complexity.csv",
    output:
        svg=paper.figure("projection-complexity"),
    log:
        notebook="papers/spd-sliced-wasserstein/figures/projection-complexity.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/projection-complexity.tsv"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        notebook=paper.notebook("figure-projection-complexity.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule brain_age:
    input:
        predictions=f"{TABLES}/brain-age.csv",
        published="papers/spd-sliced-wasserstein/published/brain_age_camcan_anchors.csv",
    output:
        svg=paper.figure("brain-age"),
    log:
        notebook="papers/spd-sliced-wasserstein/figures/brain-age.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/brain-age.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-brain-age.ipynb"),
        source=COHORT["source"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule domain_adaptation:
    input:
        scores=f"{TABLES}/domain-adaptation.csv",
        published="papers/spd-sliced-wasserstein/published/table1_means.csv",
    output:
        svg=paper.figure("domain-adaptation"),
    log:
        notebook="papers/spd-sliced-wasserstein/figures/domain-adaptation.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/domain-adaptation.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-domain-adaptation.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule alignment:
    input:
        source_covariances=f"{DATA}/{SHOWN['source']}.npz",
        target_covariances=f"{DATA}/{SHOWN['target']}.npz",
    output:
        svg=paper.figure("alignment"),
    log:
        notebook="papers/spd-sliced-wasserstein/figures/alignment.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/alignment.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=500, paper=1000),
        runtime=10,
    params:
        notebook=paper.notebook("figure-alignment.ipynb"),
        source=SHOWN["source"],
        target=SHOWN["target"],
        n_projections=ADAPTATION["n_projections"],
        n_steps=ADAPTATION["n_steps"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule claims:
    input:
        tables=paper.available(f"{TABLES}/{table}.csv" for table in PARTS),
        published=[
            "papers/spd-sliced-wasserstein/published/table1_means.csv",
            "papers/spd-sliced-wasserstein/published/brain_age_camcan_anchors.csv",
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
