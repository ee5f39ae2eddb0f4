"""Recurrence-free survival of two groups: Kaplan-Meier curves, log-rank test, hazard ratio (on lifelines)."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Shaped
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import logrank_test
from numpy.typing import ArrayLike
from scipy.stats import chi2

Times = Float[np.ndarray, " n"]
Flags = Bool[np.ndarray, " n"]
UNDEFINED = (float("nan"), float("nan"))
CONVERGED = {"precision": 1e-18, "r_precision": 1e-18, "step_size": 0.5}  # else 1e-6 short of R, or too far
TIE = 1.5e-8  # durations nearer than this are one, as R's ``timefix`` has it: the root of the machine's precision


@dataclass(frozen=True)
class Comparison:
    """Non-responders against responders; a hazard ratio above 1: non-responders recur earlier."""

    p_value: float  # two-sided log-rank test
    hazard_ratio: float  # Cox model, one covariate
    hazard_ratio_interval: tuple[float, float]  # Wald, on the logarithm
    proportional_p: float  # test of a hazard ratio that stays the same over the years
    n_patients: tuple[int, int]  # responders, non-responders
    n_events: tuple[int, int]


def checked(duration_years: ArrayLike, event: ArrayLike, *groups: ArrayLike) -> tuple[Shaped[np.ndarray, " n"], ...]:
    """Return the lists as arrays (n,): durations in years as float, those that ``tied`` joins made one; others as bool.

    Raises ``ValueError`` for lists of different lengths or none, NaN or negative durations, flags but True and False.
    """
    duration = np.asarray(duration_years, float)
    flags = [np.asarray(flag) for flag in (event, *groups)]
    shapes = [part.shape for part in (duration, *flags)]
    if duration.ndim != 1 or duration.size == 0 or len(set(shapes)) > 1:
        raise ValueError(f"shapes {shapes}: expected lists of one length, one entry per patient")
    if not (np.isfinite(duration).all() and (duration >= 0).all()):
        raise ValueError("durations must be finite and not negative")
    if not all(np.isin(flag, (0, 1)).all() for flag in flags):
        raise ValueError("event and group hold True or False")
    return tied(duration), *(flag.astype(bool) for flag in flags)


def tied(duration: Times) -> Times:
    """Return durations (n,) in which those that differ by rounding alone, as 0.1 + 0.2 and 0.3, are the lowest of them.

    The rule of R's ``aeqSurv``: neighbours are one if they differ by at most ``TIE``, or ``TIE`` of the mean time.
    """
    times = np.unique(duration)
    distinct = times[np.append(True, np.diff(times) > TIE * max(1.0, times.mean()))]
    return distinct[np.searchsorted(distinct, duration, side="right") - 1]


def compare(duration_years: ArrayLike, event: ArrayLike, group: ArrayLike, level: float = 0.95) -> Comparison:
    """Compare recurrence-free survival of two groups; ``group`` is True for a non-responder.

    Log-rank test (Mantel 1966), Cox's proportional hazards with Efron's ties, as in R's ``survdiff`` and
    ``coxph``, and the score test of their proportionality, ``proportional_p``. What the data cannot tell is NaN:
    everything when one group is empty or nobody has an event; the hazard ratio when its estimate would be 0 or
    infinity. Raises ``ValueError`` for lists of different lengths, NaN or negative durations.
    """
    duration, event, group = checked(duration_years, event, group)
    n_patients = int(np.sum(~group)), int(np.sum(group))
    n_events = int(np.sum(event & ~group)), int(np.sum(event & group))
    if min(n_patients) == 0 or sum(n_events) == 0:
        return Comparison(np.nan, np.nan, UNDEFINED, np.nan, n_patients, n_events)
    p_value = float(logrank_test(duration[group], duration[~group], event[group], event[~group]).p_value)
    finite = ratio_is_finite(duration, event, group)
    cox = cox_model(duration, event, group, level) if finite else (np.nan, UNDEFINED, np.nan)
    return Comparison(p_value, *cox, n_patients, n_events)


def ratio_is_finite(duration: Times, event: Flags, group: Flags) -> bool:
    """Return whether either group has an event while somebody of the other is still under observation."""
    return all(bool((duration[one & event] <= duration[~one].max()).any()) for one in (group, ~group))


def cox_model(
    duration: Times, event: Flags, group: Flags, level: float = 0.95
) -> tuple[float, tuple[float, float], float]:
    """Return (ratio, (low, high), proportional_p) of the True group against the False group by Cox's model."""
    frame = pd.DataFrame({"duration": duration, "event": event, "group": group.astype(float)})
    with warnings.catch_warnings(action="ignore"):  # small groups: lifelines advises on variance, the interval shows it
        fit = CoxPHFitter(alpha=1 - level).fit(frame, "duration", "event", fit_options=CONVERGED)
    ratio, (low, high) = float(fit.hazard_ratios_["group"]), np.exp(fit.confidence_intervals_.loc["group"])
    return ratio, (float(low), float(high)), proportional_p(duration, event, group, ratio)


def proportional_p(duration: Times, event: Flags, group: Flags, ratio: float) -> float:
    """Return the p-value of a hazard ratio that drifts with time, for patients (n,) and the ``ratio`` of Cox's model.

    The score test of theta = 0 in ln(ratio at t) = b + theta g(t), g = 1 - Kaplan-Meier of all just before t, Efron's
    ties: that of R's ``cox.zph`` since survival 3.0, after Grambsch and Therneau 1994. By hand: lifelines has the
    approximation that R gave up. At each death the True group has share p of the hazard; with g less its mean under
    weights p (1 - p), the score is the sum of g (death in the group - p), its variance that of g^2 p (1 - p). NaN where
    deaths that tell the groups apart happen at one time only.
    """
    times, deaths = np.unique(duration[event], return_counts=True)
    free = np.cumprod(np.append(1.0, 1 - deaths / at_risk(duration, times)))[:-1]  # just before each time
    time, g = np.repeat(times, deaths)[:, None], np.repeat(1 - free, deaths)
    gone = np.concatenate([np.arange(n) / n for n in deaths])[:, None]  # of the tied deaths, as Efron has it
    dying = event & (duration == time)
    hazard = ((duration >= time) - gone * dying) * np.where(group, ratio, 1.0)
    share = hazard[:, group].sum(1) / hazard.sum(1)
    weight = share * (1 - share)
    g = g - np.average(g, weights=weight)
    score, variance = g @ (dying[:, group].sum(1) / dying.sum(1) - share), g**2 @ weight
    return float(chi2.sf(score**2 / variance, 1)) if variance > 1e-12 else np.nan


def fit_curve(duration: Times, event: Flags, level: float = 0.95, label: str = "survival") -> KaplanMeierFitter:
    """Return a fitted ``lifelines.KaplanMeierFitter`` (Kaplan and Meier 1958)."""
    return KaplanMeierFitter(alpha=1 - level, label=label).fit(duration, event)


def kaplan_meier(duration_years: ArrayLike, event: ArrayLike, level: float = 0.95) -> pd.DataFrame:
    """Return a frame indexed by ``years``: at_risk, events, survival, low, high (log-log Greenwood).

    One row per distinct time and one for 0; ``at_risk`` counts the patients just before that time. Where patients have
    left and the curve is at 1 or 0 there is no variance: the interval is NaN, as in R's ``survfit``.
    """
    duration, event = checked(duration_years, event)
    fit = fit_curve(duration, event, level)
    counts = fit.event_table[["at_risk", "observed"]].astype(int)
    table = counts.join([fit.survival_function_, fit.confidence_interval_survival_function_])
    table = table.set_axis(["at_risk", "events", "survival", "low", "high"], axis=1).rename_axis("years")
    table.loc[table.survival.isin([0, 1]) & (table.index > 0), ["low", "high"]] = np.nan  # lifelines: no width
    return table


def at_risk(duration: ArrayLike, years: ArrayLike) -> Int[np.ndarray, " n_years"]:
    """Return how many patients (n_years,) are under observation just before each time."""
    return (np.asarray(duration) >= np.asarray(years)[:, None]).sum(1)
