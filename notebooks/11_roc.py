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
# # ROC curves and thresholds
#
# A model gives a probability; a decision needs a {term}`threshold`. The
# {term}`ROC curve <receiver operating characteristic (ROC)>` shows all thresholds at once, for each of the four models,
# as in Figure 4 of the paper {cite}`taleghamar2022`. Which one to use depends on whether the probability can be
# believed, and on what a wrong call costs.
#
# **You will learn**
#
# - how a ROC curve is drawn, patient by patient, and why its area counts won pairs;
# - what moving the threshold does, by moving it;
# - what the curve hides: the share of false alarms among the alarms, and whether 70 % means 70 %;
# - at which thresholds a model is worth more than treating everybody alike.
#
# **You need**: {doc}`10_evaluation`. **Time**: 25 minutes to read, seconds to run once the models are trained.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
level: float = 0.95  # confidence level of all intervals

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from beyond import calibration, comparison
from helpers import stages
from helpers.data.study import MODELS
from helpers.judgement import auc_interval, roc
from helpers.settings import load_settings
from pages import judgement
from pages.figures import use_book_style
from pages.judgement import with_interval
from pages.printed import printed_table2

use_book_style()
settings = load_settings(profile, level=level)
predictions = stages.models(settings, artifacts).predictions
predictions = predictions.astype({"responder": bool})
whose = settings.study.whose

# %% [markdown]
# ## One curve, by hand
#
# Sort the patients by their probability of non-response, highest first, and walk down the list with the
# threshold. Each non-responder that falls above it is one step up, each responder one step to the right. Two
# coordinates follow:
#
# - true positive rate = {term}`sensitivity` = share of {term}`non-responders <non-responder>` above the threshold,
# - false positive rate = 1 - {term}`specificity` = share of responders above it.

# %%
slug = "ran_core_margin"
test = predictions[predictions.split == "test"]
rows = test[test.model == slug]
why_not = judgement.lacking(~rows.responder)
walk = rows.sort_values("probability", ascending=False)
passed, lost = walk.responder, ~walk.responder
walk["sensitivity"] = lost.cumsum() / lost.sum()
walk["false positive rate"] = passed.cumsum() / passed.sum()

# %% tags=["hide-input", "if-simulated"]
columns = ["patient", "responder", "probability"]
steps = walk[[*columns, "sensitivity", "false positive rate"]].head(8)
shown = f"First steps of {MODELS[slug].title}, simulated test patients:\n\n"
shown += steps.to_markdown(index=False, floatfmt=".3f")
Markdown(shown if settings.study.simulated else "")

# %% [markdown]
# `roc.roc_curve` does the same for all distinct scores at once, tied patients in one step.
#
# **Decision**: points are joined by straight lines, so that the area is the share of won pairs with ties as one half;
# no curve is smoothed, since the steps are the patients.
#
# The area under the steps is the share of won pairs: each responder's step to the right adds a column whose height
# counts the non-responders already passed, those that beat this responder.

# %%
lost = ~rows.responder
if not why_not:
    false_positive, true_positive, _ = roc.roc_curve(lost, rows.probability)
    area = np.trapezoid(true_positive, false_positive)
    auc, low, high = auc_interval(lost, rows.probability, level)

# %% tags=["hide-input"]
Markdown(
    judgement.sentence(why_not)
    or f"Area under the steps {area:.6f}; share of won pairs {auc:.6f}; "
    f"difference {abs(area - auc):.1e}."
    + judgement.beneath(lost)
)

# %% [markdown]
# The curve of a small test set is a staircase, and its steps are patients.

# %% tags=["hide-input"]
n_positive, n_negative = lost.sum(), rows.responder.sum()
told = judgement.sentence(why_not) or (
    f"Here one non-responder is a step of {1 / n_positive:.1%} in sensitivity "
    f"and can move the AUC by up to {1 / n_positive:.3f}; one responder is "
    f"{1 / n_negative:.1%} in specificity."
)
Markdown(
    f"{told} In the paper's test set, 10 against "
    f"40, these are {1 / 10:.0%} and {1 / 40:.1%}, and its four AUCs span "
    f"{np.ptp(printed_table2().test_auc):.2f}: less than one non-responder can "
    f"move."
)

# %% [markdown]
# ## Four models, two sets
#
# The dots of {numref}`fig-roc` mark the operating points at 0.5. The band belongs to the test curve: at each threshold
# both rates have a Wilson {term}`interval <confidence interval>`, the classes are independent, and the rectangle of the
# two intervals holds the true point with the stated level {cite:p}`pepe2003`.
#
# **Decision**: the band is what all rectangles cover; it holds each point of the curve with the stated level, not all
# of them at once.
#
# The validation patients chose when training stopped, so their curves are no evidence; they are drawn because the paper
# draws them.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-roc", "caption": "ROC curves of the four models for {{ whose }} validation and test patients, after Figure 4 of the paper, with AUC and interval and the band of the test curve. Dots: operating points at a threshold of 0.5. Dotted: guessing."}, "image": {"alt": "Four panels, one per model, each with a validation and a test ROC curve, a wide band around the test curve, a dot on each curve and the diagonal of guessing."}}
figure, axes = plt.subplots(2, 2, figsize=(8.4, 8.4), sharex=True, sharey=True)
four = zip(axes.flat, MODELS.items(), "ABCD", strict=True)
for ax, (name, spec), letter in four:
    of_model = predictions[predictions.model == name]
    for split, colour in [("validation", "C1"), ("test", "C0")]:
        part = of_model[of_model.split == split]
        two, band = (~part.responder, part.probability), split == "test"
        judgement.draw_roc(ax, *two, colour, split, level, with_band=band)
    ax.plot([0, 1], [0, 1], ":", color="0.6")
    ax.set(
        title=f"{letter}  {spec.title}",
        aspect="equal",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    ax.legend(loc="lower right", fontsize=9)
figure.supxlabel("1 - specificity (responders called non-responders)")
figure.supylabel("sensitivity (non-responders found)")
plt.show()

# %% [markdown]
# ## Move the threshold
#
# Drag the slider, or move it with the arrow keys. Each patient is a mark at her probability; who stands at or to the
# right of the line is called a non-responder. Watch what a few non-responders do to the intervals. The
# {term}`positive predictive value` is the share of true alarms among the alarms.

# %% tags=["hide-input"]
curves = {
    spec.title: (~part.responder, part.probability)
    for name, spec in MODELS.items()
    for part in [test[test.model == name]]
}
HTML(
    judgement.interactive(curves, level=level, whose=f"{whose} test patients")
)

# %% [markdown]
# A threshold found by looking at these patients is a threshold fitted to them. To *use* one, choose it on other
# patients first.
#
# ## Precision and recall
#
# With few non-responders a small false positive rate is still many false alarms. Recall is another name for
# sensitivity, precision for the positive predictive value; guessing has the precision of the share of non-responders.
# Unlike the ROC curve, this one ({numref}`fig-precision`) changes when non-responders become rarer {cite:p}`saito2015`.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-precision", "caption": "Precision against recall of the four models on the {{ whose }} test patients, with the average precision. Dotted: the share of non-responders, which guessing reaches."}, "image": {"alt": "Four jagged curves of precision against recall, mostly falling towards the dotted line of guessing on the right."}}
figure, ax = plt.subplots(figsize=(6.5, 4))
for number, (name, spec) in enumerate({} if why_not else MODELS.items()):
    part = test[test.model == name]
    precision, recall, average = comparison.precision_recall(
        ~part.responder, part.probability
    )
    label = f"{spec.title}: {average:.2f}"
    ax.step(recall, precision, where="post", color=f"C{number}", label=label)
ax.set(xlabel="recall (non-responders found)", ylabel="precision")
ax.set(xlim=(0, 1), ylim=(0, 1.03))
if why_not:
    judgement.write_instead(ax, why_not)
else:
    ax.axhline(lost.mean(), color="0.6", ls=":")
    ax.legend(fontsize=9)
plt.show()

# %% [markdown]
# ## Does 70 % mean 70 %?
#
# A curve may rise well while its dot sits in a corner: the *order* of the probabilities is then good and
# their *level* is not. Weighting non-responders $C : 1$ in the loss does exactly that, it lifts all
# probabilities. If $p$ is the probability without weights, a perfectly trained weighted model says
#
# $$ q = \frac{C p}{C p + 1 - p} , \qquad p = \frac{q}{q + C (1 - q)} , $$ (eq-weighted)
#
# so calling non-responders at $q \ge 0.5$ means calling them at $p \ge 1 / (1 + C)$. `calibration.unweighted` turns $q$
# into $p$.
#
# **Decision**: the {term}`class weight` is undone by {eq}`eq-weighted`, which needs no further patients; the four
# models are not {term}`calibrated <calibration>` anew.
#
# A model is **calibrated** if, among patients given 30 %, three in ten do not respond. **Decision**: calibration is
# judged in five groups of equal size, with Wilson intervals ({numref}`fig-calibration`).

# %%
weight = settings.training.class_weight
test = test.assign(unweighted=calibration.unweighted(test.probability, weight))
sources = {
    "as the model says it": "probability",
    "class weight undone": "unweighted",
}
judged = {} if why_not else {one: test[test.model == one] for one in MODELS}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-calibration", "caption": "Reliability of the four models on the {{ whose }} test patients: share of non-responders in up to five groups of patients against the mean probability of the group, with Wilson intervals. Circles: the probability as it is; squares: with the class weight undone. Dotted: perfect."}, "image": {"alt": "Four panels, one per model, with up to five circles and five squares each around the dotted diagonal, all with long vertical intervals."}}
figure, axes = plt.subplots(2, 2, figsize=(8.4, 8.8), sharex=True, sharey=True)
looks = [("C0", "o"), ("C1", "s")]
for ax, (name, spec) in zip(axes.flat, MODELS.items(), strict=True):
    ax.set(title=spec.title, xlim=(0, 1), ylim=(0, 1), aspect="equal")
    if why_not:
        judgement.write_instead(ax, why_not)
        continue
    part = judged[name]
    for (label, column), look in zip(sources.items(), looks, strict=True):
        groups = calibration.reliability(
            ~part.responder, part[column], 5, level
        )
        x, colour = groups.predicted, look[0]
        ax.vlines(x, groups.low, groups.high, color=colour, alpha=0.5)
        ax.plot(x, groups.observed, look[1], color=colour, label=label)
    ax.plot([0, 1], [0, 1], ":", color="0.6")
_ = [ax.set_xlabel("predicted") for ax in axes[1]]
_ = [ax.set_ylabel("share of non-responders") for ax in axes[:, 0]]
handles = axes[0, 0].get_legend_handles_labels()
if not why_not:
    figure.legend(*handles, loc="outside lower center", ncol=2, fontsize=10)
plt.show()

# %% [markdown]
# Three numbers sum it up ({numref}`tab-calibration`). The **{term}`Brier score`** {cite:p}`brier1950` is the mean
# squared error of the probability; a useful model has a lower one than giving everybody the share of non-responders.
# The **intercept** says by how much the log-odds are too low (+) or too high (-) on the whole. The **slope**
# {cite:p}`cox1958` is 1 when the spread of the predictions is right, above 1 when they are too timid, below 1 when they
# are too extreme, and 0 when they say nothing.


# %%
scores = {
    (name, label): (
        calibration.brier(~part.responder, part[column], level),
        calibration.calibration_line(~part.responder, part[column], level),
    )
    for name, part in judged.items()
    for label, column in sources.items()
}

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-calibration", "caption": "{{ Whose }} test patients: Brier score, intercept and slope of calibration, with intervals."}}
summary = [
    {
        "model": MODELS[name].title,
        "probability": label,
        "Brier": with_interval(score),
        "intercept": with_interval(line.loc["intercept"]),
        "slope": with_interval(line.loc["slope"]),
    }
    for (name, label), (score, line) in scores.items()
]
share, n_groups = lost.mean(), min(5, max(len(rows), 1))
Markdown(
    judgement.sentence(why_not)
    or f"{whose} test patients; C = {weight:g}. Everybody given the share of "
    f"non-responders, {share:.0%}, scores a Brier of "
    f"{share * (1 - share):.2f}.\n\n"
    + pd.DataFrame(summary).to_markdown(index=False)
    + f"\n\n{n_groups} groups of about {len(rows) / n_groups:.0f} patients are "
    f"what {len(rows)} allow."
    + judgement.beneath(lost)
)

# %% [markdown]
# The intervals show how little such groups say: a small test set can find a calibration that is badly wrong, not
# confirm one that is right. The slope cannot be estimated for a
# model that separates the classes perfectly, nor for one that says the same of everybody.
#
# ## Is the model worth using?
#
# Suppose that a patient called a non-responder is offered another treatment. Wrongly offered, it harms; rightly
# offered, it helps. Whoever acts from a probability of $t$ on says that one right offer is worth $(1 - t) / t$ wrong
# ones. In that currency the **{term}`net benefit`** per patient is
#
# $$ \frac{\text{rightly called}}{n} - \frac{\text{wrongly called}}{n} \cdot \frac{t}{1 - t} $$ (eq-net-benefit)
#
# {cite:p}`vickers2006`. Two rules need no ultrasound: offer it to nobody (benefit 0), or to everybody. A
# {term}`decision curve` ({numref}`fig-decision`) draws {eq}`eq-net-benefit` over the thresholds; a model is useful at
# those where it lies above both. The threshold is a true probability, so the models' are taken with the class weight
# undone.

# %%
thresholds = np.linspace(0.02, 0.6, 59)
benefit = {
    name: calibration.net_benefit(
        ~part.responder, part.unweighted, thresholds, level
    )
    for name, part in judged.items()
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-decision", "caption": "Decision curves on the {{ whose }} test patients. Left: net benefit of acting on each model, class weight undone, on everybody and on nobody, by threshold. Right: what the last model gains over the better of the two simple rules, with its interval."}, "image": {"alt": "Left: net benefit against threshold, a falling line for everybody, a flat line for nobody and four jagged curves of models. Right: the gain of the last model around zero with a wide band."}}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
left.set(ylabel="net benefit per patient", xlabel="threshold")
right.set(ylabel=f"gain of {MODELS[slug].title}", xlabel="threshold")
if why_not:
    for ax in (left, right):
        judgement.write_instead(ax, why_not)
else:
    for name, found in benefit.items():
        left.plot(found.model, label=MODELS[name].title)
    last = benefit[slug]
    left.plot(last.everybody, color="0.3", ls="--", label="everybody")
    left.plot(last.nobody, color="0.3", ls=":", label="nobody")
    left.set(ylim=(-0.12, None))
    left.legend(fontsize=9)
    right.plot(last.gain, color="C3")
    band = {"color": "C3", "alpha": 0.15, "lw": 0}
    right.fill_between(thresholds, last.low, last.high, **band)
    right.axhline(0, color="0.3", ls=":")
plt.show()

# %%
useful = sure = []
if not why_not:
    last = benefit[slug]
    useful, sure = last.index[last.gain > 0], last.index[last.low > 0]

# %% tags=["hide-input"]
span = (
    f"at {len(useful)} of {len(thresholds)} thresholds, {useful.min():.2f} to "
    f"{useful.max():.2f}"
    if len(useful)
    else "nowhere"
)
Markdown(
    judgement.sentence(why_not)
    or f"{MODELS[slug].title} is worth more than both simple rules {span}; its "
    f"whole interval lies above zero at {len(sure)} of {len(thresholds)}."
    + judgement.beneath(lost)
)

# %% [markdown]
# ## Exercises
#
# ````{exercise} Averaging models
# :label: ex-ensemble
#
# Average the probabilities of the four models for each test patient. Is the AUC of the average above that of
# each model, and is the difference to the best one clear?
# ````
#
# ````{solution} ex-ensemble
# :class: dropdown
#
# ```python
# from helpers.judgement import auc_difference
#
# wide = test.pivot(index="patient", columns="model", values="probability")
# positive = ~test.groupby("patient").responder.first().loc[wide.index]
# {slug: auc_difference(positive, wide.mean(axis=1), wide[slug], level) for slug in wide}
# ```
#
# Averaging removes part of the chance in training, not the chance in the choice of test patients. Picking the
# best of the four *after* seeing the test set and comparing with it favours that model.
# ````
#
# ````{exercise} Turning the question round
# :label: ex-turn
#
# Make the responder the positive class. Which numbers change: AUC, its interval, sensitivity, the shape of
# the curve, precision and recall?
# ````
#
# ````{solution} ex-turn
# :class: dropdown
#
# ```python
# auc_interval(rows.responder, 1 - rows.probability, level)
# auc_interval(~rows.responder, rows.probability, level)
# comparison.precision_recall(rows.responder, 1 - rows.probability)[2]
# ```
#
# The AUC and its interval stay: each pair is won or lost as before. Sensitivity and specificity swap, and the
# curve is mirrored at the falling diagonal. Precision and recall become quite different ones, and look much better
# where most patients respond.
# ````
#
# ## Take-aways
#
# - The AUC judges the order of patients; the dot judges the threshold; calibration judges the number itself.
# - A weighted loss mainly moves the dot, not the order. Undo the weight before reading a probability as one.
# - Choose a threshold from what errors cost, before seeing the test patients.
# - A model that orders patients well may still be worth nothing at the threshold where one would act.
#
# **References** {cite}`taleghamar2022,delong1988,hanley1982`; band after Pepe (2003), calibration after Cox (1958),
# score after Brier (1950), net benefit after Vickers and Elkin (2006).
