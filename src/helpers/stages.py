"""The study's five doors: cohort, acquire, maps, images, models.

Each makes what is asked for, or returns it at once if it is there, under a key of all that it depends on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from ground.artifacts import file_digest, is_sound, keep, project_path, recall_digests, store_digests
from ground.keys import content_key
from ground.parallel import in_processes
from helpers.data import study
from helpers.data.acquisition import Acquisition
from helpers.data.simulation import simulated, system_of
from helpers.learning import trained
from helpers.maps.parametric import FOUR, OF_BACKSCATTER
from helpers.maps.planes import MappedPlane, map_plane, read_maps, read_summary, summary_of, write_maps
from helpers.settings import Settings
from recorded import check
from recorded import cohort as recorded

if TYPE_CHECKING:
    from helpers.learning.images import ImageSet

Record: TypeAlias = pd.Series | pd.DataFrame  # what a patient's echoes follow from: tissue, or lines of planes.csv
SIMULATED = ("helpers.data.simulation", "helpers.maps.planes")  # the code that makes a simulated patient's maps
RECORDED = ("recorded.cohort", "helpers.maps.planes")
HERE = ("helpers.stages",)
DOORS = ("maps", "images", "models")  # results that chapters share, each made from the one before
EITHER = (*SIMULATED, *RECORDED)
CODE = {
    "maps": EITHER,
    "images": (*EITHER, "helpers.learning.images"),
    "models": (*EITHER, "helpers.learning.training"),
}


def cohort(settings: Settings, artifacts: str | Path) -> pd.DataFrame:
    """The patients with their split, one row each, indexed by ``patient``."""
    chosen = settings.study
    if not chosen.simulated:
        patients = recorded.read_patients(project_path(chosen.cohort))
        patients = patients if "split" in patients else patients.assign(split=split(patients, settings))
        return check.with_training(patients, project_path(chosen.cohort) / "patients.csv")
    path = project_path(artifacts) / f"cohort-{content_key(chosen, code=['helpers.data.study'], alone=HERE)}.csv"
    keep(path, partial(draw_cohort, settings))
    return pd.read_csv(path, index_col="patient")


def draw_cohort(settings: Settings, path: Path) -> None:
    """Draw the simulated patients and their split into a table."""
    chosen = settings.study
    drawn = chosen.n_patients, chosen.cohort_seed, chosen.effect, chosen.attenuation_spread, chosen.signal
    patients = study.draw_patients(*drawn)
    patients.assign(split=split(patients, settings)).to_csv(path)


def recorded_files(settings: Settings) -> list[Path]:
    """Every file of the cohort, if it is a recorded one."""
    return [] if settings.study.simulated else recorded.all_files(project_path(settings.study.cohort))


def split(patients: pd.DataFrame, settings: Settings) -> pd.Series:
    """The study's stratified split; of a recorded cohort every part has the cohort's own share of non-responders."""
    chosen = settings.study
    share = study.TEST_NON_RESPONDERS if chosen.simulated else None
    sizes = (chosen.n_test, chosen.n_validation) if chosen.simulated else check.split_sizes(chosen, len(patients))
    return study.split_patients(patients["responder"].astype(bool), *sizes, chosen.cohort_seed, share)


def acquire(settings: Settings, artifacts: str | Path, patient: str, index: int) -> Acquisition:
    """One plane of one patient, from its seed or from its file."""
    return acquire_plane(records(settings, artifacts, patient)[patient], index, settings)


def records(settings: Settings, artifacts: str | Path, *patients: str) -> dict[str, Record]:
    """What each patient's echoes follow from: her tissue if she is simulated, else her lines of ``planes.csv``."""
    if settings.study.simulated:
        table = cohort(settings, artifacts)
        return {name: table.loc[name, list(study.ECHO_COLUMNS)] for name in patients or table.index}
    listing = recorded.read_listing(project_path(settings.study.cohort)).sort_values("plane", kind="stable")
    lines = dict(list(listing.groupby("patient")))
    return {name: lines[name] for name in patients or cohort(settings, artifacts).index}


def acquire_plane(record: Record, index: int, settings: Settings) -> Acquisition:
    """One plane of a patient's record."""
    if isinstance(record, pd.DataFrame):
        return recorded.acquire(record.iloc[index], project_path(settings.study.cohort))
    return simulate(record, index, settings)


def simulate(patient: pd.Series, index: int, settings: Settings) -> Acquisition:
    """One simulated plane of a patient."""
    scan = settings.scan
    size = scan.n_lines, scan.depth_cm, scan.n_reference_frames
    system = system_of(patient, scan.n_lines, scan.depth_cm, scan.noise_db)
    return simulated(patient, index, *size, settings.study.cohort_seed, system)


@dataclass(frozen=True)
class CohortMaps:
    """The maps of all patients."""

    files: dict[str, Path]  # one HDF5 file a patient
    summarised: Path  # the table of all

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Medians and their truth, a row per plane and region."""
        return pd.read_csv(self.summarised, converters={"patient": str})  # also 001 and NA

    def planes(self, patient: str) -> list[MappedPlane]:
        """The mapped planes of one patient, in order."""
        return list(read_maps(self.files[patient]))

    def all_planes(self) -> Iterator[tuple[str, int, MappedPlane]]:
        """Every plane with its patient and its number."""
        return ((name, i, plane) for name, path in self.files.items() for i, plane in enumerate(read_maps(path)))


def maps(settings: Settings, artifacts: str | Path) -> CohortMaps:
    """Map every plane of every patient."""
    files = map_files(settings, artifacts)
    wanted = [name for name, path in files.items() if not is_sound(path)]
    given = records(settings, artifacts, *wanted) if wanted else {}
    one = partial(map_patient, settings=settings, artifacts=artifacts)
    in_processes(one, given.items(), settings.computing.processes, "maps of patients")
    return CohortMaps(files, keep(summary_file(files, artifacts), partial(summarise_all, files)))


def summarise_all(files: dict[str, Path], path: Path) -> None:
    """Write the medians of all patients into one table, one patient after the other."""
    for of_patient in map(read_summary, files.values()):
        of_patient.to_csv(path, mode="a", index=False, header=not path.exists())


def map_files(settings: Settings, artifacts: str | Path) -> dict[str, Path]:
    """Where the maps of each patient are kept, whether they are made or not."""
    digests = project_path(artifacts) / "digests.json"  # of recorded files, which are large
    recall_digests(digests)
    files = {name: map_file(name, record, settings, artifacts) for name, record in records(settings, artifacts).items()}
    store_digests(digests)
    return files


def map_file(patient: str, record: Record, settings: Settings, artifacts: str | Path) -> Path:
    """Where one patient's maps are kept: under a key of her record, of every file it names, and of what is chosen."""
    if isinstance(record, pd.DataFrame):
        named = recorded.files_of(record, project_path(settings.study.cohort))
        key = content_key(record, [file_digest(path) for path in named], settings.maps, code=RECORDED, alone=HERE)
    else:
        key = content_key(record, settings.scan, settings.study.cohort_seed, settings.maps, code=SIMULATED, alone=HERE)
    return project_path(artifacts) / "maps" / f"{file_name(patient)}-{key}.h5"


def summary_file(files: dict[str, Path], artifacts: str | Path) -> Path:
    """Where the medians of all planes are kept."""
    return project_path(artifacts) / f"summary-{maps_key(files)}.csv"


def maps_key(files: dict[str, Path]) -> str:
    """The key of all patients' maps together."""
    return content_key([path.name for path in files.values()])


def map_patient(one: tuple[str, Record], settings: Settings, artifacts: str | Path) -> Path:
    """Map all planes of one patient into her file."""
    patient, record = one
    return keep(map_file(patient, record, settings, artifacts), partial(map_planes, patient, record, settings))


def map_planes(patient: str, record: Record, settings: Settings, path: Path) -> None:
    """Map all planes of one patient, and write them with their medians, a row per plane and region."""
    n_planes = len(record) if isinstance(record, pd.DataFrame) else int(record["n_planes"])
    mapped, rows = [], []
    for index in range(n_planes):
        acquired = acquire_plane(record, index, settings)
        mapped.append(map_plane(acquired, settings.maps))
        rows += summary_of(patient, index, mapped[-1], acquired)
    write_maps(path, mapped, pd.DataFrame(rows))


def file_name(patient: str) -> str:
    """A patient's id where it can serve as a file name; anything else is refused."""
    if not patient.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"patient id {patient!r}: expected letters, digits, - and _ only")
    return patient


def images(settings: Settings, artifacts: str | Path) -> "ImageSet":
    """The images of all planes."""
    from helpers.learning.images import ImageSet, collect  # imports torch, which mapping can do without

    path = images_file(map_files(settings, artifacts), settings, artifacts)
    size = settings.images.image_px, settings.images.field_of_view_mm, fields_of_images(settings)
    return ImageSet.load(keep(path, lambda to: collect(maps(settings, artifacts).all_planes(), *size).save(to)))


def fields_of_images(settings: Settings) -> tuple[str, ...]:
    """The maps that images hold: where the phantom's backscatter is unknown for any plane, those that need none."""
    if settings.study.simulated:
        return FOUR
    tables = recorded.read_listing(project_path(settings.study.cohort))["reference_backscatter_file"]
    return FOUR if (tables.fillna("") != "").all() else tuple(name for name in FOUR if name not in OF_BACKSCATTER)


def images_file(files: dict[str, Path], settings: Settings, artifacts: str | Path) -> Path:
    """Where all images are kept."""
    return project_path(artifacts) / f"images-{images_key(files, settings)}.npy"


def images_key(files: dict[str, Path], settings: Settings) -> str:
    """The key of all images."""
    return content_key(maps_key(files), settings.images, code=["helpers.learning.images"], alone=HERE)


def models(settings: Settings, artifacts: str | Path) -> trained.StudyResults:
    """The four trained models with their predictions."""
    folder = models_folder(settings, artifacts)
    if not all(trained.is_finished(folder / slug) for slug in study.MODELS):
        from helpers.learning.training import train_all  # imports torch, which reading can do without

        train_all(images(settings, artifacts), cohort(settings, artifacts), settings, folder)
    return trained.collect(folder)


def models_folder(settings: Settings, artifacts: str | Path) -> Path:
    """The folder of ``models``, whether they are trained or not."""
    patients = cohort(settings, artifacts)[["responder", "split"]]
    made = images_key(map_files(settings, artifacts), settings), settings.networks, settings.training
    key = content_key(*made, patients, settings.computing.device, code=["helpers.learning.training"], alone=HERE)
    return project_path(artifacts) / f"models-{key}"


def files_of(door: str, settings: Settings, artifacts: str | Path) -> list[Path]:
    """The sealed files that stand behind one of the ``DOORS``, whether they are made or not."""
    maps_, folder = map_files(settings, artifacts), models_folder(settings, artifacts)
    if door == "models":
        return [folder / slug / name for slug in study.MODELS for name in trained.FILES]
    if door == "images":
        return [images_file(maps_, settings, artifacts)]
    return [*maps_.values(), summary_file(maps_, artifacts)]
