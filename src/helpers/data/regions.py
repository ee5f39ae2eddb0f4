"""Tumour core and its margin, in true millimetres."""

import numpy as np
from scipy.ndimage import distance_transform_edt
from skimage.draw import polygon2mask


def core_from_polygon(polygon_mm: np.ndarray, depth_mm: np.ndarray, lateral_mm: np.ndarray) -> np.ndarray:
    """Mask (n_z, n_x) of the pixels inside a polygon (n_points, 2) of lateral and depth positions, mm.

    Raises ``ValueError`` for fewer than three points, or a polygon that covers no pixel.
    """
    polygon_mm = np.asarray(polygon_mm, float)
    if polygon_mm.ndim != 2 or polygon_mm.shape[1] != 2 or len(polygon_mm) < 3 or not np.isfinite(polygon_mm).all():
        raise ValueError(
            f"core polygon of shape {polygon_mm.shape}, expected (n_points >= 3, 2) finite positions in mm"
        )
    lateral, depth = polygon_mm.T
    rows = (depth - depth_mm[0]) / (depth_mm[1] - depth_mm[0])
    columns = (lateral - lateral_mm[0]) / (lateral_mm[1] - lateral_mm[0])
    core = polygon2mask((len(depth_mm), len(lateral_mm)), np.column_stack([rows, columns]))
    if not core.any():
        raise ValueError(f"core polygon around {polygon_mm.mean(axis=0).round(1)} mm covers no pixel of the plane")
    return core


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
    distance_mm = distance_outside_mm(core, depth_mm, lateral_mm)
    margin = (distance_mm > 0) & (distance_mm <= margin_mm)
    if others is None:
        return margin
    if others.dtype != bool or others.shape != core.shape:
        raise ValueError(f"others of {others.dtype} {others.shape}, expected bool {core.shape}, the core's")
    return margin & ~others
