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
# {term}`margin` helped to predict response {cite:p}`tadayyon2017,sannachi2023`. The {term}`core` is outlined by hand on
# the {term}`B-mode`; the margin is a band of {{ margin_mm }} mm around it, made automatically.
#
# **You will learn**
#
# - how a margin of true millimetres is made on pixels that are not square
# - where a margin ends: at the edge of the image, and at another tumour
# - how maps look over the B-mode of two patients
# - what a mean over the core or the margin alone says about response
#
# **You need**: {doc}`03_maps`. **Time**: 10 minutes to read, half a minute to run.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
margin_mm: float = 5.0  # thickness of the margin around the core, mm

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown
from matplotlib.patches import Patch

from helpers import stages
from helpers.data import regions, simulation, study
from helpers.data.form_factor import gaussian_bsc_db
from helpers.data.rf import b_mode_db
from helpers.judgement.evaluation import auc_interval
from helpers.maps import parametric
from helpers.maps.planes import map_plane
from helpers.settings import load_settings
from pages import echoes, figures
from pages.echoes import elliptic_outline, two_examples
from pages.maps import not_mapped

figures.use_book_style()
settings = load_settings(profile, margin_mm=margin_mm)
patients = stages.cohort(settings, artifacts)

# %% [markdown]
# ## Millimetres, not pixels
#
# A sample is about 0.02 mm deep, a line about ten times as wide. Growing a mask by a number of *pixels* would give a
# margin ten times thicker sideways than in depth. The distance to the core is therefore measured in millimetres, along
# both axes, and the margin is where
#
# $$ 0 < d \le {{ margin_mm }}\ \mathrm{mm}, $$ (eq-margin)
#
# clipped by the image ({numref}`fig-margin`).

# %% tags=["hide-input"]
training = patients[patients["split"] == "train"]
shown = {
    name: echoes.example(patients.loc[[patient]])
    for name, patient in two_examples(training, settings).items()
}
acquired = stages.acquire(settings, artifacts, *next(iter(shown.values())))

# %%
rf = acquired.plane
depth_mm = rf.depth_mm[::5]
core = regions.core_from_polygon(acquired.outline_mm, depth_mm, rf.lateral_mm)
distance_mm = regions.distance_outside_mm(core, depth_mm, rf.lateral_mm)
margin = regions.margin_of(core, depth_mm, rf.lateral_mm, margin_mm)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-margin", "caption": "{{ Whose }} plane: B-mode with the core dashed and the outer border of the margin solid; and the distance to the core from which the margin is made."}, "image": {"alt": "Panel A: {{ whose }} B-mode image with the dashed core outline and the solid outer border of the margin; panel B: map of the distance from the core"}}
fig, axes = figures.subplots(2)
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
    ax.set_anchor("E")  # one above the other, with a colour bar or without

# %% tags=["hide-input"]
pixel_mm2 = 5 * rf.sample_spacing_mm * rf.line_pitch_mm
region = core | margin
clipped = region[:, [0, -1]].any() or region[[0, -1]].any()
Markdown(
    f"Core {core.sum() * pixel_mm2:.0f} mm², margin "
    f"{margin.sum() * pixel_mm2:.0f} mm². "
    "On this plane the margin "
    f"{'is clipped by' if clipped else 'stays clear of'} "
    "the edge of the image."
)

# %% [markdown]
# **Decision**: where the image ends, so does the margin {eq}`eq-margin`. Where a second tumour lies in the
# {term}`plane`, its core is no margin of the first: it is left out, while tissue between the two is margin of both.
#
# {numref}`fig-clipped` shows the rule in two made-up places of a made-up image:

# %%
z, x = np.arange(0, 40, 0.1), np.arange(0.1, 60, 0.2)
left, middle, right = (
    regions.core_from_polygon(elliptic_outline(place_mm, 18.0, 14.0), z, x)
    for place_mm in ((7.0, 20.0), (22.0, 20.0), (41.0, 23.0))
)
cases = {
    "clipped by the image": (left, None),
    "clipped by another core": (middle, right),
}

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-clipped", "caption": "Simulated outlines: the margin (orange) of a core (dashed) at the edge of the image, and of a core beside another one (dotted)."}, "image": {"alt": "Left: an elliptic core cut by the left edge of the image with its margin ending there; right: two elliptic cores, the margin of the left one leaving out the right one"}}
fig, axes = figures.subplots(1, 2, 2.4, sharey=True)
for ax, (name, (one, other)) in zip(axes, cases.items(), strict=True):
    band = regions.margin_of(one, z, x, margin_mm, other)
    drawn = {"cmap": "Oranges", "vmin": 0, "vmax": 2, "aspect": "equal"}
    extent_mm = (0, 60, 40, 0)
    ax.imshow(np.where(band, 1.0, np.nan), extent=extent_mm, **drawn)
    figures.show_outline(ax, one, extent_mm, colour="black")
    if other is not None:
        figures.show_outline(ax, other, extent_mm, style=":", colour="black")
    ax.set(title=name, xlabel="lateral / mm")
_ = axes[0].set(ylabel="depth / mm")
# %% [markdown] tags=["about-simulation"]
# ## Round and spiculated
#
# Some tumours grow into their surroundings in fine spikes, *spicules*. The share of simulated patients who have them is
# that of malignant masses on ultrasound {cite:p}`hong2005`. Where mammograms show spicules, complete responses are
# rarer {cite:p}`savaridas2019`. Here they are drawn independently of response, so that no network can read the answer
# off the outline ({numref}`fig-spicules`).

# %%
eight = study.draw_patients(8, seed=settings.study.cohort_seed)
contrast_db = eight["margin_eac_db"] - eight["core_eac_db"]
example = contrast_db.idxmax()  # whose core is the darkest beside its margin
size = settings.scan.n_lines, settings.scan.depth_cm
kinds = {}
for name, kind in (("round", False), ("spiculated", True)):
    one = eight.assign(spiculated=kind).loc[example]
    kinds[name] = simulation.simulated(one, 2, *size, n_frames=1, seed=0)

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-spicules", "caption": "Simulated B-mode of one tumour drawn with a round and with a spiculated outline, core dashed, margin solid. All else is the same."}, "image": {"alt": "Two simulated B-mode images of one tumour; the first core has a smooth outline, the second one several narrow spikes; the margin follows both"}}
fig, axes = figures.subplots(2, sharex=True)
for ax, (name, made) in zip(axes, kinds.items(), strict=True):
    extent = made.plane.extent_mm
    figures.show_b_mode(ax, b_mode_db(made.plane), extent)
    core_, margin_ = made.regions(margin_mm)
    figures.show_outline(ax, core_, extent)
    figures.show_outline(ax, core_ | margin_, extent, style="-")
    ax.set(title=name)
_ = axes[0].set(xlabel="")
# %% [markdown] tags=["about-simulation"]
# ## Darker than its margin?
#
# To the eye most breast cancers are **hypoechoic**: the core is darker than the tissue around it. Where a rim stands out it is
# bright, the *echogenic halo* among the terms in which radiologists describe a mass. Are the simulated cores the darker
# part? Those of {term}`EAC <acoustic concentration (EAC)>`, and of the backscatter in the middle of the band, which is nearer to what an eye sees:

# %% tags=["about-simulation"]
people = echoes.known_patients(settings, artifacts)
middle_mhz, c = np.mean(settings.maps.band_mhz or [3, 8]), rf.sound_speed_m_s
bsc_db = {
    region: gaussian_bsc_db(
        middle_mhz, people[f"{region}_esd_um"], people[f"{region}_eac_db"], c
    )
    for region in ("core", "margin")
}
lower_eac = np.mean(people["margin_eac_db"] < people["core_eac_db"])
darker = np.mean(bsc_db["margin"] < bsc_db["core"])

# %% tags=["about-simulation", "hide-input"]
Markdown(
    f"Of {len(people)} simulated patients {lower_eac:.0%} have a margin of "
    "lower EAC than the core's, "
    f"and {darker:.0%} one that scatters less at {middle_mhz:g} MHz."
)

# %% [markdown] tags=["about-simulation"]
# A radiologist would find these tumours odd: bright cores in a dark rim, the reverse of a halo. Nobody measured them. Values
# of cores are published {cite:p}`tadayyon2014`; that a margin lies between core and background, spreads as widely as cores do,
# and follows its core in part, are our assumptions ([](02_rf) lists them), and this share is what they amount to. It does not help the
# networks to the label by itself, since what ties margin and core to response is the mean of each ([](01_study)). But a
# margin whose contrast is right more often may be easier, or harder, to learn from than a recorded one; this book cannot
# say which.

# %% [markdown]
# ## Overlays
#
# {numref}`fig-overlays`, as the paper's Figure 2: each map over its B-mode, the core dashed. Both patients come from
# the training set and were chosen by rule. The colours of a map are the same for both.

# %% [markdown] tags=["if-simulated"]
# One is a typical responder, the other a typical non-responder: of each group the one who is nearest to its medians, in
# tissue, attenuation, and size, depth and outline of the tumour.

# %% [markdown] tags=["if-recorded"]
# Whether they responded had no say in the choice and is not shown: outcomes of single patients stay out of this book.

# %%
planes, limits = {}, {}
for name, (patient, plane) in shown.items():
    one = stages.acquire(settings, artifacts, patient, plane)
    planes[name] = map_plane(one, settings.maps, with_b_mode=True)
present = {name for plane in planes.values() for name in plane.maps.present}
fields = [name for name in parametric.FOUR if name in present]
for name in fields:
    both = [getattr(plane.maps, name).ravel() for plane in planes.values()]
    limits[name] = figures.value_range(np.concatenate(both))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-overlays", "caption": "{{ Whose }} cohort: the maps that the networks see, over the B-mode of two training patients (left and right), core dashed. Windows that do not stand out of the noise are left empty."}, "image": {"alt": "Two columns of {{ whose }} B-mode images, one for each patient, with coloured overlays over core and margin, a row for each map"}}
n = len(planes)
fig, axes = figures.panels(n * len(fields), n, 2.9)
for number, (name, plane) in enumerate(planes.items()):
    for ax, field in zip(axes[number::n], fields, strict=True):
        values, label = getattr(plane.maps, field), parametric.LABELS[field]
        figures.show_overlay(ax, plane, values, label, limits=limits[field])
    axes[number].set_title(name)
figures.label_outer(axes, n)

# %% tags=["hide-input"]
Markdown(not_mapped({"ss"} | present))

# %% [markdown]
# ## What region means say
#
# Before any network: the mean of each patient's planes, core and margin, of the {{ n_train }} **training** patients
# only. Test and validation patients stay unseen. {numref}`fig-means` and {numref}`tab-means` ask how far the classes
# differ.

# %%
summary = stages.maps(settings, artifacts).summary
named = [name for name in parametric.FOUR if summary[name].notna().any()]
means = summary.groupby(["patient", "region"])[[*named, "sd_mbf"]].mean()
table = means.loc[training.index].join(training["responder"], on="patient")
table = table.reset_index()

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-means", "caption": "{{ Whose }} training patients: mean over planes of the median of each map, in core and margin, by response (R: responder, NR: non-responder)."}, "image": {"alt": "Box plots comparing {{ whose }} responders and non-responders in core and margin, one for each map"}}
fig, axes = figures.panels(len(named), 2, 2.5)
groups = table.assign(response=np.where(table["responder"], "R", "NR"))
columns = {"x": "region", "hue": "response", "hue_order": ["R", "NR"]}
columns |= {"palette": figures.COLOUR, "saturation": 1}
boxes = [Patch(fc=figures.COLOUR[name], label=name) for name in ("R", "NR")]
fig.legend(handles=boxes, loc="outside upper center", ncols=2)
for ax, field in zip(axes, named, strict=True):
    sns.boxplot(groups, y=field, **columns, ax=ax, legend=False)
    ax.set(xlabel="", ylabel=parametric.LABELS[field])

# %%
rows, level = {}, settings.judgement.level
for region, group in table.groupby("region"):
    for field in [*named, "sd_mbf"]:
        label = parametric.LABELS.get(field, "SD of MBF / dB")
        known = group.dropna(subset=field)
        if known["responder"].nunique() == 2:
            found = auc_interval(~known["responder"], known[field], level)
            rows[region, label] = found

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-means", "caption": "{{ Whose }} training patients: AUC of each map's mean over planes of the median of a region, and of the SD of its MBF, with {{ level_percent }} % intervals."}}
aucs = pd.DataFrame(rows, index=["AUC", "low", "high"]).T
n_negative = int((~training["responder"]).sum())
few = f"Not computed: {n_negative} non-responders in the training set."
Markdown(
    aucs.reset_index(names=["region", "map"]).to_markdown(
        index=False, floatfmt=".2f"
    )
    if rows
    else few
)

# %% [markdown]
# An {term}`AUC <area under the curve (AUC)>` below 0.5 means that non-responders tend to the lower values. The standard
# deviation of {term}`MBF <mid-band fit (MBF)>` inside the core stands for its heterogeneity. How much of this is the
# luck of these training patients?

# %% [markdown] tags=["if-recorded"]
# Only further patients could tell. The best of many numbers on few patients looks better than it is.

# %% [markdown] tags=["if-simulated"]
# The simulated cohort ties heterogeneity to response as well. In the simulation we can ask many further patients, and their
# true traits:

# %% tags=["if-simulated"]
seed, effect = settings.study.cohort_seed + 1, settings.study.effect
signal = settings.study.signal
further = study.draw_patients(5000, seed, effect, signal=signal)
single = [
    auc_interval(~further["responder"], further[name])[0]
    for name in study.TRAITS
]
turned = [max(auc, 1 - auc) for auc in single]

# %% tags=["hide-input", "if-simulated"]
best = (aucs["AUC"] - 0.5).abs().max() + 0.5
Markdown(
    f"The best of these {len(aucs)} numbers has an AUC of {best:.2f} (turned "
    "round where it is "
    f"below 0.5) on {len(training)} training patients. Among {len(further):,} "
    "further "
    "simulated patients the true traits alone "
    f"have {min(turned):.2f} to {max(turned):.2f}."
)

# %% [markdown] tags=["about-simulation"]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} Two tumours in a plane · recall · 5 min
# :label: ex-regions-two
#
# Two cores lie 6 mm apart, and the margin is 5 mm wide. To whose margin does the tissue between them belong? And the
# other core?
# ````
#
# ````{solution} ex-regions-two
# :class: dropdown
#
# What is within 5 mm of both belongs to both margins. A core belongs to no margin: it is tumour, whoever's.
# ````
#
# ````{exercise} A ring of five millimetres · compute · 5 min
# :label: ex-regions-ring
#
# A core is a circle 20 mm across. How large is its margin of 5 mm, as a multiple of the core's area?
#
# Check: `check("ex-regions-ring", ...)` (ratio).
# ````
#
# ````{solution} ex-regions-ring
# :class: dropdown
#
# $(15^2 - 10^2) / 10^2 = 1.25$: the margin of such a tumour is larger than its core, so a mean over both is mostly a
# mean over the margin.
# ````
#
# ````{exercise} A ring of ten · vary · 5 min
# :label: ex-regions-wide
#
# The same for a margin of 10 mm, this time on pixels: `regions.margin_of` on a grid of 0.05 mm.
#
# Check: `check("ex-regions-wide", ...)` (ratio).
# ````
#
# ````{solution} ex-regions-wide
# :class: dropdown
#
# ```python
# at_mm = np.arange(-22, 22, 0.05)
# disc = np.hypot(at_mm[:, None], at_mm) <= 10
# regions.margin_of(disc, at_mm, at_mm, 10.0).sum() / disc.sum()
# ```
# By hand $(20^2 - 10^2) / 10^2 = 3$; pixels at the border make the difference.
# ````
#
# ````{exercise} Size alone · compute · 10 min
# :label: ex-regions-size
#
# Compute the AUC of the number of windows in the core (`summary["windows"]`). What should it be in the simulated
# cohort, and why does the check matter?
# ````
#
# ````{solution} ex-regions-size
# :class: dropdown
#
# Near 0.5: size is drawn independently of response. If it were not, a network could read the answer off the outline and
# we would praise it for quantitative ultrasound.
# ````
#
# ````{exercise} A margin too wide · vary · 15 min
# :label: ex-regions-margin
#
# Rerun with `margin_mm=10.0`. The simulated margin is 5 mm thick. What do the margin's AUCs do?
# ````
#
# ````{solution} ex-regions-margin
# :class: dropdown
#
# The wider band takes in background, which carries no information in the simulation: the medians move towards the
# background's and the AUCs towards 0.5.
# ````
#
# ````{exercise} Two readers · project · 60 min
# :label: ex-regions-readers
#
# Let two people outline the core on the same five B-modes, unseen by one another. How far apart are their outlines (the
# 95th percentile of the distance of one to the other, mm), and how far apart the medians of MBF in core and margin?
# ````
#
# ````{solution} ex-regions-readers
# :class: dropdown
#
# `regions.distance_outside_mm` of one core, taken at the border of the other, gives the distances. Set the difference
# of the medians against the spread between patients: where it is a good part of it, outlines are a source of error that
# no interval of this book knows. A margin of 5 mm moves with the outline; the core's median moves less, since most of
# the core is in both.
# ````
#
# ## Questions
#
# ````{dropdown} Why is the margin made from a distance in millimetres and not by growing the mask?
# A line is about ten times as wide as a sample is deep. The same number of pixels would be ten times thicker sideways
# than in depth.
# ````
#
# ````{dropdown} Why do all patients share the colours of a map?
# With colours stretched to each patient a bright core says nothing: nobody can tell a high value from the highest of a
# low tumour.
# ````
#
# ````{dropdown} Why are region means shown of training patients only?
# Whoever looks at test patients may choose by them what to try next. They stay unseen until the models are finished.
# ````
#
# ## Take-aways
#
# - Margins are made in millimetres and clipped by the image and by other cores.
# - Colours are shared between patients, or they cannot be compared.
# - Single means tell the groups apart in part, and the best of many on few patients looks better than it is; combining them
#   is the networks' task.
#
# ## Further reading
#
# - {cite:t}`tadayyon2017`: the margin enters: features of core and margin before treatment, and survival.
# - {cite:t}`sannachi2023`: which of many features of core and margin were chosen, in a larger cohort.
# - {cite:t}`sadeghinaini2017`: why the unevenness inside a tumour, and not only its mean, may tell of response.
