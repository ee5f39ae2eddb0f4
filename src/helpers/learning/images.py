"""Images for the networks: maps resampled around the tumour, scaled with training patients.

Those of a cohort lie in a file and are read by plane: the memory that is needed does not grow with the cohort.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from ground.artifacts import on_disk
from ground.errors import InputError
from helpers.maps.parametric import FOUR, NAMES, UNITS, ParametricMaps
from helpers.maps.planes import MappedPlane

REGIONS = ("core", "core_margin")
TISSUE_FLOOR = 0.1  # lowest scaled value inside the region; outside is exactly 0
PER_PLANE = ("maps", "core", "region", "patient", "plane", "extent_mm")  # arrays of an ``ImageSet``


@dataclass(frozen=True)
class ImageSet:
    """All planes of a cohort as square images of ``n`` pixels, in physical units."""

    maps: np.ndarray  # (N, C, n, n) float32, a channel for each of ``fields``; NaN outside the region and in holes
    core: np.ndarray  # (N, n, n) bool
    region: np.ndarray  # (N, n, n) bool, core + margin
    patient: np.ndarray  # (N,) str
    plane: np.ndarray  # (N,) int
    extent_mm: np.ndarray  # (N, 4) left, right, bottom, top
    fields: tuple[str, ...] = FOUR  # the maps in the order of the channels; the first two where backscatter is unknown

    def __post_init__(self) -> None:
        n = self.maps.shape[-1]
        for name, of_plane in zip(PER_PLANE, ((len(self.fields), n, n), (n, n), (n, n), (), (), (4,)), strict=True):
            found, expected = getattr(self, name).shape, (len(self), *of_plane)
            if found != expected:
                raise ValueError(f"images: {name} has shape {found}, expected {expected}")

    @property
    def channels(self) -> dict[str, str]:
        """Name and unit of each channel, in order: MBF, SI and, where the cohort has them, ESD and EAC."""
        return {NAMES[field]: UNITS[field] for field in self.fields}

    @cached_property
    def digest(self) -> str:
        """Digest of all arrays, 64 hex digits."""
        digest = hashlib.sha256(" ".join([*self.fields, *self.patient.astype(str)]).encode())
        for name in PER_PLANE:
            for part in getattr(self, name) if name != "patient" else ():
                digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.maps)

    def select(self, planes: np.ndarray) -> "ImageSet":
        """Return the planes picked by a mask (N,) or by indices, in their order."""
        return replace(self, **{name: getattr(self, name)[planes] for name in PER_PLANE})

    def mask(self, region: str) -> np.ndarray:
        """Return the pixels (N, n, n) that a network may see: ``"core"`` or ``"core_margin"``."""
        if region not in REGIONS:
            raise ValueError(f"region {region!r}: expected one of {REGIONS}")
        return self.core if region == "core" else self.region

    def save(self, path: str | Path) -> None:
        """Write one ``.npy`` file, a record for each plane, one after the other."""
        told = {name: getattr(self, name) for name in PER_PLANE} | {"fields": np.tile(self.fields, (len(self), 1))}
        told["patient"] = np.array(self.patient.tolist())  # text as long as it is; an object array would need pickle
        record = np.dtype([(name, array.dtype, array.shape[1:]) for name, array in told.items()], align=True)
        head = {"descr": np.lib.format.dtype_to_descr(record), "fortran_order": False, "shape": (len(self),)}
        one = np.zeros((), record)  # with zeros between its parts, too
        with open(path, "wb") as file:
            np.lib.format.write_array_header_1_0(file, head)
            for one[()] in zip(*told.values(), strict=True):
                file.write(one.tobytes())

    @classmethod
    def load(cls, path: str | Path) -> "ImageSet":
        """Open what ``save`` wrote: pictures stay in the file until they are looked at, also in worker processes."""
        planes = np.load(path, mmap_mode="c", allow_pickle=False)  # what is changed is changed in memory alone
        arrays = {name: planes[name] if planes[name].ndim > 2 else planes[name].copy() for name in PER_PLANE}
        return cls(**arrays, fields=tuple(planes["fields"][0].tolist()))


@threadpool_limits.wrap(limits=1, user_api="blas")  # whose sums end otherwise where more threads share them
def collect(
    planes: Iterable[tuple[str, int, MappedPlane]], image_px: int, field_of_view_mm: float, fields: Sequence[str] = FOUR
) -> ImageSet:
    """Resample mapped planes, each with its patient and its number, into one set of images of these maps."""
    n, size = image_px, (image_px, field_of_view_mm, fields)
    pictures = ("maps", "f4", (len(fields), n, n)), ("core", "?", (n, n)), ("region", "?", (n, n))
    record = np.dtype([*pictures, ("extent_mm", "f8", 4), ("patient", "U255"), ("plane", int)], align=True)
    rows = ((*resample_plane(one.maps, one.core, one.margin, *size), name, number) for name, number, one in planes)
    stored = on_disk((np.array(row, record) for row in rows), record)
    return ImageSet(**{name: stored[name] for name in PER_PLANE}, fields=tuple(fields))


def resample_plane(
    maps: ParametricMaps,
    core: np.ndarray,
    margin: np.ndarray,
    image_px: int,
    field_of_view_mm: float,
    fields: Sequence[str] = FOUR,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return images (C, n, n) of these maps, core (n, n), region (n, n) and extent (4,) [mm] of one plane.

    The square field of view is centred on the centroid of the core, so both axes keep one scale. A pixel
    takes the mean of the valid map values of the region under it; it is NaN where there is none. It
    belongs to a mask that covers half of it. Raises ``ValueError`` for an empty core.
    """
    if not core.any():
        raise ValueError("core: no pixel is set, so there is nothing to centre the image on")
    rows, columns = np.nonzero(core)
    depth_mm, lateral_mm = maps.depth_mm[rows].mean(), maps.lateral_mm[columns].mean()
    down = resampling_weights(maps.depth_mm, depth_mm, image_px, field_of_view_mm)
    across = resampling_weights(maps.lateral_mm, lateral_mm, image_px, field_of_view_mm)

    region = core | margin
    values = np.stack([getattr(maps, field) for field in fields])
    valid = np.isfinite(values) & region
    layers = np.concatenate([[core, region], valid, np.where(valid, values, 0)], dtype=np.float32)
    (core_share, region_share), weight, total = np.split(resample(layers, down, across), [2, 2 + len(fields)])
    core_px = half_covered(core_share)
    region_px = core_px | half_covered(region_share)
    seen = region_px & (weight > 1e-4)
    images = np.where(seen, total / np.where(seen, weight, 1), np.float32(np.nan))
    half = field_of_view_mm / 2
    extent_mm = np.array([lateral_mm - half, lateral_mm + half, depth_mm + half, depth_mm - half])
    return images, core_px, region_px, extent_mm


def resample(layers: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return ``down @ layer @ across.T`` (n, n) for each layer (n_z, n_x), as two large products."""
    return np.tensordot(np.tensordot(down, layers, (1, 1)), across, (2, 1)).swapaxes(0, 1)  # from (n, n_layers, n_x)


def resampling_weights(samples_mm: np.ndarray, centre_mm: float, n: int, width_mm: float) -> np.ndarray:
    """Return the weight (n, n_samples) of each sample in each of ``n`` pixels across ``width_mm``.

    Pixels larger than the sample spacing take the share of each sample's cell that they cover (area
    average); smaller ones interpolate linearly. A pixel surrounded by samples has weights of sum 1.
    """
    pixel, step = width_mm / n, samples_mm[1] - samples_mm[0]
    pixels_mm = centre_mm + (np.arange(n) + 0.5 - n / 2) * pixel
    distance = np.abs(pixels_mm[:, None] - samples_mm)
    shares = np.clip((pixel + step) / 2 - distance, 0, step) / pixel
    return (shares if pixel >= step else np.clip(1 - distance / step, 0, None)).astype(np.float32)


def half_covered(coverage: np.ndarray) -> np.ndarray:
    """Return the pixels covered by half or more; of a core smaller than a pixel, the best covered ones."""
    return coverage >= min(0.4999, coverage.max())


@dataclass(frozen=True)
class Scaling:
    """What becomes 0.1 and 1 in the input of a network, one value per channel, in physical units.

    Both are one value in a channel in which training planes do not differ.
    """

    lo: np.ndarray  # (C,)
    hi: np.ndarray  # (C,)


def fit_scaling(images: ImageSet, train_mask: np.ndarray, region: str, clip_percentile: float) -> Scaling:
    """Return the percentiles of the training planes' pixels in the region; no other plane is looked at.

    ``train_mask`` (N,) bool. A channel without a value there has the bounds 0 and 0. Raises ``InputError`` without
    training planes.
    """
    if not np.any(train_mask):
        raise InputError("no plane is for training: there is nothing to scale with")
    inside, training, ends = images.mask(region), np.flatnonzero(train_mask), [clip_percentile, 100 - clip_percentile]
    bounds = []
    for channel in range(len(images.fields)):
        of_planes = (images.maps[plane, channel][inside[plane]] for plane in training)
        pixels = on_disk((values[np.isfinite(values)] for values in of_planes), images.maps.dtype)
        bounds.append(np.percentile(pixels, ends, overwrite_input=True) if pixels.size else (0.0, 0.0))
    return Scaling(*np.transpose(bounds))


def scale(
    images: ImageSet, scaling: Scaling, region: str = "core_margin", chosen: Iterable[int] | None = None
) -> np.ndarray:
    """Return the networks' input (N, C, n, n) float32 on disk: tissue in (0.1, 1), exactly 0 outside the region.

    Of the ``chosen`` planes, of all if none are; in memory channels lie last.
    Values beyond the scaling are clipped. A hole, where the fit gave nothing physical, takes the
    median of its plane's region, so that its place carries no information. A channel in which training
    planes do not differ is at the middle for everybody.
    """
    lo, hi = (np.asarray(bound, np.float32)[:, None, None] for bound in (scaling.lo, scaling.hi))
    width = np.where(hi > lo, hi - lo, np.float32(np.inf))
    mask, (n_channels, *size) = images.mask(region), images.maps.shape[1:]

    def scaled(plane: int) -> np.ndarray:
        filled = fill_holes(images.maps[plane], mask[plane], default=(lo + hi) / 2)
        share = np.where(hi > lo, np.clip((filled - lo) / width, 0, 1), np.float32(0.5))
        return np.where(mask[plane], TISSUE_FLOOR + (1 - TISSUE_FLOOR) * share, 0).transpose(1, 2, 0)

    made = (scaled(plane).astype(np.float32) for plane in (range(len(images)) if chosen is None else chosen))
    stored = on_disk(made, np.float32, (*size, n_channels))
    return stored.transpose(0, 3, 1, 2)


def fill_holes(maps: np.ndarray, inside: np.ndarray, default: np.ndarray) -> np.ndarray:
    """Return one plane's maps (C, n, n) with NaN replaced by the channel's median in the region.

    A channel without a single value takes ``default`` (C, 1, 1).
    """
    filled = np.array(maps)
    for channel, fallback in zip(filled, default.ravel(), strict=True):
        values = channel[inside & np.isfinite(channel)]
        channel[~np.isfinite(channel)] = np.median(values) if values.size else fallback
    return filled
