"""Planes per second of the networks at full width, against torchvision's plain ResNet-101 in the same run.

``python benchmarks/networks.py [--json PATH] [--record] [--px N] [--batch N] [--compile]`` takes the graphics card if
there is one: 512 pixels, batches of 8, bf16; else one core: 128 pixels, batches of 2, float32. torchvision's network
gets four input channels and two classes, nothing else; all networks keep their memory channels last and learn by fused
Adam. The matrix rate is that of one large product on the same device; a training step counts three times the forward
pass's multiplications. Augmentation is timed alone, as a share of the step it precedes. On a core the clock counts the
processor's time for this thread, which other work on the machine does not lengthen.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import common  # before torch: it sets the number of threads
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import resnet101

from helpers.learning.augmentation import augment
from helpers.learning.fitting import build_optimizer, device_name, mixed_precision, reproducible, resolve_device
from helpers.learning.networks import build_feature_network
from helpers.settings import Settings, load_settings
from pages.networks import count_macs

PLAIN = "torchvision's ResNet-101"
FULL = {"ResNet-101": "resnet", "RAN-56": "ran", PLAIN: None}
SMALL = {"laptop's ResNet": "resnet", "laptop's RAN": "ran"}


@dataclass(frozen=True)
class Case:
    """What is measured: which networks, on which images, how."""

    settings: Settings
    networks: dict[str, str | None]
    device: torch.device

    def build(self, name: str) -> nn.Module:
        """A network with fresh weights on the device."""
        backbone = self.networks[name]
        network = build_feature_network(self.settings, backbone) if backbone else plain_resnet()
        network = network.to(self.device, memory_format=torch.channels_last)
        if self.settings.training.compile_network:
            network.compile(dynamic=False)
        return network

    def batch(self) -> torch.Tensor:
        size = self.settings.training.batch_size, 4, self.settings.images.image_px, self.settings.images.image_px
        return torch.rand(size, device=self.device).contiguous(memory_format=torch.channels_last)


def plain_resnet() -> nn.Module:
    """torchvision's ResNet-101 with four input channels and two classes."""
    network = resnet101(weights=None, num_classes=2)
    network.conv1 = nn.Conv2d(4, 64, 7, stride=2, padding=3, bias=False)
    return network


def wait(device: torch.device) -> None:
    """Let the device finish what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def rounds_s(steps: dict[str, Callable], device: torch.device, repeats: int) -> dict[str, np.ndarray]:
    """Seconds of every step in every round (repeats,), all steps taken in turn."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    times = {name: [] for name in steps}
    for _ in range(repeats + 2):  # the first rounds fill caches, choose kernels, compile
        for name, step in steps.items():
            start = clock()
            step()
            times[name].append(clock() - start)
    return {name: np.array(of[2:]) for name, of in times.items()}


def train(network: nn.Module, optimizer: torch.optim.Optimizer, batch: torch.Tensor, precision: str) -> None:
    """One training step."""
    labels = torch.arange(len(batch), device=batch.device) % 2
    with mixed_precision(batch.device, precision):
        logits = network.train()(batch)
    loss = F.cross_entropy(logits.float(), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    wait(batch.device)


@torch.no_grad()
def infer(network: nn.Module, batch: torch.Tensor, precision: str) -> None:
    """One forward pass."""
    with mixed_precision(batch.device, precision):
        network.eval()(batch)
    wait(batch.device)


def move(batch: torch.Tensor, generator: torch.Generator, max_shift: float) -> None:
    """One augmentation."""
    augment(batch, generator, max_shift)
    wait(batch.device)


def measure(case: Case, repeats: int) -> dict[str, dict[str, float]]:
    """What is told of each network: planes per second, augmentation's share of a step, ratios to torchvision's."""
    batch, settings = case.batch(), case.settings
    steps = {
        "augmentation": partial(move, batch, torch.Generator(case.device).manual_seed(0), settings.training.max_shift)
    }
    for name in case.networks:
        network = case.build(name)
        optimizer = build_optimizer(network, settings.training)
        steps[f"{name}, training"] = partial(train, network, optimizer, batch, settings.training.precision)
        steps[f"{name}, inference"] = partial(infer, network, batch, settings.training.precision)
    with reproducible(case.device):  # as in training: one thread on a CPU
        seconds = rounds_s(steps, case.device, repeats)
    return {name: speeds(seconds, name, len(batch)) | ratios(seconds, name) for name in case.networks}


def speeds(seconds: dict[str, np.ndarray], name: str, n_planes: int) -> dict[str, float]:
    """Planes per second of a network in training and inference, and augmentation's share of its training step."""
    moving, training, inference = (
        float(np.median(seconds[step])) for step in ("augmentation", f"{name}, training", f"{name}, inference")
    )
    return {
        "training, planes/s": n_planes / training,
        "inference, planes/s": n_planes / inference,
        "augmentation, share of a step": moving / (moving + training),
    }


def ratios(seconds: dict[str, np.ndarray], name: str) -> dict[str, float]:
    """Speed of a network over torchvision's, where that is there: the median over rounds, which spares the drift."""
    if f"{PLAIN}, training" not in seconds:
        return {}
    return {
        f"{what}, against torchvision's": float(np.median(seconds[f"{PLAIN}, {what}"] / seconds[f"{name}, {what}"]))
        for what in ("training", "inference")
    }


def matrix_rate(device: torch.device, precision: str) -> float:
    """Multiplications (each with its addition) per second of a large matrix product."""
    n = 8192 if device.type == "cuda" else 2048
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.randn(n, n, device=device, dtype=kind) for _ in range(2))

    def product() -> None:
        for _ in range(5):
            one @ other
        wait(device)

    return 5 * n**3 / float(np.median(rounds_s({"product": product}, device, 5)["product"]))


def gmac(case: Case, name: str) -> float:
    """GMAC of one plane's forward pass."""
    with torch.device("meta"):
        network = build_feature_network(case.settings, case.networks[name]) if case.networks[name] else plain_resnet()
        return (
            count_macs(network, torch.zeros(1, 4, case.settings.images.image_px, case.settings.images.image_px)) / 1e9
        )


def peak_gb(case: Case, name: str) -> float:
    """Peak memory of a training step [GB]: on a GPU what torch took, else the whole process's."""
    network, batch = case.build(name), case.batch()
    train(network, build_optimizer(network, case.settings.training), batch, case.settings.training.precision)
    if case.device.type == "cuda":
        return torch.cuda.max_memory_allocated(case.device) / 1e9
    status = Path("/proc/self/status")  # Linux: what getrusage tells includes the parent's peak
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9


def alone(case: Case, name: str) -> float:
    """``peak_gb`` in a process that has done nothing else."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(peak_gb, case, name).result()


def measure_all(options: argparse.Namespace) -> dict:
    """All figures, by network, with their circumstances."""
    device = resolve_device("auto")
    on_gpu = device.type == "cuda"
    px, batch, precision = (512, 8, "bf16") if on_gpu else (128, 2, "float32")
    full = load_settings("paper").replace(
        image_px=options.px or px,
        batch_size=options.batch or batch,
        precision=precision,
        compile_network=options.compile,
    )
    case = Case(full, FULL, device)
    rate = matrix_rate(device, precision)
    found = measure(case, repeats=30 if on_gpu else 11)
    for name, row in found.items():
        row["training, fraction of the matrix rate"] = 3e9 * gmac(case, name) * row["training, planes/s"] / rate
        row["peak memory, GB"] = alone(case, name)
    found |= measure(Case(load_settings("laptop"), SMALL, device), repeats=30)
    return {
        **common.circumstances("torch", "torchvision", "numpy"),
        "device": device_name(device),
        "image_px": full.images.image_px,
        "batch_size": full.training.batch_size,
        "precision": precision,
        "compiled": full.training.compile_network,
        "matrix rate, GMAC/s": rate / 1e9,
        "networks": found,
    }


def rows(found: dict) -> dict[str, str]:
    """The figures as text."""
    head = {
        "device": found["device"][:14],
        "images, pixels": str(found["image_px"]),
        "planes in a batch": str(found["batch_size"]),
        "precision": found["precision"],
        "matrix rate, GMAC/s": f"{found['matrix rate, GMAC/s']:,.0f}",
    }
    of_networks = {
        f"{name}: {what}": f"{value:.3g}" for name, row in found["networks"].items() for what, value in row.items()
    }
    return head | of_networks


def main() -> int:
    """Measure, print the table and, with ``--json``, write it down; return the exit status."""
    parser = common.command_line(__doc__.splitlines()[0])
    parser.add_argument("--px", type=int, help="edge of the images, pixels")
    parser.add_argument("--batch", type=int, help="planes in a batch")
    parser.add_argument("--compile", action="store_true", help="let torch.compile work on all networks")
    options = parser.parse_args()
    return common.run_command(lambda: common.show(options, partial(measure_all, options), lines))


def lines(found: dict) -> str:
    """The figures, a line each."""
    return "\n".join(f"{name:62s}{value:>14s}" for name, value in rows(found).items())


if __name__ == "__main__":
    sys.exit(main())
