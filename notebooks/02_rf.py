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
# # RF and the reference phantom
#
# A scanner sends a short pulse along a line and records what comes back: the
# {term}`radiofrequency <radiofrequency echo (RF)>` (RF) echo, tens of millions of samples a second. Everything in this
# book is computed from it. What the scanner shows, the {term}`B-mode`, keeps only the envelope; the spectrum, which
# knows the size of the scatterers, is thrown away on the way to the screen.
#
# **You will learn**
#
# - what an RF {term}`plane` is and how it becomes a B-mode image
# - why a spectrum measured in tissue means nothing without a {term}`reference phantom`
# - how glass beads of known size give the phantom a known backscatter
# - what {term}`speckle` looks like when there are too few scatterers to make it
#
# **You need**: {doc}`01_study`. **Time**: 15 minutes to read, half a minute to run.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
patient: str = ""  # patient shown; empty: chosen by rule
plane: int = -1  # image plane shown, counted from 0; -1: the middle one
n_lines: int = 256  # simulated RF lines over 60 mm
depth_cm: float = 5.0  # simulated depth, cm
n_reference_frames: int = 10  # simulated phantom frames per focal depth
noise_db: float = -55.0  # of the simulated scanner re near phantom echoes
scatterers_per_cell: float = 1.0  # mean number where few are shown

# %% tags=["hide-input"]
from dataclasses import replace

import numpy as np
from IPython.display import Markdown

from helpers import stages
from helpers.data.phantom import bead_backscatter
from helpers.data.rf import b_mode_db
from helpers.data.simulation import System, simulate_plane
from helpers.maps.windows import decibel, line_power, mean_of_frames
from helpers.settings import load_settings
from pages import echoes, figures
from pages.maps import not_mapped
from pages.patients import SOURCES, parameter_table
from physics import focusing

figures.use_book_style()
settings = load_settings(
    profile,
    n_lines=n_lines,
    depth_cm=depth_cm,
    n_reference_frames=n_reference_frames,
    noise_db=noise_db,
)
patients = stages.cohort(settings, artifacts)
why = echoes.why_shown(settings, patient, plane)
patient, plane = echoes.example(patients, patient, plane)
acquired = stages.acquire(settings, artifacts, patient, plane)
rf, reference = acquired.plane, acquired.reference

# %% tags=["hide-input"]
Markdown(why)

# %% [markdown]
# ## One line of echo
#
# Depth is travel time,
#
# $$ z = \tfrac12\, c\, t, $$ (eq-depth)
#
# with the speed of sound $c$ = 1540 m/s in tissue. By {eq}`eq-depth` one sample at 40 MHz is about 19 µm of depth.
# {numref}`fig-line` shows one line and a {term}`window` of it.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-line", "caption": "{{ Whose }} RF: one line through the tumour, and the window of {{ window_mm }} mm in its middle that is marked above. The pulse of such a scanner lasts about one period at half its amplitude."}, "image": {"alt": "Upper panel: one {{ whose }} RF line against depth with a short stretch marked; lower panel: that stretch, showing single oscillations"}}
window_mm = settings.maps.window_mm
lateral_mm, tumour_mm = acquired.outline_mm.mean(axis=0)
line = rf.samples[:, np.abs(rf.lateral_mm - lateral_mm).argmin()]
part = np.abs(rf.depth_mm - tumour_mm) <= window_mm / 2
colour = figures.COLOUR["estimate"]
fig, axes = figures.subplots(2, row_in=1.9)
axes[0].plot(rf.depth_mm, line, linewidth=0.4)
axes[0].axvspan(*rf.depth_mm[part][[0, -1]], color=colour, alpha=0.4)
axes[1].plot(rf.depth_mm[part], line[part], color=colour)
_ = [ax.set(xlabel="depth / mm", ylabel="RF / counts") for ax in axes]
# %% tags=["hide-input"]
Markdown(
    f"This plane: {rf.samples.shape[0]:,} samples × {rf.samples.shape[1]} "
    "lines "
    f"of {rf.samples.dtype}, {rf.sample_spacing_mm * 1e3:.2f} µm a sample, "
    f"{rf.line_pitch_mm:.3f} mm a line, "
    f"{rf.sampling_rate_hz / 1e6:.0f} MHz."
)

# %% [markdown]
# ## B-mode
#
# The envelope of every line, on a logarithmic scale ({numref}`fig-bmode`). The tumour {term}`core` is outlined on this
# image by hand. The mottled pattern is speckle: echoes of many scatterers, too close to tell apart, that happen to add
# or cancel.

# %% [markdown] tags=["if-simulated"]
# Here the outline comes with the simulation.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bmode", "caption": "{{ Whose }} B-mode of one plane with the outline of the tumour core (dashed), and of one frame of the {{ whose }} phantom under the same settings. Grey levels are dB re the brightest point."}, "image": {"alt": "Two grey-scale ultrasound images: a {{ whose }} breast tumour with a dashed outline, and a {{ whose }} phantom"}}
fig, axes = figures.subplots(2)
for ax, shown, title in (
    (axes[0], rf, echoes.title_of(settings, patient, plane)),
    (axes[1], reference.planes[0], "phantom"),
):
    figures.show_b_mode(ax, b_mode_db(shown), shown.extent_mm)
    figures.add_bar(ax, ax.images[0], "echo / dB")
    ax.set_title(title)
_ = axes[0].plot(
    *np.vstack([acquired.outline_mm, acquired.outline_mm[:1]]).T, "w--"
)
# %% [markdown] tags=["about-simulation"]
# A typical patient is not every patient. By the same measure, {numref}`fig-atypical` shows the least typical simulated one:

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-atypical", "caption": "Simulated B-mode: middle plane of the training patient farthest from the medians, core dashed. How far she is from them stands below."}, "image": {"alt": "Grey-scale ultrasound image of the least typical simulated breast tumour, its core outlined with a dashed line"}}
people = echoes.known_patients(settings, artifacts)
odd = echoes.example_patient(people, atypical=True)
n_planes = int(people.loc[odd, "n_planes"])
far = stages.simulate(people.loc[odd], n_planes // 2, settings)
fig, ax = figures.subplots()
figures.show_b_mode(ax, b_mode_db(far.plane), far.plane.extent_mm)
_ = ax.plot(*np.vstack([far.outline_mm, far.outline_mm[:1]]).T, "w--")
# %% tags=["about-simulation", "hide-input"]
known = people[list(echoes.KNOWN)].astype(float)
away = ((known - known.median()) / known.std()).loc[odd]
away = away.loc[away.abs().nlargest(3).index]
names = SOURCES.parameter.str.split(" / ").str[0].to_dict() | {
    "attenuation_factor": "attenuation",
    "width_mm": "width of the core",
    "height_mm": "height of the core",
    "centre_depth_mm": "depth of the centre",
    "spiculated": "spiculated outline",
}
told = [f"{names[name]} {value:+.1f} SD" for name, value in away.items()]
Markdown(f"Farthest from the medians of all: {', '.join(told)}.")

# %% [markdown] tags=["about-simulation"]
# ## How echoes are simulated

# %% [markdown] tags=["if-simulated"]
# Nothing here was measured.

# %% [markdown] tags=["about-simulation", "if-recorded"]
# The echoes above were recorded, and what tissue they came from nobody knows. The next figures, up to the speckle of few
# scatterers, use a **simulated** patient, whose tissue is known.

# %% [markdown] tags=["about-simulation"]
# The simulated plane starts from tissue ({numref}`fig-tissue`): fields of
# {term}`scatterer diameter <scatterer diameter (ESD)>` (ESD), concentration
# ({term}`EAC <acoustic concentration (EAC)>`) and {term}`attenuation`, different in core, margin and background and
# varying smoothly inside them. White noise stands for scatterers at random places; it is filtered by the square root of
# the local {term}`backscatter coefficient <backscatter coefficient (BSC)>`, spread sideways by the beam, filtered by
# the pulse (6 dB down at 3 and 8 MHz) and by the attenuation along the path, amplified with depth, and rounded to 16
# bit.

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-tissue", "caption": "Simulated tissue of a plane: the truth that the maps of the next chapter have to recover."}, "image": {"alt": "Three maps of simulated tissue: scatterer diameter, scatterer concentration and attenuation, with the tumour standing out"}}
known = echoes.with_tissue(acquired, settings, artifacts)
truth = known.tissue
extent = (
    truth.lateral_mm[0],
    truth.lateral_mm[-1],
    truth.depth_mm[-1],
    truth.depth_mm[0],
)
fields = {
    "esd_um": "ESD / µm",
    "eac_db": "EAC / dB",
    "attenuation_db_cm_mhz": "attenuation / dB/cm/MHz",
}
fig, axes = figures.panels(3, 2, 3.0)
for ax, (name, label) in zip(axes, fields.items(), strict=True):
    figures.show_map(ax, getattr(truth, name), extent, label)

# %% [markdown]
# {numref}`tab-tissue` holds the values that tissue is drawn from. *Read* are values that a paper prints; *derived* ones
# were taken from a figure or computed from counts; *assumed* ones are our choice. Means carry the spread between
# patients.

# %% tags=["about-simulation", "hide-input"] mystnb={"table": {"name": "tab-tissue", "caption": "What simulated tissue is drawn from, and the source of each value."}}
spread = settings.study.attenuation_spread
Markdown(parameter_table(spread).to_markdown(index=False))

# %% [markdown] tags=["about-simulation"]
# The simulated scanner is simpler than a real one. Its beam widens away from the focus, but it is equally strong at
# all depths and frequencies, and it is Gaussian, without side lobes; there is no reverberation, and sound travels
# straight. Strength and pulse are common to tissue and phantom, and leave with the division below. Its noise lies
# `noise_db` below the phantom's strongest echoes, 50 to 60 dB as is usual; those of a recorded phantom come out of it by
# less ([](18_your_rf) measures it on any file). Away from the focus the simulated speckle grows wider with the beam, which a simulation of the sound field does not show: our windows there
# hold fewer independent lines than they would.
#
# ### The beam over depth
#
# {numref}`fig-beam` is what a sound field does, for an aperture that we assume (nobody has published the paper's): the
# beam there and back, with side lobes, and rough above the focus. On receipt a scanner refocuses at every depth, so
# that below it the beam widens less than ours.

# %%
system = System(depth_mm=10 * depth_cm, focus_mm=known.plane.focus_mm)
deep_mm = np.arange(6.0, system.depth_mm, 0.5)
mid_mhz = np.array([np.mean(system.band_mhz)])
beam = focusing.two_way(system, deep_mm, mid_mhz)[:, 0]  # (n_z, n_across)
beam_db = 10 * np.log10(beam / beam.max(axis=1, keepdims=True))
off_focus = (deep_mm - system.focus_mm) / system.focal_zone_mm
width_mm = system.beam_mm * np.sqrt(1 + off_focus**2)  # FWHM, amplitude

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-beam", "caption": "Simulated sound field of an assumed aperture at the middle of the band: intensity there and back over depth, re its maximum at each depth, with its −6 dB contour (dashed, white), and the width of the Gaussian beam that the simulated echoes have (red), which is narrowest at the focus."}, "image": {"alt": "Image of intensity over lateral position and depth: a beam with side lobes, its contour, and two lines of a Gaussian width that is narrowest at the focus and wider away from it"}}
fig, ax = figures.subplots()
across_mm = np.concatenate([-focusing.ACROSS_MM[:0:-1], focusing.ACROSS_MM])
both_db = np.concatenate([beam_db[:, :0:-1], beam_db], axis=1)
shown = ax.pcolormesh(
    deep_mm, across_mm, both_db.T, vmin=-40, vmax=0, cmap="viridis"
)
ax.contour(deep_mm, across_mm, both_db.T, [-6], colors="w", linewidths=1)
for side in (-0.5, 0.5):
    ax.plot(deep_mm, side * width_mm, color=figures.COLOUR["mistake"], lw=2)
fig.colorbar(shown, ax=ax, label="intensity / dB")
_ = ax.set(xlabel="depth / mm", ylabel="lateral / mm", ylim=(-3, 3))

# %% [markdown] tags=["about-simulation"]
# ## Speckle of few scatterers
#
# White noise stands for very many scatterers in a {term}`resolution cell`, the area of beam width times pulse length.
# Real and imaginary part of the echo are then Gaussian, and its envelope follows Rayleigh's distribution
# {cite:p}`wagner1983`, whose mean is $\sqrt{\pi / (4 - \pi)}$ times its standard deviation. With $N$ scatterers in a
# cell some places are empty and others bright: the mean power is the same, but its spread is larger.
# {numref}`fig-speckle` is the same tissue, once with noise and once with few scatterers; the distribution is that of a
# uniform tissue with the plane's median values, so that it shows speckle and nothing else.

# %%
system = System(n_lines=n_lines, depth_mm=10 * depth_cm)
system = replace(system, focus_mm=known.plane.focus_mm)
medians = {name: np.median(getattr(truth, name)) for name in fields}
shape = truth.esd_um.shape
flat = replace(truth, **{k: np.full(shape, v) for k, v in medians.items()})
number = {
    "fully developed": None,
    f"{scatterers_per_cell:g} in a cell": scatterers_per_cell,
}
speckle, envelope = {}, {}
for name, n in number.items():
    speckle[name], uniform = (
        simulate_plane(t, system, np.random.default_rng(1), name, n)
        for t in (truth, flat)
    )
    at_focus = np.abs(uniform.depth_mm - uniform.focus_mm) < 3
    values = 10 ** (b_mode_db(uniform)[at_focus].ravel() / 20)
    envelope[name] = values / np.sqrt(np.mean(values**2))

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-speckle", "caption": "Simulated speckle: B-modes of one tissue with very many and with few scatterers in a resolution cell, and the distribution of the envelope in a uniform tissue around the focus, against Rayleigh's."}, "image": {"alt": "Two grey-scale images of the same simulated tumour, the second grainier; and two histograms of the envelope, the first along the Rayleigh curve, the second with more small and more large values"}}
fig, axes = figures.subplots(3, row_in=2.8)
bins = np.linspace(0, 3, 61)
for ax, (name, shown) in zip(axes, speckle.items(), strict=False):
    figures.show_b_mode(ax, b_mode_db(shown), shown.extent_mm)
    ax.set_title(name)
    axes[2].hist(
        envelope[name],
        bins,
        density=True,
        histtype="step",
        linewidth=1.5,
        label=name,
    )
axes[2].plot(
    bins, 2 * bins * np.exp(-(bins**2)), "k--", linewidth=1, label="Rayleigh"
)
axes[2].set(xlabel="envelope / its rms", ylabel="density")
_ = axes[2].legend()
# %% tags=["hide-input"]
Markdown(
    "Mean over standard deviation of the envelope: "
    + ", ".join(
        f"{v.mean() / v.std():.2f} ({name})" for name, v in envelope.items()
    )
    + f", {np.sqrt(np.pi / (4 - np.pi)):.2f} (Rayleigh). "
    f"A resolution cell at the focus measures {system.cell_mm2:.2f} mm². "
    "The scatterers of all that follows are as many as make speckle fully "
    "developed."
)

# %% [markdown] tags=["about-simulation"]
# ## Why a phantom
#
# The spectrum of an echo is the product of the pulse, the beam, the electronics, the attenuation on the way, and the
# scatterers. Only the last is wanted. A phantom scanned **with the same settings** shares all but the last two, and
# those are known for the phantom {cite:p}`yao1990`. What the division removes for certain is pulse, gain and
# electronics. The beam goes with them only if sound is as fast in the phantom as the scanner believes ([](16_pitfalls)
# shows what is left otherwise). {numref}`fig-spectra` shows both spectra and their ratio. The division does not remove
# what the phantom has not: skin and fat in the way, and noise. The paper's phantom, which is also the one that is
# simulated here, holds 5–30 µm glass beads, attenuates 0.576 dB/cm/MHz and has a sound speed of 1488 m/s.

# %%
band_mhz = np.linspace(2, 9, 57)
n_window = round(window_mm / rf.sample_spacing_mm)
start = max(round((tumour_mm - window_mm / 2) / rf.sample_spacing_mm), 0)
spectrum_db = []
for planes in ([rf], reference.planes):
    powers = [
        line_power(p, (start,), n_window, slice(None), band_mhz)
        for p in planes
    ]
    spectrum_db.append(decibel(mean_of_frames(powers)[0]))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-spectra", "caption": "{{ Whose }} spectra at the depth of the tumour, averaged over all lines: the tissue plane and the phantom have the pulse in common, and their ratio does not contain it."}, "image": {"alt": "Panel A: power spectra of a {{ whose }} tissue plane and phantom against frequency; panel B: their ratio"}}
fig, axes = figures.subplots(2, row_in=2.6)
axes[0].plot(band_mhz, spectrum_db[0], label="tissue")
axes[0].plot(band_mhz, spectrum_db[1], label="phantom")
axes[0].legend()
axes[1].plot(band_mhz, spectrum_db[0] - spectrum_db[1], "k")
axes[0].set(xlabel="frequency / MHz", ylabel="power / dB re 1 count²")
_ = axes[1].set(xlabel="frequency / MHz", ylabel="tissue to phantom / dB")
# %% [markdown]
# ## What the beads scatter
#
# {cite:t}`faran1951` solved the scattering of sound by an elastic sphere. Summed over the beads of the paper's phantom
# it gives that phantom's backscatter coefficient ({numref}`fig-faran`), which turns ratios into absolute values.
# Measured phantoms agree with the theory {cite:p}`anderson2010`; our computation is tested against printed values for
# spheres in water {cite:p}`maclennan1981,jech2015`.
#
# **Decision**: the beads' concentration, which has not been published, is taken as 4 g/L, spread evenly by mass over
# the diameters.
#
# A phantom that really holds twice as many beads echoes 3 dB more, so that {term}`MBF <mid-band fit (MBF)>` and
# {term}`SI <spectral intercept (SI)>`, which are relative to it, are 3 dB lower. If it is only believed to, EAC is 3 dB
# too high. {term}`SS <spectral slope (SS)>` and ESD do not notice either.

# %% [markdown] tags=["if-recorded"]
# Of the phantom that was scanned with these patients, the backscatter coefficient is what its table says, if there is one.

# %% tags=["about-simulation", "hide-input"] mystnb={"figure": {"name": "fig-faran", "caption": "Backscatter coefficient of glass beads by Faran's theory at 4 g/L: three single diameters and the mixture of the simulated phantom, which is the paper's. Small beads follow the fourth power of frequency; the mixture nearly coincides with 20 µm."}, "image": {"alt": "Backscatter coefficient against frequency on logarithmic axes for beads of 10, 20 and 30 micrometres and for the 5 to 30 micrometre mixture"}}
frequency_mhz = np.linspace(1, 12, 100)
fig, ax = figures.subplots()
for diameter_um in (10.0, 20.0, 30.0):
    single = bead_backscatter(frequency_mhz * 1e6, (diameter_um, diameter_um))
    ax.loglog(frequency_mhz, single, label=f"{diameter_um:.0f} µm")
ax.loglog(
    frequency_mhz,
    bead_backscatter(frequency_mhz * 1e6),
    "k--",
    linewidth=2,
    label="5–30 µm",
)
ax.set(xlabel="frequency / MHz", ylabel="BSC / 1/(cm sr)")
_ = ax.legend()
# %% tags=["hide-input"]
bsc = reference.backscatter
at_middle = np.ravel(bsc(np.array([5.5e6])))[0] if bsc else 0.0
size, power = f"{at_middle:.2e}".split("e")
Markdown(
    (
        f"The {settings.study.whose.lower()} phantom's backscatter "
        "coefficient at 5.5 MHz is "
        f"${size} \\cdot 10^{{{int(power)}}}$ 1/(cm sr). "
        if bsc
        else f"{not_mapped(('mbf', 'ss', 'si'))} "
    )
    + f"{len(reference.planes)} frames of "
    f"{reference.planes[0].samples.shape[1]} lines "
    "are averaged to know its spectrum."
)

# %% [markdown] tags=["about-simulation"]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} A gain turned up · recall · 5 min
# :label: ex-rf-gain
#
# The gain of the scanner is turned up by 6 dB for the tumour but not for the phantom. Which numbers go wrong, and by
# how much?
# ````
#
# ````{solution} ex-rf-gain
# :class: dropdown
#
# The normalised spectrum rises by 6 dB at all frequencies: MBF, SI and EAC are 6 dB too high; the slope, and with it
# ESD, do not notice.
# ````
#
# ````{exercise} A phantom that is slower · compute · 5 min
# :label: ex-rf-depth
#
# Sound travels at 1488 m/s in the paper's phantom; the scanner believes 1540 m/s. At what depth does it show a wire
# that lies 30 mm deep in the phantom?
#
# Check: `check("ex-rf-depth", ...)` (mm).
# ````
#
# ````{solution} ex-rf-depth
# :class: dropdown
#
# Travel time is $2 \cdot 30\,\text{mm} / 1488\,\text{m/s}$, and the scanner shows $30 \cdot 1540 / 1488 = 31.05$ mm.
# Who takes the shown depth for the phantom's path counts 3.5 % too much of its attenuation.
# ````
#
# ````{exercise} Samples of a window · compute · 5 min
# :label: ex-rf-samples
#
# How many samples at 40 MHz lie in a window of 2 mm, at 1540 m/s? Which two frequencies can they just tell apart?
#
# Check: `check("ex-rf-samples", ...)` (samples).
# ````
#
# ````{solution} ex-rf-samples
# :class: dropdown
#
# A sample is $c / (2 f_s) = 19.25$ µm of depth, so there are 104. They last 2.6 µs, and frequencies nearer than about
# $1 / (2.6\,\text{µs}) = 0.4$ MHz are not told apart: the reason for 13 frequencies between 3 and 8 MHz.
# ````
#
# ````{exercise} Larger beads · vary · 10 min
# :label: ex-rf-beads
#
# By how many dB does the phantom's backscatter at 5.5 MHz change if all beads measure 30 µm instead of 20 µm, at the
# same mass per litre? Predict it from Rayleigh's law first.
#
# Check: `check("ex-rf-beads", ...)` (dB).
# ````
#
# ````{solution} ex-rf-beads
# :class: dropdown
#
# ```python
# f_hz = np.array([5.5e6])
# large, small = (bead_backscatter(f_hz, (um, um)) for um in (30, 20))
# 10 * np.log10(large / small)
# ```
# One small sphere scatters by its volume squared, $d^6$, and the same mass holds $d^{-3}$ of them: $10 \log_{10} 1.5^3
# = 5.3$ dB. Faran's theory gives less, since 30 µm is no longer very small beside the wavelength.
# ````
#
# ````{exercise} More lines · vary · 10 min
# :label: ex-rf-lines
#
# Run this chapter with `n_lines=512` on the simulated cohort. What becomes sharper in the B-mode, and what does not?
# ````
#
# ````{solution} ex-rf-lines
# :class: dropdown
#
# Almost nothing: the simulated beam, about 0.8 mm wide at the focus, sets the lateral resolution. Lines closer than the
# beam sample the same speckle more finely.
# ````
#
# ````{exercise} Ten scatterers a cell · vary · 10 min
# :label: ex-rf-speckle
#
# Rerun with `scatterers_per_cell=10.0`. How close does the histogram come to Rayleigh's, and what does that mean for a
# tissue with 10 scatterers per cell?
# ````
#
# ````{solution} ex-rf-speckle
# :class: dropdown
#
# The two histograms can hardly be told apart: some ten scatterers in a cell already make speckle that looks fully
# developed. The number can only be estimated from the envelope where it is small.
# ````
#
# ````{exercise} What a scanner writes down · project · 60 min
# :label: ex-rf-record
#
# Take one recording of a scanner within your reach and fill one line of `planes.csv` for it, as {doc}`../data`
# describes. Which columns does its file answer, and whom must you ask for the rest?
# ````
#
# ````{solution} ex-rf-record
# :class: dropdown
#
# Sampling rate, lines, samples and frames stand in most formats. The pitch of the lines often does not, and the
# phantom's speed of sound, attenuation and backscatter never do: they come from the probe's and the phantom's data
# sheets. Write them down on the day of the scan, with every setting that must stay the same for tissue and phantom.
# ````
#
# ## Questions
#
# ````{dropdown} Why can the spectrum not be computed from the B-mode?
# The B-mode is the logarithm of the envelope. The oscillation under the envelope, and with it the phase, is gone, often
# with a filter and a map of greys on top.
# ````
#
# ````{dropdown} What does division by the phantom's spectrum remove, and what does it leave?
# It removes pulse, gain and electronics, and the beam where sound is as fast in both. It leaves attenuation on the way,
# which has to be put back, noise, and skin and fat that the phantom has not.
# ````
#
# ````{dropdown} The envelope of a region has a mean of 1.5 times its standard deviation. What does that say?
# Rayleigh's ratio is $\sqrt{\pi / (4 - \pi)} = 1.91$. A smaller one says that the echoes are more uneven than many
# equal scatterers make them: few scatterers in a cell, or tissue that varies within the region.
# ````
#
# ## Take-aways
#
# - RF holds the spectrum; the B-mode does not.
# - Tissue and phantom must be scanned with the same settings; then their ratio is free of pulse and electronics, and of the
#   beam where sound is as fast in both.
# - The phantom's own attenuation and backscatter must be known: one from its maker, one from a measurement or from theory.
#
# ## Further reading
#
# - {cite:t}`yao1990`: the reference phantom: the division that this book stands on.
# - {cite:t}`faran1951`: how an elastic sphere scatters sound; the formula behind the phantom's backscatter.
# - {cite:t}`wagner1983`: why speckle looks as it does, and how large its grains are.
