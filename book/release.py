"""A release: the rendered book, the committed results, the lock and what says which edition it is, in one archive."""

import gzip
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import citation

from ground.artifacts import project_path, write_whole
from ground.errors import InputError

ALONG = (  # beside the pages
    *("README.md", "CHANGELOG.md", "LICENSE", "CITATION.cff", ".zenodo.json", "requirements.lock", "pyproject.toml"),
    "data/README.md",
)
NAME = "echo-to-outcome"


def files(html: Path) -> Iterator[tuple[Path, str]]:
    """Yield what is archived and its name in the archive, in the order of names."""
    if not (html / "index.html").exists():
        raise InputError(f"{html}: no rendered book; make it first")
    told = [(path, f"book/{path.relative_to(html).as_posix()}") for path in html.rglob("*")]
    results = project_path("results")
    told += [(path, f"results/{path.relative_to(results).as_posix()}") for path in results.rglob("*")]
    told += [(project_path(name), name) for name in ALONG]
    told += [(path, path.name) for path in (bound(html, kind) for kind in ("pdf", "epub")) if path.exists()]
    yield from sorted(((path, name) for path, name in told if path.is_file()), key=lambda one: one[1])


def bound(html: Path, kind: str) -> Path:
    """Return where the PDF, or the EPUB, of this edition lies beside the folder of the pages."""
    return html.with_name(f"{NAME}-{citation.cited()['version']}.{kind}")


def release(html: Path) -> Path:
    """Write the archive beside the folder of the pages, and its checksum; returns its path.

    The same files give the same archive, byte by byte: names are sorted, days are the edition's, owners nobody's.
    """
    told = citation.cited()
    top = f"{NAME}-{told['version']}"
    day = int(datetime.fromisoformat(told["date-released"]).replace(tzinfo=UTC).timestamp())

    def write(temporary: Path) -> None:
        with (
            open(temporary, "wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=day) as packed,
            tarfile.open(fileobj=packed, mode="w") as archive,
        ):
            for path, name in files(html):
                entry = tarfile.TarInfo(f"{top}/{name}")
                entry.size, entry.mtime, entry.mode = path.stat().st_size, day, 0o644
                with open(path, "rb") as content:
                    archive.addfile(entry, content)

    return write_whole(bound(html, "tar.gz"), write, seal=True)
