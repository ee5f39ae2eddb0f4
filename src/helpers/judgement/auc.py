"""The area under the ROC curve: the share of pairs won, with intervals and a test. Positive means NON-responder.

>>> auc, low, high = auc_interval([True, True, False, False], [0.9, 0.4, 0.5, 0.1])
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import beta, norm

Values = Float[np.ndarray, "..."] | float
UNKNOWN = (float("nan"),) * 3  # value, low, high of what the data cannot tell


def by_class(positive: ArrayLike, score: ArrayLike) -> tuple[Float[np.ndarray, " n_pos"], Float[np.ndarray, " n_neg"]]:
    """Return the scores of the positives and of the negatives, or say what is wrong with them."""
    positive, score = np.asarray(positive), np.asarray(score, float)
    if positive.ndim != 1 or positive.shape != score.shape:
        raise ValueError(f"positive {positive.shape} and score {score.shape}: expected two lists of one length")
    if not np.isin(positive, (0, 1)).all():
        raise ValueError(f"positive holds {np.unique(positive)}: expected True (non-responder) or False")
    if not np.isfinite(score).all():
        raise ValueError(f"{np.sum(~np.isfinite(score))} of {score.size} scores are NaN or infinite")
    positive = positive.astype(bool)
    return score[positive], score[~positive]


def two_classes(
    positive: ArrayLike, score: ArrayLike
) -> tuple[Float[np.ndarray, " n_pos"], Float[np.ndarray, " n_neg"]]:
    """As ``by_class``; an error as well where a class is missing."""
    of_positive, of_negative = by_class(positive, score)
    if min(of_positive.size, of_negative.size) == 0:
        n_patients = of_positive.size + of_negative.size
        raise ValueError(f"{of_positive.size} positive of {n_patients} patients: both classes are needed")
    return of_positive, of_negative


def wins(positive_score: ArrayLike, negative_score: ArrayLike) -> Float[np.ndarray, "... n_pos n_neg"]:
    """Return (..., n_pos, n_neg): 1 where a positive scores above a negative, 0.5 where they tie, else 0."""
    positive_score, negative_score = np.asarray(positive_score), np.asarray(negative_score)
    above = positive_score[..., :, None] > negative_score[..., None, :]
    return above + 0.5 * (positive_score[..., :, None] == negative_score[..., None, :])


def delong(won: Float[np.ndarray, "*studies n_pos n_neg"]) -> tuple[Values, Values]:
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


def interval_of(
    auc: ArrayLike | float, variance: ArrayLike | float, n_pairs: int, level: float = 0.95, scale: str = "logit"
) -> tuple[Values, Values]:
    """Return (low, high) around AUCs (...) with DeLong variances (...); ``n_pairs`` = min(n_pos, n_neg).

    ``"logit"``: normal on the log-odds of the AUC (Pepe 2003, section 5.2.4), by hand because libraries
    give (1, 1) where the classes are separated. ``"plain"``: normal on the AUC itself and clipped to 0-1, as in
    R's pROC. Where the variance is zero or undefined (classes separated perfectly, all scores tied, one patient in
    a class) it is ``pairs_interval``. Raises ``ValueError`` for another scale.
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
    usable, (lowest, highest) = variance > 1e-15, pairs_interval(auc, n_pairs, level)
    return np.where(usable, ends[0], lowest)[()], np.where(usable, ends[1], highest)[()]


def pairs_interval(auc: ArrayLike | float, n_pairs: int, level: float = 0.95) -> tuple[Values, Values]:
    """Return (low, high) of Clopper and Pearson 1934 for ``auc * n_pairs`` of ``n_pairs`` pairs won.

    Among n_pos and n_neg patients are min(n_pos, n_neg) pairs that share no patient; each is won with
    probability AUC, whatever the distributions. All won, the lower end is
    ``((1 - level) / 2) ** (1 / n_pairs)``. Valid for any distribution, hence wide. By hand because libraries
    count whole successes.
    """
    auc = np.asarray(auc, float)
    won, lost, tail = auc * n_pairs, (1 - auc) * n_pairs, (1 - level) / 2
    low = np.where(won > 0, beta.ppf(tail, np.maximum(won, 1e-9), lost + 1), 0.0)
    high = np.where(lost > 0, beta.ppf(1 - tail, won + 1, np.maximum(lost, 1e-9)), 1.0)
    return low[()], high[()]


def auc_interval(
    positive: ArrayLike, score: ArrayLike, level: float = 0.95, scale: str = "logit"
) -> tuple[float, float, float]:
    """Return (auc, low, high) of scores (n,) for classes (n,), by DeLong's variance; see ``interval_of``.

    Raises ``ValueError`` for lengths that differ, a missing class, or a score that is not finite.
    """
    positive_score, negative_score = two_classes(positive, score)
    auc, variance = delong(wins(positive_score, negative_score))
    n_pairs = min(positive_score.size, negative_score.size)
    low, high = interval_of(auc, variance, n_pairs, level, scale)
    return float(auc), float(low), float(high)


def auc_difference(
    positive: ArrayLike, first_score: ArrayLike, second_score: ArrayLike, level: float = 0.95
) -> tuple[float, float, float, float]:
    """Return (difference, low, high, p_value) of two models' AUCs on the same n patients (DeLong et al. 1988).

    Interval and p-value are those of R's ``roc.test``, normal on the difference itself, so that p < 1 - ``level``
    exactly where the interval leaves 0 out; clipped to -1..1, beyond which no difference lies. Fisher's z would stay
    inside by itself, but its test weakens as the difference grows: atanh(d) (1 - d^2) falls. Where the patients do not
    tell how the difference varies (both models order them alike, or one separates what the other ties), both are of
    ``pairs_interval``, in which a pair's (1 + difference) / 2 is the share won. NaN with one patient in a class.
    Raises ``ValueError`` as ``auc_interval``.
    """
    won = wins(*two_classes(positive, first_score)) - wins(*two_classes(positive, second_score))
    (difference, variance), n_pairs = delong(won), min(won.shape)
    if n_pairs < 2:
        return float(difference), *UNKNOWN
    low, high = interval_of((1 + difference) / 2, variance / 4, n_pairs, level, "plain")
    clear = n_pairs * abs(difference)  # by pairs: the level at which ``pairs_interval`` ends at 0
    by_pairs = min(1.0, 2 * beta.cdf(0.5, (n_pairs + clear) / 2, (n_pairs - clear) / 2 + 1))
    p_value = 2 * norm.sf(abs(difference) / np.sqrt(variance)) if variance / 4 > 1e-15 else by_pairs
    return float(difference), float(2 * low - 1), float(2 * high - 1), float(p_value)
