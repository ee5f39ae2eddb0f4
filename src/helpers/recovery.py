"""How well maps recover the truth: medians of regions, estimated and true."""

import numpy as np

from helpers.maps import ParametricMaps
from helpers.simulation import true_maps
from helpers.tissue import Tissue

FIELDS = ("mbf", "ss", "si", "esd_um", "eac_db")


def summarise(maps: ParametricMaps, regions: dict[str, np.ndarray], tissue: Tissue | None) -> list[dict]:
    """One row per region, a mask (n_z, n_x) on the maps' grid: medians of the five maps and of their truth.

    ``unphysical`` is the share of windows without a real diameter. Without tissue the truth is NaN.
    """
    truth = true_maps(tissue, maps.depth_mm, maps.lateral_mm) if tissue is not None else None
    rows = []
    for region, mask in regions.items():
        row = {"region": region, "windows": int(mask.sum())}
        row["unphysical"] = float(np.isnan(maps.esd_um[mask]).mean())
        for name in FIELDS:
            row[name] = median(getattr(maps, name)[mask])
            row[f"true_{name}"] = median(getattr(truth, name)[mask]) if truth else np.nan
        row["sd_mbf"] = float(np.nanstd(maps.mbf[mask]))
        rows.append(row)
    return rows


def median(values: np.ndarray) -> float:
    """Median of the finite values, NaN where there are none."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else np.nan
