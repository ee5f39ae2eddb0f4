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
# # What can go wrong
#
# Every mistake on this page has been published. Each is made here on purpose, on patients who carry **no signal**, or a
# known one, beside the honest way. Where there is nothing to find, an honest {term}`AUC <area under the curve (AUC)>`
# is 0.5 on average, and whatever stands above it is the mistake.
#
# **You will learn**
#
# - how planes, features, {term}`epochs <epoch>`, thresholds and configurations leak the answer, and by how much
# - what size, holes and accuracy say that is not about tissue
# - what a wrong {term}`attenuation`, another phantom and another scanner do to maps and to a model
#
# **You need**: {doc}`10_evaluation`, {doc}`14_patients`. **Time**: 20 minutes to read, a minute or two to run.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
level: float = 0.95  # confidence level of all intervals
repeats: int = 20  # shuffled cohorts per experiment
n_scans: int = 30  # further patients, scanned for attenuation and holes

# %% tags=["hide-input"]
from dataclasses import replace
from textwrap import fill

import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy.stats import norm
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from beyond import handmade
from helpers import stages
from helpers.data import study
from helpers.data.form_factor import scatterers
from helpers.data.phantom import ReferencePhantom
from helpers.data.simulation import System, simulate_phantom, simulate_plane
from helpers.judgement import auc
from helpers.learning.images import fit_scaling, scale
from helpers.maps.grid import window_grid
from helpers.maps.normalisation import line_fit, normalised
from helpers.maps.parametric import five_fits, five_offsets
from helpers.maps.planes import protocol_of
from helpers.settings import load_settings
from pages import chance, echoes, figures, judgement
from pages.printed import N_NON_RESPONDERS, N_RESPONDERS
from physics import focusing
from trust import baseline, pitfalls

# %% tags=["hide-input"]
figures.use_book_style()
settings = load_settings(profile, level=level)
patients = stages.cohort(settings, artifacts).astype({"responder": bool})
whose = settings.study.whose
images = stages.images(settings, artifacts)

# %% [markdown]
# The tables are the hand-made features of [](14_patients). Before each experiment the responses of the {{ whose }} cohort
# are **shuffled** among its patients: features are as they were, and nothing predicts the new responses. Each experiment
# is repeated with other shuffles; intervals are of the mean over them.

# %% [markdown] tags=["if-recorded"]
# Wherever patients are scanned anew (holes, attenuation, phantom), and wherever scores are drawn, they are
# **simulated**: no patient of the recorded cohort can be scanned again, and nobody knows the truth of hers.

# %%
mid_band_mhz = handmade.centre_mhz(settings.maps)
planes = handmade.plane_features(images, mid_band_mhz=mid_band_mhz)
planes = pitfalls.without_gaps(planes)  # with means that see no response
features = planes.groupby(images.patient).mean()  # one row per patient
why_not = pitfalls.too_few(len(features))
n_repeats = 0 if why_not else repeats

# %% [markdown]
# ## Planes of one patient on both sides
#
# Each tumour has several planes, and they look alike. Split the *planes* at random, and most test planes have sisters
# in the training set. A nearest-neighbour rule {cite:p}`cover1967` finds them and repeats their label. Nothing about
# response is learned; the patient is recognised ({numref}`tab-pitfalls-planes`,
# {numref}`fig-pitfalls-planes`).


# %%
def split_of_planes(table, patient, rng):
    """AUC over planes: planes split at random, and patients split."""
    names, of_plane = np.unique(patient, return_inverse=True)
    positive = pitfalls.shuffled(pd.Index(names), rng).to_numpy()[of_plane]
    neighbours = KNeighborsClassifier(5, weights="distance")
    model, x = make_pipeline(StandardScaler(), neighbours), table.to_numpy()
    shuffle = {"shuffle": True, "random_state": int(rng.integers(2**31))}
    told = {"method": "predict_proba"}
    # mistaken: sisters of a test plane are among the training planes
    n_folds = min(5, len(np.unique(of_plane[positive])))
    folds = StratifiedKFold(n_folds, **shuffle)
    by_plane = cross_val_predict(model, x, positive, cv=folds, **told)
    # honest: all planes of a patient are on one side
    folds = StratifiedGroupKFold(n_folds, **shuffle)
    by_patient = cross_val_predict(
        model, x, positive, groups=of_plane, cv=folds, **told
    )
    return {
        "planes split": pitfalls.aucs(positive, by_plane[:, 1]),
        "patients split": pitfalls.aucs(positive, by_patient[:, 1]),
    }


# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pitfalls-planes", "caption": "{{ Whose }} cohort, responses shuffled: planes or patients split."}}
no_sisters = (
    "" if len(planes) > len(features) else "not computed: one plane a patient"
)
leak = pitfalls.repeated(
    lambda rng: split_of_planes(planes, images.patient, rng),
    0 if no_sisters else n_repeats,
)
Markdown(no_sisters or why_not or pitfalls.told(leak, level))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pitfalls-planes", "caption": "{{ Whose }} cohort, responses shuffled: AUC over planes of a nearest-neighbour rule in each shuffled cohort, planes split at random and patients split. Dotted: chance."}, "image": {"alt": "Two columns of dots joined by lines; with planes split at random the areas under the curve lie far above one half, with patients split around it"}}
fig, ax = figures.subplots()
ways = ["planes split", "patients split"]
ax.set(xticks=[0, 1], xticklabels=ways, xlim=(-0.4, 1.4), ylabel="AUC")
if len(leak):
    look = {"color": "0.6", "mfc": "k", "mec": "k"}
    ax.plot([0, 1], leak[ways].T, "o-", **look)
    ax.axhline(0.5, **figures.CHANCE)
else:
    judgement.write_instead(ax, no_sisters or why_not)

# %% [markdown]
# ## Fitted on all patients
#
# Scaling uses means and SDs of all patients, the test patients too: a leak in principle. Choosing the ten features that
# differ most between the classes, on all patients, and then cross-validating the rest: a leak in earnest
# {cite:p}`ambroise2002`. The more columns, the worse; we add a thousand columns of random numbers
# ({numref}`tab-pitfalls-fitted`).


# %%
def fitted_on_all(table, rng, n_kept=10, n_random=1000):
    """AUC over folds: scaled, or features chosen, on all or on training."""
    positive = pitfalls.shuffled(table.index, rng).to_numpy()
    noise = rng.standard_normal((len(table), n_random))
    values = np.hstack([table.to_numpy(), noise])
    model = LogisticRegression(max_iter=2000)
    # mistaken: fitted once, before the folds, on test patients too
    scaled = StandardScaler().fit_transform(values)
    chosen = SelectKBest(k=n_kept).fit_transform(scaled, positive)
    # honest: fitted anew to the training patients of each fold
    scaling = make_pipeline(StandardScaler(), model)
    choosing = make_pipeline(StandardScaler(), SelectKBest(k=n_kept), model)
    folds = pitfalls.folds_of(positive, rng)
    ways = {
        "scaled on all": (model, scaled),
        "scaled on training": (scaling, values),
        "chosen on all": (model, chosen),
        "chosen on training": (choosing, values),
    }
    return {
        name: pitfalls.over_folds(*way, positive, folds)
        for name, way in ways.items()
    }


# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pitfalls-fitted", "caption": "{{ Whose }} cohort, responses shuffled, cross-validated by patient: scaled and chosen on all, or on training patients."}}
fitted = pitfalls.repeated(lambda rng: fitted_on_all(features, rng), n_repeats)
Markdown(why_not or pitfalls.told(fitted, level))

# %% [markdown]
# Scaling does next to nothing here, since it never sees a response. It is done inside the training patients all the same: it
# costs nothing, and nobody has to argue about it. The choice of features sees the responses, and that is
# enough to find signal in random numbers.
#
# ## The epoch and the threshold, chosen on the test set
#
# A network is trained epoch by epoch. Reporting the epoch with the best *test* AUC picks the luckiest of many looks.
# The {term}`threshold` is another free choice: the one that suits these test patients best is never the one that would
# have been fixed beforehand ({numref}`tab-pitfalls-epoch`, {numref}`tab-pitfalls-threshold`).


# %%
def choice_of_epoch(rng, epochs=30):
    """Test AUC of a small network at an epoch that somebody chose."""
    aucs = pitfalls.aucs_by_epoch(features, rng, epochs)
    return {
        # mistaken: the test patients chose the epoch, and judge it
        "best on test": aucs["test"].max(),
        "last": aucs["test"][-1],
        # honest: other patients chose it
        "best on validation": aucs["test"][aucs["validation"].argmax()],
    }


epoch = pitfalls.repeated(choice_of_epoch, n_repeats)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pitfalls-epoch", "caption": "{{ Whose }} test patients, responses shuffled: which epoch is reported."}}
Markdown(why_not or pitfalls.told(epoch, level))

# %%
test = patients["split"] == "test"
lost = ~patients.loc[test, "responder"]
n_positive, n_negative = int(lost.sum()), int((~lost).sum())
if judgement.lacking(lost):  # then as many as in the paper
    n_positive, n_negative = N_NON_RESPONDERS, N_RESPONDERS


def choice_of_threshold(rng):
    """Accuracy and balanced accuracy of scores without signal."""
    positive = np.arange(n_positive + n_negative) < n_positive
    score = rng.standard_normal(len(positive))
    # honest: fixed, at the median of the population they are drawn from
    fixed = pitfalls.accuracies(positive, score >= 0)
    # mistaken: the one of all thresholds that suits these test patients
    called = score >= np.append(score, np.inf)[:, None]
    chosen = [each.max() for each in pitfalls.accuracies(positive, called)]
    return {
        "accuracy, fixed": fixed[0],
        "accuracy, chosen on test": chosen[0],
        "balanced, fixed": fixed[1],
        "balanced, chosen on test": chosen[1],
    }


# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pitfalls-threshold", "caption": "Scores without any signal: a threshold fixed beforehand, and one chosen on the test patients."}}
threshold = pitfalls.repeated(choice_of_threshold, 50 * repeats)
Markdown(
    f"Scores without any signal, {n_positive} non-responders against "
    f"{n_negative} responders.\n\n" + pitfalls.told(threshold, level, "mean")
)

# %% [markdown]
# ## The best of many configurations
#
# A few validation patients choose among configurations. Each configuration here is a regression with its own ten
# features and penalty, and none can predict anything. The winner's validation AUC grows with the number tried; on the
# test patients it is worth what it always was ({numref}`fig-pitfalls-best`).

# %%
rows = []
for number in range(n_repeats):
    rng = np.random.default_rng([1, number])
    aucs = pitfalls.aucs_by_configuration(features, rng, n=100)
    for tried in (1, 3, 10, 30, 100):
        winner = aucs["validation"][:tried].argmax()
        # mistaken: what chose the winner judges it; honest: the test does
        mistaken, honest = (
            aucs[part][winner] for part in ("validation", "test")
        )
        rows.append((number, tried, mistaken, honest))
best = pd.DataFrame(rows, columns=["study", "tried", "validation", "test"])

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pitfalls-best", "caption": "{{ Whose }} cohort, responses shuffled: AUC of the winning configuration on the validation patients that chose it, and on test patients, against the number of configurations tried. Mean over shuffled cohorts and its interval; dotted: chance."}, "image": {"alt": "Two curves over the number of configurations tried on a logarithmic axis: validation area under the curve climbs well above one half, test area stays at one half"}}
fig, ax = figures.subplots(row_in=3.6)
ax.set(xscale="log", xlabel="configurations tried", ylabel="AUC of the winner")
for name in () if why_not else ("validation", "test"):
    rows = pitfalls.mean_interval(
        best.pivot(index="study", columns="tried", values=name), level
    )
    errors = [rows["mean"] - rows["low"], rows["high"] - rows["mean"]]
    ax.errorbar(
        rows.index,
        rows["mean"],
        yerr=errors,
        fmt="o-",
        capsize=3,
        color=figures.COLOUR[name],
        label=name,
    )
if why_not:
    judgement.write_instead(ax, why_not)
else:
    ax.axhline(0.5, ls=":", color="0.4")
    tried = best["tried"].unique()
    ax.set(xticks=tried, xticklabels=tried)
    ax.legend()
ax.minorticks_off()

# %% [markdown]
# ## Fifty patients or three hundred
#
# Two models whose true AUCs are 0.78 and 0.83, on the same patients: which one comes out on top? Their scores are drawn
# from normal distributions, correlated by 0.6 as those of models that see the same tumours, so the truth is known
# ({numref}`tab-pitfalls-fifty`, {numref}`fig-pitfalls-fifty`).

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pitfalls-fifty", "caption": "Two models drawn from normal distributions: how far the AUC of the better one strays, and how often the worse one wins."}}
truth = {"worse": 0.78, "better": 0.83}
groups = {"50 patients": (10, 40), "300 patients": (71, 229)}
drawn = {
    name: chance.found_aucs(
        list(truth.values()), *counts, 2000, 0.6, study_by_study=True
    )
    for name, counts in groups.items()
}
rows = {
    name: {
        "non-responders": groups[name][0],
        "95 of 100 AUCs of the better": "{:.2f}–{:.2f}".format(
            *np.percentile(aucs[:, 1], [2.5, 97.5])
        ),
        "the worse wins or ties": f"{np.mean(aucs[:, 0] >= aucs[:, 1]):.0%}",
    }
    for name, aucs in drawn.items()
}
Markdown(pd.DataFrame.from_dict(rows, orient="index").to_markdown())

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pitfalls-fifty", "caption": "Simulated studies of two models with true AUCs 0.78 and 0.83 (dashed): what 50 and what 300 test patients say of each."}, "image": {"alt": "Two panels of overlapping histograms of the area under the curve of two models; with 50 patients the histograms overlap widely, with 300 much less"}}
fig, axes = figures.subplots(2, row_in=2.7, sharex=True)
for ax, (name, aucs) in zip(axes, drawn.items(), strict=True):
    for column, (which, value) in enumerate(truth.items()):
        ax.hist(
            aucs[:, column],
            bins=np.arange(0.45, 1.01, 0.02),
            alpha=0.6,
            color=f"C{column}",
            label=which,
        )
        ax.axvline(value, ls="--", color="k")
    ax.set(title=name, xlabel="AUC found", ylabel="studies")
    ax.label_outer()
_ = axes[0].legend()

# %% [markdown]
# ## Size that carries the label
#
# Now non-responders get **larger tumours**, by half an SD of the logarithm of the area, and nothing else. Tissue knows
# nothing. What does each way of reading the images find ({numref}`tab-pitfalls-size`)?
#
# - the **outline** alone: the honest name of this signal
# - means and SDs of the **whole picture**, zeros outside included, as a network sees it: looks like tissue
# - means and SDs **inside** core and margin
# - all hand-made features, **texture** included

# %%
area = baseline.mask_features(images)  # honest: it is called what it is
train = patients.loc[images.patient, "split"].to_numpy() == "train"
scaling = fit_scaling(images, train, "core_margin", clip_percentile=1.0)
scaled = scale(images, scaling)  # mistaken: tissue and its outline in one
picture = np.hstack([scaled.mean((2, 3)), scaled.std((2, 3))])
simple = [name for name in features if name.endswith((" mean", " SD"))]
tables = {
    "outline": area,
    "whole picture": pd.DataFrame(picture).groupby(images.patient).mean(),
    "inside, means and SDs": features[simple],
    "inside, with texture": features,
}


def size_for_tissue(rng):
    """AUC of each table, where larger tumours are the non-responders."""
    label = pitfalls.label_of_size(area["core area"], rng)
    return pitfalls.read_off(tables, label, rng)


areas = area["core area"]
told_apart = 0 < areas.min() < areas.max()
size = pitfalls.repeated(size_for_tissue, n_repeats if told_apart else 0)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pitfalls-size", "caption": "{{ Whose }} cohort, response tied to size alone: what each way of reading finds."}}
same = "" if told_apart else "not computed: cores of one size"
Markdown(why_not or same or pitfalls.told(size, level))

# %% [markdown]
# Texture need not be free of size either: a small region has few pairs of pixels. So the outline alone belongs beside
# every result, as in [](14_patients).

# %% [markdown] tags=["if-simulated"]
# The cohort of this book keeps size independent of response.

# %% [markdown]
# ## Holes that carry the label
#
# Where the spectrum rises too steeply for any diameter, the fit gives nothing, and the map has a hole. Holes depend on
# the truth: small scatterers make more of them. We scan simulated patients with scatterers from 55 to 110 µm in the
# core, the smaller half "non-responders" (on a coarser grid and with fewer lines, to save time), and look at **nothing
# but the share of holes** among the windows that stand out of the noise ({numref}`fig-pitfalls-holes`).

# %%
coarse = settings.replace(
    overlap=min(settings.maps.overlap, 0.75),
    n_lines=min(settings.scan.n_lines, 128),
    n_reference_frames=2,
    minimum_snr_db=-100.0,  # keep what sinks into noise
)
heard = coarse.replace(minimum_snr_db=settings.maps.minimum_snr_db)
seed = settings.study.cohort_seed
further = study.draw_patients(max(n_scans, 8), seed + 1, effect="none")
small = pitfalls.small_scatterers(further, 55.0, 110.0)
holes = {}
for name, patient in small.iterrows():
    acquired = pitfalls.central_scan(patient, coarse)
    holes[name] = pitfalls.core_medians(acquired, heard.maps)
holes = pd.DataFrame(holes).T
# mistaken, if it goes by the name of tissue: nothing but holes is read
alone = auc.auc_interval(~small["responder"], holes["unphysical"], level)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pitfalls-holes", "caption": "Simulated patients with small scatterers: share of the core's windows without a physical fit, of those that stand out of the noise, against the true diameter. The smaller half is labelled non-responders."}, "image": {"alt": "Scatter plot of the share of holes against true scatterer diameter, with the smaller half of the patients in one colour and the larger half in another"}}
fig, ax = figures.subplots()
for responder, name in ((False, "non-responder"), (True, "responder")):
    of_class = small["responder"] == responder
    ax.plot(
        small.loc[of_class, "core_esd_um"],
        holes.loc[of_class, "unphysical"],
        "o",
        color=figures.COLOUR[name],
        label=f"{name}s",
    )
ax.set(xlabel="true core ESD / µm", ylabel="share of holes")
_ = ax.legend()

# %% tags=["hide-input"]
usual = stages.maps(settings, artifacts).summary
usual = 100 * baseline.unphysical_share(usual).mean()
Markdown(
    "Among these patients the share of holes alone has an AUC of "
    f"{alone[0]:.2f} "
    f"({alone[1]:.2f}–{alone[2]:.2f}). A network that sees holes as zeros can "
    "learn them "
    "instead of the tissue, and on a scanner with other noise they are "
    "elsewhere. "
    "The book fills them with the region's median. "
    + (
        f"In its own cohort, {whose.lower()}, {usual:.4f} % of the windows "
        "are holes."
        if np.isfinite(usual)
        else "Its own cohort has no map of diameters."
    )
)

# %% [markdown]
# ## An interval that does not hold
#
# The textbook interval of a proportion, {eq}`eq-wald`, put around an AUC as if that were a share of 50 patients. An
# interval of {{ level_percent }} % should hold the truth in {{ level_percent }} of 100 studies
# ({numref}`tab-pitfalls-interval`).


# %%
def held(true_auc, n_positive=10, n_negative=40, n_studies=4000):
    """Share of studies whose interval holds the true AUC, two ways."""
    rng, z = np.random.default_rng(0), norm.ppf((1 + level) / 2)
    positive = rng.standard_normal((n_studies, n_positive))
    positive += np.sqrt(2) * norm.ppf(true_auc)
    negative = rng.standard_normal((n_studies, n_negative))
    won = auc.wins(positive, negative)
    found, variance = auc.delong(won)
    # mistaken: an AUC is no share of 50 patients
    wald = z * np.sqrt(found * (1 - found) / (n_positive + n_negative))
    # honest: its variance is that of the pairs that were won
    low, high = auc.interval_of(found, variance, n_positive, level)
    return {
        "Wald, as if a proportion of 50": np.mean(
            np.abs(found - true_auc) <= wald
        ),
        "DeLong on the logit scale": np.mean(
            (low <= true_auc) & (true_auc <= high)
        ),
    }


# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pitfalls-interval", "caption": "Share of simulated studies, 10 patients against 40, whose interval holds the true AUC."}}
coverage = pd.DataFrame(
    {true: held(true) for true in (0.7, 0.8, 0.86, 0.9)}
).T.rename_axis("true AUC")
Markdown(coverage.to_markdown(floatfmt=".3f"))

# %% [markdown]
# ## Accuracy where most patients respond
#
# Call some patients of a test set non-responders at random, knowing nothing. Accuracy rises the fewer one calls, up to
# the share of responders; balanced accuracy and AUC stay where they belong ({numref}`fig-pitfalls-accuracy`).

# %%
n = n_positive + n_negative
called = np.arange(n + 1)
share = called / n  # of the patients, whoever they are
calls = pd.DataFrame(
    {
        # mistaken: right about most responders by calling few
        "accuracy": (share * n_positive + (1 - share) * n_negative) / n,
        # honest: sensitivity is the share called, specificity the rest
        "balanced accuracy": np.full(n + 1, 0.5),
    },
    index=pd.Index(called, name="called"),
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pitfalls-accuracy", "caption": "Expected accuracy of calling patients non-responders at random, in a test set like that of the {{ whose }} cohort, or of the paper where that lacks a class, against how many are called. Accuracy rewards calling nobody; balanced accuracy does not."}, "image": {"alt": "A falling line of accuracy and a flat line of balanced accuracy at one half, against the number of patients called non-responders"}}
fig, ax = figures.subplots()
calls.plot(ax=ax)
_ = ax.set(
    xlabel="patients called non-responders",
    ylabel="expected accuracy",
    ylim=(0, 1),
)

# %% [markdown]
# ## Attenuation assumed wrong
#
# Where nobody measured the attenuation it is assumed, the same for all. Each of these simulated patients is mapped with
# one that is right on average, and with one that is off everywhere; what is off anyhow, since patients differ, is not
# counted ({numref}`tab-pitfalls-attenuation`).

# %%
scans = {
    name: pitfalls.central_scan(patient, coarse)
    for name, patient in further.iterrows()
}
errors = [-0.3, -0.1, 0.0, 0.1]  # dB/cm/MHz; honest: none on average
rows = []
for name, acquired in scans.items():
    for error in errors:
        assumed = pitfalls.assume(coarse.maps, error)  # mistaken: elsewhere
        found = pitfalls.core_medians(acquired, assumed)
        rows.append({"patient": name, "error_db_cm_mhz": error} | found)
mapped = pd.DataFrame(rows)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pitfalls-attenuation", "caption": "Simulated patients: shift of the maps when the attenuation is assumed wrong."}}
shift = mapped.groupby("error_db_cm_mhz")[list(pitfalls.MAPS)].mean()
shift = (
    (shift - shift.loc[0.0])
    .rename(columns=pitfalls.MAPS)
    .rename_axis("error / dB/cm/MHz")
)
spread = [
    f"{study.TRAITS[name].sd:g}" for name in ("core_esd_um", "core_eac_db")
]
Markdown(
    f"Mean shift of the core's median, {len(scans)} simulated patients. "
    "For comparison, patients differ by "
    f"{spread[0]} µm in ESD and {spread[1]} dB in EAC (SD).\n\n"
    + shift.to_markdown(floatfmt=(".1f", *[".2f"] * len(shift.columns)))
)

# %% [markdown]
# A shift that is the same for all would do no harm to a model that is trained and used with it. But it grows with
# **depth**, as the path does ({numref}`fig-pitfalls-depth`).

# %%
by_patient = mapped.pivot(index="patient", columns="error_db_cm_mhz")
depth_mm = further["centre_depth_mm"]
off, lines = {}, {}  # error of each patient, and a straight line over depth
for name in ("esd_um", "eac_db"):
    of_map = by_patient[name].loc[further.index]
    off[name] = of_map.sub(of_map[0.0], axis=0)
    for error in errors:
        lines[name, error] = np.polyfit(depth_mm, off[name][error], 1)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pitfalls-depth", "caption": "Simulated patients: by how much the core's median ESD is off when the attenuation is assumed wrong, against the depth of the tumour's centre, with straight lines."}, "image": {"alt": "Scatter plot of the error of scatterer diameter against tumour depth for three errors of the assumed attenuation; the error grows with depth along straight lines"}}
fig, ax = figures.subplots(row_in=4.0)
for number, error in enumerate(error for error in errors if error):
    ax.plot(
        depth_mm,
        off["esd_um"][error],
        "o",
        color=f"C{number}",
        label=f"{error:+.1f} dB/cm/MHz".replace("-", "−"),
    )
    ends = np.array([depth_mm.min(), depth_mm.max()])
    ax.plot(ends, np.polyval(lines["esd_um", error], ends), color=f"C{number}")
ax.set(xlabel="depth of the centre / mm", ylabel="error of ESD / µm")
_ = fig.legend(title="attenuation off by", loc="outside lower center", ncol=2)

# %% [markdown]
# Now let the deeper half of 2,000 patients be "non-responders"; their tissue does not differ. What their maps would show is
# their true value plus the line's error at their depth ({numref}`tab-pitfalls-depth`).

# %%
many = study.draw_patients(2000, seed + 2, effect="none")
depth_mm = many["centre_depth_mm"]
deeper = depth_mm > depth_mm.median()
rows = {}
for (name, error), line in lines.items():
    measured = many[f"core_{name}"] + np.polyval(line, depth_mm)
    three = auc.auc_interval(deeper, measured, level)
    row = rows.setdefault(f"{error:+.1f}", {})
    row[f"{name[:3].upper()} alone"] = "{:.2f} ({:.2f}–{:.2f})".format(*three)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pitfalls-depth", "caption": "AUC of the core where response goes with depth, 2,000 simulated patients without any difference in tissue."}}
Markdown(
    pd.DataFrame.from_dict(rows, orient="index")
    .rename_axis("error / dB/cm/MHz")
    .to_markdown(disable_numparse=True)
)

# %% [markdown]
# ## Another phantom
#
# The phantom is the ruler. What if something is believed of it that is not so ({numref}`tab-pitfalls-phantom`)?

# %%
acquired = next(iter(scans.values()))
true = acquired.reference
attenuation = true.attenuation_db_cm_mhz
phantoms = {
    "as it is": true,
    "attenuation believed 0.1 dB/cm/MHz too low": ReferencePhantom(
        true.planes, attenuation - 0.1, true.backscatter
    ),
    "beads believed half as many": ReferencePhantom(
        true.planes, attenuation, lambda hz: true.backscatter(hz) / 2
    ),
}
assumed = pitfalls.assume(heard.maps, 0.0)
wrong = {
    name: pitfalls.core_medians(replace(acquired, reference=phantom), assumed)
    for name, phantom in phantoms.items()
}
estimate = heard.replace(attenuation="estimate").maps
for name, phantom in list(phantoms.items())[:2]:
    scanned = replace(acquired, reference=phantom)
    found = pitfalls.core_medians(scanned, estimate)
    wrong[f"{name}, the tissue's estimated"] = found

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pitfalls-phantom", "caption": "Core medians of one simulated plane when something wrong is believed of the phantom."}}
wrong = pd.DataFrame.from_dict(wrong, orient="index")
columns = {**pitfalls.MAPS, "unphysical": "holes"}
Markdown(wrong.rename(columns=columns).to_markdown(floatfmt=".2f"))

# %% [markdown]
# An attenuation of the phantom that is believed wrong is wrong in every map, unless the tissue's is estimated with the
# same phantom: then both are wrong alike, and it leaves again. Half the beads is half the backscatter: 3 dB in
# {term}`EAC <acoustic concentration (EAC)>`, nothing in {term}`ESD <scatterer diameter (ESD)>`, and nothing in
# {term}`MBF <mid-band fit (MBF)>`, which is relative to whatever phantom was used. That is why values in dB relative to
# a phantom cannot be compared between groups with different ones.
#
# ## A phantom in which sound is slower
#
# A scanner makes its delays for 1540 m/s, a speed between those of breast fat and of tumours {cite:p}`li2009`. In the
# paper's phantom sound travels at 1488 m/s: the transmitted beam comes to its focus deeper, and on receipt the elements
# do not quite agree. The phantom's {term}`speckle` changes its level with depth and frequency as the tissue's does not,
# and the division leaves the difference in every map {cite:p}`nam2011`. In {numref}`fig-pitfalls-speed` and {numref}`tab-pitfalls-speed` it is computed
# from the sound field of the aperture. Nobody has published that of the paper's probe; ours is an assumption.

# %%
extent = {
    "n_lines": coarse.scan.n_lines,
    "depth_mm": 10 * coarse.scan.depth_cm,
}
system = System(**extent, noise_db=-100.0)
tissue = echoes.uniform_tissue(149.0, 12.0, 1.0, system.depth_mm)
rng, n_frames = np.random.default_rng(seed), 6
sample = simulate_plane(tissue, system, rng)
equal = simulate_phantom(system, n_frames, rng)
slow = focusing.mismatched_phantom(system, n_frames, rng)  # mistaken
grid = window_grid(sample, slow, None, protocol_of(coarse.maps))
every_bin = np.eye(len(grid.band_mhz))
of_equal, of_slow = (  # means over the width, (n_z, n_bins)
    normalised(sample, phantom, grid, 1.0, every_bin).mean(axis=2)
    for phantom in (equal, slow)
)
left = {"not corrected": of_slow - of_equal}
wider = focusing.Aperture(transmit_f_number=2.0, receive_f_number=1.5)
known = {"aperture known": focusing.Aperture(), "aperture wrong": wider}
for name, aperture in known.items():
    field = system, grid.depth_mm, grid.band_mhz  # honest: what is known
    gain_db = focusing.mismatch_db(*field, aperture=aperture)
    left[f"corrected, {name}"] = of_slow + gain_db - of_equal

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pitfalls-speed", "caption": "Simulated uniform tissue and a simulated phantom of 1488 m/s on a scanner set to 1540 m/s: by how much MBF and SS are off at every depth, as they are, and after the computed change of the beam was taken out, with the right aperture and with a wrong one."}, "image": {"alt": "Two panels of curves over depth: the error of the mid-band fit and of the spectral slope; without correction they wander by a decibel and more, with the right aperture they stay near zero, with a wrong one they are as far off"}}
fig, axes = figures.subplots(2, row_in=2.9, sharex=True)
fits = line_fit(grid.band_mhz)
off = {name: (error @ fits.T).T for name, error in left.items()}
for row, label in enumerate(("MBF / dB", "SS / dB/MHz")):
    ax = axes[row]
    for name, values in off.items():
        ax.plot(grid.depth_mm, values[row], label=name)
    ax.axhline(0, ls=":", color="0.4")
    ax.set(xlabel="depth / mm", ylabel=f"error of {label}")
    ax.label_outer()
_ = fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center")

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pitfalls-speed", "caption": "Errors of simulated maps from 8 to 40 mm of depth by the phantom's speed of sound, not corrected and corrected."}}
within = (grid.depth_mm >= 8) & (grid.depth_mm <= 40)
form_factor = five_fits(grid.band_mhz)
offset = five_offsets(equal, grid.band_mhz)
rows = {}
for name, error in left.items():
    mbf, ss = off[name][:2, within]
    m, i = ((of_equal + error) @ form_factor.T + offset)[within, 3:].T
    esd_um, eac_db = scatterers(m, i, 1540.0)
    true = (of_equal @ form_factor.T + offset)[within, 3:].T
    true_um, true_db = scatterers(*true, 1540.0)
    rows[name] = {
        "MBF / dB": f"{mbf.min():+.1f} to {mbf.max():+.1f}",
        "SS / dB/MHz": f"{ss.min():+.2f} to {ss.max():+.2f}",
        "ESD / µm": f"{np.sqrt(np.nanmean((esd_um - true_um) ** 2)):.1f}",
        "EAC / dB": f"{np.sqrt(np.nanmean((eac_db - true_db) ** 2)):.1f}",
    }
right, other = (
    f"f/{a.transmit_f_number:g} on transmission and f/{a.receive_f_number:g} "
    "on receipt"
    for a in known.values()
)
Markdown(
    "Errors from 8 to 40 mm of depth, simulated: lowest to highest of MBF and "
    "SS, "
    f"root mean square of ESD and EAC. The aperture has {right}; the wrong "
    f"one {other}.\n\n"
    + pd.DataFrame.from_dict(rows, orient="index").to_markdown(
        disable_numparse=True
    )
)

# %% [markdown]
# The error is the same for all patients at one depth, and so a group at one depth can be compared; groups at different depths
# cannot. It takes the aperture to compute it away, or a phantom with the speed of tissue to avoid it.
#
# ## Another scanner

# %% [markdown] tags=["if-recorded"]
# Not computed: whether the regression of [](14_patients) survives another scanner takes patients who can be scanned anew,
# and those of this cohort are recorded.

# %% [markdown] tags=["if-simulated"]
# The regression of [](14_patients), trained on the study's scanner, reads the central {term}`plane` of each test
# patient, scanned anew on the coarser grid by four scanners: the study's; one with more electronic noise; one with a
# lower centre frequency and its own phantom measurement; and the latter with the phantom measurement of the study's
# scanner. Windows that sink into the noise, which the study leaves empty, are kept here to show what they do
# ({numref}`tab-pitfalls-scanners`, {numref}`fig-pitfalls-scanners`).

# %% tags=["if-simulated"]
low = {"band_mhz": (2.5, 6.5)}
usual_db, noisy_db = settings.scan.noise_db, settings.scan.noise_db + 15
noisy = f"noise {noisy_db:g} dB instead of {usual_db:g} dB"
ways = {  # what differs for the patient, and for the phantom
    "the study's": ({}, {}),
    noisy: ({"noise_db": noisy_db},) * 2,
    "2.5–6.5 MHz, own phantom": (low, low),
    "2.5–6.5 MHz, the study's phantom": (low, {}),  # mistaken
}
seen = {}
for name, way in ways.items() if settings.study.simulated else ():
    scanned = (
        (patient, pitfalls.central_scan(row, coarse, *way))
        for patient, row in patients[test].iterrows()
    )
    seen[name] = pitfalls.images_and_medians(
        scanned, coarse.maps, coarse.images
    )

# %% tags=["if-simulated"]
model = handmade.fit_regression(features, patients)
score = {}
for name, (pictures, _) in seen.items():
    table = handmade.map_features(pictures, mid_band_mhz=mid_band_mhz)
    score[name] = model.predict_proba(table[features.columns])[:, 1]
score = pd.DataFrame(score, index=patients.index[test].sort_values())

# %% tags=["hide-input", "if-simulated"] mystnb={"table": {"name": "tab-pitfalls-scanners", "caption": "Simulated test patients on four scanners: maps, calls and AUC of the regression."}}
lost = ~patients.loc[score.index, "responder"]
medians = {
    name: table[list(pitfalls.MAPS)].mean()
    for name, (_, table) in seen.items()
}
medians = pd.DataFrame(medians).T.rename(columns=pitfalls.MAPS).round(1)
medians["AUC"] = [
    "{:.2f} ({:.2f}–{:.2f})".format(
        *auc.auc_interval(lost, score[name], level)
    )
    for name in score
]
medians["called non-responders"] = [
    f"{100 * np.mean(score[name] >= 0.5):.0f} %" for name in score
]
Markdown(
    f"{len(score)} simulated test patients, one plane each.\n\n"
    + medians.to_markdown(floatfmt=".1f")
)

# %% tags=["hide-input", "if-simulated"] mystnb={"figure": {"name": "fig-pitfalls-scanners", "caption": "Simulated test patients on four scanners: probability of non-response by the regression that was trained on the first. A line per patient, orange for non-responders."}, "image": {"alt": "Lines of predicted probability of each simulated patient across four scanners; they move at random where noise enters, come back for another centre frequency with its own phantom, and jump together with a foreign phantom"}}
fig, ax = figures.subplots(row_in=4.0)
for name, row in score.iterrows() if seen else ():
    colour = figures.COLOUR["NR" if lost[name] else "R"]
    ax.plot(row.to_numpy(), color=colour, alpha=0.5, lw=1)
ax.axhline(0.5, ls=":", color="0.4")
labels = [fill(name.replace("-", "−"), 11) for name in score]
_ = ax.set(
    xticks=range(score.shape[1]),
    xticklabels=labels,
    ylabel="probability of a non-responder",
    ylim=(0, 1),
)

# %% [markdown] tags=["if-simulated"]
# Another centre frequency does no harm as long as the phantom went through the same scanner: that is what a phantom is
# for. It cannot take noise out, since tissue attenuates more than the phantom and noise weighs more in its echoes; and
# one scanner's phantom cannot stand in for another's. Compare the columns: ranks may survive a common shift, and the
# AUC with them; the calls at a fixed threshold do not.

# %% [markdown]
# ## All together
#
# {numref}`fig-pitfalls-all` sets each mistake beside the honest way.

# %% tags=["hide-input"]
together = pd.DataFrame([
    ("planes of one patient on both sides", leak,
     "planes split", "patients split"),
    ("features chosen on all patients", fitted,
     "chosen on all", "chosen on training"),
    ("scaled on all patients", fitted, "scaled on all", "scaled on training"),
    ("epoch chosen on the test set", epoch,
     "best on test", "best on validation"),
    ("threshold chosen on the test set (balanced accuracy)", threshold,
     "balanced, chosen on test", "balanced, fixed"),
    ("size, called tissue", size, "whole picture", "inside, means and SDs"),
], columns=["mistake", "table", "inflated", "honest"])  # fmt: skip
last = best[best["tried"] == best["tried"].max()]
together.loc[len(together)] = [
    f"best of {best['tried'].max()} configurations",
    last,
    "validation",
    "test",
]
together = together[together["table"].map(len) > 0]

# %% tags=["remove-cell"]
from reading.results import keep

for number, row in enumerate(together.itertuples()):
    gap = (row.table[row.inflated] - row.table[row.honest]).to_frame()
    three = pitfalls.mean_interval(gap, level).iloc[0]
    told = {"form": "+.2f", "at": "fig-pitfalls-all"}
    keep(f"pitfall_{number}", f"{row.mistake}: adds", three, **told)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-pitfalls-all", "caption": "{{ Whose }} cohort, responses tied to no tissue: what each mistake reports (red) and what the honest way reports (blue), mean over shuffled cohorts and interval. Dotted: chance."}, "image": {"alt": "One row per mistake with a red and a blue dot; blue dots lie at one half, red dots beside them or far above"}}
fig, ax = figures.subplots(row_in=4.0)
wrong, right = figures.COLOUR["mistake"], figures.COLOUR["estimate"]
for place, row in enumerate(together.itertuples()):
    both = (row.inflated, wrong, -0.12), (row.honest, right, 0.12)
    for column, colour, aside in both:
        mean, low, high = pitfalls.mean_interval(
            row.table[[column]], level
        ).iloc[0]
        ax.errorbar(
            mean,
            place + aside,
            xerr=[[mean - low], [high - mean]],
            fmt="o",
            capsize=3,
            color=colour,
        )
ax.axvline(0.5, ls=":", color="0.4")
ax.set(
    yticks=range(len(together)),
    yticklabels=[fill(mistake, 24) for mistake in together["mistake"]],
    xlabel="AUC, or balanced accuracy",
)
ax.invert_yaxis()

# %% [markdown]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} The cheapest check · recall · 5 min
# :label: ex-pitfalls-shuffle
#
# The responses are shuffled and the whole pipeline runs again, 20 times. The mean AUC is 0.61 with an interval from
# 0.57 to 0.65. What do you know, and what not?
# ````
#
# ````{solution} ex-pitfalls-shuffle
# :class: dropdown
#
# Something leaks: there is nothing to find, and it was found. Where it leaks you do not know; take away one step after
# the other until 0.5 comes back.
# ````
#
# ````{exercise} Ten useless features · compute · 5 min
# :label: ex-pitfalls-ten
#
# Ten features that say nothing are tested at 5 % each, independently. How probable is it that at least one looks
# significant?
#
# Check: `check("ex-pitfalls-ten", ...)` (probability).
# ````
#
# ````{solution} ex-pitfalls-ten
# :class: dropdown
#
# $1 - 0.95^{10} = 0.40$.
# ````
#
# ````{exercise} The accuracy of guessing · compute · 5 min
# :label: ex-pitfalls-guess
#
# Ten patients of the paper's test set, 10 non-responders and 40 responders, are called non-responders at random. What
# accuracy is to be expected?
#
# Check: `check("ex-pitfalls-guess", ...)` (share, 0 to 1).
# ````
#
# ````{solution} ex-pitfalls-guess
# :class: dropdown
#
# $0.2 \cdot 0.2 + 0.8 \cdot 0.8 = 0.68$; calling nobody gives 0.80, and knows as little.
# ````
#
# ````{exercise} One row a patient · vary · 10 min
# :label: ex-pitfalls-planes
#
# In the first experiment, what does the leak depend on? Average the planes of each patient first (`features` instead of
# `planes`), and repeat it.
# ````
#
# ````{solution} ex-pitfalls-planes
# :class: dropdown
#
# ```python
# own = features.index.to_numpy()
# alone = pitfalls.repeated(
#     lambda rng: split_of_planes(features, own, rng), repeats
# )
# pitfalls.mean_interval(alone)
# ```
# With one row per patient there are no sisters, and both splits are the same: the leak needs several rows of one
# patient, and a model flexible enough to recognise her.
# ````
#
# ````{exercise} Random columns · vary · 15 min
# :label: ex-pitfalls-random
#
# How many random columns does it take until ten chosen features "predict" with an AUC above 0.8?
# ````
#
# ````{solution} ex-pitfalls-random
# :class: dropdown
#
# ```python
# for n_random in (0, 100, 1000, 10_000):
#     table = pitfalls.repeated(
#         lambda rng: fitted_on_all(features, rng, n_random=n_random), 5
#     )
#     print(n_random, table["chosen on all"].mean())
# ```
# The best ten of $p$ random columns differ by about $\sqrt{2 \log p}$ standard errors. With the paper's number of
# patients about a thousand columns do it, which is what radiomics tables have; with fewer patients, fewer.
# ````
#
# ````{exercise} Your own pipeline, shuffled · project · 90 min
# :label: ex-pitfalls-own
#
# Take a pipeline of your own, shuffle the responses among patients before its very first step, and run all of it ten
# times. Then do it again, shuffling *after* features were chosen. What does the difference between the two tell?
# ````
#
# ````{solution} ex-pitfalls-own
# :class: dropdown
#
# Shuffled first, an honest pipeline ends at 0.5 on average. Shuffled late, the steps before have seen the true
# responses only, and nothing of their leak is seen: the test is of what comes after the shuffle. The place of the
# shuffle decides what is tested.
# ````
#
# ## Questions
#
# ````{dropdown} Why does a split by planes flatter a flexible model more than a stiff one?
# A flexible model recognises the patient by her sister planes and repeats her label. A stiff one cannot store single
# patients.
# ````
#
# ````{dropdown} Size carries the label. Why does "the network sees only tissue" not help?
# Zeros outside are part of the image. Means over the whole picture, and filters that meet the border, tell the size.
# ````
#
# ````{dropdown} A model meets another scanner. When is the phantom enough?
# Where pulse, gain and electronics differ, and it was measured on that scanner. It does not help against noise, against
# another beam if sound is slower in it, or against a wrong attenuation.
# ````
#
# ## Take-aways
#
# - Split by patient, before anything else; choose everything inside the training patients.
# - Ask of every result what the outline, the holes and the majority class reach alone.
# - A phantom corrects for the scanner it was measured on, for its beam only where sound is as fast as the scanner believes, not
#   for noise and not for a wrong attenuation.
# - The cheapest check of a whole pipeline is to shuffle the responses and run it again.
#
# ## Further reading
#
# - {cite:t}`ambroise2002`: features chosen on all patients: the mistake, named and measured, on gene tables.
# - {cite:t}`kapoor2023`: the same and its relatives in many fields, and a form that makes one think of each.
# - {cite:t}`nam2011`: what is left in a map when sound is slower in the phantom, and what can be done about it.
#
# Also behind this page: {cite}`delong1988,yao1990,collins2024`.
