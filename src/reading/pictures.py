"""Small pictures that stand inside a page: PNG as base64, and outlines as paths."""

import base64
import io

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from skimage.measure import approximate_polygon, find_contours

from pages.figures import DYNAMIC_RANGE_DB, Extent, value_range

LARGEST_PX = 300  # edge of a picture
GREYS = 24  # levels: with speckle the eye tells no more


def still_png(figure: Figure) -> str:
    """Return a figure as PNG in base64, and close it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    plt.close(figure)
    small = io.BytesIO()
    with Image.open(file) as image:
        texts = PngInfo()
        texts.add_itxt("Description", str(image.info.get("Description", "")))  # where what is private is looked for
        image.convert("RGB").quantize(64).save(small, "PNG", optimize=True, pnginfo=texts)
    return base64.b64encode(small.getvalue()).decode()


def as_png(pixels: UInt8[np.ndarray, "n_z n_x *channels"]) -> str:
    """Return grey (n_z, n_x) or coloured pixels (n_z, n_x, 4) as the address of a picture, at most 64 colours."""
    image = Image.fromarray(pixels)
    if image.mode == "RGBA":
        image = image.quantize(64, method=Image.Quantize.FASTOCTREE)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def grey(
    b_mode_db: Float[np.ndarray, "n_samples n_lines"], level_db: float | None = None
) -> UInt8[np.ndarray, "n_z n_x"]:
    """Return a B-mode as grey pixels as ``figures.show_b_mode`` has it, at most ``LARGEST_PX`` along an edge.

    ``level_db`` is what becomes white; without it the 99.5th percentile.
    """
    level_db = float(np.percentile(b_mode_db, 99.5)) if level_db is None else level_db
    rows, columns = (-(-n // LARGEST_PX) for n in b_mode_db.shape)
    share = np.clip(1 + (b_mode_db[::rows, ::columns] - level_db) / DYNAMIC_RANGE_DB, 0, 1)
    return (np.round(share * (GREYS - 1)) * (255 / (GREYS - 1))).astype(np.uint8)


def coloured(
    values: Float[np.ndarray, "n n"], colours: str, limits: tuple[float, float] | None = None
) -> UInt8[np.ndarray, "n_z n_x 4"]:
    """Return values as coloured pixels, clear where they are NaN; limits as ``figures.show_map`` has them."""
    step = -(-len(values) // LARGEST_PX)
    values, (low, high) = values[::step, ::step], limits or value_range(values)
    share = np.ma.masked_invalid((values - low) / max(high - low, 1e-12))
    palette = matplotlib.colormaps[colours].with_extremes(bad=(0, 0, 0, 0))
    return palette(share, bytes=True)


def outlines(mask: Bool[np.ndarray, "n_z n_x"], extent_mm: Extent) -> str:
    """Return the border of a mask as a path in mm, with corners 0.05 mm from it at most."""
    left, right, bottom, top = extent_mm
    step = np.array([(bottom - top) / mask.shape[0], (right - left) / mask.shape[1]])
    borders = [approximate_polygon((line + 0.5) * step, 0.05) for line in find_contours(mask.astype(float), 0.5)]
    return "".join("M" + "L".join(f"{left + x:.2f} {top + z:.2f}" for z, x in border) for border in borders)
