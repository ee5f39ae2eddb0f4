"""The whole book on one page, as it is bound: the rendered pages in order, without what only a screen needs.

From this page come the PDF (``paper``) and the EPUB (``epub``): both show what was published, and nothing else.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote, urlsplit

import citation
import yaml
from bs4 import BeautifulSoup, Tag

from ground.artifacts import project_path
from ground.errors import InputError

SCREEN = (  # folded code, marks of headings, and scripts but those of a moving figure
    "details.above-input, .tag_injected-parameters, .headerlink, .header-article, .prev-next-footer, "
    "script:not(.output script)"
)
STYLES = ("pygments.css", "exercise.css", "sphinx-design.min.css", "mystnb.", "theme.css", "pydata-sphinx-theme.css")
DOCUMENT = """<!DOCTYPE html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{title}</title>
{styles}<style>{style}</style>{mathjax}</head>
<body><header class="cover"><h1>{title}</h1><p>{edition}</p></header>
<nav class="bound-contents"><h2>Contents</h2>{listed}</nav><main class="bd-content">{leaves}</main></body></html>
"""
MOVES = "div.output"  # where an output has scripts, they know its ids


@dataclass
class Leaf:
    """One page of the book: its name as in the table of contents, its title and its article."""

    name: str
    title: str
    article: Tag

    @property
    def key(self) -> str:
        """What the page is called within the bound book."""
        return self.name.replace("/", "-")


def order() -> list[str]:
    """Return the names of all pages in the order of the table of contents."""
    contents = yaml.safe_load(project_path("book/_toc.yml").read_text())
    return [contents["root"], *(one["file"] for part in contents["parts"] for one in part["chapters"])]


def leaves(folder: Path, names: Iterable[str]) -> list[Leaf]:
    """Return the pages of a rendered book, their links and pictures as they are within one document.

    Raises ``InputError`` where there is no rendered page.
    """
    bound = [leaf(folder, name) for name in names]
    known = {one.name: rename(one) for one in bound}
    for one in bound:
        for link in one.article.select("a[href]"):
            redirect(link, one, known)
        for picture in one.article.select("img[src]"):
            picture["src"] = normpath(join(dirname(one.name), unquote(str(picture["src"]))))
    return bound


def leaf(folder: Path, name: str) -> Leaf:
    """Return one page without what only a screen needs; what opens by a click stands open."""
    path = folder / f"{name}.html"
    if not path.exists():
        raise InputError(f"{path}: no such page; make the book first")
    article = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one("article.bd-article")
    if article is None:
        raise InputError(f"{path}: expected an article of the book")
    for useless in article.select(SCREEN):
        useless.decompose()
    for folded in article.select("details"):
        folded["open"] = ""
    heading = article.find("h1")
    return Leaf(name, heading.get_text().strip() if heading else name, article)


def rename(one: Leaf) -> dict[str, str]:
    """Put a page's name before its ids, so that no two pages share one; return old -> new."""
    moving = [output for output in one.article.select(MOVES) if output.find("script")]
    kept = {id(tag) for output in moving for tag in output.find_all(id=True)}
    names = {}
    for tag in one.article.find_all(id=True):
        if id(tag) not in kept:
            names[str(tag["id"])] = tag["id"] = f"{one.key}--{tag['id']}"
    return names


def redirect(link: Tag, one: Leaf, known: dict[str, dict[str, str]]) -> None:
    """Let a link lead to its place in the bound book; one to a page that is not bound is text alone."""
    parts = urlsplit(str(link["href"]))
    if parts.scheme or parts.netloc:
        return
    page = normpath(join(dirname(one.name), unquote(parts.path))).removesuffix(".html") if parts.path else one.name
    if page in known:
        link["href"] = "#" + known[page].get(unquote(parts.fragment), page.replace("/", "-"))
    else:
        del link["href"]


def document(folder: Path, bound: list[Leaf]) -> str:
    """Return the bound book as one page that stands in the folder of the rendered ones."""
    told = citation.cited()
    front = BeautifulSoup((folder / "index.html").read_text(encoding="utf-8"), "html.parser")
    styles = [str(one) for one in front.select("link[rel=stylesheet]") if any(s in str(one["href"]) for s in STYLES)]
    return DOCUMENT.format(
        title=escape(told["title"]),
        edition=f"Edition {told['version']}, {told['date-released']}",
        styles="".join(styles),
        style=stylesheet(),
        mathjax=formulas(folder, bound),
        listed="".join(listed(bound)),
        leaves="".join(f'<section class="leaf" id="{one.key}">{one.article}</section>' for one in bound),
    )


def listed(bound: list[Leaf]) -> Iterator[str]:
    """Yield links to the pages that are bound, under the parts of the table of contents."""
    parts = yaml.safe_load(project_path("book/_toc.yml").read_text())["parts"]
    part_of = {one["file"]: part["caption"] for part in parts for one in part["chapters"]}
    for caption, pages in groupby(bound, lambda one: part_of.get(one.name, "")):
        links = (f'<li><a href="#{one.key}">{escape(one.title)}</a></li>' for one in pages)
        yield f"<h3>{escape(caption)}</h3>" * bool(caption) + f"<ul>{''.join(links)}</ul>"


def formulas(folder: Path, bound: list[Leaf]) -> str:
    """Return the scripts that set formulas, as the first page loads them that has one; none where there is none."""
    for one in bound:
        page = BeautifulSoup((folder / f"{one.name}.html").read_text(encoding="utf-8"), "html.parser")
        scripts = [tag for tag in page.select("script") if "mathjax" in f"{tag.get('src')} {tag.text}".lower()]
        for tag in scripts:
            if tag.get("src"):
                tag["src"] = normpath(join(dirname(one.name), str(tag["src"])))
        if scripts:
            return "".join(map(str, scripts))
    return ""


def stylesheet() -> str:
    """Return how the bound book looks."""
    return project_path("book/_bound/paper.css").read_text()
