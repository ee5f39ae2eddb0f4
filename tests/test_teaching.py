"""What a class is handed: the end of every chapter by its contract, answers by hand, notebooks without solutions."""

import base64
import re
import zipfile
from functools import cache
from pathlib import Path

import chapters
import check_html
import exercises
import jupytext
import lessons
import nbformat
import pytest
import students
import words

from ground.errors import InputError
from helpers.settings import load_settings
from reading.answers import ANSWERS
from reading.teaching import check

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob(chapters.CHAPTERS))
BIBLIOGRAPHY = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(), re.MULTILINE))
WORDS = {found for path in CHAPTERS for found in words.PLACE.findall(path.read_text())}
TOLD = dict.fromkeys(WORDS, "1") | {"whose": "simulated", "Whose": "Simulated"}
SECTIONS = ["Exercises", "Questions", "Take-aways", "Further reading"]
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
whoever = pytest.mark.parametrize("hidden", ["if-recorded", "if-simulated"])


@cache
def markdown_cells(chapter):
    return [cell for cell in jupytext.read(chapter).cells if cell.cell_type == "markdown"]


def markdown(chapter, hidden=""):
    """What a chapter says to readers of one kind of cohort."""
    cells = markdown_cells(chapter)
    return "\n\n".join(cell.source for cell in cells if hidden not in cell.metadata.get("tags", []))


def part(text, title):
    """What stands under a heading."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]


# --- the end of every chapter


@each_chapter
@whoever
def test_a_chapter_ends_with_exercises_questions_take_aways_and_reading(chapter, hidden):
    text = markdown(chapter, hidden)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[-4:] == SECTIONS
    assert part(text, "Take-aways").count("\n- ") >= 3 or chapter.stem == "01_study"


@each_chapter
@whoever
def test_exercises_are_of_every_kind_and_one_can_be_checked(chapter, hidden):
    found = list(exercises.exercises(part(markdown(chapter, hidden), "Exercises")))
    assert len(found) >= 4
    assert {one.kind for one in found} == set(exercises.KINDS)
    assert all(5 <= one.minutes <= 120 and one.text.strip() and one.solution.strip() for one in found)
    assert {one.label for one in found} & set(ANSWERS)


@each_chapter
@whoever
def test_three_questions_have_folded_answers(chapter, hidden):
    text = part(markdown(chapter, hidden), "Questions")
    found = [one for one in exercises.DIRECTIVE.finditer(text) if one["kind"] == "dropdown"]
    assert len(found) == 3
    assert all(one["title"].endswith("?") for one in found)
    assert all(len(one["body"]) > 20 for one in found)


@each_chapter
def test_further_reading_is_three_works_of_the_bibliography_with_a_reason(chapter):
    items = re.findall(r"^- \{cite:t\}`(\w+)`: (.{20,})", part(markdown(chapter), "Further reading"), re.MULTILINE)
    assert len({key for key, _ in items}) == 3
    assert {key for key, _ in items} <= BIBLIOGRAPHY


def test_labels_are_unique_and_every_check_has_its_exercise():
    found = [one for chapter in CHAPTERS for one in exercises.exercises(markdown(chapter))]
    labels = [one.label for one in found]
    assert len(labels) == len(set(labels))
    asked = {
        one.label: f'Check: `check("{one.label}", ...)` ({ANSWERS[one.label].unit}).'
        for one in found
        if "Check:" in one.text
    }
    assert set(asked) == set(ANSWERS)
    assert [one.label for one in found if one.label in asked and asked[one.label] not in one.text] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("````{exercise} Name · guess · 5 min\n:label: ex-a\n\nWhy?\n````", "ex-a: 'Name · guess · 5 min'"),
        ("````{exercise} Name · recall · 5 min\n:label: ex-a\n\nWhy?\n````", "ex-a: expected a solution"),
    ],
)
def test_an_exercise_without_kind_or_solution_is_named(text, told):
    with pytest.raises(ValueError, match=told):
        list(exercises.exercises(text))


# --- answers

BY_HAND = {  # from the derivations in the solutions, without the package
    "ex-study-left": 43 - 10 - 7,
    "ex-rf-depth": 30 * 1540 / 1488,
    "ex-rf-samples": 2e-3 / (1540 / 80e6),
    "ex-maps-loss": -0.6,
    "ex-maps-esd": 2e4 * (0.30 / (0.827 * 4.342945 * (2 * 3.14159265 / 0.154) ** 2)) ** 0.5,
    "ex-uncertainty-tilt": 0.576 + 0.45,
    "ex-regions-ring": 1.25,
    "ex-regions-wide": 3.0,
    "ex-images-scaled": 0.55,
    "ex-networks-head": 257 * 100 + 101 * 2,
    "ex-networks-hidden": 257 * 300 + 301 * 2,
    "ex-training-c": 0.669,
    "ex-training-balance": 138 / 43,
    "ex-table2-wilson": 0.3968,  # R: prop.test(7, 10, correct = FALSE)
    "ex-perfect": 0.025**0.1,
    "ex-roc-weight": 1 / 6,
    "ex-roc-benefit": 7 / 50 - 3 / 50 / 4,
    "ex-survival-hand": 4 / 5 * 2 / 3,
    "ex-survival-events": (1.959964 + 0.841621) ** 2 / (0.16 * 0.480453),
    "ex-pda-passes": 900,
    "ex-patients-features": 90,  # Tadayyon et al. 2017, and plane_features' own docstring
    "ex-audit-positive": 31 + 40,
    "ex-pitfalls-guess": 0.2 * 0.2 + 0.8 * 0.8,
    "ex-own-attenuation": 3.3,
}


@pytest.mark.parametrize("label", BY_HAND)
def test_an_answer_by_hand_is_right(label):
    assert check(label, BY_HAND[label])


@pytest.mark.parametrize("label", ANSWERS)
def test_what_is_wrong_gets_a_hint_and_not_the_answer(label):
    asked = ANSWERS[label]
    right = asked.compute()
    assert check(label, right)
    for wrong in (right + 1.5 * asked.tolerance, right - 1.5 * asked.tolerance):
        told = check(label, wrong)
        assert not told
        assert asked.hint in repr(told)
        assert f"{right:.3g}" not in re.findall(r"[\d.]*\d", asked.hint)


def test_beads_and_best_of_thirty_are_as_their_solutions_say():
    assert 4 < ANSWERS["ex-rf-beads"].compute() < 5.28  # below Rayleigh's law
    assert ANSWERS["ex-search-noise"].compute() == pytest.approx(0.92, abs=0.01)


@pytest.mark.parametrize(
    ("label", "answer", "told"),
    [
        ("ex-rf-dept", 1.0, "'ex-rf-dept': .*the nearest is 'ex-rf-depth'"),
        ("ex-rf-depth", "31", "ex-rf-depth = '31': expected a finite number .mm."),
        ("ex-rf-depth", True, "ex-rf-depth = True: expected a finite number"),
        ("ex-rf-depth", float("nan"), "ex-rf-depth = nan: expected a finite number"),
    ],
)
def test_what_cannot_be_checked_is_one_line(label, answer, told):
    with pytest.raises(InputError, match=told):
        check(label, answer)


def test_an_answer_not_given_yet_is_no_error():
    told = check("ex-rf-depth", ...)
    assert not told
    assert "takes the place of the three dots" in repr(told)


# --- notebooks of a class


@pytest.fixture(scope="module")
def handed():
    """Chapter -> student's notebook and solutions."""
    return {chapter.stem: students.notebook_of(chapter, TOLD, {}) for chapter in CHAPTERS}


def all_text(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells)


def test_students_get_every_exercise_and_no_solution(handed):
    for chapter in CHAPTERS:
        notebook, solutions = handed[chapter.stem]
        nbformat.validate(notebook)
        text = all_text(notebook)
        found = list(exercises.exercises(markdown(chapter, "if-recorded")))
        assert [cell.metadata.exercise for cell in notebook.cells if "exercise" in cell.metadata] == [
            one.label for one in found
        ]
        assert [label for label, solution in solutions.items() if solution in text] == []
        assert "{exercise}" not in text
        assert all(f"`{one.label}`" in text for one in found)


def test_solutions_put_back_are_all_there_and_every_check_passes(handed):
    n_checked = 0
    for notebook, solutions in handed.values():
        whole = students.put_back(nbformat.from_dict(notebook), solutions)
        text = all_text(whole)
        assert [label for label, solution in solutions.items() if students.markdown(solution).source not in text] == []
        checks = [cell.source for cell in whole.cells if "check" in cell.metadata]
        assert [source for source in checks if not eval(source, {"check": check})] == []
        n_checked += len(checks)
    assert n_checked == len(ANSWERS)


def test_what_checks_an_answer_is_imported_once_before_the_first_of_them(handed):
    for name, (notebook, _) in handed.items():
        cells = [cell for cell in notebook.cells if "check" in cell.metadata or cell.source == students.IMPORT]
        assert [cell.source == students.IMPORT for cell in cells] == [True] + [False] * (len(cells) - 1), name


def test_a_notebook_holds_only_values_that_its_chapter_declares_otherwise():
    chapter = next(path for path in CHAPTERS if path.stem == "06_images")
    settings = load_settings("teaching")
    notebook, _ = students.notebook_of(chapter, TOLD, settings.flat() | {"profile": "class", "repeats": 4})
    set_here = [cell.source for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert len(set_here) == 1
    assert 'profile = "class"' in set_here[0]
    assert "image_px = 32" in set_here[0]
    assert not {"field_of_view_mm", "repeats", "n_patients"} & set(re.findall(r"\w+", set_here[0]))


def test_the_profile_of_a_class_is_a_small_study():
    study = load_settings("teaching").study
    assert study.simulated
    assert study.n_patients == 40


def test_a_folder_that_holds_something_and_a_recorded_cohort_are_refused(tmp_path):
    settings = load_settings("teaching")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "answers.ipynb").touch()
    with pytest.raises(InputError, match="full: there is something already"):
        students.hand_out(settings, tmp_path, tmp_path / "full")
    (tmp_path / "packed.zip").touch()
    with pytest.raises(InputError, match="packed.zip: is there already"):
        students.hand_out(settings, tmp_path, tmp_path / "packed", with_data=True)
    with pytest.raises(InputError, match="cohort = 'mine': expected 'simulated'"):
        students.hand_out(settings.replace(cohort="mine"), tmp_path, tmp_path / "new", with_data=True)
    assert not (tmp_path / "new").exists()


def test_data_are_handed_out_as_a_folder_and_packed(tmp_path, monkeypatch):
    def add(settings, artifacts, folder):
        (folder / "artifacts").mkdir()
        (folder / "artifacts" / "maps.h5").write_text("maps")
        return folder / "artifacts"

    monkeypatch.setattr(students, "add_data", add)
    monkeypatch.setattr(students, "write", lambda folder, told, values: (folder / values["profile"]).touch())
    folder = students.hand_out(load_settings("teaching"), tmp_path, tmp_path / "for class", with_data=True)
    assert (folder / "artifacts" / "maps.h5").read_text() == "maps"
    assert load_settings(folder / "notebooks" / "profiles" / "class.yml") == load_settings("teaching")
    assert "for class/artifacts/maps.h5" in zipfile.ZipFile(tmp_path / "for class.zip").namelist()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["for class", "for class.zip"]


# --- slides and the instructor's page

PIXEL = base64.b64encode(b"\x89PNG").decode()


@pytest.fixture
def executed(tmp_path):
    """A staged notebook of one key figure and one other."""
    cells = [nbformat.v4.new_markdown_cell("# RF\n\n**Time**: 15 minutes to read.")]
    for name in ("fig-mr", "fig-other"):
        told = {
            "figure": {"name": name, "caption": f"{name}: echo < noise"},
            "image": {"alt": "a grey picture of an echo"},
        }
        shown = [nbformat.v4.new_output("display_data", {"image/png": PIXEL})]
        cells.append(nbformat.v4.new_code_cell("", outputs=shown, metadata={"mystnb": told}))
    path = tmp_path / "02_rf.ipynb"
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"papermill": {"duration": 9.7}})
    nbformat.write(notebook, path)
    return path


def test_slides_are_one_sound_page_of_the_key_figures(executed, tmp_path):
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "slides.html").write_text(lessons.slides([executed], "Simulated"))
    (tmp_path / "html" / "teaching.html").touch()
    assert check_html.problems(tmp_path / "html") == []
    text = (tmp_path / "html" / "slides.html").read_text()
    assert "fig-mr: echo &lt; noise" in text
    assert "fig-other" not in text
    assert re.findall(r"https?://", text) == []


def test_key_figures_are_drawn_by_a_chapter():
    names = {name for path in CHAPTERS for name in re.findall(r'"name": "(fig-[\w-]+)"', path.read_text())}
    assert set(lessons.KEY_FIGURES) <= names


def test_the_page_tells_what_a_chapter_takes(executed):
    page = lessons.page("<!-- chapters -->", [executed], TOLD)
    found = list(exercises.exercises(markdown(ROOT / "notebooks" / "02_rf.py", "if-recorded")))
    minutes = sum(one.minutes for one in found)
    row = f"| [RF and the reference phantom](notebooks/02_rf) | 15 | {len(found)} | {minutes} | 10 |"
    assert row in page
    assert 'href="students/02_rf.ipynb"' in page
