# Entry point. `snakemake -j2` builds every figure; `snakemake -j2 papers/dance/figures` one paper's.
import sys

sys.path.insert(0, workflow.basedir)
# A grammar of web addresses that nbformat would load, 1.4 s of each start, and never use here.
sys.modules.setdefault("rfc3987_syntax", None)

from common import locks, reference, wiring


configfile: "config.yaml"


if workflow.is_main_process and not workflow.dryrun:
    locks.claim()

wiring.prepare_commands()
wiring.check(config)


include: "data/rules.smk"


# One block per paper: copy, and change the name. A hyphen in the folder is an underscore here.
module dance:
    snakefile:
        "papers/dance/rules.smk"
    config:
        config


use rule * from dance as dance_*


module hawkes_meg:
    snakefile:
        "papers/hawkes-meg/rules.smk"
    config:
        config


use rule * from hawkes_meg as hawkes_meg_*


module spd_sliced_wasserstein:
    snakefile:
        "papers/spd-sliced-wasserstein/rules.smk"
    config:
        config


use rule * from spd_sliced_wasserstein as spd_sliced_wasserstein_*


module eeg_augmentation:
    snakefile:
        "papers/eeg-augmentation/rules.smk"
    config:
        config


use rule * from eeg_augmentation as eeg_augmentation_*


module skada_bench:
    snakefile:
        "papers/skada-bench/rules.smk"
    config:
        config


use rule * from skada_bench as skada_bench_*


module kymatio_scattering:
    snakefile:
        "papers/kymatio-scattering/rules.smk"
    config:
        config


use rule * from kymatio_scattering as kymatio_scattering_*


module moabb:
    snakefile:
        "papers/moabb/rules.smk"
    config:
        config


use rule * from moabb as moabb_*


TARGETS = wiring.targets(workflow, config)


localrules:
    all,
    check,
    scoreboard,
    verify,


rule all:
    default_target: True
    input:
        [file for target in TARGETS for file in target.all],
        "results/scoreboard.csv",


rule verify:
    params:
        made=wiring.patterns(workflow, config),
    shell:
        "{sys.executable:q} -m common.notebooks.provenance --made {params.made:q}"


rule check:
    input:
        (
            [file for target in TARGETS for file in target.all]
            if config["scale"] == reference.SCALE
            else []
        ),
    params:
        python=sys.executable,
        scale=config["scale"],
    shell:
        "{params.python:q} -m common.reference check --scale {params.scale}"


rule scoreboard:
    input:
        claims=[file for target in TARGETS for file in target.claims],
    output:
        table="results/scoreboard.csv",
        page=report(
            "results/scoreboard.html",
            category="Scoreboard",
            labels={"result": "Claims of all papers"},
        ),
    log:
        notebook="results/scoreboard.ipynb",
    benchmark:
        "results/scoreboard.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        notebook=wiring.notebook("notebooks/scoreboard.ipynb"),
    script:
        wiring.RUN_NOTEBOOK


for target in TARGETS:
    for spelling in ["", "/"]:  # tab completion adds the slash
        if target.all:

            rule:
                name:
                    f"papers/{target.paper}/figures{spelling}"
                input:
                    target.all,
                localrule: True

        else:

            rule:
                name:
                    f"papers/{target.paper}/figures{spelling}"
                localrule: True
                params:
                    paper=target.paper,
                shell:
                    "{sys.executable:q} -m common.wiring nothing-recorded {params.paper}"

    for action in ["check", "reference"]:

        rule:
            name:
                f"papers/{target.paper}/{action}"
            input:
                target.all if config["scale"] == reference.SCALE else [],
            localrule: True
            params:
                python=sys.executable,
                action=action.replace("reference", "write"),
                paper=target.paper,
                scale=config["scale"],
            shell:
                "{params.python:q} -m common.reference {params.action} {params.paper}"
                " --scale {params.scale}"

    rule:
        name:
            f"papers/{target.paper}/record"
        input:
            target.tables,
        localrule: True
        params:
            paper=target.paper,
            scale=config["scale"],
        shell:
            "{sys.executable:q} -m common.wiring record {params.paper}"
            " --scale {params.scale} --files {input:q}"

    if target.preview:

        rule:
            name:
                f"papers/{target.paper}/preview"
            input:
                target.preview,
            localrule: True
            params:
                paper=target.paper,
            shell:
                "{sys.executable:q} -m common.wiring preview {params.paper} --files {input:q}"
