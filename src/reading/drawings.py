"""Drawings that teach: the scan and its windows, what attenuation takes, the networks, a patient's way, the split,
and what of a book is made from what.

All are made from what the run was set to; lengths in mm, attenuation in dB/cm/MHz.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from helpers.data.rf import RFPlane
from helpers.data.study import PARTS
from helpers.settings import VECTOR, Maps
from pages.figures import COLOUR, SMALLEST_PT

LINES = ":", "--", "-.", "-"
FEW_LINES = 24  # of all, so that they can be told apart
PALE, TISSUE = "#E8EEF4", {"background": "#F2E8D8", "margin": "#E3C9A8", "core": "#C79A6B"}


def box(ax: Axes, centre: tuple[float, float], size: tuple[float, float], text: str, colour: str = PALE) -> None:
    """Draw a box of width and height around a centre, with a text in it."""
    corner = centre[0] - size[0] / 2, centre[1] - size[1] / 2
    style = "round,pad=0,rounding_size=0.02"
    ax.add_patch(FancyBboxPatch(corner, *size, boxstyle=style, facecolor=colour, edgecolor="0.3"))
    ax.text(*centre, text, ha="center", va="center", size=SMALLEST_PT)


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], style: str = "-|>") -> None:
    """Draw an arrow from one place to another."""
    ax.annotate("", end, start, arrowprops={"arrowstyle": style, "color": "0.3", "shrinkA": 0, "shrinkB": 0})


def sheet(ax: Axes, title: str = "") -> None:
    """Make an axes a sheet of paper from 0 to 1, without ticks."""
    ax.set(xlim=(0, 1), ylim=(0, 1), title=title)
    ax.axis("off")


def draw_scan(axes: Sequence[Axes], plane: RFPlane, outline_mm: Float[np.ndarray, "corners 2"], maps: Maps) -> None:
    """Draw a scan's lines with the path of a pulse to a window in the core, and that window among its neighbours.

    ``outline_mm`` are the core's corners, lateral and depth.
    """
    whole, near = axes
    lines_mm, edge, (x, z) = plane.lateral_mm, maps.window_mm, outline_mm.mean(axis=0)
    whole.vlines(lines_mm[:: max(1, len(lines_mm) // FEW_LINES)], 0, plane.depth_mm[-1], colors="0.8", lw=0.8)
    whole.fill(*outline_mm.T, facecolor=TISSUE["core"], edgecolor="k", ls="--", alpha=0.7)
    whole.plot([x, x], [0, z], color=COLOUR["estimate"], lw=1.5)
    for at, down in ((z / 3, 1), (2 * z / 3, -1)):
        whole.plot(x, at, "v" if down > 0 else "^", color=COLOUR["estimate"], ms=8)
    add_window(whole, (x, z), edge, COLOUR["mistake"])
    whole.text(x + 1.5, z / 2, "there\nand back", size=SMALLEST_PT, va="center", color=COLOUR["estimate"])
    near.vlines(lines_mm[np.abs(lines_mm - x) < 1.8 * edge], z - edge, z + edge, colors="0.7", lw=0.8)
    step = edge * (1 - maps.overlap)
    for shift in ((step, 0), (0, step)):
        add_window(near, (x + shift[0], z + shift[1]), edge, "0.4", ls=":")
    add_window(near, (x, z), edge, COLOUR["mistake"])
    whole.set(xlim=(0, lines_mm[-1]), ylim=(plane.depth_mm[-1], 0))
    whole.set_title(f"{len(lines_mm)} lines, {plane.line_pitch_mm:.2f} mm apart")
    near.set(xlim=(x - 1.8 * edge, x + 1.8 * edge), ylim=(z + edge, z - edge))
    near.set_title(f"window {edge:g} mm, next one {step:.2g} mm on")
    for ax in axes:
        ax.set(xlabel="lateral / mm", ylabel="depth / mm", aspect="equal")


def add_window(ax: Axes, centre: tuple[float, float], edge: float, colour: str, ls: str = "-") -> None:
    """Draw the square of a window around its centre, mm."""
    corner = centre[0] - edge / 2, centre[1] - edge / 2
    ax.add_patch(Rectangle(corner, edge, edge, fill=False, edgecolor=colour, lw=2, ls=ls))


def way_and_loss(
    depth_mm: Float[np.ndarray, " n"], edges_mm: Sequence[float], maps: Maps
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Local attenuation (n,) that an analysis assumes along a line, dB/cm/MHz, and the loss there and back, dB/MHz.

    ``edges_mm`` are where margin, core, margin and background begin.
    """
    inside = (depth_mm >= edges_mm[0]) & (depth_mm < edges_mm[-1])
    local = np.where(inside, maps.tumour_attenuation_db_cm_mhz, maps.background_attenuation_db_cm_mhz)
    steps = np.diff(depth_mm, prepend=0) / 10
    return local, 2 * np.cumsum(local * steps)


def draw_losses(
    axes: Sequence[Axes], depth_mm: Float[np.ndarray, " n"], edges_mm: Sequence[float], maps: Maps, phantom: float
) -> None:
    """Draw the layers that a line crosses, and what sample and phantom (dB/cm/MHz) take from the middle of the band."""
    layers, losses = axes
    middle_mhz = float(np.mean(maps.band or (3.0, 8.0)))
    local, lost = way_and_loss(depth_mm, edges_mm, maps)
    names = ("background", "margin", "core", "margin", "background")
    ends = [0.0, *edges_mm, float(depth_mm[-1])]
    for name, top, bottom in zip(names, ends, ends[1:], strict=False):
        layers.axvspan(top, bottom, color=TISSUE[name], lw=0)
        losses.axvspan(top, bottom, color=TISSUE[name], lw=0, alpha=0.4)
        layers.text((top + bottom) / 2, 0.06, name, rotation=90, ha="center", va="bottom", size=SMALLEST_PT)
    layers.step(depth_mm, local, color=COLOUR["estimate"], lw=2)
    losses.plot(depth_mm, lost * middle_mhz, color=COLOUR["estimate"], lw=2, label="sample")
    layers.axhline(phantom, color="k", ls="--")
    losses.plot(depth_mm, 0.2 * phantom * depth_mm * middle_mhz, "k--", label="phantom")
    layers.set(ylabel="attenuation /\ndB/cm/MHz", ylim=(0, 1.25 * max(local.max(), phantom)))
    losses.set(xlabel="depth / mm", ylabel=f"loss at {middle_mhz:g} MHz / dB", xlim=(0, depth_mm[-1]))
    losses.legend(loc="upper left")


def draw_stack(ax: Axes, parts: Sequence[tuple[str, str]], title: str) -> None:
    """Draw parts of a network, each a name and the size of its output, from top to bottom."""
    sheet(ax, title)
    step = 1 / len(parts)
    for row, (name, size) in enumerate(parts):
        y = 1 - (row + 0.5) * step
        pooled = COLOUR["ran_core"] if "attention" in name else PALE
        box(ax, (0.5, y), (0.96, 0.72 * step), f"{name}\n{size}", pooled)
        if row:
            arrow(ax, (0.5, y + 0.64 * step), (0.5, y + 0.36 * step))


def draw_attention(ax: Axes, trunk_units: int, depth: int) -> None:
    """Draw an attention module: a trunk of residual units and a mask that goes ``depth`` levels down and up."""
    sheet(ax)
    levels = ["halve, residual unit"] * depth + ["residual unit, double"] * depth
    mask = [*levels, "1 × 1, 1 × 1, sigmoid"]
    down = [*range(1, depth + 1), *range(depth, 0, -1), 0]  # halvings of what each of them works on
    box(ax, (0.46, 0.955), (0.84, 0.07), "residual unit")
    place = np.linspace(0.83, 0.33, len(mask))
    for y, text, halvings in zip(place, mask, down, strict=True):
        box(ax, (0.7, y), (0.58 - 0.06 * halvings, 0.06), text, "#F6D9A8")
    for above, below in zip(place, place[1:], strict=False):
        arrow(ax, (0.7, above - 0.03), (0.7, below + 0.03))
    units = "residual unit" if trunk_units == 1 else f"{trunk_units} residual units"
    box(ax, (0.2, 0.58), (0.36, 0.1), units)
    for x, top, bottom, name in ((0.2, 0.63, 0.53, "trunk T"), (0.7, place[0] + 0.03, place[-1] - 0.03, "mask M")):
        arrow(ax, (x, 0.92), (x, top))
        arrow(ax, (x, bottom), (x, 0.22))
        ax.text(x + 0.02, 0.265, name, size=SMALLEST_PT, va="center")
    box(ax, (0.46, 0.185), (0.84, 0.07), "(1 + M) T")
    arrow(ax, (0.46, 0.15), (0.46, 0.09))
    box(ax, (0.46, 0.055), (0.6, 0.07), "residual unit")


def draw_patient(ax: Axes, n_planes: int, n_maps: int, image_px: int, hidden: int) -> None:
    """Draw a tumour's way from its planes to one probability: vectors, their mean, and the head."""
    sheet(ax)
    shown = min(n_planes, 3)
    columns = np.linspace(0.5, 0.5, 1) if shown == 1 else np.linspace(0.17, 0.83, shown)
    names = [f"plane {number}" for number in range(shown)]
    if n_planes > shown:
        names[1:] = ["…", f"plane {n_planes - 1}"]
    for x, name in zip(columns, names, strict=True):
        box(ax, (x, 0.91), (0.3, 0.14), f"{name}\n{n_maps} × {image_px} × {image_px}" if name != "…" else name)
        arrow(ax, (x, 0.84), (x, 0.66))
        box(ax, (x, 0.61), (0.3, 0.09), f"{VECTOR} numbers" if name != "…" else name, "#CFE3EE")
        arrow(ax, (x, 0.565), (0.5 + 0.3 * (x - 0.5), 0.46))
    ax.text(0.5, 0.755, "one feature network for all", size=SMALLEST_PT, ha="center", va="center", backgroundcolor="w")
    mean = f"mean over {n_planes} plane{'s' * (n_planes != 1)}: {VECTOR} numbers"
    box(ax, (0.5, 0.41), (0.62, 0.09), mean, "#CFE3EE")
    arrow(ax, (0.5, 0.365), (0.5, 0.285))
    box(ax, (0.5, 0.235), (0.62, 0.09), f"head: {VECTOR} → {hidden} → 2")
    arrow(ax, (0.5, 0.19), (0.5, 0.11))
    box(ax, (0.5, 0.06), (0.62, 0.09), "probability of a non-responder", "#F6D9A8")


def draw_split(ax: Axes, counts: pd.DataFrame) -> None:
    """Draw how patients are split, a bar for each part in the order of ``PARTS`` with its numbers by class.

    ``counts`` has a row for each part and the columns "responders" and "non-responders".
    """
    begin = np.zeros(len(PARTS))
    for name in ("responders", "non-responders"):
        n = counts.loc[list(PARTS), name].to_numpy(float)
        bars = ax.barh(PARTS, n, left=begin, color=COLOUR[name.removesuffix("s")], label=name)
        labels = [f"{value:g}" if value else "" for value in n]
        ax.bar_label(bars, labels, label_type="center", color="w", size=SMALLEST_PT, weight="bold")
        begin += n
    ax.invert_yaxis()
    ax.set(xlabel="patients")
    ax.figure.legend(loc="outside upper center", ncol=2)


def draw_needs(ax: Axes, steps: Sequence[str], needs: Mapping[str, Sequence[str]]) -> None:
    """Draw four steps, each below the one that it is made from, and beside them what is made from which.

    ``needs`` has, for each name, its steps; what needs none is joined to the first one.
    """
    sheet(ax)
    height = dict(zip(steps, np.linspace(0.92, 0.08, len(steps)), strict=True))
    style = dict(zip(steps, LINES, strict=True))
    for step, y in height.items():
        box(ax, (0.14, y), (0.26, 0.1), step)
    for y, (name, needed) in zip(np.linspace(0.98, 0.02, len(needs)), needs.items(), strict=True):
        ax.text(0.47, y, name, va="center", size=SMALLEST_PT)
        for step in needed or steps[:1]:
            ax.plot([0.27, 0.46], [height[step], y], color="0.3", lw=1.2, ls=style[step])
    for above, below in pairwise(height.values()):
        arrow(ax, (0.14, above - 0.05), (0.14, below + 0.05))
