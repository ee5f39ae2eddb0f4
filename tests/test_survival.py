"""R's figures: survival 3.5-3 on R 4.2.2, on data that lifelines carries; each test keeps the call."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from lifelines.datasets import load_leukemia, load_lung, load_rossi
from scipy.stats import chi2

from beyond.means import restricted_mean, restricted_mean_difference
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


def test_one_patient_against_all_others_against_R():
    # summary(coxph(Surv(t, e) ~ g))$conf.int; nearly all are in one group, where Newton's first step is too long
    t = [1.81, 0.21, 6.01, 4.91, 1.01, 0.51, 0.21, 5.91, 0.31, 0.11, 5.11, 5.61, 11.81, 8.31]
    found = survival.compare(t, [1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1], [1, 0] + [1] * 12)
    assert found.hazard_ratio == pytest.approx(0.08006407690254, abs=1e-12)
    assert found.hazard_ratio_interval == pytest.approx((0.005005136347053, 1.280735621524), abs=1e-11)


# lung$g <- lung$sex == 2; survdiff(Surv(time, status) ~ g, lung); summary(coxph(Surv(time, status) ~ g, lung)):
# coef -0.5310, exp(coef) 0.5880, lower .95 0.4237, upper .95 0.816, Score (logrank) test = 10.33, p = 0.001312
def test_lung_against_R():
    lung = load_lung()
    found = survival.compare(lung.time, lung.status, lung.sex == 2)
    assert found.p_value == pytest.approx(0.001312, abs=1.5e-6)
    assert found.hazard_ratio == pytest.approx(0.5880, abs=5e-5)
    assert found.hazard_ratio_interval == pytest.approx((0.4237, 0.8160), abs=5e-5)
    assert (sum(found.n_patients), sum(found.n_events)) == (228, 165)


def test_proportionality_against_R():
    # cox.zph(coxph(Surv(time, status) ~ sex, lung)), survival 3: sex 2.86 1 0.091, as printed in many courses
    lung = load_lung()
    found = survival.compare(lung.time, lung.status, lung.sex == 2)
    assert found.proportional_p == pytest.approx(0.091, abs=5e-4)
    assert chi2.isf(found.proportional_p, 1) == pytest.approx(2.86, abs=5e-3)


def test_proportionality_against_the_arithmetic_of_Rs_own_test():
    """tests/zph.R of survival: six patients with tied deaths at 6, whose terms Therneau writes out for Efron's ties.

    The ratio is r, and g here that of transform "km": 1 - Kaplan-Meier before 1, 6 and 9.
    """
    duration, event, group = [9, 1, 1, 6, 6, 8], [1, 1, 0, 1, 1, 0], [0, 1, 1, 1, 0, 0]
    r = 2 * np.sqrt(23 / 3) * np.cos(np.arccos(45 / 23 * np.sqrt(3 / 23)) / 3)
    u = np.array([1 / (r + 1), 3 / (r + 3), -r / (r + 5), 0])
    i = np.array([r / (r + 1) ** 2, 3 * r / (r + 3) ** 2, 5 * r / (r + 5) ** 2, 0])
    g = np.array([0, 1 / 6, 1 / 6, 7 / 12])
    score, information = [u.sum(), g @ u], [[i.sum(), g @ i], [g @ i, g**2 @ i]]
    found = survival.compare(duration, event, group)
    assert found.hazard_ratio == pytest.approx(r, abs=1e-8)
    expected = chi2.sf(score @ np.linalg.solve(information, score), 1)
    assert found.proportional_p == pytest.approx(expected, abs=1e-8)


def log_likelihood(parameters, duration, event, columns, g):
    """Cox's partial likelihood with Efron's ties and coefficients b + theta g(t), death by death in a plain loop."""
    b, theta = np.split(np.asarray(parameters, float), 2)
    total = 0.0
    for time in np.unique(duration[event]):
        line = columns @ (b + theta * g[time])
        risk, dying = np.exp(line) * (duration >= time), (duration == time) & event
        total += line[dying].sum()
        for done in range(dying.sum()):
            total -= np.log(risk.sum() - done / dying.sum() * risk[dying].sum())
    return total


def derivatives(parameters, step, *data):
    """First and second derivatives of the partial likelihood by differences."""
    n = len(parameters)
    at = {
        (i, j, a, b): log_likelihood(parameters + step * (a * np.eye(n)[i] + b * np.eye(n)[j]), *data)
        for i in range(n)
        for j in range(n)
        for a in (-1, 1)
        for b in (-1, 1)
    }
    first = [(at[i, i, 1, 1] - at[i, i, -1, -1]) / (4 * step) for i in range(n)]
    second = [
        [(at[i, j, 1, 1] - at[i, j, 1, -1] - at[i, j, -1, 1] + at[i, j, -1, -1]) / (4 * step**2) for j in range(n)]
        for i in range(n)
    ]
    return np.array(first), np.array(second)


def score_tests(duration, event, columns):
    """The score test of each covariate's theta at the fitted b, as cox.zph defines it."""
    duration, event, columns = np.asarray(duration, float), np.asarray(event, bool), np.asarray(columns, float)
    k, times = columns.shape[1], np.unique(duration[event])
    curve = survival.kaplan_meier(duration, event).survival
    g = {time: 1 - curve[curve.index < time].iloc[-1] for time in times}
    data, point = (duration, event, columns, g), np.zeros(2 * k)
    for _ in range(8):  # Newton's method for b at theta = 0
        first, second = derivatives(point, 1e-3, *data)
        point[:k] -= np.linalg.solve(second[:k, :k], first[:k])
    first, second = derivatives(point, 1e-3, *data)
    chosen = [[*range(k), k + one] for one in range(k)]
    return [first[k + i] ** 2 * np.linalg.inv(-second[np.ix_(rows, rows)])[-1, -1] for i, rows in enumerate(chosen)]


def test_the_reference_by_differences_against_R():
    """The reference is itself held by R: two covariates, of which one is no group.

    cox.zph(coxph(Surv(time, status) ~ age + sex, lung)), survival 3: age 0.209, sex 2.608.
    """
    lung = load_lung()
    age = (lung.age - lung.age.mean()) / lung.age.std()
    found = score_tests(lung.time, lung.status, np.column_stack([age, lung.sex]))
    assert found == pytest.approx([0.209, 2.608], abs=1e-3)


@pytest.mark.parametrize(
    ("load", "names"), [(load_leukemia, ("t", "status", "Rx")), (load_rossi, ("week", "arrest", "fin"))]
)
def test_proportionality_against_differences_of_the_partial_likelihood(load, names):
    frame = load()
    duration, event, group = (frame[name] for name in names)
    [expected] = score_tests(duration, event, np.asarray(group)[:, None])
    assert survival.compare(duration, event, group).proportional_p == pytest.approx(chi2.sf(expected, 1), abs=1e-5)


def test_proportionality_is_unknown_where_deaths_happen_at_one_time():
    found = survival.compare([1, 1, 2, 2], [1, 1, 0, 0], [1, 0, 1, 0])
    assert np.isfinite(found.hazard_ratio)
    assert np.isnan(found.proportional_p)


def test_times_that_differ_by_rounding_are_tied_as_in_R():
    """R's timefix: 0.1 + 0.2 and 0.3 are one time, wherever they stand; so all results are those of clean times."""
    leukemia, generator = load_leukemia(), np.random.default_rng(0)
    clean = leukemia.t.to_numpy() / 10
    noisy = clean + generator.uniform(0, 4e-9, len(clean))
    assert len(set(noisy)) > 2 * len(set(clean)) - 10
    one, other = (survival.compare(times, leukemia.status, leukemia.Rx) for times in (clean, noisy))
    for name in ("p_value", "hazard_ratio", "hazard_ratio_interval", "proportional_p"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9)
    one, other = (survival.kaplan_meier(times, leukemia.status) for times in (clean, noisy))
    np.testing.assert_allclose(one, other, rtol=1e-12)
    one, other = (restricted_mean(times, leukemia.status, 1.8) for times in (clean, noisy))
    assert one == pytest.approx(other, rel=1e-7)
    assert survival.kaplan_meier([0.1 + 0.2, 0.3, 0.5], [1, 1, 0]).index.tolist() == [0, 0.3, 0.5]
    assert survival.tied(np.array([1.0, 1.0 + 1e-7])).tolist() == [1.0, 1.0 + 1e-7]


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
    few = "" if not any(group) else f" (too few: {sum(group)} non-responders)"
    assert counts == ["{}, {}".format(*result.n_patients) + few, "{}, {}".format(*result.n_events)]
    assert figures[0] == (told or f"{result.p_value:.3f}")
    assert set(figures[1:]) == {"not computed"} if told else "not computed" not in figures
