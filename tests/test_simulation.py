"""Simulated echoes, against the tissue that made them."""

import numpy as np
import pytest

from helpers.maps import parametric_maps
from helpers.rf import RFPlane
from helpers.simulation import (
    System,
    amplitude,
    echoes,
    noise_blocks,
    overlap_add,
    simulate_phantom,
    simulate_plane,
    true_maps,
)
from helpers.tissue import Tissue

SYSTEM = System(n_lines=128, depth_mm=40.0, focus_mm=20.0)


def uniform(esd_um, eac_db, attenuation):
    z, x = np.arange(0, 40.5, 0.5), np.arange(0, 60.5, 0.5)
    ones = np.ones((len(z), len(x)))
    return Tissue(esd_um * ones, eac_db * ones, attenuation * ones, z, x)


@pytest.fixture(scope="module")
def phantom():
    return simulate_phantom(SYSTEM, 6, np.random.default_rng(0))


@pytest.mark.parametrize(("esd_um", "eac_db", "attenuation"), [(149, 12, 1.0), (143, 24.7, 0.8), (110, 25, 0.6)])
def test_maps_recover_the_tissue(phantom, esd_um, eac_db, attenuation):
    tissue = uniform(esd_um, eac_db, attenuation)
    plane = simulate_plane(tissue, SYSTEM, np.random.default_rng(1))
    found = parametric_maps(plane, phantom, overlap=0.75, attenuation_db_cm_mhz=attenuation)
    truth = true_maps(tissue, found.depth_mm, found.lateral_mm)
    assert np.median(found.mbf - truth.mbf) == pytest.approx(0, abs=0.3)
    assert np.median(found.ss - truth.ss) == pytest.approx(0, abs=0.15)
    assert np.nanmedian(found.esd_um) == pytest.approx(esd_um, rel=0.04)
    assert np.nanmedian(found.eac_db) == pytest.approx(eac_db, abs=0.7)


def test_phantom_against_a_new_frame_of_itself_is_0_db(phantom):
    other = simulate_phantom(SYSTEM, 1, np.random.default_rng(9)).planes[0]
    found = parametric_maps(other, phantom, overlap=0.75, attenuation_db_cm_mhz=0.576)
    assert np.median(found.mbf) == pytest.approx(0, abs=0.3)
    assert np.median(found.ss) == pytest.approx(0, abs=0.1)


def test_attenuation_takes_two_alpha_f_z_from_the_echo():
    """Against 2 * 0.5 dB/cm/MHz * 5.5 MHz * 3 cm = 16.5 dB, without the form factor."""
    path = np.tile(0.05 * SYSTEM.block_depth_mm()[:, None], SYSTEM.n_lines)
    flat = System(n_lines=128, depth_mm=40.0, focus_mm=20.0, tgc_db_cm=0.0)
    powers = []
    for attenuated in (path, 0 * path):
        plane = echoes(np.full(1, -30.0), attenuated, flat, np.random.default_rng(2))
        near = plane.samples[int(30 / plane.sample_spacing_mm) - 50 :][:100].astype(float)
        gated = np.hanning(100)[:, None] * near
        spectrum = np.abs(np.exp(-2j * np.pi * 5.5 / 40 * np.arange(100)) @ gated) ** 2
        powers.append(spectrum.mean())
    assert 10 * np.log10(powers[1] / powers[0]) == pytest.approx(16.5, abs=1.0)


def test_triangular_blocks_add_up_to_white_noise():
    blocks = noise_blocks(SYSTEM, np.random.default_rng(3))
    whole = overlap_add(blocks, SYSTEM.n_samples)
    assert whole.shape == (SYSTEM.n_samples, 128)
    interior = whole[208 : 208 + 28 * 52]
    assert abs((interior[1:] * interior[:-1]).mean()) < 0.02  # white
    assert (interior**2).mean() == pytest.approx(1, abs=0.02)  # the two triangles of one noise sum to 1
    within_hop = (interior.reshape(28, 52, 128) ** 2).mean(axis=(0, 2))
    assert np.ptp(within_hop) < 0.2  # no ripple from block to block


def test_the_same_seed_gives_the_same_echoes():
    first, second, third = (simulate_plane(uniform(120, 20, 0.7), SYSTEM, np.random.default_rng(s)) for s in (5, 5, 6))
    assert isinstance(first, RFPlane)
    assert first.samples.dtype == np.int16
    np.testing.assert_array_equal(first.samples, second.samples)
    assert (first.samples != third.samples).any()


def test_amplitude_is_the_square_root_of_power():
    np.testing.assert_allclose(amplitude(np.array([0.0, 20.0, -6.0206])), [1, 10, 0.5], rtol=1e-4)
