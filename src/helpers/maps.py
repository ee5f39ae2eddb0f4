"""Parametric maps: from RF windows to MBF, SS, SI, ESD and EAC.

Inside this module depth is in mm, frequency in MHz, power in dB (10 log10).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from helpers.phantom import ReferencePhantom
from helpers.rf import RFPlane
from helpers.windows import (
    DB,
    Grid,
    centre_pixels,
    decibel,
    line_power,
    line_weights,
    step_mm,
    window_centres,
    window_grid,
    window_power_db,
)

N_BINS = 13  # frequencies in the band: 2 mm of echo resolve about 0.4 MHz
GAUSSIAN = 0.827  # F(f) = exp(-0.827 k^2 a^2), sphere of equal volume (Insana 1990)


@dataclass(frozen=True, eq=False)
class ParametricMaps:
    """Five maps on one grid of window centres, all (n_z, n_x), NaN where nothing could be estimated."""

    mbf: np.ndarray  # mid-band fit, dB re the phantom
    ss: np.ndarray  # spectral slope, dB/MHz
    si: np.ndarray  # spectral intercept at 0 MHz, dB
    esd_um: np.ndarray  # effective scatterer diameter, um
    eac_db: np.ndarray  # effective acoustic concentration, dB re 1/cm^3
    depth_mm: np.ndarray  # (n_z,) window centres
    lateral_mm: np.ndarray  # (n_x,) window centres

    @property
    def extent_mm(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the maps, mm, as ``imshow`` wants them."""
        dx, dz = step_mm(self.lateral_mm) / 2, step_mm(self.depth_mm) / 2
        return (
            self.lateral_mm[0] - dx,
            self.lateral_mm[-1] + dx,
            self.depth_mm[-1] + dz,
            self.depth_mm[0] - dz,
        )


def parametric_maps(
    plane: RFPlane,
    reference: ReferencePhantom,
    region: np.ndarray | None = None,
    window_mm: float = 2.0,
    overlap: float = 0.95,
    band_mhz: tuple[float, float] = (3.0, 8.0),
    attenuation_db_cm_mhz: float | np.ndarray = 1.0,
) -> ParametricMaps:
    """Map MBF, SS, SI, ESD and EAC of a plane, each (n_z, n_x), on a grid of window centres.

    The power spectrum of every window is divided by the phantom's at equal depth, corrected for
    attenuation along the path (Yao, Zagzebski and Madsen 1990), and fitted by a straight line (MBF,
    SS, SI; Lizzi 1983) and by the spherical Gaussian form factor (ESD, EAC; Insana 1990).

    ``region`` is a mask (n_samples, n_lines); only windows whose centre lies in it are mapped.
    ``attenuation_db_cm_mhz`` is one value, or local values in an array (n_samples, n_lines).
    ESD and EAC are NaN without the phantom's backscatter, and where no real diameter fits.

    Raises ``ValueError`` for a phantom scanned differently, a band beyond Nyquist, a region of the
    wrong shape, and a window that does not fit.
    """
    check_inputs(plane, reference, region, band_mhz)
    grid = window_grid(plane, region, window_mm, overlap)
    band = np.linspace(*band_mhz, N_BINS)
    fits = np.concatenate([line_fit(band), form_factor_fit(band)])  # (5, n_bins)
    phantom_db = reference_db(reference, grid.all_starts, grid.n_window, window_mm, tuple(band))[grid.rows]
    values = fits @ window_power_db(plane, grid, band)  # (n_z, 5, n_x); after the logarithm all is linear
    values -= (phantom_db @ fits.T)[:, :, None]
    blur = gate_blur(values[:, 1], phantom_db, band, grid.n_window / plane.sampling_rate_hz * 1e6)
    values -= np.einsum("kl,lzx->zkx", fits @ np.stack([np.ones_like(band), band - band.mean()], axis=1), blur)
    values -= (phantom_loss_db(plane, reference, grid, band) @ fits.T)[:, :, None]
    values += (fits @ (2 * band))[:, None] * path_attenuation(plane, attenuation_db_cm_mhz, grid)[:, None, :]
    values[:, 3:] += phantom_form_factor(reference, tuple(band))[:, None]
    mbf, ss, si, slope, intercept = np.moveaxis(values.astype(np.float32), 1, 0)
    maps = [mbf, ss, si, *scatterers(slope, intercept, plane.sound_speed_m_s)]
    if region is not None:
        inside = region[np.ix_(*centre_pixels(plane, grid.depth_mm, grid.lateral_mm))]
        maps = [np.where(inside, values, np.float32(np.nan)) for values in maps]
    return ParametricMaps(*maps, grid.depth_mm, grid.lateral_mm)


def check_inputs(plane: RFPlane, reference: ReferencePhantom, region: np.ndarray | None, band_mhz: tuple) -> None:
    """Refuse what cannot be compared or mapped."""
    phantom = reference.planes[0]
    if phantom.sampling_rate_hz != plane.sampling_rate_hz:
        raise ValueError(
            f"{phantom.source}: sampling_rate_hz = {phantom.sampling_rate_hz:g}, expected the sample's "
            f"{plane.sampling_rate_hz:g} ({plane.source})"
        )
    if phantom.samples.shape[0] < plane.samples.shape[0]:
        raise ValueError(
            f"{phantom.source}: {phantom.samples.shape[0]} samples deep, expected at least the sample's "
            f"{plane.samples.shape[0]} ({plane.source})"
        )
    nyquist_mhz = plane.sampling_rate_hz / 2e6
    if not 0 < band_mhz[0] < band_mhz[1] <= nyquist_mhz:
        raise ValueError(f"band_mhz = {band_mhz}, expected 0 < low < high <= {nyquist_mhz:g} (Nyquist)")
    if region is not None and region.shape != plane.samples.shape:
        raise ValueError(f"region of shape {region.shape}, expected the plane's {plane.samples.shape}")
    if region is not None and not region.any():
        raise ValueError("region is empty: no pixel of the mask is set")


@lru_cache(maxsize=32)
def reference_db(
    reference: ReferencePhantom,
    starts: tuple[int, ...],
    n_window: int,
    window_mm: float,
    band_mhz: tuple[float, ...],
) -> np.ndarray:
    """Expected log spectrum of a window of the phantom at every depth, (n_z, n_bins), dB.

    10 log10 of the power averaged over all lines and frames, plus the bias of the logarithm: a
    window averages few independent lines, so its log lies below the log of the mean. The phantom's own
    windows at that depth show by how much: the medians of the level and slope of their deviation.
    """
    band = np.array(band_mhz)
    powers = [line_power(plane, starts, n_window, slice(None), band) for plane in reference.planes]
    mean_db = decibel(np.mean([power.mean(axis=-1) for power in powers], axis=0))
    plane = reference.planes[0]
    across_mm = window_centres(plane.extent_mm[1], window_mm, 0.5)
    lines, weights = line_weights(across_mm, window_mm, plane.line_pitch_mm, plane.samples.shape[1])
    deviation_db = [decibel(power[..., lines] @ weights.T) - mean_db[..., None] for power in powers]
    level_and_slope = line_fit(band)[:2] @ np.concatenate(deviation_db, axis=-1)  # (n_z, 2, windows)
    level_db, slope_db_mhz = np.median(level_and_slope, axis=-1).T
    return mean_db + level_db[:, None] + np.outer(slope_db_mhz, band - band.mean())


def gate_blur(slope_db_mhz: np.ndarray, phantom_db: np.ndarray, band_mhz: np.ndarray, gate_us: float) -> np.ndarray:
    """What the gate's blur adds to ratios of these slopes (n_z, n_x): level and slope at mid-band, (2, n_z, n_x).

    A Hanning gate of length T blurs a power spectrum by a kernel of variance s^2 = 1 / (3 T^2). To first order
    that turns L = ln S into L + s^2 / 2 (L'' + L'^2), hence the ratio of slope D' to the phantom (n_z, n_bins) by
    s^2 (L_r' D' + D'^2 / 2): steep ratios come out too flat where the phantom's spectrum is curved.
    """
    variance = 1 / (3 * gate_us**2)  # MHz^2
    half_curvature, tilt, _ = np.polyfit(band_mhz - band_mhz.mean(), phantom_db.T / DB, 2)  # (n_z,) of ln S_r
    slope = slope_db_mhz / DB / (1 + 2 * variance * half_curvature[:, None])  # 1/MHz
    level = variance * (tilt[:, None] * slope + slope**2 / 2)
    return DB * np.stack([level, 2 * variance * half_curvature[:, None] * slope])


def gate_blur_db(ratio_db: np.ndarray, phantom_db: np.ndarray, band_mhz: np.ndarray, gate_us: float) -> np.ndarray:
    """What the gate's blur adds to one window's ratio at each frequency, (n_bins,), dB."""
    slope = line_fit(band_mhz)[1] @ ratio_db
    level, change = gate_blur(np.array([[slope]]), phantom_db[None], band_mhz, gate_us).ravel()
    return level + change * (band_mhz - band_mhz.mean())


def phantom_loss_db(plane: RFPlane, reference: ReferencePhantom, grid: Grid, band_mhz: np.ndarray) -> np.ndarray:
    """What attenuation did not take from an unattenuated phantom, (n_z, n_bins), dB: 2 alpha z f.

    Echoes of equal travel time come from the depth z c_phantom / c_tissue of the phantom.
    """
    depth_cm = grid.depth_mm / 10 * reference.planes[0].sound_speed_m_s / plane.sound_speed_m_s
    return 2 * reference.attenuation_db_cm_mhz * np.outer(depth_cm, band_mhz)


def path_attenuation(plane: RFPlane, attenuation_db_cm_mhz: float | np.ndarray, grid: Grid) -> np.ndarray:
    """One-way attenuation from the surface to every window centre, (n_z, n_x) or (n_z, 1), dB/MHz."""
    if np.ndim(attenuation_db_cm_mhz) == 0:
        return float(attenuation_db_cm_mhz) * grid.depth_mm[:, None] / 10
    if np.shape(attenuation_db_cm_mhz) != plane.samples.shape:
        raise ValueError(
            f"attenuation_db_cm_mhz of shape {np.shape(attenuation_db_cm_mhz)}, expected one value or the plane's "
            f"{plane.samples.shape}"
        )
    along = np.cumsum(attenuation_db_cm_mhz[:, grid.lines], axis=0, dtype=np.float64) * plane.sample_spacing_mm / 10
    rows, _ = centre_pixels(plane, grid.depth_mm, grid.lateral_mm)
    return along[rows] @ grid.weights.T


def centre_mask(mask: np.ndarray, plane: RFPlane, maps: ParametricMaps) -> np.ndarray:
    """A mask of the plane's pixels (n_samples, n_lines) taken at the window centres, (n_z, n_x)."""
    return mask[np.ix_(*centre_pixels(plane, maps.depth_mm, maps.lateral_mm))]


def line_fit(band_mhz: np.ndarray) -> np.ndarray:
    """Least squares of a straight line over the band, (3, n_bins): MBF, SS and SI = MBF - SS f_c (Lizzi 1983)."""
    centre = band_mhz.mean()
    mbf, ss = np.linalg.pinv(np.stack([np.ones_like(band_mhz), band_mhz - centre], axis=1))
    return np.stack([mbf, ss, mbf - ss * centre])


def form_factor_fit(band_mhz: np.ndarray) -> np.ndarray:
    """Least squares of y = I + M f^2 over the band, (2, n_bins): slope M and intercept I."""
    intercept, slope = np.linalg.pinv(np.stack([np.ones_like(band_mhz), band_mhz**2], axis=1))
    return np.stack([slope, intercept])


@lru_cache(maxsize=32)
def phantom_form_factor(reference: ReferencePhantom, band_mhz: tuple[float, ...]) -> np.ndarray:
    """Slope and intercept of the phantom's own y = 10 log10 BSC - 40 log10 f, (2,); NaN if its BSC is unknown."""
    if reference.backscatter is None:
        return np.full(2, np.nan)
    band = np.array(band_mhz)
    return form_factor_fit(band) @ (10 * np.log10(reference.backscatter(band * 1e6)) - 40 * np.log10(band))


def scatterers(slope: np.ndarray, intercept: np.ndarray, sound_speed_m_s: float) -> tuple[np.ndarray, np.ndarray]:
    """ESD (um) and EAC (dB re 1/cm^3) from the line through 10 log10 BSC - 40 log10 f against f^2 in MHz.

    Spherical Gaussian form factor (Insana 1990): BSC = (4/9) k^4 a^6 n gamma^2 exp(-0.827 k^2 a^2),
    so that a^2 = -M / (0.827 * 10 log10(e) * (2 pi / c)^2) and EAC = I - 10 log10((4/9) (2 pi / c)^4 a^6).
    A slope >= 0 has no real diameter: NaN.
    """
    k_per_mhz = 2 * np.pi * 1e6 / (sound_speed_m_s * 100)  # 1/(cm MHz)
    a2 = -slope / np.float32(GAUSSIAN * DB * k_per_mhz**2)  # cm^2
    a2 = np.where(a2 > 0, a2, np.float32(np.nan))
    eac_db = intercept - np.float32(10 * np.log10(4 / 9 * k_per_mhz**4)) - 30 * np.log10(a2)
    return 2e4 * np.sqrt(a2), eac_db


def gaussian_bsc_db(band_mhz: np.ndarray, esd_um: np.ndarray, eac_db: np.ndarray, sound_speed_m_s: float) -> np.ndarray:
    """10 log10 of the backscatter coefficient in 1/(cm sr), shapes broadcast: the model that ``scatterers`` inverts."""
    k2 = (2 * np.pi * 1e6 * np.asarray(band_mhz) / (sound_speed_m_s * 100)) ** 2  # 1/cm^2
    a2 = (np.asarray(esd_um) * 0.5e-4) ** 2  # cm^2
    return 10 * np.log10(4 / 9 * k2**2) + 30 * np.log10(a2) + eac_db - DB * GAUSSIAN * k2 * a2
