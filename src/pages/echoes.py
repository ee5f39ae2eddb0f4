"""Examples: even tissue, an elliptic tumour, and files of echoes as a scanner would write them."""

from pathlib import Path

import numpy as np

from helpers.data.rf import write_rf
from helpers.data.simulation import simulated
from helpers.data.study import draw_patients
from helpers.data.tissue import WIDTH_MM, Tissue


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
