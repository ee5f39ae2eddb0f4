import numpy as np
import pytest
import torch

from helpers import pda
from helpers.networks import Scaling
from helpers.settings import load_settings
from helpers.training import MODELS, untrained_model


def linear(weight):
    """Return a predict whose answer is the weighted sum of pixels: hand-computed differences."""
    weight = torch.as_tensor(weight, dtype=torch.float32)
    return lambda images: (images * weight).flatten(1).sum(1)


def small_network(channels=4, seed=0):
    """Return a random convolutional predict (B, C, H, W) -> (B,) probabilities."""
    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(channels, 6, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv2d(6, 4, 3, stride=2),
        torch.nn.Tanh(), torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(16, 1), torch.nn.Sigmoid(),
    )  # fmt: skip
    return lambda images: network(images)[:, 0]


def tissue(shape, seed=0):
    """Return an image with values in 0.1-1 inside a disc and exact zeros outside."""
    _, height, width = shape
    z, x = np.ogrid[:height, :width]
    inside = (z - height / 2) ** 2 + (x - width / 2) ** 2 < (0.3 * min(height, width)) ** 2
    return (np.random.default_rng(seed).uniform(0.1, 1, shape) * inside).astype(np.float32)


def plain_loop(predict, image, patch, stride):
    """Return the differences one patch at a time, none skipped."""
    starts = [[*range(0, n - patch + 1, stride)] for n in image.shape[1:]]
    for edge, n in zip(starts, image.shape[1:], strict=True):
        edge += [n - patch] * (edge[-1] != n - patch)
    with torch.no_grad():
        whole = float(predict(torch.tensor(image[None])))
        found = np.zeros((len(image), *map(len, starts)))
        for c, i, j in np.ndindex(found.shape):
            blanked = torch.tensor(image[None])
            blanked[0, c, starts[0][i] : starts[0][i] + patch, starts[1][j] : starts[1][j] + patch] = 0
            found[c, i, j] = abs(float(predict(blanked)) - whole)
    return found


def test_linear_model_by_hand():
    image = np.arange(1, 33, dtype=np.float32).reshape(2, 4, 4)
    weight = np.zeros((2, 4, 4))
    weight[0, 1, 1], weight[1, 3, 0] = 2, -1  # pixels worth 6 and 29
    found = pda.patch_differences(linear(weight), image, patch=2, stride=2)
    np.testing.assert_allclose(found, [[[12, 0], [0, 0]], [[0, 0], [29, 0]]])


def test_values_stand_at_centres_and_bilinear_between_by_hand():
    weight = np.zeros((1, 4, 4))
    weight[0, 1, 1] = 1
    found = pda.prediction_difference(linear(weight), np.ones((1, 4, 4)), patch=2, stride=2)
    edge = np.array([1, 1, 0.5, 0])  # centres at pixels 1 and 3; nearest value outside them
    np.testing.assert_allclose(found[0], np.outer(edge, edge), atol=1e-6)


def test_interpolation_against_scipy():
    scipy = pytest.importorskip("scipy.interpolate")
    image, predict = tissue((1, 23, 18)), small_network(1)
    values = pda.patch_differences(predict, image, patch=6, stride=4)
    centres = [pda.patch_starts(n, 6, 4) + 3 for n in (23, 18)]
    inside = np.stack(np.meshgrid(np.arange(3, 21), np.arange(3, 16), indexing="ij"), axis=-1)
    expected = scipy.RegularGridInterpolator(centres, values[0])(inside)
    found = pda.prediction_difference(predict, image, patch=6, stride=4)
    np.testing.assert_allclose(found[0, 3:21, 3:16], expected, atol=1e-7)
    np.testing.assert_array_equal(found[0, :3], np.repeat(found[0, 3:4], 3, axis=0))


@pytest.mark.parametrize(("shape", "patch", "stride"), [((4, 24, 24), 8, 4), ((2, 17, 22), 5, 3), ((1, 9, 9), 9, 4)])
@pytest.mark.parametrize("batch_size", [1, 7, 128])
def test_against_a_plain_loop_that_skips_nothing(shape, patch, stride, batch_size):
    image, predict = tissue(shape), small_network(shape[0])
    found = pda.patch_differences(predict, image, patch, stride, batch_size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain_loop(predict, image, patch, stride), rtol=0, atol=1e-6)
    assert found.max() > 1e-3


def test_empty_patches_are_not_computed():
    image, seen = tissue((2, 24, 24)), []

    def counting(images):
        seen.append(len(images))
        return small_network(2)(images)

    found = pda.patch_differences(counting, image, patch=4, stride=4)
    filled = image.reshape(2, 6, 4, 6, 4).any((2, 4))
    assert sum(seen) == 1 + filled.sum() < 1 + found.size
    assert (found[~filled] == 0).all()


def test_separate_patches_against_captum():
    attr = pytest.importorskip("captum.attr")
    image, predict = tissue((4, 24, 24)), small_network()
    theirs = attr.Occlusion(predict).attribute(torch.tensor(image[None]), (1, 6, 6), (1, 6, 6), baselines=0)
    ours = pda.patch_differences(predict, image, patch=6, stride=6).repeat(6, 1).repeat(6, 2)
    np.testing.assert_allclose(ours, theirs[0].abs().numpy(), rtol=0, atol=1e-5)
    assert ours.max() > 1e-3


def test_overlapping_patches_against_captum():
    """captum averages signed differences of all patches on a pixel; with positive weights the signs agree."""
    attr = pytest.importorskip("captum.attr")
    image, weight = tissue((2, 24, 24)), np.random.default_rng(1).uniform(0, 0.01, (2, 24, 24))
    predict = linear(weight)
    theirs = attr.Occlusion(predict).attribute(torch.tensor(image[None]), (1, 8, 8), (1, 4, 4), baselines=0)
    ours, count = np.zeros((2, 24, 24)), np.zeros((24, 24))
    for (i, j), _ in np.ndenumerate(np.zeros((5, 5))):
        count[4 * i : 4 * i + 8, 4 * j : 4 * j + 8] += 1
        ours[:, 4 * i : 4 * i + 8, 4 * j : 4 * j + 8] += pda.patch_differences(predict, image)[:, i, j, None, None]
    np.testing.assert_allclose(ours / count, theirs[0].numpy(), rtol=0, atol=1e-5)


def test_all_zero_image_gives_zeros():
    assert (pda.prediction_difference(small_network(), np.zeros((4, 16, 16))) == 0).all()


def test_last_patch_is_flush_with_the_border():
    weight = np.zeros((1, 11, 11))
    weight[0, 10, 10] = 1
    found = pda.patch_differences(linear(weight), np.ones((1, 11, 11)), patch=4, stride=3)
    assert found.shape == (1, 4, 4)
    assert found[0, -1, -1] == 1
    assert found.sum() == 1


def test_precision_switches_are_put_back():
    switches = torch.backends.cudnn, torch.backends.cuda.matmul
    before, seen = [switch.allow_tf32 for switch in switches], []

    def look(images):
        seen.append([switch.allow_tf32 for switch in switches])
        return images.flatten(1).sum(1)

    for state in (True, False):
        for switch in switches:
            switch.allow_tf32 = state
        pda.patch_differences(look, np.ones((1, 8, 8)))
        assert seen[-1] == [False, False]
        assert [switch.allow_tf32 for switch in switches] == [state, state]
    for switch, allowed in zip(switches, before, strict=True):
        switch.allow_tf32 = allowed


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


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda images: images.flatten(1)[:, :2], "expected \\(1,\\)"),
        (lambda images: images.flatten(1).sum(1) * np.nan, "NaN"),
    ],
)
def test_unusable_predictions_are_named(predict, message):
    with pytest.raises(ValueError, match=message):
        pda.prediction_difference(predict, np.ones((1, 8, 8)))


class SmallPatientModel:
    """Stands in for ``networks.PatientModel``: vectors of planes, probability of their mean."""

    def __init__(self):
        torch.manual_seed(3)
        self.device = torch.device("cpu")
        self.feature = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 5, stride=3), torch.nn.Tanh(), torch.nn.Flatten())
        self.head = torch.nn.Linear(200, 1)
        self.n_planes_seen = 0

    def vectors(self, images):
        self.n_planes_seen += len(images)
        return self.feature(images)

    def probability_of_means(self, means):
        return torch.sigmoid(self.head(means))[:, 0]


@pytest.mark.parametrize("n_planes", [1, 3])
def test_a_patient_against_a_plain_loop_over_whole_patients(n_planes):
    model = SmallPatientModel()
    planes = np.stack([tissue((4, 17, 17), seed) for seed in range(n_planes)])
    found = pda.explain_patient(model, planes, patch=5, stride=4, batch_size=16)
    assert found.shape == planes.shape

    def whole_patient(index):
        def predict(images):
            patients = torch.tensor(planes).repeat(len(images), 1, 1, 1, 1)
            patients[:, index] = images
            means = torch.stack([model.vectors(patient).mean(0) for patient in patients])
            return model.probability_of_means(means)

        return predict

    for index in range(n_planes):
        expected = plain_loop(whole_patient(index), planes[index], 5, 4)
        centres = pda.patch_starts(17, 5, 4) + 2
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
    found = pda.patch_differences(predict, planes[1], patch=8, stride=8)
    np.testing.assert_allclose(found, plain_loop(second_plane, planes[1], 8, 8), rtol=0, atol=2e-6)


def test_vectors_of_the_other_planes_are_computed_once():
    model = SmallPatientModel()
    predict = pda.plane_predictor(model, torch.rand(5, 4, 17, 17), index=2)
    assert model.n_planes_seen == 4
    predict(torch.rand(10, 4, 17, 17))
    assert model.n_planes_seen == 14


def test_contribution_by_hand():
    core, region = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    core[:2] = True
    region[3] = False  # margin: row 2
    differences = np.stack([np.ones((4, 4)), np.where(core, 0, 1), np.where(core, 3, 2), np.zeros((4, 4))])
    shares = pda.contribution(differences, core, region)
    assert shares.index.tolist() == ["MBF", "SI", "ESD", "EAC"]
    np.testing.assert_allclose(shares.core, [8 / 12, 0, 24 / 32, np.nan])
    np.testing.assert_allclose(shares.margin, [4 / 12, 1, 8 / 32, np.nan])
    np.testing.assert_allclose(shares.margin_area, 4 / 12)
    with pytest.raises(ValueError, match="expected \\(4, n, n\\)"):
        pda.contribution(differences[:3], core, region)
