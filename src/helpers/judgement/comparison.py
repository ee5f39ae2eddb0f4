"""Two models on the same patients: do their ROC curves differ, do their calls?"""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

from helpers.judgement.evaluation import delong, two_classes, wins


def auc_difference(positive, first_score, second_score, level=0.95):
    """Return (difference, low, high, p_value) of two models' AUCs on the same patients (DeLong et al. 1988).

    The p-value is NaN where both models order every pair of patients alike.
    """
    won = wins(*two_classes(positive, first_score)) - wins(*two_classes(positive, second_score))
    difference, variance = delong(won)
    error, z = np.sqrt(variance), norm.ppf((1 + level) / 2)
    p_value = 2 * norm.sf(abs(difference) / error) if error > 0 else np.nan
    return float(difference), float(difference - z * error), float(difference + z * error), float(p_value)


def mcnemar(positive, first_call, second_call):
    """Return (only_first_right, only_second_right, p_value) of two models' calls (n,) on the same patients.

    Patients whom both call right, or both wrong, say nothing about the difference. Among the others each model
    is the right one with probability 1/2 if the models are equally good (McNemar 1947, exact by the binomial).
    """
    positive, first_call, second_call = (np.asarray(calls, bool) for calls in (positive, first_call, second_call))
    first_right, second_right = first_call == positive, second_call == positive
    only_first, only_second = int(np.sum(first_right & ~second_right)), int(np.sum(second_right & ~first_right))
    discordant = only_first + only_second
    return only_first, only_second, float(binomtest(only_first, discordant).pvalue) if discordant else 1.0


def compare_models(positive, probability, level=0.95, threshold=0.5):
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
    return pd.DataFrame(rows, columns=[
        "model", "against", "auc_difference", "low", "high", "delong_p",
        "only_model_right", "only_against_right", "mcnemar_p",
    ])  # fmt: skip
