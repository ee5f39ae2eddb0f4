"""The parts of a recorded cohort: how many patients are for test and validation, and whether training has enough."""

from pathlib import Path

import pandas as pd

from ground.errors import InputError
from helpers.data.study import FEWEST, N_PATIENTS, N_TEST, N_VALIDATION
from helpers.settings import Study


def split_sizes(chosen: Study, n_patients: int) -> tuple[int, int]:
    """How many of a cohort's patients are for test and for validation.

    As many as the settings ask for, if that leaves a third of the cohort for training; else the settings'
    shares of their own number of patients, if these leave as much, else the paper's shares.
    """
    whole, given = chosen.n_patients, (chosen.n_test, chosen.n_validation)
    if leaves_a_third(given, n_patients):
        return given
    if not leaves_a_third(given, whole):
        whole, given = N_PATIENTS, (N_TEST, N_VALIDATION)
    n_test, n_validation = (max(1, round(n_patients * part / whole)) for part in given)
    return n_test, n_validation


def leaves_a_third(parts: tuple[int, int], n_patients: int) -> bool:
    """Tell whether a third of the patients or more are left for training."""
    return 3 * (n_patients - sum(parts)) >= n_patients


def with_training(patients: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The patients, if training has enough of both classes; else an ``InputError`` names the table and the counts."""
    training = patients.loc[patients["split"] == "train", "responder"].astype(bool)
    n_lost, n_kept = int((~training).sum()), int(training.sum())
    if min(n_lost, n_kept) < FEWEST:
        raise InputError(
            f"{path}: {n_kept} responders and {n_lost} non-responders for training, out of {len(patients)} patients; "
            f"expected {FEWEST} or more of each"
        )
    return patients
