"""Parametric maps: from RF windows to MBF, SS, SI, ESD and EAC.

Inside this module depth is in mm, frequency in MHz, power in dB (10 log10).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from helpers.data.form_factor import form_factor_fit, scatterers
from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane
from helpers.maps.normalisation import band_of, check_inputs, line_fit, normalised
from helpers.maps.windows import centre_pixels, step_mm, window_grid

BAND_MHZ = (3.0, 8.0)  # -6 dB band of the paper's probe
N_BINS = 13  # frequencies in the band: 2 mm of echo resolve about 0.4 MHz
NAMES = {"mbf": "MBF", "ss": "SS", "si": "SI", "esd_um": "ESD", "eac_db": "EAC"}  # the five maps, in their order
UNITS = {"mbf": "dB", "ss": "dB/MHz", "si": "dB", "esd_um": "µm", "eac_db": "dB"}  # EAC: dB re 1/cm^3
FIELDS = tuple(NAMES)
LABELS = {field: f"{name} / {UNITS[field]}" for field, name in NAMES.items()}
FOUR = ("mbf", "si", "esd_um", "eac_db")  # the maps that the networks see, in the order of their channels


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
    band_mhz: tuple[float, float] = BAND_MHZ  # of the fits

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

    @property
    def unphysical(self) -> np.ndarray:
        """Mask (n_z, n_x) of the windows that were fitted but have no real diameter."""
        return np.isfinite(self.mbf) & ~np.isfinite(self.esd_um)


def parametric_maps(
    plane: RFPlane,
    reference: ReferencePhantom,
    region: np.ndarray | None = None,
    window_mm: float = 2.0,
    overlap: float = 0.95,
    band_mhz: tuple[float, float] | None = BAND_MHZ,
    attenuation_db_cm_mhz: float | np.ndarray = 1.0,
    n_bins: int = N_BINS,
) -> ParametricMaps:
    """Map MBF, SS, SI, ESD and EAC of a plane, each (n_z, n_x), on a grid of window centres.

    The power spectrum of every window is divided by the phantom's at equal depth, corrected for
    attenuation along the path (Yao, Zagzebski and Madsen 1990), and fitted by a straight line (MBF,
    SS, SI; Lizzi 1983) and by the spherical Gaussian form factor (ESD, EAC; Insana 1990).

    ``region`` is a mask (n_samples, n_lines); only windows whose centre lies in it are mapped.
    ``band_mhz`` of None takes the -6 dB band of the phantom's spectrum at the mapped depths.
    ``attenuation_db_cm_mhz`` is one value, or local values in an array (n_samples, n_lines).
    ESD and EAC are NaN without the phantom's backscatter, and where no real diameter fits.

    Raises ``ValueError`` for a phantom scanned differently, a band beyond Nyquist, constant lines, a region of the
    wrong shape, and a window that does not fit.
    """
    check_inputs(plane, reference, region)
    grid = window_grid(plane, region, window_mm, overlap)
    band = band_of(reference, grid, band_mhz, n_bins)
    values = normalised(plane, reference, grid, window_mm, band, attenuation_db_cm_mhz, five_fits(band))
    values += five_offsets(reference, band)[:, None]
    mbf, ss, si, slope, intercept = np.moveaxis(values.astype(np.float32), 1, 0)
    maps = [mbf, ss, si, *scatterers(slope, intercept, plane.sound_speed_m_s)]
    if region is not None:
        inside = region[np.ix_(*centre_pixels(plane, grid.depth_mm, grid.lateral_mm))]
        maps = [np.where(inside, values, np.float32(np.nan)) for values in maps]
    return ParametricMaps(*maps, grid.depth_mm, grid.lateral_mm, (band[0], band[-1]))


def normalised_spectra(
    plane: RFPlane,
    reference: ReferencePhantom,
    region: np.ndarray | None = None,
    window_mm: float = 2.0,
    overlap: float = 0.75,
    band_mhz: tuple[float, float] | None = BAND_MHZ,
    attenuation_db_cm_mhz: float | np.ndarray = 1.0,
    n_bins: int = N_BINS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies (n_bins,) in MHz, normalised spectrum W(f) and backscatter coefficient of every window of the box.

    W and 10 log10 BSC, dB re 1/(cm sr), are (n_z, n_bins, n_x); BSC = W + that of the phantom, NaN if unknown.
    Arguments and errors as for ``parametric_maps``.
    """
    check_inputs(plane, reference, region)
    grid = window_grid(plane, region, window_mm, overlap)
    band = band_of(reference, grid, band_mhz, n_bins)
    spectra_db = normalised(plane, reference, grid, window_mm, band, attenuation_db_cm_mhz, np.eye(n_bins))
    return band, spectra_db, spectra_db + phantom_bsc_db(reference, tuple(band))[:, None]


def five_fits(band_mhz: np.ndarray) -> np.ndarray:
    """Fits of a normalised spectrum, (5, n_bins): MBF, SS, SI, and slope M and intercept I of the form factor."""
    return np.concatenate([line_fit(band_mhz), form_factor_fit(band_mhz)])


def five_offsets(reference: ReferencePhantom, band_mhz: np.ndarray) -> np.ndarray:
    """What turns fits of W into fits of y = 10 log10 BSC - 40 log10 f, (5,): 0 for MBF, SS and SI."""
    own = form_factor_fit(band_mhz) @ (phantom_bsc_db(reference, tuple(band_mhz)) - 40 * np.log10(band_mhz))
    return np.concatenate([np.zeros(3), own])


@lru_cache(maxsize=32)
def phantom_bsc_db(reference: ReferencePhantom, band_mhz: tuple[float, ...]) -> np.ndarray:
    """10 log10 of the phantom's backscatter coefficient in 1/(cm sr), (n_bins,); NaN if it is unknown."""
    if reference.backscatter is None:
        return np.full(len(band_mhz), np.nan)
    return 10 * np.log10(reference.backscatter(np.array(band_mhz) * 1e6))


def centre_mask(mask: np.ndarray, plane: RFPlane, maps: ParametricMaps) -> np.ndarray:
    """A mask of the plane's pixels (n_samples, n_lines) taken at the window centres, (n_z, n_x)."""
    return mask[np.ix_(*centre_pixels(plane, maps.depth_mm, maps.lateral_mm))]
