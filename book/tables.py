"""Tables that code makes, with a caption and a number, as figures have them.

A cell's metadata says which: ``mystnb={"table": {"name": "tab-two", "caption": "..."}}``. Where a run has no table, but
a sentence that says why, the sentence takes its place, so that what refers to it still finds it.
"""

import re
from typing import Any

ROWS = re.compile(r"^\|.*\|$(?:\n^\|.*\|$)*", re.MULTILINE)


def captioned(notebook: Any) -> Any:
    """Return a notebook with the first table of each cell that declares one under its caption."""
    for cell in notebook.cells:
        told = cell.metadata.get("mystnb", {}).pop("table", None)
        if told:
            shown = [out.data for out in cell.outputs if "text/markdown" in out.get("data", {})]
            shown[0]["text/markdown"] = under_caption(shown[0]["text/markdown"], told["name"], told["caption"])
    return notebook


def under_caption(text: str, name: str, caption: str) -> str:
    """Return MyST markdown with its first table, or all of it if it has none, as a table of that name."""
    found = ROWS.search(text)
    if not found:  # a table of one field, without a head
        return f":::{{list-table}} {caption}\n:name: {name}\n\n* - {' '.join(text.split())}\n:::"
    before, rows, after = text[: found.start()], found[0], text[found.end() :]
    table = f":::{{table}} {caption}\n:name: {name}\n\n{rows}\n:::"
    return "\n\n".join(part for part in (before.strip(), table, after.strip()) if part)
