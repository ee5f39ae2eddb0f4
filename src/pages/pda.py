"""One patient's central plane explained, and drawn as in the paper's Figure 2."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float32
from matplotlib.figure import Figure
from scipy.stats import spearmanr, t

from beyond.contributions import contribution, even_map
from helpers.judgement.pda import Predict, TumourModel, plane_predictor, prediction_difference
from helpers.learning.images import TISSUE_FLOOR, ImageSet, Scaling, scale
from helpers.maps.parametric import FOUR, LABELS, NAMES
from helpers.maps.planes import MappedPlane
from helpers.settings import Settings
from pages import figures
from pages.judgement import NOT_COMPUTED, write_instead


class CentralPlane(NamedTuple):
    """A patient's scaled planes (P, C, n, n), of which only the central one is changed."""

    planes: np.ndarray
    place: int  # of the central plane among the patient's
    image: int  # of the central plane among all images


def explained(predictions: pd.DataFrame, slug: str) -> tuple[str, pd.DataFrame]:
    """Return whose predictions by a model are explained, in words, and these, indexed by patient.

    Those of the test set; without a test patient of the validation set, without either of the training set.
    """
    of_model = predictions[predictions["model"] == slug].set_index("patient").astype({"responder": bool})
    part = next(part for part in ("test", "validation", "train") if (of_model["split"] == part).any())
    return {"train": "training"}.get(part, part), of_model[of_model["split"] == part]


def nearest_to_truth(rows: pd.DataFrame) -> dict[str, str]:
    """Return class -> the patient whose probability is nearest to the truth, of the classes that are there."""
    error = (rows["probability"] - ~rows["responder"]).abs()
    groups = {"responder": error[rows["responder"]], "non-responder": error[~rows["responder"]]}
    return {name: str(group.idxmin()) for name, group in groups.items() if len(group)}


def named_patient(name: str, patient: str, part: str, settings: Settings) -> str:
    """What to call an explained patient of a class: by her id if she is simulated, else by her class and set."""
    return f"{name} {patient}" if settings.study.simulated else f"A {name} of the {part} set"


def medians(planes: Float[np.ndarray, "N C n n"], masks: Bool[np.ndarray, "R N n n"]) -> Float[np.ndarray, "C R"]:
    """Return the median of each channel of scaled planes in each region, the middle of tissue where there is none."""
    return np.array(
        [
            [np.median(channel[mask]) if mask.any() else (1 + TISSUE_FLOOR) / 2 for mask in masks]
            for channel in np.moveaxis(planes, 1, 0)
        ]
    )


def rank_in_words(one: pd.Series, other: pd.Series) -> str:
    """Return Spearman's rank correlation with its p-value as text, of the rows that have both values.

    It is not computed of fewer than three rows, nor where they are all alike.
    """
    both = pd.DataFrame({"one": one, "other": other}).dropna()
    if len(both) < 3 or (both.nunique() == 1).any():
        return f"({NOT_COMPUTED} of {len(both)} rows)"
    found = spearmanr(both["one"], both["other"])
    return f"{found.statistic:.2f} (p = {found.pvalue:.2f})"


def central_plane(images: ImageSet, patient: str, scaling: Scaling, region: str) -> CentralPlane:
    """Return a patient's planes as the networks see them, and which one is central: of an even number the later."""
    own = np.flatnonzero(images.patient == patient)
    place = len(own) // 2
    return CentralPlane(scale(images.select(own), scaling, region), place, int(own[place]))


def central_predictor(model: TumourModel, central: CentralPlane) -> tuple[Predict, Float[torch.Tensor, "C n n"]]:
    """Return ``predict`` for the central plane, see ``beside``, and that plane on the model's device."""
    image = torch.from_numpy(central.planes[central.place]).to(model.device)
    return plane_predictor(model, central.planes, central.place), image


def explain_central(
    model: TumourModel, central: CentralPlane, patch: int = 8, stride: int = 4, batch_size: int = 128
) -> Float32[np.ndarray, "C n n"]:
    """Return the prediction differences of a patient's central plane."""
    return prediction_difference(*central_predictor(model, central), patch, stride, batch_size)


def core_and_margin(images: ImageSet, index: int) -> Bool[np.ndarray, "2 n n"]:
    """Return the masks of core and margin of one plane."""
    return np.stack([images.core[index], images.region[index] & ~images.core[index]])


def survey(
    model: Any, images: ImageSet, patients: Iterable[str], patch: int, stride: int, batch_size: int
) -> tuple[dict[str, Float32[np.ndarray, "C n n"]], pd.DataFrame]:
    """Return the maps of the patients' central planes, and what ``contribution`` says of each, patient by patient.

    ``excess`` is by how much the margin's share exceeds the even one.
    """
    maps, tables = {}, {}
    for patient in patients:
        central = central_plane(images, patient, model.scaling, model.region)
        core, margin = core_and_margin(images, central.image)
        maps[patient] = explain_central(model, central, patch, stride, batch_size)
        even = even_map(core | margin, patch, stride)
        tables[patient] = contribution(maps[patient], core, margin, even, images.fields)
    table = pd.concat(tables, names=["patient"])
    return maps, table.assign(excess=table["margin"] - table["margin_even"])


def beyond_random(own: pd.Series, random: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Compare a statistic of a trained network with that of networks with random weights, a row for each map.

    ``own`` is the statistic by map, ``random`` (networks, maps) the same of two or more random networks. ``low`` and
    ``high`` are where one more random network would lie with probability ``level`` (Student's prediction interval);
    ``verdict`` is "more" or "less" for a trained network beyond them and empty for one that random weights explain.
    """
    n = len(random)
    step = t.ppf((1 + level) / 2, n - 1) * random.std(ddof=1) * np.sqrt(1 + 1 / n)
    table = pd.DataFrame({"own": own, "random": random.mean(), "low": random.mean() - step})
    table["high"] = table["random"] + step
    table["verdict"] = np.select([table["own"] > table["high"], table["own"] < table["low"]], ["more", "less"], "")
    return table


def draw_or_say(drawn: Mapping[str, tuple], name: str, why_not: str) -> Figure:
    """Draw one of the explained planes, or a sentence where there is none of this name."""
    if name in drawn:
        return draw_explained(*drawn[name])
    figure, ax = figures.subplots(row_in=1.5)
    write_instead(ax, why_not)
    return figure


def draw_explained(
    mapped: MappedPlane,
    difference: Float[np.ndarray, "C n n"],
    region: Bool[np.ndarray, "n n"],
    extent_mm: tuple[float, float, float, float],
    title: str,
    fields: Sequence[str] = FOUR,
) -> Figure:
    """Draw a plane as in the paper's Figure 2: B-mode, then each parametric overlay beside its prediction differences.

    ``mapped`` has its B-mode; ``difference``, of the maps in ``fields``, is shown inside ``region``, in percentage
    points on one scale.
    Raises ``ValueError`` for a plane without B-mode.
    """
    if mapped.b_mode_db is None or mapped.b_mode_extent_mm is None:
        raise ValueError("mapped has no B-mode: expected map_plane(..., with_b_mode=True)")
    inside = mapped.core | mapped.margin
    limits = 0.0, float(100 * difference.max() + 1e-9)
    n_rows = 1 + len(fields)
    figure, axes = figures.subplots(n_rows, 2, 2.9)
    for ax in axes[0]:
        figures.show_b_mode(ax, mapped.b_mode_db, mapped.b_mode_extent_mm)
        figures.show_outline(ax, mapped.core, mapped.maps.extent_mm)
    for (left, right), field, one in zip(axes[1:], fields, difference, strict=True):
        figures.show_overlay(left, mapped, np.where(inside, getattr(mapped.maps, field), np.nan), LABELS[field])
        points, label = np.where(region, 100 * one, np.nan), f"|Δp|, {NAMES[field]} / %"
        figures.show_overlay(right, mapped, points, label, extent_mm, "magma", limits)
    across, down = mapped.maps.lateral_mm[inside.any(0)], mapped.maps.depth_mm[inside.any(1)]
    for ax in axes.flat[1:]:
        ax.set(xlim=(across[0] - 3, across[-1] + 3), ylim=(down[-1] + 3, down[0] - 3))
    figure.suptitle(title)
    return figure
