"""The first call of a chapter: what it was given is judged, and what the book tracks is found from any folder."""

import ast
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from entry.own import check_each
from ground.artifacts import project_path
from ground.judged import check_name

INJECTED = "# Parameters"  # the first line of the cell that papermill adds beneath a chapter's own parameters
SOURCE = Path(__file__).resolve().parents[2]  # of an editable installation, the checkout


def begin() -> Any:
    """Judge what papermill gave to the chapter that runs, and return IPython's shell; None outside a kernel.

    Raises ``InputError`` for a parameter that the chapter does not declare, and for a value of another type or beyond
    its range.
    """
    shell: Any = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    shell = shell if hasattr(shell, "kernel") else None
    values = shell.user_ns if shell else vars(sys.modules["__main__"])
    if shell:
        values.update(given_to(values["In"], values))
        check_each(values)
    if isinstance(values.get("profile"), str):
        values["profile"] = profile_from_here(values["profile"])
    return shell


def given_to(cells: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return name -> value of what papermill has given to a chapter, from its cells so far and what they have set.

    A list that ``-p`` handed on as text is a list again. Raises ``InputError`` for a parameter that the chapter does
    not declare.
    """
    added = next((number for number, cell in enumerate(cells) if cell.startswith(INJECTED)), 0)
    declared = {name: kind for cell in cells[:added] for name, kind in assigned(cell).items()}
    given = {}
    for name in assigned(cells[added]) if added else ():
        check_name(name, dict.fromkeys(declared, str), "papermill")
        text = isinstance(values[name], str) and declared[name].startswith("list")
        given[name] = list_of(values[name]) if text else values[name]
    return given


def list_of(text: str) -> Any:
    """Return the list that a text writes down, or the text if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def assigned(cell: str) -> dict[str, str]:
    """Return name -> annotated type, or nothing, of what a cell assigns at its top."""
    found: dict[str, str] = {}
    for node in ast.parse(cell).body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        kind = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ""
        found |= {target.id: kind for target in targets if isinstance(target, ast.Name)}
    return found


def profile_from_here(profile: str) -> str:
    """Return the name of a profile, or where it lies beside the package if this folder and those above have none."""
    here = [folder / "notebooks" / "profiles" / f"{profile}.yml" for folder in (Path.cwd(), *Path.cwd().parents)]
    away = SOURCE / "notebooks" / "profiles" / f"{profile}.yml"
    return profile if any(path.is_file() for path in here) or not away.is_file() else str(away)


def tracked(path: str) -> Path:
    """Return where a file or folder that the book tracks lies: in the project around, else beside the package."""
    here = project_path(path)
    return SOURCE / path if not here.exists() and (SOURCE / path).exists() else here
