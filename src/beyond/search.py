"""Search: the paper's hyperparameters in Optuna; the head on stored vectors, the backbone where it must be trained."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import torch
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from ground.keys import content_key
from helpers.data.study import MODELS, ModelSpec
from helpers.learning.fitting import Plan, Row, Samples, area_under_curve, fit, kept, reproducible, resolve_device
from helpers.learning.images import ImageSet
from helpers.learning.networks import PredictiveNetwork
from helpers.learning.trained import StudyResults
from helpers.learning.training import learning_planes, patient_samples, plane_samples, untrained_feature_network
from helpers.settings import Networks, Search, Settings, Training

PAPER = {  # what the paper's search chose
    "dropout": 0.5,
    "hidden": 100,
    "learning_rate": 1e-4,
    "class_weight": 5.0,
    "batch_size": 8,
    "optimizer": "adam",
}
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
optuna.logging.set_verbosity(optuna.logging.WARNING)  # the study itself tells of its trials


def suggest_head(trial: optuna.Trial, settings: Settings) -> Settings:
    """Return the settings with everything that the paper searched drawn from its ranges (Taleghamar et al. 2022)."""
    return suggest_backbone(trial, settings).replace(
        dropout=trial.suggest_float("dropout", 0.3, 0.7),
        hidden=trial.suggest_int("hidden", 50, 300, step=10),
        class_weight=trial.suggest_float("class_weight", 1.0, 10.0),
    )


def suggest_backbone(trial: optuna.Trial, settings: Settings) -> Settings:
    """Return the settings with that drawn which changes how a feature network learns, from the paper's ranges."""
    return settings.replace(
        learning_rate=trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True),
        batch_size=trial.suggest_int("batch_size", 4, 16),
        optimizer=trial.suggest_categorical("optimizer", ["adam", "sgd"]),
    )


def stored_vectors(
    results: StudyResults, images: ImageSet, patients: pd.DataFrame, slug: str, device: str
) -> tuple[Samples, Samples]:
    """Return the mean vectors of training and of validation patients by a trained feature network, on the CPU.

    The head reads nothing else, so a trial of it takes a second. Test patients are not read.
    """
    model = results.load(slug, resolve_device(device))
    split = patients.loc[images.patient, "split"].to_numpy()

    def means(name: str) -> Samples:
        of_planes = images, np.flatnonzero(split == name), patients, model.scaling, model.region, model.device
        samples = patient_samples(model, plane_samples(*of_planes))
        return Samples(samples.inputs.cpu(), samples.labels.cpu(), samples.patient)

    return means("train"), means("validation")


def fit_head(vectors: tuple[Samples, Samples], networks: Networks, chosen: Training, spec: ModelSpec) -> np.ndarray:
    """Train a fresh predictive network; return the validation patients' probabilities (P,) of a non-responder."""
    training, validation = vectors
    plan = Plan("predictive", spec.number, chosen)
    with reproducible(torch.device("cpu")):
        torch.manual_seed(plan.seed(0))
        network = PredictiveNetwork(training.inputs.shape[1], networks.hidden, networks.dropout)
        fit(network, training, validation, plan)
        return network(validation.inputs).softmax(1)[:, 1].detach().numpy()


def try_head(trial: optuna.Trial, vectors: tuple[Samples, Samples], settings: Settings, spec: ModelSpec) -> float:
    """One trial of the head: the AUC of the validation patients, whose probabilities the trial keeps."""
    chosen = suggest_head(trial, settings)
    probability = fit_head(vectors, chosen.networks, chosen.training, spec)
    trial.set_user_attr("probability", probability.astype(float).tolist())
    return float(area_under_curve(probability, vectors[1].labels.numpy() == 1))


def try_backbone(trial: optuna.Trial, planes: tuple[Samples, Samples], settings: Settings, spec: ModelSpec) -> float:
    """One trial of the backbone, ``search_epochs`` long at most: the validation AUC of its best epoch.

    Its AUC is reported after every epoch, and a trial below the median of the earlier ones is given up.
    """
    chosen = suggest_backbone(trial, settings).replace(epochs=settings.search.search_epochs)
    device = planes[0].labels.device

    def report(row: Row) -> None:
        trial.report(row["validation_auc"], row["epoch"])
        if trial.should_prune():
            raise optuna.TrialPruned

    with reproducible(device):
        network = untrained_feature_network(chosen, spec, device, planes[0].inputs.shape[1])
        curves = fit(network, *planes, Plan("feature", spec.number, chosen.training), after_epoch=report)
    return curves[kept(curves)]["validation_auc"]


def can_judge(patients: pd.DataFrame) -> bool:
    """Tell whether validation patients of both classes are there, without whom no trial has an AUC."""
    return patients.loc[patients["split"] == "validation", "responder"].nunique() == 2


def search_head(
    results: StudyResults, images: ImageSet, patients: pd.DataFrame, settings: Settings, slug: str, worker: int = 0
) -> optuna.Study:
    """Return the study of a model's head, with ``search_trials`` trials or more; the first is the paper's choice.

    Several workers, each with a number of its own, may run this at once: they fill one study. It stays empty where
    validation patients of one class cannot judge a trial.
    """
    study = open_study(results, settings.search, f"head-{slug}")
    if not can_judge(patients):
        return study
    if worker == 0 and not study.get_trials(deepcopy=False):
        study.enqueue_trial(PAPER)
    if unfinished(study, settings.search.search_trials):
        vectors = stored_vectors(results, images, patients, slug, settings.computing.device)
        objective = partial(try_head, vectors=vectors, settings=settings, spec=MODELS[slug])
        run_trials(study, objective, settings.search.search_trials, settings.training.seed, worker)
    return study


def search_backbone(
    results: StudyResults, images: ImageSet, patients: pd.DataFrame, settings: Settings, slug: str, worker: int = 0
) -> optuna.Study:
    """Return the study of a model's backbone, with ``search_backbone_trials`` trials or more, as ``search_head``."""
    study = open_study(results, settings.search, f"backbone-{slug}")
    if can_judge(patients) and unfinished(study, settings.search.search_backbone_trials):
        spec, device = MODELS[slug], resolve_device(settings.computing.device)
        clip = settings.training.clip_percentile
        training, validation, _ = learning_planes(images, patients, clip, spec.region, device)
        objective = partial(try_backbone, planes=(training, validation), settings=settings, spec=spec)
        run_trials(study, objective, settings.search.search_backbone_trials, settings.training.seed, worker)
    return study


def open_study(results: StudyResults, search: Search, name: str) -> optuna.Study:
    """Return the study of this name for these models, from the storage that all workers share."""
    parameters = {"models": results.folder.name, "search_epochs": search.search_epochs}
    return optuna.create_study(
        study_name=f"{name}-{content_key(parameters, code=[__name__])}",
        storage=storage_of(search.search_storage, results.folder.parent / "search"),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
        direction="maximize",
        load_if_exists=True,
    )


def storage_of(url: str, folder: Path) -> BaseStorage | str:
    """Return the URL of a database, or a journal file in the folder when that is empty."""
    if url:
        return url
    folder.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(folder / "studies.journal")))


def run_trials(
    study: optuna.Study, objective: Callable[[optuna.Trial], float], n_trials: int, seed: int, worker: int = 0
) -> None:
    """Add trials until the study has ``n_trials`` finished ones, by whichever worker.

    Each trial draws from a seed of its own, so that one worker, stopped and started again, tries what it
    would have tried undisturbed. A trial whose loss is not finite counts as pruned.
    """
    while unfinished(study, n_trials):
        number = len(study.get_trials(deepcopy=False))
        sequence = np.random.SeedSequence([seed, worker, number])
        study.sampler = optuna.samplers.TPESampler(seed=int(sequence.generate_state(1)[0]))
        study.optimize(partial(pruned_if_it_diverges, objective), n_trials=1)


def pruned_if_it_diverges(objective: Callable[[optuna.Trial], float], trial: optuna.Trial) -> float:
    """Run a trial; what training says of a loss that is not finite becomes a pruned trial."""
    try:
        return objective(trial)
    except ValueError as error:
        if "not finite" in str(error):
            raise optuna.TrialPruned(str(error)) from error
        raise


def unfinished(study: optuna.Study, n_trials: int) -> bool:
    """Tell whether trials are missing."""
    return len(study.get_trials(deepcopy=False, states=DONE)) < n_trials
