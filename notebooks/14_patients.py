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
# # How many patients?
#
# Four networks, one cohort, {{ n_test }} test patients: Table 2. Would another cohort give the same table? Would
# something simpler do as well? And how many patients would the study have needed? On simulated patients these
# questions have answers: we draw the study again, and judge it on patients that no study could have had.

# %% [markdown] tags=["if-recorded"]
# The first two sections are about the {{ n_patients }} recorded patients. From "The study, drawn again" on, everything is
# computed on **simulated** patients, whatever cohort the rest of the book shows.

# %% [markdown]
# **You will learn**
#
# - what hand-made features and a logistic regression reach on the same patients
# - how far apart the same experiment ends when cohort and initial weights are drawn anew
# - how the AUC grows with the number of patients learned from, and what else makes it grow
#
# **Prerequisites**: [](08_training), [](10_evaluation). **Time**: 20 minutes to read, half a minute to run. The
# runs of the experiment took more than an hour once; the page reads what they predicted.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
level: float = 0.95  # confidence level of all intervals
results_file: str = "results/experiment.json"  # of trust.experiment
rerun_cohorts: int = 0  # cohorts made anew here, in place of that file
rerun_new: int = 60  # new patients to judge that experiment on

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from ground.artifacts import project_path
from helpers import stages
from helpers.data.study import MODELS
from helpers.judgement import evaluation
from helpers.settings import load_settings
from pages import figures, judgement
from trust import baseline, design, patients

figures.use_book_style()
settings = load_settings(profile, level=level)
cohort = stages.cohort(settings, artifacts).astype({"responder": bool})
whose = settings.study.whose
images = stages.images(settings, artifacts)

# %% [markdown]
# ## The fifth row
#
# Before networks, the same group described each map by a few numbers and gave them to a simple classifier
# {cite:p}`tadayyon2017,sannachi2023`. Ours: of each of the five maps, in core and in margin, the mean, the standard
# deviation and four numbers of **texture** (contrast, correlation, energy and homogeneity of the grey-level
# co-occurrence matrix, {cite:p}`haralick1973`), and the core against the margin; averaged over the planes
# of a tumour. A **logistic regression** with a ridge penalty learns from the same training patients as the
# networks. The strength of the penalty is chosen by cross-validation among these patients alone.
#
# **Decision**: features come from the images the networks see, not from the maps. On the grid of the maps, neighbouring
# pixels share {{ overlap_percent }} % of their echoes, and texture would measure the overlap.

# %%
summary = stages.maps(settings, artifacts).summary
mid_band_mhz = baseline.centre_mhz(settings.maps)
scored = baseline.scores(
    images, cohort, summary, settings.study.effect, mid_band_mhz
)
regressions = baseline.predictions(scored, cohort)
networks = stages.models(settings, artifacts).predictions

# %% tags=["hide-input"]
rows = {
    patients.TITLES[model]: evaluation.table2_row(group, level, 0.5)
    for model, group in pd.concat([networks, regressions]).groupby(
        "model", sort=False
    )
}
table = pd.DataFrame.from_dict(rows, orient="index")
readable = {
    heading: [judgement.cell(row, name) for _, row in table.iterrows()]
    for name, heading in judgement.HEADINGS.items()
    if name in table
}
Markdown(
    f"Table 2 of the {whose.lower()} cohort, with two rows more.\n\n"
    + pd.DataFrame(readable, index=table.index).to_markdown(
        disable_numparse=True
    )
    + judgement.lacking_sets(networks)
)

# %% [markdown]
# ## What else predicts?
#
# A score is worth its AUC only if nothing trivial has the same. Beside the regression stand: the **size** of the tumour;
# its **outline** (size, shape, place and number of planes, with a regression of their own); and the share of windows
# where the fit gave nothing **physical**.

# %% [markdown] tags=["if-simulated"]
# The **oracle** knows the true tissue. The other three should say nothing, because the cohort was drawn so
# ([](01_study)); on a handful of non-responders chance may still take them far from 0.5, to either side.

# %% [markdown] tags=["if-recorded"]
# Whether they say anything is not known beforehand: a larger tumour may well respond less. What they reach alone, the
# networks may have read off as well. There is no **oracle**, which would know the true tissue.

# %%
others = baseline.table(scored, cohort, level)
of_networks = networks.pivot(
    index="patient", columns="model", values="probability"
)
named = of_networks[list(MODELS)].rename(columns=patients.TITLES)
both = pd.concat([baseline.table(named, cohort, level), others])

# %% tags=["hide-input"]
text = {
    split: [
        judgement.with_interval(three, to="–", missing=judgement.NOT_COMPUTED)
        for three in both.filter(regex=f"^{split}_").to_numpy()
    ]
    for split in ("validation", "test")
}
Markdown(
    f"AUC, {whose.lower()} cohort.\n\n"
    + pd.DataFrame(text, index=both.index).to_markdown()
    + judgement.lacking_sets(networks)
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-patients-alone", "caption": "{{ Whose }} cohort, test patients: AUC and interval of the networks, of the regressions, of tumour size, outline and unphysical fits alone, and, of simulated patients, of the oracle. Dotted: chance."}, "image": {"alt": "Horizontal error bars of the area under the curve, one row for each network and regression, for tumour size, outline and unphysical fits alone, and for the oracle where there is one"}}
fig, ax = plt.subplots(figsize=(8, 4.6))
place = np.arange(len(both))
errors = [
    both["test_auc"] - both["test_low"],
    both["test_high"] - both["test_auc"],
]
why_not = judgement.lacking(~cohort["responder"][cohort["split"] == "test"])
if why_not:
    judgement.write_instead(ax, why_not)
ax.errorbar(both["test_auc"], place, xerr=errors, fmt="ko", capsize=3)
ax.axvline(0.5, ls=":", color="C3")
ax.set(
    yticks=place,
    yticklabels=both.index,
    xlabel="AUC, test patients",
    xlim=(0, 1.02),
)
ax.invert_yaxis()

# %% tags=["hide-input"]
n_trained, n_stopping, n_judged = (
    (cohort["split"] == name).sum() for name in ("train", "validation", "test")
)
best = others.loc[list(baseline.TITLES.values()), "test_auc"].max()
ahead = [
    spec.title
    for spec in MODELS.values()
    if both.loc[spec.title, "test_auc"] > best
]
Markdown(
    judgement.sentence(why_not)
    or f"Fitted to {n_trained} patients, the better of the two regressions reaches "
    f"a test AUC of {best:.2f}; the networks had {n_stopping} more to tell them when to stop. "
    f"Networks above it: {'; '.join(ahead) or 'none'}. "
    f"But these are {n_judged} patients: compare the intervals."
)

# %% [markdown]
# ## The study, drawn again
#
# So we repeat the study on simulated patients, several times: cohorts whose seeds were fixed before any of them was drawn, each with its
# own tissue, echoes, split and initial weights. Each trains the four networks and the two regressions, and judges
# them twice: on its own test patients, and on **new patients** of the same population, the same ones for all. The
# new ones are mapped and resampled in the same way, and scaled with the training patients of each cohort.

# %%
if rerun_cohorts:
    from trust import experiment  # loads torch

    size = rerun_cohorts, rerun_new
    bench = design.bench_of(settings, artifacts, *size, profile)
    source = bench.folder / "experiment.json"
    experiment.conduct(bench, design.PARTS, source)
else:
    source = project_path(results_file)
provenance, runs = patients.read(source)
judged = patients.judged(runs, level)
other = patients.differing(provenance["settings"], settings)

# %% tags=["hide-input"]
Markdown(
    f"{len(runs)} runs, made on {provenance['finished'][:10]} by `{provenance['command']}` on "
    f"{patients.made_with(runs)}. "
    f"Cohort seeds: {', '.join(map(str, provenance['cohort_seeds']))}; "
    f"image size {provenance['settings']['image_px']} px; {provenance['n_new']} new patients. "
    "Every AUC below is computed here from the predictions of these runs."
    + (
        " Their patients were drawn, scanned or mapped otherwise than this book's: "
        f"other values, or none, had {', '.join(f'`{name}`' for name in other)}."
        if other
        else ""
    )
)

# %% [markdown]
# All runs, none left out: AUC on the test patients, then on the new ones.


# %% tags=["hide-input"]
Markdown(patients.all_runs(judged, "signal").to_markdown())

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-patients-fifty", "caption": "The repeated study on simulated patients: AUC of each model on the test patients of its own cohort, left, and on the same new patients, right. One dot a cohort, the bar their mean."}, "image": {"alt": "Two panels of dots: areas under the curve of networks, regressions and oracles, widely scattered on each cohort's own test patients, closer together on the new patients"}}
models = [
    model
    for model in patients.TITLES
    if model in set(patients.of(judged, "signal")["model"])
]
fig, axes = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True, sharex=True)
sizes = {
    split: len(patients.of(runs, "signal")[split].iloc[0])
    for split in ("test", "new")
}
for ax, split in zip(axes, sizes, strict=True):
    for place, model in enumerate(models):
        aucs = patients.of(judged, "signal", model)[f"{split}_auc"]
        ax.plot(aucs, np.full(len(aucs), place), "o", color="C0", alpha=0.6)
        ax.plot([aucs.mean()], [place], "k|", ms=18)
    ax.axvline(0.5, ls=":", color="C3")
    ax.set(title=f"{sizes[split]} {split} patients", xlabel="AUC")
axes[0].set(
    yticks=range(len(models)),
    yticklabels=[patients.TITLES[model] for model in models],
)
axes[0].invert_yaxis()

# %%
signal = patients.of(judged, "signal")
scatter = signal.groupby("model")[["test_auc", "new_auc"]].std()
nets = signal[signal["model"].isin(list(MODELS))]
first = {}  # the best of the four networks, cohort by cohort
for split in ("test", "new"):
    best = nets.groupby("cohort")[f"{split}_auc"].idxmax()
    first[split] = ", ".join(nets.loc[best, "model"].map(patients.TITLES))

# %% tags=["hide-input"]
own, new = scatter["test_auc"], scatter["new_auc"]
Markdown(
    "From cohort to cohort the AUC of one network scatters by "
    f"{own[list(MODELS)].mean():.3f} (SD) on its own test patients, and by "
    f"{new[list(MODELS)].mean():.3f} on the new ones. The oracle, which learns nothing, scatters "
    f"by {own['oracle_core_margin']:.3f} on the test patients: "
    "that much is the draw of the patients alone.\n\n"
    "The best of the four networks, cohort by cohort, was on the test patients "
    f"{first['test']}; on the new ones {first['new']}."
)

# %% [markdown]
# ## How much of the signal is found?
#
# The oracle's lead over chance is all there is to find. A network's **share** of it is (mean AUC − 0.5) / (mean AUC of
# the oracle − 0.5), means over cohorts, on the new patients. Beforehand we asked for half of it with core and margin, and
# a third with the core alone.

# %%
shares = patients.recovered(runs)
with_margin = shares.index.str.endswith("_core_margin")
aim = np.where(with_margin, 0.5, 0.33)

# %% tags=["hide-input"]
table = pd.DataFrame({
    "AUC, test (SD)": [f"{r.test_mean:.3f} ({r.test_std:.3f})" for r in shares.itertuples()],
    "AUC, new (SD)": [f"{r.new_mean:.3f} ({r.new_std:.3f})" for r in shares.itertuples()],
    "oracle, new": shares["new_oracle"].round(3),
    "share": shares["share"].round(2),
    "asked for": aim,
    "reached": np.where(shares["share"] >= aim, "yes", "no"),
}).rename(index=patients.TITLES)  # fmt: skip
Markdown("Simulated cohorts.\n\n" + table.to_markdown())

# %% [markdown]
# A regression on the core may come near, or over, the oracle of the core. How can it? The oracle knows the core's traits and
# nothing else; the maps of the core know a little more. A window at the border reaches into the margin. What do the
# core's features tell of the margin's EAC, beyond what the core's EAC tells? And what is left when one window's
# width is cut off the border?

# %%
cores = {
    "whole core": images,
    "without the border": baseline.shrink_core(
        images, settings.maps.window_mm
    ),
}
seen = {}
if settings.study.simulated:  # whose tissue is known
    for name, chosen in cores.items():
        of_core = baseline.map_features(chosen, "core", mid_band_mhz)
        seen[name] = baseline.seen_of_margin(of_core, cohort)

# %% tags=["hide-input"]
told = "Not computed: the tissue of a recorded cohort is not known"
if seen:
    told = (
        "Correlation with the margin's EAC beyond the core's, cross-validated, "
        "simulated cohort: "
        + "; ".join(
            f"{name} {correlation:.2f}" for name, correlation in seen.items()
        )
    )
Markdown(told + ".")

# %% [markdown]
# So "core" and "core + margin" are not as separate as their names, and in real tumours cannot be: the border
# is drawn by hand, and a window is as wide as the doubt about where it runs.
#
# ## Without a signal
#
# The same with responses shuffled, in each cohort and among the new patients. In a simulated cohort without effect
# tissue is drawn without regard to response, and so it is after shuffling: this is the cohort without signal, and it
# needs no new echoes. Whoever trains and judges honestly must end near 0.5.

# %% tags=["hide-input"]
Markdown(patients.all_runs(judged, "no signal").to_markdown())

# %%
none = patients.of(judged, "no signal")
grouped = none.groupby("model", sort=False)[["test_auc", "new_auc"]]
means, errors = grouped.mean(), grouped.sem()
lowest, highest = none["test_auc"].min(), none["test_auc"].max()
n_clear = {}  # intervals that leave out 0.5
for split in ("test", "new"):
    low, high = none[f"{split}_low"], none[f"{split}_high"]
    n_clear[split] = ((low > 0.5) | (high < 0.5)).sum()

# %% tags=["hide-input"]
shown = {
    f"mean AUC, {split} (standard error)": [
        f"{mean:.3f} ({error:.3f})"
        for mean, error in zip(
            means[f"{split}_auc"], errors[f"{split}_auc"], strict=True
        )
    ]
    for split in ("test", "new")
}
Markdown(
    pd.DataFrame(shown, index=means.index)
    .rename(index=patients.TITLES)
    .to_markdown()
    + "\n\nThe largest distance of a mean from 0.5 is "
    f"{(means - 0.5).abs().max().max():.3f}. Single test sets without any signal gave AUCs "
    f"from {lowest:.2f} to {highest:.2f}. Of {len(none)} intervals, {n_clear['test']} on test "
    f"patients and {n_clear['new']} on new ones leave out 0.5."
)

# %% [markdown]
# ## Several seeds
#
# Same patients, same split, other initial weights and another order of batches. This is the simulated cohort that the
# book shows unless it is given another, with several seeds: mean ± SD (range).

# %%
of_seeds = patients.predictions_of(patients.of(runs, "seeds"))
seeds = patients.over_seeds(of_seeds, level)
names = ["accuracy", "specificity", "sensitivity", "auc"]
spread = patients.mean_and_sd(seeds, names)
single = seeds.xs(1, level="seed").rename(index=patients.TITLES)
spread.insert(0, "AUC, seed 1", single["auc"].round(2))

# %% tags=["hide-input"]
told = "Test patients of the simulated cohort.\n\n"
told += spread.rename(columns={"auc": "AUC"}).to_markdown()
if not other:
    seed = settings.training.seed
    again = of_seeds[of_seeds["seed"] == seed]
    again = again.pivot(index="patient", columns="model", values="probability")
    of_table2 = of_networks.loc[cohort.index[cohort["split"] == "test"]]
    off = np.abs(
        again[list(MODELS)].to_numpy() - of_table2[list(MODELS)].to_numpy()
    ).max()
    told += (
        f"\n\nSeed {seed} was trained for Table 2 as well: the largest difference between both "
        f"in a patient's probability is {off:.4f}. On another kind of processor sums are taken "
        "in another order, and training makes that visible."
    )
Markdown(told)

# %% [markdown]
# ## How many patients would it take?
#
# Learning patients are drawn from all cohorts and further patients together, a quarter of them for validation as before.
# The pool is not much larger than the largest draw, so that its draws share most patients. Every model is
# judged on the new patients. The interval holds two errors, as in studies of several readers
# {cite:p}`obuchowski1995`: the draw of those a model learned from, and the draw of those it is judged on.

# %%
curve = patients.curve(runs, level)
best_possible = patients.of(runs, "signal", "oracle_core_margin")[:1]
oracle = patients.mean_auc(best_possible)[0]
study_size = patients.of(runs, "signal")["size"].iloc[0]

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-patients-curve", "caption": "Simulated patients: mean AUC on the new patients against the number of patients learned from, with intervals. Dashed: the oracle. Dotted: the size of the study."}, "image": {"alt": "Curves of the area under the curve rising with the number of learning patients on a logarithmic axis, for two networks and a regression, below the dashed line of the oracle"}}
fig, ax = plt.subplots(figsize=(8, 4.6))
for number, (model, rows) in enumerate(curve.groupby("model")):
    x = rows["size"] * 1.03 ** (number - 1)  # side by side
    errors = [rows["auc"] - rows["low"], rows["high"] - rows["auc"]]
    ax.errorbar(
        x,
        rows["auc"],
        yerr=errors,
        fmt="o-",
        capsize=3,
        label=patients.TITLES[model],
    )
ax.axhline(oracle, ls="--", color="0.3", label="oracle")
ax.axvline(study_size, ls=":", color="0.5")
sizes = sorted(curve["size"].unique())
ax.set(
    xscale="log",
    xticks=sizes,
    xticklabels=sizes,
    xlabel="patients learned from",
    ylabel="AUC, new patients",
)
ax.minorticks_off()
_ = ax.legend()

# %% tags=["hide-input"]
wide = curve.pivot(index="size", columns="model", values="auc").rename(
    columns=patients.TITLES
)
cell = [
    f"{r.auc:.3f} ({r.low:.3f}–{r.high:.3f}), {r.draws}"
    for r in curve.itertuples()
]
text = curve.assign(cell=cell).pivot(
    index="size", columns="model", values="cell"
)
Markdown(
    "AUC on the new simulated patients (interval), number of draws:\n\n"
    + text.rename(columns=patients.TITLES).to_markdown()
)

# %%
simple = patients.TITLES["regression_core_margin"]
target = wide.loc[study_size, simple]
tried = [title for title in wide if title != simple]
reached = [patients.enough(wide, title, target) for title in tried]
ahead = {
    size: [title for title in tried if row[title] > row[simple]]
    for size, row in wide.iterrows()
}

# %% tags=["hide-input"]
leads = "; ".join(
    f"{size}: " + (", ".join(names) or "none") for size, names in ahead.items()
)
Markdown(
    f"The regression reaches {target:.3f} with {study_size} patients. A network reaches as much: "
    f"{'; '.join(reached)}. Networks ahead of the regression at equal size: {leads}."
)

# %% [markdown]
# ## What could turn it round?
#
# Four attempts that need no more patients of the study, each judged on the new patients:
#
# - **more dropout**, 0.7;
# - **pre-training**: the feature network first learns to read the five tissue traits of *other* simulated patients off
#   their planes, which the simulation knows; then it learns response from the study's own patients;
# - **averages**: of network and regression, and of the four networks;
# - **ensembles over seeds**: the mean probability of networks that differ in nothing but their seed.
#
# The gain is over the plain network of the same cohorts, for the mean of the four models over the better of the plain
# ones; the last column is the lead over the regression.

# %%
tried = patients.attempts(runs, level).dropna(subset="auc")

# %% tags=["hide-input"]
columns = {
    "model": tried["model"],
    "attempt": tried["attempt"],
    "AUC": patients.with_interval(tried, "auc", to=" to "),
    "gain": patients.with_interval(tried, "gain", "+.3f", " to "),
    "against regression": patients.with_interval(
        tried, "behind_regression", "+.3f", " to "
    ),
}
Markdown(pd.DataFrame(columns).to_markdown(index=False))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-patients-attempts", "caption": "Simulated patients: difference in AUC on the new patients between each attempt and the regression on the same learning patients, with intervals. Right of zero, the attempt is better."}, "image": {"alt": "Horizontal error bars of the difference in area under the curve between each attempt and the regression, with a vertical line at zero"}}
fig, ax = plt.subplots(figsize=(9, 4.2))
place = np.arange(len(tried))
value, low, high = (
    tried[f"behind_regression{end}"] for end in ("", "_low", "_high")
)
ax.errorbar(
    value, place, xerr=[value - low, high - value], fmt="ko", capsize=3
)
ax.axvline(0, ls=":", color="C3")
ax.set(
    yticks=place,
    yticklabels=tried["model"] + ": " + tried["attempt"],
    xlabel="AUC minus that of the regression",
)
ax.invert_yaxis()

# %%
ensembles = patients.seed_ensembles(runs, level)

# %% tags=["hide-input"]
single = ensembles.rename(columns={"single_mean": "single"})
columns = {
    "one seed: mean (range)": patients.with_interval(single, "single"),
    "mean probability of the seeds": patients.with_interval(
        ensembles, "ensemble"
    ),
}
titles = [patients.TITLES[model] for model in ensembles.index]
Markdown(
    "Ensembles over seeds, networks of the simulated cohort, "
    "AUC on the new patients:\n\n"
    + pd.DataFrame(columns, index=titles).to_markdown()
)

# %% [markdown]
# ## What follows
#
# None of this says that networks are useless. It says what *this* amount of signal, in *these* maps, needs: the
# simulated traits are means and spreads of regions, which is what hand-made features measure. Real tumours may hold
# patterns that nobody thought of as a feature; then a network has something to find that the regression cannot.
# What the study's size allows is another question, and its answer holds for both.
#
# ## Exercises
#
# ````{exercise}
# :label: ex-patients-spread
# Take the SD of one network's AUC over cohorts, on its own test patients and on the new ones. Which part of the first is
# due to the test set being small? Compare with DeLong's standard error of one run.
# ````
#
# ````{solution} ex-patients-spread
# :class: dropdown
# ```python
# rows = patients.of(judged, "signal", "ran_core_margin")
# rows[["test_auc", "new_auc"]].std(), (rows["test_high"] - rows["test_low"]) / 4
# ```
# On the new patients, the same for all, only the learning differs. On the test patients learning and test set differ:
# the variances add up, and the second is about the square of DeLong's standard error.
# ````
#
# ````{exercise}
# :label: ex-patients-rerun
# Run the experiment yourself, small: `-p rerun_cohorts 1 -p profile smoke`. Why are its AUCs so far from the ones above?
# ````
#
# ````{solution} ex-patients-rerun
# :class: dropdown
# The smoke profile has a handful of training patients, a coarse grid, tiny networks and two epochs: it shows that
# everything runs. With `profile laptop` the same command repeats the experiment of this page with fewer cohorts; all of it
# takes an hour and a half on two processor cores.
# ````
#
# ## Take-aways
#
# - Beside every network belongs the simplest model that sees the same patients.
# - One cohort, one split and one seed give one number out of a wide distribution; repeat what can be repeated.
# - Several times as many patients help more than several seeds, and new patients judge better than a second look at the
#   old ones.
#
# **References** {cite}`taleghamar2022,tadayyon2017,sannachi2023,haralick1973,obuchowski1995`.
