"""The pipeline: a plane from a seed and the same plane from a file must be one to everything that follows."""

import numpy as np
import pandas as pd
import pytest

from ground.errors import InputError
from ground.keys import closure
from helpers import stages
from helpers.data.rf import write_rf
from helpers.data.simulation import simulated
from helpers.maps.planes import map_plane, read_maps, read_summary
from helpers.settings import load_settings
from recorded import check
from recorded.cohort import RECORDED_COLUMNS

pytestmark = pytest.mark.filterwarnings("ignore:.*saturated")  # by a bright tumour, as in the study; see test_rf
N_PLANES = 2
SMALL = {"n_test": 4, "n_validation": 3, "n_lines": 32, "n_reference_frames": 1, "overlap": 0.5, "processes": 1}


@pytest.fixture(scope="module")
def settings():
    return load_settings("smoke", n_patients=12, **SMALL)


@pytest.fixture(scope="module")
def recorded(recorded_folder):
    return load_settings("smoke", cohort=str(recorded_folder), **SMALL)


@pytest.fixture(scope="module")
def recorded_folder(tmp_path_factory, settings):
    """Simulated patients written as if a scanner had recorded them."""
    folder = tmp_path_factory.mktemp("recorded")
    patients = stages.cohort(settings, folder / "artifacts")
    rows = []
    for name, patient in patients.iterrows():
        for plane in reversed(range(N_PLANES)):
            acquired = stages.simulate(patient, plane, settings)
            write_rf(folder / f"{name}_{plane}.rf", [acquired.plane])
            write_rf(folder / f"{name}_phantom.rf", list(acquired.reference.planes))
            outline = pd.DataFrame(acquired.outline_mm, columns=["lateral_mm", "depth_mm"])
            outline.to_csv(folder / f"{name}_{plane}.csv", index=False)
            pitch = acquired.plane.line_pitch_mm
            files = f"{name}_{plane}.rf", 0, pitch, f"{name}_{plane}.csv", f"{name}_phantom.rf", pitch, 1488.0
            rows.append((name, plane, *files, 0.576, ""))
    pd.DataFrame(rows, columns=RECORDED_COLUMNS).to_csv(folder / "planes.csv", index=False)
    patients[["responder", "duration_years", "recurrence"]].to_csv(folder / "patients.csv")
    return folder


def test_a_plane_from_a_file_is_the_plane_from_the_seed(settings, recorded, tmp_path):
    from_seed = stages.acquire(settings, tmp_path, "P003", 1)
    from_file = stages.acquire(recorded, tmp_path, "P003", 1)
    np.testing.assert_array_equal(from_seed.plane.samples, from_file.plane.samples)
    seed_map, file_map = (map_plane(a, settings.maps) for a in (from_seed, from_file))
    np.testing.assert_array_equal(seed_map.core, file_map.core)
    inside = seed_map.core | seed_map.margin
    np.testing.assert_array_equal(seed_map.maps.mbf[inside], file_map.maps.mbf[inside])


def test_planes_of_a_recorded_patient_come_in_the_order_of_their_numbers(recorded, tmp_path):
    """Against the names of the files; the listing itself is written in another order."""
    sources = [stages.acquire(recorded, tmp_path, "P003", index).plane.source for index in range(N_PLANES)]
    assert [name.split("/")[-1] for name in sources] == ["P003_0.rf, frame 0", "P003_1.rf, frame 0"]


def test_a_recorded_cohort_goes_through_maps_and_images(recorded, tmp_path):
    patients = stages.cohort(recorded, tmp_path)
    assert (patients["n_planes"] == N_PLANES).all()
    assert set(patients["split"]) == {"train", "validation", "test"}
    images = stages.images(recorded, tmp_path)
    assert len(images) == N_PLANES * len(patients)


@pytest.fixture(scope="module")
def mapped(recorded, tmp_path_factory):
    artifacts = tmp_path_factory.mktemp("artifacts")
    return artifacts, stages.maps(recorded, artifacts)


def test_maps_of_a_simulated_cohort_have_their_truth_beside_them(settings, tmp_path):
    patient = ("P003", stages.records(settings, tmp_path, "P003")["P003"])
    path = stages.map_patient(patient, settings, tmp_path)
    summary, planes = read_summary(path), list(read_maps(path))
    assert len(planes) == patient[1]["n_planes"] == summary["plane"].nunique()
    assert summary["true_esd_um"].between(100, 200).all()


def test_maps_are_made_once_and_survive_the_loss_of_one_patient(recorded, mapped):
    artifacts, made = mapped
    times = {name: path.stat().st_mtime_ns for name, path in made.files.items()}
    made.files["P002"].unlink()
    assert stages.maps(recorded, artifacts).files == made.files
    again = {name: path.stat().st_mtime_ns for name, path in made.files.items()}
    assert [name for name in times if again[name] != times[name]] == ["P002"]


def test_maps_read_back_equal_maps_made_anew_within_half_precision(recorded, mapped):
    artifacts, made = mapped
    stored = made.planes("P001")[1]
    anew = map_plane(stages.acquire(recorded, artifacts, "P001", 1), recorded.maps)
    np.testing.assert_allclose(stored.maps.mbf, anew.maps.mbf, atol=0.02)
    np.testing.assert_array_equal(stored.margin, anew.margin)
    assert stored.maps.band_mhz == anew.maps.band_mhz


def test_an_id_that_is_a_path_is_refused():
    with pytest.raises(ValueError, match="letters, digits"):
        stages.file_name("../../etc/passwd")


def test_processes_do_not_change_a_simulated_plane(settings):
    patient = stages.study.draw_patients(8, 0).iloc[3]
    first, second = (simulated(patient, 0, 64, 5.0, 1, 0).plane.samples for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_recorded_maps_do_not_depend_on_how_tissue_is_simulated():
    assert not closure(*stages.RECORDED) & {"helpers.data.tissue", "helpers.data.study", "helpers.data.simulation"}
    assert {"recorded.contract", "helpers.maps.grid"} <= closure(*stages.RECORDED)


@pytest.mark.parametrize(
    ("changes", "n_patients", "sizes"),
    [
        ({"n_test": 8, "n_validation": 5}, 24, (8, 5)),
        ({"n_test": 50, "n_validation": 31, "n_patients": 181}, 24, (7, 4)),  # the settings' shares
        ({"n_test": 50, "n_validation": 31, "n_patients": 24}, 24, (7, 4)),  # the paper's, where these leave nobody
        ({"n_test": 50, "n_validation": 31, "n_patients": 181}, 122, (50, 31)),  # a third is left: 41 of 122
        ({"n_test": 50, "n_validation": 31, "n_patients": 181}, 120, (33, 21)),
        ({"n_test": 1, "n_validation": 1, "n_patients": 181}, 2, (1, 1)),
    ],
)
def test_sizes_leave_a_third_of_a_recorded_cohort_for_training(changes, n_patients, sizes):
    assert check.split_sizes(load_settings("smoke", cohort="folder", **changes).study, n_patients) == sizes


def with_patients(folder, tmp_path, change):
    """A copy of a cohort's tables, the patients changed; no other file is there."""
    patients = change(pd.read_csv(folder / "patients.csv", index_col="patient"))
    patients.to_csv(tmp_path / "patients.csv")
    (tmp_path / "planes.csv").write_text((folder / "planes.csv").read_text())
    return load_settings("smoke", cohort=str(tmp_path), **SMALL)


def test_a_recorded_cohort_is_split_with_its_own_share(recorded_folder, tmp_path):
    half = with_patients(recorded_folder, tmp_path, lambda patients: patients.assign(responder=[True, False] * 6))
    split = stages.cohort(half, tmp_path)
    assert split.groupby("split")["responder"].mean()["test"] == 0.5  # not the paper's 80 %
    assert split["split"].value_counts().to_dict() == {"train": 5, "test": 4, "validation": 3}


def test_a_split_that_is_given_is_used_as_it_is(recorded_folder, tmp_path):
    given = ["train"] * 8 + ["validation"] + ["test"] * 3
    own = with_patients(recorded_folder, tmp_path, lambda table: table.assign(responder=[True, False] * 6, split=given))
    assert stages.cohort(own, tmp_path)["split"].tolist() == given


@pytest.mark.parametrize("change", [{"responder": [False] + [True] * 11}, {"split": ["train"] + ["test"] * 11}])
def test_too_few_patients_to_train_with_are_refused_by_table_and_number(recorded_folder, tmp_path, change):
    settings = with_patients(recorded_folder, tmp_path, lambda table: table.assign(**change))
    with pytest.raises(
        InputError, match=r"patients.csv: \d+ responders and [01] non-responders for training, out of 12"
    ):
        stages.cohort(settings, tmp_path)
