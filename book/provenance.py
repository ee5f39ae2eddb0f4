"""The provenance page: what was run, with what, on what, and for how long."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import words
import yaml
from chapters import stages_read

from ground.artifacts import project_path
from helpers.stages import DOORS

COLUMNS = ["duration", "commit", "python", "device"]
PACKAGES = ["numpy", "scipy", "pandas", "torch", "torchvision", "lifelines", "matplotlib"]
NEEDS = "needs.svg"
GRAPH = f"""```{{figure}} {NEEDS}
:name: fig-needs
:alt: Boxes of parameters, maps, images and models, each below the one it is made from; lines to the chapters.

What is made from what. A chapter without a line to maps, images or models computes what it shows from the parameters,
from a recorded cohort's tables or from files of its own.
```"""
QUOTED: dict[str, tuple[str, str, Callable[[dict], float]]] = {  # what the page quotes of a benchmark, how, and where
    "a lean loop over windows / our maps": ("maps", "{:.0f}", lambda of: of["loop_to_maps"]),
    "our maps / the bare transform": ("maps", "{:.2f}", lambda of: of["maps_to_bare"]),
    "our simulation / one transform there and back": ("simulation", "{:.2f}", lambda of: of["ratio_to_bare"]),
    "captum, the whole patient for every image / our PDA": (
        "pda",
        "{:.0f}",
        lambda of: of["times_faster_than_captum"]["whole patient"],
    ),
    "our PDA / the forward passes that matter": (
        "pda",
        "{:.2f}",
        lambda of: of["times_the_forward_passes_that_matter"],
    ),
    "our ResNet-101 / torchvision's, planes trained in a second": (
        "networks",
        "{:.2f}",
        lambda of: of["networks"]["ResNet-101"]["training, against torchvision's"],
    ),
    "memory of making images, 2,000 / 200 patients": (
        "memory",
        "{:.2f}",
        lambda of: of["images, 2,000 patients"] / of["images, 200 patients"],
    ),
    "memory of training, 2,000 / 200 patients": (
        "memory",
        "{:.2f}",
        lambda of: of["training, 2,000 patients"] / of["training, 200 patients"],
    ),
}
TOOLS = ["papermill", "jupytext", "snakemake", "jupyter-book", "sphinx"]


def page(run: Path, chapters: list[Path], told: Mapping[str, str]) -> str:
    """Return the page as MyST markdown, from a run's settings, its executed notebooks and its words."""
    settings = yaml.safe_load((run / "settings.yml").read_text())
    records = [stage_record(path) for path in run.glob("stages/*.json")]
    records = sorted(records, key=lambda record: record["start"]) + [*map(chapter_record, chapters)]
    parameters = [[code(name), value_of(name, value)] for name, value in settings.items()]
    versions = [[name, version(name)] for name in PACKAGES + TOOLS]
    return "\n\n".join(
        [
            "# Provenance",
            "The build wrote this page from the notebooks it executed and the parameters it gave them. "
            + whose(settings, told),
            "## The run",
            table(["", ""], summary(run.name.rpartition("-")[0], settings, records)),
            "## Shared results and chapters",
            "Maps, images and models are made once, before the chapters that read them. Each is kept under a "
            "name that depends on its parameters and code; one that was there already takes no time. "
            "{numref}`fig-needs` shows which chapter reads which: a change makes anew what is made from it, and no "
            "more.",
            GRAPH,
            table(["", "started", "duration", "commit", "Python", "device"], [*map(row, records)]),
            "## Results computed beforehand",
            "Runs too long for a build. The chapters that read them compute every figure from their predictions.",
            table(["file", "finished", "commit", "device"], beforehand(project_path("results"))),
            "## How near to the machine's limit",
            "Ratios from `benchmarks/`, each measured within one run on one core, on every kind of processor that was "
            "at hand: what holds on one kind need not hold on another. Between our own code and what no code can do "
            "without, a ratio of 1 is the limit.",
            table(*ratios(project_path("results/benchmarks"))),
            "## The parameters",
            "What each parameter means stands beside it in `notebooks/profiles/laptop.yml`.",
            table(["parameter", "value"], parameters),
            "## The packages",
            table(["package", "version"], versions),
        ]
    )


def draw(target: Path, titles: Mapping[str, str]) -> None:
    """Draw beside the page which chapter reads which of the shared results."""
    import matplotlib.pyplot as plt

    from pages.figures import as_svg, subplots, use_book_style
    from reading.drawings import draw_needs

    use_book_style()
    needs = {f"{int(name[:2])} {titles[name]}": stages_read(Path("notebooks") / f"{name}.py") for name in titles}
    figure, ax = subplots(row_in=5.6)
    draw_needs(ax, ("parameters", *DOORS), needs)
    (target / NEEDS).write_text(as_svg(figure) or "", encoding="utf-8")
    plt.close(figure)


def whose(settings: dict, told: Mapping[str, str]) -> str:
    """Return whose patients the book shows; of a recorded cohort its size and its content's key, not where it is."""
    if settings["cohort"] == "simulated":
        return "**All patients in this book are simulated.** The last chapter says whether its files are."
    size = f"{told['n_patients']} patients and {told['n_planes']} planes"
    return (
        f"**The patients in this book were recorded**: a cohort of {size}, whose content has the key "
        f"{code(told['cohort_key'])}. Where a chapter draws patients of its own it says that they are simulated."
    )


def value_of(name: str, value: object) -> str:
    """Return a parameter's value as the page shows it: not where recordings are, nor a database."""
    if name == "cohort" and value != "simulated":
        return "(recorded)"
    if value == "":
        return "(empty)"
    return "(given)" if name == "search_storage" else code(str(value))


def code(text: str) -> str:
    """Return a text as code in a cell of a table, its letters never as markup."""
    plain = re.fullmatch(r"[\w.:+,()\[\]'/-]+( [\w.:+,()\[\]'/-]+)*", text)
    return f"`{text}`" if plain else f"<code>{words.literal(text)}</code>"


def chapter_record(chapter: Path) -> dict:
    """Return name, start, duration [s], commit, Python and device of one executed notebook."""
    metadata = json.loads(chapter.read_text())["metadata"]
    return told(chapter, metadata["papermill"] | metadata["run"])


def stage_record(path: Path) -> dict:
    """Return name, start, duration [s], commit, Python and device of one shared result."""
    return told(path, json.loads(path.read_text()))


def told(path: Path, values: dict) -> dict:
    """Return the part of a record that the page shows."""
    start = datetime.fromisoformat(values["start_time"])
    return {"name": path.stem, "start": start} | {name: values[name] for name in COLUMNS}


def row(record: dict) -> list[str]:
    """Return one row of the table of chapters."""
    start, duration = f"{record['start']:%Y-%m-%d %H:%M} UTC", f"{record['duration']:.1f} s"
    return [
        record["name"],
        start,
        duration,
        code(record["commit"]),
        *map(words.literal, (record["python"], record["device"])),
    ]


def beforehand(folder: Path) -> list[list[str]]:
    """Return one row per committed file of results: name, when it was finished, commits and devices of its runs."""
    found = {path.relative_to(folder).as_posix(): json.loads(path.read_text()) for path in folder.rglob("*.json")}
    return [row_of_results(name, told) for name, told in sorted(found.items()) if "provenance" in told]


def row_of_results(name: str, found: dict) -> list[str]:
    """Return name, when the file was finished, and the commits and devices of its runs, or of all at once."""
    head, runs = found["provenance"], found.get("runs", [])
    commits, devices = (
        sorted({run[what] for run in runs if what in run} or {head.get(what, "unknown")})
        for what in ("commit", "device")
    )
    finished = f"{datetime.fromisoformat(head['finished']):%Y-%m-%d %H:%M} UTC"
    return [code(name), finished, ", ".join(map(code, commits)), "; ".join(map(words.literal, devices))]


def ratios(folder: Path) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of the table of ratios: a column for each kind of processor that has a record."""
    places = sorted({path.parent for path in folder.glob("*/*.json")})
    kinds = [{path.stem: json.loads(path.read_text()) for path in place.glob("*.json")} for place in places]
    rows = [
        [what, *(form.format(of(records[name])) if name in records else "–" for records in kinds)]
        for what, (name, form, of) in QUOTED.items()
    ]
    return ["", *map(kind_of, kinds)], rows


def kind_of(records: Mapping[str, dict]) -> str:
    """Return what records of one kind were measured on: a graphics card, or a processor and its vector instructions."""
    one = next(iter(records.values()))
    on_card = "cpu" not in one.get("device", "cpu").lower()
    return words.literal(one["device"] if on_card else ", ".join([one["processor"], *one["simd"][-1:]]))


def summary(profile: str, settings: dict, records: list[dict]) -> list[list[str]]:
    """Return the rows that say what was run in one glance."""
    total = sum(record["duration"] for record in records)
    seeds = ", ".join(f"`{name}` {value}" for name, value in settings.items() if name.endswith("seed"))
    return [
        ["profile", code(profile)],
        ["seeds", seeds],
        ["commit", ", ".join(map(code, sorted({record["commit"] for record in records})))],
        ["device", "; ".join(map(words.literal, sorted({record["device"] for record in records})))],
        ["started", f"{min(record['start'] for record in records):%Y-%m-%d %H:%M:%S} UTC"],
        ["all of it, one after another", f"{total / 60:.1f} min"],
    ]


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
