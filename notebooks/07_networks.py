# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The networks
#
# Two {term}`backbones <backbone>` look at the images of a {term}`plane`: a
# {term}`residual network <residual network (ResNet)>`, and a residual attention network that also learns *where* to
# look. Each ends in a vector of 256 numbers per plane. The mean of these vectors over all planes of a tumour goes to a
# small {term}`predictive network`, which says how likely the patient is a non-responder.
#
# **You will learn**
#
# - how both backbones are built, and that they are the published ones, to the last weight
# - how an {term}`attention module` weighs what its trunk sees
# - which layer gives the 256 numbers, where the paper is silent, and what a forward pass costs
#
# **You need**: {doc}`06_images`. **Time**: 15 minutes to read, a few seconds to run.

# %% tags=["parameters"]
profile: str = "laptop"  # a name in notebooks/profiles, or a .yml file
artifacts: str = "artifacts"  # folder of computed maps, images and models
patient: str = ""  # patient shown; empty: chosen by rule
plane: int = -1  # image plane shown, counted from 0; -1: the middle one
resnet_block: str = "basic"  # residual unit: basic or bottleneck
resnet_layers: list = [1, 1, 1, 1]  # units; ResNet-101: [3, 4, 23, 3]
resnet_width: int = 16  # channels of the first stage; ResNet-101 has 64
ran_width: int = 8  # channels of the stem; RAN-56 has 64
ran_attention: list = [1, 1, 0]  # modules a stage; RAN-56: [1, 1, 1]
ran_trunk_units: int = 1  # residual units in a module's trunk; RAN-56 has 2
ran_tail_units: int = 1  # residual units of the last stage; RAN-56 has 3
vector: str = "flatten"  # flatten (place kept) or pool (averaged)
hidden: int = 100  # neurons of the hidden fully connected layers
dropout: float = 0.5  # dropout rate

# %% tags=["hide-input"]
import pandas as pd
import torch
from IPython.display import Markdown
from torch import nn

from helpers import stages
from helpers.learning.attention import (
    Attention,
    ResidualAttentionNetwork,
    Unit,
)
from helpers.learning.fitting import reproducible, resolve_device
from helpers.learning.images import fit_scaling, scale
from helpers.learning.networks import (
    ResNet,
    build_feature_network,
    vector_shape,
)
from helpers.settings import VECTOR, load_settings
from pages import echoes, figures
from pages.networks import (
    count_macs,
    count_weights,
    milliseconds_per_plane,
    output_shapes,
)
from reading import drawings

# %% tags=["hide-input"]
figures.use_book_style()
chosen = {
    "resnet_block": resnet_block,
    "resnet_layers": resnet_layers,
    "resnet_width": resnet_width,
    "ran_width": ran_width,
    "ran_attention": ran_attention,
    "ran_trunk_units": ran_trunk_units,
    "ran_tail_units": ran_tail_units,
    "vector": vector,
    "hidden": hidden,
    "dropout": dropout,
}
settings = load_settings(profile, **chosen)
images = stages.images(settings, artifacts)
n_channels = len(images.fields)

# %% [markdown]
# ## Residual network
#
# A {term}`residual unit` {cite:p}`he2016` adds what it computes to what came in,
#
# $$ y = x + F(x), $$ (eq-residual)
#
# so that a deep stack can start as almost the identity and learn corrections. Each convolution is followed by
# {term}`batch normalisation` {cite:p}`ioffe2015`. An architecture of units {eq}`eq-residual` is four numbers of them, a
# width and a kind. The paper's *modified ResNet-101* takes four channels instead of three; what else was modified it
# does not say.
#
# ## Residual attention network
#
# The residual attention network {cite:p}`wang2017ran` puts an **attention module** into each of three stages. It has
# two branches on the same input: a trunk of residual units of the later, pre-activation kind {cite:p}`he2016identity`,
# $T(x)$, and a mask that runs an hourglass. Down: max pooling and a residual unit per level, so that one number sees a
# large part of the image. Up: bilinear interpolation back, adding at each level what a residual unit on the skip kept.
# Two 1 × 1 convolutions and a sigmoid end it, $M(x) \in (0, 1)$. Both are joined as
#
# $$ y = (1 + M(x))\, T(x). $$ (eq-attention)
#
# {numref}`fig-networks-attention` shows the module. The 1 in {eq}`eq-attention` matters: a mask of 0 leaves the trunk as it is instead of erasing it, and stacked modules
# do not fade the signal.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-networks-attention", "caption": "An attention module, as this profile's network for {{ whose }} planes has it in the first stage with one: the trunk keeps the size of the maps, the mask goes down and up again and says how much of the trunk is raised. What the skips add on the way up is left out."}, "image": {"alt": "Flow chart: one input goes down two branches, a trunk of residual units and a mask that halves and doubles the maps and ends in a sigmoid; both are joined as one plus M times T"}}
first = next((place for place, n in enumerate(ran_attention) if n), 0)
fig, ax = figures.subplots(row_in=6.4)
drawings.draw_attention(ax, ran_trunk_units, depth=3 - first)

# %% [markdown]
# ## Are they the published ones?
#
# A network with the right name can be wired wrongly and still train. So both are built at their original size, without
# numbers in their weights (the device `meta` computes shapes only), and counted ({numref}`tab-published`). One MAC is a
# multiplication with its addition.

# %%
with torch.device("meta"):
    original = {
        "ResNet-101": ResNet(3, "bottleneck", [3, 4, 23, 3], 64),
        "RAN-56": ResidualAttentionNetwork(
            3, 64, [1, 1, 1], trunk_units=2, tail_units=3
        ),
    }
    rows, photograph = {}, torch.zeros(1, 3, 224, 224)
    for name, backbone in original.items():
        head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000)
        network = nn.Sequential(backbone, *head)
        gmac = count_macs(network, photograph) / 1e9
        rows[name] = count_weights(network), gmac

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-published", "caption": "Weights and multiplications of both backbones as built here and as published."}}
counted = pd.DataFrame(rows, index=["weights", "GMAC at 224 × 224"]).T
counted["published"] = [
    "44,549,160, 7.80 (torchvision)",
    "31,810,728, 6.271 (the authors' network file)",
]
counted["weights"] = [f"{int(n):,}" for n in counted["weights"]]
Markdown(counted.to_markdown(floatfmt=".3f", disable_numparse=[0, 1, 3]))

# %% [markdown]
# Equal counts do not prove equal wiring: ports of the attention network exist that add extra sums inside
# the mask, which cost no weight. The tests of this book therefore check the wiring too: one skip per
# level, the fusion, the sizes, and, for the ResNet, the same output as torchvision's from the same
# weights. (torchvision's units halve the image in their 3 × 3 convolution, the original ones in the first 1 × 1.)
#
# ## From maps to 256 numbers
#
# The paper flattens the last feature maps to 256 and does not name the layer. Two readings give 256:
#
# - **flatten**: a 1 × 1 convolution to *one* map. Both backbones halve an image five times, 512 pixels become 16,
#   and 16 × 16 = 256. An entry of the vector is a place in the image.
# - **pool**: a 1 × 1 convolution to 256 maps, each averaged to one number. An entry is a kind of feature, seen
#   anywhere.
#
# **Decision**: of the two readings of 256, flatten is the default. It is the reading in which something *is* flattened,
# and it needs no size that the paper does not give: 256 comes out of 512 pixels by itself. It also keeps core and
# margin apart.
#
# For smaller images more maps keep the length, $256 / (n/32)^2$ of them for $n$ pixels ({numref}`tab-vector`). The
# parameter `vector` selects the other reading; [](08_training) trains one model both ways.

# %%
sizes = {
    n: (n // 32, *vector_shape(n), vector_shape(n, "pool")[0])
    for n in (32, 64, 128, 256, 512)
}

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-vector", "caption": "How both readings come to 256 numbers, by the size of the image."}}
names = ["edge of the last maps", "maps to flatten"]
names += ["length of the flattened vector", "maps to pool"]
table = pd.DataFrame(sizes, index=names).T
Markdown(table.rename_axis("image, pixels").to_markdown())

# %% [markdown]
# {numref}`tab-readings`: what the readings cost at the paper's size, and how far the vector of a network with random
# weights moves when the image moves by one field of the last maps, 32 pixels, relative to its length:

# %%
seed, small = settings.training.seed, load_settings(profile, image_px=128)
generator = torch.Generator().manual_seed(seed)
plane_px = torch.rand(1, n_channels, 96, 96, generator=generator)
here = nn.functional.pad(plane_px, (0, 32, 0, 32))
moved = nn.functional.pad(plane_px, (32, 0, 0, 32))
costs, changes = {}, {}
for reading in ("flatten", "pool"):
    with torch.device("meta"):
        paper = load_settings("paper", vector=reading)
        full = build_feature_network(paper, "resnet")
    costs[reading] = count_weights(full.to_vector)
    torch.manual_seed(seed)
    untrained = build_feature_network(
        small.replace(vector=reading), "resnet", n_channels
    )
    with torch.no_grad():
        one, other = (untrained.eval().vectors(at) for at in (here, moved))
    changes[reading] = ((other - one).norm() / one.norm()).item()

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-readings", "caption": "The two readings of the 256 numbers compared."}}
rows = {
    reading: (f"{costs[reading]:,}", f"{changes[reading]:.2f}")
    for reading in costs
}
names = ["weights of the 1 × 1 convolution, ResNet-101"]
names += ["change when the image moves"]
readings = pd.DataFrame(rows, index=names).T.rename_axis("reading")
Markdown(readings.to_markdown(disable_numparse=True))

# %% [markdown]
# ## The networks of this profile
#
# The full networks need a GPU. The profile sets depth and width; the wiring stays. The cohort sets the number of
# channels, one for each map that its echoes give ([](06_images)). {numref}`tab-networks` holds the weights of each
# part, {numref}`tab-ran` and {numref}`tab-resnet` each backbone stage by stage:

# %%
image_px = settings.images.image_px
example = torch.zeros(1, n_channels, image_px, image_px)
torch.manual_seed(settings.training.seed)
networks = {
    "ResNet": build_feature_network(settings, "resnet", n_channels).eval(),
    "RAN": build_feature_network(settings, "ran", n_channels).eval(),
}
gmac_here = {
    name: count_macs(network, example) / 1e9
    for name, network in networks.items()
}

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-networks", "caption": "Weights of the networks of this run, and multiplications of one plane."}}
rows = []
for name, network in networks.items():
    parts = network.backbone, network.to_vector, network.head
    weights = [f"{count_weights(part):,}" for part in parts]
    rows.append((name, *weights, f"{1000 * gmac_here[name]:.2f}"))
columns = ["network", "backbone", "1 × 1 convolution", "head"]
columns += [f"MMAC at {n_channels} × {image_px} × {image_px}"]
table = pd.DataFrame(rows, columns=columns)
Markdown(table.to_markdown(index=False, disable_numparse=True))

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-ran", "caption": "The residual attention network of this run, stage by stage."}}
ran = networks["RAN"].backbone
kinds = {Unit: "residual unit", Attention: "attention module"}
parts = [(kinds[type(part)], part) for part in ran.stages]
parts = [("stem", ran.stem), *parts, ("tail", ran.tail)]
columns = ["channels × pixels", "weights"]
blocks = {"RAN": output_shapes(parts, example)}
table = pd.DataFrame(blocks["RAN"], columns=["RAN", *columns])
Markdown(table.to_markdown(index=False, disable_numparse=True))

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-resnet", "caption": "The residual network of this run, stage by stage."}}
resnet = networks["ResNet"].backbone
stem = nn.Sequential(resnet.conv1, resnet.bn1, nn.ReLU(), resnet.maxpool)
parts = [(f"stage {i}", getattr(resnet, f"layer{i}")) for i in (1, 2, 3, 4)]
blocks["ResNet"] = output_shapes([("stem", stem), *parts], example)
table = pd.DataFrame(blocks["ResNet"], columns=["ResNet", *columns])
Markdown(table.to_markdown(index=False, disable_numparse=True))

# %% [markdown]
# {numref}`fig-networks-blocks` sets both side by side.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-networks-blocks", "caption": "The two networks of this profile, built for {{ whose }} planes, block by block, with what each hands on: channels × rows × columns. Orange: attention modules."}, "image": {"alt": "Two columns of boxes from top to bottom, the ResNet's stem and four stages and the RAN's stem, stages with attention modules and tail, each ending in a 1 by 1 convolution and a head"}}
units = dict(enumerate(resnet_layers, 1))
fig, axes = figures.subplots(1, 2, 7.0)
ends = [
    ("1 × 1 convolution", f"{vector}: {VECTOR}"),
    ("head", f"{hidden} → 2"),
]
for ax, name in zip(axes, ("ResNet", "RAN"), strict=True):
    rows = [
        (f"input, {image_px} px", f"{n_channels} × {image_px} × {image_px}")
    ]
    for part, size, _ in blocks[name]:
        n = part.startswith("stage") and units[int(part.split()[1])]
        rows.append((f"{part}, units: {n}" if n else part, size))
    drawings.draw_stack(ax, [*rows, *ends], name)

# %% [markdown]
# ## A mask at work
#
# Before any training the weights are random, and so is the mask; still it shows what a mask is: one number between 0
# and 1 per channel and place, coarse, because it comes from far below. {numref}`fig-networks-mask` follows the first
# attention module: the mean over channels of the trunk, of the mask, and of what leaves the fusion.

# %%
patients = stages.cohort(settings, artifacts)
patient, plane = echoes.example(patients, patient, plane)
train = (patients.loc[images.patient, "split"] == "train").to_numpy()
clip_percentile = settings.training.clip_percentile
scaling = fit_scaling(images, train, "core_margin", clip_percentile)
of_plane = (images.patient == patient) & (images.plane == plane)
shown = images.select(of_plane)
inputs = torch.from_numpy(scale(shown, scaling, "core_margin"))  # (1, C, n, n)
seen = {}
for module in ran.attention_modules()[:1]:
    module.trunk.register_forward_hook(lambda *call: seen.update(T=call[2]))
    module.mask.register_forward_hook(lambda *call: seen.update(M=call[2]))
with torch.no_grad():
    _ = networks["RAN"].vectors(inputs)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-networks-mask", "caption": "First attention module of an untrained RAN on one {{ whose }} plane (mean over channels): one map of the image, the trunk, the mask, and the trunk weighed by the mask."}, "image": {"alt": "Four panels of one {{ whose }} plane: a scaled map; the trunk, in which the tumour shows; the coarse mask, structured along the borders too; and the trunk times one plus the mask"}}
one = min(2, n_channels - 1)  # ESD where it is there, else SI
panels = {f"{list(images.channels)[one]}, scaled": inputs[0, one]}
if seen:
    trunk, mask = seen["T"][0], seen["M"][0]  # (channels, n / 4, n / 4)
    joined = ((1 + mask) * trunk).mean(0)
    panels |= {"trunk T": trunk.mean(0), "mask M": mask.mean(0)}
    panels |= {"(1 + M) T": joined}
fig, axes = figures.panels(len(panels), 2, 3.0)
extent_mm = tuple(shown.extent_mm[0])
for ax, (name, values) in zip(axes, panels.items(), strict=True):
    values = values.numpy()
    limits = float(values.min()), float(values.max())
    figures.show_map(ax, values, extent_mm, name, "magma", limits=limits)

# %% [markdown]
# ## The heads
#
# Fully connected layers turn 256 numbers into two: 256 → hidden → 2, softmax, {term}`dropout` {cite:p}`srivastava2014`
# after the first layer (the 256 inputs) and the second (the hidden neurons). They appear twice. In stage 1 they hang on
# the backbone and train it, plane by plane. In stage 2 a fresh pair, the **predictive network**, learns on the mean
# vectors of whole tumours ([](08_training)).

# %%
print(networks["RAN"].head)

# %% [markdown]
# ## What it costs
#
# The time of a training step on this machine, forward and backward, in batches of the profile's size:
# {numref}`tab-step-time`.
# Small networks are bound by the number of their layers rather than by arithmetic: a RAN of many tiny
# layers can take longer per MAC than a ResNet of few.

# %%
device = resolve_device(settings.computing.device)
size = settings.training.batch_size, n_channels, image_px, image_px
with reproducible(device):  # as in training: one thread on a CPU
    costs = {
        name: milliseconds_per_plane(network.to(device), torch.rand(size))
        for name, network in networks.items()
    }

# %% tags=["hide-input"] mystnb={"table": {"name": "tab-step-time", "caption": "Time of a training step of each network, per plane."}}
title = f"training, per plane, on the {device.type.upper()}"
table = pd.DataFrame(
    {title: {name: f"{ms:.1f} ms" for name, ms in costs.items()}}
)
Markdown(table.to_markdown())

# %%
with torch.device("meta"):
    plane_px = torch.zeros(1, 4, 512, 512)
    full = {
        "ResNet": ResNet(4, "bottleneck", [3, 4, 23, 3], 64),
        "RAN": ResidualAttentionNetwork(
            4, 64, [1, 1, 1], trunk_units=2, tail_units=3
        ),
    }
    gmac_full = {
        name: count_macs(network, plane_px) / 1e9
        for name, network in full.items()
    }

# %% tags=["hide-input"]
times = {
    name: f"{gmac_full[name] / gmac:,.0f}" for name, gmac in gmac_here.items()
}
Markdown(
    f"At the paper's size, 4 × 512 × 512, ResNet-101 takes "
    f"{gmac_full['ResNet']:.1f} and RAN-56 {gmac_full['RAN']:.1f} "
    f"GMAC a plane: {times['ResNet']} and {times['RAN']} times "
    "the networks of this profile."
)

# %% [markdown]
# ## Exercises
#
# Each exercise says of what kind it is and how long it may take. Where a number can be checked,
# `from reading.teaching import check` tells whether yours is right, or gives a hint ({doc}`../teaching`).
#
# ````{exercise} Levels of a mask · recall · 5 min
# :label: ex-networks-depth
#
# Why has the mask of the first stage three levels, that of the second two, that of the third one?
# ````
#
# ````{solution} ex-networks-depth
# :class: dropdown
#
# The stages work at 1/4, 1/8 and 1/16 of the image. Three, two and one further halvings bring all masks down to 1/32,
# the size of the last feature maps: every mask sees about the same, large, part of the image.
# ````
#
# ````{exercise} The weights of a head · compute · 5 min
# :label: ex-networks-head
#
# How many weights has a head of 256 inputs, 100 hidden neurons and 2 outputs, biases included?
#
# Check: `check("ex-networks-head", ...)` (weights).
# ````
#
# ````{solution} ex-networks-head
# :class: dropdown
#
# $256 \cdot 100 + 100 + 100 \cdot 2 + 2 = 25{,}902$. Dropout has none.
# ````
#
# ````{exercise} A wider head · vary · 5 min
# :label: ex-networks-hidden
#
# And with `hidden=300`, the upper end of the paper's search? How many training patients stand against each weight?
#
# Check: `check("ex-networks-hidden", ...)` (weights).
# ````
#
# ````{solution} ex-networks-hidden
# :class: dropdown
#
# $256 \cdot 300 + 300 + 300 \cdot 2 + 2 = 77{,}702$. With 100 patients to learn from, as in the paper, there are
# hundreds of weights for each patient: what keeps them in check is dropout and the early stop.
# ````
#
# ````{exercise} Two readings, counted · compute · 10 min
# :label: ex-networks-pool
#
# How many weights has the 1 × 1 convolution in each reading, for a backbone that ends in $c$ channels? Why does the
# flattened vector change more when the image moves, and what in training makes up for it?
# ````
#
# ````{solution} ex-networks-pool
# :class: dropdown
#
# One map at 512 pixels: $c + 1$ weights; 256 maps: $256 (c + 1)$. A mean does not know where its terms stood, the
# flattened vector moves its entries. Augmentation by shifts teaches the head to live with that.
# ````
#
# ````{exercise} Without the mask · project · 90 min
# :label: ex-networks-mask
#
# Build the attention network with $M(x) = 0$, so that only its trunk is left, and train model 4 of this profile both
# ways with three seeds. Does the mask earn its weights on the validation patients?
# ````
#
# ````{solution} ex-networks-mask
# :class: dropdown
#
# Let the mask's `forward` return zeros and keep everything else, the seeds too. Compare the mean validation AUC of the
# two with the spread over seeds ([](08_training)): a difference smaller than that is none. Count weights and MACs of
# both as well; a fair rival of the mask has as many of them in its trunk.
# ````
#
# ## Questions
#
# ````{dropdown} What does the 1 in (1 + M) T do?
# A mask of 0 leaves the trunk as it is. Without the 1 the mask would erase, and masks in a row would fade the signal to
# nothing.
# ````
#
# ````{dropdown} The weights of a network are as many as published. What does that prove?
# That layers of the right size are there. It does not prove that they are wired rightly: a sum more or less costs no
# weight.
# ````
#
# ````{dropdown} What is one entry of the 256 numbers, in each reading?
# Flattened: a place in the image. Pooled: a kind of feature, seen anywhere.
# ````
#
# ## Take-aways
#
# - Architecture is data: the same code is the published network at full size and a small one on a laptop.
# - Counting weights and MACs catches most mistakes; wiring needs tests of its own.
# - The 256-vector, the paper's silence, is a decision: one map from 512 pixels, more maps from fewer
#   {cite:p}`taleghamar2022`.
#
# ## Further reading
#
# - {cite:t}`he2016`: residual units, and why very deep stacks could not be trained before.
# - {cite:t}`wang2017ran`: the residual attention network: look at its figure of the mask while you read `attention.py`.
# - {cite:t}`he2016identity`: why the sum should be left alone: what comes in has to get through.
