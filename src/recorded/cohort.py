"""A recorded cohort: its tables, the files they name, and its planes when asked for.

``data/README.md`` describes the folder.
"""

import difflib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ground.artifacts import file_digest, project_path
from ground.errors import InputError
from helpers.data.acquisition import Acquisition
from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane
from recorded.contract import PATIENTS, PLANES, TRUE, Fault, checked, refuse, row_name
from recorded.files import Backscatter, read_backscatter, read_outline
from recorded.readers import read_planes
from recorded.tables import Habit, read_table, read_text, separator_of

RECORDED_COLUMNS = tuple(name for name, field in PLANES.items() if field.column)
FILE_COLUMNS = ("rf_file", "outline_file", "other_outline_files", "reference_file", "reference_backscatter_file")
TABLES = {"patients": ("patients.csv", "patients.tsv", "participants.tsv"), "planes": ("planes.csv", "planes.tsv")}
BIDS = {"participant_id": "patient", "age": "age_years"}  # its own names; "n/a" is empty, "sub-" no part of an id
LIKE: dict[str, Callable[[RFPlane], Any]] = {  # files of one phantom are alike in
    "samples and lines": lambda plane: plane.samples.shape,
    "sampling_rate_hz": lambda plane: plane.sampling_rate_hz,
    "line_pitch_mm": lambda plane: plane.line_pitch_mm,
    "header": lambda plane: dict(plane.header),
}
LONGEST_NAME = 255  # bytes, of most file systems
RESPONDING = 3  # lowest modified response of a responder


@dataclass(frozen=True, eq=False)
class Tables:
    """Both tables of a cohort with their values, and all that is not as the contract says."""

    patients: pd.DataFrame  # indexed by patient
    listing: pd.DataFrame  # a row per plane, indexed by its line in the file
    faults: list[Fault]
    unread: list[str]  # columns that the contract does not know
    habits: list[str]  # how what is written otherwise was read


def table_path(folder: Path, kind: str) -> Path:
    """The file that holds the patients or the planes. Raises ``InputError`` naming the folder and what is expected."""
    if not folder.is_dir():
        near = difflib.get_close_matches(folder.name, sorted(path.name for path in folder.parent.glob("*/")), n=1)
        hint = f"; did you mean {str(folder.with_name(near[0]))!r}?" if near else ""
        raise InputError(f"cohort = {str(folder)!r}: there is no such folder{hint}")
    found = [folder / name for name in TABLES[kind] if (folder / name).is_file()]
    if len(found) != 1:
        told = f"{len(found)} of {', '.join(TABLES[kind])}" if found else f"no {TABLES[kind][0]}"
        raise InputError(f"{folder}: {told} in this folder, expected one table of {kind}")
    return found[0]


def read_tables(folder: str | Path) -> Tables:
    """Read both tables; where columns are missing they are empty. Raises ``InputError`` for what is no table at all."""
    paths = [table_path(Path(folder), kind) for kind in TABLES]
    try:
        tables = tables_as_of(*paths, *(file_digest(path) for path in paths))
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}, expected a table that can be read") from None
    for habit in tables.habits:
        warnings.warn(habit, Habit, stacklevel=3)
    return tables


@lru_cache(maxsize=4)
def tables_as_of(patients_path: Path, planes_path: Path, *_digests: str) -> Tables:
    """Both tables as they are now: they are read again when their content is another."""
    people, lines = with_own_names(read_table(patients_path), read_table(planes_path), patients_path.name)
    fields = dict(PATIENTS)
    if "responder" not in people and "mr_score" in people:
        del fields["responder"]
        fields["mr_score"] = replace(fields["mr_score"], filled=True)
    patients, faults = checked(people, patients_path, fields)
    listing, more = checked(lines, planes_path, PLANES)
    unread = [f"{patients_path.name}: {name}" for name in people if name not in PATIENTS]
    unread += [f"{planes_path.name}: {name}" for name in lines if name not in PLANES]
    if any(fault.column == "columns" for fault in faults + more):
        return Tables(pd.DataFrame(), pd.DataFrame(), faults + more, unread, [])
    if "responder" not in patients:
        patients.insert(1, "responder", patients["mr_score"] >= RESPONDING)
    faults += [*more, *relations(patients, listing, people, lines, patients_path, planes_path)]
    habits = [*habits_of(people, patients_path), *habits_of(lines, planes_path)]
    return Tables(settled(patients, listing), settled_listing(listing), faults, unread, habits)


def habits_of(text: pd.DataFrame, path: Path) -> Iterator[str]:
    """How a table is read that is written otherwise than ``data/README.md`` says."""
    separator = separator_of(read_text(path))
    if separator == ";" or (separator == "\t" and path.suffix == ".csv"):
        yield f"{path}: read with {separator!r} between columns"
    for name in (name for name, field in PATIENTS.items() if field.kind == "flag" and name in text):
        words = set(text[name].str.strip().str.lower()) - {"", "true", "false"}
        if words:
            told = " and ".join(f"{word} as {word in TRUE}" for word in sorted(words))
            yield f"{path}: {name} read with {told}"


def with_own_names(people: pd.DataFrame, lines: pd.DataFrame, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables with the names of the contract; those of BIDS' ``participants.tsv`` are translated."""
    if name != "participants.tsv":
        return people, lines
    people = people.rename(columns={old: new for old, new in BIDS.items() if new not in people}).replace("n/a", "")
    return without_prefix(people), without_prefix(lines.replace("n/a", ""))


def without_prefix(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose ids are without the prefix ``sub-`` of BIDS."""
    return table.assign(patient=table["patient"].str.removeprefix("sub-")) if "patient" in table else table


def settled(patients: pd.DataFrame, listing: pd.DataFrame) -> pd.DataFrame:
    """The patients indexed by their ids, flags as bool where all are known, with ``n_planes`` of the listing."""
    flags = [name for name, field in PATIENTS.items() if field.kind == "flag" and name in patients]
    whole = {name: bool for name in flags if patients[name].notna().all()}
    patients = patients.replace("", np.nan).astype(whole).set_index("patient")
    return patients.assign(n_planes=listing.groupby("patient").size().reindex(patients.index).fillna(0).astype(int))


def settled_listing(listing: pd.DataFrame) -> pd.DataFrame:
    """The listing with whole numbers as such, and nothing named in columns of files that are empty or missing."""
    listing = listing.assign(**{name: listing[name].fillna("") for name in FILE_COLUMNS if name in listing})
    return listing.assign(**{name: listing[name].fillna(-1).astype(int) for name in ("plane", "frame")})


def relations(
    patients: pd.DataFrame,
    listing: pd.DataFrame,
    people: pd.DataFrame,
    lines: pd.DataFrame,
    patients_path: Path,
    planes_path: Path,
) -> Iterator[Fault]:
    """What does not go together in two tables that were read, their text in ``people`` and ``lines``."""

    def fault(path: Path, text: pd.DataFrame, line: int, column: str, expected: str) -> Fault:
        return Fault(str(path), row_name(text, line), column, str(text.at[line, column]), expected)

    known, listed = patients["patient"].dropna(), listing["patient"].dropna()
    for line in known.index[known.duplicated()]:
        yield fault(patients_path, people, line, "patient", "each patient once")
    for line in known.index[~known.isin(listed)]:
        yield fault(patients_path, people, line, "patient", f"at least one plane in {planes_path.name}")
    for line in listed.index[~listed.isin(known)]:
        alike = [name for name in known if bare(name) == bare(listed[line])]
        hint = f"; did you mean {alike[0]!r}?" if alike else ""
        yield fault(planes_path, lines, line, "patient", f"a patient of {patients_path.name}{hint}")
    for line in listing.index[listing.duplicated(["patient", "plane"]) & listing["patient"].notna()]:
        yield fault(planes_path, lines, line, "plane", "each plane of a patient once")
    for line in shared_recordings(listing, planes_path.parent):
        yield fault(planes_path, lines, line, "rf_file", "a recording of one patient, each frame once, no phantom")
    for line in disagreeing(patients) if "mr_score" in people else []:
        yield fault(patients_path, people, line, "responder", f"what mr_score says, {RESPONDING} to 5 a responder")


def disagreeing(patients: pd.DataFrame) -> list[int]:
    """Lines of patients whose response is another than their score says."""
    told = patients[["mr_score", "responder"]].dropna()
    return list(told.index[(told["mr_score"] >= RESPONDING) != told["responder"].astype(bool)])


def bare(name: str) -> str:
    """An id without what spreadsheets take away or change: zeros in front, and capitals."""
    return name.lstrip("0").casefold()


def shared_recordings(listing: pd.DataFrame, folder: Path) -> list[int]:
    """Lines that name a recording of another patient, a frame that another line has, or a phantom."""
    names = listing["rf_file"].map(lambda name: os.path.realpath(folder / name), na_action="ignore")
    phantoms = {os.path.realpath(folder / name) for cell in listing["reference_file"].dropna() for name in named(cell)}
    first = listing["patient"].groupby(names).transform("first")
    again = pd.DataFrame({"file": names, "frame": listing["frame"]}).duplicated()
    phantom = names.isin(phantoms)
    return list(listing.index[names.notna() & ((first != listing["patient"]) | again | phantom)])


def read_listing(folder: str | Path) -> pd.DataFrame:
    """The planes of a recorded cohort, a row each, indexed by their lines in the file; see ``data/README.md``.

    Raises ``InputError`` naming file, row, column, value and expectation of the first fault in either table.
    """
    tables = read_tables(folder)
    refuse(tables.faults)
    return tables.listing.copy()


def read_patients(folder: str | Path) -> pd.DataFrame:
    """The patients of a recorded cohort, indexed by ``patient``, with ``n_planes`` of the listing.

    Raises ``InputError`` as ``read_listing`` does.
    """
    tables = read_tables(folder)
    refuse(tables.faults)
    return tables.patients.copy()


def named(names: str) -> list[str]:
    """The files that a cell names, separated by semicolons."""
    return [part.strip() for part in str(names).split(";") if part.strip()]


def one_or_more(given: str) -> list[str]:
    """The files that a parameter names, separated by semicolons, which the name of a single file may hold."""
    return [given] if project_path(given).is_file() else named(given)


def inside(folder: Path, name: str, expected: str = "a file inside the cohort's folder") -> Path:
    """The path of a file that a table names. Raises ``InputError`` for one that leads out of the folder."""
    path = folder / name
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts):
        raise InputError(f"{folder}: a name of {len(name)} letters, expected {expected}")
    if Path(name).is_absolute() or "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{folder}: {name!r} leads out of the folder, expected {expected}")
    return path


def files_of(lines: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Every file that lines of the listing name, each once, in order.

    Raises ``InputError`` for one that leads out of the folder or is not there.
    """
    single = [name for column in FILE_COLUMNS for names in lines.get(column, []) for name in named(names)]
    paths = [inside(Path(folder), name) for name in dict.fromkeys(single)]
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: there is no such file, though a line of the planes names it")
    return paths


def all_files(folder: str | Path) -> list[Path]:
    """Every file of a recorded cohort: both tables and what they name."""
    tables = [table_path(Path(folder), kind) for kind in TABLES]
    return [*tables, *files_of(read_listing(folder), folder)]


def acquire(row: pd.Series, folder: str | Path) -> Acquisition:
    """Read one plane of the listing, its outlines and its reference phantom."""
    folder = Path(folder)
    waived = named(row.get("waived") or "") if pd.notna(row.get("waived", "")) else []
    scan = {"line_pitch_mm": row["line_pitch_mm"], "focus_mm": given(row, "focus_mm")}
    plane = one_frame(read_planes(inside(folder, row["rf_file"]), [int(row["frame"])], **scan), waived)
    core = read_outline(inside(folder, row["outline_file"]), plane)
    others = [read_outline(inside(folder, name), plane) for name in named(row.get("other_outline_files", ""))]
    told = given(row, "tumour_attenuation_db_cm_mhz"), given(row, "background_attenuation_db_cm_mhz")
    return Acquisition(plane, phantom_of(row, folder), core, None, tuple(others), told)


def one_frame(planes: list[RFPlane], waived: list[str]) -> RFPlane:
    """The frame that was read, without the header fields in which it may differ from its phantom."""
    plane = planes[0]
    return replace(plane, header={name: value for name, value in plane.header.items() if name not in waived})


def phantom_of(row: pd.Series, folder: Path) -> ReferencePhantom:
    """The reference phantom of one plane of the listing."""
    table = row["reference_backscatter_file"]
    return recorded_phantom(
        tuple(str(inside(folder, name)) for name in named(row["reference_file"])),
        row["reference_line_pitch_mm"],
        row["reference_sound_speed_m_s"],
        row["reference_attenuation_db_cm_mhz"],
        str(inside(folder, table)) if table else None,
        given(row, "reference_focus_mm"),
        given(row, "reference_attenuation_exponent") or 1.0,
    )


def given(row: pd.Series, column: str) -> float | None:
    """A number of the listing that may be missing or empty."""
    return float(row[column]) if pd.notna(row.get(column)) else None


def frame_of(planes: list[RFPlane], frame: int, source: str) -> RFPlane:
    """One frame of a file, or an error that says how many there are."""
    if not 0 <= frame < len(planes):
        raise InputError(f"{source}: frame {frame}, expected 0 to {len(planes) - 1}")
    return planes[frame]


def read_phantom(paths: Sequence[str | Path], **told: float | None) -> list[RFPlane]:
    """All frames of a phantom's files. Raises ``InputError`` for none, and for such as differ in size or settings."""
    if not paths:
        raise InputError("phantom: no recording is named, expected one or more")
    by_file = {path: read_planes(path, None, **told) for path in paths}
    planes = [plane for frames in by_file.values() for plane in frames]
    for path, frames in by_file.items():
        for name, of in LIKE.items():
            if of(frames[0]) != of(planes[0]):
                first = planes[0].source
                raise InputError(f"{path}: {name} {of(frames[0])}, expected {of(planes[0])} as in {first}: one phantom")
    return planes


@lru_cache(maxsize=8)
def recorded_phantom(
    paths: tuple[str, ...],
    line_pitch_mm: float,
    sound_speed_m_s: float,
    attenuation_db_cm_mhz: float,
    backscatter_path: str | None,
    focus_mm: float | None = None,
    attenuation_exponent: float = 1.0,
) -> ReferencePhantom:
    """All frames of a phantom's files; its backscatter from a table of ``frequency_mhz`` and ``bsc_per_cm_sr``."""
    told = {"line_pitch_mm": line_pitch_mm, "sound_speed_m_s": sound_speed_m_s, "focus_mm": focus_mm}
    planes = read_phantom(paths, **told)
    table: Backscatter | None = read_backscatter(Path(backscatter_path)) if backscatter_path else None
    return ReferencePhantom(planes, attenuation_db_cm_mhz, table, attenuation_exponent)
