# `make` alone lists the targets. Each of them sets up .venv first where it needs it.

PYTHON ?= python3
JOBS   ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
PAPER  ?=
TARGET  = $(if $(PAPER),papers/$(PAPER)/figures)

VENV  := .venv
READY := $(VENV)/.ready
QUIET := -q --disable-warnings
RULES := Snakefile $(wildcard papers/*/rules.smk tests/workflow/*/rules.smk)
PIP    = $(VENV)/bin/python -m pip --disable-pip-version-check

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help env figures test test-embedded test-dispatch lint unit workflow smoke lab report peers lock clean distclean
.DEFAULT_GOAL := help
.NOTPARALLEL:

help:
	@echo "make env                   set up .venv from requirements.lock"
	@echo "make figures               every figure and claims table at the scale of config.yaml"
	@echo "make figures PAPER=dance   those of one paper"
	@echo "make test                  lint, tests, and every figure at the smoke scale"
	@echo "make test PAPER=dance      what one paper needs of these"
	@echo "make test-embedded         every figure at the embedded scale, checked"
	@echo "make test-dispatch         tests of numbers with the kernels of other processors, half an hour"
	@echo "make lint                  formatting and style only"
	@echo "make lab                   JupyterLab at the root of the repository"
	@echo "make report                report.html: figures with captions, claims, and what ran"
	@echo "make peers                 .venv-peers: libraries that are only compared with (tick, kymatio)"
	@echo "make lock                  resolve requirements.in into requirements.lock"
	@echo "make clean                 remove what was built; downloads stay"
	@echo "make distclean             also remove downloads and .venv"
	@echo
	@echo "JOBS=$(JOBS) jobs run at a time; PYTHON=$(PYTHON) makes the environment."

env: $(READY)

# The stamp gets its name last. An interrupted installation starts afresh: pip takes a package that is
# half there for installed. What is older than requirements.lock is brought up to date.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Python 3.11 or newer is needed; $(PYTHON) is: $$($(PYTHON) --version 2>&1 | head -n 1)." >&2; \
	    echo "Name another one: make env PYTHON=python3.11" >&2; exit 1; }
	@test ! -e $@.partial && $(VENV)/bin/python -m pip --version >/dev/null 2>&1 || \
	    $(PYTHON) -m venv --clear $(VENV)
	@touch $@.partial
	@echo "Installing PyTorch (1/3)"
	@$(PIP) install --quiet "$$(grep '^torch==' requirements.lock)"
	@echo "Installing requirements.lock (2/3), some minutes the first time"
	@$(PIP) install --quiet -r requirements.lock
	@echo "Installing this repository (3/3)"
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@$(VENV)/bin/python -m common.environment
	@mv $@.partial $@

# A killed run's lock is removed by the next run; a live run's is respected (common/locks.py).
figures: $(READY)
	@test -z "$(PAPER)" || test -f "papers/$(PAPER)/paper.yaml" || { \
	    echo "No paper '$(PAPER)'. Papers: $$(cd papers && echo *)" >&2; exit 1; }
	@$(VENV)/bin/snakemake -j$(JOBS) $(TARGET)
	@$(VENV)/bin/python -m common.reference summary $(PAPER)

test: lint unit $(if $(PAPER),,workflow) smoke
	@echo "== All passed"

test-dispatch: $(READY)
	@$(VENV)/bin/python tests/dispatch.py

lint: $(READY)
	@echo "== Style"
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --quiet --check . || { echo "Repair: ruff format ." >&2; exit 1; }
	@$(VENV)/bin/snakefmt --check $(RULES) 2>/dev/null || { \
	    $(VENV)/bin/snakefmt --compact-diff $(RULES); echo "Repair: snakefmt Snakefile papers" >&2; exit 1; }
	@$(VENV)/bin/pytest $(QUIET) tests/test_repository.py

unit: $(READY)
	@echo "== Unit tests$(if $(PAPER), of what $(PAPER) uses)"
	@$(VENV)/bin/pytest $(QUIET) -n 2 -m "not workflow" --ignore tests/test_repository.py \
	    $(if $(PAPER),--paper $(PAPER))

workflow: $(READY)
	@echo "== Snakemake on a toy paper"
	@$(VENV)/bin/pytest $(QUIET) -m workflow -n 2

# In a copy, .smoke/: figures and results of other scales stay as they are.
smoke: $(READY)
	@echo "== Every figure at the smoke scale, then verify"
	@$(VENV)/bin/python tests/smoke.py --jobs $(JOBS) $(PAPER)

# Whatever scale config.yaml says.
test-embedded: $(READY)
	@echo "== Every figure at the embedded scale, then verify, then against the reference results"
	@$(VENV)/bin/snakemake -j$(JOBS) --config scale=embedded
	@$(VENV)/bin/snakemake -j1 verify --config scale=embedded
	@$(VENV)/bin/snakemake -j1 check --config scale=embedded

lab: $(READY)
	@$(VENV)/bin/jupyter lab --ServerApp.root_dir="$(CURDIR)"

report: figures
	@$(VENV)/bin/snakemake --report report.html $(TARGET)

peers: .venv-peers/.ready

.venv-peers/.ready: requirements-peers.txt
	@rm -rf .venv-peers && $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet "$$(sed -n 's/^\(torch==[0-9.]*\).*/\1/p' $<)"
	@.venv-peers/bin/python -m pip install --quiet -r $<
	@touch $@

# In a fresh environment, so that nothing installed by hand gets in. torch's libraries for GPUs are
# left out: which of them it needs, if any, depends on the build.
lock:
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT INT TERM && \
	$(PYTHON) -m venv "$$folder" && pip="$$folder/bin/python -m pip --disable-pip-version-check" && \
	$$pip install --quiet "$$(sed -n 's/^\(torch==[0-9.]*\).*/\1/p' requirements.in)" && \
	$$pip install --quiet -r requirements.in && \
	{ echo "# Made by \`make lock\` from requirements.in; not edited by hand." && \
	  echo "# torch has no local version here: the CPU build and the default one both satisfy it." && \
	  $$pip freeze --all | sed -E 's/\+[A-Za-z0-9.]+$$//' | \
	  grep -Ev '^(pip|wheel|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)=='; } > "$$folder/lock" && \
	cp "$$folder/lock" requirements.lock && echo "requirements.lock: $$(grep -c == requirements.lock) packages"

clean:
	rm -rf results data/derived papers/*/figures .smoke report.html report.zip

distclean: clean
	rm -rf data/raw .snakemake $(VENV) .venv-peers
