"""Jobs: the pieces of the study that can run on machines of their own: a patient, a model, a share of the trials.

A piece leaves the artifact that ``helpers.stages`` would make, under the same name, so the stage that needs all
pieces finds them finished. The Snakefile calls them.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd

from ground.artifacts import is_sound, project_path, recall_digests, store_digests, write_whole
from ground.errors import InputError
from ground.profiles import read_parameters
from ground.provenance import circumstances
from helpers import stages
from helpers.settings import Settings, load_settings


def write_records(settings: Settings, artifacts: str, folder: str) -> None:
    """Write what each patient's maps are made from into a file of her own; tables are read here, once for all jobs."""
    for patient, record in stages.records(settings, artifacts).items():
        text = json.dumps(record.to_frame().to_dict("split") if settings.study.simulated else record.to_dict("split"))
        write_whole(Path(folder) / f"{patient}.json", partial(Path.write_text, data=text))


def read_record(path: Path, simulated: bool) -> stages.Record:
    """Return one of the records that ``write_records`` has written, as it was."""
    record = pd.DataFrame(**json.loads(path.read_text()))
    return record.iloc[:, 0] if simulated else record


def map_patient(settings: Settings, artifacts: str, patient: str, record: Path | None = None) -> None:
    """Map one patient's planes; her record is read from its file, or looked up where none is named."""
    found = (
        read_record(record, settings.study.simulated)
        if record
        else stages.records(settings, artifacts, patient)[patient]
    )
    stages.map_patient((patient, found), settings, artifacts)


def train_model(settings: Settings, artifacts: str, model: str, seed: int | None = None) -> None:
    """Train one of the four models, with another seed if one is given."""
    from helpers.learning import training

    if seed is not None:
        settings = settings.replace(seed=seed)
    images, patients = stages.images(settings, artifacts), stages.cohort(settings, artifacts)
    training.train_model(images, patients, model, settings, stages.models_folder(settings, artifacts))


def run_trials(settings: Settings, artifacts: str, model: str, worker: int = 0) -> None:
    """Join the searches of one model, of its head and of its backbone, as one of several workers."""
    from beyond import search

    results = stages.models(settings, artifacts)
    given = results, stages.images(settings, artifacts), stages.cohort(settings, artifacts), settings, model, worker
    search.search_head(*given)
    search.search_backbone(*given)


def stands(parameters: str | Path, name: str) -> bool:
    """Tell whether the results of a stage are there, made from what it would be made from now."""
    return all(path.exists() for path in stages.files_of(name, *read(parameters)))


def names_of_patients(parameters: str | Path) -> list[str]:
    """Return the patients of a run, given its ``parameters/stages.yml``."""
    settings, artifacts = read(parameters)
    return list(stages.cohort(settings, artifacts).index)


def read(parameters: str | Path) -> tuple[Settings, str]:
    """Return the settings and the artifacts folder that ``parameters/stages.yml`` of a run names."""
    given = read_parameters(parameters)
    if not {"profile", "artifacts"} <= set(given):
        raise InputError(f"{parameters}: expected the parameters/stages.yml that `resolve` has written")
    return load_settings(given["profile"]), given["artifacts"]


def stage(settings: Settings, artifacts: str, name: str) -> None:
    """Make one of the results that chapters share."""
    getattr(stages, name)(settings, artifacts)


def record(job: Callable[[], object], name: str, output: Path) -> None:
    """Do a job and write down when, where and with which code."""
    print(f"{name} ...", flush=True)
    start = time.perf_counter()
    told = {"start_time": datetime.now(UTC).isoformat()} | circumstances()
    job()
    told["duration"] = time.perf_counter() - start
    write_whole(output, lambda temporary: temporary.write_text(json.dumps(told)))
    print(f"{name} done in {told['duration']:.0f} s", flush=True)


def discard_records_of_lost_results(run: Path) -> None:
    """Remove the record of every stage whose results are damaged or gone, so that it is made again."""
    settings, artifacts = read(run / "parameters" / "stages.yml")
    recall_digests(project_path(artifacts) / "digests.json")
    for name in stages.DOORS:
        record_ = run / "stages" / f"{name}.json"
        if record_.exists() and not all([is_sound(path) for path in stages.files_of(name, settings, artifacts)]):
            record_.unlink()
    store_digests(project_path(artifacts) / "digests.json")
