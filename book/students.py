"""Chapters as notebooks for a class: for students without solutions, for instructors with them.

In place of each solution stands a cell that names the exercise, and, where an answer can be checked, a cell that does.
"""

import ast
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import chapters
import nbformat
import words
from exercises import DIRECTIVE, LABEL, TITLE, solutions_of

from ground.artifacts import SEAL, project_path
from ground.errors import InputError
from helpers import stages
from helpers.settings import Settings
from reading.answers import ANSWERS
from recorded import export

SETS = ("students", "instructors")
LINK = re.compile(r"\[\]\((?:notebooks/)?((\d\d)_\w+)\)")
EXERCISES = re.compile(r"^## Exercises$", re.MULTILINE)
IMPORT = "from reading.teaching import check"
PLACEHOLDER = "*Your answer to* `{}`:"


def notebook_of(chapter: Path, told: Mapping[str, str], values: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
    """Return a chapter without outputs and solutions, its parameters set, and its solutions by what they answer.

    ``told`` are the words of the run, ``values`` the parameters to set beside those that the chapter declares.
    """

    written = words.chapter(chapters.source_of(chapter), told)
    solutions = solutions_of("\n\n".join(cell.source for cell in written.cells if cell.cell_type == "markdown"))
    written.cells = [one for cell in written.cells for one in cells_of(cell)]
    return with_values(written, chapter, values), solutions


def cells_of(cell: Any) -> Iterator[Any]:
    """Yield a cell; one with exercises or questions as its text, each of them, and a place for each answer."""
    if cell.cell_type != "markdown" or not DIRECTIVE.search(cell.source):
        yield cell
        return
    place = 0
    for found in DIRECTIVE.finditer(cell.source):
        yield from prose(cell.source[place : found.start()])
        yield from AS_CELLS[found["kind"]](found)
        place = found.end()
    yield from prose(cell.source[place:])


def prose(text: str) -> Iterator[Any]:
    """Yield what stands between exercises, if anything does, and after their heading the import that checks need."""
    if text.strip():
        yield markdown(text.strip())
    if EXERCISES.search(text):
        yield nbformat.v4.new_code_cell(IMPORT)


def as_exercise(found: re.Match[str]) -> Iterator[Any]:
    """Yield an exercise under a heading that says its kind and its minutes."""
    title = TITLE.fullmatch(found["title"])
    told = f"{title['name']} ({title['kind']}, {title['minutes']} min)" if title else found["title"]
    label = LABEL.search(found["options"])
    yield markdown(f"### {told}\n\n{found['body']}", exercise=label[1] if label else "")


def as_place(found: re.Match[str]) -> Iterator[Any]:
    """Yield the place of a solution, and a cell that checks the answer where one can be checked."""
    yield markdown(PLACEHOLDER.format(found["title"]), answer=found["title"])
    if found["title"] in ANSWERS:
        yield nbformat.v4.new_code_cell(f'check("{found["title"]}", ...)', metadata={"check": found["title"]})


def as_question(found: re.Match[str]) -> Iterator[Any]:
    """Yield a question and the place of its answer."""
    yield markdown(f"**{found['title']}**")
    yield markdown("*Your answer:*", answer=found["title"])


AS_CELLS = {"exercise": as_exercise, "solution": as_place, "dropdown": as_question}


def markdown(text: str, **metadata: str) -> Any:
    """Return a cell of markdown whose links to chapters lead to their notebooks."""
    return nbformat.v4.new_markdown_cell(LINK.sub(r"[chapter \2](\1.ipynb)", text), metadata=metadata)


def with_values(notebook: Any, chapter: Path, values: Mapping[str, Any]) -> Any:
    """Return a notebook with a cell of those of the values that the chapter declares otherwise, as papermill has it."""
    from papermill.parameterize import parameterize_notebook

    declared = {name: ast.literal_eval(p.default) for name, p in chapters.declared_parameters(chapter).items()}
    other = {name: value for name, value in values.items() if name in declared and value != declared[name]}
    if other:
        notebook.metadata["papermill"] = {}
        for cell in notebook.cells:
            cell.metadata.setdefault("tags", [])  # papermill looks for its own in every cell
        notebook = parameterize_notebook(notebook, other)
        del notebook.metadata["papermill"]
    return notebook


def put_back(notebook: Any, solutions: Mapping[str, str]) -> Any:
    """Put the solutions into a student's notebook, and the computed answers, rounded, into its checks."""
    for cell in notebook.cells:
        if "answer" in cell.metadata:
            cell.source = markdown(solutions[cell.metadata.answer]).source
        if "check" in cell.metadata:
            cell.source = f'check("{cell.metadata.check}", {round(ANSWERS[cell.metadata.check].compute(), 4):g})'
    return notebook


def write(folder: Path, told: Mapping[str, str], values: Mapping[str, Any], sets: tuple[str, ...] = SETS) -> None:
    """Write the notebooks of all chapters into a folder for each set."""
    for name in sets:
        (folder / name).mkdir(parents=True)
    for chapter in sorted(Path("notebooks").glob(chapters.CHAPTERS)):
        notebook, solutions = notebook_of(chapter, told, values)
        for name in sets:
            made = notebook if name == "students" else put_back(notebook, solutions)
            nbformat.write(made, folder / name / f"{chapter.stem}.ipynb")


# --- what a class starts from

PROFILE = "class"  # the name under which a class finds its parameters
PROJECT = "# paths in the notebooks count from this folder\n"
QUICK = {"pda_random": 2, "pda_checked": 3, "pda_draws": 3, "repeats": 4, "n_scans": 8, "n_seeds": 3, "n_splits": 100}


def hand_out(settings: Settings, artifacts: str | Path, folder: str | Path, with_data: bool = False) -> Path:
    """Write both sets of notebooks with these settings to a new folder, whole or not at all.

    With data the folder stands for itself: it holds the maps, images and models that the chapters begin from, and is
    packed into a .zip beside it. Raises ``InputError`` for a folder or an archive that is there already, and for data
    of a recorded cohort.
    """
    path = export.new_folder(folder, 0)
    archive = path.with_name(f"{path.name}.zip")
    if with_data and archive.exists():
        raise InputError(f"{archive}: is there already, expected a folder whose archive is new too")
    if with_data and not settings.study.simulated:
        raise InputError(f"cohort = {settings.study.cohort!r}: expected 'simulated', which may be handed out")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}~", dir=path.parent) as temporary:
        whole = Path(temporary) / path.name
        shutil.copytree("notebooks/profiles", whole / "notebooks" / "profiles")
        chapters.write_parameters(whole / "notebooks" / "profiles" / f"{PROFILE}.yml", settings.flat())
        if with_data:
            artifacts = add_data(settings, artifacts, whole)
        values = settings.flat() | {"profile": PROFILE} | (QUICK if with_data else {})
        write(whole, words.words_of(settings, artifacts), values)
        packed = shutil.make_archive(str(whole), "zip", temporary, path.name) if with_data else ""
        whole.replace(path)
        if packed:
            Path(packed).replace(archive)
    return path


def add_data(settings: Settings, artifacts: str | Path, folder: Path) -> Path:
    """Copy cohort, maps, images and models, made where they are missing, and mark the folder as a project."""
    stages.models(settings, artifacts)
    target = folder / "artifacts"
    for path in [one for door in stages.DOORS for one in stages.files_of(door, settings, artifacts)]:
        copied = target / path.relative_to(project_path(artifacts))
        copied.parent.mkdir(parents=True, exist_ok=True)
        for name in (path.name, f"{path.name}{SEAL}"):
            shutil.copy(path.with_name(name), copied.with_name(name))
    shutil.copytree("results", folder / "results")
    (folder / "pyproject.toml").write_text(PROJECT)
    return target
