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
# This chapter takes two recorded files in the Ultrasonix `.rf` format, a
# sample and a reference phantom scanned with the same settings, and maps the sample with the code of the earlier
# chapters. If no files are named it writes a simulated plane and phantom **in that same format**, reads them back and
# goes on as if they had come from a scanner.
#
# **You will learn**
#
# - what an `.rf` file holds, and what it does not (the lateral pitch)
# - how to check a phantom against itself before trusting a map
# - which maps need the phantom's backscatter and which do not
#
# **Prerequisites**: [](03_maps). **Time**: 5 minutes to read, ten seconds to run.

# %% tags=["parameters"]
sample_rf: str = ""  # Ultrasonix .rf file; empty: a simulated plane
reference_rf: str = ""  # .rf file of the phantom, best of two frames or more
frame: int = 0  # frame of the sample, counted from 0
line_pitch_mm: float = 0.234375  # mm; not in the file: 60 mm / 256 lines
sample_attenuation_db_cm_mhz: float = 0.8  # assumed of the sample
reference_attenuation_db_cm_mhz: float = 0.576  # of the phantom
reference_sound_speed_m_s: float = 1488.0  # sound speed of the phantom, m/s
window_mm: float = 2.0  # window edge, axial and lateral, mm
overlap: float = 0.95  # of neighbouring windows: a grid of 0.1 mm
band_mhz: list = [3.0, 8.0]  # of the fits; []: -6 dB band of the phantom
artifacts: str = "artifacts"  # folder for the simulated files

# %% tags=["hide-input"]
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from beyond.speckle import speckle
from beyond.uncertainty import uncertainty
from ground.artifacts import project_path
from helpers.data.phantom import ReferencePhantom
from helpers.data.rf import b_mode_db, n_saturated, read_rf
from helpers.maps import noise, parametric
from helpers.maps.grid import Protocol, window_grid
from helpers.maps.windows import step_mm
from pages import figures
from pages.echoes import files_or_example, two_parts
from recorded.cohort import frame_of

figures.use_book_style()
warnings.filterwarnings("ignore", ".*(saturated|constant)")  # in a table
folder = project_path(artifacts) / "example_rf"
whose, sample_rf, reference_rf = files_or_example(
    sample_rf, reference_rf, folder, line_pitch_mm
)

# %% [markdown]
# ## What is in the file
#
# A header of 19 integers, then the samples, line after line. Sampling rate, lines, samples and frames are in the
# header; the distance between lines is not and has to be given.

# %%
sample_frames = read_rf(project_path(sample_rf), line_pitch_mm)
phantom_frames = read_rf(
    project_path(reference_rf), line_pitch_mm, reference_sound_speed_m_s
)
sample = frame_of(sample_frames, frame, sample_rf)

# %% tags=["hide-input"]
rows = {
    name: {
        "frames": len(frames),
        "samples": frames[0].samples.shape[0],
        "lines": frames[0].samples.shape[1],
        "sampling / MHz": frames[0].sampling_rate_hz / 1e6,
        "depth / mm": round(frames[0].extent_mm[2], 1),
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

# %% tags=["hide-input"]
Markdown(f"The files are **{whose}**.")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-bmode", "caption": "B-mode of the sample and of the phantom's first frame."}, "image": {"alt": "Two grey-scale ultrasound images side by side: the sample and the reference phantom"}}
fig, axes = plt.subplots(1, 2, figsize=(11, 4.8))
shown = {f"{whose} sample": sample, f"{whose} phantom": phantom_frames[0]}
for ax, (title, plane) in zip(axes, shown.items(), strict=True):
    figures.show_b_mode(ax, b_mode_db(plane), plane.extent_mm)
    ax.set_title(title)

# %% [markdown]
# ## The phantom against itself
#
# Before the phantom judges anything it has to pass its own test: one frame as the sample, the other as the
# reference. MBF must be 0 dB at every depth, whatever the phantom is, as nearly as so many windows side by side allow. Where
# there is a single frame, or all hold the same speckle because the probe was not moved, no frame can judge another: then one
# half of the lines is held against the other half.
#
# The test finds settings that changed between frames. It need not find a phantom with **targets** (wires, cysts, spheres):
# frames have them in the same place, and they divide out here but not from the sample. Two halves show one
# that lies in either. A reference must be uniform: look at its B-mode above, and at the width of the band below, which
# should be the same at all depths.

# %%
protocol = Protocol(window_mm, overlap, tuple(band_mhz) or None)
one, other, how = two_parts(phantom_frames)
attenuation = reference_attenuation_db_cm_mhz
first = ReferencePhantom([one], attenuation)
own_grid = window_grid(other, first, None, protocol)
itself = parametric.map_windows(other, first, own_grid, attenuation)
errors = uncertainty(itself, other, first, own_grid).mbf
of_one = np.ma.masked_invalid(errors).mean(axis=1).filled(np.nan)
width_mm = other.extent_mm[1]
of_row = of_one * np.sqrt(2 * window_mm / width_mm)  # side by side, both parts

# %% tags=["hide-input"]
Markdown(
    f"The phantom, {how}: median MBF {np.nanmedian(itself.mbf):+.2f} dB, "
    f"median SS {np.nanmedian(itself.ss):+.3f} dB/MHz over {itself.mbf.size:,} windows."
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-self", "caption": "The phantom mapped against itself, one part against another: median MBF by depth with the middle half of the windows. It should stay between the dotted lines, two standard errors from zero."}, "image": {"alt": "Median MBF of the phantom against itself as a function of depth, with a band for the interquartile range, around zero"}}
low, median, high = np.nanpercentile(itself.mbf, [25, 50, 75], axis=1)
fig, ax = plt.subplots(figsize=(7, 3))
ax.fill_between(itself.depth_mm, low, high, alpha=0.3)
ax.plot(itself.depth_mm, median)
for edge in (-2 * of_row, 2 * of_row):
    ax.plot(itself.depth_mm, edge, "k:", linewidth=0.8)
title = f"{whose} phantom"
_ = ax.set(xlabel="depth / mm", ylabel="MBF / dB", title=title)
# %% [markdown]
# ## Signal or noise
#
# A phantom divided by itself is 0 dB also where it holds nothing but the scanner's noise. Electronic noise is white before
# the time gain; its level is read above the pulse's band, at every depth, and the echoes' power in the band is set
# against it. Where they stand less than 6 dB above it, noise adds more than 1 dB to a power: windows there tell
# little of tissue. Frames that hold the same speckle add nothing to the phantom's mean.

# %%
windows = own_grid.all_starts, own_grid.n_window
ratio_db = noise.snr_db(phantom_frames, *windows, own_grid.band_mhz)
first_mm, last_mm = noise.usable_depths_mm(ratio_db, itself.depth_mm)
worth = noise.effective_frames(phantom_frames)

# %% tags=["hide-input"]
usable = (
    f"from {first_mm:.1f} to {last_mm:.1f} mm"
    if np.isfinite(first_mm)
    else "at no depth"
)
Markdown(
    f"The phantom's echoes stand {noise.MINIMUM_DB:g} dB or more above the "
    f"noise over the whole band {usable}, of {itself.depth_mm[0]:.1f} to "
    f"{itself.depth_mm[-1]:.1f} mm that are mapped. Its {len(phantom_frames)} "
    f"frames are worth {worth:.1f} independent ones."
)

# %% [markdown]
# ## The maps
#
# MBF, SS and SI are relative to the phantom and need nothing more. ESD and EAC need the phantom's backscatter
# coefficient: give it to `ReferencePhantom(planes, attenuation, backscatter)` if you know it. Without it they are
# left empty rather than guessed.

# %%
reference = ReferencePhantom(phantom_frames, reference_attenuation_db_cm_mhz)
grid = window_grid(sample, reference, None, protocol)
maps = parametric.map_windows(
    sample, reference, grid, sample_attenuation_db_cm_mhz
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-own-maps", "caption": "MBF, SS and SI of the whole sample relative to the phantom."}, "image": {"alt": "Three colour maps of the whole sample plane: mid-band fit, spectral slope and spectral intercept"}}
fig, axes = figures.panels(len(maps.present), 3, (4.0, 3.2))
for ax, name in zip(axes, maps.present, strict=True):
    figures.show_map(
        ax, getattr(maps, name), maps.extent_mm, parametric.LABELS[name]
    )
_ = axes[0].set_title(f"{whose} sample")

# %% tags=["hide-input"]
finite = {
    name: np.isfinite(getattr(maps, name)).mean()
    for name in ("mbf", "ss", "si")
}
Markdown(
    f"{maps.mbf.size:,} windows on a grid of {step_mm(maps.depth_mm):.2f} mm; finite: "
    + ", ".join(
        f"{name.upper()} {100 * of:.1f} %" for name, of in finite.items()
    )
    + f". Median MBF {np.nanmedian(maps.mbf):+.1f} dB re the phantom."
)

# %% [markdown]
# The errors of maps are taken from the phantom's speckle, which many scatterers in a resolution cell make. Few of
# them, or structure within a window, lower the Nakagami parameter of the echoes' intensity below the phantom's, and
# errors are then larger than the phantom's say.

# %%
found = speckle(sample, reference, grid)

# %% tags=["hide-input"]
verdict = (
    "no fewer scatterers show than in the phantom"
    if found.developed
    else "fewer scatterers, or more structure, show than in the phantom"
)
Markdown(
    f"Nakagami parameter over {found.n_windows:,} windows side by side: "
    f"{found.nakagami_m:.2f} ± {found.standard_error:.2f}, the phantom's "
    f"{found.phantom_m:.2f}: {verdict}."
)

# %% [markdown]
# ## A cohort of your own
#
# To run the *whole* study on recorded patients, describe them in a folder with `patients.csv`, `planes.csv`, the
# `.rf` files and the outlines, as {doc}`../data` explains, and name the folder:
#
# ```
# make book DATA=path/to/folder
# ```
#
# ## Exercises
#
# ````{exercise}
# :label: ex-own-pitch
# Double `line_pitch_mm`. Which of the figures change, and do the values of the maps?
# ````
#
# ````{solution} ex-own-pitch
# :class: dropdown
# The images become twice as wide and a window holds half as many lines: the maps grow noisier, but their
# median hardly moves, because tissue and phantom are treated alike.
# ````
#
# ````{exercise}
# :label: ex-own-attenuation
# The attenuation of your sample is unknown. By how much does MBF change at 3 cm if it is 0.1 dB/cm/MHz higher than assumed?
# ````
#
# ````{solution} ex-own-attenuation
# :class: dropdown
# $2 \cdot 0.1 \cdot 3 \cdot 5.5 = 3.3$ dB at the centre of the band: more than most differences one hopes to see.
# ````
#
# ## Take-aways
#
# - The pitch is not in the file; a phantom is worth nothing if it was scanned with other settings.
# - Test the phantom against itself first, and look at it: it has to be uniform.
# - What is not known is left empty.
