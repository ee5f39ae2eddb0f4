"""Files beside the tables: outlines of tumours and the phantom's backscatter."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ground.errors import InputError
from helpers.data.regions import check_polygon
from helpers.data.rf import RFPlane
from recorded.contract import BACKSCATTER, OUTLINE, checked, refuse
from recorded.outlines import MASKS, read_geojson, read_mask
from recorded.tables import read_table

BAND_MHZ = (3.0, 8.0)  # what a table of backscatter has to cover at least, where no other band is asked for


@dataclass(frozen=True, eq=False)
class Backscatter:
    """A table of the phantom's backscatter coefficient, 1/(cm sr), interpolated on logarithmic axes."""

    source: str
    frequency_mhz: np.ndarray
    bsc_per_cm_sr: np.ndarray

    def __call__(self, frequency_hz: np.ndarray) -> np.ndarray:
        """Coefficient at these frequencies. Raises ``InputError`` for one that the table does not cover."""
        wanted_mhz = np.asarray(frequency_hz, float) / 1e6
        self.check_band(float(wanted_mhz.min()), float(wanted_mhz.max()))
        known = np.log(self.frequency_mhz), np.log(self.bsc_per_cm_sr)
        return np.exp(np.interp(np.log(wanted_mhz), *known))

    def check_band(self, low_mhz: float, high_mhz: float) -> None:
        """Raise ``InputError`` for a band that the table does not cover."""
        first, last = self.frequency_mhz[[0, -1]]
        if low_mhz < first * (1 - 1e-9) or high_mhz > last * (1 + 1e-9):
            raise InputError(
                f"{self.source}: frequency_mhz from {first:g} to {last:g}, expected {low_mhz:g} to {high_mhz:g} MHz, "
                "the band of the maps"
            )


def read_backscatter(path: Path) -> Backscatter:
    """Read a table of backscatter. Raises ``InputError`` naming file, line, column, value and what is expected."""
    values, faults = checked(read_table(path), path, BACKSCATTER)
    refuse(faults)
    values = values.sort_values("frequency_mhz")
    if len(values) < 2 or values["frequency_mhz"].duplicated().any():
        raise InputError(f"{path}: frequency_mhz, expected two frequencies or more, each once")
    return Backscatter(str(path), values["frequency_mhz"].to_numpy(), values["bsc_per_cm_sr"].to_numpy())


def read_outline(path: Path, plane: RFPlane) -> np.ndarray:
    """Outline of a tumour: corners (n_points, 2) in lateral and depth mm, or a mask (n_samples, n_lines) of pixels.

    Raises ``InputError`` naming the file for what cannot be a tumour in the plane.
    """
    if path.suffix.lower() in MASKS:
        return read_mask(path, plane.samples.shape)
    corners = read_corners(path)
    try:
        remark = check_polygon(corners, plane.extent_mm)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if remark:
        warnings.warn(f"{path}: {remark}", stacklevel=2)
    return corners


def read_corners(path: Path) -> np.ndarray:
    """Corners (n_points, 2) of an outline in lateral and depth mm, from CSV or GeoJSON."""
    if path.suffix.lower() in (".geojson", ".json"):
        return read_geojson(path)
    values, faults = checked(read_table(path), path, OUTLINE)
    refuse(faults)
    return values[["lateral_mm", "depth_mm"]].to_numpy()
