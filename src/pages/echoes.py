"""Examples: the plane that is shown, patients of known tissue, even tissue, an elliptic tumour."""

from pathlib import Path

import numpy as np
import pandas as pd

from ground.errors import InputError
from helpers import stages
from helpers.data.acquisition import Acquisition
from helpers.data.study import TRAITS, draw_patients
from helpers.data.tissue import WIDTH_MM, Tissue
from helpers.settings import Settings

# what makes a simulated patient typical: her tissue and her tumour
KNOWN = (*TRAITS, "attenuation_factor", "width_mm", "height_mm", "centre_depth_mm", "spiculated")


def example(patients: pd.DataFrame, patient: str = "", plane: int = -1) -> tuple[str, int]:
    """Patient and plane that a page shows: those asked for, or a typical one and the middle plane.

    Who is typical, ``example_patient`` says. Raises ``InputError`` for a patient or a plane that is not there.
    """
    patient = patient or example_patient(patients)
    if patient not in patients.index:
        raise InputError(f"patient = {patient!r}: not among the {len(patients)} patients of this cohort")
    n_planes = int(patients.loc[patient, "n_planes"])
    if not -1 <= plane < n_planes:
        raise InputError(f"plane = {plane}: expected 0 to {n_planes - 1}, or -1 for the middle one")
    return patient, n_planes // 2 if plane < 0 else plane


def why_shown(settings: Settings, patient: str = "", plane: int = -1) -> str:
    """By what rule ``example`` chooses what a page shows, in words; nothing of what was asked for."""
    rule = "of the training patients the one who is nearest to their medians, in tissue, attenuation, and size, "
    rule += "depth and outline of the tumour."
    if not settings.study.simulated:
        rule = "the middle one of those with the usual number of planes in training. Who she is stays out of this book."
    who = "was asked for." if patient else f"is chosen by rule, so that nobody picks what looks best: {rule}"
    which = f" Shown is {'her middle plane' if plane < 0 else f'plane {plane}'}."
    return f"The patient in the figures {who}{which}"


def two_examples(training: pd.DataFrame, settings: Settings) -> dict[str, str]:
    """Two training patients by what to call them: a typical one of either response, or, recorded, of neither's.

    The response of a single recorded patient has no say in it and is not told. There may be only one.
    """
    if settings.study.simulated:
        groups = {"responder": training[training["responder"]], "non-responder": training[~training["responder"]]}
        return {name: example_patient(group) for name, group in groups.items() if len(group)}
    first = example_patient(training)
    others = training.drop(first)
    return {"one patient": first} | ({"another": example_patient(others)} if len(others) else {})


def title_of(settings: Settings, patient: str, plane: int) -> str:
    """What to write over a plane: whose it is if she is simulated, and nothing that tells who she is if not."""
    return f"{patient}, plane {plane}" if settings.study.simulated else "tumour"


def known_patients(settings: Settings, artifacts: str | Path) -> pd.DataFrame:
    """Patients whose tissue is known: those of a simulated cohort; beside a recorded one, others drawn in its place."""
    chosen = settings.study
    if chosen.simulated:
        return stages.cohort(settings, artifacts)
    drawn = chosen.n_patients, chosen.cohort_seed, chosen.effect, chosen.attenuation_spread, chosen.signal
    return draw_patients(*drawn)


def with_tissue(acquired: Acquisition, settings: Settings, artifacts: str | Path) -> Acquisition:
    """The plane itself if its tissue is known, else the middle plane of a typical simulated patient."""
    if acquired.tissue is not None:
        return acquired
    people = known_patients(settings, artifacts)
    patient, plane = example(people)
    return stages.simulate(people.loc[patient], plane, settings)


def uniform_tissue(esd_um: float, eac_db: float, attenuation_db_cm_mhz: float, depth_mm: float) -> Tissue:
    """Tissue of one kind throughout, on a grid of 5 mm down to ``depth_mm``."""
    z, x = np.arange(0, depth_mm + 5, 5.0), np.arange(0, WIDTH_MM + 5, 5.0)
    ones = np.ones((len(z), len(x)))
    return Tissue(esd_um * ones, eac_db * ones, attenuation_db_cm_mhz * ones, z, x)


def elliptic_outline(centre_mm: tuple[float, float], width_mm: float, height_mm: float) -> np.ndarray:
    """Corners (72, 2) of an ellipse around a centre, lateral and depth, mm."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    return np.column_stack([centre_mm[0] + width_mm / 2 * np.cos(angle), centre_mm[1] + height_mm / 2 * np.sin(angle)])


def example_patient(patients: pd.DataFrame, atypical: bool = False) -> str:
    """The patient that pages show: of the training patients, or of all if there is none, a typical or the oddest.

    Typical is who lies nearest to the median of what is known of all, in its SDs: of simulated patients ``KNOWN``, of
    recorded ones the number of planes alone, so that a picture tells nothing of her record. Of equals it is the
    middle one in the table's order.
    """
    training = patients[patients["split"] == "train"] if "split" in patients else patients
    training = training if len(training) else patients
    known = training[list(KNOWN if set(KNOWN) <= set(training) else ("n_planes",))].astype(float)
    away = (((known - known.median()) / known.std().replace(0, np.nan)) ** 2).sum(axis=1)
    equal = training.index[np.isclose(away, away.max() if atypical else away.min())]
    return str(equal[len(equal) // 2])
