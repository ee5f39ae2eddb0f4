"""Prediction difference analysis: how far the prediction moves when one patch of one map is blanked.

With zeros in the patch and one map at a time, as in Taleghamar et al. 2022, this is occlusion
sensitivity (Zeiler and Fergus 2014); Zintgraf et al. 2017, who named the analysis, put in samples of what
the patch might have shown, see ``attribution``. ``predict`` always maps images (B, C, H, W) to (B,).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from numpy.typing import ArrayLike

Image = ArrayLike | torch.Tensor
Predict = Callable[[torch.Tensor], torch.Tensor | np.ndarray]  # images (B, C, H, W) to (B,)
Fill = Callable[[int, int, int], Image]  # channel, top, left to what is put in (patch, patch)


@runtime_checkable
class TumourModel(Protocol):
    """What is asked of a ``networks.PatientModel``."""

    @property
    def device(self) -> torch.device: ...

    feature_network: Any  # .vectors: images (B, C, n, n) to (B, 256)
    predictive_network: Any  # mean vectors (B, 256) to (B, 2)


def patch_starts(length: int, patch: int, stride: int) -> Int[np.ndarray, " n_patches"]:
    """Return the first pixels of patches along an edge; the last patch is flush with the border.

    >>> patch_starts(10, 4, 3).tolist(), patch_starts(11, 4, 3).tolist()
    ([0, 3, 6], [0, 3, 6, 7])
    """
    starts = np.arange(0, length - patch + 1, stride)
    return starts if starts[-1] == length - patch else np.append(starts, length - patch)


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute in true float32: without TF32, which errs by 1e-4 in a probability, and without autocast."""
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    try:
        torch.backends.cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")
        with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False), torch.no_grad():
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])


def checked(image: Image, patch: int = 1, stride: int = 1) -> Float32[torch.Tensor, "C H W"]:
    """Return the image as a float32 tensor (C, H, W), or say what is wrong with it or with the patch."""
    image = torch.as_tensor(image, dtype=torch.float32)
    if image.ndim != 3:
        raise ValueError(f"image {tuple(image.shape)}: expected (C, H, W)")
    if not torch.isfinite(image).all():
        raise ValueError(f"{int((~torch.isfinite(image)).sum())} of {image.numel()} pixels are NaN or infinite")
    if not 1 <= patch <= min(image.shape[1:]):
        raise ValueError(f"patch of {patch} pixels in an image of {tuple(image.shape[1:])}")
    if stride < 1:
        raise ValueError(f"stride of {stride} pixels: expected 1 or more")
    return image


def patches_that_matter(
    image: Float[torch.Tensor, "C H W"], patch: int, stride: int
) -> tuple[Int[np.ndarray, "n 3"], Int[np.ndarray, " n_top"], Int[np.ndarray, " n_left"]]:
    """Return channel, row and column (n, 3) of all patches with a pixel that is not zero, and tops and lefts."""
    tops, lefts = (patch_starts(length, patch, stride) for length in image.shape[1:])
    largest, there = torch.nn.functional.max_pool2d, (image != 0).float()
    filled = largest(largest(there, (patch, 1), 1), (1, patch), 1).cpu().numpy()  # of columns, then of rows: of squares
    return np.argwhere(filled[:, tops][:, :, lefts] > 0), tops, lefts


def patch_differences(
    predict: Predict, image: Image, patch: int = 8, stride: int = 4, batch_size: int = 128, fill: Fill | None = None
) -> Float32[np.ndarray, "C n_top n_left"]:
    """Return p(image) - p(image without one patch of one channel): (C, n_top, n_left) float32, signed.

    ``image`` is (C, H, W), array or tensor, on the device that ``predict`` takes. Patches start at
    ``patch_starts``. ``fill(channel, top, left)`` returns what is put in, (patch, patch); without it, zero.
    A patch that is zero already has nothing to lose: it is not computed, its difference is 0.
    Raises ``ValueError`` for another shape, NaN, a patch larger than the image, or a ``predict`` that
    does not return one finite number per image.
    """
    image = checked(image, patch, stride)
    if batch_size < 1:
        raise ValueError(f"batch_size of {batch_size} images: expected 1 or more")
    work, tops, lefts = patches_that_matter(image, patch, stride)
    found = np.zeros((len(image), len(tops), len(lefts)), np.float32)
    parts = np.array_split(work, max(-(-len(work) // batch_size), 1))  # equal batches, none of them tiny
    batch = image.movedim(0, -1).contiguous().repeat(len(parts[0]) + 1, 1, 1, 1).movedim(-1, 1)  # channels last
    answers: list[np.ndarray] = []
    with full_precision():
        for part in parts:
            places = np.column_stack([part[:, 0], tops[part[:, 1]], lefts[part[:, 2]]])
            n_images = len(part) + (not answers)  # the whole image takes long alone: it comes with the first of them
            with blanked(batch[: len(part)], places, patch, fill):
                answers.append(one_each(predict(batch[:n_images]), n_images))
    found[*work.T] = answers[0][-1] - np.concatenate([answers[0][:-1], *answers[1:]])
    return found


@contextmanager
def blanked(
    batch: Float[torch.Tensor, "B C H W"], places: Int[np.ndarray, "B 3"], patch: int, fill: Fill | None = None
) -> Iterator[torch.Tensor]:
    """Fill the patch at one place (channel, top, left) of each image (B, C, H, W), and put it back afterwards."""
    channel, top, left = torch.as_tensor(places, device=batch.device).T[:, :, None, None]
    edge = torch.arange(patch, device=batch.device)
    at = torch.arange(len(batch), device=batch.device)[:, None, None], channel, top + edge[:, None], left + edge
    before = batch[at]
    batch[at] = (
        0 if fill is None else torch.stack([torch.as_tensor(fill(*place)) for place in places.tolist()]).to(batch)
    )
    yield batch
    batch[at] = before


def one_each(answer: torch.Tensor | np.ndarray, n_images: int) -> Float32[np.ndarray, " n_images"]:
    """Return what ``predict`` answered as a NumPy array (n_images,), or say how it does not fit."""
    answer = np.asarray(answer.detach().cpu() if isinstance(answer, torch.Tensor) else answer, np.float32)
    if answer.shape != (n_images,):
        raise ValueError(f"predict returned {answer.shape} for {n_images} images: expected ({n_images},)")
    if not np.isfinite(answer).all():
        raise ValueError("predict returned NaN or infinity")
    return answer


def between_centres(
    starts: Int[np.ndarray, " n_patches"], length: int, patch: int
) -> Float[np.ndarray, "length n_patches"]:
    """Return (length, n_patches) weights that interpolate linearly between the patches' centres.

    A patch's centre is pixel ``start + patch // 2``; outside the outermost centres the nearest value holds.
    """
    return np.stack([np.interp(np.arange(length), starts + patch // 2, one) for one in np.eye(len(starts))], axis=1)


def on_pixels(
    values: Float[np.ndarray, "C n_top n_left"], shape: Sequence[int], patch: int = 8, stride: int = 4
) -> Float32[np.ndarray, "C H W"]:
    """Return values of patches (C, n_top, n_left) at the patches' centres, bilinear between: (C, H, W) float32.

    ``shape`` is the image's, (..., H, W).
    """
    rows, columns = (between_centres(patch_starts(n, patch, stride), n, patch) for n in shape[-2:])
    return (rows @ values @ columns.T).astype(np.float32)


def prediction_difference(
    predict: Predict, image: Image, patch: int = 8, stride: int = 4, batch_size: int = 128, fill: Fill | None = None
) -> Float32[np.ndarray, "C H W"]:
    """Return |p(image) - p(image without a patch of one channel)| of every pixel: (C, H, W) float32.

    The absolute values of ``patch_differences``, written at the patches' centres by ``on_pixels``.
    """
    differences = patch_differences(predict, image, patch, stride, batch_size, fill)
    return on_pixels(np.abs(differences), np.shape(image), patch, stride)


def plane_vectors(model: TumourModel, planes: Image) -> Float[torch.Tensor, "P vector"]:
    """Return the feature vectors (P, 256) of a patient's scaled planes (P, C, n, n), in true float32."""
    planes = torch.as_tensor(planes, dtype=torch.float32)
    if planes.ndim != 4:
        raise ValueError(f"planes {tuple(planes.shape)}: expected (P, C, n, n)")
    with full_precision():
        return model.feature_network.vectors(planes.to(model.device))


def beside(model: TumourModel, vectors: Float[torch.Tensor, "P vector"], index: int) -> Predict:
    """Return ``predict`` for one plane: (B, C, n, n) images in its place -> (B,) probabilities of the patient.

    ``vectors`` (P, 256) are those of all planes, so that those of the others are not computed again.
    The answer carries gradients where the images do.
    """
    others = torch.cat([vectors[:index], vectors[index + 1 :]]).sum(0)

    def predict(images: Float[torch.Tensor, "B C n n"]) -> Float[torch.Tensor, " B"]:
        means = (others + model.feature_network.vectors(images.to(model.device))) / len(vectors)
        return model.predictive_network(means).softmax(1)[:, 1]

    return predict


def plane_predictor(model: TumourModel, planes: Image, index: int) -> Predict:
    """Return ``predict`` for one plane of a patient, see ``beside``.

    ``planes`` is (P, C, n, n), the patient's scaled images; ``model`` a ``networks.PatientModel``.
    """
    return beside(model, plane_vectors(model, planes), index)
