"""Look through rendered pages for what a reader must never meet: errors, dead links, missing pictures.

``python book/check_html.py --external`` lists the links that lead elsewhere, each with the first page; none is asked.
"""

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("source", "src"), ("iframe", "src"), ("object", "data")}
LOADED_LINKS = {"stylesheet", "preload", "icon", "shortcut icon", "modulepreload"}
RAW = {"script", "style", "code", "pre"}  # what stands in these is not prose
CARD_LINKS = {"og:image", "og:url"}
LOCATION = re.compile(r"<loc>([^<]*)</loc>")
FIGURE = re.compile(r'<figure\b[^>]*\bid="([^"]+)"[^>]*>(.*?)</figure>', re.DOTALL)
BLEMISHES = {  # what it is called -> how it shows in the text of a page
    "an unresolved role": re.compile(r"\{(numref|cite(:\w)?|ref|eq|doc|term)\}"),
    "a percentage that is not a number": re.compile(r"\bnan ?%"),
}


@dataclass
class Page:
    """What one page links to, loads, shows and says."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    canonical: str = ""
    loads: list[str] = field(default_factory=list)
    images: list[tuple[str, str]] = field(default_factory=list)  # (address, alternative text)
    classes: set[str] = field(default_factory=set)
    text: str = ""
    outputs: str = ""  # text inside code, pre


class Reader(HTMLParser):
    """Fill a ``Page`` while parsing."""

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in RAW:
            self.within.append(tag)
        self.page.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        self.page.classes |= set(given.get("class", "").split())
        if tag == "a" and "href" in given:
            self.page.links.append(given["href"])
        if tag == "form" and given.get("action"):
            self.page.links.append(given["action"])
        if tag == "meta" and given.get("property") in CARD_LINKS:
            self.page.links.append(given.get("content", ""))
        if tag == "link" and given.get("rel") == "canonical":
            self.page.canonical = given.get("href", "")
            self.page.links.append(self.page.canonical)
        if tag == "img":
            self.page.images.append((given.get("src", ""), given.get("alt", "")))
        if tag != "link" or given.get("rel") in LOADED_LINKS:
            self.page.loads += [given[name] for kind, name in LOADED if kind == tag and given.get(name)]

    def handle_endtag(self, tag: str) -> None:
        if tag in RAW and tag in self.within:
            self.within.remove(tag)

    def handle_data(self, data: str) -> None:
        if not self.within:
            self.page.text += data
        elif "pre" in self.within:
            self.page.outputs += data


def read_page(path: Path) -> Page:
    """Return what one HTML file links to, loads, shows and says."""
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.page


def problems(folder: Path) -> list[str]:
    """Return one line for each problem in the pages under a folder; an empty list is a sound book."""
    site = site_of(folder)
    if not site.pages:
        return [f"{folder}: no page at all"]
    found = []
    for path, page in (site.pages | map_of_site(folder)).items():
        faults = [
            *errors(page),
            *broken_links(path, page, site),
            *loading_faults(path, page, site),
            *image_faults(page),
        ]
        found += [f"{path.relative_to(site.folder)}: {fault}" for fault in faults]
    return found


def map_of_site(folder: Path) -> dict[Path, Page]:
    """Return ``sitemap.xml``, if there is one, as a page whose links are those that it lists."""
    path = folder.resolve() / "sitemap.xml"
    return {path: Page(links=[unescape(link) for link in LOCATION.findall(path.read_text())])} if path.exists() else {}


@dataclass(frozen=True)
class Site:
    """The pages of a folder, and where they will stand: at the canonical address of the front page, if it has one."""

    folder: Path
    pages: dict[Path, Page]

    @property
    def base(self) -> str:
        front = self.pages.get(self.folder / "index.html", Page())
        return front.canonical.removesuffix("index.html")

    def file_of(self, link: str, path: Path) -> Path | None:
        """Return the file of this site that a link of a page leads to; None for another site's."""
        if self.base and link.startswith(self.base):
            return self.folder / (unquote(urlsplit(link[len(self.base) :]).path) or "index.html")
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return None
        root = urlsplit(self.base).path
        if root and parts.path.startswith(root):
            return self.folder / (unquote(parts.path.removeprefix(root)) or "index.html")
        return (path.parent / unquote(parts.path)).resolve() if parts.path else path


def errors(page: Page) -> Iterable[str]:
    """Yield error outputs, tracebacks and blemishes of the text."""
    if "Traceback (most recent call last)" in page.text + page.outputs:
        yield "a traceback"
    if "traceback" in page.classes or "system-message" in page.classes:
        yield "an error output"
    for name, pattern in BLEMISHES.items():
        if match := pattern.search(page.text):
            yield f"{name}: {match.group()!r}"


def site_of(folder: Path) -> Site:
    """Return the pages of a folder; what packages bring with them is not looked at."""
    paths = [path for path in sorted(folder.resolve().rglob("*.html")) if "_static" not in path.parts]
    return Site(folder.resolve(), {path: read_page(path) for path in paths})


def broken_links(path: Path, page: Page, site: Site) -> Iterable[str]:
    """Yield links to pages, files or anchors that do not exist; other sites are not asked."""
    for link in page.links:
        target, anchor = site.file_of(link, path), unquote(urlsplit(link).fragment)
        if target and not target.is_file():
            yield f"broken link {link!r}"
        elif target in site.pages and anchor and anchor not in site.pages[target].anchors:
            yield f"broken link {link!r}: no such anchor"


def loading_faults(path: Path, page: Page, site: Site) -> Iterable[str]:
    """Yield what a page would load from another server, and local files that are missing."""
    for address in page.loads:
        target = site.file_of(address, path)
        if target is None and urlsplit(address).netloc:
            yield f"loads {address!r} from another server"
        elif target and not target.is_file():
            yield f"missing file {address!r}"


def external(folder: Path) -> dict[str, str]:
    """Return every address elsewhere that the pages link to, in order, and the first page that does."""
    site, found = site_of(folder), dict[str, str]()
    for path, page in site.pages.items():
        links = [link for link in page.links if urlsplit(link).netloc and site.file_of(link, path) is None]
        found = dict.fromkeys(links, path.relative_to(site.folder).as_posix()) | found
    return dict(sorted(found.items()))


def image_faults(page: Page) -> Iterable[str]:
    """Yield pictures whose alternative text says too little."""
    for address, words in page.images:
        if len(words) < 20:
            yield f"picture {address!r} has no alternative text of 20 characters: {words!r}"


def missing_figures(html: Path, source: Path) -> list[str]:
    """Return one line for each figure that a staged notebook declares and its page does not show."""
    found = []
    for path in sorted(source.rglob("*.ipynb")):
        page = (html / path.relative_to(source).with_suffix(".html")).read_text(encoding="utf-8")
        shown = {name for name, inside in FIGURE.findall(page) if "<img" in inside or "<svg" in inside}
        told = [cell["metadata"].get("mystnb", {}).get("figure", {}) for cell in json.loads(path.read_text())["cells"]]
        names = [figure["name"] for figure in told if "name" in figure]
        found += [f"{path.name}: the figure {name!r} has no picture" for name in names if name not in shown]
    return found


def failed_cells(notebooks: Iterable[Path]) -> list[str]:
    """Return one line for each error output in executed notebooks."""
    found = []
    for path in notebooks:
        for cell in json.loads(path.read_text())["cells"]:
            names = [out["ename"] for out in cell.get("outputs", []) if out["output_type"] == "error"]
            found += [f"{path.name}: {name} in a cell" for name in names]
    return found


if __name__ == "__main__":
    listed, given = "--external" in sys.argv, [word for word in sys.argv[1:] if word != "--external"]
    pages = Path(given[0] if given else "_build/html")
    if listed:
        sys.exit(print("\n".join(f"{link}  ({page})" for link, page in external(pages).items())))
    lines = problems(pages)
    print("\n".join(lines) or "no error, no broken link, no missing picture")
    sys.exit(bool(lines))
