"""The answers behind ``reading.teaching``: one function an exercise, by the functions that the chapters call.

Printed figures of the paper come from ``pages.printed``; what loads torch is imported where it is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from beyond import calibration
from beyond.oracle import oracle_score
from helpers.data import form_factor, phantom, regions, rf, study
from helpers.judgement import auc, evaluation, survival
from helpers.maps.parametric import BAND_MHZ
from pages import chance
from pages.printed import N_NON_RESPONDERS, N_RESPONDERS, printed

TISSUE_M_S = 1540.0
PHANTOM_M_S, PHANTOM_DB_CM_MHZ = 1488.0, 0.576  # the paper's
MARGIN_MM, FIELD_MM, PAPER_PX = 5.0, 60.0, 512
CLASS_WEIGHT = 5.0  # the paper's C


@dataclass(frozen=True)
class Answer:
    """How one exercise is checked: the computed answer, the tolerance around it in its unit, and a hint."""

    compute: Callable[[], float]
    tolerance: float
    unit: str
    hint: str


def half_oracle() -> float:
    """AUC of the oracle of core and margin for 5,000 patients of half the effect."""
    patients = study.draw_patients(5000, 4, "half")
    score = oracle_score(patients, tuple(study.TRAITS), "half")
    return auc.auc_interval(~patients["responder"], score)[0]


def left_to_learn() -> float:
    """Non-responders among the paper's patients who are neither in the test nor in the validation set."""
    patients = study.draw_patients(study.N_PATIENTS)
    split = study.split_patients(patients["responder"], study.N_TEST, study.N_VALIDATION, 0)
    return float((~patients["responder"])[split == "train"].sum())


def shown_depth() -> float:
    """Where a scanner set to tissue shows a target 30 mm deep in the paper's phantom, mm."""
    return 30.0 * TISSUE_M_S / PHANTOM_M_S


def samples_of_window() -> float:
    """Samples at 40 MHz in the 2 mm of a window."""
    return 2.0 / rf.RFPlane(np.zeros((8, 2), np.int16), 40e6, 0.25, sound_speed_m_s=TISSUE_M_S).sample_spacing_mm


def larger_beads() -> float:
    """Backscatter of 30 um beads re 20 um beads of the same mass at 5.5 MHz, dB."""
    large, small = (phantom.bead_backscatter(np.array([5.5e6]), (um, um))[0] for um in (30.0, 20.0))
    return float(10 * np.log10(large / small))


def slope_of_loss() -> float:
    """Error of SS where 0.1 dB/cm/MHz too little was put back over 3 cm, dB/MHz."""
    return -2 * 0.1 * 3.0


def diameter_of_slope() -> float:
    """ESD of a form factor's slope M = -0.30 dB/MHz^2, um."""
    return float(form_factor.scatterers(np.float64(-0.30), np.float64(0.0), TISSUE_M_S)[0])


def attenuation_of_tilt() -> float:
    """Attenuation of a region whose SS falls by 0.9 dB/MHz a cm with the phantom's put back, dB/cm/MHz."""
    return PHANTOM_DB_CM_MHZ + 0.9 / 2


def independent_windows() -> float:
    """How many independent windows bring a standard error of 1.8 dB down to 0.3 dB."""
    return (1.8 / 0.3) ** 2


def ring_over_disc(margin_mm: float) -> float:
    """Area of the margin over that of a round core of 20 mm, on pixels of 0.05 mm."""
    at_mm = np.arange(-22.0, 22.0, 0.05)
    core = np.hypot(at_mm[:, None], at_mm) <= 10.0
    return float(regions.margin_of(core, at_mm, at_mm, margin_mm).sum() / core.sum())


def margin_in_pixels() -> float:
    """Pixels across a margin of 5 mm in the paper's image over 60 mm."""
    return MARGIN_MM / (FIELD_MM / PAPER_PX)


def scaled_value() -> float:
    """Input of a network for 5 dB where the training percentiles are -10 and 20 dB."""
    from helpers.learning.images import TISSUE_FLOOR

    return TISSUE_FLOOR + (1 - TISSUE_FLOOR) * (5.0 - -10.0) / (20.0 - -10.0)


def weights_of_head(hidden: int) -> float:
    """Weights of a head 256 -> hidden -> 2."""
    from helpers.learning.networks import PredictiveNetwork
    from pages.networks import count_weights

    return float(count_weights(PredictiveNetwork(256, hidden, 0.5)))


def ignorant() -> float:
    """Weighted loss of a model that knows only the paper's share of non-responders."""
    from pages.networks import ignorant_loss

    lost = np.arange(study.N_PATIENTS) < round(study.NON_RESPONDERS * study.N_PATIENTS)
    return float(ignorant_loss(lost, np.ones(len(lost)), CLASS_WEIGHT))


def balancing_weight() -> float:
    """C that balances the paper's classes."""
    return 1 / study.NON_RESPONDERS - 1


def best_of_thirty() -> float:
    """Mean AUC of the best of 30 independent trials, all of true AUC 0.75, on 9 and 21 patients."""
    rng, shift = np.random.default_rng(0), norm.ppf(0.75) * np.sqrt(2)
    lost, passed = rng.normal(shift, 1, (400, 30, 9)), rng.normal(0, 1, (400, 30, 21))
    return float(auc.wins(lost, passed).mean((-2, -1)).max(1).mean())


def wilson_low() -> float:
    """Lower end of Wilson's 95 % interval for seven of ten."""
    return evaluation.proportion_interval(7, 10)[1]


def perfect_low() -> float:
    """Lower end of the 95 % interval of an AUC of 1 with the paper's test set."""
    lost = np.repeat([True, False], [N_NON_RESPONDERS, N_RESPONDERS])
    return auc.auc_interval(lost, lost.astype(float))[1]


def called_at_half() -> float:
    """True probability that a perfectly trained model of C = 5 calls 0.5."""
    return float(calibration.unweighted(np.array([0.5]), CLASS_WEIGHT)[0])


def benefit() -> float:
    """Net benefit per patient at a threshold of 0.2: 7 of 10 non-responders and 3 of 40 responders called."""
    lost = np.repeat([True, False], [N_NON_RESPONDERS, N_RESPONDERS])
    called = np.concatenate([np.arange(N_NON_RESPONDERS) < 7, np.arange(N_RESPONDERS) < 3])
    return float(calibration.net_benefit(lost, called.astype(float), [0.2])["model"].iloc[0])


def survival_by_hand() -> float:
    """Kaplan-Meier estimate at 3.5 years: recurrences at 1, 3 and 5 years, two patients left at 2 and 4."""
    table = survival.kaplan_meier([1.0, 2.0, 3.0, 4.0, 5.0], [True, False, True, False, True])
    return float(table["survival"].loc[:3.5].iloc[-1])


def events_for(hazard_ratio: float) -> float:
    """Recurrences that find a hazard ratio with a power of 80 %, one fifth of the patients in one group."""
    return chance.events_needed(hazard_ratio, N_NON_RESPONDERS / (N_NON_RESPONDERS + N_RESPONDERS))


def patches() -> float:
    """Patches of 8 pixels every 4 in four maps of 64 pixels."""
    from helpers.judgement.pda import patch_starts

    return float(4 * len(patch_starts(64, 8, 4)) ** 2)


def features_of_patient() -> float:
    """Hand-made features of five maps in core and margin, and core against margin."""
    from beyond.handmade import STEPS, TEXTURE

    return float(3 * len(STEPS) * len(("mean", "SD", *TEXTURE)))


def share_found() -> float:
    """Share of the oracle's lead that a mean AUC of 0.74 is, under an oracle of 0.86."""
    return (0.74 - 0.5) / (0.86 - 0.5)


def rightly_called() -> float:
    """Patients called rightly by rates of 91 and 83 % on 34 and 48 patients, and 87 % of all (DiCenzo et al. 2020)."""
    printed_to, n_lost, n_passed = (0.91, 0.83, 0.87), 34, 48
    pairs = np.array(np.meshgrid(np.arange(n_lost + 1), np.arange(n_passed + 1))).reshape(2, -1)
    rates = pairs[0] / n_lost, pairs[1] / n_passed, pairs.sum(0) / (n_lost + n_passed)
    fits = np.all([np.round(rate, 2) == value for rate, value in zip(rates, printed_to, strict=True)], axis=0)
    return float(pairs[:, fits].sum(0).item())


def one_of_ten() -> float:
    """Chance that at least one of ten useless features has p < 0.05."""
    return 1 - 0.95**10


def accuracy_of_guessing() -> float:
    """Expected accuracy of calling ten of the paper's test patients at random."""
    lost = N_NON_RESPONDERS / (N_NON_RESPONDERS + N_RESPONDERS)
    return lost**2 + (1 - lost) ** 2


def patients_for_share() -> float:
    """Patients whose share of non-responders, as the paper's, is known to five points at 95 %."""
    share = float(printed("Table 1", "Response: non-responder")) / 100
    return float(share * (1 - share) * (norm.ppf(0.975) / 0.05) ** 2)


def shift_of_mbf() -> float:
    """Change of MBF at 3 cm for 0.1 dB/cm/MHz more attenuation, at the middle of the band, dB."""
    return 2 * 0.1 * 3.0 * float(np.mean(BAND_MHZ))


def lines_of_window() -> float:
    """Lines in a window of 2 mm, of a probe of 192 lines over 38.4 mm."""
    return 2.0 / (38.4 / 192)


ANSWERS = {
    "ex-study-half": Answer(
        half_oracle,
        0.01,
        "AUC",
        "The oracle has to be told the effect too: its weights are the loadings that were drawn with. Take all traits "
        "and the 5,000 patients of seed 4.",
    ),
    "ex-study-left": Answer(
        left_to_learn,
        0.5,
        "patients",
        "The test set takes its own share of non-responders, the validation set the cohort's share, rounded.",
    ),
    "ex-rf-depth": Answer(
        shown_depth,
        0.1,
        "mm",
        "The scanner turns travel time into depth with its own speed of sound, not with the phantom's.",
    ),
    "ex-rf-samples": Answer(
        samples_of_window, 1.0, "samples", "Sound goes there and back: one sample is c / (2 fs) of depth."
    ),
    "ex-rf-beads": Answer(
        larger_beads,
        0.2,
        "dB",
        "At the same mass there are fewer large beads; each scatters by its volume squared, as long as it is small "
        "beside the wavelength. Then let `bead_backscatter` tell how far that holds.",
    ),
    "ex-maps-loss": Answer(
        slope_of_loss,
        0.02,
        "dB/MHz",
        "Echoes travel the path twice, and what is missing grows in proportion to frequency. Mind the sign.",
    ),
    "ex-maps-esd": Answer(
        diameter_of_slope,
        1.0,
        "µm",
        "a² = -M / (0.827 · 10 log₁₀(e) · (2π/c)²) with k in 1/cm for f in MHz; ESD is 2a.",
    ),
    "ex-uncertainty-tilt": Answer(
        attenuation_of_tilt,
        0.005,
        "dB/cm/MHz",
        "The tilt with depth is -2 times what the tissue attenuates more than the phantom.",
    ),
    "ex-uncertainty-worth": Answer(
        independent_windows,
        0.5,
        "windows",
        "A standard error falls with the square root of the number of independent values.",
    ),
    "ex-regions-ring": Answer(
        lambda: ring_over_disc(5.0), 0.02, "ratio", "Subtract the disc of the core from the larger disc."
    ),
    "ex-regions-wide": Answer(
        lambda: ring_over_disc(10.0), 0.04, "ratio", "The outer radius is twice the core's, its area is not."
    ),
    "ex-images-margin": Answer(
        margin_in_pixels, 0.5, "pixels, of 512", "The field of view is spread over all pixels of an edge."
    ),
    "ex-images-scaled": Answer(
        scaled_value, 0.005, "0 to 1, of 5 dB", "Tissue does not begin at 0: that is kept for the outside."
    ),
    "ex-networks-head": Answer(
        lambda: weights_of_head(100), 0.5, "weights", "Each neuron has a weight for every input and one more, its bias."
    ),
    "ex-networks-hidden": Answer(
        lambda: weights_of_head(300), 0.5, "weights", "Both layers depend on `hidden`; the biases do too."
    ),
    "ex-training-c": Answer(
        ignorant,
        0.005,
        "nats, at C = 5",
        "Weigh first, then take the entropy of the weighted share, with the natural logarithm.",
    ),
    "ex-training-balance": Answer(
        balancing_weight,
        0.05,
        "ratio",
        "Balanced: the weights of all non-responders add up to those of all responders.",
    ),
    "ex-search-noise": Answer(
        best_of_thirty,
        0.02,
        "AUC",
        "Draw 30 trials for many studies, keep the best of each study, then average over studies.",
    ),
    "ex-table2-wilson": Answer(
        wilson_low,
        0.005,
        "share, 0 to 1",
        "Solve |k/n - p| = z √(p(1-p)/n) for p; Wald's interval puts k/n under the root instead.",
    ),
    "ex-perfect": Answer(
        perfect_low,
        0.005,
        "AUC",
        "Ten pairs share no patient. Which AUC would win all ten of them in only 2.5 of 100 studies?",
    ),
    "ex-roc-weight": Answer(
        called_at_half, 0.005, "probability", "Undo q = Cp / (Cp + 1 - p): who is called at q = 0.5?"
    ),
    "ex-roc-benefit": Answer(
        benefit, 0.002, "per patient", "Divide both counts by all 50 patients; a false call costs t / (1 - t)."
    ),
    "ex-survival-hand": Answer(
        survival_by_hand,
        0.005,
        "share, 0 to 1",
        "Multiply at recurrences only; who has left is no longer among those at risk.",
    ),
    "ex-survival-events": Answer(
        lambda: events_for(2.0), 1.0, "recurrences", "z for 95 % is two-sided, z for 80 % power is not; ln, not log₁₀."
    ),
    "ex-pda-passes": Answer(
        patches,
        0.5,
        "forward passes",
        "Count the starts along one edge, the last one included; then square, then maps.",
    ),
    "ex-patients-features": Answer(
        features_of_patient,
        0.5,
        "features",
        "Five maps, six numbers each; three times: core, margin, and the two compared.",
    ),
    "ex-patients-share": Answer(
        share_found, 0.005, "share, 0 to 1", "What is to be found begins at chance, not at zero."
    ),
    "ex-audit-power": Answer(
        lambda: events_for(2.2), 1.0, "recurrences", "Schoenfeld's formula with one fifth of the patients in one group."
    ),
    "ex-audit-positive": Answer(
        rightly_called, 0.5, "patients", "Which whole numbers of 48, and which of 34, round to the printed rates?"
    ),
    "ex-pitfalls-ten": Answer(
        one_of_ten, 0.005, "probability", "Count the opposite: that none of the ten looks significant."
    ),
    "ex-pitfalls-guess": Answer(
        accuracy_of_guessing,
        0.005,
        "share, 0 to 1",
        "A call that knows nothing is right as often as its class is common: add up both calls.",
    ),
    "ex-reporting-size": Answer(
        patients_for_share, 1.5, "patients", "The half-width z √(p(1-p)/n) is to be 0.05; solve for n."
    ),
    "ex-own-attenuation": Answer(
        shift_of_mbf, 0.05, "dB", "There and back, over the whole path, at the middle of the band of 3 to 8 MHz."
    ),
    "ex-own-lines": Answer(lines_of_window, 0.5, "lines", "The pitch is the width over the number of lines."),
}
