"""The whole path in one figure: a patient's echo, map and prediction differences, then everybody's ROC and survival."""

from collections.abc import Sequence
from typing import Any

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
    figure, axes = figures.panels(5, 2, 3.1)
    *patient, roc, curves = axes
    draw_patient(patient, *explained)
    judgement.draw_roc(roc, ~calls.responder, calls.probability, figures.COLOUR["test"], part, level, with_band=True)
    roc.plot([0, 1], [0, 1], **figures.CHANCE)
    roc.set(xlabel="1 − specificity", ylabel="sensitivity", aspect="equal", xlim=(0, 1), ylim=(0, 1))
    told = str(roc.get_lines()[0].get_label()).removeprefix(f"{part}: ")
    roc.set_title(f"{part} patients\n" + told.replace(" (", "\n("))
    draw_survival(curves, calls, level)
    return figure


def draw_patient(axes: Sequence[Axes], mapped: Any, difference: np.ndarray, region: np.ndarray, *more: Any) -> None:
    """Draw the B-mode, one map over it, and that map's prediction differences in percentage points."""
    extent_mm, _, fields = more
    field = next(name for name in CHOSEN if name in fields)
    one, limits = 100 * difference[list(fields).index(field)], figures.scale_of(100 * difference)
    figures.show_b_mode(axes[0], mapped.b_mode_db, mapped.b_mode_extent_mm)
    figures.show_outline(axes[0], mapped.core, mapped.maps.extent_mm)
    inside = mapped.core | mapped.margin
    values = np.where(inside, getattr(mapped.maps, field), np.nan)
    figures.show_overlay(axes[1], mapped, values, LABELS[field])
    points, label = np.where(region, one, np.nan), f"|Δp|, {NAMES[field]} / points"
    figures.show_overlay(axes[2], mapped, points, label, extent_mm, "magma", limits)
    figures.look_closer(axes[1:], mapped)
    for ax, title in zip(axes, ("echo", "map", "difference"), strict=True):
        ax.set_title(title)


def draw_survival(ax: Axes, calls: pd.DataFrame, level: float) -> None:
    """Draw recurrence-free survival of the groups that a model calls at 0.5, and log-rank p or why there is none."""
    groups = calls.duration_years, calls.recurrence, calls.probability >= 0.5
    result = survival.compare(*groups, level)
    judgement.plot_groups(ax, *groups, level, until_years=10.0)
    few = judgement.too_few(result.n_patients[1])
    told = judgement.not_compared(result) or f"log-rank p: {judgement.p_text(result.p_value)}" + f", {few}" * bool(few)
    ax.set_title(f"survival by what the network says\n{told}")
