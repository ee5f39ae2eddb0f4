"""Time and memory of mapping a plane of 3117 x 256 samples, as ratios to a loop per window and to a bare transform.

``python benchmarks/maps.py [--json PATH] [--record]`` runs on one core: five maps at 95 % overlap of a core of 30 x 25
mm and its margin of 5 mm. The loop is lean: one FFT of the gated lines, their average, the path, two line fits. The
bare step is what no map can do without: the in-band transform of every line at every axial start, in float32, and its
power.
"""

import sys
from functools import partial

import common  # first: one thread
import numpy as np

from helpers.data.form_factor import scatterers
from helpers.data.phantom import ReferencePhantom, bead_backscatter
from helpers.data.regions import margin_of
from helpers.data.rf import RFPlane
from helpers.maps.grid import window_grid
from helpers.maps.normalisation import expected_db, reference_db
from helpers.maps.parametric import parametric_maps

SHAPE = (3117, 256)
BAND_MHZ = np.linspace(3, 8, 13)
N_WINDOW = 104  # samples in 2 mm
OWN_DB = 10 * np.log10(bead_backscatter(BAND_MHZ * 1e6)) - 40 * np.log10(BAND_MHZ)
LOOPED = 500  # windows of the loop, from which the whole is extrapolated


def scan(seed: int, sound_speed_m_s: float = 1540.0) -> RFPlane:
    """A plane of white noise in 16 bit: what is in it does not matter here."""
    samples = (300 * np.random.default_rng(seed).standard_normal(SHAPE)).astype(np.int16)
    return RFPlane(samples, 40e6, 60 / SHAPE[1], sound_speed_m_s)


def tumour(plane: RFPlane, share: float = 1.0) -> np.ndarray:
    """Core of 30 x 25 mm and its margin, a mask of the plane; ``share`` of its width."""
    lateral, depth = plane.lateral_mm - 30, plane.depth_mm[:, None] - 27
    core = (lateral / (15 * share)) ** 2 + (depth / 12.5) ** 2 < 1
    return core | margin_of(core, plane.depth_mm, plane.lateral_mm)


def loop(plane: RFPlane, phantom_db: np.ndarray, starts: np.ndarray, first_lines: np.ndarray) -> list[tuple]:
    """A lean loop per window: FFT, average over nine lines, ratio, path, two line fits; the five numbers of each."""
    gate = np.hanning(N_WINDOW)[:, None].astype(np.float32)
    frequency_mhz = np.fft.rfftfreq(512, 1 / 40)
    band = (frequency_mhz >= 3) & (frequency_mhz <= 8)
    x, x2 = frequency_mhz[band], frequency_mhz[band] ** 2
    own_db = np.interp(x, BAND_MHZ, OWN_DB)
    found = []
    for start, line, reference in zip(starts, first_lines, phantom_db, strict=True):
        spectrum = np.fft.rfft(gate * plane.samples[start : start + N_WINDOW, line : line + 9], 512, axis=0)[band]
        ratio_db = 10 * np.log10((np.abs(spectrum) ** 2).mean(axis=1)) - np.interp(x, BAND_MHZ, reference)
        ratio_db += 2 * (1.0 - 0.576) * (start + N_WINDOW / 2) * plane.sample_spacing_mm / 10 * x
        ss, si = np.polyfit(x, ratio_db, 1)
        found.append((si + 5.5 * ss, ss, si, *scatterers(*np.polyfit(x2, ratio_db + own_db, 1), 1540.0)))
    return found


def bare(samples: np.ndarray, starts: np.ndarray) -> list[np.ndarray]:
    """In-band transform of every line (n_samples, n_lines) at every start and its power, (n_bins, n_lines) each."""
    phase = 2 * np.pi * np.outer(BAND_MHZ, np.arange(N_WINDOW)) / 40
    kernel = (np.hanning(N_WINDOW) * np.concatenate([np.cos(phase), np.sin(phase)])).astype(np.float32)
    powers = []
    for start in starts:
        real, imaginary = np.split(kernel @ samples[start : start + N_WINDOW], 2)
        powers.append(real**2 + imaginary**2)
    return powers


def measure() -> dict:
    """All figures of this benchmark."""
    plane = scan(0)
    reference = ReferencePhantom([scan(seed, 1488.0) for seed in (1, 2, 3, 4)], 0.576, bead_backscatter)
    region, half = tumour(plane), tumour(plane, 0.5)
    maps = parametric_maps(plane, reference, region)
    n_windows = int(np.isfinite(maps.mbf).sum())
    grid = window_grid(plane, reference, region)
    starts = np.array(grid.starts)
    columns = np.flatnonzero(region.any(axis=0))
    samples = np.ascontiguousarray(plane.samples[:, columns[0] - 4 : columns[-1] + 5], np.float32)
    rng = np.random.default_rng(5)
    rows = rng.integers(0, len(starts), LOOPED)
    phantom_db = reference_db(reference, grid)[rows]
    looped = (plane, phantom_db, starts[rows], rng.integers(columns[0], columns[-1] - 9, LOOPED))
    clock, seconds = common.medians_s(
        {
            "maps": lambda: parametric_maps(plane, reference, region),
            "half": lambda: parametric_maps(plane, reference, half),
            "4 planes": lambda: [parametric_maps(plane, reference, region) for _ in range(4)],
            "bare": lambda: bare(samples, starts),
            "loop": lambda: loop(*looped),
        }
    )
    spectrum = partial(expected_db.__wrapped__, reference, grid.starts, N_WINDOW, 2.0, tuple(BAND_MHZ))
    of_phantom = common.medians_s({"phantom": spectrum}, repeats=3)
    half_windows = int(np.isfinite(parametric_maps(plane, reference, half).mbf).sum())
    return {
        "samples": SHAPE[0],
        "lines": SHAPE[1],
        "windows": n_windows,
        "median_s": clock | of_phantom[0],
        "processor_s": seconds | of_phantom[1],
        "loop_to_maps": seconds["loop"] / LOOPED * n_windows / seconds["maps"],
        "maps_to_bare": seconds["maps"] / seconds["bare"],
        "4_planes_to_1": seconds["4 planes"] / seconds["maps"],
        "time_to_half": seconds["maps"] / seconds["half"],
        "windows_to_half": n_windows / half_windows,
        "plane_mb": plane.samples.nbytes / 1e6,
        "peak_mb": common.peak_mb(lambda: parametric_maps(plane, reference, region)),
    } | common.circumstances("numpy", "scipy")


def rows(found: dict) -> dict[str, str]:
    """The table: what was measured, as text."""
    seconds = found["processor_s"]
    return {
        f"five maps, {found['windows']} windows": f"{1e3 * seconds['maps']:.1f} ms",
        "  the phantom's spectrum, once for many planes": f"{1e3 * seconds['phantom']:.0f} ms",
        "bare transform and power": f"{1e3 * seconds['bare']:.1f} ms",
        "loop, one window": f"{1e6 * seconds['loop'] / LOOPED:.0f} us",
        "loop / maps": f"{found['loop_to_maps']:.0f}",
        "maps / bare": f"{found['maps_to_bare']:.2f}",
        f"time / time for 1/{found['windows_to_half']:.2f} of the windows": f"{found['time_to_half']:.2f}",
        "4 planes / 1 plane": f"{found['4_planes_to_1']:.2f}",
        f"peak memory over {found['plane_mb']:.1f} MB of input": f"{found['peak_mb']:.0f} MB",
        found["processor"]: f"{found['threads']} thread",
    }


if __name__ == "__main__":
    sys.exit(common.run(__doc__.splitlines()[0], measure, rows))
