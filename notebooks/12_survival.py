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
# # Recurrence-free survival
#
# A prediction made before treatment is worth something if the two groups it makes fare differently for years. The paper
# follows responders and non-responders for up to ten years, grouped by the truth after treatment and by each model's
# prediction before it {cite}`taleghamar2022`. That complete response goes with fewer recurrences is known from larger
# cohorts {cite:p}`cortazar2014`; that {term}`quantitative ultrasound <quantitative ultrasound (QUS)>` can predict
# {term}`recurrence <recurrence-free survival>` has been tried {cite:p}`dasgupta2021`.
#
# **You will learn**
#
# - how {term}`Kaplan-Meier curves <Kaplan-Meier curve>` use patients whose follow-up ends before anything happens;
# - what the {term}`log-rank test` and the {term}`hazard ratio` say, and what they leave open;
# - how to say the difference in years, without supposing that a ratio stays the same for ten of them;
# - how many recurrences a study needs before its p-value can be trusted to find anything.
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
from IPython.display import Markdown
from scipy.stats import norm

from beyond.means import restricted_mean, restricted_mean_difference
from helpers import stages
from helpers.data.study import MODELS
from helpers.judgement import survival
from helpers.settings import load_settings
from pages import chance, figures, judgement
from pages.judgement import p_text, plot_groups, with_interval
from pages.printed import printed
from reading import moving

figures.use_book_style()
settings = load_settings(profile, level=level)
patients = stages.cohort(settings, artifacts)
patients = patients.astype({"responder": bool, "recurrence": bool})
predictions = stages.models(settings, artifacts).predictions
whose = settings.study.whose

# %% [markdown]
# ## Time to recurrence, and patients who leave
#
# Two columns tell a patient's story: `duration_years`, how long she was followed, and `recurrence`, whether the disease
# came back at that moment. Without a recurrence the patient is *{term}`censored`*: free of it up to then, unknown
# afterwards. Leaving censored patients out would throw away good news; counting them as cured would invent it.
# {numref}`tab-followed` says how many there are.

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-followed", "caption": "{{ Whose }} patients: follow-up and recurrences by response."}}
followed = patients.groupby("responder").agg(
    **{
        "patients": ("recurrence", "size"),
        "recurrences": ("recurrence", "sum"),
        "censored": ("recurrence", lambda seen: (~seen.astype(bool)).sum()),
        "median time observed / years": ("duration_years", "median"),
    }
)
names = {True: "responders", False: "non-responders"}
followed.index = followed.index.map(names).rename("group")
Markdown(
    f"{whose} cohort:\n\n"
    + followed.to_markdown(floatfmt=("", ".0f", ".0f", ".0f", ".1f"))
)

# %% [markdown]
# ## The Kaplan-Meier curve
#
# At each time $t_i$ with $d_i$ recurrences among the $n_i$ patients still under observation, a share $d_i / n_i$ is
# lost {cite:p}`kaplan1958`:
#
# $$ \hat S(t) = \prod_{t_i \le t} \left( 1 - \frac{d_i}{n_i} \right) . $$ (eq-kaplan-meier)
#
# Censored patients count in $n_i$ as long as they were seen, and drop out without a step. {numref}`fig-survival-cohort`
# shows {eq}`eq-kaplan-meier` for the whole cohort; curves, tests and ratios are computed with lifelines
# {cite:p}`davidsonpilon2019`.

# %%
lost = patients[~patients.responder]
table = survival.kaplan_meier(lost.duration_years, lost.recurrence, level)
by_hand = (1 - table.events / table.at_risk).cumprod()

# %% tags=["hide-input"]
Markdown(
    f"Product by hand and `kaplan_meier` differ by at most "
    f"{abs(by_hand - table.survival).max():.0e}. Of {len(lost)} "
    f"non-responders, {lost.recurrence.sum()} have a recurrence on record."
    + judgement.beneath(~patients.responder, "the cohort")
)

# %% [markdown] tags=["if-simulated"]
# The first steps of the non-responders' curve are those of {numref}`tab-first`.

# %% tags=["hide-input", "if-simulated"] mystnb={"table": {"name": "tab-first", "caption": "{{ Whose }} non-responders: the first recurrences, and the curve after each with its {{ level_percent }} % interval from low to high."}}
first = table[table.events > 0].head(5)
form = (".2f", ".0f", ".0f", ".3f", ".3f", ".3f")
first = first.rename(columns={"at_risk": "at risk"}).astype(object)
first = first.where(first.notna(), None)  # no interval at the very end
first = first.to_markdown(floatfmt=form, missingval="–")
shown = f"First recurrences among non-responders:\n\n{first}"
Markdown(shown if settings.study.simulated else "")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-survival-cohort", "caption": "All {{ n_patients }} {{ whose }} patients. Recurrence-free survival of responders and non-responders, grouped by the response found after treatment. Bands: intervals; ticks: censored patients."}, "image": {"alt": "Two falling step curves with bands, a solid one for responders and a dashed one for non-responders, and the numbers of patients at risk below the time axis."}}
figure, ax = figures.subplots(row_in=3.8)
plot_groups(
    ax,
    patients.duration_years,
    patients.recurrence,
    ~patients.responder,
    level,
    until_years=10.0,
)
plt.show()

# %% [markdown]
# ## Are the curves different?
#
# The **log-rank test** {cite:p}`mantel1966` goes through the recurrences one by one and asks each time: given who was
# still under observation, how many recurrences were to be expected among the non-responders? The sum of observed minus
# expected, over its standard deviation, is the test.
#
# **Decision**: the log-rank test is the plain one, without weights, and two-sided.


# %%
def expected_recurrences(duration, event, group):
    """Return observed, expected and variance of events in the True group."""
    observed, expected, variance = 0, 0.0, 0.0
    for time in np.unique(duration[event]):
        at_risk, now = duration >= time, (duration == time) & event
        n, d, share = at_risk.sum(), now.sum(), group[at_risk].mean()
        observed += (now & group).sum()
        expected += d * share
        variance += d * share * (1 - share) * (n - d) / max(n - 1, 1)
    return observed, expected, variance


# %%
duration = patients.duration_years.to_numpy()
event, group = patients.recurrence.to_numpy(), ~patients.responder.to_numpy()
observed, expected, variance = expected_recurrences(duration, event, group)
z = (observed - expected) / variance**0.5 if variance else np.nan
truth = survival.compare(duration, event, group, level)

# %% tags=["hide-input"]
Markdown(
    judgement.sentence(judgement.not_compared(truth))
    or f"All {whose.lower()} patients: {observed} recurrences among "
    f"non-responders, {expected:.1f} expected if response made no difference; "
    f"$z$ = {z:.2f}, from which a normal distribution gives "
    f"p = {2 * norm.sf(abs(z)):.2g}; `survival.compare`: "
    f"p = {truth.p_value:.2g}."
)

# %% [markdown]
# The **hazard ratio** of Cox's model {cite:p}`cox1972` says by how much: how many times more often a non-responder's
# disease returns in any short span of time, compared with a responder's at the same time. A p-value without it does not
# tell a small certain difference from a large uncertain one.
#
# The ratio supposes that it stays the same over the years. Two answers to that: **test it** (does the groups'
# difference in hazard drift with time? A score test {cite:p}`grambsch1994`), and **do without it**. The
# *{term}`restricted mean`* {cite:p}`royston2013` is the area under a Kaplan-Meier curve up to a horizon: how many of
# the first years were free of recurrence, on average. The difference of two such areas is in years. It supposes no
# constant ratio, only, as all these curves do, that patients who leave are like those who stay.
#
# **Decision**: a hazard ratio and a difference in restricted mean stand beside each p-value, with intervals; whether
# hazards are proportional is asked by a score test with time on the scale of the Kaplan-Meier curve.

# %%
of_response = patients.groupby("responder")
horizon_years = min(10.0, *of_response.duration_years.max())
means = {
    responder: restricted_mean(
        rows.duration_years, rows.recurrence, horizon_years
    )
    for responder, rows in of_response
}
difference, low, high = restricted_mean_difference(
    duration, event, group, horizon_years, level
)

# %% tags=["hide-input"]
ratio = (
    "cannot be estimated: in one of the groups nobody has a recurrence while "
    "some of the other are under observation"
    if np.isnan(truth.hazard_ratio)
    else f"is {truth.hazard_ratio:.2f}; that it drifts with time has a "
    f"p-value of {truth.proportional_p:.2f}"
)
Markdown(
    judgement.sentence(judgement.not_compared(truth))
    or f"Of the first {horizon_years:.1f} years, responders live "
    f"{means[True][0]:.2f} and non-responders {means[False][0]:.2f} free of "
    f"recurrence: a difference of {difference:.2f} years ({low:.2f} to "
    f"{high:.2f}). The hazard ratio {ratio}."
    + judgement.beneath(group, "the cohort")
)

# %% [markdown]
# A large p-value of that last test is no proof that the ratio is constant, only that these patients do not show
# otherwise. The horizon is ten years, or less where one of the groups was not followed that long.
#
# ## The truth and four predictions
#
# A model's group is its call at a threshold of 0.5. The paper does not say which patients its Figure 5 shows.
# **Decision**: {numref}`fig-survival` and {numref}`tab-survival` show the {term}`test patients <test set>`, since
# models must be judged on patients they did not learn from.

# %%
test = predictions[predictions.split == "test"]
probability = test.pivot(
    index="patient", columns="model", values="probability"
).reindex(columns=list(MODELS))
follow_up = patients.loc[probability.index]
groups = {"Truth, after treatment": ~follow_up.responder}
for slug, spec in MODELS.items():
    title = f"Model {spec.number}: {spec.title}"
    groups[title] = probability[slug] >= 0.5
times = follow_up.duration_years, follow_up.recurrence
compared = {
    title: survival.compare(*times, group, level)
    for title, group in groups.items()
    if len(follow_up)
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-survival", "caption": "{{ Whose }} test patients. Recurrence-free survival of responders and non-responders by the truth after treatment and by the four models' predictions before it, after Figure 5 of the paper; log-rank p-values and numbers at risk."}, "image": {"alt": "Five panels with a solid curve for responders and a dashed curve for non-responders; the first panel groups by the truth, the others by one model each."}}
figure, axes = figures.panels(len(groups), 1, 3.6)
for ax, (title, group) in zip(axes, groups.items(), strict=True):
    if title in compared:
        plot_groups(ax, *times, group, level, until_years=10.0)
        why_not = judgement.not_compared(compared[title])
        told = why_not or f"log-rank p: {p_text(compared[title].p_value)}"
        ax.set_title(f"{title}\n{told}")
    else:
        judgement.write_instead(ax, judgement.lacking(group))
figure.get_layout_engine().set(hspace=0.04, wspace=0.04)
plt.show()

# %%
last = [
    follow_up.duration_years[member].max()
    for group in groups.values()
    for member in (group, ~group)
    if member.any()
]
horizon_years = min([10.0, *last])
years = {
    title: restricted_mean_difference(*times, group, horizon_years, level)
    for title, group in groups.items()
    if title in compared
}

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-survival", "caption": "{{ Whose }} test patients: log-rank test, hazard ratio and difference in restricted mean, by the truth and by each model."}}
summary = [
    judgement.survival_row(result, years[title], horizon_years)
    for title, result in compared.items()
]
summary = pd.DataFrame(summary, index=list(compared))
lines = ["truth", "model 1", "model 2", "model 3", "model 4"]
if len(summary):
    summary.insert(
        3,
        "printed p",
        [printed("Figure 5", row, "log-rank p") for row in lines],
    )
Markdown(
    f"{whose} test patients; R, NR: grouped as responders and non-responders; "
    f"in brackets {level:.0%} intervals; years: free of recurrence, "
    "non-responders less responders; printed: from the paper.\n\n"
    + summary.T.to_markdown(disable_numparse=True)
    + "\n\nThe log-rank p, the interval of the hazard ratio (Wald) and that "
    "of "
    "the years are three tests: near the level one may speak where another "
    "does not."
    if len(summary)
    else judgement.sentence(judgement.lacking(follow_up.responder))
)

# %% tags=["remove-cell"]
from reading.results import keep

for name, title in (("truth", list(groups)[0]), ("model 4", list(groups)[-1])):
    found = compared.get(title)
    why = judgement.lacking(follow_up.responder)
    p, three = None, [None]
    if found:
        why = judgement.not_compared(found)
        why = why or judgement.too_few(found.n_patients[1])
        p, three = found.p_value, found.hazard_ratio_interval
        three = [found.hazard_ratio, *three]
    told = {"why": why, "at": "fig-survival"}
    label = f"groups of {name}, test patients"
    keep(f"log_rank_{name}", f"log-rank p, {label}", p, form="p", **told)
    keep(f"hazard_{name}", f"hazard ratio, {label}", three, **told)

# %% [markdown]
# The threshold of 0.5 is one of many. Move it in {numref}`fig-moving-survival`, and watch how far the p-value moves with a few patients who change their
# group. Whoever looks for the smallest one finds it, and it means nothing: a test is for one grouping that was chosen
# before.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-moving-survival", "caption": "{{ Whose }} test patients. Recurrence-free survival of the two groups that a model's threshold makes, to be moved, with log-rank p and numbers at risk. Curves are drawn in steps of 0.1 years; p comes from the times as they are."}, "image": {"alt": "A solid and a dashed falling step curve of recurrence-free survival, for the patients that a model calls responders and non-responders"}}
titles = {spec.title: probability[slug] for slug, spec in MODELS.items()}
moving.survival(*times, titles)

# %% [markdown]
# A p-value of 0.04 beside one of 0.06 does not make one model better than the other: the step from "significant" to
# "not significant" is far smaller than the uncertainty of either. A group that is empty, or in which nothing happened,
# has no hazard ratio that the data could tell.
#
# **Decision**: the five p-values are not corrected for there being five; read them with that in mind.
#
# ## What could this study have found?
#
# The {term}`power` of a log-rank test depends on *recurrences*, not on patients. To find a hazard ratio $\theta$ when a
# share $\pi$ of the patients is in one group, at level $\alpha$ with power $1 - \beta$, Schoenfeld's formula
# {cite:p}`schoenfeld1981` asks for
#
# $$ d = \frac{(z_{1 - \alpha/2} + z_{1 - \beta})^2}{\pi (1 - \pi) (\ln \theta)^2} $$ (eq-schoenfeld)
#
# recurrences ({numref}`fig-power`).

# %%
n_events = int(follow_up.recurrence.sum())
why_not = judgement.lacking(~follow_up.responder)
share = float((~follow_up.responder).mean()) if not why_not else np.nan
ratios = np.linspace(1.2, 6, 200)
needed = np.array(
    [chance.events_needed(theta, share, level) for theta in ratios]
)
found = ratios[needed <= n_events]

# %% tags=["hide-input"]
ratio = with_interval(
    (truth.hazard_ratio, *truth.hazard_ratio_interval), to="–"
)
detectable = (
    f"hazard ratios from about {found[0]:.1f} up"
    if found.size
    else "none up to 6"
)
Markdown(
    judgement.sentence(why_not)
    or f"The test set has **{n_events} recurrences** in {len(follow_up)} "
    f"{whose.lower()} patients, {share:.0%} of whom are non-responders. With "
    "a "
    f"power of 80 % it finds {detectable}. A hazard ratio of 2 needs "
    f"{chance.events_needed(2.0, share, level):.0f} recurrences. The whole "
    f"cohort has {int(patients.recurrence.sum())}; its hazard ratio: {ratio}."
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-power", "caption": "Recurrences that a log-rank test needs to find a hazard ratio with a power of 80 %, at the share of non-responders in the test set. Dotted: recurrences in the test set and in the whole cohort ({{ whose }} patients)."}, "image": {"alt": "A steeply falling curve of needed recurrences against the hazard ratio, crossed by two dotted horizontal lines."}}
figure, ax = figures.subplots()
ax.set(xlabel="hazard ratio", ylabel="recurrences needed")
if why_not:
    judgement.write_instead(ax, why_not)
else:
    ax.semilogy(ratios, needed)
    n_all = int(patients.recurrence.sum())
    for count, name in [(n_events, "test set"), (n_all, "cohort")]:
        ax.axhline(max(count, 1), color="0.4", ls=":")
        ax.annotate(name, (1.1, max(count, 1)), ha="left", va="bottom")
plt.show()

# %% [markdown]
# A model's groups are an imperfect copy of the true ones: every wrong call moves a patient into the wrong
# curve and pulls the two together. With the same patients, a model's hazard ratio is therefore expected to be
# nearer to 1 than that of the truth. Where a model looks *better* than the truth on few patients, chance is
# the first explanation to consider.
#
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} Who leaves · recall · 5 min
# :label: ex-survival-censored
#
# A patient was seen last after two years, free of recurrence. What does she add to the curve at one, at two and at five
# years?
# ````
#
# ````{solution} ex-survival-censored
# :class: dropdown
#
# Until two years she is among those at risk, and makes every step before smaller. Afterwards she is nobody: neither
# cured nor lost.
# ````
#
# ````{exercise} Five patients · compute · 5 min
# :label: ex-survival-hand
#
# Recurrences after 1, 3 and 5 years; two patients were seen last after 2 and 4 years, free of recurrence. What is the
# Kaplan-Meier estimate at 3.5 years?
#
# Check: `check("ex-survival-hand", ...)` (share, 0 to 1).
# ````
#
# ````{solution} ex-survival-hand
# :class: dropdown
#
# $(1 - 1/5)(1 - 1/3) = 0.533$: five are at risk at the first recurrence, three at the second.
# ````
#
# ````{exercise} Recurrences needed · compute · 5 min
# :label: ex-survival-events
#
# One patient in five is a non-responder. How many recurrences does a log-rank test at 5 % need to find a hazard ratio
# of 2 with a power of 80 %?
#
# Check: `check("ex-survival-events", ...)` (recurrences).
# ````
#
# ````{solution} ex-survival-events
# :class: dropdown
#
# $(1.96 + 0.84)^2 / (0.2 \cdot 0.8 \cdot (\ln 2)^2) = 102$. A test set of 50 patients cannot have them.
# ````
#
# ````{exercise} Training patients · vary · 10 min
# :label: ex-survival-training
#
# Repeat the table for all patients instead of the test patients. What becomes of the models' p-values, and why is that
# no evidence for the models?
# ````
#
# ````{solution} ex-survival-training
# :class: dropdown
#
# ```python
# for slug, rows in predictions.groupby("model"):
#     rows = rows.set_index("patient")
#     follow_up = patients.loc[rows.index]
#     times = follow_up.duration_years, follow_up.recurrence
#     print(slug, survival.compare(*times, rows.probability >= 0.5))
# ```
#
# Many of these patients taught the models who responds. On them the prediction partly repeats the truth, and the curves
# show the truth's difference in survival, not the models' foresight. More patients also make the p-value of a true
# difference smaller, while a difference that chance had made on the test patients melts away.
# ````
#
# ````{exercise} A landmark · vary · 15 min
# :label: ex-landmark
#
# Response is known only after some months of treatment, yet the curves start before it. Exclude patients with a
# recurrence in the first half year and compare the groups by the truth again. Which bias does this guard against?
# ````
#
# ````{solution} ex-landmark
# :class: dropdown
#
# ```python
# late = patients[patients.duration_years > 0.5]
# since = late.duration_years - 0.5
# survival.compare(since, late.recurrence, ~late.responder, level)
# ```
#
# A patient has to stay free of recurrence long enough to be judged a responder at all: time that no responder could
# have failed in (immortal time). Groups formed by a *prediction before treatment* do not have this problem.
# ````
#
# ````{exercise} An imperfect copy · project · 60 min
# :label: ex-survival-copy
#
# Simulate studies in which a model finds 70 % of the non-responders and calls 8 % of the responders so. With
# `chance.log_rank_studies` as in [](15_audit): how much power does one wrong call in eight cost, and how many patients
# would give it back?
# ````
#
# ````{solution} ex-survival-copy
# :class: dropdown
#
# Wrong calls move the two hazards towards each other: with $\pi$ the share called and the mixture of hazards in each
# group, the log of the ratio shrinks, and the recurrences needed grow with the inverse of its *square*. A third off the
# log of the ratio more than doubles the patients.
# ````
#
# ## Questions
#
# ````{dropdown} What does a hazard ratio of 2 mean, and what does it suppose?
# At any time twice as many of those still free of recurrence relapse in a short span; and it supposes that this factor
# stays the same over the years.
# ````
#
# ````{dropdown} A log-rank p of 0.2 on 50 patients: no difference?
# The test had little power. Look at the interval of the hazard ratio: it is likely to hold both 1 and ratios that would
# matter.
# ````
#
# ````{dropdown} Why is the difference in restricted mean given beside the ratio?
# It is in years, needs no constant ratio, and can be told to a patient.
# ````
#
# ## Take-aways
#
# - Censored patients count while they are seen; the numbers at risk tell how far to the right a curve
#   deserves trust.
# - Give the hazard ratio with its interval; the p-value alone hides both size and uncertainty.
# - A difference in years supposes less than a ratio of hazards, and says more to a patient.
# - Recurrences, not patients, decide what a survival comparison can find.
#
# ## Further reading
#
# - {cite:t}`kaplan1958`: the curve, by those whose names it bears; the first pages suffice.
# - {cite:t}`royston2013`: restricted means in place of hazard ratios, for trials whose curves do not keep a ratio.
# - {cite:t}`esserman2012`: response and recurrence in I-SPY 1, by receptors.
#
# Also behind this page: {cite}`taleghamar2022`; the test follows Mantel (1966) and Cox (1972), the number of
# recurrences {cite:t}`schoenfeld1981`, the check of proportional hazards Grambsch and Therneau (1994).
