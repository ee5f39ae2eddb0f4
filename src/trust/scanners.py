"""Scanners: what a wrong attenuation, another phantom or another scanner does to maps, and to models that read them."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from helpers.data.acquisition import Acquisition
from helpers.data.phantom import ReferencePhantom
from helpers.data.simulation import FOCUS_STEP_MM, System, phantom_frames, simulate_plane
from helpers.data.tissue import patient_plane
from helpers.learning.images import ImageSet, resample_plane
from helpers.maps.planes import MappedPlane, map_plane
from helpers.settings import Settings

MAPS = {"mbf": "MBF / dB", "esd_um": "ESD / µm", "eac_db": "EAC / dB"}


def system_of(patient: pd.Series, settings: Settings) -> System:
    """The settings of the study's scanner for one patient, focus at the centre of her tumour."""
    focus_mm = FOCUS_STEP_MM * round(patient["centre_depth_mm"] / FOCUS_STEP_MM)
    return System(n_lines=settings.scan.n_lines, depth_mm=10 * settings.scan.depth_cm, focus_mm=focus_mm)


def scan(
    patient: pd.Series, index: int, settings: Settings, system: System, phantom_system: System | None = None
) -> Acquisition:
    """One plane of a patient under any scanner settings; the phantom under the same ones unless others are given.

    The speckle is that of ``acquisition.simulated``: only the scanner differs.
    """
    tissue, outline_mm = patient_plane(patient, index, system.depth_mm)
    rng = np.random.default_rng([int(patient["tissue_seed"]), index, 1])
    plane = simulate_plane(tissue, system, rng, f"simulated {patient.name}, plane {index}")
    reference = phantom_frames(phantom_system or system, settings.scan.n_reference_frames, settings.study.cohort_seed)
    return Acquisition(plane, reference, outline_mm, tissue)


def central_scans(patients: pd.DataFrame, settings: Settings) -> dict[str, Acquisition]:
    """The central plane of each patient, scanned as in the study."""
    return {name: scan(row, int(row["n_planes"]) // 2, settings, system_of(row, settings))
            for name, row in patients.iterrows()}  # fmt: skip


def core_medians(acquired: Acquisition, settings: Settings) -> dict[str, float]:
    """Medians of MBF, ESD and EAC in the core, and the share of its windows without a physical fit."""
    return medians_of(map_plane(acquired, settings.maps))


def medians_of(mapped: MappedPlane) -> dict[str, float]:
    """As ``core_medians``, of a plane that is mapped; a median is over what could be estimated."""
    found = {name: float(np.nanmedian(getattr(mapped.maps, name)[mapped.core])) for name in MAPS}
    return found | {"unphysical": float(np.isnan(mapped.maps.esd_um[mapped.core]).mean())}


def assume(settings: Settings, error_db_cm_mhz: float) -> Settings:
    """Settings whose assumed attenuation is off by this much everywhere, dB/cm/MHz."""
    return settings.replace(
        tumour_attenuation_db_cm_mhz=settings.maps.tumour_attenuation_db_cm_mhz + error_db_cm_mhz,
        background_attenuation_db_cm_mhz=settings.maps.background_attenuation_db_cm_mhz + error_db_cm_mhz,
    )


def wrong_attenuation(
    scans: dict[str, Acquisition], settings: Settings, errors_db_cm_mhz: Iterable[float]
) -> pd.DataFrame:
    """Core medians of each patient with an attenuation assumed wrong, a row per patient and error."""
    rows = [{"patient": name, "error_db_cm_mhz": error} | core_medians(acquired, assume(settings, error))
            for name, acquired in scans.items() for error in errors_db_cm_mhz]  # fmt: skip
    return pd.DataFrame(rows)


def wrong_phantom(acquired: Acquisition, settings: Settings) -> pd.DataFrame:
    """Core medians of one plane when something is believed of the phantom that is not so."""
    true = acquired.reference
    phantoms = {
        "as it is": true,
        "attenuation believed 0.1 dB/cm/MHz too low":
            ReferencePhantom(true.planes, true.attenuation_db_cm_mhz - 0.1, true.backscatter),
        "beads believed half as many": ReferencePhantom(
            true.planes, true.attenuation_db_cm_mhz, lambda frequency_hz: true.backscatter(frequency_hz) / 2
        ),
    }  # fmt: skip
    rows = {name: core_medians(replace(acquired, reference=phantom), settings) for name, phantom in phantoms.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def other_scanner(
    patients: pd.DataFrame, settings: Settings, changes: dict, own_phantom: bool = True
) -> tuple[ImageSet, pd.DataFrame]:
    """Images and core medians of each patient's central plane on a scanner whose ``System`` differs by ``changes``.

    Without ``own_phantom`` the phantom is that of the study's scanner.
    """
    planes, medians = [], {}
    for name, row in patients.iterrows():
        study = system_of(row, settings)
        system = replace(study, **changes)
        acquired = scan(row, int(row["n_planes"]) // 2, settings, system, system if own_phantom else study)
        mapped = map_plane(acquired, settings.maps)
        medians[name] = medians_of(mapped)
        size = settings.images.image_px, settings.images.field_of_view_mm
        planes.append(resample_plane(mapped.maps, mapped.core, mapped.margin, *size))
    maps, core, region, extent_mm = (np.stack(column) for column in zip(*planes, strict=True))
    names = patients.index.to_numpy().astype(str)
    return ImageSet(maps, core, region, names, np.zeros(len(names), int), extent_mm), pd.DataFrame(medians).T


def small_scatterers(patients: pd.DataFrame, low_um: float, high_um: float) -> pd.DataFrame:
    """The patients with core scatterers from ``low_um`` to ``high_um``, evenly; the smaller half are non-responders."""
    size_um = np.linspace(low_um, high_um, len(patients))
    order = np.random.default_rng(0).permutation(len(patients))
    return patients.assign(core_esd_um=size_um[order], responder=size_um[order] > np.median(size_um))
