"""Learning curves: the loss of a model that has learned nothing, and the epoch that was kept."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from helpers.data.study import MODELS
from pages.networks import ignorant_loss, kept_epochs, show_curves


def learned():
    """Two epochs of every model and stage, the first the better one in stage 1, the second in stage 2."""
    rows = [
        {"model": slug, "stage": stage, "epoch": epoch, "training_loss": 1.0, "validation_loss": loss}
        for slug in MODELS
        for stage, losses in (("feature", (0.4, 0.6)), ("predictive", (0.5, 0.3)))
        for epoch, loss in enumerate(losses, 1)
    ]
    return pd.DataFrame(rows).assign(validation_auc=0.5)


@pytest.mark.parametrize("class_weight", [1.0, 5.0])
def test_ignorant_loss_against_a_search_for_the_best_constant(class_weight):
    positive, count = np.array([True, False, False, True, False]), np.array([3, 5, 2, 1, 4])
    truth = np.repeat(positive, count)
    weight = np.where(truth, class_weight, 1.0)
    found = minimize_scalar(
        lambda p: log_loss(truth, np.full(len(truth), p), sample_weight=weight), bounds=(0.01, 0.99), method="bounded"
    )
    assert ignorant_loss(positive, count, class_weight) == pytest.approx(found.fun, rel=1e-6)


def test_ignorant_loss_at_the_papers_43_of_181():
    """0.55 without a weight, 0.67 with the paper's, log 2 where the weight balances the classes."""
    positive, one_each = np.arange(181) < 43, np.ones(181)
    assert ignorant_loss(positive, one_each, 1.0) == pytest.approx(0.55, abs=0.005)
    assert ignorant_loss(positive, one_each, 5.0) == pytest.approx(0.67, abs=0.005)
    assert ignorant_loss(positive, one_each, 138 / 43) == pytest.approx(np.log(2))


def test_kept_epochs_are_those_of_the_best_validation_loss():
    kept = kept_epochs(learned())
    assert list(kept) == [
        "model",
        "stage",
        "epochs run",
        "epoch kept",
        "training_loss",
        "validation_loss",
        "validation_auc",
    ]
    assert list(kept["model"].unique()) == list(MODELS)
    assert kept["epochs run"].tolist() == [2] * 8
    assert kept["epoch kept"].tolist() == [1, 2] * 4


def test_curves_are_drawn_a_panel_per_model_with_a_dot_at_the_kept_epoch():
    show_curves(learned(), "predictive", 0.7)
    fig = plt.gcf()
    assert [ax.get_title() for ax in fig.axes] == [spec.title for spec in MODELS.values()]
    for ax in fig.axes:
        training, validation, dot, ignorant = [line.get_ydata() for line in ax.lines]
        assert list(training) == [1.0, 1.0]
        assert list(validation) == [0.5, 0.3]
        assert list(dot) == [0.3]
        assert list(ignorant) == [0.7, 0.7]
    plt.close(fig)


def test_of_validation_patients_of_one_class_or_none_the_last_epoch_is_kept_and_no_loss_is_ignorant():
    curves = learned().assign(validation_auc=np.nan)
    assert kept_epochs(curves)["epoch kept"].tolist() == [2] * 8
    assert ignorant_loss(np.array([True, True]), np.ones(2), 5.0) == 0
    assert np.isnan(ignorant_loss(np.zeros(0, bool), np.zeros(0), 5.0))
    for ignorant in (0.0, np.nan):
        show_curves(curves.assign(validation_loss=np.nan), "feature", ignorant)
        assert all(len(ax.lines) == 3 for ax in plt.gcf().axes)
        plt.close("all")
