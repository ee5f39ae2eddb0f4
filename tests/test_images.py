import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from threadpoolctl import threadpool_limits

from helpers import stages
from helpers.learning.augmentation import augment, flip_and_shift
from helpers.learning.images import ImageSet, Scaling, collect, fit_scaling, resample_plane, scale
from helpers.maps.parametric import FOUR, ParametricMaps
from helpers.maps.planes import MappedPlane
from helpers.settings import load_settings
from pages.maps import hole_fraction


def parametric(values, depth_mm, lateral_mm):
    """Five maps that differ by a known offset, so that a swapped channel shows."""
    return ParametricMaps(*[values + offset for offset in (0, 100, 200, 300, 400)], depth_mm, lateral_mm)


def small_plane(rng, n_z=18, n_x=22, step=0.5):
    """A plane with holes, NaN outside core and margin, off-centre."""
    depth_mm, lateral_mm = 7 + step * np.arange(n_z), -4 + step * np.arange(n_x)
    distance = np.hypot(depth_mm[:, None] - 11, lateral_mm + 0.4)
    core, margin = distance < 2, (distance >= 2) & (distance < 3.2)
    values = np.where(core | margin, rng.normal(size=distance.shape), np.nan).astype(np.float32)
    values[9, 6:9] = np.nan
    return parametric(values, depth_mm, lateral_mm), core, margin


def image_set(rng, n_planes=6, n=16):
    """Planes of values around 50 inside a disc, NaN outside and in a few holes."""
    y, x = np.mgrid[:n, :n] - n / 2 + 0.5
    core = np.repeat((np.hypot(x, y) < n / 4)[None], n_planes, 0)
    region = np.repeat((np.hypot(x, y) < n / 2.5)[None], n_planes, 0)
    maps = rng.normal(50, 5, (n_planes, 4, n, n)).astype(np.float32)
    maps[rng.random(maps.shape) < 0.05] = np.nan
    maps = np.where(region[:, None], maps, np.float32(np.nan))
    patient = np.array([f"P{i // 2 + 1:03d}" for i in range(n_planes)])
    extent = np.tile([-30.0, 30.0, 50.0, -10.0], (n_planes, 1))
    return ImageSet(maps, core, region, patient, np.arange(n_planes) % 2, extent)


def area_average_by_loop(values, use, depth_mm, lateral_mm, centre, n, width):
    """Mean of the used cells under each pixel, weighted by shared area, one pixel and one cell at a time."""
    step, pixel = depth_mm[1] - depth_mm[0], width / n
    mean, covered = np.full((n, n), np.nan), np.zeros((n, n))
    for row in range(n):
        for column in range(n):
            top, left = centre[0] - width / 2 + row * pixel, centre[1] - width / 2 + column * pixel
            total = area = 0.0
            for z, x in np.argwhere(use):
                high = min(top + pixel, depth_mm[z] + step / 2) - max(top, depth_mm[z] - step / 2)
                wide = min(left + pixel, lateral_mm[x] + step / 2) - max(left, lateral_mm[x] - step / 2)
                shared = max(high, 0) * max(wide, 0)
                total, area = total + shared * values[z, x], area + shared
            mean[row, column] = total / area if area > 1e-9 else np.nan
            covered[row, column] = area / pixel**2
    return mean, covered


def test_resampling_against_a_plain_loop():
    maps, core, margin = small_plane(np.random.default_rng(0))
    images, core_px, region_px, extent = resample_plane(maps, core, margin, 8, 9.0)
    rows, columns = np.nonzero(core)
    centre = maps.depth_mm[rows].mean(), maps.lateral_mm[columns].mean()
    use = (core | margin) & np.isfinite(maps.mbf)
    mean, _ = area_average_by_loop(maps.mbf, use, maps.depth_mm, maps.lateral_mm, centre, 8, 9.0)
    for mask, expected in ((core, core_px), (core | margin, region_px)):
        _, covered = area_average_by_loop(maps.mbf, mask, maps.depth_mm, maps.lateral_mm, centre, 8, 9.0)
        np.testing.assert_array_equal(expected, covered >= 0.4999)
    np.testing.assert_allclose(images[0], np.where(region_px, mean, np.nan), atol=1e-5)
    offsets = np.where(region_px & np.isfinite(mean), np.reshape([0, 200, 300, 400], (4, 1, 1)), np.nan)
    np.testing.assert_allclose(images - images[0], offsets, atol=1e-3)
    np.testing.assert_allclose(extent, [centre[1] - 4.5, centre[1] + 4.5, centre[0] + 4.5, centre[0] - 4.5])


def test_a_set_holds_each_plane_as_it_is_resampled_alone():
    """Core and margin differ in size, planes in depth: what changes places shows."""
    planes = [small_plane(np.random.default_rng(seed), n_z=18 + seed) for seed in range(3)]
    names = [("B", 4), ("A", 0), ("A", 1)]
    images = collect([(*name, MappedPlane(*plane)) for name, plane in zip(names, planes, strict=True)], 8, 9.0)
    assert list(zip(images.patient, images.plane, strict=True)) == names
    for one, (maps, core, margin) in enumerate(planes):
        alone = resample_plane(maps, core, margin, 8, 9.0)
        together = images.maps[one], images.core[one], images.region[one], images.extent_mm[one]
        for found, expected in zip(together, alone, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("threads", [2, 4])
def test_images_do_not_follow_the_number_of_threads(threads):
    """A stage of the book has one core, a process of a reader's own as many as there are."""
    rng = np.random.default_rng(1)
    large = [("P1", number, MappedPlane(*small_plane(rng, 260, 410, 0.1))) for number in range(3)]
    digests = []
    for limit in (1, threads):
        with threadpool_limits(limit, "blas"):
            digests.append(collect(large, 64, 60.0).digest)
    assert digests[0] == digests[1]


@pytest.mark.parametrize("image_px", [8, 64, 96])
def test_a_constant_tumour_stays_constant_whatever_surrounds_it(image_px):
    maps, core, margin = small_plane(np.random.default_rng(1))
    values = np.where(core | margin, np.float32(7), np.float32(1e6))
    values[10, 7] = np.nan
    images, core_px, region_px, _ = resample_plane(
        parametric(values, maps.depth_mm, maps.lateral_mm), core, margin, image_px, 9.0
    )
    inside = images[0][region_px]
    np.testing.assert_allclose(inside[np.isfinite(inside)], 7, rtol=1e-5)
    assert np.isfinite(inside).mean() > 0.97
    assert np.isnan(images[:, ~region_px]).all()
    assert (core_px <= region_px).all()
    assert core_px.any()


def test_upsampling_interpolates_a_plane_linearly():
    depth_mm, lateral_mm = np.arange(20) * 1.0, np.arange(20) * 1.0
    values = (3 * depth_mm[:, None] + 2 * lateral_mm).astype(np.float32)
    core = np.zeros((20, 20), bool)
    core[6:13, 6:13] = True
    maps = parametric(values, depth_mm, lateral_mm)
    images, _, _, (left, _, _, top) = resample_plane(maps, core, ~core, 64, 8.0)
    pixels = (np.arange(64) + 0.5) / 8
    np.testing.assert_allclose(images[0], 3 * (top + pixels[:, None]) + 2 * (left + pixels), rtol=1e-5)


def test_both_axes_keep_one_scale():
    """A disc of 5 mm radius covers pi 25 mm2 at 64 and at 512 pixels, on a grid of 0.1 mm."""
    depth_mm, lateral_mm = 5 + 0.1 * np.arange(300), -10 + 0.1 * np.arange(240)
    core = np.hypot(depth_mm[:, None] - 20, lateral_mm - 1) < 5
    maps = parametric(np.zeros(core.shape, np.float32), depth_mm, lateral_mm)
    for image_px in (64, 512):
        _, core_px, _, _ = resample_plane(maps, core, core & False, image_px, 60.0)
        assert core_px.sum() * (60 / image_px) ** 2 == pytest.approx(np.pi * 25, rel=0.04)
        height, width = (np.flatnonzero(core_px.any(axis)).size for axis in (1, 0))
        assert abs(height - width) <= 1


def test_a_core_smaller_than_a_pixel_keeps_one():
    maps, core, margin = small_plane(np.random.default_rng(2))
    core[:], margin[:] = False, False
    core[8, 7] = True
    _, core_px, _, _ = resample_plane(maps, core, margin, 4, 20.0)
    assert core_px.sum() >= 1


def test_an_empty_core_is_one_clear_error():
    maps, core, margin = small_plane(np.random.default_rng(3))
    with pytest.raises(ValueError, match="core: no pixel"):
        resample_plane(maps, core & False, margin, 8, 9.0)


def test_images_come_back_from_a_file_without_pickle(tmp_path):
    images = image_set(np.random.default_rng(4))
    images.save(tmp_path / "images.npy")
    again = ImageSet.load(tmp_path / "images.npy")
    for name in ("maps", "core", "region", "patient", "plane", "extent_mm"):
        np.testing.assert_array_equal(getattr(again, name), getattr(images, name))
    assert [file.name for file in tmp_path.iterdir()] == ["images.npy"]


def test_images_of_wrong_shape_name_the_field():
    images = image_set(np.random.default_rng(5))
    with pytest.raises(ValueError, match=r"core has shape \(5, 16, 16\), expected \(6, 16, 16\)"):
        ImageSet(images.maps, images.core[:5], images.region, images.patient, images.plane, images.extent_mm)


@pytest.mark.parametrize("region", ["core", "core_margin"])
def test_scaling_is_the_training_pixels_percentiles(region):
    images = image_set(np.random.default_rng(6))
    train = np.array([True, True, False, True, False, False])
    scaling = fit_scaling(images, train, region, 1.0)
    mask = images.core if region == "core" else images.region
    for channel in range(4):
        pixels = np.concatenate([images.maps[plane, channel][mask[plane]] for plane in np.flatnonzero(train)])
        pixels = [value for value in pixels if value == value]
        np.testing.assert_allclose([scaling.lo[channel], scaling.hi[channel]], np.percentile(pixels, [1, 99]))
    images.maps[~train] = 1e9
    np.testing.assert_array_equal(fit_scaling(images, train, region, 1.0).lo, scaling.lo)


def test_scaling_without_training_pixels_is_one_clear_error():
    images = image_set(np.random.default_rng(7))
    with pytest.raises(ValueError, match="no plane is for training"):
        fit_scaling(images, np.zeros(6, bool), "core", 1.0)


def test_scaled_tissue_lies_above_zero_and_outside_is_zero():
    images = image_set(np.random.default_rng(8))
    scaled = scale(images, Scaling(np.full(4, 45.0), np.full(4, 55.0)), "core")
    inside = np.broadcast_to(images.core[:, None], scaled.shape)
    assert scaled.dtype == np.float32
    assert (scaled[~inside] == 0).all()
    assert scaled[inside].min() == pytest.approx(0.1)
    assert scaled[inside].max() == pytest.approx(1.0)
    known = inside & (images.maps > 45) & (images.maps < 55)
    np.testing.assert_allclose(scaled[known], 0.1 + 0.9 * (images.maps[known] - 45) / 10, atol=1e-5)


def test_a_hole_takes_the_median_of_its_own_region():
    images = image_set(np.random.default_rng(9), n_planes=1)
    images.maps[0, 2, 8, 8] = np.nan
    scaled = scale(images, Scaling(np.zeros(4), np.full(4, 100.0)), "core")
    median = np.median([v for v in images.maps[0, 2][images.core[0]] if v == v])
    assert scaled[0, 2, 8, 8] == pytest.approx(0.1 + 0.9 * median / 100, abs=1e-6)
    images.maps[0, 3] = np.nan  # nothing known in this channel: the middle of the scale
    scaled = scale(images, Scaling(np.zeros(4), np.full(4, 100.0)), "core")
    np.testing.assert_allclose(scaled[0, 3][images.core[0]], 0.55, atol=1e-6)


def test_hole_fraction_counts_pixels():
    images = image_set(np.random.default_rng(10))
    holes = hole_fraction(images, "core")
    for plane in range(6):
        values = images.maps[plane, 1][images.core[plane]]
        assert holes[plane, 1] == pytest.approx(sum(v != v for v in values) / len(values))


def test_flip_and_shift_against_a_plain_loop():
    batch = torch.rand(5, 4, 7, 7, generator=torch.Generator().manual_seed(0))
    flip = torch.tensor([False, True, True, False, True])
    down, right = torch.tensor([0, 2, -3, 7, 1]), torch.tensor([0, -1, 4, 1, -7])
    moved = flip_and_shift(batch, flip, down, right)
    for image in range(5):
        source = batch[image].flip(-1) if flip[image] else batch[image]
        for row in range(7):
            for column in range(7):
                y, x = row - down[image], column - right[image]
                inside = 0 <= y < 7 and 0 <= x < 7
                expected = source[:, y, x] if inside else torch.zeros(4)
                assert torch.equal(moved[image, :, row, column], expected)


def test_augmentation_draws_per_image_within_its_reach():
    batch = torch.zeros(400, 1, 20, 20)
    batch[:, :, 10, 4] = 1
    moved = augment(batch, torch.Generator().manual_seed(3), 0.3)
    seen = moved.flatten(1).argmax(1)[moved.flatten(1).any(1)]
    rows, columns = seen // 20, seen % 20
    assert set(rows.tolist()) == set(range(4, 17))  # 10 +- 6
    assert set(columns.tolist()) == set(range(0, 11)) | set(range(9, 20))  # 4 or 15, +- 6, zeros moving in
    assert torch.equal(moved, augment(batch, torch.Generator().manual_seed(3), 0.3))
    assert not torch.equal(moved, augment(batch, torch.Generator().manual_seed(4), 0.3))


def test_images_and_the_parts_face_load_no_torch():
    """In a process of its own: chapters and logistic regression read images without it."""
    script = (
        "import sys, helpers.learning, helpers.learning.images as images\n"
        "assert helpers.learning.ImageSet is images.ImageSet\n"
        "assert 'train_all' in dir(helpers.learning)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def two_channels(images):
    return replace(images, maps=images.maps[:, :2], fields=images.fields[:2])


def test_images_of_two_maps_are_the_first_two_of_four_and_come_back_so(tmp_path):
    planes = [small_plane(np.random.default_rng(seed)) for seed in range(2)]
    named = [("NA", number, MappedPlane(*plane)) for number, plane in enumerate(planes)]
    four, two = collect(named, 8, 9.0), collect(named, 8, 9.0, FOUR[:2])
    np.testing.assert_array_equal(two.maps, four.maps[:, :2])
    assert four.channels == {"MBF": "dB", "SI": "dB", "ESD": "µm", "EAC": "dB"}
    assert two.channels == {"MBF": "dB", "SI": "dB"}
    assert two.digest == two_channels(four).digest != four.digest
    two.save(tmp_path / "images.npy")
    again = ImageSet.load(tmp_path / "images.npy")
    assert (again.fields, again.digest) == (two.fields, two.digest)
    assert again.select(np.array([1])).fields == FOUR[:2]


@pytest.mark.parametrize(
    ("tables", "channels"), [(["a", "a"], 4), (["", ""], 2), (["a", ""], 2), (["a", np.nan], 2), ([None, None], 2)]
)
def test_a_cohort_has_the_maps_that_all_its_planes_have(tables, channels, monkeypatch):
    """ESD and EAC need the phantom's backscatter, which may be unknown of some planes or of all."""
    listing = pd.DataFrame({"reference_backscatter_file": tables})
    monkeypatch.setattr(stages.recorded, "read_listing", lambda folder: listing)
    settings = load_settings("smoke")
    assert stages.fields_of_images(settings) == FOUR
    assert stages.fields_of_images(settings.replace(cohort="somewhere")) == FOUR[:channels]


@pytest.mark.parametrize("value", [np.nan, 7.0])
def test_a_channel_that_tells_nothing_of_training_planes_is_at_the_middle_for_everybody(value):
    images, train = image_set(np.random.default_rng(11)), np.arange(6) < 4
    images.maps[train, 2] = np.where(images.region[train], value, np.nan)
    scaled = scale(images, fit_scaling(images, train, "core", 1.0), "core")
    np.testing.assert_allclose(scaled[:, 2][images.core], 0.55, atol=1e-6)
    assert np.ptp(scaled[:, 1][images.core]) > 0.8
