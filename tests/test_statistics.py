"""The statistics network: its pooling against plain loops, what it may see, and that it finds what it should."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score
from tiny import SMOKE as TINY
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from beyond import statistics
from helpers.learning.images import ImageSet

N_PX, PLANES = 32, 2
SMOKE, SHORT = TINY.replace(epochs=5), TINY.replace(epochs=1)


def make_images(patients, signal, seed=0):
    """Discs of core inside a margin; a non-responder's EAC is higher as a whole, or rises to the core's centre."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:N_PX, :N_PX] - N_PX / 2 + 0.5
    radius, n = np.hypot(rows, columns), len(patients) * PLANES
    core, region = np.repeat([radius < 9], n, axis=0), np.repeat([radius < 13], n, axis=0)
    inward = np.where(radius < 9, 4.5 - radius, 0)
    inward = np.where(radius < 9, inward - inward[radius < 9].mean(), 0)
    pattern = {"mean": np.ones_like(radius), "arrangement": inward / inward.std()}[signal]
    maps = rng.standard_normal((n, 4, N_PX, N_PX))
    maps[:, 3] += np.where(np.repeat(patients["responder"], PLANES), -1.0, 1.0)[:, None, None] * pattern
    maps = np.where(region[:, None], maps, np.nan).astype(np.float32)
    names = np.repeat(patients.index.to_numpy().astype(str), PLANES)
    extent_mm = np.tile([0.0, 30.0, 40.0, 10.0], (n, 1))
    return ImageSet(maps, core, region, names, np.tile(np.arange(PLANES), len(patients)), extent_mm)


@pytest.fixture(scope="module")
def patients():
    table = pd.DataFrame({"responder": np.arange(60) % 3 > 0}, index=[f"Q{i:02d}" for i in range(60)])
    return table.assign(split=np.where(np.arange(60) < 36, "train", "new"))


@pytest.mark.parametrize("n_regions", [1, 2])
def test_pooling_against_plain_loops(n_regions):
    """Mean and SD over the pixels of each region, weighed by how much of a map's pixel the region covers."""
    torch.manual_seed(0)
    network = statistics.StatisticsNetwork(4, n_regions).eval()
    masks = (torch.rand(3, n_regions, N_PX, N_PX) > 0.6).float()
    masks[:, :, : N_PX // 2] = 0  # pixels that count in no region
    images = torch.randn(3, 4, N_PX, N_PX)
    with torch.no_grad():
        found = network(images, masks)
        maps = network.last(network.trunk(torch.cat([images, masks], 1)))  # of all pixels
        cover = F.avg_pool2d(masks, 4)
    assert found.shape == (3, 256)
    half = 256 // (2 * n_regions)
    for plane in range(3):
        means, spreads = [], []
        for region in range(n_regions):
            weight = (cover[plane, region] / cover[plane, region].sum()).double()
            mean = (maps[plane] * weight).sum((1, 2))
            means.append(mean)
            spreads.append(((maps[plane] - mean[:, None, None]) ** 2 * weight).sum((1, 2)).sqrt())
        expected = torch.cat([*means, *spreads])
        assert means[0].shape == (half,)
        torch.testing.assert_close(found[plane].double(), expected, atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0], ids=["nowhere", "at some pixels", "everywhere"])
def test_a_convolution_at_some_pixels_is_torch_s_at_all_of_them(share):
    """Values and gradients, corners among the pixels."""
    torch.manual_seed(0)
    layer, inputs = torch.nn.Conv2d(5, 7, 3, padding=1), torch.randn(4, 5, 9, 9, requires_grad=True)
    where = torch.rand(4, 9, 9) < share
    where[0, [0, 0, -1, -1], [0, -1, 0, -1]] = share > 0
    nine = statistics.around(statistics.places(4, inputs), where)
    some = statistics.convolved_at(layer, statistics.laid_out(inputs), nine)
    every = layer(inputs).movedim(1, 3)[where]
    torch.testing.assert_close(some, every)
    learned = [layer.weight, layer.bias, inputs]
    pairs = zip(*(torch.autograd.grad((made**2).sum(), learned) for made in (some, every)), strict=True)
    for found, expected in pairs:
        torch.testing.assert_close(found, expected)


@pytest.fixture(params=[(1, True), (2, False)], ids=["core", "core and margin, no SD"])
def network(request):
    """With running means and SDs of its own, as after training, and maps of the order of 1."""
    torch.manual_seed(0)
    network = statistics.StatisticsNetwork(4, *request.param)
    with torch.no_grad():
        network.last[0].weight *= 30
        for _ in range(3):
            network(torch.randn(8, 4, N_PX, N_PX), (torch.rand(8, request.param[0], N_PX, N_PX) > 0.5).float())
    return network.eval()


def changed_in(network, boxes, n_px=N_PX):
    """A plane, its masks, and images that differ from it in a box (channel, top, left, height, width) each."""
    plane, masks = torch.randn(4, n_px, n_px), (torch.rand(network.n_regions, n_px, n_px) > 0.7).float()
    changed = plane.repeat(len(boxes), 1, 1, 1)
    for one, (channel, top, left, height, width) in zip(changed, boxes, strict=True):
        one[channel, top : top + height, left : left + width] = 0.0
    return plane, masks, changed


def from_near(network, plane, masks, changed):
    return network.near(statistics.Changed.of(plane, masks, changed))


RNG = np.random.default_rng(0)
PLACES = {
    "patches of the analysis": [(c, top, left, 8, 8) for c in (0, 3) for top in (0, 4, 24) for left in range(0, 25, 4)],
    "single pixels": [(1, *RNG.integers(0, N_PX, 2), 1, 1) for _ in range(20)],
    "boxes of any size": [(2, *RNG.integers(0, N_PX, 2), *RNG.integers(1, N_PX, 2)) for _ in range(20)],
    "whole, and nothing": [(0, 0, 0, N_PX, N_PX), (0, 5, 5, 0, 0)],
    "nothing": [(0, 5, 5, 0, 0)],
}


@pytest.mark.parametrize("boxes", PLACES.values(), ids=PLACES)
def test_images_that_differ_at_a_few_pixels_are_answered_as_whole_ones(network, boxes):
    plane, masks, changed = changed_in(network, boxes)
    found = from_near(network, plane, masks, changed)
    with torch.no_grad():
        expected = network(changed, masks.expand(len(changed), -1, -1, -1))
        unchanged = network(plane[None], masks[None])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert boxes == PLACES["nothing"] or (expected - unchanged).abs().max() > 0.01


@pytest.mark.parametrize("n_px", [30, 33, 41])
def test_images_of_any_size_too(network, n_px):
    boxes = [(1, top, left, 8, 8) for top in (0, 7, n_px - 8) for left in (0, 5, n_px - 8)]
    plane, masks, changed = changed_in(network, boxes, n_px)
    with torch.no_grad():
        expected = network(changed, masks.expand(len(changed), -1, -1, -1))
    torch.testing.assert_close(from_near(network, plane, masks, changed), expected, rtol=1e-4, atol=1e-4)


def test_little_is_computed_where_little_is_changed(network):
    """Less than a third of the multiplications that the same images take whole, at the size of the study."""
    plane, masks, changed = changed_in(network, [(0, 24, 24, 8, 8)] * 50, 64)
    with FlopCounterMode(display=False) as near:
        from_near(network, plane, masks, changed)
    with FlopCounterMode(display=False) as whole, torch.no_grad():
        network(changed, masks.expand(len(changed), -1, -1, -1))
    assert near.get_total_flops() < whole.get_total_flops() / 3


def test_what_lies_outside_the_region_is_never_seen(patients):
    """Pixels outside are replaced, holes made: inputs there are 0, and a hole takes its plane's median."""
    images = make_images(patients, "mean")
    standard = statistics.standard_of(images, "core_margin")
    inputs, masks = standard.inputs(images)
    assert masks.shape == (len(images), 2, N_PX, N_PX)
    assert (inputs[~torch.from_numpy(images.region)[:, None].expand_as(inputs)] == 0).all()
    spoilt = replace(images, maps=np.where(images.region[:, None], images.maps, 1e6).astype(np.float32))
    torch.testing.assert_close(standard.inputs(spoilt)[0], inputs)
    inside = inputs[torch.from_numpy(images.region)[:, None].expand_as(inputs)]
    assert float(inside.mean()) == pytest.approx(0, abs=0.02)
    assert float(inside.std()) == pytest.approx(1, abs=0.02)
    core = statistics.standard_of(images, "core").inputs(images)
    assert core[1].shape[1] == 1
    assert (core[0][:, 0][~torch.from_numpy(images.core)] == 0).all()


@pytest.mark.parametrize("signal", ["mean", "arrangement"])
def test_a_signal_is_found_in_patients_never_seen(patients, signal):
    images = make_images(patients, signal)
    model = statistics.fit(images, patients, "core_margin", SMOKE)
    said = model.probability(images)[patients.index]
    new = patients["split"] == "new"
    assert roc_auc_score(~patients.loc[new, "responder"], said[new]) > 0.8
    assert said.between(0, 1).all()
    inputs = *model.standard.inputs(images), images.patient
    vectors = [statistics.vectors_of(one.reader, *inputs) for one in model.members]
    assert [one.shape for one in vectors] == [(60, 256)] * statistics.FOLDS
    assert not np.allclose(vectors[0], vectors[1])  # each from initial weights of its own


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_an_answer_weighs_what_it_would_alone_and_nothing_against_what_it_says(signs):
    """Against the optimum of each alone under the bound of 0, found by scipy."""
    rng = np.random.default_rng(0)
    lost = np.arange(60) % 3 == 0
    both = (lost[:, None] + rng.normal(0, 1, (60, 2))) * signs
    weights, weighed = statistics.weigh(both, lost)
    assert (weights > 0).tolist() == [sign > 0 for sign in signs]
    balance = np.where(lost, 60 / 2 / lost.sum(), 60 / 2 / (~lost).sum())

    def loss(w, answer):
        line = np.where(lost, 1, -1) * (answer * w[0] + w[1])
        return (balance * np.logaddexp(0, -line)).sum() + w[0] ** 2 / 2

    best = [minimize(loss, np.zeros(2), answer, bounds=[(0, None), (None, None)]).x[0] for answer in both.T]
    np.testing.assert_allclose(weights, best, atol=2e-3)
    expected = minimize(loss, np.zeros(2), both @ weights).x
    np.testing.assert_allclose([weighed.coef_[0, 0], weighed.intercept_[0]], expected, atol=2e-3)


def test_poisoned_patients_change_nothing_that_is_learned_and_the_same_seed_gives_the_same(patients):
    """Pixels and responses of everybody but the training patients are replaced."""
    images = make_images(patients, "mean")
    new = patients["split"] == "new"
    judged = np.isin(images.patient, patients.index[new])
    spoilt = replace(images, maps=np.where(judged[:, None, None, None], -images.maps, images.maps))
    flipped = patients.assign(responder=patients["responder"] ^ new)
    before = statistics.fit(images, patients, "core", SHORT).probability(images)
    after = statistics.fit(spoilt, flipped, "core", SHORT).probability(images)
    pd.testing.assert_series_equal(before, after)


def test_no_response_reaches_a_reader_and_none_of_its_own_fold_a_caller(patients):
    """Else what a caller says of its fold would count for more than it is worth."""
    images, device = make_images(patients, "mean"), torch.device("cpu")
    own = np.arange(len(images)) < 40
    learned = []
    for responder in (patients["responder"], patients["responder"] ^ (np.arange(60) < 20)):
        told = patients.assign(responder=responder)
        planes = statistics.Planes.of(images, told, statistics.standard_of(images, "core"), device)
        torch.manual_seed(0)
        learned.append(statistics.taught(planes, own, SHORT.training.epochs))
    for before, after in zip(*learned, strict=True):
        assert all(map(torch.equal, before.parameters(), after.parameters()))


def test_few_of_a_class_and_a_map_without_a_value_will_do(patients):
    """Two non-responders to learn from, as a recorded cohort may have; ESD unknown everywhere."""
    few = patients.assign(responder=~patients.index.isin(["Q00", "Q01", "Q50"]))
    images = make_images(few, "mean")
    images.maps[:, 2] = np.nan
    assert statistics.fit(images, few, "core_margin", SHORT).probability(images).notna().all()


@pytest.mark.parametrize(
    "recipe", [{}, {"spread": False}, {"reading": False}, {"members": 1}], ids=["whole", "no SD", "unread", "one"]
)
def test_what_a_recipe_leaves_out_is_not_there(patients, recipe):
    images = make_images(patients, "mean")
    model = statistics.fit(images, patients, "core_margin", SHORT, statistics.Recipe(**recipe))
    assert len(model.members) == recipe.get("members", statistics.FOLDS)
    for one in model.members:
        assert one.caller.last[0].out_channels * (1 + one.caller.spread) * 2 == 256
        assert one.caller.spread == recipe.get("spread", True)
        steps = int(one.reader.trunk[0][1].num_batches_tracked)  # in training: none of a network that reads nothing
        assert steps == recipe.get("reading", True) * SHORT.training.epochs * statistics.READING
    assert model.probability(images).notna().all()


def test_what_is_asked_of_the_central_plane_is_said_of_the_patient(patients):
    """Unchanged planes give the patient's probability; a plane of nothing but means, that of such a patient's."""
    images = make_images(patients, "mean")
    model = statistics.fit(images, patients, "core_margin", SHORT)
    for name in ("Q00", "Q41"):
        predict, plane, index = model.central(images, name)
        assert (images.patient[index], images.plane[index]) == (name, PLANES // 2)
        expected = model.probability(images.select(images.patient == name))[name]
        np.testing.assert_allclose(predict(plane[None]), expected, rtol=1e-4)
        blank = replace(images, maps=images.maps.copy())
        inside = images.region[index]
        blank.maps[index][:, inside] = model.standard.mean[:, None]
        expected = model.probability(blank.select(images.patient == name))[name]
        np.testing.assert_allclose(predict(torch.stack([plane, plane * 0]))[1], expected, rtol=1e-4)


def test_an_untrained_model_answers_by_chance_and_for_its_seed(patients):
    images = make_images(patients, "mean")
    trained = statistics.fit(images, patients, "core", SHORT)
    asked = [statistics.untrained(trained, seed).central(images, "Q03") for seed in (1, 1, 2)]
    said = [float(predict(plane[None])[0]) for predict, plane, _ in asked]
    assert said[0] == said[1] != said[2]
    network = statistics.untrained(trained, 1).members[0].caller
    torch.manual_seed(1)
    fresh = statistics.StatisticsNetwork(4, 1)
    assert all(map(torch.equal, network.parameters(), fresh.parameters()))
