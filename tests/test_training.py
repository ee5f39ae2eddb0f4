import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score
from tiny import SMOKE, same_weights, study, weights_of
from torch import nn

from helpers.data.study import MODELS
from helpers.learning import fitting, training
from helpers.learning.fitting import (
    Plan,
    Samples,
    area_under_curve,
    cross_entropy,
    fit,
    resolve_device,
    validate,
)
from helpers.learning.images import fit_scaling
from helpers.learning.networks import FeatureNetwork
from helpers.learning.training import check_inputs, load_model, predict, train_all, train_model, train_runs


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


@pytest.mark.parametrize(
    ("losses", "over"),
    [([3, 2], False), ([3, 2, 2.5, 2.1], True), ([3, 2, 2.5, 1.9], False), ([5, 4, 3, 2, 1], True)],
)
def test_early_stopping_by_hand(losses, over):
    """Two epochs of patience, five epochs at most."""
    plan = Plan("predictive", 1, SMOKE.replace(head_epochs=5, head_patience=2).training)
    assert plan.is_over([{"validation_loss": loss} for loss in losses]) is over


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
    [
        {"optimizer": "lion"},
        {"precision": "fp8"},
        {"batch_size": 1},
        {"epochs": 0},
        {"image_px": 64},
        {"image_px": 33},
    ],
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
    with pytest.raises(ValueError, match="no validation patient"):
        check_inputs(images, patients.replace({"split": {"validation": "train"}}), 32)


def test_a_loss_that_explodes_names_the_learning_rate(tmp_path):
    with pytest.raises(ValueError, match="lower learning_rate"):
        train_model(*study(), "resnet_core", SMOKE.replace(learning_rate=1e30, optimizer="sgd"), tmp_path)


def test_bf16_trains_and_predicts_in_float32(tmp_path):
    settings = SMOKE.replace(precision="bf16", epochs=1, head_epochs=2)
    model = load_model(train_model(*study(), "resnet_core", settings, tmp_path))
    assert model.vectors(torch.rand(1, 4, 32, 32)).dtype == torch.float32


def test_devices():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type in ("cuda", "mps", "cpu")
    with pytest.raises(ValueError, match="device = 'abacus'"):
        resolve_device("abacus")


def test_a_missing_model_is_one_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no finished model"):
        load_model(tmp_path)
