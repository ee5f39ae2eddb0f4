"""What may be published: no patient of a recorded cohort, no machine and no password, on a page or in a download.

Downloads are cleaned before they are rendered (``cleaned``); what is found on the pages after that (``problems``) is
told by page and kind, never in full, and nothing is published.
"""

import getpass
import html
import json
import os
import platform
import re
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import addresses
import chapters
import jobs
from PIL import Image

from ground.artifacts import project_path
from helpers import stages
from helpers.settings import Settings

ID, FILE, PLACE, USER, HOST = "a patient's id", "a file of the cohort", "a folder", "the user's name", "the host's name"
PASSWORD, LINK, TABLE = "a password", "the address of a database", "a table of patients and their outcomes"
Rows: TypeAlias = list[list[str]]
Table: TypeAlias = tuple[Rows, Rows]  # head and body
PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".webp"}
EMBEDDED = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]+")
COLOUR = re.compile(r"(?:(?:fill|stroke|color)=[\"']|: ?)#[0-9a-f]{3,8}\b", re.IGNORECASE)
SHAPES = re.compile(r"""\b(?:d|id)="[^"]*"|\bhref="#[^"]*"|url\(#[^)]*\)""")  # of a drawing, beside its texts
INLINE = re.compile(r"</?(?:a|b|code|em|i|span|strong|tspan)\b[^>]*>", re.IGNORECASE)
PATH = re.compile(  # of any machine, whoever's
    r"(?<![\w.:/])/(?:home|Users|root|tmp|private|var|opt|usr|mnt|scratch|srv|work|nix)/[^\s\"'<>)\\]+"
    r"|\b[A-Z]:\\+Users\\[^\s\"'<>]+|(?<!\S)\S*site-packages\S*|file:///[^\s\"'<>]+"
)
CREDENTIALS = re.compile(r"\b[\w+.-]+://[^\s/:@\"'<>]*:[^\s/@\"'<>]+@[\w.-]+")
PAGE_NUMBERS = re.compile(r'(?<="): ?(?:\[[\d,\[\] ]*\]|\d+)')  # of the search index: where a word stands, as "patient"
PATIENT_COLUMN = re.compile(r"(patient|subject|participant)([ _](id|name|number))?|id", re.IGNORECASE)
DATA = re.compile(r"<script[^>]*application/json[^>]*>(.*?)</script>", re.DOTALL)
OUTCOME_COLUMN = re.compile(
    r"(non-?)?responders?|respon[sd]\w*|recur\w*|duration\w*|mr_score|.*probability.*", re.IGNORECASE
)


@dataclass(frozen=True)
class Private:
    """What no page may tell of a run."""

    places: Mapping[str, str] = field(default_factory=dict)  # folder or file -> what is written in its place
    words: Mapping[str, str] = field(default_factory=dict)  # text -> what it is
    ids: frozenset[str] = frozenset()  # of recorded patients
    known: str = ""  # the tracked sources: what stands there is no secret

    @cached_property
    def distinct(self) -> re.Pattern[str] | None:
        """Finds the words that cannot be anything else, wherever they stand."""
        return any_of([word for word in [*self.words, *self.ids] if self.is_distinct(word)])

    @cached_property
    def placed(self) -> re.Pattern[str] | None:
        """Finds the folders and files of this machine, the longest first; None for none."""
        ordered = "|".join(re.escape(place) for place in sorted(self.places, key=len, reverse=True))
        return re.compile(rf"(?<![\w.])(?:{ordered})(?![\w-])") if ordered else None

    @cached_property
    def in_context(self) -> re.Pattern[str] | None:
        """Finds the ids that may be plain numbers or words of the book: only where a patient is spoken of."""
        ids = "|".join(re.escape(one) for one in sorted(self.ids, key=len, reverse=True) if not self.is_distinct(one))
        one, apart = f"[\"'`]?(?:{ids})[\"'`]?(?![\\w.–-]|[ \xa0]?(?:%|mm|cm|dB|years|planes))", r"[ \xa0:=#(\[]{0,4}"
        named = rf"(?<!\w)patient(?:[_ ](?:id|no\.?|number))?[\"']?{apart}{one}"
        listed = rf"(?<!\w)patients[\"']?{apart}{one}(?:,| and) ?[\"'`]?(?:{ids})\b"
        of_plane = rf"(?<![\w.,-])(?:{ids})[,:]? planes? \d"
        return re.compile(f"{named}|{listed}|{of_plane}", re.IGNORECASE) if ids else None

    def is_distinct(self, word: str) -> bool:
        """Tell whether a word is that of the run alone: no number, not too short, and not in the book's sources."""
        return len(word) > 2 and not re.fullmatch(r"[\d._-]+", word) and word.casefold() not in self.known_words

    @cached_property
    def known_words(self) -> frozenset[str]:
        """Every word of the tracked sources, in small letters."""
        text = self.known.casefold()
        return frozenset(word.strip("._-") for word in re.findall(r"[\w.-]+", text) + re.findall(r"[^\W_]+", text))

    def kind_of(self, word: str) -> str:
        """What a word that was found is."""
        folded = {text.casefold(): kind for text, kind in self.words.items()}
        return folded.get(word.casefold(), ID)


def any_of(words: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds any of these as whole words, the longest first; None for none."""
    ordered = sorted(map(re.escape, words), key=len, reverse=True)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(ordered)})(?![^\W_])", re.IGNORECASE) if ordered else None


# --- what is private


def private_of(run: Path) -> Private:
    """What no page may tell of a run: its patients, its machine, its passwords."""
    settings, artifacts = jobs.read(run / "parameters" / "stages.yml")
    places = places_of(settings, artifacts, chapters.own_files(run))
    words = words_of_machine() | words_of_storage(settings.search.search_storage) | words_of_cohort(settings)
    ids = [] if settings.study.simulated else stages.cohort(settings, artifacts).index
    return Private(places, words, frozenset(map(str, ids)), sources())


def places_of(settings: Settings, artifacts: str | Path, recordings: Iterable[Path]) -> dict[str, str]:
    """Folders and files of this machine, and what is written in their place, the longest first."""
    told = {name: "recording.rf" for path in recordings for name in (*both(path), os.path.relpath(path))}
    if not settings.study.simulated:
        told |= {name: "cohort" for name in both(settings.study.cohort)}
    told |= {name: "artifacts" for name in both(artifacts)} | {name: "." for name in both(".")}
    told |= {name: "python" for name in both(sys.prefix)} | {name: "tmp" for name in both(tempfile.gettempdir())}
    told |= {name: "~" for name in both(Path.home())}
    long_first = sorted(told, key=len, reverse=True)
    return {name: told[name] for name in long_first if os.sep in name and len(name) > 2 and name != told[name]}


def both(path: str | Path) -> set[str]:
    """A path as it was given, absolute, and with its links followed."""
    return {str(path), str(project_path(path)), str(project_path(path).resolve())}


def words_of_machine() -> dict[str, str]:
    """The names of user and host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = ""
    return {name: kind for name, kind in ((user, USER), (platform.node(), HOST)) if name and name != "localhost"}


def words_of_storage(address: str) -> dict[str, str]:
    """What the address of the search's database must not tell."""
    parts = urlsplit(address)
    told = {address: LINK, parts.hostname: LINK, parts.username: LINK, unquote(parts.password or ""): PASSWORD}
    return {word: kind for word, kind in (told | {parts.password: PASSWORD}).items() if word and word != "localhost"}


def words_of_cohort(settings: Settings) -> dict[str, str]:
    """The names of the files of a recorded cohort."""
    files = stages.recorded_files(settings)
    return {path.name: FILE for path in files} | ({Path(settings.study.cohort).name: PLACE} if files else {})


def sources() -> str:
    """The text of all tracked sources that pages are made from, blanks made one, and the addresses to be published."""
    paths = [project_path("data/README.md"), *project_path("notebooks").glob(chapters.CHAPTERS)]
    paths += [path for path in project_path("book").rglob("*") if path.suffix in {".md", ".bib", ".yml", ".svg"}]
    told = addresses.addresses()
    return " ".join([told.baseurl, told.repository, *(" ".join(path.read_text().split()) for path in paths)])


# --- cleaning, before anything is rendered


def cleaned(notebook: Any, private: Private) -> Any:
    """Return a notebook as it can be downloaded: no machine in its metadata, warnings, values and outputs."""
    for name in ("papermill", "run"):
        notebook.metadata.pop(name, None)
    for cell in notebook.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.source = without_places(without_addresses(cell.source), private)
        if cell.cell_type == "code":
            shown = [output for output in cell.outputs if output.get("name") != "stderr"]
            cell.outputs = [in_texts(output, lambda text: without_places(text, private)) for output in shown]
    return notebook


def without_addresses(source: str) -> str:
    """Return injected values without the address of a database, and without where recordings are."""
    source = re.sub(r"(?m)^(search_storage|\w+_rf) = .*", r'\1 = ""', source)
    return re.sub(r"(?m)^cohort = (?!.simulated.$).*", 'cohort = "recorded"', source)


def without_places(text: str, private: Private) -> str:
    """Return a text that names no folder of this machine."""
    for place, name in private.places.items():
        text = re.sub(rf"(?<![\w.]){re.escape(place)}(?![\w-])", name, text)
    return text


def in_texts(value: Any, change: Any) -> Any:
    """Apply ``change`` to every text of nested outputs, pictures left as they are."""
    if isinstance(value, dict):
        for name in value:
            value[name] = value[name] if name.startswith("image/") else in_texts(value[name], change)
        return value
    if isinstance(value, list):
        return [in_texts(one, change) for one in value]
    return change(value) if isinstance(value, str) else value


# --- looking, before anything is put in place


def problems(folder: Path, private: Private) -> list[str]:
    """Return one line for each private thing in the files under a folder; what is private is not told in full.

    Style sheets and scripts that packages bring (``_static``) are theirs and not looked at.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "_static" not in path.relative_to(folder).parts[:1]:
            whats = {fault for text in texts_of(path) for fault in faults(text, private)} | table_faults(path, private)
            name = path.relative_to(folder).as_posix()
            found += [f"{mask_name(name, private)}: {what}" for what in sorted(whats)]
    return found


def mask_name(name: str, private: Private) -> str:
    """A file's name, unless it is private itself."""
    return private.distinct.sub("***", name) if private.distinct else name


def texts_of(path: Path) -> Iterator[str]:
    """Every text that a file holds, as its reader would see it, and its name."""
    yield path.name
    if path.suffix in PICTURES:
        with Image.open(path) as picture:
            picture.load()  # what is told behind the pixels too
            yield from (str(text) for text in picture.info.values())
    elif path.suffix == ".inv":
        head, packed = path.read_bytes().split(b"zlib.\n", 1)
        yield head.decode() + zlib.decompress(packed).decode()
    elif path.suffix == ".ipynb":
        yield from (form for text in strings(json.loads(path.read_text())) for form in forms(text))
    else:
        text = path.read_text(encoding="utf-8", errors="replace")
        text = SHAPES.sub("", text) if path.suffix == ".svg" else text
        yield from forms(PAGE_NUMBERS.sub("", text) if path.name == "searchindex.js" else text)


def strings(value: Any) -> Iterator[str]:
    """Every text of nested JSON but pictures; lists of lines are joined."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from () if name.startswith("image/") else strings(one)
    elif isinstance(value, list):
        if value and all(isinstance(one, str) for one in value):
            yield "".join(value)
        else:
            yield from (text for one in value for text in strings(one))
    elif isinstance(value, str):
        yield value


def forms(text: str) -> set[str]:
    """A text with its escapes undone, and what of it a reader sees."""
    text = unquote(html.unescape(COLOUR.sub("", EMBEDDED.sub("", text))))
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    return {text, re.sub(r"<[^>]*>", "\n", INLINE.sub("", text))}


def faults(text: str, private: Private) -> set[str]:
    """What is private in a text."""
    found = {f"{PASSWORD} in an address" for _ in CREDENTIALS.finditer(text)}
    paths = PATH.findall(text)
    paths += private.placed.findall(text) if private.placed else []
    found |= {f"{PLACE} or a file of the machine ({mask(path)})" for path in paths if path not in private.known}
    if private.distinct:
        found |= {f"{private.kind_of(word)} ({mask(word)})" for word in private.distinct.findall(text)}
    if private.in_context:
        told = [" ".join(word.split()) for word in private.in_context.findall(text)]
        found |= {f"{ID} (patient ***)" for word in told if word not in private.known}
    return found


def mask(text: str) -> str:
    """A text's beginning: enough to find it, too little to know it."""
    return text[:1] + "***"


# --- tables


class Tables(HTMLParser):
    """Every table of a page: its head, and the rows of its body."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self.in_head = self.in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append(([], []))
        elif tag == "thead":
            self.in_head = True
        elif self.tables and tag == "tr":
            self.tables[-1][not self.in_head].append([])
        elif self.tables and tag in ("td", "th") and self.tables[-1][not self.in_head]:
            self.tables[-1][not self.in_head][-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.in_head = self.in_head and tag != "thead"
        self.in_cell = self.in_cell and tag not in ("td", "th", "tr")

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.tables[-1][not self.in_head][-1][-1] += data


def table_faults(path: Path, private: Private) -> set[str]:
    """What is private in the tables of a page or of a notebook's outputs, if the patients are recorded ones."""
    if not private.ids or path.suffix not in (".html", ".ipynb"):
        return set()
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        tables = [
            *html_tables(text),
            *(table for data in DATA.findall(text) for table in data_tables(json.loads(data))),
        ]
    else:
        outputs = [cell.get("outputs", []) for cell in json.loads(text)["cells"]]
        tables = [table for one in strings(outputs) for table in tables_in(one)]
    return {fault for head, body in tables for fault in faults_of_table(head, body, private.ids)}


def tables_in(text: str) -> Iterator[Table]:
    """Head and body of every table in an output: HTML, markdown, or printed as pandas does."""
    yield from html_tables(text)
    lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines() if "|" in line]
    if len(lines) > 2:
        yield lines[:1], lines[2:]
    printed = [line.split() for line in text.splitlines() if line.strip()]
    if len(printed) > 2 and any(PATIENT_COLUMN.fullmatch(word) for row in printed[:2] for word in row):
        numbered = len(printed[-1]) == len(printed[0]) + 1 and not PATIENT_COLUMN.fullmatch(printed[1][0])
        yield printed[:2], [row[numbered:] for row in printed[1:]]


def html_tables(text: str) -> list[Table]:
    """Head and body of every table of a page."""
    reader = Tables()
    reader.feed(text)
    return reader.tables


def data_tables(data: Any) -> Iterator[Table]:
    """Head and body of what data for a script tell of many patients: lists by name, or records."""
    if isinstance(data, dict):
        yield (
            [list(data)],
            [[str(one)] * len(data) for value in data.values() if isinstance(value, list) for one in value],
        )
        for value in data.values():
            yield from data_tables(value)
    elif isinstance(data, list):
        records = [one for one in data if isinstance(one, dict)]
        if records:
            yield [list(records[0])], [[str(value) for value in one.values()] for one in records]
        for one in data:
            yield from data_tables(one)


def faults_of_table(head: Rows, body: Rows, ids: frozenset[str]) -> set[str]:
    """Ids in a column of patients, and outcomes beside one."""
    head = [[cell.strip() for cell in row] for row in head or body[:1]]
    columns = {i for row in head for i, cell in enumerate(row) if PATIENT_COLUMN.fullmatch(cell)}
    named = [row[i].strip() for row in body for i in columns if i < len(row)]
    found = {f"{ID} in a table" for cell in named if cell in ids}
    outcome = any(OUTCOME_COLUMN.fullmatch(cell) for row in head for cell in row)
    return found | ({TABLE} if outcome and len(named) > 2 else set())
