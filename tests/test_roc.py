"""The interactive curve is checked as text everywhere, and in Chromium with the network cut where there is one."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import asah
import matplotlib.pyplot as plt
import numpy as np
import pytest
from fifty import FIRST, POSITIVE, SECOND
from scipy.stats import norm

from beyond import comparison
from helpers.judgement import evaluation, roc
from helpers.judgement.auc import auc_interval
from pages import judgement
from pages.judgement import operating_point
from reading import roc as moving

CURVES = {"RAN, core": (POSITIVE, FIRST), "RAN, core + margin": (POSITIVE, SECOND)}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def test_curve_by_hand():
    x, y, threshold = roc.roc_curve([1, 0, 1, 0], [0.9, 0.6, 0.6, 0.1])
    assert x.tolist() == [0, 0, 0.5, 1]
    assert y.tolist() == [0, 0.5, 1, 1]
    assert threshold.tolist() == [np.inf, 0.9, 0.6, 0.1]


def test_area_is_the_share_of_won_pairs():
    x, y, _ = roc.roc_curve(POSITIVE, FIRST)
    assert np.trapezoid(y, x) == pytest.approx(auc_interval(POSITIVE, FIRST)[0], abs=1e-12)


def test_operating_point_against_the_published_example_of_pROC():
    # data(aSAH); coords(roc(outcome, s100b), "best"): threshold 0.205, specificity 0.8055556, sensitivity 0.6341463
    false_rate, true_rate = operating_point(asah.POOR, asah.S100B, 0.205)
    assert (1 - false_rate, true_rate) == pytest.approx((0.8055556, 0.6341463), abs=5e-8)


def test_operating_point_lies_on_the_curve():
    x, y, _ = roc.roc_curve(POSITIVE, FIRST)
    assert operating_point(POSITIVE, FIRST, 0.5) in set(zip(x, y, strict=True))


def test_band_holds_the_curve_and_has_width_where_the_classes_separate():
    for score in (FIRST, POSITIVE.astype(float)):
        x, y, _ = roc.roc_curve(POSITIVE, score)
        grid, low, high = roc.band(POSITIVE, score)
        at = np.searchsorted(grid, x, side="right") - 1
        assert ((low[at] <= y + 1e-12) & (y <= high[at] + 1e-12)).all()
        assert ((low >= 0) & (high <= 1) & (high - low > 0.1)).all()
        assert (np.diff(low) >= 0).all()
        assert (np.diff(high) >= 0).all()


def test_band_by_hand():
    """One threshold between 2 positives and 2 negatives: its rectangle, and those of the two corners."""
    grid, low, high = roc.band([1, 1, 0, 0], [1.0, 1.0, 0.0, 0.0])
    some, most = evaluation.proportion_interval(2, 2, 0.95**0.5)[1:]
    none = 1 - some
    assert grid == pytest.approx([0, some, none, 1], abs=1e-12)
    assert low == pytest.approx([0, 0, some, some], abs=1e-12)
    assert high == pytest.approx([most] * 4, abs=1e-12)


def test_band_of_unequal_classes_by_hand():
    """Two positives above six negatives: the width across is that of six, the width upwards that of two."""
    grid, low, high = roc.band([1] * 2 + [0] * 6, [1.0] * 2 + [0.0] * 6)
    of_six, of_two = (evaluation.proportion_interval(n, n, 0.95**0.5)[1] for n in (6, 2))
    assert grid == pytest.approx([0, 1 - of_six, of_six, 1], abs=1e-12)
    assert low == pytest.approx([0, of_two, of_two, of_two], abs=1e-12)
    assert high == pytest.approx([1] * 4, abs=1e-12)


def test_band_holds_the_true_point_in_95_of_100_studies():
    generator, held = np.random.default_rng(0), []
    truth = norm.sf(0.8), norm.sf(0.8 - 1.2)  # rates of a threshold at 0.8, classes 1.2 SD apart
    for _ in range(150):
        score = np.concatenate([1.2 + generator.standard_normal(10), generator.standard_normal(40)])
        grid, low, high = roc.band(POSITIVE, score)
        at = np.searchsorted(grid, truth[0], side="right") - 1
        held.append(low[at] <= truth[1] <= high[at])
    assert np.mean(held) >= 0.95


def test_precision_and_recall_by_hand():
    precision, recall, average = comparison.precision_recall([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    assert recall.tolist() == [1, 1, 0.5, 0.5, 0]
    assert precision.tolist() == pytest.approx([0.5, 2 / 3, 0.5, 1, 1])
    assert average == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_drawing_tells_auc_and_interval():
    figure, ax = plt.subplots()
    judgement.draw_roc(ax, POSITIVE, FIRST, "C0", "test", with_band=True)
    assert [line.get_label() for line in ax.get_lines()][0] == "test: AUC 0.82 (0.64–0.93)"
    judgement.draw_roc(ax, [1, 1, 0, 0, 0], [0.9, 0.4, 0.5, 0.1, 0.2], "C0", "test")
    assert ax.get_lines()[-2].get_label().endswith("\ntoo few: 2 non-responders")
    plt.close(figure)


# --- the curve whose threshold the reader moves


class Tags(HTMLParser):
    """Collect tags with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def data_of(page):
    return json.loads(re.search(r'type="application/json"[^>]*>(.*?)</script>', page, re.S).group(1))


def test_page_holds_the_data_it_needs():
    curves = data_of(moving.interactive(CURVES))["curves"]
    assert [curve["title"] for curve in curves] == list(CURVES)
    order = np.argsort(FIRST, kind="stable")  # the page does not tell in which row of the cohort a patient stands
    assert curves[0]["score"] == FIRST[order].tolist()
    assert np.array_equal(curves[0]["positive"], POSITIVE[order])
    assert curves[0]["auc"] == pytest.approx(auc_interval(POSITIVE, FIRST))
    assert curves[0]["curve"] == np.column_stack(roc.roc_curve(POSITIVE, FIRST)[:2]).tolist()


def test_page_calls_a_non_responder_from_the_threshold_on():
    """The counts of the page, where no browser runs it: >=, as ``confusion``."""
    counting = re.search(r"const of = .*", moving.interactive(CURVES)).group()
    assert "(s >= threshold) === call" in counting
    assert "curve.positive[i] === truth" in counting


def test_page_asks_nobody_for_anything():
    page = moving.interactive(CURVES)
    loads = {"src", "href", "action", "data", "srcset"}
    assert [attrs for _, attrs in Tags(page).found if loads & set(attrs)] == []
    assert re.findall(r"@import|url\(|fetch\(|XMLHttpRequest|import\(|sendBeacon", page) == []
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}  # a name, not an address


def test_page_can_be_used_by_keyboard_and_read_aloud():
    tags = Tags(moving.interactive(CURVES)).found
    identities = {attrs["id"] for _, attrs in tags if "id" in attrs}
    labelled = {attrs.get("for") for tag, attrs in tags if tag == "label"}
    slider = next(attrs for tag, attrs in tags if tag == "input")
    assert slider["type"] == "range"
    assert slider["id"] in labelled
    drawings = [attrs for tag, attrs in tags if tag == "svg" and "aria-hidden" not in attrs]
    assert all(attrs["role"] == "img" and set(attrs["aria-labelledby"].split()) <= identities for attrs in drawings)
    assert sum(tag == "caption" for tag, _ in tags) == sum(tag == "table" for tag, _ in tags) == 2
    assert all("scope" in attrs for tag, attrs in tags if tag == "th")


def test_two_on_one_page_do_not_share_a_name():
    first, second = (Tags(moving.interactive(CURVES, name=name)).found for name in ("one", "two"))
    assert not {a["id"] for _, a in first if "id" in a} & {a["id"] for _, a in second if "id" in a}


def test_no_title_can_break_out_of_its_place():
    page = moving.interactive({"</script><b>": (POSITIVE, FIRST)}, whose="a < b")
    assert "</script><b>" not in page
    assert data_of(page)["curves"][0]["title"] == "</script><b>"
    assert "A &lt; b" in page


def test_nothing_to_draw_is_named():
    with pytest.raises(ValueError, match="at least one model"):
        moving.interactive({})
    told = moving.interactive({"a": ([1, 1], [0.1, 0.2])})
    assert told == "<p>Not computed: 0 responders in the test set.</p>"


def test_a_curve_of_too_few_is_told_beneath_it():
    page = moving.interactive({"a": ([1, 0, 0], [0.9, 0.2, 0.1])})
    assert page.endswith("<p>Too few: 1 non-responder in the test set.</p>")
    assert "Too few" not in moving.interactive(CURVES)


def test_a_curve_that_cannot_be_drawn_is_told_in_its_panel():
    figure, (legend, panel) = plt.subplots(1, 2)
    judgement.draw_roc(legend, [0, 0], [0.1, 0.2], "C0", "validation", with_band=True)
    told = " ".join(line.get_label() for line in legend.get_lines())
    assert told.replace("\n", " ") == "not computed: 0 non-responders in the validation set"
    judgement.write_instead(panel, "not computed: 0 patients in the test set")
    assert panel.texts[0].get_text().replace("\n", " ") == "not computed: 0 patients in the test set"
    plt.close(figure)


STATES = [(0, 0.5), (1, 0.36), (0, 1.0)]  # model, threshold
FLAGS = "--headless --no-sandbox --disable-gpu --proxy-server=127.0.0.1:9 --dump-dom".split()


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Return what Chromium makes of the page in each state, all at once, without a network."""
    if not CHROMIUM:
        pytest.skip("no Chromium here")
    page = tmp_path_factory.mktemp("chromium") / "page.html"
    page.write_text(f"<!doctype html><meta charset='utf-8'>{moving.interactive(CURVES)}")
    browsers = {}
    for model, threshold in STATES:
        address, own = f"{page.as_uri()}#roc={threshold},{model}", f"--user-data-dir={page.parent / str(len(browsers))}"
        command = [CHROMIUM, *FLAGS, own, address]
        browsers[model, threshold] = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    return {state: browser.communicate(timeout=120)[0] for state, browser in browsers.items()}


def told_by(dom):
    """Return the text fields of a page, by their names, and where its point stands."""
    texts = re.findall(r'id="roc-([a-z]+)"[^>]*>([^<]*)<', dom)
    point = re.search(r'<circle id="roc-point"[^>]*>', dom).group()
    cx, cy = (float(re.search(rf'{name}="([\d.]+)"', point).group(1)) for name in ("cx", "cy"))
    return {name: html.unescape(text).replace("\u2060", "") for name, text in texts} | {"at": (cx, cy)}


@pytest.mark.parametrize(("model", "threshold"), STATES)
def test_moved_threshold_in_chromium_against_the_confusion_matrix(shown, model, threshold):
    positive, score = list(CURVES.values())[model]
    tp, fn, tn, fp = evaluation.confusion(positive, score, threshold)
    told = told_by(shown[model, threshold])
    assert [told[name] for name in ("tp", "fn", "tn", "fp")] == [str(count) for count in (tp, fn, tn, fp)]
    rates = {"sensitivity": (tp, tp + fn), "specificity": (tn, tn + fp), "ppv": (tp, tp + fp), "npv": (tn, tn + fn)}
    for name, (k, n) in rates.items():
        if n:
            share, low, high = (np.floor(100 * value + 0.5) for value in evaluation.proportion_interval(k, n))
            assert told[name] == f"{k} of {n}: {share:.0f} % ({abs(low):.0f}–{high:.0f})"
        else:
            assert told[name] == "nobody is called so"
    x, y = operating_point(positive, score, threshold)
    assert told["at"] == pytest.approx((50 + 270 * x, 280 - 270 * y), abs=1e-6)
