"""RF planes and the Ultrasonix file format."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ground.artifacts import write_whole
from ground.errors import InputError

RF_TYPE = 16
HEADER_FIELDS = "type frames w h ss ulx uly urx ury brx bry blx bly probe txf sf dr ld extra".split()
HEADER = np.dtype([(name, "<i4") for name in HEADER_FIELDS])
SCAN_FIELDS = ("ss", "probe", "txf", "sf", "dr", "ld", "extra")  # how a plane was scanned; the others: how large it is


@dataclass(frozen=True, eq=False)
class RFPlane:
    """One image plane of radiofrequency echoes: samples (n_samples, n_lines), depth first.

    Raises ``InputError`` when a field cannot describe a plane; warns with a count when samples reach the limits
    of 16 bit.
    """

    samples: np.ndarray  # (n_samples, n_lines), integer or float
    sampling_rate_hz: float
    line_pitch_mm: float
    sound_speed_m_s: float = 1540.0
    source: str = "RF plane"  # named in error messages
    focus_mm: float | None = None  # depth of the focus, where it is known
    header: Mapping[str, int] = field(default_factory=dict)  # ``SCAN_FIELDS`` as the file tells them, where it does

    def __post_init__(self) -> None:
        if np.ndim(self.samples) != 2:
            raise InputError(f"{self.source}: samples of shape {np.shape(self.samples)}, expected (n_samples, n_lines)")
        if not np.isfinite(self.samples).all():
            bad = int((~np.isfinite(self.samples)).sum())
            raise InputError(f"{self.source}: samples hold {bad} NaN or infinite values, expected none")
        for name in ("sampling_rate_hz", "line_pitch_mm", "sound_speed_m_s"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{self.source}: {name} = {value}, expected a positive number")
        if count := n_saturated(self.samples):
            warnings.warn(f"{self.source}: {count} of {self.samples.size} samples are saturated", stacklevel=3)

    @property
    def sample_spacing_mm(self) -> float:
        """Depth covered by one sample, c / (2 fs), mm."""
        return 1e3 * self.sound_speed_m_s / (2 * self.sampling_rate_hz)

    @property
    def depth_mm(self) -> np.ndarray:
        """Depth of every sample (n_samples,), mm."""
        return np.arange(self.samples.shape[0]) * self.sample_spacing_mm

    @property
    def lateral_mm(self) -> np.ndarray:
        """Lateral position of every line (n_lines,), mm from the plane's left edge."""
        return (np.arange(self.samples.shape[1]) + 0.5) * self.line_pitch_mm

    @property
    def extent_mm(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the plane, mm, as ``imshow`` wants them."""
        n_samples, n_lines = self.samples.shape
        return 0.0, n_lines * self.line_pitch_mm, n_samples * self.sample_spacing_mm, 0.0


def b_mode_db(plane: RFPlane) -> np.ndarray:
    """Log-compressed envelope (n_samples, n_lines), dB re the plane's maximum."""
    from scipy.signal import hilbert  # a second to import, which reading and mapping can do without

    envelope = np.abs(hilbert(plane.samples.astype(np.float32), axis=0))
    return 20 * np.log10(np.maximum(envelope, 1e-6 * envelope.max()) / envelope.max())


def read_header(path: str | Path) -> dict[str, int]:
    """Read the header of an Ultrasonix ``.rf`` file: 19 little-endian int32, type 16 for RF.

    Raises ``InputError`` naming the file and the field that is not as expected, or that does not fit the file's size.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file, expected an Ultrasonix .rf")
    try:
        with open(path, "rb") as file:
            data = file.read(HEADER.itemsize)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected a file that can be read") from None
    if len(data) < HEADER.itemsize:
        raise InputError(f"{path}: {len(data)} bytes, expected at least a header of {HEADER.itemsize}")
    header = {name: int(value) for name, value in zip(HEADER_FIELDS, np.frombuffer(data, "<i4"), strict=True)}
    for name, expected in (("type", RF_TYPE), ("ss", 16)):
        if header[name] != expected:
            raise InputError(f"{path}: header field {name} = {header[name]}, expected {expected}")
    shape = header["frames"], header["w"], header["h"]
    n_bytes = os.path.getsize(path) - HEADER.itemsize
    if min(shape) < 1 or n_bytes != 2 * shape[0] * shape[1] * shape[2]:
        raise InputError(f"{path}: header fields frames, w, h = {shape} do not match {n_bytes} bytes of samples")
    if header["sf"] <= 0:
        raise InputError(f"{path}: header field sf = {header['sf']}, expected a sampling frequency in Hz")
    return header


def read_rf(
    path: str | Path,
    line_pitch_mm: float,
    sound_speed_m_s: float = 1540.0,
    focus_mm: float | None = None,
    frames: Sequence[int] | None = None,
) -> list[RFPlane]:
    """Read frames of an Ultrasonix ``.rf`` file, all of them or those of these numbers: header, then int16 lines.

    The lateral pitch is not in the file and has to be given.
    Raises ``InputError`` naming the file and the field that is not as expected, or a frame that it does not have.
    """
    header = read_header(path)
    n_frames, shape = header["frames"], (header["w"], header["h"])
    numbers = range(n_frames) if frames is None else frames
    for number in numbers:
        if not 0 <= number < n_frames:
            raise InputError(f"{path}: frame {number}, expected 0 to {n_frames - 1}")
    settings = float(header["sf"]), line_pitch_mm, sound_speed_m_s
    told = {name: header[name] for name in SCAN_FIELDS}
    return [
        RFPlane(frame_at(path, number, shape).T, *settings, f"{path}, frame {number}", focus_mm, told)
        for number in numbers
    ]


def frame_at(path: str | Path, number: int, shape: tuple[int, int]) -> np.ndarray:
    """Samples of one frame of an ``.rf`` file, (n_lines, n_samples) int16."""
    count = shape[0] * shape[1]
    offset = HEADER.itemsize + 2 * count * number
    return np.fromfile(path, "<i2", count, offset=offset).reshape(shape)


def n_saturated(samples: np.ndarray) -> int:
    """How many samples of 16 bit sit at the limits of their range; 0 for samples of another kind."""
    if np.asarray(samples).dtype != np.int16:
        return 0
    limits = np.iinfo(np.int16)
    return int(np.count_nonzero((samples == limits.min) | (samples == limits.max)))


def write_rf(path: str | Path, planes: list[RFPlane], transmit_frequency_hz: float = 6e6) -> Path:
    """Write int16 planes of equal shape and sampling rate as one Ultrasonix ``.rf`` file."""
    frames = np.stack([plane.samples.T for plane in planes])
    if frames.dtype != np.int16:
        raise ValueError(f"{path}: samples of type {frames.dtype}, expected int16")
    header = np.zeros(1, HEADER)
    header["type"], header["ss"] = RF_TYPE, 16
    header["frames"], header["w"], header["h"] = frames.shape
    header["txf"], header["sf"] = transmit_frequency_hz, planes[0].sampling_rate_hz
    header["urx"] = header["brx"] = header["ld"] = frames.shape[1]
    header["bry"] = header["bly"] = frames.shape[2]
    return write_whole(path, lambda temporary: temporary.write_bytes(header.tobytes() + frames.astype("<i2").tobytes()))
