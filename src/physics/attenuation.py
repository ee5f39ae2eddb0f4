"""How sure the attenuation of a region is that was read from its own echoes.

Depth is in mm, frequency in MHz, attenuation in dB/cm/MHz.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import t

from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane
from helpers.maps.attenuation import spectral_difference, tilt_per_alpha
from helpers.maps.grid import Grid
from helpers.maps.normalisation import line_fit
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
    plane: RFPlane,
    reference: ReferencePhantom,
    grid: Grid,
    level: float = 0.95,
    core: Bool[np.ndarray, "n_samples n_lines"] | None = None,
) -> AttenuationEstimate:
    """Attenuation of the region of a grid, see ``spectral_difference``, with the error of its echoes.

    The error is that of leaving out one strip of columns after the other (the jackknife), with Student's t for their
    number, and that of the phantom's own echoes. Raises ``InputError`` for a region less deep than two windows.
    """
    value, weights, residual = spectral_difference(plane, reference, grid, core)
    deep_cm = np.broadcast_to(grid.depth_mm[:, None] / 10, weights.shape)
    strips = strip_sums(weights * residual, grid) / (1 - strip_sums(weights * deep_cm, grid))
    own = region_errors(reference, grid, line_fit(grid.band_mhz)[1:2], weights, sample=False)[0]
    n = len(strips)
    error = np.sqrt((n - 1) / n * (strips**2).sum() + own**2) / tilt_per_alpha(grid)
    half = t.ppf((1 + level) / 2, n - 1) * error
    return AttenuationEstimate(value, float(error), value - half, value + half)


def strip_sums(values: Float[np.ndarray, "n_z n_x"], grid: Grid) -> Float[np.ndarray, " n_strips"]:
    """Sums of values (n_z, n_x) over strips of columns ``STRIP_MM`` wide, too far apart to vary together."""
    n_strips = max(round(np.ptp(grid.lateral_mm) / STRIP_MM), 3)
    return np.array([part.sum() for part in np.array_split(values, n_strips, axis=1)])
