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
# # Reporting checklists
#
# A study that leaves out how patients were split, or how many events it had, cannot be judged. Two checklists ask for
# what a reader needs: TRIPOD+AI for prediction models {cite}`collins2024`, CLAIM for artificial intelligence in imaging
# {cite}`mongan2020,tejani2024`. Here both are filled in for this book, each item with the chapter that answers it
# ({numref}`tab-tripod`, {numref}`tab-claim`).
#
# **You will learn**
#
# - what the two checklists ask, in short words;
# - where this book answers it, and what it does not answer;
# - how to hold a printed study against the same lists.
#
# **You need**: nothing beforehand; the page is meant for looking things up. **Time**: 10 minutes to read, seconds to run
# once the models are trained.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
level: float = 0.95  # confidence level of all intervals

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown

from entry.chapter import begin, tracked
from helpers import stages
from helpers.settings import load_settings
from trust import reporting

begin()
settings = load_settings(profile, level=level)
patients = stages.cohort(settings, artifacts)
predictions = stages.models(settings, artifacts).predictions

# %% [markdown]
# The answers that are numbers come from this run ({numref}`tab-facts`):

# %%
known = reporting.facts(patients, predictions, settings)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-facts", "caption": "{{ Whose }} cohort: what the answers refer to."}}
numbers = {
    name: known[name] for name in known if name not in reporting.ANSWERS.index
}
parts = {"train": "training", "validation": "validation", "test": "test"}
named = {f"n_{part}": f"{name} patients" for part, name in parts.items()} | {
    f"lost_{part}": f"non-responders among the {name} patients"
    for part, name in parts.items()
}
named |= {
    f"{part}_share": f"share of non-responders, {parts[part]} patients"
    for part in ("train", "test")
}
named |= {
    "n": "patients in all",
    "optimizer": "optimiser",
    "class_weight": "class weight C of a non-responder",
    "events": "recurrences",
    "events_test": "recurrences among the test patients",
    "image_px": "edge of an image, pixels",
    "aucs": "test AUCs",
    "whose": "patients are",
}
facts = pd.Series(numbers, name="value").rename(
    lambda name: named.get(name, name.replace("_", " "))
)
Markdown(facts.rename_axis("fact").to_markdown(disable_numparse=True))

# %% [markdown]
# ## TRIPOD+AI
#
# 27 items, some of them in parts. The wording is ours and shorter than the original, which should be at hand when a real
# study is reported.

# %% tags=["hide-input"]
pages = {
    path.stem[3:]: reporting.link_to(path)
    for path in sorted(tracked("notebooks").glob("[0-9][0-9]_*.py"))
}
pages |= {
    name: f"[{title}](../{name}.md)"
    for name, title in {
        "index": "Front page",
        "data": "Describing a cohort",
        "glossary": "Glossary",
        "decisions": "Decisions",
        "provenance": "Provenance",
    }.items()
}

# %% mystnb={"table": {"name": "tab-tripod", "caption": "TRIPOD+AI, item by item, as this book answers it."}}
tripod = reporting.filled("tripod_ai", known, pages)
Markdown(tripod.to_markdown(index=False, disable_numparse=True))

# %% [markdown]
# ## CLAIM, 2024
#
# 44 items for studies of artificial intelligence in medical imaging.

# %% mystnb={"table": {"name": "tab-claim", "caption": "CLAIM, item by item, as this book answers it."}}
claim = reporting.filled("claim", known, pages)
Markdown(claim.to_markdown(index=False, disable_numparse=True))

# %% [markdown]
# ## What stays open
#
# {numref}`tab-open` gathers the items whose answer is no, or that do not apply.

# %%
both = pd.concat([tripod.assign(list="TRIPOD+AI"), claim.assign(list="CLAIM")])
no = ("None", "Not ", "Nothing", "No protocol", "One source only")
opening = both.answer.str.startswith((*no, known["simulated_only"]))

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-open", "caption": "Items of both lists that are answered by a no, or do not apply."}}
table = both.loc[opening, ["list", "item", "asks", "answer"]]
Markdown(
    f"{int(opening.sum())} of {len(both)} items:\n\n"
    + table.to_markdown(index=False, disable_numparse=True)
)

# %% [markdown]
# A filled checklist says that something was reported, not that it was done well. A study with leaking patients, or a
# {term}`threshold` chosen on the test set, can tick every box. That is what the audit and the experiments are for.
#
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} The paper by the same list · recall · 20 min
# :label: ex-reporting-paper
#
# Take the paper {cite}`taleghamar2022` and TRIPOD+AI items 8c, 11, 15, 21 and 23a. Which does it answer?
# ````
#
# ````{solution} ex-reporting-paper
# :class: dropdown
#
# 8c: the pathologist was blinded to the study's results. 11: the text names no missing data, though the denominators of
# its Table 1 do (see the audit). 15: no threshold is named. 21: patients are counted, recurrences are not. 23a: yes for
# accuracy and AUC, with intervals that are too short; no for sensitivity, specificity and survival.
# ````
#
# ````{exercise} How many for the share alone · compute · 10 min
# :label: ex-reporting-size
#
# A plan for the number of patients begins with the least that can be asked: the share of non-responders, 23.8 % in the
# paper, known to plus or minus five points at 95 %. How many patients does that take?
#
# Check: `check("ex-reporting-size", ...)` (patients).
# ````
#
# ````{solution} ex-reporting-size
# :class: dropdown
#
# $0.238 \cdot 0.762 \cdot (1.96 / 0.05)^2 = 279$. It is the first of the criteria of {cite:t}`riley2020`; a model of
# many parameters asks for more.
# ````
#
# ````{exercise} Another level · vary · 10 min
# :label: ex-reporting-level
#
# Run this chapter with `level=0.9`. Which of the answers change, and which should not?
# ````
#
# ````{solution} ex-reporting-level
# :class: dropdown
#
# Those that give an interval; they name the level they were made at. Numbers of patients, splits and thresholds stay.
# An answer that names 95 % after that was typed in by somebody.
# ````
#
# ````{exercise} Your own cohort · project · 60 min
# :label: ex-reporting-own
#
# Run the book on a recorded cohort. Which answers change by themselves, and which must you write?
# ````
#
# ````{solution} ex-reporting-own
# :class: dropdown
#
# Numbers, performance, how patients were split, and what is said of simulated patients alone change. Dates, setting,
# eligibility, treatments, ethics, raters and de-identification are asked of whoever recorded the cohort; their answers
# stand in the last column of `src/trust/answers.csv`.
# ````
#
# ## Questions
#
# ````{dropdown} A study ticks every box of a checklist. Is it a good study?
# It is one that can be judged. A box says that something was reported, not that it was right.
# ````
#
# ````{dropdown} Which items can no longer be answered once the study is done?
# What had to be fixed beforehand: the protocol, the threshold, the number of patients planned, who was blinded to what.
# ````
#
# ````{dropdown} Why two lists?
# TRIPOD+AI asks what any prediction model owes its readers, CLAIM what images and their networks add: scanners,
# annotators, preprocessing, weights.
# ````
#
# ## Take-aways
#
# - Fill the list before the study, not after it: most items cannot be answered later.
# - "Not done" is an answer. An empty field is not.
# - A link to the place is worth more than a tick.
#
# ## Further reading
#
# - {cite:t}`collins2024`: TRIPOD+AI itself, with an explanation of each item; have it at hand when you report.
# - {cite:t}`tejani2024`: CLAIM as it stands since 2024; the first version is {cite:t}`mongan2020`.
# - {cite:t}`riley2020`: how many patients a prediction model needs, in four criteria.
