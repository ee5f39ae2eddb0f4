"""Recurrence-free survival of two groups: Kaplan-Meier curves, log-rank test, hazard ratio (on lifelines)."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Shaped
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import logrank_test, proportional_hazard_test
from numpy.typing import ArrayLike

UNDEFINED = (float("nan"), float("nan"))
CONVERGED = {"precision": 1e-18, "r_precision": 1e-18}  # lifelines' own limits stop 1e-6 short of R's hazard ratio


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
    """Return the lists as arrays of one length (durations float, others bool), or say what is wrong."""
    duration = np.asarray(duration_years, float)
    flags = [np.asarray(flag) for flag in (event, *groups)]
    shapes = [part.shape for part in (duration, *flags)]
    if duration.ndim != 1 or duration.size == 0 or len(set(shapes)) > 1:
        raise ValueError(f"shapes {shapes}: expected lists of one length, one entry per patient")
    if not (np.isfinite(duration).all() and (duration >= 0).all()):
        raise ValueError("durations must be finite and not negative")
    if not all(np.isin(flag, (0, 1)).all() for flag in flags):
        raise ValueError("event and group hold True or False")
    return duration, *(flag.astype(bool) for flag in flags)


def compare(duration_years: ArrayLike, event: ArrayLike, group: ArrayLike, level: float = 0.95) -> Comparison:
    """Compare recurrence-free survival of two groups; ``group`` is True for a non-responder.

    Log-rank test (Mantel 1966), Cox's proportional hazards with Efron's ties, as in R's ``survdiff`` and
    ``coxph``, and a test of their proportionality (Grambsch and Therneau 1994). What the data cannot tell is NaN:
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


def ratio_is_finite(
    duration: Float[np.ndarray, " n"], event: Bool[np.ndarray, " n"], group: Bool[np.ndarray, " n"]
) -> bool:
    """Return whether either group has an event while somebody of the other is still under observation."""
    members = group, ~group
    last = [duration[member].max() for member in members[::-1]]
    return all(bool((duration[member & event] <= end).any()) for member, end in zip(members, last, strict=True))


def cox_model(
    duration: Float[np.ndarray, " n"], event: Bool[np.ndarray, " n"], group: Bool[np.ndarray, " n"], level: float = 0.95
) -> tuple[float, tuple[float, float], float]:
    """Return (ratio, (low, high), proportional_p) of the True group against the False group by Cox's model."""
    frame = pd.DataFrame({"duration": duration, "event": event, "group": group.astype(float)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # small groups: lifelines advises on variance, the interval already shows it
        fit = CoxPHFitter(alpha=1 - level).fit(frame, "duration", "event", fit_options=CONVERGED)
        proportional = proportional_hazard_test(fit, frame, time_transform="km")
    low, high = np.exp(fit.confidence_intervals_.loc["group"])
    return float(fit.hazard_ratios_["group"]), (float(low), float(high)), float(proportional.p_value[0])


def fit_curve(
    duration: Float[np.ndarray, " n"], event: Bool[np.ndarray, " n"], level: float = 0.95, label: str = "survival"
) -> KaplanMeierFitter:
    """Return a fitted ``lifelines.KaplanMeierFitter`` (Kaplan and Meier 1958)."""
    return KaplanMeierFitter(alpha=1 - level, label=label).fit(duration, event)


def kaplan_meier(duration_years: ArrayLike, event: ArrayLike, level: float = 0.95) -> pd.DataFrame:
    """Return a frame indexed by ``years``: at_risk, events, survival, low, high (log-log Greenwood).

    One row per distinct time and one for 0; ``at_risk`` counts the patients just before that time.
    """
    duration, event = checked(duration_years, event)
    fit = fit_curve(duration, event, level)
    interval = fit.confidence_interval_survival_function_
    return pd.DataFrame(
        {
            "at_risk": fit.event_table["at_risk"].astype(int),
            "events": fit.event_table["observed"].astype(int),
            "survival": fit.survival_function_["survival"],
            "low": interval.iloc[:, 0],
            "high": interval.iloc[:, 1],
        }
    ).rename_axis("years")


def at_risk(duration: ArrayLike, years: ArrayLike) -> Int[np.ndarray, " n_years"]:
    """Return how many patients (n_years,) are under observation just before each time."""
    return (np.asarray(duration) >= np.asarray(years)[:, None]).sum(1)
