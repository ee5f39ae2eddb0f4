"""Every interval obeys the level it is asked for: at each level it has the width that its own formula gives."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fifty import FIRST, POSITIVE, SECOND
from lifelines.datasets import load_leukemia
from scipy.stats import norm, t
from test_evaluation import predictions_like_the_papers
from test_roc import data_of

import pages.judgement
import reading.roc
from beyond import calibration, comparison, means
from beyond.means import restricted_mean_difference
from helpers.judgement import auc, evaluation, roc, survival
from pages import chance

LEUKEMIA = load_leukemia()
FOLLOW_UP = LEUKEMIA.t, LEUKEMIA.status
PAIR = pd.DataFrame({"first": FIRST, "second": SECOND})


def z(level):
    return norm.ppf((1 + level) / 2)


def student(level):
    return t.ppf((1 + level) / 2, 49)


def ends(row):
    return row[["low", "high"]].tolist()


def log_odds(two):
    return np.log(np.array(two) / (1 - np.array(two)))


# what is symmetric, on some scale, by the quantile of its distribution: interval of a level, and the scale
BY_QUANTILE = {
    "AUC, logit": (lambda level: log_odds(auc.auc_interval(POSITIVE, FIRST, level)[1:]), z),
    "AUC, plain": (lambda level: auc.auc_interval(POSITIVE, FIRST, level, "plain")[1:], z),
    "difference of AUCs": (lambda level: auc.auc_difference(POSITIVE, FIRST, SECOND, level)[1:3], z),
    "compared models": (lambda level: ends(comparison.compare_models(POSITIVE, PAIR, level).iloc[0]), z),
    "mean, normal": (lambda level: means.normal_mean(FIRST, level)[1:], z),
    "mean, Student": (lambda level: means.student_mean(FIRST, level)[1:], student),
    "Brier": (lambda level: calibration.brier(POSITIVE, FIRST, level)[1:], z),
    "intercept": (lambda level: ends(calibration.calibration_line(POSITIVE, FIRST, level).loc["intercept"]), z),
    "slope": (lambda level: ends(calibration.calibration_line(POSITIVE, FIRST, level).loc["slope"]), z),
    "net benefit": (lambda level: ends(calibration.net_benefit(POSITIVE, FIRST, [0.3], level).iloc[0]), z),
    "hazard ratio": (lambda level: np.log(survival.compare(*FOLLOW_UP, LEUKEMIA.Rx, level).hazard_ratio_interval), z),
    "restricted mean": (lambda level: restricted_mean_difference(*FOLLOW_UP, LEUKEMIA.Rx, 18.0, level)[1:], z),
    "Kaplan-Meier": (
        lambda level: np.log(-np.log(survival.kaplan_meier(*FOLLOW_UP, level).loc[10, ["high", "low"]].astype(float))),
        z,
    ),
}


@pytest.mark.parametrize("name", BY_QUANTILE)
def test_width_follows_the_quantile(name):
    interval, quantile = BY_QUANTILE[name]
    narrow, wide = (np.ptp(np.asarray(interval(level), float)) / quantile(level) for level in (0.8, 0.95))
    assert narrow == pytest.approx(wide, rel=1e-6)
    assert narrow > 0


def wilson_by_its_definition(k, n, level):
    """Both solutions p of |k / n - p| = z sqrt(p (1 - p) / n)."""
    q = z(level) ** 2 / n
    return sorted(np.roots([1 + q, -(2 * k / n + q), (k / n) ** 2]).real)


def test_table2_has_the_level_it_was_asked_for():
    rows = evaluation.table2(predictions_like_the_papers(), 0.8).loc[4]
    counts = {"test_accuracy": (44, 50), "test_sensitivity": (7, 10), "test_specificity": (37, 40)}
    counts |= {"validation_accuracy": (26, 30), "validation_sensitivity": (7, 9), "validation_specificity": (19, 21)}
    for name, (k, n) in counts.items():
        assert rows[[f"{name}_low", f"{name}_high"]].tolist() == pytest.approx(wilson_by_its_definition(k, n, 0.8))
    wide = evaluation.table2(predictions_like_the_papers(), 0.99).loc[4]
    assert wide.test_auc_low < rows.test_auc_low < rows.test_auc < rows.test_auc_high < wide.test_auc_high


def test_groups_of_patients_have_the_level_they_were_asked_for():
    table = calibration.reliability(POSITIVE, FIRST, 2, 0.8)
    for row in table.itertuples():
        expected = wilson_by_its_definition(round(row.observed * row.patients), row.patients, 0.8)
        assert (row.low, row.high) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "interval",
    [
        lambda level: auc.pairs_interval(0.8, 10, level),
        lambda level: auc.auc_interval(POSITIVE, POSITIVE.astype(float), level)[1:],
        lambda level: means.auc_bootstrap(POSITIVE, FIRST, level, n_resamples=500),
        lambda level: means.bootstrap_mean(FIRST, level, n_resamples=500)[1:],
        lambda level: [edge[25] for edge in roc.band(POSITIVE, FIRST, level)[1:]],
        lambda level: reading.roc.curve_data("", POSITIVE, FIRST, level)["auc"][1:],
    ],
)
def test_a_higher_level_gives_a_wider_interval(interval):
    widths = [np.ptp(interval(level)) for level in (0.5, 0.8, 0.99)]
    assert 0 < widths[0] < widths[1] < widths[2]


def test_band_on_the_page_has_the_level_it_was_asked_for():
    """Points of the polygon at a false positive rate of 1/2: where the band begins and ends."""
    span = [
        np.ptp([y for x, y in reading.roc.curve_data("", POSITIVE, FIRST, level)["band"] if abs(x - 0.5) < 0.1])
        for level in (0.5, 0.99)
    ]
    assert span[0] < span[1]


def heights(ax):
    """All heights of the corners of the first band that is drawn."""
    return set(ax.collections[0].get_paths()[0].vertices[:, 1].round(9))


def test_drawings_have_the_level_they_were_asked_for():
    figure, (curve, groups) = plt.subplots(1, 2)
    pages.judgement.draw_roc(curve, POSITIVE, FIRST, "C0", "test", level=0.8, with_band=True)
    low, high = auc.auc_interval(POSITIVE, FIRST, 0.8)[1:]
    assert curve.get_lines()[0].get_label() == f"test: AUC 0.82 ({low:.2f}–{high:.2f})"
    assert set(roc.band(POSITIVE, FIRST, 0.8)[1].round(9)) <= heights(curve)
    pages.judgement.plot_groups(groups, *FOLLOW_UP, LEUKEMIA.Rx, level=0.5)
    table = survival.kaplan_meier(*(part[LEUKEMIA.Rx == 0] for part in FOLLOW_UP), 0.5)
    assert set(table.low.round(9)) <= heights(groups)
    plt.close(figure)


def test_page_has_the_level_it_was_asked_for():
    data = data_of(reading.roc.interactive({"a": (POSITIVE, FIRST)}, level=0.8))
    assert data["z"] == z(0.8)
    assert tuple(data["curves"][0]["auc"]) == auc.auc_interval(POSITIVE, FIRST, 0.8)


def test_coverage_is_that_of_the_level():
    for level in (0.5, 0.8):
        assert chance.coverage(0.8, 20, 80, 1000, level) == pytest.approx(level, abs=0.05)
    low, high = (chance.coverage_as_proportion(0.8, n_studies=500, level=level) for level in (0.5, 0.99))
    assert low < 0.5 < high


def test_power_is_that_of_the_level():
    strict, lenient = (chance.auc_power(0.7, 0.8, 0.5, n_studies=300, level=level) for level in (0.99, 0.5))
    assert strict < lenient
    for level in (0.5, 0.99):
        found = chance.power(2.0, 0.2, chance.events_needed(2.0, 0.2, level), level)
        assert found == pytest.approx(0.8, abs=1e-3)
        assert chance.power(1.0, 0.2, 50, level) == pytest.approx((1 - level) / 2, abs=1e-9)
