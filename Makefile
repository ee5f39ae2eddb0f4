# make book     everything: environment, computation, rendered book     make test     the tests
# make help     what else there is

PROFILE ?= laptop# a name in notebooks/profiles, or the path of a .yml file
SET ?=# single parameters, as in SET="image_px=96 seed=3"
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
PYTHON ?= python3
VENV ?= .venv# an environment of your own (conda: VENV=$CONDA_PREFIX) is used as it is

BIN := "$(VENV)/bin"
PY := $(BIN)/python
export PROFILE SET TO ID PATIENTS# read by the program, not by the shell
ifeq ($(VENV),.venv)
READY := .venv/.installed
endif

.PHONY: book test lint measures export notebooks lock clean help
.DEFAULT_GOAL := help

book: $(READY)  ## execute the chapters and render _build/html/index.html (PROFILE=, SET=, CORES=)
	@$(PY) book/command.py book --profile "$$PROFILE" --set "$$SET" --cores $(CORES)

test: $(READY)  ## run the tests (the chapters too, under the smoke profile)
	$(PY) -m pytest

lint: $(READY)  ## look at style without changing anything
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(PY) -m mypy

measures: $(READY)  ## print how large the parts are, what they load, and whether chapters fit their page
	$(PY) book/measures.py

export: $(READY)  ## write the simulated cohort as recordings (TO=folder, ID=BR-07, PATIENTS=24, DEGRADED=1, PROFILE=, SET=)
	@$(PY) book/command.py export "$$TO" $(if $(ID),--id "$$ID") $(if $(PATIENTS),--patients "$$PATIENTS") \
	  $(if $(DEGRADED),--degraded) --profile "$$PROFILE" --set "$$SET"

notebooks: $(READY)  ## write the chapters as notebooks/*.ipynb, for Jupyter and papermill
	$(PY) -m jupytext --quiet --to ipynb notebooks/[0-9][0-9]_*.py

lock: $(READY)  ## pin every dependency anew in requirements.lock (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras --upgrade \
	  --no-header --no-annotate --no-emit-index-url -o requirements.lock

clean:  ## remove what was computed and rendered, keep the environment
	rm -rf artifacts _build .snakemake notebooks/*.ipynb

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make book PYTHON=python3.12"; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@
