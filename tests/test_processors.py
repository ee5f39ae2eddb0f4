"""One seed, one result, on any x86-64 processor: on this one, and on one that QEMU emulates."""

import json
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


def test_the_chapter_tells_what_the_benchmark_measures(benchmark):
    told = (ROOT / "notebooks" / "08_training.py").read_text()
    for name, value in (benchmark.OF_NUMPY | benchmark.OF_TORCH).items():
        assert re.search(rf"\b{name}=\"?{value}\b", told), name


def test_kinds_of_processor_of_one_name_have_records_of_their_own(benchmark):
    """Wide and narrow vectors differ by a third in every ratio, and cloud machines of both are called the same."""
    wide, narrow = ({"processor": "AMD EPYC", "simd": ["X86_V2", last]} for last in ("AVX512_ICL", "X86_V3"))
    paths = [benchmark.common.record_path(found) for found in (wide, narrow, narrow | {"device": "NVIDIA H200"})]
    assert [path.parent.name for path in paths] == ["amd-epyc-avx512-icl", "amd-epyc-x86-v3", "nvidia-h200"]


def test_every_record_lies_where_its_processor_says(benchmark):
    for path in benchmark.common.RECORDS.glob("*/*.json"):
        assert benchmark.common.record_path(json.loads(path.read_text())).parent == path.parent, path


@pytest.mark.slow
@pytest.mark.skipif(not (X86 and shutil.which("qemu-x86_64")), reason="qemu-x86_64 is not here")
@pytest.mark.parametrize("kind", ["Haswell", "EPYC-Rome"])
def test_a_study_on_another_processor_is_the_same_to_the_last_bit(benchmark, kind):
    """Echoes, maps and images by their digest, and what a trained network says of each patient."""
    here, there = (benchmark.answered(where, "NumPy and torch kept") for where in (benchmark.HERE, kind))
    assert there["images"] == here["images"]
    assert there["probability"] == here["probability"]
