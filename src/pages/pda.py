"""Who is explained, in which words, and one central plane drawn as in the paper's Figure 2."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from helpers.learning.images import TISSUE_FLOOR
from helpers.maps.parametric import FOUR, LABELS, NAMES
from helpers.maps.planes import MappedPlane
from helpers.settings import Settings
from pages import figures
from pages.judgement import NOT_COMPUTED, write_instead


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


def rank_in_words(one: pd.Series, other: pd.Series, random: Sequence[pd.Series]) -> str:
    """Return Spearman's rank correlation as text, of the rows that have both values, and the range of random networks.

    It is not computed of fewer than three rows, nor where they are all alike.
    """
    both = pd.DataFrame({"one": one, "other": other}).dropna()
    if len(both) < 3 or (both.nunique() == 1).any():
        return f"({NOT_COMPUTED} of {len(both)} rows)"
    own, *null = (one.corr(each, "spearman") for each in (other, *random))
    return f"is {own:.2f}" + (f" (random weights: {min(null):.2f} to {max(null):.2f})" if null else "")


def nulls(table: pd.DataFrame) -> list[str]:
    """Return what ``beyond_random`` says of networks without knowledge as text: mean (low to high), of each map."""
    return [
        f"{row.random:+.3f} ({row.low:+.3f} to {row.high:+.3f})" if np.isfinite(row.low) else "cannot be estimated"
        for row in table.itertuples()
    ]


def beside_random(own: pd.DataFrame, random: Sequence[pd.DataFrame], form: str = ".2f") -> pd.DataFrame:
    """Return a table as text, each value with its range in networks of random weights, if it has one."""
    every = np.stack([one.reindex_like(own) for one in random]) if len(random) else np.full((1, *own.shape), np.nan)
    ends = zip(own.to_numpy().ravel(), every.min(0).ravel(), every.max(0).ravel(), strict=True)
    texts = [tuple(f"{value:{form}}" for value in three) for three in ends]
    cells = [one if low == high in (one, "nan") else f"{one} ({low} to {high})" for one, low, high in texts]
    cells = [cell.replace("nan", "–") for cell in cells]
    return pd.DataFrame(np.reshape(cells, own.shape), own.index, own.columns)


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
    points on one of ``figures.SCALES``, so that what is small looks small.
    Raises ``ValueError`` for a plane without B-mode.
    """
    if mapped.b_mode_db is None or mapped.b_mode_extent_mm is None:
        raise ValueError("mapped has no B-mode: expected map_plane(..., with_b_mode=True)")
    inside = mapped.core | mapped.margin
    limits = figures.scale_of(100 * difference)
    n_rows = 1 + len(fields)
    figure, axes = figures.subplots(n_rows, 2, 2.9)
    for ax in axes[0]:
        figures.show_b_mode(ax, mapped.b_mode_db, mapped.b_mode_extent_mm)
        figures.show_outline(ax, mapped.core, mapped.maps.extent_mm)
    for (left, right), field, one in zip(axes[1:], fields, difference, strict=True):
        figures.show_overlay(left, mapped, np.where(inside, getattr(mapped.maps, field), np.nan), LABELS[field])
        points, label = np.where(region, 100 * one, np.nan), f"|Δp|, {NAMES[field]} / points"
        figures.show_overlay(right, mapped, points, label, extent_mm, "magma", limits)
    figures.look_closer(axes.flat[1:], mapped)
    figure.suptitle(title)
    return figure
