"""ROC curves that a reader moves: the threshold, and with it the confusion matrix, the rates and the point."""

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.stats import norm

from helpers.judgement.auc import auc_interval
from helpers.judgement.roc import band, roc_curve
from pages.judgement import beneath, lacking, sentence

TEMPLATE = files(__package__) / "roc.html"


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

    Without both classes it is a sentence that says so. Raises ``ValueError`` for no curve at all, and what
    ``auc.auc_interval`` raises for unusable scores.
    """
    if not curves:
        raise ValueError("curves is empty: expected at least one model with (positive, probability)")
    if why := lacking(positive := next(iter(curves.values()))[0]):
        return f"<p>{sentence(why)}</p>"
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
    few = beneath(positive).strip()
    return page + f"<p>{few}</p>" * bool(few)


def curve_data(title: str, positive: ArrayLike, score: ArrayLike, level: float) -> dict[str, Any]:
    """Return what the page needs of one model: scores, classes, the curve, its band, and the AUC."""
    x, y, _ = roc_curve(positive, score)
    grid, low, high = band(positive, score, level)
    order = np.argsort(score, kind="stable")  # who stands where in the cohort is nobody's business
    return {
        "title": title,
        "positive": [int(flag) for flag in np.asarray(positive)[order]],
        "score": [float(value) for value in np.asarray(score)[order]],
        "curve": np.column_stack([x, y]).tolist(),
        "band": np.round(np.concatenate([stairs(grid, low), stairs(grid, high)[::-1]]), 4).tolist(),
        "auc": auc_interval(positive, score, level),
    }


def stairs(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, "corners 2"]:
    """Return corners (2 n - 1, 2) of a curve that keeps each y until the next x."""
    return np.column_stack([np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]])
