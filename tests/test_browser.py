"""The look in a browser finds what is planted on a page, each fault by its page."""

import browser
import pytest

pytestmark = pytest.mark.skipif(not browser.CHROMIUM, reason="no Chromium here")
PLANTED = {
    "good": '<p>A formula <span class="math"><mjx-container>x</mjx-container></span>, 100 % of it.</p>',
    "thrown": "<script>throw new Error('no echo')</script>",
    "said": "<script>console.error('no echo')</script>",
    "asked": '<img src="http://192.0.2.1/a.png" alt="">',
    "raw": r'<p class="math">\(x\)</p>',
    "wrong": '<p class="math"><mjx-container><mjx-merror>x</mjx-merror></mjx-container></p>',
    "idle": '<script src="mathjax/none.js" type="text/plain"></script>',
    "placeholder": "<p>{{ n_patients }} patients</p><p>TODO: write</p>",
    "sideways": '<div style="width: 600px">wide</div>',
    "unreached": '<main class="bd-article"><pre style="overflow: auto">' + "x" * 60 + "</pre></main>",
    "cut": '<pre style="overflow: auto" tabindex="0">' + "x" * 200 + "</pre>",
    "heavy": '<img src="big.png" alt="">',
}
TOLD = {
    "thrown": ["no echo", "from a file: .*no echo"],
    "said": ["no echo", "from a file: .*no echo"],
    "asked": ["asks for http://192.0.2.1", "ERR_", "from a file: .*ERR_", "from a file: asks for"],
    "raw": ["1 formulas are not drawn"],
    "wrong": ["1 formulas are wrong"],
    "idle": ["MathJax is loaded and there is no formula"],
    "placeholder": ["placeholder: {{ n_patients }} patients", "placeholder: TODO"],
    "sideways": ["scrolls sideways: 6.. px"],
    "unreached": ["cannot be reached by keyboard: <pre"],
    "cut": ["code is cut in print: xxx"],
    "heavy": ["3,000,.* bytes with its pictures"],
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Faults of the planted pages."""
    folder = tmp_path_factory.mktemp("planted")
    for name, body in PLANTED.items():
        head = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>A page</title>'
        (folder / f"{name}.html").write_text(head + body)
    (folder / "big.png").write_bytes(bytes(3_000_000))
    return browser.faults(folder)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_and_no_other(found, name):
    told = [line.partition(": ")[2] for line in found if line.startswith(f"{name}.html: ")]
    patterns = TOLD.get(name, [])
    assert all(any(browser.re.search(pattern, line) for line in told) for pattern in patterns), told
    assert all(any(browser.re.search(pattern, line) for pattern in patterns) for line in told), told
