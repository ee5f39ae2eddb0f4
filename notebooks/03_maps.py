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
# # Parametric maps
#
# A window of 2 mm by 2 mm slides over the tumour in steps of 0.1 mm. From the echoes in each window come five numbers:
# mid-band fit (MBF), spectral slope (SS), spectral intercept (SI), effective scatterer diameter (ESD) and effective
# acoustic concentration (EAC). Written at the window's centre, they become five maps.
#
# **You will learn**
#
# - how one window of echo becomes five numbers, step by step
# - how well the maps of a whole plane, and of the whole cohort, recover the truth
# - what a wrong guess of the tissue's attenuation costs
#
# **Prerequisites**: [](02_rf). **Time**: 15 minutes to read; about three minutes to map the cohort the first time.

# %% tags=["parameters"]
profile: str = "laptop"  # profile of the study: a name in notebooks/profiles, or the path of a .yml file
artifacts: str = "artifacts"  # folder of computed cohorts, maps, images and models
patient: str = "P001"  # patient shown
plane: int = 2  # image plane shown, counted from 0
n_checked: int = 8  # patients whose whole central plane is compared with the truth
window_mm: float = 2.0  # window edge, axial and lateral, mm
overlap: float = 0.95  # overlap of neighbouring windows: 0.95 of 2 mm is a 0.1 mm grid
background_attenuation_db_cm_mhz: float = 0.8  # assumed in the analysis outside core and margin, dB/cm/MHz
tumour_attenuation_db_cm_mhz: float = 1.0  # assumed in the analysis in core and margin, dB/cm/MHz

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown

from helpers import figures, maps, recovery, stages, windows
from helpers.settings import load_settings
from helpers.simulation import true_maps

figures.use_book_style()
settings = load_settings(
    profile, window_mm=window_mm, overlap=overlap,
    background_attenuation_db_cm_mhz=background_attenuation_db_cm_mhz,
    tumour_attenuation_db_cm_mhz=tumour_attenuation_db_cm_mhz,
)  # fmt: skip
simulated = replace(settings, cohort="simulated")  # up to the whole cohort: patients whose truth is known
acquired = stages.acquire(simulated, artifacts, patient, plane)
rf, reference, tissue = acquired.plane, acquired.reference, acquired.tissue
core, margin = acquired.regions(settings.margin_mm)

# %% [markdown]
# ## One window, from echo to five numbers
#
# Take the window at the centre of the core. Every line in it is gated by a Hanning window and Fourier transformed; the
# power is averaged over the lines (the outermost count by the part that the window covers):
#
# $$ S(f) = \sum_l w_l \Bigl| \sum_t h(t)\, s_l(t)\, e^{-2\pi i f t} \Bigr|^2 . $$

# %%
grid = windows.window_grid(rf, core, window_mm, overlap)  # all windows of the box around the core
row, column = len(grid.depth_mm) // 2, len(grid.lateral_mm) // 2  # the one in its middle
band_mhz = np.linspace(3, 8, maps.N_BINS)
sample_db = windows.window_power_db(rf, grid, band_mhz)[row, :, column]

# %% [markdown]
# The same window of the phantom, averaged over all its lines and frames, is divided out. The logarithm of an average
# over few lines is biased low, by the same amount in tissue and phantom, so the phantom's own bias is
# taken off with it.
# The gate blurs both spectra, and a steep ratio comes out a little too flat where the phantom's spectrum is curved: a
# few percent of the slope, which a first-order correction restores.
# What attenuation took on the way is put back: the tissue's path $A_s$ and the phantom's path $A_r$, in dB/MHz one
# way, each counted twice {cite:p}`yao1990`:
#
# $$ W(f) = 10 \log_{10} \frac{S_s(f)}{S_r(f)} + 2 (A_s - A_r) f . $$

# %%
reference_db = maps.reference_db(reference, grid.all_starts, grid.n_window, window_mm, tuple(band_mhz))[grid.rows][row]
attenuation = tissue.attenuation_on(rf)  # (n_samples, n_lines): here we know the truth
path_db_mhz = maps.path_attenuation(rf, attenuation, grid)[row, column]
phantom_loss_db = maps.phantom_loss_db(rf, reference, grid, band_mhz)[row]
ratio_db = sample_db - reference_db
ratio_db -= maps.gate_blur_db(ratio_db, reference_db, band_mhz, grid.n_window / rf.sampling_rate_hz * 1e6)
normalised_db = ratio_db - phantom_loss_db + 2 * band_mhz * path_db_mhz

# %% [markdown]
# A straight line through $W(f)$ gives MBF (its value at the centre of the band), SS (its slope) and SI (its value at
# 0 MHz) {cite:p}`lizzi1983`. Multiplied by the phantom's known backscatter, $W$ becomes the tissue's backscatter
# coefficient, to which the spherical Gaussian form factor {cite:p}`insana1990` is fitted, with $a$ = ESD/2,
# $k = 2\pi f/c$ and EAC $= 10 \log_{10} n\gamma^2$:
#
# $$ \mathrm{BSC}(f) = \tfrac{4}{9}\, k^4 a^6\, n\gamma^2\, e^{-0.827 k^2 a^2}
#    \quad\Rightarrow\quad 10 \log_{10} \mathrm{BSC} - 40 \log_{10} f = I + M f^2 . $$

# %%
mbf, ss, si = maps.line_fit(band_mhz) @ normalised_db
bsc_db = normalised_db + 10 * np.log10(reference.backscatter(band_mhz * 1e6))
slope, intercept = maps.form_factor_fit(band_mhz) @ (bsc_db - 40 * np.log10(band_mhz))
esd_um, eac_db = maps.scatterers(slope, intercept, rf.sound_speed_m_s)
truth = true_maps(tissue, grid.depth_mm[[row]], grid.lateral_mm[[column]])
five = pd.DataFrame(
    {
        "window": [mbf, ss, si, esd_um, eac_db],
        "truth": [getattr(truth, name)[0, 0] for name in recovery.FIELDS],
    },
    index=list(figures.LABELS.values()),
)
Markdown(five.astype(float).round(2).to_markdown())

# %% mystnb={"figure": {"name": "fig-window", "caption": "Simulated RF, one window: its normalised spectrum with the line fit, and its backscatter coefficient with the Gaussian form factor. The scatter about the line is speckle: one window averages few independent echoes."}, "image": {"alt": "Left: thirteen points of a normalised spectrum with a straight line through them; right: the backscatter coefficient with a smooth fitted curve"}}
fig, axes = plt.subplots(1, 2, figsize=(10, 3.5))
axes[0].plot(band_mhz, normalised_db, "o")
axes[0].plot(band_mhz, si + ss * band_mhz, label=f"MBF {mbf:.1f} dB, SS {ss:.2f} dB/MHz")
axes[1].plot(band_mhz, bsc_db, "o")
fitted_db = maps.gaussian_bsc_db(band_mhz, esd_um, eac_db, rf.sound_speed_m_s)
axes[1].plot(band_mhz, fitted_db, label=f"ESD {esd_um:.0f} µm, EAC {eac_db:.1f} dB")
axes[0].set(xlabel="frequency / MHz", ylabel="normalised spectrum / dB")
axes[1].set(xlabel="frequency / MHz", ylabel="BSC / dB re 1/(cm sr)")
_ = [ax.legend() for ax in axes]
# %% [markdown]
# ## All windows of a plane
#
# After the logarithm every step is linear, so all windows of a plane are mapped by a few matrix products; nothing
# loops over windows. Below, the whole plane is mapped with the true attenuation, and held against the truth.

# %% mystnb={"figure": {"name": "fig-truth", "caption": "Simulated plane: truth, estimate and error (left to right) of the five maps, with the core dashed. Errors are speckle-sized inside the regions and largest where a window straddles a border."}, "image": {"alt": "Grid of maps with a row each for MBF, SS, SI, ESD and EAC and columns for truth, estimate and error"}}
estimate = maps.parametric_maps(rf, reference, None, window_mm, overlap, attenuation_db_cm_mhz=attenuation)
truth = true_maps(tissue, estimate.depth_mm, estimate.lateral_mm)
mask = maps.centre_mask(core, rf, estimate)
fig, axes = plt.subplots(5, 3, figsize=(12, 14.5), sharex=True, sharey=True)
for row, (name, label) in zip(axes, figures.LABELS.items(), strict=True):
    true, found = getattr(truth, name), getattr(estimate, name)
    limits = figures.value_range(true)
    spread = (limits[1] - limits[0]) / 2
    figures.show_map(row[0], true, estimate.extent_mm, label, limits=limits)
    figures.show_map(row[1], found, estimate.extent_mm, label, limits=limits)
    figures.show_map(row[2], found - true, estimate.extent_mm, f"error, {label}", "RdBu_r", (-spread, spread))
    [figures.show_outline(ax, mask, estimate.extent_mm, colour="k") for ax in row]
    [ax.label_outer() for ax in row]
_ = [ax.set_title(title) for ax, title in zip(axes[0], ("truth", "estimate", "error"), strict=True)]

# %% [markdown]
# ## Accuracy over regions
#
# Single windows are noisy; what a network, or an eye, sees is their mean over regions. The table gives the error of the
# region's median on the central plane of several patients, once with the true attenuation and once with the value that
# the analysis has to assume. The paper does not say which attenuation it assumed; we take one value for the
# background and one for tumour and margin, right on average and wrong by a few percent for each patient.

# %%
names = stages.cohort(simulated, artifacts).index[:n_checked]
checked = pd.concat([stages.check_plane(simulated, artifacts, name) for name in names], ignore_index=True)
fields = list(recovery.FIELDS)
errors = checked[fields] - checked[[f"true_{name}" for name in fields]].to_numpy()
grouped = errors.groupby([checked["attenuation"], checked["region"]])
shown = grouped.agg(lambda error: f"{error.median():+.2f} ({error.min():+.2f} to {error.max():+.2f})")
Markdown(shown.reset_index().to_markdown(index=False))

# %%
known = (checked["attenuation"] == "known") & checked["region"].isin(["background", "core"])
worst = errors[known].abs().max()
worst_esd = (errors["esd_um"] / checked["true_esd_um"])[known].abs().max()
Markdown(
    f"With the attenuation known, over {n_checked} simulated planes the worst error of a region's median (background "
    f"or core) is {worst['mbf']:.2f} dB in MBF, {100 * worst_esd:.1f} % in ESD and {worst['eac_db']:.2f} dB in EAC."
)

# %% [markdown]
# ## The whole cohort
#
# Core and margin of every plane of every patient, mapped in parallel and kept for the chapters that follow. A recorded
# cohort has no truth: the figure and the table below stay empty for it.

# %%
folder = stages.maps(settings, artifacts)
summary = pd.read_csv(folder / "summary.csv")
windows = summary["windows"].sum()
Markdown(
    f"{windows:,} windows on {len(summary) // 2} planes of {summary['patient'].nunique()} patients ({settings.cohort}). "
    f"Fits without a real diameter: {100 * np.average(summary['unphysical'], weights=summary['windows']):.3f} % of windows."
)

# %% mystnb={"figure": {"name": "fig-recovered", "caption": "Simulated cohort: median of each map over core and margin of every plane against its truth, with the attenuation that the analysis assumes. The line is perfect recovery."}, "image": {"alt": "Five scatter plots of estimated against true region medians, one per parameter, with points of core and margin close to the diagonal"}}
fig, axes = plt.subplots(2, 3, figsize=(11, 7))
axes[1, 2].remove()
dots = {"s": 8, "linewidth": 0, "alpha": 0.6}
for ax, (name, label) in zip(axes.flat, figures.LABELS.items(), strict=False):
    sns.scatterplot(summary, x=f"true_{name}", y=name, hue="region", ax=ax, legend=name == "mbf", **dots)
    ax.axline((summary[f"true_{name}"].median(),) * 2, slope=1, color="k", linewidth=0.8)
    ax.set(xlabel=f"true {label}", ylabel=f"estimated {label}")

# %%
rows = []
for (region, group), name in ((pair, name) for pair in summary.groupby("region") for name in recovery.FIELDS):
    error = group[name] - group[f"true_{name}"]
    r = group[name].corr(group[f"true_{name}"])
    rows.append(
        {
            "region": region,
            "map": figures.LABELS[name],
            "bias": error.mean(),
            "SD of error": error.std(),
            "r": r,
        }
    )
Markdown(pd.DataFrame(rows).round(3).to_markdown(index=False))

# %% [markdown]
# ## Exercises
#
# ````{exercise}
# :label: ex-maps-window
# Rerun this chapter with `window_mm=4.0`. What happens to the scatter of the points in {numref}`fig-window`, and what to
# the borders in {numref}`fig-truth`?
# ````
#
# ````{solution} ex-maps-window
# :class: dropdown
# Four times as many echoes are averaged and the spectrum is resolved twice as finely: the scatter shrinks. Every
# window within 2 mm of a border now mixes two tissues, so the borders blur twice as far.
# ````
#
# ````{exercise}
# :label: ex-maps-attenuation
# Rerun with `tumour_attenuation_db_cm_mhz=0.9`. Predict the sign of the error in ESD and EAC before you look.
# ````
#
# ````{solution} ex-maps-attenuation
# :class: dropdown
# Too little is put back, and least at high frequencies: the spectrum looks too steep, so scatterers look too large
# and, to match the level, too few. ESD rises and EAC falls.
# ````
#
# ## Take-aways
#
# - Five numbers a window: three from a line, two from a physical model of the scatterer.
# - Region medians recover the truth well when the attenuation is known; assuming it costs most in EAC.
# - Where no real diameter fits, the map says so (NaN) and the fraction is reported.
