"""Learning curves: what a model loses that has learned nothing, which epoch was kept, and both drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.data.study import MODELS


def ignorant_loss(positive: np.ndarray, count: np.ndarray, class_weight: float) -> float:
    """Return the weighted cross entropy of the best constant probability, the entropy of the weighted share.

    ``positive`` (P,) bool are the non-responders, ``count`` (P,) how many samples each patient gives.
    """
    weighted = class_weight * count[positive].sum()
    share = weighted / (weighted + count[~positive].sum())
    return -(share * np.log(share) + (1 - share) * np.log(1 - share))


def kept_epochs(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the best validation loss of each model and stage, after the number of epochs run."""
    best = curves.loc[curves.groupby(["model", "stage"], sort=False)["validation_loss"].idxmin()]
    kept = best.set_index(["model", "stage"]).rename(columns={"epoch": "epoch kept"})
    kept.insert(0, "epochs run", curves.groupby(["model", "stage"])["epoch"].max())
    return kept.reset_index()


def show_curves(curves: pd.DataFrame, stage: str, ignorant: float) -> None:
    """Draw the losses of one stage by epoch, a panel per model; dotted the loss of a model that learned nothing."""
    fig, axes = plt.subplots(2, 2, figsize=(9, 6.5), sharey=True)
    for ax, (slug, spec) in zip(axes.flat, MODELS.items(), strict=True):
        rows = curves[(curves["model"] == slug) & (curves["stage"] == stage)].set_index("epoch")
        show_losses(ax, rows["training_loss"], rows["validation_loss"])
        ax.axhline(ignorant, ls=":", color="0.4")
        ax.set(title=spec.title, xlabel="epoch", ylim=(0, 2.5 * ignorant))
    for ax in axes[:, 0]:
        ax.set_ylabel("loss")
    axes[0, 0].legend()


def show_losses(ax: Axes, training: pd.Series, validation: pd.Series) -> None:
    """Draw both losses by epoch, with a dot at the epoch that was kept."""
    ax.plot(training, color="C0", label="training")
    ax.plot(validation, color="C1", label="validation")
    ax.plot(validation.nsmallest(1), "o", color="C1")  # at its epoch
    ax.locator_params(axis="x", integer=True)
