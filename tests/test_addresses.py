"""Where the book stands: addresses that a build is given, what pages say with and without them, and links that lead."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import addresses
import check_html
import pytest
from docutils import nodes

from ground.errors import InputError

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "book" / "_ext"))
import public  # noqa: E402

BASE = "https://name.example/book/"


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """An environment without addresses, put back as it was."""
    monkeypatch.setattr(os, "environ", {})


# --- what a build is given


def test_no_address_is_known_unless_somebody_gives_one():
    addresses.give("", "")
    assert addresses.addresses() == addresses.Addresses()
    config, written = addresses.configured(), addresses.written()
    assert {Path(folder) for folder in config["sphinx"].pop("local_extensions").values()} == {ROOT / "book/_ext"}
    assert written["sphinx"].pop("local_extensions")
    assert config["sphinx"]["config"]["html_theme_options"].pop("repository_url") == ""
    assert config["sphinx"]["config"]["html_theme_options"].pop("repository_branch") == written["repository"]["branch"]
    assert config == written


def test_given_addresses_are_handed_on_and_configure_the_book():
    addresses.give("https://name.example/book", "https://code.example/name/echo/")
    assert addresses.addresses() == addresses.Addresses(BASE, "https://code.example/name/echo")
    config = addresses.configured()
    theme = config["sphinx"]["config"]["html_theme_options"]
    assert (config["html"]["baseurl"], theme["repository_url"]) == (BASE, "https://code.example/name/echo")


@pytest.mark.parametrize("wrong", ["name.example/book", "ftp://a.example/", "https://a.example/?q=1", "https://a b/"])
def test_what_is_no_address_is_refused(wrong):
    with pytest.raises(InputError, match="BASEURL: .*expected host and path alone"):
        addresses.give(wrong, "")


def test_a_password_in_an_address_is_refused_and_not_told():
    with pytest.raises(InputError, match="REPOSITORY") as told:
        addresses.give("", "https://me:hunter2@code.example/echo")
    assert "hunter2" not in str(told.value)


# --- what pages say


@pytest.mark.parametrize(
    ("page", "source"),
    [
        *[(f"notebooks/{path.stem}", f"notebooks/{path.name}") for path in sorted(ROOT.glob("notebooks/0[1-3]_*.py"))],
        ("index", "book/index.md"),
        ("data", "data/README.md"),
        ("provenance", "book/provenance.py"),
    ],
)
def test_a_page_is_linked_to_the_tracked_file_that_it_is_made_from(page, source):
    assert public.source_of(page) == source
    assert (ROOT / source).is_file()
    context = {"header_buttons": []}
    options = {"repository_url": "https://code.example/echo", "repository_branch": "main"}
    public.link_source(SimpleNamespace(config=SimpleNamespace(html_theme_options=options)), page, "", context, "tree")
    urls = [button["url"] for button in context["header_buttons"][0]["buttons"]]
    assert f"https://code.example/echo/blob/main/{source}" in urls


def test_without_a_repository_there_is_no_button():
    context = {"header_buttons": []}
    app = SimpleNamespace(config=SimpleNamespace(html_theme_options={"repository_url": ""}))
    public.link_source(app, "index", "", context, "tree")
    assert context == {"header_buttons": []}


def doctree(*pictures, text="Echoes say what tissue is made of."):
    """A page of one paragraph with pictures."""
    page = nodes.document(None, None)
    page += nodes.section("", nodes.paragraph(text, text), *(nodes.image(uri=uri, alt="an echo") for uri in pictures))
    return page


def app(base, **pages):
    """What the extension asks Sphinx for."""
    images = {"maps.png": ({"maps"}, "maps.png"), "path.svg": ({"index"}, "path.svg")}
    env = SimpleNamespace(get_doctree=pages.__getitem__, images=images, toctree_includes={"index": ["maps"]})
    config = SimpleNamespace(html_baseurl=base, html_title="Echo", root_doc="index")
    return SimpleNamespace(env=env, config=config, builder=SimpleNamespace(imagedir="_images", format="html"))


def test_a_card_has_the_first_picture_of_its_page_or_of_the_book():
    """Cards show no SVG; Open Graph asks for absolute addresses."""
    pages = {"index": doctree("path.svg"), "maps": doctree("path.svg", "maps.png")}
    for page in pages:
        told = public.card(app(BASE, **pages), page, {"title": "<em>Maps</em>"}, pages[page])
        assert told["og:image"] == f"{BASE}_images/maps.png"
        assert told["og:url"] == f"{BASE}{page}.html"
        assert (told["og:title"], told["og:description"]) == ("Maps", "Echoes say what tissue is made of.")


def test_without_an_address_a_card_has_none():
    told = public.card(app("", index=doctree("maps.png")), "index", {"title": "Maps"}, doctree())
    assert not any("http" in text for text in told.values())


def test_a_description_ends_with_a_whole_word():
    told = public.description(doctree(text="word " * 90))
    assert told.endswith("word …")
    assert len(told) < public.LONGEST + 3


def test_the_page_for_what_is_not_there_finds_the_book_from_any_folder(tmp_path):
    lost = '<a href="index.html">front</a><script src="_static/a.js"></script><a href="#x">x</a><a href="https://a.b/">e</a>'
    page = tmp_path / "404.html"
    page.write_text(lost)
    public.at_any_depth(SimpleNamespace(outdir=tmp_path, config=SimpleNamespace(html_baseurl="")), None)
    assert page.read_text() == lost
    public.at_any_depth(SimpleNamespace(outdir=tmp_path, config=SimpleNamespace(html_baseurl=BASE)), None)
    assert 'href="/book/index.html"' in page.read_text()
    assert 'src="/book/_static/a.js"' in page.read_text()
    assert 'href="#x"' in page.read_text()
    assert 'href="https://a.b/"' in page.read_text()


# --- links of a site that knows where it stands


@pytest.fixture
def site(tmp_path):
    """Two pages, one in a folder, a map of the site, a page for what is not there."""
    head = f'<link rel="canonical" href="{BASE}index.html"><meta property="og:image" content="{BASE}p.png">'
    (tmp_path / "index.html").write_text(f'{head}<h1 id="top">A</h1><a href="https://elsewhere.example/">e</a>')
    (tmp_path / "p.png").touch()
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "b.html").write_text('<a href="../index.html#top">A</a><form action="../index.html"></form>')
    (tmp_path / "404.html").write_text(
        '<a href="/book/index.html">A</a><a href="/book/">A</a><img src="/book/p.png" alt="an echo in a dark tumour">'
    )
    (tmp_path / "sitemap.xml").write_text(f"<urlset><url><loc>{BASE}n/b.html</loc></url></urlset>")
    return tmp_path


def test_absolute_links_to_the_book_itself_are_followed(site):
    assert check_html.problems(site) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("sitemap.xml", "n/b.html", "n/gone.html"),
        ("index.html", "/p.png", "/gone.png"),
        ("404.html", "/book/index.html", "/book/gone.html"),
        ("n/b.html", "#top", "#gone"),
        ("n/b.html", 'action="../index.html', 'action="../gone.html'),
    ],
)
def test_a_link_that_leads_nowhere_is_found_wherever_it_stands(site, name, old, new):
    path = site / name
    path.write_text(path.read_text().replace(old, new))
    assert [problem for problem in check_html.problems(site) if "gone" in problem and name in problem]


def test_links_elsewhere_are_listed_and_not_asked(site):
    command = [sys.executable, ROOT / "book" / "check_html.py", site, "--external"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=site)
    assert answer.stdout == "https://elsewhere.example/  (index.html)\n"
