"""How well maps recover the truth: medians of regions, estimated and true."""

from typing import TYPE_CHECKING, Optional

import numpy as np
from jaxtyping import Bool, Float

from helpers.data.form_factor import gaussian_in_size
from helpers.data.phantom import bead_bsc_db
from helpers.maps.grid import BAND_MHZ, N_BINS
from helpers.maps.normalisation import line_fit
from helpers.maps.parametric import FIELDS, ParametricMaps

if TYPE_CHECKING:  # maps of recorded planes do not follow from how tissue is drawn
    import helpers.data.tissue


def summarise(
    maps: ParametricMaps,
    regions: dict[str, Bool[np.ndarray, "n_z n_x"]],
    tissue: Optional["helpers.data.tissue.Tissue"],
) -> list[dict[str, str | int | float]]:
    """One row per region, a mask (n_z, n_x) on the maps' grid: medians of the five maps and of their truth.

    ``windows`` is the number of those with an echo, ``empty`` the share of the others, which count nowhere.
    ``unphysical`` is the share without a real diameter, NaN where none is known; in the medians they count as smaller
    than any diameter, and as more concentrated than any. Without tissue the truth is NaN.
    """
    heard, fitted = np.isfinite(maps.mbf), "esd_um" in maps.present
    truth = true_maps(tissue, maps.depth_mm, maps.lateral_mm, maps.band_mhz) if tissue is not None else None
    rows = []
    for region, whole in regions.items():
        mask = np.nonzero(whole & heard)
        row: dict[str, str | int | float] = {"region": region, "windows": mask[0].size}
        row["empty"] = float(1 - mask[0].size / max(whole.sum(), 1))
        row["unphysical"] = float(np.isnan(maps.esd_um[mask]).mean()) if fitted and mask[0].size else np.nan
        for name in FIELDS:
            missing = np.inf if name == "eac_db" else -np.inf
            row[name] = median(getattr(maps, name)[mask], missing)
            row[f"true_{name}"] = median(getattr(truth, name)[mask]) if truth else np.nan
        row["sd_mbf"] = float(np.std(maps.mbf[mask])) if mask[0].size else np.nan
        rows.append(row)
    return rows


def median(values: Float[np.ndarray, " n"], missing: float = np.nan) -> float:
    """Median with ``missing`` in the place of NaN; NaN where it is not a number, or there are no values."""
    middle = np.median(np.where(np.isnan(values), missing, values)) if values.size else np.nan
    return float(middle) if np.isfinite(middle) else np.nan


def true_maps(
    tissue: "helpers.data.tissue.Tissue",
    depth_mm: Float[np.ndarray, " n_z"],
    lateral_mm: Float[np.ndarray, " n_x"],
    band_mhz: tuple[float, float] = BAND_MHZ,
) -> ParametricMaps:
    """The five maps (n_z, n_x) that a perfect measurement would give at these window centres.

    Expected normalised spectrum: 10 log10(BSC_tissue / BSC_phantom); its line fit gives MBF, SS and SI. The spectrum
    is a sum, in which size and concentration are factors of three curves: the fits of these are enough.
    """
    band = np.linspace(*band_mhz, N_BINS)
    esd_um, eac_db, _ = tissue.at(depth_mm, lateral_mm)
    level_db, fall_db_cm2 = gaussian_in_size(band, 1540.0)
    curves = np.stack([level_db - bead_bsc_db(tuple(band)), -fall_db_cm2, np.ones_like(band)])
    a2 = (0.5e-4 * esd_um) ** 2  # cm^2
    factors = np.stack([np.ones_like(a2), a2, 30 * np.log10(a2) + eac_db])
    mbf, ss, si = np.tensordot(line_fit(band) @ curves.T, factors, 1)
    return ParametricMaps(mbf, ss, si, esd_um, eac_db, depth_mm, lateral_mm)
