"""Whether one seed gives one result on any x86-64 processor: on this one, and on others that QEMU emulates.

``python benchmarks/processors.py [--record]`` takes a small study from echoes to probabilities on each kind of
processor: left to it, with NumPy kept to instructions that all have, and with torch kept to them, too. QEMU's user mode
(``qemu-x86_64``) executes every instruction of the other kind, and refuses those that it lacks. What it costs is
measured here, on the laptop's sizes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings

import common

from helpers import stages
from helpers.settings import Settings, load_settings

OF_NUMPY = {  # as chapter 8 tells: no kind of processor adds in an order of its own
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
}
OF_TORCH = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"}
WAYS = {"left to the processor": {}, "NumPy kept": OF_NUMPY, "NumPy and torch kept": OF_NUMPY | OF_TORCH}
EMULATED = "Haswell", "EPYC-Rome"
HERE = "here"
SIZES = {"n_patients": 12, "n_test": 3, "n_validation": 3, "overlap": 0.5, "epochs": 3, "processes": 1}
PROFILE, COSTS = "smoke", "laptop"


def settings_of(profile: str) -> Settings:
    """A profile with few patients."""
    return load_settings(profile, **SIZES, device="cpu")


def work(profile: str, folder: str) -> dict:
    """The study, in a process of its own: a digest of its images, and what the last model says of each patient."""
    from helpers.learning.training import train_model

    settings, begun = settings_of(profile), time.process_time()
    images, patients = stages.images(settings, folder), stages.cohort(settings, folder)
    start = time.process_time()
    trained = train_model(images, patients, "ran_core_margin", settings, folder)
    said = (trained / "predictions.csv").read_text().splitlines()[1:]
    return {
        "images": images.digest,
        "probability": [float(line.split(",")[4]) for line in said],
        "mapping": start - begun,
        "training": time.process_time() - start,
    }


def answered(processor: str, way: str, profile: str = PROFILE) -> dict:
    """What a process on one kind of processor answers, in one of ``WAYS``.

    The table of patients is drawn here, since QEMU 7.2 gets a sort of NumPy's wrong.
    """
    chosen = dict.fromkeys(OF_NUMPY | OF_TORCH, "") | WAYS[way]
    emulator = [] if processor == HERE else ["qemu-x86_64", "-cpu", processor]
    paths = os.pathsep.join([path for path in sys.path if path])
    with tempfile.TemporaryDirectory() as folder:
        stages.cohort(settings_of(profile), folder)
        command = [*emulator, os.path.realpath(sys.executable), __file__, "work", profile, folder]
        done = subprocess.run(command, env=os.environ | chosen | {"PYTHONPATH": paths}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {processor}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure() -> dict:
    """By how much other processors differ from this one, in each way, and what each way costs here."""
    if not shutil.which("qemu-x86_64"):
        sys.exit("error: qemu-x86_64 is not here; Debian's package qemu-user has it")
    costs = {way: answered(HERE, way, COSTS) for way in WAYS}
    return {"ways": {way: compared(way, costs) for way in WAYS}} | common.circumstances("numpy", "torch")


def compared(way: str, costs: dict[str, dict]) -> dict:
    """By kind, whether images are the same and how far a probability moves; and the time, 1 if left to itself."""
    here, left = answered(HERE, way), costs["left to the processor"]
    told = {"cost": {what: costs[way][what] / left[what] for what in ("mapping", "training")}}
    for name in EMULATED:
        one = answered(name, way)
        moved = [abs(a - b) for a, b in zip(one["probability"], here["probability"], strict=True)]
        told[name] = {"images": one["images"] == here["images"], "moved": max(moved)}
    return told


def rows(found: dict) -> dict[str, str]:
    """Images, the largest move of a probability, and the cost of each way."""
    told = {}
    for way, one in found["ways"].items():
        for name in EMULATED:
            told[f"{way}, {name}"] = f"{'same' if one[name]['images'] else 'other'} images, {one[name]['moved']:.1g}"
        told |= {f"{way}, time of {what}": f"{ratio:.2f}" for what, ratio in one["cost"].items()}
    return told


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["work"]:
        print(json.dumps(work(*sys.argv[2:])))
    else:
        sys.exit(common.run(__doc__, measure, rows))
