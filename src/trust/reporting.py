"""Reporting checklists, filled for this study: TRIPOD+AI (Collins et al. 2024) and CLAIM (Tejani et al. 2024).

Items stand in ``tripod_ai.csv`` and ``claim.csv``, asked in short words of our own. An answer may hold names in
braces, such as ``{n_test}``, which ``facts`` computes from the run, or finds in ``answers.csv``: what is answered of
simulated patients and of recorded ones.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from ground.artifacts import project_path
from helpers.data.study import MODELS, PARTS
from helpers.judgement.auc import auc_interval
from helpers.settings import Settings
from pages.judgement import lacking
from recorded.cohort import read_patients

CHECKLISTS = ("tripod_ai", "claim")
CHOSEN = ("image_px", "dropout", "class_weight", "batch_size", "optimizer", "learning_rate")
ANSWERS = pd.read_csv(
    str(files(__package__) / "answers.csv"), index_col="name"
)  # that differ by whose patients they are
NOT_APPLICABLE, OWNER = ANSWERS.loc["simulated_only"]


def items(checklist: str) -> pd.DataFrame:
    """Return item, asks, chapter (its word, as ``roc``) and answer of "tripod_ai" or "claim", as text."""
    if checklist not in CHECKLISTS:
        raise ValueError(f"checklist {checklist!r}: expected one of {CHECKLISTS}")
    with (files("trust") / f"{checklist}.csv").open() as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def facts(patients: pd.DataFrame, predictions: pd.DataFrame, settings: Settings) -> dict[str, Any]:
    """Return what the answers refer to: numbers of patients, non-responders, recurrences, test AUCs."""
    parts = {name: patients[patients["split"] == name] for name in PARTS}
    lost = {name: int((~part["responder"].astype(bool)).sum()) for name, part in parts.items()}
    known: dict[str, Any] = {f"n_{name}": len(part) for name, part in parts.items()}
    known |= {f"lost_{name}": count for name, count in lost.items()}
    known |= {f"{name}_share": share(lost[name], len(parts[name])) for name in ("train", "test")}
    known |= {"n": len(patients), "events": int(patients["recurrence"].astype(bool).sum())}
    known |= {"events_test": int(parts["test"]["recurrence"].astype(bool).sum())}
    known |= {name: value for name, value in settings.flat().items() if name in CHOSEN}
    known |= {"aucs": test_aucs(predictions, settings.judgement.level), "whose": settings.study.whose}
    answers = ANSWERS[settings.study.whose.lower()].to_dict()
    if not settings.study.simulated and given_split(settings):
        answers["split_how"] = answers["split_given"]
    return known | answers


def share(part: int, whole: int) -> str:
    """Return a share in per cent as text, also of nobody."""
    return f"{part / whole:.0%}" if whole else "(of nobody)"


def given_split(settings: Settings) -> bool:
    """Tell whether a recorded cohort's own table says who is for training, validation and test."""
    return "split" in read_patients(project_path(settings.study.cohort))


def test_aucs(predictions: pd.DataFrame, level: float) -> str:
    """Return the test AUC of every model with its interval, as text, or why there is none."""
    test = predictions[predictions["split"] == "test"].astype({"responder": bool})
    if why := lacking(~test["responder"]):
        return why
    rows = [(spec.title, test[test["model"] == slug]) for slug, spec in MODELS.items()]
    intervals = [(title, *auc_interval(~part.responder, part.probability, level)) for title, part in rows]
    told = "; ".join(f"{title} {auc:.2f} ({low:.2f} to {high:.2f})" for title, auc, low, high in intervals)
    return f"{told}; intervals of {level:.0%}"


def link_to(chapter: Path) -> str:
    """Return a link, in markdown, to the page of a chapter's source, named by number and title."""
    lines = chapter.read_text().splitlines()
    title = next(line for line in lines if line.startswith("# # ")).removeprefix("# # ")
    return f"[{int(chapter.stem[:2])} {title}]({chapter.stem}.ipynb)"


def filled(checklist: str, known: Mapping[str, Any], pages: Mapping[str, str]) -> pd.DataFrame:
    """Return a checklist ready to be read: item, asks, answer, where.

    ``known`` comes from ``facts``; ``pages`` maps a chapter's word to a link to its page. Raises
    ``ValueError`` for an item that points to a page that does not exist, or to a fact that is not known.
    """
    table = items(checklist)
    rows = []
    for row in table.to_dict("records"):
        try:
            rows.append((row["item"], row["asks"], row["answer"].format(**known), pages[row["chapter"]]))
        except KeyError as missing:
            expected = f"a page out of {sorted(pages)} or a fact out of {sorted(known)}"
            raise ValueError(
                f"{checklist}.csv, item {row['item']}: {missing} is unknown, expected {expected}"
            ) from None
    return pd.DataFrame(rows, columns=["item", "asks", "answer", "where"])
