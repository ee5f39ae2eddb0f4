"""Which chapter needs what: heavy results first, chapters side by side, then one book."""

import hashlib
import re
import sys
from pathlib import Path

import yaml

from helpers.chapters import CHAPTERS, used_modules

RUN = Path(config.get("run", "artifacts/laptop"))  # folder written by `python -m helpers.chapters resolve`
SETTINGS = yaml.safe_load((RUN / "settings.yml").read_text())
NAMES = sorted(path.stem for path in Path("notebooks").glob(CHAPTERS))
PACKAGE = Path("src/helpers")

# Results that several chapters share, each after the one it is made from. A chapter alone computes what is missing;
# here they are computed once and beforehand, so that no two chapters do the same work at the same time, and
# an edit of a chapter's text concerns that chapter alone.
STAGES = {"maps": None, "images": "maps", "models": "images"}


wildcard_constraints:
    stage="|".join(STAGES),


def made(stage):
    return f"{RUN}/stages/{stage}.json"


def needed_stages(wildcards):
    text = (Path("notebooks") / f"{wildcards.chapter}.py").read_text()
    return [made(stage) for stage in STAGES if re.search(rf"stages\.{stage}\(", text)]


def own_parameters(wildcards):
    return yaml.safe_load((RUN / "parameters" / f"{wildcards.chapter}.yml").read_text())


def content(wildcards, input):
    """Digest of what a job reads, so that a file edited while the job ran is noticed the next time."""
    sources = [Path(path) for path in input if not path.endswith(".json")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


rule book:
    input:
        chapters=[f"{RUN}/chapters/{name}.ipynb" for name in NAMES],
        prose=[path for path in Path("book").rglob("*") if path.is_file() and "__pycache__" not in path.parts],
        data="data/README.md",
        config="_config.yml",
    output:
        update("_build/html/index.html"),
    params:
        run=RUN.as_posix(),
    shell:
        "{sys.executable} book/render.py --run {params.run}"


rule chapters:
    input:
        rules.book.input.chapters,


rule chapter:
    input:
        notebook="notebooks/{chapter}.py",
        parameters=f"{RUN}/parameters/{{chapter}}.yml",
        settings=f"{RUN}/settings.yml",
        modules=lambda wildcards: used_modules(Path("notebooks") / f"{wildcards.chapter}.py", PACKAGE),
        stages=needed_stages,
        rf=lambda wildcards: [v for k, v in own_parameters(wildcards).items() if k.endswith("_rf") and v],
    output:
        update(f"{RUN}/chapters/{{chapter}}.ipynb"),
    params:
        content=content,
    shell:
        "OMP_NUM_THREADS=1 {sys.executable} -m helpers.chapters run {input.notebook}"
        " --parameters {input.parameters} --output {output}"


rule stage:
    input:
        parameters=f"{RUN}/parameters/stages.yml",
        settings=f"{RUN}/settings.yml",
        modules=used_modules(PACKAGE / "stages.py", PACKAGE),
        before=lambda wildcards: [made(STAGES[wildcards.stage])] if STAGES[wildcards.stage] else [],
    output:
        update(f"{RUN}/stages/{{stage}}.json"),
    params:
        content=content,
    threads: SETTINGS["processes"]
    shell:
        "{sys.executable} -m helpers.chapters stage {wildcards.stage} --parameters {input.parameters} --output {output}"
