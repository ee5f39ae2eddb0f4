"""Readers against files that each format's own usual writer made: the same plane in every format."""

import h5py
import nibabel
import numpy as np
import pytest
import scipy.io
import SimpleITK
from skimage.io import imsave

from ground.errors import InputError
from helpers.data.rf import RFPlane, write_rf
from helpers.maps.grid import different_fields
from recorded.outlines import read_geojson, read_mask
from recorded.readers import read_planes

RATE_HZ, PITCH_MM = 40e6, 0.25
FRAMES = np.random.default_rng(0).integers(-900, 900, (60, 16, 2)).astype(np.int16)
SETTINGS = {"sampling_rate_hz": RATE_HZ, "line_pitch_mm": PITCH_MM}


def as_rf(path):
    write_rf(path, [RFPlane(frame, RATE_HZ, PITCH_MM) for frame in np.moveaxis(FRAMES, 2, 0)])


def as_hdf5(path):
    with h5py.File(path, "w") as file:
        file["rf"] = FRAMES
        file.attrs["sampling_rate_hz"] = RATE_HZ
        file["line_pitch_mm"] = PITCH_MM


def as_npz(path):
    np.savez(path, rf=FRAMES, **SETTINGS)


def as_matlab(path):
    scipy.io.savemat(path, {"rf": FRAMES, **SETTINGS})


def as_matlab_73(path):
    """As MATLAB's ``save -v7.3`` does: HDF5 behind a block of 512 bytes, axes the other way round."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in {"rf": FRAMES.T, **{name: np.array([[one]]) for name, one in SETTINGS.items()}}.items():
            file[name] = value
            file[name].attrs["MATLAB_class"] = np.bytes_("int16" if name == "rf" else "double")
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + b"\x00" * 8 + b"\x00\x02IM")


def as_itk(path):
    image = SimpleITK.GetImageFromArray(np.moveaxis(FRAMES, 2, 0))
    image.SetSpacing((PITCH_MM, 1e3 * 1540 / (2 * RATE_HZ), 1.0))
    SimpleITK.WriteImage(image, str(path))


WRITERS = {
    "plane.rf": as_rf,
    "plane.h5": as_hdf5,
    "plane.npz": as_npz,
    "five.mat": as_matlab,
    "seven.mat": as_matlab_73,
    "plane.mha": as_itk,
    "plane.nrrd": as_itk,
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_planes_from_every_format(tmp_path, name):
    WRITERS[name](tmp_path / name)
    planes = read_planes(tmp_path / name, line_pitch_mm=PITCH_MM)
    assert len(planes) == 2
    for index, plane in enumerate(planes):
        assert np.array_equal(plane.samples, FRAMES[:, :, index])
        assert plane.sampling_rate_hz == pytest.approx(RATE_HZ, rel=1e-12)
        assert plane.line_pitch_mm == pytest.approx(PITCH_MM)


def test_the_transmit_frequency_that_a_file_tells_is_held_against_the_phantoms(tmp_path):
    """As that of an ``.rf`` file is, and also between the two."""
    np.savez(tmp_path / "sent.npz", rf=FRAMES, transmit_frequency_hz=6.6e6, **SETTINGS)
    scipy.io.savemat(tmp_path / "low.mat", {"rf": FRAMES, "transmit_frequency_hz": 5e6, **SETTINGS})
    write_rf(tmp_path / "sent.rf", [RFPlane(FRAMES[:, :, 0], RATE_HZ, PITCH_MM)], transmit_frequency_hz=6.6e6)
    npz, low, rf = (read_planes(tmp_path / name, **SETTINGS)[0] for name in ("sent.npz", "low.mat", "sent.rf"))
    assert (npz.header, low.header, rf.header["txf"]) == ({"txf": 6_600_000}, {"txf": 5_000_000}, 6_600_000)
    assert different_fields(npz, rf) == []
    assert different_fields(npz, low) == ["txf 5000000 and 6600000"]
    as_npz(tmp_path / "silent.npz")
    assert read_planes(tmp_path / "silent.npz")[0].header == {}


@pytest.mark.parametrize("name", WRITERS)
def test_a_damaged_file_is_refused_in_a_sentence_that_names_it(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(InputError, match=name):
        read_planes(path, line_pitch_mm=PITCH_MM)


def test_what_is_told_beside_a_file_must_agree_with_it(tmp_path):
    as_npz(tmp_path / "plane.npz")
    with pytest.raises(InputError, match="line_pitch_mm = 0.25, but 0.3 is told"):
        read_planes(tmp_path / "plane.npz", line_pitch_mm=0.3)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"rf": FRAMES, "line_pitch_mm": PITCH_MM}, "sampling_rate_hz is missing"),
        ({"samples": FRAMES, **SETTINGS}, "'rf' is missing"),
        ({"rf": FRAMES.T, **SETTINGS}, "depth first"),
        ({"rf": FRAMES.astype(str), **SETTINGS}, "expected numbers"),
        ({"rf": FRAMES.astype(complex), **SETTINGS}, "expected numbers"),
        ({"rf": FRAMES[:, 0, 0], **SETTINGS}, "expected numbers"),
        ({"rf": FRAMES, "line_pitch_mm": PITCH_MM, "sampling_rate_hz": -1.0}, "one positive number"),
        ({"rf": np.array([{}], object), **SETTINGS}, "plane.npz"),
    ],
)
def test_what_cannot_be_a_plane_is_refused(tmp_path, fields, told):
    np.savez(tmp_path / "plane.npz", **fields)
    with pytest.raises(InputError, match=told):
        read_planes(tmp_path / "plane.npz")


def test_an_unknown_format_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(InputError, match=r"'\.dcm', expected one of .*\.mat"):
        read_planes(tmp_path / "plane.dcm")


def test_a_lesion_of_oasbud_has_two_planes_and_the_published_settings(tmp_path):
    """Two orthogonal planes, a single focus, 40 MHz, 510 lines over 38 mm (Piotrzkowska-Wroblewska et al. 2017)."""
    data = {"Id": "7", "rf1": FRAMES[:, :, 0], "rf2": FRAMES[:50, :, 1], "Class": 1}
    scipy.io.savemat(tmp_path / "lesion.mat", {"data": data})
    one, two = read_planes(tmp_path / "lesion.mat")
    assert (one.sampling_rate_hz, one.line_pitch_mm) == (40e6, pytest.approx(38 / 510))
    assert np.array_equal(two.samples, FRAMES[:50, :, 1])


def test_all_lesions_in_one_file_are_refused(tmp_path):
    many = np.array([(FRAMES[:, :, 0], FRAMES[:, :, 1])] * 2, dtype=[("rf1", object), ("rf2", object)])
    scipy.io.savemat(tmp_path / "all.mat", {"data": many})
    with pytest.raises(InputError, match="one lesion"):
        read_planes(tmp_path / "all.mat")


MASK = np.zeros((60, 16), bool)
MASK[20:40, 4:9] = True


def write_mask(path, mask=MASK, value=255):
    values = (mask * value).astype(np.uint8)
    if path.suffix == ".png":
        imsave(path, values, check_contrast=False)
    elif path.suffix == ".npz":
        np.savez(path, mask=values)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["mask"] = values
    else:
        nibabel.save(nibabel.Nifti1Image(values.T[:, :, None], np.eye(4)), path)


@pytest.mark.parametrize("name", ["mask.png", "mask.npz", "mask.h5", "mask.nii", "mask.nii.gz"])
def test_the_same_mask_from_every_format(tmp_path, name):
    write_mask(tmp_path / name)
    assert np.array_equal(read_mask(tmp_path / name, MASK.shape), MASK)
    with pytest.raises(InputError, match=rf"{name}: mask of \(60, 16\), expected \(60, 20\)"):
        read_mask(tmp_path / name, (60, 20))
    write_mask(tmp_path / name, MASK & False)
    with pytest.raises(InputError, match="empty"):
        read_mask(tmp_path / name, MASK.shape)


def test_a_mask_of_several_labels_is_refused(tmp_path):
    np.savez(tmp_path / "mask.npz", mask=np.where(MASK, 2, 0) + np.eye(60, 16, dtype=int))
    with pytest.raises(InputError, match="expected 0 outside and one value inside"):
        read_mask(tmp_path / "mask.npz", MASK.shape)


RING = [[1, 10], [5, 10], [5, 20], [1, 20], [1, 10]]


@pytest.mark.parametrize(
    "text",
    [
        f'{{"type": "Polygon", "coordinates": [{RING}]}}',
        f'{{"type": "Feature", "geometry": {{"type": "Polygon", "coordinates": [{RING}]}}, "properties": {{}}}}',
        f'{{"type": "FeatureCollection", "features": [{{"type": "Feature", "geometry": '
        f'{{"type": "MultiPolygon", "coordinates": [[{RING}]]}}}}]}}',
    ],
)
def test_corners_from_geojson(tmp_path, text):
    (tmp_path / "core.geojson").write_text(text)
    assert read_geojson(tmp_path / "core.geojson").tolist() == RING[:-1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        '{"type": "Point", "coordinates": [1, 2]}',
        f'{{"type": "Polygon", "coordinates": [{RING}, {RING}]}}',
    ],
)
def test_what_is_not_one_polygon_is_refused(tmp_path, text):
    (tmp_path / "core.geojson").write_text(text)
    with pytest.raises(InputError, match="core.geojson"):
        read_geojson(tmp_path / "core.geojson")
