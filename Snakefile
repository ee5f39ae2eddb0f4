"""Which chapter needs what: heavy results first, chapters side by side, then one book."""

import hashlib
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote

sys.path[:0] = ["src", "book"]

from addresses import addresses
from chapters import CHAPTERS, code_digest, recordings_in, stages_read, used_modules
from runs import BUILD

from helpers import stages
from ground.artifacts import file_digest, project_path, recall_digests
from helpers.data.study import MODELS
from ground.keys import closure, source_path
from ground.profiles import read_parameters
from helpers.settings import load_settings

RUN = Path(unquote(config["run"]))  # folder that `python book/command.py resolve` has written
PLACE = Path(str(config.get("place", "")))  # of the pages of a run that has a name: `runs.place`
SETTINGS = load_settings(RUN / "settings.yml")
HOLD = "MALLOC_MMAP_THRESHOLD_=16777216 MALLOC_TRIM_THRESHOLD_=134217728"  # memory is kept for the next step's tensors
COMMAND = f"{shlex.quote(sys.executable)} book/command.py"
NAMES = sorted(path.stem for path in Path("notebooks").glob(CHAPTERS))
PARAMETERS = f"{RUN}/parameters/stages.yml"
RECORDS = f"{RUN}/records"  # a file for each patient
OWN_RESULTS = Path("results/seeds") / f"{RUN.name.rpartition('-')[0]}.json"  # of `snakemake results`

# With `scatter=1` (see profiles/slurm and profiles/local) every patient's maps and every model is a job; else a stage
# makes all of its pieces in processes of its own, which is quicker on one machine.
SCATTER = str(config.get("scatter", "")).lower() in ("1", "true")
SEEDS = [SETTINGS.training.seed + more for more in range(int(config.get("seeds", 1)))]
WORKERS = range(int(config.get("workers", 1)))

# Results that several chapters share, each after the one it is made from. A chapter alone computes what is missing;
# here they are computed once and beforehand, so that no two chapters do the same work at the same time, and
# an edit of a chapter's text concerns that chapter alone.
STAGES = dict(zip(stages.DOORS, (None, *stages.DOORS)))


wildcard_constraints:
    stage="|".join(STAGES),
    model="|".join(MODELS),
    seed="[0-9]+",
    worker="[0-9]+",
    patient="[^/]+",


@cache
def code_of(stage):
    """The source files that a stage's results depend on."""
    return sorted(source_path(name) for name in {"helpers.stages"} | closure(*stages.CODE[stage]))


def made(stage):
    return f"{RUN}/stages/{stage}.json"


@cache
def cohort_files():
    """Every file of a recorded cohort; a job of one patient asks for none of them, and reads no table."""
    from jobs import read

    recall_digests(project_path(read(PARAMETERS)[1]) / "digests.json")  # who has read them once need not again
    return stages.recorded_files(SETTINGS)


def cohort_of(wildcards):
    return cohort_files()


def pieces(stage):
    """What a stage collects when its pieces are jobs; nothing where its results stand, however they were made."""
    from jobs import names_of_patients, stands

    if not SCATTER or stage == "images" or stands(PARAMETERS, stage):
        return []
    if stage == "maps":
        return [made(f"maps/{patient}") for patient in names_of_patients(PARAMETERS)]
    return [made(f"models/{model}-{SEEDS[0]}") for model in MODELS]


def needed_stages(wildcards):
    return [made(stage) for stage in stages_read(Path("notebooks") / f"{wildcards.chapter}.py")]


def minutes_to_run(wildcards):
    """How long a chapter says that it takes: the longest begin first, those that take seconds fill the other cores."""
    text = (Path("notebooks") / f"{wildcards.chapter}.py").read_text()
    found = re.search(r"\b(half a|\w+) minutes?( or two)?[\s#]+to run", text)
    return {"half a": 1, "a": 2, "two": 3, "three": 4}.get(found[1], 5) if found else 0


def code_of_chapter(wildcards):
    notebook = Path("notebooks") / f"{wildcards.chapter}.py"
    return [notebook, *used_modules(notebook)]


def recordings_of(wildcards):
    return recordings_in(read_parameters(RUN / "parameters" / f"{wildcards.chapter}.yml"))


def data_of(wildcards):
    """Tables of the package, what its figures are moved by, and the committed results that a chapter reads."""
    text = (Path("notebooks") / f"{wildcards.chapter}.py").read_text()
    committed = Path("results").rglob("*.json") if "results/" in text else []
    committed = [path for path in committed if path != OWN_RESULTS]  # else the book would ask rule `results` for it
    own = [path for path in Path("src").rglob("*.*") if path.suffix in {".csv", ".html"}]
    return [*(path for path in own if path.parts[1] != "reading" or "from reading " in text), *committed]


def content(*of_rule):
    """Return the function that digests the files that a job reads and that no rule makes, by ``of_rule``.

    They count by content, whatever their times; as input, Snakemake would ask for the size of every one again and
    again. Its function takes the wildcards alone: of what depends on more, Snakemake keeps no record. A file edited
    while the job ran is noticed the next time.
    """

    def digest_of(wildcards):
        named = sorted({str(path) for files in of_rule for path in files(wildcards)})
        return hashlib.sha256("".join(digest(Path(path)) for path in named).encode()).hexdigest()

    return digest_of


def digest(path):
    """Digest of a file; of a chapter's code alone, so that an edit of its prose does not execute it again."""
    return code_digest(path) if path.parent.name == "notebooks" else file_digest(path)


rule book:
    input:
        chapters=[f"{RUN}/chapters/{name}.ipynb" for name in NAMES],
        notebooks=[f"notebooks/{name}.py" for name in NAMES],
        prose=[path for path in Path("book").rglob("*") if path.is_file() and "__pycache__" not in path.parts],
        data="data/README.md",
        config="_config.yml",
    output:
        update((BUILD / PLACE / "html" / "index.html").as_posix()),
    params:
        run=RUN.as_posix(),
        addresses=str(addresses()),
    shell:
        "{COMMAND} render --run {params.run:q} --name={PLACE.name:q}"


rule chapters:
    input:
        rules.book.input.chapters,


rule chapter:
    input:
        notebook=ancient("notebooks/{chapter}.py"),  # by its code: see `digest`
        parameters=f"{RUN}/parameters/{{chapter}}.yml",
        settings=f"{RUN}/settings.yml",
        stages=needed_stages,
    output:
        update(f"{RUN}/chapters/{{chapter}}.ipynb"),
    priority: minutes_to_run
    params:
        content=content(code_of_chapter, data_of, cohort_of, recordings_of),
    shell:
        "OMP_NUM_THREADS=1 {HOLD} {COMMAND} run {input.notebook:q}"
        " --parameters {input.parameters:q} --output {output:q}"


rule stage:
    input:
        parameters=PARAMETERS,
        settings=f"{RUN}/settings.yml",
        before=lambda wildcards: [made(STAGES[wildcards.stage])] if STAGES[wildcards.stage] else [],
        pieces=lambda wildcards: pieces(wildcards.stage),
    output:
        update(f"{RUN}/stages/{{stage}}.json"),
    params:
        content=content(lambda wildcards: code_of(wildcards.stage), cohort_of),
    threads: lambda wildcards: SETTINGS.computing.processes if wildcards.stage == "maps" else 1
    priority: 100  # most chapters wait for it, the longest for models: these begin beside a chapter, on one core
    shell:
        "{COMMAND} stage {wildcards.stage} --parameters {input.parameters:q} --output {output:q}"


rule records:
    input:
        parameters=PARAMETERS,
        settings=f"{RUN}/settings.yml",
    output:
        update(f"{RUN}/stages/records.json"),
    params:
        content=content(lambda wildcards: code_of("maps"), cohort_of),
    shell:
        "{COMMAND} records {RECORDS:q} --parameters {input.parameters:q} --output {output:q}"


rule patient:
    input:
        parameters=PARAMETERS,
        settings=f"{RUN}/settings.yml",
        records=made("records"),
    output:
        update(f"{RUN}/stages/maps/{{patient}}.json"),
    params:
        content=content(lambda wildcards: code_of("maps")),
    group:
        "patients"  # several in one job: `group-components` of a profile says how many
    shell:
        "OMP_NUM_THREADS=1 {COMMAND} patient {wildcards.patient} --record {RECORDS:q}/{wildcards.patient}.json"
        " --parameters {input.parameters:q} --output {output:q}"


rule model:
    input:
        parameters=PARAMETERS,
        settings=f"{RUN}/settings.yml",
        images=made("images"),
    output:
        update(f"{RUN}/stages/models/{{model}}-{{seed}}.json"),
    params:
        content=content(lambda wildcards: code_of("models"), cohort_of),
    retries: 3  # a job that was stopped goes on from its last whole epoch
    shell:
        "{COMMAND} model {wildcards.model} --seed {wildcards.seed}"
        " --parameters {input.parameters:q} --output {output:q}"


rule trials:
    input:
        parameters=PARAMETERS,
        settings=f"{RUN}/settings.yml",
        models=made("models"),
    output:
        update(f"{RUN}/stages/trials/{{model}}-{{worker}}.json"),
    params:
        content=content(lambda wildcards: used_modules(Path("book/jobs.py"))),
    shell:
        "OMP_NUM_THREADS=1 {COMMAND} trials {wildcards.model} --worker {wildcards.worker}"
        " --parameters {input.parameters:q} --output {output:q}"


# `snakemake search --config workers=8`: all workers of all searches, which the chapter then finds finished
rule search:
    input:
        [made(f"trials/{model}-{worker}") for model in MODELS for worker in WORKERS],


# `snakemake results --config seeds=5`: the four models of five seeds, in one small file
rule results:
    input:
        [made(f"models/{model}-{seed}") for model in MODELS for seed in SEEDS],
        settings=f"{RUN}/settings.yml",
    output:
        OWN_RESULTS.as_posix(),
    params:
        seeds=SEEDS,
    shell:
        "{sys.executable:q} -m trust.runs --profile {input.settings:q} --seeds {params.seeds} --output {output:q}"
