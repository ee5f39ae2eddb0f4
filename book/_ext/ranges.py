"""Intervals such as (0.65–0.92) stay on one line of their cell, however narrow a table is."""

import re
from typing import Any

from sphinx.application import Sphinx

CELL = re.compile(r"<td\b[^>]*>.*?</td>", re.DOTALL)
RANGE = re.compile(r"\([−+]?\d[\d.,]*(?:\s?%)?–[−+]?\d[\d.,]*(?:\s?%)?\)")


def keep_whole(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Wrap the intervals in the cells of a page's tables."""
    if "body" in context:
        context["body"] = CELL.sub(lambda cell: wrapped(cell[0]), context["body"])


def wrapped(cell: str) -> str:
    """Return a cell whose intervals do not break.

    >>> wrapped("<td>0.8 (0.7–0.9)</td>")
    '<td>0.8 <span class="range">(0.7–0.9)</span></td>'
    """
    return RANGE.sub(r'<span class="range">\g<0></span>', cell)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", keep_whole)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
