"""The spherical Gaussian form factor: from a backscatter coefficient to size and concentration of scatterers, and back.

Inside this module frequency is in MHz, diameter in um, the backscatter coefficient in dB re 1/(cm sr).
"""

from functools import lru_cache

import numpy as np

DB = float(10 / np.log(10))  # a plain number leaves float32 as it is
GAUSSIAN = 0.827  # F(f) = exp(-0.827 k^2 a^2), sphere of equal volume (Insana 1990)


@lru_cache(maxsize=32)
def least_squares(x: tuple[float, ...], *powers: int) -> np.ndarray:
    """What makes of values at these x the coefficients of the powers that fit them best, (n_powers, n)."""
    return np.linalg.pinv(np.stack([np.array(x) ** power for power in powers], axis=1))


def form_factor_fit(band_mhz: np.ndarray) -> np.ndarray:
    """Least squares of y = I + M f^2 over the band, (2, n_bins): slope M and intercept I."""
    return least_squares(tuple(band_mhz), 0, 2)[::-1].copy()


def scatterers(
    slope: np.ndarray | np.floating, intercept: np.ndarray | np.floating, sound_speed_m_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """ESD (um) and EAC (dB re 1/cm^3) from the line through 10 log10 BSC - 40 log10 f against f^2 in MHz.

    Spherical Gaussian form factor (Insana 1990): BSC = (4/9) k^4 a^6 n gamma^2 exp(-0.827 k^2 a^2),
    so that a^2 = -M / (0.827 * 10 log10(e) * (2 pi / c)^2) and EAC = I - 10 log10((4/9) (2 pi / c)^4 a^6).
    A slope >= 0 has no real diameter: NaN.
    """
    k_per_mhz = 2 * np.pi * 1e6 / (sound_speed_m_s * 100)  # 1/(cm MHz)
    a2 = -slope / np.float32(GAUSSIAN * DB * k_per_mhz**2)  # cm^2
    a2 = a2 * one_or_nan(a2 > 0)
    eac_db = intercept - np.float32(10 * np.log10(4 / 9 * k_per_mhz**4)) - 30 * np.log10(a2)
    return 2e4 * np.sqrt(a2), eac_db


def one_or_nan(mask: np.ndarray | np.bool) -> np.ndarray:
    """1 where a mask is set, NaN elsewhere: a product with it is quicker than ``np.where``."""
    ones = np.asarray(mask, np.float32)
    with np.errstate(invalid="ignore"):
        return ones / ones


def gaussian_bsc_db(
    band_mhz: np.ndarray, esd_um: np.ndarray | float, eac_db: np.ndarray | float, sound_speed_m_s: float
) -> np.ndarray:
    """10 log10 of the backscatter coefficient in 1/(cm sr), shapes broadcast: the model that ``scatterers`` inverts."""
    level_db, fall_db_cm2 = gaussian_in_size(band_mhz, sound_speed_m_s)
    a2 = (np.asarray(esd_um) * 0.5e-4) ** 2  # cm^2
    return (level_db - fall_db_cm2 * a2) + (30 * np.log10(a2) + eac_db)


def gaussian_in_size(band_mhz: np.ndarray, sound_speed_m_s: float) -> tuple[np.ndarray, np.ndarray]:
    """What the logarithm of that model takes from the frequency: a level, dB, and its fall with a^2, dB/cm^2."""
    k2 = (2 * np.pi * 1e6 * np.asarray(band_mhz) / (sound_speed_m_s * 100)) ** 2  # 1/cm^2
    return 10 * np.log10(4 / 9 * k2**2), DB * GAUSSIAN * k2
