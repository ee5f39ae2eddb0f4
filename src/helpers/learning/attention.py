"""The residual attention network (Wang et al. 2017), written from its definition."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

LANES = 16  # float32 numbers in a processor's widest vector, that of AVX-512


def activated(n_in: int, n_out: int, size: int, stride: int = 1) -> nn.Sequential:
    """Return BN, ReLU and a convolution without bias: the order of pre-activation networks."""
    convolution = nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, bias=False)
    return nn.Sequential(nn.BatchNorm2d(n_in), nn.ReLU(inplace=True), convolution)


class Projection(nn.Conv2d):
    """1 x 1 convolution of every ``stride``-th pixel, (B, n_in, n, n) to (B, n_out, n / stride, n / stride).

    Where channels are no whole vectors of any processor the pixels are picked first: told to stride there, oneDNN
    (of torch 2.14, for AVX2) writes beyond the end of its memory, and sooner or later the process crashes.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.in_channels % LANES == 0:
            return super().forward(x)
        return F.conv2d(x[..., :: self.stride[0], :: self.stride[1]], self.weight, self.bias)


class Unit(nn.Module):
    """Pre-activation bottleneck (He et al. 2016, Identity mappings): 1 x 1, 3 x 3, 1 x 1, a quarter as wide.

    When size or channels change, the shortcut is a 1 x 1 convolution of the activated input.
    """

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        inside = n_out // 4
        self.activate = nn.Sequential(nn.BatchNorm2d(n_in), nn.ReLU(inplace=True))
        self.first = nn.Conv2d(n_in, inside, 1, bias=False)
        self.rest = nn.Sequential(activated(inside, inside, 3, stride), activated(inside, n_out, 1))
        changes = stride > 1 or n_in != n_out
        self.project = Projection(n_in, n_out, 1, stride, bias=False) if changes else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        active = self.activate(x)
        shortcut = x if self.project is None else self.project(active)
        return shortcut + self.rest(self.first(active))


class Hourglass(nn.Module):
    """The mask's way down and up again, one level inside the other (Wang et al. 2017, Figure 2).

    A level halves the map, works, lets the next level add what it sees from further away to a residual
    unit on its skip, works again, and returns to the size of its input by bilinear interpolation.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.down = Unit(channels, channels)
        self.skip = Unit(channels, channels) if depth > 1 else None
        self.inner = Hourglass(channels, depth - 1) if depth > 1 else None
        self.up = Unit(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low = self.down(F.max_pool2d(x, 3, stride=2, padding=1))
        if self.skip is not None and self.inner is not None:
            low = self.skip(low) + self.inner(low)
        return F.interpolate(self.up(low), size=x.shape[-2:], mode="bilinear", align_corners=True)


class Attention(nn.Module):
    """Attention module (Wang et al. 2017): a trunk T weighed by a mask M in (0, 1), joined as (1 + M) T."""

    def __init__(self, channels: int, depth: int, trunk_units: int) -> None:
        super().__init__()
        self.before = Unit(channels, channels)
        self.trunk = nn.Sequential(*[Unit(channels, channels) for _ in range(trunk_units)])
        self.mask = nn.Sequential(
            Hourglass(channels, depth), activated(channels, channels, 1), activated(channels, channels, 1), nn.Sigmoid()
        )
        self.after = Unit(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.before(x)
        return self.after((1 + self.mask(x)) * self.trunk(x))


class ResidualAttentionNetwork(nn.Module):
    """Residual attention network without its classifier: (B, C, n, n) to (B, channels, n/32, n/32).

    ``ResidualAttentionNetwork(3, 64, [1, 1, 1], 2, 3)`` is Attention-56 of Wang et al. 2017. ``attention``
    says how many modules stand in the stages at 1/4, 1/8 and 1/16 of the image; their masks halve three,
    two and one times more, so that all of them come down to 1/32.
    """

    def __init__(
        self, in_channels: int, width: int, attention: Sequence[int], trunk_units: int, tail_units: int
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        stages: list[nn.Module] = []
        n_in = width
        for stage, n_modules in enumerate(attention):
            n_out = width * 4 * 2**stage
            stages.append(Unit(n_in, n_out, stride=1 + (stage > 0)))
            stages += [Attention(n_out, 3 - stage, trunk_units) for _ in range(n_modules)]
            n_in = n_out
        self.stages = nn.Sequential(*stages)
        self.channels = 2 * n_in
        tail = [Unit(n_in, self.channels, stride=2)]
        tail += [Unit(self.channels, self.channels) for _ in range(tail_units - 1)]
        self.tail = nn.Sequential(*tail, nn.BatchNorm2d(self.channels), nn.ReLU(inplace=True))
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.tail(self.stages(self.stem(images)))

    def attention_modules(self) -> list[Attention]:
        """Return the attention modules in the order of the stages."""
        return [module for module in self.stages if isinstance(module, Attention)]


def initialise(network: nn.Module) -> None:
    """Draw the weights of every convolution after He et al. (2015), by the channels going out."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
