"""Mapped planes, against the places of core and margin by geometry and against the attenuation put in."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.acquisition import Acquisition
from helpers.data.phantom import ReferencePhantom, bead_backscatter
from helpers.data.rf import RFPlane
from helpers.data.tissue import Tissue
from helpers.maps.grid import Protocol
from helpers.maps.parametric import FIELDS, ParametricMaps, parametric_maps
from helpers.maps.planes import MappedPlane, map_plane, protocol_of, read_maps, read_summary, summary_of, write_maps
from helpers.maps.recovery import summarise, true_maps
from helpers.settings import load_settings
from pages.maps import check_plane, not_mapped

SETTINGS = load_settings(
    "smoke",
    overlap=0.5,
    margin_mm=3.0,
    attenuation="assumed",
    tumour_attenuation_db_cm_mhz=1.4,
    background_attenuation_db_cm_mhz=0.4,
    minimum_snr_db=-100.0,  # the echoes here are white, as only noise is
)
CHOICES = SETTINGS.maps
CENTRE_MM, RADIUS_MM = (9.0, 10.0), 4.0  # lateral and depth of a round core


@pytest.fixture(scope="module")
def acquired():
    """White noise, ten times as strong in a round core, in tissue that attenuates otherwise than is assumed."""
    rng = np.random.default_rng(3)
    planes = [RFPlane(rng.standard_normal((1039, 60)), 40e6, 0.3, c) for c in (1540.0, 1488.0, 1488.0)]
    core = distance_mm(planes[0].depth_mm, planes[0].lateral_mm) < RADIUS_MM
    plane = RFPlane(np.where(core, 10, 1) * planes[0].samples, 40e6, 0.3)
    z_mm, x_mm = np.arange(0, 24, 2.0), np.arange(0, 22, 2.0)
    fields = [np.full((len(z_mm), len(x_mm)), value) for value in (100.0, 20.0, 0.9)]
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    outline_mm = np.array(CENTRE_MM) + RADIUS_MM * np.column_stack([np.cos(angle), np.sin(angle)])
    reference = ReferencePhantom(planes[1:], 0.576, bead_backscatter)
    return Acquisition(plane, reference, outline_mm, Tissue(*fields, z_mm, x_mm))


def distance_mm(depth_mm, lateral_mm):
    """Distance (n_z, n_x) from the centre of the core."""
    return np.hypot(lateral_mm - CENTRE_MM[0], depth_mm[:, None] - CENTRE_MM[1])


@pytest.fixture(scope="module")
def mapped(acquired):
    return map_plane(acquired, CHOICES, with_b_mode=True)


@pytest.fixture(scope="module")
def stored(acquired, mapped, tmp_path_factory):
    """The file of a patient with this one plane."""
    path = tmp_path_factory.mktemp("maps") / "A.h5"
    write_maps(path, [mapped], pd.DataFrame(summary_of("001", 3, mapped, acquired)))
    return path


def assert_core_and_margin_lie_where_they_were_drawn(plane):
    away_mm = distance_mm(plane.maps.depth_mm, plane.maps.lateral_mm)
    blur_mm = 0.4  # a line and a row of the mask
    assert plane.core[away_mm < RADIUS_MM - blur_mm].all()
    assert not plane.core[away_mm > RADIUS_MM + blur_mm].any()
    ring = (away_mm > RADIUS_MM + blur_mm) & (away_mm < RADIUS_MM + 3.0 - blur_mm)
    assert plane.margin[ring].all()
    assert not plane.margin[(away_mm < RADIUS_MM - blur_mm) | (away_mm > RADIUS_MM + 3.0 + blur_mm)].any()
    assert np.nanmedian(plane.maps.mbf[plane.core]) - np.nanmedian(plane.maps.mbf[plane.margin]) > 10


def test_core_and_margin_of_a_mapped_plane_lie_where_they_were_drawn(mapped):
    assert_core_and_margin_lie_where_they_were_drawn(mapped)
    np.testing.assert_array_equal(np.isfinite(mapped.maps.mbf), mapped.core | mapped.margin)


def test_core_and_margin_of_a_stored_plane_lie_where_they_were_drawn(mapped, stored):
    (read,) = read_maps(stored)
    assert_core_and_margin_lie_where_they_were_drawn(read)
    assert read.maps.band_mhz == mapped.maps.band_mhz
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(read.maps, name), getattr(mapped.maps, name).astype(np.float16))
    for name in ("depth_mm", "lateral_mm"):
        np.testing.assert_array_equal(getattr(read.maps, name), getattr(mapped.maps, name))


def test_what_lies_outside_the_tumour_takes_no_space(tmp_path):
    """A sixteenth of the windows is tumour: five maps in half precision and two masks of it, and little more."""
    values, axis = np.full((200, 200), np.nan, np.float32), np.arange(200.0)
    values[75:125, 75:125] = np.random.default_rng(0).normal(size=(50, 50))
    inside, path = np.isfinite(values), tmp_path / "A.h5"
    made = ParametricMaps(*[values] * len(FIELDS), axis, axis, band_mhz=(3.0, 8.0))
    write_maps(path, [MappedPlane(made, inside, inside)], pd.DataFrame())
    assert path.stat().st_size < values.size * (2 * len(FIELDS) + 2) / 6


def test_the_b_mode_is_the_brightest_in_the_core(acquired, mapped):
    left, right, bottom, top = mapped.b_mode_extent_mm
    n_samples, n_lines = mapped.b_mode_db.shape
    lateral_mm = left + (np.arange(n_lines) + 0.5) * (right - left) / n_lines
    depth_mm = top + (np.arange(n_samples) + 0.5) * (bottom - top) / n_samples
    inside = distance_mm(depth_mm, lateral_mm) < RADIUS_MM - 0.5
    assert mapped.b_mode_db[inside].mean() - mapped.b_mode_db[~inside].mean() > 10


def test_the_tumours_attenuation_is_put_back_in_the_tumour_and_the_backgrounds_outside(acquired, mapped):
    """Against layers of 1.4 within 7 mm of the core's centre and 0.4 dB/cm/MHz elsewhere."""
    away_mm = distance_mm(acquired.plane.depth_mm, acquired.plane.lateral_mm)
    layers = np.where(away_mm < RADIUS_MM + 3.0, 1.4, 0.4)
    expected = parametric_maps(acquired.plane, acquired.reference, overlap=0.5, attenuation_db_cm_mhz=layers)
    rows = np.searchsorted(expected.depth_mm, mapped.maps.depth_mm - 1e-6)
    columns = np.searchsorted(expected.lateral_mm, mapped.maps.lateral_mm - 1e-6)
    difference = mapped.maps.ss - expected.ss[np.ix_(rows, columns)]
    assert np.nanmax(np.abs(difference)) < 0.1  # a swap is 2 dB/MHz for every cm


def test_the_protocol_is_what_the_settings_choose():
    other = SETTINGS.replace(window_mm=3.0, overlap=0.6, band_mhz=[4.0, 7.0], n_bins=7).maps
    assert protocol_of(other) == Protocol(3.0, 0.6, (4.0, 7.0), 7)
    assert protocol_of(SETTINGS.replace(band_mhz=[]).maps).band_mhz is None


def test_rows_of_the_summary_are_medians_of_the_region_they_name(mapped, stored):
    summary = read_summary(stored).set_index("region")
    assert summary["patient"].tolist() == ["001", "001"]
    assert summary["plane"].tolist() == [3, 3]
    away_mm = distance_mm(mapped.maps.depth_mm, mapped.maps.lateral_mm)
    core = away_mm < RADIUS_MM
    assert summary.loc["core", "windows"] == pytest.approx(core.sum(), rel=0.1)
    assert summary.loc["core", "mbf"] == pytest.approx(np.nanmedian(mapped.maps.mbf[core]), abs=0.5)
    assert summary.loc["core", "mbf"] > summary.loc["margin", "mbf"] + 10
    for region in ("core", "margin"):
        assert summary.loc[region, ["true_esd_um", "true_eac_db"]].tolist() == pytest.approx([100.0, 20.0])


def test_medians_count_windows_without_a_diameter_as_the_smallest_and_the_most_concentrated():
    """Against the middle of five by hand; with most of them missing there is none."""
    nan, five = np.nan, np.array([[5.0, 1.0, 2.0, 4.0, 3.0]])
    esd_um, eac_db = np.array([[50.0, nan, 70.0, nan, 60.0]]), np.array([[1.0, nan, 2.0, nan, 3.0]])
    maps = ParametricMaps(five, five, five, esd_um, eac_db, np.array([1.0]), np.arange(5.0))
    whole, few = np.ones((1, 5), bool), np.array([[False, True, True, True, False]])
    of_all, of_few = summarise(maps, {"whole": whole, "few": few}, None)
    assert (of_all["region"], of_all["windows"], of_all["unphysical"]) == ("whole", 5, 0.4)
    assert (of_all["mbf"], of_all["esd_um"], of_all["eac_db"]) == (3.0, 50.0, 3.0)
    assert of_all["sd_mbf"] == pytest.approx(np.sqrt(2))
    assert np.isnan([of_few["esd_um"], of_few["eac_db"], of_all["true_mbf"]]).all()


def test_true_maps_are_the_tissue_against_the_phantoms_backscatter():
    """Against the backscatter coefficient of the spherical Gaussian form factor, written out (Insana 1990)."""
    axes = np.arange(0, 6, 2.0), np.arange(0, 6, 2.0)
    tissue = Tissue(*(np.full((3, 3), value) for value in (100.0, 20.0, 0.9)), *axes)
    truth = true_maps(tissue, np.array([3.0]), np.array([3.0]), (4.0, 7.0))
    frequency_mhz = np.linspace(4, 7, 13)
    k_per_cm = 2 * np.pi * frequency_mhz * 1e6 / 154000
    bsc = 4 / 9 * k_per_cm**4 * 0.005**6 * 100 * np.exp(-0.827 * k_per_cm**2 * 0.005**2)
    ss, mbf = np.polyfit(frequency_mhz - 5.5, 10 * np.log10(bsc / bead_backscatter(frequency_mhz * 1e6)), 1)
    assert [truth.mbf[0, 0], truth.ss[0, 0], truth.si[0, 0]] == pytest.approx([mbf, ss, mbf - 5.5 * ss])
    assert (truth.esd_um[0, 0], truth.eac_db[0, 0]) == (100, 20)


def test_a_checked_plane_knows_its_attenuation_in_one_half_and_assumes_it_in_the_other(acquired):
    """Against the slopes of whole planes mapped with 0.9 dB/cm/MHz, and with the layers that are assumed."""
    plane, reference = acquired.plane, acquired.reference
    checked = check_plane(acquired, CHOICES).set_index(["attenuation", "region"])
    assert set(checked.index) == {
        (a, r) for a in ("known", "estimate", "assumed") for r in ("core", "margin", "background")
    }
    layers = np.where(distance_mm(plane.depth_mm, plane.lateral_mm) < RADIUS_MM + 3.0, 1.4, 0.4)
    for name, given in (("known", 0.9), ("assumed", layers)):
        whole = parametric_maps(plane, reference, overlap=0.5, attenuation_db_cm_mhz=given)
        outside = distance_mm(whole.depth_mm, whole.lateral_mm) > RADIUS_MM + 3.0
        assert checked.loc[(name, "background"), "ss"] == pytest.approx(np.median(whole.ss[outside]), abs=0.05)


def test_a_plane_whose_tissue_is_not_known_cannot_be_checked(acquired):
    recorded = Acquisition(acquired.plane, acquired.reference, acquired.outline_mm, None)
    with pytest.raises(ValueError, match="its tissue is not known"):
        check_plane(recorded, CHOICES)


# --- cores at the edge, without a margin, and smaller than a window


def drawn(acquired, corners_mm):
    """The plane with another outline, and no tissue."""
    return Acquisition(acquired.plane, acquired.reference, np.array(corners_mm, float), None)


def rectangle(left, right, top, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


EDGES = {
    "left": rectangle(-1, 5, 6, 12),
    "right and bottom": rectangle(12, 18, 14, 20),
    "surface": rectangle(4, 12, -1, 6),
    "all of it": rectangle(-1, 19, -1, 21),
}


@pytest.mark.filterwarnings("ignore:outline from .* lie outside and are left out")
@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("margin_mm", [3.0, 0.5])
def test_a_core_at_the_edge_or_without_a_margin_is_mapped(acquired, name, margin_mm):
    """Whatever the margin, the windows of core and margin have values and no others; the rows say how many."""
    choices = SETTINGS.replace(margin_mm=margin_mm).maps
    plane = drawn(acquired, EDGES[name])
    found = map_plane(plane, choices)
    np.testing.assert_array_equal(np.isfinite(found.maps.mbf), found.core | found.margin)
    assert found.core.any()
    core, margin = summary_of("001", 0, found, plane)
    assert (core["windows"], margin["windows"]) == (found.core.sum(), found.margin.sum())
    assert np.isfinite([core["mbf"], core["sd_mbf"], core["unphysical"]]).all()
    assert np.isnan(margin["mbf"]) == (not found.margin.any())


def test_a_core_smaller_than_a_window_is_told_and_takes_the_nearest_window(acquired):
    tiny = drawn(acquired, rectangle(9.2, 9.9, 10.2, 10.6))  # centres of windows are 1 mm apart
    with pytest.warns(UserWarning, match=r"core of 0.\d x 0.\d mm is smaller than a window of 2 mm"):
        found = map_plane(tiny, CHOICES)
    ((row, column),) = np.argwhere(found.core)
    assert abs(found.maps.depth_mm[row] - 10.4) <= 0.5
    assert abs(found.maps.lateral_mm[column] - 9.5) <= 0.5
    assert np.isfinite(found.maps.mbf[row, column])
    assert not (found.core & found.margin).any()


def test_windows_without_an_echo_are_in_no_median_and_no_count(acquired):
    """Against the same rows of the plane as it was."""
    samples = acquired.plane.samples.copy()
    samples[round(10 / 0.01925) :] = 0
    padded = Acquisition(RFPlane(samples, 40e6, 0.3, source="probe"), *list(vars(acquired).values())[1:4])
    with pytest.warns(UserWarning, match="probe: .* lines are constant"):
        found = map_plane(padded, CHOICES)
    whole = map_plane(acquired, CHOICES)
    above = found.maps.depth_mm < 9
    np.testing.assert_array_equal(np.isfinite(found.maps.mbf), (found.core | found.margin) & above[:, None])
    core, _ = summary_of("001", 0, found, padded)
    assert core["windows"] == (whole.core & above[:, None]).sum()
    assert core["mbf"] == pytest.approx(np.median(whole.maps.mbf[whole.core & above[:, None]]), abs=0.01)
    assert core["unphysical"] == pytest.approx(
        np.isnan(whole.maps.esd_um[whole.core & above[:, None]]).mean(), abs=0.01
    )


def test_without_the_phantoms_backscatter_nothing_is_unphysical(acquired):
    relative = ReferencePhantom(acquired.reference.planes, 0.576)
    plane = Acquisition(acquired.plane, relative, acquired.outline_mm, None)
    found = map_plane(plane, CHOICES)
    assert found.maps.present == ("mbf", "ss", "si")
    assert not_mapped(found.maps.present).startswith("ESD and EAC are not mapped")
    assert not_mapped(FIELDS) == ""
    assert np.isnan([row["unphysical"] for row in summary_of("001", 0, found, plane)]).all()
