"""What may be published, against private things planted where pages, pictures and downloads can hold them."""

import json
import os
import re
import zlib
from contextlib import nullcontext
from pathlib import Path

import chapters
import check_html
import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import provenance
import publish
import pytest
import render
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pages import figures

BOOK = "Each patient has planes, a square root and a test set. patient 7 stands here."
NAMED = publish.Private(ids=frozenset({"BR-07", "Ümit-3"}), known=BOOK)
NUMBERED = publish.Private(ids=frozenset({"7", "101", "102", "root"}), known=BOOK)
MACHINE = publish.Private(
    places={"/srv/echo/my cohort": "cohort", "/home/meier/book": ".", "/home/meier": "~"},
    words={"meier": publish.USER, "vm-17": publish.HOST, "hunter2": publish.PASSWORD, "root": publish.USER},
    known=BOOK,
)


def found(folder, private, name="page.html", text=""):
    """Problems of a folder of one file."""
    (folder / name).write_text(text)
    return publish.problems(folder, private)


def notebook(*outputs, source="", tags=(), **metadata):
    """A notebook of one executed cell."""
    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})
    return nbformat.v4.new_notebook(cells=[cell], metadata=metadata)


def shown(text, kind="text/plain"):
    return nbformat.v4.new_output("execute_result", {kind: text})


def table(**columns):
    return pd.DataFrame(columns).set_index(next(iter(columns))).to_html()


# --- ids of patients


@pytest.mark.parametrize(
    "text",
    [
        "<p>Look at BR-07.</p>",
        "<p>look at br-07, plane 2</p>",
        '<img alt="maps of BR-07">',
        '<section id="br-07">',
        "<code><span>BR</span><span>-</span><span>07</span></code>",
        '<script type="application/json">{"of": "BR-07"}</script>',
        "<a href='x/BR-07_1.csv'>file</a>",
        "<p>&#66;R-07</p>",
        "<p>B\\u0052-07</p>",
        "<p>%42R-07</p>",
        "<p>&Uuml;mit-3</p>",
    ],
)
def test_an_id_is_found_wherever_it_stands_and_is_not_told(tmp_path, text):
    problems = found(tmp_path, NAMED, text=text)
    assert len(problems) == 1
    assert problems[0].startswith("page.html: a patient's id (")
    assert "BR-07" not in problems[0].upper()


@pytest.mark.parametrize("text", ['<p style="color: #A00">', '<g fill="#a00">', "<p>1A00</p>"])
def test_a_colour_is_no_id(tmp_path, text):
    assert found(tmp_path, publish.Private(ids=frozenset({"A00"})), text=text) == []


@pytest.mark.parametrize("text", ["<p>BR-071</p>", "<p>ABR-07</p>", '<img src="data:image/png;base64,AB/BR-07/">'])
def test_part_of_another_word_is_no_id(tmp_path, text):
    assert found(tmp_path, NAMED, text=text.replace("BR-07/", "BR07/")) == []


@pytest.mark.parametrize(
    "text",
    [
        "<p>patient 101</p>",
        "<p>Patient <code>'101'</code></p>",
        "<code>patient=<span>101</span></code>",
        '<script type="application/json">{"patient": "101"}</script>',
        "<p>patients 7 and 101</p>",
        "<pre>patients: ['101', '102']</pre>",
        "<title>101, plane 2</title>",
        "<p>patient root</p>",
        table(patient=["101", "x"], planes=[4, 5]),
        pd.DataFrame({"planes": [4], "patient": ["root"]}).to_html(),
    ],
)
def test_an_id_that_is_a_number_or_a_word_of_the_book_is_found_where_a_patient_is_named(tmp_path, text):
    problems = found(tmp_path, NUMBERED, text=text)
    assert problems
    assert all("101" not in problem and "a patient's id" in problem for problem in problems)


@pytest.mark.parametrize(
    "text",
    [
        "<p>101 patients of 7 planes, the square root of 102</p>",
        "<p>patient 7 stands here</p>",
        "<p>a patient 7 years later, 7 % of patients 101 mm away</p>",
        '<img width="101" alt="seven patients">',
        '<script>var terms = {"101": [7, 102]}</script>',
        table(set=["test"], patients=[7], planes=[101]),
        "<svg><text>101</text></svg>",
    ],
)
def test_a_number_that_counts_something_is_no_id(tmp_path, text):
    assert found(tmp_path, NUMBERED, text=text) == []


def test_ids_in_outputs_of_a_download_are_found(tmp_path):
    frame = pd.DataFrame({"patient": ["101", "102"], "planes": [4, 5]})
    for private, output in [
        (NAMED, shown(["an output\n", "of BR-07"])),
        (NUMBERED, shown(str(frame))),
        (NUMBERED, shown(str(frame.set_index("patient")))),
        (NUMBERED, shown(frame.to_markdown(index=False), "text/markdown")),
        (NUMBERED, shown(frame.to_html(), "text/html")),
        (NAMED, nbformat.v4.new_output("stream", text="BR-07\n", name="stdout")),
    ]:
        assert len(found(tmp_path, private, "page.ipynb", nbformat.writes(notebook(output)))) == 1


def test_ids_in_the_texts_of_pictures_are_found(tmp_path):
    """As matplotlib's own writer leaves them, also beyond Latin letters."""
    figures.use_book_style()
    try:
        figure, ax = plt.subplots(figsize=(1, 1))
        ax.set(title="BR-07", xlabel="µm → depth")
        figure.savefig(tmp_path / "map.png")
        ax.set(title="Figure")
        figure.savefig(tmp_path / "other.png")
    finally:
        FigureCanvasAgg.print_png = figures.PRINT_PNG
        plt.close("all")
        plt.rcdefaults()
    (tmp_path / "drawn.svg").write_text("<svg><text>BR-07</text></svg>")
    with Image.open(tmp_path / "map.png") as picture:
        assert "µm → depth" in picture.info["Description"]
    assert [problem.split(":")[0] for problem in publish.problems(tmp_path, NAMED)] == ["drawn.svg", "map.png"]


@pytest.mark.parametrize(("text", "n"), [("BR-07", 1), ("patient 101", 1), ("seven patients", 0)])
def test_a_drawing_is_searched_for_its_texts_and_not_for_its_shapes(tmp_path, text, n):
    """Ids that are the names of its parts, clips and letters."""
    figures.use_book_style()
    figure, ax = plt.subplots(figsize=(1, 1))
    ax.plot([0, 1], "o")
    ax.set(title=text, xlabel="µ dB")
    drawn = figures.as_svg(figure)
    plt.close("all")
    plt.rcdefaults()
    names = re.findall(r'id="([\w-]+)"', drawn)
    assert len(names) > 20
    (tmp_path / "drawn.svg").write_text(drawn)
    private = publish.Private(ids=frozenset({"BR-07", "101", *names}), known=BOOK)
    assert len(publish.problems(tmp_path, private)) == n


def test_names_indices_and_packed_inventories_are_looked_at(tmp_path):
    told = PngInfo()
    told.add_text("Comment", "of BR-07")
    Image.new("L", (1, 1)).save(tmp_path / "a.png", pnginfo=told)
    (tmp_path / "BR-07.html").write_text("a page")
    (tmp_path / "searchindex.js").write_text('Search.setIndex({"terms": {"br-07": 1}})')
    (tmp_path / "objects.inv").write_bytes(b"# head\n# zlib.\n" + zlib.compress(b"br-07 std:label"))
    problems = publish.problems(tmp_path, NAMED)
    assert len(problems) == 4
    assert "BR-07" not in "".join(problems)


def test_page_numbers_of_the_search_index_are_no_ids(tmp_path):
    """The pages on which "patient" stands, of a cohort whose ids are 0 to 23."""
    (tmp_path / "searchindex.js").write_text('Search.setIndex({"terms": {"patient": [0, 1, 23], "patients": 7}})')
    private = publish.Private(ids=frozenset(map(str, range(24))))
    assert publish.problems(tmp_path, private) == []
    for title in ("Patient 7", "Patient: 7"):
        (tmp_path / "searchindex.js").write_text(f'Search.setIndex({{"alltitles": {{"{title}": [[4, "a"]]}}}})')
        assert len(publish.problems(tmp_path, private)) == 1, title


# --- outcomes of single patients


@pytest.mark.parametrize(
    "text",
    [
        table(patient=["first", "second", "third"], responder=[True, False, True]),
        table(subject_id=[1, 2, 3], duration_years=[1.5, 2, 3]),
        pd.DataFrame({"probability": [0.1, 0.2, 0.3], "patient": ["a", "b", "c"]}).to_html(index=False),
        '<script type="application/json">[{"patient": 1, "responder": 0}, {"patient": 2, "responder": 1}, '
        '{"patient": 3, "responder": 1}]</script>',
        '<script type="application/json">{"x": {"patient": [1, 2, 3], "recurrence": [0, 1, 0]}}</script>',
    ],
)
def test_outcomes_by_patient_are_a_problem_of_recorded_patients_alone(tmp_path, text):
    assert found(tmp_path, NAMED, text=text) == [f"page.html: {publish.TABLE}"]
    assert found(tmp_path, publish.Private(known=BOOK), text=text) == []


def test_a_table_of_groups_is_no_table_of_patients(tmp_path):
    text = table(set=["train", "validation", "test"], patients=[10, 5, 8], responders=[7, 4, 6])
    assert found(tmp_path, NAMED, text=text) == []


# --- machines and passwords


@pytest.mark.parametrize(
    "text",
    [
        "/home/meier/book/src/helpers/data/rf.py:98: UserWarning",
        "/usr/lib/python3.11/warnings.py:3",
        "lib/site-packages/tqdm/auto.py",
        "see /srv/echo/my cohort",
        "C:\\Users\\Meier\\book",
        "file:///tmp/book",
        "by Meier",
        "on vm-17",
        "with hunter2",
        "postgresql://someone:pass-word@db.example.org/trials",
    ],
)
def test_what_tells_of_the_machine_is_found_in_pages_and_downloads(tmp_path, text):
    assert found(tmp_path, MACHINE, text=f"<pre>{text}</pre>")
    (tmp_path / "page.html").unlink()
    problems = found(tmp_path, MACHINE, "page.ipynb", nbformat.writes(notebook(shown(text))))
    assert problems
    assert not any(secret in "".join(problems) for secret in ("meier", "vm-17", "hunter2", "pass-word", "my cohort"))


@pytest.mark.parametrize(
    "text", ["the square root", '<a href="../notebooks/03_maps.html">', "https://doi.org/10.1038/s41598", "/2 and/or"]
)
def test_words_and_addresses_of_the_book_are_no_secret(tmp_path, text):
    assert found(tmp_path, MACHINE, text=text) == []


def test_what_packages_bring_is_not_looked_at(tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "a.js").write_text("/usr/lib/BR-07")
    assert publish.problems(tmp_path, NAMED) == []


# --- cleaning


def test_a_download_is_cleaned_of_the_machine_and_keeps_what_was_computed():
    text = "read /home/meier/book/results/a.json and /srv/echo/my cohort/planes.csv and /home/meier/x: 0.86"
    told = notebook(
        shown(text),
        nbformat.v4.new_output("stream", text="/home/meier/book: a warning", name="stderr"),
        shown("/home/meier", "image/png"),
        papermill={"parameters": {"cohort": "/srv/echo/my cohort"}},
        run={"device": "vm-17"},
        kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"},
    )
    told.cells[0].metadata["papermill"] = {"exception": None}
    clean = publish.cleaned(told, MACHINE)
    assert list(clean.metadata) == ["kernelspec"]
    assert "papermill" not in clean.cells[0].metadata
    said, picture = clean.cells[0].outputs
    assert said.data["text/plain"] == "read ./results/a.json and cohort/planes.csv and ~/x: 0.86"
    assert picture.data["image/png"] == "/home/meier"


def test_injected_values_name_neither_cohort_nor_recording_nor_database():
    values = 'cohort = "/srv/echo/my cohort"\nsample_rf = "a/b.rf"\nsearch_storage = "pg://a:hunter2@b"\nseed = 1\n'
    told = notebook(source=values + 'profile = "/home/meier/book/a.yml"', tags=["injected-parameters"])
    clean = publish.cleaned(told, MACHINE).cells[0].source
    assert clean == 'cohort = "recorded"\nsample_rf = ""\nsearch_storage = ""\nseed = 1\nprofile = "./a.yml"'
    told = notebook(source='cohort = "simulated"', tags=["injected-parameters"])
    assert publish.cleaned(told, MACHINE).cells[0].source == 'cohort = "simulated"'


def test_what_is_private_is_gathered_from_the_run(tmp_path, monkeypatch):
    """Ids and files of the cohort, folders, user, host, and the parts of a database's address."""
    cohort, ids = tmp_path / "klinik", [f"BR-{i:02d}" for i in range(7, 17)]
    cohort.mkdir()
    for name in ("patients.csv", "planes.csv", "Anna.rf"):
        (cohort / name).touch()
    monkeypatch.setattr(publish.stages, "recorded_files", lambda settings: sorted(cohort.iterdir()))
    monkeypatch.setattr(
        publish.stages,
        "cohort",
        lambda *run: pd.DataFrame({"n_planes": 1, "split": 8 * ["train"] + ["validation", "test"]}, ids),
    )
    storage = "postgresql://anna:s3cr%2Ft@db.klinik.example/trials"
    given = f"cohort={cohort} search_storage={storage} artifacts={tmp_path / 'artifacts'}"
    monkeypatch.setattr("given.check_files", lambda changes: None)
    private = publish.private_of(chapters.resolve("smoke", given, tmp_path / "artifacts"))
    assert private.ids == set(ids)
    assert {"Anna.rf", "klinik", "s3cr%2Ft", "s3cr/t", "db.klinik.example", "anna", storage} <= set(private.words)
    assert {str(cohort), str(Path.home()), str(tmp_path / "artifacts"), os.getcwd()} <= set(private.places)
    assert not private.is_distinct("patients.csv")  # as data/README.md names it
    assert private.is_distinct("Anna.rf")


def test_a_page_that_tells_something_private_is_not_put_in_place(tmp_path, monkeypatch):
    for name, text in (("html", "good"), ("new", "<p>of BR-07</p>")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(text)
    monkeypatch.setattr(render, "BUILD", tmp_path)
    monkeypatch.setattr(render, "executed", lambda run: [])
    monkeypatch.setattr(render, "stage", lambda run, source, private: None)
    monkeypatch.setattr(render, "add_material", lambda run, source, folder: folder.mkdir())
    monkeypatch.setattr(render, "building", lambda source, aside: nullcontext(tmp_path / "new"))
    monkeypatch.setattr(publish, "private_of", lambda run: NAMED)
    with pytest.raises(RuntimeError, match=r"index.html: a patient's id \(B\*\*\*\)"):
        render.render(tmp_path)
    assert (tmp_path / "html" / "index.html").read_text() == "good"


# --- texts as letters


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a|b", "{{x}}", "$x$", "`a`", "*a*", "[a](b)", "a\nb"])
def test_no_text_of_a_run_is_markup_on_the_provenance_page(text):
    """Read back by the markdown reader that renders the book."""
    from markdown_it import MarkdownIt

    row = provenance.table(["a", "b"], [[provenance.code(text), provenance.words.literal(text)]])
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(row)
    assert not [sign for sign in ("<script", "{{", "$") if sign in row]
    [(_, [cells])] = publish.html_tables(rendered)
    assert [cell.strip() for cell in cells] == [" ".join(text.split())] * 2
    assert "<em>" not in rendered
    assert "<a " not in rendered


def test_neither_cohort_nor_database_is_told_among_the_parameters():
    assert provenance.value_of("cohort", "/srv/mine") == "(recorded)"
    assert provenance.value_of("cohort", "simulated") == "`simulated`"
    assert provenance.value_of("search_storage", "pg://a:b@c") == "(given)"
    assert provenance.value_of("search_storage", "") == "(empty)"


# --- figures


def test_a_declared_figure_that_its_page_does_not_show_is_found(tmp_path):
    figure = {"mystnb": {"figure": {"name": "fig-map", "caption": "A map."}}}
    (tmp_path / "source" / "notebooks").mkdir(parents=True)
    (tmp_path / "html" / "notebooks").mkdir(parents=True)
    told = json.dumps({"cells": [{"metadata": figure}, {"metadata": {}}]})
    (tmp_path / "source" / "notebooks" / "a.ipynb").write_text(told)
    page = tmp_path / "html" / "notebooks" / "a.html"
    for text, expected in [
        ('<figure class="align-default" id="fig-map"><img alt="a map" src="a.png"><figcaption>', 0),
        ('<figure class="align-default" id="fig-map"><figcaption>', 1),
        ('<figure id="fig-other"><img src="a.png">', 1),
    ]:
        page.write_text(f"{text}</figcaption></figure>")
        problems = check_html.missing_figures(tmp_path / "html", tmp_path / "source")
        assert problems == ["a.ipynb: the figure 'fig-map' has no picture"] * expected
