"""R's figures come from base R 4.2.2; each test keeps the call that gave them."""

import numpy as np
import pandas as pd
import pytest
from fifty import FIRST, POSITIVE, SECOND
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.weightstats import DescrStatsW

from beyond import comparison, means
from helpers.data.study import MODELS
from helpers.judgement import evaluation
from pages import judgement
from pages.printed import printed_table2


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


# prop.test(x, n, correct = FALSE)$conf.int: method 3 of table I of Newcombe 1998, four decimals
@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_against_newcombe(successes, total, low, high):
    assert evaluation.proportion_interval(successes, total)[1:] == pytest.approx((low, high), abs=5e-5)


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
    assert comparison.no_information_rate(POSITIVE) == 0.8


def called(model, split, n_responders_found, n_responders, n_found, n_non_responders):
    """Return predictions that give a wanted confusion matrix."""
    n_missed, n_false = n_non_responders - n_found, n_responders - n_responders_found
    responder = [True] * n_responders + [False] * n_non_responders
    probability = [0.1] * n_responders_found + [0.8] * n_false + [0.9] * n_found + [0.2] * n_missed
    patient = [f"{split}{i}" for i in range(len(responder))]
    return pd.DataFrame(
        {
            "patient": patient,
            "model": model,
            "split": split,
            "responder": responder,
            "probability": probability,
            "seed": 1,
        }
    )


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
    ours, printed = evaluation.table2(predictions_like_the_papers()), printed_table2()
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
    printed = judgement.readable(printed_table2())
    assert printed.loc[4].tolist() == [
        "RAN",
        "core + margin",
        "86 ± 12",
        "90",
        "78",
        "0.16",
        "88 ± 9",
        "92.5",
        "70",
        "0.86 ± 0.10",
    ]
    ours = judgement.readable(evaluation.table2(predictions_like_the_papers()))
    assert ours.columns.tolist() == printed.columns.tolist()
    assert ours.loc[1, "Test sen (%)"] == "70 (40–89)"


def test_table2_refuses_what_it_cannot_tell():
    predictions = predictions_like_the_papers()
    with pytest.raises(ValueError, match="one seed"):
        evaluation.table2(pd.concat([predictions, predictions.assign(seed=2)]))
    with pytest.raises(ValueError, match="vgg"):
        evaluation.table2(predictions.assign(model="vgg"))


def test_table2_tells_what_a_set_without_a_class_can_tell():
    predictions = predictions_like_the_papers()
    table = evaluation.table2(predictions[predictions.responder | (predictions.split == "test")])
    full = evaluation.table2(predictions)
    assert table.filter(like="validation_sensitivity").isna().all(axis=None)
    pd.testing.assert_frame_equal(table.filter(like="validation_specificity"), full.filter(like="validation_specific"))
    pd.testing.assert_frame_equal(table.filter(like="test_"), full.filter(like="test_"))
    assert judgement.readable(table).loc[4, "Val. sen (%)"] == "not computed"
    kept = predictions[predictions.split == "validation"]
    nobody = judgement.readable(evaluation.table2(kept))
    assert (nobody.filter(like="Test") == "not computed").all(axis=None)
    assert judgement.lacking_sets(kept) == "\n\nNot computed: 0 patients in the test set."
    assert judgement.lacking_sets(predictions) == ""
    few = predictions[
        predictions.responder | (predictions.split == "test") | predictions.patient.str[-1].isin(["1", "2"])
    ]
    assert judgement.lacking_sets(few) == "\n\nToo few: 2 non-responders in the validation set."


@pytest.mark.parametrize(
    ("n", "told"), [(0, ""), (1, "too few: 1 non-responder"), (4, "too few: 4 non-responders"), (5, "")]
)
def test_too_few_non_responders_in_words(n, told):
    """The book's own rule: a figure of fewer than five non-responders says so; of none, ``lacking`` says it."""
    assert judgement.too_few(n) == told
    positive = np.arange(9) < n
    assert judgement.beneath(positive, "the cohort") == (f"\n\n{told.capitalize()} in the cohort." if told else "")


def test_what_is_lacking_in_words():
    assert judgement.lacking([1, 0, 0]) == ""
    assert judgement.lacking([1, 0, 0], least=2) == "not computed: 1 non-responder in the test set"
    assert judgement.lacking([1, 0], least=2) == "not computed: 1 non-responder and 1 responder in the test set"
    assert judgement.lacking([0, 0], "the validation set") == "not computed: 0 non-responders in the validation set"
    assert judgement.lacking([]) == "not computed: 0 patients in the test set"
    assert judgement.sentence("not computed: 0 recurrences") == "Not computed: 0 recurrences."
    assert judgement.sentence("") == ""


def test_models_compared_on_one_patient_or_one_class():
    """McNemar's test needs no classes; DeLong's needs two patients of each. The same order has a p-value, 1."""
    title = {"one": "One", "other": "Other"}
    scores = pd.DataFrame({"one": [0.9, 0.2, 0.6], "other": [0.4, 0.3, 0.7]})
    for positive, told in (([1, 0, 0], "+0.50 (not computed)"), ([1, 1, 1], "not computed")):
        [row] = judgement.compared(comparison.compare_models(positive, scores), title).to_dict("records")
        assert (row["AUC difference"], row["DeLong p"]) == (told.replace("+0.50", "-0.50"), "not computed")
        assert row["McNemar p"] == "1.000"
    alike = pd.DataFrame({"one": [0.9, 0.8, 0.1, 0.2], "other": [0.7, 0.6, 0.3, 0.4]})
    [row] = judgement.compared(comparison.compare_models([1, 1, 0, 0], alike), title).to_dict("records")
    assert (row["AUC difference"], row["DeLong p"]) == ("+0.00 (-0.97 to +0.97)", "1.000")


def test_mcnemar_against_R():
    # binom.test(3, 10)$p.value: 0.34375
    positive = np.ones(40, bool)
    first, second = np.repeat([1, 0, 1, 0], [20, 10, 3, 7]), np.repeat([1, 0, 0, 1], [20, 10, 3, 7])
    assert comparison.mcnemar(positive, first, second) == pytest.approx((3, 7, 0.34375), abs=1e-12)
    assert comparison.mcnemar(~positive, ~first.astype(bool), ~second.astype(bool))[:2] == (3, 7)


def test_mcnemar_of_equal_calls_is_one():
    assert comparison.mcnemar([1, 0, 1], [1, 1, 0], [1, 1, 0]) == (0, 0, 1.0)


def test_every_pair_is_compared_once_the_later_model_against_the_earlier():
    probability = pd.DataFrame({"a": FIRST, "b": SECOND, "c": 1 - FIRST})
    table = comparison.compare_models(POSITIVE, probability)
    assert list(zip(table.model, table.against, strict=True)) == [("b", "a"), ("c", "a"), ("c", "b")]
    assert table.auc_difference[0] == pytest.approx(-0.0075)
    only_b, only_a, p_value = comparison.mcnemar(POSITIVE, SECOND >= 0.5, FIRST >= 0.5)
    assert table.loc[0, ["only_model_right", "only_against_right", "mcnemar_p"]].tolist() == [only_b, only_a, p_value]


def test_interval_of_a_mean_against_its_standard_error():
    values = np.random.default_rng(4).normal(2, 3, 400)
    mean, low, high = means.bootstrap_mean(np.append(values, np.nan), level=0.9, n_resamples=9999)
    half = 1.6449 * values.std() / 20  # normal theory, 400 patients
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.05 * half)


def test_interval_needs_two_patients():
    assert np.isnan(means.bootstrap_mean([0.3])[1:]).all()
    assert np.isnan(means.bootstrap_mean([np.nan])).all()


def test_intervals_of_means_against_statsmodels():
    table = np.column_stack([FIRST, SECOND])
    stats = DescrStatsW(table)
    for found, theirs in (
        (means.normal_mean(table, 0.9), stats.zconfint_mean(0.1)),
        (means.student_mean(table, 0.9), stats.tconfint_mean(0.1)),
    ):
        np.testing.assert_allclose(found, [table.mean(0), *theirs], atol=1e-12)


def test_each_column_of_table2_is_of_its_own_patients_by_a_plain_loop():
    """Validation loss, and who was called what, from the validation patients; the AUC from the test patients."""
    predictions = predictions_like_the_papers()
    predictions["probability"] += 0.05 * np.random.default_rng(0).random(len(predictions))
    table = evaluation.table2(predictions, threshold=0.5)
    for slug, spec in MODELS.items():
        for split in ("validation", "test"):
            rows = predictions[(predictions.model == slug) & (predictions.split == split)]
            calls = [(row.responder, row.probability >= 0.5) for row in rows.itertuples()]
            found = {
                "accuracy": np.mean([responder != called for responder, called in calls]),
                "specificity": np.mean([not called for responder, called in calls if responder]),
                "sensitivity": np.mean([called for responder, called in calls if not responder]),
            }
            for name, share in found.items():
                assert table.loc[spec.number, f"{split}_{name}"] == pytest.approx(share, abs=1e-12)
            of_truth = [1 - row.probability if row.responder else row.probability for row in rows.itertuples()]
            loss = -np.mean(np.log(of_truth))
            assert (table.validation_loss[spec.number] == pytest.approx(loss)) == (split == "validation")
        assert table.test_auc[spec.number] == pytest.approx(roc_auc_score(~rows.responder, rows.probability))


def test_a_threshold_itself_calls_a_non_responder():
    tied = pd.DataFrame({"at": [0.5, 0.5, 0.4], "below": [0.4, 0.4, 0.4]})
    assert evaluation.confusion([1, 0, 0], tied["at"]) == (1, 0, 1, 1)
    pair = comparison.compare_models([1, 1, 0], tied).iloc[0]
    assert pair[["model", "against", "only_model_right", "only_against_right"]].tolist() == ["below", "at", 0, 2]


def test_numbers_as_text():
    assert judgement.with_interval((0.814, 0.646, 0.926)) == "0.81 (0.65 to 0.93)"
    assert judgement.with_interval((2.0, 1.04, 3.96), to="–") == "2.00 (1.04–3.96)"
    assert judgement.with_interval((-1.0, -2.5, 0.5), "+.1f") == "-1.0 (-2.5 to +0.5)"
    assert judgement.with_interval((np.nan,) * 3, missing="unknown") == "unknown"
    assert judgement.with_interval((0.5, np.nan, np.nan)) == "0.50 (not computed)"
    mean, low, high = means.bootstrap_mean(FIRST, 0.8)
    assert judgement.mean_in_words(FIRST, 0.8) == f"{mean:.2f} ({low:.2f} to {high:.2f})"
    assert [judgement.p_text(p) for p in (0.0301, 0.0009, np.nan)] == ["0.030", "< 0.001", "undefined"]
