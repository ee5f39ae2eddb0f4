"""The book on paper: the bound page as a PDF, printed by Chromium, which sets the formulas as on a screen."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import bound

from ground.artifacts import write_whole
from ground.errors import InputError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIME_MS = 120_000  # of the page's own clock, for all formulas
PATIENCE_S = 900
PAGE = "bound.html"
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"),
    *("--hide-scrollbars", "--allow-file-access-from-files", f"--virtual-time-budget={TIME_MS}"),
)


def browser() -> str:
    """Return the path of Chromium: ``CHROMIUM`` of the environment, else what is installed.

    Raises ``InputError`` where there is none.
    """
    asked = os.environ.get("CHROMIUM")
    found = next(filter(None, map(shutil.which, [asked] if asked else BROWSERS)), None)
    if found is None:
        given = f"CHROMIUM: {asked!r} cannot be started" if asked else "no Chromium is installed"
        raise InputError(f"{given}; PDF and EPUB need it, expected Chromium or Chrome, or its path in CHROMIUM=")
    return found


@contextmanager
def opened(folder: Path, page: str) -> Iterator[str]:
    """Let a page stand among those of a rendered book for as long as it is looked at; yields its address."""
    path = folder / PAGE
    path.write_text(page, encoding="utf-8")
    try:
        yield path.resolve().as_uri()
    finally:
        path.unlink()


def run(address: str, *options: str) -> str:
    """Let Chromium open a page with an empty profile, and return what it writes.

    Raises ``RuntimeError`` when it fails or does not end.
    """
    with TemporaryDirectory(prefix="chromium-") as profile:
        command = [browser(), *OPTIONS, f"--user-data-dir={profile}", *options, address]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"Chromium has not finished after {PATIENCE_S} s") from None
    if answer.returncode:
        raise RuntimeError(f"Chromium ended with {answer.returncode}: {answer.stderr[-500:]}")
    return answer.stdout


def pdf(folder: Path, target: Path) -> Path:
    """Print the rendered book in a folder as one PDF; returns its path."""
    browser()  # before anything is gathered
    page = bound.document(folder, bound.leaves(folder, bound.order()))

    def write(temporary: Path) -> None:
        with opened(folder, page) as address:
            run(address, f"--print-to-pdf={temporary}", "--no-pdf-header-footer", "--generate-pdf-document-outline")
        if not temporary.exists():
            raise RuntimeError("Chromium printed nothing")

    return write_whole(target, write)
