"""Whether speckle is fully developed: a phantom tells the errors only where many scatterers share a resolution cell.

The Nakagami parameter m = <I>^2 / (<I^2> - <I>^2) of the echo's intensity I is 1 for many scatterers and less for few
(Shankar 2000). It is taken within windows, where attenuation and concentration hardly change, and set against
the phantom's windows at the same depths, which are as small and as little independent.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.signal import hilbert
from scipy.stats import norm

from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane
from helpers.maps.grid import Grid, window_centres

FALSE_ALARM = 0.01  # share of regions of fully developed speckle that are flagged


@dataclass(frozen=True)
class Speckle:
    """Nakagami parameter of a region and of the phantom at its depths, and whether the region's is too small."""

    nakagami_m: float
    phantom_m: float
    standard_error: float  # of the region's, from the spread among its windows
    n_windows: int

    @property
    def developed(self) -> bool:
        """False where fewer scatterers than the phantom has show in the echoes' statistics."""
        return not self.nakagami_m < self.phantom_m + norm.ppf(FALSE_ALARM) * self.standard_error


def speckle(plane: RFPlane, reference: ReferencePhantom, grid: Grid) -> Speckle:
    """Compare the speckle of the grid's region with the phantom's; NaN for fewer than three windows in the region."""
    rows = spaced(grid.depth_mm, grid.window_mm)
    starts = tuple(grid.starts[row] for row in rows if grid.inside[row].any())
    moments = window_moments(plane, region_cells(grid), grid.n_window, grid.window_mm)
    ratio, error = mean_ratio(moments)
    found, expected = 1 / (ratio - 1), 1 / (phantom_ratio(reference, starts, grid.n_window, grid.window_mm) - 1)
    return Speckle(float(found), float(expected), float(error * found**2), len(moments))


@lru_cache(maxsize=32)
def phantom_ratio(reference: ReferencePhantom, starts: tuple[int, ...], n_window: int, window_mm: float) -> float:
    """Mean of <I^2> / <I>^2 over windows side by side at these depths, of all frames."""
    across_mm = window_centres(reference.planes[0].extent_mm[1], window_mm, 0.0) - window_mm / 2
    cells = [(start, float(left)) for start in starts for left in across_mm]
    moments = [window_moments(frame, cells, n_window, window_mm) for frame in reference.planes]
    return mean_ratio(np.concatenate(moments))[0]


def mean_ratio(ratios: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Mean of <I^2> / <I>^2 over windows and its standard error; NaN for fewer than three."""
    if len(ratios) < 3:
        return np.nan, np.nan
    return float(ratios.mean()), float(ratios.std(ddof=1) / np.sqrt(len(ratios)))


def region_cells(grid: Grid) -> list[tuple[int, float]]:
    """First sample and left edge in mm of windows side by side whose centre lies in the region."""
    rows, columns = spaced(grid.depth_mm, grid.window_mm), spaced(grid.lateral_mm, grid.window_mm)
    left_mm = grid.lateral_mm - grid.window_mm / 2
    return [
        (grid.starts[row], float(left_mm[column])) for row in rows for column in columns if grid.inside[row, column]
    ]


def spaced(axis_mm: Float[np.ndarray, " n"], window_mm: float) -> list[int]:
    """Indices of positions at least a window apart."""
    step = (axis_mm[1] - axis_mm[0]) if len(axis_mm) > 1 else window_mm
    return list(range(0, len(axis_mm), max(round(window_mm / step), 1)))


def window_moments(
    plane: RFPlane, cells: list[tuple[int, float]], n_window: int, window_mm: float
) -> Float[np.ndarray, " n"]:
    """<I^2> / <I>^2 of the echo's intensity in windows (n,): 2 for fully developed speckle, less a window's bias."""
    intensity = np.abs(hilbert(plane.samples.astype(np.float64), axis=0)) ** 2
    ratios = []
    for start, left_mm in cells:
        first, last = (round(edge / plane.line_pitch_mm) for edge in (left_mm, left_mm + window_mm))
        window = intensity[start : start + n_window, max(first, 0) : last]
        if window.any():
            ratios.append((window**2).mean() / window.mean() ** 2)
    return np.array(ratios)
