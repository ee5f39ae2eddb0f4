"""Tables as people write them: commas, semicolons with decimal commas or tabs, with or without a byte order mark.

Everything is read as text, whatever it looks like, and keeps the line it stands in.
"""

import codecs
import csv
import io
import warnings
from pathlib import Path

import pandas as pd

from ground.errors import InputError

SEPARATORS = ",;\t"
LARGEST_BYTES = 32_000_000  # a hundred times the tables of two thousand patients
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Habit(UserWarning):
    """How a table was read that is written otherwise than the contract says. Not shown unless it is asked for."""


warnings.filterwarnings("ignore", category=Habit, append=True)


def read_text(path: Path) -> str:
    """The text of a file, in UTF-8, UTF-16 with its mark, or Windows' Latin. Raises ``InputError`` naming the file."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if path.stat().st_size > LARGEST_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes, expected a table of at most {LARGEST_BYTES}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected a file that can be read") from None
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    for attempt in (encoding, "cp1252"):
        try:
            text = data.decode(attempt)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InputError(f"{path}: holds bytes that are no text, expected a table in UTF-8")


def separator_of(text: str) -> str:
    """What separates the columns: the sign that stands most often in the first line."""
    heading = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=heading.count)


def read_table(path: Path) -> pd.DataFrame:
    """Every cell of a table as text, indexed by its line in the file.

    Passed over are blank lines, empty columns without a name, and capitals and blanks in the names of columns.
    Raises ``InputError`` naming the file, and the line whose cells are not as many as the columns.
    """
    text = read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(text))
    rows = {}
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows[reader.line_num] = row
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}, expected a table") from None
    if len(rows) < 2:
        raise InputError(f"{path}: {len(rows)} lines, expected the names of the columns and a line for each entry")
    head, *lines = rows
    names = [name.strip().lower().replace(" ", "_") for name in rows[head]]
    while names and not names[-1] and all(not any(rows[line][len(names) - 1 :]) for line in lines):
        names.pop()
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}, line {head}: columns {twice} are there twice, expected each once")
    for line in lines:
        if len(rows[line]) < len(names) or any(rows[line][len(names) :]):
            raise InputError(
                f"{path}, line {line}: {len(rows[line])} cells, expected {len(names)}, one for each column"
            )
    return pd.DataFrame([rows[line][: len(names)] for line in lines], columns=names, index=lines, dtype=str)
