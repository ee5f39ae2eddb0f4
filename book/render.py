"""Render the executed chapters of a run: staged, built aside, checked, and only then put in place."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import addresses
import check_html
import decisions
import downloads
import front
import jobs
import lessons
import nbformat
import provenance
import publish
import runs
import tables
import words
import yaml
from chapters import CHAPTERS, with_outputs

BUILD = Path("_build")
JUPYTER_BOOK = "import gc; gc.disable(); from jupyter_book.cli.main import main; main()"  # a quarter sooner so
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def executed(run: Path) -> list[Path]:
    """Return the executed notebook of every chapter, in order."""
    return [run / "chapters" / f"{path.stem}.ipynb" for path in sorted(Path("notebooks").glob(CHAPTERS))]


def stage(run: Path, target: Path, private: publish.Private) -> None:
    """Gather what the book consists of in one folder: prose, executed chapters, data contract, decisions, provenance.

    Prose and captions say what is true of the run's patients, the front page and the discussion what was found;
    chapters can be downloaded, so they name no machine.
    """
    told = words.words_of(*jobs.read(run / "parameters" / "stages.yml"))
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree("book", target, ignore=shutil.ignore_patterns("*.py", "__pycache__", "notebooks"))
    (target / "notebooks").mkdir()
    decided = {}
    for chapter in executed(run):
        written = words.chapter(with_outputs(Path("notebooks") / f"{chapter.stem}.py", chapter), told)
        title = written.cells[0].source.splitlines()[0].removeprefix("# ")
        decided[title] = decisions.labelled(written, chapter.stem)
        nbformat.write(publish.cleaned(tables.captioned(written), private), target / "notebooks" / chapter.name)
    shutil.copy("data/README.md", target / "data.md")
    for page in target.glob("*.md"):
        page.write_text(words.page(page.read_text(), told))
    (target / "decisions.md").write_text(decisions.page(decided))
    front.write(target, run, told)
    provenance.draw(target, front.titles(sorted((target / "notebooks").glob("*.ipynb"))))
    (target / "provenance.md").write_text(provenance.page(run, executed(run), told))
    (target / "teaching.md").write_text(lessons.page((target / "teaching.md").read_text(), executed(run), told))


def add_material(run: Path, source: Path, folder: Path) -> None:
    """Write what stands beside the pages that lead to it: students' notebooks, slides, downloads."""
    import students  # loads what answers are computed with

    told = words.words_of(*jobs.read(run / "parameters" / "stages.yml"))
    students.write(folder, told, {}, ("students",))
    staged = sorted((source / "notebooks").glob("*.ipynb"))
    (folder / "slides.html").write_text(lessons.slides(staged, told["Whose"]))
    downloads.write(source, folder, run)


@contextmanager
def building(source: Path, aside: Path) -> Iterator[Path]:
    """Run Jupyter Book, every warning an error, beside what is done meanwhile; yield where its pages will be.

    Raises ``RuntimeError`` with the last lines of what Sphinx said.
    """
    shutil.rmtree(aside, ignore_errors=True)
    config, html = source.with_name("config.yml"), aside / "_build" / "html"
    config.write_text(yaml.dump(addresses.configured(), allow_unicode=True))
    command = [sys.executable, "-P", "-c", JUPYTER_BOOK, "build", str(source), "--config", str(config)]
    command += ["--path-output", str(aside), "-W", "--keep-going"]
    with open(BUILD / "render.log", "w+") as log:
        with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as sphinx:
            try:
                yield html
            except BaseException:
                sphinx.kill()  # else it would be waited for, or go on alone
                raise
        log.seek(0)
        said = COLOUR.sub("", log.read())
    if sphinx.returncode or not (html / "index.html").exists():
        complaints = [line for line in said.splitlines() if "WARNING" in line or "ERROR" in line]
        raise RuntimeError("\n".join(complaints or said.splitlines()[-20:]))


def put_in_place(html: Path, target: Path) -> None:
    """Exchange the rendered pages for the new ones."""
    old = target.with_name("html.old")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    html.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def render(run: Path, name: str = "") -> None:
    """Render a run's chapters, to ``_build/html`` if it has no name; on any fault leave what is there as it is.

    Raises ``RuntimeError`` that names the faults.
    """
    source, aside, material = (BUILD / folder for folder in ("source", "aside", "material"))
    target = BUILD / runs.place(name) / "html"
    BUILD.mkdir(exist_ok=True)
    shutil.rmtree(material, ignore_errors=True)
    private = publish.private_of(run)
    stage(run, source, private)
    with building(source, aside) as html:
        add_material(run, source, material)
        problems = publish.problems(material, private)
    problems += publish.problems(html, private)
    shutil.copytree(material, html, dirs_exist_ok=True)
    problems += check_html.problems(html) + check_html.failed_cells(executed(run))
    problems += check_html.missing_figures(html, source)
    if problems:
        raise RuntimeError("\n".join([*problems, f"rendering failed; {target} is as it was"]))
    put_in_place(html, target)
    for folder in (source, aside, material):
        shutil.rmtree(folder)
