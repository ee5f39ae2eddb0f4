"""Tissue of simulated tumours, against the patient it belongs to."""

import numpy as np
import pytest

from helpers.regions import core_from_polygon, margin_of
from helpers.rf import RFPlane
from helpers.study import draw_patients
from helpers.tissue import Tissue, patient_plane, region_shares


@pytest.fixture(scope="module")
def patients():
    return draw_patients(40, seed=1)


def test_regions_carry_the_patients_own_values(patients):
    errors = []
    for _, patient in patients.iterrows():
        tissue, outline = patient_plane(patient, 2, 50.0)
        core = core_from_polygon(outline, tissue.depth_mm, tissue.lateral_mm)
        margin = margin_of(core, tissue.depth_mm, tissue.lateral_mm)
        for region, mask in (("core", core), ("margin", margin)):
            errors.append((tissue.esd_um[mask].mean() - patient[f"{region}_esd_um"]) / 4.0)  # in SD from plane to plane
            errors.append(tissue.eac_db[mask].mean() - patient[f"{region}_eac_db"])
    assert abs(np.mean(errors)) < 0.3
    assert 0.7 < np.std(errors) < 1.6


def test_heterogeneity_is_the_sd_of_eac_inside_the_core(patients):
    ratios = []
    for _, patient in patients.iterrows():
        tissue, outline = patient_plane(patient, 2, 50.0)
        core = core_from_polygon(outline, tissue.depth_mm, tissue.lateral_mm)
        ratios.append(tissue.eac_db[core].std() / patient["heterogeneity_db"])
    assert np.median(ratios) == pytest.approx(1, abs=0.15)


def test_outer_planes_cut_less_of_the_tumour(patients):
    patient = patients[patients["n_planes"] == 5].iloc[0]
    areas = []
    for index in range(5):
        tissue, outline = patient_plane(patient, index, 50.0)
        areas.append(core_from_polygon(outline, tissue.depth_mm, tissue.lateral_mm).sum())
    assert areas[0] < areas[2] > areas[4]


def test_shares_sum_to_one_and_name_the_region_they_lie_in():
    shares = region_shares(np.array([-5.0, 2.5, 12.0]))
    np.testing.assert_allclose(sum(shares.values()), 1)
    assert [max(shares, key=lambda name: shares[name][i]) for i in range(3)] == [
        "core",
        "margin",
        "background",
    ]


def test_path_attenuation_is_the_integral_of_the_layers():
    z, x = np.arange(0, 40.25, 0.25), np.arange(0, 10, 0.5)
    layered = np.where(z[:, None] < 20, 0.5, 1.0) * np.ones(len(x))
    tissue = Tissue(np.full(layered.shape, 100.0), np.zeros(layered.shape), layered, z, x)
    _, _, path = tissue.at(np.array([10.0, 30.0]), np.array([5.0]))
    np.testing.assert_allclose(path[:, 0], [0.5, 0.5 * 2 + 1.0 * 1], atol=0.02)


def test_attenuation_on_a_planes_pixels(patients):
    tissue, _ = patient_plane(patients.iloc[0], 1, 50.0)
    plane = RFPlane(np.zeros((2597, 64)), 40e6, 60 / 64)
    local = tissue.attenuation_on(plane)
    assert local.shape == plane.samples.shape
    assert local.min() >= tissue.attenuation_db_cm_mhz.min() - 1e-9
    assert local.max() <= tissue.attenuation_db_cm_mhz.max() + 1e-9
