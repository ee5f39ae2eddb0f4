from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from tiny import study

from beyond import attribution, contributions
from beyond.contributions import (
    asked,
    beyond_random,
    central_plane,
    central_predictor,
    core_and_margin,
    explain_central,
    pixel_weights,
    region_moves,
    survey,
)
from helpers.data.study import MODELS
from helpers.judgement import pda
from helpers.learning.images import ImageSet, Scaling
from helpers.learning.training import untrained_model
from helpers.maps.parametric import FIELDS, FOUR, ParametricMaps
from helpers.maps.planes import MappedPlane
from helpers.settings import load_settings
from pages.pda import (
    beside_random,
    draw_explained,
    draw_or_say,
    explained,
    medians,
    named_patient,
    nearest_to_truth,
    rank_in_words,
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks as small as these wait for other threads longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def linear(weight):
    """Return a predict whose answer is the weighted sum of pixels: hand-computed differences."""
    weight = torch.as_tensor(weight, dtype=torch.float32)
    return lambda images: (images * weight).flatten(1).sum(1)


def small_network(channels=4, seed=0):
    """Return a random convolutional predict (B, C, H, W) -> (B,) probabilities."""
    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(channels, 6, 3, padding=1),
        torch.nn.Tanh(),
        torch.nn.Conv2d(6, 4, 3, stride=2),
        torch.nn.Tanh(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 1),
        torch.nn.Sigmoid(),
    )
    return lambda images: network(images)[:, 0]


def tissue(shape, seed=0):
    """Return an image with values in 0.1-1 inside a disc and exact zeros outside."""
    _, height, width = shape
    z, x = np.ogrid[:height, :width]
    inside = (z - height / 2) ** 2 + (x - width / 2) ** 2 < (0.3 * min(height, width)) ** 2
    return (np.random.default_rng(seed).uniform(0.1, 1, shape) * inside).astype(np.float32)


def plain_loop(predict, image, patch, stride):
    """Return the signed differences one patch at a time, none skipped."""
    starts = [[*range(0, n - patch + 1, stride)] for n in image.shape[1:]]
    for edge, n in zip(starts, image.shape[1:], strict=True):
        edge += [n - patch] * (edge[-1] != n - patch)
    with torch.no_grad():
        whole = float(predict(torch.tensor(image[None])))
        found = np.zeros((len(image), *map(len, starts)))
        blanked = torch.tensor(image).repeat(found.size, 1, 1, 1)
        for one, (c, i, j) in zip(blanked, np.ndindex(found.shape), strict=True):
            one[c, starts[0][i] : starts[0][i] + patch, starts[1][j] : starts[1][j] + patch] = 0
        return whole - predict(blanked).numpy().reshape(found.shape)


def test_linear_model_by_hand():
    image = np.arange(1, 33, dtype=np.float32).reshape(2, 4, 4)
    weight = np.zeros((2, 4, 4))
    weight[0, 1, 1], weight[1, 3, 0] = 2, -1  # pixels worth 6 and 29
    found = pda.patch_differences(linear(weight), image, patch=2, stride=2)
    np.testing.assert_allclose(found, [[[12, 0], [0, 0]], [[0, 0], [-29, 0]]])


def test_values_stand_at_centres_and_bilinear_between_by_hand():
    weight = np.zeros((1, 4, 4))
    weight[0, 1, 1] = 1
    found = pda.prediction_difference(linear(weight), np.ones((1, 4, 4)), patch=2, stride=2)
    edge = np.array([1, 1, 0.5, 0])  # centres at pixels 1 and 3; nearest value outside them
    np.testing.assert_allclose(found[0], np.outer(edge, edge), atol=1e-6)


def test_interpolation_against_scipy():
    scipy = pytest.importorskip("scipy.interpolate")
    image, predict = tissue((1, 23, 18)), small_network(1)
    values = np.abs(pda.patch_differences(predict, image, patch=6, stride=4))
    centres = [pda.patch_starts(n, 6, 4) + 3 for n in (23, 18)]
    inside = np.stack(np.meshgrid(np.arange(3, 21), np.arange(3, 16), indexing="ij"), axis=-1)
    expected = scipy.RegularGridInterpolator(centres, values[0])(inside)
    found = pda.prediction_difference(predict, image, patch=6, stride=4)
    np.testing.assert_allclose(found[0, 3:21, 3:16], expected, atol=1e-7)
    np.testing.assert_array_equal(found[0, :3], np.repeat(found[0, 3:4], 3, axis=0))


@pytest.mark.parametrize(
    ("shape", "patch", "stride", "batch_size"),
    [
        ((4, 24, 24), 8, 4, 7),
        ((4, 24, 24), 8, 4, 128),
        ((2, 17, 22), 5, 3, 1),
        ((2, 17, 22), 5, 3, 7),
        ((1, 9, 9), 9, 4, 1),
    ],
)
def test_against_a_plain_loop_that_skips_nothing(shape, patch, stride, batch_size):
    image, predict = tissue(shape), small_network(shape[0])
    found = pda.patch_differences(predict, image, patch, stride, batch_size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain_loop(predict, image, patch, stride), rtol=0, atol=1e-6)
    assert np.abs(found).max() > 1e-3


def test_magnitudes_stand_at_the_centres_against_a_plain_loop():
    image, predict = tissue((3, 26, 21)), small_network(3)
    found = pda.prediction_difference(predict, image, patch=8, stride=4)
    expected = np.abs(plain_loop(predict, image, 8, 4))
    tops, lefts = (pda.patch_starts(n, 8, 4) + 4 for n in (26, 21))
    np.testing.assert_allclose(found[:, tops][:, :, lefts], expected, rtol=0, atol=1e-6)


def test_empty_patches_are_not_computed():
    image, seen = tissue((2, 24, 24)), []

    def counting(images):
        seen.append(len(images))
        return small_network(2)(images)

    found = pda.patch_differences(counting, image, patch=4, stride=4)
    filled = image.reshape(2, 6, 4, 6, 4).any((2, 4))
    assert sum(seen) == 1 + filled.sum() < 1 + found.size
    assert (found[~filled] == 0).all()


@pytest.mark.parametrize(
    ("shape", "patch", "stride"),
    [((4, 32, 32), 8, 4), ((4, 24, 24), 6, 6), ((1, 21, 16), 6, 5), ((2, 9, 9), 9, 4), ((3, 12, 15), 3, 3)],
)
def test_signed_means_against_captum(shape, patch, stride):
    """captum gives a pixel the mean signed difference of the patches on it, and skips none."""
    attr = pytest.importorskip("captum.attr")
    image, predict = tissue(shape), small_network(shape[0])
    theirs = attr.Occlusion(predict).attribute(torch.tensor(image[None]), (1, patch, patch), (1, stride, stride))
    values, total, count = pda.patch_differences(predict, image, patch, stride), np.zeros(shape), np.zeros(shape)
    for (row, column), _ in np.ndenumerate(values[0]):
        here = np.s_[:, row * stride : row * stride + patch, column * stride : column * stride + patch]
        total[here] += values[:, row, column, None, None]
        count[here] += 1
    np.testing.assert_allclose(total / np.maximum(count, 1), theirs[0].detach().numpy(), rtol=0, atol=1e-5)
    assert (values == 0).any() or patch == 9
    assert np.abs(values).max() > 1e-4


def test_stride_that_does_not_divide_against_captum():
    """captum cuts its last window off at the border, ours is flush; so each window is a feature of its own here."""
    attr = pytest.importorskip("captum.attr")
    image, predict = tissue((2, 17, 22)), small_network(2)
    values = pda.patch_differences(predict, image, patch=5, stride=3)
    for channel, row, column in np.ndindex(values.shape):
        mask = torch.zeros(1, 2, 17, 22, dtype=torch.long)
        top, left = pda.patch_starts(17, 5, 3)[row], pda.patch_starts(22, 5, 3)[column]
        mask[0, channel, top : top + 5, left : left + 5] = 1
        theirs = attr.FeatureAblation(predict).attribute(torch.tensor(image[None]), feature_mask=mask)
        assert theirs[0, channel, top, left].item() == pytest.approx(values[channel, row, column], abs=1e-5)
    assert np.abs(values[:, -1]).max() > 1e-4


@torch.no_grad()
def test_what_is_put_in_against_a_plain_loop():
    image, predict, other = tissue((2, 16, 16)), small_network(2), tissue((2, 16, 16), seed=5)
    found = pda.patch_differences(
        predict, image, 4, 3, fill=lambda channel, top, left: other[channel, top : top + 4, left : left + 4]
    )
    whole = float(predict(torch.tensor(image[None])))
    for channel, row, column in np.ndindex(found.shape):
        top, left = 3 * row, 3 * column
        changed = image.copy()
        changed[channel, top : top + 4, left : left + 4] = other[channel, top : top + 4, left : left + 4]
        assert found[channel, row, column] == pytest.approx(
            whole - float(predict(torch.tensor(changed[None]))), abs=1e-6
        )


@torch.no_grad()
def test_regions_against_a_plain_loop():
    image, predict = tissue((3, 16, 16)), small_network(3)
    core = (image[0] != 0) & (np.arange(16) < 8)
    regions, fill = np.stack([core, (image[0] != 0) & ~core]), np.array([[0.1, 0.9], [0.5, 0.2], [0, 1]])
    found = contributions.region_differences(predict, image, regions, fill)
    whole = float(predict(torch.tensor(image[None])))
    for (channel, region), value in np.ndenumerate(fill):
        changed = image.copy()
        changed[channel, regions[region]] = value
        without = float(predict(torch.tensor(changed[None])))
        assert found[channel, region] == pytest.approx(whole - without, abs=1e-6)


def test_all_zero_image_gives_zeros():
    assert (pda.prediction_difference(small_network(), np.zeros((4, 16, 16))) == 0).all()


def test_last_patch_is_flush_with_the_border():
    weight = np.zeros((1, 11, 11))
    weight[0, 10, 10] = 1
    found = pda.patch_differences(linear(weight), np.ones((1, 11, 11)), patch=4, stride=3)
    assert found.shape == (1, 4, 4)
    assert found[0, -1, -1] == 1
    assert found.sum() == 1


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
@pytest.mark.parametrize("allowed", [True, False])
def test_precision_switches_are_put_back(precision, allowed):
    before, seen = (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()), []

    def look(images):
        seen.append((torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()))
        return images.flatten(1).sum(1)

    try:
        torch.backends.cudnn.allow_tf32 = allowed
        torch.set_float32_matmul_precision(precision)
        pda.patch_differences(look, np.ones((1, 8, 8)))
        assert set(seen) == {(False, "highest")}
        assert (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()) == (allowed, precision)
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])


def test_autocast_around_it_does_not_lower_the_precision():
    image, predict = tissue((4, 24, 24)), small_network()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = pda.patch_differences(predict, image)
    np.testing.assert_allclose(found, plain_loop(predict, image, 8, 4), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("image", "patch", "stride", "message"),
    [
        (np.ones((4, 6, 6)), 8, 4, "patch of 8"),
        (np.ones((6, 6)), 2, 2, "expected \\(C, H, W\\)"),
        (np.full((1, 8, 8), np.nan), 8, 4, "64 of 64 pixels"),
        (np.ones((1, 8, 8)), 8, 0, "stride of 0"),
    ],
)
def test_unusable_images_are_named(image, patch, stride, message):
    with pytest.raises(ValueError, match=message):
        pda.prediction_difference(lambda images: images.flatten(1).sum(1), image, patch, stride)


def test_empty_batch_is_refused():
    with pytest.raises(ValueError, match="batch_size of 0"):
        pda.prediction_difference(small_network(), tissue((4, 16, 16)), batch_size=0)


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda images: images.flatten(1)[:, :2], "for 2 images: expected \\(2,\\)"),
        (lambda images: images.flatten(1).sum(1) * np.nan, "NaN"),
    ],
)
def test_unusable_predictions_are_named(predict, message):
    with pytest.raises(ValueError, match=message):
        pda.prediction_difference(predict, np.ones((1, 8, 8)))


def test_the_whole_image_is_asked_once_and_not_alone():
    """Alone it would take as long as many in a batch; an image of nothing but zeros has nobody to come with."""
    asked = []

    def predict(images):
        asked.append(len(images))
        return images.flatten(1).sum(1)

    found = pda.patch_differences(predict, np.ones((2, 12, 12)), 4, 4, batch_size=5)  # 18 patches
    np.testing.assert_array_equal(found, 16.0)
    assert asked == [6, 5, 4, 4]
    asked.clear()
    np.testing.assert_array_equal(pda.patch_differences(predict, np.zeros((2, 12, 12)), 4, 4), 0.0)
    assert asked == [1]


class SmallFeatureNetwork(torch.nn.Module):
    """Stands in for ``networks.FeatureNetwork``; counts the planes it has seen."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 5, stride=3), torch.nn.Tanh(), torch.nn.Flatten())
        self.n_planes_seen = 0

    def vectors(self, images):
        self.n_planes_seen += len(images)
        return self.layers(images)


class SmallPatientModel:
    """Stands in for ``networks.PatientModel``."""

    def __init__(self, seed=3, n=17):
        torch.manual_seed(seed)
        self.device = torch.device("cpu")
        self.feature_network = SmallFeatureNetwork()
        self.predictive_network = torch.nn.Linear(8 * ((n - 5) // 3 + 1) ** 2, 2)

    def probability(self, planes):
        """Return the patient's probability from all planes (P, C, n, n)."""
        return self.predictive_network(self.feature_network.vectors(planes).mean(0)).softmax(0)[1]


@pytest.mark.parametrize("n_planes", [1, 3])
def test_a_patient_against_a_plain_loop_over_whole_patients(n_planes):
    model = SmallPatientModel()
    planes = np.stack([tissue((4, 17, 17), seed) for seed in range(n_planes)])
    found = contributions.explain_patient(model, planes, patch=5, stride=6, batch_size=16)
    assert found.shape == planes.shape

    def whole_patient(index):
        def predict(images):
            patients = torch.tensor(planes).repeat(len(images), 1, 1, 1, 1)
            patients[:, index] = images
            return torch.stack([model.probability(patient) for patient in patients])

        return predict

    for index in range(n_planes):
        expected = np.abs(plain_loop(whole_patient(index), planes[index], 5, 6))
        centres = pda.patch_starts(17, 5, 6) + 2
        np.testing.assert_allclose(found[index][:, centres][:, :, centres], expected, rtol=0, atol=1e-6)
    assert found.max() > 1e-3


@pytest.mark.parametrize("slug", ["resnet_core", "ran_core_margin"])
def test_a_whole_model_against_a_plain_loop(slug):
    settings = load_settings("smoke")
    scaling = Scaling(np.zeros(4, np.float32), np.ones(4, np.float32))
    model = untrained_model(settings, MODELS[slug], scaling, "cpu")
    planes = np.stack([tissue((4, 32, 32), seed) for seed in range(3)])

    def second_plane(images):
        patients = torch.tensor(planes).repeat(len(images), 1, 1, 1, 1)
        patients[:, 1] = images
        return torch.stack([model.probability(model.vectors(patient)) for patient in patients])

    predict = pda.plane_predictor(model, planes, index=1)
    found = pda.patch_differences(predict, planes[1], patch=16, stride=16)
    np.testing.assert_allclose(found, plain_loop(second_plane, planes[1], 16, 16), rtol=0, atol=2e-6)
    assert np.abs(found).max() > 1e-5


def test_vectors_of_the_planes_are_computed_once():
    model = SmallPatientModel()
    predict = pda.plane_predictor(model, torch.rand(5, 4, 17, 17), index=2)
    assert model.feature_network.n_planes_seen == 5
    predict(torch.rand(10, 4, 17, 17))
    assert model.feature_network.n_planes_seen == 15
    model.feature_network.n_planes_seen = 0
    contributions.explain_patient(model, torch.rand(5, 4, 17, 17), patch=17, stride=1)
    assert model.feature_network.n_planes_seen == 5 + 5 * (1 + 4)


def test_a_plane_predictor_carries_gradients_against_finite_differences():
    model = SmallPatientModel()
    planes = torch.rand(3, 4, 17, 17)
    predict, image = pda.plane_predictor(model, planes, index=1), planes[1:2].clone().requires_grad_()
    gradient = torch.autograd.grad(predict(image).sum(), image)[0][0, 2, 8, 8].item()
    with torch.no_grad():
        up, down = image.clone(), image.clone()
        up[0, 2, 8, 8] += 0.05
        down[0, 2, 8, 8] -= 0.05
        assert gradient == pytest.approx((predict(up) - predict(down)).item() / 0.1, rel=0.05, abs=1e-6)


def test_contribution_by_hand():
    core, region = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    core[:2] = True
    region[3] = False  # margin: row 2
    differences = np.stack([np.ones((4, 4)), np.where(core, 0, 1), np.where(core, 3, 2), np.zeros((4, 4))])
    shares = contributions.contribution(differences, core, region)
    assert shares.index.tolist() == ["MBF", "SI", "ESD", "EAC"]
    np.testing.assert_allclose(shares.core, [8 / 12, 0, 24 / 32, np.nan])
    np.testing.assert_allclose(shares.margin, [4 / 12, 1, 8 / 32, np.nan])
    np.testing.assert_allclose(shares.margin_even, 4 / 12)
    np.testing.assert_allclose(
        contributions.contribution(differences, core, region, np.where(core, 2.0, 1.0)).margin_even, 4 / 20
    )
    np.testing.assert_allclose(shares.total, [12, 4, 32, 0])
    np.testing.assert_allclose(shares.of_all, [12 / 48, 4 / 48, 32 / 48, 0])
    pd.testing.assert_frame_equal(shares, contributions.contribution(differences, core, region & ~core))
    with pytest.raises(ValueError, match="expected \\(4, n, n\\)"):
        contributions.contribution(differences[:3], core, region)


def test_contribution_of_two_maps_and_of_a_plane_without_a_margin():
    core = np.zeros((4, 4), bool)
    core[:2] = True
    shares = contributions.contribution(np.ones((2, 4, 4)), core, core, fields=FOUR[:2])
    assert shares.index.tolist() == ["MBF", "SI"]
    np.testing.assert_allclose(shares.of_all, 0.5)
    assert (shares.margin == 0).all()
    assert shares.margin_even.isna().all()


def predictions(**splits):
    rows = [(f"{split}{i}", "ran_core", split, kind) for split, kinds in splits.items() for i, kind in enumerate(kinds)]
    table = pd.DataFrame(rows, columns=["patient", "model", "split", "responder"])
    return table.assign(probability=np.linspace(0.1, 0.9, len(table)))


@pytest.mark.parametrize(
    ("splits", "part", "chosen"),
    [
        (
            {"train": [True], "test": [True, False, True, False]},
            "test",
            {"responder": "test0", "non-responder": "test3"},
        ),
        ({"validation": [True], "test": [True, True]}, "test", {"responder": "test0"}),
        ({"train": [True, False], "validation": [False]}, "validation", {"non-responder": "validation0"}),
        ({"train": [False, False]}, "training", {"non-responder": "train1"}),
    ],
)
def test_the_patients_explained_are_those_nearest_to_the_truth_of_the_set_that_is_there(splits, part, chosen):
    found, rows = explained(predictions(**splits), "ran_core")
    assert found == part
    assert nearest_to_truth(rows) == chosen


def test_an_explained_patient_is_named_only_if_she_is_simulated():
    settings = load_settings("smoke")
    assert named_patient("responder", "P016", "test", settings) == "responder P016"
    recorded = settings.replace(cohort="somewhere")
    assert named_patient("responder", "BR-07", "test", recorded) == "A responder of the test set"


def test_medians_by_hand_and_the_middle_of_tissue_where_a_region_is_missing():
    planes = np.stack([np.arange(8.0).reshape(2, 2, 2), np.ones((2, 2, 2))])
    masks = np.zeros((2, 2, 2, 2), bool)
    masks[0, 0] = True
    np.testing.assert_allclose(medians(planes, masks), [[1.5, 0.55], [5.5, 0.55]])


def test_ranks_of_too_few_rows_are_told_in_words():
    one, other = pd.Series([1.0, 2, 3, 4]), pd.Series([2.0, 1, 4, 3])
    told = spearmanr(one, other)
    assert rank_in_words(one, other, []) == f"is {told.statistic:.2f}"
    null = [one, -one, other]
    assert rank_in_words(one, other, null) == f"is {told.statistic:.2f} (random weights: -1.00 to 1.00)"
    assert rank_in_words(one, other.where(other > 2), null) == "(not computed of 2 rows)"
    assert rank_in_words(one, 0 * other, null) == "(not computed of 4 rows)"


def test_a_picture_that_is_not_there_says_so():
    figure = draw_or_say({}, "responder", "not shown: 0 responders in the test set")
    assert "0 responders" in figure.axes[0].texts[0].get_text()
    plt.close(figure)


def test_a_model_to_which_all_pixels_are_equal_has_an_even_margin():
    """The yardstick: whatever the shape, such a model's own map has the even share."""
    tissue_, core = np.zeros((32, 32), bool), np.zeros((32, 32), bool)
    tissue_[6:27, 4:23], core[11:22, 9:18] = True, True
    weight = np.array([3.0, 1.0, 0.5, 2.0])[:, None, None] * np.ones((32, 32))
    found = pda.prediction_difference(linear(weight), tissue_ * np.ones((4, 1, 1)), patch=8, stride=4)
    shares = contributions.contribution(found, core, tissue_, contributions.even_map(tissue_, patch=8, stride=4))
    np.testing.assert_allclose(shares.margin, shares.margin_even, atol=1e-6)
    assert (shares.margin_even < (tissue_ & ~core).sum() / tissue_.sum() - 0.02).all()  # patches reach beyond


# --- one patient's central plane


@pytest.fixture(scope="module")
def cohort():
    """Images of three patients with 4, 5 and 2 planes, their names mixed, and a scaling."""
    images, _ = study(n_patients=3)
    patient = np.array(["A", "B", "B", "A", "B", "C", "A", "B", "C", "A", "B"])
    images = ImageSet(
        *(np.concatenate([part, part])[:11] for part in (images.maps, images.core, images.region)),
        patient,
        np.arange(11),
        np.tile([-30.0, 30.0, 50.0, -10.0], (11, 1)),
    )
    images.maps[:] = np.where(images.region[:, None], np.random.default_rng(0).normal(size=images.maps.shape), np.nan)
    return images, Scaling(np.full(4, -2.0), np.full(4, 2.0))


@pytest.mark.parametrize(("patient", "place", "image"), [("A", 2, 6), ("B", 2, 4), ("C", 1, 8)])
def test_the_central_plane_is_the_middle_one_of_her_own(cohort, patient, place, image):
    images, scaling = cohort
    central = central_plane(images, patient, scaling, "core")
    assert (central.place, central.image) == (place, image)
    assert len(central.planes) == (images.patient == patient).sum()
    core = images.core[image]
    np.testing.assert_allclose(
        central.planes[place][:, core], 0.1 + 0.9 * np.clip((images.maps[image][:, core] + 2) / 4, 0, 1), atol=1e-6
    )
    assert (central.planes[place][:, ~core] == 0).all()


def test_the_model_that_is_given_is_the_one_that_is_explained(cohort):
    images, scaling = cohort
    central = central_plane(images, "B", scaling, "core_margin")
    maps = []
    for seed in (3, 4):
        model = SmallPatientModel(seed, 32)
        predict, plane = central_predictor(model, central)
        whole = model.probability(torch.from_numpy(central.planes)).item()
        assert predict(plane[None]).item() == pytest.approx(whole, abs=1e-6)
        maps.append(explain_central(model, central, 16, 16))
        expected = np.abs(pda.patch_differences(predict, plane, 16, 16))
        np.testing.assert_allclose(maps[-1][:, 8::16, 8::16], expected, atol=1e-6)
    assert np.abs(maps[0] - maps[1]).max() > 1e-4


def random_network(seed, scaling):
    model = SmallPatientModel(seed, 32)
    model.scaling, model.region = scaling, "core_margin"
    return model


def test_a_survey_is_what_is_said_of_each_central_plane(cohort):
    images, scaling = cohort
    model = random_network(3, scaling)
    maps, table = survey(partial(asked, model), images, ["C", "A"], 8, 8, 64)
    central = central_plane(images, "A", scaling, "core_margin")
    np.testing.assert_array_equal(maps["A"], explain_central(model, central, 8, 8, 64))
    core, margin = core_and_margin(images, central.image)
    even = contributions.even_map(core | margin, 8, 8)
    expected = contributions.contribution(maps["A"], core, margin, even)
    pd.testing.assert_frame_equal(table.loc["A"][expected.columns], expected)
    np.testing.assert_allclose(table.excess, table.margin - table.margin_even)
    assert list(dict.fromkeys(table.index.get_level_values("patient"))) == ["C", "A"]


def test_what_a_pixel_weighs_by_a_plain_loop(cohort):
    """Share of all differences that a region of a map has, over what it had if all pixels of all maps were equal."""
    images, scaling = cohort
    table = survey(partial(asked, random_network(3, scaling)), images, ["C", "A"], 8, 8, 64)[1]
    found = pixel_weights(table)
    assert sorted(found.index) == ["A", "C"]
    for (patient, parameter), row in table.iterrows():
        everything = table.loc[patient].total.sum()
        for region, even in (("core", 1 - row.margin_even), ("margin", row.margin_even)):
            expected = row[region] * row.total / everything / (even / 4)
            assert found.loc[patient, (region, parameter)] == pytest.approx(expected)


def test_a_region_moves_by_what_is_said_without_it(cohort):
    images, scaling = cohort
    model, typical = random_network(3, scaling), np.linspace(0.2, 0.9, 8).reshape(4, 2)
    found = region_moves(partial(asked, model), images, ["C", "A"], typical)
    assert found.shape == (2, 4, 2)
    predict, plane, index = asked(model, images, "A")
    without = plane.clone()
    without[2, torch.from_numpy(core_and_margin(images, index)[1])] = float(typical[2, 1])
    assert found[1, 2, 1] == pytest.approx(abs((predict(plane[None]) - predict(without[None])).item()), abs=1e-6)


def test_values_stand_beside_the_range_of_random_networks():
    own = pd.DataFrame({"a": [1.0, np.nan]}, ["x", "y"])
    text = beside_random(own, [pd.DataFrame({"a": [value, 1.0]}, ["x", "y"]) for value in (0.5, 0.25, 2)])
    assert text["a"].tolist() == ["1.00 (0.25 to 2.00)", "– (1.00 to 1.00)"]
    assert beside_random(own, [])["a"].tolist() == ["1.00", "–"]
    same = pd.DataFrame({"a": [1.0, 0.5]}, ["x", "y"])  # of a method with itself there is no range
    assert beside_random(same, [same, same])["a"].tolist() == ["1.00", "0.50"]


def test_attributions_on_one_grid_keep_their_places():
    """A single pixel of each, by hand: at a patch's centre, where it is, over a patch, and in every channel."""
    zeros, one = np.zeros((2, 3, 3), np.float32), torch.zeros(1, 2, 12, 12)
    zeros[1, 0, 2], one[0, 1, 6, 6] = -3.0, -1.0
    maps = attribution.on_one_grid(zeros, 4, 4, occlusion=one, gradients=one, cam=one[:, 1:])
    assert maps["zeros"][1, 2, 10] == maps["zeros"].max() == 3
    assert (np.argwhere(maps["captum occlusion"]) == [[1, 6, 6]]).all()
    assert maps["integrated gradients"][1].sum() == pytest.approx(1)
    assert (maps["integrated gradients"] > 0).sum() == 16
    assert np.argwhere(maps["Grad-CAM"]).tolist() == [[0, 6, 6], [1, 6, 6]]
    agree = attribution.agreements(maps, np.ones((12, 12), bool))
    assert np.diag(agree) == pytest.approx(1)
    assert agree.loc["zeros", "Grad-CAM"] == agree.loc["Grad-CAM", "zeros"]


def test_one_more_random_network_lies_beyond_the_others_as_often_as_promised():
    """Against Student's prediction interval by simulation: 5 networks, 20,000 times."""
    rng = np.random.default_rng(0)
    values = rng.normal(2.0, 0.3, (6, 20_000))
    table = beyond_random(pd.Series(values[0]), pd.DataFrame(values[1:]), level=0.95)
    assert (table.verdict != "").mean() == pytest.approx(0.05, abs=0.006)
    assert set(table.verdict) == {"", "more", "less"}
    silent = pd.DataFrame(np.vstack([values[1:, :5], np.full(5, np.nan)]))  # a network that moves nothing
    pd.testing.assert_frame_equal(beyond_random(pd.Series(values[0, :5]), silent), table.iloc[:5])
    shifted = beyond_random(pd.Series(values[0] + 5), pd.DataFrame(values[1:]))
    assert (shifted.verdict == "more").mean() > 0.99
    assert set(beyond_random(pd.Series([1.0]), pd.DataFrame([[1.0]])).verdict) == {""}  # of one nothing can be said


def test_networks_of_random_weights_get_no_sentence(cohort):
    """Whatever their maps look like: each against the others."""
    images, scaling = cohort
    networks = [random_network(seed, scaling) for seed in range(8)]
    tables = [survey(partial(asked, network), images, ["A", "B", "C"], 16, 16, 64)[1] for network in networks]
    means = pd.DataFrame([table.excess.groupby("parameter", sort=False).mean() for table in tables]).reset_index(
        drop=True
    )
    said = [(beyond_random(means.loc[k], means.drop(k), 0.99).verdict != "").sum() for k in range(8)]
    assert sum(said) <= 1  # of 32, at one in a hundred


def test_margin_is_the_region_without_the_core(cohort):
    images, _ = cohort
    core, margin = core_and_margin(images, 4)
    assert np.array_equal(core, images.core[4])
    assert not (core & margin).any()
    assert np.array_equal(core | margin, images.region[4])


def test_figure_shows_each_difference_on_the_plane_it_belongs_to():
    depth_mm, lateral_mm = np.linspace(10, 30, 9), np.linspace(0, 40, 11)
    core = np.zeros((9, 11), bool)
    core[3:6, 4:7] = True
    maps = ParametricMaps(*(np.full((9, 11), k, np.float32) for k in range(5)), depth_mm, lateral_mm)
    extent_mm = (0.0, 40.0, 30.0, 10.0)
    mapped = MappedPlane(maps, core, np.zeros_like(core), np.zeros((40, 11)), extent_mm)
    difference = np.arange(4.0)[:, None, None] * np.ones((4, 6, 6)) / 100
    region = np.zeros((6, 6), bool)
    region[2:4, 2:4] = True
    figure = draw_explained(mapped, difference, region, (-5.0, 45.0, 45.0, -5.0), "responder P001")
    axes = np.array(figure.axes[:10]).reshape(5, 2)
    for row, (field, name) in enumerate(zip(FOUR, ("MBF", "SI", "ESD", "EAC"), strict=True), start=1):
        left, right = (ax.images[-1] for ax in axes[row])
        assert np.nanmax(left.get_array().filled(np.nan)) == FIELDS.index(field)
        shown = right.get_array().filled(np.nan)
        np.testing.assert_allclose(shown[region], row - 1)
        assert np.isnan(shown[~region]).all()
        assert right.get_clim() == (0, 5)  # points, the same for every patient
        assert f"|Δp|, {name} / points" in [ax.get_xlabel() for ax in figure.axes]
    with pytest.raises(ValueError, match="no B-mode"):
        draw_explained(MappedPlane(maps, core, core), difference, region, extent_mm, "")
    plt.close(figure)
