"""Judgement as text and drawings: Table 2, intervals, ROC curves that a reader can move, survival of two groups."""

from collections.abc import Iterable, Mapping
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from beyond.means import bootstrap_mean
from helpers.judgement.auc import auc_interval
from helpers.judgement.evaluation import confusion
from helpers.judgement.roc import band, roc_curve
from helpers.judgement.survival import Comparison, at_risk, checked, fit_curve
from pages.figures import COLOUR, SMALLEST_PT

HEADINGS = {
    "features": "Features",
    "input": "Input",
    "validation_accuracy": "Val. acc (%)",
    "validation_specificity": "Val. spec (%)",
    "validation_sensitivity": "Val. sen (%)",
    "validation_loss": "Val. loss",
    "test_accuracy": "Test acc (%)",
    "test_specificity": "Test spec (%)",
    "test_sensitivity": "Test sen (%)",
    "test_auc": "Test AUC",
}


NOT_COMPUTED = "not computed"
FEWEST = 5  # non-responders: of fewer, an AUC, a sensitivity or an interval is shown as too few


def counted(n: int, name: str) -> str:
    """Return a number of patients as text, such as 1 responder, 3 responders."""
    return f"{n} {name}{'s' * (n != 1)}"


def listing(names: Iterable[str]) -> str:
    """Return names as words: MBF; MBF and EAC; MBF, SI and EAC."""
    names = list(names)
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def lacking(positive: ArrayLike, where: str = "the test set", least: int = 1) -> str:
    """Return why a statistic of two classes is not computed, as text; empty where each has ``least`` patients."""
    positive = np.asarray(positive, bool)
    counts = {"non-responder": int(positive.sum()), "responder": int((~positive).sum())}
    if positive.size == 0:
        return f"{NOT_COMPUTED}: 0 patients in {where}"
    few = [counted(n, name) for name, n in counts.items() if n < least]
    return f"{NOT_COMPUTED}: {' and '.join(few)} in {where}" if few else ""


def too_few(n_positive: int) -> str:
    """Return "too few: 3 non-responders" for 1 to ``FEWEST`` - 1, else nothing; of none nothing is computed at all.

    The value stays where it is: DeLong's interval of three non-responders holds the true AUC less often than it says.
    """
    return f"too few: {counted(n_positive, 'non-responder')}" if 0 < n_positive < FEWEST else ""


def beneath(positive: ArrayLike, where: str = "the test set") -> str:
    """Return a paragraph beneath figures of classes (n,), True for a non-responder: ``too_few``, or nothing."""
    few = too_few(int(np.sum(positive)))
    return f"\n\n{sentence(few + ' in ' + where)}" if few else ""


def sentence(why_not: str) -> str:
    """Return why something is not computed as a sentence; empty where it is."""
    return why_not[:1].upper() + why_not[1:] + "." * bool(why_not)


def lacking_sets(predictions: pd.DataFrame) -> str:
    """Return what validation and test set lack for Table 2, or have too few of; empty where they lack nothing.

    ``predictions`` has a row a model and patient: model, patient, split, responder.
    """
    patients, told = predictions.drop_duplicates("patient"), ""
    for where in ("validation", "test"):
        positive = ~patients.responder[patients.split == where].astype(bool)
        why = lacking(positive, f"the {where} set")
        told += f"\n\n{sentence(why)}" if why else beneath(positive, f"the {where} set")
    return told


def write_instead(ax: Axes, why: str) -> None:
    """Write into a panel why there is nothing to draw."""
    ax.text(0.5, 0.5, fill(why, 34), transform=ax.transAxes, ha="center", va="center", size=SMALLEST_PT)
    ax.set(xticks=[], yticks=[])


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return ``table2(...)`` or ``printed_table2()`` as text in the paper's columns, such as 80 (67-89)."""
    columns = {heading: [cell(row, name) for _, row in table.iterrows()] for name, heading in HEADINGS.items()}
    return pd.DataFrame(columns, index=table.index)


def cell(row: pd.Series, name: str) -> str:
    """Return one cell of Table 2 as text: AUC and loss with two decimals, proportions in per cent; NaN is told."""
    if isinstance(row[name], str):
        return row[name]
    if np.isnan(row[name]):
        return NOT_COMPUTED
    scale, form = (1, ".2f") if name.endswith(("auc", "loss")) else (100, ".0f")
    value = f"{row[name]:.2f}" if scale == 1 else f"{100 * row[name]:.1f}".removesuffix(".0")
    if f"{name}_half_width" in row:
        return f"{value} ± {scale * row[f'{name}_half_width']:{form}}"
    if f"{name}_low" in row:
        return f"{value} ({scale * row[f'{name}_low']:{form}}–{scale * row[f'{name}_high']:{form}})"
    return value


def with_interval(three: Any, form: str = ".2f", to: str = " to ", missing: str = "cannot be estimated") -> str:
    """Return (value, low, high) as text, such as 0.81 (0.65 to 0.92); ``missing`` where the value is NaN."""
    value, low, high = three
    if np.isnan(value):
        return missing
    return f"{value:{form}} ({NOT_COMPUTED if np.isnan(low) else f'{low:{form}}{to}{high:{form}}'})"


def compared(pairs: pd.DataFrame, title: Mapping[str, str]) -> pd.DataFrame:
    """Return ``compare_models(...)`` as text; a pair without p-value is not computed."""
    three = pairs[["auc_difference", "low", "high"]].itertuples(index=False)
    only = pairs[["only_model_right", "only_against_right"]].astype(str)
    columns = {
        "model": pairs.model.map(title),
        "against": pairs.against.map(title),
        "AUC difference": [with_interval(one, "+.2f", missing=NOT_COMPUTED) for one in three],
        "DeLong p": pairs.delong_p.map("{:.3f}".format).where(pairs.delong_p.notna(), NOT_COMPUTED),
        "only this / only the other right": only.agg(" / ".join, axis=1),
        "McNemar p": pairs.mcnemar_p.map("{:.3f}".format),
    }
    return pd.DataFrame(columns)


def mean_in_words(values: ArrayLike, level: float = 0.95) -> str:
    """Return the mean of one value per patient with its bootstrap interval as text."""
    return with_interval(bootstrap_mean(values, level))


def p_text(p_value: float) -> str:
    """Return a p-value as text: three decimals, "< 0.001", or "undefined"."""
    if np.isnan(p_value):
        return "undefined"
    return f"{p_value:.3f}" if p_value >= 0.001 else "< 0.001"


def not_compared(result: Comparison) -> str:
    """Return why the survival of two groups is not compared, as text; empty where it is."""
    groups = zip(("responders", "non-responders"), result.n_patients, strict=True)
    lacks = [f"0 {name} in this grouping" for name, n in groups if n == 0]
    lacks += ["0 recurrences"] * (sum(result.n_events) == 0)
    return f"{NOT_COMPUTED}: {' and '.join(lacks)}" if lacks else ""


def survival_row(result: Comparison, years: tuple[float, float, float], horizon_years: float) -> dict[str, str]:
    """Return one row of the survival table as text; ``years`` is the difference in restricted means."""
    why, few = not_compared(result), too_few(result.n_patients[1])
    row = {
        "patients (R, NR)": "{}, {}".format(*result.n_patients) + f" ({few})" * bool(few),
        "recurrences (R, NR)": "{}, {}".format(*result.n_events),
        "log-rank p": why or p_text(result.p_value),
        "hazard ratio": with_interval((result.hazard_ratio, *result.hazard_ratio_interval), to="–"),
        "proportional? p": p_text(result.proportional_p),
        f"years in the first {horizon_years:.1f}": with_interval(years, "+.2f", missing="unknown"),
    }
    return {name: NOT_COMPUTED if why and number > 2 else text for number, (name, text) in enumerate(row.items())}


def operating_point(positive: ArrayLike, score: ArrayLike, threshold: float = 0.5) -> tuple[float, float]:
    """Return (false_positive_rate, true_positive_rate) of calling a non-responder where score >= threshold."""
    found, missed, right, false = confusion(positive, score, threshold)
    return false / (right + false), found / (found + missed)


def draw_roc(
    ax: Axes,
    positive: ArrayLike,
    score: ArrayLike,
    colour: str,
    name: str,
    level: float = 0.95,
    threshold: float = 0.5,
    with_band: bool = False,
) -> None:
    """Draw one ROC curve with its operating point; the label tells AUC and interval, of too few too, or why none."""
    if why := lacking(positive, f"the {name} set"):
        ax.plot([], [], color=colour, label=fill(why, 34))
        return
    x, y, _ = roc_curve(positive, score)
    auc, low, high = auc_interval(positive, score, level)
    few = too_few(int(np.sum(positive)))
    ax.plot(x, y, color=colour, label=f"{name}: AUC {auc:.2f} ({low:.2f}–{high:.2f})" + f"\n{few}" * bool(few))
    ax.plot(*operating_point(positive, score, threshold), "o", color=colour, ms=8, clip_on=False)
    if with_band:
        grid, lower, upper = band(positive, score, level)
        ax.fill_between(grid, lower, upper, step="post", color=colour, alpha=0.15, lw=0)


LABELS = ("responders", "non-responders")


COLOURS = COLOUR["responder"], COLOUR["non-responder"]


def plot_groups(
    ax: Axes,
    duration_years: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    level: float = 0.95,
    labels: tuple[str, str] = LABELS,
    until_years: float | None = None,
) -> Axes:
    """Draw both groups' curves with intervals, ticks where patients leave, and numbers at risk below.

    The time axis ends at ``until_years``, or with the last patient.
    """
    duration, event, group = checked(duration_years, event, group)
    for member, label, colour, style in zip((~group, group), labels, COLOURS, ("-", "--"), strict=True):
        if member.any():
            fit = fit_curve(duration[member], event[member], level, f"{label} ({member.sum()})")
            look = {"color": colour, "linestyle": style, "show_censors": True, "ci_alpha": 0.15}
            fit.plot_survival_function(ax=ax, censor_styles={"ms": 6, "marker": "|"}, **look)
    ax.set(ylim=(0, 1.02), xlim=(0, until_years or duration.max()), xlabel="years", ylabel="recurrence-free")
    ax.legend(loc="lower left", framealpha=0.6)
    write_at_risk(ax, duration, (~group, group))
    return ax


def write_at_risk(
    ax: Axes, duration: Float[np.ndarray, " n"], members: tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]
) -> None:
    """Write the numbers at risk of each group below the ticks of the time axis, in the group's colour."""
    look: Any = {"textcoords": "offset points", "va": "top", "size": SMALLEST_PT}
    years = [year for year in ax.get_xticks() if ax.get_xlim()[0] <= year <= ax.get_xlim()[1]]
    for row, (member, colour) in enumerate(zip(members, COLOURS, strict=True)):
        own = look | {"xytext": (0, -47 - 14 * row), "xycoords": ax.get_xaxis_transform(), "color": colour}
        for year, count in zip(years, at_risk(duration[member], years), strict=True):
            ax.annotate(str(count), (year, 0), ha="center", **own)
    ax.annotate("at risk", (0, 0), (0, -34), "axes fraction", ha="left", style="italic", **look)
