"""What can go wrong: the mistakes of chapter 16 must show, and the honest ways must not, on fixed seeds."""

import ast
from pathlib import Path

import jupytext
import numpy as np
import pandas as pd
import pytest
from scipy.stats import f_oneway, mannwhitneyu, norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score
from threadpoolctl import threadpool_limits

from helpers.data import simulation, study
from helpers.settings import load_settings
from pages import chance
from pages.chance import found_aucs
from trust import pitfalls

CHAPTER = Path(__file__).parents[1] / "notebooks" / "16_pitfalls.py"
N_PATIENTS, N_PLANES, N_FEATURES = 60, 4, 20


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums this small are slower on several threads, and much slower beside other work."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def cells():
    """The code of the chapter, cell by cell."""
    return [ast.parse(cell.source) for cell in jupytext.read(CHAPTER).cells if cell.cell_type == "code"]


@pytest.fixture
def lesson(cells):
    """The function of a name as the chapter defines it; ``given`` are variables of earlier cells."""

    def find(name, **given):
        wanted = [node for cell in cells for node in cell.body if is_import(node) or getattr(node, "name", "") == name]
        exec(compile(ast.Module(wanted, []), CHAPTER, "exec"), given)
        return given[name]

    return find


def is_import(node):
    return isinstance(node, ast.Import | ast.ImportFrom)


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


# --- lessons: the chapter's own cells


def test_planes_of_one_patient_on_both_sides_look_like_a_signal(planes, lesson):
    split_of_planes, (table, patient) = lesson("split_of_planes"), planes
    rows = pitfalls.mean_interval(pitfalls.repeated(lambda rng: split_of_planes(table, patient, rng), 10))
    assert rows.loc["planes split", "low"] > 0.8
    assert rows.loc["patients split", "mean"] == pytest.approx(0.5, abs=0.06)


def test_without_sisters_both_splits_are_one(features, lesson):
    """The chapter's first exercise."""
    split_of_planes = lesson("split_of_planes")
    found = pitfalls.repeated(lambda rng: split_of_planes(features, features.index.to_numpy(), rng), 8).mean()
    assert found["planes split"] == pytest.approx(0.5, abs=0.12)
    assert found["planes split"] == pytest.approx(found["patients split"], abs=0.12)


def test_features_chosen_on_all_patients_find_signal_in_random_numbers(features, lesson):
    """Ambroise and McLachlan 2002."""
    fitted_on_all = lesson("fitted_on_all")
    found = pitfalls.repeated(lambda rng: fitted_on_all(features, rng, n_random=500), 6).mean()
    assert found["chosen on all"] > 0.75
    assert found["chosen on training"] == pytest.approx(0.5, abs=0.12)
    assert found["scaled on all"] == pytest.approx(found["scaled on training"], abs=0.03)


def test_honest_scaling_and_choice_against_a_plain_loop(features, lesson):
    """Means, SDs and F from the training patients of each fold alone; some patients lie far out, and move them."""
    far = features.copy()
    far.iloc[::7] *= 1000.0
    found = lesson("fitted_on_all")(far, np.random.default_rng(5), n_random=30)
    rng = np.random.default_rng(5)
    positive = pitfalls.shuffled(far.index, rng).to_numpy()
    values = np.hstack([far, rng.standard_normal((len(far), 30))])
    expected = {"scaled on training": [], "chosen on training": []}
    for train, test in pitfalls.folds_of(positive, rng):
        scaled = (values - values[train].mean(0)) / values[train].std(0)
        ratio = f_oneway(scaled[train][positive[train]], scaled[train][~positive[train]]).statistic
        for name, kept in zip(expected, (np.arange(len(ratio)), np.sort(np.argsort(ratio)[-10:])), strict=True):
            model = LogisticRegression(max_iter=2000).fit(scaled[np.ix_(train, kept)], positive[train])
            score = model.predict_proba(scaled[np.ix_(test, kept)])[:, 1]
            expected[name].append(roc_auc_score(positive[test], score))
    for name, values in expected.items():
        assert found[name] == pytest.approx(np.mean(values), abs=1e-9)
    assert found["scaled on all"] != found["scaled on training"]
    assert found["chosen on all"] != found["chosen on training"]


def test_the_epoch_by_hand(monkeypatch, lesson):
    curves = {"validation": np.array([0.5, 0.9, 0.6]), "test": np.array([0.7, 0.4, 0.6])}
    monkeypatch.setattr(pitfalls, "aucs_by_epoch", lambda *_: curves)
    found = lesson("choice_of_epoch", features=None)(None)
    assert found == {"best on test": 0.7, "last": 0.6, "best on validation": 0.4}


def test_best_epoch_on_test_looks_like_a_signal_and_the_honest_one_does_not(features, lesson):
    choice_of_epoch = lesson("choice_of_epoch", features=features)
    found = pitfalls.repeated(lambda rng: choice_of_epoch(rng, epochs=12), 8)
    assert (found["best on test"] >= found["last"]).all()
    assert (found["best on test"] >= found["best on validation"]).all()
    assert found["best on test"].mean() > 0.55
    assert found["best on validation"].mean() == pytest.approx(0.5, abs=0.12)


def test_threshold_chosen_on_test_beats_the_share_of_the_majority(lesson):
    found = pitfalls.repeated(lesson("choice_of_threshold", n_positive=10, n_negative=40), 400)
    assert (found["accuracy, chosen on test"] >= 0.8).all()  # calling nobody is one of the thresholds
    assert found["accuracy, fixed"].mean() == pytest.approx(0.5, abs=0.01)
    assert found["balanced, fixed"].mean() == pytest.approx(0.5, abs=0.02)
    assert found["balanced, chosen on test"].mean() > 0.56


def test_winner_of_more_configurations_looks_better_and_is_not(features, cells):
    [cell] = [cell for cell in cells if "aucs_by_configuration" in ast.unparse(cell)]
    known = {"features": features, "n_repeats": 8, "np": np, "pd": pd, "pitfalls": pitfalls}
    exec(compile(cell, CHAPTER, "exec"), known)
    best = known["best"].groupby("tried")[["validation", "test"]].mean()
    assert list(best.index) == [1, 3, 10, 30, 100]
    assert best.loc[100, "validation"] > best.loc[1, "validation"] + 0.1
    assert best.loc[100, "test"] == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("auc", [0.7, 0.9])
def test_intervals_hold_as_often_as_the_audit_says(auc, lesson):
    """Against ``chance.coverage_as_proportion``, on the same 4,000 studies."""
    found = lesson("held", level=0.95)(auc)
    assert found["Wald, as if a proportion of 50"] == chance.coverage_as_proportion(auc)
    assert found["DeLong on the logit scale"] == pytest.approx(0.95, abs=0.02)


def test_calls_at_random_by_hand(cells):
    [cell] = [cell for cell in cells if "'balanced accuracy'" in ast.unparse(cell)]
    known = {"n_positive": 10, "n_negative": 40, "np": np, "pd": pd}
    exec(compile(cell, CHAPTER, "exec"), known)
    accuracy = known["calls"]["accuracy"]
    assert (accuracy[0], accuracy[50], accuracy[25]) == (0.8, 0.2, 0.5)
    assert (known["calls"]["balanced accuracy"] == 0.5).all()


def test_half_the_beads_are_three_decibels_of_concentration_and_no_size(settings, patient, acquired, cells):
    [cell] = [cell for cell in cells if "beads believed" in ast.unparse(cell)]
    setup = [node for one in cells for node in one.body if is_import(node)]
    known = {"scans": {"P": acquired}, "coarse": settings, "heard": settings}
    exec(compile(ast.Module(setup + cell.body, []), CHAPTER, "exec"), known)
    found = pd.DataFrame.from_dict(known["wrong"], orient="index")
    shift = found.loc["beads believed half as many"] - found.loc["as it is"]
    assert shift["eac_db"] == pytest.approx(-10 * np.log10(2), abs=0.01)
    assert shift["esd_um"] == pytest.approx(0, abs=0.01)
    assert shift["mbf"] == 0
    right, low = (found.loc[name] for name in found.index if name.endswith("estimated"))
    assert low["mbf"] == pytest.approx(right["mbf"], abs=0.02)
    lower = found.loc["attenuation believed 0.1 dB/cm/MHz too low"] - found.loc["as it is"]
    path_cm = patient["centre_depth_mm"] / 10
    assert lower["mbf"] == pytest.approx(2 * 0.1 * 5.5 * path_cm, rel=0.15)  # as for the tissue, turned round


# --- what they share


def test_parts_are_the_studys_and_share_nobody():
    positive = pd.Series(np.arange(181) < 43)
    parts = pitfalls.three_parts(positive, np.random.default_rng(0))
    assert {name: len(part) for name, part in parts.items()} == {"train": 100, "validation": 31, "test": 50}
    assert len(np.unique(np.concatenate(list(parts.values())))) == 181


def test_shuffled_responses_have_the_papers_share():
    found = pitfalls.shuffled(pd.RangeIndex(181), np.random.default_rng(0))
    assert found.sum() == 43
    assert not found.equals(pitfalls.shuffled(pd.RangeIndex(181), np.random.default_rng(1)))


def poisoned(features, seed, parts):
    """Features in which the patients of these parts of a shuffled study lie elsewhere."""
    rng = np.random.default_rng(seed)
    places = pitfalls.three_parts(pitfalls.shuffled(features.index, rng), rng)
    spoilt = features.copy()
    spoilt.iloc[np.concatenate([places[part] for part in parts])] = 1e3 * (1 + np.arange(features.shape[1]))
    return spoilt


def test_scaling_sees_training_patients_alone(features):
    x, truth, parts = pitfalls.shuffled_study(features, np.random.default_rng(7))
    np.testing.assert_allclose(x[parts["train"]].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(x[parts["train"]].std(0), 1)
    again = pitfalls.shuffled_study(poisoned(features, 7, ["validation", "test"]), np.random.default_rng(7))
    np.testing.assert_array_equal(again[0][parts["train"]], x[parts["train"]])
    np.testing.assert_array_equal(again[1], truth)


@pytest.mark.parametrize("curve_of", [pitfalls.aucs_by_epoch, pitfalls.aucs_by_configuration])
def test_test_patients_touch_no_validation_curve(features, curve_of):
    clean = curve_of(features, np.random.default_rng(7), 6)
    spoilt = curve_of(poisoned(features, 7, ["test"]), np.random.default_rng(7), 6)
    np.testing.assert_array_equal(spoilt["validation"], clean["validation"])
    assert (spoilt["test"] != clean["test"]).any()
    assert len(clean["test"]) == 6


def test_folds_are_judged_by_models_that_have_not_seen_them():
    """A tree that remembers every patient: perfect on those it has seen, by chance on others."""

    class Memory:
        def fit(self, x, positive):
            self.known = dict(zip(x[:, 0], positive, strict=True))
            return self

        def predict_proba(self, x):
            return np.array([[0, self.known.get(value, 0.5)] for value in x[:, 0]])

    positive = np.arange(50) % 5 == 0
    folds = pitfalls.folds_of(positive, np.random.default_rng(0))
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(50))
    assert pitfalls.over_folds(Memory(), np.arange(50.0)[:, None], positive, folds) == 0.5


def test_auc_and_accuracies_against_scikit_learn():
    rng = np.random.default_rng(1)
    positive, score = rng.random(40) < 0.3, rng.integers(0, 9, 40).astype(float)
    assert pitfalls.aucs(positive, score) == pytest.approx(roc_auc_score(positive, score))
    called = score >= np.array([2, 5])[:, None]
    for row, plain, balanced in zip(called, *pitfalls.accuracies(positive, called), strict=True):
        assert plain == accuracy_score(positive, row)
        assert balanced == pytest.approx(balanced_accuracy_score(positive, row))


def test_two_models_have_the_aucs_they_were_given():
    """Binormal: AUC = Phi(shift / sqrt 2)."""
    found = found_aucs([0.78, 0.83], 71, 229, 1000, 0.6, study_by_study=True)
    np.testing.assert_allclose(found.mean(0), [0.78, 0.83], atol=0.005)
    few = found_aucs([0.78, 0.83], 10, 40, 1000, 0.6, study_by_study=True)
    assert np.mean(few[:, 0] > few[:, 1]) > 3 * np.mean(found[:, 0] > found[:, 1])


def test_size_carries_the_label_by_half_a_standard_deviation():
    """Two normal classes half an SD apart have an AUC of Phi(0.5 / sqrt 2) = 0.638."""
    size = pd.Series(np.exp(np.random.default_rng(1).standard_normal(50_000)))
    positive = pitfalls.label_of_size(size, np.random.default_rng(2))
    assert positive.mean() == pytest.approx(43 / 181, abs=0.001)
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


def test_interval_of_a_mean_against_students_t_by_hand():
    table = pd.DataFrame({"x": [0.4, 0.5, 0.6]})
    assert tuple(pitfalls.mean_interval(table).loc["x"]) == pytest.approx(
        (0.5, 0.5 - 4.302653 * 0.1 / 3**0.5, 0.5 + 4.302653 * 0.1 / 3**0.5)
    )
    assert "| x  | 0.500 (0.252–0.748) |" in pitfalls.told(table, 0.95)


# --- scanners: on two simulated planes


@pytest.fixture(scope="module")
def settings():
    return load_settings("smoke", n_lines=96, overlap=0.6, n_reference_frames=3)


@pytest.fixture(scope="module")
def patient():
    return study.draw_patients(8, seed=3, effect="none").iloc[1]


@pytest.fixture(scope="module")
def acquired(patient, settings):
    return pitfalls.central_scan(patient, settings)


def test_the_studys_scanner_gives_the_studys_echoes(patient, settings, acquired):
    size = settings.scan.n_lines, settings.scan.depth_cm, settings.scan.n_reference_frames, settings.study.cohort_seed
    expected = simulation.simulated(patient, int(patient["n_planes"]) // 2, *size)
    np.testing.assert_array_equal(acquired.plane.samples, expected.plane.samples)
    assert acquired.reference is expected.reference


def test_wrong_attenuation_moves_mid_band_by_twice_the_path(patient, settings, acquired):
    """Round trip: 2 x error x depth x f, with 5.5 MHz at mid-band."""
    right, wrong = (pitfalls.core_medians(acquired, pitfalls.assume(settings.maps, error)) for error in (0.0, 0.1))
    expected = 2 * 0.1 * 5.5 * patient["centre_depth_mm"] / 10
    assert wrong["mbf"] - right["mbf"] == pytest.approx(expected, rel=0.15)  # a median over depths
    assert wrong["esd_um"] - right["esd_um"] < -3


def test_an_attenuation_below_nothing_is_refused(settings):
    with pytest.raises(ValueError, match="attenuation_db_cm_mhz"):
        pitfalls.assume(settings.maps, -2.0)


def test_another_centre_frequency_needs_its_own_phantom(patient, settings):
    low = {"band_mhz": (2.5, 6.5)}
    ways = {"same": ({}, {}), "own": (low, low), "foreign": (low, {})}
    scans = {name: pitfalls.central_scan(patient, settings, *way) for name, way in ways.items()}
    images, medians = pitfalls.images_and_medians(scans.items(), settings.maps, settings.images)
    assert images.patient.tolist() == list(ways)
    esd_um = medians["esd_um"]
    assert esd_um["own"] == pytest.approx(esd_um["same"], abs=4)
    assert esd_um["foreign"] > esd_um["same"] + 25


def test_small_scatterers_are_the_non_responders():
    found = pitfalls.small_scatterers(study.draw_patients(20, 0), 55.0, 110.0)
    assert found.loc[~found["responder"], "core_esd_um"].max() < found.loc[found["responder"], "core_esd_um"].min()
    assert (~found["responder"]).sum() == 10


def test_what_a_cohort_allows():
    """Three non-responders at the least: one to learn from, one for validation, one for the test."""
    index = pd.Index(range(pitfalls.FEWEST))
    assert pitfalls.shuffled(index, np.random.default_rng(0)).sum() == 3
    assert pitfalls.shuffled(index[1:], np.random.default_rng(0)).sum() == 2
    assert pitfalls.too_few(pitfalls.FEWEST) == ""
    assert pitfalls.too_few(7) == "not computed: 7 patients, 11 or more are needed"


def test_gaps_are_filled_with_the_mean_and_empty_features_left_out():
    table = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [np.nan] * 3, "c": [1.0, 2.0, 3.0]})
    filled = pitfalls.without_gaps(table)
    assert filled.to_dict("list") == {"a": [1.0, 2.0, 3.0], "c": [1.0, 2.0, 3.0]}
    pd.testing.assert_frame_equal(pitfalls.without_gaps(filled), filled)
