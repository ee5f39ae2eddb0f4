"""Table 2: counts, proportions and means with intervals, and models compared. Positive means NON-responder.

>>> proportion, low, high = proportion_interval(7, 10)
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binomtest, norm, t
from sklearn.metrics import log_loss

from helpers.data.study import MODELS
from helpers.judgement.auc import UNKNOWN, Values, auc_difference, auc_interval, drawn_anew, two_classes


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


def no_information_rate(positive: ArrayLike) -> float:
    """Return the accuracy of always naming the more frequent class."""
    share = float(np.asarray(positive).mean())
    return max(share, 1 - share)


def confusion(positive: ArrayLike, probability: ArrayLike, threshold: float = 0.5) -> Confusion:
    """Return the ``Confusion`` of calling a patient non-responder where probability >= threshold."""
    called_positive, called_negative = (part >= threshold for part in two_classes(positive, probability))
    found, missed = int(called_positive.sum()), int(called_negative.sum())
    return Confusion(found, called_positive.size - found, called_negative.size - missed, missed)


def cross_entropy(positive: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean of -log p(true class), classes unweighted; a probability of 0 or 1 stays finite."""
    return float(log_loss(np.asarray(positive, bool), np.asarray(probability, float), labels=[False, True]))


# --- means


def mean_and_error(values: ArrayLike) -> tuple[Values, Values, int]:
    """Return mean and standard error of values (n, ...), and n."""
    array = np.asarray(values, float)
    return array.mean(0), array.std(0, ddof=1) / np.sqrt(len(array)), len(array)


def normal_mean(values: ArrayLike, level: float = 0.95) -> tuple[Values, Values, Values]:
    """Return (mean, low, high) of values (n, ...) over patients, by the normal approximation."""
    mean, error, _ = mean_and_error(values)
    step = norm.ppf((1 + level) / 2) * error
    return mean, mean - step, mean + step


def student_mean(values: ArrayLike, level: float = 0.95) -> tuple[Values, Values, Values]:
    """Return (mean, low, high) of values (n, ...) over a few repetitions, by Student's t with n - 1 degrees."""
    mean, error, n = mean_and_error(values)
    step = t.ppf((1 + level) / 2, n - 1) * error
    return mean, mean - step, mean + step


def bootstrap_mean(
    values: ArrayLike, level: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Return (mean, low, high) of one value per patient, patients drawn anew with replacement; NaN is left out.

    Percentile bootstrap (Efron 1979). The interval is NaN with fewer than two patients.
    """
    array = np.asarray(values, float)
    array = array[np.isfinite(array)]
    if len(array) < 2:
        return (float(array.mean()) if len(array) else np.nan, np.nan, np.nan)
    return float(array.mean()), *drawn_anew((array,), np.mean, level, n_resamples, seed)


# --- two models on the same patients


def mcnemar(positive: ArrayLike, first_call: ArrayLike, second_call: ArrayLike) -> tuple[int, int, float]:
    """Return (only_first_right, only_second_right, p_value) of two models' calls (n,) on the same patients.

    Patients whom both models call right, or both wrong, say nothing about the difference. Among the others each model
    is the right one with probability 1/2 if the models are equally good (McNemar 1947, exact by the binomial).
    """
    positive, first_call, second_call = (np.asarray(calls, bool) for calls in (positive, first_call, second_call))
    first_right, second_right = first_call == positive, second_call == positive
    only_first, only_second = int(np.sum(first_right & ~second_right)), int(np.sum(second_right & ~first_right))
    discordant = only_first + only_second
    return only_first, only_second, float(binomtest(only_first, discordant).pvalue) if discordant else 1.0


def compare_models(
    positive: ArrayLike, probability: pd.DataFrame, level: float = 0.95, threshold: float = 0.5
) -> pd.DataFrame:
    """Compare every pair of columns of ``probability`` (patients x models) on the same patients.

    Returns one row a pair: model, against, auc_difference, low, high, delong_p, only_model_right,
    only_against_right, mcnemar_p.
    """
    rows = [
        (one, other)
        + auc_difference(positive, probability[one], probability[other], level)
        + mcnemar(positive, probability[one] >= threshold, probability[other] >= threshold)
        for other, one in combinations(probability.columns, 2)
    ]
    columns = ["model", "against", "auc_difference", "low", "high", "delong_p"]
    return pd.DataFrame(rows, columns=[*columns, "only_model_right", "only_against_right", "mcnemar_p"])


# --- Table 2


def auc_if_known(positive: ArrayLike, score: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """As ``auc_interval``, but NaN without both classes."""
    both = 0 < np.sum(positive) < np.size(positive)
    return auc_interval(positive, score, level) if both else UNKNOWN


def proportions(rows: pd.DataFrame, level: float, threshold: float) -> dict[str, float]:
    """Return accuracy, specificity and sensitivity of one model's predictions, each with low and high."""
    tp, fn, tn, fp = confusion(~rows.responder, rows.probability, threshold)
    counts = {"accuracy": (tp + tn, len(rows)), "specificity": (tn, tn + fp), "sensitivity": (tp, tp + fn)}
    return {
        name + end: value
        for name, (right, total) in counts.items()
        for end, value in zip(("", "_low", "_high"), proportion_interval(right, total, level), strict=True)
    }


def table2_row(rows: pd.DataFrame, level: float, threshold: float) -> dict[str, float]:
    """Return one row of Table 2 from one model's predictions on validation and test patients."""
    validation, test = rows[rows.split == "validation"], rows[rows.split == "test"]
    auc = auc_interval(~test.responder, test.probability, level)
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

    Raises ``ValueError`` for an unknown model, a patient predicted twice by one model (several
    seeds), or a split without both classes.
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
