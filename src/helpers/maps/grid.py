"""The grid of a map: a protocol's windows, laid over a plane and its phantom.

Inside this module depth is in mm, frequency in MHz.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float

from ground.errors import InputError
from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane
from helpers.maps.noise import MINIMUM_DB, QUIET, mean_power_db, with_noise_db
from helpers.maps.windows import Band, Depths, centre_pixels, decibel, line_weights

Across = Float[np.ndarray, " n_x"]
Region = Bool[np.ndarray, "n_samples n_lines"]
BAND_MHZ = (3.0, 8.0)  # -6 dB band of the paper's probe
N_BINS = 13  # frequencies in the band: 2 mm of echo resolve about 0.4 MHz
FEWEST_CELLS = 4  # frequencies told apart in a band that is not chosen by hand
AROUND = (0.25, 1.5)  # of the transmit frequency: attenuation takes the band down, never far up


@dataclass(frozen=True)
class Protocol:
    """What is chosen before any echo is seen: windows, their overlap, and the band of the fits.

    A band of None is the -6 dB band of the phantom's own spectrum at the mapped depths.
    Raises ``InputError`` for an overlap, a band or a number of bins that cannot be.
    """

    window_mm: float = 2.0  # edge, axial and lateral
    overlap: float = 0.95  # of neighbouring windows
    band_mhz: tuple[float, float] | None = BAND_MHZ
    n_bins: int = N_BINS
    attenuation_exponent: float = 1.0  # n of the tissue's alpha f^n, f in MHz
    minimum_snr_db: float | None = None  # of windows that count; None: all do

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise InputError(f"overlap = {self.overlap}, expected 0 <= overlap < 1")
        if self.n_bins < 3:
            raise InputError(f"n_bins = {self.n_bins}, expected 3 or more")
        band = self.band_mhz
        if band is not None and (len(band) != 2 or any(isinstance(edge, str) for edge in band)):
            raise InputError(f"band_mhz = {band!r}, expected two numbers; with papermill: -y '{{band_mhz: [4, 7]}}'")


PROTOCOL = Protocol()  # the paper's


@dataclass(frozen=True, eq=False)
class Grid:
    """Windows over a plane: where they lie, which lines they weigh, and at which frequencies they are read."""

    window_mm: float
    band_mhz: Float[np.ndarray, " n_bins"]  # of the fits
    all_starts: tuple[int, ...]  # first sample of every window that fits into the plane's depth
    rows: slice  # the (n_z) of them that are mapped
    n_window: int  # samples in a window
    lines: slice  # lines that any mapped window touches
    weights: Float[np.ndarray, "n_x lines"]  # share of each line in a window; rows sum to 1
    depth_mm: Float[np.ndarray, " n_z"]  # window centres
    lateral_mm: Float[np.ndarray, " n_x"]  # window centres
    inside: Bool[np.ndarray, "n_z n_x"]  # the windows whose centre lies in the region
    attenuation_exponent: float = 1.0  # of the tissue
    minimum_snr_db: float | None = None  # of windows that count

    @property
    def starts(self) -> tuple[int, ...]:
        """First sample of every mapped window, n_z of them."""
        return self.all_starts[self.rows]


def window_grid(
    plane: RFPlane, reference: ReferencePhantom, region: Region | None = None, protocol: Protocol = PROTOCOL
) -> Grid:
    """Lay windows over the plane, or over the box around the region, ``window_mm * (1 - overlap)`` apart.

    Raises ``InputError`` for a phantom scanned differently, a band beyond Nyquist, a region of the wrong shape, and
    a window that does not fit.
    """
    check_scan(plane, reference, region)
    all_centres(reference.planes[0], protocol)  # the window has to fit into the phantom, too
    window_mm = protocol.window_mm
    depth_mm, lateral_mm = all_centres(plane, protocol)
    n_window = round(window_mm / plane.sample_spacing_mm)
    starts = np.round((depth_mm - window_mm / 2) / plane.sample_spacing_mm).astype(int)
    all_starts = tuple(np.minimum(starts, plane.samples.shape[0] - n_window).tolist())
    rows, columns = box_of(plane, region, depth_mm, lateral_mm, window_mm)
    depth_mm, lateral_mm = depth_mm[rows], lateral_mm[columns]
    lines, weights = line_weights(lateral_mm, window_mm, plane.line_pitch_mm, plane.samples.shape[1])
    inside = np.ones((len(depth_mm), len(lateral_mm)), bool)
    if region is not None:
        down, across = centre_pixels(plane, depth_mm, lateral_mm)
        inside = region[down].take(across, axis=1)
    band_mhz = band_of(reference, protocol, n_window)
    where = depth_mm, lateral_mm, inside, protocol.attenuation_exponent, protocol.minimum_snr_db
    return Grid(window_mm, band_mhz, all_starts, rows, n_window, lines, weights, *where)


def check_scan(plane: RFPlane, reference: ReferencePhantom, region: np.ndarray | None) -> None:
    """Raise ``InputError`` for a phantom scanned differently and for a region of another shape, or an empty one."""
    phantom = reference.planes[0]
    differing = different_fields(plane, phantom)
    if differing:
        warnings.warn(f"{phantom.source}: scanned otherwise than {plane.source}: {', '.join(differing)}", stacklevel=4)
    for name in ("sampling_rate_hz", "focus_mm"):
        theirs, ours = getattr(phantom, name), getattr(plane, name)
        if None not in (theirs, ours) and theirs != ours:
            raise InputError(f"{phantom.source}: {name} = {theirs:g}, expected the sample's {ours:g} ({plane.source})")
    if phantom.samples.shape[0] < plane.samples.shape[0]:
        theirs, ours = (f"{p.samples.shape[0]} samples ({p.extent_mm[2]:.1f} mm) deep" for p in (phantom, plane))
        raise InputError(f"{phantom.source}: {theirs}, expected at least the sample's {ours} ({plane.source})")
    if region is not None and region.shape != plane.samples.shape:
        raise InputError(f"{plane.source}: region of shape {region.shape}, expected the plane's {plane.samples.shape}")
    if region is not None and not region.any():
        raise InputError(f"{plane.source}: region is empty: no pixel of the mask is set")


def different_fields(plane: RFPlane, phantom: RFPlane) -> list[str]:
    """Header fields of the scan that differ, with both values; the line density counts where it is not the width."""
    theirs, ours = ({**p.header, "ld": p.header.get("ld", 0) - p.samples.shape[1]} for p in (phantom, plane))
    both = [name for name in plane.header if name in phantom.header]
    return [f"{name} {phantom.header[name]} and {plane.header[name]}" for name in both if theirs[name] != ours[name]]


def all_centres(plane: RFPlane, protocol: Protocol) -> tuple[Depths, Across]:
    """Centres of all windows of a plane, mm, in depth and across."""
    _, width, depth, _ = plane.extent_mm
    window_mm, shortest = protocol.window_mm, 4 * plane.sample_spacing_mm
    if not shortest <= window_mm <= min(depth, width):
        raise InputError(
            f"{plane.source}: window_mm = {window_mm}, expected {shortest:.3g} (four samples) to "
            f"{min(depth, width):.4g} (the plane's {width:.4g} x {depth:.4g} mm)"
        )
    return window_centres(depth, window_mm, protocol.overlap), window_centres(width, window_mm, protocol.overlap)


def window_centres(extent_mm: float, window_mm: float, overlap: float) -> Float[np.ndarray, " n"]:
    """Centres of all windows that fit into an extent, mm."""
    step = window_mm * (1 - overlap)
    return window_mm / 2 + step * np.arange(int((extent_mm - window_mm) / step + 1e-6) + 1)


def box_of(
    plane: RFPlane, region: Region | None, depth_mm: Depths, lateral_mm: Across, window_mm: float
) -> tuple[slice, slice]:
    """Rows and columns of the window centres in the box around a region; all of them without one."""
    if region is None:
        return slice(None), slice(None)
    rows = within(plane.source, plane.depth_mm[region.any(axis=1)], depth_mm, window_mm)
    return rows, within(plane.source, plane.lateral_mm[region.any(axis=0)], lateral_mm, window_mm)


def within(
    source: str, pixels_mm: Float[np.ndarray, " pixels"], centres_mm: Float[np.ndarray, " n"], window_mm: float
) -> slice:
    """Window centres from the first to the last pixel of a region along one direction."""
    first, last = np.searchsorted(centres_mm, [pixels_mm[0] - 1e-6, pixels_mm[-1] + 1e-6])
    if first == last:
        raise InputError(
            f"{source}: region from {pixels_mm[0]:.2f} to {pixels_mm[-1]:.2f} mm: no full window of {window_mm} mm has "
            "its centre in it"
        )
    return slice(first, last)


def band_of(reference: ReferencePhantom, protocol: Protocol, n_window: int) -> Band:
    """Frequencies of the fits, MHz: over the protocol's band, or over the phantom's own -6 dB band at all depths.

    Raises ``InputError`` for a band beyond Nyquist, and for one of the phantom's that is too narrow to fit a line in.
    """
    low, high = protocol.band_mhz or own_band_mhz(reference, protocol.window_mm, n_window)
    nyquist_mhz = reference.planes[0].sampling_rate_hz / 2e6
    if not 0 < low < high <= nyquist_mhz:
        raise InputError(f"band_mhz = {protocol.band_mhz}, expected 0 < low < high <= {nyquist_mhz:g} (Nyquist)")
    return np.linspace(low, high, protocol.n_bins)


def own_band_mhz(reference: ReferencePhantom, window_mm: float, n_window: int) -> tuple[float, float]:
    """The phantom's -6 dB band over its whole depth, MHz: the same for every region that it judges.

    Raises ``InputError`` for one of fewer than ``FEWEST_CELLS`` frequencies that windows this long tell apart.
    """
    plane = reference.planes[0]
    starts = tuple(range(0, plane.samples.shape[0] - n_window + 1, max(n_window // 2, 1)))
    low, high = reference_band_mhz(reference, starts, n_window)
    narrowest = FEWEST_CELLS * plane.sound_speed_m_s / (2e3 * window_mm)
    if not high - low >= narrowest:  # nor where it is NaN
        raise InputError(
            f"{plane.source}: its -6 dB band, {low:.2f} to {high:.2f} MHz, is narrower than the {narrowest:.2f} MHz "
            f"that windows of {window_mm:g} mm need; expected a longer window, or band_mhz"
        )
    return low, high


@lru_cache(maxsize=32)
def reference_band_mhz(reference: ReferencePhantom, starts: tuple[int, ...], n_window: int) -> tuple[float, float]:
    """The -6 dB band of the phantom's mean power spectrum over windows at these depths, MHz; NaN without an echo.

    Its peak is looked for around the transmit frequency, where the file tells it. What the gate leaves of a constant
    offset, below 2 / T for a gate of length T, is no echo and stands aside, as do depths where noise is all there is.
    """
    plane = reference.planes[0]
    nyquist_mhz = plane.sampling_rate_hz / 2e6
    frequency_mhz = np.linspace(0, nyquist_mhz, 4 * n_window)[1:]  # four points in each bin of the gate
    transmit_mhz = plane.header.get("txf", 0) / 1e6
    low, high = (AROUND[0] * transmit_mhz, AROUND[1] * transmit_mhz) if transmit_mhz else (0.0, nyquist_mhz)
    searched = (frequency_mhz >= max(low, 4 * nyquist_mhz / n_window)) & (frequency_mhz <= high)
    at_depths_db = mean_power_db(reference.planes, starts, n_window, frequency_mhz)
    at_depths_db = at_depths_db[np.isfinite(at_depths_db).all(axis=1)]
    if not len(at_depths_db) or not searched.any():
        return np.nan, np.nan
    floor_db = at_depths_db[:, frequency_mhz > QUIET[0] * nyquist_mhz].min(axis=1)
    heard = at_depths_db[:, searched].max(axis=1) >= floor_db + with_noise_db(MINIMUM_DB)
    level_db = decibel((10 ** (at_depths_db[heard if heard.any() else slice(None)] / 10)).mean(axis=0))
    level_db[~searched] = -np.inf
    peak = int(level_db.argmax())
    below = np.flatnonzero(level_db < level_db[peak] - 6)
    first, last = below[below < peak].max(initial=-1) + 1, below[below > peak].min(initial=len(level_db)) - 1
    return float(frequency_mhz[first]), float(frequency_mhz[last])
