"""How many patients? What the runs of ``trust.experiment`` say, computed anew from their predictions.

Runs on several cohorts, judged on the same new patients, are a study of several readers and many cases: an AUC
varies with the patients a model learned from and with those it is judged on. Intervals here hold both.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from helpers.data.study import MODELS
from helpers.judgement.auc import auc_interval, delong, wins
from helpers.judgement.evaluation import proportions
from helpers.settings import SECTION_OF, Settings
from trust.design import LARGE_INPUT, ORACLES, REGRESSIONS
from trust.runs import read_file

TITLES = {slug: spec.title for slug, spec in MODELS.items()} | {
    name: f"{name.split('_')[0]}, {'core' if name.endswith('_core') else 'core + margin'}"
    for name in (*REGRESSIONS, *ORACLES)
}
ATTEMPTS = {"dropout": "more dropout", "pretrained": "pre-trained on tissue"}  # parts of the experiment
KEYS = ["part", "model", "cohort", "seed", "size", "seconds"]
SCORES = ["test", "new", "test_non_responder", "new_non_responder"]
TOLD = ["commit", "device", "versions"]  # of each run; an older file tells them once, for all of its runs


class Experiment(NamedTuple):
    """All runs of an experiment, one row each, and how they came about."""

    provenance: dict[str, Any]
    runs: pd.DataFrame  # KEYS, TOLD and, as arrays: test, new (scores), test_non_responder, new_non_responder (bool)


def read(path: str | Path) -> Experiment:
    """Read the file of ``python -m trust.experiment``; raises ``ValueError`` naming what is missing."""
    head, found = read_file(path, "trust.experiment", runs=(*KEYS, *SCORES))
    told = {name: head.get(name) for name in TOLD}
    runs = [{**told, **run, **arrays_of(run)} for run in found["runs"]]
    return Experiment(head, pd.DataFrame(runs, columns=[*KEYS, *TOLD, *SCORES]))


def arrays_of(run: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return scores and truth of a run's test and new patients, from the lists and the digits of its line."""
    scores = {split: np.array(run[split], float) for split in ("test", "new")}
    names = [f"{split}_non_responder" for split in scores]
    return scores | {name: np.array([flag == "1" for flag in run[name]], bool) for name in names}


def made_with(runs: pd.DataFrame) -> str:
    """Return what the runs were made on and with, as text: devices, torch, commits, each as often as it differs."""
    torch = sorted({versions["torch"] for versions in runs["versions"]})
    commits = list(runs["commit"].unique())
    minutes = runs["seconds"].sum() / 60
    return (
        f"{' and '.join(runs['device'].unique())} ({minutes:.0f} processor minutes of training; "
        f"torch {', '.join(torch)}, {'commit' if len(commits) == 1 else 'commits'} {', '.join(commits)})"
    )


def judged(runs: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the AUC of each run with its interval, on its test patients where it has some, and on the new ones."""
    table = runs[KEYS].copy()
    for split in ("test", "new"):
        pairs = zip(runs[f"{split}_non_responder"], runs[split], strict=True)
        three = [auc_interval(*pair, level) if len(pair[1]) else (np.nan,) * 3 for pair in pairs]
        table[[f"{split}_auc", f"{split}_low", f"{split}_high"]] = np.array(three).reshape(-1, 3)
    return table


def of(runs: pd.DataFrame, part: str, model: str | None = None, size: int | None = None) -> pd.DataFrame:
    """Return the runs of one part, of one model and size where they are given, in the order of cohort and seed."""
    chosen = runs[runs["part"] == part]
    for name, value in {"model": model, "size": size}.items():
        chosen = chosen if value is None else chosen[chosen[name] == value]
    return chosen.sort_values(["cohort", "seed"], kind="stable")


def mean_auc(
    runs: pd.DataFrame,
    against: pd.DataFrame | None = None,
    level: float = 0.95,
    spread: tuple[float, int] | None = None,
) -> tuple[float, float, float]:
    """Return (mean, low, high) of the runs' AUC on the new patients, or of its difference from other runs.

    Run i of ``against`` belongs to run i of ``runs``. Two errors add up, as in studies of several readers
    (Obuchowski and Rockette 1995): from the patients a model learned from, by Student's t over runs, and
    from the new patients, by DeLong's variance of the wins averaged over runs. ``spread`` is the SD between runs
    and its degrees of freedom where others know it better. A single run has the second error alone.
    """
    won = np.stack([wins_of(run) for run in runs.itertuples()])
    if against is not None:
        won = won - np.stack([wins_of(run) for run in against.itertuples()])
    mean, variance = delong(won.mean(0))
    half = norm.ppf((1 + level) / 2) * np.sqrt(variance)
    if spread is None and len(won) > 1:
        spread = won.mean((1, 2)).std(ddof=1), len(won) - 1
    if spread is not None:
        half = np.hypot(half, t.ppf((1 + level) / 2, spread[1]) * spread[0] / np.sqrt(len(won)))
    low, high = (mean - half, mean + half) if against is not None else np.clip([mean - half, mean + half], 0, 1)
    return float(mean), float(low), float(high)


def wins_of(run: Any) -> np.ndarray:
    """Return the wins of a run's non-responders over its responders among the new patients; a run as a named tuple."""
    return wins(run.new[run.new_non_responder], run.new[~run.new_non_responder])


def recovered(runs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and SD of the AUCs over cohorts, the oracle's, and the share of its lead over chance a model keeps.

    Share: (mean AUC - 0.5) / (mean oracle AUC - 0.5), on the new patients.
    """
    aucs = judged(of(runs, "signal")).groupby("model")[["test_auc", "new_auc"]].agg(["mean", "std"])
    rows: dict[str, dict[str, Any]] = {}
    for model in (*MODELS, *REGRESSIONS):
        oracle = ORACLES[model.endswith("_core_margin")]
        names = [(where, what) for where in ("test", "new") for what in ("mean", "std")]
        row: dict[str, Any] = {f"{where}_{what}": aucs.loc[model, (f"{where}_auc", what)] for where, what in names}
        row |= {f"{where}_oracle": aucs.loc[oracle, (f"{where}_auc", "mean")] for where in ("test", "new")}
        rows[model] = row | {"share": (row["new_mean"] - 0.5) / (row["new_oracle"] - 0.5)}
    return pd.DataFrame.from_dict(rows, orient="index")


def curve(runs: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the mean AUC on the new patients by model and number of learning patients, with interval and draws.

    The study's own size comes from the cohorts of part "signal". Large sizes have few draws: the SD between draws is
    pooled over a model's sizes, which is too wide rather than too narrow for the large ones.
    """
    every = pd.concat([of(runs, "size"), of(runs, "signal")])
    rows = []
    for model in of(runs, "size")["model"].unique():
        by_size = dict(list(every[every["model"] == model].groupby("size")))
        aucs = [judged(group)["new_auc"] for group in by_size.values()]
        freedom = sum(len(auc) - 1 for auc in aucs)
        spread = (np.sqrt(sum((len(auc) - 1) * auc.var() for auc in aucs if len(auc) > 1) / freedom), freedom)
        rows += [(model, size, len(group), *mean_auc(group, None, level, spread)) for size, group in by_size.items()]
    return pd.DataFrame(rows, columns=["model", "size", "draws", "auc", "low", "high"])


def averaged(runs: pd.DataFrame, by: str, part: str, model: str) -> pd.DataFrame:
    """Return one run per value of ``by``, its scores the mean over the runs of a group: an ensemble."""
    rows = []
    for value, group in runs.groupby(by):
        first = group.iloc[0].to_dict() | {"part": part, "model": model, "seconds": group["seconds"].sum(), by: value}
        rows.append(first | {split: np.mean(np.stack(list(group[split])), axis=0) for split in ("test", "new")})
    return pd.DataFrame(rows)


def attempts(runs: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return what might turn the comparison round: AUC on the new patients, gain over the plain model, both intervals.

    Each attempt is compared with the plain networks of the same cohorts, the mean of four with the better of the large
    ones, and all with the regression of the same input.
    """
    signal, rows = of(runs, "signal"), []
    regression = of(runs, "signal", REGRESSIONS[1])
    for model in LARGE_INPUT:
        plain = of(runs, "signal", model)
        both = averaged(pd.concat([plain, regression]), "cohort", "mixed", model)
        tried = {"as it is": plain, "network and regression averaged": both}
        tried |= {title: of(runs, part, model) for part, title in ATTEMPTS.items()}
        rows += [attempt_row(name, TITLES[model], found, plain, regression, level) for name, found in tried.items()]
    four = averaged(signal[signal["model"].isin(list(MODELS))], "cohort", "four", "four networks")
    better = max((of(runs, "signal", model) for model in LARGE_INPUT), key=lambda plain: mean_auc(plain)[0])
    rows.append(attempt_row("mean of the four models", "all networks", four, better, regression, level))
    return pd.DataFrame(rows)


def attempt_row(
    name: str, title: str, found: pd.DataFrame, plain: pd.DataFrame, regression: pd.DataFrame, level: float
) -> dict[str, Any]:
    """Return one row of ``attempts``; NaN where an attempt was not made."""
    row: dict[str, Any] = {"attempt": name, "model": title}
    for column, against in (("auc", None), ("gain", plain), ("behind_regression", regression)):
        three = mean_auc(found, against, level) if len(found) else (np.nan,) * 3
        row |= dict(zip((column, f"{column}_low", f"{column}_high"), three, strict=True))
    return row


def seed_ensembles(runs: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return AUCs on the new patients of one cohort's networks of several seeds, alone and averaged, by model."""
    rows = {}
    for model, group in of(runs, "seeds").groupby("model", sort=False):
        single = judged(group, level)["new_auc"]
        row = {"single_mean": single.mean(), "single_low": single.min(), "single_high": single.max()}
        together = averaged(group, "cohort", "ensemble", str(model))
        row |= dict(zip(("ensemble", "ensemble_low", "ensemble_high"), mean_auc(together, level=level), strict=True))
        rows[model] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def predictions_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs' test patients in the form of ``StudyResults.predictions``; patients are named by their place."""
    run: Any
    parts = []
    for run in runs.itertuples():
        scores = {"split": "test", "responder": ~run.test_non_responder, "probability": run.test}
        parts.append(
            pd.DataFrame({"patient": np.arange(len(run.test)), "model": run.model, "seed": run.seed, **scores})
        )
    return pd.concat(parts, ignore_index=True)


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


def mean_and_sd(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return columns of ``over_seeds`` as text: mean, SD and range over seeds, per model."""
    rows = {
        TITLES[str(model)]: {name: mean_sd_range(group[name]) for name in names}
        for model, group in table.groupby("model", sort=False)
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def mean_sd_range(values: pd.Series) -> str:
    """Return mean ± SD (range) as text."""
    return f"{values.mean():.2f} ± {values.std():.2f} ({values.min():.2f}–{values.max():.2f})"


def differing(told: Mapping[str, Any], settings: Settings) -> list[str]:
    """Return the parameters that touch a model's predictions and had another value in a run, or were not there."""
    own = {name for name, title in SECTION_OF.items() if title not in ("search", "judgement", "computing")} | {"device"}
    return [
        name for name, value in settings.flat().items() if name in own and (name not in told or told[name] != value)
    ]


# Tables of chapter 14, as text.


def all_runs(judged: pd.DataFrame, part: str) -> pd.DataFrame:
    """Return a part's AUCs on test / on new patients as text, a row per cohort, a column per model."""
    rows = of(judged, part)
    cell = [f"{test:.2f} / {new:.2f}" for test, new in zip(rows["test_auc"], rows["new_auc"], strict=True)]
    rows = rows.assign(cell=cell, title=rows["model"].map(TITLES))
    wide = rows.pivot(index="cohort", columns="title", values="cell")
    return wide[[title for title in TITLES.values() if title in wide]]


def with_interval(table: pd.DataFrame, name: str, form: str = ".3f", to: str = "–") -> list[str]:
    """Return one column of a table and its interval as text: value (low–high)."""
    columns = (table[column] for column in (name, f"{name}_low", f"{name}_high"))
    return [f"{value:{form}} ({low:{form}}{to}{high:{form}})" for value, low, high in zip(*columns, strict=True)]


def enough(wide: pd.DataFrame, title: str, target: float) -> str:
    """Return from which size on (index of ``wide``) a model's AUC reaches the target, as text."""
    reached = wide.index[wide[title] >= target]
    if len(reached):
        return f"{title}: from {reached.min()} patients on"
    return f"{title}: at none of the sizes tried, up to {wide.index.max()}"
