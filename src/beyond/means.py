"""Means with intervals: over patients, repetitions, runs and folds, by drawing patients anew, and of years."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.stats import bootstrap, norm, t

from helpers.judgement.auc import Values, delong, interval_of, two_classes, wins
from helpers.judgement.survival import UNDEFINED, at_risk, checked


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


def auc_bootstrap(
    positive: ArrayLike, score: ArrayLike, level: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the (low, high) percentile interval of the AUC, patients drawn anew within each class."""
    classes = two_classes(positive, score)
    return drawn_anew(classes, lambda a, b, axis: wins(a, b).mean((-2, -1)), level, n_resamples, seed)


def drawn_anew(
    groups: Sequence[Float[np.ndarray, " _"]], statistic: Callable[..., Any], level: float, n_resamples: int, seed: int
) -> tuple[float, float]:
    """Return the (low, high) percentile interval (Efron 1979) of a statistic, patients drawn anew within each group."""
    rng = np.random.default_rng(seed)
    found = bootstrap(
        groups, statistic, confidence_level=level, n_resamples=n_resamples, method="percentile", batch=500, rng=rng
    ).confidence_interval
    return float(found.low), float(found.high)


# Years free of recurrence within a horizon, which need no proportional hazards


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


def mean_auc(
    runs: pd.DataFrame,
    against: pd.DataFrame | None = None,
    level: float = 0.95,
    spread: tuple[float, int] | None = None,
) -> tuple[float, float, float]:
    """Return (mean, low, high) of the runs' AUC on the new patients, or of its difference from other runs.

    Run i of ``against`` belongs to run i of ``runs``. Two errors add up, as in studies of several readers
    (Obuchowski and Rockette 1995): from the patients a model learned from, by Student's t over runs, and
    from the new patients, by DeLong's variance of the wins averaged over runs. ``spread`` is the SD between runs
    and its degrees of freedom where others know it better. One run, or two, have the second error alone.
    """
    won = np.stack([wins_of(run) for run in runs.itertuples()])
    if against is not None:
        won = won - np.stack([wins_of(run) for run in against.itertuples()])
    mean, variance = delong(won.mean(0))
    half = norm.ppf((1 + level) / 2) * np.sqrt(variance)
    if spread is None and len(won) > 2:
        spread = won.mean((1, 2)).std(ddof=1), len(won) - 1
    if spread is not None:
        half = np.hypot(half, t.ppf((1 + level) / 2, spread[1]) * spread[0] / np.sqrt(len(won)))
    low, high = (mean - half, mean + half) if against is not None else np.clip([mean - half, mean + half], 0, 1)
    return float(mean), float(low), float(high)


def wins_of(run: Any) -> np.ndarray:
    """Return the wins of a run's non-responders over its responders among the new patients; a run as a named tuple."""
    return wins(run.new[run.new_non_responder], run.new[~run.new_non_responder])


def crossed_auc(crossed: pd.DataFrame, level: float = 0.95) -> tuple[float, float, float]:
    """Return (mean, low, high) of one model's AUC over folds, from ``SavedResults.crossed``.

    Patients of different folds are judged by different networks, so that pairs are made within a fold alone; the
    variances of the folds, which share no patient they judge, add up. NaN where a fold lacks a class.
    """
    found = np.full((crossed["fold"].nunique(), 2), np.nan)
    for place, (_, rows) in enumerate(crossed.groupby("fold")):
        lost, score = ~rows["responder"].to_numpy(bool), rows["probability"].to_numpy()
        if 0 < lost.sum() < lost.size:
            found[place] = delong(wins(score[lost], score[~lost]))
    auc, variance = found.mean(0) / [1, len(found)]
    n_pairs = int(min(crossed["responder"].sum(), (~crossed["responder"].astype(bool)).sum()))
    low, high = interval_of(auc, variance, n_pairs, level)
    return float(auc), float(low), float(high)


def averaged(runs: pd.DataFrame, by: str, part: str, model: str) -> pd.DataFrame:
    """Return one run per value of ``by``, its scores the mean over the runs of a group: an ensemble.

    Of patients whom all runs of a group are judged on; the validation patients of folds differ.
    """
    rows = []
    for value, group in runs.groupby(by):
        first = group.iloc[0].to_dict() | {"part": part, "model": model, "seconds": group["seconds"].sum(), by: value}
        rows.append(first | {split: np.mean(np.stack(list(group[split])), axis=0) for split in ("test", "new")})
    return pd.DataFrame(rows)
