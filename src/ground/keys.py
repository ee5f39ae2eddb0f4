"""Keys: what a result depends on, in twelve hex digits: parameters, data, and all code that its module imports.

>>> content_key({"image_px": 64}, code=["helpers.learning.images"])  # doctest: +SKIP
'3f0c4a6be1d2'
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel

# whose source counts; the lock file pins all else
PROJECT = ("ground", "helpers", "entry", "recorded", "physics", "beyond", "pages", "trust", "reading")


def content_key(*parts: Any, code: Iterable[str] = (), alone: Iterable[str] = ()) -> str:
    """Return 12 hex digits that change with any part, and with the code it was made by.

    ``parts`` are tables, sections of the settings, or what JSON can hold. ``code`` names modules that count with
    all they import, ``alone`` modules that count by themselves.
    """
    digest = hashlib.sha256(json.dumps([plain(part) for part in parts], sort_keys=True).encode())
    for name in sorted(closure(*code) | set(alone)):
        digest.update(code_digest(name).encode())
    return digest.hexdigest()[:12]


def plain(part: Any) -> Any:
    """Return a part of a key as JSON can hold it; a table by its text, which names columns and rows."""
    if isinstance(part, BaseModel):
        return part.model_dump()
    if hasattr(part, "to_csv"):  # pandas itself is not needed here, and takes half a second to load
        return part.to_csv()
    return part


def closure(*names: str) -> set[str]:
    """Return the names of the project's modules that these import, directly or through one another, with these."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imports_of(name)
    return found


@cache
def imports_of(name: str) -> frozenset[str]:
    """Return the project's modules that one module imports by itself, wherever the statement stands."""
    return imported_by(source_path(name).read_text())


def imported_by(source: str) -> frozenset[str]:
    """Return the project's modules named in the import statements of a source text.

    What only a type checker imports does not count. A name that a part's face hands on stands for its module.
    """
    found = set()
    for node in statements(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {module_of(node.module, alias.name) for alias in node.names}
    return frozenset(name for name in found if name.split(".")[0] in PROJECT)


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below a node but those in ``if TYPE_CHECKING:``."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from statements(child)


def module_of(package: str, name: str) -> str:
    """Return the module that ``from package import name`` reads: a submodule, one behind the face, or the package."""
    if package.split(".")[0] not in PROJECT or source_path(package).name != "__init__.py":
        return package
    folder = source_path(package).parent
    if (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists():
        return f"{package}.{name}"
    face = folder / "__init__.pyi"
    for node in ast.parse(face.read_text()).body if face.exists() else []:
        if isinstance(node, ast.ImportFrom) and name in {alias.asname or alias.name for alias in node.names}:
            return f"{package}.{node.module}"
    return package


@cache
def source_path(name: str) -> Path:
    """Return the source file of a module of the project. Raises ``ModuleNotFoundError`` when there is none."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{name}: no source file of this name in {PROJECT}")
    return Path(spec.origin)


@cache
def code_digest(name: str) -> str:
    """Return the digest of a module's code as this process first saw it; comments and docstrings do not count."""
    tree = ast.parse(source_path(name).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
