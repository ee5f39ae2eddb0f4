"""The book as an EPUB 3: the bound page's leaves as Chromium shows them, formulas drawn, nothing that moves."""

import json
import re
import zipfile
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import unquote

import bound
import citation
import paper
from bs4 import BeautifulSoup

from ground.artifacts import project_path, write_whole

TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".webp": "image/webp"}
CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="EPUB/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>
"""
PAGE = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="en" xml:lang="en">
<head><title>{title}</title><link rel="stylesheet" type="text/css" href="book.css"/></head><body>{body}</body></html>
"""
PACKAGE = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">urn:from-echo-to-outcome:{version}</dc:identifier><dc:title>{title}</dc:title>
<dc:language>en</dc:language>{authors}<dc:rights>{license}</dc:rights>
<meta property="dcterms:modified">{day}T00:00:00Z</meta></metadata>
<manifest>{items}</manifest>
<spine>{spine}</spine></package>
"""


@dataclass(frozen=True)
class Chapter:
    """One leaf as XHTML."""

    key: str
    title: str
    xhtml: str

    @property
    def pictures(self) -> list[str]:
        """Files that it shows, as they are named within the book."""
        return sorted({unquote(name) for name in re.findall(r'<img[^>]*\bsrc="([^":]+)"', self.xhtml)})

    @property
    def linked(self) -> str:
        """The XHTML with links that lead from file to file; what drawings refer to stays where it is."""
        return re.sub(r'(<a\b[^>]*\s)href="#(([\w-]+?)(?:--[^"]*)?)"', r'\1href="\3.xhtml#\2"', self.xhtml)


def chapters(folder: Path) -> list[Chapter]:
    """Return the rendered book in a folder as XHTML; Chromium writes it, once it has drawn all formulas."""
    bound_leaves = bound.leaves(folder, bound.order())
    script = f"<script>{project_path('book/_bound/xhtml.js').read_text()}</script>"
    page = bound.document(folder, bound_leaves).replace("</body>", script + "</body>")
    with paper.opened(folder, page) as address:
        shown = BeautifulSoup(paper.run(address, "--dump-dom"), "html.parser")
    written = shown.select_one("pre#written")
    if written is None:
        raise RuntimeError("Chromium has not written the book; its formulas may have taken too long")
    texts = json.loads(written.get_text())
    return [Chapter(one.key, one.title, texts[one.key]) for one in bound_leaves]


def epub(folder: Path, target: Path) -> Path:
    """Write the rendered book in a folder as one EPUB; returns its path."""
    paper.browser()
    told = chapters(folder)
    return write_whole(target, lambda temporary: pack(told, folder, temporary))


def pack(told: list[Chapter], folder: Path, target: Path) -> None:
    """Write the package: the type of the file first and as it is, then all else, compressed."""
    pictures = sorted({name for one in told for name in one.pictures})
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        book.writestr("META-INF/container.xml", CONTAINER)
        book.writestr("EPUB/book.opf", package(told, pictures))
        book.writestr("EPUB/book.css", project_path("book/_bound/epub.css").read_text())
        book.writestr("EPUB/nav.xhtml", PAGE.format(title="Contents", body=contents(told)))
        for one in told:
            book.writestr(f"EPUB/{one.key}.xhtml", PAGE.format(title=escape(one.title), body=one.linked))
        for name in pictures:
            book.write(folder / name, f"EPUB/{name}")


def contents(told: list[Chapter]) -> str:
    """Return the table of contents, which readers show beside the book."""
    lines = "".join(f'<li><a href="{one.key}.xhtml">{escape(one.title)}</a></li>' for one in told)
    return f'<nav epub:type="toc" id="toc"><h1>Contents</h1><ol>{lines}</ol></nav>'


def package(told: list[Chapter], pictures: list[str]) -> str:
    """Return the package document: what the book is, which files it has, in which order they are read."""
    cited = citation.cited()
    items = ['<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>']
    items += ['<item id="css" href="book.css" media-type="text/css"/>']
    for one in told:
        drawn = ' properties="svg"' if "<svg" in one.xhtml else ""
        items += [f'<item id="{one.key}" href="{one.key}.xhtml" media-type="application/xhtml+xml"{drawn}/>']
    for i, name in enumerate(pictures):
        items += [f'<item id="picture-{i}" href="{name}" media-type="{TYPES[Path(name).suffix]}"/>']
    return PACKAGE.format(
        **{name: escape(str(cited[name])) for name in ("title", "version", "license")},
        day=cited["date-released"],
        authors="".join(f"<dc:creator>{escape(one['name'])}</dc:creator>" for one in cited["authors"]),
        items="\n".join(items),
        spine="".join(f'<itemref idref="{one.key}"/>' for one in told),
    )
