"""Hand-made features of the maps, as the group's earlier studies had them; what regression and forest make of them."""

import numpy as np
import pandas as pd
from skimage.feature import graycomatrix, graycoprops
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

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
    valid = mask & np.isfinite(maps)
    for name, values, own, found in zip(STEPS, maps, valid, textures(maps, valid, pixel_mm), strict=False):
        first = [float(values[own].mean()), float(values[own].std())] if own.any() else [np.nan] * 2
        named = zip(("mean", "SD", *TEXTURE), first + found, strict=True)
        features |= {f"{region} {name} {what}": value for what, value in named}
    return features


def textures(maps: np.ndarray, valid: np.ndarray, pixel_mm: float) -> list[list[float]]:
    """Return contrast, correlation, energy and homogeneity of each map's valid pixels, (5, n, n) or (3, n, n).

    Of grey levels that meet at 1, 2 and 3 mm, and the mean of the three.
    """
    pairs = [pairs_of(*one, pixel_mm) for one in zip(maps, valid, STEPS.values(), strict=False)]
    every, ends = np.concatenate(pairs, axis=2), np.cumsum([one.shape[2] for one in pairs])[:-1]
    if not every.size:
        return [[np.nan] * len(TEXTURE)] * len(pairs)
    found = np.split(np.stack([graycoprops(every, what)[:, 0] for what in TEXTURE], axis=1), ends)
    return [one.mean(0).tolist() if len(one) else [np.nan] * len(TEXTURE) for one in found]


def pairs_of(values: np.ndarray, valid: np.ndarray, step: float, pixel_mm: float) -> np.ndarray:
    """Return how often grey levels meet among the valid pixels of one map (n, n): (levels, levels, distances, 1).

    Grey-level co-occurrence (Haralick et al. 1973), four directions counted together, at 1, 2 and 3 mm, or fewer of a
    small region. Grey levels are ``step`` wide and start from the median: texture does not repeat what the mean says.
    """
    rows, columns = (np.flatnonzero(valid.any(axis)) for axis in (1, 0))
    if len(rows) < 2 or len(columns) < 2:
        return np.zeros((LEVELS, LEVELS, 0, 1))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    level = np.rint((values[box] - np.median(values[valid])) / step) + LEVELS // 2
    grey = np.where(valid[box], np.clip(np.nan_to_num(level), 1, LEVELS), 0).astype(np.uint8)  # 0: not there
    distances = sorted({max(1, round(mm / pixel_mm)) for mm in DISTANCES_MM})
    pairs = graycomatrix(grey, distances, ANGLES, LEVELS + 1, symmetric=True)[1:, 1:].sum(-1, keepdims=True)
    return pairs[:, :, pairs.any((0, 1))[:, 0]]


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


def fit_forest(features: pd.DataFrame, patients: pd.DataFrame, seed: int = 0) -> Pipeline:
    """Return a random forest fitted to the training patients, classes weighted as in the regression."""
    training = patients.index[patients["split"] == "train"]
    trees = RandomForestClassifier(500, min_samples_leaf=3, class_weight="balanced_subsample", random_state=seed)
    steps = make_pipeline(SimpleImputer(keep_empty_features=True), trees)
    return steps.fit(features.loc[training], ~patients.loc[training, "responder"].to_numpy(bool))


def probability(features: pd.DataFrame, patients: pd.DataFrame, seed: int = 0, forest: bool = False) -> pd.Series:
    """Return the probability of a NON-responder that a regression on the training patients gives everybody.

    Or a random forest (Breiman 2001), which sees what a regression cannot: features that say something together only.
    """
    model = (fit_forest if forest else fit_regression)(features, patients, seed)
    return pd.Series(model.predict_proba(features.loc[patients.index])[:, 1], index=patients.index)
