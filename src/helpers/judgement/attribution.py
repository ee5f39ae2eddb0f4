"""Attribution: other ways than zeros to ask what moved a prediction, and how far two answers agree.

Zintgraf et al. 2017 (Visualizing deep neural network decisions, section 3.1) take a patch out by putting in what it
might have shown, given the pixels around it, and averaging the prediction over such draws. The pixels of a small
square follow one normal distribution, fitted to squares of training images.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.stats import spearmanr
from sklearn.covariance import ledoit_wolf

from helpers.judgement.pda import patch_differences
from helpers.learning.images import TISSUE_FLOOR


@dataclass(frozen=True, eq=False)
class Squares:
    """Normal distribution of the pixels in squares of tissue, a patch with a ring of neighbours, row by row."""

    edge: int  # pixels
    mean: np.ndarray  # (C, edge^2)
    covariance: np.ndarray  # (C, edge^2, edge^2)


def fit_squares(images, inside, edge, most=10_000, seed=0):
    """Fit ``Squares`` to those of scaled images (N, C, n, n) that lie wholly ``inside``, masks (N, n, n).

    Of more than ``most`` squares so many are drawn; where they are few the covariance is shrunk (Ledoit and Wolf
    2004). Raises ``ValueError`` when there are fewer than two.
    """
    places = np.argwhere(sliding_window_view(inside, (edge, edge), (1, 2)).all((3, 4)))  # (n_squares, 3)
    if len(places) < 2:
        raise ValueError(f"{len(places)} squares of {edge} x {edge} pixels lie wholly in tissue: expected 2 or more")
    chosen = np.random.default_rng(seed).permutation(len(places))[:most]
    plane, top, left = places[chosen].T
    squares = sliding_window_view(images, (edge, edge), (2, 3))[plane, :, top, left]  # (n_squares, C, edge, edge)
    squares = squares.reshape(len(chosen), images.shape[1], -1).astype(float).swapaxes(0, 1)
    return Squares(edge, squares.mean(1), np.stack([ledoit_wolf(channel)[0] for channel in squares]))


def conditional_normal(mean, covariance, known, values, wanted):
    """Return mean and covariance of the ``wanted`` entries of a normal vector, given ``values`` of the ``known``.

    ``known`` and ``wanted`` are masks over the vector (Bishop 2006, equations 2.81 and 2.82).
    """
    across = covariance[np.ix_(wanted, known)]
    gain = np.linalg.solve(covariance[np.ix_(known, known)], across.T).T
    return mean[wanted] + gain @ (values - mean[known]), covariance[np.ix_(wanted, wanted)] - gain @ across.T


def conditional_fill(squares, image, inside, patch, seed=0):
    """Return ``fill(channel, top, left)`` for ``pda``: a draw of the patch (patch, patch), given what is around it.

    ``image`` (C, n, n) is scaled, ``inside`` (n, n) its tissue; a ring of ``(squares.edge - patch) / 2`` pixels around
    the patch is what the draw knows. Pixels outside tissue stay zero; draws are kept in the range of tissue.
    """
    ring, generator = (squares.edge - patch) // 2, np.random.default_rng(seed)
    padded, tissue = np.pad(image, ((0, 0), (ring, ring), (ring, ring))), np.pad(inside, ring)
    in_patch = np.pad(np.ones((patch, patch), bool), ring)

    @cache
    def conditional(channel, top, left):
        here = slice(top, top + squares.edge), slice(left, left + squares.edge)
        wanted, known = tissue[here] & in_patch, tissue[here] & ~in_patch
        mean, covariance = conditional_normal(
            squares.mean[channel], squares.covariance[channel], known.ravel(), padded[channel][here][known],
            wanted.ravel(),
        )  # fmt: skip
        return wanted[in_patch], mean, np.linalg.cholesky(covariance + 1e-9 * np.eye(len(mean)))

    def fill(channel, top, left):
        wanted, mean, root = conditional(channel, top, left)
        drawn = np.zeros(patch**2, np.float32)
        drawn[wanted] = np.clip(mean + root @ generator.standard_normal(len(mean)), TISSUE_FLOOR, 1)
        return drawn.reshape(patch, patch)

    return fill


def sampled_differences(predict, image, fill, n_draws=10, patch=8, stride=4, batch_size=128):
    """Return p(image) - mean of p(image with a draw in the patch): (C, n_top, n_left), signed.

    ``fill`` draws anew at each call, see ``conditional_fill``. Zintgraf et al. 2017 take 10 draws.
    """
    return np.mean([patch_differences(predict, image, patch, stride, batch_size, fill) for _ in range(n_draws)], 0)


def agreement(first, second, inside):
    """Return Spearman's rank correlation of two maps (C, n, n) over the pixels inside (n, n), all channels at once.

    Pixels outside are zero in every map and would agree by themselves. NaN where a map is constant.
    """
    first, second = (np.asarray(values)[:, np.asarray(inside, bool)].ravel() for values in (first, second))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)
