"""What chance does to a study of 50 patients: coverage and power, by formula and by simulated studies."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.stats import norm

from helpers.data.study import draw_survival
from helpers.judgement.auc import delong, interval_of, wins
from pages.printed import N_NON_RESPONDERS, N_RESPONDERS


def normal_studies(
    true_auc: Sequence[float],
    n_positive: int,
    n_negative: int,
    n_studies: int,
    correlation: float = 0.0,
    seed: int | np.random.Generator = 0,
    study_by_study: bool = False,
) -> tuple[Float[np.ndarray, "models n_studies n_pos"], Float[np.ndarray, "models n_studies n_neg"]]:
    """Return scores of positives and negatives in simulated studies of models with these AUCs, on the same patients.

    Scores are normal with SD 1, the classes sqrt(2) probit(AUC) apart (binormal model, Pepe 2003, section 4.3);
    ``correlation`` is that of any two models' scores within a class. ``study_by_study`` takes the random numbers
    study by study and patient by patient, else class by class and model by model.
    """
    generator, sizes, n_models = np.random.default_rng(seed), (n_positive, n_negative), len(true_auc)
    if study_by_study:
        drawn = generator.standard_normal((n_studies, sum(sizes), n_models))
        standard = np.split(np.moveaxis(drawn, -1, 0), [n_positive], axis=-1)
    else:
        standard = [generator.standard_normal((n_models, n_studies, n)) for n in sizes]
    alike = np.full((n_models, n_models), correlation)
    np.fill_diagonal(alike, 1.0)
    positive, negative = (np.einsum("ij,jsn->isn", np.linalg.cholesky(alike), scores) for scores in standard)
    shift = np.sqrt(2) * norm.ppf(np.asarray(true_auc))
    return positive + shift[:, None, None], negative


def coverage(
    auc: float,
    n_positive: int,
    n_negative: int,
    n_studies: int = 4000,
    level: float = 0.95,
    scale: str = "logit",
    seed: int = 0,
) -> float:
    """Return the share of simulated studies (two normal classes) whose interval holds the true ``auc``."""
    (positive,), (negative,) = normal_studies([auc], n_positive, n_negative, n_studies, seed=seed)
    found, variance = delong(wins(positive, negative))
    low, high = interval_of(found, variance, min(n_positive, n_negative), level, scale)
    return float(np.mean((low <= auc) & (auc <= high)))


def coverage_as_proportion(
    auc: float, n_positive: int = 10, n_negative: int = 40, n_studies: int = 4000, level: float = 0.95, seed: int = 0
) -> float:
    """Return how often AUC +- z sqrt(AUC (1 - AUC) / n) holds the true AUC of two normal classes."""
    found = found_aucs([auc], n_positive, n_negative, n_studies, seed=seed)[:, 0]
    half = norm.ppf((1 + level) / 2) * np.sqrt(found * (1 - found) / (n_positive + n_negative))
    return float(np.mean(np.abs(found - auc) <= half))


def found_aucs(
    true_auc: Sequence[float],
    n_positive: int = 10,
    n_negative: int = 40,
    n_studies: int = 4000,
    correlation: float = 0.0,
    seed: int | np.random.Generator = 0,
    study_by_study: bool = False,
) -> Float[np.ndarray, "n_studies models"]:
    """Return the AUCs found by simulated studies of models with these true AUCs; see ``normal_studies``."""
    scores = normal_studies(true_auc, n_positive, n_negative, n_studies, correlation, seed, study_by_study)
    by_study = zip(*(np.swapaxes(part, 0, 1) for part in scores), strict=True)  # all wins at once fill gigabytes
    return np.array([wins(positive, negative).mean((-2, -1)) for positive, negative in by_study])


def least_mcnemar(more_right: int) -> float:
    """Return the smallest exact p-value when one model is right about ``more_right`` patients more than the other.

    The overlap is not printed. p is smallest when whatever the worse model gets right, the better does too.
    """
    return min(1.0, 2 * 0.5 ** abs(more_right))


def auc_power(
    first: float,
    second: float,
    correlation: float,
    n_positive: int = 10,
    n_negative: int = 40,
    n_studies: int = 4000,
    level: float = 0.95,
    seed: int = 0,
) -> float:
    """Return how often DeLong's test tells two true AUCs apart, both models scoring the same patients.

    Scores are normal; ``correlation`` is that of the two models' scores within a class.
    """
    scores = normal_studies([first, second], n_positive, n_negative, n_studies, correlation, seed)
    won = wins(*scores)
    difference, variance = delong(won[1] - won[0])
    return float(np.mean(np.abs(difference) > norm.ppf((1 + level) / 2) * np.sqrt(variance)))


def events_needed(hazard_ratio: float, share: float, level: float = 0.95, power: float = 0.8) -> float:
    """Return the events a two-sided log-rank test needs to find ``hazard_ratio`` (Schoenfeld 1981).

    ``share`` is the fraction of patients in one of the two groups.
    """
    z = norm.ppf((1 + level) / 2) + norm.ppf(power)
    return float(z**2 / (share * (1 - share) * np.log(hazard_ratio) ** 2))


def power(hazard_ratio: float, share: float, n_events: float | int, level: float = 0.95) -> float:
    """Return the power of a two-sided log-rank test with ``n_events`` events (Schoenfeld 1981)."""
    shift = np.sqrt(n_events * share * (1 - share)) * abs(np.log(hazard_ratio))
    return float(norm.cdf(shift - norm.ppf((1 + level) / 2)))


def ratio_behind(p_value: float, n_events: float | int, share: float) -> float:
    """Return the hazard ratio behind a log-rank p-value with ``n_events`` events (Schoenfeld 1981, turned round)."""
    return float(np.exp(norm.isf(p_value / 2) / np.sqrt(n_events * share * (1 - share))))


def log_rank_z(
    duration: Float[np.ndarray, "n_studies n"],
    event: Bool[np.ndarray, "n_studies n"],
    group: Bool[np.ndarray, "n_studies n"],
) -> Float[np.ndarray, " n_studies"]:
    """Return the log-rank test's z (n_studies,) of many small studies at once, each (n_studies, n), without ties.

    By hand because lifelines takes one study at a time.
    """
    order = np.argsort(duration, axis=-1, kind="stable")
    event, group = (np.take_along_axis(part, order, -1) for part in (event, group))
    at_risk = np.arange(group.shape[-1], 0, -1)
    share = group[..., ::-1].cumsum(-1)[..., ::-1] / at_risk
    surprise = np.sum(event * (group - share), -1)
    with np.errstate(invalid="ignore"):
        return surprise / np.sqrt(np.sum(event * share * (1 - share), -1))


def log_rank_studies(
    kept: int = N_RESPONDERS, found: int = N_NON_RESPONDERS, n_studies: int = 4000, seed: int = 0
) -> tuple[Int[np.ndarray, " n_studies"], Float[np.ndarray, " n_studies"], Float[np.ndarray, " n_studies"]]:
    """Return (events, p by truth, p by calls), each (n_studies,), of studies like the paper's 50 test patients.

    Survival is the simulated cohort's; ``kept`` responders and ``found`` non-responders are called rightly.
    """
    lost = np.repeat([False, True], [N_RESPONDERS, N_NON_RESPONDERS])
    called = lost ^ np.concatenate([np.arange(N_RESPONDERS) >= kept, np.arange(N_NON_RESPONDERS) >= found])
    shape = n_studies, lost.size
    drawn = draw_survival(pd.Series(np.tile(~lost, n_studies)), np.random.default_rng(seed))
    duration, event = (drawn[name].to_numpy().reshape(shape) for name in ("duration_years", "recurrence"))
    by_truth, by_calls = (
        2 * norm.sf(np.abs(log_rank_z(duration, event, np.broadcast_to(group, shape)))) for group in (lost, called)
    )
    return event.sum(1), by_truth, by_calls
