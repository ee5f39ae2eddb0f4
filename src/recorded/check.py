"""The whole of a recorded cohort held against the contract, all faults at once, before anything is computed.

Of recordings only headers are read, so that a cohort of hundreds is looked through in seconds.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from ground.artifacts import file_digest
from ground.errors import InputError
from helpers.data.regions import check_polygon
from helpers.data.rf import SCAN_FIELDS, read_header
from helpers.data.study import FEWEST, N_PATIENTS, N_TEST, N_VALIDATION
from helpers.settings import Study
from recorded.cohort import FILE_COLUMNS, given, inside, named, read_tables, table_path
from recorded.contract import Fault, row_name
from recorded.files import BAND_MHZ, Backscatter, read_backscatter, read_corners
from recorded.outlines import MASKS, read_mask
from recorded.readers import SOUND_SPEED_M_S, read_planes

WAIVABLE = (*SCAN_FIELDS, "w", "h")


@dataclass(frozen=True)
class Scan:
    """What the header of a recording tells: its size, its sampling rate, and how it was scanned."""

    n_frames: int
    n_samples: int
    n_lines: int
    sampling_rate_hz: float
    fields: dict[str, int]


@dataclass(frozen=True)
class Report:
    """All that is wrong with a cohort, what is only worth a second look, and how large it is."""

    faults: list[Fault]
    warnings: list[str]
    summary: str
    habits: list[str]  # how tables were read that are written otherwise than the contract says


def check(folder: str | Path, band_mhz: tuple[float, float] | None = None) -> Report:
    """Hold a cohort's folder against the contract; maps are fitted over ``band_mhz``.

    Raises ``InputError`` where no table can be read.
    """
    folder = Path(folder)
    tables = read_tables(folder)
    if tables.listing.empty:
        return Report(tables.faults, unread(tables.unread), "columns are missing", [])
    listing_path = table_path(folder, "planes")
    faults, told = [*tables.faults], [*unread(tables.unread), *copies(folder, tables.listing)]
    for line, row in tables.listing.iterrows():
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            faults += row_faults(folder, listing_path, tables.listing, int(line), row, band_mhz or BAND_MHZ)
        told += [str(remark.message) for remark in remarks]
    faults += class_faults(tables.patients, table_path(folder, "patients"))
    return Report(faults, list(dict.fromkeys(told)), summary(tables.patients), tables.habits)


def row_faults(
    folder: Path, path: Path, listing: pd.DataFrame, line: int, row: pd.Series, band_mhz: tuple[float, float]
) -> Iterator[Fault]:
    """What is wrong with the files that one line names, each by the column that names it."""

    def fault(column: str, expected: str) -> Fault:
        return Fault(str(path), row_name(listing, line), column, str(row[column]), expected)

    missing = {column for column in FILE_COLUMNS if column in row for name in named(row[column]) if lost(folder, name)}
    yield from (fault(column, "a file that is there, inside the cohort's folder") for column in sorted(missing))
    if missing or row[["line_pitch_mm", "rf_file", "reference_file", "outline_file"]].isin(["", np.nan]).any():
        return
    for column, look in LOOKS.items():
        try:
            if row.get(column):
                look(folder, row, column, band_mhz)
        except InputError as error:
            yield fault(column, f"a file in order; {error}")


def lost(folder: Path, name: str) -> bool:
    """Whether a named file is not there, or not inside the folder."""
    try:
        return not inside(folder, name).is_file()
    except (InputError, OSError):
        return True


@cache
def scan_at(path: Path, _digest: tuple[int, int]) -> Scan:
    """The header of a recording; of formats without one, what reading it tells."""
    if path.suffix.lower() == ".rf":
        header = read_header(path)
        fields = {name: header[name] for name in SCAN_FIELDS}
        return Scan(header["frames"], header["h"], header["w"], float(header["sf"]), fields)
    planes = read_planes(path, line_pitch_mm=None)
    n_samples, n_lines = planes[0].samples.shape
    return Scan(len(planes), n_samples, n_lines, planes[0].sampling_rate_hz, dict(planes[0].header))


def scan_of(path: Path) -> Scan:
    """The header of a recording, read once as long as the file stays as it is."""
    state = path.stat()
    return scan_at(path, (state.st_size, state.st_mtime_ns))


def check_frame(folder: Path, row: pd.Series, column: str, _band_mhz: tuple[float, float]) -> None:
    """Raise ``InputError`` for a recording that cannot be read, or that lacks the frame."""
    scan = scan_of(folder / row[column])
    if not 0 <= row["frame"] < scan.n_frames:
        raise InputError(f"frame {row['frame']}, expected 0 to {scan.n_frames - 1}")


def check_phantom(folder: Path, row: pd.Series, column: str, _band_mhz: tuple[float, float]) -> None:
    """Raise ``InputError`` for a phantom that was scanned otherwise than the plane, unless that is waived by name."""
    plane, phantoms = scan_of(folder / row["rf_file"]), [scan_of(folder / name) for name in named(row[column])]
    waived = named(row["waived"]) if pd.notna(row.get("waived")) else []
    unknown = sorted(set(waived) - {*WAIVABLE})
    if unknown:
        raise InputError(f"waived {unknown}, expected some of {[*WAIVABLE]}")
    for phantom in phantoms:
        check_fields(plane, phantom, waived)
        size, first = (f"{scan.n_samples} samples of {scan.n_lines} lines" for scan in (phantom, phantoms[0]))
        if size != first:
            raise InputError(f"{size} in one and {first} in another, expected files of one phantom, scanned alike")
    check_focus(row)
    sizes = {"w": (phantom.n_lines, plane.n_lines), "h": (phantom.n_samples, plane.n_samples)}
    for name, (theirs, ours) in sizes.items():
        if theirs != ours and name not in waived:
            told = f"{row[column]}: {name} = {theirs}, but {ours} in {row['rf_file']}; were both scanned alike?"
            warnings.warn(told, stacklevel=2)


def check_fields(plane: Scan, phantom: Scan, waived: list[str]) -> None:
    """Raise ``InputError`` for header fields that differ and are not waived, and for a phantom that cannot serve."""
    both = [name for name in plane.fields if name in phantom.fields and name not in waived]
    differing = [name for name in both if own_value(plane, name) != own_value(phantom, name)]
    if differing:
        told = ", ".join(f"{name} {plane.fields[name]} and {phantom.fields[name]}" for name in differing)
        raise InputError(f"plane and phantom differ in {told}, expected equal fields, or their names in `waived`")
    theirs, ours = phantom.sampling_rate_hz, plane.sampling_rate_hz
    if theirs != ours:
        raise InputError(f"sampled at {theirs:g} Hz, expected {ours:g} as the plane")
    if phantom.n_samples < plane.n_samples:
        raise InputError(f"{phantom.n_samples} samples deep, expected at least the plane's {plane.n_samples}")


def own_value(scan: Scan, name: str) -> int:
    """A header field; the line density counts by how it departs from the number of lines."""
    return scan.fields[name] - scan.n_lines if name == "ld" else scan.fields[name]


def check_focus(row: pd.Series) -> None:
    """Raise ``InputError`` where both foci are known and differ."""
    focus, theirs = given(row, "focus_mm"), given(row, "reference_focus_mm")
    if None not in (focus, theirs) and focus != theirs:
        raise InputError(f"reference_focus_mm = {theirs:g}, expected the plane's {focus:g}")


def check_outlines(folder: Path, row: pd.Series, column: str, _band_mhz: tuple[float, float]) -> None:
    """Raise ``InputError`` for an outline that cannot be a tumour in its plane."""
    scan = scan_of(folder / row["rf_file"])
    depth_mm = scan.n_samples * 1e3 * SOUND_SPEED_M_S / (2 * scan.sampling_rate_hz)
    for name in named(row[column]):
        if (folder / name).suffix.lower() in MASKS:
            read_mask(folder / name, (scan.n_samples, scan.n_lines))
            continue
        extent_mm = 0.0, scan.n_lines * row["line_pitch_mm"], depth_mm, 0.0
        if remark := check_polygon(read_corners(folder / name), extent_mm):
            warnings.warn(f"{name}: {remark}", stacklevel=2)


def check_backscatter(folder: Path, row: pd.Series, column: str, band_mhz: tuple[float, float]) -> None:
    """Raise ``InputError`` for a table of backscatter that cannot be read, or does not cover the band."""
    path = folder / row[column]
    backscatter_at(path, file_digest(path)).check_band(*band_mhz)


@lru_cache(maxsize=32)
def backscatter_at(path: Path, _digest: str) -> Backscatter:
    """A table of backscatter, read once as long as its content stays."""
    return read_backscatter(path)


LOOKS = {
    "rf_file": check_frame,
    "reference_file": check_phantom,
    "outline_file": check_outlines,
    "other_outline_files": check_outlines,
    "reference_backscatter_file": check_backscatter,
}


def class_faults(patients: pd.DataFrame, path: Path) -> Iterator[Fault]:
    """A cohort from which nothing can be learned: fewer than two patients of a class to train on."""
    training = patients[patients["split"] == "train"] if "split" in patients else patients
    for value, name in ((True, "responders"), (False, "non-responders")):
        count = int((training["responder"] == value).sum())
        if count < 2:
            yield Fault(str(path), "", "responder", f"{count} {name}", "two or more of each class to train on")


def unread(columns: list[str]) -> list[str]:
    """Columns that the contract does not know, in case one is misspelt."""
    return [f"{column} is not read; data/README.md lists the columns that are" for column in columns]


def copies(folder: Path, listing: pd.DataFrame) -> list[str]:
    """Recordings of different names that are the same, byte for byte."""
    names = listing["rf_file"].drop_duplicates()
    paths = {name: folder / name for name in names if name and not lost(folder, name)}
    sizes = pd.Series({name: path.stat().st_size for name, path in paths.items()}, dtype=float)
    alike = [name for name in sizes.index[sizes.duplicated(keep=False)]]
    digests = pd.Series({name: file_digest(paths[name]) for name in alike}, dtype=object)
    told = []
    for _, same in digests.groupby(digests):
        if len({(folder / name).resolve() for name in same.index}) > 1:
            told.append(f"{', '.join(same.index)}: one recording under several names; nothing tells them apart")
    return told


def summary(patients: pd.DataFrame) -> str:
    """How many patients, planes and classes, and how they are split."""
    responders = int((patients["responder"] == True).sum())  # noqa: E712, some may be missing
    told = f"{len(patients)} patients, {patients['n_planes'].sum()} planes; {responders} responders, "
    told += f"{len(patients) - responders} non-responders; "
    if "split" not in patients:
        return told + "no split, one will be drawn"
    return told + ", ".join(f"{count} {name}" for name, count in patients["split"].value_counts().items())


# The parts of a cohort


def split_sizes(chosen: Study, n_patients: int) -> tuple[int, int]:
    """How many of a cohort's patients are for test and for validation.

    As many as the settings ask for, if that leaves a third of the cohort for training; else the settings'
    shares of their own number of patients, if these leave as much, else the paper's shares.
    """
    whole, given = chosen.n_patients, (chosen.n_test, chosen.n_validation)
    if leaves_a_third(given, n_patients):
        return given
    if not leaves_a_third(given, whole):
        whole, given = N_PATIENTS, (N_TEST, N_VALIDATION)
    n_test, n_validation = (max(1, round(n_patients * part / whole)) for part in given)
    return n_test, n_validation


def leaves_a_third(parts: tuple[int, int], n_patients: int) -> bool:
    """Tell whether a third of the patients or more are left for training."""
    return 3 * (n_patients - sum(parts)) >= n_patients


def with_training(patients: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The patients, if training has enough of both classes; else an ``InputError`` names the table and the counts."""
    training = patients.loc[patients["split"] == "train", "responder"].astype(bool)
    n_lost, n_kept = int((~training).sum()), int(training.sum())
    if min(n_lost, n_kept) < FEWEST:
        raise InputError(
            f"{path}: {n_kept} responders and {n_lost} non-responders for training, out of {len(patients)} patients; "
            f"expected {FEWEST} or more of each"
        )
    return patients
