"""One chapter, executed: parameters checked by name, the notebook written whole or not at all."""

import ast
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from helpers.artifacts import project_path, write_whole
from helpers.keys import closure, content_key, imported_by, source_path
from helpers.provenance import circumstances
from helpers.settings import TYPES, Settings, check_name, load_settings, parse_changes

CHAPTERS = "[0-9][0-9]_*.py"  # chapters are read in the order of their numbers
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
    what the shared stages are. A file whose content stays is not touched.
    Raises ``FileNotFoundError``, ``ValueError`` or ``TypeError`` as ``load_settings`` does.
    """
    declared, changes = asked_for(text)
    settings = load_settings(profile, **{name: value for name, value in changes.items() if name in TYPES})
    check_files(changes)
    run = Path(folder) / "runs" / f"{Path(profile).stem}-{content_key(settings.flat(), changes)}"
    write_if_changed(project_path(run) / "settings.yml", settings.flat())
    given = {path.stem: list(names) for path, names in declared.items()} | {"stages": ["profile", "artifacts"]}
    for name, names in given.items():
        values = chapter_values(names, settings, changes, run / "settings.yml")
        write_if_changed(project_path(run) / "parameters" / f"{name}.yml", values)
    return run


def asked_for(text: str) -> tuple[dict[Path, dict[str, Any]], dict[str, Any]]:
    """Return what every chapter declares, and the single parameters in a text."""
    declared = {path: declared_parameters(path) for path in sorted(project_path("notebooks").glob(CHAPTERS))}
    return declared, parse_changes(text, own_parameters(declared))


def settings_of(profile: str, text: str) -> Settings:
    """Return the settings of a profile with single parameters changed."""
    return load_settings(profile, **{name: value for name, value in asked_for(text)[1].items() if name in TYPES})


def check_files(changes: Mapping[str, Any]) -> None:
    """Raise ``FileNotFoundError`` for a parameter ``..._rf`` that names a file that is not there."""
    for name, value in changes.items():
        if name.endswith("_rf") and value and not project_path(value).is_file():
            raise FileNotFoundError(f"SET: {name} = {value!r}: there is no such file")


def own_files(run: Path) -> list[Path]:
    """Return the recordings that chapters of a run were given by ``..._rf``."""
    given = [yaml.safe_load(path.read_text()) or {} for path in sorted((run / "parameters").glob("*.yml"))]
    return [project_path(v) for values in given for k, v in values.items() if k.endswith("_rf") and v]


def write_if_changed(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as YAML; leave the file alone, time stamp included, if it says the same already."""
    text = yaml.safe_dump(dict(values), sort_keys=False)
    if not path.exists() or path.read_text() != text:
        write_whole(path, lambda temporary: temporary.write_text(text))


def used_modules(source: Path) -> list[Path]:
    """Return the modules of the project that a source file imports, directly or through one another."""
    return sorted(source_path(name) for name in closure(*imported_by(source.read_text())))


def code_cells(notebook: Any) -> list[Any]:
    """Return the code cells of a notebook, without the values that papermill injected."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell in cells if "injected-parameters" not in cell.metadata.get("tags", [])]


def code_digest(chapter: Path) -> str:
    """Return the digest of a chapter's code: prose, captions and folding can change without it."""
    import jupytext

    code = "\n# %%\n".join(cell.source for cell in code_cells(jupytext.read(chapter)))
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
    import jupytext
    import nbformat

    if not is_current(chapter, executed):
        raise ValueError(f"{executed}: holds other code than {chapter}; execute it again")
    notebook, done = jupytext.read(chapter), nbformat.read(executed, as_version=4)
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
    it as ``*.failed.ipynb``. Raises ``ValueError`` for a parameter the chapter does not declare and
    what papermill raises for an error in a cell.
    """
    import papermill

    declared = declared_parameters(chapter)
    for name in values:
        check_name(name, declared, chapter)
    use_own_kernel()
    failed = output.with_suffix(".failed.ipynb")
    source = output.with_suffix(".source.ipynb")
    write_source(chapter, source)
    try:
        notebook = papermill.execute_notebook(
            source,
            failed,
            dict(values),
            kernel_name="python3",
            cwd=project_path("."),
            progress_bar=False,
            extra_arguments=["--log-level=CRITICAL"],  # of the kernel, not of the cells
        )
    finally:
        source.unlink()
    finish(notebook, chapter, output)
    failed.unlink()
    return notebook.metadata.papermill.duration


def write_source(chapter: Path, path: Path) -> None:
    """Write a chapter as a notebook without outputs, for papermill."""
    import jupytext

    notebook = jupytext.read(chapter)
    notebook.metadata["run"] = circumstances() | {"code": code_digest(chapter)}
    write_whole(path, lambda temporary: jupytext.write(notebook, temporary))


def finish(notebook: Any, chapter: Path, output: Path) -> None:
    """Name files as the project does, fold the injected values, and put the notebook in its place."""
    import nbformat

    notebook.metadata.papermill.input_path = f"notebooks/{chapter.name}"
    notebook.metadata.papermill.output_path = output.name
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-input")
    write_whole(output, lambda temporary: nbformat.write(notebook, temporary))


def use_own_kernel() -> None:
    """Let ``python3`` be this very Python, whatever kernels the user has installed elsewhere."""
    os.environ["JUPYTER_PATH"] = str(Path(sys.prefix) / "share" / "jupyter")
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
