"""The patients: a simulated cohort with Table 1's characteristics and a known answer, its split and its Table 1.

One hidden variable, resistance to chemotherapy, ties the response to the tissue. Every effect is an assumption
declared here before any network was trained; no difference in QUS between responders and non-responders has
been published. Population values of tissue follow Tadayyon et al. (2014), survival follows I-SPY 1.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ground.errors import InputError

NON_RESPONDERS = 43 / 181  # the paper's fraction
MR_FRACTIONS = {1: 0.09, 2: NON_RESPONDERS - 0.09, 3: 0.48, 4: 0.12, 5: 0.40 - NON_RESPONDERS}  # within a class assumed
TEST_NON_RESPONDERS = 10 / 50  # the paper's test set, a little fewer than its cohort has
N_PATIENTS, N_TEST, N_VALIDATION = 181, 50, 31  # the paper's
PARTS = ("train", "validation", "test")
FEWEST = 2  # of a class among the training patients
EFFECTS = {"base": 1.0, "half": 0.5, "none": 0.0, "reversed": -1.0}
SIGNALS = ("mean", "texture", "arrangement", "interaction")  # what of the tissue follows resistance
ONE_LOADING = 0.75  # of a signal that is one property: about what all traits of the base effect have together
CORRELATION_MM = 3.0  # length of the smooth variation inside a region
COARSE_SD, COARSE_LIMIT = 0.35, 2.0  # of the logarithm of the core's own length; how many SD it reaches at most
ARRANGED_SD, ARRANGED_LIMIT = 0.6, 0.9  # of the correlation of the core's EAC with nearness to its border


@dataclass(frozen=True)
class Trait:
    """A tissue property of a patient: population mean and SD, and its correlation with resistance (base effect)."""

    mean: float
    sd: float
    loading: float
    low: float


TRAITS = {
    "core_esd_um": Trait(149.0, 11.0, +0.45, 100.0),
    "core_eac_db": Trait(12.0, 6.7, -0.45, -8.0),
    "heterogeneity_db": Trait(3.5, 1.0, +0.45, 0.5),  # SD of EAC inside the core
    "margin_esd_um": Trait(146.0, 12.0, +0.35, 100.0),
    "margin_eac_db": Trait(18.0, 6.6, +0.35, -4.0),
}
PAIRED = ("core_eac_db", "margin_eac_db", 0.5)  # correlation of what resistance does not explain
BACKGROUND = {"background_esd_um": (143.0, 14.0), "background_eac_db": (24.7, 6.6)}
ATTENUATION_DB_CM_MHZ = {"background": 0.8, "margin": 1.0, "core": 1.0}
ATTENUATION_SPREAD = 0.25  # SD of a patient's attenuation over her tissue's, relative; see data/README.md
ATTENUATION_FACTOR = 0.4, 1.6  # no patient has less or more

SUBTYPES = pd.DataFrame(  # share in Table 1; share of responders in I-SPY 1
    [
        (True, True, False, 0.337, 0.70),
        (True, False, False, 0.059, 0.70),
        (False, True, False, 0.024, 0.70),
        (True, True, True, 0.186, 0.85),
        (True, False, True, 0.052, 0.85),
        (False, False, True, 0.105, 0.85),
        (False, False, False, 0.244, 0.84),
    ],
    columns=["er", "pr", "her2", "share", "responding"],
)
HISTOLOGY = {"invasive ductal": 0.903, "invasive lobular": 0.034, "invasive metaplastic": 0.063}
GRADE = {"I": 0.106, "II": 0.388, "III": 0.506}
TREATMENT = {"AC-T/D": 0.629, "FEC-D": 0.326, "TC": 0.045}
RELAPSE_YEARS = {True: (12.35, 1.21), False: (7.87, 0.92)}  # responder: Weibull scale, shape; fitted to I-SPY 1
FOLLOW_UP_YEARS = (1.0, 10.0)
SPICULATED = 19 / 141  # of malignant masses on ultrasound (Hong et al. 2005)


# What a simulated patient's echoes follow from; nothing else of her is handed to the simulation.
ECHO_COLUMNS = (
    "tissue_seed",
    "n_planes",
    "width_mm",
    "height_mm",
    "centre_depth_mm",
    "centre_lateral_mm",
    "spiculated",
    "attenuation_factor",
    *TRAITS,
    *BACKGROUND,
    "core_correlation_mm",
    "core_arrangement",
)


@dataclass(frozen=True)
class ModelSpec:
    """One row of the paper's Table 2."""

    number: int
    title: str
    backbone: str  # "resnet" or "ran"
    region: str  # "core" or "core_margin"


MODELS = {
    "resnet_core": ModelSpec(1, "ResNet, core", "resnet", "core"),
    "resnet_core_margin": ModelSpec(2, "ResNet, core + margin", "resnet", "core_margin"),
    "ran_core": ModelSpec(3, "RAN, core", "ran", "core"),
    "ran_core_margin": ModelSpec(4, "RAN, core + margin", "ran", "core_margin"),
}


def draw_patients(
    n_patients: int = 181,
    seed: int = 3,
    effect: str = "base",
    attenuation_spread: float = ATTENUATION_SPREAD,
    signal: str = "mean",
) -> pd.DataFrame:
    """Draw patients, one row each, indexed by ``patient``; see ``data/README.md`` for the columns.

    ``effect`` scales how strongly tissue and resistance go together: base, half, none or reversed; ``signal`` is one of
    ``SIGNALS``, what of the tissue it is that does. Under all but ``"mean"`` the same seed draws the same tumours.
    Attenuation differs between patients by ``attenuation_spread`` (SD, relative), whatever their response.
    Raises ``ValueError`` for an unknown effect or signal, or fewer than 8 patients.
    """
    for name, value, known in (("effect", effect, sorted(EFFECTS)), ("signal", signal, SIGNALS)):
        if value not in known:
            raise ValueError(f"{name} = {value!r}, expected one of {list(known)}")
    if n_patients < 8:
        raise ValueError(f"n_patients = {n_patients}, expected at least 8")
    rng = np.random.default_rng(seed)
    resistance, strength = rng.standard_normal(n_patients), EFFECTS[effect]
    tissue = draw_tissue(resistance, strength if signal == "mean" else 0.0, attenuation_spread, rng)
    tissue = tissue.join(draw_pattern(n_patients, seed, signal))
    if signal != "mean":
        loading = strength * ONE_LOADING
        resistance = loading * followed(tissue, signal) + np.sqrt(1 - loading**2) * resistance
    patients = pd.DataFrame({"resistance": resistance}, index=patient_ids(n_patients))
    patients["mr_score"] = mr_scores(resistance)
    patients["responder"] = patients["mr_score"] >= 3
    patients = patients.join(tissue)
    patients = patients.join(draw_clinic(patients, rng)).join(draw_geometry(patients, rng))
    patients = patients.join(draw_survival(patients["responder"], rng))
    return patients.assign(spiculated=draw_spiculated(n_patients, seed))


def patient_ids(n_patients: int) -> pd.Index:
    """Patients' names, P001 onwards."""
    return pd.Index([f"P{i:03d}" for i in range(1, n_patients + 1)], name="patient")


def mr_scores(resistance: np.ndarray) -> np.ndarray:
    """Modified response scores (n_patients,): the most resistant get 1, in fixed shares of the cohort."""
    rank = np.argsort(np.argsort(-resistance))
    upper = np.round(np.cumsum(list(MR_FRACTIONS.values())) * len(resistance))
    return np.searchsorted(upper, rank, side="right") + 1


def draw_tissue(
    resistance: np.ndarray, strength: float, attenuation_spread: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Tissue of every patient: trait = mean + SD (loading * resistance + sqrt(1 - loading^2) * residual)."""
    residual = dict(zip(TRAITS, rng.standard_normal((len(TRAITS), len(resistance))), strict=True))
    first, second, correlation = PAIRED
    residual[second] = correlation * residual[first] + np.sqrt(1 - correlation**2) * residual[second]
    tissue = {}
    for name, trait in TRAITS.items():
        loading = strength * trait.loading
        standard = loading * resistance + np.sqrt(1 - loading**2) * residual[name]
        tissue[name] = np.maximum(trait.mean + trait.sd * standard, trait.low)
    for name, (mean, sd) in BACKGROUND.items():
        tissue[name] = rng.normal(mean, sd, len(resistance))
    factor = rng.normal(1, attenuation_spread, len(resistance))
    tissue["attenuation_factor"] = np.clip(factor, *ATTENUATION_FACTOR)
    return pd.DataFrame(tissue, index=patient_ids(len(resistance)))


def draw_pattern(n_patients: int, seed: int, signal: str) -> pd.DataFrame:
    """How the core's EAC varies at the same mean and SD, from a random stream of its own; all alike under ``"mean"``.

    ``core_correlation_mm``: over what length, as Gaussian fields have it. ``core_arrangement``: its correlation with
    nearness to the border, positive where it rises towards the rim, negative where it rises towards the centre.
    """
    rng = np.random.default_rng([seed, 3])
    coarse, arranged = np.zeros((2, n_patients)) if signal == "mean" else rng.standard_normal((2, n_patients))
    length_mm = CORRELATION_MM * np.exp(COARSE_SD * np.clip(coarse, -COARSE_LIMIT, COARSE_LIMIT))
    arrangement = np.clip(ARRANGED_SD * arranged, -ARRANGED_LIMIT, ARRANGED_LIMIT)
    return pd.DataFrame(
        {"core_correlation_mm": length_mm, "core_arrangement": arrangement}, index=patient_ids(n_patients)
    )


def followed(tissue: pd.DataFrame, signal: str) -> np.ndarray:
    """What resistance follows (n_patients,), of mean 0 and SD 1, where it is one property of the core.

    ``"texture"``: how coarse its EAC varies; ``"arrangement"``: whether it rises to the rim; ``"interaction"``: whether
    ESD and EAC deviate to the same side, either of which alone says nothing.
    """
    if signal == "texture":
        return np.log(tissue["core_correlation_mm"] / CORRELATION_MM).to_numpy() / COARSE_SD
    if signal == "arrangement":
        return tissue["core_arrangement"].to_numpy() / ARRANGED_SD
    away = [tissue[name] - TRAITS[name].mean for name in ("core_esd_um", "core_eac_db")]
    return np.sign(away[0] * away[1]).to_numpy()


def draw_clinic(patients: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Age, histology, grade, receptors, treatment; receptors depend on response as in I-SPY 1, the rest does not."""
    n = len(patients)
    clinic = pd.DataFrame({"age_years": np.clip(rng.normal(50.6, 11.5, n), 18, 85).round(1)}, index=patients.index)
    for name, shares in {"histology": HISTOLOGY, "grade": GRADE, "treatment": TREATMENT}.items():
        clinic[name] = rng.choice(list(shares), n, p=list(shares.values()))
    for responder, chance in ((True, SUBTYPES["responding"]), (False, 1 - SUBTYPES["responding"])):
        share = SUBTYPES["share"] * chance
        of_class = patients.index[patients["responder"] == responder]
        drawn = SUBTYPES.iloc[rng.choice(len(SUBTYPES), len(of_class), p=share / share.sum())]
        for receptor in ("er", "pr", "her2"):
            clinic.loc[of_class, receptor] = drawn[receptor].to_numpy()
    return clinic.astype({"er": bool, "pr": bool, "her2": bool})


def draw_geometry(patients: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Tumour sizes (MRI, cm), number of planes, and the outline in the central plane (mm); none depends on response."""
    n, (log_size, log_width) = (len(patients), rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], len(patients)).T)
    initial_cm = np.clip(np.exp(np.log(4.6) + 0.49 * log_size), 1.5, 15)
    shrinkage = {1: (-0.2, 0), 2: (0, 0.3), 3: (0.3, 0.9), 4: (0.9, 1), 5: (1, 1)}
    low, high = np.array([shrinkage[score] for score in patients["mr_score"]]).T
    width_mm = np.clip(np.exp(np.log(28) + 0.35 * log_width), 12, 50)
    height_mm = np.clip(width_mm / rng.uniform(1.1, 1.8, n), 8, 30)
    top_mm = np.minimum(rng.uniform(8, 18, n), 43 - height_mm)
    room_mm = np.maximum(60 - width_mm - 2, 0)
    return pd.DataFrame(
        {
            "initial_size_cm": initial_cm.round(1),
            "residual_size_cm": (initial_cm * (1 - rng.uniform(low, high))).round(1),
            "n_planes": rng.integers(4, 8, n),
            "width_mm": width_mm,
            "height_mm": height_mm,
            "centre_depth_mm": top_mm + height_mm / 2,
            "centre_lateral_mm": 30 + room_mm * rng.uniform(-0.35, 0.35, n),
            "tissue_seed": rng.integers(2**31, size=n),
        },
        index=patients.index,
    )


def draw_spiculated(n_patients: int, seed: int) -> np.ndarray:
    """Which outlines have spicules (n_patients,), independent of response, from a random stream of its own.

    An assumption: where mammograms show spicules, complete responses are rarer (Savaridas et al. 2019).
    """
    return np.random.default_rng([seed, 2]).random(n_patients) < SPICULATED


def draw_survival(responder: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    """Recurrence-free survival: Weibull times fitted to I-SPY 1 by response, censored at the end of follow-up."""
    scale, shape = np.array([RELAPSE_YEARS[r] for r in responder]).T
    relapse = scale * rng.weibull(shape)
    follow_up = rng.uniform(*FOLLOW_UP_YEARS, len(responder))
    duration = np.maximum(np.minimum(relapse, follow_up), 0.05).round(2)
    return pd.DataFrame({"duration_years": duration, "recurrence": relapse <= follow_up}, index=responder.index)


def split_patients(
    responder: pd.Series, n_test: int, n_validation: int, seed: int, test_share: float | None = TEST_NON_RESPONDERS
) -> pd.Series:
    """Stratified random split into train, validation and test, indexed as ``responder``.

    ``test_share`` is that of non-responders in the test set; an ``InputError`` when a part would lack a class. None
    keeps the cohort's own share in every part, and both classes as far as ``FEWEST`` of each are left for training.
    """
    rng = np.random.default_rng([seed, 1])
    split = pd.Series("train", index=responder.index, name="split")
    own = float((~responder).mean())
    wanted = {"test": (n_test, own if test_share is None else test_share), "validation": (n_validation, own)}
    for part, (size, share) in wanted.items():
        left = responder[split == "train"].value_counts().to_dict()
        sizes = own_sizes(left, size, own) if test_share is None else class_sizes(left, size, share, part)
        for of_class, count in sizes.items():
            pool = split.index[(split == "train") & (responder == of_class)]
            split[rng.choice(pool, count, replace=False)] = part
    return split


def class_sizes(left: dict[bool, int], size: int, share: float, part: str) -> dict[bool, int]:
    """How many responders and non-responders a part of ``size`` patients with this share of non-responders holds."""
    non_responders = round(size * share)
    sizes = {True: size - non_responders, False: non_responders}
    if min(sizes.values()) < 1 or any(sizes[c] >= left.get(c, 0) for c in sizes):
        raise InputError(f"{part} set of {size} patients: every part needs responders and non-responders")
    return sizes


def own_sizes(left: dict[bool, int], size: int, share: float) -> dict[bool, int]:
    """As ``class_sizes``, but at least one of each class, and no more than leaves ``FEWEST`` of it for training."""
    non_responders = max(1, round(size * share))
    wanted = {True: max(1, size - non_responders), False: non_responders}
    return {of_class: max(0, min(n, left.get(of_class, 0) - FEWEST)) for of_class, n in wanted.items()}
