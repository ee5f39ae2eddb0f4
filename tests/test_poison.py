"""Test patients are seen once: whatever is done to them beforehand, all that is learned or chosen stays the same."""

import numpy as np
import pytest
from tiny import SMOKE, same_weights, study

from beyond.search import search_backbone, search_head
from helpers.judgement.roc import roc_curve
from helpers.learning.images import fit_scaling
from helpers.learning.training import MODELS, train_all

SETTINGS = SMOKE.replace(epochs=2, head_epochs=4, processes=1, search_trials=3, search_backbone_trials=1)


def garbage(images, patients, planes):
    """Other pixels, other outlines, the opposite response."""
    images.maps[planes] = np.random.default_rng(7).uniform(-1e3, 1e3, images.maps[planes].shape)
    images.core[planes], images.region[planes] = True, True
    test = patients["split"] == "test"
    patients.loc[test, "responder"] = ~patients.loc[test, "responder"]
    return images


def another_scale(images, patients, planes):
    """Other units, half of the planes gone, one without a valid pixel."""
    images.maps[planes] = 1e4 * images.maps[planes] + 300
    images.maps[planes[1]] = np.nan
    return images.select(np.setdiff1d(np.arange(len(images)), planes[::2]))


def learned(images, patients, folder):
    """Models, and everything chosen with the help of patients: validation figures, thresholds, searches."""
    results = train_all(images, patients, SETTINGS, folder)
    validation = results.predictions.query("split == 'validation'").reset_index(drop=True)
    thresholds = []
    for _, rows in validation.groupby("model", sort=False):
        false_rate, true_rate, threshold = roc_curve(~rows["responder"].to_numpy(bool), rows["probability"])
        thresholds.append(threshold[np.argmax(true_rate - false_rate)])
    slug = "resnet_core"
    trials = [
        trial
        for search in (search_head, search_backbone)
        for trial in search(results, images, patients, SETTINGS, slug).trials
    ]
    searched = [(trial.params, trial.value, trial.state, trial.user_attrs) for trial in trials]
    return {
        "folder": folder,
        "validation": validation,
        "curves": results.curves,
        "thresholds": thresholds,
        "searched": searched,
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return learned(*study(), tmp_path_factory.mktemp("undisturbed") / "models")


def differences(one, other):
    """Names of what is not the same, to the last bit."""
    found = [slug for slug in MODELS if not same_weights(one["folder"] / slug, other["folder"] / slug)]
    found += [name for name in ("validation", "curves") if not one[name].equals(other[name])]
    return found + [name for name in ("thresholds", "searched") if one[name] != other[name]]


@pytest.mark.parametrize("poison", [garbage, another_scale])
def test_poisoned_test_patients_change_nothing_that_is_learned(undisturbed, tmp_path, poison):
    images, patients = study()
    planes = np.flatnonzero((patients["split"] == "test")[images.patient])
    images = poison(images, patients, planes)
    assert differences(undisturbed, learned(images, patients, tmp_path / "models")) == []


def test_the_same_poison_in_validation_patients_shows(undisturbed, tmp_path):
    """The counter-test: differences are found where patients are looked at."""
    images, patients = study()
    garbage(images, patients, np.flatnonzero((patients["split"] == "validation")[images.patient]))
    found = differences(undisturbed, learned(images, patients, tmp_path / "models"))
    assert {"validation", "curves", "searched"} <= set(found)


def test_scaling_reads_training_planes_alone():
    images, patients = study()
    train = (patients["split"] == "train")[images.patient].to_numpy()
    expected = fit_scaling(images, train, "core_margin", 1.0)
    images.maps[~train] = 1e9
    images.region[~train] = True
    poisoned = fit_scaling(images, train, "core_margin", 1.0)
    np.testing.assert_array_equal(expected.lo, poisoned.lo)
    np.testing.assert_array_equal(expected.hi, poisoned.hi)
