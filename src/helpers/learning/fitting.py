"""Fitting: one network, one stage: epochs with their own seeds, early stopping, a checkpoint after each."""

import io
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import deterministic

from ground.artifacts import is_sound, write_whole
from ground.errors import InputError
from helpers.learning.augmentation import augment
from helpers.settings import Training

STAGES = ("feature", "predictive")
Row = dict[str, Any]  # of the curves: stage, epoch, training_loss, validation_loss, validation_auc, seconds
Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Samples:
    """What one stage learns from: planes in the first stage, patients in the second; on the device."""

    inputs: torch.Tensor  # (N, C, n, n) scaled planes, or (N, 256) mean vectors
    labels: torch.Tensor  # (N,) 1 = non-responder
    patient: np.ndarray  # (N,) str


@dataclass(frozen=True)
class Plan:
    """How one stage of one model trains: planes are augmented, the patients' vectors are not."""

    stage: str  # "feature" or "predictive"
    model_number: int
    chosen: Training

    @property
    def epochs(self) -> int:
        """Epochs at most."""
        return self.chosen.epochs if self.stage == "feature" else self.chosen.head_epochs

    @property
    def patience(self) -> int:
        """Epochs without a better validation loss before the end."""
        return self.chosen.patience if self.stage == "feature" else self.chosen.head_patience

    @property
    def precision(self) -> str:
        """Arithmetic of the layers; the predictive network is too small to gain from ``"bf16"``."""
        return self.chosen.precision if self.stage == "feature" else "float32"

    def seed(self, epoch: int) -> int:
        """Return an independent seed for one epoch of one stage of one model; epoch 0 draws the weights."""
        sequence = np.random.SeedSequence([self.chosen.seed, self.model_number, STAGES.index(self.stage), epoch])
        return int(sequence.generate_state(1)[0])

    def is_over(self, curves: list[Row]) -> bool:
        """Tell whether the last epoch is reached or the validation loss has not improved for too long."""
        return bool(curves) and (len(curves) >= self.epochs or len(curves) - 1 - kept(curves) >= self.patience)


def kept(curves: Sequence[Row]) -> int:
    """Place of the epoch whose weights are kept: the first of the best validation loss.

    Without validation patients of both classes, for whom there is no AUC, nobody can judge: it is the last one.
    """
    if np.isnan(curves[-1]["validation_auc"]):
        return len(curves) - 1
    return int(np.argmin([row["validation_loss"] for row in curves]))


def fit(
    network: nn.Module,
    training: Samples,
    validation: Samples,
    plan: Plan,
    checkpoint: Path | None = None,
    after_epoch: Callable[[Row], object] = lambda row: None,
) -> list[Row]:
    """Train in place, leave the weights of the epoch that is ``kept``, return one row of curves per epoch.

    A run resumed from a checkpoint needs no memory of the random numbers before it. ``after_epoch`` is shown each
    new row; what it raises ends the run. Raises ``InputError`` when the loss is not finite.
    """
    optimizer, criterion = build_optimizer(network, plan.chosen), cross_entropy(plan.chosen, training.labels.device)
    curves, best = restore(checkpoint, network, optimizer)
    while not plan.is_over(curves):
        start, epoch = time.perf_counter(), len(curves) + 1
        loss = train_epoch(network, optimizer, training, plan, epoch, criterion)
        row = {"stage": plan.stage, "epoch": epoch, "training_loss": loss}
        row |= validate(network, validation, plan.precision, criterion)
        check_finite(row, plan.chosen.learning_rate, len(validation.labels))
        if kept([*curves, row]) == len(curves):
            best = {name: value.clone() for name, value in network.state_dict().items()}
        curves.append(row | {"seconds": time.perf_counter() - start})
        if checkpoint is not None:
            keep(checkpoint, network, optimizer, curves, best)
        after_epoch(curves[-1])
    network.load_state_dict(best)
    network.eval()
    return curves


def train_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, samples: Samples, plan: Plan, epoch: int, criterion: Criterion
) -> float:
    """Show every sample once, in batches of ``batch_size`` or slightly more; return the mean loss.

    Order, shifts and dropout are drawn from the epoch's own seed. ``criterion(outputs, labels)`` is a batch's loss.
    """
    device = samples.labels.device
    generator = seed_everything(plan.seed(epoch), device)
    order = torch.randperm(len(samples.labels), generator=generator, device=device)
    total = torch.zeros((), device=device)
    network.train()
    for rows in order.tensor_split(max(1, len(order) // plan.chosen.batch_size)):
        batch = samples.inputs[rows]
        if plan.stage == "feature":
            batch = augment(batch, generator, plan.chosen.max_shift)
        with mixed_precision(device, plan.precision):
            outputs = network(batch)
        loss = criterion(outputs.float(), samples.labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(rows)
    return total.item() / len(order)


@torch.no_grad()
def validate(network: nn.Module, samples: Samples, precision: str, criterion: Criterion) -> dict[str, float]:
    """Return the validation loss of the samples and the AUC of their patients' mean probability; NaN of nobody."""
    if not len(samples.labels):
        return {"validation_loss": np.nan, "validation_auc": np.nan}
    network.eval()
    with mixed_precision(samples.inputs.device, precision):
        logits = torch.cat([network(batch).float() for batch in samples.inputs.split(64)])
    first, of_patient = np.unique(samples.patient, return_index=True, return_inverse=True)[1:]
    probability = np.bincount(of_patient, logits.softmax(1)[:, 1].cpu()) / np.bincount(of_patient)
    auc = area_under_curve(probability, samples.labels.cpu().numpy()[first] == 1)
    return {"validation_loss": criterion(logits, samples.labels).item(), "validation_auc": float(auc)}


def area_under_curve(score: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return the share (...,) of pairs in which a positive scores above a negative, ties half; NaN without both.

    ``score`` (..., P), ``positive`` (P,) bool. By hand, since scikit-learn's trapezoids round the last digit
    differently and take one row at a time, of the thousands that a search resamples.
    """
    if positive.all() or not positive.any():
        return np.full(score.shape[:-1], np.nan)
    wins = score[..., positive][..., :, None] - score[..., ~positive][..., None, :]
    return (np.sign(wins) / 2 + 0.5).mean((-2, -1))


def check_finite(row: Row, learning_rate: float, n_validation: int) -> None:
    """Raise ``InputError`` when a loss of an epoch is not finite; that of no validation samples need not be."""
    if not np.isfinite([row["training_loss"], row["validation_loss"] if n_validation else 0.0]).all():
        raise InputError(f"epoch {row['epoch']}: the loss is not finite; lower learning_rate = {learning_rate}")


def keep(
    checkpoint: Path, network: nn.Module, optimizer: torch.optim.Optimizer, curves: list[Row], best: Weights
) -> None:
    """Write everything the next epoch starts from."""
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "curves": curves, "best": best}
    write_whole(checkpoint, partial(save_tensors, state), seal=True)


def restore(checkpoint: Path | None, network: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[list[Row], Weights]:
    """Return curves and best weights so far, empty for a fresh start; set network and optimizer."""
    if checkpoint is None or not is_sound(checkpoint):
        return [], {}
    device = next(network.parameters()).device
    state = torch.load(checkpoint, map_location=device, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return state["curves"], state["best"]


def cross_entropy(chosen: Training, device: torch.device) -> nn.CrossEntropyLoss:
    """Return the weighted mean cross entropy of logits (B, 2), responders and non-responders as 1 : C."""
    return nn.CrossEntropyLoss(torch.tensor([1.0, chosen.class_weight], device=device))


def build_optimizer(network: nn.Module, chosen: Training) -> torch.optim.Optimizer:
    """Return Adam, Adam whose weights decay, or SGD with momentum 0.9, at the learning rate of the settings."""
    weights = list(network.parameters())
    fused = weights[0].device.type in ("cpu", "cuda")  # one call for all weights
    sgd = partial(torch.optim.SGD, momentum=0.9)
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": sgd}
    return kinds[chosen.optimizer](weights, chosen.learning_rate, fused=fused)


def seed_everything(seed: int, device: torch.device) -> torch.Generator:
    """Seed dropout (torch's own generator) and return a generator on the device for order and shifts."""
    torch.manual_seed(seed)
    return torch.Generator(device).manual_seed(seed)


def save_tensors(state: dict, path: Path) -> None:
    """Write tensors as one file, by way of memory: what torch writes by itself does not say that a disk is full."""
    whole = io.BytesIO()
    torch.save(state, whole)
    path.write_bytes(whole.getbuffer())


def resolve_device(name: str) -> torch.device:
    """Return the device of a name; ``"auto"`` takes cuda, else mps, else cpu.

    Raises ``InputError`` for a name torch does not know or a device that is not here.
    """
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind in here if here[kind]))
    kind = name.split(":")[0]
    if not here.get(kind, False):
        raise InputError(f"device = {name!r}: this machine offers 'auto' or {[one for one in here if here[one]]}")
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """Return what a device is called: the name of the card, or the number and kind of processor cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} CPU cores ({platform.machine()})" if device.type == "cpu" else device.type


def mixed_precision(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which layers work in ``"bf16"``, or in ``"float32"`` unchanged."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Run with fixed arithmetic: one CPU thread, deterministic GPU kernels where they exist.

    One thread keeps the order of every sum, and trains networks this small as fast as two. Threads and
    the random state of the caller are put back.
    """
    threads, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fill = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(device.type == "cuda", warn_only=True)
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing here reads such memory
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(exact)
        deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
