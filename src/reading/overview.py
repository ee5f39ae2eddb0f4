"""The whole path in one figure: a patient's echo, map and prediction differences, then everybody's ROC and survival."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.judgement import survival
from helpers.maps.parametric import LABELS, NAMES
from pages import figures, judgement

CHOSEN = ("esd_um", "mbf")  # the map that is shown: the first of them that the phantom allows


def overview(explained: tuple[Any, ...], calls: pd.DataFrame, part: str, level: float = 0.95) -> Figure:
    """Draw one patient's plane above and all patients of a part below.

    ``explained`` is what ``pages.pda.draw_explained`` takes; ``calls`` has a row a patient: responder, probability,
    duration_years, recurrence.
    """
    figure, axes = plt.subplot_mosaic("AABBCC;DDDEEE", figsize=(11, 7.6))
    draw_patient([axes[letter] for letter in "ABC"], *explained)
    judgement.draw_roc(axes["D"], ~calls.responder, calls.probability, "C0", part, level, with_band=True)
    axes["D"].plot([0, 1], [0, 1], ":", color="0.6")
    axes["D"].set(xlabel="1 - specificity", ylabel="sensitivity", aspect="equal", xlim=(0, 1), ylim=(0, 1))
    axes["D"].legend(loc="lower right", fontsize=9)
    draw_survival(axes["E"], calls, level)
    for letter, title in zip("ABCDE", ("echo", "map", "what the network weighs", "ROC", "survival"), strict=True):
        axes[letter].set_title(title)
    return figure


def draw_patient(axes: list[Axes], mapped: Any, difference: np.ndarray, region: np.ndarray, *more: Any) -> None:
    """Draw the B-mode, one map over it, and that map's prediction differences in percentage points."""
    extent_mm, _, fields = more
    field = next(name for name in CHOSEN if name in fields)
    one = 100 * difference[list(fields).index(field)]
    figures.show_b_mode(axes[0], mapped.b_mode_db, mapped.b_mode_extent_mm)
    figures.show_outline(axes[0], mapped.core, mapped.maps.extent_mm)
    values = np.where(mapped.core | mapped.margin, getattr(mapped.maps, field), np.nan)
    figures.show_overlay(axes[1], mapped, values, LABELS[field])
    points, limits = np.where(region, one, np.nan), (0.0, float(one.max()) + 1e-9)
    figures.show_overlay(axes[2], mapped, points, f"|Δp|, {NAMES[field]} / %", extent_mm, "magma", limits)


def draw_survival(ax: Axes, calls: pd.DataFrame, level: float) -> None:
    """Draw recurrence-free survival of the groups that a model calls at 0.5, and log-rank p or why there is none."""
    groups = calls.duration_years, calls.recurrence, calls.probability >= 0.5
    result = survival.compare(*groups, level)
    judgement.plot_groups(ax, *groups, level, until_years=10.0)
    few = judgement.too_few(result.n_patients[1])
    told = judgement.not_compared(result) or f"log-rank p: {judgement.p_text(result.p_value)}" + f", {few}" * bool(few)
    ax.text(0.98, 0.97, told, transform=ax.transAxes, ha="right", va="top", fontsize=9)
