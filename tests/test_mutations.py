"""Files as no one would write them: bytes flipped, cut, lied about in headers, tables with rows and cells exchanged.

Each ends in what it says, or in one sentence that names it: no other exception, no hang, no memory beyond the file's
own size; and what is read lies within the contract.
"""

import json
import re
import signal
import time
import tracemalloc
import warnings
import zipfile
from contextlib import contextmanager, nullcontext

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import scipy.io
import SimpleITK
from skimage.io import imsave

from ground.errors import InputError
from helpers.data.rf import HEADER_FIELDS, RFPlane, write_rf
from recorded.check import check
from recorded.cohort import acquire, read_listing, read_patients
from recorded.contract import PATIENTS, PLANES
from recorded.files import read_backscatter, read_outline
from recorded.readers import read_planes

N_QUICK, N_WHOLE = 100, 2600
SECONDS = 10  # before it counts as a hang
TIMES_FILE, FLOOR_BYTES = 4, 4_000_000  # of memory; libraries need some for the smallest file
RATE_HZ, PITCH_MM, N_SAMPLES, N_LINES = 40e6, 0.9, 800, 24
FRAMES = np.random.default_rng(0).integers(-900, 900, (N_SAMPLES, N_LINES, 2)).astype(np.int16)
SETTINGS = {"sampling_rate_hz": RATE_HZ, "line_pitch_mm": PITCH_MM}
CORNERS_MM = [[5.0, 4.0], [15.0, 4.5], [16.0, 10.0], [6.0, 11.0]]
WORDS = ["", " ", "nan", "NaN", "inf", "-inf", "1e308", "1e999", "-1", "0", "99999999999999999999", "x" * 50, "é", "="]
WORDS += ["None", "1,5", "1.5", "true", "../x", "/etc/passwd", "~", ";", '"', "'", "\t", "\x00", "\ud7ff", "00", "1_0"]
NAMES = ["001", "A-7", "NA", "1e5", "BR-07", "sub-1"]


@contextmanager
def bounded(n_bytes):
    """Hold what is done to its time and to its memory."""

    def hangs(*_):
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert peak <= FLOOR_BYTES + TIMES_FILE * n_bytes, f"{peak} bytes of memory for a file of {n_bytes}"


def write_recordings(folder):
    """The same two frames in every format."""
    stack = np.moveaxis(FRAMES, 2, 0)
    write_rf(folder / "plane.rf", [RFPlane(frame, RATE_HZ, PITCH_MM) for frame in stack])
    np.savez(folder / "plane.npz", rf=FRAMES, **SETTINGS)
    np.savez_compressed(folder / "packed.npz", rf=FRAMES // 300, **SETTINGS)
    scipy.io.savemat(folder / "plane.mat", {"rf": FRAMES, **SETTINGS})
    scipy.io.savemat(folder / "packed.mat", {"rf": FRAMES // 300, **SETTINGS}, do_compression=True)
    with h5py.File(folder / "plane.h5", "w") as file:
        file["rf"] = FRAMES
        file.attrs.update(SETTINGS)
    image = SimpleITK.GetImageFromArray(stack)
    image.SetSpacing((PITCH_MM, 1e3 * 1540 / (2 * RATE_HZ), 1.0))
    SimpleITK.WriteImage(image, str(folder / "plane.mha"))
    SimpleITK.WriteImage(image, str(folder / "plane.nrrd"))


def write_outlines(folder):
    """One outline in every format."""
    pd.DataFrame(CORNERS_MM, columns=["lateral_mm", "depth_mm"]).to_csv(folder / "core.csv", index=False)
    polygon = {"type": "Polygon", "coordinates": [[*CORNERS_MM, CORNERS_MM[0]]]}
    (folder / "core.geojson").write_text(json.dumps({"type": "Feature", "geometry": polygon}))
    mask = np.zeros((N_SAMPLES, N_LINES), np.uint8)
    mask[200:500, 6:18] = 1
    imsave(folder / "core.png", mask, check_contrast=False)
    nibabel.save(nibabel.Nifti1Image(mask.T, np.eye(4)), folder / "core.nii")
    nibabel.save(nibabel.Nifti1Image(mask.T, np.eye(4)), folder / "core.nii.gz")
    np.savez(folder / "mask.npz", mask=mask)
    with h5py.File(folder / "mask.h5", "w") as file:
        file["mask"] = mask


def write_tables(folder):
    """A cohort of six patients, whose recordings are in order."""
    columns = [name for name in PLANES if name != "waived" and not name.startswith(("tumour_", "background_"))]
    rows = []
    for index, name in enumerate(NAMES):
        samples = np.random.default_rng(index).integers(-900, 900, (N_SAMPLES, N_LINES)).astype(np.int16)
        write_rf(folder / f"{name}.rf", [RFPlane(samples, RATE_HZ, PITCH_MM)])
        told = (name, 1, f"{name}.rf", 0, PITCH_MM, "core.csv", "phantom.rf", PITCH_MM, 1488.0, 0.576, "bsc.csv")
        rows.append((*told, "", 20, 20, 1.0))
    write_rf(folder / "phantom.rf", [RFPlane(FRAMES[:, :, 1], RATE_HZ, PITCH_MM)])
    frequency_mhz = np.linspace(1, 12, 23)
    bsc = {"frequency_mhz": frequency_mhz, "bsc_per_cm_sr": 1e-6 * frequency_mhz**3}
    pd.DataFrame(bsc).to_csv(folder / "bsc.csv", index=False)
    pd.DataFrame(rows, columns=columns).to_csv(folder / "planes.csv", index=False)
    pd.DataFrame(
        {
            "patient": NAMES,
            "responder": [True, True, False, False, True, False],
            "duration_years": [1.5, 2, 3.25, 4, 5, 6.125],
            "recurrence": [False, True, False, True, False, True],
            "mr_score": [3, 4, 1, 2, 5, 2],
            "split": ["train"] * 4 + ["validation", "test"],
            "age_years": [50, "", 61, 44, 38.5, 70],
            "grade": ["I", "II", "III", "", "II", "I"],
            "er": [True, False, "", True, False, True],
        }
    ).to_csv(folder / "patients.csv", index=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutated")
    write_tables(folder)
    write_recordings(folder)
    write_outlines(folder)
    return folder


def recording(path):
    """All frames; what is told of a plane is positive, whatever a file says."""
    planes = read_planes(path, line_pitch_mm=PITCH_MM)
    for plane in planes:
        assert np.isfinite(plane.samples).all()
        assert np.isfinite(plane.depth_mm).all()
        assert plane.sampling_rate_hz > 0
    return [[plane.samples for plane in planes], planes[0].sampling_rate_hz]


def outline(path):
    found = read_outline(path, RFPlane(FRAMES[:, :, 0], RATE_HZ, PITCH_MM))
    assert np.isfinite(found).all()
    return found


def backscatter(path):
    found = read_backscatter(path)(np.linspace(3e6, 8e6, 9))
    assert (found > 0).all()
    return found


def tables(path):
    """Both tables, held to the contract: the check says all is well exactly where they can be read."""
    report = check(path.parent, (3.0, 8.0))
    if any(fault.file.endswith((".csv", ".tsv")) and fault.row for fault in report.faults):
        raise InputError(str(report.faults[0]))
    patients, listing = read_patients(path.parent), read_listing(path.parent)
    for table, fields in ((patients.reset_index(), PATIENTS), (listing, PLANES)):
        for name, field in fields.items():
            if name in table and field.kind in ("number", "whole"):
                assert table[name].dropna().between(field.low, field.high).all(), name
                assert not (field.filled and table[name].isna().any()), name
    assert set(patients.index) == set(listing["patient"])
    assert patients["responder"].isin([True, False]).all()
    for _, row in listing.iterrows():
        acquire(row, path.parent)
    return [patients.drop(columns=[]), listing.reset_index(drop=True)]


READERS = {
    **dict.fromkeys(("planes.csv", "patients.csv"), tables),
    **dict.fromkeys(("plane.rf", "plane.npz", "packed.npz", "plane.mat", "packed.mat", "plane.h5"), recording),
    **dict.fromkeys(("plane.mha", "plane.nrrd"), recording),
    **dict.fromkeys(
        ("core.csv", "core.geojson", "core.png", "core.nii", "core.nii.gz", "mask.npz", "mask.h5"), outline
    ),
    "bsc.csv": backscatter,
}
TEXTS = ("planes.csv", "patients.csv", "core.csv", "bsc.csv")


def flipped(data, rng):
    """Some bits of some bytes, more often than not near the beginning, where headers are."""
    data = bytearray(data)
    end = len(data) if rng.random() < 0.4 else min(len(data), 400)
    for at in rng.integers(0, end, rng.integers(1, 9)):
        data[at] ^= 1 << rng.integers(8)
    return bytes(data)


def cut(data, rng):
    return data[: rng.integers(0, len(data))]


def longer(data, rng):
    return data + rng.bytes(rng.integers(1, 400))


def overwritten(data, rng):
    """Four bytes that are a number of a header somewhere become a huge, a negative or a nothing."""
    end = len(data) if rng.random() < 0.4 else min(len(data), 400)
    data, at = bytearray(data), int(rng.integers(0, end - 8))
    number = [2**31 - 1, -(2**31), -1, 0, 2**30, 65537][rng.integers(6)]
    data[at : at + 4] = number.to_bytes(4, rng.choice(["little", "big"]), signed=True)
    return bytes(data)


def boasting(data, rng):
    """A number written in words of the header becomes a huge one."""
    found = list(re.finditer(rb"\d+", data[:600]))
    if not found:
        return flipped(data, rng)
    one = found[rng.integers(len(found))]
    return data[: one.start()] + [b"99999999", b"-1", b"0", b"1e9", b"2147483648"][rng.integers(5)] + data[one.end() :]


def emptied(data, rng):
    return b"" if rng.random() < 0.5 else bytes(len(data))


def cells(data):
    return [line.split(",") for line in data.decode().splitlines()]


def joined(rows, separator=","):
    return "\n".join(separator.join(row) for row in rows).encode("utf-8", "surrogatepass") + b"\n"


def row_dropped(data, rng):
    rows = cells(data)
    del rows[rng.integers(len(rows))]
    return joined(rows)


def row_doubled(data, rng):
    rows = cells(data)
    rows.insert(rng.integers(len(rows)), rows[rng.integers(len(rows))])
    return joined(rows)


def cell_replaced(data, rng):
    rows = cells(data)
    row = rows[rng.integers(len(rows))]
    row[rng.integers(len(row))] = str(rng.choice(WORDS))
    return joined(rows)


def cells_swapped(data, rng):
    rows = cells(data)
    (a, b), (c, d) = ((rng.integers(len(rows)), rng.integers(len(rows[0]))) for _ in range(2))
    rows[a][b], rows[c][d] = rows[c][d], rows[a][b]
    return joined(rows)


def column_lost(data, rng):
    rows = cells(data)
    at = rng.integers(len(rows[0]))
    return joined([row[:at] + row[at + 1 :] for row in rows])


def name_changed(data, rng):
    rows = cells(data)
    at = rng.integers(len(rows[0]))
    name = rows[0][at]
    rows[0][at] = str(rng.choice([name.upper(), name[:-1], name + "s", "", "x", name.replace("_", " ")]))
    return joined(rows)


def ragged(data, rng):
    rows = cells(data)
    row = rows[rng.integers(len(rows))]
    row.append("1") if rng.random() < 0.5 else row.pop()
    return joined(rows)


def quoted(data, rng):
    data, at = bytearray(data), int(rng.integers(len(data)))
    data[at:at] = b'"' if rng.random() < 0.7 else b'\n"\x00' + bytes(200_000)
    return bytes(data)


def semicolons(data, rng):
    return data.replace(b",", b";").replace(b".", b",") if rng.random() < 0.5 else data.replace(b",", b";")


def other_separator(data, rng):
    return data.replace(b",", [b"\t", b"|", b" ", b", "][rng.integers(4)])


def other_encoding(data, rng):
    return data.decode().encode(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp037", "utf-7"][rng.integers(6)])


def other_lines(data, rng):
    return data.replace(b"\n", [b"\r\n", b"\r", b"\n\n", b"\n\r"][rng.integers(4)])


ON_BYTES = (flipped, cut, longer, overwritten, boasting, emptied)
SAME_MEANING = (semicolons, other_separator, other_encoding, other_lines)
ON_TEXT = (row_dropped, row_doubled, cell_replaced, cells_swapped, column_lost, name_changed, ragged, quoted)


def mutated(number, folder):
    """The name of a file, how it was changed, and its bytes: the same for every run of a number."""
    rng = np.random.default_rng([7, number])
    name = list(READERS)[number % len(READERS)] if number % 2 else str(rng.choice(TEXTS))
    ways = (*ON_BYTES, *(ON_TEXT + SAME_MEANING) * (name in TEXTS))
    way = ways[rng.integers(len(ways))]
    return name, way, way((folder / name).read_bytes(), rng)


def same(one, other):
    """Whether two results are equal to the last digit."""
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, pd.DataFrame):
        return one.equals(other)
    return np.array_equal(one, other)


def outcome(number, folder, whole):
    """What reading a mutated file ends in: 'refused', 'equal' or 'other'. Raises whatever else happens."""
    name, way, data = mutated(number, folder)
    path, kept = folder / name, (folder / name).read_bytes()
    path.write_bytes(data)
    told = ""
    try:
        with bounded(len(data)), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = READERS[name](path)
    except InputError as error:
        told = str(error)
    finally:
        path.write_bytes(kept)
    if told:
        assert "\n" not in told
        assert name in told or READERS[name] is tables, told
        return "refused"
    if same(found, whole[name]):
        return "equal"
    assert way not in SAME_MEANING, f"{name}, {way.__name__}: read as something else"
    return "other"


def look_through(numbers, folder):
    """Read every mutation of these numbers; tell all that ends otherwise than it must."""
    whole = {name: read(folder / name) for name, read in READERS.items()}
    counts, wrong = {"refused": 0, "equal": 0, "other": 0}, []
    for number in numbers:
        name, way, _ = mutated(number, folder)
        start = time.monotonic()
        try:
            counts[outcome(number, folder, whole)] += 1
        except Exception as error:
            wrong.append(f"{number}: {name}, {way.__name__}: {type(error).__name__}: {error}"[:300])
        if time.monotonic() - start > SECONDS:
            wrong.append(f"{number}: {name}, {way.__name__}: {time.monotonic() - start:.0f} s")
    return counts, wrong


def test_a_hundred_mutations_end_in_what_they_say_or_in_a_sentence(folder):
    counts, wrong = look_through(range(N_QUICK), folder)
    assert wrong == []
    assert counts["refused"] > counts["equal"]


@pytest.mark.slow
def test_thousands_of_mutations_end_in_what_they_say_or_in_a_sentence(folder):
    counts, wrong = look_through(range(N_QUICK, N_QUICK + N_WHOLE), folder)
    assert wrong == []
    assert sum(counts.values()) == N_WHOLE


@pytest.mark.parametrize("field", ["frames", "w", "h", "ss", "type", "sf"])
@pytest.mark.parametrize("value", [0, -1, 2**31 - 1, -(2**31), 1])
def test_a_header_that_promises_more_than_the_file_holds_allocates_nothing(folder, tmp_path, field, value):
    data = bytearray((folder / "plane.rf").read_bytes())
    at = 4 * HEADER_FIELDS.index(field)
    data[at : at + 4] = value.to_bytes(4, "little", signed=True)
    (tmp_path / "lies.rf").write_bytes(data)
    may_be = field == "sf" and value > 0
    with bounded(0), nullcontext() if may_be else pytest.raises(InputError, match="lies.rf"):
        read_planes(tmp_path / "lies.rf", line_pitch_mm=PITCH_MM)


def as_text(path, old, new):
    path.write_bytes(path.read_bytes().replace(old, new, 1))


def empty_chunks(path):
    """Gigabytes of which nothing is stored: HDF5 fills in what is missing."""
    with h5py.File(path, "w") as file:
        file.create_dataset("rf", (2_000_000, 1000), "i2", chunks=(1000, 1000))
        file.attrs.update(SETTINGS)


def zeros_packed(path):
    np.savez_compressed(path, rf=np.zeros((200_000, 50), np.int16), **SETTINGS)


def more_than_zipped(path):
    """A header of NumPy's, in a zip file in order, that asks for more than follows."""
    with zipfile.ZipFile(path, "w") as archive, archive.open("rf.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<i2", "fortran_order": False, "shape": (2**40, 2)})


def unknown_kind(path):
    """A kind of element that SciPy looks up beyond the end of its table: with bad luck the process ends."""
    data = bytearray(path.read_bytes())
    at = data.index(b"rf\0\0") + 4
    data[at : at + 2] = b"\xff\x7f"
    path.write_bytes(data)


def huge_part(path):
    """A part of a picture that promises four gigabytes."""
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"\xff\xff\xff\xfftEXt" + data[33:])


LIES = [
    ("plane.h5", empty_chunks),
    ("plane.npz", zeros_packed),
    ("plane.npz", more_than_zipped),
    ("plane.mat", unknown_kind),
    ("plane.mat", lambda path: as_text(path, b"MATLAB", b"\0\0\0\0AB")),
    ("plane.mha", lambda path: as_text(path, b"DimSize = 24 800", b"DimSize = 24000 80000")),
    ("plane.mha", lambda path: as_text(path, b"ElementDataFile = LOCAL", b"ElementDataFile = ../secret.raw")),
    ("plane.nrrd", lambda path: as_text(path, b"sizes: 24 800", b"sizes: 24000 80000")),
    ("plane.nrrd", lambda path: as_text(path, b"encoding:", b"data file: ../secret.raw\nencoding:")),
    ("core.png", huge_part),
    ("core.nii", lambda path: as_text(path, b"\x18\0 \x03", b"\xff\x7f\xff\x7f")),
]


@pytest.mark.parametrize(("name", "lie"), LIES, ids=lambda one: getattr(one, "__name__", one))
def test_a_format_that_promises_more_than_it_holds_or_points_elsewhere_is_refused(folder, tmp_path, name, lie):
    path = tmp_path / name
    path.write_bytes((folder / name).read_bytes())
    before = path.read_bytes()
    lie(path)
    assert path.read_bytes() != before
    with bounded(path.stat().st_size), pytest.raises(InputError, match=name):
        READERS[name](path)
