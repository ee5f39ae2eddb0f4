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
from helpers.data.study import MODELS, SIGNALS
from helpers.learning.images import PER_PLANE, ImageSet
from helpers.settings import Settings

COHORT_SEEDS = tuple(range(121, 131))  # fixed before any of these cohorts was drawn; the first ones are used
NEW_SEEDS = (223, 224)  # two sets of new patients, on whom all is judged
OTHER_SEED, OTHER_NEW_SEED = 233, 234  # under the other truths: patients to learn from, and new ones
# 111 to 120, 221, 222, 231 and 232 were looked at while the statistics network was made: they judge nothing.
# What it is now was chosen by patients of 111 to 120 alone; 223, 224, 233 and 234 had judged what it was before.
OTHER_TIMES = 1.05  # as many of the former as of the latter
STATISTICS = ("statistics_core", "statistics_core_margin")
REGRESSIONS = ("regression_core", "regression_core_margin")
FORESTS = ("forest_core_margin",)
ORACLES = ("oracle_core", "oracle_core_margin")
TITLES = {slug: spec.title for slug, spec in MODELS.items()} | {
    name: f"{name.split('_')[0]}, {'core' if name.endswith('_core') else 'core + margin'}"
    for name in (*STATISTICS, *REGRESSIONS, *FORESTS, *ORACLES)
}
COMPARED = ("resnet_core_margin", "ran_core_margin", STATISTICS[1], REGRESSIONS[1], *FORESTS)
AT_ANY_SIZE = (COMPARED[0], *COMPARED[2:])  # under the other truths one network of the paper stands for both
PERMUTED = COMPARED[2:]
SIZES = {0.5: 3, 2: 2, 4: 1}  # times the study's learning patients: repetitions
OTHER_SIZES = {1: 2, 2: 1, 4: 1}
FEWEST = 16  # learning patients; fewer leave no two non-responders to train on
FEWEST_NEW = 11  # new patients, three of them non-responders
NO_SPLIT = {"n_test": 5, "n_validation": 4}  # of new and other patients, whose split nobody reads
FOLDS = 5  # and networks of the part "seeds", with that of the part "mean"
RECIPES: dict[str, dict[str, Any]] = {  # what is changed of the study's training, one thing at a time
    "256 maps averaged": {"vector": "pool"},
    "scaled to the extremes": {"clip_percentile": 0.0},
    "never shifted": {"max_shift": 0.0},
    "weights decay": {"optimizer": "adamw"},
    "last epoch kept": {},  # whoever would stop training is left out
    "all learn, last epoch kept": {},  # whoever would stop training learns
}
EXPLAINED = COMPARED[1:3]
STATISTICS_RECIPES: dict[str, dict[str, Any]] = {  # and of the statistics network's, see ``statistics.Recipe``
    "means without SD": {"spread": False},
    "response alone": {"reading": False},
    "one network": {"members": 1},
}
RECIPE_MODEL = COMPARED[0]
OTHERS = tuple(signal for signal in SIGNALS if signal != "mean")
SHUFFLED = {"no signal": "mean", "no arrangement": "arrangement"}  # parts without a signal, and what was shuffled
PARTS = (
    *("mean", "arrangement", "interaction", "no signal", "no arrangement", "size", "texture", "folds", "seeds"),
    *RECIPES,
    *STATISTICS_RECIPES,
)
SPLITS = ("validation", "test", "new")  # whom a model does not train on
PACKAGES = ("numpy", "torch", "scikit-learn", "scikit-image")


@dataclass(frozen=True)
class Run:
    """One model on one set of learning patients, judged on its test patients, if it has some, and on the new ones."""

    part: str
    model: str
    cohort: int  # seed of the cohort; where patients are drawn from several, the number of the draw
    seed: int  # of the network; in part "folds" the number of the fold, too
    size: int  # learning patients

    @property
    def name(self) -> str:
        return f"{self.part}-{self.cohort}-{self.size}-{self.model}-{self.seed}".replace(" ", "_")

    @property
    def kind(self) -> str:
        """What makes it: "oracle", "regression", "forest", "statistics" or "network"."""
        kind = self.model.split("_")[0]
        return kind if kind in ("oracle", "regression", "forest", "statistics") else "network"

    @property
    def region(self) -> str:
        return self.model.split("_", 1)[1]

    @property
    def signal(self) -> str:
        """What of the tissue response follows."""
        return SHUFFLED.get(self.part, self.part if self.part in OTHERS else "mean")

    @property
    def explained(self) -> bool:
        """Whether it also tells how much the margin weighs in what moves it."""
        return self.part in ("mean", "no signal") and self.model in EXPLAINED

    @property
    def drawn(self) -> bool:
        """Whether its learning patients are drawn from a pool."""
        return self.signal != "mean" or self.part == "size"


@dataclass(frozen=True)
class Bench:
    """What all runs share: the study's settings, the folders, the cohorts, and the circumstances they began in."""

    settings: Settings
    artifacts: Path
    seeds: tuple[int, ...]  # of the cohorts
    n_new: int  # in each set of new patients
    profile: str  # name of the one the settings came from
    began: dict = field(default_factory=lambda: circumstances(PACKAGES))  # before a tracked file is written

    @property
    def folder(self) -> Path:
        return self.artifacts / "experiment"

    @property
    def n_learning(self) -> int:
        return self.settings.study.n_patients - self.settings.study.n_test

    @property
    def n_other(self) -> int:
        return round(OTHER_TIMES * self.n_new)

    def cohort(self, seed: int, signal: str = "mean") -> Settings:
        """The settings of one cohort; new and other patients are cohorts of their own size."""
        sizes = dict.fromkeys((*NEW_SEEDS, OTHER_NEW_SEED), self.n_new) | {OTHER_SEED: self.n_other}
        size = {"n_patients": sizes[seed], **NO_SPLIT} if seed in sizes else {}
        return self.settings.replace(cohort="simulated", cohort_seed=seed, signal=signal, **size)


def bench_of(
    settings: Settings, artifacts: str | Path, n_cohorts: int, n_new: int, profile: str | Path = "experiment"
) -> Bench:
    """Return the bench of an experiment with this many cohorts. Raises ``InputError`` for too many or too few."""
    if not 1 <= n_cohorts <= len(COHORT_SEEDS):
        raise InputError(f"{n_cohorts} cohorts: expected 1 to {len(COHORT_SEEDS)}")
    if n_new < FEWEST_NEW:
        raise InputError(f"{n_new} new patients: expected {FEWEST_NEW} or more")
    return Bench(settings, project_path(artifacts), COHORT_SEEDS[:n_cohorts], n_new, Path(profile).stem)


def planned(part: str, bench: Bench) -> list[Run]:
    """Return the runs of one part of the experiment."""
    numbered = list(enumerate(bench.seeds, 1))
    if part in ("mean", "no signal"):
        models = (*MODELS, *STATISTICS, *REGRESSIONS, *FORESTS, *ORACLES) if part == "mean" else COMPARED
        return [Run(part, model, cohort, number, bench.n_learning) for number, cohort in numbered for model in models]
    if part in (*RECIPES, *STATISTICS_RECIPES):
        model = RECIPE_MODEL if part in RECIPES else STATISTICS[1]
        return [Run(part, model, cohort, number, bench.n_learning) for number, cohort in numbered]
    if part == "seeds":
        others = [(cohort, 10 * number + i) for number, cohort in numbered for i in range(1, FOLDS)]
        return [Run(part, RECIPE_MODEL, cohort, seed, bench.n_learning) for cohort, seed in others]
    if part == "folds":
        folds = range(1, FOLDS + 1)
        return [Run(part, RECIPE_MODEL, cohort, fold, bench.n_learning) for cohort in bench.seeds for fold in folds]
    if part == "size":
        n_pool = len(bench.seeds) * bench.settings.study.n_patients
        return draws(part, COMPARED, SIZES, n_pool, bench)
    if part in OTHERS:
        return draws(part, (*AT_ANY_SIZE, ORACLES[0]), OTHER_SIZES, bench.n_other, bench)
    if part == "no arrangement":
        return draws(part, PERMUTED, {2: 2}, bench.n_other, bench)
    raise InputError(f"part {part!r}: expected one of {PARTS}")


def draws(part: str, models: tuple[str, ...], times: dict, n_pool: int, bench: Bench) -> list[Run]:
    """Return runs on patients drawn from a pool, for the numbers that it allows."""
    every = {int(factor * bench.n_learning): count for factor, count in times.items()}
    sizes = {size: count for size, count in every.items() if FEWEST <= size <= n_pool}
    return [
        Run(part, model, draw, draw, size)
        for size, count in sizes.items()
        for draw in range(1, count + 1)
        for model in models
    ]


def cohorts_of(part: str, bench: Bench) -> tuple[tuple[int, str], ...]:
    """Return seed and signal of the cohorts that a part needs."""
    signal = Run(part, "", 0, 0, 0).signal
    seeds = (*bench.seeds, *NEW_SEEDS) if signal == "mean" else (OTHER_SEED, OTHER_NEW_SEED)
    return tuple((seed, signal) for seed in seeds)


# Patients: those a run learns from, its test patients, and the new ones.


def people(seed: int, bench: Bench, signal: str = "mean") -> pd.DataFrame:
    """Return the patients of one cohort, named after it, so that cohorts can be joined."""
    patients = stages.cohort(bench.cohort(seed, signal), bench.artifacts).assign(cohort=seed)
    if seed in (*NEW_SEEDS, OTHER_NEW_SEED):
        patients["split"] = "new"
    return patients.rename(index=lambda name: f"{seed}-{name}")


def patients_of(run: Run, bench: Bench) -> pd.DataFrame:
    """Return a run's patients with their ``split``: train, validation, test and new."""
    seeds = NEW_SEEDS if run.signal == "mean" else (OTHER_NEW_SEED,)
    new = pd.concat([people(seed, bench, run.signal) for seed in seeds])
    if run.drawn:
        pool_seeds = bench.seeds if run.signal == "mean" else (OTHER_SEED,)
        pool = pd.concat([people(seed, bench, run.signal) for seed in pool_seeds])
        share = bench.settings.study.n_validation / bench.n_learning
        own = draw_learning(pool, run.size, share, run.cohort)
    else:
        own = people(run.cohort, bench)
    if run.part in SHUFFLED:
        own, new = permuted(own, run.cohort), permuted(new, run.cohort)
    if run.part == "no signal":
        own["split"] = stages.split(own, bench.cohort(run.cohort))
    if "last epoch kept" in run.part:
        own = own.replace({"split": {"validation": "unseen" if run.part == "last epoch kept" else "train"}})
    return pd.concat([in_fold(own, run) if run.part == "folds" else own, new])


def permuted(patients: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the patients with their responses shuffled: tissue of a cohort that carries no signal.

    In a simulated cohort without effect tissue is drawn without regard to response; so it is after shuffling.
    """
    rng = np.random.default_rng([seed, 7])
    return patients.assign(responder=rng.permutation(patients["responder"].to_numpy(bool)))


def in_fold(patients: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Return a cohort whose learning patients are split anew: the run's fold of them stops training, the rest train."""
    fold = folds_of(patients[patients["split"] != "test"], FOLDS, run.cohort)
    split = patients["split"].where(patients["split"] == "test", "train")
    split[fold.index[fold == run.seed - 1]] = "validation"
    return patients.assign(split=split)


def folds_of(patients: pd.DataFrame, n_folds: int, seed: int) -> pd.Series:
    """Return the fold of each patient, from 0, drawn at random with each class spread evenly."""
    drawn = patients.sample(frac=1, random_state=seed)
    return drawn.groupby("responder").cumcount().mod(max(n_folds, 1)).reindex(patients.index)


def draw_learning(pool: pd.DataFrame, size: int, validation_share: float, draw: int) -> pd.DataFrame:
    """Return ``size`` patients drawn from the pool by class, with a validation part of the given share."""
    rng = np.random.default_rng([draw, size])
    split: dict[str, str] = {}
    for _, members in pool.groupby("responder"):
        chosen = rng.choice(members.index, round(size * len(members) / len(pool)), replace=False)
        n_validation = round(validation_share * len(chosen))
        split |= {name: "validation" if i < n_validation else "train" for i, name in enumerate(chosen)}
    return pool.loc[list(split)].assign(split=pd.Series(split))


def images_of(patients: pd.DataFrame, bench: Bench, signal: str = "mean") -> ImageSet:
    """Return the images of these patients, of several cohorts as one set."""
    parts = []
    for seed in patients["cohort"].unique():
        images = stages.images(bench.cohort(int(seed), signal), bench.artifacts)
        names = np.char.add(f"{seed}-", images.patient.astype(str))
        images = replace(images, patient=names)
        parts.append(images.select(np.isin(names, patients.index)))
    arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in PER_PLANE}
    return replace(parts[0], **arrays)
