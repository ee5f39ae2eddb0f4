"""Attribution: other ways than zeros to ask what moved a prediction, and how far two answers agree.

Zintgraf et al. 2017 (Visualizing deep neural network decisions, section 3.1) take a patch out by putting in what it
might have shown, given the pixels around it, and averaging the prediction over such draws. The pixels of a small
square follow one normal distribution, fitted to squares of training images.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Shaped
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter
from scipy.stats import spearmanr
from sklearn.covariance import ledoit_wolf

from helpers.judgement.evaluation import auc_if_known
from helpers.judgement.pda import Fill, Image, Predict, on_pixels, patch_differences
from helpers.learning.images import TISSUE_FLOOR

FEWEST = 2  # squares that a distribution is fitted to


@dataclass(frozen=True, eq=False)
class Squares:
    """Normal distribution of the pixels in squares of tissue, a patch with a ring of neighbours, row by row."""

    edge: int  # pixels
    mean: Float[np.ndarray, "C pixels"]  # edge^2 pixels
    covariance: Float[np.ndarray, "C pixels pixels"]


def fit_squares(
    images: Float[np.ndarray, "N C n n"],
    inside: Bool[np.ndarray, "N n n"],
    edge: int,
    most: int = 10_000,
    seed: int = 0,
) -> Squares:
    """Fit ``Squares`` to those of scaled images (N, C, n, n) that lie wholly ``inside``, masks (N, n, n).

    Of more than ``most`` squares so many are drawn; where they are few the covariance is shrunk (Ledoit and Wolf
    2004). Raises ``ValueError`` when there are fewer than two.
    """
    places = np.argwhere(wholly(inside, edge))  # (n_squares, 3)
    if len(places) < FEWEST:
        raise ValueError(
            f"{len(places)} squares of {edge} x {edge} pixels lie wholly in tissue: expected {FEWEST} or more"
        )
    chosen = np.random.default_rng(seed).permutation(len(places))[:most]
    plane, top, left = places[chosen].T
    squares = sliding_window_view(images, (edge, edge), (2, 3))[plane, :, top, left]  # (n_squares, C, edge, edge)
    squares = squares.reshape(len(chosen), images.shape[1], -1).astype(float).swapaxes(0, 1)
    return Squares(edge, squares.mean(1), np.stack([ledoit_wolf(channel)[0] for channel in squares]))


def wholly(inside: Bool[np.ndarray, "N n n"], edge: int) -> Bool[np.ndarray, "N top left"]:
    """Return at which places a square lies wholly inside; at none where it is larger than the image."""
    if edge > inside.shape[-1]:
        return np.zeros((len(inside), 0, 0), bool)
    return np.asarray(sliding_window_view(inside, (edge, edge), (1, 2)).all((3, 4)))


def count_squares(inside: Bool[np.ndarray, "N n n"], edge: int) -> int:
    """Return how many squares lie wholly inside; ``fit_squares`` needs ``FEWEST``, which tiny tumours do not hold."""
    return int(wholly(inside, edge).sum())


def conditional_normal(
    mean: Float[np.ndarray, " pixels"],
    covariance: Float[np.ndarray, "pixels pixels"],
    known: Bool[np.ndarray, " pixels"],
    values: Float[np.ndarray, " n_known"],
    wanted: Bool[np.ndarray, " pixels"],
) -> tuple[Float[np.ndarray, " n_wanted"], Float[np.ndarray, "n_wanted n_wanted"]]:
    """Return mean and covariance of the ``wanted`` entries of a normal vector, given ``values`` of the ``known``.

    ``known`` and ``wanted`` are masks over the vector (Bishop 2006, equations 2.81 and 2.82).
    """
    across = covariance[np.ix_(wanted, known)]
    gain = np.linalg.solve(covariance[np.ix_(known, known)], across.T).T
    return mean[wanted] + gain @ (values - mean[known]), covariance[np.ix_(wanted, wanted)] - gain @ across.T


def conditional_fill(
    squares: Squares, image: Float[np.ndarray, "C n n"], inside: Bool[np.ndarray, "n n"], patch: int, seed: int = 0
) -> Fill:
    """Return ``fill(channel, top, left)`` for ``pda``: a draw of the patch (patch, patch), given what is around it.

    ``image`` (C, n, n) is scaled, ``inside`` (n, n) its tissue; a ring of ``(squares.edge - patch) / 2`` pixels around
    the patch is what the draw knows. Pixels outside tissue stay zero; draws are kept in the range of tissue.
    """
    ring, generator = (squares.edge - patch) // 2, np.random.default_rng(seed)
    padded, tissue = np.pad(image, ((0, 0), (ring, ring), (ring, ring))), np.pad(inside, ring)
    in_patch = np.pad(np.ones((patch, patch), bool), ring)

    @cache
    def conditional(channel: int, top: int, left: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        here = slice(top, top + squares.edge), slice(left, left + squares.edge)
        wanted, known = tissue[here] & in_patch, tissue[here] & ~in_patch
        normal, values = (squares.mean[channel], squares.covariance[channel]), padded[channel][here][known]
        mean, covariance = conditional_normal(*normal, known.ravel(), values, wanted.ravel())
        return wanted[in_patch], mean, np.linalg.cholesky(covariance + 1e-9 * np.eye(len(mean)))

    def fill(channel: int, top: int, left: int) -> Float[np.ndarray, "patch patch"]:
        wanted, mean, root = conditional(channel, top, left)
        drawn = np.zeros(patch**2, np.float32)
        drawn[wanted] = np.clip(mean + root @ generator.standard_normal(len(mean)), TISSUE_FLOOR, 1)
        return drawn.reshape(patch, patch)

    return fill


def sampled_differences(
    predict: Predict,
    image: Image,
    fill: Fill,
    n_draws: int = 10,
    patch: int = 8,
    stride: int = 4,
    batch_size: int = 128,
) -> Float[np.ndarray, "C n_top n_left"]:
    """Return p(image) - mean of p(image with a draw in the patch): (C, n_top, n_left), signed.

    ``fill`` draws anew at each call, see ``conditional_fill``. Zintgraf et al. 2017 take 10 draws.
    """
    return np.mean([patch_differences(predict, image, patch, stride, batch_size, fill) for _ in range(n_draws)], 0)


def agreement(
    first: Float[np.ndarray, "C n n"], second: Float[np.ndarray, "C n n"], inside: Bool[np.ndarray, "n n"]
) -> float:
    """Return Spearman's rank correlation of two maps (C, n, n) over the pixels inside (n, n), all channels at once.

    Pixels outside are zero in every map and would agree by themselves. NaN where a map is constant.
    """
    first, second = (values[:, inside].ravel() for values in (first, second))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)


def agreements(maps: Mapping[str, Float[np.ndarray, "C n n"]], inside: Bool[np.ndarray, "n n"]) -> pd.DataFrame:
    """Return the ``agreement`` of each of several maps (C, n, n) with each."""
    return pd.DataFrame({one: {other: agreement(maps[one], maps[other], inside) for other in maps} for one in maps}).T


def on_one_grid(
    zeros: Float[np.ndarray, "C n_top n_left"], patch: int, stride: int, **of_captum: torch.Tensor
) -> dict[str, Float[np.ndarray, "C n n"]]:
    """Return the magnitude of several attributions of one image as maps (C, n, n), by name.

    ``zeros`` as ``pda.patch_differences`` returns them; ``of_captum``: its ``occlusion`` (1, C, n, n), ``gradients``
    (1, C, n, n), shown as their mean over a patch, and ``cam`` (1, 1, n, n), one for all channels.
    """
    covered, gradients, cam = (of_captum[name][0].detach().cpu().numpy() for name in ("occlusion", "gradients", "cam"))
    return {
        "zeros": on_pixels(np.abs(zeros), covered.shape, patch, stride),
        "captum occlusion": np.abs(covered),
        "integrated gradients": np.abs(uniform_filter(gradients, (0, patch, patch))),
        "Grad-CAM": np.repeat(np.abs(cam), len(covered), axis=0),
    }


def separation(
    planes: Float[np.ndarray, "N C n n"],
    mask: Bool[np.ndarray, "N n n"],
    patient: Shaped[np.ndarray, " N"],
    positive: pd.Series,
    statistic: Callable[..., np.ndarray],
) -> list[float]:
    """Return how well a statistic of each map separates patients, whichever way round: AUC from 0.5 to 1, (C,).

    ``statistic`` (``np.nanmean``, ``np.nanstd``) is taken of each plane's pixels in its ``mask`` and averaged over a
    patient's planes; ``positive`` is indexed by patient. Planes without such a pixel are left out; NaN where they
    leave no two classes.
    """
    there = mask.any((1, 2))
    values = statistic(np.where(mask[there, None], planes[there], np.nan), axis=(2, 3))
    mean = pd.DataFrame(values, columns=range(planes.shape[1])).groupby(patient[there]).mean()
    found = [auc_if_known(positive[mean.index], mean[channel])[0] for channel in mean]
    return [max(auc, 1 - auc) for auc in found]
