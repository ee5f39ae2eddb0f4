"""Results: what the models of several seeds say of each patient, in one small file that renders anywhere.

``python -m trust.runs --profile paper --seeds 1 2 3`` trains what is missing and writes ``results/paper.json``.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from helpers.artifacts import project_path, write_whole
from helpers.provenance import circumstances
from helpers.settings import Settings, load_settings, parse_changes

PACKAGES = ("numpy", "scipy", "pandas", "torch", "torchvision")
DIGITS = 4  # of probabilities and losses


@dataclass(frozen=True)
class SavedResults:
    """The tables of all models and seeds, as ``helpers.training.StudyResults`` has them, and how they came about."""

    predictions: pd.DataFrame  # patient, model, split, responder, probability of a NON-responder, seed
    curves: pd.DataFrame  # model, stage, epoch, training_loss, validation_loss, validation_auc, seed
    runs: pd.DataFrame  # model, seed, seconds, device, torch
    provenance: dict


def make(settings: Settings, artifacts: str | Path, seeds: Iterable[int]) -> SavedResults:
    """Train the four models with every seed, as many at a time as the settings allow, and collect them."""
    from helpers import stages
    from helpers.data.study import MODELS
    from helpers.learning.training import collect, train_runs

    runs = {stages.models_folder(one, artifacts): one for one in (settings.replace(seed=seed) for seed in seeds)}
    train_runs(stages.images(settings, artifacts), stages.cohort(settings, artifacts), runs)
    collected = {one.training.seed: collect(folder) for folder, one in runs.items()}
    cards = [json.loads((folder / slug / "model.json").read_text()) | {"seed": one.training.seed}
             for folder, one in runs.items() for slug in MODELS]  # fmt: skip
    return SavedResults(
        predictions=pd.concat([of_seed.predictions for of_seed in collected.values()], ignore_index=True),
        curves=pd.concat([of_seed.curves.assign(seed=seed) for seed, of_seed in collected.items()], ignore_index=True),
        runs=pd.DataFrame(cards)[["model", "seed", "seconds", "device", "torch"]],
        provenance=provenance(settings),
    )


def provenance(settings: Settings) -> dict:
    """Return when, where, with which code and parameters the results were collected."""
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **circumstances(),
        "versions": {name: version(name) for name in PACKAGES},
        "settings": settings.flat(),
    }


def write(results: SavedResults, path: str | Path) -> Path:
    """Write one JSON file: provenance, then a line per patient, then one per model and seed."""
    keys = ["model", "seed"]
    patients = results.predictions.drop_duplicates("patient")[["patient", "split", "responder"]]
    names = list(patients["patient"])
    probability = {key: rows.set_index("patient")["probability"].loc[names].round(DIGITS).tolist()
                   for key, rows in results.predictions.groupby(keys)}  # fmt: skip
    curves = {key: rows.drop(columns=keys).round(DIGITS).to_dict("list") for key, rows in results.curves.groupby(keys)}
    runs = [run | {"probability": probability[run["model"], run["seed"]], "curves": curves[run["model"], run["seed"]]}
            for run in results.runs.to_dict("records")]  # fmt: skip
    text = (
        f'{{"provenance": {json.dumps(results.provenance, indent=1)},\n'
        f'"patients": [\n{lines(patients.to_dict("records"))}\n],\n"runs": [\n{lines(runs)}\n]}}\n'
    )
    return write_whole(path, lambda temporary: temporary.write_text(text))


def lines(records: Iterable[dict]) -> str:
    """Return records as JSON, a line each; a figure that is not a number becomes null."""
    return ",\n".join(json.dumps(record).replace("NaN", "null") for record in records)


def read(path: str | Path) -> SavedResults:
    """Read what ``write`` wrote. Raises ``ValueError`` naming the file and the part that is missing."""
    found = json.loads(Path(path).read_text())
    missing = [name for name in ("provenance", "patients", "runs") if name not in found]
    if missing:
        raise ValueError(f"{path}: {missing} are missing; expected a file of python -m trust.runs")
    patients, tables = pd.DataFrame(found["patients"]), {"predictions": [], "curves": []}
    for run in found["runs"]:
        key = {name: run[name] for name in ("model", "seed")}
        predictions = patients.assign(probability=run["probability"], **key)
        tables["predictions"].append(predictions[["patient", "model", "split", "responder", "probability", "seed"]])
        tables["curves"].append(pd.DataFrame(run["curves"]).assign(**key))
    tables = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    runs = pd.DataFrame(found["runs"]).drop(columns=["probability", "curves"])
    return SavedResults(**tables, runs=runs, provenance=found["provenance"])


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m trust.runs", description=__doc__)
    parser.add_argument("--profile", default="laptop", help="a name in notebooks/profiles, or the path of a .yml file")
    parser.add_argument("--set", default="", metavar="'NAME=VALUE ...'", help="single parameters")
    parser.add_argument("--artifacts", default="artifacts")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: the profile's own")
    parser.add_argument("--output", help="default: results/<profile>.json")
    options = parser.parse_args(arguments)
    from helpers.learning.fitting import resolve_device

    try:
        settings = load_settings(options.profile, **parse_changes(options.set))
        resolve_device(settings.computing.device)  # before maps are made for a device that is not here
    except (FileNotFoundError, TypeError, ValueError) as error:
        parser.error(str(error))
    output = options.output or project_path("results") / f"{Path(options.profile).stem}.json"
    print(write(make(settings, options.artifacts, options.seeds or [settings.training.seed]), output))


if __name__ == "__main__":
    main()
