"""Normalised spectra: the power of every window over the phantom's at equal depth, attenuation put back.

Inside this module depth is in mm, frequency in MHz, power in dB (10 log10).
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from ground.errors import InputError
from helpers.data.form_factor import DB, least_squares
from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane
from helpers.maps import windows
from helpers.maps.grid import Grid, window_centres
from helpers.maps.noise import noise_db, with_noise_db, without_noise_db
from helpers.maps.windows import Band, Depths, Spectra

Fits = Float[np.ndarray, "k n_bins"]
Loss = Float[np.ndarray, " n_z #n_x"]  # on the paths to windows
Phantom = Float[np.ndarray, "n_z n_bins"]  # its power at every depth, dB
Attenuation = float | Float[np.ndarray, "..."]  # one value, or one for each of the plane's pixels, dB/cm/MHz


def line_fit(band_mhz: Band) -> Float[np.ndarray, "3 n_bins"]:
    """Least squares of a straight line over the band, (3, n_bins): MBF, SS and SI = MBF - SS f_c (Lizzi 1983)."""
    centre = band_mhz.mean()
    mbf, ss = least_squares(tuple(band_mhz - centre), 0, 1)
    return np.stack([mbf, ss, mbf - ss * centre])


def normalised(
    plane: RFPlane, reference: ReferencePhantom, grid: Grid, attenuation_db_cm_mhz: Attenuation, rows: Fits
) -> Float[np.ndarray, "n_z k n_x"]:
    """Normalised spectrum of every window, (n_z, n_bins, n_x) dB, multiplied by ``rows`` (k, n_bins): (n_z, k, n_x).

    W(f) = 10 log10(S_s / S_r) + 2 A_s f^n - 2 A_r f^m (Yao, Zagzebski and Madsen 1990, there with n = m = 1). After the
    logarithm every step is linear, so a fit over the band can be taken at once: ``rows`` is its matrix, the identity
    for W itself. Windows of the plane, or depths of the phantom, without an echo are NaN. Where the grid asks for a
    distance from the noise, those that stand less above it are NaN, too, and the others have its power taken off.
    """
    band_mhz, phantom_db = grid.band_mhz, reference_db(reference, grid)
    found = np.empty((len(rows), len(phantom_db), len(grid.lateral_mm)), np.float32).swapaxes(0, 1)  # each on its own
    losses = path_losses(plane, reference, grid, attenuation_db_cm_mhz)
    tilt, bend = loss_derivatives(losses, float(band_mhz.mean()))
    with_slope = np.vstack([rows, line_fit(band_mhz)[1]])
    of_blur = (rows @ np.vander(band_mhz - band_mhz.mean(), 3)).astype(np.float32)
    gate_us = grid.n_window / plane.sampling_rate_hz * 1e6
    for at in windows.in_blocks(*grid.inside.shape):
        power_db, below_db = window_power_db(plane, grid, at), phantom_db[at]
        if grid.minimum_snr_db is not None:
            power_db, below_db = out_of_noise(power_db, below_db, noise_of(reference, grid)[at], grid.minimum_snr_db)
        values = with_slope.astype(np.float32) @ power_db
        level = -(below_db @ with_slope.T).astype(np.float32)[:, :, None]
        slope, values, level = values[:, -1] + level[:, -1], values[:, :-1], level[:, :-1]
        blur = gate_blur(slope, tilt[at], np.nan_to_num(below_db), band_mhz, gate_us, bend[at])
        values -= of_blur @ blur.swapaxes(0, 1)
        for exponent, loss in losses.items():
            level = level + (rows @ (2 * band_mhz**exponent)).astype(np.float32)[:, None] * loss[at, None]
        np.add(values, level, out=found[at])
    return found


def path_losses(
    plane: RFPlane, reference: ReferencePhantom, grid: Grid, attenuation_db_cm_mhz: Attenuation
) -> dict[float, Loss]:
    """What the one-way path to every window takes more from the sample than from the phantom: exponent -> dB/MHz^n."""
    tissue = path_attenuation(plane, attenuation_db_cm_mhz, grid).astype(np.float32)
    phantom = phantom_path(plane, reference, grid)[:, None].astype(np.float32)
    if grid.attenuation_exponent == reference.attenuation_exponent:
        return {grid.attenuation_exponent: tissue - phantom}
    return {grid.attenuation_exponent: tissue, reference.attenuation_exponent: -phantom}


def loss_derivatives(losses: dict[float, Loss], centre_mhz: float) -> tuple[Loss, Loss]:
    """First and second derivative of the two-way loss at mid-band, dB/MHz and dB/MHz^2."""
    first = sum(2 * n * centre_mhz ** (n - 1) * loss for n, loss in losses.items())
    second = sum(2 * n * (n - 1) * centre_mhz ** (n - 2) * loss for n, loss in losses.items())
    return np.asarray(first), np.asarray(second)


def window_power_db(plane: RFPlane, grid: Grid, at: slice = slice(None)) -> Spectra:
    """Mean power of the lines of every window, (n_z, n_bins, n_x), dB; of the rows ``at``."""
    power = windows.line_power(plane, grid.starts[at], grid.n_window, grid.lines, grid.band_mhz)
    return windows.decibel(windows.mean_of_lines(power, grid.weights))


def out_of_noise(
    power_db: Spectra, phantom_db: Phantom, noise_db: Depths, minimum_snr_db: float
) -> tuple[Spectra, Phantom]:
    """Both powers with the noise's taken off; windows that sink into it are NaN.

    These are those whose mean over a third of the band does, since a window's own power at one frequency is as uneven
    as speckle is, and those at depths where the phantom does at any frequency.
    """
    lowest_db = (noise_db + with_noise_db(minimum_snr_db))[:, None]
    thirds = [part.mean(axis=1) for part in np.array_split(power_db, 3, axis=1)]
    weak = (np.minimum.reduce(thirds) < lowest_db) | (phantom_db < lowest_db).any(axis=1, keepdims=True)
    power_db.swapaxes(1, 2)[weak] = np.nan
    return without_noise_db(power_db, noise_db), without_noise_db(phantom_db[:, :, None], noise_db)[:, :, 0]


def noise_of(reference: ReferencePhantom, grid: Grid) -> Depths:
    """Power of the scanner's noise in a window at every mapped depth, (n_z,), dB, as the phantom's frames tell it."""
    return floor_db(reference, grid.all_starts, grid.n_window, float(grid.band_mhz[-1]))[grid.rows]


@lru_cache(maxsize=32)
def floor_db(reference: ReferencePhantom, starts: tuple[int, ...], n_window: int, band_end_mhz: float) -> Depths:
    """Power of the noise at every depth, (n_z,), dB: read in windows that overlap by half, and interpolated."""
    spaced = range(starts[0], starts[-1] + 1, max(n_window // 2, 1))
    return np.interp(starts, spaced, noise_db(reference.planes, tuple(spaced), n_window, band_end_mhz))


def reference_db(reference: ReferencePhantom, grid: Grid) -> Phantom:
    """Expected log spectrum of a window of the phantom at every mapped depth, (n_z, n_bins), dB."""
    every_depth = grid.all_starts, grid.n_window, grid.window_mm, tuple(grid.band_mhz)  # shared by many regions
    return expected_db(reference, *every_depth)[grid.rows]


@lru_cache(maxsize=32)
def expected_db(
    reference: ReferencePhantom, starts: tuple[int, ...], n_window: int, window_mm: float, band_mhz: tuple[float, ...]
) -> Phantom:
    """Expected log spectrum of a window of the phantom at every depth, (n_z, n_bins), dB.

    10 log10 of the power averaged over all lines and frames, plus the bias of the logarithm: a
    window averages few independent lines, so its log lies below the log of the mean. The phantom's own
    windows at that depth show by how much: the medians of the level and slope of their deviation. A depth without an
    echo is NaN. Raises ``InputError`` if all are.
    """
    band, found = np.array(band_mhz), []
    for at in windows.in_blocks(len(starts)):
        mean_db, deviation_db = phantom_windows(reference, starts[at], n_window, window_mm, band)
        level_and_slope = line_fit(band)[:2].astype(np.float32) @ deviation_db  # (n_z, 2, windows)
        level_db, slope_db_mhz = windows.median_of_heard(level_and_slope).T
        found.append(mean_db + level_db[:, None] + np.outer(slope_db_mhz, band - band.mean()))
    source = reference.planes[0].source
    if not any(np.isfinite(expected).any() for expected in found):
        raise InputError(f"{source}: no window has an echo, expected those of a phantom")
    quiet = [windows.without_echo(plane.samples, starts, n_window) for plane in reference.planes]
    windows.tell_quiet(source, np.concatenate(quiet, axis=1), "the phantom's means are of the others")
    return np.concatenate(found)


def phantom_windows(
    reference: ReferencePhantom, starts: tuple[int, ...], n_window: int, window_mm: float, band_mhz: Band
) -> tuple[Phantom, Float[np.ndarray, "n_z n_bins n_windows"]]:
    """Mean spectrum at every depth, (n_z, n_bins) dB, and how the phantom's windows depart from it.

    The deviations (n_z, n_bins, n_windows) are of windows that overlap by half, of all frames.
    """
    powers = [windows.line_power(plane, starts, n_window, slice(None), band_mhz) for plane in reference.planes]
    mean_db = windows.decibel(windows.mean_of_frames(powers))
    plane = reference.planes[0]
    across_mm = window_centres(plane.extent_mm[1], window_mm, 0.5)
    lines, weights = windows.line_weights(across_mm, window_mm, plane.line_pitch_mm, plane.samples.shape[1])
    window_db = [windows.decibel(windows.mean_of_lines(power[..., lines], weights, False)) for power in powers]
    return mean_db, np.concatenate(window_db, axis=-1) - mean_db[..., None]


def gate_blur(
    slope_db_mhz: float | Float[np.ndarray, "n_z n_x"],
    loss_db_mhz: float | Loss,
    phantom_db: Phantom,
    band_mhz: Band,
    gate_us: float,
    loss_bend_db_mhz2: float | Loss = 0.0,
) -> Float[np.ndarray, "3 n_z n_x"]:
    """What the gate's blur adds to ratios of these slopes (n_z, n_x), dB: (3, n_z, n_x), coefficients of x^2, x and 1.

    x is the distance from mid-band. A Hanning gate of length T blurs a power spectrum by a kernel of variance
    s^2 = 1 / (3 T^2). To first order that turns L = ln S into L + s^2 / 2 (L'' + L'^2), hence the ratio D to the
    phantom (n_z, n_bins) into D + s^2 (D'' / 2 + L_r' D' + D'^2 / 2): steep ratios come out too flat where the
    phantom's spectrum is curved. D bends with its own scatterers, whose log spectrum is a parabola in f
    (the form factor): D'' is its slope at mid-band, put back the ``loss_db_mhz`` of the path, over that frequency,
    less the bend of the path's own loss where that is no straight line.
    """
    variance, centre_mhz = 1 / (3 * gate_us**2), float(band_mhz.mean())
    parabola = least_squares(tuple(band_mhz - centre_mhz), 2, 1, 0) @ phantom_db.T / DB  # of ln S_r
    half_bend, tilt, _ = parabola[:, :, None].astype(np.asarray(slope_db_mhz).dtype)  # (n_z, 1)
    bend = slope_db_mhz / (DB * centre_mhz) + (loss_db_mhz / centre_mhz - loss_bend_db_mhz2) / DB
    steep, tilted = 2 * half_bend + bend, tilt * bend
    slope = (slope_db_mhz / DB - variance * tilted) / (1 + variance * steep)
    blur = np.stack([bend * (steep - bend / 2), steep * slope + tilted, bend / 2 + (tilt + slope / 2) * slope])
    return DB * variance * blur


def phantom_path(plane: RFPlane, reference: ReferencePhantom, grid: Grid) -> Depths:
    """One-way attenuation of the phantom above every window, (n_z,), dB/MHz.

    Echoes of equal travel time come from the depth z c_phantom / c_tissue of the phantom.
    """
    depth_cm = grid.depth_mm / 10 * reference.planes[0].sound_speed_m_s / plane.sound_speed_m_s
    return reference.attenuation_db_cm_mhz * depth_cm


def path_attenuation(plane: RFPlane, attenuation_db_cm_mhz: Attenuation, grid: Grid) -> Loss:
    """One-way attenuation from the surface to every window centre, (n_z, n_x) or (n_z, 1), dB/MHz."""
    given = np.asarray(attenuation_db_cm_mhz)
    if given.ndim == 0:
        return float(given) * grid.depth_mm[:, None] / 10
    if given.shape != plane.samples.shape:
        raise ValueError(
            f"attenuation_db_cm_mhz of shape {given.shape}, expected one value or the plane's {plane.samples.shape}"
        )
    local = given[: windows.centre_pixels(plane, grid.depth_mm, grid.lateral_mm)[0][-1] + 2, grid.lines]
    along = np.cumsum(local, axis=0, dtype=np.float64) - (local + local[:1]) / 2  # the integral up to each sample
    position = grid.depth_mm / plane.sample_spacing_mm
    row = np.minimum(position.astype(int), len(along) - 2)
    part = (position - row)[:, None]
    return plane.sample_spacing_mm / 10 * ((1 - part) * along[row] + part * along[row + 1]) @ grid.weights.T
