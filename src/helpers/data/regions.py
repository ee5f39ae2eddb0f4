"""Tumour core and its margin, in true millimetres."""

import warnings

import numpy as np
from scipy.ndimage import distance_transform_edt
from shapely import Polygon, box, intersects_xy, prepare
from shapely.validation import explain_validity

from ground.errors import InputError

OUTSIDE = 0.25  # largest share of an outline's area outside the image
DOUBTFUL = 0.1  # share above which that is told; tumours are drawn over the edges of their image by a little


def core_from_polygon(polygon_mm: np.ndarray, depth_mm: np.ndarray, lateral_mm: np.ndarray) -> np.ndarray:
    """Mask (n_z, n_x) of the pixels inside or on a polygon (n_points, 2) of lateral and depth positions, mm.

    Raises ``InputError`` for a polygon that cannot be a tumour in these pixels, or that covers none of them.
    """
    polygon_mm = np.asarray(polygon_mm, float)
    if remark := check_polygon(polygon_mm, extent_of(depth_mm, lateral_mm)):
        warnings.warn(remark, stacklevel=2)
    outline, core = Polygon(polygon_mm), np.zeros((len(depth_mm), len(lateral_mm)), bool)
    prepare(outline)  # it will be asked about many pixels
    axes = zip((depth_mm, lateral_mm), polygon_mm.T[::-1], strict=True)
    near = np.ix_(*((axis >= corners.min()) & (axis <= corners.max()) for axis, corners in axes))
    core[near] = intersects_xy(outline, lateral_mm[near[1]], depth_mm[near[0]])
    if not core.any():
        raise InputError(f"core polygon around {polygon_mm.mean(axis=0).round(1)} mm covers no pixel of the plane")
    return core


def extent_of(depth_mm: np.ndarray, lateral_mm: np.ndarray) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of an image with pixels at these positions, mm."""
    half_z, half_x = (depth_mm[1] - depth_mm[0]) / 2, (lateral_mm[1] - lateral_mm[0]) / 2
    return lateral_mm[0] - half_x, lateral_mm[-1] + half_x, depth_mm[-1] + half_z, depth_mm[0] - half_z


def check_polygon(polygon_mm: np.ndarray, extent_mm: tuple[float, float, float, float]) -> str:
    """Return what is worth a second look in an outline, most often nothing.

    Raises ``InputError`` for corners (n_points, 2) that cannot outline a tumour in an image of this extent.

    Refused are fewer than three corners, an outline that crosses itself, one that lies mostly above a tenth of the
    imaged depth (as one in centimetres does), and one of which more than a quarter lies outside the image.
    """
    if polygon_mm.ndim != 2 or polygon_mm.shape[1] != 2 or not np.isfinite(polygon_mm).all():
        raise InputError(f"core polygon of shape {polygon_mm.shape}, expected (n_points >= 3, 2) finite positions, mm")
    left, right, bottom, top = extent_mm
    image = f"in the image, {left:.1f} to {right:.1f} mm across and {top:.1f} to {bottom:.1f} mm in depth"
    where = place_of(polygon_mm)
    shape = Polygon(polygon_mm) if len(np.unique(polygon_mm, axis=0)) >= 3 else Polygon()
    if shape.convex_hull.area == 0:
        raise InputError(f"{where}: {len(polygon_mm)} corners without an area, expected three or more that enclose one")
    if not shape.is_valid:
        raise InputError(f"{where}: {explain_validity(shape)}, expected an outline that does not cross itself")
    if polygon_mm[:, 1].max() < top + (bottom - top) / 10:
        raise InputError(f"{where}: in the uppermost tenth of the depth, expected mm (not cm) {image}")
    outside, swapped = (share_outside(one, extent_mm) for one in (shape, Polygon(polygon_mm[:, ::-1])))
    if outside > OUTSIDE:
        hint = "; with its columns exchanged it would lie inside" if swapped < DOUBTFUL else ""
        raise InputError(f"{where}: {100 * outside:.0f} % lie outside, expected an outline {image}{hint}")
    return f"{where}: {100 * outside:.0f} % lie outside and are left out; {image}" if outside > DOUBTFUL else ""


def share_outside(shape: Polygon, extent_mm: tuple[float, float, float, float]) -> float:
    """Share of an outline's area outside an image of this extent."""
    left, right, bottom, top = extent_mm
    return 1 - shape.intersection(box(left, top, right, bottom)).area / shape.area


def place_of(polygon_mm: np.ndarray) -> str:
    """Where an outline lies, in words."""
    if not len(polygon_mm):
        return "outline"
    (left, top), (right, bottom) = polygon_mm.min(axis=0), polygon_mm.max(axis=0)
    return f"outline from {left:.1f} to {right:.1f} mm across and {top:.1f} to {bottom:.1f} mm in depth"


def core_from_mask(mask: np.ndarray, depth_mm: np.ndarray, lateral_mm: np.ndarray) -> np.ndarray:
    """A mask drawn on the pixels of the plane, (n_z, n_x) bool, as it is: nothing is resampled.

    Raises ``ValueError`` for a mask of another type or shape than the pixels, or without a pixel.
    """
    mask, shape = np.asarray(mask), (len(depth_mm), len(lateral_mm))
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(f"core mask of {mask.dtype} {mask.shape}, expected bool {shape}, a value for each pixel")
    if not mask.any():
        raise ValueError("core is empty: no pixel of the mask is set")
    return mask


def distance_outside_mm(core: np.ndarray, depth_mm: np.ndarray, lateral_mm: np.ndarray) -> np.ndarray:
    """Distance (n_z, n_x) of every pixel to the nearest pixel of the core, mm; 0 inside."""
    return distance_transform_edt(~core, sampling=(depth_mm[1] - depth_mm[0], lateral_mm[1] - lateral_mm[0]))


def around(core: np.ndarray, axis: int, axis_mm: np.ndarray, reach_mm: float) -> slice:
    """From the first to the last pixel of the core along an axis, and beyond by what ``reach_mm`` touches."""
    places, n_more = np.flatnonzero(core.any(axis=1 - axis)), int(reach_mm / (axis_mm[1] - axis_mm[0])) + 1
    return slice(max(places[0] - n_more, 0), places[-1] + n_more + 1)


def margin_of(
    core: np.ndarray,
    depth_mm: np.ndarray,
    lateral_mm: np.ndarray,
    margin_mm: float = 5.0,
    others: np.ndarray | None = None,
) -> np.ndarray:
    """Mask (n_z, n_x) of the band of ``margin_mm`` around the core, clipped by the image and by other cores.

    ``others`` is a mask (n_z, n_x) of the other cores in the plane; tissue near both belongs to both margins.
    Raises ``ValueError`` for an empty core, or masks that do not fit the pixels.
    """
    core = core_from_mask(core, depth_mm, lateral_mm)
    near = around(core, 0, depth_mm, margin_mm), around(core, 1, lateral_mm, margin_mm)
    distance_mm = distance_outside_mm(core[near], depth_mm, lateral_mm)
    margin = np.zeros_like(core)
    margin[near] = (distance_mm > 0) & (distance_mm <= margin_mm)
    if others is None:
        return margin
    if others.dtype != bool or others.shape != core.shape:
        raise ValueError(f"others of {others.dtype} {others.shape}, expected bool {core.shape}, the core's")
    return margin & ~others
