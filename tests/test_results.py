"""Results of several seeds in one small file, and the study from the package alone."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from tiny import PROFILES, SMOKE, study

from ground.errors import InputError
from helpers.learning.training import train_all
from helpers.settings import load_settings
from trust import runs as results
from trust.design import folds_of

ROOT = Path(__file__).parents[1]
NOT_NEEDED = ("papermill", "jupytext", "nbformat", "nbclient", "IPython", "lifelines", "snakemake", "optuna", "captum",
              "matplotlib", "seaborn", "sklearn", "tabulate")  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two seeds of the tiny study, trained and collected without its stages."""
    folder, parts = tmp_path_factory.mktemp("seeds"), []
    for seed in (1, 2):
        settings = SMOKE.replace(epochs=1, head_epochs=2, processes=1, seed=seed)
        parts.append((seed, train_all(*study(), settings, folder / str(seed))))
    runs = [
        {"model": slug, "seed": seed, "seconds": part.seconds(slug), "device": "a card", "torch": "2"}
        for seed, part in parts
        for slug in part.predictions["model"].unique()
    ]
    return results.SavedResults(
        pd.concat([part.predictions for _, part in parts], ignore_index=True),
        pd.concat([part.curves.assign(seed=seed) for seed, part in parts], ignore_index=True),
        pd.DataFrame(runs),
        {"commit": "abc", "settings": SMOKE.flat()},
    )


def test_results_come_back_from_their_file(saved, tmp_path):
    again = results.read(results.write(saved, tmp_path / "paper.json"))
    keys = ["model", "seed", "patient"]
    one, other = (part.predictions.sort_values(keys).reset_index(drop=True) for part in (saved, again))
    pd.testing.assert_frame_equal(one, other, atol=1e-4, check_dtype=False)
    keys = ["model", "seed", "stage", "epoch"]
    one, other = (part.curves.sort_values(keys).reset_index(drop=True) for part in (saved, again))
    pd.testing.assert_frame_equal(one, other[list(one)], atol=1e-4)
    pd.testing.assert_frame_equal(saved.runs, again.runs)
    assert again.provenance == saved.provenance


def test_the_file_is_strict_json_also_where_an_auc_is_missing(saved, tmp_path):
    curves = saved.curves.assign(validation_auc=float("nan"))
    path = results.write(replace(saved, curves=curves), tmp_path / "paper.json")

    def refuse(constant):
        raise AssertionError(constant)

    json.loads(path.read_text(), parse_constant=refuse)
    assert results.read(path).curves["validation_auc"].isna().all()


def test_folds_spread_both_classes_evenly_and_are_the_same_again():
    patients = pd.DataFrame({"responder": np.arange(47) % 4 > 0}, index=[f"Q{i}" for i in range(47)])
    fold = folds_of(patients, 5, seed=3)
    assert fold.index.equals(patients.index)
    counts = pd.crosstab(fold, patients["responder"])
    assert (counts.max() - counts.min() <= 1).all()
    pd.testing.assert_series_equal(fold, folds_of(patients, 5, seed=3))
    assert not fold.equals(folds_of(patients, 5, seed=4))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"runs": []}', r"\['provenance', 'patients'\] are missing"),
        (
            '{"provenance": {}, "patients": [], "runs": [{"model": "a"}]}',
            r"\['runs: seed', .*'runs: curves'\] are miss",
        ),
        ("[1]", r"\['provenance', 'patients', 'runs'\] are missing"),
        ('{"provenance": {', "no JSON"),
    ],
)
def test_another_file_is_one_clear_error(text, told, tmp_path):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match=rf"other\.json: {told}.*; expected a file of python -m trust\.runs"):
        results.read(tmp_path / "other.json")


def test_one_line_stands_for_one_record(tmp_path):
    """So that a difference between two files names the run."""
    runs = [{"model": "a", "auc": float("nan")}, {"model": "b", "auc": 0.5}]
    path = results.write_file(tmp_path / "some.json", {"finished": "now"}, runs=runs)
    lines = [json.loads(line.rstrip(",")) for line in path.read_text().splitlines() if line.startswith('{"model"')]
    assert lines == [{"model": "a", "auc": None}, {"model": "b", "auc": 0.5}]
    assert results.read_file(path, "some", runs=["auc"]) == ({"finished": "now"}, {"crossed": [], "runs": lines})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--profile", "smoke", "--set", "device=tpu"], "device = 'tpu': expected 'auto', 'cpu'"),
        (["--profile", "smoke", "--set", "pixels=3"], "unknown parameter 'pixels'"),
        (["--profile", "smoke", "--set", "level=95"], "SET: level = 95.0: expected 0.999 or less"),
        (["--profile", "smoke", "--seeds", "-4"], "seed = -4: expected 0 or more"),
        (["--profile", "smoke", "--output", "src"], "src: cannot be written"),
        (["--profile", "smoke", "--folds", "2"], "folds = 2: expected 3 to 20, or none"),
        (["--profile", "elsewhere"], "profile 'elsewhere': neither a .yml file nor a name"),
    ],
)
def test_a_run_that_cannot_be_is_refused_before_anything_is_made(words, message, tmp_path, capsys):
    assert results.main([*words, "--artifacts", str(tmp_path / "artifacts")]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())


ALONE = """
import sys
sys.modules |= dict.fromkeys(sys.argv[1].split(","))  # None: whoever imports it is told that there is none
from trust import runs as results
from trust.design import folds_of
results.main(sys.argv[2:])
"""


def test_the_package_alone_makes_the_results_of_two_seeds(tmp_path):
    """As on a machine with a GPU and without what pages, search and statistics need."""
    settings = load_settings(
        PROFILES / "smoke.yml", n_patients=12, n_test=4, n_validation=4, overlap=0.5, epochs=1, head_epochs=2,
        processes=1, device="cpu", n_lines=32, n_reference_frames=1,
    )  # fmt: skip
    (tmp_path / "tiny.yml").write_text(yaml.safe_dump(settings.flat()))
    where = f"--profile {tmp_path}/tiny.yml --artifacts {tmp_path}/artifacts --output {tmp_path}/r.json"
    arguments = f"{where} --seeds 3 4 --folds 3"
    command = [sys.executable, "-c", ALONE, ",".join(NOT_NEEDED), *arguments.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    found = results.read(tmp_path / "r.json")
    assert len(found.runs) == 8
    assert set(found.predictions["seed"]) == {3, 4}
    assert len(found.predictions) == 8 * 12
    assert (found.crossed.groupby("model")["patient"].nunique() == 12).all()
    assert len(found.crossed) == 4 * 12
    assert set(found.provenance) >= {"finished", "commit", "device", "versions", "settings"}


def test_recorded_patients_enter_no_tracked_folder(tmp_path):
    recorded = SMOKE.replace(cohort="my_cohort")
    for given in (None, "results/mine.json", str(ROOT / "results" / "more" / "mine.json")):
        with pytest.raises(InputError, match="outside results, which git tracks"):
            results.output_of(given, "laptop", recorded)
    assert results.output_of(str(tmp_path / "mine.json"), "laptop", recorded) == tmp_path / "mine.json"
    assert results.output_of(None, "my/own.yml", SMOKE) == ROOT / "results" / "seeds" / "own.json"


def test_results_tell_neither_a_password_nor_where_patients_are():
    told = results.provenance(SMOKE.replace(cohort="my_cohort", search_storage="pg://a:b@c"))["settings"]
    assert (told["cohort"], told["search_storage"]) == ("recorded", "pg://...")
    assert results.provenance(SMOKE)["settings"] == SMOKE.flat()


def test_ids_that_look_like_numbers_stay_text(saved, tmp_path):
    ids = ["NaN", "001", "NA", "1e5", "null", "True"]
    names = saved.predictions["patient"].unique()
    named = dict(zip(names, [*ids, *names[len(ids) :]], strict=True))
    renamed = saved.predictions.replace({"patient": named})
    again = results.read(results.write(replace(saved, predictions=renamed), tmp_path / "own.json"))
    assert again.predictions["patient"].unique().tolist()[: len(ids)] == ids
