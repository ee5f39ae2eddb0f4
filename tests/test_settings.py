"""Parameters: checked by name, type and range, found by name or path, each one explained in laptop.yml."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from entry.changes import parse_changes
from entry.own import Own, check_each
from ground.errors import InputError
from ground.judged import Section, type_of
from ground.profiles import read_parameters
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


# --- ranges: what no scanner, network or machine can be is refused by its name, wherever it was given

OUTSIDE = {
    "n_patients": (7, 10**7),
    "n_test": (0, 181),
    "n_validation": (0, -1),
    "cohort_seed": (-1, 2**31),
    "effect": ("twice", ""),
    "signal": ("means", ""),
    "cohort": ("",),
    "n_lines": (8, 10_000),
    "depth_cm": (1.0, 50.0),
    "n_reference_frames": (0, 10_000),
    "window_mm": (0.0, 0.01, 30.0),
    "overlap": (-0.1, 1.0, 1.5),
    "band_mhz": ([3.0], [8.0, 3.0], [0.0, 8.0], [3.0, 300.0], [3.0, 30.0], [3.0, 3.1]),
    "n_bins": (2, 10_000),
    "minimum_snr_db": (-101.0, 61.0),
    "attenuation_exponent": (0.4, 2.1),
    "background_attenuation_db_cm_mhz": (-0.1, 100.0),
    "tumour_attenuation_db_cm_mhz": (-0.1, 100.0),
    "margin_mm": (-5.0, 0.0, 500.0),
    "image_px": (0, 33, 2048),
    "field_of_view_mm": (-60.0, 6000.0),
    "clip_percentile": (-1.0, 50.0),
    "resnet_block": ("wide",),
    "resnet_layers": ([1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 10**6]),
    "resnet_width": (0, 10**6),
    "ran_width": (0, 10**6),
    "ran_attention": ([1, 1], [-1, 1, 1], [1, 1, 100]),
    "ran_trunk_units": (0, 1000),
    "ran_tail_units": (0, 1000),
    "vector": ("sum",),
    "hidden": (0, 10**7),
    "dropout": (-0.1, 1.0),
    "seed": (-1, 2**40),
    "epochs": (0, 10**9),
    "patience": (0, 10**9),
    "head_epochs": (0, 10**9),
    "head_patience": (0, 10**9),
    "batch_size": (1, 10**9),
    "learning_rate": (0.0, -1e-4, 1e9),
    "class_weight": (-1.0, 0.0, 1e9),
    "optimizer": ("lion",),
    "attenuation": ("measured", ""),
    "attenuation_spread": (-0.1, 0.6),
    "noise_db": (-200.0, 0.0),
    "max_shift": (-0.1, 1.0),
    "device": ("gpu", "cuda:x", ""),
    "precision": ("fp8",),
    "compile_network": ("yes",),
    "search_trials": (0, 10**9),
    "search_backbone_trials": (-1, 10**9),
    "search_epochs": (0, 10**9),
    "search_storage": ("trials.db", "sqlite:// /x"),
    "level": (95.0, 0.0, 1.0),
    "pda_patch_px": (0, 1000),
    "pda_stride_px": (0, 9),
    "pda_batch_size": (0, 10**9),
    "processes": (0, 10**6),
    "models_per_gpu": (0, 1000),
}


def test_every_parameter_has_a_value_that_is_refused():
    assert set(OUTSIDE) == set(TYPES)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in OUTSIDE.items() for value in values])
def test_a_value_beyond_its_range_is_refused_in_one_line(name, value):
    with pytest.raises(InputError, match=f"parameters: .*{name} = .*expected") as refused:
        load_settings("laptop", **{name: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", [name for name, kind in TYPES.items() if kind is float])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_refused(name, value):
    with pytest.raises(InputError, match=f"{name} = {value}: expected"):
        load_settings("laptop", **{name: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"n_test": 100, "n_validation": 81},
        {"pda_patch_px": 96},
        {"pda_stride_px": 6, "pda_patch_px": 4},
        {"window_mm": 0.5, "band_mhz": [4.0, 5.0]},
        {"window_mm": 10.0, "depth_cm": 3.5},
        {"window_mm": 1.0, "n_lines": 32, "band_mhz": [3.0, 8.0]},
        {"image_px": 544},
    ],
)
def test_values_that_do_not_go_together_are_refused_by_their_names(changes):
    with pytest.raises(InputError) as refused:
        load_settings("laptop", **changes)
    assert sum(f"{name} = {value}" in str(refused.value) for name, value in changes.items()) >= min(len(changes), 2)


def test_what_is_known_of_simulated_scans_is_what_they_are():
    """Against the simulation itself: the bounds of window and band that hold before anything is scanned."""
    from helpers import settings
    from helpers.data.simulation import System

    assert (settings.WIDTH_MM, settings.NYQUIST_MHZ) == (System().width_mm, System().sampling_rate_hz / 2e6)


def test_what_only_chapters_declare_has_a_range_too():
    given = {"n_seeds": 0, "line_pitch_mm": -0.2, "reference_sound_speed_m_s": 5.0, "model": "vgg", "plane": "two"}
    for name, value in given.items():
        with pytest.raises(InputError, match=f"SET: {name} = .* expected"):
            check_each({name: value}, "SET")
    check_each({"n_seeds": 8, "profile": "laptop", "any_other": object()})


def test_every_parameter_of_a_chapter_has_a_range():
    for chapter in sorted((PROFILES.parent).glob("[0-9][0-9]_*.py")):
        _, _, cell = chapter.read_text().partition('# %% tags=["parameters"]\n')
        for line in ast.parse(cell.split("# %%")[0]).body:
            name, default = line.target.id, ast.literal_eval(line.value)
            assert name in TYPES or name in Own.model_fields or name == "profile", f"{chapter.stem}: {name}"
            check_each({name: default})
            if name in Own.model_fields:
                assert type(default) is type_of(Own.model_fields[name].annotation)


def test_numbers_have_two_bounds():
    """So that no parameter can be mistyped by a factor of a thousand."""
    for section in (*Section.__subclasses__(),):
        for name, field in section.model_fields.items():
            if field.annotation in (int, float):
                bounds = {
                    bound for item in field.metadata for bound in ("ge", "gt", "le", "lt") if hasattr(item, bound)
                }
                assert len({bound[0] for bound in bounds}) == 2, name


@pytest.mark.parametrize("name", [name for name, kind in TYPES.items() if kind is list])
def test_a_list_given_as_text_is_named_with_the_way_to_give_it(name):
    """``papermill -p`` hands on text; its ``-y`` reads YAML."""
    value = load_settings("laptop").flat()[name]
    with pytest.raises(InputError) as refused:
        load_settings("laptop", **{name: str(value)})
    told = str(refused.value)
    way = re.search(r"-y '(.*)'$", told)[1]
    assert yaml.safe_load(way) == {name: value}


def test_a_password_is_neither_told_nor_published():
    secret = "postgresql://anna:geheim@host.example/trials"
    with pytest.raises(InputError) as refused:
        load_settings("laptop", search_storage=f"{secret} ")
    assert "geheim" not in str(refused.value)
    settings = load_settings("laptop", search_storage=secret, cohort="/home/anna/cohort")
    public = str(settings.public())
    assert not [word for word in ("geheim", "anna", "host") if word in public]
    assert settings.public() | {"search_storage": secret, "cohort": "/home/anna/cohort"} == settings.flat()
    assert load_settings("laptop").public() == load_settings("laptop").flat()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed=3 seed=4", "seed is given twice"),
        ("seed='3", "No closing quotation"),
        ("seed=010", "seed = '010' is str, expected int"),
        ("epochs=" + "9" * 5000, "epochs = '999.*[.][.][.] is str, expected int"),
        ("band_mhz=" + "[" * 50_000, "is str, expected list"),
        ("learning_rate=" + "9" * 400, "learning_rate = .* is int, expected float"),
    ],
)
def test_single_parameters_that_cannot_be_read_are_one_short_line(text, told):
    with pytest.raises(InputError, match=f"SET: .*{told}") as refused:
        parse_changes(text)
    assert len(str(refused.value)) < 300 or "quotation" in told


# --- files of parameters


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-3", -3),
        ("+0", 0),
        ("yes", True),
        ("'010'", "010"),
        ("1.5e+3", 1500.0),
    ],
)
def test_numbers_are_read_as_people_write_them(tmp_path, text, value):
    (tmp_path / "mine.yml").write_text(f"name: {text}\n")
    assert read_parameters(tmp_path / "mine.yml") == {"name": value}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed: 010\n", "line 1: 010 can be read in two ways"),
        ("epochs: 3\nseed: 0x1f\n", "line 2: 0x1f"),
        ("seed: 1_000\n", "line 1: 1_000"),
        ("seed: 1:30\n", "line 1: 1:30"),
        ("seed: 3\nepochs: 2\nseed: 4\n", "line 3: seed is given twice"),
        ("seed: 3\n\tepochs: 2\n", "line 2: "),
        ("- seed\n", "got list"),
        ("seed\n", "got str"),
        ("a: &x [1]\nb: [*x, *x]\n", "line 2: found a reference"),
        ("seed: !!python/object/apply:os.system ['true']\n", "line 1: could not determine a constructor"),
        ("seed: [1\n", "line [12]: expected"),
        ("seed: 1\n---\nseed: 2\n", "line 2: but found another document"),
        ("? [a]\n: 1\n", "line 1: found unhashable key"),
        ("seed: \x00\n", "unacceptable character"),
        ("seed: " + "[" * 5000, "RecursionError"),
        ("#" * 2_000_000, "2,000,000 bytes"),
        ("3: 4\n", "unknown parameter 3"),
        ("seed:\n", "seed = None is NoneType, expected int"),
        ("seed: .nan\n", "seed = '.nan' is str"),
        ("level: 1e999\n", "level = inf: expected a finite number"),
    ],
)
def test_a_profile_that_is_in_doubt_is_refused_by_file_and_line(tmp_path, text, told):
    path = tmp_path / "mine.yml"
    path.write_text(text)
    (tmp_path / "laptop.yml").write_text((PROFILES / "laptop.yml").read_text())
    with pytest.raises(InputError, match=rf"mine\.yml.*{told}") as refused:
        load_settings(path)
    assert "\n" not in str(refused.value)


def test_a_profile_of_another_encoding_is_refused(tmp_path):
    (tmp_path / "mine.yml").write_bytes("seed: 3 # für\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"mine\.yml"):
        read_parameters(tmp_path / "mine.yml")
    (tmp_path / "mine.yml").write_bytes("\ufeffseed: 3 # für\r\n".encode())
    assert read_parameters(tmp_path / "mine.yml") == {"seed": 3}
