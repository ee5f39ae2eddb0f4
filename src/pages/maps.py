"""Maps and images checked: what is missing, medians against the truth, and holes."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from helpers.data.acquisition import Acquisition
from helpers.learning.images import ImageSet
from helpers.maps.grid import window_grid
from helpers.maps.parametric import FIELDS, NAMES, centre_mask, map_windows
from helpers.maps.planes import attenuation_of, on_pixels, protocol_of
from helpers.maps.recovery import summarise
from helpers.settings import Maps


def check_plane(acquired: Acquisition, choices: Maps) -> pd.DataFrame:
    """Medians and truth of core, margin and background of a simulated plane, mapped over its whole width.

    One row per region and per attenuation: the true one, the estimate from the plane's own echoes, and the assumed one.
    Raises ``ValueError`` for a plane whose tissue is not known.
    """
    plane, reference, tissue = acquired.plane, acquired.reference, acquired.tissue
    if tissue is None:
        raise ValueError(f"{plane.source}: its tissue is not known, expected a simulated plane")
    core, margin = acquired.regions(choices.margin_mm)
    grid = window_grid(plane, reference, None, protocol_of(choices))
    given = {"known": tissue.attenuation_on(plane)}
    for way in ("estimate", "assumed"):
        chosen = choices.model_copy(update={"attenuation": way})
        given[way] = on_pixels(core | margin, attenuation_of(acquired, core, margin, chosen))
    masks = {"core": core, "margin": margin, "background": ~(core | margin)}
    rows = []
    for name, attenuation in given.items():
        found = map_windows(plane, reference, grid, attenuation)
        on_grid = {region: centre_mask(mask, plane, found) for region, mask in masks.items()}
        rows += [{"attenuation": name, **row} for row in summarise(found, on_grid, tissue)]
    return pd.DataFrame(rows)


def not_mapped(present: Collection[str]) -> str:
    """Which maps are missing of a plane that has these, and why, in words; nothing if none is."""
    missing = [NAMES[name] for name in FIELDS if name not in present]
    if not missing:
        return ""
    return f"{' and '.join(missing)} are not mapped: they need the backscatter of the phantom, which is not known here."


def hole_fraction(images: ImageSet, region: str = "core_margin") -> np.ndarray:
    """Return the fraction (N, C) of the region's pixels where the fit gave nothing physical."""
    inside = images.mask(region)
    holes = ~np.isfinite(images.maps) & inside[:, None]
    return holes.sum((2, 3)) / np.maximum(inside.sum((1, 2)), 1)[:, None]
