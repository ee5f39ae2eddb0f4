"""Two runs held against each other, on runs made up of fifty patients, and runs by name."""

import re

import command as command_line
import compare
import nbformat
import numpy as np
import pandas as pd
import pytest
import runs
import yaml
from fifty import FIRST, POSITIVE, SECOND

from ground.errors import InputError
from helpers.data.study import MODELS
from helpers.judgement.auc import auc_difference, auc_interval
from helpers.judgement.evaluation import proportion_interval
from helpers.settings import load_settings

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IDS = pd.Index([f"BR-{number:02d}" for number in range(len(POSITIVE))], name="patient")


def run_of(name, score, split="test", **changes):
    """A run of fifty patients whose four models say the same."""
    patients = pd.DataFrame({"responder": ~POSITIVE.astype(bool), "split": split}, index=IDS)
    rows = patients.assign(probability=score).reset_index()
    predictions = pd.concat([rows.assign(model=slug) for slug in MODELS], ignore_index=True)
    settings = load_settings("smoke", **changes)
    return compare.Run(name, settings, settings.public(), patients, predictions)


ONE, OTHER = run_of("wide", FIRST, margin_mm=8.0), run_of("laptop", SECOND)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project in which two runs were rendered, the unnamed one of the profile laptop."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks" / "profiles").mkdir(parents=True)
    (tmp_path / "notebooks" / "profiles" / "paper.yml").touch()
    for name, path in (("laptop-0123456789ab", runs.BUILD), ("mine-aaaaaaaaaaaa", runs.BUILD / "runs" / "wide")):
        path.mkdir(parents=True)
        (path / runs.BUILT).write_text(f"my artifacts/runs/{name} {'0' * 64}")
    return tmp_path


# --- names


@pytest.mark.parametrize("name", ["..", "a/b", "a b", "-x", ".hidden", "~", "ä", "x" * 41, "a\n"])
def test_a_name_that_is_a_path_or_a_trick_is_refused(name):
    with pytest.raises(InputError, match="RUN: .*expected a name of at most 40 letters, digits, - and _"):
        runs.place(name)


def test_a_named_run_has_a_place_beside_the_unnamed_one(folder):
    assert runs.place("").as_posix() == "."
    assert runs.place("wide-2_b").as_posix() == "runs/wide-2_b"
    with pytest.raises(InputError, match="'paper' is a profile"):
        runs.place("paper")


def test_runs_are_known_by_name_and_the_unnamed_one_by_its_profile(folder):
    assert runs.folder_of("laptop").as_posix() == "my artifacts/runs/laptop-0123456789ab"
    assert runs.folder_of("wide").name == "mine-aaaaaaaaaaaa"
    with pytest.raises(InputError, match="'wid': no such run has been rendered, did you mean 'wide'"):
        runs.folder_of("wid")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["compare", "--", "laptop"], "RUNS: 'laptop': expected the names of two runs"),
        (["compare", "--", "laptop laptop"], "expected the names of two runs"),
        (["compare", "--", "laptop none"], "'none': no such run has been rendered, there is 'laptop', 'wide'"),
        (["compare", "--", "laptop wide"], "'laptop': my artifacts/runs/laptop-0123456789ab is gone"),
        (["book", "--run", "../x"], "RUN: '../x': expected a name"),
    ],
)
def test_what_cannot_be_compared_or_named_is_one_line(folder, capsys, words, told):
    assert command_line.main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert told in said


# --- what is compared


def test_parameters_that_differ_are_told_and_nobody_s_id_or_folder(tmp_path):
    assert compare.changed(ONE, OTHER).reset_index().to_numpy().tolist() == [["margin_mm", "8.0", "5.0"]]
    (tmp_path / "parameters").mkdir()
    given = {"profile": "x/settings.yml", "artifacts": "a", "patient": "BR-07", "sample_rf": "/home/a.rf", "n_seeds": 3}
    (tmp_path / "parameters" / "03_maps.yml").write_text(yaml.safe_dump(given))
    assert compare.own_parameters(tmp_path) == {"patient": "given", "sample_rf": "given", "n_seeds": 3}


def test_the_same_patients_make_pairs_against_delong():
    told = compare.paired(ONE, OTHER, 0.95)
    value, low, high, p_value = auc_difference(POSITIVE, FIRST, SECOND)
    assert list(told["AUC difference"]) == [f"{value:+.2f} ({low:+.2f} to {high:+.2f})"] * 4
    assert list(told["DeLong p"]) == [f"{p_value:.3f}"] * 4
    only = np.sum((FIRST >= 0.5) == POSITIVE) - np.sum((SECOND >= 0.5) == POSITIVE)
    first, second = map(int, told.iloc[0]["only this / only the other right"].split(" / "))
    assert first - second == only


def test_rows_in_another_order_make_the_same_pairs():
    turned = compare.Run("laptop", OTHER.settings, {}, OTHER.patients[::-1], OTHER.predictions[::-1])
    assert compare.no_pairs(ONE, turned) == ""
    assert compare.paired(ONE, turned, 0.95).equals(compare.paired(ONE, OTHER, 0.95))


def test_other_cohorts_and_other_splits_make_no_pairs():
    told = "\n".join(compare.differences(ONE, OTHER, 0.95))
    assert "are paired" in told
    split = np.where(np.arange(50) % 5, "test", "train")
    told = "\n".join(compare.differences(ONE, run_of("other", SECOND, split), 0.95))
    assert "the split differs: no pairs can be made" in told
    cohort = compare.Run("c", OTHER.settings, {}, OTHER.patients[1:], OTHER.predictions)
    assert "The cohorts differ: no pairs" in "\n".join(compare.differences(ONE, cohort, 0.95))


def test_unpaired_difference_against_newcombe_s_example():
    """Newcombe 1998, Statistics in Medicine 17:873, table II, method 10: 56/70 - 48/80, 0.0524 to 0.3339."""
    value, low, high = compare.difference(proportion_interval(56, 70), proportion_interval(48, 80))
    assert (value, low, high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert compare.difference(auc_interval(POSITIVE, FIRST), auc_interval(POSITIVE, FIRST))[0] == 0


# --- the page


@pytest.fixture
def page(folder, monkeypatch):
    """Render the page of two runs of recorded patients with one figure each; returns its path."""
    for run in runs.rendered().values():
        (run / "chapters").mkdir(parents=True)
        output = nbformat.v4.new_output("display_data", {"image/png": PICTURE})
        told = {"figure": {"name": "fig-survival"}, "image": {"alt": "Two curves of survival that fall"}}
        cell = nbformat.v4.new_code_cell("", outputs=[output], metadata={"mystnb": told})
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), run / "chapters" / "12_survival.ipynb")
    monkeypatch.setattr(compare, "read", {"wide": ONE, "laptop": OTHER}.get)
    private = compare.publish.Private(ids=frozenset(IDS), known="")
    monkeypatch.setattr(compare.publish, "private_of", lambda run: private)
    return lambda: compare.render(["laptop", "wide"])


def test_the_page_holds_both_runs_and_no_patient(page):
    path = page()
    assert path.as_posix() == "_build/compare/laptop-wide.html"
    text = path.read_text()
    assert [text.count(f"<h2>{part}") for part in ("Changed", "Table 2", "ROC", "Differences", "Survival")] == [1] * 5
    assert text.count("<img") == 3
    assert text.count("data:image/svg+xml;base64,") == 1  # curves are lines
    assert text.count(f"data:image/png;base64,{PICTURE}") == 2
    assert "margin_mm" in text
    assert not re.search(r"BR-\d\d|%[A-Z]+%|nan", re.sub(r"data:image[^\"]+", "", text))


def test_a_page_that_tells_of_a_patient_is_not_put_in_place(page, monkeypatch):
    monkeypatch.setattr(compare, "whose", lambda run: "BR-07 is one of them")
    with pytest.raises(RuntimeError, match="a patient's id"):
        page()
    assert not (runs.BUILD / "compare").exists()
