# One rule per data set of registry.yaml: data/raw/<name>, verified. Papers take these files as input.
import os

from common import papers, registry, wiring

if config.get(
    "mirror"
):  # not a parameter: where a file came from must not rerun what reads it
    os.environ["ARTIFACTS_MIRROR"] = str(config["mirror"])

for dataset, entry in registry.load().items():
    if entry.source.folder:  # needs a registration: used where the user keeps it
        continue
    if entry.source.moabb:

        rule:
            name:
                f"fetch_{dataset}"
            output:
                file=f"data/raw/{dataset}-{{subject}}.json",
            log:
                notebook=f"data/raw/notebooks/{dataset}-{{subject}}.ipynb",
            benchmark:
                f"data/raw/benchmarks/{dataset}-{{subject}}.tsv"
            threads: 1
            resources:
                mem_mb=4000,
                runtime=120,
            params:
                notebook=wiring.notebook("notebooks/fetch.ipynb"),
                name=dataset,
            script:
                papers.RUN_NOTEBOOK

    else:

        rule:
            name:
                f"fetch_{dataset}"
            output:
                file=registry.path(dataset),
            log:
                notebook=f"data/raw/notebooks/{dataset}.ipynb",
            benchmark:
                f"data/raw/benchmarks/{dataset}.tsv"
            threads: 1
            resources:
                mem_mb=1000,
                runtime=120,
            params:
                notebook=wiring.notebook("notebooks/fetch.ipynb"),
                name=dataset,
                subject=None,
            script:
                papers.RUN_NOTEBOOK
