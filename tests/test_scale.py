"""Cohorts of any size: what is needed grows with a plane, a batch or a table, not with all planes at once."""

import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from tiny import study

from ground.artifacts import on_disk
from ground.parallel import in_processes
from helpers.learning.images import ImageSet, collect
from helpers.learning.training import learning_planes
from helpers.maps.parametric import FIELDS, ParametricMaps
from helpers.maps.planes import MappedPlane

FEW, MANY, N_PX = 30, 300, 64
GROWTH = 4 * 4 * N_PX**2 * (MANY - FEW)  # bytes of the images that many have more than few


def peak(work):
    """The most that was allocated while it worked, beyond what was there, in bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def mapped(n_planes):
    """Planes of one tumour, one after the other."""
    depth_mm, lateral_mm = np.arange(40) / 4, np.arange(30) / 4
    core = np.zeros((40, 30), bool)
    core[10:30, 8:20] = True
    for index in range(n_planes):
        maps = {name: np.full((40, 30), float(index), np.float32) for name in FIELDS}
        yield (
            f"P{index // 3:04d}",
            index % 3,
            MappedPlane(
                ParametricMaps(**maps, depth_mm=depth_mm, lateral_mm=lateral_mm, band_mhz=(3.0, 8.0)), core, ~core
            ),
        )


def stored(folder, n_planes):
    """Images of a study of so many planes, in a file, and its patients."""
    images, patients = study(n_planes // 2, N_PX)
    images.save(folder / f"{n_planes}.npy")
    return ImageSet.load(folder / f"{n_planes}.npy"), patients


def test_images_are_collected_and_kept_by_plane(tmp_path):
    few, many = (peak(lambda n=n: collect(mapped(n), N_PX, 12.0).save(tmp_path / f"{n}.npy")) for n in (FEW, MANY))
    assert many - few < 0.05 * GROWTH
    images = ImageSet.load(tmp_path / f"{MANY}.npy")
    assert (np.nanmax(images.maps, (1, 2, 3)) == np.arange(MANY)).all()


def test_planes_are_scaled_one_by_one(tmp_path):
    """What is handed to a network on a CPU lies on disk; torch's own tensors are none here but the labels."""
    of = {n: stored(tmp_path, n) for n in (FEW, MANY)}
    few, many = (peak(lambda n=n: learning_planes(*of[n], 1.0, "core", torch.device("cpu"))) for n in of)
    assert many - few < 0.05 * GROWTH
    assert peak(lambda: of[MANY][0].digest) < 0.05 * GROWTH


def test_what_is_changed_in_memory_leaves_the_file_alone(tmp_path):
    images, _ = stored(tmp_path, FEW)
    images.maps[:] = 0
    again = ImageSet.load(tmp_path / f"{FEW}.npy")
    assert np.nanmax(again.maps) > 0
    assert again.digest != images.digest


def test_the_same_images_are_the_same_file(tmp_path):
    images, _ = study(15)
    images = replace(images, patient=np.char.add(images.patient.astype(str), "long"))
    images.save(tmp_path / "one.npy")
    ImageSet.load(tmp_path / "one.npy").save(tmp_path / "two.npy")
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()


def test_an_array_on_disk_holds_its_parts_and_can_be_empty():
    parts = [np.arange(6).reshape(2, 3), np.arange(3).reshape(1, 3)]
    np.testing.assert_array_equal(on_disk(parts, int, (3,)), np.concatenate(parts))
    assert on_disk([], np.float32, (4, 5)).shape == (0, 4, 5)


def file_behind(array):
    """The file that an array is mapped from, if it is mapped."""
    while array is not None and not hasattr(array, "filename"):
        array = array.base
    return None if array is None else str(array.filename)


def test_processes_open_the_images_by_their_path(tmp_path):
    images, _ = stored(tmp_path, MANY)
    told = in_processes(lambda one: [file_behind(a) for a in (one.maps, one.core)] + [one.digest], [images] * 2, 2, "")
    assert told == [[str(tmp_path / f"{MANY}.npy")] * 2 + [images.digest]] * 2


# --- tables are read once

COUNTS = """
import atexit, json, os, sys
opened = {}
def look(event, given):
    name = os.path.basename(str(given[0])) if event == "open" else ""
    if name in ("planes.csv", "patients.csv"):
        opened[name] = opened.get(name, 0) + 1
        with open(os.environ["OPENED"], "a") as file:
            file.write(f"{os.getpid()} {name}\\n")
sys.addaudithook(look)
"""
WORK = """
import json, os, sys
from functools import partial
from pathlib import Path
import jobs, pandas as pd
from ground import artifacts
from ground.artifacts import keep
from ground.parallel import in_processes
from helpers import stages
from helpers.maps.planes import write_maps
from helpers.settings import load_settings
from recorded import cohort

folder, *works = sys.argv[1:]
settings = load_settings("smoke", cohort=folder, n_test=4, n_validation=4)
made = folder + "-artifacts"
row = pd.DataFrame([{"patient": "P", "plane": 0, "region": "core"}])
def stage():
    for path in stages.map_files(settings, made).values():
        keep(path, lambda path: write_maps(path, [], row))
    stages.maps(settings, made), stages.cohort(settings, made), stages.fields_of_images(settings)
    stages.models_folder(settings, made)
    given = stages.records(settings, made)
    one = partial(stages.map_patient, settings=settings, artifacts=made)
    in_processes(one, list(given.items()), 2, "in processes of their own")
def records():
    jobs.write_records(settings, made, made + "/records")
def patients():
    for path in Path(made, "records").iterdir():
        forget()  # as in a process of its own
        jobs.map_patient(settings, made, path.stem, path)
def forget():
    cohort.tables_as_of.cache_clear(), artifacts.DIGESTS.clear()
for work in works:
    forget()
    os.environ["OPENED"] = f"{folder}-{work}.log"
    globals()[work]()
"""


def listed(folder, n_patients):
    """A recorded cohort of so many patients: its tables, and files of a few letters."""
    folder.mkdir()
    names = [f"{i:04d}" for i in range(n_patients)]
    for name in names:
        (folder / f"{name}.rf").write_text(name)
    for name in ("outline.csv", "phantom.rf", "backscatter.csv"):
        (folder / name).write_text(name)
    people = {"patient": names, "responder": [i % 2 for i in range(n_patients)], "duration_years": 1.5, "recurrence": 0}
    pd.DataFrame(people).to_csv(folder / "patients.csv", index=False)
    lines = {
        "patient": names,
        "plane": 1,
        "frame": 0,
        "line_pitch_mm": 0.3,
        "rf_file": [f"{one}.rf" for one in names],
        "outline_file": "outline.csv",
        "reference_file": "phantom.rf",
        "reference_line_pitch_mm": 0.3,
        "reference_sound_speed_m_s": 1540,
        "reference_attenuation_db_cm_mhz": 0.5,
        "reference_backscatter_file": "backscatter.csv",
    }
    pd.DataFrame(lines).to_csv(folder / "planes.csv", index=False)


def opened(tmp_path, folder, works):
    """How often each process opened a table in each of these works: the counts of the processes that opened any."""
    (tmp_path / "sitecustomize.py").write_text(COUNTS)
    logs = [folder.with_name(f"{folder.name}-{work}.log") for work in ("loading", *works)]
    for log in logs:
        log.touch()
    paths = os.pathsep.join([str(tmp_path), "book", "src"])
    given = os.environ | {"PYTHONPATH": paths, "OPENED": str(logs[0])}
    subprocess.run([sys.executable, "-c", WORK, str(folder), *works], env=given, check=True)
    read = [pd.read_csv(log, sep=" ", names=["process", "table"]) for log in logs[1:]]
    return [table.groupby("process")["table"].value_counts() for table in read]


@pytest.mark.parametrize("n_patients", [20, 200])
def test_a_stage_reads_its_tables_once_and_no_worker_or_job_of_a_patient_does(tmp_path, n_patients):
    """Once for their digest, once for their cells, once for how they are written; whatever the number of patients."""
    listed(tmp_path / "cohort", n_patients)
    for found in opened(tmp_path, tmp_path / "cohort", ["stage", "records"]):
        assert len(found) == 2  # by one process, two tables
        assert found.max() == 3
    assert len(list((tmp_path / "cohort-artifacts" / "records").iterdir())) == n_patients
    assert opened(tmp_path, tmp_path / "cohort", ["patients"])[0].empty


@pytest.mark.parametrize("processes", [1, 2])
def test_work_has_one_blas_thread_in_however_many_processes(processes):
    """A sum that threads share is rounded otherwise, so that results would follow the number of processes."""

    def threads(_):
        np.ones((2, 2)) @ np.ones((2, 2))
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        assert in_processes(threads, range(2), processes, "work") == [{1}, {1}]
