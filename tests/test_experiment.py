"""The experiment: what its runs may see, that a stopped one goes on, and what is computed from its predictions."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm, t

from helpers import stages
from helpers.judgement.auc import auc_interval
from helpers.learning.images import ImageSet
from helpers.learning.training import MODELS
from helpers.settings import load_settings
from trust import experiment, patients, pretraining

ROOT = Path(__file__).parents[1]
COMMITTED = ROOT / "results" / "experiment.json"


def make_images(settings, artifacts):
    """Images of a cohort without its echoes: ESD and EAC of the core as the tissue has them."""
    cohort = stages.cohort(settings, artifacts)
    n, planes = settings.images.image_px, 2
    y, x = np.mgrid[:n, :n] - n / 2 + 0.5
    names = np.repeat(cohort.index.to_numpy().astype(str), planes)
    count = len(names)
    core, region = (np.repeat([np.hypot(x, y) < n / part], count, axis=0) for part in (4, 3))
    maps = np.random.default_rng(settings.study.cohort_seed).normal(0, 3, (count, 4, n, n))
    maps[:, 2:] += cohort.loc[names, ["core_esd_um", "core_eac_db"]].to_numpy()[:, :, None, None]
    maps = np.where(region[:, None], maps, np.nan).astype(np.float32)
    extent = np.tile([0.0, 30.0, 40.0, 10.0], (count, 1))
    return ImageSet(maps, core, region, names, np.tile(np.arange(planes), len(cohort)), extent)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "images", make_images)
    settings = load_settings("smoke", processes=1, n_patients=40, epochs=1, head_epochs=2, n_validation=8, device="cpu")
    return experiment.bench_of(settings, tmp_path, n_cohorts=2, n_new=30)


def test_five_cohorts_of_four_networks_and_what_else():
    """Against the plan: five seeds of cohort and network, four networks, two regressions, two oracles."""
    bench = experiment.bench_of(load_settings("laptop"), "artifacts", 5, 300)
    signal = experiment.planned("signal", bench)
    assert len({run.name for run in signal}) == len(signal) == 5 * 8
    assert {(run.cohort, run.seed) for run in signal} == {(101 + i, 1 + i) for i in range(5)}
    assert {run.size for run in signal} == {131}
    assert len(experiment.planned("no signal", bench)) == 5 * 6
    sizes = {run.size for run in experiment.planned("size", bench)}
    assert sizes == {65, 262, 524, 1048}
    with pytest.raises(ValueError, match="part 'noise'"):
        experiment.planned("noise", bench)
    with pytest.raises(ValueError, match="11 cohorts"):
        experiment.bench_of(bench.settings, "artifacts", 11, 300)


def test_a_run_learns_from_its_cohort_and_from_no_new_patient(bench):
    run = experiment.planned("signal", bench)[0]
    table = experiment.patients_of(run, bench)
    assert Counter(table["split"]) == {"train": 24, "validation": 8, "test": 8, "new": 30}
    assert set(table.loc[table["split"] == "new", "cohort"]) == {experiment.NEW_SEED}
    assert set(table.loc[table["split"] != "new", "cohort"]) == {101}
    assert table.index.is_unique
    images = experiment.images_of(table, bench)
    assert set(images.patient) == set(table.index)


def test_without_signal_the_responses_are_shuffled_and_the_tissue_stays(bench):
    with_signal, without = (
        experiment.patients_of(experiment.Run(part, "ran_core", 101, 1, 32), bench) for part in ("signal", "no signal")
    )
    assert (without["core_esd_um"] == with_signal["core_esd_um"]).all()
    assert (without["responder"] != with_signal["responder"]).any()
    for split in ("train", "validation", "test", "new"):
        rows = [table[table["split"] == split]["responder"] for table in (with_signal, without)]
        assert Counter(rows[0]) == Counter(rows[1])


def test_drawn_learning_patients_keep_the_share_of_classes_and_of_validation():
    pool = pd.DataFrame({"responder": np.arange(400) % 4 > 0}, index=[f"P{i}" for i in range(400)])
    drawn = experiment.draw_learning(pool, 200, 0.25, draw=1)
    assert drawn.index.is_unique
    assert drawn.groupby("split")["responder"].agg(["size", "sum"]).loc["train"].tolist() == [150, 112]
    other = experiment.draw_learning(pool, 200, 0.25, draw=2)
    assert set(other.index) != set(drawn.index)


def test_learning_patients_of_a_size_are_never_new_ones(bench):
    run = experiment.Run("size", "ran_core_margin", 1, 1, 60)
    table = experiment.patients_of(run, bench)
    learning = table[table["split"].isin(["train", "validation"])]
    assert len(learning) == 60
    assert experiment.NEW_SEED not in set(learning["cohort"])


def test_runs_end_in_one_file_and_are_not_made_twice(bench, tmp_path, monkeypatch):
    wanted = ("resnet_core", "regression_core", "oracle_core")
    monkeypatch.setattr(experiment, "planned", lambda part, bench: [
        experiment.Run(part, model, 101, 1, 32) for model in wanted])  # fmt: skip
    output = experiment.conduct(bench, ["signal"], tmp_path / "result.json")
    provenance, runs = patients.read(output)
    assert provenance["n_new"] == 30
    assert list(runs["model"]) == list(wanted)
    judged = patients.judged(runs).set_index("model")
    written = pd.DataFrame(json.loads(output.read_text())["runs"]).set_index("model")
    np.testing.assert_allclose(judged["new_auc"], written["new_auc"], atol=1e-4)
    assert str(tmp_path) not in output.read_text()

    def no_more(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr(experiment, "predict", no_more)
    experiment.conduct(bench, ["signal"], tmp_path / "again.json")


def test_poisoned_test_and_new_patients_change_no_model(bench, monkeypatch):
    """Their pixels are replaced: what a network says of its validation patients stays, to the last digit."""
    run = experiment.Run("signal", "resnet_core_margin", 101, 1, 32)
    table = experiment.patients_of(run, bench)
    before = experiment.predict(run, table, bench)
    clean = experiment.images_of

    def poisoned(rows, bench):
        images = clean(rows, bench)
        judged = rows.index[rows["split"].isin(["test", "new"])]
        spoilt = np.where(np.isin(images.patient, judged)[:, None, None, None], -images.maps, images.maps)
        return replace(images, maps=spoilt)

    monkeypatch.setattr(experiment, "images_of", poisoned)
    after = experiment.predict(run, table, replace(bench, folder=bench.folder / "again"))
    learning = table.index[table["split"].isin(["train", "validation"])]
    pd.testing.assert_series_equal(before[learning], after[learning])
    assert (before[table["split"] == "new"] != after[table["split"] == "new"]).any()


def test_a_network_learns_tissue_and_starts_the_next_one(bench, tmp_path):
    cohort = experiment.people(experiment.FURTHER_SEED, bench)
    images = experiment.images_of(cohort, bench)
    start = pretraining.learn_tissue(images, cohort, "resnet_core_margin", bench.settings, tmp_path / "start.pt")
    weights = torch.load(start, weights_only=True)
    assert not [name for name in weights if name.startswith("head.")]
    run = experiment.Run("pretrained", "resnet_core_margin", 101, 1, 32)
    table = experiment.patients_of(run, bench)
    arguments = experiment.images_of(table, bench), table, run.model, bench.settings, tmp_path / "tuned"
    pretraining.fine_tune(*arguments, start)
    tuned = pd.read_csv(tmp_path / "tuned" / run.model / "predictions.csv", index_col="patient")
    assert set(tuned.index) == set(table.index)
    plain = experiment.predict(replace(run, part="signal"), table, bench)
    assert not np.allclose(tuned["probability"], plain[tuned.index])


def test_traits_are_learned_where_they_are_plain_to_see(bench):
    """Two of five traits are the level of a map: their share of the loss, and more, must go."""
    cohort = experiment.people(101, bench)
    images = experiment.images_of(cohort, bench)
    settings = bench.settings.replace(epochs=12, learning_rate=1e-3, max_shift=0.0)
    from helpers.learning.images import fit_scaling, scale
    from helpers.learning.training import untrained_model

    scaling = fit_scaling(images, np.ones(len(images), bool), "core_margin", 1.0)
    inputs = torch.from_numpy(scale(images, scaling))
    network = untrained_model(settings, MODELS["resnet_core_margin"], scaling, "cpu").feature_network
    network.head = torch.nn.Linear(network.vector_length, 5)
    targets = torch.from_numpy(pretraining.standard_traits(cohort.loc[images.patient]))
    assert targets.shape == (len(images), 5)
    losses = pretraining.fit_traits(network, inputs, targets, settings, 2)
    assert losses[-1] < 0.8 * losses[0]


# --- what is computed from the runs, on runs made by hand


def made(part, model, cohort, new, seed=1, size=131, truth=(1, 1, 0, 0, 0, 0)):
    flags = np.array(truth, bool)
    return {"part": part, "model": model, "cohort": cohort, "seed": seed, "size": size, "seconds": 1.0,
            "test": np.array(new, float), "new": np.array(new, float), "test_non_responder": flags,
            "new_non_responder": flags}  # fmt: skip


RANDOM = np.random.default_rng(0)
TRUTH = np.arange(60) < 15


def random_run(part, model, cohort, shift=1.0, **others):
    return made(part, model, cohort, RANDOM.standard_normal(60) + shift * TRUTH, truth=TRUTH, **others)


def test_one_run_has_delongs_interval():
    """DeLong et al. 1988, as ``auc_interval(scale="plain")``."""
    run = pd.DataFrame([random_run("signal", "ran_core", 101)])
    expected = auc_interval(TRUTH, run["new"].iloc[0], scale="plain")
    assert patients.mean_auc(run) == pytest.approx(expected)


def test_two_errors_of_several_runs_by_hand():
    """Student's t over runs and DeLong over patients add up in squares (Obuchowski and Rockette 1995)."""
    runs = pd.DataFrame([random_run("signal", "ran_core", cohort) for cohort in range(4)])
    aucs = patients.judged(runs)["new_auc"]
    mean, low, high = patients.mean_auc(runs)
    assert mean == pytest.approx(aucs.mean())
    of_runs = t.ppf(0.975, 3) * aucs.std() / 2
    won = np.mean([patients.wins_of(run) for run in runs.itertuples()], axis=0)
    of_patients = norm.ppf(0.975) * np.sqrt(won.mean(1).var(ddof=1) / 15 + won.mean(0).var(ddof=1) / 45)
    assert high - mean == pytest.approx(np.hypot(of_runs, of_patients))
    assert mean - low == pytest.approx(high - mean)


def test_a_model_is_as_good_as_itself():
    runs = pd.DataFrame([random_run("signal", "ran_core", cohort) for cohort in range(3)])
    assert patients.mean_auc(runs, runs) == (0, 0, 0)


def test_share_of_the_oracles_lead_by_hand():
    rows = []
    for cohort in (101, 102):
        rows.append(made("signal", "oracle_core", cohort, [9, 8, 1, 2, 3, 4]))  # AUC 1
        rows.append(made("signal", "oracle_core_margin", cohort, [9, 8, 1, 2, 3, 4]))
        for model in (*MODELS, *experiment.REGRESSIONS):
            rows.append(made("signal", model, cohort, [9, 2.5, 1, 2, 3, 4]))  # AUC 6 of 8 pairs
    found = patients.recovered(pd.DataFrame(rows))
    assert found["share"].tolist() == pytest.approx([0.5] * 6)
    assert found["new_std"].tolist() == [0] * 6


def test_an_ensemble_averages_the_runs_of_a_group():
    runs = pd.DataFrame(
        [made("seeds", "ran_core", 3, [1, 0, 0, 0, 0, 0]), made("seeds", "ran_core", 3, [0, 1, 0, 0, 0, 0], 2)]
    )
    together = patients.averaged(runs, "cohort", "ensemble", "ran_core")
    assert len(together) == 1
    assert together["new"].iloc[0].tolist() == [0.5, 0.5, 0, 0, 0, 0]
    row = patients.seed_ensembles(runs).loc["ran_core"]
    assert row["ensemble"] == 1.0
    assert row["single_mean"] == pytest.approx(0.75)


def test_curve_pools_the_spread_between_draws():
    rows = [random_run("size", "ran_core_margin", draw, size=262) for draw in range(3)]
    rows += [random_run("signal", "ran_core_margin", cohort) for cohort in range(3)]
    rows += [random_run("size", "ran_core_margin", 1, size=1048)]
    found = patients.curve(pd.DataFrame(rows)).set_index("size")
    assert found["draws"].to_dict() == {131: 3, 262: 3, 1048: 1}
    runs = pd.DataFrame(rows)
    alone = patients.mean_auc(runs[runs["size"] == 1048])
    assert found.loc[1048, "high"] - found.loc[1048, "low"] > alone[2] - alone[1]  # one draw has a spread, too


def test_attempts_that_were_not_made_are_left_open():
    models = [*MODELS, *experiment.REGRESSIONS, *experiment.ORACLES]
    runs = pd.DataFrame([random_run("signal", model, cohort) for cohort in (101, 102) for model in models])
    found = patients.attempts(runs)
    assert found.loc[found["attempt"] == "more dropout", "auc"].isna().all()
    assert found.loc[found["attempt"] == "as it is", "gain"].tolist() == [0, 0]


def test_table_over_seeds_by_hand():
    rows = pd.DataFrame([made("seeds", "ran_core", 3, [0.9, 0.4, 0.1, 0.1, 0.6, 0.1], seed) for seed in (1, 2)])
    found = patients.over_seeds(patients.predictions_of(rows))
    assert found.loc[("ran_core", 1)].to_dict() == pytest.approx(
        {"accuracy": 4 / 6, "specificity": 3 / 4, "sensitivity": 1 / 2, "auc": 7 / 8}
    )
    text = patients.mean_and_sd(found, ["auc"])
    assert text.loc["RAN, core", "auc"] == "0.88 ± 0.00 (0.88–0.88)"


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "other.json").write_text('{"runs": [{"part": "signal"}]}')
    with pytest.raises(ValueError, match=r"other\.json: .*'model'.*'provenance'.* are missing"):
        patients.read(tmp_path / "other.json")


# --- the experiment that was made


@pytest.mark.skipif(not COMMITTED.exists(), reason="no experiment has been made")
def test_committed_experiment_reaches_what_was_asked_for():
    """Five seeds of cohort and network on 300 new patients; aims set before any of them was drawn."""
    provenance, runs = patients.read(COMMITTED)
    written = pd.DataFrame(json.loads(COMMITTED.read_text())["runs"])
    np.testing.assert_allclose(patients.judged(runs)["new_auc"], written["new_auc"], atol=1e-4)
    assert len(provenance["cohort_seeds"]) >= 5
    assert provenance["n_new"] >= 300
    assert "/" not in provenance["command"]
    assert "changes" not in provenance["commit"]  # whoever checks it out can repeat it
    share = patients.recovered(runs)["share"]
    for model in MODELS:
        assert share[model] >= (0.5 if model.endswith("margin") else 0.33)
    without = patients.judged(patients.of(runs, "no signal")).groupby("model")[["test_auc", "new_auc"]].mean()
    networks = without.loc[list(MODELS)]
    assert (networks["new_auc"] - 0.5).abs().max() <= 0.1
