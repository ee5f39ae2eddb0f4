"""Simulated RF with a known answer: tissue and phantom planes from scatterer size, concentration and attenuation.

White scatterer noise is cut into overlapping triangular blocks; each block of each line is filtered by the
square root of its own backscatter coefficient, spread laterally by the beam, filtered by the pulse and by the
attenuation along the path, and added up again.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft

from helpers.maps import N_BINS, ParametricMaps, gaussian_bsc_db, line_fit
from helpers.phantom import ATTENUATION_DB_CM_MHZ, SOUND_SPEED_M_S, ReferencePhantom, bead_backscatter
from helpers.rf import RFPlane
from helpers.tissue import Tissue

HOP = 52  # samples between blocks, 1 mm
BLOCK = 4 * HOP  # transform length: a block of 2 HOP and room for the filters' ringing
GAIN_COUNTS = 400.0  # int16 counts per unit echo; the phantom's echoes near the surface have an rms of about 140


@dataclass(frozen=True)
class System:
    """Scanner settings shared by sample and phantom; defaults are the paper's L14-5/60 protocol."""

    n_lines: int = 256
    width_mm: float = 60.0
    depth_mm: float = 50.0
    focus_mm: float = 20.0
    sampling_rate_hz: float = 40e6
    band_mhz: tuple[float, float] = (3.0, 8.0)  # -6 dB band of the pulse
    beam_mm: float = 0.8  # two-way beam width (FWHM) at the focus
    focal_zone_mm: float = 15.0  # distance from the focus at which the beam is sqrt(2) wider
    tgc_db_cm: float = 9.0  # time gain compensation
    noise_db: float = -100.0  # electronic noise re the phantom's echoes near the surface

    @property
    def n_samples(self) -> int:
        """Samples of a line: two-way travel over ``depth_mm`` at 1540 m/s."""
        return round(2e-3 * self.depth_mm / 1540.0 * self.sampling_rate_hz)

    @property
    def line_pitch_mm(self) -> float:
        """Distance of neighbouring lines, mm."""
        return self.width_mm / self.n_lines

    def block_depth_mm(self, sound_speed_m_s: float = 1540.0) -> np.ndarray:
        """Depth of the block centres (n_blocks,), mm."""
        n_blocks = -(-self.n_samples // HOP) + 1
        return np.arange(n_blocks) * HOP * 1e3 * sound_speed_m_s / (2 * self.sampling_rate_hz)

    @property
    def line_mm(self) -> np.ndarray:
        """Lateral position of the lines (n_lines,), mm."""
        return (np.arange(self.n_lines) + 0.5) * self.line_pitch_mm


def simulate_plane(
    tissue: Tissue, system: System, rng: np.random.Generator, source: str = "simulated plane"
) -> RFPlane:
    """Echoes of a tissue plane, int16 (n_samples, n_lines)."""
    depth_mm = system.block_depth_mm()
    frequency_mhz = block_frequencies_mhz(system)
    esd_um, eac_db, path_db_mhz = tissue.at(depth_mm, system.line_mm)
    bsc_db = gaussian_bsc_db(frequency_mhz, esd_um[..., None], eac_db[..., None], 1540.0)
    return echoes(bsc_db, path_db_mhz, system, rng, source=source)


def simulate_phantom(system: System, n_frames: int, rng: np.random.Generator) -> ReferencePhantom:
    """Independent frames of the glass-bead phantom under the same system settings."""
    frequency_mhz = block_frequencies_mhz(system)
    depth_cm = system.block_depth_mm(SOUND_SPEED_M_S) / 10
    bsc_db = phantom_bsc_db(tuple(frequency_mhz))
    path_db_mhz = np.tile(ATTENUATION_DB_CM_MHZ * depth_cm[:, None], system.n_lines)
    names = [f"simulated phantom, frame {i}" for i in range(n_frames)]
    planes = [echoes(bsc_db, path_db_mhz, system, rng, SOUND_SPEED_M_S, name) for name in names]
    return ReferencePhantom(planes, ATTENUATION_DB_CM_MHZ, bead_backscatter)


def block_bins(system: System) -> slice:
    """Bins of a block's transform that the pulse reaches."""
    frequency_mhz = fft.rfftfreq(BLOCK, 1e6 / system.sampling_rate_hz)
    reached = np.flatnonzero((pulse_db(frequency_mhz, system) > -80) & (frequency_mhz > 0))
    return slice(reached[0], reached[-1] + 1)


def block_frequencies_mhz(system: System) -> np.ndarray:
    """Frequencies at which blocks are filtered (n_frequencies,), MHz."""
    return fft.rfftfreq(BLOCK, 1e6 / system.sampling_rate_hz)[block_bins(system)]


def pulse_db(frequency_mhz: np.ndarray, system: System) -> np.ndarray:
    """Two-way power spectrum of the pulse, dB: Gaussian, -6 dB at both ends of the band."""
    low, high = system.band_mhz
    return -6 * ((frequency_mhz - (low + high) / 2) / ((high - low) / 2)) ** 2


def echoes(
    bsc_db: np.ndarray,
    path_db_mhz: np.ndarray,
    system: System,
    rng: np.random.Generator,
    sound_speed_m_s: float = 1540.0,
    source: str = "simulated plane",
) -> RFPlane:
    """RF of scatterers with backscatter (n_blocks, n_lines, n_frequencies) behind a path (n_blocks, n_lines)."""
    frequency_mhz = block_frequencies_mhz(system)
    spectra = np.zeros((path_db_mhz.shape[0], system.n_lines, BLOCK // 2 + 1), np.complex64)
    filtered = fft.rfft(noise_blocks(system, rng), axis=-1)[..., block_bins(system)]
    filtered *= amplitude(bsc_db - phantom_bsc_db((np.mean(system.band_mhz),)))
    filtered = spread(filtered, system)
    filtered *= amplitude(pulse_db(frequency_mhz, system) - 2 * path_db_mhz[..., None] * frequency_mhz)
    spectra[..., block_bins(system)] = filtered
    echo = overlap_add(fft.irfft(spectra, BLOCK, axis=-1), system.n_samples)
    return RFPlane(digitise(echo, system, rng), system.sampling_rate_hz, system.line_pitch_mm, sound_speed_m_s, source)


@lru_cache(maxsize=8)
def phantom_bsc_db(frequency_mhz: tuple[float, ...]) -> np.ndarray:
    """10 log10 of the phantom's backscatter coefficient in 1/(cm sr), (n_frequencies,)."""
    return 10 * np.log10(bead_backscatter(np.array(frequency_mhz) * 1e6))


def amplitude(power_db: np.ndarray) -> np.ndarray:
    """Amplitude of a power in dB, float32."""
    return np.exp(np.float32(np.log(10) / 20) * power_db.astype(np.float32))


def noise_blocks(system: System, rng: np.random.Generator) -> np.ndarray:
    """White noise in triangular blocks that add up to it, (n_blocks, n_lines, BLOCK), zero on both sides."""
    n_blocks = len(system.block_depth_mm())
    segments = rng.standard_normal((n_blocks + 1, system.n_lines, HOP), dtype=np.float32)
    rise = (np.arange(HOP, dtype=np.float32) + 0.5) / HOP
    blocks = np.zeros((n_blocks, system.n_lines, BLOCK), np.float32)
    blocks[..., HOP : 2 * HOP] = segments[:-1] * rise
    blocks[..., 2 * HOP : 3 * HOP] = segments[1:] * (1 - rise)
    return blocks


def overlap_add(blocks: np.ndarray, n_samples: int) -> np.ndarray:
    """Sum of blocks that start HOP apart, (n_samples, n_lines); block 0 is centred on sample 0."""
    n_blocks, n_lines, _ = blocks.shape
    segments = np.zeros((n_blocks + 3, n_lines, HOP), np.float32)
    for quarter in range(4):
        segments[quarter : quarter + n_blocks] += blocks[..., quarter * HOP : (quarter + 1) * HOP]
    return segments[2:].transpose(0, 2, 1).reshape(-1, n_lines)[:n_samples]


def spread(spectra: np.ndarray, system: System) -> np.ndarray:
    """Mix neighbouring lines by the beam of each block's depth, (n_blocks, n_lines, n_frequencies)."""
    as_real = np.ascontiguousarray(spectra).view(np.float32)
    return (beam(system) @ as_real).view(np.complex64)


@lru_cache(maxsize=4)
def beam(system: System) -> np.ndarray:
    """Gaussian two-way beam of unit energy at every block's depth, (n_blocks, n_lines, n_lines)."""
    off_focus = (system.block_depth_mm() - system.focus_mm) / system.focal_zone_mm
    width_mm = system.beam_mm * np.sqrt(1 + off_focus**2)  # FWHM of the amplitude
    distance_mm = system.line_mm[:, None] - system.line_mm
    profile = np.exp2(-((2 * distance_mm / width_mm[:, None, None]) ** 2)).astype(np.float32)
    return profile / np.sqrt((profile**2).sum(axis=-1, keepdims=True))


def digitise(echo: np.ndarray, system: System, rng: np.random.Generator) -> np.ndarray:
    """Add electronic noise, apply the time gain and round to int16, (n_samples, n_lines)."""
    depth_cm = np.arange(system.n_samples) * 100 * 1540.0 / (2 * system.sampling_rate_hz)
    gain = GAIN_COUNTS * 10 ** (system.tgc_db_cm * depth_cm / 20)
    noise = rng.standard_normal(echo.shape, dtype=np.float32) * np.float32(10 ** (system.noise_db / 20))
    counts = (echo + noise) * gain[:, None].astype(np.float32)
    return np.clip(np.rint(counts), -32768, 32767).astype(np.int16)


def true_maps(tissue: Tissue, depth_mm: np.ndarray, lateral_mm: np.ndarray, band_mhz=(3.0, 8.0)) -> ParametricMaps:
    """The five maps (n_z, n_x) that a perfect measurement would give at these window centres.

    Expected normalised spectrum: 10 log10(BSC_tissue / BSC_phantom); its line fit gives MBF, SS and SI.
    """
    band = np.linspace(*band_mhz, N_BINS)
    esd_um, eac_db, _ = tissue.at(depth_mm, lateral_mm)
    spectrum_db = gaussian_bsc_db(band, esd_um[..., None], eac_db[..., None], 1540.0) - phantom_bsc_db(tuple(band))
    mbf, ss, si = np.moveaxis(spectrum_db @ line_fit(band).T, -1, 0)
    return ParametricMaps(mbf, ss, si, esd_um, eac_db, depth_mm, lateral_mm)
