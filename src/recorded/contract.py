"""The contract of a recorded cohort: which columns its tables have, and what stands in them.

``data/README.md`` says what each column means.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

TEXT, NAME, FLAG = "text", "a name", "True or False"
NUMBER, WHOLE, LENGTH = "a number", "a whole number", "mm or nothing"
PATIENTS = {"patient": NAME, "responder": FLAG, "duration_years": NUMBER, "recurrence": FLAG}
PLANES = {
    "patient": NAME,
    "plane": WHOLE,
    "rf_file": NAME,
    "frame": WHOLE,
    "line_pitch_mm": NUMBER,
    "outline_file": NAME,
    "reference_file": NAME,
    "reference_line_pitch_mm": NUMBER,
    "reference_sound_speed_m_s": NUMBER,
    "reference_attenuation_db_cm_mhz": NUMBER,
    "reference_backscatter_file": TEXT,
}
MORE_OF_PLANES = {"other_outline_files": TEXT, "focus_mm": LENGTH, "reference_focus_mm": LENGTH}  # may be missing
OUTLINE = {"lateral_mm": NUMBER, "depth_mm": NUMBER}


def checked(
    table: pd.DataFrame, path: Path, needed: Mapping[str, str], more: Mapping[str, str] = MappingProxyType({})
) -> pd.DataFrame:
    """The table as it was read from ``path``, names as text and numbers as numbers, if all columns hold what they must.

    Raises ``ValueError`` naming the file and the columns that are missing, or the first row, column and value that
    is not as expected.
    """
    from pandera.errors import SchemaErrors  # half a second to import, which a simulated cohort can do without

    missing = [name for name in needed if name not in table]
    if missing:
        raise ValueError(f"{path}: columns {missing} are missing, expected {list(needed)}")
    expected = {name: what for name, what in {**needed, **more}.items() if name in table}
    try:
        return schema(expected).validate(with_gaps(table, expected), lazy=True)
    except SchemaErrors as errors:
        first = errors.failure_cases.dropna(subset="index").sort_values("index", kind="stable").iloc[0]
    column, row = first["column"], int(first["index"])
    value = table[column].astype(object)[row]  # a number of Python's own, whose repr is the number
    raise ValueError(f"{path}, {row_name(table, row)}: {column} = {value!r}, expected {expected[column]}")


def with_gaps(table: pd.DataFrame, expected: Mapping[str, str]) -> pd.DataFrame:
    """The table with NaN for the empty text in columns of numbers that may be empty."""
    gaps = {name: table[name].where(table[name] != "") for name, what in expected.items() if what == LENGTH}
    return table.assign(**gaps)


def row_name(table: pd.DataFrame, row: int) -> str:
    """What to call a row: by its patient and plane, else by its line in the file."""
    named = [f"{name} {table[name].astype(str)[row]}" for name in ("patient", "plane") if name in table]
    return ", ".join(named) or f"line {row + 2}"


def schema(expected: Mapping[str, str]) -> "DataFrameSchema":
    """What pandera holds a table to: column -> what it must be."""
    from pandera.pandas import Check, Column, DataFrameSchema

    kinds = {
        TEXT: Column(str, coerce=True),
        NAME: Column(str, Check(lambda names: names.str.strip() != ""), coerce=True),
        FLAG: Column(None, Check(lambda flags: flags.astype(str).isin(["True", "False"]))),
        NUMBER: Column(float, Check(np.isfinite), coerce=True),
        WHOLE: Column(float, Check(lambda numbers: numbers % 1 == 0), coerce=True),
        LENGTH: Column(float, coerce=True, nullable=True),
    }
    return DataFrameSchema({name: kinds[what] for name, what in expected.items()})
