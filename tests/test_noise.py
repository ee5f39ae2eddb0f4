"""Signal and noise against echoes to which noise of a known level was added, and against plain arithmetic."""

import numpy as np
import pytest

from helpers.data.rf import RFPlane
from helpers.maps.noise import effective_frames, mean_power_db, noise_db, snr_db, usable_depths_mm

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
