"""For who teaches: what each chapter takes, beside its notebook, and key figures as slides in one file."""

import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import chapters
import words
from exercises import exercises
from provenance import table

TAKES = re.compile(r"\*\*Time\*\*:? (\d+) minutes")
KEY_FIGURES = (
    "fig-mr fig-spectra fig-window fig-uncertainty-window fig-means fig-images-inputs fig-networks-mask "
    "fig-training-feature fig-search-winner fig-table2 fig-calibration fig-overview fig-margin-share "
    "fig-patients-truths fig-luck fig-pitfalls-all fig-own-self"  # none is taller than a slide can show
).split()
SHEET = """
html { scroll-snap-type: y mandatory; color-scheme: light dark; font: 1.1rem/1.4 sans-serif; }
body { margin: 0; }
section { box-sizing: border-box; min-height: 100vh; padding: 1rem 2rem 3rem; scroll-snap-align: start; display: flex;
  flex-direction: column; align-items: center; justify-content: center; position: relative; break-after: page; }
h1, h2 { margin: 0 0 1rem; }
img { max-width: 100%; max-height: 68vh; background: #fff; border-radius: 4px; }
p { max-width: 60rem; }
nav { position: absolute; bottom: 0.8rem; }
nav a { padding: 0.5rem 1rem; color: LinkText; }
@media print { nav { display: none; } }
"""


def page(text: str, notebooks: list[Path], told: Mapping[str, str]) -> str:
    """Return the instructor's page with its table of chapters, given their executed notebooks and the run's words."""
    header = ["chapter", "reading / min", "exercises", "their minutes", "ran in / s", "for students"]
    return text.replace("<!-- chapters -->", table(header, [row(path, told) for path in notebooks]))


def row(executed: Path, told: Mapping[str, str]) -> list[str]:
    """Return what a chapter takes: to read, to practise, to run."""

    text = text_of(words.chapter(chapters.source_of(Path("notebooks") / f"{executed.stem}.py"), told))
    minutes, seconds = TAKES.search(text), json.loads(executed.read_text())["metadata"]["papermill"]["duration"]
    practised = list(exercises(text))
    return [
        f"[{title_of(text)}](notebooks/{executed.stem})",
        minutes[1] if minutes else "–",
        str(len(practised)),
        str(sum(exercise.minutes for exercise in practised)),
        f"{seconds:.0f}",
        f'<a href="students/{executed.stem}.ipynb" download>{executed.stem}.ipynb</a>',
    ]


def text_of(notebook: Any) -> str:
    """Return the markdown of a notebook."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def title_of(text: str) -> str:
    """Return the title of a chapter."""
    return text.partition("\n")[0].removeprefix("# ")


# --- slides


def figures(notebooks: list[Path]) -> Iterator[Mapping[str, str]]:
    """Yield chapter, caption, alternative text and picture of the key figures that were drawn."""
    for path in notebooks:
        cells = json.loads(path.read_text())["cells"]
        title = title_of("".join(cells[0]["source"]))
        for cell in cells:
            told = cell["metadata"].get("mystnb", {})
            shown = [picture for out in cell.get("outputs", []) if (picture := chapters.picture_in(out))]
            if told.get("figure", {}).get("name") in KEY_FIGURES and shown:
                caption, alt = html.unescape(told["figure"]["caption"]), told["image"]["alt"]
                yield {"title": title, "caption": caption, "alt": alt, "picture": shown[0]}


def slides(notebooks: list[Path], whose: str) -> str:
    """Return one HTML page that needs no other file: a slide for each key figure, moved through by keys or links."""
    drawn = list(figures(notebooks))
    simulated = "All patients on these slides are simulated."
    told = simulated if whose == "Simulated" else "Whose patients a figure shows, its caption says."
    opening = f"<h1>From Echo to Outcome</h1><p>Key figures. {told}</p>"
    bodies = [opening, *map(slide, drawn)]
    sections = [section(number, body, len(bodies)) for number, body in enumerate(bodies, start=1)]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{SHEET}</style>'
    head += '<title>From Echo to Outcome: slides</title><link rel="icon" href="data:,">'
    return f'<!DOCTYPE html><html lang="en"><head>{head}</head><body><main>{"".join(sections)}</main></body></html>'


def slide(figure: Mapping[str, str]) -> str:
    """Return what one slide shows."""
    picture = f'<img alt="{html.escape(figure["alt"])}" src="{figure["picture"]}">'
    return f"<h2>{html.escape(figure['title'])}</h2>{picture}<p>{html.escape(figure['caption'])}</p>"


def section(number: int, body: str, of: int) -> str:
    """Return a slide with the links to its neighbours."""
    links = [
        f'<a href="#slide-{to}">{way}</a>' for to, way in ((number - 1, "back"), (number + 1, "on")) if 1 <= to <= of
    ]
    back = '<a href="teaching.html">book</a>' if number == 1 else ""
    where = f"{number} / {of}"
    nav = f'<nav aria-label="slide {where}">{"".join(links)}{back} {where}</nav>'
    return f'<section id="slide-{number}">{body}{nav}</section>'
