"""Can the probabilities be believed, and acted on? Calibration, Brier score and net benefit."""

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from helpers.judgement.evaluation import proportion_interval, two_classes


def unweighted(probability, class_weight):
    """Undo a loss that weighs non-responders ``class_weight`` : 1, on probabilities of non-response (n,).

    A model trained to perfection with that loss says q = C p / (C p + 1 - p) where p is true (Elkan 2001,
    theorem 2); this returns p = q / (q + C (1 - q)). The order of the patients stays.
    """
    probability = np.asarray(probability, float)
    return probability / (probability + class_weight * (1 - probability))


def reliability(positive, probability, n_bins=5, level=0.95):
    """Return one row per group of about equally many patients, sorted by predicted probability.

    Columns: patients, predicted (mean), observed (share of positives), low, high (Wilson).
    """
    two_classes(positive, probability)
    order = np.argsort(np.asarray(probability), kind="stable")
    positive, probability = np.asarray(positive, bool)[order], np.asarray(probability, float)[order]
    rows = [
        (len(group), probability[group].mean(), *proportion_interval(positive[group].sum(), len(group), level))
        for group in np.array_split(np.arange(len(order)), min(n_bins, len(order)))
    ]
    return pd.DataFrame(rows, columns=["patients", "predicted", "observed", "low", "high"])


def brier(positive, probability, level=0.95):
    """Return (score, low, high): mean squared error of the probabilities (Brier 1950), 0 perfect, 0.25 for "50 %".

    The interval is that of a mean over patients, normal.
    """
    two_classes(positive, probability)
    return mean_interval((np.asarray(probability, float) - np.asarray(positive, bool)) ** 2, level)


def mean_interval(values, level=0.95):
    """Return (mean, low, high) of values (n, ...) over patients, by the normal approximation."""
    values = np.asarray(values, float)
    mean, error = values.mean(0), values.std(0, ddof=1) / np.sqrt(len(values))
    step = norm.ppf((1 + level) / 2) * error
    return mean, mean - step, mean + step


def logistic_fit(design, outcome, offset=0.0, n_steps=50):
    """Return (coefficients, covariance) of a logistic regression by Newton's method, as R's ``glm``.

    ``design`` (n, k), ``outcome`` (n,), ``offset`` (n,) on the log-odds. Both are NaN where there is no finite
    maximum: the design separates the classes.
    """
    design, outcome = np.asarray(design, float), np.asarray(outcome, float)
    coefficients = np.zeros(design.shape[1])
    for _ in range(n_steps):
        fitted = expit(design @ coefficients + offset)
        information = design.T @ (design * (fitted * (1 - fitted))[:, None])
        if np.linalg.cond(information) > 1e12:
            break
        step = np.linalg.solve(information, design.T @ (outcome - fitted))
        if np.abs(design @ step).max() < 1e-10:
            return coefficients, np.linalg.inv(information)
        coefficients += step * min(1, 4 / np.abs(design @ step).max())  # no leap of more than 4 in log-odds
    return np.full(design.shape[1], np.nan), np.full((design.shape[1],) * 2, np.nan)


def calibration_line(positive, probability, level=0.95):
    """Return a frame with rows ``intercept`` and ``slope``, columns value, low, high (Cox 1958; Wald).

    ``intercept``: what must be added to all predicted log-odds so that the number of positives comes out right;
    0 is perfect, below 0 the model says too much. ``slope``: of the outcome's log-odds on the predicted ones; 1 is
    perfect, below 1 the predictions are too extreme, near 0 they say nothing.
    """
    two_classes(positive, probability)
    odds = logit(np.clip(np.asarray(probability, float), 1e-12, 1 - 1e-12))
    ones, z = np.ones_like(odds), norm.ppf((1 + level) / 2)
    fits = {
        "intercept": logistic_fit(ones[:, None], positive, odds),
        "slope": logistic_fit(np.column_stack([ones, odds]), positive),
    }
    rows = {name: (fit[-1], np.sqrt(covariance[-1, -1])) for name, (fit, covariance) in fits.items()}
    return pd.DataFrame(
        {name: {"value": value, "low": value - z * error, "high": value + z * error}
         for name, (value, error) in rows.items()}
    ).T  # fmt: skip


def net_benefit(positive, probability, thresholds, level=0.95):
    """Return a frame indexed by threshold: model, everybody, nobody, gain, low, high (Vickers and Elkin 2006).

    Net benefit is the share of patients who are rightly treated as non-responders, less the share wrongly treated
    so, each of these weighed by the odds of the threshold; without a model one treats everybody or nobody so.
    ``gain`` is the model's less the better of these two, with its interval over the same patients.
    """
    two_classes(positive, probability)
    positive, thresholds = np.asarray(positive, bool), np.asarray(thresholds, float)
    worth = np.where(positive[:, None], 1.0, -thresholds / (1 - thresholds))  # (n, thresholds) of treating a patient
    model = worth * (np.asarray(probability, float)[:, None] >= thresholds)
    without = np.where(worth.mean(0) > 0, worth, 0.0)
    gain, low, high = mean_interval(model - without, level)
    columns = {"model": model.mean(0), "everybody": worth.mean(0), "nobody": np.zeros_like(thresholds)}
    columns |= {"gain": gain, "low": low, "high": high}
    return pd.DataFrame(columns, index=pd.Index(thresholds, name="threshold"))
