"""Networks as tables and drawings: layers and costs, learning curves, and what a search can tell."""

import time
from collections.abc import Iterable
from functools import partial

import numpy as np
import optuna
import pandas as pd
import torch
from matplotlib.axes import Axes
from optuna.trial import TrialState
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from helpers.data.study import MODELS
from helpers.learning.fitting import area_under_curve, kept
from pages.figures import CHANCE, COLOUR, subplots


def ignorant_loss(positive: np.ndarray, count: np.ndarray, class_weight: float) -> float:
    """Return the weighted cross entropy of the best constant probability, the entropy of the weighted share.

    ``positive`` (P,) bool are the non-responders, ``count`` (P,) how many samples each patient gives. Nothing is to
    be learned where all are of one class: 0; NaN of nobody.
    """
    if not len(positive):
        return np.nan
    weighted = class_weight * count[positive].sum()
    share = weighted / (weighted + count[~positive].sum())
    if share in (0, 1):
        return 0.0
    return -(share * np.log(share) + (1 - share) * np.log(1 - share))


def kept_epochs(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the epoch that was kept of each model and stage, after the number of epochs run."""
    groups = curves.groupby(["model", "stage"], sort=False)
    best = pd.concat([rows.iloc[[kept(rows.to_dict("records"))]] for _, rows in groups])
    table = best.set_index(["model", "stage"]).rename(columns={"epoch": "epoch kept"})
    table.insert(0, "epochs run", groups["epoch"].max())
    return table.reset_index()


def show_curves(curves: pd.DataFrame, stage: str, ignorant: float) -> None:
    """Draw the losses of one stage by epoch, a panel per model; dotted the loss of a model that learned nothing.

    That loss, ``ignorant``, is not drawn where it is 0 or NaN, of validation patients of one class or none.
    """
    figure, axes = subplots(2, 2, 2.6, sharex=True, sharey=True)
    for ax, (slug, spec) in zip(axes.flat, MODELS.items(), strict=True):
        rows = curves[(curves["model"] == slug) & (curves["stage"] == stage)].set_index("epoch")
        place = kept(rows.to_dict("records"))
        show_losses(ax, rows["training_loss"], rows["validation_loss"], place)
        if ignorant > 0:
            ax.axhline(ignorant, **CHANCE)
            ax.set(ylim=(0, 1.6 * ignorant))
        ax.set(title=spec.title, xlabel="epoch", ylabel="loss")
        ax.label_outer()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncol=2)


def show_losses(ax: Axes, training: pd.Series, validation: pd.Series, place: int) -> None:
    """Draw both losses by epoch, with a dot at the place of the epoch that was kept."""
    ax.plot(training, color=COLOUR["train"], label="training")
    ax.plot(validation, color=COLOUR["validation"], label="validation")
    ax.plot(validation.iloc[[place]], "o", color=COLOUR["validation"])  # at its epoch
    ax.locator_params(axis="x", integer=True)


def count_weights(network: nn.Module) -> int:
    """Return the number of trainable weights."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


@torch.no_grad()
def output_shapes(parts: Iterable[tuple[str, nn.Module]], images: torch.Tensor) -> list[tuple[str, str, str]]:
    """Return name, output (channels x pixels) and weights of each part that images (B, C, n, n) pass through."""
    rows = []
    for name, part in parts:
        images = part(images)
        size = " × ".join(str(length) for length in images.shape[1:])
        rows.append((name, size, f"{count_weights(part):,}"))
    return rows


@torch.no_grad()
def count_macs(network: nn.Module, images: torch.Tensor) -> int:
    """Return the multiplications (each with its addition) in all convolutions and fully connected layers.

    ``images`` (1, C, n, n). Torch counts a multiplication and its addition as two operations.
    """
    training = network.training
    with FlopCounterMode(display=False) as counter:
        network.eval()(images)
    network.train(training)
    return counter.get_total_flops() // 2


def milliseconds_per_plane(network: nn.Module, batch: torch.Tensor, n_steps: int = 5) -> float:
    """Return the time of a forward and backward pass of a batch (B, C, n, n) on the network's device [ms per plane]."""
    batch = batch.to(next(network.parameters()).device)
    network.train()
    for step in range(n_steps + 1):
        if step == 1:  # the first pass prepares
            start = time.perf_counter()
        loss = network(batch).sum()
        loss.backward()
        loss.item()  # waits for the device
    return 1000 * (time.perf_counter() - start) / n_steps / len(batch)


def complete_trials(study: optuna.Study) -> pd.DataFrame:
    """Return number, AUC and parameters of the trials that came to an end, a row each."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    rows = [{"trial": trial.number, "AUC": trial.value, **trial.params} for trial in complete]
    return pd.DataFrame(rows, columns=None if rows else ["trial", "AUC"])


def printed(trials: pd.DataFrame, form: list[str]) -> str:
    """Return trials as a table in markdown: names in words, floats in these formats, but a learning rate in digits."""
    digits = partial(np.format_float_positional, precision=2, fractional=False, trim="-")
    words = {"optimizer": {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}}
    shown = trials.replace(words).assign(learning_rate=trials["learning_rate"].map(digits))
    own = [shown.columns.get_loc("learning_rate")]
    shown = shown.rename(columns=lambda name: name.replace("_", " "))
    return shown.to_markdown(index=False, floatfmt=form, stralign="right", disable_numparse=own)


def kept_probabilities(study: optuna.Study) -> np.ndarray:
    """Return the validation patients' probabilities (T, P) of the T trials that came to an end, in their order."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return np.array([trial.user_attrs["probability"] for trial in complete])


def importances(study: optuna.Study, seed: int) -> pd.Series:
    """Return each parameter's share of the variance of the AUC, largest first (fANOVA, Hutter et al. 2014).

    All are zero when the AUC does not vary; there are none without a trial that came to an end.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len({trial.value for trial in complete}) < 2:
        return pd.Series(0.0, index=list(complete[0].params) if complete else [])
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    return pd.Series(optuna.importance.get_param_importances(study, evaluator=evaluator))


def resampled_aucs(probability: np.ndarray, positive: np.ndarray, n_resamples: int, seed: int) -> np.ndarray:
    """Return the AUCs (n_resamples, T) of T models' probabilities (T, P) on patients drawn anew within each class."""
    rng = np.random.default_rng(seed)
    drawn = [
        np.concatenate([rng.choice(np.flatnonzero(positive == kind), np.sum(positive == kind)) for kind in (1, 0)])
        for _ in range(n_resamples)
    ]
    return np.array([area_under_curve(probability[:, patients], positive[patients]) for patients in drawn])


def winners(probability: np.ndarray, positive: np.ndarray, n_splits: int, seed: int) -> pd.DataFrame:
    """Let the best of T trials be chosen on one half of the patients, and ask the other half about it.

    ``probability`` (T, P), ``positive`` (P,) bool; halves are drawn within each class. One row per split:
    AUC of the winner where it was ``chosen``, on the ``other`` half, and of the mean trial there, ``any``; one
    row of NaN when a class has a single patient, who cannot be halved.
    """
    if min(positive.sum(), (~positive).sum()) < 2:
        return pd.DataFrame({"chosen": [np.nan], "other": [np.nan], "any": [np.nan]})
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n_splits):
        first = np.zeros(len(positive), bool)
        for kind in (True, False):
            of_kind = rng.permutation(np.flatnonzero(positive == kind))
            first[of_kind[: len(of_kind) // 2]] = True
        seen, unseen = (area_under_curve(probability[:, half], positive[half]) for half in (first, ~first))
        rows.append({"chosen": seen.max(), "other": unseen[seen.argmax()], "any": unseen.mean()})
    return pd.DataFrame(rows)
