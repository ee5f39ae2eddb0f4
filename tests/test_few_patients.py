"""Too few patients, one class, no recurrence: the chapters that judge say so and go on; no exception, no NaN, no blank.

The chapters' own code runs on predictions made up for it; every warning is an error here.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import IPython.display
import jupytext
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import stages
from helpers.data.study import MODELS
from pages import chance

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
TRAINING = [("train", False)] * 3 + [("train", True)] * 5


def study(others, recurrence, ids="R{:02d}"):
    """A recorded cohort of its own split; ``others`` are (split, responder) beyond the training patients."""
    rows = TRAINING + others
    names = [ids.format(number) for number in range(len(rows))]
    patients = pd.DataFrame(rows, columns=["split", "responder"], index=pd.Index(names, name="patient"))
    years = np.linspace(1.0, 8.0, len(rows)).round(2)
    patients = patients.assign(duration_years=years, recurrence=recurrence, n_planes=2)
    patients["recurrence"] = patients["recurrence"].to_numpy() & np.ones(len(rows), bool)
    rng = np.random.default_rng(0)
    parts = [
        patients.reset_index()[["patient", "split", "responder"]].assign(
            model=slug, seed=1, probability=rng.uniform(0.2, 0.8, len(rows)).round(3)
        )
        for slug in MODELS
    ]
    return patients, pd.concat(parts, ignore_index=True)


BOTH = [("validation", False), ("validation", True)]
HOSTILE = {
    "no non-responder in the test set": (BOTH + [("test", True)] * 4, True),
    "no responder in the test set": (BOTH + [("test", False)] * 2, True),
    "one non-responder in the test set": (BOTH + [("test", False)] + [("test", True)] * 3, True),
    "one patient of each class": (BOTH + [("test", False), ("test", True)], False),
    "one test patient": ([*BOTH, ("test", True)], False),
    "no test patient": (BOTH, True),
    "one class for validation": ([("validation", True)] + [("test", False)] * 2 + [("test", True)] * 3, False),
}


def run_chapter(name, profile, monkeypatch, patients, predictions):
    """Run a chapter's code; return the texts that it shows, and its figures."""
    shown, figures = [], []
    for kind in ("Markdown", "HTML"):
        monkeypatch.setattr(IPython.display, kind, lambda text: shown.append(text))
    monkeypatch.setattr(plt, "show", lambda: None)
    monkeypatch.setattr(stages, "cohort", lambda *_: patients)
    monkeypatch.setattr(stages, "models", lambda *_: SimpleNamespace(predictions=predictions))
    for slow in ("coverage", "coverage_as_proportion"):
        monkeypatch.setattr(chance, slow, lambda *_, **__: 0.95)
    known = {}
    for cell in jupytext.read(NOTEBOOKS / f"{name}.py").cells:
        if cell.cell_type == "code":
            source = cell.source.replace('profile: str = "laptop"', f"profile: str = {str(profile)!r}")
            exec(compile(source, name, "exec"), known)
            if "figure" in cell.metadata.get("mystnb", {}):
                figure = plt.figure(plt.get_fignums()[-1])
                figures.append(figure)
    return shown, figures


@pytest.fixture
def profile(tmp_path):
    """A profile whose cohort is a recorded one; its folder is not looked at."""
    (tmp_path / "laptop.yml").write_text((NOTEBOOKS / "profiles" / "laptop.yml").read_text())
    (tmp_path / "own.yml").write_text("cohort: somewhere\n")
    yield tmp_path / "own.yml"
    plt.close("all")


def holds_something(ax):
    """Tell whether a panel shows a curve, a mark, an area or a sentence."""
    lines = [line for line in ax.get_lines() if np.isfinite(np.asarray(line.get_ydata(), float)).any()]
    legend = ax.get_legend()
    return bool(lines or ax.collections or [text for text in ax.texts if text.get_text()] or legend)


@pytest.mark.parametrize("chapter", ["10_evaluation", "11_roc", "12_survival"])
@pytest.mark.parametrize("case", HOSTILE)
def test_what_cannot_be_computed_is_told(chapter, case, profile, monkeypatch):
    patients, predictions = study(*HOSTILE[case])
    shown, figures = run_chapter(chapter, profile, monkeypatch, patients, predictions)
    text = re.sub(r"<(style|script).*?</\1>", "", "\n".join(shown), flags=re.S)
    assert not re.search(r"\b(nan|inf)\b", text), text
    assert all(holds_something(ax) for figure in figures for ax in figure.axes)
    assert "R0" not in text
    if chapter == "11_roc" and "responder in the test set" in case and not case.startswith("one"):
        assert re.search(r"Not computed: 0 (non-)?responders in the test set\.", text)
    if case == "no test patient":
        assert "Not computed: 0 patients in the test set." in text
    if case in ("one non-responder in the test set", "one patient of each class"):
        beneath = (
            "too few: 1 non-responder" if chapter == "12_survival" else "Too few: 1 non-responder in the test set."
        )
        assert beneath in text


@pytest.mark.parametrize("recurrence", [False, True])
def test_survival_of_a_cohort_in_which_nobody_or_everybody_recurs(recurrence, profile, monkeypatch):
    patients, predictions = study(BOTH + [("test", False)] * 3 + [("test", True)] * 5, recurrence)
    shown, _ = run_chapter("12_survival", profile, monkeypatch, patients, predictions)
    assert not re.search(r"\b(nan|inf)\b", "\n".join(shown))
    assert ("Not computed: 0 recurrences." in shown) == (not recurrence)
