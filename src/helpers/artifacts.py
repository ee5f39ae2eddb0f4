"""Files that are written whole or not at all, named after what they depend on."""

import hashlib
import inspect
import json
import os
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType


def content_key(parameters: Mapping, *modules: ModuleType) -> str:
    """Return 12 hex digits that change when a parameter or the source of a module changes."""
    digest = hashlib.sha256(json.dumps(dict(parameters), sort_keys=True).encode())
    for module in modules:
        digest.update(source_of(module).encode())
    return digest.hexdigest()[:12]


@cache
def source_of(module: ModuleType) -> str:
    """Source of a module as this process first saw it: an edit during a run does not change the run's keys."""
    return inspect.getsource(module)


def write_whole(path: str | Path, write: Callable[[Path], None]) -> Path:
    """Let ``write(temporary_path)`` make a file, then move it to ``path`` in one step.

    A reader never sees half a file: an exception or a kill leaves ``path`` as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def project_path(path: str | Path) -> Path:
    """Return an absolute path; a relative one counts from the nearest folder with a ``pyproject.toml``."""
    path = Path(path)
    if path.is_absolute():
        return path
    here = Path.cwd()
    root = next((folder for folder in [here, *here.parents] if (folder / "pyproject.toml").exists()), here)
    return root / path
