"""The experiment: cohorts and networks drawn anew, judged on many further patients.

``python -m trust.experiment`` makes ``results/experiment.json``, which chapter 14 reads. Each run leaves a
small file of its own: a run that was stopped goes on where it was.
"""

import argparse
import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import stages
from helpers.artifacts import project_path, write_whole
from helpers.data import study
from helpers.data.study import MODELS
from helpers.judgement.auc import auc_interval
from helpers.keys import content_key
from helpers.learning.fitting import resolve_device
from helpers.learning.images import ImageSet
from helpers.learning.training import train_model
from helpers.parallel import in_processes
from helpers.provenance import circumstances
from helpers.settings import Settings, load_settings
from trust import baseline
from trust.pretraining import fine_tune, learn_tissue

COHORT_SEEDS = tuple(range(101, 111))  # fixed before any of these cohorts was drawn; the first ones are used
FURTHER_SEED, NEW_SEED = 201, 202  # further patients to learn from; new patients, on whom all is judged
REGRESSIONS = ("regression_core", "regression_core_margin")
ORACLES = ("oracle_core", "oracle_core_margin")
LARGE_INPUT = ("resnet_core_margin", "ran_core_margin")
SIZES = {0.5: 5, 2: 3, 4: 2, 8: 2}  # times the study's learning patients: repetitions
FEWEST = 16  # learning patients; fewer leave no two non-responders to train on
CHANGES = {"dropout": {"dropout": 0.7}}  # parts that train with other settings
PARTS = ("signal", "no signal", "size", "seeds", "dropout", "pretrained")


@dataclass(frozen=True)
class Run:
    """One model on one set of learning patients, judged on its test patients, if it has some, and on the new ones."""

    part: str
    model: str
    cohort: int  # seed of the cohort; in part "size" the number of the draw
    seed: int  # of the network
    size: int  # learning patients: training and validation

    @property
    def name(self) -> str:
        return f"{self.part}-{self.cohort}-{self.size}-{self.model}-{self.seed}".replace(" ", "_")


@dataclass(frozen=True)
class Bench:
    """What all runs share: the study's settings, the folders, and the cohorts."""

    settings: Settings
    artifacts: Path
    folder: Path
    seeds: tuple[int, ...]  # of the cohorts
    n_new: int
    profile: str = "laptop"  # name of the profile the settings came from

    @property
    def n_learning(self) -> int:
        return self.settings.study.n_patients - self.settings.study.n_test

    def cohort(self, seed: int) -> Settings:
        """The settings of one cohort; the further and the new patients are cohorts of their own size."""
        n_patients = self.n_new if seed in (FURTHER_SEED, NEW_SEED) else self.settings.study.n_patients
        return self.settings.replace(cohort="simulated", cohort_seed=seed, n_patients=n_patients)


def planned(part: str, bench: Bench) -> list[Run]:
    """Return the runs of one part of the experiment."""
    if part in ("signal", "no signal", *CHANGES, "pretrained"):
        models = LARGE_INPUT if part in (*CHANGES, "pretrained") else (*MODELS, *REGRESSIONS)
        models += ORACLES if part == "signal" else ()
        return [Run(part, model, cohort, number, bench.n_learning)
                for number, cohort in enumerate(bench.seeds, 1) for model in models]  # fmt: skip
    if part == "seeds":
        return [Run(part, model, bench.settings.study.cohort_seed, seed, bench.n_learning)
                for seed in range(1, 6) for model in MODELS]  # fmt: skip
    if part == "size":
        n_pool = len(bench.seeds) * bench.settings.study.n_patients + bench.n_new
        sizes = {int(times * bench.n_learning): count for times, count in SIZES.items()}
        return [Run(part, model, draw, draw, size) for size, count in sizes.items() if FEWEST <= size <= n_pool
                for draw in range(1, count + 1) for model in (*LARGE_INPUT, REGRESSIONS[1])]  # fmt: skip
    raise ValueError(f"part {part!r}: expected one of {PARTS}")


def cohorts_of(part: str, bench: Bench) -> tuple[int, ...]:
    """Return the seeds of the cohorts that a part needs."""
    own = (bench.settings.study.cohort_seed,) if part == "seeds" else bench.seeds
    return NEW_SEED, *own, *((FURTHER_SEED,) if part in ("size", "pretrained") else ())


# Patients: those a run learns from, its test patients, and the new ones.


def people(seed: int, bench: Bench) -> pd.DataFrame:
    """Return the patients of one cohort, named after it, so that cohorts can be joined."""
    patients = stages.cohort(bench.cohort(seed), bench.artifacts).assign(cohort=seed)
    if seed == NEW_SEED:
        patients["split"] = "new"
    return patients.rename(index=lambda name: f"{seed}-{name}")


def patients_of(run: Run, bench: Bench) -> pd.DataFrame:
    """Return a run's patients with their ``split``: train, validation, test and new."""
    new = people(NEW_SEED, bench)
    if run.part == "size":
        pool = pd.concat([people(seed, bench) for seed in (*bench.seeds, FURTHER_SEED)])
        share = bench.settings.study.n_validation / bench.n_learning
        return pd.concat([draw_learning(pool, run.size, share, run.cohort), new])
    own = people(run.cohort, bench)
    if run.part == "no signal":
        own, new = permuted(own, run.cohort), permuted(new, run.cohort)
        own["split"] = stages.split(own, bench.cohort(run.cohort))
    return pd.concat([own, new])


def permuted(patients: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the patients with their responses shuffled: tissue of a cohort that carries no signal.

    In a simulated cohort without effect tissue is drawn without regard to response; so it is after shuffling.
    """
    rng = np.random.default_rng([seed, 7])
    return patients.assign(responder=rng.permutation(patients["responder"].to_numpy(bool)))


def draw_learning(pool: pd.DataFrame, size: int, validation_share: float, draw: int) -> pd.DataFrame:
    """Return ``size`` patients drawn from the pool by class, with a validation part of the given share."""
    rng = np.random.default_rng([draw, size])
    split = {}
    for responder, members in pool.groupby("responder"):
        chosen = rng.choice(members.index, round(size * len(members) / len(pool)), replace=False)
        n_validation = round(validation_share * len(chosen))
        split |= {name: "validation" if i < n_validation else "train" for i, name in enumerate(chosen)}
        del responder
    drawn = pool.loc[list(split)]
    return drawn.assign(split=pd.Series(split))


def images_of(patients: pd.DataFrame, bench: Bench) -> ImageSet:
    """Return the images of these patients, of several cohorts as one set."""
    parts = []
    for seed in patients["cohort"].unique():
        images = stages.images(bench.cohort(int(seed)), bench.artifacts)
        names = np.char.add(f"{seed}-", images.patient.astype(str))
        images = replace(images, patient=names)
        parts.append(images.select(np.isin(names, patients.index)))
    arrays = zip(*[(p.maps, p.core, p.region, p.patient, p.plane, p.extent_mm) for p in parts], strict=True)
    return ImageSet(*(np.concatenate(column) for column in arrays))


def features_of(seed: int, bench: Bench) -> pd.DataFrame:
    """Return the hand-made features of one cohort, made once."""
    path = bench.folder / f"features-{seed}.csv"
    if not path.exists():
        images = images_of(people(seed, bench), bench)
        write_whole(path, lambda temporary: baseline.map_features(images).to_csv(temporary))
    return pd.read_csv(path, index_col=0)


# Runs


def execute(run: Run, bench: Bench) -> Path:
    """Train and judge one model; return the file that keeps the run, at once if it is there."""
    path = bench.folder / f"{run.name}.json"
    if not path.exists():
        start, patients = time.perf_counter(), patients_of(run, bench)
        probability = predict(run, patients, bench)
        record = asdict(run) | {"seconds": round(time.perf_counter() - start, 1)}
        for split in ("test", "new"):
            of_split = patients[patients["split"] == split]
            record[f"{split}_non_responder"] = "".join("01"[not flag] for flag in of_split["responder"])
            record[split] = [round(float(value), 4) for value in probability[of_split.index]]
        write_whole(path, lambda temporary: temporary.write_text(json.dumps(record)))
    return path


def predict(run: Run, patients: pd.DataFrame, bench: Bench) -> pd.Series:
    """Return what the run's model, trained on its training patients, says of every patient."""
    kind, region = run.model.split("_", 1)
    if kind == "oracle":
        traits = study.CORE_TRAITS if region == "core" else tuple(study.TRAITS)
        return study.oracle_score(patients, traits, bench.settings.study.effect)
    if kind == "regression":
        features = pd.concat([features_of(int(seed), bench) for seed in patients["cohort"].unique()])
        wanted = features.columns.str.startswith("core " if region == "core" else "")
        return baseline.probability(features.loc[:, wanted], patients)
    settings = bench.settings.replace(seed=run.seed, **CHANGES.get(run.part, {}))
    images, folder = images_of(patients, bench), bench.folder / "models" / run.name
    if run.part == "pretrained":
        fine_tune(images, patients, run.model, settings, folder, start_of(run.model, bench))
    else:
        train_model(images, patients, run.model, settings, folder)
    return pd.read_csv(folder / run.model / "predictions.csv", index_col="patient")["probability"]


def start_of(model: str, bench: Bench) -> Path:
    """Return the file of a feature network that has learned the tissue of the further patients, made once."""
    path = bench.folder / f"start-{model}.pt"
    if not path.exists():
        patients = people(FURTHER_SEED, bench)
        learn_tissue(images_of(patients, bench), patients, model, bench.settings, path)
    return path


def prepare(part: str, bench: Bench) -> None:
    """Make maps, images and features that the runs of a part share."""
    seeds = cohorts_of(part, bench)
    for seed in seeds:
        stages.images(bench.cohort(seed), bench.artifacts)
    processes = bench.settings.computing.processes
    in_processes(partial(features_of, bench=bench), seeds, processes, "features of cohorts")
    if part == "pretrained":
        in_processes(partial(start_of, bench=bench), LARGE_INPUT, processes, "networks pre-trained")


def conduct(bench: Bench, parts: Iterable[str], output: Path) -> Path:
    """Execute all runs of the parts, in their order, and write the result after each part."""
    runs, told = [], provenance(bench)  # now: the output, written after each part, may be a tracked file
    for part in parts:
        prepare(part, bench)
        runs += in_processes(
            partial(execute, bench=bench), planned(part, bench), bench.settings.computing.processes, f"runs of {part!r}"
        )
        write_result(runs, told, output)
    return output


def write_result(runs: list[Path], told: dict, output: Path) -> None:
    """Write one file with all runs, their AUCs, and how they came about: ``told``, and when they were finished."""
    records = [json.loads(path.read_text()) for path in runs]
    for record in records:
        for split in ("test", "new"):
            if record[split]:
                truth = [flag == "1" for flag in record[f"{split}_non_responder"]]
                record[f"{split}_auc"] = round(auc_interval(truth, record[split])[0], 4)
    lines = ",\n".join(json.dumps(record) for record in records)
    head = json.dumps(told | {"finished": datetime.now(UTC).isoformat(timespec="seconds")}, indent=1)
    write_whole(output, lambda path: path.write_text(f'{{"provenance": {head},\n"runs": [\n{lines}\n]}}\n'))


def provenance(bench: Bench) -> dict:
    """Return what is needed to repeat the experiment, and where it ran."""
    return {
        "command": f"python -m trust.experiment --profile {bench.profile} --cohorts {len(bench.seeds)} "
                   f"--new {bench.n_new}",
        **circumstances(),
        "versions": {name: version(name) for name in ("numpy", "torch", "scikit-learn", "scikit-image")},
        "cohort_seeds": bench.seeds, "new_seed": NEW_SEED, "further_seed": FURTHER_SEED, "n_new": bench.n_new,
        "settings": bench.settings.flat(),
    }  # fmt: skip


def main() -> None:
    """Conduct the experiment and write its result."""
    parser = argparse.ArgumentParser(prog="python -m trust.experiment", description=__doc__)
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--artifacts", default="artifacts")
    parser.add_argument("--cohorts", type=int, default=5, help="cohorts, each with a seed of its own")
    parser.add_argument("--new", type=int, default=300, help="further patients to judge on")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--output", default="results/experiment.json")
    options = parser.parse_args()
    try:
        bench = bench_of(load_settings(options.profile), options.artifacts, options.cohorts, options.new)
        resolve_device(bench.settings.computing.device)
    except (FileNotFoundError, TypeError, ValueError) as error:
        parser.error(str(error))
    bench = replace(bench, profile=Path(options.profile).stem)
    print(conduct(bench, options.parts, project_path(options.output)))


def bench_of(settings: Settings, artifacts: str | Path, n_cohorts: int, n_new: int) -> Bench:
    """Return the bench of an experiment with this many cohorts; its folder is named after what runs depend on."""
    if not 1 <= n_cohorts <= len(COHORT_SEEDS):
        raise ValueError(f"{n_cohorts} cohorts: expected 1 to {len(COHORT_SEEDS)}")
    chosen = settings.study, settings.scan, settings.maps, settings.images, settings.networks, settings.training
    key = content_key(*chosen, n_new, code=[__spec__.name])
    folder = project_path(artifacts) / f"experiment-{key}"
    return Bench(settings, project_path(artifacts), folder, COHORT_SEEDS[:n_cohorts], n_new)


if __name__ == "__main__":
    main()
