"""Memory that the stage of images and the training of one model need, for 200 and for 2,000 patients.

``python benchmarks/memory.py [--json PATH]``, on Linux: the smoke profile; the maps of one simulated patient stand
under the ids of all, so that nothing else is mapped. Each figure is the peak of a process of its own, of what is its
own alone (``RssAnon`` of the kernel, looked at every 5 ms): pages of files that are mapped are the system's to drop.
"""

import multiprocessing
import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import common

from ground.artifacts import keep
from helpers import stages
from helpers.settings import Settings, load_settings

FEW, MANY = 200, 2000


def settings_of(n_patients: int) -> Settings:
    """The smoke profile with so many patients, trained for a moment."""
    fifth = n_patients // 5
    sizes = {"n_patients": n_patients, "n_test": fifth, "n_validation": fifth}
    return load_settings("smoke", **sizes, processes=1, device="cpu", epochs=1, head_epochs=1)


def fill(settings: Settings, artifacts: str) -> None:
    """Put the maps of the first patient in place for all."""
    names = list(stages.cohort(settings, artifacts).index)
    record = stages.records(settings, artifacts, names[0])[names[0]]
    whole = stages.map_patient((names[0], record), settings, artifacts).read_bytes()
    for path in stages.map_files(settings, artifacts).values():
        keep(path, lambda temporary: temporary.write_bytes(whole))


def images(settings: Settings, artifacts: str) -> None:
    """The stage of images."""
    stages.images(settings, artifacts)


def training(settings: Settings, artifacts: str) -> None:
    """One model, from images that are there."""
    from helpers.learning.training import train_model

    given = stages.images(settings, artifacts), stages.cohort(settings, artifacts)
    train_model(*given, "resnet_core", settings, stages.models_folder(settings, artifacts))


def own_kb() -> int:
    """Memory of this process that no file stands behind, kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("RssAnon")))


def watched(work: Callable, n_patients: int, artifacts: str) -> float:
    """The most own memory while a process of its own works, MB."""
    warnings.filterwarnings("ignore")
    peak = [0]

    def watch() -> None:
        while True:
            peak[0] = max(peak[0], own_kb())
            time.sleep(0.005)

    threading.Thread(target=watch, daemon=True).start()
    work(settings_of(n_patients), artifacts)
    return peak[0] / 1e3


def measure() -> dict:
    """Peaks by what was done and for how many patients."""
    if not Path("/proc/self/status").exists():
        sys.exit("error: memory is told by Linux alone")
    found = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        for n_patients in (FEW, MANY):
            artifacts = f"{folder}/{n_patients}"
            for work in (fill, images, training):
                with multiprocessing.get_context("spawn").Pool(1) as alone:
                    found[f"{work.__name__}, {n_patients:,} patients"] = alone.apply(
                        watched, (work, n_patients, artifacts)
                    )
    return found | common.circumstances("numpy", "torch")


def rows(found: dict) -> dict[str, str]:
    """Megabytes of each stage, and how much more many patients need."""
    told = {name: f"{value:.0f} MB" for name, value in found.items() if "patients" in name and "fill" not in name}
    for work in ("images", "training"):
        few, many = (found[f"{work}, {n:,} patients"] for n in (FEW, MANY))
        told[f"{work}, growth"] = f"{100 * (many / few - 1):+.0f} %"
    return told


if __name__ == "__main__":
    sys.exit(common.run(__doc__, measure, rows))
