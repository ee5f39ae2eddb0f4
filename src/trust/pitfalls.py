"""What can go wrong: what chapter 16's mistakes and their honest counterparts share; the mistakes stand there.

Responses are shuffled among real feature tables of the cohort, so that nothing predicts them and every honest AUC is
0.5. Each experiment is repeated: a single one proves nothing. Simulated patients are scanned anew for what a wrong
attenuation, another phantom or another scanner does to maps, and to models that read them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from beyond.means import student_mean
from helpers.data.acquisition import Acquisition
from helpers.data.simulation import simulated, system_of
from helpers.data.study import NON_RESPONDERS
from helpers.judgement.auc import Values, wins
from helpers.learning.images import ImageSet, collect
from helpers.maps.planes import MappedPlane, map_plane
from helpers.settings import Images, Maps, Settings
from pages.judgement import NOT_COMPUTED, counted

MAPS = {"mbf": "MBF / dB", "esd_um": "ESD / µm", "eac_db": "EAC / dB"}
FEWEST = 11  # patients: the paper's share of fewer is no three non-responders, one for each part
Splits = list[tuple[np.ndarray, np.ndarray]]  # places of training and of test patients, fold by fold


# Repetitions


def aucs(positive: np.ndarray, score: np.ndarray) -> Values:
    """Return the AUC (...) of each row of scores (..., n), NaN without both classes.

    By hand because scikit-learn's ``roc_auc_score`` takes one row at a time.
    """
    won = wins(score[..., positive], score[..., ~positive])
    return won.mean((-2, -1)) if won.size else np.full(won.shape[:-2], np.nan)[()]


def repeated(once: Callable[[np.random.Generator], Mapping[str, float]], repeats: int, seed: int = 0) -> pd.DataFrame:
    """Return what ``once`` finds with ``repeats`` generators of their own, a row each."""
    return pd.DataFrame([once(np.random.default_rng([seed, number])) for number in range(repeats)])


def mean_interval(table: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return mean, low and high of each column over repetitions, by Student's t."""
    return pd.DataFrame(dict(zip(("mean", "low", "high"), student_mean(table, level), strict=True)), table.columns)


def told(table: pd.DataFrame, level: float = 0.95, heading: str = "mean AUC") -> str:
    """Return mean and interval of each column over repetitions as a table in Markdown."""
    rows = mean_interval(table, level)
    cell = [f"{r.mean:.3f} ({r.low:.3f}–{r.high:.3f})" for r in rows.itertuples(index=False)]
    return pd.DataFrame({heading: cell}, index=rows.index).to_markdown()


def shuffled(patients: pd.Index, rng: np.random.Generator) -> pd.Series:
    """Return who is a non-responder, at random, in the paper's share; at least two of them."""
    positive = np.arange(len(patients)) < max(2, round(NON_RESPONDERS * len(patients)))
    return pd.Series(rng.permutation(positive), index=patients)


def accuracies(positive: np.ndarray, called: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return accuracy and balanced accuracy (...) of calls (..., n) for classes (n,)."""
    sensitivity, specificity = called[..., positive].mean(-1), (~called[..., ~positive]).mean(-1)
    return (called == positive).mean(-1), (sensitivity + specificity) / 2


# What a cohort allows


def too_few(n_patients: int) -> str:
    """Return why responses cannot be shuffled among so few patients, as text; empty where they can."""
    return f"{NOT_COMPUTED}: {counted(n_patients, 'patient')}, {FEWEST} or more are needed" * (n_patients < FEWEST)


def without_gaps(table: pd.DataFrame) -> pd.DataFrame:
    """Return the features that any row has, gaps filled with the mean of the column, which knows no response."""
    return table.dropna(axis="columns", how="all").fillna(table.mean())


# Folds and parts of patients


def folds_of(positive: np.ndarray, rng: np.random.Generator) -> Splits:
    """Return five folds by class, fewer if a class is smaller."""
    folds = StratifiedKFold(int(min(5, positive.sum())), shuffle=True, random_state=int(rng.integers(2**31)))
    return list(folds.split(positive, positive))


def over_folds(model: Any, x: np.ndarray, positive: np.ndarray, folds: Splits) -> float:
    """Return the mean over folds of the test patients' AUC, the model fitted to each fold's training patients."""
    found = []
    for train, test in folds:
        score = model.fit(x[train], positive[train]).predict_proba(x[test])[:, 1]
        found.append(float(aucs(positive[test], score)))
    return float(np.mean(found))


def read_off(tables: Mapping[str, pd.DataFrame], positive: pd.Series, rng: np.random.Generator) -> dict[str, float]:
    """Return the AUC of a ridge regression over folds on each table of features, the folds the same for all."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000))
    truth = positive.to_numpy()
    folds = folds_of(truth, rng)
    filled = {name: table.loc[positive.index].fillna(table.mean()).to_numpy() for name, table in tables.items()}
    return {name: over_folds(model, x, truth, folds) for name, x in filled.items()}


def three_parts(positive: pd.Series, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return places of training, validation and test patients, 55 : 17 : 28 as in the study, drawn by class."""
    parts: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": []}
    for of_class in (True, False):
        places = rng.permutation(np.flatnonzero(positive == of_class))
        n_validation, n_test = (max(1, round(share * len(places))) for share in (31 / 181, 50 / 181))
        cuts = [len(places) - n_validation - n_test, len(places) - n_test]
        for part, some in zip(parts.values(), np.split(places, cuts), strict=True):
            part.append(some)
    return {name: np.concatenate(part) for name, part in parts.items()}


def shuffled_study(
    features: pd.DataFrame, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return features scaled with training patients, shuffled responses, and the places of the three parts."""
    positive = shuffled(features.index, rng)
    parts, values = three_parts(positive, rng), features.to_numpy()
    return StandardScaler().fit(values[parts["train"]]).transform(values), positive.to_numpy(), parts


def aucs_by_epoch(features: pd.DataFrame, rng: np.random.Generator, epochs: int = 30) -> dict[str, np.ndarray]:
    """Return the AUC of validation and of test patients (epochs,) after each epoch of a small network."""
    x, truth, parts = shuffled_study(features, rng)
    state = int(rng.integers(2**31))
    model = MLPClassifier((16,), batch_size=min(8, len(parts["train"])), learning_rate_init=0.01, random_state=state)
    curves = {"validation": np.empty(epochs), "test": np.empty(epochs)}
    for epoch in range(epochs):
        model.partial_fit(x[parts["train"]], truth[parts["train"]], classes=[False, True])
        for name, curve in curves.items():
            curve[epoch] = aucs(truth[parts[name]], model.predict_proba(x[parts[name]])[:, 1])
    return curves


def aucs_by_configuration(features: pd.DataFrame, rng: np.random.Generator, n: int = 100) -> dict[str, np.ndarray]:
    """Return the AUC of validation and of test patients (n,) of regressions that differ in features and penalty."""
    x, truth, parts = shuffled_study(features, rng)
    found = {"validation": np.empty(n), "test": np.empty(n)}
    for number in range(n):
        some = rng.choice(x.shape[1], min(10, x.shape[1]), replace=False)
        model = LogisticRegression(C=10 ** rng.uniform(-3, 2), class_weight="balanced", max_iter=2000)
        model.fit(x[np.ix_(parts["train"], some)], truth[parts["train"]])
        score = x[:, some] @ model.coef_[0]
        for name, curve in found.items():
            curve[number] = aucs(truth[parts[name]], score[parts[name]])
    return found


# Populations of a known truth


def label_of_size(size: pd.Series, rng: np.random.Generator, shift_sd: float = 0.5) -> pd.Series:
    """Return non-responders whose tumours are larger by ``shift_sd`` SD of log size, tissue notwithstanding."""
    standard = (np.log(size) - np.log(size).mean()) / np.log(size).std()
    share = NON_RESPONDERS
    height = norm.pdf(norm.isf(share)) / (share * (1 - share))  # shift of a latent cut at this share
    loading = shift_sd / height
    latent = loading * standard + np.sqrt(1 - loading**2) * rng.standard_normal(len(size))
    return latent >= np.quantile(latent, 1 - share)


def small_scatterers(patients: pd.DataFrame, low_um: float, high_um: float) -> pd.DataFrame:
    """The patients with core scatterers from ``low_um`` to ``high_um``, evenly; the smaller half are non-responders."""
    size_um = np.linspace(low_um, high_um, len(patients))
    order = np.random.default_rng(0).permutation(len(patients))
    return patients.assign(core_esd_um=size_um[order], responder=size_um[order] > np.median(size_um))


# Scanners


def central_scan(
    patient: pd.Series,
    settings: Settings,
    changes: Mapping[str, Any] | None = None,
    phantom_changes: Mapping[str, Any] | None = None,
) -> Acquisition:
    """The central plane of a patient, scanned as in the study, but for ``changes`` of the scanner.

    The phantom is scanned with ``phantom_changes``; both are fields of ``System``. The speckle is the study's.
    """
    chosen = settings.scan
    study = system_of(patient, chosen.n_lines, chosen.depth_cm, chosen.noise_db)
    systems = (replace(study, **(given or {})) for given in (changes, phantom_changes))
    size = chosen.n_lines, chosen.depth_cm, chosen.n_reference_frames, settings.study.cohort_seed
    return simulated(patient, int(patient["n_planes"]) // 2, *size, *systems)


def core_medians(acquired: Acquisition, choices: Maps) -> dict[str, float]:
    """Medians of MBF, ESD and EAC in the core, and the share of its windows with a value that no diameter fits."""
    return medians_of(map_plane(acquired, choices))


def medians_of(mapped: MappedPlane) -> dict[str, float]:
    """As ``core_medians``, of a plane that is mapped; a median is over what could be estimated."""
    found = {name: float(np.nanmedian(getattr(mapped.maps, name)[mapped.core])) for name in MAPS}
    fitted = mapped.core & np.isfinite(mapped.maps.mbf)
    return found | {"unphysical": float(np.isnan(mapped.maps.esd_um[fitted]).mean()) if fitted.any() else np.nan}


def assume(choices: Maps, error_db_cm_mhz: float) -> Maps:
    """Choices that assume the attenuation, off by this much everywhere, dB/cm/MHz."""
    names = "tumour_attenuation_db_cm_mhz", "background_attenuation_db_cm_mhz"
    assumed = {name: getattr(choices, name) + error_db_cm_mhz for name in names}
    return Maps(**(choices.model_dump() | assumed | {"attenuation": "assumed"}))


def images_and_medians(
    scans: Iterable[tuple[str, Acquisition]], choices: Maps, size: Images
) -> tuple[ImageSet, pd.DataFrame]:
    """Images and core medians of one scan a patient."""
    mapped = {name: map_plane(acquired, choices) for name, acquired in scans}
    planes = ((name, 0, plane) for name, plane in mapped.items())
    medians = pd.DataFrame({name: medians_of(plane) for name, plane in mapped.items()}).T
    return collect(planes, size.image_px, size.field_of_view_mm), medians
