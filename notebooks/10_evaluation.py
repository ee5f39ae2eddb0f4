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
# # Table 2
#
# How often are the four models right, and how sure can we be of that with a handful of non-responders?
#
# **You will learn**
#
# - what {term}`sensitivity`, {term}`specificity` and {term}`AUC <area under the curve (AUC)>` mean when the
#   *{term}`non-responder`* is the positive class;
# - how to give each of them an interval that keeps its promise in a small test set;
# - which accuracy a model reaches that has learned nothing at all;
# - how to ask whether one model is better than another on the same patients.
#
# **You need**: {doc}`08_training`; a little probability. **Time**: 25 minutes to read, seconds to run once the models
# are trained.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
level: float = 0.95  # confidence level of all intervals
seeds_file: str = "results/seeds/laptop.json"  # of trust.runs, with folds

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy.stats import norm

from beyond import calibration, comparison
from beyond.means import auc_bootstrap, crossed_auc
from beyond.oracle import oracle_score
from entry.chapter import tracked
from helpers import stages
from helpers.data.study import MODELS, TRAITS
from helpers.judgement import auc_interval, evaluation
from helpers.judgement.evaluation import proportion_interval
from helpers.settings import build, load_settings
from pages import chance, figures, judgement
from pages.patients import subgroups
from pages.printed import N_NON_RESPONDERS, printed, printed_table2
from trust.patients import differing, over_seeds
from trust.runs import read as read_results

figures.use_book_style()
settings = load_settings(profile, level=level)
predictions = stages.models(settings, artifacts).predictions
predictions = predictions.astype({"responder": bool})
whose = settings.study.whose

# %% [markdown]
# ## What the models say
#
# Each model gives each patient one number: the probability that the tumour will *not* respond. The last digit of the
# story is a {term}`threshold`: from 0.5 on, the patient is called a non-responder. The paper names no threshold.
# **Decision**: the threshold is 0.5, which is what a softmax with two outputs suggests; it is fixed before anybody
# looks at the {term}`test patients <test set>`.

# %% tags=["hide-input"]
title = {slug: spec.title for slug, spec in MODELS.items()}
test = predictions[predictions.split == "test"]
wide = test.pivot(index="patient", columns="model", values="probability")
wide = wide.reindex(columns=list(MODELS))
responder = test.groupby("patient").responder.first()

# %% [markdown] tags=["if-simulated"]
# {numref}`tab-said` shows some of them.

# %% tags=["hide-input", "if-simulated"] mystnb={"table": {"name": "tab-said", "caption": "Some {{ whose }} test patients: what each model says, and how they responded."}}
called = np.where(responder, "responder", "non-responder")
some = wide.rename(columns=title).assign(response=called)
some = some.sample(min(8, len(wide)), random_state=0).sort_index()
shown = some.to_markdown(floatfmt=".2f")
Markdown(shown if settings.study.simulated else "")

# %% [markdown]
# ## Four counts
#
# All of Table 2 but the AUC and the loss comes from four counts. **Positive means non-responder**, throughout
# {cite}`taleghamar2022`:
#
# - *sensitivity* is the share of non-responders that are found,
# - *specificity* is the share of responders that are found ({numref}`tab-counts`).

# %%
lost = ~responder  # True for a non-responder, the positive class
counts = {slug: evaluation.confusion(lost, wide[slug]) for slug in MODELS}

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-counts", "caption": "{{ Whose }} test patients: calls of the four models at the threshold."}}
counts = pd.DataFrame(counts, index=evaluation.Confusion._fields).T
readable = {
    name: name.replace("_", " ").replace("non ", "non-") for name in counts
}
Markdown(
    counts.rename(index=title, columns=readable).to_markdown()
    + judgement.beneath(lost)
)

# %% [markdown]
# ## An interval for a proportion
#
# The test set is one draw of patients; the next draw would give other counts. For $k$ of $n$ patients the textbook
# interval, Wald's, is
#
# $$ \hat p \pm z \sqrt{\hat p (1 - \hat p) / n} , $$ (eq-wald)
#
# and this is what the paper prints around accuracies. It has width zero when everybody is found, and it is too short
# when $n$ is small {cite:p}`brown2001`. Wilson's interval {cite:p}`wilson1927` asks instead which true proportions $p$
# are within $z$ *of their own* standard errors of what was seen,
#
# $$ |\hat p - p| \le z \sqrt{p (1 - p) / n} , $$ (eq-wilson)
#
# which is a quadratic in $p$.
#
# **Decision**: every proportion has Wilson's interval {eq}`eq-wilson`; the paper prints Wald's for accuracy, and none
# for sensitivity and specificity.

# %%
n_positive, n_negative = int(lost.sum()), int(responder.sum())
n = n_positive or N_NON_RESPONDERS  # the paper's, where there are none
k = np.arange(n + 1)
share, z = k / n, norm.ppf((1 + level) / 2)
half_width = z * np.sqrt(share * (1 - share) / n)
wilson = np.array([proportion_interval(one, n, level) for one in k])

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-wilson", "caption": "Wald's and Wilson's intervals for the sensitivity, for every possible number of non-responders found in a test set with as many non-responders as this one ({{ whose }} patients), or, if it has none, as the paper's."}, "image": {"alt": "Two sets of vertical error bars over the number of non-responders found; Wald's shrink to nothing at both ends and leave the range from 0 to 1, Wilson's do not."}}
figure, ax = figures.subplots()
for shift, low, high, name, kind in [
    (-0.1, share - half_width, share + half_width, "Wald", "mistake"),
    (0.1, wilson[:, 1], wilson[:, 2], "Wilson", "estimate"),
]:
    colour = figures.COLOUR[kind]
    ax.vlines(k + shift, low, high, colors=colour, lw=3, label=name)
ax.plot(k, share, "k_", ms=12)
ax.axhspan(1, 1.15, color="0.9", zorder=0)
ax.axhspan(-0.15, 0, color="0.9", zorder=0)
ax.set(
    xlabel=f"non-responders found, of {n}",
    ylabel="sensitivity",
    xticks=k[:: 1 + n // 12],
    ylim=(-0.15, 1.15),
)
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# Values in the grey bands of {numref}`fig-wilson` are impossible, yet Wald's interval reaches into them.
#
# ## An interval for the AUC
#
# The AUC is the probability that a non-responder scores higher than a responder: the share of all pairs (one
# of each) that the non-responder *wins*, a tie counting one half. Pairs share patients, so they are not
# independent. DeLong and colleagues {cite}`delong1988` found the variance in the rows and columns of the
# table of wins: the average of a row says how one non-responder fares against all responders, the average of
# a column how one responder fares ({numref}`tab-auc-interval`).

# %%
slug = "ran_core_margin"
score = wide[slug]
why_not = judgement.lacking(lost, least=2)  # no variance of one patient
if not why_not:
    positive = score[lost].to_numpy()[:, None]
    negative = score[~lost].to_numpy()
    wins = (positive > negative) + 0.5 * (positive == negative)
    auc, row, column = wins.mean(), wins.mean(1), wins.mean(0)
    variance = row.var(ddof=1) / len(row) + column.var(ddof=1) / len(column)

# %%
intervals = {}
if not why_not:
    intervals = {
        "DeLong, logit scale": auc_interval(lost, score, level)[1:],
        "DeLong, plain scale": auc_interval(lost, score, level, "plain")[1:],
        "bootstrap of patients within each class": auc_bootstrap(
            lost, score, level
        ),
    }

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-auc-interval", "caption": "{{ Whose }} test patients: the interval of one AUC, three ways."}}
lines = [
    f"| {name} | {low:.3f} | {high:.3f} |"
    for name, (low, high) in intervals.items()
]
Markdown(
    judgement.sentence(why_not)
    or f"With **{title[slug]}** the non-responders win {wins.sum():g} of "
    f"{wins.size} pairs: AUC {auc:.3f}, standard error {variance**0.5:.3f}."
    f"\n\n| {level:.0%} interval | from | to |\n|---|---|---|\n"
    + "\n".join(lines)
    + judgement.beneath(lost)
)

# %% [markdown]
# An AUC cannot exceed 1 and its estimates are skewed near that end.
#
# **Decision**: the normal approximation of an AUC is taken on its log-odds, $\log\frac{A}{1-A}$, and transformed back;
# that of a difference of two AUCs on the plain scale.
#
# Where DeLong's variance has nothing to say (the classes are separated perfectly, or a class has one patient), the
# helper falls back on the $k = \min(n_+, n_-)$ pairs that share no patient: if all of those are won, every AUC $A$ with
# $A^k < (1 - \text{level}) / 2$ is ruled out {cite:p}`clopper1934`. That needs no assumption about the scores, and it
# is wide.
#
# ## Table 2, computed
#
# Beside every proportion and AUC of {numref}`tab-table2` stands its interval. The loss is the {term}`cross entropy` of
# the {term}`validation patients <validation set>`. The paper weights non-responders in training and does not say
# whether the printed loss is weighted.
#
# **Decision**: the loss in the table is not weighted.
#
# **Decision**: the validation set, of which the text says 31 patients and the printed rows fit 30, has as many as
# `n_validation` says, or the column `split` of a recorded cohort.
#
# The validation columns flatter every model: validation patients decided when training stopped. Only the test columns
# count.

# %%
table = evaluation.table2(predictions, level)

# %% tags=["table", "hide-input"] mystnb={"table": {"name": "tab-table2", "caption": "Table 2 of the paper, computed for the {{ whose }} patients, with {{ level_percent }} % intervals."}}
shown = judgement.readable(table).to_markdown(disable_numparse=True)
note = judgement.lacking_sets(predictions)
Markdown(shown + note)

# %% tags=["remove-cell"]
from reading.results import keep

ends, told = ("", "_low", "_high"), {"at": "table-2-computed"}
told["why"] = judgement.lacking(lost) or judgement.too_few(int(lost.sum()))
for number, row in table.iterrows():
    three = [row[f"test_auc{end}"] for end in ends]
    keep(f"auc_{number}", f"test AUC of model {number}", three, **told)
three = [100 * row[f"test_accuracy{end}"] for end in ends]
keep(
    "accuracy", "test accuracy of model 4", three, unit="%", form=".0f", **told
)
rate = 100 * comparison.no_information_rate(lost)
told |= {"unit": "%", "form": ".0f"}
keep("no_information", "accuracy of naming the larger class", rate, **told)

# %% [markdown]
# ## The same table with the weight undone
#
# The loss counts a non-responder `class_weight` times, $C$, so what these models give is not a probability: trained to
# perfection they say $q$ of {eq}`eq-weighted` where $p$ is true. Called at $q \ge 0.5$, they call far more patients
# than there are non-responders, and the unweighted loss punishes it. Both look like failure and are the price of the
# weight. Undone, patients are called at $p \ge 0.5$, which is $q \ge C / (1 + C)$; their order, and the AUC, stay
# ({numref}`tab-undone`). The price is then paid elsewhere: where the classes lie close together hardly anybody is called,
# accuracy rises to that of naming the larger class, and balanced accuracy, the mean of sensitivity and specificity,
# falls to one half. The last row knows nothing: it gives every patient the share of non-responders in training.

# %%
weight = settings.training.class_weight
said = predictions.probability
learned = predictions[predictions.split == "train"]
lost_share = 1 - learned.responder.mean()
ways = {
    "as it says": said,
    "undone": calibration.unweighted(said, weight),
    "nothing": np.full(len(said), lost_share),
}
by_way = {
    way: evaluation.table2(predictions.assign(probability=given), level)
    for way, given in ways.items()
}

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-undone", "caption": "{{ Whose }} patients: the four models with the class weight and with the weight undone."}}
columns = {}
for way, of_way in by_way.items():
    balanced = (of_way.test_sensitivity + of_way.test_specificity) / 2
    columns["accuracy", way] = of_way.test_accuracy.map("{:.0%}".format)
    columns["balanced accuracy", way] = balanced.map("{:.0%}".format)
    columns["loss", way] = of_way.validation_loss.map("{:.3f}".format)
wanted = sorted({measure for measure, _ in columns})
both = pd.DataFrame(
    {
        f"{measure}, {way}": columns[measure, way]
        for measure in wanted
        for way in ("as it says", "undone")
    }
)
both.index = [MODELS[slug].title for slug in MODELS]
both.loc["knowing nothing"] = [
    columns[measure, "nothing"].iloc[0] for measure in wanted for _ in range(2)
]
shown = both.replace("nan%", "–").replace("nan", "–")
Markdown(
    f"{whose} patients, accuracies of the test and loss of the validation "
    "patients, weight "
    f"$C$ = {weight:g}.\n\n" + shown.to_markdown(disable_numparse=True) + note
)

# %% tags=["remove-cell"]
row = by_way["undone"].iloc[-1]
balanced = 50 * (row.test_sensitivity + row.test_specificity)
told["at"] = "the-same-table-with-the-weight-undone"
keep(
    "balanced", "balanced accuracy of model 4, weight undone", balanced, **told
)

# %% [markdown] tags=["if-simulated"]
# ## The same table over seeds, and over all patients
#
# One split and one seed is one draw. The same study with five seeds, and a **{term}`cross-validation`**
# {cite:p}`stone1974`: all patients in five folds, each judged by models that learned from the others, so that every
# non-responder counts and not only those of the test set. Pairs are made within a fold, whose patients the same model
# judged. {numref}`tab-seeds` has both.

# %% tags=["if-simulated"]
path = tracked(seeds_file)
saved = read_results(path) if path.exists() else None
other = differing(saved.provenance["settings"], settings) if saved else []
shown_here = bool(saved) and not other and len(saved.crossed) > 0
by_seed, crossed = pd.DataFrame(), {}
if shown_here:
    undone, folds = (
        told.assign(
            probability=calibration.unweighted(told.probability, weight)
        )
        for told in (saved.predictions, saved.crossed)
    )
    by_seed = over_seeds(undone, level)
    test = undone[undone.split == "test"].groupby(["model", "patient"])
    together = test.agg({"probability": "mean", "responder": "first"})
    moved = test.probability.agg(np.ptp).groupby("model").median()
    crossed = dict(list(folds.groupby("model", sort=False)))

# %% tags=["hide-input", "if-simulated"] mystnb={"table": {"name": "tab-seeds", "caption": "Simulated patients: Table 2 over seeds, and cross-validated over all patients with {{ level_percent }} % intervals."}}
told = f"Not shown here: `{seeds_file}` is of a study with other "
told += (
    f"{', '.join(f'`{name}`' for name in other)}." if other else "parameters."
)
if shown_here:
    rows, as_auc = {}, "{:.2f} ({:.2f}–{:.2f})"
    as_rate = "{:.0%} ({:.0%}–{:.0%})"
    for slug, of_model in crossed.items():
        seeds = by_seed.loc[slug]
        one = together.loc[slug]
        lost_one = ~one.responder.astype(bool)
        ensemble = auc_interval(lost_one, one.probability, level)
        right = (of_model.probability < 0.5) == of_model.responder
        accuracy = proportion_interval(int(right.sum()), len(right), level)
        spread = seeds[["auc", "accuracy"]].agg(["mean", "min", "max"])
        rows[title[slug]] = {
            "AUC, seeds: mean (range)": as_auc.format(*spread.auc),
            "accuracy, seeds: mean (range)": as_rate.format(*spread.accuracy),
            "AUC, seeds averaged": as_auc.format(*ensemble),
            "AUC, all patients": as_auc.format(*crossed_auc(of_model, level)),
            "accuracy, all patients": as_rate.format(*accuracy),
        }
    all_lost = ~of_model.responder.astype(bool)
    told = (
        "Simulated patients, weight undone. Seeds: the test patients, five "
        "trainings; seeds averaged: their mean "
        f"probability; all patients: cross-validated, {all_lost.sum()} "
        f"non-responders of {len(all_lost)}, where always "
        "naming the larger class has an accuracy of "
        f"{comparison.no_information_rate(all_lost):.0%}.\n\n"
        + pd.DataFrame(rows).T.to_markdown()
        + "\n\nOne patient, five seeds: the five probabilities of the median "
        f"test patient span {moved.min():.2f} to {moved.max():.2f}, depending "
        "on the model."
        + f"\n\nRuns kept with the book: {len(saved.runs)} models of seeds "
        "and "
        f"{sum(map(len, crossed.values())) // len(all_lost)} "
        f"times five folds, {', '.join(saved.runs['device'].unique())}, "
        f"{', '.join(map(str, saved.runs['processor'].unique()))}, commit "
        f"{', '.join(saved.runs['commit'].unique())}."
    )
Markdown(told)

# %% [markdown]
# ## By treatment and by receptors
#
# The paper says that its models do alike whatever regimen a patient was given and whatever receptors her tumour has,
# and prints no figure of it. Groups are small, and a difference between them needs an interval of its own before it is
# one ({numref}`tab-groups`).

# %%
chosen = "ran_core_margin"
judged = predictions.query("model == @chosen and split == 'test'")
said = calibration.unweighted(judged.probability, weight)
judged = crossed[chosen] if shown_here else judged.assign(probability=said)
patients = stages.cohort(settings, artifacts)
groups = subgroups(patients.loc[judged.patient].reset_index(drop=True))

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-groups", "caption": "{{ Whose }} patients: model 4 by treatment and by receptors."}}
rows = {}
for name, of_group in groups.items():
    part = judged[of_group.to_numpy()]
    found = evaluation.proportions(
        part.astype({"responder": bool}), level, 0.5
    )
    rows[name] = {
        "patients": len(part),
        "non-responders": int((~part.responder.astype(bool)).sum()),
    } | {
        measure: judgement.with_interval(
            [found[f"{measure}{end}"] for end in ("", "_low", "_high")]
        )
        for measure in ("accuracy", "sensitivity", "specificity")
    }
whom = "cross-validated" if shown_here else "test patients"
told = pd.DataFrame(rows).T.to_markdown(disable_numparse=True)
if not rows:
    told = "The cohort has neither treatment nor receptors on record."
Markdown(
    f"{title[chosen]}, {whose.lower()} patients, {whom}, weight "
    f"undone.\n\n{told}"
)

# %% [markdown]
# ## What may be said of one patient
#
# A probability invites one call for everybody. A **conformal set** says less and keeps its word: it names each response
# unless the patient looks stranger, by her probability, than all but a few of those who really responded so
# {cite}`vovk2005`. Whatever the model is worth, the set then holds the true response for at least {{ level_percent }} % of
# either class, nearly so where folds were judged by different models; a poor model pays with sets that name both. To leave
# a response out takes 19 patients of it at 95 % ({numref}`tab-conformal`).

# %%
lost_of = ~judged.responder.to_numpy(bool)
may_be = calibration.conformal_sets(lost_of, judged.probability, level)
holds = np.where(lost_of, *may_be.T)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-conformal", "caption": "{{ Whose }} patients: how many conformal sets name what, and hold the true response."}}
named = pd.Series(may_be.sum(axis=1)).map(
    {0: "neither response", 1: "one response", 2: "both responses"}
)
who = np.where(lost_of, "non-responders", "responders")
rows = {
    group: named[who == group].value_counts(normalize=True).to_dict()
    | {"hold the true one": holds[who == group].mean()}
    for group in ("responders", "non-responders")
    if (who == group).any()
}
told = pd.DataFrame(rows).T.rename_axis("patients").map("{:.0%}".format)
Markdown(
    f"Sets of {title[chosen]}, {whose.lower()} patients, {whom}: how many "
    f"name what, at {level:.0%}.\n\n"
    + told.replace("nan%", "0%").to_markdown(disable_numparse=True)
    + judgement.beneath(lost_of, "this set")
)

# %% [markdown] tags=["if-simulated"]
# ## What not knowing the attenuation costs
#
# {numref}`tab-attenuation` is of the same patients under the laptop profile, the whole study run anew from their
# echoes: tissue whose attenuation is as good as known, as a simulation may have it; tissue that differs as the
# literature says ([](01_study)), with one value assumed for all, as the paper's group did in an earlier study
# {cite:p}`tadayyon2014`; and the same tissue, each plane's attenuation estimated from its own echoes, as in this book.
# The {term}`oracle` sees the tissue and not the echoes, so it is the same for all.

# %% tags=["hide-input", "if-simulated"] mystnb={"table": {"name": "tab-attenuation", "caption": "Simulated patients: test AUC of the models by what is known of the attenuation, with {{ level_percent }} % intervals."}}
ways = {
    "as good as known": "known",
    "differs, assumed": "assumed",
    "differs, estimated": "estimated",
}
rows, made = {}, []
for way, name in ways.items():
    path = tracked(f"results/attenuation/{name}.json")
    if not settings.study.simulated or not path.exists():
        continue
    saved = read_results(path)
    told = saved.provenance["settings"]
    made.append(
        f"{way}: spread {told['attenuation_spread']:.0%}, noise "
        f"{told['noise_db']:g} dB, "
        f"{saved.runs['device'][0]}, commit {saved.runs['commit'][0]}"
    )
    judged = saved.predictions.query("split == 'test'")
    scores = {
        title[slug]: (~of_model.responder, of_model.probability)
        for slug, of_model in judged.groupby("model", sort=False)
    }
    told = {"signal": "mean"} | told  # of a time before there was another
    drawn = stages.cohort(build(told), artifacts).query("split == 'test'")
    score = oracle_score(drawn, tuple(TRAITS), told["effect"])
    scores["oracle, core + margin"] = ~drawn.responder.astype(bool), score
    rows[way] = {
        model: "{:.2f} ({:.2f}–{:.2f})".format(*auc_interval(*two, level))
        for model, two in scores.items()
    }
shown = pd.DataFrame(rows).to_markdown() if rows else "No such run was made."
Markdown(f"{shown}\n\nRuns kept with the book; {'; '.join(made)}.")

# %% [markdown]
# ## Table 2, printed
#
# {numref}`tab-printed` holds the paper's figures {cite}`taleghamar2022`, from 181 real patients; {numref}`fig-table2`
# sets both side by side. Other patients give other figures, and simulated ones more so: the two tables are not meant to
# agree digit by digit but to be read in the same way. {doc}`15_audit` asks what the printed half-widths are.

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-printed", "caption": "Table 2 as printed in the paper."}}
paper = printed_table2()
Markdown(judgement.readable(paper).to_markdown(disable_numparse=True))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-table2", "caption": "Test accuracy and AUC of the four models with their intervals (black; {{ whose }} patients; what is not computed is left out) and the printed values with the printed half-widths (grey). Dotted: no-information rate and chance."}, "image": {"alt": "Two panels with one row per model, each with a black and a grey horizontal error bar; a dotted vertical line marks what no information gives."}}
figure, axes = figures.subplots(2, row_in=2.2, sharex=True)
rate = comparison.no_information_rate(lost)
for ax, name, label, nothing in [
    (axes[0], "test_accuracy", "test accuracy", rate),
    (axes[1], "test_auc", "test AUC", 0.5),
]:
    value, width = table[name], paper[f"{name}_half_width"]
    errors = [value - table[f"{name}_low"], table[f"{name}_high"] - value]
    ours = {"xerr": errors, "fmt": "ko", "label": "computed"}
    theirs = {"xerr": width, "fmt": "s", "color": "0.6", "label": "printed"}
    ax.errorbar(value, table.index - 0.12, capsize=3, **ours)
    ax.errorbar(paper[name], paper.index + 0.12, capsize=3, **theirs)
    ax.axvline(nothing, **figures.CHANCE)
    names = [f"{spec.number}  {spec.title}" for spec in MODELS.values()]
    ax.set(xlabel=label, xlim=(0, 1.02))
    ax.set(yticks=table.index, yticklabels=names, ylim=(4.5, 0.5))
axes[0].tick_params(labelbottom=True)
handles = axes[1].get_legend_handles_labels()
figure.legend(*handles, loc="outside lower center", ncol=2)
plt.show()

# %% [markdown]
# ## What knowing nothing achieves
#
# A rule that calls every patient a responder needs no ultrasound. Its accuracy is the *{term}`no-information rate`*.

# %%
rate = comparison.no_information_rate(lost)
better, sure = table.test_accuracy > rate, table.test_accuracy_low > rate
paper_rate = comparison.no_information_rate(np.repeat([True, False], [10, 40]))
paper_better = paper.index[paper.test_accuracy > paper_rate]

# %% tags=["hide-input"]
better, sure = (
    [spec.title for spec in MODELS.values() if told[spec.number]]
    for told in (better, sure)
)
told = judgement.sentence(judgement.lacking(lost)) or (
    f"In this test set ({n_positive} non-responders, {n_negative} responders) "
    f"the no-information rate is **{rate:.1%}**. Models with a higher test "
    f"accuracy: {'; '.join(better) or 'none'}. Models whose whole interval "
    "lies "
    f"above it: {'; '.join(sure) or 'none'}."
)
Markdown(
    f"{told}\n\nIn the paper's test set, 40 of "
    f"50 respond and the rate is {paper_rate:.0%}; of its models, numbers "
    f"{' and '.join(map(str, paper_better))} exceed it."
)

# %% [markdown]
# Accuracy mixes two kinds of error that do not weigh the same: a missed non-responder gets months of a toxic treatment
# that does not help, and a false alarm may lose one that would have. That is why sensitivity, specificity and AUC stand
# beside it.
#
# ## How many non-responders would it take?
#
# {numref}`fig-patients` shows the width of the interval against their number.

# %%
sizes = np.arange(10, 310, 10)
ends = [proportion_interval(7 * n // 10, n, level)[1:] for n in sizes]
widths = np.ptp(ends, axis=1) / 2

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-patients", "caption": "Half the width of Wilson's interval around a sensitivity of 0.7 against the number of non-responders in the test set. Vertical line: this test set ({{ whose }} patients)."}, "image": {"alt": "A falling curve: the half-width of the interval shrinks with the square root of the number of non-responders."}}
figure, ax = figures.subplots()
ax.plot(sizes, 100 * widths, ".-")
ax.axvline(n_positive, color="0.4", ls=":")
ax.set(
    xlabel="non-responders tested",
    ylabel="half-width / points",
    ylim=(0, None),
)
plt.show()

# %% tags=["hide-input"]
enough = sizes[np.argmax(widths <= 0.10)]
low, high = proportion_interval(7, 10, level)[1:]
percent = printed("Table 1", "Response: non-responder")
Markdown(
    f"Seven of ten non-responders found, as in three of the paper's four "
    f"models, is compatible with true sensitivities from {low:.0%} to "
    f"{high:.0%}. For plus or minus ten points one needs about {enough} "
    f"non-responders, which are about {100 * enough / float(percent):.0f} "
    f"patients when {percent} % do not respond."
)

# %% [markdown]
# ## Does the interval keep its promise?
#
# An interval of level {{ level_percent }} % should hold the true AUC in {{ level_percent }} of 100 studies. In a
# simulation we know the truth: draw scores of 10 non-responders and 40 responders from two normal distributions whose
# AUC we chose, make the interval, look, repeat ({numref}`tab-promise`). Three intervals are tried: DeLong's on both
# scales, and $A \pm z \sqrt{A (1 - A) / 50}$, as if the AUC were a proportion of 50 patients, which the half-widths
# printed in the paper equal.

# %%
coverage = {
    truth: {
        "as a proportion of 50": chance.coverage_as_proportion(
            truth, level=level
        ),
        "DeLong, plain": chance.coverage(
            truth, 10, 40, level=level, scale="plain"
        ),
        "DeLong, logit": chance.coverage(truth, 10, 40, level=level),
    }
    for truth in (0.7, 0.8, 0.86, 0.9)
}

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-promise", "caption": "Share of 4,000 simulated studies, 10 against 40 patients, whose {{ level_percent }} % interval holds the true AUC."}}
coverage = pd.DataFrame(coverage).T.rename_axis("true AUC")
Markdown(coverage.to_markdown(floatfmt=".3f"))

# %% [markdown]
# The formula for a proportion is too short because it takes 50 patients for 50 independent answers, while the
# AUC hangs on the few non-responders. An AUC, too, needs non-responders rather than patients.
#
# ## Is one model better than another?
#
# Two intervals that overlap do not answer this, because both models saw the same patients and share the luck of the
# draw. **Decision**: models are compared on the same patients, in pairs, by two tests; the paper prints none.
#
# Both use the pairing ({numref}`tab-pairs`):
#
# - DeLong's test {cite}`delong1988` takes the *difference* of the two tables of wins, and its variance.
# - {term}`McNemar's test` {cite:p}`mcnemar1947` looks at the calls. Patients whom both models call right, or both
#   wrong, say nothing. Among the others, equally good models are each right in half of the cases: a coin, and an exact
#   p-value. Two models that call different numbers of patients differ in their thresholds before they differ in
#   anything else; so each calls those whom it ranks highest, as many as training lets one expect. The interval belongs
#   to DeLong's p; McNemar's may say otherwise.

# %%
n_called = max(1, round(lost_share * len(wide))) if len(wide) else 0
called = wide.rank(method="first", ascending=False) <= n_called
pairs = comparison.compare_models(lost, wide, level, called)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pairs", "caption": "{{ Whose }} test patients: pairs of models compared."}}
shown = judgement.compared(pairs, title)
shown = shown.to_markdown(index=False, disable_numparse=True)
note = f"\n\n{judgement.sentence(why_not)}" + judgement.beneath(lost)
Markdown(shown + note)

# %%
p_values = pairs[["delong_p", "mcnemar_p"]].fillna(1.0)
n_clear = (p_values < 1 - level).sum()
n_kept = (p_values < (1 - level) / len(pairs)).sum()  # Bonferroni

# %% tags=["hide-input"]
Markdown(
    judgement.sentence(why_not)
    or f"Of {len(pairs)} pairs of models, DeLong's test tells "
    f"**{n_clear.delong_p or 'none'}** apart at the {1 - level:.0%} level and "
    f"McNemar's **{n_clear.mcnemar_p or 'none'}**; after dividing the level "
    "by "
    f"the number of comparisons (Bonferroni), {n_kept.delong_p or 'none'} and "
    f"{n_kept.mcnemar_p or 'none'}. The "
    f"widest interval of a difference spans "
    f"{(pairs.high - pairs.low).max():.2f} of AUC."
)

# %% tags=["remove-cell"]
from reading.results import keep

told = {"at": "is-one-model-better-than-another"}
told["why"] = judgement.lacking(lost) or judgement.too_few(int(lost.sum()))
apart = n_clear.delong_p if not judgement.lacking(lost) else None
keep("pairs", "pairs of models told apart", apart, form=".0f", **told)
gains = {
    "margin": ("the margin's gain in AUC", "ran_core"),
    "attention": ("attention's gain in AUC", "resnet_core_margin"),
}
for name, (label, other) in gains.items():
    row = pairs[(pairs.model == slug) & (pairs.against == other)].iloc[0]
    three = row.auc_difference, row.low, row.high
    keep(f"gain_{name}", f"{label}, test patients", three, form="+.2f", **told)

# %% [markdown]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} Eighty-four per cent · recall · 5 min
# :label: ex-table2-rate
#
# A model is right for 42 of 50 patients, 40 of whom respond. Is it better than nothing?
# ````
#
# ````{solution} ex-table2-rate
# :class: dropdown
#
# Calling everybody a responder is right for 40. Two patients more are 84 against 80 %, and `proportion_interval(42,
# 50)` holds 80 % with room on both sides: the table cannot tell.
# ````
#
# ````{exercise} Seven of ten · compute · 10 min
# :label: ex-table2-wilson
#
# Seven of ten non-responders are found. Where does Wilson's 95 % interval of the sensitivity begin?
#
# Check: `check("ex-table2-wilson", ...)` (share, 0 to 1).
# ````
#
# ````{solution} ex-table2-wilson
# :class: dropdown
#
# `proportion_interval(7, 10)` gives 0.397 to 0.892: sensitivities from two fifths to nine tenths agree with seven of
# ten.
# ````
#
# ````{exercise} A perfect score · compute · 10 min
# :label: ex-perfect
#
# Suppose a model separates all ten non-responders from all forty responders. Where does the 95 % interval of its AUC
# begin? Compare with the interval for ten of ten patients found.
#
# Check: `check("ex-perfect", ...)` (AUC).
# ````
#
# ````{solution} ex-perfect
# :class: dropdown
#
# ```python
# positive = np.repeat([True, False], [10, 40])
# perfect = positive.astype(float)
# auc_interval(positive, perfect), proportion_interval(10, 10)
# ```
#
# The AUC's interval ends at 1 and begins where ten independent pairs would all be won with a probability of 2.5 %, at
# $0.025^{1/10}$. It is Clopper and Pearson's for ten of ten; Wilson's begins near it.
# ````
#
# ````{exercise} Does the margin help? · compute · 10 min
# :label: ex-margin-helps
#
# Two of the six pairs answer the paper's second question: does the margin add to the core? Find them in the table. How
# large would a gain in AUC have to be for its interval to leave zero out?
# ````
#
# ````{solution} ex-margin-helps
# :class: dropdown
#
# ```python
# rows = pairs[pairs.model.str.removesuffix("_margin") == pairs.against]
# rows.assign(needed=(rows.high - rows.low) / 2)
# ```
#
# The half-width of the interval is about the gain that is needed. If the two models were independent, it would be
# $\sqrt 2$ times that of one AUC; the more they agree on the patients, the smaller it gets. It is large all the same.
# ````
#
# ````{exercise} Another threshold · vary · 15 min
# :label: ex-threshold
#
# Missing a non-responder may be worse than a false alarm. Choose, on the *validation* patients, the largest threshold
# with a sensitivity of at least 80 %, and evaluate model 4 with it on the test patients. Why must the test patients not
# choose it?
# ````
#
# ````{solution} ex-threshold
# :class: dropdown
#
# ```python
# rows = predictions[predictions.model == "ran_core_margin"]
# rows = rows[rows.split == "validation"]
# scores = np.sort(rows.probability[~rows.responder])
# threshold = scores[int(np.floor(0.2 * len(scores)))]
# evaluation.table2(predictions, level, threshold).loc[4]
# ```
#
# With `m` non-responders, the threshold may leave at most `floor(0.2 m)` of them below it. Chosen on the test patients,
# the threshold would adapt to their chance features, and the sensitivity would be too good. Note how coarse the choice
# is: each validation non-responder is a large step.
# ````
#
# ````{exercise} Somebody else's Table 2 · project · 45 min
# :label: ex-table2-another
#
# Take a study of the same kind, for instance {cite:t}`quiaoit2020` or {cite:t}`dasgupta2020`. From its numbers of
# patients and its rates compute all counts, Wilson's intervals and the no-information rate. What can its table tell,
# and what not?
# ````
#
# ````{solution} ex-table2-another
# :class: dropdown
#
# Counts are the whole numbers that round to every printed rate at once; if none do, somebody is missing or a rate
# belongs to another class. Write the four counts first, then `evaluation.proportion_interval`. Most tables of this size
# tell a model from chance, and hardly one tells two models apart.
# ````
#
# ## Questions
#
# ````{dropdown} What is sensitivity here, in one sentence about patients?
# The share of non-responders who are called non-responders.
# ````
#
# ````{dropdown} Why are Wald's intervals wrong near 0 and 1?
# Their width uses the proportion that was seen. With everybody found it is zero, as if one more patient could not be
# missed.
# ````
#
# ````{dropdown} Two intervals overlap. May one say that the models do not differ?
# No. Both models judged the same patients and share their luck; the interval of the difference answers, and it may
# leave zero out while the two overlap.
# ````
#
# ## Take-aways
#
# - Read sensitivity and specificity with the positive class in mind: here it is the non-responder.
# - Compare accuracy with the no-information rate before anything else.
# - The number of non-responders, not of patients, sets the width of the intervals.
# - An interval is a promise that can be checked by simulation.
# - Compare models on the same patients with their *difference*, and count how many comparisons you make.
#
# ## Further reading
#
# - {cite:t}`wilson1927`: the interval of this page in its four original pages, a century old and hard to beat.
# - {cite:t}`delong1988`: the variance of an AUC, and of a difference of two on the same patients.
# - {cite:t}`hanley1982`: what the area means, and the formula that papers use when nobody has the scores.
#
# Reporting guidelines ask for all of this {cite}`collins2024,tejani2024`; the study is {cite:t}`taleghamar2022`.
