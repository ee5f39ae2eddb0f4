"""Time and memory of simulating a plane of 3117 x 256 samples, as ratios to a bare Fourier transform.

``python benchmarks/simulation.py [--json PATH] [--record]`` runs on one core. The bare step is one float32 transform of
the plane along depth, there and back; both are timed in turn, so that a busy machine slows both.
"""

import sys
from dataclasses import replace

import common  # first: one thread
import numpy as np
from scipy import fft

from helpers.data.simulation import System, simulate_plane
from helpers.data.study import draw_patients
from helpers.data.tissue import patient_plane

SYSTEM = System(n_lines=256, depth_mm=60.0, focus_mm=25.0)  # 3117 samples
TISSUE, _ = patient_plane(draw_patients(8, seed=0).iloc[0], 2, SYSTEM.depth_mm)


def simulate(n_lines: int = 256, n_planes: int = 1, scatterers_per_cell: float | None = None) -> None:
    """Simulate planes with this many lines over the same width."""
    system = replace(SYSTEM, n_lines=n_lines)
    for seed in range(n_planes):
        simulate_plane(TISSUE, system, np.random.default_rng(seed), scatterers_per_cell=scatterers_per_cell)


def there_and_back(plane: np.ndarray) -> np.ndarray:
    """The bare step: one float32 transform of the plane along depth and its inverse."""
    return fft.irfft(fft.rfft(plane, axis=0), len(plane), axis=0)


def measure() -> dict:
    """All figures of this benchmark."""
    plane = np.random.default_rng(0).standard_normal((SYSTEM.n_samples, 256), dtype=np.float32)
    clock, seconds = common.medians_s(
        {
            "bare": lambda: there_and_back(plane),
            "plane": simulate,
            "few scatterers": lambda: simulate(scatterers_per_cell=2.0),
            "128 lines": lambda: simulate(n_lines=128),
            "4 planes": lambda: simulate(n_planes=4),
        }
    )
    return {
        "samples": SYSTEM.n_samples,
        "lines": SYSTEM.n_lines,
        "median_s": clock,
        "processor_s": seconds,
        "ratio_to_bare": seconds["plane"] / seconds["bare"],
        "256_lines_to_128": seconds["plane"] / seconds["128 lines"],
        "4_planes_to_1": seconds["4 planes"] / seconds["plane"],
        "plane_mb": plane.nbytes / 1e6,
        "peak_mb": common.peak_mb(simulate),
        "peak_mb_4_planes": common.peak_mb(lambda: simulate(n_planes=4)),
    } | common.circumstances("numpy", "scipy")


def rows(found: dict) -> dict[str, str]:
    """The table: what was measured, as text."""
    seconds = found["processor_s"]
    return {
        f"plane of {found['samples']} x {found['lines']}": f"{1e3 * seconds['plane']:.1f} ms",
        "  with few scatterers": f"{1e3 * seconds['few scatterers']:.1f} ms",
        "bare transform there and back": f"{1e3 * seconds['bare']:.1f} ms",
        "plane / bare": f"{found['ratio_to_bare']:.2f}",
        "256 lines / 128 lines": f"{found['256_lines_to_128']:.2f}",
        "4 planes / 1 plane": f"{found['4_planes_to_1']:.2f}",
        f"peak memory, a plane of {found['plane_mb']:.1f} MB": f"{found['peak_mb']:.0f} MB",
        "peak memory, 4 planes": f"{found['peak_mb_4_planes']:.0f} MB",
        found["processor"]: f"{found['threads']} thread",
    }


if __name__ == "__main__":
    sys.exit(common.run(__doc__.splitlines()[0], measure, rows))
