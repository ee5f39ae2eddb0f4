"""Power of the echoes in windows of a plane.

Inside this module depth is in mm, frequency in MHz, power in dB (10 log10).
"""

import numpy as np
from jaxtyping import Float, Int

from helpers.data.form_factor import DB
from helpers.data.rf import RFPlane

STRIP = 32  # windows averaged at once: neighbours share most of their lines


def step_mm(axis_mm: Float[np.ndarray, " n"]) -> float:
    """Step of a regular axis, 0 for a single position."""
    return float(axis_mm[1] - axis_mm[0]) if len(axis_mm) > 1 else 0.0


def line_weights(
    lateral_mm: Float[np.ndarray, " n_x"], window_mm: float, pitch_mm: float, n_lines: int
) -> tuple[slice, Float[np.ndarray, "n_x lines"]]:
    """Share of every line in every window, (n_x, lines touched): edge lines count by the part covered."""
    edges = np.arange(n_lines + 1) * pitch_mm
    left, right = lateral_mm[:, None] - window_mm / 2, lateral_mm[:, None] + window_mm / 2
    covered = np.clip(np.minimum(right, edges[1:]) - np.maximum(left, edges[:-1]), 0, None)
    touched = np.flatnonzero(covered.sum(axis=0) > 1e-9)
    lines = slice(touched[0], touched[-1] + 1)
    covered = covered[:, lines]
    return lines, (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)


def gated_fourier(
    n_window: int, sampling_rate_hz: float, band_mhz: Float[np.ndarray, " n_bins"]
) -> Float[np.ndarray, "2*n_bins {n_window}"]:
    """Cosines, then sines, of the band's frequencies under a Hanning gate, (2 n_bins, n_window)."""
    phase = 2e6 * np.pi * np.outer(band_mhz, np.arange(n_window)) / sampling_rate_hz
    return (np.hanning(n_window) * np.concatenate([np.cos(phase), np.sin(phase)])).astype(np.float32)


def line_power(
    plane: RFPlane, starts: tuple[int, ...], n_window: int, lines: slice, band_mhz: Float[np.ndarray, " n_bins"]
) -> Float[np.ndarray, "n_z n_bins n_lines"]:
    """Power of every Hanning-gated line, (n_z, n_bins, n_lines): |sum_t hann(t) rf(t) exp(-2 pi i f t)|^2.

    Raises ``ValueError`` for lines that are constant: a dead element sends no echo.
    """
    samples = np.ascontiguousarray(plane.samples[:, lines], dtype=np.float32)
    dead = np.flatnonzero(samples.max(axis=0) == samples.min(axis=0)) + (lines.start or 0)
    if dead.size:
        raise ValueError(
            f"{plane.source}: lines {dead[:8].tolist()} are constant ({dead.size} in all), expected echoes"
        )
    kernel = gated_fourier(n_window, plane.sampling_rate_hz, band_mhz)
    n_bins = len(band_mhz)
    power = np.empty((len(starts), n_bins, samples.shape[1]), np.float32)
    parts = np.empty((2 * n_bins, samples.shape[1]), np.float32)  # real, then imaginary
    for row, start in enumerate(starts):  # all windows of one depth in one product
        np.matmul(kernel, samples[start : start + n_window], out=parts)
        np.square(parts, out=parts)
        np.add(parts[:n_bins], parts[n_bins:], out=power[row])
    return power


def mean_of_lines(
    power: Float[np.ndarray, "n_z n_bins lines"], weights: Float[np.ndarray, "n_x lines"]
) -> Float[np.ndarray, "n_z n_bins n_x"]:
    """Weighted mean over the lines (n_z, n_bins, n_lines) of every window, (n_z, n_bins, n_x)."""
    flat = power.reshape(-1, power.shape[-1])
    mean = np.empty((len(flat), len(weights)), power.dtype)
    for first in range(0, len(weights), STRIP):
        strip = slice(first, first + STRIP)
        touched = np.flatnonzero(weights[strip].any(axis=0))
        lines = slice(touched[0], touched[-1] + 1)
        mean[:, strip] = flat[:, lines] @ weights[strip, lines].T
    return mean.reshape(*power.shape[:2], -1)


def decibel(power: Float[np.ndarray, " *shape"]) -> Float[np.ndarray, " *shape"]:
    """10 log10 of a power, in place; -inf becomes the smallest float."""
    np.maximum(power, np.finfo(power.dtype).tiny, out=power)
    np.log(power, out=power)
    power *= DB
    return power


def centre_pixels(
    plane: RFPlane, depth_mm: Float[np.ndarray, " n_z"], lateral_mm: Float[np.ndarray, " n_x"]
) -> tuple[Int[np.ndarray, " n_z"], Int[np.ndarray, " n_x"]]:
    """Sample and line nearest to every window centre, (n_z,) and (n_x,)."""
    rows = np.round(depth_mm / plane.sample_spacing_mm).astype(int)
    columns = np.floor(lateral_mm / plane.line_pitch_mm).astype(int)
    n_samples, n_lines = plane.samples.shape
    return np.minimum(rows, n_samples - 1), np.minimum(columns, n_lines - 1)
