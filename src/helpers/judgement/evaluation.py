"""Table 2: counts, proportions and means with intervals, and models compared. Positive means NON-responder.

>>> proportion, low, high = proportion_interval(7, 10)
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm
from sklearn.metrics import log_loss

from helpers.data.study import MODELS
from helpers.judgement.auc import UNKNOWN, Values, auc_interval, by_class


class Confusion(NamedTuple):
    """Counts of patients by truth and call."""

    non_responders_found: int
    non_responders_missed: int
    responders_found: int
    responders_missed: int


# --- counts and proportions


def proportion_interval(
    successes: int | np.integer, total: int | np.integer, level: float = 0.95
) -> tuple[float, float, float]:
    """Return (proportion, low, high) by Wilson's score interval (Wilson 1927).

    Raises ``ValueError`` unless 0 <= successes <= total and total >= 1.
    """
    if total < 1 or not 0 <= successes <= total:
        raise ValueError(f"{successes} of {total}: expected a number of patients out of at least one")
    low, high = wilson(successes, total, level)
    return float(successes / total), float(low), float(high)


def wilson(
    successes: ArrayLike | int | np.integer, total: int | np.integer, level: float = 0.95
) -> tuple[Values, Values]:
    """Return (low, high) of Wilson's score interval for arrays of counts, equation (2) of Brown et al. 2001.

    By hand: scipy takes one count at a time, and statsmodels a second to be imported.
    """
    z, successes = norm.ppf((1 + level) / 2), np.asarray(successes, float)
    centre = successes + z**2 / 2
    half = z * np.sqrt(successes * (total - successes) / total + z**2 / 4)
    return np.clip((centre - half) / (total + z**2), 0, 1), np.clip((centre + half) / (total + z**2), 0, 1)


def confusion(positive: ArrayLike, probability: ArrayLike, threshold: float = 0.5) -> Confusion:
    """Return the ``Confusion`` of calling a patient non-responder where probability >= threshold."""
    called_positive, called_negative = (part >= threshold for part in by_class(positive, probability))
    found, missed = int(called_positive.sum()), int(called_negative.sum())
    return Confusion(found, called_positive.size - found, called_negative.size - missed, missed)


def cross_entropy(positive: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean of -log p(true class), classes unweighted; a probability of 0 or 1 stays finite.

    NaN of nobody.
    """
    if np.size(positive) == 0:
        return np.nan
    return float(log_loss(np.asarray(positive, bool), np.asarray(probability, float), labels=[False, True]))


# --- Table 2


def auc_if_known(positive: ArrayLike, score: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """As ``auc_interval``, but NaN without both classes."""
    both = 0 < np.sum(positive) < np.size(positive)
    return auc_interval(positive, score, level) if both else UNKNOWN


def proportions(rows: pd.DataFrame, level: float, threshold: float) -> dict[str, float]:
    """Return accuracy, specificity and sensitivity of a model's predictions, each with low and high; NaN of nobody."""
    tp, fn, tn, fp = confusion(~rows.responder, rows.probability, threshold)
    counts = {"accuracy": (tp + tn, len(rows)), "specificity": (tn, tn + fp), "sensitivity": (tp, tp + fn)}
    found: dict[str, float] = {}
    for name, (right, total) in counts.items():
        three = proportion_interval(right, total, level) if total else UNKNOWN
        found |= dict(zip((name, f"{name}_low", f"{name}_high"), three, strict=True))
    return found


def table2_row(rows: pd.DataFrame, level: float, threshold: float) -> dict[str, float]:
    """Return one row of Table 2 from one model's predictions on validation and test patients; see ``table2``."""
    validation, test = rows[rows.split == "validation"], rows[rows.split == "test"]
    auc = auc_if_known(~test.responder, test.probability, level)
    return (
        {f"validation_{name}": value for name, value in proportions(validation, level, threshold).items()}
        | {"validation_loss": cross_entropy(~validation.responder, validation.probability)}
        | {f"test_{name}": value for name, value in proportions(test, level, threshold).items()}
        | dict(zip(("test_auc", "test_auc_low", "test_auc_high"), auc, strict=True))
    )


def table2(predictions: pd.DataFrame, level: float = 0.95, threshold: float = 0.5) -> pd.DataFrame:
    """Return Table 2 in the paper's order: rows models 1-4, proportions of 1 with ``_low`` and ``_high``.

    ``predictions`` has one row per model and patient: patient, model, split, responder, probability
    (of non-response). Specificity: responders found. Sensitivity: non-responders found.

    What a split without patients, or without one of the classes, cannot tell is NaN. Raises ``ValueError`` for an
    unknown model or a patient predicted twice by one model (several seeds).
    """
    unknown = sorted(set(predictions.model) - set(MODELS))
    if unknown:
        raise ValueError(f"unknown models {unknown}: expected {list(MODELS)}")
    if predictions.duplicated(["model", "patient"]).any():
        raise ValueError("a model predicts a patient more than once: choose one seed")
    predictions, table = predictions.astype({"responder": bool}), {}
    for slug, spec in MODELS.items():
        rows = predictions[predictions.model == slug]
        if len(rows):
            words = dict(zip(("features", "input"), spec.title.split(", "), strict=True))
            table[spec.number] = words | table2_row(rows, level, threshold)
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("model")
