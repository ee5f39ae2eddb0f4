"""The reference phantom: its planes, its attenuation and the backscatter of its glass beads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import spherical_jn, spherical_yn

from helpers.data.rf import RFPlane

ATTENUATION_DB_CM_MHZ = 0.576  # the paper's phantom
SOUND_SPEED_M_S = 1488.0  # the paper's phantom
BEAD_DIAMETER_UM = (5.0, 30.0)  # the paper's phantom
BEADS_G_PER_L = 4.0  # not published; layered phantoms of the same maker hold 2, 4 and 8 g/L
GLASS = {"longitudinal_m_s": 5570.0, "shear_m_s": 3374.7, "density_kg_m3": 2540.0}
HOST = {"sound_speed_m_s": SOUND_SPEED_M_S, "density_kg_m3": 1000.0}


@dataclass(frozen=True, eq=False)
class ReferencePhantom:
    """Frames of a uniform phantom, scanned with the same system settings as the sample.

    ``backscatter`` maps frequency in Hz to the backscatter coefficient in 1/(cm sr); without it
    MBF, SS and SI can be had, ESD and EAC cannot. Attenuation grows with f^``attenuation_exponent``, f in MHz.

    Raises ``ValueError`` for no frames, frames that differ, or an attenuation that is not a number.
    """

    planes: Sequence[RFPlane]
    attenuation_db_cm_mhz: float
    backscatter: Callable[[np.ndarray], np.ndarray] | None = None
    attenuation_exponent: float = 1.0

    def __post_init__(self) -> None:
        if not len(self.planes):
            raise ValueError("reference phantom: no planes, expected at least one frame")
        settings = {(p.samples.shape, p.sampling_rate_hz, p.line_pitch_mm, p.sound_speed_m_s) for p in self.planes}
        if len(settings) > 1:
            raise ValueError(f"reference phantom: frames differ in shape, sampling, pitch or speed: {settings}")
        if not np.isfinite(self.attenuation_db_cm_mhz) or self.attenuation_db_cm_mhz < 0:
            raise ValueError(
                f"reference phantom: attenuation_db_cm_mhz = {self.attenuation_db_cm_mhz}, expected a number >= 0"
            )


def faran_amplitude_m(
    frequency_hz: np.ndarray,
    diameter_m: np.ndarray,
    host: dict[str, float] = HOST,
    sphere: dict[str, float] = GLASS,
    n_terms: int = 12,
) -> np.ndarray:
    """Backscattering amplitude of an elastic sphere, complex, shape of ``frequency_hz * diameter_m``, m.

    Faran (1951), equations 26-31: f = (1/k) sum_n (2n + 1) (-1)^n sin(eta_n) exp(i eta_n).
    ``n_terms`` must exceed ka by several; 12 serve up to ka = 6.
    """
    k = 2 * np.pi * np.asarray(frequency_hz, float) / host["sound_speed_m_s"]
    ka = k * np.asarray(diameter_m, float) / 2
    ratio = host["density_kg_m3"] / sphere["density_kg_m3"]
    x_long = ka * host["sound_speed_m_s"] / sphere["longitudinal_m_s"]
    x_shear = ka * host["sound_speed_m_s"] / sphere["shear_m_s"]
    total = np.zeros(ka.shape, complex)
    for n in range(n_terms):
        tan_eta = faran_tan_eta(n, ka, x_long, x_shear, ratio)
        total += (2 * n + 1) * (-1) ** n * tan_eta / (1 - 1j * tan_eta)
    return total / k


def faran_tan_eta(n: int, x: np.ndarray, x_long: np.ndarray, x_shear: np.ndarray, density_ratio: float) -> np.ndarray:
    """Tangent of the phase shift of order n (Faran 1951, equations 27-30)."""
    alpha_long = -x_long * spherical_jn(n, x_long, derivative=True) / spherical_jn(n, x_long)
    alpha_shear = -x_shear * spherical_jn(n, x_shear, derivative=True) / spherical_jn(n, x_shear)
    alpha = -x * spherical_jn(n, x, derivative=True) / spherical_jn(n, x)
    beta = -x * spherical_yn(n, x, derivative=True) / spherical_yn(n, x)
    order, half = n * n + n, x_shear**2 / 2
    shear = order / (order - 1 - half + alpha_shear)
    above = alpha_long / (alpha_long + 1) - shear
    below = (order - half + 2 * alpha_long) / (alpha_long + 1) - shear * (alpha_shear + 1)
    tan_phi = density_ratio * half * above / below
    tan_delta = -spherical_jn(n, x) / spherical_yn(n, x)
    return tan_delta * (tan_phi + alpha) / (tan_phi + beta)


def bead_backscatter(
    frequency_hz: np.ndarray,
    diameter_um: tuple[float, float] = BEAD_DIAMETER_UM,
    beads_g_per_l: float = BEADS_G_PER_L,
    n_sizes: int = 101,
) -> np.ndarray:
    """Backscatter coefficient of glass beads, (n_frequencies,), 1/(cm sr).

    Beads scatter independently: BSC = sum over sizes of number density times |f|^2 (Faran 1951);
    the mass is spread evenly over the diameters.
    """
    frequency_hz = np.atleast_1d(np.asarray(frequency_hz, float))
    diameter_m = 1e-6 * np.linspace(*diameter_um, n_sizes)
    bead_kg = GLASS["density_kg_m3"] * np.pi / 6 * diameter_m**3
    number_per_m3 = (beads_g_per_l / n_sizes) / bead_kg  # 1 g/L is 1 kg/m^3
    amplitude_m = np.abs(faran_amplitude_m(frequency_hz[:, None], diameter_m))
    return (amplitude_m**2 @ number_per_m3) / 100  # 1/m to 1/cm


@lru_cache(maxsize=32)
def bead_bsc_db(frequency_mhz: tuple[float, ...]) -> np.ndarray:
    """10 log10 of the glass beads' backscatter coefficient in 1/(cm sr), (n_frequencies,), computed once."""
    return 10 * np.log10(bead_backscatter(np.array(frequency_mhz) * 1e6))
