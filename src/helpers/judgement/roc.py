"""ROC curves with bands."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from sklearn import metrics

from helpers.judgement.auc import two_classes
from helpers.judgement.evaluation import wilson

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
