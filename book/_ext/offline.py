"""Pages that ask no other server for anything (local MathJax, no Thebe), with sound ARIA roles and labels."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

MATHJAX = "mathjax/tex-svg.js"
DOWNLOADS = {".ipynb": "Notebook", ".executed.ipynb": "Notebook with outputs", ".py": "Python file"}
LABELS = re.compile(  # that hide from a screen reader what a button shows, or add to what it shows
    r'(?<=<summary) aria-label="[^"]*"'
    r'|(?<=search-button-field search-button__button pst-js-only" title="Search") aria-label="Search"'
    r'|(?<= data-mode="(?:auto|dark)") +title="[^"]*"|(?<= data-mode="light") +title="[^"]*"'
)


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy MathJax's TeX input and SVG output, and what they load on demand, into ``_static/mathjax``."""
    if error is not None or app.builder.format != "html":
        return
    found = find_spec("sphinx-mathjax-offline")
    source = Path(str(found and found.origin)).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    shutil.copytree(source / "input" / "tex", target / "input" / "tex", dirs_exist_ok=True)
    shutil.copyfile(source / "tex-svg.js", target / "tex-svg.js")


def drop_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Leave Thebe's scripts out of every page: nothing here runs in the browser."""
    scripts = context.get("script_files", [])
    context["script_files"] = [script for script in scripts if "thebe" not in words(script).lower()]


def drop_mathjax(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Leave MathJax, two million bytes, out of pages without a formula."""
    if 'class="math' not in context.get("body", ""):
        scripts = context.get("script_files", [])
        context["script_files"] = [script for script in scripts if "mathjax" not in words(script).lower()]


def plain_bibliography(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Take out roles of the bibliography that ARIA has given up."""
    if "body" in context:
        context["body"] = re.sub(r' role="(list|doc-biblioentry)"(?=[^>]*citation|>)', "", context["body"])


def offer_downloads(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Offer the three files of a chapter that ``downloads.py`` writes in place of the page's source."""
    if not page.startswith("notebooks/"):
        return
    for group in context.get("header_buttons", []):
        if group.get("label") == "download-buttons":
            name = f"downloads/{page.removeprefix('notebooks/')}"
            link = {"type": "link", "icon": "fas fa-file", "label": "download-source-button"}
            links = [
                link | {"url": context["pathto"](name + kind, 1), "text": text, "tooltip": f"Download it as {kind}"}
                for kind, text in DOWNLOADS.items()
            ]
            group["buttons"] = links + [button for button in group["buttons"] if button["type"] != "link"]


def sound_labels(app: Sphinx, error: Exception | None) -> None:
    """Let buttons be called by what they show: the theme's labels say something else."""
    if error is None and app.builder.format == "html":
        for path in Path(app.outdir).rglob("*.html"):
            text = path.read_text(encoding="utf-8")
            path.write_text(LABELS.sub("", text), encoding="utf-8")


def words(script: Any) -> str:
    """Return the address and the inline text of a script."""
    return f"{getattr(script, 'filename', script)} {getattr(script, 'attributes', {}).get('body', '')}"


def setup(app: Sphinx) -> dict[str, bool]:
    app.config.mathjax_path = MATHJAX
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", drop_mathjax, priority=900)
    app.connect("html-page-context", plain_bibliography)
    app.connect("html-page-context", offer_downloads, priority=900)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", sound_labels)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
