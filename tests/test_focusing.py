"""Focusing at another speed of sound, against a plain sum over elements and against what a focus must do."""

import cmath

import numpy as np
import pytest

from helpers.data.phantom import ATTENUATION_DB_CM_MHZ
from helpers.data.simulation import System, simulate_phantom
from helpers.maps.grid import Protocol, window_grid
from helpers.maps.normalisation import normalised
from physics.focusing import ACROSS_MM, Aperture, mismatch_db, mismatched_phantom, one_way

SYSTEM = System(n_lines=64, width_mm=15.0, depth_mm=45.0, focus_mm=20.0)
FREQUENCY_MHZ = np.array([3.0, 5.5, 8.0])
DEPTH_MM = np.arange(8.0, 44.0, 4.0)


def test_field_against_a_plain_loop_over_elements():
    elements_mm = np.array([-3.0, -1.0, 0.5, 2.5])
    found = one_way(elements_mm, 20.0, 24.0, FREQUENCY_MHZ, 1488.0, 1540.0)
    for i, mhz in enumerate(FREQUENCY_MHZ):
        for j in (0, 17, 80):
            total = 0j
            for x in elements_mm:
                way = ((ACROSS_MM[j] - x) ** 2 + 24.0**2) ** 0.5
                seconds = 1e-3 * way / 1488.0 - 1e-3 * (x**2 + 20.0**2) ** 0.5 / 1540.0
                total += cmath.exp(2j * cmath.pi * mhz * 1e6 * seconds) / way**0.5
            assert found[i, j] == pytest.approx(abs(total) ** 2, rel=1e-9)


def test_the_beam_is_narrowest_at_the_focus_and_as_wide_as_diffraction_makes_it():
    """An aperture of f-number F has its half maximum 0.886 lambda F apart."""
    aperture = Aperture()
    elements_mm = aperture.elements_mm(20.0, 3.0)
    f_number, width = 20.0 / (np.ptp(elements_mm) + aperture.pitch_mm), {}
    for depth_mm in (12.0, 20.0, 35.0):
        intensity = one_way(elements_mm, 20.0, depth_mm, np.array([5.5]), 1540.0, 1540.0)[0]
        width[depth_mm] = 2 * ACROSS_MM[np.argmax(intensity < intensity.max() / 2)]
    assert width[20.0] == pytest.approx(0.886 * 1.54 / 5.5 * f_number, abs=2 * ACROSS_MM[1])
    assert width[20.0] < min(width[12.0], width[35.0])


def test_nothing_differs_at_the_speed_that_delays_are_made_for():
    assert mismatch_db(SYSTEM, DEPTH_MM, FREQUENCY_MHZ, 1540.0) == pytest.approx(0)


def test_a_slower_medium_has_its_focus_deeper():
    """Delays x^2 / (2 z_f c_0) make up for the ways x^2 / (2 z c) at the depth z = z_f c_0 / c."""
    elements_mm, depth_mm = Aperture().elements_mm(20.0, 1.5), np.arange(16.0, 26.0, 0.05)
    peak = {}
    for speed in (1540.0, 1400.0):
        beams = [one_way(elements_mm, 20.0, depth, FREQUENCY_MHZ, speed, 1540.0)[:, 0] for depth in depth_mm]
        peak[speed] = depth_mm[np.argmax(beams, axis=0)]
    assert peak[1400.0] / peak[1540.0] == pytest.approx(1.1, abs=0.02)


def test_a_phantom_that_is_slow_shifts_maps_by_what_is_foretold():
    """Phantom against phantom: the normalised spectrum falls by the gain that its echoes were simulated with."""
    rng = np.random.default_rng(0)
    sample = simulate_phantom(SYSTEM, 12, rng)
    slow = mismatched_phantom(SYSTEM, 12, rng)
    grid = window_grid(sample.planes[0], slow, None, Protocol(overlap=0.0))
    found = [normalised(p, slow, grid, ATTENUATION_DB_CM_MHZ, np.eye(13)).mean(axis=2) for p in sample.planes]
    foretold = -mismatch_db(SYSTEM, grid.depth_mm * 1540 / 1488, grid.band_mhz)
    deep = (grid.depth_mm > 8) & (grid.depth_mm < 40)
    off = (np.mean(found, axis=0) - foretold)[deep]
    assert np.abs(off.mean(axis=0)).max() < 0.25
    assert np.sqrt((off.mean(axis=1) ** 2).mean()) < 0.3
    assert np.ptp(foretold[deep].mean(axis=1)) > 0.5
