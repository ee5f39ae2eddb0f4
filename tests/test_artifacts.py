"""Artifacts: whole or not at all, and named after what they depend on."""

import hashlib
import os
import subprocess
import sys

import pytest

from helpers import artifacts
from helpers.artifacts import (
    file_digest,
    is_sound,
    keep,
    project_path,
    recall_digests,
    store_digests,
    sweep,
    write_whole,
)


def test_write_whole_leaves_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / "map.txt"
    path.write_text("old")

    def half(temporary):
        temporary.write_text("half of the n")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, half)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["map.txt"]


def test_write_whole_makes_folder_and_file(tmp_path):
    path = write_whole(tmp_path / "a" / "b.txt", lambda temporary: temporary.write_text("new"))
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["b.txt"]


def test_relative_paths_count_from_the_project(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert project_path("artifacts") == tmp_path / "artifacts"
    assert project_path("/somewhere/else").as_posix() == "/somewhere/else"


# --- sealed files


def number(path):
    return lambda temporary: temporary.write_text(f"{path.name} 1")


def test_a_sealed_file_is_made_once_and_its_seal_is_that_of_sha256sum(tmp_path):
    path = tmp_path / "map.txt"
    keep(path, number(path))
    assert path.with_name("map.txt.sha256").read_text() == f"{hashlib.sha256(b'map.txt 1').hexdigest()}  map.txt\n"
    keep(path, lambda temporary: pytest.fail("made again"))


@pytest.mark.parametrize("harm", ["a bit", "the seal", "cut short", "an older one in its place"])
def test_a_damaged_file_is_named_and_made_again(tmp_path, harm):
    path = tmp_path / "map.txt"
    keep(path, number(path))
    state = path.stat()
    if harm == "the seal":
        path.with_name("map.txt.sha256").unlink()
    else:
        path.write_text({"a bit": "map.txt 2", "cut short": "map", "an older one in its place": "map.txt 0"}[harm])
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # its date and size tell nothing
    with pytest.warns(UserWarning, match=r"map\.txt: not as it was written .* removed"):
        assert not is_sound(path)
    assert not path.exists()
    assert keep(path, number(path)).read_text() == "map.txt 1"


def test_a_failed_attempt_leaves_neither_file_nor_seal(tmp_path):
    def full(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        keep(tmp_path / "map.txt", full)
    assert os.listdir(tmp_path) == []


def test_what_killed_processes_left_is_swept_and_what_is_being_written_is_not(tmp_path):
    """A process that is killed while it writes, and this one."""
    code = (
        "import os, signal, sys; from pathlib import Path; from helpers.artifacts import write_whole\n"
        "def die(temporary): temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_whole(Path(sys.argv[1]) / 'maps' / 'P001.h5', die)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -9
    (left,) = (tmp_path / "maps").iterdir()

    def write(temporary):
        temporary.write_text("whole")
        assert sweep(tmp_path) == [left]
        assert temporary.exists()

    write_whole(tmp_path / "maps" / "P002.h5", write)
    assert [path.name for path in tmp_path.rglob("*.h5")] == ["P002.h5"]


def test_damaged_notes_of_digests_stop_nothing(tmp_path):
    notes = tmp_path / "digests.json"
    store_digests(notes)
    notes.write_text("{")
    recall_digests(notes)
    store_digests(notes)
    assert notes.read_text() != "{"


def test_digests_of_large_files_are_remembered_until_the_file_changes(tmp_path, monkeypatch):
    path, notes = tmp_path / "echo.rf", tmp_path / "digests.json"
    path.write_bytes(b"echo")
    first = file_digest(path)
    store_digests(notes)
    monkeypatch.setattr(artifacts, "DIGESTS", {})
    recall_digests(notes)
    monkeypatch.setattr(artifacts, "digest_of", lambda path: "read again")
    assert file_digest(path) == first
    path.write_bytes(b"ECHO")
    assert file_digest(path) == "read again"
