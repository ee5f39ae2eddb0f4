"""The workflows: they can be read, run the Makefile's targets alone, and may write nothing but the pages."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
PYTHON = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def read(path):
    """A workflow; YAML 1.1, which PyYAML reads, takes its key `on` for a truth."""
    found = yaml.safe_load(path.read_text())
    return found | {"on": found.pop(True)}


def steps(path):
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


def test_there_is_a_workflow_for_changes_previews_pages_and_weeks():
    told = {path.stem: read(path)["on"] for path in WORKFLOWS}
    assert set(told) == {"tests", "preview", "pages", "weekly"}
    assert told["pages"] == {"push": {"tags": ["v*"]}}
    assert {"pull_request"} <= set(told["tests"]) & set(told["preview"])
    assert told["weekly"]["schedule"]


@each_workflow
def test_what_runs_are_targets_that_exist(path):
    commands = [step["run"].split() for step in steps(path) if "run" in step]
    assert commands
    for make, *words in commands:
        assert make == "make"
        assert {word for word in words if "=" not in word} <= TARGETS


@each_workflow
def test_variables_that_a_target_is_given_are_the_makefiles(path):
    given = re.search(r"^GIVEN := (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    words = [word for step in steps(path) for word in step.get("run", "").split() if "=" in word]
    names = {word.split("=")[0] for word in words} | {name for step in steps(path) for name in step.get("env", {})}
    names |= {name for job in read(path)["jobs"].values() for name in job.get("env", {})}
    assert names <= set(given)


@each_workflow
def test_a_workflow_reads_unless_it_says_otherwise_and_takes_actions_of_a_stated_version(path):
    assert read(path)["permissions"] == {"contents": "read"}
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in steps(path) if "uses" in step)
    writes = {
        name
        for job in read(path)["jobs"].values()
        for name, may in job.get("permissions", {}).items()
        if may == "write"
    }
    assert writes <= {"pages", "id-token"}


def test_tests_run_on_the_oldest_and_a_newer_python():
    versions = read(ROOT / ".github/workflows/tests.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.13"]
    assert all(PYTHON.contains(version) for version in versions)
    assert not PYTHON.contains("3.10")
