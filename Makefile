# make book     everything: environment, computation, rendered book     make test     the tests
# make help     what else there is

PROFILE ?= laptop# a name in notebooks/profiles, or the path of a .yml file
DATA ?=# folder of a recorded cohort, as data/README.md describes it
SET ?=# single parameters, as in SET="image_px=96 seed=3"
BASEURL ?=# where the pages will stand, as in https://name.example/book/; empty: not known
REPOSITORY ?=# where this repository stands, for links to it; empty: not known
CHROMIUM ?=# the path of Chromium or Chrome, if it is not found by name
RUN ?=# a name: its pages stand beside those of other runs, in _build/runs/RUN/html
CORES ?=# how many to use; all of them if nothing is said
PYTHON ?= python3
VENV ?= .venv# an environment of your own (conda: VENV=$CONDA_PREFIX) is used as it is

# what is given is read by the program, as it stands: neither make nor the shell runs anything in it
GIVEN := PROFILE DATA SET RUN RUNS BASEURL REPOSITORY CHROMIUM CORES TO ID PATIENTS DEGRADED PYTHON VENV
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
export $(GIVEN)
unexport PYTHONHOME PYTHONSAFEPATH PYTHONHASHSEED# of a reader's own, before the program can see to it
PY := $$VENV/bin/python
ifeq ($(VENV),.venv)
READY := .venv/.installed
endif

.PHONY: book compare pdf epub release links check test lint measures export students teaching notebooks lock clean help
.DEFAULT_GOAL := help

book: $(READY)  ## execute the chapters and render _build/html/index.html (PROFILE=, SET=, CORES=, RUN=)
	@"$(PY)" book/command.py book --profile="$$PROFILE" --set="$$SET" --data="$$DATA" --cores="$$CORES" --run="$$RUN" \
	  --baseurl="$$BASEURL" --repository="$$REPOSITORY"

compare: $(READY)  ## hold two runs against each other on a page (RUNS="laptop wide": the unnamed run goes by its profile)
	@"$(PY)" book/command.py compare -- "$$RUNS"

pdf: book  ## print the book as one PDF into _build (Chromium or Chrome; its path: CHROMIUM=)
	@"$(PY)" book/command.py pdf

epub: book  ## bind the book as one EPUB into _build (Chromium, too)
	@"$(PY)" book/command.py epub

release: book  ## pack pages, results, lock and edition into one archive in _build, with PDF and EPUB if they are there
	@"$(PY)" book/command.py release

links: $(READY)  ## list the links of the rendered book that lead elsewhere; none is followed
	@"$(PY)" book/check_html.py --external

check: $(READY)  ## hold the recorded cohort in DATA= against its contract, tell all faults, compute nothing
	@"$(PY)" book/command.py check --profile="$$PROFILE" --set="$$SET" --data="$$DATA"

test: $(READY)  ## run the tests (the chapters too, under the smoke profile)
	OMP_NUM_THREADS=1 "$(PY)" -m pytest

lint: $(READY)  ## look at style without changing anything
	"$(PY)" -m ruff check .
	"$(PY)" -m ruff format --check .
	"$$VENV/bin/lint-imports" --no-cache
	"$(PY)" -m mypy

measures: $(READY)  ## print how large the parts are, what they load, and whether chapters fit their page
	"$(PY)" book/measures.py

export: $(READY)  ## write the simulated cohort as recordings (TO=folder, ID=BR-07, PATIENTS=24, DEGRADED=1, PROFILE=, SET=)
	@"$(PY)" book/command.py export --profile="$$PROFILE" --set="$$SET" $(if $(ID),--id="$$ID") \
	  $(if $(PATIENTS),--patients="$$PATIENTS") $(if $(DEGRADED),--degraded) -- "$$TO"

students: $(READY)  ## write notebooks for students, and for instructors with solutions (TO=folder, PROFILE=, SET=)
	@"$(PY)" book/command.py students --profile="$$PROFILE" --set="$$SET" -- "$$TO"

teaching: $(READY)  ## the same with maps, images and models of 40 simulated patients, and as a .zip under 10 MB (TO=folder)
	@"$(PY)" book/command.py teaching --profile=teaching --set="$$SET" -- "$$TO"

notebooks: $(READY)  ## write the chapters as notebooks/*.ipynb, for Jupyter and papermill (PROFILE=)
	@"$(PY)" book/command.py notebooks --profile="$$PROFILE"

lock: $(READY)  ## pin every dependency anew, with hashes, in requirements.lock (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras --upgrade \
	  --no-header --no-annotate --no-emit-index-url --generate-hashes -o requirements.lock

clean:  ## remove what was computed and rendered, keep the environment
	rm -rf artifacts _build .snakemake notebooks/*.ipynb

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

.venv/.installed: requirements.lock pyproject.toml
	@"$$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make book PYTHON=python3.12"; exit 1; }
	test -x .venv/bin/python || "$$PYTHON" -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@
