"""Windows over a plane and the power of the echoes in them.

Inside this module depth is in mm, frequency in MHz, power in dB (10 log10).
"""

from dataclasses import dataclass

import numpy as np

from helpers.data.form_factor import DB
from helpers.data.rf import RFPlane

STRIP = 32  # windows averaged at once: neighbours share most of their lines


def step_mm(axis_mm: np.ndarray) -> float:
    """Step of a regular axis, 0 for a single position."""
    return float(axis_mm[1] - axis_mm[0]) if len(axis_mm) > 1 else 0.0


@dataclass(frozen=True)
class Grid:
    """Windows over a plane: where they start in depth and which lines they weigh."""

    all_starts: tuple[int, ...]  # first sample of every window that fits into the plane's depth
    rows: slice  # the (n_z) of them that are mapped
    n_window: int  # samples in a window
    lines: slice  # lines that any mapped window touches
    weights: np.ndarray  # (n_x, lines), share of each line in a window; rows sum to 1
    depth_mm: np.ndarray  # (n_z,) window centres
    lateral_mm: np.ndarray  # (n_x,) window centres


def window_grid(plane: RFPlane, region: np.ndarray | None, window_mm: float, overlap: float) -> Grid:
    """Lay windows over the plane, or over the box around the region, ``window_mm * (1 - overlap)`` apart."""
    _, width, depth, _ = plane.extent_mm
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap = {overlap}, expected 0 <= overlap < 1")
    if not 4 * plane.sample_spacing_mm <= window_mm <= min(depth, width):
        raise ValueError(
            f"window_mm = {window_mm}, expected {4 * plane.sample_spacing_mm:.3g} (four samples) to "
            f"{min(depth, width):.4g} (the plane)"
        )
    depth_mm = window_centres(depth, window_mm, overlap)
    lateral_mm = window_centres(width, window_mm, overlap)
    n_window = round(window_mm / plane.sample_spacing_mm)
    starts = np.round((depth_mm - window_mm / 2) / plane.sample_spacing_mm).astype(int)
    starts = np.minimum(starts, plane.samples.shape[0] - n_window)
    rows = columns = slice(None)
    if region is not None:
        rows = within(plane.depth_mm[region.any(axis=1)], depth_mm, window_mm)
        columns = within(plane.lateral_mm[region.any(axis=0)], lateral_mm, window_mm)
    lines, weights = line_weights(lateral_mm[columns], window_mm, plane.line_pitch_mm, plane.samples.shape[1])
    return Grid(tuple(starts.tolist()), rows, n_window, lines, weights, depth_mm[rows], lateral_mm[columns])


def window_centres(extent_mm: float, window_mm: float, overlap: float) -> np.ndarray:
    """Centres of all windows that fit into an extent, mm."""
    step = window_mm * (1 - overlap)
    return window_mm / 2 + step * np.arange(int((extent_mm - window_mm) / step + 1e-6) + 1)


def within(pixels_mm: np.ndarray, centres_mm: np.ndarray, window_mm: float) -> slice:
    """Window centres from the first to the last pixel of a region along one direction."""
    first, last = np.searchsorted(centres_mm, [pixels_mm[0] - 1e-6, pixels_mm[-1] + 1e-6])
    if first == last:
        raise ValueError(
            f"region from {pixels_mm[0]:.2f} to {pixels_mm[-1]:.2f} mm: no full window of {window_mm} mm has its "
            "centre in it"
        )
    return slice(first, last)


def line_weights(lateral_mm: np.ndarray, window_mm: float, pitch_mm: float, n_lines: int) -> tuple[slice, np.ndarray]:
    """Share of every line in every window, (n_x, lines touched): edge lines count by the part covered."""
    edges = np.arange(n_lines + 1) * pitch_mm
    left, right = lateral_mm[:, None] - window_mm / 2, lateral_mm[:, None] + window_mm / 2
    covered = np.clip(np.minimum(right, edges[1:]) - np.maximum(left, edges[:-1]), 0, None)
    touched = np.flatnonzero(covered.sum(axis=0) > 1e-9)
    lines = slice(touched[0], touched[-1] + 1)
    covered = covered[:, lines]
    return lines, (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)


def gated_fourier(n_window: int, sampling_rate_hz: float, band_mhz: np.ndarray) -> np.ndarray:
    """Cosines, then sines, of the band's frequencies under a Hanning gate, (2 n_bins, n_window)."""
    phase = 2e6 * np.pi * np.outer(band_mhz, np.arange(n_window)) / sampling_rate_hz
    return (np.hanning(n_window) * np.concatenate([np.cos(phase), np.sin(phase)])).astype(np.float32)


def line_power(
    plane: RFPlane, starts: tuple[int, ...], n_window: int, lines: slice, band_mhz: np.ndarray
) -> np.ndarray:
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


def window_power_db(plane: RFPlane, grid: Grid, band_mhz: np.ndarray) -> np.ndarray:
    """Mean power of the lines of every window, (n_z, n_bins, n_x), dB."""
    power = line_power(plane, grid.all_starts[grid.rows], grid.n_window, grid.lines, band_mhz)
    return decibel(mean_of_lines(power, grid.weights))


def mean_of_lines(power: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean over the lines (n_z, n_bins, n_lines) of every window, (n_z, n_bins, n_x)."""
    flat = power.reshape(-1, power.shape[-1])
    mean = np.empty((len(flat), len(weights)), power.dtype)
    for first in range(0, len(weights), STRIP):
        strip = slice(first, first + STRIP)
        touched = np.flatnonzero(weights[strip].any(axis=0))
        lines = slice(touched[0], touched[-1] + 1)
        mean[:, strip] = flat[:, lines] @ weights[strip, lines].T
    return mean.reshape(*power.shape[:2], -1)


def decibel(power: np.ndarray) -> np.ndarray:
    """10 log10 of a power, in place; -inf becomes the smallest float."""
    np.maximum(power, np.finfo(power.dtype).tiny, out=power)
    np.log(power, out=power)
    power *= DB
    return power


def centre_pixels(plane: RFPlane, depth_mm: np.ndarray, lateral_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sample and line nearest to every window centre, (n_z,) and (n_x,)."""
    rows = np.round(depth_mm / plane.sample_spacing_mm).astype(int)
    columns = np.floor(lateral_mm / plane.line_pitch_mm).astype(int)
    n_samples, n_lines = plane.samples.shape
    return np.minimum(rows, n_samples - 1), np.minimum(columns, n_lines - 1)
