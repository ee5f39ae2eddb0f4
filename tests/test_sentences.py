"""Sentences that a run makes, word for word: of none, one, several, all, and too few."""

import claims
import compare
import nbformat
import numpy as np
import pandas as pd
import pytest
import words
from test_front import RECORDED, SIMULATED, found

from helpers.settings import load_settings
from pages import echoes, judgement, maps, patients, pda
from reading.results import Result
from trust import audit, pitfalls, reporting
from trust import patients as repeated

FEW = "too few: 2 non-responders"
SETTINGS = load_settings("smoke")


def each(*cases):
    return pytest.mark.parametrize(("given", "said"), cases)


# --- counts


@each((0, "0 responders"), (1, "1 responder"), (2, "2 responders"))
def test_a_number_of_patients(given, said):
    assert judgement.counted(given, "responder") == said


@each((0, "No pair"), (1, "One pair"), (2, "Two pairs"), (6, "Six pairs"), (7, "7 pairs"))
def test_a_number_in_letters(given, said):
    assert claims.counted(given, "pair") == said


@each(
    ((24, 0), "none of them a non-responder"),
    ((24, 1), "one of them a non-responder"),
    ((1, 1), "one of them a non-responder"),
    ((24, 6), "6 of them non-responders"),
    ((24, 24), "all of them non-responders"),
)
def test_how_many_do_not_respond(given, said):
    assert claims.of_them(found(patients=given[:1], lost=given[1:])) == said


@each(("0", "none was"), ("1", "one was"), ("50", "50 were"))
def test_how_many_were_kept(given, said):
    assert claims.kept_unseen(given) == said


def test_the_methods_are_a_sentence_of_one_patient_and_of_many():
    one = claims.abstract(found(patients=(1,), lost=(0,)), RECORDED | {"n_test": "0"})
    assert "judged on 1 recorded patient, none of them a non-responder; none was kept unseen." in one
    many = claims.abstract(found(), SIMULATED)
    assert "judged on 181 simulated patients, 43 of them non-responders; 50 were kept unseen." in many


@each(([], ""), (["MBF"], "MBF"), (["MBF", "SI"], "MBF and SI"), (["MBF", "SI", "EAC"], "MBF, SI and EAC"))
def test_names_in_a_row(given, said):
    assert judgement.listing(given) == said


@each(([], "none"), ([7], "7"), ([7, 8], "7, 8"), (range(1, 8), "3, 4, 5, 6, 7 (and smaller)"))
def test_numbers_in_a_row(given, said):
    assert audit.listed(list(given)) == said
    assert audit.both_listed(list(given), list(given)) == said
    assert audit.both_listed(list(given), [*given, 9]) == f"{said} + 9"


@each((10, "not computed: 10 patients, 11 or more are needed"), (1, "not computed: 1 patient, 11 or more are needed"))
def test_too_few_to_shuffle(given, said):
    assert pitfalls.too_few(given) == said


@each(((0, 0), "(of nobody)"), ((0, 4), "0%"), ((1, 4), "25%"), ((4, 4), "100%"))
def test_a_share(given, said):
    assert reporting.share(*given) == said


@each(([], "–"), ([False], "0.0 % of 1"), ([True, False], "50.0 % of 2"), ([True, True, True], "100.0 %"))
def test_a_percentage_of_who_is_known(given, said):
    assert patients.percent(pd.Series(given, dtype=bool), 3) == said


@each(([], "–"), ([4.0], "4.0 cm"), ([4.0, np.nan], "4.0 cm of 1"), ([4.0, 6.0], "5.0 ± 1.4 cm"))
def test_a_mean_of_who_is_known(given, said):
    assert patients.mean_sd(pd.Series(given, dtype=float), "cm") == said


# --- what is missing, and why


@each(
    ("", ""),
    (FEW, "Too few: 2 non-responders."),
    ("not computed: 0 patients in BR-07", "Not computed: 0 patients in BR-07."),
)
def test_a_reason_is_a_sentence_and_names_keep_their_letters(given, said):
    assert judgement.sentence(given) == said


@each(
    ({"mbf", "ss", "si", "esd_um", "eac_db"}, ""),
    (
        {"mbf", "ss", "si"},
        "ESD and EAC are not mapped: they need the backscatter of the phantom, which is not known here.",
    ),
)
def test_maps_that_are_missing(given, said):
    assert maps.not_mapped(given) == said


@each(
    ((np.nan, np.nan, np.nan), "cannot be estimated"),
    ((0.8, np.nan, np.nan), "0.80 (not computed)"),
    ((0.8, 0.6, 0.9), "0.80 (0.60 to 0.90)"),
)
def test_a_value_with_its_interval(given, said):
    assert judgement.with_interval(given) == said


@each(
    (Result("x", "x", None), "not computed"),
    (Result("x", "x", 0.8), "0.80"),
    (Result("x", "x", 0.8, 0.6, 0.9), "0.80 (0.60–0.90)"),
    (Result("x", "x", 60, -86, 207, form=".0f"), "60 (-86 to 207)"),
    (Result("x", "x", 25, 7, 59, form=".0f", unit="%"), "25 % (7–59)"),
)
def test_a_result(given, said):
    assert given.text == said


# --- who is shown


@each(
    (("", -1), "by rule, so that nobody picks what looks best: of the training patients the one who is nearest"),
    (("P003", -1), "was asked for. Shown is her middle plane."),
    (("P003", 2), "was asked for. Shown is plane 2."),
)
def test_why_a_patient_is_shown(given, said):
    assert said in echoes.why_shown(SETTINGS, *given)


@each(("simulated", "responder P003"), ("some/where", "A responder of the test set"))
def test_a_patient_has_an_id_only_if_she_is_simulated(given, said):
    assert pda.named_patient("responder", "P003", "test", SETTINGS.replace(cohort=given)) == said


@each(
    (["a1"], "one machine: 1 processor minute of training; torch 2.0, commit a1"),
    (["a1", "b2"], "one machine: 2 processor minutes of training; torch 2.0, commits a1, b2"),
)
def test_what_runs_were_made_with(given, said):
    rows = [{"commit": one, "device": "one machine", "versions": {"torch": "2.0"}, "seconds": 60.0} for one in given]
    assert repeated.made_with(pd.DataFrame(rows)) == said


@each((1, "one: 1 simulated patient"), (24, "one: 24 simulated patients"))
def test_whose_run_is_compared(given, said):
    assert compare.whose(compare.Run("one", SETTINGS, {}, pd.DataFrame(index=range(given)), pd.DataFrame())) == said


# --- claims


NONE, CLEAR, LESS = (0.0, -0.1, 0.1), (0.1, 0.02, 0.2), (-0.1, -0.2, -0.02)


@each(
    ((NONE, NONE), "In no map does the margin weigh more than in networks of random weights."),
    ((CLEAR, NONE), "The margin weighs more than in networks of random weights in MBF."),
    ((CLEAR, CLEAR), "The margin weighs more than in networks of random weights in MBF and EAC."),
    (((None,), (None,)), "Whether the margin weighs more than in networks of random weights is not computed."),
)
def test_the_margin(given, said):
    mbf, eac = given
    assert claims.of_margin(found(margin_MBF=mbf, margin_EAC=eac)) == said


@each(
    ((CLEAR, CLEAR), "the margins of both weigh more than with random weights"),
    ((LESS, LESS), "the margins of both weigh less than with random weights"),
    ((CLEAR, NONE), "random weights show as much, or more, in one of the two"),
    ((NONE, NONE), "random weights show as much, or more, in both"),
    (((None,), CLEAR), "not computed of both"),
)
def test_the_verdict_on_the_margin(given, said):
    mbf, eac = given
    told = found(margin_MBF=mbf, margin_EAC=eac)
    assert claims.margin_verdict([told["margin_MBF"], told["margin_EAC"]])[1] == said


@each(
    ((0.03, ""), "The groups that the last network calls differ in recurrence-free survival (log-rank p 0.03)."),
    (
        (0.3, ""),
        "The groups that the last network calls do not clearly differ in recurrence-free survival (log-rank p 0.30).",
    ),
    ((0.3, FEW), f"do not clearly differ in recurrence-free survival (log-rank p 0.30; {FEW})."),
    ((None, "not computed: 0 recurrences"), "Survival of the predicted groups is not computed: 0 recurrences."),
)
def test_survival(given, said):
    value, why = given
    assert claims.of_survival(Result("p", "p", value, why=why), 0.05).endswith(said)


def test_what_the_printed_figures_allow_ends_with_its_link():
    lines = claims.printed_figures(found()).splitlines()
    assert [line[-6:] for line in lines] == ["</a>)."] * 3
    assert "Of 75 figures of the paper that can be computed anew, 48 are reproduced" in lines[0]
    assert "responders in 80 %" in lines[1]


# --- as it is printed


@each(
    ("-0.3 (-0.5 to -.1)", "−0.3 (−0.5 to −.1)"),
    ("-0.000 (-0.00 to -0, -0.05), -0.", "0.000 (0.00 to 0, −0.05), 0."),
    ("+0.00 (0.00 to +0.00), +0.02, +0", "0.00 (0.00 to 0.00), +0.02, 0"),
    ("25% and 75 %", "25\xa0% and 75\xa0%"),
    ("RAN-56, 2026-11-29, 1.7e-05, p-value, 5–30", "RAN-56, 2026-11-29, 1.7e-05, p-value, 5–30"),
    ("`-1` and $-1$, [a](b.html#-1) <a href='#-1'>-1</a>", "`-1` and $-1$, [a](b.html#-1) <a href='#-1'>−1</a>"),
    (
        "````{exercise} X\n```python\nx = -1 % 2\n```\n````\n-1",
        "````{exercise} X\n```python\nx = -1 % 2\n```\n````\n−1",
    ),
    ("| -1 |\n|---:|\n| 1 |", "| −1 |\n|---:|\n| 1 |"),
)
def test_signs_are_typeset_and_code_is_not(given, said):
    assert words.typeset(given) == said == words.typeset(said)


@each(
    ("1 patients, 1 simulated planes", "1 patient, 1 simulated plane"),
    ("11 patients, 0.1 planes, 2–1 frames", "11 patients, 0.1 planes, 2–1 frames"),
    ("Table 1 patients of model 1 patients", "Table 1 patients of model 1 patients"),
)
def test_one_of_a_thing_is_singular(given, said):
    shown = nbformat.v4.new_output("display_data", data={"text/markdown": given})
    assert words.output(shown)["data"]["text/markdown"] == said


def test_an_output_without_words_is_not_shown():
    """A page would name the object that holds them."""
    blank, picture = ({kind: ""} for kind in ("text/markdown", "image/png"))
    outputs = [nbformat.v4.new_output("display_data", data=data) for data in (blank, picture)]
    cell = nbformat.v4.new_code_cell("", outputs=outputs)
    shown = words.chapter(nbformat.v4.new_notebook(cells=[cell]), SIMULATED).cells[0].outputs
    assert [list(one.data) for one in shown] == [["image/png"]]
