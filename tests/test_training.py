import json
import shutil
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score
from tiny import SMOKE, same_weights, study, weights_of
from torch import nn

from ground import keys
from helpers.data.study import MODELS
from helpers.learning import fitting, training
from helpers.learning.fitting import Plan, Samples, area_under_curve, cross_entropy, fit, resolve_device, validate
from helpers.learning.images import Scaling, fit_scaling
from helpers.learning.networks import FeatureNetwork
from helpers.learning.training import check_inputs, load_model, predict, train_all, train_model, train_runs
from pages import networks


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    images, patients = study()
    return train_model(images, patients, "ran_core_margin", SMOKE, tmp_path_factory.mktemp("models"))


def test_models_against_the_papers_table_2():
    rows = [(spec.number, spec.backbone, spec.region) for spec in MODELS.values()]
    pairs = [(backbone, region) for backbone in ("resnet", "ran") for region in ("core", "core_margin")]
    assert rows == [(number, *pair) for number, pair in enumerate(pairs, 1)]
    assert list(MODELS) == [f"{backbone}_{region}" for backbone, region in pairs]


def test_what_a_model_leaves_behind(trained):
    files = ["curves.csv", "model.json", "predictions.csv", "weights.pt"]
    seals = [f"{name}.sha256" for name in files]
    assert sorted(file.name for file in trained.iterdir()) == sorted(files + seals)
    predictions, curves = pd.read_csv(trained / "predictions.csv"), pd.read_csv(trained / "curves.csv")
    assert list(predictions) == ["patient", "model", "split", "responder", "probability", "seed"]
    assert list(predictions["patient"]) == list(study()[1].index)
    assert predictions["probability"].between(0, 1).all()
    assert list(curves) == ["model", "stage", "epoch", "training_loss", "validation_loss", "validation_auc"]
    assert set(curves["stage"]) == {"feature", "predictive"}


@pytest.mark.parametrize("name", ["weights.pt", "predictions.csv", "curves.csv", "model.json"])
def test_a_damaged_file_is_named_and_the_model_made_again(trained, tmp_path, name):
    folder = shutil.copytree(trained, tmp_path / "ran_core_margin")
    (folder / name).write_bytes((folder / name).read_bytes()[:-1] + b"?")
    with (
        pytest.warns(UserWarning, match=f"{name}: not as it was written"),
        pytest.raises(FileNotFoundError, match="no finished model"),
    ):
        load_model(folder)
    assert not (folder / name).exists()
    train_model(*study(), "ran_core_margin", SMOKE, tmp_path)
    assert same_weights(trained, folder)
    for table in ("predictions.csv", "curves.csv"):
        assert (trained / table).read_text() == (folder / table).read_text()


def test_a_damaged_checkpoint_is_named_and_training_starts_afresh(trained, tmp_path, monkeypatch):
    def kept_then_killed(checkpoint, *state):
        keep(checkpoint, *state)
        raise KeyboardInterrupt

    keep = fitting.keep
    monkeypatch.setattr(fitting, "keep", kept_then_killed)
    with pytest.raises(KeyboardInterrupt):
        train_model(*study(), "ran_core_margin", SMOKE, tmp_path)
    monkeypatch.undo()
    [left] = (tmp_path / "ran_core_margin").glob("*.checkpoint.pt")
    left.write_bytes(left.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="checkpoint.pt: not as it was written"):
        again = train_model(*study(), "ran_core_margin", SMOKE, tmp_path)
    assert same_weights(trained, again)


def test_half_of_a_new_model_is_not_taken_for_the_old_one(trained, tmp_path, monkeypatch):
    """Killed while the files of other settings replace the old ones: the old settings' key vouches for none of them."""
    folder = shutil.copytree(trained, tmp_path / "ran_core_margin")
    write_whole = training.write_whole

    def killed(path, write, seal):
        if path.name == "predictions.csv":
            raise KeyboardInterrupt
        return write_whole(path, write, seal)

    monkeypatch.setattr(training, "write_whole", killed)
    with pytest.raises(KeyboardInterrupt):
        train_model(*study(), "ran_core_margin", SMOKE.replace(class_weight=2.0), tmp_path)
    monkeypatch.undo()
    assert not training.is_finished(folder)
    train_model(*study(), "ran_core_margin", SMOKE, tmp_path)
    assert same_weights(trained, folder)


def flipped(patients, split):
    """The same patients, the opposite response in one split."""
    return patients.assign(responder=patients["responder"] ^ (patients["split"] == split))


def test_the_key_of_a_model_changes_with_all_it_depends_on_and_nothing_else():
    images, patients = study()
    slug = "ran_core"
    brighter = replace(images, maps=images.maps + np.float32(1e-3))
    told = [
        (images, patients, slug, SMOKE),
        (images, patients, "ran_core_margin", SMOKE),
        (brighter, patients, slug, SMOKE),
        *[(images, flipped(patients, split), slug, SMOKE) for split in ("train", "validation", "test")],
        (images, patients.assign(split=patients["split"].replace("test", "train")), slug, SMOKE),
        *[(images, patients, slug, SMOKE.replace(**one)) for one in CHANGES],
    ]
    found = [training.model_key(*one) for one in told]
    assert len(set(found)) == len(found)
    elsewhere = SMOKE.replace(processes=2, search_trials=1, pda_patch_px=8, device="auto", n_lines=64)
    assert training.model_key(images, patients, slug, elsewhere) == found[0]
    assert training.model_key(images, patients.assign(age=50), slug, SMOKE) == found[0]


CHANGES = [
    {"field_of_view_mm": 50.0},
    {"image_px": 64},
    {"resnet_width": 16},
    {"ran_attention": [1, 0, 0]},
    {"vector": "pool"},
    {"hidden": 90},
    {"dropout": 0.4},
    {"clip_percentile": 2.0},
    {"seed": 2},
    {"epochs": 4},
    {"patience": 2},
    {"head_epochs": 6},
    {"head_patience": 2},
    {"batch_size": 7},
    {"learning_rate": 1e-3},
    {"class_weight": 2.0},
    {"optimizer": "sgd"},
    {"optimizer": "adamw"},
    {"max_shift": 0.1},
    {"precision": "bf16"},
    {"compile_network": True},
]


@pytest.mark.parametrize("module", ["images", "augmentation", "attention", "networks", "fitting", "training"])
def test_the_key_of_a_model_changes_with_the_code_of_each_module_it_is_made_by(module, monkeypatch):
    before = training.model_key(*study(), "ran_core", SMOKE)
    code_digest = keys.code_digest
    changed = f"helpers.learning.{module}"
    monkeypatch.setattr(keys, "code_digest", lambda name: "0" if name == changed else code_digest(name))
    assert training.model_key(*study(), "ran_core", SMOKE) != before


@pytest.mark.parametrize("what", ["labels", "images", "settings", "code"])
def test_a_model_of_something_else_is_not_kept(trained, tmp_path, monkeypatch, what):
    folder = shutil.copytree(trained, tmp_path / "ran_core_margin")
    images, patients = study()
    settings = SMOKE.replace(head_epochs=4) if what == "settings" else SMOKE
    if what == "labels":
        patients = flipped(patients, "train")
    if what == "images":
        images.maps[0, 0, 16, 16] += 1
    if what == "code":
        monkeypatch.setattr(keys, "code_digest", lambda name: "0")
    monkeypatch.setattr(training, "fit_both", lambda *_: pytest.fail("made again"))
    with pytest.raises(pytest.fail.Exception, match="made again"):
        train_model(images, patients, "ran_core_margin", settings, tmp_path)
    assert training.is_finished(folder)  # the old one stays until the new one is whole


def test_a_loaded_model_predicts_what_was_saved(trained):
    images, patients = study()
    again = predict(load_model(trained), images, patients)
    saved = pd.read_csv(trained / "predictions.csv")
    np.testing.assert_allclose(again["probability"], saved["probability"], rtol=1e-6)


def test_one_seed_gives_one_result_whatever_the_caller_drew_before(trained, tmp_path):
    torch.manual_seed(99)
    torch.rand(17)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    again = train_model(*study(), "ran_core_margin", SMOKE, tmp_path)
    assert same_weights(trained, again)
    assert (trained / "curves.csv").read_text() == (again / "curves.csv").read_text()
    assert (trained / "predictions.csv").read_text() == (again / "predictions.csv").read_text()
    assert torch.equal(state, torch.get_rng_state())  # the caller's draws go on undisturbed
    assert torch.get_num_threads() == threads


def test_another_seed_gives_another_result(trained, tmp_path):
    other = train_model(*study(), "ran_core_margin", SMOKE.replace(seed=SMOKE.training.seed + 1), tmp_path)
    assert not same_weights(trained, other)


@pytest.mark.parametrize("whole_epochs", [1, 3, 5])
def test_a_killed_run_ends_as_an_undisturbed_one(trained, tmp_path, monkeypatch, whole_epochs):
    """Stopped in the middle of the next epoch: of the first stage, the first of the second, a later one of it."""
    train_epoch, calls = fitting.train_epoch, []

    def killed(*arguments):
        calls.append(1)
        loss = train_epoch(*arguments)
        if len(calls) > whole_epochs:
            raise KeyboardInterrupt
        return loss

    monkeypatch.setattr(fitting, "train_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        train_model(*study(), "ran_core_margin", SMOKE, tmp_path)
    stages = ["feature", "predictive"] if whole_epochs > SMOKE.training.epochs else ["feature"]
    left = sorted(file.name for file in (tmp_path / "ran_core_margin").glob("*.pt"))
    assert [name.split("-")[0] for name in left] == stages
    monkeypatch.setattr(fitting, "train_epoch", lambda *arguments: calls.append(2) or train_epoch(*arguments))
    resumed = train_model(*study(), "ran_core_margin", SMOKE, tmp_path)
    assert (
        calls.count(2) == SMOKE.training.epochs + SMOKE.training.head_epochs - whole_epochs
    )  # nothing is trained twice
    assert same_weights(trained, resumed)
    assert (trained / "curves.csv").read_text() == (resumed / "curves.csv").read_text()


def test_a_finished_model_is_not_trained_again(trained, monkeypatch):
    monkeypatch.setattr(training, "fit", lambda *_: pytest.fail("trained again"))
    assert train_model(*study(), "ran_core_margin", SMOKE, trained.parent) == trained


def test_a_model_of_other_settings_is_made_again_in_its_place(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "ran_core_margin")
    train_model(*study(), "ran_core_margin", SMOKE.replace(class_weight=2.0), tmp_path)
    assert not same_weights(trained, folder)
    train_model(*study(), "ran_core_margin", SMOKE, tmp_path)
    assert same_weights(trained, folder)


def test_a_model_tells_what_it_is_and_where_it_was_made(trained):
    card = json.loads((trained / "model.json").read_text())
    assert (card["number"], card["title"]) == (4, "RAN, core + margin")
    assert "CPU cores" in card["device"]
    assert {"commit", "key", "processor", "python", "time", "torch"} <= set(card)


def test_four_models_in_two_processes_equal_one_trained_here(trained, tmp_path):
    results = train_all(*study(), SMOKE.replace(processes=2), tmp_path)
    assert list(results.predictions["model"].unique()) == list(MODELS)
    assert len(results.predictions) == 4 * 15
    assert same_weights(trained, tmp_path / "ran_core_margin")
    assert results.load("resnet_core").region == "core"
    assert results.seconds("resnet_core") > 0


def test_several_seeds_train_side_by_side_each_in_its_folder(trained, tmp_path):
    runs = {
        tmp_path / str(seed): SMOKE.replace(seed=seed, processes=1)
        for seed in (SMOKE.training.seed, SMOKE.training.seed + 1)
    }
    train_runs(*study(), runs, ["ran_core_margin"])
    first, second = (folder / "ran_core_margin" for folder in runs)
    assert same_weights(trained, first)
    assert not same_weights(first, second)
    assert not (tmp_path / str(SMOKE.training.seed) / "resnet_core").exists()


def test_a_gpu_takes_as_many_models_as_it_is_given(monkeypatch):
    settings = SMOKE.replace(processes=8, models_per_gpu=3)
    assert training.at_a_time(settings) == 8
    monkeypatch.setattr(training, "resolve_device", lambda name: torch.device("cuda"))
    assert training.at_a_time(settings) == 3


def test_the_pooled_vector_trains_and_loads(tmp_path):
    settings = SMOKE.replace(vector="pool", epochs=1, head_epochs=2)
    model = load_model(train_model(*study(), "resnet_core", settings, tmp_path))
    assert model.feature_network.to_vector[0].out_channels == 256


def test_only_the_feature_network_is_compiled_and_only_if_asked(tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda network, **options: compiled.append((type(network), options)))
    short = SMOKE.replace(epochs=1, head_epochs=1)
    train_model(*study(), "resnet_core", short, tmp_path / "plain")
    assert compiled == []
    train_model(*study(), "resnet_core", short.replace(compile_network=True), tmp_path / "compiled")
    assert compiled == [(FeatureNetwork, {"dynamic": False})]


@pytest.mark.slow
def test_a_compiled_network_learns_the_same_within_rounding(tmp_path):
    """Without dropout, which a compiled network draws in its own way; its file has the names of a plain one."""
    short = SMOKE.replace(epochs=2, head_epochs=2, dropout=0.0)
    plain = train_model(*study(), "resnet_core", short, tmp_path / "plain")
    compiled = train_model(*study(), "resnet_core", short.replace(compile_network=True), tmp_path / "compiled")
    one, other = weights_of(plain), weights_of(compiled)
    assert one.keys() == other.keys()
    losses = [pd.read_csv(folder / "curves.csv")["training_loss"] for folder in (plain, compiled)]
    np.testing.assert_allclose(*losses, rtol=1e-2)


def test_a_tumours_mark_is_learned(tmp_path):
    """ESD tells the classes apart by two standard deviations of a pixel: unseen patients are ranked."""
    images, patients = study(n_patients=45)
    settings = SMOKE.replace(epochs=8, head_epochs=40, learning_rate=3e-3)
    train_model(images, patients, "resnet_core", settings, tmp_path)
    predictions = pd.read_csv(tmp_path / "resnet_core" / "predictions.csv").query("split == 'test'")
    assert roc_auc_score(~predictions["responder"], predictions["probability"]) > 0.9  # high = NON-responder


def test_every_plane_and_patient_has_its_own_label():
    """Non-responders are 1, in either split, for planes and for patients."""
    images, patients = study()
    *planes, scaling = training.learning_planes(images, patients, 1.0, "core", torch.device("cpu"))
    model = training.untrained_model(SMOKE, MODELS["ran_core"], scaling, "cpu")
    for split, of_planes in zip(("train", "validation"), planes, strict=True):
        assert set(of_planes.patient) == set(patients.index[patients["split"] == split])
        of_patients = training.patient_samples(model, of_planes)
        for found in (of_planes, of_patients):
            expected = [0 if patients.loc[patient, "responder"] else 1 for patient in found.patient]
            assert found.labels.tolist() == expected


def test_a_tumour_is_the_mean_of_all_its_planes():
    """In training and in prediction, against a plain loop over its planes, one plane at a time."""
    images, patients = study()
    images = images.select(np.r_[0:7, 9:30])  # patients of one, of two planes
    planes, _, scaling = training.learning_planes(images, patients, 1.0, "core", torch.device("cpu"))
    model = training.untrained_model(SMOKE, MODELS["ran_core"], scaling, "cpu")
    found = training.patient_samples(model, planes)
    for patient, mean in zip(found.patient, found.inputs, strict=True):
        each = [model.vectors(planes.inputs[[row]])[0] for row in np.flatnonzero(planes.patient == patient)]
        torch.testing.assert_close(mean, sum(each) / len(each), rtol=1e-4, atol=1e-5)
    predicted = predict(model, images, patients).set_index("patient")
    assert (predicted[["split", "responder"]] == patients[["split", "responder"]]).all(axis=None)
    with torch.no_grad():
        expected = model.predictive_network(found.inputs).softmax(1)[:, 1]
    np.testing.assert_allclose(predicted.loc[found.patient, "probability"], expected, rtol=1e-4)


def test_the_validation_figures_are_those_of_the_validation_patients(trained):
    """The kept epoch's loss, computed anew from the saved probabilities and labels of the validation split."""
    curves, rows = pd.read_csv(trained / "curves.csv"), pd.read_csv(trained / "predictions.csv")
    kept = curves[curves["stage"] == "predictive"].nsmallest(1, "validation_loss")
    validation = rows[rows["split"] == "validation"]
    positive = ~validation["responder"]
    weight = np.where(positive, SMOKE.training.class_weight, 1.0)
    loss = log_loss(positive, validation["probability"], sample_weight=weight)
    assert kept["validation_loss"].item() == pytest.approx(loss, rel=1e-4)
    assert kept["validation_auc"].item() == pytest.approx(roc_auc_score(positive, validation["probability"]))
    test = rows[rows["split"] == "test"]
    other = log_loss(~test["responder"], test["probability"], sample_weight=np.where(test["responder"], 1, 5))
    assert other != pytest.approx(loss, rel=1e-3)


def epoch_of(network, data, plan):
    """The weights after one epoch, from the same beginning."""
    network = deepcopy(network)
    optimizer = fitting.build_optimizer(network, plan.chosen)
    criterion = cross_entropy(plan.chosen, data.labels.device)
    fitting.train_epoch(network, optimizer, data, plan, 1, criterion)
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def test_decay_shrinks_weights_that_no_gradient_moves():
    """Loshchilov and Hutter 2019: by the rate times the decay, which torch has at 0.01; Adam alone leaves them."""
    for name, expected in (("adam", 1.0), ("adamw", 1 - 1e-2 * 0.01)):
        network = torch.nn.Linear(3, 2)
        before = network.weight.detach().clone()
        network.weight.grad = torch.zeros_like(before)
        chosen = SMOKE.replace(optimizer=name, learning_rate=1e-2).training
        fitting.build_optimizer(network, chosen).step()
        torch.testing.assert_close(network.weight.detach(), before * expected)


@pytest.mark.parametrize("stage", ["feature", "predictive"])
@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"class_weight": 2.0}, {"batch_size": 3}, {"learning_rate": 1e-2}, {"optimizer": "sgd"}]
)
def test_every_parameter_moves_both_stages(stage, change):
    data, network = planes(stage)
    settings = SMOKE.replace(batch_size=4)
    before, again, after = (
        epoch_of(network, data, Plan(stage, 1, chosen.training))
        for chosen in (settings, settings, settings.replace(**change))
    )
    assert torch.equal(before, again)
    assert not torch.allclose(before, after, rtol=1e-5)


def planes(stage):
    """Random planes, or vectors, and a linear network for them."""
    torch.manual_seed(0)
    if stage == "predictive":
        return samples(), nn.Linear(5, 2)
    return Samples(torch.randn(12, 4, 8, 8), samples().labels, samples().patient), nn.Sequential(
        nn.Flatten(), nn.Linear(256, 2)
    )


def test_planes_are_shifted_as_far_as_asked_and_vectors_are_not():
    far = SMOKE.replace(max_shift=0.9).training
    for stage, moved in (("feature", True), ("predictive", False)):
        data, network = planes(stage)
        same = torch.equal(
            epoch_of(network, data, Plan(stage, 1, SMOKE.training)), epoch_of(network, data, Plan(stage, 1, far))
        )
        assert same is not moved


def test_first_weights_of_both_networks_follow_from_the_seed_and_the_model():
    scaling = Scaling(np.zeros(4), np.ones(4))
    drawn = [
        training.untrained_model(settings, MODELS[slug], scaling, "cpu")
        for settings, slug in ((SMOKE, "ran_core"), (SMOKE.replace(seed=2), "ran_core"), (SMOKE, "ran_core_margin"))
    ]
    for part in ("feature_network", "predictive_network"):
        first = [next(getattr(model, part).parameters()) for model in drawn]
        assert not torch.equal(first[0], first[1])
        assert not torch.equal(first[0], first[2])


def test_clip_percentile_sets_the_scale():
    device = torch.device("cpu")
    narrow, wide = (training.learning_planes(*study(), clip, "core", device)[2] for clip in (10.0, 1.0))
    assert (narrow.lo > wide.lo).all()
    assert (narrow.hi < wide.hi).all()


def samples(n=12, seed=0):
    """Vectors of two planes per patient, with labels by patient."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) // 2 % 3 // 2
    return Samples(torch.randn(n, 5, generator=generator), labels, np.array([f"P{i // 2}" for i in range(n)]))


def test_validation_against_scikit_learn():
    network, data = nn.Linear(5, 2), samples(24)
    result = validate(network, data, "float32", cross_entropy(SMOKE.training, data.labels.device))
    probability = network(data.inputs).softmax(1)[:, 1].detach().numpy().astype(float)
    weight = np.where(data.labels == 1, 5.0, 1.0)
    loss = log_loss(data.labels, probability, sample_weight=weight)
    assert result["validation_loss"] == pytest.approx(loss, rel=1e-5)
    by_patient = pd.DataFrame({"p": probability, "y": data.labels}).groupby(data.patient).mean()
    assert result["validation_auc"] == pytest.approx(roc_auc_score(by_patient["y"], by_patient["p"]))


def test_auc_against_scikit_learn():
    rng = np.random.default_rng(0)
    positive = np.arange(30) % 3 == 0
    score = rng.random((4, 30)).round(1)  # with ties
    np.testing.assert_allclose(area_under_curve(score, positive), [roc_auc_score(positive, row) for row in score])


def test_auc_counts_ties_half_and_is_nan_for_one_class():
    score, positive = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, True, False, True])
    assert area_under_curve(score, positive) == pytest.approx(3.5 / 4)
    assert np.isnan(area_under_curve(score, positive & False))


@pytest.mark.parametrize("stage", ["feature", "predictive"])
@pytest.mark.parametrize(
    ("losses", "over"), [([3, 2], False), ([3, 2, 2.5, 2.1], True), ([3, 2, 2.5, 1.9], False), ([5, 4, 3, 2, 1], True)]
)
def test_early_stopping_by_hand(losses, over, stage):
    """Two epochs of patience, five epochs at most; the other stage's parameters are others."""
    limits = {"feature": ("epochs", "patience"), "predictive": ("head_epochs", "head_patience")}
    others = dict.fromkeys(["epochs", "patience", "head_epochs", "head_patience"], 99)
    plan = Plan(stage, 1, SMOKE.replace(**others | dict(zip(limits[stage], (5, 2), strict=True))).training)
    assert plan.is_over([{"validation_loss": loss, "validation_auc": 0.5} for loss in losses]) is over


def test_the_weights_of_the_best_epoch_are_kept(monkeypatch):
    losses, seen = iter([0.9, 0.4, 0.6, 0.7]), []

    def scripted(network, *_):
        seen.append(network.weight.detach().clone())
        return {"validation_loss": next(losses), "validation_auc": 0.5}

    monkeypatch.setattr(fitting, "validate", scripted)
    network = nn.Linear(5, 2)
    curves = fit(
        network, samples(), samples(), Plan("predictive", 1, SMOKE.replace(head_epochs=9, head_patience=2).training)
    )
    assert [row["validation_loss"] for row in curves] == [0.9, 0.4, 0.6, 0.7]
    assert torch.equal(network.weight, seen[1])


@pytest.mark.parametrize("labels", [[0, 0], [1, 1], []])
def test_without_both_classes_for_validation_all_epochs_are_run_and_the_last_is_kept(labels):
    """The lowest loss of one class is that of calling everybody so; and of nobody there is none."""
    n = len(labels)
    validation = Samples(samples().inputs[:n], torch.tensor(labels, dtype=torch.long), np.array(["A", "B"][:n]))
    network, last = nn.Linear(5, 2), {}
    plan = Plan("predictive", 1, SMOKE.replace(head_epochs=6, head_patience=1, learning_rate=0.1).training)

    def remember(row):
        last.update(weight=network.weight.detach().clone())

    curves = fit(network, samples(), validation, plan, after_epoch=remember)
    assert len(curves) == 6
    assert torch.equal(network.weight, last["weight"])
    assert np.isnan([row["validation_auc"] for row in curves]).all()
    assert np.isnan([row["validation_loss"] for row in curves]).all() == (n == 0)


def test_a_study_without_validation_patients_and_with_two_channels_trains(tmp_path):
    """Two of four channels, as of a phantom of unknown backscatter; ids that look like numbers stay what they are."""
    images, patients = study()
    ids = ["001", "NA", "1e5", "None", "nan", "True", "-1", "0x1", "inf", "1_0", "1.0", "false", "+3", "NULL", "101"]
    named = dict(zip(patients.index, ids, strict=True))
    patients = patients.rename(index=named).replace({"split": {"validation": "train"}})
    own = np.array([named[name] for name in images.patient])
    images = replace(images, maps=images.maps[:, :2], patient=own, fields=images.fields[:2])
    settings = SMOKE.replace(epochs=1, head_epochs=2, processes=1)
    results = train_all(images, patients, settings, tmp_path)
    assert results.predictions["patient"].unique().tolist() == ids
    assert results.predictions["probability"].between(0, 1).all()
    assert train_all(images, patients, settings, tmp_path).curves.equals(results.curves)  # found, not made again
    model = results.load("ran_core")
    assert weights_of(tmp_path / "ran_core")["feature_network.backbone.stem.0.weight"].shape[1] == 2
    saved = results.predictions.query("model == 'ran_core'")["probability"]
    np.testing.assert_allclose(predict(model, images, patients)["probability"], saved, rtol=1e-6)


def test_every_training_plane_is_shown_once_an_epoch():
    shown = []
    network = nn.Linear(5, 2)
    network.register_forward_pre_hook(lambda layer, inputs: shown.extend(inputs * layer.training))
    data = samples(21)
    fit(network, data, samples(), Plan("predictive", 1, SMOKE.replace(head_epochs=1, batch_size=4).training))
    assert {len(batch) for batch in shown} <= {4, 5}
    rows = torch.cat(shown)
    assert torch.equal(rows.sort(0).values, data.inputs.sort(0).values)
    assert not torch.equal(rows, data.inputs)


def test_scaling_of_a_trained_model_comes_from_training_patients(trained):
    images, patients = study()
    train = (patients["split"] == "train")[images.patient].to_numpy()
    alone = images.select(train)
    expected = fit_scaling(alone, np.ones(len(alone), bool), "core_margin", SMOKE.training.clip_percentile)
    model = load_model(trained)
    np.testing.assert_array_equal(model.scaling.lo, expected.lo)
    np.testing.assert_array_equal(model.scaling.hi, expected.hi)


@pytest.mark.parametrize(
    "change",
    [{"optimizer": "lion"}, {"precision": "fp8"}, {"batch_size": 1}, {"epochs": 0}, {"image_px": 64}, {"image_px": 33}],
)
def test_impossible_settings_name_the_parameter(change):
    [(name, value)] = change.items()
    with pytest.raises(ValueError, match=f"{name} = {value!r}"):
        check_inputs(*study(), SMOKE.replace(**change).images.image_px)


def test_cohorts_that_cannot_be_trained_on_say_why():
    images, patients = study()
    with pytest.raises(ValueError, match=r"planes of patients missing in the table: \['P001'\]"):
        check_inputs(images, patients.drop("P001"), 32)
    with pytest.raises(ValueError, match=r"patients without a plane: \['P015'\]"):
        check_inputs(images.select(images.patient != "P015"), patients, 32)
    with pytest.raises(ValueError, match="all of one class"):
        check_inputs(images, patients.assign(responder=True), 32)


def test_a_loss_that_explodes_names_the_learning_rate(tmp_path):
    steep = SMOKE.training.model_copy(update={"learning_rate": 1e30, "optimizer": "sgd"})  # beyond its range
    with pytest.raises(ValueError, match="lower learning_rate"):
        train_model(*study(), "resnet_core", replace(SMOKE, training=steep), tmp_path)


def test_bf16_trains_and_predicts_in_float32(tmp_path):
    settings = SMOKE.replace(precision="bf16", epochs=1, head_epochs=2)
    model = load_model(train_model(*study(), "resnet_core", settings, tmp_path))
    assert model.vectors(torch.rand(1, 4, 32, 32)).dtype == torch.float32


def test_milliseconds_are_those_of_one_plane_after_a_first_pass(monkeypatch):
    """A clock that ticks once a pass: five passes of four planes in 5 s are 250 ms a plane."""
    network, passes = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), []
    network.register_forward_hook(lambda layer, *_: passes.append(layer.training))
    monkeypatch.setattr(fitting.time, "perf_counter", lambda: float(len(passes)))
    assert networks.milliseconds_per_plane(network.eval(), torch.rand(4, 1, 4, 4)) == pytest.approx(250)
    assert passes == [True] * 6


def test_devices():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type in ("cuda", "mps", "cpu")
    with pytest.raises(ValueError, match="device = 'abacus'"):
        resolve_device("abacus")


def test_a_missing_model_is_one_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no finished model"):
        load_model(tmp_path)
