"""Networks: the backbones, the 256-vector made of their maps, and a patient's prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from helpers.learning.attention import Projection, ResidualAttentionNetwork, initialise
from helpers.learning.images import Scaling
from helpers.maps.parametric import FOUR
from helpers.settings import STRIDE, VECTOR, Networks, Settings

BACKBONES = ("resnet", "ran")


class ResNet(nn.Module):
    """Residual network without its classifier (He et al. 2016): (B, C, n, n) to (B, channels, n/32, n/32).

    ``ResNet(3, "bottleneck", [3, 4, 23, 3], 64)`` is the trunk of torchvision's ResNet-101, name by name.
    """

    def __init__(self, in_channels: int, block: str, layers: Sequence[int], width: int) -> None:
        super().__init__()
        from torchvision.models import resnet  # a second to import, which whoever builds no ResNet can do without

        unit = {"basic": resnet.BasicBlock, "bottleneck": resnet.Bottleneck}[block]
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.channels = width
        self.layer1 = self.stage(unit, width, layers[0], stride=1)
        self.layer2 = self.stage(unit, width * 2, layers[1], stride=2)
        self.layer3 = self.stage(unit, width * 4, layers[2], stride=2)
        self.layer4 = self.stage(unit, width * 8, layers[3], stride=2)
        initialise(self)

    def stage(self, unit: Any, planes: int, n_units: int, stride: int) -> nn.Sequential:
        """Return one stage of residual units; the first changes size and channels."""
        out, project = planes * unit.expansion, None
        if stride > 1 or self.channels != out:
            project = nn.Sequential(Projection(self.channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        units = [unit(self.channels, planes, stride, project)]
        units += [unit(out, planes) for _ in range(n_units - 1)]
        self.channels = out
        return nn.Sequential(*units)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.maxpool(F.relu(self.bn1(self.conv1(images)), inplace=True))  # (B, width, n/4, n/4)
        return self.layer4(self.layer3(self.layer2(self.layer1(features))))


Backbone = ResNet | ResidualAttentionNetwork


class PredictiveNetwork(nn.Module):
    """Two fully connected layers: (B, 256) to logits (B, 2) of responder and non-responder.

    Dropout follows the first layer, the 256 inputs, and the second, the hidden neurons.
    """

    def __init__(self, n_in: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(n_in, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 2)
        )

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        return self.layers(vectors)


class FeatureNetwork(nn.Module):
    """Backbone, 256-vector and the head that trains both on single planes: (B, C, n, n) to (B, 2) logits.

    ``vector="flatten"``: a 1 x 1 convolution to ``256 // (n / 32)**2`` maps, flattened; ``"pool"``: to 256
    maps, averaged.
    """

    def __init__(self, backbone: Backbone, image_px: int, hidden: int, dropout: float, vector: str = "flatten") -> None:
        super().__init__()
        n_maps, self.vector_length = vector_shape(image_px, vector)
        self.backbone, self.image_px = backbone, image_px
        join = nn.Flatten() if vector == "flatten" else nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.to_vector = nn.Sequential(nn.Conv2d(backbone.channels, n_maps, 1), join)
        self.head = PredictiveNetwork(self.vector_length, hidden, dropout)

    def vectors(self, images: torch.Tensor) -> torch.Tensor:
        """Return the feature vectors (B, 256) of scaled images (B, C, n, n)."""
        if images.shape[-2:] != (self.image_px, self.image_px):
            raise ValueError(f"images {tuple(images.shape)}: the network was built for {self.image_px} pixels")
        return self.to_vector(self.backbone(images))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.vectors(images))


def vector_shape(image_px: int, vector: str = "flatten") -> tuple[int, int]:
    """Return the number of maps after the 1 x 1 convolution and the length of the vector they make.

    The length is 256 at 32, 64, 128, 256 and 512 pixels, and as close below as whole maps come elsewhere.
    """
    n_pixels = (image_px // STRIDE) ** 2 if vector == "flatten" else 1
    return VECTOR // n_pixels, VECTOR // n_pixels * n_pixels


def build_backbone(networks: Networks, backbone: str, in_channels: int = len(FOUR)) -> Backbone:
    """Return the backbone ``"resnet"`` or ``"ran"`` with the sizes of the settings."""
    if backbone not in BACKBONES:
        raise ValueError(f"backbone {backbone!r}: expected one of {BACKBONES}")
    if backbone == "resnet":
        return ResNet(in_channels, networks.resnet_block, networks.resnet_layers, networks.resnet_width)
    return ResidualAttentionNetwork(
        in_channels, networks.ran_width, networks.ran_attention, networks.ran_trunk_units, networks.ran_tail_units
    )


def build_feature_network(settings: Settings, backbone: str, in_channels: int = len(FOUR)) -> FeatureNetwork:
    """Return a feature network with fresh weights, its memory in the order channels last; seed torch before."""
    chosen = settings.networks
    trunk = build_backbone(chosen, backbone, in_channels)
    network = FeatureNetwork(trunk, settings.images.image_px, chosen.hidden, chosen.dropout, chosen.vector)
    return network.to(memory_format=torch.channels_last)


@dataclass
class PatientModel:
    """A trained model: from the planes of one tumour to the probability that it will not respond."""

    feature_network: FeatureNetwork
    predictive_network: PredictiveNetwork
    scaling: Scaling
    region: str  # "core" or "core_margin"

    def __post_init__(self) -> None:
        self.feature_network.eval()
        self.predictive_network.eval()

    @property
    def device(self) -> torch.device:
        return next(self.feature_network.parameters()).device

    @torch.no_grad()
    def vectors(self, images: torch.Tensor, batch_size: int = 128) -> torch.Tensor:
        """Return the feature vectors (N, 256) of scaled images (N, C, n, n), in true float32."""
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            return torch.cat([self.feature_network.vectors(part.to(self.device)) for part in images.split(batch_size)])

    @torch.no_grad()
    def probability_of_means(self, means: torch.Tensor) -> torch.Tensor:
        """Return the probability of a non-responder (B,) for mean vectors (B, 256)."""
        return self.predictive_network(means.to(self.device)).softmax(1)[:, 1]

    def probability(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return one patient's probability, a scalar, from the vectors of all its planes (P, 256)."""
        return self.probability_of_means(vectors.mean(0, keepdim=True))[0]
