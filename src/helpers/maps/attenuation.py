"""Attenuation of a region from its own echoes: how fast the normalised spectrum tilts with depth.

Depth is in mm, frequency in MHz, attenuation in dB/cm/MHz.
"""

import warnings
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from ground.errors import InputError
from helpers.data.acquisition import Acquisition
from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane
from helpers.maps.grid import Grid, Protocol, window_grid
from helpers.maps.normalisation import line_fit, normalised
from helpers.maps.windows import centre_pixels

SPARSE = 0.75  # overlap of windows that is enough for a mean over a region
HIGHEST = 5.0  # beyond it nothing that is imaged attenuates


def spectral_difference(
    plane: RFPlane, reference: ReferencePhantom, grid: Grid, core: Bool[np.ndarray, "n_samples n_lines"] | None = None
) -> tuple[float, Float[np.ndarray, "n_z n_x"], Float[np.ndarray, "n_z n_x"]]:
    """Attenuation of the region of a grid by the spectral difference method (Kuc 1984), its weights and residuals.

    Where scatterers stay the same, attenuation alone changes the spectral slope with depth: with the phantom's alpha_r
    put back for the tissue as well, dSS/dz = -2 (alpha - alpha_r), times the slope of f^n over the band. It is
    fitted within each column of windows, and there within the core and around it, so that neither the path above nor
    the kind of tissue enters; a size of scatterers that changes with depth inside one kind does. Weights (n_z, n_x)
    times slopes in dB/MHz sum to that change per cm; the residuals are the slopes without it. Windows without an echo
    weigh nothing.

    Raises ``InputError`` for a region less deep than two windows.
    """
    slope_of = line_fit(grid.band_mhz)[1:2]
    first_guess = reference.attenuation_db_cm_mhz
    slope = normalised(plane, reference, grid, first_guess, slope_of)[:, 0]
    inside, slope = grid.inside & np.isfinite(slope), np.nan_to_num(slope)
    depth_cm = np.broadcast_to(grid.depth_mm[:, None] / 10, inside.shape)
    at = np.ix_(*centre_pixels(plane, grid.depth_mm, grid.lateral_mm))
    within = np.zeros_like(inside) if core is None else core[at]
    centred_cm = centred(depth_cm, inside & within) + centred(depth_cm, inside & ~within)
    deep_mm = 10 * np.ptp(depth_cm[inside]) if centred_cm.any() else 0.0  # no column may have two windows of a kind
    if deep_mm < 2 * grid.window_mm:
        raise InputError(
            f"{plane.source}: region of {deep_mm:.1f} mm depth, expected at least {2 * grid.window_mm:g} mm (two "
            "windows) to estimate its attenuation"
        )
    weights = centred_cm / (centred_cm**2).sum()  # of least squares
    tilt = float((weights * slope).sum())  # dB/MHz/cm
    return first_guess - tilt / tilt_per_alpha(grid), weights, slope - tilt * depth_cm


def centred(
    depth_cm: Float[np.ndarray, "n_z n_x"], inside: Bool[np.ndarray, "n_z n_x"]
) -> Float[np.ndarray, "n_z n_x"]:
    """Depth less its mean over the inside, column by column; 0 outside."""
    means = np.where(inside, depth_cm, 0).sum(axis=0) / np.maximum(inside.sum(axis=0), 1)
    return np.where(inside, depth_cm - means, 0)


def tilt_per_alpha(grid: Grid) -> float:
    """By how much 1 dB/cm/MHz^n tilts a spectrum in each cm, dB/MHz: 2 for n = 1."""
    return float(line_fit(grid.band_mhz)[1] @ (2 * grid.band_mhz**grid.attenuation_exponent))


def estimated(
    acquired: Acquisition,
    region: Bool[np.ndarray, "n_samples n_lines"],
    core: Bool[np.ndarray, "n_samples n_lines"],
    protocol: Protocol,
) -> float | None:
    """Attenuation of a region of a plane; None, with a warning, where it cannot be read from its echoes."""
    plane, reference = acquired.plane, acquired.reference
    try:
        grid = window_grid(plane, reference, region, replace(protocol, overlap=min(protocol.overlap, SPARSE)))
        found = spectral_difference(plane, reference, grid, core)[0]
        if 0 <= found <= HIGHEST:
            return found
        why = f"{plane.source}: attenuation of {found:.2f} dB/cm/MHz, expected 0 to {HIGHEST:g}"
    except InputError as error:
        why = str(error)
    warnings.warn(f"{why}; the assumed value is used", stacklevel=2)
    return None
