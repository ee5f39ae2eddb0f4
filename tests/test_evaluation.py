"""R's figures come from pROC 1.18.0 on R 4.2.2; each test keeps the call that gave them."""

import asah
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from helpers.data.study import MODELS
from helpers.judgement import evaluation
from trust import audit

# fmt: off
FIRST = np.array([
    0.91, 0.34, 0.62, 0.55, 0.88, 0.47, 0.71, 0.30, 0.66, 0.59,
    0.12, 0.45, 0.33, 0.59, 0.21, 0.08, 0.52, 0.27, 0.64, 0.39,
    0.17, 0.30, 0.73, 0.24, 0.41, 0.05, 0.36, 0.49, 0.28, 0.57,
    0.19, 0.44, 0.31, 0.22, 0.68, 0.10, 0.37, 0.53, 0.26, 0.15,
    0.48, 0.29, 0.35, 0.60, 0.20, 0.42, 0.11, 0.55, 0.25, 0.38])
SECOND = np.array([
    0.80, 0.41, 0.45, 0.61, 0.70, 0.52, 0.39, 0.44, 0.77, 0.33,
    0.22, 0.35, 0.43, 0.49, 0.31, 0.18, 0.42, 0.37, 0.54, 0.29,
    0.27, 0.40, 0.63, 0.34, 0.31, 0.15, 0.46, 0.39, 0.38, 0.47,
    0.29, 0.34, 0.51, 0.32, 0.58, 0.20, 0.27, 0.43, 0.36, 0.25,
    0.38, 0.19, 0.45, 0.50, 0.30, 0.32, 0.21, 0.45, 0.35, 0.28])
# fmt: on
POSITIVE = np.repeat([True, False], [10, 40])


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
    assert evaluation.auc_interval(POSITIVE, score, level, "plain") == pytest.approx(expected, abs=1e-9)


def test_plain_interval_is_clipped_as_in_pROC():
    # ci.auc(roc(rep(c(1,0), c(3,7)), c(.9,.8,.6, .7,.2,.1,.3,.15,.25,.05), direction="<"))
    score = [0.9, 0.8, 0.6, 0.7, 0.2, 0.1, 0.3, 0.15, 0.25, 0.05]
    found = evaluation.auc_interval([1] * 3 + [0] * 7, score, scale="plain")
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
    assert evaluation.auc_interval(asah.POOR, score, scale="plain") == pytest.approx(expected, abs=1e-9)


def test_delong_against_a_plain_loop():
    positive, negative = FIRST[:10], FIRST[10:]
    won = [[1.0 if p > n else 0.5 if p == n else 0.0 for n in negative] for p in positive]
    mean = sum(map(sum, won)) / 400
    of_positive = sum((sum(row) / 40 - mean) ** 2 for row in won) / 9
    of_negative = sum((sum(row[j] for row in won) / 10 - mean) ** 2 for j in range(40)) / 39
    assert evaluation.delong(evaluation.wins(positive, negative)) == pytest.approx(
        (mean, of_positive / 10 + of_negative / 40), abs=1e-12
    )


def test_logit_interval_by_hand():
    # AUC 0.82375 and DeLong's variance 0.00531909722222 as R's auc(a) and var(a) give them
    auc, sd, z = 0.82375, 0.00531909722222**0.5, 1.959963984540054
    odds = np.exp(np.log(auc / (1 - auc)) + np.array([-1, 1]) * z * sd / (auc * (1 - auc)))
    found = evaluation.auc_interval(POSITIVE, FIRST)
    assert found == pytest.approx((auc, *(odds / (1 + odds))), abs=1e-9)


@pytest.mark.parametrize("auc", [0.7, 0.8, 0.86])
def test_logit_interval_covers_the_truth_in_95_of_100_studies(auc):
    assert 0.93 <= evaluation.coverage(auc, 10, 40, n_studies=4000) <= 0.96


def test_default_interval_stays_between_0_and_1_in_every_simulated_study():
    generator = np.random.default_rng(2)
    positive_score = 2.5 + generator.standard_normal((4000, 10))  # AUC 0.96: some studies separate perfectly
    found, variance = evaluation.delong(evaluation.wins(positive_score, generator.standard_normal((4000, 40))))
    low, high = evaluation.interval_of(found, variance, 10)
    assert (found == 1).any()
    assert ((0 <= low) & (low < found) & (found <= high) & (high <= 1)).all()


@pytest.mark.parametrize("auc", [0.7, 0.8, 0.86])
def test_plain_interval_covers_too_seldom(auc):
    assert 0.85 <= evaluation.coverage(auc, 10, 40, n_studies=4000, scale="plain") < 0.93


def test_bootstrap_agrees_with_delong():
    bootstrap = evaluation.auc_bootstrap(POSITIVE, FIRST)
    assert bootstrap == pytest.approx(evaluation.auc_interval(POSITIVE, FIRST, scale="plain")[1:], abs=0.03)


@pytest.mark.parametrize("scale", ["logit", "plain"])
def test_perfect_separation_against_the_binomial_of_ten_pairs(scale):
    won_all = binomtest(10, 10).proportion_ci(0.95)
    score = POSITIVE + np.linspace(0, 0.5, 50)
    assert evaluation.auc_interval(POSITIVE, score, scale=scale) == pytest.approx((1, won_all.low, 1), abs=1e-12)
    assert evaluation.auc_interval(POSITIVE, -score, scale=scale) == pytest.approx((0, 0, 1 - won_all.low), abs=1e-12)


def test_perfect_separation_bound_is_reached():
    """Where a non-responder beats all responders or none, 10 of 10 win with probability AUC^10."""
    _, low, _ = evaluation.auc_interval(POSITIVE, POSITIVE.astype(float))
    generator = np.random.default_rng(1)
    positive = np.where(generator.random((20000, 10)) < low, 1.0, -1.0)
    separated = evaluation.wins(positive, np.zeros((20000, 40))).mean((-2, -1)) == 1
    assert separated.mean() == pytest.approx(0.025, abs=0.004)


def test_tied_scores_against_the_binomial_of_ten_pairs():
    half_won = binomtest(5, 10).proportion_ci(0.95)
    found = evaluation.auc_interval(POSITIVE, np.full(50, 0.3))
    assert found == pytest.approx((0.5, half_won.low, half_won.high), abs=1e-12)


def test_one_patient_or_tied_scores_give_a_wide_interval():
    for positive, score in [([1, 0, 0, 0], [0.5, 0.2, 0.7, 0.1]), (POSITIVE, np.full(50, 0.3))]:
        auc, low, high = evaluation.auc_interval(positive, score)
        assert 0 <= low < auc < high <= 1
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
        evaluation.auc_interval(positive, score)


def test_unknown_scale_is_named():
    with pytest.raises(ValueError, match="probit"):
        evaluation.auc_interval(POSITIVE, FIRST, scale="probit")


def test_wilson_interval_by_its_formula():
    z, p, n = 1.959963984540054, 0.7, 10
    centre, half = p + z**2 / (2 * n), z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    expected = (p, (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n))
    assert evaluation.proportion_interval(7, 10) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("successes", "total"), [(0, 10), (7, 10), (50, 50), (1, 1)])
def test_wilson_interval_against_scipy(successes, total):
    scipys = binomtest(successes, total).proportion_ci(0.9, method="wilson")
    found = evaluation.proportion_interval(successes, total, 0.9)
    assert found == pytest.approx((successes / total, scipys.low, scipys.high), abs=1e-12)
    assert 0 <= found[1] <= found[2] <= 1


@pytest.mark.parametrize(("successes", "total"), [(0, 0), (11, 10), (-1, 10)])
def test_an_impossible_proportion_is_named(successes, total):
    with pytest.raises(ValueError, match=f"{successes} of {total}"):
        evaluation.proportion_interval(successes, total)


def test_cross_entropy_by_hand():
    found = evaluation.cross_entropy([1, 0, 0], [0.8, 0.3, 0.1])
    assert found == pytest.approx(-(np.log(0.8) + np.log(0.7) + np.log(0.9)) / 3, abs=1e-12)
    assert np.isfinite(evaluation.cross_entropy([True, False], [0.0, 0.0]))


def test_confusion_counts_by_hand():
    found = evaluation.confusion([1, 1, 0, 0, 0], [0.5, 0.4, 0.6, 0.1, 0.2])
    assert found == (1, 1, 2, 1)
    assert found.non_responders_found == 1
    assert evaluation.confusion([1, 1, 0, 0, 0], [0.5, 0.4, 0.6, 0.1, 0.2], threshold=0.3) == (2, 0, 2, 1)


def test_no_information_rate_of_the_papers_test_set():
    assert evaluation.no_information_rate(POSITIVE) == 0.8


def called(model, split, n_responders_found, n_responders, n_found, n_non_responders):
    """Return predictions that give a wanted confusion matrix."""
    n_missed, n_false = n_non_responders - n_found, n_responders - n_responders_found
    responder = [True] * n_responders + [False] * n_non_responders
    probability = [0.1] * n_responders_found + [0.8] * n_false + [0.9] * n_found + [0.2] * n_missed
    patient = [f"{split}{i}" for i in range(len(responder))]
    return pd.DataFrame({"patient": patient, "model": model, "split": split, "responder": responder,
                         "probability": probability, "seed": 1})  # fmt: skip


def predictions_like_the_papers():
    """Confusion matrices that the printed Table 2 determines (validation: 21 R, 9 NR)."""
    validation, test = (16, 19, 18, 19), ((33, 7), (34, 7), (32, 8), (37, 7))
    parts = [
        part
        for slug, kept, (right, found) in zip(MODELS, validation, test, strict=True)
        for part in (called(slug, "validation", kept, 21, 7, 9), called(slug, "test", right, 40, found, 10))
    ]
    return pd.concat(parts[::-1])  # rows must not depend on the order of predictions


def test_table2_against_the_printed_table():
    ours, printed = evaluation.table2(predictions_like_the_papers()), audit.printed_table2()
    assert ours.index.tolist() == printed.index.tolist() == [1, 2, 3, 4]
    for name in ["features", "input"]:
        assert ours[name].tolist() == printed[name].tolist()
    for name in ["test_accuracy", "test_specificity", "test_sensitivity"]:
        np.testing.assert_allclose(ours[name], printed[name], atol=1e-9)
    for name in ["validation_accuracy", "validation_specificity", "validation_sensitivity"]:
        np.testing.assert_allclose(ours[name], printed[name], atol=0.0101)
    assert ours.test_auc.between(0.7, 1).all()  # ranks non-responders above, not below
    assert (ours.test_auc_low < ours.test_auc).all()
    order = [name for name in ours.columns if not name.endswith(("_low", "_high"))]
    assert order == [name for name in printed.columns if not name.endswith("_half_width")]


def test_table2_reads_like_the_papers():
    printed = evaluation.readable(audit.printed_table2())
    assert printed.loc[4].tolist() == [
        "RAN", "core + margin", "86 ± 12", "90", "78", "0.16", "88 ± 9", "92.5", "70", "0.86 ± 0.10",
    ]  # fmt: skip
    ours = evaluation.readable(evaluation.table2(predictions_like_the_papers()))
    assert ours.columns.tolist() == printed.columns.tolist()
    assert ours.loc[1, "Test sen (%)"] == "70 (40–89)"


def test_table2_refuses_what_it_cannot_tell():
    predictions = predictions_like_the_papers()
    with pytest.raises(ValueError, match="one seed"):
        evaluation.table2(pd.concat([predictions, predictions.assign(seed=2)]))
    with pytest.raises(ValueError, match="vgg"):
        evaluation.table2(predictions.assign(model="vgg"))
    with pytest.raises(ValueError, match="both classes"):
        evaluation.table2(predictions[predictions.responder | (predictions.split == "test")])
