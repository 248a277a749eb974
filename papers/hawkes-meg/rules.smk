# Simulation and fit → tables → figures; recordings → atoms and events → latencies.
from common import papers, peers, registry

paper = papers.rules("hawkes-meg", config)
RUN_NOTEBOOK = papers.RUN_NOTEBOOK
DATA = f"data/derived/hawkes-meg/{paper.scale}"
SETTINGS = paper.settings
KERNELS = SETTINGS["kernels"]
BIVARIATE = SETTINGS["bivariate"]
DISCRETIZATION = SETTINGS["discretization"]
EFFICIENCY = SETTINGS["efficiency"]
NONPARAMETRIC = SETTINGS["nonparametric"]
LIKELIHOOD = SETTINGS["likelihood"]
LENGTHS = SETTINGS["kernel_length"]
SHAPES = SETTINGS["shapes"]
LATENCY = SETTINGS["latency"]
PUBLISHED = "papers/hawkes-meg/published"
TABLES = f"{paper.results}/tables"
# tick is optional: installing it reruns the steps that it takes part in.
TICK = peers.installed("tick")
# What each gathered table consists of, and what it must contain.
PARTS = {
    "discretization": expand(
        f"{paper.results}/discretization/{{kernel}}-{{end_time}}.csv",
        kernel=DISCRETIZATION["kernels"],
        end_time=DISCRETIZATION["end_times"],
    ),
    "efficiency": expand(
        f"{paper.results}/efficiency/{{kernel}}-{{end_time}}.csv",
        kernel=EFFICIENCY["kernels"],
        end_time=EFFICIENCY["end_times"],
    ),
    "nonparametric": expand(
        f"{paper.results}/nonparametric/{{end_time}}.csv",
        end_time=NONPARAMETRIC["end_times"],
    ),
    "dimension": expand(
        f"{paper.results}/dimension/{{size}}.csv",
        size=NONPARAMETRIC["dimension"]["sizes"],
    ),
    "likelihood": expand(
        f"{paper.results}/likelihood/{{kernel}}-{{end_time}}.csv",
        kernel=LIKELIHOOD["kernels"],
        end_time=LIKELIHOOD["end_times"],
    ),
    "kernel-length": expand(
        f"{paper.results}/kernel-length/{{end_time}}.csv", end_time=LENGTHS["end_times"]
    ),
    "shapes": expand(f"{paper.results}/shapes/{{kernel}}.csv", kernel=KERNELS),
    "latency": expand(
        f"{paper.results}/latency/{{dataset}}.csv", dataset=LATENCY["datasets"]
    ),
    "recovery": [f"{paper.results}/recovery/driven.csv"],
}
CONTRACTS = {
    "discretization": {
        "kernel": DISCRETIZATION["kernels"],
        "T": DISCRETIZATION["end_times"],
        "delta": DISCRETIZATION["deltas"],
    },
    "efficiency": {
        "kernel": EFFICIENCY["kernels"],
        "method": EFFICIENCY["methods"],
        "T": EFFICIENCY["end_times"],
        "seed": list(range(EFFICIENCY["n_seeds"])),
    },
    "nonparametric": {
        "method": NONPARAMETRIC["methods"],
        "T": NONPARAMETRIC["end_times"],
        "seed": list(range(NONPARAMETRIC["n_seeds"])),
    },
    "dimension": {"p": NONPARAMETRIC["dimension"]["sizes"]},
    "likelihood": {
        "kernel": LIKELIHOOD["kernels"],
        "criterion": ["fadin", "likelihood"],
        "delta": LIKELIHOOD["deltas"],
        "T": LIKELIHOOD["end_times"],
        "seed": list(range(LIKELIHOOD["n_seeds"])),
    },
    "kernel-length": {
        "T": LENGTHS["end_times"],
        "W": LENGTHS["lengths"],
        "seed": list(range(LENGTHS["n_seeds"])),
    },
    "shapes": {"kernel": list(KERNELS)},
    "latency": {"dataset": LATENCY["datasets"]},
    "recovery": {
        "record": list(range(LATENCY["recovery"]["n_records"])),
        "driver": ["audio", "visual"],
    },
}


wildcard_constraints:
    kernel="[a-z-]+",
    end_time=r"\d+",
    size=r"\d+",
    table="|".join(PARTS),
    dataset="[a-z]+",


rule prepare_striatum:
    input:
        recording=registry.path("rodent-striatum"),
    output:
        atoms=f"{DATA}/striatum.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-striatum.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-striatum.tsv"
    priority: 20
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=600, paper=3000),
        runtime=15,
    params:
        notebook=paper.notebook("1-prepare-striatum.ipynb"),
        settings=LATENCY["striatum"],
    script:
        RUN_NOTEBOOK


rule prepare_mne:
    input:
        receipt=lambda wildcards: registry.path(f"mne-{wildcards.dataset}"),
    output:
        atoms=f"{DATA}/{{dataset}}.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-{{dataset}}.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-{{dataset}}.tsv"
    wildcard_constraints:
        dataset="sample|somato",
    threads: 1
    resources:
        mem_mb=16000,
        runtime=600,
    params:
        notebook=paper.notebook("1-prepare-mne.ipynb"),
        settings=lambda wildcards: LATENCY["mne"][wildcards.dataset],
    script:
        RUN_NOTEBOOK


rule prepare_driven:
    input:
        targets=f"{PUBLISHED}/table_f_meg_sample_targets.csv",
    output:
        atoms=f"{DATA}/driven.npz",
    log:
        notebook=f"{paper.built}/notebooks/prepare-driven.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/prepare-driven.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=400, paper=1000),
        runtime=5,
    params:
        notebook=paper.notebook("1-prepare-driven.ipynb"),
        settings=LATENCY["driven"],
        support=LATENCY["supports"]["driven"],
    script:
        RUN_NOTEBOOK


rule discretization:
    output:
        errors=f"{paper.results}/discretization/{{kernel}}-{{end_time}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/discretization-{{kernel}}-{{end_time}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/discretization-{{kernel}}-{{end_time}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=400, paper=6000),
        runtime=240,
    params:
        notebook=paper.notebook("2-discretization.ipynb"),
        truth=lambda wildcards: KERNELS[wildcards.kernel],
        deltas=DISCRETIZATION["deltas"],
        n_seeds=lambda wildcards: DISCRETIZATION["n_seeds"][int(wildcards.end_time)],
    script:
        RUN_NOTEBOOK


rule efficiency:
    output:
        scores=f"{paper.results}/efficiency/{{kernel}}-{{end_time}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/efficiency-{{kernel}}-{{end_time}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/efficiency-{{kernel}}-{{end_time}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=600, paper=6000),
        runtime=240,
    params:
        notebook=paper.notebook("3-efficiency.ipynb"),
        truth=lambda wildcards: BIVARIATE[wildcards.kernel],
        settings={
            key: EFFICIENCY[key] for key in ("delta", "n_seeds", "methods", "tick")
        },
        tick_installed=TICK,
    script:
        RUN_NOTEBOOK


rule nonparametric:
    output:
        timings=f"{paper.results}/nonparametric/{{end_time}}.csv",
        recovered=f"{paper.results}/nonparametric/kernels-{{end_time}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/nonparametric-{{end_time}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/nonparametric-{{end_time}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=400, paper=6000),
        runtime=240,
    params:
        notebook=paper.notebook("4-nonparametric.ipynb"),
        truth=KERNELS[NONPARAMETRIC["kernel"]],
        kernel=NONPARAMETRIC["kernel"],
        settings={
            key: NONPARAMETRIC[key] for key in ("delta", "n_seeds", "methods", "tick")
        },
        tick_installed=TICK,
    script:
        RUN_NOTEBOOK


rule dimension:
    output:
        timings=f"{paper.results}/dimension/{{size}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/dimension-{{size}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/dimension-{{size}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=400, paper=6000),
        runtime=240,
    params:
        notebook=paper.notebook("4-dimension.ipynb"),
        settings=NONPARAMETRIC["dimension"],
    script:
        RUN_NOTEBOOK


rule likelihood:
    output:
        scores=f"{paper.results}/likelihood/{{kernel}}-{{end_time}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/likelihood-{{kernel}}-{{end_time}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/likelihood-{{kernel}}-{{end_time}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=400, paper=4000),
        runtime=240,
    params:
        notebook=paper.notebook("5-likelihood.ipynb"),
        truth=lambda wildcards: KERNELS[wildcards.kernel],
        settings={key: LIKELIHOOD[key] for key in ("deltas", "n_seeds")},
    script:
        RUN_NOTEBOOK


rule kernel_length:
    output:
        scores=f"{paper.results}/kernel-length/{{end_time}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/kernel-length-{{end_time}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/kernel-length-{{end_time}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=400, paper=6000),
        runtime=240,
    params:
        notebook=paper.notebook("6-kernel-length.ipynb"),
        settings=LENGTHS,
    script:
        RUN_NOTEBOOK


rule shapes:
    output:
        recovered=f"{paper.results}/shapes/{{kernel}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/shapes-{{kernel}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/shapes-{{kernel}}.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=400, paper=2000),
        runtime=60,
    params:
        notebook=paper.notebook("7-shapes.ipynb"),
        truth=lambda wildcards: KERNELS[wildcards.kernel],
        settings=SHAPES,
    script:
        RUN_NOTEBOOK


rule latency:
    input:
        atoms=f"{DATA}/{{dataset}}.npz",
    output:
        latencies=f"{paper.results}/latency/{{dataset}}.csv",
    log:
        notebook=f"{paper.results}/notebooks/latency-{{dataset}}.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/latency-{{dataset}}.tsv"
    priority: 10
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=400, paper=3000),
        runtime=120,
    params:
        notebook=paper.notebook("8-latency.ipynb"),
        delta=LATENCY["delta"],
        support=lambda wildcards: LATENCY["supports"][wildcards.dataset],
        resampling=LATENCY["resampling"],
    script:
        RUN_NOTEBOOK


rule recovery:
    input:
        targets=f"{PUBLISHED}/table_f_meg_sample_targets.csv",
    output:
        recovered=f"{paper.results}/recovery/driven.csv",
    log:
        notebook=f"{paper.results}/notebooks/recovery.ipynb",
    benchmark:
        f"{paper.results}/benchmarks/recovery.tsv"
    threads: 1
    resources:
        mem_mb=paper.memory(embedded=400, paper=1000),
        runtime=60,
    params:
        notebook=paper.notebook("8-recovery.ipynb"),
        settings=LATENCY["driven"] | LATENCY["recovery"],
        delta=LATENCY["delta"],
        support=LATENCY["supports"]["driven"],
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
        notebook=paper.notebook("9-gather.ipynb"),
        contract=lambda wildcards: CONTRACTS[wildcards.table],
    script:
        RUN_NOTEBOOK


rule discretization_error:
    input:
        errors=f"{TABLES}/discretization.csv",
        published=f"{PUBLISHED}/table_a_discretisation.csv",
    output:
        svg=paper.figure("discretization-error"),
    log:
        notebook="papers/hawkes-meg/figures/discretization-error.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/discretization-error.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-discretization-error.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule statistical_efficiency:
    input:
        scores=f"{TABLES}/efficiency.csv",
        published=f"{PUBLISHED}/table_c_benchmark.csv",
    output:
        svg=paper.figure("statistical-efficiency"),
    log:
        notebook="papers/hawkes-meg/figures/statistical-efficiency.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/statistical-efficiency.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-statistical-efficiency.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule nonparametric_comparison:
    input:
        timings=f"{TABLES}/nonparametric.csv",
        dimension=f"{TABLES}/dimension.csv",
        recovered=f"{paper.results}/nonparametric/kernels-{NONPARAMETRIC['shown']}.csv",
        published=f"{PUBLISHED}/table_b_nonparam_times.csv",
        published_dimension=f"{PUBLISHED}/table_b_dimension_times.csv",
    output:
        svg=paper.figure("nonparametric-comparison"),
    log:
        notebook="papers/hawkes-meg/figures/nonparametric-comparison.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/nonparametric-comparison.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-nonparametric-comparison.ipynb"),
        truth=KERNELS[NONPARAMETRIC["kernel"]],
        kernel=NONPARAMETRIC["kernel"],
        delta=NONPARAMETRIC["delta"],
        shown=NONPARAMETRIC["shown"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule l2_vs_likelihood:
    input:
        scores=f"{TABLES}/likelihood.csv",
        published=f"{PUBLISHED}/table_d_l2_vs_loglik.csv",
    output:
        svg=paper.figure("l2-vs-likelihood"),
    log:
        notebook="papers/hawkes-meg/figures/l2-vs-likelihood.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/l2-vs-likelihood.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-l2-vs-likelihood.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule kernel_length_figure:
    input:
        scores=f"{TABLES}/kernel-length.csv",
        published=f"{PUBLISHED}/table_e_kernel_length.csv",
    output:
        svg=paper.figure("kernel-length"),
    log:
        notebook="papers/hawkes-meg/figures/kernel-length.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/kernel-length.tsv"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        notebook=paper.notebook("figure-kernel-length.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule kernel_shapes:
    input:
        recovered=f"{TABLES}/shapes.csv",
    output:
        svg=paper.figure("kernel-shapes"),
    log:
        notebook="papers/hawkes-meg/figures/kernel-shapes.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/kernel-shapes.tsv"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        notebook=paper.notebook("figure-kernel-shapes.ipynb"),
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule event_latency:
    input:
        atoms=expand(f"{DATA}/{{dataset}}.npz", dataset=LATENCY["datasets"]),
        latencies=f"{TABLES}/latency.csv",
    output:
        svg=paper.figure("event-latency"),
    log:
        notebook="papers/hawkes-meg/figures/event-latency.ipynb",
    benchmark:
        f"{paper.built}/benchmarks/event-latency.tsv"
    threads: 1
    resources:
        mem_mb=400,
        runtime=5,
    params:
        notebook=paper.notebook("figure-event-latency.ipynb"),
        datasets=LATENCY["datasets"],
        scale=paper.scale,
    script:
        RUN_NOTEBOOK


rule claims:
    input:
        tables=paper.available(f"{TABLES}/{table}.csv" for table in PARTS),
        published=expand(
            f"{PUBLISHED}/{{name}}.csv",
            name=[
                "table_a_discretisation",
                "table_b_nonparam_times",
                "table_c_benchmark",
                "table_d_l2_vs_loglik",
                "table_e_kernel_length",
                "table_f_meg_sample_targets",
            ],
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
        scale=paper.scale,
    script:
        RUN_NOTEBOOK
