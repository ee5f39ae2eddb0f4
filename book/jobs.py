"""Jobs: the pieces of the study that can run on machines of their own: a patient, a model, a share of the trials.

A piece leaves the artifact that ``helpers.stages`` would make, under the same name, so the stage that needs all
pieces finds them finished. ``python book/jobs.py --help`` lists them; the Snakefile calls them.
"""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import yaml

from helpers import stages
from helpers.artifacts import write_whole
from helpers.provenance import circumstances
from helpers.settings import Settings, load_settings


def map_patient(settings: Settings, artifacts: str, patient: str) -> None:
    """Map one patient's planes."""
    record = stages.records(settings, artifacts, patient)[patient]
    stages.map_patient((patient, record), settings, artifacts)


def train_model(settings: Settings, artifacts: str, model: str, seed: int | None = None) -> None:
    """Train one of the four models, with another seed if one is given."""
    from helpers.learning import training

    if seed is not None:
        settings = settings.replace(seed=seed)
    images, patients = stages.images(settings, artifacts), stages.cohort(settings, artifacts)
    training.train_model(images, patients, model, settings, stages.models_folder(settings, artifacts))


def run_trials(settings: Settings, artifacts: str, model: str, worker: int = 0) -> None:
    """Join the searches of one model, of its head and of its backbone, as one of several workers."""
    from helpers.learning import search

    results = stages.models(settings, artifacts)
    given = results, stages.images(settings, artifacts), stages.cohort(settings, artifacts), settings, model, worker
    search.search_head(*given)
    search.search_backbone(*given)


def names_of_patients(parameters: str | Path) -> list[str]:
    """Return the patients of a run, given its ``parameters/stages.yml``."""
    settings, artifacts = read(parameters)
    return list(stages.cohort(settings, artifacts).index)


def read(parameters: str | Path) -> tuple[Settings, str]:
    """Return the settings and the artifacts folder that ``parameters/stages.yml`` of a run names."""
    given = yaml.safe_load(Path(parameters).read_text())
    return load_settings(given["profile"]), given["artifacts"]


def record(job: Callable[[], object], name: str, output: Path) -> None:
    """Do a job and write down when and where."""
    print(f"{name} ...", flush=True)
    start = datetime.now(UTC)
    job()
    duration = (datetime.now(UTC) - start).total_seconds()
    told = {"start_time": start.isoformat(), "duration": duration} | circumstances()
    write_whole(output, lambda temporary: temporary.write_text(json.dumps(told)))
    print(f"{name} done in {duration:.0f} s", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: one job, named by its kind and its piece."""
    parser = argparse.ArgumentParser(prog="python book/jobs.py", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    stage = kinds.add_parser("stage", help="a result that chapters share: maps, images or models")
    stage.set_defaults(job=lambda given, o: getattr(stages, o.piece)(*given))
    patient = kinds.add_parser("patient", help="the maps of one patient")
    patient.set_defaults(job=lambda given, o: map_patient(*given, o.piece))
    model = kinds.add_parser("model", help="one of the four models")
    model.add_argument("--seed", type=int, help="in place of the profile's own")
    model.set_defaults(job=lambda given, o: train_model(*given, o.piece, o.seed))
    trials = kinds.add_parser("trials", help="one worker's share of the search of one model")
    trials.add_argument("--worker", type=int, default=0, help="a number of its own for each worker")
    trials.set_defaults(job=lambda given, o: run_trials(*given, o.piece, o.worker))
    for kind in (stage, patient, model, trials):
        kind.add_argument("piece", choices=["maps", "images", "models"] if kind is stage else None)
        kind.add_argument("--parameters", type=Path, required=True, help="parameters/stages.yml of the run")
        kind.add_argument("--output", type=Path, required=True, help="file that tells when and where it was done")
    options = parser.parse_args(arguments)
    record(lambda: options.job(read(options.parameters), options), f"{options.kind} {options.piece}", options.output)


if __name__ == "__main__":
    main()
