"""The book: what every chapter must have, what it does under the smoke profile, what no page may show."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import chapters
import check_html
import jupytext
import measures
import nbformat
import provenance
import pytest
import render
import words
import yaml

from helpers.settings import TYPES, load_settings

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob(chapters.CHAPTERS))
OWN_RF = "18_your_rf"
WORDS = {found for path in CHAPTERS for found in words.PLACE.findall(path.read_text())}
SIMULATED = {"whose": "simulated", "Whose": "Simulated"}
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)


def code_cells(chapter):
    return [cell for cell in jupytext.read(chapter).cells if cell.cell_type == "code"]


def markdown(chapter):
    return "\n".join(cell.source for cell in jupytext.read(chapter).cells if cell.cell_type == "markdown")


# --- how chapters are written


def test_contents_list_every_chapter_in_order():
    contents = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    files = [chapter["file"] for part in contents["parts"] for chapter in part["chapters"]]
    assert [file for file in files if file.startswith("notebooks/")] == [f"notebooks/{c.stem}" for c in CHAPTERS]


@each_chapter
def test_header_names_the_kernel(chapter):
    """Papermill refuses a notebook without it."""
    assert jupytext.read(chapter).metadata.kernelspec.name == "python3"


@each_chapter
def test_parameters_are_typed_explained_and_those_of_the_laptop_profile(chapter):
    declared = chapters.declared_parameters(chapter)
    laptop = load_settings("laptop").flat()
    assert {"artifacts"} <= set(declared)
    assert chapter.stem == OWN_RF or "profile" in declared
    for name, parameter in declared.items():
        assert parameter.inferred_type_name != "None", f"{name} has no type"
        assert len(parameter.help) > 8, f"{name} has no explanation"
        if name in TYPES:
            assert ast.literal_eval(parameter.default) == laptop[name]
            assert parameter.inferred_type_name == TYPES[name].__name__


@each_chapter
def test_figures_have_name_caption_and_alternative_text(chapter):
    for cell in code_cells(chapter):
        if "mystnb" in cell.metadata and "figure" in cell.metadata["mystnb"]:
            told = cell.metadata["mystnb"]
            assert told["figure"]["name"].startswith("fig-")
            assert len(told["image"]["alt"]) >= 20
            caption = words.filled(told["figure"]["caption"], dict.fromkeys(WORDS, "1") | SIMULATED)
            assert chapter.stem == OWN_RF or "simulated" in caption.lower()


def test_the_house_keeps_its_size():
    """What grows beyond its part's measure is divided, shortened or left out."""
    for part in measures.PARTS:
        assert measures.lines_of(part) <= measures.LIMITS["part"], part
        assert len(measures.modules(part)) <= measures.LIMITS["modules"], part
    assert sum(map(measures.lines_of, measures.HELPERS)) <= measures.LIMITS["helpers"]
    assert measures.lines_of_book() <= measures.LIMITS["book"]
    assert measures.longest_function()[0] <= measures.LIMITS["function"]
    assert measures.laid_by_hand() <= measures.LIMITS["by hand"]


@each_chapter
def test_open_cells_fit_the_page(chapter):
    assert measures.cut_off(chapter) == []
    assert measures.too_long(chapter) == []


@each_chapter
def test_plumbing_is_folded(chapter):
    """An open cell shows science: it does more than import, and neither draws nor tabulates nor defines plumbing."""
    assert measures.plumbing(chapter) == []


@each_chapter
def test_chapter_has_title_and_two_exercises_with_solutions(chapter):
    text = markdown(chapter)
    assert text.startswith("# ")
    assert text.count("{exercise}") >= 2
    assert text.count("{solution}") == text.count("{exercise}")


# --- what chapters do: all of them once, as the build runs them, under the smoke profile

LIGHT = (  # fewer patients and steps than the profile's: what a chapter finds is not looked at here
    "n_patients=16 n_test=5 n_validation=4 overlap=0.5 repeats=2 n_scans=8 pda_random=2 pda_checked=1 pda_draws=1 "
    "pda_stride_px=8 n_checked=2 n_seeds=2 n_splits=20 search_trials=2 search_backbone_trials=1 search_epochs=1 "
    "epochs=1 head_epochs=2 n_lines=48 processes=1"
)


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Folder of a run that Snakemake has taken as far as it goes."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    folder = chapters.resolve("smoke", f"{LIGHT} artifacts={artifacts}", artifacts)
    command = [sys.executable, "-m", "snakemake", "chapters", "--cores", "2", "--nolock", "--keep-going"]
    subprocess.run([*command, "--quiet", "all", "--config", f"run={folder}"], cwd=ROOT)
    return folder


@each_chapter
def test_chapter_runs_and_every_picture_is_a_figure(chapter, run):
    output = run / "chapters" / f"{chapter.stem}.ipynb"
    assert output.exists(), "the chapter or one it waits for has failed; its error is printed above"
    for cell in nbformat.read(output, as_version=4).cells:
        outputs = [out for out in cell.get("outputs", []) if out.get("name") != "stderr"]
        kinds = ["image/png" in out.get("data", {}) for out in outputs]
        if "figure" in cell.metadata.get("mystnb", {}):
            assert kinds == [True], f"not one picture and nothing else: {cell.source}"
        else:
            assert not any(kinds), f"a picture that is no figure: {cell.source}"


def test_one_changed_parameter_is_used(run):
    """Of the profile's 24 patients there are as many as were asked for."""
    shown = str([cell.get("outputs") for cell in nbformat.read(run / "chapters/01_study.ipynb", as_version=4).cells])
    assert "16 simulated patients" in shown
    assert "24 simulated patients" not in shown


# --- the provenance page


def test_provenance_tells_profile_seeds_commit_device_and_durations(tmp_path):
    run = tmp_path / "laptop-0123456789ab"
    run.mkdir()
    (run / "settings.yml").write_text("cohort: simulated\ncohort_seed: 2022\nseed: 1\nsearch_storage: ''\n")
    papermill = {"start_time": "2026-01-02T03:04:05.678+00:00", "duration": 61.25}
    metadata = {"papermill": papermill, "run": {"commit": "abc1234", "device": "a card", "python": "3.11.9"}}
    (run / "01_study.ipynb").write_text(json.dumps({"metadata": metadata, "cells": []}))
    page = provenance.page(run, [run / "01_study.ipynb"], {})
    told = ["`laptop`", "`cohort_seed` 2022", "`seed` 1", "`abc1234`", "a card", "61.2 s", "2026-01-02 03:04:05 UTC"]
    assert [word for word in told if word not in page] == []
    assert "All patients in this book are simulated" in page
    assert "| `search_storage` | (empty) |" in page
    finished = json.loads((ROOT / "results" / "experiment.json").read_text())["provenance"]["finished"]
    assert f"| `experiment.json` | {finished} |" in page
    runs = [{"commit": "b", "device": "a card"}, {"commit": "a", "device": "a card"}]
    told = provenance.row_of_results("new.json", {"provenance": {"finished": "today"}, "runs": runs})
    assert told == ["`new.json`", "today", "`a`, `b`", "a card"]
    recorded = {"n_patients": "24", "n_planes": "48", "cohort_key": "0123456789ab"}
    told = provenance.whose({"cohort": "my/cohort"}, recorded)
    assert "24 patients and 48 planes" in told
    assert "`0123456789ab`" in told
    assert "my/cohort" not in told


# --- the check of rendered pages, on pages made up for it

GOOD = """<html><head><link rel="stylesheet" href="a.css"></head><body><h1 id="top">T</h1>
<a href="#top">up</a> <a href="b.html#part">b</a> <a href="https://example.org/gone">elsewhere</a>
<img src="p.png" alt="a picture of an echo in the dark"><code>{numref}`x` nan%</code></body></html>"""


@pytest.fixture
def pages(tmp_path):
    """Two sound pages with a style sheet and a picture."""
    (tmp_path / "a.css").touch()
    (tmp_path / "p.png").touch()
    (tmp_path / "index.html").write_text(GOOD)
    (tmp_path / "b.html").write_text('<html><body><p id="part">B</p></body></html>')
    return tmp_path


def test_sound_pages_pass(pages):
    assert check_html.problems(pages) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("</body>", "<pre>Traceback (most recent call last)\nZeroDivisionError</pre></body>", "a traceback"),
        ("</body>", '<div class="output traceback highlight"></div></body>', "an error output"),
        ("</body>", '<div class="system-message">unknown role</div></body>', "an error output"),
        ("</h1>", " {numref}`fig-roc`</h1>", "an unresolved role: '{numref}'"),
        ("</h1>", " nan%</h1>", "a percentage that is not a number: 'nan%'"),
        ('"b.html#part"', '"c.html"', "broken link 'c.html'"),
        ('"b.html#part"', '"b.html#whole"', "broken link 'b.html#whole': no such anchor"),
        ('"#top"', '"#bottom"', "broken link '#bottom': no such anchor"),
        ('"p.png"', '"q.png"', "missing file 'q.png'"),
        ('"a.css"', '"https://example.org/a.css"', "loads 'https://example.org/a.css' from another server"),
        ("<h1", '<script src="//a.org/m.js"></script><h1', "loads '//a.org/m.js' from another server"),
        ("a picture of an echo in the dark", "echo", "picture 'p.png' has no alternative text"),
    ],
)
def test_blemish_is_found(pages, old, new, problem):
    assert old in GOOD
    (pages / "index.html").write_text(GOOD.replace(old, new, 1))
    found = check_html.problems(pages)
    assert len(found) == 1
    assert found[0].startswith(f"index.html: {problem}")


def test_empty_book_is_a_problem(tmp_path):
    assert check_html.problems(tmp_path) == [f"{tmp_path}: no page at all"]


def test_error_in_a_notebook_is_found(tmp_path):
    path = tmp_path / "03_maps.ipynb"
    path.write_text(json.dumps({"cells": [{"outputs": [{"output_type": "error", "ename": "ValueError"}]}, {}]}))
    assert check_html.failed_cells([path]) == ["03_maps.ipynb: ValueError in a cell"]


# --- rendering


def test_fault_in_rendering_keeps_the_last_good_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(render, "BUILD", tmp_path)
    monkeypatch.setattr(render, "stage", lambda run, source, private: None)
    monkeypatch.setattr(render, "add_material", lambda run, source, html: None)
    monkeypatch.setattr(render.publish, "private_of", lambda run: render.publish.Private())
    monkeypatch.setattr(render, "executed", lambda run: [])
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "index.html").write_text("good")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "index.html").write_text("<pre>Traceback (most recent call last)</pre>")
    monkeypatch.setattr(render, "build", lambda source, aside: tmp_path / "new")
    with pytest.raises(RuntimeError, match="a traceback"):
        render.render(tmp_path)
    assert (tmp_path / "html" / "index.html").read_text() == "good"


def test_new_pages_take_the_place_of_old_ones(tmp_path):
    for name in ("html", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.html").touch()
    render.put_in_place(tmp_path / "new", tmp_path / "html")
    assert [path.name for path in tmp_path.rglob("*")] == ["html", "new.html"]
