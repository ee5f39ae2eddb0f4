"""What a file may hold at most, looked at before a library sets memory aside for what its header promises.

Libraries believe headers: a changed byte can ask for gigabytes, or lead them beyond their own tables.
"""

import re
import struct
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np

from ground.errors import InputError

PACKED = 20  # as many times its stored bytes an array may have; echoes are noise, and do not pack well
SMALL = 4096  # bytes that nothing is said about
MATLAB_HEADER, MATLAB_KINDS, MATRIX, COMPRESSED = 128, {*range(1, 8), 9, *range(12, 19)}, 14, 15
HEAD = 65536  # bytes that a header in text may have
DEEPEST = 20  # structures within structures


def check_size(path: Path, n_bytes: int, stored: int, most: float = PACKED) -> None:
    """Raise ``InputError`` for an array that what is stored of it cannot hold."""
    if n_bytes > most * stored + SMALL:
        raise InputError(f"{path}: an array of {n_bytes} bytes in {stored}, expected at most {most} times as many")


def check_zipped(path: Path, most: float = PACKED) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays in an ``.npz`` file, by name.

    Raises ``InputError`` for one that is ``most`` times larger than what is stored of it, or than it says itself.
    """
    shapes = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for one in archive.infolist():
                check_size(path, one.file_size, min(one.compress_size, path.stat().st_size), most)
                with archive.open(one) as file:
                    major, _ = np.lib.format.read_magic(file)
                    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
                    shape, _, dtype = read(file)
                    n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
                    if n_bytes > one.file_size:
                        raise InputError(f"{path}: {one.filename} of {shape} in {one.file_size} bytes, expected all")
                shapes[one.filename.removesuffix(".npy")] = shape
    except InputError:
        raise
    except Exception as error:  # whatever zip and numpy say of damaged bytes
        raise InputError(f"{path}: {str(error)[:120]!r}, expected an .npz file of arrays") from error
    return shapes


def check_matlab(path: Path) -> None:
    """Raise ``InputError`` for a MATLAB file whose parts do not lie within it, or are of a kind that does not exist.

    SciPy looks such a kind up in a table without asking how long that table is. Files of version 7.3 are HDF5.
    """
    with open(path, "rb") as file:
        head = file.read(MATLAB_HEADER)
        version, order = head[124:126], {b"IM": "<", b"MI": ">"}.get(head[126:128])
        if order is None or 0 in head[:4] or version not in (b"\x00\x01", b"\x01\x00", b"\x00\x02", b"\x02\x00"):
            raise InputError(f"{path}: no header of version 5 or 7.3, expected a MATLAB file")
        if b"\x02" in version:
            return check_datasets(path)
        check_elements(path, file.read(), order, 0)


def check_elements(path: Path, data: bytes, order: str, depth: int) -> None:
    """Raise ``InputError`` for elements of MATLAB's version 5 that do not fill ``data`` as they say."""
    start = 0
    while start < len(data):
        if depth > DEEPEST or start + 8 > len(data):
            raise InputError(f"{path}: an element that is cut off or nested too deep, expected a whole MATLAB file")
        kind, n_bytes = struct.unpack_from(order + "II", data, start)
        body, small = start + 8, kind >> 16
        if small:  # kind, size and up to four bytes in one
            kind, n_bytes, body = kind & 0xFFFF, small, start + 4
        end = start + 8 if small else body + n_bytes
        if kind not in MATLAB_KINDS or end > len(data) or (small and (n_bytes > 4 or kind in (MATRIX, COMPRESSED))):
            raise InputError(f"{path}: element {kind} of {n_bytes} bytes at {start}, expected a whole MATLAB file")
        if kind == MATRIX:
            check_elements(path, data[body:end], order, depth + 1)
        if kind == COMPRESSED:
            check_elements(path, unpacked(path, data[body:end]), order, depth + 1)
        start = end if small or kind == COMPRESSED else body + -(-n_bytes // 8) * 8


def unpacked(path: Path, data: bytes) -> bytes:
    """Return what zlib makes of ``data``. Raises ``InputError`` for what gets too large, or is no such data."""
    try:
        stream = zlib.decompressobj()
        found = stream.decompress(data, PACKED * len(data) + SMALL)
    except zlib.error as error:
        raise InputError(f"{path}: {error}, expected a whole MATLAB file") from None
    if stream.unconsumed_tail:
        check_size(path, len(found) + 1, 0)
    return found


def check_attached(path: Path) -> None:
    """Raise ``InputError`` for a MetaImage or NRRD whose samples lie in another file, which no key would follow."""
    with open(path, "rb") as file:
        head = file.read(HEAD).partition(b"\n\n")[0] if path.suffix.lower() == ".nrrd" else file.read(HEAD)
    elsewhere = re.search(
        rb"^\s*(data ?file\s*:|ElementDataFile\s*=\s*+(?!LOCAL\b)).*", head, re.IGNORECASE | re.MULTILINE
    )
    if elsewhere:
        raise InputError(f"{path}: {elsewhere[0][:80]!r}, expected header and samples in one file")


def check_datasets(path: Path) -> None:
    """Raise ``InputError`` for an HDF5 file with a dataset that is larger than what is stored of it can hold."""

    def look(_: str, found: h5py.Dataset | h5py.Group) -> None:
        if isinstance(found, h5py.Dataset):
            check_size(path, (found.size or 0) * found.dtype.itemsize, found.id.get_storage_size())

    with h5py.File(path) as file:
        file.visititems(look)
