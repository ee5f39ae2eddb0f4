"""Pre-training: a feature network first learns the tissue of other simulated patients, then the study's response."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from helpers.data.study import MODELS, TRAITS
from helpers.learning import training
from helpers.learning.fitting import (
    Plan,
    Samples,
    build_optimizer,
    reproducible,
    resolve_device,
    save_tensors,
    train_epoch,
)
from helpers.learning.images import ImageSet, fit_scaling, scale
from helpers.settings import Settings


def learn_tissue(images: ImageSet, patients: pd.DataFrame, slug: str, settings: Settings, path: str | Path) -> Path:
    """Train a feature network to read the tissue traits off single planes; write backbone and vector to a file.

    The simulation knows the traits of its patients. No response is looked at, so that nothing is
    assumed of how response shows in tissue.
    """
    device, spec = resolve_device(settings.computing.device), MODELS[slug]
    with reproducible(device):
        scaling = fit_scaling(images, np.ones(len(images), bool), spec.region, settings.training.clip_percentile)
        inputs = torch.from_numpy(scale(images, scaling, spec.region)).to(device, memory_format=torch.channels_last)
        network = training.untrained_model(settings, spec, scaling, device).feature_network
        network.add_module("head", nn.Linear(network.vector_length, len(TRAITS)).to(device))
        targets = torch.from_numpy(standard_traits(patients.loc[images.patient])).to(device)
        fit_traits(network, inputs, targets, settings, spec.number)
    weights = {name: value.cpu() for name, value in network.state_dict().items() if not name.startswith("head.")}
    save_tensors(weights, Path(path))
    return Path(path)


def standard_traits(patients: pd.DataFrame) -> np.ndarray:
    """Return the tissue traits (N, 5), each with the population's mean 0 and SD 1."""
    columns = [(patients[name] - trait.mean) / trait.sd for name, trait in TRAITS.items()]
    return np.stack(columns, axis=1).astype(np.float32)


def fit_traits(
    network: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, settings: Settings, number: int
) -> list[float]:
    """Regress traits (N, 5) on augmented planes (N, C, n, n) for ``epochs`` epochs; return the loss of each."""
    plan = Plan("feature", number, settings.replace(precision="float32").training)
    planes, optimizer = Samples(inputs, targets, np.arange(len(inputs))), build_optimizer(network, plan.chosen)
    return [train_epoch(network, optimizer, planes, plan, epoch, nn.MSELoss()) for epoch in range(1, plan.epochs + 1)]


def fine_tune(
    images: ImageSet, patients: pd.DataFrame, slug: str, settings: Settings, folder: str | Path, start: str | Path
) -> Path:
    """Train a model as ``training.train_model`` does, from the weights in ``start`` instead of random ones."""
    return training.train_model(images, patients, slug, settings, folder, start)
