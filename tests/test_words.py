"""Words that follow the run: the same sources under a simulated and under a recorded cohort."""

import ast
import re
from pathlib import Path

import chapters
import jupytext
import nbformat
import pytest
import words
from tiny import PROFILES

from helpers import stages
from helpers.settings import load_settings
from recorded import export

SIMULATED = {"whose": "simulated", "Whose": "Simulated", "n_patients": "181"}
RECORDED = {"whose": "recorded", "Whose": "Recorded", "n_patients": "24"}


def test_words_take_their_places():
    assert words.filled("{{Whose}}: {{ n_patients }} patients.", RECORDED) == "Recorded: 24 patients."


def test_a_word_that_no_run_has_is_named():
    with pytest.raises(ValueError, match="n_pateints.*n_patients"):
        words.filled("{{ n_pateints }}", RECORDED)


def test_a_page_keeps_the_blocks_that_are_true():
    told, known = "Nobody's data.\n<!-- end -->\n", "{{ n_patients }}.\n<!-- end -->\n"
    text = f"All\n<!-- if-simulated -->\n{told}<!-- if-recorded -->\n{known}end\n"
    assert words.page(text, SIMULATED) == "All\nNobody's data.\nend\n"
    assert words.page(text, RECORDED) == "All\n24.\nend\n"


def test_a_chapter_keeps_the_cells_that_are_true_and_its_code():
    def cells():
        caption = {"figure": {"caption": "{{ Whose }} patients.", "name": "fig-x"}}
        return [
            nbformat.v4.new_markdown_cell("drawn", metadata={"tags": ["if-simulated"]}),
            nbformat.v4.new_code_cell("f'{{x}}'", metadata={"mystnb": caption}),
        ]

    one, other = (words.chapter(nbformat.v4.new_notebook(cells=cells()), told) for told in (SIMULATED, RECORDED))
    assert [cell.source for cell in one.cells] == ["drawn", "f'{{x}}'"]
    assert [cell.source for cell in other.cells] == ["f'{{x}}'"]
    assert other.cells[0].metadata.mystnb.figure.caption == "Recorded patients."


@pytest.mark.parametrize("text", ["<b>x</b>", "{{x}}", "$x$", "a|b", "`a`", "**a**", "[a](b)"])
def test_a_word_of_the_run_is_never_markup(text):
    told = {"whose": text}
    assert not set("<>{}$|`*[]") & set(words.filled("{{ whose }}", told))
    assert words.in_metadata({"image": {"alt": "{{ whose }}"}}, told) == {"image": {"alt": text}}  # attributes are text


# --- every sentence of the book, under a simulated cohort and under two that were exported

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "book").glob("*.md"))
CHAPTERS = sorted((ROOT / "notebooks").glob(chapters.CHAPTERS))
SETTINGS = load_settings(
    PROFILES / "smoke.yml", n_patients=12, n_test=4, n_validation=4, n_lines=48, n_reference_frames=1, processes=1
)
# what these show is simulated whatever cohort is given, and they say so; single cells are tagged "about-simulation"
ABOUT_SIMULATION = {"04_uncertainty", "14_patients", "15_audit", "16_pitfalls", "17_reporting", "18_your_rf"}
OF_THE_PAPER = re.compile(r"paper|study|taleghamar|printed|published|women|real patients", re.IGNORECASE)
ALLOWED = (  # sentences that say "simulated" beside recorded patients and are true
    "simulated patients, such as a known answer, is left out here, or marked as simulated",
    "What is simulated is called so where it stands",
    "simulated, and called so",
    "figures, and simulated ones more so",
    "what needs a known answer",
    "simulated studies",
    "simulated or recorded",
    "Simulated patients drawn after the study",
    "from the simulated truth itself",
    "are those of simulated tissue",
)
FALSE_OF_RECORDED = {  # what it is called -> how it shows
    "all patients are simulated": re.compile(r"patients in this book are simulated|nobody's data|no one's data"),
    "an id of a simulated patient": re.compile(r"\bp0\d\d\b"),
    "the size of another cohort": re.compile(r"\b181\b"),
    "a truth that nobody knows": re.compile(r"known (truth|answer)|(truth|answer) (is|was) known"),
    "simulated patients": re.compile(r"\bsimulated\b"),
}
FALSE_OF_SIMULATED = re.compile(
    r"patients[^.]* were recorded|^recorded |\brecorded (test|training|validation) patients"
)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Words of the simulated cohort and of the same cohort exported, required columns only, under foreign ids."""
    artifacts = tmp_path_factory.mktemp("words")
    patients = stages.cohort(SETTINGS, artifacts).assign(n_planes=1)
    found = {"simulated": words.words_of(SETTINGS, artifacts)}
    for first in ("BR-07", "101"):
        folder = export.write(export.plan(patients, SETTINGS, first, degraded=True), artifacts / first)
        found[first] = words.words_of(SETTINGS.replace(cohort=str(folder)), artifacts)
    return found


def said(source, told):
    """Every sentence, caption, alternative text and string that a page shows under these words, blanks made one."""
    if source.suffix == ".md":
        return sentences(words.page(source.read_text(), told))
    cells = words.chapter(jupytext.read(source), told).cells
    own = [cell for cell in cells if "about-simulation" not in cell.metadata.get("tags", [])]
    return [sentence for cell in own for text in texts_of(cell) for sentence in sentences(text)]


def texts_of(cell):
    """What a cell says: its prose, or its caption, its alternative text and the strings of its code."""
    if cell.cell_type == "markdown":
        return [cell.source]
    figure = cell.metadata.get("mystnb", {})
    told = [figure.get(what, {}).get("caption", "") for what in ("figure", "table")]
    told.append(figure.get("image", {}).get("alt", ""))
    if "parameters" in cell.metadata.get("tags", []):
        return told
    nodes = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Constant)]
    return told + [node.value for node in nodes if isinstance(node.value, str) and " " in node.value.strip()]


def sentences(text):
    """The sentences of a text, each on one line."""
    return re.split(r"(?<=[.:?!|])\s+", " ".join(re.sub(r"^\s*```.*$", ".", text, flags=re.MULTILINE).split()))


def false_of_recorded(source, told):
    """Sentences that are not true of recorded patients, with what is wrong in them."""
    found = []
    for sentence in said(source, told):
        wrong = [name for name, pattern in FALSE_OF_RECORDED.items() if pattern.search(sentence.lower())]
        if source.stem in ABOUT_SIMULATION or any(allowed in sentence for allowed in ALLOWED):
            wrong = [name for name in wrong if name not in ("simulated patients", "a truth that nobody knows")]
        if OF_THE_PAPER.search(sentence):
            wrong = [name for name in wrong if name != "the size of another cohort"]
        found += [f"{name}: {sentence}" for name in wrong]
    return found


each_source = pytest.mark.parametrize("source", [pytest.param(path, id=path.stem) for path in [*PAGES, *CHAPTERS]])


@each_source
def test_no_sentence_is_false_of_recorded_patients(source, told):
    for first in ("BR-07", "101"):
        assert false_of_recorded(source, told[first]) == []


@each_source
def test_no_sentence_is_false_of_simulated_patients(source, told):
    if source.stem == "18_your_rf":
        pytest.skip("is about recordings, whatever cohort is given")
    assert [
        sentence for sentence in said(source, told["simulated"]) if FALSE_OF_SIMULATED.search(sentence.lower())
    ] == []


def test_numbers_are_those_of_the_cohort_given(told):
    assert told["BR-07"]["whose"] == told["101"]["whose"] == "recorded"
    assert {one["n_patients"] for one in told.values()} == {"12"}
    assert {told[first]["n_planes"] for first in ("BR-07", "101")} == {"12"}
    assert told["BR-07"]["cohort_key"] != told["101"]["cohort_key"] != told["simulated"]["cohort_key"] == ""


def test_front_page_and_captions_change_with_the_cohort(told):
    """A book that said the same of both would be wrong of one."""
    for source in (ROOT / "book" / "index.md", *(c for c in CHAPTERS if c.stem not in ABOUT_SIMULATION)):
        assert said(source, told["simulated"]) != said(source, told["BR-07"])
