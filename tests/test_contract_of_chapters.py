"""What every chapter keeps, read off its source: how it begins, and that all in it is numbered, linked and cited."""

import re
from functools import cache
from pathlib import Path

import chapters
import jupytext
import pytest

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob(chapters.CHAPTERS))
PROSE_PAGES = sorted((ROOT / "book").glob("*.md"))
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)

NEED = re.compile(r"^\*\*You need\*\*: (nothing|\{doc\}`(?P<first>\d\d_\w+)`)", re.MULTILINE)
TIME = re.compile(r"\*\*Time\*\*:\s\d+\sminutes\sto\sread,\s[^.]*?\b(second|minute)[^.]*?\sto\srun\b")
EQUATION = re.compile(r"^\$\$ \((?P<own>eq-[\w-]+)\)$|\$\$ \((?P<other>eq-[\w-]+)\)$", re.MULTILINE)
NO_PROSE = re.compile(  # code, mathematics, roles and links, headings, tables
    r"```.*?```|\$\$.*?\$\$|\{[\w:]+\}`[^`]*`|\$[^$]+\$|`[^`]*`|\[[^\]]*\]\([^)]*\)|^#+ .*?$|^\|.*?$",
    re.DOTALL | re.MULTILINE,
)
TERM = re.compile(r"\{term\}`(?:[^`<]*<)?([^`<>]+?)>?`")
MANY_SENSES = {"hidden variable", "test set", "validation set", "new patients", "confidence interval", "standard error"}


@cache
def cells(chapter):
    return jupytext.read(chapter).cells


def prose(chapter):
    """All that a chapter says before its exercises."""
    text = "\n\n".join(cell.source for cell in cells(chapter) if cell.cell_type == "markdown")
    return text.partition("## Exercises")[0]


def declared(chapter, kind):
    """Names of the figures or tables of a chapter."""
    told = [cell.metadata.get("mystnb", {}).get(kind, {}) for cell in cells(chapter)]
    return [one["name"] for one in told if "name" in one]


def everything():
    return "\n".join(path.read_text() for path in [*CHAPTERS, *PROSE_PAGES])


@each_chapter
def test_a_chapter_begins_with_title_aims_what_it_needs_and_how_long_it_takes(chapter):
    first_code = next(i for i, cell in enumerate(cells(chapter)) if cell.cell_type == "code")
    head = "\n\n".join(cell.source for cell in cells(chapter)[:first_code])
    need = NEED.search(head)
    assert head.startswith("# ")
    assert re.search(r"\*\*You will learn\*\*\n\n- ", head)
    assert need, "no line **You need**: with a link to a chapter, or 'nothing'"
    assert not need["first"] or need["first"] < chapter.stem
    assert not need["first"] or (ROOT / "notebooks" / f"{need['first']}.py").exists()
    assert TIME.search(head), "no line **Time**: with minutes to read and to run"
    assert head.index("**You will learn**") < need.start() < TIME.search(head).start()


@each_chapter
def test_figures_tables_and_equations_are_referred_to(chapter):
    text = everything()
    numbered = declared(chapter, "figure") + declared(chapter, "table")
    assert [name for name in numbered if f"{{numref}}`{name}`" not in text] == []
    equations = [found["own"] or found["other"] for found in EQUATION.finditer(prose(chapter))]
    assert [name for name in equations if f"{{eq}}`{name}`" not in text] == []
    assert prose(chapter).count("$$") == 2 * len(equations), "an equation without a label"


@pytest.mark.parametrize("left_out", ["if-recorded", "if-simulated"])
def test_what_is_referred_to_is_there_whoever_the_patients_are(left_out):
    kept = [cell for chapter in CHAPTERS for cell in cells(chapter) if left_out not in cell.metadata.get("tags", [])]
    told = [one for cell in kept for one in cell.metadata.get("mystnb", {}).values()]
    text = "\n\n".join(cell.source for cell in kept if cell.cell_type == "markdown")
    there = {one["name"] for one in told if "name" in one}
    there |= {found["own"] or found["other"] for found in EQUATION.finditer(text)}
    assert sorted(set(re.findall(r"\{(?:numref|eq)\}`([\w-]+)`", text)) - there) == []


def test_tables_are_named_as_tables_and_no_name_is_used_twice():
    tables = [name for chapter in CHAPTERS for name in declared(chapter, "table")]
    figures = [name for chapter in CHAPTERS for name in declared(chapter, "figure")]
    assert all(name.startswith("tab-") for name in tables)
    assert len({*tables, *figures}) == len(tables) + len(figures)


@each_chapter
def test_decisions_are_paragraphs(chapter):
    """As ``book/decisions.py`` reads them: its page links to each."""
    for paragraph in prose(chapter).split("\n\n"):
        assert paragraph.count("**Decision") == paragraph.count("**Decision**: ") <= 1
        assert "**Decision" not in paragraph or not paragraph.startswith(("- ", "|", "#"))


def entries():
    """Terms of the glossary."""
    blocks = re.findall(r"```\{glossary\}\n(.*?)```", (ROOT / "book" / "glossary.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith(" ")]


def unmistakable(entry):
    """What an entry is called where nothing else can be meant: an abbreviation, or more than one word."""
    name, _, short = entry.rstrip(")").partition(" (")
    return [word for word in (name, short) if (" " in word or word.isupper()) and entry not in MANY_SENSES]


@each_chapter
def test_a_term_of_the_glossary_is_linked_where_a_chapter_uses_it(chapter):
    linked, plain = set(TERM.findall(prose(chapter).replace("\n", " "))), NO_PROSE.sub(" ", prose(chapter))
    called = [(re.escape(word), entry) for entry in entries() for word in unmistakable(entry)]
    used = {entry for word, entry in called if re.search(rf"\b{word}s?\b", plain)}
    assert sorted(used - linked) == []


def test_every_term_is_used():
    linked = {term for chapter in CHAPTERS for term in TERM.findall(prose(chapter).replace("\n", " "))}
    assert sorted(set(entries()) - linked) == []


def test_every_record_of_the_literature_is_cited():
    keys = re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(), re.MULTILINE)
    cited = {key for keys in re.findall(r"\{cite(?::\w)?\}`([^`]+)`", everything()) for key in keys.split(",")}
    assert sorted(set(keys) - cited) == []
    assert len(set(keys)) == len(keys)
