"""Words that follow the run: what a page says of its patients comes from them, whoever they are.

In prose, captions and alternative texts ``{{ n_patients }}`` stands for a word of the run. A cell tagged
``if-simulated`` or ``if-recorded`` is on the page only if its patients are; in prose pages, a block between the
comments ``<!-- if-simulated -->`` and ``<!-- end -->`` is.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ground.artifacts import file_digest, project_path, recall_digests
from ground.keys import content_key
from helpers import stages
from helpers.settings import Settings

PLACE = re.compile(r"\{\{ *(\w+) *\}\}")
MARKUP = re.compile(r"[^\w ,.;:/()%+–-]|_")  # what could be more than its letters
PRINTED = re.compile(  # code, formulas and addresses, which stay; and what is printed otherwise than it is typed
    r"(?P<fence>`{3,}|~{3,}).*?(?P=fence)|`[^`\n]*`|\$[^$]*\$|<[a-zA-Z/!][^>]*>|\]\([^)]*\)"
    r"|(?P<nought>(?<![\w.)–-])[+-](?=0(?:\.0+)?(?!\.?\d|\w)))"
    r"|(?P<minus>(?<![\w.)–-])-(?=\.?\d))|(?P<percent>(?<=\d) ?%)",
    re.DOTALL,
)
COUNTED = "patient|responder|non-responder|plane|window|frame|image|recurrence|trial|interval|group|run|square"
ONE = re.compile(rf"(?<![\w.,–-])(?<!Table )(?<!odel )1 ((?:[a-z]+ )?)({COUNTED})s\b")
BLOCK = re.compile(r"<!-- if-(simulated|recorded) -->\n(.*?)<!-- end -->\n", re.DOTALL)


def words_of(settings: Settings, artifacts: str | Path) -> dict[str, str]:
    """Return name -> word of a run: whose patients, how many, and what was done to their echoes."""
    patients = stages.cohort(settings, artifacts)
    sizes = patients.split.value_counts()
    counts = {f"n_{part}": int(sizes.get(part, 0)) for part in ("train", "validation", "test")}
    counts |= {"n_patients": len(patients), "n_planes": int(patients.n_planes.sum())}
    chosen = settings.maps
    measures = {"window_mm": f"{chosen.window_mm:g}", "margin_mm": f"{chosen.margin_mm:g}"}
    measures |= {"overlap_percent": f"{100 * chosen.overlap:g}", "level_percent": f"{100 * settings.judgement.level:g}"}
    measures |= {"image_px": f"{settings.images.image_px}"}
    whose = settings.study.whose
    told = {"whose": whose.lower(), "Whose": whose, "cohort_key": cohort_key(settings, artifacts)}
    return told | measures | {name: f"{n:,}" for name, n in counts.items()}


def cohort_key(settings: Settings, artifacts: str | Path) -> str:
    """Return the key of all that a recorded cohort holds; empty for simulated patients."""
    recall_digests(project_path(artifacts) / "digests.json")
    files = stages.recorded_files(settings)
    return content_key([file_digest(path) for path in files]) if files else ""


def literal(text: str) -> str:
    """Return a text of the run for markdown: each sign that could be markup as the number of its letter."""
    return MARKUP.sub(lambda found: f"&#{ord(found[0])};", " ".join(text.split()))


def filled(text: str, words: Mapping[str, str], markdown: bool = True) -> str:
    """Return a text with the words of the run in their places, as the letters they are, never as markup.

    Raises ``ValueError`` for a word that no run has.
    """
    unknown = sorted(set(PLACE.findall(text)) - set(words))
    if unknown:
        raise ValueError(f"{unknown}: no such words, expected some of {sorted(words)}")
    return PLACE.sub(lambda found: literal(words[found[1]]) if markdown else words[found[1]], text)


def page(text: str, words: Mapping[str, str]) -> str:
    """Return a prose page with the blocks and the words that are true of the run."""
    return typeset(filled(BLOCK.sub(lambda found: found[2] if found[1] == words["whose"] else "", text), words))


def chapter(notebook: Any, words: Mapping[str, str]) -> Any:
    """Return a notebook with the cells and the words that are true of the run; code is left as it was executed."""
    other = "if-recorded" if words["whose"] == "simulated" else "if-simulated"
    notebook.cells = [cell for cell in notebook.cells if other not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        if cell.cell_type == "code" and "outputs" in cell:
            cell.outputs = [shown for shown in map(output, cell.outputs) if shown]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = typeset(filled(cell.source, words))
        elif "mystnb" in cell.metadata:
            cell.metadata["mystnb"] = in_metadata(cell.metadata["mystnb"], words)
    return notebook


def output(shown: Any) -> Any:
    """Return an output with its text as it is printed, one of a thing in the singular; None for a text of no words."""
    text = shown.get("data", {}).get("text/markdown")
    if text is None:
        return shown
    shown["data"]["text/markdown"] = typeset(ONE.sub(r"1 \1\2", "".join(text)))
    return shown if shown["data"]["text/markdown"].strip() else None


def typeset(text: str) -> str:
    """Return a text with minus signs before numbers but nought, and with per cent apart from them but on one line.

    >>> typeset("-0.3 to 25%, `-0.3 to 25%`")
    '−0.3 to 25\\xa0%, `-0.3 to 25%`'
    """
    signs = {"nought": "", "minus": "−", "percent": "\xa0%"}
    return PRINTED.sub(lambda found: signs.get(found.lastgroup or "", found[0]), text)


def in_metadata(value: Any, words: Mapping[str, str], markdown: bool = True) -> Any:
    """Return nested metadata with the words in every text of it; an alternative text is no markdown."""
    if isinstance(value, dict):
        return {name: in_metadata(one, words, name != "alt") for name, one in value.items()}
    return typeset(filled(value, words, markdown)) if isinstance(value, str) else value
