"""How the book draws: arrays in, axes out."""

import re
from collections.abc import Iterable, Sequence
from io import BytesIO
from string import ascii_uppercase
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from IPython.core.pylabtools import print_figure
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cbook import open_file_cm
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from entry import chapter

WIDTH_IN = 5.5  # of every figure: on a phone its smallest letters can be read
DPI = 210  # twice the pixels that the page gives it
HEAVY = 200_000  # bytes of a picture
MANY = 4000  # points of lines and marks
DRAWN, DECIMAL = re.compile(r'(?<= )(?:d|x|y)="[^"]*"'), re.compile(r"-?\d+\.\d+")  # where an SVG says what lies where
SMALLEST_PT = 11.0
CHANCE: dict[str, Any] = {"ls": ":", "color": "0.4"}  # what knows nothing
# Okabe and Ito (2008) and Tol (2021): told apart with any colour vision; a colour means one thing throughout the book
COLOUR = {"responder": "#0072B2", "non-responder": "#D55E00"}
COLOUR |= {"R": COLOUR["responder"], "NR": COLOUR["non-responder"]}
COLOUR |= {"train": "#777777", "validation": "#009E73", "test": "#882255"}
COLOUR |= {"resnet_core": "#56B4E9", "resnet_core_margin": "#1F5A8A"}  # a hue for each network, darker with the margin
COLOUR |= {"ran_core": "#E69F00", "ran_core_margin": "#8C4A00"}
COLOUR |= {"statistics": "#44AA99", "regression": "#AA4499", "forest": "#117733", "oracle": "#000000"}
COLOUR |= {"truth": "#000000", "estimate": "#332288", "mistake": "#CC3311"}
DYNAMIC_RANGE_DB = 60.0
SCALES = 5.0, 10.0, 20.0, 50.0, 100.0  # percentage points at the bright end
PRINT_PNG = FigureCanvasAgg.print_png  # matplotlib's own
Extent = tuple[float, float, float, float]  # left, right, bottom, top, mm


def use_book_style() -> None:
    """Begin a chapter, and set the style of all figures of the book, whatever a reader's own settings are.

    Raises ``InputError`` as ``entry.chapter.begin``.
    """
    shell = chapter.begin()
    if shell:
        shell.run_line_magic("matplotlib", "inline")  # whatever MPLBACKEND says, and before the formats are chosen
        shell.run_line_magic("config", "InlineBackend.print_figure_kwargs = {'bbox_inches': None}")  # all of one width
        for kind, printed in FORMATS.items():
            shell.display_formatter.formatters[kind].for_type(Figure, printed)
    matplotlib.rcdefaults()
    FigureCanvasAgg.print_png = print_with_texts  # type: ignore[method-assign, assignment]
    sns.set_theme(context="notebook", style="ticks", palette="colorblind")
    plt.rcParams |= {"figure.constrained_layout.use": True, "figure.dpi": DPI, "savefig.facecolor": "white"}
    plt.rcParams["svg.hashsalt"] = "echo"  # the same figure is the same file
    plt.rcParams |= {"figure.figsize": (WIDTH_IN, 3.2), "axes.titlesize": "medium", "legend.framealpha": 0.6}


def colour_of(model: str) -> str:
    """The colour of one of the paper's models, or of those of regions' statistics, with or without their margin."""
    return COLOUR.get(model) or COLOUR[model.split("_")[0]]


def subplots(rows: int = 1, columns: int = 1, row_in: float = 3.2, **look: Any) -> tuple[Figure, Any]:
    """A figure of the book's width with rows of this height in inches, and its axes as ``plt.subplots`` has them.

    Several panels have their letters. At most two columns of them can be read on a phone, three of maps.
    """
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH_IN, rows * row_in), **look)
    if rows * columns > 1:
        letter(fig.axes)
    return fig, axes


def letter(axes: Sequence[Axes]) -> None:
    """Write A, B, ... at the upper left of panels, in their order."""
    told: Any = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "right", "weight": "bold"}
    for ax, name in zip(axes, ascii_uppercase, strict=False):
        ax.annotate(name, (0, 1), (-4, 9), **told)


def panels(n: int, columns: int, row_in: float, shared: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure of ``n`` axes in rows of so many and of this height in inches; none of them is left empty.

    Of ``shared`` axes only the outer ones are labelled.
    """
    columns = min(columns, n)
    fig, grid = subplots(-(-n // columns), columns, row_in, squeeze=False, sharex=shared, sharey=shared)
    axes = list(grid.flat)
    for ax in axes[n:]:
        ax.remove()
    axes[n - 1].set_subplotspec(axes[0].get_gridspec()[-1, (n - 1) % columns :])  # as wide as there is room
    return fig, axes[:n]


def label_outer(axes: Sequence[Axes], columns: int) -> None:
    """Take the labels off all axes of ``panels`` but those with none like them below, or nothing to their left."""
    columns = min(columns, len(axes))
    alike = len(axes) - (len(axes) % columns > 0)  # the last of a row that is not full is wider
    for number, ax in enumerate(axes):
        below, first = number + columns < alike, number % columns == 0
        ax.tick_params(labelbottom=not below, labelleft=first)
        ax.set(xlabel="" if below else ax.get_xlabel(), ylabel=ax.get_ylabel() if first else "")


def value_range(values: np.ndarray) -> tuple[float, float]:
    """2nd and 98th percentile of the finite values: outliers do not set the colours."""
    finite = values[np.isfinite(values)]
    return tuple(np.percentile(finite, [2, 98])) if finite.size else (0.0, 1.0)


def scale_of(points: np.ndarray) -> tuple[float, float]:
    """0 and the least of ``SCALES`` that holds differences in percentage points: what is small looks small."""
    return 0.0, next(top for top in SCALES if np.nanmax(points, initial=0.0) <= top)


def show_map(
    ax: Axes,
    values: np.ndarray,
    extent_mm: Extent,
    label: str = "",
    cmap: str = "viridis",
    limits: tuple[float, float] | None = None,
    alpha: float = 1.0,
) -> AxesImage:
    """Draw values (n_z, n_x) in physical aspect with a colour bar, below where panels stand side by side.

    NaN stays clear.
    """
    low, high = limits or value_range(values)
    image = ax.imshow(values, extent=extent_mm, cmap=cmap, vmin=low, vmax=high, alpha=alpha, interpolation="nearest")
    ax.set(xlabel="lateral / mm", ylabel="depth / mm")
    if label:
        add_bar(ax, image, label)
    return image


def add_bar(ax: Axes, image: AxesImage, label: str) -> None:
    """Add a colour bar beside a panel, or below it where panels stand side by side."""
    place = ax.get_subplotspec()
    beside = place is None or place.get_gridspec().ncols == 1
    look: Any = {"shrink": 0.8} if beside else {"location": "bottom", "aspect": 10, "shrink": 0.8}
    ax.figure.colorbar(image, ax=ax, label=label, **look).locator = MaxNLocator(4 if beside else 3)


def show_b_mode(ax: Axes, b_mode_db: np.ndarray, extent_mm: Extent) -> None:
    """Draw a log-compressed B-mode (n_samples, n_lines) in grey, in physical aspect."""
    level = np.percentile(b_mode_db, 99.5)
    ax.imshow(b_mode_db[::4], extent=extent_mm, cmap="gray", vmin=level - DYNAMIC_RANGE_DB, vmax=level, aspect="equal")
    ax.set(xlabel="lateral / mm", ylabel="depth / mm")


def show_outline(ax: Axes, mask: np.ndarray, extent_mm: Extent, style: str = "--", colour: str = "white") -> None:
    """Draw the border of a mask (n_z, n_x); dashed is the core throughout the book."""
    if mask.any():
        left, right, bottom, top = extent_mm
        n_z, n_x = mask.shape
        x = left + (np.arange(n_x) + 0.5) * (right - left) / n_x
        z = top + (np.arange(n_z) + 0.5) * (bottom - top) / n_z
        ax.contour(x, z, mask, levels=[0.5], colors=colour, linestyles=style, linewidths=1.2)


def show_overlay(
    ax: Axes,
    plane: Any,
    values: np.ndarray,
    label: str,
    extent_mm: Extent | None = None,
    cmap: str = "viridis",
    limits: tuple[float, float] | None = None,
) -> None:
    """Draw values over a mapped plane's B-mode with the core dashed and a colour bar, as in Figure 2.

    ``plane`` is a ``helpers.maps.planes.MappedPlane`` with its B-mode; ``values`` lie on its maps' grid, or on their
    own extent.
    """
    show_b_mode(ax, plane.b_mode_db, plane.b_mode_extent_mm)
    show_map(ax, values, extent_mm or plane.maps.extent_mm, label, cmap, limits, alpha=0.85)
    show_outline(ax, plane.core, plane.maps.extent_mm)
    left, right, bottom, top = plane.b_mode_extent_mm
    ax.set(xlim=(left, right), ylim=(bottom, top))


def of_lines(figure: Figure) -> bool:
    """Tell whether a figure holds no picture, and few enough points to be drawn one by one."""
    lines: list[Any] = figure.findobj(Line2D)
    marks: list[Any] = figure.findobj(Collection)
    points = sum(len(line.get_xdata()) for line in lines) + sum(len(one.get_offsets()) for one in marks)
    points += sum(len(path.vertices) for one in marks for path in one.get_paths())
    return points < MANY and not figure.findobj(AxesImage)


def as_svg(figure: Figure) -> str | None:
    """Return a figure of lines as SVG, its texts in comments; None for any other.

    It tells places to a tenth of a point: enough for an eye, too little for a patient's exact value.
    """
    if not of_lines(figure):
        return None
    drawn = print_figure(figure, "svg", bbox_inches=None, metadata={"Date": None})
    return DRAWN.sub(lambda found: DECIMAL.sub(lambda number: f"{float(number[0]):.1f}", found[0]), drawn)


def as_png(figure: Figure) -> str | None:
    """Return a figure that is none of lines as a PNG in base64; None for one that is."""
    return None if of_lines(figure) else print_figure(figure, "png", bbox_inches=None, base64=True)


FORMATS = {"image/svg+xml": as_svg, "image/png": as_png}  # each figure in one of them


def look_closer(axes: Iterable[Axes], plane: Any, rim_mm: float = 3.0) -> None:
    """Show of a mapped plane's B-mode the region and what is next to it, as far as there is an image."""
    inside = plane.core | plane.margin
    across, down = plane.maps.lateral_mm[inside.any(0)], plane.maps.depth_mm[inside.any(1)]
    left, right, bottom, top = plane.b_mode_extent_mm
    for ax in axes:
        ax.set(xlim=(max(across[0] - rim_mm, left), min(across[-1] + rim_mm, right)))
        ax.set(ylim=(min(down[-1] + rim_mm, bottom), max(down[0] - rim_mm, top)))


def print_with_texts(canvas: FigureCanvasAgg, file: Any, *, metadata: dict | None = None, **others: Any) -> None:
    """Write a picture with its texts beside its pixels, where a search for what must not be published finds them."""
    texts = dict.fromkeys(text.get_text() for text in canvas.figure.findobj(Text) if text.get_visible())
    told, drawn = {"Description": "\n".join(filter(None, texts))} | (metadata or {}), BytesIO()
    PRINT_PNG(canvas, drawn, metadata=told, pil_kwargs=others.get("pil_kwargs"))
    with open_file_cm(file, "wb") as out:
        heavy, mapped = len(drawn.getvalue()) > HEAVY, bool(canvas.figure.findobj(AxesImage))
        out.write(lighter(drawn, mapped) if heavy else drawn.getvalue())


def lighter(drawn: BytesIO, mapped: bool) -> bytes:
    """Return a picture with its texts: of lines and marks all its pixels, which 256 colours are enough for.

    One of maps keeps its colours, and has 1.1 pixels for one of the page in place of two.
    """
    told, picture, kept = PngInfo(), Image.open(drawn), BytesIO()
    for name, text in picture.info.items():
        if isinstance(text, str):
            told.add_itxt(str(name), text)
    small = round(0.55 * picture.width), round(0.55 * picture.height)
    light = picture.convert("RGB")
    light = light.resize(small, Image.Resampling.LANCZOS) if mapped else light.quantize(256, dither=Image.Dither.NONE)
    light.save(kept, "png", pnginfo=told)
    return kept.getvalue()
