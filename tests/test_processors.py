"""One seed, one result, on any x86-64 processor: on this one, and on one that QEMU emulates."""

import platform
import re
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
X86 = platform.machine().lower() in ("x86_64", "amd64")


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import processors

    yield processors
    sys.path.remove(str(ROOT / "benchmarks"))


def test_make_keeps_to_what_the_benchmark_measures(benchmark):
    """What NumPy reads before any line of ours; what torch reads stands in chapter 8."""
    of_make = dict(re.findall(r"^export (\w+) \?= (.+)$", (ROOT / "Makefile").read_text(), re.M))
    assert of_make == benchmark.OF_MAKE
    told = " ".join(f"{name}={value}" for name, value in benchmark.OF_TORCH.items())
    assert told in (ROOT / "notebooks" / "08_training.py").read_text()


@pytest.mark.slow
@pytest.mark.skipif(not (X86 and shutil.which("qemu-x86_64")), reason="qemu-x86_64 is not here")
@pytest.mark.parametrize("kind", ["Haswell", "EPYC-Rome"])
def test_a_study_on_another_processor_is_the_same_to_the_last_bit(benchmark, kind):
    """Echoes, maps and images by their digest, and what a trained network says of each patient."""
    here, there = (benchmark.answered(where, "make and torch") for where in (benchmark.HERE, kind))
    assert there["images"] == here["images"]
    assert there["probability"] == here["probability"]
