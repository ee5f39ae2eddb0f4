"""The checklists: every item once, every link to a page that exists, every answer from the run."""

from pathlib import Path

import pandas as pd
import pytest

from helpers.learning.training import MODELS
from helpers.settings import load_settings
from recorded.contract import PLANES
from trust import reporting

NUMBERS = {name: max(what.low, 1) for name, what in PLANES.items() if what.kind in ("number", "whole")}
ROOT = Path(__file__).parents[1]
MADE = ("data", "decisions", "provenance")  # pages that are written when the book is rendered
# the parts of items 3, 5, ... of TRIPOD+AI (Collins et al. 2024, table 2); items that are not here have one part
PARTS = {3: 3, 5: 2, 6: 3, 8: 3, 9: 3, 12: 7, 18: 6, 20: 3, 23: 2, 27: 3}


def pages():
    chapters = {path.stem[3:]: reporting.link_to(path) for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.py")}
    prose = {path.stem: f"[{path.stem}](../{path.name})" for path in (ROOT / "book").glob("*.md")}
    return chapters | prose | {name: f"[{name}](../{name}.md)" for name in MADE}


def study(n=20):
    """A tiny study: every second patient a non-responder, every fourth a test patient."""
    names = [f"P{i}" for i in range(n)]
    split = ["test", "train", "train", "test", "validation"] * (n // 5)
    patients = pd.DataFrame(
        {"responder": [i % 2 == 0 for i in range(n)], "recurrence": [i % 5 == 0 for i in range(n)], "split": split},
        index=names,
    )
    predictions = pd.concat([
        pd.DataFrame({"patient": names, "model": slug, "split": split, "responder": patients.responder.to_numpy(),
                      "probability": [i / n for i in range(n)]})
        for slug in MODELS
    ])  # fmt: skip
    return patients, predictions


def test_every_item_of_tripod_ai_once():
    expected = [f"{i}{'abcdefg'[part] if i in PARTS else ''}" for i in range(1, 28) for part in range(PARTS.get(i, 1))]
    assert reporting.items("tripod_ai").item.tolist() == expected


def test_every_item_of_claim_once():
    assert reporting.items("claim").item.tolist() == [str(i) for i in range(1, 45)]


def test_a_page_is_linked_by_its_number_and_title(tmp_path):
    chapter = tmp_path / "03_maps.py"
    chapter.write_text("# ---\n# %% [markdown]\n# # Parametric maps\n#\n# ## Windows\n")
    assert reporting.link_to(chapter) == "[3 Parametric maps](03_maps.ipynb)"


@pytest.mark.parametrize("checklist", reporting.CHECKLISTS)
def test_every_item_is_answered_with_a_link_to_a_page_that_exists(checklist):
    table = reporting.items(checklist)
    assert (table != "").all().all()
    assert set(table.chapter) <= set(pages())
    filled = reporting.filled(checklist, reporting.facts(*study(), load_settings("smoke")), pages())
    assert filled.item.tolist() == table.item.tolist()
    assert not filled.answer.str.contains(r"[{}]|nan").any()


def test_numbers_come_from_the_run():
    known = reporting.facts(*study(), load_settings("smoke"))
    assert (known["n"], known["n_train"], known["n_validation"], known["n_test"]) == (20, 8, 4, 8)
    assert (known["lost_test"], known["events"], known["events_test"]) == (4, 4, 4)
    assert known["aucs"].startswith("ResNet, core 0.5")
    rows = reporting.filled("tripod_ai", known, pages()).set_index("item").answer
    assert "test 8 (4); recurrences 4 of 8 in the test set, 4 of 20 in all" in rows["21"]


@pytest.fixture
def recorded(tmp_path):
    """Settings of a recorded cohort, of which the checklists look at the tables."""

    def of(patients):
        patients.assign(duration_years=1.0).rename_axis("patient").to_csv(tmp_path / "patients.csv")
        lines = [dict.fromkeys(PLANES, "x") | NUMBERS | {"patient": name, "rf_file": name} for name in patients.index]
        pd.DataFrame(lines).to_csv(tmp_path / "planes.csv", index=False)
        return load_settings("smoke", cohort=str(tmp_path))

    return of


def test_a_recorded_cohort_is_not_called_simulated(recorded):
    patients, predictions = study()
    for settings, word in ((load_settings("smoke"), reporting.NOT_APPLICABLE), (recorded(patients), reporting.OWNER)):
        known = reporting.facts(patients, predictions, settings)
        assert reporting.filled("claim", known, pages()).set_index("item").answer["18"] == word
        answers = pd.concat([reporting.filled(name, known, pages()) for name in reporting.CHECKLISTS]).answer
        of_simulated = answers.str.contains("patients are simulated|^simulated", case=False)
        assert of_simulated.any() == (word == reporting.NOT_APPLICABLE)


def test_how_patients_were_split_is_told_as_it_was(recorded):
    patients, predictions = study()
    own = patients.drop(columns="split")
    for settings_of, told in (
        (lambda: load_settings("smoke"), "the paper's share"),
        (lambda: recorded(patients), "as the cohort's own table says"),
        (lambda: recorded(own), "the cohort's own share"),
    ):
        known = reporting.facts(patients, predictions, settings_of())
        assert told in reporting.filled("tripod_ai", known, pages()).set_index("item").answer["12a"]


def test_a_missing_class_or_part_is_told():
    patients, predictions = study()
    kept = patients[patients.responder | (patients.split != "test")]
    known = reporting.facts(kept, predictions[predictions.patient.isin(kept.index)], load_settings("smoke"))
    assert known["aucs"] == "not computed: 0 non-responders in the test set"
    known = reporting.facts(
        *(table[table.split != "test"] for table in (patients, predictions)), load_settings("smoke")
    )
    assert (known["aucs"], known["test_share"]) == ("not computed: 0 patients in the test set", "(of nobody)")


def test_a_page_that_does_not_exist_is_named():
    known = reporting.facts(*study(), load_settings("smoke"))
    with pytest.raises(ValueError, match="claim.csv, item 1: 'index' is unknown"):
        reporting.filled("claim", known, {})
    with pytest.raises(ValueError, match="tripod_ai.csv, item 6b: 'n' is unknown"):
        reporting.filled("tripod_ai", {key: value for key, value in known.items() if key != "n"}, pages())
    with pytest.raises(ValueError, match="stard"):
        reporting.items("stard")
