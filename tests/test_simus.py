"""Maps of planes from an independent simulator, against differences put into its scatterers.

SIMUS (Garcia 2022, PyMUST) sums the echoes of point scatterers in the frequency domain for every element of the
array: diffraction, focusing, pulse and attenuation are its own, nothing comes from ``helpers.simulation``.
"""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import RFPlane
from helpers.maps.parametric import parametric_maps

pymust = pytest.importorskip("pymust")

C_M_S, SAMPLING_HZ = 1540.0, 44e6  # eight samples a period of 5.5 MHz
FOCUS_MM, PITCH_MM, N_LINES = 15.0, 0.5, 24
TOP_MM, BOTTOM_MM = 7.0, 22.5  # of the scatterers; the first and last window are left out
FEW, MANY = 6, 24  # scatterers per mm^2
SIDE_MM = 2.2  # scatterers farther from a line than this are not heard on it
BAND_MHZ = np.linspace(3, 8, 13)

# nothing scatters in the first millimetres of the tank
pytestmark = pytest.mark.filterwarnings("ignore:.*lines are constant:UserWarning")


def sub_aperture(attenuation_db_cm_mhz):
    """Sixteen elements of an L14-5/60, focused in transmission and reception, and their delays in s."""
    array = pymust.utils.Param()
    array.fc, array.bandwidth, array.fs, array.c = 5.5e6, 75, SAMPLING_HZ, C_M_S
    array.pitch, array.kerf, array.Nelements, array.radius = 0.472e-3, 25e-6, 16, np.inf
    array.attenuation = attenuation_db_cm_mhz
    delays_s = pymust.txdelay(np.zeros(1), np.full(1, FOCUS_MM * 1e-3), array)
    array.RXdelay = delays_s.astype(np.float32)
    return array, delays_s


def scan(x_mm, z_mm, reflection, attenuation_db_cm_mhz, source="SIMUS plane"):
    """Lines of a moving sub-aperture over point scatterers, an ``RFPlane``."""
    array, delays_s = sub_aperture(attenuation_db_cm_mhz)
    options = pymust.utils.Options()
    options.dBThresh, options.ParPool = -60, False
    n_samples, surface = int(2e-3 * BOTTOM_MM / C_M_S * SAMPLING_HZ), round(2 * delays_s.max() * SAMPLING_HZ)
    samples = np.zeros((n_samples, N_LINES), np.float32)
    for line in range(N_LINES):
        away_mm = x_mm - (line + 0.5) * PITCH_MM
        near = np.abs(away_mm) < SIDE_MM
        positions = [1e-3 * of[None, near] for of in (away_mm, z_mm)]
        with threadpool_limits(1):  # its small products only wait for one another on more
            echoes, _ = pymust.simus(*positions, reflection[None, near], delays_s.copy(), array, options)
        echo = echoes.sum(axis=1)[surface:]
        samples[: len(echo), line] = echo[:n_samples]
    return RFPlane(samples, SAMPLING_HZ, PITCH_MM, C_M_S, source, FOCUS_MM)


def points(rng, per_mm2, top_mm=TOP_MM, bottom_mm=BOTTOM_MM):
    """Equal point scatterers at random places: x, z (mm) and reflection."""
    width_mm = N_LINES * PITCH_MM
    n = rng.poisson(per_mm2 * (width_mm + 2 * SIDE_MM) * (bottom_mm - top_mm))
    return rng.uniform(-SIDE_MM, width_mm + SIDE_MM, n), rng.uniform(top_mm, bottom_mm, n), np.ones(n)


def columns(rng, sigma_mm, per_mm=2, step_mm=0.04):
    """Gaussian reflections along random vertical columns, blurred along depth by a Gaussian of SD ``sigma_mm``."""
    x = rng.uniform(-SIDE_MM, N_LINES * PITCH_MM + SIDE_MM, round(per_mm * (N_LINES * PITCH_MM + 2 * SIDE_MM)))
    z = np.arange(TOP_MM, BOTTOM_MM, step_mm)
    wavenumber = 2 * np.pi * np.fft.rfftfreq(len(z), step_mm)
    spectrum = np.fft.rfft(rng.standard_normal((len(x), len(z)))) * np.exp(-((wavenumber * sigma_mm) ** 2) / 2)
    return np.repeat(x, len(z)), np.tile(z, len(x)), np.fft.irfft(spectrum, len(z)).ravel()


def mapped(plane, reference, attenuation_db_cm_mhz, window_mm=2.0, above_mm=TOP_MM, below_mm=BOTTOM_MM):
    """Values of the windows that lie between two depths, side by side so that they are nearly independent."""
    maps = parametric_maps(
        plane, reference, window_mm=window_mm, overlap=0.0, attenuation_db_cm_mhz=attenuation_db_cm_mhz
    )
    within = (maps.depth_mm - window_mm / 2 > above_mm + 0.3) & (maps.depth_mm + window_mm / 2 < below_mm - 0.3)
    return {name: getattr(maps, name)[within].ravel() for name in ("mbf", "ss", "si", "esd_um")}


def mean_and_error(values, of_reference):
    """Mean and its standard error from the scatter of the sample's windows and of the reference's."""
    return values.mean(), np.hypot(values.std() / np.sqrt(values.size), of_reference.std() / np.sqrt(of_reference.size))


def assert_is(values, of_reference, expected, largest_error):
    """The mean is within three standard errors, and the error is small enough to tell."""
    mean, error = mean_and_error(values, of_reference)
    print(f"{mean:.3f} +- {error:.3f}, expected {expected:.3f}")
    assert error < largest_error
    assert abs(mean - expected) < 3 * error, f"{mean:.2f} +- {error:.2f}, expected {expected:.2f}"


@pytest.fixture(scope="module")
def reference():
    """Two frames of few scatterers behind 0.5 dB/cm/MHz."""
    rng = np.random.default_rng(0)
    return ReferencePhantom([scan(*points(rng, FEW), 0.5, f"SIMUS phantom {i}") for i in range(2)], 0.5)


@pytest.fixture(scope="module")
def of_reference(reference):
    """The reference's own frames mapped against it: the scatter of its windows."""
    parts = [mapped(plane, reference, 0.5) for plane in reference.planes]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_four_times_the_scatterers_are_6_db_whatever_the_attenuation(reference, of_reference):
    """Against 10 log10 4, no slope: power of incoherent scatterers grows with their number."""
    sample = mapped(scan(*points(np.random.default_rng(1), MANY), 0.9), reference, 0.9)
    assert_is(sample["mbf"], of_reference["mbf"], 10 * np.log10(4), 0.45)
    assert_is(sample["ss"], of_reference["ss"], 0.0, 0.3)


@pytest.mark.slow
def test_two_layers_differ_by_their_numbers_of_scatterers(reference, of_reference):
    rng, border_mm = np.random.default_rng(2), 15.0
    layers = points(rng, FEW, bottom_mm=border_mm), points(rng, MANY, top_mm=border_mm)
    plane = scan(*(np.concatenate(part) for part in zip(*layers, strict=True)), 0.7)
    upper = mapped(plane, reference, 0.7, below_mm=border_mm)
    lower = mapped(plane, reference, 0.7, above_mm=border_mm)
    assert_is(upper["mbf"], of_reference["mbf"], 0.0, 0.6)
    assert_is(lower["mbf"], of_reference["mbf"], 10 * np.log10(4), 0.6)


def blur_db(sigma_mm, depth_mm):
    """Power that a Gaussian blur along depth leaves of echoes on the axis, (n_bins,), dB.

    A pair of elements at angles t and r sees the wavenumber q = k (cos t + cos r), of which the blur leaves the
    amplitude exp(-q^2 s^2 / 2); for t = r = 0 that is the power exp(-4 k^2 s^2) of a Gaussian form factor.
    """
    elements_mm = 0.472 * (np.arange(16) - 7.5)
    cosine = depth_mm / np.hypot(elements_mm, depth_mm)
    q_per_mm = 2e3 * np.pi * BAND_MHZ / C_M_S * np.add.outer(cosine, cosine)[..., None]
    return 20 * np.log10(np.exp(-((q_per_mm * sigma_mm) ** 2) / 2).mean(axis=(0, 1)))


@pytest.mark.slow
def test_a_gaussian_correlated_field_has_the_diameter_of_its_blur():
    """Against the blur's own spectrum: level, slope, and the diameter 2 a of exp(-0.827 k^2 a^2) fitted to it."""
    rng, sigma_mm = np.random.default_rng(3), 0.034
    white = [scan(*columns(rng, 0.0), 0.5, f"white field {i}") for i in range(3)]
    reference = ReferencePhantom(white, 0.5, backscatter=lambda f_hz: 1e-30 * f_hz**4)  # points scatter as f^4
    own, sample = (
        {name: np.concatenate([part[name] for part in parts]) for name in ("mbf", "ss", "esd_um")}
        for parts in (
            [mapped(plane, reference, 0.5, 3.0) for plane in white],
            [mapped(scan(*columns(rng, sigma_mm), 0.8), reference, 0.8, 3.0) for _ in range(2)],
        )
    )
    expected_db = np.mean([blur_db(sigma_mm, depth_mm) for depth_mm in (9.0, 12.0, 15.0, 18.0, 21.0)], axis=0)
    ss, mbf = np.polyfit(BAND_MHZ - BAND_MHZ.mean(), expected_db, 1)
    assert_is(sample["mbf"], own["mbf"], mbf, 0.4)
    assert_is(sample["ss"], own["ss"], ss, 0.15)
    slope, _ = np.polyfit(BAND_MHZ**2, expected_db, 1)
    a2_um2 = -slope * np.log(10) / 10 / 0.827 * (C_M_S / (2 * np.pi)) ** 2
    squared = sample["esd_um"] ** 2  # linear in the spectrum, as the diameter is not
    assert np.isfinite(squared).all()
    assert_is(squared, squared, 4 * a2_um2, 0.04 * a2_um2 * 4)
