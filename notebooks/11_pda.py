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
# patch of every map, this gives the right half of the paper's Figure 2 {cite}`taleghamar2022`.
#
# **You will learn**
#
# - how a prediction difference map is made, patch by patch;
# - why it is occlusion sensitivity, and what a patch of zeros means to a network;
# - how to ask whether core or margin moves the prediction more, without being fooled by their areas.
#
# **You need** the chapters on images, networks and Table 2.
# **Time** 20 minutes to read; the chapter runs for about a minute once the models are trained.

# %% tags=["parameters"]
profile: str = "laptop"  # profile of the study: a name in notebooks/profiles, or the path of a .yml file
artifacts: str = "artifacts"  # folder of computed cohorts, maps, images and models
pda_patch_px: int = 8  # edge of the occluding patch, pixels
pda_stride_px: int = 4  # step between patches, pixels
pda_batch_size: int = 128  # images per forward pass

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from tqdm import tqdm

from helpers import figures, pda, stages
from helpers.fitting import resolve_device
from helpers.images import CHANNELS, scale
from helpers.settings import load_settings

figures.use_book_style()
settings = load_settings(profile, pda_patch_px=pda_patch_px, pda_stride_px=pda_stride_px, pda_batch_size=pda_batch_size)
results, images = stages.models(settings, artifacts), stages.images(settings, artifacts)
slug = "ran_core_margin"  # model 4, as in the paper's figure
model = results.load(slug, resolve_device(settings.device))

# %% [markdown]
# ## What is computed
#
# Let $x$ be the images of a tumour, $p(x)$ the probability of non-response, and $x_{\setminus k, c}$ the same
# images with the pixels of patch $k$ of map $c$ set to zero. The prediction difference is
#
# $$ \mathrm{PD}_{k,c} = \left| p(x) - p(x_{\setminus k, c}) \right| . $$
#
# The paper calls this a *modified* prediction difference analysis. The original one {cite}`zintgraf2017` does
# not put in zeros: it draws what the patch could have shown, given its surroundings, and averages the
# prediction over the draws. With zeros the method is usually called **occlusion sensitivity**. The difference
# matters below.
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
    scaled = scale(images.select(own), model.scaling, model.region)
    return torch.from_numpy(scaled).to(model.device), own[len(own) // 2]


def central_predictor(patient):
    """Return predict for the central plane of a patient, and that plane (4, n, n)."""
    planes, _ = planes_of(patient)
    return pda.plane_predictor(model, planes, len(planes) // 2), planes[len(planes) // 2]


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
    mapped = stages.plane(settings, artifacts, patient, int(images.plane[index]))
    inside, region = mapped.core | mapped.margin, images.mask(model.region)[index]
    figure, axes = plt.subplots(5, 2, figsize=(10, 17))
    for ax in axes[0]:
        figures.show_b_mode(ax, mapped.b_mode_db, mapped.b_mode_extent_mm)
        figures.show_outline(ax, mapped.core, mapped.maps.extent_mm)
    for channel, (field, parameter) in enumerate(zip(figures.FOUR, CHANNELS, strict=True)):
        values = np.where(inside, getattr(mapped.maps, field), np.nan)
        figures.show_overlay(axes[channel + 1, 0], mapped, values, figures.LABELS[field])
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
# so its share has to be compared with its share of the *area*: equal shares mean equal weight per pixel.

# %%
tables = {}
for name, patient in chosen.items():
    _, index = planes_of(patient)
    tables[name] = pda.contribution(differences[name], images.core[index], images.region[index])
Markdown("Simulated patients; shares of the summed differences:\n\n" + pd.concat(tables, names=["patient"])
         .drop(columns="total").rename(columns={"margin_area": "margin's share of the area"})
         .reset_index().to_markdown(index=False, floatfmt=".2f", missingval="-"))  # fmt: skip

# %% [markdown]
# Two patients are two anecdotes. For all test patients a coarser grid will do: patches of an eighth of the
# image, side by side.


# %%
def coarse_contribution(patient):
    """Return core and margin shares of a patient's central plane from coarse patches."""
    predict, plane = central_predictor(patient)
    _, index = planes_of(patient)
    patch = max(plane.shape[-1] // 8, 1)
    values = pda.prediction_difference(predict, plane, patch, patch, pda_batch_size)
    return pda.contribution(values, images.core[index], images.region[index])


survey = pd.concat({patient: coarse_contribution(patient) for patient in tqdm(rows.index)}, names=["patient"])

# %%
survey["excess"] = survey.margin - survey.margin_area
by_parameter = survey.groupby("parameter", sort=False).agg(
    margin=("margin", "median"), area=("margin_area", "median"), total=("total", "median"),
    above=("excess", lambda excess: (excess > 0).mean()),
)  # fmt: skip
by_parameter["share of all differences"] = by_parameter.total / by_parameter.total.sum()
Markdown(
    f"Medians over {len(rows)} simulated test patients:\n\n"
    + by_parameter.drop(columns="total").rename(columns={
        "margin": "margin's share of the differences", "area": "margin's share of the area",
        "above": "patients with more than the area's share",
    }).to_markdown(floatfmt=".2f")
)  # fmt: skip

# %% mystnb={"figure": {"name": "fig-margin-share", "caption": "Simulated test patients. The margin's share of the summed prediction differences minus its share of the area, central plane, one dot per patient. Above zero, a pixel of the margin moves the prediction more than a pixel of the core."}, "image": {"alt": "Four columns of dots, one per parametric map, scattered around a horizontal line at zero, with the median marked."}}
figure, ax = plt.subplots(figsize=(6.5, 3.6))
jitter = np.random.default_rng(0).uniform(-0.15, 0.15, len(rows))
for column, parameter in enumerate(CHANNELS):
    excess = survey.excess.xs(parameter, level="parameter")
    ax.plot(column + jitter, excess, "o", color=f"C{column}", alpha=0.5, ms=4)
    ax.hlines(excess.median(), column - 0.3, column + 0.3, color="k")
ax.axhline(0, color="0.5", ls=":")
ax.set(xticks=range(4), xticklabels=CHANNELS, ylabel="margin's share minus area")
plt.show()

# %% [markdown]
# ## What does zero mean?
#
# In our scaling zero is no tissue value: tissue starts at 0.1, and zero says "outside the tumour". A patch of
# zeros inside the core is a hole such as no training image had, so the difference mixes *what was there* with
# *how odd a hole is*. A kinder patch puts in the plane's own median. With the median image subtracted
# beforehand and added again inside `predict`, the same function does it.

# %%
predict, plane = central_predictor(chosen["non-responder"])
inside = (plane != 0).any(0)
median = plane[:, inside].median(1).values[:, None, None] * inside
with_median = pda.prediction_difference(
    lambda batch: predict(batch + median), plane - median, pda_patch_px, pda_stride_px, pda_batch_size
)
zeros, medians = (values[:, inside.cpu().numpy()] for values in (differences["non-responder"], with_median))
agreement = [pd.Series(a).corr(pd.Series(b), method="spearman") for a, b in zip(zeros, medians, strict=True)]
Markdown(
    "Rank correlation between differences with zeros and with medians, pixels of core and margin: "
    + ", ".join(f"{name} {r:.2f}" for name, r in zip(CHANNELS, agreement, strict=True) if np.isfinite(r))
    + f". The median difference per pixel is {np.median(medians):.5f} instead of {np.median(zeros):.5f}."
)

# %% [markdown]
# Where the two disagree, the map tells about the hole and not about the tissue. A median still is not a draw
# from what the patch could have shown, which is what {cite}`zintgraf2017` ask for.
#
# ## What such a map cannot tell
#
# - It shows what moves *this network*, not what biology does. A network that guesses has a map, too.
# - The sign is lost: a patch may speak for or against response.
# - Patches are changed one at a time. If two regions carry the same news, covering one changes little, and
#   both look unimportant.
# - A patch has a fixed number of pixels, so its size in millimetres depends on the image:

# %%
pixel_mm = settings.field_of_view_mm / settings.image_px
Markdown(
    f"Here {pda_patch_px} pixels are {pda_patch_px * pixel_mm:.1f} mm. With the paper's 512 pixels over the "
    f"same field of view, its patch of 8 would be {8 * settings.field_of_view_mm / 512:.2f} mm wide; "
    f"a window of the maps is {settings.window_mm:g} mm wide."
)

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
# Double `pda_patch_px` and `pda_stride_px`. How do the largest difference and the margin's share change? What
# would a patch of the whole image show?
# ````
#
# ````{solution} ex-pda-patch
# :class: dropdown
#
# ```python
# predict, plane = central_predictor(chosen["non-responder"])
# for patch in (4, 8, 16, plane.shape[-1]):
#     values = pda.patch_differences(predict, plane, patch, max(patch // 2, 1), pda_batch_size)
#     print(patch, values.max((1, 2)))
# ```
#
# A larger patch removes more and usually moves the prediction more, with less detail. A patch of the whole
# image blanks one map: one number per map, the importance of the parameter in this plane.
# ````
#
# ## Take-aways
#
# - The method is occlusion sensitivity with zeros; a zero is a message of its own to the network.
# - Compare shares of importance with shares of area.
# - Look at many patients before reading a rule out of two beautiful maps.
#
# **References** {cite}`taleghamar2022,zintgraf2017`; occluding patches goes back to Zeiler and Fergus (2014);
# the passes can be sped up {cite}`nakandala2019`.
