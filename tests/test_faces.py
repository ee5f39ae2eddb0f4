"""The faces of data and maps: a few public names, and nothing heavy loaded before it is asked for."""

import inspect
import subprocess
import sys

import pytest

import helpers.data
import helpers.maps

HEAVY = ("scipy", "pandas", "skimage", "matplotlib", "h5py", "torch", "pandera")


@pytest.mark.parametrize("face", ["helpers.data", "helpers.maps"])
def test_a_face_loads_nothing_heavy(face):
    told = f"import sys, {face}; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_names_of_the_faces_are_those_of_the_modules():
    from helpers.data import phantom, rf
    from helpers.maps import parametric

    assert helpers.data.RFPlane is rf.RFPlane
    assert helpers.data.read_rf is rf.read_rf
    assert helpers.data.write_rf is rf.write_rf
    assert helpers.data.ReferencePhantom is phantom.ReferencePhantom
    assert helpers.maps.parametric_maps is parametric.parametric_maps
    for face in (helpers.data, helpers.maps):
        assert all(hasattr(face, name) for name in face.__all__)


def test_the_signature_of_the_maps_is_the_published_one():
    parameters = inspect.signature(helpers.maps.parametric_maps).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "plane": inspect.Parameter.empty,
        "reference": inspect.Parameter.empty,
        "region": None,
        "window_mm": 2.0,
        "overlap": 0.95,
        "band_mhz": (3.0, 8.0),
        "attenuation_db_cm_mhz": 1.0,
        "n_bins": 13,
    }
