"""One chapter, executed: parameters checked by name, the notebook written whole or not at all."""

import ast
import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import environment
import yaml
from given import checked

from entry.changes import parse_changes
from entry.own import check_each
from ground.artifacts import home, project_path, write_whole
from ground.errors import InputError
from ground.judged import check_name
from ground.keys import closure, content_key, imported_by, source_path
from ground.profiles import Writer, read_parameters
from ground.provenance import circumstances
from helpers.settings import TYPES, Settings, published, read_settings

CHAPTERS = "[0-9][0-9]_*.py"  # chapters are read in the order of their numbers
FIRST = (  # before any cell: what complains of a reader's matplotlibrc; garbage is looked for seldom, at the end never
    "--IPKernelApp.exec_lines=import matplotlib, gc, atexit;"
    " gc.set_threshold(10_000); atexit.register(gc.freeze); del gc, atexit"
)
GIVEN = {"profile"}  # declared by every chapter, chosen by whoever runs it


def declared_parameters(chapter: Path) -> dict[str, Any]:
    """Return name -> ``Parameter(name, inferred_type_name, default, help)`` of a chapter's parameters cell.

    Papermill's own reader does it, so this is what ``papermill --help-notebook`` shows.
    """
    import jupytext
    from papermill.translators import PythonTranslator

    cells = [c for c in jupytext.read(chapter).cells if "parameters" in c.metadata.get("tags", [])]
    return {p.name: p for p in PythonTranslator.inspect(cells[0])} if cells else {}


def own_parameters(declared: Mapping[Path, Mapping[str, Any]]) -> dict[str, type]:
    """Return name -> type of what chapters declare beyond the profile (``sample_rf``, ``artifacts``)."""
    every = {name: parameter for chapter in declared.values() for name, parameter in chapter.items()}
    return {
        name: type(ast.literal_eval(parameter.default))
        for name, parameter in every.items()
        if name not in TYPES and name not in GIVEN
    }


def chapter_values(declared: Iterable[str], settings: Settings, changes: Mapping, profile: Path) -> dict:
    """Return the values for the parameters one chapter declares; its own ones only where changed."""
    values = settings.flat() | {"artifacts": "artifacts"} | dict(changes) | {"profile": profile.as_posix()}
    return {name: values[name] for name in declared if name in values}


def resolve(profile: str, text: str = "", folder: str | Path = "artifacts") -> Path:
    """Check the parameters of a run and write them down; return the folder of the run.

    It is named after what it holds: two runs of one profile with other parameters never meet. ``settings.yml`` there
    holds every parameter of the study, ``parameters/NN_word.yml`` what a chapter is given, ``parameters/stages.yml``
    what the shared stages are. A file whose content stays is not touched. The numbers of a recorded cohort's patients
    are its own. Raises ``InputError`` naming the parameter.
    """
    declared, changes = asked_for(text)
    settings = checked(chosen(profile, changes), changes)
    run = home(folder) / "runs" / f"{Path(profile).stem}-{content_key(settings.flat(), changes)}"
    if set(str(run)) & set("{}\n"):
        raise InputError(f"{str(run)!r}: expected a folder and a profile without braces in their names")
    write_parameters(project_path(run) / "settings.yml", settings.flat())
    given = {path.stem: list(names) for path, names in declared.items()} | {"stages": ["profile", "artifacts"]}
    for name, names in given.items():
        values = chapter_values(names, settings, changes, run / "settings.yml")
        write_parameters(project_path(run) / "parameters" / f"{name}.yml", values)
    return run


def asked_for(text: str) -> tuple[dict[Path, dict[str, Any]], dict[str, Any]]:
    """Return what every chapter declares, and the single parameters in a text."""
    declared = {path: declared_parameters(path) for path in sorted(project_path("notebooks").glob(CHAPTERS))}
    changes = parse_changes(text, own_parameters(declared))
    check_each(changes, "SET")
    return declared, changes


def settings_of(profile: str, text: str) -> Settings:
    """Return the settings of a profile with single parameters changed."""
    return chosen(profile, asked_for(text)[1])


def chosen(profile: str, changes: Mapping[str, Any]) -> Settings:
    """Return the settings of a profile with those of the changes that are the study's."""
    return read_settings(profile, {name: value for name, value in changes.items() if name in TYPES}, "SET")


def write_parameters(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as YAML; leave the file alone, time stamp included, if it says the same already."""
    text = yaml.dump(dict(values), Dumper=Writer, sort_keys=False, allow_unicode=True)
    if not path.exists() or path.read_text() != text:
        write_whole(path, lambda temporary: temporary.write_text(text))


def own_files(run: Path) -> list[Path]:
    """Return the recordings that chapters of a run were given by ``..._rf``."""
    given = [read_parameters(path) for path in sorted((run / "parameters").glob("*.yml"))]
    return [project_path(path) for values in given for path in recordings_in(values)]


def recordings_in(values: Mapping[str, Any]) -> list[str]:
    """Return the recordings that parameters name; one may name several, separated by semicolons."""
    from recorded.cohort import one_or_more

    return [path for name, value in values.items() if name.endswith("_rf") and value for path in one_or_more(value)]


def used_modules(source: Path) -> list[Path]:
    """Return the modules of the project that a source file imports, directly or through one another."""
    return sorted(source_path(name) for name in closure(*imported_by(source.read_text())))


def stages_read(chapter: Path) -> list[str]:
    """Return which of the results that chapters share this one reads, in the order they are made."""
    from helpers.stages import DOORS

    text = chapter.read_text()
    return [stage for stage in DOORS if re.search(rf"stages\.{stage}\(", text)]


def code_cells(notebook: Any) -> list[Any]:
    """Return the code cells of a notebook, without the values that papermill injected."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell in cells if "injected-parameters" not in cell.metadata.get("tags", [])]


def source_of(chapter: Path) -> Any:
    """Return a chapter's source as a notebook of one's own; what was parsed once is not parsed again."""
    return deepcopy(parsed(Path(chapter).read_text()))


@lru_cache(maxsize=64)
def parsed(text: str) -> Any:
    """Return the text of a chapter as a notebook."""
    import jupytext

    return jupytext.reads(text, {"extension": ".py"})


def code_digest(chapter: Path) -> str:
    """Return the digest of a chapter's code: prose, captions and folding can change without it."""
    code = "\n# %%\n".join(cell.source for cell in code_cells(source_of(chapter)))
    return hashlib.sha256(code.encode()).hexdigest()


def is_current(chapter: Path, executed: Path) -> bool:
    """Tell whether an executed notebook is whole and holds the outputs of the chapter's code as it is now."""
    try:
        told = json.loads(executed.read_text())
    except (FileNotFoundError, ValueError):
        return False
    return told["metadata"].get("run", {}).get("code") == code_digest(chapter)


def with_outputs(chapter: Path, executed: Path) -> Any:
    """Return a chapter as it is written now with the outputs, and the injected values, of its execution.

    Raises ``ValueError`` when its code is another than was executed.
    """
    import nbformat

    if not is_current(chapter, executed):
        raise ValueError(f"{executed}: holds other code than {chapter}; execute it again")
    notebook, done = source_of(chapter), nbformat.read(executed, as_version=4)
    for cell, old in zip(code_cells(notebook), code_cells(done), strict=True):
        cell.outputs, cell.execution_count = old.outputs, old.execution_count
    notebook.metadata = done.metadata
    injected = [cell for cell in done.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    place = [i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])]
    if place:
        notebook.cells[place[0] + 1 : place[0] + 1] = injected
    return notebook


def execute(chapter: Path, values: Mapping[str, Any], output: Path) -> float:
    """Execute a chapter with papermill and return how long it took, s.

    Only a chapter that ran to its end takes the place of ``output``; one that failed is left beside
    it as ``*.failed.ipynb``. Raises ``InputError`` for a parameter the chapter does not declare or beyond its range,
    ``RuntimeError`` for a figure without a picture, and what papermill raises for an error in a cell.
    """
    import papermill
    from traitlets.config import Config

    declared = declared_parameters(chapter)
    for name in values:
        check_name(name, declared, chapter)
    check_each(values, str(chapter))
    sockets = {"transport": "ipc"}  # files, where a port could be taken by another program
    failed = output.with_suffix(".failed.ipynb")
    source = output.with_suffix(".source.ipynb")
    write_source(chapter, source)
    try:
        with environment.of_kernel() as folder:
            notebook = papermill.execute_notebook(
                source,
                failed,
                dict(values),
                kernel_name="python3",
                cwd=project_path("."),
                progress_bar=False,
                request_save_on_cell_execute=False,  # twice a cell the whole notebook would be written, a second or two
                config=Config(KernelManager=sockets | {"connection_file": str(folder / "k.json")}),
                extra_arguments=["--log-level=CRITICAL", FIRST],  # of the kernel, not of the cells
            )
    except (KeyboardInterrupt, OSError):
        failed.unlink(missing_ok=True)
        raise
    finally:
        source.unlink()
    check_pictures(notebook, chapter)
    finish(notebook, chapter, output)
    failed.unlink()
    return notebook.metadata.papermill.duration


def check_pictures(notebook: Any, chapter: Path) -> None:
    """Raise ``RuntimeError`` naming the figures of a notebook that no picture was drawn for."""
    empty = []
    for cell in notebook.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure")
        shown = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
        if figure and not any(kind.startswith("image/") or kind == "text/html" for kind in shown):
            empty.append(figure.get("name", cell.source[:40]))
    if empty:
        raise RuntimeError(
            f"{chapter}: no picture was drawn for {', '.join(empty)}; expected one from each figure's cell"
        )


def picture_in(output: Mapping[str, Any]) -> str | None:
    """Return the picture of an output as an address that holds it, lines as lines; None where there is none."""
    data = output.get("data", {})
    if "image/svg+xml" in data:
        drawn = base64.b64encode("".join(data["image/svg+xml"]).encode()).decode()
        return f"data:image/svg+xml;base64,{drawn}"
    return f"data:image/png;base64,{''.join(''.join(data['image/png']).split())}" if "image/png" in data else None


def write_source(chapter: Path, path: Path) -> None:
    """Write a chapter as a notebook without outputs, for papermill."""
    import jupytext

    notebook = jupytext.read(chapter)
    notebook.metadata["run"] = circumstances() | {"code": code_digest(chapter)}
    write_whole(path, lambda temporary: jupytext.write(notebook, temporary))


def with_values(chapter: Path, settings: Settings, profile: str) -> Any:
    """Return a chapter as a notebook, for Jupyter, with what a profile changes in its parameters injected."""
    import jupytext
    from papermill.parameterize import parameterize_notebook

    declared = declared_parameters(chapter)
    values = {name: value for name, value in (settings.flat() | {"profile": profile}).items() if name in declared}
    changed = {name: value for name, value in values.items() if value != ast.literal_eval(declared[name].default)}
    notebook = jupytext.read(chapter)
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])  # which papermill looks at in every cell
    notebook.metadata["papermill"] = {}  # where it notes what it was given
    notebook = parameterize_notebook(notebook, changed) if changed else notebook
    del notebook.metadata["papermill"]
    return notebook


def finish(notebook: Any, chapter: Path, output: Path) -> None:
    """Name files as the project does, fold the injected values, and put the notebook in its place, without secrets."""
    import nbformat

    hide_secrets(notebook)
    notebook.metadata.papermill.input_path = f"notebooks/{chapter.name}"
    notebook.metadata.papermill.output_path = output.name
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-input")
    write_whole(output, lambda temporary: nbformat.write(notebook, temporary))


def hide_secrets(notebook: Any) -> None:
    """Take the address of a database, which may hold a password, out of the values that a notebook was given."""
    given = notebook.metadata.papermill.parameters
    secret = given.get("search_storage")
    if secret:
        told = published("search_storage", secret)
        given["search_storage"] = told
        for cell in notebook.cells:
            cell.source = cell.source.replace(secret, told)
