"""The experiment: what its runs may see, that a stopped one goes on, and what is computed from its predictions."""

import json
import os
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t
from threadpoolctl import threadpool_limits

from beyond import handmade, means, oracle
from ground import keys
from ground.artifacts import write_whole
from helpers import stages
from helpers.data import study
from helpers.data.study import MODELS
from helpers.judgement.auc import auc_interval
from helpers.learning.images import ImageSet
from helpers.settings import load_settings
from trust import design, experiment, patients
from trust.design import Run
from trust.runs import write_file

ROOT = Path(__file__).parents[1]
COMMITTED = ROOT / "results" / "experiment.json"
FIRST = design.COHORT_SEEDS[0]


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


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums this small are slower on several threads, and much slower beside other work."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "images", make_images)
    monkeypatch.setattr(handmade, "STRENGTHS", handmade.STRENGTHS[::5])  # of C; the best is asked nowhere here
    settings = load_settings("smoke", processes=1, n_patients=40, epochs=1, head_epochs=2, n_validation=8, device="cpu")
    return design.bench_of(settings, tmp_path, n_cohorts=2, n_new=30)


def run_of(part, model, cohort=FIRST, size=32):
    return Run(part, model, cohort, 1, size)


def test_five_cohorts_of_all_models_and_what_else():
    """Against the plan: five seeds of cohort and network; other truths on draws from one pool."""
    bench = design.bench_of(load_settings("laptop"), "artifacts", 5, 500)
    mean = design.planned("mean", bench)
    assert len({run.name for run in mean}) == len(mean) == 5 * 11
    assert {(run.cohort, run.seed) for run in mean} == {(FIRST + i, 1 + i) for i in range(5)}
    assert {run.size for run in mean} == {131}
    assert len(design.planned("no signal", bench)) == 5 * 5
    assert {run.size for run in design.planned("size", bench)} == {65, 262, 524}
    for signal in design.OTHERS:
        runs = design.planned(signal, bench)
        assert {run.size for run in runs} == {131, 262, 524}
        assert {run.signal for run in runs} == {signal}
    every = [run for part in design.PARTS for run in design.planned(part, bench)]
    assert len({run.name for run in every}) == len(every)
    with pytest.raises(ValueError, match="part 'noise'"):
        design.planned("noise", bench)


@pytest.mark.parametrize(("cohorts", "new", "told"), [(11, 500, "11 cohorts"), (0, 500, "0 co"), (5, 10, "10 new pa")])
def test_an_experiment_that_cannot_be_is_refused(cohorts, new, told):
    with pytest.raises(ValueError, match=told):
        design.bench_of(load_settings("laptop"), "artifacts", cohorts, new)


# --- what a run may see


def test_a_run_learns_from_its_cohort_and_from_no_new_patient(bench):
    table = design.patients_of(run_of("mean", "resnet_core"), bench)
    assert Counter(table["split"]) == {"train": 24, "validation": 8, "test": 8, "new": 60}
    assert set(table.loc[table["split"] == "new", "cohort"]) == set(design.NEW_SEEDS)
    assert set(table.loc[table["split"] != "new", "cohort"]) == {FIRST}
    assert table.index.is_unique
    images = design.images_of(table, bench)
    assert set(images.patient) == set(table.index)


def test_a_cohort_is_the_studys_drawn_with_another_seed(bench):
    """Against ``study.draw_patients`` and the study's own split."""
    drawn = study.draw_patients(40, FIRST)
    own = design.people(FIRST, bench)
    np.testing.assert_allclose(own["core_esd_um"], drawn["core_esd_um"], rtol=1e-12)
    assert own["split"].tolist() == study.split_patients(drawn["responder"], 8, 8, FIRST).tolist()


@pytest.mark.parametrize("n_new", [design.FEWEST_NEW, 20])
def test_few_new_patients_will_do(bench, n_new):
    """They are judged, not split; twenty are fewer than the paper's test patients."""
    bench = replace(bench, n_new=n_new)
    assert len(design.people(design.NEW_SEEDS[0], bench)) == n_new
    assert len(design.people(design.OTHER_NEW_SEED, bench, "texture")) == n_new
    assert len(design.people(design.OTHER_SEED, bench, "texture")) == round(1.05 * n_new)


def test_without_signal_all_responses_are_shuffled_and_the_tissue_stays(bench):
    with_signal, without = (design.patients_of(run_of(part, "ran_core"), bench) for part in ("mean", "no signal"))
    assert (without["core_esd_um"] == with_signal["core_esd_um"]).all()
    own = with_signal["cohort"] == FIRST
    for group in (own, ~own):
        assert (without.loc[group, "responder"] != with_signal.loc[group, "responder"]).any()
    for split in ("train", "validation", "test", "new"):
        rows = [table[table["split"] == split]["responder"] for table in (with_signal, without)]
        assert Counter(rows[0]) == Counter(rows[1])


def test_drawn_learning_patients_keep_the_share_of_classes_and_of_validation():
    pool = pd.DataFrame({"responder": np.arange(400) % 4 > 0}, index=[f"P{i}" for i in range(400)])
    draws = [design.draw_learning(pool, 200, 0.25, draw) for draw in range(1, 6)]
    for drawn in draws:
        assert drawn.index.is_unique
        of_class = drawn.groupby(["split", "responder"]).size().to_dict()
        assert of_class == {
            ("train", False): 38,
            ("train", True): 112,
            ("validation", False): 12,
            ("validation", True): 38,
        }
    assert len({tuple(sorted(drawn.index)) for drawn in draws}) == 5


@pytest.mark.parametrize(
    ("part", "pool", "new"),
    [
        ("size", {FIRST, FIRST + 1}, set(design.NEW_SEEDS)),
        ("arrangement", {design.OTHER_SEED}, {design.OTHER_NEW_SEED}),
        ("no arrangement", {design.OTHER_SEED}, {design.OTHER_NEW_SEED}),
    ],
)
def test_learning_patients_of_a_size_are_never_new_ones(bench, part, pool, new):
    table = design.patients_of(run_of(part, "ran_core_margin", cohort=1, size=30), bench)
    learning = table[table["split"].isin(["train", "validation"])]
    assert len(learning) == 30
    assert set(learning["cohort"]) == pool
    assert set(table.loc[table["split"] == "new", "cohort"]) == new


def test_truths_share_their_tumours_and_not_their_responses(bench):
    """The same learning patients as long as their number is that of the class; tissue equal, responses not."""
    tables = [design.people(design.OTHER_SEED, bench, signal) for signal in design.OTHERS]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table[list(study.ECHO_COLUMNS)], tables[0][list(study.ECHO_COLUMNS)])
        assert (table["responder"] != tables[0]["responder"]).any()
    assert len({experiment.features_file(design.OTHER_SEED, bench, signal) for signal in design.OTHERS}) == 1


def test_each_learning_patient_stops_one_of_five_folds(bench):
    """Test and new patients stay what they are; the folds are stratified."""
    runs = [replace(run_of("folds", "resnet_core_margin"), seed=fold) for fold in range(1, 6)]
    tables = [design.patients_of(run, bench) for run in runs]
    stopping = pd.concat([table.index[table["split"] == "validation"].to_series() for table in tables])
    own = design.people(FIRST, bench)
    assert sorted(stopping) == sorted(own.index[own["split"] != "test"])
    for table in tables:
        assert Counter(table["split"])["test"] == 8
        assert 1 <= (~table.loc[table["split"] == "validation", "responder"]).sum() <= 2
        assert set(table.index[table["split"] == "test"]) == set(own.index[own["split"] == "test"])


def test_where_the_last_epoch_is_kept_nobody_stops_training(bench):
    """Those who would are left out, or learn; everybody else, and every response, stays."""
    plain = design.patients_of(run_of("mean", "resnet_core"), bench)
    stopping = plain.index[plain["split"] == "validation"]
    for part, now in (("last epoch kept", "unseen"), ("all learn, last epoch kept", "train")):
        table = design.patients_of(run_of(part, "resnet_core"), bench)
        assert set(table.loc[stopping, "split"]) == {now}
        pd.testing.assert_frame_equal(table.drop(stopping), plain.drop(stopping))
        assert (table["responder"] == plain["responder"]).all()


def test_five_networks_of_a_cohort_have_five_seeds(bench):
    runs = [run for part in ("mean", "seeds") for run in design.planned(part, bench)]
    of_first = [run.seed for run in runs if (run.model, run.cohort) == (design.RECIPE_MODEL, FIRST)]
    assert len(of_first) == len(set(of_first)) == design.FOLDS


@pytest.mark.parametrize("model", design.EXPLAINED)
@pytest.mark.parametrize("part", ["mean", "no signal"])
def test_a_run_to_be_explained_tells_how_much_the_margin_weighs(bench, part, model):
    """Shares less even ones: between -1 and 1, for each map; other runs tell nothing."""
    bench = replace(bench, n_new=12)
    written = json.loads(experiment.execute(run_of(part, model), bench).read_text())
    assert list(written["margin"]) == ["MBF", "SI", "ESD", "EAC"]
    assert all(-1 < value < 1 for value in written["margin"].values())
    assert "margin" not in json.loads(experiment.execute(ORACLE, bench).read_text())


def test_a_run_is_judged_on_its_test_patients_and_on_the_new_ones(bench, monkeypatch):
    """Every patient is given a score of her own: the file must hold those of the two groups, in their order."""
    run = run_of("mean", "resnet_core")
    table = design.patients_of(run, bench)
    scores = pd.Series(np.arange(len(table)) / 1000, index=table.index)
    monkeypatch.setattr(experiment, "predict", lambda *_: scores)
    written = json.loads(experiment.execute(run, bench).read_text())
    own, new = (stages.cohort(bench.cohort(seed), bench.artifacts) for seed in (FIRST, design.NEW_SEEDS[0]))
    drawn = {"test": own[own["split"] == "test"], "new": new}
    for split, seed in (("test", FIRST), ("new", design.NEW_SEEDS[0])):
        expected = scores[[f"{seed}-{name}" for name in drawn[split].index]].tolist()
        assert written[split][: len(expected)] == expected
        truth = "".join(str(int(not flag)) for flag in drawn[split]["responder"])
        assert written[f"{split}_non_responder"].startswith(truth)


def test_poisoned_test_and_new_patients_change_no_model(bench, monkeypatch):
    """Their pixels are replaced: what a network says of its validation patients stays, to the last digit."""
    run = run_of("mean", "resnet_core_margin")
    table = design.patients_of(run, bench)
    before = experiment.predict(run, table, bench)
    clean = design.images_of

    def poisoned(rows, bench, signal):
        images = clean(rows, bench, signal)
        judged = rows.index[rows["split"].isin(["test", "new"])]
        spoilt = np.where(np.isin(images.patient, judged)[:, None, None, None], -images.maps, images.maps)
        return replace(images, maps=spoilt)

    monkeypatch.setattr(experiment.design, "images_of", poisoned)
    monkeypatch.setattr(experiment, "key_of", lambda *_: "again")
    after = experiment.predict(run, table, bench)
    learning = table.index[table["split"].isin(["train", "validation"])]
    pd.testing.assert_series_equal(before[learning], after[learning])
    assert (before[table["split"] == "new"] != after[table["split"] == "new"]).any()


def test_features_are_those_of_the_patients_own_cohorts(bench):
    """Against ``handmade.map_features`` of the images of each cohort, which no name was changed of."""
    bench = replace(bench, n_new=12)
    for seed in (FIRST, design.NEW_SEEDS[0]):
        found = experiment.features_of((seed, "mean"), bench)
        expected = handmade.map_features(make_images(bench.cohort(seed), bench.artifacts))
        assert found.index.tolist() == [f"{seed}-{name}" for name in expected.index]
        np.testing.assert_allclose(found, expected)


def test_a_regression_of_the_core_is_fitted_to_training_patients_and_to_the_core(bench):
    """Against ``handmade.fit_regression`` on features of the core, by hand."""
    run, bench = run_of("mean", "regression_core"), replace(bench, n_new=12)
    table = design.patients_of(run, bench)
    parts = []
    for seed in (FIRST, *design.NEW_SEEDS):
        of_cohort = handmade.map_features(make_images(bench.cohort(seed), bench.artifacts), "core")
        parts.append(of_cohort.set_axis([f"{seed}-{name}" for name in of_cohort.index]))
    features = pd.concat(parts).loc[table.index]
    of_training = table[table["split"] == "train"]
    model = handmade.regression(int((~of_training["responder"]).sum()))
    model.fit(features.loc[of_training.index], ~of_training["responder"].to_numpy(bool))
    expected = model.predict_proba(features)[:, 1]
    np.testing.assert_allclose(experiment.predict(run, table, bench), expected, atol=1e-6)


@pytest.mark.parametrize(("part", "vector", "seed"), [("mean", "flatten", 4), ("256 maps averaged", "pool", 5)])
def test_a_part_trains_with_its_own_recipe_and_seed(bench, monkeypatch, part, vector, seed):
    seen = {}

    def train(images, patients, model, settings, folder):
        seen.update(vector=settings.networks.vector, seed=settings.training.seed)
        (folder / model).mkdir(parents=True)
        pd.DataFrame({"patient": patients.index, "probability": 0.5}).to_csv(folder / model / "predictions.csv")

    monkeypatch.setattr(experiment, "train_model", train)
    run = Run(part, "resnet_core_margin", FIRST, seed, 32)
    experiment.predict(run, design.patients_of(run, bench), bench)
    assert seen == {"vector": vector, "seed": seed}


@pytest.mark.parametrize("model", ["statistics_core", "forest_core_margin"])
def test_other_models_say_something_of_every_patient(bench, model):
    run = run_of("mean", model)
    table = design.patients_of(run, bench)
    found = experiment.predict(run, table, bench)
    assert set(found.index) == set(table.index)
    assert found.between(0, 1).all()


# --- runs and their files


def test_runs_end_in_one_file_and_are_not_made_twice(bench, tmp_path, monkeypatch):
    bench = replace(bench, seeds=(FIRST,), n_new=12)
    wanted = ("resnet_core", "regression_core", "oracle_core")
    monkeypatch.setattr(experiment.design, "planned", lambda part, bench: [run_of(part, model) for model in wanted])
    output = experiment.conduct(bench, ["mean"], tmp_path / "result.json")
    head, runs = patients.read(output)
    assert head["n_new"] == 12
    assert list(runs["model"]) == list(wanted)
    judged = patients.judged(runs).set_index("model")
    written = pd.DataFrame(json.loads(output.read_text())["runs"]).set_index("model")
    np.testing.assert_allclose(judged["new_auc"], written["new_auc"], atol=1e-4)
    assert str(tmp_path) not in output.read_text()

    def no_more(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr(experiment, "predict", no_more)
    experiment.conduct(bench, ["mean"], tmp_path / "again.json")


ORACLE, OTHER = run_of("mean", "oracle_core"), run_of("mean", "oracle_core_margin")


def test_every_run_tells_its_own_commit_and_the_file_claims_none(bench, tmp_path, monkeypatch):
    """A run made at another commit keeps it, whatever commit writes the file."""
    earlier = replace(bench, began=bench.began | {"commit": "earlier"})
    experiment.execute(ORACLE, earlier)
    monkeypatch.setattr(experiment.design, "planned", lambda part, bench: [ORACLE, OTHER])
    now = replace(bench, began=bench.began | {"commit": "now"})
    head, runs = patients.read(experiment.conduct(now, ["mean"], tmp_path / "result.json"))
    assert not {"commit", "device", "time", "processor"} & set(head)
    assert runs["commit"].tolist() == ["earlier", "now"]
    assert patients.made_with(runs).endswith("commits earlier, now")
    written = json.loads(experiment.file_of(ORACLE, bench).read_text())
    assert set(written) >= {"key", "commit", "device", "processor", "time", "python", "versions"}
    assert written["key"] in experiment.file_of(ORACLE, bench).name


def test_a_damaged_run_is_made_again(bench):
    path = experiment.execute(ORACLE, bench)
    before = path.read_bytes()
    path.write_bytes(before.replace(b"1", b"0"))
    with pytest.warns(UserWarning, match="not as it was written"):
        experiment.execute(ORACLE, bench)
    assert [json.loads(text)["test"] for text in (before, path.read_bytes())] == [json.loads(before)["test"]] * 2


@pytest.mark.parametrize("other", [OTHER, replace(ORACLE, cohort=FIRST + 1)], ids=["another model", "another cohort"])
def test_a_relabelled_run_is_made_again(bench, other):
    """The file of another run, sealed, under this one's name; and this one's, with another key in it."""
    mine, theirs = experiment.execute(ORACLE, bench), experiment.execute(other, bench)
    expected = json.loads(mine.read_text())
    write_whole(mine, lambda path: path.write_text(theirs.read_text()), seal=True)
    again = json.loads(experiment.execute(ORACLE, bench).read_text())
    assert {name: again[name] for name in ("model", "cohort", "key", "new")} == {
        name: expected[name] for name in ("model", "cohort", "key", "new")
    }
    write_whole(mine, lambda path: path.write_text(json.dumps(expected | {"key": "0" * 12, "new": []})), seal=True)
    assert json.loads(experiment.execute(ORACLE, bench).read_text())["new"] == expected["new"]


# --- keys: what a run depends on

RUNS = {
    "oracle": ORACLE,
    "regression": run_of("mean", "regression_core"),
    "statistics": run_of("mean", "statistics_core"),
    "network": run_of("mean", "resnet_core"),
    "256 maps averaged": run_of("256 maps averaged", "ran_core_margin"),
    "of a size": run_of("size", "ran_core_margin", cohort=1, size=60),
    "arranged": run_of("arrangement", "forest_core_margin", cohort=1, size=60),
}
NETWORKS = {"network", "256 maps averaged", "of a size"}
LEARNED = {*NETWORKS, "regression", "statistics", "arranged"}


def names_of(bench):
    """The names of the files of one run of each kind, and of features."""
    files = {name: experiment.file_of(run, bench) for name, run in RUNS.items()}
    return {name: path.name for name, path in (files | {"features": experiment.features_file(FIRST, bench)}).items()}


def changed(before, after):
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("helpers.data.study", {*LEARNED, "features", "oracle"}),
        ("helpers.data.simulation", {*LEARNED, "features"}),
        ("helpers.maps.normalisation", {*LEARNED, "features"}),
        ("helpers.learning.images", {*LEARNED, "features"}),
        ("helpers.learning.networks", NETWORKS),
        ("helpers.learning.fitting", {*NETWORKS, "statistics"}),
        ("beyond.statistics", {"statistics"}),
        ("beyond.handmade", {"regression", "features", "statistics", "arranged"}),
        ("trust.design", {*LEARNED, "features", "oracle"}),
        ("trust.patients", set()),
    ],
)
def test_a_changed_constant_changes_the_keys_of_what_it_reaches_and_no_others(bench, monkeypatch, module, expected):
    """A source is changed by one constant, as ``keys.code_digest`` reads it."""
    before, source = names_of(bench), bench.artifacts / "changed.py"
    source.write_text(keys.source_path(module).read_text() + "\nCHANGED = 1\n")
    with monkeypatch.context() as patch:
        patch.setattr(keys, "source_path", lambda name: source)
        digest = keys.code_digest.__wrapped__(module)
    as_read = keys.code_digest
    monkeypatch.setattr(keys, "code_digest", lambda name: digest if name == module else as_read(name))
    assert changed(before, names_of(bench)) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("effect", "half", {*LEARNED, "features", "oracle"}),
        ("overlap", 0.5, {*LEARNED, "features"}),
        ("image_px", 64, {*LEARNED, "features"}),
        ("hidden", 50, {*NETWORKS, "statistics"}),
        ("epochs", 7, {*NETWORKS, "statistics"}),
        ("seed", 7, set()),  # runs have seeds of their own
        ("level", 0.9, set()),
        ("processes", 2, set()),
    ],
)
def test_a_parameter_changes_the_keys_of_what_reads_it(bench, name, value, expected):
    settings = bench.settings.replace(**{name: value})
    assert changed(names_of(bench), names_of(replace(bench, settings=settings))) == expected


def test_new_patients_change_all_runs_and_another_cohort_the_pool(bench):
    assert changed(names_of(bench), names_of(replace(bench, n_new=31))) == set(RUNS)
    assert changed(names_of(bench), names_of(replace(bench, seeds=design.COHORT_SEEDS[:3]))) == {
        "of a size",
        "arranged",
    }


def test_all_that_the_experiment_imports_counts_for_some_run():
    """But for what starts, names and writes runs, and for what reads recordings: no figure is theirs."""
    counted = keys.closure(*[module for code in experiment.CODE.values() for module in code]) | set(experiment.ALONE)
    reading = keys.closure("recorded.check", "ground.errors", "ground.commands")
    plumbing = {
        "trust.runs",
        "entry.changes",
        "helpers.judgement.auc",
        "helpers.judgement.evaluation",
        *reading - counted,
    }
    assert keys.closure("trust.experiment") - counted == plumbing


def test_the_command_line_makes_a_small_experiment(tmp_path, monkeypatch, capsys):
    """``python -m trust.experiment --profile smoke --cohorts 1 --new 20 --parts mean``, but for its training."""
    monkeypatch.setenv("PYTHONWARNINGS", "")
    monkeypatch.setattr(experiment, "prepare", lambda *_: warnings.warn("simulated P001, plane 0: noise", stacklevel=1))
    monkeypatch.setattr(
        experiment, "predict", lambda run, patients, bench: oracle.oracle_score(patients, oracle.CORE_TRAITS)
    )
    monkeypatch.setattr(
        experiment, "in_processes", lambda work, items, processes, label: [work(item) for item in items]
    )
    words = "--profile smoke --cohorts 1 --new 20 --parts mean".split()
    with warnings.catch_warnings(record=True) as told:
        experiment.main([*words, "--artifacts", str(tmp_path), "--output", str(tmp_path / "result.json")])
    assert not told  # of simulated planes that sink into noise, a thousand in an experiment
    assert os.environ["PYTHONWARNINGS"] == "ignore:simulated"  # of the processes that map them
    assert "result.json" in capsys.readouterr().out
    head, runs = patients.read(tmp_path / "result.json")
    assert head["command"] == "python -m trust.experiment --profile smoke --cohorts 1 --new 20"
    assert len(runs) == 11
    assert {len(scores) for scores in runs["new"]} == {40}
    assert {len(scores) for scores in runs["test"]} == {8}


# --- what is computed from the runs, on runs made by hand


def made(part, model, cohort, new, seed=1, size=131, truth=(1, 1, 0, 0, 0, 0)):
    flags = np.array(truth, bool)
    run = {"part": part, "model": model, "cohort": cohort, "seed": seed, "size": size, "seconds": 1.0}
    return run | {name: flags if "non" in name else np.array(new, float) for name in patients.SCORES}


RANDOM = np.random.default_rng(0)
TRUTH = np.arange(60) < 15


def random_run(part, model, cohort, shift=1.0, **others):
    return made(part, model, cohort, RANDOM.standard_normal(60) + shift * TRUTH, truth=TRUTH, **others)


def test_one_run_has_delongs_interval():
    """DeLong et al. 1988, as ``auc_interval(scale="plain")``."""
    run = pd.DataFrame([random_run("mean", "ran_core", 101)])
    expected = auc_interval(TRUTH, run["new"].iloc[0], scale="plain")
    assert means.mean_auc(run) == pytest.approx(expected)


def test_two_errors_of_several_runs_by_hand():
    """Student's t over runs and DeLong over patients add up in squares (Obuchowski and Rockette 1995)."""
    runs = pd.DataFrame([random_run("mean", "ran_core", cohort) for cohort in range(4)])
    aucs = patients.judged(runs)["new_auc"]
    mean, low, high = means.mean_auc(runs)
    assert mean == pytest.approx(aucs.mean())
    of_runs = t.ppf(0.975, 3) * aucs.std() / 2
    won = np.mean([means.wins_of(run) for run in runs.itertuples()], axis=0)
    of_patients = norm.ppf(0.975) * np.sqrt(won.mean(1).var(ddof=1) / 15 + won.mean(0).var(ddof=1) / 45)
    assert high - mean == pytest.approx(np.hypot(of_runs, of_patients))
    assert mean - low == pytest.approx(high - mean)


def test_a_model_is_as_good_as_itself():
    runs = pd.DataFrame([random_run("mean", "ran_core", cohort) for cohort in range(3)])
    assert means.mean_auc(runs, runs) == (0, 0, 0)


def test_share_of_the_oracles_lead_by_hand():
    rows = []
    for cohort in (FIRST, FIRST + 1):
        for model in (*MODELS, *design.REGRESSIONS):
            rows.append(made("mean", model, cohort, [9, 2.5, 1, 2, 3, 4]))  # AUC 6 of 8 pairs
        rows += [made("mean", model, cohort, [9, 8, 1, 2, 3, 4]) for model in design.ORACLES]  # AUC 1
    found = patients.recovered(pd.DataFrame(rows))
    assert found.index.tolist() == [*MODELS, *design.REGRESSIONS]
    assert found["share"].tolist() == pytest.approx([0.5] * 6)
    assert found["new_std"].tolist() == [0] * 6
    leads = patients.against(pd.DataFrame(rows))
    assert leads["auc"].tolist() == pytest.approx([0.75] * 6)
    assert leads["lead"].tolist() == [0] * 6
    assert patients.optimism(pd.DataFrame(rows)).tolist() == [0] * 4


def test_an_ensemble_averages_the_runs_of_a_group():
    runs = pd.DataFrame(
        [made("seeds", "ran_core", 3, [1, 0, 0, 0, 0, 0]), made("seeds", "ran_core", 3, [0, 1, 0, 0, 0, 0], 2)]
    )
    together = means.averaged(runs, "cohort", "ensemble", "ran_core")
    assert len(together) == 1
    assert together["new"].iloc[0].tolist() == [0.5, 0.5, 0, 0, 0, 0]


def test_curve_pools_the_spread_between_draws():
    rows = [random_run("size", "ran_core_margin", draw, size=262) for draw in range(3)]
    rows += [random_run("mean", "ran_core_margin", cohort) for cohort in range(3)]
    rows += [random_run("size", "ran_core_margin", 1, size=1048)]
    found = patients.curve(pd.DataFrame(rows), "size").set_index("size")
    assert found["draws"].to_dict() == {131: 3, 262: 3, 1048: 1}
    runs = pd.DataFrame(rows)
    alone = means.mean_auc(runs[runs["size"] == 1048])
    assert found.loc[1048, "high"] - found.loc[1048, "low"] > alone[2] - alone[1]  # one draw has a spread, too


def test_a_recipe_that_was_not_tried_has_no_row_and_the_folds_speak_together():
    model = design.RECIPE_MODEL
    runs = pd.DataFrame([random_run("mean", model, cohort) for cohort in (FIRST, FIRST + 1)])
    assert patients.recipes(runs).index.tolist() == [(model, "as it is")]
    assert patients.recipes(runs)["lead"].tolist() == [0]
    scores = [1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]
    one, two = (made("folds", design.RECIPE_MODEL, FIRST, scores[fold - 1], fold) for fold in (1, 2))
    plain = made("mean", design.RECIPE_MODEL, FIRST, [1, 0, 0, 0, 0, 0])
    found = patients.recipes(pd.DataFrame([plain, one, two]))
    assert found["auc"].to_dict() == pytest.approx({(model, "as it is"): 0.75, (model, "2 folds averaged"): 1.0})


def test_a_recipe_is_held_against_the_networks_of_its_own_cohorts():
    """Of three cohorts one was tried: its gain leaves the others out; seeds average with the plain network."""
    model, worse, better = design.RECIPE_MODEL, [0, 1, 0, 0, 0, 1], [9, 8, 1, 2, 3, 4]
    plain = [made("mean", model, FIRST + i, scores) for i, scores in enumerate((worse, better, better))]
    tried = [made("never shifted", model, FIRST, better), made("seeds", model, FIRST, better, 11)]
    found = patients.recipes(pd.DataFrame([*plain, *tried])).loc[model]
    first = patients.judged(pd.DataFrame(plain[:1]))["new_auc"][0]
    assert found.loc["never shifted", "lead"] == pytest.approx(1 - first)
    assert found["cohorts"].to_dict() == {"as it is": 3, "never shifted": 1, "2 seeds averaged": 1}
    mean = made("mean", model, FIRST, list(np.add(worse, better) / 2))
    assert found.loc["2 seeds averaged", "auc"] == patients.judged(pd.DataFrame([mean]))["new_auc"][0]


def test_margins_of_shuffled_responses_are_read_by_model(tmp_path):
    """A row a cohort, a column a map; a file of before, in which none are told, has none."""
    runs = [made("no signal", design.EXPLAINED[1], FIRST + i, [9, 8, 1, 2, 3, 4]) for i in range(2)]
    lines = [
        {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in run.items()}
        | {
            f"{split}_non_responder": "".join(str(int(flag)) for flag in run[f"{split}_non_responder"])
            for split in design.SPLITS
        }
        for run in runs
    ]
    for told in ({}, {"margin": {"MBF": 0.1, "EAC": -0.2}}):
        path = write_file(tmp_path / "runs.json", {}, runs=[line | told for line in lines])
        found = patients.margins(path, design.EXPLAINED[1])
        assert found.to_dict("records") == [told["margin"]] * 2 if told else found.empty
        assert patients.margins(path, design.EXPLAINED[0]).empty


def test_a_lead_is_over_the_best_of_the_others():
    """Chosen by its AUC on the new patients: what favours the others."""
    shifts = {"statistics_core_margin": 2.0, "regression_core_margin": 0.0, "forest_core_margin": 1.0}
    rows = [random_run("texture", model, 1, shift, size=60) for model, shift in shifts.items()]
    found = patients.leads(pd.DataFrame(rows), "texture", rows[0]["model"], [row["model"] for row in rows[1:]])
    assert found.loc[60, "best"] == "forest_core_margin"
    aucs = patients.judged(pd.DataFrame(rows))["new_auc"]
    assert found.loc[60, "lead"] == pytest.approx(aucs[0] - aucs[2])


def test_table_over_seeds_by_hand():
    rows = pd.DataFrame([made("seeds", "ran_core", 3, [0.9, 0.4, 0.1, 0.1, 0.6, 0.1], seed) for seed in (1, 2)])
    parts = [
        {
            "model": row.model,
            "seed": row.seed,
            "split": "test",
            "probability": row.test,
            "responder": ~row.test_non_responder,
        }
        for row in rows.itertuples()
    ]
    table = pd.concat(map(pd.DataFrame, parts))
    found = patients.over_seeds(table)
    assert found.loc[("ran_core", 1)].to_dict() == pytest.approx(
        {"accuracy": 4 / 6, "specificity": 3 / 4, "sensitivity": 1 / 2, "auc": 7 / 8}
    )


def test_an_auc_over_folds_pairs_patients_of_one_fold_alone():
    """By hand: all pairs won in one fold, none in the other; scores of the folds do not compare."""
    rows = pd.DataFrame(
        {
            "fold": [1] * 4 + [2] * 4,
            "responder": [True, True, False, False] * 2,
            "probability": [0.1, 0.2, 0.8, 0.9, 0.6, 0.7, 0.3, 0.4],
        }
    )
    assert means.crossed_auc(rows)[0] == pytest.approx(0.5)
    one = random_run("mean", "ran_core", 1)
    table = pd.DataFrame({"fold": 1, "responder": ~one["new_non_responder"], "probability": one["new"]})
    expected = auc_interval(one["new_non_responder"], one["new"])
    assert means.crossed_auc(table) == pytest.approx(expected)
    assert np.isnan(means.crossed_auc(rows.iloc[2:])[0])


def test_a_model_keeps_its_colour_whoever_else_is_drawn():
    """So that one legend serves panels of different models."""
    rows = pd.DataFrame(
        [(model, 131, 2, 0.6, 0.5, 0.7) for model in design.COMPARED],
        columns=["model", "size", "draws", "auc", "low", "high"],
    )
    colours = []
    for part in (rows, rows[rows["model"] != design.COMPARED[1]]):
        axes = plt.figure().subplots()
        patients.draw_curves(axes, part)
        colours.append({one.get_label(): one[0].get_color() for one in axes.containers})
        plt.close("all")
    assert len(set(colours[0].values())) == 5
    assert colours[1].items() <= colours[0].items()
    assert len(colours[1]) == 4


def test_tables_as_text_by_hand():
    runs = pd.DataFrame(
        [made("mean", "ran_core", 101, [9, 2.5, 1, 2, 3, 4]), made("mean", "oracle_core", 101, [9] * 6)]
    )
    table = patients.all_runs(patients.judged(runs), "mean")
    assert table.loc[101].to_dict() == {"RAN, core": "0.75\xa0/\xa00.75", "oracle, core": "0.50\xa0/\xa00.50"}
    curve = pd.DataFrame([("ran_core", 65, 2, 0.6, 0.5, 0.7)], columns=["model", "size", "draws", "auc", "low", "high"])
    assert patients.by_size(curve).loc[65].to_dict() == {"RAN, core": "0.600 (0.500–0.700), 2"}
    table = pd.DataFrame({"gain": [0.5], "gain_low": [-0.25], "gain_high": [1.0]})
    assert patients.with_interval(table, "gain", "+.2f", " to ") == ["+0.50 (-0.25 to +1.00)"]


def test_one_parameter_more_or_less_is_another_study():
    settings = load_settings("smoke")
    assert patients.differing(settings.replace(level=0.9, processes=3, search_trials=9).flat(), settings) == []
    for change in ({"dropout": 0.6}, {"cohort_seed": 4}, {"device": "cpu"}, {"overlap": 0.9}):
        assert patients.differing(settings.replace(**change).flat(), settings) == list(change)
    before = {name: value for name, value in settings.flat().items() if name != "noise_db"}
    assert patients.differing(before, settings) == ["noise_db"]  # a run of the time before it was there


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "other.json").write_text('{"runs": [{"part": "mean"}]}')
    with pytest.raises(ValueError, match=r"other\.json: .*'provenance'.*'runs: model'.* are missing"):
        patients.read(tmp_path / "other.json")


# --- the experiment that was made


@pytest.fixture(scope="module")
def committed():
    if not COMMITTED.exists():
        pytest.skip("no experiment has been made")
    return patients.read(COMMITTED)


def test_the_committed_experiment_is_whole_and_can_be_repeated(committed):
    provenance, runs = committed
    written = pd.DataFrame(json.loads(COMMITTED.read_text())["runs"])
    np.testing.assert_allclose(patients.judged(runs)["new_auc"], written["new_auc"], atol=1e-4)
    assert len(provenance["cohort_seeds"]) >= 5
    assert {len(scores) for scores in patients.of(runs, "mean")["new"]} == {2 * provenance["n_new"]} == {1000}
    assert "/" not in provenance["command"]
    assert not runs["commit"].str.contains("changes").any()  # whoever checks them out can repeat them
    for part in runs["part"].unique():
        assert len(patients.of(runs, part)) == len(design.planned(part, bench_of_file(provenance))), part
    assert {"mean", "arrangement", "no arrangement"} <= set(runs["part"])


def bench_of_file(provenance):
    """The bench that a file of runs tells of."""
    settings = load_settings("laptop").replace(**provenance["settings"])
    return design.bench_of(settings, "artifacts", len(provenance["cohort_seeds"]), provenance["n_new"])


@pytest.mark.parametrize(("region", "most"), [("_core", 0.03), ("_margin", 0.02)])
def test_a_network_draws_level_with_the_regression(committed, region, most):
    """As asked for before any of these patients was drawn; the chapter prints what was reached, with its interval."""
    leads = patients.against(committed.runs)["lead"].drop(index=[*design.REGRESSIONS, *design.FORESTS])
    assert leads[leads.index.str.endswith(region)].max() >= -most


def test_the_papers_networks_find_the_share_of_the_signal_that_was_asked_for(committed):
    """Half of the oracle's lead over chance with core and margin, a third with the core."""
    share = patients.recovered(committed.runs)["share"]
    for model in MODELS:
        assert share[model] >= (0.5 if model.endswith("margin") else 0.33)


def test_a_network_finds_what_nobody_made_a_feature_of_and_nothing_in_shuffled_responses(committed):
    """Ahead of the best hand-made model by more than the interval's half width, at some number of patients."""
    hand_made = [*design.REGRESSIONS[1:], *design.FORESTS]
    found = patients.leads(committed.runs, "arrangement", design.STATISTICS[1], hand_made)
    assert (found["lead_low"] > 0).any()
    none = patients.judged(committed.runs[committed.runs["part"].str.startswith("no ")])
    assert (none.groupby(["part", "model"])["new_auc"].mean() - 0.5).abs().max() <= 0.1
