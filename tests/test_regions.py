"""Core and margin, against geometry."""

import numpy as np
import pytest
from skimage.draw import polygon2mask

from helpers.data.regions import core_from_mask, core_from_polygon, distance_outside_mm, margin_of
from pages.echoes import elliptic_outline

DEPTH_MM, LATERAL_MM = np.arange(0, 40, 0.1), np.arange(0, 60, 0.25)


def circle(radius_mm, centre=(30.0, 20.0)):
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    return np.column_stack([centre[0] + radius_mm * np.cos(angle), centre[1] + radius_mm * np.sin(angle)])


def test_core_of_a_circle_has_its_area():
    core = core_from_polygon(circle(10), DEPTH_MM, LATERAL_MM)
    assert core.sum() * 0.1 * 0.25 == pytest.approx(np.pi * 100, rel=0.01)


def test_an_elliptic_outline_has_its_width_height_and_centre():
    outline_mm = elliptic_outline((30.0, 20.0), 18.0, 14.0)
    np.testing.assert_allclose(np.ptp(outline_mm, axis=0), (18, 14), atol=1e-9)
    np.testing.assert_allclose(outline_mm.mean(axis=0), (30, 20))
    core = core_from_polygon(outline_mm, DEPTH_MM, LATERAL_MM)
    assert core.sum() * 0.1 * 0.25 == pytest.approx(np.pi * 9 * 7, rel=0.01)


OUTLINES = {  # corners and edges on pixels, between them, concave, with edges along the axes
    "circle": circle(10, (30.03, 20.01)),
    "rectangle on pixels": np.array([[10.0, 8.0], [10.0, 20.0], [30.0, 20.0], [30.0, 8.0]]),
    "concave": np.array([[10.0, 8.0], [30.0, 12.0], [50.0, 8.0], [40.0, 30.0], [30.5, 14.0], [20.0, 30.0]]),
    "thin": np.array([[10.01, 8.01], [40.02, 8.03], [40.0, 8.02]]),
}


@pytest.mark.parametrize("outline_mm", OUTLINES.values(), ids=OUTLINES)
def test_pixels_of_an_outline_are_those_of_scikit_image(outline_mm):
    """Pixels on the border are inside for both. Corners on quarters of a millimetre have no rounding error."""
    depth_mm, lateral_mm = np.arange(0, 40, 0.125), np.arange(0, 60, 0.25)
    corners = outline_mm[:, ::-1] / [0.125, 0.25]
    expected = polygon2mask((len(depth_mm), len(lateral_mm)), corners)
    if not expected.any():
        with pytest.raises(ValueError, match="covers no pixel"):
            core_from_polygon(outline_mm, depth_mm, lateral_mm)
        return
    np.testing.assert_array_equal(core_from_polygon(outline_mm, depth_mm, lateral_mm), expected)


def test_margin_is_5_mm_in_both_directions_although_pixels_are_not_square():
    core = core_from_polygon(circle(10), DEPTH_MM, LATERAL_MM)
    margin = margin_of(core, DEPTH_MM, LATERAL_MM, 5.0)
    down, across = margin[:, 120], margin[200]  # through the centre
    assert down.sum() * 0.1 == pytest.approx(10, abs=0.3)
    assert across.sum() * 0.25 == pytest.approx(10, abs=0.6)
    assert not (core & margin).any()
    assert (core | margin).sum() * 0.1 * 0.25 == pytest.approx(np.pi * 225, rel=0.02)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("margin_mm", [0.05, 1.0, 5.0, 40.0])
def test_margin_is_all_that_is_near_wherever_the_core_lies(seed, margin_mm):
    """Against distances over the whole image; cores of several pieces, at its edges, of a single pixel."""
    rng = np.random.default_rng(seed)
    depth_mm, lateral_mm = np.arange(70) * 0.3 + 0.1, np.arange(50) * 0.7 + 0.35
    core = np.zeros((70, 50), bool)
    for _ in range(1 + seed // 2):
        top, left, height, width = rng.integers(0, [70, 50, 1 + 9 * (seed % 3), 1 + 9 * (seed % 3)])
        core[top : top + height + 1, left : left + width + 1] = True
    distance_mm = distance_outside_mm(core, depth_mm, lateral_mm)
    expected = (distance_mm > 0) & (distance_mm <= margin_mm)
    np.testing.assert_array_equal(margin_of(core, depth_mm, lateral_mm, margin_mm), expected)


def test_margin_is_clipped_by_the_image():
    with pytest.warns(UserWarning, match="19 % lie outside and are left out; in the image, -0.1 to 59.9 mm across"):
        core = core_from_polygon(circle(10, (5.0, 20.0)), DEPTH_MM, LATERAL_MM)
    margin = margin_of(core, DEPTH_MM, LATERAL_MM, 5.0)
    assert margin[:, -1].sum() == 0
    assert margin.sum() > 0
    assert core[:, 0].any()


@pytest.mark.parametrize("distance_mm", [22.0, 16.0, 10.0], ids=["apart", "touching", "overlapping"])
def test_margin_is_clipped_by_another_core(distance_mm):
    """Against a plain loop over pixels: within 5 mm of the core, in neither core."""
    depth_mm, lateral_mm = DEPTH_MM[::5], LATERAL_MM[::2]
    core = core_from_polygon(circle(8, (20.0, 20.0)), depth_mm, lateral_mm)
    other = core_from_polygon(circle(8, (20.0 + distance_mm, 20.0)), depth_mm, lateral_mm)
    margin = margin_of(core, depth_mm, lateral_mm, 5.0, other)
    of_core = np.argwhere(core) * [0.5, 0.5]
    for row in range(0, len(depth_mm), 3):
        for column in range(0, len(lateral_mm), 3):
            near = np.hypot(*(of_core - [0.5 * row, 0.5 * column]).T).min() <= 5.0 + 1e-9
            assert margin[row, column] == (near and not core[row, column] and not other[row, column])
    alone = margin_of(core, depth_mm, lateral_mm, 5.0)
    assert (alone & other).any() == (distance_mm < 21)
    np.testing.assert_array_equal(margin, alone & ~other)


def test_a_mask_is_a_core_as_it_stands():
    core = core_from_polygon(circle(10), DEPTH_MM, LATERAL_MM)
    np.testing.assert_array_equal(core_from_mask(core, DEPTH_MM, LATERAL_MM), core)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((400, 240)), r"core mask of float64 \(400, 240\), expected bool \(400, 240\)"),
        (np.ones((400, 239), bool), r"core mask of bool \(400, 239\), expected bool \(400, 240\)"),
        (np.zeros((400, 240), bool), "core is empty"),
    ],
    ids=["type", "shape", "empty"],
)
def test_masks_that_cannot_be_a_core_are_refused(mask, message):
    with pytest.raises(ValueError, match=message):
        core_from_mask(mask, DEPTH_MM, LATERAL_MM)


def test_other_cores_of_another_shape_are_refused():
    core = core_from_polygon(circle(10), DEPTH_MM, LATERAL_MM)
    with pytest.raises(ValueError, match="others of bool"):
        margin_of(core, DEPTH_MM, LATERAL_MM, 5.0, core[:, 1:])


def test_what_cannot_be_a_core_is_refused():
    with pytest.raises(ValueError, match="2 corners without an area"):
        core_from_polygon(circle(10)[:2], DEPTH_MM, LATERAL_MM)
    with pytest.raises(ValueError, match="100 % lie outside"):
        core_from_polygon(circle(1, (300, 300)), DEPTH_MM, LATERAL_MM)
    with pytest.raises(ValueError, match="core is empty"):
        margin_of(np.zeros((400, 240), bool), DEPTH_MM, LATERAL_MM)
