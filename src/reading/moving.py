"""Figures that a reader moves: data and drawing in one piece of HTML that asks no server, and a still picture.

What a control shows was computed here beforehand, by the functions that the chapters use; the page only chooses.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from lifelines.statistics import logrank_test
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers.data.acquisition import Acquisition
from helpers.data.form_factor import form_factor_fit, gaussian_bsc_db, scatterers
from helpers.data.rf import b_mode_db
from helpers.judgement.survival import UNDEFINED, Comparison, at_risk, checked, fit_curve
from helpers.maps.grid import Grid, window_grid
from helpers.maps.normalisation import Attenuation, normalised, path_attenuation
from helpers.maps.parametric import FIELDS, LABELS, NAMES, five_fits, five_offsets, map_windows
from helpers.maps.planes import MappedPlane, protocol_of
from helpers.maps.recovery import true_maps
from helpers.settings import Maps
from pages.figures import scale_of
from pages.judgement import lacking, not_compared, p_text, sentence, too_few
from reading import stills
from reading.pictures import as_png, coloured, grey, outlines, still_png

DIGITS = (1, 2, 1, 0, 1)  # of MBF, SS, SI, ESD and EAC as they are shown
MOST_WINDOWS = 1000  # of a plane, so that its page stays small
ATTENUATIONS_DB_CM_MHZ = np.round(np.arange(0.2, 1.81, 0.05), 2)
DIAMETERS_UM = np.arange(10, 251, 2)
THRESHOLDS = np.round(np.arange(0.05, 0.96, 0.05), 2)
STEP_YEARS = 0.1  # between points of a survival curve: no patient's own time is on the page


@dataclass(frozen=True)
class Moving:
    """A figure as the page shows it and as a still picture, PNG as base64."""

    html: str
    still: str

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self.html, "image/png": self.still}


def framed(template: str, name: str, label: str, data: Mapping[str, Any], still: Figure) -> Moving:
    """Put data and the drawing of a template into the frame of all moving figures; ``name`` tells them apart."""
    folder = files(__package__)
    markup, script = (folder / f"{template}.html").read_text(encoding="utf-8").split("<script>")
    picture = still_png(still)
    parts = {
        "MARKUP": markup.strip(),
        "SCRIPT": script.replace("</script>", "").strip("\n"),
        "NAME": name,
        "LABEL": escape(label),
        "STILL": f"data:image/png;base64,{picture}",
        "DATA": json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
    }
    page = (folder / "frame.html").read_text(encoding="utf-8")
    for word, text in parts.items():
        page = page.replace(f"%{word}%", text)
    return Moving(page, picture)


def instead(why: str) -> Moving:
    """Say why there is nothing to move, in the figure's place."""
    picture = still_png(stills.instead(why))
    image = f'<img src="data:image/png;base64,{picture}" alt="In place of a figure: {escape(why)}">'
    return Moving(f"<p>{escape(sentence(why))}</p>{image}", picture)


def listed(values: Any, digits: int) -> Any:
    """Return numbers of any shape as nested lists, rounded; None where they are not finite."""
    rounded = np.round(np.asarray(values, float), digits)
    return np.where(np.isfinite(rounded), rounded.astype(object), np.array(None)).tolist()


def five_listed(maps: Mapping[str, Any]) -> list[list[float | None]]:
    """Return MBF, SS, SI, ESD and EAC of n windows as n lists of five, rounded as they are shown."""
    columns = [listed(np.ravel(maps[name]), digits) for name, digits in zip(FIELDS, DIGITS, strict=True)]
    return [list(five) for five in zip(*columns, strict=True)]


def span(values: Any, beside: float = 0.1) -> list[float]:
    """Return where an axis over values begins and ends: 1st and 99th percentile, and a part of it on either side."""
    low, high = np.nanpercentile(np.asarray(values, float), [1, 99])
    return listed([low - beside * (high - low), high + beside * (high - low)], 2)


# --- maps


def coarse_grid(acquired: Acquisition, choices: Maps) -> Grid:
    """Lay windows over a whole plane, so far apart that there are about ``MOST_WINDOWS``."""
    _, width_mm, depth_mm, _ = acquired.plane.extent_mm
    step_mm = np.sqrt(width_mm * depth_mm / MOST_WINDOWS)
    overlap = float(np.clip(1 - step_mm / choices.window_mm, 0, 0.95))
    return window_grid(acquired.plane, acquired.reference, None, replace(protocol_of(choices), overlap=overlap))


def window(
    acquired: Acquisition, choices: Maps, attenuation_db_cm_mhz: Attenuation, name: str = "moving-window"
) -> Moving:
    """Return a B-mode over which a window is moved: its normalised spectrum, the fitted line and the five numbers.

    All are computed on a coarse grid over the plane with the attenuation given, and stand beside the truth where the
    tissue is known. Raises what ``window_grid`` and ``map_windows`` do.
    """
    plane, grid = acquired.plane, coarse_grid(acquired, choices)
    core, _ = acquired.regions(choices.margin_mm)
    every = int(np.ceil(np.sqrt(len(grid.depth_mm) * len(grid.lateral_mm) / (1.3 * MOST_WINDOWS))))
    places = grid.depth_mm[::every], grid.lateral_mm[::every]
    data = windows_of(acquired, grid, attenuation_db_cm_mhz, every) | {
        "depth": listed(places[0], 2),
        "lateral": listed(places[1], 2),
        "size": grid.window_mm,
        "start": middle_of(core, plane.depth_mm, plane.lateral_mm, *places),
        "names": list(LABELS.values()),
        "digits": DIGITS,
        "truth": truth_of(acquired, *places, grid),
        "extent": listed(plane.extent_mm, 2),
        "picture": as_png(grey(b_mode_db(plane))),
        "core": outlines(core, plane.extent_mm),
    }
    label = "B-mode image with a window to move, and the normalised spectrum of the echoes in it"
    return framed("window", name, label, data, stills.window(data, b_mode_db(plane)))


def windows_of(acquired: Acquisition, grid: Grid, attenuation_db_cm_mhz: Attenuation, every: int) -> dict[str, Any]:
    """Return spectrum, line and five numbers of every n-th window of a grid in either direction, row by row."""
    given = acquired.plane, acquired.reference, grid, attenuation_db_cm_mhz
    found, f = map_windows(*given), grid.band_mhz
    five = {field: getattr(found, field)[::every, ::every] for field in FIELDS}
    spectra = np.moveaxis(normalised(*given, np.eye(len(f))), 1, 2)[::every, ::every]  # (n_z, n_x, n_bins)
    return {
        "f": listed(f, 3),
        "spectra": listed(spectra.reshape(-1, len(f)), 1),
        "span": span(spectra),
        "lines": listed(np.column_stack([five["si"].ravel(), five["ss"].ravel()]), 3),
        "five": five_listed(five),
    }


def truth_of(
    acquired: Acquisition, depth_mm: Float[np.ndarray, " n_z"], lateral_mm: Float[np.ndarray, " n_x"], grid: Grid
) -> list[list[float | None]] | None:
    """Return the five true numbers of every window, None for tissue that is not known."""
    if acquired.tissue is None:
        return None
    truth = true_maps(acquired.tissue, depth_mm, lateral_mm, (grid.band_mhz[0], grid.band_mhz[-1]))
    return five_listed({field: getattr(truth, field) for field in FIELDS})


def middle_of(
    core: Bool[np.ndarray, "n_samples n_lines"],
    rows_mm: Float[np.ndarray, " n_samples"],
    columns_mm: Float[np.ndarray, " n_lines"],
    *places_mm: Float[np.ndarray, " _"],
) -> list[int]:
    """Return the window nearest to the middle of a mask: its place in depth and across."""
    inside = np.nonzero(core)
    middles = rows_mm[inside[0]].mean(), columns_mm[inside[1]].mean()
    return [int(np.abs(places - middle).argmin()) for places, middle in zip(places_mm, middles, strict=True)]


def attenuation(acquired: Acquisition, choices: Maps, name: str = "moving-attenuation") -> Moving:
    """Return the mean spectrum of a simulated core under one assumed attenuation for the whole way, to be moved.

    Windows overlap by half; those with their centre in the core and an echo count. Raises ``ValueError`` for a plane
    whose tissue is not known, and what ``window_grid`` does.
    """
    core, _ = acquired.regions(choices.margin_mm)
    protocol = replace(protocol_of(choices), overlap=0.5)
    grid = window_grid(acquired.plane, acquired.reference, core, protocol)
    spectra, inside = under_each(acquired, grid)
    if not inside.any():
        return instead("not computed: no window of the core has an echo above the noise")
    alpha, true = truth_on_the_way(acquired, grid, inside)
    five = five_of(spectra, acquired, grid.band_mhz)
    data = {
        "f": listed(grid.band_mhz, 3),
        "alpha": ATTENUATIONS_DB_CM_MHZ.tolist(),
        "start": int(np.abs(ATTENUATIONS_DB_CM_MHZ - alpha).argmin()),
        "spectra": listed(spectra, 2),
        "span": span(spectra, 0.05),
        "sizes": span(np.append(five["esd_um"], true["esd_um"])),
        "five": five_listed(five),
        "line": listed([true["si"], true["ss"]], 3),
        "truth": listed([alpha, true["esd_um"], true["eac_db"]], 2),
    }
    label = "Spectrum of a core and the diameter fitted to it, under an assumed attenuation to move"
    return framed("attenuation", name, label, data, stills.attenuation(data))


def under_each(
    acquired: Acquisition, grid: Grid
) -> tuple[Float[np.ndarray, "n_alpha n_bins"], Bool[np.ndarray, "n_z n_x"]]:
    """Return the mean spectrum under each of ``ATTENUATIONS_DB_CM_MHZ``, and of which windows it is."""
    scene, every_bin = (acquired.plane, acquired.reference, grid), np.eye(len(grid.band_mhz))
    spectra = np.array([normalised(*scene, float(alpha), every_bin) for alpha in ATTENUATIONS_DB_CM_MHZ])
    inside = grid.inside & np.isfinite(spectra[0, :, 0])
    return np.moveaxis(spectra, 2, 3)[:, inside].sum(axis=1) / max(inside.sum(), 1), inside


def truth_on_the_way(
    acquired: Acquisition, grid: Grid, inside: Bool[np.ndarray, "n_z n_x"]
) -> tuple[float, dict[str, float]]:
    """Return the mean true attenuation on the way to these windows, and the means of the five true maps.

    Raises ``ValueError`` for a plane whose tissue is not known.
    """
    plane, tissue = acquired.plane, acquired.tissue
    if tissue is None:
        raise ValueError(f"{plane.source}: its tissue is not known, expected a simulated plane")
    on_the_way = path_attenuation(plane, tissue.attenuation_on(plane), grid) / (grid.depth_mm[:, None] / 10)
    whole = true_maps(tissue, grid.depth_mm, grid.lateral_mm, (grid.band_mhz[0], grid.band_mhz[-1]))
    return float(on_the_way[inside].mean()), {field: float(getattr(whole, field)[inside].mean()) for field in FIELDS}


def five_of(
    spectra_db: Float[np.ndarray, "n n_bins"], acquired: Acquisition, band_mhz: Float[np.ndarray, " n_bins"]
) -> dict[str, Float[np.ndarray, " n"]]:
    """Return MBF, SS, SI, ESD and EAC of normalised spectra, each (n,)."""
    fits = spectra_db @ five_fits(band_mhz).T + five_offsets(acquired.reference, band_mhz)
    *line, slope, intercept = fits.T
    return dict(zip(FIELDS, [*line, *scatterers(slope, intercept, acquired.plane.sound_speed_m_s)], strict=True))


def diameter(
    band_mhz: Float[np.ndarray, " n_bins"],
    bsc_db: Float[np.ndarray, " n_bins"],
    sound_speed_m_s: float,
    name: str = "moving-diameter",
) -> Moving:
    """Return the Gaussian form factor against a backscatter coefficient in dB re 1/(cm sr), its diameter to be moved.

    The concentration is the best for each diameter. The misfit is the root of the mean squared difference, dB; the fit
    of ``form_factor_fit`` makes it least.
    """
    if not np.isfinite(bsc_db).all():
        return instead("not computed: the backscatter coefficient of this window is not known")
    slope, intercept = form_factor_fit(band_mhz) @ (bsc_db - 40 * np.log10(band_mhz))
    best, _ = scatterers(slope, intercept, sound_speed_m_s)
    data = of_each_diameter(band_mhz, bsc_db, sound_speed_m_s) | {
        "f": listed(band_mhz, 3),
        "bsc": listed(bsc_db, 2),
        "best": listed(best, 0),
        "start": int(np.abs(DIAMETERS_UM - 50).argmin()),
        "span": span(bsc_db, 0.3),
    }
    label = "Backscatter coefficient of a window and the form factor of a diameter to move, with its misfit"
    return framed("diameter", name, label, data, stills.diameter(data))


def of_each_diameter(
    band_mhz: Float[np.ndarray, " n_bins"], bsc_db: Float[np.ndarray, " n_bins"], sound_speed_m_s: float
) -> dict[str, Any]:
    """Return the best concentration, the misfit and the curve of each of ``DIAMETERS_UM``."""
    shape_db = gaussian_bsc_db(band_mhz, DIAMETERS_UM[:, None], 0.0, sound_speed_m_s)  # (n_esd, n_bins)
    eac_db = (bsc_db - shape_db).mean(axis=1)
    fine = np.linspace(band_mhz[0], band_mhz[-1], 31)
    return {
        "esd": DIAMETERS_UM.tolist(),
        "eac": listed(eac_db, 1),
        "misfit": listed((bsc_db - shape_db).std(axis=1), 2),
        "fine": listed(fine, 2),
        "models": listed(gaussian_bsc_db(fine, DIAMETERS_UM[:, None], eac_db[:, None], sound_speed_m_s), 1),
    }


# --- survival


def survival(
    duration_years: ArrayLike,
    event: ArrayLike,
    probability: Mapping[str, ArrayLike],
    until_years: float = 10.0,
    name: str = "moving-survival",
) -> Moving:
    """Return survival of the two groups that a threshold makes of each model's probabilities, to be moved.

    ``probability`` maps the title of a model to the patients' (n,). Without patients, the figure is a sentence. Raises
    what ``survival.checked`` does.
    """
    scores = {title: np.asarray(values, float) for title, values in probability.items()}
    if not all(len(values) for values in scores.values()):
        return instead(lacking([]))
    years = np.round(np.arange(0, until_years + STEP_YEARS / 2, STEP_YEARS), 6)
    marks = np.linspace(0, until_years, 6)
    groupings, which = all_groupings(checked(duration_years, event), scores, years, marks)
    data = {
        "titles": list(scores),
        "thresholds": THRESHOLDS.tolist(),
        "start": int(np.abs(THRESHOLDS - 0.5).argmin()),
        "years": years.tolist(),
        "marks": marks.tolist(),
        "groupings": groupings,
        "which": which,
    }
    label = "Recurrence-free survival of two predicted groups, with a threshold of the probability to move"
    return framed("survival", name, label, data, stills.survival(data))


def all_groupings(
    followed: tuple[np.ndarray, ...], scores: Mapping[str, Float[np.ndarray, " n"]], *places: np.ndarray
) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """Return each ``grouping`` that occurs, once, and which of them is that of every score and threshold."""
    groups = [[score >= threshold for threshold in THRESHOLDS] for score in scores.values()]
    different = {group.tobytes(): group for of_score in groups for group in of_score}
    number = {key: i for i, key in enumerate(different)}
    found = [grouping((*followed, group), *places) for group in different.values()]
    return found, [[number[group.tobytes()] for group in of_score] for of_score in groups]


def grouping(
    followed: tuple[np.ndarray, ...], years: Float[np.ndarray, " n_years"], marks: Float[np.ndarray, " n_marks"]
) -> dict[str, Any]:
    """Return what the page shows of two groups: survival at ``years``, numbers at risk at ``marks``, and a sentence.

    ``followed`` is durations in years, recurrences, and who is called a non-responder, each (n,).
    """
    duration_years, event, group = followed
    members = ~group, group
    free = [free_at(duration_years[one], event[one], years) if one.any() else [] for one in members]
    found = log_rank(duration_years, event, group)
    counts = zip(("responders", "non-responders"), found.n_patients, found.n_events, strict=True)
    told = ", ".join(f"{label}: {n} ({events} with a recurrence)" for label, n, events in counts)
    verdict = not_compared(found) or f"log-rank p: {p_text(found.p_value)}"
    few = too_few(found.n_patients[1])
    said = ". ".join(
        part for part in (f"Called {told}", sentence(verdict).rstrip("."), sentence(few).rstrip(".")) if part
    )
    return {
        "free": free,
        "at_risk": [at_risk(duration_years[one], marks).tolist() for one in members],
        "told": said + ".",
    }


def log_rank(
    duration_years: Float[np.ndarray, " n"], event: Bool[np.ndarray, " n"], group: Bool[np.ndarray, " n"]
) -> Comparison:
    """Return a comparison as ``survival.compare`` does, of the log-rank test alone: NaN where there is none.

    Cox's model does not converge for every grouping that a threshold can make.
    """
    n_patients = int(np.sum(~group)), int(np.sum(group))
    n_events = int(np.sum(event & ~group)), int(np.sum(event & group))
    p_value = np.nan
    if min(n_patients) and sum(n_events):
        test = logrank_test(duration_years[group], duration_years[~group], event[group], event[~group])
        p_value = float(test.p_value)
    return Comparison(p_value, np.nan, UNDEFINED, np.nan, n_patients, n_events)


def free_at(
    duration_years: Float[np.ndarray, " n"], event: Bool[np.ndarray, " n"], years: Float[np.ndarray, " n_years"]
) -> list[float]:
    """Return the Kaplan-Meier estimate at ``years``, up to the first after which nobody was seen."""
    seen = years[years < duration_years.max() + STEP_YEARS]
    return listed(fit_curve(duration_years, event).survival_function_at_times(seen), 3)


# --- what moves a prediction


@dataclass(frozen=True, eq=False)
class Explained:
    """One tumour's central plane with the prediction differences of some networks, each (C, n, n)."""

    title: str  # by the rule that chose it, never whose it is
    mapped: MappedPlane  # with its B-mode
    maps: Float[np.ndarray, "C n n"]
    region: Bool[np.ndarray, "n n"]  # core and margin
    extent_mm: tuple[float, float, float, float]  # of the images
    differences: Mapping[str, Float[np.ndarray, "C n n"]]  # by network


def explanation(tumours: Sequence[Explained], fields: Sequence[str], name: str = "moving-explanation") -> Moving:
    """Return a tumour's map with prediction differences as a layer over it, whose opacity is moved.

    ``fields`` are the maps, C of them. Differences are shown inside the region, those of all networks on one of
    ``figures.SCALES``. Raises ``ValueError`` for planes without B-mode.
    """
    if not tumours:
        return instead(lacking([]))
    data = {
        "channels": [NAMES[field] for field in fields],
        "layers": list(tumours[0].differences),
        "tumours": [tumour_data(one) for one in tumours],
    }
    label = "A tumour's parametric map with prediction differences of a network over it, their opacity to move"
    return framed("explanation", name, label, data, stills.explanation(tumours[0], fields))


def tumour_data(one: Explained) -> dict[str, Any]:
    """Return one tumour's pictures, and the largest differences in percentage points."""
    shown = {name: np.where(one.region, values, np.nan) for name, values in one.differences.items()}
    largest = {name: 100 * np.nanmax(values, axis=(1, 2), initial=0.0) for name, values in shown.items()}
    scale = scale_of(np.stack(list(largest.values())))
    base, view_mm = stills.closer(one.mapped)
    return {
        "title": one.title,
        "view": listed(view_mm, 2),
        "extent": listed(one.extent_mm, 2),
        "base": as_png(base),
        "core": outlines(one.mapped.core, one.mapped.maps.extent_mm),
        "maps": [as_png(coloured(values, "viridis")) for values in one.maps],
        "over": [
            [as_png(coloured(100 * values, "magma", scale)) for values in of_network] for of_network in shown.values()
        ],
        "top": scale[1],
        "largest": [listed(values, 2) for values in largest.values()],
    }
