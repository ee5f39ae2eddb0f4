"""How much of a prediction lies in core and margin: shares of a map of differences, and whole regions blanked."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float32
from numpy.typing import ArrayLike

from helpers.judgement.pda import Image, Predict, checked, full_precision, one_each, prediction_difference
from helpers.maps.parametric import FOUR, NAMES


def region_differences(
    predict: Predict, image: Image, regions: Bool[np.ndarray, "R H W"], fill: Float[np.ndarray, "C R"]
) -> Float32[np.ndarray, "C R"]:
    """Return p(image) - p(image with one region of one channel at one value): (C, R) float32, signed.

    ``image`` (C, H, W), ``regions`` (R, H, W) masks, ``fill`` (C, R) the values put in.
    """
    image = checked(image)
    masks = torch.as_tensor(regions, device=image.device)
    batch = image.repeat(np.size(fill), 1, 1, 1)
    for one, ((channel, region), value) in zip(batch, np.ndenumerate(fill), strict=True):
        one[channel, masks[region]] = float(value)
    with full_precision():
        return (one_each(predict(image[None]), 1) - one_each(predict(batch), len(batch))).reshape(np.shape(fill))


def even_map(tissue: Bool[np.ndarray, "H W"], patch: int = 8, stride: int = 4) -> Float32[np.ndarray, "H W"]:
    """Return the map (n, n) of a model to which all pixels of ``tissue`` (n, n) matter equally.

    A patch in a thin margin reaches beyond the tumour and blanks less tissue than one inside the core.
    """
    return prediction_difference(lambda images: images.flatten(1).sum(1), tissue[None], patch, stride)[0]


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
