"""Trained models as they are kept: a folder each, and what they say of every patient; read without torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ground.artifacts import is_sound
from helpers.data.study import MODELS

if TYPE_CHECKING:
    import torch

    from helpers.learning.networks import PatientModel

FILES = ("weights.pt", "predictions.csv", "curves.csv", "model.json")


@dataclass(frozen=True)
class StudyResults:
    """Predictions and learning curves of the trained models, and the folder that holds them."""

    predictions: pd.DataFrame  # patient, model, split, responder, probability of a NON-responder, seed
    curves: pd.DataFrame  # model, stage, epoch, training_loss, validation_loss, validation_auc
    folder: Path

    def load(self, slug: str, device: "str | torch.device" = "cpu") -> "PatientModel":
        """Return a trained model, ready to predict."""
        from helpers.learning.training import load_model

        return load_model(self.folder / slug, device)

    def seconds(self, slug: str) -> float:
        """Return how long both stages took on the machine that trained the model [s]."""
        return json.loads((self.folder / slug / "model.json").read_text())["seconds"]


def collect(folder: Path) -> StudyResults:
    """Read the tables of the four finished models, in the order of ``MODELS``."""
    predictions, curves = (
        pd.concat([read_table(folder / slug / table) for slug in MODELS], ignore_index=True)
        for table in ("predictions.csv", "curves.csv")
    )
    return StudyResults(predictions, curves, folder)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table of a finished model; patients' ids stay the text they are, also 001 and NA."""
    return pd.read_csv(path, converters={"patient": str})


def is_finished(folder: Path, key: str | None = None) -> bool:
    """Tell whether the folder holds a whole, undamaged model, of this key if one is given."""
    if not all([is_sound(folder / name) for name in FILES]):  # a list: every damaged file is named
        return False
    return key is None or json.loads((folder / "model.json").read_text()).get("key") == key
