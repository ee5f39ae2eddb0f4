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
# # Training
#
# Four models, two stages each: first the {term}`feature network` learns on single planes, then the
# {term}`predictive network` on whole tumours. Validation patients decide when to stop. The
# {term}`test patients <test set>` wait; this page does not show them.
#
# **You will learn**
#
# - how few {term}`non-responders <non-responder>` are kept from being ignored, and what the loss of an ignorant model
#   is
# - how {term}`early stopping` works, and how much of a learning curve is noise
# - how a trained model gets from the planes of one tumour to one probability
# - how to train at the paper's size, on other machines and with other seeds
#
# **You need**: {doc}`06_images`, {doc}`07_networks`. **Time**: 12 minutes to read, a minute or two to run the first
# time, when the models are trained.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
seed: int = 1  # initial weights, order of batches, augmentation
epochs: int = 25  # of the feature network, at most
patience: int = 8  # epochs without a better validation loss before stopping
head_epochs: int = 300  # of the predictive network, at most
head_patience: int = 40  # epochs without a better loss before stopping
batch_size: int = 8  # planes (stage 1) or patients (stage 2) per step
learning_rate: float = 3.0e-4  # step size; the paper took 1e-4
class_weight: float = 5.0  # C: weight of a non-responder in the loss, C : 1
optimizer: str = "adam"  # adam, adamw or sgd
max_shift: float = 0.3  # largest shift in augmentation, fraction of the image
device: str = "auto"  # auto, cpu, cuda or mps
precision: str = "float32"  # float32 or bf16
compile_network: bool = False  # by torch.compile; pays on a GPU

# %% tags=["hide-input"]
import json
from functools import partial

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from IPython.display import Markdown

from entry.chapter import tracked
from helpers import stages
from helpers.data.study import MODELS
from helpers.judgement.auc import auc_difference, auc_interval
from helpers.judgement.evaluation import auc_if_known
from helpers.learning.images import scale
from helpers.learning.trained import read_table
from helpers.learning.training import train_runs
from helpers.settings import load_settings
from pages import figures, judgement
from pages.networks import ignorant_loss, kept_epochs, show_curves
from reading import drawings
from trust.runs import read as read_results

# %% tags=["hide-input"]
figures.use_book_style()
chosen = {
    "seed": seed,
    "epochs": epochs,
    "patience": patience,
    "head_epochs": head_epochs,
    "head_patience": head_patience,
    "batch_size": batch_size,
    "learning_rate": learning_rate,
    "class_weight": class_weight,
    "optimizer": optimizer,
    "max_shift": max_shift,
    "device": device,
    "precision": precision,
    "compile_network": compile_network,
}
settings = load_settings(profile, **chosen)
level = settings.judgement.level

# %% [markdown]
# ## The smaller class
#
# Non-responders are the smaller class, in the paper about one in four. There a model that calls everybody a responder is
# right three times out of four, and useless. The loss therefore counts a non-responder $C$ times:
#
# $$
# L = - \frac{\sum_i w_i \log p_i}{\sum_i w_i}
# $$ (eq-loss)
#
# with weights $w_i = C$ of a non-responder and 1 of a responder, and $p_i$ the probability given to the class that
# sample $i$ really has. The paper's search chose $C = 5$. It
# over-compensates: with one in four, 3 would balance the classes. {numref}`tab-classes` counts those of this run.

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-classes", "caption": "{{ Whose }} patients and planes to learn from, by class."}}
patients = stages.cohort(settings, artifacts)
whose = settings.study.whose
learning = patients[patients["split"] != "test"]
response = np.where(learning["responder"], "responders", "non-responders")
groups = learning.groupby(["split", response])["n_planes"]
counts = groups.agg(patients="size", planes="sum").unstack(fill_value=0)
balance = counts["patients"].loc["train"]
balance = balance["responders"] / balance["non-responders"]
counts.columns = [f"{what}, {group}" for what, group in counts.columns]
counts = counts.reindex(["train", "validation"], fill_value=0)
Markdown(
    f"{counts.to_markdown()}\n\nOf these training patients "
    f"{1 / (1 + balance):.0%} are non-responders; "
    f"$C = {balance:.1f}$ would balance them."
)

# %% [markdown]
# ## Two stages
#
# 1. **Feature network.** Backbone, 256-vector and a head learn on single, {term}`augmented <augmentation>` planes. Each
#    plane carries the response of its tumour as its label, although not every plane of a tumour need show it.
# 2. **Predictive network.** Every plane becomes its 256-vector, without augmentation; the vectors of a tumour are
#    averaged, and a fresh head learns on these means: one sample per patient.
#
# Both minimise {eq}`eq-loss` with Adam {cite:p}`kingma2015`. Both stop when the validation loss has not improved for
# `patience` {term}`epochs <epoch>` (the second stage: `head_patience`), and keep the weights of the best epoch: early stopping {cite:p}`prechelt1998`. How
# many epochs, and how much patience, the paper does not say.
#
# **Decision**: epochs and patience are parameters, fixed for all four models.
#
# **Decision**: initial weights are random, none from photographs.
#
# **Decision**: the last batch of an epoch, if too small, is spread over the others, since {term}`batch normalisation`
# {cite:p}`ioffe2015` cannot work on a single plane.
#
# **Decision**: where {term}`validation patients <validation set>` are of one class, or none, they do not judge, since
# calling everybody so would have the lowest loss; then all epochs are run, and the last is kept.
#
# {numref}`tab-training-time` tells how long the training took.

# %%
results = stages.models(settings, artifacts)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-training-time", "caption": "How long each model of the {{ whose }} cohort took to train."}}
durations = {
    spec.title: f"{results.seconds(slug):.0f} s"
    for slug, spec in MODELS.items()
}
table = pd.DataFrame({"training took": durations})
Markdown(table.rename_axis("model").to_markdown())

# %% [markdown]
# Every epoch draws its order, shifts and {term}`dropout` from its own seed, a function of `seed`, the model and the
# number of the epoch. So a run that was killed goes on from its last whole epoch and ends with the same weights, to the
# last bit, as if nothing had happened. On a CPU each model trains on one thread, several models side by side. A
# finished model is trained again only when a parameter, the images or the code that it depends on changes.
#
# `device` and `precision` choose the machine: a GPU holds all planes, and augments them there. On it some sums have no
# fixed order, so two runs may differ in the last digits.
#
# On a CPU, sums depend on their order as well, and each kind of processor adds in an order of its own.
#
# **Decision**: NumPy and torch use what the processor offers: a seed gives one result on one kind of processor.
#
# Who wants one result on every x86-64 processor of the last ten years sets five variables, and waits longer:
#
# ```bash
# export NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL AVX512_SPR"
# export OPENBLAS_CORETYPE=Haswell MKL_CBWR=COMPATIBLE
# export ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=SSE41
# make book
# ```

# %% tags=["hide-input"]
digits = partial(np.format_float_positional, precision=1, fractional=False)
told = []
for path in sorted(tracked("results/benchmarks").glob("*/processors.json")):
    record = json.loads(path.read_text())
    for way, one in record["ways"].items():
        kinds = {name: of for name, of in one.items() if name != "cost"}
        images = all(of["images"] for of in kinds.values())
        moved = max(of["moved"] for of in kinds.values())
        price = ", ".join(
            f"{what} {100 * (ratio - 1):+.0f} %"
            for what, ratio in one["cost"].items()
        )
        told.append(
            f"- {way}: {'the same' if images else 'other'} images; a "
            "probability moves by "
            + (
                f"up to {digits(moved)}"
                if moved
                else "nothing, to the last bit"
            )
            + f"; time: {price}"
        )
    told.insert(
        0,
        "A small study, from echoes to probabilities after a short training, "
        f"on {record['processor']} and on "
        f"emulated {' and '.join(kinds)}:\n",
    )
Markdown("\n".join(told) or "Not measured.")

# %% [markdown]
# ## Learning curves
#
# In {numref}`fig-training-feature` the dotted line is the validation loss of a model that has learned nothing but the
# share of the classes. Below it, the probabilities are worth more than that share alone. Above it, a model may still
# put patients in the right order, but its probabilities are worse than the share.

# %%
validation = patients[patients["split"] == "validation"]
truth = ~validation["responder"].to_numpy(bool)
planes = validation["n_planes"].to_numpy()
one_each = np.ones(len(truth))
nothing = {
    "feature": ignorant_loss(truth, planes, class_weight),
    "predictive": ignorant_loss(truth, one_each, class_weight),
}
curves = results.curves

# %% tags=["hide-input"]
why_not = judgement.lacking(truth, "the validation set")
last = " The last epoch is kept, and no line is dotted."
Markdown(judgement.sentence(why_not) + last * bool(why_not))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-training-feature", "caption": "Stage 1 of the four models on the {{ whose }} cohort: loss of training and validation planes by epoch. The dot is the epoch that was kept; dotted, a model that knows only the share of the classes."}, "image": {"alt": "Four panels of learning curves of the feature networks, training and validation loss against epoch, with the best epoch marked"}}
show_curves(curves, "feature", nothing["feature"])

# %% [markdown]
# Training loss is taken while the network changes, with dropout and on augmented planes; validation loss
# afterwards, without either. One may therefore lie above the other in both directions. The validation
# curve jumps: few patients, and batch normalisation that was estimated on small batches.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-training-predictive", "caption": "Stage 2 of the four models on the {{ whose }} cohort: loss of training and validation patients by epoch of the predictive network. Dot: the epoch that was kept. Dotted: the loss of knowing nothing."}, "image": {"alt": "Four panels of learning curves of the predictive networks, training and validation loss against epoch, with the best epoch marked"}}
show_curves(curves, "predictive", nothing["predictive"])

# %% [markdown]
# In stage 2 ({numref}`fig-training-predictive`) the training loss can fall far below the validation loss: the vectors
# of training tumours come from a network that was trained on these very tumours, which look easier than new ones do.
#
# ## What early stopping chose

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-epochs", "caption": "The epochs that early stopping kept, {{ whose }} patients."}}
titles = {slug: spec.title for slug, spec in MODELS.items()}
table = kept_epochs(curves).replace({"model": titles})
table.columns = [
    name.replace("_", " ").replace("auc", "AUC") for name in table.columns
]
table = table.astype(object).where(table.notna(), "–")  # of nobody
text = table.to_markdown(index=False, floatfmt=".3f")
Markdown(text)

# %% [markdown]
# Where validation patients chose the epoch, the figures of {numref}`tab-epochs` are **optimistic**: it is the one where
# they were best. The validation set steered the training, so it is no judge of it.
#
# ## From planes to one probability
#
# The whole path of one patient, the first of the validation set (of the training set where it is empty), step by step,
# from a model read back from its file ({numref}`fig-training-way` draws the way, {numref}`fig-training-vectors` its
# vectors):

# %%
slug = "ran_core_margin"
model = results.load(slug)
images = stages.images(settings, artifacts)
others = validation if len(validation) else patients[patients.split == "train"]
patient = others.index[0]
tumour = images.select(images.patient == patient)
scaled = torch.from_numpy(scale(tumour, model.scaling, model.region))
vectors = model.vectors(scaled)  # (P, C, n, n) to (P, 256)
probability = model.probability(vectors).item()

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-training-way", "caption": "The way of one {{ whose }} patient: every plane passes the feature network, the vectors are averaged, and the head of the predictive network makes one probability of the mean."}, "image": {"alt": "Flow chart: planes of one tumour become vectors of 256 numbers, which are averaged into one, which a head turns into the probability of a non-responder"}}
fig, ax = figures.subplots(row_in=5.2)
n_maps, hidden = scaled.shape[1], settings.networks.hidden
drawings.draw_patient(ax, len(vectors), n_maps, scaled.shape[-1], hidden)

# %% tags=["hide-input"]
rows = results.predictions.query("model == @slug and patient == @patient")
saved = rows["probability"].item()
alone = [model.probability(vector[None]).item() for vector in vectors]
each = ", ".join(f"{value:.2f}" for value in alone)
told = (
    f"{whose} patient {patient}, {len(vectors)} planes. "
    f"The mean vector gives a probability of **{probability:.3f}** of being "
    f"a non-responder; saved during training: {saved:.3f}. "
    f"Each plane alone would give {each}."
)
kept_back = (
    f"One {whose.lower()} patient, planes: {len(vectors)}. The mean vector "
    "gives what was saved during training, to "
    f"{abs(probability - saved):.0e}; "
    "single planes alone would give probabilities that span "
    f"{np.ptp(alone):.2f}."
)
Markdown(told if settings.study.simulated else kept_back)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-training-vectors", "caption": "The 256-vectors of the planes of one {{ whose }} patient, and their mean, which is all that the predictive network sees of the tumour."}, "image": {"alt": "Heat map with one row of 256 numbers per plane of a {{ whose }} tumour and a last row with their mean"}}
rows = torch.cat([vectors, vectors.mean(0, keepdim=True)]).numpy()
fig, ax = figures.subplots(row_in=2.4)
limit = np.abs(rows).max()
colours = {"cmap": "PuOr", "vmin": -limit, "vmax": limit}
image = ax.imshow(rows, aspect="auto", interpolation="nearest", **colours)
ax.set(xlabel="entry of the vector", ylabel="plane")
ax.set(yticks=range(len(rows)), yticklabels=[*tumour.plane, "mean"])
_ = fig.colorbar(image, label="value")

# %% [markdown]
# ## The other reading of 256
#
# [](07_networks) left two readings of the paper's 256 numbers. {numref}`tab-pooled` is model 2 with both: few maps
# flattened, the default, and 256 maps pooled.

# %%
slug, default = "resnet_core_margin", settings.networks.vector
other = "pool" if default == "flatten" else "flatten"
folder = results.folder.with_name(f"{results.folder.name}-{other}")
run = {folder: settings.replace(vector=other)}
train_runs(images, patients, run, [slug])
folders = {default: results.folder / slug, other: folder / slug}

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-pooled", "caption": "Model 2 with either reading of the 256 numbers, {{ whose }} patients, with {{ level_percent }} % intervals."}}
rows, scores = {}, []
for reading, model_folder in folders.items():
    told = read_table(model_folder / "predictions.csv")
    told = told.query("split == 'validation'")
    kept = kept_epochs(read_table(model_folder / "curves.csv"))
    losses = kept.set_index("stage")["validation_loss"]
    positive, score = ~told["responder"].to_numpy(bool), told["probability"]
    scores.append(score)
    auc, low, high = auc_if_known(positive, score, level)
    interval = why_not or f"{auc:.3f} ({low:.3f} to {high:.3f})"
    losses = losses.round(3).astype(object).where(losses.notna(), "–")
    rows[reading] = [*losses, interval]
names = ["validation loss, stage 1", "validation loss, stage 2"]
names += ["AUC, validation patients"]
table = pd.DataFrame(rows, index=names).T.rename_axis("vector")
compared = judgement.lacking(positive, "the validation set", least=2)
if not compared:
    difference, low, high, _ = auc_difference(positive, *scores, level)
    compared = f"{difference:+.3f} ({low:+.3f} to {high:+.3f})"
Markdown(
    table.to_markdown(disable_numparse=True)
    + f"\n\nDifference of the two AUCs on the same patients: {compared}."
    + judgement.beneath(positive, "the validation set")
)

# %% [markdown]
# One seed and few patients: unless that interval leaves zero out, {numref}`tab-pooled` does not choose between the
# readings, and the default stays the one that the paper's words favour.
#
# ## Validation patients

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-training-validation", "caption": "{{ Whose }} validation patients: predicted probability of a non-responder by true response, for the four models; dashed the threshold of one half."}, "image": {"alt": "Four strip plots of predicted probabilities of {{ whose }} validation patients, responders and non-responders side by side"}}
judged = results.predictions.query("split == 'validation'")
group = pd.Series(np.where(judged["responder"], "R", "NR"), judged.index)
order = {"order": ["R", "NR"], "palette": figures.COLOUR, "legend": False}
fig, axes = figures.subplots(2, 2, 2.6, sharey=True)
for ax, (slug, spec) in zip(axes.flat, MODELS.items(), strict=True):
    score = judged.loc[judged["model"] == slug, "probability"]
    kind = group[score.index].to_numpy()
    if len(kind):
        sns.stripplot(x=kind, y=score, hue=kind, ax=ax, **order)
    ax.axhline(0.5, ls="--", color="0.5")
    ax.set(title=spec.title, ylim=(-0.02, 1.02))
    ax.set(ylabel="p of a non-responder")
    ax.label_outer()

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-validation", "caption": "{{ Whose }} validation patients: AUC of the four models with its {{ level_percent }} % interval."}}
rows = {}
for slug, part in judged.groupby("model", sort=False):
    found = ~part["responder"].to_numpy(bool), part["probability"]
    if not why_not:
        rows[MODELS[slug].title] = auc_interval(*found, level)
table = pd.DataFrame(rows, index=["AUC, validation patients", "low", "high"]).T
text = table.rename_axis("model").to_markdown(floatfmt=".2f")
Markdown(judgement.sentence(why_not) or text)

# %% [markdown]
# {numref}`fig-training-validation` shows every validation patient, {numref}`tab-validation` the
# {term}`AUCs <area under the curve (AUC)>`. On few patients such intervals are wide, and still too narrow: they know
# nothing of the choice of the epoch, nor of the seed. Another `seed` gives other initial weights and another order, and
# on few patients another ranking of the models may come of it.
#
# ## Further machines
#
# Several seeds of all four models, side by side, without the pages, into one small file:
#
# ```bash
# python -m trust.runs --profile paper --seeds 1 2 3 4 5 --set "models_per_gpu=4"
# ```
#
# On a cluster, patients, models and seeds are jobs of their own; `profiles/slurm` is an example to adapt:
#
# ```bash
# run=$(python book/command.py resolve --profile paper)
# snakemake results --workflow-profile profiles/slurm \
#   --config run="$run" scatter=1 seeds=5
# ```
#
# One model on several GPUs is another matter. It shares each batch of eight among them, so that batch normalisation
# sees two or four planes, which is another network. Whoever has larger batches can put Lightning Fabric into
# `helpers.learning.fitting` with five lines. This variant was **not run** for this book:
#
# ```python
# fabric = lightning.Fabric(devices=4, strategy="ddp", precision="bf16-mixed")
# fabric.launch()
# # statistics of the whole batch:
# network = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)
# network, optimizer = fabric.setup(network, optimizer)
# # in train_epoch, this device's share of the batch:
# rows = rows[fabric.global_rank :: fabric.world_size]
# fabric.backward(loss)  # in place of loss.backward()
# ```
#
# ## At the paper's size

# %% tags=["hide-input"]
path = tracked("results/seeds/paper.json")
shown = (
    "No run of the profile `paper` has been made: "
    "there is no file `results/seeds/paper.json`."
)
if path.exists():
    paper = read_results(path)
    judged = paper.predictions.query("split == 'validation'")
    columns = ["responder", "probability"]
    aucs = judged.groupby(["model", "seed"])[columns].apply(
        lambda t: auc_interval(
            ~t["responder"].to_numpy(bool), t["probability"]
        )[0]
    )
    table = aucs.groupby("model", sort=False).agg(["mean", "std", "count"])
    table["minutes"] = paper.runs.groupby("model")["seconds"].mean() / 60
    table.columns = ["AUC, validation", "SD over seeds", "seeds", "minutes"]
    made = f"{paper.runs['device'][0]}, {paper.provenance['finished']}"
    form = ("", ".2f", ".2f", ".0f", ".1f")
    shown = f"{made}:\n\n{table.to_markdown(floatfmt=form)}"
Markdown(shown)

# %% [markdown]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} Below the training loss · recall · 5 min
# :label: ex-training-below
#
# In some epochs the validation loss lies *below* the training loss. Name two reasons that have nothing to do with luck.
# ````
#
# ````{solution} ex-training-below
# :class: dropdown
#
# Training loss is taken with dropout and on augmented planes, validation loss without either. And it is the mean over
# an epoch in which the network was still getting better.
# ````
#
# ````{exercise} The weight that balances · compute · 5 min
# :label: ex-training-balance
#
# Which $C$ balances the paper's 43 non-responders and 138 responders?
#
# Check: `check("ex-training-balance", ...)` (ratio).
# ````
#
# ````{solution} ex-training-balance
# :class: dropdown
#
# $C \cdot 43 = 138$ gives $C = 3.2$. The paper's $C = 5$ makes non-responders 61 % of the weighted patients.
# ````
#
# ````{exercise} The ignorant model · compute · 10 min
# :label: ex-training-c
#
# What is the loss of the ignorant model for $C = 5$ and the 43 of 181 patients of the paper? And for $C = 1$, and for
# the $C$ that balances the classes? When is it largest?
#
# Check: `check("ex-training-c", ...)` (nats, at C = 5).
# ````
#
# ````{solution} ex-training-c
# :class: dropdown
#
# It is the entropy of the weighted share $q = C n_1 / (C n_1 + n_0)$: for the paper's 43 of 181 about 0.55 at $C = 1$
# and 0.67 at $C = 5$, and $\log 2 = 0.693$, its maximum, where $C = n_0 / n_1$ makes $q = 1/2$.
# ````
#
# ````{exercise} Three other seeds · vary · 30 min
# :label: ex-training-seed
#
# Train with three other seeds (`-p seed 2`, ...). Compare how far the validation AUC of one model varies between seeds
# with how far the four models differ within one seed.
# ````
#
# ````{solution} ex-training-seed
# :class: dropdown
#
# Compare the two standard deviations. Where they are of one size, a table of four models trained once each ranks seeds
# as much as networks, and only a mean over seeds, on more patients, can say which network is better.
# ````
#
# ````{exercise} Stop by the AUC · project · 60 min
# :label: ex-training-stop
#
# Let the validation AUC instead of the validation loss choose the epoch, for five seeds. Which of the two ends with the
# better test AUC, and which flatters its validation figure more? Decide beforehand what would convince you.
# ````
#
# ````{solution} ex-training-stop
# :class: dropdown
#
# With $n_+$ and $n_-$ validation patients an AUC moves in steps of $1 / (n_+ n_-)$, many epochs tie, and the first or
# the luckiest wins; the loss moves with every probability. The choice by AUC makes the validation AUC flatter, as
# choosing by any figure flatters that figure. The test patients may answer this once: write down the comparison and its
# interval before you look.
# ````
#
# ## Questions
#
# ````{dropdown} Why does the loss count a non-responder C times?
# Non-responders are few. Unweighted, a model that calls everybody a responder already has a low loss, and little to
# gain from finding them.
# ````
#
# ````{dropdown} Why does the predictive network learn on patients and not on planes?
# The answer is asked of a patient. Planes of one tumour share a label and look alike; as samples they would count one
# patient several times.
# ````
#
# ````{dropdown} Why is the validation AUC of the kept epoch too good?
# It was kept because it was good on these patients. Other patients did not choose it.
# ````
#
# ## Take-aways
#
# - Two stages: planes teach the features, tumours teach the prediction.
# - Early stopping uses the validation patients up: from then on their figures flatter the model.
# - One seed gives one result, also after a kill; another seed gives another, and the difference is part
#   of the truth. The paper {cite:p}`taleghamar2022` gives one.
#
# ## Further reading
#
# - {cite:t}`prechelt1998`: when to stop early, with the question in its title; curves that are as rough as ours.
# - {cite:t}`bouthillier2021`: seeds, splits and configurations: where the spread of a benchmark comes from.
# - {cite:t}`taleghamar2022`: the paper's own training in a few lines: count what it leaves to the reader.
