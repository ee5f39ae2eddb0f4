"""Planes mapped over core and margin: with what attenuation, how they are stored, and what their medians are."""

import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ground.errors import InputError
from helpers.data.acquisition import Acquisition
from helpers.data.rf import RFPlane, b_mode_db
from helpers.maps.attenuation import estimated
from helpers.maps.grid import Protocol, window_grid
from helpers.maps.parametric import FIELDS, ParametricMaps, centre_mask, map_windows
from helpers.maps.recovery import summarise
from helpers.settings import ALL_COUNT_DB, Maps

PACKED = {"compression": "lzf", "shuffle": True}  # h5py has these; twice as fast as gzip, and a tenth larger


@dataclass(frozen=True, eq=False)
class MappedPlane:
    """Parametric maps of one plane with core and margin on the same grid, and the B-mode where it was asked for."""

    maps: ParametricMaps
    core: Bool[np.ndarray, "n_z n_x"]
    margin: Bool[np.ndarray, "n_z n_x"]
    b_mode_db: Float[np.ndarray, "n_samples n_lines"] | None = None
    b_mode_extent_mm: tuple[float, float, float, float] | None = None
    attenuation_db_cm_mhz: tuple[float, float] = (np.nan, np.nan)  # corrected for, in core and margin, and outside


def map_plane(acquired: Acquisition, choices: Maps, with_b_mode: bool = False) -> MappedPlane:
    """Map one plane over core and margin with the attenuation that is told, estimated or assumed.

    Raises ``InputError`` where too few windows fit to make an image of.
    """
    plane, reference, (core, margin) = acquired.plane, acquired.reference, acquired.regions(choices.margin_mm)
    protocol, used = protocol_of(choices), attenuation_of(acquired, core, margin, choices)
    grid = window_grid(plane, reference, core | margin, protocol)
    maps = map_windows(plane, reference, grid, on_pixels(core | margin, used))
    if min(maps.mbf.shape) < 2:
        raise InputError(f"{plane.source}: {maps.mbf.shape} windows on core and margin, expected 2 x 2 or more")
    on_core = core_on_grid(core, plane, maps, choices.window_mm)
    b_mode = b_mode_db(plane) if with_b_mode else None
    on_margin = centre_mask(margin, plane, maps) & ~on_core
    return MappedPlane(maps, on_core, on_margin, b_mode, plane.extent_mm, used)


def core_on_grid(
    core: Bool[np.ndarray, "n_samples n_lines"], plane: RFPlane, maps: ParametricMaps, window_mm: float
) -> Bool[np.ndarray, "n_z n_x"]:
    """The windows centred in the core, (n_z, n_x); of a core that lies between their centres the one nearest to it.

    Warns of a core in which no whole window has room: its values are those of its surroundings, too.
    """
    rows, columns = np.nonzero(core)
    height_mm, width_mm = (np.ptp(rows) + 1) * plane.sample_spacing_mm, (np.ptp(columns) + 1) * plane.line_pitch_mm
    if min(height_mm, width_mm) < window_mm:
        warnings.warn(
            f"{plane.source}: core of {width_mm:.1f} x {height_mm:.1f} mm is smaller than a window of {window_mm:g} "
            "mm: its values are those of its surroundings, too",
            stacklevel=3,
        )
    on_grid = centre_mask(core, plane, maps)
    if not on_grid.any():
        down = np.abs(maps.depth_mm - plane.depth_mm[rows].mean())
        across = np.abs(maps.lateral_mm - plane.lateral_mm[columns].mean())
        on_grid[down.argmin(), across.argmin()] = True
    return on_grid


def protocol_of(choices: Maps) -> Protocol:
    """The protocol that the settings choose."""
    snr_db = choices.minimum_snr_db if choices.minimum_snr_db > ALL_COUNT_DB else None
    windows = choices.window_mm, choices.overlap, choices.band, choices.n_bins
    return Protocol(*windows, choices.attenuation_exponent, snr_db)


def attenuation_of(
    acquired: Acquisition,
    core: Bool[np.ndarray, "n_samples n_lines"],
    margin: Bool[np.ndarray, "n_samples n_lines"],
    choices: Maps,
) -> tuple[float, float]:
    """Attenuation in core and margin, and outside, dB/cm/MHz: told with the plane, or else estimated or assumed.

    Outside is estimated beside and above them, where the echoes' way has not led through.
    """
    outside = ~np.maximum.accumulate(core | margin, axis=0)
    values = [choices.tumour_attenuation_db_cm_mhz, choices.background_attenuation_db_cm_mhz]
    for place, (told, region) in enumerate(zip(acquired.attenuation_db_cm_mhz, (core | margin, outside), strict=True)):
        if told is None and choices.attenuation == "estimate" and region.any():
            told = estimated(acquired, region, core, protocol_of(choices))
        values[place] = values[place] if told is None else told
    return values[0], values[1]


def on_pixels(
    tumour: Bool[np.ndarray, "n_samples n_lines"], attenuation_db_cm_mhz: tuple[float, float]
) -> Float[np.ndarray, "n_samples n_lines"]:
    """One value inside a mask, one outside, in its shape."""
    return np.where(tumour, *map(np.float32, attenuation_db_cm_mhz))


def summary_of(
    patient: str, index: int, mapped: MappedPlane, acquired: Acquisition
) -> list[dict[str, str | int | float]]:
    """Medians of core and margin of one plane and of their truth, a row each."""
    regions = {"core": mapped.core, "margin": mapped.margin}
    used = dict(zip(("attenuation", "background_attenuation"), mapped.attenuation_db_cm_mhz, strict=True))
    return [
        {"patient": patient, "plane": index, **used, **row} for row in summarise(mapped.maps, regions, acquired.tissue)
    ]


def write_maps(path: Path, mapped: Sequence[MappedPlane], summary: pd.DataFrame) -> None:
    """Write the planes of one patient; maps in half precision (0.1 um, 0.02 dB) take half the space, packed a quarter.

    The file is made in memory, since HDF5 crashes where a disk is full.
    """
    whole = io.BytesIO()
    with h5py.File(whole, "w") as file:
        file.attrs["summary"] = summary.to_csv(index=False)
        for index, plane in enumerate(mapped):
            group = file.create_group(str(index))
            group.attrs["band_mhz"] = plane.maps.band_mhz
            group.attrs["attenuation_db_cm_mhz"] = plane.attenuation_db_cm_mhz
            images = {name: getattr(plane.maps, name).astype(np.float16) for name in FIELDS}
            for name, values in (images | {"core": plane.core, "margin": plane.margin}).items():
                group.create_dataset(name, data=values, chunks=values.shape, **PACKED)
            for name in ("depth_mm", "lateral_mm"):
                group[name] = getattr(plane.maps, name)
    path.write_bytes(whole.getbuffer())


def read_maps(path: Path) -> Iterator[MappedPlane]:
    """The mapped planes of one patient, in order."""
    with h5py.File(path) as file:
        for group in (file[str(index)] for index in range(len(file))):
            fields = {name: group[name][:].astype(np.float32) for name in FIELDS}
            axes = {name: group[name][:] for name in ("depth_mm", "lateral_mm")}
            maps = ParametricMaps(**fields, **axes, band_mhz=tuple(group.attrs["band_mhz"].tolist()))
            used = tuple(group.attrs["attenuation_db_cm_mhz"].tolist())
            yield MappedPlane(maps, group["core"][:], group["margin"][:], attenuation_db_cm_mhz=used)


def read_summary(path: Path) -> pd.DataFrame:
    """The medians of one patient's planes, a row per plane and region."""
    with h5py.File(path) as file:
        return pd.read_csv(io.StringIO(file.attrs["summary"]), dtype={"patient": str})
