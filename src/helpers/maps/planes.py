"""Planes mapped over core and margin: with what attenuation, how they are stored, and what their medians are."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from helpers.data.acquisition import Acquisition
from helpers.data.rf import b_mode_db
from helpers.maps.parametric import FIELDS, ParametricMaps, centre_mask, parametric_maps
from helpers.maps.recovery import summarise
from helpers.settings import Maps


@dataclass(frozen=True, eq=False)
class MappedPlane:
    """Parametric maps of one plane with core and margin on the same grid, and the B-mode where it was asked for."""

    maps: ParametricMaps
    core: np.ndarray  # (n_z, n_x) bool
    margin: np.ndarray  # (n_z, n_x) bool
    b_mode_db: np.ndarray | None = None
    b_mode_extent_mm: tuple[float, float, float, float] | None = None


def map_plane(acquired: Acquisition, choices: Maps, with_b_mode: bool = False) -> MappedPlane:
    """Map one plane over core and margin with the attenuation that the analysis assumes."""
    core, margin = acquired.regions(choices.margin_mm)
    attenuation = assumed_attenuation(core | margin, choices)
    maps = parametric_maps(acquired.plane, acquired.reference, core | margin, *fit_choices(choices, attenuation))
    masks = [centre_mask(mask, acquired.plane, maps) for mask in (core, margin)]
    b_mode = b_mode_db(acquired.plane) if with_b_mode else None
    return MappedPlane(maps, *masks, b_mode, acquired.plane.extent_mm)


def fit_choices(choices: Maps, attenuation_db_cm_mhz: float | np.ndarray) -> tuple:
    """Window, overlap, band, attenuation and bins in the order of ``parametric_maps``."""
    return choices.window_mm, choices.overlap, choices.band, attenuation_db_cm_mhz, choices.n_bins


def assumed_attenuation(tumour: np.ndarray, choices: Maps) -> np.ndarray:
    """The attenuation of the analysis: one value inside a mask, one outside, in its shape."""
    inside, outside = choices.tumour_attenuation_db_cm_mhz, choices.background_attenuation_db_cm_mhz
    return np.where(tumour, np.float32(inside), np.float32(outside))


def summary_of(patient: str, index: int, mapped: MappedPlane, acquired: Acquisition) -> list[dict]:
    """Medians of core and margin of one plane and of their truth, a row each."""
    regions = {"core": mapped.core, "margin": mapped.margin}
    return [{"patient": patient, "plane": index} | row for row in summarise(mapped.maps, regions, acquired.tissue)]


def check_plane(acquired: Acquisition, choices: Maps) -> pd.DataFrame:
    """Medians and truth of core, margin and background of a simulated plane, mapped over its whole width.

    One row per region and per attenuation: the true one, and the one that the analysis assumes.
    """
    rf_plane, (core, margin) = acquired.plane, acquired.regions(choices.margin_mm)
    given = {
        "known": acquired.tissue.attenuation_on(rf_plane),
        "assumed": assumed_attenuation(core | margin, choices),
    }
    rows = []
    for name, attenuation in given.items():
        found = parametric_maps(rf_plane, acquired.reference, None, *fit_choices(choices, attenuation))
        masks = {"core": core, "margin": margin, "background": ~(core | margin)}
        masks = {region: centre_mask(mask, rf_plane, found) for region, mask in masks.items()}
        rows += [{"attenuation": name} | row for row in summarise(found, masks, acquired.tissue)]
    return pd.DataFrame(rows)


def write_maps(path: Path, mapped: Sequence[MappedPlane], summary: pd.DataFrame) -> None:
    """Write the planes of one patient; maps in half precision (0.1 um, 0.02 dB) take half the space."""
    with h5py.File(path, "w") as file:
        file.attrs["summary"] = summary.to_csv(index=False)
        for index, plane in enumerate(mapped):
            group = file.create_group(str(index))
            group.attrs["band_mhz"] = plane.maps.band_mhz
            for name in FIELDS:
                group[name] = getattr(plane.maps, name).astype(np.float16)
            for name in ("depth_mm", "lateral_mm"):
                group[name] = getattr(plane.maps, name)
            group["core"], group["margin"] = plane.core, plane.margin


def read_maps(path: Path) -> Iterator[MappedPlane]:
    """The mapped planes of one patient, in order."""
    with h5py.File(path) as file:
        for index in range(len(file)):
            group = file[str(index)]
            fields = [group[name][:].astype(np.float32) for name in FIELDS]
            axes = group["depth_mm"][:], group["lateral_mm"][:]
            maps = ParametricMaps(*fields, *axes, tuple(group.attrs["band_mhz"].tolist()))
            yield MappedPlane(maps, group["core"][:], group["margin"][:])


def read_summary(path: Path) -> pd.DataFrame:
    """The medians of one patient's planes, a row per plane and region."""
    with h5py.File(path) as file:
        return pd.read_csv(io.StringIO(file.attrs["summary"]), dtype={"patient": str})
