# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Where the network looks
#
# Cover a small patch of one parametric map and see how far the predicted probability moves: done for every
# patch of every map, this gives the right half of the paper's Figure 2 {cite}`taleghamar2022`. Such maps look
# convincing. Here the patients are simulated, so we can check what they are worth.
#
# **You will learn**
#
# - how a prediction difference map is made, patch by patch;
# - why it is occlusion sensitivity, and what a patch of zeros means to a network;
# - how to ask whether core or margin moves the prediction more, over all test patients and with intervals;
# - how to test such a map: against other methods, against random weights, and against the known truth.
#
# **You need** the chapters on images, networks and Table 2.
# **Time** 30 minutes to read; the chapter runs for about a minute once the models are trained.

# %% tags=["parameters"]
profile: str = "laptop"  # profile of the study: a name in notebooks/profiles, or the path of a .yml file
artifacts: str = "artifacts"  # folder of computed cohorts, maps, images and models
pda_patch_px: int = 8  # edge of the occluding patch, pixels
pda_stride_px: int = 4  # step between patches, pixels
pda_batch_size: int = 128  # images per forward pass
pda_draws: int = 10  # samples put into a patch in place of zeros
pda_checked: int = 12  # test patients whose maps are compared between networks
level: float = 0.95  # confidence level of all intervals

# %%

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from captum.attr import (
    IntegratedGradients,
    LayerAttribution,
    LayerGradCam,
    Occlusion,
)
from helpers import figures, stages
from helpers.data import study, tissue
from helpers.data.study import MODELS
from helpers.judgement import attribution, pda
from helpers.judgement.evaluation import auc_interval
from helpers.learning.fitting import resolve_device
from helpers.learning.images import CHANNELS, scale
from helpers.learning.networks import PatientModel
from helpers.learning.training import untrained_model
from helpers.maps import parametric
from helpers.maps.planes import map_plane
from helpers.settings import load_settings
from IPython.display import Markdown
from scipy.ndimage import uniform_filter
from scipy.stats import spearmanr
from tqdm import tqdm

figures.use_book_style()

# %%
settings = load_settings(
    profile, pda_patch_px=pda_patch_px, pda_stride_px=pda_stride_px, pda_batch_size=pda_batch_size, level=level
)
results, images = stages.models(settings, artifacts), stages.images(settings, artifacts)
patients = stages.cohort(settings, artifacts)
device = resolve_device(settings.computing.device)
slug = "ran_core_margin"  # model 4, as in the paper's figure
model = results.load(slug, device)
whose = settings.study.whose

# %% [markdown]
# ## What is computed
#
# Let $x$ be the images of a tumour, $p(x)$ the probability of non-response, and $x_{\setminus k, c}$ the same
# images with the pixels of patch $k$ of map $c$ set to zero. The prediction difference is
#
# $$ \mathrm{PD}_{k,c} = \left| p(x) - p(x_{\setminus k, c}) \right| . $$
#
# The paper calls this a *modified* prediction difference analysis (PDA). The original one {cite}`zintgraf2017`
# does not put in zeros: it draws what the patch could have shown, given its surroundings, and averages the
# prediction over the draws. With zeros the method is called **occlusion sensitivity** (Zeiler and Fergus 2014).
# We keep the paper's letters and say what they stand for. The difference matters below.
#
# ## Two patients
#
# The paper shows "representative" patients. We choose by rule: of the test patients of each class the one
# whose probability is nearest to the truth, so the network has something to explain.

# %%
rows = results.predictions.query("model == @slug and split == 'test'").set_index("patient")
rows["error"] = (rows.probability - ~rows.responder.astype(bool)).abs()
chosen = {
    "responder": rows[rows.responder.astype(bool)].error.idxmin(),
    "non-responder": rows[~rows.responder.astype(bool)].error.idxmin(),
}
Markdown("\n".join(
    f"- {name}: {patient}, probability of non-response {rows.probability[patient]:.2f}, called "
    f"{'non-responder' if rows.probability[patient] >= 0.5 else 'responder'}"
    for name, patient in chosen.items()
))  # fmt: skip


# %%
def planes_of(patient):
    """Return the scaled planes (P, 4, n, n) of a patient and the index of the central one among all images."""
    own = np.flatnonzero(images.patient == patient)
    return scale(images.select(own), model.scaling, model.region), own[len(own) // 2]


def central_predictor(patient, network=model):
    """Return predict for the central plane of a patient, and that plane (4, n, n)."""
    planes, _ = planes_of(patient)
    central = torch.from_numpy(planes[len(planes) // 2]).to(device)
    return pda.plane_predictor(network, planes, len(planes) // 2), central


# %% [markdown]
# ## One patch, by hand
#
# A tumour has several planes, and the prediction rests on the mean of their feature vectors. Only the central
# plane is changed, so the vectors of the others are computed once and kept. First the check that this
# shortcut predicts what the table of predictions says, then one patch over the middle of the image:

# %%
patient = chosen["non-responder"]
predict, plane = central_predictor(patient)
centre, half = plane.shape[-1] // 2, pda_patch_px // 2
covered = plane.clone()
covered[0, centre - half : centre + half, centre - half : centre + half] = 0
whole, without = predict(torch.stack([plane, covered])).tolist()
Markdown(
    f"{patient}: probability {whole:.6f} (table: {rows.probability[patient]:.6f}). With {pda_patch_px} x "
    f"{pda_patch_px} pixels of {list(CHANNELS)[0]} at zero: {without:.6f}, a difference of {abs(whole - without):.6f}."
)

# %% [markdown]
# ## All patches
#
# `pda.prediction_difference` writes each difference at the centre of its patch and interpolates between the
# centres. A patch that holds only zeros already cannot change anything and is skipped: outside the tumour all
# maps are zero. The forward passes run in true float32, because the differences can be smaller than the error
# of faster number formats.

# %%
differences = {}
for name, patient in chosen.items():
    predict, plane = central_predictor(patient)
    differences[name] = pda.prediction_difference(predict, plane, pda_patch_px, pda_stride_px, pda_batch_size)
Markdown("\n".join(
    f"- {name}: largest difference {value.max():.4f} in {list(CHANNELS)[value.max((1, 2)).argmax()]}"
    for name, value in differences.items()
))  # fmt: skip


# %%
def draw(name):
    """Draw a patient's central plane: B-mode, then each parametric overlay beside its prediction differences."""
    patient, difference = chosen[name], differences[name]
    _, index = planes_of(patient)
    mapped = map_plane(stages.acquire(settings, artifacts, patient, int(images.plane[index])), settings.maps, with_b_mode=True)
    inside, region = mapped.core | mapped.margin, images.mask(model.region)[index]
    figure, axes = plt.subplots(5, 2, figsize=(10, 17))
    for ax in axes[0]:
        figures.show_b_mode(ax, mapped.b_mode_db, mapped.b_mode_extent_mm)
        figures.show_outline(ax, mapped.core, mapped.maps.extent_mm)
    for channel, (field, parameter) in enumerate(zip(parametric.FOUR, CHANNELS, strict=True)):
        values = np.where(inside, getattr(mapped.maps, field), np.nan)
        figures.show_overlay(axes[channel + 1, 0], mapped, values, parametric.LABELS[field])
        values = np.where(region, difference[channel], np.nan)
        figures.show_overlay(axes[channel + 1, 1], mapped, 100 * values, f"|Δp|, {parameter} / %",
                             tuple(images.extent_mm[index]), "magma", (0, 100 * difference.max() + 1e-9))  # fmt: skip
    across, down = mapped.maps.lateral_mm[inside.any(0)], mapped.maps.depth_mm[inside.any(1)]
    for ax in axes.flat[1:]:
        ax.set(xlim=(across[0] - 3, across[-1] + 3), ylim=(down[-1] + 3, down[0] - 3))
    figure.suptitle(f"{name} {patient}: probability of non-response {rows.probability[patient]:.2f}")


# %% mystnb={"figure": {"name": "fig-pda-responder", "caption": "Simulated test patient, responder. Top: B-mode of the central plane, whole and closer. Below, left: the parametric overlays; right: prediction differences of model 4 in percentage points, one colour scale for all four maps. Dashed: core. After Figure 2 of the paper."}, "image": {"alt": "Two grey B-mode images above four rows, each with a coloured parametric map over the B-mode beside its map of prediction differences; the core is outlined with a dashed line."}}
draw("responder")
plt.show()

# %% mystnb={"figure": {"name": "fig-pda-nonresponder", "caption": "Simulated test patient, non-responder. Top: B-mode of the central plane, whole and closer. Below, left: the parametric overlays; right: prediction differences of model 4 in percentage points, one colour scale for all four maps. Dashed: core. After Figure 2 of the paper."}, "image": {"alt": "Two grey B-mode images above four rows, each with a coloured parametric map over the B-mode beside its map of prediction differences; the core is outlined with a dashed line."}}
draw("non-responder")
plt.show()

# %% [markdown]
# ## Core or margin?
#
# The paper finds the impact of the margin "highlighted particularly in the MBF and EAC parametric images". To
# ask the same of our maps, add up the differences over core and margin. The margin may be the larger region,
# so its share has to be compared with the **even share**, that of a network to which every pixel of tissue matters
# equally. This is not its share of the area: a patch in the thin margin reaches beyond the tumour, and blanks less
# tissue than one in the core. `pda.even_map` makes the map of such a network.
#
# Two patients are two anecdotes, so we take all test patients. Patches keep their size; in larger images they
# stand further apart, about 16 along each edge, which samples the same map in a time that can be waited for.

# %%
survey_stride = max(pda_stride_px, settings.images.image_px // 16)


def survey_map(patient, network=model):
    """Return the prediction differences (4, n, n) of a patient's central plane."""
    predict, plane = central_predictor(patient, network)
    return pda.prediction_difference(predict, plane, pda_patch_px, survey_stride, pda_batch_size)


def core_and_margin(patient):
    """Return the masks of core and margin (2, n, n) in a patient's central plane."""
    _, index = planes_of(patient)
    return np.stack([images.core[index], images.region[index] & ~images.core[index]])


maps = {patient: survey_map(patient) for patient in tqdm(rows.index, desc="patients")}
even = {patient: pda.even_map(core_and_margin(patient).any(0), pda_patch_px, survey_stride) for patient in maps}
survey = pd.concat(
    {patient: pda.contribution(values, *core_and_margin(patient), even[patient]) for patient, values in maps.items()},
    names=["patient"],
)  # fmt: skip
survey["excess"] = survey.margin - survey.margin_even


# %%
def with_interval(values, digits=2):
    """Return the mean of one value per patient with its interval as text."""
    mean, low, high = pda.mean_interval(values, level)
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


excess = {name: pda.mean_interval(survey.excess.xs(name, level="parameter"), level) for name in CHANNELS}
above = [name for name, (_, low, _) in excess.items() if low > 0]
below = [name for name, (_, _, high) in excess.items() if high < 0]
open_ = [name for name in CHANNELS if name not in above + below]
named = {"core": "core's share", "margin": "margin's share", "excess": "margin's share less the even one",
         "of_all": "parameter's share of all four"}  # fmt: skip
Markdown(
    f"{whose} test patients, all {len(rows)}: means with {100 * level:.0f} % intervals, patients drawn anew. The margin's "
    f"even share is {with_interval(survey.margin_even.groupby('patient').first())}.\n\n"
    + survey.groupby("parameter", sort=False)[list(named)].agg(with_interval).rename(columns=named).to_markdown()
    + f"\n\nA pixel of the margin moves the prediction more than one of the core in {', '.join(above) or 'no map'}, less in "
    f"{', '.join(below) or 'no map'}; the interval holds zero in {', '.join(open_) or 'no map'}. The paper names MBF and "
    "EAC for more."
)

# %% mystnb={"figure": {"name": "fig-margin-share", "caption": "Simulated test patients. The margin's share of the summed prediction differences less the even share, central plane, one dot per patient; black: mean and 95 % interval of the mean. Above zero, a pixel of the margin moves the prediction more than one of the core."}, "image": {"alt": "Four columns of dots, one per parametric map, around or below a horizontal line at zero, each with its mean and a short interval in black."}}
figure, ax = plt.subplots(figsize=(6.5, 3.6))
jitter = np.random.default_rng(0).uniform(-0.15, 0.15, len(rows))
for column, parameter in enumerate(CHANNELS):
    mean, low, high = excess[parameter]
    ax.plot(column + jitter, survey.excess.xs(parameter, level="parameter"), "o", color=f"C{column}", alpha=0.5, ms=4)
    ax.errorbar(column + 0.3, mean, [[mean - low], [high - mean]], fmt="_", color="k", ms=10, capsize=3)
ax.axhline(0, color="0.5", ls=":")
_ = ax.set(xticks=range(4), xticklabels=CHANNELS, ylabel="margin's share less even")

# %% [markdown]
# One warning before any of this is believed. A difference stands at the centre of its patch, but comes from all
# of it:

# %%
pixel_mm = settings.images.field_of_view_mm / settings.images.image_px
paper_mm = 8 * settings.images.field_of_view_mm / 512
Markdown(
    f"Here a patch of {pda_patch_px} pixels is {pda_patch_px * pixel_mm:.1f} mm wide, the margin {settings.maps.margin_mm:g} mm "
    f"and a window of the maps {settings.maps.window_mm:g} mm. With the paper's 512 pixels over the same field of view its "
    f"patch of 8 would be {paper_mm:.2f} mm wide."
)

# %% [markdown]
# A patch as wide as the margin mixes core and margin, and one smaller than a window removes less than the
# window had spread. Further down we blank whole regions instead, which mixes nothing.
#
# ## What does zero mean?
#
# In our scaling zero is no tissue value: tissue starts at 0.1, and zero says "outside the tumour". A patch of
# zeros inside the core is a hole such as no training image had, so the difference mixes *what was there* with
# *how odd a hole is*. Zintgraf's answer is to put in what might have been there. Squares of tissue from the
# training patients, a patch with a ring of two pixels around it, give a normal distribution; the ring that is
# really there then tells how the patch is likely to look, and `attribution.conditional_fill` draws it.

# %%
train = images.select(np.isin(images.patient, patients.index[patients.split == "train"]))
train_planes = scale(train, model.scaling, model.region)
squares = attribution.fit_squares(train_planes, train.region, edge=pda_patch_px + 4)
patient = chosen["non-responder"]
predict, plane = central_predictor(patient)
inside = images.mask(model.region)[planes_of(patient)[1]]
fill = attribution.conditional_fill(squares, plane.cpu().numpy(), inside, pda_patch_px)
zeros = pda.patch_differences(predict, plane, pda_patch_px, pda_stride_px, pda_batch_size)
draws = attribution.sampled_differences(predict, plane, fill, pda_draws, pda_patch_px, pda_stride_px, pda_batch_size)
Markdown(
    f"{patient}: the largest difference is {100 * np.abs(zeros).max():.2f} percentage points with zeros and "
    f"{100 * np.abs(draws).max():.2f} with {pda_draws} draws; the mean over the patches that matter is "
    f"{100 * np.abs(zeros)[zeros != 0].mean():.2f} and {100 * np.abs(draws)[zeros != 0].mean():.2f}."
)  # fmt: skip

# %% [markdown]
# ## The same question to other methods
#
# The library captum has the usual attributions ready made; `predict` is all they need.
#
# - **Occlusion** is the same zeros, but keeps the sign and gives a pixel the mean over the patches that cover
#   it, instead of writing at the centre. It is also what our function is tested against.
# - **Integrated gradients** (Sundararajan et al. 2017) adds up the gradient on the way from an empty image to
#   this one. The pixels' values sum to $p(x) - p(0)$, so nothing is left out. We show the mean over a patch.
# - **Grad-CAM** (Selvaraju et al. 2017) weighs the maps of a late layer by their gradients. It has one coarse map
#   for all four parameters and cannot tell them apart.

# %%
image = plane[None].requires_grad_()
n, around = plane.shape[-1], (0, pda_patch_px, pda_patch_px)
gradients, error = IntegratedGradients(predict).attribute(
    image, n_steps=100, internal_batch_size=16, method="riemann_trapezoid", return_convergence_delta=True
)
occlusion = Occlusion(predict).attribute(
    image, (1, pda_patch_px, pda_patch_px), (1, pda_stride_px, pda_stride_px), perturbations_per_eval=pda_batch_size
)
late = model.feature_network.backbone.attention_modules()[-1]
cam = LayerAttribution.interpolate(LayerGradCam(predict, late).attribute(image), (n, n), "bilinear")
methods = {
    "zeros": pda.on_pixels(np.abs(zeros), plane.shape, pda_patch_px, pda_stride_px),
    "draws": pda.on_pixels(np.abs(draws), plane.shape, pda_patch_px, pda_stride_px),
    "captum occlusion": occlusion[0].abs().detach().cpu().numpy(),
    "integrated gradients": np.abs(uniform_filter(gradients[0].detach().cpu().numpy(), around)),
    "Grad-CAM": np.repeat(cam[0].abs().detach().cpu().numpy(), 4, axis=0),
}
Markdown(
    f"Check: integrated gradients sum to {gradients.sum():.4f}, p(x) - p(0) is "
    f"{(predict(image) - predict(0 * image)).item():.4f}; captum's own estimate of its error is {error.item():.4f}."
)

# %% mystnb={"figure": {"name": "fig-attributions", "caption": "Simulated test patient, non-responder, central plane: magnitude of five attributions of the same prediction, core and margin only. Rows: parametric maps. Each column has its own colour scale, from zero to its largest value; Grad-CAM has one map for all four parameters. Dashed: core."}, "image": {"alt": "A grid of four rows and five columns of small coloured maps of one tumour; the columns show different patterns, and the last has a single map."}}
figure, axes = plt.subplots(4, 5, figsize=(11, 7.5), sharex=True, sharey=True)
index = planes_of(patient)[1]
for column, (name, values) in enumerate(methods.items()):
    for row, parameter in enumerate(CHANNELS):
        ax, shown = axes[row, column], np.where(inside, values[row], np.nan)
        if row and name == "Grad-CAM":
            ax.axis("off")
            continue
        ax.imshow(shown, extent=images.extent_mm[index], cmap="magma", vmin=0, vmax=values[:, inside].max() + 1e-12)
        figures.show_outline(ax, images.core[index], images.extent_mm[index], colour="tab:cyan")
        _ = ax.set(
            title="" if row else f"{name}, one for all" if name == "Grad-CAM" else name,
            ylabel="" if column else f"{parameter}\ndepth / mm",
        )
left, _, _, top = images.extent_mm[index]
across, down = (np.flatnonzero(inside.any(axis))[[0, -1]] * pixel_mm for axis in (0, 1))
_ = axes[0, 0].set(xlim=left + across + (-2, 2 + pixel_mm), ylim=(top + down + (-2, 2 + pixel_mm))[::-1])
figure.supxlabel("lateral / mm")
plt.show()

# %%
names = list(methods)
agree = pd.DataFrame(
    [[attribution.agreement(methods[a], methods[b], inside) for b in names] for a in names], names, names
)
share = pd.DataFrame({name: values[:, inside].sum(1) / values[:, inside].sum() for name, values in methods.items()},
                     index=list(CHANNELS)).drop(columns="Grad-CAM")  # fmt: skip
Markdown(
    f"Rank correlation over the pixels of core and margin, all four maps together, {whose.lower()} patient {patient}:\n\n"
    + agree.to_markdown(floatfmt=".2f")
    + "\n\nShare of each parameter:\n\n"
    + share.to_markdown(floatfmt=".2f")
)

# %% [markdown]
# Zeros and captum's occlusion are one method drawn in two ways: their correlation is the yardstick for the others.
# Where zeros and draws disagree, the map with zeros tells about the hole and not about the tissue. No column is
# *right*: each answers another question about the same network.
#
# ## Does the map depend on what was learned?
#
# Adebayo et al. (2018) propose a test that every explanation should pass: give the network random weights. If the
# map stays the same, it did not show what was learned. We compare with fresh weights everywhere, with fresh weights in
# the predictive network alone, and, the other way round, with model 2, which has learned the same task from the same
# patients with another architecture.

# %%
fresh = untrained_model(settings.replace(seed=settings.training.seed + 1), MODELS[slug], model.scaling, device)
head = PatientModel(model.feature_network, fresh.predictive_network, model.scaling, model.region)
others = {"random weights": fresh, "random head": head, "trained, model 2": results.load("resnet_core_margin", device)}
checked = rows.index[:pda_checked]
correlations = []
for patient in tqdm(checked, desc="patients"):
    region, everywhere = core_and_margin(patient).any(0), np.ones_like(inside)
    for name, network in others.items():
        other = survey_map(patient, network)
        pixels = {"core and margin": region, "whole image": everywhere}
        correlations += [
            (name, where, attribution.agreement(maps[patient], other, mask)) for where, mask in pixels.items()
        ]
correlations = pd.DataFrame(correlations, columns=["compared with", "pixels", "correlation"])
table = correlations.groupby(["compared with", "pixels"], sort=False).correlation.agg(with_interval).unstack()
Markdown(
    f"Rank correlation of model 4's maps with those of another network, mean over {len(checked)} "
    f"{whose.lower()} test patients ({100 * level:.0f} % interval):\n\n" + table.to_markdown()
)

# %% mystnb={"figure": {"name": "fig-random-weights", "caption": "Simulated test patients. Rank correlation of the prediction differences of model 4 with those of a network with random weights, of its own feature network under a random head, and of trained model 2; one dot per patient. Left: over the pixels of core and margin. Right: over the whole image, where the zeros outside the tumour agree by themselves."}, "image": {"alt": "Two panels with three columns of dots each, one column per comparison; the dots on the right lie far above those on the left."}}
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
for ax, (where, part) in zip(axes, correlations.groupby("pixels", sort=False), strict=True):
    for column, name in enumerate(others):
        values = part[part["compared with"] == name].correlation
        ax.plot(column + np.linspace(-0.15, 0.15, len(values)), values, "o", color=f"C{column}", alpha=0.7, ms=5)
    ax.axhline(0, color="0.5", ls=":")
    _ = ax.set(
        xticks=range(3), xticklabels=[name.replace(", ", ",\n") for name in others], xlim=(-0.5, 2.5), title=where
    )
_ = axes[0].set(ylabel="rank correlation")

# %% [markdown]
# Two lessons. First, over the whole image *any* two maps agree, because the outline is in all of them: an eye that
# compares pictures sees the tumour, not the network. Second, a map that differs from that of random weights has passed
# the test, which is necessary and no more. If two trained networks disagree as much with each other as with chance,
# a map tells about one network's arithmetic and not about the tumour.
#
# ## Does it point to where the signal is?
#
# On real patients nobody can answer this. Here we know what response was given to the tissue:

# %%
strength = study.EFFECTS[settings.study.effect]
traits = ", ".join(
    f"{tissue.SOURCES[name][0].split(' /')[0]} {strength * trait.loading:+.2f}" for name, trait in study.TRAITS.items()
)
Markdown(f"Correlation of the simulated traits with resistance to chemotherapy: {traits}.")

# %% [markdown]
# The network does not see traits but four maps, which all follow from ESD and EAC, more or less noisily. So we ask
# which map, in which region, separates the *training* patients best, by its mean or by its spread (which shows
# heterogeneity). On the other side stands what moves the network, in two ways: the prediction differences per
# pixel, as above; and the change when one whole region of one map is set to the training patients' median, which
# leaves no hole and mixes no regions.


# %%
def separation(mask, statistic):
    """Return how well a statistic of each map separates the training patients: AUC, 0.5 or more, (4,)."""
    values = statistic(np.where(mask[:, None], train_planes, np.nan), axis=(2, 3))
    mean = pd.DataFrame(values, columns=list(CHANNELS)).groupby(train.patient).mean()
    positive = ~patients.responder[mean.index].astype(bool)
    return [max(auc, 1 - auc) for auc, _, _ in (auc_interval(positive, mean[name]) for name in CHANNELS)]


masks = {"core": train.core, "margin": train.region & ~train.core}
medians = np.array([[np.median(train_planes[:, c][mask]) for mask in masks.values()] for c in range(4)])
moved = np.array([
    np.abs(pda.region_differences(*central_predictor(patient), core_and_margin(patient), medians)) for patient in rows.index
])  # (patients, 4, 2)  # fmt: skip
equal = {"core": 1 - survey.margin_even, "margin": survey.margin_even}
weights = {region: (survey.of_all * survey[region] / (equal[region] / 4)).unstack()[list(CHANNELS)] for region in masks}
truth = pd.concat({
    region: pd.DataFrame({
        "AUC of mean": separation(mask, np.nanmean), "AUC of SD": separation(mask, np.nanstd),
        "weight": weights[region].mean().to_numpy(), "moved": 100 * moved[:, :, column].mean(0),
    }, index=list(CHANNELS)) for column, (region, mask) in enumerate(masks.items())
})  # fmt: skip

# %%
readable = truth.rename_axis(["region", "parameter"]).reset_index().assign(
    weight=[with_interval(weights[region][name]) for region, name in truth.index],
    moved=[with_interval(100 * moved[:, list(CHANNELS).index(name), list(masks).index(region)]) for region, name in truth.index],
).rename(columns={"weight": "differences per pixel, 1 = even", "moved": "region at median: mean change / points"})  # fmt: skip
best = truth[["AUC of mean", "AUC of SD"]].max(axis=1)
Markdown(
    f"{whose} patients: AUC on {len(np.unique(train.patient))} training patients, network on {len(rows)} test patients "
    f"({100 * level:.0f} % intervals):\n\n" + readable.to_markdown(index=False, floatfmt=".2f")
    + "\n\nRank correlation of the better AUC over these eight rows with "
    + " and with ".join(f"the {what} {r.statistic:.2f} (p = {r.pvalue:.2f})" for what, r in (
        ("differences per pixel", spearmanr(best, truth.weight)),
        ("change with the region at its median", spearmanr(best, truth.moved)),
    )) + "."
)  # fmt: skip

# %% [markdown]
# Eight rows are few, and the maps are not independent of each other: what MBF says, EAC says in other units. So a
# low correlation does not prove the network wrong: it may read the same news from another map. A high one would not
# prove the single patient's map right.
#
# ## What a reader may conclude, and what not
#
# - **May**: covering this patch of this map changes this network's answer for this patient by so much; averaged over
#   many patients, the network leans on one map or region more than on another, as far as the interval says.
# - **May not**: that the tissue under a bright patch resists chemotherapy. The map shows the network, not biology. A
#   network that guesses has a map, too, and so has one with random weights.
# - The sign is lost in $|\Delta p|$: a patch may speak for or against response.
# - Patches are changed one at a time. If two regions, or two maps, carry the same news, covering one changes little,
#   and both look unimportant.
# - Only one plane of several is changed, so every difference is diluted by the planes that stay.
# - The representative patient of a figure is chosen by somebody. The table over all patients is not.
#
# %% [markdown]
# ## Decisions taken here
#
# | where the paper is silent | what we do |
# |---|---|
# | which patients | the test patient of each class predicted nearest to the truth |
# | which plane, and what of the other planes | the central plane; the others stay as they are |
# | value between patch centres, and at the border | bilinear; nearest outside the outermost centres |
# | patches at the border when the step does not fit | one more patch, flush with the border |
# | colour scale | one for the four maps of a patient, from zero |
# | core or margin | shares of the summed differences against even shares, all test patients |
#
# ## Exercises
#
# ````{exercise} Core only
# :label: ex-pda-core
#
# Repeat the analysis for model 3, which sees only the core. What must the map show in the margin, and why is
# it not exactly zero there?
# ````
#
# ````{solution} ex-pda-core
# :class: dropdown
#
# Set `slug = "ran_core"` and run the chapter again. Outside the core all pixels are zero, so patches that lie
# wholly in the margin are skipped and have a difference of 0. Patches that straddle the border hold some
# core, and their difference stands at their centre, which may lie in the margin.
# ````
#
# ````{exercise} Larger patches
# :label: ex-pda-patch
#
# Double `pda_patch_px` and `pda_stride_px`. How does the largest difference change? What would a patch of the
# whole image show?
# ````
#
# ````{solution} ex-pda-patch
# :class: dropdown
#
# ```python
# predict, plane = central_predictor(chosen["non-responder"])
# for patch in (4, 8, 16, plane.shape[-1]):
#     values = pda.patch_differences(predict, plane, patch, max(patch // 2, 1), pda_batch_size)
#     print(patch, np.abs(values).max((1, 2)))
# ```
#
# A larger patch removes more and usually moves the prediction more, with less detail. A patch of the whole
# image blanks one map: one number per map, the importance of the parameter in this plane.
# ````
#
# ````{exercise} A kinder patch
# :label: ex-pda-median
#
# Put the plane's own median into the patch in place of zeros. Is its map nearer to that of the zeros or to that of
# the draws?
# ````
#
# ````{solution} ex-pda-median
# :class: dropdown
#
# ```python
# patient = chosen["non-responder"]
# predict, plane = central_predictor(patient)
# inside = core_and_margin(patient).any(0)
# medians_here = [channel[inside].median() for channel in plane.cpu()]
# def fill(channel, top, left):
#     tissue = inside[top : top + pda_patch_px, left : left + pda_patch_px]
#     return torch.from_numpy(tissue) * medians_here[channel]
# kind = pda.prediction_difference(predict, plane, pda_patch_px, pda_stride_px, pda_batch_size, fill)
# print([attribution.agreement(kind, methods[name], inside) for name in ("zeros", "draws")])
# ```
#
# As a rule nearer to the draws: both leave no hole. The median still is one value for the whole patch, flat as no tissue is;
# a draw keeps the texture.
# ````
#
# ````{exercise} The sign
# :label: ex-pda-sign
#
# `pda.patch_differences` keeps the sign. Where do patches speak for non-response in the non-responder?
# ````
#
# ````{solution} ex-pda-sign
# :class: dropdown
#
# ```python
# signed = pda.on_pixels(zeros, plane.shape, pda_patch_px, pda_stride_px)
# figure, ax = plt.subplots()
# figures.show_map(ax, 100 * signed[0], images.extent_mm[index], "p - p(without) / points", "RdBu_r", (-1, 1))
# ```
#
# Positive values: without the patch non-response is less likely, so the patch speaks for it.
# ````
#
# ## Take-aways
#
# - The method is occlusion sensitivity with zeros; a zero is a message of its own to the network.
# - Compare shares of importance with what a network would have to which all pixels are equal, over all patients and
#   with intervals.
# - Compare maps inside the tumour only: its outline agrees with itself.
# - Before believing a map, look at that of random weights and at that of another trained network.
#
# **References** {cite}`taleghamar2022,zintgraf2017`; occluding patches goes back to Zeiler and Fergus (2014), the test
# with random weights to Adebayo et al. (2018), integrated gradients to Sundararajan et al. (2017), Grad-CAM to
# Selvaraju et al. (2017), captum to Kokhlikyan et al. (2020); the passes can be sped up {cite}`nakandala2019`.
