"""Table 2 and its intervals. The positive class is the NON-responder everywhere.

>>> auc, low, high = auc_interval([True, True, False, False], [0.9, 0.4, 0.5, 0.1])
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import beta, bootstrap, norm
from sklearn.metrics import log_loss

from helpers.data.study import MODELS

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


class Confusion(NamedTuple):
    """Counts of patients by truth and call."""

    non_responders_found: int
    non_responders_missed: int
    responders_found: int
    responders_missed: int


def wins(positive_score, negative_score):
    """Return (..., n_pos, n_neg): 1 where a positive scores above a negative, 0.5 where they tie, else 0."""
    positive_score, negative_score = np.asarray(positive_score), np.asarray(negative_score)
    above = positive_score[..., :, None] > negative_score[..., None, :]
    return above + 0.5 * (positive_score[..., :, None] == negative_score[..., None, :])


def delong(won):
    """Return mean and variance (...) of wins (..., n_pos, n_neg); DeLong et al. 1988, equations 4-6.

    The mean of ``wins`` is the AUC. Fed with the difference of two models' wins on the same
    patients, the mean is the difference of their AUCs and the variance is that of the difference.
    The variance is NaN with a single patient in either class.
    """
    n_positive, n_negative = won.shape[-2:]
    if min(n_positive, n_negative) < 2:
        return won.mean((-2, -1)), np.full(won.shape[:-2], np.nan)[()]
    rows, columns = won.mean(-1), won.mean(-2)
    return won.mean((-2, -1)), rows.var(-1, ddof=1) / n_positive + columns.var(-1, ddof=1) / n_negative


def interval_of(auc, variance, n_pairs, level=0.95, scale="logit"):
    """Return (low, high) around AUCs (...) with DeLong variances (...); ``n_pairs`` = min(n_pos, n_neg).

    ``"logit"``: normal on the log-odds of the AUC (Pepe 2003, section 5.2.4). ``"plain"``: normal on
    the AUC itself and clipped to 0-1, as in R's pROC. Where the variance is zero or undefined
    (classes separated perfectly, all scores tied, one patient in a class) it is ``pairs_interval``.
    """
    if scale not in {"logit", "plain"}:
        raise ValueError(f"scale {scale!r}: expected 'logit' or 'plain'")
    auc, variance = np.asarray(auc, float), np.asarray(variance, float)
    step, signs = norm.ppf((1 + level) / 2) * np.sqrt(variance), np.array([-1.0, 1.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "logit":
            ends = [expit(logit(auc) + sign * step / (auc * (1 - auc))) for sign in signs]
        else:
            ends = [np.clip(auc + sign * step, 0, 1) for sign in signs]
    usable, fallback = variance > 1e-15, pairs_interval(auc, n_pairs, level)
    return tuple(np.where(usable, end, instead)[()] for end, instead in zip(ends, fallback, strict=True))


def pairs_interval(auc, n_pairs, level=0.95):
    """Return (low, high) of Clopper and Pearson 1934 for ``auc * n_pairs`` of ``n_pairs`` pairs won.

    Among n_pos and n_neg patients are min(n_pos, n_neg) pairs that share no patient; each is won with
    probability AUC, whatever the distributions. All won, the lower end is
    ``((1 - level) / 2) ** (1 / n_pairs)``. Valid for any distribution, hence wide.
    """
    won, lost, tail = auc * n_pairs, (1 - auc) * n_pairs, (1 - level) / 2
    low = np.where(won > 0, beta.ppf(tail, np.maximum(won, 1e-9), lost + 1), 0.0)
    high = np.where(lost > 0, beta.ppf(1 - tail, won + 1, np.maximum(lost, 1e-9)), 1.0)
    return low[()], high[()]


def two_classes(positive, score):
    """Return the scores of the positives and of the negatives, or say what is wrong with them."""
    positive, score = np.asarray(positive), np.asarray(score, float)
    if positive.ndim != 1 or positive.shape != score.shape:
        raise ValueError(f"positive {positive.shape} and score {score.shape}: expected two lists of one length")
    if not np.isin(positive, (0, 1)).all():
        raise ValueError(f"positive holds {np.unique(positive)}: expected True (non-responder) or False")
    if not np.isfinite(score).all():
        raise ValueError(f"{np.sum(~np.isfinite(score))} of {score.size} scores are NaN or infinite")
    positive = positive.astype(bool)
    if positive.all() or not positive.any():
        raise ValueError(f"{positive.sum()} positive of {positive.size} patients: both classes are needed")
    return score[positive], score[~positive]


def auc_interval(positive, score, level=0.95, scale="logit"):
    """Return (auc, low, high) of scores (n,) for classes (n,), by DeLong's variance; see ``interval_of``.

    Raises ``ValueError`` for lengths that differ, a missing class, or a score that is not finite.
    """
    positive_score, negative_score = two_classes(positive, score)
    auc, variance = delong(wins(positive_score, negative_score))
    n_pairs = min(positive_score.size, negative_score.size)
    low, high = interval_of(auc, variance, n_pairs, level, scale)
    return float(auc), float(low), float(high)


def auc_bootstrap(positive, score, level=0.95, n_resamples=2000, seed=0):
    """Return the (low, high) percentile interval of the AUC, patients drawn anew within each class."""
    samples = two_classes(positive, score)
    return tuple(
        bootstrap(
            samples, lambda a, b, axis: wins(a, b).mean((-2, -1)), confidence_level=level,
            n_resamples=n_resamples, method="percentile", batch=500, rng=np.random.default_rng(seed),
        ).confidence_interval
    )  # fmt: skip


def coverage(auc, n_positive, n_negative, n_studies=4000, level=0.95, scale="logit", seed=0):
    """Return the share of simulated studies (two normal classes) whose interval holds the true ``auc``."""
    generator = np.random.default_rng(seed)
    shift = np.sqrt(2) * norm.ppf(auc)
    positive_score = shift + generator.standard_normal((n_studies, n_positive))
    found, variance = delong(wins(positive_score, generator.standard_normal((n_studies, n_negative))))
    low, high = interval_of(found, variance, min(n_positive, n_negative), level, scale)
    return float(np.mean((low <= auc) & (auc <= high)))


def proportion_interval(successes, total, level=0.95):
    """Return (proportion, low, high) by Wilson's score interval (Wilson 1927).

    Raises ``ValueError`` unless 0 <= successes <= total and total >= 1.
    """
    if total < 1 or not 0 <= successes <= total:
        raise ValueError(f"{successes} of {total}: expected a number of patients out of at least one")
    low, high = wilson(successes, total, level)
    return successes / total, float(low), float(high)


def wilson(successes, total, level=0.95):
    """Return (low, high) of Wilson's score interval for arrays of counts, equation (2) of Brown et al. 2001."""
    z, successes = norm.ppf((1 + level) / 2), np.asarray(successes, float)
    centre = successes + z**2 / 2
    half = z * np.sqrt(successes * (total - successes) / total + z**2 / 4)
    return np.clip((centre - half) / (total + z**2), 0, 1), np.clip((centre + half) / (total + z**2), 0, 1)


def no_information_rate(positive):
    """Return the accuracy of always naming the more frequent class."""
    share = float(np.mean(positive))
    return max(share, 1 - share)


def confusion(positive, probability, threshold=0.5):
    """Return the ``Confusion`` of calling a patient non-responder where probability >= threshold."""
    called_positive, called_negative = (part >= threshold for part in two_classes(positive, probability))
    found, missed = int(called_positive.sum()), int(called_negative.sum())
    return Confusion(found, called_positive.size - found, called_negative.size - missed, missed)


def cross_entropy(positive, probability):
    """Return the mean of -log p(true class), classes unweighted; a probability of 0 or 1 stays finite."""
    return float(log_loss(np.asarray(positive, bool), np.asarray(probability, float), labels=[False, True]))


def proportions(rows, level, threshold):
    """Return accuracy, specificity and sensitivity of one model's predictions, each with low and high."""
    tp, fn, tn, fp = confusion(~rows.responder, rows.probability, threshold)
    counts = {"accuracy": (tp + tn, len(rows)), "specificity": (tn, tn + fp), "sensitivity": (tp, tp + fn)}
    intervals = {name: proportion_interval(*count, level) for name, count in counts.items()}
    return {name + end: value for name, three in intervals.items()
            for end, value in zip(("", "_low", "_high"), three, strict=True)}  # fmt: skip


def table2_row(rows, level, threshold):
    """Return one row of Table 2 from one model's predictions on validation and test patients."""
    validation, test = rows[rows.split == "validation"], rows[rows.split == "test"]
    auc = auc_interval(~test.responder, test.probability, level)
    return (
        {f"validation_{name}": value for name, value in proportions(validation, level, threshold).items()}
        | {"validation_loss": cross_entropy(~validation.responder, validation.probability)}
        | {f"test_{name}": value for name, value in proportions(test, level, threshold).items()}
        | dict(zip(("test_auc", "test_auc_low", "test_auc_high"), auc, strict=True))
    )


def table2(predictions, level=0.95, threshold=0.5):
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
    predictions = predictions.astype({"responder": bool})
    table = {}
    for slug, spec in MODELS.items():
        rows = predictions[predictions.model == slug]
        if len(rows):
            features, region = spec.title.split(", ")
            table[spec.number] = {"features": features, "input": region} | table2_row(rows, level, threshold)
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("model")


def readable(table):
    """Return ``table2(...)`` or ``audit.printed_table2()`` as text in the paper's columns, such as 80 (67-89)."""
    return pd.DataFrame({heading: [cell(row, name) for _, row in table.iterrows()]
                         for name, heading in HEADINGS.items()}, index=table.index)  # fmt: skip


def cell(row, name):
    """Return one cell of Table 2 as text: AUC and loss with two decimals, proportions in per cent."""
    if isinstance(row[name], str):
        return row[name]
    in_percent = not name.endswith(("auc", "loss"))
    value = f"{100 * row[name]:.1f}".removesuffix(".0") if in_percent else f"{row[name]:.2f}"
    end = (lambda number: f"{100 * number:.0f}") if in_percent else "{:.2f}".format
    if f"{name}_half_width" in row:
        return f"{value} ± {end(row[f'{name}_half_width'])}"
    if f"{name}_low" in row:
        return f"{value} ({end(row[f'{name}_low'])}–{end(row[f'{name}_high'])})"
    return value
