"""Signal or noise: how far echoes stand above the scanner's own noise, and down to which depth they can be read.

Inside this module depth is in mm, frequency in MHz, power in dB (10 log10).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from helpers.data.form_factor import DB, least_squares
from helpers.data.rf import RFPlane
from helpers.maps.windows import Depths, Spectra, decibel, line_power, mean_of_frames

QUIET = (0.75, 0.95)  # of the Nyquist frequency: above the pulse's band, below what the digitiser's filter cuts off
N_QUIET = 8  # frequencies that are looked at there
ROOM = 1.25  # how far above the band they begin at least, as a ratio of frequencies
MINIMUM_DB = 6.0  # below it noise adds more than 10 log10(1 + 10^-0.6) = 1 dB to a power


def noise_db(planes: Sequence[RFPlane], starts: tuple[int, ...], n_window: int, band_end_mhz: float = 0.0) -> Depths:
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


def without_noise_db(power_db: Spectra, noise_db: Depths) -> Spectra:
    """Power of signal and noise with the noise's taken off, dB; as it is where the noise is not known.

    Speckle has frequencies without an echo, so what is taken off follows from a parabola through the spectrum; where
    that sinks below twice the noise, half the power is taken.
    """
    known_db = np.where(np.isnan(noise_db), -np.inf, noise_db)[:, None, None].astype(power_db.dtype)
    x = np.linspace(-1, 1, power_db.shape[1])
    parabola = np.vander(x, 3) @ least_squares(tuple(x), 2, 1, 0)
    smooth_db = parabola.astype(power_db.dtype) @ power_db
    above_db = np.clip(smooth_db - known_db, with_noise_db(0.0), np.inf)
    return power_db + decibel(1 - np.exp(above_db / -DB))  # less the share of the noise


def with_noise_db(snr_db: float) -> float:
    """How far signal and noise together stand above the noise alone where the signal does by ``snr_db``, dB."""
    return float(10 * np.log10(1 + 10 ** (snr_db / 10)))
