"""The contract of a recorded cohort: habits that are read, faults that are told, all at once and by name."""

import time

import numpy as np
import pandas as pd
import pytest

from ground.errors import InputError
from helpers.data.rf import RFPlane, write_rf
from recorded.check import check
from recorded.cohort import RECORDED_COLUMNS, acquire, read_listing, read_patients
from recorded.files import read_backscatter
from recorded.tables import Habit

NAMES = ["001", "A-7", "NA", "1e5"]
GOOD = {
    "patient": NAMES,
    "responder": ["True", "True", "False", "False"],
    "duration_years": ["1.5", "2", "3.25", "4"],
    "recurrence": ["False", "True", "False", "True"],
    "age_years": ["50", "", "61", "44"],
}


def planes(n=2, seed=0, n_lines=24):
    samples = np.random.default_rng(seed).integers(-900, 900, (n, 1200, n_lines)).astype(np.int16)
    return [RFPlane(frame, 40e6, 1.0) for frame in samples]


@pytest.fixture
def folder(tmp_path):
    """Four patients of one plane each, ids that look like numbers and like nothing."""
    rows = []
    for index, name in enumerate(NAMES):
        write_rf(tmp_path / f"{name}.rf", planes(1, index))
        rows.append((name, 1, f"{name}.rf", 0, 1.0, "core.csv", "phantom.rf", 1.0, 1488.0, 0.576, "bsc.csv"))
    write_rf(tmp_path / "phantom.rf", planes(2, 9))
    pd.DataFrame({"lateral_mm": [6, 15, 15, 6], "depth_mm": [8, 8, 15, 15]}).to_csv(tmp_path / "core.csv", index=False)
    pd.DataFrame({"frequency_mhz": [1, 12], "bsc_per_cm_sr": [1e-5, 1e-2]}).to_csv(tmp_path / "bsc.csv", index=False)
    columns = "patient plane rf_file frame line_pitch_mm outline_file reference_file reference_line_pitch_mm".split()
    columns += ["reference_sound_speed_m_s", "reference_attenuation_db_cm_mhz", "reference_backscatter_file"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "planes.csv", index=False)
    pd.DataFrame(GOOD).to_csv(tmp_path / "patients.csv", index=False)
    return tmp_path


def change(folder, name, line, column, value):
    """Write another value into one cell of a table of a folder, as text."""
    table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    table.loc[line, column] = value
    table.to_csv(folder / name, index=False)


def told(folder):
    return [str(fault).replace(f"{folder}/", "") for fault in check(folder).faults]


def test_a_cohort_in_order_has_no_fault_and_is_told_in_a_line(folder):
    report = check(folder)
    assert (report.faults, report.warnings) == ([], [])
    assert report.summary == "4 patients, 4 planes; 2 responders, 2 non-responders; no split, one will be drawn"


def test_ids_stay_text_and_gaps_stay_gaps(folder):
    patients = read_patients(folder)
    assert list(patients.index) == NAMES == list(read_listing(folder).patient)
    assert patients["age_years"].isna().tolist() == [False, True, False, False]
    assert patients["responder"].dtype == patients["recurrence"].dtype == bool


@pytest.mark.parametrize(
    "habit",
    [
        lambda text: text.replace(",", ";"),
        lambda text: text.replace("\n", ",,\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text + ",,,,\n",
        lambda text: text.replace("patient", "Patient").replace("duration_years", "Duration years"),
        lambda text: text.replace("True", "Y").replace("False", "n"),
        lambda text: text.replace("True", "1").replace("False", "0.0"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace(".", "§").replace(",", ";").replace("§", ","),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n\n",
        lambda text: text.replace("duration_years", " duration_years "),
        lambda text: text.replace("1.5", " 1.5 "),
        lambda text: text.replace("True", "yes").replace("False", "No"),
        lambda text: text.replace("True", "1").replace("False", "0"),
        lambda text: text.replace("True", "TRUE").replace("False", "false"),
        lambda text: text.replace("True", "1.0").replace("False", "0.0"),
    ],
    ids="points empty mac below names letters both mark semicolons tabs windows blank heading blanks words digits "
    "capitals floats".split(),
)
def test_ordinary_habits_are_read_as_what_they_mean(folder, habit):
    before = read_patients(folder)
    path = folder / "patients.csv"
    path.write_bytes(habit(path.read_text()).encode())
    pd.testing.assert_frame_equal(read_patients(folder), before)


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_other_encodings_are_read(folder, encoding):
    text = (folder / "patients.csv").read_text().replace("age_years", "histology").replace("50", "gemäß")
    (folder / "patients.csv").write_bytes(text.encode(encoding))
    assert read_patients(folder)["histology"].iloc[0] == "gemäß"


def test_modified_response_stands_for_the_response(folder):
    text = (folder / "patients.csv").read_text().replace("responder", "mr_score")
    for mr_score, name in zip((5, 3, 2, 1), NAMES, strict=True):
        text = text.replace(f"{name},True" if mr_score > 2 else f"{name},False", f"{name},{mr_score}")
    (folder / "patients.csv").write_text(text)
    assert read_patients(folder)["responder"].tolist() == [True, True, False, False]


def test_participants_of_bids_are_read_under_their_own_names(folder):
    table = pd.DataFrame(GOOD).rename(columns={"patient": "participant_id", "age_years": "age"})
    table = table.assign(participant_id="sub-" + table.participant_id).replace("", "n/a")
    before = read_patients(folder)
    table.to_csv(folder / "participants.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match="2 of patients.csv, patients.tsv, participants.tsv"):
        read_patients(folder)
    (folder / "patients.csv").unlink()
    pd.testing.assert_frame_equal(read_patients(folder), before)


def test_all_faults_are_told_at_once(folder):
    change(folder, "patients.csv", 0, "responder", "perhaps")
    change(folder, "patients.csv", 1, "duration_years", "-2")
    change(folder, "planes.csv", 2, "rf_file", "nowhere.rf")
    change(folder, "planes.csv", 3, "line_pitch_mm", "0")
    assert told(folder) == [
        "patients.csv, line 2, patient 001: responder = 'perhaps', expected True or False, yes or no, 1 or 0, "
        "one way in the whole column and both of 1 and 0",
        "patients.csv, line 3, patient A-7: duration_years = '-2', expected years, 0 to 60",
        "planes.csv, line 5, patient 1e5, plane 1: line_pitch_mm = '0', expected mm, 0.01 to 5",
        "planes.csv, line 4, patient NA, plane 1: rf_file = 'nowhere.rf', expected a file that is there, inside the "
        "cohort's folder",
        "patients.csv: responder = '1 responders', expected two or more of each class to train on",
    ]
    with pytest.raises(InputError, match=r"responder = 'perhaps', .* \(and 2 more; make check lists them\)"):
        read_patients(folder)


@pytest.mark.parametrize("name", ["../elsewhere.rf", "/etc/passwd", "rf/../../x.rf"])
def test_files_outside_the_folder_are_refused(folder, name):
    (folder.parent / "elsewhere.rf").write_bytes((folder / "phantom.rf").read_bytes())
    change(folder, "planes.csv", 0, "rf_file", name)
    assert "inside the cohort's folder" in told(folder)[0]
    with pytest.raises(InputError, match="leads out of the folder"):
        acquire(read_listing(folder).iloc[0], folder)


def test_a_link_that_leads_out_of_the_folder_is_refused(folder):
    (folder.parent / "secret.rf").write_bytes((folder / "phantom.rf").read_bytes())
    (folder / "001.rf").unlink()
    (folder / "001.rf").symlink_to(folder.parent / "secret.rf")
    assert "inside the cohort's folder" in told(folder)[0]


def header_field(path, name, value):
    from helpers.data.rf import HEADER_FIELDS

    data = bytearray(path.read_bytes())
    at = 4 * HEADER_FIELDS.index(name)
    data[at : at + 4] = int(value).to_bytes(4, "little", signed=True)
    path.write_bytes(data)


@pytest.mark.parametrize(("name", "value"), [("txf", 4_000_000), ("probe", 29), ("sf", 20_000_000), ("dr", 7)])
def test_a_phantom_scanned_otherwise_is_refused_unless_that_is_waived_by_name(folder, name, value):
    header_field(folder / "phantom.rf", name, value)
    assert [f"differ in {name} " in line for line in told(folder)] == 4 * [True]
    if name != "sf":  # without equal sampling there are no maps
        table = pd.read_csv(folder / "planes.csv", dtype=str, keep_default_na=False)
        table.assign(waived=f"{name}; ld").to_csv(folder / "planes.csv", index=False)
        assert told(folder) == []
        with_waiver = acquire(read_listing(folder).iloc[0], folder)
        assert name not in with_waiver.plane.header


def test_a_waiver_of_what_is_no_field_is_refused(folder):
    table = pd.read_csv(folder / "planes.csv", dtype=str, keep_default_na=False)
    table.assign(waived="gain").to_csv(folder / "planes.csv", index=False)
    assert "waived ['gain'], expected some of" in told(folder)[0]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"frequency_mhz": [4, 6], "bsc_per_cm_sr": [1e-4, 1e-3]}, "from 4 to 6, expected 3 to 8 MHz"),
        ({"frequency_mhz": [1e6, 12e6], "bsc_per_cm_sr": [1e-4, 1e-3]}, "frequency_mhz = '1000000.0', expected MHz"),
        ({"frequency_mhz": [1, 12], "bsc_per_cm_sr": [0, 1e-3]}, "bsc_per_cm_sr = '0.0', expected 1/(cm sr)"),
        ({"frequency_mhz": [1, 1], "bsc_per_cm_sr": [1e-4, 1e-3]}, "expected two frequencies or more, each once"),
        ({"frequency": [1, 12], "bsc_per_cm_sr": [1e-4, 1e-3]}, "expected a column frequency_mhz"),
    ],
)
def test_a_table_of_backscatter_that_cannot_be_used_is_refused(folder, table, message):
    pd.DataFrame(table).astype({"bsc_per_cm_sr": float}).to_csv(folder / "bsc.csv", index=False)
    assert all("bsc.csv" in line and message in line for line in told(folder))


def test_backscatter_beyond_its_table_is_refused_wherever_it_is_asked_for(folder):
    with pytest.raises(InputError, match="bsc.csv: frequency_mhz from 1 to 12, expected 3 to 13 MHz"):
        read_backscatter(folder / "bsc.csv")(np.array([3e6, 13e6]))


def test_one_recording_of_two_patients_is_refused_and_a_copy_is_told(folder):
    change(folder, "planes.csv", 1, "rf_file", "001.rf")
    assert told(folder)[0].endswith(
        "rf_file = '001.rf', expected a recording of one patient, each frame once, no phantom"
    )
    (folder / "A-7.rf").write_bytes((folder / "001.rf").read_bytes())
    change(folder, "planes.csv", 1, "rf_file", "A-7.rf")
    report = check(folder)
    assert report.faults == []
    assert report.warnings == ["001.rf, A-7.rf: one recording under several names; nothing tells them apart"]


def test_columns_that_are_not_read_are_told_and_one_that_may_be_misspelt_is_refused(folder):
    pd.DataFrame(GOOD | {"ward": "7"}).to_csv(folder / "patients.csv", index=False)
    assert check(folder).warnings == ["patients.csv: ward is not read; data/README.md lists the columns that are"]
    pd.DataFrame(GOOD | {"splt": "train"}).to_csv(folder / "patients.csv", index=False)
    assert told(folder) == ["patients.csv: columns = 'splt', expected split, or a name that is less like it"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 lines, expected"),
        ("patient,responder\n", "1 lines, expected"),
        ("patient,responder,responder\nA,1,1\n", r"columns \['responder'\] are there twice"),
        ("patient,responder\nA\n", "line 2: 1 cells, expected 2"),
        ("patient,responder\nA,1,2\n", "line 2: 3 cells, expected 2"),
        ("patient\0,responder\nA,1\n", "holds bytes that are no text"),
        ('patient,responder\n"A,1\n', "1 cells, expected 2|expected a table"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_by_name(folder, text, message):
    (folder / "patients.csv").write_text(text)
    with pytest.raises(InputError, match=f"patients.csv.*({message})"):
        read_patients(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        check(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no patients.csv in this folder"):
        check(tmp_path)


def test_too_few_of_a_class_to_train_on_are_told(folder):
    pd.DataFrame(GOOD | {"split": ["train", "test", "train", "test"]}).to_csv(folder / "patients.csv", index=False)
    assert [line.partition("expected ")[0] for line in told(folder)] == [
        "patients.csv: responder = '1 responders', ",
        "patients.csv: responder = '1 non-responders', ",
    ]


def test_a_habit_is_told_by_the_check_and_by_a_warning_that_is_not_shown(folder):
    path = folder / "patients.csv"
    path.write_text(path.read_text().replace(",", ";").replace("True", "yes").replace("False", "no"))
    habits = [line.replace(f"{folder}/", "") for line in check(folder).habits]
    assert habits == [
        "patients.csv: read with ';' between columns",
        "patients.csv: responder read with no as False and yes as True",
        "patients.csv: recurrence read with no as False and yes as True",
    ]
    with pytest.warns(Habit, match="recurrence read with"):
        read_patients(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recurrence": ["1"] * 4}, "line 2, patient 001: recurrence = '1', expected .* both of 1 and 0"),
        ({"recurrence": ["1", "2", "1", "2"]}, "line 3, patient A-7: recurrence = '2'"),
        ({"recurrence": ["yes", "no", "1", "0"]}, "line 4, patient NA: recurrence = '1'"),
        ({"recurrence": ["y", "no", "y", "y"]}, "line 3, patient A-7: recurrence = 'no'"),
        ({"duration_years": ["1,5", "2.5", "3", "4"]}, "line 2, patient 001: duration_years = '1,5', expected years"),
        ({"duration_years": ["1.234,5", "2,5", "3", "4"]}, "duration_years = '1.234,5', expected years"),
        ({"duration_years": ["NaN", "inf", "3", "4"]}, r"duration_years = 'NaN', .* \(and 1 more"),
        ({"patient": ["1", "A-7", "NA", "1e5"]}, "patient = '1', expected at least one plane"),
        ({"mr_score": ["3", "2.5", "1", "2"]}, "mr_score = '2.5', expected a whole number, 1 to 5"),
    ],
)
def test_what_can_be_read_two_ways_or_not_at_all_is_refused(folder, change, message):
    pd.DataFrame(GOOD | change).to_csv(folder / "patients.csv", index=False)
    with pytest.raises(InputError, match=f"patients.csv, .*{message}"):
        read_patients(folder)


def test_an_id_that_lost_its_zeros_is_told_with_the_one_that_is_meant(folder):
    change(folder, "planes.csv", 0, "patient", "1")
    assert any(line.endswith("a patient of patients.csv; did you mean '001'?") for line in told(folder))


def test_one_recording_stands_under_every_way_to_write_its_name(folder):
    (folder / "link.rf").symlink_to(folder / "001.rf")
    for name in ("./001.rf", "rf/../001.rf", "link.rf"):
        change(folder, "planes.csv", 1, "rf_file", name)
        assert "expected a recording of one patient" in told(folder)[0]


def test_a_recording_that_is_its_own_phantom_is_refused(folder):
    change(folder, "planes.csv", 1, "rf_file", "phantom.rf")
    assert told(folder)[0].endswith("each frame once, no phantom")


def test_missing_columns_and_other_faults_are_told_together(folder):
    table = pd.DataFrame(GOOD | {"duration_years": ["-1", "2", "3", "4"]})
    table.drop(columns=["recurrence"]).to_csv(folder / "patients.csv", index=False)
    found = told(folder)
    assert [line.partition("expected ")[2] for line in found] == ["a column recurrence", "years, 0 to 60"]


@pytest.mark.parametrize(
    ("corners_mm", "message"),
    [
        ([(30, 8), (40, 8), (40, 15), (30, 15)], "100 % lie outside"),
        ([(6, 8), (15, 15), (15, 8), (6, 15)], "does not cross itself"),
        ([(0.6, 0.8), (1.5, 0.8), (1.5, 1.5), (0.6, 1.5)], "expected mm .not cm"),
        ([(6, 8), (15, 8)], "without an area"),
        ([(6, 8), (15, 8), (6, 8)], "without an area"),
        ([(6, 8), (15, 8), (24, 8)], "without an area"),
        ([(30, 10), (38, 10), (38, 20), (30, 20)], "with its columns exchanged it would lie inside"),
    ],
    ids="beside crossing cm two twice line swapped".split(),
)
def test_an_outline_that_cannot_be_a_tumour_is_refused_with_the_extent_of_the_image(folder, corners_mm, message):
    for name in NAMES:
        write_rf(folder / f"{name}.rf", long_planes(1, NAMES.index(name)))
    write_rf(folder / "phantom.rf", long_planes(2, 9))
    pd.DataFrame(corners_mm, columns=["lateral_mm", "depth_mm"]).to_csv(folder / "core.csv", index=False)
    found = told(folder)
    assert len(found) == 4
    assert all("core.csv" in line for line in found)
    with pytest.raises(InputError, match=f"core.csv.*{message}|{message}"):
        acquire(read_listing(folder).iloc[0], folder)


def long_planes(n, seed):
    samples = np.random.default_rng(seed).integers(-900, 900, (n, 2200, 24)).astype(np.int16)
    return [RFPlane(frame, 40e6, 1.0) for frame in samples]


def test_an_outline_over_the_edge_is_told(folder):
    corners_mm = [(18, 8), (25.5, 8), (25.5, 15), (18, 15)]
    pd.DataFrame(corners_mm, columns=["lateral_mm", "depth_mm"]).to_csv(folder / "core.csv", index=False)
    report = check(folder)
    assert report.faults == []
    assert "core.csv: outline from 18.0 to 25.5 mm across" in report.warnings[0]
    assert "20 % lie outside and are left out; in the image, 0.0 to 24.0 mm across" in report.warnings[0]
    with pytest.warns(UserWarning, match="core.csv: .*20 % lie outside"):
        acquire(read_listing(folder).iloc[0], folder)


def test_a_deeper_phantom_is_told_unless_that_is_waived(folder):
    write_rf(folder / "phantom.rf", long_planes(2, 9))
    warnings_told = check(folder).warnings
    assert len(warnings_told) == 4
    assert warnings_told[0] == "phantom.rf: h = 2200, but 1200 in 001.rf; were both scanned alike?"
    table = pd.read_csv(folder / "planes.csv", dtype=str, keep_default_na=False)
    table.assign(waived="h").to_csv(folder / "planes.csv", index=False)
    assert check(folder).warnings == []


def test_backscatter_between_its_frequencies_follows_a_power_of_frequency(folder):
    """Against f^4, small scatterers' (Rayleigh 1871): on logarithmic axes two points of it give all others."""
    pd.DataFrame({"frequency_mhz": [1, 16], "bsc_per_cm_sr": [1e-6, 16.0**4 * 1e-6]}).to_csv(
        folder / "bsc.csv", index=False
    )
    backscatter = read_backscatter(folder / "bsc.csv")
    np.testing.assert_allclose(backscatter(np.array([2e6, 5e6])), [16e-6, 625e-6], rtol=1e-9)


def test_a_folder_a_name_beyond_length_and_a_missing_file_are_told_as_files_that_are_not_there(folder):
    (folder / "folder.rf").mkdir()
    for name in ("folder.rf", "x" * 300 + ".rf", "gone.rf", "~/x.rf"):
        change(folder, "planes.csv", 1, "rf_file", name)
        assert "a file that is there, inside the cohort's folder" in told(folder)[0]
        with pytest.raises(InputError):
            acquire(read_listing(folder).iloc[1], folder)


@pytest.mark.slow
def test_two_hundred_patients_are_looked_through_within_a_minute_and_two_thousand_read_within_seconds(tmp_path):
    """On copies of recordings, of which only headers are read; the limit is the task's own."""
    write_rf(tmp_path / "phantom.rf", planes(2, 9))
    pd.DataFrame({"frequency_mhz": [1, 12], "bsc_per_cm_sr": [1e-5, 1e-2]}).to_csv(tmp_path / "bsc.csv", index=False)
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    corners_mm = pd.DataFrame({"lateral_mm": 11 + 5 * np.cos(angle), "depth_mm": 12 + 4 * np.sin(angle)})
    one = planes(1, 3)[0]
    for n_patients, n_planes, limit_s in ((200, 7, 60), (2000, 1, 10)):
        rows = []
        for i in range(n_patients):
            for k in range(n_planes):
                rf, outline = f"{i}_{k}.rf", f"{i}_{k}.csv"
                rows.append((f"P{i}", k, rf, 0, 1.0, outline, "phantom.rf", 1.0, 1488.0, 0.576, "bsc.csv"))
                if n_patients == 200:
                    one.samples[0, :2] = i, k
                    write_rf(tmp_path / rf, [one])
                    corners_mm.to_csv(tmp_path / outline, index=False)
        pd.DataFrame(rows, columns=RECORDED_COLUMNS).to_csv(tmp_path / "planes.csv", index=False)
        clinic = {"responder": np.arange(n_patients) % 3 > 0, "duration_years": 3.0, "recurrence": False}
        names = pd.Index([f"P{i}" for i in range(n_patients)], name="patient")
        pd.DataFrame(clinic, index=names).to_csv(tmp_path / "patients.csv")
        start = time.monotonic()
        if n_patients == 200:
            assert check(tmp_path).faults == []
        else:
            for _ in range(50):
                assert len(read_patients(tmp_path)) == len(read_listing(tmp_path)) == n_patients
        assert time.monotonic() - start < limit_s
        print(n_patients, round(time.monotonic() - start, 1), "s")
