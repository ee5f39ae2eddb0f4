"""Tables as people write them: commas, semicolons with decimal commas or tabs, with or without a byte order mark.

Everything is read as text, whatever it looks like, and keeps the line it stands in.
"""

import codecs
import csv
import io
from pathlib import Path

import pandas as pd

from helpers.errors import InputError

SEPARATORS = ",;\t"
LARGEST_BYTES = 100_000_000
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_text(path: Path) -> str:
    """The text of a file, in UTF-8, UTF-16 with its mark, or Windows' Latin. Raises ``InputError`` naming the file."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if path.stat().st_size > LARGEST_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes, expected a table of at most {LARGEST_BYTES}")
    data = path.read_bytes()
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    for attempt in (encoding, "cp1252"):
        try:
            text = data.decode(attempt)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InputError(f"{path}: holds bytes that are no text, expected a table in UTF-8")


def read_table(path: Path) -> pd.DataFrame:
    """Every cell of a table as text, indexed by its line in the file.

    Blank lines are passed over, and blanks around the names of columns.
    Raises ``InputError`` naming the file, and the line whose cells are not as many as the columns.
    """
    text = read_text(path)
    heading = text.lstrip("\r\n").partition("\n")[0]
    separator = max(SEPARATORS, key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
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
    names = [name.strip() for name in rows[head]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}, line {head}: columns {twice} are there twice, expected each once")
    for line in lines:
        if len(rows[line]) != len(names):
            raise InputError(
                f"{path}, line {line}: {len(rows[line])} cells, expected {len(names)}, one for each column"
            )
    return pd.DataFrame([rows[line] for line in lines], columns=names, index=lines, dtype=str)
