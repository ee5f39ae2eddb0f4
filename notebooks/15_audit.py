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
# # An audit of the printed figures
#
# The patients of the paper are private, its figures are not. Many of them can be computed from one another: a percentage
# of 40 patients is a whole number of patients, an interval follows from a formula, training and test patients make up all
# patients. This chapter computes every figure of {cite:t}`taleghamar2022` for which that is possible and gives a verdict on
# each. It uses no patient of this book's cohort; where it asks what chance alone would do, studies are simulated.
#
# **You will learn**
#
# - how far whole numbers can be read back from printed percentages;
# - what the printed {term}`intervals <confidence interval>` are, and what they should be;
# - what a study with 50 test patients can show, in accuracy, {term}`AUC <area under the curve (AUC)>` and survival.
#
# **You need**: {doc}`10_evaluation`, {doc}`11_roc`, {doc}`12_survival`. **Time**: 25 minutes to read, seconds to run.

# %% tags=["parameters"]
artifacts: str = "artifacts"  # of computed results; not needed here
profile: str = "laptop"  # the paper's figures do not depend on it

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy.stats import norm

from helpers.judgement import auc, evaluation
from pages import chance, figures, printed
from trust import audit

figures.use_book_style()

# %% [markdown]
# What was printed is kept as text, digit by digit, with its place: `src/pages/printed.csv`. A figure is **reproduced**
# if the computed value rounds to it; a figure that the text gives as "about" so many per cent, if it rounds to the same five
# per cent. All the rest is computed below. {numref}`tab-as-printed` shows what the text itself prints.

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-as-printed", "caption": "Figures that the paper prints in its text, as they are printed."}}
Markdown(
    printed.PRINTED[
        printed.PRINTED.place.isin(["Methods", "Figure 5", "Discussion"])
    ]
    .drop(columns="plus_minus")
    .to_markdown(index=False)
)

# %% [markdown]
# ## Who is in the study
#
# {numref}`tab-who` adds up the patients.

# %% mystnb={"table": {"name": "tab-who", "caption": "The paper's numbers of patients, as printed and recomputed."}}
checked = {"patients": audit.patients()}
Markdown(audit.shown(checked["patients"]))

# %% [markdown]
# ## Table 1: means
#
# Mean and standard deviation of all patients follow from those of its two parts
# ({numref}`tab-audit-means`).

# %% mystnb={"table": {"name": "tab-audit-means", "caption": "Means and standard deviations of the paper's Table 1, as printed and recomputed."}}
checked["means"] = audit.pooled_means()
Markdown(audit.shown(checked["means"]))

# %% [markdown]
# ## Table 1: percentages, and of how many patients
#
# A percentage of patients is a whole number of patients over a whole number. Where the printed one cannot be had from all
# patients of a column, it refers to fewer, because a value is missing for some. Which numbers of patients can give *all*
# percentages of one variable? Where categories exclude one another, their counts must add up as well
# ({numref}`tab-of-how-many`).

# %%
strict = audit.table1_denominators()
lenient = audit.table1_denominators(cut=True)
n_training, n_test = (
    int(printed.printed("Methods", "patients", group))
    for group in ("training", "test")
)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-of-how-many", "caption": "Of how many patients the percentages of the paper's Table 1 can be."}}
positive = printed.printed("Table 1", "Molecular: ER+", "test")
columns = {
    group: [
        audit.both_listed(*pair)
        for pair in zip(strict[group], lenient[group], strict=True)
    ]
    for group in ("all", "training", "test")
}
Markdown(
    f"{positive} % of the {n_test} test patients, as printed for ER+, would "
    "be "
    f"{float(positive) * n_test / 100:.1f} patients. "
    "Numbers of patients that give every rounded percentage of a variable, "
    "and after a plus sign "
    "those that come in when digits may have been cut off instead of "
    "rounded.\n\n" + pd.DataFrame(columns, index=strict.index).to_markdown()
)

# %% [markdown]
# Training and test patients are all patients. So there must be a pair of numbers, one for each, whose counts also give the
# percentages printed for all ({numref}`tab-sums`).

# %% mystnb={"table": {"name": "tab-sums", "caption": "Counts of training and test patients behind the percentages of the paper's Table 1."}}
checked["shares"] = audit.sums(strict, lenient)
Markdown(audit.shown(checked["shares"]))

# %%
grades = {}  # % of the graded patients who were training patients
for row in ("Grade: I", "Grade: II", "Grade: III"):
    whole, one, other = (
        float(printed.printed("Table 1", row, group))
        for group in ("all", "training", "test")
    )
    grades[row] = 100 * (whole - other) / (one - other)
molecular = lenient.loc["Molecular"]

# %% tags=["hide-input"]
said = [
    f"{share:.0f} % by {row.replace('Grade:', 'grade')}"
    for row, share in grades.items()
]
Markdown(
    "For the **grades** no pair exists. The percentage of all patients is a "
    "mean of the other "
    "two, so each row says what share of the graded patients were training "
    "patients: " + ", ".join(said) + ". One number was expected, near "
    f"{100 * n_training / (n_training + n_test):.0f} %.\n\n"
    "For the **receptors** the columns point to "
    f"{audit.listed(molecular['training'])} training and "
    f"{audit.listed(molecular['test'])} test "
    f"patients, together {molecular['training'][-1] + molecular['test'][-1]}, "
    "and to "
    f"{audit.listed(molecular['all'])} in all: one patient more or less."
)

# %% [markdown]
# None of this touches the paper's conclusions. It says that some patients have no grade or receptor status on record, that the
# number of them is not printed, and that a table made by hand is easily off by one.
#
# ## Table 2: the test patients
#
# Three rates of one model are three fractions with whole numerators. Search all ways to split 50 patients into
# responders and non-responders, and all numbers of right calls ({numref}`tab-rates-test`).

# %% mystnb={"table": {"name": "tab-rates-test", "caption": "Rates of the test patients in the paper's Table 2, as printed and recomputed."}}
splits = audit.splits_behind("test", n_test)
checked["test"] = audit.rates_and_widths("test", *splits[0])
ways = ", ".join("{} and {}".format(*split) for split in splits)
told = (
    f"Splits of {n_test} patients that give all four models' rates: {ways}: "
    "the test set is determined, and so is every confusion matrix."
)
Markdown(audit.shown(checked["test"], told))

# %% [markdown]
# The half-widths are Wald's, {eq}`eq-wald` with $z$ = 1.96 and $n$ = 50. {numref}`tab-audit-wilson` has Wilson's
# intervals {cite:p}`wilson1927` for the same counts:

# %%
right = audit.against_no_information()
wilson = [evaluation.proportion_interval(k, n_test)[1:] for k in right.right]

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-audit-wilson", "caption": "Test patients of the paper: right calls read back from the printed rates, with Wald's and Wilson's intervals."}}
table = right.assign(
    Wald=[f"± {100 * audit.wald(p, n_test):.1f} %" for p in right.accuracy]
)
table["Wilson"] = [
    f"{100 * low:.0f} to {100 * high:.0f} %" for low, high in wilson
]
Markdown(
    table[["right", "accuracy", "Wald", "Wilson"]].to_markdown(floatfmt=".2f")
)

# %% [markdown]
# ## Table 2: 30 or 31 validation patients?
#
# The text says 31. The same search over numbers of patients, first strictly, then allowing digits to be cut off, gives
# {numref}`tab-how-many-validate`; {numref}`tab-rates-validation` holds the rates of the one that fits.

# %%
fits = {}
for n in range(25, 37):
    fits[n] = {
        "rounded": audit.splits_behind("validation", n),
        "rounded or cut off": audit.splits_behind("validation", n, cut=True),
        "half-widths": audit.widths_that_fit("validation", n),
    }

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-how-many-validate", "caption": "Splits of so many validation patients that give the rates of the paper's Table 2."}}
table = pd.DataFrame.from_dict(fits, orient="index").rename_axis("patients")
Markdown(
    "Splits (responders, non-responders) that give the rates of all four "
    "models, "
    "and how many of the four half-widths fit:\n\n"
    + table.map(
        lambda found: (
            found
            if isinstance(found, int)
            else ", ".join(map(str, found)) or "none"
        )
    ).to_markdown()
)

# %% mystnb={"table": {"name": "tab-rates-validation", "caption": "Rates of the validation patients in the paper's Table 2, as printed and recomputed."}}
size = audit.VALIDATION
checked["validation"] = audit.rates_and_widths("validation", *size, cut=True)
said = printed.printed("Methods", "patients", "validation")
what = "validation patients behind Table 2"
one = audit.finding("Methods", what, said, sum(size), 0)
checked["size"] = audit.findings([one])
told = (
    f"No split of {said} fits. {sum(size)} patients, {size[0]} responders and "
    f"{size[1]} non-responders, fit all rates and all half-widths, "
    "if one accuracy that two models share was cut off:"
)
Markdown(audit.shown(checked["validation"], told))

# %% [markdown]
# ## Table 2: the interval of the AUC
#
# The printed half-widths are compared with two formulas: that of a proportion of 50 patients, {eq}`eq-wald`, and that
# of {cite:t}`hanley1982` for an AUC of 10 against 40 ({numref}`tab-audit-auc`).

# %% mystnb={"table": {"name": "tab-audit-auc", "caption": "Half-widths of the AUC in the paper's Table 2, as printed and recomputed."}}
checked["auc"] = audit.auc_widths()
Markdown(audit.shown(checked["auc"]))

# %%
paper = printed.printed_table2()
aucs, widths = paper.test_auc, paper.test_auc_half_width
hanley = np.array([audit.hanley_mcneil(auc, 10, 40) for auc in aucs])
wider = np.mean(norm.ppf(0.975) * hanley / widths)
covered = [chance.coverage_as_proportion(auc) for auc in aucs]
logit = [chance.coverage(auc, 10, 40) for auc in aucs]

# %% tags=["hide-input"]
Markdown(
    "The printed half-widths are those of a proportion. Hanley and McNeil's "
    "are "
    f"{wider:.2f} times as wide. In 4,000 simulated studies for each printed "
    "AUC, an interval of "
    f"the printed kind holds the truth in {min(covered):.1%} to "
    f"{max(covered):.1%}, not in 95 %; "
    f"DeLong's on the logit scale in {min(logit):.1%} to {max(logit):.1%}."
)

# %% [markdown]
# AUC and loss themselves cannot be computed without the patients' probabilities. They can be bounded: the curve passes through
# the operating point, and a wrong call costs at least $\ln 2$, if the printed loss weighs all patients alike. (The paper does
# not say so. With non-responders weighted as in training, losses as small as the printed ones would be harder to reach.)
# {numref}`tab-bounds` holds both bounds.

# %% mystnb={"table": {"name": "tab-bounds", "caption": "Bounds of AUC and loss in the paper's Table 2."}}
checked["bounds"] = audit.bounds()
Markdown(audit.shown(checked["bounds"]))

# %% [markdown]
# ## Does the accuracy beat knowing nothing?
#
# {numref}`tab-nothing` holds it against calling everybody a responder, by an exact binomial test of one side.

# %% mystnb={"table": {"name": "tab-nothing", "caption": "The paper's test accuracies against that of always answering 'responder'."}}
checked["accuracy"] = audit.accuracies_against_nothing()
Markdown(audit.shown(checked["accuracy"]))

# %% [markdown]
# ## Is one model better than another?
#
# The paper names the attention network with margin the best. It prints no test. In accuracy, the smallest p-value that
# {term}`McNemar's test` {cite:p}`mcnemar1947` could give follows from the counts alone: it is reached if the better
# model is right wherever the worse one is.

# %%
best = right.right.max() - right.right
least = {
    model: chance.least_mcnemar(int(more))
    for model, more in best.items()
    if more
}

# %% tags=["hide-input"]
said = [
    f"model {model}: {best[model]} patients, p at least {p:.3f}"
    for model, p in least.items()
]
Markdown(
    "Model 4 against "
    + "; ".join(said)
    + ". Whatever the overlap, the best of these p-values is "
    f"{min(least.values()):.3f}: no difference in accuracy is clear."
)

# %% [markdown]
# In AUC it depends on how alike the models score the same patients. Suppose the true AUCs were the lowest and the
# highest of the printed ones. How often would DeLong's paired test {cite:p}`delong1988` see it?
# {numref}`tab-audit-power` counts, {numref}`fig-luck` shows what such studies find.

# %%
sizes = {
    "10 against 40": (10, 40),
    "20 against 80": (20, 80),
    "50 against 200": (50, 200),
}
low, high = aucs.min(), aucs.max()
power = {}
for r in (0.0, 0.3, 0.5, 0.7, 0.8, 0.9):
    power[r] = {
        name: chance.auc_power(low, high, r, *size, n_studies=1000)
        for name, size in sizes.items()
    }

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-audit-power", "caption": "Power of DeLong's paired test between the lowest and the highest printed AUC, simulated studies."}}
table = pd.DataFrame.from_dict(power, orient="index").rename_axis(
    "correlation of the scores"
)
Markdown(
    f"Power for AUCs of {low} and {high}, by test patients:\n\n"
    + table.to_markdown(floatfmt=".2f")
)

# %%
rng = np.random.default_rng(0)
found = {}  # AUCs of 4,000 studies, by the true one
for truth in (low, high):
    shift = np.sqrt(2) * norm.ppf(truth)
    positive = shift + rng.standard_normal((4000, 10))
    negative = rng.standard_normal((4000, 40))
    found[truth] = auc.wins(positive, negative).mean((1, 2))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-luck", "caption": "Simulated studies: AUC found in 4,000 studies with 10 non-responders and 40 responders, when the true AUC is the lowest and the highest printed test AUC."}, "image": {"alt": "Two broad, strongly overlapping histograms of the AUC found in simulated studies, one around 0.77 and one around 0.86."}}
figure, ax = figures.subplots()
edges = np.arange(0.4, 1.01, 0.02)
for (truth, drawn), colour in zip(found.items(), ("0.6", "k"), strict=True):
    ax.hist(
        drawn, bins=edges, color=colour, alpha=0.6, label=f"true AUC {truth}"
    )
ax.set(xlabel="AUC found in one study", ylabel="studies")
ax.legend(loc="upper left")
plt.show()

# %% tags=["hide-input"]
worse, better = found.values()
Markdown(
    "The standard deviation of the AUC over simulated studies is "
    f"{worse.std():.3f} at the lower "
    f"and {better.std():.3f} at the higher of the two. "
    f"In {np.mean(worse >= better):.0%} of pairs of studies, each with its "
    "own patients, "
    "the worse model looks at least as good as the better one."
)

# %% [markdown]
# ## Survival
#
# The paper prints five log-rank results and no {term}`hazard ratio`, and does not say which patients its Figure 5
# shows; we take it for the test patients, the only ones no model had learned from. Five comparisons at once, corrected
# by Bonferroni {cite:p}`dunn1961`, are those of {numref}`tab-bonferroni`.

# %% mystnb={"table": {"name": "tab-bonferroni", "caption": "Log-rank p-values of the paper's Figure 5, as printed and corrected for five comparisons."}}
p_values = audit.log_rank_p_values()
checked["survival"] = audit.corrected(p_values)
Markdown(audit.shown(checked["survival"]))

# %% [markdown]
# The number of recurrences is not printed either. Turned round, Schoenfeld's formula {eq}`eq-schoenfeld` says which
# hazard ratio stands behind a p-value, for any number of them, and which {term}`power` the test has ({numref}`tab-hazard-behind`).
# One fifth of the patients are non-responders.

# %% mystnb={"table": {"name": "tab-hazard-behind", "caption": "Hazard ratios behind the paper's p-values, and the power of its test, by the number of recurrences."}}
rows = {}
for n in (10, 15, 20, 25, 30, 40, 60):
    rows[n] = {
        f"ratio behind p = {p}": chance.ratio_behind(p, n, 0.2)
        for p in p_values.values()
    }
    for ratio in (1.5, 2, 3):
        power = chance.power(ratio, 0.2, n)
        rows[n][f"power at ratio {ratio:g}"] = power
table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("recurrences")
Markdown(table.to_markdown(floatfmt=".2f"))

# %% [markdown]
# And by simulation: 50 patients as in the test set, recurrences as this book's simulated patients have them (fitted to
# {cite:t}`esserman2012`), grouped by the truth and by calls with the confusion matrix of model 4
# ({numref}`fig-power-survival`).

# %%
rates = audit.printed_rates("test")[3]
kept, right_calls = audit.confusions(*rates, *splits[0])[0]
n_events, by_truth, by_calls = chance.log_rank_studies(kept, right_calls)

# %% tags=["hide-input"]
Markdown(
    f"With {n_events.mean():.0f} recurrences on average, the log-rank test "
    "finds p < 0.05 between "
    f"the true groups in **{np.mean(by_truth < 0.05):.0%}** of 4,000 "
    "simulated studies and between "
    f"the predicted groups in **{np.mean(by_calls < 0.05):.0%}**; both in "
    f"{np.mean((by_truth < 0.05) & (by_calls < 0.05)):.0%}. The predicted "
    "groups have "
    f"the smaller p-value in {np.mean(by_calls < by_truth):.0%}."
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-power-survival", "caption": "Simulated studies of 50 patients: distribution of the log-rank p-value between true and between predicted groups. Dotted: the printed p-values of the truth and of model 4."}, "image": {"alt": "Two rising curves of the share of simulated studies below a p-value, both far below 1 at the two dotted lines of the printed values."}}
figure, ax = figures.subplots()
looks = figures.COLOUR["truth"], figures.COLOUR["ran_core_margin"]
curves = {
    "true groups": (by_truth, "truth"),
    "predicted groups": (by_calls, "model 4"),
}
for (name, (p, row)), colour in zip(curves.items(), looks, strict=True):
    ax.plot(np.sort(p), np.linspace(0, 1, p.size), color=colour, label=name)
    ax.axvline(p_values[row], color=colour, ls=":")
ax.set(xscale="log", xlim=(1e-4, 1), ylim=(0, 1))
ax.set(xlabel="log-rank p", ylabel="share of studies below")
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# ## All verdicts
#
# {numref}`tab-verdicts` lists what was not simply reproduced.

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-verdicts", "caption": "Printed figures that were not simply reproduced, with what is computed and the verdict."}}
everything = pd.concat(checked.values(), ignore_index=True)
kinds = everything.verdict.str.split(":").str[0].value_counts()
Markdown(
    "\n".join(
        f"- figures whose verdict is *{kind}*: **{count}**"
        for kind, count in kinds.items()
    )
    + "\n\nWhat was not simply reproduced:\n\n"
    + everything[
        ~everything.verdict.isin([audit.REPRODUCED, "possible"])
    ].to_markdown(index=False, disable_numparse=True)
)

# %% tags=["remove-cell"]
from reading.results import keep

n_right = (everything.verdict == audit.REPRODUCED).sum()
verdicts = {"at": "all-verdicts", "form": ".0f"}
keep("audited", "printed figures computed anew", len(everything), **verdicts)
keep("reproduced", "of them come out as printed", n_right, **verdicts)
told = "width of an AUC's interval that holds, by the printed one's"
keep("width", told, wider, at="table-2-the-interval-of-the-auc")
told = "p of the paper's model 4 against naming the larger class", right.p[4]
at = "does-the-accuracy-beat-knowing-nothing"
keep("p_accuracy", *told, form="p", at=at)
told = (
    "share of pairs of simulated studies in which the worse of the paper's "
    "models looks at least as good"
)
luck = 100 * np.mean(worse >= better)
keep("luck", told, luck, unit="%", form=".0f", at="fig-luck")

# %% [markdown]
# The rates of Table 2 hold together to the last patient. What does not hold is the precision they are printed with: the
# intervals of the AUC are too short, the best accuracy is not clearly above knowing nothing, and neither the ranking of the
# models nor the survival of the predicted groups is settled by 50 patients. Audited figures say nothing about figures that cannot
# be audited: whether the split came before every choice, or how often the test patients were looked at.

# %% [markdown]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} What no audit can see · recall · 5 min
# :label: ex-audit-silent
#
# All printed figures of a study agree with one another. Name two mistakes that may still be in it.
# ````
#
# ````{solution} ex-audit-silent
# :class: dropdown
#
# Patients or planes on both sides of the split; a threshold, an epoch or a configuration chosen on the test patients;
# patients left out before anything was counted. Figures that are wrong together agree.
# ````
#
# ````{exercise} Another denominator · compute · 10 min
# :label: ex-audit-denominator
#
# A paper prints 42.9 %, 28.6 % and 28.6 % of "about 60 patients". How many can there have been?
# ````
#
# ````{solution} ex-audit-denominator
# :class: dropdown
#
# ```python
# audit.denominators(["42.9", "28.6", "28.6"], 70)
# ```
#
# Multiples of seven and nothing else; other numbers come in beyond 600 only. Percentages with one decimal pin down
# small denominators, not large ones.
# ````
#
# ````{exercise} Which class is positive? · compute · 15 min
# :label: ex-audit-positive
#
# {cite:t}`dicenzo2020` print, for 48 responders and 34 non-responders, a sensitivity of 91 %, a specificity of 83 % and
# an accuracy of 87 %. Which class is the positive one, and how many patients were called rightly?
#
# Check: `check("ex-audit-positive", ...)` (patients).
# ````
#
# ````{solution} ex-audit-positive
# :class: dropdown
#
# Of 48 no whole number is 91 % (43 are 90, 44 are 92), of 34 it is 31. So the non-responder is positive: $31/34$,
# $40/48$, and $71/82 = 87$ %. It all fits, in one way only.
# ````
#
# ````{exercise} How many patients would have done? · compute · 10 min
# :label: ex-audit-power
#
# How many recurrences does a log-rank test need to find, with a power of 80 %, the hazard ratio of 2.2 that the
# responders and non-responders of I-SPY 1 differ by (computed from the patients of {cite:t}`esserman2012`), if one
# fifth of the patients do not respond? How many patients is that, if a third of them recur?
#
# Check: `check("ex-audit-power", ...)` (recurrences).
# ````
#
# ````{solution} ex-audit-power
# :class: dropdown
#
# ```python
# n_events = chance.events_needed(2.2, 0.2)
# n_events, 3 * n_events
# ```
# ````
#
# ````{exercise} A smaller ratio · vary · 5 min
# :label: ex-audit-smaller
#
# The same for hazard ratios of 1.5 and 3. What happens to the number when the logarithm of the ratio is halved?
# ````
#
# ````{solution} ex-audit-smaller
# :class: dropdown
#
# `[chance.events_needed(ratio, 0.2) for ratio in (1.5, 3.0)]`. It grows fourfold: the logarithm of the ratio stands
# squared in the denominator.
# ````
#
# ````{exercise} An audit of your own · project · 90 min
# :label: ex-audit-own
#
# Audit a paper of your field as this page does: every percentage with its denominator, every interval with its formula,
# every sum that must come out. Keep a list of verdicts, the good ones too.
# ````
#
# ````{solution} ex-audit-own
# :class: dropdown
#
# Begin with the counts of classes and sets, then percentages (`audit.denominators`), then rates of one model together,
# as in `audit.splits_behind`, then intervals against Wald's and Wilson's. Write "reproduced" where it fits: an audit
# that finds only faults is as one-sided as a paper that finds only successes. Ask the authors before you publish a
# fault.
# ````
#
# ## Questions
#
# ````{dropdown} How can percentages without a denominator tell how many patients there were?
# A percentage of patients is a whole number over a whole number. Few denominators give all percentages of a table at
# once.
# ````
#
# ````{dropdown} Why is an interval for an AUC too short if it treats the AUC as a proportion of 50 patients?
# An AUC hangs on the pairs of both classes, and the smaller class, 10 patients, sets its spread.
# ````
#
# ````{dropdown} What is the strongest thing that a p-value of 0.04 from one of five comparisons can say?
# After Bonferroni the level is 0.01: nothing. Before, that chance alone does this in four of 100 such comparisons.
# ````
#
# ## Take-aways
#
# - Printed percentages of few patients are whole numbers in disguise. Check your own before somebody else does.
# - Ask of every interval which formula gave it, and of every denominator how many values were missing.
# - "Not significant" and "significant" at 50 patients are both weak words.
#
# ## Further reading
#
# - {cite:t}`hanley1982`: an interval of an AUC from the counts alone, which an audit can compute.
# - {cite:t}`schoenfeld1981`: why recurrences, not patients, make the power of a survival comparison.
# - {cite:t}`dicenzo2020`: a study whose printed rates fit to the last patient; the exercise above is about it.
#
# Also behind this page: {cite}`taleghamar2022,delong1988,esserman2012`; paired counts after {cite:t}`mcnemar1947`.
