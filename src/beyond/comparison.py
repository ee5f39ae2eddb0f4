"""Models against one another, against knowing nothing, and where one class is rare. Positive means NON-responder."""

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binomtest
from sklearn import metrics

from helpers.judgement.auc import UNKNOWN, auc_difference, two_classes
from helpers.judgement.roc import Points


def no_information_rate(positive: ArrayLike) -> float:
    """Return the accuracy of always naming the more frequent class, NaN of nobody."""
    share = float(np.asarray(positive).mean()) if np.size(positive) else np.nan
    return max(share, 1 - share)


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
    positive: ArrayLike, probability: pd.DataFrame, level: float = 0.95, called: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Compare every pair of columns of ``probability`` (patients x models) on the same patients.

    ``called`` (patients x models) holds the calls for McNemar's test, True for a non-responder; without it they are
    probabilities from 0.5 on. Returns one row a pair: model, against, auc_difference, low, high, delong_p,
    only_model_right, only_against_right, mcnemar_p. The difference is NaN without both classes.
    """
    called = probability >= 0.5 if called is None else called
    both = 0 < np.sum(positive) < np.size(positive)
    rows = [
        (one, other)
        + (auc_difference(positive, probability[one], probability[other], level) if both else (*UNKNOWN, np.nan))
        + mcnemar(positive, called[one], called[other])
        for other, one in combinations(probability.columns, 2)
    ]
    columns = ["model", "against", "auc_difference", "low", "high", "delong_p"]
    return pd.DataFrame(rows, columns=[*columns, "only_model_right", "only_against_right", "mcnemar_p"])


def precision_recall(positive: ArrayLike, score: ArrayLike) -> tuple[Points, Points, float]:
    """Return (precision, recall, average_precision); precision is the positive predictive value.

    The curves run from everybody called a non-responder to nobody. Average precision is the sum of precisions,
    each weighed by the recall that it adds.
    """
    two_classes(positive, score)
    precision, recall, _ = metrics.precision_recall_curve(positive, score)
    return precision, recall, float(metrics.average_precision_score(positive, score))
