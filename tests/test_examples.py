"""What pages show as examples: who is chosen, by which rule, and what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ground.errors import InputError
from helpers import stages
from helpers.data import study
from helpers.data.rf import RFPlane, read_rf
from helpers.settings import load_settings
from pages import echoes
from physics import laboratory

COHORT = study.draw_patients(60, seed=1).assign(split=["test", "train", "train"] * 20)


def recorded(n_planes, split="train"):
    index = pd.Index([f"BR-{i:02d}" for i in range(len(n_planes))], name="patient")
    return pd.DataFrame({"responder": True, "n_planes": n_planes, "split": split}, index=index)


def test_the_simulated_example_is_the_training_patient_nearest_to_their_medians_and_the_oddest_is_farthest():
    """Against the distance in SDs, by a loop; and she is no outlier in anything."""
    training = COHORT[COHORT["split"] == "train"]
    off = {name: (training[name] - training[name].median()) / training[name].std() for name in echoes.KNOWN}
    away = {patient: sum(off[name][patient] ** 2 for name in echoes.KNOWN) for patient in training.index}
    chosen = echoes.example_patient(COHORT)
    assert chosen == min(away, key=away.get)
    assert echoes.example_patient(COHORT, atypical=True) == max(away, key=away.get)
    assert all(abs(off[name][chosen]) < 2 for name in echoes.KNOWN)


def test_one_nearer_who_is_kept_for_the_test_is_not_shown():
    chosen = echoes.example_patient(COHORT)
    nearer = {name: COHORT[name].where(COHORT.index != "P001", COHORT[name].median()) for name in study.TRAITS}
    assert COHORT.loc["P001", "split"] == "test"
    assert echoes.example_patient(COHORT.assign(**nearer)) == chosen


@pytest.mark.parametrize(
    ("n_planes", "expected"),
    [([2] * 5, "BR-02"), ([2] * 4, "BR-02"), ([1, 3, 3, 9, 1], "BR-02"), ([1, 1, 4, 4], "BR-02"), ([1], "BR-00")],
)
def test_the_recorded_example_is_the_middle_one_of_those_with_the_usual_number_of_planes(n_planes, expected):
    assert echoes.example_patient(recorded(n_planes)) == expected


def test_a_recorded_cohort_without_a_training_patient_still_has_an_example():
    assert echoes.example_patient(recorded([2, 2, 2], split="test")) == "BR-01"
    assert echoes.example_patient(recorded([2, 2, 2]).drop(columns="split")) == "BR-01"


def test_the_middle_plane_is_shown_and_one_that_is_not_there_is_refused():
    patients = recorded([1, 1, 1])
    assert echoes.example(patients) == ("BR-01", 0)
    assert echoes.example(patients.assign(n_planes=4)) == ("BR-01", 2)
    assert echoes.example(patients.assign(n_planes=4), "BR-02", 3) == ("BR-02", 3)
    for asked, told in (
        (("P001", -1), "patient = 'P001'"),
        (("", 2), "plane = 2: expected 0 to 0"),
        (("", -2), "plane = -2"),
    ):
        with pytest.raises(InputError, match=told):
            echoes.example(patients, *asked)


def test_two_examples_are_of_either_response_or_of_none_that_is_told():
    training = COHORT[COHORT["split"] == "train"]
    two = echoes.two_examples(training, load_settings("smoke"))
    assert [bool(training.loc[name, "responder"]) for name in two.values()] == [True, False]
    of_a_lab = load_settings("smoke").replace(cohort="somewhere")
    table = recorded([2, 2, 2])
    chosen = echoes.two_examples(table, of_a_lab)
    assert chosen == {"one patient": "BR-01", "another": "BR-02"}
    assert echoes.two_examples(table.assign(responder=[False, True, False]), of_a_lab) == chosen
    assert echoes.two_examples(table[:1], of_a_lab) == {"one patient": "BR-00"}


def test_the_rule_is_told_in_words_that_are_true():
    settings = load_settings("smoke")
    assert "nearest to their medians" in echoes.why_shown(settings)
    assert "usual number of planes" in echoes.why_shown(settings.replace(cohort="somewhere"))
    assert echoes.why_shown(settings, "P003", 1) == "The patient in the figures was asked for. Shown is plane 1."


def test_nothing_over_a_recorded_plane_tells_whose_it_is():
    settings = load_settings("smoke")
    assert echoes.title_of(settings, "P007", 2) == "P007, plane 2"
    assert "BR" not in echoes.title_of(settings.replace(cohort="somewhere"), "BR-07", 2)


def test_patients_of_known_tissue_stand_beside_a_recorded_cohort(tmp_path):
    settings = load_settings("smoke")
    own = echoes.known_patients(settings, tmp_path)
    beside = echoes.known_patients(settings.replace(cohort="somewhere"), tmp_path)
    pd.testing.assert_frame_equal(own.drop(columns="split"), beside)


def test_a_plane_whose_tissue_is_not_known_is_replaced_by_a_typical_simulated_one(tmp_path):
    settings = load_settings("smoke")
    patient, plane = echoes.example(echoes.known_patients(settings, tmp_path).drop(columns="split"))
    acquired = stages.acquire(settings, tmp_path, patient, plane)
    assert echoes.with_tissue(acquired, settings, tmp_path) is acquired
    instead = echoes.with_tissue(replace(acquired, tissue=None), settings.replace(cohort="somewhere"), tmp_path)
    np.testing.assert_array_equal(instead.plane.samples, acquired.plane.samples)


def frames(*seeds):
    return [RFPlane(np.random.default_rng(s).integers(-900, 900, (300, 41)).astype(np.int16), 40e6, 0.3) for s in seeds]


def test_a_phantom_is_held_against_its_own_other_frame():
    given = frames(1, 2, 3)
    first, last, words = laboratory.two_parts(given)
    assert (first, last) == (given[0], given[2])
    assert words == "its last frame against its first"


@pytest.mark.parametrize(("given", "words"), [(frames(1), "one frame"), (frames(1, 2, 1), "same speckle, r = 1.00")])
def test_one_frame_is_never_its_own_other_frame(given, words):
    left, right, told = laboratory.two_parts(given)
    np.testing.assert_array_equal(np.hstack([left.samples, right.samples]), given[0].samples)
    assert words in told


def test_frames_without_an_echo_are_not_alike():
    silent = np.zeros((300, 41), np.int16)
    assert laboratory.correlation(silent, silent) == 0
    assert laboratory.correlation(frames(1)[0].samples, frames(2)[0].samples) == pytest.approx(0, abs=0.05)


def test_a_file_without_its_phantom_is_refused_and_none_is_written(tmp_path):
    assert laboratory.files_or_example("a.rf", "b.rf", tmp_path, 0.3) == ("recorded", "a.rf", "b.rf")
    for given, missing in ((("a.rf", ""), "reference_rf"), (("", "b.rf"), "sample_rf")):
        with pytest.raises(InputError, match=f"{missing} is missing"):
            laboratory.files_or_example(*given, tmp_path, 0.3)
    assert list(tmp_path.iterdir()) == []
    whose, *paths = laboratory.files_or_example("", "", tmp_path, 1.5)
    assert whose == "simulated"
    assert all(read_rf(path, 1.5) for path in paths)
