"""Simulated RF with a known answer: tissue and phantom planes from scatterer size, concentration and attenuation.

White noise, or few discrete scatterers, is cut into overlapping blocks; each block of each line is filtered by the
square root of its own backscatter coefficient, spread laterally by the beam, filtered by the pulse and by the
attenuation along the path, and added up again. Between two blocks a scatterer is shared out by the attenuation on
its own path, which makes the sum exact to 0.05 dB in the band, steps of attenuation included.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import fft

from helpers.data.acquisition import Acquisition
from helpers.data.form_factor import gaussian_bsc_db
from helpers.data.phantom import ATTENUATION_DB_CM_MHZ, SOUND_SPEED_M_S, ReferencePhantom, bead_backscatter, bead_bsc_db
from helpers.data.rf import RFPlane
from helpers.data.tissue import Tissue, linear, patient_plane

NOISE_DB = -55.0  # a recorded phantom's deep echoes sink into noise that lies this far below its strongest ones
FOCUS_STEP_MM = 5.0  # the sonographer sets the focus in these steps
HOP = 32  # samples between blocks, 0.6 mm
PARTS = 6  # a block of 2 hops and room for the filters' ringing
BLOCK = PARTS * HOP  # transform length
BATCH = 4  # depths filtered at a time: what they need stays in the processor's cache
STRIP = 16  # lines that the beam mixes at a time
FAINT = 1e-7  # of the beam's peak: below it float32 keeps nothing of a product, and slows down where it is tiny
OfBlocks = Callable[[slice], np.ndarray]  # of a few of the blocks
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
    noise_db: float = -100.0  # electronic noise re the phantom's echoes near the surface: none to speak of

    @property
    def n_samples(self) -> int:
        """Samples of a line: two-way travel over ``depth_mm`` at 1540 m/s."""
        return round(2e-3 * self.depth_mm / 1540.0 * self.sampling_rate_hz)

    @property
    def line_pitch_mm(self) -> float:
        """Distance of neighbouring lines, mm."""
        return self.width_mm / self.n_lines

    @property
    def cell_mm2(self) -> float:
        """Resolution cell at the focus: beam width times pulse length, both at half the amplitude, mm^2.

        A Gaussian pulse with half its amplitude at both ends of a band B lasts 4 ln 2 / (pi B).
        """
        pulse_us = 4 * np.log(2) / (np.pi * (self.band_mhz[1] - self.band_mhz[0]))
        return self.beam_mm * pulse_us * 1.54 / 2

    @property
    def block_samples(self) -> np.ndarray:
        """Samples on which the blocks are centred (n_blocks,), the first one on the surface."""
        return HOP * np.arange(-(-self.n_samples // HOP) + 1)

    @property
    def path_samples(self) -> np.ndarray:
        """Every sample of every block ((n_blocks + 1) HOP + 1,), half a block above the surface included."""
        return np.arange(-HOP, self.block_samples[-1] + HOP + 1)

    def depth_of_mm(self, samples: np.ndarray | int, sound_speed_m_s: float = 1540.0) -> np.ndarray:
        """Depth of samples, mm; 0 above the surface."""
        return np.maximum(samples, 0) * 1e3 * sound_speed_m_s / (2 * self.sampling_rate_hz)

    @property
    def line_mm(self) -> np.ndarray:
        """Lateral position of the lines (n_lines,), mm."""
        return (np.arange(self.n_lines) + 0.5) * self.line_pitch_mm


def simulate_plane(
    tissue: Tissue,
    system: System,
    rng: np.random.Generator,
    source: str = "simulated plane",
    scatterers_per_cell: float | None = None,
) -> RFPlane:
    """Echoes of a tissue plane, int16 (n_samples, n_lines).

    ``scatterers_per_cell`` is the mean number of discrete scatterers in a resolution cell (``System.cell_mm2``);
    without it speckle is fully developed. Raises ``ValueError`` unless it is a positive number.
    """
    frequency_mhz = block_frequencies_mhz(system).astype(np.float32)
    esd_um, eac_db, _ = tissue.at(system.depth_of_mm(system.block_samples), system.line_mm)
    esd_um, eac_db = esd_um.astype(np.float32)[..., None], eac_db.astype(np.float32)[..., None]
    path_db_mhz = tissue.path_db_mhz(tissue.depth_mm, system.line_mm).astype(np.float32)
    path_db_mhz = linear(path_db_mhz, tissue.depth_mm, system.depth_of_mm(system.path_samples))

    def bsc_db(rows: slice) -> np.ndarray:
        return gaussian_bsc_db(frequency_mhz, esd_um[rows], eac_db[rows], 1540.0)

    noise = scatterer_noise(system, rng, scatterers_per_cell)
    echo = echoes(noise, bsc_db, path_db_mhz, system, tissue.attenuation_exponent)
    return recorded_plane(echo, system, rng, 1540.0, source)


def simulate_phantom(
    system: System, n_frames: int, rng: np.random.Generator, gain_db: np.ndarray | float = 0.0
) -> ReferencePhantom:
    """Independent frames of the glass-bead phantom under the same system settings.

    ``gain_db`` (n_blocks, 1, n_frequencies) is what the beam makes of its echoes and not of the sample's, none usually.
    """
    bsc_db = bead_bsc_db(tuple(block_frequencies_mhz(system))) + gain_db + 0 * system.block_samples[:, None, None]
    depth_cm = system.depth_of_mm(system.path_samples, SOUND_SPEED_M_S) / 10
    path_db_mhz = ATTENUATION_DB_CM_MHZ * depth_cm[:, None]
    planes = []
    for i in range(n_frames):
        echo = echoes(scatterer_noise(system, rng), bsc_db.__getitem__, path_db_mhz, system)
        planes.append(recorded_plane(echo, system, rng, SOUND_SPEED_M_S, f"simulated phantom, frame {i}"))
    return ReferencePhantom(planes, ATTENUATION_DB_CM_MHZ, bead_backscatter)


def recorded_plane(
    echo: np.ndarray, system: System, rng: np.random.Generator, sound_speed_m_s: float, source: str
) -> RFPlane:
    """What the scanner stores of an echo (n_samples, n_lines)."""
    settings = digitise(echo, system, rng), system.sampling_rate_hz, system.line_pitch_mm, sound_speed_m_s, source
    return RFPlane(*settings, focus_mm=system.focus_mm)


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
    noise: np.ndarray, bsc_db: OfBlocks, path_db_mhz: np.ndarray, system: System, exponent: float = 1.0
) -> np.ndarray:
    """Echoes of scatterers without electronics, (n_samples, n_lines): a linear operator on ``noise``.

    ``noise`` is (n_blocks + 1, n_lines, HOP); ``bsc_db`` of a few of the blocks broadcasts to (n, n_lines,
    n_frequencies), and ``path_db_mhz``, the one-way attenuation from the surface at 1 MHz, to (len(path_samples),
    n_lines); it grows with f^``exponent``.
    """
    n_blocks, bins = len(noise) - 1, block_bins(system)
    frequency_mhz = block_frequencies_mhz(system).astype(np.float32)
    level_db = pulse_db(frequency_mhz, system) - np.float32(bead_bsc_db((np.mean(system.band_mhz),)))
    segments = np.zeros((n_blocks + PARTS - 1, system.n_lines, HOP), np.float32)
    whole = np.zeros((BATCH, system.n_lines, BLOCK // 2 + 1), np.complex64)
    for start in range(0, n_blocks, BATCH):
        rows = slice(start, min(start + BATCH, n_blocks))
        path = path_db_mhz[start * HOP : (rows.stop + 1) * HOP + 1].astype(np.float32)
        cut = blocks(noise[start : rows.stop + 1], share_below(path))
        spectra = (cut @ block_fourier(system)).view(np.complex64)
        spectra *= amplitude(bsc_db(rows) + level_db)
        mixed = whole[: len(cut), :, bins]
        spread(spectra, beam(system)[rows], mixed)
        mixed *= amplitude(path[HOP:-1:HOP, :, None] * (-2 * frequency_mhz ** np.float32(exponent)))
        cut = fft.irfft(whole[: len(cut)], BLOCK, axis=-1)
        for part in range(PARTS):
            segments[start + part : rows.stop + part] += cut[..., part * HOP : (part + 1) * HOP]
    return in_lines(segments, system.n_samples)


@lru_cache(maxsize=8)
def block_fourier(system: System) -> np.ndarray:
    """Transform of the middle of a block at ``block_bins``, (2 HOP, 2 n_frequencies): real and imaginary in turn."""
    middle = np.arange(BLOCK // 2 - HOP, BLOCK // 2 + HOP)
    turns = np.outer(middle, np.arange(BLOCK // 2 + 1)[block_bins(system)]) / BLOCK
    return np.exp(-2j * np.pi * turns).astype(np.complex64).view(np.float32)


def amplitude(power_db: np.ndarray) -> np.ndarray:
    """Amplitude of a power in dB, float32."""
    neper = np.float32(np.log(10) / 20) * power_db.astype(np.float32, copy=False)
    return np.exp(neper, out=neper)


def scatterer_noise(system: System, rng: np.random.Generator, scatterers_per_cell: float | None = None) -> np.ndarray:
    """Scatterers of unit mean power in every sample, (n_blocks + 1, n_lines, HOP): Gaussian, or few and discrete.

    A Poisson number of scatterers of either sign lies in a sample: the difference of two Poisson numbers.
    """
    shape = len(system.block_samples) + 1, system.n_lines, HOP
    if scatterers_per_cell is None:
        return rng.standard_normal(shape, dtype=np.float32)
    if not (np.isfinite(scatterers_per_cell) and scatterers_per_cell > 0):
        raise ValueError(f"scatterers_per_cell = {scatterers_per_cell}, expected a positive number or None")
    mean = scatterers_per_cell * system.line_pitch_mm * system.depth_of_mm(1) / system.cell_mm2
    count = rng.poisson(mean / 2, shape) - rng.poisson(mean / 2, shape)
    return count.astype(np.float32) / np.float32(np.sqrt(mean))


def blocks(noise: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Noise (n + 1, n_lines, HOP) cut into blocks that add up to it; ``share`` goes below.

    Of each block that is its middle, (n, n_lines, 2 HOP); the rest is there for the filters' ringing.
    """
    below = share * noise
    return np.concatenate([below[:-1], noise[1:] - below[1:]], axis=-1)


def share_below(path_db_mhz: np.ndarray) -> np.ndarray:
    """Share of a sample that goes to the block below it, (n_blocks + 1, n_lines or 1, HOP); the rest goes above.

    The share grows with the attenuation A on the path, so that the two blocks' filters 10^(-2 A f / 20) mix to the
    sample's own to first order even where the attenuation changes; without attenuation it grows with depth.
    """
    knots = path_db_mhz[::HOP, :, None]
    inside = np.ascontiguousarray(path_db_mhz[:-1].reshape(len(knots) - 1, HOP, -1).transpose(0, 2, 1))
    step = np.diff(knots, axis=0)
    return np.where(step > 1e-6, (inside - knots[:-1]) / np.maximum(step, 1e-6), np.arange(HOP, dtype=np.float32) / HOP)


def in_lines(segments: np.ndarray, n_samples: int) -> np.ndarray:
    """Segments of a hop one below the other, (n_samples, n_lines); the first block is centred on sample 0."""
    return segments[PARTS // 2 :].transpose(0, 2, 1).reshape(-1, segments.shape[1])[:n_samples]


def spread(spectra: np.ndarray, beams: np.ndarray, mixed: np.ndarray) -> None:
    """Mix neighbouring lines by the beam of each block's depth, from (n, n_lines, n_frequencies) into ``mixed``."""
    given, found = spectra.view(np.float32), mixed.view(np.float32)
    reach = np.count_nonzero(beams[:, 0].any(axis=0))
    for first in range(0, beams.shape[1], STRIP):
        lines, near = slice(first, first + STRIP), slice(max(first - reach, 0), first + STRIP + reach)
        np.matmul(beams[:, lines, near], given[:, near], out=found[:, lines])


@lru_cache(maxsize=4)
def beam(system: System) -> np.ndarray:
    """Gaussian two-way beam of unit energy at every block's depth, (n_blocks, n_lines, n_lines)."""
    off_focus = (system.depth_of_mm(system.block_samples) - system.focus_mm) / system.focal_zone_mm
    width_mm = system.beam_mm * np.sqrt(1 + off_focus**2)  # FWHM of the amplitude
    line = np.arange(system.n_lines)
    profile = np.exp2(-((2 * line * system.line_pitch_mm / width_mm[:, None]) ** 2)).astype(np.float32)
    profile[profile < FAINT] = 0
    profile = profile.take(abs(line[:, None] - line), axis=1)
    return profile / np.sqrt((profile**2).sum(axis=-1, keepdims=True))


def digitise(echo: np.ndarray, system: System, rng: np.random.Generator) -> np.ndarray:
    """Add electronic noise, apply the time gain and round to int16, (n_samples, n_lines)."""
    depth_cm = np.arange(system.n_samples) * 100 * 1540.0 / (2 * system.sampling_rate_hz)
    gain = GAIN_COUNTS * 10 ** (system.tgc_db_cm * depth_cm / 20)
    counts = rng.standard_normal(echo.shape, dtype=np.float32)
    counts *= np.float32(10 ** (system.noise_db / 20))
    counts += echo
    counts *= gain[:, None].astype(np.float32)
    return np.clip(np.rint(counts, out=counts), -32768, 32767, out=counts).astype(np.int16)


def system_of(patient: pd.Series, n_lines: int, depth_cm: float, noise_db: float = NOISE_DB) -> System:
    """The study's scanner as it is set for one patient, its focus at the centre of her tumour."""
    focus_mm = FOCUS_STEP_MM * round(patient["centre_depth_mm"] / FOCUS_STEP_MM)
    return System(n_lines=n_lines, depth_mm=10 * depth_cm, focus_mm=focus_mm, noise_db=noise_db)


def simulated(
    patient: pd.Series,
    index: int,
    n_lines: int,
    depth_cm: float,
    n_frames: int,
    seed: int,
    system: System | None = None,
    phantom_system: System | None = None,
) -> Acquisition:
    """Simulate one plane and the phantom under the same settings; the same arguments always give the same echoes.

    ``system`` takes the place of the study's scanner, ``phantom_system`` of the one that scans the phantom.
    """
    system = system or system_of(patient, n_lines, depth_cm)
    tissue, outline_mm = patient_plane(patient, index, system.depth_mm)
    rng = np.random.default_rng([int(patient["tissue_seed"]), index, 1])
    plane = simulate_plane(tissue, system, rng, f"simulated {patient.name}, plane {index}")
    return Acquisition(plane, phantom_frames(phantom_system or system, n_frames, seed), outline_mm, tissue)


@lru_cache(maxsize=8)
def phantom_frames(system: System, n_frames: int, seed: int) -> ReferencePhantom:
    """The simulated phantom under one set of system settings."""
    return simulate_phantom(system, n_frames, np.random.default_rng([seed, round(system.focus_mm)]))
