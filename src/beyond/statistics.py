"""The statistics network: a third reading of the paper's 256 numbers, mean and spread of maps over core and margin.

Inputs are standardised inside the mask, masks are channels of their own, and pooling counts the pixels of a region and
no others. A network first learns, without any response, to read hand-made features off the study's own training
planes. A copy of it then learns the response on all training patients but a fold; what it says of the fold tells how
much to trust it beside a ridge regression on the vectors that no response has touched. One network a fold, each with
initial weights of its own, answers for chance in these: the answers of all are averaged.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from itertools import chain, islice
from math import prod
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float32
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F

from beyond import handmade
from helpers.judgement.pda import Predict
from helpers.learning.fitting import reproducible, resolve_device
from helpers.learning.images import ImageSet, fill_holes
from helpers.settings import VECTOR, Settings

WIDTHS, STRIDES = (16, 32, 48), (2, 1, 2)  # channels and steps of the layers before the last
BATCH, RATE, DECAY, DROPOUT = 32, 3e-3, 1e-2, 0.5
READING, CALLING = 12, 8  # steps of training without and with the response, per epoch of the settings
FOLDS = 3  # and networks, one a fold
FURTHEST = 5.0  # SD; inputs and features beyond count as that
SHIFT = 8  # largest shift in training, pixels
RIDGE = 1e-2  # C of the regression on patients' vectors


@dataclass(frozen=True)
class Recipe:
    """What makes the statistics network, one thing for each reader who doubts it."""

    spread: bool = True  # the SD of maps beside their mean, of half as many maps
    reading: bool = True  # of hand-made features, before the response and beside it
    members: int = FOLDS  # networks that answer, of as many folds


RECIPE = Recipe()


class StatisticsNetwork(nn.Module):
    """Images (B, C, n, n) and masks (B, R, n, n) of regions to vectors (B, 256): 256 / 2R maps, their mean and SD.

    Without ``spread`` it is the mean alone, of 256 / R maps.
    """

    def __init__(self, n_channels: int, n_regions: int, spread: bool = True) -> None:
        super().__init__()
        self.n_channels, self.n_regions, self.spread = n_channels, n_regions, spread
        n_maps = VECTOR // ((1 + spread) * n_regions)
        widths = n_channels + n_regions, *WIDTHS
        blocks = [
            nn.Sequential(nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(True))
            for inside, outside, stride in zip(widths, widths[1:], STRIDES, strict=False)
        ]
        self.trunk, self.last = nn.Sequential(*blocks), nn.Sequential(nn.Conv2d(WIDTHS[-1], n_maps, 3, padding=1))
        self.caller = nn.Sequential(nn.BatchNorm1d(VECTOR, affine=False), nn.Dropout(DROPOUT), nn.Linear(VECTOR, 1))

    def forward(self, images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        inputs = self.trunk(torch.cat([images, masks], 1))
        weights = in_means(masks, inputs.shape[-1])
        counts = weights.amax(1) > 0  # a map of the last layer is needed nowhere else
        maps = convolved_at(self.last[0], laid_out(inputs), around(places(len(inputs), inputs), counts))
        pooling = pooling_of(weights, counts)
        return self.joined(pooling @ maps, pooling @ maps**2)

    def joined(self, mean: torch.Tensor, square: torch.Tensor) -> torch.Tensor:
        """Return the vectors (B, 256) of the maps' mean and mean square in each region, (B, R, maps)."""
        spread = [(square - mean**2).clamp_min(1e-4).sqrt()] if self.spread else []
        return torch.cat([mean, *spread], 1).flatten(1)

    @torch.no_grad()
    def near(self, changed: "Changed") -> torch.Tensor:
        """Return the vectors (B, 256) of images that differ from one plane at a few pixels, in evaluation.

        To rounding those of ``forward``; but only what the pixels reach is computed of each image, a fifth where they
        are a patch of 8 in 64, the rest of the plane alone.
        """
        self.eval()
        whole, pixels = changed.whole, changed.pixels
        for block, nine in zip((*self.trunk, self.last), changed.nines, strict=True):
            made = convolved_at(block[0], torch.cat([laid_out(whole), pixels]), nine)
            pixels, whole = block[1:](made[..., None, None])[..., 0, 0], block(whole)
        maps = whole[0].flatten(1).T
        before, weights = maps[changed.place], changed.weights.flatten(2)
        return self.joined(*(weights @ maps**k + changed.pooling @ (pixels**k - before**k) for k in (1, 2)))


def in_means(masks: torch.Tensor, n_px: int) -> torch.Tensor:
    """Return what each of n_px x n_px pixels counts in the mean of each region, (B, R, n_px, n_px), of masks."""
    weights = F.adaptive_avg_pool2d(masks, n_px)
    return weights / weights.sum((2, 3), keepdim=True).clamp_min(1e-3)


def pooling_of(weights: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Return what each pixel ``where`` (B, n, n) is True counts, (B, R, P), of weights (B, R, n, n)."""
    of_plane = F.one_hot(where.nonzero()[:, 0], len(where)).to(weights)
    return torch.einsum("pb,pr->brp", of_plane, weights.movedim(1, 3)[where])


def laid_out(inputs: torch.Tensor) -> torch.Tensor:
    """Return all pixels (P, C) of inputs (B, C, n, n), and a border of zeros around each."""
    return F.pad(inputs, (1, 1, 1, 1)).movedim(1, 3).flatten(0, 2)


def places(n_images: int, like: torch.Tensor) -> torch.Tensor:
    """Return where in ``laid_out`` pixels are those of images like these (..., n, n): (n_images, n + 2, n + 2)."""
    edge = like.shape[-1] + 2
    return torch.arange(n_images * edge**2, device=like.device).view(n_images, edge, edge)


def around(place: torch.Tensor, where: torch.Tensor, step: int = 1) -> torch.Tensor:
    """Return which pixels (P, 9) a 3 x 3 convolution needs for those ``where`` (B, n, n) is True."""
    return place.unfold(1, 3, step).unfold(2, 3, step)[where].flatten(1)


def convolved_at(layer: Any, pixels: torch.Tensor, nine: torch.Tensor) -> torch.Tensor:
    """Return what a 3 x 3 convolution makes (P, out) of nine pixels each, (P, 9) of those that are ``laid_out``.

    Where these are few of an image's, it is less work than all of them.
    """
    return F.linear(F.embedding(nine, pixels).flatten(1), layer.weight.movedim(1, 3).flatten(1), layer.bias)


@dataclass(frozen=True)
class Changed:
    """Images that differ from one plane at a few pixels, and what these reach in the maps of each layer."""

    whole: torch.Tensor  # the plane and its masks, (1, C + R, n, n)
    pixels: torch.Tensor  # those that differ, (P, C + R)
    nines: list[torch.Tensor]  # what each layer needs (P, 9), of the plane's pixels and then of those that differ
    place: torch.Tensor  # in the last maps, of those that differ and count, (P,)
    weights: torch.Tensor  # ``in_means`` of the plane
    pooling: torch.Tensor  # ``pooling_of`` what differs

    @classmethod
    def of(cls, plane: torch.Tensor, masks: torch.Tensor, images: torch.Tensor) -> "Changed":
        """Return how images (B, C, n, n) differ from a plane (C, n, n), all with its masks (R, n, n)."""
        where, nines = (images != plane).any(1), []
        _, row, column = where.nonzero().T
        pixels = torch.cat([images.movedim(1, 3)[where], masks[:, row, column].T], 1)
        weights = in_means(masks[None], -(-plane.shape[-1] // prod(STRIDES)))
        counts = [torch.ones_like(where[:1, :1, :1])] * len(STRIDES) + [weights.amax(1) > 0]
        for step, counting in zip((*STRIDES, 1), counts, strict=True):
            place = places(1, where).repeat(len(where), 1, 1)
            place[:, 1:-1, 1:-1][where] = torch.arange(int(where.sum()), device=place.device) + place[0].numel()
            where = (F.max_pool2d(where.float(), 3, step, 1) > 0) & counting
            nines.append(around(place, where, step))
        pooling = pooling_of(weights.expand(len(where), -1, -1, -1), where)
        return cls(torch.cat([plane, masks])[None], pixels, nines, where.flatten(1).nonzero()[:, 1], weights, pooling)


@dataclass(frozen=True)
class Standard:
    """Mean and SD of each channel among the training planes' pixels of a region, in physical units."""

    mean: Float[np.ndarray, " C"]
    sd: Float[np.ndarray, " C"]
    region: str  # "core" or "core_margin"

    def inputs(self, images: ImageSet) -> tuple[torch.Tensor, torch.Tensor]:
        """Return standardised images (N, C, n, n), 0 outside the region and in no hole, and masks (N, R, n, n)."""
        inside, mean, sd = images.mask(self.region), self.mean.reshape(-1, 1, 1), self.sd.reshape(-1, 1, 1)
        filled = np.stack([fill_holes(*one, mean) for one in zip(images.maps, inside, strict=True)])
        scaled = np.clip((filled - mean) / sd, -FURTHEST, FURTHEST) * inside[:, None]
        regions = np.stack([images.core, images.region & ~images.core][: 1 if self.region == "core" else 2], 1)
        return torch.from_numpy(scaled.astype(np.float32)), torch.from_numpy(regions.astype(np.float32))


def standard_of(images: ImageSet, region: str) -> Standard:
    """Return mean and SD of each channel among the pixels of a region that have a value."""
    values = np.ma.masked_invalid(np.where(images.mask(region)[:, None], images.maps, np.nan))
    mean, sd = (np.ma.filled(found, 0.0) for found in (values.mean((0, 2, 3)), values.std((0, 2, 3))))
    return Standard(mean, np.maximum(sd, 1e-6), region)


@dataclass(frozen=True)
class Member:
    """A network that reads, a ridge regression on its vectors, and its copy that calls the response."""

    reader: StatisticsNetwork
    ridge: Pipeline
    caller: StatisticsNetwork

    @property
    def networks(self) -> tuple[StatisticsNetwork, StatisticsNetwork]:
        return self.reader, self.caller

    def answers(self, read: pd.DataFrame | np.ndarray, called: pd.DataFrame | np.ndarray) -> np.ndarray:
        """Return the logits of a NON-responder (n, 2), as read and as called, of the vectors (n, 256) of both."""
        return np.column_stack([self.ridge.decision_function(read), calls_of(self.caller, called)])


@dataclass(frozen=True)
class StatisticsModel:
    """Networks that read and call, and how what they read and what they call are weighed."""

    members: list[Member]
    standard: Standard
    weights: Float[np.ndarray, "2"]  # of what is read and of what is called
    weighed: LogisticRegression

    def probability(self, images: ImageSet) -> pd.Series:
        """Return the probability of a NON-responder by patient; as in the regression, both classes weigh the same."""
        inputs = *self.standard.inputs(images), images.patient
        of_networks = [vectors_of(net, *inputs) for one in self.members for net in one.networks]
        return pd.Series(self.said_of(of_networks), of_networks[0].index)

    def said_of(self, vectors: Sequence[pd.DataFrame | np.ndarray]) -> np.ndarray:
        """Return the probability (n,) of patients by their vectors (n, 256), of each member's two networks in turn."""
        pairs = zip(self.members, vectors[::2], vectors[1::2], strict=True)
        both = np.mean([one.answers(read, called) for one, read, called in pairs], axis=0)
        return self.weighed.predict_proba((both @ self.weights)[:, None])[:, 1]

    def central(self, images: ImageSet, patient: str) -> tuple[Predict, torch.Tensor, int]:
        """Return ``predict`` for a patient's central plane, that plane, and its place among all, see ``judgement.pda``.

        Maps (B, C, n, n) are standardised: zero is the mean of the training patients.
        """
        own = np.flatnonzero(images.patient == patient)
        place, (maps, masks) = len(own) // 2, self.standard.inputs(images.select(own))
        networks = [net for one in self.members for net in one.networks]
        others = [planes_by(net, maps, masks) for net in networks]
        others = [of_planes.sum(0) - of_planes[place] for of_planes in others]
        plane, mask = (tensor[place].to(next(networks[0].parameters()).device) for tensor in (maps, masks))

        def predict(changed: torch.Tensor) -> np.ndarray:
            reached = Changed.of(plane, mask, changed.to(plane))  # the same for all networks
            now = {net: net.near(reached).cpu().numpy() for net in set(networks)}  # one may read and call
            return self.said_of([(rest + now[net]) / len(own) for net, rest in zip(networks, others, strict=True)])

        return predict, maps[place], int(own[place])


def untrained(trained: StatisticsModel, seed: int) -> StatisticsModel:
    """Return a model of one network with weights drawn anew, whose call alone counts: what an explanation must beat."""
    torch.manual_seed(seed)
    like = trained.members[0].caller
    network = StatisticsNetwork(like.n_channels, like.n_regions).to(next(like.parameters()).device)
    member, weighed = Member(network, trained.members[0].ridge, network), deepcopy(trained.weighed)
    weighed.coef_, weighed.intercept_ = np.ones((1, 1)), np.zeros(1)
    return StatisticsModel([member], trained.standard, np.array([0.0, 1.0]), weighed)


@torch.no_grad()
def planes_by(network: StatisticsNetwork, maps: torch.Tensor, masks: torch.Tensor) -> Float32[np.ndarray, "N 256"]:
    """Return the vector of each plane, (N, 256), of standardised maps (N, C, n, n) and masks (N, R, n, n)."""
    network.eval()
    device = next(network.parameters()).device
    parts = zip(maps.split(BATCH), masks.split(BATCH), strict=True)
    return torch.cat([network(*(tensor.to(device) for tensor in part)) for part in parts]).cpu().numpy()


def vectors_of(
    network: StatisticsNetwork, maps: torch.Tensor, masks: torch.Tensor, patient: np.ndarray
) -> pd.DataFrame:
    """Return each patient's vector, the mean over her planes, (n_patients, 256), patients in order of their names."""
    return pd.DataFrame(planes_by(network, maps, masks)).groupby(patient.astype(str)).mean()


@torch.no_grad()
def calls_of(network: StatisticsNetwork, vectors: pd.DataFrame | np.ndarray) -> np.ndarray:
    """Return what a network calls patients of these vectors (n, 256): the logits (n,) of a NON-responder."""
    device = next(network.parameters()).device
    return network.caller(torch.from_numpy(np.asarray(vectors)).to(device))[:, 0].cpu().numpy()


def fit(
    images: ImageSet, patients: pd.DataFrame, region: str, settings: Settings, recipe: Recipe = RECIPE
) -> StatisticsModel:
    """Train on the planes of the training patients; no other patient is looked at, nothing stops training early."""
    training = images.select((patients.loc[images.patient, "split"] == "train").to_numpy())
    standard, device = standard_of(training, region), resolve_device(settings.computing.device)
    names, seed = np.unique(training.patient.astype(str)), settings.training.seed
    lost = ~patients.loc[names, "responder"].to_numpy(bool)
    n_folds = int(min(FOLDS, lost.sum(), (~lost).sum()))
    folds = list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(names, lost))
    members, read, called = [], [], []
    with reproducible(device):
        torch.manual_seed(seed)
        planes = Planes.of(training, patients, standard, device)
        for _, fold in folds[: recipe.members]:
            own = np.isin(training.patient, names[fold])
            reader, caller = taught(planes, own, settings.training.epochs, recipe)
            vectors = vectors_of(reader, planes.images, planes.masks, training.patient)
            ridge = make_pipeline(StandardScaler(), LogisticRegression(C=RIDGE, class_weight="balanced", max_iter=1000))
            read.append(cross_val_predict(ridge, vectors, lost, cv=folds, method="decision_function"))
            of_own = vectors_of(caller, planes.images[own], planes.masks[own], training.patient[own])
            called.append(pd.Series(calls_of(caller, of_own), of_own.index))
            members.append(Member(reader, ridge.fit(vectors, lost), caller))
    told = pd.DataFrame({"read": np.mean(read, axis=0), "called": pd.concat(called), "lost": lost}, names).dropna()
    weights, weighed = weigh(told[["read", "called"]].to_numpy(), told["lost"].to_numpy())
    return StatisticsModel(members, standard, weights, weighed)


def taught(
    planes: "Planes", own: np.ndarray, epochs: int, recipe: Recipe = RECIPE
) -> tuple[StatisticsNetwork, StatisticsNetwork]:
    """Return a network taught to read all planes, and its copy taught the response of all but those of its own fold."""
    reader = StatisticsNetwork(planes.images.shape[1], planes.masks.shape[1], recipe.spread).to(planes.images.device)
    reader.to(memory_format=torch.channels_last)
    if recipe.reading:
        learn(reader, planes, READING * epochs, "reading")
    caller = deepcopy(reader)
    learn(caller, planes.select(~own), CALLING * epochs, "both" if recipe.reading else "response")
    return reader, caller


def weigh(both: Float[np.ndarray, "n 2"], lost: Bool[np.ndarray, " n"]) -> tuple[np.ndarray, LogisticRegression]:
    """Return the weights of two answers, and the regression that makes their weighed sum a probability.

    Each weighs what it would alone, as in naive Bayes, and nothing if it counts against what it says. Weighed together,
    two answers that say nearly the same are told apart by chance among few patients.
    """
    alone = LogisticRegression(class_weight="balanced")
    weights = np.array([max(alone.fit(answer[:, None], lost).coef_[0, 0], 0.0) for answer in both.T])
    return weights, alone.fit((both @ weights)[:, None], lost)


@dataclass(frozen=True)
class Planes:
    """What the network learns from, all tensors (N, ...) on its device."""

    images: torch.Tensor
    masks: torch.Tensor
    features: torch.Tensor  # hand-made, standardised among the training planes; NaN where one has none
    lost: torch.Tensor  # 1: of a non-responder

    @classmethod
    def of(cls, images: ImageSet, patients: pd.DataFrame, standard: Standard, device: torch.device) -> "Planes":
        """Return the planes of an image set with their features and the response of their patients."""
        features = handmade.plane_features(images, standard.region)
        features = ((features - features.mean()) / features.std()).clip(-FURTHEST, FURTHEST)
        lost = ~patients.loc[images.patient, "responder"].to_numpy(bool)
        parts = *standard.inputs(images), features.to_numpy(np.float32), lost.astype(np.float32)
        return cls(*(torch.as_tensor(part, device=device) for part in parts))

    def select(self, rows: np.ndarray | torch.Tensor) -> "Planes":
        """Return the planes picked by a mask or by indices."""
        return Planes(*(getattr(self, field.name)[rows] for field in fields(self)))

    def moved(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images and masks shifted alike at random, half of the time with left and right exchanged."""
        shift = torch.randint(-SHIFT, SHIFT + 1, (2,)).tolist()
        both = [values.roll(shift, (2, 3)) for values in (self.images, self.masks)]
        if torch.rand(()) < 0.5:
            both = [values.flip(3) for values in both]
        return both[0], both[1]


def learn(network: StatisticsNetwork, planes: Planes, n_steps: int, what: str) -> None:
    """Train in place for the "reading" of the features, to call the "response", or for "both"."""
    reading = nn.Linear(VECTOR, planes.features.shape[1]).to(planes.images.device)
    optimizer = torch.optim.AdamW([*network.parameters(), *reading.parameters()], RATE, weight_decay=DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=n_steps)
    balance = (1 - planes.lost).sum() / planes.lost.sum()
    network.train()
    for rows in batches(len(planes.lost), n_steps):
        part = planes.select(rows)
        vectors = network(*part.moved())
        known = torch.isfinite(part.features)
        loss = ((reading(vectors) - part.features.nan_to_num()) ** 2 * known).mean() * (what != "response")
        if what != "reading":
            called = network.caller(vectors)[:, 0]
            loss = loss + F.binary_cross_entropy_with_logits(called, part.lost, pos_weight=balance)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def batches(n_planes: int, n_steps: int) -> Iterator[torch.Tensor]:
    """Yield the rows of each step: all planes in a random order, again and again."""
    n_batches = max(1, n_planes // BATCH)
    orders = (torch.randperm(n_planes).tensor_split(n_batches) for _ in range(-(-n_steps // n_batches)))
    yield from islice(chain.from_iterable(orders), n_steps)
