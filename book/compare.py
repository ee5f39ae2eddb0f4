"""Two rendered runs held against each other, on a page of their own: ``_build/compare/ONE-OTHER.html``.

What is computed comes from the runs' kept results; nothing is trained. A page tells of patients what the runs' own
pages tell of them, and is looked through in the same way before it is put in place.
"""

import html
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chapters
import check_html
import jobs
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import publish
import runs
from matplotlib.figure import Figure

from beyond.comparison import compare_models
from ground.artifacts import is_sound
from ground.errors import InputError
from ground.profiles import read_parameters
from helpers import stages
from helpers.data.study import MODELS
from helpers.judgement import evaluation
from helpers.settings import Settings
from pages import judgement
from pages.figures import FORMATS, panels, use_book_style

TITLES = {slug: spec.title for slug, spec in MODELS.items()}
NOT_TOLD = {"profile", "artifacts"}  # of every run its own
GIVEN = ("patient", "_rf", "_file")  # parameters whose values say whose or where
FIGURES = {  # of the chapters, and what they show
    "fig-recovered": "Maps against what they estimate",
    "fig-calibration": "Calibration",
    "fig-survival": "Survival of the predicted groups",
    "fig-random-weights": "Prediction difference against random weights",
}


@dataclass(frozen=True)
class Run:
    """What is compared of a run."""

    name: str
    settings: Settings
    parameters: dict[str, Any]  # as they may be published
    patients: pd.DataFrame  # with their split
    predictions: pd.DataFrame  # a row a model and patient

    @property
    def test(self) -> pd.DataFrame:
        """The predictions for the test patients."""
        return self.predictions[self.predictions.split == "test"]


def read(name: str) -> Run:
    """Return a run that was rendered under a name. Raises ``InputError`` where it or its results are gone."""
    folder = runs.folder_of(name)
    parameters = folder / "parameters" / "stages.yml"
    if not parameters.exists():
        raise InputError(f"RUNS: {name!r}: {folder} is gone; make the run again")
    settings, artifacts = jobs.read(parameters)
    if not all(map(is_sound, stages.files_of("models", settings, artifacts))):
        raise InputError(f"RUNS: {name!r}: its results are gone, or its code is another now; make the run again")
    predictions = stages.models(settings, artifacts).predictions.astype({"responder": bool})
    told = settings.public() | own_parameters(folder)
    return Run(name, settings, told, stages.cohort(settings, artifacts), predictions)


def own_parameters(folder: Path) -> dict[str, Any]:
    """Return what single chapters of a run were given, without what says whose patient or where a file is."""
    values: dict[str, Any] = {}
    for path in sorted((folder / "parameters").glob("[0-9]*.yml")):
        values |= {name: value for name, value in read_parameters(path).items() if name not in NOT_TOLD}
    told = {name: "given" if name.endswith(GIVEN) and value else value for name, value in values.items()}
    return {name: value for name, value in told.items() if name != "search_storage" and name != "cohort"}


def changed(one: Run, other: Run) -> pd.DataFrame:
    """Return a row for each parameter that is not the same."""
    names = [name for name in one.parameters | other.parameters if name != "search_storage"]
    values = [(name, one.parameters.get(name, "–"), other.parameters.get(name, "–")) for name in names]
    rows = [(name, str(first), str(second)) for name, first, second in values if first != second]
    return pd.DataFrame(rows, columns=["parameter", one.name, other.name]).set_index("parameter")


def no_pairs(one: Run, other: Run) -> str:
    """Return why the test patients of two runs are not the same people, as text; empty where they are."""
    first, second = (run.patients.sort_index() for run in (one, other))
    if not first.drop(columns="split").equals(second.drop(columns="split")):
        return "The cohorts differ"
    return "" if first.split.equals(second.split) else "The patients are the same and the split differs"


def paired(one: Run, other: Run, level: float) -> pd.DataFrame:
    """Return each model of one run against the same model of the other on the same test patients, as text."""
    rows = []
    for slug in MODELS:
        both = [run.test[run.test.model == slug].set_index("patient") for run in (other, one)]
        wide = pd.DataFrame({other.name: both[0].probability, one.name: both[1].probability})
        rows.append(compare_models(~both[0].responder.reindex(wide.index), wide, level))
    told = judgement.compared(pd.concat(rows), {run.name: run.name for run in (one, other)})
    return told.assign(model=[TITLES[slug] for slug in MODELS]).drop(columns="against").set_index("model")


def unpaired(one: Run, other: Run, level: float) -> pd.DataFrame:
    """Return the differences of AUC, sensitivity and specificity of each model, as those of other patients, as text."""
    tables = [evaluation.table2(run.predictions, level) for run in (one, other)]
    names = {"test_auc": "AUC", "test_sensitivity": "sensitivity", "test_specificity": "specificity"}
    columns = {}
    for name, title in names.items():
        found = [difference(*(ends(table_.loc[spec.number], name) for table_ in tables)) for spec in MODELS.values()]
        columns[title] = [judgement.with_interval(one_, "+.2f", missing=judgement.NOT_COMPUTED) for one_ in found]
    return pd.DataFrame(columns, index=pd.Index(TITLES.values(), name="model"))


def ends(row: pd.Series, name: str) -> tuple[float, float, float]:
    """Return (value, low, high) of a measure in a row of Table 2."""
    return row[name], row[f"{name}_low"], row[f"{name}_high"]


def difference(one: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Return (difference, low, high) of two measures (value, low, high) that were made on different patients.

    Each end is as far off as the two nearest ends are together (Zou and Donner 2008; of proportions with Wilson's
    intervals it is method 10 of Newcombe 1998).
    """
    (a, low_a, high_a), (b, low_b, high_b) = one, other
    return a - b, a - b - float(np.hypot(a - low_a, high_b - b)), a - b + float(np.hypot(high_a - a, b - low_b))


def roc_curves(one: Run, other: Run, level: float) -> Figure:
    """Draw the test curves of both runs, a panel a model."""
    figure, axes = panels(len(MODELS), 1, 4.2, shared=True)
    for ax, (slug, title) in zip(axes, TITLES.items(), strict=True):
        for run, colour in ((one, "C0"), (other, "C1")):
            rows = run.test[run.test.model == slug]
            judgement.draw_roc(ax, ~rows.responder, rows.probability, colour, f"{run.name} test", level)
        ax.plot([0, 1], [0, 1], ":", color="0.6")
        ax.set(title=title, aspect="equal", xlim=(0, 1), ylim=(0, 1))
        ax.legend(loc="lower right")
    figure.supxlabel("1 − specificity (responders called non-responders)")
    figure.supylabel("sensitivity (non-responders found)")
    return figure


def picture(address: str, alt: str, caption: str) -> str:
    """Return a figure as HTML."""
    shown = f'<img src="{address}" alt="{html.escape(alt)}">'
    return f"<figure>{shown}<figcaption>{html.escape(caption)}</figcaption></figure>"


def drawn(figure: Figure, alt: str, caption: str) -> str:
    """Return a drawing as HTML."""
    data = {kind: shown for kind, printed in FORMATS.items() if (shown := printed(figure))}
    plt.close(figure)
    return picture(chapters.picture_in({"data": data}) or "", alt, caption)


def paragraph(text: str) -> str:
    """Return a text as HTML; nothing for none."""
    return f"<p>{html.escape(text)}</p>" if text else ""


def table(frame: pd.DataFrame, caption: str) -> str:
    """Return a table as HTML, in a box that scrolls."""
    rows = frame.reset_index().to_html(index=False, border=0)
    told = rows.replace("<thead>", f"<caption>{html.escape(caption)}</caption>\n<thead>", 1)
    return f'<div class="wide" tabindex="0">{told}</div>'


def side_by_side(names: Sequence[str], folders: Sequence[Path]) -> Iterator[str]:
    """Yield a few of the chapters' figures, of both runs."""
    shown = [pictures(folder) for folder in folders]
    for figure, title in FIGURES.items():
        if any(figure in of_run for of_run in shown):
            both = zip(names, shown, strict=True)
            drawings = [picture(*of_run[figure], name) for name, of_run in both if figure in of_run]
            yield f'<h2>{title}</h2>\n<div class="two">{"".join(drawings)}</div>'


def pictures(folder: Path) -> dict[str, tuple[str, str]]:
    """Return figure -> (picture, alternative text) of a run's executed chapters."""
    found = {}
    for path in sorted((folder / "chapters").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
            for output in cell.outputs if name in FIGURES else ():
                if shown := chapters.picture_in(output):
                    found[name] = (shown, cell.metadata["mystnb"]["image"]["alt"])
    return found


def body(one: Run, other: Run) -> str:
    """Return the page's body: what differs, Table 2 and ROC of both, and their differences."""
    use_book_style()
    level = min(run.settings.judgement.level for run in (one, other))
    what = changed(one, other)
    parts = [f"<h1>{html.escape(f'{one.name} against {other.name}')}</h1>", paragraph(f"{whose(one)}; {whose(other)}.")]
    parts += ["<h2>Changed parameters</h2>"]
    parts += [table(what, "Parameters that are not the same") if len(what) else paragraph("No parameter differs.")]
    parts += ["<h2>Table 2 of both</h2>"]
    for run in (one, other):
        shown = judgement.readable(evaluation.table2(run.predictions, level)).drop(columns=["Features", "Input"])
        shown.index = pd.Index([TITLES[slug] for slug in MODELS], name="model")
        parts += [table(shown, f"{run.name}, {level:.0%} intervals")]
        parts += map(paragraph, filter(None, judgement.lacking_sets(run.predictions).split("\n\n")))
    alt = "Four panels, one per model, each with the test ROC curve of either run and the diagonal of guessing."
    parts += ["<h2>ROC curves</h2>", drawn(roc_curves(one, other, level), alt, "Test patients of either run.")]
    return "\n".join([*parts, "<h2>Differences</h2>", *differences(one, other, level), ""])


def whose(run: Run) -> str:
    """Return how many patients a run has, and whose, as text."""
    return f"{run.name}: {judgement.counted(len(run.patients), f'{run.settings.study.whose.lower()} patient')}"


def differences(one: Run, other: Run, level: float) -> Iterator[str]:
    """Yield the differences with their intervals: paired where the test patients are the same, else not."""
    told = f"{one.name} minus {other.name}, test patients, {level:.0%} intervals"
    if why := no_pairs(one, other):
        yield paragraph(f"{why}: no pairs can be made, and the differences are those of different patients.")
        yield table(unpaired(one, other, level), f"{told}, unpaired")
    else:
        yield paragraph("Both runs judge the same test patients; the differences are paired.")
        shown = paired(one, other, level).rename(
            columns={"only this / only the other right": f"only {one.name} / only {other.name} right"}
        )
        yield table(shown, f"{told}, paired")
        yield paragraph(judgement.beneath(~one.test.drop_duplicates("patient").responder).strip())


def render(names: Sequence[str]) -> Path:
    """Write the page of two runs and return its path.

    Raises ``InputError`` for other than two names, ``RuntimeError`` for what no page may hold; then nothing is
    put in place.
    """
    if len(set(names)) != 2 or len(names) != 2:
        raise InputError(f"RUNS: {' '.join(names)!r}: expected the names of two runs, such as RUNS='laptop wide'")
    folders = [runs.folder_of(name) for name in names]
    one, other = map(read, names)
    title = html.escape(f"{one.name} against {other.name}")
    page = (Path(__file__).with_suffix(".html")).read_text(encoding="utf-8").replace("%TITLE%", title)
    aside, target = runs.BUILD / "compare.aside", runs.BUILD / "compare"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    path = aside / f"{one.name}-{other.name}.html"
    path.write_text(
        page.replace("%BODY%", body(one, other) + "\n".join(side_by_side(names, folders))), encoding="utf-8"
    )
    problems = check_html.problems(aside)
    problems += [line for folder in folders for line in publish.problems(aside, publish.private_of(folder))]
    if problems:
        raise RuntimeError("\n".join([*problems, f"nothing was put in {target}"]))
    target.mkdir(exist_ok=True)
    placed = path.replace(target / path.name)
    aside.rmdir()
    return placed
