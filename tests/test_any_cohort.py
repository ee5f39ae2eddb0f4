"""Whatever a laboratory brings: chapters 6 to 9 and 13 compute it, or say in a sentence why not, and go on.

Cohorts are made up of maps; the chapters' own code runs on them, and every warning is an error here.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import IPython.display
import jupytext
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml

import helpers.maps.planes
from helpers import stages
from helpers.learning.images import collect
from helpers.learning.training import train_all
from helpers.maps.parametric import FOUR, ParametricMaps
from helpers.maps.planes import MappedPlane
from helpers.settings import TYPES, load_settings

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LIKE_NUMBERS = ["001", "NA", "1e5", "None", "nan", "True", "0x1", "1_0", "-1", "inf", "007"]
BOTH = [True, False]
QUICK = {"image_px": 32, "epochs": 2, "patience": 2, "head_epochs": 3, "head_patience": 2, "resnet_width": 4}
QUICK |= {"ran_width": 4, "search_trials": 2, "search_backbone_trials": 1, "search_epochs": 1, "processes": 1}
QUICK |= {
    "n_seeds": 2,
    "n_splits": 5,
    "pda_stride_px": 8,
    "pda_draws": 2,
    "pda_random": 2,
    "pda_checked": 2,
    "device": "cpu",
}


def mapped_plane(rng, core_mm, margin_mm, step_mm, backscatter, holes):
    """Maps around an elliptic core; a margin of 0 mm is missing, as where a tumour fills the image."""
    depth_mm, lateral_mm = np.arange(5, 35, step_mm), np.arange(0, 30, step_mm)
    distance = np.hypot(depth_mm[:, None] - 20, (lateral_mm - 15) / 1.4)
    core = distance <= core_mm
    margin = (distance <= core_mm + margin_mm) & ~core
    shape = (5, *core.shape)
    values = np.where(core | margin, rng.normal(0, 3, shape), np.nan).astype(np.float32)
    values[3:, rng.random(core.shape) < holes] = np.nan
    if not backscatter:
        values[3:] = np.nan
    maps = ParametricMaps(*values, depth_mm, lateral_mm)
    return MappedPlane(maps, core, margin, rng.normal(-30, 5, (40, 30)), (0.0, 30.0, 35.0, 5.0))


def cohort_of(parts, ids="BR-{:02d}", backscatter=True, core_mm=(5.0,), margin_mm=(3.0,), n_planes=1, holes=0.1):
    """Patients of these parts of (split, responder), their mapped planes and images; sizes go round."""
    rng, planes = np.random.default_rng(0), {}
    names = ids[: len(parts)] if isinstance(ids, list) else [ids.format(number) for number in range(len(parts))]
    patients = pd.DataFrame(parts, columns=["split", "responder"], index=pd.Index(names, name="patient"))
    for number, name in enumerate(names):
        size = core_mm[number % len(core_mm)], margin_mm[number % len(margin_mm)], (0.5, 0.8)[number % 2]
        planes[name] = [mapped_plane(rng, *size, backscatter, holes) for _ in range(n_planes)]
    named = [(name, number, plane) for name in names for number, plane in enumerate(planes[name])]
    images = collect(named, 32, 40.0, FOUR if backscatter else FOUR[:2])
    followed = {"duration_years": 1.0 + np.arange(len(patients)), "recurrence": patients["responder"]}
    return patients.assign(n_planes=n_planes, **followed), planes, images


def parts(**of_split):
    return [(split, responder) for split, responders in of_split.items() for responder in responders]


LEAST = [True, True, False, False]
HOSTILE = {
    "no backscatter, one class for validation, nobody for the test, ids like numbers": (
        parts(train=LEAST * 2, validation=[True] * 2),
        {"ids": LIKE_NUMBERS, "backscatter": False, "n_planes": 2},
    ),
    "cores of a pixel, margins missing, one class in the test, no validation": (
        parts(train=LEAST, test=[True] * 3),
        {"core_mm": (0.3, 5.0), "margin_mm": (0.0, 3.0, 0.0), "holes": 0.6},
    ),
    "no margin at all, no ESD anywhere, one patient of each class": (
        parts(train=LEAST * 2, validation=BOTH, test=BOTH),
        {"core_mm": (1.0,), "margin_mm": (0.0,), "holes": 1.0},
    ),
}


@pytest.fixture(scope="module", params=HOSTILE)
def hostile(request, tmp_path_factory):
    """A cohort's patients, planes and images, its models, and a profile that names it as a recorded one."""
    rows, more = HOSTILE[request.param]
    patients, planes, images = cohort_of(rows, **more)
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "laptop.yml").write_text((NOTEBOOKS / "profiles" / "laptop.yml").read_text())
    few = {name: value for name, value in QUICK.items() if name in TYPES}
    (folder / "own.yml").write_text(yaml.safe_dump(few | {"cohort": str(folder)}))
    results = train_all(images, patients, load_settings(folder / "own.yml"), folder / "artifacts" / "models")
    return patients, planes, images, results, folder / "own.yml"


def run_chapter(name, hostile, monkeypatch):
    """Run a chapter's code with few steps; return the texts that it shows and those in its pictures."""
    patients, planes, images, results, profile = hostile
    shown = []
    monkeypatch.setattr(IPython.display, "Markdown", shown.append)
    monkeypatch.setattr(plt, "show", lambda: None)
    rows = [(name, index, 0.1, 9) for name in patients.index for index in range(len(planes[name]))]
    summary = pd.DataFrame(rows, columns=["patient", "plane", "unphysical", "windows"]).assign(empty=0.0)
    stage = {"cohort": patients, "images": images, "models": results}
    stage["maps"] = SimpleNamespace(planes=planes.get, summary=summary)
    for door, made in stage.items():
        monkeypatch.setattr(stages, door, lambda *_, made=made: made)
    monkeypatch.setattr(stages, "acquire", lambda settings, artifacts, patient, plane: planes[patient][plane])
    monkeypatch.setattr(helpers.maps.planes, "map_plane", lambda mapped, *_, **__: mapped)
    known, drawn = {}, []
    for cell in jupytext.read(NOTEBOOKS / f"{name}.py").cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, name, "exec"), known)
            if "parameters" in cell.metadata.get("tags", []):
                known |= {name: value for name, value in QUICK.items() if name in known}
                known |= {"profile": str(profile), "artifacts": str(profile.parent / "artifacts")}
            if "figure" in cell.metadata.get("mystnb", {}) and "moving." not in cell.source:
                figure = plt.figure(plt.get_fignums()[-1])
                drawn += [text.get_text() for text in figure.findobj(plt.Text)]
            plt.close("all")
    return shown, drawn


@pytest.mark.filterwarnings("ignore::tqdm.TqdmWarning", "ignore:.*contour levels:UserWarning")
@pytest.mark.parametrize("chapter", ["06_images", "08_training", "09_search", "13_pda"])
def test_a_chapter_computes_it_or_says_why_not(hostile, chapter, monkeypatch):
    shown, drawn = run_chapter(chapter, hostile, monkeypatch)
    told = "\n".join(shown)
    assert not re.search(r"BR-\d\d|\bnan\b|\binf\b", told), told
    assert not [text for text in drawn if re.search(r"BR-\d\d|\bnan\b|0x1|1e5", text)]
    validation = hostile[0].query("split == 'validation'")["responder"]
    if chapter in ("08_training", "09_search") and validation.nunique() < 2:
        assert re.search(r"Not computed: 0 (patients|non-responders) in the validation set", told)


@pytest.mark.filterwarnings("ignore::tqdm.TqdmWarning")
@pytest.mark.parametrize("hostile", list(HOSTILE)[:1], indirect=True)
def test_the_networks_have_as_many_channels_as_the_cohort_has_maps(hostile, monkeypatch):
    shown, _ = run_chapter("07_networks", hostile, monkeypatch)
    assert f"MMAC at {len(hostile[2].fields)} × 32 × 32" in "".join(shown)
