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
# # Your own RF

# %% [markdown] tags=["if-simulated"]
# Everything so far was simulated.

# %% [markdown]
# This chapter takes a recorded sample and a {term}`reference phantom` scanned with the same settings, asks whether they
# can be believed, and maps the sample with the code of the earlier chapters. If no files are named it writes a
# simulated {term}`plane` and phantom in the Ultrasonix `.rf` format, reads them back and goes on as if they had come
# from a scanner.
#
# **You will learn**
#
# - what a recording holds, and what it does not (often the lateral pitch)
# - how to check a phantom against itself and against the scanner's noise before trusting a map
# - which maps need the phantom's backscatter and which do not
# - what can be said of a region: its means with intervals, its backscatter, its {term}`attenuation`
#
# **You need**: {doc}`03_maps`, {doc}`04_uncertainty`. **Time**: 10 minutes to read, ten seconds to run.

# %% tags=["parameters"]
sample_rf: str = ""  # a recording in any format; empty: a simulated plane
reference_rf: str = ""  # of the phantom; several, separated by semicolons
outline_file: str = ""  # outline or mask of a region; empty: the whole plane
backscatter_file: str = ""  # the phantom's backscatter; empty: not known
frame: int = 0  # frame of the sample, counted from 0
line_pitch_mm: float = 0.234375  # mm; not in an .rf file: 60 mm / 256 lines
sample_attenuation_db_cm_mhz: float = 0.8  # assumed of the sample, at 1 MHz
attenuation_exponent: float = 1.0  # n of the sample's attenuation, f^n
reference_attenuation_db_cm_mhz: float = 0.576  # of the phantom, at 1 MHz
reference_attenuation_exponent: float = 1.0  # n of the phantom's, f^n
reference_sound_speed_m_s: float = 1488.0  # sound speed of the phantom, m/s
window_mm: float = 2.0  # window edge, axial and lateral, mm
overlap: float = 0.95  # of neighbouring windows: a grid of 0.1 mm
band_mhz: list = [3.0, 8.0]  # of the fits; []: -6 dB band of the phantom
minimum_snr_db: float = 6.0  # windows less above the noise are left empty
level: float = 0.95  # confidence level of all intervals
artifacts: str = "artifacts"  # folder for simulated files and results

# %% tags=["hide-input"]
import warnings

import numpy as np
import pandas as pd
from IPython.display import Markdown

from ground.artifacts import project_path
from ground.errors import InputError
from helpers.data.acquisition import core_of
from helpers.data.form_factor import gaussian_bsc_db
from helpers.data.phantom import ReferencePhantom, bead_backscatter
from helpers.data.rf import b_mode_db, n_saturated
from helpers.maps import noise, parametric
from helpers.maps.grid import Protocol, window_grid
from helpers.maps.windows import step_mm
from pages import figures
from physics import laboratory
from physics.attenuation import estimate_attenuation
from physics.speckle import speckle
from physics.uncertainty import region_means, uncertainty
from recorded.cohort import frame_of, one_or_more, read_phantom
from recorded.files import read_backscatter, read_outline
from recorded.readers import read_planes

figures.use_book_style()
warnings.filterwarnings("ignore", ".*(saturated|constant|noise)")  # in tables
folder = project_path(artifacts) / "example_rf"
whose, sample_rf, reference_rf = laboratory.files_or_example(
    sample_rf, reference_rf, folder, line_pitch_mm
)
Markdown(f"The files are **{whose}**.")

# %% [markdown]
# ## What is in the file
#
# An `.rf` file holds a header of 19 integers, then the samples, {term}`line` after line. Sampling rate, lines, samples,
# frames and how the scanner was set are in the header; the distance between lines is not and has to be given. Other
# formats, such as that of the open database of {cite:t}`oasbud2017`, are read by what they tell ({doc}`../data`).
# {numref}`tab-file` holds what these files say.

# %%
sample_frames = read_planes(
    project_path(sample_rf), line_pitch_mm=line_pitch_mm
)
phantom_frames = read_phantom(
    [project_path(path) for path in one_or_more(reference_rf)],
    line_pitch_mm=line_pitch_mm,
    sound_speed_m_s=reference_sound_speed_m_s,
)
sample = frame_of(sample_frames, frame, sample_rf)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-file", "caption": "What the recordings of the sample and of the phantom hold."}}
rows = {
    name: {
        "frames": len(frames),
        "samples": frames[0].samples.shape[0],
        "lines": frames[0].samples.shape[1],
        "sampling / MHz": frames[0].sampling_rate_hz / 1e6,
        "depth / mm": f"{frames[0].extent_mm[2]:.1f}",
        "saturated samples": sum(
            n_saturated(plane.samples) for plane in frames
        ),
        "lines without echo": sum(
            int((np.ptp(plane.samples, axis=0) == 0).sum()) for plane in frames
        ),
    }
    for name, frames in (
        ("sample", sample_frames),
        ("phantom", phantom_frames),
    )
}
Markdown(pd.DataFrame(rows).T.to_markdown())

# %%
region = np.ones(sample.samples.shape, bool)
if outline_file:
    outline = read_outline(project_path(outline_file), sample)
    rows_mm = sample.depth_mm[::5]  # outlines are no finer
    core = core_of(outline, rows_mm, sample.lateral_mm)
    region = np.repeat(core, 5, axis=0)[: len(sample.samples)]

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-bmode", "caption": "B-mode of the sample, with the outline of the region where one was given, and of the phantom's first frame."}, "image": {"alt": "Two grey-scale ultrasound images, the sample above and the reference phantom below"}}
fig, axes = figures.subplots(2, row_in=3.6)
shown = {f"{whose} sample": sample, f"{whose} phantom": phantom_frames[0]}
for ax, (title, plane) in zip(axes, shown.items(), strict=True):
    figures.show_b_mode(ax, b_mode_db(plane), plane.extent_mm)
    ax.set_title(title)
if outline_file:
    figures.show_outline(axes[0], region, sample.extent_mm)

# %% [markdown]
# ## The phantom against itself
#
# Before the phantom judges anything it has to pass its own test: one frame as the sample, the other as the reference.
# {term}`MBF <mid-band fit (MBF)>` must be 0 dB at every depth, whatever the phantom is, as nearly as so many windows
# side by side allow ({numref}`fig-own-self`). Where there is a single frame, or all hold the same {term}`speckle`
# because the probe was not moved, no frame can judge another: then one half of the lines is held against the other
# half.
#
# The test finds settings that changed between frames. It need not find a phantom with **targets** (wires, cysts,
# spheres): frames have them in the same place, and they divide out here but not from the sample. Two halves show one
# that lies in either. A reference must be uniform: look at its {term}`B-mode` in {numref}`fig-own-bmode`. (A
# brightness that only grows or falls with depth is that of the time gain, and divides out.)

# %%
protocol = Protocol(window_mm, overlap, tuple(band_mhz) or None)
one, other, how = laboratory.two_parts(phantom_frames)
attenuation = reference_attenuation_db_cm_mhz
first = ReferencePhantom([one], attenuation)
own_grid = window_grid(other, first, None, protocol)
itself = parametric.map_windows(other, first, own_grid, attenuation)
errors = uncertainty(itself, other, first, own_grid).mbf
of_one = np.ma.masked_invalid(errors).mean(axis=1).filled(np.nan)
width_mm = other.extent_mm[1]
of_row = of_one * np.sqrt(2 * window_mm / width_mm)  # side by side, both parts
low, median, high = np.nanpercentile(itself.mbf, [25, 50, 75], axis=1)
off = np.mean(np.abs(median) > 2 * of_row)

# %% tags=["hide-input"]
Markdown(
    f"The phantom, {how}: median MBF {np.nanmedian(itself.mbf):+.2f} dB, "
    f"median SS {np.nanmedian(itself.ss):+.3f} dB/MHz over "
    f"{itself.mbf.size:,} windows."
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-self", "caption": "The phantom mapped against itself, one part against another: median MBF by depth with the middle half of the windows. About one depth in twenty may lie beyond the dotted lines, two standard errors from zero."}, "image": {"alt": "Median MBF of the phantom against itself as a function of depth, with a band for the interquartile range, around zero"}}
fig, ax = figures.subplots(row_in=2.8)
ax.fill_between(itself.depth_mm, low, high, alpha=0.3)
ax.plot(itself.depth_mm, median)
for edge in (-2 * of_row, 2 * of_row):
    ax.plot(itself.depth_mm, edge, "k:", linewidth=0.8)
title = f"{whose} phantom"
_ = ax.set(xlabel="depth / mm", ylabel="MBF / dB", title=title)

# %% [markdown]
# ## Signal or noise
#
# A phantom divided by itself is 0 dB also where it holds nothing but the scanner's noise. Electronic noise is white
# before the time gain; its level is read above the pulse's band, at every depth, and the echoes' power is set against
# it ({numref}`fig-own-noise`). Where they stand less than 6 dB above it, noise adds more than 1 dB to a power: windows
# there tell little of tissue and are left empty. Frames that hold the same speckle add nothing to the phantom's mean.

# %%
windows = own_grid.all_starts, own_grid.n_window
ratio_db = laboratory.snr_db(phantom_frames, *windows, own_grid.band_mhz)
usable_mm = laboratory.usable_depths_mm(
    ratio_db, itself.depth_mm, minimum_snr_db
)
worth = laboratory.effective_frames(phantom_frames)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-noise", "caption": "The phantom's power by depth and frequency, less that of the noise at that depth. Black: as much above the noise as is asked for; white: 6 dB below the peak at each depth; dashed, black: the band of the fits."}, "image": {"alt": "Colour map of the phantom's signal over noise against depth and frequency, with two contours and the band of the fits"}}
frequency_mhz = np.linspace(0.5, sample.sampling_rate_hz / 2e6, 80)
spaced = range(0, own_grid.all_starts[-1], own_grid.n_window // 2)
level_db = noise.mean_power_db(
    phantom_frames, tuple(spaced), own_grid.n_window, frequency_mhz
)
end_mhz = float(own_grid.band_mhz[-1])
floor_db = noise.noise_db(phantom_frames, tuple(spaced), windows[1], end_mhz)
above_db = level_db - np.nan_to_num(floor_db, nan=level_db.min())[:, None]
deep_mm = (np.array(spaced) + windows[1] / 2) * other.sample_spacing_mm
where = frequency_mhz, deep_mm
fig, ax = figures.subplots(row_in=3.8)
drawn = ax.pcolormesh(*where, above_db, cmap="viridis", rasterized=True)
fig.colorbar(drawn, label="power / dB re noise")
below_db = level_db - level_db.max(axis=1, keepdims=True)
ax.contour(*where, above_db, [minimum_snr_db], colors="k")
ax.contour(*where, below_db, [-6], colors="w", linestyles="solid")
for edge in own_grid.band_mhz[[0, -1]]:
    ax.axvline(edge, color="k", linestyle="--", linewidth=0.8)
ax.invert_yaxis()
title = f"{whose} phantom"
_ = ax.set(xlabel="frequency / MHz", ylabel="depth / mm", title=title)

# %% tags=["hide-input"]
mapped_mm = itself.depth_mm[[0, -1]]
usable = (
    f"from {usable_mm[0]:.1f} to {usable_mm[1]:.1f} mm"
    if np.isfinite(usable_mm[0])
    else "at no depth"
)
Markdown(
    "The sampling rate leaves no room above the band in which noise could be "
    "read: how deep the echoes can be trusted is not known."
    if np.isnan(ratio_db).all()
    else f"The phantom's echoes stand {minimum_snr_db:g} dB or more above the "
    f"noise over the whole band {usable}; {mapped_mm[0]:.1f} to "
    f"{mapped_mm[1]:.1f} mm are mapped. Its {len(phantom_frames)} "
    f"frames are worth {worth:.1f} independent ones."
)

# %% [markdown]
# ## The maps
#
# MBF, {term}`SS <spectral slope (SS)>` and {term}`SI <spectral intercept (SI)>` are relative to the phantom and need
# nothing more. {term}`ESD <scatterer diameter (ESD)>` and {term}`EAC <acoustic concentration (EAC)>` need the phantom's
# {term}`backscatter coefficient <backscatter coefficient (BSC)>`, a table in `backscatter_file`. Without it they are
# left empty rather than guessed ({numref}`fig-own-maps`).

# %%
backscatter = bead_backscatter if whose == "simulated" else None
if backscatter_file:
    backscatter = read_backscatter(project_path(backscatter_file))
reference = ReferencePhantom(
    phantom_frames,
    reference_attenuation_db_cm_mhz,
    backscatter,
    reference_attenuation_exponent,
)
band = tuple(band_mhz) or None
asked = attenuation_exponent, minimum_snr_db
protocol = Protocol(window_mm, overlap, band, parametric.N_BINS, *asked)
grid = window_grid(sample, reference, region, protocol)
maps = parametric.map_windows(
    sample, reference, grid, sample_attenuation_db_cm_mhz
)
errors = uncertainty(
    maps, sample, reference, grid, sample_attenuation_db_cm_mhz
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-maps", "caption": "Maps of the region, or of the whole sample, and beside each its standard error. Windows that sink into the noise are empty; without the phantom's backscatter there is no ESD and no EAC."}, "image": {"alt": "Colour maps of the sample plane, one for each parameter that can be had, with their standard errors beside them"}}
shown = {}
for name in maps.present:
    shown[parametric.LABELS[name]] = getattr(maps, name)
    shown[f"error of {parametric.LABELS[name]}"] = getattr(errors, name)
fig, axes = figures.panels(len(shown), 2, 2.6, shared=True)
for ax, (label, values) in zip(axes, shown.items(), strict=True):
    figures.show_map(ax, values, maps.extent_mm, label)
figures.label_outer(axes, 2)
_ = axes[0].set_title(f"{whose} sample")

# %% tags=["hide-input"]
finite = {
    name: np.isfinite(getattr(maps, name))[grid.inside].mean()
    for name in ("mbf", *[one for one in maps.present if one == "esd_um"])
}
Markdown(
    f"{grid.inside.sum():,} windows on a grid of {step_mm(maps.depth_mm):.2f} "
    "mm; with a value: "
    + ", ".join(
        f"{parametric.NAMES[name]} {100 * of:.1f} %"
        for name, of in finite.items()
    )
    + f". Median MBF {np.nanmedian(maps.mbf):+.1f} dB re the phantom."
)

# %% [markdown]
# ## The region as a whole
#
# The spectra of all its windows that hold a value are averaged before the fit ({numref}`fig-own-bsc`,
# {numref}`tab-own-means`). Without an outline the region is the whole plane, whatever lies in it; and windows that sank
# into noise are those of the weakest echoes. The intervals know neither, nor an attenuation that is assumed wrongly
# ([](04_uncertainty)): they know speckle, and the phantom's share of it. The estimate beside them comes from the echoes.

# %%
means = region_means(
    sample, reference, grid, sample_attenuation_db_cm_mhz, level
)
_, bsc_db = parametric.normalised_spectra(
    sample, reference, grid, sample_attenuation_db_cm_mhz
)
heard = grid.inside & np.isfinite(maps.mbf)
mean_bsc_db = np.moveaxis(bsc_db, 1, 2)[heard].mean(axis=0)
fitted_db = gaussian_bsc_db(
    grid.band_mhz, *means.loc[["esd_um", "eac_db"], "value"], 1540.0
)
try:
    found = estimate_attenuation(sample, reference, grid, level)
    estimate = (
        f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f}) dB/cm/MHz"
    )
except InputError as error:
    estimate = f"not estimated: {error}".replace(sample.source, "sample")

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-own-means", "caption": "Means of the region with their standard errors and intervals."}}
known = means.dropna().rename(index=parametric.LABELS)
too_steep = backscatter is not None and means["value"].isna().any()
Markdown(
    known.rename(columns={"standard_error": "standard error"}).to_markdown(
        floatfmt=".2f"
    )
    + (
        "\n\nESD and EAC of the region: none. Its mean spectrum rises too "
        "steeply for any "
        "diameter, as it does where more attenuation is put back than there "
        "was."
    )
    * bool(too_steep)
)

# %% tags=["hide-input"]
Markdown(
    f"Attenuation of the region: {estimate}; assumed: "
    f"{sample_attenuation_db_cm_mhz:g} dB/cm/MHz. Where scatterers change "
    "with depth the estimate takes that for attenuation."
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-bsc", "caption": "Mean spectrum of the region. Where the phantom's backscatter is known: the backscatter coefficient and the spherical Gaussian fit; else the normalised spectrum, relative to the phantom, with its line."}, "image": {"alt": "Spectrum of the region against frequency as points, with the curve fitted to them"}}
relative = parametric.normalised_spectra(
    sample, reference, grid, sample_attenuation_db_cm_mhz
)[0]
mean_db, unit = mean_bsc_db, "BSC / dB re 1/(cm sr)"
if backscatter is None:
    mean_db = np.moveaxis(relative, 1, 2)[heard].mean(axis=0)
    off_centre = grid.band_mhz - grid.band_mhz.mean()
    fitted_db = (
        means.loc["mbf", "value"] + means.loc["ss", "value"] * off_centre
    )
    unit = "W / dB re phantom"
fig, ax = figures.subplots()
ax.plot(grid.band_mhz, mean_db, "o", label=f"{whose} region")
ax.plot(grid.band_mhz, fitted_db, "k--", label="fit")
ax.legend()
_ = ax.set(xlabel="frequency / MHz", ylabel=unit)

# %% [markdown]
# The errors are taken from the phantom's speckle, which many scatterers in a {term}`resolution cell` make. Few of them,
# or tissue that varies (a plane that holds a tumour and what is around it), lower the {term}`Nakagami parameter` of the
# echoes' intensity below the phantom's, and
# errors are then larger than the phantom's say ({numref}`tab-laboratory`).

# %%
echo = speckle(sample, reference, grid)
asked = laboratory.verdicts(sample, phantom_frames, off, usable_mm, echo)

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-laboratory", "caption": "What is asked of the two recordings before their maps are believed."}}
Markdown(asked.to_markdown(index=False))

# %%
spectrum = {"frequency_mhz": grid.band_mhz, "mean_db": mean_db}
tables = {
    "region": means.reset_index(names="parameter"),
    "spectrum": pd.DataFrame(spectrum),
    "verdicts": asked,
}
folder = project_path(artifacts) / "own_rf"
paths = laboratory.export(folder, maps, errors, tables)

# %% tags=["hide-input"]
names = ", ".join(f"`{path.name}`" for path in paths)
Markdown(f"Written to the folder `own_rf` of the artifacts: {names}.")

# %% [markdown]
# ## A cohort of your own
#
# To run the *whole* study on recorded patients, describe them in a folder with `patients.csv`, `planes.csv`, the
# recordings and the outlines, as {doc}`../data` explains, and name the folder:
#
# ```
# make book DATA=path/to/folder
# ```

# %% [markdown]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} Wires in the phantom · recall · 5 min
# :label: ex-own-targets
#
# A phantom with wires passes the test of one frame against another. Why, and where would you see the wires?
# ````
#
# ````{solution} ex-own-targets
# :class: dropdown
#
# Both frames have them in the same place, and they divide out. They do not divide out of the sample. The B-mode shows
# them, and one half of the lines against the other half, if they lie in one of the two.
# ````
#
# ````{exercise} An unknown attenuation · compute · 5 min
# :label: ex-own-attenuation
#
# The attenuation of your sample is unknown. By how much does MBF change at 3 cm if it is 0.1 dB/cm/MHz higher than
# assumed?
#
# Check: `check("ex-own-attenuation", ...)` (dB).
# ````
#
# ````{solution} ex-own-attenuation
# :class: dropdown
#
# $2 \cdot 0.1 \cdot 3 \cdot 5.5 = 3.3$ dB at the centre of the band: more than most differences one hopes to see.
# ````
#
# ````{exercise} Lines in a window · compute · 5 min
# :label: ex-own-lines
#
# A probe of 38.4 mm makes 192 lines. How many lie in a window of 2 mm?
#
# Check: `check("ex-own-lines", ...)` (lines).
# ````
#
# ````{solution} ex-own-lines
# :class: dropdown
#
# The pitch is $38.4 / 192 = 0.2$ mm, so there are 10. If the beam is 0.8 mm wide they hold two or three independent
# looks at the tissue, not ten.
# ````
#
# ````{exercise} A wrong pitch · vary · 10 min
# :label: ex-own-pitch
#
# Double `line_pitch_mm`. Which of the figures change, and do the values of the maps?
# ````
#
# ````{solution} ex-own-pitch
# :class: dropdown
#
# The images become twice as wide and a window holds half as many lines: the maps grow noisier, but their median hardly
# moves, because tissue and phantom are treated alike.
# ````
#
# ````{exercise} A day with a phantom · project · 90 min
# :label: ex-own-day
#
# Record a phantom on three days, with all settings the same, and map each day's frames with another day's as the
# reference. How far apart are the days, against what speckle allows?
# ````
#
# ````{solution} ex-own-day
# :class: dropdown
#
# Take MBF by depth, as in {numref}`fig-own-self`, with two days in place of two halves. Inside the dotted lines the
# days agree as well as speckle can tell. A constant offset is gain; a slope over depth is a time gain or an attenuation
# that changed with temperature; a step at one depth is another focus. Whatever it is, it is in every map of that day:
# scan the phantom on the day of the patient.
# ````
#
# ## Questions
#
# ````{dropdown} Which value that every map needs is often missing in the file?
# The distance between the lines. Without it neither widths nor windows in millimetres are known.
# ````
#
# ````{dropdown} Why are windows left empty where the echo stands less than 6 dB above the noise?
# There noise adds more than 1 dB to the power. A number would be there, and would be about the scanner.
# ````
#
# ````{dropdown} Which maps can be had without the phantom's backscatter?
# MBF, SS and SI, relative to that phantom. ESD and EAC need its absolute value.
# ````
#
# ## Take-aways
#
# - The pitch is not in the file; a phantom is worth nothing if it was scanned with other settings.
# - Test the phantom against itself first, and look at it: it has to be uniform.
# - What is not known is left empty.
#
# ## Further reading
#
# - {cite:t}`oasbud2017`: raw echoes of a hundred breast lesions, open to all, without a phantom: what can be mapped of
#   them?
# - {cite:t}`anderson2010`: laboratories measure the backscatter of the same phantoms: how far apart they are.
# - {cite:t}`madsen1982`: what a phantom of oil in gelatin is made of, and how its attenuation is set.
