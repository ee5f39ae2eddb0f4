"""The baseline: what simple features of the maps say without a network, and what size, outline and holes say alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import binary_erosion
from skimage.feature import graycomatrix, graycoprops
from skimage.measure import regionprops
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from beyond import oracle
from helpers.data import study
from helpers.judgement.evaluation import auc_if_known
from helpers.learning.images import ImageSet
from helpers.maps.parametric import BAND_MHZ
from helpers.settings import Maps

# Width of a grey level of each map's texture, about half of what the map varies inside a tumour (SD).
STEPS = {"MBF": 1.5, "SS": 0.3, "SI": 2.5, "ESD": 6.0, "EAC": 1.75}  # dB, dB/MHz, dB, um, dB
LEVELS = 16  # grey levels, the middle one at the median of the region
DISTANCES_MM = (1.0, 2.0, 3.0)
ANGLES = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
TEXTURE = ("contrast", "correlation", "energy", "homogeneity")
MID_BAND_MHZ = sum(BAND_MHZ) / 2
STRENGTHS = np.logspace(-4, 1, 11)  # candidates for C, the inverse of the regularisation
TITLES = {"core": "regression, core", "core_margin": "regression, core + margin"}


def map_features(images: ImageSet, region: str = "core_margin", mid_band_mhz: float = MID_BAND_MHZ) -> pd.DataFrame:
    """Return mean, SD and texture of the maps, one row per patient, the mean over her planes."""
    return plane_features(images, region, mid_band_mhz).groupby(images.patient).mean()


def plane_features(images: ImageSet, region: str = "core_margin", mid_band_mhz: float = MID_BAND_MHZ) -> pd.DataFrame:
    """Return mean, SD and texture of the five maps, or of three where backscatter is unknown, one row per plane.

    ``"core"``: 30 or 18 features. ``"core_margin"``: those of core and of margin, and core against margin (a ratio,
    for means and correlations a difference): 90 or 54, as in the group's earlier studies (Tadayyon et al. 2017).
    Made from the images the networks see, where neighbouring pixels are nearly independent: on the 0.1 mm
    grid of the maps texture would show the overlap of the windows. Pixels without a value count nowhere.
    """
    core, margin = images.core, images.region & ~images.core
    pixel_mm = (images.extent_mm[0, 1] - images.extent_mm[0, 0]) / images.maps.shape[-1]
    rows = []
    for maps, inside, around in zip(five_maps(images.maps, mid_band_mhz), core, margin, strict=True):
        row = region_features(maps, inside, pixel_mm, "core")
        if images.mask(region) is not images.core:
            row |= (outer := region_features(maps, around, pixel_mm, "margin")) | against(row, outer)
        rows.append(row)
    return pd.DataFrame(rows)


def centre_mhz(choices: Maps) -> float:
    """Return the middle of the maps' band; of the paper's where the band is the phantom's own, which images forget."""
    low, high = choices.band or BAND_MHZ
    return (low + high) / 2


def five_maps(maps: np.ndarray, mid_band_mhz: float = MID_BAND_MHZ) -> np.ndarray:
    """Return MBF, SS, SI, ESD, EAC (N, 5, n, n) of images (N, 4, n, n), or the first three of (N, 2, n, n).

    Images hold no channel for SS; SI = MBF - SS f_c, at the middle f_c of the maps' band, gives it back.
    """
    mbf, si = maps[:, 0], maps[:, 1]
    return np.stack([mbf, (mbf - si) / mid_band_mhz, si, *np.moveaxis(maps[:, 2:], 1, 0)], axis=1)


def region_features(maps: np.ndarray, mask: np.ndarray, pixel_mm: float, region: str) -> dict[str, float]:
    """Return mean, SD and texture of each map, (5, n, n) or (3, n, n), in a mask (n, n).

    NaN where too little is there.
    """
    features: dict[str, float] = {}
    for name, values in zip(list(STEPS)[: len(maps)], maps, strict=True):
        valid = mask & np.isfinite(values)
        found = [values[valid].mean(), values[valid].std()] if valid.any() else [np.nan] * 2
        found += texture(values, valid, STEPS[name], pixel_mm)
        named = zip(("mean", "SD", *TEXTURE), found, strict=True)
        features |= {f"{region} {name} {what}": value for what, value in named}
    return features


def texture(values: np.ndarray, valid: np.ndarray, step: float, pixel_mm: float) -> list[float]:
    """Return contrast, correlation, energy and homogeneity of the valid pixels of one map (n, n).

    Grey-level co-occurrence (Haralick et al. 1973), four directions counted together, averaged over 1, 2 and
    3 mm. Grey levels are ``step`` wide and start from the median: texture does not repeat what the mean says.
    """
    rows, columns = (np.flatnonzero(valid.any(axis)) for axis in (1, 0))
    if len(rows) < 2 or len(columns) < 2:
        return [np.nan] * len(TEXTURE)
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    level = np.rint((values[box] - np.median(values[valid])) / step) + LEVELS // 2
    grey = np.where(valid[box], np.clip(np.nan_to_num(level), 1, LEVELS), 0).astype(np.uint8)  # 0: not there
    distances = sorted({max(1, round(mm / pixel_mm)) for mm in DISTANCES_MM})
    pairs = graycomatrix(grey, distances, ANGLES, LEVELS + 1, symmetric=True)[1:, 1:].sum(-1, keepdims=True)
    pairs = pairs[:, :, pairs.any((0, 1))[:, 0]]  # a small region may have no pair so far apart
    return [float(graycoprops(pairs, what).mean()) if pairs.size else np.nan for what in TEXTURE]


def against(core: dict[str, float], margin: dict[str, float]) -> dict[str, float]:
    """Return core against margin for each feature: differences of means and correlations, log ratios of the rest."""
    compared = {}
    for (name, inside), outside in zip(core.items(), margin.values(), strict=True):
        _, map_, what = name.split()
        if what in ("mean", "correlation"):
            compared[f"difference {map_} {what}"] = inside - outside
        else:
            compared[f"ratio {map_} {what}"] = np.log((inside + 1e-6) / (outside + 1e-6))
    return compared


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


def regression(n_fewest: int, seed: int = 0) -> GridSearchCV:
    """Return a standardised ridge logistic regression whose C is chosen by 5-fold cross-validation in what it is fed.

    Standardisation is fitted anew inside each fold. ``n_fewest`` patients in the smaller class limit the folds.
    """
    model = LogisticRegression(class_weight="balanced", max_iter=2000)
    steps = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), model)
    if n_fewest < 2:
        raise ValueError(f"{n_fewest} patients in the smaller class: cross-validation needs 2 or more")
    folds = StratifiedKFold(min(5, n_fewest), shuffle=True, random_state=seed)
    return GridSearchCV(steps, {"logisticregression__C": STRENGTHS}, scoring="roc_auc", cv=folds)


def fit_regression(features: pd.DataFrame, patients: pd.DataFrame, seed: int = 0) -> Pipeline:
    """Return the regression fitted to the training patients; no other patient is looked at.

    Raises ``ValueError`` when fewer than two of them are of one class.
    """
    training = patients.index[patients["split"] == "train"]
    positive = ~patients.loc[training, "responder"].to_numpy(bool)
    n_fewest = int(min(positive.sum(), (~positive).sum()))
    return regression(n_fewest, seed).fit(features.loc[training], positive).best_estimator_


def probability(features: pd.DataFrame, patients: pd.DataFrame, seed: int = 0) -> pd.Series:
    """Return the probability of a NON-responder that a regression on the training patients gives everybody."""
    model = fit_regression(features, patients, seed)
    return pd.Series(model.predict_proba(features.loc[patients.index])[:, 1], index=patients.index)


def scores(
    images: ImageSet,
    patients: pd.DataFrame,
    summary: pd.DataFrame,
    effect: str = "base",
    mid_band_mhz: float = MID_BAND_MHZ,
) -> pd.DataFrame:
    """Return a score of non-response per patient and predictor: regressions, oracles, size, outline and holes.

    Regressions learn from the training patients alone. ``summary`` is that of the maps. The oracles know the
    true tissue, which only simulated patients have; unphysical fits are those of backscatter, where that is known.
    """
    everything = map_features(images, mid_band_mhz=mid_band_mhz)
    core = everything.filter(regex="^core ")
    outlines = mask_features(images)
    table = pd.DataFrame({TITLES["core"]: probability(core, patients)})
    table[TITLES["core_margin"]] = probability(everything, patients)
    table["tumour size alone"] = outlines["largest"]
    table["outline alone"] = probability(outlines, patients)
    if "esd_um" in images.fields:
        table["unphysical fits alone"] = unphysical_share(summary)
    if set(study.TRAITS) <= set(patients):
        table["oracle, core"] = oracle.oracle_score(patients, oracle.CORE_TRAITS, effect)
        table["oracle, core + margin"] = oracle.oracle_score(patients, tuple(study.TRAITS), effect)
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
    """Return both regressions' probabilities in the form of the networks' predictions, a row per model and patient."""
    parts = [
        patients[["split", "responder"]].assign(model=f"regression_{region}", probability=scored[title])
        for region, title in TITLES.items()
    ]
    return pd.concat(parts).rename_axis("patient").reset_index()
