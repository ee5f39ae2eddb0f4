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
from pages import figures, judgement
from pages.judgement import with_interval
from pages.printed import printed_table2
from reading import roc as roc_to_move

figures.use_book_style()
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
# - false positive rate = 1 − {term}`specificity` = share of responders above it.

# %%
slug = "ran_core_margin"
test = predictions[predictions.split == "test"]
rows = test[test.model == slug]
why_not = judgement.lacking(~rows.responder)
walk = rows.sort_values("probability", ascending=False)
passed, lost = walk.responder, ~walk.responder
walk["sensitivity"] = lost.cumsum() / lost.sum()
walk["false positive rate"] = passed.cumsum() / passed.sum()

# %% [markdown] tags=["if-simulated"]
# {numref}`tab-steps` holds the first steps.

# %% tags=["hide-input", "if-simulated"] mystnb={"table": {"name": "tab-steps", "caption": "{{ Whose }} test patients: the first steps down the list."}}
columns = ["patient", "responder", "probability"]
steps = walk[[*columns, "sensitivity", "false positive rate"]].head(8)
steps["responder"] = np.where(steps["responder"], "yes", "no")
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
    or f"Area under the steps {area:.4f}; share of won pairs {auc:.4f}; "
    f"difference {abs(area - auc):.4f}."
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
    f"{np.ptp(printed_table2().test_auc):.2f}: less than one non-responder "
    "can "
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
figure, axes = figures.subplots(4, 1, 4.2, sharex=True)
for ax, (name, spec) in zip(axes.flat, MODELS.items(), strict=True):
    of_model = predictions[predictions.model == name]
    for split in ("validation", "test"):
        part = of_model[of_model.split == split]
        two, band = (~part.responder, part.probability), split == "test"
        colour = figures.COLOUR[split]
        judgement.draw_roc(ax, *two, colour, split, level, with_band=band)
    ax.plot([0, 1], [0, 1], ":", color="0.6")
    ax.set(
        title=spec.title,
        aspect="equal",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    ax.legend(loc="lower right")
figure.supxlabel("1 − specificity (responders called non-responders)")
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
    roc_to_move.interactive(
        curves, level=level, whose=f"{whose} test patients"
    )
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
figure, ax = figures.subplots(row_in=3.8)
for name, spec in ({} if why_not else MODELS).items():
    part = test[test.model == name]
    precision, recall, average = comparison.precision_recall(
        ~part.responder, part.probability
    )
    label = f"{spec.title}: {average:.2f}"
    look = {"color": figures.COLOUR[name], "label": label}
    best = pd.Series(precision, recall).groupby(level=0).max()
    best[0] = best[best.index > 0].iloc[0]  # nobody need be called there
    ax.step(best.index, best, where="pre", **look)
ax.set(xlabel="recall (non-responders found)", ylabel="precision")
ax.set(xlim=(0, 1), ylim=(0, 1.03))
if why_not:
    judgement.write_instead(ax, why_not)
else:
    ax.axhline(lost.mean(), color="0.6", ls=":")
    ax.legend()
plt.show()

# %% [markdown]
# ## Does 70 % mean 70 %?
#
# A curve may rise well while its dot sits in a corner: the *order* of the probabilities is then good and
# their *level* is not. Weighting non-responders $C : 1$ in the loss does exactly that, it lifts all
# probabilities. If $p$ is the probability without weights, a perfectly trained weighted model says
#
# $$ \begin{aligned} q &= \frac{C p}{C p + 1 - p} , \\ p &= \frac{q}{q + C (1 - q)} , \end{aligned} $$ (eq-weighted)
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
figure, axes = figures.subplots(2, 2, 3.1, sharex=True, sharey=True)
looks = [(figures.COLOUR["estimate"], "o"), ("0.5", "s")]
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
        told = {"color": colour, "label": label, "clip_on": False}
        ax.plot(x, groups.observed, look[1], **told)
    ax.plot([0, 1], [0, 1], ":", color="0.6")
_ = [ax.set_xlabel("predicted") for ax in axes[1]]
_ = [ax.set_ylabel("share of non-responders") for ax in axes[:, 0]]
handles = axes[0, 0].get_legend_handles_labels()
if not why_not:
    figure.legend(*handles, loc="outside lower center", ncol=2)
plt.show()

# %% [markdown]
# Three numbers sum it up ({numref}`tab-calibration`). The **{term}`Brier score`** {cite:p}`brier1950` is the mean
# squared error of the probability; a useful model has a lower one than giving everybody the share of non-responders.
# The **intercept** says by how much the log-odds are too low (+) or too high (−) on the whole. The **slope**
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

# %% tags=["remove-cell"]
from reading.results import keep

of_slope = [np.nan]
if not why_not:
    of_slope = scores[slug, "class weight undone"][1].loc["slope"]
told = {"at": "fig-calibration"}
told["why"] = why_not or judgement.too_few(int(lost.sum()))
keep("slope", "calibration slope of model 4, weight undone", of_slope, **told)

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
share = lost.mean()
Markdown(
    judgement.sentence(why_not)
    or f"{whose} test patients; C = {weight:g}. Everybody given the share of "
    f"non-responders, {share:.0%}, scores a Brier of "
    f"{share * (1 - share):.2f}.\n\n"
    + pd.DataFrame(summary).to_markdown(index=False)
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
# $$ \frac{1}{n} \left( n_\text{right} - n_\text{wrong} \, \frac{t}{1 - t} \right) $$ (eq-net-benefit)
#
# with $n_\text{right}$ and $n_\text{wrong}$ of the $n$ patients called rightly and wrongly {cite:p}`vickers2006`. Two
# rules need no ultrasound: offer it to nobody (benefit 0), or to everybody. A
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

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-decision", "caption": "Decision curves on the {{ whose }} test patients. A: net benefit of acting on each model, class weight undone, on everybody and on nobody, by threshold. B: what the last model gains over the better of the two simple rules, with its interval."}, "image": {"alt": "A: net benefit against threshold, a falling line for everybody, a flat line for nobody and four jagged curves of models. B: the gain of the last model around zero with a wide band."}}
figure, (left, right) = figures.subplots(2, row_in=3.6)
left.set(ylabel="net benefit per patient", xlabel="threshold")
right.set(ylabel=f"gain of {MODELS[slug].title}", xlabel="threshold")
if why_not:
    for ax in (left, right):
        judgement.write_instead(ax, why_not)
else:
    for name, found in benefit.items():
        look = {"color": figures.COLOUR[name]}
        left.plot(found.model, **look, label=MODELS[name].title)
    last = benefit[slug]
    left.plot(last.everybody, color="0.3", ls="--", label="everybody")
    left.plot(last.nobody, color="0.3", ls=":", label="nobody")
    left.set(ylim=(-0.12, None))
    left.legend()
    colour = figures.COLOUR[slug]
    right.plot(last.gain, color=colour)
    band = {"color": colour, "alpha": 0.15, "lw": 0}
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
    or f"{MODELS[slug].title} is worth more than both simple rules {span}; "
    "its "
    f"whole interval lies above zero at {len(sure)} of {len(thresholds)}."
    + judgement.beneath(lost)
)

# %% [markdown]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} One patient · recall · 5 min
# :label: ex-roc-step
#
# A curve of 10 non-responders and 40 responders: how high and how wide are its steps, and when is a step slanted?
# ````
#
# ````{solution} ex-roc-step
# :class: dropdown
#
# A non-responder is a step of 1/10 upwards, a responder one of 1/40 to the right. Patients of both classes with the
# same score make one slanted step: their pairs count one half.
# ````
#
# ````{exercise} Called at one half · compute · 5 min
# :label: ex-roc-weight
#
# A model was trained to perfection with $C = 5$. A patient for whom it says 0.5: how probable is non-response in truth?
#
# Check: `check("ex-roc-weight", ...)` (probability).
# ````
#
# ````{solution} ex-roc-weight
# :class: dropdown
#
# $p = q / (q + C (1 - q)) = 0.5 / (0.5 + 2.5) = 1/6$. At 0.5 it calls patients of whom one in six does not respond.
# ````
#
# ````{exercise} Net benefit by hand · compute · 10 min
# :label: ex-roc-benefit
#
# Of 50 patients, 7 of 10 non-responders and 3 of 40 responders are called non-responders. What is the net benefit per
# patient at $t = 0.2$? Is the model worth more than calling everybody?
#
# Check: `check("ex-roc-benefit", ...)` (per patient).
# ````
#
# ````{solution} ex-roc-benefit
# :class: dropdown
#
# $7/50 - 3/50 \cdot 0.2/0.8 = 0.125$. Calling everybody gives $10/50 - 40/50 \cdot 0.25 = 0$, and so does calling
# nobody: at $t$ equal to the share of non-responders the two simple rules are worth the same.
# ````
#
# ````{exercise} Averaging models · vary · 10 min
# :label: ex-ensemble
#
# Average the probabilities of the four models for each test patient. Is the AUC of the average above that of each
# model, and is the difference to the best one clear?
# ````
#
# ````{solution} ex-ensemble
# :class: dropdown
#
# ```python
# from helpers.judgement import auc_difference
#
# columns = {"columns": "model", "values": "probability"}
# wide = test.pivot(index="patient", **columns)
# positive = ~test.groupby("patient").responder.first().loc[wide.index]
# mean = wide.mean(axis=1)
# {
#     slug: auc_difference(positive, mean, wide[slug], level)
#     for slug in wide
# }
# ```
#
# Averaging removes part of the chance in training, not the chance in the choice of test patients. Picking the best of
# the four *after* seeing the test set and comparing with it favours that model.
# ````
#
# ````{exercise} Turning the question round · vary · 10 min
# :label: ex-turn
#
# Make the responder the positive class. Which numbers change: AUC, its interval, sensitivity, the shape of the curve,
# precision and recall?
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
# The AUC and its interval stay: each pair is won or lost as before. Sensitivity and specificity swap, and the curve is
# mirrored at the falling diagonal. Precision and recall become quite different ones, and look much better where most
# patients respond.
# ````
#
# ````{exercise} Calibrated anew · project · 60 min
# :label: ex-roc-anew
#
# Fit the intercept of the calibration line on the *validation* patients, add it to the test patients' log-odds, and
# compare the Brier score with that of the weight undone by formula. When is the fit worth the patients it takes?
# ````
#
# ````{solution} ex-roc-anew
# :class: dropdown
#
# `calibration.calibration_line` on the validation patients gives the intercept and its interval. Where the interval is
# wider than the correction itself, the fit adds more noise than it removes, and the formula, which takes no patient,
# wins. A slope fitted on so few patients is worse still. Never fit on those whom you judge on.
# ````
#
# ## Questions
#
# ````{dropdown} Two models have the same AUC. May they still differ in use?
# Yes: in their curves, which may cross, in whether their probabilities can be believed, and in what they are worth at
# the threshold where one would act.
# ````
#
# ````{dropdown} What does the weight in the loss do to the ROC curve?
# To its shape, at best, little: undoing the weight keeps the order of the patients. It moves the dot along the curve.
# ````
#
# ````{dropdown} Why does precision fall when non-responders become rarer, although sensitivity and specificity stay?
# The same share of responders is called falsely, but there are more responders for each non-responder: more alarms are
# false.
# ````
#
# ## Take-aways
#
# - The AUC judges the order of patients; the dot judges the threshold; calibration judges the number itself.
# - A weighted loss mainly moves the dot, not the order. Undo the weight before reading a probability as one.
# - Choose a threshold from what errors cost, before seeing the test patients.
# - A model that orders patients well may still be worth nothing at the threshold where one would act.
#
# ## Further reading
#
# - {cite:t}`vancalster2019`: why calibration decides whether a prediction helps or harms, and how to look at it.
# - {cite:t}`vickers2006`: net benefit and decision curves, from the physician's side.
# - {cite:t}`hanley1982`: the area as the share of pairs won, with its standard error.
#
# Also behind this page: {cite}`taleghamar2022,delong1988`; band after Pepe (2003), calibration after Cox (1958), score
# after Brier (1950).
