"""Planes when asked for: simulated from a seed or read from files, the same to everything that follows."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.contract import MORE_OF_PLANES, OUTLINE, PATIENTS, PLANES, checked
from helpers.data.phantom import ReferencePhantom
from helpers.data.regions import core_from_polygon, margin_of
from helpers.data.rf import RFPlane, read_rf

if TYPE_CHECKING:
    from helpers.data.tissue import Tissue

RECORDED_COLUMNS = tuple(PLANES)
FILE_COLUMNS = ("rf_file", "outline_file", "other_outline_files", "reference_file", "reference_backscatter_file")


@dataclass(frozen=True, eq=False)
class Acquisition:
    """One image plane of a patient with all that is needed to map it."""

    plane: RFPlane
    reference: ReferencePhantom
    outline_mm: np.ndarray  # (n_points, 2) lateral and depth of the core's outline
    tissue: "Tissue | None"  # the truth, where there is one
    other_outlines_mm: tuple[np.ndarray, ...] = ()  # of further tumours in the plane, which clip the margin

    def regions(self, margin_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """Core and margin on the plane's pixels, two masks (n_samples, n_lines)."""
        rows = self.plane.depth_mm[::5]  # 0.1 mm; every sample would be finer than any outline
        core = core_from_polygon(self.outline_mm, rows, self.plane.lateral_mm)
        others = np.zeros_like(core)
        for outline_mm in self.other_outlines_mm:
            others |= core_from_polygon(outline_mm, rows, self.plane.lateral_mm)
        margin = margin_of(core, rows, self.plane.lateral_mm, margin_mm, others)
        n_samples = self.plane.samples.shape[0]
        return np.repeat(core, 5, axis=0)[:n_samples], np.repeat(margin, 5, axis=0)[:n_samples]


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


def recorded(row: pd.Series, folder: str | Path) -> Acquisition:
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
