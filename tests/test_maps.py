"""Parametric maps, against a plain loop per window and against known physics."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.data.form_factor import gaussian_bsc_db, scatterers
from helpers.data.phantom import ReferencePhantom, bead_backscatter
from helpers.data.rf import RFPlane
from helpers.maps.grid import Protocol, window_grid
from helpers.maps.parametric import normalised_spectra, parametric_maps
from helpers.maps.windows import line_power

BAND = np.linspace(3, 8, 13)


@pytest.fixture(scope="module")
def random_scan():
    rng = np.random.default_rng(1)
    planes = [RFPlane(rng.standard_normal((731, 37)), 40e6, 0.31, c) for c in (1540.0, 1488.0, 1488.0)]
    return planes[0], ReferencePhantom(planes[1:], 0.576, bead_backscatter)


def window_spectrum(plane, start, n_window, left_mm, right_mm):
    """Mean power of one window by the definition, in double precision."""
    time_us = np.arange(n_window) * 1e6 / plane.sampling_rate_hz
    kernel = np.hanning(n_window) * np.exp(-2j * np.pi * BAND[:, None] * time_us)
    total = weight = 0
    for line in range(plane.samples.shape[1]):
        low, high = line * plane.line_pitch_mm, (line + 1) * plane.line_pitch_mm
        share = max(min(high, right_mm) - max(low, left_mm), 0)
        total = total + share * np.abs(kernel @ plane.samples[start : start + n_window, line].astype(float)) ** 2
        weight += share
    return total / weight


def blur_of_the_gate(w, path_db_mhz, phantom_db, gate_us):
    """s^2 (D'' / 2 + L_r' D' + D'^2 / 2) in dB, with s^2 = 1 / (3 T^2) and both log spectra parabolas, in nepers."""
    to_nepers, x = np.log(10) / 10, BAND - 5.5
    half_bend, tilt, _ = np.polyfit(x, phantom_db * to_nepers, 2)
    measured = np.polyfit(x, w, 1)[0]
    variance, bend = 1 / (3 * gate_us**2), (measured + path_db_mhz) * to_nepers / 5.5
    slope = (measured * to_nepers - variance * tilt * bend) / (1 + variance * (2 * half_bend + bend))
    phantom_slope, ratio_slope = tilt + 2 * half_bend * x, slope + bend * x
    return variance * (bend / 2 + phantom_slope * ratio_slope + ratio_slope**2 / 2) / to_nepers


def log_bias_db(reference, mean_power, start, n_window, window_mm):
    """Median level and slope by which the log of the phantom's windows departs from the log of their mean."""
    fits = []
    for plane in reference.planes:
        left_mm = 0.0
        while left_mm + window_mm <= plane.samples.shape[1] * plane.line_pitch_mm + 1e-6:
            window = window_spectrum(plane, start, n_window, left_mm, left_mm + window_mm)
            fits.append(np.polyfit(BAND - 5.5, 10 * np.log10(window / mean_power), 1))
            left_mm += window_mm / 2
    slope, level = np.median(fits, axis=0)
    return level + slope * (BAND - 5.5)


def plain_loop(plane, reference, depth_mm, lateral_mm, window_mm, attenuation):
    """Five numbers of one window, one formula after the other."""
    start = round((depth_mm - window_mm / 2) / plane.sample_spacing_mm)
    n_window = round(window_mm / plane.sample_spacing_mm)
    sample = window_spectrum(plane, start, n_window, lateral_mm - window_mm / 2, lateral_mm + window_mm / 2)
    width_mm = plane.samples.shape[1] * plane.line_pitch_mm
    mean_power = np.mean([window_spectrum(p, start, n_window, 0, width_mm) for p in reference.planes], axis=0)
    phantom_db = 10 * np.log10(mean_power) + log_bias_db(reference, mean_power, start, n_window, window_mm)
    phantom_depth_cm = depth_mm / 10 * 1488 / 1540
    w = 10 * np.log10(sample) - phantom_db
    path_db_mhz = 2 * (attenuation * depth_mm / 10 - 0.576 * phantom_depth_cm)
    w -= blur_of_the_gate(w, path_db_mhz, phantom_db, n_window / plane.sampling_rate_hz * 1e6)
    w += BAND * path_db_mhz
    ss, si = np.polyfit(BAND, w, 1)
    y = w + 10 * np.log10(bead_backscatter(BAND * 1e6)) - 40 * np.log10(BAND)
    slope, intercept = np.polyfit(BAND**2, y, 1)
    k = 2 * np.pi * 1e6 / 154000  # 1/(cm MHz)
    a2 = -slope * np.log(10) / 10 / (0.827 * k**2)
    esd_um = 2e4 * np.sqrt(a2) if a2 > 0 else np.nan
    eac_db = intercept - 10 * np.log10(4 / 9 * k**4 * a2**3) if a2 > 0 else np.nan
    return si + 5.5 * ss, ss, si, esd_um, eac_db


def assert_equal_to_plain_loop(found, plane, reference, window_mm, attenuation, windows):
    for i, j in windows:
        expected = plain_loop(plane, reference, found.depth_mm[i], found.lateral_mm[j], window_mm, attenuation)
        actual = [getattr(found, name)[i, j] for name in ("mbf", "ss", "si", "esd_um", "eac_db")]
        np.testing.assert_allclose(actual[:3], expected[:3], atol=1e-3)
        np.testing.assert_allclose(actual[3], expected[3], rtol=1e-3)
        np.testing.assert_allclose(actual[4], expected[4], atol=1e-3)


def test_all_five_maps_equal_a_plain_loop(random_scan):
    found = parametric_maps(*random_scan, window_mm=2.0, overlap=0.9, attenuation_db_cm_mhz=0.9)
    windows = [(0, 0), (0, -1), (-1, 0), (-1, -1), (30, 20), (31, 20), (7, 41)]
    assert_equal_to_plain_loop(found, *random_scan, 2.0, 0.9, windows)


@pytest.mark.parametrize(("shape", "pitch_mm"), [((733, 31), 0.3), ((517, 7), 2.0), ((419, 5), 3.1)])
def test_odd_sizes_and_windows_of_one_line_equal_a_plain_loop(shape, pitch_mm):
    rng = np.random.default_rng(2)
    plane, *phantom = (RFPlane(rng.standard_normal(shape), 40e6, pitch_mm, c) for c in (1540.0, 1488.0, 1488.0))
    reference = ReferencePhantom(phantom, 0.576, bead_backscatter)
    found = parametric_maps(plane, reference, window_mm=2.0, overlap=0.8, attenuation_db_cm_mhz=0.7)
    assert_equal_to_plain_loop(found, plane, reference, 2.0, 0.7, [(0, 0), (-1, -1), (5, 3), (6, -2), (9, 1)])


@pytest.mark.parametrize(
    "touching", [np.s_[:150, 10:20], np.s_[-150:, 10:20], np.s_[300:400, :9], np.s_[300:400, -9:], np.s_[:, :]]
)
def test_a_region_that_touches_an_edge_equals_a_plain_loop(random_scan, touching):
    plane, reference = random_scan
    region = np.zeros(plane.samples.shape, bool)
    region[touching] = True
    found = parametric_maps(plane, reference, region, overlap=0.9, attenuation_db_cm_mhz=0.9)
    windows = np.argwhere(np.isfinite(found.esd_um))
    assert_equal_to_plain_loop(found, plane, reference, 2.0, 0.9, windows[:: max(len(windows) // 4, 1)])


def test_phantom_against_itself_is_zero_in_level_and_slope_at_every_depth(random_scan):
    _, reference = random_scan
    alone = ReferencePhantom(reference.planes[:1], 0.576)
    itself = parametric_maps(reference.planes[0], alone, overlap=0.5, attenuation_db_cm_mhz=0.576)
    np.testing.assert_allclose(np.median(itself.mbf, axis=1), 0, atol=0.02)
    np.testing.assert_allclose(np.median(itself.ss, axis=1), 0, atol=0.02)


def test_a_sample_ten_times_the_reference_is_20_db_up_at_every_frequency(random_scan):
    _, reference = random_scan
    phantom = reference.planes[0]
    tenfold = RFPlane(10 * phantom.samples, 40e6, 0.31, 1488.0)
    alone = ReferencePhantom([phantom], 0.576, bead_backscatter)
    found = parametric_maps(tenfold, alone, attenuation_db_cm_mhz=0.576)
    spectra = [line_power(plane, (100,), 104, slice(None), BAND).mean(axis=-1) for plane in (tenfold, phantom)]
    np.testing.assert_allclose(spectra[0] / spectra[1], 100, rtol=1e-5)
    assert np.median(found.mbf) == pytest.approx(20, abs=1)
    assert np.median(found.ss) == pytest.approx(0, abs=0.1)


def test_a_region_maps_the_same_values_as_the_whole_plane_and_nothing_outside(random_scan):
    plane, reference = random_scan
    region = np.zeros(plane.samples.shape, bool)
    region[200:400, 8:20] = True
    whole = parametric_maps(plane, reference, overlap=0.9)
    part = parametric_maps(plane, reference, region, overlap=0.9)
    rows = np.searchsorted(whole.depth_mm, part.depth_mm - 1e-6)
    columns = np.searchsorted(whole.lateral_mm, part.lateral_mm - 1e-6)
    inside = np.isfinite(part.mbf)
    assert inside.any()
    assert part.mbf.size < whole.mbf.size
    np.testing.assert_allclose(part.mbf[inside], whole.mbf[np.ix_(rows, columns)][inside], atol=1e-3)


def test_attenuation_given_as_a_map_of_one_value_equals_the_value(random_scan):
    plane, reference = random_scan
    one = parametric_maps(plane, reference, overlap=0.5, attenuation_db_cm_mhz=0.7)
    same = parametric_maps(plane, reference, overlap=0.5, attenuation_db_cm_mhz=np.full(plane.samples.shape, 0.7))
    np.testing.assert_allclose(one.mbf, same.mbf, atol=1e-4)
    np.testing.assert_allclose(one.si, same.si, atol=1e-4)


def test_layers_are_put_back_as_their_integral(random_scan):
    plane, reference = random_scan
    layers = np.where(plane.depth_mm[:, None] < 5, 0.5, 1.1) * np.ones(37)
    given = parametric_maps(plane, reference, overlap=0.5, attenuation_db_cm_mhz=layers)
    none = parametric_maps(plane, reference, overlap=0.5, attenuation_db_cm_mhz=0.0)
    deep = given.depth_mm > 6
    path_cm = 0.5 * 0.5 + 1.1 * (given.depth_mm[deep] / 10 - 0.5)
    np.testing.assert_allclose(given.ss[deep].mean(axis=1) - none.ss[deep].mean(axis=1), 2 * path_cm, rtol=0.05)


def test_the_maps_reach_half_a_step_beyond_the_centres_of_their_windows(random_scan):
    found = parametric_maps(*random_scan, overlap=0.5)
    left, right, bottom, top = found.extent_mm
    assert (left, top) == pytest.approx((0.5, 0.5))  # the first window is centred 1 mm from the edge, steps are of 1 mm
    assert (right - left, bottom - top) == pytest.approx(found.mbf.shape[::-1])


def test_windows_that_were_not_mapped_are_not_unphysical(random_scan):
    plane, reference = random_scan
    region = np.zeros(plane.samples.shape, bool)
    region[200:400, 8:20] = True
    region[300:, 14:] = False
    found = parametric_maps(plane, reference, region, overlap=0.5, attenuation_db_cm_mhz=3.0)
    mapped = np.isfinite(found.mbf)
    assert not mapped.all()
    assert found.unphysical.any()
    np.testing.assert_array_equal(found.unphysical, mapped & np.isnan(found.esd_um))


def test_band_and_number_of_bins_are_parameters(random_scan):
    plane, reference = random_scan
    narrow = parametric_maps(plane, reference, overlap=0.5, band_mhz=(4.0, 7.0), n_bins=7)
    assert narrow.band_mhz == (4.0, 7.0)
    assert abs(narrow.mbf - parametric_maps(plane, reference, overlap=0.5).mbf).max() > 0.1


def test_normalised_spectra_have_the_maps_as_their_fits(random_scan):
    grid = window_grid(*random_scan, protocol=Protocol(overlap=0.5))
    band, (spectra_db, bsc_db) = grid.band_mhz, normalised_spectra(*random_scan, grid, 0.9)
    maps = parametric_maps(*random_scan, overlap=0.5, attenuation_db_cm_mhz=0.9)
    fits = np.polyfit(band - 5.5, np.moveaxis(spectra_db, 1, 0).reshape(13, -1), 1)
    np.testing.assert_allclose(fits[0].reshape(maps.ss.shape), maps.ss, atol=1e-4)
    np.testing.assert_allclose(fits[1].reshape(maps.mbf.shape), maps.mbf, atol=1e-3)
    own = 10 * np.log10(bead_backscatter(band * 1e6))
    np.testing.assert_allclose(bsc_db - spectra_db, np.broadcast_to(own[:, None], bsc_db.shape), atol=1e-9)


def test_form_factor_fit_inverts_the_model():
    y = gaussian_bsc_db(BAND, 110.0, 25.0, 1540.0) - 40 * np.log10(BAND)
    slope, intercept = np.polyfit(BAND**2, y, 1)
    esd_um, eac_db = scatterers(np.float64(slope), np.float64(intercept), 1540.0)
    assert esd_um == pytest.approx(110, rel=1e-6)
    assert eac_db == pytest.approx(25, abs=1e-6)


def test_a_spectrum_that_rises_too_fast_has_no_diameter():
    esd_um, eac_db = scatterers(np.array([0.01, -0.01]), np.array([0.0, 0.0]), 1540.0)
    assert np.isnan(esd_um[0])
    assert np.isnan(eac_db[0])
    assert np.isfinite(esd_um[1])


def test_without_the_phantoms_backscatter_only_esd_and_eac_are_missing(random_scan):
    plane, reference = random_scan
    found = parametric_maps(plane, ReferencePhantom(reference.planes, 0.576), overlap=0.5)
    assert np.isnan(found.esd_um).all()
    assert np.isnan(found.eac_db).all()
    assert np.isfinite(found.mbf).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"band_mhz": (3.0, 25.0)}, "Nyquist"),
        ({"n_bins": 2}, "n_bins = 2, expected 3 or more"),
        ({"overlap": 1.0}, "overlap = 1.0"),
        ({"window_mm": 100.0}, "window_mm = 100.0"),
        ({"region": np.ones((3, 3), bool)}, "region of shape \\(3, 3\\)"),
        ({"region": np.zeros((731, 37), bool)}, "region is empty"),
        ({"attenuation_db_cm_mhz": np.ones(4)}, "attenuation_db_cm_mhz of shape"),
    ],
)
def test_bad_input_is_one_clear_error(random_scan, change, message):
    with pytest.raises(ValueError, match=message):
        parametric_maps(*random_scan, **change)


def test_a_region_too_close_to_the_surface_for_a_window_is_refused(random_scan):
    plane, reference = random_scan
    region = np.zeros(plane.samples.shape, bool)
    region[:5] = True
    with pytest.raises(ValueError, match="no full window"):
        parametric_maps(plane, reference, region)


def test_a_phantom_sampled_differently_is_refused(random_scan):
    plane, _ = random_scan
    other = ReferencePhantom([RFPlane(np.ones((731, 37)), 20e6, 0.31)], 0.576)
    with pytest.raises(ValueError, match="sampling_rate_hz = 2e\\+07"):
        parametric_maps(plane, other)


def test_a_phantom_focused_elsewhere_is_refused(random_scan):
    plane, reference = random_scan
    there = ReferencePhantom([replace(reference.planes[0], focus_mm=20.0)], 0.576)
    parametric_maps(plane, there, overlap=0.5)  # the sample's focus is not known
    with pytest.raises(ValueError, match="focus_mm = 20, expected the sample's 15"):
        parametric_maps(replace(plane, focus_mm=15.0), there)


@pytest.mark.parametrize("of_the_sample", [True, False])
def test_a_dead_line_is_named(random_scan, of_the_sample):
    plane, reference = random_scan
    samples = plane.samples.copy()
    samples[:, 11] = 3.0
    dead = replace(plane, samples=samples, source="probe")
    scan = (dead, reference) if of_the_sample else (plane, ReferencePhantom([dead], 0.576))
    with pytest.raises(ValueError, match=r"probe: lines \[11\] are constant"):
        parametric_maps(*scan)


def test_a_power_law_for_tissue_and_phantom_adds_the_difference_of_the_two(random_scan):
    """W less that without attenuation is 2 a f^1.2 z - 2 b f^1.1 z_r, but for the gate's blur."""
    plane, phantom = random_scan
    grid = window_grid(plane, phantom, None, Protocol(2.0, 0.5, attenuation_exponent=1.2))
    spectra = []
    for alpha, beta in ((0.7, 0.5), (0.0, 0.0)):
        reference = ReferencePhantom(phantom.planes, beta, phantom.backscatter, attenuation_exponent=1.1)
        spectra.append(normalised_spectra(plane, reference, grid, alpha)[0])
    depth_cm = grid.depth_mm[:, None, None] / 10
    phantom_cm = depth_cm * phantom.planes[0].sound_speed_m_s / plane.sound_speed_m_s
    f = grid.band_mhz[:, None]
    expected = 2 * 0.7 * f**1.2 * depth_cm - 2 * 0.5 * f**1.1 * phantom_cm
    np.testing.assert_allclose(*np.broadcast_arrays(spectra[0] - spectra[1], expected), atol=0.5)
