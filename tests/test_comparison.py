"""R's figures come from pROC 1.18.0 and base R 4.2.2; each test keeps the call that gave them."""

import asah
import numpy as np
import pandas as pd
import pytest
from test_evaluation import FIRST, POSITIVE, SECOND

from helpers.judgement import comparison


def test_difference_of_two_models_against_pROC():
    # roc.test(a, b, method="delong"): p.value and conf.int
    found = comparison.auc_difference(POSITIVE, FIRST, SECOND)
    assert found == pytest.approx((0.0075, -0.150189753767, 0.165189753767, 0.92572933481), abs=1e-9)


def test_difference_against_the_published_example_of_pROC():
    # data(aSAH); roc.test(roc(outcome, s100b), roc(outcome, wfns), method="delong")
    found = comparison.auc_difference(asah.POOR, asah.S100B, asah.WFNS)
    expected = 0.7313685636856 - 0.8236788617886, -0.17421441924948, -0.01040617695648, 0.02717578222919
    assert found == pytest.approx(expected, abs=1e-9)


def test_models_that_order_alike_have_no_p_value():
    difference, low, high, p_value = comparison.auc_difference(POSITIVE, FIRST, 2 * FIRST)
    assert (difference, low, high) == (0, 0, 0)
    assert np.isnan(p_value)


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
