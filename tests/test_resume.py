"""Killed by the system at any moment, with no chance to tidy up: the next run ends as if nothing had happened."""

import random
import time

import pytest
from forked import started
from tiny import SMOKE, same_weights, study

from helpers.learning.training import train_model

SLUG = "ran_core"
SETTINGS = SMOKE.replace(epochs=4, head_epochs=20, head_patience=20)
BOUND_S = 120  # for a process that hangs


def train(folder):
    train_model(*study(), SLUG, SETTINGS, folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Folder of a model that nobody disturbed, and the seconds it took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    started(train, folder / "first").join(BOUND_S)  # loads the libraries
    start = time.perf_counter()
    started(train, folder / "again").join(BOUND_S)
    assert same_weights(folder / "first" / SLUG, folder / "again" / SLUG)
    return folder / "again" / SLUG, time.perf_counter() - start


def kill_and_resume(undisturbed, folder, n_kills, seed):
    """Kill training ``n_kills`` times; every model that came to its end must be the undisturbed one."""
    expected, duration_s = undisturbed
    draw, killed, models, exitcode = random.Random(seed), 0, 0, None
    while killed < n_kills or exitcode != 0:
        process = started(train, folder / str(models))
        process.join(draw.uniform(0, duration_s) if killed < n_kills else BOUND_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            killed += 1
        else:
            check_same(expected, folder / str(models) / SLUG)
            models += 1
        exitcode = process.exitcode


def check_same(expected, model):
    assert same_weights(expected, model)
    assert (expected / "curves.csv").read_text() == (model / "curves.csv").read_text()
    assert not list(model.glob("*checkpoint*"))


def test_two_kills(undisturbed, tmp_path):
    kill_and_resume(undisturbed, tmp_path, 2, seed=0)


@pytest.mark.slow
def test_ten_kills_at_random_moments(undisturbed, tmp_path):
    kill_and_resume(undisturbed, tmp_path, 10, seed=1)
