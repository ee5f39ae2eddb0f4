"""Results: what the models of several seeds say of each patient, in one small file that renders anywhere.

``python -m trust.runs --profile paper --seeds 1 2 3`` trains what is missing and writes
``results/seeds/paper.json``.
With ``--folds 5`` every patient is judged once more, by models that learned from the other folds.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from entry.changes import parse_changes
from ground.artifacts import check_writable, project_path, write_whole
from ground.commands import CommandLine, count_in_silence, run_command
from ground.errors import InputError
from ground.provenance import circumstances, now
from helpers.settings import SIMULATED, Settings, read_settings

PACKAGES = ("numpy", "scipy", "pandas", "torch", "torchvision")
TOLD = ("model", "seed", "key", "commit", "time", "device", "processor", "python", "torch", "seconds")  # of a run
FOLDS_AT_MOST = 20
DIGITS = 4  # of probabilities and losses
RUN_COLUMNS = ("model", "seed", "seconds", "device", "torch", "probability", "curves")
CROSSED = ("patient", "model", "responder", "fold", "probability")

Record = Mapping[Any, Any]  # one line of a table


@dataclass(frozen=True)
class SavedResults:
    """The tables of all models and seeds, as ``StudyResults`` has them, and how they came about."""

    predictions: pd.DataFrame  # patient, model, split, responder, probability of a NON-responder, seed
    curves: pd.DataFrame  # model, stage, epoch, training_loss, validation_loss, validation_auc, seed
    runs: pd.DataFrame  # TOLD, a row per model and seed
    provenance: dict[str, Any]
    crossed: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=CROSSED))  # of patients in no fold: none


def make(settings: Settings, artifacts: str | Path, seeds: Iterable[int], n_folds: int = 0) -> SavedResults:
    """Train the four models with every seed, as many at a time as the settings allow, and collect them."""
    from helpers import stages
    from helpers.data.study import MODELS
    from helpers.learning.trained import collect
    from helpers.learning.training import train_runs

    runs = {stages.models_folder(one, artifacts): one for one in (settings.replace(seed=seed) for seed in seeds)}
    train_runs(stages.images(settings, artifacts), stages.cohort(settings, artifacts), runs)
    collected = {one.training.seed: collect(folder) for folder, one in runs.items()}
    cards = [
        json.loads((folder / slug / "model.json").read_text()) | {"seed": one.training.seed}
        for folder, one in runs.items()
        for slug in MODELS
    ]
    return SavedResults(
        predictions=pd.concat([of_seed.predictions for of_seed in collected.values()], ignore_index=True),
        curves=pd.concat([of_seed.curves.assign(seed=seed) for seed, of_seed in collected.items()], ignore_index=True),
        runs=pd.DataFrame(cards)[list(TOLD)],
        provenance=provenance(settings),
        crossed=crossed(settings, artifacts, n_folds),
    )


def crossed(settings: Settings, artifacts: str | Path, n_folds: int) -> pd.DataFrame:
    """Return what the four models say of every patient, trained without her fold: ``CROSSED``, a row each.

    The next fold stops training, the others train. Empty for no folds.
    """
    from helpers import stages
    from helpers.learning.training import train_all
    from trust.design import folds_of

    patients, images = stages.cohort(settings, artifacts), stages.images(settings, artifacts)
    fold, parts = folds_of(patients, n_folds, settings.study.cohort_seed), [pd.DataFrame(columns=CROSSED)]
    for number in range(n_folds):
        part = {number: "test", (number + 1) % n_folds: "validation"}
        split = fold.map(lambda one, part=part: part.get(one, "train"))
        folder = stages.models_folder(settings, artifacts) / f"fold-{number + 1}-of-{n_folds}"
        said = train_all(images, patients.assign(split=split), settings, folder).predictions.query("split == 'test'")
        parts.append(said.assign(fold=number + 1)[list(CROSSED)])
    return pd.concat(parts[1:] or parts, ignore_index=True)


def provenance(settings: Settings) -> dict[str, Any]:
    """Return when, where, with which code and parameters the results were collected."""
    return {"finished": now(), **circumstances(PACKAGES), "settings": settings.public()}


def write(results: SavedResults, path: str | Path) -> Path:
    """Write one JSON file: provenance, then a line per patient, then one per model and seed."""
    keys = ["model", "seed"]
    patients = results.predictions.drop_duplicates("patient")[["patient", "split", "responder"]]
    names = list(patients["patient"])
    probability = {
        key: rows.set_index("patient")["probability"].loc[names].round(DIGITS).tolist()
        for key, rows in results.predictions.groupby(keys)
    }
    curves = {key: rows.drop(columns=keys).round(DIGITS).to_dict("list") for key, rows in results.curves.groupby(keys)}
    runs = [
        run | {"probability": probability[run["model"], run["seed"]], "curves": curves[run["model"], run["seed"]]}
        for run in results.runs.to_dict("records")
    ]
    crossed = [
        {"model": model} | rows.set_index("patient").loc[names, ["fold", "probability"]].round(DIGITS).to_dict("list")
        for model, rows in results.crossed.groupby("model", sort=False)
    ]
    return write_file(path, results.provenance, patients=patients.to_dict("records"), runs=runs, crossed=crossed)


def read(path: str | Path) -> SavedResults:
    """Read what ``write`` wrote. Raises ``ValueError`` naming the file and the part that is missing."""
    head, found = read_file(path, "trust.runs", patients=("patient", "split", "responder"), runs=RUN_COLUMNS)
    patients, predictions, curves = pd.DataFrame(found["patients"]), [], []
    for run in found["runs"]:
        key = {name: run[name] for name in ("model", "seed")}
        of_run = patients.assign(probability=run["probability"], **key)
        predictions.append(of_run[["patient", "model", "split", "responder", "probability", "seed"]])
        losses = pd.DataFrame(run["curves"])
        curves.append(losses.astype({name: float for name in losses if name.startswith("validation")}).assign(**key))
    runs = pd.DataFrame(found["runs"]).drop(columns=["probability", "curves"])
    crossed = [patients.drop(columns="split").assign(**of_model)[list(CROSSED)] for of_model in found["crossed"]]
    tables = [pd.concat(parts, ignore_index=True) for parts in (predictions, curves, crossed) if parts]
    return SavedResults(tables[0], tables[1], runs, head, *tables[2:])


# The format of every file of runs: a head that tells how it came about, then tables, a line per record.


def write_file(path: str | Path, head: Mapping[str, Any], **tables: Iterable[Record]) -> Path:
    """Write a head and tables as one JSON file; a figure that is not a number becomes null."""
    parts = [f'"provenance": {json.dumps(head, indent=1)}']
    for name, records in tables.items():
        lines = ",\n".join(json.dumps(known(record)) for record in records)
        parts.append(f'"{name}": [\n{lines}\n]')
    return write_whole(path, lambda temporary: temporary.write_text("{" + ",\n".join(parts) + "}\n"))


def known(value: Any) -> Any:
    """Return a record with None in the place of every number that is none; text stays as it is, also ``NaN``."""
    if isinstance(value, dict):
        return {name: known(one) for name, one in value.items()}
    if isinstance(value, list):
        return [known(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def read_file(path: str | Path, module: str, **wanted: Iterable[str]) -> tuple[dict[str, Any], dict[str, list[Record]]]:
    """Return the head and the tables of a file of runs; ``wanted`` names what each record of a table must hold.

    Raises ``ValueError`` naming the file, what is missing, and the ``module`` whose command writes such a file.
    """
    try:
        found = json.loads(Path(path).read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: no JSON ({error}); expected a file of python -m {module}") from None
    found = found if isinstance(found, dict) else {}
    missing = [name for name in ("provenance", *wanted) if name not in found]
    for table, columns in wanted.items():
        of_all = set.intersection(*map(set, found.get(table) or [columns]))
        missing += [f"{table}: {name}" for name in columns if name not in of_all]
    if missing:
        raise ValueError(f"{path}: {missing} are missing; expected a file of python -m {module}")
    return found["provenance"], {"crossed": found.get("crossed", [])} | {name: found[name] for name in wanted}


def output_of(given: str | None, profile: str, settings: Settings) -> Path:
    """Return where results go. Raises ``InputError`` for recorded patients in ``results``, which git tracks."""
    tracked = project_path("results").resolve()
    output = Path(given or tracked / "seeds" / f"{Path(profile).stem}.json")
    if not settings.study.simulated and tracked in project_path(output).resolve().parents:
        raise InputError(f"output = {str(output)!r}: expected a place outside results, which git tracks")
    return output


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = CommandLine(prog="python -m trust.runs", description=__doc__)
    parser.add_argument("--profile", default="laptop", help="a name in notebooks/profiles, or the path of a .yml file")
    parser.add_argument("--set", default="", metavar="'NAME=VALUE ...'", help="single parameters")
    parser.add_argument("--artifacts", default="artifacts")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: the profile's own")
    parser.add_argument("--folds", type=int, default=0, help="of a cross-validation beside; default: none")
    parser.add_argument("--output", help="default: results/seeds/<profile>.json")
    options = parser.parse_args(arguments)
    return run_command(lambda: collect_runs(options))


def collect_runs(options: argparse.Namespace) -> None:
    """Make what the command line asks for; what cannot be is refused before anything is made."""
    from helpers.learning.fitting import resolve_device

    settings = read_settings(options.profile, parse_changes(options.set), "SET")
    count_in_silence(SIMULATED)
    seeds = [settings.replace(seed=seed).training.seed for seed in options.seeds or [settings.training.seed]]
    resolve_device(settings.computing.device)  # before maps are made for a device that is not here
    output = project_path(output_of(options.output, options.profile, settings))
    check_writable(output)
    if options.folds and not 3 <= options.folds <= FOLDS_AT_MOST:
        raise InputError(f"folds = {options.folds}: expected 3 to {FOLDS_AT_MOST}, or none")
    print(write(make(settings, options.artifacts, seeds, options.folds), output))


if __name__ == "__main__":
    sys.exit(main())
