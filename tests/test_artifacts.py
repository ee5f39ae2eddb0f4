"""Artifacts: whole or not at all, and named after what they depend on."""

import importlib
import os
import sys

import pytest

from helpers.artifacts import content_key, project_path, write_whole


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


def test_key_changes_with_a_parameter_but_not_with_the_order():
    key = content_key({"seed": 1, "image_px": 64})
    assert key == content_key({"image_px": 64, "seed": 1})
    assert key != content_key({"seed": 2, "image_px": 64})
    assert key != content_key({"seed": 1})


def test_key_changes_with_the_source_of_a_module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    keys = []
    for name, source in (("first_source", "a = 1\n"), ("second_source", "a = 2\n")):
        (tmp_path / f"{name}.py").write_text(source)
        keys.append(content_key({}, importlib.import_module(name)))
        sys.modules.pop(name)
    assert keys[0] != keys[1]


def test_relative_paths_count_from_the_project(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert project_path("artifacts") == tmp_path / "artifacts"
    assert project_path("/somewhere/else").as_posix() == "/somewhere/else"
