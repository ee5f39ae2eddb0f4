"""Whether one seed gives one result on any x86-64 processor: on this one, and on others that QEMU emulates.

``python benchmarks/processors.py [--record]`` takes a small study from echoes to probabilities, the laptop's networks
on twelve patients, on each kind of processor: as ``make`` has it computed, and left to the processor. QEMU's user mode
(``qemu-x86_64``) executes every instruction of the other kind, and refuses those that it lacks.
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

# As the Makefile and ``helpers.learning.fitting`` set them: no kind of processor adds in an order of its own.
ON_EVERY_PROCESSOR = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
}
EMULATED = "Haswell", "Skylake-Server", "EPYC-Rome"
HERE = "here"
SIZES = {"n_patients": 12, "n_test": 3, "n_validation": 3, "overlap": 0.5, "epochs": 3, "processes": 1}


def work() -> dict:
    """The study, in a process of its own: a digest of its images, and what the last model says of each patient."""
    from helpers import stages
    from helpers.learning.training import train_model
    from helpers.settings import load_settings

    settings = load_settings("laptop", **SIZES, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        images, patients = stages.images(settings, folder), stages.cohort(settings, folder)
        start = time.process_time()
        trained = train_model(images, patients, "ran_core_margin", settings, folder)
        said = (trained / "predictions.csv").read_text().splitlines()[1:]
    return {
        "images": images.digest,
        "probability": [float(line.split(",")[4]) for line in said],
        "seconds": time.process_time() - start,
    }


def answered(processor: str, same: bool) -> dict:
    """What a process on one kind of processor answers: as on every processor, or as this kind does it by itself."""
    chosen = ON_EVERY_PROCESSOR if same else dict.fromkeys(ON_EVERY_PROCESSOR, "")
    emulator = [] if processor == HERE else ["qemu-x86_64", "-cpu", processor]
    paths = os.pathsep.join([path for path in sys.path if path])
    command = [*emulator, os.path.realpath(sys.executable), __file__, "work"]
    done = subprocess.run(command, env=os.environ | chosen | {"PYTHONPATH": paths}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {processor}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure() -> dict:
    """Whether images and probabilities agree with those of this processor, by kind, and what the agreement costs."""
    if not shutil.which("qemu-x86_64"):
        sys.exit("error: qemu-x86_64 is not here; Debian's package qemu-user has it")
    found = {same: {name: answered(name, same) for name in (HERE, *EMULATED)} for same in (True, False)}
    told = {}
    for same, answers in found.items():
        here = answers.pop(HERE)
        told["same" if same else "left to the processor"] = {
            name: {
                "images": one["images"] == here["images"],
                "moved": max(abs(a - b) for a, b in zip(one["probability"], here["probability"], strict=True)),
            }
            for name, one in answers.items()
        }
        told["seconds"] = told.get("seconds", []) + [here["seconds"]]
    return told | common.circumstances("numpy", "torch")


def rows(found: dict) -> dict[str, str]:
    """Whether each kind agrees, to the last bit or by how much not, and the cost."""
    told = {
        f"{name}, {how}": f"{'same' if one['images'] else 'other'} images, {one['moved']:.1g}"
        for how in ("same", "left to the processor")
        for name, one in found[how].items()
    }
    return told | {"training, same / left": f"{found['seconds'][0] / found['seconds'][1]:.2f}"}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:] == ["work"]:
        print(json.dumps(work()))
    else:
        sys.exit(common.run(__doc__, measure, rows))
