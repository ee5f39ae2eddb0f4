"""Signal and noise against echoes to which noise of a known level was added, and against plain arithmetic."""

from dataclasses import replace

import numpy as np
import pytest

from ground.errors import InputError
from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane
from helpers.data.simulation import System, simulate_phantom, simulate_plane
from helpers.maps.grid import Protocol, own_band_mhz, window_grid
from helpers.maps.noise import mean_power_db, noise_db, without_noise_db
from helpers.maps.parametric import map_windows
from pages.echoes import uniform_tissue
from physics.laboratory import effective_frames, snr_db, usable_depths_mm

RATE_HZ, N_WINDOW = 40e6, 104
BAND_MHZ = np.linspace(3, 8, 6)
STARTS = tuple(range(0, 1496, 52))


def plane(signal, noise, seed=0, decay=0.0):
    """White noise limited to 2-10 MHz that decays with depth, and white noise of all frequencies."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((1600, 96)), axis=0)
    frequency_mhz = np.fft.rfftfreq(1600, 1e6 / RATE_HZ)
    spectrum[(frequency_mhz < 2) | (frequency_mhz > 10)] = 0
    echo = np.fft.irfft(spectrum, 1600, axis=0) * 10 ** (-decay * np.arange(1600)[:, None] / 20)
    return RFPlane(signal * echo + noise * rng.standard_normal((1600, 96)), RATE_HZ, 0.25)


def test_the_level_of_the_noise_is_that_which_was_added():
    """A Hanning gate passes 3/8 of the power of white noise in each sample."""
    expected = 10 * np.log10(0.375 * N_WINDOW * 2.0**2)
    found = noise_db([plane(100, 2.0)], STARTS, N_WINDOW)
    assert np.median(found) == pytest.approx(expected, abs=1.0)  # the lowest of several estimates


def test_the_ratio_is_that_of_the_amplitudes():
    found = snr_db([plane(10, 1.0, seed) for seed in range(4)], STARTS, N_WINDOW, BAND_MHZ)
    assert np.median(found) == pytest.approx(20, abs=1.0)


def test_where_there_is_only_noise_there_is_no_ratio():
    found = snr_db([plane(0, 1.0)], STARTS, N_WINDOW, BAND_MHZ)
    assert np.median(found) < 0


def test_the_usable_depth_is_where_the_echo_sinks_to_the_minimum():
    """40 dB at the surface, 0.03 dB less in every sample: 6 dB at sample 1,133."""
    decaying = [plane(100, 1.0, seed, decay=0.03) for seed in range(6)]
    ratio = snr_db(decaying, STARTS, N_WINDOW, BAND_MHZ)
    centres = np.array(STARTS) + N_WINDOW / 2
    first, last = usable_depths_mm(ratio, centres)
    assert first == centres[0]
    assert last == pytest.approx((40 - 6) / 0.03, abs=80)


def test_the_usable_depths_are_the_longest_run():
    good = np.array([1, 0, 1, 1, 1, 0, 1])[:, None] * np.array([[10.0, 20.0]])
    assert usable_depths_mm(good, np.arange(7.0)) == (2.0, 4.0)
    assert np.isnan(usable_depths_mm(good - 30, np.arange(7.0))).all()


def test_mean_power_is_that_of_a_plain_loop():
    one = plane(1, 1)
    window = np.hanning(N_WINDOW)[:, None] * one.samples[52 : 52 + N_WINDOW].astype(float)
    wave = np.exp(-2j * np.pi * 5e6 * np.arange(N_WINDOW) / RATE_HZ)
    expected = 10 * np.log10((np.abs(wave @ window) ** 2).mean())
    assert mean_power_db([one], (52,), N_WINDOW, np.array([5.0]))[0, 0] == pytest.approx(expected, abs=1e-3)


def test_equal_frames_are_one_and_independent_ones_are_many():
    independent = [plane(1, 0, seed) for seed in range(6)]
    assert effective_frames([independent[0]] * 6) == pytest.approx(1)
    assert effective_frames(independent) == pytest.approx(6, rel=0.01)
    assert effective_frames(independent[:1]) == 1


def test_the_worth_of_correlated_frames_is_that_of_the_spread_of_their_mean():
    """Frames of correlation 0.8, mean power over 200 draws of a small plane."""
    rng = np.random.default_rng(1)
    powers, worth = [], []
    for _ in range(400):
        shared = rng.standard_normal((40, 8))
        frames = [np.sqrt(0.8) * shared + np.sqrt(0.2) * rng.standard_normal((40, 8)) for _ in range(4)]
        powers.append([(frame**2).mean() for frame in frames])
        worth.append(effective_frames([RFPlane(frame, RATE_HZ, 0.25) for frame in frames]))
    spread = np.var(powers, axis=0).mean() / np.var(np.mean(powers, axis=1))
    assert np.mean(worth) == pytest.approx(spread, rel=0.1)


# --- maps leave out what sinks into the noise: the same scatterers with and without it

DEEP = System(n_lines=48, width_mm=12.0, depth_mm=50.0)
ALL, LOUD = Protocol(overlap=0.5), Protocol(overlap=0.5, minimum_snr_db=6.0)


@pytest.fixture(scope="module")
def scans():
    """Plane and phantom without noise and with noise 50 dB below the phantom's echoes near the surface."""
    tissue = uniform_tissue(100.0, 12.0, 0.8, 50.0)
    systems = [replace(DEEP, noise_db=level) for level in (-100.0, -50.0)]
    return [
        (
            simulate_plane(tissue, system, np.random.default_rng(1)),
            simulate_phantom(system, 4, np.random.default_rng(2)),
        )
        for system in systems
    ]


def mapped(scan, protocol):
    return map_windows(*scan, window_grid(*scan, None, protocol), 0.8)


def test_windows_that_sink_into_the_noise_are_left_empty_and_counted(scans):
    """What is kept has the noise's power taken off, and is nearer to the truth; what is left out would not be."""
    clean, noisy = (mapped(scan, ALL) for scan in scans)
    with pytest.warns(UserWarning, match=r"simulated plane: [\d,]+ of [\d,]+ windows are not 6 dB above the noise"):
        kept = mapped(scans[1], LOUD)
    heard = np.isfinite(kept.mbf)
    assert 0.3 < heard.mean() < 0.9
    error, left = np.abs(noisy.mbf - clean.mbf), np.abs(kept.mbf - clean.mbf)[heard]
    assert np.percentile(left, 95) < 1.2
    assert left.mean() < 0.8 * error[heard].mean()
    assert np.median(error[~heard]) > np.percentile(left, 95)
    assert np.mean(heard[: len(heard) // 3]) == 1
    assert np.isnan(kept.esd_um[~heard]).all()


def test_without_noise_no_window_is_left_out(scans):
    for name in ("mbf", "ss", "esd_um"):
        found, expected = (getattr(mapped(scans[0], protocol), name) for protocol in (LOUD, ALL))
        np.testing.assert_allclose(found, expected, atol=0.06)  # noise of -100 dB is noise, too


def test_noise_is_taken_off_as_arithmetic_has_it():
    """A signal of 10 to 3 and noise of 1, in every one of 13 bins a straight line: what is left is the signal."""
    signal = np.linspace(10, 3, 13)[None, :, None]
    found = without_noise_db(10 * np.log10(signal + 1), np.zeros(1))
    np.testing.assert_allclose(10 ** (found / 10), signal, rtol=0.02)
    weak = without_noise_db(np.full((1, 13, 1), 0.5), np.zeros(1))
    assert weak == pytest.approx(0.5 - 10 * np.log10(2))  # half the power at most
    unknown = without_noise_db(np.full((1, 13, 1), 7.0), np.full(1, np.nan))
    assert unknown == pytest.approx(7.0)


def test_where_sampling_leaves_no_room_above_the_band_noise_is_not_known_and_nothing_is_left_out(scans):
    """Every second sample: the Nyquist frequency is 10 MHz, and 7.5 to 9.5 MHz lie in the pulse's band."""
    halved = [replace(plane, samples=plane.samples[::2], sampling_rate_hz=20e6) for plane in scans[1][1].planes]
    plane = replace(scans[1][0], samples=scans[1][0].samples[::2], sampling_rate_hz=20e6)
    assert np.isnan(snr_db(halved, (100, 500), 52, BAND_MHZ)).all()
    found = mapped((plane, ReferencePhantom(halved, 0.576)), LOUD)
    assert np.isfinite(found.mbf).all()


def test_noise_alone_is_refused(scans):
    rng = np.random.default_rng(3)
    loud = [replace(plane, samples=rng.normal(0, 50, plane.samples.shape)) for plane in scans[0][1].planes]
    with pytest.raises(InputError, match="none of .* windows has an echo 6 dB above the noise"):
        mapped((loud[0], ReferencePhantom(loud[1:], 0.576)), LOUD)


# --- the band that is not chosen


def test_the_band_is_looked_for_around_the_transmit_frequency(scans):
    """A tone at 0.65 MHz, stronger than all echoes, is not taken for the pulse where the file tells what was sent."""
    tone = 2000 * np.sin(2 * np.pi * 0.65 / 40 * np.arange(DEEP.n_samples))[:, None]
    frames = [replace(plane, samples=plane.samples + tone, header={"txf": 6_000_000}) for plane in scans[0][1].planes]
    blind = ReferencePhantom([replace(frame, header={}) for frame in frames], 0.576)
    clean, told = (own_band_mhz(one, 2.0, 104) for one in (scans[0][1], ReferencePhantom(frames, 0.576)))
    np.testing.assert_allclose(told, clean, atol=0.2)
    with pytest.raises(InputError, match=r"its -6 dB band, 0\.\d+ to 1\.\d+ MHz, is narrower than the 1.49 MHz"):
        own_band_mhz(blind, 2.0, 104)


def test_depths_of_noise_alone_do_not_widen_the_band(scans):
    quiet, noisy = (own_band_mhz(reference, 2.0, 104) for _, reference in scans)
    np.testing.assert_allclose(noisy, quiet, atol=0.3)
