"""A look at rendered pages in a headless Chromium, spoken to over a pipe in its own protocol.

``python tests/browser.py _build/html [axe.min.js]`` tells what is wrong with any page; with axe-core also against the
rules of WCAG 2.2 AA, in light, in dark and on a phone.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = "--headless --no-sandbox --disable-gpu --disable-background-networking --remote-debugging-pipe".split()
FLAGS += ["--proxy-server=127.0.0.1:9"]  # what is asked of another server fails
WIDE, PHONE = (1280, 900), (375, 800)  # px
PAPER = (718, 1000)  # px, A4 within margins of 10 mm


class Browser:
    """One tab; ``events`` holds what the page has said since it was opened."""

    def __init__(self, folder):
        (theirs, self.out), (self.inwards, ours) = os.pipe(), os.pipe()
        wrapped = ["bash", "-c", f'exec "$@" 3<&{theirs} 4>&{ours}', "bash", CHROMIUM, *FLAGS]
        more = {"pass_fds": (theirs, ours), "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([*wrapped, f"--user-data-dir={folder}"], **more)
        os.close(theirs)
        os.close(ours)
        self.rest, self.number, self.session, self.events = b"", 0, {}, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        """End it."""
        self.session = {}
        self.call("Browser.close")
        self.process.wait(20)
        os.close(self.out)
        os.close(self.inwards)

    def message(self):
        """Return the next thing it says."""
        while b"\0" not in self.rest:
            more = os.read(self.inwards, 1 << 20)
            assert more, "Chromium has ended"
            self.rest += more
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        """Return what it answers; what it tells meanwhile is kept in ``events``."""
        self.number += 1
        asked = {"id": self.number, "method": method, "params": parameters} | self.session
        os.write(self.out, json.dumps(asked).encode() + b"\0")
        while (answer := self.message()).get("id") != self.number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, address):
        """Open a page and wait until it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=address)
        while not self.told("Page.loadEventFired"):
            self.events.append(self.message())

    def told(self, method):
        """Return what events of one kind told."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def run(self, script):
        """Return the value of a script on the page, awaited."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def resize(self, size, media=""):
        """Make the page as wide and as high (px), on a screen or as it is printed."""
        screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **screen)
        self.call("Emulation.setEmulatedMedia", media=media)

    def complaints(self):
        """Return errors in the console and requests to other servers since the page was opened."""
        thrown = [str(one["exceptionDetails"]) for one in self.told("Runtime.exceptionThrown")]
        logged = [one["entry"]["text"] for one in self.told("Log.entryAdded") if one["entry"]["level"] == "error"]
        said = [str(one["args"]) for one in self.told("Runtime.consoleAPICalled") if one["type"] in ("error", "assert")]
        asked = [one["request"]["url"] for one in self.told("Network.requestWillBeSent")]
        own = ("http://127.0.0.1", "file:", "data:", "blob:", "about:")
        return thrown + logged + said + [f"asks for {url}" for url in asked if not url.startswith(own)]


class Quiet(SimpleHTTPRequestHandler):
    """A handler that writes no log."""

    def log_message(self, *_):
        pass


@contextmanager
def served(folder):
    """Serve a folder on this machine; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


# --- what may be wrong with a page

SETTLED = "(async () => { if (window.MathJax?.startup) await MathJax.startup.promise; await document.fonts.ready; })()"
FORMULAS = """(() => {
  const formulas = [...document.querySelectorAll(".math")];
  const raw = formulas.filter(one => !one.querySelector("mjx-container")).length;
  const wrong = document.querySelectorAll("mjx-merror, [data-mml-node=merror]").length;
  const idle = !formulas.length && document.querySelector("script[src*=mathjax]");
  return [...raw ? [`${raw} formulas are not drawn`] : [], ...wrong ? [`${wrong} formulas are wrong`] : [],
          ...idle ? ["MathJax is loaded and there is no formula"] : []];
})()"""
PLACEHOLDERS = r"""([...document.querySelectorAll("p, li, td, th, h1, h2, h3, dd, dt, figcaption, caption")]
  .map(one => one.innerText).join("\n").match(/\{\{.*|\b(TODO|FIXME|XXX)\b|lorem ipsum|\[object Object\]|%[A-Z]{3,}%/gi)
  || []).map(text => `placeholder: ${text}`)"""
SIDEWAYS = """document.documentElement.scrollWidth > innerWidth
  ? [`scrolls sideways: ${document.documentElement.scrollWidth} px wide`] : []"""
UNREACHED = """new Promise(done => requestAnimationFrame(() => setTimeout(() => done(
  [...document.querySelectorAll(".bd-article :is(table, figure, pre, .math)")]
    .filter(box => box.checkVisibility() && box.scrollWidth > box.clientWidth && box.tabIndex < 0)
    .filter(box => ["auto", "scroll"].includes(getComputedStyle(box).overflowX))
    .map(box => `scrolls and cannot be reached by keyboard: ${box.outerHTML.slice(0, 60)}`)), 50)))"""
CUT = """[...document.querySelectorAll("pre")].filter(pre => pre.innerText && pre.scrollWidth > pre.clientWidth + 1)
  .map(pre => `code is cut in print: ${pre.innerText.split("\\n").sort((a, b) => b.length - a.length)[0]}`)"""
HEAVIEST = 3_000_000  # bytes of a page with its pictures
AXE = """axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
  .then(found => found.violations.map(
    one => `axe ${one.id}: ${one.nodes.length} times, first ${one.nodes[0].html.slice(0, 80)}`))"""
THEME = "Object.assign(document.documentElement.dataset, {theme: '%s', mode: '%s'}) && undefined"


def faults(folder, axe=""):
    """Return one line for each fault of the pages under a folder; ``axe`` is the source of axe-core, or nothing."""
    folder, found = Path(folder).resolve(), []
    pages = [path for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts]
    with tempfile.TemporaryDirectory() as profile, served(folder) as address:
        browser = Browser(profile)
        for path in pages:
            name = path.relative_to(folder).as_posix()
            told = [*faults_of(browser, f"{address}/{name}", axe), *weight(path)]
            browser.resize(WIDE)
            browser.open(path.as_uri())
            told += [f"from a file: {one}" for one in browser.complaints()] if name != "search.html" else []
            found += [f"{name}: {one}" for one in dict.fromkeys(told)]
        browser.close()
    return found


def faults_of(browser, address, axe):
    """Return the faults of one page: on a screen, on a phone, in print."""
    browser.resize(WIDE)
    browser.open(address)
    browser.run(SETTLED)
    found = [*browser.complaints(), *browser.run(FORMULAS), *browser.run(PLACEHOLDERS)]
    for theme in ("light", "dark") if axe else ():
        browser.run(f"{THEME % (theme, theme)}; {axe}; undefined")
        found += [f"{theme}: {one}" for one in browser.run(AXE)]
    browser.resize(PHONE)
    found += [*browser.run(SIDEWAYS), *browser.run(UNREACHED)]
    found += [f"on a phone: {one}" for one in browser.run(AXE)] if axe else []
    browser.resize(PAPER, "print")
    return [*found, *browser.run(CUT)]


def weight(path):
    """Return a fault of a page that is heavier, with its pictures, than a reader should wait for."""
    named = {path.parent / src for src in re.findall(r'<img[^>]*src="([^":]+)"', path.read_text(encoding="utf-8"))}
    size = sum(one.stat().st_size for one in {path, *named} if one.exists())
    return [f"{size:,} bytes with its pictures, expected at most {HEAVIEST:,}"] if size > HEAVIEST else []


FOUND = """new Promise(done => {
  const began = Date.now();
  const look = () => {
    const pages = document.querySelectorAll("#search-results li > a").length;
    const excerpt = document.querySelector("#search-results .context")?.innerText ?? "";
    if (excerpt || Date.now() - began > 30000) done([pages, excerpt]);
    else setTimeout(look, 50);
  };
  look();
})"""


def searched(folder, words):
    """Return word -> (pages found, first excerpt) of the book's own search."""
    with tempfile.TemporaryDirectory() as profile, served(folder) as address:
        browser, found = Browser(profile), {}
        for word in words:
            browser.open(f"{address}/search.html?q={word}")
            found[word] = browser.run(FOUND)
        browser.close()
    return found


def main(folder, axe=""):
    """Tell what is wrong with pages; where there is no Chromium or no axe-core, say so."""
    if not CHROMIUM:
        print("the look in a browser is skipped: no Chromium here")
        return 0
    if not axe or not Path(axe).exists():
        print("the rules of WCAG are skipped: no axe-core here")
    found = faults(folder, Path(axe).read_text() if axe and Path(axe).exists() else "")
    print("\n".join(found) or "no fault in a browser")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
