"""Bands, standard errors and intervals, against simulated tissue whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from ground.errors import InputError
from helpers.data.phantom import ReferencePhantom, bead_backscatter
from helpers.data.rf import RFPlane
from helpers.data.simulation import System, pulse_db, simulate_phantom, simulate_plane
from helpers.maps.grid import Protocol, own_band_mhz, reference_band_mhz, window_grid
from helpers.maps.parametric import map_windows, normalised_spectra, parametric_maps
from helpers.maps.recovery import true_maps
from pages.echoes import uniform_tissue
from physics.attenuation import estimate_attenuation
from physics.uncertainty import FIELDS, autocovariance, pair_sum, region_means, uncertainty

SYSTEM = System(n_lines=192, depth_mm=32.0)
SEEDS = range(20)
HALF, THREE_QUARTERS = Protocol(overlap=0.5), Protocol(overlap=0.75)
LIMITS = {"mbf": 0.2, "esd_um": 0.03, "eac_db": 0.5}  # dB, share, dB


@pytest.fixture(scope="module")
def phantoms():
    return [simulate_phantom(SYSTEM, 6, np.random.default_rng(seed)) for seed in (101, 102, 103, 104)]


def ellipse(plane, half_width_mm=14.0, half_height_mm=10.0):
    lateral, depth = plane.lateral_mm - 30, plane.depth_mm[:, None] - 20
    return (lateral / half_width_mm) ** 2 + (depth / half_height_mm) ** 2 < 1


@pytest.fixture(scope="module", params=[(80.0, 15.0, 0.6), (110.0, 15.0, 1.0), (150.0, 12.0, 0.8)], ids=str)
def recovered(request, phantoms):
    """Twenty seeds of uniform tissue, each against one of four phantoms: estimates, errors, truth."""
    tissue = uniform_tissue(*request.param, SYSTEM.depth_mm)
    means, attenuations = [], []
    for seed in SEEDS:
        plane = simulate_plane(tissue, SYSTEM, np.random.default_rng(seed))
        reference = phantoms[seed % 4]
        grid = window_grid(plane, reference, ellipse(plane), THREE_QUARTERS)
        means.append(region_means(plane, reference, grid, attenuation_db_cm_mhz=request.param[2]))
        attenuations.append(estimate_attenuation(plane, reference, grid))
    truth = true_maps(tissue, np.array([20.0]), np.array([30.0]))
    return means, attenuations, {name: getattr(truth, name)[0, 0] for name in FIELDS} | {"alpha": request.param[2]}


@pytest.mark.parametrize("name", LIMITS)
def test_region_means_recover_the_truth_over_twenty_seeds(recovered, name):
    means, _, truth = recovered
    error = np.mean([table.loc[name, "value"] for table in means]) - truth[name]
    assert abs(error / truth[name] if name == "esd_um" else error) < LIMITS[name]


def test_attenuation_is_recovered_over_twenty_seeds(recovered):
    _, found, truth = recovered
    assert np.mean([estimate.value for estimate in found]) == pytest.approx(truth["alpha"], abs=0.03)
    assert np.max([abs(estimate.value - truth["alpha"]) for estimate in found]) < 0.2


def test_standard_errors_of_regions_are_the_spread_over_seeds(recovered):
    means, found, _ = recovered
    for name in FIELDS:
        spread = np.std([table.loc[name, "value"] for table in means], ddof=1)
        assert np.mean([table.loc[name, "standard_error"] for table in means]) == pytest.approx(spread, rel=0.5)
    spread = np.std([estimate.value for estimate in found], ddof=1)
    assert np.mean([estimate.standard_error for estimate in found]) == pytest.approx(spread, rel=0.5)


def test_intervals_cover_the_truth(recovered):
    means, found, truth = recovered
    covered = [table.loc[name, "low"] < truth[name] < table.loc[name, "high"] for table in means for name in FIELDS]
    covered += [estimate.low < truth["alpha"] < estimate.high for estimate in found]
    assert 0.9 <= np.mean(covered) <= 0.99


def test_standard_errors_of_windows_are_the_spread_of_a_uniform_map(phantoms):
    plane = simulate_plane(uniform_tissue(150.0, 12.0, 0.8, SYSTEM.depth_mm), SYSTEM, np.random.default_rng(5))
    grid = window_grid(plane, phantoms[0], protocol=HALF)
    maps = map_windows(plane, phantoms[0], grid, 0.8)
    errors = uncertainty(maps, plane, phantoms[0], grid)
    for name in FIELDS:
        spread = np.nanstd(getattr(maps, name)[4:-4])
        assert np.nanmedian(getattr(errors, name)[4:-4]) == pytest.approx(spread, rel=0.2)


def test_misfit_is_the_distance_from_numpys_own_line(phantoms):
    plane = simulate_plane(uniform_tissue(150.0, 12.0, 0.8, SYSTEM.depth_mm), SYSTEM, np.random.default_rng(5))
    grid = window_grid(plane, phantoms[0], protocol=HALF)
    maps = map_windows(plane, phantoms[0], grid, 0.576)
    found = uncertainty(maps, plane, phantoms[0], grid).misfit_db
    band, (spectra_db, _) = grid.band_mhz, normalised_spectra(plane, phantoms[0], grid, 0.576)
    for i, j in [(0, 0), (10, 20), (-1, -1)]:
        line = np.polyval(np.polyfit(band, spectra_db[i, :, j], 1), band)
        assert found[i, j] == pytest.approx(np.sqrt(np.mean((spectra_db[i, :, j] - line) ** 2)), rel=0.01)


def test_phantom_against_phantom_is_zero_within_its_standard_error_at_all_depths(phantoms):
    one, other = (ReferencePhantom(p.planes, 0.576, bead_backscatter) for p in phantoms[:2])
    maps = [parametric_maps(plane, other, overlap=0.5, attenuation_db_cm_mhz=0.576) for plane in one.planes]
    errors = uncertainty(maps[0], one.planes[0], other, window_grid(one.planes[0], other, protocol=HALF))
    for name in ("mbf", "ss", "si"):
        mean = np.mean([getattr(m, name).mean(axis=1) for m in maps], axis=0)  # (n_z,)
        n_independent = 6 * 29  # frames x windows side by side; the other phantom has as many
        standardised = mean / (getattr(errors, name)[:, 0] * np.sqrt(2 / n_independent))
        assert np.abs(standardised).max() < 4.5
        assert np.sqrt((standardised**2).mean()) < 1.8


def test_the_band_of_the_phantom_is_where_theory_has_it_six_db_down(phantoms):
    starts = (round(20e-3 * 2 / 1488 * 40e6) - 52,)  # centred 20 mm deep in the phantom
    low, high = reference_band_mhz(phantoms[0], starts, 104)
    frequency_mhz = np.linspace(0.5, 12, 93)
    level_db = pulse_db(frequency_mhz, SYSTEM) + 10 * np.log10(bead_backscatter(frequency_mhz * 1e6))
    level_db -= 2 * 0.576 * 2.0 * frequency_mhz
    inside = frequency_mhz[level_db > level_db.max() - 6]
    assert low == pytest.approx(inside[0], abs=0.35)
    assert high == pytest.approx(inside[-1], abs=0.35)


def test_maps_take_that_band_when_none_is_given(phantoms):
    plane = phantoms[1].planes[0]
    maps = parametric_maps(plane, phantoms[0], ellipse(plane), overlap=0.5, band_mhz=None)
    n_window = window_grid(plane, phantoms[0], ellipse(plane), HALF).n_window
    assert maps.band_mhz == own_band_mhz(phantoms[0], 2.0, n_window)
    shallow = parametric_maps(plane, phantoms[0], ellipse(plane, 5, 3), overlap=0.5, band_mhz=None)
    assert shallow.band_mhz == maps.band_mhz, "one band for all regions that a phantom judges"


def test_the_variance_of_a_sum_of_white_noise_is_the_sum_of_squared_weights():
    rng = np.random.default_rng(0)
    plane = RFPlane(rng.standard_normal((800, 40)), 40e6, 0.3)
    grid = window_grid(plane, ReferencePhantom([plane], 0.5), protocol=THREE_QUARTERS)
    noise = rng.standard_normal((200, len(grid.depth_mm), len(grid.lateral_mm)))
    weights = rng.random(noise.shape[1:])
    assert pair_sum(autocovariance(noise, grid), weights) == pytest.approx((weights**2).sum(), rel=0.2)


def test_a_region_too_shallow_for_its_attenuation_is_refused(phantoms):
    plane = phantoms[1].planes[0]
    grid = window_grid(plane, phantoms[0], ellipse(plane, half_height_mm=1.5), THREE_QUARTERS)
    with pytest.raises(ValueError, match="expected at least 4 mm"):
        estimate_attenuation(plane, phantoms[0], grid)


# --- lines and depths without an echo


@pytest.fixture(scope="module")
def damaged(phantoms):
    """A uniform plane and a phantom, each with dead lines and without its last rows; and both as they were."""
    plane = simulate_plane(uniform_tissue(150.0, 12.0, 0.8, SYSTEM.depth_mm), SYSTEM, np.random.default_rng(5))
    return (
        plane,
        phantoms[0],
        without(plane, 60),
        ReferencePhantom([without(frame, 120) for frame in phantoms[0].planes], 0.576, bead_backscatter),
    )


def without(plane, line):
    """The plane with two dead lines, and nothing below 28 mm."""
    samples = plane.samples.copy()
    samples[:, line : line + 2] = 0
    samples[round(28 / plane.sample_spacing_mm) :] = 7
    return replace(plane, samples=samples)


@pytest.mark.filterwarnings("ignore:.*lines are constant")
def test_errors_know_only_windows_with_an_echo(damaged):
    """Against those of the undamaged scan: a few lines less change them little, and no gap spreads."""
    plane, reference, broken, gapped = damaged
    grids = [window_grid(p, r, ellipse(p, half_height_mm=12), HALF) for p, r in ((plane, reference), (broken, gapped))]
    maps = map_windows(plane, reference, grids[0], 0.8), map_windows(broken, gapped, grids[1], 0.8)
    before = uncertainty(maps[0], plane, reference, grids[0])
    found = uncertainty(maps[1], broken, gapped, grids[1])
    for name in ("mbf", "ss", "si", "misfit_db"):
        np.testing.assert_array_equal(np.isfinite(getattr(found, name)), np.isfinite(maps[1].mbf))
    assert 0.5 < np.isfinite(maps[1].mbf).sum() / np.isfinite(maps[0].mbf).sum() < 0.95
    both = np.isfinite(found.mbf)
    np.testing.assert_allclose(found.mbf[both], before.mbf[both], rtol=0.2)
    means = region_means(plane, reference, grids[0], 0.8), region_means(broken, gapped, grids[1], 0.8)
    assert (abs(means[1]["value"] - means[0]["value"]) < 3 * means[0]["standard_error"]).all()
    np.testing.assert_allclose(means[1]["standard_error"], means[0]["standard_error"], rtol=0.5)


@pytest.mark.filterwarnings("ignore:.*lines are constant")
def test_attenuation_is_estimated_from_windows_with_an_echo(damaged):
    plane, reference, broken, gapped = damaged
    found = estimate_attenuation(broken, gapped, window_grid(broken, gapped, ellipse(broken), THREE_QUARTERS))
    whole = estimate_attenuation(plane, reference, window_grid(plane, reference, ellipse(plane), THREE_QUARTERS))
    assert found.value == pytest.approx(whole.value, abs=3 * whole.standard_error)
    assert found.standard_error == pytest.approx(whole.standard_error, rel=0.6)


def test_a_region_without_an_echo_has_no_attenuation(damaged):
    plane, reference, broken, _ = damaged
    region = np.zeros(plane.samples.shape, bool)
    region[round(28 / plane.sample_spacing_mm) :, 20:100] = True
    grid = window_grid(broken, reference, region, THREE_QUARTERS)
    with pytest.raises(InputError, match=r"region of 0\.0 mm depth"):
        estimate_attenuation(broken, reference, grid)


def test_without_the_phantoms_backscatter_diameter_and_concentration_have_no_error(damaged):
    plane, reference, _, _ = damaged
    relative = ReferencePhantom(reference.planes, 0.576)
    grid = window_grid(plane, relative, ellipse(plane), HALF)
    means = region_means(plane, relative, grid, 0.8)
    known = region_means(plane, reference, grid, 0.8)
    assert means.loc[["esd_um", "eac_db"]].isna().all(axis=None)
    np.testing.assert_allclose(means.loc[["mbf", "ss", "si"]], known.loc[["mbf", "ss", "si"]])
    errors = uncertainty(map_windows(plane, relative, grid, 0.8), plane, relative, grid)
    assert np.isnan(errors.esd_um).all()
    assert np.isfinite(errors.mbf).any()


def test_a_constant_offset_is_in_no_band(phantoms):
    """Real recordings carry one; at depth it is stronger than the echo."""
    shifted = [replace(frame, samples=frame.samples + 300.0) for frame in phantoms[0].planes]
    bands = [reference_band_mhz(ReferencePhantom(p, 0.576), (900,), 104) for p in (shifted, phantoms[0].planes)]
    assert bands[0] == pytest.approx(bands[1], abs=0.05)
