"""The patients as tables: their characteristics, and what simulated tissue is drawn from, with its sources."""

from importlib.resources import files

import pandas as pd

from helpers.data.study import (
    ATTENUATION_DB_CM_MHZ,
    ATTENUATION_SD,
    BACKGROUND,
    GRADE,
    HISTOLOGY,
    SPICULATED,
    TRAITS,
    TREATMENT,
)
from helpers.data.tissue import CORRELATION_MM, EDGE_MM, FIELD_SD, MARGIN_MM, PLANE_SD, SPICULES

# parameter of tissue: what it is, where its values are from, and how they were had from there
SOURCES = pd.read_csv(str(files(__package__) / "sources.csv"), index_col="name")


def table1(patients: pd.DataFrame) -> pd.DataFrame:
    """Characteristics of all, training (with validation) and test patients in the form of the paper's Table 1."""
    test = patients["split"] == "test"
    groups = {"All": patients, "Training": patients[~test], "Test": patients[test]}
    return pd.DataFrame({name: characteristics(group) for name, group in groups.items()})


def characteristics(group: pd.DataFrame) -> pd.Series:
    """One column of Table 1, as text."""
    rows = {"Patients": f"{len(group)}"}
    for label, name, unit in (
        ("Age", "age_years", "years"),
        ("Initial tumour size", "initial_size_cm", "cm"),
        ("Residual tumour size", "residual_size_cm", "cm"),
    ):
        rows[label] = f"{group[name].mean():.1f} ± {group[name].std():.1f} {unit}"
    for name in ("histology", "grade", "treatment"):
        for level in {"histology": HISTOLOGY, "grade": GRADE, "treatment": TREATMENT}[name]:
            rows[f"{name.capitalize()}: {level}"] = percent(group[name] == level)
    er, pr, her2 = group["er"], group["pr"], group["her2"]
    molecular = {
        "ER+": er,
        "PR+": pr,
        "HER2+": her2,
        "triple negative": ~(er | pr | her2),
        "ER+/PR+/HER2+": er & pr & her2,
        "ER+/PR+/HER2−": er & pr & ~her2,
        "ER−/PR−/HER2+": ~er & ~pr & her2,
    }
    flags = {f"Molecular: {name}": flag for name, flag in molecular.items()}
    flags |= {"Response: responder": group["responder"], "Response: non-responder": ~group["responder"]}
    return pd.Series(rows | {name: percent(flag) for name, flag in flags.items()})


def percent(flag: pd.Series) -> str:
    """Share of True as text."""
    return f"{100 * flag.mean():.1f} %"


def parameter_table() -> pd.DataFrame:
    """What simulated tissue is drawn from: value (mean ± SD, or a range), source, and how it was had from there."""
    means = {name: (trait.mean, trait.sd) for name, trait in TRAITS.items()} | BACKGROUND
    means |= {region: (value, value * ATTENUATION_SD) for region, value in ATTENUATION_DB_CM_MHZ.items()}
    values: dict[object, str | float] = {name: f"{mean:g} ± {sd:g}" for name, (mean, sd) in means.items()}
    for prefix, spread in (("plane", PLANE_SD), ("field", FIELD_SD)):
        values |= {f"{prefix}_{name}": f"± {sd:g}" for name, sd in spread.items()}
    values |= {"correlation_mm": CORRELATION_MM, "margin_mm": MARGIN_MM, "edge_mm": EDGE_MM}
    values |= {name: f"{low:g} to {high:g}" for name, (low, high) in SPICULES.items()}
    values["spiculated"] = f"{100 * SPICULATED:.0f}"
    table = SOURCES.assign(value=[str(values[name]) for name in SOURCES.index])
    return table[["parameter", "value", "source", "mark"]].reset_index(drop=True)
