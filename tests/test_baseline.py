"""The baseline, against plain loops and against patients that it must not have seen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from beyond import handmade, oracle
from helpers.data import study
from helpers.judgement.auc import auc_interval
from helpers.learning.images import ImageSet
from helpers.maps.normalisation import line_fit
from helpers.settings import load_settings
from trust import baseline

N_PX, PLANES = 32, 2


def make_images(patients, core_shift=0.0, seed=0):
    """Discs of core inside a margin; the core's ESD of a non-responder is higher by ``core_shift`` SD."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:N_PX, :N_PX] - N_PX / 2 + 0.5
    radius = np.hypot(rows, columns)
    n = len(patients) * PLANES
    core, region = np.repeat([radius < 8], n, axis=0), np.repeat([radius < 12], n, axis=0)
    names = np.repeat(patients.index.to_numpy().astype(str), PLANES)
    of_patient = rng.standard_normal(len(patients)) + core_shift * ~patients["responder"].to_numpy(bool)
    maps = rng.standard_normal((n, 4, N_PX, N_PX)).astype(np.float32)
    maps[:, 2] = 150 + 10 * np.repeat(of_patient, PLANES)[:, None, None] + 3 * maps[:, 2]
    maps = np.where(region[:, None], maps, np.nan).astype(np.float32)
    extent_mm = np.tile([0.0, 30.0, 40.0, 10.0], (n, 1))
    return ImageSet(maps, core, region, names, np.tile(np.arange(PLANES), len(patients)), extent_mm)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums this small are slower on several threads, and much slower beside other work."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module", autouse=True)
def three_strengths():
    """Of the eleven candidates for C; which one is best is asked nowhere here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handmade, "STRENGTHS", handmade.STRENGTHS[::5])
        yield


@pytest.fixture(scope="module")
def patients():
    drawn = study.draw_patients(90, seed=1)
    return drawn.assign(split=study.split_patients(drawn["responder"], 30, 16, 1))


@pytest.fixture(scope="module")
def images(patients):
    return make_images(patients, core_shift=2.0)


@pytest.fixture(scope="module")
def features(images):
    return handmade.map_features(images)


@pytest.fixture(scope="module")
def summary(patients):
    return pd.DataFrame({"patient": patients.index, "windows": 10, "unphysical": 0.0})


@pytest.fixture(scope="module")
def scored(patients, images, summary):
    return baseline.scores(images, patients, summary)


def glcm_by_loop(grey, distance, levels):
    """Co-occurrence of positive grey levels at a distance in four directions, both ways, pixel by pixel."""
    counts = np.zeros((levels + 1, levels + 1))
    steps = [(0, distance), (-distance, distance), (-distance, 0), (-distance, -distance)]
    for (r, c), one in np.ndenumerate(grey):
        for down, right in steps:
            if 0 <= r + down < grey.shape[0] and 0 <= c + right < grey.shape[1]:
                other = grey[r + down, c + right]
                counts[one, other] += 1
                counts[other, one] += 1
    return counts[1:, 1:] / counts[1:, 1:].sum()


def test_texture_against_haralick_by_a_plain_loop():
    """Haralick et al. 1973; diagonal neighbours lie at round(d sin 45) as in scikit-image, so one pixel is used."""
    rng = np.random.default_rng(0)
    values = rng.normal(20, 3, (9, 11))
    valid = rng.random((9, 11)) > 0.2
    valid[0, 0] = valid[-1, -1] = True  # the box is the picture
    found = handmade.textures(values[None], valid[None], pixel_mm=10.0)[0]  # 1, 2 and 3 mm are one pixel
    level = np.rint((values - np.median(values[valid])) / 1.5) + handmade.LEVELS // 2
    p = glcm_by_loop(np.where(valid, np.clip(level, 1, handmade.LEVELS), 0).astype(int), 1, handmade.LEVELS)
    i, j = np.indices(p.shape)
    mean, variance = (i * p).sum(), ((i - (i * p).sum()) ** 2 * p).sum()
    expected = [
        ((i - j) ** 2 * p).sum(),
        ((i - mean) * (j - mean) * p).sum() / variance,
        np.sqrt((p**2).sum()),
        (p / (1 + (i - j) ** 2)).sum(),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_maps_together_have_the_texture_that_each_has_alone():
    """With pixels as far apart as they like, near ones alone, one pixel, and none."""
    rng = np.random.default_rng(1)
    maps, valid = rng.normal(20, 3, (5, 20, 20)), np.zeros((5, 20, 20), bool)
    valid[0], valid[1, 3:5, 3:5], valid[2, 3, 3], valid[4, 2:17, 5:9] = True, True, True, rng.random((15, 4)) > 0.3
    together = handmade.textures(maps, valid, pixel_mm=0.5)
    alone = []
    for place in range(5):
        only = np.zeros_like(valid)
        only[place] = valid[place]
        alone.append(handmade.textures(maps, only, pixel_mm=0.5)[place])
    np.testing.assert_array_equal(together, alone)
    assert np.isnan(together).all(axis=1).tolist() == [False, False, True, True, False]


@pytest.mark.parametrize(("band_mhz", "centre_mhz"), [([3.0, 8.0], 5.5), ([2.5, 6.5], 4.5), ([], 5.5)])
def test_slope_comes_back_from_level_and_intercept(band_mhz, centre_mhz):
    """Lizzi 1983: SI = MBF - SS f_c, with f_c the middle of the band, 5.5 MHz for the paper's."""
    slope = np.random.default_rng(1).normal(-3, 0.5, (2, 4, 4))
    mbf = np.full((2, 4, 4), -5.0)
    maps = np.stack([mbf, mbf - centre_mhz * slope, mbf, mbf], axis=1)
    found = handmade.five_maps(maps, handmade.centre_mhz(load_settings("smoke", band_mhz=band_mhz).maps))
    np.testing.assert_allclose(found[:, 1], slope)


def test_slope_of_images_is_that_of_the_maps():
    """Against the fit itself: level and intercept of ``line_fit`` at the middle of its band."""
    band = np.linspace(3, 8, 13)
    mbf, ss, si = line_fit(band) @ np.random.default_rng(2).normal(0, 3, (13, 9))
    maps = np.stack([mbf, si, si, si]).reshape(1, 4, 3, 3)
    np.testing.assert_allclose(handmade.five_maps(maps)[0, 1].ravel(), ss)


def test_features_are_thirty_of_the_core_and_ninety_with_the_margin(images, features):
    assert features.shape[1] == 90
    core = handmade.map_features(images, "core")
    assert core.shape[1] == 30
    pd.testing.assert_frame_equal(core, features[core.columns])
    first = images.patient == features.index[0]
    expected = np.mean([images.maps[i, 2][images.core[i]].mean() for i in np.flatnonzero(first)])
    assert features["core ESD mean"].iloc[0] == pytest.approx(expected)
    margin = np.mean([images.maps[i, 2][images.region[i] & ~images.core[i]].mean() for i in np.flatnonzero(first)])
    assert features["difference ESD mean"].iloc[0] == pytest.approx(expected - margin, rel=1e-4)


def test_nothing_outside_the_region_counts(images, features):
    noise = np.where(images.region[:, None], images.maps, np.float32(1e6))
    elsewhere = ImageSet(noise, images.core, images.region, images.patient, images.plane, images.extent_mm)
    pd.testing.assert_frame_equal(handmade.map_features(elsewhere), features)


def test_a_plane_without_a_value_is_no_error(images):
    maps = images.maps.copy()
    maps[0, 3] = np.nan
    some = ImageSet(maps, images.core, images.region, images.patient, images.plane, images.extent_mm)
    row = handmade.plane_features(some.select(np.arange(1))).iloc[0]
    assert row[[name for name in row.index if "EAC" in name]].isna().all()
    assert row[[name for name in row.index if "EAC" not in name]].notna().all()


def test_a_signal_is_found_and_none_is_not(patients, scored):
    test = patients["split"] == "test"
    positive = ~patients.loc[test, "responder"].to_numpy(bool)
    found = auc_interval(positive, scored.loc[test, "regression, core + margin"])
    assert found[0] > 0.8
    nothing = handmade.map_features(make_images(patients, core_shift=0.0), "core")
    low, high = auc_interval(positive, handmade.probability(nothing, patients)[test])[1:]
    assert low < 0.5 < high


def test_only_training_patients_reach_the_regression(patients, features):
    """Poisoned: features and responses of everybody else are replaced."""
    features = features.filter(regex="^core ").copy()  # of one layout in memory: sums are taken in the same order
    model = handmade.fit_regression(features, patients)
    other = patients["split"] != "train"
    poisoned = features.copy()
    poisoned.loc[other] = 1e9
    flipped = patients.assign(responder=patients["responder"] ^ other)
    again = handmade.fit_regression(poisoned, flipped)
    np.testing.assert_array_equal(model[-1].coef_, again[-1].coef_)
    assert model[-1].C == again[-1].C


def test_one_patient_in_a_class_is_refused(patients, features):
    few = patients.assign(responder=True)
    few.loc[few.index[few["split"] == "train"][:1], "responder"] = False
    with pytest.raises(ValueError, match="1 patients in the smaller class"):
        handmade.fit_regression(features, few)


def test_outline_features_against_counted_pixels(images):
    found = baseline.mask_features(images)
    pixel_mm2 = (30 / N_PX) ** 2
    assert found["core area"].iloc[0] == pytest.approx(images.core[0].sum() * pixel_mm2)
    assert found["largest"].iloc[0] == pytest.approx(images.core[0].sum() * pixel_mm2)
    assert found["depth"].iloc[0] == pytest.approx(25.0)
    assert (found["planes"] == PLANES).all()
    assert found["eccentricity"].iloc[0] == pytest.approx(0, abs=0.05)


def test_unphysical_share_weighs_regions_by_their_windows():
    summary = pd.DataFrame({"patient": ["A", "A", "B"], "windows": [100, 300, 50], "unphysical": [0.1, 0.0, 0.5]})
    assert baseline.unphysical_share(summary).to_dict() == {"A": 0.025, "B": 0.5}


def test_scores_and_their_table(patients, scored):
    assert list(scored.index) == list(patients.index)
    best = oracle.oracle_score(patients, tuple(study.TRAITS))
    np.testing.assert_array_equal(scored["oracle, core + margin"], best)
    table = baseline.table(scored, patients)
    test = patients["split"] == "test"
    expected = auc_interval(~patients.loc[test, "responder"].to_numpy(bool), best[test])
    assert tuple(table.loc["oracle, core + margin", ["test_auc", "test_low", "test_high"]]) == pytest.approx(expected)
    assert table.loc["tumour size alone", "test_auc"] == 0.5  # all discs are alike
    assert table.loc["unphysical fits alone", "validation_auc"] == 0.5


def test_a_recorded_cohort_has_no_oracle(patients, images, summary, monkeypatch):
    monkeypatch.setattr(handmade, "probability", lambda features, patients: pd.Series(0.5, patients.index))
    scored = baseline.scores(images, patients[["responder", "split"]], summary)
    assert not [name for name in scored if "oracle" in name]


def test_predictions_have_the_networks_form(patients, scored):
    found = baseline.predictions(scored, patients)
    assert set(found) == {"patient", "model", "split", "responder", "probability"}
    assert found.groupby("model").size().to_dict() == {"regression_core": 90, "regression_core_margin": 90}
    assert found["probability"].between(0, 1).all()


def test_a_shrunken_core_against_a_smaller_disc(images):
    inner = baseline.shrink_core(images, by_mm=1.9)  # two pixels
    rows, columns = np.mgrid[:N_PX, :N_PX] - N_PX / 2 + 0.5
    radius = np.hypot(rows, columns)
    assert inner.core[0][radius < 5].all()
    assert not inner.core[0][radius > 6.5].any()
    gone = baseline.shrink_core(images, by_mm=20.0)
    np.testing.assert_array_equal(gone.core, images.core)


def test_margin_is_seen_only_by_features_that_hold_it():
    drawn = study.draw_patients(150, seed=2)
    noise = np.random.default_rng(0).standard_normal((150, 3))
    core = pd.DataFrame(noise, drawn.index, list("abc")).assign(core=drawn["core_eac_db"])
    assert abs(baseline.seen_of_margin(core, drawn)) < 0.3
    assert baseline.seen_of_margin(core.assign(margin=drawn["margin_eac_db"]), drawn) > 0.95


def test_without_backscatter_the_features_of_three_maps_stay_what_they_were(images, features):
    two = replace(images, maps=images.maps[:, :2], fields=images.fields[:2])
    found = handmade.map_features(two)
    assert found.shape[1] == 54
    assert not [name for name in found if "ESD" in name or "EAC" in name]
    pd.testing.assert_frame_equal(found, features[found.columns])


def test_two_training_patients_of_each_class_one_plane_and_one_class_in_the_test_will_do(summary):
    rows = [("train", kind) for kind in (True, False) * 2] + [("validation", True), ("test", True), ("test", True)]
    few = pd.DataFrame(rows, columns=["split", "responder"], index=["001", "NA", "1e5", "nan", "None", "True", "-1"])
    images = make_images(few)
    images = replace(images, maps=images.maps[:, :2], fields=images.fields[:2]).select(images.plane == 0)
    images.core[1] &= np.arange(N_PX) == N_PX // 2  # a line of pixels has no texture
    images.region[2] = images.core[2]  # no margin
    scored = baseline.scores(images, few, summary)
    assert scored.index.tolist() == few.index.tolist()
    assert "unphysical fits alone" not in scored
    assert scored.notna().all(axis=None)
    assert baseline.table(scored, few).isna().all(axis=None)
    assert baseline.predictions(scored, few)["patient"].tolist() == [*few.index] * 2


def test_what_the_clinic_knows_is_what_is_on_record():
    """Words as a column each, flags as numbers, unknown as NaN; by hand."""
    patients = pd.DataFrame({"er": [True, None, False], "grade": ["I", "III", None], "age_years": [40, 50.5, None]})
    found = baseline.clinical_features(patients)
    assert found.columns.tolist() == ["age_years", "er", "grade_I", "grade_III"]
    np.testing.assert_array_equal(found["er"], [1, np.nan, 0])
    np.testing.assert_array_equal(found["grade_III"], [0, 1, 0])
    assert baseline.clinical_features(patients[[]]).empty
