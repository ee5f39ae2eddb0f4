"""Tissue of simulated tumours, against the patient it belongs to."""

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import distance_transform_edt

from helpers.data import study, tissue
from helpers.data.regions import core_from_polygon, distance_outside_mm, margin_of
from helpers.data.rf import RFPlane
from helpers.data.study import draw_patients
from helpers.data.tissue import Tissue, bilinear, draw_outline, patient_plane, region_shares
from pages.echoes import uniform_tissue
from pages.patients import parameter_table


@pytest.fixture(scope="module")
def patients():
    return draw_patients(40, seed=1)


@pytest.fixture(scope="module")
def planes(patients):
    """One plane of each of 24 patients: the patient, her tissue, and the core on its grid."""
    made = []
    for _, patient in patients.head(24).iterrows():
        drawn, outline = patient_plane(patient, 2, 50.0)
        made.append((patient, drawn, core_from_polygon(outline, drawn.depth_mm, drawn.lateral_mm)))
    return made


def test_regions_carry_the_patients_own_values(planes):
    errors = []
    for patient, drawn, core in planes:
        margin = margin_of(core, drawn.depth_mm, drawn.lateral_mm)
        for region, mask in (("core", core), ("margin", margin)):
            errors.append((drawn.esd_um[mask].mean() - patient[f"{region}_esd_um"]) / 4.0)  # in SD from plane to plane
            errors.append(drawn.eac_db[mask].mean() - patient[f"{region}_eac_db"])
    assert abs(np.mean(errors)) < 0.3
    assert 0.7 < np.std(errors) < 1.6


def test_heterogeneity_is_the_sd_of_eac_inside_the_core(planes):
    ratios = [drawn.eac_db[core].std() / patient["heterogeneity_db"] for patient, drawn, core in planes]
    assert np.median(ratios) == pytest.approx(1, abs=0.15)


def test_attenuation_is_that_of_the_region_times_the_patients_factor(planes):
    """Against 1.0 in core and margin and 0.8 dB/cm/MHz outside, a millimetre and more from every border."""
    for patient, drawn, core in planes:
        axes = drawn.depth_mm, drawn.lateral_mm
        outside_mm, inside_mm = distance_outside_mm(core, *axes), distance_outside_mm(~core, *axes)
        local = drawn.attenuation_db_cm_mhz / patient["attenuation_factor"]
        np.testing.assert_allclose(local[inside_mm > 1.5], 1.0, atol=0.01)
        np.testing.assert_allclose(local[(outside_mm > 1.5) & (outside_mm < 3.5)], 1.0, atol=0.01)
        np.testing.assert_allclose(local[outside_mm > 7], 0.8, atol=0.01)


def test_outer_planes_cut_less_of_the_tumour(patients):
    patient = patients[patients["n_planes"] == 5].iloc[0]
    areas = []
    for index in range(5):
        drawn, outline = patient_plane(patient, index, 50.0)
        areas.append(core_from_polygon(outline, drawn.depth_mm, drawn.lateral_mm).sum())
    assert areas[0] < areas[2] > areas[4]


def cores_with(patients, **pattern):
    """EAC inside the core of one plane of each patient, less her own mean, and each pixel's depth below the border."""
    for _, patient in patients.head(24).assign(**pattern).iterrows():
        drawn, outline = patient_plane(patient, 2, 50.0)
        core = core_from_polygon(outline, drawn.depth_mm, drawn.lateral_mm)
        depth_mm = tissue.GRID_MM * distance_transform_edt(core)
        yield drawn.eac_db[core] - patient["core_eac_db"], depth_mm[core], patient


def test_an_arranged_core_rises_to_its_rim_or_centre_at_the_same_mean_and_sd(patients):
    """Correlation of EAC with depth below the border, by numpy; mean and SD against those of cores as they come."""
    found = {}
    for arrangement in (-0.8, 0.0, 0.8):
        cores = list(cores_with(patients, core_arrangement=arrangement))
        inward = np.mean([np.corrcoef(eac, depth)[0, 1] for eac, depth, _ in cores])
        spread = np.median([eac.std() / patient["heterogeneity_db"] for eac, _, patient in cores])
        found[arrangement] = inward, np.mean([eac.mean() for eac, _, _ in cores]), spread
    inward, mean, spread = np.transpose(list(found.values()))
    np.testing.assert_allclose(inward, [0.75, 0, -0.75], atol=0.12)
    np.testing.assert_allclose(mean, mean[1], atol=0.35)
    np.testing.assert_allclose(spread, 1, atol=0.15)


def test_a_coarse_core_varies_over_a_longer_length(patients):
    """Mean step of EAC between neighbours, relative to its SD, against that of a Gaussian field: 1 / length."""
    steps = []
    for length_mm in (1.5, 3.0, 6.0):
        of_patient = []
        for _, patient in patients.head(12).assign(core_correlation_mm=length_mm).iterrows():
            drawn, outline = patient_plane(patient, 2, 50.0)
            core = core_from_polygon(outline, drawn.depth_mm, drawn.lateral_mm)
            both = core[:, 1:] & core[:, :-1]
            of_patient.append(np.abs(np.diff(drawn.eac_db, axis=1))[both].mean() / drawn.eac_db[core].std())
        steps.append(np.mean(of_patient))
    assert steps[0] / steps[1] == pytest.approx(2, rel=0.2)
    assert steps[1] > 1.2 * steps[2]  # a core holds few such lengths


def test_shares_sum_to_one_and_name_the_region_they_lie_in():
    shares = region_shares(np.array([-5.0, -0.5, 0.5, 4.5, 5.5, 12.0]))
    np.testing.assert_allclose(sum(shares.values()), 1)
    named = [max(shares, key=lambda name: shares[name][i]) for i in range(6)]
    assert named == ["core", "core", "margin", "margin", "background", "background"]


def test_path_attenuation_is_the_integral_of_the_layers():
    z, x = np.arange(0, 40.25, 0.25), np.arange(0, 10, 0.5)
    layered = np.where(z[:, None] < 20, 0.5, 1.0) * np.ones(len(x))
    made = Tissue(np.full(layered.shape, 100.0), np.zeros(layered.shape), layered, z, x)
    _, _, path = made.at(np.array([10.0, 30.0]), np.array([5.0]))
    np.testing.assert_allclose(path[:, 0], [0.5, 0.5 * 2 + 1.0 * 1], atol=0.02)


def test_uniform_tissue_is_the_same_everywhere():
    esd_um, eac_db, path_db_mhz = uniform_tissue(110.0, 15.0, 0.7, 32.0).at(
        np.array([1.0, 13.7, 32.0]), np.array([0.0, 59.9])
    )
    np.testing.assert_allclose(esd_um, 110.0)
    np.testing.assert_allclose(eac_db, 15.0)
    np.testing.assert_allclose(path_db_mhz, 0.07 * np.array([[1.0], [13.7], [32.0]]) * [1, 1])


def test_attenuation_on_a_planes_pixels(patients):
    drawn, _ = patient_plane(patients.iloc[0], 1, 50.0)
    plane = RFPlane(np.random.default_rng(0).standard_normal((2597, 64)), 40e6, 60 / 64)
    local = drawn.attenuation_on(plane)
    assert local.shape == plane.samples.shape
    assert local.min() >= drawn.attenuation_db_cm_mhz.min() - 1e-9
    assert local.max() <= drawn.attenuation_db_cm_mhz.max() + 1e-9


def test_bilinear_interpolation_against_scipy():
    rng = np.random.default_rng(0)
    z, x, to_z, to_x = np.arange(0, 5, 0.25), np.arange(0, 3, 0.5), rng.uniform(0, 4.75, 40), rng.uniform(0, 2.5, 30)
    field = rng.standard_normal((len(z), len(x)))
    expected = RegularGridInterpolator((z, x), field)(np.stack(np.meshgrid(to_z, to_x, indexing="ij"), axis=-1))
    np.testing.assert_allclose(bilinear(field, z, x, to_z, to_x), expected, atol=1e-12)
    np.testing.assert_allclose(bilinear(field, z, x, [-1.0, 9.0], x), field[[0, -1]], atol=1e-12)


def outlines(patients, spiculated):
    """The outlines of all planes, with the kind of outline set for every patient."""
    for _, patient in patients.assign(spiculated=spiculated).iterrows():
        for index in range(patient["n_planes"]):
            yield patient, index, draw_outline(patient, index, np.random.default_rng([patient["tissue_seed"], index]))


def area_mm2(outline):
    """Area inside a polygon by the shoelace formula."""
    x, z = outline.T
    return abs(x @ np.roll(z, -1) - z @ np.roll(x, -1)) / 2


def crosses_itself(outline):
    """Whether any two sides of a closed polygon that are no neighbours meet, by the orientation of their ends."""
    a, b = outline, np.roll(outline, -1, axis=0)

    def side(p, q, r):
        return np.sign(
            (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        )

    one, two = (a[:, None], b[:, None]), (a[None], b[None])
    meet = (side(*one, two[0]) != side(*one, two[1])) & (side(*two, one[0]) != side(*two, one[1]))
    apart = np.abs(np.subtract.outer(np.arange(len(a)), np.arange(len(a))))
    return (meet & (apart > 1) & (apart < len(a) - 1)).any()


def test_the_check_for_crossing_sides_sees_a_bow_tie():
    assert crosses_itself(np.array([[0, 0], [1, 1], [1, 0], [0, 1]], float))


@pytest.mark.parametrize("spiculated", [False, True])
def test_outlines_do_not_cross_themselves(patients, spiculated):
    assert not any(crosses_itself(outline) for _, _, outline in outlines(patients.head(4), spiculated))


def test_round_outlines_have_the_area_of_their_ellipse(patients):
    ratio = []
    for patient, index, outline in outlines(patients, False):
        offset = (index - (patient["n_planes"] - 1) / 2) / (patient["n_planes"] / 2 + 0.25)
        ratio.append(area_mm2(outline) / (np.pi / 4 * patient["width_mm"] * patient["height_mm"] * (1 - offset**2)))
    assert np.mean(ratio) == pytest.approx(1, abs=0.02)
    assert max(np.abs(np.array(ratio) - 1)) < 0.2


def test_spicules_are_narrow_points_of_some_millimetres_on_the_round_outline(patients):
    raised = []
    for (patient, _, smooth), (_, _, spiky) in zip(outlines(patients, False), outlines(patients, True), strict=True):
        centre = patient[["centre_lateral_mm", "centre_depth_mm"]].to_numpy(float)
        angle, round_mm = polar(smooth - centre)
        spiky_angle, spiky_mm = polar(spiky - centre)
        beyond_mm = spiky_mm - np.interp(spiky_angle, angle, round_mm, period=2 * np.pi)
        peaks = (beyond_mm > np.roll(beyond_mm, 1)) & (beyond_mm >= np.roll(beyond_mm, -1)) & (beyond_mm > 1)
        assert beyond_mm.min() > -0.2  # never inside the round outline; its corners are cut a little
        assert beyond_mm.max() <= tissue.SPICULES["length_mm"][1] + 0.2
        assert 4 <= peaks.sum() <= tissue.SPICULES["number"][1]
        raised.append((beyond_mm > 1).mean())
    assert np.mean(raised) < 0.4  # narrow: most of the border stays as it was


def polar(positions):
    """Angle, rising, and distance from the origin."""
    angle = np.arctan2(positions[:, 1], positions[:, 0]) % (2 * np.pi)
    order = np.argsort(angle)
    return angle[order], np.hypot(*positions.T)[order]


def test_spicules_change_the_outline_and_nothing_else_that_is_drawn(patients):
    smooth, spiky = (patient_plane(patients.assign(spiculated=kind).iloc[0], 1, 50.0)[0] for kind in (False, True))
    far = np.ix_(smooth.depth_mm > 46, smooth.lateral_mm < 4)  # background in both
    np.testing.assert_allclose(smooth.esd_um[far], spiky.esd_um[far], rtol=1e-3)
    assert (smooth.eac_db != spiky.eac_db).any()


def test_the_table_of_parameters_holds_the_values_that_are_drawn_from():
    table = parameter_table().set_index("parameter")
    assert set(table["mark"]) <= {"read", "derived", "assumed"}
    trait = study.TRAITS["core_esd_um"]
    assert table.loc["ESD of the core / µm", "value"] == f"{trait.mean:g} ± {trait.sd:g}"
    assert table.loc["thickness of the margin / mm", "value"] == f"{tissue.MARGIN_MM:g}.0"
