"""A plane with all that is needed to map it, the same whether it was simulated from a seed or read from files."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.data.phantom import ReferencePhantom
from helpers.data.regions import core_from_mask, core_from_polygon, margin_of
from helpers.data.rf import RFPlane

if TYPE_CHECKING:
    from helpers.data.tissue import Tissue


@dataclass(frozen=True, eq=False)
class Acquisition:
    """One image plane of a patient with all that is needed to map it."""

    plane: RFPlane
    reference: ReferencePhantom
    outline_mm: np.ndarray  # (n_points, 2) lateral and depth of the core's outline, or its mask (n_samples, n_lines)
    tissue: "Tissue | None"  # the truth, where there is one
    other_outlines_mm: tuple[np.ndarray, ...] = ()  # of further tumours in the plane, which clip the margin; or masks
    attenuation_db_cm_mhz: tuple[float | None, float | None] = (None, None)  # inside and outside them, where it is told

    def regions(self, margin_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """Core and margin on the plane's pixels, two masks (n_samples, n_lines)."""
        rows = self.plane.depth_mm[::5]  # 0.1 mm; every sample would be finer than any outline
        core = core_of(self.outline_mm, rows, self.plane.lateral_mm)
        of_others = (core_of(outline_mm, rows, self.plane.lateral_mm) for outline_mm in self.other_outlines_mm)
        others = np.logical_or.reduce([np.zeros_like(core), *of_others])
        margin = margin_of(core, rows, self.plane.lateral_mm, margin_mm, others)
        n_samples = self.plane.samples.shape[0]
        return np.repeat(core, 5, axis=0)[:n_samples], np.repeat(margin, 5, axis=0)[:n_samples]


def core_of(outline: np.ndarray, rows_mm: np.ndarray, lateral_mm: np.ndarray) -> np.ndarray:
    """Mask of every fifth sample, from corners in mm or from a mask (n_samples, n_lines) of the plane's pixels."""
    if outline.dtype == bool:
        return core_from_mask(outline[::5], rows_mm, lateral_mm)
    return core_from_polygon(outline, rows_mm, lateral_mm)
