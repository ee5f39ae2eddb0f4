"""Which attenuation maps are corrected for: told with the plane, estimated from its echoes, or assumed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.data.acquisition import Acquisition
from helpers.data.simulation import System, simulate_phantom, simulate_plane
from helpers.data.tissue import Tissue
from helpers.maps.attenuation import estimated
from helpers.maps.planes import attenuation_of, map_plane, protocol_of, read_maps, summary_of, write_maps
from helpers.settings import load_settings
from pages import echoes

SETTINGS = load_settings(
    "smoke", overlap=0.5, tumour_attenuation_db_cm_mhz=1.4, background_attenuation_db_cm_mhz=0.4, minimum_snr_db=6.0
)


def scanned(core_mm=(30.0, 22.0), **told):
    """A simulated tumour of 1.3 in tissue of 0.6 dB/cm/MHz, with what its record tells of them."""
    system = System(n_lines=128, depth_mm=45.0)
    core = echoes.elliptic_outline(core_mm, 24.0, 14.0)
    tissue = echoes.uniform_tissue(110.0, 15.0, 0.6, 45.0)
    z, x = np.arange(0, 46, 0.5), np.arange(0, 60.5, 0.5)
    away = np.hypot((x - 30) / 17, ((z - 22) / 12)[:, None])
    uniform = [np.full((len(z), len(x)), getattr(tissue, name)[0, 0]) for name in ("esd_um", "eac_db")]
    layered = Tissue(*uniform, np.where(away < 1, 1.3, 0.6), z, x)
    rng = np.random.default_rng(0)
    plane, reference = simulate_plane(layered, system, rng), simulate_phantom(system, 6, rng)
    return Acquisition(plane, reference, core, layered, **told)


@pytest.fixture(scope="module")
def tumour():
    return scanned()


def used(acquired, way):
    choices = SETTINGS.replace(attenuation=way).maps
    return attenuation_of(acquired, *acquired.regions(5.0), choices)


def test_attenuation_is_estimated_inside_and_outside_the_tumour(tumour):
    inside, outside = used(tumour, "estimate")
    assert inside == pytest.approx(1.3, abs=0.12)
    assert outside == pytest.approx(0.6, abs=0.05)
    assert used(tumour, "assumed") == (1.4, 0.4)


def test_a_plane_s_own_attenuation_comes_before_any_other(tumour):
    for way in ("estimate", "assumed"):
        told = used(replace(tumour, attenuation_db_cm_mhz=(1.1, 0.7)), way)
        assert told == (1.1, 0.7)
    inside, outside = used(replace(tumour, attenuation_db_cm_mhz=(None, 0.7)), "assumed")
    assert (inside, outside) == (1.4, 0.7)


def test_maps_follow_the_attenuation_that_was_used(tumour, tmp_path):
    choices = SETTINGS.replace(attenuation="estimate").maps
    found = map_plane(tumour, choices)
    told = map_plane(replace(tumour, attenuation_db_cm_mhz=found.attenuation_db_cm_mhz), choices)
    np.testing.assert_array_equal(found.maps.esd_um, told.maps.esd_um)
    rows = summary_of("001", 0, found, tumour)
    assert {(row["attenuation"], row["background_attenuation"]) for row in rows} == {found.attenuation_db_cm_mhz}
    path = tmp_path / "maps.h5"
    write_maps(path, [found], pd.DataFrame(rows))
    [again] = read_maps(path)
    assert again.attenuation_db_cm_mhz == found.attenuation_db_cm_mhz
    assert np.nanmedian(found.maps.esd_um[found.core]) == pytest.approx(110, rel=0.05)


def test_what_cannot_be_estimated_is_assumed_and_told(tumour):
    flat = np.zeros(tumour.plane.samples.shape, bool)
    flat[1000:1040, 20:60] = True
    protocol = protocol_of(SETTINGS.maps)
    with pytest.warns(
        UserWarning, match=r"region of .* mm depth, expected at least 4 mm .*; the assumed value is used"
    ):
        assert estimated(tumour, flat, flat, protocol) is None
    slanted = np.zeros_like(flat)  # deep enough, but with one window in each column
    for line in range(128):
        slanted[10 * line + 300 : 10 * line + 305, line] = True
    with pytest.warns(UserWarning, match="region of 0.0 mm depth, .*; the assumed value is used"):
        assert estimated(tumour, slanted, flat, replace(protocol, overlap=0.0)) is None
    loud = replace(tumour, reference=replace(tumour.reference, attenuation_db_cm_mhz=4.9))
    whole = np.ones_like(flat)
    with pytest.warns(UserWarning, match=r"attenuation of .* dB/cm/MHz, expected 0 to 5; the assumed value is used"):
        assert estimated(loud, whole, ~whole, protocol) is None
