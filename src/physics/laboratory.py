"""A recording of one's own: what is asked of it before its maps are believed, how its results leave, and an example."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from jaxtyping import Float

from ground.artifacts import write_whole
from ground.errors import InputError
from helpers.data.rf import RFPlane, write_rf
from helpers.data.simulation import simulated
from helpers.data.study import draw_patients
from helpers.data.tissue import WIDTH_MM
from helpers.maps.grid import different_fields
from helpers.maps.noise import MINIMUM_DB, mean_power_db, noise_db
from helpers.maps.parametric import ParametricMaps
from physics.speckle import Speckle
from physics.uncertainty import Uncertainty

UNEVEN = 0.1  # share of depths at which the phantom may lie beyond two standard errors: twice what chance makes
SAME_SPECKLE = 0.5  # correlation of two frames above which they are one measurement
WORTH = 0.75  # of the number of frames, from which on they count as independent


def files_or_example(
    sample_rf: str, reference_rf: str, folder: str | Path, line_pitch_mm: float
) -> tuple[str, str, str]:
    """Whether two files are "recorded" or "simulated", and their paths: an example's, written here, if none is named.

    Raises ``InputError`` if one of two is missing.
    """
    if sample_rf and reference_rf:
        return "recorded", sample_rf, reference_rf
    if sample_rf or reference_rf:
        missing = "reference_rf" if sample_rf else "sample_rf"
        raise InputError(f"{missing} is missing: a sample and its phantom are named together, or neither is")
    return "simulated", *write_example(folder, line_pitch_mm)


def write_example(folder: str | Path, line_pitch_mm: float) -> tuple[str, str]:
    """Write a simulated plane and its phantom as ``.rf`` files and return their paths.

    The tumour is one of the simulated cohort's kind.
    """
    folder, n_lines = Path(folder), round(WIDTH_MM / line_pitch_mm)
    patient = draw_patients(8, seed=0).iloc[0]
    acquired = simulated(patient, 2, n_lines, depth_cm=5.0, n_frames=4, seed=0)
    sample = write_rf(folder / "sample.rf", [acquired.plane])
    reference = write_rf(folder / "reference.rf", list(acquired.reference.planes))
    return str(sample), str(reference)


def snr_db(
    planes: Sequence[RFPlane], starts: tuple[int, ...], n_window: int, band_mhz: Float[np.ndarray, " n_bins"]
) -> Float[np.ndarray, "n_z n_bins"]:
    """Signal-to-noise ratio at every depth and frequency, (n_z, n_bins), dB; -inf without signal, NaN if not known."""
    floor_db = noise_db(planes, starts, n_window, float(band_mhz[-1]))[:, None]
    excess = mean_power_db(planes, starts, n_window, band_mhz) - floor_db
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(excess <= 0, -np.inf, 10 * np.log10(10 ** (excess / 10) - 1))


def usable_depths_mm(
    ratio_db: Float[np.ndarray, "n_z n_bins"], depth_mm: Float[np.ndarray, " n_z"], minimum_db: float = MINIMUM_DB
) -> tuple[float, float]:
    """First and last depth of the longest run of windows with the whole band above ``minimum_db``; NaN without any."""
    good = np.concatenate([[False], (ratio_db >= minimum_db).all(axis=1), [False]])
    first, after = np.flatnonzero(good[1:] & ~good[:-1]), np.flatnonzero(good[:-1] & ~good[1:])
    if not len(first):
        return np.nan, np.nan
    longest = int(np.argmax(after - first))
    return float(depth_mm[first[longest]]), float(depth_mm[after[longest] - 1])


def two_parts(frames: Sequence[RFPlane]) -> tuple[RFPlane, RFPlane, str]:
    """Two parts of a phantom that share no speckle, and what they are in words: its first frame and its last.

    Of a single frame, and of frames that were recorded at the same place, they are the two halves of its lines.
    """
    first, last = frames[0], frames[-1]
    alike = correlation(first.samples, last.samples)
    if alike < SAME_SPECKLE:
        return first, last, "its last frame against its first"
    half = first.samples.shape[1] // 2
    left, right = (replace(first, samples=first.samples[:, lines]) for lines in (slice(half), slice(half, None)))
    why = f"(all frames hold the same speckle, r = {alike:.2f})" if len(frames) > 1 else "(there is one frame)"
    return left, right, f"the right half of its lines against the left {why}"


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two arrays of one shape, 0 where one of them is constant."""
    a, b = (values.ravel().astype(float) - values.mean() for values in (one, other))
    return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), np.finfo(float).tiny))


def effective_frames(planes: Sequence[RFPlane]) -> float:
    """How many independent frames are worth as much as these, 1 to their number.

    The variance of a mean of n equally correlated powers is that of n / (1 + (n - 1) rho^2) independent ones; rho is
    the mean correlation of the echoes of two frames, and rho^2 that of their powers (Goodman 1985, circular Gaussian).
    """
    if len(planes) < 2:
        return float(len(planes))
    flat = np.stack([plane.samples.astype(np.float32).ravel() for plane in planes])
    alike, n = np.atleast_2d(np.corrcoef(flat)), len(planes)
    squared = float((alike[~np.eye(n, dtype=bool)] ** 2).mean())
    return n / (1 + (n - 1) * squared)


def verdicts(
    sample: RFPlane, phantom: Sequence[RFPlane], off: float, usable_mm: tuple[float, float], speckle: Speckle
) -> pd.DataFrame:
    """What was asked of a recording and its phantom, a row each: found, and in words whether it holds.

    ``off`` is the share of depths at which the phantom lies beyond two standard errors of its own mean.
    """
    n_frames, worth = len(phantom), effective_frames(phantom)
    differing = different_fields(sample, phantom[0])
    told = "equal" if sample.header and phantom[0].header else "no header tells"
    nakagami = f"Nakagami {speckle.nakagami_m:.2f}, the phantom's {speckle.phantom_m:.2f}"
    usable = f"{usable_mm[0]:.1f} to {usable_mm[1]:.1f} mm" if np.isfinite(usable_mm[0]) else "no depth"
    rows = [
        ("scanned with equal settings", ", ".join(differing) or told, not differing),
        ("phantom uniform in depth", f"{100 * off:.0f} % of depths beyond two standard errors", off <= UNEVEN),
        ("frames independent", f"{n_frames} frames worth {worth:.1f}", n_frames > 1 and worth >= WORTH * n_frames),
        ("phantom's echoes above the noise", usable, bool(np.isfinite(usable_mm[0]))),
        ("speckle fully developed", nakagami, speckle.developed),
    ]
    table = pd.DataFrame(rows, columns=["asked", "found", "holds"])
    return table.assign(holds=table["holds"].map({True: "yes", False: "**no**"}))


def export(
    folder: str | Path, maps: ParametricMaps, errors: Uncertainty, tables: Mapping[str, pd.DataFrame]
) -> list[Path]:
    """Write maps and standard errors as ``maps.h5``, and each table as a CSV of its name; return their paths."""
    paths = [write_whole(Path(folder) / "maps.h5", partial(write_fields, maps, errors))]
    for name, table in tables.items():
        paths.append(write_whole(Path(folder) / f"{name}.csv", partial(table.to_csv, index=False)))
    return paths


def write_fields(maps: ParametricMaps, errors: Uncertainty, path: Path) -> None:
    """Write every map (n_z, n_x) that is there, its standard error, and the window centres in mm."""
    whole = io.BytesIO()  # HDF5 crashes where a disk is full
    with h5py.File(whole, "w") as file:
        for name in ("depth_mm", "lateral_mm"):
            file[name] = getattr(maps, name)
        for name in maps.present:
            file[name], file[f"{name}_standard_error"] = getattr(maps, name), getattr(errors, name)
        file.attrs["band_mhz"] = maps.band_mhz
    path.write_bytes(whole.getbuffer())
