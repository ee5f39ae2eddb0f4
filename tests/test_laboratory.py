"""What is asked of a recording of one's own, against scans whose faults are known; and what leaves the book."""

from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest

from helpers.data.phantom import ReferencePhantom, bead_backscatter
from helpers.data.rf import RFPlane
from helpers.maps.grid import Protocol, window_grid
from helpers.maps.parametric import map_windows
from physics.laboratory import export, verdicts
from physics.speckle import Speckle
from physics.uncertainty import uncertainty

HEADER = {"probe": 2, "txf": 10_000_000, "ld": 20}
EVEN = Speckle(0.95, 0.97, 0.02, 50)


def frames(n=4, header=HEADER):
    rng = np.random.default_rng(5)
    return [RFPlane(rng.standard_normal((800, 20)), 40e6, 0.3, header=header) for _ in range(n)]


def held(**given):
    """Which questions were answered by yes."""
    asked = {"sample": frames(1)[0], "phantom": frames(), "off": 0.04, "usable_mm": (1.0, 30.0), "speckle": EVEN}
    return list(verdicts(**asked | given)["holds"] == "yes")


def test_a_sound_scan_is_held_to_be_one():
    assert held() == [True] * 5


@pytest.mark.parametrize(
    ("number", "given"),
    [
        (0, {"sample": frames(1, HEADER | {"txf": 6_666_666})[0]}),
        (1, {"off": 0.3}),
        (2, {"phantom": [frames(1)[0]] * 4}),
        (2, {"phantom": frames(1)}),
        (3, {"usable_mm": (np.nan, np.nan)}),
        (4, {"speckle": Speckle(0.5, 0.97, 0.02, 50)}),
    ],
)
def test_each_fault_is_found_and_no_other(number, given):
    assert held(**given) == [place != number for place in range(5)]


def test_what_differs_and_what_no_header_tells_is_said():
    other = replace(frames(1)[0], header=HEADER | {"probe": 4})
    assert verdicts(other, frames(), 0.0, (1.0, 30.0), EVEN)["found"][0] == "probe 2 and 4"
    silent = replace(other, header={})
    assert verdicts(silent, frames(), 0.0, (1.0, 30.0), EVEN)["found"][0] == "no header tells"


def test_what_is_exported_is_what_was_mapped(tmp_path):
    sample, *phantom = frames()
    reference = ReferencePhantom(phantom, 0.576, bead_backscatter)
    grid = window_grid(sample, reference, None, Protocol(overlap=0.5))
    maps = map_windows(sample, reference, grid, 0.8)
    errors = uncertainty(maps, sample, reference, grid)
    paths = export(tmp_path / "own", maps, errors, {"region": pd.DataFrame({"parameter": ["mbf"], "value": [1.5]})})
    assert [path.name for path in paths] == ["maps.h5", "region.csv"]
    with h5py.File(paths[0]) as file:
        for name in maps.present:
            np.testing.assert_array_equal(file[name], getattr(maps, name))
            np.testing.assert_array_equal(file[f"{name}_standard_error"], getattr(errors, name))
        np.testing.assert_array_equal(file["depth_mm"], maps.depth_mm)
    assert pd.read_csv(paths[1]).to_dict("list") == {"parameter": ["mbf"], "value": [1.5]}
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["maps.h5", "region.csv"]
