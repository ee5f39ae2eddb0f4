"""The experiment: cohorts and networks drawn anew, judged on many further patients.

``python -m trust.experiment`` makes ``results/experiment.json``, which chapter 14 reads. Each run leaves a
small file of its own, under a key of all that it depends on: a run that was stopped goes on where it was, and
one that would now come out differently is made again.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from beyond import contributions, handmade, oracle, statistics
from ground.artifacts import check_writable, is_sound, keep, project_path
from ground.commands import CommandLine, count_in_silence, run_command
from ground.keys import content_key
from ground.parallel import in_processes
from ground.provenance import now
from helpers import stages
from helpers.data import study
from helpers.judgement.evaluation import auc_if_known
from helpers.learning.fitting import resolve_device
from helpers.learning.trained import read_table
from helpers.learning.training import load_model, train_model
from helpers.settings import SIMULATED, Settings, load_settings
from trust import design
from trust.design import Bench, Run
from trust.runs import write_file

IMAGES = (*stages.SIMULATED, "helpers.learning.images")
CODE = {  # what makes a run of each kind; a module counts with all that it imports
    "oracle": ("beyond.oracle",),
    "regression": (*IMAGES, "beyond.handmade"),
    "forest": (*IMAGES, "beyond.handmade"),
    "statistics": (*IMAGES, "beyond.statistics", "beyond.contributions"),
    "network": (*IMAGES, "helpers.learning.training", "beyond.contributions"),
}
ALONE = ("trust.experiment", "trust.design", *stages.HERE)  # they call all kinds, so they count by themselves


# Keys: files are named after them


def file_of(run: Run, bench: Bench) -> Path:
    """Return where a run is kept."""
    return bench.folder / f"{run.name}-{key_of(run, bench)}.json"


def features_file(seed: int, bench: Bench, signal: str = "mean") -> Path:
    """Return where the hand-made features of one cohort are kept."""
    made = made_by("regression", bench.cohort(seed, signal if signal == "mean" else design.OTHERS[0]))
    return bench.folder / f"features-{seed}-{made}.csv"


def key_of(run: Run, bench: Bench) -> str:
    """Return the key of a run: what it is, what of the settings it reads, whom it is judged on, and its code."""
    pool = bench.seeds if run.drawn else ()
    return made_by(run.kind, settings_of(run, bench), asdict(run), bench.n_new, pool)


def made_by(kind: str, settings: Settings, *others: Any) -> str:
    """Return the key of what one kind of code makes under these settings."""
    return content_key(*sections(kind, settings), *others, code=CODE[kind], alone=ALONE)


def sections(kind: str, settings: Settings) -> tuple[Any, ...]:
    """Return what one kind of code reads of the settings."""
    images = settings.study, settings.scan, settings.maps, settings.images
    if kind == "oracle":
        return images[:1]
    return (
        images
        if kind in ("regression", "forest")
        else (*images, settings.networks, settings.training, settings.judgement.pda_patch_px, settings.computing.device)
    )


def settings_of(run: Run, bench: Bench) -> Settings:
    """Return the settings that a run's model is trained under."""
    return bench.settings.replace(seed=run.seed, signal=run.signal, **design.RECIPES.get(run.part, {}))


# What runs share: features of a cohort


def features_of(cohort: tuple[int, str], bench: Bench) -> pd.DataFrame:
    """Return the hand-made features of one cohort, made once; the other truths share their tumours."""
    seed, signal = cohort
    made = keep(features_file(seed, bench, signal), partial(write_features, seed, signal, bench))
    return pd.read_csv(made, index_col=0, converters={0: str})  # ids stay text


def write_features(seed: int, signal: str, bench: Bench, path: Path) -> None:
    """Write the hand-made features of one cohort as a table."""
    mid_band_mhz = handmade.centre_mhz(bench.settings.maps)
    images = design.images_of(design.people(seed, bench, signal), bench, signal)
    handmade.map_features(images, mid_band_mhz=mid_band_mhz).to_csv(path)


# Runs


def execute(run: Run, bench: Bench) -> Path:
    """Train and judge one model; return the file that keeps the run, at once if it is there and sound.

    A file that tells another run or another key than its name is made again.
    """
    path = file_of(run, bench)
    if is_sound(path) and not tells(path, run, bench):
        path.unlink()
    return keep(path, partial(write_run, run, bench))


def tells(path: Path, run: Run, bench: Bench) -> bool:
    """Tell whether a file is that of this run and of its key."""
    wanted = asdict(run) | {"key": key_of(run, bench)}
    return json.loads(path.read_text()).items() >= wanted.items()


def write_run(run: Run, bench: Bench, path: Path) -> None:
    """Train and judge one model, and write its scores, its key and its circumstances."""
    start, patients = time.perf_counter(), design.patients_of(run, bench)
    probability = predict(run, patients, bench)
    record = asdict(run) | {"seconds": round(time.perf_counter() - start, 1), "key": key_of(run, bench)}
    record |= bench.began | {"time": now()} | probability.attrs
    for split in design.SPLITS:
        of_split = patients[patients["split"] == split]
        record[f"{split}_non_responder"] = "".join("01"[not flag] for flag in of_split["responder"])
        record[split] = [round(float(value), 4) for value in probability[of_split.index]]
    path.write_text(json.dumps(record))


def predict(run: Run, patients: pd.DataFrame, bench: Bench) -> pd.Series:
    """Return what the run's model, trained on its training patients, says of every patient."""
    if run.kind == "oracle":
        traits = oracle.CORE_TRAITS if run.region == "core" else tuple(study.TRAITS)
        return oracle.oracle_score(patients, traits, bench.settings.study.effect, run.signal)
    if run.kind in ("regression", "forest"):
        return of_features(run, patients, bench)
    images, settings = design.images_of(patients, bench, run.signal), settings_of(run, bench)
    if run.kind == "statistics":
        recipe = statistics.Recipe(**design.STATISTICS_RECIPES.get(run.part, {}))
        model = statistics.fit(images, patients, run.region, settings, recipe)
        said = model.probability(images)
    else:
        folder = bench.folder / "models" / f"{run.name}-{key_of(run, bench)}"
        train_model(images, patients, run.model, settings, folder)
        said = read_table(folder / run.model / "predictions.csv").set_index("patient")["probability"]
    if run.explained:
        names, judged = patients.index[patients["split"] == "test"], settings.judgement
        network = run.kind == "network"
        ask = partial(contributions.asked, load_model(folder / run.model)) if network else model.central
        excess = contributions.mean_excess(ask, images, names, judged.pda_patch_px, judged.pda_batch_size)
        said.attrs["margin"] = excess.round(4).to_dict()
    return said


def of_features(run: Run, patients: pd.DataFrame, bench: Bench) -> pd.Series:
    """Return what a regression or a forest on hand-made features says of every patient."""
    cohorts = [(int(seed), run.signal) for seed in patients["cohort"].unique()]
    features = pd.concat([features_of(cohort, bench) for cohort in cohorts])
    features = features.loc[:, features.columns.str.startswith("core " if run.region == "core" else "")]
    return handmade.probability(features, patients, forest=run.kind == "forest")


def prepare(part: str, bench: Bench) -> None:
    """Make maps, images and features that the runs of a part share."""
    cohorts = design.cohorts_of(part, bench)
    for seed, signal in cohorts:
        stages.images(bench.cohort(seed, signal), bench.artifacts)
    processes = bench.settings.computing.processes
    in_processes(partial(features_of, bench=bench), cohorts, processes, "features of cohorts")


def conduct(bench: Bench, parts: Iterable[str], output: Path) -> Path:
    """Execute all runs of the parts, in their order, and write the result after each part."""
    processes, runs = bench.settings.computing.processes, []
    for part in parts:
        prepare(part, bench)
        wanted = design.planned(part, bench)
        runs += in_processes(partial(execute, bench=bench), wanted, processes, f"runs of {part!r}")
        write_file(output, head(bench), runs=[with_aucs(json.loads(path.read_text())) for path in runs])
    return output


def with_aucs(record: dict[str, Any]) -> dict[str, Any]:
    """Return a run with its AUCs on its validation and test patients, if it has some, and on the new ones."""
    for split in design.SPLITS:
        if record[split]:
            truth = np.array(list(record[f"{split}_non_responder"])) == "1"
            record[f"{split}_auc"] = round(auc_if_known(truth, record[split])[0], 4)
    return record


def head(bench: Bench) -> dict[str, Any]:
    """Return what is needed to repeat the experiment, and when its file was written; each run tells its own commit."""
    return {
        "command": f"python -m trust.experiment --profile {bench.profile} --cohorts {len(bench.seeds)} "
        f"--new {bench.n_new}",
        "finished": now(),
        "cohort_seeds": bench.seeds,
        "new_seeds": design.NEW_SEEDS,
        "other_seeds": (design.OTHER_SEED, design.OTHER_NEW_SEED),
        "n_new": bench.n_new,
        "settings": bench.settings.public(),
    }


def main(arguments: list[str] | None = None) -> int:
    """Conduct the experiment and write its result; return the exit status."""
    parser = CommandLine(prog="python -m trust.experiment", description=__doc__)
    parser.add_argument("--profile", default="experiment")
    parser.add_argument("--artifacts", default="artifacts")
    parser.add_argument("--cohorts", type=int, default=5, help="cohorts, each with a seed of its own")
    parser.add_argument("--new", type=int, default=500, help="new patients in each set to judge on")
    parser.add_argument("--parts", nargs="+", choices=design.PARTS, default=design.PARTS)
    parser.add_argument("--output", default="results/experiment.json")
    options = parser.parse_args(arguments)
    return run_command(lambda: conduct_all(options))


def conduct_all(options: argparse.Namespace) -> None:
    """Do what the command line asks for; what cannot be is refused before anything is made."""
    count_in_silence(SIMULATED)
    settings = load_settings(options.profile)
    bench = design.bench_of(settings, options.artifacts, options.cohorts, options.new, options.profile)
    resolve_device(bench.settings.computing.device)
    check_writable(options.output)
    print(conduct(bench, options.parts, project_path(options.output)))


if __name__ == "__main__":
    sys.exit(main())
