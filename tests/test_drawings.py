"""Drawings made from a run's settings: what stands where, against the numbers they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers.data.rf import RFPlane
from helpers.settings import load_settings
from pages import figures
from reading import drawings

MAPS = load_settings("laptop").maps
OUTLINE_MM = np.array([[20.0, 10.0], [40.0, 10.0], [40.0, 20.0], [20.0, 20.0]])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def test_the_window_is_drawn_to_scale_in_the_middle_of_the_core_and_the_next_one_a_step_on():
    plane = RFPlane(np.zeros((2600, 200), np.int16), 40e6, 0.3)
    _, axes = figures.subplots(2)
    drawings.draw_scan(axes, plane, OUTLINE_MM, MAPS)
    next_across, next_down, window = [patch.get_bbox() for patch in axes[1].patches]
    assert (window.width, window.height) == pytest.approx((MAPS.window_mm, MAPS.window_mm))
    assert ((window.x0 + window.x1) / 2, (window.y0 + window.y1) / 2) == pytest.approx((30, 15))
    step = MAPS.window_mm * (1 - MAPS.overlap)
    assert (next_across.x0 - window.x0, next_down.y0 - window.y0) == pytest.approx((step, step))
    assert "200 lines, 0.30 mm apart" in axes[0].get_title()
    assert axes[0].get_ylim() == pytest.approx((plane.depth_mm[-1], 0))


def test_what_is_lost_on_the_way_is_twice_the_sum_over_the_layers():
    """By hand: 1 cm of background, 2 cm of tumour, 1 cm of background, there and back."""
    depth_mm = np.arange(0, 40.01, 0.1)
    local, lost = drawings.way_and_loss(depth_mm, (10.0, 12.0, 28.0, 30.0), MAPS)
    outside, inside = MAPS.background_attenuation_db_cm_mhz, MAPS.tumour_attenuation_db_cm_mhz
    assert lost[-1] == pytest.approx(2 * (2 * outside + 2 * inside), abs=0.02)
    assert local[[5, 110, 200, 290, 350]].tolist() == [outside, inside, inside, inside, outside]


def test_layers_and_phantom_stand_at_their_values():
    _, axes = figures.subplots(2)
    drawings.draw_losses(axes, np.arange(0, 40.0, 0.1), (10.0, 12.0, 28.0, 30.0), MAPS, 0.6)
    sample, phantom = axes[1].get_lines()
    assert phantom.get_ydata()[-1] == pytest.approx(2 * 0.6 * 3.99 * np.mean(MAPS.band_mhz))
    assert sample.get_ydata()[-1] > phantom.get_ydata()[-1]
    assert texts(axes[0])[1:] == ["background", "margin", "core", "margin", "background"]


def test_networks_are_drawn_with_what_they_were_built_of():
    _, (stack, module) = figures.subplots(1, 2)
    drawings.draw_stack(stack, [("stem", "16 × 16 × 16"), ("attention module", "32 × 16 × 16")], "RAN")
    assert texts(stack)[1:] == ["stem\n16 × 16 × 16", "attention module\n32 × 16 × 16"]
    drawings.draw_attention(module, trunk_units=2, depth=2)
    told = texts(module)
    assert told.count("halve, residual unit") == told.count("residual unit, double") == 2
    assert {"2 residual units", "(1 + M) T"} <= set(told)


@pytest.mark.parametrize(("n_planes", "names"), [(1, ["plane 0"]), (3, ["plane 0", "plane 2"]), (7, ["…", "plane 6"])])
def test_a_patients_way_begins_with_all_of_her_planes(n_planes, names):
    _, ax = figures.subplots()
    drawings.draw_patient(ax, n_planes, n_maps=4, image_px=64, hidden=100)
    told = "|".join(texts(ax))
    assert [name for name in names if name not in told] == []
    assert f"mean over {n_planes} plane" in told
    assert "256 → 100 → 2" in told


def test_the_split_has_a_bar_for_every_set_and_a_number_for_every_class_that_is_there():
    _, ax = figures.subplots()
    counts = pd.DataFrame({"non-responders": [3, 0, 2], "responders": [8, 4, 0]}, ["train", "validation", "test"])
    drawings.draw_split(ax, counts)
    assert [bar.get_width() for bar in ax.patches] == [8, 4, 0, 3, 0, 2]
    assert texts(ax) == ["8", "4", "3", "2"]


def test_a_chapter_is_joined_to_what_it_reads_and_else_to_the_first_step():
    _, ax = figures.subplots()
    drawings.draw_needs(ax, ("parameters", "maps", "images", "models"), {"one": [], "two": ["maps", "models"]})
    told = {text.get_text(): text.get_position()[1] for text in ax.texts if text.get_text()}
    joined = {tuple(line.get_ydata()) for line in ax.get_lines()}
    assert joined == {(told["parameters"], told["one"]), (told["maps"], told["two"]), (told["models"], told["two"])}
