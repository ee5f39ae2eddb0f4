"""What can go wrong: the inflated figure and the honest one, on patients whose response is a shuffled list.

Responses are shuffled among real feature tables of the simulated cohort, so that nothing predicts them and every
honest AUC is 0.5. Each experiment is repeated: a single one proves nothing.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import norm, t
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.judgement.auc import wins

NON_RESPONDERS = 0.238  # share in the paper's cohort


def repeated(once: Callable[[np.random.Generator], dict], repeats: int, seed: int = 0) -> pd.DataFrame:
    """Return what ``once`` finds with ``repeats`` generators of their own, a row each."""
    return pd.DataFrame([once(np.random.default_rng([seed, number])) for number in range(repeats)])


def mean_interval(table: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return mean, low and high of each column over repetitions, by Student's t."""
    error = table.sem() * t.ppf((1 + level) / 2, len(table) - 1)
    return pd.DataFrame({"mean": table.mean(), "low": table.mean() - error, "high": table.mean() + error})


def shuffled(patients: pd.Index, rng: np.random.Generator) -> pd.Series:
    """Return who is a non-responder, at random, in the paper's share; at least two of them."""
    positive = np.arange(len(patients)) < max(2, round(NON_RESPONDERS * len(patients)))
    return pd.Series(rng.permutation(positive), index=patients)


def auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Return the share of pairs that the positive one wins."""
    positive, score = np.asarray(positive, bool), np.asarray(score)
    return float(wins(score[positive], score[~positive]).mean())


def split_of_planes(planes: pd.DataFrame, patient: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """AUC of nearest neighbours on planes (N, n_features): planes split at random, and patients split.

    Planes of one tumour look alike. A random split puts some on either side, and her neighbours give a plane's
    label away although it follows from nothing.
    """
    names, of_plane = np.unique(patient, return_inverse=True)
    positive = shuffled(pd.Index(names), rng).to_numpy()[of_plane]
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(5, weights="distance"))
    state = int(rng.integers(2**31))
    ways = {
        "planes split": (StratifiedKFold(5, shuffle=True, random_state=state), None),
        "patients split": (StratifiedGroupKFold(5, shuffle=True, random_state=state), of_plane),
    }
    return {name: auc(positive, cross_val_predict(model, planes.to_numpy(), positive, groups=groups, cv=folds,
                                                  method="predict_proba")[:, 1])
            for name, (folds, groups) in ways.items()}  # fmt: skip


def fitted_on_all(
    features: pd.DataFrame, rng: np.random.Generator, n_kept: int = 10, n_random: int = 1000
) -> dict[str, float]:
    """AUC of a regression when scaling, or the choice of the ten best features, has seen the test patients too.

    ``n_random`` columns of random numbers join the features, as many as texture analyses like to have. Folds are
    judged one by one and averaged. Choice: largest F of the two classes (Ambroise and McLachlan 2002).
    """
    positive, model = shuffled(features.index, rng).to_numpy(), LogisticRegression(max_iter=2000)
    values = np.hstack([features.to_numpy(), rng.standard_normal((len(features), n_random))])
    scaled = StandardScaler().fit_transform(values)
    chosen = SelectKBest(k=n_kept).fit_transform(scaled, positive)
    ways = {
        "scaled on all": (scaled, model),
        "scaled on training": (values, make_pipeline(StandardScaler(), model)),
        "chosen on all": (chosen, model),
        "chosen on training": (values, make_pipeline(StandardScaler(), SelectKBest(k=n_kept), model)),
    }
    n_folds = int(min(5, positive.sum()))
    folds = list(StratifiedKFold(n_folds, shuffle=True, random_state=int(rng.integers(2**31))).split(values, positive))
    return {name: np.mean([auc(positive[test], way.fit(x[train], positive[train]).predict_proba(x[test])[:, 1])
                           for train, test in folds])
            for name, (x, way) in ways.items()}  # fmt: skip


def three_parts(positive: pd.Series, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return places of training, validation and test patients, 55 : 17 : 28 as in the study, drawn by class."""
    parts = {"train": [], "validation": [], "test": []}
    for of_class in (True, False):
        places = rng.permutation(np.flatnonzero(positive == of_class))
        n_validation, n_test = (max(1, round(share * len(places))) for share in (31 / 181, 50 / 181))
        cuts = [len(places) - n_validation - n_test, len(places) - n_test]
        for part, some in zip(parts.values(), np.split(places, cuts), strict=True):
            part.append(some)
    return {name: np.concatenate(part) for name, part in parts.items()}


def choice_of_epoch(features: pd.DataFrame, rng: np.random.Generator, epochs: int = 30) -> dict[str, float]:
    """Test AUC of a small network at the epoch that validation patients chose, at the last, and at its best."""
    positive = shuffled(features.index, rng)
    parts, values = three_parts(positive, rng), features.to_numpy()
    truth, state = positive.to_numpy(), int(rng.integers(2**31))
    model = MLPClassifier((16,), batch_size=8, learning_rate_init=0.01, random_state=state)
    x = StandardScaler().fit(values[parts["train"]]).transform(values)
    curves = {"validation": [], "test": []}
    for _ in range(epochs):
        model.partial_fit(x[parts["train"]], truth[parts["train"]], classes=[False, True])
        for name, curve in curves.items():
            curve.append(auc(truth[parts[name]], model.predict_proba(x[parts[name]])[:, 1]))
    test = curves["test"]
    return {
        "best on test": max(test),
        "last": test[-1],
        "best on validation": test[int(np.argmax(curves["validation"]))],
    }


def choice_of_threshold(n_positive: int, n_negative: int, rng: np.random.Generator) -> dict[str, float]:
    """Accuracy and balanced accuracy of scores without signal, by a threshold fixed beforehand or chosen on test."""
    positive = np.arange(n_positive + n_negative) < n_positive
    score = rng.standard_normal(len(positive))
    called = score >= np.append(score, np.inf)[:, None]  # (n_thresholds, n_patients)
    sensitivity, specificity = called[:, positive].mean(1), (~called[:, ~positive]).mean(1)
    accuracy = (called == positive).mean(1)
    fixed = score >= 0  # the median of the population they are drawn from
    return {
        "accuracy, fixed": np.mean(fixed == positive),
        "accuracy, chosen on test": accuracy.max(),
        "balanced, fixed": (fixed[positive].mean() + (~fixed[~positive]).mean()) / 2,
        "balanced, chosen on test": ((sensitivity + specificity) / 2).max(),
    }


def configurations(features: pd.DataFrame, rng: np.random.Generator, n: int = 100) -> dict[str, np.ndarray]:
    """AUC on validation and on test patients (n,) of ``n`` regressions that differ in features and penalty."""
    positive = shuffled(features.index, rng)
    parts, truth, values = three_parts(positive, rng), positive.to_numpy(), features.to_numpy()
    x = StandardScaler().fit(values[parts["train"]]).transform(values)
    found = {"validation": np.empty(n), "test": np.empty(n)}
    for number in range(n):
        some = rng.choice(x.shape[1], min(10, x.shape[1]), replace=False)
        model = LogisticRegression(C=10 ** rng.uniform(-3, 2), class_weight="balanced", max_iter=2000)
        model.fit(x[np.ix_(parts["train"], some)], truth[parts["train"]])
        score = x[:, some] @ model.coef_[0]
        for name, aucs in found.items():
            aucs[number] = auc(truth[parts[name]], score[parts[name]])
    return found


def best_of(found: list[dict[str, np.ndarray]], tried: list[int]) -> pd.DataFrame:
    """Return, for each number of configurations tried, the winner's AUC on validation and on test, by study."""
    rows = []
    for number, study in enumerate(found):
        for n in tried:
            winner = int(np.argmax(study["validation"][:n]))
            rows.append((number, n, study["validation"][winner], study["test"][winner]))
    return pd.DataFrame(rows, columns=["study", "tried", "validation", "test"])


def two_models(
    worse: float, better: float, n_positive: int, n_negative: int, correlation: float = 0.6, n_studies: int = 2000,
    seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """AUCs (n_studies, 2) found for two models of known AUC on the same patients, scores normal and correlated."""
    rng = np.random.default_rng(seed)
    mixing = np.linalg.cholesky([[1, correlation], [correlation, 1]]).T
    shift = np.sqrt(2) * norm.ppf([worse, better])
    found = np.empty((n_studies, 2))
    for study in found:
        positive, negative = (rng.standard_normal((n, 2)) @ mixing for n in (n_positive, n_negative))
        study[:] = wins((positive + shift).T, negative.T).mean((-2, -1))
    return found


def label_of_size(size: pd.Series, rng: np.random.Generator, shift_sd: float = 0.5) -> pd.Series:
    """Return non-responders whose tumours are larger by ``shift_sd`` SD of log size, tissue notwithstanding."""
    standard = (np.log(size) - np.log(size).mean()) / np.log(size).std()
    share = NON_RESPONDERS
    height = norm.pdf(norm.isf(share)) / (share * (1 - share))  # shift of a latent cut at this share
    loading = shift_sd / height
    latent = loading * standard + np.sqrt(1 - loading**2) * rng.standard_normal(len(size))
    return latent >= np.quantile(latent, 1 - share)


def read_off(tables: dict[str, pd.DataFrame], positive: pd.Series, rng: np.random.Generator) -> dict[str, float]:
    """Cross-validated AUC of a ridge regression on each table of features, the patients' folds the same for all."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000))
    n_folds = int(min(5, positive.sum()))
    folds = list(StratifiedKFold(n_folds, shuffle=True, random_state=int(rng.integers(2**31)))
                 .split(positive, positive))  # fmt: skip
    truth, found = positive.to_numpy(), {}
    for name, table in tables.items():
        x = table.loc[positive.index].fillna(table.mean()).to_numpy()
        found[name] = np.mean([auc(truth[test], model.fit(x[train], truth[train]).predict_proba(x[test])[:, 1])
                               for train, test in folds])  # fmt: skip
    return found


def accuracy_by_calls(n_positive: int, n_negative: int) -> pd.DataFrame:
    """Expected accuracy and balanced accuracy of calling k of all patients non-responders at random."""
    n = n_positive + n_negative
    share = np.arange(n + 1) / n
    return pd.DataFrame({
        "called": np.arange(n + 1),
        "accuracy": (share * n_positive + (1 - share) * n_negative) / n,
        "balanced accuracy": np.full(n + 1, 0.5),
    })  # fmt: skip
