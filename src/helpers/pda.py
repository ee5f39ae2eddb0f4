"""Prediction difference analysis: how much the prediction moves when one patch of one map is blanked.

With zeros in the patch and one map at a time, as in Taleghamar et al. 2022, this is occlusion
sensitivity (Zeiler and Fergus 2014); Zintgraf et al. 2017, who named the analysis, put in samples
of what the patch might have shown instead. ``predict`` always maps images (B, C, H, W) to (B,).
"""

from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch

from helpers.images import CHANNELS


def patch_starts(length, patch, stride):
    """Return the first pixels of patches along an edge; the last patch is flush with the border.

    >>> patch_starts(10, 4, 3).tolist(), patch_starts(11, 4, 3).tolist()
    ([0, 3, 6], [0, 3, 6, 7])
    """
    starts = np.arange(0, length - patch + 1, stride)
    return starts if starts[-1] == length - patch else np.append(starts, length - patch)


@contextmanager
def full_precision():
    """Compute in true float32: without TF32, which errs by 1e-4 in a probability, and without autocast."""
    switches = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = False
        with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False), torch.no_grad():
            yield
    finally:
        for switch, allowed in zip(switches, before, strict=True):
            switch.allow_tf32 = allowed


def checked(image, patch, stride):
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


def patch_differences(predict, image, patch=8, stride=4, batch_size=128):
    """Return |p(image) - p(image with one patch of one channel at zero)|: (C, n_top, n_left) float32.

    ``image`` is (C, H, W), array or tensor, on the device that ``predict`` takes. Patches start at
    ``patch_starts``. A patch that is zero already is not computed: its difference is 0.
    Raises ``ValueError`` for another shape, NaN, a patch larger than the image, or a ``predict`` that
    does not return one finite number per image.
    """
    image = checked(image, patch, stride)
    tops, lefts = (patch_starts(length, patch, stride) for length in image.shape[1:])
    filled = torch.nn.functional.max_pool2d((image != 0).float(), patch, stride=1).cpu().numpy()
    work = np.argwhere(filled[:, tops][:, :, lefts] > 0)  # (n_work, 3): channel, row and column of the patch
    found = np.zeros((len(image), len(tops), len(lefts)), np.float32)
    with full_precision():
        whole = one_each(predict(image[None]), 1)
        for first in range(0, len(work), batch_size):
            part = work[first : first + batch_size]
            batch = image.repeat(len(part), 1, 1, 1)  # (B, C, H, W)
            for blanked, (channel, row, column) in zip(batch, part, strict=True):
                top, left = tops[row], lefts[column]
                blanked[channel, top : top + patch, left : left + patch] = 0
            found[tuple(part.T)] = np.abs(one_each(predict(batch), len(part)) - whole)
    return found


def one_each(answer, n_images):
    """Return what ``predict`` answered as a NumPy array (n_images,), or say how it does not fit."""
    answer = np.asarray(answer.cpu() if isinstance(answer, torch.Tensor) else answer, np.float32)
    if answer.shape != (n_images,):
        raise ValueError(f"predict returned {answer.shape} for {n_images} images: expected ({n_images},)")
    if not np.isfinite(answer).all():
        raise ValueError("predict returned NaN or infinity")
    return answer


def between_centres(starts, length, patch):
    """Return (length, n_patches) weights that interpolate linearly between the patches' centres.

    A patch's centre is pixel ``start + patch // 2``; outside the outermost centres the nearest value holds.
    """
    centres = starts + patch // 2
    pixels = np.arange(length)
    return np.stack([np.interp(pixels, centres, one_patch) for one_patch in np.eye(len(starts))], axis=1)


def prediction_difference(predict, image, patch=8, stride=4, batch_size=128):
    """Return the prediction difference of every pixel of every channel: (C, H, W) float32.

    The values of ``patch_differences`` stand at the patches' centres, bilinear between them.
    """
    values = patch_differences(predict, image, patch, stride, batch_size)
    rows, columns = (between_centres(patch_starts(n, patch, stride), n, patch) for n in np.shape(image)[1:])
    return np.einsum("ht,ctl,wl->chw", rows, values, columns).astype(np.float32)


def plane_predictor(model, planes, index):
    """Return ``predict`` for one plane of a patient: (B, C, n, n) images in its place -> (B,) probabilities.

    ``planes`` is (P, C, n, n), the patient's scaled images; ``model`` a ``networks.PatientModel``. The
    256-vectors of the other planes are computed once.
    """
    planes = torch.as_tensor(planes, dtype=torch.float32)
    if planes.ndim != 4:
        raise ValueError(f"planes {tuple(planes.shape)}: expected (P, C, n, n)")
    with full_precision():
        rest = torch.cat([planes[:index], planes[index + 1 :]]).to(model.device)
        others = model.vectors(rest).sum(0) if len(rest) else 0

    def predict(images):
        return model.probability_of_means((others + model.vectors(images.to(model.device))) / len(planes))

    return predict


def explain_patient(model, planes, patch=8, stride=4, batch_size=128):
    """Return the prediction differences of all planes of a patient: (P, C, n, n) float32, as ``planes``."""
    planes = torch.as_tensor(planes, dtype=torch.float32).to(model.device)
    return np.stack(
        [
            prediction_difference(plane_predictor(model, planes, index), plane, patch, stride, batch_size)
            for index, plane in enumerate(planes)
        ]
    )


def contribution(pda_map, core, region):
    """Return a frame, one row per parameter: the shares of core and margin in the sum of |differences|.

    ``pda_map`` is (4, n, n), ``core`` and ``region`` (core + margin) are (n, n) masks. ``margin_area`` is
    the margin's share of the pixels: a margin that matters as much per pixel as the core has
    ``margin == margin_area``. Shares are NaN where a parameter moves nothing.
    """
    core, margin = np.asarray(core, bool), np.asarray(region, bool) & ~np.asarray(core, bool)
    if np.shape(pda_map) != (len(CHANNELS), *core.shape) or core.shape != margin.shape:
        raise ValueError(f"pda_map {np.shape(pda_map)} and core {core.shape}: expected (4, n, n) and (n, n)")
    sums = np.array([[one[core].sum(), one[margin].sum()] for one in np.asarray(pda_map, float)])
    total = sums.sum(1, keepdims=True)
    shares = np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)
    frame = pd.DataFrame(shares, index=pd.Index(list(CHANNELS), name="parameter"), columns=["core", "margin"])
    return frame.assign(margin_area=margin.sum() / max(core.sum() + margin.sum(), 1), total=total[:, 0])
