"""Can the probabilities be believed, and acted on? Calibration, Brier score and net benefit."""

import warnings

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from scipy.special import logit
from scipy.stats import norm
from statsmodels.discrete.discrete_model import Logit
from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

from beyond.means import normal_mean
from helpers.judgement.auc import two_classes
from helpers.judgement.evaluation import proportion_interval


def unweighted(probability: ArrayLike, class_weight: float) -> Float[np.ndarray, "..."]:
    """Undo a loss that weighs non-responders ``class_weight`` : 1, on probabilities of non-response (n,).

    A model trained to perfection with that loss says q = C p / (C p + 1 - p) where p is true (Elkan 2001,
    theorem 2); this returns p = q / (q + C (1 - q)). The order of the patients stays.
    """
    probability = np.asarray(probability, float)
    return probability / (probability + class_weight * (1 - probability))


def reliability(positive: ArrayLike, probability: ArrayLike, n_bins: int = 5, level: float = 0.95) -> pd.DataFrame:
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


def brier(positive: ArrayLike, probability: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Return (score, low, high): mean squared error of the probabilities (Brier 1950), 0 perfect, 0.25 for "50 %".

    The interval is that of a mean over patients, normal and clipped to 0-1, beyond which no score lies.
    """
    two_classes(positive, probability)
    score, low, high = normal_mean((np.asarray(probability, float) - np.asarray(positive, bool)) ** 2, level)
    return float(score), max(float(low), 0.0), min(float(high), 1.0)


def conformal_sets(positive: ArrayLike, score: ArrayLike, level: float = 0.9) -> Bool[np.ndarray, "n 2"]:
    """Return for each patient (n,) whether she may be positive and whether negative: label-conditional conformal sets.

    A class is left out where at most 1 - level of its patients, herself counted in, look as little like it by their
    score (Vovk et al. 2005). Among exchangeable patients either class is left out of its own by at most that share.
    """
    positive, score = np.asarray(positive, bool), np.asarray(score, float)
    columns = []
    for member, typical in ((positive, score), (~positive, -score)):
        stranger = (typical[member] <= typical[:, None]).sum(axis=1) + ~member
        columns.append(stranger / (member.sum() + ~member) > 1 - level + 1e-9)
    return np.stack(columns, axis=1)


def logistic_fit(
    design: Float[np.ndarray, "n k"], outcome: ArrayLike, offset: ArrayLike | None = None
) -> tuple[float, float]:
    """Return the last coefficient and its standard error of a logistic regression, as R's ``glm``.

    ``design`` (n, k), ``outcome`` (n,), ``offset`` (n,) on the log-odds. A trust region comes near from anywhere,
    Newton's method then adds the last digits. There must be a finite maximum: classes that overlap.
    """
    model = Logit(np.asarray(outcome, float), design, offset=offset)
    with np.errstate(over="ignore"), warnings.catch_warnings():  # at probabilities of 0 and 1
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        near = model.fit(method="minimize", min_method="trust-exact", disp=0, warn_convergence=False)
        fit = model.fit(near.params, method="newton", tol=1e-10, disp=0, warn_convergence=False)
    return float(fit.params[-1]), float(fit.bse[-1])


def overlapping(positive: Bool[np.ndarray, " n"], odds: Float[np.ndarray, " n"]) -> bool:
    """Return whether neither class lies wholly on one side of the other, ties allowed (Albert and Anderson 1984)."""
    one, other = odds[positive], odds[~positive]
    return bool(one.min() < other.max() and other.min() < one.max())


def calibration_line(positive: ArrayLike, probability: ArrayLike, level: float = 0.95) -> pd.DataFrame:
    """Return a frame with rows ``intercept`` and ``slope``, columns value, low, high (Cox 1958; Wald).

    ``intercept``: what must be added to all predicted log-odds so that the number of positives comes out right;
    0 is perfect, below 0 the model says too much. ``slope``: of the outcome's log-odds on the predicted ones; 1 is
    perfect, below 1 the predictions are too extreme, near 0 they say nothing, NaN where it would be infinite or the
    same is predicted for all. Probabilities of 0 and 1 count as 1e-12 and 1 - 1e-12.
    """
    two_classes(positive, probability)
    positive = np.asarray(positive, bool)
    odds = logit(np.clip(np.asarray(probability, float), 1e-12, 1 - 1e-12))
    ones, z = np.ones((len(odds), 1)), norm.ppf((1 + level) / 2)
    fits = {"intercept": logistic_fit(ones, positive, odds), "slope": (np.nan, np.nan)}
    if overlapping(positive, odds):
        fits["slope"] = logistic_fit(np.column_stack([ones, odds]), positive)
    ends = [(value, value - z * error, value + z * error) for value, error in fits.values()]
    return pd.DataFrame(ends, index=list(fits), columns=["value", "low", "high"])


def net_benefit(
    positive: ArrayLike, probability: ArrayLike, thresholds: ArrayLike, level: float = 0.95
) -> pd.DataFrame:
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
    gain, low, high = normal_mean(model - without, level)
    columns = {"model": model.mean(0), "everybody": worth.mean(0), "nobody": np.zeros_like(thresholds)}
    columns |= {"gain": gain, "low": low, "high": high}
    return pd.DataFrame(columns, index=pd.Index(thresholds, name="threshold"))
