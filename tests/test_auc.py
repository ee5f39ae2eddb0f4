"""R's figures come from pROC 1.18.0 on R 4.2.2; each test keeps the call that gave them."""

import asah
import numpy as np
import pytest
from fifty import FIRST, POSITIVE, SECOND
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from beyond import means
from helpers.judgement import auc
from pages import chance
from trust.pitfalls import aucs


# a <- roc(y, s, direction="<"); ci.auc(a); ci.auc(a, conf.level=0.8); ci.auc(roc(y, s2, direction="<"))
@pytest.mark.parametrize(
    ("score", "level", "expected"),
    [
        (FIRST, 0.95, (0.823750000000, 0.680805629903, 0.966694370097)),
        (FIRST, 0.80, (0.823750000000, 0.730283700247, 0.917216299753)),
        (SECOND, 0.95, (0.816250000000, 0.676042905401, 0.956457094599)),
    ],
)
def test_plain_interval_against_pROC(score, level, expected):
    assert auc.auc_interval(POSITIVE, score, level, "plain") == pytest.approx(expected, abs=1e-9)


def test_plain_interval_is_clipped_as_in_pROC():
    # ci.auc(roc(rep(c(1,0), c(3,7)), c(.9,.8,.6, .7,.2,.1,.3,.15,.25,.05), direction="<"))
    score = [0.9, 0.8, 0.6, 0.7, 0.2, 0.1, 0.3, 0.15, 0.25, 0.05]
    found = auc.auc_interval([1] * 3 + [0] * 7, score, scale="plain")
    assert found == pytest.approx((0.952380952381, 0.820390111967, 1.0), abs=1e-9)


# data(aSAH); ci.auc(roc(outcome, s100b)); ci.auc(roc(outcome, wfns)), as in pROC's manual
@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (asah.S100B, (0.7313685636856, 0.6301182117616, 0.8326189156097)),
        (asah.WFNS, (0.8236788617886, 0.7485348878195, 0.8988228357578)),
    ],
)
def test_plain_interval_against_the_published_example_of_pROC(score, expected):
    assert auc.auc_interval(asah.POOR, score, scale="plain") == pytest.approx(expected, abs=1e-9)


def test_delong_against_a_plain_loop():
    positive, negative = FIRST[:10], FIRST[10:]
    won = [[1.0 if p > n else 0.5 if p == n else 0.0 for n in negative] for p in positive]
    mean = sum(map(sum, won)) / 400
    of_positive = sum((sum(row) / 40 - mean) ** 2 for row in won) / 9
    of_negative = sum((sum(row[j] for row in won) / 10 - mean) ** 2 for j in range(40)) / 39
    assert auc.delong(auc.wins(positive, negative)) == pytest.approx(
        (mean, of_positive / 10 + of_negative / 40), abs=1e-12
    )


def test_logit_interval_by_hand():
    # AUC 0.82375 and DeLong's variance 0.00531909722222 as R's auc(a) and var(a) give them
    value, sd, z = 0.82375, 0.00531909722222**0.5, 1.959963984540054
    odds = np.exp(np.log(value / (1 - value)) + np.array([-1, 1]) * z * sd / (value * (1 - value)))
    found = auc.auc_interval(POSITIVE, FIRST)
    assert found == pytest.approx((value, *(odds / (1 + odds))), abs=1e-9)


def test_default_interval_stays_between_0_and_1_in_every_simulated_study():
    generator = np.random.default_rng(2)
    positive_score = 2.5 + generator.standard_normal((4000, 10))  # AUC 0.96: some studies separate perfectly
    found, variance = auc.delong(auc.wins(positive_score, generator.standard_normal((4000, 40))))
    low, high = auc.interval_of(found, variance, 10)
    assert (found == 1).any()
    assert ((0 <= low) & (low < found) & (found <= high) & (high <= 1)).all()


def test_bootstrap_agrees_with_delong():
    bootstrap = means.auc_bootstrap(POSITIVE, FIRST)
    assert bootstrap == pytest.approx(auc.auc_interval(POSITIVE, FIRST, scale="plain")[1:], abs=0.03)


@pytest.mark.parametrize("scale", ["logit", "plain"])
def test_perfect_separation_against_the_binomial_of_ten_pairs(scale):
    won_all = binomtest(10, 10).proportion_ci(0.95)
    score = POSITIVE + np.linspace(0, 0.5, 50)
    assert auc.auc_interval(POSITIVE, score, scale=scale) == pytest.approx((1, won_all.low, 1), abs=1e-12)
    assert auc.auc_interval(POSITIVE, -score, scale=scale) == pytest.approx((0, 0, 1 - won_all.low), abs=1e-12)


def test_perfect_separation_bound_is_reached():
    """Where a non-responder beats all responders or none, 10 of 10 win with probability AUC^10."""
    _, low, _ = auc.auc_interval(POSITIVE, POSITIVE.astype(float))
    generator = np.random.default_rng(1)
    positive = np.where(generator.random((20000, 10)) < low, 1.0, -1.0)
    separated = auc.wins(positive, np.zeros((20000, 40))).mean((-2, -1)) == 1
    assert separated.mean() == pytest.approx(0.025, abs=0.004)


def test_tied_scores_against_the_binomial_of_ten_pairs():
    half_won = binomtest(5, 10).proportion_ci(0.95)
    found = auc.auc_interval(POSITIVE, np.full(50, 0.3))
    assert found == pytest.approx((0.5, half_won.low, half_won.high), abs=1e-12)


def test_one_patient_or_tied_scores_give_a_wide_interval():
    for positive, score in [([1, 0, 0, 0], [0.5, 0.2, 0.7, 0.1]), (POSITIVE, np.full(50, 0.3))]:
        value, low, high = auc.auc_interval(positive, score)
        assert 0 <= low < value < high <= 1
        assert high - low > 0.4


@pytest.mark.parametrize(
    ("positive", "score", "message"),
    [
        ([True, True], [0.1, 0.2], "both classes"),
        ([False, False], [0.1, 0.2], "both classes"),
        ([True, False], [0.1, np.nan], "1 of 2 scores"),
        ([True, False], [0.1, 0.2, 0.3], "one length"),
        ([1, 2], [0.1, 0.2], "expected True"),
    ],
)
def test_unusable_scores_are_named(positive, score, message):
    with pytest.raises(ValueError, match=message):
        auc.auc_interval(positive, score)


def test_unknown_scale_is_named():
    with pytest.raises(ValueError, match="probit"):
        auc.auc_interval(POSITIVE, FIRST, scale="probit")


def test_difference_of_two_models_against_pROC():
    # roc.test(a, b, method="delong"): p.value and conf.int
    found = auc.auc_difference(POSITIVE, FIRST, SECOND)
    assert found == pytest.approx((0.0075, -0.150189753767, 0.165189753767, 0.92572933481), abs=1e-9)


def test_difference_against_the_published_example_of_pROC():
    # data(aSAH); roc.test(roc(outcome, s100b), roc(outcome, wfns), method="delong")
    found = auc.auc_difference(asah.POOR, asah.S100B, asah.WFNS)
    expected = 0.7313685636856 - 0.8236788617886, -0.17421441924948, -0.01040617695648, 0.02717578222919
    assert found == pytest.approx(expected, abs=1e-9)


def test_models_that_order_alike_against_the_binomial_of_ten_pairs():
    """p is 1, as R's roc.test has it; that 50 patients are ordered alike does not make the difference 0 for others."""
    half_won = binomtest(5, 10).proportion_ci(0.95)
    found = auc.auc_difference(POSITIVE, FIRST, 2 * FIRST)
    assert found == pytest.approx((0, 2 * half_won.low - 1, 2 * half_won.high - 1, 1), abs=1e-12)


def test_opposite_separation_against_the_binomial_of_ten_pairs():
    """Ten pairs that share no patient, all won by one model and lost by the other."""
    won_all, score = binomtest(10, 10), POSITIVE + np.linspace(0, 0.5, 50)
    found = auc.auc_difference(POSITIVE, score, -score)
    assert found == pytest.approx((1, 2 * won_all.proportion_ci(0.95).low - 1, 1, won_all.pvalue), abs=1e-12)


STUDIES = [((0.8, 0.7), 10, 40), ((0.95, 0.5), 5, 20), ((0.97, 0.3), 3, 10), ((0.999, 0.001), 2, 5)]


@pytest.mark.parametrize(("aucs", "n_positive", "n_negative"), STUDIES)
def test_interval_of_a_difference_agrees_with_its_own_p_value(aucs, n_positive, n_negative):
    """By definition: p < 0.05 exactly where the interval of 95 % leaves 0 out; and no difference lies beyond -1..1."""
    positive, negative = chance.normal_studies(aucs, n_positive, n_negative, 300, 0.5)
    truth = np.repeat([True, False], [n_positive, n_negative])
    for study in range(300):
        scores = np.concatenate([positive[:, study], negative[:, study]], axis=1)
        difference, low, high, p_value = auc.auc_difference(truth, *scores)
        assert -1 <= low <= difference <= high <= 1
        assert (p_value < 0.05) == (low > 0 or high < 0)


@pytest.mark.parametrize(("study", "least"), [*zip(STUDIES[:3], (0.92, 0.88, 0.84), strict=True)])
def test_interval_of_a_difference_in_simulated_studies(study, least):
    """A simulation: nearly 95 of 100 with the paper's ten non-responders, fewer with five and three (too few)."""
    (one, other), n_positive, n_negative = study
    positive, negative = chance.normal_studies((one, other), n_positive, n_negative, 1000, 0.5)
    difference, variance = auc.delong(auc.wins(positive[0], negative[0]) - auc.wins(positive[1], negative[1]))
    low, high = (2 * end - 1 for end in auc.interval_of((1 + difference) / 2, variance / 4, n_positive, scale="plain"))
    assert np.mean((low <= one - other) & (one - other <= high)) >= least


def test_aucs_of_many_models_against_scikit_learn():
    scores = np.round(np.random.default_rng(0).standard_normal((2, 3, 50)), 1)  # with ties
    expected = [[roc_auc_score(POSITIVE, row) for row in part] for part in scores]
    np.testing.assert_allclose(aucs(POSITIVE, scores), expected, atol=1e-12)
    assert aucs(POSITIVE, FIRST) == pytest.approx(roc_auc_score(POSITIVE, FIRST), abs=1e-12)
    assert aucs(POSITIVE, FIRST) == auc.auc_interval(POSITIVE, FIRST)[0]


def test_there_is_no_auc_of_one_class():
    assert np.isnan(aucs(np.ones(3, bool), np.arange(3.0)))
    assert np.isnan(aucs(np.zeros(3, bool), np.ones((2, 3)))).all()


@pytest.mark.parametrize("study_by_study", [False, True])
def test_simulated_studies_have_the_aucs_and_the_correlation_they_were_given(study_by_study):
    positive, negative = chance.normal_studies([0.6, 0.9], 3, 5, 20_000, 0.5, study_by_study=study_by_study)
    assert (positive.shape, negative.shape) == ((2, 20_000, 3), (2, 20_000, 5))
    assert auc.wins(positive, negative).mean((1, 2, 3)) == pytest.approx([0.6, 0.9], abs=0.01)
    for part in (positive, negative):
        assert np.corrcoef(part.reshape(2, -1))[0, 1] == pytest.approx(0.5, abs=0.02)
        assert part.std((1, 2)) == pytest.approx(1, abs=0.02)
    assert negative.mean() == pytest.approx(0, abs=0.02)


def test_studies_drawn_study_by_study_against_a_plain_loop():
    generator, mixing = np.random.default_rng(7), np.linalg.cholesky([[1, 0.6], [0.6, 1]])
    positive, negative = chance.normal_studies([0.5, 0.5], 4, 6, 3, 0.6, seed=7, study_by_study=True)
    for study in range(3):
        for found, n in ((positive, 4), (negative, 6)):
            np.testing.assert_allclose(found[:, study], mixing @ generator.standard_normal((n, 2)).T, atol=1e-12)
