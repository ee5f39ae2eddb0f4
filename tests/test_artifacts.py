"""Artifacts: whole or not at all, and named after what they depend on."""

import errno
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ground import artifacts
from ground.artifacts import (
    file_digest,
    is_sound,
    keep,
    project_path,
    recall_digests,
    store_digests,
    sweep,
    write_whole,
)
from ground.commands import run_command
from ground.errors import InputError


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


def test_a_path_may_start_at_home(tmp_path, monkeypatch):
    """As in the shell, which does not see to it in ``cohort=~/mine``."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert project_path("~/mine") == tmp_path / "mine"
    assert project_path(Path("~")) == tmp_path
    assert project_path("~nobody-of-this-name/mine").name == "mine"
    assert project_path("/a/~/b") == Path("/a/~/b")


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
        "import os, signal, sys; from pathlib import Path; from ground.artifacts import write_whole\n"
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


# --- no room: what the system refuses is told in one sentence, and nothing half-written is left

LIMITED = """
import resource, sys
import numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from ground.artifacts import keep
from ground.commands import run_command
{imports}
values = np.random.default_rng(0).random((400, 400)).astype(np.float32)
sys.exit(run_command(lambda: keep(sys.argv[1], {write}) and 0))
"""
MAPS = """
import pandas as pd
from helpers.maps.parametric import ParametricMaps
from helpers.maps.planes import MappedPlane, write_maps
def maps(path):
    made = ParametricMaps(*[values] * 5, np.arange(400.0), np.arange(400.0), band_mhz=(3.0, 8.0))
    write_maps(path, [MappedPlane(made, values > 2, values > 3)], pd.DataFrame())
"""
WRITERS = {
    "text": ("", "lambda path: path.write_text(str(values.tolist()))"),
    "maps": (MAPS, "maps"),
    "npz": ("", "lambda path: np.savez(path, values)"),
    "tensors": (
        "import torch; from helpers.learning.fitting import save_tensors",
        "lambda path: save_tensors({'a': torch.from_numpy(values)}, path)",
    ),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_ends_in_one_sentence_and_leaves_nothing(tmp_path, kind):
    """A limit on the size of files stands for the disk: writing beyond it fails in the same way."""
    imports, write = WRITERS[kind]
    path = tmp_path / f"result.{kind}"
    command = [sys.executable, "-W", "error", "-c", LIMITED.format(imports=imports, write=write), str(path)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 2
    assert re.fullmatch(rf"error: {path}: no room is left to write it; make room, .*\n", answer.stderr)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "no room"), (errno.EDQUOT, "no room"), (errno.EROFS, "may not be"), (errno.EACCES, "may not be")],
)
def test_what_the_system_refuses_names_the_file_and_a_way_out(tmp_path, number, told, capsys):
    def refuse(temporary):
        raise OSError(number, os.strerror(number))

    assert run_command(lambda: write_whole(tmp_path / "map.h5", refuse)) == 2
    assert re.fullmatch(rf"error: {tmp_path}/map.h5: .*{told}.*artifacts.*\n", capsys.readouterr().err)


def test_a_folder_that_is_a_file_is_named(tmp_path, capsys):
    (tmp_path / "artifacts").touch()
    assert run_command(lambda: write_whole(tmp_path / "artifacts" / "map.h5", number(tmp_path))) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/artifacts: File exists\n"


def test_ctrl_c_is_one_sentence_and_leaves_nothing(tmp_path, capsys):
    def stopped(temporary):
        temporary.write_text("half")
        raise KeyboardInterrupt

    assert run_command(lambda: write_whole(tmp_path / "map.h5", stopped)) == 130
    assert re.fullmatch("error: stopped, .* run the same command again: .*\n", capsys.readouterr().err)
    assert os.listdir(tmp_path) == []


def test_an_error_of_the_program_itself_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 // 0)


def test_a_worker_that_the_system_ends_is_one_sentence(capsys):
    """As the kernel's killer does when memory runs out."""
    code = (
        "import os, signal, sys\n"
        "from ground.commands import run_command\n"
        "from ground.parallel import in_processes\n"
        "work = lambda i: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.exit(run_command(lambda: in_processes(work, range(3), 2, 'maps of patients')))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 1
    assert re.fullmatch(r"error: maps of patients: a process was ended .*processes=1.*", answer.stderr.splitlines()[-1])
    assert "Traceback" not in answer.stderr


def test_an_input_error_is_one_line_in_a_notebook():
    """IPython's own rule: ``_render_traceback_`` of an error stands in place of its traceback."""
    assert InputError("level = 95: expected 1")._render_traceback_() == ["InputError: level = 95: expected 1"]
    assert isinstance(InputError(""), ValueError)
