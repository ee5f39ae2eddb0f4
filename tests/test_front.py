"""The front page and the discussion: what they say follows what was found, in every case that a run can bring."""

import base64
import json
import re
from pathlib import Path

import claims
import front
import nbformat
import pytest
from claims import AGREES, DISAGREES, OPEN, Found

from reading.results import MIME, Result, keep, kept

ROOT = Path(__file__).parents[1]
SIMULATED = {"whose": "simulated", "n_patients": "181", "n_test": "50", "level_percent": "95"}
RECORDED = SIMULATED | {"whose": "recorded", "n_patients": "24", "n_test": "8"}
FEW = "too few: 2 non-responders"
NONE = "not computed: 0 non-responders in the test set"
OF_CLASSES = (
    "auc_1",
    "auc_2",
    "auc_3",
    "auc_4",
    "accuracy",
    "no_information",
    "pairs",
    "gain_margin",
    "gain_attention",
)
OF_CLASSES += ("log_rank_truth", "log_rank_model 4", "hazard_truth", "hazard_model 4")
COUNTS = ("patients", "lost", "pairs", "audited", "reproduced")
USUAL = {
    "patients": (181,),
    "lost": (43,),
    "accuracy": (88, 76, 94),
    "no_information": (80,),
    "pairs": (1,),
    "gain_margin": (0.04, -0.05, 0.13),
    "gain_attention": (0.1, 0.02, 0.18),
    "log_rank_truth": (0.01,),
    "log_rank_model 4": (0.2,),
    "hazard_truth": (2.5, 1.2, 5.0),
    "hazard_model 4": (1.5, 0.6, 3.0),
    "margin_MBF": (0.1, 0.02, 0.2),
    "margin_EAC": (0.1, 0.03, 0.2),
    "lead_networks": (-0.08, -0.13, -0.03),
    "audited": (75,),
    "reproduced": (48,),
    "width": (1.58,),
    "p_accuracy": (0.1,),
    "luck": (21,),
} | {f"auc_{model}": (0.8, 0.62, 0.91) for model in claims.MODELS}


def found(why="", **changed):
    """What a run found: the usual, some of it changed; ``why`` of all that two classes are needed for."""
    told = USUAL | changed
    three = {name: (*values, None, None)[:3] for name, values in told.items()}
    few = {name: why if name in OF_CLASSES else "" for name in told}
    form = {name: ".0f" if name in COUNTS else ".2f" for name in told}
    results = {
        name: Result(name, name, *three[name], form=form[name], why=few[name], at="x", chapter="10") for name in told
    }
    return Found(results, {"10": "Table 2"})


def kinds(found, words=SIMULATED):
    return {row.claim: row.kind for row in claims.judged(found, words)}


def none():
    return found(NONE, **{name: (None,) for name in OF_CLASSES})


def test_a_number_is_kept_in_the_notebook_and_read_again(tmp_path, monkeypatch):
    """As papermill writes it, and out of sight, since myst-nb leaves out what glue hides."""
    shown = []
    monkeypatch.setattr("reading.results.display", lambda data, raw, metadata: shown.append((data, metadata)))
    keep("auc", "test AUC", (0.8, 0.6, 0.9), why=FEW, at="fig-roc")
    keep("p", "log-rank p", float("nan"), form="p", why=NONE)
    outputs = [nbformat.v4.new_output("display_data", data=data, metadata=metadata) for data, metadata in shown]
    cell = nbformat.v4.new_code_cell("", outputs=outputs)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "11_roc.ipynb")
    auc, p = kept(tmp_path / "11_roc.ipynb")
    assert auc == Result("auc", "test AUC", 0.8, 0.6, 0.9, why=FEW, at="fig-roc", chapter="11_roc")
    assert (p.value, p.text, p.few) == (None, NONE, "")
    from myst_nb.ext.glue import extract_glue_data_cell

    assert [key for key, _ in extract_glue_data_cell(cell)] == ["auc", "p"]
    assert cell.outputs == []


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (Result("x", "x", 0.8, 0.6, 0.9), "0.80 (0.60–0.90)"),
        (Result("x", "x", 0.04, -0.05, 0.13, form="+.2f"), "+0.04 (-0.05 to +0.13)"),
        (Result("x", "x", 12.3, form=".0f", unit="µm"), "12 µm"),
        (Result("x", "x", 0.0001, form="p"), "< 0.001"),
        (Result("x", "x", None), "not computed"),
    ],
)
def test_a_number_as_text(result, text):
    assert result.text == text


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (none(), f"No test AUC can be given ({NONE})."),
        (found(FEW), f"The networks reach a test AUC of 0.80, which says little ({FEW})."),
        (found(), "four intervals of four leave out 0.5"),
        (found(auc_4=(0.6, 0.4, 0.8)), "test AUCs of 0.60 to 0.80; three intervals of four leave out 0.5"),
        (found(**{f"auc_{m}": (0.6, 0.4, 0.8) for m in "234"}), "one interval of four leaves out 0.5"),
        (found(**{f"auc_{m}": (0.6, 0.4, 0.8) for m in "1234"}), "no interval of four leaves out 0.5"),
    ],
)
def test_the_abstract_tells_the_aucs_as_they_are(run, sentence):
    assert sentence in claims.abstract(run, SIMULATED)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pairs": (0,)}, "No pair of models can be told apart"),
        ({"pairs": (1,)}, "One pair of models can be told apart"),
        ({"pairs": (3,)}, "Three pairs of models can be told apart"),
        ({"log_rank_model 4": (0.03,)}, "calls differ in recurrence-free survival"),
        ({"log_rank_model 4": (0.3,)}, "do not clearly differ in recurrence-free survival"),
        ({}, "random weights in MBF and EAC"),
        ({"margin_MBF": (0.0, -0.1, 0.1)}, "random weights in EAC"),
        ({"margin_MBF": (0, -1, 1), "margin_EAC": (0, -1, 1)}, "In no map does the margin weigh more"),
        ({"margin_MBF": (None,), "margin_EAC": (None,)}, "is not computed"),
        ({}, "a regression on simple features leads"),
        ({"lead_networks": (0.0, -0.1, 0.1)}, "clearly leads"),
        ({"lead_networks": (0.2, 0.1, 0.3)}, "the last network leads a regression"),
    ],
)
def test_each_sentence_follows_its_number(change, sentence):
    assert sentence in claims.abstract(found(**change), SIMULATED)


def test_the_conclusion_is_of_the_run_s_patients():
    simulated, recorded = (claims.abstract(found(), words) for words in (SIMULATED, RECORDED))
    assert "of real ones it says nothing" in simulated
    assert "simulated patients; of real" not in recorded
    assert "patients from elsewhere" in recorded
    assert "181 recorded patients, 43 of them non-responders; 8 were kept unseen" in recorded


def test_without_a_class_or_with_too_few_every_claim_about_classes_is_open():
    """The margin is judged on all patients, whatever their classes."""
    for run in (none(), found(FEW)):
        judged = kinds(run)
        assert judged.pop("the margin carries what the network uses") == AGREES
        assert set(judged.values()) == {OPEN}


@pytest.mark.parametrize(
    ("change", "claim", "kind"),
    [
        ({}, "model 4 reaches the printed AUC", AGREES),
        ({"auc_4": (0.7, 0.45, 0.9)}, "model 4 reaches the printed AUC", OPEN),
        ({"auc_4": (0.6, 0.52, 0.7)}, "model 4 reaches the printed AUC", DISAGREES),
        ({"auc_4": (0.6,)}, "model 4 reaches the printed AUC", OPEN),
        ({}, "the margin adds to the core", OPEN),
        ({}, "attention adds to a plain network", AGREES),
        ({"gain_attention": (-0.1, -0.2, -0.01)}, "attention adds to a plain network", DISAGREES),
        ({}, "model 4 is mostly right", OPEN),
        ({"accuracy": (90, 84, 95)}, "model 4 is mostly right", AGREES),
        ({"accuracy": (50, 36, 64)}, "model 4 is mostly right", DISAGREES),
        ({}, "the true groups differ in survival (log-rank p)", AGREES),
        ({"hazard_truth": (0.4, 0.2, 0.8)}, "the true groups differ in survival (log-rank p)", DISAGREES),
        ({}, "the predicted groups differ in survival (log-rank p)", OPEN),
        ({"margin_MBF": (0, -1, 1)}, "the margin carries what the network uses", OPEN),
        ({"margin_MBF": (0, -1, 1), "margin_EAC": (0, -1, 1)}, "the margin carries what the network uses", OPEN),
        (
            {"margin_MBF": (-3, -4, -1), "margin_EAC": (-3, -4, -1)},
            "the margin carries what the network uses",
            DISAGREES,
        ),
        ({"margin_EAC": (None,)}, "the margin carries what the network uses", OPEN),
    ],
)
def test_a_claim_is_judged_by_its_interval(change, claim, kind):
    assert kinds(found(**change))[claim] == kind


def test_a_cohort_without_backscatter_has_no_claim_of_eac():
    run = found()
    del run["margin_EAC"]
    assert kinds(run)["the margin carries what the network uses"] == OPEN
    del run["margin_MBF"]
    assert "the margin carries what the network uses" not in kinds(run)
    assert "is not computed" in claims.abstract(run, RECORDED)


def test_every_kind_of_claim_is_listed_or_said_to_be_missing():
    judged = claims.judged(found(FEW, margin_MBF=(0, -1, 1)), SIMULATED)
    assert claims.listed(judged, AGREES) == "None of the claims above."
    assert claims.listed(judged, OPEN).count("\n") == len(judged) - 1


def test_pages_name_only_blocks_that_are_written(tmp_path):
    told = front.blocks(found(), SIMULATED, tmp_path, "")
    named = [name for page in (ROOT / "book").glob("*.md") for name in front.BLOCK.findall(page.read_text())]
    assert set(named) == set(told)


def test_chapters_keep_every_number_that_is_read():
    """And each under one name."""
    sources = "\n".join(path.read_text() for path in (ROOT / "notebooks").glob("*.py"))
    for name in USUAL:
        stem = re.sub(r"\d$|truth$|model 4$|MBF$|EAC$|margin$|attention$|networks$|mbf$", "", name)
        assert re.search(rf'\bkeep\(\s*f?"{re.escape(stem)}', sources), name


def test_cards_lead_to_where_numbers_are_shown(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_study.ipynb").touch()
    cards = front.numbers(found(FEW))
    assert cards.count(":link: notebooks/10.html#x") == len(set(front.NUMBERS) & set(USUAL))
    assert f"({FEW})" in cards
    doors = front.doors(tmp_path)
    assert "Read" in doors
    assert "Teach" not in doors
    (tmp_path / "teaching.md").touch()
    assert "Teach" in front.doors(tmp_path)


@pytest.mark.parametrize(("words", "whose"), [(SIMULATED, "181 simulated"), (RECORDED, "24 recorded")])
def test_the_band_names_the_run_and_no_folder(words, whose, tmp_path):
    run = tmp_path / "laptop-0123456789ab"
    run.mkdir()
    (run / "settings.yml").write_text("cohort: some/where\nimage_px: 64\ncohort_seed: 3\n")
    assert front.band(run, words) == f"laptop · {whose} patients · 64 px · seed 3"


def test_the_figure_is_that_of_the_chapter_that_draws_it(tmp_path):
    picture = base64.b64encode(b"a picture").decode()
    figure = {"figure": {"name": front.FIGURE, "caption": "Echo."}, "image": {"alt": "Five panels"}}
    cell = {"metadata": {"mystnb": figure}, "outputs": [{"data": {"image/png": picture}}]}
    path = tmp_path / "13_pda.ipynb"
    path.write_text(json.dumps({"cells": [{"metadata": {}}, cell]}))
    told = front.figure([path], tmp_path)
    assert (tmp_path / "overview.png").read_bytes() == b"a picture"
    assert ":alt: Five panels" in told
    assert "Echo." in told
    path.write_text('{"cells": []}')
    with pytest.raises(ValueError, match="no chapter draws fig-overview"):
        front.figure([path], tmp_path)


def test_results_hold_nothing_of_single_patients():
    """A label names whose they are, never who: chapters keep numbers of cohorts."""
    assert MIME.endswith("text/plain")
    assert front.results(found()).count("\n") == len(USUAL) + 1
