import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet18, resnet101

from helpers.learning.attention import Attention, Hourglass, Projection, ResidualAttentionNetwork, Unit
from helpers.learning.images import Scaling
from helpers.learning.networks import (
    FeatureNetwork,
    PatientModel,
    PredictiveNetwork,
    ResNet,
    build_backbone,
    build_feature_network,
    vector_shape,
)
from helpers.settings import load_settings
from pages.networks import count_macs, count_weights, output_shapes

PROFILES = Path(__file__).parents[1] / "notebooks" / "profiles"
LAPTOP = load_settings(PROFILES / "laptop.yml")


def classifier(backbone):
    """A backbone with the ImageNet head its authors counted."""
    return nn.Sequential(backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(backbone.channels, 1000))


@pytest.mark.parametrize(
    ("reference", "block", "layers"), [(resnet18, "basic", [2, 2, 2, 2]), (resnet101, "bottleneck", [3, 4, 23, 3])]
)
def test_resnet_against_torchvision(reference, block, layers):
    torch.manual_seed(0)
    theirs = reference(weights=None).eval()
    with torch.device("meta"):  # without numbers of its own
        ours = ResNet(3, block, layers, 64).eval()
    trunk = {name: weight for name, weight in theirs.state_dict().items() if not name.startswith("fc.")}
    ours.load_state_dict(trunk, assign=True)  # strict: the same names and shapes
    images = torch.rand(1, 3, 64, 64)
    features = ours(images).mean((2, 3))
    with torch.no_grad():
        torch.testing.assert_close(theirs.fc(features), theirs(images))


def test_attention_56_against_the_authors_prototxt():
    """31,810,728 weights and 6.271 GMAC at 3 x 224 x 224 and 1000 classes, parsed from their prototxt."""
    with torch.device("meta"):  # shapes without numbers
        network = classifier(ResidualAttentionNetwork(3, 64, [1, 1, 1], 2, 3))
        assert count_weights(network) == 31_810_728
        assert count_macs(network, torch.zeros(1, 3, 224, 224)) / 1e9 == pytest.approx(6.271, abs=5e-4)


def test_macs_of_resnet_101_against_torchvision():
    """torchvision prints 7.80 GMAC and 44,549,160 weights for its ResNet-101."""
    with torch.device("meta"):
        network = classifier(ResNet(3, "bottleneck", [3, 4, 23, 3], 64))
        assert count_weights(network) == 44_549_160
        assert count_macs(network, torch.zeros(1, 3, 224, 224)) / 1e9 == pytest.approx(7.80, abs=0.005)


def test_maps_of_the_attention_network_have_the_sizes_of_the_table():
    """At 512 pixels: modules at 128, 64 and 32, all masks down to 16."""
    with torch.device("meta"):
        network = ResidualAttentionNetwork(4, 64, [1, 1, 1], 2, 3)
        images = torch.zeros(2, 4, 512, 512)
    sizes, lowest = [], []
    for module in network.attention_modules():
        module.register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].shape[-1]))
        deepest = [part for part in module.modules() if isinstance(part, Hourglass)][-1]
        deepest.down.register_forward_hook(lambda _, __, output: lowest.append(output.shape[-1]))
    assert network(images).shape == (2, 2048, 16, 16)
    assert sizes == [128, 64, 32]
    assert lowest == [16, 16, 16]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_one_residual_unit_on_the_skip_of_each_level_but_the_last(depth):
    hourglass = Hourglass(8, depth)
    levels = [part for part in hourglass.modules() if isinstance(part, Hourglass)]
    assert [isinstance(level.skip, Unit) for level in levels] == [True] * (depth - 1) + [False]
    assert sum(isinstance(part, Unit) for part in hourglass.modules()) == 2 * depth + (depth - 1)


def silence(unit):
    """Make a residual unit the identity: its branch adds zero."""
    nn.init.zeros_(unit.rest[-1][-1].weight)


def test_hourglass_adds_skip_and_upsampled_inner_level():
    """With units that pass their input: pooled + (pooled twice, brought back), then brought back."""
    hourglass = Hourglass(8, 2).eval()
    for part in hourglass.modules():
        if isinstance(part, Unit):
            silence(part)
    x = torch.rand(1, 8, 13, 10)  # odd sizes too: the upsampling goes to the size of the map it joins
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    low = pool(x)
    bilinear = {"mode": "bilinear", "align_corners": True}
    joined = low + nn.functional.interpolate(pool(low), size=low.shape[-2:], **bilinear)
    expected = nn.functional.interpolate(joined, size=x.shape[-2:], **bilinear)
    torch.testing.assert_close(hourglass(x), expected)


@pytest.mark.parametrize(("mask_value", "factor"), [(-1e9, 1.0), (0.0, 1.5), (1e9, 2.0)])
def test_attention_joins_trunk_and_mask_as_one_plus_m_times_t(mask_value, factor):
    """A mask of 0, 1/2 and 1 gives T, 1.5 T and 2 T."""
    module = Attention(8, 2, trunk_units=2).eval()
    silence(module.before)
    silence(module.after)
    module.mask[-2][-1] = nn.Conv2d(8, 8, 1)
    nn.init.zeros_(module.mask[-2][-1].weight)
    nn.init.constant_(module.mask[-2][-1].bias, mask_value)
    x = torch.rand(1, 8, 8, 8)
    torch.testing.assert_close(module(x), factor * module.trunk(x))


def test_mask_works_on_the_trunks_input_not_on_its_output():
    module = Attention(8, 1, trunk_units=1).eval()
    seen = {}
    module.trunk.register_forward_hook(lambda _, inputs, __: seen.update(trunk=inputs[0]))
    module.mask.register_forward_hook(lambda _, inputs, __: seen.update(mask=inputs[0]))
    module(torch.rand(1, 8, 8, 8))
    assert seen["trunk"] is seen["mask"]


def test_unit_is_pre_activated_and_projects_the_activated_input():
    unit = Unit(8, 16, stride=2).eval()
    silence(unit)
    x = torch.randn(1, 8, 6, 6)
    expected = nn.functional.conv2d(unit.activate(x), unit.project.weight, stride=2)
    torch.testing.assert_close(unit(x), expected)
    same = Unit(8, 8).eval()
    silence(same)
    torch.testing.assert_close(same(x), x)


@pytest.mark.parametrize("backbone", ["resnet", "ran"])
@pytest.mark.parametrize(("image_px", "n_maps"), [(32, 256), (64, 64), (128, 16)])
def test_the_vector_has_256_entries_at_every_size(backbone, image_px, n_maps):
    settings = LAPTOP.replace(image_px=image_px)
    network = build_feature_network(settings, backbone).eval()
    assert network.to_vector[0].out_channels == n_maps
    images = torch.rand(2, 4, image_px, image_px)
    assert network.vectors(images).shape == (2, 256)
    assert network(images).shape == (2, 2)


def test_the_paper_s_size_gives_one_map():
    assert vector_shape(512) == (1, 256)
    assert vector_shape(512, "pool") == (256, 256)
    assert vector_shape(96) == (28, 252)


def test_pooled_vector_is_the_mean_of_its_maps():
    network = build_feature_network(LAPTOP.replace(vector="pool"), "resnet").eval()
    images = torch.rand(2, 4, 64, 64)
    maps = network.to_vector[0](network.backbone(images))
    torch.testing.assert_close(network.vectors(images), maps.mean((2, 3)))


@pytest.mark.parametrize("image_px", [0, 50, 544])
def test_impossible_image_sizes_are_one_clear_error(image_px):
    with pytest.raises(ValueError, match=f"image_px = {image_px}: "):
        build_feature_network(LAPTOP.replace(image_px=image_px), "resnet")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vector", "sum"),
        ("resnet_block", "wide"),
        ("resnet_layers", [1, 1]),
        ("ran_attention", [1, 1]),
        ("ran_width", 0),
    ],
)
def test_impossible_sizes_name_the_parameter(name, value):
    with pytest.raises(ValueError, match=f"{name} = "):
        build_feature_network(LAPTOP.replace(**{name: value}), "resnet")


def test_images_of_another_size_are_one_clear_error():
    network = build_feature_network(LAPTOP, "resnet")
    with pytest.raises(ValueError, match="built for 64 pixels"):
        network(torch.zeros(1, 4, 32, 32))


def test_unknown_backbone_is_one_clear_error():
    with pytest.raises(ValueError, match="backbone 'vgg'"):
        build_backbone(LAPTOP.networks, "vgg")


def test_count_macs_by_hand():
    """A 3 x 3 convolution 2 -> 4 on 5 x 5 pixels, then 100 -> 3: 4 * 2 * 9 * 25 + 300."""
    network = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.Flatten(), nn.Linear(100, 3))
    assert count_macs(network, torch.zeros(1, 2, 5, 5)) == 4 * 2 * 9 * 25 + 300


@pytest.mark.parametrize(
    ("profile", "backbone", "macs"),
    [
        ("paper", "resnet", 40_953_734_344),
        ("paper", "ran", 32_957_293_768),
        ("laptop", "resnet", 7_201_992),
        ("laptop", "ran", 6_650_568),
    ],
)
def test_macs_against_a_count_layer_by_layer(profile, backbone, macs):
    """Weights of each convolution and layer times its output's pixels, as hooks on every layer counted them."""
    settings = load_settings(PROFILES / f"{profile}.yml")
    with torch.device("meta"):
        network = build_feature_network(settings, backbone)
        assert count_macs(network, torch.zeros(1, 4, settings.images.image_px, settings.images.image_px)) == macs
    assert network.training  # as it was


def test_shapes_and_weights_of_parts_by_hand():
    parts = [("convolution", nn.Conv2d(2, 4, 3)), ("pool", nn.MaxPool2d(3))]
    rows = output_shapes(parts, torch.zeros(1, 2, 8, 8))
    assert rows == [("convolution", "4 × 6 × 6", "76"), ("pool", "4 × 2 × 2", "0")]


def test_predictive_network_drops_after_the_first_and_the_second_layer():
    network = PredictiveNetwork(256, 100, 0.5)
    names = [type(layer).__name__ for layer in network.layers]
    assert names == ["Dropout", "Linear", "ReLU", "Dropout", "Linear"]
    assert count_weights(network) == 256 * 100 + 100 + 100 * 2 + 2


STEP = """
import resource, sys, torch
from helpers.learning.networks import build_feature_network
from helpers.settings import load_settings
torch.manual_seed(0)
network = build_feature_network(load_settings(sys.argv[1]), sys.argv[2])
network(torch.rand(1, 4, 512, 512)).sum().backward()
assert all(weight.grad.isfinite().all() for weight in network.parameters())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["resnet", "ran"])
def test_full_networks_pass_512_pixels_forth_and_back_below_8_gb(backbone):
    """In a process of its own; its peak of resident memory is that of this step, or of the tests if they took more."""
    command = [sys.executable, "-c", STEP, str(PROFILES / "paper.yml"), backbone]
    kilobytes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert kilobytes / (1 if sys.platform == "linux" else 1000) < 8e6


@pytest.fixture
def patient_model():
    torch.manual_seed(1)
    scaling = Scaling(np.zeros(4), np.ones(4))
    network = FeatureNetwork(build_backbone(LAPTOP.networks, "ran"), 64, 100, 0.5)
    return PatientModel(network, PredictiveNetwork(256, 100, 0.5), scaling, "core")


def test_probability_is_softmax_of_the_mean_vector(patient_model):
    images = torch.rand(5, 4, 64, 64)
    vectors = patient_model.vectors(images)
    logits = patient_model.predictive_network(vectors.mean(0)).detach().numpy()
    expected = np.exp(logits[1]) / np.exp(logits).sum()  # the positive class is the non-responder
    assert patient_model.probability(vectors).item() == pytest.approx(expected, rel=1e-6)
    torch.testing.assert_close(vectors, patient_model.vectors(images, batch_size=2), rtol=1e-4, atol=1e-5)


def test_a_patient_model_predicts_without_dropout_and_without_gradients(patient_model):
    images = torch.rand(3, 4, 64, 64)
    first, second = (patient_model.probability(patient_model.vectors(images)) for _ in range(2))
    assert torch.equal(first, second)
    assert not first.requires_grad
    means = torch.rand(7, 256)
    each = torch.stack([patient_model.probability(mean[None]) for mean in means])
    torch.testing.assert_close(patient_model.probability_of_means(means), each)


@pytest.mark.parametrize("n_in", [1, 2, 4, 6, 12, 16, 40])
def test_a_projection_is_the_strided_convolution(n_in):
    """Against torch's own in float64; in float32 that one ruins the heap where channels are few and lie last."""
    torch.manual_seed(0)
    projection = Projection(n_in, 8, 1, 2, bias=False).to(memory_format=torch.channels_last)
    images = torch.rand(3, n_in, 8, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight, exact = projection.weight.detach().double().requires_grad_(), images.detach().double().requires_grad_()
    found, expected = projection(images), torch.nn.functional.conv2d(exact, weight, stride=2)
    direction = torch.rand(found.shape)
    torch.testing.assert_close(found, expected.float())
    own = torch.autograd.grad(found, (images, projection.weight), direction)
    for one, other in zip(own, torch.autograd.grad(expected, (exact, weight), direction.double()), strict=True):
        torch.testing.assert_close(one, other.float())


@pytest.mark.parametrize("slug", ["resnet_core", "ran_core"])
@pytest.mark.parametrize("width", [1, 3, 4, 6, 12])
def test_networks_of_any_width_learn_without_a_crash(slug, width):
    """By oneDNN's instructions for AVX2, in a process of its own.

    Its heap is checked where glibc can: writing beyond it may go unnoticed for long.
    """
    checker = Path("/lib/x86_64-linux-gnu/libc_malloc_debug.so.0")
    checked = {"LD_PRELOAD": str(checker), "GLIBC_TUNABLES": "glibc.malloc.check=3"} if checker.exists() else {}
    code = f"""
import torch
from helpers.data.study import MODELS
from helpers.learning.training import untrained_feature_network
from helpers.settings import load_settings
settings = load_settings("smoke", image_px=32, resnet_width={width}, ran_width={width})
network = untrained_feature_network(settings, MODELS["{slug}"], "cpu", 2)
for _ in range(5):
    images = torch.rand(3, 2, 32, 32).contiguous(memory_format=torch.channels_last)
    network(images).sum().backward()
"""
    narrow = {"ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | narrow | checked, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr[-500:]
