"""Jobs: a piece made alone is the piece that its stage would have made."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import chapters
import command
import forked
import jobs
import pytest
import yaml

from helpers import stages
from helpers.learning.training import MODELS

ROOT = Path(__file__).parents[1]
SMALL = (
    "n_patients=12 n_test=4 n_validation=4 n_lines=64 n_reference_frames=1 overlap=0.5 epochs=1 head_epochs=2 "
    "processes=1 device=cpu search_trials=3"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run, resolved: its folder."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    return chapters.resolve("smoke", f"{SMALL} artifacts={artifacts}", artifacts)


@pytest.fixture(scope="module")
def parameters(run):
    return run / "parameters" / "stages.yml"


def do(parameters, *words):
    output = parameters.parent / "done.json"
    assert command.main([*words, "--parameters", str(parameters), "--output", str(output)]) == 0


def test_stages_find_the_pieces_that_jobs_have_made(parameters, monkeypatch):
    settings, artifacts = jobs.read(parameters)
    patients, records = jobs.names_of_patients(parameters), parameters.parents[1] / "records"
    do(parameters, "records", str(records))
    monkeypatch.setattr(stages, "records", lambda *_: pytest.fail("tables read again"))
    for patient in patients:
        do(parameters, "patient", patient, "--record", str(records / f"{patient}.json"))
    monkeypatch.undo()
    monkeypatch.setattr(stages, "acquire_plane", lambda *_: pytest.fail("mapped again"))
    do(parameters, "stage", "maps")
    assert all(path.exists() for path in stages.map_files(settings, artifacts).values())
    for model in MODELS:
        do(parameters, "model", model)
    from helpers.learning import training

    monkeypatch.setattr(training, "fit", lambda *_: pytest.fail("trained again"))
    assert stages.models_folder(settings, artifacts) == stages.models(settings, artifacts).folder


def test_a_stage_whose_results_are_damaged_or_gone_loses_its_record(run, parameters):
    settings, artifacts = jobs.read(parameters)
    for stage in stages.DOORS:
        assert (
            command.main(
                ["stage", stage, "--parameters", str(parameters), "--output", str(run / f"stages/{stage}.json")]
            )
            == 0
        )
    jobs.discard_records_of_lost_results(run)
    assert {path.stem for path in run.glob("stages/*.json")} == set(stages.DOORS)
    (images,) = stages.files_of("images", settings, artifacts)
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="not as it was written"):
        jobs.discard_records_of_lost_results(run)
    assert {path.stem for path in run.glob("stages/*.json")} == {"maps", "models"}


def test_another_seed_has_a_folder_of_its_own(parameters):
    settings, artifacts = jobs.read(parameters)
    do(parameters, "model", "resnet_core", "--seed", "7")
    other = stages.models_folder(settings.replace(seed=7), artifacts)
    assert (other / "resnet_core" / "model.json").exists()
    assert other != stages.models_folder(settings, artifacts)


def test_workers_of_a_search_fill_one_study(parameters):
    for worker in ("0", "1"):
        do(parameters, "trials", "resnet_core", "--worker", worker)
    assert len(list(Path(jobs.read(parameters)[1]).glob("search/*.journal"))) == 1


def dry(run, words, *config):
    """What Snakemake would do, by rule: jobs."""
    said = forked.snakemake(*words, "--dry-run", "--nolock", "--config", f"run={run}", *config)
    if "Nothing to be done" in said:
        return {}
    table = said.split("Job stats:")[1].split("total")[0].splitlines()[3:]
    return {line.split()[0]: int(line.split()[1]) for line in table if line.strip()}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    artifacts = tmp_path_factory.mktemp("untouched")
    return chapters.resolve("smoke", f"{SMALL} artifacts={artifacts}", artifacts)


def test_on_one_machine_a_stage_is_one_job(untouched):
    planned = dry(untouched, [f"{untouched}/stages/models.json", "--cores", "2"])
    assert planned == {"stage": 3}


def test_the_book_asks_for_no_results_that_would_replace_kept_ones(tmp_path):
    """Chapter 10 reads ``results/seeds/laptop.json``, which is also where the results of that profile go."""
    assert (ROOT / "results" / "seeds" / "laptop.json").exists()
    run = chapters.resolve("laptop", f"{SMALL} artifacts={tmp_path}", tmp_path)
    planned = dry(run, ["chapters", "--cores", "2"])
    assert "results" not in planned
    assert planned["chapter"] == 18


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_with_a_cluster_profile_patients_models_seeds_and_trials_are_jobs(untouched, profile):
    given = yaml.safe_load((ROOT / "profiles" / profile / "config.yaml").read_text())
    words = ["results", "search", "--workflow-profile", f"profiles/{profile}"]
    if given["executor"] == "slurm":  # the plugin is the cluster's: plan with the local executor in its place
        words += ["--executor", "local", "--cores", "2"]
    planned = dry(untouched, words, "scatter=1", "seeds=2", "workers=3")
    assert planned == {"records": 1, "patient": 12, "stage": 3, "model": 8, "results": 1, "trials": 12, "search": 1}


LIMITS = r"rule (\w+):.*?resources: .*?mem_mb=(\d+),.*?runtime=(\d+)"


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_a_cluster_profile_limits_memory_and_time_of_each_kind_of_job(untouched, profile):
    """Snakemake with its own plugin reads the profile, and plans jobs with limits."""
    if profile == "slurm":
        pytest.importorskip("snakemake_executor_plugin_slurm", reason="the cluster's own: it is not in the lock")
    words = ["results", "--workflow-profile", f"profiles/{profile}", "--dry-run", "--nolock"]
    said = forked.snakemake(*words, "--config", f"run={untouched}", "scatter=1")
    found = {rule: (int(mb), int(minutes)) for rule, mb, minutes in re.findall(LIMITS, said, re.S)}
    assert set(found) >= {"records", "patient", "stage", "model"}
    for rule, (mb, minutes) in found.items():
        assert 1000 <= mb <= 16_000, rule
        assert 10 <= minutes <= 720, rule


def test_graphics_cards_are_asked_for_as_a_resource():
    """The plugin refuses a job whose ``slurm_extra`` holds ``--gres``, and asks SLURM for ``gpu`` itself."""
    asked = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())["set-resources"]
    assert {rule for rule, of_rule in asked.items() if of_rule.get("gpu") == 1} == {"model", "trials"}
    assert not any("slurm_extra" in of_rule for of_rule in asked.values())


@pytest.mark.slow
def test_what_one_machine_has_made_is_not_made_again_as_jobs_nor_the_other_way_round(parameters):
    """As after ``make book`` and the line of the README: either finds what the other has left."""
    run = parameters.parents[1]
    shutil.rmtree(run / "stages", ignore_errors=True)
    target = f"{run}/stages/models.json"
    words = [sys.executable, "-m", "snakemake", target, "--nolock", *command.TRIGGERS, "--cores", "1"]
    subprocess.run([*words, "--config", f"run={run}"], cwd=ROOT, check=True)
    as_jobs = [target, "--workflow-profile", "profiles/local", "--cores", "1"]
    assert dry(run, as_jobs, "scatter=1") == {}
    shutil.rmtree(run / "stages")
    shutil.rmtree(Path(jobs.read(parameters)[1]) / "maps")
    words = [sys.executable, "-m", "snakemake", *as_jobs, "--nolock", "--config", f"run={run}", "scatter=1"]
    subprocess.run(words, cwd=ROOT, check=True)
    assert len(list((run / "stages" / "maps").glob("*.json"))) == 12
    assert dry(run, as_jobs, "scatter=1") == {}
    assert dry(run, [target, *command.TRIGGERS, "--cores", "1"]) == {}


@pytest.mark.slow
def test_the_local_profile_runs_all_of_it(tmp_path):
    run = chapters.resolve("smoke", f"{SMALL} artifacts={tmp_path}", tmp_path)
    words = [sys.executable, "-m", "snakemake", "search", f"{run}/stages/models/ran_core-2.json", "--nolock",
               "--workflow-profile", "profiles/local", "--config", f"run={run}", "scatter=1", "workers=2"]  # fmt: skip
    subprocess.run(words, cwd=ROOT, check=True)
    assert len(list(run.glob("stages/maps/*.json"))) == 12
    assert len(list(run.glob("stages/models/*.json"))) == 5
    assert len(list(run.glob("stages/trials/*.json"))) == 8
    shutil.rmtree(tmp_path)


def test_a_page_to_be_rendered_anew_is_old_but_not_timeless(tmp_path):
    """Snakemake takes a time of 0 for none, and such a page for current."""
    page = tmp_path / "index.html"
    page.touch()
    command.look_old(page)
    assert 0 < page.stat().st_mtime < 10
