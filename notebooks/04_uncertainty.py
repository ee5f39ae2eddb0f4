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
# # How sure is a map?
#
# A {term}`window` holds a handful of independent echoes, so every number in a map is a guess with an error. The error
# can be known: the phantom is uniform, and how its own windows scatter is how any window scatters.
#
# **You will learn**
#
# - what {term}`standard error` a single window has, and how to check that the claim is true
# - why the mean of a region is so much better, and how to give it an interval
# - how a region's {term}`attenuation` is estimated from its own echoes, and what its interval does not know
# - which {term}`band` of frequencies the phantom itself allows
#
# **You need**: {doc}`03_maps`. **Time**: 15 minutes to read, half a minute to run.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
patient: str = ""  # patient shown; empty: chosen by rule
plane: int = -1  # image plane shown, counted from 0; -1: the middle one
n_checked: int = 8  # simulated patients whose attenuation is estimated
n_seeds: int = 20  # simulations of the same tissue with new speckle
overlap: float = 0.95  # overlap of neighbouring windows in the maps shown
level: float = 0.95  # confidence level of all intervals

# %% tags=["hide-input"]
from dataclasses import replace

import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy.stats import norm

from helpers import stages
from helpers.data import regions, simulation
from helpers.data.form_factor import gaussian_bsc_db
from helpers.maps import parametric
from helpers.maps.grid import Protocol, reference_band_mhz, window_grid
from helpers.maps.parametric import centre_mask, map_windows
from helpers.maps.planes import attenuation_of, on_pixels, protocol_of
from helpers.maps.recovery import true_maps
from helpers.maps.windows import step_mm
from helpers.settings import load_settings
from pages import echoes, figures
from pages.echoes import uniform_tissue
from pages.maps import not_mapped
from physics import speckle, uncertainty
from physics.attenuation import estimate_attenuation

figures.use_book_style()
settings = load_settings(profile, overlap=overlap, level=level)
patients = stages.cohort(settings, artifacts)
patient, plane = echoes.example(patients, patient, plane)
acquired = stages.acquire(settings, artifacts, patient, plane)
rf, reference = acquired.plane, acquired.reference
core, margin = acquired.regions(settings.maps.margin_mm)
used = attenuation_of(acquired, core, margin, settings.maps)
attenuation = on_pixels(core | margin, used)

# %% [markdown]
# ## One window
#
# {term}`MBF <mid-band fit (MBF)>`, {term}`SS <spectral slope (SS)>` and {term}`SI <spectral intercept (SI)>` are linear
# in the logarithm of the spectrum. Their standard error at a depth is simply the spread of the phantom's windows at
# that depth: same lines, same beam, same gate. {term}`ESD <scatterer diameter (ESD)>` and
# {term}`EAC <acoustic concentration (EAC)>` are functions of the slope $M$ and the intercept $I$ of
# {eq}`eq-form-factor`, and follow to first order:
#
# $$ \mathrm{d\,ESD} = \frac{\mathrm{ESD}}{2M}\, \mathrm{d}M , \qquad
#    \mathrm{d\,EAC} = \mathrm{d}I - \frac{30}{M \ln 10}\, \mathrm{d}M . $$ (eq-propagation)
#
# The **{term}`misfit`** is the rms distance of the normalised spectrum from its line: where it is large, the line is a
# poor summary. {numref}`fig-uncertainty-window` shows both.

# %%
grid = window_grid(rf, reference, core | margin, protocol_of(settings.maps))
maps = map_windows(rf, reference, grid, attenuation)
errors = uncertainty.uncertainty(maps, rf, reference, grid)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-uncertainty-window", "caption": "{{ Whose }} plane: maps with the standard error of every window beside them, the core dashed, and the misfit of the line. Small scatterers bend the spectrum little, so their diameter is the least certain. Windows that do not stand out of the noise are left grey."}, "image": {"alt": "Maps over core and margin of a {{ whose }} tumour, each with its standard error beside it, and the misfit of the line fit"}}
shown = {}
for name in ("mbf", "esd_um"):
    if name in maps.present:
        label = parametric.LABELS[name]
        shown[label] = getattr(maps, name)
        shown[f"standard error of {label}"] = getattr(errors, name)
shown["misfit / dB"] = errors.misfit_db
fig, axes = figures.panels(len(shown), 2, 2.5, shared=True)
for ax, (label, values) in zip(axes, shown.items(), strict=True):
    figures.show_map(ax, values, maps.extent_mm, label)
    figures.show_outline(
        ax, centre_mask(core, rf, maps), maps.extent_mm, colour="k"
    )
    ax.set_facecolor("0.85")
figures.label_outer(axes, 2)

# %% tags=["hide-input"]
Markdown(
    f"The phantom has {len(reference.planes)} frames of "
    f"{reference.planes[0].samples.shape[1]} lines to tell it by. "
    + not_mapped(maps.present)
)

# %% [markdown]
# ### Is the claim true?
#
# In uniform tissue all windows have the same truth, so their errors, divided by the standard errors (of ESD and EAC by
# {eq}`eq-propagation`), should be normal with spread 1 ({numref}`fig-uncertainty-check`).

# %%
depth_mm = 10 * settings.scan.depth_cm
system = simulation.System(n_lines=settings.scan.n_lines, depth_mm=depth_mm)
n_frames = settings.scan.n_reference_frames
phantoms = [
    simulation.phantom_frames(system, n_frames, seed) for seed in range(4)
]
even = uniform_tissue(150.0, 12.0, 0.9, depth_mm)
flat = simulation.simulate_plane(even, system, np.random.default_rng(1))
flat_grid = window_grid(flat, phantoms[0], None, Protocol(overlap=0.5))
flat_maps = map_windows(flat, phantoms[0], flat_grid, 0.9)
flat_errors = uncertainty.uncertainty(flat_maps, flat, phantoms[0], flat_grid)
flat_truth = true_maps(even, flat_maps.depth_mm, flat_maps.lateral_mm)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-uncertainty-check", "caption": "Simulated uniform tissue: errors of each map in all windows of a plane, divided by their standard errors, against the standard normal density."}, "image": {"alt": "Five histograms of standardised errors, one per map, each lying on a bell curve of unit width"}}
fig, axes = figures.panels(5, 2, 2.2)
x = np.linspace(-4, 4, 100)
standardised = {}
for name in uncertainty.FIELDS:
    error = getattr(flat_maps, name) - getattr(flat_truth, name)
    standardised[name] = (error / getattr(flat_errors, name)).ravel()
for ax, (name, z) in zip(axes, standardised.items(), strict=True):
    ax.hist(z, bins=np.linspace(-4, 4, 33), density=True, alpha=0.6)
    ax.plot(x, norm.pdf(x), "k", linewidth=1)
    ax.set(xlabel=parametric.NAMES[name])
top = max(ax.get_ylim()[1] for ax in axes)
_ = [ax.set(ylabel="density", ylim=(0, top)) for ax in axes]

# %% tags=["hide-input"]
Markdown(
    "Spread of the standardised errors: "
    + ", ".join(
        f"{parametric.NAMES[name]} {np.nanstd(z):.2f}"
        for name, z in standardised.items()
    )
    + ". Windows without a real diameter: "
    f"{100 * flat_maps.unphysical.mean():.2f} %."
)

# %% [markdown]
# That {term}`speckle` gives a power an error in proportion to itself, and how it spreads to slope and intercept, is
# worked out in {cite:t}`lizzi1997`; what the phantom's own echoes add, in {cite:t}`yao1991`; what both do to diameters,
# in {cite:t}`gerig2003`.
#
# ### How large a window?
#
# A longer window tells frequencies better apart, a wider one averages more lines. Both blur the map.
# {numref}`fig-uncertainty-size` is the same uniform tissue in windows of other sizes:

# %%
rows = []
for edge_mm in (1.0, 1.5, 2.0, 3.0, 4.0):
    sized = Protocol(edge_mm, overlap=0.5)
    one_grid = window_grid(flat, phantoms[0], None, sized)
    found = map_windows(flat, phantoms[0], one_grid, 0.9)
    for name in ("mbf", "esd_um", "eac_db"):
        error = getattr(found, name) - getattr(flat_truth, name)[0, 0]
        row = {"SD": np.nanstd(error), "bias": np.nanmean(error)}
        rows.append({"window / mm": edge_mm, "name": name} | row)
sizes = pd.DataFrame(rows)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-uncertainty-size", "caption": "Simulated uniform tissue: standard deviation and bias of single windows against the edge of the window."}, "image": {"alt": "Three panels, for mid-band fit, diameter and concentration: the standard deviation falls steeply from windows of 1 to 2 mm and slowly beyond, and the smaller bias with it"}}
fig, axes = figures.subplots(3, row_in=2.4, sharex=True)
for ax, (name, of_map) in zip(
    axes, sizes.groupby("name", sort=False), strict=True
):
    for kind in ("SD", "bias"):
        ax.plot(of_map["window / mm"], of_map[kind], "o-", label=kind)
    ax.axhline(0, ls=":", color="0.4")
    ax.set(
        xlabel="edge of the window / mm",
        ylabel=f"error of {parametric.LABELS[name]}",
    )
    ax.label_outer()
_ = axes[0].legend()

# %% [markdown]
# ### Where the claim is not true
#
# The phantom tells the error of fully developed speckle. With few scatterers in a {term}`resolution cell` echoes are
# more uneven than its own, and every standard error is too small. Their unevenness shows: the
# {term}`Nakagami parameter` $m$ of the envelope {cite:p}`shankar2000`, 1 for many scatterers and a little
# more in windows as small as ours, falls below the phantom's. So it does where tissue is uneven. A region where it does
# so by more than chance, one time in a hundred, is flagged ({numref}`tab-nakagami`).

# %%
numbers = {"fully developed": None, "3 in a cell": 3.0, "1 in a cell": 1.0}
centred = Protocol(overlap=0.5)
flags = []
for name, per_cell in numbers.items():
    for seed in range(n_seeds):
        rng, phantom = np.random.default_rng([seed, 9]), phantoms[seed % 4]
        echo = simulation.simulate_plane(even, system, rng, name, per_cell)
        below = echo.depth_mm[:, None] - 25 + 0 * echo.lateral_mm
        region = np.abs(below) < 10
        one_grid = window_grid(echo, phantom, region, centred)
        seen = speckle.speckle(echo, phantom, one_grid)
        found = map_windows(echo, phantom, one_grid, 0.9)
        claimed = uncertainty.uncertainty(found, echo, phantom, one_grid).mbf
        off = (found.mbf - flat_truth.mbf[0, 0]) / claimed
        row = {"scatterers": name, "spread": np.nanstd(off)}
        row |= {"m": seen.nakagami_m, "phantom": seen.phantom_m}
        flags.append(row | {"flagged": not seen.developed})

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-nakagami", "caption": "Simulated uniform tissue: speckle of many and of few scatterers, and the errors over those claimed."}}
by_number = pd.DataFrame(flags).groupby("scatterers", sort=False)
Markdown(
    pd.DataFrame(
        {
            "planes": by_number.size(),
            "Nakagami m": by_number["m"].mean().round(2),
            "the phantoms' m": by_number["phantom"].mean().round(2),
            "flagged": by_number["flagged"].mean().map("{:.0%}".format),
            "errors of MBF over those claimed": by_number["spread"]
            .mean()
            .round(2),
        }
    ).to_markdown()
)

# %% [markdown]
# ## The spectrum of a region
#
# Averaged over the windows of a region, the {term}`backscatter coefficient <backscatter coefficient (BSC)>` itself
# comes into view ({numref}`fig-uncertainty-bsc`), and the means of the maps have
# {term}`intervals <confidence interval>` ({numref}`tab-region`). Only windows that lie whole in the {term}`core` are
# taken.

# %% [markdown] tags=["if-recorded"]
# The core is that of a **simulated** patient, whose tissue is known.

# %%
known = echoes.with_tissue(acquired, settings, artifacts)
rf, reference, tissue = known.plane, known.reference, known.tissue
core, _ = known.regions(settings.maps.margin_mm)
attenuation = tissue.attenuation_on(rf)
within_mm = regions.distance_outside_mm(~core, rf.depth_mm, rf.lateral_mm)
interior = within_mm > 0.75 * settings.maps.window_mm
coarse = replace(protocol_of(settings.maps), overlap=0.75)
box = window_grid(rf, reference, interior, coarse)
_, bsc_db = parametric.normalised_spectra(rf, reference, box, attenuation)
f, inside = box.band_mhz, box.inside & np.isfinite(bsc_db[:, 0])
true_esd_um, true_eac_db, _ = tissue.at(box.depth_mm, box.lateral_mm)
spectra_db = np.moveaxis(bsc_db, 1, 2)[inside]  # (windows, n_bins)
scatterers = true_esd_um[inside][:, None], true_eac_db[inside][:, None]
true_db = gaussian_bsc_db(f, *scatterers, rf.sound_speed_m_s)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-uncertainty-bsc", "caption": "Simulated core: backscatter coefficient of its windows (half of them in the dark band, nine tenths in the light one), their mean, and the mean of the truth."}, "image": {"alt": "Backscatter coefficient against frequency: a wide band of single windows around a mean curve that lies on the true one"}}
fig, ax = figures.subplots()
look = {"color": figures.COLOUR["estimate"], "lw": 0}
for low, high, alpha in ((5, 95, 0.15), (25, 75, 0.3)):
    between = np.percentile(spectra_db, [low, high], axis=0)
    ax.fill_between(f, *between, **look, alpha=alpha)
look = look | {"lw": 1.5, "label": "mean of the windows"}
ax.plot(f, spectra_db.mean(axis=0), "o-", **look)
ax.plot(f, true_db.mean(axis=0), "k--", label="truth")
ax.legend(loc="upper left")
ax.margins(y=0.2)
_ = ax.set(xlabel="frequency / MHz", ylabel="BSC / dB re 1/(cm sr)")

# %%
means = uncertainty.region_means(rf, reference, box, attenuation, level)
truth = true_maps(tissue, box.depth_mm, box.lateral_mm, (f[0], f[-1]))
means["truth"] = [getattr(truth, name)[inside].mean() for name in means.index]

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-region", "caption": "Simulated core: means of the region with their intervals, and the truth."}}
holds = means["truth"].between(means["low"], means["high"])
means["holds the truth"] = np.where(holds, "yes", "no")
named = {"standard_error": "standard error"}
seen = speckle.speckle(rf, reference, box)
flag = "developed" if seen.developed else "**more uneven than the phantom's**"
if not seen.developed:
    flag += ". Scatterers are many in this simulation: what is uneven is the "
    flag += "tissue"
Markdown(
    means.rename(index=parametric.LABELS, columns=named).to_markdown(
        floatfmt=".2f"
    )
    + f"\n\nSpeckle in this core: Nakagami m {seen.nakagami_m:.2f}, "
    f"the phantom's {seen.phantom_m:.2f}: {flag}."
)

# %% [markdown]
# The error of a sum over windows is the speckle's autocovariance, taken from the phantom, summed over all pairs
# of windows; neighbours share most of their echoes, which is why a thousand windows are not a thousand measurements.
# The phantom's own error comes on top, since all windows at one depth were divided by the same reference.
#
# It is the error of speckle and of nothing else. Inside a window of uneven tissue the logarithm of the mean power lies above the
# mean of the logarithms, so that MBF and EAC of a heterogeneous core come out a few tenths of a decibel high; no interval of
# this kind knows that.

# %% tags=["hide-input"]
of_box = map_windows(rf, reference, box, attenuation)
of_box = uncertainty.uncertainty(of_box, rf, reference, box)
single = np.nanmean(of_box.mbf[inside])
as_many = (single / means.loc["mbf", "standard_error"]) ** 2
Markdown(
    f"In this core {inside.sum():,} windows, {step_mm(box.depth_mm):g} mm "
    "apart, bring the standard error "
    f"of MBF from {single:.2f} to {means.loc['mbf', 'standard_error']:.2f} "
    "dB: "
    f"they are worth {as_many:.0f} independent ones."
)

# %% [markdown]
# ## The same tissue many times
#
# Uniform tissue, new speckle each time, four phantoms in turn: a region of 28 × 20 mm at 25 mm depth.
# {numref}`fig-uncertainty-seeds` shows the intervals, {numref}`tab-coverage` counts them.

# %%
kinds = {  # ESD, EAC and attenuation
    "small, dense": (80.0, 15.0, 0.6),
    "middle": (110.0, 15.0, 1.0),
    "large, sparse": (150.0, 12.0, 0.8),
}

# %%
rows = []
for kind, (esd_um, eac_db, alpha) in kinds.items():
    even = uniform_tissue(esd_um, eac_db, alpha, depth_mm)
    true = true_maps(even, np.array([25.0]), np.array([30.0]))
    for seed in range(n_seeds):
        rng = np.random.default_rng([seed, int(esd_um)])
        echo = simulation.simulate_plane(even, system, rng)
        across, down = echo.lateral_mm - 30, echo.depth_mm[:, None] - 25
        region = (across / 14) ** 2 + (down / 10) ** 2 < 1
        scan = echo, phantoms[seed % 4]
        grid = window_grid(*scan, region, Protocol(overlap=0.75))
        table = uncertainty.region_means(*scan, grid, alpha, level)
        truth = [getattr(true, name)[0, 0] for name in table.index]
        rows += table.assign(kind=kind, name=table.index, truth=truth).to_dict(
            "records"
        )
        found = vars(estimate_attenuation(*scan, grid, level))
        rows.append(
            {"kind": kind, "name": "attenuation", "truth": alpha} | found
        )
seeds = pd.DataFrame(rows)
seeds["error"] = seeds["value"] - seeds["truth"]
seeds["covered"] = seeds["truth"].between(seeds["low"], seeds["high"])

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-uncertainty-seeds", "caption": "Simulated uniform tissue of middling scatterers, new speckle in every row: estimates of a region's mean with their intervals, and the truth. {{ level_percent }} % of the intervals should hold it; those that miss it are red."}, "image": {"alt": "Four panels of horizontal intervals, for MBF, ESD, EAC and attenuation, scattered around a vertical line at the truth"}}
labels = {
    name: parametric.LABELS[name] for name in ("mbf", "esd_um", "eac_db")
} | {"attenuation": "attenuation / dB/cm/MHz"}
shown = seeds[seeds["kind"] == "middle"]
fig, axes = figures.subplots(2, 2, 2.7, sharey=True)
two = figures.COLOUR["estimate"], figures.COLOUR["mistake"]
for ax, (name, label) in zip(axes.flat, labels.items(), strict=True):
    one = shown[shown["name"] == name].reset_index()
    colours = np.where(one["covered"], *two)
    ax.hlines(one.index, one["low"], one["high"], colors=colours)
    ax.scatter(one["value"], one.index, c=colours, s=12)
    ax.axvline(one["truth"].iloc[0], color="k", linewidth=0.8)
    ax.set(xlabel=label, yticks=[])

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-coverage", "caption": "Simulated uniform tissue: errors over seeds, claimed standard errors, and intervals that cover the truth."}}
grouped = seeds.groupby(["kind", "name"], sort=False)
columns = {
    "truth": grouped["truth"].first(),
    "mean error": grouped["error"].mean(),
    "SD over seeds": grouped["error"].std(),
    "mean standard error": grouped["standard_error"].mean(),
    "intervals that cover": grouped["covered"].mean(),
}
summary = pd.DataFrame(columns).reset_index()
summary["name"] = summary["name"].replace(parametric.LABELS | labels)
summary = summary.rename(columns={"name": "map", "kind": "tissue"})
Markdown(summary.to_markdown(index=False, floatfmt=".3f"))

# %% tags=["hide-input"]
Markdown(
    f"Of all {len(seeds)} intervals {100 * seeds['covered'].mean():.1f} % "
    "cover the truth; "
    f"{100 * level:.0f} % were promised."
)

# %% tags=["remove-cell"]
from reading.results import keep

told = "intervals of map and attenuation that hold the truth, simulated"
told = told, 100 * seeds["covered"].mean()
keep("coverage", *told, unit="%", form=".1f", at="the-same-tissue-many-times")

# %% [markdown]
# ### Attenuation that is no straight line
#
# In tissue attenuation grows faster than in proportion to frequency: in excised breast with an exponent $n$ of 1.3 to
# 1.7 {cite:p}`dastous1986`. What is put back is then $2 \alpha_s f^n z$, which bends the spectrum as a size of
# scatterers does. Here the tissue has $n = 1.3$, and the analysis once knows it and once assumes $n = 1$ with an
# attenuation that is right in the middle of the band ({numref}`tab-exponent`).

# %%
exponent, alpha = 1.3, 0.5  # dB/cm/MHz^1.3
middle_mhz = np.mean(system.band_mhz)
bent = replace(
    uniform_tissue(110.0, 15.0, alpha, depth_mm),
    attenuation_exponent=exponent,
)
assumptions = {
    "n = 1.3, as it is": (exponent, alpha),
    "n = 1, right at mid-band": (1.0, alpha * middle_mhz ** (exponent - 1)),
}
true = true_maps(bent, np.array([25.0]), np.array([30.0]))

# %%
rows = []
for seed in range(n_seeds):
    echo = simulation.simulate_plane(bent, system, np.random.default_rng(seed))
    across, down = echo.lateral_mm - 30, echo.depth_mm[:, None] - 25
    region = (across / 14) ** 2 + (down / 10) ** 2 < 1
    scan = echo, phantoms[seed % 4]
    for assumed, (n, at_1_mhz) in assumptions.items():
        protocol = Protocol(overlap=0.75, attenuation_exponent=n)
        grid = window_grid(*scan, region, protocol)
        table = uncertainty.region_means(*scan, grid, at_1_mhz, level)
        truth = [getattr(true, name)[0, 0] for name in table.index]
        table = table.assign(name=table.index, truth=truth, assumed=assumed)
        rows += table.to_dict("records")

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-exponent", "caption": "Simulated tissue whose attenuation is no straight line: errors with the right exponent and with a wrong one."}}
exponents = pd.DataFrame(rows)
exponents["error"] = exponents["value"] - exponents["truth"]
exponents["covered"] = exponents["truth"].between(
    exponents["low"], exponents["high"]
)
grouped = exponents.groupby(["assumed", "name"], sort=False)
columns = {
    "truth": grouped["truth"].first(),
    "mean error": grouped["error"].mean(),
    "mean standard error": grouped["standard_error"].mean(),
    "intervals that cover": grouped["covered"].mean(),
}
summary = pd.DataFrame(columns).reset_index()
summary["name"] = summary["name"].replace(parametric.LABELS)
Markdown(summary.to_markdown(index=False, floatfmt=".2f"))

# %% tags=["hide-input"]
wrong = exponents[exponents["assumed"] == list(assumptions)[1]]
wrong = wrong.groupby("name")["error"].mean()
Markdown(
    f"A wrong exponent moves ESD by {wrong['esd_um']:+.0f} µm and EAC by "
    f"{wrong['eac_db']:+.1f} dB, many standard errors, and no interval tells: "
    "they know speckle, not the physics that was put in. "
    '`make book SET="attenuation_exponent=1.3"` makes the maps of the whole '
    "study with another exponent."
)

# %% [markdown]
# ## Attenuation from the region itself
#
# Where the scatterers stay the same, attenuation alone tilts the spectrum with depth. With the phantom's $\alpha_r$ put
# back for the tissue as well,
#
# $$ \frac{\mathrm{d\,SS}}{\mathrm{d}z} = -2 (\alpha - \alpha_r) $$ (eq-spectral-difference)
#
# is left: the {term}`spectral difference method` {cite:p}`kuc1984`. Attenuation has been read from the echoes of breast
# masses, and is higher in carcinomas than in fibroadenomas {cite:p}`nam2013`. The tilt {eq}`eq-spectral-difference` is
# fitted within each column of windows, there within the core and around it: the path above, different for every column
# under a round border, cancels, and so does what core and margin differ by. Its interval comes from leaving out one
# strip of columns after the other. With `attenuation="estimate"` the study does this on every plane.
#
# In a tumour the size of scatterers varies, and where it happens to change with depth the estimate takes that for
# attenuation. How much that matters shows on simulated patients, whose attenuation is known
# ({numref}`tab-own-attenuation`).

# %%
rows = []
people = echoes.known_patients(settings, artifacts)[:n_checked]
for number, (_, person) in enumerate(people.iterrows(), start=1):
    one = stages.simulate(person, person["n_planes"] // 2, settings)
    scan = one.plane, one.reference
    own_core, own_margin = one.regions(settings.maps.margin_mm)
    grid = window_grid(*scan, own_core | own_margin, coarse)
    found = vars(estimate_attenuation(*scan, grid, level, own_core))
    true = one.tissue.attenuation_on(one.plane)[own_core].mean()
    rows.append({"simulated patient": number, "truth": true} | found)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-own-attenuation", "caption": "Attenuation of the core of simulated patients / dB/cm/MHz: truth, estimate with its interval, and what is assumed."}}
assumed = settings.maps.tumour_attenuation_db_cm_mhz
estimates = pd.DataFrame(rows).assign(assumed=assumed)
covered = estimates["truth"].between(estimates["low"], estimates["high"]).sum()
Markdown(
    estimates.rename(
        columns={"value": "estimate", "standard_error": "standard error"}
    ).to_markdown(index=False, floatfmt=("g", *6 * [".2f"]))
)

# %% tags=["hide-input"]
wrong_by = estimates[["value", "assumed"]].sub(estimates["truth"], axis=0)
off = np.sqrt((wrong_by**2).mean())
better = "estimate" if off["value"] < off["assumed"] else "assumption"
Markdown(
    f"Rms error of the estimate from one plane: {off['value']:.2f} dB/cm/MHz; "
    f"of the assumed value: {off['assumed']:.2f}. Among these simulated "
    f"patients the {better} "
    "is the better guess. "
    f"{covered} of {len(estimates)} intervals hold the truth"
    + (
        "; a size of scatterers that changes with depth they would not know."
        if covered == len(estimates)
        else ": they know speckle, not a size of scatterers that changes with "
        "depth."
    )
)

# %% [markdown]
# ## The band that the phantom allows
#
# The study's fits use a fixed band. `band_mhz=[]` asks for the phantom's own ({numref}`fig-uncertainty-band`): where
# its mean spectrum over all depths stays within 6 dB of its peak, one band for all planes that share the phantom, since
# maps in different bands cannot be compared. At a single depth it would be another: attenuation takes the high
# frequencies first.

# %%
rf, reference = acquired.plane, acquired.reference
n_window = round(settings.maps.window_mm / rf.sample_spacing_mm)
starts = np.arange(0, rf.samples.shape[0] - n_window, n_window)
bands = np.array(
    [
        reference_band_mhz(reference, (int(start),), n_window)
        for start in starts
    ]
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-uncertainty-band", "caption": "{{ Whose }} phantom: its -6 dB band at every depth. Dashed: the fixed band of the study, where one is chosen."}, "image": {"alt": "Lower and upper end of the minus 6 dB band of the {{ whose }} phantom against depth, with dashed lines at the fixed band"}}
fig, ax = figures.subplots(row_in=2.8)
middle_mm = (starts + n_window / 2) * rf.sample_spacing_mm
ax.fill_between(
    middle_mm, *bands.T, alpha=0.4, label="−6 dB band of the phantom"
)
for edge in settings.maps.band_mhz:
    ax.axhline(edge, color="k", linestyle="--", linewidth=0.8)
ax.legend()
_ = ax.set(xlabel="depth / mm", ylabel="frequency / MHz")

# %% [markdown]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} Small scatterers · recall · 5 min
# :label: ex-uncertainty-small
#
# Why is ESD so uncertain for scatterers of 80 µm, although MBF is not?
# ````
#
# ````{solution} ex-uncertainty-small
# :class: dropdown
#
# $ka$ is small: the form factor hardly bends the spectrum, $M$ is near 0, and $\mathrm{d\,ESD} \propto \mathrm{ESD}/M
# \propto 1/\mathrm{ESD}$.
# ````
#
# ````{exercise} Attenuation from a tilt · compute · 5 min
# :label: ex-uncertainty-tilt
#
# With the phantom's 0.576 dB/cm/MHz put back for the tissue as well, SS of a core falls by 0.9 dB/MHz for every cm of
# depth. What is the core's attenuation?
#
# Check: `check("ex-uncertainty-tilt", ...)` (dB/cm/MHz).
# ````
#
# ````{solution} ex-uncertainty-tilt
# :class: dropdown
#
# $\mathrm{d\,SS} / \mathrm{d}z = -2 (\alpha - \alpha_r)$, so $\alpha = 0.576 + 0.9 / 2 = 1.026$ dB/cm/MHz. Had the size
# of the scatterers grown with depth, the estimate would have taken that for attenuation.
# ````
#
# ````{exercise} What a thousand windows are worth · compute · 5 min
# :label: ex-uncertainty-worth
#
# A window of a core has a standard error of 1.8 dB in MBF, the mean of its 1,000 windows one of 0.3 dB. How many
# independent windows are they worth?
#
# Check: `check("ex-uncertainty-worth", ...)` (windows).
# ````
#
# ````{solution} ex-uncertainty-worth
# :class: dropdown
#
# $(1.8 / 0.3)^2 = 36$. Windows that share most of their echoes are no new measurements.
# ````
#
# ````{exercise} A phantom of two frames · vary · 15 min
# :label: ex-uncertainty-frames
#
# Rerun with a phantom of two frames (`make book SET="n_reference_frames=2"`). Which standard errors grow: the windows'
# or the regions'?
# ````
#
# ````{solution} ex-uncertainty-frames
# :class: dropdown
#
# The regions'. A window's error is dominated by its own speckle; a region averages that away, but not the error of the
# reference that all its windows share.
# ````
#
# ````{exercise} Do your intervals hold? · project · 60 min
# :label: ex-uncertainty-coverage
#
# Take a recorded phantom of several frames. Map frames of one half against the other half, in regions of 10 mm at
# several depths, and count how many of the 95 % intervals of MBF hold 0 dB. How many must, at least, before you believe
# the others?
# ````
#
# ````{solution} ex-uncertainty-coverage
# :class: dropdown
#
# Let $k$ of $n$ regions hold it; `proportion_interval(k, n)` should hold 0.95. Take regions that share no echoes, or
# $n$ is not $n$: frames without a move of the probe show the same speckle. Fewer than that: look for targets, for
# settings that changed between frames, or for depths where noise is near.
# ````
#
# ## Questions
#
# ````{dropdown} How can the phantom know the error of a window in tissue?
# Speckle of many scatterers is alike everywhere. Through the same lines, beam and gate the phantom's windows scatter as
# those of any uniform tissue do.
# ````
#
# ````{dropdown} What does the interval of a region not know?
# All that is not speckle: an attenuation that is assumed wrongly, its exponent, the phantom's own values, and uneven
# tissue within a window.
# ````
#
# ````{dropdown} The Nakagami parameter of a core lies clearly below the phantom's. What follows for its maps?
# Its echoes are more uneven than those of many scatterers in even tissue. If scatterers are few, the standard errors,
# taken from the phantom, are too small; if the tissue varies, they are those of speckle, and the rest is the tissue.
# ````
#
# ## Take-aways
#
# - The phantom tells the error of every window; a claim of error can be checked and should be.
# - Regions are known far better than windows, but not by the square root of their number of windows.
# - Attenuation can be estimated where the region is deep and even; its interval knows speckle, not unevenness.
#
# ## Further reading
#
# - {cite:t}`yao1991`: what the phantom's own speckle adds to the error of backscatter and attenuation.
# - {cite:t}`lizzi1997`: how the error of a spectrum becomes that of its slope and intercept.
# - {cite:t}`gerig2003`: the statistics of estimated diameters, and why small ones are hard.
