"""Core and margin, against geometry."""

import numpy as np
import pytest

from helpers.regions import core_from_polygon, margin_of

DEPTH_MM, LATERAL_MM = np.arange(0, 40, 0.1), np.arange(0, 60, 0.25)


def circle(radius_mm, centre=(30.0, 20.0)):
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    return np.column_stack([centre[0] + radius_mm * np.cos(angle), centre[1] + radius_mm * np.sin(angle)])


def test_core_of_a_circle_has_its_area():
    core = core_from_polygon(circle(10), DEPTH_MM, LATERAL_MM)
    assert core.sum() * 0.1 * 0.25 == pytest.approx(np.pi * 100, rel=0.01)


def test_margin_is_5_mm_in_both_directions_although_pixels_are_not_square():
    core = core_from_polygon(circle(10), DEPTH_MM, LATERAL_MM)
    margin = margin_of(core, DEPTH_MM, LATERAL_MM, 5.0)
    down, across = margin[:, 120], margin[200]  # through the centre
    assert down.sum() * 0.1 == pytest.approx(10, abs=0.3)
    assert across.sum() * 0.25 == pytest.approx(10, abs=0.6)
    assert not (core & margin).any()
    assert (core | margin).sum() * 0.1 * 0.25 == pytest.approx(np.pi * 225, rel=0.02)


def test_margin_is_clipped_by_the_image():
    core = core_from_polygon(circle(10, (5.0, 20.0)), DEPTH_MM, LATERAL_MM)
    margin = margin_of(core, DEPTH_MM, LATERAL_MM, 5.0)
    assert margin[:, -1].sum() == 0
    assert margin.sum() > 0
    assert core[:, 0].any()


def test_what_cannot_be_a_core_is_refused():
    with pytest.raises(ValueError, match="n_points >= 3"):
        core_from_polygon(circle(10)[:2], DEPTH_MM, LATERAL_MM)
    with pytest.raises(ValueError, match="covers no pixel"):
        core_from_polygon(circle(1, (300, 300)), DEPTH_MM, LATERAL_MM)
    with pytest.raises(ValueError, match="core is empty"):
        margin_of(np.zeros((400, 240), bool), DEPTH_MM, LATERAL_MM)
