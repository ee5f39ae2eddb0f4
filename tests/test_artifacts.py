"""Artifacts: whole or not at all, and named after what they depend on."""

import os

import pytest

from helpers.artifacts import project_path, write_whole


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
