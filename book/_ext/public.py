"""Pages that can be found and shared: what their cards say, a map of the site, a page for what is not there.

Canonical links, pictures of cards and the map of the site need to know where the pages stand (``baseurl``), links to
a page's source where the repository is; without them a page says only what is true anywhere.
"""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from xml.sax.saxutils import escape as in_xml

from docutils import nodes
from sphinx.application import Sphinx

RASTER = (".png", ".jpg", ".jpeg", ".webp")  # what a card can show
LONGEST = 200  # letters of a description
SOURCES = {"data": "data/README.md", "provenance": "book/provenance.py"}  # pages that are not written in book/
NOT_FOUND = "404"
LOST = """<section><h1>Page not found</h1>
<p>There is no page at this address. It may have been renamed in a newer edition of the book.</p>
<ul><li><a href="index.html">To the front page</a></li><li><a href="search.html">Search the book</a></li></ul>
</section>"""
LOCAL = re.compile(r'\b(href|src|action|data-content_root)="(?![a-z]+:|//|#)([^"]*)"')


def pictures(app: Sphinx, page: str) -> Iterator[tuple[str, str]]:
    """Yield file name in the built book and alternative text of the pictures of a page that a card can show."""
    for node in app.env.get_doctree(page).findall(nodes.image):
        uri = node["uri"]
        if uri in app.env.images and uri.endswith(RASTER):
            yield app.env.images[uri][1], node.get("alt", "")


def first_picture(app: Sphinx, page: str) -> tuple[str, str] | None:
    """Return the first picture of a page, or of the book where the page has none."""
    pages = [page, *app.env.toctree_includes.get(app.config.root_doc, [])]
    return next((found for one in pages for found in pictures(app, one)), None)


def description(doctree: nodes.document) -> str:
    """Return the beginning of a page's first paragraph, up to a whole word."""
    paragraphs = (node for node in doctree.findall(nodes.paragraph) if isinstance(node.parent, nodes.section))
    text = " ".join(next(paragraphs, nodes.paragraph()).astext().split())
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " …"


def card(app: Sphinx, page: str, context: dict[str, Any], doctree: nodes.document) -> dict[str, str]:
    """Return what the Open Graph protocol says of a page; addresses only if they are known."""
    title = re.sub(r"<[^>]*>", "", context["title"])
    told = {"og:type": "article", "og:site_name": app.config.html_title, "og:title": title}
    told |= {"og:description": description(doctree)}
    base = app.config.html_baseurl
    if base and (found := first_picture(app, page)):
        picture = {"og:image": f"{base}{app.builder.imagedir}/{found[0]}", "og:image:alt": found[1]}
        return told | {"og:url": f"{base}{page}.html"} | picture
    return told | ({"og:url": f"{base}{page}.html"} if base else {})


def write_card(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put a page's card into its head."""
    if doctree is None:
        return
    told = card(app, page, context, doctree)
    lines = [f'<meta name="description" content="{escape(told["og:description"])}" />']
    lines += [f'<meta property="{name}" content="{escape(text)}" />' for name, text in told.items() if text]
    if "og:image" in told:
        lines += ['<meta name="twitter:card" content="summary_large_image" />']
    context["metatags"] = context.get("metatags", "") + "\n" + "\n".join(lines)


def source_of(page: str) -> str:
    """Return the tracked file that a page is made from."""
    return SOURCES.get(page) or (f"{page}.py" if page.startswith("notebooks/") else f"book/{page}.md")


def link_source(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Add a button with the repository, the page's tracked source, and what is to be done."""
    options = app.config.html_theme_options
    repository, branch = options.get("repository_url"), options.get("repository_branch") or "main"
    if not repository or doctree is None:
        return
    links = {
        "Repository": (repository, "fas fa-code-branch"),
        "Source of this page": (f"{repository}/blob/{branch}/{source_of(page)}", "fas fa-file-code"),
        "Issues": (f"{repository}/issues", "fas fa-lightbulb"),
    }
    buttons = [
        {"type": "link", "url": url, "text": text, "tooltip": text, "icon": icon, "label": f"source-{i}-button"}
        for i, (text, (url, icon)) in enumerate(links.items())
    ]
    group = {"type": "group", "tooltip": "Source", "icon": "fas fa-code-branch", "label": "source-buttons"}
    context["header_buttons"].append(group | {"buttons": buttons})


def not_found(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the page that a server shows in place of one that is not there."""
    yield NOT_FOUND, {"title": "Page not found", "body": LOST}, "page.html"


def at_any_depth(app: Sphinx, error: Exception | None) -> None:
    """Make the addresses of that page absolute: it stands in place of pages in folders, too."""
    page = Path(app.outdir) / f"{NOT_FOUND}.html"
    if error is None and app.config.html_baseurl and page.exists():
        root = urlsplit(app.config.html_baseurl).path
        page.write_text(LOCAL.sub(lambda one: f'{one[1]}="{urljoin(root, one[2])}"', page.read_text()))


def map_site(app: Sphinx, error: Exception | None) -> None:
    """Write ``sitemap.xml``, in the form of sitemaps.org 0.9."""
    base = app.config.html_baseurl
    if error is None and base and app.builder.format == "html":
        pages = sorted(page for page in app.env.found_docs if page in app.env.all_docs)
        lines = [f"  <url><loc>{in_xml(base + page)}.html</loc></url>\n" for page in pages]
        head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        (Path(app.outdir) / "sitemap.xml").write_text(f"{head}{''.join(lines)}</urlset>\n")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", write_card)
    app.connect("html-page-context", link_source, priority=900)  # after the theme has made its list of buttons
    app.connect("html-collect-pages", not_found)
    app.connect("build-finished", at_any_depth)
    app.connect("build-finished", map_site)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
