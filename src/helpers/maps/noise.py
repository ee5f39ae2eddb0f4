"""Signal or noise: how far echoes stand above the scanner's own noise, and down to which depth they can be read.

Inside this module depth is in mm, frequency in MHz, power in dB (10 log10).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from helpers.data.rf import RFPlane
from helpers.maps.windows import decibel, line_power, mean_of_frames

QUIET = (0.75, 0.95)  # of the Nyquist frequency: above the pulse's band, below what the digitiser's filter cuts off
N_QUIET = 8  # frequencies that are looked at there
ROOM = 1.25  # how far above the band they begin at least, as a ratio of frequencies
MINIMUM_DB = 6.0  # below it noise adds more than 10 log10(1 + 10^-0.6) = 1 dB to a power


def noise_db(
    planes: Sequence[RFPlane], starts: tuple[int, ...], n_window: int, band_end_mhz: float = 0.0
) -> Float[np.ndarray, " n_z"]:
    """Power of the noise in a window at every depth, (n_z,), dB: what is left where the pulse has no echo.

    Electronic noise is white before the time gain, so its level above the pulse's band is its level within it. The
    lowest of the quiet frequencies counts, each averaged over all lines and frames: harmonics and interference add.
    It is NaN, not known, where the sampling rate leaves no room for them above the end of the band.
    """
    nyquist_mhz = planes[0].sampling_rate_hz / 2e6
    if QUIET[0] * nyquist_mhz < ROOM * band_end_mhz:
        return np.full(len(starts), np.nan)
    quiet_mhz = np.linspace(*QUIET, N_QUIET) * nyquist_mhz
    return mean_power_db(planes, starts, n_window, quiet_mhz).min(axis=1)


def mean_power_db(
    planes: Sequence[RFPlane], starts: tuple[int, ...], n_window: int, frequency_mhz: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n_z n"]:
    """Power at every depth, averaged over lines and frames, (n_z, n), dB."""
    powers = [line_power(plane, starts, n_window, slice(None), frequency_mhz) for plane in planes]
    return decibel(mean_of_frames(powers))


def snr_db(
    planes: Sequence[RFPlane], starts: tuple[int, ...], n_window: int, band_mhz: Float[np.ndarray, " n_bins"]
) -> Float[np.ndarray, "n_z n_bins"]:
    """Signal-to-noise ratio at every depth and frequency, (n_z, n_bins), dB; -inf without signal, NaN if not known."""
    floor_db = noise_db(planes, starts, n_window, float(band_mhz[-1]))[:, None]
    excess = mean_power_db(planes, starts, n_window, band_mhz) - floor_db
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(excess <= 0, -np.inf, 10 * np.log10(10 ** (excess / 10) - 1))


def with_noise_db(snr_db: float) -> float:
    """How far signal and noise together stand above the noise alone where the signal does by ``snr_db``, dB."""
    return float(10 * np.log10(1 + 10 ** (snr_db / 10)))


def usable_depths_mm(
    ratio_db: Float[np.ndarray, "n_z n_bins"], depth_mm: Float[np.ndarray, " n_z"], minimum_db: float = MINIMUM_DB
) -> tuple[float, float]:
    """First and last depth of the longest run of windows with the whole band above ``minimum_db``; NaN without any."""
    good = np.concatenate([[False], (ratio_db >= minimum_db).all(axis=1), [False]])
    first, after = np.flatnonzero(good[1:] & ~good[:-1]), np.flatnonzero(good[:-1] & ~good[1:])
    if not len(first):
        return np.nan, np.nan
    longest = int(np.argmax(after - first))
    return float(depth_mm[first[longest]]), float(depth_mm[after[longest] - 1])


def effective_frames(planes: Sequence[RFPlane]) -> float:
    """How many independent frames are worth as much as these, 1 to their number.

    The variance of a mean of n equally correlated powers is that of n / (1 + (n - 1) rho^2) independent ones; rho is
    the mean correlation of the echoes of two frames, and rho^2 that of their powers (Goodman 1985, circular Gaussian).
    """
    if len(planes) < 2:
        return float(len(planes))
    flat = np.stack([plane.samples.astype(np.float32).ravel() for plane in planes])
    correlation = np.atleast_2d(np.corrcoef(flat))
    n = len(planes)
    squared = float((correlation[~np.eye(n, dtype=bool)] ** 2).mean())
    return n / (1 + (n - 1) * squared)
