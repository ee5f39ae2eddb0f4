"""Examples: the plane that is shown, patients of known tissue, even tissue, an elliptic tumour, files of echoes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ground.errors import InputError
from helpers import stages
from helpers.data.acquisition import Acquisition
from helpers.data.rf import RFPlane, write_rf
from helpers.data.simulation import simulated
from helpers.data.study import TRAITS, draw_patients
from helpers.data.tissue import WIDTH_MM, Tissue
from helpers.settings import Settings

# what makes a simulated patient typical: her tissue and her tumour
KNOWN = (*TRAITS, "attenuation_factor", "width_mm", "height_mm", "centre_depth_mm", "spiculated")
SAME_SPECKLE = 0.5  # correlation of two frames above which they are one measurement


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


def write_example(folder: str | Path, line_pitch_mm: float) -> tuple[str, str]:
    """Write a simulated plane and its phantom as ``.rf`` files and return their paths.

    The tumour is one of the simulated cohort's kind.
    """
    folder, n_lines = Path(folder), round(WIDTH_MM / line_pitch_mm)
    patient = draw_patients(8, seed=0).iloc[0]
    acquired = simulated(patient, 2, n_lines, depth_cm=5.0, n_frames=4, seed=0)
    sample = write_rf(folder / "sample.rf", [acquired.plane])
    reference = write_rf(folder / "reference.rf", list(acquired.reference.planes))
    return str(sample), str(reference)


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


def files_or_example(
    sample_rf: str, reference_rf: str, folder: str | Path, line_pitch_mm: float
) -> tuple[str, str, str]:
    """Whether two files are "recorded" or "simulated", and their paths: an example's, written here, if none is named.

    Raises ``InputError`` if one of two is missing.
    """
    if sample_rf and reference_rf:
        return "recorded", sample_rf, reference_rf
    if sample_rf or reference_rf:
        missing = "reference_rf" if sample_rf else "sample_rf"
        raise InputError(f"{missing} is missing: a sample and its phantom are named together, or neither is")
    return "simulated", *write_example(folder, line_pitch_mm)


def two_parts(frames: Sequence[RFPlane]) -> tuple[RFPlane, RFPlane, str]:
    """Two parts of a phantom that share no speckle, and what they are in words: its first frame and its last.

    Of a single frame, and of frames that were recorded at the same place, they are the two halves of its lines.
    """
    first, last = frames[0], frames[-1]
    alike = correlation(first.samples, last.samples)
    if alike < SAME_SPECKLE:
        return first, last, "its last frame against its first"
    half = first.samples.shape[1] // 2
    left, right = (replace(first, samples=first.samples[:, lines]) for lines in (slice(half), slice(half, None)))
    why = f"(all frames hold the same speckle, r = {alike:.2f})" if len(frames) > 1 else "(there is one frame)"
    return left, right, f"the right half of its lines against the left {why}"


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two arrays of one shape, 0 where one of them is constant."""
    a, b = (values.ravel().astype(float) - values.mean() for values in (one, other))
    return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), np.finfo(float).tiny))
