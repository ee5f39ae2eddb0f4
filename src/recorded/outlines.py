"""Outlines of a tumour: corners in mm as CSV or GeoJSON, or a mask of the plane's pixels as PNG, NIfTI, HDF5 or NPZ."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ground.errors import InputError
from recorded.bounds import check_zipped
from recorded.readers import reading
from recorded.tables import read_text


def read_mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read a mask (n_samples, n_lines), bool: pixels of the plane that are tumour, not 0 in the file.

    Raises ``InputError`` naming the file for one of another shape than the plane, of more than two values, or empty.
    """
    with reading(path, "a mask of the plane's pixels"):
        values = MASKS[path.suffix.lower()](path, shape)
    found = np.unique(values)
    if len(found) > 2 or (len(found) == 2 and found[0] != 0):
        raise InputError(f"{path}: mask of the values {found[:5].tolist()}, expected 0 outside and one value inside")
    if not found[-1]:
        raise InputError(f"{path}: mask is empty, expected pixels that are not 0")
    return values != 0


def check_shape(path: Path, found: Sequence[int], shape: tuple[int, int]) -> None:
    """Raise ``InputError`` for a mask of another shape than its plane, before any pixel is read."""
    found, expected = (tuple(n for n in one if n != 1) for one in (found, shape))
    if found != expected:
        raise InputError(f"{path}: mask of {found}, expected {shape}, samples by lines of its plane")


def read_png(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read a picture of one channel, or of equal ones."""
    from PIL import Image

    with Image.open(io.BytesIO(path.read_bytes()), formats=["PNG"]) as picture:  # memory has an end, whatever is asked
        check_shape(path, picture.size[::-1], shape)
        values = np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)
    return values if values.ndim == 2 else values[..., 0]


def read_nifti(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read NIfTI, whose first axis runs along lines and whose second runs in depth."""
    import nibabel

    nibabel.imageglobals.logger.setLevel("CRITICAL")  # what it mends without asking is refused here by what follows
    image = nibabel.Nifti1Image.from_filename(path)
    check_shape(path, image.shape[::-1], shape)
    return np.asarray(image.dataobj).squeeze().T.reshape(shape)


def read_hdf5_mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read the dataset ``mask`` (n_samples, n_lines) of an HDF5 file."""
    import h5py

    with h5py.File(path) as file:
        check_shape(path, file["mask"].shape, shape)
        return file["mask"][()].reshape(shape)


def read_npz_mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read the array ``mask`` (n_samples, n_lines) of an ``.npz`` file."""
    check_shape(path, check_zipped(path, np.inf).get("mask", ()), shape)
    with np.load(path, allow_pickle=False) as file:
        return file["mask"].reshape(shape)


MASKS: dict[str, Callable[[Path, tuple[int, int]], np.ndarray]] = {
    ".png": read_png,
    ".nii": read_nifti,
    ".gz": read_nifti,
    ".h5": read_hdf5_mask,
    ".hdf5": read_hdf5_mask,
    ".npz": read_npz_mask,
}


def read_geojson(path: Path) -> np.ndarray:
    """Corners (n_points, 2), lateral and depth in mm, of the one polygon in a GeoJSON file.

    Raises ``InputError`` for more than one polygon, or for holes.
    """
    with reading(path, "GeoJSON"):
        found = list(polygons(json.loads(read_text(path))))
    if len(found) != 1 or len(found[0]) != 1:
        rings = [len(polygon) for polygon in found]
        raise InputError(f"{path}: polygons of {rings} rings, expected one polygon of one ring, corners in mm")
    with reading(path, "corners of two numbers, lateral and depth in mm"):
        corners = np.asarray(found[0][0], float)[:, :2]
    return corners[:-1] if len(corners) > 1 and (corners[0] == corners[-1]).all() else corners


def polygons(node: Any) -> list[Any]:
    """Return the coordinates of every polygon in a GeoJSON object."""
    kind = node.get("type")
    if kind == "Polygon":
        return [node["coordinates"]]
    if kind == "MultiPolygon":
        return list(node["coordinates"])
    inside = node.get("features") or node.get("geometries") or ([node["geometry"]] if node.get("geometry") else [])
    return [polygon for part in inside for polygon in polygons(part)]
