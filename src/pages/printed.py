"""The paper's printed figures, digit by digit, from ``printed.csv``.

>>> printed("Table 2", "4", "test_auc")
'0.86'
"""

from importlib.resources import files

import numpy as np
import pandas as pd

PRINTED = pd.read_csv(str(files(__package__) / "printed.csv"), dtype=str, keep_default_na=False)
N_RESPONDERS, N_NON_RESPONDERS = 40, 10  # test patients, from 50 of whom 80 % respond


def printed(place: str, row: str, column: str = "all", what: str = "value") -> str:
    """Return one printed figure as its text, so that its digits count; ``what`` is "value" or "plus_minus".

    Raises ``ValueError`` for a figure that was not printed.
    """
    found = PRINTED[(PRINTED.place == place) & (PRINTED.row == row) & (PRINTED.column == column)]
    if len(found) != 1:
        raise ValueError(f"printed.csv: {len(found)} lines for {place!r}, {row!r}, {column!r}, expected 1")
    return found[what].item()


def printed_table1() -> pd.DataFrame:
    """Return the paper's Table 1 as text: one row a characteristic, columns all, training, test."""
    table = PRINTED[PRINTED.place == "Table 1"]
    text = np.where(table.plus_minus == "", table.value + " %", table.value + " ± " + table.plus_minus)
    wide = table.assign(text=text).pivot(index="row", columns="column", values="text")
    return wide.loc[table.row.unique(), ["all", "training", "test"]]


def printed_table2() -> pd.DataFrame:
    """Return the paper's Table 2 in the columns of ``evaluation.table2``: proportions of 1, 95 % half-widths."""
    table = PRINTED[PRINTED.place == "Table 2"]
    columns: dict[str, list] = {}
    for name in table.column.unique():
        rows = table[table.column == name]
        scale = 1 if name.endswith(("auc", "loss")) else 100
        words = name in {"features", "input"}
        columns[name] = [text if words else float(text) / scale for text in rows.value]
        if rows.plus_minus.all():
            columns[f"{name}_half_width"] = [float(width) / scale for width in rows.plus_minus]
    return pd.DataFrame(columns, index=pd.Index(table.row.unique().astype(int), name="model"))
