"""Parametric maps, against a plain loop per window and against known physics."""

from dataclasses import replace

import numpy as np
import pytest

from ground.errors import InputError
from helpers.data.form_factor import gaussian_bsc_db, scatterers
from helpers.data.phantom import ReferencePhantom, bead_backscatter
from helpers.data.rf import RFPlane
from helpers.maps.grid import Protocol, reference_band_mhz, window_grid
from helpers.maps.parametric import normalised_spectra, parametric_maps
from helpers.maps.windows import line_power, line_weights, mean_of_lines

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


def test_a_wide_map_is_that_of_its_narrow_parts(random_scan):
    """Rows of more than 256 windows are taken in other blocks: each window says the same in a narrow map."""
    plane, reference = random_scan
    region = np.zeros(plane.samples.shape, bool)
    region[:, :18] = True
    whole, part = (parametric_maps(plane, reference, where, overlap=0.985) for where in (None, region))
    n_z, n_x = part.mbf.shape
    assert n_x <= 256 < whole.mbf.shape[1]
    assert n_z == whole.mbf.shape[0] > 64
    for name in ("mbf", "ss", "si"):
        np.testing.assert_allclose(getattr(whole, name)[:, :n_x], getattr(part, name), atol=1e-3, err_msg=name)


@pytest.mark.parametrize("n_x", [1, 31, 32, 33, 64, 95])
def test_means_in_strips_are_those_of_one_product(n_x):
    """Every line counts, those at the edges of a strip of windows too: against all lines times all weights."""
    lines, weights = line_weights(1.1 + 0.1 * np.arange(n_x), 2.0, 0.31, 60)
    power = np.random.default_rng(3).exponential(1, (7, 13, lines.stop - lines.start)).astype(np.float32)
    np.testing.assert_allclose(mean_of_lines(power, weights), power @ weights.T, rtol=1e-5)


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


# --- where there is no echo


def padded(plane, rows=slice(None), lines=slice(None), value=0.0):
    """The plane with one value in some of its samples."""
    samples = plane.samples.copy()
    samples[rows, lines] = value
    return replace(plane, samples=samples, source="probe")


def repeated(plane, row):
    """The plane with its last rows all the same as one of them: padded by NumPy's mode "edge"."""
    kept = plane.samples[:row]
    return replace(plane, samples=np.pad(kept, ((0, len(plane.samples) - row), (0, 0)), mode="edge"), source="probe")


HOLES = {  # where a plane of 14 x 11.5 mm is padded: what of it, and where (depth, lateral) its echoes are whole
    "below": (lambda p: padded(p, slice(500, None)), lambda z, x: z < 500 * 0.01925 - 1),
    "below, not zero": (lambda p: padded(p, slice(500, None), value=700.0), lambda z, x: z < 500 * 0.01925 - 1),
    "rows that repeat": (lambda p: repeated(p, 500), lambda z, x: z < 499 * 0.01925 - 1),
    "above": (lambda p: padded(p, slice(0, 200)), lambda z, x: z > 200 * 0.01925 + 1),
    "left": (lambda p: padded(p, lines=slice(0, 12)), lambda z, x: x > 12 * 0.31 + 1),
    "both sides": (
        lambda p: padded(padded(p, lines=slice(0, 9)), lines=slice(28, None), value=-3.0),
        lambda z, x: (x > 9 * 0.31 + 1) & (x < 28 * 0.31 - 1),
    ),
}


@pytest.mark.parametrize("where", HOLES)
def test_windows_where_a_plane_was_padded_are_empty_and_all_others_as_before(random_scan, where):
    """Against the plane before it was padded; its median cannot be that of a logarithm of nothing."""
    plane, reference = random_scan
    pad, whole = HOLES[where]
    before = parametric_maps(plane, reference, overlap=0.9)
    with pytest.warns(UserWarning, match=r"probe: \d+ of 37 lines are constant.* of [\d,]+ windows are empty") as told:
        found = parametric_maps(pad(plane), reference, overlap=0.9)
    assert len(told) == 1
    sound = np.broadcast_to(whole(before.depth_mm[:, None], before.lateral_mm), found.mbf.shape)
    assert 0.2 < sound.mean() < 0.9
    np.testing.assert_allclose(found.mbf[sound], before.mbf[sound], atol=1e-3)
    empty = np.isnan(found.mbf)
    assert empty.any()
    assert f"{empty.sum():,} of {empty.size:,} windows are empty" in str(told[0].message)
    assert np.nanmin(found.mbf) > before.mbf.min() - 3
    np.testing.assert_array_equal(empty, np.isnan(found.si))


def test_a_window_without_its_middle_line_or_half_of_its_lines_is_empty(random_scan):
    """The other windows that touch the dead lines are the mean of what is left of them, by the plain loop."""
    plane, reference = random_scan
    dead = padded(plane, lines=slice(11, 13), value=3.0)
    with pytest.warns(UserWarning, match="probe: 2 of 37 lines are constant, 2 of them from top to bottom"):
        found = parametric_maps(dead, reference, overlap=0.95)
    middle = np.floor(found.lateral_mm / 0.31 + 1e-6).astype(int)
    assert np.isnan(found.mbf[:, (middle == 11) | (middle == 12)]).all()
    assert np.isfinite(found.mbf[:, (middle < 11) | (middle > 12)]).all()
    wide = padded(plane, lines=slice(11, 16))
    with pytest.warns(UserWarning, match="5 of 37"):
        half = parametric_maps(wide, reference, overlap=0.95)
    covered = np.clip(np.minimum(half.lateral_mm + 1, 16 * 0.31) - np.maximum(half.lateral_mm - 1, 11 * 0.31), 0, None)
    assert np.isnan(half.mbf[:, covered > 1.01]).all()


def test_lines_that_are_dead_leave_the_mean_of_the_others(random_scan):
    """Against a plane in which neighbours stand for the dead line: half of a pair of equal lines weighs as the pair."""
    plane, reference = random_scan
    samples = np.repeat(plane.samples[:, :18], 2, axis=1)  # pairs of equal lines
    pairs = replace(plane, samples=samples)
    kept = padded(pairs, lines=slice(11, 12))
    grid = window_grid(pairs, reference, protocol=Protocol(window_mm=1.24, overlap=0.5))  # four lines, two pairs
    power = line_power(kept, grid.starts, grid.n_window, grid.lines, BAND)
    at = int(np.flatnonzero(np.isclose(grid.lateral_mm, 10 * 0.31))[0])  # lines 8 to 11
    found = mean_of_lines(power, grid.weights)[:, :, at]
    np.testing.assert_allclose(found, (2 * power[:, :, 8] + power[:, :, 10]) / 3, rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_dead_line_of_the_phantom_is_left_out_of_its_mean_with_one_warning(random_scan, value):
    """Against a phantom that was scanned without that line, and has no gap."""
    plane, reference = random_scan
    dead = [padded(p, lines=slice(36, 37), value=value) for p in reference.planes]
    narrow = [replace(p, samples=p.samples[:, :36]) for p in reference.planes]
    with pytest.warns(UserWarning, match="probe: 2 of 74 lines are constant, 2 of them from top to bottom") as told:
        found, again = (
            parametric_maps(plane, phantom, overlap=0.5)
            for phantom in [ReferencePhantom(dead, 0.576, bead_backscatter)]
            for _ in range(2)
        )
    assert len(told) == 1
    expected = parametric_maps(plane, ReferencePhantom(narrow, 0.576, bead_backscatter), overlap=0.5)
    np.testing.assert_allclose(found.mbf, expected.mbf, atol=0.2)  # its windows' bias is of one window less
    np.testing.assert_allclose(found.ss, expected.ss, atol=0.2)
    np.testing.assert_array_equal(found.mbf, again.mbf)


def test_depths_at_which_the_phantom_has_no_echo_are_empty(random_scan):
    plane, reference = random_scan
    shallow = ReferencePhantom([padded(p, slice(500, None)) for p in reference.planes], 0.576, bead_backscatter)
    before = parametric_maps(plane, reference, overlap=0.9)
    with pytest.warns(UserWarning, match="probe: 74 of 74 lines are constant, 0 of them"):
        found = parametric_maps(plane, shallow, overlap=0.9)
    sound = before.depth_mm < 500 * 0.01925 - 1
    np.testing.assert_array_equal(np.isnan(found.mbf).all(axis=1), ~sound)
    np.testing.assert_allclose(found.mbf[sound], before.mbf[sound], atol=1e-3)


def test_the_phantoms_own_band_is_that_of_its_echoes(random_scan):
    plane, reference = random_scan
    shallow = ReferencePhantom([padded(p, lines=slice(0, 9)) for p in reference.planes], 0.576)
    narrow = ReferencePhantom([replace(p, samples=p.samples[:, 9:]) for p in reference.planes], 0.576)
    bands = [reference_band_mhz(phantom, (100, 300), 104) for phantom in (shallow, narrow)]
    assert bands[0] == pytest.approx(bands[1])


def test_a_plane_or_a_phantom_without_any_echo_is_refused_by_name(random_scan):
    plane, reference = random_scan
    silent = padded(plane)
    with pytest.raises(InputError, match="probe: none of .* windows has an echo"):
        parametric_maps(silent, reference, overlap=0.5)
    with pytest.raises(InputError, match="probe: no window has an echo, expected those of a phantom"):
        parametric_maps(plane, ReferencePhantom([silent], 0.576), overlap=0.5)


@pytest.mark.parametrize("clip", [300, 3])
def test_saturated_or_faint_echoes_are_echoes(random_scan, clip):
    """White noise clipped to a few counts still changes from sample to sample."""
    plane, reference = random_scan
    counts = np.clip(np.rint(1000 * plane.samples), -clip, clip)
    found = parametric_maps(replace(plane, samples=counts.astype(np.int16)), reference, overlap=0.5)
    assert np.isfinite(found.mbf).all()


# --- planes of other sizes


@pytest.mark.parametrize("n_lines", [64, 111, 256, 512])
@pytest.mark.parametrize(("rate_mhz", "depth_mm"), [(20, 20), (40, 50), (100, 80)])
def test_a_plane_of_any_size_mapped_against_its_own_phantom_is_flat(n_lines, rate_mhz, depth_mm):
    """White noise against white noise of the same strength: MBF 0 dB, SS 0 dB/MHz at all depths and widths."""
    rng = np.random.default_rng(2)
    shape = round((depth_mm + 0.1) * 2e-3 / 1540 * rate_mhz * 1e6), n_lines
    planes = [RFPlane(rng.standard_normal(shape, np.float32), rate_mhz * 1e6, 38 / n_lines) for _ in range(2)]
    found = parametric_maps(planes[0], ReferencePhantom(planes[1:], 0.5), overlap=0.5, attenuation_db_cm_mhz=0.5)
    assert found.mbf.shape == (depth_mm - 1, 37)
    assert np.median(found.mbf) == pytest.approx(0, abs=0.3)
    assert np.median(found.ss) == pytest.approx(0, abs=0.3)


def test_a_phantom_of_other_lines_and_pitch_and_of_more_depth_serves(random_scan):
    """What counts is the depth; white noise has the same spectrum on any lines."""
    plane, _ = random_scan
    rng = np.random.default_rng(5)
    other = [RFPlane(rng.standard_normal((900, 64)), 40e6, 0.2, 1488.0) for _ in range(2)]
    found = parametric_maps(plane, ReferencePhantom(other, 0.576), overlap=0.5, attenuation_db_cm_mhz=0.576)
    assert np.median(found.mbf) == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize(("shape", "told"), [((700, 37), "700 samples .* mm\\) deep"), ((731, 6), "window_mm = 2.0")])
def test_a_phantom_shallower_than_the_plane_or_narrower_than_a_window_is_refused(random_scan, shape, told):
    plane, _ = random_scan
    small = replace(plane, samples=plane.samples[: shape[0], : shape[1]], source="phantom.rf")
    with pytest.raises(InputError, match=f"phantom.rf: .*{told}"):
        parametric_maps(plane, ReferencePhantom([small], 0.576))


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
