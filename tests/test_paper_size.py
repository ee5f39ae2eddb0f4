"""The paper's own sizes on a processor, from two steps of training to four patches explained: what a card has to hold.

``pytest -m slow -s tests/test_paper_size.py`` prints time and memory, and what they come to on a graphics card.
"""

import resource
import time

import numpy as np
import pytest
import torch

from helpers.data.study import MODELS
from helpers.judgement.pda import patch_differences, plane_predictor
from helpers.learning.fitting import Samples, build_optimizer, cross_entropy, train_epoch
from helpers.learning.images import Scaling
from helpers.learning.training import plans_of, untrained_model
from helpers.settings import load_settings
from pages.networks import count_macs

PLANES, BATCH = 4, 2  # two steps
N_TRAINING_PLANES = 560  # of 100 patients
CARD_FLOPS = 1e14  # that a card of 2022 reaches in bf16, a third of what its maker tells


def disc(px):
    """Planes (4, 4, px, px) of random tissue in a disc of a third of the image."""
    place = np.hypot(*np.meshgrid(*[np.arange(px) - px / 2] * 2)) < px / 6
    return torch.from_numpy((np.random.default_rng(0).uniform(0.1, 1, (PLANES, 4, px, px)) * place).astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("slug", ["resnet_core_margin", "ran_core_margin"])
def test_the_paper_s_networks_train_predict_and_explain_at_its_size(slug):
    settings = load_settings("paper", device="cpu", precision="float32", batch_size=BATCH)
    px, spec = settings.images.image_px, MODELS[slug]
    model = untrained_model(settings, spec, Scaling(np.zeros(4, np.float32), np.ones(4, np.float32)), "cpu")
    network, planes = model.feature_network, disc(px).contiguous(memory_format=torch.channels_last)
    before = torch.cat([weights.detach().flatten() for weights in network.parameters()])
    samples = Samples(planes, torch.tensor([0, 1, 0, 1]), np.array(["a", "b", "a", "b"]))
    optimizer, criterion = build_optimizer(network, settings.training), cross_entropy(settings.training, planes.device)

    start = time.perf_counter()
    loss = train_epoch(network, optimizer, samples, plans_of(settings, spec)[0], 1, criterion)
    seconds = (time.perf_counter() - start) / PLANES
    after = torch.cat([weights.detach().flatten() for weights in network.parameters()])
    assert np.isfinite(loss)
    assert torch.isfinite(after).all()
    assert (after != before).float().mean() > 0.9

    network.eval()
    vectors = model.vectors(planes)
    assert vectors.shape == (PLANES, 256)
    assert 0 < model.probability(vectors).item() < 1

    patch = settings.judgement.pda_patch_px
    four = torch.zeros_like(planes[0])
    four[1, : 2 * patch, : 2 * patch] = 0.5
    differences = patch_differences(plane_predictor(model, planes, 0), four, patch, patch, batch_size=4)
    assert (differences[1, :2, :2] != 0).all()
    assert np.count_nonzero(differences) == 4

    steps = N_TRAINING_PLANES * settings.training.epochs
    minutes = 6 * count_macs(network, planes[:1]) * steps / CARD_FLOPS / 60
    print(
        f"\n{slug}: {seconds:.1f} s a plane in training on this processor, {seconds * steps / 3600:.0f} h for "
        f"{settings.training.epochs} epochs; on a card of {CARD_FLOPS:.0e} operations a second {minutes:.1f} min; "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB for {BATCH} planes a step"
    )
