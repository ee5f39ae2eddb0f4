"""What a reader takes home of a chapter: notebook, notebook with outputs, Python file, each to be run by itself.

They are made from the staged notebooks, which are clean already. The run's values stand in the parameters cell itself,
which papermill and a reader can change, and the run's own folder is named nowhere.
"""

import ast
import copy
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from ground.artifacts import project_path
from ground.profiles import read_parameters
from helpers.settings import load_settings, published

FOLDER = "downloads"  # beside the pages; book/_ext/offline.py links them


def write(source: Path, html: Path, run: Path) -> None:
    """Write the three files of every staged chapter beside the pages."""
    target = html / FOLDER
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in sorted((source / "notebooks").glob("*.ipynb")):
        executed = own_values(nbformat.read(path, as_version=4), run)
        clean = without_outputs(executed)
        nbformat.write(executed, target / f"{path.stem}.executed.ipynb")
        nbformat.write(clean, target / path.name)
        (target / f"{path.stem}.py").write_text(jupytext.writes(clean, fmt="py:percent"), encoding="utf-8")


def tagged(cell: Any, tag: str) -> bool:
    """Tell whether a cell has a tag."""
    return tag in cell.metadata.get("tags", [])


def own_values(notebook: Any, run: Path) -> Any:
    """Return a notebook whose parameters cell holds what was injected beneath it."""
    injected = [cell for cell in notebook.cells if tagged(cell, "injected-parameters")]
    values = {name: value for cell in injected for name, value in assigned(cell.source).items()}
    besides: dict[str, Any] = {}
    if "profile" in values:
        values["profile"], changes = changed(run)
        besides = {name: value for name, value in changes.items() if name not in values}
    notebook.cells = [cell for cell in notebook.cells if not tagged(cell, "injected-parameters")]
    for cell in notebook.cells:
        if tagged(cell, "parameters"):
            cell.source = with_values(cell.source, values) + told(besides)
    return notebook


def assigned(source: str) -> dict[str, Any]:
    """Return name -> value of the plain assignments of a cell."""
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return {node.targets[0].id: ast.literal_eval(node.value) for node in nodes if isinstance(node.targets[0], ast.Name)}


def with_values(source: str, values: Mapping[str, Any]) -> str:
    """Return the declarations ``name: type = value  # meaning`` with other values."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            name, number, end = node.target.id, node.lineno - 1, node.value.end_col_offset
            if name in values and node.lineno == node.end_lineno:
                value = json.dumps(values[name]) if isinstance(values[name], str) else repr(values[name])
                lines[number] = lines[number][: node.value.col_offset] + value + lines[number][end:]
    return "\n".join(lines)


def changed(run: Path) -> tuple[str, dict[str, Any]]:
    """Return the name of a run's profile, and name -> value of what the run had other, as published.

    For a profile that lies elsewhere it is the laptop's.
    """
    profile = run.name.rpartition("-")[0]
    tracked = project_path("notebooks/profiles") / f"{profile}.yml"
    profile = profile if tracked.exists() else "laptop"
    given, usual = read_parameters(run / "settings.yml"), load_settings(profile).flat()
    other = {name: published(name, value) for name, value in given.items() if usual[name] != value}
    return profile, {name: value for name, value in other.items() if name != "search_storage"}


def told(besides: Mapping[str, Any]) -> str:
    """Return a comment on what the run had besides the parameters of a chapter, which a profile can give."""
    lines = [f"# {name}: {value}" for name, value in besides.items()]
    return "\n".join(["", "# the run had besides, for a profile of your own:", *lines]) if lines else ""


def without_outputs(notebook: Any) -> Any:
    """Return a copy of a notebook as it is before it runs."""
    clean = copy.deepcopy(notebook)
    for cell in clean.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return clean
