"""Every figure of Tables 1 and 2 and of survival is R's, for the simulated patients of ``results/seeds/laptop.json``.

``figures.csv`` keeps each figure with R's call. Where these patients or results change, run R anew as the head of
``figures.R`` says. Not here: bootstrap intervals, which R draws otherwise.
"""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beyond import calibration, comparison
from beyond.means import crossed_auc, restricted_mean, restricted_mean_difference
from ground.artifacts import project_path
from helpers import stages
from helpers.data import study
from helpers.data.study import MODELS
from helpers.judgement import auc_interval, evaluation, survival
from helpers.judgement.auc import delong, wins
from helpers.settings import build
from pages import chance
from pages.patients import by_split, subgroups, table1
from trust import runs
from trust.patients import over_seeds

BY_R = pd.read_csv(Path(__file__).with_name("figures.csv"), skiprows=1, index_col="name")
PROPORTIONS = ("accuracy", "specificity", "sensitivity")


@cache
def saved():
    results = runs.read(project_path("results/seeds/laptop.json"))
    return results, build(results.provenance["settings"])


@cache
def cohort():
    _, settings = saved()
    told = settings.study
    drawn = study.draw_patients(
        told.n_patients, told.cohort_seed, told.effect, told.attenuation_spread, signal=told.signal
    )
    return drawn.assign(split=stages.split(drawn, settings))


def for_r():
    """A row per patient; a column per model and seed, and one per model of the cross-validation."""
    results, _ = saved()
    said = results.predictions.pivot(index="patient", columns=["model", "seed"], values="probability")
    said.columns = [f"{model}.{seed}" for model, seed in said]
    crossed = results.crossed.pivot(index="patient", columns="model", values="probability").add_suffix(".crossed")
    return cohort().join([said, crossed, results.crossed.groupby("patient")["fold"].first()])


def predictions(seed=1):
    return saved()[0].predictions.query("seed == @seed")


def judged(seed=1):
    """Truth (n,), True for a non-responder, and what each model says of the test patients (n, 4)."""
    wide = predictions(seed).query("split == 'test'").pivot(index="patient", columns="model", values="probability")
    return ~cohort().loc[wide.index, "responder"], wide[list(MODELS)]


def undone(told):
    weight = saved()[1].training.class_weight
    return told.assign(probability=calibration.unweighted(told.probability, weight))


def three(row, name):
    return [row[f"{name}{end}"] for end in ("", "_low", "_high")]


def in_ascii(name):
    return name.replace("−", "-")


def table_1():
    """The numbers in its text; R's are rounded as they are."""
    texts = table1(cohort()).stack().items()
    found = {f"Table 1, {in_ascii(row)}, {group}": re.findall(r"[\d.]+", text) for (row, group), text in texts}
    parts = by_split(cohort())[["non-responders", "responders", "planes"]]
    found |= {f"sets, {part}": counts for part, counts in parts.iterrows()}
    return found | {"response scores": cohort()["mr_score"].value_counts().sort_index()}


def table_2():
    found, (lost, wide), table = {}, judged(), evaluation.table2(predictions())
    for model, spec in MODELS.items():
        row, score = table.loc[spec.number], wide[model]
        for part in ("validation", "test"):
            found |= {f"Table 2, {model}, {part}, {name}": three(row, f"{part}_{name}") for name in PROPORTIONS}
        found |= {
            f"Table 2, {model}, counts": evaluation.confusion(lost, score),
            f"Table 2, {model}, loss": row.validation_loss,
            f"Table 2, {model}, AUC": three(row, "test_auc"),
            f"AUC, {model}, plain": auc_interval(lost, score, scale="plain"),
            f"AUC, {model}, standard error": delong(wins(score[lost], score[~lost]))[1] ** 0.5,
        }
    return found


def table_2_with_the_weight_undone():
    nothing = (~cohort()["responder"])[cohort()["split"] == "train"].mean()
    row = evaluation.table2(predictions().assign(probability=nothing)).iloc[0]
    found = {"nothing, accuracy": row.test_accuracy, "nothing, loss": row.validation_loss}
    for number, row in evaluation.table2(undone(predictions())).iterrows():
        [model] = [slug for slug, spec in MODELS.items() if spec.number == number]
        found[f"undone, {model}, accuracy"] = row.test_accuracy
        found[f"undone, {model}, balanced accuracy"] = (row.test_sensitivity + row.test_specificity) / 2
        found[f"undone, {model}, loss"] = row.validation_loss
    return found


def over_seeds_and_folds():
    results, _ = saved()
    told, folds, found = undone(results.predictions), undone(results.crossed), {}
    by_seed, by_patient = over_seeds(told), told.query("split == 'test'").groupby(["model", "patient"])
    said = by_patient.agg(mean=("probability", "mean"), moved=("probability", np.ptp), responder=("responder", "first"))
    for model in MODELS:
        one, crossed, ranges = said.loc[model], folds.query("model == @model"), by_seed.loc[model]
        found |= {
            f"seeds, {model}, AUC": ranges["auc"].agg(["mean", "min", "max"]),
            f"seeds, {model}, accuracy": ranges["accuracy"].agg(["mean", "min", "max"]),
            f"seeds, {model}, averaged": auc_interval(~one["responder"], one["mean"]),
            f"seeds, {model}, of one patient": one["moved"].median(),
            f"all patients, {model}, AUC": crossed_auc(crossed),
            f"all patients, {model}, accuracy": three(evaluation.proportions(crossed, 0.95, 0.5), "accuracy"),
        }
    return found


def by_subgroup():
    lost, found = ~cohort()["responder"], {}
    for of, flags in {"test": lost[cohort()["split"] == "test"], "all patients": lost}.items():
        found[f"no information, {of}"] = comparison.no_information_rate(flags)
    crossed = undone(saved()[0].crossed.query("model == 'ran_core_margin'")).set_index("patient")
    for name, of_group in subgroups(cohort().loc[crossed.index]).items():
        name, part = f"subgroup, {in_ascii(name)}", crossed[of_group]
        row = evaluation.proportions(part, 0.95, 0.5)
        found[f"{name}, patients"] = len(part), (~part.responder).sum()
        found |= {f"{name}, {measure}": three(row, measure) for measure in PROPORTIONS}
    return found


def pairs():
    """Seed 5 has probabilities that tie across the classes."""
    found, learned = {}, cohort()[cohort()["split"] == "train"]
    for seed in (1, 5):
        lost, wide = judged(seed)
        called = wide.rank(method="first", ascending=False) <= round((~learned["responder"]).mean() * len(wide))
        for row in comparison.compare_models(lost, wide, called=called).itertuples():
            name = f"{row.model}.{seed} against {row.against}.{seed}"
            found[f"delong, {name}"] = row.auc_difference, row.low, row.high, row.delong_p
            found[f"mcnemar, {name}"] = row.only_model_right, row.only_against_right, row.mcnemar_p
    return found


def curve(name, rows):
    """A Kaplan-Meier curve, column by column: at its recurrences, and each year."""
    table = survival.kaplan_meier(rows.duration_years, rows.recurrence)
    at_events, years = table.query("events > 0").reset_index(), np.arange(11)
    yearly = table.iloc[table.index.searchsorted(years, side="right") - 1]
    yearly = yearly.assign(at_risk=survival.at_risk(rows.duration_years, years)).drop(columns="events")
    return {f"{name}, curve": at_events.T, f"{name}, each year": yearly.T}


def grouped(name, rows, group, horizon_years):
    times = rows.duration_years, rows.recurrence
    result = survival.compare(*times, group)
    found = curve(f"{name}, responders", rows[~group]) | curve(f"{name}, non-responders", rows[group])
    return found | {
        f"{name}, patients": result.n_patients,
        f"{name}, recurrences": result.n_events,
        f"{name}, log-rank": result.p_value,
        f"{name}, hazard ratio": (result.hazard_ratio, *result.hazard_ratio_interval),
        f"{name}, proportional": result.proportional_p,
        f"{name}, years": restricted_mean_difference(*times, group, horizon_years),
    }


def horizon(rows, groups):
    return min([10.0, *(rows.duration_years[member].max() for group in groups for member in (group, ~group))])


def of_test_patients():
    truth, wide = judged()
    rows = cohort().loc[wide.index]
    groups = {"truth": truth} | {model: wide[model] >= 0.5 for model in wide}
    years, found = horizon(rows, groups.values()), {}
    for name, group in groups.items():
        found |= grouped(f"survival, {name}", rows, group, years)
    return found | {"events for a ratio of 2": chance.events_needed(2.0, truth.mean())}


def of_the_cohort():
    patients = cohort()
    lost = ~patients["responder"]
    years = horizon(patients, [lost])
    found = grouped("survival, cohort", patients, lost, years)
    for name, rows in {"lost": patients[lost], "responder": patients[~lost]}.items():
        found[f"median time, {name}"] = rows.duration_years.median()
        found[f"restricted mean, {name}"] = restricted_mean(rows.duration_years, rows.recurrence, years)
    by_hand = lesson("12_survival.py", "expected_recurrences")
    lists = (patients[name].to_numpy() for name in ("duration_years", "recurrence"))
    return found | {"log-rank by hand": by_hand(*lists, lost.to_numpy())}


def lesson(chapter, name):
    """The function that a chapter defines."""
    tree = ast.parse(project_path(f"notebooks/{chapter}").read_text())
    wanted = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    known = {"np": np}
    exec(compile(ast.Module(wanted, []), chapter, "exec"), known)
    return known[name]


PARTS = (
    *(table_1, table_2, table_2_with_the_weight_undone, over_seeds_and_folds, by_subgroup),
    *(pairs, of_the_cohort, of_test_patients),
)


@cache
def figures():
    """Every figure by R's name of it, as the chapters compute them."""
    return {name: np.ravel(np.asarray(value, float)) for part in PARTS for name, value in part().items()}


@pytest.mark.parametrize("name", BY_R.index)
def test_figure_against_R(name):
    expected = [float(number.replace("NA", "nan")) for number in str(BY_R.value[name]).split()]
    assert figures()[name] == pytest.approx(expected, rel=1e-7, abs=1e-9, nan_ok=True), BY_R.call[name]


def test_every_figure_is_held_by_R():
    assert set(figures()) == set(BY_R.index)


if __name__ == "__main__":
    for_r().to_csv(sys.stdout)
