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
# # Hyperparameters
#
# The paper searched for its hyperparameters on about thirty {term}`validation patients <validation set>`. This page
# repeats the search in the paper's ranges on {{ n_validation }} {{ whose }} ones, and then asks what such a search can
# know.
#
# **You will learn**
#
# - how to search the {term}`predictive network` in seconds, and when the {term}`feature network` has to be trained anew
# - which parameters mattered, as far as the validation patients show it
# - how much of the best validation figure is luck, and how to measure that without touching a test patient
#
# **You need**: {doc}`08_training`; {term}`AUC <area under the curve (AUC)>` and its interval are explained in
# {doc}`10_evaluation`. **Time**: 12 minutes to read, one to three minutes to run after the models are trained.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
model: str = "ran_core_margin"  # one of resnet_, ran_ core, core_margin
search_trials: int = 30  # configurations of the predictive network
search_backbone_trials: int = 6  # of the feature network, slower
search_epochs: int = 6  # epochs of the feature network in such a trial
search_storage: str = ""  # URL of a shared database; empty: a file
n_seeds: int = 8  # seeds with which one configuration is trained
n_splits: int = 500  # ways to halve the validation patients

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown

from beyond import search
from helpers import stages
from helpers.data.study import MODELS
from helpers.judgement.evaluation import auc_interval
from helpers.learning.fitting import area_under_curve
from helpers.settings import load_settings
from pages import figures, judgement, networks

figures.use_book_style()
chosen = {
    "search_trials": search_trials,
    "search_backbone_trials": search_backbone_trials,
    "search_epochs": search_epochs,
    "search_storage": search_storage,
}
settings = load_settings(profile, **chosen)
level = settings.judgement.level

# %% [markdown]
# ## What is searched
#
# The paper names six parameters and their ranges: {term}`dropout` 0.3 to 0.7, hidden neurons 50 to 300,
# {term}`learning rate` 10⁻⁵ to 10⁻¹, weight $C$ of a non-responder 1 to 10, batch 4 to 16, and Adam
# {cite:p}`kingma2015` or stochastic gradient descent (SGD) {cite:p}`robbins1951`. It does not say how it searched. Here
# Optuna proposes {cite:p}`akiba2019`: ten configurations at random, then such as resemble the better ones
# (tree-structured Parzen estimators, {cite:t}`bergstra2011`).
#
# **Decision**: the search is about the predictive network.
#
# It reads the 256-vectors that a trained feature network gives, so they are computed once and a {term}`trial` takes
# about a second. Dropout, hidden neurons and $C$ belong to the head alone. Learning rate, batch and optimiser shape the
# feature network too; for these a second search trains it anew, a few epochs each (`search_backbone_trials`), and gives
# up a trial that falls below the median of the earlier ones.
#
# **Decision**: a trial is judged by the AUC of the validation patients, not by their loss: the loss contains $C$, and
# would call one far from balance the best.
#
# The first trial is the paper's own choice ({numref}`fig-search-history`, {numref}`tab-trials`). Validation patients of
# one class have no AUC: then nothing is searched, and this page says so.

# %%
patients = stages.cohort(settings, artifacts)
images = stages.images(settings, artifacts)
results = stages.models(settings, artifacts)
validation = patients[patients["split"] == "validation"].sort_index()
positive = ~validation["responder"].to_numpy(bool)
study = search.search_head(results, images, patients, settings, model)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-trials", "caption": "{{ Whose }} validation patients: the paper's choice and the best trials."}}
whose = settings.study.whose
why_not = judgement.sentence(judgement.lacking(positive, "the validation set"))
trials = networks.complete_trials(study)
best = trials.sort_values("AUC", ascending=False).iloc[:4]
shown = pd.concat([trials.iloc[:1], best]).drop_duplicates("trial")
shown = shown.replace({"trial": {0: "0, the paper's"}})
form = ["", ".2f", *(shown.shape[1] - 2) * [".2g"]]
Markdown(
    why_not
    or networks.printed(shown, form)
    + judgement.beneath(positive, "the validation set")
)

# %%
probability = networks.kept_probabilities(study)  # (trials, patients)
if not why_not:
    _, low, high = auc_interval(positive, probability[0], level)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-search-history", "caption": "Search of the predictive network on the {{ whose }} validation patients: AUC of every trial, the best so far, and the {{ level_percent }} % interval of the first trial, the paper's choice."}, "image": {"alt": "Points of validation AUC against the number of the trial, a rising staircase of the best so far, and a wide horizontal band around the first point"}}
fig, ax = figures.subplots()
if why_not:
    judgement.write_instead(ax, why_not)
else:
    interval = f"{100 * level:g} % interval of the first trial"
    best_so_far = trials["AUC"].cummax()
    ax.axhspan(low, high, color="0.9", label=interval)
    ax.plot(trials["trial"], trials["AUC"], "o", ms=4, label="one trial")
    ax.step(trials["trial"], best_so_far, where="post", label="best so far")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(loc="lower right")
    ylabel = "AUC, validation patients"
    ax.set(xlabel="trial", ylabel=ylabel, ylim=(-0.03, 1.03))

# %% tags=["hide-input"]
if why_not:
    told = why_not
else:
    n_positive = positive.sum()
    n_negative = len(positive) - n_positive
    inside = trials["AUC"].between(low, high).mean()
    noun = "a non-responder" if n_positive == 1 else "non-responders"
    told = (
        f"{len(positive)} {whose.lower()} validation patients, {n_positive} "
        "of "
        f"them {noun}: one pair of patients is "
        f"{1 / (n_positive * n_negative):.3f} of AUC, "
        f"one non-responder {1 / n_positive:.2f} of sensitivity. "
        f"The best of {len(trials)} trials has {trials['AUC'].max():.2f}, "
        f"the paper's choice {trials['AUC'][0]:.2f} with an interval from "
        f"{low:.2f} to {high:.2f}, in which {inside:.0%} of all trials lie."
    )
Markdown(told)

# %% [markdown]
# ## Which parameters mattered
#
# Functional analysis of variance {cite:p}`hutter2014` fits a forest of trees {cite:p}`breiman2001` to the trials and
# splits the variance of the AUC among the parameters. It explains differences between trials, and knows nothing of
# their noise: a parameter can look important because luck struck twice ({numref}`fig-search-importance`).

# %%
share = networks.importances(study, settings.training.seed)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-search-importance", "caption": "Share of each hyperparameter in the variance of the validation AUC among the trials, {{ whose }} patients (A), and the AUC against the learning rate by optimiser (B)."}, "image": {"alt": "Panel A, horizontal bars of the importance of the hyperparameters; panel B, points of validation AUC against learning rate on a logarithmic axis, coloured by optimiser"}}
fig, (left, right) = figures.subplots(2, row_in=2.9)
if why_not:
    _ = [judgement.write_instead(ax, why_not) for ax in (left, right)]
else:
    names = [name.replace("_", " ") for name in share.index[::-1]]
    left.barh(names, share[::-1])
    left.set(xlabel="share of the variance", xlim=(0, 1))
    by = {"hue": "optimizer", "hue_order": ["adam", "sgd"]}
    sns.scatterplot(trials, x="learning_rate", y="AUC", **by, ax=right)
    right.axvline(1e-4, ls=":", color="0.4")
    xlabel = "learning rate (dotted: the paper's)"
    ylabel = "AUC, validation patients"
    right.set(xscale="log", xlabel=xlabel, ylabel=ylabel)

# %% [markdown]
# ## What a difference is worth
#
# Three things move a validation AUC. **Other patients**: the same model, judged on validation patients drawn anew from
# the same ones ({term}`bootstrap` {cite:p}`efron1979`, within each class). **Another seed**: the same configuration,
# trained with other initial weights, order and dropout. **Another configuration**: what the search is after. All trials
# are judged on the same patients, who are easy or hard for all of them alike; so the luck of the draw is smaller in the
# *difference* of two trials. Only if configurations differ by more than that, and by more than seeds do, can a search
# see it ({numref}`tab-spread`, {numref}`fig-search-spread`).

# %%
vectors = search.stored_vectors(
    results, images, patients, model, settings.computing.device
)
paper, spec = settings.replace(**search.PAPER), MODELS[model]
seeds = [paper.replace(seed=seed).training for seed in range(1, n_seeds + 1)]
causes = {}
if not why_not:
    of_seeds = [
        search.fit_head(vectors, paper.networks, training, spec)
        for training in seeds
    ]
    drawn_anew = networks.resampled_aucs(
        probability, positive, 400, settings.training.seed
    )  # (400, trials)
    causes["other patients"] = drawn_anew[:, 0]
    of_seeds = area_under_curve(np.array(of_seeds), positive)
    causes["another seed"] = of_seeds
    causes["another configuration"] = trials["AUC"].to_numpy()
    of_differences = (drawn_anew - drawn_anew[:, :1]).std(axis=0)[1:]

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-spread", "caption": "{{ Whose }} validation patients: what moves a validation AUC, and how far."}}
spread = {name: values.std() for name, values in causes.items()}
if len(trials) > 1:
    title = "other patients, difference of a trial to the first (median)"
    spread[title] = np.median(of_differences)
spread = pd.DataFrame({"standard deviation of the AUC": spread})
text = spread.rename_axis("cause").to_markdown(floatfmt=".3f")
Markdown(why_not or text)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-search-spread", "caption": "Validation AUC on the {{ whose }} cohort of one configuration on validation patients drawn anew, of one configuration with other seeds of the head, and of all configurations of the search. Dotted: the first trial."}, "image": {"alt": "Three groups of points of validation AUC: other patients, another seed, another configuration"}}
fig, ax = figures.subplots(row_in=2.6)
if why_not:
    judgement.write_instead(ax, why_not)
else:
    groups = [
        pd.DataFrame({"AUC": values, "cause": name})
        for name, values in causes.items()
    ]
    style = {"hue": "cause", "size": 3, "alpha": 0.5, "legend": False}
    sns.stripplot(pd.concat(groups), x="AUC", y="cause", ax=ax, **style)
    ax.axvline(trials["AUC"][0], ls=":", color="0.4")
    xlabel = "AUC, validation patients"
    ax.set(xlabel=xlabel, ylabel="", xlim=(-0.03, 1.03))

# %% [markdown]
# The seeds above are those of the head. The feature network below it stays; another seed of that moves the
# AUC further ([](08_training)).
#
# ## The winner's luck
#
# The best of many is chosen partly because luck favoured it on these very patients. To see how much, let one half of
# the validation patients choose the winner and ask the other half about it, many times ({numref}`fig-search-winner`).
# No training is needed: each trial keeps what it said of each patient. On the other half the winner meets patients that
# did not choose it, though they too had a say in when each head stopped learning, so even that is flattering.

# %%
halves = networks.winners(
    probability, positive, n_splits, settings.training.seed
)

# %% tags=["hide-input"]
mean = halves.mean().round(2)
few = judgement.lacking(positive, "the validation set", least=2)
told = (
    f"Over {n_splits} ways to halve the patients, "
    f"the best of {len(probability)} trials has a mean AUC of "
    f"**{mean['chosen']:.2f}** where it was chosen and "
    f"**{mean['other']:.2f}** on the other half, where a trial taken "
    f"at random has {mean['any']:.2f}. Being chosen flattered it by "
    f"{mean['chosen'] - mean['other']:.2f}; the choice "
    f"was worth {mean['other'] - mean['any']:+.2f}."
)
Markdown(judgement.sentence(few) or told)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-search-winner", "caption": "The best trial by one half of the {{ whose }} validation patients: its AUC on that half, on the other half, and the mean of all trials on the other half, for many ways to halve them. Black: means."}, "image": {"alt": "Three strips of points of AUC with their means: the winner where it was chosen, the winner on the other half, and any trial on the other half"}}
names = {
    "chosen": "winner, where chosen",
    "other": "winner, other half",
    "any": "any trial, other half",
}
fig, ax = figures.subplots(row_in=2.4)
if few:
    judgement.write_instead(ax, judgement.sentence(few))
else:
    style = {"orient": "h", "size": 2, "alpha": 0.4, "jitter": 0.25}
    sns.stripplot(halves.rename(columns=names), ax=ax, **style)
    ax.plot(mean, range(len(mean)), "|", color="black", ms=24, mew=2)
    xlabel = "AUC, half of the validation patients"
    ax.set(xlabel=xlabel, xlim=(-0.03, 1.03))

# %% [markdown]
# ## The backbone
#
# A trial of the {term}`backbone` trains the feature network with another learning rate, batch and optimiser. It is
# judged after every {term}`epoch` by the validation patients' mean probability ({numref}`tab-backbone`).

# %%
backbone = search.search_backbone(results, images, patients, settings, model)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-backbone", "caption": "{{ Whose }} validation patients: trials of the backbone."}}
rows = [
    {
        "trial": trial.number,
        "end": trial.state.name.lower(),
        "epochs": len(trial.intermediate_values),
        "last AUC": [np.nan, *trial.intermediate_values.values()][-1],
        **trial.params,
    }
    for trial in backbone.trials
]
none = (
    "In this profile no trial of the backbone was asked for "
    "(`search_backbone_trials` is 0)."
)
table = pd.DataFrame(rows)
form = ["", "", "", ".2f", *(table.shape[1] - 4) * [".2g"]]
Markdown(why_not or (networks.printed(table, form) if rows else none))

# %% [markdown]
# ## Many workers, one study
#
# Trials are kept in a file in the artifacts, or, with `search_storage`, in a database. Whoever opens the
# same study adds to it: other processes, other machines, or tomorrow's run. Each worker has a number, from
# which its proposals are drawn, so one worker repeats itself exactly and two do not repeat each other. On a
# cluster, workers are jobs:
#
# ```bash
# run=$(python book/command.py resolve --profile paper)
# snakemake search --workflow-profile profiles/slurm \
#   --config run="$run" scatter=1 workers=8
# ```

# %% [markdown]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} Why not the loss · recall · 5 min
# :label: ex-search-loss
#
# Why are trials judged by the validation patients' AUC and not by their weighted loss?
# ````
#
# ````{solution} ex-search-loss
# :class: dropdown
#
# The loss contains $C$, one of the parameters searched: whoever knows nothing has the largest loss where $C$ balances
# the classes, so that a $C$ far from there gives a small one, whatever the model is worth.
# ````
#
# ````{exercise} The best of thirty equals · compute · 15 min
# :label: ex-search-noise
#
# Thirty trials that are all alike, each with a true AUC of 0.75, are judged on 9 non-responders and 21 responders. What
# AUC does the best of them show on average? Simulate it with normal scores, independent between trials.
#
# Check: `check("ex-search-noise", ...)` (AUC).
# ````
#
# ````{solution} ex-search-noise
# :class: dropdown
#
# With scores `rng.normal(0.954 * positive, 1)`, since $\Phi(0.954 / \sqrt 2) = 0.75$, and `area_under_curve`, the best
# of thirty shows about 0.92. Trials on the same vectors are not independent, so a real search is flattered less; the
# order of magnitude stays.
# ````
#
# ````{exercise} One standard error · compute · 10 min
# :label: ex-search-one-se
#
# The "one standard error" rule takes, among all trials within one standard error of the best, the simplest. Which would
# you call the simplest here, and does the rule spare the paper's choice?
# ````
#
# ````{solution} ex-search-one-se
# :class: dropdown
#
# Fewer hidden neurons and more dropout give the simpler head. The standard error is the spread over other patients in
# the table above; subtract it from the best AUC and compare it with the first trial's.
# ````
#
# ````{exercise} Twice as many trials · vary · 15 min
# :label: ex-search-trials
#
# Rerun with twice as many `search_trials`. What happens to the best validation AUC, and what to that of the winner on
# the other half?
# ````
#
# ````{solution} ex-search-trials
# :class: dropdown
#
# The best of more is never worse: it rises, or stays. The other half need not follow: what is added is mostly the
# choice among more lucky ones, and the gap between the two grows.
# ````
#
# ````{exercise} Nested · project · 90 min
# :label: ex-search-nested
#
# Search inside a cross-validation: split all patients that are no test patients into five folds, search on four of
# them, judge the winner on the fifth. How far does the mean over folds lie below the best validation AUC of this page,
# and what do five different winners tell?
# ````
#
# ````{solution} ex-search-nested
# :class: dropdown
#
# `search.search_head` needs vectors from a feature network that has not seen the fifth fold either: train it anew in
# each fold. The mean over folds is an honest estimate of *searching*, not of one configuration. Five winners that have
# little in common say that the validation patients cannot tell configurations apart.
# ````
#
# ## Questions
#
# ````{dropdown} Why may the winner's validation AUC not stand in a table of results?
# It is the largest of many noisy figures, and was chosen for being so. An estimate needs patients who did not choose.
# ````
#
# ````{dropdown} Two trials differ by 0.03. How do you find out whether that is more than luck?
# Judge both on the same patients drawn anew many times, and look at the spread of the *difference*; then train both
# with other seeds.
# ````
#
# ````{dropdown} Why does the search of the head take seconds and that of the backbone minutes?
# The head reads stored vectors of 256 numbers; what shapes the vectors has to train the feature network anew.
# ````
#
# ## Take-aways
#
# - Search what is cheap on stored vectors; train the backbone only for what changes it.
# - Compare the spread between configurations with the spread over patients and seeds before believing a
#   winner. Where they are of one size, take what was fixed beforehand.
# - A winner's validation figure is not an estimate. The paper {cite:p}`taleghamar2022` prints such figures
#   beside its test figures; only the latter count, and they count once.
#
# ## Further reading
#
# - {cite:t}`bergstra2012`: why random trials beat a grid, and which parameters that is for.
# - {cite:t}`akiba2019`: Optuna, the library of this page: proposals, pruning, shared studies.
# - {cite:t}`cawley2010`: over-fitting by choosing a model, and how much nested judging takes off.
