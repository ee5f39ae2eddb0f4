"""The contract of a recorded cohort: what each column of its tables holds, in which unit, within which range.

``data/README.md`` says what each column means. What a value stands for is read from its text, so that a value that is
refused is told as it was written.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ground.errors import InputError

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

TRUE, FALSE = ("true", "yes", "y", "1", "1.0"), ("false", "no", "n", "0", "0.0")
CODINGS = (("true", "false"), ("yes", "no"), ("y", "n"), ("1", "0", "1.0", "0.0"))
ALIKE = 0.8  # of two names, from 0 to 1, where one may be a slip of the other
SPLITS = ("train", "validation", "test")
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
ID = re.compile(r"(?=.*[^\W_])\w[\w-]{0,63}")  # letters, digits, - and _; no option of a command line


@dataclass(frozen=True)
class Field:
    """What one column holds: its kind, in words what is expected, its range, and whether it can be missing or empty."""

    kind: str  # "id", "file", "files", "flag", "number", "whole", "word" or "words"
    expected: str
    low: float = -np.inf
    high: float = np.inf
    words: tuple[str, ...] = ()
    column: bool = True  # must be there
    filled: bool = True  # must not be empty


def number(unit: str, low: float, high: float, column: bool = True, filled: bool = True) -> Field:
    """A number within a range, with its unit."""
    nothing = "" if filled else ", or nothing"
    return Field("number", f"{unit}, {low:g} to {high:g}{nothing}", low, high, (), column, filled)


def whole(low: int, high: int, column: bool = True, filled: bool = True) -> Field:
    """A whole number within a range."""
    nothing = "" if filled else ", or nothing"
    return Field("whole", f"a whole number, {low} to {high}{nothing}", low, high, (), column, filled)


PATIENT = Field("id", "letters, digits, - and _ only, no blanks, at most 64")
FLAG = Field("flag", "True or False, yes or no, 1 or 0, one way in the whole column and both of 1 and 0")
MAYBE = Field("flag", FLAG.expected + ", or nothing", column=False, filled=False)
ANYTHING = Field("words", "words, or nothing", column=False, filled=False)
FILE = Field("file", "a file inside the cohort's folder")
PATIENTS = {
    "patient": PATIENT,
    "responder": FLAG,
    "duration_years": number("years", 0, 60),
    "recurrence": FLAG,
    "mr_score": whole(1, 5, column=False, filled=False),
    "split": Field("word", "train, validation or test", words=SPLITS, column=False),
    "age_years": number("years", 10, 120, column=False, filled=False),
    "initial_size_cm": number("cm", 0, 30, column=False, filled=False),
    "residual_size_cm": number("cm", 0, 30, column=False, filled=False),
    "histology": ANYTHING,
    "grade": ANYTHING,
    "treatment": ANYTHING,
    "er": MAYBE,
    "pr": MAYBE,
    "her2": MAYBE,
}
PLANES = {
    "patient": PATIENT,
    "plane": whole(0, 10_000),
    "rf_file": FILE,
    "frame": whole(0, 1_000_000),
    "line_pitch_mm": number("mm", 0.01, 5),
    "outline_file": FILE,
    "reference_file": Field("files", "one or more files inside the cohort's folder, separated by semicolons"),
    "reference_line_pitch_mm": number("mm", 0.01, 5),
    "reference_sound_speed_m_s": number("m/s", 1300, 1800),
    "reference_attenuation_db_cm_mhz": number("dB/cm/MHz", 0, 5),
    "reference_backscatter_file": Field("file", FILE.expected + ", or nothing", filled=False),
    "other_outline_files": Field("files", "files inside the cohort's folder, or nothing", column=False, filled=False),
    "focus_mm": number("mm", 1, 300, column=False, filled=False),
    "reference_focus_mm": number("mm", 1, 300, column=False, filled=False),
    "reference_attenuation_exponent": number("of frequency", 0.5, 2, column=False, filled=False),
    "tumour_attenuation_db_cm_mhz": number("dB/cm/MHz", 0, 5, column=False, filled=False),
    "background_attenuation_db_cm_mhz": number("dB/cm/MHz", 0, 5, column=False, filled=False),
    "waived": Field("words", "names of header fields separated by semicolons", column=False, filled=False),
}
OUTLINE = {"lateral_mm": number("mm", -50, 500), "depth_mm": number("mm", -50, 500)}
BACKSCATTER = {"frequency_mhz": number("MHz", 0.01, 100), "bsc_per_cm_sr": number("1/(cm sr)", 1e-12, 1e3)}


@dataclass(frozen=True)
class Fault:
    """One thing that is not as the contract says."""

    file: str
    row: str  # "line 3, patient A07", or nothing where the whole file is meant
    column: str
    value: str
    expected: str

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.file, self.row) if part)
        what = f"{self.column} = {self.value!r}" if self.column and self.value is not None else self.column
        return f"{where}: {what}, expected {self.expected}" if what else f"{where}: expected {self.expected}"


def refuse(faults: list[Fault]) -> None:
    """Raise ``InputError`` with the first fault, and how many more there are; nothing without one."""
    if faults:
        more = f" (and {len(faults) - 1} more; make check lists them)" if len(faults) > 1 else ""
        raise InputError(f"{faults[0]}{more}")


def row_name(table: pd.DataFrame, line: int) -> str:
    """What to call a row: by its line, its patient and its plane."""
    named = [f"{name} {table.at[line, name]}" for name in ("patient", "plane") if name in table]
    return ", ".join([f"line {line}", *named])


def checked(text: pd.DataFrame, path: Path, fields: Mapping[str, Field]) -> tuple[pd.DataFrame, list[Fault]]:
    """The table with its values, and what is not as its fields say; ``text`` is indexed by the lines of the file.

    Columns that no field describes are left out. Values that are refused are missing in the table.
    """
    missing = [name for name, field in fields.items() if field.column and name not in text]
    faults = [Fault(str(path), "", "columns", ", ".join(text.columns), f"a column {name}") for name in missing]
    for name in text.columns.difference(list(fields)):
        near = difflib.get_close_matches(name, [own for own in fields if own not in [*text, *missing]], 1, ALIKE)
        faults += [Fault(str(path), "", "columns", name, f"{own}, or a name that is less like it") for own in near]
    known = {name: field for name, field in fields.items() if name in text}
    values = pd.DataFrame({name: parsed(text[name], field) for name, field in known.items()}, index=text.index)
    refused = [*failures(values, text, known), *mixed(text, known)]
    values = values.astype(dict.fromkeys({name for _, name in refused if known[name].kind == "flag"}, object))
    for line, name in sorted(set(refused)):
        faults.append(Fault(str(path), row_name(text, line), name, str(text.at[line, name]), known[name].expected))
        values.at[line, name] = np.nan
    return values, faults


def failures(values: pd.DataFrame, text: pd.DataFrame, fields: Mapping[str, Field]) -> Iterator[tuple[int, str]]:
    """Line and column of every value that its field does not allow, as pandera finds them all at once."""
    from pandera.errors import SchemaErrors  # half a second to import, which a simulated cohort can do without

    for name, field in fields.items():
        unread = values[name].isna() & (field.filled | (text[name].str.strip() != ""))
        yield from ((line, name) for line in values.index[unread])
    try:
        schema(fields).validate(values, lazy=True)
    except SchemaErrors as errors:
        found = errors.failure_cases.dropna(subset="index")
        yield from zip(found["index"].astype(int), found["column"], strict=True)


def mixed(text: pd.DataFrame, fields: Mapping[str, Field]) -> Iterator[tuple[int, str]]:
    """Line and column of what can be read two ways.

    These are flags that are coded otherwise than the first one of their column, a 1 without any 0, which may be
    one of 1 and 2, and commas in numbers where others have points.
    """
    for name in (name for name, field in fields.items() if field.kind == "flag"):
        words = text[name].str.strip().str.lower()
        own = next((coding for word in words for coding in CODINGS if word in coding), ())
        alone = words.isin(["1", "1.0"]) & words.isin(["1", "1.0", ""]).all()
        other = words.isin([*TRUE, *FALSE]) & ~words.isin(own)
        yield from ((line, name) for line in text.index[other | (alone & ~alone.duplicated())])
    numbers = text[[name for name, field in fields.items() if field.kind in ("number", "whole")]]
    pointed, comma = (numbers.apply(lambda cells, s=sign: cells.str.contains(s, regex=False)) for sign in ".,")
    if pointed.any(axis=None):
        yield from ((line, name) for name in numbers for line in text.index[comma[name]])


def parsed(text: pd.Series, field: Field) -> pd.Series:
    """Values of a column of text; missing where the text is no such value, or empty."""
    if field.kind == "id":
        return text.where(text.map(lambda one: bool(ID.fullmatch(one))), None)
    bare = text.str.strip()
    if field.kind in ("number", "whole"):
        return bare.map(as_number).astype(float)
    if field.kind == "flag":
        return bare.str.lower().map({**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)})
    if field.kind == "word":
        return bare.str.lower().where(bare.str.lower().isin(field.words), None)
    bare = bare.str.strip("; \t") if field.kind == "files" else bare
    return bare.where(bare != "", None) if field.filled else bare


def as_number(text: str) -> float:
    """A decimal number, with a point or a comma; NaN for anything else."""
    return float(text.replace(",", ".")) if NUMBER.fullmatch(text) else np.nan


def schema(fields: Mapping[str, Field]) -> "DataFrameSchema":
    """What pandera holds the values of a table to."""
    from pandera.pandas import Check, Column, DataFrameSchema

    columns = {}
    for name, field in fields.items():
        checks = []
        if field.kind in ("number", "whole"):
            checks.append(Check.in_range(field.low, field.high))
        if field.kind == "whole":
            checks.append(Check(lambda numbers: numbers % 1 == 0))
        columns[name] = Column(None, checks, nullable=True)
    return DataFrameSchema(columns)
