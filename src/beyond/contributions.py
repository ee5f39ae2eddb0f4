"""How much of a prediction lies in core and margin: of one patient, of many, and of networks with random weights."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float32
from numpy.typing import ArrayLike
from scipy.stats import t

from helpers.judgement import pda
from helpers.judgement.pda import Image, Predict
from helpers.learning.images import ImageSet, Scaling, scale
from helpers.maps.parametric import FOUR, NAMES

Ask = Callable[[ImageSet, str], tuple[Predict, torch.Tensor, int]]  # see ``asked``


# One map of differences, by region


def region_differences(
    predict: Predict, image: Image, regions: Bool[np.ndarray, "R H W"], fill: Float[np.ndarray, "C R"]
) -> Float32[np.ndarray, "C R"]:
    """Return p(image) - p(image with one region of one channel at one value): (C, R) float32, signed.

    ``image`` (C, H, W), ``regions`` (R, H, W) masks, ``fill`` (C, R) the values put in.
    """
    image = pda.checked(image)
    masks = torch.as_tensor(regions, device=image.device)
    batch = image.repeat(np.size(fill) + 1, 1, 1, 1)  # the last is the image as it is
    for one, ((channel, region), value) in zip(batch[:-1], np.ndenumerate(fill), strict=True):
        one[channel, masks[region]] = float(value)
    with pda.full_precision():
        answers = pda.one_each(predict(batch), len(batch))
    return (answers[-1] - answers[:-1]).reshape(np.shape(fill))


def even_map(tissue: Bool[np.ndarray, "H W"], patch: int = 8, stride: int = 4) -> Float32[np.ndarray, "H W"]:
    """Return the map (n, n) of a model to which all pixels of ``tissue`` (n, n) matter equally.

    A patch in a thin margin reaches beyond the tumour and blanks less tissue than one inside the core.
    """
    return pda.prediction_difference(lambda images: images.flatten(1).sum(1), tissue[None], patch, stride)[0]


def contribution(
    pda_map: Float[np.ndarray, "_ _ _"],
    core: Bool[np.ndarray, "n n"],
    region: Bool[np.ndarray, "n n"],
    even: Float[np.ndarray, "n n"] | None = None,
    fields: Sequence[str] = FOUR,
) -> pd.DataFrame:
    """Return a frame, one row per parameter: the shares of core and margin in the sum of |differences|.

    ``pda_map`` is (C, n, n), a channel for each of ``fields``; ``core`` and ``region`` (core + margin, or the margin
    alone) are (n, n) masks.
    ``margin_even`` is the margin's share of ``even`` (n, n), see ``even_map``, or of the pixels: a margin that matters
    as much per pixel as the core has ``margin == margin_even``; it is NaN without a margin. Shares are NaN where a
    parameter moves nothing. ``of_all`` is the parameter's share of them all.
    """
    margin = region & ~core
    if pda_map.shape != (len(fields), *core.shape):
        raise ValueError(f"pda_map {pda_map.shape} and core {core.shape}: expected ({len(fields)}, n, n) and (n, n)")
    sums = np.array([[one[core].sum(), one[margin].sum()] for one in pda_map.astype(float)])
    total = sums.sum(1)
    parameters = pd.Index([NAMES[field] for field in fields], name="parameter")
    frame = pd.DataFrame(shares(sums, total[:, None]), columns=["core", "margin"], index=parameters)
    even = np.ones(core.shape) if even is None else even.astype(float)
    frame["margin_even"] = shares(even[margin].sum(), even[core | margin].sum()) if margin.any() else np.nan
    return frame.assign(total=total, of_all=shares(total, total.sum()))


def shares(part: ArrayLike, whole: ArrayLike) -> Float[np.ndarray, "..."] | float:
    """Return part / whole, NaN where the whole is zero."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)[()]


# Patients: what is asked of their central planes


class CentralPlane(NamedTuple):
    """A patient's scaled planes (P, C, n, n), of which only the central one is changed."""

    planes: np.ndarray
    place: int  # of the central plane among the patient's
    image: int  # of the central plane among all images


def central_plane(images: ImageSet, patient: str, scaling: Scaling, region: str) -> CentralPlane:
    """Return a patient's planes as the networks see them, and which one is central: of an even number the later."""
    own = np.flatnonzero(images.patient == patient)
    place = len(own) // 2
    return CentralPlane(scale(images.select(own), scaling, region), place, int(own[place]))


def central_predictor(model: pda.TumourModel, central: CentralPlane) -> tuple[Predict, Float[torch.Tensor, "C n n"]]:
    """Return ``predict`` for the central plane, see ``beside``, and that plane on the model's device."""
    image = torch.from_numpy(central.planes[central.place]).to(model.device)
    return pda.plane_predictor(model, central.planes, central.place), image


def explain_central(
    model: pda.TumourModel, central: CentralPlane, patch: int = 8, stride: int = 4, batch_size: int = 128
) -> Float32[np.ndarray, "C n n"]:
    """Return the prediction differences of a patient's central plane."""
    return pda.prediction_difference(*central_predictor(model, central), patch, stride, batch_size)


def explain_patient(
    model: pda.TumourModel, planes: Image, patch: int = 8, stride: int = 4, batch_size: int = 128
) -> Float32[np.ndarray, "P C n n"]:
    """Return the prediction differences of all planes of a patient: (P, C, n, n) float32, as ``planes``."""
    planes = torch.as_tensor(planes, dtype=torch.float32).to(model.device)
    vectors, size = pda.plane_vectors(model, planes), (patch, stride, batch_size)
    asked = (pda.beside(model, vectors, at) for at in range(len(planes)))
    return np.stack([pda.prediction_difference(*pair, *size) for pair in zip(asked, planes, strict=True)])


def core_and_margin(images: ImageSet, index: int) -> Bool[np.ndarray, "2 n n"]:
    """Return the masks of core and margin of one plane."""
    return np.stack([images.core[index], images.region[index] & ~images.core[index]])


def asked(model: Any, images: ImageSet, patient: str) -> tuple[Predict, torch.Tensor, int]:
    """Return ``predict`` of a study's model for a patient's central plane, that plane, and its place among images."""
    central = central_plane(images, patient, model.scaling, model.region)
    return *central_predictor(model, central), central.image


def survey(
    ask: Ask, images: ImageSet, patients: Iterable[str], patch: int, stride: int, batch_size: int
) -> tuple[dict[str, Float32[np.ndarray, "C n n"]], pd.DataFrame]:
    """Return the maps of the patients' central planes, and what ``contribution`` says of each, patient by patient.

    ``ask(images, patient)`` returns what is asked of a patient, as ``asked`` does.
    ``excess`` is by how much the margin's share exceeds the even one.
    """
    maps, tables = {}, {}
    for patient in patients:
        predict, plane, index = ask(images, patient)
        core, margin = core_and_margin(images, index)
        maps[patient] = pda.prediction_difference(predict, plane, patch, stride, batch_size)
        even = even_map(core | margin, patch, stride)
        tables[patient] = contribution(maps[patient], core, margin, even, images.fields)
    table = pd.concat(tables, names=["patient"])
    return maps, table.assign(excess=table["margin"] - table["margin_even"])


def mean_excess(ask: Ask, images: ImageSet, patients: Iterable[str], patch: int, batch_size: int) -> pd.Series:
    """Return by map the mean of the margin's share less the even one, see ``survey``, patches side by side."""
    excess = survey(ask, images, patients, patch, patch, batch_size)[1]["excess"]
    return excess.groupby("parameter", sort=False).mean()


def pixel_weights(survey: pd.DataFrame) -> pd.DataFrame:
    """Return what a pixel weighs by a ``survey``, 1 where all weigh the same: a row a patient, (region, parameter)."""
    even = {"core": 1 - survey["margin_even"], "margin": survey["margin_even"]}
    of_each = {region: survey["of_all"] * survey[region] / share for region, share in even.items()}
    return pd.DataFrame(of_each).unstack("parameter") * survey.index.get_level_values("parameter").nunique()


def region_moves(
    ask: Ask, images: ImageSet, patients: Iterable[str], typical: Float[np.ndarray, "C 2"]
) -> Float[np.ndarray, "P C 2"]:
    """Return how far a probability moves where one map of core or margin takes its ``typical`` value, not its sign."""
    asked_of = (ask(images, patient) for patient in patients)
    moves = [region_differences(predict, one, core_and_margin(images, k), typical) for predict, one, k in asked_of]
    return np.abs(np.stack(moves))


def beyond_random(own: pd.Series, random: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Compare a statistic of a trained network with that of networks with random weights, a row for each map.

    ``own`` is the statistic by map, ``random`` (networks, maps) the same of two or more random networks. ``low`` and
    ``high`` are where one more random network would lie with probability ``level`` (Student's prediction interval);
    ``verdict`` is "more" or "less" for a trained network beyond them and empty for one that random weights explain.
    """
    random = random.dropna()  # what says the same of everybody has no shares
    n = max(len(random), 1)  # of none, and of one, nothing can be said
    step = t.ppf((1 + level) / 2, n - 1) * random.std(ddof=1) * np.sqrt(1 + 1 / n)
    table = pd.DataFrame({"own": own, "random": random.mean(), "low": random.mean() - step}, own.index)
    table["high"] = table["random"] + step
    table["verdict"] = np.select([table["own"] > table["high"], table["own"] < table["low"]], ["more", "less"], "")
    return table
