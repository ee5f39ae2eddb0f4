"""What a run was given beside its numbers: folders, files and patients, looked at before any work begins."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ground.artifacts import project_path
from ground.errors import InputError
from ground.judged import CALL
from helpers.settings import Settings

if TYPE_CHECKING:  # a job of the book needs no table to judge what it was given
    import pandas as pd

PAIR = ("sample_rf", "reference_rf")
SIZES = {"n_test": "test", "n_validation": "validation"}


def checked(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Return the settings with the numbers of the cohort's own patients, if all that is named is there.

    Raises ``InputError`` for a cohort, a recording, a file or a patient that is not, and for numbers of
    patients that cannot be drawn.
    """
    check_files(changes)
    if not settings.study.simulated:
        check_folder(settings.study.cohort)
    patients = patients_of(settings)
    check_patient(patients, changes)
    return settings if settings.study.simulated else with_own_sizes(settings, patients, changes)


def patients_of(settings: Settings) -> "pd.DataFrame":
    """Return the patients with their split; nothing is written."""
    from helpers import stages
    from helpers.data import study

    chosen = settings.study
    if not chosen.simulated:
        return stages.cohort(settings, "")
    drawn = chosen.n_patients, chosen.cohort_seed, chosen.effect, chosen.attenuation_spread, chosen.signal
    patients = study.draw_patients(*drawn)
    try:
        return patients.assign(split=stages.split(patients, settings))
    except ValueError as error:
        sizes = f"n_patients = {chosen.n_patients}, n_test = {chosen.n_test}, n_validation = {chosen.n_validation}"
        raise InputError(f"{sizes}: {error}") from None


def with_own_sizes(settings: Settings, patients: "pd.DataFrame", changes: Mapping[str, Any]) -> Settings:
    """Return the settings with the sizes of a recorded cohort; one that was asked for must be that."""
    sizes = {name: int((patients["split"] == part).sum()) for name, part in SIZES.items()}
    for name, size in sizes.items():
        if changes.get(name, size) != size:
            raise InputError(
                f"SET: {name} = {changes[name]}: expected {size} of the cohort's {len(patients)} patients, by its "
                "column split or so that a third is left to train on"
            )
    try:
        return settings.replace(n_patients=len(patients), **sizes)
    except InputError as error:
        raise InputError(f"{settings.study.cohort}: {str(error).removeprefix(f'{CALL}: ')}") from None


def check_patient(patients: "pd.DataFrame", changes: Mapping[str, Any]) -> None:
    """Raise ``InputError`` for a patient or a plane that the cohort does not have."""
    name, plane = changes.get("patient", ""), changes.get("plane", 0)
    if name and name not in patients.index:
        near = difflib.get_close_matches(name, patients.index, n=1) or [patients.index[0]]
        raise InputError(f"SET: patient = {name!r}: not one of the {len(patients)} patients, as {near[0]!r} is")
    n_planes = int(patients["n_planes"].loc[name] if name else patients["n_planes"].max())
    if plane >= n_planes:
        raise InputError(f"SET: plane = {plane}: expected 0 to {n_planes - 1}, the planes there are")


def check_device(settings: Settings) -> None:
    """Raise ``InputError`` for a graphics card that is not here; the processor always is."""
    device = settings.computing.device
    if device not in ("auto", "cpu"):
        from helpers.learning.fitting import resolve_device

        resolve_device(device)


def check_folder(cohort: str) -> None:
    """Raise ``InputError`` for a cohort that is no folder, with what is nearest to it."""
    folder = project_path(cohort)
    if not folder.is_dir():
        above = next(parent for parent in folder.parents if parent.is_dir())
        missing = folder.relative_to(above).parts[0]
        near = difflib.get_close_matches(missing, [path.name for path in above.iterdir()], n=1)
        hint = (
            f"did you mean {str(above / near[0])!r}?" if near else f"{str(above)!r} is there, {missing!r} in it is not"
        )
        raise InputError(f"SET: cohort = {cohort!r}: there is no such folder; {hint}")


def check_files(changes: Mapping[str, Any]) -> None:
    """Raise ``InputError`` for a file that is not there, and for a recording that is damaged or alone."""
    from recorded.cohort import one_or_more

    for name, value in changes.items():
        for one in (one_or_more(value) or [value]) if value and name.endswith(("_rf", "_file")) else ():
            if not project_path(one).is_file():
                raise InputError(f"SET: {name} = {one!r}: there is no such file")
    given = [name for name in PAIR if changes.get(name)]
    if len(given) == 1:
        missing = PAIR[given[0] == PAIR[0]]
        raise InputError(f"SET: {given[0]} is given and {missing} is missing, expected both or none")
    if given:
        phantom = [project_path(path) for path in one_or_more(changes[PAIR[1]])]
        check_recordings(project_path(changes[PAIR[0]]), phantom, changes.get("frame", 0))


def check_recordings(sample: Path, phantom: list[Path], frame: int) -> None:
    """Raise ``InputError`` for an ``.rf`` file that is none, and for a frame that the sample does not have."""
    from helpers.data.rf import read_header
    from recorded.readers import FORMATS

    for path in (sample, *phantom):
        if path.suffix.lower() not in FORMATS:
            raise InputError(f"SET: {path}: format {path.suffix!r}, expected one of {list(FORMATS)}")
    try:
        headers = [read_header(path) for path in (sample, *phantom) if path.suffix.lower() == ".rf"]
    except InputError as error:
        raise InputError(f"SET: {error}") from None
    if sample.suffix.lower() == ".rf" and frame >= headers[0]["frames"]:
        n_frames = headers[0]["frames"]
        raise InputError(f"SET: frame = {frame}: {sample} has {n_frames}, expected 0 to {n_frames - 1}")
