import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from sklearn.covariance import ledoit_wolf
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.metrics import roc_auc_score
from test_pda import linear, one_thread  # noqa: F401

from beyond import attribution

PATCH, RING = 4, 2
EDGE = PATCH + 2 * RING


@pytest.fixture(scope="module")
def planes():
    """Smooth tissue (12, 2, 24, 24) in 0.1-1 inside discs, zero outside, and the discs (12, 24, 24)."""
    noise = np.random.default_rng(0).standard_normal((12, 2, 24, 24))
    field = gaussian_filter(noise, (0, 0, 2, 2), mode="wrap")
    z, x = np.ogrid[:24, :24]
    inside = np.stack([(z - 12) ** 2 + (x - 12) ** 2 < radius**2 for radius in range(8, 20)])
    tissue = np.clip(0.5 + 0.15 * field / field.std(), 0.1, 1) * inside[:, None]
    return tissue.astype(np.float32), inside


def test_conditional_normal_against_gaussian_process_regression():
    points = np.random.default_rng(1).uniform(0, 5, (9, 2))
    known = np.arange(9) < 6
    values = np.random.default_rng(2).standard_normal(6)
    process = GaussianProcessRegressor(RBF(1.5), alpha=1e-10, optimizer=None).fit(points[known], values)
    expected = process.predict(points[~known], return_cov=True)
    found = attribution.conditional_normal(np.zeros(9), RBF(1.5)(points), known, values, ~known)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5)


def test_squares_against_a_plain_loop(planes):
    images, inside = planes
    squares = attribution.fit_squares(images, inside, EDGE)
    pixels = [
        images[plane, 1, top : top + EDGE, left : left + EDGE].ravel()
        for plane in range(len(images))
        for top in range(25 - EDGE)
        for left in range(25 - EDGE)
        if inside[plane, top : top + EDGE, left : left + EDGE].all()
    ]
    np.testing.assert_allclose(squares.mean[1], np.mean(pixels, 0), atol=1e-6)
    np.testing.assert_allclose(squares.covariance[1], ledoit_wolf(np.array(pixels, float))[0], atol=1e-6)


def test_too_few_squares_are_refused(planes):
    images, inside = planes
    with pytest.raises(ValueError, match="0 squares of 30 x 30"):
        attribution.fit_squares(np.pad(images, ((0, 0), (0, 0), (4, 4), (4, 4))), np.pad(inside, 4)[4:-4], 30)


def conditional_by_hand(squares, image, inside, channel, top, left):
    """Return wanted pixels, their mean and covariance, pixel by pixel over the image."""
    positions = [(top - RING + i, left - RING + j) for i in range(EDGE) for j in range(EDGE)]
    here = [0 <= z < 24 and 0 <= x < 24 and inside[z, x] for z, x in positions]
    patch = [top <= z < top + PATCH and left <= x < left + PATCH for z, x in positions]
    wanted, known = (np.array([h and p == is_patch for h, p in zip(here, patch, strict=True)]) for is_patch in (1, 0))
    values = np.array([image[channel, z, x] for (z, x), k in zip(positions, known, strict=True) if k])
    normal = attribution.conditional_normal(squares.mean[channel], squares.covariance[channel], known, values, wanted)
    return np.array([inside[z, x] for (z, x), p in zip(positions, patch, strict=True) if p]), *normal


@pytest.mark.parametrize("place", [(0, 10, 10), (1, 6, 4), (1, 0, 9)])
def test_draws_have_the_conditional_mean_and_covariance(planes, place):
    images, inside = planes
    image, tissue = images[3], inside[3]
    squares = attribution.fit_squares(images, inside, EDGE)
    fill = attribution.conditional_fill(squares, image, tissue, PATCH)
    draws = np.array([fill(*place).ravel() for _ in range(3000)])
    wanted, mean, covariance = conditional_by_hand(squares, image, tissue, *place)
    assert (draws[:, ~wanted] == 0).all()
    assert draws[:, wanted].min(initial=1) >= np.float32(0.1)
    assert draws.max() <= 1
    if wanted.any():
        spread = np.sqrt(np.diagonal(covariance))
        free = (mean > 0.1 + 4 * spread) & (mean < 1 - 4 * spread)  # hardly ever clipped
        np.testing.assert_allclose(draws[:, wanted].mean(0)[free], mean[free], atol=0.1 * spread.max())
        np.testing.assert_allclose(
            np.cov(draws[:, wanted].T)[np.ix_(free, free)], covariance[np.ix_(free, free)], atol=0.1 * spread.max() ** 2
        )


def test_sampled_differences_of_a_linear_model_follow_the_conditional_mean(planes):
    images, inside = planes
    image, tissue = images[5].copy(), inside[5]
    here = np.s_[1, 8 : 8 + PATCH, 16 : 16 + PATCH]
    image[here] = 0.95  # brighter than its surroundings let expect
    squares = attribution.fit_squares(images, inside, EDGE)
    weight = np.random.default_rng(3).uniform(0, 1, image.shape).astype(np.float32)
    fill = attribution.conditional_fill(squares, image, tissue, PATCH)
    found = attribution.sampled_differences(linear(weight), image, fill, 20, PATCH, 2 * PATCH)
    wanted, mean, covariance = conditional_by_hand(squares, image, tissue, 1, 8, 16)
    assert wanted.all()
    expected = (weight[here] * image[here]).sum() - weight[here].ravel() @ mean
    error = np.sqrt(weight[here].ravel() @ covariance @ weight[here].ravel() / 20)
    assert found[1, 1, 2] == pytest.approx(expected, abs=4 * error)
    assert expected > 20 * error


def test_agreement_is_of_the_pixels_inside_alone():
    generator, inside = np.random.default_rng(0), np.zeros((10, 10), bool)
    inside[3:7, 3:7] = True
    first, second = generator.uniform(1, 2, (2, 4, 10, 10)) * inside
    expected = spearmanr(first[:, inside].ravel(), second[:, inside].ravel()).statistic
    assert attribution.agreement(first, second, inside) == pytest.approx(expected)
    assert attribution.agreement(first, second, np.ones_like(inside)) > 0.5 > abs(expected)
    assert np.isnan(attribution.agreement(first, np.zeros_like(first), inside))


def test_separation_by_a_plain_loop():
    generator = np.random.default_rng(0)
    patient, planes = np.array(["B", "A", "A", "C", "D", "B"]), generator.uniform(0.1, 1, (6, 2, 5, 5))
    mask = generator.random((6, 5, 5)) < 0.5
    positive = pd.Series({"C": False, "A": False, "B": True, "D": True})  # in an order of its own
    planes[np.isin(patient, ["D", "B"]), 1] -= 5.0  # positives are the darker ones here
    expected = []
    for channel in range(2):
        mean = {
            name: np.mean([planes[p, channel][mask[p]].std() for p in np.flatnonzero(patient == name)])
            for name in positive.index
        }
        auc = roc_auc_score(positive, list(mean.values()))
        expected.append(max(auc, 1 - auc))
    assert attribution.separation(planes, mask, patient, positive, np.nanstd) == pytest.approx(expected)
    assert attribution.separation(planes, mask, patient, positive, np.nanmean)[1] == 1


def test_separation_leaves_out_planes_without_the_region():
    """A margin that no plane of a patient has says nothing of her; without two classes there is nothing to separate."""
    planes, mask = np.random.default_rng(1).uniform(0.1, 1, (4, 1, 5, 5)), np.ones((4, 5, 5), bool)
    patient, positive = np.array(list("ABCD")), pd.Series([True, False, True, False], index=list("ABCD"))
    planes[0] += 1
    mask[2:] = False
    assert attribution.separation(planes, mask, patient, positive, np.nanmean) == [1.0]
    mask[1] = False
    assert np.isnan(attribution.separation(planes, mask, patient, positive, np.nanmean)).all()


def test_squares_are_counted_as_they_are_fitted(planes):
    images, inside = planes
    here = sum(inside[n, z : z + 8, x : x + 8].all() for n in range(12) for z in range(17) for x in range(17))
    assert attribution.count_squares(inside, 8) == here
    assert attribution.count_squares(inside, 25) == 0  # larger than the image
