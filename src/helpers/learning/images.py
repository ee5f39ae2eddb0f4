"""Images for the networks: maps resampled around the tumour, scaled with training patients."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

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
        n_planes, n = len(self.maps), self.maps.shape[-1]
        mask = n_planes, n, n
        shapes = (n_planes, len(self.fields), n, n), mask, mask, (n_planes,), (n_planes,), (n_planes, 4)
        for name, expected in zip(PER_PLANE, shapes, strict=True):
            found = getattr(self, name).shape
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
            if name != "patient":
                digest.update(np.ascontiguousarray(getattr(self, name)).data)
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
        """Write one ``.npz`` file."""
        arrays = {name: getattr(self, name) for name in PER_PLANE}
        arrays["patient"] = arrays["patient"].astype(str)  # an object array would need pickle
        np.savez(path, **arrays, fields=np.array(self.fields))

    @classmethod
    def load(cls, path: str | Path) -> "ImageSet":
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(**{name: file[name] for name in PER_PLANE}, fields=tuple(file["fields"].tolist()))


def collect(
    planes: Iterable[tuple[str, int, MappedPlane]], image_px: int, field_of_view_mm: float, fields: Sequence[str] = FOUR
) -> ImageSet:
    """Resample mapped planes, each with its patient and its number, into one set of images of these maps."""
    images, patients, numbers = [], [], []
    for patient, number, mapped in planes:
        images.append(resample_plane(mapped.maps, mapped.core, mapped.margin, image_px, field_of_view_mm, fields))
        patients.append(patient)
        numbers.append(number)
    maps, core, region, extent_mm = (np.stack(column) for column in zip(*images, strict=True))
    return ImageSet(maps, core, region, np.array(patients), np.array(numbers), extent_mm, tuple(fields))


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
    rows = np.tensordot(down, layers, (1, 1))  # (n, n_layers, n_x)
    return np.tensordot(rows, across, (2, 1)).swapaxes(0, 1)


def resampling_weights(samples_mm: np.ndarray, centre_mm: float, n: int, width_mm: float) -> np.ndarray:
    """Return the weight (n, n_samples) of each sample in each of ``n`` pixels across ``width_mm``.

    Pixels larger than the sample spacing take the share of each sample's cell that they cover (area
    average); smaller ones interpolate linearly. A pixel surrounded by samples has weights of sum 1.
    """
    pixel, step = width_mm / n, samples_mm[1] - samples_mm[0]
    pixels_mm = centre_mm + (np.arange(n) + 0.5 - n / 2) * pixel
    distance = np.abs(pixels_mm[:, None] - samples_mm)
    if pixel >= step:
        weights = np.clip((pixel + step) / 2 - distance, 0, step) / pixel
    else:
        weights = np.clip(1 - distance / step, 0, None)
    return weights.astype(np.float32)


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
    inside = images.mask(region)[train_mask]
    bounds = []
    for channel in range(len(images.fields)):
        pixels = images.maps[train_mask, channel][inside]
        pixels = pixels[np.isfinite(pixels)]
        percentiles = [clip_percentile, 100 - clip_percentile]
        bounds.append(np.percentile(pixels, percentiles) if pixels.size else (0.0, 0.0))
    return Scaling(*np.transpose(bounds))


def scale(images: ImageSet, scaling: Scaling, region: str = "core_margin") -> np.ndarray:
    """Return the networks' input (N, C, n, n) float32: tissue in (0.1, 1), exactly 0 outside the region.

    Values beyond the scaling are clipped. A hole, where the fit gave nothing physical, takes the
    median of its plane's region, so that its place carries no information. A channel in which training
    planes do not differ is at the middle for everybody.
    """
    lo, hi = (np.asarray(bound, np.float32)[:, None, None] for bound in (scaling.lo, scaling.hi))
    width = np.where(hi > lo, hi - lo, np.float32(np.inf))
    scaled = np.zeros_like(images.maps)
    for plane, inside in enumerate(images.mask(region)):
        filled = fill_holes(images.maps[plane], inside, default=(lo + hi) / 2)
        share = np.where(hi > lo, np.clip((filled - lo) / width, 0, 1), np.float32(0.5))
        scaled[plane] = np.where(inside, TISSUE_FLOOR + (1 - TISSUE_FLOOR) * share, 0)
    return scaled


def fill_holes(maps: np.ndarray, inside: np.ndarray, default: np.ndarray) -> np.ndarray:
    """Return one plane's maps (C, n, n) with NaN replaced by the channel's median in the region.

    A channel without a single value takes ``default`` (C, 1, 1).
    """
    filled = np.array(maps)
    for channel, fallback in zip(filled, default.ravel(), strict=True):
        values = channel[inside & np.isfinite(channel)]
        channel[~np.isfinite(channel)] = np.median(values) if values.size else fallback
    return filled
