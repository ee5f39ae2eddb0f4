"""Training: four models in two stages each; one seed gives one result, also after a kill."""

import json
import multiprocessing
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from ground.artifacts import write_whole
from ground.errors import InputError
from ground.keys import content_key
from ground.parallel import in_processes
from ground.provenance import circumstances
from helpers.data.study import MODELS, ModelSpec
from helpers.learning.fitting import Plan, Row, Samples, device_name, fit, reproducible, resolve_device, save_tensors
from helpers.learning.images import ImageSet, Scaling, fit_scaling, scale
from helpers.learning.networks import FeatureNetwork, PatientModel, PredictiveNetwork, build_feature_network
from helpers.learning.trained import StudyResults, collect, is_finished
from helpers.settings import Settings, build


def train_all(images: ImageSet, patients: pd.DataFrame, settings: Settings, folder: str | Path) -> StudyResults:
    """Train the four models and collect them; those that are finished in ``folder`` are not trained again."""
    train_runs(images, patients, {Path(folder): settings})
    return collect(Path(folder))


def train_runs(
    images: ImageSet, patients: pd.DataFrame, runs: Mapping[Path, Settings], slugs: Iterable[str] = tuple(MODELS)
) -> None:
    """Train models of several settings, several seeds for one, each in its folder, in parallel processes.

    On a CPU ``processes`` at a time, one thread each, on a GPU ``models_per_gpu``; the last of ``MODELS``, which take
    longest, are begun first, so that none of them is waited for alone.
    """
    for settings in runs.values():
        check_inputs(images, patients, settings.images.image_px)
    jobs = [
        (slug, settings, folder)
        for slug in sorted(slugs, key=list(MODELS).index, reverse=True)
        for folder, settings in runs.items()
        if not is_finished(folder / slug, model_key(images, patients, slug, settings))
    ]
    n_processes = min(max(map(at_a_time, runs.values()), default=1), max(len(jobs), 1))
    in_processes(lambda job: train_model(images, patients, *job), jobs, n_processes, "models trained")


def at_a_time(settings: Settings) -> int:
    """Return how many models may train side by side on the device of the settings."""
    on_cpu = resolve_device(settings.computing.device).type == "cpu"
    return settings.computing.processes if on_cpu else settings.computing.models_per_gpu


def train_model(images: ImageSet, patients: pd.DataFrame, slug: str, settings: Settings, folder: str | Path) -> Path:
    """Train one model in both stages and return its folder, at once if it is finished there.

    Test patients take no part until the very last step, their prediction. A run that was stopped, in
    whichever stage, goes on from its last whole epoch and ends with the same weights. A model in the folder that
    is damaged, or was made from other images, patients, settings or code, is made again. Raises ``InputError`` for
    inputs that cannot be trained on.
    """
    spec, folder = MODELS[slug], Path(folder) / slug
    key = model_key(images, patients, slug, settings)
    if not is_finished(folder, key):
        check_inputs(images, patients, settings.images.image_px)
        device = resolve_device(settings.computing.device)
        with reproducible(device):
            clip = settings.training.clip_percentile
            training, validation, scaling = learning_planes(images, patients, clip, spec.region, device)
            model = untrained_model(settings, spec, scaling, device)
            if settings.training.compile_network:
                model.feature_network.compile(dynamic=False)
            curves = fit_both(model, (training, validation), plans_of(settings, spec), folder, key)
            save_model(model, predict(model, images, patients), curves, slug, settings, folder, key)
    for left in folder.glob("*checkpoint*"):  # half-written ones of a killed run too
        left.unlink()
    return folder


def learning_planes(
    images: ImageSet, patients: pd.DataFrame, clip_percentile: float, region: str, device: torch.device
) -> tuple[Samples, Samples, Scaling]:
    """Return the planes of training and of validation patients, and the scaling that the former gave."""
    split = patients.loc[images.patient, "split"].to_numpy()  # (N,) of each plane
    scaling = fit_scaling(images, split == "train", region, clip_percentile)
    told = patients, scaling, region, device
    parts = (np.flatnonzero(split == name) for name in ("train", "validation"))
    training, validation = (plane_samples(images, part, *told) for part in parts)
    return training, validation, scaling


def fit_both(
    model: PatientModel, planes: tuple[Samples, Samples], plans: tuple[Plan, Plan], folder: Path, key: str
) -> list[Row]:
    """Fit the feature network on planes, then the predictive network on whole tumours, for training and validation."""
    curves = fit_stage(model.feature_network, *planes, plans[0], folder, key)
    training, validation = (patient_samples(model, samples) for samples in planes)
    return curves + fit_stage(model.predictive_network, training, validation, plans[1], folder, key)


def fit_stage(
    network: torch.nn.Module, training: Samples, validation: Samples, plan: Plan, folder: Path, key: str
) -> list[Row]:
    """Fit one stage with a checkpoint after every epoch; the main process shows the time left at most."""
    hidden = multiprocessing.parent_process() is not None
    checkpoint = folder / f"{plan.stage}-{key}.checkpoint.pt"
    label = f"{folder.name}, {plan.stage} network"
    with tqdm(total=plan.epochs, desc=label, unit="epoch", leave=False, disable=hidden) as bar:
        return fit(network, training, validation, plan, checkpoint, lambda row: bar.update(row["epoch"] - bar.n))


def plans_of(settings: Settings, spec: ModelSpec) -> tuple[Plan, Plan]:
    """Return how both stages of a model train."""
    return Plan("feature", spec.number, settings.training), Plan("predictive", spec.number, settings.training)


def untrained_model(settings: Settings, spec: ModelSpec, scaling: Scaling, device: torch.device | str) -> PatientModel:
    """Return both networks of a model with fresh weights, drawn from the seed."""
    feature_network = untrained_feature_network(settings, spec, device, len(scaling.lo))
    torch.manual_seed(plans_of(settings, spec)[1].seed(0))
    length, chosen = feature_network.vector_length, settings.networks
    predictive_network = PredictiveNetwork(length, chosen.hidden, chosen.dropout)
    return PatientModel(feature_network, predictive_network.to(device), scaling, spec.region)


def untrained_feature_network(
    settings: Settings, spec: ModelSpec, device: torch.device | str, n_channels: int
) -> FeatureNetwork:
    """Return the feature network of a model with fresh weights, drawn from the seed."""
    torch.manual_seed(plans_of(settings, spec)[0].seed(0))
    return build_feature_network(settings, spec.backbone, n_channels).to(device)


def plane_samples(
    images: ImageSet, chosen: np.ndarray, patients: pd.DataFrame, scaling: Scaling, region: str, device: torch.device
) -> Samples:
    """Return the chosen planes, scaled, each with its patient's response; on a CPU they lie on disk."""
    inputs = torch.from_numpy(scale(images, scaling, region, chosen)).to(device)
    responder = patients.loc[images.patient[chosen], "responder"].to_numpy(bool)
    return Samples(inputs, torch.from_numpy(~responder).long().to(device), images.patient[chosen])


def patient_samples(model: PatientModel, planes: Samples) -> Samples:
    """Return each patient's feature vector, the mean over all planes of the tumour."""
    patients, first = np.unique(planes.patient, return_index=True)
    if not len(patients):
        return Samples(planes.inputs.new_empty(0, model.feature_network.vector_length), planes.labels, patients)
    vectors = model.vectors(planes.inputs)
    means = torch.stack([vectors[np.flatnonzero(planes.patient == patient)].mean(0) for patient in patients])
    return Samples(means, planes.labels[first], patients)


def predict(model: PatientModel, images: ImageSet, patients: pd.DataFrame) -> pd.DataFrame:
    """Return patient, split, responder and the probability of a non-responder, one row per patient."""
    rows = []
    for patient in pd.unique(images.patient):
        planes = np.flatnonzero(images.patient == patient)
        vectors = model.vectors(torch.from_numpy(scale(images, model.scaling, model.region, planes)))
        rows.append((patient, *patients.loc[patient, ["split", "responder"]], model.probability(vectors).item()))
    return pd.DataFrame(rows, columns=["patient", "split", "responder", "probability"])


# What a run leaves on disk: a checkpoint while it lasts, then weights, tables and, last of all, model.json.

PREDICTIONS = ["patient", "model", "split", "responder", "probability", "seed"]
CURVES = ["model", "stage", "epoch", "training_loss", "validation_loss", "validation_auc"]


def save_model(
    model: PatientModel, said: pd.DataFrame, curves: list[Row], slug: str, settings: Settings, folder: Path, key: str
) -> None:
    """Write weights, predictions and curves, then ``model.json``, which marks the model as finished."""
    seconds = round(sum(row["seconds"] for row in curves), 2)
    made = {"seconds": seconds, "device": device_name(model.device), "torch": torch.__version__}
    card = {"model": slug, **asdict(MODELS[slug]), **circumstances(), **made, "key": key, "settings": settings.flat()}
    told = said.assign(model=slug, seed=settings.training.seed)[PREDICTIONS]
    losses = pd.DataFrame(curves).assign(model=slug)[CURVES]
    (folder / "model.json").unlink(missing_ok=True)  # of an earlier model: it vouches for all files
    write_whole(folder / "weights.pt", partial(save_tensors, weights_of(model)), seal=True)
    write_whole(folder / "predictions.csv", lambda path: told.to_csv(path, index=False), seal=True)
    write_whole(folder / "curves.csv", lambda path: losses.to_csv(path, index=False), seal=True)
    write_whole(folder / "model.json", lambda path: path.write_text(json.dumps(card, indent=1)), seal=True)


def weights_of(model: PatientModel) -> dict[str, Any]:
    """Return all numbers of a model: those of its networks, and of the scaling of its images."""
    networks = {name: getattr(model, name).state_dict() for name in ("feature_network", "predictive_network")}
    return networks | {name: torch.from_numpy(getattr(model.scaling, name)) for name in ("lo", "hi")}


def load_model(folder: str | Path, device: str | torch.device = "cpu") -> PatientModel:
    """Read a finished model; raises ``FileNotFoundError`` when there is none."""
    folder = Path(folder)
    if not is_finished(folder):
        raise FileNotFoundError(f"{folder}: no finished model (no model.json)")
    card = json.loads((folder / "model.json").read_text())
    weights = torch.load(folder / "weights.pt", map_location="cpu", weights_only=True)
    scaling = Scaling(weights["lo"].numpy(), weights["hi"].numpy())
    settings = build(card["settings"])
    model = untrained_model(settings, MODELS[card["model"]], scaling, device)
    model.feature_network.load_state_dict(weights["feature_network"])
    model.predictive_network.load_state_dict(weights["predictive_network"])
    return model


def model_key(images: ImageSet, patients: pd.DataFrame, slug: str, settings: Settings) -> str:
    """The key of a model: the images and responses it learns from, what is chosen, and the code."""
    told = patients.loc[pd.unique(images.patient), ["responder", "split"]]
    chosen = settings.images, settings.networks, settings.training
    return content_key(images.digest, told, slug, *chosen, code=["helpers.learning.training"])


def check_inputs(images: ImageSet, patients: pd.DataFrame, image_px: int) -> None:
    """Raise ``InputError`` naming what images and patients lack before any training."""
    if images.maps.shape[-1] != image_px:
        raise InputError(f"images have {images.maps.shape[-1]} pixels, image_px = {image_px}")
    pictured, listed = set(map(str, images.patient)), set(map(str, patients.index))
    lost = {"planes of patients missing in the table": pictured - listed, "patients without a plane": listed - pictured}
    for what, names in lost.items():
        if names:
            raise InputError(f"{what}: {sorted(names)[:5]}{' ...' if len(names) > 5 else ''}")
    train = patients.loc[patients["split"] == "train", "responder"]
    if train.nunique() < 2:
        raise InputError(f"{len(train)} training patients are all of one class; both are needed")
