"""What chance does to a study of 50 patients: coverage and power, by formula and by simulated studies."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers.data.study import draw_survival
from helpers.judgement.evaluation import delong, wins

N_RESPONDERS, N_NON_RESPONDERS = 40, 10  # the paper's test patients


def coverage_as_proportion(auc, n_positive=10, n_negative=40, n_studies=4000, level=0.95, seed=0):
    """Return how often AUC +- z sqrt(AUC (1 - AUC) / n) holds the true AUC of two normal classes."""
    generator, n = np.random.default_rng(seed), n_positive + n_negative
    positive = np.sqrt(2) * norm.ppf(auc) + generator.standard_normal((n_studies, n_positive))
    found = wins(positive, generator.standard_normal((n_studies, n_negative))).mean((-2, -1))
    return float(np.mean(np.abs(found - auc) <= norm.ppf((1 + level) / 2) * np.sqrt(found * (1 - found) / n)))


def least_mcnemar(more_right):
    """Return the smallest exact p-value when one model is right about ``more_right`` patients more than the other.

    The overlap is not printed. p is smallest when whatever the worse model gets right, the better does too.
    """
    return min(1.0, 2 * 0.5 ** abs(more_right))


def auc_power(first, second, correlation, n_positive=10, n_negative=40, n_studies=4000, level=0.95, seed=0):
    """Return how often DeLong's test tells two true AUCs apart, both models scoring the same patients.

    Scores are normal; ``correlation`` is that of the two models' scores within a class.
    """
    generator, z = np.random.default_rng(seed), norm.ppf((1 + level) / 2)
    mixing = np.linalg.cholesky([[1, correlation], [correlation, 1]])
    positive, negative = (
        np.einsum("ij,jsn->isn", mixing, generator.standard_normal((2, n_studies, n))) for n in (n_positive, n_negative)
    )
    positive += np.sqrt(2) * norm.ppf([first, second])[:, None, None]
    difference, variance = delong(wins(positive[1], negative[1]) - wins(positive[0], negative[0]))
    return float(np.mean(np.abs(difference) > z * np.sqrt(variance)))


def ratio_behind(p_value, n_events, share):
    """Return the hazard ratio behind a log-rank p-value with ``n_events`` events (Schoenfeld 1981, turned round)."""
    return float(np.exp(norm.isf(p_value / 2) / np.sqrt(n_events * share * (1 - share))))


def log_rank_z(duration, event, group):
    """Return the log-rank test's z (n_studies,) of many small studies at once, each (n_studies, n), without ties."""
    order = np.argsort(duration, axis=-1, kind="stable")
    event, group = (np.take_along_axis(part, order, -1) for part in (event, group))
    at_risk = np.arange(group.shape[-1], 0, -1)
    share = group[..., ::-1].cumsum(-1)[..., ::-1] / at_risk
    surprise = np.sum(event * (group - share), -1)
    with np.errstate(invalid="ignore"):
        return surprise / np.sqrt(np.sum(event * share * (1 - share), -1))


def log_rank_studies(kept=N_RESPONDERS, found=N_NON_RESPONDERS, n_studies=4000, seed=0):
    """Return (events, p by truth, p by calls), each (n_studies,), of studies like the paper's 50 test patients.

    Survival is the simulated cohort's; ``kept`` responders and ``found`` non-responders are called rightly.
    """
    lost = np.repeat([False, True], [N_RESPONDERS, N_NON_RESPONDERS])
    called = lost ^ np.concatenate([np.arange(N_RESPONDERS) >= kept, np.arange(N_NON_RESPONDERS) >= found])
    shape = n_studies, lost.size
    drawn = draw_survival(pd.Series(np.tile(~lost, n_studies)), np.random.default_rng(seed))
    duration, event = (drawn[name].to_numpy().reshape(shape) for name in ("duration_years", "recurrence"))
    p_values = [2 * norm.sf(np.abs(log_rank_z(duration, event, np.broadcast_to(g, shape)))) for g in (lost, called)]
    return event.sum(1), *p_values
