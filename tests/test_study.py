"""The simulated patients, against the paper's cohort and against what they claim about themselves."""

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from scipy.stats import chi2_contingency
from sklearn.metrics import roc_auc_score

from beyond import oracle
from ground.errors import InputError
from helpers.data import study
from pages import patients as tables
from pages import printed


@pytest.fixture(scope="module")
def patients():
    drawn = study.draw_patients()
    return drawn.assign(split=study.split_patients(drawn["responder"], 50, 31, 3))


@pytest.fixture(scope="module")
def many():
    return study.draw_patients(20_000, seed=3)


def test_counts_are_the_papers(patients):
    assert len(patients) == 181
    assert patients["responder"].sum() == 138
    test, rest = patients[patients["split"] == "test"], patients[patients["split"] != "test"]
    assert test["responder"].value_counts().to_dict() == {True: 40, False: 10}
    assert rest["responder"].value_counts().to_dict() == {True: 98, False: 33}
    assert (patients["split"] == "validation").sum() == 31


def test_response_is_mr_3_and_above(patients):
    assert (patients["responder"] == (patients["mr_score"] >= 3)).all()
    assert set(patients["mr_score"]) == {1, 2, 3, 4, 5}
    shrinkage = 1 - patients["residual_size_cm"] / patients["initial_size_cm"]
    assert (shrinkage[patients["mr_score"] == 5] == 1).all()
    assert (shrinkage[patients["mr_score"] <= 2] < 0.35).all()  # sizes are rounded to 0.1 cm


def test_table_1_is_near_the_papers(patients, many):
    assert patients["initial_size_cm"].mean() == pytest.approx(5.2, abs=0.6)
    for name, share in (("er", 0.634), ("pr", 0.547), ("her2", 0.343)):
        assert many[name].mean() == pytest.approx(share, abs=0.03)
    assert many["age_years"].mean() == pytest.approx(50.6, abs=0.5)


def test_oracle_is_where_the_study_declares_it(many):
    core = roc_auc_score(~many["responder"], oracle.oracle_score(many, oracle.CORE_TRAITS))
    both = roc_auc_score(~many["responder"], oracle.oracle_score(many, tuple(study.TRAITS)))
    assert 0.85 < both < 0.92
    assert 0.75 < core < both


def test_without_an_effect_tissue_says_nothing():
    many = study.draw_patients(20_000, seed=5, effect="none")
    for name in study.TRAITS:
        assert roc_auc_score(~many["responder"], many[name]) == pytest.approx(0.5, abs=0.02)


@pytest.fixture(scope="module", params=study.SIGNALS[1:])
def other(request):
    """Many patients under one of the other truths."""
    return request.param, study.draw_patients(20_000, seed=9, signal=request.param)


def test_other_truths_leave_every_trait_alone_without_a_word_on_response(other):
    """The five traits of the base effect, size and place: none of them alone tells responders from the others."""
    signal, drawn = other
    for name in (*study.TRAITS, "width_mm", "height_mm", "attenuation_factor", "n_planes"):
        assert roc_auc_score(~drawn["responder"], drawn[name]) == pytest.approx(0.5, abs=0.02), name
    assert drawn["responder"].mean() == pytest.approx(138 / 181, abs=0.001)


def test_other_truths_are_about_as_strong_as_all_traits_together(many, other):
    """Correlation of resistance with the one property, and with the oracle's score of the base effect."""
    signal, drawn = other
    found = np.corrcoef(study.followed(drawn, signal), drawn["resistance"])[0, 1]
    base = np.corrcoef(oracle.oracle_score(many, tuple(study.TRAITS)), many["resistance"])[0, 1]
    assert found == pytest.approx(study.ONE_LOADING, abs=0.05)  # a little less where the property has a limit
    assert base == pytest.approx(study.ONE_LOADING, abs=0.03)
    score = oracle.oracle_score(drawn, oracle.CORE_TRAITS, signal=signal)
    assert roc_auc_score(~drawn["responder"], score) > 0.8


def test_an_interaction_is_in_both_signs_and_in_neither_alone():
    """By hand: four quadrants of core ESD and EAC; responders are fewer where both deviate to the same side."""
    drawn = study.draw_patients(20_000, seed=9, signal="interaction")
    above = [drawn[name] > study.TRAITS[name].mean for name in ("core_esd_um", "core_eac_db")]
    share = drawn["responder"].groupby([above[0], above[1]]).mean()
    assert share[True, True] == pytest.approx(share[False, False], abs=0.03)
    assert share[True, False] == pytest.approx(share[False, True], abs=0.03)
    assert share[True, False] - share[True, True] > 0.3


def test_other_truths_share_their_tumours_and_the_first_has_the_patterns_of_all_alike(patients):
    drawn = [study.draw_patients(50, seed=9, signal=signal) for signal in study.SIGNALS[1:]]
    for table in drawn[1:]:
        pd.testing.assert_frame_equal(table[list(study.ECHO_COLUMNS)], drawn[0][list(study.ECHO_COLUMNS)])
    assert (patients["core_correlation_mm"] == study.CORRELATION_MM).all()
    assert (patients["core_arrangement"] == 0).all()


@pytest.mark.parametrize(("name", "value"), [("signal", "means"), ("effect", "double")])
def test_an_unknown_truth_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"{name} = '{value}', expected one of \["):
        study.draw_patients(**{name: value})


def test_the_reversed_effect_turns_every_sign(many):
    turned = study.draw_patients(20_000, seed=6, effect="reversed")
    for name in study.TRAITS:
        sum_of_aucs = roc_auc_score(~many["responder"], many[name]) + roc_auc_score(~turned["responder"], turned[name])
        assert sum_of_aucs == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("name", ["width_mm", "centre_depth_mm", "attenuation_factor", "n_planes", "age_years"])
def test_what_must_not_carry_the_label_does_not(many, name):
    responders, others = many.loc[many["responder"], name], many.loc[~many["responder"], name]
    assert abs(responders.mean() - others.mean()) < 0.06 * many[name].std()


def test_spiculated_outlines_leave_all_other_draws_alone(patients, monkeypatch):
    """Against the cohort without them, whatever their share: the stream is their own."""
    others = patients.drop(columns=["spiculated", "split"])
    monkeypatch.setattr(study, "SPICULATED", 0.9)
    again = study.draw_patients()
    assert (again["spiculated"] != patients["spiculated"]).any()
    pd.testing.assert_frame_equal(again.drop(columns="spiculated"), others)


def test_the_default_cohort_is_the_one_drawn_before_outlines_had_kinds(patients):
    """Against sums of the cohort as it was drawn without the column ``spiculated``."""
    drawn = study.draw_patients(attenuation_spread=0.04)
    expected = {
        "resistance": 6.760102843160077,
        "core_esd_um": 27068.422555950514,
        "attenuation_factor": 181.59386304226632,
        "age_years": 9208.0,
        "width_mm": 5359.656060954121,
        "tissue_seed": 211362159138.0,
        "duration_years": 726.01,
    }
    assert drawn[list(expected)].sum().to_dict() == pytest.approx(expected, rel=1e-9)
    others = [name for name in drawn if name != "attenuation_factor"]  # the default differs in nothing else
    pd.testing.assert_frame_equal(patients[others], drawn[others])
    assert patients["attenuation_factor"].std() == pytest.approx(study.ATTENUATION_SPREAD, rel=0.1)


def test_spiculated_outlines_say_nothing_about_response(many):
    table = pd.crosstab(many["responder"], many["spiculated"])
    assert many["spiculated"].mean() == pytest.approx(study.SPICULATED, abs=0.006)
    assert chi2_contingency(table).pvalue > 0.01
    for name in ("resistance", "core_eac_db", "width_mm", "duration_years"):
        assert roc_auc_score(many["spiculated"], many[name]) == pytest.approx(0.5, abs=0.015)


def test_recurrence_free_survival_at_five_years_against_i_spy_1(many):
    for responder, expected in ((True, 0.735), (False, 0.559)):
        group = many[many["responder"] == responder]
        fitted = KaplanMeierFitter().fit(group["duration_years"], group["recurrence"])
        assert fitted.predict(5.0) == pytest.approx(expected, abs=0.05)  # a Weibull fit to a step curve
    assert many["duration_years"].max() <= 10


def test_tumours_fit_into_the_image(patients):
    assert ((patients["centre_depth_mm"] - patients["height_mm"] / 2) >= 7.9).all()
    assert ((patients["centre_depth_mm"] + patients["height_mm"] / 2) <= 43.1).all()
    assert patients["n_planes"].between(4, 7).all()


def test_split_keeps_patients_apart_and_both_classes_everywhere(patients):
    again = study.split_patients(patients["responder"], 50, 31, 3)
    assert (again == patients["split"]).all()
    assert patients.groupby("split")["responder"].nunique().eq(2).all()
    of_validation = patients.loc[patients["split"] == "validation", "responder"]
    assert of_validation.mean() == pytest.approx(patients["responder"].mean(), abs=0.5 / 31)  # stratified
    with pytest.raises(InputError, match="every part needs"):
        study.split_patients(patients["responder"][:8], 7, 1, 0)


def test_unknown_effects_and_tiny_cohorts_are_refused():
    with pytest.raises(ValueError, match="effect = 'strong'"):
        study.draw_patients(effect="strong")
    with pytest.raises(ValueError, match="n_patients = 3"):
        study.draw_patients(3)


def test_oracle_weights_equal_least_squares_on_many_patients(many):
    names = tuple(study.TRAITS)
    standard = np.column_stack([(many[n] - study.TRAITS[n].mean) / study.TRAITS[n].sd for n in names])
    fitted = standard @ np.linalg.lstsq(standard, many["resistance"], rcond=None)[0]
    assert np.corrcoef(fitted, oracle.oracle_score(many, names))[0, 1] > 0.999


def test_table1_has_the_rows_of_the_papers(patients):
    ours = tables.table1(patients)
    assert set(ours.index) == {"Patients", *printed.printed_table1().index}
    assert ours.loc["Response: responder"].tolist() == ["76.2 %", "74.8 %", "80.0 %"]


@pytest.mark.parametrize(
    ("n_lost", "n_kept", "expected"),
    [
        (
            43,
            138,
            {"train": (24, 76), "validation": (7, 24), "test": (12, 38)},
        ),  # the paper's cohort, 23.8 % everywhere
        (6, 18, {"train": (3, 8), "validation": (1, 4), "test": (2, 6)}),
        (4, 20, {"train": (2, 9), "validation": (1, 4), "test": (1, 7)}),  # at least one everywhere
        (3, 20, {"train": (2, 9), "validation": (0, 4), "test": (1, 7)}),  # two are for training, whatever the sizes
        (2, 9, {"train": (2, 2), "validation": (0, 0), "test": (0, 7)}),
    ],
)
def test_a_cohort_keeps_its_own_share_in_every_part(n_lost, n_kept, expected):
    responder = pd.Series([False] * n_lost + [True] * n_kept)
    sizes = (50, 31) if n_lost == 43 else (8, 5)
    split = study.split_patients(responder, *sizes, 3, None)
    found = {part: (int((~group).sum()), int(group.sum())) for part, group in responder.groupby(split)}
    assert {part: found.get(part, (0, 0)) for part in study.PARTS} == expected


def test_table1_of_required_columns_alone(patients):
    ours = tables.table1(patients[["responder", "split", "n_planes"]])
    assert ours.index.tolist() == ["Patients", "Response: responder", "Response: non-responder"]
    assert ours.loc["Patients"].tolist() == ["181", "131", "50"]


def test_table1_says_of_how_many_a_figure_is_and_what_the_cohort_calls_things(patients):
    some = patients.iloc[:4].assign(split=["train", "train", "train", "test"], responder=[True, False, True, True])
    some = some.assign(age_years=[40.0, np.nan, 50.0, np.nan], histology=["IDC", "a|<b>", None, "IDC"])
    some["er"] = [True, None, False, True]
    ours = tables.table1(some)
    assert ours.loc["Age"].tolist() == ["45.0 ± 7.1 years of 2", "45.0 ± 7.1 years of 2", "–"]
    assert ours.loc["Molecular: ER+"].tolist() == ["66.7 % of 3", "50.0 % of 2", "100.0 %"]
    assert ours.loc["Histology: IDC"].tolist() == ["66.7 % of 3", "50.0 % of 2", "100.0 %"]
    assert "Histology: a&#124;&#60;b&#62;" in ours.index
    assert not [row for row in ours.index if "invasive" in row]  # the study's words, which this cohort does not use
    assert not ours.map(lambda text: "nan" in text).any().any()


def test_parts_without_patients_count_nobody(patients):
    counts = tables.by_split(patients[(patients["split"] == "train") & patients["responder"]])
    assert counts.loc["test"].tolist() == [0, 0, 0]
    assert counts.loc["train", ["non-responders", "responders"]].tolist() == [0, 74]


def test_subgroups_by_hand():
    patients = pd.DataFrame(
        {"treatment": ["TC", "AC-T/D", "TC", None], "er": [True, False, False, None], "pr": [False] * 4, "her2": False}
    )
    found = {name: flag.tolist() for name, flag in tables.subgroups(patients).items()}
    assert found == {
        "treatment: AC-T/D": [False, True, False, False],
        "treatment: TC": [True, False, True, False],
        "ER+ or PR+, HER2−": [True, False, False, False],
        "triple negative": [False, True, True, False],
    }
    assert tables.subgroups(patients[["er"]]) == {}
