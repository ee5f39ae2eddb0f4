"""The patients as tables: their characteristics, and what simulated tissue is drawn from, with its sources."""

import re
from collections.abc import Mapping
from importlib.resources import files

import pandas as pd

from helpers.data import study
from helpers.data.tissue import EDGE_MM, FIELD_SD, MARGIN_MM, PLANE_SD, SPICULES

# parameter of tissue: what it is, where its values are from, and how they were had from there
SOURCES = pd.read_csv(str(files(__package__) / "sources.csv"), index_col="name")


MEASURED = (
    ("Age", "age_years", "years"),
    ("Initial tumour size", "initial_size_cm", "cm"),
    ("Residual tumour size", "residual_size_cm", "cm"),
)
LEVELS = {"histology": tuple(study.HISTOLOGY), "grade": tuple(study.GRADE), "treatment": tuple(study.TREATMENT)}
RECEPTORS = {  # positive, negative
    "ER+": (["er"], []),
    "PR+": (["pr"], []),
    "HER2+": (["her2"], []),
    "triple negative": ([], ["er", "pr", "her2"]),
    "ER+/PR+/HER2+": (["er", "pr", "her2"], []),
    "ER+/PR+/HER2−": (["er", "pr"], ["her2"]),
    "ER−/PR−/HER2+": (["her2"], ["er", "pr"]),
}


def table1(patients: pd.DataFrame) -> pd.DataFrame:
    """Characteristics of all, training (with validation) and test patients in the form of the paper's Table 1.

    Of what the cohort has on record; a figure of fewer patients than the column has says of how many it is.
    """
    test = patients["split"] == "test"
    groups = {"All": patients, "Training": patients[~test], "Test": patients[test]}
    levels = {name: levels_of(patients[name], known) for name, known in LEVELS.items() if name in patients}
    return pd.DataFrame({name: characteristics(group, levels) for name, group in groups.items()})


def subgroups(patients: pd.DataFrame) -> dict[str, pd.Series]:
    """Return who has had which treatment and whose tumour has which receptors, of what is on record: flags by name."""
    words = patients["treatment"] if "treatment" in patients else pd.Series(dtype=str)
    own = levels_of(words, LEVELS["treatment"])
    groups = {f"treatment: {word if word in study.TREATMENT else plain(word)}": words == word for word in own}
    if {"er", "pr", "her2"} <= set(patients):
        er, pr, her2 = (patients[name].astype("boolean") for name in ("er", "pr", "her2"))
        kinds = {"HER2+": her2, "ER+ or PR+, HER2−": (er | pr) & ~her2, "triple negative": ~(er | pr | her2)}
        groups |= {name: flag.fillna(False).astype(bool) for name, flag in kinds.items()}
    return {name: flag for name, flag in groups.items() if flag.any()}


def levels_of(words: pd.Series, known: tuple[str, ...]) -> list[str]:
    """The words of one column: the study's, if the cohort uses any of them, then the cohort's own."""
    own = sorted(set(words.dropna().astype(str)) - {""})
    return [*(known if set(known) & set(own) else ()), *(word for word in own if word not in known)]


def characteristics(group: pd.DataFrame, levels: Mapping[str, list[str]]) -> pd.Series:
    """One column of Table 1, as text."""
    rows = {"Patients": f"{len(group)}"}
    rows |= {label: mean_sd(group[name], unit) for label, name, unit in MEASURED if name in group}
    for name, words in levels.items():
        known = group[name].dropna().astype(str).loc[lambda text: text != ""]
        told = {word: word if word in LEVELS[name] else plain(word) for word in words}
        rows |= {f"{name.capitalize()}: {told[word]}": percent(known == word, len(group)) for word in words}
    for name, (positive, negative) in RECEPTORS.items():
        if {*positive, *negative} <= set(group):
            known = group[[*positive, *negative]].astype("boolean").dropna().astype(bool)
            flag = known[positive].all(axis=1) & ~known[negative].any(axis=1)
            rows[f"Molecular: {name}"] = percent(flag, len(group))
    responder = group["responder"].astype(bool)
    rows |= {"Response: responder": percent(responder, len(group))}
    return pd.Series(rows | {"Response: non-responder": percent(~responder, len(group))})


def mean_sd(values: pd.Series, unit: str) -> str:
    """Mean and SD of what is on record, as text; the SD of two or more."""
    known = values.dropna()
    if known.empty:
        return "–"
    spread = f" ± {known.std():.1f}" if len(known) > 1 else ""
    return f"{known.mean():.1f}{spread} {unit}" + of_fewer(len(known), len(values))


def percent(flag: pd.Series, n_patients: int) -> str:
    """Share of True among those who are known, as text."""
    return f"{100 * flag.mean():.1f} %" + of_fewer(len(flag), n_patients) if len(flag) else "–"


def of_fewer(n_known: int, n_patients: int) -> str:
    """Of how many patients a figure is, where some are unknown."""
    return f" of {n_known}" if n_known < n_patients else ""


def plain(word: str) -> str:
    """A word of a cohort's own table as text that no markup can hide in."""
    return re.sub(r"[^\w\s]", lambda found: f"&#{ord(found[0])};", word)


def by_split(patients: pd.DataFrame) -> pd.DataFrame:
    """Numbers of responders, non-responders and planes in training, validation and test set."""
    classes = patients["responder"].astype(bool).map({True: "responders", False: "non-responders"})
    counts = pd.crosstab(patients["split"], classes).reindex(columns=["non-responders", "responders"])
    counts["planes"] = patients.groupby("split")["n_planes"].sum()
    return counts.reindex(study.PARTS).fillna(0).astype(int).rename_axis(columns=None)


def parameter_table(attenuation_spread: float = study.ATTENUATION_SPREAD) -> pd.DataFrame:
    """What simulated tissue is drawn from: value (mean ± SD, or a range), source, and how it was had from there."""
    means = {name: (trait.mean, trait.sd) for name, trait in study.TRAITS.items()} | study.BACKGROUND
    means |= {region: (value, value * attenuation_spread) for region, value in study.ATTENUATION_DB_CM_MHZ.items()}
    values: dict[object, str | float] = {name: f"{mean:g} ± {sd:g}" for name, (mean, sd) in means.items()}
    for prefix, spread in (("plane", PLANE_SD), ("field", FIELD_SD)):
        values |= {f"{prefix}_{name}": f"± {sd:g}" for name, sd in spread.items()}
    values |= {"correlation_mm": study.CORRELATION_MM, "margin_mm": MARGIN_MM, "edge_mm": EDGE_MM}
    values |= {name: f"{low:g} to {high:g}" for name, (low, high) in SPICULES.items()}
    values["spiculated"] = f"{100 * study.SPICULATED:.0f}"
    table = SOURCES.assign(value=[str(values[name]) for name in SOURCES.index])
    return table[["parameter", "value", "source", "mark"]].reset_index(drop=True)
