# Recordings → windows → encoders without labels → classifiers on them → figures, claims.
from common import registry
from common.plans.selfsupervised import Plan
from common.workflow import steps

paper = steps.of("s-jepa", config)
plan = Plan(paper.settings, paper.derived, paper.results)
TABLES = plan.tables()


wildcard_constraints:
    length=r"\d+s",
    mask=r"\d+",
    paradigm="[a-z-]+",
    subject=r"\d+",


rule prepare:
    input:
        child=registry.path("eeghdf-absence-epilepsy"),
        infant=registry.path("eeghdf-spasms"),
        flicker=registry.path("meegkit-trca"),
    output:
        windows=f"{paper.derived}/windows/sample.npz",
        planted_erp=f"{paper.derived}/examples/planted-erp-0.npz",
        sleep_wake=f"{paper.derived}/examples/sleep-wake-0.npz",
        ssvep_sample=f"{paper.derived}/examples/ssvep-sample-0.npz",
    params:
        notebook=paper.notebook("1-prepare.ipynb"),
        settings=plan.samples(),
    script:
        steps.RUN


rule prepare_lee:
    input:
        receipt=plan.receipt,
    output:
        windows=f"{paper.derived}/{{part}}/{{paradigm}}-{{subject}}.npz",
    wildcard_constraints:
        part="windows|examples",
        paradigm="erp|ssvep|mi",
    params:
        notebook=paper.notebook("2-prepare-lee.ipynb"),
        settings=plan.lee,
    script:
        steps.RUN


rule pretrain:
    input:
        windows=plan.recordings(),
    output:
        curves=f"{paper.results}/pretraining/{{length}}-{{mask}}.csv",
        encoder=f"{paper.results}/encoders/{{length}}-{{mask}}.npz",
        attention=f"{paper.results}/attention/{{length}}-{{mask}}.csv",
    params:
        notebook=paper.notebook("3-pretrain.ipynb"),
        settings=plan.pretraining,
        device=paper.device,
    script:
        steps.RUN


rule fine_tune:
    input:
        examples=plan.examples,
        encoders=plan.encoders,
    output:
        found=f"{paper.results}/downstream/{{paradigm}}-{{subject}}.csv",
    params:
        notebook=paper.notebook("4-fine-tune.ipynb"),
        settings=plan.downstream,
        device=paper.device,
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
