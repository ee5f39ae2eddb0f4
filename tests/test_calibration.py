"""R's figures come from base R 4.2.2; each test keeps the call that gave them."""

import numpy as np
import pytest
from fifty import FIRST, POSITIVE
from sklearn.metrics import brier_score_loss

from beyond import calibration
from helpers.judgement.evaluation import proportion_interval


def test_calibration_line_against_R():
    # lp <- qlogis(s); glm(y ~ offset(lp), binomial); glm(y ~ lp, binomial): estimate -+ qnorm(.975) * se
    line = calibration.calibration_line(POSITIVE, FIRST)
    assert line.loc["intercept"].tolist() == pytest.approx((-1.182670672727, -1.9337694387, -0.4315719067), abs=1e-8)
    assert line.loc["slope"].tolist() == pytest.approx((1.610401818834, 0.4703643979613, 2.7504392397076), abs=1e-7)


def test_perfect_separation_has_no_slope():
    line = calibration.calibration_line(POSITIVE, np.where(POSITIVE, 0.9, 0.1) + np.linspace(0, 0.05, 50))
    assert line.loc["slope"].isna().all()
    assert np.isfinite(line.loc["intercept"]).all()


def test_the_same_probability_for_all_has_no_slope():
    assert calibration.calibration_line(POSITIVE, np.full(50, 0.2)).loc["slope"].isna().all()


def test_a_true_probability_is_calibrated():
    generator = np.random.default_rng(0)
    probability = generator.beta(1, 3, 20_000)
    line = calibration.calibration_line(generator.random(20_000) < probability, probability)
    assert line.value.to_numpy() == pytest.approx([0, 1], abs=0.06)


def test_undone_weight_by_its_formula():
    p, weight = np.array([0.0, 0.1, 0.238, 0.9, 1.0]), 5.0
    assert calibration.unweighted(weight * p / (weight * p + 1 - p), weight) == pytest.approx(p, abs=1e-12)


def test_brier_against_scikit_learn():
    score, low, high = calibration.brier(POSITIVE, FIRST)
    assert score == pytest.approx(brier_score_loss(POSITIVE, FIRST), abs=1e-12)
    assert low < score < high
    assert calibration.brier(POSITIVE, np.full(50, 0.5))[0] == pytest.approx(0.25)
    assert calibration.brier([1, 0, 0, 0], [0.0, 0.0, 0.0, 0.0]) == (0.25, 0.0, pytest.approx(0.74, abs=1e-3))


def test_reliability_by_hand():
    table = calibration.reliability([0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.9], n_bins=2)
    assert table.patients.tolist() == [3, 2]
    assert table.predicted.tolist() == pytest.approx([0.2, 0.85])
    assert table.observed.tolist() == pytest.approx([1 / 3, 1])
    assert table.loc[0, ["low", "high"]].tolist() == pytest.approx(proportion_interval(1, 3)[1:])


def test_reliability_of_fewer_patients_than_groups():
    assert calibration.reliability([0, 1], [0.1, 0.9], n_bins=5).patients.tolist() == [1, 1]


def test_net_benefit_by_a_plain_loop():
    thresholds = [0.1, 0.2, 0.5]
    table = calibration.net_benefit(POSITIVE, FIRST, thresholds)
    for t in thresholds:
        rightly = sum(1 for y, p in zip(POSITIVE, FIRST, strict=True) if y and p >= t)
        wrongly = sum(1 for y, p in zip(POSITIVE, FIRST, strict=True) if not y and p >= t)
        assert table.model[t] == pytest.approx(rightly / 50 - wrongly / 50 * t / (1 - t), abs=1e-12)
        assert table.everybody[t] == pytest.approx(0.2 - 0.8 * t / (1 - t), abs=1e-12)
        assert table.gain[t] == pytest.approx(table.model[t] - max(table.everybody[t], 0), abs=1e-12)
    assert (table.nobody == 0).all()


def test_treating_everybody_is_worth_nothing_at_the_share_of_positives():
    assert calibration.net_benefit(POSITIVE, FIRST, [0.2]).everybody.item() == pytest.approx(0, abs=1e-12)


def test_unusable_probabilities_are_named():
    with pytest.raises(ValueError, match="both classes"):
        calibration.brier([1, 1], [0.2, 0.3])


def test_certain_predictions_still_have_a_line():
    """A probability of 0 or 1 counts as 1e-12 and 1 - 1e-12, as its log-odds would be infinite."""
    probability = FIRST.copy()
    probability[[0, 1, 20, 40]] = [1.0, 0.0, 1.0, 0.0]
    line = calibration.calibration_line(POSITIVE, probability)
    assert np.isfinite(line.to_numpy()).all()
    clipped = np.clip(probability, 1e-12, 1 - 1e-12)
    assert line.to_numpy() == pytest.approx(calibration.calibration_line(POSITIVE, clipped).to_numpy(), abs=1e-9)


def test_separation_up_to_a_tie_has_no_slope():
    """The lowest non-responder ties the highest responder: the slope grows without end."""
    line = calibration.calibration_line([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1])
    assert line.loc["slope"].isna().all()
    assert calibration.calibration_line([1, 1, 0, 0], [0.9, 0.4, 0.5, 0.1]).loc["slope"].notna().all()


def test_slope_is_of_log_odds():
    """Log-odds twice too far apart have half the slope, whatever it was."""
    odds = np.log(FIRST / (1 - FIRST))
    one, twice = (calibration.calibration_line(POSITIVE, 1 / (1 + np.exp(-k * odds))).value["slope"] for k in (1, 2))
    assert twice == pytest.approx(one / 2, abs=1e-9)


def test_conformal_sets_against_a_plain_loop():
    """A class is left out where few enough of its patients, oneself among them, are as strange or stranger."""
    sets = calibration.conformal_sets(POSITIVE, FIRST, 0.8)
    for patient, (positive, negative) in enumerate(sets):
        for wanted, found, sign in ((True, positive, 1), (False, negative, -1)):
            others = [j for j in range(50) if POSITIVE[j] == wanted and j != patient]
            count = 1 + sum(sign * FIRST[j] <= sign * FIRST[patient] for j in others)
            assert found == (count / (len(others) + 1) > 0.2)


def test_conformal_sets_keep_their_word_whatever_the_score():
    """Of 400 draws in which the score knows much or nothing; too few of a class leave it in every set."""
    generator = np.random.default_rng(1)
    for strength in (0.0, 2.0):
        held = []
        for _ in range(200):
            positive = generator.random(60) < 0.4
            sets = calibration.conformal_sets(positive, generator.normal(strength * positive), 0.9)
            held.append(np.where(positive, *sets.T)[positive].mean())
        assert np.mean(held) >= 0.9
    few = calibration.conformal_sets(np.arange(40) < 8, generator.normal(size=40), 0.9)
    assert few[:, 0].all()
