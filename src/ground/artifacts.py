"""Files that are written whole or not at all, sealed with a checksum, and made anew when they are damaged."""

import hashlib
import json
import mmap
import os
import platform
import re
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from ground.errors import InputError

SEAL = ".sha256"  # beside every artifact, in the form that ``sha256sum --check`` reads
TEMPORARY = re.compile(r"^\..+~(?P<host>[^~]+)~(?P<pid>\d+)~[0-9a-f]{32}(\.\w+)*$")


def keep(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Return the path of a sealed file, after ``write(temporary_path)`` has made it if it is not there, or damaged."""
    path = Path(path)
    if not is_sound(path):
        write_whole(path, write, seal=True)
    return path


def is_sound(path: Path) -> bool:
    """Tell whether a sealed file is there as it was written; one that is not is named in a warning and removed."""
    seal = path.with_name(path.name + SEAL)
    if not path.exists():
        return False
    if seal.exists() and seal.read_text().split(" ")[0] == file_digest(path):
        return True
    warnings.warn(f"{path}: not as it was written (its checksum differs); removed, to be made again", stacklevel=3)
    path.unlink()
    seal.unlink(missing_ok=True)
    return False


def write_whole(path: str | Path, write: Callable[[Path], object], seal: bool = False) -> Path:
    """Let ``write(temporary_path)`` make a file, then move it to ``path`` in one step, with its checksum beside it.

    A reader never sees half a file: an exception or a kill leaves ``path`` as it was. An ``OSError`` names ``path``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    name = f".{path.stem}~{platform.node() or 'here'}~{os.getpid()}~{uuid.uuid4().hex}{path.suffix}"
    temporary = path.with_name(name)
    try:
        write(temporary)
        if seal:
            told = f"{digest_of(temporary)}  {path.name}\n"
            write_whole(path.with_name(path.name + SEAL), lambda file: file.write_text(told))
        os.replace(temporary, path)
    except OSError as error:
        if error.errno and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    return path


def on_disk(parts: Iterable[np.ndarray], kind: np.dtype | type, shape: tuple[int, ...] = ()) -> np.ndarray:
    """Return parts of arrays (n, *shape) of one kind as one array, in a file without a name, not in memory.

    The file, in the folder for temporary ones (``TMPDIR``), ends with the array, or with the process.
    """
    with tempfile.TemporaryFile() as file:
        for part in parts:
            file.write(part.tobytes())
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0) if file.tell() else bytearray()
    return np.frombuffer(mapped, kind).reshape(-1, *shape)


def check_writable(path: str | Path) -> None:
    """Raise ``InputError`` for a path that no file can be written to, before there is something to write."""
    path = project_path(path)
    above = next(folder for folder in path.parents if folder.exists())
    if path.is_dir() or not above.is_dir() or not os.access(above, os.W_OK):
        raise InputError(f"{path}: cannot be written, expected the path of a file in a folder that may be changed")


def sweep(folder: Path) -> list[Path]:
    """Remove what processes of this machine left half-written when they were killed; return what was removed."""
    swept = []
    for path in folder.rglob(".*~*"):
        told = TEMPORARY.match(path.name)
        if told and told["host"] == (platform.node() or "here") and not is_running(int(told["pid"])):
            path.unlink(missing_ok=True)
            swept.append(path)
    return swept


def is_running(pid: int) -> bool:
    """Tell whether a process of this machine is alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


DIGESTS: dict[str, list] = {}  # path: size, times of change, digest


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file; one whose size and times of change are as before is not read again."""
    path = Path(path).resolve()
    state = path.stat()
    now = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
    known = DIGESTS.get(str(path))
    if known is None or known[:-1] != now:
        known = DIGESTS[str(path)] = [*now, digest_of(path)]
    return known[-1]


def recall_digests(path: Path) -> None:
    """Take over the digests that an earlier process stored; they hold as long as the files stay as they were."""
    try:
        known = json.loads(path.read_text()) if path.exists() else {}
    except ValueError:
        known = {}  # damaged notes are written anew; what they told is found again
    DIGESTS.update({name: digest for name, digest in known.items() if name not in DIGESTS})


def store_digests(path: Path) -> None:
    """Leave this process's digests in a file for the next one."""
    text = json.dumps(DIGESTS, indent=0)
    if not path.exists() or path.read_text() != text:
        write_whole(path, lambda temporary: temporary.write_text(text))


def home(path: str | Path) -> Path:
    """Return a path with ``~`` written out, where the system knows whose home it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def project_path(path: str | Path) -> Path:
    """Return an absolute path; a relative one counts from the nearest folder with a ``pyproject.toml``, ~ from home."""
    here = Path.cwd()
    root = next((folder for folder in [here, *here.parents] if (folder / "pyproject.toml").exists()), here)
    return root / home(path)  # an absolute one stays what it is
