"""How well maps recover the truth: medians of regions, estimated and true."""

import numpy as np

from helpers.maps import ParametricMaps
from helpers.simulation import true_maps
from helpers.tissue import Tissue

FIELDS = ("mbf", "ss", "si", "esd_um", "eac_db")


def summarise(maps: ParametricMaps, regions: dict[str, np.ndarray], tissue: Tissue | None) -> list[dict]:
    """One row per region, a mask (n_z, n_x) on the maps' grid: medians of the five maps and of their truth.

    ``unphysical`` is the share of windows without a real diameter; in the medians they count as smaller than any
    diameter, and as more concentrated than any. Without tissue the truth is NaN.
    """
    truth = true_maps(tissue, maps.depth_mm, maps.lateral_mm, maps.band_mhz) if tissue is not None else None
    rows = []
    for region, mask in regions.items():
        row = {"region": region, "windows": int(mask.sum())}
        row["unphysical"] = float(np.isnan(maps.esd_um[mask]).mean())
        for name in FIELDS:
            missing = np.inf if name == "eac_db" else -np.inf
            row[name] = median(getattr(maps, name)[mask], missing)
            row[f"true_{name}"] = median(getattr(truth, name)[mask]) if truth else np.nan
        row["sd_mbf"] = float(np.nanstd(maps.mbf[mask]))
        rows.append(row)
    return rows


def median(values: np.ndarray, missing: float = np.nan) -> float:
    """Median with ``missing`` in the place of NaN; NaN where it is not a number, or there are no values."""
    middle = np.median(np.where(np.isnan(values), missing, values)) if values.size else np.nan
    return float(middle) if np.isfinite(middle) else np.nan
