"""The study's stages: each makes one artifact, named after what it depends on, or returns it at once if it is there."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from helpers import (
    acquisition,
    form_factor,
    normalisation,
    phantom,
    recovery,
    regions,
    rf,
    simulation,
    study,
    tissue,
    windows,
)
from helpers import maps as maps_
from helpers.acquisition import Acquisition
from helpers.artifacts import content_key, project_path, write_whole
from helpers.maps import ParametricMaps, centre_mask, parametric_maps
from helpers.parallel import in_processes
from helpers.recovery import FIELDS, summarise
from helpers.rf import b_mode_db
from helpers.settings import TRAINING, Settings

SIMULATED = "simulated"
COHORT = ("cohort", "n_patients", "n_test", "n_validation", "cohort_seed", "effect")
ACQUISITION = (*COHORT, "n_lines", "depth_cm", "n_reference_frames")
MAPS = (
    *ACQUISITION, "window_mm", "overlap", "band_mhz", "n_bins", "margin_mm",
    "background_attenuation_db_cm_mhz", "tumour_attenuation_db_cm_mhz",
)  # fmt: skip
IMAGES = (*MAPS, "image_px", "field_of_view_mm")
MODELS = (*IMAGES, *TRAINING, "device")
COHORT_CODE = (study,)
MAPS_CODE = (
    *COHORT_CODE, rf, phantom, windows, normalisation, form_factor, maps_, regions, tissue, simulation, acquisition,
    recovery,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class MappedPlane:
    """Parametric maps of one plane with core and margin on the same grid, and the B-mode where it was asked for."""

    maps: ParametricMaps
    core: np.ndarray  # (n_z, n_x) bool
    margin: np.ndarray  # (n_z, n_x) bool
    b_mode_db: np.ndarray | None = None
    b_mode_extent_mm: tuple[float, float, float, float] | None = None


def cohort(settings: Settings, artifacts: str | Path) -> pd.DataFrame:
    """The patients with their split, one row each, indexed by ``patient``."""
    if settings.cohort != SIMULATED:
        return recorded_patients(settings)
    path = project_path(artifacts) / f"cohort-{content_key(settings.only(*COHORT), *COHORT_CODE)}.csv"
    if not path.exists():
        patients = study.draw_patients(settings.n_patients, settings.cohort_seed, settings.effect)
        patients["split"] = split(patients, settings)
        write_whole(path, lambda temporary: patients.to_csv(temporary))
    return pd.read_csv(path, index_col="patient")


def recorded_patients(settings: Settings) -> pd.DataFrame:
    """Patients of a recorded cohort; a column ``split`` in the file is kept."""
    path = project_path(settings.cohort) / "patients.csv"
    patients = pd.read_csv(path, dtype={"patient": str}).set_index("patient")
    missing = [name for name in ("responder", "duration_years", "recurrence") if name not in patients]
    if missing:
        raise ValueError(f"{path}: columns {missing} are missing")
    patients["n_planes"] = acquisition.read_listing(path.parent).groupby("patient").size()
    return patients if "split" in patients else patients.assign(split=split(patients, settings))


def split(patients: pd.DataFrame, settings: Settings) -> pd.Series:
    """The study's stratified split."""
    return study.split_patients(patients["responder"], settings.n_test, settings.n_validation, settings.cohort_seed)


def acquire(settings: Settings, artifacts: str | Path, patient: str, index: int) -> Acquisition:
    """One plane of one patient, from its seed or from its file."""
    if settings.cohort != SIMULATED:
        folder = project_path(settings.cohort)
        listing = acquisition.read_listing(folder)
        rows = listing[listing["patient"] == patient].sort_values("plane")
        return acquisition.recorded(rows.iloc[index], folder)
    row = cohort(settings, artifacts).loc[patient]
    return simulate(row, index, settings)


def simulate(row: pd.Series, index: int, settings: Settings) -> Acquisition:
    """One simulated plane of a patient."""
    return acquisition.simulated(
        row, index, settings.n_lines, settings.depth_cm, settings.n_reference_frames, settings.cohort_seed
    )


def map_plane(acquired: Acquisition, settings: Settings, with_b_mode: bool = False) -> MappedPlane:
    """Map one plane over core and margin with the attenuation that the analysis assumes."""
    core, margin = acquired.regions(settings.margin_mm)
    attenuation = assumed_attenuation(core | margin, settings)
    maps = parametric_maps(acquired.plane, acquired.reference, core | margin, *fit_choices(settings, attenuation))
    masks = [centre_mask(mask, acquired.plane, maps) for mask in (core, margin)]
    b_mode = b_mode_db(acquired.plane) if with_b_mode else None
    return MappedPlane(maps, *masks, b_mode, acquired.plane.extent_mm)


def fit_choices(settings: Settings, attenuation_db_cm_mhz: float | np.ndarray) -> tuple:
    """Window, overlap, band, attenuation and bins in the order of ``parametric_maps``."""
    band_mhz = tuple(settings.band_mhz) or None
    return settings.window_mm, settings.overlap, band_mhz, attenuation_db_cm_mhz, settings.n_bins


def assumed_attenuation(tumour: np.ndarray, settings: Settings) -> np.ndarray:
    """The attenuation of the analysis: one value inside a mask, one outside, in its shape."""
    inside, outside = settings.tumour_attenuation_db_cm_mhz, settings.background_attenuation_db_cm_mhz
    return np.where(tumour, np.float32(inside), np.float32(outside))


def plane(settings: Settings, artifacts: str | Path, patient: str, index: int) -> MappedPlane:
    """One plane of one patient made anew, with its B-mode."""
    return map_plane(acquire(settings, artifacts, patient, index), settings, with_b_mode=True)


def maps(settings: Settings, artifacts: str | Path) -> Path:
    """Map every plane of every patient; the folder with one HDF5 file a patient and ``summary.csv``."""
    patients = cohort(settings, artifacts)
    folder = maps_folder(settings, artifacts)
    summary = folder / "summary.csv"
    if not summary.exists():
        one = partial(map_patient, settings=settings, artifacts=project_path(artifacts), folder=folder)
        rows = pd.concat(in_processes(one, patients.index, settings.processes, "maps of patients"))
        write_whole(summary, lambda temporary: rows.to_csv(temporary, index=False))
    return folder


def maps_folder(settings: Settings, artifacts: str | Path) -> Path:
    """The folder of ``maps``, whether they are made or not."""
    return project_path(artifacts) / f"maps-{content_key(settings.only(*MAPS), *MAPS_CODE)}"


def map_patient(patient: str, settings: Settings, artifacts: Path, folder: Path) -> pd.DataFrame:
    """Map all planes of one patient into ``<patient>.h5`` and return their summary, a row per plane and region."""
    path = folder / f"{file_name(patient)}.h5"
    if not path.exists():
        n_planes = int(cohort(settings, artifacts).loc[patient, "n_planes"])
        mapped, rows = [], []
        for index in range(n_planes):
            acquired = acquire(settings, artifacts, patient, index)
            mapped.append(map_plane(acquired, settings))
            regions_ = {"core": mapped[-1].core, "margin": mapped[-1].margin}
            summary = summarise(mapped[-1].maps, regions_, acquired.tissue)
            rows += [{"patient": patient, "plane": index} | row for row in summary]
        write_whole(path, lambda temporary: write_maps(temporary, mapped, pd.DataFrame(rows)))
    with h5py.File(path) as file:
        return pd.read_csv(io.StringIO(file.attrs["summary"]), dtype={"patient": str})


def file_name(patient: str) -> str:
    """A patient's id where it can serve as a file name; anything else is refused."""
    if not patient.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"patient id {patient!r}: expected letters, digits, - and _ only")
    return patient


def check_plane(settings: Settings, artifacts: str | Path, patient: str) -> pd.DataFrame:
    """Medians and truth of core, margin and background of a patient's central plane, mapped over its whole width.

    One row per region and per attenuation: the true one, and the one that the analysis assumes.
    """
    index = int(cohort(settings, artifacts).loc[patient, "n_planes"]) // 2
    acquired = acquire(settings, artifacts, patient, index)
    rf_plane, (core, margin) = acquired.plane, acquired.regions(settings.margin_mm)
    given = {
        "known": acquired.tissue.attenuation_on(rf_plane),
        "assumed": assumed_attenuation(core | margin, settings),
    }
    rows = []
    for name, attenuation in given.items():
        found = parametric_maps(rf_plane, acquired.reference, None, *fit_choices(settings, attenuation))
        masks = {"core": core, "margin": margin, "background": ~(core | margin)}
        masks = {region: centre_mask(mask, rf_plane, found) for region, mask in masks.items()}
        rows += [{"attenuation": name} | row for row in summarise(found, masks, acquired.tissue)]
    return pd.DataFrame(rows)


def write_maps(path: Path, mapped: list[MappedPlane], summary: pd.DataFrame) -> None:
    """Write the planes of one patient; maps in half precision (0.1 um, 0.02 dB) take half the space."""
    with h5py.File(path, "w") as file:
        file.attrs["summary"] = summary.to_csv(index=False)
        for index, plane_ in enumerate(mapped):
            group = file.create_group(str(index))
            for name in FIELDS:
                group[name] = getattr(plane_.maps, name).astype(np.float16)
            for name in ("depth_mm", "lateral_mm"):
                group[name] = getattr(plane_.maps, name)
            group["core"], group["margin"] = plane_.core, plane_.margin


def read_maps(path: Path) -> Iterable[MappedPlane]:
    """The mapped planes of one patient, in order."""
    with h5py.File(path) as file:
        for index in range(len(file)):
            group = file[str(index)]
            fields = [group[name][:].astype(np.float32) for name in FIELDS]
            yield MappedPlane(
                ParametricMaps(*fields, group["depth_mm"][:], group["lateral_mm"][:]),
                group["core"][:],
                group["margin"][:],
            )


def images(settings: Settings, artifacts: str | Path):
    """The images of all planes, ``helpers.images.ImageSet``."""
    from helpers import images as images_  # imports torch, which processes that map planes can do without

    key = content_key(settings.only(*IMAGES), *MAPS_CODE, images_)
    path = project_path(artifacts) / f"images-{key}.npz"
    if not path.exists():
        folder = maps(settings, artifacts)
        collect_images(cohort(settings, artifacts).index, folder, settings).save(path)
    return images_.ImageSet.load(path)


def collect_images(patients: Iterable[str], folder: Path, settings: Settings):
    """Resample the maps of all planes into one ``ImageSet``."""
    from helpers.images import ImageSet, resample_plane

    planes, names = [], []
    for patient in patients:
        for index, mapped in enumerate(read_maps(folder / f"{file_name(patient)}.h5")):
            size = settings.image_px, settings.field_of_view_mm
            planes.append(resample_plane(mapped.maps, mapped.core, mapped.margin, *size))
            names.append((patient, index))
    patient, index = (np.array(column) for column in zip(*names, strict=True))
    maps_, core, region, extent_mm = (np.stack(column) for column in zip(*planes, strict=True))
    return ImageSet(maps_, core, region, patient, index, extent_mm)


def models(settings: Settings, artifacts: str | Path):
    """The four trained models with their predictions, ``helpers.training.StudyResults``."""
    from helpers import training

    folder = models_folder(settings, artifacts)
    return training.train_all(images(settings, artifacts), cohort(settings, artifacts), settings, folder)


def models_folder(settings: Settings, artifacts: str | Path) -> Path:
    """The folder of ``models``, whether they are trained or not."""
    from helpers import attention, fitting, networks, training
    from helpers import images as images_

    code = (*MAPS_CODE, images_, attention, networks, fitting, training)
    return project_path(artifacts) / f"models-{content_key(settings.only(*MODELS), *code)}"
