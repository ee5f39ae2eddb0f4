"""What rendering adds to chapters: captions of tables, labels of decisions and their page, labels of the literature."""

import sys
from pathlib import Path
from types import SimpleNamespace

import decisions
import nbformat
import pytest
import tables
from docutils import nodes
from pybtex.database import parse_string

sys.path.insert(0, str(Path(__file__).parents[1] / "book" / "_ext"))
import bibliography
import once
import ranges

ROWS = "| model | AUC |\n| --- | --- |\n| 1 | 0.8 |"
TOLD = {"table": {"name": "tab-x", "caption": "Areas."}}


def notebook(shown):
    data = {"text/markdown": shown, "text/plain": "..."}
    output = nbformat.v4.new_output("execute_result", data=data)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[output], metadata={"mystnb": TOLD})])


@pytest.mark.parametrize("around", ["{}", "Patients:\n\n{}\n\nIn all, 3.\n\n| a second |\n| --- |"])
def test_the_first_table_of_a_cell_stands_under_its_caption(around):
    cell = tables.captioned(notebook(around.format(ROWS))).cells[0]
    wanted = around.format(f":::{{table}} Areas.\n:name: tab-x\n\n{ROWS}\n:::")
    assert cell.outputs[0].data["text/markdown"] == wanted
    assert "table" not in cell.metadata["mystnb"]  # which myst-nb would not know


def test_where_a_run_has_no_table_its_sentence_is_numbered_and_no_head():
    shown = tables.captioned(notebook("Too few\npatients.")).cells[0].outputs[0].data["text/markdown"]
    assert shown == ":::{list-table} Areas.\n:name: tab-x\n\n* - Too few patients.\n:::"


def test_a_decision_has_a_label_and_stands_on_the_page_with_a_link_to_its_place():
    text = "Before.\n\nThe paper is silent. **Decision**: the mean, see\n[](08_training).\n\nAfter."
    chapter = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    found = decisions.labelled(chapter, "06_images")
    assert found == [("decision-06-1", "the mean, see [](08_training).")]
    assert chapter.cells[0].source == text.replace("The paper", "(decision-06-1)=\nThe paper")
    page = decisions.page({"Images": found, "Networks": []})
    assert "## Images\n\n- The mean, see {doc}`/notebooks/08_training`. ({ref}`why <decision-06-1>`)" in page
    assert "Networks" not in page


@pytest.mark.parametrize(
    ("authors", "label"),
    [
        ("Faran, James J.", "Faran, 1951"),
        ("Insana, Michael F. and van Hall, Timothy J.", "Insana and van Hall, 1951"),
        ("A, B. and C, D. and E, F.", "A et al., 1951"),
        ("A, B. and C, D. and others", "A et al., 1951"),
    ],
)
def test_labels_of_the_bibliography_are_those_of_the_citations(authors, label):
    """Against sphinxcontrib-bibtex's author_year."""
    entries = parse_string(f"@misc{{x, author={{{authors}}}, year={{1951}}}}", "bibtex").entries
    assert list(bibliography.AuthorYearLabels().format_labels(list(entries.values()))) == [label]


def test_an_interval_in_a_table_of_few_columns_does_not_break():
    cell = '<td class="text-right"><p>70\xa0% (56–81), 0.78 (0.59–0.90)</p></td>'
    few, many = (f"<table><tbody><tr>{n * cell}</tr></tbody></table>" for n in (ranges.FEW, ranges.FEW + 1))
    sentence = "<p>0.78 (0.59–0.90), 2.5–6.5 MHz</p>"
    context = {"body": sentence + few + many}
    ranges.keep_whole(None, "page", "page.html", context, None)
    assert context["body"].startswith(sentence)
    assert context["body"].endswith(many)
    kept = '(56–81)</span>, 0.78 <span class="range">(0.59–0.90)</span>'
    assert context["body"].count(kept) == ranges.FEW
    half_width = ranges.wrapped("<table><tr><td>0.77 ± 0.12</td></tr></table>")
    assert '<span class="range">0.77 ± 0.12</span>' in half_width


def test_numbers_are_looked_up_on_pages_that_are_read_once():
    """A page with a table is asked for by two references; every other question goes to Sphinx's own environment."""
    table, read = nodes.table(ids=["tab-x"]), []
    page = SimpleNamespace(ids={"tab-x": table})
    env = SimpleNamespace(get_doctree=lambda name: read.append(name) or page, config=SimpleNamespace(numfig=True))
    seen = once.Remembering(env)
    assert seen.get_doctree("one") is seen.get_doctree("one") is page
    assert read == ["one"]
    assert seen.config is env.config
