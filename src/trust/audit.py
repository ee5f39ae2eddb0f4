"""The paper's printed figures, computed anew from one another. What was printed stands in ``judgement.printed``.

>>> verdict(100 * 44 / 50, "88")
'reproduced'
"""

from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

from helpers.judgement.evaluation import no_information_rate
from helpers.judgement.printed import N_NON_RESPONDERS, N_RESPONDERS, PRINTED, printed
from helpers.judgement.printed import printed_table1 as printed_table1
from helpers.judgement.printed import printed_table2 as printed_table2

VALIDATION = 21, 9  # responders and non-responders among validation patients, found likewise
COLUMNS = ["place", "figure", "printed", "recomputed", "verdict"]
REPRODUCED, CUT, SHORT = "reproduced", "reproduced if cut off, not rounded", "printed too short"


def unit_of(text):
    """Return the unit of the last printed digit: 0.1 for "64.4", 1 for "80"."""
    return 10.0 ** -len(text.partition(".")[2])


def verdict(value, text, unit=None):
    """Say whether ``value`` gives the printed text, and if not, by how much it is off."""
    off, unit = value - float(text), unit or unit_of(text)
    if abs(off) <= unit / 2 + 1e-9:
        return REPRODUCED
    return CUT if 0 < off < unit - 1e-9 else f"not reproduced: off by {off:+.2g}"


def finding(place, figure, text, value, digits=1, unit=None):
    """Return one line of the audit."""
    return dict(zip(COLUMNS, (place, figure, text, f"{value:.{digits}f}", verdict(value, text, unit)), strict=True))


def findings(rows):
    """Return lines of the audit as a table."""
    return pd.DataFrame(list(rows), columns=COLUMNS)


# --- whole numbers behind percentages


def counts(text, total, cut=False):
    """Return every k for which k of ``total`` patients is the printed percentage; ``cut`` allows cut-off digits."""
    allowed, share, unit = {REPRODUCED, CUT} if cut else {REPRODUCED}, float(text), unit_of(text)
    near = range(max(0, int(total * (share - unit) / 100)), min(total, int(total * (share + unit) / 100) + 1) + 1)
    return [k for k in near if verdict(100 * k / total, text) in allowed]


def confusions(accuracy, specificity, sensitivity, n_responders, n_non_responders, cut=False):
    """Return every (responders found, non-responders found) that gives the three printed percentages."""
    right = set(counts(accuracy, n_responders + n_non_responders, cut))
    return [
        (kept, found)
        for kept in counts(specificity, n_responders, cut)
        for found in counts(sensitivity, n_non_responders, cut)
        if kept + found in right
    ]


def printed_rates(split):
    """Return (accuracy, specificity, sensitivity) of the four models as printed for "validation" or "test"."""
    rates = ("accuracy", "specificity", "sensitivity")
    return [[printed("Table 2", str(model), f"{split}_{rate}") for rate in rates] for model in (1, 2, 3, 4)]


def splits_behind(split, n_patients, cut=False):
    """Return every (n_responders, n_non_responders) of ``n_patients`` that gives all four models' printed rates."""
    printed_four = printed_rates(split)
    return [
        (n_patients - n, n)
        for n in range(1, n_patients)
        if all(confusions(*rates, n_patients - n, n, cut) for rates in printed_four)
    ]


def wald(share, n):
    """Return the half-width 1.96 sqrt(p (1 - p) / n) of the textbook's 95 % interval of a proportion."""
    return norm.ppf(0.975) * np.sqrt(share * (1 - share) / n)


def rates_and_widths(split, n_responders, n_non_responders, cut=False):
    """Return the audit of one half of Table 2: each rate from whole numbers, each half-width by Wald."""
    rows, n = [], n_responders + n_non_responders
    for model, rates in enumerate(printed_rates(split), start=1):
        kept, found = confusions(*rates, n_responders, n_non_responders, cut)[0]
        shares = (kept + found) / n, kept / n_responders, found / n_non_responders
        names = "accuracy", f"specificity, {kept} of {n_responders}", f"sensitivity, {found} of {n_non_responders}"
        place = f"Table 2, model {model}, {split}"
        rows += [finding(place, *three) for three in zip(names, rates, [100 * s for s in shares], strict=True)]
        width = printed("Table 2", str(model), f"{split}_accuracy", "plus_minus")
        rows.append(finding(place, f"± of accuracy, Wald, n = {n}", width, 100 * wald(shares[0], n)))
    return findings(rows)


# --- Table 1


def patients():
    """Return the audit of how many patients there are, and how many respond."""
    n = {key: int(printed("Methods", "patients", key)) for key in ("all", "training", "test", "validation")}
    lost = {"all": int(printed("Methods", "non-responders")), "test": N_NON_RESPONDERS}
    lost["training"] = lost["all"] - lost["test"]
    both = int(printed("Methods", "responders")) + lost["all"]
    treated = sum(float(printed("Table 1", f"Treatment: {name}")) for name in ("AC-T/D", "FEC-D"))
    rows = [
        finding("Methods", "patients: training + test", str(n["all"]), n["training"] + n["test"], 0),
        finding("Methods", "patients: responders + non-responders", str(n["all"]), both, 0),
        finding("Methods", "about so many % are test patients", "30", 100 * n["test"] / n["all"], unit=5),
        finding("Methods", "about so many % of training validate", "25", 100 * n["validation"] / n["training"], unit=5),
        finding("Discussion", "% on AC-T/D or FEC-D", printed("Discussion", "AC-T/D or FEC-D"), treated),
    ]
    for group in ("all", "training", "test"):
        share = 100 * (n[group] - lost[group]) / n[group]
        rows.append(
            finding("Table 1", f"% responders, {group}", printed("Table 1", "Response: responder", group), share)
        )
    return findings(rows)


def pooled_means():
    """Return the audit of Table 1's means and SDs: "all" from training and test patients."""
    n = np.array([int(printed("Methods", "patients", group)) for group in ("training", "test")])
    rows = []
    for name in ("Age", "Initial tumour size", "Residual tumour size"):
        mean, sd = (np.array([float(printed("Table 1", name, group, what)) for group in ("training", "test")])
                    for what in ("value", "plus_minus"))  # fmt: skip
        pooled = n @ mean / n.sum()
        spread = np.sqrt(((n - 1) @ sd**2 + n @ (mean - pooled) ** 2) / (n.sum() - 1))
        rows.append(finding("Table 1", f"{name}, mean", printed("Table 1", name), pooled, 2))
        rows.append(finding("Table 1", f"{name}, SD", printed("Table 1", name, what="plus_minus"), spread, 2))
    return findings(rows)


def denominators(texts, limit, whole=True, cut=False):
    """Return every number of patients up to ``limit`` that can give all of the percentages.

    ``whole``: the categories exclude one another and leave nobody out, so that their counts add up.
    """
    possible = []
    for n in range(1, limit + 1):
        ways = [counts(text, n, cut) for text in texts]
        if all(ways) and (not whole or sum(map(min, ways)) <= n <= sum(map(max, ways))):
            possible.append(n)
    return possible


def table1_denominators(cut=False):
    """Return, per variable of Table 1, the possible numbers of patients of each column.

    ``adds_up``: pairs (training, test) whose counts also give every percentage of "all".
    """
    table, rows = PRINTED[PRINTED.row.str.contains(": ") & (PRINTED.place == "Table 1")], {}
    for variable, part in table.groupby(table.row.str.split(": ").str[0], sort=False):
        texts = {group: part[part.column == group].value.tolist() for group in ("all", "training", "test")}
        whole = variable != "Molecular"
        possible = {group: denominators(texts[group], int(printed("Methods", "patients", group)), whole, cut)
                    for group in texts}  # fmt: skip
        pairs = [pair for pair in product(possible["training"], possible["test"]) if sum(pair) in possible["all"]]
        rows[variable] = possible | {"adds_up": [pair for pair in pairs if adds_up(texts, *pair, cut)]}
    return pd.DataFrame(rows).T


def adds_up(texts, n_training, n_test, cut=False):
    """Return whether counts of training and test patients can sum to every percentage of "all"."""
    return all(
        {i + j for i in counts(one, n_training, cut) for j in counts(other, n_test, cut)}
        & set(counts(whole, n_training + n_test, cut))
        for whole, one, other in zip(texts["all"], texts["training"], texts["test"], strict=True)
    )


# --- the AUC, and what accuracy has to beat


def hanley_mcneil(auc, n_positive, n_negative):
    """Return the standard error of an AUC by Hanley and McNeil 1982, equations 1 and 2."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n_positive - 1) * (q1 - auc**2) + (n_negative - 1) * (q2 - auc**2)
    return np.sqrt(variance / (n_positive * n_negative))


def auc_widths():
    """Return the audit of the printed half-widths of the AUC: as a proportion's, and as an AUC's."""
    rows, n = [], N_RESPONDERS + N_NON_RESPONDERS
    for model in (1, 2, 3, 4):
        auc, width = (printed("Table 2", str(model), "test_auc", what) for what in ("value", "plus_minus"))
        error = hanley_mcneil(float(auc), N_NON_RESPONDERS, N_RESPONDERS)
        place = f"Table 2, model {model}, test"
        rows.append(finding(place, f"± of AUC as a proportion, n = {n}", width, wald(float(auc), n), 3))
        honest = norm.ppf(0.975) * error
        rows.append(finding(place, "± of AUC, Hanley and McNeil, 10 against 40", width, honest, 3))
        rows[-1]["verdict"] = f"{SHORT}: {honest / float(width):.1f} times as wide would be right"
    return findings(rows)


def bounds():
    """Return the audit of what can only be bounded: the AUC by its operating point, the loss by its wrong calls.

    A curve through (1 - specificity, sensitivity) has an area from sensitivity * specificity to 1 - (1 - sensitivity)
    (1 - specificity); a wrong call at a threshold of 0.5 costs at least ln 2 in a cross entropy that weighs all alike.
    """
    rows = []
    for model, (validation, test) in enumerate(zip(printed_rates("validation"), printed_rates("test"), strict=True), 1):
        wrong = sum(VALIDATION) - sum(confusions(*validation, *VALIDATION, cut=True)[0])
        specificity, sensitivity = (float(rate) / 100 for rate in test[1:])
        ranges = {
            "test_auc": (sensitivity * specificity, 1 - (1 - sensitivity) * (1 - specificity)),
            "validation_loss": (wrong * np.log(2) / sum(VALIDATION), np.inf),
        }
        for name, (low, high) in ranges.items():
            text = printed("Table 2", str(model), name)
            told = "possible" if low <= float(text) <= high else "impossible"
            span = f"{low:.2f} to {high:.2f}" if np.isfinite(high) else f"at least {low:.2f}"
            rows.append((f"Table 2, model {model}", name.replace("_", " "), text, span, told))
    return findings(rows)


def against_no_information():
    """Return the test accuracy of each model, with the exact p-value of being above the no-information rate."""
    n = N_RESPONDERS + N_NON_RESPONDERS
    rate = no_information_rate(np.arange(n) < N_NON_RESPONDERS)
    right = {m: sum(confusions(*r, N_RESPONDERS, N_NON_RESPONDERS)[0]) for m, r in enumerate(printed_rates("test"), 1)}
    return pd.DataFrame({
        "right": right, "accuracy": {m: k / n for m, k in right.items()}, "no_information": rate,
        "p": {m: binomtest(k, n, rate, alternative="greater").pvalue for m, k in right.items()},
    }).rename_axis("model")  # fmt: skip
