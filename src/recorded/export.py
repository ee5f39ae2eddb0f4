"""Export: simulated patients written as recordings, in the contract of ``data/README.md``.

What is read back gives the maps of the simulation: samples are whole numbers, lengths are written to the last
digit, and the phantom's backscatter stands at the very frequencies of the fits. The truth stays behind.
"""

import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ground.errors import InputError
from ground.parallel import in_processes
from helpers.data.phantom import ATTENUATION_DB_CM_MHZ, SOUND_SPEED_M_S, bead_backscatter
from helpers.data.rf import HEADER, write_rf
from helpers.data.simulation import System, simulated, system_of
from helpers.data.study import ECHO_COLUMNS
from helpers.settings import Maps, Settings

REQUIRED = ("responder", "duration_years", "recurrence")
CLINIC = ("mr_score", "age_years", "initial_size_cm", "residual_size_cm", "histology", "grade", "treatment")
RECEPTORS = ("er", "pr", "her2")
FOCI = ("focus_mm", "reference_focus_mm")
BACKSCATTER_FILE = "phantom/backscatter.csv"


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient to be written: what her echoes follow from, her new name, her scanner, how many planes."""

    echoes: pd.Series
    name: str
    system: System
    n_planes: int


@dataclass(frozen=True, eq=False)
class Plan:
    """What will be written: the table of patients, and each patient with her scanner."""

    table: pd.DataFrame  # as in patients.csv
    patients: list[Patient]
    settings: Settings
    degraded: bool

    @property
    def n_bytes(self) -> int:
        """Size of all recordings; outlines and tables are small beside them."""
        n_frames = self.settings.scan.n_reference_frames
        planes = sum(one.n_planes * (HEADER.itemsize + frame_bytes(one.system)) for one in self.patients)
        phantoms = {one.system for one in self.patients}
        return planes + sum(HEADER.itemsize + n_frames * frame_bytes(system) for system in phantoms)

    def __str__(self) -> str:
        n_planes = sum(one.n_planes for one in self.patients)
        return f"{len(self.patients)} patients, {n_planes} planes, {self.n_bytes / 1e6:,.0f} MB"


def frame_bytes(system: System) -> int:
    """Size of one frame of 16-bit samples."""
    return 2 * system.n_samples * system.n_lines


def plan(
    patients: pd.DataFrame,
    settings: Settings,
    first_id: str = "E001",
    n_patients: int | None = None,
    degraded: bool = False,
) -> Plan:
    """Plan the export of simulated patients, as ``stages.cohort`` draws them, or of the first ``n_patients`` of them.

    They are named after ``first_id`` and counted up (``BR-07``, ``BR-08``, ...), not as they were drawn, so that a page
    on which a drawn one stands tells nothing of an exported one. Part of a cohort has no split of its
    own: the book draws one. ``degraded`` is what a laboratory may bring at worst: two planes a patient, every second
    patient on a scanner with other pitch, lines and depth, no backscatter of the phantom, required columns only.
    Raises ``InputError``.
    """
    if not settings.study.simulated:
        raise InputError(f"cohort = {settings.study.cohort!r}: expected 'simulated', the one cohort that is exported")
    if n_patients is not None and not 1 <= n_patients <= len(patients):
        raise InputError(f"patients = {n_patients}, expected 1 to {len(patients)}, as many as are drawn")
    chosen = patients.iloc[:n_patients]
    names = counted_up(first_id, len(chosen))
    split = ("split",) if len(chosen) == len(patients) and not degraded else ()
    columns = REQUIRED if degraded else (*REQUIRED, *CLINIC, *RECEPTORS)
    table = chosen[[*columns, *split]].set_axis(pd.Index(names, name="patient"))
    numbered = enumerate(zip(chosen.index, names, strict=True))
    planned = [patient_of(chosen.loc[old], new, i, settings, degraded) for i, (old, new) in numbered]
    return Plan(table, planned, settings, degraded)


def counted_up(first_id: str, n: int) -> list[str]:
    """Names of ``n`` patients from the first one on, its number counted up in as many digits."""
    told = re.fullmatch(r"([A-Za-z0-9_-]*?)(\d+)", first_id)
    if told is None:
        raise InputError(f"id = {first_id!r}, expected letters, digits, - and _ with a number at the end")
    return [f"{told[1]}{int(told[2]) + i:0{len(told[2])}d}" for i in range(n)]


def patient_of(row: pd.Series, name: str, number: int, settings: Settings, degraded: bool) -> Patient:
    """One patient of the plan, on the study's scanner or, every second one of a degraded cohort, on another."""
    system = system_of(row, settings.scan.n_lines, settings.scan.depth_cm, settings.scan.noise_db)
    if degraded and number % 2:
        system = replace(system, n_lines=7 * system.n_lines // 8 | 1, depth_mm=0.97 * system.depth_mm)
    n_planes = min(int(row["n_planes"]), 2) if degraded else int(row["n_planes"])
    return Patient(row[list(ECHO_COLUMNS)], name, system, n_planes)


def new_folder(folder: str | Path, n_bytes: int) -> Path:
    """Return where a cohort can be written. Raises ``InputError`` unless it is new or empty and has room."""
    path = Path(folder).expanduser()
    if not str(folder).strip():
        raise InputError("TO = '', expected a folder to write to")
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path}: there is something already, expected a folder that is new or empty")
    above = next(parent for parent in path.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(above).free
    if free < 1.05 * n_bytes:
        raise InputError(f"{path}: {free / 1e6:,.0f} MB are free, expected room for {n_bytes / 1e6:,.0f} MB")
    return path


def write(planned: Plan, folder: str | Path) -> Path:
    """Write a plan to a new folder, whole or not at all. Raises ``InputError`` as ``new_folder`` does."""
    path = new_folder(folder, planned.n_bytes)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}~", dir=path.parent) as temporary:
        whole = Path(temporary) / path.name
        write_files(planned, whole)
        whole.replace(path)
    return path


def write_files(planned: Plan, folder: Path) -> None:
    """Write recordings, outlines, phantoms and both tables."""
    for name in ("rf", "outlines", "phantom"):
        (folder / name).mkdir(parents=True)
    settings = planned.settings
    one = partial(write_patient, settings=settings, folder=folder)
    done = in_processes(one, planned.patients, settings.computing.processes, "patients written")
    rows = [row for of_one in done for row in of_one]
    planes = pd.DataFrame(rows).assign(reference_backscatter_file="" if planned.degraded else BACKSCATTER_FILE)
    planes = planes.drop(columns=list(FOCI)) if planned.degraded else planes
    planes.to_csv(folder / "planes.csv", index=False)
    planned.table.to_csv(folder / "patients.csv")
    if not planned.degraded:
        backscatter_table(settings.maps).to_csv(folder / BACKSCATTER_FILE, index=False)


def write_patient(patient: Patient, settings: Settings, folder: Path) -> list[dict[str, object]]:
    """Write the planes of one patient with their outlines and phantoms; return her lines of ``planes.csv``."""
    scan, system, rows = settings.scan, patient.system, []
    sizes = scan.n_lines, scan.depth_cm, scan.n_reference_frames, settings.study.cohort_seed
    for index in range(patient.n_planes):
        acquired = simulated(patient.echoes, index, *sizes, system=system)
        files = files_of_plane(patient, index)
        write_rf(folder / files["rf_file"], [acquired.plane])
        outline = pd.DataFrame(acquired.outline_mm, columns=["lateral_mm", "depth_mm"])
        outline.to_csv(folder / files["outline_file"], index=False)
        if not (folder / files["reference_file"]).exists():
            write_rf(folder / files["reference_file"], list(acquired.reference.planes))
        rows.append({"patient": patient.name, "plane": index + 1, "frame": 0} | files | scanned(system))
    return rows


def files_of_plane(patient: Patient, index: int) -> dict[str, str]:
    """Names of the files of one plane; patients scanned alike share the phantom that is named after the settings."""
    name, system = f"{patient.name}-plane-{index + 1}", patient.system
    phantom = f"{system.n_lines}-lines-{system.depth_mm:g}-mm-focus-{system.focus_mm:g}-mm"
    return {
        "rf_file": f"rf/{name}.rf",
        "outline_file": f"outlines/{name}.csv",
        "reference_file": f"phantom/{phantom}.rf",
    }


def scanned(system: System) -> dict[str, float]:
    """What ``planes.csv`` tells of a scanner and of the phantom under it."""
    return {
        "line_pitch_mm": system.line_pitch_mm,
        "reference_line_pitch_mm": system.line_pitch_mm,
        "reference_sound_speed_m_s": SOUND_SPEED_M_S,
        "reference_attenuation_db_cm_mhz": ATTENUATION_DB_CM_MHZ,
        "focus_mm": system.focus_mm,
        "reference_focus_mm": system.focus_mm,
    }


def backscatter_table(maps: Maps) -> pd.DataFrame:
    """The phantom's backscatter, 1 to 15 MHz; the frequencies of the fits are among them: none is interpolated."""
    fits_hz = 1e6 * np.linspace(*maps.band, maps.n_bins) if maps.band else np.array([])
    steps_hz = 1e6 * np.linspace(1, 15, 281)
    between = [hz for hz in steps_hz if not np.isclose(hz, fits_hz, rtol=1e-9).any()]
    parts = [(hz / 1e6, bead_backscatter(hz)) for hz in (np.array(between), fits_hz) if len(hz)]
    frequency_mhz, bsc = (np.concatenate(column) for column in zip(*parts, strict=True))
    return pd.DataFrame({"frequency_mhz": frequency_mhz, "bsc_per_cm_sr": bsc}).sort_values("frequency_mhz")
