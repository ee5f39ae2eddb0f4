"""What the benchmarks share: one thread, steps timed in turn, peak memory, and a table."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import json
import platform
import sys
import time
import tracemalloc
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # before any other package called helpers

import numpy as np

from ground.artifacts import check_writable, write_whole
from ground.commands import CommandLine, run_command


def medians_s(steps: dict[str, Callable], repeats: int = 11) -> dict[str, float]:
    """Median seconds of every step, all steps taken in turn, so that a busy machine slows all of them."""
    times = {name: [] for name in steps}
    for _ in range(repeats + 1):  # the first round fills caches
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    return {name: float(np.median(of[1:])) for name, of in times.items()}


def peak_mb(step: Callable) -> float:
    """Peak of what a step allocates, MB, with caches filled before."""
    step()
    tracemalloc.start()
    step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


def circumstances(*packages: str) -> dict:
    """Processor, threads, Python and versions of packages."""
    return {
        "processor": processor(),
        "cpus": os.cpu_count(),
        "threads": int(os.environ["OMP_NUM_THREADS"]),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
    }


def processor() -> str:
    """The processor's name where Linux tells it."""
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].split(":")[1].strip() if names else platform.processor() or platform.machine()


def table(rows: dict[str, str]) -> str:
    """Rows as lines of two columns."""
    return "\n".join(f"{name:44s}{value:>14s}" for name, value in rows.items())


def run(description: str, measure: Callable[[], dict], rows: Callable[[dict], dict[str, str]]) -> int:
    """Measure, print the table and, with ``--json PATH``, write the figures there; return the exit status."""
    parser = CommandLine(description=description)
    parser.add_argument("--json", metavar="PATH", help="also write the figures there")
    path = parser.parse_args().json
    return run_command(lambda: show(path, measure, lambda found: table(rows(found))))


def show(path: str | None, measure: Callable[[], dict], text: Callable[[dict], str]) -> None:
    """Measure, print the figures as text and, if there is a path, write them there."""
    if path:
        check_writable(path)
    found = measure()
    print(text(found))
    if path:
        write_whole(path, lambda temporary: temporary.write_text(json.dumps(found, indent=2) + "\n"))
