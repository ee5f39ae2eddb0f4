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
# # Core and margin
#
# The tumour does not end at its outline: the tissue around it is changed too, and published features from the
# margin helped to predict response {cite:p}`tadayyon2017,sannachi2023`. The core is outlined by hand on the B-mode; the margin is
# a band of 5 mm around it, made automatically.
#
# **You will learn**
#
# - how a margin of true millimetres is made on pixels that are not square
# - where a margin ends: at the edge of the image, and at another tumour
# - how maps look over the B-mode, for a responder and a non-responder
# - what a mean over the core or the margin alone says about response
#
# **Prerequisites**: [](03_maps). **Time**: 10 minutes to read, half a minute to run.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
margin_mm: float = 5.0  # thickness of the margin around the core, mm

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown

from helpers import stages
from helpers.data import regions, simulation, study
from helpers.data.rf import b_mode_db
from helpers.judgement.evaluation import auc_interval
from helpers.maps import parametric
from helpers.maps.planes import map_plane
from helpers.settings import load_settings
from pages import figures
from pages.echoes import elliptic_outline

figures.use_book_style()
settings = load_settings(profile, margin_mm=margin_mm)
patients = stages.cohort(settings, artifacts)

# %% [markdown]
# ## Millimetres, not pixels
#
# A sample is about 0.02 mm deep, a line about ten times as wide. Growing a mask by a number of *pixels* would give a
# margin ten times thicker sideways than in depth. The distance to the core is therefore measured in millimetres, along
# both axes, and the margin is where $0 < d \le 5$ mm, clipped by the image.

# %%
training = patients[patients["split"] == "train"]
shown = {
    "responder": training.index[training["responder"]][0],
    "non-responder": training.index[~training["responder"]][0],
}
acquired = stages.acquire(settings, artifacts, shown["responder"], 2)
rf = acquired.plane
depth_mm = rf.depth_mm[::5]
core = regions.core_from_polygon(acquired.outline_mm, depth_mm, rf.lateral_mm)
distance_mm = regions.distance_outside_mm(core, depth_mm, rf.lateral_mm)
margin = regions.margin_of(core, depth_mm, rf.lateral_mm, margin_mm)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-margin", "caption": "Simulated plane: B-mode with the core dashed and the outer border of the margin solid; and the distance to the core from which the margin is made."}, "image": {"alt": "Left: simulated B-mode image with the dashed core outline and the solid outer border of the margin; right: map of the distance from the core"}}
fig, axes = plt.subplots(1, 2, figsize=(11, 4))
figures.show_b_mode(axes[0], b_mode_db(rf), rf.extent_mm)
figures.show_map(
    axes[1],
    distance_mm,
    rf.extent_mm,
    "distance to the core / mm",
    "magma",
    (0, 20),
)
for ax in axes:
    figures.show_outline(ax, core, rf.extent_mm)
    figures.show_outline(ax, core | margin, rf.extent_mm, style="-")

# %% tags=["hide-input"]
pixel_mm2 = 5 * rf.sample_spacing_mm * rf.line_pitch_mm
region = core | margin
clipped = region[:, [0, -1]].any() or region[[0, -1]].any()
Markdown(
    f"Core {core.sum() * pixel_mm2:.0f} mm², margin {margin.sum() * pixel_mm2:.0f} mm². "
    f"On this plane the margin {'is clipped by' if clipped else 'stays clear of'} "
    "the edge of the image."
)

# %% [markdown]
# Where the image ends, so does the margin. Where a second tumour lies in the plane, its core is no margin of the first:
# it is left out, while tissue between the two is margin of both. The same rule in two made-up places:

# %%
left, middle, right = (
    regions.core_from_polygon(
        elliptic_outline(place_mm, 18.0, 14.0), depth_mm, rf.lateral_mm
    )
    for place_mm in ((7.0, 20.0), (22.0, 20.0), (41.0, 23.0))
)
cases = {
    "clipped by the image": (left, None),
    "clipped by another core": (middle, right),
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-clipped", "caption": "Simulated outlines: the margin (orange) of a core (dashed) at the edge of the image, and of a core beside another one (dotted)."}, "image": {"alt": "Left: an elliptic core cut by the left edge of the image with its margin ending there; right: two elliptic cores, the margin of the left one leaving out the right one"}}
fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True)
for ax, (name, (one, other)) in zip(axes, cases.items(), strict=True):
    band = regions.margin_of(one, depth_mm, rf.lateral_mm, margin_mm, other)
    drawn = {"cmap": "Oranges", "vmin": 0, "vmax": 2, "aspect": "equal"}
    ax.imshow(np.where(band, 1.0, np.nan), extent=rf.extent_mm, **drawn)
    figures.show_outline(ax, one, rf.extent_mm, colour="black")
    if other is not None:
        figures.show_outline(
            ax, other, rf.extent_mm, style=":", colour="black"
        )
    ax.set(title=name, xlabel="lateral / mm")
_ = axes[0].set(ylabel="depth / mm")
# %% [markdown]
# ## Round and spiculated
#
# Some tumours grow into their surroundings in fine spikes, *spicules*. The share of simulated patients who have them is
# that of malignant masses on ultrasound ([Hong et al. 2005](https://pubmed.ncbi.nlm.nih.gov/15788607/)). Where mammograms show
# spicules, complete responses are rarer ([Savaridas et al. 2019](https://doi.org/10.1186/s40644-019-0251-3)). Here they
# are drawn independently of response, so that no network can read the answer off the outline.

# %%
eight = study.draw_patients(8, seed=settings.study.cohort_seed)
contrast_db = eight["margin_eac_db"] - eight["core_eac_db"]
example = contrast_db.idxmax()  # whose core is the darkest beside its margin
size = settings.scan.n_lines, settings.scan.depth_cm
kinds = {}
for name, kind in (("round", False), ("spiculated", True)):
    one = eight.assign(spiculated=kind).loc[example]
    kinds[name] = simulation.simulated(one, 2, *size, n_frames=1, seed=0)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-spicules", "caption": "Simulated B-mode of one tumour drawn with a round and with a spiculated outline, core dashed, margin solid. All else is the same."}, "image": {"alt": "Two simulated B-mode images of one tumour; the first core has a smooth outline, the second one several narrow spikes; the margin follows both"}}
fig, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True)
for ax, (name, made) in zip(axes, kinds.items(), strict=True):
    extent = made.plane.extent_mm
    figures.show_b_mode(ax, b_mode_db(made.plane), extent)
    core_, margin_ = made.regions(margin_mm)
    figures.show_outline(ax, core_, extent)
    figures.show_outline(ax, core_ | margin_, extent, style="-")
    ax.set(title=name)
_ = axes[1].set(ylabel="")
# %% [markdown]
# ## Overlays
#
# As in the paper's Figure 2: each map over its B-mode, the core dashed. Both patients come from the training set.
# The colours of a map are the same for both.

# %%
planes, limits = {}, {}
for name, patient in shown.items():
    one = stages.acquire(settings, artifacts, patient, 2)
    planes[name] = map_plane(one, settings.maps, with_b_mode=True)
for name in parametric.FOUR:
    both = [getattr(plane.maps, name).ravel() for plane in planes.values()]
    limits[name] = figures.value_range(np.concatenate(both))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-overlays", "caption": "Simulated cohort: MBF, SI, ESD and EAC over the B-mode of a responder (left) and a non-responder (right), core dashed."}, "image": {"alt": "Two columns of four B-mode images with coloured overlays of MBF, SI, ESD and EAC over core and margin, for a simulated responder and a simulated non-responder"}}
fig, axes = plt.subplots(4, 2, figsize=(11, 15), sharex=True, sharey=True)
for column, (name, plane) in zip(axes.T, planes.items(), strict=True):
    for ax, field in zip(column, parametric.FOUR, strict=True):
        values, label = getattr(plane.maps, field), parametric.LABELS[field]
        figures.show_overlay(ax, plane, values, label, limits=limits[field])
    column[0].set_title(f"{shown[name]}, {name}")
    [ax.label_outer() for ax in column]

# %% [markdown]
# ## What region means say
#
# Before any network: the mean of each patient's planes, core and margin, of the **training** patients only. Test and
# validation patients stay unseen.

# %%
summary = stages.maps(settings, artifacts).summary
fields = [*parametric.FOUR, "sd_mbf"]
means = summary.groupby(["patient", "region"])[fields].mean()
table = means.loc[training.index].join(training["responder"], on="patient")
table = table.reset_index()

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-means", "caption": "Simulated training patients: mean over planes of the median of each map, in core and margin, by response."}, "image": {"alt": "Four box plots comparing simulated responders and non-responders for MBF, SI, ESD and EAC, in core and margin"}}
fig, axes = plt.subplots(2, 2, figsize=(9, 6.5))
named = table.assign(response=np.where(table["responder"], "R", "NR"))
for ax, field in zip(axes.flat, parametric.FOUR, strict=True):
    columns = {"x": "region", "y": field, "hue": "response"}
    sns.boxplot(
        named, **columns, hue_order=["R", "NR"], ax=ax, legend=field == "mbf"
    )
    ax.set(xlabel="", ylabel=parametric.LABELS[field])

# %%
rows, level = {}, settings.judgement.level
for region, group in table.groupby("region"):
    for field in fields:
        label = parametric.LABELS.get(field, "SD of MBF / dB")
        found = auc_interval(~group["responder"], group[field], level)
        rows[region, label] = found

# %% tags=["hide-input"]
aucs = pd.DataFrame(rows, index=["AUC", "low", "high"]).T.round(2)
aucs = aucs.reset_index(names=["region", "mean of"])
Markdown(aucs.to_markdown(index=False))

# %% [markdown]
# An AUC below 0.5 means that non-responders tend to the lower values. The standard deviation of MBF inside the core
# stands for its heterogeneity, which the simulated cohort ties to response as well. How much of this is the luck of these
# training patients? In the simulation we can ask many further patients, and their true traits:

# %%
seed, effect = settings.study.cohort_seed + 1, settings.study.effect
further = study.draw_patients(5000, seed, effect)
single = [
    auc_interval(~further["responder"], further[name])[0]
    for name in study.TRAITS
]
turned = [max(auc, 1 - auc) for auc in single]

# %% tags=["hide-input"]
best = (aucs["AUC"] - 0.5).abs().max() + 0.5
Markdown(
    f"The best of these {len(aucs)} numbers has an AUC of {best:.2f} (turned round where it is "
    f"below 0.5) on {len(training)} training patients. Among {len(further):,} further "
    "simulated patients the true traits alone "
    f"have {min(turned):.2f} to {max(turned):.2f}."
)

# %% [markdown]
# ## Exercises
#
# ````{exercise}
# :label: ex-regions-size
# Compute the AUC of the number of windows in the core (`summary["windows"]`). What should it be in this cohort, and why
# does the check matter?
# ````
#
# ````{solution} ex-regions-size
# :class: dropdown
# Near 0.5: size is drawn independently of response. If it were not, a network could read the answer off the outline
# and we would praise it for quantitative ultrasound.
# ````
#
# ````{exercise}
# :label: ex-regions-margin
# Rerun with `margin_mm=10.0`. The simulated margin is 5 mm thick. What do the margin's AUCs do?
# ````
#
# ````{solution} ex-regions-margin
# :class: dropdown
# The wider band takes in background, which carries no information: the medians move towards the background's and
# the AUCs towards 0.5.
# ````
#
# ## Take-aways
#
# - Margins are made in millimetres and clipped by the image and by other cores.
# - Colours are shared between patients, or they cannot be compared.
# - Single means tell the groups apart in part, and the best of many on few patients looks better than it is; combining them
#   is the networks' task.
