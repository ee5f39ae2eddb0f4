"""Figures that a reader moves: what they hold, as text everywhere; what moving does, in Chromium where there is one.

The authority for every number is the function of the study that the chapters use, or lifelines itself.
"""

import base64
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.datasets import load_leukemia
from lifelines.statistics import logrank_test
from PIL import Image
from publish import Private, table_faults
from test_roc import FLAGS, Tags, data_of

from helpers.data.form_factor import form_factor_fit, gaussian_bsc_db, scatterers
from helpers.data.simulation import simulated
from helpers.data.study import draw_patients
from helpers.judgement.survival import at_risk
from helpers.maps.grid import window_grid
from helpers.maps.normalisation import normalised
from helpers.maps.parametric import FIELDS, FOUR, LABELS, ParametricMaps, map_windows
from helpers.maps.planes import MappedPlane, protocol_of
from helpers.settings import load_settings
from pages.figures import SCALES
from pages.judgement import p_text
from reading import moving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LEUKEMIA = load_leukemia()
FOLLOWED = LEUKEMIA.t.to_numpy() / 4, LEUKEMIA.status.to_numpy().astype(bool)
SCORES = {
    "one": np.random.default_rng(1).choice([0.1, 0.32, 0.6, 0.81], 42),
    "other": np.linspace(0.1, 0.5, 42).round(1),
}
CHOICES = load_settings("smoke", minimum_snr_db=-100.0).maps
BAND = np.linspace(3, 8, 13)
BSC_DB = gaussian_bsc_db(BAND, 95.0, -5.0, 1540.0) + np.random.default_rng(2).normal(0, 1, 13)
NAMES = ("window", "attenuation", "diameter", "survival", "explanation")


@pytest.fixture(scope="module")
def acquired():
    return simulated(draw_patients(8, seed=0).iloc[0], 2, n_lines=60, depth_cm=4.0, n_frames=1, seed=0)


def tumour(title):
    """A tumour of made-up maps whose differences by a trained network are ten times those by a random one."""
    rng, places_mm = np.random.default_rng(0), np.arange(0, 30, 1.0)
    core = np.hypot(*np.meshgrid(places_mm - 15, places_mm - 15)) < 5
    maps = ParametricMaps(*rng.normal(size=(5, 30, 30)), places_mm, places_mm)
    region = np.ones((16, 16), bool)
    mapped = MappedPlane(maps, core, ~core, rng.normal(-30, 5, (80, 60)), (0.0, 30.0, 30.0, 0.0))
    trained = np.arange(4 * 256).reshape(4, 16, 16) / 4096
    layers = {"trained": trained, "random weights": trained / 10}
    return moving.Explained(title, mapped, rng.normal(size=(4, 16, 16)), region, (0.0, 30.0, 30.0, 0.0), layers)


@pytest.fixture(scope="module")
def figures(acquired):
    """All moving figures, by name."""
    made = [
        moving.window(acquired, CHOICES, acquired.tissue.attenuation_on(acquired.plane)),
        moving.attenuation(acquired, CHOICES),
        moving.diameter(BAND, BSC_DB, 1540.0),
        moving.survival(*FOLLOWED, SCORES),
        moving.explanation([tumour("nearest to the truth"), tumour("least certain")], FOUR),
    ]
    return dict(zip(NAMES, made, strict=True))


@pytest.fixture(params=NAMES)
def page(request, figures):
    return figures[request.param].html


# --- what every page must be


def test_a_page_asks_nobody_for_anything_and_stays_small(page):
    addresses = [value for _, attrs in Tags(page).found for name, value in attrs.items() if name in ("src", "href")]
    assert all(address.startswith("data:") for address in addresses)
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", page)
    assert not re.search(r"%[A-Z]+%", page)
    assert len(page) < 300_000


def test_a_page_can_be_used_by_keyboard_and_read_aloud(page):
    tags = Tags(page).found
    identities = [attrs["id"] for _, attrs in tags if "id" in attrs]
    labelled = {attrs.get("for") for tag, attrs in tags if tag == "label"}
    controls = [attrs for tag, attrs in tags if tag in ("input", "select")]
    assert len(set(identities)) == len(identities)
    assert controls
    assert {attrs["id"] for attrs in controls} <= labelled
    assert all(attrs["type"] == "range" for tag, attrs in tags if tag == "input")
    drawings = [attrs for tag, attrs in tags if tag == "svg" and not {"aria-hidden", "x"} & set(attrs)]
    assert all(attrs["role"] == "img" and attrs["aria-labelledby"] in identities for attrs in drawings)
    assert any(attrs.get("aria-live") == "polite" for _, attrs in tags)
    assert "aria-label" in dict(tags[0][1])


def test_a_page_has_a_still_picture_for_readers_without_javascript(figures):
    for figure in figures.values():
        shown = figure._repr_mimebundle_()
        assert shown["image/png"] == figure.still
        assert f'<img src="data:image/png;base64,{figure.still}" alt=' in figure.html.partition("<noscript>")[2]


def test_two_on_one_page_share_no_name():
    first, second = (moving.diameter(BAND, BSC_DB, 1540.0, name=name).html for name in ("one", "two"))
    ids = [{attrs["id"] for _, attrs in Tags(page).found if "id" in attrs} for page in (first, second)]
    assert not ids[0] & ids[1]


def test_a_page_of_recorded_patients_would_be_published(page, tmp_path):
    """No column of patients beside one of outcomes, in the words of the search that guards publication."""
    path = tmp_path / "page.html"
    path.write_text(page)
    assert table_faults(path, Private(ids=frozenset({"BR-07"}))) == set()


def test_a_title_cannot_break_out_of_its_place():
    page = moving.survival(*FOLLOWED, {"</script><b>": SCORES["one"]}).html
    assert "</script><b>" not in page
    assert data_of(page)["titles"] == ["</script><b>"]


def test_what_cannot_be_shown_is_a_sentence_and_a_picture():
    for figure in (moving.survival([], [], {"one": []}), moving.explanation([], FOUR)):
        assert figure.html.startswith("<p>Not computed: 0 patients in the test set.</p><img ")
    unknown = moving.diameter(BAND, np.full(13, np.nan), 1540.0)
    assert "backscatter coefficient of this window is not known" in unknown.html


# --- what they hold, against the study's functions


def test_windows_hold_the_five_numbers_of_the_maps(acquired, figures):
    data, grid = data_of(figures["window"].html), moving.coarse_grid(acquired, CHOICES)
    assert (len(data["depth"]), len(data["lateral"])) == grid.inside.shape
    maps = map_windows(acquired.plane, acquired.reference, grid, acquired.tissue.attenuation_on(acquired.plane))
    for column, (name, digits) in enumerate(zip(FIELDS, moving.DIGITS, strict=True)):
        shown = np.array([five[column] for five in data["five"]], float)
        assert shown == pytest.approx(getattr(maps, name).ravel(), abs=0.51 * 10**-digits, nan_ok=True)


def test_the_line_is_the_one_through_the_points(figures):
    data = data_of(figures["window"].html)
    for at in range(0, len(data["five"]), 97):
        ss, si = np.polyfit(data["f"], data["spectra"][at], 1)
        assert data["lines"][at] == pytest.approx([si, ss], abs=0.15)


def test_attenuation_at_the_truth_gives_the_truth_and_too_little_gives_too_large(acquired, figures):
    data = data_of(figures["attenuation"].html)
    alpha, esd_um, _ = data["truth"]
    sizes = np.array([five[3] for five in data["five"]], float)
    assert np.interp(alpha, data["alpha"], sizes) == pytest.approx(esd_um, rel=0.1)
    assert np.nanmax(sizes) == sizes[0]
    assert sizes[0] > esd_um > np.nanmin(sizes)


def test_spectra_under_an_attenuation_are_those_of_the_maps(acquired, figures):
    data, (core, _) = data_of(figures["attenuation"].html), acquired.regions(CHOICES.margin_mm)
    by_half = replace(protocol_of(CHOICES), overlap=0.5)
    grid = window_grid(acquired.plane, acquired.reference, core, by_half)
    W = normalised(acquired.plane, acquired.reference, grid, data["alpha"][9], np.eye(13))
    mean = np.moveaxis(W, 1, 2)[grid.inside].mean(axis=0)
    assert data["spectra"][9] == pytest.approx(mean, abs=0.006)
    assert data["five"][9][1] == pytest.approx(np.polyfit(BAND, mean, 1)[0], abs=0.006)


def test_the_least_misfit_is_where_the_fit_of_the_form_factor_is(figures):
    data = data_of(figures["diameter"].html)
    best, eac_db = scatterers(*(form_factor_fit(BAND) @ (BSC_DB - 40 * np.log10(BAND))), 1540.0)
    assert data["best"] == round(float(best))
    at = int(np.argmin(data["misfit"]))
    assert abs(data["esd"][at] - best) <= 2
    assert data["eac"][at] == pytest.approx(eac_db, abs=0.4)


def test_survival_at_every_threshold_against_lifelines(figures):
    data = data_of(figures["survival"].html)
    duration, event = FOLLOWED
    for model, score in enumerate(SCORES.values()):
        for i, threshold in enumerate(data["thresholds"]):
            group, found = score >= threshold, data["groupings"][data["which"][model][i]]
            assert f"responders: {(~group).sum()} ({event[~group].sum()} with a recurrence)" in found["told"]
            for member, free, counts in zip((~group, group), found["free"], found["at_risk"], strict=True):
                assert counts == at_risk(duration[member], data["marks"]).tolist()
                if member.any():
                    fit = KaplanMeierFitter().fit(duration[member], event[member])
                    expected = fit.survival_function_at_times(data["years"][: len(free)])
                    assert free == pytest.approx(expected.to_numpy(), abs=6e-4)
                    assert free[-1] == pytest.approx(fit.survival_function_.iloc[-1, 0], abs=6e-4)
            if group.all() or not group.any():
                assert "Not computed: 0 " in found["told"]
            else:
                test = logrank_test(duration[group], duration[~group], event[group], event[~group])
                assert f"og-rank p: {p_text(test.p_value)}." in found["told"]
            assert ("Too few: " in found["told"]) == (0 < group.sum() < 5)


def test_no_patients_own_time_is_on_the_page(figures):
    data = data_of(figures["survival"].html)
    assert set(np.round(np.diff(data["years"]), 9)) == {moving.STEP_YEARS}
    assert set(data["groupings"][0]) == {"free", "at_risk", "told"}


def test_an_explanation_tells_the_largest_differences_and_shows_all_networks_on_one_scale(figures):
    one = data_of(figures["explanation"].html)["tumours"][0]
    expected = 100 * tumour("").differences["trained"].max(axis=(1, 2))
    assert one["largest"] == [pytest.approx(expected, abs=6e-3), pytest.approx(expected / 10, abs=6e-3)]
    assert one["top"] == min(top for top in SCALES if top >= expected.max())
    brightest = [max(level(picture) for picture in of_network) for of_network in one["over"]]
    assert brightest[1] < 0.3 * brightest[0]  # a tenth of the differences is a tenth as high on the scale
    assert len(set(one["over"][0])) == 4


def level(picture):
    """Return the mean brightness of the visible pixels of a picture."""
    with Image.open(BytesIO(base64.b64decode(picture.split(",")[1]))) as image:
        pixels = np.asarray(image.convert("RGBA"), float)
    return pixels[pixels[..., 3] > 0][:, :3].mean()


def test_a_plane_without_what_is_needed_is_refused(acquired):
    with pytest.raises(ValueError, match="its tissue is not known"):
        moving.attenuation(replace(acquired, tissue=None), CHOICES)
    assert data_of(moving.window(replace(acquired, tissue=None), CHOICES, 0.8).html)["truth"] is None


# --- moved, in a browser without a network

MOVES = [("window", "depth", 3), ("window", "lateral", 5), ("attenuation", "alpha", 9), ("diameter", "esd", 30)]
MOVES += [
    ("survival", "model", 1),
    ("survival", "threshold", 4),
    ("explanation", "layer", 1),
    ("explanation", "opacity", 25),
]
SCRIPT = """<script type="application/json" id="before"></script><script>
  const keep = (id) => document.getElementById(id).textContent = JSON.stringify(Object.fromEntries(
    [...document.querySelectorAll("section [id]")].filter((one) => one.tagName !== "SCRIPT").map((one) =>
      [one.id, [one.textContent, ...["d", "x", "opacity", "href"].map((name) => one.getAttribute(name))]])));
  keep("before");
  for (const [name, id, value] of %s) {
    const control = document.getElementById(`moving-${name}-${id}`);
    control.value = value;
    control.dispatchEvent(new Event("input", {bubbles: true}));
  }
</script><script type="application/json" id="after"></script><script>keep("after")</script>"""


@pytest.fixture(scope="module")
def moved(figures, tmp_path_factory):
    """What Chromium shows before and after all controls were moved, by identity: text and attributes."""
    if not CHROMIUM:
        pytest.skip("no Chromium here")
    page = tmp_path_factory.mktemp("chromium") / "page.html"
    body = "".join(figure.html for figure in figures.values()) + SCRIPT % json.dumps(MOVES)
    page.write_text(f"<!doctype html><meta charset='utf-8'>{body}")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={page.parent / 'own'}", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    found = [re.search(rf'id="{name}">(.*?)</script>', dom, re.S).group(1) for name in ("before", "after")]
    keys = "text d x opacity href".split()
    return [
        {id: dict(zip(keys, values, strict=True)) for id, values in json.loads(html.unescape(state)).items()}
        for state in found
    ]


def shown(state, name):
    return state[f"moving-{name}"]


def test_a_moved_window_shows_its_own_spectrum_and_numbers(figures, moved):
    data, (before, after) = data_of(figures["window"].html), moved
    at = 3 * len(data["lateral"]) + 5
    numbers = [f"{five:.{digits}f}" for five, digits in zip(data["five"][at], data["digits"], strict=True)]
    truth = [f"{five:.{digits}f}" for five, digits in zip(data["truth"][at], data["digits"], strict=True)]
    expected = "".join(map("".join, zip(LABELS.values(), numbers, truth, strict=True)))
    assert shown(after, "window-rows")["text"] == expected.replace("-", "−")
    assert float(shown(after, "window-box")["x"]) == pytest.approx(data["lateral"][5] - data["size"] / 2)
    assert shown(after, "window-points")["d"] != shown(before, "window-points")["d"]


def test_a_moved_attenuation_shows_its_diameter(figures, moved):
    five = data_of(figures["attenuation"].html)["five"][9]
    told = shown(moved[1], "attenuation-told")["text"].replace("−", "-")
    assert f"SS {five[1]:.2f} dB/MHz" in told
    assert f"ESD {five[3]:.0f} µm, EAC {five[4]:.1f} dB. Truth" in told
    assert shown(moved[1], "attenuation-fit")["d"] != shown(moved[0], "attenuation-fit")["d"]


def test_a_moved_diameter_shows_its_misfit(figures, moved):
    data = data_of(figures["diameter"].html)
    told = shown(moved[1], "diameter-told")["text"]
    assert told.startswith(f"Misfit {data['misfit'][30]:.2f} dB at {data['esd'][30]} µm")
    assert shown(moved[1], "diameter-model")["d"] != shown(moved[0], "diameter-model")["d"]


def test_a_moved_threshold_shows_the_log_rank_p_of_lifelines(figures, moved):
    (duration, event), group = FOLLOWED, SCORES["other"] >= 0.25
    p = logrank_test(duration[group], duration[~group], event[group], event[~group]).p_value
    assert f"log-rank p: {p_text(p)}.".lower() in shown(moved[1], "survival-told")["text"].lower()
    assert shown(moved[1], "survival-shown")["text"] == "0.25"
    assert shown(moved[1], "survival-second")["d"] != shown(moved[0], "survival-second")["d"]
    assert shown(moved[1], "survival-risk")["text"] != shown(moved[0], "survival-risk")["text"]


def test_a_moved_layer_is_as_opaque_as_was_asked(figures, moved):
    one = data_of(figures["explanation"].html)["tumours"][0]
    assert shown(moved[1], "explanation-over") | {"opacity": "0.25", "href": one["over"][1][0]} == shown(
        moved[1], "explanation-over"
    )
    assert f"at most {one['largest'][1][0]:.2f} percentage points" in shown(moved[1], "explanation-told")["text"]
