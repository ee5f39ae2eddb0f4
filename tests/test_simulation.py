"""Simulated echoes, against the tissue that made them."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.signal import hilbert

from helpers.data.phantom import bead_bsc_db
from helpers.data.rf import RFPlane
from helpers.data.simulation import (
    HOP,
    System,
    amplitude,
    beam,
    block_frequencies_mhz,
    blocks,
    echoes,
    scatterer_noise,
    share_below,
    simulate_phantom,
    simulate_plane,
    simulated,
    spread,
)
from helpers.data.study import draw_patients
from helpers.data.tissue import Tissue, patient_plane
from helpers.maps.grid import Protocol, window_grid
from helpers.maps.parametric import map_windows, parametric_maps
from helpers.maps.recovery import true_maps

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


@pytest.mark.parametrize(("esd_um", "eac_db", "attenuation"), [(149, 12, 0.6), (143, 24.7, 0.5)])
def test_maps_recover_the_tissue_under_a_power_law(phantom, esd_um, eac_db, attenuation):
    """Attenuation of 0.5 or 0.6 dB/cm at 1 MHz, growing with f^1.3; with an exponent of 1 the diameter is far off."""
    tissue = replace(uniform(esd_um, eac_db, attenuation), attenuation_exponent=1.3)
    plane = simulate_plane(tissue, SYSTEM, np.random.default_rng(1))
    right, wrong = (
        map_windows(
            plane, phantom, window_grid(plane, phantom, None, Protocol(2.0, 0.75, attenuation_exponent=n)), alpha
        )
        for n, alpha in ((1.3, attenuation), (1.0, attenuation * 5.5**0.3))
    )
    assert np.nanmedian(right.esd_um) == pytest.approx(esd_um, rel=0.03)
    assert np.nanmedian(right.eac_db) == pytest.approx(eac_db, abs=0.5)
    assert np.nanmedian(wrong.esd_um) > 1.06 * esd_um


def test_phantom_against_a_new_frame_of_itself_is_0_db(phantom):
    other = simulate_phantom(SYSTEM, 1, np.random.default_rng(9)).planes[0]
    found = parametric_maps(other, phantom, overlap=0.75, attenuation_db_cm_mhz=0.576)
    assert np.median(found.mbf) == pytest.approx(0, abs=0.3)
    assert np.median(found.ss) == pytest.approx(0, abs=0.1)


LAYERS = {  # local attenuation at a depth in mm, dB/cm/MHz; 20.13 mm lies between two samples of two blocks
    "0.4": lambda z: 0.4 + 0 * z,
    "1.0": lambda z: 1.0 + 0 * z,
    "1.4": lambda z: 1.4 + 0 * z,
    "0.4, 1.4, 0.4": lambda z: np.where((z > 20.13) & (z < 35.13), 1.4, 0.4),
    "1.4, 0.4, 1.4": lambda z: np.where((z > 20.13) & (z < 35.13), 0.4, 1.4),
    "0.4 to 1.4": lambda z: 0.4 + 0.02 * z,
}
LONE = System(n_lines=128, width_mm=128 * 20.0, depth_mm=50.0)  # lines so far apart that the beam mixes none


@pytest.mark.parametrize("name", LAYERS)
def test_attenuation_is_exact_to_a_twentieth_of_a_decibel(name):
    """Against 2 A(z) f with A the integral of the layers: a lone scatterer at another depth on every line."""
    fine_mm = np.arange(0, 55, 0.001)
    path = np.concatenate([[0], np.cumsum(LAYERS[name](fine_mm + 0.0005))])[:-1] * 1e-4
    sample = np.linspace(130, 2500, 128).astype(int)
    noise = np.zeros((len(LONE.block_samples) + 1, 128, HOP), np.float32)
    noise[(sample + HOP) // HOP, np.arange(128), (sample + HOP) % HOP] = 1
    path_db_mhz = np.interp(LONE.depth_of_mm(LONE.path_samples), fine_mm, path)[:, None]
    band = np.linspace(3, 8, 13)
    bsc_db = bead_bsc_db(tuple(block_frequencies_mhz(LONE)))  # with the fourth power of f, as all tissue has
    fourier = np.exp(-2j * np.pi * np.outer(band, np.arange(LONE.n_samples)) / 40)
    free, attenuated = (
        20 * np.log10(np.abs(fourier @ echoes(noise, lambda rows: bsc_db, p, LONE).astype(float)))
        for p in (0 * path_db_mhz, path_db_mhz)
    )
    exact = 2 * np.outer(band, np.interp(LONE.depth_of_mm(sample), fine_mm, path))
    assert exact.max() > 20
    np.testing.assert_allclose(free - attenuated, exact, atol=0.05)


def test_blocks_add_up_to_the_noise_whatever_the_path():
    noise = scatterer_noise(SYSTEM, np.random.default_rng(3))
    rng = np.random.default_rng(4)
    path = np.cumsum(rng.uniform(0, 0.01, (len(SYSTEM.path_samples), SYSTEM.n_lines)), axis=0)
    for path_db_mhz in (0 * path, path):
        cut = blocks(noise, share_below(path_db_mhz))  # above and below the middle of every block
        np.testing.assert_allclose(cut[1:, :, :HOP] + cut[:-1, :, HOP:], noise[1:-1], atol=1e-5)


WHITE = np.full(1, -30.0)  # a backscatter coefficient without form factor, dB


@cache
def intensity(scatterers_per_cell, seed=0):
    """Intensity of echoes near the focus, (samples, lines): no attenuation and no electronics."""
    system = System(n_lines=400, width_mm=400 * 0.2, depth_mm=12.0, focus_mm=8.0)
    noise = scatterer_noise(system, np.random.default_rng(seed), scatterers_per_cell)
    echo = echoes(noise, lambda rows: WHITE, np.zeros((len(system.path_samples), 1)), system)
    return np.abs(hilbert(echo, axis=0))[240:590] ** 2


@pytest.mark.parametrize("per_cell", [0.5, 2.0, 8.0])
def test_few_scatterers_are_less_regular_than_rayleigh(per_cell):
    """Against the analytic moments of a Poisson field: Nakagami m = <I>^2 / var I = 1 / (1 + 1 / N).

    N is the number of scatterers in S = (integral |h|^2)^2 / integral |h|^4 of the point response h, which for a
    Gaussian of full width w at half amplitude is sqrt(pi / (4 ln 2)) w per direction: 1.133 cells.
    """
    few = np.concatenate([intensity(per_cell, seed) for seed in range(4)])
    n = per_cell * np.pi / (4 * np.log(2))
    assert few.mean() ** 2 / few.var() == pytest.approx(1 / (1 + 1 / n), rel=0.1)
    envelope = np.sqrt(few)
    assert envelope.mean() / envelope.std() < 1.85


@pytest.mark.parametrize("per_cell", [None, 100.0])
def test_many_scatterers_give_rayleigh_speckle(per_cell):
    """Against the Rayleigh distribution: mean / SD of the envelope is sqrt(pi / (4 - pi)) = 1.91."""
    envelope = np.sqrt(np.concatenate([intensity(per_cell, seed) for seed in range(3)]))
    assert envelope.mean() / envelope.std() == pytest.approx(1.913, abs=0.04)


@pytest.mark.parametrize("per_cell", [0.5, 20.0])
def test_mean_power_does_not_depend_on_the_number_of_scatterers(per_cell):
    found, expected = (np.mean([intensity(n, seed).mean() for seed in range(4)]) for n in (per_cell, None))
    assert 10 * np.log10(found / expected) == pytest.approx(0, abs=0.25)


@pytest.mark.parametrize("per_cell", [0.0, -1.0, np.nan])
def test_a_number_of_scatterers_that_cannot_be_is_refused(per_cell):
    with pytest.raises(ValueError, match="scatterers_per_cell"):
        simulate_plane(uniform(120, 20, 0.7), SYSTEM, np.random.default_rng(0), scatterers_per_cell=per_cell)


def test_planes_and_phantoms_know_their_focus(phantom):
    plane = simulate_plane(uniform(120, 20, 0.7), SYSTEM, np.random.default_rng(0))
    assert plane.focus_mm == phantom.planes[0].focus_mm == SYSTEM.focus_mm


def test_the_same_seed_gives_the_same_echoes():
    first, second, third = (simulate_plane(uniform(120, 20, 0.7), SYSTEM, np.random.default_rng(s)) for s in (5, 5, 6))
    assert isinstance(first, RFPlane)
    assert first.samples.dtype == np.int16
    np.testing.assert_array_equal(first.samples, second.samples)
    assert (first.samples != third.samples).any()


@pytest.mark.parametrize("depth_mm", [12.0, 20.0, 35.0])
def test_the_beam_is_0_8_mm_wide_at_the_focus_and_wider_away_from_it(depth_mm):
    """Against half the amplitude of a lone scatterer at half of w = 0.8 mm sqrt(1 + (z - z_focus)^2 / z_zone^2)."""
    system = System(n_lines=81, width_mm=81 * 0.05, depth_mm=40.0, focus_mm=20.0)
    sample = round(depth_mm / system.depth_of_mm(1))
    noise = np.zeros((len(system.block_samples) + 1, 81, HOP), np.float32)
    noise[(sample + HOP) // HOP, 40, (sample + HOP) % HOP] = 1
    across = np.abs(echoes(noise, lambda rows: WHITE, np.zeros((len(system.path_samples), 1)), system)).max(axis=0)
    width_mm = 0.8 * np.sqrt(1 + ((depth_mm - 20) / 15) ** 2)
    away_mm = 0.05 * (np.arange(81) - 40)
    np.testing.assert_allclose(np.interp([-width_mm / 2, width_mm / 2], away_mm, across / across[40]), 0.5, atol=0.02)


@pytest.fixture(scope="module")
def patient():
    return draw_patients(8, seed=0).iloc[0]


@pytest.mark.parametrize(("centre_mm", "focus_mm"), [(12.4, 10.0), (12.6, 15.0), (31.0, 30.0)])
def test_plane_and_phantom_are_focused_at_the_tumours_centre_in_steps_of_5_mm(patient, centre_mm, focus_mm):
    moved = patient.to_frame().T.infer_objects().assign(centre_depth_mm=centre_mm).iloc[0]
    acquired = simulated(moved, 0, 16, 5.0, 1, 0)
    assert (acquired.plane.focus_mm, acquired.reference.planes[0].focus_mm) == (focus_mm, focus_mm)


def test_planes_of_a_patient_have_their_own_outline_and_speckle(patient):
    one, other = (simulated(patient, index, 16, 5.0, 1, 0) for index in (1, 2))
    np.testing.assert_array_equal(other.outline_mm, patient_plane(patient, 2, 50.0)[1])
    assert (one.outline_mm != other.outline_mm).any()
    assert likeness(one.plane, other.plane) < 0.1


def test_phantoms_of_two_seeds_are_independent_and_their_frames_too(patient):
    one, other = (simulated(patient, 0, 16, 5.0, 2, seed).reference.planes for seed in (0, 1))
    assert likeness(one[0], other[0]) < 0.1
    assert likeness(one[0], one[1]) < 0.1


def likeness(one, other):
    """Correlation of the echoes of two planes."""
    return abs(np.corrcoef(one.samples.ravel(), other.samples.ravel())[0, 1])


def test_amplitude_is_the_square_root_of_power():
    np.testing.assert_allclose(amplitude(np.array([0.0, 20.0, -6.0206])), [1, 10, 0.5], rtol=1e-4)


def test_the_beams_faint_edges_are_left_out_and_change_no_echo_by_more_than_a_count():
    """Against the whole Gaussian in double precision: what is left out is smaller than float32 rounds.

    Numbers too small for float32's normal range are multiplied in microcode on some processors, a hundred times slower.
    """
    weights, whole = beam(SYSTEM), whole_beam(SYSTEM)
    assert weights[weights > 0].min() > 1e-9
    np.testing.assert_allclose(weights, whole, atol=2e-7 * whole.max())
    spectra = np.random.default_rng(0).standard_normal((4, SYSTEM.n_lines, 10), dtype=np.float32).view(np.complex64)
    for rows in (slice(0, 4), slice(len(weights) - 4, len(weights))):
        mixed = np.zeros_like(spectra)
        spread(spectra, weights[rows], mixed)
        np.testing.assert_allclose(mixed, whole[rows] @ spectra, atol=2e-6)


def test_counts_with_and_without_the_beams_faint_edges(monkeypatch):
    """Hardly one sample in a thousand falls on the other side of a half when the faint edges are put back."""
    tissue, _ = patient_plane(draw_patients(8, seed=0).iloc[0], 2, SYSTEM.depth_mm)
    ours = simulate_plane(tissue, SYSTEM, np.random.default_rng(5)).samples.astype(int)
    monkeypatch.setattr("helpers.data.simulation.beam", lambda system: whole_beam(system).astype(np.float32))
    full = simulate_plane(tissue, SYSTEM, np.random.default_rng(5)).samples
    assert np.abs(ours - full).max() <= 1
    assert (ours != full).mean() < 1e-3


def whole_beam(system):
    """The two-way beam by its definition, (n_blocks, n_lines, n_lines), in double precision."""
    off_focus = (system.depth_of_mm(system.block_samples) - system.focus_mm) / system.focal_zone_mm
    distance_mm = system.line_mm[:, None] - system.line_mm
    profile = 2.0 ** -((2 * distance_mm / (system.beam_mm * np.sqrt(1 + off_focus**2))[:, None, None]) ** 2)
    return profile / np.sqrt((profile**2).sum(axis=-1, keepdims=True))
