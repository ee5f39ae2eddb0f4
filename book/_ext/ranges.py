"""Intervals such as (0.65–0.92) stay on one line of their cell, in tables of few columns."""

import re
from typing import Any

from sphinx.application import Sphinx

TABLE, ROW = re.compile(r"<table\b.*?</table>", re.DOTALL), re.compile(r"<tr\b.*?</tr>", re.DOTALL)
RANGE = re.compile(r"\([−+]?\d[\d.,]*(?:\s?%)?–[−+]?\d[\d.,]*(?:\s?%)?\)|\d[\d.]* ± \d[\d.]*")
FEW = 5  # columns; of more the cells are so narrow that the page is left no room


def keep_whole(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Wrap the intervals in a page's tables."""
    if "body" in context:
        context["body"] = TABLE.sub(lambda table: wrapped(table[0]), context["body"])


def wrapped(table: str) -> str:
    """Return a table whose intervals do not break, if its columns are few.

    >>> wrapped("<table><tr><td>0.8 (0.7–0.9)</td></tr></table>")
    '<table><tr><td>0.8 <span class="range">(0.7–0.9)</span></td></tr></table>'
    """
    first = ROW.search(table)
    few = first is not None and len(re.findall(r"<t[hd]\b", first[0])) <= FEW
    return RANGE.sub(r'<span class="range">\g<0></span>', table) if few else table


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", keep_whole)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
