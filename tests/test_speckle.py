"""Speckle of few scatterers is flagged, fully developed speckle is not: rates on simulated phantoms."""

import numpy as np
import pytest

from helpers.data.rf import RFPlane
from helpers.data.simulation import System, simulate_phantom, simulate_plane
from helpers.data.tissue import Tissue
from helpers.maps.grid import Protocol, window_grid
from physics.speckle import Speckle, speckle, window_moments

SYSTEM = System(n_lines=96, width_mm=22.5, depth_mm=30.0, focus_mm=20.0)
PROTOCOL = Protocol(2.0, 0.5)


@pytest.fixture(scope="module")
def phantom():
    return simulate_phantom(SYSTEM, 4, np.random.default_rng(0))


def rate(phantom, per_cell, n=12):
    """Share of planes whose central region is said to hold too few scatterers."""
    z, x = np.arange(0, 30.5, 0.5), np.arange(0, 60.5, 0.5)
    ones = np.ones((len(z), len(x)))
    tissue = Tissue(149 * ones, 12 * ones, 0.8 * ones, z, x)
    planes = [simulate_plane(tissue, SYSTEM, np.random.default_rng(s), "plane", per_cell) for s in range(n)]
    region = np.zeros(planes[0].samples.shape, bool)
    region[520:1240, 16:80] = True
    return np.mean([not speckle(p, phantom, window_grid(p, phantom, region, PROTOCOL)).developed for p in planes])


def test_fully_developed_speckle_is_not_flagged(phantom):
    assert rate(phantom, None) <= 1 / 12


@pytest.mark.parametrize("per_cell", [1, 3])
def test_few_scatterers_are_flagged(phantom, per_cell):
    assert rate(phantom, per_cell) >= 11 / 12


def test_the_ratio_of_exponential_intensities_is_two():
    """Complex Gaussian echoes, no two samples of which are alike (Wagner 1983)."""
    rng = np.random.default_rng(2)
    plane = RFPlane(rng.standard_normal((4000, 40)), 40e6, 0.25)
    cells = [(start, 0.0) for start in range(0, 3500, 400)]
    assert window_moments(plane, cells, n_window=400, window_mm=8.0).mean() == pytest.approx(2, abs=0.05)


def test_too_few_windows_tell_nothing_and_raise_no_flag():
    assert Speckle(np.nan, 1.0, np.nan, 2).developed
