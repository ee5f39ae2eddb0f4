"""R's figures: survival 3.5-3 on R 4.2.2, on data that lifelines carries; each test keeps the call."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from lifelines.datasets import load_leukemia, load_rossi

from beyond.restricted import restricted_mean, restricted_mean_difference
from helpers.judgement import survival
from pages import chance
from pages.judgement import not_compared, plot_groups, survival_row


def test_recidivism_against_R():
    # survdiff(Surv(week, arrest) ~ fin, rossi); summary(coxph(Surv(week, arrest) ~ fin, rossi))$conf.int
    rossi = load_rossi()
    found = survival.compare(rossi.week, rossi.arrest, rossi.fin)
    assert found.p_value == pytest.approx(0.05011611740901, abs=1e-9)
    assert found.hazard_ratio == pytest.approx(0.6913775583631, abs=1e-9)
    assert found.hazard_ratio_interval == pytest.approx((0.4766759574457, 1.002783800487), abs=1e-9)


def test_leukemia_with_many_ties_against_R():
    # survdiff(Surv(t, status) ~ Rx, leukemia); summary(coxph(Surv(t, status) ~ Rx, leukemia))$conf.int
    leukemia = load_leukemia()
    found = survival.compare(leukemia.t, leukemia.status, leukemia.Rx)
    assert found.p_value == pytest.approx(4.168809109335e-05, abs=1e-12)
    assert found.hazard_ratio == pytest.approx(4.816873898279, abs=1e-9)
    assert found.hazard_ratio_interval == pytest.approx((2.146508212725, 10.80931068159), abs=1e-8)
    assert (found.n_patients, found.n_events) == ((21, 21), (9, 21))


def test_proportionality_against_R():
    # f <- coxph(Surv(t, status) ~ Rx, leukemia); s <- residuals(f, "schoenfeld"); the test of Grambsch and Therneau:
    # g <- 1 - S(as.numeric(names(s))) with S the survfit; g <- g - mean(g)
    # pchisq(sum(g * s)^2 * vcov(f) * length(s) / sum(g^2), 1, lower.tail = FALSE)
    leukemia, rossi = load_leukemia(), load_rossi()
    found = survival.compare(leukemia.t, leukemia.status, leukemia.Rx)
    assert found.proportional_p == pytest.approx(0.947643487646463, abs=1e-6)
    found = survival.compare(rossi.week, rossi.arrest, rossi.fin)
    assert found.proportional_p == pytest.approx(0.91494474961584, abs=1e-6)


def test_curves_that_cross_are_not_proportional():
    early, late = np.linspace(0.1, 1, 60), np.linspace(4, 5, 60)
    duration = np.concatenate([early[:50], late[:10], np.linspace(1.5, 3.5, 60)])
    found = survival.compare(duration, np.ones(120), np.repeat([1, 0], 60))
    assert found.proportional_p < 0.01


# print(survfit(Surv(t, status) ~ 1, leukemia[leukemia$Rx == group, ]), rmean = horizon)
@pytest.mark.parametrize(
    ("group", "horizon", "expected"),
    [
        (0, 18.0, (14.861624649860, 1.051376495941)),
        (1, 18.0, (8.238095238095, 1.189341863215)),
        (0, 23.0, (17.909243697479, 1.553189978248)),
        (1, 23.0, (8.666666666667, 1.377390041265)),
    ],
)
def test_restricted_mean_against_R(group, horizon, expected):
    rows = load_leukemia().query("Rx == @group")
    assert restricted_mean(rows.t, rows.status, horizon) == pytest.approx(expected, abs=1e-9)


def test_difference_of_restricted_means_by_its_parts():
    leukemia = load_leukemia()
    found = restricted_mean_difference(leukemia.t, leukemia.status, leukemia.Rx, 18.0)
    difference, error = 8.238095238095 - 14.861624649860, np.hypot(1.189341863215, 1.051376495941)
    step = 1.959963984540054 * error
    assert found == pytest.approx((difference, difference - step, difference + step), abs=1e-9)


def test_difference_of_restricted_means_stays_within_the_horizon():
    """Two patients of each group: 1.96 standard errors alone reach farther than the two years looked at."""
    found = restricted_mean_difference([0.1, 2, 2, 2], [1, 0, 0, 0], [1, 1, 0, 0], 2.0)
    assert found == pytest.approx((-0.95, -2, -0.95 + 1.96 * 0.95 * 2**-0.5), abs=1e-3)


def test_restricted_mean_beyond_follow_up_is_unknown():
    """Two of three patients relapse, the third leaves at 3 years: nobody knows the curve at 5."""
    assert np.isnan(restricted_mean([1, 2, 3], [1, 1, 0], 5.0)).all()
    assert restricted_mean([1, 2, 3], [1, 1, 1], 5.0)[0] == pytest.approx(2)  # (1 + 2 + 3) / 3
    assert np.isnan(restricted_mean_difference([1, 2, 3], [1, 1, 1], [1, 1, 1], 2.0)).all()


def test_kaplan_meier_against_R():
    # survfit(Surv(t, status) ~ 1, leukemia[leukemia$Rx == 0, ], conf.type = "log-log")
    treated = load_leukemia().query("Rx == 0")
    table = survival.kaplan_meier(treated.t, treated.status)
    expected = {
        6: (21, 3, 0.857142857, 0.619717955, 0.951551748),
        9: (16, 0, 0.806722689, 0.563146565, 0.922809019),
        13: (12, 1, 0.690196078, 0.431610222, 0.849065963),
        23: (6, 1, 0.448179272, 0.188052006, 0.680142628),
    }
    for time, row in expected.items():
        assert table.loc[time].tolist() == pytest.approx(row, abs=1e-8)


def test_swapped_groups_turn_the_hazard_ratio_over():
    rossi = load_rossi()
    one, other = (survival.compare(rossi.week, rossi.arrest, group) for group in (rossi.fin == 1, rossi.fin == 0))
    assert one.hazard_ratio * other.hazard_ratio == pytest.approx(1, abs=1e-6)
    assert one.p_value == pytest.approx(other.p_value, abs=1e-12)


def test_non_responders_that_recur_earlier_have_a_hazard_ratio_above_one():
    duration, group = [1, 2, 3, 4, 5, 6, 7, 8], [1, 1, 0, 1, 0, 0, 1, 0]
    assert survival.compare(duration, [True] * 8, group).hazard_ratio > 1


def test_a_wider_level_gives_a_wider_interval():
    rossi = load_rossi()
    low, high = survival.compare(rossi.week, rossi.arrest, rossi.fin, level=0.99).hazard_ratio_interval
    assert low < 0.476675957446 < 1.00278380049 < high


@pytest.mark.parametrize(
    ("event", "group", "p_value_is_nan"),
    [
        ([1, 1, 0, 1], [0, 0, 0, 0], True),
        ([1, 1, 0, 1], [1, 1, 1, 1], True),
        ([0, 0, 0, 0], [1, 0, 1, 0], True),
        ([1, 1, 0, 0], [1, 1, 0, 0], False),
    ],
)
def test_what_the_data_cannot_tell_is_nan(event, group, p_value_is_nan):
    found = survival.compare([1.0, 2.0, 3.0, 4.0], event, group)
    assert np.isnan(found.p_value) == p_value_is_nan
    assert np.isnan([found.hazard_ratio, *found.hazard_ratio_interval]).all()


def test_a_ratio_without_a_finite_estimate_is_nan():
    """Both groups relapse, but all non-responders before any responder, who are all still under observation."""
    found = survival.compare([1, 2, 3, 4, 5, 6], np.ones(6), [1, 1, 1, 0, 0, 0])
    assert np.isnan([found.hazard_ratio, *found.hazard_ratio_interval, found.proportional_p]).all()
    assert found.p_value < 0.05


@pytest.mark.parametrize(
    ("duration", "event", "group", "message"),
    [
        ([1, 2], [1], [0, 1], "one length"),
        ([1, np.nan], [1, 0], [0, 1], "finite"),
        ([1, -2], [1, 0], [0, 1], "not negative"),
        ([1, 2], [1, np.nan], [0, 1], "True or False"),
    ],
)
def test_unusable_lists_are_named(duration, event, group, message):
    with pytest.raises(ValueError, match=message):
        survival.compare(duration, event, group)


def test_numbers_at_risk_against_R():
    # summary(survfit(Surv(t, status) ~ 1, leukemia[leukemia$Rx == 0, ]))$n.risk
    treated = load_leukemia().query("Rx == 0")
    assert survival.at_risk(treated.t, [0, 6, 7, 10, 13, 22, 36]).tolist() == [21, 21, 17, 15, 12, 7, 0]


def test_plot_draws_both_groups_and_numbers_at_risk():
    leukemia = load_leukemia()
    figure, ax = plt.subplots()
    plot_groups(ax, leukemia.t, leukemia.status, leukemia.Rx)
    figure.canvas.draw()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["responders (21)", "non-responders (21)"]
    shown = [text.get_text() for text in ax.texts]
    years = [year for year in ax.get_xticks() if 0 <= year <= leukemia.t.max()]
    treated = leukemia.t[leukemia.Rx == 0]
    assert shown[: len(years)] == [str(sum(treated >= year)) for year in years]
    assert shown[-1] == "at risk"
    plt.close(figure)


def test_plot_with_one_group_only():
    figure, ax = plt.subplots()
    plot_groups(ax, [1, 2, 3], [1, 0, 1], [0, 0, 0])
    assert len(ax.get_legend().get_texts()) == 1
    plt.close(figure)


def test_events_needed_by_hand():
    """(1.960 + 0.842)^2 / (0.25 (ln 2)^2) = 65.3: hazard ratio 2, equal groups, 5 % two-sided, power 80 %."""
    assert chance.events_needed(2.0, 0.5) == pytest.approx(65.3, abs=0.1)
    assert chance.events_needed(2.0, 0.2) == pytest.approx(65.3 * 0.25 / 0.16, abs=0.2)


def test_power_turns_the_number_of_events_round():
    assert chance.power(2.0, 0.2, chance.events_needed(2.0, 0.2)) == pytest.approx(0.8, abs=1e-3)
    assert chance.power(1.0, 0.2, 50) == pytest.approx(0.025, abs=1e-9)  # one of the two tails


@pytest.mark.parametrize(
    ("event", "group", "told"),
    [
        ([1, 0, 1, 0], [1, 0, 0, 1], ""),
        ([0, 0, 0, 0], [1, 0, 0, 1], "not computed: 0 recurrences"),
        ([1, 0, 1, 0], [0, 0, 0, 0], "not computed: 0 non-responders in this grouping"),
        ([0, 0, 0, 0], [1, 1, 1, 1], "not computed: 0 responders in this grouping and 0 recurrences"),
    ],
)
def test_what_is_not_compared_is_told(event, group, told):
    result = survival.compare([1, 2, 3, 4], event, group)
    assert not_compared(result) == told
    row = survival_row(result, restricted_mean_difference([1, 2, 3, 4], event, group, 3.0), 3.0)
    counts, figures = list(row.values())[:2], list(row.values())[2:]
    assert counts == ["{}, {}".format(*two) for two in (result.n_patients, result.n_events)]
    assert figures[0] == (told or f"{result.p_value:.3f}")
    assert set(figures[1:]) == {"not computed"} if told else "not computed" not in figures
