"""The export, against the simulation that it writes down: what is read back gives the same maps, to the last bit."""

import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
from tiny import PROFILES

from ground.errors import InputError
from helpers import stages
from helpers.data.phantom import bead_backscatter
from helpers.maps.planes import read_maps
from helpers.settings import load_settings
from recorded import export
from recorded.cohort import read_listing, read_patients

SMALL = {"n_patients": 12, "n_test": 4, "n_validation": 4, "n_lines": 48, "n_reference_frames": 1, "processes": 1}
SETTINGS = load_settings(PROFILES / "smoke.yml", **SMALL)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def patients(artifacts):
    """Twelve patients of two planes each: what a plane is like does not depend on how many there are."""
    return stages.cohort(SETTINGS, artifacts).assign(n_planes=2)


@pytest.fixture(scope="module")
def whole(patients, tmp_path_factory):
    return export.write(export.plan(patients, SETTINGS, "BR-07"), tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def degraded(patients, tmp_path_factory):
    return export.write(export.plan(patients, SETTINGS, "101", degraded=True), tmp_path_factory.mktemp("degraded"))


def mapped(folder, artifacts):
    """The maps of a folder's patients, and what is told of them."""
    return stages.maps(SETTINGS.replace(cohort=str(folder)), artifacts)


def simulated_maps(patients, name, artifacts):
    """The maps of one simulated patient."""
    record = patients.loc[name, list(stages.study.ECHO_COLUMNS)]
    stages.map_planes(name, record, SETTINGS, artifacts / f"{name}.h5")
    return list(read_maps(artifacts / f"{name}.h5"))


def test_what_is_read_back_has_the_maps_of_the_simulation_to_the_last_bit(whole, patients, artifacts, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "undivided")  # too few to train on as they are split
    table = pd.read_csv(folder / "patients.csv", dtype=str, keep_default_na=False)
    table.drop(columns="split").to_csv(folder / "patients.csv", index=False)
    read_back = mapped(folder, artifacts)
    for old, new in zip(patients.index[:3], list(read_back.files)[:3], strict=True):
        for one, other in zip(simulated_maps(patients, old, artifacts), read_back.planes(new), strict=True):
            for name in ("mbf", "ss", "si", "esd_um", "eac_db", "depth_mm", "lateral_mm"):
                np.testing.assert_array_equal(getattr(one.maps, name), getattr(other.maps, name))
            np.testing.assert_array_equal(one.core, other.core)
            np.testing.assert_array_equal(one.margin, other.margin)


def test_patients_keep_order_split_and_outcome_and_leave_the_truth_behind(whole, patients):
    table = read_patients(whole)
    assert list(table.index) == [f"BR-{i:02d}" for i in range(7, 19)]
    for name in ("responder", "duration_years", "recurrence", "split", "mr_score", "histology", "er"):
        assert list(table[name]) == list(patients[name])
    assert not set(table) & (set(stages.study.ECHO_COLUMNS) - {"n_planes"} | {"resistance"})


def test_every_file_is_named_and_each_phantom_is_written_once(whole):
    listing = read_listing(whole)
    named = {name for column in ("rf_file", "outline_file", "reference_file") for name in listing[column]}
    named |= set(listing["reference_backscatter_file"])
    there = {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()}
    assert there == named | {"patients.csv", "planes.csv"}
    assert listing.groupby("focus_mm")["reference_file"].nunique().eq(1).all()


def test_no_fit_reads_the_backscatter_between_two_lines_of_its_table(whole):
    """Against the bead model that the simulation divides out."""
    table = pd.read_csv(whole / export.BACKSCATTER_FILE, float_precision="round_trip")
    asked_hz = 1e6 * np.linspace(3, 8, 13)
    read = np.interp(asked_hz / 1e6, table["frequency_mhz"], table["bsc_per_cm_sr"])
    np.testing.assert_array_equal(read, bead_backscatter(asked_hz))
    assert table["frequency_mhz"].is_monotonic_increasing
    assert table["frequency_mhz"].between(1, 15).all()


def test_the_size_is_told_beforehand(whole, patients):
    planned = export.plan(patients, SETTINGS)
    assert planned.n_bytes == sum(path.stat().st_size for path in whole.rglob("*.rf"))
    assert str(planned) == f"12 patients, 24 planes, {planned.n_bytes / 1e6:,.0f} MB"


def test_a_degraded_cohort_has_foreign_ids_and_no_more_than_it_must(degraded, artifacts):
    listing, table = read_listing(degraded), read_patients(degraded)
    assert list(table.index) == [str(i) for i in range(101, 113)]
    assert set(table) == {"responder", "duration_years", "recurrence", "n_planes"}
    assert (listing["reference_backscatter_file"] == "").all()
    assert not set(listing) & set(export.FOCI)
    assert sorted(listing["line_pitch_mm"].unique()) == [60 / 48, 60 / 43]
    plane = stages.recorded.acquire(listing[listing.patient == "102"].iloc[0], degraded).plane
    assert plane.samples.shape == (2519, 43)
    told = mapped(degraded, artifacts).summary
    assert np.isfinite(told["mbf"]).all()
    assert told["esd_um"].isna().all()


def test_two_planes_are_all_that_a_degraded_patient_has(patients):
    planned = export.plan(patients.assign(n_planes=7), SETTINGS, degraded=True)
    assert {one.n_planes for one in planned.patients} == {2}


def test_part_of_a_cohort_has_no_split(patients):
    planned = export.plan(patients, SETTINGS, n_patients=5)
    assert list(planned.table.index) == ["E001", "E002", "E003", "E004", "E005"]
    assert "split" not in planned.table


@pytest.mark.parametrize(
    ("first_id", "expected"),
    [
        ("BR-07", ["BR-07", "BR-08", "BR-09", "BR-10"]),
        ("99", ["99", "100", "101", "102"]),
        ("001", ["001", "002", "003", "004"]),
    ],
)
def test_names_are_counted_up_from_the_first(first_id, expected):
    assert export.counted_up(first_id, 4) == expected


@pytest.mark.parametrize("first_id", ["BR", "BR/07", "../1", "B 1", "1;2"])
def test_a_first_name_that_cannot_be_counted_up_is_refused(first_id):
    with pytest.raises(InputError, match="expected letters, digits"):
        export.counted_up(first_id, 4)


def test_a_recorded_cohort_is_not_exported(patients):
    with pytest.raises(InputError, match="expected 'simulated'"):
        export.plan(patients, SETTINGS.replace(cohort="elsewhere"))


@pytest.mark.parametrize("n_patients", [0, -1, 13])
def test_more_patients_than_there_are_is_refused(patients, n_patients):
    with pytest.raises(InputError, match=f"patients = {n_patients}, expected 1 to 12"):
        export.plan(patients, SETTINGS, n_patients=n_patients)


def test_a_folder_that_holds_something_is_left_alone(patients, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="there is something already"):
        export.write(export.plan(patients, SETTINGS), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("folder", ["", " "])
def test_no_folder_is_refused(folder):
    with pytest.raises(InputError, match="expected a folder"):
        export.new_folder(folder, 1)


def test_too_small_a_disk_is_told_before_anything_is_written(patients, tmp_path, monkeypatch):
    usage = type(shutil.disk_usage(tmp_path))(100, 99, 1)
    monkeypatch.setattr(export.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match="expected room for"):
        export.write(export.plan(patients, SETTINGS), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_nothing_half_written_is_left(patients, tmp_path, monkeypatch):
    def stopped(*of_plane, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "write_rf", stopped)
    with pytest.raises(KeyboardInterrupt):
        export.write(export.plan(patients, SETTINGS), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_whose_name_has_blanks_and_umlauts_is_written(patients, tmp_path):
    planned = export.plan(patients.assign(n_planes=1), SETTINGS, n_patients=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder = export.write(planned, tmp_path / "Träger 1")
    assert (folder / "patients.csv").exists()
