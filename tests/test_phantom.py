"""Backscatter of the phantom's beads, against published scattering benchmarks and limits."""

import numpy as np
import pytest

from helpers.data.phantom import GLASS, HOST, ReferencePhantom, bead_backscatter, faran_amplitude_m
from helpers.data.rf import RFPlane

SEA_WATER = {"sound_speed_m_s": 1477.3, "density_kg_m3": 1026.8}


@pytest.mark.parametrize(
    ("diameter_m", "sphere", "expected_db"),
    [
        (0.0381, (6853.0, 4171.0, 14900.0), -42.3297),  # tungsten carbide, MacLennan 1981
        (0.060, (4760.0, 2288.5, 8947.0), -33.5507),  # copper, echoSMs
    ],
)
def test_target_strength_of_calibration_spheres_at_38_khz(diameter_m, sphere, expected_db):
    metal = dict(zip(("longitudinal_m_s", "shear_m_s", "density_kg_m3"), sphere, strict=True))
    amplitude = faran_amplitude_m(np.array([38e3]), diameter_m, SEA_WATER, metal, n_terms=40)
    assert 20 * np.log10(np.abs(amplitude[0])) == pytest.approx(expected_db, abs=2e-4)


def test_rigid_sphere_against_jech_2015():
    rigid = {"longitudinal_m_s": 1e6, "shear_m_s": 7e5, "density_kg_m3": 1e9}
    water = {"sound_speed_m_s": 1477.4, "density_kg_m3": 1026.8}
    frequency_hz = np.array([12e3, 38e3, 70e3, 120e3, 200e3])
    amplitude = faran_amplitude_m(frequency_hz, 0.02, water, rigid, n_terms=30)
    np.testing.assert_allclose(20 * np.log10(np.abs(amplitude)), [-54.44, -49.09, -48.38, -46.09, -45.58], atol=0.02)


def test_rayleigh_limit_of_a_20_um_glass_bead_at_1_mhz():
    host = {"sound_speed_m_s": 1488.0, "density_kg_m3": 1000.0}
    amplitude = np.abs(faran_amplitude_m(np.array([1e6]), 20e-6, host))
    assert amplitude[0] == pytest.approx(1.0133e-8, rel=5e-3)


@pytest.mark.parametrize("diameter_um", [5.0, 15.0, 30.0])
def test_small_spheres_against_rayleigh(diameter_um):
    """Against k^2 a^3 ((1 - K_host / K) / 3 + (g - 1) / (2 g + 1)), g the ratio of densities, K bulk moduli."""
    a_m, k = diameter_um * 0.5e-6, 2 * np.pi * 2e5 / HOST["sound_speed_m_s"]
    bulk = GLASS["density_kg_m3"] * (GLASS["longitudinal_m_s"] ** 2 - 4 / 3 * GLASS["shear_m_s"] ** 2)
    softness = HOST["density_kg_m3"] * HOST["sound_speed_m_s"] ** 2 / bulk
    g = GLASS["density_kg_m3"] / HOST["density_kg_m3"]
    limit_m = k**2 * a_m**3 * ((1 - softness) / 3 + (g - 1) / (2 * g + 1))
    assert np.abs(faran_amplitude_m(np.array([2e5]), 2 * a_m))[0] == pytest.approx(limit_m, rel=1e-3)


@pytest.mark.parametrize(
    ("diameter_um", "expected"),
    [
        (10.0, [9.7e-7, 3.1e-6, 7.4e-6, 1.5e-5, 2.8e-5, 4.8e-5]),
        (20.0, [7.7e-6, 2.4e-5, 5.7e-5, 1.15e-4, 2.1e-4, 3.4e-4]),
        (30.0, [2.5e-5, 7.7e-5, 1.8e-4, 3.5e-4, 6.0e-4, 9.5e-4]),
    ],
)
def test_backscatter_of_single_sizes_against_tabulated_values_per_gram_and_litre(diameter_um, expected):
    """Against a table of another Faran code, itself checked against the calibration spheres above."""
    found = bead_backscatter(np.arange(3, 9) * 1e6, (diameter_um, diameter_um), beads_g_per_l=1.0)
    np.testing.assert_allclose(found, expected, rtol=0.035)


def test_backscatter_grows_in_proportion_to_the_mass_of_beads():
    two, four = (bead_backscatter(5.5e6, beads_g_per_l=mass)[0] for mass in (2.0, 4.0))
    assert four / two == pytest.approx(2)


def test_backscatter_of_the_mixture_against_tabulated_values_per_gram_and_litre():
    found = bead_backscatter(np.arange(3, 9) * 1e6, beads_g_per_l=1.0)
    np.testing.assert_allclose(found, [7.7e-6, 2.4e-5, 5.6e-5, 1.1e-4, 2.0e-4, 3.2e-4], rtol=0.03)


def test_small_beads_scatter_with_the_fourth_power_of_frequency():
    low, high = bead_backscatter(np.array([0.5e6, 1e6]), (5.0, 5.0))
    assert high / low == pytest.approx(16, rel=1e-3)


def test_frames_that_differ_are_refused():
    samples = np.random.default_rng(0).standard_normal((10, 2))
    frames = [RFPlane(samples, 40e6, pitch) for pitch in (0.2, 0.3)]
    with pytest.raises(ValueError, match="frames differ"):
        ReferencePhantom(frames, 0.5)
    with pytest.raises(ValueError, match="no planes"):
        ReferencePhantom([], 0.5)
    with pytest.raises(ValueError, match="attenuation_db_cm_mhz = -1"):
        ReferencePhantom(frames[:1], -1)
