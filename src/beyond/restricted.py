"""Restricted mean: the years free of recurrence within a horizon, which needs no proportional hazards."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from helpers.judgement.survival import UNDEFINED, at_risk, checked


def restricted_mean(duration_years: ArrayLike, event: ArrayLike, horizon_years: float) -> tuple[float, float]:
    """Return (mean, standard_error): years free of recurrence among the first ``horizon_years``.

    The area under the Kaplan-Meier curve up to the horizon; Greenwood's variance as in R's ``survfit``, by hand
    because lifelines' is the variance of survival, not of this estimate. NaN when the curve ends above zero before
    the horizon: nobody was followed that long.
    """
    duration, event = checked(duration_years, event)
    last = duration.max()
    if last < horizon_years and not event[duration == last].all():
        return UNDEFINED
    times = np.unique(duration[event & (duration < horizon_years)])
    at_risk_ = at_risk(duration, times)
    events = (event & (duration == times[:, None])).sum(1)
    survival = np.concatenate([[1.0], np.cumprod(1 - events / at_risk_)])
    areas = survival * np.diff(np.concatenate([[0.0], times, [horizon_years]]))
    ahead = areas[::-1].cumsum()[::-1][1:]  # area under the curve from each time on
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(ahead > 0, ahead**2 * events / (at_risk_ * (at_risk_ - events)), 0.0)
    return float(areas.sum()), float(np.sqrt(terms.sum()))


def restricted_mean_difference(
    duration_years: ArrayLike, event: ArrayLike, group: ArrayLike, horizon_years: float, level: float = 0.95
) -> tuple[float, float, float]:
    """Return (difference, low, high): years free of recurrence that the True group has less (-) or more (+).

    Normal, with the variances of ``restricted_mean``, and clipped to the horizon, beyond which no difference lies.
    """
    duration, event, group = checked(duration_years, event, group)
    if group.all() or not group.any():
        return np.nan, *UNDEFINED
    (one, error), (other, other_error) = (
        restricted_mean(duration[member], event[member], horizon_years) for member in (group, ~group)
    )
    step = norm.ppf((1 + level) / 2) * np.hypot(error, other_error)
    return one - other, max(one - other - step, -horizon_years), min(one - other + step, horizon_years)
