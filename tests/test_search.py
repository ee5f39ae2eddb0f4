"""Search: ranges of the paper, one study for many workers, and what its figures are worth."""

from dataclasses import replace

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from forked import started
from tiny import SMOKE, study

from beyond import search
from helpers.data.study import MODELS
from helpers.learning.fitting import Samples
from helpers.learning.training import train_all
from pages import networks

SETTINGS = SMOKE.replace(
    epochs=1, head_epochs=4, processes=1, search_trials=4, search_backbone_trials=6, search_epochs=2
)
SLUG = "resnet_core"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return train_all(*study(), SETTINGS, tmp_path_factory.mktemp("artifacts") / "models-1")


def moved(results, folder):
    """The same models with an artifacts folder of their own, where no trial has been run."""
    folder.mkdir(exist_ok=True)
    (folder / "models-1").symlink_to(results.folder)
    return replace(results, folder=folder / "models-1")


def tried(found):
    return [(trial.params, trial.value) for trial in found.trials]


def test_ranges_against_the_paper():
    """Dropout 0.3-0.7, hidden width 50-300, learning rate 1e-1 - 1e-5, C 1-10, batch 4-16, Adam or SGD."""
    found = optuna.create_study()
    for _ in range(5):
        search.suggest_head(found.ask(), SETTINGS)
    ranges = found.trials[0].distributions
    numbers = {name: (one.low, one.high) for name, one in ranges.items() if name != "optimizer"}
    assert numbers == {
        "dropout": (0.3, 0.7),
        "hidden": (50, 300),
        "learning_rate": (1e-5, 0.1),
        "class_weight": (1, 10),
        "batch_size": (4, 16),
    }
    assert ranges["optimizer"].choices == ("adam", "sgd")
    assert ranges["learning_rate"].log
    assert set(search.PAPER) == set(ranges)


def test_the_paper_s_choice_is_the_first_trial(results):
    found = search.search_head(results, *study(), SETTINGS, SLUG)
    assert found.trials[0].params == search.PAPER
    assert len(found.trials) == 4


def test_one_seed_gives_one_search_also_when_it_is_interrupted(results, tmp_path):
    (tmp_path / "again").mkdir()
    whole = search.search_head(results, *study(), SETTINGS, SLUG)
    again = moved(results, tmp_path / "again")
    search.search_head(again, *study(), SETTINGS.replace(search_trials=2), SLUG)
    assert tried(search.search_head(again, *study(), SETTINGS, SLUG)) == tried(whole)
    (tmp_path / "other").mkdir()
    other = moved(results, tmp_path / "other")
    assert tried(search.search_head(other, *study(), SETTINGS.replace(seed=9), SLUG)) != tried(whole)


def test_a_search_that_is_complete_runs_nothing(results, monkeypatch):
    search.search_head(results, *study(), SETTINGS, SLUG)
    monkeypatch.setattr(search, "fit", lambda *_: pytest.fail("trained again"))
    search.search_head(results, *study(), SETTINGS, SLUG)


def join_in(results, settings, worker):
    search.search_head(results, *study(), settings, SLUG, worker)


def test_two_processes_fill_one_study(results, tmp_path):
    results, settings = moved(results, tmp_path), SETTINGS.replace(search_trials=8)
    workers = [started(join_in, results, settings, worker) for worker in (0, 1)]
    for process in workers:
        process.join(120)
    assert [process.exitcode for process in workers] == [0, 0]
    found = search.search_head(results, *study(), settings, SLUG)
    assert len(found.trials) in (8, 9)  # the other worker's last trial may have been under way
    drawn = [tuple(trial.params.values()) for trial in found.trials]
    assert len(set(drawn)) == len(drawn)  # no worker repeats the other


def test_trials_may_be_shared_through_a_database(results, tmp_path):
    settings = SETTINGS.replace(search_trials=2, search_storage=f"sqlite:///{tmp_path}/trials.db")
    found = search.search_head(results, *study(), settings, SLUG)
    [summary] = optuna.get_all_study_summaries(settings.search.search_storage)
    assert (summary.study_name, summary.n_trials) == (found.study_name, 2)


def test_backbone_trials_train_the_feature_network_and_some_are_given_up(results):
    found = search.search_backbone(results, *study(), SETTINGS, SLUG)
    assert len(found.trials) == 6
    assert set(found.trials[0].params) == {"learning_rate", "batch_size", "optimizer"}
    assert all(len(trial.intermediate_values) <= SETTINGS.search.search_epochs for trial in found.trials)


def test_a_backbone_trial_below_the_median_is_given_up(monkeypatch):
    """Four trials at 0.9, then one at 0.1, which the second epoch shows."""
    aucs = iter([0.9] * 4 + [0.1])

    def scripted(*_, after_epoch, **__):
        auc = next(aucs)
        for epoch in (1, 2, 3, 4):
            after_epoch({"epoch": epoch, "validation_auc": auc})
        return [{"validation_loss": 1.0, "validation_auc": auc}]

    monkeypatch.setattr(search, "fit", scripted)
    found = optuna.create_study(pruner=optuna.pruners.MedianPruner(4, 2), direction="maximize")
    planes = (Samples(torch.zeros(4, 4, 32, 32), torch.tensor([0, 1, 0, 1]), np.array(list("abcd"))),) * 2
    search.run_trials(found, lambda trial: search.try_backbone(trial, planes, SETTINGS, MODELS[SLUG]), 5, seed=1)
    assert [trial.state.name for trial in found.trials] == ["COMPLETE"] * 4 + ["PRUNED"]
    assert max(found.trials[-1].intermediate_values) == 2


def test_a_loss_that_is_not_finite_is_a_pruned_trial_and_another_error_is_one():
    found = optuna.create_study()

    def diverges(trial):
        raise ValueError("epoch 1: the loss is not finite; lower learning_rate = 0.1")

    search.run_trials(found, diverges, 1, seed=1)
    assert [trial.state.name for trial in found.trials] == ["PRUNED"]

    def breaks(trial):
        raise ValueError("images: 3 pixels")

    with pytest.raises(ValueError, match="3 pixels"):
        search.run_trials(found, breaks, 2, seed=1)


def test_stored_vectors_are_those_that_training_used(results):
    """A head with the study's own settings, trained on them, gives the validation figures of the study."""
    images, patients = study()
    training, validation = search.stored_vectors(results, images, patients, SLUG, "cpu")
    assert set(training.patient) == set(patients.index[patients["split"] == "train"])
    probability = search.fit_head((training, validation), SETTINGS.networks, SETTINGS.training, MODELS[SLUG])
    saved = results.predictions.query("model == @SLUG and split == 'validation'").set_index("patient")["probability"]
    np.testing.assert_allclose(probability, saved[validation.patient], rtol=1e-4)


@pytest.mark.parametrize("name", ["search_trials", "search_epochs"])
def test_impossible_searches_name_the_parameter(results, name):
    with pytest.raises(ValueError, match=f"{name} = 0: expected 1 or more"):
        search.search_head(results, *study(), SETTINGS.replace(**{name: 0}), SLUG)


def test_resampled_aucs_scatter_as_hanley_and_mcneil_say():
    """Binormal scores, 9 and 22 patients: the standard error of Hanley and McNeil (1982, eq. 1)."""
    rng = np.random.default_rng(1)
    positive = np.arange(31) < 9
    found = []
    for seed in range(40):
        score = rng.normal(positive * 1.0, 1)
        both = networks.resampled_aucs(np.stack([score, 2 * score]), positive, 100, seed)
        np.testing.assert_array_equal(both[:, 0], both[:, 1])  # the same patients for all models
        found.append(both[:, 0].std())
    auc = 0.76
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    se = np.sqrt((auc * (1 - auc) + 8 * (q1 - auc**2) + 21 * (q2 - auc**2)) / (9 * 22))
    assert np.mean(found) == pytest.approx(se, rel=0.15)


def test_the_best_of_many_that_are_all_alike_is_no_better_elsewhere():
    """Trials of pure noise: where it is chosen the winner looks good, on the other half it is worth a coin."""
    rng = np.random.default_rng(2)
    positive = np.arange(31) < 9
    rows = networks.winners(rng.random((30, 31)), positive, 300, seed=0)
    assert rows["chosen"].mean() > 0.8
    assert abs(rows["other"].mean() - rows["any"].mean()) < 0.1
    truth = np.tile(positive.astype(float), (3, 1))
    truth[1:] = 1 - truth[1:]  # one trial is right, two are wrong
    rows = networks.winners(truth, positive, 20, seed=0)
    assert (rows[["chosen", "other"]] == 1).all(axis=None)


def test_a_single_patient_cannot_be_halved():
    probability = np.random.default_rng(3).random((4, 5))
    assert networks.winners(probability, np.arange(5) == 0, 10, seed=0).isna().all(axis=None)


@pytest.mark.parametrize("responder", [True, False])
def test_validation_patients_of_one_class_judge_no_trial_and_the_study_stays_empty(results, tmp_path, responder):
    images, patients = study()
    patients.loc[patients["split"] == "validation", "responder"] = responder
    for find in (search.search_head, search.search_backbone):
        found = find(moved(results, tmp_path / find.__name__), images, patients, SETTINGS, SLUG)
        assert found.trials == []
    assert networks.complete_trials(found).empty
    assert networks.importances(found, 1).empty


def test_trials_are_printed_in_words_and_digits():
    trials = pd.DataFrame({"trial": [0], "AUC": [0.5], "learning_rate": [3.71e-5], "optimizer": ["sgd"]})
    *_, row = networks.printed(trials, ["", ".2f", "", ""]).splitlines()
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["0", "0.50", "0.000037", "SGD"]
