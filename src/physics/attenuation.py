"""Attenuation of a region from its own echoes: how fast the normalised spectrum tilts with depth.

Depth is in mm, frequency in MHz, attenuation in dB/cm/MHz.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import t

from ground.errors import InputError
from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane
from helpers.maps.grid import Grid
from helpers.maps.normalisation import line_fit, normalised
from physics.uncertainty import region_errors

STRIP_MM = 6.0  # wider than the beam, and than the variation inside a region reaches


@dataclass(frozen=True)
class AttenuationEstimate:
    """Local attenuation of a region, dB/cm/MHz, with its standard error and interval."""

    value: float
    standard_error: float
    low: float
    high: float


def estimate_attenuation(
    plane: RFPlane, reference: ReferencePhantom, grid: Grid, level: float = 0.95
) -> AttenuationEstimate:
    """Attenuation of the region of a grid by the spectral difference method (Kuc 1984).

    Where scatterers stay the same, attenuation alone changes the spectral slope with depth: with the phantom's alpha_r
    put back for the tissue as well, dSS/dz = -2 (alpha - alpha_r), times the slope of f^n over the band. It is
    fitted within each column of windows, so that neither the path above nor the concentration enters; a size of
    scatterers that changes with depth does. The error is that of leaving
    out one strip of columns after the other (the jackknife), with Student's t for their number.

    Windows without an echo are left out. Raises ``InputError`` for a region less deep than two windows.
    """
    window_mm, slope_of = grid.window_mm, line_fit(grid.band_mhz)[1:2]
    assumed = reference.attenuation_db_cm_mhz  # of the first guess
    slope = normalised(plane, reference, grid, assumed, slope_of)[:, 0]
    inside, slope = grid.inside & np.isfinite(slope), np.nan_to_num(slope)
    depth_cm = np.broadcast_to(grid.depth_mm[:, None] / 10, inside.shape)
    centred_cm = np.where(inside, depth_cm - column_means(depth_cm, inside), 0)
    deep_cm = np.ptp(depth_cm[inside]) if inside.any() else 0.0
    if deep_cm < 2 * window_mm / 10:
        raise InputError(
            f"{plane.source}: region of {10 * deep_cm:.1f} mm depth, expected at least "
            f"{2 * window_mm:g} mm (two windows) to estimate its attenuation"
        )
    weights = centred_cm / (centred_cm**2).sum()  # of least squares
    tilt = float((weights * slope).sum())  # dB/MHz/cm
    strips = strip_sums(weights * (slope - tilt * depth_cm), grid) / (1 - strip_sums(weights * centred_cm, grid))
    own = region_errors(reference, grid, slope_of, weights, sample=False)[0]
    n = len(strips)
    per_alpha = float((slope_of @ (2 * grid.band_mhz**grid.attenuation_exponent))[0])  # 2 for n = 1
    error = np.sqrt((n - 1) / n * (strips**2).sum() + own**2) / per_alpha
    half = t.ppf((1 + level) / 2, n - 1) * error
    value = assumed - tilt / per_alpha
    return AttenuationEstimate(value, float(error), value - half, value + half)


def column_means(
    values: Float[np.ndarray, "n_z n_x"], inside: Bool[np.ndarray, "n_z n_x"]
) -> Float[np.ndarray, " n_x"]:
    """Mean of the values inside, column by column, (n_x,)."""
    return np.where(inside, values, 0).sum(axis=0) / np.maximum(inside.sum(axis=0), 1)


def strip_sums(values: Float[np.ndarray, "n_z n_x"], grid: Grid) -> Float[np.ndarray, " n_strips"]:
    """Sums of values (n_z, n_x) over strips of columns ``STRIP_MM`` wide, too far apart to vary together."""
    n_strips = max(round(np.ptp(grid.lateral_mm) / STRIP_MM), 3)
    return np.array([part.sum() for part in np.array_split(values, n_strips, axis=1)])
