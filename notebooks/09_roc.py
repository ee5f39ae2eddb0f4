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
# # ROC curves
#
# A threshold of 0.5 is one choice among many. The ROC curve shows them all, for each of the four models, as
# in Figure 4 of the paper {cite}`taleghamar2022`.
#
# **You will learn**
#
# - how a ROC curve is drawn, patient by patient, and why its area counts won pairs;
# - where the threshold of 0.5 lands on the curve, and why it can land badly on a good curve;
# - whether four models can be ranked on one test set.
#
# **You need** the chapter on Table 2.
# **Time** 15 minutes to read; the chapter runs in seconds once the models are trained.

# %% tags=["parameters"]
profile: str = "laptop"  # profile of the study: a name in notebooks/profiles, or the path of a .yml file
artifacts: str = "artifacts"  # folder of computed cohorts, maps, images and models
level: float = 0.95  # confidence level of all intervals

# %%
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy.stats import norm

from helpers import evaluation, stages
from helpers.figures import use_book_style
from helpers.settings import load_settings
from helpers.training import MODELS

use_book_style()
settings = load_settings(profile, level=level)
predictions = stages.models(settings, artifacts).predictions.astype({"responder": bool})

# %% [markdown]
# ## One curve, by hand
#
# Sort the patients by their probability of non-response, highest first, and walk down the list with the
# threshold. Each non-responder that falls above it is one step up, each responder one step to the right. Two
# coordinates follow:
#
# - true positive rate = sensitivity = share of non-responders above the threshold,
# - false positive rate = 1 - specificity = share of responders above it.

# %%
slug = list(MODELS)[-1]
rows = predictions[(predictions.model == slug) & (predictions.split == "test")]
walk = rows.sort_values("probability", ascending=False)
walk["sensitivity"] = (~walk.responder).cumsum() / (~walk.responder).sum()
walk["false positive rate"] = walk.responder.cumsum() / walk.responder.sum()
Markdown(f"First steps of {MODELS[slug].title}, simulated test patients:\n\n"
         + walk[["patient", "responder", "probability", "sensitivity", "false positive rate"]]
         .head(8).to_markdown(index=False, floatfmt=".3f"))  # fmt: skip

# %% [markdown]
# `evaluation.roc_curve` does the same for all distinct scores at once, tied patients in one step. The area
# under the steps is the share of won pairs: each responder's step to the right adds a column whose height
# counts the non-responders already passed, those that beat this responder.

# %%
false_positive, true_positive, threshold = evaluation.roc_curve(~rows.responder, rows.probability)
area = np.trapezoid(true_positive, false_positive)
auc, low, high = evaluation.auc_interval(~rows.responder, rows.probability, level)
Markdown(f"Area under the steps {area:.6f}; share of won pairs {auc:.6f}; difference {abs(area - auc):.1e}.")

# %% [markdown]
# ## Four models, two sets
#
# The dot marks the operating point at 0.5. The validation patients chose when training stopped, so their
# curves are no evidence; they are drawn because the paper draws them.


# %%
def draw_curve(ax, rows, colour, name):
    """Draw one ROC curve with its operating point; the label carries AUC and interval."""
    positive = ~rows.responder
    x, y, _ = evaluation.roc_curve(positive, rows.probability)
    auc, low, high = evaluation.auc_interval(positive, rows.probability, level)
    ax.plot(x, y, color=colour, label=f"{name}: AUC {auc:.2f} ({low:.2f}–{high:.2f})")
    found, missed, right, false = evaluation.confusion(positive, rows.probability)
    ax.plot(false / (right + false), found / (found + missed), "o", color=colour, ms=8, clip_on=False)


# %% mystnb={"figure": {"name": "fig-roc", "caption": "Simulated cohort. ROC curves of the four models for validation and test patients, after Figure 4 of the paper, with AUC and interval. Dots: operating points at a threshold of 0.5. Dotted: guessing."}, "image": {"alt": "Four panels, one per model, each with a validation and a test ROC curve, a dot on each curve and the diagonal of guessing."}}
figure, axes = plt.subplots(2, 2, figsize=(8.4, 8.4), sharex=True, sharey=True)
for ax, (slug, spec), letter in zip(axes.flat, MODELS.items(), "ABCD", strict=True):
    of_model = predictions[predictions.model == slug]
    for split, colour in [("validation", "C1"), ("test", "C0")]:
        draw_curve(ax, of_model[of_model.split == split], colour, split)
    ax.plot([0, 1], [0, 1], ":", color="0.6")
    ax.set(title=f"{letter}  {spec.title}", aspect="equal", xlim=(0, 1), ylim=(0, 1))
    ax.legend(loc="lower right", fontsize=9)
figure.supxlabel("1 - specificity (responders called non-responders)")
figure.supylabel("sensitivity (non-responders found)")
plt.show()

# %% [markdown]
# A curve may rise well while its dot sits in a corner: the *order* of the probabilities is then good and
# their *level* is not. Weighting non-responders $C : 1$ in the loss does exactly that, it lifts all
# probabilities. If $p$ is the probability without weights, a perfectly trained weighted model says
#
# $$ q = \frac{C p}{C p + 1 - p} , $$
#
# so calling non-responders at $q \ge 0.5$ means calling them at $p \ge 1 / (1 + C)$.

# %%
points = pd.DataFrame({
    spec.title: {
        "sensitivity at 0.5": (scores[~responder] >= 0.5).mean(),
        "specificity at 0.5": (scores[responder] < 0.5).mean(),
        "median probability, non-responders": np.median(scores[~responder]),
        "median probability, responders": np.median(scores[responder]),
    }
    for slug, spec in MODELS.items()
    for test in [predictions[(predictions.model == slug) & (predictions.split == "test")]]
    for scores, responder in [(test.probability.to_numpy(), test.responder.to_numpy())]
}).T  # fmt: skip
Markdown(
    f"With C = {settings.class_weight:g}, a threshold of 0.5 is one of {1 / (1 + settings.class_weight):.2f} for "
    "a model without weights. Simulated test patients:\n\n" + points.to_markdown(floatfmt=".2f")
)

# %% [markdown]
# ## One patient is one step
#
# The curve of a small test set is a staircase, and its steps are patients.

# %%
n_positive, n_negative = (~rows.responder).sum(), rows.responder.sum()
Markdown(
    f"Here one non-responder is a step of {1 / n_positive:.1%} in sensitivity and can move the AUC by up to "
    f"{1 / n_positive:.3f}; one responder is {1 / n_negative:.1%} in specificity. In the paper's test set, 10 "
    f"against 40, these are {1 / 10:.0%} and {1 / 40:.1%}, and its four AUCs span "
    f"{np.ptp(evaluation.PRINTED_TABLE_2.test_auc):.2f}: less than one non-responder can move."
)

# %% [markdown]
# ## Can the models be ranked?
#
# All models saw the same patients, so their AUCs share the luck of the draw. DeLong's method
# {cite}`delong1988` takes that into account: it works on the difference of the two tables of wins. Twelve
# patients that one model orders better and the other worse say more than two overlapping intervals.

# %%
test = predictions[predictions.split == "test"].pivot(index="patient", columns="model", values="probability")
positive = ~predictions.drop_duplicates("patient").set_index("patient").responder.loc[test.index]
pairs = pd.DataFrame([
    (MODELS[b].title, MODELS[a].title, *evaluation.auc_difference(positive, test[b], test[a], level))
    for a, b in combinations(MODELS, 2)
], columns=["model", "against", "AUC difference", "from", "to", "p"]).fillna({"p": 1.0})  # fmt: skip
Markdown("Simulated test patients:\n\n" + pairs.to_markdown(index=False, floatfmt=".3f"))

# %%
n_clear = int((pairs.p < 1 - level).sum())
Markdown(
    f"Of {len(pairs)} pairs of models, **{n_clear}** differ at the {1 - level:.0%} level before, and "
    f"**{int((pairs.p < (1 - level) / len(pairs)).sum())}** after dividing the level by the number of comparisons "
    f"(Bonferroni). The widest interval of a difference spans {(pairs['to'] - pairs['from']).max():.2f} of AUC."
)

# %% mystnb={"figure": {"name": "fig-luck", "caption": "Simulated studies, not patients of the cohort: AUC found in 4,000 studies with 10 non-responders and 40 responders, when the true AUC is 0.77 or 0.86, the lowest and the highest printed test AUC."}, "image": {"alt": "Two broad, strongly overlapping histograms of the AUC found in simulated studies, one around 0.77 and one around 0.86."}}
figure, ax = plt.subplots(figsize=(6.5, 3.2))
generator = np.random.default_rng(0)
found = {}
for truth, colour in [(0.77, "C1"), (0.86, "C0")]:
    positive_score = np.sqrt(2) * norm.ppf(truth) + generator.standard_normal((4000, 10))
    found[truth] = evaluation.wins(positive_score, generator.standard_normal((4000, 40))).mean((1, 2))
    ax.hist(found[truth], bins=np.arange(0.4, 1.01, 0.02), color=colour, alpha=0.6, label=f"true AUC {truth}")
ax.set(xlabel="AUC found in one study", ylabel="studies")
ax.legend(loc="upper left")
plt.show()

# %%
Markdown(
    f"The standard deviation of the AUC over simulated studies is {found[0.77].std():.3f} at a true AUC of 0.77 "
    f"and {found[0.86].std():.3f} at 0.86. In {np.mean(found[0.77] >= found[0.86]):.0%} of pairs of studies, each "
    "with its own patients, the worse model looks at least as good as the better one."
)

# %% [markdown]
# ## Decisions taken here
#
# - The curves join their points by straight lines, so that the area is the share of won pairs with ties as
#   one half.
# - No curve is smoothed: the steps are the patients.
# - Intervals are DeLong's on the logit scale, those of differences on the plain scale.
#
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
# mean = test.mean(axis=1)
# {slug: evaluation.auc_difference(positive, mean, test[slug], level) for slug in test}
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
# the curve?
# ````
#
# ````{solution} ex-turn
# :class: dropdown
#
# ```python
# evaluation.auc_interval(rows.responder, 1 - rows.probability, level)
# evaluation.auc_interval(~rows.responder, rows.probability, level)
# ```
#
# The AUC and its interval stay: each pair is won or lost as before. Sensitivity and specificity swap, and the
# curve is mirrored at the falling diagonal.
# ````
#
# ## Take-aways
#
# - The AUC judges the order of patients; the dot judges the threshold. A weighted loss mainly moves the dot,
#   not the order.
# - One non-responder more or less can change which of the models looks best.
# - Compare models on the same patients with their *difference*, and count how many comparisons you make.
#
# **References** {cite}`taleghamar2022,delong1988,hanley1982`
