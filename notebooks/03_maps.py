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
# A {term}`window` of {{ window_mm }} mm by {{ window_mm }} mm slides over the tumour; neighbouring windows share
# {{ overlap_percent }} % of their width. From the echoes in each window come five numbers:
# {term}`mid-band fit <mid-band fit (MBF)>` (MBF), {term}`spectral slope <spectral slope (SS)>` (SS),
# {term}`spectral intercept <spectral intercept (SI)>` (SI), effective
# {term}`scatterer diameter <scatterer diameter (ESD)>` (ESD) and effective
# {term}`acoustic concentration <acoustic concentration (EAC)>` (EAC). Written at the window's centre, they become five
# {term}`parametric maps <parametric map>`, the images of
# {term}`quantitative ultrasound <quantitative ultrasound (QUS)>` {cite:p}`insanahall1990,oelze2004`.
#
# **You will learn**
#
# - how one window of echo becomes five numbers, step by step
# - how well the maps of a whole {term}`plane`, and the medians of regions, recover the truth
# - what the wrong formulas do that are found in published code
# - what a wrong guess of the tissue's {term}`attenuation` costs
#
# **You need**: {doc}`02_rf`. **Time**: 20 minutes to read, about three minutes to run the first time.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
patient: str = ""  # patient shown; empty: chosen by rule
plane: int = -1  # image plane shown, counted from 0; -1: the middle one
n_checked: int = 8  # simulated planes held against the truth
window_mm: float = 2.0  # window edge, axial and lateral, mm
overlap: float = 0.95  # of neighbouring windows: a grid of 0.1 mm
band_mhz: list = [3.0, 8.0]  # of the fits; []: -6 dB band of the phantom
n_bins: int = 13  # frequencies in the band: 2 mm of echo resolve about 0.4 MHz
attenuation: str = "estimate"  # of each plane's own echoes, or "assumed"
background_attenuation_db_cm_mhz: float = 0.8  # assumed outside the tumour
tumour_attenuation_db_cm_mhz: float = 1.0  # assumed in core and margin

# %% tags=["hide-input"]
from itertools import product

import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown

from helpers import stages
from helpers.data import form_factor, regions
from helpers.data.study import ATTENUATION_DB_CM_MHZ
from helpers.maps import normalisation, parametric, windows
from helpers.maps.grid import window_grid
from helpers.maps.planes import map_plane, protocol_of
from helpers.maps.recovery import true_maps
from helpers.settings import load_settings
from pages import echoes, figures
from pages.maps import check_plane, not_mapped
from reading import drawings, moving

figures.use_book_style()
settings = load_settings(
    profile,
    window_mm=window_mm,
    overlap=overlap,
    band_mhz=band_mhz,
    n_bins=n_bins,
    attenuation=attenuation,
    background_attenuation_db_cm_mhz=background_attenuation_db_cm_mhz,
    tumour_attenuation_db_cm_mhz=tumour_attenuation_db_cm_mhz,
)
patients = stages.cohort(settings, artifacts)
patient, plane = echoes.example(patients, patient, plane)
acquired = stages.acquire(settings, artifacts, patient, plane)
known = echoes.with_tissue(acquired, settings, artifacts)
rf, reference, tissue = known.plane, known.reference, known.tissue
core, margin = known.regions(settings.maps.margin_mm)

# %% [markdown] tags=["if-recorded"]
# ## The maps of a plane
#
# {numref}`fig-plane` is the tumour of the last chapter, mapped over core and margin with the attenuation that the
# analysis estimates or assumes. How the values come about follows below.

# %% tags=["hide-input", "if-recorded"] mystnb={"figure": {"name": "fig-plane", "caption": "{{ Whose }} plane: its maps over the B-mode, core dashed, margin of {{ margin_mm }} mm. Windows that do not stand out of the noise are left empty."}, "image": {"alt": "{{ Whose }} B-mode images with coloured overlays over core and margin of the tumour, one for each map"}}
mapped = map_plane(acquired, settings.maps, with_b_mode=True)
present = mapped.maps.present
fig, axes = figures.panels(len(present), 2, 2.9, shared=True)
for ax, name in zip(axes, present, strict=True):
    values, label = getattr(mapped.maps, name), parametric.LABELS[name]
    figures.show_overlay(ax, mapped, values, label)
figures.label_outer(axes, 2)

# %% tags=["hide-input", "if-recorded"]
n_windows = int(np.isfinite(mapped.maps.mbf).sum())
Markdown(f"{n_windows:,} windows have an echo. {not_mapped(present)}")

# %% [markdown] tags=["about-simulation", "if-recorded"]
# What follows, up to the whole cohort, uses **simulated** patients. Their tissue is known: only there can an estimate be
# held against the truth.

# %% [markdown]
# ## From the scan to a window
#
# In {numref}`fig-scan` a pulse goes down one line after the other, and its echoes come back on the same way. A window takes the echoes of
# {{ window_mm }} mm of depth from all lines within {{ window_mm }} mm; the next window begins a step farther on.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-scan", "caption": "{{ Whose }} plane, drawn to scale: A, some of its lines, the core (brown, dashed), and the way of a pulse to the window in its middle (red) and back. B, that window, all lines around it, and the next windows sideways and in depth (dotted)."}, "image": {"alt": "Drawing to scale of the scan's vertical lines with the outlined core and a square window in it, and a closer view of the window with two others that overlap it nearly entirely"}}
fig, axes = figures.subplots(2, row_in=3.4)
scan = acquired.plane, acquired.outline_mm
drawings.draw_scan(axes, *scan, settings.maps)

# %% [markdown]
# ## One window, from echo to five numbers
#
# Take the window at the centre of the {term}`core`. Every line in it is gated by a Hann window {cite:p}`harris1978` and
# Fourier transformed; the power is averaged over the lines (the outermost count by the part that the window covers), as
# Welch averages periodograms {cite:p}`welch1967`:
#
# $$ S(f) = \sum_l w_l \Bigl| \sum_t h(t)\, s_l(t)\, e^{-2\pi i f t} \Bigr|^2 . $$ (eq-power)

# %%
protocol = protocol_of(settings.maps)
grid = window_grid(rf, reference, core, protocol)  # the box around the core
row, column = (
    len(grid.depth_mm) // 2,
    len(grid.lateral_mm) // 2,
)  # in its middle
f = grid.band_mhz  # (n_bins,)
sample_db = normalisation.window_power_db(rf, grid)[row, :, column]

# %% [markdown]
# The same window of the phantom, its power {eq}`eq-power` averaged over all lines and frames, is divided out. The
# logarithm of an average over few lines is biased low, by the same amount in tissue and phantom, so the phantom's own
# bias is taken off with it. What attenuation took on the way is put back: the tissue's path $A_s$ and the phantom's
# path $A_r$, in dB/MHz one way, each counted twice {cite:p}`yao1990`:
#
# $$ W(f) = 10 \log_{10} \frac{S_s(f)}{S_r(f)} + 2 (A_s - A_r) f . $$ (eq-normalised)

# %%
phantom_db = normalisation.reference_db(reference, grid)
true_attenuation = tissue.attenuation_on(rf)  # (n_samples, n_lines), the truth
A_s = normalisation.path_attenuation(rf, true_attenuation, grid)[row, column]
A_r = normalisation.phantom_path(rf, reference, grid)[row]
ratio_db = sample_db - phantom_db[row]

# %% [markdown]
# What both paths take is drawn in {numref}`fig-layers` for the line through the window: each layer its own share of it.

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-layers", "caption": "Simulated plane, along the line through the middle of the core: A, the attenuation that an analysis assumes in each layer, and the phantom's (dashed). B, what sample and phantom take from an echo, there and back, in the middle of the band. Only the difference of the two is put back."}, "image": {"alt": "Two panels over depth with coloured layers, background, margin, core, margin, background: steps of assumed attenuation against the phantom's constant one, and two rising curves of what is lost"}}
line = np.abs(rf.lateral_mm - known.outline_mm[:, 0].mean()).argmin()
ends = [rf.depth_mm[m[:, line]][[0, -1]] for m in (core | margin, core)]
edges_mm = ends[0][0], *ends[1], ends[0][1]
fig, axes = figures.subplots(2, row_in=2.5, sharex=True)
taken = reference.attenuation_db_cm_mhz
drawings.draw_losses(axes, rf.depth_mm, edges_mm, settings.maps, taken)

# %% [markdown]
# One thing is left. The gate blurs both spectra, with a kernel of variance $s^2 = 1/(3T^2)$ for a Hann gate of length
# $T$; a steep ratio $D$ then comes out a little too flat where the phantom's log spectrum $L_r$ is curved. To first
# order it gains
#
# $$ s^2 \left( \tfrac12 D'' + L_r' D' + \tfrac12 D'^2 \right), $$ (eq-gate)
#
# which is taken off again: a few percent of the slope.

# %%
T = grid.n_window / rf.sampling_rate_hz * 1e6  # us
slope_db_mhz = np.polyfit(f, ratio_db, 1)[0]
loss_db_mhz = 2 * (A_s - A_r)
blur = normalisation.gate_blur(
    slope_db_mhz, loss_db_mhz, phantom_db[[row]], f, T
).ravel()  # of x^2, x and 1
W = ratio_db - np.polyval(blur, f - f.mean()) + loss_db_mhz * f

# %% [markdown]
# A straight line through $W(f)$ of {eq}`eq-normalised`, less what {eq}`eq-gate` tells, gives MBF (its value at the
# centre of the {term}`band`), SS (its slope) and SI (its value at 0 MHz) {cite:p}`lizzi1983,lizzi1987`. Multiplied by
# the phantom's known backscatter, $W$ becomes the tissue's
# {term}`backscatter coefficient <backscatter coefficient (BSC)>`, to which the spherical Gaussian {term}`form factor`
# {cite:p}`insana1990` is fitted, with $a$ = ESD/2, $k = 2\pi f/c$ and EAC $= 10 \log_{10} n\gamma^2$:
#
# $$ \mathrm{BSC}(f) = \tfrac{4}{9}\, k^4 a^6\, n\gamma^2\, e^{-0.827 k^2 a^2} , $$ (eq-bsc)
#
# whose logarithm, less that of $f^4$, is a line in $f^2$:
#
# $$ 10 \log_{10} \mathrm{BSC} - 40 \log_{10} f = I + M f^2 . $$ (eq-form-factor)
#
# {numref}`tab-window` holds the five numbers against the truth, {numref}`fig-window` the line and {eq}`eq-bsc` as fitted.

# %%
mbf, ss, si = normalisation.line_fit(f) @ W
bsc_db = W + 10 * np.log10(reference.backscatter(f * 1e6))
M, I = form_factor.form_factor_fit(f) @ (bsc_db - 40 * np.log10(f))
esd_um, eac_db = form_factor.scatterers(M, I, rf.sound_speed_m_s)
centre = grid.depth_mm[[row]], grid.lateral_mm[[column]]
truth = true_maps(tissue, *centre, (f[0], f[-1]))

# %% tags=["about-simulation", "hide-input"] mystnb={"table": {"name": "tab-window", "caption": "Simulated RF: five numbers of one window, and the truth there."}}
five = pd.DataFrame(
    {
        "window": [mbf, ss, si, esd_um, eac_db],
        "truth": [getattr(truth, name)[0, 0] for name in parametric.FIELDS],
    },
    index=list(parametric.LABELS.values()),
)
Markdown(five.astype(float).to_markdown(floatfmt=".2f"))

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-window", "caption": "Simulated RF, one window: its normalised spectrum with the line fit, and its backscatter coefficient with the Gaussian form factor. The scatter about the line is speckle: one window averages few independent echoes."}, "image": {"alt": "Panel A: the points of a normalised spectrum with a straight line through them; panel B: the backscatter coefficient with a smooth fitted curve"}}
fig, axes = figures.subplots(2, row_in=2.8)
look = {"color": figures.COLOUR["estimate"]}
axes[0].plot(f, W, "ko")
told = f"MBF {mbf:.1f} dB, SS {ss:.2f} dB/MHz".replace("-", "−")
axes[0].plot(f, si + ss * f, **look, label=told)
axes[1].plot(f, bsc_db, "ko")
fitted_db = form_factor.gaussian_bsc_db(f, esd_um, eac_db, rf.sound_speed_m_s)
told = f"ESD {esd_um:.0f} µm, EAC {eac_db:.1f} dB".replace("-", "−")
axes[1].plot(f, fitted_db, **look, label=told)
axes[0].set(xlabel="frequency / MHz", ylabel="normalised spectrum / dB")
axes[1].set(xlabel="frequency / MHz", ylabel="BSC / dB re 1/(cm sr)")
_ = [ax.legend() for ax in axes]

# %% [markdown]
# Move the window of {numref}`fig-moving-window`: inside the tumour the line falls more steeply than around it. Where a window holds two tissues, on the
# border, its five numbers belong to neither; and next to each other, in the same tissue, two windows differ by their speckle.

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-moving-window", "caption": "Simulated plane: a window to move over the B-mode (sliders, or press and drag), core dashed; its normalised spectrum with the fitted line, and its five numbers beside the truth. True attenuation; windows on a coarse grid."}, "image": {"alt": "Left: a B-mode image with a small square on it; right: the points of a normalised spectrum with a straight line through them"}}
moving.window(known, settings.maps, true_attenuation)

# %% [markdown]
# The fit of the form factor can be done by eye as well. Move the diameter in {numref}`fig-moving-diameter`: a larger scatterer bends the curve down at
# high frequencies. For each diameter the concentration moves the curve up or down to where it fits best; what is left is the
# misfit, and the fit returns the diameter where that is least.

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-moving-diameter", "caption": "Simulated RF, the window of {numref}`fig-window`: its backscatter coefficient and the Gaussian form factor of a diameter to move; right, the misfit of all diameters, its lowest point dashed."}, "image": {"alt": "Left: the points of a backscatter coefficient with a smooth curve; right: misfit against diameter, a valley with its lowest point marked"}}
moving.diameter(f, bsc_db, rf.sound_speed_m_s)

# %% [markdown]
# ## All windows of a plane
#
# After the logarithm every step is linear, so all windows of a plane are mapped by a few matrix products; nothing loops
# over windows. {numref}`fig-truth` is the whole plane, mapped with the true attenuation and held against the truth.

# %%
wide = window_grid(rf, reference, None, protocol)
estimate = parametric.map_windows(rf, reference, wide, true_attenuation)
truth = true_maps(
    tissue, estimate.depth_mm, estimate.lateral_mm, estimate.band_mhz
)

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-truth", "caption": "Simulated plane: truth, estimate and error (left to right) of the five maps, with the core dashed. Errors are speckle-sized inside the regions; those of MBF and EAC are largest where a window straddles a border. Windows that do not stand out of the noise are left grey."}, "image": {"alt": "Grid of maps with a row each for MBF, SS, SI, ESD and EAC and columns for truth, estimate and error"}}
mask = parametric.centre_mask(core, rf, estimate)
fig, axes = figures.subplots(5, 3, 2.3, sharex=True, sharey=True)
for three, (name, label) in zip(axes, parametric.LABELS.items(), strict=True):
    true, found = getattr(truth, name), getattr(estimate, name)
    limits = figures.value_range(true)
    spread = (limits[1] - limits[0]) / 2
    figures.show_map(three[0], true, estimate.extent_mm, label, limits=limits)
    figures.show_map(three[1], found, estimate.extent_mm, label, limits=limits)
    error = f"error\n{label}", "RdBu_r", (-spread, spread)
    figures.show_map(three[2], found - true, estimate.extent_mm, *error)
    [
        figures.show_outline(ax, mask, estimate.extent_mm, colour="k")
        for ax in three
    ]
    [(ax.label_outer(), ax.set_facecolor("0.85")) for ax in three]
for ax, title in zip(axes[0], ("truth", "estimate", "error"), strict=True):
    ax.set_title(title)

# %% [markdown]
# ## What the wrong formulas do
#
# Each of these stands in published code. {numref}`tab-wrong` applies them to the mean spectrum of the windows that lie
# whole in the core, with everything else right:
#
# - **20 log of a power.** Decibels of an amplitude and of its square are the same number; $20 \log_{10}$ of a power
#   doubles every one of them.
# - **The window's length for its depth.** Attenuation put back over {{ window_mm }} mm instead of the whole path.
# - **Attenuation counted four times.** In nepers of amplitude the power loses $4 \alpha z$; in dB it is $2 \alpha z$.
# - **The planar reflector's ESD.** $\mathrm{ESD} = 2 \sqrt{-M/52.8}$ (in mm) belongs to spectra normalised by a flat
#   reflector and to another speed of sound {cite:p}`oelze2002`, not to a backscatter coefficient.

# %%
W_of_all = normalisation.normalised(
    rf, reference, grid, true_attenuation, np.eye(n_bins)
)  # (n_z, n_bins, n_x)
to_border_mm = regions.distance_outside_mm(~core, rf.depth_mm, rf.lateral_mm)
centres = windows.centre_pixels(rf, grid.depth_mm, grid.lateral_mm)
inside = to_border_mm[np.ix_(*centres)] > 0.75 * window_mm
inside &= np.isfinite(W_of_all[:, 0])  # that stand out of the noise
of_core = np.moveaxis(W_of_all, 1, 2)[inside]
right = of_core.mean(axis=0)  # (n_bins,)
depth_cm = (grid.depth_mm[:, None] / 10 * inside).sum() / inside.sum()
A_s = normalisation.path_attenuation(rf, true_attenuation, grid)[inside].mean()
phantom_path = normalisation.phantom_path(rf, reference, grid)
A_r = (phantom_path[:, None] * inside).sum() / inside.sum()
put_back = 2 * (A_s - A_r) * f


# %%
def five_numbers(W):
    """MBF, SS, SI, ESD and EAC of a normalised spectrum."""
    offsets = parametric.five_offsets(reference, f)
    *line, M, I = parametric.five_fits(f) @ W + offsets
    return np.array(
        [*line, *form_factor.scatterers(M, I, rf.sound_speed_m_s)]
    ), M


values, M = five_numbers(right)
planar_um = 2e3 * np.sqrt(-M / 52.8)
planar_eac_db = values[4] - 60 * np.log10(planar_um / values[3])
too_short = put_back * (1 - window_mm / 10 / depth_cm)
rows = {
    "right": values,
    "20 log10 of power": five_numbers(2 * (right - put_back) + put_back)[0],
    "window's length for depth": five_numbers(right - too_short)[0],
    "attenuation four times": five_numbers(right + put_back)[0],
    "planar reflector's ESD": [*values[:3], planar_um, planar_eac_db],
}

# %% tags=["about-simulation", "hide-input"] mystnb={"table": {"name": "tab-wrong", "caption": "Simulated RF: means over the core by the right formulas and by wrong ones."}}
whole = true_maps(tissue, grid.depth_mm, grid.lateral_mm, (f[0], f[-1]))
rows |= {
    "truth": [
        np.mean(getattr(whole, name)[inside]) for name in parametric.FIELDS
    ],
}
wrong = pd.DataFrame(rows, index=list(parametric.LABELS.values())).T.astype(
    float
)
Markdown(wrong.to_markdown(floatfmt=".1f"))

# %% tags=["hide-input"]
moved_db = wrong["MBF / dB"] - wrong["MBF / dB"]["right"]
too_large = (
    wrong["ESD / µm"]["planar reflector's ESD"] / wrong["ESD / µm"]["right"]
    - 1
)
Markdown(
    f"At {10 * depth_cm:.0f} mm depth the first mistake moves MBF by "
    f"{moved_db.iloc[1]:+.1f} dB, the second by {moved_db.iloc[2]:+.1f} dB; "
    "the planar reflector's formula gives a diameter "
    f"{100 * too_large:.1f} % too large."
    + (
        " Where ESD is nan no real diameter fits any more, which is at least "
        "honest."
        if wrong.isna().any(axis=None)
        else ""
    )
)

# %% [markdown]
# ## What a wrong guess of the attenuation does
#
# The truth is not known of a patient's way from the skin to the tumour. Assume one value for all of it, and move that value in
# {numref}`fig-moving-attenuation`.
# Too small a value leaves the spectrum too steep, and steep means large scatterers.

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-moving-attenuation", "caption": "Simulated plane: mean spectrum of the windows centred in the core, corrected for one assumed attenuation of the whole way, which is to be moved, with its line (the true one dashed); right, the diameter that follows from it, both truths dashed. True attenuation: the mean along the way to the core."}, "image": {"alt": "Left: a normalised spectrum with its line; right: a curve of diameter falling with the assumed attenuation, the truth marked by two dashed lines"}}
moving.attenuation(known, settings.maps)

# %% [markdown] tags=["about-simulation"]
# ## Accuracy over regions
#
# Single windows are noisy; what a network, or an eye, sees is their mean over regions. {numref}`tab-accuracy` gives the
# error of the region's median on the central plane of several patients, with the true attenuation and with what an
# analysis has instead. The paper does not say which attenuation it used.
#
# **Decision**: `attenuation="estimate"`, the default, reads one value for the background and one for tumour and
# {term}`margin` from each plane's own echoes, by how their spectra tilt with depth ([](04_uncertainty)): in core and
# margin, and beside and above them. `attenuation="assumed"` takes two values for all, right on average and wrong for
# each patient by as much as patients differ.

# %%
people = echoes.known_patients(settings, artifacts)[:n_checked]
tables = []
for _, person in people.iterrows():
    central = stages.simulate(person, person["n_planes"] // 2, settings)
    tables.append(check_plane(central, settings.maps))
checked = pd.concat(tables, ignore_index=True)
fields = list(parametric.FIELDS)
errors = (
    checked[fields] - checked[[f"true_{name}" for name in fields]].to_numpy()
)
# %% tags=["about-simulation", "hide-input"] mystnb={"table": {"name": "tab-accuracy", "caption": "Simulated planes: error of a region's median, median over planes (smallest to largest)."}}
grouped = errors.groupby([checked["attenuation"], checked["region"]])
shown = grouped.agg(
    lambda error: (
        f"{error.median():+.2f} ({error.min():+.2f} to {error.max():+.2f})"
    )
)
Markdown(
    shown.rename(columns=parametric.LABELS)
    .reset_index()
    .to_markdown(index=False)
)

# %% tags=["about-simulation", "hide-input"]
known = (checked["attenuation"] == "known") & checked["region"].isin(
    ["background", "core"]
)
worst = errors[known].abs().max()
worst_esd = (errors["esd_um"] / checked["true_esd_um"])[known].abs().max()
Markdown(
    f"With the attenuation known, over {len(people)} simulated planes the "
    "worst error "
    f"of a region's median (background or core) is {worst['mbf']:.2f} dB in "
    "MBF, "
    f"{100 * worst_esd:.1f} % in ESD and {worst['eac_db']:.2f} dB in EAC."
)

# %% tags=["about-simulation", "remove-cell"]
from reading.results import keep

of_core = checked["attenuation"] == settings.maps.attenuation
of_core &= checked["region"] == "core"
rms = np.sqrt((errors[of_core] ** 2).mean())
for name, unit in (("mbf", "dB"), ("esd_um", "µm"), ("eac_db", "dB")):
    told = f"rms error of {parametric.NAMES[name]} over the core, "
    told = told + f"{len(people)} simulated planes", rms[name]
    keep(
        f"rms_{name}", *told, unit=unit, form=".1f", at="accuracy-over-regions"
    )

# %% [markdown]
# ## The whole cohort
#
# Core and margin of every plane of every patient, {{ n_planes }} planes of {{ n_patients }} patients, mapped in parallel and
# kept for the chapters that follow.

# %%
summary = stages.maps(settings, artifacts).summary
# %% tags=["hide-input"]
fitted = summary.dropna(subset="unphysical")
present = [name for name in parametric.FIELDS if summary[name].notna().any()]
n_unphysical = (fitted["unphysical"] * fitted["windows"]).sum()
unphysical = 100 * n_unphysical / max(fitted["windows"].sum(), 1)
empty = 100 * summary["empty"].mean()
Markdown(
    f"{summary['windows'].sum():,} windows on {len(summary) // 2:,} planes of "
    f"{summary['patient'].nunique()} {settings.study.whose.lower()} patients. "
    f"Left empty, for want of an echo or for noise: {empty:.1f} % of a "
    "region's windows on average. "
    + f"Fits without a real diameter: {unphysical:.3f} % of windows. "
    * bool(len(fitted))
    + not_mapped(present)
)

# %% tags=["hide-input"]
used = summary.drop_duplicates(["patient", "plane"]).set_index("patient")
places = {
    "attenuation": ("in core and margin", "core"),
    "background_attenuation": ("outside", "background"),
}
told = []
for column, (where, kind) in places.items():
    low, middle, high = used[column].quantile([0.05, 0.5, 0.95])
    told.append(f"{where} {middle:.2f} ({low:.2f} to {high:.2f})")
    if settings.study.simulated:
        factor = stages.cohort(settings, artifacts)["attenuation_factor"]
        off = used[column] - ATTENUATION_DB_CM_MHZ[kind] * factor[used.index]
        told[-1] += f", wrong by {np.sqrt((off**2).mean()):.2f} (rms)"
Markdown(
    "Attenuation that the maps were corrected for, median (5th to 95th "
    "percentile) of the "
    f"planes, dB/cm/MHz: {'; '.join(told)}."
)

# %% [markdown] tags=["about-simulation", "if-recorded"]
# These patients have no known truth. {numref}`tab-quartiles` shows how the medians of their planes are spread: a
# quarter of the planes lies below the first column, half below the second, three quarters below the third.

# %% tags=["hide-input", "if-recorded"] mystnb={"table": {"name": "tab-quartiles", "caption": "{{ Whose }} cohort: quartiles of the medians of planes."}}
quartiles = summary.groupby("region")[present].quantile([0.25, 0.5, 0.75])
quartiles = quartiles.rename(columns=parametric.LABELS).stack().unstack(1)
quartiles = quartiles.rename(columns="{:.0%}".format)
Markdown(
    quartiles.reset_index(names=["region", "map"]).to_markdown(
        index=False, floatfmt=".2f"
    )
)

# %% [markdown] tags=["if-simulated"]
# {numref}`fig-recovered` and {numref}`tab-recovered` hold the medians of all planes against their truth.

# %% tags=["hide-input", "if-simulated"] mystnb={"figure": {"name": "fig-recovered", "caption": "Simulated cohort: median of each map over core and margin of every plane against its truth, with the attenuation that the analysis estimates or assumes. The line is perfect recovery."}, "image": {"alt": "Five scatter plots of estimated against true region medians, one per parameter, with points of core and margin close to the diagonal"}}
fig, axes = figures.panels(5, 2, 2.7)
dots = {"s": 8, "linewidth": 0, "alpha": 0.6}
for ax, (name, label) in zip(axes, parametric.LABELS.items(), strict=True):
    columns = {"x": f"true_{name}", "y": name, "hue": "region"}
    sns.scatterplot(summary, **columns, ax=ax, legend=name == "mbf", **dots)
    middle = summary[[f"true_{name}", name]].median().fillna(0).iloc[0]
    ax.axline((middle, middle), slope=1, color="k", linewidth=0.8)
    ax.set(xlabel=f"true {label}", ylabel=f"estimated {label}")

# %% tags=["hide-input", "if-simulated"] mystnb={"table": {"name": "tab-recovered", "caption": "Simulated cohort: bias, spread of the error and correlation with the truth of the medians of planes."}}
rows = []
pairs = product(summary.groupby("region"), parametric.FIELDS)
for (region, group), name in pairs:
    error = group[name] - group[f"true_{name}"]
    r = group[name].corr(group[f"true_{name}"])
    rows.append(
        {
            "region": region,
            "map": parametric.LABELS[name],
            "bias": error.mean(),
            "SD of error": error.std(),
            "r": r,
        }
    )
Markdown(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".3f"))

# %% [markdown] tags=["about-simulation"]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} What is believed of the phantom · recall · 5 min
# :label: ex-maps-believed
#
# Which of the five numbers change if the phantom's backscatter is believed 3 dB too high, and which if its attenuation
# is believed too high?
# ````
#
# ````{solution} ex-maps-believed
# :class: dropdown
#
# Backscatter: only EAC, by 3 dB; MBF, SS and SI are relative to the phantom, and ESD is the shape of the spectrum.
# Attenuation: all five, as if the tissue's were wrong, unless the tissue's is estimated with the same phantom.
# ````
#
# ````{exercise} Too little put back · compute · 5 min
# :label: ex-maps-loss
#
# An analysis puts back 0.1 dB/cm/MHz too little over a path of 3 cm. By how much is SS wrong, with its sign? And MBF at
# 5.5 MHz?
#
# Check: `check("ex-maps-loss", ...)` (dB/MHz).
# ````
#
# ````{solution} ex-maps-loss
# :class: dropdown
#
# $2 \cdot 0.1 \cdot 3 = 0.6$ dB for every MHz are missing: SS is 0.6 dB/MHz too low, and MBF $0.6 \cdot 5.5 = 3.3$ dB.
# SI, the value at 0 MHz, does not notice.
# ````
#
# ````{exercise} From a slope to a diameter · compute · 10 min
# :label: ex-maps-esd
#
# The form factor's fit of a window gives $M = -0.30$ dB/MHz². Which ESD is that, at 1540 m/s?
#
# Check: `check("ex-maps-esd", ...)` (µm).
# ````
#
# ````{solution} ex-maps-esd
# :class: dropdown
#
# ```python
# form_factor.scatterers(np.float64(-0.30), np.float64(0.0), 1540.0)[0]
# ```
# By hand: $k = 2\pi \cdot 10^6 / 154000 = 40.8$ /cm for each MHz, $a^2 = 0.30 / (0.827 \cdot 4.343 \cdot 40.8^2)$ cm²,
# $a = 71$ µm.
# ````
#
# ````{exercise} Larger windows · vary · 15 min
# :label: ex-maps-window
#
# Rerun this chapter with `window_mm=4.0`. What happens to the scatter of the points in {numref}`fig-window`, and what
# to the borders in {numref}`fig-truth`?
# ````
#
# ````{solution} ex-maps-window
# :class: dropdown
#
# Twice as many lines are averaged and the spectrum is resolved twice as finely, so that its points are more
# independent: their scatter shrinks a little, the error of the fits more. Every window within 2 mm of a border now
# mixes two tissues, so the borders blur twice as far.
# ````
#
# ````{exercise} A guess too low · vary · 15 min
# :label: ex-maps-attenuation
#
# Rerun with `attenuation=assumed` and `tumour_attenuation_db_cm_mhz=0.9`. Predict the sign of the error in ESD and EAC
# before you look.
# ````
#
# ````{solution} ex-maps-attenuation
# :class: dropdown
#
# Too little is put back, and most is missing at high frequencies: the spectrum looks too steep, so scatterers look too
# large and, to match the level, too few. ESD rises and EAC falls.
# ````
#
# ````{exercise} Another form factor · project · 90 min
# :label: ex-maps-sphere
#
# Fit the same backscatter coefficients with glass beads instead of Gaussian scatterers: tabulate `bead_backscatter` for
# diameters from 20 to 300 µm, and take for each window the diameter whose curve differs from the measured one by a
# constant, as nearly as can be. How do the two maps of diameter differ?
# ````
#
# ````{solution} ex-maps-sphere
# :class: dropdown
#
# Where $ka$ is small every form factor begins as $1 - \text{const} \cdot k^2 a^2$, so both maps show the same pattern
# on two scales; their medians differ by a factor that belongs to the models. Where $ka$ comes near 1 a solid sphere
# resonates, several diameters fit alike, and the map of beads jumps. A diameter is a parameter of the model that was
# assumed.
# ````
#
# ## Questions
#
# ````{dropdown} Why can a whole plane be mapped without a loop over its windows?
# After the logarithm, attenuation is a subtraction and both fits are fixed matrices. Maps are products of these
# matrices with the spectra of all windows.
# ````
#
# ````{dropdown} What does it mean that the ESD of a window is missing?
# The spectrum rises too steeply for any diameter: the fit's slope $M$ is not negative. The map says so instead of
# giving a number.
# ````
#
# ````{dropdown} Why do the networks' images leave out SS, one of the five maps?
# They hold MBF and SI, and $\mathrm{SS} = (\mathrm{MBF} - \mathrm{SI}) / f_c$: it adds no information that the two
# others have not.
# ````
#
# ## Take-aways
#
# - Five numbers a window: three from a line, two from a physical model of the scatterer.
# - Region medians recover the truth well when the attenuation is known; not knowing it costs most, of what there is to see,
#   in SS and ESD.
# - Where no real diameter fits, the map says so (NaN) and the fraction is reported.
#
# ## Further reading
#
# - {cite:t}`lizzi1983`: where midband fit, slope and intercept come from, and what tissue does to each.
# - {cite:t}`insana1990`: form factors and effective diameters: what a size from a spectrum can mean.
# - {cite:t}`oelze2002`: the Gaussian form factor in practice, with the formula for a flat reflector that does not
#   belong to a phantom.
