"""How a result came about: when, on what, with which code and which packages."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version

from ground.artifacts import project_path


def circumstances(packages: Iterable[str] = ()) -> dict:
    """Return time, commit, device, processor and Python of this run, and the versions of ``packages``."""
    told = {
        "time": now(),
        "commit": commit(),
        "device": device(),
        "processor": processor(),
        "python": platform.python_version(),
    }
    versions = {name: version(name) for name in packages}
    return told | ({"versions": versions} if versions else {})


def now() -> str:
    """Return the time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def commit() -> str:
    """Return the short commit of the project, ``+ changes`` when files differ from it, or 'unknown'."""
    git = ["git", "-C", str(project_path(".")), "describe", "--always", "--dirty=+ changes", "--exclude=*"]
    answer = subprocess.run(git, capture_output=True, text=True) if shutil.which("git") else None
    return answer.stdout.strip().replace("+", " +") if answer and answer.returncode == 0 else "unknown"


def device() -> str:
    """Return the name of the graphics card if the system shows one, else of the processor."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    if shutil.which(query[0]):
        names = subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
        if names:
            return names[0]
    return f"{os.cpu_count()} CPU cores ({platform.machine()})"


def processor() -> str:
    """Return the processor's name as the system tells it, else its kind."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
