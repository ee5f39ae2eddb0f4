"""The book as one file: bound from rendered pages made up for it, packed as the formats' own rules say."""

import re
import tarfile
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import bound
import epub
import paper
import pytest
import release
from bs4 import BeautifulSoup

from ground.errors import InputError

ROOT = Path(__file__).parents[1]
FRONT = """<html><head><link rel="stylesheet" href="_static/pygments.css"></head>
<body><article class="bd-article"><section id="echo"><h1>Echo<a class="headerlink" href="#echo">#</a></h1>
<a href="n/maps.html#part">maps</a> <a href="genindex.html">index</a> <a href="https://a.example/">a</a>
<div class="cell"><details class="hide above-input"><summary>Show</summary>folded</details>
<div class="output"><p id="slider">moves</p><script>slide("slider")</script></div></div>
<script>thebe()</script></section></article></body></html>"""
MAPS = """<html><head><script>window.MathJax = {}</script><script src="../_static/m/mathjax.js"></script></head>
<body><article class="bd-article"><section id="part"><h1>Maps</h1><img src="../_images/p.png" alt="p">
<a href="#part">here</a>
<a href="../index.html">front</a><details><summary>s</summary>solution</details></section></article>
</body></html>"""


@pytest.fixture
def html(tmp_path):
    """A rendered book of two pages and a picture."""
    folder = tmp_path / "html"
    for name in ("n", "_images"):
        (folder / name).mkdir(parents=True)
    (folder / "index.html").write_text(FRONT)
    (folder / "n" / "maps.html").write_text(MAPS)
    (folder / "_images" / "p.png").write_bytes(b"picture")
    return folder


@pytest.fixture
def page(html):
    return BeautifulSoup(bound.document(html, bound.leaves(html, ["index", "n/maps"])), "html.parser")


def test_pages_are_bound_in_the_order_of_the_contents():
    assert bound.order()[:2] == ["index", "notebooks/01_study"]
    chapters = [name for name in bound.order() if name.startswith("notebooks/")]
    assert chapters == [f"notebooks/{path.stem}" for path in sorted((ROOT / "notebooks").glob("[0-9]*.py"))]


def test_the_contents_stand_under_the_parts_of_the_book(html, monkeypatch):
    toc = html / "_toc.yml"
    toc.write_text("{root: index, parts: [{caption: Maps & more, chapters: [{file: n/maps}]}]}")
    monkeypatch.setattr(bound, "project_path", lambda _: toc)
    told = "".join(bound.listed(bound.leaves(html, ["index", "n/maps"])))
    assert told.index('"#index"') < told.index("<h3>Maps &amp; more</h3>") < told.index('"#n-maps"')
    assert told.count("<h3>") == 1


def test_every_link_of_the_bound_book_leads_to_a_place_in_it(page):
    ids = {tag["id"] for tag in page.find_all(id=True)}
    inside = [link["href"] for link in page.select("a[href]") if link["href"].startswith("#")]
    assert inside == ["#index", "#n-maps", "#n-maps--part", "#n-maps--part", "#index"]
    assert {link[1:] for link in inside} <= ids
    assert [link["href"] for link in page.select("main a[href^=https]")] == ["https://a.example/"]
    assert page.find("a", string="index").get("href") is None
    assert page.select_one("main img")["src"] == "_images/p.png"


def test_folded_code_stays_out_solutions_stand_open_and_what_moves_keeps_its_ids(page):
    assert "folded" not in page.main.text
    assert page.select_one("main details")["open"] == ""
    assert [script.text for script in page.select("main script")] == ['slide("slider")']
    assert page.find(id="slider")


def test_formulas_are_set_though_the_first_page_has_none(html, page):
    assert [script.get("src") or script.text for script in page.select("head script")] == [
        "window.MathJax = {}",
        "_static/m/mathjax.js",
    ]
    assert "MathJax" not in bound.document(html, bound.leaves(html, ["index"]))


def test_what_was_not_rendered_is_named(html):
    with pytest.raises(InputError, match=r"gone\.html: no such page; make the book first"):
        bound.leaves(html, ["gone"])
    with pytest.raises(InputError, match="no rendered book"):
        release.release(html / "n")


@pytest.mark.parametrize("asked", ["", "/no/such/browser"])
def test_a_missing_browser_is_told_before_anything_is_gathered(monkeypatch, html, asked):
    monkeypatch.setenv("CHROMIUM", asked)
    monkeypatch.setattr(paper.shutil, "which", lambda name: None)
    for make, target in ((paper.pdf, "b.pdf"), (epub.epub, "b.epub")):
        with pytest.raises(
            InputError, match=r"PDF and EPUB need it, expected Chromium or Chrome, or its path in CHROMIUM="
        ):
            make(html, html.parent / target)


# --- EPUB: EPUB 3.3, chapters 4 (container) and 5 (package)


@pytest.fixture
def book(html, page):
    """An EPUB of the two pages, as Chromium would have written them."""
    for useless in page.select("main script"):
        useless.decompose()
    keys = ("index", "n-maps")
    written = {key: page.select_one(f"section#{key}").decode(formatter="minimal") for key in keys}
    told = [epub.Chapter(key, key.title(), written[key]) for key in keys]
    epub.pack(told, html, html.parent / "b.epub")
    with zipfile.ZipFile(html.parent / "b.epub") as packed:
        yield packed


def test_the_type_of_the_file_stands_first_and_as_it_is(book):
    first = book.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    assert book.read("mimetype") == b"application/epub+zip"


def test_every_file_is_in_the_manifest_and_every_page_in_the_spine(book):
    package = ElementTree.fromstring(book.read("EPUB/book.opf"))
    items = {item.get("id"): item.get("href") for item in package.iter("{http://www.idpf.org/2007/opf}item")}
    spine = [items[one.get("idref")] for one in package.iter("{http://www.idpf.org/2007/opf}itemref")]
    files = {name.removeprefix("EPUB/") for name in book.namelist() if name.startswith("EPUB/")} - {"book.opf"}
    assert set(items.values()) == files
    assert spine == ["index.xhtml", "n-maps.xhtml"]


def check_xhtml(book):
    """Every page is well-formed and its links lead to places in the book."""
    pages = {name: book.read(name).decode() for name in book.namelist() if name.endswith(".xhtml")}
    trees = {name.removeprefix("EPUB/"): ElementTree.fromstring(text) for name, text in pages.items()}
    ids = {name: {tag.get("id") for tag in tree.iter() if tag.get("id")} for name, tree in trees.items()}
    for name, tree in trees.items():
        for link in tree.iter("{http://www.w3.org/1999/xhtml}a"):
            file, _, anchor = link.get("href", "https:").partition("#")
            assert file.startswith("https:") or file in ids, f"{name}: {link.get('href')}"
            assert not anchor or file.startswith("http") or anchor in ids[file], f"{name}: {link.get('href')}"


def test_pages_are_sound_and_their_links_lead(book):
    check_xhtml(book)


def test_glyphs_of_a_formula_stay_with_it():
    glyph = '<svg><use xlink:href="#MJX-1"/></svg>'
    told = epub.Chapter("maps", "Maps", f'{glyph}<a class="x" href="#n-roc--fig">b</a>')
    assert told.linked == f'{glyph}<a class="x" href="n-roc.xhtml#n-roc--fig">b</a>'


# --- the archive


def test_the_archive_holds_the_book_and_is_the_same_when_made_again(html):
    first = release.release(html).read_bytes()
    assert release.release(html).read_bytes() == first
    with tarfile.open(release.bound(html, "tar.gz")) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
        assert {(entry.uid, entry.uname) for entry in archive.getmembers()} == {(0, "")}
    assert {"book/index.html", "book/n/maps.html", "requirements.lock", "CITATION.cff", ".zenodo.json"} <= names
    assert {f"results/{path.name}" for path in (ROOT / "results").glob("*.json")} <= names


# --- with Chromium, which takes a while to start


@pytest.mark.slow
def test_chromium_prints_and_binds_a_book(html, monkeypatch):
    (html / "index.html").write_text(FRONT.replace("<script>thebe()</script>", "<p>1 &lt; 2 &amp; 3<br>&nbsp;</p>"))
    monkeypatch.setattr(bound, "order", lambda: ["index", "n/maps"])
    try:
        paper.browser()
    except InputError as error:
        pytest.skip(str(error))
    printed = paper.pdf(html, html.parent / "b.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 4
    with zipfile.ZipFile(epub.epub(html, html.parent / "b.epub")) as packed:
        check_xhtml(packed)
        assert "script" not in packed.read("EPUB/index.xhtml").decode()
    assert not (html / paper.PAGE).exists()
