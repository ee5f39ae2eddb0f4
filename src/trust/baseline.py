"""The baseline: what simple features of the maps say without a network, and what size, outline and holes say alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import binary_erosion
from skimage.measure import regionprops
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from beyond import handmade, oracle
from helpers.data import study
from helpers.judgement.evaluation import auc_if_known
from helpers.learning.images import ImageSet
from trust.design import REGRESSIONS, STATISTICS, TITLES


def mask_features(images: ImageSet) -> pd.DataFrame:
    """Return size, shape, place and number of the outlines, one row per patient: what needs no echo at all."""
    pixel_mm2 = np.prod((images.extent_mm[0, [1, 2]] - images.extent_mm[0, [0, 3]]) / images.maps.shape[-1])
    rows = []
    for core, region, extent in zip(images.core, images.region, images.extent_mm, strict=True):
        shape = regionprops(core.astype(np.uint8))[0]
        row = {"core area": core.sum() * pixel_mm2, "region area": region.sum() * pixel_mm2}
        row |= {"eccentricity": shape.eccentricity, "solidity": shape.solidity, "filled": shape.extent}
        rows.append(row | {"depth": extent[2:].mean(), "lateral": extent[:2].mean()})
    planes = pd.DataFrame(rows).groupby(images.patient)
    return planes.mean().assign(largest=planes["core area"].max(), planes=planes.size())


def clinical_features(patients: pd.DataFrame) -> pd.DataFrame:
    """Return what a clinic knows before treatment without QUS, of what is on record, one row per patient.

    Age, size, receptors (1, 0, NaN where unknown), and grade, a column for each of its words.
    """
    known = [name for name in ("age_years", "initial_size_cm", "er", "pr", "her2") if name in patients]
    words = pd.get_dummies(patients["grade"], prefix="grade", dtype=float) if "grade" in patients else pd.DataFrame()
    return patients[known].astype("Float64").astype(float).join(words)


def shrink_core(images: ImageSet, by_mm: float) -> ImageSet:
    """Return the images with the border of the core, ``by_mm`` wide, left out; a core that would vanish stays."""
    pixel_mm = (images.extent_mm[0, 1] - images.extent_mm[0, 0]) / images.maps.shape[-1]
    steps = max(1, round(by_mm / pixel_mm))
    inner = np.stack([binary_erosion(core, iterations=steps) for core in images.core])
    return replace(images, core=np.where(inner.any((1, 2), keepdims=True), inner, images.core))


def seen_of_margin(features: pd.DataFrame, patients: pd.DataFrame) -> float:
    """Return how well features tell the margin's EAC beyond what the core's EAC tells: cross-validated correlation."""
    core, margin = (patients[f"{region}_eac_db"].to_numpy() for region in ("core", "margin"))
    beyond = margin - np.polyval(np.polyfit(core, margin, 1), core)
    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), RidgeCV(np.logspace(-1, 4, 12)))
    folds = KFold(min(10, len(core)), shuffle=True, random_state=0)
    told = cross_val_predict(model, features.loc[patients.index], beyond, cv=folds)
    return float(np.corrcoef(beyond, told)[0, 1])


def unphysical_share(summary: pd.DataFrame) -> pd.Series:
    """Return the share of windows without a physical fit per patient, from the ``summary.csv`` of the maps."""
    bad = (summary["unphysical"] * summary["windows"]).groupby(summary["patient"]).sum()
    return bad / summary.groupby("patient")["windows"].sum()


def scores(
    images: ImageSet,
    patients: pd.DataFrame,
    summary: pd.DataFrame,
    truth: tuple[str, str] = ("base", "mean"),
    mid_band_mhz: float = handmade.MID_BAND_MHZ,
) -> pd.DataFrame:
    """Return a score of non-response per patient and predictor: regressions, oracles, size, outline and holes.

    Regressions learn from the training patients alone. ``summary`` is that of the maps. The oracles know the true
    tissue, which only simulated patients have, and the ``truth``, effect and signal; unphysical fits are those of
    backscatter, where that is known.
    """
    everything = handmade.map_features(images, mid_band_mhz=mid_band_mhz)
    core = everything.filter(regex="^core ")
    outlines = mask_features(images)
    table = pd.DataFrame({TITLES["regression_core"]: handmade.probability(core, patients)})
    table[TITLES["regression_core_margin"]] = handmade.probability(everything, patients)
    table["tumour size alone"] = outlines["largest"]
    table["outline alone"] = handmade.probability(outlines, patients)
    if len(clinic := clinical_features(patients).dropna(axis=1, how="all").columns):
        table["clinic alone"] = handmade.probability(clinical_features(patients)[clinic], patients)
    if "esd_um" in images.fields:
        table["unphysical fits alone"] = unphysical_share(summary)
    if set(study.TRAITS) <= set(patients):
        table["oracle, core"] = oracle.oracle_score(patients, oracle.CORE_TRAITS, *truth)
        table["oracle, core + margin"] = oracle.oracle_score(patients, tuple(study.TRAITS), *truth)
    return table.rename_axis("patient")


def table(scored: pd.DataFrame, patients: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the AUC of each predictor (columns of ``scored``) on validation and test patients, with its interval.

    NaN where one of the classes is missing.
    """
    rows: dict[Any, dict[str, float]] = {}
    for name, score in scored.items():
        rows[name] = {}
        for split in ("validation", "test"):
            of_split = patients.index[patients["split"] == split]
            three = auc_if_known(~patients.loc[of_split, "responder"].to_numpy(bool), score[of_split], level)
            rows[name] |= dict(zip((f"{split}_auc", f"{split}_low", f"{split}_high"), three, strict=True))
    return pd.DataFrame.from_dict(rows, orient="index")


def predictions(scored: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    """Return the probabilities among the scores as the networks' predictions are, a row per model and patient."""
    parts = [
        patients[["split", "responder"]].assign(model=model, probability=scored[title])
        for model in (*STATISTICS, *REGRESSIONS)
        if (title := TITLES[model]) in scored
    ]
    return pd.concat(parts).rename_axis("patient").reset_index()
