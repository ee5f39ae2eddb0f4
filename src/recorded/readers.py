"""Readers: one protocol for every format: a path and what is told beside it give planes with all that is known of them.

Whatever the scanner, samples stand depth first: ``rf`` (n_samples, n_lines) or (n_samples, n_lines, n_frames). What a
file tells of its settings is taken from it; what is told beside it must agree, and what neither tells is asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ground.errors import InputError
from helpers.data.rf import RFPlane, read_rf
from recorded.bounds import check_attached, check_matlab, check_size, check_zipped

SETTINGS = ("sampling_rate_hz", "line_pitch_mm", "sound_speed_m_s", "focus_mm", "transmit_frequency_hz")
NEEDED = ("sampling_rate_hz", "line_pitch_mm")
AGREE = 1e-3  # relative: what a decimal table rounds away
SOUND_SPEED_M_S = 1540.0  # assumed by scanners


@dataclass(frozen=True, eq=False)
class Recording:
    """What a file holds: frames (n_samples, n_lines, n_frames), and the settings that it tells."""

    frames: np.ndarray
    settings: Mapping[str, float]


def read_planes(path: str | Path, frames: Sequence[int] | None = None, **told: float | None) -> list[RFPlane]:
    """Read a recording, all frames or those of these numbers: Ultrasonix ``.rf``, HDF5, NPZ, MATLAB, OASBUD, MetaImage.

    ``told`` holds any of ``SETTINGS`` that is known beside the file.
    Raises ``InputError`` naming the file for a format that is not known, a file that is not as its format says, a
    setting that is missing, or one that is told otherwise than the file tells it.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: format {path.suffix!r}, expected one of {list(FORMATS)}")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if path.suffix.lower() == ".rf":
        known = agreed(path, {}, {name: told.get(name) for name in SETTINGS if name != "sampling_rate_hz"}, NEEDED[1:])
        return read_rf(path, known["line_pitch_mm"], known["sound_speed_m_s"], known.get("focus_mm"), frames)
    return planes_of(path, READERS[path.suffix.lower()](path, told), told, frames)


def planes_of(
    path: Path, recording: Recording, told: Mapping[str, float | None], frames: Sequence[int] | None
) -> list[RFPlane]:
    """Return the frames of what was read, all or those of these numbers, as planes."""
    known = agreed(path, recording.settings, told, NEEDED)
    n_frames = recording.frames.shape[2]
    for number in frames or ():
        if not 0 <= number < n_frames:
            raise InputError(f"{path}: frame {number}, expected 0 to {n_frames - 1}")
    of_all = known["sampling_rate_hz"], known["line_pitch_mm"], known["sound_speed_m_s"]
    sent = {"txf": round(known["transmit_frequency_hz"])} if "transmit_frequency_hz" in known else {}
    return [
        RFPlane(recording.frames[:, :, number], *of_all, f"{path}, frame {number}", known.get("focus_mm"), sent)
        for number in (range(n_frames) if frames is None else frames)
    ]


def agreed(
    path: Path, by_file: Mapping[str, float], told: Mapping[str, float | None], needed: tuple[str, ...]
) -> dict[str, float]:
    """Return the settings that a file and what is told beside it agree on, with the speed that scanners assume."""
    known = {name: float(value) for name, value in told.items() if value is not None}
    for name, value in by_file.items():
        if name in known and not np.isclose(known[name], value, rtol=AGREE):
            raise InputError(f"{path}: {name} = {value:g}, but {known[name]:g} is told beside it; expected one value")
    known |= by_file
    for name in needed:
        if name not in known:
            raise InputError(f"{path}: {name} is missing, expected in the file or told beside it")
    return {"sound_speed_m_s": SOUND_SPEED_M_S} | known


def from_fields(path: Path, fields: Mapping[str, Any]) -> Recording:
    """Return the recording in named arrays and numbers: ``rf`` and any of ``SETTINGS``."""
    if "rf" not in fields:
        raise InputError(f"{path}: field 'rf' is missing, found {sorted(map(str, fields))[:10]}")
    settings = {name: number(path, name, fields[name]) for name in SETTINGS if name in fields}
    return Recording(frames_of(path, fields["rf"]), settings)


def frames_of(path: Path, samples: Any) -> np.ndarray:
    """Return samples as (n_samples, n_lines, n_frames). Raises ``InputError`` for what cannot be echoes."""
    frames = np.asarray(samples)
    if frames.dtype.kind not in "iuf" or frames.ndim not in (2, 3) or min(frames.shape) < 1:
        expected = "numbers (n_samples, n_lines) or (n_samples, n_lines, n_frames)"
        raise InputError(f"{path}: rf of {frames.dtype} {frames.shape}, expected {expected}")
    if frames.shape[0] < frames.shape[1]:
        raise InputError(f"{path}: rf of {frames.shape}, expected depth first, more samples than lines")
    return frames if frames.ndim == 3 else frames[:, :, None]


def number(path: Path, name: str, value: Any) -> float:
    """Return a setting as the one positive number that it has to be."""
    found = np.asarray(value).ravel()
    if found.size != 1 or found.dtype.kind not in "iuf" or not (np.isfinite(found[0]) and found[0] > 0):
        raise InputError(f"{path}: {name} = {str(value)[:40]}, expected one positive number")
    return float(found[0])


def read_hdf5(path: Path, told: Mapping[str, float | None]) -> Recording:
    """Read the layout from HDF5: ``rf`` a dataset, settings datasets or attributes."""
    import h5py

    with reading(path, "an HDF5 file"), h5py.File(path) as file:
        told_by = {name: file.attrs[name] for name in SETTINGS if name in file.attrs and small(file.attrs, name)}
        found = {name: file[name] for name in ("rf", *SETTINGS) if isinstance(file.get(name), h5py.Dataset)}
        return from_fields(path, told_by | {name: contents(path, dataset) for name, dataset in found.items()})


def small(attributes: Any, name: str) -> bool:
    """Tell whether an attribute of HDF5 is the one number that a setting has to be."""
    return int(np.prod(attributes.get_id(name).shape, dtype=object)) == 1


def contents(path: Path, dataset: Any) -> np.ndarray:
    """Return what a dataset of HDF5 holds, if what is stored of it can be as much as it says."""
    check_size(path, dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size())
    return dataset[()]


def read_npz(path: Path, told: Mapping[str, float | None]) -> Recording:
    """Read the layout from NumPy's ``.npz``; nothing in it is unpickled."""
    check_zipped(path)
    with (
        reading(path, "an .npz file of arrays"),
        open(path, "rb") as opened,
        np.load(opened, allow_pickle=False) as file,
    ):
        return from_fields(path, {name: file[name] for name in file.files if name in ("rf", *SETTINGS)})


def read_matlab(path: Path, told: Mapping[str, float | None]) -> Recording:
    """Read the layout, or one lesion of OASBUD, from MATLAB's ``.mat`` of any version (5 or 7.3)."""
    import pymatreader

    with reading(path, "a MATLAB file"):
        check_matlab(path)
        fields = pymatreader.read_mat(str(path))
    return oasbud(path, fields["data"]) if isinstance(fields.get("data"), dict) else from_fields(path, fields)


OASBUD = {"sampling_rate_hz": 40e6, "transmit_frequency_hz": 10e6, "line_pitch_mm": 38 / 510}


def oasbud(path: Path, data: Mapping[str, Any]) -> Recording:
    """Return the two planes of a lesion of OASBUD (Piotrzkowska-Wroblewska et al. 2017), settings as published.

    It holds no reference phantom. A file of many lesions is refused: save one, as ``data(i)``, to a file of its own.
    """
    missing = [name for name in ("rf1", "rf2") if not isinstance(data.get(name), np.ndarray)]
    if missing:
        raise InputError(f"{path}: {missing} of `data` are not one array each, expected one lesion of OASBUD in a file")
    planes = [np.asarray(data[name]) for name in ("rf1", "rf2")]
    if planes[0].shape != planes[1].shape:
        shared = min(len(plane) for plane in planes)
        planes = [plane[:shared] for plane in planes]
    return Recording(frames_of(path, np.stack(planes, axis=2)), OASBUD)


def read_itk(path: Path, told: Mapping[str, float | None]) -> Recording:
    """Read MetaImage or NRRD: the first axis runs along lines, the second in depth, spacings in mm.

    The sampling rate follows from the spacing in depth, c / (2 dz).
    """
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    with reading(path, "an image that ITK reads"):
        check_attached(path)
        reader = SimpleITK.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        bits = int(SimpleITK.GetPixelIDValueAsString(reader.GetPixelID()).split("-bit")[0].split()[-1])
        n_values = int(np.prod(reader.GetSize(), dtype=object)) * reader.GetNumberOfComponents()
        check_size(path, n_values * bits // 8, path.stat().st_size)
        image = reader.Execute()
        samples, spacing_mm = SimpleITK.GetArrayFromImage(image), image.GetSpacing()
    frames = np.moveaxis(samples, 0, 2) if samples.ndim == 3 else samples
    speed = told.get("sound_speed_m_s") or SOUND_SPEED_M_S
    settings = {"line_pitch_mm": spacing_mm[0], "sampling_rate_hz": 1e3 * speed / (2 * spacing_mm[1])}
    return Recording(frames_of(path, frames), settings)


class reading:
    """Turn whatever a library raises while it reads a file into one sentence."""

    def __init__(self, path: Path, expected: str) -> None:
        self.path, self.expected = path, expected

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, InputError):
            raise InputError(f"{self.path}: {first_line(error)}, expected {self.expected}") from error


def first_line(error: Exception) -> str:
    """Return the first line of what a library says, cut where it gets long."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


Reader = Callable[[Path, Mapping[str, float | None]], Recording]
READERS: dict[str, Reader] = {
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".npz": read_npz,
    ".mat": read_matlab,
    ".mha": read_itk,
    ".nrrd": read_itk,
}
FORMATS = (".rf", *READERS)
