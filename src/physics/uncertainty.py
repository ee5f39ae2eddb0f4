"""How sure maps are: standard errors of windows and of regions, and the goodness of the line fit.

The noise of a map is speckle. The phantom shows how large it is and how far it reaches: its own windows at a depth
were averaged over the same lines under the same beam. Depth is in mm, frequency in MHz, power in dB.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.ndimage import uniform_filter1d
from scipy.signal import correlate
from scipy.stats import norm

from helpers.data.form_factor import scatterers
from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane
from helpers.maps.grid import Grid
from helpers.maps.normalisation import Attenuation, line_fit, normalised, phantom_windows
from helpers.maps.parametric import FIELDS, ParametricMaps, five_fits, five_offsets
from helpers.maps.windows import decibel, line_power, line_weights, mean_of_lines, step_mm

REACH_MM = 4.0  # windows farther apart share neither echoes nor beam


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Standard errors of the five maps and the misfit of the line, all (n_z, n_x), NaN where they are."""

    mbf: Float[np.ndarray, "n_z n_x"]  # dB
    ss: Float[np.ndarray, "n_z n_x"]  # dB/MHz
    si: Float[np.ndarray, "n_z n_x"]  # dB
    esd_um: Float[np.ndarray, "n_z n_x"]  # um
    eac_db: Float[np.ndarray, "n_z n_x"]  # dB
    misfit_db: Float[np.ndarray, "n_z n_x"]  # rms distance of the normalised spectrum from its line, dB


def uncertainty(
    maps: ParametricMaps,
    plane: RFPlane,
    reference: ReferencePhantom,
    grid: Grid,
    attenuation_db_cm_mhz: Attenuation = 0.0,
) -> Uncertainty:
    """Standard errors of a plane's maps; plane, phantom, grid and attenuation are those of the maps.

    MBF, SS and SI are linear in the log spectrum: their error is the spread of the phantom's windows at that depth.
    ESD and EAC follow to first order from that of the form factor's slope M and intercept I.
    """
    covariance = fit_covariance(reference, grid)  # (n_z, 5, 5)
    shape = maps.mbf.shape
    linear = [np.broadcast_to(np.sqrt(covariance[:, i, i])[:, None], shape) for i in range(3)]
    rows = derived_rows(maps.esd_um, plane.sound_speed_m_s)
    derived = [np.sqrt(np.einsum("izx,zij,jzx->zx", row, covariance[:, 3:, 3:], row)) for row in rows]
    fields = [*linear, *derived, misfit_db(plane, reference, grid, attenuation_db_cm_mhz)]
    heard = np.isfinite(maps.mbf)
    return Uncertainty(*(np.where(heard, field, np.nan).astype(np.float32) for field in fields))


def fit_covariance(reference: ReferencePhantom, grid: Grid) -> Float[np.ndarray, "n_z 5 5"]:
    """Covariance of the five fits of one window at every mapped depth, (n_z, 5, 5), from the phantom's windows.

    Windows without an echo do not count; a depth with fewer than two others is NaN.
    """
    window_mm, band_mhz = grid.window_mm, grid.band_mhz
    _, deviation_db = phantom_windows(reference, grid.starts, grid.n_window, window_mm, band_mhz)
    fits = five_fits(band_mhz) @ deviation_db  # (n_z, 5, n_windows)
    n_windows = np.isfinite(fits[:, :1]).sum(axis=-1, keepdims=True)  # (n_z, 1, 1)
    known = n_windows.ravel() > 1
    n_windows = np.maximum(n_windows, 2)
    fits = np.nan_to_num(fits - mean_of_heard(fits, -1))
    spread = fits @ fits.transpose(0, 2, 1) / (n_windows - 1) * (1 + 2 / n_windows)  # half of them are independent
    rows_per_window = max(round(window_mm / (step_mm(grid.depth_mm) or window_mm)), 1)
    smooth = np.full_like(spread, np.nan)
    smooth[known] = uniform_filter1d(spread[known], rows_per_window, axis=0, mode="nearest")
    return smooth


def mean_of_heard(values: Float[np.ndarray, "*shape"], axis: int | tuple[int, int]) -> Float[np.ndarray, "..."]:
    """Mean along axes of what is not NaN, NaN where nothing is left; the axes are kept, of length 1."""
    n = np.isfinite(values).sum(axis=axis, keepdims=True)
    return np.nansum(values, axis=axis, keepdims=True) / np.where(n, n, np.nan)


def derived_rows(
    esd_um: float | Float[np.ndarray, " *shape"], sound_speed_m_s: float
) -> tuple[Float[np.ndarray, " 2 *shape"], Float[np.ndarray, " 2 *shape"]]:
    """Derivatives of ESD (um) and EAC (dB) by the slope M and the intercept I, each (2, ...).

    ESD grows with the root of -M, hence dESD = ESD / (2 M) dM; EAC = I - 30 log10 a^2 + const, hence
    dEAC = dI - 30 / (ln 10 M) dM. M itself is the slope that gives this ESD.
    """
    unit_um, _ = scatterers(np.float64(-1.0), np.float64(0.0), sound_speed_m_s)  # ESD of M = -1 dB/MHz^2
    slope = -((np.asarray(esd_um, float) / unit_um) ** 2)
    zero, one = np.zeros_like(slope), np.ones_like(slope)
    return np.stack([esd_um / (2 * slope), zero]), np.stack([-30 / np.log(10) / slope, one])


def misfit_db(
    plane: RFPlane, reference: ReferencePhantom, grid: Grid, attenuation_db_cm_mhz: Attenuation = 0.0
) -> Float[np.ndarray, "n_z n_x"]:
    """Rms distance of every window's normalised spectrum from its line, (n_z, n_x) dB.

    An attenuation that is proportional to frequency is a line itself, and need not be given.
    """
    band_mhz = grid.band_mhz
    level_and_slope = line_fit(band_mhz)[:2]
    line = np.stack([np.ones_like(band_mhz), band_mhz - band_mhz.mean()], axis=1) @ level_and_slope
    residual_db = normalised(plane, reference, grid, attenuation_db_cm_mhz, np.eye(len(band_mhz)) - line)
    return np.sqrt((residual_db**2).mean(axis=1))


def region_means(
    plane: RFPlane,
    reference: ReferencePhantom,
    grid: Grid,
    attenuation_db_cm_mhz: Attenuation = 1.0,
    level: float = 0.95,
) -> pd.DataFrame:
    """The five parameters of the mean spectrum of the grid's region with standard errors and intervals, a row each.

    The spectra of all windows in the region are averaged before the fit, so that windows without a real diameter
    do not bias ESD. The error is speckle's: how much the same region would vary in the phantom.
    """
    fits = normalised(plane, reference, grid, attenuation_db_cm_mhz, five_fits(grid.band_mhz))
    inside = grid.inside & np.isfinite(fits[:, 0])  # of windows with an echo
    mean = fits.transpose(1, 0, 2)[:, inside].mean(axis=1) + five_offsets(reference, grid.band_mhz)
    esd_um, eac_db = scatterers(mean[3], mean[4], plane.sound_speed_m_s)
    rows = np.vstack([np.eye(3, 5), np.pad(np.stack(derived_rows(esd_um, plane.sound_speed_m_s)), ((0, 0), (3, 0)))])
    error = region_errors(reference, grid, rows @ five_fits(grid.band_mhz), inside / inside.sum())
    value = np.array([*mean[:3], esd_um, eac_db])
    half = norm.ppf((1 + level) / 2) * error
    table = {"value": value, "standard_error": error, "low": value - half, "high": value + half}
    return pd.DataFrame(table, index=list(FIELDS))


def region_errors(
    reference: ReferencePhantom,
    grid: Grid,
    rows: Float[np.ndarray, "k n_bins"],
    weights: Float[np.ndarray, "n_z n_x"],
    sample: bool = True,
) -> Float[np.ndarray, " k"]:
    """Standard errors (k,) of sums over a region, weights (n_z, n_x), of the fits ``rows`` (k, n_bins).

    A sum's variance is the noise's autocovariance, taken from the phantom's frames, summed over all pairs of the
    region's windows. The phantom's own mean, by which all was divided, adds its share; it is all that is left
    without the ``sample``.
    """
    fields = phantom_fields(reference, grid, rows)  # (k, frames, n_z, n_columns)
    covariances = [autocovariance(field, grid) for field in fields]
    n_frames, heard = fields.shape[1], np.isfinite(fields).any(axis=(0, 1))  # (n_z, n_columns)
    own = weights.sum(axis=1, keepdims=True) * heard / np.maximum(heard.sum(axis=1, keepdims=True), 1)
    return np.sqrt([sample * pair_sum(c, weights) + pair_sum(c, own) / n_frames for c in covariances])


def phantom_fields(
    reference: ReferencePhantom, grid: Grid, rows: Float[np.ndarray, "k n_bins"]
) -> Float[np.ndarray, "k frames n_z n_columns"]:
    """Fits of the phantom's windows, less their mean at each depth, (k, frames, n_z, n_columns), on the grid's step.

    They are NaN where the phantom has no echo.
    """
    plane, window_mm = reference.planes[0], grid.window_mm
    step = step_mm(grid.lateral_mm) or window_mm
    across_mm = np.arange(window_mm / 2, plane.extent_mm[1] - window_mm / 2 + 1e-6, step)
    lines, weights = line_weights(across_mm, window_mm, plane.line_pitch_mm, plane.samples.shape[1])
    spectra = [line_power(frame, grid.starts, grid.n_window, lines, grid.band_mhz) for frame in reference.planes]
    fields = np.stack([rows @ decibel(mean_of_lines(power, weights)) for power in spectra])  # (frames, n_z, k, n_x)
    return np.moveaxis(fields - mean_of_heard(fields, (0, 3)), 2, 0)


def autocovariance(frames: Float[np.ndarray, "frames n_z n_x"], grid: Grid) -> Float[np.ndarray, "shifts_z shifts_x"]:
    """Mean product of values (frames, n_z, n_x) at every shift within reach, (2 n + 1, 2 m + 1), 0 in the middle.

    Values that are NaN are in no pair; without any other all is NaN.
    """
    n_z, n_x = frames.shape[1:]
    reach_z = min(int(REACH_MM / (step_mm(grid.depth_mm) or REACH_MM)), n_z - 1)
    reach_x = min(int(REACH_MM / (step_mm(grid.lateral_mm) or REACH_MM)), n_x - 1)
    shifts = slice(n_z - 1 - reach_z, n_z + reach_z), slice(n_x - 1 - reach_x, n_x + reach_x)
    heard, known = np.isfinite(frames).astype(float), np.nan_to_num(frames)
    pairs, products = (sum(correlate(f, f, method="fft")[shifts] for f in of) for of in (heard, known))
    return products / np.maximum(np.round(pairs), 1) if heard.any() else np.full_like(products, np.nan)


def pair_sum(covariance: Float[np.ndarray, "shifts_z shifts_x"], weights: Float[np.ndarray, "n_z n_x"]) -> float:
    """Sum of weight x weight x covariance over all pairs of windows, weights (n_z, n_x)."""
    reach_z, reach_x = (n // 2 for n in covariance.shape)
    padded = np.pad(weights, ((reach_z, reach_z), (reach_x, reach_x)))
    return float((correlate(padded, weights, mode="valid", method="fft") * covariance).sum())
