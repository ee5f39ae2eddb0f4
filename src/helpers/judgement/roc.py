"""ROC curves with bands, precision and recall, and a curve whose threshold the reader moves.

>>> page = interactive({"RAN": (positive, probability)})  # HTML that needs no server and no network
"""

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.stats import norm
from sklearn import metrics

from helpers.judgement.auc import auc_interval, two_classes
from helpers.judgement.evaluation import confusion, wilson

TEMPLATE = files(__package__) / "roc.html"
Points = Float[np.ndarray, " n"]


def roc_curve(positive: ArrayLike, score: ArrayLike) -> tuple[Points, Points, Points]:
    """Return (false_positive_rate, true_positive_rate, threshold), one point per distinct score."""
    two_classes(positive, score)
    return metrics.roc_curve(positive, score, drop_intermediate=False)


def band(positive: ArrayLike, score: ArrayLike, level: float = 0.95) -> tuple[Points, Points, Points]:
    """Return (false_positive_rate, low, high) of a band of steps around the ROC curve.

    At each threshold both rates have Wilson intervals of level sqrt(``level``); the classes are independent, so
    that the rectangle of the two holds the true point with probability ``level`` (Pepe 2003, section 2.2.2).
    The band is what the rectangles of all thresholds cover. It holds each single point, not the whole curve.
    """
    false_rate, true_rate, _ = roc_curve(positive, score)
    positive_score, negative_score = two_classes(positive, score)
    x, y = (
        np.column_stack(wilson(np.rint(rate * part.size), part.size, level**0.5))
        for rate, part in ((false_rate, negative_score), (true_rate, positive_score))
    )
    grid = np.unique(np.concatenate([[0, 1], x.ravel()]))
    high = np.array([y[x[:, 0] <= at, 1].max(initial=y[0, 1]) for at in grid])
    low = np.array([y[x[:, 1] <= at, 0].max(initial=0.0) for at in grid])
    return grid, low, high


def operating_point(positive: ArrayLike, score: ArrayLike, threshold: float = 0.5) -> tuple[float, float]:
    """Return (false_positive_rate, true_positive_rate) of calling a non-responder where score >= threshold."""
    found, missed, right, false = confusion(positive, score, threshold)
    return false / (right + false), found / (found + missed)


def precision_recall(positive: ArrayLike, score: ArrayLike) -> tuple[Points, Points, float]:
    """Return (precision, recall, average_precision); precision is the positive predictive value.

    The curves run from everybody called a non-responder to nobody. Average precision is the sum of precisions,
    each weighed by the recall that it adds.
    """
    two_classes(positive, score)
    precision, recall, _ = metrics.precision_recall_curve(positive, score)
    return precision, recall, float(metrics.average_precision_score(positive, score))


def draw(
    ax: Axes,
    positive: ArrayLike,
    score: ArrayLike,
    colour: str,
    name: str,
    level: float = 0.95,
    threshold: float = 0.5,
    with_band: bool = False,
) -> None:
    """Draw one ROC curve with its operating point; the label carries AUC and interval."""
    x, y, _ = roc_curve(positive, score)
    auc, low, high = auc_interval(positive, score, level)
    ax.plot(x, y, color=colour, label=f"{name}: AUC {auc:.2f} ({low:.2f}–{high:.2f})")
    ax.plot(*operating_point(positive, score, threshold), "o", color=colour, ms=8, clip_on=False)
    if with_band:
        grid, lower, upper = band(positive, score, level)
        ax.fill_between(grid, lower, upper, step="post", color=colour, alpha=0.15, lw=0)


def interactive(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    threshold: float = 0.5,
    level: float = 0.95,
    name: str = "roc",
    whose: str = "simulated test patients",
) -> str:
    """Return HTML with one slider for the threshold: confusion matrix, rates and the point on the curve follow.

    ``curves`` maps the title of a model to (positive (n,), probability (n,)). The HTML stands alone: data, drawing
    and a few lines of JavaScript are inside. ``name`` tells two of them on one page apart.
    ``#name=0.3`` at the end of the page's address opens it at that threshold.

    Raises ``ValueError`` for no curve at all, and what ``auc.auc_interval`` raises for unusable scores.
    """
    if not curves:
        raise ValueError("curves is empty: expected at least one model with (positive, probability)")
    data = {
        "curves": [curve_data(title, *two, level) for title, two in curves.items()],
        "threshold": threshold,
        "z": float(norm.ppf((1 + level) / 2)),
    }
    parts = {
        "NAME": name,
        "WHOSE": escape(whose.capitalize()),
        "DATA": json.dumps(data, ensure_ascii=True).replace("<", "\\u003c"),
    }
    page = TEMPLATE.read_text(encoding="utf-8")
    for word, text in parts.items():
        page = page.replace(f"%{word}%", text)
    return page


def curve_data(title: str, positive: ArrayLike, score: ArrayLike, level: float) -> dict[str, Any]:
    """Return what the page needs of one model: scores, classes, the curve, its band, and the AUC."""
    x, y, _ = roc_curve(positive, score)
    grid, low, high = band(positive, score, level)
    return {
        "title": title,
        "positive": [int(flag) for flag in np.asarray(positive)],
        "score": [float(value) for value in np.asarray(score)],
        "curve": np.column_stack([x, y]).tolist(),
        "band": np.round(np.concatenate([stairs(grid, low), stairs(grid, high)[::-1]]), 4).tolist(),
        "auc": auc_interval(positive, score, level),
    }


def stairs(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, "corners 2"]:
    """Return corners (2 n - 1, 2) of a curve that keeps each y until the next x."""
    return np.column_stack([np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]])
