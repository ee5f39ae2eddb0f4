"""The contract of a recorded cohort: habits that are read, faults that are told, all at once and by name."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.rf import RFPlane, write_rf
from helpers.errors import InputError
from recorded.check import check
from recorded.cohort import acquire, read_listing, read_patients
from recorded.files import read_backscatter

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
    ids="mark semicolons tabs windows blank heading blanks words digits capitals floats".split(),
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
        "one way in the whole column",
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
    assert told(folder)[0].endswith("rf_file = '001.rf', expected a recording of one patient, each frame once")
    (folder / "A-7.rf").write_bytes((folder / "001.rf").read_bytes())
    change(folder, "planes.csv", 1, "rf_file", "A-7.rf")
    report = check(folder)
    assert report.faults == []
    assert report.warnings == [
        "001.rf, A-7.rf: one recording under several names and patients; nothing tells them apart"
    ]


def test_columns_that_are_not_read_are_told(folder):
    pd.DataFrame(GOOD | {"splt": "train"}).to_csv(folder / "patients.csv", index=False)
    assert check(folder).warnings == ["patients.csv: splt is not read; data/README.md lists the columns that are"]


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
