"""Power of the echoes in windows of a plane.

Where a line stays constant it holds no echo: it was padded, or its element is dead. Its power there is NaN, and means
are taken over the other lines. Inside this module depth is in mm, frequency in MHz, power in dB (10 log10).
"""

import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from helpers.data.form_factor import DB
from helpers.data.rf import RFPlane

DEPTHS = 64  # rows of windows taken from echo to map at once: what they need stays in the processor's cache
TOGETHER = 16  # rows of them transformed before their power is taken
STRIP = 32  # windows averaged at once: neighbours share most of their lines
Band = Float[np.ndarray, " n_bins"]  # frequencies, MHz
Depths = Float[np.ndarray, " n_z"]
Power = Float[np.ndarray, "n_z n_bins n_lines"]  # of every line
Spectra = Float[np.ndarray, "n_z n_bins n_x"]  # of every window
Weights = Float[np.ndarray, "n_x n_lines"]  # of every line in every window
CONSTANT = 8  # equal samples in a row that no echo leaves, at least; and a quarter of the window


def step_mm(axis_mm: Float[np.ndarray, " n"]) -> float:
    """Step of a regular axis, 0 for a single position."""
    return float(axis_mm[1] - axis_mm[0]) if len(axis_mm) > 1 else 0.0


def line_weights(
    lateral_mm: Float[np.ndarray, " n_x"], window_mm: float, pitch_mm: float, n_lines: int
) -> tuple[slice, Float[np.ndarray, "n_x lines"]]:
    """Share of every line in every window, (n_x, lines touched): edge lines count by the part covered."""
    left, right = lateral_mm[:, None] - window_mm / 2, lateral_mm[:, None] + window_mm / 2
    first, last = max(int(left[0, 0] / pitch_mm) - 1, 0), min(int(right[-1, 0] / pitch_mm) + 2, n_lines)  # and more
    edges = np.arange(first, last + 1) * pitch_mm
    covered = np.clip(np.minimum(right, edges[1:]) - np.maximum(left, edges[:-1]), 0, np.inf)
    touched = np.flatnonzero(covered.sum(axis=0) > 1e-9)
    lines, covered = slice(first + touched[0], first + touched[-1] + 1), covered[:, touched[0] : touched[-1] + 1]
    return lines, (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)


def in_blocks(n_z: int, n_x: int = 1) -> Iterator[slice]:
    """Rows of a map, ``DEPTHS`` at a time, or half as many of more than 256 windows each."""
    depths = DEPTHS if n_x <= 256 else DEPTHS // 2
    return (slice(first, min(first + depths, n_z)) for first in range(0, n_z, depths))


@lru_cache(maxsize=8)
def gated_fourier(n_window: int, rate_hz: float, band_mhz: tuple[float, ...]) -> Float[np.ndarray, "n {n_window}"]:
    """Cosines, then sines, of the band's frequencies under a Hanning gate, (2 n_bins, n_window)."""
    phase = 2e6 * np.pi * np.outer(band_mhz, np.arange(n_window)) / rate_hz
    return (np.hanning(n_window) * np.concatenate([np.cos(phase), np.sin(phase)])).astype(np.float32)


def line_power(plane: RFPlane, starts: tuple[int, ...], n_window: int, lines: slice, band_mhz: Band) -> Power:
    """Power of every Hanning-gated line, (n_z, n_bins, n_lines): |sum_t hann(t) rf(t) exp(-2 pi i f t)|^2.

    It is NaN where the line has no echo.
    """
    around = n_window + CONSTANT  # samples above and below in which a run of equal ones may begin or end
    first = max(starts[0] - around, 0)
    samples = np.ascontiguousarray(plane.samples[first : starts[-1] + n_window + around, lines], dtype=np.float32)
    starts = tuple(start - first for start in starts)
    kernel = gated_fourier(n_window, plane.sampling_rate_hz, tuple(band_mhz))
    n_bins = len(band_mhz)
    power = np.empty((len(starts), n_bins, samples.shape[1]), np.float32)
    parts = np.empty((TOGETHER, 2 * n_bins, samples.shape[1]), np.float32)  # real, then imaginary
    for row in range(0, len(starts), TOGETHER):
        here = starts[row : row + TOGETHER]
        for part, start in zip(parts, here, strict=False):  # all windows of one depth in one product
            np.matmul(kernel, samples[start : start + n_window], out=part)
        squares = np.square(parts[: len(here)], out=parts[: len(here)])
        np.add(squares[:, :n_bins], squares[:, n_bins:], out=power[row : row + TOGETHER])
    quiet = without_echo(samples, starts, n_window)
    if quiet.any():
        power[np.broadcast_to(quiet[:, None], power.shape)] = np.nan
    return power


def without_echo(
    samples: Shaped[np.ndarray, "n_samples n_lines"], starts: tuple[int, ...], n_window: int
) -> Bool[np.ndarray, "n_z n_lines"]:
    """Where a line (n_z, n_lines) has no echo: its window touches a run of equal samples a quarter as long as it is."""
    length = max(n_window // 4, CONSTANT)
    quiet, every = np.zeros((len(starts), samples.shape[1]), bool), length // 4
    same = samples[every::every] == samples[:-every:every]  # a run holds three of these in a row
    lines = np.flatnonzero((same[2:] & same[1:-1] & same[:-2]).any(axis=0))
    if not len(lines):
        return quiet
    equal = counted(samples[1:, lines] == samples[:-1, lines])
    runs = equal[length - 1 :] - equal[: max(len(equal) - length + 1, 0)] == length - 1  # by their first sample
    so_far, first, last = counted(runs), np.array(starts) - length + 1, np.array(starts) + n_window
    quiet[:, lines] = so_far[np.clip(last, 0, len(runs))] > so_far[np.clip(first, 0, len(runs))]
    return quiet


def counted(flags: Bool[np.ndarray, "n n_lines"]) -> Int[np.ndarray, "n+1 n_lines"]:
    """How many flags are set above every row."""
    return np.pad(np.cumsum(flags, axis=0, dtype=np.int32), ((1, 0), (0, 0)))


def mean_of_lines(power: Power, weights: Weights, in_strips: bool = True) -> Spectra:
    """Weighted mean over the lines (n_z, n_bins, n_lines) of every window, (n_z, n_bins, n_x).

    Lines without an echo are left out; a window has no value (NaN) where the line at its centre, or more than half of
    its width, is without one. ``in_strips`` is faster where neighbouring windows share most of their lines.
    """
    weighted = sums_in_strips if in_strips else lambda power, weights: power @ weights.T
    alive = ~np.isnan(power[:, 0])  # (n_z, lines)
    if alive.all():
        return weighted(power, weights)
    share = alive.astype(np.float32) @ weights.T  # (n_z, n_x)
    centre = (np.cumsum(weights, axis=1) < 0.5 + 1e-6).sum(axis=1)  # the line in the middle of each window
    heard = alive[:, centre] & (share > 0.5 - 1e-6)
    mean = weighted(np.nan_to_num(power), weights) / np.where(heard, share, np.nan)[:, None]
    return mean.astype(power.dtype)


def sums_in_strips(power: Power, weights: Weights) -> Spectra:
    """Sum over the lines by weight, (n_z, n_bins, n_x), a strip of windows at a time."""
    flat = power.reshape(-1, power.shape[-1])
    mean = np.empty((len(flat), len(weights)), power.dtype)
    first, beyond = ((rows > 0).argmax(axis=1) for rows in (weights[::STRIP], weights[STRIP - 1 :: STRIP, ::-1]))
    for number, lines in enumerate(map(slice, first, [*(weights.shape[1] - beyond), None])):
        strip = slice(number * STRIP, (number + 1) * STRIP)
        np.matmul(flat[:, lines], weights[strip, lines].T, out=mean[:, strip])
    return mean.reshape(*power.shape[:2], -1)


def mean_of_frames(powers: Sequence[Power], axis: int | tuple[int, int] = -1) -> Float[np.ndarray, "..."]:
    """Mean over the lines of all frames that have an echo, (n_z, n_bins), or over (0, 2); NaN where none has."""
    if not any(np.isnan(power[:, 0]).any() for power in powers):
        return np.mean([power.mean(axis=axis) for power in powers], axis=0)
    together = np.concatenate(powers, axis=-1)
    n_heard = np.isfinite(together).sum(axis=axis)
    return np.where(n_heard, np.nansum(together, axis=axis) / np.maximum(n_heard, 1), np.nan).astype(together.dtype)


def median_of_heard(values: Float[np.ndarray, "*shape n"]) -> Float[np.ndarray, " *shape"]:
    """Median over the last axis of what is not NaN; NaN where nothing is left."""
    ordered, n = np.sort(values, axis=-1), np.isfinite(values).sum(axis=-1, keepdims=True)
    low, high = (np.take_along_axis(ordered, at, axis=-1) for at in (np.maximum(n - 1, 0) // 2, n // 2))
    return ((low + high) / 2)[..., 0]


def tell_quiet(source: str, quiet: Bool[np.ndarray, "n_z n_lines"], left_empty: str) -> None:
    """Warn, with counts, of lines (n_z, n_lines) without an echo; say nothing where all have one."""
    if n_lines := int(quiet.any(axis=0).sum()):
        always = int(quiet.all(axis=0).sum())
        warnings.warn(
            f"{source}: {n_lines} of {quiet.shape[1]} lines are constant, {always} of them from top to bottom: "
            f"left out, and {left_empty}",
            stacklevel=3,
        )


def decibel(power: Float[np.ndarray, " *shape"]) -> Float[np.ndarray, " *shape"]:
    """10 log10 of a power, in place; -inf becomes the smallest float."""
    power += np.finfo(power.dtype).tiny
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
