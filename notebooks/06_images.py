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
# # Images for the networks
#
# A network wants every {term}`plane` as the same kind of array: square images of one size, one for each map, with
# values of one range. How a map becomes such an image sounds like plumbing. It is not: a careless choice here can hide
# the tissue, or write the answer into the image.
#
# **You will learn**
#
# - how maps are resampled without smearing what is missing
# - how values are scaled with training patients only, and why not by minimum and maximum
# - how holes, outline and size of a tumour could give its response away, and how to check that they do
#   not
#
# **You need**: {doc}`03_maps`, {doc}`05_regions`. **Time**: 12 minutes to read, seconds to run once the maps are there.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
patient: str = ""  # patient shown; empty: chosen by rule
plane: int = -1  # image plane shown, counted from 0; -1: the middle one
image_px: int = 64  # edge of the square image, pixels
field_of_view_mm: float = 60.0  # edge of the square image, mm
clip_percentile: float = 1.0  # clipped at both ends before scaling

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown

from helpers import stages
from helpers.judgement.evaluation import auc_interval
from helpers.learning.augmentation import augment
from helpers.learning.images import fit_scaling, resample_plane, scale
from helpers.settings import load_settings
from pages import echoes, figures
from pages.maps import hole_fraction

# %% tags=["hide-input"]
figures.use_book_style()
chosen = {
    "image_px": image_px,
    "field_of_view_mm": field_of_view_mm,
    "clip_percentile": clip_percentile,
}
settings = load_settings(profile, **chosen)
patients = stages.cohort(settings, artifacts)
images = stages.images(settings, artifacts)
patient, plane = echoes.example(patients, patient, plane)
here = (images.patient == patient) & (images.plane == plane)
shown, channels = np.flatnonzero(here)[0], images.channels
extent_mm = tuple(images.extent_mm[shown])

# %% [markdown]
# ## One plane, one square
#
# The paper's networks see four of the five maps, in this order: {term}`MBF <mid-band fit (MBF)>`,
# {term}`SI <spectral intercept (SI)>`, {term}`ESD <scatterer diameter (ESD)>` and
# {term}`EAC <acoustic concentration (EAC)>`. ESD and EAC need the backscatter of the phantom. **Decision**: where the
# backscatter of the phantom is unknown for any plane of a cohort, its networks see the other two, of all planes; a
# network cannot learn from what only some patients have.

# %% tags=["hide-input"]
seen = f"Channels of these images: {', '.join(channels)}."
without = (
    " ESD and EAC are left out: the phantom's backscatter "
    "is not known for every plane of this cohort."
)
Markdown(seen + without * (len(channels) == 2))

# %% [markdown]
# Every image is a square field of view centred on the {term}`core`'s centroid. Its two axes keep one scale, so that a
# round tumour stays round ({numref}`fig-images-four`). The paper resampled to 512 × 512 pixels
# {cite:p}`taleghamar2022`; how far its image reached it does not say. **Decision**: the field of view,
# `field_of_view_mm`, is one for all planes.

# %% [markdown] tags=["if-simulated"]
# It is as wide as the simulated probe.

# %% [markdown] tags=["if-recorded"]
# Where a plane is narrower, what lies beyond its edge counts as outside.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-images-four", "caption": "One plane of a {{ whose }} tumour on the grid of the networks, before it is scaled and its holes are filled: its maps over core and margin; dashed the core. Windows that do not stand out of the noise are left white."}, "image": {"alt": "Square parametric images of one {{ whose }} tumour, one for each map, with the core outlined by a dashed line"}}
fig, axes = figures.panels(len(channels), 2, 3.6)
for ax, (name, unit), image in zip(
    axes, channels.items(), images.maps[shown], strict=True
):
    figures.show_map(ax, image, extent_mm, f"{name} / {unit}")
    figures.show_outline(ax, images.core[shown], extent_mm, colour="black")

# %% [markdown]
# ## Resampling without smearing
#
# A pixel larger than the grid of the map takes the mean of the map values under it, weighted by the area
# they share; a smaller one interpolates linearly. Either is a pair of small matrices, one per axis. With
# $v$ the map, zero where it is missing, and $m$ the mask of what is there,
#
# $$ \text{image} = \frac{W_z\, v\, W_x^{\top}}{W_z\, m\, W_x^{\top}} . $$ (eq-resample)
#
# The division in {eq}`eq-resample` makes it an average over *what is there*: missing values do not spread, and nothing
# from outside core and {term}`margin` leaks in. A pixel belongs to the core, or to the region, when half of it is
# covered. {numref}`fig-images-sizes` shows three sizes.

# %%
mapped = stages.maps(settings, artifacts).planes(patient)[plane]
tissue = mapped.maps, mapped.core, mapped.margin
sizes = {
    n: resample_plane(*tissue, n, field_of_view_mm, images.fields)
    for n in (32, 64, 512)
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-images-sizes", "caption": "One map of one {{ whose }} plane at three image sizes, B that of the laptop profile, C that of the paper. Windows that do not stand out of the noise are left white."}, "image": {"alt": "The same {{ whose }} map at 32, 64 and 512 pixels, with finer and finer detail"}}
one = min(2, len(channels) - 1)  # ESD where it is there, else SI
name, unit = list(channels.items())[one]
limits, label = (
    figures.value_range(images.maps[shown, one]),
    f"{name} / {unit}",
)
fig, axes = figures.panels(len(sizes), 2, 3.5)
for ax, (n, (maps, *_)) in zip(axes, sizes.items(), strict=True):
    figures.show_map(ax, maps[one], extent_mm, label, limits=limits)
    ax.set_title(f"{n} × {n} pixels")

# %% tags=["hide-input"]
n_core, n_region = images.core.sum((1, 2)), images.region.sum((1, 2))
rows, columns = images.region[:, [0, -1]], images.region[:, :, [0, -1]]
at_edge = rows.any((1, 2)) | columns.any((1, 2))
Markdown(
    f"{len(images):,} images of {patients.shape[0]} patients, "
    f"{image_px} × {image_px} pixels of "
    f"{field_of_view_mm / image_px:.2f} mm over {field_of_view_mm:g} mm. The "
    "median plane has "
    f"{np.median(n_core):.0f} pixels of core and "
    f"{np.median(n_region):.0f} of core and margin. "
    f"In {at_edge.sum()} images the region reaches the border."
)

# %% [markdown]
# ## Scaling, with training patients only
#
# The paper scaled its images to (0, 1) with parameters of the training set, without saying which. Minimum and maximum
# are the obvious reading. But then the two most extreme pixels of all, they alone, set the scale
# ({numref}`tab-percentiles`):

# %%
split = patients.loc[images.patient, "split"].to_numpy()  # of each plane
train = split == "train"
seen = images.region[train]
percent = [0, 1, 50, 99, 100]
percentiles = {}
for channel, name in enumerate(channels):
    values = images.maps[train, channel][seen]
    if np.isfinite(values).any():
        percentiles[name] = np.nanpercentile(values, percent)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-percentiles", "caption": "{{ Whose }} training patients: percentiles of the pixels of each map, and the share of the range that holds 98 % of them."}}
rows = []
for name, (low, p1, median, p99, high) in percentiles.items():
    share = (p99 - p1) / (high - low)
    label = f"{name} / {channels[name]}"
    rows.append((label, low, p1, median, p99, high, share))
columns = ["map", "minimum", "1 %", "median", "99 %", "maximum"]
columns += ["98 % in"]
table = pd.DataFrame(rows, columns=columns)
Markdown(table.to_markdown(index=False, floatfmt=".2f"))

# %% [markdown]
# **Decision**: the percentiles `clip_percentile` and 100 − `clip_percentile` of the training patients' pixels set the
# scale; what lies beyond is clipped. Validation and test patients are scaled with the *training* numbers: their own
# would be a glance at them. Core images and core + margin images get a scale each ({numref}`tab-scale`).

# %%
scalings = {
    region: fit_scaling(images, train, region, clip_percentile)
    for region in ("core", "core_margin")
}

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-scale", "caption": "Map values of {{ whose }} training patients that become the ends of the scale."}}
scale_table = {
    (region, end): dict(zip(channels, getattr(scaling, end), strict=True))
    for region, scaling in scalings.items()
    for end in ("lo", "hi")
}
limits = pd.DataFrame(scale_table).T
limits = limits.reset_index(names=["region", "becomes"])
words = {"core_margin": "core + margin", "lo": "0.1", "hi": "1"}
units = {name: f"{name} / {unit}" for name, unit in channels.items()}
limits = limits.replace(words).rename(columns=units)
form = ("", "g", *[".2f"] * len(channels))
Markdown(limits.to_markdown(index=False, floatfmt=form))

# %% [markdown]
# ## Low is not outside
#
# Outside the region an image has no value; the networks get 0 there. If the lowest tissue were scaled to 0 as well,
# nobody could tell it from outside: not the network, and not the
# {term}`prediction difference analysis <prediction difference analysis (PDA)>` of [](13_pda), which blanks patches with
# zeros. The paper does not say what it put outside. **Decision**: tissue is scaled to 0.1 … 1; 0 means outside, and
# nothing else.
#
# {numref}`fig-images-histogram` shows that nothing lies between.

# %%
scaled = {
    region: scale(images, scaling, region)
    for region, scaling in scalings.items()
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-images-histogram", "caption": "Scaled values of the {{ whose }} training patients' core and margin. Nothing lies between 0, the outside, and 0.1, the lowest tissue; clipped values pile up at both ends."}, "image": {"alt": "Histograms of scaled pixel values, one for each parametric map, all between 0.1 and 1"}}
fig, axes = figures.panels(len(channels), 2, 2.1)
for channel, (ax, name) in enumerate(zip(axes, channels, strict=True)):
    pixels = scaled["core_margin"][train, channel][seen]
    ax.hist(pixels, bins=np.linspace(0, 1, 41))
    ax.set(xlabel=f"{name}, scaled", ylabel="pixels")

# %% [markdown]
# ## Two inputs
#
# Models 1 and 3 see the core, models 2 and 4 core and margin. For the core models everything else is outside
# ({numref}`fig-images-inputs`).

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-images-inputs", "caption": "The two inputs made of one {{ whose }} plane, its last map: the core alone, and core with margin, holes filled. White is outside."}, "image": {"alt": "Two scaled images of one {{ whose }} plane side by side: the core only, and core with its margin"}}
fig, axes = figures.subplots(1, 2, 3.9)
titles = {"core": "core", "core_margin": "core + margin"}
style = {"cmap": "magma", "limits": (0.0, 1.0)}
for ax, (region, title) in zip(axes, titles.items(), strict=True):
    inside = images.mask(region)[shown]
    last = np.where(inside, scaled[region][shown, -1], np.nan)
    label = f"{list(channels)[-1]}, scaled"
    figures.show_map(ax, last, extent_mm, label, **style)
    ax.set_title(title)

# %% [markdown]
# ## What must not carry the label
#
# Where ESD and EAC are mapped, some windows give no physical value of them ([](03_maps)); deep windows that sink into
# noise are empty in all maps. Averaging closes gaps; a pixel with nothing valid under it is a hole. Which windows fail
# depends on the tissue itself, and which are empty on depth and attenuation, so **the holes alone can tell something of
# the response**, and filled with zero they would be a drawing of it. **Decision**: a hole takes the median of its own
# plane's region.
#
# {numref}`tab-alone` asks how well a training patient's failed and empty windows, holes, size and outline alone,
# without any value, separate the classes:

# %%
width, height = (images.core.any(axis).sum(1) for axis in (1, 2))
per_plane = pd.DataFrame(
    {
        "fraction of holes, core": hole_fraction(images, "core").max(1),
        "fraction of holes, core + margin": hole_fraction(images).max(1),
        "pixels of the core": images.core.sum((1, 2)),
        "width over height of the core": width / height,
    }
)
per_patient = per_plane.groupby(images.patient).mean()
windows = stages.maps(settings, artifacts).summary.groupby("patient")
per_patient["fraction of empty windows"] = windows["empty"].mean()
if "ESD" in channels:
    per_patient["fraction of failed windows"] = windows["unphysical"].mean()
learning = patients.loc[per_patient.index, "split"] == "train"
per_patient = per_patient[learning]

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-alone", "caption": "{{ Whose }} training patients: what is no map value, its mean, and its AUC alone, with the {{ level_percent }} % interval."}}
constant = [name for name in per_patient if per_patient[name].nunique() == 1]
per_patient = per_patient.drop(columns=constant)
positive = ~patients.loc[per_patient.index, "responder"].to_numpy(bool)
level = settings.judgement.level
rows = {
    name: auc_interval(positive, values, level)
    for name, values in per_patient.items()
}
table = pd.DataFrame(rows, index=["AUC", "low", "high"]).T
table = table.rename_axis("of a patient")
digits = {"precision": 3, "fractional": False, "trim": "-"}
means = [
    np.format_float_positional(mean, **digits) for mean in per_patient.mean()
]
readable = table.map("{:.3f}".format)
readable.insert(0, "mean", means)
told = table.index[(table["low"] > 0.5) | (table["high"] < 0.5)]
Markdown(
    readable.to_markdown(disable_numparse=True)
    + f"\n\nIntervals that leave out 0.5: {'; '.join(told) or 'none'}. "
    + f"The same for everybody: {'; '.join(constant) or 'none'}."
    + " **A leak is possible: the networks may see what these tell.**"
    * any("hole" in name or "empty" in name for name in told)
)

# %% [markdown]
# An {term}`AUC <area under the curve (AUC)>` whose interval holds 0.5 is no evidence of a leak; an AUC below 0.5 is a
# sign turned round. Failed windows that tell the classes apart do no harm where averaging leaves no hole: the networks
# do not see them. Holes they see, as flat patches in the median's colour. Run this check before training on any cohort, simulated or recorded.
#
# ## Augmentation
#
# In training only, each image is flipped left to right half of the time and moved by up to `max_shift` of its edge in
# both directions, freshly drawn every time it is shown. What moves out is gone, and zeros, outside, move in
# ({numref}`fig-images-augmented`). (A shift that wraps around would put a piece of tumour at the other edge.)

# %%
batch = torch.from_numpy(scaled["core_margin"][[shown] * 8])  # (8, C, n, n)
generator = torch.Generator().manual_seed(settings.training.seed)
moved = augment(batch, generator, settings.training.max_shift)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-images-augmented", "caption": "One {{ whose }} plane as the network meets it in eight epochs: one map (ESD, where there is one), flipped and shifted. White is outside."}, "image": {"alt": "Eight small images of the same {{ whose }} tumour, each flipped or moved to another place in the square"}}
fig, axes = figures.panels(len(moved), 4, 1.6)
for ax, image in zip(axes, moved[:, one], strict=True):
    tissue = np.where(image > 0, image, np.nan)
    ax.imshow(tissue, cmap="magma", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])

# %% [markdown] tags=["about-simulation"]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} A value for nothing · recall · 5 min
# :label: ex-images-zero
#
# Why may the lowest tissue not be scaled to 0?
# ````
#
# ````{solution} ex-images-zero
# :class: dropdown
#
# Outside is 0. Tissue of the same value could not be told from it, by the network or by an occlusion that blanks
# patches with 0; the outline would move with the values.
# ````
#
# ````{exercise} The margin in pixels · compute · 5 min
# :label: ex-images-margin
#
# How many pixels across is a margin of 5 mm in the paper's image of 512 pixels, if that shows 60 mm? And in one of 64
# pixels?
#
# Check: `check("ex-images-margin", ...)` (pixels, of 512).
# ````
#
# ````{solution} ex-images-margin
# :class: dropdown
#
# $5 / (60 / 512) = 42.7$ pixels, and 5.3: at 64 pixels the margin is narrower than a patch of 8, which matters in
# [](13_pda).
# ````
#
# ````{exercise} What the network sees · compute · 5 min
# :label: ex-images-scaled
#
# The training patients' 1st and 99th percentiles of EAC are −10 and 20 dB. What does the network get for a pixel of 5
# dB, for one of 30 dB, and outside?
#
# Check: `check("ex-images-scaled", ...)` (0 to 1, of 5 dB).
# ````
#
# ````{solution} ex-images-scaled
# :class: dropdown
#
# $0.1 + 0.9 \cdot (5 + 10) / (20 + 10) = 0.55$; 1, for it is clipped; 0.
# ````
#
# ````{exercise} All patients in the scale · compute · 10 min
# :label: ex-images-leak
#
# Scale the images with *all* patients instead of the training patients. How much do the limits change? Is this a leak
# worth worrying about?
# ````
#
# ````{solution} ex-images-leak
# :class: dropdown
#
# `fit_scaling(images, np.ones(len(images), bool), "core", clip_percentile)` differs from the training scale by a small
# part of its range: pixels of one tumour go together, and a few dark tumours set the first percentile. It knows nothing
# of the response. The damage would be small. The habit is what matters: whoever lets the test patients in at one place
# cannot say any more that they were unseen.
# ````
#
# ````{exercise} Holes filled with zeros · vary · 30 min
# :label: ex-images-holes
#
# Where a cohort has holes ({numref}`tab-alone`; noise makes them, and scatterers too small, see [](16_pitfalls)), fill them with zeros after scaling and
# train the four models of [](08_training) again. Which number of the table above predicts whether the networks can gain
# from it?
# ````
#
# ````{solution} ex-images-holes
# :class: dropdown
#
# The AUC of the fraction of holes. Where it is near 0.5, holes carry nothing and zeros merely disturb; where it is
# clearly off, a network can count zeros instead of reading tissue, and would fail on a scanner whose fits fail
# elsewhere.
# ````
#
# ````{exercise} Turned images · project · 60 min
# :label: ex-images-turn
#
# Add turns by up to ten degrees to `augment`, so that outside stays 0 and holes stay closed. Which turns and flips show
# the network images that no scanner can make?
# ````
#
# ````{solution} ex-images-turn
# :class: dropdown
#
# Turn values and mask alike, bilinearly, and divide as in *Resampling without smearing*; set to 0 what the turned mask
# leaves out. A flip left to right gives an image that could be recorded. A flip upside down, or a quarter turn, puts
# the depth elsewhere: shadows, noise that grows with depth and errors of attenuation would come from the side. Small
# turns are harmless, as a probe held at a slant is.
# ````
#
# ## Questions
#
# ````{dropdown} Why does the average of a pixel divide by the share of the map that is there?
# So that missing values neither count as 0 nor spread. A pixel half outside is the mean of the half that is inside.
# ````
#
# ````{dropdown} Why percentiles and not minimum and maximum?
# Two pixels out of all would set the scale of everybody, and the tissue in between would be squeezed into a small part
# of it.
# ````
#
# ````{dropdown} What does a hole take for a value, and why that?
# The median of its own plane's region. Its value then says nothing that the plane does not; its flatness still can.
# ````
#
# ## Take-aways
#
# - Missing values are left out of every average; they neither spread nor turn into numbers silently.
# - Everything that is fitted, even a scale, is fitted on training patients.
# - Zero means outside and nothing else; holes take their region's median; both are decisions the paper
#   leaves open {cite:p}`taleghamar2022`.
#
# ## Further reading
#
# - {cite:t}`taleghamar2022`: its section on the images, short: note what it does not say of scale, zero and field of
#   view.
# - {cite:t}`kapoor2023`: what counts as a leak, in eight kinds, with the fields where each was found.
# - {cite:t}`varoquaux2022`: where studies on medical images go wrong, from the data to the claim.
