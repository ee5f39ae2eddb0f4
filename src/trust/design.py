"""The experiment's design: its runs, its cohorts, and the patients and images that each run learns from.

Whatever trains or judges is left out, so that a change there does not touch what all runs share.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ground.artifacts import project_path
from ground.errors import InputError
from ground.provenance import circumstances
from helpers import stages
from helpers.data.study import MODELS
from helpers.learning.images import PER_PLANE, ImageSet
from helpers.settings import Settings

COHORT_SEEDS = tuple(range(101, 111))  # fixed before any of these cohorts was drawn; the first ones are used
FURTHER_SEED, NEW_SEED = 201, 202  # further patients to learn from; new patients, on whom all is judged
REGRESSIONS = ("regression_core", "regression_core_margin")
ORACLES = ("oracle_core", "oracle_core_margin")
LARGE_INPUT = ("resnet_core_margin", "ran_core_margin")
SIZES = {0.5: 5, 2: 3, 4: 2, 8: 2}  # times the study's learning patients: repetitions
FEWEST = 16  # learning patients; fewer leave no two non-responders to train on
FEWEST_NEW = 11  # new patients, three of them non-responders
NO_SPLIT = {"n_test": 5, "n_validation": 4}  # of further and new patients, whose split nobody reads
CHANGES = {"dropout": {"dropout": 0.7}}  # parts that train with other settings
PARTS = ("signal", "no signal", "size", "seeds", "dropout", "pretrained")
PACKAGES = ("numpy", "torch", "scikit-learn", "scikit-image")


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

    @property
    def kind(self) -> str:
        """What makes it: "oracle", "regression", "network" or "pretrained"."""
        kind = self.model.split("_")[0]
        return kind if kind in ("oracle", "regression") else "pretrained" if self.part == "pretrained" else "network"

    @property
    def region(self) -> str:
        return self.model.split("_", 1)[1]


@dataclass(frozen=True)
class Bench:
    """What all runs share: the study's settings, the folders, the cohorts, and the circumstances they began in."""

    settings: Settings
    artifacts: Path
    seeds: tuple[int, ...]  # of the cohorts
    n_new: int
    profile: str  # name of the one the settings came from
    began: dict = field(default_factory=lambda: circumstances(PACKAGES))  # before a tracked file is written

    @property
    def folder(self) -> Path:
        return self.artifacts / "experiment"

    @property
    def n_learning(self) -> int:
        return self.settings.study.n_patients - self.settings.study.n_test

    def cohort(self, seed: int) -> Settings:
        """The settings of one cohort; the further and the new patients are cohorts of their own size."""
        size = {"n_patients": self.n_new, **NO_SPLIT} if seed in (FURTHER_SEED, NEW_SEED) else {}
        return self.settings.replace(cohort="simulated", cohort_seed=seed, **size)


def bench_of(
    settings: Settings, artifacts: str | Path, n_cohorts: int, n_new: int, profile: str | Path = "laptop"
) -> Bench:
    """Return the bench of an experiment with this many cohorts. Raises ``InputError`` for too many or too few."""
    if not 1 <= n_cohorts <= len(COHORT_SEEDS):
        raise InputError(f"{n_cohorts} cohorts: expected 1 to {len(COHORT_SEEDS)}")
    if n_new < FEWEST_NEW:
        raise InputError(f"{n_new} new patients: expected {FEWEST_NEW} or more")
    return Bench(settings, project_path(artifacts), COHORT_SEEDS[:n_cohorts], n_new, Path(profile).stem)


def planned(part: str, bench: Bench) -> list[Run]:
    """Return the runs of one part of the experiment."""
    if part in ("signal", "no signal", *CHANGES, "pretrained"):
        models = LARGE_INPUT if part in (*CHANGES, "pretrained") else (*MODELS, *REGRESSIONS)
        models += ORACLES if part == "signal" else ()
        cohorts = enumerate(bench.seeds, 1)
        return [Run(part, model, cohort, number, bench.n_learning) for number, cohort in cohorts for model in models]
    if part == "seeds":
        own = bench.settings.study.cohort_seed
        return [Run(part, model, own, seed, bench.n_learning) for seed in range(1, 6) for model in MODELS]
    if part == "size":
        return [
            Run(part, model, draw, draw, size)
            for size, count in sizes(bench).items()
            for draw in range(1, count + 1)
            for model in (*LARGE_INPUT, REGRESSIONS[1])
        ]
    raise InputError(f"part {part!r}: expected one of {PARTS}")


def sizes(bench: Bench) -> dict[int, int]:
    """Return the numbers of learning patients that the pool allows, and how often each is drawn."""
    n_pool = len(bench.seeds) * bench.settings.study.n_patients + bench.n_new
    every = {int(times * bench.n_learning): count for times, count in SIZES.items()}
    return {size: count for size, count in every.items() if FEWEST <= size <= n_pool}


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
    split: dict[str, str] = {}
    for _, members in pool.groupby("responder"):
        chosen = rng.choice(members.index, round(size * len(members) / len(pool)), replace=False)
        n_validation = round(validation_share * len(chosen))
        split |= {name: "validation" if i < n_validation else "train" for i, name in enumerate(chosen)}
    return pool.loc[list(split)].assign(split=pd.Series(split))


def images_of(patients: pd.DataFrame, bench: Bench) -> ImageSet:
    """Return the images of these patients, of several cohorts as one set."""
    parts = []
    for seed in patients["cohort"].unique():
        images = stages.images(bench.cohort(int(seed)), bench.artifacts)
        names = np.char.add(f"{seed}-", images.patient.astype(str))
        images = replace(images, patient=names)
        parts.append(images.select(np.isin(names, patients.index)))
    arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in PER_PLANE}
    return replace(parts[0], **arrays)
