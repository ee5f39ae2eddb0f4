"""A study so small that a model of it trains in a second, and the means to compare two models."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from helpers.learning.images import ImageSet
from helpers.settings import load_settings

torch.set_num_threads(1)  # networks this small gain nothing from more, and tests share the machine
PROFILES = Path(__file__).parents[1] / "notebooks" / "profiles"
SMOKE = load_settings(PROFILES / "smoke.yml").replace(image_px=32, epochs=3, head_epochs=5, device="cpu")


def study(n_patients=15, n=32, seed=0):
    """A cohort of two planes per patient whose ESD tells the response, in a core with a rim."""
    rng = np.random.default_rng(seed)
    responder = np.arange(n_patients) % 3 > 0
    split = np.array(["train", "train", "train", "validation", "test"])[np.arange(n_patients) // 3 % 5]
    names = [f"P{i + 1:03d}" for i in range(n_patients)]
    patients = pd.DataFrame({"responder": responder, "split": split}, index=pd.Index(names, name="patient"))
    y, x = np.mgrid[:n, :n] - n / 2 + 0.5
    core = np.repeat((np.hypot(x, y) < n / 4)[None], 2 * n_patients, 0)
    region = np.repeat((np.hypot(x, y) < n / 3)[None], 2 * n_patients, 0)
    maps = rng.normal(0, 1, (2 * n_patients, 4, n, n)).astype(np.float32)
    maps[:, 2] += np.repeat(np.where(responder, -1, 1), 2)[:, None, None]
    maps = np.where(region[:, None], maps, np.float32(np.nan))
    extent = np.tile([-30.0, 30.0, 50.0, -10.0], (2 * n_patients, 1))
    return ImageSet(maps, core, region, np.repeat(names, 2), np.tile([0, 1], n_patients), extent), patients


def weights_of(folder):
    """All numbers of a trained model, by name."""
    saved = torch.load(folder / "weights.pt", weights_only=True)
    networks = {
        f"{part}.{name}": value
        for part in ("feature_network", "predictive_network")
        for name, value in saved[part].items()
    }
    return networks | {"lo": saved["lo"], "hi": saved["hi"]}


def same_weights(one, other):
    """Tell whether two trained models agree to the last bit."""
    one, other = weights_of(one), weights_of(other)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
