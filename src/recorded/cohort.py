"""A recorded cohort: its tables, the files they name, and its planes when asked for.

``data/README.md`` describes the folder.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.acquisition import Acquisition
from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane, read_rf
from recorded.contract import MORE_OF_PLANES, OUTLINE, PATIENTS, PLANES, checked

RECORDED_COLUMNS = tuple(PLANES)
FILE_COLUMNS = ("rf_file", "outline_file", "other_outline_files", "reference_file", "reference_backscatter_file")


def read_listing(folder: str | Path) -> pd.DataFrame:
    """Read ``planes.csv`` of a recorded cohort; see ``data/README.md``.

    Raises ``ValueError`` as ``checked`` does.
    """
    path = Path(folder) / "planes.csv"
    return checked(pd.read_csv(path, dtype={"patient": str}, keep_default_na=False), path, PLANES, MORE_OF_PLANES)


def read_patients(folder: str | Path) -> pd.DataFrame:
    """Read ``patients.csv`` of a recorded cohort, indexed by ``patient``, with ``n_planes`` of ``planes.csv``.

    Raises ``ValueError`` as ``checked`` does.
    """
    path = Path(folder) / "patients.csv"
    patients = checked(pd.read_csv(path, dtype={"patient": str}), path, PATIENTS).set_index("patient")
    return patients.assign(n_planes=read_listing(folder).groupby("patient").size())


def files_of(lines: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Every file that lines of ``planes.csv`` name, each once, in order."""
    names = [name for column in FILE_COLUMNS for name in lines.get(column, [])]
    single = [part.strip() for name in names for part in name.split(";")]
    return [Path(folder) / name for name in dict.fromkeys(single) if name]


def all_files(folder: str | Path) -> list[Path]:
    """Every file of a recorded cohort: both tables and what they name."""
    return [Path(folder) / "patients.csv", Path(folder) / "planes.csv", *files_of(read_listing(folder), folder)]


def acquire(row: pd.Series, folder: str | Path) -> Acquisition:
    """Read one plane listed in ``planes.csv``, its outlines and its reference phantom."""
    folder = Path(folder)
    frames = read_rf(folder / row["rf_file"], row["line_pitch_mm"], focus_mm=focus_of(row, "focus_mm"))
    reference = recorded_phantom(
        str(folder / row["reference_file"]),
        row["reference_line_pitch_mm"],
        row["reference_sound_speed_m_s"],
        row["reference_attenuation_db_cm_mhz"],
        str(folder / row["reference_backscatter_file"]) if row["reference_backscatter_file"] else None,
        focus_of(row, "reference_focus_mm"),
    )
    others = [name.strip() for name in row.get("other_outline_files", "").split(";") if name.strip()]
    return Acquisition(
        frame_of(frames, int(row["frame"]), row["rf_file"]),
        reference,
        read_outline(folder / row["outline_file"]),
        None,
        tuple(read_outline(folder / name) for name in others),
    )


def focus_of(row: pd.Series, column: str) -> float | None:
    """Depth of the focus, mm, from a column of ``planes.csv`` that may be missing or empty."""
    return float(row[column]) if pd.notna(row.get(column)) else None


def read_outline(path: Path) -> np.ndarray:
    """Corners (n_points, 2) of an outline in lateral and depth mm. Raises ``ValueError`` as ``checked`` does."""
    return checked(pd.read_csv(path), path, OUTLINE)[["lateral_mm", "depth_mm"]].to_numpy()


def frame_of(planes: list[RFPlane], frame: int, source: str) -> RFPlane:
    """One frame of a file, or an error that says how many there are."""
    if not 0 <= frame < len(planes):
        raise ValueError(f"{source}: frame {frame}, expected 0 to {len(planes) - 1}")
    return planes[frame]


@lru_cache(maxsize=8)
def recorded_phantom(
    path: str,
    line_pitch_mm: float,
    sound_speed_m_s: float,
    attenuation_db_cm_mhz: float,
    backscatter_path: str | None,
    focus_mm: float | None = None,
) -> ReferencePhantom:
    """All frames of a phantom file; its backscatter from a table of ``frequency_mhz`` and ``bsc_per_cm_sr``."""
    planes = read_rf(path, line_pitch_mm, sound_speed_m_s, focus_mm)
    if backscatter_path is None:
        return ReferencePhantom(planes, attenuation_db_cm_mhz)
    table = pd.read_csv(backscatter_path).sort_values("frequency_mhz")

    def backscatter(frequency_hz: np.ndarray) -> np.ndarray:
        return np.interp(np.asarray(frequency_hz) / 1e6, table["frequency_mhz"], table["bsc_per_cm_sr"])

    return ReferencePhantom(planes, attenuation_db_cm_mhz, backscatter)
