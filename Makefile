# `make` alone lists the targets. Each of them sets up .venv first where it needs it.

PYTHON ?= python3
JOBS   ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
PAPER  ?=
TARGET  = $(if $(PAPER),papers/$(PAPER)/figures)
# Package index of another build of PyTorch than the default one, for `make env`.
TORCH_INDEX ?=
# More options for JupyterLab; in a container: make lab LAB="--ip 0.0.0.0"
LAB    ?=

VENV  := .venv
READY := $(VENV)/.ready
QUIET := -q --disable-warnings
RULES := Snakefile $(wildcard common/*/*.smk papers/*/rules.smk tests/workflow/*/rules.smk)
# Modules, not scripts: the first line of a script cannot name a folder with a space.
PY    := $(VENV)/bin/python
PIP    = $(PY) -m pip --disable-pip-version-check

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Compiled modules are kept, also where an image for containers says otherwise: each job and each process of the tests
# would compile the library anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help env figures test lint unit workflow pytest smoke test-embedded test-dispatch test-lock test-slurm lab \
    paper index report site archive checkers peers slurm lock clean distclean FORCE
.DEFAULT_GOAL := help
.NOTPARALLEL:

help:
	@echo "make env                   set up .venv from requirements.lock"
	@echo "make env TORCH_INDEX=URL   the same with the build of PyTorch in that package index"
	@echo "make figures               every figure and claims table at the scale of config.yaml"
	@echo "make figures PAPER=dance   those of one paper"
	@echo "make test                  lint, tests, and every figure at the smoke scale"
	@echo "make test PAPER=dance      what one paper needs of these"
	@echo "make test-embedded         every figure at the embedded scale, checked"
	@echo "make test-dispatch         tests of numbers with the kernels of other processors, half an hour"
	@echo "make test-slurm            jobs on a real Slurm that is set up for it; needs root, half an hour"
	@echo "make lint                  formatting and style only"
	@echo "make lab                   JupyterLab at the root of the repository"
	@echo "make paper NAME=my-paper   the folder of a new paper, a copy of papers/_template"
	@echo "make index                 the lists of papers in README.md, CITATION.cff and codemeta.json"
	@echo "make report                report.html: figures with captions, claims, and what ran"
	@echo "make site                  site/index.html: papers, figures, claims, data sets and library, to read"
	@echo "make archive PAPER=dance   archive/dance.zip: figures, claims, provenance and code, to deposit"
	@echo "make checkers              .venv-checkers: programs of others that check an archive"
	@echo "make peers                 .venv-peers: libraries that are only compared with (tick, ...)"
	@echo "make slurm                 add to .venv what submitting to Slurm needs"
	@echo "make lock                  resolve requirements*.in into requirements*.lock; UPGRADE=1: newest versions"
	@echo "make test-lock             whether pip finds every pin for every Python and platform (long)"
	@echo "make clean                 remove what was built; downloads stay"
	@echo "make distclean             also remove downloads and .venv"
	@echo
	@echo "JOBS=$(JOBS) jobs run at a time; PYTHON=$(PYTHON) makes the environment."

env: $(READY)

# The stamp gets its name last. An interrupted installation starts afresh: pip takes a package that is
# half there for installed. What is older than requirements.lock is brought up to date. Another build
# of PyTorch starts afresh, too: the libraries of the first one would stay.
$(READY): requirements.lock pyproject.toml $(if $(TORCH_INDEX),FORCE)
	@"$(PYTHON)" -c "" 2>/dev/null || { \
	    echo "There is no '$(PYTHON)'. Install Python 3.11 to 3.14, or name it: make env PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" common/workflow/prerequisites.py "$(TORCH_INDEX)"
	@test ! -e $@.partial -a -z "$(TORCH_INDEX)" && $(PY) -m pip --version >/dev/null 2>&1 || \
	    "$(PYTHON)" -m venv --clear $(VENV)
	@touch $@.partial
	@echo "Installing PyTorch (1/3)"
	@$(PIP) install --quiet $(if $(TORCH_INDEX),--no-deps --index-url "$(TORCH_INDEX)") \
	    "$$(grep '^torch==' requirements.lock)"
	@echo "Installing requirements.lock (2/3), some minutes the first time"
	@$(PIP) install --quiet --use-pep517 -r requirements.lock
	@echo "Installing this repository (3/3)"
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@$(PY) -m common.workflow.environment
	@mv $@.partial $@

# A killed run's lock is removed by the next run; a live run's is respected (common/workflow/locks.py).
figures: $(READY)
	@test -z "$(PAPER)" || test -f "papers/$(PAPER)/paper.yaml" || { \
	    echo "No paper '$(PAPER)'. Papers: $$(cd papers && echo [a-z]*)" >&2; exit 1; }
	@$(PY) -m snakemake -j$(JOBS) $(TARGET)
	@$(PY) -m common.report.reference summary $(PAPER)

test: $(READY)
	@MAKE="$(MAKE)" $(PY) tests/stages.py lint $(if $(PAPER),unit,pytest) smoke

test-dispatch: $(READY)
	@$(PY) tests/dispatch.py

lint: $(READY)
	@echo "== Style"
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --quiet --check . || { echo "Repair: ruff format ." >&2; exit 1; }
	@$(PY) -m snakefmt --check $(RULES) 2>/dev/null || { \
	    $(PY) -m snakefmt --compact-diff $(RULES); echo "Repair: snakefmt Snakefile papers" >&2; exit 1; }
	@$(PY) -m pytest $(QUIET) tests/test_repository.py

unit: $(READY)
	@echo "== Unit tests$(if $(PAPER), of what $(PAPER) uses)"
	@$(PY) -m pytest $(QUIET) -n 3 --dist loadfile --no-loadscope-reorder -m "not workflow" --ignore tests/test_repository.py \
	    $(if $(PAPER),--paper $(PAPER))

workflow: $(READY)
	@echo "== Snakemake on a toy paper"
	@$(PY) -m pytest $(QUIET) -m workflow -n 3 --dist loadfile tests/workflow  # they wait a lot

# Both together: those of the workflow wait while others compute. xdist keeps the order of tests/conftest.py.
pytest: $(READY)
	@echo "== Unit tests, and Snakemake on a toy paper"
	@$(PY) -m pytest $(QUIET) -n 5 --dist loadfile --no-loadscope-reorder --ignore tests/test_repository.py \
	    tests/workflow tests

# In a copy, .smoke/: figures and results of other scales stay as they are. Jobs this short wait a third of their
# time for a kernel to start and files to be written, so there is one more than cores.
smoke: $(READY)
	@echo "== Every figure at the smoke scale, then verify"
	@$(PY) tests/smoke.py --jobs $$(($(JOBS) + 1)) $(PAPER)

# Whatever scale config.yaml says.
test-embedded: $(READY)
	@echo "== Every figure at the embedded scale, then verify, then against the reference results"
	@$(PY) -m snakemake -j$(JOBS) --config scale=embedded
	@$(PY) -m snakemake -j1 verify --config scale=embedded
	@$(PY) -m snakemake -j1 check --config scale=embedded

# Asks the package index for every pin on every supported Python and platform.
test-lock: $(READY)
	@TEST_LOCK=1 $(PY) -m pytest $(QUIET) tests/common/workflow/test_environment.py -k every_pin_is_found

# Status 77: there can be no Slurm here, and it has said why.
test-slurm: slurm
	@$(PY) tests/slurm/run; status=$$?; test $$status -eq 0 -o $$status -eq 77

lab: $(READY)
	@PYTHONPATH="$(CURDIR)" $(PY) -m jupyterlab --ServerApp.root_dir="$(CURDIR)" $(LAB)

paper: $(READY)
	@$(PY) -m common.workflow.index --new "$(NAME)"

index: $(READY)
	@$(PY) -m common.workflow.index

report: figures
	@$(PY) -m snakemake --report report.html $(TARGET)

# requirements.lock as constraints, here and for slurm: nothing that is installed changes its version.
$(VENV)/.site: requirements-site.lock $(READY)
	@$(PIP) install --quiet -c requirements.lock -r requirements-site.lock
	@touch $@

site: $(VENV)/.site
	@$(PY) -m common.report.site --jobs $(JOBS)

archive: $(VENV)/.site
	@$(PY) -m common.report.archive $(PAPER)

checkers: .venv-checkers/.ready

.venv-checkers/.ready: requirements-checkers.lock
	@rm -rf .venv-checkers && "$(PYTHON)" -m venv .venv-checkers
	@.venv-checkers/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

slurm: $(READY)
	@$(PIP) install --quiet -c requirements.lock -r requirements-slurm.lock
	@$(PY) -m common.workflow.environment

peers: .venv-peers/.ready

.venv-peers/.ready: requirements-peers.lock
	@"$(PYTHON)" common/workflow/prerequisites.py "$(TORCH_INDEX)"
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info >= (3, 14))' || { \
	    echo "The peers need Python 3.13 or older: make peers PYTHON=python3.13" >&2; exit 1; }
	@rm -rf .venv-peers && "$(PYTHON)" -m venv .venv-peers
	@.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet \
	    $(if $(TORCH_INDEX),--no-deps --index-url "$(TORCH_INDEX)") "$$(grep '^torch==' $<)"
	@.venv-peers/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

# One lock for all supported Pythons and platforms. What is pinned stays where it fits, unless
# UPGRADE is set. Left out: torch's libraries for GPUs, as which of them it needs depends on the build,
# and Windows. torch has no local version here: the CPU build and the default one both satisfy it.
RESOLVE = "$$uv/bin/python" -m uv pip compile --quiet --universal --python-version 3.11.0 \
    --fork-strategy fewest --no-annotate --no-header $(if $(UPGRADE),--upgrade)
define LOCK
{ echo "# Made by \`make lock\` from $(1); not edited by hand."; \
  grep -Ev "^(pip|wheel|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==|; (sys_platform == 'win32'|os_name == 'nt')$$" \
  "$$uv/$(1)"; } > "$$uv/lock" && cp "$$uv/lock" $(1:.in=.lock)
endef
lock: $(READY)
	@uv=$$(mktemp -d) && trap 'rm -rf "$$uv"' EXIT INT TERM && \
	"$(PYTHON)" -m venv "$$uv" && "$$uv/bin/python" -m pip --disable-pip-version-check install --quiet uv && \
	for name in requirements requirements-peers requirements-checkers; do \
	    cp $$name.lock "$$uv/$$name.in" 2>/dev/null || cp requirements.lock "$$uv/$$name.in"; \
	    $(RESOLVE) $$name.in -o "$$uv/$$name.in" >/dev/null || exit 1; \
	done && \
	$(call LOCK,requirements.in) && $(call LOCK,requirements-peers.in) && \
	$(call LOCK,requirements-checkers.in) && \
	for name in requirements-slurm requirements-site; do \
	    $(RESOLVE) -c requirements.lock $$name.in -o "$$uv/$$name.in" >/dev/null || exit 1; \
	done && \
	$(call LOCK,requirements-slurm.in) && $(call LOCK,requirements-site.in) && \
	$(RESOLVE) --no-deps requirements.lock --format pylock.toml -o "$$uv/pylock.toml" >/dev/null && \
	$(PY) -m common.workflow.environment --record "$$uv/pylock.toml" requirements.wheels && \
	echo "requirements.lock: $$(grep -c == requirements.lock) packages"

clean:
	test ! -d results || find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
	rm -rf data/derived papers/*/figures .smoke .site site archive report.html report.zip

distclean: clean
	rm -rf data/raw .snakemake $(VENV) .venv-peers .venv-checkers
