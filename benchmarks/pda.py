"""Prediction difference analysis of one patient against captum's Occlusion and against bare forward passes.

``python benchmarks/pda.py [--json PATH] [--record]``: the residual attention network of the laptop profile, untrained,
on all planes of a simulated patient of median tumour size, on one thread, as the chapters run. All times come from one
run and are compared as ratios; each is the best of a few rounds that measure everything once, so that a busy machine
slows all alike. captum gets the patient-level model in two forms: as the model is, with all planes computed for every
image, and in a kinder one, with the other planes computed once in every call.
"""

import resource
import sys
import time
from collections.abc import Callable
from functools import partial

import common  # first of all that brings torch: one thread
import numpy as np
import torch
from captum.attr import Occlusion

from beyond import contributions
from helpers.data import study, tissue
from helpers.data.regions import core_from_polygon, margin_of
from helpers.judgement import pda
from helpers.learning.fitting import resolve_device
from helpers.learning.images import Scaling
from helpers.learning.networks import PatientModel
from helpers.learning.training import untrained_model
from helpers.settings import Judgement, Settings, load_settings

Predictor = Callable[[PatientModel, torch.Tensor, int], pda.Predict]
REPEATS = 2
FORWARD_BATCHES = (16, 32, 64, 128, 256)
PERTURBATIONS = (8, 32, 64, 128)  # per call of captum


def median_patient(settings: Settings) -> np.ndarray:
    """Planes (P, 4, n, n): noise in core and margin of the patient of median tumour area among those of five planes."""
    patients = study.draw_patients(settings.study.n_patients, settings.study.cohort_seed).query("n_planes == 5")
    area = patients.width_mm * patients.height_mm
    patient = patients.loc[area.sort_values().index[len(area) // 2]]
    n, generator = settings.images.image_px, np.random.default_rng(0)
    axis_mm = (np.arange(n) + 0.5 - n / 2) * settings.images.field_of_view_mm / n
    planes = []
    for index in range(patient.n_planes):
        _, outline_mm = tissue.patient_plane(patient, index, settings.scan.depth_cm * 10)
        core = core_from_polygon(outline_mm - outline_mm.mean(0), axis_mm, axis_mm)
        region = core | margin_of(core, axis_mm, axis_mm, settings.maps.margin_mm)
        planes.append(generator.uniform(0.1, 1, (4, n, n)) * region)
    return np.stack(planes).astype(np.float32)


def whole_patient(model: PatientModel, planes: torch.Tensor, index: int) -> pda.Predict:
    """Return the patient-level model as a function of one plane: every image is a patient, all planes computed."""

    def predict(images: torch.Tensor) -> torch.Tensor:
        patients = planes.repeat(len(images), 1, 1, 1, 1)  # (B, P, 4, n, n)
        patients[:, index] = images
        vectors = model.feature_network.vectors(patients.flatten(0, 1))
        means = vectors.unflatten(0, (len(images), len(planes))).mean(1)
        return model.predictive_network(means).softmax(1)[:, 1]

    return predict


def once_per_call(model: PatientModel, planes: torch.Tensor, index: int) -> pda.Predict:
    """Return the same function made kinder to captum: the other planes computed once in every call, not per image."""
    others = torch.cat([planes[:index], planes[index + 1 :]])

    def predict(images: torch.Tensor) -> torch.Tensor:
        vectors = model.feature_network.vectors(torch.cat([others, images]))
        means = (vectors[: len(others)].sum(0) + vectors[len(others) :]) / len(planes)
        return model.predictive_network(means).softmax(1)[:, 1]

    return predict


def occlude(
    predictor: Predictor, model: PatientModel, planes: torch.Tensor, choices: Judgement, per_call: int
) -> torch.Tensor:
    """Return captum's attribution of every plane of a patient (P, C, n, n)."""
    return torch.cat([occlude_one(predictor, model, planes, at, choices, per_call) for at in range(len(planes))])


def occlude_one(
    predictor: Predictor, model: PatientModel, planes: torch.Tensor, index: int, choices: Judgement, per_call: int
) -> torch.Tensor:
    """Return captum's attribution of one plane (1, C, n, n)."""
    window, stride = ((1, edge, edge) for edge in (choices.pda_patch_px, choices.pda_stride_px))
    with pda.full_precision():
        return Occlusion(predictor(model, planes, index)).attribute(
            planes[index : index + 1], window, stride, baselines=0, perturbations_per_eval=per_call
        )


def signed_means(model: PatientModel, planes: torch.Tensor, index: int, choices: Judgement) -> np.ndarray:
    """Return our signed differences averaged over the patches on each pixel, which is what captum returns."""
    size = choices.pda_patch_px, choices.pda_stride_px
    values = pda.patch_differences(pda.plane_predictor(model, planes, index), planes[index], *size)
    starts = pda.patch_starts(planes.shape[-1], *size)
    covers = ((np.arange(planes.shape[-1])[:, None] - starts) // size[0] == 0).astype(float)  # (n, n_patches)
    return np.einsum("ht,ctl,wl->chw", covers, values, covers) / np.outer(covers.sum(1), covers.sum(1))


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return how long ``work()`` takes [s]."""
    synchronise = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    synchronise()
    start = time.perf_counter()
    work()
    synchronise()
    return time.perf_counter() - start


def peak_mb(device: torch.device) -> float:
    """Return the most memory used so far [MB]: the device's on CUDA, else the process's resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def best_forward(model: PatientModel, plane: torch.Tensor) -> float:
    """Return the time of one image in a batched forward pass [s], at the best of ``FORWARD_BATCHES``."""
    batches = [plane.repeat(size, 1, 1, 1).contiguous(memory_format=torch.channels_last) for size in FORWARD_BATCHES]
    forward = model.feature_network.vectors
    with pda.full_precision():
        return min(seconds(partial(forward, batch), model.device) / len(batch) for batch in batches)


def measure() -> dict:
    """All figures, with device and versions."""
    settings = load_settings("laptop")
    device, choices = resolve_device(settings.computing.device), settings.judgement
    size, scaling = (choices.pda_patch_px, choices.pda_stride_px), Scaling(np.zeros(4), np.ones(4))
    model = untrained_model(settings, study.MODELS["ran_core_margin"], scaling, device)
    planes = torch.from_numpy(median_patient(settings)).to(device)
    memory = {"before": peak_mb(device)}
    ours = partial(contributions.explain_patient, model, planes, *size, choices.pda_batch_size)
    ours()
    memory["ours"] = peak_mb(device)
    captum = {"whole patient": whole_patient, "others once per call": once_per_call}
    searched = {
        name: {
            per_call: seconds(
                partial(occlude_one, predictor, model, planes, len(planes) // 2, choices, per_call), device
            )
            for per_call in PERTURBATIONS
        }
        for name, predictor in captum.items()
    }
    memory["with captum"] = peak_mb(device)
    best_call = {name: min(times, key=times.get) for name, times in searched.items()}
    work = {
        name: partial(occlude, predictor, model, planes, choices, best_call[name]) for name, predictor in captum.items()
    }
    rounds = [
        {
            "ours": min(seconds(ours, device) for _ in range(3)),
            "forward": min(best_forward(model, planes[0]) for _ in range(3)),
        }
        | {name: seconds(one, device) for name, one in work.items()}
        for _ in range(REPEATS)
    ]
    best = {name: min(now[name] for now in rounds) for name in rounds[0]}
    n_matter = sum(len(pda.patches_that_matter(plane, *size)[0]) for plane in planes)
    signed, theirs = signed_means(model, planes, 0, choices), work["others once per call"]()[0].cpu().numpy()
    return common.circumstances("torch", "captum", "numpy") | {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "planes": len(planes),
        "windows": planes[:, :, 0, 0].numel() * len(pda.patch_starts(settings.images.image_px, *size)) ** 2,
        "patches_that_matter": n_matter,
        "ours_s": best["ours"],
        "captum_s": {name: best[name] for name in captum},
        "captum_central_plane_s_by_perturbations_per_eval": searched,
        "forward_ms_per_image": 1e3 * best["forward"],
        "times_faster_than_captum": {name: best[name] / best["ours"] for name in captum},
        "times_the_forward_passes_that_matter": best["ours"] / (n_matter * best["forward"]),
        "largest_difference": float(np.abs(signed).max()),
        "largest_disagreement_with_captum": float(np.abs(signed - theirs).max()),
        "peak_memory_mb": memory,
    }


def rows(found: dict) -> dict[str, str]:
    """The figures for the screen."""
    times, memory = found["times_faster_than_captum"], found["peak_memory_mb"]
    return {
        "patches that matter, of all windows": f"{found['patches_that_matter']} of {found['windows']}",
        "ours, all planes": f"{found['ours_s']:.2f} s",
        "captum, whole patient for every image": f"{times['whole patient']:.1f} times",
        "captum, other planes once per call": f"{times['others once per call']:.1f} times",
        "ours / the forward passes that matter": f"{found['times_the_forward_passes_that_matter']:.2f}",
        "largest disagreement with captum": f"{found['largest_disagreement_with_captum']:.1e}",
        "memory before, ours, with captum": " ".join(f"{memory[name]:.0f}" for name in memory) + " MB",
    }


if __name__ == "__main__":
    sys.exit(common.run("Prediction difference analysis of one patient against captum's Occlusion.", measure, rows))
