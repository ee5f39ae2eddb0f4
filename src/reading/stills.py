"""What a moving figure is on paper and without JavaScript: its first state, drawn from the same data."""

from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.maps.parametric import LABELS
from helpers.maps.planes import MappedPlane
from pages import figures
from pages.judgement import COLOURS, write_instead
from reading.pictures import grey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reading.moving import Explained

ROUND_MM = 3.0  # shown beyond the tumour, as in the figures of one plane


def two_panels() -> tuple[Figure, Axes, Axes]:
    """Return a figure of two axes, one below the other."""
    figure, (left, right) = figures.subplots(2, row_in=2.9)
    return figure, left, right


def instead(why: str) -> Figure:
    """Write why there is nothing to draw."""
    figure, ax = figures.subplots(row_in=1.5)
    write_instead(ax, why)
    return figure


def line(ax: Axes, f: Any, values: Any, si: float | None, ss: float | None) -> None:
    """Draw a normalised spectrum with its line; nothing of an empty one."""
    if si is not None and ss is not None:
        ax.plot(f, values, "o", color=COLOURS[1])
        ax.plot(f, si + ss * np.array(f), color=COLOURS[0])
    ax.set(xlabel="frequency / MHz", ylabel="normalised spectrum / dB")


def window(data: dict[str, Any], b_mode_db: Float[np.ndarray, "n_samples n_lines"]) -> Figure:
    """Draw the plane with the first window, and its spectrum."""
    figure, left, right = two_panels()
    row, column = data["start"]
    at, half = row * len(data["lateral"]) + column, data["size"] / 2
    figures.show_b_mode(left, b_mode_db, tuple(data["extent"]))
    corner = data["lateral"][column] - half, data["depth"][row] - half
    left.add_patch(Rectangle(corner, 2 * half, 2 * half, fill=False, edgecolor="#ffd400"))
    line(right, data["f"], data["spectra"][at], *data["lines"][at])
    return figure


def attenuation(data: dict[str, Any]) -> Figure:
    """Draw the spectrum under the attenuation nearest to the truth, and the diameter under all."""
    figure, left, right = two_panels()
    _, ss, si, esd_um, _ = data["five"][data["start"]]
    line(left, data["f"], data["spectra"][data["start"]], si, ss)
    right.plot(data["alpha"], [np.nan if five[3] is None else five[3] for five in data["five"]], color=COLOURS[0])
    right.plot(data["alpha"][data["start"]], np.nan if esd_um is None else esd_um, "o", color=COLOURS[1])
    right.axvline(data["truth"][0], color="0.5", ls=":")
    right.axhline(data["truth"][1], color="0.5", ls=":")
    right.set(xlabel="assumed attenuation / (dB/cm/MHz)", ylabel="ESD / µm")
    return figure


def diameter(data: dict[str, Any]) -> Figure:
    """Draw the form factor of the best diameter on the scale, and the misfit of all."""
    figure, left, right = two_panels()
    best = int(np.argmin(data["misfit"]))
    left.plot(data["f"], data["bsc"], "o", color=COLOURS[1])
    left.plot(data["fine"], data["models"][best], color=COLOURS[0])
    left.set(xlabel="frequency / MHz", ylabel="BSC / dB re 1/(cm sr)")
    right.plot(data["esd"], data["misfit"], color=COLOURS[0])
    right.plot(data["esd"][best], data["misfit"][best], "o", color=COLOURS[1])
    right.set(xlabel="ESD / µm", ylabel="misfit (rms) / dB", ylim=(0, None))
    return figure


def survival(data: dict[str, Any]) -> Figure:
    """Draw both groups of the last model at the first threshold."""
    figure, ax = figures.subplots(row_in=4.0)
    found = data["groupings"][data["which"][-1][data["start"]]]
    for free, colour, style in zip(found["free"], COLOURS, ("-", "--"), strict=True):
        if free:
            ax.step(data["years"][: len(free)], free, where="post", color=colour, ls=style)
    ax.set(ylim=(0, 1.02), xlim=(0, data["years"][-1]), xlabel="years", ylabel="recurrence-free")
    ax.set_title(f"{data['titles'][-1]}, from {data['thresholds'][data['start']]:.2f} on\n{fill(found['told'], 50)}")
    return figure


def explanation(one: "Explained", fields: "Sequence[str]") -> Figure:
    """Draw the first map of a tumour, and the differences of each network beside it."""
    figure, axes = figures.panels(1 + len(one.differences), 2, 3.2)
    figures.show_overlay(
        axes[0], one.mapped, np.where(one.region, one.maps[0], np.nan), LABELS[fields[0]], one.extent_mm
    )
    shown = {name: np.where(one.region, 100 * values, np.nan) for name, values in one.differences.items()}
    limits = figures.scale_of(np.stack(list(shown.values())))  # as in the moving figure: of what is inside the region
    for ax, (name, points) in zip(axes[1:], shown.items(), strict=True):
        figures.show_overlay(ax, one.mapped, points[0], "|Δp| / points", one.extent_mm, "magma", limits)
        ax.set_title(fill(name, 24))
    _, (left, right, bottom, top) = closer(one.mapped)
    for ax in axes:
        ax.set(xlim=(left, right), ylim=(bottom, top))
    return figure


def closer(mapped: MappedPlane) -> tuple[UInt8[np.ndarray, "n_z n_x"], figures.Extent]:
    """Return the B-mode around core and margin as grey pixels, and where it lies, mm.

    Raises ``ValueError`` for a plane without B-mode.
    """
    if mapped.b_mode_db is None or mapped.b_mode_extent_mm is None:
        raise ValueError("mapped has no B-mode: expected map_plane(..., with_b_mode=True)")
    inside, (left, right, bottom, top) = mapped.core | mapped.margin, mapped.b_mode_extent_mm
    across, down = mapped.maps.lateral_mm[inside.any(0)], mapped.maps.depth_mm[inside.any(1)]
    n_samples, n_lines = mapped.b_mode_db.shape
    dz, dx = (bottom - top) / n_samples, (right - left) / n_lines
    z = np.clip([(down[0] - ROUND_MM - top) / dz, (down[-1] + ROUND_MM - top) / dz + 1], 0, n_samples).astype(int)
    x = np.clip([(across[0] - ROUND_MM - left) / dx, (across[-1] + ROUND_MM - left) / dx + 1], 0, n_lines).astype(int)
    level_db = float(np.percentile(mapped.b_mode_db, 99.5))
    cut = grey(mapped.b_mode_db[slice(*z), slice(*x)], level_db)
    return cut, (left + x[0] * dx, left + x[1] * dx, top + z[1] * dz, top + z[0] * dz)
