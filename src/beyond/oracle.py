"""The oracle: what the best possible model could say that sees the simulated tissue itself."""

import numpy as np
import pandas as pd

from helpers.data.study import EFFECTS, PAIRED, TRAITS, followed

CORE_TRAITS = ("core_esd_um", "core_eac_db", "heterogeneity_db")


def oracle_score(
    patients: pd.DataFrame, traits: tuple[str, ...], effect: str = "base", signal: str = "mean"
) -> pd.Series:
    """Expected resistance given the true tissue: the best any model could do with these traits.

    Linear, because resistance and traits are jointly Gaussian: score = c' S^-1 z with c the loadings and S
    the correlations of the traits. Under another ``signal`` than ``"mean"`` it is what resistance follows.
    """
    if signal != "mean":
        return pd.Series(EFFECTS[effect] * followed(patients, signal), index=patients.index)
    loading = EFFECTS[effect] * np.array([TRAITS[name].loading for name in traits])
    residual = np.sqrt(1 - loading**2)
    correlation = np.eye(len(traits))
    if set(PAIRED[:2]) <= set(traits):
        i, j = traits.index(PAIRED[0]), traits.index(PAIRED[1])
        correlation[i, j] = correlation[j, i] = PAIRED[2]
    covariance = np.outer(loading, loading) + np.outer(residual, residual) * correlation
    standard = np.column_stack([(patients[name] - TRAITS[name].mean) / TRAITS[name].sd for name in traits])
    return pd.Series(standard @ np.linalg.solve(covariance, loading), index=patients.index)
