"""Runs by name: the unnamed one is shown in ``_build/html``, a named one in ``_build/runs/NAME/html`` beside it."""

import difflib
import re
from pathlib import Path

from ground.errors import InputError

BUILD = Path("_build")
NAMED = "runs"  # folder of the named ones
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
BUILT = "built"  # the run that was rendered, and the digest of all that it was made from


def place(name: str) -> Path:
    """Return the folder of a run's pages within ``BUILD``; ``""`` is the unnamed run.

    Raises ``InputError`` for a name that is none, or that of a profile, by which the unnamed run goes.
    """
    if not name:
        return Path()
    if not NAME.fullmatch(name):
        raise InputError(f"RUN: {name!r}: expected a name of at most 40 letters, digits, - and _")
    if (Path("notebooks") / "profiles" / f"{name}.yml").exists():
        raise InputError(f"RUN: {name!r} is a profile, by whose name the unnamed run goes; expected another name")
    return Path(NAMED) / name


def rendered() -> dict[str, Path]:
    """Return name -> folder of every run whose pages are there; the unnamed one has the name of its profile."""
    noted = {path.parent.name: path for path in sorted(BUILD.glob(f"{NAMED}/*/{BUILT}"))}
    found = {name: Path(path.read_text().rpartition(" ")[0]) for name, path in noted.items()}
    if (BUILD / BUILT).exists():
        unnamed = Path((BUILD / BUILT).read_text().rpartition(" ")[0])
        found = {unnamed.name.rpartition("-")[0]: unnamed} | found
    return found


def folder_of(name: str) -> Path:
    """Return the folder of a run that was rendered. Raises ``InputError`` for a name that none has."""
    there = rendered()
    if name not in there:
        near = difflib.get_close_matches(name, there, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(map(repr, there)) or 'none'}"
        raise InputError(f"RUNS: {name!r}: no such run has been rendered, {hint}; make book RUN={name} makes it")
    return there[name]
