"""A band above every page that names the run it shows: the theme's announcement, from the file ``run.txt``."""

from html import escape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx


def name_run(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Say above a page which run it shows."""
    told = Path(app.srcdir) / "run.txt"
    if told.exists():
        context["theme_announcement"] = escape(told.read_text().strip())


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", name_run)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
