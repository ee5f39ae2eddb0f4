"""What the book draws, against the places and values it was given."""

import re
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import jupytext
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.font_manager import FontProperties
from PIL import Image

from helpers.data.study import MODELS, PARTS
from pages import figures
from trust.design import COMPARED

EXTENT_MM = (10.0, 30.0, 25.0, 5.0)  # left, right, bottom, top: 40 columns and 20 rows of 0.5 and 1 mm
MASK = np.zeros((20, 40), bool)
MASK[2:8, 4:20] = True  # 12 to 20 mm across, 7 to 13 mm deep


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


@pytest.mark.parametrize(
    ("n", "columns", "outer"), [(3, 3, [0, 1, 2]), (5, 3, [1, 2, 3, 4]), (5, 2, [2, 3, 4]), (4, 2, [2, 3]), (1, 3, [0])]
)
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


@pytest.mark.parametrize("mapped", [True, False])
def test_a_heavy_picture_is_made_lighter_with_its_texts_and_its_colours(mapped):
    """Of a map by fewer pixels, of marks by fewer colours, so that its letters stay sharp."""
    figures.use_book_style()
    rng, fig = np.random.default_rng(0), figures.subplots(2, row_in=3.0)[0]
    for ax, name in zip(fig.axes, ("core", "margin"), strict=True):
        if mapped:
            ax.imshow(rng.random((300, 400)), cmap="viridis")
        ax.plot(*rng.normal(size=(2, 3000)), ".", alpha=0.6)
        ax.set(xlabel=f"MBF of the {name} / dB")
    plain, drawn = BytesIO(), BytesIO()
    figures.PRINT_PNG(fig.canvas, plain)
    fig.savefig(drawn, format="png")
    plt.close(fig)
    was, now = Image.open(plain).convert("RGB"), Image.open(drawn)
    assert len(plain.getvalue()) > figures.HEAVY
    assert len(drawn.getvalue()) < 0.6 * len(plain.getvalue())
    assert now.width == (635 if mapped else 1155)
    assert "MBF of the core / dB" in now.info["Description"]
    apart = np.abs(np.asarray(now.convert("RGB").resize(was.size), float) - np.asarray(was))
    assert apart.mean() < (20 if mapped else 1)


@pytest.mark.parametrize(
    ("draw", "kind"),
    [
        (lambda ax: ax.plot([0, 1]), "image/svg+xml"),
        (lambda ax: ax.scatter(*np.eye(2), marker="x"), "image/svg+xml"),
        (lambda ax: ax.fill_between([0, 1], [0, 1]), "image/svg+xml"),
        (lambda ax: ax.imshow(MASK), "image/png"),
        (lambda ax: ax.plot(np.zeros(figures.MANY)), "image/png"),
        (lambda ax: ax.scatter(*np.zeros((2, figures.MANY))), "image/png"),
    ],
)
def test_a_figure_is_drawn_in_one_format_as_fits_what_it_shows(ax, draw, kind):
    draw(ax)
    assert [name for name, printed in figures.FORMATS.items() if printed(ax.figure)] == [kind]


def test_lines_stand_where_they_are_to_a_tenth_of_a_point_beside_their_texts():
    """By the axes' own transform; the same figure is the same file."""
    figures.use_book_style()
    values = np.array([[0.0, 0.123456789, 0.3, 1.0], [0.0, 0.987654321, 0.1, 1.0]])
    fig, ax = figures.subplots(row_in=2.0)
    ax.plot(*values, gid="curve")
    ax.scatter(*values, gid="marks")
    ax.set(xlabel="µm -- BR-07")
    drawn = figures.as_svg(fig)
    path = re.search(r'<g id="curve">\s*<path d="([^"]*)"', drawn)[1]
    found = np.array(re.findall(r"-?[\d.]+", path), float).reshape(-1, 2)
    places = ax.transData.transform(values.T) * 72 / fig.dpi
    assert set(re.findall(r"\.(\d+)", path)) <= set("0123456789")
    assert found == pytest.approx(np.column_stack([places[:, 0], 2 * 72 - places[:, 1]]), abs=0.051)
    marks = drawn.partition('<g id="marks">')[2].partition("</g>\n  </g>")[0]
    at = np.array(re.findall(r'<use [^>]*x="([^"]*)" y="([^"]*)"', marks), float)
    assert at == pytest.approx(np.column_stack([places[:, 0], 2 * 72 - places[:, 1]]), abs=0.051)
    assert not re.search(r' (?:d|x|y)="[^"]*\.\d\d', drawn)
    assert re.search(r"scale\(0\.\d\d", drawn)  # of letters, which stay as they are
    assert "BR-07" in drawn
    assert figures.as_svg(fig) == drawn
    plt.close(fig)


# --- one family of figures: what every chapter and module holds to

ROOT = Path(__file__).parents[1]
SOURCES = [*sorted((ROOT / "notebooks").glob("[0-9]*.py")), *sorted((ROOT / "src").rglob("*.py"))]
PHONE_PX = 328  # what a screen of 375 px leaves a figure
DESKTOP_PX = 576  # what custom.css gives it elsewhere


def code_of(path):
    """The code of a source, without a chapter's prose."""
    if path.parent.name != "notebooks":
        return path.read_text()
    return "\n".join(cell.source for cell in jupytext.read(path).cells if cell.cell_type == "code")


def test_only_one_module_opens_figures_and_no_colour_goes_without_a_name():
    """A colour of the cycle by its number would mean one thing here and another there."""
    for path in SOURCES:
        code = code_of(path)
        assert path.name == "figures.py" or not re.search(r"plt\.(subplots|figure)\(", code), path
        assert not re.findall(r"[\"']C\d[-o.\"']", code), path


def test_letters_can_be_read_on_a_phone_and_on_a_screen():
    """At least 9 px on a phone and 11 px on a screen, whatever a chapter asks for by itself."""
    figures.use_book_style()
    assert figures.SMALLEST_PT * PHONE_PX / (72 * figures.WIDTH_IN) >= 9
    assert figures.SMALLEST_PT * DESKTOP_PX / (72 * figures.WIDTH_IN) >= 11
    assert figures.WIDTH_IN * figures.DPI == pytest.approx(2 * DESKTOP_PX, rel=0.01)
    assert f"width: {DESKTOP_PX / 16:g}rem" in (ROOT / "book" / "_static" / "custom.css").read_text()
    sizes = ("axes.labelsize", "axes.titlesize", "legend.fontsize", "xtick.labelsize", "ytick.labelsize", "font.size")
    for name in (*sizes, "figure.titlesize", "figure.labelsize"):
        assert FontProperties(size=plt.rcParams[name]).get_size_in_points() >= figures.SMALLEST_PT, name
    for path in SOURCES:
        told = re.findall(r"fontsize=(\S+?)[,)]", code_of(path))
        assert not [size for size in told if not size.replace(".", "").isdigit() or float(size) < 11], path


def test_figures_are_of_one_width_and_panels_have_their_letters():
    one, _ = figures.subplots(row_in=2.0)
    many, axes = figures.panels(3, 2, 2.0)
    assert one.get_size_inches().tolist() == [figures.WIDTH_IN, 2.0]
    assert many.get_size_inches().tolist() == [figures.WIDTH_IN, 4.0]
    assert [[text.get_text() for text in ax.texts] for ax in axes] == [["A"], ["B"], ["C"]]
    assert not one.axes[0].texts
    many.draw_without_rendering()
    assert axes[2].get_position().width > 1.8 * axes[0].get_position().width  # no slot is left empty
    plt.close("all")


def test_every_meaning_has_a_colour_of_its_own():
    """Groups whose members stand in one figure: told apart."""
    groups = (("responder", "non-responder"), PARTS, MODELS, ("truth", "estimate", "mistake"))
    for group in (*groups, [figures.colour_of(model) for model in COMPARED]):
        assert len({figures.COLOUR.get(name, name) for name in group}) == len(group)
    assert figures.colour_of("forest_core_margin") == figures.COLOUR["forest"]
    assert figures.colour_of("ran_core") == figures.COLOUR["ran_core"]
