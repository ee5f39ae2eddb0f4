"""Results follow what they depend on: one byte changed makes anew what follows from it, and nothing else."""

import shutil
import warnings
from functools import cache
from pathlib import Path

import chapters
import forked
import numpy as np
import pandas as pd
import pytest

from ground import keys
from helpers import stages
from helpers.data.phantom import bead_backscatter
from helpers.data.rf import HEADER, write_rf
from helpers.data.study import MODELS
from helpers.settings import load_settings
from recorded.cohort import RECORDED_COLUMNS

ROOT = Path(__file__).parents[1]
SMALL = {"n_test": 4, "n_validation": 4, "overlap": 0.5, "processes": 1, "epochs": 1, "head_epochs": 2, "device": "cpu"}
DRAWN = {"n_patients": 12, "n_lines": 64, "depth_cm": 4.0, "n_reference_frames": 1}


@pytest.fixture(scope="module")
def simulated():
    return load_settings("smoke", **SMALL, **DRAWN)


@pytest.fixture(scope="module")
def recording(tmp_path_factory, simulated):
    """Twelve simulated patients written as if a scanner had recorded them, two planes each, two phantom files."""
    folder = tmp_path_factory.mktemp("recording")
    patients, rows = stages.cohort(simulated, folder / "drawn"), []
    for number, (name, patient) in enumerate(patients.iterrows()):
        for plane in range(2):
            acquired = stages.simulate(patient, plane, simulated)
            write_rf(folder / f"{name}_{plane}.rf", [acquired.plane])
            outline = pd.DataFrame(acquired.outline_mm, columns=["lateral_mm", "depth_mm"])
            outline.to_csv(folder / f"{name}_{plane}.csv", index=False)
            phantom, pitch = f"phantom{number % 2}.rf", acquired.plane.line_pitch_mm
            files = f"{name}_{plane}.rf", 0, pitch, f"{name}_{plane}.csv", phantom, pitch, 1488.0
            rows.append((name, plane, *files, 0.576, "backscatter.csv"))
            if not (folder / phantom).exists():
                write_rf(folder / phantom, list(acquired.reference.planes))
    pd.DataFrame(rows, columns=RECORDED_COLUMNS).to_csv(folder / "planes.csv", index=False)
    patients[["responder", "duration_years", "recurrence"]].to_csv(folder / "patients.csv")
    frequency_mhz = np.linspace(1, 15, 141)
    table = {"frequency_mhz": frequency_mhz, "bsc_per_cm_sr": bead_backscatter(frequency_mhz * 1e6)}
    pd.DataFrame(table).to_csv(folder / "backscatter.csv", index=False)
    shutil.rmtree(folder / "drawn")
    return folder


@pytest.fixture
def recorded(recording, tmp_path):
    """A copy of the recorded cohort to be changed, and its settings."""
    folder = shutil.copytree(recording, tmp_path / "cohort")
    return folder, load_settings("smoke", **SMALL, cohort=str(folder))


def edit(path, old, new):
    """Exchange a few bytes of a file, the first time they stand there."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def all_keys(settings, artifacts):
    """Every key of a study: of each patient's maps, and of what is made of all."""
    maps = stages.map_files(settings, artifacts)
    return {name: path.name for name, path in maps.items()} | {
        "images": stages.images_file(maps, settings, artifacts).name,
        "models": stages.models_folder(settings, artifacts).name,
    }


def changed(before, after):
    return {name for name in before if before[name] != after[name]}


def one_sample(path):
    data = bytearray(path.read_bytes())
    data[HEADER.itemsize + 1000] ^= 1
    path.write_bytes(data)


def half_of(names, number):
    """The patients who share one of the two phantom files."""
    return set(names[number::2])


@pytest.mark.parametrize(
    ("change", "patients"),
    [
        (lambda folder: edit(folder / "P003_1.csv", b".", b".1"), lambda names: {"P003"}),
        (lambda folder: one_sample(folder / "P005_0.rf"), lambda names: {"P005"}),
        (lambda folder: one_sample(folder / "phantom1.rf"), lambda names: half_of(names, 1)),
        (lambda folder: edit(folder / "backscatter.csv", b"e-", b"e-1"), set),
        (lambda folder: edit(folder / "planes.csv", b"0.576", b"0.577"), lambda names: {"P001"}),
    ],
    ids=["an outline", "an RF sample", "a phantom", "the backscatter", "the phantom's attenuation"],
)
def test_a_file_of_a_recorded_cohort_changes_the_maps_that_follow_from_it(recorded, tmp_path, change, patients):
    folder, settings = recorded
    before = all_keys(settings, tmp_path / "a")
    change(folder)
    names = list(stages.cohort(settings, tmp_path / "a").index)
    assert changed(before, all_keys(settings, tmp_path / "a")) == patients(names) | {"images", "models"}


def swap_two_labels(folder):
    """Exchange the responses of a responder and a non-responder; return who they are."""
    patients = pd.read_csv(folder / "patients.csv", dtype={"patient": str}).set_index("patient")
    two = [patients.index[patients["responder"] == kind][0] for kind in (True, False)]
    patients.loc[two, "responder"] = [False, True]
    patients.to_csv(folder / "patients.csv")
    return two


def test_a_label_changes_the_models_alone(recorded, tmp_path):
    folder, settings = recorded
    before = all_keys(settings, tmp_path / "a")
    swap_two_labels(folder)
    assert changed(before, all_keys(settings, tmp_path / "a")) == {"models"}


def test_survival_changes_no_key(recorded, tmp_path):
    folder, settings = recorded
    before = all_keys(settings, tmp_path / "a")
    edit(folder / "patients.csv", b".", b".1")
    assert all_keys(settings, tmp_path / "a") == before


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("helpers.data.simulation", {"maps", "images", "models"}),
        ("helpers.maps.normalisation", {"maps", "images", "models"}),
        ("helpers.learning.images", {"images", "models"}),
        ("helpers.learning.fitting", {"models"}),
        ("beyond.search", set()),
        ("helpers.judgement.evaluation", set()),
    ],
)
def test_a_constant_changes_the_keys_of_what_its_module_makes(simulated, tmp_path, monkeypatch, module, expected):
    """A constant of the module is changed in its source, as an edit would."""
    before = all_keys(simulated, tmp_path)
    edited = with_another_constant(monkeypatch, module, tmp_path)
    after = changed(before, all_keys(simulated, tmp_path))
    found = {"maps" if name.startswith("P") else name for name in after}
    assert found == expected, edited
    assert len(after) == len(expected) + (11 if "maps" in expected else 0)  # all twelve patients or none


def with_another_constant(monkeypatch, module, folder):
    """Let one module hold one constant more."""
    source = keys.source_path(module).read_text()
    copy = folder / "edited.py"
    copy.write_text(source + "\nANOTHER_CONSTANT = 1\n")
    real = keys.source_path
    monkeypatch.setattr(keys, "source_path", lambda name: copy if name == module else real(name))
    monkeypatch.setattr(keys, "code_digest", cache(keys.code_digest.__wrapped__))
    return copy


def test_a_recorded_cohort_does_not_depend_on_the_simulation(recorded, tmp_path, monkeypatch):
    _, settings = recorded
    before = all_keys(settings, tmp_path / "a")
    with_another_constant(monkeypatch, "helpers.data.simulation", tmp_path)
    assert all_keys(settings, tmp_path / "a") == before


def test_a_parameter_changes_what_reads_it(simulated, tmp_path):
    before, patients = all_keys(simulated, tmp_path), set(stages.cohort(simulated, tmp_path).index)
    for change, expected in [
        ({"n_lines": 72}, patients | {"images", "models"}),
        ({"margin_mm": 4.0}, patients | {"images", "models"}),
        ({"image_px": 64}, {"images", "models"}),
        ({"clip_percentile": 2.0}, {"models"}),
        ({"n_validation": 5}, {"models"}),
        ({"learning_rate": 1e-3}, {"models"}),
        ({"level": 0.9, "processes": 2, "search_trials": 5, "pda_patch_px": 4}, set()),
    ]:
        assert changed(before, all_keys(simulated.replace(**change), tmp_path)) == expected, change


# --- the next run makes those artifacts and no others


def times(artifacts):
    """When every sealed file was written."""
    return {
        path: path.stat().st_mtime_ns for path in artifacts.rglob("*") if (path.parent / f"{path.name}.sha256").exists()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory, recording):
    """The recorded cohort as far as its models."""
    root = tmp_path_factory.mktemp("made")
    folder = shutil.copytree(recording, root / "cohort")
    settings = load_settings("smoke", **SMALL, cohort=str(folder))
    stages.models(settings, root / "artifacts")
    return folder, settings, root / "artifacts"


def test_an_outline_redrawn_remakes_its_patient_the_images_and_the_models(made):
    folder, settings, artifacts = made
    before = times(artifacts)
    edit(folder / "P003_1.csv", b".", b".1")
    results = stages.models(settings, artifacts)
    new = {path for path, when in times(artifacts).items() if before.get(path) != when}
    assert {path.parent.name for path in new} == {"maps", "artifacts", *MODELS}
    assert [path.name.split("-")[0] for path in new if path.parent.name == "maps"] == ["P003"]
    assert len([path for path in new if path.is_relative_to(results.folder)]) == 16


def test_a_label_corrected_is_the_label_judged(made):
    folder, settings, artifacts = made
    before, (lost, kept) = times(artifacts), swap_two_labels(folder)
    judged = stages.models(settings, artifacts).predictions.groupby("patient")["responder"].first()
    assert (judged[lost], judged[kept]) == (False, True)
    new = {path for path, when in times(artifacts).items() if before.get(path) != when}
    assert {path.parent.name for path in new} == set(MODELS)


# --- sealed: what is damaged is named, removed and made again


@pytest.mark.parametrize("door", stages.DOORS)
def test_a_damaged_file_is_named_and_made_again_as_it_was(made, door):
    _, settings, artifacts = made
    stages.models(settings, artifacts)
    for path in stages.files_of(door, settings, artifacts)[:3]:
        good = path.read_bytes()
        middle = len(good) // 2
        path.write_bytes(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])
        with pytest.warns(UserWarning, match=f"{path.name}: not as it was written"):
            getattr(stages, door)(settings, artifacts)
        if path.suffix in (".csv", ".npy"):
            assert path.read_bytes() == good
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            getattr(stages, door)(settings, artifacts)


# --- the build follows too: what the same files hold is among the parameters of its rules


def snakemake(run, *words):
    words = [f"{run}/stages/maps.json", *words, "--cores", "1", "--nolock", "--config", f"run={run}"]
    return forked.snakemake(*words)


def test_the_build_makes_maps_again_when_an_outline_is_redrawn_and_not_otherwise(recorded, tmp_path):
    folder, settings = recorded
    artifacts = tmp_path / "artifacts"
    given = {name: value for name, value in SMALL.items() if name not in ("n_test", "n_validation")}
    words = [f"{name}={value}" for name, value in (given | {"cohort": folder, "artifacts": artifacts}).items()]
    run = chapters.resolve("smoke", " ".join(words), artifacts)
    snakemake(run)
    assert "Nothing to be done" in snakemake(run, "--dry-run")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        good = path.read_bytes()
        path.write_bytes(good + b"\n")
        assert "rule stage" in snakemake(run, "--dry-run"), path
        path.write_bytes(good)
    assert "Nothing to be done" in snakemake(run, "--dry-run")  # the files are newer now, and the same
