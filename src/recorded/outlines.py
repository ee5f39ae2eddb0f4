"""Outlines of a tumour: corners in mm as CSV or GeoJSON, or a mask of the plane's pixels as PNG, NIfTI, HDF5 or NPZ."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from helpers.errors import InputError
from recorded.readers import reading


def read_mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read a mask (n_samples, n_lines), bool: pixels of the plane that are tumour, not 0 in the file.

    Raises ``InputError`` naming the file for one of another shape than the plane, of more than two values, or empty.
    """
    with reading(path, "a mask of the plane's pixels"):
        values = np.squeeze(MASKS[path.suffix.lower()](path))
    if values.shape != shape:
        raise InputError(f"{path}: mask of {values.shape}, expected {shape}, samples by lines of its plane")
    found = np.unique(values)
    if len(found) > 2 or (len(found) == 2 and found[0] != 0):
        raise InputError(f"{path}: mask of the values {found[:5].tolist()}, expected 0 outside and one value inside")
    if not found[-1]:
        raise InputError(f"{path}: mask is empty, expected pixels that are not 0")
    return values != 0


def read_png(path: Path) -> np.ndarray:
    """Read a picture of one channel, or of equal ones."""
    from skimage.io import imread

    picture = imread(path)
    return picture if picture.ndim == 2 else picture[..., 0]


def read_nifti(path: Path) -> np.ndarray:
    """Read NIfTI, whose first axis runs along lines and whose second runs in depth."""
    import nibabel

    return np.asarray(nibabel.Nifti1Image.from_filename(path).dataobj).squeeze().T


def read_hdf5_mask(path: Path) -> np.ndarray:
    """Read the dataset ``mask`` (n_samples, n_lines) of an HDF5 file."""
    import h5py

    with h5py.File(path) as file:
        return file["mask"][()]


def read_npz_mask(path: Path) -> np.ndarray:
    """Read the array ``mask`` (n_samples, n_lines) of an ``.npz`` file."""
    with np.load(path, allow_pickle=False) as file:
        return file["mask"]


MASKS: dict[str, Callable[[Path], Any]] = {
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
        found = list(polygons(json.loads(path.read_text())))
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
