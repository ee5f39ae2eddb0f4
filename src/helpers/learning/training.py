"""Training: four models in two stages each; one seed gives one result, also after a kill."""

import json
import multiprocessing
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from helpers.artifacts import is_sound, write_whole
from helpers.data.study import MODELS, ModelSpec
from helpers.keys import content_key
from helpers.learning.fitting import (
    Plan,
    Samples,
    device_name,
    epoch_seed,
    fit,
    reproducible,
    resolve_device,
)
from helpers.learning.images import ImageSet, Scaling, fit_scaling, scale
from helpers.learning.networks import PatientModel, PredictiveNetwork, build_feature_network
from helpers.settings import Settings, build


@dataclass(frozen=True)
class StudyResults:
    """Predictions and learning curves of the trained models, and the folder that holds them."""

    predictions: pd.DataFrame  # patient, model, split, responder, probability of a NON-responder, seed
    curves: pd.DataFrame  # model, stage, epoch, training_loss, validation_loss, validation_auc
    folder: Path

    def load(self, slug: str, device: str = "cpu") -> PatientModel:
        """Return a trained model, ready to predict."""
        return load_model(self.folder / slug, device)

    def seconds(self, slug: str) -> float:
        """Return how long both stages took on the machine that trained the model [s]."""
        return json.loads((self.folder / slug / "model.json").read_text())["seconds"]


FILES = ("weights.pt", "predictions.csv", "curves.csv", "model.json")


def train_all(images: ImageSet, patients: pd.DataFrame, settings: Settings, folder: str | Path) -> StudyResults:
    """Train the four models and collect them; those that are finished in ``folder`` are not trained again."""
    train_runs(images, patients, {Path(folder): settings})
    return collect(Path(folder))


def train_runs(
    images: ImageSet, patients: pd.DataFrame, runs: Mapping[Path, Settings], slugs: Iterable[str] = tuple(MODELS)
) -> None:
    """Train models of several settings, several seeds for one, each in its folder, in parallel processes.

    On a CPU ``processes`` at a time, one thread each, on a GPU ``models_per_gpu``.
    """
    for settings in runs.values():
        check_inputs(images, patients, settings)
    jobs = [
        (images, patients, slug, settings, folder)
        for folder, settings in runs.items()
        for slug in slugs
        if not is_finished(folder / slug, model_key(images, patients, slug, settings))
    ]
    n_processes = max([at_a_time(settings) for settings in runs.values()], default=1)
    if min(n_processes, len(jobs)) > 1:
        with ProcessPoolExecutor(min(n_processes, len(jobs)), multiprocessing.get_context("spawn")) as pool:
            running = [pool.submit(train_model, *job) for job in jobs]
            for model in tqdm(as_completed(running), total=len(running), desc="models trained"):
                model.result()
    else:
        for job in tqdm(jobs, desc="models trained", disable=not jobs):
            train_model(*job)


def at_a_time(settings: Settings) -> int:
    """Return how many models may train side by side on the device of the settings."""
    on_cpu = resolve_device(settings.computing.device).type == "cpu"
    return settings.computing.processes if on_cpu else settings.computing.models_per_gpu


def collect(folder: Path) -> StudyResults:
    """Read the tables of the four finished models, in the order of ``MODELS``."""
    predictions, curves = (
        pd.concat([pd.read_csv(folder / slug / table) for slug in MODELS], ignore_index=True)
        for table in ("predictions.csv", "curves.csv")
    )
    return StudyResults(predictions, curves, folder)


def train_model(images: ImageSet, patients: pd.DataFrame, slug: str, settings: Settings, folder: str | Path) -> Path:
    """Train one model in both stages and return its folder, at once if it is finished there.

    Test patients take no part until the very last step, their prediction. A run that was stopped, in
    whichever stage, goes on from its last whole epoch and ends with the same weights. A model in the folder that
    is damaged, or was made from other images, patients, settings or code, is made again. Raises ``ValueError`` for
    inputs that cannot be trained on.
    """
    spec, folder = MODELS[slug], Path(folder) / slug
    key = model_key(images, patients, slug, settings)
    if not is_finished(folder, key):
        check_inputs(images, patients, settings)
        device = resolve_device(settings.computing.device)
        with reproducible(device):
            training, validation, scaling = learning_planes(images, patients, settings, spec.region, device)
            model = untrained_model(settings, spec, scaling, device)
            if settings.training.compile_network:
                model.feature_network.compile(dynamic=False)
            plans = feature_plan(settings, spec), predictive_plan(settings, spec)
            curves = fit_stage(model.feature_network, training, validation, plans[0], settings, folder, key)
            training, validation = patient_samples(model, training), patient_samples(model, validation)
            curves += fit_stage(model.predictive_network, training, validation, plans[1], settings, folder, key)
            save_model(model, predict(model, images, patients), curves, slug, settings, folder, key)
    for left in folder.glob("*checkpoint*"):  # half-written ones of a killed run too
        left.unlink()
    return folder


def learning_planes(
    images: ImageSet, patients: pd.DataFrame, settings: Settings, region: str, device: torch.device
) -> tuple[Samples, Samples, Scaling]:
    """Return the planes of training and of validation patients, and the scaling that the former gave."""
    split = patients.loc[images.patient, "split"].to_numpy()  # (N,) of each plane
    scaling = fit_scaling(images, split == "train", region, settings.training.clip_percentile)
    training, validation = (
        plane_samples(images.select(split == name), patients, scaling, region, device)
        for name in ("train", "validation")
    )
    return training, validation, scaling


def fit_stage(
    network: torch.nn.Module, training: Samples, validation: Samples, plan: Plan, settings: Settings, folder: Path,
    key: str,
) -> list[dict]:  # fmt: skip
    """Fit one stage with a checkpoint after every epoch; the main process shows the time left at most."""
    hidden = multiprocessing.parent_process() is not None
    label = f"{folder.name}, {plan.stage} network"
    with tqdm(total=plan.epochs, desc=label, unit="epoch", leave=False, disable=hidden) as bar:
        return fit(
            network, training, validation, plan, settings, folder / f"{plan.stage}-{key}.checkpoint.pt",
            lambda row: bar.update(row["epoch"] - bar.n),
        )  # fmt: skip


def untrained_model(settings: Settings, spec: ModelSpec, scaling: Scaling, device: torch.device | str) -> PatientModel:
    """Return both networks of a model with fresh weights, drawn from the seed."""
    torch.manual_seed(epoch_seed(settings.training.seed, spec.number, "feature", 0))
    feature_network = build_feature_network(settings, spec.backbone)
    torch.manual_seed(epoch_seed(settings.training.seed, spec.number, "predictive", 0))
    predictive_network = PredictiveNetwork(
        feature_network.vector_length, settings.networks.hidden, settings.networks.dropout
    )
    return PatientModel(feature_network.to(device), predictive_network.to(device), scaling, spec.region)


def plane_samples(
    images: ImageSet, patients: pd.DataFrame, scaling: Scaling, region: str, device: torch.device
) -> Samples:
    """Return scaled planes, each with its patient's response."""
    inputs = torch.from_numpy(scale(images, scaling, region)).to(device, memory_format=torch.channels_last)
    responder = patients.loc[images.patient, "responder"].to_numpy(bool)
    return Samples(inputs, torch.from_numpy(~responder).long().to(device), images.patient)


def patient_samples(model: PatientModel, planes: Samples) -> Samples:
    """Return each patient's feature vector, the mean over all planes of the tumour."""
    patients, first = np.unique(planes.patient, return_index=True)
    vectors = model.vectors(planes.inputs)
    means = torch.stack([vectors[np.flatnonzero(planes.patient == patient)].mean(0) for patient in patients])
    return Samples(means, planes.labels[first], patients)


def feature_plan(settings: Settings, spec: ModelSpec) -> Plan:
    """Stage 1: backbone, 256-vector and head on single, augmented planes."""
    return Plan(
        "feature",
        spec.number,
        settings.training.epochs,
        settings.training.patience,
        settings.training.max_shift,
        settings.training.precision,
    )


def predictive_plan(settings: Settings, spec: ModelSpec) -> Plan:
    """Stage 2: the predictive network on the mean vectors of whole tumours."""
    return Plan("predictive", spec.number, settings.training.head_epochs, settings.training.head_patience)


def predict(model: PatientModel, images: ImageSet, patients: pd.DataFrame) -> pd.DataFrame:
    """Return patient, split, responder and the probability of a non-responder, one row per patient."""
    scaled = torch.from_numpy(scale(images, model.scaling, model.region))
    rows = []
    for patient in pd.unique(images.patient):
        vectors = model.vectors(scaled[np.flatnonzero(images.patient == patient)])
        rows.append((patient, *patients.loc[patient, ["split", "responder"]], model.probability(vectors).item()))
    return pd.DataFrame(rows, columns=["patient", "split", "responder", "probability"])


# What a run leaves on disk: a checkpoint while it lasts, then weights, tables and, last of all, model.json.


def save_model(
    model: PatientModel,
    predictions: pd.DataFrame,
    curves: list[dict],
    slug: str,
    settings: Settings,
    folder: Path,
    key: str,
) -> None:
    """Write weights, predictions and curves, then ``model.json``, which marks the model as finished."""
    table = pd.DataFrame(curves)
    seconds = table.pop("seconds").sum()
    table.insert(0, "model", slug)
    predictions = predictions.assign(model=slug, seed=settings.training.seed)
    predictions = predictions[["patient", "model", "split", "responder", "probability", "seed"]]
    weights = {
        "feature_network": model.feature_network.state_dict(),
        "predictive_network": model.predictive_network.state_dict(),
        "lo": torch.from_numpy(model.scaling.lo),
        "hi": torch.from_numpy(model.scaling.hi),
    }
    card = {"model": slug, **asdict(MODELS[slug]), "seconds": round(seconds, 2), "device": device_name(model.device),
            "torch": torch.__version__, "key": key, "settings": settings.flat()}  # fmt: skip
    write_whole(folder / "weights.pt", lambda path: torch.save(weights, path), seal=True)
    write_whole(folder / "predictions.csv", lambda path: predictions.to_csv(path, index=False), seal=True)
    write_whole(folder / "curves.csv", lambda path: table.to_csv(path, index=False), seal=True)
    write_whole(folder / "model.json", lambda path: path.write_text(json.dumps(card, indent=1)), seal=True)


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


def is_finished(folder: Path, key: str | None = None) -> bool:
    """Tell whether the folder holds a whole, undamaged model, of this key if one is given."""
    if not all([is_sound(folder / name) for name in FILES]):  # a list: every damaged file is named
        return False
    return key is None or json.loads((folder / "model.json").read_text()).get("key") == key


def model_key(images: ImageSet, patients: pd.DataFrame, slug: str, settings: Settings) -> str:
    """The key of a model: the images and responses it learns from, what is chosen, and the code."""
    told = patients.loc[pd.unique(images.patient), ["responder", "split"]]
    chosen = settings.images, settings.networks, settings.training
    return content_key(images.digest, told, slug, *chosen, code=["helpers.learning.training"])


def check_inputs(images: ImageSet, patients: pd.DataFrame, settings: Settings) -> None:
    """Raise ``ValueError`` naming what is wrong with images, patients or settings, before any training."""
    if images.maps.shape[-1] != settings.images.image_px:
        raise ValueError(f"images have {images.maps.shape[-1]} pixels, image_px = {settings.images.image_px}")
    check_patients(images, patients)


def check_patients(images: ImageSet, patients: pd.DataFrame) -> None:
    """Raise ``ValueError`` when planes and patients do not match, or a class or a split is missing."""
    for these, those, what in [(images.patient, patients.index, "planes of patients missing in the table"),
                               (patients.index, images.patient, "patients without a plane")]:  # fmt: skip
        lost = sorted(str(name) for name in set(these) - set(those))
        if lost:
            raise ValueError(f"{what}: {lost[:5]}{' ...' if len(lost) > 5 else ''}")
    train, validation = (patients.loc[patients["split"] == name, "responder"] for name in ("train", "validation"))
    if train.nunique() < 2:
        raise ValueError(f"{len(train)} training patients are all of one class; both are needed")
    if validation.empty:
        raise ValueError("no validation patient: early stopping needs some")
