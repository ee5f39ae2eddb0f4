"""The front page and the discussion, written from what the chapters kept: sentences are chosen by the run.

A page says ``<!-- found: numbers -->`` where one of the blocks of ``blocks`` stands.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import citation
import claims
from claims import Found
from words import typeset

from ground.profiles import read_parameters
from reading.results import Result, kept

BLOCK = re.compile(r"<!-- found: (\w+) -->")
FIGURE = "fig-overview"
NUMBERS = ("patients", "rms_esd_um", "auc_4", "log_rank_model 4", "lead_networks", "reproduced")
DOORS = {  # page -> title, and what is behind it
    "notebooks/01_study": ("Read", "From the patients to the last judgement, chapter by chapter."),
    "provenance": ("Rerun", "Parameters, versions and times of this run, and one command that makes it anew."),
    "teaching": ("Teach", "Goals, questions and exercises for a course."),
}


def found_in(notebooks: Iterable[Path]) -> Found:
    """Return the results of staged chapters by their names."""
    return Found({result.name: result for path in notebooks for result in kept(path)}, titles(notebooks))


def titles(notebooks: Iterable[Path]) -> dict[str, str]:
    """Return the title of each staged chapter by its file's name."""
    found = {}
    for path in notebooks:
        texts = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]
        found[path.stem] = next(text for text in texts if text.startswith("# ")).splitlines()[0].removeprefix("# ")
    return found


def write(target: Path, run: Path, words: Mapping[str, str]) -> None:
    """Fill the staged pages that tell what was found, and write the band's text and the front page's figure."""
    notebooks = sorted((target / "notebooks").glob("*.ipynb"))
    found = found_in(notebooks)
    (target / "run.txt").write_text(band(run, words))
    told = blocks(found, words, target, figure(notebooks, target))
    for page in target.glob("*.md"):
        page.write_text(BLOCK.sub(lambda place: typeset(told[place[1]]), page.read_text()))


def blocks(found: Found, words: Mapping[str, str], target: Path, picture: str) -> dict[str, str]:
    """Return name -> markdown of everything that pages can show of what was found."""
    judged = claims.judged(found, words)
    return {
        "abstract": claims.abstract(found, words),
        "figure": picture,
        "numbers": numbers(found),
        "doors": doors(target),
        "cite": f"```bibtex\n{citation.bibtex().strip()}\n```",
        "claims": claims.table(judged),
        "printed": claims.printed_figures(found),
        "results": results(found),
    } | {kind: claims.listed(judged, kind) for kind in claims.KINDS}


def band(run: Path, words: Mapping[str, str]) -> str:
    """Return which run the pages show, in a line: profile, patients, size of the images, seed."""
    settings = read_parameters(run / "settings.yml")
    profile, patients = run.name.rpartition("-")[0], f"{words['n_patients']} {words['whose']} patients"
    return " · ".join([profile, patients, f"{settings['image_px']} px", f"seed {settings['cohort_seed']}"])


def figure(notebooks: Iterable[Path], target: Path) -> str:
    """Write the picture of the chapter that draws the whole path beside the front page; return its directive.

    Raises ``ValueError`` where no chapter draws it.
    """
    for path in notebooks:
        for cell in json.loads(path.read_text())["cells"]:
            told = cell["metadata"].get("mystnb", {})
            if told.get("figure", {}).get("name") == FIGURE:
                pictures = [out["data"]["image/png"] for out in cell["outputs"] if "image/png" in out.get("data", {})]
                (target / "overview.png").write_bytes(base64.b64decode("".join(pictures[0])))
                caption = f"{told['figure']['caption']} {claims.link(path.stem, FIGURE, 'How it is computed')}."
                options = f":name: fig-front\n:alt: {told['image']['alt']}"
                return f"```{{figure}} overview.png\n{options}\n\n{caption}\n```"
    raise ValueError(f"no chapter draws {FIGURE}, expected one that does")


def numbers(found: Found) -> str:
    """Return six numbers as cards, each with a link to where it is shown."""
    return grid("numbers", [card_of(found[name], found) for name in NUMBERS if name in found])


def card_of(result: Result, found: Found) -> str:
    """Return one number as a card."""
    label = result.label + f" ({result.few})" * bool(result.few)
    if result.name == "patients":
        label += f", {claims.of_them(found)}"
    if result.name == "reproduced":
        label = f"of the paper's {found['audited'].text} figures that can be computed anew come out as printed"
    return card(result.text, label, claims.address(result), "url")


def doors(target: Path) -> str:
    """Return the ways into the book as cards, those whose pages there are."""
    there = [page for page in DOORS if any((target / f"{page}{suffix}").exists() for suffix in (".md", ".ipynb"))]
    here = ["provenance"] * ("provenance" not in there)  # it is written last
    return grid("doors", [card(*DOORS[page], page, "doc") for page in DOORS if page in [*there, *here]])


def grid(name: str, cards: list[str]) -> str:
    """Return cards side by side, one above the other on a phone."""
    return "\n".join(["::::{grid} 1 2 3 3", ":gutter: 2", f":class-container: {name}", "", *cards, "::::"])


def card(title: str, text: str, link: str, kind: str) -> str:
    """Return a card that is a link."""
    return f":::{{grid-item-card}} {title}\n:link: {link}\n:link-type: {kind}\n\n{text}\n:::"


def results(found: Found) -> str:
    """Return all that the chapters kept as a table in Markdown."""
    rows = [
        f"| {result.label} | {result.text}{f', {result.few}' * bool(result.few)} | {claims.where(result, found)} |"
        for result in found.values()
    ]
    return "\n".join(["| what | this run | where |", "| --- | --- | --- |", *rows])
