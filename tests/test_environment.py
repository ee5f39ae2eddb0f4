"""One set of dependencies, told three times: pyproject.toml, environment.yml, requirements.lock."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from ground.keys import PROJECT as PACKAGES

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
PINS = [line.removesuffix(" \\") for line in LOCK.splitlines() if line[:1].isalnum()]  # hashes stand below, indented
DISTRIBUTION = {
    "yaml": "pyyaml",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "SimpleITK": "simpleitk",
    "lazy_loader": "lazy-loader",
    "PIL": "pillow",
}  # where it is not the module


def declared(*groups):
    """Requirements of the package and of optional groups."""
    lines = PROJECT["dependencies"] + sum((PROJECT["optional-dependencies"][group] for group in groups), [])
    return [Requirement(line) for line in lines]


def pins():
    """Name -> pinned versions in the lock; a package may have one for each Python."""
    found = {}
    for line in PINS:
        name, version = re.match(r"([\w.-]+)==([^ ;]+)", line).groups()
        found.setdefault(name, []).append(version)
    return found


def test_conda_environment_has_the_same_names_and_bounds():
    *conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    told = {(r.name, str(r.specifier)) for r in map(Requirement, pip["pip"][:-1])}
    assert told == {(r.name, str(r.specifier)) for r in declared("book", "dev")}
    assert pip["pip"][-1] == "-e ."
    assert f"python{PROJECT['requires-python']}" in conda


def test_binder_has_the_books_names_and_bounds_and_torch_for_processors():
    """Of the book's tools it lacks the one that renders; torch comes from conda, where it has a build of its own."""
    *conda, pip = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text())["dependencies"]
    lines = [line.replace("pytorch-cpu", "torch") for line in conda if "torch" in line]
    told = {(r.name, str(r.specifier)) for r in map(Requirement, pip["pip"] + lines)}
    assert told == {(r.name, str(r.specifier)) for r in declared("book") if r.name != "jupyter-book"}
    run = [line for line in (ROOT / "binder" / "postBuild").read_text().splitlines() if line and line[0] != "#"]
    assert run[-1] == 'make notebooks PROFILE=smoke VENV="$NB_PYTHON_PREFIX"'
    assert (ROOT / "binder" / "postBuild").stat().st_mode & 0o111


@pytest.mark.parametrize("requirement", declared("book", "dev"), ids=lambda requirement: requirement.name)
def test_lock_pins_every_dependency_within_its_bounds(requirement):
    versions = pins()[requirement.name]
    assert all(requirement.specifier.contains(version) for version in versions)


@pytest.mark.parametrize("python", ["3.11.7", "3.12.4", "3.13.0"])
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_lock_gives_each_python_one_version_of_every_dependency(python, platform):
    where = {"python_full_version": python, "python_version": python.rsplit(".", 1)[0], "sys_platform": platform}
    lines = [Requirement(line) for line in PINS]
    here = [line.name for line in lines if line.marker is None or line.marker.evaluate(where)]
    assert len(here) == len(set(here))
    assert {requirement.name for requirement in declared("book", "dev")} <= set(here)


def test_lock_names_no_address():
    assert "://" not in LOCK
    assert set(re.findall(r"--[\w-]+", LOCK)) == {"--hash"}


def test_lock_holds_every_file_to_its_hash():
    """pip's own rule: with --require-hashes, a pin without one is refused."""
    per_pin = re.split(r"^(?=\w)", LOCK, flags=re.MULTILINE)[1:]
    assert len(per_pin) == len(PINS)
    assert all(re.search(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", pin, re.MULTILINE) for pin in per_pin)
    assert "--require-hashes -r requirements.lock" in (ROOT / "Makefile").read_text()


def test_graphics_card_packages_are_for_linux_alone():
    lines = [line for line in PINS if line.startswith(("nvidia-", "cuda-", "triton"))]
    assert lines
    assert all("sys_platform == 'linux'" in line for line in lines)


def test_bounds_that_the_book_depends_on():
    bounds = {requirement.name: requirement.specifier for requirement in declared("book")}
    assert not bounds["jupyter-book"].contains("2.0.0")
    assert not bounds["torch"].contains("2.10.0")
    assert not bounds["torchvision"].contains("0.25.0")


def imports(path):
    """Top-level names of what a source file imports from outside the standard library and the project."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {*PACKAGES, "IPython", "check_html", "provenance"}


@pytest.mark.parametrize("path", sorted((ROOT / "src").rglob("*.py")), ids=lambda path: path.stem)
def test_modules_import_what_is_declared(path):
    allowed = {requirement.name for requirement in declared()}
    assert {DISTRIBUTION.get(name, name) for name in imports(path)} <= allowed


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda path: path.stem)
def test_chapters_import_what_is_declared(path):
    allowed = {requirement.name for requirement in declared("book")}
    assert {DISTRIBUTION.get(name, name) for name in imports(path)} <= allowed


# --- a built wheel, from another folder: every module and every data file is in it


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Folder with the package as a wheel installs it, built from a copy of what it is built from."""
    project = tmp_path_factory.mktemp("project")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    shutil.copytree(ROOT / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", project, project], check=True)
    (wheel,) = project.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", project / "site", wheel], check=True)
    return project / "site"


@pytest.fixture(scope="module")
def said(installed):
    """What every part of the package prints in another folder, installed alone: where it lies, and its items."""
    sources = [path.relative_to(ROOT / "src") for path in sorted((ROOT / "src").rglob("*.py"))]
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in sources]
    code = f"import importlib, helpers; print(helpers.__file__); [importlib.import_module(n) for n in {names}]\n"
    code += "from trust.reporting import items; print(len(items('claim')))"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=installed.parent,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.split()


def test_every_part_of_an_installed_wheel_can_be_imported(installed, said):
    assert said[0].startswith(str(installed))


def test_an_installed_wheel_brings_its_data_files(installed, said):
    suffixes = {".csv", ".html", ".pyi"}
    tracked = {path.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("*") if path.suffix in suffixes}
    assert tracked == {path.relative_to(installed) for path in installed.rglob("*") if path.suffix in suffixes}
    assert said[1] > "1"
