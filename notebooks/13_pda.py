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
# Cover a small patch of one {term}`parametric map` and see how far the predicted probability moves: done for every
# patch of every map, this gives the right half of the paper's Figure 2 {cite}`taleghamar2022`. Such maps look
# convincing. What are they worth?

# %% [markdown] tags=["if-simulated"]
# Here the patients are simulated, so we can check.

# %% [markdown] tags=["if-recorded"]
# Which tissue resists is not known of recorded patients. What can be checked without it is checked here: the maps against
# other methods, against random weights, and against what separates the training patients.

# %% [markdown]
# **You will learn**
#
# - how a prediction difference map is made, patch by patch;
# - why it is {term}`occlusion sensitivity <occlusion>`, and what a patch of zeros means to a network;
# - how to ask whether {term}`core` or {term}`margin` moves the prediction more, over all
#   {term}`test patients <test set>` and with intervals;
# - how to test such a map: against other methods, against random weights, and against what separates the classes.
#
# **You need**: {doc}`06_images`, {doc}`07_networks`, {doc}`10_evaluation`. **Time**: 30 minutes to read, one to two minutes
# to run once the models are trained.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
pda_patch_px: int = 8  # edge of the occluding patch, pixels
pda_stride_px: int = 4  # step between patches, pixels
pda_batch_size: int = 256  # images per forward pass
pda_draws: int = 10  # samples put into a patch in place of zeros
pda_random: int = 5  # networks with random weights that are asked the same
pda_checked: int = 12  # test patients whose maps are compared between networks
level: float = 0.95  # confidence level of all intervals

# %% tags=["hide-input"]
from functools import partial

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
from IPython.display import Markdown
from tqdm import tqdm

from beyond import attribution
from beyond.contributions import (
    asked,
    beyond_random,
    central_plane,
    central_predictor,
    core_and_margin,
    explain_central,
    pixel_weights,
    region_moves,
)
from beyond.contributions import survey as survey_of
from beyond.means import bootstrap_mean
from entry.chapter import tracked
from helpers import stages
from helpers.data import study
from helpers.data.study import MODELS
from helpers.judgement import pda
from helpers.learning.fitting import resolve_device
from helpers.learning.images import scale
from helpers.learning.networks import PatientModel
from helpers.learning.training import untrained_model
from helpers.maps.planes import map_plane
from helpers.settings import load_settings
from pages import figures, judgement
from pages.judgement import listing, mean_in_words
from pages.patients import SOURCES
from pages.pda import (
    beside_random,
    draw_or_say,
    explained,
    medians,
    named_patient,
    nearest_to_truth,
    nulls,
    rank_in_words,
)
from reading import moving
from trust.patients import margins

figures.use_book_style()

# %% tags=["hide-input"]
settings = load_settings(
    profile,
    pda_patch_px=pda_patch_px,
    pda_stride_px=pda_stride_px,
    pda_batch_size=pda_batch_size,
    level=level,
)
results = stages.models(settings, artifacts)
images = stages.images(settings, artifacts)
patients = stages.cohort(settings, artifacts).astype({"responder": bool})
device = resolve_device(settings.computing.device)
slug = "ran_core_margin"  # model 4, as in the paper's figure
model = results.load(slug, device)
whose, channels = settings.study.whose, list(images.channels)

# %% [markdown]
# ## What is computed
#
# Let $x$ be the images of a tumour, $p(x)$ the probability of non-response, and $x_{\setminus k, c}$ the same
# images with the pixels of patch $k$ of map $c$ set to zero. The prediction difference is
#
# $$ \mathrm{PD}_{k,c} = \left| p(x) - p(x_{\setminus k, c}) \right| . $$ (eq-difference)
#
# The paper calls this a *modified* {term}`prediction difference analysis <prediction difference analysis (PDA)>` (PDA).
# The original one {cite}`zintgraf2017` does not put in zeros: it draws what the patch could have shown, given its
# surroundings, and averages the prediction over the draws. With zeros the method is called **occlusion sensitivity**
# {cite:p}`zeiler2014`. We keep the paper's letters and say what they stand for. The difference matters below.
#
# ## Two patients
#
# The paper shows "representative" patients. **Decision**: patients are chosen by rule, of the test patients of each
# class the one whose probability is nearest to the truth, so that the network has something to explain. (Without a test
# patient, of the validation or of the training patients.)

# %%
part, rows = explained(results.predictions, slug)
chosen = nearest_to_truth(rows)

# %% tags=["hide-input"]
names = {
    name: named_patient(name, patient, part, settings)
    for name, patient in chosen.items()
}
called = np.where(rows.probability >= 0.5, "non-responder", "responder")
called = pd.Series(called, rows.index)
listed = "\n".join(
    f"- {names[name]}, probability of non-response "
    f"{rows.probability[patient]:.2f}, called {called[patient]}"
    for name, patient in chosen.items()
)
lost = judgement.lacking(~rows.responder, f"the {part} set")
unlisted = f"Shown: {' and '.join(names.values()).lower()}."
Markdown(
    (listed if settings.study.simulated else unlisted)
    + f"\n\n{judgement.sentence(lost.replace('computed', 'shown'))}"
)

# %% [markdown]
# ## One patch, by hand
#
# A tumour has several planes, and the prediction rests on the mean of their feature vectors. **Decision**: only the
# central {term}`plane` is changed; the others stay as they are.
#
# So the vectors of the others are computed once and kept. First the check that this shortcut predicts what the table of
# predictions says, then one patch over the middle of the image, of the non-responder if there is one:

# %%
example = list(chosen)[-1]
as_seen = images, chosen[example], model.scaling, model.region
predict, plane = central_predictor(model, central_plane(*as_seen))
centre, half = plane.shape[-1] // 2, pda_patch_px // 2
middle = slice(centre - half, centre + half)
covered = plane.clone()
covered[0, middle, middle] = 0
whole, without = predict(torch.stack([plane, covered])).tolist()

# %% tags=["hide-input"]
patient = chosen[example]
saved = rows.probability[patient]
told = (
    f"{patient}: probability {whole:.6f} (table: "
    f"{saved:.6f}). With {pda_patch_px} × {pda_patch_px} "
    f"pixels of {channels[0]} at zero: {without:.6f}, a difference of "
    f"{abs(whole - without):.6f}."
)
kept_back = (
    f"{names[example]}: the shortcut and the table differ by "
    f"{abs(whole - saved):.6f}. With {pda_patch_px} × {pda_patch_px} pixels "
    f"of {channels[0]} at zero the probability moves by "
    f"{abs(whole - without):.6f}."
)
Markdown(told if settings.study.simulated else kept_back)

# %% [markdown]
# ## All patches
#
# `pda.prediction_difference` writes each difference at the centre of its patch. **Decision**: between the centres of
# patches a map is interpolated linearly, and outside the outermost ones has the nearest value; where the step does not
# fit, one more patch lies flush with the border.
#
# A patch that holds only zeros already cannot change anything and is skipped: outside the tumour all maps are zero.
# {numref}`fig-pda-responder` and {numref}`fig-pda-nonresponder` show {eq}`eq-difference` everywhere. **Decision**: all
# maps share one colour scale, from zero to 5 percentage points (10, 20, 50 or 100 where that is too little): what is
# small looks small.
#
# The forward passes run in true float32, because the differences can be smaller than the error of faster number
# formats.

# %%
size = pda_patch_px, pda_stride_px, pda_batch_size
central = {
    name: central_plane(images, patient, model.scaling, model.region)
    for name, patient in chosen.items()
}
differences = {
    name: explain_central(model, planes, *size)
    for name, planes in central.items()
}

# %% tags=["hide-input"]
largest = {
    name: channels[value.max((1, 2)).argmax()]
    for name, value in differences.items()
}
Markdown(
    "\n".join(
        f"- {name}: largest difference {100 * value.max():.2f} percentage "
        f"points in {largest[name]}"
        for name, value in differences.items()
    )
)

# %% tags=["hide-input"]
drawn = {}
for name, patient in chosen.items():
    image = central[name].image
    number, extent_mm = (
        int(images.plane[image]),
        tuple(images.extent_mm[image]),
    )
    acquired = stages.acquire(settings, artifacts, patient, number)
    drawn[name] = (
        map_plane(acquired, settings.maps, with_b_mode=True),
        differences[name],
        images.mask(model.region)[image],
        extent_mm,
        names[name]
        + f": probability of non-response {rows.probability[patient]:.2f}"
        * settings.study.simulated,
        images.fields,
    )

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pda-responder", "caption": "{{ Whose }} patient, responder. Top: B-mode of the central plane, whole and closer. Below, on the left the parametric overlays, on the right the prediction differences of model 4 in percentage points, one colour scale for all maps. Dashed: core. Windows that do not stand out of the noise are left empty. After Figure 2 of the paper."}, "image": {"alt": "Two grey B-mode images above rows, each with a coloured parametric map over the B-mode beside its map of prediction differences; the core is outlined with a dashed line."}}
figure = draw_or_say(drawn, "responder", lost)
plt.show()

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pda-nonresponder", "caption": "{{ Whose }} patient, non-responder. Top: B-mode of the central plane, whole and closer. Below, on the left the parametric overlays, on the right the prediction differences of model 4 in percentage points, one colour scale for all maps. Dashed: core. Windows that do not stand out of the noise are left empty. After Figure 2 of the paper."}, "image": {"alt": "Two grey B-mode images above rows, each with a coloured parametric map over the B-mode beside its map of prediction differences; the core is outlined with a dashed line."}}
figure = draw_or_say(drawn, "non-responder", lost)
plt.show()

# %% [markdown]
# {numref}`fig-overview` is the whole path of this book in one figure, from the echo of the last of these patients to what the calls of model 4 say
# of the survival of those who are judged ([](12_survival) draws it for all four models, [](11_roc) their {term}`ROC <receiver operating characteristic (ROC)>` curves):

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-overview", "caption": "{{ Whose }} patients, from echo to outcome. First, one patient: B-mode with the core dashed, a parametric map of core and margin, and by how much the probability of non-response changes where that map is covered. Windows that do not stand out of the noise are left empty. Then those who are judged: ROC curve of model 4 with its band, the dot at a threshold of 0.5, and recurrence-free survival of the groups that it calls."}, "image": {"alt": "Five panels of {{ whose }} patients: a grey ultrasound image, the same with a coloured map of the tumour, the same with a map of prediction differences, a stepped ROC curve with a wide band, and two Kaplan-Meier curves"}}
from reading.overview import overview

follow_up = patients.loc[rows.index, ["duration_years", "recurrence"]]
calls = rows[["responder", "probability"]].join(follow_up)
figure = overview(drawn[example], calls, part, level)
plt.show()

# %% [markdown]
# ## Core or margin?
#
# The paper finds the impact of the margin "highlighted particularly in the {term}`MBF <mid-band fit (MBF)>` and
# {term}`EAC <acoustic concentration (EAC)>` parametric images". To ask the same of our maps, add up the differences
# over core and margin. The margin may be the larger region, so its share has to be compared with the **even share**,
# that of a network to which every pixel of tissue matters equally. This is not its share of the area: a patch in the
# thin margin reaches beyond the tumour, and blanks less tissue than one in the core. `beyond.contributions.even_map` makes the
# map of such a network.
#
# **Decision**: core and margin are compared by their shares of the summed differences against even shares, over all
# test patients ({numref}`fig-margin-share`).
#
# Two patients are two anecdotes, so we take all patients of that set. Patches keep their size and lie side by side, so
# that every pixel is covered once.

# %%
same = images, rows.index, pda_patch_px, pda_patch_px, pda_batch_size
_, survey = survey_of(partial(asked, model), *same)
excess = {
    name: bootstrap_mean(values, level)
    for name, values in survey.excess.groupby("parameter", sort=False)
}


# %% [markdown]
# A network that has learned nothing has such a map, too: what its layers do to a ring and to a disc is no finding about tissue. So
# the same is asked of networks with random weights, and only what lies beyond them is said of ours: where one more random
# network would lie with a probability of {{ level_percent }} %, by the spread of those that were asked. Beside them stand
# networks that were trained, on shuffled responses: they have learned something, but nothing about response. They are
# those of [](14_patients), whatever cohort this page is about ({numref}`tab-margin-share`).

# %%
nets = [  # none of these was trained
    untrained_model(
        settings.replace(seed=seed), MODELS[slug], model.scaling, device
    )
    for seed in range(101, 101 + pda_random)
]
surveys = [survey_of(partial(asked, net), *same)[1] for net in nets]
means_of = [
    table.excess.groupby("parameter", sort=False).mean()
    for table in (survey, *surveys)
]
null = beyond_random(means_of[0], pd.DataFrame(means_of[1:]), level)
shuffled = margins(tracked("results/experiment.json"), slug)
of_shuffled = beyond_random(means_of[0], shuffled, level)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-margin-share", "caption": "{{ Whose }} patients: shares of core and margin in the prediction differences, and of each map, beside random weights and shuffled responses."}}
in_words = partial(mean_in_words, level=level)
said = {
    verdict: listing(null.index[null.verdict == verdict]) or "no map"
    for verdict in ("more", "less")
}
known = [name for name, (_, low, _) in excess.items() if np.isfinite(low)]
judged = (null.verdict.reindex(known) == "more") | (
    null.verdict.reindex(known) == "less"
)
left = "; what the other maps show, random weights show" * any(judged)
left = "" if all(judged) else left or ": random weights show the same"
unknown = [name for name in channels if name not in known]
same_side = judged & (null.verdict == of_shuffled.verdict).reindex(known)
passed = listing(same_side.index[same_side]) or "no map"
named = {
    "of_all": "map's share of all",
    "core": "core's share",
    "margin": "margin's share",
    "excess": "margin's share less the even one",
}
shares = survey.groupby("parameter", sort=False)[list(named)].agg(in_words)
shares["excess"] = [
    judgement.with_interval(excess[name], "+.3f") for name in shares.index
]
of_margin = in_words(survey.margin_even.groupby("patient").first())
by_random = {
    "– of random weights": nulls(null),
    "– of shuffled responses": nulls(of_shuffled),
}
Markdown(
    f"{whose} {part} patients, all {len(rows)}: means with {100 * level:.0f} "
    "% "
    "intervals, patients drawn anew. The margin's even share: "
    f"{of_margin}.\n\n"
    + shares.rename(columns=named)
    .assign(**by_random)
    .T.to_markdown(disable_numparse=True)
    + (
        f"\n\nCompared with {pda_random} networks of random weights a pixel "
        "of the margin weighs "
        f"more in {said['more']}, less in {said['less']}{left}."
        + f" Beyond networks trained on shuffled responses, too: {passed}."
        * bool(len(shuffled))
    )
    * bool(known)
    + f" No interval, for want of patients or margins: {listing(unknown)}."
    * bool(unknown)
    + " The paper names MBF and EAC for more."
)

# %% tags=["remove-cell"]
from reading.results import keep

for name, row in null.iterrows():
    three = row.own - np.array([row.random, row.high, row.low])
    label = f"weight of the margin of {name}, trained less random weights"
    keep(f"margin_{name}", label, three, form="+.3f", at="fig-margin-share")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-margin-share", "caption": "{{ Whose }} patients. The margin's share of the summed prediction differences less the even share, central plane, one dot per patient; black: mean and {{ level_percent }} % interval of the mean. Above zero, a pixel of the margin moves the prediction more than one of the core. Grey: where a network with random weights lies with a probability of {{ level_percent }} %."}, "image": {"alt": "Columns of dots, one per parametric map, around a horizontal line at zero, each with its mean and a short interval in black beside a grey band of random weights."}}
figure, ax = figures.subplots()
jitter = np.random.default_rng(0).uniform(-0.15, 0.15, len(rows))
for column, parameter in enumerate(channels):
    mean, low, high = excess[parameter]
    values = survey.excess.xs(parameter, level="parameter")
    look = {"color": f"C{column}", "alpha": 0.5, "ms": 4}
    ax.plot(column + jitter, values, "o", **look)
    ends, look = [[mean - low], [high - mean]], {"fmt": "_", "color": "k"}
    ax.errorbar(column + 0.3, mean, ends, ms=10, capsize=3, **look)
    span = null.loc[parameter, "high"] - null.loc[parameter, "low"]
    ax.bar(
        column, span, 0.8, null.loc[parameter, "low"], color="0.85", zorder=0
    )
ax.axhline(0, color="0.5", ls=":")
ax.set(xticks=range(len(channels)), xticklabels=channels)
_ = ax.set(ylabel="margin's share less even")

# %% [markdown]
# One warning before any of this is believed. A difference stands at the centre of its patch, but comes from all
# of it:

# %% tags=["hide-input"]
pixel_mm = settings.images.field_of_view_mm / settings.images.image_px
paper_mm = 8 * settings.images.field_of_view_mm / 512
Markdown(
    f"Here a patch of {pda_patch_px} pixels is {pda_patch_px * pixel_mm:.1f} "
    "mm "
    f"wide, the margin {settings.maps.margin_mm:g} mm and a window of the "
    "maps "
    f"{settings.maps.window_mm:g} mm. With the paper's 512 pixels over the "
    "same "
    f"field of view its patch of 8 would be {paper_mm:.2f} mm wide."
)

# %% [markdown]
# A patch as wide as the margin mixes core and margin, and one smaller than a window removes less than the
# window had spread. Further down we blank whole regions instead, which mixes nothing.
#
# ## What does zero mean?
#
# In our scaling zero is no tissue value: tissue starts at 0.1, and zero says "outside the tumour". A patch of zeros
# inside the core is a hole such as no training image had, so the difference mixes *what was there* with *how odd a hole
# is*. Zintgraf's answer is to put in what might have been there. Squares of tissue from the training patients, a patch
# with a ring of two pixels around it, give a normal distribution; the ring that is really there then tells how the
# patch is likely to look, and `attribution.conditional_fill` draws it.

# %%
of_training = patients.index[patients.split == "train"]
train = images.select(np.isin(images.patient, of_training))
train_planes = scale(train, model.scaling, model.region)
edge = pda_patch_px + 4
n_squares = attribution.count_squares(train.region, edge)
if n_squares >= attribution.FEWEST:
    squares = attribution.fit_squares(train_planes, train.region, edge)

# %%
patient, planes = chosen[example], central[example]
predict, plane = central_predictor(model, planes)
inside = images.mask(model.region)[planes.image]
zeros = pda.patch_differences(predict, plane, *size)
if n_squares >= attribution.FEWEST:
    fill = attribution.conditional_fill(
        squares, plane.cpu().numpy(), inside, pda_patch_px
    )
    draws = attribution.sampled_differences(
        predict, plane, fill, pda_draws, *size
    )

# %% tags=["hide-input"]
with_draws = n_squares >= attribution.FEWEST
told = (
    f"Draws are not computed: {n_squares} squares of {edge} × {edge} pixels "
)
told += "in tissue."
if with_draws:
    largest, mean = (
        [100 * statistic(np.abs(one)) for one in (zeros, draws)]
        for statistic in (np.max, lambda values: values[zeros != 0].mean())
    )
    told = (
        f"{names[example][0].upper()}{names[example][1:]}: the largest "
        "difference is "
        f"{largest[0]:.2f} percentage points "
        f"with zeros and {largest[1]:.2f} with {pda_draws} draws; the mean "
        "over the "
        f"patches that matter is {mean[0]:.2f} and {mean[1]:.2f}."
    )
Markdown(told)

# %% [markdown]
# ## The same question to other methods
#
# The library captum {cite:p}`kokhlikyan2020` has the usual attributions ready made; `predict` is all they need.
# {numref}`fig-attributions` shows them, {numref}`tab-agreement` how far they agree, {numref}`tab-method-shares` what they
# make of each map.
#
# - **Occlusion** is the same zeros, but keeps the sign and gives a pixel the mean over the patches that cover it,
#   instead of writing at the centre. It is also what our function is tested against.
# - **Integrated gradients** {cite:p}`sundararajan2017` adds up the gradient on the way from an empty image to this one.
#   The pixels' values sum to $p(x) - p(0)$, so nothing is left out, but for the error of a sum of 100 steps. We show the mean over a patch.
# - **Grad-CAM** {cite:p}`selvaraju2017` weighs the maps of a late layer by their gradients. It has one coarse map for
#   all parameters and cannot tell them apart.

# %%
image, n = plane[None].requires_grad_(), plane.shape[-1]
window = (1, pda_patch_px, pda_patch_px), (1, pda_stride_px, pda_stride_px)
answers = []  # of model 4, then of random weights
for net in (model, *nets):
    predict, _ = central_predictor(net, planes)
    integrated = IntegratedGradients(predict).attribute(
        image,
        n_steps=100,
        internal_batch_size=16,
        method="riemann_trapezoid",
    )
    occlusion = Occlusion(predict).attribute(
        image, *window, perturbations_per_eval=pda_batch_size
    )
    whole = (predict(image) - predict(0 * image)).item()
    answers.append((predict, integrated, occlusion, whole))

# %%
found = []
for net, (predict, integrated, occlusion, _) in zip(
    (model, *nets), answers, strict=True
):
    backbone = net.feature_network.backbone
    late = [backbone.tail, *backbone.attention_modules()][-1]
    cam = LayerGradCam(predict, late).attribute(image)
    cam = LayerAttribution.interpolate(cam, (n, n), "bilinear")
    zeros = pda.patch_differences(predict, plane, *size)
    maps_of = attribution.on_one_grid(
        zeros, *size[:2], occlusion=occlusion, gradients=integrated, cam=cam
    )
    found.append(maps_of)

# %% tags=["hide-input"]
if with_draws:
    at_centres = plane.shape, pda_patch_px, pda_stride_px
    found[0]["draws"] = pda.on_pixels(np.abs(draws), *at_centres)
methods, (_, integrated, _, whole) = found[0], answers[0]
Markdown(
    f"Check: integrated gradients sum to {integrated.sum().item():.4f}, p(x) "
    "− p(0) is "
    f"{whole:.4f}."
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-attributions", "caption": "{{ Whose }} patient, the one explained above, central plane: magnitude of several attributions of the same prediction, core and margin only. Columns: parametric maps. Each row has its own colour scale, from zero to its largest value; Grad-CAM, below, has one map for all parameters. Dashed: core."}, "image": {"alt": "A grid of small coloured maps of one tumour, a column for each parametric map; the rows show different patterns, and the last has a single map."}}
finer = [name for name in methods if name != "Grad-CAM"]
panels = [(name, row) for name in finer for row in range(len(channels))]
panels.append(("Grad-CAM", 0))
n_maps = len(channels)
figure, axes = figures.panels(len(panels), n_maps, 1.5, shared=True)
index = planes.image
extent_mm = tuple(images.extent_mm[index])
for number, (ax, (name, row)) in enumerate(zip(axes, panels, strict=True)):
    values = methods[name]
    look = {"cmap": "magma", "vmax": values[:, inside].max() + 1e-12}
    shown = np.where(inside, values[row], np.nan)
    ax.imshow(shown, extent=extent_mm, vmin=0, **look)
    figures.show_outline(ax, images.core[index], extent_mm, colour="tab:cyan")
    if number < n_maps:
        ax.set_title(list(channels)[row])
    if not row:
        ax.set_ylabel(name.replace(" ", "\n"))
axes[-1].set_title("one for all maps")
left, _, _, top = extent_mm
across, down = (
    np.flatnonzero(inside.any(axis))[[0, -1]] * pixel_mm for axis in (0, 1)
)
_ = axes[0].set(
    xlim=left + across + (-2, 2 + pixel_mm),
    ylim=(top + down + (-2, 2 + pixel_mm))[::-1],
)
figure.supxlabel("lateral / mm")
figure.supylabel("depth / mm")
plt.show()

# %%
agree = [attribution.agreements(maps_of, inside) for maps_of in found]
share = [
    pd.DataFrame(
        {
            name: values[:, inside].sum(1) / values[:, inside].sum()
            for name, values in maps_of.items()
            if name != "Grad-CAM"
        },
        channels,
    )
    for maps_of in found
]

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-agreement", "caption": "{{ Whose }} patient: rank correlation of the maps of several methods. Draws are not asked of random weights."}}
who = f" {patient}" if settings.study.simulated else ""
Markdown(
    "Rank correlation over the pixels of core and margin, all maps "
    f"together, {whose.lower()} patient{who}; in brackets the range of "
    f"{pda_random} networks with random weights:\n\n"
    + beside_random(agree[0], agree[1:]).to_markdown(disable_numparse=True)
)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-method-shares", "caption": "{{ Whose }} patient: share of each map by each method; in brackets the range of networks with random weights, which draws are not asked of."}}
Markdown(beside_random(share[0], share[1:]).to_markdown(disable_numparse=True))

# %% [markdown]
# Zeros and captum's occlusion are one method drawn in two ways: their correlation is the yardstick for the others.
# Where zeros and draws disagree, the map with zeros tells about the hole and not about the tissue. No column is
# *right*: each answers another question about the same network. What lies within the brackets, a network that has
# learned nothing would have shown as well.
#
# ## Does the map depend on what was learned?
#
# {cite:t}`adebayo2018` propose a test that every explanation should pass: give the network random weights. If the map
# stays the same, it did not show what was learned. We compare with fresh weights everywhere, with fresh weights in the
# {term}`predictive network` alone, and, the other way round, with model 2, which has learned the same task from the
# same patients with another architecture ({numref}`fig-random-weights`, {numref}`tab-random`).

# %%
other_seed = settings.replace(seed=settings.training.seed + 1)
fresh = untrained_model(other_seed, MODELS[slug], model.scaling, device)
head = PatientModel(
    model.feature_network,
    fresh.predictive_network,
    model.scaling,
    model.region,
)
others = {
    "random weights": fresh,
    "random head": head,
    "trained, model 2": results.load("resnet_core_margin", device),
}

# %%
checked, correlations = rows.index[:pda_checked], []
for patient in tqdm(checked, desc="patients"):
    planes = central_plane(images, patient, model.scaling, model.region)
    own = explain_central(model, planes, *size)
    tumour = core_and_margin(images, planes.image).any(0)
    pixels = {
        "core and margin": tumour,
        "whole image": np.full_like(tumour, 1),
    }
    for name, network in others.items():
        other = explain_central(network, planes, *size)
        for where, mask in pixels.items():
            agree = attribution.agreement(own, other, mask)
            correlations.append((name, where, agree))

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-random", "caption": "{{ Whose }} patients: rank correlation of prediction differences with those of other networks."}}
correlations = pd.DataFrame(
    correlations, columns=["compared with", "pixels", "correlation"]
)
grouped = correlations.groupby(["compared with", "pixels"], sort=False)
Markdown(
    "Rank correlation of model 4's maps with those of another network, mean "
    f"over {len(checked)} {whose.lower()} {part} patients ({100 * level:.0f} "
    "% "
    "interval):\n\n"
    + grouped.correlation.agg(in_words).unstack().to_markdown()
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-random-weights", "caption": "{{ Whose }} patients. Rank correlation of the prediction differences of model 4 with those of a network with random weights, of its own feature network under a random head, and of trained model 2; one dot per patient. A: over the pixels of core and margin. B: over the whole image, where the zeros outside the tumour agree by themselves."}, "image": {"alt": "Two panels with three columns of dots each, one column per comparison; the dots of the second panel lie far above those of the first."}}
figure, axes = figures.subplots(2, row_in=2.9, sharey=True)
of_pixels = correlations.groupby("pixels", sort=False)
labels = [name.replace(", ", ",\n") for name in others]
for ax, (where, found) in zip(axes, of_pixels, strict=True):
    for column, name in enumerate(others):
        values = found[found["compared with"] == name].correlation
        x = column + np.linspace(-0.15, 0.15, len(values))
        ax.plot(x, values, "o", color=f"C{column}", alpha=0.7, ms=5)
    ax.axhline(0, color="0.5", ls=":")
    _ = ax.set(
        xticks=range(3), xticklabels=labels, xlim=(-0.5, 2.5), title=where
    )
_ = [ax.set(ylabel="rank correlation") for ax in axes]

# %% [markdown]
# The same for the eye. In {numref}`fig-moving-explanation`, lay either network's differences over the map and make them more or less opaque: would you have known
# which of the two had learned something?

# %% tags=["hide-input"]
sure = (rows.probability - 0.5).abs().sort_values()
rule = {
    name: f"{kind.capitalize()} nearest to the truth"
    for kind, name in chosen.items()
}
if sure.index[0] not in rule:
    rule[sure.index[0]] = "Called with least certainty"
shown = []
for patient, title in rule.items():
    planes = central_plane(images, patient, model.scaling, model.region)
    at = planes.image
    acquired = stages.acquire(
        settings, artifacts, patient, int(images.plane[at])
    )
    layers = {
        name: explain_central(net, planes, *size)
        for name, net in {
            "Differences of model 4": model,
            "Differences of a network with random weights": nets[-1],
        }.items()
    }
    shown.append(
        moving.Explained(
            title,
            map_plane(acquired, settings.maps, with_b_mode=True),
            images.maps[at],
            images.mask(model.region)[at],
            tuple(images.extent_mm[at]),
            layers,
        )
    )

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-moving-explanation", "caption": "{{ Whose }} patients, chosen by rule. B-mode, over it a parametric map, and over that, with an opacity to move, the prediction differences of model 4 or of a network with random weights, both on one scale. Core dashed."}, "image": {"alt": "A parametric map over a B-mode image beside the maps of prediction differences of a trained network and of one with random weights"}}
moving.explanation(shown, images.fields)

# %% [markdown]
# Two lessons. First, over the whole image *any* two maps agree, because the outline is in all of them: an eye that
# compares pictures sees the tumour, not the network. Second, a map that differs from that of random weights has passed
# the test, which is necessary and no more. If two trained networks disagree as much with each other as with chance,
# a map tells about one network's arithmetic and not about the tumour.
#
# ## Does it point to where the signal is?
#
# On real patients nobody can answer this; what can be asked is which map separates the classes.

# %% [markdown] tags=["if-simulated"]
# Here we know what response was given to the tissue:

# %% tags=["hide-input", "if-simulated"]
mean = settings.study.signal == "mean"  # no trait alone tells, if not
strength = study.EFFECTS[settings.study.effect] if mean else 0.0
name_of = {
    name: SOURCES.parameter[name].split(" /")[0] for name in study.TRAITS
}
traits = ", ".join(
    f"{name_of[name]} {strength * trait.loading:+.2f}"
    for name, trait in study.TRAITS.items()
)
Markdown(
    "Correlation of the simulated traits with resistance to chemotherapy: "
    f"{traits}."
    + ("" if mean else f" It follows their {settings.study.signal} instead.")
)

# %% [markdown]
# The network does not see traits but maps, which follow from the size and number of scatterers, more or less noisily.
# So we ask which map, in which region, separates the *training* patients best, by its mean or by its spread (which
# shows heterogeneity). On the other side stands what moves the network, in two ways: the prediction differences per
# pixel, as above; and the change when one whole region of one map is set to the training patients' median, which leaves
# no hole and mixes no regions. {numref}`tab-truth` has all three side by side.


# %%
regions = {"core": train.core, "margin": train.region & ~train.core}
separated = {
    (region, what): attribution.separation(
        train_planes, mask, train.patient, ~patients.responder, statistic
    )
    for region, mask in regions.items()
    for what, statistic in [("mean", np.nanmean), ("SD", np.nanstd)]
}

# %%
typical = medians(train_planes, np.stack(list(regions.values())))  # (C, 2)
moved = [  # of each network: (patients, C, 2)
    region_moves(partial(asked, net), images, rows.index, typical)
    for net in (model, *nets)
]

# %%
truth = pd.concat(
    {
        region: pd.DataFrame(
            {
                f"AUC of {what}": separated[region, what]
                for what in ("mean", "SD")
            },
            index=channels,
        )
        for region in regions
    }
)
best = truth.max(axis=1)
tables = [  # of ours, then of each network with random weights
    pd.DataFrame(
        {
            "weight": pixel_weights(asked_all).mean()[truth.index],
            "moved": 100 * change.mean(0).T.ravel(),
        },
        index=truth.index,
    )
    for asked_all, change in zip((survey, *surveys), moved, strict=True)
]

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-truth", "caption": "{{ Whose }} patients: what separates the training patients, and what moves the network."}}
named = {
    "weight": "differences per pixel, 1 = even (random weights)",
    "moved": "region at median: mean change / points (random weights)",
}
told = {
    what: rank_in_words(best, tables[0][name], [t[name] for t in tables[1:]])
    for name, what in {
        "weight": "differences per pixel",
        "moved": "change with the region at its median",
    }.items()
}
readable = truth.map("{:.2f}".format).replace("nan", "–")
readable = readable.join(beside_random(tables[0], tables[1:]))
readable = readable.rename_axis(["region", "parameter"]).reset_index()
Markdown(
    f"{whose} patients: AUC on {len(np.unique(train.patient))} training "
    "patients, "
    f"network on {len(rows)} {part} patients, in brackets the range of "
    f"{pda_random} networks with random weights:\n\n"
    + readable.rename(columns=named).to_markdown(
        index=False, disable_numparse=True
    )
    + f"\n\nRank correlation of the better AUC over these {len(truth)} rows "
    "with "
    + " and with ".join(f"the {what} {found}" for what, found in told.items())
    + "."
)

# %% [markdown]
# So many rows are few, and the maps are not independent of each other: what MBF says, EAC and
# {term}`SI <spectral intercept (SI)>` say in other units. So a low correlation does not prove the network wrong: it may
# read the same news from another map. A high one would not prove the single patient's map right.
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
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} What zero says · recall · 5 min
# :label: ex-pda-zero
#
# What does a patch of zeros in the middle of a core say to a network that was trained on these images?
# ````
#
# ````{solution} ex-pda-zero
# :class: dropdown
#
# "Outside the tumour", at a place where no training image had an outside. The difference mixes what was covered with
# how odd the hole is.
# ````
#
# ````{exercise} How many passes · compute · 5 min
# :label: ex-pda-passes
#
# Patches of 8 pixels every 4 pixels over four maps of 64 pixels: how many forward passes, if every patch holds tissue?
#
# Check: `check("ex-pda-passes", ...)` (forward passes).
# ````
#
# ````{solution} ex-pda-passes
# :class: dropdown
#
# $(64 - 8)/4 + 1 = 15$ starts along an edge, $15^2 = 225$ patches a map, 900 in four. Patches of zeros are skipped, so
# it takes fewer.
# ````
#
# ````{exercise} The sign · compute · 10 min
# :label: ex-pda-sign
#
# `pda.patch_differences` keeps the sign. Where do patches speak for non-response in this patient?
# ````
#
# ````{solution} ex-pda-sign
# :class: dropdown
#
# ```python
# signed = pda.on_pixels(zeros, plane.shape, pda_patch_px, pda_stride_px)
# figure, ax = plt.subplots()
# look = "p - p(without) / points", "RdBu_r", (-1, 1)
# figures.show_map(ax, 100 * signed[0], images.extent_mm[index], *look)
# ```
#
# Positive values: without the patch non-response is less likely, so the patch speaks for it.
# ````
#
# ````{exercise} Core only · vary · 10 min
# :label: ex-pda-core
#
# Repeat the analysis for model 3, which sees only the core. What must the map show in the margin, and why is it not
# exactly zero there?
# ````
#
# ````{solution} ex-pda-core
# :class: dropdown
#
# Set `slug = "ran_core"` and run the chapter again. Outside the core all pixels are zero, so patches that lie wholly in
# the margin are skipped and have a difference of 0. Patches that straddle the border hold some core, and their
# difference stands at their centre, which may lie in the margin.
# ````
#
# ````{exercise} Larger patches · vary · 10 min
# :label: ex-pda-patch
#
# Double `pda_patch_px` and `pda_stride_px`. How does the largest difference change? What would a patch of the whole
# image show?
# ````
#
# ````{solution} ex-pda-patch
# :class: dropdown
#
# ```python
# predict, plane = central_predictor(model, central[example])
# for patch in (4, 8, 16, plane.shape[-1]):
#     step = max(patch // 2, 1)
#     values = pda.patch_differences(
#         predict, plane, patch, step, pda_batch_size
#     )
#     print(patch, np.abs(values).max((1, 2)))
# ```
#
# A larger patch removes more and usually moves the prediction more, with less detail. A patch of the whole image blanks
# one map: one number per map, the importance of the parameter in this plane.
# ````
#
# ````{exercise} A kinder patch · vary · 20 min
# :label: ex-pda-median
#
# Put the plane's own median into the patch in place of zeros. Is its map nearer to that of the zeros or to that of the
# draws?
# ````
#
# ````{solution} ex-pda-median
# :class: dropdown
#
# ```python
# predict, plane = central_predictor(model, central[example])
# inside = core_and_margin(images, central[example].image).any(0)
# medians_here = [channel[inside].median() for channel in plane.cpu()]
# def fill(channel, top, left):
#     tissue = inside[top : top + pda_patch_px, left : left + pda_patch_px]
#     return torch.from_numpy(tissue) * medians_here[channel]
# sizes = pda_patch_px, pda_stride_px, pda_batch_size
# kind = pda.prediction_difference(predict, plane, *sizes, fill)
# for name in ("zeros", "draws"):
#     print(attribution.agreement(kind, methods[name], inside))
# ```
#
# As a rule nearer to the draws: both leave no hole. The median still is one value for the whole patch, flat as no
# tissue is; a draw keeps the texture.
# ````
#
# ````{exercise} Would a reader notice? · project · 60 min
# :label: ex-pda-reader
#
# Draw the maps of six test patients by the trained network and by one with random weights, shuffle them, and let three
# colleagues say which are which. What follows if they are right half of the time?
# ````
#
# ````{solution} ex-pda-reader
# :class: dropdown
#
# Eighteen guesses at a coin: `proportion_interval` of those that are right says how far from chance you can see. If
# nobody can tell, the pictures show outlines and values that every network responds to, and a figure of one patient is
# no evidence of what was learned. The table over all patients against random weights is.
# ````
#
# ## Questions
#
# ````{dropdown} Why is the paper's method occlusion sensitivity and not prediction difference analysis as first published?
# It covers a patch with zeros. The original draws what the patch could have shown, given its surroundings, and averages
# the prediction over the draws.
# ````
#
# ````{dropdown} Why does the margin's share of the differences need another yardstick than its share of the area?
# A patch in the thin margin reaches beyond the tumour and blanks less tissue than one in the core. The even share is
# that of a network to which all pixels are equal.
# ````
#
# ````{dropdown} A map of random weights looks like that of the trained network. What is it worth?
# It shows the image, not what was learned from responses. Only what lies beyond such maps is a finding.
# ````
#
# ## Take-aways
#
# - The method is occlusion sensitivity with zeros; a zero is a message of its own to the network.
# - Compare shares of importance with what a network would have to which all pixels are equal, and with networks of random
#   weights, over all patients and with intervals; what random weights show, too, is no finding.
# - Compare maps inside the tumour only: its outline agrees with itself.
# - Before believing a map, look at that of random weights and at that of another trained network.
#
# ## Further reading
#
# - {cite:t}`zintgraf2017`: the original analysis, which draws what a patch could have been.
# - {cite:t}`zeiler2014`: occlusion of patches, and what layers of a network respond to.
# - {cite:t}`adebayo2018`: sanity checks: explanations that do not change when the network forgets all.
#
# Also behind this page: {cite}`taleghamar2022`; integrated gradients after Sundararajan et al. (2017), Grad-CAM after
# Selvaraju et al. (2017), captum by Kokhlikyan et al. (2020); the passes can be sped up {cite}`nakandala2019`.
