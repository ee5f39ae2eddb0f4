"""Formulas against simulation, simulation against lifelines."""

import numpy as np
import pytest
from lifelines.statistics import logrank_test
from scipy.stats import binomtest, norm

from pages import chance


def test_log_rank_against_lifelines():
    generator = np.random.default_rng(0)
    duration, event = generator.exponential(5, (3, 50)), generator.random((3, 50)) < 0.4
    group = np.broadcast_to(np.arange(50) < 10, (3, 50))
    for found, one, seen in zip(chance.log_rank_z(duration, event, group), duration, event, strict=True):
        expected = logrank_test(one[:10], one[10:], seen[:10], seen[10:]).test_statistic
        assert found**2 == pytest.approx(expected, abs=1e-9)


def test_log_rank_of_no_difference_is_significant_in_5_of_100_studies():
    generator = np.random.default_rng(1)
    duration, group = generator.exponential(5, (4000, 100)), np.broadcast_to(np.arange(100) < 50, (4000, 100))
    z = chance.log_rank_z(duration, np.ones((4000, 100), bool), group)
    assert np.mean(np.abs(z) > norm.ppf(0.975)) == pytest.approx(0.05, abs=0.01)


def test_simulated_studies_agree_with_schoenfeld():
    events, by_truth, by_calls = chance.log_rank_studies(n_studies=2000)
    assert np.array_equal(by_truth, by_calls)  # all calls right
    assert np.mean(by_truth < 0.05) == pytest.approx(chance.power(1 / 0.45, 0.2, events.mean()), abs=0.08)
    wrong = chance.log_rank_studies(kept=20, found=5, n_studies=2000)[2]  # calls of a coin
    assert np.nanmean(wrong < 0.05) < 0.1


def test_auc_power_without_a_difference_is_the_level():
    assert chance.auc_power(0.8, 0.8, 0.5, 25, 100, n_studies=2000) == pytest.approx(0.05, abs=0.015)


def test_auc_power_grows_with_patients_and_with_likeness():
    few, many = (chance.auc_power(0.77, 0.86, 0.5, *n, n_studies=500) for n in ((10, 40), (100, 400)))
    alike = chance.auc_power(0.77, 0.86, 0.9, n_studies=500)
    assert few < 0.4 < 0.9 < many
    assert few < alike


def test_interval_of_the_printed_kind_covers_too_seldom():
    assert 0.79 < chance.coverage_as_proportion(0.77) < 0.83


def test_ratio_behind_a_p_value_turns_power_round():
    """A true ratio at the very p-value of 5 % is found in half of the studies."""
    assert chance.power(chance.ratio_behind(0.05, 20, 0.2), 0.2, 20) == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("more", [0, 1, 3, 4])
def test_least_mcnemar_against_the_binomial(more):
    every = [binomtest(more + both, more + 2 * both).pvalue for both in range(20) if more + 2 * both]
    assert chance.least_mcnemar(more) == pytest.approx(min(every), abs=1e-12)


@pytest.mark.parametrize("auc", [0.7, 0.8, 0.86])
def test_logit_interval_covers_the_truth_in_95_of_100_studies(auc):
    assert 0.93 <= chance.coverage(auc, 10, 40, n_studies=4000) <= 0.96


@pytest.mark.parametrize("auc", [0.7, 0.8, 0.86])
def test_plain_interval_covers_too_seldom(auc):
    assert 0.85 <= chance.coverage(auc, 10, 40, n_studies=4000, scale="plain") < 0.93


def test_found_aucs_scatter_around_the_truth():
    found = chance.found_aucs([0.77, 0.86], n_studies=1000, correlation=0.6)
    assert found.mean(0) == pytest.approx([0.77, 0.86], abs=0.01)
    assert np.corrcoef(found.T)[0, 1] > 0.3
    one = chance.found_aucs([0.86], n_studies=50)
    assert one.shape == (50, 1)
    np.testing.assert_allclose(one * 400 * 2, np.rint(one * 400 * 2), atol=1e-9)  # pairs won, or halves of them
