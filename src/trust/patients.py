"""How many patients? What the runs of ``trust.experiment`` say, computed anew from their predictions.

Runs on several cohorts, judged on the same new patients, are a study of several readers and many cases: an AUC
varies with the patients a model learned from and with those it is judged on. Intervals here hold both.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from beyond.means import averaged, mean_auc
from helpers.data.study import MODELS
from helpers.judgement.auc import auc_interval
from helpers.judgement.evaluation import auc_if_known, proportions
from helpers.settings import SECTION_OF, Settings
from pages.figures import colour_of
from pages.judgement import counted
from trust import design
from trust.design import COMPARED, ORACLES, REGRESSIONS, SPLITS, TITLES
from trust.runs import read_file

KEYS = ["part", "model", "cohort", "seed", "size", "seconds"]
SCORES = [f"{split}{what}" for what in ("", "_non_responder") for split in SPLITS]
TOLD = ["commit", "device", "versions"]  # of each run; an older file tells them once, for all of its runs


class Experiment(NamedTuple):
    """All runs of an experiment, one row each, and how they came about."""

    provenance: dict[str, Any]
    runs: pd.DataFrame  # KEYS, TOLD and, as arrays: of each of SPLITS scores, and _non_responder (bool)


def read(path: str | Path) -> Experiment:
    """Read the file of ``python -m trust.experiment``; raises ``ValueError`` naming what is missing."""
    head, found = read_file(path, "trust.experiment", runs=(*KEYS, *SCORES))
    told = {name: head.get(name) for name in TOLD}
    runs = [{**told, **run, **arrays_of(run)} for run in found["runs"]]
    return Experiment(head, pd.DataFrame(runs, columns=[*KEYS, *TOLD, *SCORES, "margin"]))


def margins(path: str | Path, model: str) -> pd.DataFrame:
    """Return how much the margin weighs in networks trained on shuffled responses: a row a cohort, a column a map.

    See ``contributions.mean_excess``; NaN of a network that says the same of everybody, empty where no run is told.
    """
    return pd.DataFrame(list(of(read(path).runs, "no signal", model)["margin"].dropna()), dtype=float)


def arrays_of(run: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return scores and truth of a run's patients it did not train on, from the lists and the digits of its line."""
    scores = {split: np.array(run[split], float) for split in SPLITS}
    names = [f"{split}_non_responder" for split in scores]
    return scores | {name: np.array([flag == "1" for flag in run[name]], bool) for name in names}


def made_with(runs: pd.DataFrame) -> str:
    """Return what the runs were made on and with, as text: devices, torch, commits, each as often as it differs."""
    torch = sorted({versions["torch"] for versions in runs["versions"]})
    commits = list(runs["commit"].unique())
    minutes = counted(round(runs["seconds"].sum() / 60), "processor minute")
    return (
        f"{' and '.join(runs['device'].unique())}: {minutes} of training; "
        f"torch {', '.join(torch)}, {'commit' if len(commits) == 1 else 'commits'} {', '.join(commits)}"
    )


def judged(runs: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the AUC of each run with its interval, on each of ``SPLITS`` in which it has patients."""
    table = runs[KEYS].copy()
    for split in SPLITS:
        pairs = zip(runs[f"{split}_non_responder"], runs[split], strict=True)
        three = [auc_if_known(*pair, level) for pair in pairs]
        table[[f"{split}_auc", f"{split}_low", f"{split}_high"]] = np.array(three).reshape(-1, 3)
    return table


def of(runs: pd.DataFrame, part: str, model: str | None = None, size: int | None = None) -> pd.DataFrame:
    """Return the runs of one part, of one model and size where they are given, in the order of cohort and seed."""
    chosen = runs[runs["part"] == part]
    for name, value in {"model": model, "size": size}.items():
        chosen = chosen if value is None else chosen[chosen[name] == value]
    return chosen.sort_values(["cohort", "seed"], kind="stable")


def recovered(runs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and SD of the AUCs over cohorts, the oracle's, and the share of its lead over chance a model keeps.

    Share: (mean AUC - 0.5) / (mean oracle AUC - 0.5), on the new patients.
    """
    aucs = judged(of(runs, "mean")).groupby("model", sort=False)[["test_auc", "new_auc"]].agg(["mean", "std"])
    aucs.columns = [f"{column.removesuffix('_auc')}_{what}" for column, what in aucs.columns]
    lead = np.array([aucs.loc[ORACLES[model.endswith("_core_margin")], "new_mean"] for model in aucs.index])
    aucs = aucs.assign(new_oracle=lead, share=(aucs["new_mean"] - 0.5) / (lead - 0.5))
    return aucs.drop(index=list(ORACLES), errors="ignore")


def against(runs: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return each model's mean AUC on the new patients, and its lead over the regression of the same input.

    Columns: auc, lead, each with its interval, see ``mean_auc``; a row per model of part "mean" but the oracles.
    """
    rows = {}
    for model in [name for name in of(runs, "mean")["model"].unique() if name not in ORACLES]:
        regression = of(runs, "mean", REGRESSIONS[model.endswith("_core_margin")])
        rows[model] = auc_and_lead(of(runs, "mean", model), regression, level)
    return pd.DataFrame.from_dict(rows, orient="index")


def auc_and_lead(found: pd.DataFrame, other: pd.DataFrame, level: float) -> dict[str, float]:
    """Return the mean AUC of runs and its lead over others on the same patients, both with intervals."""
    row = dict(zip(("auc", "auc_low", "auc_high"), mean_auc(found, None, level), strict=True))
    return row | dict(zip(("lead", "lead_low", "lead_high"), mean_auc(found, other, level), strict=True))


def curve(runs: pd.DataFrame, part: str, level: float = 0.95) -> pd.DataFrame:
    """Return the mean AUC on the new patients by model and number of learning patients, with interval and draws.

    Under the truth "mean" the study's own size comes from its cohorts. Large sizes have few draws: the SD between draws
    is pooled over a model's sizes, which is too wide rather than too narrow for the large ones.
    """
    every = pd.concat([of(runs, part), of(runs, "mean")]) if part == "size" else of(runs, part)
    rows = []
    for model in COMPARED if part == "size" else every["model"].unique():
        by_size = dict(list(every[every["model"] == model].groupby("size")))
        aucs = [judged(group)["new_auc"] for group in by_size.values()]
        freedom = sum(len(auc) - 1 for auc in aucs)
        pooled = sum((len(auc) - 1) * auc.var() for auc in aucs if len(auc) > 1)
        spread = (np.sqrt(pooled / freedom), freedom) if freedom > 1 else None
        rows += [(model, size, len(group), *mean_auc(group, None, level, spread)) for size, group in by_size.items()]
    return pd.DataFrame(rows, columns=["model", "size", "draws", "auc", "low", "high"])


def leads(runs: pd.DataFrame, part: str, first: str, others: Iterable[str], level: float = 0.95) -> pd.DataFrame:
    """Return by how much one model leads the best of others at each number of learning patients, with intervals.

    The best is that of the highest mean AUC on the very patients it is judged on, which favours the others.
    """
    rows = {}
    for size in sorted(of(runs, part)["size"].unique()):
        mine, theirs = of(runs, part, first, size), [of(runs, part, other, size) for other in others]
        best = max(theirs, key=lambda group: mean_auc(group)[0])
        rows[size] = {"best": best["model"].iloc[0]} | auc_and_lead(mine, best, level)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("size")


def recipes(runs: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return what one change of a recipe is worth: AUC on the new patients, lead over the plain network, and cohorts.

    A row for each model and recipe; the lead is over the same cohorts' networks.
    """
    rows = {}
    for model, changed in {
        design.RECIPE_MODEL: design.RECIPES,
        design.STATISTICS[1]: design.STATISTICS_RECIPES,
    }.items():
        plain = of(runs, "mean", model)
        tried = {"as it is": plain} | {part: of(runs, part, model) for part in changed} | ensembles(runs, plain, model)
        for name, found in tried.items():
            if len(found):
                same = plain[plain["cohort"].isin(found["cohort"])]
                rows[model, name] = auc_and_lead(found, same, level) | {"cohorts": len(found)}
    return pd.DataFrame.from_dict(rows, orient="index")


def ensembles(runs: pd.DataFrame, plain: pd.DataFrame, model: str) -> dict[str, pd.DataFrame]:
    """Return a model's runs averaged over folds, and over seeds, a run for each cohort that has them."""
    folds, seeds = of(runs, "folds", model), of(runs, "seeds", model)
    seeds = pd.concat([plain[plain["cohort"].isin(seeds["cohort"])], seeds])
    every = {
        f"{folds['seed'].nunique()} folds averaged": folds,
        f"{seeds.groupby('cohort').size().max()} seeds averaged": seeds,
    }
    return {name: averaged(found, "cohort", "averaged", model) for name, found in every.items() if len(found)}


def optimism(runs: pd.DataFrame) -> pd.Series:
    """Return by how much the AUC of the validation patients, who stop training, is above that of the new ones.

    The mean over cohorts, per network of part "mean".
    """
    table = judged(of(runs, "mean"))
    networks = table[table["model"].isin(list(MODELS))]
    return (networks["validation_auc"] - networks["new_auc"]).groupby(networks["model"], sort=False).mean()


def over_seeds(predictions: pd.DataFrame, level: float = 0.95, threshold: float = 0.5) -> pd.DataFrame:
    """Return Table 2's test columns of each model and seed: accuracy, specificity, sensitivity, AUC.

    Rows (model, seed). ``.groupby("model").agg(["mean", "std"])`` is Table 2 with its spread over seeds.
    """
    rows = {}
    test = predictions[predictions["split"] == "test"].astype({"responder": bool})
    for key, group in test.groupby(["model", "seed"], sort=False):
        found = proportions(group, level, threshold)
        row = {name: found[name] for name in ("accuracy", "specificity", "sensitivity")}
        rows[key] = row | {"auc": auc_interval(~group["responder"], group["probability"], level)[0]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["model", "seed"])


def differing(told: Mapping[str, Any], settings: Settings) -> list[str]:
    """Return the parameters that touch a model's predictions and had another value in a run, or were not there."""
    own = {name for name, title in SECTION_OF.items() if title not in ("search", "judgement", "computing")} | {"device"}
    return [
        name for name, value in settings.flat().items() if name in own and (name not in told or told[name] != value)
    ]


# Tables, as text.


def all_runs(judged: pd.DataFrame, part: str) -> pd.DataFrame:
    """Return a part's AUCs on test / on new patients as text, a row per cohort, a column per model."""
    rows = of(judged, part)
    cell = [f"{test:.2f}\u00a0/\u00a0{new:.2f}" for test, new in zip(rows["test_auc"], rows["new_auc"], strict=True)]
    rows = rows.assign(cell=cell, title=rows["model"].map(TITLES))
    wide = rows.pivot(index="cohort", columns="title", values="cell")
    return wide[[title for title in TITLES.values() if title in wide]]


def by_size(curve: pd.DataFrame) -> pd.DataFrame:
    """Return a ``curve`` as text, AUC (interval), draws: a row per number of learning patients, a column per model."""
    cell = [f"{row.auc:.3f} ({row.low:.3f}–{row.high:.3f}), {row.draws}" for row in curve.itertuples()]
    wide = curve.assign(cell=cell, title=curve["model"].map(TITLES)).pivot(index="size", columns="title", values="cell")
    return wide[[title for title in TITLES.values() if title in wide]].fillna("–")


def draw_curves(ax: Axes, curve: pd.DataFrame) -> None:
    """Draw a ``curve``, a line with intervals per model of ``COMPARED``, each in its own colour."""
    drawn = [model for model in COMPARED if model in set(curve["model"])]
    for model in drawn:
        number, rows = COMPARED.index(model), curve[curve["model"] == model].sort_values("size")
        auc, low, high, size = rows[["auc", "low", "high", "size"]].to_numpy(float).T
        told: Any = {"fmt": "o-", "capsize": 3, "color": colour_of(model), "label": TITLES[model]}
        ax.errorbar(size * 1.03 ** (number - 2), auc, yerr=[auc - low, high - auc], **told)
    sizes = sorted(curve["size"].unique())
    ax.set(xscale="log", xticks=sizes, xticklabels=sizes, xlabel="patients learned from", ylabel="AUC, new patients")
    ax.minorticks_off()


def with_interval(table: pd.DataFrame, name: str, form: str = ".3f", to: str = "–") -> list[str]:
    """Return one column of a table and its interval as text: value (low–high)."""
    columns = (table[column] for column in (name, f"{name}_low", f"{name}_high"))
    return [f"{value:{form}} ({low:{form}}{to}{high:{form}})" for value, low, high in zip(*columns, strict=True)]
