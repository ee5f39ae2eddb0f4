"""What can go wrong: the mistake must show, and the honest way must not, on fixed seeds."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu, norm

from helpers.data import simulation, study
from helpers.settings import load_settings
from trust import pitfalls, scanners

N_PATIENTS, N_PLANES, N_FEATURES = 90, 4, 20


@pytest.fixture(scope="module")
def planes():
    """Planes that share their patient's features, and the patient of each."""
    rng = np.random.default_rng(0)
    patient = np.repeat([f"P{i:03d}" for i in range(N_PATIENTS)], N_PLANES)
    shared = np.repeat(rng.standard_normal((N_PATIENTS, N_FEATURES)), N_PLANES, axis=0)
    return pd.DataFrame(shared + 0.5 * rng.standard_normal(shared.shape)), patient


@pytest.fixture(scope="module")
def features(planes):
    table, patient = planes
    return table.groupby(patient).mean()


def test_planes_of_one_patient_on_both_sides_look_like_a_signal(planes):
    table, patient = planes
    found = pitfalls.repeated(lambda rng: pitfalls.split_of_planes(table, patient, rng), 12)
    rows = pitfalls.mean_interval(found)
    assert rows.loc["planes split", "low"] > 0.8
    assert rows.loc["patients split", "mean"] == pytest.approx(0.5, abs=0.05)


def test_without_sisters_both_splits_are_one(features):
    found = pitfalls.repeated(lambda rng: pitfalls.split_of_planes(features, features.index.to_numpy(), rng), 12).mean()
    assert found["planes split"] == pytest.approx(0.5, abs=0.08)


def test_features_chosen_on_all_patients_find_signal_in_random_numbers(features):
    """Ambroise and McLachlan 2002."""
    found = pitfalls.repeated(lambda rng: pitfalls.fitted_on_all(features, rng, n_random=500), 6).mean()
    assert found["chosen on all"] > 0.75
    assert found["chosen on training"] == pytest.approx(0.5, abs=0.1)
    assert found["scaled on all"] == pytest.approx(found["scaled on training"], abs=0.03)


def test_best_epoch_on_test_is_never_below_the_last(features):
    found = pitfalls.repeated(lambda rng: pitfalls.choice_of_epoch(features, rng, epochs=15), 8)
    assert (found["best on test"] >= found["last"]).all()
    assert (found["best on test"] >= found["best on validation"]).all()
    assert found["best on validation"].mean() == pytest.approx(0.5, abs=0.12)


def test_threshold_chosen_on_test_beats_the_share_of_the_majority():
    found = pitfalls.repeated(lambda rng: pitfalls.choice_of_threshold(10, 40, rng), 400)
    assert (found["accuracy, chosen on test"] >= 0.8).all()  # calling nobody is one of the thresholds
    assert found["accuracy, fixed"].mean() == pytest.approx(0.5, abs=0.01)
    assert found["balanced, fixed"].mean() == pytest.approx(0.5, abs=0.02)
    assert found["balanced, chosen on test"].mean() > 0.56


def test_winner_of_more_configurations_looks_better_and_is_not(features):
    found = [pitfalls.configurations(features, np.random.default_rng([3, i]), 30) for i in range(10)]
    best = pitfalls.best_of(found, [1, 30]).groupby("tried")[["validation", "test"]].mean()
    assert best.loc[30, "validation"] > best.loc[1, "validation"] + 0.1
    assert best.loc[30, "test"] == pytest.approx(0.5, abs=0.1)


def test_parts_are_the_studys_and_share_nobody():
    positive = pd.Series(np.arange(181) < 43)
    parts = pitfalls.three_parts(positive, np.random.default_rng(0))
    assert {name: len(part) for name, part in parts.items()} == {"train": 100, "validation": 31, "test": 50}
    assert len(np.unique(np.concatenate(list(parts.values())))) == 181


def test_two_models_have_the_aucs_they_were_given():
    """Binormal: AUC = Phi(shift / sqrt 2)."""
    found = pitfalls.two_models(0.78, 0.83, 71, 229, n_studies=1000)
    np.testing.assert_allclose(found.mean(0), [0.78, 0.83], atol=0.005)
    few = pitfalls.two_models(0.78, 0.83, 10, 40, n_studies=1000)
    assert np.mean(few[:, 0] > few[:, 1]) > 3 * np.mean(found[:, 0] > found[:, 1])


def test_size_carries_the_label_by_half_a_standard_deviation():
    """Two normal classes half an SD apart have an AUC of Phi(0.5 / sqrt 2) = 0.638."""
    size = pd.Series(np.exp(np.random.default_rng(1).standard_normal(50_000)))
    positive = pitfalls.label_of_size(size, np.random.default_rng(2))
    assert positive.mean() == pytest.approx(pitfalls.NON_RESPONDERS, abs=0.001)
    log = np.log(size) / np.log(size).std()
    assert log[positive].mean() - log[~positive].mean() == pytest.approx(0.5, abs=0.02)
    found = mannwhitneyu(size[positive], size[~positive]).statistic / (positive.sum() * (~positive).sum())
    assert found == pytest.approx(norm.cdf(0.5 / np.sqrt(2)), abs=0.01)


def test_a_table_that_holds_the_label_is_read_off_and_noise_is_not():
    rng = np.random.default_rng(4)
    positive = pd.Series(np.arange(120) % 4 == 0)
    tables = {
        "label": pd.DataFrame({"x": positive + 0.5 * rng.standard_normal(120)}),
        "noise": pd.DataFrame(rng.standard_normal((120, 3))),
    }
    found = pitfalls.repeated(lambda rng: pitfalls.read_off(tables, positive, rng), 5).mean()
    assert found["label"] > 0.85
    assert found["noise"] < 0.65


def test_calls_at_random_by_hand():
    found = pitfalls.accuracy_by_calls(10, 40).set_index("called")["accuracy"]
    assert (found[0], found[50], found[25]) == (0.8, 0.2, 0.5)


def test_interval_of_a_mean_against_students_t_by_hand():
    found = pitfalls.mean_interval(pd.DataFrame({"x": [0.4, 0.5, 0.6]})).loc["x"]
    assert tuple(found) == pytest.approx((0.5, 0.5 - 4.302653 * 0.1 / 3**0.5, 0.5 + 4.302653 * 0.1 / 3**0.5))


# --- scanners: on two simulated planes


@pytest.fixture(scope="module")
def settings():
    return load_settings("smoke", n_lines=96, overlap=0.6, n_reference_frames=3)


@pytest.fixture(scope="module")
def patient():
    return study.draw_patients(8, seed=3, effect="none").iloc[1]


@pytest.fixture(scope="module")
def acquired(patient, settings):
    return scanners.scan(patient, 2, settings, scanners.system_of(patient, settings))


def test_the_studys_scanner_gives_the_studys_echoes(patient, settings, acquired):
    size = settings.scan.n_lines, settings.scan.depth_cm, settings.scan.n_reference_frames, settings.study.cohort_seed
    expected = simulation.simulated(patient, 2, *size)
    np.testing.assert_array_equal(acquired.plane.samples, expected.plane.samples)


def test_wrong_attenuation_moves_mid_band_by_twice_the_path(patient, settings, acquired):
    """Round trip: 2 x error x depth x f, with 5.5 MHz at mid-band."""
    found = scanners.wrong_attenuation({"P": acquired}, settings, [0.0, 0.1]).set_index("error_db_cm_mhz")
    expected = 2 * 0.1 * 5.5 * patient["centre_depth_mm"] / 10
    assert found["mbf"].diff().iloc[-1] == pytest.approx(expected, rel=0.15)  # a median over depths
    assert found["esd_um"].diff().iloc[-1] < -3


def test_half_the_beads_are_three_decibels_of_concentration_and_no_size(settings, acquired):
    found = scanners.wrong_phantom(acquired, settings)
    shift = found.loc["beads believed half as many"] - found.loc["as it is"]
    assert shift["eac_db"] == pytest.approx(-10 * np.log10(2), abs=0.01)
    assert shift["esd_um"] == pytest.approx(0, abs=0.01)
    assert shift["mbf"] == 0


def test_another_centre_frequency_needs_its_own_phantom(patient, settings):
    table = pd.DataFrame([patient])
    changes = {"band_mhz": (2.5, 6.5)}
    same = scanners.other_scanner(table, settings, {})[1]
    own = scanners.other_scanner(table, settings, changes)[1]
    foreign = scanners.other_scanner(table, settings, changes, own_phantom=False)[1]
    assert own["esd_um"].iloc[0] == pytest.approx(same["esd_um"].iloc[0], abs=4)
    assert foreign["esd_um"].iloc[0] > same["esd_um"].iloc[0] + 25


def test_small_scatterers_are_the_non_responders():
    found = scanners.small_scatterers(study.draw_patients(20, 0), 55.0, 110.0)
    assert found.loc[~found["responder"], "core_esd_um"].max() < found.loc[found["responder"], "core_esd_um"].min()
    assert (~found["responder"]).sum() == 10
