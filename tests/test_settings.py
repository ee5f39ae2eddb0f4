"""Parameters: checked by name and type, found by name or path, each one explained in laptop.yml."""

import re
from pathlib import Path

import pytest
import yaml

from helpers.errors import InputError
from helpers.settings import TYPES, find_profile, load_settings

PROFILES = Path(__file__).parents[1] / "notebooks" / "profiles"
OTHERS = sorted(path.stem for path in PROFILES.glob("*.yml") if path.stem != "laptop")


def test_unknown_parameter_is_refused_by_name_with_the_nearest_one():
    with pytest.raises(ValueError, match="unknown parameter 'epoch'; did you mean 'epochs'"):
        load_settings("laptop", epoch=3)


def test_unknown_parameter_in_a_profile_names_the_file(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_text("imagepx: 96\n")
    with pytest.raises(ValueError, match=r"mine\.yml: unknown parameter 'imagepx'; did you mean 'image_px'"):
        load_settings(path)


@pytest.mark.parametrize(
    ("name", "value"), [("image_px", "64"), ("image_px", 64.5), ("seed", True), ("resnet_layers", 3)]
)
def test_wrong_type_is_refused(name, value):
    with pytest.raises(InputError, match=f"{name} = .* expected {TYPES[name].__name__}"):
        load_settings("laptop", **{name: value})


def test_whole_number_serves_as_a_float():
    assert load_settings("laptop", depth_cm=5).scan.depth_cm == 5.0
    assert type(load_settings("laptop", depth_cm=5).scan.depth_cm) is float


def test_profile_is_found_by_name_and_by_path():
    assert load_settings("smoke") == load_settings(PROFILES / "smoke.yml")


def test_unknown_profile_is_named():
    with pytest.raises(InputError, match="profile 'labtop': .* did you mean 'laptop'"):
        find_profile("labtop")


def test_profile_outside_the_project_must_be_complete(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_text("seed: 3\n")
    with pytest.raises(ValueError, match="are missing"):
        load_settings(path)
    path.write_text(yaml.safe_dump(load_settings("smoke").flat()))
    assert load_settings(path) == load_settings("smoke")


def test_laptop_holds_every_parameter_with_its_meaning():
    line = re.compile(r"^(\w+): .*\S\s+# \S.{8,}$")
    written = [line.match(text) for text in (PROFILES / "laptop.yml").read_text().splitlines() if text[:1].isalpha()]
    assert all(written), "a parameter without a comment"
    assert {match[1] for match in written} == set(TYPES)


@pytest.mark.parametrize("profile", OTHERS)
def test_other_profiles_list_only_what_differs(profile):
    laptop = yaml.safe_load((PROFILES / "laptop.yml").read_text())
    values = yaml.safe_load((PROFILES / f"{profile}.yml").read_text())
    assert [name for name, value in values.items() if laptop[name] == value] == []
