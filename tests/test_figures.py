"""What the book draws, against the places and values it was given."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pages import figures

EXTENT_MM = (10.0, 30.0, 25.0, 5.0)  # left, right, bottom, top: 40 columns and 20 rows of 0.5 and 1 mm
MASK = np.zeros((20, 40), bool)
MASK[2:8, 4:20] = True  # 12 to 20 mm across, 7 to 13 mm deep


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


@pytest.mark.parametrize(("n", "columns", "outer"), [(3, 3, [0, 1, 2]), (5, 3, [2, 3, 4]), (5, 2, [3, 4]), (1, 3, [0])])
def test_there_are_as_many_panels_as_there_are_maps_and_the_outer_ones_are_labelled(n, columns, outer):
    fig, axes = figures.panels(n, columns, 2.0, shared=True)
    assert fig.axes == axes
    assert len(axes) == n
    for ax in axes:
        ax.set(xlabel="lateral", ylabel="depth")
    figures.label_outer(axes, columns)
    assert [i for i, ax in enumerate(axes) if ax.get_xlabel()] == outer
    assert [i for i, ax in enumerate(axes) if ax.get_ylabel()] == list(range(0, n, min(columns, n)))
    plt.close(fig)


def test_an_outline_is_drawn_around_its_mask_in_millimetres(ax):
    figures.show_outline(ax, MASK, EXTENT_MM)
    drawn = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    assert [drawn[:, 0].min(), drawn[:, 0].max()] == pytest.approx([12, 20], abs=0.3)
    assert [drawn[:, 1].min(), drawn[:, 1].max()] == pytest.approx([7, 13], abs=0.6)


def test_an_empty_mask_draws_nothing(ax):
    figures.show_outline(ax, ~MASK & MASK, EXTENT_MM)
    assert not ax.collections


def test_a_map_lies_on_its_extent_with_the_limits_and_the_label_given(ax):
    image = figures.show_map(ax, MASK.astype(float), EXTENT_MM, "MBF / dB", limits=(-1.0, 3.0))
    assert tuple(image.get_extent()) == EXTENT_MM
    assert image.get_clim() == (-1, 3)
    assert [other.get_ylabel() for other in ax.figure.axes if other is not ax] == ["MBF / dB"]


def test_outliers_and_gaps_do_not_set_the_colours():
    values = np.append(np.linspace(0, 100, 101), [np.nan, np.inf])
    assert figures.value_range(values) == pytest.approx((2, 98))
    assert figures.value_range(np.full(3, np.nan)) == (0, 1)


def test_a_b_mode_spans_60_db_up_to_its_brightest_echoes(ax):
    figures.show_b_mode(ax, np.linspace(-100, 0, 4000).reshape(400, 10), EXTENT_MM)
    low, high = ax.images[0].get_clim()
    assert high == pytest.approx(-0.5)
    assert high - low == 60
    assert ax.yaxis_inverted()


def test_an_overlay_shows_the_whole_b_mode_with_the_maps_on_top(ax):
    maps = SimpleNamespace(extent_mm=EXTENT_MM)
    plane = SimpleNamespace(b_mode_db=np.zeros((80, 10)), b_mode_extent_mm=(0.0, 60.0, 50.0, 0.0), core=MASK, maps=maps)
    figures.show_overlay(ax, plane, MASK.astype(float), "ESD / µm")
    assert [tuple(image.get_extent()) for image in ax.images] == [(0, 60, 50, 0), EXTENT_MM]
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 60), (50, 0))
    assert len(ax.collections) == 1
