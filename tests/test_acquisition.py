"""Recorded planes, against what was written into their files: every column reaches the place it is meant for."""

import numpy as np
import pandas as pd
import pytest

from ground.errors import InputError
from helpers.data.regions import core_from_polygon
from helpers.data.rf import RFPlane, write_rf
from recorded.cohort import acquire, files_of, read_listing, read_patients

BACKSCATTER = pd.DataFrame({"frequency_mhz": [8.0, 2.0, 4.0], "bsc_per_cm_sr": [9e-4, 1e-5, 1e-4]})


def circle(radius_mm, centre):
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    return np.column_stack([centre[0] + radius_mm * np.cos(angle), centre[1] + radius_mm * np.sin(angle)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sample and a phantom of three frames each, which differ, three outlines, and the phantom's backscatter."""
    folder = tmp_path_factory.mktemp("recorded")
    for name, seed in (("plane.rf", 0), ("phantom.rf", 1), ("other.rf", 2)):
        samples = np.random.default_rng(seed).integers(-100, 100, (3, 2000, 60)).astype(np.int16)
        write_rf(folder / name, [RFPlane(frame, 40e6, 1.0) for frame in samples])
    for name, lateral_mm in (("core.csv", 20.0), ("left.csv", 5.0), ("right.csv", 34.0)):
        outline = pd.DataFrame(circle(6, (lateral_mm, 12.0)), columns=["lateral_mm", "depth_mm"])
        outline[["depth_mm", "lateral_mm"]].to_csv(folder / name, index=False)
    BACKSCATTER.to_csv(folder / "phantom.csv", index=False)
    return folder


@pytest.fixture
def row():
    """One line of ``planes.csv`` in which no two numbers are the same."""
    return {
        "patient": "001",
        "plane": 4,
        "rf_file": "plane.rf",
        "frame": 2,
        "line_pitch_mm": 1.0,
        "outline_file": "core.csv",
        "reference_file": "phantom.rf",
        "reference_line_pitch_mm": 0.9,
        "reference_sound_speed_m_s": 1488.0,
        "reference_attenuation_db_cm_mhz": 0.5,
        "reference_backscatter_file": "phantom.csv",
        "other_outline_files": "",
        "focus_mm": 20.0,
        "reference_focus_mm": 25.0,
    }


def write(folder, *rows):
    """A listing of these rows, and a table of their patients."""
    pd.DataFrame(rows).to_csv(folder / "planes.csv", index=False)
    names = list(dict.fromkeys(row.get("patient", "A") for row in rows))
    good = {"patient": names, "responder": True, "duration_years": 2.0, "recurrence": False}
    pd.DataFrame(good).to_csv(folder / "patients.csv", index=False)


def read(folder, *rows):
    """The first plane of a listing of these rows."""
    write(folder, *rows)
    return acquire(read_listing(folder).iloc[0], folder)


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_the_frame_is_the_one_that_is_listed(folder, row, frame):
    """Against the file's own bytes, by the layout of the format."""
    frames = np.frombuffer((folder / "plane.rf").read_bytes(), "<i2", offset=76).reshape(3, 60, 2000)
    np.testing.assert_array_equal(read(folder, row | {"frame": frame}).plane.samples, frames[frame].T)


def test_a_frame_that_the_file_does_not_have_is_refused(folder, row):
    with pytest.raises(ValueError, match="plane.rf: frame 3, expected 0 to 2"):
        read(folder, row | {"frame": 3})


def test_pitch_speed_focus_and_attenuation_reach_the_plane_and_the_phantom_they_are_given_for(folder, row):
    acquired = read(folder, row)
    plane, phantom = acquired.plane, acquired.reference.planes[0]
    assert (plane.line_pitch_mm, plane.sound_speed_m_s, plane.focus_mm) == (1.0, 1540.0, 20.0)
    assert (phantom.line_pitch_mm, phantom.sound_speed_m_s, phantom.focus_mm) == (0.9, 1488.0, 25.0)
    assert acquired.reference.attenuation_db_cm_mhz == 0.5
    assert len(acquired.reference.planes) == 3
    assert plane.samples[0, 0] != phantom.samples[0, 0]


def test_frames_of_several_files_of_one_phantom_are_all_used(folder, row):
    acquired = read(folder, row | {"reference_file": "phantom.rf; other.rf"})
    frames = [np.fromfile(folder / name, "<i2", offset=76).reshape(3, 60, 2000) for name in ("phantom.rf", "other.rf")]
    assert len(acquired.reference.planes) == 6
    for plane, samples in zip(acquired.reference.planes, np.concatenate(frames), strict=True):
        np.testing.assert_array_equal(plane.samples, samples.T)
    line = read_listing(folder)
    assert [path.name for path in files_of(line, folder)][2:4] == ["phantom.rf", "other.rf"]


def test_files_of_two_phantoms_are_refused(folder, row):
    write_rf(folder / "narrow.rf", [RFPlane(np.ones((2000, 40), np.int16), 40e6, 1.0)])
    with pytest.raises(InputError, match=r"narrow\.rf: samples and lines \(2000, 40\), expected \(2000, 60\) as in"):
        read(folder, row | {"reference_file": "phantom.rf;narrow.rf"})
    with pytest.raises(InputError, match=r"reference_file = ' ; ', expected one or more files"):
        read(folder, row | {"reference_file": " ; "})
    with pytest.raises(InputError, match=r"missing\.rf: there is no such file"):
        read(folder, row | {"reference_file": "phantom.rf;missing.rf"})
    with pytest.raises(InputError, match="leads out of the folder"):
        read(folder, row | {"reference_file": "phantom.rf;../out.rf"})


@pytest.mark.parametrize(("tumour", "background", "told"), [(1.1, 0.7, (1.1, 0.7)), ("", 0.7, (None, 0.7))])
def test_attenuation_that_a_line_tells_reaches_its_plane(folder, row, tumour, background, told):
    measured = {"tumour_attenuation_db_cm_mhz": tumour, "background_attenuation_db_cm_mhz": background}
    acquired = read(folder, row | measured)
    assert acquired.attenuation_db_cm_mhz == told
    silent = read(folder, row)
    assert silent.attenuation_db_cm_mhz == (None, None)


def test_the_phantoms_backscatter_is_its_tables_at_the_tables_frequencies(folder, row):
    backscatter = read(folder, row).reference.backscatter
    np.testing.assert_allclose(backscatter(BACKSCATTER["frequency_mhz"] * 1e6), BACKSCATTER["bsc_per_cm_sr"])
    assert backscatter(3e6) == pytest.approx(1e-5 * 1.5 ** np.log2(10))  # on the power law from 2 to 4 MHz
    assert read(folder, row | {"reference_backscatter_file": ""}).reference.backscatter is None


def test_the_outline_lies_where_it_was_drawn_whatever_the_order_of_its_columns(folder, row):
    acquired = read(folder, row)
    np.testing.assert_allclose(acquired.outline_mm, circle(6, (20.0, 12.0)))
    core, margin = acquired.regions(5.0)
    across, down = acquired.plane.lateral_mm[core.any(axis=0)], acquired.plane.depth_mm[core.any(axis=1)]
    assert [across[0], across[-1]] == pytest.approx([14, 26], abs=0.5)
    assert [down[0], down[-1]] == pytest.approx([6, 18], abs=0.1)
    assert margin.sum() / core.sum() == pytest.approx((11**2 - 6**2) / 6**2, rel=0.05)  # lines of 1 mm


def test_other_outlines_clip_the_margin(folder, row):
    core, margin = read(folder, row).regions(5.0)
    among = read(folder, row | {"other_outline_files": "left.csv; right.csv"})
    core_among, margin_among = among.regions(5.0)
    axes = among.plane.depth_mm[::5], among.plane.lateral_mm
    others = [np.repeat(core_from_polygon(circle(6, (x, 12.0)), *axes), 5, axis=0)[:2000] for x in (5, 34)]
    assert all((margin & other).any() for other in others)
    np.testing.assert_array_equal(core, core_among)
    np.testing.assert_array_equal(margin_among, margin & ~others[0] & ~others[1])


@pytest.mark.parametrize("nothing", ["", None], ids=["empty", "missing"])
def test_a_focus_that_is_not_known_is_none(folder, row, nothing):
    given = {name: value for name, value in row.items() if nothing is not None or not name.endswith("focus_mm")}
    acquired = read(folder, given | ({} if nothing is None else {"focus_mm": "", "reference_focus_mm": ""}))
    assert acquired.plane.focus_mm is None
    assert acquired.reference.planes[0].focus_mm is None


def test_every_file_that_a_line_names_is_told_once(folder, row):
    read(folder, row | {"other_outline_files": "left.csv; right.csv"}, row | {"plane": 5, "frame": 1})
    named = [path.name for path in files_of(read_listing(folder), folder)]
    assert sorted(named) == ["core.csv", "left.csv", "phantom.csv", "phantom.rf", "plane.rf", "right.csv"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"focus_mm": "deep"}, "focus_mm = 'deep', expected mm, 1 to 300, or nothing"),
        ({"reference_sound_speed_m_s": "fast"}, "reference_sound_speed_m_s = 'fast', expected m/s, 1300 to 1800"),
        ({"reference_sound_speed_m_s": 1.488}, "reference_sound_speed_m_s = '1.488', expected m/s, 1300 to 1800"),
        ({"reference_attenuation_db_cm_mhz": 57.6}, "reference_attenuation_db_cm_mhz = '57.6', expected dB/cm/MHz"),
        ({"line_pitch_mm": ""}, "line_pitch_mm = '', expected mm, 0.01 to 5"),
        ({"line_pitch_mm": -1.5}, "line_pitch_mm = '-1.5', expected mm"),
        ({"line_pitch_mm": "nan"}, "line_pitch_mm = 'nan', expected mm"),
        ({"line_pitch_mm": "inf"}, "line_pitch_mm = 'inf', expected mm"),
        ({"frame": 0.5}, "frame = '0.5', expected a whole number"),
        ({"frame": "first"}, "frame = 'first', expected a whole number"),
        ({"outline_file": " "}, "outline_file = ' ', expected a file"),
    ],
)
def test_a_value_that_cannot_be_is_told_by_file_row_column_and_expectation(folder, row, change, message):
    with pytest.raises(InputError, match=f"planes.csv, line 3, patient B, plane 7: {message}"):
        read(folder, row, row | {"patient": "B", "plane": 7, "rf_file": "other.rf"} | change)


@pytest.mark.parametrize("name", ["patient", "frame", "reference_attenuation_db_cm_mhz"])
def test_a_column_that_is_missing_is_told(folder, row, name):
    with pytest.raises(ValueError, match=rf"planes.csv: columns = .*, expected a column {name}"):
        read(folder, {key: value for key, value in row.items() if key != name})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"x": [1.0], "depth_mm": [2.0]}, "bad.csv: columns = 'x, depth_mm', expected a column lateral_mm"),
        ({"lateral_mm": [1.0, 2.0], "depth_mm": [3.0, "?"]}, "bad.csv, line 3: depth_mm = '\\?', expected mm"),
        ({"lateral_mm": [1.0, np.nan], "depth_mm": [3.0, 4.0]}, "bad.csv, line 3: lateral_mm = '', expected mm"),
        ({"lateral_mm": [14, 26], "depth_mm": [13, 14]}, "bad.csv: outline from 14.0 .*2 corners without an area"),
        ({"lateral_mm": [14, 26, 14, 26], "depth_mm": [13, 20, 20, 13]}, "bad.csv: .*does not cross itself"),
        ({"lateral_mm": [1.4, 2.6, 2.0], "depth_mm": [1.3, 1.4, 2.0]}, r"bad.csv: .*expected mm \(not cm\)"),
        ({"lateral_mm": [50, 70, 70, 50], "depth_mm": [13, 13, 20, 20]}, "bad.csv: .* 50 % lie outside, .* to 60.0 mm"),
    ],
)
def test_an_outline_that_cannot_be_is_refused(folder, row, table, message):
    pd.DataFrame(table).to_csv(folder / "bad.csv", index=False)
    with pytest.raises(ValueError, match=message):
        read(folder, row | {"outline_file": "bad.csv"})


def patients_of(folder, row, **change):
    """The patients of a folder with one of these values changed."""
    more = row | {"plane": 5, "frame": 0}, row | {"patient": "B", "rf_file": "other.rf"}
    write(folder, row, *more)
    good = {
        "patient": ["001", "B"],
        "responder": [True, False],
        "duration_years": [3, 2.5],
        "recurrence": [False, True],
    }
    pd.DataFrame(good | change).to_csv(folder / "patients.csv", index=False)
    return read_patients(folder)


def test_patients_keep_their_ids_and_are_told_their_planes(folder, row):
    patients = patients_of(folder, row)
    assert patients["n_planes"].to_dict() == {"001": 2, "B": 1}
    assert patients["responder"].to_dict() == {"001": True, "B": False}
    assert patients["duration_years"].to_dict() == {"001": 3.0, "B": 2.5}
    assert patients["recurrence"].dtype == bool


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"responder": [True, "perhaps"]}, "line 3, patient B: responder = 'perhaps', expected True or False"),
        ({"recurrence": [1, 2]}, "line 3, patient B: recurrence = '2', expected True or False"),
        ({"recurrence": ["yes", "false"]}, "line 3, patient B: recurrence = 'false', expected .* one way in the whole"),
        ({"recurrence": ["yes", ""]}, "line 3, patient B: recurrence = '', expected True or False"),
        ({"duration_years": [3.0, "long"]}, "line 3, patient B: duration_years = 'long', expected years, 0 to 60"),
        ({"duration_years": [36, 1200]}, "line 3, patient B: duration_years = '1200', expected years, 0 to 60"),
        ({"patient": ["001", "001"]}, "line 3, patient 001: patient = '001', expected each patient once"),
        ({"patient": ["001", "B "]}, "line 3, patient B : patient = 'B ', expected letters, digits"),
        ({"patient": ["001", "../B"]}, "patient = '../B', expected letters, digits"),
        ({"patient": ["001", "C"]}, "line 3, patient C: patient = 'C', expected at least one plane in planes.csv"),
        ({"split": ["train", "tets"]}, "line 3, patient B: split = 'tets', expected train, validation or test"),
        ({"mr_score": [4, 3]}, "line 3, patient B: responder = 'False', expected what mr_score says"),
        ({"age_years": [50, 5]}, "line 3, patient B: age_years = '5', expected years, 10 to 120"),
    ],
)
def test_a_patient_who_cannot_be_is_told(folder, row, change, message):
    with pytest.raises(InputError, match=f"patients.csv, .*{message}"):
        patients_of(folder, row, **change)
