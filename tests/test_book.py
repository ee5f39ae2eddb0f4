"""The book: what every chapter must have, what it does under the smoke profile, what no page may show."""

import ast
import json
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import browser
import chapters
import check_html
import command
import downloads
import forked
import jobs
import jupytext
import measures
import nbformat
import papermill
import provenance
import publish
import pytest
import render
import words
import yaml

from helpers import stages
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


def test_a_notebook_for_jupyter_has_what_a_profile_changes_in_its_parameters():
    chapter = ROOT / "notebooks" / "03_maps.py"
    smoke = chapters.with_values(chapter, load_settings("smoke"), "smoke")
    injected = [cell.source for cell in smoke.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert {line for line in injected[0].splitlines() if line[0] != "#"} == {'profile = "smoke"', "overlap = 0.75"}
    plain = chapters.with_values(chapter, load_settings("laptop"), "laptop")
    assert [cell.source for cell in plain.cells] == [cell.source for cell in jupytext.read(chapter).cells]


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


# --- what chapters do: all of them once under the smoke profile; that Snakemake runs them is looked at elsewhere

LIGHT = (  # fewer patients and steps than the profile's: what a chapter finds is not looked at here
    "n_patients=16 n_test=5 n_validation=4 overlap=0.5 repeats=2 n_scans=8 pda_random=2 pda_checked=1 pda_draws=1 "
    "pda_stride_px=8 n_checked=2 n_seeds=2 n_splits=20 search_trials=2 search_backbone_trials=1 search_epochs=1 "
    "epochs=1 head_epochs=2 n_lines=48 processes=1"
)


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Folder of a run with the results that chapters share."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    folder = chapters.resolve("smoke", f"{LIGHT} artifacts={artifacts}", artifacts)
    settings, _ = jobs.read(folder / "parameters" / "stages.yml")
    for door in stages.DOORS:
        jobs.record(partial(jobs.stage, settings, artifacts, door), door, folder / "stages" / f"{door}.json")
    return folder


def executed(chapter, run):
    """The executed notebook of a chapter, as the build makes it, once."""
    output = run / "chapters" / f"{chapter.stem}.ipynb"
    if not output.exists():
        parameters = run / "parameters" / f"{chapter.stem}.yml"
        with forked.kernels():
            assert command.main(["run", str(chapter), "--parameters", str(parameters), "--output", str(output)]) == 0
    return output


@each_chapter
def test_chapter_runs_and_every_picture_is_a_figure(chapter, run):
    for cell in nbformat.read(executed(chapter, run), as_version=4).cells:
        outputs = [out for out in cell.get("outputs", []) if out.get("name") != "stderr"]
        kinds = [chapters.picture_in(out) is not None for out in outputs]
        if "figure" in cell.metadata.get("mystnb", {}):
            assert kinds == [True], f"not one picture and nothing else: {cell.source}"
        else:
            assert not any(kinds), f"a picture that is no figure: {cell.source}"


def test_one_changed_parameter_is_used(run):
    """Of the profile's 24 patients there are as many as were asked for."""
    shown = str([cell.get("outputs") for cell in nbformat.read(executed(CHAPTERS[0], run), as_version=4).cells])
    assert "16 simulated patients" in shown
    assert "24 simulated patients" not in shown


# --- the rendered pages of a few chapters, in a browser, and what can be downloaded of all

SHOWN = {"03_maps", "11_roc", "15_audit"}  # formulas and long code, a figure that moves, tables
needs_browser = pytest.mark.skipif(not browser.CHROMIUM, reason="no Chromium here")


@pytest.fixture(scope="session")
def site(run, tmp_path_factory):
    """Folder of the pages as the book renders them, of few chapters: links to the others lead nowhere."""
    folder = tmp_path_factory.mktemp("site")
    source, html = folder / "source", folder / "aside" / "_build" / "html"
    for chapter in CHAPTERS:
        executed(chapter, run)
    render.stage(run, source, publish.private_of(run))
    downloads.write(source, folder, run)
    toc = (source / "_toc.yml").read_text()
    for path in (source / "notebooks").glob("*.ipynb"):
        if path.stem not in SHOWN:
            path.unlink()
            toc = re.sub(rf"\n *- file: notebooks/{path.stem}(?=\n)", "", toc)
    (source / "_toc.yml").write_text(without_empty_parts(toc))
    program = str(Path(sys.executable).with_name("jupyter-book"))
    build = [program, "build", str(source), "--config", "_config.yml", "--path-output", str(folder / "aside")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (folder / downloads.FOLDER).rename(html / downloads.FOLDER)
    return html


def without_empty_parts(toc):
    told = yaml.safe_load(toc)
    told["parts"] = [part for part in told["parts"] if part["chapters"]]
    return yaml.safe_dump(told, sort_keys=False)


@needs_browser
def test_pages_have_no_fault_in_a_browser(site):
    """No error, no other server asked, formulas drawn, no placeholder, nothing cut on a phone or in print."""
    assert browser.faults(site) == []


@needs_browser
def test_the_search_finds_words_of_the_field_and_shows_where_they_stand(site):
    found = browser.searched(site, ["attenuation", "specificity", "spectrum"])
    assert [word for word, (n_pages, excerpt) in found.items() if not n_pages or word not in excerpt.lower()] == []


def test_each_chapter_offers_three_downloads(site):
    assert len(list((site / downloads.FOLDER).iterdir())) == 3 * len(CHAPTERS)
    for name in SHOWN:
        links = check_html.read_page(site / "notebooks" / f"{name}.html").links
        wanted = [f"../downloads/{name}{kind}" for kind in (".ipynb", ".executed.ipynb", ".py")]
        assert [link for link in links if name in link and "downloads" in link] == wanted
        assert all((site / "notebooks" / link).is_file() for link in wanted)
    assert 'aria-label="Toggle' not in (site / "notebooks" / "11_roc.html").read_text()


def texts(notebook):
    """All that a notebook says, its pictures left out."""
    said = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [text for output in said for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join([*shown, *(output.get("text", "") for output in said)])


@each_chapter
def test_downloads_hold_the_run_s_values_in_the_cell_that_papermill_changes(chapter, site, run):
    clean, executed = (
        nbformat.read(site / downloads.FOLDER / f"{chapter.stem}{kind}", as_version=4)
        for kind in (".ipynb", ".executed.ipynb")
    )
    given = chapters.read_parameters(run / "parameters" / f"{chapter.stem}.yml")
    told = chapters.declared_parameters(site / downloads.FOLDER / f"{chapter.stem}.py")
    same = {name for name, one in told.items() if name in given and ast.literal_eval(one.default) == given[name]}
    assert set(given) - same <= {"profile", "artifacts"}
    assert "profile" not in told or ast.literal_eval(told["profile"].default) == "smoke"
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in clean.cells)
    assert [cell.source for cell in clean.cells] == [cell.source for cell in executed.cells]
    said = texts(executed)
    assert said
    assert not re.search(r"it/s\]|%\||█|over TCP", said)


@pytest.mark.parametrize("kind", [".ipynb", pytest.param(".executed.ipynb", marks=pytest.mark.slow), ".py"])
def test_a_download_runs_by_itself_in_an_empty_folder(site, tmp_path, monkeypatch, kind):
    """The audit needs nothing computed; the Python file runs as a script."""
    monkeypatch.chdir(tmp_path)
    source = site / downloads.FOLDER / f"15_audit{kind}"
    if kind == ".py":
        plain = os.environ | {"MPLBACKEND": "Agg"}
        subprocess.run([sys.executable, source], check=True, env=plain)
    else:
        with chapters.environment.of_kernel(), forked.kernels():
            papermill.execute_notebook(source, "out.ipynb", {"profile": "smoke"}, progress_bar=False)
        assert check_html.failed_cells([Path("out.ipynb")]) == []
        assert "TCP" not in texts(nbformat.read("out.ipynb", as_version=4))


# --- the provenance page


def test_provenance_tells_profile_seeds_commit_device_and_durations(tmp_path):
    run = tmp_path / "laptop-0123456789ab"
    run.mkdir()
    (run / "settings.yml").write_text("cohort: simulated\ncohort_seed: 2022\nseed: 1\nsearch_storage: ''\n")
    papermill = {"start_time": "2026-01-02T03:04:05.678+00:00", "duration": 61.25}
    metadata = {"papermill": papermill, "run": {"commit": "abc1234", "device": "a card", "python": "3.11.9"}}
    (run / "01_study.ipynb").write_text(json.dumps({"metadata": metadata, "cells": []}))
    page = provenance.page(run, [run / "01_study.ipynb"], {})
    told = ["`laptop`", "`cohort_seed` 2022", "`seed` 1", "`abc1234`", "a card", "61.2 s", "| 2026-01-02 03:04 UTC |"]
    assert [word for word in told if word not in page] == []
    assert "All patients in this book are simulated" in page
    assert "| `search_storage` | (empty) |" in page
    finished = json.loads((ROOT / "results" / "experiment.json").read_text())["provenance"]["finished"]
    assert f"| `experiment.json` | {finished[:10]} {finished[11:16]} UTC |" in page
    assert "`seeds/laptop.json`" in page
    of_kinds = sorted((ROOT / "results" / "benchmarks").glob("*/maps.json"))
    limits = " | ".join(f"{json.loads(path.read_text())['loop_to_maps']:.0f}" for path in of_kinds)
    assert f"| a lean loop over windows / our maps | {limits} |" in page
    runs = [{"commit": "b", "device": "a card"}, {"commit": "a", "device": "a card"}]
    told = provenance.row_of_results(
        "new.json", {"provenance": {"finished": "2026-01-02T03:04:05+00:00"}, "runs": runs}
    )
    assert told == ["`new.json`", "2026-01-02 03:04 UTC", "`a`, `b`", "a card"]
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


@pytest.fixture
def rendered(tmp_path, monkeypatch):
    """Return a function that renders a page and a text beside it, where a good page is already."""
    monkeypatch.setattr(render, "BUILD", tmp_path)
    monkeypatch.setattr(render, "stage", lambda run, source, private: source.mkdir())
    monkeypatch.setattr(render.publish, "private_of", lambda run: render.publish.Private())
    monkeypatch.setattr(render, "executed", lambda run: [])
    monkeypatch.setattr(render.check_html, "missing_figures", lambda html, source: [])
    monkeypatch.setattr(render, "building", lambda source, aside: nullcontext(aside / "pages"))
    for folder in ("html", "aside/pages"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "html" / "index.html").write_text("good")

    def work(page, text):
        def add_material(run, source, folder):
            folder.mkdir()
            (folder / "beside.py").write_text(text)

        monkeypatch.setattr(render, "add_material", add_material)
        (tmp_path / "aside" / "pages" / "index.html").write_text(page)
        render.render(tmp_path)

    return work


@pytest.mark.parametrize(
    ("page", "text", "told"),
    [
        ("<pre>Traceback (most recent call last)</pre>", "", "a traceback"),
        ("", 'storage = "mysql://me:secret@there/db"', r"beside\.py: a password in an address"),
    ],
    ids=["a page", "what lies beside the pages"],
)
def test_fault_in_rendering_keeps_the_last_good_pages(rendered, tmp_path, page, text, told):
    with pytest.raises(RuntimeError, match=told):
        rendered(page, text)
    assert (tmp_path / "html" / "index.html").read_text() == "good"


def test_what_is_made_beside_the_pages_is_put_in_place_with_them(rendered, tmp_path):
    rendered("<title>new</title><h1>new</h1>", "x = 1")
    assert "new" in (tmp_path / "html" / "index.html").read_text()
    assert (tmp_path / "html" / "beside.py").read_text() == "x = 1"
    assert [path.name for path in tmp_path.iterdir()] == ["html"]


def test_new_pages_take_the_place_of_old_ones(tmp_path):
    for name in ("html", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.html").touch()
    render.put_in_place(tmp_path / "new", tmp_path / "html")
    assert [path.name for path in tmp_path.rglob("*")] == ["html", "new.html"]
