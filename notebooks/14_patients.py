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
# Four networks, one cohort, {{ n_test }} {term}`test patients <test set>`: Table 2. Would another cohort give the same
# table? Would something simpler, a {term}`baseline`, do as well? And how many patients would the study have needed? On
# simulated patients these questions have answers: we draw the study again, and judge it on patients that no study could
# have had.

# %% [markdown] tags=["if-recorded"]
# The first two sections are about the {{ n_patients }} recorded patients. From "The study, drawn again" on, everything is
# computed on **simulated** patients, whatever cohort the rest of the book shows.

# %% [markdown]
# **You will learn**
#
# - what hand-made features and a {term}`logistic regression` reach on the same patients
# - how far apart the same experiment ends when cohort and initial weights are drawn anew
# - how the {term}`AUC <area under the curve (AUC)>` grows with the number of patients learned from
# - under which truths a network finds what hand-made features cannot, and under which it has nothing to add
#
# **You need**: {doc}`08_training`, {doc}`10_evaluation`. **Time**: 25 minutes to read, two to five minutes to run. The
# runs of the experiment took between two and three hours once; the page reads what they predicted.

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

from beyond import contributions, handmade, statistics
from beyond.means import mean_auc
from entry.chapter import tracked
from helpers import stages
from helpers.data.study import MODELS
from helpers.judgement import evaluation, survival
from helpers.learning.images import REGIONS
from helpers.settings import load_settings
from pages import figures, judgement, pda
from pages.judgement import p_text, plot_groups
from trust import baseline, design, patients

figures.use_book_style()
settings = load_settings(profile, level=level)
cohort = stages.cohort(settings, artifacts).astype({"responder": bool})
images = stages.images(settings, artifacts)

# %% [markdown]
# ## The rows below Table 2
#
# Before networks, the same group described each map by a few numbers and gave them to a simple classifier: to follow a
# treatment
# {cite:p}`sadeghinaini2013,sadeghinaini2014,sannachi2015,tadayyon2016,sadeghinaini2017,sannachi2018,sannachi2019,quiaoit2020`,
# to foretell it {cite:p}`tadayyon2017,tadayyon2019,dicenzo2020,dasgupta2020,osapoetra2021,sannachi2023`, and once on
# patients yet to come {cite:p}`moorepalhares2025`. Others gave {term}`B-mode` images to networks {cite:p}`byra2021`.
# Our features: of each of the five maps, in core and in margin, the mean, the standard deviation and four numbers of
# **{term}`texture`** (contrast, correlation, energy and homogeneity of the grey-level co-occurrence matrix,
# {cite:p}`haralick1973`), and the core against the margin; averaged over the planes of a tumour. A **logistic
# regression** with a ridge penalty {cite:p}`hoerl1970` learns from the same training patients as the networks. The
# strength of the penalty is chosen by {term}`cross-validation` {cite:p}`stone1974` among these patients alone
# ({numref}`tab-six`).
#
# The paper does not say how a plane becomes 256 numbers ([](07_networks)). A third reading takes the hint of the
# hand-made features: the **{term}`statistics network`** makes few maps of a plane, 64 of them, and keeps the mean and
# the standard deviation of each over core and margin, 256 numbers. Its inputs are standardised inside the mask, the
# masks are channels of their own, and only pixels of a region count in its means: the paper's networks see zeros
# outside, and average them in. It first learns to read the hand-made features off the training planes, which takes no
# response; a ridge regression on its vectors is one answer. A copy of it then learns the response without a third of
# the patients; what it says of that third tells how much to trust it beside the first answer. One training may go
# astray on so few patients: so there are three networks, one a third, from initial weights of their own, and their
# answers are averaged.
#
# **Decision**: features come from the images the networks see, not from the maps.
#
# On the grid of the maps, neighbouring pixels share {{ overlap_percent }} % of their echoes, and texture would measure
# the overlap.

# %%
summary = stages.maps(settings, artifacts).summary
mid_band_mhz = handmade.centre_mhz(settings.maps)
truth = settings.study.effect, settings.study.signal
reads = {}
for region in REGIONS:
    model = statistics.fit(images, cohort, region, settings)
    title = patients.TITLES[f"statistics_{region}"]
    reads[title] = model.probability(images)
rest = baseline.scores(images, cohort, summary, truth, mid_band_mhz)
scored = pd.DataFrame(reads).rename_axis("patient").join(rest)
networks = stages.models(settings, artifacts).predictions

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-six", "caption": "{{ Whose }} test patients: the four networks as in Table 2, and below them statistics networks and regressions."}}
more = baseline.predictions(scored, cohort)
rows = {
    patients.TITLES[model]: evaluation.table2_row(group, level, 0.5)
    for model, group in pd.concat([networks, more]).groupby(
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
    pd.DataFrame(readable, index=table.index).to_markdown(
        disable_numparse=True
    )
    + judgement.lacking_sets(networks)
)

# %% [markdown]
# ## What does the statistics network rest on?
#
# It has no {term}`attention module` to look at; what can be asked of the paper's networks ([](13_pda)) can be asked of
# it: how far does the probability move when a patch of one map is covered? Its inputs are standardised, so that a
# covered patch shows the mean of the training patients and is no hole. Beside it stand its own kind with random
# weights, and with the responses of simulated cohorts shuffled ({numref}`tab-statistics-margin`).

# %%
part, rows = pda.explained(networks, "resnet_core_margin")
judged_by = settings.judgement
size = judged_by.pda_patch_px, judged_by.pda_batch_size
nets = [statistics.untrained(model, seed) for seed in range(101, 106)]
excess, moved = [], []  # of the trained one, then of random weights
for net in (model, *nets):
    of_net = net.central, images, rows.index
    excess.append(contributions.mean_excess(*of_net, *size))
    typical = np.zeros((len(images.channels), 2))  # the training mean
    changes = contributions.region_moves(*of_net, typical)
    moved.append(pd.DataFrame(100 * changes.mean(0), excess[0].index))
null = contributions.beyond_random(excess[0], pd.DataFrame(excess[1:]), level)
shuffled = patients.margins(tracked(results_file), design.STATISTICS[1])
of_shuffled = contributions.beyond_random(excess[0], shuffled, level)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-statistics-margin", "caption": "{{ Whose }} patients: what moves the statistics network of core and margin. How far the probability moves where a map of core or margin takes the training patients' mean, in percentage points, in brackets the range of random weights; and the margin's share of the prediction differences less the even share, beside the mean of random weights and of shuffled responses, in brackets where another such network lies with a probability of {{ level_percent }} %."}}
table = pda.beside_random(moved[0], moved[1:])
table.columns = ["core at the mean / points", "margin at the mean / points"]
shares = {
    "margin's share less even": excess[0].map("{:+.3f}".format),
    "the same, random weights": pda.nulls(null),
    "the same, shuffled responses": pda.nulls(of_shuffled),
}
beyond = null.index[null.verdict != ""]
Markdown(
    table.assign(**shares).to_markdown(disable_numparse=True)
    + "\n\nThe margin weighs otherwise than in networks of random weights in "
    + (", ".join(beyond) or "no map")
    + "."
    + f" Of {len(shuffled)} trained on shuffled responses "
    f"{shuffled.isna().any(axis=1).sum()} say the same of every patient, and "
    "have no shares." * bool(len(shuffled))
)

# %% [markdown]
# Its calls, too, make two groups of the patients ([](12_survival)): {numref}`fig-statistics-survival`.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-statistics-survival", "caption": "{{ Whose }} test patients. Recurrence-free survival of those whom the statistics network of core and margin calls responders and non-responders; log-rank p-value and numbers at risk."}, "image": {"alt": "A solid falling step curve of called responders and a dashed one of called non-responders, with the numbers of patients at risk below the axis"}}
said = scored[title]
follow_up = cohort[cohort["split"] == "test"]
times = follow_up["duration_years"], follow_up["recurrence"].astype(bool)
called = said[follow_up.index] >= 0.5
figure, ax = figures.subplots(row_in=3.8)
if len(follow_up):
    compared = survival.compare(*times, called, level)
    plot_groups(ax, *times, called, level, until_years=10.0)
    found = judgement.not_compared(compared)
    ax.set_title(found or f"log-rank p: {p_text(compared.p_value)}")
else:
    judgement.write_instead(ax, judgement.lacking(called))
plt.show()

# %% [markdown]
# ## What else predicts?
#
# A score is worth its AUC only if nothing trivial has the same. Beside the regression stand, in {numref}`tab-else` and
# {numref}`fig-patients-alone`: the **size** of the tumour; its **outline** (size, shape, place and number of planes,
# with a regression of their own); the share of windows where the fit gave nothing **physical**; and what the **clinic**
# knows without ultrasound, as far as it is on record: age, size, grade and receptors, with a regression of their own.

# %% [markdown] tags=["if-simulated"]
# The **{term}`oracle`** knows the true tissue. Size, outline and unphysical fits should say nothing, because the cohort
# was drawn so ([](01_study)); the clinic may, for receptors go with response as in I-SPY 1. But on a handful of
# {term}`non-responders <non-responder>` chance may still take them far from 0.5, to either side.

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

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-else", "caption": "{{ Whose }} patients: AUC of the models, and of what else may predict."}}
text = {
    split: [
        judgement.with_interval(three, to="–", missing=judgement.NOT_COMPUTED)
        for three in both.filter(regex=f"^{split}_").to_numpy()
    ]
    for split in ("validation", "test")
}
Markdown(
    pd.DataFrame(text, index=both.index).to_markdown()
    + judgement.lacking_sets(networks)
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-patients-alone", "caption": "{{ Whose }} cohort, test patients: AUC and interval of the networks, of the statistics networks, of the regressions, of tumour size, outline, clinic and unphysical fits alone, and, of simulated patients, of the oracle. Dotted: chance."}, "image": {"alt": "Horizontal error bars of the area under the curve, one row for each network and regression, for tumour size, outline, clinic and unphysical fits alone, and for the oracle where there is one"}}
fig, ax = figures.subplots(row_in=4.6)
place = np.arange(len(both))
errors = [
    both["test_auc"] - both["test_low"],
    both["test_high"] - both["test_auc"],
]
why_not = judgement.lacking(~cohort["responder"][cohort["split"] == "test"])
if why_not:
    judgement.write_instead(ax, why_not)
ax.errorbar(both["test_auc"], place, xerr=errors, fmt="ko", capsize=3)
ax.axvline(0.5, **figures.CHANCE)
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
simple = [title for title in others.index if "regression" in title]
best = others.loc[simple, "test_auc"].max()
ahead = [
    spec.title
    for spec in MODELS.values()
    if both.loc[spec.title, "test_auc"] > best
]
Markdown(
    judgement.sentence(why_not)
    or f"Fitted to {n_trained} patients, the better of the two regressions "
    "reaches "
    f"a test AUC of {best:.2f}; the networks had {n_stopping} more to tell "
    "them when to stop. "
    f"Networks above it: {'; '.join(ahead) or 'none'}. "
    f"But these are {n_judged} patients: compare the intervals."
)

# %% [markdown]
# ## The study, drawn again
#
# So we repeat the study on simulated patients, several times: cohorts whose seeds were fixed before any of them was
# drawn, each with its own tissue, echoes, split and initial weights. Each trains all models, and judges them twice: on
# its own test patients, and on **{term}`new patients`** of the same population, in two sets, the same ones for all. The
# new ones are mapped and resampled in the same way, and scaled with the training patients of each cohort. The statistics
# network was made while other cohorts were looked at, which judge nothing here. The new patients had judged an earlier
# form of it, once, and what they said was known; its present one was chosen by others.

# %%
if rerun_cohorts:
    from trust import experiment  # loads torch

    size = rerun_cohorts, rerun_new
    bench = design.bench_of(settings, artifacts, *size, profile)
    source = bench.folder / "experiment.json"
    experiment.conduct(bench, design.PARTS, source)
else:
    source = tracked(results_file)
provenance, runs = patients.read(source)
judged = patients.judged(runs, level)
other = patients.differing(provenance["settings"], settings)

# %% tags=["hide-input"]
Markdown(
    f"{len(runs)} runs, made on {provenance['finished'][:10]} by "
    f"`{provenance['command']}` on "
    f"{patients.made_with(runs)}. "
    f"Cohort seeds: {', '.join(map(str, provenance['cohort_seeds']))}; "
    f"image size {provenance['settings']['image_px']} px; two sets of "
    f"{provenance['n_new']} new patients. "
    "Every AUC below is computed here from the predictions of these runs."
    + (
        " Not the same in this book: "
        f"{judgement.listing(f'`{name}`' for name in other)}."
        if other
        else ""
    )
)

# %% [markdown]
# {numref}`tab-runs` and {numref}`fig-patients-fifty` hold all runs of the repeated study, none left out: AUC on the
# test patients, then on the new ones.


# %% tags=["hide-input"] mystnb={"table": {"name": "tab-runs", "caption": "The repeated study on simulated patients, a column for each cohort by its seed: AUC of every run, on its own test patients / on the new ones."}}
by_cohort = patients.all_runs(judged, "mean").T.rename_axis("model")
Markdown(by_cohort.to_markdown())

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-patients-fifty", "caption": "The repeated study on simulated patients: AUC of each model on the test patients of its own cohort, above, and on the same new patients, below. One dot a cohort, the bar their mean. Dotted: chance."}, "image": {"alt": "Two panels of dots: areas under the curve of networks, regressions, a forest and oracles, widely scattered on each cohort's own test patients, closer together on the new patients"}}
repeated = patients.of(judged, "mean")
models = [
    title for title in patients.TITLES if title in set(repeated["model"])
]
fig, axes = figures.subplots(2, row_in=4.6, sharey=True, sharex=True)
sizes = {
    split: len(patients.of(runs, "mean")[split].iloc[0])
    for split in ("test", "new")
}
for ax, split in zip(axes, sizes, strict=True):
    for place, model in enumerate(models):
        aucs = repeated.loc[repeated["model"] == model, f"{split}_auc"]
        look = {"color": figures.colour_of(model), "alpha": 0.6}
        ax.plot(aucs, np.full(len(aucs), place), "o", **look)
        ax.plot([aucs.mean()], [place], "k|", ms=18)
    ax.axvline(0.5, **figures.CHANCE)
    ax.set(title=f"{sizes[split]:,} {split} patients", xlabel="AUC")
    ax.label_outer()
axes[0].set(
    yticks=range(len(models)),
    yticklabels=[patients.TITLES[model] for model in models],
)
axes[0].invert_yaxis()

# %%
scatter = repeated.groupby("model")[["test_auc", "new_auc"]].std()
nets = repeated[repeated["model"].isin(list(MODELS))]
first = {}  # the best of the paper's four networks, cohort by cohort
for split in ("test", "new"):
    best = nets.groupby("cohort")[f"{split}_auc"].idxmax()
    counts = nets.loc[best, "model"].map(patients.TITLES).value_counts()
    first[split] = "; ".join(
        f"{title} ({n} of {len(best)})" for title, n in counts.items()
    )

# %% tags=["hide-input"]
own, new = scatter["test_auc"], scatter["new_auc"]
Markdown(
    "From cohort to cohort the AUC of one network of the paper scatters by "
    f"{own[list(MODELS)].mean():.3f} (SD) on its own test patients, and by "
    f"{new[list(MODELS)].mean():.3f} on the new ones. The oracles, which "
    "learn nothing, scatter "
    f"by {own['oracle_core']:.3f} (core) and {own['oracle_core_margin']:.3f} "
    "(core + margin) on the test patients: that is the draw of the patients "
    "alone.\n\n"
    "The best of the four networks, cohort by cohort, was on the test "
    "patients "
    f"{first['test']}, and on the new ones {first['new']}."
)

# %% [markdown]
# ## How much of the signal is found?
#
# The oracle's lead over chance is all there is to find. A model's **share** of it, by the means of the AUC over cohorts
# on the new patients, is
#
# $$ \frac{\overline{\mathrm{AUC}} - 0.5}{\overline{\mathrm{AUC}}_\text{oracle} - 0.5} . $$ (eq-share)
#
# Beside {eq}`eq-share` stands, in {numref}`tab-shares`, the lead over the regression that sees the same region. Its
# interval holds two errors, as in studies of several readers {cite:p}`obuchowski1995`: the draw of those a model
# learned from, and the draw of those it is judged on.

# %%
shares = patients.recovered(runs)
ahead = patients.against(runs, level)
optimism = patients.optimism(runs)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-shares", "caption": "The repeated study on simulated patients: share of the signal that each model finds, and its lead."}}
table = pd.DataFrame(
    {
        f"AUC, {split} (SD)": [
            f"{mean:.3f} ({sd:.3f})"
            for mean, sd in zip(
                shares[f"{split}_mean"], shares[f"{split}_std"], strict=True
            )
        ]
        for split in ("test", "new")
    },
    index=shares.index,
)
table["share"] = shares["share"].map("{:.2f}".format)
table["lead over the regression"] = patients.with_interval(
    ahead.loc[shares.index], "lead", "+.3f", " to "
)
table = table.rename(index=patients.TITLES)
table = table.replace("+0.000 (+0.000 to +0.000)", "–")  # over itself
Markdown(
    table.to_markdown(disable_numparse=True)
    + "\n\nThe oracle reaches "
    + " and ".join(
        f"{shares.loc[model, 'new_oracle']:.3f} ({name})"
        for model, name in zip(
            design.REGRESSIONS, ("core", "core + margin"), strict=True
        )
    )
    + ". The validation patients, who say when training stops, flatter the "
    "paper's networks: "
    + "; ".join(
        f"{patients.TITLES[model]}: {gap:+.3f}"
        for model, gap in optimism.items()
    )
    + " in AUC above the new patients."
)

# %% tags=["remove-cell"]
from reading.results import keep

of_new = {"at": "how-much-of-the-signal-is-found", "form": "+.3f"}
leading = {
    "networks": ("ran_core_margin", "model 4"),
    "statistics": (design.STATISTICS[1], "the statistics network"),
}
for name, (model, title) in leading.items():
    three = ahead.loc[model, ["lead", "lead_low", "lead_high"]]
    label = f"lead of {title} over the regression, new simulated patients"
    keep(f"lead_{name}", label, three, **of_new)
of_new["form"] = ".0%"
share = shares.loc["ran_core_margin", "share"]
keep("share", "share of the oracle's lead that model 4 keeps", share, **of_new)

# %% [markdown]
# A regression on the core may come near, or over, the oracle of the core. How can it? The oracle knows the core's
# traits and nothing else; the maps of the core know a little more. A window at the border reaches into the margin. What
# do the core's features tell of the margin's {term}`EAC <acoustic concentration (EAC)>`, beyond what the core's EAC
# tells? And what is left when one window's width is cut off the border?

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
        of_core = handmade.map_features(chosen, "core", mid_band_mhz)
        seen[name] = baseline.seen_of_margin(of_core, cohort)

# %% tags=["hide-input"]
told = "Not computed: the tissue of a recorded cohort is not known"
if seen:
    told = (
        "Correlation with the margin's EAC beyond the core's, "
        "cross-validated, "
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
# The same with responses shuffled, among those a model learns from and among the new patients. In a simulated cohort
# without effect tissue is drawn without regard to response, and so it is after shuffling: this is the cohort without
# signal, and it needs no new echoes. Whoever trains and judges honestly must end near 0.5 ({numref}`tab-shuffled`).

# %%
none = judged[judged["part"].isin(design.SHUFFLED)]
grouped = runs.loc[none.index].groupby(["part", "model"], sort=False)
means = {name: mean_auc(group, None, level) for name, group in grouped}
silent = (none["new_low"] == none["new_high"]).sum()  # the same of everybody
clear = (none["new_low"] > 0.5) | (none["new_high"] < 0.5)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-shuffled", "caption": "Simulated patients whose responses under a truth were shuffled: mean AUC of each model on new patients, with its interval (of the new patients alone where runs are fewer than three)."}}
shown = pd.DataFrame(
    {
        "truth": [design.SHUFFLED[part] for part, _ in means],
        "model": [patients.TITLES[model] for _, model in means],
        "runs": grouped.size().to_numpy(),
        "mean AUC, new": [
            judgement.with_interval(three, ".3f") for three in means.values()
        ],
    }
)
Markdown(
    shown.to_markdown(index=False, disable_numparse=True)
    + "\n\nThe largest distance of a mean from 0.5 is "
    f"{max(abs(mean - 0.5) for mean, *_ in means.values()):.3f}. Of the "
    f"{len(none)} runs' own intervals, {clear.sum()} leave out 0.5. "
    f"{silent} of the runs say the same of every patient."
)

# %% [markdown]
# ## What is the recipe worth?
#
# One thing at a time is changed of how the ResNet of core and margin is trained, and of the statistics network, on the
# same cohorts ({numref}`tab-recipes`). Of the ResNet: the paper's 256 as means of many maps; inputs scaled from the
# lowest to the highest training pixel; planes never shifted; weights that decay {cite:p}`loshchilov2019`; the weights
# of the last epoch, whoever would have stopped training left out or learned from; five networks averaged, from seeds of
# their own or each stopped by another fifth of the learning patients. Of the statistics network: means of maps without
# their SD; the response alone, without hand-made features to read first; one network instead of three.

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-recipes", "caption": "Simulated patients: other recipes, and what they gain on new patients."}}
tried = patients.recipes(runs, level)
table = pd.DataFrame(
    {
        "network": [patients.TITLES[model] for model, _ in tried.index],
        "recipe": [recipe for _, recipe in tried.index],
        "cohorts": tried["cohorts"].to_numpy(),
        "AUC, new": patients.with_interval(tried, "auc", to=" to "),
        "gain": patients.with_interval(tried, "lead", "+.3f", " to "),
    }
)
table = table.replace("+0.000 (+0.000 to +0.000)", "–")  # over itself
clear = [
    f"{recipe} ({patients.TITLES[model]}, {row.lead:+.3f})"
    for (model, recipe), row in tried.iterrows()
    if row.lead_low > 0 or row.lead_high < 0
]
Markdown(
    "The gain is over the network as it is, in the same cohorts, on the new "
    "patients; where cohorts are fewer than three its interval is that of "
    "the new patients alone.\n\n"
    + table.to_markdown(index=False, disable_numparse=True)
    + "\n\nClear of zero: "
    + ("; ".join(clear) or "none of them")
    + "."
    if len(table) > 2
    else "No other recipe was tried in this experiment."
)

# %% [markdown]
# ## How many patients, and who wins when?
#
# Under the truth so far, the **mean**, response follows means and spreads of regions, which is just what hand-made
# features measure; their regression is then of the family of the best possible rule, and no number of patients lets a
# network overtake it. Real tumours need not be so kind. Three other truths, each as strong as the first, were fixed before
# any network was trained on them; the parameter `signal` chooses one. They share their tumours, through the same echoes,
# and differ only in what of them response follows:
#
# - **texture**: over what length the core's EAC varies, coarse nests or fine ones, at the same mean and spread.
# - **arrangement**: whether the core's EAC rises to its rim or to its centre, at the same mean and spread. Growth at
#   the edge around a dead or fibrous centre, or the reverse, would do that.
# - **interaction**: whether {term}`ESD <scatterer diameter (ESD)>` and EAC of the core deviate to the same side. Large
#   scatterers that are dense, or small ones that are sparse, are one thing; the other two combinations another.
#
# None of them is known of breast tumours; they are questions to the method, not to nature. The models were not told.
# Each learns from patients drawn from a pool, a quarter of them for validation as before, and is judged on new patients
# ({numref}`fig-patients-truths`, {numref}`tab-truths`, {numref}`tab-winner`).

# %%
truths = {"mean": patients.curve(runs, "size", level)} | {
    signal: patients.curve(runs, signal, level)
    for signal in design.OTHERS
    if signal in set(runs["part"])
}
tops = {
    signal: patients.of(judged, signal, oracle)["new_auc"].mean()
    for signal, oracle in zip(
        truths,
        ["oracle_core_margin", *["oracle_core"] * len(design.OTHERS)],
        strict=False,
    )
}
hand_made = [*design.REGRESSIONS[1:], *design.FORESTS]

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-patients-truths", "caption": "Simulated patients, one panel for each truth: mean AUC on new patients against the number of patients learned from, with intervals (of the new patients alone where a truth has fewer than three draws of any number). The RAN and the fewest patients were tried under the mean alone. Dashed: the oracle, which knows what response follows. Dotted: chance."}, "image": {"alt": "Panels, one for each truth, with curves of the area under the curve of networks of the paper, the statistics network, a regression and a forest against the number of learning patients, below the dashed line of the oracle"}}
fig, axes = figures.panels(len(truths), 1, 3.0, shared=True)
for ax, (signal, of_truth) in zip(axes, truths.items(), strict=True):
    patients.draw_curves(ax, of_truth[of_truth["model"] != "oracle_core"])
    ax.axhline(tops[signal], ls="--", color="0.3", label="oracle")
    ax.axhline(0.5, **figures.CHANCE)
    ax.set(title=signal)
    ax.label_outer()
sizes = sorted(
    set().union(*(of_truth["size"] for of_truth in truths.values()))
)
axes[-1].set(xticks=sizes, xticklabels=sizes)  # of all panels
fig.legend(
    *axes[0].get_legend_handles_labels(),
    loc="outside lower center",
    ncol=2,
)
plt.show()

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-truths", "caption": "AUC on the new simulated patients (interval), number of draws, under each truth by the number of patients learned from. Draws of all numbers tell together how far draws scatter; the oracle knows what response follows."}}
tables = {}
for signal, of_truth in truths.items():
    of_models = of_truth[of_truth["model"] != "oracle_core"]
    tables[signal] = patients.by_size(of_models).T
    tables[signal].loc["oracle"] = f"{tops[signal]:.3f}"
together = pd.concat(tables, names=["truth", "model"]).sort_index(axis=1)
together = together.fillna("–").reset_index()
together["truth"] = together["truth"].where(
    ~together["truth"].duplicated(), ""
)
Markdown(together.to_markdown(index=False, disable_numparse=True))

# %%
leads = {
    signal: patients.leads(
        runs, signal, design.STATISTICS[1], hand_made, level
    )
    for signal in truths
    if signal != "mean"
}

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-winner", "caption": "Simulated patients: the statistics network against the better of regression and forest, by truth and number of patients."}}
lines = [
    {
        "truth": signal,
        "learned from": size,
        "statistics network": f"{row.auc:.3f}",
        "best hand-made": patients.TITLES[row.best],
        "lead": judgement.with_interval(
            (row.lead, row.lead_low, row.lead_high), "+.3f"
        ),
        "clear": "ahead" * (row.lead_low > 0)
        or "behind" * (row.lead_high < 0)
        or "no",
    }
    for signal, of_truth in leads.items()
    for size, row in of_truth.iterrows()
]
Markdown(
    "The statistics network against the better of regression and forest, "
    "chosen on the very patients that judge, "
    "which favours them. Where draws are fewer than three, the interval is "
    "that of the new patients alone.\n\n"
    + pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True)
    + "".join(
        f"\n\nNot run in this experiment: {signal}."
        for signal in design.OTHERS
        if signal not in truths
    )
)

# %% tags=["remove-cell"]
for signal, of_truth in leads.items():
    row, size = of_truth.iloc[-1], of_truth.index[-1]
    label = (
        "lead of the statistics network over hand-made features, response in "
    )
    told = f"{label}{signal}, {size} simulated patients"
    three = row.lead, row.lead_low, row.lead_high
    keep(f"truth_{signal}", told, three, form="+.3f", at="fig-patients-truths")

# %% [markdown]
# ## What may a reader of the paper conclude?
#
# Neither that networks are needed nor that they are useless. Where response follows means and spreads, hand-made features
# say as much with fewer patients, and a network that wins there has won a draw of test patients. Where response follows
# something that nobody made a feature of, the features find little of it with as many patients as were tried here, and a
# network may find more, if its layers and its pooling fit the question: {numref}`tab-winner` says under which truth one
# did, and under which none of these did. In which of these worlds breast tumours live, 50 test patients cannot tell, and
# a paper that shows no simple model beside its network leaves it open.

# %% [markdown]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} Of the same family · recall · 5 min
# :label: ex-patients-family
#
# Why can no network overtake the regression under the truth *mean*, however many patients there are?
# ````
#
# ````{solution} ex-patients-family
# :class: dropdown
#
# There the best possible rule is linear in means and spreads of regions, and these are what the features measure. The
# regression is of the family of the best rule; more patients bring it nearer to that rule, and nothing lies beyond it.
# ````
#
# ````{exercise} Counting features · compute · 5 min
# :label: ex-patients-features
#
# How many hand-made features has a patient whose five maps are all there: mean, SD and four textures of core and of
# margin, and the core against the margin?
#
# Check: `check("ex-patients-features", ...)` (features).
# ````
#
# ````{solution} ex-patients-features
# :class: dropdown
#
# $5 \cdot 6 = 30$ for each region and 30 more for the comparison: 90, with the paper's 26 non-responders to learn from.
# The ridge penalty is what makes that possible.
# ````
#
# ````{exercise} A share of what can be found · compute · 5 min
# :label: ex-patients-share
#
# A model has a mean AUC of 0.74 on new patients, the oracle 0.86. Which share of what can be found has it found?
#
# Check: `check("ex-patients-share", ...)` (share, 0 to 1).
# ````
#
# ````{solution} ex-patients-share
# :class: dropdown
#
# $(0.74 - 0.5) / (0.86 - 0.5) = 2/3$. An AUC begins at 0.5, not at 0.
# ````
#
# ````{exercise} Two spreads · compute · 10 min
# :label: ex-patients-spread
#
# Take the SD of one network's AUC over cohorts, on its own test patients and on the new ones. Which part of the first
# is due to the test set being small? Compare with DeLong's standard error of one run.
# ````
#
# ````{solution} ex-patients-spread
# :class: dropdown
#
# ```python
# rows = patients.of(judged, "mean", "ran_core_margin")
# within = (rows["test_high"] - rows["test_low"]) / 4
# rows[["test_auc", "new_auc"]].std(), within
# ```
# On the new patients, the same for all, only the learning differs. On the test patients learning and test set differ:
# the variances add up, and the second is about the square of DeLong's standard error.
# ````
#
# ````{exercise} A small experiment · vary · 15 min
# :label: ex-patients-rerun
#
# Run the experiment yourself, small: `-p rerun_cohorts 1 -p profile smoke`. Why are its AUCs so far from the ones
# above?
# ````
#
# ````{solution} ex-patients-rerun
# :class: dropdown
#
# The smoke profile has a handful of training patients, a coarse grid, tiny networks and two epochs: it shows that
# everything runs. With `profile experiment` the same command repeats the experiment of this page with fewer cohorts;
# all of it takes between two and three hours on two processor cores.
# ````
#
# ````{exercise} A feature that finds it · project · 120 min
# :label: ex-patients-arranged
#
# Make a feature for the truth *arrangement*: the mean EAC of the core's outer half less that of its inner half, by
# distance from the border. Draw a cohort with `signal=arrangement`, and give the feature alone, and beside the others,
# to the regression.
# ````
#
# ````{solution} ex-patients-arranged
# :class: dropdown
#
# `scipy.ndimage.distance_transform_edt` of the core gives the distance of each pixel from the border; cut it at its
# median. Judge on further simulated patients, `study.draw_patients` with another seed. A feature made by somebody who
# knows the truth should come near the oracle. The lesson is the order of events: a network may find what nobody thought
# of; once thought of, a few lines find it with fewer patients.
# ````
#
# ## Questions
#
# ````{dropdown} Which simple models belong beside every network, and why?
# A regression on hand-made features, size and outline alone, the clinic alone. Whatever they reach, the network may
# have read off as well.
# ````
#
# ````{dropdown} Why does the same experiment end so differently in another cohort?
# Three draws change at once: who is learned from, the initial weights, and who judges. On few test patients the last is
# the largest.
# ````
#
# ````{dropdown} What is gained by judging all runs on the same new patients?
# They are many, and the same for all: what is left of the spread comes from learning.
# ````
#
# ## Take-aways
#
# - Beside every network belongs the simplest model that sees the same patients.
# - One cohort, one split and one seed give one number out of a wide distribution; repeat what can be repeated.
# - A network may earn its place where a truth is tried that hand-made features hardly see; elsewhere it can at best draw
#   level.
# - New patients judge better than a second look at the old ones.
#
# ## Further reading
#
# - {cite:t}`tadayyon2017`: the hand-made features of core and margin that ours follow.
# - {cite:t}`haralick1973`: the four textures, and many more, from one table of neighbouring greys.
# - {cite:t}`obuchowski1995`: two errors in one interval: of those who learn, and of those who are judged.
#
# Also behind this page: {cite}`taleghamar2022,sannachi2023`.
