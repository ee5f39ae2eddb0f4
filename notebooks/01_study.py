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
# # The study
#
# A tumour is scanned before chemotherapy; months later, surgery shows whether it responded. Can the echoes tell
# beforehand? {cite:t}`taleghamar2022` asked this of 181 women with locally advanced breast cancer. Their data are
# private.

# %% [markdown] tags=["if-simulated"]
# This book therefore **simulates** a cohort with the same protocol and a **known answer**: whatever the networks of
# later chapters find or miss can be held against what is really there.

# %% [markdown] tags=["if-recorded"]
# This build of the book asks it of a cohort that was **recorded** elsewhere and described in two tables ({doc}`../data`):
# {{ n_patients }} patients, {{ n_planes }} planes. Nothing is known of their tissue but what the echoes tell, so what
# the book says of simulated patients, such as a known answer, is left out here, or marked as simulated.

# %% [markdown]
# **You will learn**
#
# - who the patients are, what response means, and how training, validation and {term}`test patients <test set>` are
#   kept apart

# %% [markdown] tags=["if-simulated"]
# - how one {term}`hidden variable` ties response to tissue, and how strongly
# - what the best possible model could reach on these patients: the *{term}`oracle`*

# %% [markdown]
# **You need**: nothing beforehand. **Time**: 10 minutes to read, a few seconds to run.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
cohort: str = "simulated"  # simulated, or a folder of recorded patients
n_patients: int = 181  # simulated patients
n_test: int = 50  # patients kept unseen
n_validation: int = 31  # training patients that steer early stopping
cohort_seed: int = 3  # draws patients, tissue, echoes and split
effect: str = "base"  # response in tissue: base, half, none or reversed
signal: str = "mean"  # or texture, arrangement, interaction
attenuation_spread: float = 0.25  # SD of patients' attenuation, relative

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown

from beyond.oracle import CORE_TRAITS, oracle_score
from helpers import stages
from helpers.data import study
from helpers.judgement import auc_interval
from helpers.settings import load_settings
from pages import figures, printed
from pages.patients import SOURCES, by_split, table1
from reading import drawings

figures.use_book_style()
settings = load_settings(
    profile,
    cohort=cohort,
    n_patients=n_patients,
    n_test=n_test,
    n_validation=n_validation,
    cohort_seed=cohort_seed,
    effect=effect,
    signal=signal,
    attenuation_spread=attenuation_spread,
)
patients = stages.cohort(settings, artifacts).astype({"responder": bool})
whose, simulated = settings.study.whose, settings.study.simulated

# %% [markdown]
# ## Response
#
# Response is judged at surgery by the {term}`modified response score <modified response (MR)>` MR: 1 no reduction, 2
# less than 30 %, 3 between 30 and 90 % or very low cellularity, 4 more than 90 %, 5 no tumour left (the steps are those
# of Miller and Payne {cite:p}`ogston2003`). MR 1–2 is a **{term}`non-responder`**, MR 3–5 a {term}`responder`.
# Throughout the book the *positive* class is the non-responder: finding her early is what would change her treatment.
# {numref}`fig-mr` counts both.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-mr", "caption": "{{ Whose }} cohort: patients by response, and by modified response score if all scores are on record. Scores 1 and 2 are non-responders."}, "image": {"alt": "Bar chart of the number of {{ whose }} patients with each modified response score from 1 to 5, or with and without response"}}
fig, ax = figures.subplots(row_in=2.8)
response = np.where(patients["responder"], "responder", "non-responder")
order = ["responder", "non-responder"]
scored = "mr_score" in patients and patients["mr_score"].notna().all()
bars = patients["mr_score"].astype(int) if scored else response
look = {"hue_order": order, "palette": figures.COLOUR, "saturation": 1}
sns.countplot(x=bars, hue=response, **look, dodge=False, ax=ax)
label = "modified response score" if scored else ""
_ = ax.set(xlabel=label, ylabel="patients")
# %% tags=["hide-input"]
n_non_responders = int((~patients["responder"]).sum())
share = 100 * n_non_responders / len(patients)
Markdown(
    f"{len(patients)} {whose.lower()} patients: "
    f"{len(patients) - n_non_responders} responders "
    f"and {n_non_responders} non-responders ({share:.1f} %)."
)

# %% tags=["remove-cell"]
from reading.results import keep

of_response = {"at": "fig-mr", "form": ".0f"}
keep("patients", f"{whose.lower()} patients", len(patients), **of_response)
keep("lost", "non-responders", n_non_responders, **of_response)

# %% [markdown]
# ## Three sets of patients
#
# The paper drew 50 test patients (40 responders, 10 non-responders) and kept them unseen; of the remaining 131, about a
# quarter ("31 patients") steered the training as validation set. The split is by **patient**: all planes of one tumour
# stay together. (The printed validation figures fit 30 patients, not 31; {doc}`15_audit` shows it.) {numref}`tab-split`
# is the split of this run.

# %% [markdown] tags=["if-simulated"]
# Here {{ n_test }} of {{ n_patients }} patients are for the test and {{ n_validation }} for validation, drawn by class:
# the test set with the paper's share of non-responders, the validation set with the cohort's.

# %% [markdown] tags=["if-recorded"]
# Here {{ n_test }} of {{ n_patients }} patients are for the test, {{ n_validation }} for validation and {{ n_train }} for
# training: as the column `split` of the cohort's table says, or, without one, drawn by class with the cohort's own share
# of non-responders in each set.

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-split", "caption": "{{ Whose }} patients and planes by set and response."}}
Markdown(by_split(patients).to_markdown())

# %% [markdown]
# {numref}`fig-split` draws the same numbers.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-split", "caption": "{{ Whose }} cohort: how its patients are split. Networks learn from the training patients, the validation patients say when to stop, the test patients are asked once, at the end."}, "image": {"alt": "Horizontal bars of the numbers of {{ whose }} responders and non-responders in the training, validation and test set"}}
fig, ax = figures.subplots(row_in=2.6)
drawings.draw_split(ax, by_split(patients))

# %% [markdown]
# ## Table 1
#
# The columns to the right of {numref}`tab-patients` are what the paper prints {cite:p}`taleghamar2022`.

# %% [markdown] tags=["if-simulated"]
# Age, histology, grade and treatment follow the paper's Table 1 and carry no information on response. Receptor
# status depends on response as in I-SPY 1 {cite:p}`esserman2012`. Tumour size is independent of response.

# %% [markdown] tags=["if-recorded"]
# Only what the cohort's own table has on record is shown. Where some patients lack a value, a figure is of those who
# have one, and says of how many.

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-patients", "caption": "Characteristics of the {{ whose }} patients, beside those printed in Table 1 of the paper. Training includes validation; ± is the standard deviation."}}
paper = printed.printed_table1()
paper.loc["Patients"] = [
    printed.printed("Methods", "patients", group) for group in paper
]
shown = table1(patients).join(paper.add_prefix("Paper, ")).fillna("–")
Markdown(shown.to_markdown(disable_numparse=True))

# %% tags=["hide-input", "if-simulated"]
drawn = patients
if not simulated:  # what follows is about simulated patients, and not shown
    drawn = study.draw_patients(effect=effect, signal=signal)
    drawn = drawn.assign(split="test")

# %% [markdown] tags=["if-simulated"]
# ## What ties response to tissue
#
# Every patient has a hidden **resistance** $u \sim N(0, 1)$. The most resistant are the non-responders. Each tissue
# trait $t$ follows it in part,
#
# $$ t = \mu_t + \sigma_t \left( \lambda_t u + \sqrt{1 - \lambda_t^2}\, \varepsilon_t \right), $$ (eq-trait)
#
# with population mean $\mu_t$ and spread $\sigma_t$ of the core's {term}`ESD <scatterer diameter (ESD)>` and
# {term}`EAC <acoustic concentration (EAC)>` from published tumours {cite:p}`tadayyon2014`; those of the other traits
# are assumed ({numref}`tab-tissue` says what is from where); {numref}`tab-traits` lists them all. **Decision**: the
# loading $\lambda_t$ in {eq}`eq-trait` is assumed throughout, since no study has published how responders and
# non-responders differ in these values. The loadings were fixed before any network was trained, so that the oracle of
# {numref}`tab-oracle` lands near the paper's best {term}`AUC <area under the curve (AUC)>` {cite:p}`taleghamar2022`.
#
# {numref}`fig-traits` shows how far the groups overlap in each trait. The parameter `effect` halves the loadings,
# removes them or turns their sign.
#
# Means and spreads are what hand-made features measure best. Under another `signal` no trait follows $u$; it is one
# property of the core that does, about as strongly as all five together: how coarse its EAC varies (`texture`), whether it
# rises to the rim or to the centre (`arrangement`), or whether ESD and EAC deviate to the same side (`interaction`).
# [](14_patients) asks which model wins under which truth.

# %% tags=["hide-input", "if-simulated"] mystnb={"table": {"name": "tab-traits", "caption": "Tissue traits of the simulated population that carry information on response."}}
Markdown(
    pd.DataFrame(
        {
            SOURCES.parameter[name]: vars(trait)
            for name, trait in study.TRAITS.items()
        }
    )
    .T.drop(columns="low")
    .rename(columns={"sd": "SD", "loading": "loading (base)"})
    .to_markdown()
)

# %% tags=["hide-input", "if-simulated"] mystnb={"figure": {"name": "fig-traits", "caption": "Simulated cohort: the five tissue traits that carry information on response, in responders (R) and non-responders (NR). The groups overlap in each."}, "image": {"alt": "Five strip plots, one for each tissue trait, comparing simulated responders with non-responders; the groups overlap widely"}}
fig, axes = figures.panels(len(study.TRAITS), 2, 2.6)
group = np.where(drawn["responder"], "R", "NR")
for ax, name in zip(axes, study.TRAITS, strict=True):
    sns.stripplot(
        x=group,
        y=drawn[name],
        hue=group,
        order=["R", "NR"],
        palette=figures.COLOUR,
        size=3,
        alpha=0.6,
        ax=ax,
    )
    sns.boxplot(
        x=group,
        y=drawn[name],
        order=["R", "NR"],
        fill=False,
        color="0.3",
        showfliers=False,
        width=0.4,
        ax=ax,
    )
    ax.set(
        xlabel="",
        ylabel=SOURCES.parameter[name].replace(" inside", "\ninside"),
    )

# %% [markdown] tags=["if-simulated"]
# ## The oracle
#
# Traits and resistance are jointly Gaussian, so the best score from the true traits $z$ (standardised) is linear:
#
# $$ \hat u = \lambda^\top S^{-1} z, $$ (eq-oracle)
#
# with $S$ the correlation of the traits. No network sees more than echoes of these traits; the area under the
# {term}`ROC curve <receiver operating characteristic (ROC)>` (AUC) of {eq}`eq-oracle` is therefore the ceiling of this
# cohort ({numref}`tab-oracle`). {numref}`fig-oracle` shows the score itself.

# %% tags=["if-simulated"]
traits = {"core": CORE_TRAITS, "core + margin": tuple(study.TRAITS)}
further = study.draw_patients(20_000, cohort_seed + 1, effect, signal=signal)
groups = {
    "all patients": drawn,
    "test patients": drawn[drawn["split"] == "test"],
    "20,000 further patients": further,
}
level = settings.judgement.level
rows = {}
for group, table in groups.items():
    for region, names in traits.items():
        score = oracle_score(table, names, effect, signal)
        rows[group, region] = auc_interval(~table["responder"], score, level)

# %% tags=["hide-input", "if-simulated"] mystnb={"table": {"name": "tab-oracle", "caption": "AUC of the oracle with its interval, simulated patients."}}
oracle = pd.DataFrame(rows, index=["AUC", "low", "high"]).T
Markdown(
    oracle.reset_index(names=["patients", "oracle sees"]).to_markdown(
        index=False, floatfmt=".3f"
    )
)

# %% tags=["if-simulated", "remove-cell"]
of_test = rows["test patients", "core + margin"]
keep("oracle", "oracle's AUC, test patients", of_test, at="the-oracle")

# %% [markdown] tags=["if-simulated"]
# One cohort of {{ n_patients }} is easier or harder than the population it is drawn from, by luck. Of the seeds 1 to 10
# the default is, for 181 patients, the one whose four AUCs above (all and test patients, core and core + margin) stay
# nearest to those of 20,000 further patients, by the largest difference. So the oracle of the test patients had a say
# in the choice of the cohort; it was made before any network was trained.
#
# The interval of the test patients shows how little {{ n_test }} patients, few of them non-responders, can say about any
# model: keep it in mind when Table 2 is read.

# %% tags=["hide-input", "if-simulated"] mystnb={"figure": {"name": "fig-oracle", "caption": "Simulated cohort: score of the oracle that sees core and margin, by response. The overlap is what no model can undo."}, "image": {"alt": "Two overlapping histograms of the oracle score for simulated responders and non-responders"}}
score = oracle_score(drawn, tuple(study.TRAITS), effect, signal)
fig, ax = figures.subplots(row_in=2.8)
response = np.where(drawn["responder"], "responder", "non-responder")
sns.histplot(
    x=score,
    hue=response,
    hue_order=["responder", "non-responder"],
    palette=figures.COLOUR,
    element="step",
    bins=24,
    ax=ax,
)
_ = ax.set(
    xlabel="expected resistance given the true tissue", ylabel="patients"
)
# %% [markdown] tags=["if-simulated"]
# ## What differs and tells nothing
#
# Patients also differ in what knows nothing of response. The most troublesome of it is the **{term}`attenuation`** of
# their tissue, by which every map has to be corrected: 0.1 dB/cm/MHz more or less over 2 cm moves ESD by as much as
# patients differ. Published spreads are a third to a half of the mean: 0.73 ± 0.23 dB/cm/MHz in breast fat
# {cite:p}`nasief2015`, 0.98 ± 0.49 in the breast, from tomograms {cite:p}`duric2005,tadayyon2014`. **Decision**: the
# attenuation of simulated patients is spread by `attenuation_spread` of its mean, cut off at both ends, with one factor
# for all tissue of a patient. The value was chosen towards the lower end of what is published, before any training:
# attenuation as good as known would flatter every map.
#
# What it costs, and what a smaller spread would have shown, is told by {numref}`tab-attenuation`.

# %% tags=["hide-input", "if-simulated"]
low, middle, high = drawn["attenuation_factor"].quantile([0.05, 0.5, 0.95])
Markdown(
    "Attenuation of the simulated patients re the population's mean: "
    f"{low:.2f} at the 5th percentile, {middle:.2f} in the middle, {high:.2f} "
    "at the 95th."
)

# %% [markdown] tags=["if-simulated"]
# ## What must not carry the label
#
# A simulated cohort can cheat by accident. If tumours of one class were larger, a network would read the answer off the
# outline. Size, depth and attenuation are drawn independently of response; {numref}`tab-innocent` checks it:

# %% tags=["if-simulated"]
innocent = {
    "width_mm": "width of the core",
    "height_mm": "height of the core",
    "centre_depth_mm": "depth of its centre",
    "attenuation_factor": "attenuation",
    "initial_size_cm": "tumour size in the records",
    "n_planes": "number of planes",
    "spiculated": "spiculated outline",
}
rows = {
    what: auc_interval(~drawn["responder"], drawn[name], level)
    for name, what in innocent.items()
}

# %% tags=["hide-input", "if-simulated"] mystnb={"table": {"name": "tab-innocent", "caption": "Simulated patients: AUC of what is drawn independently of response, with its interval."}}
Markdown(
    pd.DataFrame(rows, index=["AUC alone", "low", "high"]).T.to_markdown(
        floatfmt=".2f"
    )
)

# %% [markdown]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} Planes or patients · recall · 5 min
# :label: ex-study-planes
#
# The split is by patient. What would happen if it were by plane?
# ````
#
# ````{solution} ex-study-planes
# :class: dropdown
#
# Planes of one tumour look alike. A model would meet test planes whose sisters it has learned from, recognise the
# patient, and repeat her label; [](16_pitfalls) makes this mistake on purpose.
# ````
#
# ````{exercise} Who is left to learn from · compute · 5 min
# :label: ex-study-left
#
# The paper's cohort has 43 non-responders among its 181 patients. The test set takes 10 of them. Suppose that the
# paper's 31 validation patients have the cohort's own share of non-responders, rounded. How many non-responders are
# left to learn from?
#
# Check: `check("ex-study-left", ...)` (patients).
# ````
#
# ````{solution} ex-study-left
# :class: dropdown
#
# For the paper $31 \cdot 43 / 181 = 7.4$, so 7 are in the validation set and $43 - 10 - 7 = 26$ are left, beside $138 -
# 40 - 24 = 74$ responders. A network of the paper meets 26 tumours of the class that it is to find.
# ````
#
# ````{exercise} Two other studies · project · 45 min
# :label: ex-study-others
#
# Find in {cite:t}`dicenzo2020` and {cite:t}`sannachi2023` who counts as a responder, how many there are, and which
# patients judged the model. May their accuracies and AUCs be compared with this paper's?
# ````
#
# ````{solution} ex-study-others
# :class: dropdown
#
# {cite:t}`dicenzo2020` have 48 responders and 34 non-responders, {cite:t}`taleghamar2022` 138 and 43: accuracy follows
# the share and cannot be compared. {cite:t}`dicenzo2020` and {cite:t}`sannachi2023` left out one patient at a time, so
# that each was judged by a model of her own; {cite:t}`taleghamar2022` kept 50 apart. AUCs can be set side by side as
# far as patients, response and scanners are alike, each with its interval.
# ````

# %% [markdown] tags=["about-simulation"]
# ````{exercise} Half the effect · vary · 10 min
# :label: ex-study-half
#
# Draw 5,000 simulated patients with `study.draw_patients(5000, 4, "half")`. What is the AUC of the oracle that sees
# core and margin and knows that the effect is halved? How does its lead over chance compare with that of the base
# effect?
#
# Check: `check("ex-study-half", ...)` (AUC).
# ````
#
# ````{solution} ex-study-half
# :class: dropdown
#
# ```python
# for effect in ("base", "half"):
#     further = study.draw_patients(5000, 4, effect)
#     score = oracle_score(further, tuple(study.TRAITS), effect)
#     lost = ~further["responder"]
#     print(effect, auc_interval(lost, score, level=0.95))
# ```
# The loadings are halved; of the lead over 0.5 more than a half is left, because an AUC flattens towards 1.
# ````

# %% [markdown] tags=["if-simulated"]
# ````{exercise} No effect · vary · 10 min
# :label: ex-study-effect
#
# Draw a cohort with `effect="none"`. What must its oracle AUC be, and why does the AUC of one trait alone differ from
# that?
# ````
#
# ````{solution} ex-study-effect
# :class: dropdown
#
# With all loadings zero the score is constant: every pair is tied and the AUC is exactly 0.5. A *trait* alone, such as
# the core's EAC, still differs between the few non-responders and the responders by chance; its AUC scatters around
# 0.5, the wider the fewer patients there are.
# ````
#
# ````{exercise} Core against margin · recall · 10 min
# :label: ex-study-margin
#
# `margin_eac_db` has a smaller loading than `core_eac_db` and the opposite sign. Why does it add so much to the oracle?
# ````
#
# ````{solution} ex-study-margin
# :class: dropdown
#
# What resistance does not explain is shared: core and margin EAC correlate by 0.5 in their residuals. Resistance moves
# them apart while everything else moves them together, so their *difference* is a cleaner sign than either.
# ````

# %% [markdown] tags=["if-recorded"]
# ````{exercise} Another share · compute · 10 min
# :label: ex-study-share
#
# By how much does the share of non-responders differ between this cohort and the paper's, and which figures of later
# chapters cannot be compared with the paper's because of it?
# ````
#
# ````{solution} ex-study-share
# :class: dropdown
#
# Both shares stand in Table 1. Accuracy, precision and net benefit depend on the share; sensitivity, specificity and
# AUC do not, as far as the patients of each class are alike.
# ````

# %% [markdown]
# ## Questions
#
# ````{dropdown} Why is the non-responder the positive class, and not the responder?
# She is the one whose treatment would change. Sensitivity is then the share of non-responders who are found.
# ````
#
# ````{dropdown} Which patients may choose a scale, an epoch or a threshold?
# Training and validation patients. Test patients judge what is finished; whoever lets them choose anything has no
# unseen patients left.
# ````
#
# ````{dropdown} Why are responders and non-responders drawn separately into the sets?
# A set of few patients could end with hardly a non-responder by luck. Drawn by class, every set has a share that was
# decided beforehand.
# ````
#
# ## Take-aways
#
# - Splits are by patient: all planes of a tumour are on one side.

# %% [markdown] tags=["if-simulated"]
# - The cohort is simulated; effect sizes are declared assumptions, fixed before training.
# - The oracle is the ceiling; nothing on later pages can honestly exceed it, except by luck on few patients.
# - What must not carry the label is checked.

# %% [markdown] tags=["if-recorded"]
# - The cohort is recorded; what it has on record, and of how many patients, is Table 1.

# %% [markdown]
# ## Further reading
#
# - {cite:t}`taleghamar2022`: the study itself; read its Methods for the split and its Table 1 beside ours.
# - {cite:t}`tadayyon2014`: what ESD and EAC of breast tumours are before treatment, with their spread between patients.
# - {cite:t}`esserman2012`: how response and survival go together, by receptors; response rates and times to recurrence
#   of I-SPY 1.
