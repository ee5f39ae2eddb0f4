# make book     everything: environment, computation, rendered book     make test     the tests
# make help     what else there is

PROFILE ?= laptop# a name in notebooks/profiles, or the path of a .yml file
SET ?=# single parameters, as in SET="image_px=96 seed=3"
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
PYTHON ?= python3
VENV ?= .venv# an environment of your own (conda: VENV=$CONDA_PREFIX) is used as it is

PY := $(VENV)/bin/python
RUN := artifacts/$(basename $(notdir $(PROFILE)))
ifeq ($(VENV),.venv)
READY := .venv/.installed
endif

# a chapter's error stands on the screen already; one of Snakemake's own shows in a dry run
WHY := $(PY) -m snakemake --dry-run --config run=$(RUN) 2>&1 | grep -A 20 -E '^[A-Za-z]+(Exception|Error)'

.PHONY: book test lint notebooks lock clean help
.DEFAULT_GOAL := help

book: $(READY)  ## execute the chapters and render _build/html/index.html (PROFILE=, SET=, CORES=)
	@! ls .snakemake/locks/*.lock >/dev/null 2>&1 || \
	  { echo "A build is running here already. (If none is, one was killed: rm -r .snakemake/locks)"; exit 1; }
	@$(PY) book/chapters.py resolve --profile "$(PROFILE)" --set "$(SET)"
	@touch $(RUN)/.started
	@$(PY) -m snakemake --cores $(CORES) --rerun-incomplete --quiet all --config run=$(RUN) || { $(WHY); exit 1; }
	@test _build/html/index.html -nt $(RUN)/.started || echo "Nothing has changed since it was made."
	@echo "The book is at file://$(CURDIR)/_build/html/index.html"

test: $(READY)  ## run the tests (the chapters too, under the smoke profile)
	$(PY) -m pytest

lint: $(READY)  ## look at style without changing anything
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

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
