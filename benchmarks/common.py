"""What the benchmarks share: one thread, steps timed in turn, peak memory, a table, and a record per processor.

Ratios are of processor time, which other work on the machine lengthens least; the clock's time stands beside it.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import ctypes
import json
import platform
import re
import sys
import time
import tracemalloc
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # before any other package called helpers

import numpy as np
from threadpoolctl import threadpool_info

from ground.artifacts import check_writable, write_whole
from ground.commands import CommandLine, run_command

RECORDS = Path(__file__).resolve().parents[1] / "results" / "benchmarks"


def medians_s(steps: dict[str, Callable], repeats: int = 11) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds of every step on the clock and of the processor, all taken in turn: a busy machine slows all."""
    keep_memory()
    times = {name: [] for name in steps}
    for _ in range(repeats + 1):  # the first round fills caches
        for name, step in steps.items():
            start = time.perf_counter(), time.process_time()
            step()
            times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    medians = {name: np.median(of[1:], axis=0).tolist() for name, of in times.items()}
    return {name: of[0] for name, of in medians.items()}, {name: of[1] for name, of in medians.items()}


def keep_memory() -> None:
    """Let glibc keep what is freed, as it does where one plane is mapped after the other.

    Else a step may pay for pages that another one gave back to the system.
    """
    if platform.libc_ver()[0] == "glibc":
        for option, n_bytes in ((-1, 1 << 28), (-3, 1 << 26)):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
            ctypes.CDLL(None).mallopt(option, n_bytes)


def peak_mb(step: Callable) -> float:
    """Peak of what a step allocates, MB, with caches filled before."""
    step()
    tracemalloc.start()
    step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


def circumstances(*packages: str) -> dict:
    """Processor with its vector instructions, threads, load (1, 5 and 15 minutes), BLAS and versions of packages."""
    simd = np.show_config(mode="dicts").get("SIMD Extensions", {})
    told = ("internal_api", "version", "architecture", "num_threads")
    return {
        "processor": processor(),
        "simd": [*simd.get("baseline", []), *simd.get("found", [])],
        "cpus": os.cpu_count(),
        "threads": int(os.environ["OMP_NUM_THREADS"]),
        "load": list(os.getloadavg()),
        "blas": [{name: of.get(name) for name in told} for of in threadpool_info() if of["user_api"] == "blas"],
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


def command_line(description: str) -> CommandLine:
    """The words that every benchmark takes."""
    parser = CommandLine(description=description)
    parser.add_argument("--json", metavar="PATH", help="also write the figures there")
    parser.add_argument("--record", action="store_true", help="also keep them in results/benchmarks, by processor")
    return parser


def run(description: str, measure: Callable[[], dict], rows: Callable[[dict], dict[str, str]]) -> int:
    """Measure, print the table, write the figures where it is asked; return the exit status."""
    options = command_line(description).parse_args()
    return run_command(lambda: show(options, measure, lambda found: table(rows(found))))


def show(options: argparse.Namespace, measure: Callable[[], dict], text: Callable[[dict], str]) -> None:
    """Measure, print the figures as text and write them where ``--json`` and ``--record`` ask for it."""
    if options.json:
        check_writable(options.json)
    found = measure()
    print(text(found))
    for path in [options.json] * bool(options.json) + [record_path(found)] * options.record:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda temporary: temporary.write_text(json.dumps(found, indent=2) + "\n"))


def record_path(found: dict) -> Path:
    """Where this benchmark's record of this kind of processor, or of graphics card, is kept.

    One name stands for several kinds, so the widest of a processor's vector instructions is named with it.
    """
    device = found.get("device", "cpu")
    kind = " ".join([found["processor"], *found["simd"][-1:]]) if "cpu" in device.lower() else device
    return RECORDS / re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-") / f"{Path(sys.argv[0]).stem}.json"
