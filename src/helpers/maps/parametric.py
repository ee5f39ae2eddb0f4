"""Parametric maps: from RF windows to MBF, SS, SI, ESD and EAC.

Inside this module depth is in mm, frequency in MHz, power in dB (10 log10).
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float

from ground.errors import InputError
from helpers.data.form_factor import form_factor_fit, one_or_nan, scatterers
from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane
from helpers.maps.grid import BAND_MHZ, N_BINS, Grid, Protocol, window_grid
from helpers.maps.normalisation import Attenuation, line_fit, normalised
from helpers.maps.windows import centre_pixels, step_mm, tell_quiet, without_echo

NAMES = {"mbf": "MBF", "ss": "SS", "si": "SI", "esd_um": "ESD", "eac_db": "EAC"}  # the five maps, in their order
UNITS = {"mbf": "dB", "ss": "dB/MHz", "si": "dB", "esd_um": "µm", "eac_db": "dB"}  # EAC: dB re 1/cm^3
FIELDS = tuple(NAMES)
LABELS = {field: f"{name} / {UNITS[field]}" for field, name in NAMES.items()}
FOUR = ("mbf", "si", "esd_um", "eac_db")  # the maps that the networks see, in the order of their channels
OF_BACKSCATTER = ("esd_um", "eac_db")  # those that need the phantom's backscatter


@dataclass(frozen=True, eq=False)
class ParametricMaps:
    """Five maps on one grid of window centres, all (n_z, n_x), NaN where nothing could be estimated."""

    mbf: Float[np.ndarray, "n_z n_x"]  # mid-band fit, dB re the phantom
    ss: Float[np.ndarray, "n_z n_x"]  # spectral slope, dB/MHz
    si: Float[np.ndarray, "n_z n_x"]  # spectral intercept at 0 MHz, dB
    esd_um: Float[np.ndarray, "n_z n_x"]  # effective scatterer diameter, um
    eac_db: Float[np.ndarray, "n_z n_x"]  # effective acoustic concentration, dB re 1/cm^3
    depth_mm: Float[np.ndarray, " n_z"]  # window centres
    lateral_mm: Float[np.ndarray, " n_x"]  # window centres
    band_mhz: tuple[float, float] = BAND_MHZ  # of the fits

    @property
    def extent_mm(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the maps, mm, as ``imshow`` wants them."""
        dx, dz = step_mm(self.lateral_mm) / 2, step_mm(self.depth_mm) / 2
        return (self.lateral_mm[0] - dx, self.lateral_mm[-1] + dx, self.depth_mm[-1] + dz, self.depth_mm[0] - dz)

    @property
    def unphysical(self) -> Bool[np.ndarray, "n_z n_x"]:
        """Mask (n_z, n_x) of the windows that were fitted but have no real diameter."""
        return np.isfinite(self.mbf) & ~np.isfinite(self.esd_um)

    @property
    def present(self) -> tuple[str, ...]:
        """The maps that hold a value, in their order: ESD and EAC are not there without the phantom's backscatter."""
        return tuple(name for name in FIELDS if np.isfinite(getattr(self, name)).any())


def parametric_maps(
    plane: RFPlane,
    reference: ReferencePhantom,
    region: Bool[np.ndarray, "n_samples n_lines"] | None = None,
    window_mm: float = 2.0,
    overlap: float = 0.95,
    band_mhz: tuple[float, float] | None = BAND_MHZ,
    attenuation_db_cm_mhz: Attenuation = 1.0,
    n_bins: int = N_BINS,
) -> ParametricMaps:
    """Map MBF, SS, SI, ESD and EAC of a plane, each (n_z, n_x), on a grid of window centres.

    The power spectrum of every window is divided by the phantom's at equal depth, corrected for
    attenuation along the path (Yao, Zagzebski and Madsen 1990), and fitted by a straight line (MBF,
    SS, SI; Lizzi 1983) and by the spherical Gaussian form factor (ESD, EAC; Insana 1990).

    ``region`` is a mask (n_samples, n_lines); only windows whose centre lies in it are mapped.
    ``band_mhz`` of None takes the -6 dB band of the phantom's spectrum at the mapped depths.
    ``attenuation_db_cm_mhz`` is one value, or local values in an array (n_samples, n_lines).
    ESD and EAC are NaN without the phantom's backscatter, and where no real diameter fits. Where lines are constant,
    padded or dead, they are left out, and windows without an echo are NaN; a warning counts them.

    Raises ``InputError`` for a phantom scanned differently, a band beyond Nyquist, a region of the wrong shape or
    without any echo, and a window that does not fit.
    """
    grid = window_grid(plane, reference, region, Protocol(window_mm, overlap, band_mhz, n_bins))
    return map_windows(plane, reference, grid, attenuation_db_cm_mhz)


def map_windows(
    plane: RFPlane, reference: ReferencePhantom, grid: Grid, attenuation_db_cm_mhz: Attenuation
) -> ParametricMaps:
    """The five maps on a grid that was laid over this plane and phantom; see ``parametric_maps``."""
    values = normalised(plane, reference, grid, attenuation_db_cm_mhz, five_fits(grid.band_mhz))
    values *= one_or_nan(grid.inside)[:, None]
    mbf, ss, si, slope, intercept = values.swapaxes(0, 1)
    own_slope, own_intercept = five_offsets(reference, grid.band_mhz)[3:].astype(np.float32)  # there are no others
    check_echoes(plane, reference, grid, np.isnan(mbf) & grid.inside)
    five = mbf, ss, si, *scatterers(slope + own_slope, intercept + own_intercept, plane.sound_speed_m_s)
    return ParametricMaps(*five, grid.depth_mm, grid.lateral_mm, (grid.band_mhz[0], grid.band_mhz[-1]))


def check_echoes(plane: RFPlane, reference: ReferencePhantom, grid: Grid, empty: Bool[np.ndarray, "n_z n_x"]) -> None:
    """Warn of lines and windows (n_z, n_x) without an echo, with counts. Raises ``InputError`` if no window has one."""
    least = "" if grid.minimum_snr_db is None else f" {grid.minimum_snr_db:g} dB above the noise"
    n_empty, n_windows = np.count_nonzero(empty), np.count_nonzero(grid.inside)
    if n_empty == n_windows:
        theirs = reference.planes[0].source
        raise InputError(
            f"{plane.source}: none of {n_windows} windows has an echo{least} here and in the phantom ({theirs})"
        )
    quiet = without_echo(plane.samples[:, grid.lines], grid.starts, grid.n_window)
    tell_quiet(plane.source, quiet, f"{n_empty:,} of {n_windows:,} windows are empty")
    if least and n_empty and not quiet.any():
        told = f"{n_empty:,} of {n_windows:,} windows are not{least}: left empty"
        warnings.warn(f"{plane.source}: {told}", stacklevel=4)


def normalised_spectra(
    plane: RFPlane, reference: ReferencePhantom, grid: Grid, attenuation_db_cm_mhz: Attenuation
) -> tuple[Float[np.ndarray, "n_z n_bins n_x"], Float[np.ndarray, "n_z n_bins n_x"]]:
    """Normalised spectrum W(f) and backscatter coefficient of every window of the grid, at ``grid.band_mhz``.

    W and 10 log10 BSC, dB re 1/(cm sr), are (n_z, n_bins, n_x); BSC = W + that of the phantom, NaN if unknown.
    """
    spectra_db = normalised(plane, reference, grid, attenuation_db_cm_mhz, np.eye(len(grid.band_mhz)))
    return spectra_db, spectra_db + phantom_bsc_db(reference, tuple(grid.band_mhz))[:, None]


def five_fits(band_mhz: Float[np.ndarray, " n_bins"]) -> Float[np.ndarray, "5 n_bins"]:
    """Fits of a normalised spectrum, (5, n_bins): MBF, SS, SI, and slope M and intercept I of the form factor."""
    return np.concatenate([line_fit(band_mhz), form_factor_fit(band_mhz)])


def five_offsets(reference: ReferencePhantom, band_mhz: Float[np.ndarray, " n_bins"]) -> Float[np.ndarray, "5"]:
    """What turns fits of W into fits of y = 10 log10 BSC - 40 log10 f, (5,): 0 for MBF, SS and SI."""
    own = form_factor_fit(band_mhz) @ (phantom_bsc_db(reference, tuple(band_mhz)) - 40 * np.log10(band_mhz))
    return np.concatenate([np.zeros(3), own])


@lru_cache(maxsize=32)
def phantom_bsc_db(reference: ReferencePhantom, band_mhz: tuple[float, ...]) -> Float[np.ndarray, " n_bins"]:
    """10 log10 of the phantom's backscatter coefficient in 1/(cm sr), (n_bins,); NaN if it is unknown."""
    if reference.backscatter is None:
        return np.full(len(band_mhz), np.nan)
    return 10 * np.log10(reference.backscatter(np.array(band_mhz) * 1e6))


def centre_mask(
    mask: Bool[np.ndarray, "n_samples n_lines"], plane: RFPlane, maps: ParametricMaps
) -> Bool[np.ndarray, "n_z n_x"]:
    """A mask of the plane's pixels (n_samples, n_lines) taken at the window centres, (n_z, n_x)."""
    down, across = centre_pixels(plane, maps.depth_mm, maps.lateral_mm)
    return mask[down][:, across]
